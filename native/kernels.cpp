// Training and evaluation of one block of models, a model a lane. A sample goes through the whole network and back
// before the next is touched, so that its activations stay in the cache; gradients are summed over the batch.
#include "job.h"

#include "convolution.h"
#include "pooling.h"

namespace ZOOTWINS_LEVEL {

using zootwins::Block;
using zootwins::Shape;

constexpr float EPSILON = 1e-15f, CONV_CLAMP = 8.0f;  // see population/variational.py
constexpr float K1 = 0.63576f, K2 = 1.8732f, K3 = 1.48695f;
// see population/hard_concrete.py; SHIFT is -BETA · log(-GAMMA / ZETA)
constexpr float BETA = 2.0f / 3.0f, GAMMA = -0.1f, ZETA = 1.1f, GATE_EPSILON = 1e-8f, SHIFT = 1.5985968f;
constexpr double BETA1 = 0.9, BETA2 = 0.999;  // Adam, as torch.optim's defaults
constexpr float ADAM_EPSILON = 1e-8f;
constexpr double RMSPROP_ALPHA = 0.99;  // likewise
constexpr float RMSPROP_EPSILON = 1e-8f;

// Hands out aligned pieces of the workspace; from null it only counts.
struct Arena {
  char* base;
  size_t used = 0;

  template <class T>
  T* take(size_t count) {
    T* piece = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += (count * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
};

template <int KIND>
ZT_INLINE V activation(V x, V& slope) {
  if constexpr (KIND == zootwins::TANH) {
    const V y = hyperbolic_tangent(x);
    slope = 1.0f - y * y;
    return y;
  } else if constexpr (KIND == zootwins::RELU) {
    slope = keep(greater(x, V{}), splat(1.0f));
    return select(less_equal(x, V{}), V{}, x);
  } else if constexpr (KIND == zootwins::SIGMOID) {
    const V y = sigmoid(x);
    slope = y * (1.0f - y);
    return y;
  } else {
    return gelu(x, slope);
  }
}

template <int KIND>
ZT_NOINLINE void activate_all(V* x, V* slope, int count) {
  for (int i = 0; i < count; i++) x[i] = activation<KIND>(x[i], slope[i]);
}

// Activations kind by kind, lanes of other kinds left as they are.
template <int KIND>
ZT_NOINLINE void activate_some(M lanes, const V* x, V* y, V* slope, int count) {
  for (int i = 0; i < count; i++) {
    V lane_slope;
    y[i] = select(lanes, activation<KIND>(x[i], lane_slope), y[i]);
    slope[i] = select(lanes, lane_slope, slope[i]);
  }
}

// The model that a lane trains: spare lanes repeat the last one's, at a learning rate of 0.
ZT_INLINE int64_t model_of(const Block& block, int lane) {
  return block.places[lane < block.lanes ? lane : block.lanes - 1];
}

// What differs between the lanes of a block.
struct Lanes {
  Philox philox;
  V lr, weight_decay, l2, momentum, penalty, dropout, dropout_scale;
  int64_t steps[LANES];
  M adam, nesterov, adamw, rmsprop, activations[zootwins::ACTIVATIONS];
  bool has_activation[zootwins::ACTIVATIONS] = {};
  int kinds_of_activation = 0;
  bool has_adam = false, has_sgd = false, has_others = false, has_dropout = false;  // others: optimisers, or l2

  explicit Lanes(const Block& block) {
    I kind, optimizer;
    for (int lane = 0; lane < LANES; lane++) {
      const zootwins::Factors& f = block.factors[model_of(block, lane)];
      Philox::set_key(philox, lane, f.key);
      lr[lane] = lane < block.lanes ? f.lr : 0;
      weight_decay[lane] = f.weight_decay;
      l2[lane] = f.l2;
      momentum[lane] = f.momentum;
      penalty[lane] = f.penalty;
      steps[lane] = f.steps;
      dropout[lane] = f.dropout;
      dropout_scale[lane] = 1 / (1 - f.dropout);
      kind[lane] = f.activation;
      optimizer[lane] = f.optimizer;
      (f.optimizer == zootwins::ADAM ? has_adam : has_sgd) = true;
      has_others |= (f.optimizer != zootwins::ADAM && f.optimizer != zootwins::SGD) || f.l2 > 0;
      has_dropout |= f.dropout > 0;
      kinds_of_activation += !has_activation[f.activation];
      has_activation[f.activation] = true;
    }
    for (int k = 0; k < zootwins::ACTIVATIONS; k++) activations[k] = equal(kind, I{} + k);
    adam = equal(optimizer, I{} + int(zootwins::ADAM));
    nesterov = equal(optimizer, I{} + int(zootwins::NESTEROV));
    adamw = equal(optimizer, I{} + int(zootwins::ADAMW));
    rmsprop = equal(optimizer, I{} + int(zootwins::RMSPROP));
  }

  template <int KIND>
  void activate_kind(V* x, V* slope, int count, V* scratch) const {
    if (!has_activation[KIND]) return;
    if (kinds_of_activation == 1)
      activate_all<KIND>(x, slope, count);
    else
      activate_some<KIND>(activations[KIND], scratch, x, slope, count);
  }

  // x[count] becomes f(x), slope f'(x).
  void activate(V* x, V* slope, int count, V* scratch) const {
    if (kinds_of_activation > 1)
      for (int i = 0; i < count; i++) scratch[i] = x[i];
    activate_kind<zootwins::TANH>(x, slope, count, scratch);
    activate_kind<zootwins::RELU>(x, slope, count, scratch);
    activate_kind<zootwins::SIGMOID>(x, slope, count, scratch);
    activate_kind<zootwins::GELU>(x, slope, count, scratch);
  }
};

// A parameter, or something of its shape, of every lane, by Kind.
struct Parameters {
  V* of[zootwins::KINDS];
};

// One layer's arrays.
struct Arrays {
  Parameters value, gradient;
  V *variance_weight, *variance_bias;                    // α·w² and α·b² + ε
  V *variance_weight_gradient, *variance_bias_gradient;  // of the loss with respect to these
  V *padded, *padded_gradient;                           // the inputs with zeros around them
  V *squares;                                            // of the inputs
  V *weight;                                             // what the inputs are multiplied with: the value, or made of it
  V *gate, *gate_slope;                                  // z, and its derivative with respect to log α
  V *convolved, *hidden, *out;                           // before and after a pool, an activation and dropout; at the end
  V *slope, *ratio;                                      // slope: d hidden / d z; ratio: d convolved / d variance
  V *convolved_gradient, *hidden_gradient, *out_gradient, *variance_gradient;
  Pooled pooled;
  I *chosen_before, *chosen_after;                       // by pools before and after the activation
};

template <class Network, int MODE, bool TRAINING>
class Model {
  static constexpr bool VARIATIONAL = MODE == zootwins::GAUSSIAN_NOISE, GATED = MODE == zootwins::HARD_CONCRETE,
                        MASKED = MODE == zootwins::MASKED_DENSE, THRESHOLDED = MODE == zootwins::SOFT_THRESHOLD;
  static constexpr int LAYERS = Network::DEPTH;
  template <int i>
  using Layer = typename Network::template At<i>;
  using Input = Layer<0>;
  static constexpr int FEATURES = Layer<LAYERS - 1>::INPUTS;
  template <class L>
  using PoolBefore = PoolOf<L::BEFORE.kind, L::OUTPUTS, L::POOLED, window(L::BEFORE, L::POOLED)>;
  template <class L>
  using PoolAfter = PoolOf<L::AFTER.kind, L::OUTPUTS, L::HIDDEN, window(L::AFTER, L::HIDDEN)>;

  const int classes;
  Arrays layers[LAYERS];
  size_t parameters = 0;                       // vectors in each of the next five
  V *values, *gradients, *exp_avg, *exp_avg_sq;
  Bits* kept;
  V *image, *scratch, *spread, *exponentials;

  template <int i>
  static constexpr int outputs(int classes) { return Layer<i>::HEAD ? classes : Layer<i>::OUTPUTS; }
  template <int i>
  static constexpr int weights(int classes) { return Layer<i>::INPUTS * Layer<i>::KERNEL * Layer<i>::KERNEL * outputs<i>(classes); }

  template <int i>
  static constexpr size_t count(int classes, int kind) {
    using L = Layer<i>;
    if (kind == zootwins::WEIGHT) return weights<i>(classes);
    if (kind == zootwins::BIAS) return outputs<i>(classes);
    if (kind == zootwins::LOG_ALPHA) return GATED ? weights<i>(classes) : 0;
    if (kind == zootwins::KEPT) return MASKED ? weights<i>(classes) : 0;
    if (kind == zootwins::THRESHOLD) return THRESHOLDED ? 1 : 0;
    if (!VARIATIONAL) return 0;
    if (kind == zootwins::LOG_SIGMA2) return weights<i>(classes);
    return L::LINEAR ? 0 : outputs<i>(classes);
  }
  // What it gives before a first pool, before a second, and at the end.
  template <int i>
  int convolved_units() const { return outputs<i>(classes) * Layer<i>::POOLED * Layer<i>::POOLED; }
  template <int i>
  int hidden_units() const { return outputs<i>(classes) * Layer<i>::HIDDEN * Layer<i>::HIDDEN; }
  template <int i>
  int out_units() const { return outputs<i>(classes) * Layer<i>::RESULT * Layer<i>::RESULT; }

  // Calls f with the number of every layer, as a type (first to last, or last to first).
  template <int i>
  struct Index {
    static constexpr int value = i;
  };
  template <int i = 0, class F>
  static void each_layer(F&& f) {
    if constexpr (i < LAYERS) {
      f(Index<i>{});
      each_layer<i + 1>(f);
    }
  }
  template <int i = LAYERS - 1, class F>
  static void each_layer_reversed(F&& f) {
    if constexpr (i >= 0) {
      f(Index<i>{});
      each_layer_reversed<i - 1>(f);
    }
  }

  template <int i>
  static constexpr int noise_sites() {
    if constexpr (i == 0) return 0;
    else return noise_sites<i - 1>() + Layer<i - 1>::NOISE_SITES;
  }
  template <int i>
  static constexpr int dropout_sites() {
    if constexpr (i == 0) return 0;
    else return dropout_sites<i - 1>() + Layer<i - 1>::DROPOUT_SITES;
  }
  template <int i>
  static constexpr int gate_blocks() {
    if constexpr (i == 0) return 0;
    else return gate_blocks<i - 1>() + (Layer<i - 1>::WEIGHTS + 3) / 4;
  }

  static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

 public:
  static size_t size(int classes, int layer, int kind) {
    size_t found = 0;
    each_layer([&](auto index) {
      if (index.value == layer) found = count<index.value>(classes, kind);
    });
    return found;
  }

  Model(Arena& arena, int classes) : classes(classes) {
    each_layer([&](auto index) {
      for (int kind = 0; kind < zootwins::KINDS; kind++) parameters += count<index.value>(classes, kind);
    });
    values = arena.take<V>(parameters);
    gradients = exp_avg = exp_avg_sq = nullptr;
    kept = nullptr;
    if (TRAINING) {
      gradients = arena.take<V>(parameters);
      exp_avg = arena.take<V>(parameters);
      exp_avg_sq = arena.take<V>(parameters);
      kept = arena.take<Bits>(parameters);
    }
    image = arena.take<V>(Input::IMAGE_UNITS);
    exponentials = arena.take<V>(classes);
    size_t offset = 0, scratch_size = 0, spread_size = 0;
    each_layer([&](auto index) {
      constexpr int i = index.value;
      using L = Layer<i>;
      Arrays& a = layers[i];
      for (int kind = 0; kind < zootwins::KINDS; kind++) {
        a.value.of[kind] = values + offset;
        a.gradient.of[kind] = gradients + offset;
        offset += count<i>(classes, kind);
      }
      const int weight_count = weights<i>(classes), output_count = outputs<i>(classes);
      a.weight = a.value.of[zootwins::WEIGHT];
      if (GATED || MASKED || THRESHOLDED) a.weight = arena.take<V>(weight_count);
      if (GATED) {
        a.gate = arena.take<V>(weight_count);
        a.gate_slope = arena.take<V>(weight_count);
      }
      if (L::PADDING) a.padded = zeros(arena, L::INPUT_UNITS);
      if (L::PADDING && TRAINING) a.padded_gradient = arena.take<V>(L::INPUT_UNITS);
      a.convolved = arena.take<V>(convolved_units<i>());
      a.hidden = L::POOLS_BEFORE ? arena.take<V>(hidden_units<i>()) : a.convolved;
      a.out = L::POOLS_AFTER ? arena.take<V>(out_units<i>()) : a.hidden;
      a.slope = arena.take<V>(hidden_units<i>());
      a.pooled.row = arena.take<Bits>(L::FUSED ? convolved_units<i>() : 0);
      a.pooled.column = arena.take<Bits>(L::FUSED ? convolved_units<i>() : 0);
      a.chosen_before = arena.take<I>(L::POOLS_BEFORE ? hidden_units<i>() : 0);
      a.chosen_after = arena.take<I>(L::POOLS_AFTER ? out_units<i>() : 0);
      if (TRAINING) {
        a.convolved_gradient = arena.take<V>(convolved_units<i>());
        a.hidden_gradient = L::POOLS_BEFORE ? arena.take<V>(hidden_units<i>()) : a.convolved_gradient;
        a.out_gradient = L::POOLS_AFTER ? arena.take<V>(out_units<i>()) : a.hidden_gradient;
      }
      if (VARIATIONAL) {
        a.variance_weight = arena.take<V>(weight_count);
        a.variance_bias = arena.take<V>(output_count);
        a.variance_weight_gradient = arena.take<V>(weight_count);
        a.variance_bias_gradient = arena.take<V>(output_count);
        a.squares = arena.take<V>(L::INPUT_UNITS);
        a.ratio = arena.take<V>(convolved_units<i>());
        a.variance_gradient = arena.take<V>(convolved_units<i>());
      }
      // noise of a row of windows, dropout of a row, a layer's values before a mixed activation
      scratch_size = larger(scratch_size, larger(hidden_units<i>(), 2 * L::SIZE * output_count + 6));
      spread_size = larger(spread_size, L::FUSED ? L::OUTPUTS * L::USED * L::USED : 0);
    });
    scratch = arena.take<V>(scratch_size);
    spread = arena.take<V>(TRAINING ? spread_size : 0);
  }

  static V* zeros(Arena& arena, size_t count) {
    V* taken = arena.take<V>(count);
    if (taken) __builtin_memset(taken, 0, count * sizeof(V));
    return taken;
  }

  // Between the natural layout, [models, size], and vectors of models: calls f(vector, lane, natural index).
  template <int i, class F>
  void each_element(const Block& block, int kind, F&& f) {
    using L = Layer<i>;
    const bool is_weight = kind == zootwins::WEIGHT || kind == zootwins::LOG_SIGMA2 || kind == zootwins::LOG_ALPHA ||
                           kind == zootwins::KEPT;
    const int size = int(count<i>(classes, kind));
    for (int n = 0; n < size; n++) {
      const int at = is_weight ? L::weight_place(n) : n;
      for (int lane = 0; lane < LANES; lane++) f(at, lane, model_of(block, lane) * size + n);
    }
  }

  void load(const Block& block) {
    each_layer([&](auto index) {
      for (int kind = 0; kind < zootwins::KINDS; kind++) {
        const zootwins::Tensor& tensor = block.tensors[index.value].of[kind];
        const size_t offset = layers[index.value].value.of[kind] - values;
        each_element<index.value>(block, kind, [&](int at, int lane, int64_t n) {
          const bool keep = tensor.value && (!tensor.mask || tensor.mask[n]);
          values[offset + at][lane] = keep ? tensor.value[n] : 0;
          if constexpr (TRAINING) {
            exp_avg[offset + at][lane] = keep ? tensor.exp_avg[n] : 0;
            exp_avg_sq[offset + at][lane] = keep ? tensor.exp_avg_sq[n] : 0;
          }
        });
        if constexpr (TRAINING) {
          I lanes = {};
          each_element<index.value>(block, kind, [&](int at, int lane, int64_t n) {
            lanes[lane] = !tensor.mask || tensor.mask[n];
            if (lane == LANES - 1) kept[offset + at] = pack(equal(lanes, I{} + 1));
          });
        }
      }
    });
  }

  void store(const Block& block) {
    each_layer([&](auto index) {
      for (int kind = 0; kind < zootwins::KINDS; kind++) {
        const zootwins::Tensor& tensor = block.tensors[index.value].of[kind];
        const size_t offset = layers[index.value].value.of[kind] - values;
        each_element<index.value>(block, kind, [&](int at, int lane, int64_t n) {
          if (lane >= block.lanes || !tensor.value) return;
          tensor.value[n] = values[offset + at][lane];
          tensor.exp_avg[n] = exp_avg[offset + at][lane];
          tensor.exp_avg_sq[n] = exp_avg_sq[offset + at][lane];
        });
      }
    });
  }

  // One image a lane becomes one vector a pixel; the images that follow are fetched meanwhile.
  void load_images(const float* const (&images)[LANES], const float* const (&next)[LANES]) {
    constexpr int PIXELS = Input::IMAGE_UNITS;
    static_assert(PIXELS % LANES == 0, "images are transposed in squares");
    for (int pixel = 0; pixel < PIXELS; pixel += LANES) {
      V square[LANES], shuffled[LANES];
      for (int lane = 0; lane < LANES; lane++) {
        __builtin_prefetch(next[lane] + pixel);
        __builtin_memcpy(&square[lane], images[lane] + pixel, sizeof(V));
      }
      ZT_UNROLL
      for (int pass = 1; pass < LANES; pass *= 2) {
        ZT_UNROLL
        for (int lane = 0; lane < LANES / 2; lane++) {
          shuffled[2 * lane] = interleave_low(square[lane], square[lane + LANES / 2]);
          shuffled[2 * lane + 1] = interleave_high(square[lane], square[lane + LANES / 2]);
        }
        ZT_UNROLL
        for (int lane = 0; lane < LANES; lane++) square[lane] = shuffled[lane];
      }
      for (int i = 0; i < LANES; i++) image[pixel + i] = square[i];
    }
  }

  void load_same_image(const float* pixels) {
    for (int i = 0; i < Input::IMAGE_UNITS; i++) image[i] = splat(pixels[i]);
  }

  // What a layer takes, without and with the zeros around it.
  template <int i>
  const V* input() const {
    if constexpr (i == 0) return image;
    else return layers[i - 1].out;
  }
  template <int i>
  const V* padded_input() const {
    if constexpr (Layer<i>::PADDING == 0) return input<i>();
    else return layers[i].padded;
  }

  const V* forward(const Lanes& lanes, uint32_t epoch, uint32_t position) {
    each_layer([&](auto index) {
      constexpr int i = index.value;
      using L = Layer<i>;
      const Arrays& a = layers[i];
      if constexpr (L::PADDING > 0) surround<L::INPUTS, L::IMAGE, L::PADDING>(input<i>(), a.padded);
      const V* x = padded_input<i>();
      if constexpr (VARIATIONAL)
        for (int n = 0; n < L::INPUT_UNITS; n++) a.squares[n] = x[n] * x[n];
      convolve<L, VARIATIONAL>(
          Inputs{x, a.weight, a.value.of[zootwins::BIAS], a.squares, a.variance_weight, a.variance_bias}, classes,
          a.convolved, a.pooled, a.ratio, Noise{&lanes.philox, epoch, position, noise_sites<i>(), scratch});
      if constexpr (L::POOLS_BEFORE) pool<PoolBefore<L>>(a.convolved, a.hidden, a.chosen_before);
      if constexpr (L::ACTIVATION) lanes.activate(a.hidden, a.slope, hidden_units<i>(), scratch);
      if constexpr (TRAINING && L::DROPOUT)
        if (lanes.has_dropout) drop<i>(lanes, epoch, position);
      if constexpr (L::POOLS_AFTER) pool<PoolAfter<L>>(a.hidden, a.out, a.chosen_after);
    });
    return layers[LAYERS - 1].out;
  }

  template <int i>
  void drop(const Lanes& lanes, uint32_t epoch, uint32_t position) {
    using L = Layer<i>;
    constexpr int P = L::HIDDEN, SITES = P * L::OUTPUTS;
    for (int y = 0; y < P; y++) {
      const V* u = uniforms(lanes.philox, epoch, position, dropout_sites<i>() + y * SITES, SITES, scratch);
      for (int o = 0; o < L::OUTPUTS; o++)
        for (int x = 0; x < P; x++) {
          const int unit = (o * P + y) * P + x;
          const V factor = keep(less_equal(lanes.dropout, u[x * L::OUTPUTS + o]), lanes.dropout_scale);
          layers[i].hidden[unit] *= factor;
          layers[i].slope[unit] *= factor;
        }
    }
  }

  // From the gradient of the logits, in the last layer's out_gradient.
  void backward() {
    each_layer_reversed([&](auto index) {
      constexpr int i = index.value;
      using L = Layer<i>;
      const Arrays& a = layers[i];
      const V* x = padded_input<i>();
      V *g = a.convolved_gradient, *g_variance = a.variance_gradient;
      if constexpr (L::POOLS_AFTER) pool_gradient<PoolAfter<L>>(a.out_gradient, a.chosen_after, a.hidden_gradient);
      if constexpr (L::ACTIVATION)
        for (int n = 0; n < hidden_units<i>(); n++) a.hidden_gradient[n] *= a.slope[n];
      if constexpr (L::POOLS_BEFORE) pool_gradient<PoolBefore<L>>(a.hidden_gradient, a.chosen_before, g);
      if constexpr (VARIATIONAL)
        for (int n = 0; n < convolved_units<i>(); n++) g_variance[n] = g[n] * a.ratio[n];
      add_bias_gradient<i>(g, a.gradient.of[zootwins::BIAS]);
      if constexpr (VARIATIONAL) add_bias_gradient<i>(g_variance, a.variance_bias_gradient);
      weight_gradient<L, VARIATIONAL>(x, g, g_variance, classes, a.pooled, a.gradient.of[zootwins::WEIGHT],
                                      a.variance_weight_gradient);
      if constexpr (i > 0) {
        V* before = layers[i - 1].out_gradient;
        V* dx = L::PADDING ? a.padded_gradient : before;
        input_gradient<L>(spread_out<L>(g, a.pooled), a.weight, classes, dx, nullptr);
        if constexpr (VARIATIONAL)
          input_gradient<L>(spread_out<L>(g_variance, a.pooled), a.variance_weight, classes, dx, x);
        if constexpr (L::PADDING > 0) cut_out<L::INPUTS, L::IMAGE, L::PADDING>(dx, before);
      }
    });
  }

  // In the order of the pixels; outputs side by side, for a sum waits for the one before it.
  template <int i>
  void add_bias_gradient(const V* g, V* bias) const {
    constexpr int SIZE = Layer<i>::POOLED * Layer<i>::POOLED, TILE = largest_divisor(Layer<i>::OUTPUTS, 8);
    for (int first = 0; first < outputs<i>(classes); first += TILE) {
      V sum[TILE];
      ZT_UNROLL
      for (int o = 0; o < TILE; o++) sum[o] = bias[first + o];
      for (int n = 0; n < SIZE; n++)
        ZT_UNROLL
        for (int o = 0; o < TILE; o++) sum[o] += g[(first + o) * SIZE + n];
      ZT_UNROLL
      for (int o = 0; o < TILE; o++) bias[first + o] = sum[o];
    }
  }

  template <class L>
  const V* spread_out(const V* g, Pooled pooled) {
    if constexpr (!L::FUSED) return g;
    unpool<L>(g, pooled, spread);
    return spread;
  }

  // The loss of one sample a lane; with TRAINING, its gradient divided by the batch, else the classes' probabilities, in
  // `exponentials`.
  void score(const V* logits, I label, float batch, V& loss, I& prediction) {
    V top = logits[0], own = {}, sum = {};
    prediction = I{};
    for (int k = 1; k < classes; k++) {
      const M higher = greater(logits[k], top);
      top = select(higher, logits[k], top);
      prediction = (I)select(higher, (V)(I{} + k), (V)prediction);
    }
    for (int k = 0; k < classes; k++) {
      exponentials[k] = exponential(logits[k] - top);
      sum += exponentials[k];
      own = select(equal(label, I{} + k), logits[k], own);
    }
    loss = logarithm(sum) + (top - own);
    if constexpr (TRAINING)
      for (int k = 0; k < classes; k++)
        layers[LAYERS - 1].out_gradient[k] =
            (exponentials[k] / sum - keep(equal(label, I{} + k), splat(1.0f))) / batch;
    else
      for (int k = 0; k < classes; k++) exponentials[k] /= sum;
  }

  // α·w² of every weight, α·b² + ε of every output.
  void prepare_variances(const Block& block) {
    each_layer([&](auto index) {
      using L = Layer<index.value>;
      const Arrays& a = layers[index.value];
      const float bound = L::LINEAR ? block.linear_clamp : CONV_CLAMP;
      const bool noisy_bias = block.tensors[index.value].of[zootwins::BIAS_LOG_SIGMA2].value;
      for (int n = 0; n < weights<index.value>(classes); n++) {
        M inside;
        const V w = a.value.of[zootwins::WEIGHT][n];
        a.variance_weight[n] = w * w * exponential(log_alpha(w, a.value.of[zootwins::LOG_SIGMA2][n], bound, inside));
      }
      for (int o = 0; o < outputs<index.value>(classes); o++) {
        a.variance_bias[o] = splat(EPSILON);
        if (noisy_bias) {
          M inside;
          const V b = a.value.of[zootwins::BIAS][o];
          a.variance_bias[o] +=
              b * b * exponential(log_alpha(b, a.value.of[zootwins::BIAS_LOG_SIGMA2][o], bound, inside));
        }
      }
    });
  }

  // Clamped; outside the clamp it has no gradient.
  ZT_INLINE V log_alpha(V w, V log_sigma2, float bound, M& inside) {
    const V value = log_sigma2 - 2.0f * logarithm(absolute(w) + EPSILON);
    const M low = greater(splat(-bound), value), high = greater(value, splat(bound));
    inside = M(~low & ~high);
    return select(low, splat(-bound), select(high, splat(bound), value));
  }

  // From the gradients of α·w² to those of w and log σ², and the KL term's.
  void add_variance_gradients(const Block& block, V penalty) {
    each_layer([&](auto index) {
      using L = Layer<index.value>;
      const Arrays& a = layers[index.value];
      const float bound = L::LINEAR ? block.linear_clamp : CONV_CLAMP;
      add_variance_gradient(weights<index.value>(classes), a, zootwins::WEIGHT, a.variance_weight_gradient, bound, penalty);
      if (block.tensors[index.value].of[zootwins::BIAS_LOG_SIGMA2].value)
        add_variance_gradient(outputs<index.value>(classes), a, zootwins::BIAS, a.variance_bias_gradient, bound, penalty);
    });
  }

  static void add_variance_gradient(int count, const Arrays& a, int kind, const V* variance_gradient, float bound,
                                    V penalty) {
    for (int n = 0; n < count; n++) {
      M inside;
      const V w = a.value.of[kind][n];
      const V log_a = log_alpha(w, a.value.of[kind + 2][n], bound, inside);
      const V alpha = exponential(log_a), e = exponential(-K2 - K3 * log_a);
      const V sigmoid_slope = e / ((1.0f + e) * (1.0f + e));
      const V kl_slope = -penalty * (K1 * K3 * sigmoid_slope + 0.5f / (1.0f + alpha));
      const V reciprocal = 1.0f / (absolute(w) + EPSILON);
      // α·w² does not change with w inside the clamp, but for the ε in log α
      const V direct = 2.0f * variance_gradient[n] * alpha * w;
      const V sign = select(greater(w, V{}), splat(1.0f), splat(-1.0f));
      a.gradient.of[kind][n] += select(inside, direct * EPSILON * reciprocal - 2.0f * kl_slope * sign * reciprocal, direct);
      a.gradient.of[kind + 2][n] += keep(inside, variance_gradient[n] * alpha * w * w + kl_slope);
    }
  }

  // Draws the gates of a batch, and with them its weights.
  void prepare_gates(const Lanes& lanes, uint32_t epoch, uint32_t first_position) {
    each_layer([&](auto index) {
      using L = Layer<index.value>;
      const Arrays& a = layers[index.value];
      const int weight_count = weights<index.value>(classes);
      for (int first = 0; first < weight_count; first += 4) {
        U words[4];
        Philox::words(lanes.philox, gate_blocks<index.value>() + first / 4, first_position, epoch, GATES, words);
        for (int i = 0; i < 4 && first + i < weight_count; i++) {
          const int n = L::weight_place(first + i);
          const V u = to_uniform(words[i]);
          const V logistic = logarithm((u + GATE_EPSILON) / (1.0f - u));
          const V s = sigmoid((logistic + a.value.of[zootwins::LOG_ALPHA][n]) * (1 / BETA));
          const V stretched = s * (ZETA - GAMMA) + GAMMA;
          const M opened = greater(stretched, V{}), whole = less_equal(splat(1.0f), stretched);
          a.gate[n] = select(whole, splat(1.0f), keep(opened, stretched));
          a.gate_slope[n] = keep(M(opened & ~whole), s * (1.0f - s) * ((ZETA - GAMMA) / BETA));
          a.weight[n] = a.value.of[zootwins::WEIGHT][n] * a.gate[n];
        }
      }
    });
  }

  // From the gradients of θ·z to those of θ and log α, and the penalty's.
  void add_gate_gradients(V penalty) {
    each_layer([&](auto index) {
      const Arrays& a = layers[index.value];
      for (int n = 0; n < weights<index.value>(classes); n++) {
        const V e = exponential(-SHIFT - a.value.of[zootwins::LOG_ALPHA][n]);
        const V g = a.gradient.of[zootwins::WEIGHT][n];
        a.gradient.of[zootwins::LOG_ALPHA][n] =
            a.value.of[zootwins::WEIGHT][n] * g * a.gate_slope[n] + penalty * (e / ((1.0f + e) * (1.0f + e)));
        a.gradient.of[zootwins::WEIGHT][n] = g * a.gate[n];
      }
    });
  }

  // See population/masked_dense.py: the gradient of m⊙w goes to the dense w as it is.
  void mask_weights() {
    each_layer([&](auto index) {
      const Arrays& a = layers[index.value];
      for (int n = 0; n < weights<index.value>(classes); n++)
        a.weight[n] = a.value.of[zootwins::WEIGHT][n] * a.value.of[zootwins::KEPT][n];
    });
  }

  // See population/soft_threshold.py.
  void threshold_weights() {
    each_layer([&](auto index) {
      const Arrays& a = layers[index.value];
      const V threshold = sigmoid(a.value.of[zootwins::THRESHOLD][0]);
      for (int n = 0; n < weights<index.value>(classes); n++) {
        const V w = a.value.of[zootwins::WEIGHT][n], above = absolute(w) - threshold;
        a.weight[n] = select(less_equal(above, V{}), V{}, select(greater(w, V{}), above, -above));  // NaN stays
      }
    });
  }

  // From the gradients of weights behind their threshold to those of weights and of s, and the penalty's. The sum is in
  // the natural order, which is the same at every level.
  void add_threshold_gradients(V penalty) {
    each_layer([&](auto index) {
      using L = Layer<index.value>;
      const Arrays& a = layers[index.value];
      const V s = a.value.of[zootwins::THRESHOLD][0], share = sigmoid(s);
      V sum = {};
      for (int n = 0; n < weights<index.value>(classes); n++) {
        const int at = L::weight_place(n);
        V& g = a.gradient.of[zootwins::WEIGHT][at];
        g = select(less_equal(absolute(a.weight[at]), V{}), V{}, g);
        sum += select(greater(a.weight[at], V{}), g, -g);
      }
      a.gradient.of[zootwins::THRESHOLD][0] = penalty * s - sum * (share * (1.0f - share));
    });
  }

  // The n-th value's step by any optimiser: see population/optimizers.py.
  void move(size_t n, const Lanes& lanes, M moves, V lr, V step_size, V scale, V weight_decay, V l2) {
    const M adam = M(lanes.adam | lanes.adamw);
    const V g = keep(unpack(kept[n]), gradients[n]) + (select(lanes.adamw, V{}, weight_decay) + l2) * values[n];
    const V value = values[n] * (1.0f - lr * keep(lanes.adamw, weight_decay));
    const V adams = exp_avg_sq[n] * float(BETA2) + g * g * float(1 - BETA2);
    const V square = exp_avg_sq[n] * float(RMSPROP_ALPHA) + g * g * float(1 - RMSPROP_ALPHA);
    const V direction = select(lanes.rmsprop, g / (sqrt(square) + RMSPROP_EPSILON), g);
    const V velocity = lanes.momentum * exp_avg[n] + direction;
    const V average = select(adam, exp_avg[n] + (g - exp_avg[n]) * float(1 - BETA1), velocity);
    const V change = select(adam, step_size * average / (sqrt(adams) * scale + ADAM_EPSILON),
                            lr * select(lanes.nesterov, direction + lanes.momentum * velocity, velocity));
    exp_avg[n] = select(moves, average, exp_avg[n]);
    exp_avg_sq[n] = select(moves, select(lanes.rmsprop, square, keep(adam, adams)), exp_avg_sq[n]);
    values[n] = select(moves, value - change, values[n]);
  }

  // A step of every lane whose learning rate's factor is not 0; the others stand still, and so do their moments.
  // `steps` counts each lane's, from 1.
  void update(const Block& block, const Lanes& lanes, V lr_factor, const int64_t (&steps)[LANES]) {
    const M moves = greater(lr_factor, V{});
    V correction = {}, scale = {};
    for (int lane = 0; lane < LANES; lane++) {
      if (lane > 0 && steps[lane] == steps[lane - 1]) {
        correction[lane] = correction[lane - 1];
        scale[lane] = scale[lane - 1];
      } else {
        correction[lane] = float(1 - __builtin_pow(BETA1, double(steps[lane])));
        scale[lane] = float(1 / __builtin_sqrt(1 - __builtin_pow(BETA2, double(steps[lane]))));
      }
    }
    each_layer([&](auto index) {
      for (int kind = 0; kind < zootwins::KINDS; kind++) {
        const size_t first = layers[index.value].value.of[kind] - values;
        const zootwins::Tensor& tensor = block.tensors[index.value].of[kind];
        const bool own = tensor.own_lr > 0;
        const bool has_adam = own || lanes.has_adam, has_sgd = !own && lanes.has_sgd;
        const V lr = (own ? splat(tensor.own_lr) : lanes.lr) * lr_factor, step_size = lr / correction;
        const V weight_decay = tensor.decays ? lanes.weight_decay : V{};
        if (!own && lanes.has_others) {
          const V kernels_decay = kind == zootwins::WEIGHT ? 2.0f * lanes.l2 : V{};
          for (size_t n = first; n < first + count<index.value>(classes, kind); n++)
            move(n, lanes, moves, lr, step_size, scale, weight_decay, kernels_decay);
          continue;
        }
        for (size_t n = first; n < first + count<index.value>(classes, kind); n++) {
          const V g = keep(unpack(kept[n]), gradients[n]) + weight_decay * values[n];
          V change = {}, average = {}, average_square = {};
          if (has_adam) {
            average = exp_avg[n] + (g - exp_avg[n]) * float(1 - BETA1);
            average_square = exp_avg_sq[n] * float(BETA2) + g * g * float(1 - BETA2);
            change = step_size * average / (sqrt(average_square) * scale + ADAM_EPSILON);
          }
          if (has_sgd) {
            const V velocity = lanes.momentum * exp_avg[n] + g;
            average = select(lanes.adam, average, velocity);
            average_square = keep(lanes.adam, average_square);
            change = select(lanes.adam, change, lr * velocity);
          }
          exp_avg[n] = select(moves, average, exp_avg[n]);
          exp_avg_sq[n] = select(moves, average_square, exp_avg_sq[n]);
          values[n] = select(moves, values[n] - change, values[n]);
        }
      }
    });
  }

  void train(const Block& block) {
    const Lanes lanes(block);
    double losses[LANES] = {};
    int64_t correct[LANES] = {};
    load(block);
    const auto image_at = [&](int lane, int64_t position) {
      return block.images + block.orders[lane < block.lanes ? lane : 0][position] * size_t(Input::IMAGE_UNITS);
    };
    int64_t steps[LANES];
    for (int lane = 0; lane < LANES; lane++) steps[lane] = lanes.steps[lane];
    const int64_t batches = (block.samples + block.batch_size - 1) / block.batch_size;
    for (int64_t number = block.first_batch; number < block.stop_batch; number++) {
      const int64_t first = number * block.batch_size;
      const int64_t batch = block.samples - first < block.batch_size ? block.samples - first : block.batch_size;
      __builtin_memset(gradients, 0, parameters * sizeof(V));
      if constexpr (VARIATIONAL) {
        prepare_variances(block);
        each_layer([&](auto index) {
          const Arrays& a = layers[index.value];
          __builtin_memset(a.variance_weight_gradient, 0, weights<index.value>(classes) * sizeof(V));
          __builtin_memset(a.variance_bias_gradient, 0, outputs<index.value>(classes) * sizeof(V));
        });
      }
      if constexpr (GATED) prepare_gates(lanes, block.epoch, uint32_t(first));
      if constexpr (MASKED) mask_weights();
      if constexpr (THRESHOLDED) threshold_weights();
      for (int64_t position = first; position < first + batch; position++) {
        const float *images[LANES], *next[LANES];
        I label;
        for (int lane = 0; lane < LANES; lane++) {
          images[lane] = image_at(lane, position);
          next[lane] = image_at(lane, position + 1 < block.samples ? position + 1 : 0);
          label[lane] = int32_t(block.labels[block.orders[lane < block.lanes ? lane : 0][position]]);
        }
        load_images(images, next);
        V loss;
        I prediction;
        score(forward(lanes, block.epoch, uint32_t(position)), label, float(batch), loss, prediction);
        backward();
        for (int lane = 0; lane < LANES; lane++) {
          losses[lane] += loss[lane];
          correct[lane] += prediction[lane] == label[lane];
        }
      }
      if constexpr (VARIATIONAL) add_variance_gradients(block, lanes.penalty);
      if constexpr (GATED) add_gate_gradients(lanes.penalty);
      if constexpr (THRESHOLDED) add_threshold_gradients(lanes.penalty);
      V lr_factor;
      for (int lane = 0; lane < LANES; lane++) {
        lr_factor[lane] = block.lr_factors ? block.lr_factors[model_of(block, lane) * batches + number] : 1;
        steps[lane] += lr_factor[lane] > 0;
      }
      update(block, lanes, lr_factor, steps);
    }
    store(block);
    const int64_t stop = block.stop_batch * block.batch_size;
    const int64_t seen = (stop < block.samples ? stop : block.samples) - block.first_batch * block.batch_size;
    store_scores(block, losses, correct, seen);
  }

  static void store_scores(const Block& block, const double (&losses)[LANES], const int64_t (&correct)[LANES],
                           int64_t samples) {
    for (int lane = 0; lane < block.lanes; lane++) {
      block.loss[block.places[lane]] = losses[lane] / double(samples);
      block.accuracy[block.places[lane]] = double(correct[lane]) / double(samples);
    }
  }

  static void copy_lane(const V* from, int count, int lane, float* to) {
    for (int i = 0; i < count; i++) to[i] = from[i][lane];
  }

  void evaluate(const Block& block) {
    const Lanes lanes(block);
    double losses[LANES] = {};
    int64_t correct[LANES] = {};
    load(block);
    for (int64_t sample = 0; sample < block.samples; sample++) {
      load_same_image(block.images + sample * Input::IMAGE_UNITS);
      const I label = I{} + int32_t(block.labels[sample]);
      V loss;
      I prediction;
      score(forward(lanes, 0, 0), label, 1, loss, prediction);
      for (int lane = 0; lane < block.lanes; lane++) {
        losses[lane] += loss[lane];
        correct[lane] += prediction[lane] == label[lane];
        const int64_t row = block.places[lane] * block.samples + sample;
        block.predictions[row] = uint8_t(prediction[lane]);
        if (block.probabilities) copy_lane(exponentials, classes, lane, block.probabilities + row * classes);
        if (block.features) copy_lane(input<LAYERS - 1>(), FEATURES, lane, block.features + row * FEATURES);
      }
    }
    store_scores(block, losses, correct, block.samples);
  }
};

template <class T>
struct Type {
  using type = T;
};

constexpr int NETWORKS = std::tuple_size_v<Chains>;

// Calls f with the compiled chain of a number.
template <int i = 0, class F>
static auto with_network(int number, F&& f) {
  if constexpr (i + 1 < NETWORKS) {
    if (number != i) return with_network<i + 1>(number, f);
  }
  return f(Type<std::tuple_element_t<i, Chains>>{});
}

static int depth_of(int number) {
  return with_network(number, [](auto network) { return decltype(network)::type::DEPTH; });
}

static const zootwins::LayerInfo* layers_of(int number) {
  return with_network(number, [](auto network) -> const zootwins::LayerInfo* { return decltype(network)::type::INFO; });
}

template <class Model>
static Model model_in(void* workspace, int classes) {
  Arena arena{static_cast<char*>(workspace)};
  return Model(arena, classes);
}

template <class Model>
static size_t bytes(int classes) {
  Arena arena{nullptr};
  Model model(arena, classes);
  return arena.used;
}

// Calls f with the type of the model that trains the shape.
template <class F>
static auto with_model(const Shape& shape, F&& f) {
  return with_network(shape.network, [&](auto network) {
    using Network = typename decltype(network)::type;
    switch (shape.mode) {
      case zootwins::GAUSSIAN_NOISE: return f(Type<Model<Network, zootwins::GAUSSIAN_NOISE, true>>{});
      case zootwins::HARD_CONCRETE: return f(Type<Model<Network, zootwins::HARD_CONCRETE, true>>{});
      case zootwins::MASKED_DENSE: return f(Type<Model<Network, zootwins::MASKED_DENSE, true>>{});
      case zootwins::SOFT_THRESHOLD: return f(Type<Model<Network, zootwins::SOFT_THRESHOLD, true>>{});
      default: return f(Type<Model<Network, zootwins::PLAIN, true>>{});
    }
  });
}

static size_t workspace(const Shape& shape) {
  return with_model(shape, [&](auto model) { return bytes<typename decltype(model)::type>(shape.classes); });
}

static int64_t size(const Shape& shape, int layer, int kind) {
  return with_model(shape, [&](auto model) { return int64_t(decltype(model)::type::size(shape.classes, layer, kind)); });
}

static void train(const Block& block, void* workspace) {
  with_model(block.shape, [&](auto model) {
    model_in<typename decltype(model)::type>(workspace, block.shape.classes).train(block);
  });
}

static void evaluate(const Block& block, void* workspace) {
  with_network(block.shape.network, [&](auto network) {
    model_in<Model<typename decltype(network)::type, zootwins::PLAIN, false>>(workspace, block.shape.classes)
        .evaluate(block);
  });
}

static double multiply_adds(int64_t rounds, int64_t& count) {
  constexpr int SUMS = REGISTERS - 8;
  V sums[SUMS];
  for (int i = 0; i < SUMS; i++) sums[i] = splat(float(i));
  const V factor = splat(0.5f), addend = splat(1.0f);
  for (int64_t round = 0; round < rounds; round++) {
    ZT_UNROLL
    for (int i = 0; i < SUMS; i++) sums[i] = sums[i] * factor + addend;
  }
  count = rounds * SUMS * LANES;
  double total = 0;
  for (int i = 0; i < SUMS; i++) total += sums[i][0];
  return total;
}

static V activate_one(int kind, V x, V& slope) {
  switch (kind) {
    case zootwins::TANH: return activation<zootwins::TANH>(x, slope);
    case zootwins::RELU: return activation<zootwins::RELU>(x, slope);
    case zootwins::SIGMOID: return activation<zootwins::SIGMOID>(x, slope);
    default: return activation<zootwins::GELU>(x, slope);
  }
}

static void activate(int kind, const float* x, int64_t count, float* y, float* slope) {
  for (int64_t i = 0; i < count; i++) {
    V derivative;
    y[i] = activate_one(kind, splat(x[i]), derivative)[0];
    slope[i] = derivative[0];
  }
}

static void noise(uint64_t key, uint32_t epoch, uint32_t position, int sites, float* normal, float* uniform) {
  Philox philox;
  for (int lane = 0; lane < LANES; lane++) Philox::set_key(philox, lane, key);
  for (int site = 0; site < sites; site++) {
    V buffer[8];
    normal[site] = normals(philox, epoch, position, site, 1, buffer)[0][site % LANES];
    uniform[site] = uniforms(philox, epoch, position, site, 1, buffer)[0][site % LANES];
  }
}

extern const zootwins::Kernels kernels;
const zootwins::Kernels kernels = {ZOOTWINS_LEVEL_NAME, LANES,     NETWORKS, depth_of, layers_of,     size,
                                   workspace,           train,     evaluate, multiply_adds, activate, noise};

}  // namespace ZOOTWINS_LEVEL

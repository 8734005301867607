// The Python module zootwins.population._native: chooses the SIMD level, shares blocks of models among threads.
// The arguments are checked here; zootwins.population.native_engine prepares them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "job.h"

namespace nb = nanobind;
using zootwins::Block, zootwins::Factors, zootwins::Kernels, zootwins::Shape, zootwins::Tensor;

#define ZT_DECLARE(level) \
  namespace level { extern const Kernels kernels; }
ZT_DECLARE(zootwins_baseline)
#if defined(__x86_64__)
ZT_DECLARE(zootwins_avx2)
ZT_DECLARE(zootwins_avx512)
#endif

namespace {

// The levels this machine can run, fastest first.
std::vector<const Kernels*> levels() {
  std::vector<const Kernels*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    found.push_back(&zootwins_avx512::kernels);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&zootwins_avx2::kernels);
#endif
  found.push_back(&zootwins_baseline::kernels);
  return found;
}

const Kernels& chosen(const std::string& name) {
  for (const Kernels* kernels : levels())
    if (name == kernels->name) return *kernels;
  throw std::invalid_argument("this machine has no SIMD level " + name);
}

// Memory aligned for the widest vectors.
class Workspace {
 public:
  explicit Workspace(size_t bytes) : pointer(::operator new(bytes, ALIGNMENT)) {}
  ~Workspace() { ::operator delete(pointer, ALIGNMENT); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* get() const { return pointer; }

 private:
  static constexpr std::align_val_t ALIGNMENT{64};
  void* pointer;
};

void philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key, uint32_t out[4]) {
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t(c0) * 0xD2511F53u, p1 = uint64_t(c2) * 0xCD9E8D57u;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0, c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1, c3 = uint32_t(p0);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

// Uniform numbers as zootwins.population.randomness draws them, for each of the four words of a block of sites: fills
// [4, keys, batch, blocks]. Exact, so that they are equal bit for bit.
void uniforms(const int64_t* keys, size_t models, uint32_t epoch, uint32_t first, size_t batch, size_t blocks,
              uint32_t stream, float* filled) {
  const size_t plane = models * batch * blocks;
  for (size_t model = 0; model < models; model++)
    for (size_t sample = 0; sample < batch; sample++)
      for (size_t block = 0; block < blocks; block++) {
        uint32_t words[4];
        philox(uint32_t(block), first + uint32_t(sample), epoch, stream, uint64_t(keys[model]), words);
        float* place = filled + (model * batch + sample) * blocks + block;
        for (size_t word = 0; word < 4; word++) place[word * plane] = (float(words[word] >> 9) + 0.5f) * 0x1p-23f;
      }
}

// zootwins.population.randomness.data_order of one model.
std::vector<uint32_t> data_order(uint64_t key, uint32_t epoch, size_t samples) {
  std::vector<std::pair<int64_t, uint32_t>> drawn(samples);
  for (size_t position = 0; position < samples; position++) {
    uint32_t words[4];
    philox(0, uint32_t(position), epoch, 0, key, words);
    drawn[position] = {int64_t(uint64_t(words[0]) << 32 | words[1]), uint32_t(position)};
  }
  std::sort(drawn.begin(), drawn.end());
  std::vector<uint32_t> order(samples);
  std::transform(drawn.begin(), drawn.end(), order.begin(), [](const auto& pair) { return pair.second; });
  return order;
}

using Order = std::shared_ptr<const std::vector<uint32_t>>;

// Data orders of an epoch that is trained in parts, kept for the next part: to sort 50,000 numbers takes a model as long
// as 500 samples. Four bytes a model and sample, of one epoch at a time and until its last part.
class Orders {
 public:
  void clear() {
    const std::lock_guard lock(mutex);
    kept.clear();
  }

  Order of(uint64_t key, uint32_t epoch, size_t samples) {
    {
      const std::lock_guard lock(mutex);
      if (epoch != kept_epoch || samples != kept_samples) kept.clear();
      kept_epoch = epoch, kept_samples = samples;
      if (const auto found = kept.find(key); found != kept.end()) return found->second;
    }
    const Order order = std::make_shared<const std::vector<uint32_t>>(data_order(key, epoch, samples));
    const std::lock_guard lock(mutex);
    if (epoch == kept_epoch && samples == kept_samples) kept.emplace(key, order);
    return order;
  }

 private:
  std::mutex mutex;
  std::unordered_map<uint64_t, Order> kept;
  uint32_t kept_epoch = 0;
  size_t kept_samples = 0;
};

Orders orders_of_parts;

// While it lives, this thread takes numbers below 1.2e-38 for 0. Some processors work on each of them in microcode, a
// hundred times as long, and a network with saturated units has many.
class FlushSubnormals {
#if defined(__x86_64__)
 public:
  FlushSubnormals() : saved(_mm_getcsr()) { _mm_setcsr(saved | RESULTS | OPERANDS); }
  ~FlushSubnormals() { _mm_setcsr(saved); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  static constexpr unsigned RESULTS = 0x8000, OPERANDS = 0x0040;  // MXCSR's FTZ and DAZ
  const unsigned saved;
#endif
};

// Runs work(0 … count - 1) on at most `threads` threads; the first exception is thrown again here.
template <class F>
void in_parallel(int64_t count, int threads, F work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  auto run = [&] {
    [[maybe_unused]] const FlushSubnormals flush;
    try {
      for (int64_t i; (i = next++) < count;) work(i);
    } catch (...) {
      std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> helpers;
  try {
    for (int64_t i = 1; i < std::min<int64_t>(threads, count); i++) helpers.emplace_back(run);
  } catch (const std::system_error&) {  // no thread is to be had: those that there are do the work
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

using Floats = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ConstFloats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<bool, nb::c_contig, nb::device::cpu>;
using Images = nb::ndarray<const float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Keys = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Planes = nb::ndarray<float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Predictions = nb::ndarray<uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
// layer, kind, parameter, its two moments (none in evaluation), mask (none where nothing is pruned), whether it decays,
// the learning rate of its own
using Parameter =
    std::tuple<int, int, Floats, std::optional<Floats>, std::optional<Floats>, std::optional<Flags>, bool,
               std::optional<float>>;
// key, activation, optimiser, lr, weight decay, l2, momentum, dropout, penalty, steps taken
using ModelFactors = std::tuple<int64_t, int, int, float, float, float, float, float, float, int64_t>;

void check(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

// A population as the blocks are cut from it: the fields that they have in common.
class Job {
 public:
  Job(const Kernels& kernels, int network, int classes, int mode, const Images& images, const Labels& labels,
      const std::vector<ModelFactors>& models, const std::vector<Parameter>& parameters, const Doubles& loss,
      const Doubles& accuracy)
      : kernels(kernels) {
    check(0 <= network && network < kernels.networks, "unknown network");
    const zootwins::LayerInfo& input = kernels.layers(network)[0];
    const size_t edge = size_t(std::max(input.edge, 1));
    check(images.shape(1) * images.shape(2) * images.shape(3) == size_t(input.inputs) * edge * edge,
          "the images do not fit the network");
    check(2 <= classes && classes <= 256, "classes are counted in bytes");
    check(images.shape(0) > 0 && images.shape(0) == labels.shape(0), "as many labels as images, at least one");
    check(loss.size() == models.size() && accuracy.size() == models.size(), "one loss and accuracy a model");
    check(0 <= mode && mode < zootwins::MODES, "unknown mode");
    block.shape = Shape{network, mode, classes};
    block.images = images.data();
    block.labels = labels.data();
    block.samples = int64_t(images.shape(0));
    block.loss = loss.data();
    block.accuracy = accuracy.data();
    for (const auto& [key, activation, optimizer, lr, weight_decay, l2, momentum, dropout, penalty, steps] : models) {
      check(0 <= activation && activation < zootwins::ACTIVATIONS, "unknown activation");
      check(0 <= optimizer && optimizer < zootwins::OPTIMIZERS, "unknown optimiser");
      factors.push_back({uint64_t(key), lr, weight_decay, l2, momentum, dropout, penalty, activation, optimizer, steps});
    }
    block.factors = factors.data();
    sort_places();
    tensors.resize(size_t(kernels.depth(network)));
    block.tensors = tensors.data();
    for (const auto& [layer, kind, value, exp_avg, exp_avg_sq, mask, decays, own_lr] : parameters) {
      check(0 <= layer && size_t(layer) < tensors.size() && 0 <= kind && kind < zootwins::KINDS, "unknown parameter");
      const size_t size = size_t(kernels.size(block.shape, layer, kind)) * models.size();
      check(value.size() == size && (!exp_avg || exp_avg->size() == size) &&
                (!exp_avg_sq || exp_avg_sq->size() == size) && (!mask || mask->size() == size),
            "a parameter, its moments or its mask has the wrong size");
      tensors[size_t(layer)].of[kind] = {value.data(), exp_avg ? exp_avg->data() : nullptr,
                                         exp_avg_sq ? exp_avg_sq->data() : nullptr, mask ? mask->data() : nullptr,
                                         decays, own_lr.value_or(0)};
    }
  }

  void train(uint32_t epoch, int64_t batch_size, int64_t first_batch, int64_t stop_batch,
             const std::optional<ConstFloats>& lr_factors, float linear_clamp, int threads) {
    check(batch_size > 0, "batches have at least one sample");
    const int64_t batches = (block.samples + batch_size - 1) / batch_size;
    check(!lr_factors || lr_factors->size() == factors.size() * size_t(batches), "a factor a model and step");
    block.epoch = epoch;
    check(0 <= first_batch && first_batch < stop_batch && stop_batch <= batches, "there are no such batches");
    block.batch_size = batch_size;
    block.first_batch = first_batch;
    block.stop_batch = stop_batch;
    block.lr_factors = lr_factors ? lr_factors->data() : nullptr;
    block.linear_clamp = linear_clamp;
    check_parameters(true);
    const bool whole = stop_batch - first_batch == batches;
    nb::gil_scoped_release release;
    each_block(threads, [&](Block& part, void* workspace) {
      std::vector<Order> orders;
      std::vector<const uint32_t*> pointers;
      for (int lane = 0; lane < part.lanes; lane++) {
        const uint64_t key = factors[size_t(part.places[lane])].key;
        const size_t samples = size_t(part.samples);
        orders.push_back(whole ? std::make_shared<const std::vector<uint32_t>>(data_order(key, epoch, samples))
                               : orders_of_parts.of(key, epoch, samples));
      }
      for (const Order& order : orders) pointers.push_back(order->data());
      part.orders = pointers.data();
      kernels.train(part, workspace);
    });
    if (stop_batch == batches) orders_of_parts.clear();
  }

  void evaluate(const Predictions& predictions, const std::optional<Floats>& probabilities,
                const std::optional<Floats>& features, int threads) {
    const size_t rows = factors.size() * size_t(block.samples);
    const int classes = block.shape.classes;
    const int64_t width = kernels.layers(block.shape.network)[tensors.size() - 1].inputs;
    check(predictions.size() == rows, "predictions are [models, samples]");
    check(!probabilities || probabilities->size() == rows * size_t(classes), "probabilities are [models, samples, classes]");
    check(!features || features->size() == rows * size_t(width), "features are [models, samples, inputs of the last layer]");
    block.predictions = predictions.data();
    block.probabilities = probabilities ? probabilities->data() : nullptr;
    block.features = features ? features->data() : nullptr;
    check_parameters(false);
    nb::gil_scoped_release release;
    each_block(threads, [&](Block& part, void* workspace) { kernels.evaluate(part, workspace); });
  }

 private:
  const Kernels& kernels;
  Block block{};
  std::vector<Factors> factors;
  std::vector<zootwins::Tensors> tensors;  // of the layers
  std::vector<int64_t> places;  // of the models, as they go into blocks

  // Models that are alike share a block: what one lane needs, an activation or dropout, is worked out for all.
  void sort_places() {
    const auto kind = [&](int64_t place) {
      const Factors& f = factors[size_t(place)];
      return std::tuple(f.activation, f.dropout > 0, f.optimizer);
    };
    places.resize(factors.size());
    std::iota(places.begin(), places.end(), 0);
    std::stable_sort(places.begin(), places.end(), [&](int64_t a, int64_t b) { return kind(a) < kind(b); });
  }

  void check_parameters(bool training) {
    for (int layer = 0; layer < int(tensors.size()); layer++)
      for (int kind = 0; kind < zootwins::KINDS; kind++) {
        const Tensor& tensor = tensors[size_t(layer)].of[kind];
        const bool needed = kernels.size(block.shape, layer, kind) && kind != zootwins::BIAS_LOG_SIGMA2;
        check(!needed || tensor.value, "a parameter is missing");
        check(!training || !tensor.value || (tensor.exp_avg && tensor.exp_avg_sq), "optimiser state is missing");
      }
  }

  template <class F>
  void each_block(int threads, F work) {
    const int64_t models = int64_t(places.size()), lanes = kernels.lanes;
    in_parallel((models + lanes - 1) / lanes, threads, [&](int64_t index) {
      Block part = block;
      part.lanes = int(std::min(lanes, models - index * lanes));
      part.places = places.data() + index * lanes;
      const Workspace workspace(kernels.workspace(block.shape));
      work(part, workspace.get());
    });
  }
};

// What zootwins.population.native_engine calls a step.
std::string step_name(const zootwins::Step& step) {
  switch (step.kind) {
    case zootwins::MAX_POOL: return "max_pool " + std::to_string(step.window);
    case zootwins::AVG_POOL: return "avg_pool " + std::to_string(step.window);
    case zootwins::GLOBAL_AVG_POOL: return "global_avg_pool";
    case zootwins::ACTIVATION: return "activation";
    default: return "dropout";
  }
}

}  // namespace

NB_MODULE(_native, m) {
  m.attr("sources") = ZOOTWINS_SOURCES;  // the digest of the files that this was compiled from
  m.def("levels", [] {  // names and lanes, fastest first
    std::vector<std::pair<std::string, int>> found;
    for (const Kernels* kernels : levels()) found.emplace_back(kernels->name, kernels->lanes);
    return found;
  });
  // Of each compiled chain its layers: inputs, outputs, kernel, stride, padding, edge of the input, and what follows.
  m.def("architectures", [] {
    using Layer = std::tuple<int, int, int, int, int, int, std::vector<std::string>>;
    const Kernels& kernels = *levels().front();
    std::vector<std::vector<Layer>> found;
    for (int network = 0; network < kernels.networks; network++) {
      found.emplace_back();
      for (int layer = 0; layer < kernels.depth(network); layer++) {
        const zootwins::LayerInfo& info = kernels.layers(network)[layer];
        std::vector<std::string> after;
        for (const zootwins::Step* step = info.steps; step->kind; step++) after.push_back(step_name(*step));
        found.back().emplace_back(info.inputs, info.outputs, info.kernel, info.stride, info.padding, info.edge, after);
      }
    }
    return found;
  });
  m.def(
      "train_epoch",
      [](const std::string& level, int threads, int network, int classes, int mode, const Images& images,
         const Labels& labels, const std::vector<ModelFactors>& models, const std::vector<Parameter>& parameters,
         uint32_t epoch, int64_t batch_size, int64_t first_batch, int64_t stop_batch,
         const std::optional<ConstFloats>& lr_factors, float linear_clamp, const Doubles& loss, const Doubles& accuracy) {
        Job(chosen(level), network, classes, mode, images, labels, models, parameters, loss, accuracy)
            .train(epoch, batch_size, first_batch, stop_batch, lr_factors, linear_clamp, threads);
      },
      nb::kw_only(), nb::arg("level"), nb::arg("threads"), nb::arg("network"), nb::arg("classes"), nb::arg("mode"),
      nb::arg("images"), nb::arg("labels"), nb::arg("models"), nb::arg("parameters"), nb::arg("epoch"),
      nb::arg("batch_size"), nb::arg("first_batch"), nb::arg("stop_batch"), nb::arg("lr_factors").none(), nb::arg("linear_clamp"), nb::arg("loss"),
      nb::arg("accuracy"));
  m.def(
      "evaluate",
      [](const std::string& level, int threads, int network, int classes, const Images& images, const Labels& labels,
         const std::vector<ModelFactors>& models, const std::vector<Parameter>& parameters, const Doubles& loss,
         const Doubles& accuracy, const Predictions& predictions, const std::optional<Floats>& probabilities,
         const std::optional<Floats>& features) {
        Job(chosen(level), network, classes, zootwins::PLAIN, images, labels, models, parameters, loss, accuracy)
            .evaluate(predictions, probabilities, features, threads);
      },
      nb::kw_only(), nb::arg("level"), nb::arg("threads"), nb::arg("network"), nb::arg("classes"), nb::arg("images"), nb::arg("labels"),
      nb::arg("models"), nb::arg("parameters"), nb::arg("loss"), nb::arg("accuracy"), nb::arg("predictions"),
      nb::arg("probabilities").none(), nb::arg("features").none());
  m.def("uniforms", [](const Keys& keys, uint32_t epoch, uint32_t first, uint32_t stream, const Planes& filled) {
    check(filled.shape(0) == 4 && filled.shape(1) == keys.size(), "filled is [4, keys, batch, blocks]");
    nb::gil_scoped_release release;
    uniforms(keys.data(), keys.size(), epoch, first, filled.shape(2), filled.shape(3), stream, filled.data());
  });
  // For benchmarks: multiply-adds in registers only, the most that `threads` threads can do; returns their number.
  m.def("multiply_adds", [](const std::string& level, int threads, int64_t rounds) {
    const Kernels& kernels = chosen(level);
    std::atomic<int64_t> total{0};
    std::atomic<double> sink{0};  // so that the sums are needed
    nb::gil_scoped_release release;
    in_parallel(threads, threads, [&](int64_t) {
      int64_t count = 0;
      sink = kernels.multiply_adds(rounds, count);
      total += count;
    });
    return total.load();
  });
  // What the tests hold against torch: elementary functions and random numbers.
  m.def("activate", [](const std::string& level, int kind, const Floats& x, const Floats& y, const Floats& slope) {
    check(y.size() == x.size() && slope.size() == x.size(), "x, y and slope have one size");
    chosen(level).activate(kind, x.data(), int64_t(x.size()), y.data(), slope.data());
  });
  m.def("noise", [](const std::string& level, int64_t key, uint32_t epoch, uint32_t position, const Floats& normals,
                    const Floats& uniforms) {
    check(normals.size() == uniforms.size(), "normals and uniforms have one size");
    chosen(level).noise(uint64_t(key), epoch, position, int(normals.size()), normals.data(), uniforms.data());
  });
  m.def("data_order", [](int64_t key, uint32_t epoch, size_t samples) { return data_order(uint64_t(key), epoch, samples); });
}

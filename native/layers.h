// The chains that are compiled, layer by layer as types, so that every loop has a constant length. They are written
// step by step, as zootwins.architectures writes them.
#pragma once

#include <tuple>  // types only

#include "job.h"
#include "simd.h"

namespace ZOOTWINS_LEVEL {

constexpr int largest_divisor(int n, int limit) {
  int best = 1;
  for (int d = 1; d <= n && d <= limit; d++)
    if (n % d == 0) best = d;
  return best;
}

constexpr int divided_up(int n, int by) { return (n + by - 1) / by; }
constexpr int whole_blocks(int n) { return divided_up(n, 4) * 4; }  // of the random numbers' generator

constexpr bool is_pool(zootwins::Step step) {
  return step.kind == zootwins::MAX_POOL || step.kind == zootwins::AVG_POOL || step.kind == zootwins::GLOBAL_AVG_POOL;
}
constexpr int window(zootwins::Step step, int edge) {
  return step.kind == zootwins::GLOBAL_AVG_POOL ? edge : is_pool(step) ? step.window : 1;
}

// A convolution and the steps that follow it: a pool, an activation, dropout and a pool, none of which need be there.
// A linear layer, whose IMAGE is 0, is a convolution of kernel 1 on images of one pixel. OUTPUTS is 0 in the head, which
// has as many as there are classes.
template <int INPUTS_, int IMAGE_, int OUTPUTS_, int KERNEL_, int STRIDE_, int PADDING_, class... Steps>
struct Layer {
  template <class Step>
  using Then = Layer<INPUTS_, IMAGE_, OUTPUTS_, KERNEL_, STRIDE_, PADDING_, Steps..., Step>;

  static constexpr zootwins::Step STEPS[] = {Steps::STEP..., {zootwins::NO_STEP, 0}};
  static constexpr zootwins::LayerInfo INFO = {INPUTS_, OUTPUTS_, KERNEL_, STRIDE_, PADDING_, IMAGE_, STEPS};

  static constexpr zootwins::Step NONE = {zootwins::NO_STEP, 0};
  static constexpr zootwins::Step BEFORE = is_pool(STEPS[0]) ? STEPS[0] : NONE;
  static constexpr int SO_FAR = is_pool(BEFORE);
  static constexpr bool ACTIVATION = STEPS[SO_FAR].kind == zootwins::ACTIVATION;
  static constexpr bool DROPOUT = STEPS[SO_FAR + ACTIVATION].kind == zootwins::DROPOUT;
  static constexpr zootwins::Step LAST = STEPS[SO_FAR + ACTIVATION + DROPOUT];
  static constexpr zootwins::Step AFTER = is_pool(LAST) ? LAST : NONE;
  static_assert(SO_FAR + ACTIVATION + DROPOUT + is_pool(AFTER) == sizeof...(Steps), "steps in an order without kernels");
  static_assert(ACTIVATION || !DROPOUT, "dropout goes with an activation's derivative");

  static constexpr int INPUTS = INPUTS_, OUTPUTS = OUTPUTS_, KERNEL = KERNEL_, STRIDE = STRIDE_, PADDING = PADDING_;
  static constexpr bool HEAD = OUTPUTS == 0, LINEAR = IMAGE_ == 0;
  static constexpr int IMAGE = LINEAR ? 1 : IMAGE_, EDGE = IMAGE + 2 * PADDING;  // of the input, without and with the zeros around it
  static constexpr int SIZE = (EDGE - KERNEL) / STRIDE + 1;         // of the convolution's outputs
  // A maximum of windows 2×2 is taken by the convolution itself.
  static constexpr bool FUSED = STRIDE == 1 && BEFORE.kind == zootwins::MAX_POOL && BEFORE.window == 2;
  static constexpr bool POOLS_BEFORE = is_pool(BEFORE) && !FUSED, POOLS_AFTER = is_pool(AFTER);
  static constexpr int POOLED = FUSED ? SIZE / 2 : SIZE;  // of what the convolution writes
  static constexpr int USED = FUSED ? 2 * POOLED : SIZE;  // of the outputs that it looks at
  static constexpr int HIDDEN = POOLS_BEFORE ? POOLED / window(BEFORE, POOLED) : POOLED;  // of what is activated
  static constexpr int RESULT = HIDDEN / window(AFTER, HIDDEN);                            // of what the next layer takes

  static constexpr int WEIGHTS = INPUTS * OUTPUTS * KERNEL * KERNEL;
  static constexpr int IMAGE_UNITS = INPUTS * IMAGE * IMAGE, INPUT_UNITS = INPUTS * EDGE * EDGE;
  static constexpr int NOISE_SITES = whole_blocks(OUTPUTS * SIZE * SIZE);
  static constexpr int DROPOUT_SITES = DROPOUT ? whole_blocks(OUTPUTS * HIDDEN * HIDDEN) : 0;

  // Outputs are computed for at most POSITIONS pixels × TILE channels at once, as many sums as the registers hold: a
  // pooling window, or a row in PARTS.
  static constexpr int PARTS = FUSED ? 1 : divided_up(SIZE, REGISTERS == 32 ? 6 : 3);
  static constexpr int POSITIONS = FUSED ? 4 : divided_up(SIZE, PARTS);
  static constexpr int TILE = largest_divisor(OUTPUTS, (REGISTERS == 32 ? 24 : 12) / POSITIONS);

  // Weights lie as [OUTPUTS / TILE][INPUTS][KERNEL][KERNEL][TILE], the order in which the forward pass reads them.
  static constexpr int weight_index(int output, int input, int tap) {
    return ((output / TILE * INPUTS + input) * KERNEL * KERNEL + tap) * TILE + output % TILE;
  }
  // Where the weight lies that is the n-th in the natural layout, [OUTPUTS][INPUTS][KERNEL][KERNEL].
  static constexpr int weight_place(int n) {
    constexpr int TAPS = KERNEL * KERNEL;
    return weight_index(n / (INPUTS * TAPS), n / TAPS % INPUTS, n % TAPS);
  }
};

// What chains are written with.
template <int CHANNELS, int EDGE>
struct Image {
  static constexpr int OUTPUTS = CHANNELS, RESULT = EDGE;
};
template <int OUTPUTS, int KERNEL, int STRIDE = 1, int PADDING = 0>
struct Conv;
template <int OUTPUTS>
struct Linear;
using Head = Linear<0>;  // with as many outputs as there are classes
template <int WINDOW>
struct MaxPool {
  static constexpr zootwins::Step STEP = {zootwins::MAX_POOL, WINDOW};
};
template <int WINDOW>
struct AvgPool {
  static constexpr zootwins::Step STEP = {zootwins::AVG_POOL, WINDOW};
};
struct GlobalAvgPool {
  static constexpr zootwins::Step STEP = {zootwins::GLOBAL_AVG_POOL, 0};
};
struct Activation {
  static constexpr zootwins::Step STEP = {zootwins::ACTIVATION, 0};
};
struct Dropout {
  static constexpr zootwins::Step STEP = {zootwins::DROPOUT, 0};
};

template <class Image, class... L>
struct Network {
  static constexpr int DEPTH = sizeof...(L);
  template <int i>
  using At = std::tuple_element_t<i, std::tuple<L...>>;
  static constexpr zootwins::LayerInfo INFO[] = {L::INFO...};
};

// Makes layers of steps: those that are done, the last one, which takes the steps that follow it, and what is left.
template <class Done, class Last, class... Steps>
struct Cut;
template <class... L, class Last>
struct Cut<std::tuple<L...>, Last> {
  using type = Network<L..., Last>;
};
template <class... L, class Last, class Step, class... Steps>
struct Cut<std::tuple<L...>, Last, Step, Steps...> : Cut<std::tuple<L...>, typename Last::template Then<Step>, Steps...> {};
template <class... L, class Last, int OUTPUTS, int KERNEL, int STRIDE, int PADDING, class... Steps>
struct Cut<std::tuple<L...>, Last, Conv<OUTPUTS, KERNEL, STRIDE, PADDING>, Steps...>
    : Cut<std::tuple<L..., Last>, Layer<Last::OUTPUTS, Last::RESULT, OUTPUTS, KERNEL, STRIDE, PADDING>, Steps...> {};
template <class... L, class Last, int OUTPUTS, class... Steps>
struct Cut<std::tuple<L...>, Last, Linear<OUTPUTS>, Steps...>
    : Cut<std::tuple<L..., Last>, Layer<Last::OUTPUTS * Last::RESULT * Last::RESULT, 0, OUTPUTS, 1, 1, 0>, Steps...> {};

template <class Image, class... Steps>
using Chain = typename Cut<std::tuple<>, Image, Steps...>::type;

template <int CHANNELS>
using CnnS = Chain<Image<CHANNELS, 28>, Conv<8, 5>, MaxPool<2>, Activation, Dropout, Conv<6, 5>, MaxPool<2>, Activation,
                   Dropout, Conv<4, 2>, Activation, Linear<20>, Activation, Dropout, Head>;
template <int CHANNELS>
using CnnL = Chain<Image<CHANNELS, 32>, Conv<16, 3>, MaxPool<2>, Activation, Dropout, Conv<32, 3>, MaxPool<2>, Activation,
                   Dropout, Conv<15, 3>, MaxPool<2>, Activation, Dropout, Linear<20>, Activation, Dropout, Head>;
template <int CHANNELS, int EDGE>
using SmallCnn = Chain<Image<CHANNELS, EDGE>, Conv<16, 3, 2>, Activation, Dropout, Conv<16, 3, 2>, Activation, Dropout,
                       Conv<16, 3, 2>, Activation, Dropout, GlobalAvgPool, Head>;
// For the tests: what the others lack.
using Mixed = Chain<Image<2, 12>, Conv<4, 3, 1, 1>, MaxPool<2>, Activation, Dropout, MaxPool<3>, Conv<6, 2, 1, 1>,
                    AvgPool<2>, Activation, Conv<5, 3, 2, 2>, MaxPool<2>, Head>;

// The chains that are compiled; the numbers of `Shape::network` are their places.
using Chains = std::tuple<CnnS<1>, CnnS<3>, CnnL<1>, CnnL<3>, SmallCnn<1, 28>, SmallCnn<1, 32>, SmallCnn<3, 32>, Mixed>;

}  // namespace ZOOTWINS_LEVEL

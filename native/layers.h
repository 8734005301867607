// The layers of both networks as types, so that every loop has a constant length; see zootwins.population.architectures.
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

// A linear layer is a convolution of kernel 1 on images of one pixel.
template <int INPUTS_, int OUTPUTS_, int KERNEL_, int EDGE_, bool POOL_, bool ACTIVATION_, bool DROPOUT_>
struct Layer {
  static constexpr int INPUTS = INPUTS_, OUTPUTS = OUTPUTS_, KERNEL = KERNEL_;
  static constexpr int EDGE = EDGE_;                         // of the input
  static constexpr int SIZE = EDGE - KERNEL + 1;             // of the output before pooling
  static constexpr int POOLED = POOL_ ? SIZE / 2 : SIZE;     // of the output
  static constexpr int USED = POOL_ ? 2 * POOLED : SIZE;     // of the outputs that pooling looks at
  static constexpr bool POOL = POOL_, ACTIVATION = ACTIVATION_, DROPOUT = DROPOUT_;
  static constexpr bool LINEAR = EDGE == 1;
  static constexpr int WEIGHTS = INPUTS * OUTPUTS * KERNEL * KERNEL;
  static constexpr int INPUT_UNITS = INPUTS * EDGE * EDGE, UNITS = OUTPUTS * POOLED * POOLED;
  static constexpr int NOISE_SITES = (OUTPUTS * SIZE * SIZE + 3) / 4 * 4;
  static constexpr int DROPOUT_SITES = DROPOUT ? (UNITS + 3) / 4 * 4 : 0;

  // Outputs are computed for POSITIONS pixels × TILE channels at once, as many sums as the registers hold.
  static constexpr int POSITIONS = POOL ? 4 : SIZE;
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

template <class... L>
struct Network {
  template <int i>
  using At = std::tuple_element_t<i, std::tuple<L...>>;
  static constexpr zootwins::LayerInfo INFO[] = {
      {L::INPUTS, L::OUTPUTS, L::KERNEL, 1, 0, L::EDGE, L::POOL, L::ACTIVATION, L::DROPOUT}...};
};

template <int CHANNELS>
using CnnS = Network<Layer<CHANNELS, 8, 5, 28, true, true, true>, Layer<8, 6, 5, 12, true, true, true>,
                     Layer<6, 4, 2, 4, false, true, false>, Layer<36, 20, 1, 1, false, true, true>,
                     Layer<20, 10, 1, 1, false, false, false>>;
template <int CHANNELS>
using CnnL = Network<Layer<CHANNELS, 16, 3, 32, true, true, true>, Layer<16, 32, 3, 15, true, true, true>,
                     Layer<32, 15, 3, 6, true, true, true>, Layer<60, 20, 1, 1, false, true, true>,
                     Layer<20, 10, 1, 1, false, false, false>>;

// The chains that are compiled; the numbers of `Shape::network` are their places.
using Chains = std::tuple<CnnS<1>, CnnS<3>, CnnL<1>, CnnL<3>>;

}  // namespace ZOOTWINS_LEVEL

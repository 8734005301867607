// Pools that are steps of their own: all but the maxima that a convolution takes itself.
#pragma once

#include "layers.h"

namespace ZOOTWINS_LEVEL {

template <int STEP_KIND, int PLANES_, int EDGE_, int WINDOW_>
struct PoolOf {
  static constexpr bool MAXIMUM = STEP_KIND == zootwins::MAX_POOL;
  static constexpr int PLANES = PLANES_, EDGE = EDGE_, WINDOW = WINDOW_, TAPS = WINDOW * WINDOW, RESULT = EDGE / WINDOW;
};

// Calls f(number, corner) with each window and where it begins.
template <class P, class F>
ZT_INLINE void each_window(F&& f) {
  for (int row = 0; row < P::PLANES * P::RESULT; row++)
    for (int x = 0; x < P::RESULT; x++)
      f(row * P::RESULT + x, (row / P::RESULT * P::EDGE + row % P::RESULT * P::WINDOW) * P::EDGE + x * P::WINDOW);
}

// out[PLANES][RESULT][RESULT]; `chosen` is the place of each maximum in its window, the first in scan order, as torch.
template <class P>
ZT_NOINLINE void pool(const V* in, V* out, I* chosen) {
  each_window<P>([&](int window, int corner) {
    V best = in[corner];
    I place = {};
    for (int tap = 1; tap < P::TAPS; tap++) {
      const V value = in[corner + tap / P::WINDOW * P::EDGE + tap % P::WINDOW];
      if constexpr (P::MAXIMUM) {
        const M higher = M(greater(value, best) | ~less_equal(value, value));  // NaN counts as the highest
        best = select(higher, value, best);
        place = (I)select(higher, (V)(I{} + tap), (V)place);
      } else {
        best += value;
      }
    }
    out[window] = P::MAXIMUM ? best : best * (1.0f / P::TAPS);
    if constexpr (P::MAXIMUM) chosen[window] = place;
  });
}

template <class P>
ZT_NOINLINE void pool_gradient(const V* g, const I* chosen, V* dx) {
  if constexpr (P::EDGE % P::WINDOW) __builtin_memset(dx, 0, P::PLANES * P::EDGE * P::EDGE * sizeof(V));
  each_window<P>([&](int window, int corner) {
    for (int tap = 0; tap < P::TAPS; tap++) {
      V& pixel = dx[corner + tap / P::WINDOW * P::EDGE + tap % P::WINDOW];
      if constexpr (P::MAXIMUM)
        pixel = keep(equal(chosen[window], I{} + tap), g[window]);
      else
        pixel = g[window] * (1.0f / P::TAPS);
    }
  });
}

}  // namespace ZOOTWINS_LEVEL

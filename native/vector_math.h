// Elementary functions on vectors. Polynomials of exp, log, sine, cosine and tanh: Moshier, Cephes; gelu:
// least-squares fits. tests/unit/test_native_engine.py bounds their errors: 2 units in the last place; gelu 4, and 6
// below -1. NaN stays NaN (except in the logarithm).
#pragma once

#include "simd.h"

namespace ZOOTWINS_LEVEL {

ZT_INLINE V absolute(V x) { return (V)((I)x & 0x7FFFFFFF); }

// Added to |x| < 2^22, it leaves the nearest integer, in the low bits of the sum.
constexpr float ROUNDER = 12582912.0f;

// Clamped to [-87.3, 88.0]: the smallest normal number and 1.7e38.
ZT_INLINE V exponential(V x) {
  x = maximum(splat(-87.3f), minimum(splat(88.0f), x));
  const V shifted = x * 1.44269504088896341f + ROUNDER, n = shifted - ROUNDER;
  const V r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  V p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (V)(((I)shifted << 23) + (127 << 23));
}

// Natural logarithm of positive normal numbers.
ZT_INLINE V logarithm(V x) {
  // x = m · 2^e with m in [√½, √2)
  const I shifted = (I)x - 0x3F3504F3;  // the bits of √½
  const V e = to_float(shifted >> 23);
  const V m = (V)((shifted & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
  V p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const V square = m * m;
  p = p * m * square + e * -2.12194440e-4f - square * 0.5f;
  return (m + p) + e * 0.693359375f;
}

// Sine and cosine of 0 ≤ x ≤ 2π.
ZT_INLINE void sine_cosine(V x, V& sine, V& cosine) {
  const V shifted = x * 0.636619772367581343f + ROUNDER, quadrant = shifted - ROUNDER;
  const V r = ((x - quadrant * 1.5703125f) - quadrant * 4.837512969970703125e-4f) - quadrant * 7.54978995489188216e-8f;
  const V square = r * r;
  V s = square * -1.9515295891e-4f + 8.3321608736e-3f;
  s = s * square - 1.6666654611e-1f;
  s = s * square * r + r;
  V c = square * 2.443315711809948e-5f - 1.388731625493765e-3f;
  c = c * square + 4.166664568298827e-2f;
  c = c * square * square - square * 0.5f + 1.0f;
  const I q = (I)shifted;  // its low bits are the quadrant's
  const M straight = equal(q & 1, I{});
  sine = (V)((I)select(straight, s, c) ^ (q << 30 & INT32_MIN));
  cosine = (V)((I)select(straight, c, s) ^ ((q + 1) << 30 & INT32_MIN));
}

ZT_INLINE V hyperbolic_tangent(V x) {
  const V square = x * x;
  V p = square * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  const V small = p * square * x + x;
  const V a = absolute(x), e = exponential(a * -2.0f);
  const V large = (V)((I)((1.0f - e) / (1.0f + e)) | ((I)x & INT32_MIN));
  return select(less_equal(a, splat(0.625f)), small, large);
}

ZT_INLINE V sigmoid(V x) { return 1.0f / (1.0f + exponential(-x)); }

// x·Φ(x) and its derivative Φ(x) + x·φ(x). Near 0, Φ(x) = 1/2 + x·p(x²); elsewhere Φ(-a) = φ(a)·t·p(t) with
// t = 1/(1 + a/2).
ZT_INLINE V gelu(V x, V& slope) {
  V a = absolute(x);
  a = minimum(splat(14.0f), a);  // Φ(-14) is 0 in float32
  const V square = a * a;
  V near = square * 9.423522014e-05f - 1.169353694e-03f;
  near = near * square + 9.967196899e-03f;
  near = near * square - 6.648958273e-02f;
  near = near * square + 3.989422642e-01f;
  const V t = 1.0f / (0.5f * a + 1.0f);
  V far = t * 5.260778343e-02f - 2.940852194e-01f;
  far = far * t + 5.965808763e-01f;
  far = far * t - 5.049714987e-01f;
  far = far * t + 7.812581369e-02f;
  far = far * t + 1.907917907e-02f;
  far = far * t + 1.536823866e-01f;
  far = far * t + 1.991721056e-01f;
  far = far * t + 1.994804207e-01f;
  const V high = (V)((I)a & ~0xFFF), low = a - high;
  const V lost = ((high * high - square) + 2.0f * high * low) + low * low;  // what rounding a² lost
  V gauss = exponential(square * -0.5f);
  gauss -= gauss * lost * 0.5f;
  const V tail = gauss * t * far;
  const V distribution = select(less_equal(a, splat(1.0f)), 0.5f + x * near,
                                select(greater(x, V{}), 1.0f - tail, tail));
  slope = distribution + x * gauss * 0.398942280401432678f;
  return x * distribution;
}

}  // namespace ZOOTWINS_LEVEL

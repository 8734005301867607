// Vectors with one model a lane, as wide as the instruction set this file is compiled for.
//
// kernels.cpp is compiled once for every level (see CMakeLists.txt), each time in a namespace of its own. No inline
// function of a standard header may be used there: the linker would keep one copy for all levels, and that copy
// could hold instructions the machine lacks.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lanes are split and joined as little-endian words");

#define ZT_INLINE static inline __attribute__((always_inline))
#define ZT_NOINLINE static __attribute__((noinline))

// Written before loops over sums that have to stay in registers.
#define ZT_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define ZT_UNROLL ZT_PRAGMA(clang loop unroll(full))
#else
#define ZT_UNROLL ZT_PRAGMA(GCC unroll 32)
#endif

namespace ZOOTWINS_LEVEL {

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX2__)
constexpr int LANES = 8, REGISTERS = 16;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

typedef float V __attribute__((vector_size(4 * LANES)));
typedef int32_t I __attribute__((vector_size(4 * LANES)));
typedef uint32_t U __attribute__((vector_size(4 * LANES)));
typedef uint64_t W __attribute__((vector_size(4 * LANES)));  // LANES / 2 words of 64 bits

// Left alone, GCC may load a value anew for each of its uses: machines have no more ports for loads than for
// multiply-adds.
ZT_INLINE V in_register(V x) {
#if defined(__x86_64__)
  __asm__("" : "+v"(x));
#endif
  return x;
}

ZT_INLINE V splat(float x) { return V{} + x; }
ZT_INLINE V to_float(I x) { return __builtin_convertvector(x, V); }

// Masks: M in registers, Bits in memory. `select(m, a, b)` is a where m is set and b elsewhere; `keep`, a or 0. The
// minimum and the maximum of a number and NaN, in this order, are NaN.
#if defined(__AVX512F__)
typedef __mmask16 M;
typedef __mmask16 Bits;
ZT_INLINE M greater(V a, V b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
ZT_INLINE M less_equal(V a, V b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ); }
ZT_INLINE M equal(I a, I b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
ZT_INLINE V select(M m, V a, V b) { return (V)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
ZT_INLINE V keep(M m, V a) { return (V)_mm512_maskz_mov_ps(m, (__m512)a); }
ZT_INLINE Bits pack(M m) { return m; }
ZT_INLINE M unpack(Bits b) { return b; }
ZT_INLINE V minimum(V a, V b) { return (V)_mm512_min_ps((__m512)a, (__m512)b); }
ZT_INLINE V maximum(V a, V b) { return (V)_mm512_max_ps((__m512)a, (__m512)b); }
ZT_INLINE V sqrt(V a) { return (V)_mm512_sqrt_ps((__m512)a); }
ZT_INLINE W multiply_low(W a, W b) { return (W)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
#else
typedef I M;
ZT_INLINE M greater(V a, V b) { return (M)(a > b); }
ZT_INLINE M less_equal(V a, V b) { return (M)(a <= b); }
ZT_INLINE M equal(I a, I b) { return (M)(a == b); }
ZT_INLINE V keep(M m, V a) { return (V)((I)a & m); }
#if defined(__AVX2__)
typedef uint8_t Bits;
ZT_INLINE V select(M m, V a, V b) { return (V)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m); }
ZT_INLINE Bits pack(M m) { return Bits(_mm256_movemask_ps((__m256)m)); }
ZT_INLINE M unpack(Bits b) {
  const I bit = {1, 2, 4, 8, 16, 32, 64, 128};
  return (M)(((I{} + int32_t(b)) & bit) == bit);
}
ZT_INLINE V minimum(V a, V b) { return (V)_mm256_min_ps((__m256)a, (__m256)b); }
ZT_INLINE V maximum(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
ZT_INLINE V sqrt(V a) { return (V)_mm256_sqrt_ps((__m256)a); }
ZT_INLINE W multiply_low(W a, W b) { return (W)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
#else
typedef M Bits;
ZT_INLINE V select(M m, V a, V b) { return (V)(((I)a & m) | ((I)b & ~m)); }
ZT_INLINE Bits pack(M m) { return m; }
ZT_INLINE M unpack(Bits b) { return b; }
ZT_INLINE V minimum(V a, V b) { return select(greater(b, a), a, b); }
ZT_INLINE V maximum(V a, V b) { return select(greater(a, b), a, b); }
#if defined(__SSE2__)
ZT_INLINE V sqrt(V a) { return (V)_mm_sqrt_ps((__m128)a); }
ZT_INLINE W multiply_low(W a, W b) { return (W)_mm_mul_epu32((__m128i)a, (__m128i)b); }
#else
ZT_INLINE V sqrt(V a) {
  for (int lane = 0; lane < LANES; lane++) a[lane] = __builtin_sqrtf(a[lane]);
  return a;
}
ZT_INLINE W multiply_low(W a, W b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
#endif
#endif
#endif

// The first and the second half of a₀ b₀ a₁ b₁ ….
#if defined(__AVX512F__)
ZT_INLINE V interleave_low(V a, V b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
ZT_INLINE V interleave_high(V a, V b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif defined(__AVX2__)
ZT_INLINE V interleave_low(V a, V b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
ZT_INLINE V interleave_high(V a, V b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
ZT_INLINE V interleave_low(V a, V b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
ZT_INLINE V interleave_high(V a, V b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#endif

}  // namespace ZOOTWINS_LEVEL

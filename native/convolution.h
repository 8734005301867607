// The three products of a layer: its outputs, and the gradients of its weights and of its inputs.
//
// With VARIATIONAL, every product is taken twice: of the inputs with the weights (the mean of an output), and of
// their squares with α·w² (its variance). Planes are [channel][row][column], one vector of models a pixel.
#pragma once

#include "layers.h"
#include "random.h"

namespace ZOOTWINS_LEVEL {

// Sums at POSITIONS pixels for TILE outputs: a 2×2 pooling window whose corner is x, or a row that starts there. Calls
// `meanwhile` with the number of every row of the first input channel's kernel.
template <class L, class F>
ZT_INLINE void accumulate(const V* x, const V* weight, const V* start, V (&sum)[L::POSITIONS][L::TILE], F&& meanwhile) {
  ZT_UNROLL
  for (int p = 0; p < L::POSITIONS; p++)
    ZT_UNROLL
    for (int o = 0; o < L::TILE; o++) sum[p][o] = start[o];
  for (int c = 0; c < L::INPUTS; c++)
    for (int dy = 0; dy < L::KERNEL; dy++) {
      if (c == 0) meanwhile(dy);
      ZT_UNROLL
      for (int dx = 0; dx < L::KERNEL; dx++, weight += L::TILE) {
        const V* pixel = x + (c * L::EDGE + dy) * L::EDGE + dx;
        V h[L::POSITIONS];
        ZT_UNROLL
        for (int p = 0; p < L::POSITIONS; p++) h[p] = L::POOL ? pixel[p / 2 * L::EDGE + p % 2] : pixel[p];
        ZT_UNROLL
        for (int o = 0; o < L::TILE; o++) {
          const V w = weight[o];
          ZT_UNROLL
          for (int p = 0; p < L::POSITIONS; p++) sum[p][o] += h[p] * w;
        }
      }
    }
}

struct Pooled {  // where the maximum of each pooling window was: in its second row, its second column
  Bits *row, *column;
};

// Noise of one sample: `first` is the layer's first site.
struct Noise {
  const Philox* philox;
  uint32_t epoch, position;
  int first;
  V* buffer;
};

// z[OUTPUTS][POOLED][POOLED], before the activation. `ratio`, for the backward pass, is dz/d(variance).
template <class L, bool VARIATIONAL>
ZT_NOINLINE void convolve(const V* x, const V* weight, const V* bias, V* z, Pooled pooled, const V* squares,
                          const V* variance_weight, const V* variance_bias, V* ratio, const Noise& noise) {
  constexpr int P = L::POOLED, TILE = L::TILE, ROWS = L::POOL ? 2 : 1, CELLS = L::POOL ? P : 1;
  for (int y = 0; y < P; y++) {
    const V* epsilon = nullptr;  // [ROWS][SIZE][OUTPUTS]
    if constexpr (VARIATIONAL) {
      constexpr int SITES = ROWS * L::SIZE * L::OUTPUTS;
      epsilon = normals(*noise.philox, noise.epoch, noise.position, noise.first + y * SITES, SITES, noise.buffer);
    }
    for (int tile = 0; tile < L::OUTPUTS; tile += TILE)
      for (int cell = 0; cell < CELLS; cell++) {
        const int corner = y * ROWS * L::EDGE + cell * 2;
        const int taps = tile * L::INPUTS * L::KERNEL * L::KERNEL;
        V sum[L::POSITIONS][TILE], deviation[L::POSITIONS * TILE];
        const V* e = epsilon + cell * 2 * L::OUTPUTS + tile;
        if constexpr (VARIATIONAL) {
          V variance[L::POSITIONS][TILE];
          accumulate<L>(squares + corner, variance_weight + taps, variance_bias + tile, variance, [](int) {});
          for (int i = 0; i < L::POSITIONS * TILE; i++) deviation[i] = variance[i / TILE][i % TILE];
          // a root takes as long as 24 multiply-adds, but beside them: a few at a time, for all at once would stop them
          constexpr int ROOTS = (L::POSITIONS * TILE - 1) / L::KERNEL + 1;
          accumulate<L>(x + corner, weight + taps, bias + tile, sum, [&](int row) {
            for (int i = row * ROOTS; i < (row + 1) * ROOTS && i < L::POSITIONS * TILE; i++)
              deviation[i] = sqrt(deviation[i]);
          });
          ZT_UNROLL
          for (int p = 0; p < L::POSITIONS; p++)
            ZT_UNROLL
            for (int o = 0; o < TILE; o++) {
              const int site = (L::POOL ? p / 2 * L::SIZE + p % 2 : p) * L::OUTPUTS + o;
              sum[p][o] += deviation[p * TILE + o] * e[site];
            }
        } else {
          accumulate<L>(x + corner, weight + taps, bias + tile, sum, [](int) {});
        }
        for (int o = 0; o < TILE; o++) {
          const int unit = ((tile + o) * P + y) * P + cell;
          if constexpr (L::POOL) {  // the first maximum in scan order, as torch
            const M c0 = greater(sum[1][o], sum[0][o]), c1 = greater(sum[3][o], sum[2][o]);
            const V top = select(c0, sum[1][o], sum[0][o]), bottom = select(c1, sum[3][o], sum[2][o]);
            const M row = greater(bottom, top), column = M((row & c1) | (~row & c0));
            z[unit] = select(row, bottom, top);
            pooled.row[unit] = pack(row);
            pooled.column[unit] = pack(column);
            if constexpr (VARIATIONAL) {
              const V* even = e + o;
              const V* odd = even + L::OUTPUTS;
              constexpr int DOWN = L::SIZE * L::OUTPUTS;
              const V chosen = select(row, select(column, odd[DOWN], even[DOWN]), select(column, *odd, *even));
              const V* d = deviation + o;
              const V its = select(row, select(column, d[3 * TILE], d[2 * TILE]), select(column, d[TILE], *d));
              ratio[unit] = 0.5f * chosen / its;
            }
          } else {
            for (int p = 0; p < L::POSITIONS; p++) {
              z[unit + p] = sum[p][o];
              if constexpr (VARIATIONAL) ratio[unit + p] = 0.5f * e[p * L::OUTPUTS + o] / deviation[p * TILE + o];
            }
          }
        }
      }
  }
}

// Adds the gradient of the taps in COLUMNS columns of one kernel after pooling. Only the maximum of a window has a
// gradient, so instead of multiplying three zeros the input patch is chosen, lane by lane.
template <class L, int COLUMNS, bool VARIATIONAL>
ZT_INLINE void pooled_taps(const V* plane, const V* g, const V* g_variance, Pooled pooled, V* dw, V* dw_variance) {
  constexpr int K = L::KERNEL, P = L::POOLED;
  V sum[K][COLUMNS] = {}, sum_variance[K][COLUMNS] = {};
  for (int y = 0; y < P; y++)
    for (int x = 0; x < P; x++) {
      const int unit = y * P + x;
      const M row = unpack(pooled.row[unit]), column = unpack(pooled.column[unit]);
      const V gradient = g[unit];
      const V* pixel = plane + (y * L::EDGE + x) * 2;
      V upper[COLUMNS];
      ZT_UNROLL
      for (int dx = 0; dx < COLUMNS; dx++) upper[dx] = select(column, pixel[dx + 1], pixel[dx]);
      ZT_UNROLL
      for (int dy = 0; dy < K; dy++) {
        pixel += L::EDGE;
        ZT_UNROLL
        for (int dx = 0; dx < COLUMNS; dx++) {
          const V lower = select(column, pixel[dx + 1], pixel[dx]);
          const V h = select(row, lower, upper[dx]);
          upper[dx] = lower;
          sum[dy][dx] += gradient * h;
          if constexpr (VARIATIONAL) sum_variance[dy][dx] += g_variance[unit] * (h * h);
        }
      }
    }
  ZT_UNROLL
  for (int dy = 0; dy < K; dy++)
    ZT_UNROLL
    for (int dx = 0; dx < COLUMNS; dx++) {
      dw[(dy * K + dx) * L::TILE] += sum[dy][dx];
      if constexpr (VARIATIONAL) dw_variance[(dy * K + dx) * L::TILE] += sum_variance[dy][dx];
    }
}

template <class L, bool VARIATIONAL, int FIRST, int COLUMNS>
ZT_INLINE void pooled_kernel(const V* plane, const V* g, const V* g_variance, Pooled pooled, V* dw, V* dw_variance) {
  constexpr int NOW = FIRST + COLUMNS < L::KERNEL ? COLUMNS : L::KERNEL - FIRST;
  constexpr int AT = FIRST * L::TILE;
  pooled_taps<L, NOW, VARIATIONAL>(plane + FIRST, g, g_variance, pooled, dw + AT, dw_variance + AT);
  if constexpr (FIRST + NOW < L::KERNEL)
    pooled_kernel<L, VARIATIONAL, FIRST + NOW, COLUMNS>(plane, g, g_variance, pooled, dw, dw_variance);
}

// Adds to dw, and to dw_variance the gradient of α·w², given those of the outputs before the activation.
template <class L, bool VARIATIONAL>
ZT_NOINLINE void weight_gradient(const V* x, const V* g, const V* g_variance, Pooled pooled, V* dw, V* dw_variance) {
  constexpr int P = L::POOLED, K = L::KERNEL;
  for (int c = 0; c < L::INPUTS; c++)
    for (int o = 0; o < L::OUTPUTS; o++) {
      const V* plane = x + c * L::EDGE * L::EDGE;
      const int at = L::weight_index(o, c, 0), unit = o * P * P;
      if constexpr (L::POOL) {
        constexpr int FIT = (REGISTERS == 32 ? 20 : 9) / (VARIATIONAL ? 2 * K : K);
        constexpr int PARTS = FIT < 1 ? K : (K + FIT - 1) / FIT;
        pooled_kernel<L, VARIATIONAL, 0, (K + PARTS - 1) / PARTS>(
            plane, g + unit, g_variance + unit, Pooled{pooled.row + unit, pooled.column + unit}, dw + at,
            dw_variance + at);
      } else {
        V sum[K * K] = {}, sum_variance[K * K] = {};
        for (int i = 0; i < P * P; i++)
          ZT_UNROLL
          for (int tap = 0; tap < K * K; tap++) {
            const V h = plane[(i / P + tap / K) * L::EDGE + i % P + tap % K];
            sum[tap] += g[unit + i] * h;
            if constexpr (VARIATIONAL) sum_variance[tap] += g_variance[unit + i] * (h * h);
          }
        ZT_UNROLL
        for (int tap = 0; tap < K * K; tap++) {
          dw[at + tap * L::TILE] += sum[tap];
          if constexpr (VARIATIONAL) dw_variance[at + tap * L::TILE] += sum_variance[tap];
        }
      }
    }
}

// Spreads pooled gradients over the pixels they came from: [OUTPUTS][USED][USED].
template <class L>
ZT_NOINLINE void unpool(const V* g, Pooled pooled, V* spread) {
  for (int o = 0; o < L::OUTPUTS; o++)
    for (int y = 0; y < L::POOLED; y++)
      for (int x = 0; x < L::POOLED; x++) {
        const int unit = (o * L::POOLED + y) * L::POOLED + x;
        const M row = unpack(pooled.row[unit]), column = unpack(pooled.column[unit]);
        V* out = spread + (o * L::USED + 2 * y) * L::USED + 2 * x;
        out[0] = keep(M(~row & ~column), g[unit]);
        out[1] = keep(M(~row & column), g[unit]);
        out[L::USED] = keep(M(row & ~column), g[unit]);
        out[L::USED + 1] = keep(M(row & column), g[unit]);
      }
}

// dx = the transposed convolution of g[OUTPUTS][USED][USED], by whole rows of dx in registers; with `x`, the
// gradient through the squares: dx += 2·x·(…).
template <class L>
ZT_NOINLINE void input_gradient(const V* g, const V* weight, V* dx, const V* x) {
  constexpr int K = L::KERNEL, EDGE = L::EDGE, USED = L::USED;
  constexpr int TILE = largest_divisor(L::INPUTS, (REGISTERS == 32 ? 28 : 14) / (EDGE + K));
  for (int c = 0; c < L::INPUTS; c += TILE)
    for (int y = 0; y < EDGE; y++) {
      V sum[TILE][EDGE] = {};
      for (int dy = 0; dy < K; dy++) {
        if (y - dy < 0 || y - dy >= USED) continue;
        for (int o = 0; o < L::OUTPUTS; o++) {
          const V* row = g + (o * USED + y - dy) * USED;
          ZT_UNROLL
          for (int px = 0; px < USED; px++) {
            const V gradient = in_register(row[px]);
            ZT_UNROLL
            for (int t = 0; t < TILE; t++)
              ZT_UNROLL
              for (int k = 0; k < K; k++)
                sum[t][px + k] += gradient * weight[L::weight_index(o, c + t, dy * K + k)];
          }
        }
      }
      ZT_UNROLL
      for (int t = 0; t < TILE; t++)
        ZT_UNROLL
        for (int px = 0; px < EDGE; px++) {
          const int at = ((c + t) * EDGE + y) * EDGE + px;
          dx[at] = x ? dx[at] + 2.0f * x[at] * sum[t][px] : sum[t][px];
        }
    }
}

}  // namespace ZOOTWINS_LEVEL

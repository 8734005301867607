// The three products of a layer: its outputs, and the gradients of its weights and of its inputs.
//
// With VARIATIONAL, every product is taken twice: of the inputs with the weights (the mean of an output), and of
// their squares with α·w² (its variance). Planes are [channel][row][column], one vector of models a pixel, and have the
// zeros of padding around them. `outputs` is the number of the layer's outputs, of which heads alone do not know.
#pragma once

#include "layers.h"
#include "random.h"

namespace ZOOTWINS_LEVEL {

// Sums at POSITIONS pixels for TILE outputs: a 2×2 pooling window whose corner is x, or part of a row that starts there.
// Calls `meanwhile` with the number of every row of the first input channel's kernel.
template <class L, int POSITIONS, class F>
ZT_INLINE void accumulate(const V* x, const V* weight, const V* start, V (&sum)[POSITIONS][L::TILE], F&& meanwhile) {
  ZT_UNROLL
  for (int p = 0; p < POSITIONS; p++)
    ZT_UNROLL
    for (int o = 0; o < L::TILE; o++) sum[p][o] = start[o];
  for (int c = 0; c < L::INPUTS; c++)
    for (int dy = 0; dy < L::KERNEL; dy++) {
      if (c == 0) meanwhile(dy);
      ZT_UNROLL
      for (int dx = 0; dx < L::KERNEL; dx++, weight += L::TILE) {
        const V* pixel = x + (c * L::EDGE + dy) * L::EDGE + dx;
        V h[POSITIONS];
        ZT_UNROLL
        for (int p = 0; p < POSITIONS; p++) h[p] = L::FUSED ? pixel[p / 2 * L::EDGE + p % 2] : pixel[p * L::STRIDE];
        ZT_UNROLL
        for (int o = 0; o < L::TILE; o++) {
          const V w = weight[o];
          ZT_UNROLL
          for (int p = 0; p < POSITIONS; p++) sum[p][o] += h[p] * w;
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

// What the outputs of a layer are computed from.
struct Inputs {
  const V *x, *weight, *bias, *squares, *variance_weight, *variance_bias;
};

// The sums at POSITIONS pixels from `corner` on for the TILE outputs from `tile` on; with VARIATIONAL, plus `deviation`
// times their noise, which begins at e.
template <class L, bool VARIATIONAL, int POSITIONS>
ZT_INLINE void output_sums(const Inputs& in, int corner, int tile, int outputs, const V* e, V (&sum)[POSITIONS][L::TILE],
                           V (&deviation)[POSITIONS * L::TILE]) {
  constexpr int TILE = L::TILE;
  const int taps = tile * L::INPUTS * L::KERNEL * L::KERNEL;
  if constexpr (VARIATIONAL) {
    V variance[POSITIONS][TILE];
    accumulate<L, POSITIONS>(in.squares + corner, in.variance_weight + taps, in.variance_bias + tile, variance, [](int) {});
    for (int i = 0; i < POSITIONS * TILE; i++) deviation[i] = variance[i / TILE][i % TILE];
    // a root takes as long as 24 multiply-adds, but beside them: a few at a time, for all at once would stop them
    constexpr int ROOTS = (POSITIONS * TILE - 1) / L::KERNEL + 1;
    accumulate<L, POSITIONS>(in.x + corner, in.weight + taps, in.bias + tile, sum, [&](int row) {
      for (int i = row * ROOTS; i < (row + 1) * ROOTS && i < POSITIONS * TILE; i++) deviation[i] = sqrt(deviation[i]);
    });
    ZT_UNROLL
    for (int p = 0; p < POSITIONS; p++)
      ZT_UNROLL
      for (int o = 0; o < TILE; o++) {
        const int site = (L::FUSED ? p / 2 * L::SIZE + p % 2 : p) * outputs + o;
        sum[p][o] += deviation[p * TILE + o] * e[site];
      }
  } else {
    accumulate<L, POSITIONS>(in.x + corner, in.weight + taps, in.bias + tile, sum, [](int) {});
  }
}

// The maxima of a row of pooling windows.
template <class L, bool VARIATIONAL>
ZT_INLINE void window_row(const Inputs& in, int y, int tile, int outputs, const V* epsilon, V* z, Pooled pooled, V* ratio) {
  constexpr int P = L::POOLED, TILE = L::TILE;
  for (int cell = 0; cell < P; cell++) {
    V sum[L::POSITIONS][TILE], deviation[L::POSITIONS * TILE];
    const V* e = epsilon + cell * 2 * outputs + tile;
    output_sums<L, VARIATIONAL, L::POSITIONS>(in, (y * L::EDGE + cell) * 2, tile, outputs, e, sum, deviation);
    for (int o = 0; o < TILE; o++) {  // the first maximum in scan order, as torch
      const int unit = ((tile + o) * P + y) * P + cell;
      const M c0 = greater(sum[1][o], sum[0][o]), c1 = greater(sum[3][o], sum[2][o]);
      const V top = select(c0, sum[1][o], sum[0][o]), bottom = select(c1, sum[3][o], sum[2][o]);
      const M row = greater(bottom, top), column = M((row & c1) | (~row & c0));
      z[unit] = select(row, bottom, top);
      pooled.row[unit] = pack(row);
      pooled.column[unit] = pack(column);
      if constexpr (VARIATIONAL) {
        const V* even = e + o;
        const V* odd = even + outputs;
        const int down = L::SIZE * outputs;
        const V chosen = select(row, select(column, odd[down], even[down]), select(column, *odd, *even));
        const V* d = deviation + o;
        const V its = select(row, select(column, d[3 * TILE], d[2 * TILE]), select(column, d[TILE], *d));
        ratio[unit] = 0.5f * chosen / its;
      }
    }
  }
}

// A row of outputs from the FIRST pixel on, in PARTS.
template <class L, bool VARIATIONAL, int FIRST, int PARTS>
ZT_INLINE void plain_row(const Inputs& in, int y, int tile, int outputs, const V* epsilon, V* z, V* ratio) {
  constexpr int TILE = L::TILE, POSITIONS = divided_up(L::SIZE - FIRST, PARTS);
  V sum[POSITIONS][TILE], deviation[POSITIONS * TILE];
  const V* e = epsilon + FIRST * outputs + tile;
  output_sums<L, VARIATIONAL, POSITIONS>(in, (y * L::EDGE + FIRST) * L::STRIDE, tile, outputs, e, sum, deviation);
  for (int o = 0; o < TILE; o++) {
    const int unit = ((tile + o) * L::SIZE + y) * L::SIZE + FIRST;
    for (int p = 0; p < POSITIONS; p++) {
      z[unit + p] = sum[p][o];
      if constexpr (VARIATIONAL) ratio[unit + p] = 0.5f * e[p * outputs + o] / deviation[p * TILE + o];
    }
  }
  if constexpr (PARTS > 1)
    plain_row<L, VARIATIONAL, FIRST + POSITIONS, PARTS - 1>(in, y, tile, outputs, epsilon, z, ratio);
}

// z[OUTPUTS][POOLED][POOLED], before the activation. `ratio`, for the backward pass, is dz/d(variance).
template <class L, bool VARIATIONAL>
ZT_NOINLINE void convolve(const Inputs in, int heads_outputs, V* z, Pooled pooled, V* ratio, const Noise& noise) {
  const int outputs = L::HEAD ? heads_outputs : L::OUTPUTS;
  for (int y = 0; y < L::POOLED; y++) {
    const V* epsilon = nullptr;  // [rows][SIZE][OUTPUTS]
    if constexpr (VARIATIONAL) {
      const int sites = (L::FUSED ? 2 : 1) * L::SIZE * outputs;
      epsilon = normals(*noise.philox, noise.epoch, noise.position, noise.first + y * sites, sites, noise.buffer);
    }
    for (int tile = 0; tile < outputs; tile += L::TILE)
      if constexpr (L::FUSED)
        window_row<L, VARIATIONAL>(in, y, tile, outputs, epsilon, z, pooled, ratio);
      else
        plain_row<L, VARIATIONAL, 0, L::PARTS>(in, y, tile, outputs, epsilon, z, ratio);
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

// Adds the gradient of one row of the kernels of TILE outputs.
template <class L, int TILE, bool VARIATIONAL>
ZT_INLINE void plain_taps(const V* x, const V* g, const V* g_variance, int o, int c, int dy, V* dw, V* dw_variance) {
  constexpr int K = L::KERNEL, SIZE = L::SIZE;
  V sum[TILE][K] = {}, sum_variance[TILE][K] = {};
  for (int y = 0; y < SIZE; y++)
    for (int px = 0; px < SIZE; px++) {
      const V* pixel = x + (c * L::EDGE + y * L::STRIDE + dy) * L::EDGE + px * L::STRIDE;
      const int unit = (o * SIZE + y) * SIZE + px;
      V h[K];
      ZT_UNROLL
      for (int dx = 0; dx < K; dx++) h[dx] = in_register(pixel[dx]);
      ZT_UNROLL
      for (int t = 0; t < TILE; t++) {
        const V gradient = in_register(g[unit + t * SIZE * SIZE]);
        ZT_UNROLL
        for (int dx = 0; dx < K; dx++) sum[t][dx] += gradient * h[dx];
        if constexpr (VARIATIONAL) {
          const V gradient_variance = in_register(g_variance[unit + t * SIZE * SIZE]);
          ZT_UNROLL
          for (int dx = 0; dx < K; dx++) sum_variance[t][dx] += gradient_variance * (h[dx] * h[dx]);
        }
      }
    }
  ZT_UNROLL
  for (int t = 0; t < TILE; t++)
    ZT_UNROLL
    for (int dx = 0; dx < K; dx++) {
      const int at = L::weight_index(o + t, c, dy * K + dx);
      dw[at] += sum[t][dx];
      if constexpr (VARIATIONAL) dw_variance[at] += sum_variance[t][dx];
    }
}

// Adds to dw, and to dw_variance the gradient of α·w², given those of the outputs before the activation.
template <class L, bool VARIATIONAL>
ZT_NOINLINE void weight_gradient(const V* x, const V* g, const V* g_variance, int heads_outputs, Pooled pooled, V* dw,
                                 V* dw_variance) {
  constexpr int P = L::POOLED, K = L::KERNEL;
  const int outputs = L::HEAD ? heads_outputs : L::OUTPUTS;
  for (int c = 0; c < L::INPUTS; c++)
    if constexpr (L::FUSED) {
      for (int o = 0; o < outputs; o++) {
        constexpr int FIT = (REGISTERS == 32 ? 20 : 9) / (VARIATIONAL ? 2 * K : K);
        constexpr int PARTS = FIT < 1 ? K : (K + FIT - 1) / FIT;
        const int at = L::weight_index(o, c, 0), unit = o * P * P;
        pooled_kernel<L, VARIATIONAL, 0, (K + PARTS - 1) / PARTS>(
            x + c * L::EDGE * L::EDGE, g + unit, g_variance + unit, Pooled{pooled.row + unit, pooled.column + unit},
            dw + at, dw_variance + at);
      }
    } else {
      constexpr int TILE = largest_divisor(L::OUTPUTS, (REGISTERS == 32 ? 24 : 12) / (VARIATIONAL ? 2 * K : K));
      for (int o = 0; o < outputs; o += TILE)
        for (int dy = 0; dy < K; dy++) plain_taps<L, TILE, VARIATIONAL>(x, g, g_variance, o, c, dy, dw, dw_variance);
    }
}

// Spreads the gradients of the convolution's own maxima over the pixels they came from: [OUTPUTS][USED][USED].
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

// dx[INPUTS][EDGE][EDGE] = the transposed convolution of g[OUTPUTS][USED][USED], by whole rows of dx in registers; with
// `x`, the gradient through the squares: dx += 2·x·(…).
template <class L>
ZT_NOINLINE void input_gradient(const V* g, const V* weight, int heads_outputs, V* dx, const V* x) {
  constexpr int K = L::KERNEL, EDGE = L::EDGE, USED = L::USED, STRIDE = L::STRIDE;
  constexpr int TILE = largest_divisor(L::INPUTS, (REGISTERS == 32 ? 28 : 14) / (EDGE + K));
  const int outputs = L::HEAD ? heads_outputs : L::OUTPUTS;
  for (int c = 0; c < L::INPUTS; c += TILE)
    for (int y = 0; y < EDGE; y++) {
      V sum[TILE][EDGE] = {};
      for (int dy = 0; dy < K; dy++) {
        if (y < dy || (y - dy) % STRIDE || (y - dy) / STRIDE >= USED) continue;
        for (int o = 0; o < outputs; o++) {
          const V* row = g + (o * USED + (y - dy) / STRIDE) * USED;
          ZT_UNROLL
          for (int px = 0; px < USED; px++) {
            const V gradient = in_register(row[px]);
            ZT_UNROLL
            for (int t = 0; t < TILE; t++)
              ZT_UNROLL
              for (int k = 0; k < K; k++)
                sum[t][px * STRIDE + k] += gradient * weight[L::weight_index(o, c + t, dy * K + k)];
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

// Puts planes [PLANES][EDGE][EDGE] into larger ones that have BORDER pixels around them, or takes them out again.
template <int PLANES, int EDGE, int BORDER>
static void surround(const V* planes, V* larger) {
  constexpr int WIDE = EDGE + 2 * BORDER;
  for (int row = 0; row < PLANES * EDGE; row++)
    __builtin_memcpy(larger + (row / EDGE * WIDE + row % EDGE + BORDER) * WIDE + BORDER, planes + row * EDGE, EDGE * sizeof(V));
}

template <int PLANES, int EDGE, int BORDER>
static void cut_out(const V* larger, V* planes) {
  constexpr int WIDE = EDGE + 2 * BORDER;
  for (int row = 0; row < PLANES * EDGE; row++)
    __builtin_memcpy(planes + row * EDGE, larger + (row / EDGE * WIDE + row % EDGE + BORDER) * WIDE + BORDER, EDGE * sizeof(V));
}

}  // namespace ZOOTWINS_LEVEL

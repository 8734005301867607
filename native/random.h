// Philox4x32-10 with one key a lane and a counter shared by all lanes: see zootwins.population.randomness, which defines it.
#pragma once

#include "vector_math.h"

namespace ZOOTWINS_LEVEL {

constexpr uint32_t NOISE = 1, DROPOUT = 2, GATES = 3;  // streams

// The key schedules of a block's lanes. Even and odd lanes are kept apart, each in the low half of a 64-bit word,
// because that is what the machine multiplies; the high halves hold rubbish until `words` joins the lanes.
struct Philox {
  W key[10][2][2];  // [round][word of the key][even or odd lanes]

  ZT_INLINE void set_key(Philox& self, int lane, uint64_t key) {
    uint32_t word[2] = {uint32_t(key), uint32_t(key >> 32)};
    for (int round = 0; round < 10; round++) {
      for (int i = 0; i < 2; i++) self.key[round][i][lane % 2][lane / 2] = word[i];
      word[0] += 0x9E3779B9u;
      word[1] += 0xBB67AE85u;
    }
  }

  ZT_INLINE void words(const Philox& self, uint32_t block, uint32_t position, uint32_t epoch, uint32_t stream, U out[4]) {
    const W m0 = W{} + 0xD2511F53u, m1 = W{} + 0xCD9E8D57u;
    // the first round's products are the same in every lane
    const uint64_t p0 = uint64_t(block) * 0xD2511F53u, p1 = uint64_t(epoch) * 0xCD9E8D57u;
    W c0[2], c1[2], c2[2], c3[2];  // even and odd lanes by turns, so that one's products are made during the other's
    for (int half = 0; half < 2; half++) {
      c0[half] = ((p1 >> 32) ^ position) ^ self.key[0][0][half], c1[half] = W{} + p1;
      c2[half] = ((p0 >> 32) ^ stream) ^ self.key[0][1][half], c3[half] = W{} + p0;
    }
    ZT_UNROLL
    for (int round = 1; round < 10; round++)
      ZT_UNROLL
      for (int half = 0; half < 2; half++) {
        const W q0 = multiply_low(c0[half], m0), q1 = multiply_low(c2[half], m1);
        c0[half] = (q1 >> 32) ^ c1[half] ^ self.key[round][0][half];
        c1[half] = q1;
        c2[half] = (q0 >> 32) ^ c3[half] ^ self.key[round][1][half];
        c3[half] = q0;
      }
    const auto join = [](const W (&c)[2]) { return (U)((c[0] & 0xFFFFFFFFu) | (c[1] << 32)); };
    out[0] = join(c0), out[1] = join(c1), out[2] = join(c2), out[3] = join(c3);
  }
};

ZT_INLINE V to_uniform(U words) { return to_float((I)(words >> 9)) * 0x1p-23f + 0x1p-24f; }  // exact

// Numbers for the sites `first … first + count` go to `buffer`; returns the place of the first. Whole calls of the
// generator are written, so the buffer needs room for 6 more.
static const V* uniforms(const Philox& philox, uint32_t epoch, uint32_t position, int first, int count, V* buffer) {
  V* out = buffer;
  for (int block = first / 4; block * 4 < first + count; block++, out += 4) {
    U words[4];
    Philox::words(philox, block, position, epoch, DROPOUT, words);
    for (int i = 0; i < 4; i++) out[i] = to_uniform(words[i]);
  }
  return buffer + first % 4;
}

static const V* normals(const Philox& philox, uint32_t epoch, uint32_t position, int first, int count, V* buffer) {
  V* out = buffer;
  for (int block = first / 4; block * 4 < first + count; block++, out += 4) {
    U words[4];
    Philox::words(philox, block, position, epoch, NOISE, words);
    for (int pair = 0; pair < 4; pair += 2) {  // Box-Muller
      const V radius = sqrt(logarithm(to_uniform(words[pair])) * -2.0f);
      V sine, cosine;
      sine_cosine(to_uniform(words[pair + 1]) * 6.28318530717958648f, sine, cosine);
      out[pair] = radius * cosine;
      out[pair + 1] = radius * sine;
    }
  }
  return buffer + first % 4;
}

}  // namespace ZOOTWINS_LEVEL

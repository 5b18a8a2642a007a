#include <string.h>

#include "ggml_lattices.h"
#include "ggml_super_blocks.h"
#include "half.h"

static inline uint16_t word_at(const uint8_t *source) {
  uint16_t word;
  memcpy(&word, source, sizeof word);
  return word;
}

static inline uint32_t long_at(const uint8_t *source) {
  uint32_t word;
  memcpy(&word, source, sizeof word);
  return word;
}

static inline float half_at(const uint8_t *source) { return lmk_f16_to_f32_one(word_at(source)); }

static const float levels2[4] = {8, 25, 43, 0};
static const float levels3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float levels3_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};
static const float levels1[4] = {-1, 0, 1, 0};
static const float delta = 0.125f;

// The eighth sign of seven makes their number even.
static inline unsigned eight_signs(unsigned seven) { return seven | (unsigned)(__builtin_popcount(seven) & 1) << 7; }

// Eight weights: a point of 2 bits an element.
static void put_eight(float step, unsigned point, unsigned signs, float *y) {
  for (int j = 0; j < 8; j++) y[j] = step * levels2[point >> (2 * j) & 3] * (signs >> j & 1 ? -1.0f : 1.0f);
}

// Four weights: a point of 3 bits an element.
static void put_four(float step, const float *levels, unsigned point, unsigned signs, float *y) {
  for (int j = 0; j < 4; j++) y[j] = step * levels[point >> (3 * j) & 7] * (signs >> j & 1 ? -1.0f : 1.0f);
}

// d, then of each 32 weights four indices of 8 bits and a word: four times seven signs, and 4 bits of scale.
static void decode_iq2_xxs(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (const uint8_t *at = block + 2; at < block + 66; at += 8) {
    const uint32_t rest = long_at(at + 4);
    const float step = d * (0.5f + (float)(rest >> 28)) * 0.25f;
    for (int l = 0; l < 4; l++, y += 8) put_eight(step, iq2xxs_points[at[l]], eight_signs(rest >> (7 * l) & 127), y);
  }
}

// d, then of each 8 weights 9 bits of index and seven signs, then a scale of 4 bits for each 16.
static void decode_iq2_xs(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++, y += 8) {
    const unsigned word = word_at(block + 2 + 2 * i), scale = block[66 + i / 4] >> (i % 4 / 2 * 4) & 15;
    put_eight(d * (0.5f + (float)scale) * 0.25f, iq2xs_points[word & 511], eight_signs(word >> 9), y);
  }
}

// d, low bytes of the indices, signs, two high bits of each index, scales as above.
static void decode_iq2_s(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++, y += 8) {
    const unsigned high = block[66 + i / 4] >> (i % 4 * 2) & 3, scale = block[74 + i / 4] >> (i % 4 / 2 * 4) & 15;
    put_eight(d * (0.5f + (float)scale) * 0.25f, iq2s_points[block[2 + i] | high << 8], block[34 + i], y);
  }
}

// d, an index of 8 bits for each 4 weights, then of each 32 a word as in IQ2_XXS.
static void decode_iq3_xxs(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++, y += 8) {
    const uint32_t rest = long_at(block + 66 + i / 4 * 4);
    const float step = d * (0.5f + (float)(rest >> 28)) * 0.5f;
    const unsigned signs = eight_signs(rest >> (i % 4 * 7) & 127);
    put_four(step, levels3_xxs, iq3xxs_points[block[2 + 2 * i]], signs, y);
    put_four(step, levels3_xxs, iq3xxs_points[block[3 + 2 * i]], signs >> 4, y + 4);
  }
}

// d, low bytes of the indices, one high bit of each, signs, scales of 4 bits for each 32.
static void decode_iq3_s(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++, y += 8) {
    const uint8_t *low = block + 2 + 2 * i;
    const unsigned high = block[66 + i / 4] >> (i % 4 * 2), signs = block[74 + i], scale = block[106 + i / 8] >> (i / 4 % 2 * 4) & 15;
    const float step = d * (float)(1 + 2 * scale);
    put_four(step, levels3_s, iq3s_points[low[0] | (high & 1) << 8], signs, y);
    put_four(step, levels3_s, iq3s_points[low[1] | (high >> 1 & 1) << 8], signs >> 4, y + 4);
  }
}

static void put_shifted(float step, unsigned point, float shift, float *y) {
  for (int j = 0; j < 8; j++) y[j] = step * (levels1[point >> (2 * j) & 3] + shift);
}

// d, low bytes of the indices, then of each 32 weights a word: four times three high bits, a scale of 3 bits, the sign of the shift.
static void decode_iq1_s(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++, y += 8) {
    const unsigned word = word_at(block + 34 + i / 4 * 2), index = block[2 + i] | (word >> (i % 4 * 3) & 7) << 8;
    put_shifted(d * (float)(2 * (word >> 12 & 7) + 1), iq1s_points[index], word & 0x8000 ? -delta : delta, y);
  }
}

// Low bytes of the indices, then of each 8 weights three high bits and the sign of the shift, then four words: 12 bits of scales
// for four times 16 weights each, and 4 bits of d.
static void decode_iq1_m(const uint8_t *block, float *y) {
  const uint8_t *scales = block + 48;
  unsigned bits = 0;
  for (int i = 0; i < 4; i++) bits |= (unsigned)(word_at(scales + 2 * i) >> 12) << (4 * i);
  const float d = lmk_f16_to_f32_one((uint16_t)bits);
  for (int i = 0; i < 32; i++, y += 8) {
    const unsigned high = block[32 + i / 2] >> (i % 2 * 4) & 15, scale = word_at(scales + i / 8 * 2) >> (i / 2 % 4 * 3) & 7;
    put_shifted(d * (float)(2 * scale + 1), iq1s_points[block[i] | (high & 7) << 8], high & 8 ? -delta : delta, y);
  }
}

void lmk_decode_i_quant(lmk_super_block type, const uint8_t *block, float *output) {
  switch (type) {
    case LMK_IQ2_XXS: return decode_iq2_xxs(block, output);
    case LMK_IQ2_XS: return decode_iq2_xs(block, output);
    case LMK_IQ2_S: return decode_iq2_s(block, output);
    case LMK_IQ3_XXS: return decode_iq3_xxs(block, output);
    case LMK_IQ3_S: return decode_iq3_s(block, output);
    case LMK_IQ1_S: return decode_iq1_s(block, output);
    default: return decode_iq1_m(block, output);
  }
}

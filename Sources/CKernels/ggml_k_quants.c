#include <string.h>

#include "ggml_super_blocks.h"
#include "half.h"

static inline float half_at(const uint8_t *source) {
  uint16_t bits;
  memcpy(&bits, source, sizeof bits);
  return lmk_f16_to_f32_one(bits);
}

// 16 scales and minimums of 4 bits, then 2 bits a weight, then d and the d of the minimums. A byte of codes belongs to four
// weights that lie 32 apart.
static void decode_q2(const uint8_t *block, float *y) {
  const uint8_t *scales = block, *codes = block + 16;
  const float d = half_at(block + 80), minimum = half_at(block + 82);
  for (int i = 0; i < 256; i++) {
    const int half = i / 128, shift = i % 128 / 32 * 2, place = i % 32;
    const uint8_t scale = scales[i / 16];
    const float step = d * (float)(scale & 15), least = minimum * (float)(scale >> 4);
    y[i] = step * (float)(codes[32 * half + place] >> shift & 3) - least;
  }
}

// 16 scales of 6 bits, less 32: the low 4 bits in 8 bytes, the high 2 in 4.
static int scale_q3(const uint8_t *scales, int index) {
  const int low = scales[index % 8] >> (index / 8 * 4) & 15, high = scales[8 + index % 4] >> (index / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

// The high bits of all, inverted, then 2 bits a weight, the scales, and d.
static void decode_q3(const uint8_t *block, float *y) {
  const uint8_t *high = block, *codes = block + 32, *scales = block + 96;
  const float d = half_at(block + 108);
  for (int i = 0; i < 256; i++) {
    const int half = i / 128, shift = i % 128 / 32 * 2, place = i % 32;
    const int code = (codes[32 * half + place] >> shift & 3) - (high[place] >> (i / 32) & 1 ? 0 : 4);
    y[i] = d * (float)scale_q3(scales, i / 16) * (float)code;
  }
}

// Eight scales and eight minimums of 6 bits in 12 bytes.
static void scale_q4(const uint8_t *packed, int index, float d, float minimum, float *step, float *least) {
  int scale, offset;
  if (index < 4) {
    scale = packed[index] & 63, offset = packed[index + 4] & 63;
  } else {
    scale = (packed[index + 4] & 15) | packed[index - 4] >> 6 << 4;
    offset = packed[index + 4] >> 4 | packed[index] >> 6 << 4;
  }
  *step = d * (float)scale, *least = minimum * (float)offset;
}

// d, the d of the minimums, scales, for Q5_K the high bits of all, and nibbles: a byte belongs to weights that lie 32 apart.
static void decode_q4(const uint8_t *block, const uint8_t *high, const uint8_t *codes, float *y) {
  const float d = half_at(block), minimum = half_at(block + 2);
  for (int group = 0; group < 8; group++, y += 32) {
    float step, least;
    scale_q4(block + 4, group, d, minimum, &step, &least);
    for (int i = 0; i < 32; i++) {
      const int fifth = high == NULL ? 0 : high[i] >> group & 1;
      y[i] = step * (float)((codes[group / 2 * 32 + i] >> (group % 2 * 4) & 15) + 16 * fifth) - least;
    }
  }
}

// The low 4 bits, the high 2 bits, 16 signed scales, and d.
static void decode_q6(const uint8_t *block, float *y) {
  const uint8_t *low = block, *high = block + 128;
  const int8_t *scales = (const int8_t *)(block + 192);
  const float d = half_at(block + 208);
  for (int i = 0; i < 256; i++) {
    const int half = i / 128, quarter = i % 128 / 32, place = i % 32;
    const int nibble = low[64 * half + quarter % 2 * 32 + place] >> (quarter / 2 * 4) & 15;
    const int code = (nibble | (high[32 * half + place] >> (2 * quarter) & 3) << 4) - 32;
    y[i] = d * (float)scales[i / 16] * (float)code;
  }
}

static void decode_q8(const uint8_t *block, float *y) {
  float d;
  memcpy(&d, block, sizeof d);
  for (int i = 0; i < 256; i++) y[i] = d * (float)((const int8_t *)block)[4 + i];
}

void lmk_decode_k_quant(lmk_super_block type, const uint8_t *block, float *output) {
  switch (type) {
    case LMK_Q2_K: return decode_q2(block, output);
    case LMK_Q3_K: return decode_q3(block, output);
    case LMK_Q4_K: return decode_q4(block, NULL, block + 16, output);
    case LMK_Q5_K: return decode_q4(block, block + 16, block + 48, output);
    case LMK_Q6_K: return decode_q6(block, output);
    default: return decode_q8(block, output);
  }
}

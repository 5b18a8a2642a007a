// Types of few levels: nonlinear and floating 4-bit codes, ternary and binary ones.
#include <string.h>

#include "ggml_super_blocks.h"
#include "half.h"

static inline float half_at(const uint8_t *source) {
  uint16_t bits;
  memcpy(&bits, source, sizeof bits);
  return lmk_f16_to_f32_one(bits);
}

// Levels where weights are dense, from ggml-common.h (MIT licence).
static const float nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the values of E2M1 floats (OCP Microscaling Formats 1.0).
static const float twice_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Low nibbles, then high ones.
static void put_nibbles(const float *levels, float step, const uint8_t *codes, int bytes, float *y) {
  for (int j = 0; j < bytes; j++) {
    y[j] = step * levels[codes[j] & 15];
    y[j + bytes] = step * levels[codes[j] >> 4];
  }
}

// d, the high 2 bits of eight scales, their low 4 bits, nibbles.
static void decode_iq4_xs(const uint8_t *block, float *y) {
  const float d = half_at(block);
  const unsigned high = (unsigned)(block[2] | block[3] << 8);
  for (int i = 0; i < 8; i++, y += 32) {
    const int scale = (int)((block[4 + i / 2] >> (i % 2 * 4) & 15) | (high >> (2 * i) & 3) << 4);
    put_nibbles(nonlinear, d * (float)(scale - 32), block + 8 + 16 * i, 16, y);
  }
}

// Five ternary digits of a byte, the highest first: each is the integer part of three times what the digits before leave.
static float *put_digits(const uint8_t *bytes, int count, int digits, float d, float *y) {
  static const uint8_t powers[5] = {1, 3, 9, 27, 81};
  for (int n = 0; n < digits; n++) {
    for (int m = 0; m < count; m++) {
      const uint8_t left = (uint8_t)(bytes[m] * powers[n]);
      *y++ = (float)((left * 3 >> 8) - 1) * d;
    }
  }
  return y;
}

static void decode_tq1(const uint8_t *block, float *y) {
  const float d = half_at(block + 52);
  y = put_digits(block, 32, 5, d, y);
  y = put_digits(block + 32, 16, 5, d, y);
  put_digits(block + 48, 4, 4, d, y);
}

static void decode_tq2(const uint8_t *block, float *y) {
  const float d = half_at(block + 64);
  for (int i = 0; i < 256; i++) y[i] = (float)((block[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - 1) * d;
}

// Half of 2^(e - 127): a power of two, the smallest ones denormal.
static float half_power(uint8_t e) {
  const uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

// Half of a float of 4 bits of exponent and 3 of mantissa, without a sign.
static float half_e4m3(uint8_t x) {
  if (x == 0 || x == 0x7F) return 0;
  const int exponent = x >> 3 & 15, mantissa = x & 7;
  const float raw = exponent == 0 ? (float)mantissa * 0x1p-9f : (1 + (float)mantissa / 8) * (float)(1 << exponent) * 0x1p-7f;
  return raw * 0.5f;
}

static void decode_nvfp4(const uint8_t *block, float *y) {
  for (int i = 0; i < 4; i++) put_nibbles(twice_e2m1, half_e4m3(block[i]), block + 4 + 8 * i, 8, y + 16 * i);
}

static void decode_bits(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 128; i++) y[i] = block[2 + i / 8] >> (i % 8) & 1 ? d : -d;
}

static void decode_pairs(const uint8_t *block, float *y) {
  const float d = half_at(block);
  for (int i = 0; i < 64; i++) y[i] = (float)((block[2 + i / 4] >> (i % 4 * 2) & 3) - 1) * d;
}

void lmk_decode_small(lmk_super_block type, const uint8_t *block, float *output) {
  switch (type) {
    case LMK_IQ4_NL: return put_nibbles(nonlinear, half_at(block), block + 2, 16, output);
    case LMK_IQ4_XS: return decode_iq4_xs(block, output);
    case LMK_TQ1_0: return decode_tq1(block, output);
    case LMK_TQ2_0: return decode_tq2(block, output);
    case LMK_MXFP4: return put_nibbles(twice_e2m1, half_power(block[0]), block + 1, 16, output);
    case LMK_NVFP4: return decode_nvfp4(block, output);
    case LMK_Q1_0: return decode_bits(block, output);
    default: return decode_pairs(block, output);
  }
}

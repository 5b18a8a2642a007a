#include "ggml_blocks.h"

#include <stdint.h>
#include <string.h>

#include "half.h"

enum { HALF_BLOCK = LMK_GGML_BLOCK / 2 };

static inline float half_at(const uint8_t *source) {
  uint16_t bits;
  memcpy(&bits, source, sizeof bits);
  return lmk_f16_to_f32_one(bits);
}

void lmk_q4_0_to_f32(const void *source, float *restrict output, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += LMK_Q4_0_BYTES, output += LMK_GGML_BLOCK) {
    const uint8_t *codes = block + 2;
    float d = half_at(block);
    for (int j = 0; j < HALF_BLOCK; j++) {
      output[j] = (float)((codes[j] & 15) - 8) * d;
      output[j + HALF_BLOCK] = (float)((codes[j] >> 4) - 8) * d;
    }
  }
}

void lmk_q4_1_to_f32(const void *source, float *restrict output, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += LMK_Q4_1_BYTES, output += LMK_GGML_BLOCK) {
    const uint8_t *codes = block + 4;
    float d = half_at(block), m = half_at(block + 2);
    for (int j = 0; j < HALF_BLOCK; j++) {
      output[j] = (float)(codes[j] & 15) * d + m;
      output[j + HALF_BLOCK] = (float)(codes[j] >> 4) * d + m;
    }
  }
}

// Puts the 32 codes of 5 bits together: nibbles, and bit j of `fifths` above that of element j.
static inline void codes_of_5_bits(const uint8_t *fifths, const uint8_t *nibbles, uint8_t codes[LMK_GGML_BLOCK]) {
  uint32_t bits;
  memcpy(&bits, fifths, sizeof bits);
  for (uint32_t j = 0; j < HALF_BLOCK; j++) {
    codes[j] = (uint8_t)((nibbles[j] & 15) | (bits >> j & 1) << 4);
    codes[j + HALF_BLOCK] = (uint8_t)(nibbles[j] >> 4 | (bits >> (j + HALF_BLOCK) & 1) << 4);
  }
}

void lmk_q5_0_to_f32(const void *source, float *restrict output, size_t blocks) {
  const uint8_t *block = source;
  uint8_t codes[LMK_GGML_BLOCK];
  for (size_t b = 0; b < blocks; b++, block += LMK_Q5_0_BYTES, output += LMK_GGML_BLOCK) {
    float d = half_at(block);
    codes_of_5_bits(block + 2, block + 6, codes);
    for (int j = 0; j < LMK_GGML_BLOCK; j++) output[j] = (float)(codes[j] - 16) * d;
  }
}

void lmk_q5_1_to_f32(const void *source, float *restrict output, size_t blocks) {
  const uint8_t *block = source;
  uint8_t codes[LMK_GGML_BLOCK];
  for (size_t b = 0; b < blocks; b++, block += LMK_Q5_1_BYTES, output += LMK_GGML_BLOCK) {
    float d = half_at(block), m = half_at(block + 2);
    codes_of_5_bits(block + 4, block + 8, codes);
    for (int j = 0; j < LMK_GGML_BLOCK; j++) output[j] = (float)codes[j] * d + m;
  }
}

void lmk_q8_0_to_f32(const void *source, float *restrict output, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += LMK_Q8_0_BYTES, output += LMK_GGML_BLOCK) {
    const int8_t *codes = (const int8_t *)(block + 2);
    float d = half_at(block);
    for (int j = 0; j < LMK_GGML_BLOCK; j++) output[j] = (float)codes[j] * d;
  }
}

#include "half.h"

#include <string.h>

#include "bits.h"
#include "isa.h"

// The definition of both directions, in integers and exact float operations.
float lmk_f16_to_f32_one(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = (bits >> 10) & 31, mantissa = bits & 0x3FF;
  if (exponent == 31) return bits_float(sign | 0x7F800000 | (mantissa ? 0x400000 | mantissa << 13 : 0));
  if (exponent == 0) {
    float magnitude = (float)mantissa * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t lmk_f32_to_f16_one(float value) {
  uint32_t bits = float_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
  if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00);  // rounds to 65536 or more
  if (magnitude < 0x38800000) {                                   // subnormal: let the float adder round to 2^-24
    uint32_t rounded = float_bits(bits_float(magnitude) + 0.5f) - float_bits(0.5f);
    return (uint16_t)(sign | rounded);
  }
  uint32_t odd = magnitude >> 13 & 1;
  return (uint16_t)(sign | ((magnitude - (112u << 23) + 0xFFF + odd) >> 13));
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,f16c"))) static size_t f16_to_f32_f16c(const uint8_t *source, float *output, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(output + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(source + 2 * i))));
  }
  return i;
}

__attribute__((target("avx2,f16c"))) static size_t f32_to_f16_f16c(const float *source, uint8_t *output, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128((__m128i *)(output + 2 * i), half);
  }
  return i;
}
#endif

void lmk_f16_to_f32(const void *source, float *output, size_t count) {
  const uint8_t *bytes = source;
  size_t i = 0;
#if defined(__x86_64__)
  if (lmk_isa_in_use() != LMK_ISA_REFERENCE) i = f16_to_f32_f16c(bytes, output, count);
#endif
  for (; i < count; i++) {
    uint16_t half;
    memcpy(&half, bytes + 2 * i, 2);
    output[i] = lmk_f16_to_f32_one(half);
  }
}

void lmk_f32_to_f16(const float *source, void *output, size_t count) {
  uint8_t *bytes = output;
  size_t i = 0;
#if defined(__x86_64__)
  if (lmk_isa_in_use() != LMK_ISA_REFERENCE) i = f32_to_f16_f16c(source, bytes, count);
#endif
  for (; i < count; i++) {
    uint16_t half = lmk_f32_to_f16_one(source[i]);
    memcpy(bytes + 2 * i, &half, 2);
  }
}

void lmk_bf16_to_f32(const void *source, float *output, size_t count) {
  const uint8_t *bytes = source;
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    memcpy(&half, bytes + 2 * i, 2);
    output[i] = bits_float((uint32_t)half << 16);
  }
}

void lmk_f32_to_bf16(const float *source, void *output, size_t count) {
  uint8_t *bytes = output;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = float_bits(source[i]);
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    uint16_t half = (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 0x40 : rounded);
    memcpy(bytes + 2 * i, &half, 2);
  }
}

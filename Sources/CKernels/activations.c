// Activations in 8 bits. See coded.h.
#include "coded.h"
#include "dispatch.h"
#include "reference.h"
#include "vector.h"

typedef uint8_t u8x16 __attribute__((vector_size(16)));

// 1.5 * 2^23: adding it rounds to an integer, ties to even, whose lowest byte is then the lowest of the sum.
#define ROUNDER 12582912.0f

// Groups without any larger magnitude are zero: 127 / magnitude must be a number.
#define TINY 1e-30f

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// The magnitudes of floats compare as their bits do, NaN above infinity, so a NaN ends up in the scale.
static void code_group_one(const float *x, int8_t *codes, float *scale, int32_t *sum) {
  int32_t most = 0;
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) {
    const int32_t magnitude = (int32_t)(bits_of(x[k]) & 0x7FFFFFFF);
    most = magnitude > most ? magnitude : most;
  }
  const float largest = float_of((uint32_t)most);
  *scale = largest < TINY ? 0.0f : largest / 127.0f;
  const float inverse = *scale > 0 ? 127.0f / largest : 0.0f;
  *sum = 0;
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) {
    codes[k] = (int8_t)(uint8_t)bits_of(x[k] * inverse + ROUNDER);
    *sum += codes[k];
  }
}

LMK_INLINE void code_group_lanes(const float *x, int8_t *codes, float *scale, int32_t *sum) {
  const v16 low = LMK_LOAD(v16, x), high = LMK_LOAD(v16, x + 16);
  const i16x32 a = (i16x32)low & 0x7FFFFFFF, b = (i16x32)high & 0x7FFFFFFF;
  const float largest = float_of((uint32_t)__builtin_reduce_max(__builtin_elementwise_max(a, b)));
  *scale = largest < TINY ? 0.0f : largest / 127.0f;
  const float inverse = *scale > 0 ? 127.0f / largest : 0.0f;
  const u16x32 first = (u16x32)(low * inverse + ROUNDER), second = (u16x32)(high * inverse + ROUNDER);
  LMK_STORE(codes, __builtin_convertvector(first, u8x16));
  LMK_STORE(codes + 16, __builtin_convertvector(second, u8x16));
  const i16x32 total = ((i16x32)(first << 24) >> 24) + ((i16x32)(second << 24) >> 24);
  *sum = __builtin_reduce_add(total);
}

// The group at the end of a row that is no multiple of 32, completed by zeros.
LMK_INLINE void complete(const float *x, size_t count, float group[LMK_CODED_GROUP]) {
  memset(group, 0, LMK_CODED_GROUP * sizeof(float));
  memcpy(group, x, count * sizeof(float));
}

LMK_INLINE void code_activations_body(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a) {
  for (size_t t = first; t < last; t++) {
    for (size_t g = 0; g < a->groups; g++) {
      const float *source = x + t * inputs + g * LMK_CODED_GROUP;
      const size_t at = t * a->groups + g, left = inputs - g * LMK_CODED_GROUP;
      float completed[LMK_CODED_GROUP];
      if (left < LMK_CODED_GROUP) complete(source, left, completed), source = completed;
      code_group_lanes(source, a->codes + at * LMK_CODED_GROUP, a->scales + at, a->sums + at);
    }
  }
}

void lmk_ref_code_activations(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a) {
  for (size_t t = first; t < last; t++) {
    for (size_t g = 0; g < a->groups; g++) {
      const float *source = x + t * inputs + g * LMK_CODED_GROUP;
      const size_t at = t * a->groups + g, left = inputs - g * LMK_CODED_GROUP;
      float completed[LMK_CODED_GROUP];
      if (left < LMK_CODED_GROUP) complete(source, left, completed), source = completed;
      code_group_one(source, a->codes + at * LMK_CODED_GROUP, a->scales + at, a->sums + at);
    }
  }
}

LMK_VARIANTS(
    code_activations, (const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a), (x, inputs, first, last, a))
void lmk_code_activations(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a) {
  LMK_DISPATCH(code_activations, (x, inputs, first, last, a));
}

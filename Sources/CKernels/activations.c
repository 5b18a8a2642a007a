// Activations in 8 bits. See coded.h.
#include "bits.h"
#include "coded.h"
#include "dispatch.h"
#include "reference.h"
#include "vector.h"

typedef uint8_t u8x16 __attribute__((vector_size(16)));

// 1.5 * 2^23: adding it rounds to an integer, ties to even, whose lowest byte is then the lowest of the sum.
#define ROUNDER 12582912.0f

// Groups without any larger magnitude are zero: 127 / magnitude must be a number.
#define TINY 1e-30f

enum { INFINITE_BITS = 0x7F800000 };

// The magnitudes of floats compare as their bits do, NaN above infinity, so a NaN ends up in the scale.
static void code_group_one(const float *x, int8_t *codes, float *scale, int32_t *sum) {
  int32_t most = 0;
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) {
    const int32_t magnitude = (int32_t)(float_bits(x[k]) & 0x7FFFFFFF);
    most = magnitude > most ? magnitude : most;
  }
  const float largest = bits_float((uint32_t)most);
  *scale = largest < TINY ? 0.0f : largest / 127.0f;
  const float inverse = *scale > 0 ? 127.0f / largest : 0.0f;
  *sum = 0;
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) {
    codes[k] = (int8_t)(uint8_t)float_bits(x[k] * inverse + ROUNDER);
    *sum += codes[k];
  }
}

LMK_INLINE void code_group_lanes(const float *x, int8_t *codes, float *scale, int32_t *sum) {
  const v16 low = LMK_LOAD(v16, x), high = LMK_LOAD(v16, x + 16);
  const i16x32 a = (i16x32)low & 0x7FFFFFFF, b = (i16x32)high & 0x7FFFFFFF;
  const float largest = bits_float((uint32_t)__builtin_reduce_max(__builtin_elementwise_max(a, b)));
  *scale = largest < TINY ? 0.0f : largest / 127.0f;
  const float inverse = *scale > 0 ? 127.0f / largest : 0.0f;
  const u16x32 first = (u16x32)(low * inverse + ROUNDER), second = (u16x32)(high * inverse + ROUNDER);
  LMK_STORE(codes, __builtin_convertvector(first, u8x16));
  LMK_STORE(codes + 16, __builtin_convertvector(second, u8x16));
  const i16x32 total = ((i16x32)(first << 24) >> 24) + ((i16x32)(second << 24) >> 24);
  *sum = __builtin_reduce_add(total);
}

// What becomes of a group with a peak: its scale, and the code of the largest input in two parts. The scale is not a number if any
// input is not, or infinite; then everything is 0, which times such a scale is not a number.
typedef struct {
  float scale;
  float inverse;
  int32_t high;  // the code is 128 * high + low
  int32_t low;
} peak_code;

LMK_INLINE void code_peak(float value, int32_t largest, int32_t second, peak_code *peak) {
  const int32_t fine = (int32_t)float_bits(bits_float((uint32_t)second) / 127.0f);
  const int32_t coarse = (int32_t)float_bits(bits_float((uint32_t)largest) / (127.0f * 128.0f));
  const float scale = bits_float((uint32_t)(fine > coarse ? fine : coarse));
  *peak = (peak_code){.scale = bits_float((uint32_t)largest) < TINY ? 0.0f : scale};
  if (!(peak->scale > 0) || fine >= INFINITE_BITS || coarse >= INFINITE_BITS) return;
  peak->inverse = 1.0f / scale;
  const int32_t code = (int32_t)(float_bits(value * peak->inverse + ROUNDER) - float_bits(ROUNDER));
  peak->high = (code + 64) >> 7;
  peak->low = code - 128 * peak->high;
}

LMK_INLINE void store_peak(const peak_code *peak, size_t index, size_t at, int32_t sum, const lmk_activations *a) {
  int8_t bytes[4] = {0};
  bytes[index % 4] = (int8_t)peak->high;
  memcpy(a->peaks + at, bytes, sizeof bytes);
  a->peak_quads[at] = (uint8_t)(index / 4);
  a->codes[at * LMK_CODED_GROUP + index] = (int8_t)peak->low;
  a->scales[at] = peak->scale;
  a->sums[at] = sum + 128 * peak->high + peak->low;
}

static void code_peaked_one(const float *x, size_t at, const lmk_activations *a) {
  int32_t largest = -1, second = 0;
  size_t index = 0;
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) {
    const int32_t magnitude = (int32_t)(float_bits(x[k]) & 0x7FFFFFFF);
    if (magnitude > largest) {
      second = largest < 0 ? 0 : largest, largest = magnitude, index = k;
    } else if (magnitude > second) {
      second = magnitude;
    }
  }
  peak_code peak;
  code_peak(x[index], largest, second, &peak);
  int8_t *codes = a->codes + at * LMK_CODED_GROUP;
  int32_t sum = 0;
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) {
    codes[k] = peak.inverse > 0 && k != index ? (int8_t)(uint8_t)float_bits(x[k] * peak.inverse + ROUNDER) : 0;
    sum += codes[k];
  }
  store_peak(&peak, index, at, sum, a);
}

LMK_INLINE void code_peaked_lanes(const float *x, size_t at, const lmk_activations *a) {
  const i16x32 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const v16 low = LMK_LOAD(v16, x), high = LMK_LOAD(v16, x + 16);
  i16x32 m = (i16x32)low & 0x7FFFFFFF, n = (i16x32)high & 0x7FFFFFFF;
  const int32_t largest = __builtin_reduce_max(__builtin_elementwise_max(m, n));
  const i16x32 m_is = m == largest, n_is = n == largest;
  const int32_t index = __builtin_reduce_min(
      __builtin_elementwise_min((lanes & m_is) | (~m_is & LMK_CODED_GROUP), ((lanes + 16) & n_is) | (~n_is & LMK_CODED_GROUP)));
  const i16x32 m_rest = lanes != index, n_rest = lanes + 16 != index;
  const int32_t second = __builtin_reduce_max(__builtin_elementwise_max(m & m_rest, n & n_rest));
  peak_code peak;
  code_peak(x[index], largest, second, &peak);
  const i16x32 counts = (i16x32){} - (peak.inverse > 0);
  const i16x32 first = (((i16x32)(low * peak.inverse + ROUNDER)) << 24 >> 24) & m_rest & counts;
  const i16x32 last = (((i16x32)(high * peak.inverse + ROUNDER)) << 24 >> 24) & n_rest & counts;
  int8_t *codes = a->codes + at * LMK_CODED_GROUP;
  LMK_STORE(codes, __builtin_convertvector(first, u8x16));
  LMK_STORE(codes + 16, __builtin_convertvector(last, u8x16));
  store_peak(&peak, (size_t)index, at, __builtin_reduce_add(first + last), a);
}

// The group at the end of a row that is no multiple of 32, completed by zeros.
LMK_INLINE void complete(const float *x, size_t count, float group[LMK_CODED_GROUP]) {
  memset(group, 0, LMK_CODED_GROUP * sizeof(float));
  memcpy(group, x, count * sizeof(float));
}

// Codes every group of some rows by one of two functions.
#define CODE_ROWS(code_group, code_peaked)                                                               \
  for (size_t t = first; t < last; t++) {                                                                \
    for (size_t g = 0; g < a->groups; g++) {                                                             \
      const float *source = x + t * inputs + g * LMK_CODED_GROUP;                                        \
      const size_t at = t * a->groups + g, left = inputs - g * LMK_CODED_GROUP;                          \
      float completed[LMK_CODED_GROUP];                                                                  \
      if (left < LMK_CODED_GROUP) complete(source, left, completed), source = completed;                 \
      if (a->peaks != NULL) {                                                                            \
        code_peaked(source, at, a);                                                                      \
      } else {                                                                                           \
        code_group(source, a->codes + at * LMK_CODED_GROUP, a->scales + at, a->sums + at);               \
      }                                                                                                  \
    }                                                                                                    \
  }

LMK_INLINE void code_activations_body(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a) {
  CODE_ROWS(code_group_lanes, code_peaked_lanes)
}

void lmk_ref_code_activations(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a) {
  CODE_ROWS(code_group_one, code_peaked_one)
}

LMK_VARIANTS(
    code_activations, (const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a), (x, inputs, first, last, a))
void lmk_code_activations(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *a) {
  LMK_DISPATCH(code_activations, (x, inputs, first, last, a));
}

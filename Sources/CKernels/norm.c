#include "norm.h"

#include <math.h>

#include "dispatch.h"
#include "reference.h"
#include "vector.h"

// Sums of 16 lanes: element i goes to lane i mod 16, and the lanes are added in a fixed tree.
static float sum_tree(float *lanes) {
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

// Up to 16 elements from p, the lanes past them 0.
#define LOAD_START(p, count)                      \
  ({                                              \
    float start_[16] = {0};                       \
    memcpy(start_, (p), (count) * sizeof(float)); \
    LMK_LOAD(v16, start_);                        \
  })

LMK_INLINE void sum_lanes(const float *x, size_t count, float *sum) {
  v16 lanes = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) lanes += LMK_LOAD(v16, x + i);
  if (i < count) lanes += LOAD_START(x + i, count - i);
  *sum = LMK_SUM(lanes);
}

// The sum of (x - shift)^2.
LMK_INLINE void square_lanes(const float *x, float shift, size_t count, float *sum) {
  v16 lanes = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const v16 value = LMK_LOAD(v16, x + i) - shift;
    lanes = LMK_FMA(value, value, lanes);
  }
  float last[16];
  LMK_STORE(last, lanes);
  for (; i < count; i++) last[i % 16] = __builtin_fmaf(x[i] - shift, x[i] - shift, last[i % 16]);
  *sum = LMK_SUM(LMK_LOAD(v16, last));
}

static float ref_sum(const float *x, size_t count) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; i++) lanes[i % 16] += x[i];
  return sum_tree(lanes);
}

static float ref_squares(const float *x, float shift, size_t count) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; i++) lanes[i % 16] = __builtin_fmaf(x[i] - shift, x[i] - shift, lanes[i % 16]);
  return sum_tree(lanes);
}

// RMSNorm

LMK_INLINE void rms_norm_body(const float *x, const float *weight, float epsilon, size_t count, float *output) {
  float squares;
  square_lanes(x, 0, count, &squares);
  const float scale = 1.0f / sqrtf(squares / (float)count + epsilon);
  for (size_t k = 0; k < count; k++) output[k] = x[k] * scale * weight[k];
}

void lmk_ref_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output) {
  const float scale = 1.0f / sqrtf(ref_squares(x, 0, count) / (float)count + epsilon);
  for (size_t i = 0; i < count; i++) output[i] = x[i] * scale * weight[i];
}

LMK_VARIANTS(rms_norm, (const float *x, const float *weight, float epsilon, size_t count, float *output), (x, weight, epsilon, count, output))
void lmk_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output) {
  LMK_DISPATCH(rms_norm, (x, weight, epsilon, count, output));
}

// LayerNorm

LMK_INLINE void layer_norm_body(
    const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *output) {
  float sum, squares;
  sum_lanes(x, count, &sum);
  const float mean = sum / (float)count;
  square_lanes(x, mean, count, &squares);
  const float scale = 1.0f / sqrtf(squares / (float)count + epsilon);
  for (size_t k = 0; k < count; k++) {
    const float value = (x[k] - mean) * scale * weight[k];
    output[k] = bias == NULL ? value : value + bias[k];
  }
}

void lmk_ref_layer_norm(const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *output) {
  const float mean = ref_sum(x, count) / (float)count;
  const float scale = 1.0f / sqrtf(ref_squares(x, mean, count) / (float)count + epsilon);
  for (size_t i = 0; i < count; i++) {
    const float value = (x[i] - mean) * scale * weight[i];
    output[i] = bias == NULL ? value : value + bias[i];
  }
}

LMK_VARIANTS(
    layer_norm, (const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *output),
    (x, weight, bias, epsilon, count, output))
void lmk_layer_norm(const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *output) {
  LMK_DISPATCH(layer_norm, (x, weight, bias, epsilon, count, output));
}

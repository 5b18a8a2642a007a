#include "optimizer.h"

#include <math.h>

#include "dispatch.h"
#include "reference.h"
#include "vector.h"

LMK_INLINE void adamw_step_body(
    const lmk_adamw *step, float *weights, const float *gradients, float *first, float *second, size_t count) {
  const float keep = 1.0f - step->rate * step->decay, rate = step->rate / step->correction1;
  const float inverse = 1.0f / step->correction2;
  for (size_t i = 0; i < count; i++) {
    const float g = gradients[i] * step->gradient_scale;
    const float m = first[i] + (g - first[i]) * (1.0f - step->beta1);
    const float v = second[i] * step->beta2 + g * g * (1.0f - step->beta2);
    first[i] = m, second[i] = v;
    weights[i] = weights[i] * keep - rate * m / (sqrtf(v) * inverse + step->epsilon);
  }
}

void lmk_ref_adamw_step(
    const lmk_adamw *step, float *weights, const float *gradients, float *first, float *second, size_t count) {
  adamw_step_body(step, weights, gradients, first, second, count);
}

LMK_VARIANTS(
    adamw_step,
    (const lmk_adamw *step, float *weights, const float *gradients, float *first, float *second, size_t count),
    (step, weights, gradients, first, second, count))
void lmk_adamw_step(const lmk_adamw *step, float *weights, const float *gradients, float *first, float *second, size_t count) {
  LMK_DISPATCH(adamw_step, (step, weights, gradients, first, second, count));
}

// Sums of products

enum { CHUNK = 256 };

LMK_INLINE void dot_body(const float *x, const float *y, size_t count, double *result) {
  double sum = 0;
  for (size_t start = 0; start < count; start += CHUNK) {
    const size_t end = count - start < CHUNK ? count : start + CHUNK;
    v16 part = {};
    size_t i = start;
    for (; i + 16 <= end; i += 16) part = LMK_FMA(LMK_LOAD(v16, x + i), LMK_LOAD(v16, y + i), part);
    float lanes[16];
    LMK_STORE(lanes, part);
    for (; i < end; i++) lanes[i % 16] = __builtin_fmaf(x[i], y[i], lanes[i % 16]);
    sum += (double)LMK_SUM(LMK_LOAD(v16, lanes));
  }
  *result = sum;
}

void lmk_ref_dot(const float *x, const float *y, size_t count, double *result) {
  double sum = 0;
  for (size_t start = 0; start < count; start += CHUNK) {
    float lanes[16] = {0};
    for (size_t i = start; i < count && i < start + CHUNK; i++) lanes[i % 16] = __builtin_fmaf(x[i], y[i], lanes[i % 16]);
    for (int width = 8; width > 0; width /= 2)
      for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
    sum += (double)lanes[0];
  }
  *result = sum;
}

LMK_VARIANTS(dot, (const float *x, const float *y, size_t count, double *result), (x, y, count, result))
double lmk_dot(const float *x, const float *y, size_t count) {
  double result = 0;
  LMK_DISPATCH(dot, (x, y, count, &result));
  return result;
}

double lmk_sum_of_squares(const float *x, size_t count) { return lmk_dot(x, x, count); }

LMK_INLINE void add_column_sums_body(const float *x, const float *y, size_t rows, size_t columns, size_t stride, float *sums) {
  for (size_t row = 0; row < rows; row++) {
    const float *a = x + row * stride;
    if (y == NULL) {
      for (size_t j = 0; j < columns; j++) sums[j] += a[j];
    } else {
      const float *b = y + row * stride;
      for (size_t j = 0; j < columns; j++) sums[j] += a[j] * b[j];
    }
  }
}

void lmk_ref_add_column_sums(const float *x, const float *y, size_t rows, size_t columns, size_t stride, float *sums) {
  add_column_sums_body(x, y, rows, columns, stride, sums);
}

LMK_VARIANTS(
    add_column_sums, (const float *x, const float *y, size_t rows, size_t columns, size_t stride, float *sums),
    (x, y, rows, columns, stride, sums))
void lmk_add_column_sums(const float *x, const float *y, size_t rows, size_t columns, size_t stride, float *sums) {
  LMK_DISPATCH(add_column_sums, (x, y, rows, columns, stride, sums));
}

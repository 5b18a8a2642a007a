#include "norm_gradient.h"

#include <math.h>

#include "dispatch.h"
#include "reference.h"
#include "vector.h"

// What a row's gradient needs of all of it. Sums run in 16 lanes (element i in lane i mod 16), added in one fixed tree.
typedef struct {
  float mean, scale;         // of x, and 1 / its deviation
  float gradient, product;   // sums of weight * dy, and of weight * dy * (x - mean)
} row_sums;

enum { CENTRED = 1, PLAIN = 0 };

#define ADD(lanes, i, value) (lanes)[(i) % 16] = (value)

static float sum_tree(float *lanes) {
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

static row_sums ref_sums(int centred, const float *x, const float *weight, float epsilon, const float *dy, size_t count) {
  float sum[16] = {0}, squares[16] = {0}, gradient[16] = {0}, product[16] = {0};
  for (size_t i = 0; centred && i < count; i++) sum[i % 16] += x[i];
  const float mean = centred ? sum_tree(sum) / (float)count : 0;
  for (size_t i = 0; i < count; i++) {
    const float value = x[i] - mean, slope = weight[i] * dy[i];
    ADD(squares, i, __builtin_fmaf(value, value, squares[i % 16]));
    ADD(gradient, i, gradient[i % 16] + slope);
    ADD(product, i, __builtin_fmaf(slope, value, product[i % 16]));
  }
  const float scale = 1.0f / sqrtf(sum_tree(squares) / (float)count + epsilon);
  return (row_sums){mean, scale, sum_tree(gradient), sum_tree(product)};
}

LMK_INLINE void find_sums(
    const int centred, const float *x, const float *weight, float epsilon, const float *dy, size_t count, row_sums *result) {
  const size_t whole = count / 16 * 16;
  float mean = 0;
  if (centred) {
    v16 sum = {};
    for (size_t i = 0; i < whole; i += 16) sum += LMK_LOAD(v16, x + i);
    float lanes[16];
    LMK_STORE(lanes, sum);
    for (size_t i = whole; i < count; i++) lanes[i % 16] += x[i];
    mean = sum_tree(lanes) / (float)count;
  }
  v16 squares = {}, gradient = {}, product = {};
  for (size_t i = 0; i < whole; i += 16) {
    const v16 value = LMK_LOAD(v16, x + i) - mean, slope = LMK_LOAD(v16, weight + i) * LMK_LOAD(v16, dy + i);
    squares = LMK_FMA(value, value, squares);
    gradient += slope;
    product = LMK_FMA(slope, value, product);
  }
  float square_lanes[16], gradient_lanes[16], product_lanes[16];
  LMK_STORE(square_lanes, squares);
  LMK_STORE(gradient_lanes, gradient);
  LMK_STORE(product_lanes, product);
  for (size_t i = whole; i < count; i++) {
    const float value = x[i] - mean, slope = weight[i] * dy[i];
    ADD(square_lanes, i, __builtin_fmaf(value, value, square_lanes[i % 16]));
    ADD(gradient_lanes, i, gradient_lanes[i % 16] + slope);
    ADD(product_lanes, i, __builtin_fmaf(slope, value, product_lanes[i % 16]));
  }
  const float scale = 1.0f / sqrtf(sum_tree(square_lanes) / (float)count + epsilon);
  *result = (row_sums){mean, scale, sum_tree(gradient_lanes), sum_tree(product_lanes)};
}

// With u = (x - mean) * scale: dx = scale * (weight * dy - mean of that, if centred - u * mean of (weight * dy * u)).
LMK_INLINE void spread(
    const int centred, const row_sums *sums, const float *x, const float *weight, const float *dy, size_t count, float *dx) {
  const float mean = sums->mean, scale = sums->scale;
  const float along = sums->product * scale * scale / (float)count, level = centred ? sums->gradient / (float)count : 0;
  for (size_t i = 0; i < count; i++) dx[i] += (weight[i] * dy[i] - level - (x[i] - mean) * along) * scale;
}

LMK_INLINE void add_weight(const row_sums *sums, const float *x, const float *dy, size_t count, float *dweight) {
  const float mean = sums->mean, scale = sums->scale;
  for (size_t i = 0; i < count; i++) dweight[i] += (x[i] - mean) * scale * dy[i];
}

LMK_INLINE void add_bias(const float *dy, size_t count, float *dbias) {
  for (size_t i = 0; i < count; i++) dbias[i] += dy[i];
}

// RMSNorm

LMK_INLINE void rms_norm_gradient_body(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight) {
  row_sums sums;
  find_sums(PLAIN, x, weight, epsilon, dy, count, &sums);
  spread(PLAIN, &sums, x, weight, dy, count, dx);
  if (dweight != NULL) add_weight(&sums, x, dy, count, dweight);
}

void lmk_ref_rms_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight) {
  const row_sums sums = ref_sums(PLAIN, x, weight, epsilon, dy, count);
  spread(PLAIN, &sums, x, weight, dy, count, dx);
  if (dweight != NULL) add_weight(&sums, x, dy, count, dweight);
}

LMK_VARIANTS(
    rms_norm_gradient,
    (const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight),
    (x, weight, epsilon, dy, count, dx, dweight))
void lmk_rms_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight) {
  LMK_DISPATCH(rms_norm_gradient, (x, weight, epsilon, dy, count, dx, dweight));
}

// LayerNorm

LMK_INLINE void layer_norm_gradient_body(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias) {
  row_sums sums;
  find_sums(CENTRED, x, weight, epsilon, dy, count, &sums);
  spread(CENTRED, &sums, x, weight, dy, count, dx);
  if (dweight != NULL) add_weight(&sums, x, dy, count, dweight);
  if (dbias != NULL) add_bias(dy, count, dbias);
}

void lmk_ref_layer_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias) {
  const row_sums sums = ref_sums(CENTRED, x, weight, epsilon, dy, count);
  spread(CENTRED, &sums, x, weight, dy, count, dx);
  if (dweight != NULL) add_weight(&sums, x, dy, count, dweight);
  if (dbias != NULL) add_bias(dy, count, dbias);
}

LMK_VARIANTS(
    layer_norm_gradient,
    (const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias),
    (x, weight, epsilon, dy, count, dx, dweight, dbias))
void lmk_layer_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias) {
  LMK_DISPATCH(layer_norm_gradient, (x, weight, epsilon, dy, count, dx, dweight, dbias));
}

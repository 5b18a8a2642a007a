#include "losses.h"

#include <math.h>

#include "dispatch.h"
#include "exponential.h"
#include "reference.h"
#include "vector.h"

enum { CHUNK = 256 };  // elements whose sums are single precision

static float sum_tree(float *lanes) {
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

LMK_INLINE float maximum(const float *x, size_t count) {
  float most = x[0];
  for (size_t i = 1; i < count; i++) most = x[i] > most ? x[i] : most;
  return most;
}

// The softmaxes of both rows, not yet divided by their sums, and the sum of teacher * (log teacher - log student), likewise.
typedef struct {
  double teacher, student, difference;
} loss_sums;

LMK_INLINE void add_chunk(float *z, float *t, size_t count, float inverse, float z_most, float t_most, loss_sums *sums) {
  v16 teacher = {}, student = {}, difference = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const v16 log_p = (LMK_LOAD(v16, t + i) - t_most) * inverse, log_q = (LMK_LOAD(v16, z + i) - z_most) * inverse;
    v16 p = log_p, q = log_q;
    exp_lanes(&p);
    exp_lanes(&q);
    teacher += p;
    student += q;
    difference = LMK_FMA(p, log_p - log_q, difference);
    LMK_STORE(t + i, p);
    LMK_STORE(z + i, q);
  }
  float p_lanes[16], q_lanes[16], lanes[16];
  LMK_STORE(p_lanes, teacher);
  LMK_STORE(q_lanes, student);
  LMK_STORE(lanes, difference);
  for (; i < count; i++) {
    const float log_p = (t[i] - t_most) * inverse, log_q = (z[i] - z_most) * inverse;
    t[i] = exp_one(log_p), z[i] = exp_one(log_q);
    p_lanes[i % 16] += t[i];
    q_lanes[i % 16] += z[i];
    lanes[i % 16] = __builtin_fmaf(t[i], log_p - log_q, lanes[i % 16]);
  }
  sums->teacher += (double)sum_tree(p_lanes);
  sums->student += (double)sum_tree(q_lanes);
  sums->difference += (double)sum_tree(lanes);
}

static void ref_add_chunk(float *z, float *t, size_t count, float inverse, float z_most, float t_most, loss_sums *sums) {
  float p_lanes[16] = {0}, q_lanes[16] = {0}, lanes[16] = {0};
  for (size_t i = 0; i < count; i++) {
    const float log_p = (t[i] - t_most) * inverse, log_q = (z[i] - z_most) * inverse;
    t[i] = exp_one(log_p), z[i] = exp_one(log_q);
    p_lanes[i % 16] += t[i];
    q_lanes[i % 16] += z[i];
    lanes[i % 16] = __builtin_fmaf(t[i], log_p - log_q, lanes[i % 16]);
  }
  sums->teacher += (double)sum_tree(p_lanes);
  sums->student += (double)sum_tree(q_lanes);
  sums->difference += (double)sum_tree(lanes);
}

LMK_INLINE void subtract(float *z, const float *t, size_t count, float scale, const loss_sums *sums) {
  const float q_scale = (float)((double)scale / sums->student), p_scale = (float)((double)scale / sums->teacher);
  for (size_t i = 0; i < count; i++) z[i] = z[i] * q_scale - t[i] * p_scale;
}

LMK_INLINE void divergence_gradient_body(
    float *logits, float *teacher, size_t count, float temperature, float weight, double *result) {
  const float inverse = 1.0f / temperature, z_most = maximum(logits, count), t_most = maximum(teacher, count);
  loss_sums sums = {0, 0, 0};
  for (size_t start = 0; start < count; start += CHUNK) {
    const size_t size = count - start < CHUNK ? count - start : CHUNK;
    add_chunk(logits + start, teacher + start, size, inverse, z_most, t_most, &sums);
  }
  *result = sums.difference / sums.teacher - log(sums.teacher) + log(sums.student);
  subtract(logits, teacher, count, temperature * weight, &sums);
}

void lmk_ref_divergence_gradient(float *logits, float *teacher, size_t count, float temperature, float weight, double *result) {
  const float inverse = 1.0f / temperature, z_most = maximum(logits, count), t_most = maximum(teacher, count);
  loss_sums sums = {0, 0, 0};
  for (size_t start = 0; start < count; start += CHUNK) {
    const size_t size = count - start < CHUNK ? count - start : CHUNK;
    ref_add_chunk(logits + start, teacher + start, size, inverse, z_most, t_most, &sums);
  }
  *result = sums.difference / sums.teacher - log(sums.teacher) + log(sums.student);
  subtract(logits, teacher, count, temperature * weight, &sums);
}

LMK_VARIANTS(
    divergence_gradient,
    (float *logits, float *teacher, size_t count, float temperature, float weight, double *result),
    (logits, teacher, count, temperature, weight, result))
double lmk_divergence_gradient(float *logits, float *teacher, size_t count, float temperature, float weight) {
  double result = 0;
  if (count > 0) LMK_DISPATCH(divergence_gradient, (logits, teacher, count, temperature, weight, &result));
  return result;
}

// Cross-entropy

LMK_INLINE void exp_chunk(float *z, size_t count, float most, double *total) {
  v16 sum = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, z + i) - most;
    exp_lanes(&value);
    sum += value;
    LMK_STORE(z + i, value);
  }
  float lanes[16];
  LMK_STORE(lanes, sum);
  for (; i < count; i++) z[i] = exp_one(z[i] - most), lanes[i % 16] += z[i];
  *total += (double)sum_tree(lanes);
}

static void ref_exp_chunk(float *z, size_t count, float most, double *total) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; i++) z[i] = exp_one(z[i] - most), lanes[i % 16] += z[i];
  *total += (double)sum_tree(lanes);
}

LMK_INLINE void scale_row(float *z, size_t count, float scale) {
  for (size_t i = 0; i < count; i++) z[i] *= scale;
}

LMK_INLINE void cross_entropy_gradient_body(float *logits, size_t count, size_t label, float weight, double *result) {
  const float most = maximum(logits, count), own = logits[label] - most;
  double total = 0;
  for (size_t start = 0; start < count; start += CHUNK) {
    exp_chunk(logits + start, count - start < CHUNK ? count - start : CHUNK, most, &total);
  }
  *result = log(total) - (double)own;
  scale_row(logits, count, (float)((double)weight / total));
  logits[label] -= weight;
}

void lmk_ref_cross_entropy_gradient(float *logits, size_t count, size_t label, float weight, double *result) {
  const float most = maximum(logits, count), own = logits[label] - most;
  double total = 0;
  for (size_t start = 0; start < count; start += CHUNK) {
    ref_exp_chunk(logits + start, count - start < CHUNK ? count - start : CHUNK, most, &total);
  }
  *result = log(total) - (double)own;
  scale_row(logits, count, (float)((double)weight / total));
  logits[label] -= weight;
}

LMK_VARIANTS(
    cross_entropy_gradient, (float *logits, size_t count, size_t label, float weight, double *result),
    (logits, count, label, weight, result))
double lmk_cross_entropy_gradient(float *logits, size_t count, size_t label, float weight) {
  double result = 0;
  if (label < count) LMK_DISPATCH(cross_entropy_gradient, (logits, count, label, weight, &result));
  return result;
}

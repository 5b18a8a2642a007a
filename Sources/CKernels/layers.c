#include "layers.h"

#include <math.h>

#include "dispatch.h"
#include "exponential.h"
#include "reference.h"
#include "vector.h"

float lmk_exp(float x) { return exp_one(x); }

static float sum_tree(float *lanes) {
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

// Softmax

static float maximum(const float *x, size_t count) {
  float most = x[0];
  for (size_t i = 1; i < count; i++) most = x[i] > most ? x[i] : most;
  return most;
}

// x = exp(x - most), in place; *total = the sum.
LMK_INLINE void exp_sum(float *x, size_t count, float most, float *total) {
  v16 sum = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, x + i) - most;
    exp_lanes(&value);
    LMK_STORE(x + i, value);
    sum += value;
  }
  float lanes[16];
  LMK_STORE(lanes, sum);
  for (; i < count; i++) {
    x[i] = exp_one(x[i] - most);
    lanes[i % 16] += x[i];
  }
  *total = LMK_SUM(LMK_LOAD(v16, lanes));
}

LMK_INLINE void softmax_body(float *x, size_t count) {
  if (count == 0) return;
  float total;
  exp_sum(x, count, maximum(x, count), &total);
  const float scale = 1.0f / total;
  for (size_t k = 0; k < count; k++) x[k] *= scale;
}

void lmk_ref_softmax(float *x, size_t count) {
  if (count == 0) return;
  const float most = maximum(x, count);
  float lanes[16] = {0};
  for (size_t i = 0; i < count; i++) {
    x[i] = exp_one(x[i] - most);
    lanes[i % 16] += x[i];
  }
  const float scale = 1.0f / sum_tree(lanes);
  for (size_t i = 0; i < count; i++) x[i] *= scale;
}

LMK_VARIANTS(softmax, (float *x, size_t count), (x, count))
void lmk_softmax(float *x, size_t count) { LMK_DISPATCH(softmax, (x, count)); }

// Sums of 256 terms in single precision, added in double precision.
enum { LOG_SUM_CHUNK = 256 };

LMK_INLINE void log_sum_exp_body(const float *x, size_t count, double *result) {
  const float most = maximum(x, count);
  double sum = 0;
  for (size_t start = 0; start < count; start += LOG_SUM_CHUNK) {
    const size_t size = count - start < LOG_SUM_CHUNK ? count - start : LOG_SUM_CHUNK;
    float part[LOG_SUM_CHUNK], total;
    memcpy(part, x + start, size * sizeof(float));
    exp_sum(part, size, most, &total);
    sum += (double)total;
  }
  *result = (double)most + log(sum);
}

void lmk_ref_log_sum_exp(const float *x, size_t count, double *result) {
  const float most = maximum(x, count);
  double sum = 0;
  for (size_t start = 0; start < count; start += LOG_SUM_CHUNK) {
    float lanes[16] = {0};
    for (size_t i = start; i < count && i < start + LOG_SUM_CHUNK; i++) lanes[i % 16] += exp_one(x[i] - most);
    sum += (double)sum_tree(lanes);
  }
  *result = (double)most + log(sum);
}

LMK_VARIANTS(log_sum_exp, (const float *x, size_t count, double *result), (x, count, result))
double lmk_log_sum_exp(const float *x, size_t count) {
  double result = 0;
  LMK_DISPATCH(log_sum_exp, (x, count, &result));
  return result;
}

// Kullback-Leibler divergence of two softmaxes

LMK_INLINE void divergence_body(const float *p, const float *q, size_t count, double p_log, double q_log, double *result) {
  const float p_shift = (float)p_log, q_shift = (float)q_log;
  double sum = 0;
  for (size_t start = 0; start < count; start += LOG_SUM_CHUNK) {
    const size_t size = count - start < LOG_SUM_CHUNK ? count - start : LOG_SUM_CHUNK;
    v16 part = {};
    size_t i = start;
    for (; i + 16 <= start + size; i += 16) {
      v16 log_p = LMK_LOAD(v16, p + i) - p_shift, weight = log_p;
      exp_lanes(&weight);
      part = LMK_FMA(weight, log_p - (LMK_LOAD(v16, q + i) - q_shift), part);
    }
    float lanes[16];
    LMK_STORE(lanes, part);
    for (; i < start + size; i++) {
      const float log_p = p[i] - p_shift;
      lanes[(i - start) % 16] = __builtin_fmaf(exp_one(log_p), log_p - (q[i] - q_shift), lanes[(i - start) % 16]);
    }
    sum += (double)LMK_SUM(LMK_LOAD(v16, lanes));
  }
  *result = sum;
}

void lmk_ref_divergence(const float *p, const float *q, size_t count, double p_log, double q_log, double *result) {
  const float p_shift = (float)p_log, q_shift = (float)q_log;
  double sum = 0;
  for (size_t start = 0; start < count; start += LOG_SUM_CHUNK) {
    float lanes[16] = {0};
    for (size_t i = start; i < count && i < start + LOG_SUM_CHUNK; i++) {
      const float log_p = p[i] - p_shift;
      lanes[(i - start) % 16] = __builtin_fmaf(exp_one(log_p), log_p - (q[i] - q_shift), lanes[(i - start) % 16]);
    }
    sum += (double)sum_tree(lanes);
  }
  *result = sum;
}

LMK_VARIANTS(
    divergence, (const float *p, const float *q, size_t count, double p_log, double q_log, double *result),
    (p, q, count, p_log, q_log, result))
double lmk_divergence(const float *p, const float *q, size_t count, double p_log, double q_log) {
  double result = 0;
  LMK_DISPATCH(divergence, (p, q, count, p_log, q_log, &result));
  return result;
}

size_t lmk_argmax(const float *x, size_t count) {
  const float most = count == 0 ? 0 : maximum(x, count);
  for (size_t i = 0; i < count; i++)
    if (x[i] == most) return i;
  return 0;
}

size_t lmk_first_beyond(const float *x, size_t count, float limit) {
  for (size_t start = 0; start < count; start += LOG_SUM_CHUNK) {
    const size_t end = count - start < LOG_SUM_CHUNK ? count : start + LOG_SUM_CHUNK;
    int beyond = 0;
    for (size_t i = start; i < end; i++) beyond |= !(fabsf(x[i]) <= limit);
    for (size_t i = start; beyond && i < end; i++)
      if (!(fabsf(x[i]) <= limit)) return i;
  }
  return count;
}

// Rotary and residual

LMK_INLINE void rotary_body(float *x, size_t heads, size_t stride, size_t size, const float *cosines, const float *sines) {
  const size_t half = size / 2;
  for (size_t head = 0; head < heads; head++) {
    float *low = x + head * stride, *high = low + half;
    for (size_t i = 0; i < half; i++) {
      const float a = low[i], b = high[i];
      low[i] = a * cosines[i] - b * sines[i];
      high[i] = b * cosines[i] + a * sines[i];
    }
  }
}

void lmk_ref_rotary(float *x, size_t heads, size_t stride, size_t size, const float *cosines, const float *sines) {
  rotary_body(x, heads, stride, size, cosines, sines);
}

LMK_VARIANTS(
    rotary, (float *x, size_t heads, size_t stride, size_t size, const float *cosines, const float *sines),
    (x, heads, stride, size, cosines, sines))
void lmk_rotary(float *x, size_t heads, size_t stride, size_t size, const float *cosines, const float *sines) {
  LMK_DISPATCH(rotary, (x, heads, stride, size, cosines, sines));
}

LMK_INLINE void multiply_body(const float *x, const float *y, size_t count, float *output) {
  for (size_t i = 0; i < count; i++) output[i] = x[i] * y[i];
}

void lmk_ref_multiply(const float *x, const float *y, size_t count, float *output) { multiply_body(x, y, count, output); }

LMK_VARIANTS(multiply, (const float *x, const float *y, size_t count, float *output), (x, y, count, output))
void lmk_multiply(const float *x, const float *y, size_t count, float *output) { LMK_DISPATCH(multiply, (x, y, count, output)); }

LMK_INLINE void add_body(float *x, const float *y, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] += y[i];
}

void lmk_ref_add(float *x, const float *y, size_t count) { add_body(x, y, count); }

LMK_VARIANTS(add, (float *x, const float *y, size_t count), (x, y, count))
void lmk_add(float *x, const float *y, size_t count) { LMK_DISPATCH(add, (x, y, count)); }

LMK_INLINE void scale_body(float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] *= factor;
}

void lmk_ref_scale(float *x, float factor, size_t count) { scale_body(x, factor, count); }

LMK_VARIANTS(scale, (float *x, float factor, size_t count), (x, factor, count))
void lmk_scale(float *x, float factor, size_t count) { LMK_DISPATCH(scale, (x, factor, count)); }

LMK_INLINE void softcap_body(float *x, float cap, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, x + i) / cap;
    tanh_lanes(&value);
    LMK_STORE(x + i, value * cap);
  }
  for (; i < count; i++) x[i] = tanh_one(x[i] / cap) * cap;
}

void lmk_ref_softcap(float *x, float cap, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = tanh_one(x[i] / cap) * cap;
}

LMK_VARIANTS(softcap, (float *x, float cap, size_t count), (x, cap, count))
void lmk_softcap(float *x, float cap, size_t count) { LMK_DISPATCH(softcap, (x, cap, count)); }

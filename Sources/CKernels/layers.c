#include "layers.h"

#include <math.h>

#include "dispatch.h"
#include "reference.h"
#include "vector.h"

// exp(x) = 2^n exp(r), |r| <= ln 2 / 2, by a polynomial of degree 7 (Cephes expf): within 2 units in the last place.
// Arguments are held in [-87, 88], so results are normal numbers.
#define EXP_LOW -87.0f
#define EXP_HIGH 88.0f
#define LOG2_E 1.44269504088896341f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define ROUNDER 12582912.0f  // 1.5 * 2^23: adding and subtracting it rounds to an integer
static const float exp_terms[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};

LMK_INLINE void exp_lanes(v16 *x) {
  const i16x32 low = *x < EXP_LOW, high = *x > EXP_HIGH;  // NaN is neither, and stays
  v16 value = (v16)((low & (i16x32)LMK_SPLAT(EXP_LOW)) | (high & (i16x32)LMK_SPLAT(EXP_HIGH)) | (~(low | high) & (i16x32)*x));
  v16 n = LMK_FMA(value, LMK_SPLAT(LOG2_E), LMK_SPLAT(ROUNDER)) - ROUNDER;
  v16 r = LMK_FMA(n, LMK_SPLAT(-LN2_HIGH), value);
  r = LMK_FMA(n, LMK_SPLAT(-LN2_LOW), r);
  v16 p = LMK_SPLAT(exp_terms[0]);
  for (int i = 1; i < 6; i++) p = LMK_FMA(p, r, LMK_SPLAT(exp_terms[i]));
  p = LMK_FMA(p, r * r, r) + 1.0f;
  i16x32 power = (__builtin_convertvector(n, i16x32) + 127) << 23;
  *x = p * (v16)power;
}

static float exp_one(float x) {
  float value = x < EXP_LOW ? EXP_LOW : x;
  value = value > EXP_HIGH ? EXP_HIGH : value;
  float n = __builtin_fmaf(value, LOG2_E, ROUNDER) - ROUNDER;
  float r = __builtin_fmaf(n, -LN2_HIGH, value);
  r = __builtin_fmaf(n, -LN2_LOW, r);
  float p = exp_terms[0];
  for (int i = 1; i < 6; i++) p = __builtin_fmaf(p, r, exp_terms[i]);
  p = __builtin_fmaf(p, r * r, r) + 1.0f;
  int32_t bits = ((int32_t)n + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

float lmk_exp(float x) { return exp_one(x); }

// Up to 16 elements from p, the lanes past them `fill`.
#define LOAD_TAIL(p, count, fill)                    \
  ({                                                 \
    float tail_[16];                                 \
    for (int i_ = 0; i_ < 16; i_++) tail_[i_] = (fill); \
    memcpy(tail_, (p), (count) * sizeof(float));     \
    LMK_LOAD(v16, tail_);                            \
  })

static float sum_tree(float *lanes) {
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

// RMSNorm

LMK_INLINE void rms_norm_body(const float *x, const float *weight, float epsilon, size_t count, float *output) {
  v16 squares = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, x + i);
    squares = LMK_FMA(value, value, squares);
  }
  if (i < count) {
    v16 value = LOAD_TAIL(x + i, count - i, 0.0f);
    squares = LMK_FMA(value, value, squares);
  }
  const float scale = 1.0f / sqrtf(LMK_SUM(squares) / (float)count + epsilon);
  for (size_t k = 0; k < count; k++) output[k] = x[k] * scale * weight[k];
}

void lmk_ref_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; i++) lanes[i % 16] = __builtin_fmaf(x[i], x[i], lanes[i % 16]);
  const float scale = 1.0f / sqrtf(sum_tree(lanes) / (float)count + epsilon);
  for (size_t i = 0; i < count; i++) output[i] = x[i] * scale * weight[i];
}

LMK_VARIANTS(rms_norm, (const float *x, const float *weight, float epsilon, size_t count, float *output), (x, weight, epsilon, count, output))
void lmk_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output) {
  LMK_DISPATCH(rms_norm, (x, weight, epsilon, count, output));
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

// Gated unit

LMK_INLINE void silu_product_body(const float *gate, const float *up, size_t count, float *output) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, gate + i), power = -value;
    exp_lanes(&power);
    LMK_STORE(output + i, value / (power + 1.0f) * LMK_LOAD(v16, up + i));
  }
  for (; i < count; i++) output[i] = gate[i] / (exp_one(-gate[i]) + 1.0f) * up[i];
}

void lmk_ref_silu_product(const float *gate, const float *up, size_t count, float *output) {
  for (size_t i = 0; i < count; i++) output[i] = gate[i] / (exp_one(-gate[i]) + 1.0f) * up[i];
}

LMK_VARIANTS(silu_product, (const float *gate, const float *up, size_t count, float *output), (gate, up, count, output))
void lmk_silu_product(const float *gate, const float *up, size_t count, float *output) {
  LMK_DISPATCH(silu_product, (gate, up, count, output));
}

// Rotary and residual: plain loops that the compiler vectorises with the same results everywhere.

void lmk_rotary(float *x, size_t heads, size_t size, const float *cosines, const float *sines) {
  const size_t half = size / 2;
  for (size_t head = 0; head < heads; head++) {
    float *low = x + head * size, *high = low + half;
    for (size_t i = 0; i < half; i++) {
      const float a = low[i], b = high[i];
      low[i] = a * cosines[i] - b * sines[i];
      high[i] = b * cosines[i] + a * sines[i];
    }
  }
}

void lmk_add(float *x, const float *y, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] += y[i];
}

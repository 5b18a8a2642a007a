#include "grid_fit.h"

#include <float.h>

#include "dispatch.h"
#include "half.h"
#include "vector.h"

enum { LANES = 16 };

typedef struct {
  float wq[LANES], qq[LANES], q[LANES], w[LANES], error[LANES];
} lanes;

// Over the weights w, less the anchor, and their codes q. `q` and `w` only with a minimum.
typedef struct {
  float wq, qq, q, w, error;
} sums;

LMK_INLINE float total(const float *lane) {
  float partial[4];
  for (int i = 0; i < 4; i++) partial[i] = (lane[i] + lane[i + 4]) + (lane[i + 8] + lane[i + 12]);
  return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

// The nearest whole number in low...high; adding 1.5 * 2^23 leaves no room for a fraction.
LMK_INLINE float nearest(float value, float low, float high) {
  value = value < low ? low : value;
  value = value > high ? high : value;
  return (value + 12582912.0f) - 12582912.0f;
}

static inline float inverse_of(float scale) { return scale == 0 ? 0 : 1 / scale; }

int lmk_group_open(lmk_group *group, const float *weights, size_t count, int bits, int has_minimum) {
  float least[LANES], most[LANES], poison[LANES];
  for (int l = 0; l < LANES; l++) least[l] = most[l] = weights[0], poison[l] = 0;
  for (size_t i = 0; i < count;) {
    size_t width = count - i < LANES ? count - i : LANES;
    for (size_t l = 0; l < width; l++, i++) {
      least[l] = weights[i] < least[l] ? weights[i] : least[l];
      most[l] = weights[i] > most[l] ? weights[i] : most[l];
      poison[l] += weights[i] * 0;  // NaN for NaN and infinities, zero for the rest
    }
  }
  if (total(poison) != 0) return 0;
  for (int l = 1; l < LANES; l++) {
    least[0] = least[l] < least[0] ? least[l] : least[0];
    most[0] = most[l] > most[0] ? most[l] : most[0];
  }
  float levels = bits == 4 ? 16 : 256;
  *group = (lmk_group){.weights = weights, .count = count, .has_minimum = has_minimum};
  group->low = has_minimum ? 0 : -levels / 2;
  group->high = group->low + levels - 1;
  group->minimum = least[0];
  group->maximum = most[0];
  float magnitude = -least[0] > most[0] ? -least[0] : most[0];
  group->extent = has_minimum ? most[0] - least[0] : magnitude;
  return 1;
}

static int is_finite_half(uint16_t bits) { return (bits & 0x7C00) != 0x7C00; }

int lmk_group_is_too_large(const lmk_group *group) {
  float steps = group->has_minimum ? group->high : -group->low;
  if (!is_finite_half(lmk_f32_to_f16_one(group->extent / steps))) return 1;
  return group->has_minimum && !is_finite_half(lmk_f32_to_f16_one(group->minimum));
}

uint16_t lmk_half_step(uint16_t bits, int steps) {
  int place = (bits & 0x8000 ? -(bits & 0x7FFF) : bits & 0x7FFF) + steps;
  return (uint16_t)(place < 0 ? 0x8000 | -place : place);
}

lmk_fit lmk_fit_flat(const lmk_group *group) {
  if (!group->has_minimum) return lmk_fit_measure(group, 0, 0);
  uint16_t floor = lmk_f32_to_f16_one(group->minimum), below = lmk_half_step(floor, -1);
  if (lmk_f16_to_f32_one(floor) > group->minimum && is_finite_half(below)) floor = below;
  float rest = group->minimum - lmk_f16_to_f32_one(floor);
  return lmk_fit_measure(group, group->extent == 0 ? lmk_f32_to_f16_one(rest) : 0, floor);
}

typedef struct {
  float scale, inverse, minimum;
} grid;

// Adds weight i to lane l. `has_minimum` and `measure` are constants at every call, so that only the sums asked for are kept.
LMK_INLINE void add(const lmk_group *group, grid g, const int has_minimum, const int measure, size_t i, size_t l, lanes *sum) {
  float w = group->weights[i];
  float r = has_minimum ? w - g.minimum : w;
  float q = nearest(r * g.inverse, group->low, group->high);
  sum->wq[l] += r * q;
  sum->qq[l] += q * q;
  if (has_minimum) sum->q[l] += q, sum->w[l] += r;
  if (!measure) return;
  float miss = has_minimum ? w - (g.scale * q + g.minimum) : w - g.scale * q;
  sum->error[l] += miss * miss;
}

LMK_INLINE void add_all(const lmk_group *group, grid g, const int has_minimum, const int measure, sums *output) {
  lanes sum = {0};
  size_t i = 0;
  for (; i + LANES <= group->count; i += LANES) {
    for (size_t l = 0; l < LANES; l++) add(group, g, has_minimum, measure, i + l, l, &sum);
  }
  for (size_t l = 0; i < group->count; i++, l++) add(group, g, has_minimum, measure, i, l, &sum);
  output->wq = total(sum.wq), output->qq = total(sum.qq);
  if (has_minimum) output->q = total(sum.q), output->w = total(sum.w);
  if (measure) output->error = total(sum.error);
}

LMK_INLINE void measure_body(const lmk_group *group, grid g, sums *output) {
  if (group->has_minimum) add_all(group, g, 1, 1, output);
  else add_all(group, g, 0, 1, output);
}

LMK_INLINE void score_body(const lmk_group *group, grid g, sums *output) {
  if (group->has_minimum) add_all(group, g, 1, 0, output);
  else add_all(group, g, 0, 0, output);
}

static void lmk_ref_measure(const lmk_group *group, grid g, sums *output) { measure_body(group, g, output); }
static void lmk_ref_score(const lmk_group *group, grid g, sums *output) { score_body(group, g, output); }

LMK_VARIANTS(measure, (const lmk_group *group, grid g, sums *output), (group, g, output))
LMK_VARIANTS(score, (const lmk_group *group, grid g, sums *output), (group, g, output))

// The least-squares scale, and with a minimum the least-squares minimum, for the codes behind the sums.
static int solve(const lmk_group *group, const sums *sum, float anchor, float *scale, float *minimum, float *score) {
  if (!group->has_minimum) {
    *minimum = 0;
    if (sum->qq == 0) return 0;
    *scale = sum->wq / sum->qq;
    *score = sum->wq * *scale;
    return 1;
  }
  double count = (double)group->count, q = sum->q, w = sum->w;
  double covariance = sum->wq - w * q / count, variance = sum->qq - q * q / count;
  if (!(variance > 0)) return 0;
  double slope = covariance / variance;
  *scale = (float)slope;
  *minimum = (float)(anchor + (w - slope * q) / count);
  *score = (float)(covariance * slope);
  return 1;
}

lmk_fit lmk_fit_measure(const lmk_group *group, uint16_t scale_bits, uint16_t minimum_bits) {
  lmk_fit fit = {.scale = scale_bits, .minimum = minimum_bits, .error = FLT_MAX};
  if (!is_finite_half(scale_bits) || !is_finite_half(minimum_bits)) return fit;
  float scale = lmk_f16_to_f32_one(scale_bits), minimum = lmk_f16_to_f32_one(minimum_bits), score;
  grid g = {scale, inverse_of(scale), minimum};
  sums sum;
  LMK_DISPATCH(measure, (group, g, &sum));
  fit.error = sum.error;
  fit.usable = solve(group, &sum, minimum, &fit.next_scale, &fit.next_minimum, &score);
  return fit;
}

float lmk_fit_score(const lmk_group *group, float inverse, float anchor, float *scale, float *minimum) {
  grid g = {0, inverse, anchor};
  sums sum;
  float score;
  LMK_DISPATCH(score, (group, g, &sum));
  return solve(group, &sum, anchor, scale, minimum, &score) ? score : -1;
}

void lmk_fit_codes(const lmk_group *group, const lmk_fit *fit, uint8_t *codes) {
  float minimum = lmk_f16_to_f32_one(fit->minimum), inverse = inverse_of(lmk_f16_to_f32_one(fit->scale));
  int offset = group->has_minimum || group->high > 100 ? 0 : 8;
  for (size_t i = 0; i < group->count; i++) {
    float q = nearest((group->weights[i] - minimum) * inverse, group->low, group->high);
    codes[i] = (uint8_t)((int)q + offset);
  }
}

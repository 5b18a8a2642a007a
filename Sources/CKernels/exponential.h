// exp and tanh of 16 lanes and of one float, equal to the bit: our own, so that results do not depend on a library.
#pragma once
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
  v16 value = LMK_SELECT(*x < EXP_LOW, LMK_SPLAT(EXP_LOW), *x);  // NaN stays
  value = LMK_SELECT(value > EXP_HIGH, LMK_SPLAT(EXP_HIGH), value);
  v16 n = LMK_FMA(value, LMK_SPLAT(LOG2_E), LMK_SPLAT(ROUNDER)) - ROUNDER;
  v16 r = LMK_FMA(n, LMK_SPLAT(-LN2_HIGH), value);
  r = LMK_FMA(n, LMK_SPLAT(-LN2_LOW), r);
  v16 p = LMK_SPLAT(exp_terms[0]);
  for (int i = 1; i < 6; i++) p = LMK_FMA(p, r, LMK_SPLAT(exp_terms[i]));
  p = LMK_FMA(p, r * r, r) + 1.0f;
  i16x32 power = (__builtin_convertvector(n, i16x32) + 127) << 23;
  *x = p * (v16)power;
}

LMK_INLINE float exp_one(float x) {
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

// tanh(x) = 1 - 2 / (exp(2x) + 1): an error of 1e-7, not relative to a small result.
LMK_INLINE void tanh_lanes(v16 *x) {
  v16 power = *x + *x;
  exp_lanes(&power);
  *x = 1.0f - 2.0f / (power + 1.0f);
}

LMK_INLINE float tanh_one(float x) { return 1.0f - 2.0f / (exp_one(x + x) + 1.0f); }

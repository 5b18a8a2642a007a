#include "rate_gains.h"

#include "dispatch.h"
#include "vector.h"

void lmk_ref_rate_gains(
    const float *gains, size_t first, size_t ways, const uint8_t *from, const float *errors, const float (*before)[LMK_LANE],
    float (*after)[LMK_LANE]) {
  for (size_t s = 0; s < ways; s++)
    for (size_t i = first / 16 * 16; i < LMK_LANE; i++) after[s][i] = before[from[s]][i] + errors[s] * gains[i];
}

LMK_INLINE void rate_gains_body(
    const float *gains, size_t first, size_t ways, const uint8_t *from, const float *errors, const float (*before)[LMK_LANE],
    float (*after)[LMK_LANE]) {
  for (size_t i = first / 16 * 16; i < LMK_LANE; i += 16) {
    const v16 gain = LMK_LOAD(v16, gains + i);
    for (size_t s = 0; s < ways; s++) LMK_STORE(after[s] + i, LMK_LOAD(v16, before[from[s]] + i) + LMK_SPLAT(errors[s]) * gain);
  }
}

LMK_VARIANTS(
    rate_gains,
    (const float *gains, size_t first, size_t ways, const uint8_t *from, const float *errors, const float (*before)[LMK_LANE],
     float (*after)[LMK_LANE]),
    (gains, first, ways, from, errors, before, after))

void lmk_rate_gains(
    const float *gains, size_t first, size_t ways, const uint8_t *from, const float *errors, const float (*before)[LMK_LANE],
    float (*after)[LMK_LANE]) {
  LMK_DISPATCH(rate_gains, (gains, first, ways, from, errors, before, after));
}

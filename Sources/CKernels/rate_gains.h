// What the ways of rate_quantize.c gain by the error of one row: after[s][i] = before[from[s]][i] + errors[s] * gains[i] for rows i from
// `first` on, and for those in the same sixteen; `after` may be `before` where each way comes from itself.
#pragma once
#include "include/rate_quantize.h"

void lmk_rate_gains(
    const float *gains, size_t first, size_t ways, const uint8_t *from, const float *errors, const float (*before)[LMK_LANE],
    float (*after)[LMK_LANE]);
void lmk_ref_rate_gains(
    const float *gains, size_t first, size_t ways, const uint8_t *from, const float *errors, const float (*before)[LMK_LANE],
    float (*after)[LMK_LANE]);

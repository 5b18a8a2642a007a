// The feedback of rate_quantize.c: targets[c] += Σ_j feedback[c][j] errors[j] for columns c of first..<last and j of from..<to, one
// chain of fused multiply-adds over j for each element. Columns of targets and errors are LMK_LANE floats.
#pragma once
#include "include/rate_quantize.h"

void lmk_rate_feedback(
    const lmk_rate_plan *plan, size_t first, size_t last, size_t from, size_t to, const float *errors, float *targets);
void lmk_ref_rate_feedback(
    const lmk_rate_plan *plan, size_t first, size_t last, size_t from, size_t to, const float *errors, float *targets);

#include "rate_feedback.h"

#include <math.h>

#include "dispatch.h"
#include "vector.h"

void lmk_ref_rate_feedback(
    const lmk_rate_plan *plan, size_t first, size_t last, size_t from, size_t to, const float *errors, float *targets) {
  for (size_t c = first; c < last; c++)
    for (size_t j = from; j < to; j++) {
      const float factor = plan->feedback[c * plan->columns + j];
      for (size_t i = 0; i < LMK_LANE; i++)
        targets[c * LMK_LANE + i] = fmaf(factor, errors[j * LMK_LANE + i], targets[c * LMK_LANE + i]);
    }
}

// Three columns at a time, so that an error that was loaded serves three products.
LMK_INLINE void rate_feedback_body(
    const lmk_rate_plan *plan, size_t first, size_t last, size_t from, size_t to, const float *errors, float *targets) {
  enum { COLUMNS = 3, VECTORS = LMK_LANE / 16 };
  for (size_t c = first; c < last; c += COLUMNS) {
    const size_t columns = last - c < COLUMNS ? last - c : COLUMNS;
    v16 sums[COLUMNS][VECTORS];
    for (size_t a = 0; a < COLUMNS; a++)
      for (size_t v = 0; v < VECTORS; v++)
        sums[a][v] = a < columns ? LMK_LOAD(v16, targets + (c + a) * LMK_LANE + 16 * v) : (v16){};
    const float *rows[COLUMNS];
    for (size_t a = 0; a < COLUMNS; a++) rows[a] = plan->feedback + (c + (a < columns ? a : 0)) * plan->columns;
    for (size_t j = from; j < to; j++)
      for (size_t v = 0; v < VECTORS; v++) {
        const v16 error = LMK_LOAD(v16, errors + j * LMK_LANE + 16 * v);
        for (size_t a = 0; a < COLUMNS; a++) sums[a][v] = LMK_FMA(LMK_SPLAT(rows[a][j]), error, sums[a][v]);
      }
    for (size_t a = 0; a < columns; a++)
      for (size_t v = 0; v < VECTORS; v++) LMK_STORE(targets + (c + a) * LMK_LANE + 16 * v, sums[a][v]);
  }
}

LMK_VARIANTS(
    rate_feedback,
    (const lmk_rate_plan *plan, size_t first, size_t last, size_t from, size_t to, const float *errors, float *targets),
    (plan, first, last, from, to, errors, targets))

void lmk_rate_feedback(
    const lmk_rate_plan *plan, size_t first, size_t last, size_t from, size_t to, const float *errors, float *targets) {
  LMK_DISPATCH(rate_feedback, (plan, first, last, from, to, errors, targets));
}

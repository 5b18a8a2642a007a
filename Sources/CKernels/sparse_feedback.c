#include "include/sparse_feedback.h"

#include <string.h>

#include "rate_feedback.h"

enum { LANE = LMK_SPARSE_LANE };
_Static_assert(LMK_SPARSE_LANE == LMK_LANE, "both share their feedback");

static lmk_rate_plan feedback_of(const lmk_sparse_plan *plan) {
  return (lmk_rate_plan){.columns = plan->columns, .feedback = plan->feedback};
}

// Without rounding, a column is its target: what the columns before it lost is made up for as well as it can be.
void lmk_sparse_scores(const lmk_sparse_plan *plan, const lmk_sparse_lane *lane, size_t first, size_t last, float *scores) {
  float held[LMK_SPARSE_BLOCK * LANE];
  const lmk_rate_plan feedback = feedback_of(plan);
  const size_t width = last - first, bytes = width * LANE * sizeof(float);
  memcpy(held, lane->targets + first * LANE, bytes);
  for (size_t c = first; c < last; c++) {
    const float *target = lane->targets + c * LANE, *weight = lane->weights + c * LANE;
    const float deviation = plan->deviations[c];
    for (size_t i = 0; i < LANE; i++) lane->errors[c * LANE + i] = weight[i] - target[i];
    for (size_t i = 0; i < lane->rows; i++) {
      const float loss = target[i] * deviation;
      scores[i * width + c - first] = loss * loss;
    }
    lmk_rate_feedback(&feedback, c + 1, last, c, c + 1, lane->errors, lane->targets);
  }
  memcpy(lane->targets + first * LANE, held, bytes);
}

void lmk_sparse_prune(
    const lmk_sparse_plan *plan, const lmk_sparse_lane *lane, size_t first, size_t last, size_t end, const uint8_t *drop) {
  const lmk_rate_plan feedback = feedback_of(plan);
  const size_t width = last - first;
  for (size_t c = first; c < last; c++) {
    float *target = lane->targets + c * LANE;
    const float *weight = lane->weights + c * LANE;
    for (size_t i = 0; i < lane->rows; i++)
      if (drop[i * width + c - first]) target[i] = 0;
    for (size_t i = 0; i < LANE; i++) lane->errors[c * LANE + i] = weight[i] - target[i];
    lmk_rate_feedback(&feedback, c + 1, last, c, c + 1, lane->errors, lane->targets);
  }
  lmk_rate_feedback(&feedback, last, end, first, last, lane->errors, lane->targets);
}

void lmk_sparse_feed(const lmk_sparse_plan *plan, const lmk_sparse_lane *lane, size_t first, size_t last, size_t from) {
  const lmk_rate_plan feedback = feedback_of(plan);
  lmk_rate_feedback(&feedback, from, plan->columns, first, last, lane->errors, lane->targets);
}

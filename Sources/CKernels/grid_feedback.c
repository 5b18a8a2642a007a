#include "include/grid_feedback.h"

#include <string.h>

#include "grid_fit.h"
#include "half.h"
#include "rate_feedback.h"

enum { LANE = LMK_GRID_LANE, BLOCK = 64 };  // columns between which errors are fed back at once
_Static_assert(LMK_GRID_LANE == LMK_LANE, "both share their feedback");

// Columns in the order of quantization, LANE floats each.
typedef struct {
  float *targets, *errors;
  uint8_t *codes;  // [LANE][columns], one to the byte
} buffers;

size_t lmk_grid_feedback_scratch(size_t columns) {
  return columns * LANE * (2 * sizeof(float) + 1);
}

static buffers cut(void *scratch, size_t columns) {
  buffers b;
  b.targets = scratch;
  b.errors = b.targets + columns * LANE;
  b.codes = (uint8_t *)(b.errors + columns * LANE);
  return b;
}

// Rounds the targets of column `c` of the order; its errors are against the weights as they were.
static void round_column(const lmk_grid_feedback_plan *plan, const lmk_grid_lane *lane, const buffers *b, size_t c) {
  const lmk_grid *grid = &plan->grid;
  const size_t column = plan->order[c], group = column / grid->group, groups = (grid->columns + grid->group - 1) / grid->group;
  const float levels = grid->bits == 4 ? 16 : 256, low = grid->minimum ? 0 : -levels / 2;
  float target;
  const lmk_group one = {.weights = &target, .count = 1, .has_minimum = grid->minimum, .low = low, .high = low + levels - 1};
  for (size_t i = 0; i < lane->rows; i++) {
    const lmk_fit fit = {.scale = lane->scales[i * groups + group], .minimum = grid->minimum ? lane->minimums[i * groups + group] : 0};
    target = b->targets[c * LANE + i];
    if (target != target) target = 0;  // infinite errors of opposite signs: no code is right
    uint8_t *code = b->codes + i * grid->columns + column;
    lmk_fit_codes(&one, &fit, code);
    const int q = grid->minimum ? *code : grid->bits == 4 ? *code - 8 : (int8_t)*code;
    const float value = lmk_f16_to_f32_one(fit.scale) * (float)q + lmk_f16_to_f32_one(fit.minimum);
    b->errors[c * LANE + i] = lane->weights[i * grid->columns + column] - value;
  }
}

static void store(const lmk_grid *grid, const lmk_grid_lane *lane, const buffers *b) {
  const size_t bytes = (grid->columns * (size_t)grid->bits + 7) / 8;
  for (size_t i = 0; i < lane->rows; i++) {
    const uint8_t *codes = b->codes + i * grid->columns;
    if (grid->bits == 4) lmk_pack_nibbles(codes, grid->columns, lane->codes + i * bytes);
    else memcpy(lane->codes + i * bytes, codes, bytes);
  }
}

void lmk_grid_quantize_lane(const lmk_grid_feedback_plan *plan, const lmk_grid_lane *lane, void *scratch) {
  const size_t columns = plan->grid.columns;
  const lmk_rate_plan feedback = {.columns = columns, .feedback = plan->feedback};
  const buffers b = cut(scratch, columns);
  memset(scratch, 0, 2 * columns * LANE * sizeof(float));
  for (size_t i = 0; i < lane->rows; i++)
    for (size_t c = 0; c < columns; c++) b.targets[c * LANE + i] = lane->weights[i * columns + plan->order[c]];
  for (size_t first = 0; first < columns; first += BLOCK) {
    const size_t last = columns - first < BLOCK ? columns : first + BLOCK;
    for (size_t c = first; c < last; c++) {
      round_column(plan, lane, &b, c);
      lmk_rate_feedback(&feedback, c + 1, last, c, c + 1, b.errors, b.targets);
    }
    lmk_rate_feedback(&feedback, last, columns, first, last, b.errors, b.targets);
  }
  store(&plan->grid, lane, &b);
}

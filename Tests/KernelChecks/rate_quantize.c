// Quantization along a trellis with feedback: rate_quantize.h. It has one form, which uses the feedback of the instruction set.
#include "rate_quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "rans.h"

enum { HIGHS = 2 * LMK_RATE_SPAN, MODELS = LMK_RANS_MODELS, CLASSES = LMK_RANS_CLASSES };

// formats/rate.md, RATE-1.
static int next_state(int trellis, int state, int k) {
  static const int h266[8][2] = {{0, 2}, {5, 7}, {1, 3}, {6, 4}, {2, 0}, {4, 6}, {3, 1}, {7, 5}};
  static const int a[] = {0, 12, 20, 48, 92, 178}, b[] = {0, 2, 2, 10, 53, 79};
  if (trellis == 0) return h266[state][k & 1];
  return (state / 2) ^ (state % 2 ? a[trellis] : 0) ^ (k & 1 ? b[trellis] : 0);
}
static int value_of(int state, int k) { return state % 2 == 0 ? 2 * k : 2 * k - (k > 0) + (k < 0); }

static void expect(int holds, const char *what, int trial) {
  const int yes = 1;
  expect_same(&yes, &holds, sizeof yes, "%s, %d", what, trial);
}

// Costs of [models][2][HIGHS] high parts: of any size, or growing from 0 on to either side by up to `most` each.
static float *make_costs(size_t models, int are_growing, float most) {
  float *costs = noise_floats(models * 2 * HIGHS, 0.5f * most);
  for (size_t i = 0; i < models * 2 * HIGHS; i++) costs[i] += 0.5f * most;
  for (size_t row = 0; are_growing && row < models * 2; row++) {
    float *zero = costs + row * HIGHS + LMK_RATE_SPAN;
    for (int h = 1; h < LMK_RATE_SPAN; h++) zero[h] += zero[h - 1];
    for (int h = -1; h >= -LMK_RATE_SPAN; h--) zero[h] += zero[h + 1];
  }
  return costs;
}

// A few rows of one column, all of one class: small enough to try every path.
typedef struct {
  size_t rows;
  const float *targets;
  const float *costs;  // [2][HIGHS]
  int shift, range;    // indices that are tried are -range...range
  int is_narrow;       // only those that the kernel looks at
  int trellis;
} problem;

static float loss_of(const problem *p, size_t row, int state, int k) {
  const float error = p->targets[row] - (float)value_of(state, k);
  return error * error + p->costs[state % 2 * HIGHS + (k >> p->shift) + LMK_RATE_SPAN];
}

// Of each parity, the index whose place on the scale of the state is nearest to the target's, and the next one on the side of zero.
static int is_looked_at(float target, int state, int k) {
  const int parity = k & 1, magnitude = target < 0 ? -k : k;
  const float place = (fabsf(target) + (float)(state % 2)) / 2;
  const int nearest = parity + 2 * (int)floorf((place - (float)parity) / 2 + 0.5f);
  return magnitude == nearest || (magnitude == nearest - 2 && (magnitude >= 0 || parity));
}

// The least loss of the rows from `row` on, after `loss`; added row by row as the kernel does, so that rounding is the same.
static float least_loss(const problem *p, size_t row, int state, float loss) {
  if (row == p->rows) return loss;
  float least = INFINITY;
  for (int k = -p->range; k <= p->range; k++) {
    if (p->is_narrow && !is_looked_at(p->targets[row], state, k)) continue;
    least = fminf(least, least_loss(p, row + 1, next_state(p->trellis, state, k), loss + loss_of(p, row, state, k)));
  }
  return least;
}

static float chosen_loss(const problem *p) {
  static const float one = 1, none = 0;
  static const uint8_t code = 128, model = 0, row_codes[8] = {128, 128, 128, 128, 128, 128, 128, 128};
  static const float row_steps[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  const uint8_t shift = (uint8_t)p->shift;
  int16_t indices[8];
  float *scratch = blank_aligned(lmk_rate_scratch(1) * sizeof(float)), loss = 0;
  const lmk_rate_plan plan = {1, &none, &one, &code, 1, &model, &shift, p->costs, p->trellis, 0};
  const lmk_rate_lane lane = {p->rows, p->targets, row_steps, row_codes, NULL, indices};
  expect(lmk_rate_quantize(&plan, &lane, scratch), "a small problem is refused", 0);
  for (size_t row = 0, state = 0; row < p->rows; row++) {
    loss += loss_of(p, row, (int)state, indices[row]);
    state = (size_t)next_state(p->trellis, (int)state, indices[row]);
  }
  free(scratch);
  return loss;
}

// Whatever indices cost, the path is the best of those that the kernel looks at. Where larger indices cost more, no other is better.
static void check_paths(void) {
  for (int trial = 0; trial < 60; trial++) {
    float *targets = noise_floats(5, trial % 3 == 0 ? 2 : 7), *costs = make_costs(1, 0, trial % 2 ? 3 : 30);
    targets[trial % 5] = (float)(trial % 9 - 4);
    const problem narrow = {5, targets, costs, trial % 4 == 0 ? 1 : 0, 7, 1, trial % LMK_RANS_TRELLISES};
    const float least = least_loss(&narrow, 0, 0, 0), loss = chosen_loss(&narrow);
    expect_same(&least, &loss, sizeof loss, "random costs, trial %d", trial);
    free(costs), free(targets);
  }
  for (int trial = 0; trial < 24; trial++) {
    float *targets = noise_floats(5, 6), *costs = make_costs(1, 1, trial % 2 ? 0.5f : 2);
    const problem wide = {5, targets, costs, trial % 4 == 0 ? 1 : 0, 5, 0, trial % LMK_RANS_TRELLISES};
    expect(chosen_loss(&wide) <= least_loss(&wide, 0, 0, 0) * (1 + 1e-6f), "another path is better", trial);
    free(costs), free(targets);
  }
}

// A matrix of whole lanes of all classes.
static void check_matrix(size_t rows, size_t columns, float scale) {
  const size_t count = rows * columns, bytes = count * sizeof(int16_t);
  float *weights = noise_floats(count, scale), *feedback = noise_floats(columns * columns, 0.1f), *costs = make_costs(MODELS, 1, 0.4f);
  float *steps = noise_floats(columns, 0.5f), *row_steps = noise_floats(rows, 0.5f);
  uint8_t *codes = blank(columns), *row_codes = blank(rows), models[CLASSES], shifts[CLASSES];
  for (size_t j = 0; j < columns; j++) steps[j] += 1, codes[j] = (uint8_t)(noise() % 100 + 40);
  for (size_t i = 0; i < rows; i++) row_steps[i] += 1, row_codes[i] = (uint8_t)(noise() % 100 + 80);
  for (int c = 0; c < CLASSES; c++)
    models[c] = (uint8_t)(c < MODELS ? c : MODELS - 4 + c % 4), shifts[c] = (uint8_t)(c < MODELS ? 0 : (c - MODELS + 4) / 4);
  const lmk_rate_plan plan = {columns, feedback, steps, codes, CLASSES, models, shifts, costs, (int)columns % LMK_RANS_TRELLISES, 0};
  int16_t *expected = blank(bytes), *computed = blank(bytes);
  float *scratch = blank_aligned(lmk_rate_scratch(columns) * sizeof(float));
  int is_first = 1;
  FOR_EACH_ISA {
    const lmk_rate_lane lane = {rows, weights, row_steps, row_codes, NULL, computed};
    expect(lmk_rate_quantize(&plan, &lane, scratch), "a matrix is refused", (int)columns);
    if (is_first) memcpy(expected, computed, bytes);
    is_first = 0;
    expect_same(expected, computed, bytes, "%zu x %zu, scale %g", rows, columns, (double)scale);
  }
  free(weights), free(feedback), free(costs), free(steps), free(row_steps), free(codes), free(row_codes);
  free(expected), free(computed), free(scratch);
}

// Block after block, with weights that are moved: the same as the moved weights, where nothing is fed back that would round otherwise.
static void check_shift(size_t rows, size_t columns) {
  const size_t count = rows * columns;
  float *weights = noise_floats(count, 20), *shift = noise_floats(columns * LMK_LANE, 8), *costs = make_costs(1, 1, 0.4f);
  float *moved = blank(count * sizeof(float)), *none = blank(columns * columns * sizeof(float)), *steps = noise_floats(columns, 0.5f);
  float *row_steps = noise_floats(rows, 0.5f), *scratch = blank_aligned(lmk_rate_scratch(columns) * sizeof(float));
  int16_t *whole = blank(count * sizeof(int16_t)), *blocks = blank(count * sizeof(int16_t));
  uint8_t *codes = blank(columns), row_codes[LMK_LANE], model = 0, low = 0;
  memset(none, 0, columns * columns * sizeof(float));
  memset(codes, 128, columns), memset(row_codes, 128, sizeof row_codes);
  for (size_t j = 0; j < columns; j++) steps[j] += 1;
  for (size_t i = 0; i < rows; i++) row_steps[i] += 1;
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) moved[i * columns + j] = weights[i * columns + j] + shift[j * LMK_LANE + i];
  const lmk_rate_plan plan = {columns, none, steps, codes, 1, &model, &low, costs, (int)rows % LMK_RANS_TRELLISES, 0};
  const lmk_rate_lane all = {rows, moved, row_steps, row_codes, NULL, whole};
  const lmk_rate_lane parts = {rows, weights, row_steps, row_codes, NULL, blocks};
  expect(lmk_rate_quantize(&plan, &all, scratch), "moved weights are refused", (int)columns);
  lmk_rate_begin(&plan, &parts, scratch);
  int state = 0;
  for (size_t first = 0; first < columns; first += LMK_RATE_BLOCK)
    state = lmk_rate_block(&plan, &parts, first, state, shift + first * LMK_LANE, scratch);
  expect(state >= 0, "a block is refused", (int)columns);
  expect_same(whole, blocks, count * sizeof(int16_t), "blocks of %zu x %zu", rows, columns);
  float largest = 0;
  for (size_t j = 0; j < columns; j++)
    for (size_t i = 0; i < rows; i++)
      largest = fmaxf(largest, fabsf(lmk_rate_errors(&plan, j, scratch)[i] + shift[j * LMK_LANE + i]) / (steps[j] * row_steps[i]));
  expect(largest < 5, "errors are of the weights before they are moved", (int)columns);
  free(weights), free(shift), free(costs), free(moved), free(none), free(steps), free(row_steps), free(scratch);
  free(whole), free(blocks), free(codes);
}

// A way through a column, with what every row says on it.
typedef struct {
  float loss;
  int origin;
  int indices[LMK_LANE], values[LMK_LANE];
} way;

// What row `row` gains for the errors of the rows before it, all in steps.
static float gain_on(const way *w, size_t row, const float *weights, const float *gains) {
  float sum = 0;
  for (size_t k = 0; k < row; k++) sum += (weights[k] - (float)w->values[k]) * gains[k * LMK_LANE + row];
  return sum;
}

// Puts into `after` the best ways of one row more; the states' targets are those of their own ways.
static void lengthen(int trellis, const way *before, way *after, size_t row, const float *targets, const float *weights,
                     const float *gains, const float *costs) {
  for (int s = 0; s < LMK_RANS_STATES; s++) after[s].loss = INFINITY;
  for (int s = 0; s < LMK_RANS_STATES; s++) {
    if (!(before[s].loss < INFINITY)) continue;
    const float target = targets[row] + gain_on(&before[s], row, weights, gains);
    const problem p = {1, &target, costs, 0, 0, 1, trellis};
    const int middle = (int)(target / 2);
    for (int k = middle - 5; k <= middle + 5; k++) {
      way *to = &after[next_state(trellis, s, k)];
      if (!is_looked_at(target, s, k)) continue;
      const float loss = before[s].loss + loss_of(&p, 0, s, k);
      if (!(loss < to->loss)) continue;
      *to = before[s];
      to->loss = loss, to->indices[row] = k, to->values[row] = value_of(s, k);
    }
  }
}

static size_t best_way(const way *ways) {
  size_t best = 0;
  for (size_t s = 1; s < LMK_RANS_STATES; s++)
    if (ways[s].loss < ways[best].loss) best = s;
  return best;
}

// Rows that make up for the errors of those before them, and for those of other lanes, with columns that do the same: by the definition.
static void check_gains(size_t rows, size_t columns, int is_shifted, int trellis) {
  static way ways[2][LMK_RANS_STATES], ahead[2][LMK_RANS_STATES];
  float *weights = noise_floats(rows * columns, 9), *feedback = noise_floats(columns * columns, 0.1f), *costs = make_costs(1, 1, 0.4f);
  float *gains = noise_floats(LMK_LANE * LMK_LANE, 0.2f), *shift = noise_floats(columns * LMK_LANE, 4);
  float *steps = noise_floats(columns, 0.5f), *row_steps = noise_floats(rows, 0.5f), *scaled = blank(LMK_LANE * LMK_LANE * sizeof(float));
  float *scratch = blank_aligned(lmk_rate_scratch(columns) * sizeof(float)), *shifted = blank(columns * LMK_LANE * sizeof(float));
  int16_t *expected = blank(rows * columns * sizeof(int16_t)), *computed = blank(rows * columns * sizeof(int16_t));
  uint8_t codes[LMK_RATE_BLOCK], row_codes[LMK_LANE], model = 0, low = 0;
  memset(codes, 128, sizeof codes), memset(row_codes, 128, sizeof row_codes);
  for (size_t j = 0; j < columns; j++) steps[j] += 1;
  for (size_t i = 0; i < rows; i++) row_steps[i] += 1;
  if (!is_shifted) memset(shift, 0, columns * LMK_LANE * sizeof(float));
  for (size_t k = 0; k < rows; k++)
    for (size_t i = 0; i < rows; i++) scaled[k * LMK_LANE + i] = gains[k * LMK_LANE + i] * (row_steps[k] / row_steps[i]);
  const lmk_rate_plan plan = {columns, feedback, steps, codes, 1, &model, &low, costs, trellis, 0};
  const lmk_rate_lane lane = {rows, weights, row_steps, row_codes, gains, computed};
  lmk_rate_begin(&plan, &lane, scratch);
  expect(lmk_rate_block(&plan, &lane, 0, 0, is_shifted ? shift : NULL, scratch) >= 0, "gains are refused", (int)columns);
  for (size_t j = 0, state = 0; j < columns; j++) {
    float targets[LMK_LANE], plain[LMK_LANE], errors[LMK_LANE] = {0};
    for (size_t i = 0; i < rows; i++) {
      float target = weights[i * columns + j];
      for (size_t c = 0; c < j; c++) target = fmaf(feedback[j * columns + c], shifted[c * LMK_LANE + i], target);
      targets[i] = (target + shift[j * LMK_LANE + i]) / (steps[j] * row_steps[i]);
      plain[i] = weights[i * columns + j] / (steps[j] * row_steps[i]);
    }
    for (int s = 0; s < LMK_RANS_STATES; s++) ways[0][s].loss = s == (int)state ? 0 : INFINITY;
    for (size_t i = 0; i < rows; i++) lengthen(trellis, ways[i % 2], ways[(i + 1) % 2], i, targets, plain, scaled, costs);
    const way *ends = ways[rows % 2];
    state = best_way(ends);
    for (int settled = 0; settled < 2; settled++) {
      for (size_t i = 0; i < rows; i++) {
        const float step = steps[j] * row_steps[i], weight = weights[i * columns + j], value = (float)ends[state].values[i] * step;
        const float gain = gain_on(&ends[state], i, plain, scaled) * step + shift[j * LMK_LANE + i];
        expected[i * columns + j] = (int16_t)ends[state].indices[i];
        errors[i] = weight - value;
        shifted[j * LMK_LANE + i] = weight + gain - value;
      }
      if (settled || j + 1 == columns) break;
      const size_t seen = rows < LMK_RATE_AHEAD ? rows : LMK_RATE_AHEAD;
      for (size_t i = 0; i < seen; i++) {
        const float step = steps[j + 1] * row_steps[i];
        float target = weights[i * columns + j + 1];
        for (size_t c = 0; c < j; c++) target = fmaf(feedback[(j + 1) * columns + c], shifted[c * LMK_LANE + i], target);
        targets[i] = (target + shift[(j + 1) * LMK_LANE + i]) / step;
        targets[i] += feedback[(j + 1) * columns + j] * shifted[j * LMK_LANE + i] / step;
        plain[i] = weights[i * columns + j + 1] / step;
      }
      for (int s = 0; s < LMK_RANS_STATES; s++) ahead[0][s].loss = ends[s].loss, ahead[0][s].origin = s;
      for (size_t i = 0; i < seen; i++) lengthen(trellis, ahead[i % 2], ahead[(i + 1) % 2], i, targets, plain, scaled, costs);
      state = (size_t)ahead[seen % 2][best_way(ahead[seen % 2])].origin;
      for (size_t i = 0; i < rows; i++) plain[i] = weights[i * columns + j] / (steps[j] * row_steps[i]);
    }
    expect_same(errors, lmk_rate_errors(&plan, j, scratch), rows * sizeof(float), "errors of column %zu of %zu x %zu", j, rows, columns);
  }
  expect_same(expected, computed, rows * columns * sizeof(int16_t), "gains of %zu x %zu", rows, columns);
  free(weights), free(feedback), free(costs), free(gains), free(shift), free(steps), free(row_steps), free(scaled), free(scratch);
  free(shifted), free(expected), free(computed);
}

// The largest target that has an index gets a value within a step; one above it, or none at all, is refused.
static void check_reach(void) {
  float *costs = make_costs(1, 1, 0.1f), *scratch = blank_aligned(lmk_rate_scratch(1) * sizeof(float));
  static const float one = 1, none = 0, row_steps[2] = {1, 1};
  static const uint8_t code = 128, row_codes[2] = {128, 128}, model = 0, shift = 9;
  const lmk_rate_plan plan = {1, &none, &one, &code, 1, &model, &shift, costs, 0, 0};
  int16_t indices[2];
  for (int sign = -1; sign <= 1; sign += 2) {
    const float largest = (float)(sign * LMK_RATE_REACH);
    const float cases[][2] = {{largest, largest}, {0, largest + (float)sign}, {(float)sign * INFINITY, 0}, {0, NAN}, {1e20f, 0}};
    for (int c = 0; c < 5; c++) {
      const lmk_rate_lane lane = {2, cases[c], row_steps, row_codes, NULL, indices};
      expect(lmk_rate_quantize(&plan, &lane, scratch) == (c == 0), "reach", c);
      if (c > 0) continue;
      const int state = next_state(0, 0, indices[0]);
      expect(abs(value_of(0, indices[0]) - sign * LMK_RATE_REACH) <= 1, "the largest target", sign);
      expect(abs(value_of(state, indices[1]) - sign * LMK_RATE_REACH) <= 2, "the largest target, again", sign);
    }
  }
  free(costs), free(scratch);
}

void check_rate_quantize(void) {
  static const size_t sizes[][2] = {{1, 1}, {64, 1}, {1, 65}, {5, 64}, {63, 63}, {64, 129}, {33, 200}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    check_matrix(sizes[s][0], sizes[s][1], 3);
    check_matrix(sizes[s][0], sizes[s][1], 300);
  }
  next_isa(-1);  // what follows has no feedback that counts
  check_shift(64, 1), check_shift(64, 130), check_shift(7, 64), check_shift(33, 65);
  check_gains(1, 3, 0, 0), check_gains(64, 1, 0, 5);
  for (int trellis = 0; trellis < LMK_RANS_TRELLISES; trellis++) check_gains(40, 5, 0, trellis), check_gains(64, 4, 1, trellis);
  check_paths();
  check_reach();
}

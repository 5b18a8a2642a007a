#include "include/rate_quantize.h"

#include <math.h>
#include <string.h>

#include "rate_feedback.h"

enum { STATES = 8 };

// Dependent quantization: even states reach the even integers, odd states the odd ones and 0; the index's parity picks the next state
// (Schwarz, Nguyen, Marpe and Wiegand, "Hybrid Video Coding with Trellis-Coded Quantization", DCC 2019; eight states).
// The two ways into each state: the state before and the parity of the index.
static const uint8_t BEFORE[STATES][2][2] = {{{0, 0}, {4, 1}}, {{2, 0}, {6, 1}}, {{0, 1}, {4, 0}}, {{2, 1}, {6, 0}},
                                             {{3, 1}, {5, 0}}, {{1, 0}, {7, 1}}, {{3, 0}, {5, 1}}, {{1, 1}, {7, 0}}};

static int value_of(int state, int index) { return state & 1 ? 2 * index - (index > 0) + (index < 0) : 2 * index; }

// Scratch: targets, shifted errors and errors, [columns][LMK_LANE] each, and the gains of rows in steps.
size_t lmk_rate_scratch(size_t columns) { return (3 * columns + LMK_LANE) * LMK_LANE; }

static float *scaled_gains(const lmk_rate_plan *plan, float *scratch) { return scratch + 3 * plan->columns * LMK_LANE; }

// The best index of one parity for one element in one kind of state.
typedef struct {
  float loss;
  int index;
} choice;

// What indices of one element cost: [2][2 * LMK_RATE_SPAN] of their high parts.
typedef struct {
  const float *high;
  int shift;
} cost_table;

static float cost_of(const cost_table *costs, int odd_state, int index) {
  const int high = index >> costs->shift;
  const int bounded = high >= LMK_RATE_SPAN ? LMK_RATE_SPAN - 1 : high < -LMK_RATE_SPAN ? -LMK_RATE_SPAN : high;
  return costs->high[odd_state * 2 * LMK_RATE_SPAN + bounded + LMK_RATE_SPAN];
}

// Compares the nearest index of the parity with its neighbour of the same parity on the side of zero, which is cheaper.
static choice choose(float target, int odd_state, int parity, const cost_table *costs) {
  const float magnitude = fabsf(target), place = odd_state ? (magnitude + 1) * 0.5f : magnitude * 0.5f;
  const float pairs = (place - (float)parity) * 0.5f;
  const int sign = target < 0 ? -1 : 1;
  const int nearest = 2 * (int)(pairs + 0.5f) + parity;
  choice best = {INFINITY, 0};
  for (int step = 0; step < 2; step++) {
    const int index = sign * (nearest - 2 * step);
    if (nearest - 2 * step < 0 && !parity) break;
    const float error = target - (float)value_of(odd_state, index), loss = error * error + cost_of(costs, odd_state, index);
    if (loss < best.loss) best = (choice){loss, index};
  }
  return best;
}

// The index that is zero in every state.
static choice choose_zero(float target, int odd_state, int parity, const cost_table *costs) {
  return (choice){parity ? INFINITY : target * target + cost_of(costs, odd_state, 0), 0};
}

// The rows of one column, in steps.
typedef struct {
  size_t rows;
  const float *gains;  // [LMK_LANE][LMK_LANE], or NULL
  float targets[LMK_LANE], weights[LMK_LANE];
  cost_table costs[LMK_LANE];
  uint8_t are_zero[LMK_LANE];
} column;

// The ways through the trellis, row by row: the best one to each state. A row gains by the errors of those before, which differ from way to
// way, so each way has its own targets (per-survivor processing, Raheli, Polydoros and Tzou 1995).
typedef struct {
  float losses[STATES];
  float gained[2][STATES][LMK_LANE];  // of rows that are even, and odd
  uint8_t before[LMK_LANE][STATES];
  int16_t indices[LMK_LANE][STATES];
} trellis;

// A target out of reach, or none at all, has no index.
static choice choice_at(const column *of, size_t row, float target, int odd_state, int parity) {
  if (!(fabsf(target) <= LMK_RATE_REACH)) return (choice){INFINITY, 0};
  return (of->are_zero[row] ? choose_zero : choose)(target, odd_state, parity, &of->costs[row]);
}

static void add_gains(const column *of, size_t row, float error, const float *before, float *after) {
  for (size_t i = row + 1; i < of->rows; i++) after[i] = before[i] + error * of->gains[row * LMK_LANE + i];
}

static void add_row(trellis *path, const column *of, size_t row) {
  const int distinct = of->gains ? STATES : 2;  // states whose choices differ
  float(*gained)[LMK_LANE] = path->gained[row % 2], (*next)[LMK_LANE] = path->gained[(row + 1) % 2];
  choice choices[STATES][2];
  for (int state = 0; state < distinct; state++)
    for (int parity = 0; parity < 2; parity++) {
      const float target = of->gains ? of->targets[row] + gained[state][row] : of->targets[row];
      choices[state][parity] = choice_at(of, row, target, state & 1, parity);
    }
  float losses[STATES];
  for (int state = 0; state < STATES; state++) {
    const uint8_t(*ways)[2] = BEFORE[state];
    const choice *first = &choices[ways[0][0] % distinct][ways[0][1]], *second = &choices[ways[1][0] % distinct][ways[1][1]];
    const float a = path->losses[ways[0][0]] + first->loss, b = path->losses[ways[1][0]] + second->loss;
    const int way = b < a, before = ways[way][0], index = (way ? second : first)->index;
    losses[state] = way ? b : a;
    path->before[row][state] = (uint8_t)before;
    path->indices[row][state] = (int16_t)index;
    if (of->gains) add_gains(of, row, of->weights[row] - (float)value_of(before, index), gained[before], next[state]);
  }
  memcpy(path->losses, losses, sizeof losses);
}

// Quantizes a column from `state` on; returns the state in which it ends, negative when a target is out of reach.
static int quantize_column(const column *of, int state, int16_t *indices, int16_t *values) {
  trellis path;
  for (int s = 0; s < STATES; s++) path.losses[s] = s == state ? 0 : INFINITY;
  if (of->gains) memset(path.gained[0], 0, sizeof path.gained[0]);
  for (size_t i = 0; i < of->rows; i++) add_row(&path, of, i);
  int end = 0;
  for (int s = 1; s < STATES; s++)
    if (path.losses[s] < path.losses[end]) end = s;
  if (!(path.losses[end] < INFINITY)) return -1;
  for (size_t i = of->rows, s = (size_t)end; i-- > 0;) {
    indices[i] = path.indices[i][s];
    s = path.before[i][s];
    values[i] = (int16_t)value_of((int)s, indices[i]);
  }
  return end;
}

static cost_table costs_of(const lmk_rate_plan *plan, int codes) {
  const size_t class = codes < 128 ? 0 : (size_t)(codes - 128) / 2;
  const size_t bounded = class < plan->classes ? class : plan->classes - 1;
  return (cost_table){plan->costs + (size_t)plan->models[bounded] * 4 * LMK_RATE_SPAN, plan->shifts[bounded]};
}

// Quantizes column j from `state` on; returns the state in which it ends, negative when a target is out of reach.
static int quantize_next(const lmk_rate_plan *plan, const lmk_rate_lane *lane, size_t j, int state, const float *shift, float *scratch) {
  float *targets = scratch + j * LMK_LANE, *shifted = targets + plan->columns * LMK_LANE, *errors = shifted + plan->columns * LMK_LANE;
  column of = {.rows = lane->rows, .gains = lane->gains ? scaled_gains(plan, scratch) : NULL};
  int16_t indices[LMK_LANE], values[LMK_LANE];
  for (size_t i = 0; i < lane->rows; i++) {
    const float weight = lane->weights[i * plan->columns + j], step = plan->steps[j] * lane->steps[i];
    of.are_zero[i] = plan->keeps_zeros && weight == 0;
    of.costs[i] = costs_of(plan, lane->row_codes[i] + plan->column_codes[j]);
    of.weights[i] = weight / step;
    of.targets[i] = (shift ? targets[i] + shift[i] : targets[i]) / step;
  }
  state = quantize_column(&of, state, indices, values);
  if (state < 0) return state;
  float gained[LMK_LANE] = {0};
  for (size_t i = 0; i < lane->rows; i++) {
    const float weight = lane->weights[i * plan->columns + j], step = plan->steps[j] * lane->steps[i];
    const float gain = gained[i] * step + (shift ? shift[i] : 0);
    lane->indices[i * plan->columns + j] = indices[i];
    errors[i] = weight - (float)values[i] * step;
    shifted[i] = weight + gain - (float)values[i] * step;
    if (of.gains) add_gains(&of, i, of.weights[i] - (float)values[i], gained, gained);
  }
  return state;
}

void lmk_rate_begin(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch) {
  memset(scratch, 0, lmk_rate_scratch(plan->columns) * sizeof *scratch);
  for (size_t i = 0; i < lane->rows; i++)
    for (size_t j = 0; j < plan->columns; j++) scratch[j * LMK_LANE + i] = lane->weights[i * plan->columns + j];
  float *gains = scaled_gains(plan, scratch);
  for (size_t k = 0; lane->gains && k < lane->rows; k++)
    for (size_t i = k + 1; i < lane->rows; i++)
      gains[k * LMK_LANE + i] = lane->gains[k * LMK_LANE + i] * (lane->steps[k] / lane->steps[i]);
}

int lmk_rate_block(
    const lmk_rate_plan *plan, const lmk_rate_lane *lane, size_t first, int state, const float *shift, float *scratch) {
  const size_t columns = plan->columns, last = columns - first < LMK_RATE_BLOCK ? columns : first + LMK_RATE_BLOCK;
  float *targets = scratch, *shifted = scratch + columns * LMK_LANE;
  for (size_t j = first; j < last; j++) {
    state = quantize_next(plan, lane, j, state, shift ? shift + (j - first) * LMK_LANE : NULL, scratch);
    if (state < 0) return -1;
    lmk_rate_feedback(plan, j + 1, last, j, j + 1, shifted, targets);
  }
  lmk_rate_feedback(plan, last, columns, first, last, shifted, targets);
  return state;
}

int lmk_rate_quantize(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch) {
  lmk_rate_begin(plan, lane, scratch);
  int state = 0;
  for (size_t first = 0; first < plan->columns && state >= 0; first += LMK_RATE_BLOCK)
    state = lmk_rate_block(plan, lane, first, state, NULL, scratch);
  return state >= 0;
}

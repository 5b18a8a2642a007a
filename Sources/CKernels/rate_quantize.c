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

size_t lmk_rate_scratch(size_t columns) { return 2 * columns * LMK_LANE; }

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

// The way through the trellis, row by row.
typedef struct {
  float losses[STATES];
  uint8_t before[LMK_LANE][STATES];
  int16_t indices[LMK_LANE][STATES];
} trellis;

static void add_row(trellis *path, size_t row, float target, const cost_table *costs, int is_zero) {
  choice choices[2][2];
  for (int odd = 0; odd < 2; odd++)
    for (int parity = 0; parity < 2; parity++)
      choices[odd][parity] = is_zero ? choose_zero(target, odd, parity, costs) : choose(target, odd, parity, costs);
  float losses[STATES];
  for (int state = 0; state < STATES; state++) {
    const uint8_t(*ways)[2] = BEFORE[state];
    const choice *first = &choices[ways[0][0] & 1][ways[0][1]], *second = &choices[ways[1][0] & 1][ways[1][1]];
    const float a = path->losses[ways[0][0]] + first->loss, b = path->losses[ways[1][0]] + second->loss;
    const int way = b < a;
    losses[state] = way ? b : a;
    path->before[row][state] = ways[way][0];
    path->indices[row][state] = (int16_t)(way ? second : first)->index;
  }
  memcpy(path->losses, losses, sizeof losses);
}

// Quantizes the rows of one column from `state` on; returns the state in which the column ends.
static int quantize_column(
    const float *targets, const uint8_t *are_zero, size_t rows, int state, const cost_table *costs, int16_t *indices, int16_t *values) {
  trellis path;
  for (int s = 0; s < STATES; s++) path.losses[s] = s == state ? 0 : INFINITY;
  for (size_t i = 0; i < rows; i++) add_row(&path, i, targets[i], &costs[i], are_zero[i]);
  int end = 0;
  for (int s = 1; s < STATES; s++)
    if (path.losses[s] < path.losses[end]) end = s;
  for (size_t i = rows, s = (size_t)end; i-- > 0;) {
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
static int quantize_next(
    const lmk_rate_plan *plan, const lmk_rate_lane *lane, size_t j, int state, const float *shift, float *targets, float *errors) {
  float scaled[LMK_LANE], weights[LMK_LANE];
  cost_table costs[LMK_LANE];
  int16_t indices[LMK_LANE], values[LMK_LANE];
  uint8_t are_zero[LMK_LANE];
  for (size_t i = 0; i < lane->rows; i++) {
    const float weight = lane->weights[i * plan->columns + j];
    are_zero[i] = plan->keeps_zeros && weight == 0;
    weights[i] = shift ? weight + shift[i] : weight;
    costs[i] = costs_of(plan, lane->row_codes[i] + plan->column_codes[j]);
    const float target = shift ? targets[j * LMK_LANE + i] + shift[i] : targets[j * LMK_LANE + i];
    scaled[i] = target / (plan->steps[j] * lane->steps[i]);
    if (!(fabsf(scaled[i]) <= LMK_RATE_REACH)) return -1;
  }
  state = quantize_column(scaled, are_zero, lane->rows, state, costs, indices, values);
  for (size_t i = 0; i < lane->rows; i++) {
    lane->indices[i * plan->columns + j] = indices[i];
    errors[j * LMK_LANE + i] = weights[i] - (float)values[i] * (plan->steps[j] * lane->steps[i]);
  }
  return state;
}

void lmk_rate_begin(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch) {
  memset(scratch, 0, lmk_rate_scratch(plan->columns) * sizeof *scratch);
  for (size_t i = 0; i < lane->rows; i++)
    for (size_t j = 0; j < plan->columns; j++) scratch[j * LMK_LANE + i] = lane->weights[i * plan->columns + j];
}

int lmk_rate_block(
    const lmk_rate_plan *plan, const lmk_rate_lane *lane, size_t first, int state, const float *shift, float *scratch) {
  const size_t columns = plan->columns, last = columns - first < LMK_RATE_BLOCK ? columns : first + LMK_RATE_BLOCK;
  float *targets = scratch, *errors = scratch + columns * LMK_LANE;
  for (size_t j = first; j < last; j++) {
    state = quantize_next(plan, lane, j, state, shift ? shift + (j - first) * LMK_LANE : NULL, targets, errors);
    if (state < 0) return -1;
    lmk_rate_feedback(plan, j + 1, last, j, j + 1, errors, targets);
  }
  lmk_rate_feedback(plan, last, columns, first, last, errors, targets);
  return state;
}

int lmk_rate_quantize(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch) {
  lmk_rate_begin(plan, lane, scratch);
  int state = 0;
  for (size_t first = 0; first < plan->columns && state >= 0; first += LMK_RATE_BLOCK)
    state = lmk_rate_block(plan, lane, first, state, NULL, scratch);
  return state >= 0;
}

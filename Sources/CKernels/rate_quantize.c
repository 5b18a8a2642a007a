#include "include/rate_quantize.h"

#include <math.h>
#include <string.h>

#include "rans_layout.h"
#include "rate_feedback.h"
#include "rate_gains.h"

// Dependent quantization: even states reach the even integers, odd states the odd ones and 0; the index's parity picks the next state
// (Schwarz, Nguyen, Marpe and Wiegand, "Hybrid Video Coding with Trellis-Coded Quantization", DCC 2019).
// The two ways into each state: the state before and the parity of the index.
typedef struct {
  int states;
  uint8_t before[LMK_RANS_STATES][2], parities[LMK_RANS_STATES][2];
} ways;

static void find_ways(int trellis, ways *ways) {
  uint8_t found[LMK_RANS_STATES] = {0};
  ways->states = lmk_rans_states(trellis);
  for (int state = 0; state < ways->states; state++)
    for (int parity = 0; parity < 2; parity++) {
      const int next = rans_next(trellis, state, parity);
      ways->before[next][found[next]] = (uint8_t)state;
      ways->parities[next][found[next]++] = (uint8_t)parity;
    }
}

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
    const float error = target - (float)rans_value(odd_state, index), loss = error * error + cost_of(costs, odd_state, index);
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
  const ways *ways;
  size_t rows;
  const float *gains;  // [LMK_LANE][LMK_LANE], or NULL
  float targets[LMK_LANE], weights[LMK_LANE];
  cost_table costs[LMK_LANE];
  uint8_t are_zero[LMK_LANE];
} column;

// The ways through the trellis, row by row: the best one to each state. A row gains by the errors of those before, which differ from way to
// way, so each way has its own targets (per-survivor processing, Raheli, Polydoros and Tzou 1995).
typedef struct {
  float losses[LMK_RANS_STATES];
  float gained[2][LMK_RANS_STATES][LMK_LANE];  // of rows that are even, and odd
  uint8_t before[LMK_LANE][LMK_RANS_STATES];
  int16_t indices[LMK_LANE][LMK_RANS_STATES];
} trellis;

// A target out of reach, or none at all, has no index.
static choice choice_at(const column *of, size_t row, float target, int odd_state, int parity) {
  if (!(fabsf(target) <= LMK_RATE_REACH)) return (choice){INFINITY, 0};
  return (of->are_zero[row] ? choose_zero : choose)(target, odd_state, parity, &of->costs[row]);
}

static void add_row(trellis *path, const column *of, size_t row) {
  const ways *ways = of->ways;
  const int distinct = of->gains ? ways->states : 2;  // states whose choices differ, a power of two
  float(*gained)[LMK_LANE] = path->gained[row % 2], (*next)[LMK_LANE] = path->gained[(row + 1) % 2];
  choice choices[LMK_RANS_STATES][2];
  for (int state = 0; state < distinct; state++)
    for (int parity = 0; parity < 2; parity++) {
      const float target = of->gains ? of->targets[row] + gained[state][row] : of->targets[row];
      choices[state][parity] = choice_at(of, row, target, state & 1, parity);
    }
  float losses[LMK_RANS_STATES], errors[LMK_RANS_STATES];
  for (int state = 0; state < ways->states; state++) {
    const uint8_t *from = ways->before[state], *parities = ways->parities[state];
    const choice *first = &choices[from[0] & (distinct - 1)][parities[0]], *second = &choices[from[1] & (distinct - 1)][parities[1]];
    const float a = path->losses[from[0]] + first->loss, b = path->losses[from[1]] + second->loss;
    const int way = b < a, before = from[way], index = (way ? second : first)->index;
    losses[state] = way ? b : a;
    path->before[row][state] = (uint8_t)before;
    path->indices[row][state] = (int16_t)index;
    errors[state] = of->weights[row] - (float)rans_value(before, index);
  }
  if (of->gains) {
    lmk_rate_gains(of->gains + row * LMK_LANE, row + 1, (size_t)ways->states, path->before[row], errors, gained, next);
  }
  memcpy(path->losses, losses, (size_t)ways->states * sizeof *losses);
}

static int best_of(const float *losses, int states) {
  int best = 0;
  for (int s = 1; s < states; s++)
    if (losses[s] < losses[best]) best = s;
  return best;
}

// Goes down the rows from the losses of the path; returns the best state at the end, negative when a target is out of reach.
static int walk(trellis *path, const column *of) {
  if (of->gains) memset(path->gained[0], 0, (size_t)of->ways->states * sizeof path->gained[0][0]);
  for (size_t i = 0; i < of->rows; i++) add_row(path, of, i);
  const int end = best_of(path->losses, of->ways->states);
  return path->losses[end] < INFINITY ? end : -1;
}

// The state from which the way to `end` comes.
static int origin(const trellis *path, size_t rows, int end) {
  for (size_t i = rows; i-- > 0;) end = path->before[i][end];
  return end;
}

// Scratch of a lane: targets, shifted errors and errors, [columns][LMK_LANE] each, the gains of rows in steps, and two paths.
enum { PATH = sizeof(trellis) / sizeof(float) };

static size_t matrices(size_t columns) { return (3 * columns + LMK_LANE) * LMK_LANE; }

size_t lmk_rate_scratch(size_t columns) { return matrices(columns) + 2 * PATH; }

typedef struct {
  float *targets, *shifted, *errors, *gains;
  trellis *path, *ahead;
} work;

static work work_of(const lmk_rate_plan *plan, float *scratch) {
  const size_t count = plan->columns * LMK_LANE;
  trellis *paths = (trellis *)(void *)(scratch + matrices(plan->columns));
  return (work){scratch, scratch + count, scratch + 2 * count, scratch + 3 * count, paths, paths + 1};
}

static cost_table costs_of(const lmk_rate_plan *plan, int codes) {
  const size_t class = codes < 128 ? 0 : (size_t)(codes - 128) / 2;
  const size_t bounded = class < plan->classes ? class : plan->classes - 1;
  return (cost_table){plan->costs + (size_t)plan->models[bounded] * 4 * LMK_RATE_SPAN, plan->shifts[bounded]};
}

// The first rows of column j, in steps.
static column column_of(
    const lmk_rate_plan *plan, const ways *ways, const lmk_rate_lane *lane, size_t rows, size_t j, const float *shift, const work *work) {
  column of = {.ways = ways, .rows = rows, .gains = lane->gains ? work->gains : NULL};
  for (size_t i = 0; i < rows; i++) {
    const float weight = lane->weights[i * plan->columns + j], step = plan->steps[j] * lane->steps[i];
    const float target = work->targets[j * LMK_LANE + i];
    of.are_zero[i] = plan->keeps_zeros && weight == 0;
    of.costs[i] = costs_of(plan, lane->row_codes[i] + plan->column_codes[j]);
    of.weights[i] = weight / step;
    of.targets[i] = (shift ? target + shift[i] : target) / step;
  }
  return of;
}

// Keeps the indices on the way to `end`, and the errors.
static void settle(
    const lmk_rate_plan *plan, const lmk_rate_lane *lane, const column *of, size_t j, const float *shift, int end, const work *work) {
  static const uint8_t itself = 0;
  int16_t values[LMK_LANE];
  for (size_t i = of->rows, s = (size_t)end; i-- > 0;) {
    const int16_t index = work->path->indices[i][s];
    s = work->path->before[i][s];
    lane->indices[i * plan->columns + j] = index;
    values[i] = (int16_t)rans_value((int)s, index);
  }
  float gained[1][LMK_LANE] = {0};
  for (size_t i = 0; i < of->rows; i++) {
    const float weight = lane->weights[i * plan->columns + j], step = plan->steps[j] * lane->steps[i];
    const float gain = gained[0][i] * step + (shift ? shift[i] : 0), error = of->weights[i] - (float)values[i];
    work->errors[j * LMK_LANE + i] = weight - (float)values[i] * step;
    work->shifted[j * LMK_LANE + i] = weight + gain - (float)values[i] * step;
    if (of->gains) lmk_rate_gains(of->gains + i * LMK_LANE, i + 1, 1, &itself, &error, gained, gained);
  }
}

// The state in which column j should end when the next column goes on from there: the best there is by LMK_RATE_AHEAD rows of it. They
// are moved by the errors of the first rows of column j, which nearly all ways to its end have in common.
static int look_ahead(
    const lmk_rate_plan *plan, const ways *ways, const lmk_rate_lane *lane, size_t j, int end, const float *shift, const work *work) {
  const size_t rows = lane->rows < LMK_RATE_AHEAD ? lane->rows : LMK_RATE_AHEAD;
  const float factor = plan->feedback[(j + 1) * plan->columns + j];
  column next = column_of(plan, ways, lane, rows, j + 1, shift ? shift + LMK_LANE : NULL, work);
  for (size_t i = 0; i < rows; i++)
    next.targets[i] += factor * work->shifted[j * LMK_LANE + i] / (plan->steps[j + 1] * lane->steps[i]);
  memcpy(work->ahead->losses, work->path->losses, (size_t)ways->states * sizeof *work->path->losses);
  const int last = walk(work->ahead, &next);
  return last < 0 ? end : origin(work->ahead, rows, last);
}

// Quantizes column j from `state` on; returns the state in which it ends, negative when a target is out of reach.
static int quantize_next(
    const lmk_rate_plan *plan, const ways *ways, const lmk_rate_lane *lane, size_t j, int looks_ahead, int state, const float *shift,
    const work *work) {
  const column of = column_of(plan, ways, lane, lane->rows, j, shift, work);
  for (int s = 0; s < ways->states; s++) work->path->losses[s] = s == state ? 0 : INFINITY;
  const int end = walk(work->path, &of);
  if (end < 0) return end;
  settle(plan, lane, &of, j, shift, end, work);
  const int better = looks_ahead ? look_ahead(plan, ways, lane, j, end, shift, work) : end;
  if (better != end) settle(plan, lane, &of, j, shift, better, work);
  return better;
}

void lmk_rate_begin(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch) {
  memset(scratch, 0, matrices(plan->columns) * sizeof *scratch);
  const work work = work_of(plan, scratch);
  for (size_t i = 0; i < lane->rows; i++)
    for (size_t j = 0; j < plan->columns; j++) work.targets[j * LMK_LANE + i] = lane->weights[i * plan->columns + j];
  for (size_t k = 0; lane->gains && k < lane->rows; k++)
    for (size_t i = k + 1; i < lane->rows; i++)
      work.gains[k * LMK_LANE + i] = lane->gains[k * LMK_LANE + i] * (lane->steps[k] / lane->steps[i]);
}

int lmk_rate_block(
    const lmk_rate_plan *plan, const lmk_rate_lane *lane, size_t first, int state, const float *shift, float *scratch) {
  const size_t columns = plan->columns, last = columns - first < LMK_RATE_BLOCK ? columns : first + LMK_RATE_BLOCK;
  const work work = work_of(plan, scratch);
  ways ways;
  find_ways(plan->trellis, &ways);
  for (size_t j = first; j < last; j++) {
    state = quantize_next(plan, &ways, lane, j, j + 1 < last, state, shift ? shift + (j - first) * LMK_LANE : NULL, &work);
    if (state < 0) return -1;
    lmk_rate_feedback(plan, j + 1, last, j, j + 1, work.shifted, work.targets);
  }
  lmk_rate_feedback(plan, last, columns, first, last, work.shifted, work.targets);
  return state;
}

int lmk_rate_quantize(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch) {
  lmk_rate_begin(plan, lane, scratch);
  int state = 0;
  for (size_t first = 0; first < plan->columns && state >= 0; first += LMK_RATE_BLOCK)
    state = lmk_rate_block(plan, lane, first, state, NULL, scratch);
  return state >= 0;
}

#include "grid_quantize.h"

#include <string.h>

#include "grid_fit.h"
#include "half.h"

// A step along the ladder of clips stops after so many rungs that did not help.
enum { PATIENCE = 5 };

static inline int better(const lmk_fit *a, const lmk_fit *b) { return a->error < b->error; }

// Whether the weights lie on the grid but for the rounding of scale and minimum: then it pays to try every f16 near them.
static int is_close(const lmk_group *group, const lmk_fit *fit) {
  float scale = lmk_f16_to_f32_one(fit->scale);
  return fit->error > 0 && fit->error < 0.02f * scale * scale * (float)group->count;
}

// Alternates between the best codes for a grid and the best grid for those codes. Both halves can only lower the
// error, but rounding the grid to f16 can raise it, so the best one seen is what counts.
static void alternate(const lmk_group *group, float scale, float minimum, lmk_fit *best) {
  uint16_t last_scale = 0, last_minimum = 0;
  for (int round = 0; round < 8; round++) {
    uint16_t scale_bits = lmk_f32_to_f16_one(scale), minimum_bits = lmk_f32_to_f16_one(minimum);
    if (round > 0 && scale_bits == last_scale && minimum_bits == last_minimum) return;
    last_scale = scale_bits, last_minimum = minimum_bits;
    lmk_fit fit = lmk_fit_measure(group, scale_bits, minimum_bits);
    if (better(&fit, best)) *best = fit;
    if (best->error == 0 || !fit.usable) return;
    scale = fit.next_scale, minimum = fit.next_minimum;
  }
}

// Weights that lie on a grid need not use its lowest codes: then the minimum that f16 holds exactly is some steps below
// the least weight. Where the fit is close already, tries those that leave room for the greatest weight.
static void shift(const lmk_group *group, lmk_fit *best) {
  float scale = lmk_f16_to_f32_one(best->scale);
  if (!group->has_minimum || !is_close(group, best) || scale <= 0) return;
  float spare = group->high - group->extent / scale + 0.5f;
  for (float step = 1; step <= spare && step <= 15 && best->error > 0; step += 1) {
    lmk_fit fit = lmk_fit_measure(group, lmk_f32_to_f16_one(scale), lmk_f32_to_f16_one(group->minimum - step * scale));
    if (better(&fit, best)) *best = fit;
  }
}

// Tries the f16 neighbours of the best grid until none is better: where the fit is close, and where scales are so small
// that f16 has but a few.
static void polish(const lmk_group *group, lmk_fit *best) {
  for (int round = 0; round < 4 && (is_close(group, best) || (best->scale & 0x7FFF) < 64); round++) {
    lmk_fit centre = *best;
    int reach = group->has_minimum ? 1 : 0;
    for (int m = -reach; m <= reach; m++) {
      for (int s = -1; s <= 1; s++) {
        if (s == 0 && m == 0) continue;
        lmk_fit fit = lmk_fit_measure(group, lmk_half_step(centre.scale, s), lmk_half_step(centre.minimum, m));
        if (better(&fit, best)) *best = fit;
      }
    }
    if (best->scale == centre.scale && best->minimum == centre.minimum) return;
  }
}

// The rungs: how many steps of the grid the extent of the group is taken for. Whole numbers find data that lies on a
// coarser grid already; from `fine` on the steps are small, and from `full` on each rung clips more.
typedef struct {
  float whole, fine, step, full, growth;
} rungs;

static rungs rungs_of(const lmk_group *group) {
  float full = group->has_minimum ? group->high : -group->low;
  if (group->high - group->low > 16) return (rungs){full > 200 ? 15 : 8, full - 6, 1, full, 1.03f};
  return (rungs){group->has_minimum ? 15 : 8, full * 0.625f, full / 32, full * 1.125f, 1.06f};
}

static inline float next_rung(const rungs *r, float rung) { return rung < r->full ? rung + r->step : rung * r->growth; }

typedef struct {
  float score, scale, minimum;
} candidate;

// Of grids that differ only by the noise of the sums the first, which has the widest steps, is kept: weights on a grid of
// steps s lie on that of s / 2 too, but f16 may not hold s / 2 as well.
static inline void consider(const lmk_group *group, float inverse, float anchor, candidate *best) {
  candidate found;
  found.score = lmk_fit_score(group, inverse, anchor, &found.scale, &found.minimum);
  if (found.score > best->score * 1.000001f) *best = found;
}

// One rung of the ladder: the grids whose extent is the group's extent divided by rung / full.
static void try_rung(const lmk_group *group, float rung, int clips, candidate *best) {
  float inverse = rung / group->extent;
  if (!group->has_minimum) {
    consider(group, inverse, 0, best);
    if (clips) consider(group, -inverse, 0, best);  // there is a code -8 but no +8: the side of the outlier matters
    return;
  }
  float excess = group->extent - group->high / inverse;
  consider(group, inverse, group->minimum, best);
  if (excess <= 0) return;
  consider(group, inverse, group->minimum + excess, best);
  consider(group, inverse, group->minimum + 0.5f * excess, best);
}

static void search(const lmk_group *group, lmk_fit *best) {
  rungs r = rungs_of(group);
  candidate whole = {0, 0, 0}, fine = {0, 0, 0};
  for (float rung = 1; rung <= r.whole; rung += 1) try_rung(group, rung, rung > group->high, &whole);
  int idle = 0;
  for (float rung = r.fine; idle < PATIENCE || rung <= r.full; rung = next_rung(&r, rung)) {
    float before = fine.score;
    try_rung(group, rung, rung > group->high, &fine);
    idle = fine.score > before ? 0 : idle + 1;
  }
  alternate(group, whole.scale, whole.minimum, best);
  shift(group, best);
  if (best->error > 0) alternate(group, fine.scale, fine.minimum, best);
  polish(group, best);
}

static lmk_grid_outcome quantize_group(const lmk_grid *grid, const float *weights, size_t count, uint8_t *codes,
                                       uint16_t *scale, uint16_t *minimum) {
  lmk_group group;
  if (!lmk_group_open(&group, weights, count, grid->bits, grid->minimum)) return LMK_GRID_NOT_FINITE;
  if (lmk_group_is_too_large(&group)) return LMK_GRID_TOO_LARGE;
  lmk_fit best = lmk_fit_flat(&group);
  if (best.error > 0 && group.extent > 0) search(&group, &best);
  lmk_fit_codes(&group, &best, codes);
  *scale = best.scale;
  *minimum = best.minimum;
  return LMK_GRID_DONE;
}

static size_t first_not_finite(const float *weights, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!(weights[i] - weights[i] == 0)) return i;
  }
  return count;
}

void lmk_pack_nibbles(const uint8_t *codes, size_t count, uint8_t *packed) {
  size_t pairs = count / 2;
  for (size_t i = 0; i < pairs; i++) packed[i] = (uint8_t)(codes[2 * i] | codes[2 * i + 1] << 4);
  if (count & 1) packed[pairs] = codes[count - 1];
}

lmk_grid_outcome lmk_grid_quantize_row(const lmk_grid *grid, const float *row, uint8_t *codes, uint16_t *scales,
                                       uint16_t *minimums, uint8_t *work, size_t *column) {
  uint8_t *wide = grid->bits == 4 ? work : codes;
  for (size_t start = 0, index = 0; start < grid->columns; start += grid->group, index++) {
    size_t count = grid->columns - start < grid->group ? grid->columns - start : grid->group;
    uint16_t minimum;
    lmk_grid_outcome outcome = quantize_group(grid, row + start, count, wide + start, &scales[index], &minimum);
    if (outcome != LMK_GRID_DONE) {
      *column = start + (outcome == LMK_GRID_NOT_FINITE ? first_not_finite(row + start, count) : 0);
      return outcome;
    }
    if (grid->minimum) minimums[index] = minimum;
  }
  if (grid->bits == 4) lmk_pack_nibbles(wide, grid->columns, codes);
  return LMK_GRID_DONE;
}

static void widen_nibbles(const uint8_t *codes, size_t start, size_t count, float scale, float minimum, int offset,
                          float *output) {
  for (size_t i = 0; i < count; i++) {
    size_t column = start + i;
    int q = (codes[column / 2] >> 4 * (column & 1) & 15) - offset;
    output[i] = scale * (float)q + minimum;
  }
}

static void widen_bytes(const uint8_t *codes, size_t count, float scale, float minimum, int is_signed, float *output) {
  for (size_t i = 0; i < count; i++) {
    int q = is_signed ? (int8_t)codes[i] : codes[i];
    output[i] = scale * (float)q + minimum;
  }
}

void lmk_grid_dequantize_row(const lmk_grid *grid, const uint8_t *codes, const uint16_t *scales,
                             const uint16_t *minimums, float *row) {
  for (size_t start = 0, index = 0; start < grid->columns; start += grid->group, index++) {
    size_t count = grid->columns - start < grid->group ? grid->columns - start : grid->group;
    float scale = lmk_f16_to_f32_one(scales[index]);
    // -0 + x is x for every x, so a symmetric grid keeps the sign of its zeros.
    float minimum = grid->minimum ? lmk_f16_to_f32_one(minimums[index]) : -0.0f;
    if (grid->bits == 4) {
      widen_nibbles(codes, start, count, scale, minimum, grid->minimum ? 0 : 8, row + start);
    } else {
      widen_bytes(codes + start, count, scale, minimum, !grid->minimum, row + start);
    }
  }
}

#include "attention.h"

#include <math.h>

#include "attention_products.h"
#include "dispatch.h"
#include "exponential.h"
#include "reference.h"

enum {
  GROUPS = 4,                      // that read a chunk while it is near
  QUERIES = GROUPS * LMK_GROUP,
};

// Up to LMK_GROUP queries, which share loads of keys and values; in the scratch of the call. Queries are numbered
// through: number n is head n % heads of token n / heads.
typedef struct {
  size_t rows;
  size_t ends[LMK_GROUP];  // the position after the query's own
  float largest[16];       // of the scores so far
  float *queries;          // [LMK_QUERY_PIECES(size)][row][LMK_ROW], times the scale
  float *outputs;          // [row][padded], not divided by the sum of the weights
  float *sums;             // [row][16], of the weights so far
} group;

size_t lmk_attention_scratch_bytes(size_t padded) {
  const size_t row = LMK_QUERY_PIECES(padded) * LMK_ROW + padded + 16;
  return ((QUERIES * row + LMK_GROUP * LMK_ROW) * sizeof(float) + 63) / 64 * 64;
}

// The positions of a chunk that a query sees, from its start; none when last <= first.
typedef struct {
  size_t first, last;
} span;

static inline size_t within_chunk(size_t position, size_t start) {
  const size_t distance = position > start ? position - start : 0;
  return distance < LMK_ATTENTION_CHUNK ? distance : LMK_ATTENTION_CHUNK;
}

static inline size_t first_seen(const lmk_attention *work, size_t end) {
  return work->window != 0 && end > work->window ? end - work->window : 0;
}

static inline span seen_by(const lmk_attention *work, size_t end, size_t start) {
  return (span){within_chunk(first_seen(work, end), start), within_chunk(end, start)};
}

// Takes the queries from number `first` on.
static void start_group(const lmk_attention *work, size_t first, size_t padded, group *g) {
  for (size_t r = 0; r < g->rows; r++) {
    const size_t token = (first + r) / work->heads, head = (first + r) % work->heads;
    const float *query = work->queries + token * work->query_stride + head * work->size;
    for (size_t start = 0; start < work->size; start += LMK_PIECE) {
      float *piece = g->queries + (start / LMK_PIECE * LMK_GROUP + r) * LMK_ROW;
      for (size_t i = 0; i < LMK_PIECE && start + i < work->size; i++) piece[i] = query[start + i] * work->scale;
    }
    g->ends[r] = work->position + token + 1;
  }
  for (size_t r = 0; r < 16; r++) g->largest[r] = -INFINITY;
  memset(g->outputs, 0, g->rows * padded * sizeof(float));
  memset(g->sums, 0, g->rows * 16 * sizeof(float));
}

static void finish_group(const lmk_attention *work, size_t first, size_t padded, const group *g) {
  for (size_t r = 0; r < g->rows; r++) {
    const size_t token = (first + r) / work->heads, head = (first + r) % work->heads;
    float *output = work->outputs + token * work->output_stride + head * work->size;
    const float inverse = 1.0f / LMK_SUM(LMK_LOAD(v16, g->sums + r * 16));
    for (size_t i = 0; i < work->size; i++) output[i] = g->outputs[r * padded + i] * inverse;
  }
}

#define LARGER(a, b) LMK_SELECT((a) > (b), a, b)

// The largest lane.
LMK_INLINE float largest_lane(const v16 *x) {
  v16 most = *x;
  most = LARGER(most, __builtin_shufflevector(most, most, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  most = LARGER(most, __builtin_shufflevector(most, most, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  most = LARGER(most, __builtin_shufflevector(most, most, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  most = LARGER(most, __builtin_shufflevector(most, most, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return most[0];
}

// Lanes j..<j + 16 of a chunk that are seen: all bits set.
LMK_INLINE void seen_lanes(const span *seen, size_t j, i16x32 *out) {
  const i16x32 lane = (i16x32){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + (int32_t)j;
  *out = (lane >= (int32_t)seen->first) & (lane < (int32_t)seen->last);
}

// Caps the scores that are seen, makes the others minus infinity; *largest = the largest one.
LMK_INLINE void cap_scores(const int whole, const lmk_attention *work, const span *seen, float *scores, float *largest) {
  v16 most = LMK_SPLAT(-INFINITY);
  for (size_t j = seen->first / 16 * 16; j < seen->last; j += 16) {
    v16 score = LMK_LOAD(v16, scores + j);
    if (work->softcap != 0) {
      score /= work->softcap;
      tanh_lanes(&score);
      score *= work->softcap;
    }
    if (!whole) {
      i16x32 lanes;
      seen_lanes(seen, j, &lanes);
      score = LMK_SELECT(lanes, score, LMK_SPLAT(-INFINITY));
    }
    if (!whole || work->softcap != 0) LMK_STORE(scores + j, score);
    most = LARGER(score, most);
  }
  *largest = largest_lane(&most);
}

// Scales what there is of the queries whose largest score has grown.
LMK_INLINE void rescale(const float *largest, size_t padded, group *g) {
  const v16 before = LMK_LOAD(v16, g->largest), after = LARGER(LMK_LOAD(v16, largest), before);
  v16 factor = before - after;
  exp_lanes(&factor);
  LMK_STORE(g->largest, after);
  for (size_t r = 0; r < g->rows; r++) {
    if (!(after[r] > before[r])) continue;
    LMK_STORE(g->sums + r * 16, LMK_LOAD(v16, g->sums + r * 16) * factor[r]);
    float *output = g->outputs + r * padded;
    for (size_t i = 0; i < padded; i += 16) LMK_STORE(output + i, LMK_LOAD(v16, output + i) * factor[r]);
  }
}

// Turns scores into weights and adds them up. Those of codes carry the scale of the value.
LMK_INLINE void weigh(
    const int whole, const span *seen, float largest, const float *value_scales, float *scores, float *sums) {
  v16 sum = LMK_LOAD(v16, sums);
  for (size_t j = seen->first / 16 * 16; j < seen->last; j += 16) {
    v16 weight = LMK_LOAD(v16, scores + j) - largest;
    exp_lanes(&weight);
    if (!whole) {
      i16x32 lanes;
      seen_lanes(seen, j, &lanes);
      weight = LMK_SELECT(lanes, weight, (v16){});
    }
    sum += weight;
    if (value_scales != NULL) weight *= LMK_LOAD(v16, value_scales + j);
    LMK_STORE(scores + j, weight);
  }
  LMK_STORE(sums, sum);
}

// The softmax of a chunk, not yet divided by the sum: scores to weights, for each query of a group.
LMK_INLINE void weigh_group(
    const lmk_attention *work, size_t start, const float *value_scales, size_t padded, group *g, float *scores) {
  const span whole = {0, LMK_ATTENTION_CHUNK};
  float largest[16];
  for (size_t r = 0; r < 16; r++) largest[r] = -INFINITY;
  for (size_t r = 0; r < g->rows; r++) {
    const span seen = seen_by(work, g->ends[r], start);
    if (seen.last - seen.first == LMK_ATTENTION_CHUNK)
      cap_scores(1, work, &whole, scores + r * LMK_ROW, largest + r);
    else if (seen.first < seen.last)
      cap_scores(0, work, &seen, scores + r * LMK_ROW, largest + r);
  }
  rescale(largest, padded, g);
  for (size_t r = 0; r < g->rows; r++) {
    const span seen = seen_by(work, g->ends[r], start);
    if (seen.last - seen.first == LMK_ATTENTION_CHUNK)
      weigh(1, &whole, g->largest[r], value_scales, scores + r * LMK_ROW, g->sums + r * 16);
    else if (seen.first < seen.last)
      weigh(0, &seen, g->largest[r], value_scales, scores + r * LMK_ROW, g->sums + r * 16);
  }
}

// Adds the values first..<last of a chunk to the outputs of the queries row..<row + rows of a group.
LMK_INLINE void add_range(
    const lmk_cache_format format, const size_t room, const lmk_cache *cache, size_t start, span range, const group *g, size_t row,
    size_t rows, const float *weights) {
  if (range.last <= range.first) return;
  weights += row * LMK_ROW + range.first;
  float *outputs = g->outputs + row * cache->padded;
  const size_t position = start + range.first, count = range.last - range.first;
  if (rows == 1) {
    values_rows(format, room, 1, cache, position, count, weights, outputs);
  } else {
    add_values(format, room, rows, cache, position, count, weights, outputs);
  }
}

// Adds the values that each query of a group sees: those that all see together, what is left one query at a time, since
// a weight of zero would not keep out a value that is not finite.
LMK_INLINE void add_seen(
    const lmk_cache_format format, const size_t room, const lmk_cache *cache, const lmk_attention *work, size_t start,
    const group *g, const float *weights) {
  span all = {seen_by(work, g->ends[g->rows - 1], start).first, seen_by(work, g->ends[0], start).last};
  if (all.last <= all.first) all = (span){LMK_ATTENTION_CHUNK, LMK_ATTENTION_CHUNK};
  for (size_t r = 0; r < g->rows; r++) {
    const span seen = seen_by(work, g->ends[r], start);
    add_range(format, room, cache, start, (span){seen.first, seen.last < all.first ? seen.last : all.first}, g, r, 1, weights);
  }
  add_range(format, room, cache, start, all, g, 0, g->rows, weights);
  for (size_t r = 0; r < g->rows; r++) {
    const span seen = seen_by(work, g->ends[r], start);
    add_range(format, room, cache, start, (span){all.last, seen.last}, g, r, 1, weights);
  }
}

// One chunk for one group.
LMK_INLINE void attend_chunk(
    const lmk_cache_format format, const size_t room, const lmk_cache *cache, const lmk_attention *work, size_t start, group *g,
    float *scores) {
  const size_t first = seen_by(work, g->ends[0], start).first / 16 * 16;
  const size_t last = seen_by(work, g->ends[g->rows - 1], start).last;
  if (last <= first) return;
  compute_scores(
      format, room, g->rows, cache, work->size, g->queries, start + first, (last - first + 15) / 16, scores + first);
  weigh_group(work, start, is_scaled(format) ? cache->value_scales + start : NULL, cache->padded, g, scores);
  add_seen(format, room, cache, work, start, g, scores);
}

// The groups of one pass over the keys, from query number `first` on.
static size_t start_groups(const lmk_attention *work, size_t first, size_t padded, float *scratch, group *groups) {
  const size_t left = work->tokens * work->heads - first, rows = left < QUERIES ? left : QUERIES;
  size_t count = 0;
  for (size_t r = 0; r < rows; r += LMK_GROUP) {
    group *g = &groups[count++];
    g->rows = rows - r < LMK_GROUP ? rows - r : LMK_GROUP;
    g->queries = scratch;
    g->outputs = g->queries + LMK_GROUP * LMK_QUERY_PIECES(padded) * LMK_ROW;
    g->sums = g->outputs + LMK_GROUP * padded;
    scratch = g->sums + LMK_GROUP * 16;
    start_group(work, first + r, padded, g);
  }
  return count;
}

LMK_INLINE void attend_format(
    const lmk_cache_format format, const size_t room, const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  float *scores = scratch;
  group groups[GROUPS];
  for (size_t first = 0; first < work->tokens * work->heads; first += QUERIES) {
    const size_t count = start_groups(work, first, cache->padded, scores + LMK_GROUP * LMK_ROW, groups);
    const size_t begin = first_seen(work, groups[0].ends[0]), end = groups[count - 1].ends[groups[count - 1].rows - 1];
    for (size_t start = begin - begin % LMK_ATTENTION_CHUNK; start < end; start += LMK_ATTENTION_CHUNK) {
      for (size_t i = 0; i < count; i++) attend_chunk(format, room, cache, work, start, &groups[i], scores);
    }
    for (size_t i = 0; i < count; i++) finish_group(work, first + i * LMK_GROUP, cache->padded, &groups[i]);
  }
}

// `room`: see fits.
LMK_INLINE void attend_any(const size_t room, const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  switch (cache->format) {
    case LMK_CACHE_F32:
      return attend_format(LMK_CACHE_F32, room, cache, work, scratch);
    case LMK_CACHE_F16:
      return attend_format(LMK_CACHE_F16, room, cache, work, scratch);
    case LMK_CACHE_INT8:
      return attend_format(LMK_CACHE_INT8, room, cache, work, scratch);
    case LMK_CACHE_INT4:
      return attend_format(LMK_CACHE_INT4, room, cache, work, scratch);
  }
}

#if defined(__x86_64__)
LMK_AVX2 static void attend_avx2(const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  attend_any(7, cache, work, scratch);
}

LMK_AVX512 static void attend_avx512(const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  attend_any(31, cache, work, scratch);
}
#elif defined(__aarch64__)
static void attend_neon(const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  attend_any(7, cache, work, scratch);
}
#endif

void lmk_attend(const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  LMK_DISPATCH(attend, (cache, work, scratch));
}

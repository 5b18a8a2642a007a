#include "attention_gradient.h"

#include <string.h>

#include "dispatch.h"
#include "exponential.h"
#include "gemm.h"
#include "layers.h"
#include "vector.h"

// Scratch: what products pack, then the probabilities of a tile and their gradients, and the slopes of the softcap.
typedef struct {
  float *packed_columns, *packed_rows;
  float *scores, *gradients, *slopes;
} work_space;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static size_t round_up(size_t count) { return (count + 15) / 16 * 16; }

// The most that one slab of a product of these texts packs, by columns.
static size_t packed_columns(const lmk_attention_text *text) {
  const size_t columns = (text->tokens > text->size ? text->tokens : text->size) + LMK_GEMM_PANEL;
  const size_t depth = (text->tokens > text->size ? text->tokens : text->size) + 2;
  return round_up(least(columns, LMK_GEMM_SLAB_COLUMNS) * least(depth, LMK_GEMM_SLAB_UNITS));
}

size_t lmk_attention_text_scratch(const lmk_attention_text *text) {
  return packed_columns(text) + round_up(LMK_GEMM_PACKED_ROWS) + 3 * round_up(LMK_ATTENTION_TILE * text->tokens);
}

static work_space divide(const lmk_attention_text *text, float *scratch) {
  const size_t tile = round_up(LMK_ATTENTION_TILE * text->tokens);
  work_space space = {.packed_columns = scratch};
  space.packed_rows = scratch + packed_columns(text);
  space.scores = space.packed_rows + round_up(LMK_GEMM_PACKED_ROWS);
  space.gradients = space.scores + tile;
  space.slopes = space.gradients + tile;
  return space;
}

static lmk_gemm_operand plain(const float *values, size_t stride) { return (lmk_gemm_operand){values, stride, LMK_F32, 0}; }
static lmk_gemm_operand turned(const float *values, size_t stride) { return (lmk_gemm_operand){values, stride, LMK_F32, 1}; }

// C = A B, or C += A B, on this thread alone.
static void multiply(
    const lmk_attention_text *text, size_t rows, size_t columns, size_t depth, lmk_gemm_operand a, lmk_gemm_operand b, float *c, size_t stride, int accumulate,
    const work_space *space) {
  const lmk_gemm product = {
      .arithmetic = text->arithmetic, .rows = rows, .columns = columns, .depth = depth, .a = a, .b = b, .c = c, .c_stride = stride,
      .accumulate = accumulate, .isa = lmk_isa_in_use()};
  const size_t deep = lmk_gemm_slab_depth(text->arithmetic);
  for (size_t column = 0; column < columns; column += LMK_GEMM_SLAB_COLUMNS) {
    for (size_t k = 0; k < depth; k += deep) {
      const lmk_gemm_slab slab = {column, least(columns, column + LMK_GEMM_SLAB_COLUMNS), k, least(depth, k + deep)};
      lmk_gemm_pack(&product, &slab, slab.first_column, slab.last_column, space->packed_columns);
      for (size_t row = 0; row < rows; row += LMK_GEMM_BLOCK_ROWS) {
        lmk_gemm_block(
            &product, &slab, row, least(rows, row + LMK_GEMM_BLOCK_ROWS), slab.first_column, slab.last_column,
            space->packed_columns, space->packed_rows);
      }
    }
  }
}

// s = c tanh(s / c), and its slope 1 - tanh(s / c)^2.
LMK_INLINE void cap_scores_body(float *scores, float *slopes, size_t count, float softcap) {
  const float inverse = 1.0f / softcap;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, scores + i) * inverse;
    tanh_lanes(&value);
    LMK_STORE(scores + i, value * softcap);
    LMK_STORE(slopes + i, 1.0f - value * value);
  }
  for (; i < count; i++) {
    const float value = tanh_one(scores[i] * inverse);
    scores[i] = value * softcap;
    slopes[i] = 1.0f - value * value;
  }
}

static void lmk_ref_cap_scores(float *scores, float *slopes, size_t count, float softcap) {
  const float inverse = 1.0f / softcap;
  for (size_t i = 0; i < count; i++) {
    const float value = tanh_one(scores[i] * inverse);
    scores[i] = value * softcap;
    slopes[i] = 1.0f - value * value;
  }
}

LMK_VARIANTS(cap_scores, (float *scores, float *slopes, size_t count, float softcap), (scores, slopes, count, softcap))

// ds = p * (dp - sum of p * dp), in the place of dp. The sum runs in 16 lanes, added in one fixed tree.
LMK_INLINE void softmax_gradient_body(const float *p, float *dp, size_t count) {
  v16 sum = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) sum = LMK_FMA(LMK_LOAD(v16, p + i), LMK_LOAD(v16, dp + i), sum);
  float lanes[16];
  LMK_STORE(lanes, sum);
  for (; i < count; i++) lanes[i % 16] = __builtin_fmaf(p[i], dp[i], lanes[i % 16]);
  const float total = LMK_SUM(LMK_LOAD(v16, lanes));
  for (size_t k = 0; k < count; k++) dp[k] = p[k] * (dp[k] - total);
}

static void lmk_ref_softmax_gradient(const float *p, float *dp, size_t count) {
  float lanes[16] = {0};
  for (size_t i = 0; i < count; i++) lanes[i % 16] = __builtin_fmaf(p[i], dp[i], lanes[i % 16]);
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  for (size_t i = 0; i < count; i++) dp[i] = p[i] * (dp[i] - lanes[0]);
}

LMK_VARIANTS(softmax_gradient, (const float *p, float *dp, size_t count), (p, dp, count))

LMK_INLINE void scale_row_body(float *x, size_t count, float scale) {
  for (size_t i = 0; i < count; i++) x[i] *= scale;
}

static void lmk_ref_scale_row(float *x, size_t count, float scale) { scale_row_body(x, count, scale); }

LMK_VARIANTS(scale_row, (float *x, size_t count, float scale), (x, count, scale))

// Queries first..<last of a head, and the positions that any of them sees.
typedef struct {
  size_t first, rows, first_key, keys;
} tile;

static tile tile_at(const lmk_attention_text *text, size_t first) {
  tile result = {.first = first, .rows = least(LMK_ATTENTION_TILE, text->tokens - first)};
  result.first_key = text->window != 0 && first + 1 > text->window ? first + 1 - text->window : 0;
  result.keys = first + result.rows - result.first_key;
  return result;
}

// What row `row` of a tile sees: first..<last of the tile's keys.
static void seen(const lmk_attention_text *text, const tile *tile, size_t row, size_t *first, size_t *last) {
  const size_t token = tile->first + row;
  const size_t lowest = text->window != 0 && token + 1 > text->window ? token + 1 - text->window : 0;
  *first = lowest > tile->first_key ? lowest - tile->first_key : 0;
  *last = token + 1 - tile->first_key;
}

static void find_probabilities(const lmk_attention_text *text, const tile *tile, size_t head, const work_space *space) {
  const size_t keys = tile->keys;
  multiply(
      text, tile->rows, keys, text->size, plain(text->queries + tile->first * text->query_stride + head * text->size, text->query_stride),
      turned(text->keys + tile->first_key * text->key_stride, text->key_stride), space->scores, keys, 0, space);
  for (size_t row = 0; row < tile->rows; row++) {
    float *scores = space->scores + row * keys, *slopes = space->slopes + row * keys;
    size_t first, last;
    seen(text, tile, row, &first, &last);
    LMK_DISPATCH(scale_row, (scores + first, last - first, text->scale));
    if (text->softcap != 0) LMK_DISPATCH(cap_scores, (scores + first, slopes + first, last - first, text->softcap));
    lmk_softmax(scores + first, last - first);
    memset(scores, 0, first * sizeof(float));
    memset(scores + last, 0, (keys - last) * sizeof(float));
  }
}

void lmk_attention_text_forward(const lmk_attention_text *text, float *outputs, float *scratch) {
  const work_space space = divide(text, scratch);
  for (size_t head = 0; head < text->heads; head++) {
    for (size_t first = 0; first < text->tokens; first += LMK_ATTENTION_TILE) {
      const tile tile = tile_at(text, first);
      find_probabilities(text, &tile, head, &space);
      multiply(
          text, tile.rows, text->size, tile.keys, plain(space.scores, tile.keys),
          plain(text->values + tile.first_key * text->key_stride, text->key_stride),
          outputs + first * text->query_stride + head * text->size, text->query_stride, 0, &space);
    }
  }
}

// The gradients of scores in the place of those of probabilities.
static void find_score_gradients(const lmk_attention_text *text, const tile *tile, const work_space *space) {
  const size_t keys = tile->keys;
  for (size_t row = 0; row < tile->rows; row++) {
    float *gradients = space->gradients + row * keys;
    const float *slopes = space->slopes + row * keys;
    size_t first, last;
    seen(text, tile, row, &first, &last);
    LMK_DISPATCH(softmax_gradient, (space->scores + row * keys + first, gradients + first, last - first));
    if (text->softcap != 0) lmk_multiply(gradients + first, slopes + first, last - first, gradients + first);
    LMK_DISPATCH(scale_row, (gradients + first, last - first, text->scale));
    memset(gradients, 0, first * sizeof(float));
    memset(gradients + last, 0, (keys - last) * sizeof(float));
  }
}

void lmk_attention_text_backward(
    const lmk_attention_text *text, const float *doutputs, float *dqueries, float *dkeys, float *dvalues, float *scratch) {
  const work_space space = divide(text, scratch);
  const size_t size = text->size;
  for (size_t head = 0; head < text->heads; head++) {
    for (size_t first = 0; first < text->tokens; first += LMK_ATTENTION_TILE) {
      const tile tile = tile_at(text, first);
      const size_t place = first * text->query_stride + head * size, key = tile.first_key * text->key_stride;
      const lmk_gemm_operand outputs = plain(doutputs + place, text->query_stride);
      find_probabilities(text, &tile, head, &space);
      multiply(
          text, tile.rows, tile.keys, size, outputs, turned(text->values + key, text->key_stride), space.gradients, tile.keys, 0, &space);
      multiply(text, tile.keys, size, tile.rows, turned(space.scores, tile.keys), outputs, dvalues + key, text->key_stride, 1, &space);
      find_score_gradients(text, &tile, &space);
      multiply(
          text, tile.rows, size, tile.keys, plain(space.gradients, tile.keys), plain(text->keys + key, text->key_stride), dqueries + place,
          text->query_stride, 0, &space);
      multiply(
          text, tile.keys, size, tile.rows, turned(space.gradients, tile.keys), plain(text->queries + place, text->query_stride),
          dkeys + key, text->key_stride, 1, &space);
    }
  }
}

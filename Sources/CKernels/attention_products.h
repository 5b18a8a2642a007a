// The two matrix products of attention: scores = queries . keys and outputs += weights . values, for a few queries at a
// time. `format`, `rows` and `vectors` are constants at every call, so that each inlined copy keeps its sums in registers;
// the caller's target attribute decides the instructions.
#pragma once
#include "attention.h"
#include "cache_layout.h"

enum {
  LMK_GROUP = 12,                      // the most queries that share a load: with 2 vectors, 24 of the 32 zmm registers
  LMK_FEW = 6,                         // so few queries wait for memory: they fetch the next chunk ahead
  LMK_PIECE = LMK_ATTENTION_CHUNK,     // elements of a piece of a query
  LMK_ROW = LMK_ATTENTION_CHUNK + 16,  // floats from one row of scores, or piece of a query, to the next: no power of two
};
#define LMK_QUERY_PIECES(size) (((size) + LMK_PIECE - 1) / LMK_PIECE)

// Whether vector `v` of neighbours is in another cache line than the one before it.
LMK_INLINE int starts_line(const lmk_cache_format format, const size_t v) { return v % 2 == 0 || format == LMK_CACHE_F32; }

// scores[row][LMK_ROW] of 16 * `vectors` positions from `position`, a multiple of 16, on.
// queries: [piece][LMK_GROUP][LMK_ROW]
LMK_INLINE void scores_tile(
    const lmk_cache_format format, const size_t rows, const size_t vectors, const lmk_cache *cache, size_t size,
    const float *queries, size_t position, float *scores) {
  const size_t ahead = LMK_ATTENTION_CHUNK / LMK_CACHE_BLOCK * block_bytes(format, size);
  const uint8_t *keys[4];
  v16 sum[LMK_GROUP][4], key[4];
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const size_t at = position + 16 * v;
    keys[v] = (const uint8_t *)cache->keys + at / LMK_CACHE_BLOCK * block_bytes(format, size) + key_offset(format, 0, at % LMK_CACHE_BLOCK);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) sum[r][v] = (v16){};
  }
  for (size_t i = 0; i < size; i++) {
    const float *query_piece = queries + i / LMK_PIECE * LMK_GROUP * LMK_ROW;
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) {
      const uint8_t *at = keys[v] + key_offset(format, i, 0);
      if (rows <= LMK_FEW && starts_line(format, v)) __builtin_prefetch(at + ahead, 0, 2);
      load_elements(format, at, key_shift(i), &key[v]);
    }
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      const v16 query = LMK_SPLAT(query_piece[r * LMK_ROW + i % LMK_PIECE]);
#pragma clang loop unroll(full)
      for (size_t v = 0; v < vectors; v++) sum[r][v] = LMK_FMA(key[v], query, sum[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (size_t v = 0; v < vectors; v++) {
    const v16 scale = is_scaled(format) ? LMK_LOAD(v16, cache->key_scales + position + 16 * v) : (v16){};
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
      LMK_STORE(scores + r * LMK_ROW + 16 * v, is_scaled(format) ? sum[r][v] * scale : sum[r][v]);
  }
}

// outputs[row][...] of 16 * `vectors` elements from `element` on += weights . values of `count` positions from `position`
// on. weights: [row][LMK_ROW]; outputs: [row][padded]
LMK_INLINE void values_tile(
    const lmk_cache_format format, const size_t rows, const size_t vectors, const lmk_cache *cache, size_t position,
    size_t count, size_t element, const float *weights, float *outputs) {
  const size_t padded = cache->padded, bytes = row_bytes(format, padded);
  const uint8_t *row = (const uint8_t *)cache->values + position * bytes;
  v16 sum[LMK_GROUP][4], value[4];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) sum[r][v] = LMK_LOAD(v16, outputs + r * padded + element + 16 * v);
  }
  for (size_t p = 0; p < count; p++, row += bytes) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) {
      const uint8_t *at = row + value_offset(format, element + 16 * v);
      if (rows <= LMK_FEW && starts_line(format, v)) __builtin_prefetch(at + LMK_ATTENTION_CHUNK * bytes, 0, 2);
      load_elements(format, at, value_shift(element + 16 * v), &value[v]);
    }
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      const v16 weight = LMK_SPLAT(weights[r * LMK_ROW + p]);
#pragma clang loop unroll(full)
      for (size_t v = 0; v < vectors; v++) sum[r][v] = LMK_FMA(value[v], weight, sum[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vectors; v++) LMK_STORE(outputs + r * padded + element + 16 * v, sum[r][v]);
  }
}

// Whether the sums of a tile and its vectors of keys or values fit `room`, the registers of 16 lanes beside a broadcast.
LMK_INLINE int fits(const size_t room, const size_t rows, const size_t vectors) { return (rows + 1) * vectors <= room; }

// The same for any number of vectors.
LMK_INLINE void scores_rows(
    const lmk_cache_format format, const size_t room, const size_t rows, const lmk_cache *cache, size_t size,
    const float *queries, size_t position, size_t vectors, float *scores) {
  size_t v = 0;
  for (; fits(room, rows, 4) && v + 4 <= vectors; v += 4)
    scores_tile(format, rows, 4, cache, size, queries, position + 16 * v, scores + 16 * v);
  for (; fits(room, rows, 2) && v + 2 <= vectors; v += 2)
    scores_tile(format, rows, 2, cache, size, queries, position + 16 * v, scores + 16 * v);
  for (; v < vectors; v++) scores_tile(format, rows, 1, cache, size, queries, position + 16 * v, scores + 16 * v);
}

LMK_INLINE void values_rows(
    const lmk_cache_format format, const size_t room, const size_t rows, const lmk_cache *cache, size_t position,
    size_t count, const float *weights, float *outputs) {
  size_t i = 0;
  for (; fits(room, rows, 4) && i + 64 <= cache->padded; i += 64)
    values_tile(format, rows, 4, cache, position, count, i, weights, outputs);
  for (; fits(room, rows, 2) && i + 32 <= cache->padded; i += 32)
    values_tile(format, rows, 2, cache, position, count, i, weights, outputs);
  for (; i < cache->padded; i += 16) values_tile(format, rows, 1, cache, position, count, i, weights, outputs);
}

// Calls TILE with the rows r..<rows, as many at a time as there is an inlined copy for.
#define LMK_EACH_ROWS(room, rows, TILE)                    \
  for (size_t r = 0, step; r < (rows); r += step) {        \
    const size_t left = (rows) - r;                        \
    if (left >= 12 && fits(room, 12, 1)) {                      \
      step = 12;                                           \
      TILE(12);                                            \
    } else if (left >= 6) {                                \
      step = 6;                                            \
      TILE(6);                                             \
    } else if (left >= 4) {                                \
      step = 4;                                            \
      TILE(4);                                             \
    } else if (left == 3) {                                \
      step = 3;                                            \
      TILE(3);                                             \
    } else if (left == 2) {                                \
      step = 2;                                            \
      TILE(2);                                             \
    } else {                                               \
      step = 1;                                            \
      TILE(1);                                             \
    }                                                      \
  }

// scores of up to LMK_GROUP queries with 16 * `vectors` positions.
LMK_INLINE void compute_scores(
    const lmk_cache_format format, const size_t room, size_t rows, const lmk_cache *cache, size_t size, const float *queries,
    size_t position, size_t vectors, float *scores) {
#define TILE(R) scores_rows(format, room, R, cache, size, queries + r * LMK_ROW, position, vectors, scores + r * LMK_ROW)
  LMK_EACH_ROWS(room, rows, TILE)
#undef TILE
}

// Adds the values of `count` positions to the outputs of up to LMK_GROUP queries.
LMK_INLINE void add_values(
    const lmk_cache_format format, const size_t room, size_t rows, const lmk_cache *cache, size_t position, size_t count,
    const float *weights, float *outputs) {
#define TILE(R) values_rows(format, room, R, cache, position, count, weights + r * LMK_ROW, outputs + r * cache->padded)
  LMK_EACH_ROWS(room, rows, TILE)
#undef TILE
}

#include "cache.h"

#include <math.h>

#include "cache_layout.h"

size_t lmk_cache_block_bytes(lmk_cache_format format, size_t size) { return block_bytes(format, size); }

size_t lmk_cache_row_bytes(lmk_cache_format format, size_t padded) { return row_bytes(format, padded); }

// Elements that are converted at a time.
enum { PIECE = 64 };

// The largest code of a format, 0 when it has none.
static int levels(lmk_cache_format format) { return format == LMK_CACHE_INT8 ? 127 : format == LMK_CACHE_INT4 ? 7 : 0; }

// The largest magnitude, in 16 lanes since one comparison would wait for the one before.
static float magnitude(const float *x, size_t size) {
  float most[16] = {0};
  for (size_t start = 0; start < size; start += 16) {
    const size_t count = size - start < 16 ? size - start : 16;
    for (size_t lane = 0; lane < count; lane++) most[lane] = fabsf(x[start + lane]) > most[lane] ? fabsf(x[start + lane]) : most[lane];
  }
  for (size_t lane = 1; lane < 16; lane++) most[0] = most[lane] > most[0] ? most[lane] : most[0];
  return most[0];
}

// The scale of a row, into *scale when the format has one; returns what elements are multiplied by to become codes.
static float fit_scale(lmk_cache_format format, const float *x, size_t size, float *scale) {
  if (!is_scaled(format)) return 0;
  const float most = magnitude(x, size);
  *scale = most / (float)levels(format);
  return most > 0 ? (float)levels(format) / most : 0;
}

// Rounds to nearest, ties to even, for |x| < 2^22.
static int round_even(float x) { return (int)((x + 12582912.0f) - 12582912.0f); }

// Up to PIECE elements, one after the other; codes of int4 take a byte each.
static void convert(lmk_cache_format format, const float *x, size_t count, float inverse, uint8_t *out) {
  switch (format) {
    case LMK_CACHE_F32:
      memcpy(out, x, count * sizeof(float));
      break;
    case LMK_CACHE_F16:
      lmk_f32_to_f16(x, out, count);
      break;
    case LMK_CACHE_INT8:
      for (size_t i = 0; i < count; i++) out[i] = (uint8_t)round_even(x[i] * inverse);
      break;
    case LMK_CACHE_INT4:
      for (size_t i = 0; i < count; i++) out[i] = (uint8_t)(round_even(x[i] * inverse) + 8);
      break;
  }
}

// Elements start..<start + count of a converted key, to their places in the block.
static void scatter(lmk_cache_format format, const uint8_t *piece, size_t start, size_t count, uint8_t *block, size_t lane) {
  const uint8_t middle = 8;  // an odd element's partner
  for (size_t i = 0; i < count; i++) {
    uint8_t *at = block + key_offset(format, start + i, lane);
    switch (format) {
      case LMK_CACHE_F32:
        memcpy(at, piece + 4 * i, 4);
        break;
      case LMK_CACHE_F16:
        memcpy(at, piece + 2 * i, 2);
        break;
      case LMK_CACHE_INT8:
        *at = piece[i];
        break;
      case LMK_CACHE_INT4:
        if (i % 2 == 0) *at = (uint8_t)(piece[i] | (i + 1 < count ? piece[i + 1] : middle) << 4);
        break;
    }
  }
}

static void store_key(const lmk_cache *cache, size_t position, const float *key, size_t size) {
  float *scale = cache->key_scales == NULL ? NULL : cache->key_scales + position;
  const float inverse = fit_scale(cache->format, key, size, scale);
  uint8_t *block = (uint8_t *)cache->keys + position / LMK_CACHE_BLOCK * block_bytes(cache->format, size);
  for (size_t start = 0; start < size; start += PIECE) {
    const size_t count = size - start < PIECE ? size - start : PIECE;
    uint8_t piece[PIECE * sizeof(float)];
    convert(cache->format, key + start, count, inverse, piece);
    scatter(cache->format, piece, start, count, block, position % LMK_CACHE_BLOCK);
  }
}

// 32 codes from `start` on as nibbles, those past the end of the row zero.
static void store_nibbles(const float *value, size_t start, size_t size, float inverse, uint8_t *row) {
  uint8_t codes[32];
  memset(codes, 8, sizeof codes);
  convert(LMK_CACHE_INT4, value + start, size - start < 32 ? size - start : 32, inverse, codes);
  for (size_t i = 0; i < 16; i++) row[start / 2 + i] = (uint8_t)(codes[i] | codes[i + 16] << 4);
}

static void store_value(const lmk_cache *cache, size_t position, const float *value, size_t size) {
  float *scale = cache->value_scales == NULL ? NULL : cache->value_scales + position;
  const float inverse = fit_scale(cache->format, value, size, scale);
  const size_t bytes = row_bytes(cache->format, cache->padded);
  uint8_t *row = (uint8_t *)cache->values + position * bytes;
  if (cache->format == LMK_CACHE_INT4) {
    for (size_t start = 0; start < size; start += 32) store_nibbles(value, start, size, inverse, row);
  } else {
    const size_t used = size * element_bytes(cache->format);
    convert(cache->format, value, size, inverse, row);
    memset(row + used, 0, bytes - used);
  }
}

void lmk_cache_store(const lmk_cache *cache, size_t position, const float *key, const float *value, size_t size) {
  store_key(cache, position, key, size);
  store_value(cache, position, value, size);
}

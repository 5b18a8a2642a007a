#include "attention.h"

#include <math.h>

#include "dispatch.h"
#include "half.h"
#include "layers.h"
#include "reference.h"
#include "vector.h"

size_t lmk_cache_row_bytes(lmk_cache_format format, size_t padded) {
  switch (format) {
    case LMK_CACHE_F32:
      return padded * 4;
    case LMK_CACHE_F16:
      return padded * 2;
    case LMK_CACHE_INT8:
      return padded;
    case LMK_CACHE_INT4:
      return padded / 2;
  }
  return 0;
}

// Rounds to nearest, ties to even, for |x| < 2^22.
static int round_even(float x) { return (int)((x + 12582912.0f) - 12582912.0f); }

static void store_codes(const float *x, size_t size, size_t padded, int levels, int8_t *codes, float *scale) {
  float most = 0;
  for (size_t i = 0; i < size; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
  *scale = most / (float)levels;
  const float inverse = most > 0 ? (float)levels / most : 0;
  for (size_t i = 0; i < padded; i++) codes[i] = (int8_t)(i < size ? round_even(x[i] * inverse) : 0);
}

static void store_row(lmk_cache_format format, const float *x, size_t size, size_t padded, uint8_t *row, float *scale) {
  if (format == LMK_CACHE_F32 || format == LMK_CACHE_F16) {
    memset(row, 0, lmk_cache_row_bytes(format, padded));
    if (format == LMK_CACHE_F32) memcpy(row, x, size * sizeof(float));
    if (format == LMK_CACHE_F16) lmk_f32_to_f16(x, row, size);
  } else if (format == LMK_CACHE_INT8) {
    store_codes(x, size, padded, 127, (int8_t *)row, scale);
  } else {
    int8_t codes[padded];
    store_codes(x, size, padded, 7, codes, scale);
    for (size_t i = 0; i < padded / 2; i++) {
      const size_t low = i / 16 * 32 + i % 16;
      row[i] = (uint8_t)((codes[low] + 8) | (codes[low + 16] + 8) << 4);
    }
  }
}

void lmk_cache_store(const lmk_cache *cache, size_t position, const float *key, const float *value, size_t size) {
  const size_t bytes = lmk_cache_row_bytes(cache->format, cache->padded);
  float *key_scale = cache->key_scales == NULL ? NULL : cache->key_scales + position;
  float *value_scale = cache->value_scales == NULL ? NULL : cache->value_scales + position;
  store_row(cache->format, key, size, cache->padded, (uint8_t *)cache->keys + position * bytes, key_scale);
  store_row(cache->format, value, size, cache->padded, (uint8_t *)cache->values + position * bytes, value_scale);
}

// Elements i..<i + 16 of a row, not scaled.
LMK_INLINE void load_row(const lmk_cache_format format, const uint8_t *row, size_t i, v16 *out) {
  switch (format) {
    case LMK_CACHE_F32:
      *out = LMK_LOAD(v16, row + 4 * i);
      break;
    case LMK_CACHE_F16:
      *out = __builtin_convertvector(LMK_LOAD(h16, row + 2 * i), v16);
      break;
    case LMK_CACHE_INT8:
      *out = __builtin_convertvector(__builtin_convertvector(LMK_LOAD(i16x8, row + i), i16x32), v16);
      break;
    case LMK_CACHE_INT4: {
      i16x32 pair = __builtin_convertvector(LMK_LOAD(u16x8, row + i / 32 * 16), i16x32);
      *out = __builtin_convertvector((i % 32 ? pair >> 4 : pair & 15) - 8, v16);
      break;
    }
  }
}

LMK_INLINE void attend_format(
    const lmk_cache_format format, const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores,
    float *output) {
  const size_t padded = cache->padded, bytes = lmk_cache_row_bytes(format, padded);
  const int scaled = format == LMK_CACHE_INT8 || format == LMK_CACHE_INT4;
  for (size_t p = first; p < last; p++) {
    const uint8_t *row = (const uint8_t *)cache->keys + p * bytes;
    v16 sum = {}, key;
    for (size_t i = 0; i < padded; i += 16) {
      load_row(format, row, i, &key);
      sum = LMK_FMA(LMK_LOAD(v16, query + i), key, sum);
    }
    const float dot = LMK_SUM(sum);
    scores[p - first] = (scaled ? dot * cache->key_scales[p] : dot) * scale;
  }
  lmk_softmax(scores, last - first);
  for (size_t i = 0; i < padded; i += 16) {
    v16 sum = {}, value;
    for (size_t p = first; p < last; p++) {
      load_row(format, (const uint8_t *)cache->values + p * bytes, i, &value);
      const float weight = scaled ? scores[p - first] * cache->value_scales[p] : scores[p - first];
      sum = LMK_FMA(value, LMK_SPLAT(weight), sum);
    }
    LMK_STORE(output + i, sum);
  }
}

LMK_INLINE void attend_body(
    const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores, float *output) {
  switch (cache->format) {
    case LMK_CACHE_F32:
      return attend_format(LMK_CACHE_F32, cache, query, first, last, scale, scores, output);
    case LMK_CACHE_F16:
      return attend_format(LMK_CACHE_F16, cache, query, first, last, scale, scores, output);
    case LMK_CACHE_INT8:
      return attend_format(LMK_CACHE_INT8, cache, query, first, last, scale, scores, output);
    case LMK_CACHE_INT4:
      return attend_format(LMK_CACHE_INT4, cache, query, first, last, scale, scores, output);
  }
}

static float row_element(lmk_cache_format format, const uint8_t *row, size_t i) {
  float value = 0;
  switch (format) {
    case LMK_CACHE_F32:
      memcpy(&value, row + 4 * i, 4);
      break;
    case LMK_CACHE_F16:
      lmk_f16_to_f32(row + 2 * i, &value, 1);
      break;
    case LMK_CACHE_INT8:
      value = (float)(int8_t)row[i];
      break;
    case LMK_CACHE_INT4:
      value = (float)((row[i / 32 * 16 + i % 16] >> (i % 32 < 16 ? 0 : 4) & 15) - 8);
      break;
  }
  return value;
}

void lmk_ref_attend(
    const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores, float *output) {
  const size_t bytes = lmk_cache_row_bytes(cache->format, cache->padded);
  const int scaled = cache->format == LMK_CACHE_INT8 || cache->format == LMK_CACHE_INT4;
  for (size_t p = first; p < last; p++) {
    float lanes[16] = {0};
    for (size_t i = 0; i < cache->padded; i++) {
      const float key = row_element(cache->format, (const uint8_t *)cache->keys + p * bytes, i);
      lanes[i % 16] = __builtin_fmaf(query[i], key, lanes[i % 16]);
    }
    for (int width = 8; width > 0; width /= 2)
      for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
    scores[p - first] = (scaled ? lanes[0] * cache->key_scales[p] : lanes[0]) * scale;
  }
  lmk_ref_softmax(scores, last - first);
  for (size_t i = 0; i < cache->padded; i++) {
    float sum = 0;
    for (size_t p = first; p < last; p++) {
      const float value = row_element(cache->format, (const uint8_t *)cache->values + p * bytes, i);
      sum = __builtin_fmaf(value, scaled ? scores[p - first] * cache->value_scales[p] : scores[p - first], sum);
    }
    output[i] = sum;
  }
}

LMK_VARIANTS(
    attend,
    (const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores, float *output),
    (cache, query, first, last, scale, scores, output))
void lmk_attend(
    const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores, float *output) {
  LMK_DISPATCH(attend, (cache, query, first, last, scale, scores, output));
}

// Attention of one query head over one key-value head of a cache, in four storage formats.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum { LMK_CACHE_F32 = 0, LMK_CACHE_F16 = 1, LMK_CACHE_INT8 = 2, LMK_CACHE_INT4 = 3 } lmk_cache_format;

// The keys and values of one key-value head. Rows are positions; a row holds `padded` elements (a multiple of 32, the
// ones past the head size zero). int8 and int4 rows have one scale each; int4 byte i of each 16 holds element i of 32 in
// the low and element i + 16 in the high nibble, as code + 8.
typedef struct {
  lmk_cache_format format;
  size_t padded;
  void *keys;
  void *values;
  float *key_scales;
  float *value_scales;
} lmk_cache;

// Bytes of a row.
size_t lmk_cache_row_bytes(lmk_cache_format format, size_t padded);

// Writes the key and the value of `position` (`size` floats each) into the cache.
void lmk_cache_store(const lmk_cache *cache, size_t position, const float *key, const float *value, size_t size);

// output[padded] = sum over positions p in first..<last of softmax(scale * query . key[p]) * value[p].
// query has `padded` elements; scores is scratch of last - first floats.
void lmk_attend(const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores, float *output);

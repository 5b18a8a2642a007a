// The keys and values of one key-value head, in four storage formats.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum { LMK_CACHE_F32 = 0, LMK_CACHE_F16 = 1, LMK_CACHE_INT8 = 2, LMK_CACHE_INT4 = 3 } lmk_cache_format;

// Positions of a block of keys.
enum { LMK_CACHE_BLOCK = 32 };

// Keys lie in blocks, [block][element][position of the block], since scores are computed for many positions at once;
// int4 holds elements 2k and 2k + 1 of a position in the low and high nibble of one byte. Values are rows,
// [position][padded], since outputs are computed for many elements at once; `padded` is the head size rounded up to a
// multiple of 16, the elements past the head size are zero, and int4 holds elements i and i + 16 of each 32 in the low
// and high nibble of byte i of 16. A nibble is a code + 8. int8 and int4 have one scale for each position, of the key and
// of the value. Keys and scales have space for a multiple of 32 positions.
typedef struct {
  lmk_cache_format format;
  size_t padded;
  void *keys;
  void *values;
  float *key_scales;
  float *value_scales;
} lmk_cache;

// Bytes of a block of 32 keys of `size` elements.
size_t lmk_cache_block_bytes(lmk_cache_format format, size_t size);

// Bytes of a row of `padded` values.
size_t lmk_cache_row_bytes(lmk_cache_format format, size_t padded);

// Writes the key and the value of `position` (`size` floats each) into the cache.
void lmk_cache_store(const lmk_cache *cache, size_t position, const float *key, const float *value, size_t size);

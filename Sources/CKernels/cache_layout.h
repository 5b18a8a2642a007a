// Where the elements of a cache are, and what they stand for; see cache.h.
#pragma once
#include "cache.h"
#include "half.h"
#include "vector.h"

// Bytes of an element, of a pair for int4.
LMK_INLINE size_t element_bytes(const lmk_cache_format format) {
  return format == LMK_CACHE_F32 ? 4 : format == LMK_CACHE_F16 ? 2 : 1;
}

// Bytes of a block of keys, and of a row of values.
LMK_INLINE size_t block_bytes(const lmk_cache_format format, size_t size) {
  return (format == LMK_CACHE_INT4 ? (size + 1) / 2 : size) * LMK_CACHE_BLOCK * element_bytes(format);
}
LMK_INLINE size_t row_bytes(const lmk_cache_format format, size_t padded) {
  return format == LMK_CACHE_INT4 ? (padded + 31) / 32 * 16 : padded * element_bytes(format);
}

// Element `i` of the key at `lane` of a block: bytes from the start of the block, and which bits of a byte of int4.
LMK_INLINE size_t key_offset(const lmk_cache_format format, size_t i, size_t lane) {
  return ((format == LMK_CACHE_INT4 ? i / 2 : i) * LMK_CACHE_BLOCK + lane) * element_bytes(format);
}
LMK_INLINE unsigned key_shift(size_t i) { return i % 2 * 4; }

// Element `i` of a value: bytes from the start of the row, and which bits of a byte of int4.
LMK_INLINE size_t value_offset(const lmk_cache_format format, size_t i) {
  return format == LMK_CACHE_INT4 ? i / 32 * 16 + i % 16 : i * element_bytes(format);
}
LMK_INLINE unsigned value_shift(size_t i) { return i % 32 / 16 * 4; }

// Sixteen neighbours, not scaled.
LMK_INLINE void load_elements(const lmk_cache_format format, const uint8_t *at, unsigned shift, v16 *out) {
  switch (format) {
    case LMK_CACHE_F32:
      *out = LMK_LOAD(v16, at);
      break;
    case LMK_CACHE_F16:
      *out = __builtin_convertvector(LMK_LOAD(h16, at), v16);
      break;
    case LMK_CACHE_INT8:
      *out = __builtin_convertvector(__builtin_convertvector(LMK_LOAD(i16x8, at), i16x32), v16);
      break;
    case LMK_CACHE_INT4: {
      i16x32 pair = __builtin_convertvector(LMK_LOAD(u16x8, at), i16x32);
      *out = __builtin_convertvector((pair >> (int32_t)shift & 15) - 8, v16);
      break;
    }
  }
}

// One of them.
static inline float load_element(lmk_cache_format format, const uint8_t *at, unsigned shift) {
  switch (format) {
    case LMK_CACHE_F32: {
      float value;
      memcpy(&value, at, sizeof value);
      return value;
    }
    case LMK_CACHE_F16: {
      uint16_t half;
      memcpy(&half, at, sizeof half);
      return lmk_f16_to_f32_one(half);
    }
    case LMK_CACHE_INT8:
      return (float)(int8_t)*at;
    case LMK_CACHE_INT4:
      return (float)((*at >> shift & 15) - 8);
  }
  return 0;
}

// Whether elements are codes, which a scale for each position turns into floats.
LMK_INLINE int is_scaled(const lmk_cache_format format) { return format == LMK_CACHE_INT8 || format == LMK_CACHE_INT4; }

// Where things are in a block of a coded matrix. See coded.h.
#pragma once
#include <string.h>

#include "coded.h"
#include "half.h"

// Bytes before the first group.
static inline size_t coded_header_bytes(const lmk_coded *m) {
  return m->scaling == LMK_SCALES_ROWS ? (m->has_minimum ? 2 : 1) * LMK_CODED_BLOCK * sizeof(float) : 0;
}

// Bytes of scales and minimums at the start of a group.
static inline size_t coded_factor_bytes(const lmk_coded *m) {
  return m->scaling == LMK_SCALES_GROUPED ? (m->has_minimum ? 2 : 1) * LMK_CODED_BLOCK * sizeof(uint16_t) : 0;
}

// Bytes of a group.
static inline size_t coded_group_bytes(const lmk_coded *m) {
  return coded_factor_bytes(m) + (size_t)m->bits * LMK_CODED_GROUP * LMK_CODED_BLOCK / 8;
}

// One factor of an output: `which` is 0 for the scale, 1 for the minimum.
static inline float coded_factor(const lmk_coded *m, const uint8_t *block, size_t group, size_t lane, size_t which) {
  const size_t index = which * LMK_CODED_BLOCK + lane;
  if (m->scaling == LMK_SCALES_ROWS) {
    float factor;
    memcpy(&factor, block + index * sizeof factor, sizeof factor);
    return factor;
  }
  uint16_t half;
  memcpy(&half, block + group * coded_group_bytes(m) + index * sizeof half, sizeof half);
  return lmk_f16_to_f32_one(half);
}

static inline float coded_scale(const lmk_coded *m, const uint8_t *block, size_t group, size_t lane) {
  return coded_factor(m, block, group, lane, 0);
}

static inline float coded_minimum(const lmk_coded *m, const uint8_t *block, size_t group, size_t lane) {
  return m->has_minimum ? coded_factor(m, block, group, lane, 1) : 0;
}

// The stored code of input `k` of a group, offset included.
static inline int coded_code(const lmk_coded *m, const uint8_t *block, size_t group, size_t k, size_t lane) {
  const uint8_t *codes = block + coded_header_bytes(m) + group * coded_group_bytes(m) + coded_factor_bytes(m);
  const size_t quad = k / 4;
  if (m->bits == 8) return codes[(quad * LMK_CODED_BLOCK + lane) * 4 + k % 4];
  return codes[(quad / 2 * LMK_CODED_BLOCK + lane) * 4 + k % 4] >> (quad % 2 * 4) & 15;
}

// Bytes of words, bytes and inputs, which lie together in this order.
static inline size_t coded_outlier_bytes(const lmk_coded_outliers *outliers) {
  const size_t numbers = LMK_CODED_BLOCK * (outliers->small + outliers->large * sizeof(int16_t));
  return numbers + (outliers->small + outliers->large) * sizeof(uint32_t);
}

// The number of one output among those of the outlier `index`.
static inline float coded_outlier(const lmk_coded_outliers *outliers, size_t index, size_t lane) {
  const size_t word = index - outliers->small;
  return index < outliers->small ? (float)outliers->bytes[index * LMK_CODED_BLOCK + lane]
                                 : (float)outliers->words[word * LMK_CODED_BLOCK + lane];
}

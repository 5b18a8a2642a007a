// What encoder, decoder and reference of rans.h share.
#pragma once
#include "rans.h"

enum {
  RANS_BITS = 12,
  RANS_LOWEST = 1 << 16,  // states are RANS_LOWEST..<2^32; the encoder starts with it, the decoder ends with it
  RANS_CODE_BIAS = 128,
  RANS_ESCAPE = 0,
};

static inline int rans_class(int row_code, int column_code) {
  int sum = row_code + column_code - RANS_CODE_BIAS;
  int class = sum < 0 ? 0 : sum >> 1;
  return class < LMK_RANS_CLASSES ? class : LMK_RANS_CLASSES - 1;
}

// The model of a class, and the low bits of the index that are sent as they are.
static inline int rans_model(int class) { return class < LMK_RANS_MODELS ? class : LMK_RANS_MODELS - 4 + (class & 3); }
static inline int rans_raw(int class) { return class < LMK_RANS_MODELS ? 0 : (class - (LMK_RANS_MODELS - 4)) >> 2; }

static inline int rans_next(int trellis, int state, int32_t index) {
  static const uint8_t h266[8][2] = {{0, 2}, {5, 7}, {1, 3}, {6, 4}, {2, 0}, {4, 6}, {3, 1}, {7, 5}};
  static const uint8_t taps[LMK_RANS_TRELLISES][2] = {{0, 0}, {12, 2}, {20, 2}, {48, 10}, {92, 53}, {178, 79}};
  if (trellis == 0) return h266[state][index & 1];
  return state >> 1 ^ (state & 1 ? taps[trellis][0] : 0) ^ (index & 1 ? taps[trellis][1] : 0);
}

static inline int32_t rans_value(int state, int32_t index) {
  int32_t sign = (index > 0) - (index < 0);
  return 2 * index - (state & 1 ? sign : 0);
}

// The index behind a value that such a state allows.
static inline int32_t rans_index(int state, int32_t value) {
  int32_t sign = (value > 0) - (value < 0);
  return (value + (state & 1 ? sign : 0)) / 2;
}

static inline int32_t rans_magnitude(int32_t value) { return value < 0 ? -value : value; }

// An escaped high part is 1 + its zigzag, and that is its length in bits but one and the bits below the highest.
static inline uint32_t rans_escaped(int32_t high) { return 1 + (high < 0 ? 2 * (uint32_t)~high + 1 : 2 * (uint32_t)high); }
static inline int rans_length(uint32_t escaped) { return 31 - __builtin_clz(escaped); }
static inline int32_t rans_unescaped(uint32_t escaped) {
  uint32_t zigzag = escaped - 1;
  return zigzag & 1 ? ~(int32_t)(zigzag >> 1) : (int32_t)(zigzag >> 1);
}

static inline int rans_is_in_reach(int32_t high) { return high >= -LMK_RANS_REACH && high <= LMK_RANS_REACH; }

static inline size_t rans_lane_rows(const lmk_rans_matrix *matrix, size_t lane) {
  size_t left = matrix->rows - lane * LMK_RANS_LANE;
  return left < LMK_RANS_LANE ? left : LMK_RANS_LANE;
}

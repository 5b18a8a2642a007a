// The product kernel: a few tokens against one block of 32 outputs. `format` and `tokens` are constants at every call, so
// that each inlined copy keeps its sums in registers; the caller's target attribute decides the instructions.
// See product.h for the layout and reference.c for the definition.
#pragma once
#include "product.h"
#include "vector.h"

// The most tokens of a tile: 24 of the 32 zmm registers hold sums.
enum { LMK_MOST_TOKENS = 12 };

// 16 weights of input k, from output `lane` (0 or 16) of the block. Codes are not scaled yet.
LMK_INLINE void load_weights(const lmk_format format, const uint8_t *values, size_t k, size_t lane, v16 *out) {
  const size_t element = k * LMK_BLOCK + lane;
  switch (format) {
    case LMK_F32:
      *out = LMK_LOAD(v16, values + 4 * element);
      break;
    case LMK_F16:
      *out = __builtin_convertvector(LMK_LOAD(h16, values + 2 * element), v16);
      break;
    case LMK_BF16:
      *out = (v16)(__builtin_convertvector(LMK_LOAD(u16x16, values + 2 * element), u16x32) << 16);
      break;
    case LMK_INT8:
      *out = __builtin_convertvector(__builtin_convertvector(LMK_LOAD(i16x8, values + element), i16x32), v16);
      break;
    case LMK_UINT8:
      *out = __builtin_convertvector(__builtin_convertvector(LMK_LOAD(u16x8, values + element), i16x32), v16);
      break;
    case LMK_INT4:
    case LMK_UINT4: {
      i16x32 pair = __builtin_convertvector(LMK_LOAD(u16x8, values + k / 2 * LMK_BLOCK + lane), i16x32);
      i16x32 code = k % 2 ? pair >> 4 : pair & 15;
      *out = __builtin_convertvector(format == LMK_INT4 ? code - 8 : code, v16);
      break;
    }
  }
}

// Adds input k of all tokens to `sum`.
LMK_INLINE void add_input(
    const lmk_format format, const size_t tokens, const uint8_t *values, const float *x, size_t inputs, size_t k, v16 sum[][2]) {
  v16 low, high;
  load_weights(format, values, k, 0, &low);
  load_weights(format, values, k, 16, &high);
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) {
    v16 input = LMK_SPLAT(x[t * inputs + k]);
    sum[t][0] = LMK_FMA(low, input, sum[t][0]);
    sum[t][1] = LMK_FMA(high, input, sum[t][1]);
  }
}

// total += scale * sum + minimum * (sum of x), for 16 outputs of all tokens.
LMK_INLINE void add_group(
    const size_t tokens, const lmk_matrix *m, size_t place, size_t half, const float *sums, size_t groups, v16 sum[][2], v16 total[][2]) {
  v16 scale = __builtin_convertvector(LMK_LOAD(h16, m->scales + place + half * 16), v16);
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) total[t][half] = LMK_FMA(scale, sum[t][half], total[t][half]);
  if (m->minimums == NULL) return;
  v16 minimum = __builtin_convertvector(LMK_LOAD(h16, m->minimums + place + half * 16), v16);
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) {
    v16 input = LMK_SPLAT(sums[t * groups]);
    total[t][half] = LMK_FMA(minimum, input, total[t][half]);
  }
}

// `tokens` rows of x against `block`; y points at the block's first output of the first token.
LMK_INLINE void product_tile(
    const lmk_format format, const size_t tokens, const lmk_matrix *m, size_t block, const float *x, const float *sums, float *y,
    size_t width) {
  const size_t inputs = m->inputs, group = m->group ? m->group : inputs, groups = lmk_groups(inputs, group);
  const uint8_t *values = (const uint8_t *)m->values + block * lmk_block_bytes(format, inputs);
  v16 total[LMK_MOST_TOKENS][2];
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) total[t][0] = total[t][1] = (v16){};
  for (size_t g = 0; g < groups; g++) {
    const size_t end = (g + 1) * group < inputs ? (g + 1) * group : inputs;
    v16 sum[LMK_MOST_TOKENS][2];
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = (v16){};
    size_t k = g * group;
    for (; k + 2 <= end; k += 2) {  // groups start at even inputs: the two nibbles of a byte
      add_input(format, tokens, values, x, inputs, k, sum);
      add_input(format, tokens, values, x, inputs, k + 1, sum);
    }
    if (k < end) add_input(format, tokens, values, x, inputs, k, sum);
    if (format == LMK_F32 || format == LMK_F16 || format == LMK_BF16) {
#pragma clang loop unroll(full)
      for (size_t t = 0; t < tokens; t++) total[t][0] = sum[t][0], total[t][1] = sum[t][1];
    } else {
      const size_t place = (block * groups + g) * LMK_BLOCK;
      add_group(tokens, m, place, 0, sums == NULL ? NULL : sums + g, groups, sum, total);
      add_group(tokens, m, place, 1, sums == NULL ? NULL : sums + g, groups, sum, total);
    }
  }
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) {
    float *row = y + t * m->outputs;
    if (width == LMK_BLOCK) {
      LMK_STORE(row, total[t][0]);
      LMK_STORE(row + 16, total[t][1]);
    } else {
      float outputs[LMK_BLOCK];
      LMK_STORE(outputs, total[t][0]);
      LMK_STORE(outputs + 16, total[t][1]);
      memcpy(row, outputs, width * sizeof(float));
    }
  }
}

// All tokens against blocks first..<last, in tiles of `most` tokens, then of 4, then one by one.
LMK_INLINE void product_blocks(
    const lmk_format format, const size_t most, const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens,
    const float *sums, float *y) {
  const size_t groups = sums == NULL ? 0 : lmk_groups(m->inputs, m->group);
  for (size_t block = first; block < last; block++) {
    const size_t start = block * LMK_BLOCK, left = m->outputs - start, width = left < LMK_BLOCK ? left : LMK_BLOCK;
    size_t t = 0;
    for (; t + most <= tokens; t += most)
      product_tile(format, most, m, block, x + t * m->inputs, sums == NULL ? NULL : sums + t * groups, y + t * m->outputs + start, width);
    for (; most > 4 && t + 4 <= tokens; t += 4)
      product_tile(format, 4, m, block, x + t * m->inputs, sums == NULL ? NULL : sums + t * groups, y + t * m->outputs + start, width);
    for (; t < tokens; t++)
      product_tile(format, 1, m, block, x + t * m->inputs, sums == NULL ? NULL : sums + t * groups, y + t * m->outputs + start, width);
  }
}

LMK_INLINE void product_any(
    const size_t most, const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y) {
  switch (m->format) {
    case LMK_F32:
      return product_blocks(LMK_F32, most, m, first, last, x, tokens, sums, y);
    case LMK_F16:
      return product_blocks(LMK_F16, most, m, first, last, x, tokens, sums, y);
    case LMK_BF16:
      return product_blocks(LMK_BF16, most, m, first, last, x, tokens, sums, y);
    case LMK_INT8:
      return product_blocks(LMK_INT8, most, m, first, last, x, tokens, sums, y);
    case LMK_UINT8:
      return product_blocks(LMK_UINT8, most, m, first, last, x, tokens, sums, y);
    case LMK_INT4:
      return product_blocks(LMK_INT4, most, m, first, last, x, tokens, sums, y);
    case LMK_UINT4:
      return product_blocks(LMK_UINT4, most, m, first, last, x, tokens, sums, y);
  }
}

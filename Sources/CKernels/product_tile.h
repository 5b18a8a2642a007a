// The product kernel: a few tokens against a few blocks of 32 outputs. `format`, `tokens` and `blocks` are constants at every
// call, so that each inlined copy keeps its sums in registers; the caller's target attribute decides the instructions.
// See product.h for the layout and reference.c for the definition.
#pragma once
#include "product.h"
#include "vector.h"

// The most tokens times blocks of a tile: 24 of the 32 zmm registers hold sums.
enum { LMK_MOST_SUMS = 12 };

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

// Adds input k of all tokens to `sum`, [token][block][half of the block].
LMK_INLINE void add_input(
    const lmk_format format, const size_t tokens, const size_t blocks, const uint8_t *values, size_t block_bytes, const float *x,
    size_t inputs, size_t k, v16 sum[][2]) {
#pragma clang loop unroll(full)
  for (size_t b = 0; b < blocks; b++) {
    v16 low, high;
    load_weights(format, values + b * block_bytes, k, 0, &low);
    load_weights(format, values + b * block_bytes, k, 16, &high);
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) {
      v16 input = LMK_SPLAT(x[t * inputs + k]);
      sum[t * blocks + b][0] = LMK_FMA(low, input, sum[t * blocks + b][0]);
      sum[t * blocks + b][1] = LMK_FMA(high, input, sum[t * blocks + b][1]);
    }
  }
}

// total += scale * sum + minimum * (sum of x), for 16 outputs of one block and all tokens.
LMK_INLINE void add_group(
    const size_t tokens, const size_t blocks, const size_t b, const size_t half, const lmk_matrix *m, size_t place, const float *sums,
    size_t groups, v16 sum[][2], v16 total[][2]) {
  v16 scale = __builtin_convertvector(LMK_LOAD(h16, m->scales + place + half * 16), v16);
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++)
    total[t * blocks + b][half] = LMK_FMA(scale, sum[t * blocks + b][half], total[t * blocks + b][half]);
  if (m->minimums == NULL) return;
  v16 minimum = __builtin_convertvector(LMK_LOAD(h16, m->minimums + place + half * 16), v16);
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) {
    v16 input = LMK_SPLAT(sums[t * groups]);
    total[t * blocks + b][half] = LMK_FMA(minimum, input, total[t * blocks + b][half]);
  }
}

// Writes the outputs of one block for one token; `width` of them lie within the matrix.
LMK_INLINE void store_block(v16 total[2], float *y, size_t width) {
  if (width >= LMK_BLOCK) {
    LMK_STORE(y, total[0]);
    LMK_STORE(y + 16, total[1]);
  } else {
    float outputs[LMK_BLOCK];
    LMK_STORE(outputs, total[0]);
    LMK_STORE(outputs + 16, total[1]);
    memcpy(y, outputs, width * sizeof(float));
  }
}

// `tokens` rows of x against `blocks` blocks from `block` on; y points at the first block's first output of the first token.
LMK_INLINE void product_tile(
    const lmk_format format, const size_t tokens, const size_t blocks, const lmk_matrix *m, size_t block, const float *x,
    const float *sums, float *y) {
  const size_t inputs = m->inputs, group = m->group ? m->group : inputs, groups = lmk_groups(inputs, group);
  const size_t block_bytes = lmk_block_bytes(format, inputs);
  const uint8_t *values = (const uint8_t *)m->values + block * block_bytes;
  v16 total[LMK_MOST_SUMS][2];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tokens * blocks; i++) total[i][0] = total[i][1] = (v16){};
  for (size_t g = 0; g < groups; g++) {
    const size_t end = (g + 1) * group < inputs ? (g + 1) * group : inputs;
    v16 sum[LMK_MOST_SUMS][2];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < tokens * blocks; i++) sum[i][0] = sum[i][1] = (v16){};
    size_t k = g * group;
    for (; k + 2 <= end; k += 2) {  // groups start at even inputs: the two nibbles of a byte
      add_input(format, tokens, blocks, values, block_bytes, x, inputs, k, sum);
      add_input(format, tokens, blocks, values, block_bytes, x, inputs, k + 1, sum);
    }
    if (k < end) add_input(format, tokens, blocks, values, block_bytes, x, inputs, k, sum);
    if (format == LMK_F32 || format == LMK_F16 || format == LMK_BF16) {
#pragma clang loop unroll(full)
      for (size_t i = 0; i < tokens * blocks; i++) total[i][0] = sum[i][0], total[i][1] = sum[i][1];
    } else {
#pragma clang loop unroll(full)
      for (size_t b = 0; b < blocks; b++) {
        const size_t place = ((block + b) * groups + g) * LMK_BLOCK;
        add_group(tokens, blocks, b, 0, m, place, sums == NULL ? NULL : sums + g, groups, sum, total);
        add_group(tokens, blocks, b, 1, m, place, sums == NULL ? NULL : sums + g, groups, sum, total);
      }
    }
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tokens * blocks; i++) {
    const size_t start = (block + i % blocks) * LMK_BLOCK;
    store_block(total[i], y + i / blocks * m->outputs + i % blocks * LMK_BLOCK, m->outputs - start);
  }
}

// All tokens against blocks first..<last: tiles of `most` tokens by one block, then of 4, then single tokens by `wide` blocks,
// so that enough sums are under way to hide the latency of the fused multiply-add.
LMK_INLINE void product_blocks(
    const lmk_format format, const size_t most, const size_t wide, const lmk_matrix *m, size_t first, size_t last, const float *x,
    size_t tokens, const float *sums, float *y) {
  const size_t groups = sums == NULL ? 0 : lmk_groups(m->inputs, m->group);
  const size_t tiled = tokens / most * most, fours = most > 4 ? tiled + (tokens - tiled) / 4 * 4 : tiled;
  for (size_t block = first; block < last; block++) {
    for (size_t t = 0; t < tiled; t += most)
      product_tile(format, most, 1, m, block, x + t * m->inputs, sums == NULL ? NULL : sums + t * groups, y + t * m->outputs + block * LMK_BLOCK);
    for (size_t t = tiled; t < fours; t += 4)
      product_tile(format, 4, 1, m, block, x + t * m->inputs, sums == NULL ? NULL : sums + t * groups, y + t * m->outputs + block * LMK_BLOCK);
  }
  for (size_t t = fours; t < tokens; t++) {
    const float *input = x + t * m->inputs, *input_sums = sums == NULL ? NULL : sums + t * groups;
    size_t block = first;
    for (; block + wide <= last; block += wide)
      product_tile(format, 1, wide, m, block, input, input_sums, y + t * m->outputs + block * LMK_BLOCK);
    for (; block < last; block++) product_tile(format, 1, 1, m, block, input, input_sums, y + t * m->outputs + block * LMK_BLOCK);
  }
}

LMK_INLINE void product_any(
    const size_t most, const size_t wide, const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens,
    const float *sums, float *y) {
  switch (m->format) {
    case LMK_F32:
      return product_blocks(LMK_F32, most, wide, m, first, last, x, tokens, sums, y);
    case LMK_F16:
      return product_blocks(LMK_F16, most, wide, m, first, last, x, tokens, sums, y);
    case LMK_BF16:
      return product_blocks(LMK_BF16, most, wide, m, first, last, x, tokens, sums, y);
    case LMK_INT8:
      return product_blocks(LMK_INT8, most, wide, m, first, last, x, tokens, sums, y);
    case LMK_UINT8:
      return product_blocks(LMK_UINT8, most, wide, m, first, last, x, tokens, sums, y);
    case LMK_INT4:
      return product_blocks(LMK_INT4, most, wide, m, first, last, x, tokens, sums, y);
    case LMK_UINT4:
      return product_blocks(LMK_UINT4, most, wide, m, first, last, x, tokens, sums, y);
  }
}

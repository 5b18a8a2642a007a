// The product kernel: a few tokens against a few blocks of 32 outputs. `format`, `tokens` and `blocks` are constants at every
// call, so that each inlined copy keeps its sums in registers; the caller's target attribute decides the instructions.
// See product.h for the layout and reference.c for the definition.
#pragma once
#include "product.h"
#include "vector.h"

// The most tokens times blocks of a tile: 24 of the 32 zmm registers hold sums.
enum { LMK_MOST_SUMS = 12 };

// 16 weights of input k, from output `lane` (0 or 16) of the block.
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
    const lmk_format format, const size_t tokens, const size_t blocks, const lmk_matrix *m, size_t block, const float *x, float *y,
    size_t stride) {
  const size_t inputs = m->inputs, block_bytes = lmk_block_bytes(format, inputs);
  const uint8_t *values = (const uint8_t *)m->values + block * block_bytes;
  v16 sum[LMK_MOST_SUMS][2];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tokens * blocks; i++) sum[i][0] = sum[i][1] = (v16){};
  for (size_t k = 0; k < inputs; k++) add_input(format, tokens, blocks, values, block_bytes, x, inputs, k, sum);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tokens * blocks; i++) {
    const size_t start = (block + i % blocks) * LMK_BLOCK;
    store_block(sum[i], y + i / blocks * stride + i % blocks * LMK_BLOCK, m->outputs - start);
  }
}

// All tokens against blocks first..<last: tiles of `most` tokens by one block, then of 4, then single tokens by `wide` blocks,
// so that enough sums are under way to hide the latency of the fused multiply-add.
LMK_INLINE void product_blocks(
    const lmk_format format, const size_t most, const size_t wide, const lmk_matrix *m, size_t first, size_t last, const float *x,
    size_t tokens, float *y, size_t stride) {
  const size_t tiled = tokens / most * most, fours = most > 4 ? tiled + (tokens - tiled) / 4 * 4 : tiled;
  for (size_t block = first; block < last; block++) {
    float *out = y + block * LMK_BLOCK;
    for (size_t t = 0; t < tiled; t += most) product_tile(format, most, 1, m, block, x + t * m->inputs, out + t * stride, stride);
    for (size_t t = tiled; t < fours; t += 4) product_tile(format, 4, 1, m, block, x + t * m->inputs, out + t * stride, stride);
  }
  for (size_t t = fours; t < tokens; t++) {
    const float *input = x + t * m->inputs;
    float *out = y + t * stride;
    size_t block = first;
    for (; block + wide <= last; block += wide) product_tile(format, 1, wide, m, block, input, out + block * LMK_BLOCK, stride);
    for (; block < last; block++) product_tile(format, 1, 1, m, block, input, out + block * LMK_BLOCK, stride);
  }
}

LMK_INLINE void product_any(
    const size_t most, const size_t wide, const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, float *y,
    size_t stride) {
  switch (m->format) {
    case LMK_F32:
      return product_blocks(LMK_F32, most, wide, m, first, last, x, tokens, y, stride);
    case LMK_F16:
      return product_blocks(LMK_F16, most, wide, m, first, last, x, tokens, y, stride);
    case LMK_BF16:
      return product_blocks(LMK_BF16, most, wide, m, first, last, x, tokens, y, stride);
  }
}

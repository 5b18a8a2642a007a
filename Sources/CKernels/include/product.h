// Products of a weight matrix with activation vectors: y[t][o] = sum over k of w[o][k] * x[t][k].
//
// Weights are kept in blocks of 32 outputs, input by input, so that the kernels vectorise over outputs and add over k in
// one fixed order with fused multiply-add. All instruction sets and any number of threads therefore agree to the bit, and
// so does one token at a time with many at once.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { LMK_BLOCK = 32 };

typedef enum {
  LMK_F32 = 0,
  LMK_F16 = 1,
  LMK_BF16 = 2,
  LMK_INT8 = 3,   // signed codes
  LMK_UINT8 = 4,  // unsigned codes with a minimum
  LMK_INT4 = 5,   // codes 0...15 that stand for -8...7
  LMK_UINT4 = 6,  // codes 0...15 with a minimum
} lmk_format;

// A weight matrix in compute layout. Values: [block][k][32] elements; 4-bit: [block][(k + 1) / 2][32] bytes, the even k
// in the low nibble. Outputs past the end are zero. Codes: y = sum over groups of scale * sum of (code * x), plus
// minimum * sum of x; scales and minimums: f16 bits, [block][group][32], groups of `group` consecutive inputs.
typedef struct {
  lmk_format format;
  size_t outputs;
  size_t inputs;
  size_t group;  // inputs per scale; 0 for the float formats
  const void *values;
  const uint16_t *scales;    // NULL for the float formats
  const uint16_t *minimums;  // NULL without minimum
} lmk_matrix;

// Bytes of `values` of one block, and the number of groups of a row.
size_t lmk_block_bytes(lmk_format format, size_t inputs);
size_t lmk_groups(size_t inputs, size_t group);

// Lays out `rows` (at most 32) consecutive rows of a row-major matrix as one block. `source` holds elements of the format
// (f32, f16, bf16, bytes, or for 4 bits rows of (inputs + 1) / 2 bytes with the even column in the low nibble).
void lmk_pack_block(lmk_format format, const void *source, size_t rows, size_t inputs, void *block);

// The same for scales or minimums: row-major [rows][groups] to [groups][32].
void lmk_pack_scales(const uint16_t *source, size_t rows, size_t groups, uint16_t *block);

// Reads row `output` of the matrix as floats: output[inputs].
void lmk_row(const lmk_matrix *matrix, size_t output, float *row);

// sums[t][group] = sum of x over the group, needed for matrices with a minimum.
void lmk_group_sums(const float *x, size_t tokens, size_t inputs, size_t group, float *sums);

// y[t][o] for all tokens and the outputs of blocks first..<last. x: [tokens][inputs], y: [tokens][outputs].
void lmk_product(const lmk_matrix *matrix, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y);

// Products of a matrix of floats with activation vectors: y[t][o] = sum over k of w[o][k] * x[t][k].
//
// Weights are kept in blocks of 32 outputs, input by input, so that the kernels vectorise over outputs and add over k in
// one fixed order with fused multiply-add. All instruction sets and any number of threads therefore agree to the bit, and
// so does one token at a time with many at once.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { LMK_BLOCK = 32 };

typedef enum { LMK_F32 = 0, LMK_F16 = 1, LMK_BF16 = 2 } lmk_format;

// A weight matrix in compute layout: [block][k][32] elements; outputs past the end are zero.
typedef struct {
  lmk_format format;
  size_t outputs;
  size_t inputs;
  const void *values;
} lmk_matrix;

// Bytes of `values` of one block.
size_t lmk_block_bytes(lmk_format format, size_t inputs);

// Lays out `rows` (at most 32) consecutive rows of a row-major matrix of the format's elements as one block.
void lmk_pack_block(lmk_format format, const void *source, size_t rows, size_t inputs, void *block);

// Reads row `output` of the matrix as floats: output[inputs].
void lmk_row(const lmk_matrix *matrix, size_t output, float *row);

// y[t * stride + o] for all tokens and the outputs o of blocks first..<last. x: [tokens][inputs].
void lmk_product(const lmk_matrix *matrix, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride);

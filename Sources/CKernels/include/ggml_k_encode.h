// Encoders of two of ggml's k-quants. Steps of the groups are found by least squares over a few candidates, then they are coded, and
// the weights are rounded once more to what the coded steps can say. Rows of 256 weights a block; layouts: ggml_k_quants.c.
#pragma once
#include <stddef.h>

// 144 bytes a block: 8 groups of 32 with a step and a minimum of 6 bits each, 4 bits a weight.
void lmk_encode_q4_k(const float *x, size_t blocks, void *output);

// 210 bytes a block: 16 groups of 16 with a step of 8 bits, 6 bits a weight.
void lmk_encode_q6_k(const float *x, size_t blocks, void *output);

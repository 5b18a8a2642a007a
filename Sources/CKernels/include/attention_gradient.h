// Attention for training: of one head of keys and values and the queries that share it, over one text from its start, with the way back.
// Nothing is kept between the two: the way back computes the probabilities again, a tile of queries at a time.
#pragma once
#include <stddef.h>

#include "gemm.h"

enum { LMK_ATTENTION_TILE = 64 };  // queries of a head at a time

typedef struct {
  const float *queries;  // head h of token t: `size` floats at t * query_stride + h * size; outputs likewise
  size_t query_stride;
  const float *keys, *values;  // of token t: `size` floats at t * key_stride
  size_t key_stride;
  size_t tokens, heads, size;
  size_t window;  // a token sees this many positions, itself included; 0 for all
  float scale;
  float softcap;  // c makes a score s c * tanh(s / c); 0 for none
  lmk_gemm_arithmetic arithmetic;  // of the products
} lmk_attention_text;

// Floats of scratch, aligned to 64 bytes, of either call.
size_t lmk_attention_text_scratch(const lmk_attention_text *text);

// outputs = sum over the positions p that a token sees of softmax(scale * query . key[p]) * value[p].
void lmk_attention_text_forward(const lmk_attention_text *text, float *outputs, float *scratch);

// The gradients of queries (written), and of keys and values (added to), given that of the outputs. The strides are those of what
// they are gradients of.
void lmk_attention_text_backward(
    const lmk_attention_text *text, const float *doutputs, float *dqueries, float *dkeys, float *dvalues, float *scratch);

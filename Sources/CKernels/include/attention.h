// Attention of many queries over one key-value head of a cache, causal, with the softmax computed while the keys go by
// (Milakov and Gimelshein 2018; Dao et al. 2022): no scores of the whole context.
#pragma once
#include "cache.h"

// The chunk of positions after which the softmax is brought up to date. Chunks start at multiples of it, so the
// arithmetic of a query depends on its own position alone, not on the queries beside it.
enum { LMK_ATTENTION_CHUNK = 128 };

// `tokens` consecutive positions, each with `heads` query heads that share the key-value head.
typedef struct {
  const float *queries;  // head h of token t: `size` floats at t * query_stride + h * size
  size_t query_stride;
  float *outputs;        // likewise; not the queries
  size_t output_stride;
  size_t tokens, heads, size;
  size_t position;       // of the first token
  size_t window;         // a token sees this many positions, itself included; 0 for all
  float scale;
  float softcap;         // c makes a score s c * tanh(s / c); 0 for none
} lmk_attention;

// Bytes of scratch of one call, whatever its tokens and positions.
size_t lmk_attention_scratch_bytes(size_t padded);

// output = sum over the positions p that the token sees of softmax(scale * query . key[p]) * value[p]. Positions that no
// token sees may hold anything. scratch is aligned to 64 bytes.
void lmk_attend(const lmk_cache *cache, const lmk_attention *work, void *scratch);

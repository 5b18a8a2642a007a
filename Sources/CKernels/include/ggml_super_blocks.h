// Decoders of ggml's other block types: k-quants, i-quants, ternary and 4-bit float types. Layouts: `block_*` in
// ggml/src/ggml-common.h; values: dequantize_row_* in ggml-quants.c, to the bit. Sources need no alignment.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum {
  LMK_Q2_K, LMK_Q3_K, LMK_Q4_K, LMK_Q5_K, LMK_Q6_K, LMK_Q8_K,
  LMK_IQ1_S, LMK_IQ1_M, LMK_IQ2_XXS, LMK_IQ2_XS, LMK_IQ2_S, LMK_IQ3_XXS, LMK_IQ3_S, LMK_IQ4_NL, LMK_IQ4_XS,
  LMK_TQ1_0, LMK_TQ2_0, LMK_MXFP4, LMK_NVFP4, LMK_Q1_0, LMK_Q2_0,
} lmk_super_block;

// Decodes `blocks` blocks that follow one another.
void lmk_super_blocks_to_f32(lmk_super_block type, const void *source, float *output, size_t blocks);

// What is common to the decoders: each turns one block into floats.
void lmk_decode_k_quant(lmk_super_block type, const uint8_t *block, float *output);
void lmk_decode_i_quant(lmk_super_block type, const uint8_t *block, float *output);
void lmk_decode_small(lmk_super_block type, const uint8_t *block, float *output);

// Elements and bytes of a block.
size_t lmk_super_block_elements(lmk_super_block type);
size_t lmk_super_block_bytes(lmk_super_block type);

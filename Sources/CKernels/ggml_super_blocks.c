#include "ggml_super_blocks.h"

enum { SUPER = 256 };

static const struct {
  uint16_t elements, bytes;
  void (*decode)(lmk_super_block type, const uint8_t *block, float *output);
} types[] = {
    [LMK_Q2_K] = {SUPER, 84, lmk_decode_k_quant},     [LMK_Q3_K] = {SUPER, 110, lmk_decode_k_quant},
    [LMK_Q4_K] = {SUPER, 144, lmk_decode_k_quant},    [LMK_Q5_K] = {SUPER, 176, lmk_decode_k_quant},
    [LMK_Q6_K] = {SUPER, 210, lmk_decode_k_quant},    [LMK_Q8_K] = {SUPER, 292, lmk_decode_k_quant},
    [LMK_IQ1_S] = {SUPER, 50, lmk_decode_i_quant},    [LMK_IQ1_M] = {SUPER, 56, lmk_decode_i_quant},
    [LMK_IQ2_XXS] = {SUPER, 66, lmk_decode_i_quant},  [LMK_IQ2_XS] = {SUPER, 74, lmk_decode_i_quant},
    [LMK_IQ2_S] = {SUPER, 82, lmk_decode_i_quant},    [LMK_IQ3_XXS] = {SUPER, 98, lmk_decode_i_quant},
    [LMK_IQ3_S] = {SUPER, 110, lmk_decode_i_quant},   [LMK_IQ4_NL] = {32, 18, lmk_decode_small},
    [LMK_IQ4_XS] = {SUPER, 136, lmk_decode_small},    [LMK_TQ1_0] = {SUPER, 54, lmk_decode_small},
    [LMK_TQ2_0] = {SUPER, 66, lmk_decode_small},      [LMK_MXFP4] = {32, 17, lmk_decode_small},
    [LMK_NVFP4] = {64, 36, lmk_decode_small},         [LMK_Q1_0] = {128, 18, lmk_decode_small},
    [LMK_Q2_0] = {64, 18, lmk_decode_small},
};

size_t lmk_super_block_elements(lmk_super_block type) { return types[type].elements; }
size_t lmk_super_block_bytes(lmk_super_block type) { return types[type].bytes; }

void lmk_super_blocks_to_f32(lmk_super_block type, const void *source, float *output, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += types[type].bytes, output += types[type].elements) {
    types[type].decode(type, block, output);
  }
}

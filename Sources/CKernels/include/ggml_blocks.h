// Decoders of ggml's simple block types. Every block holds 32 elements: one or two f16 numbers (scale d, minimum m), then
// the codes. Layouts: block_q4_0 ... block_q8_0 in ggml/src/ggml-common.h; values: dequantize_row_* in ggml-quants.c, to
// the bit. Sources need no alignment; output has room for 32 floats a block.
#pragma once
#include <stddef.h>

enum {
  LMK_GGML_BLOCK = 32,  // elements of a block
  LMK_Q4_0_BYTES = 18,  // d, 16 bytes: element j in the low, element j + 16 in the high nibble of byte j
  LMK_Q4_1_BYTES = 20,  // d, m, 16 bytes as above
  LMK_Q5_0_BYTES = 22,  // d, 32 fifth bits (element j is bit j), 16 bytes as above
  LMK_Q5_1_BYTES = 24,  // d, m, 32 fifth bits, 16 bytes as above
  LMK_Q8_0_BYTES = 34,  // d, 32 signed bytes
};

void lmk_q4_0_to_f32(const void *source, float *output, size_t blocks);  // (code - 8) * d
void lmk_q4_1_to_f32(const void *source, float *output, size_t blocks);  // code * d + m
void lmk_q5_0_to_f32(const void *source, float *output, size_t blocks);  // (code - 16) * d
void lmk_q5_1_to_f32(const void *source, float *output, size_t blocks);  // code * d + m
void lmk_q8_0_to_f32(const void *source, float *output, size_t blocks);  // code * d

// Products of float matrices with activations: product.h.
#include "product.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "half.h"
#include "reference.h"

// A matrix of random weights in compute layout.
static lmk_matrix random_matrix(lmk_format format, size_t outputs, size_t inputs) {
  const size_t blocks = (outputs + LMK_BLOCK - 1) / LMK_BLOCK, elements = blocks * LMK_BLOCK * inputs;
  void *values = blank(blocks * lmk_block_bytes(format, inputs));
  float *floats = noise_floats(elements, 1);
  if (format == LMK_F32) memcpy(values, floats, elements * sizeof(float));
  if (format == LMK_F16) lmk_f32_to_f16(floats, values, elements);
  if (format == LMK_BF16) lmk_f32_to_bf16(floats, values, elements);
  free(floats);
  return (lmk_matrix){format, outputs, inputs, values};
}

// Rows of y have three floats more than needed, which must stay as they were; the kernel gets the blocks in two calls.
static void check_matrix(const lmk_matrix *m, size_t tokens) {
  const size_t blocks = (m->outputs + LMK_BLOCK - 1) / LMK_BLOCK, stride = m->outputs + 3, bytes = tokens * stride * sizeof(float);
  float *x = noise_floats(tokens * m->inputs, 1), *expected = blank(bytes);
  lmk_ref_product(m, 0, blocks, x, tokens, expected, stride);
  FOR_EACH_ISA {
    float *y = blank(bytes);
    lmk_product(m, 0, blocks / 2, x, tokens, y, stride);
    lmk_product(m, blocks / 2, blocks, x, tokens, y, stride);
    expect_same(expected, y, bytes, "format %d, %zu x %zu, %zu tokens", m->format, m->outputs, m->inputs, tokens);
    free(y);
  }
  free(x), free(expected);
}

void check_product(void) {
  static const size_t sizes[][2] = {{1, 1}, {31, 5}, {33, 33}, {70, 96}, {129, 47}, {64, 200}};
  for (int format = LMK_F32; format <= LMK_BF16; format++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      const lmk_matrix m = random_matrix((lmk_format)format, sizes[s][0], sizes[s][1]);
      for (size_t tokens = 1; tokens <= 13; tokens++) check_matrix(&m, tokens);
      check_matrix(&m, 29);
      free((void *)m.values);
    }
  }
}

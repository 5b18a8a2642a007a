// Products of weight matrices with activations: product.h.
#include "product.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "half.h"
#include "reference.h"

// A matrix of random weights in compute layout.
static lmk_matrix random_matrix(lmk_format format, size_t outputs, size_t inputs, size_t group) {
  const int coded = format >= LMK_INT8;
  lmk_matrix m = {.format = format, .outputs = outputs, .inputs = inputs, .group = coded ? group : 0};
  const size_t blocks = (outputs + LMK_BLOCK - 1) / LMK_BLOCK, scales = blocks * LMK_BLOCK * lmk_groups(inputs, group);
  const size_t elements = blocks * LMK_BLOCK * inputs;
  uint8_t *values = blank(blocks * lmk_block_bytes(format, inputs));
  float *floats = noise_floats(coded ? scales : elements, 1);
  if (format == LMK_F32) memcpy(values, floats, elements * sizeof(float));
  if (format == LMK_F16) lmk_f32_to_f16(floats, values, elements);
  if (format == LMK_BF16) lmk_f32_to_bf16(floats, values, elements);
  for (size_t i = 0; coded && i < blocks * lmk_block_bytes(format, inputs); i++) values[i] = (uint8_t)(noise() >> 20);
  m.values = values;
  if (coded) {
    uint16_t *halves = blank(2 * scales * sizeof *halves);
    lmk_f32_to_f16(floats, halves, scales);
    memcpy(halves + scales, halves, scales * sizeof *halves);
    m.scales = halves;
    if (format == LMK_UINT8 || format == LMK_UINT4) m.minimums = halves + scales;
  }
  free(floats);
  return m;
}

static void check_matrix(const lmk_matrix *m, size_t tokens) {
  const size_t blocks = (m->outputs + LMK_BLOCK - 1) / LMK_BLOCK, bytes = tokens * m->outputs * sizeof(float);
  float *x = noise_floats(tokens * m->inputs, 1), *expected = blank(bytes), *sums = NULL;
  if (m->minimums != NULL) {
    sums = blank(tokens * lmk_groups(m->inputs, m->group) * sizeof(float));
    lmk_group_sums(x, tokens, m->inputs, m->group, sums);
  }
  lmk_ref_product(m, 0, blocks, x, tokens, sums, expected);
  FOR_EACH_ISA {
    float *y = blank(bytes);
    lmk_product(m, 0, blocks, x, tokens, sums, y);
    expect_same(
        expected, y, bytes, "format %d, %zu x %zu, group %zu, %zu tokens", m->format, m->outputs, m->inputs, m->group, tokens);
    free(y);
  }
  free(x), free(expected), free(sums);
}

void check_product(void) {
  static const size_t sizes[][2] = {{1, 1}, {31, 5}, {33, 33}, {70, 96}, {129, 47}, {64, 200}}, tokens[] = {1, 2, 5, 29};
  for (int format = LMK_F32; format <= LMK_UINT4; format++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
        const lmk_matrix m = random_matrix((lmk_format)format, sizes[s][0], sizes[s][1], s % 2 ? 32 : sizes[s][1]);
        check_matrix(&m, tokens[t]);
        free((void *)m.values), free((void *)m.scales);
      }
    }
  }
}

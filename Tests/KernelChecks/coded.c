// Products of coded matrices with coded activations: coded.h.
#include "coded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "half.h"
#include "reference.h"

// Codes of a row as its source has them: the largest codes, the least ones or noise.
static void fill_codes(const lmk_coded *m, size_t row, uint8_t *codes, size_t bytes) {
  const uint8_t sign = m->bits == 8 && m->offset != 0 ? 0x80 : 0;  // signed 8-bit codes
  for (size_t i = 0; i < bytes; i++) codes[i] = row == 0 ? 0xFF ^ sign : row == 1 ? sign : (uint8_t)(noise() >> 20);
}

static uint16_t *random_halves(size_t count) {
  float *floats = noise_floats(count, 0.125f);
  uint16_t *halves = blank(count * sizeof *halves);
  lmk_f32_to_f16(floats, halves, count);
  free(floats);
  return halves;
}

// One block of random rows.
static void random_block(const lmk_coded *m, size_t rows, uint8_t *block) {
  const size_t row_bytes = m->bits == 4 ? (m->inputs + 1) / 2 : m->inputs;
  const size_t group = m->scaling == LMK_SCALES_ROWS ? m->inputs : LMK_CODED_GROUP;
  const size_t factors = rows * ((m->inputs + group - 1) / group);
  uint8_t *codes = blank(rows * row_bytes);
  for (size_t row = 0; row < rows; row++) fill_codes(m, row, codes + row * row_bytes, row_bytes);
  uint16_t *scales = random_halves(factors), *minimums = random_halves(factors);
  const lmk_coded_source source = {codes, scales, m->has_minimum ? minimums : NULL, rows, group};
  lmk_coded_pack(m, &source, block);
  free(codes), free(scales), free(minimums);
}

static size_t blocks_of(const lmk_coded *m) { return (m->outputs + LMK_CODED_BLOCK - 1) / LMK_CODED_BLOCK; }

// Form: bit 0 for 8 bits, bit 1 for an offset, bit 2 for minimums, bit 3 for scales of rows.
static lmk_coded random_coded(int form, size_t outputs, size_t inputs) {
  const int bits = form & 1 ? 8 : 4;
  const lmk_scaling scaling = form & 8 ? LMK_SCALES_ROWS : LMK_SCALES_GROUPED;
  lmk_coded m = {bits, form & 2 ? 1 << (bits - 1) : 0, form >> 2 & 1, scaling, outputs, inputs, NULL, NULL};
  const size_t bytes = lmk_coded_block_bytes(&m), count = blocks_of(&m);
  uint8_t *blocks = blank(count * bytes);
  for (size_t i = 0; i < count; i++) {
    const size_t left = outputs - i * LMK_CODED_BLOCK;
    random_block(&m, left < LMK_CODED_BLOCK ? left : LMK_CODED_BLOCK, blocks + i * bytes);
  }
  m.blocks = blocks;
  return m;
}

static lmk_activations blank_activations(size_t tokens, size_t inputs, int peaks) {
  const size_t groups = lmk_coded_groups(inputs), count = tokens * groups;
  return (lmk_activations){
      groups,
      blank(count * LMK_CODED_GROUP),
      blank(count * sizeof(float)),
      blank(count * sizeof(int32_t)),
      peaks ? blank(count * sizeof(int32_t)) : NULL,
      peaks ? blank(count) : NULL,
      inputs,
      NULL,
  };
}

static void free_activations(lmk_activations a) {
  free(a.codes), free(a.scales), free(a.sums), free(a.peaks), free(a.peak_quads);
}

// The first token has the largest codes alone.
static float *random_inputs(size_t tokens, size_t inputs) {
  float *x = noise_floats(tokens * inputs, 3);
  for (size_t k = 0; k < inputs; k++) x[k] = 2;
  return x;
}

// Rows of y have three floats more than needed, which must stay as they were; the kernel gets the blocks in two calls.
static void check_matrix(const lmk_coded *m, int form, size_t tokens, int peaks) {
  const size_t blocks = blocks_of(m), stride = m->outputs + 3, bytes = tokens * stride * sizeof(float);
  float *x = random_inputs(tokens, m->inputs), *expected = blank(bytes);
  lmk_activations a = blank_activations(tokens, m->inputs, peaks);
  lmk_ref_code_activations(x, m->inputs, 0, tokens, &a);
  lmk_ref_coded_product(m, 0, blocks, &a, tokens, expected, stride);
  FOR_EACH_ISA {
    float *y = blank(bytes);
    lmk_coded_product(m, 0, blocks / 2, &a, tokens, y, stride);
    lmk_coded_product(m, blocks / 2, blocks, &a, tokens, y, stride);
    expect_same(expected, y, bytes, "form %d, %zu x %zu, %zu tokens, peaks %d", form, m->outputs, m->inputs, tokens, peaks);
    free(y);
  }
  free(x), free(expected), free_activations(a);
}

void check_coded_product(void) {
  static const size_t sizes[][2] = {{1, 1}, {31, 5}, {33, 33}, {70, 96}, {129, 47}, {64, 200}};
  for (int form = 0; form < 16; form++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      const lmk_coded m = random_coded(form, sizes[s][0], sizes[s][1]);
      for (size_t tokens = 1; tokens <= 13; tokens++) {
        check_matrix(&m, form, tokens, 0);
        check_matrix(&m, form, tokens, 1);
      }
      free((void *)m.blocks);
    }
  }
}

// Tokens of every kind: halves between two codes, zeros, tiny ones, one with an infinity, one with a NaN, ordinary ones.
static float *extreme_inputs(size_t tokens, size_t inputs) {
  float *x = noise_floats(tokens * inputs, 100);
  for (size_t k = 0; k < inputs; k++) {
    x[k] = k == 0 ? 127 : (float)(int)(noise() % 254) - 126.5f;
    x[inputs + k] = 0;
    x[2 * inputs + k] *= 0x1p-120f;
  }
  x[3 * inputs + inputs / 2] = -INFINITY;
  x[4 * inputs + inputs / 2] = NAN;
  return x;
}

// The kernel gets the tokens in two calls.
static void check_coding(const float *x, size_t tokens, size_t inputs, int peaks) {
  const size_t count = tokens * lmk_coded_groups(inputs), first = tokens / 2;
  lmk_activations expected = blank_activations(tokens, inputs, peaks);
  lmk_ref_code_activations(x, inputs, 0, tokens, &expected);
  FOR_EACH_ISA {
    lmk_activations a = blank_activations(tokens, inputs, peaks);
    lmk_code_activations(x, inputs, 0, first, &a);
    lmk_code_activations(x, inputs, first, tokens, &a);
    expect_same(expected.codes, a.codes, count * LMK_CODED_GROUP, "codes of %zu inputs", inputs);
    expect_same(expected.scales, a.scales, count * sizeof(float), "scales of %zu inputs", inputs);
    expect_same(expected.sums, a.sums, count * sizeof(int32_t), "sums of %zu inputs", inputs);
    if (peaks) {
      expect_same(expected.peaks, a.peaks, count * sizeof(int32_t), "peaks of %zu inputs", inputs);
      expect_same(expected.peak_quads, a.peak_quads, count, "quads of peaks of %zu inputs", inputs);
    }
    free_activations(a);
  }
  free_activations(expected);
}

void check_code_activations(void) {
  static const size_t sizes[] = {1, 5, 31, 32, 33, 64, 200, 576};
  enum { TOKENS = 9 };
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    float *x = extreme_inputs(TOKENS, sizes[s]);
    check_coding(x, TOKENS, sizes[s], 0);
    check_coding(x, TOKENS, sizes[s], 1);
    free(x);
  }
}

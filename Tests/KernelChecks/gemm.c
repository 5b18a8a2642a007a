// General matrix products: gemm.h.
#include "gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "half.h"
#include "reference.h"

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// The product as a caller computes it: slab by slab, and in blocks that are smaller than they may be.
static void multiply(lmk_gemm g, size_t block_rows, size_t block_columns) {
  float *columns = blank_aligned(LMK_GEMM_PACKED_COLUMNS * sizeof(float));
  float *rows = blank_aligned(LMK_GEMM_PACKED_ROWS * sizeof(float));
  const size_t deep = lmk_gemm_slab_depth(g.arithmetic);
  g.isa = lmk_isa_in_use();
  for (size_t j = 0; j < g.columns; j += LMK_GEMM_SLAB_COLUMNS) {
    for (size_t k = 0; k < g.depth || k == 0; k += deep) {
      const lmk_gemm_slab slab = {j, least(g.columns, j + LMK_GEMM_SLAB_COLUMNS), k, least(g.depth, k + deep)};
      for (size_t first = slab.first_column; first < slab.last_column; first += block_columns)
        lmk_gemm_pack(&g, &slab, first, least(slab.last_column, first + block_columns), columns);
      for (size_t row = 0; row < g.rows; row += block_rows) {
        for (size_t first = slab.first_column; first < slab.last_column; first += block_columns)
          lmk_gemm_block(
              &g, &slab, row, least(g.rows, row + block_rows), first, least(slab.last_column, first + block_columns), columns,
              rows);
      }
    }
  }
  free(columns), free(rows);
}

// Elements of every kind: ordinary, such that sums are near the least normal number, denormal, zeros of either sign.
static float *elements(size_t count, int small) {
  float *values = noise_floats(count, small ? 0x1p-63f : 1);
  for (size_t i = 0; i < count; i++) {
    static const float scales[] = {0x1p-63f, 0x1p-126f, 0};
    const size_t kind = noise() % 16;
    if (kind < 3) values[i] *= scales[kind];
  }
  return values;
}

// An operand of `rows` x `columns` after op, whose rows are one longer than needed; `values` is to be freed.
static lmk_gemm_operand operand(size_t rows, size_t columns, int transposed, int narrow, int small) {
  const size_t stride = (transposed ? rows : columns) + 1, count = stride * (transposed ? columns : rows);
  float *values = elements(count, small);
  if (!narrow) return (lmk_gemm_operand){values, stride, LMK_F32, transposed};
  uint16_t *halves = blank(count * sizeof *halves);
  lmk_f32_to_bf16(values, halves, count);
  free(values);
  return (lmk_gemm_operand){halves, stride, LMK_BF16, transposed};
}

// Form: bit 0 and 1 transpose A and B, bit 2 and 3 say which are bf16, bit 4 accumulates, bit 5 makes everything small.
static void check_form(lmk_gemm_arithmetic arithmetic, size_t rows, size_t columns, size_t depth, int form) {
  const int small = form >> 5 & 1;
  lmk_gemm g = {.arithmetic = arithmetic, .rows = rows, .columns = columns, .depth = depth, .accumulate = form >> 4 & 1};
  g.a = operand(rows, depth, form & 1, form >> 2 & 1, small), g.b = operand(depth, columns, form >> 1 & 1, form >> 3 & 1, small);
  g.c_stride = columns + 3;
  const size_t bytes = rows * g.c_stride * sizeof(float);
  float *start = elements(rows * g.c_stride, small), *expected = blank(bytes), *computed = blank(bytes);
  for (size_t i = 0; small && i < rows * g.c_stride; i++) start[i] *= 0x1p-63f;
  memcpy(expected, start, bytes);
  g.c = expected;
  lmk_ref_gemm(&g);
  FOR_EACH_ISA {
    memcpy(computed, start, bytes);
    g.c = computed;
    multiply(g, 24, 64);
    expect_same(expected, computed, bytes, "%zu x %zu x %zu, form %d", rows, columns, depth, form);
  }
  free((void *)g.a.values), free((void *)g.b.values), free(start), free(expected), free(computed);
}

static void check_forms(lmk_gemm_arithmetic arithmetic) {
  static const size_t sizes[][3] = {{1, 1, 0}, {1, 1, 1}, {5, 3, 2}, {12, 32, 34}, {13, 33, 65}, {31, 70, 47}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int form = 0; form < 64; form++) check_form(arithmetic, sizes[s][0], sizes[s][1], sizes[s][2], form);
  check_form(arithmetic, 7, 17, 1100, 16);  // more than one slab deep
  check_form(arithmetic, 2, 2100, 5, 2);    // and wide
}

// Sums a little above or below the least normal number, where what counts as denormal depends on when it is looked at.
static void check_least_sums(void) {
  enum { ROWS = 13, COLUMNS = 33 };
  float *a = noise_floats(ROWS, 0x1p-63f), *b = noise_floats(COLUMNS, 1), expected[ROWS * COLUMNS], computed[ROWS * COLUMNS];
  for (size_t j = 0; j < COLUMNS; j++) b[j] = ldexpf(b[j], -84 - (int)(j % 8));
  lmk_gemm g = {.arithmetic = LMK_GEMM_BF16, .rows = ROWS, .columns = COLUMNS, .depth = 1, .accumulate = 1, .c_stride = COLUMNS};
  g.a = (lmk_gemm_operand){a, 1, LMK_F32, 0}, g.b = (lmk_gemm_operand){b, COLUMNS, LMK_F32, 0}, g.c = expected;
  for (size_t i = 0; i < ROWS * COLUMNS; i++) expected[i] = i % 2 ? 0x1p-126f : -0x1p-126f;
  lmk_ref_gemm(&g);
  FOR_EACH_ISA {
    for (size_t i = 0; i < ROWS * COLUMNS; i++) computed[i] = i % 2 ? 0x1p-126f : -0x1p-126f;
    g.c = computed;
    multiply(g, ROWS, COLUMNS);
    expect_same(expected, computed, sizeof expected, "sums near the least normal number");
  }
  free(a), free(b);
}

void check_gemm_f32(void) { check_forms(LMK_GEMM_F32); }

void check_gemm_bf16(void) {
  check_forms(LMK_GEMM_BF16);
  check_least_sums();
}

// H += X^T X from its upper half is what the whole product gives.
void check_gemm_upper(void) {
  static const size_t sizes[] = {1, 15, 32, 101};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (int arithmetic = LMK_GEMM_F32; arithmetic <= LMK_GEMM_BF16; arithmetic++) {
      const size_t size = sizes[s], tokens = 19, bytes = size * size * sizeof(float);
      float *x = elements(tokens * size, 0), *expected = blank(bytes), *computed = blank(bytes);
      lmk_gemm g = {.arithmetic = (lmk_gemm_arithmetic)arithmetic, .rows = size, .columns = size, .depth = tokens, .c = expected};
      g.a = (lmk_gemm_operand){x, size, LMK_F32, 1}, g.b = (lmk_gemm_operand){x, size, LMK_F32, 0}, g.c_stride = size;
      lmk_ref_gemm(&g);
      g.c = computed, g.upper = 1;
      FOR_EACH_ISA {
        memset(computed, 0xFF, bytes);
        multiply(g, 24, 64);
        lmk_gemm_mirror(&g, 0, size / 2), lmk_gemm_mirror(&g, size / 2, size);
        expect_same(expected, computed, bytes, "%zu, arithmetic %d", size, arithmetic);
      }
      free(x), free(expected), free(computed);
    }
  }
}

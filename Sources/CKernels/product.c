#include "product.h"

#include "dispatch.h"
#include "half.h"
#include "product_tile.h"
#include "reference.h"

size_t lmk_groups(size_t inputs, size_t group) { return (inputs + group - 1) / group; }

size_t lmk_block_bytes(lmk_format format, size_t inputs) {
  switch (format) {
    case LMK_F32:
      return inputs * LMK_BLOCK * 4;
    case LMK_F16:
    case LMK_BF16:
      return inputs * LMK_BLOCK * 2;
    case LMK_INT8:
    case LMK_UINT8:
      return inputs * LMK_BLOCK;
    case LMK_INT4:
    case LMK_UINT4:
      return (inputs + 1) / 2 * LMK_BLOCK;
  }
  return 0;
}

// [rows][columns] elements of `size` bytes to [columns][32], rows past the end zero.
static void transpose(const uint8_t *source, size_t rows, size_t columns, size_t size, uint8_t *output) {
  if (rows < LMK_BLOCK) memset(output, 0, columns * LMK_BLOCK * size);
  for (size_t start = 0; start < columns; start += 16) {  // 16 columns at a time stay in the first-level cache
    const size_t end = start + 16 < columns ? start + 16 : columns;
    for (size_t row = 0; row < rows; row++) {
      const uint8_t *from = source + row * columns * size;
      for (size_t k = start; k < end; k++) memcpy(output + (k * LMK_BLOCK + row) * size, from + k * size, size);
    }
  }
}

void lmk_pack_block(lmk_format format, const void *source, size_t rows, size_t inputs, void *block) {
  switch (format) {
    case LMK_F32:
      return transpose(source, rows, inputs, 4, block);
    case LMK_F16:
    case LMK_BF16:
      return transpose(source, rows, inputs, 2, block);
    case LMK_INT8:
    case LMK_UINT8:
      return transpose(source, rows, inputs, 1, block);
    case LMK_INT4:
    case LMK_UINT4:
      return transpose(source, rows, (inputs + 1) / 2, 1, block);
  }
}

void lmk_pack_scales(const uint16_t *source, size_t rows, size_t groups, uint16_t *block) {
  transpose((const uint8_t *)source, rows, groups, 2, (uint8_t *)block);
}

static float element(const lmk_matrix *m, const uint8_t *values, size_t k, size_t lane) {
  const size_t at = k * LMK_BLOCK + lane;
  switch (m->format) {
    case LMK_F32: {
      float value;
      memcpy(&value, values + 4 * at, 4);
      return value;
    }
    case LMK_F16:
    case LMK_BF16: {
      float value;
      if (m->format == LMK_F16) lmk_f16_to_f32(values + 2 * at, &value, 1);
      if (m->format == LMK_BF16) lmk_bf16_to_f32(values + 2 * at, &value, 1);
      return value;
    }
    case LMK_INT8:
      return (float)(int8_t)values[at];
    case LMK_UINT8:
      return (float)values[at];
    case LMK_INT4:
    case LMK_UINT4: {
      const int code = values[k / 2 * LMK_BLOCK + lane] >> (k % 2 * 4) & 15;
      return (float)(m->format == LMK_INT4 ? code - 8 : code);
    }
  }
  return 0;
}

void lmk_row(const lmk_matrix *m, size_t output, float *row) {
  const size_t block = output / LMK_BLOCK, lane = output % LMK_BLOCK;
  const uint8_t *values = (const uint8_t *)m->values + block * lmk_block_bytes(m->format, m->inputs);
  const size_t groups = m->group ? lmk_groups(m->inputs, m->group) : 0;
  for (size_t k = 0; k < m->inputs; k++) {
    float value = element(m, values, k, lane);
    if (m->group) {
      const size_t place = (block * groups + k / m->group) * LMK_BLOCK + lane;
      const float minimum = m->minimums ? lmk_f16_to_f32_one(m->minimums[place]) : 0;
      value = __builtin_fmaf(lmk_f16_to_f32_one(m->scales[place]), value, minimum);
    }
    row[k] = value;
  }
}

void lmk_group_sums(const float *x, size_t tokens, size_t inputs, size_t group, float *sums) {
  const size_t groups = lmk_groups(inputs, group);
  for (size_t t = 0; t < tokens; t++) {
    for (size_t g = 0; g < groups; g++) {
      const size_t end = (g + 1) * group < inputs ? (g + 1) * group : inputs;
      float sum = 0;
      for (size_t k = g * group; k < end; k++) sum += x[t * inputs + k];
      sums[t * groups + g] = sum;
    }
  }
}

void lmk_ref_product(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y) {
  const size_t group = m->group ? m->group : m->inputs, groups = lmk_groups(m->inputs, group);
  const size_t end = last * LMK_BLOCK < m->outputs ? last * LMK_BLOCK : m->outputs;
  for (size_t t = 0; t < tokens; t++) {
    for (size_t o = first * LMK_BLOCK; o < end; o++) {
      const uint8_t *values = (const uint8_t *)m->values + o / LMK_BLOCK * lmk_block_bytes(m->format, m->inputs);
      float total = 0;
      for (size_t g = 0; g < groups; g++) {
        float sum = 0;
        for (size_t k = g * group; k < (g + 1) * group && k < m->inputs; k++)
          sum = __builtin_fmaf(element(m, values, k, o % LMK_BLOCK), x[t * m->inputs + k], sum);
        const size_t place = (o / LMK_BLOCK * groups + g) * LMK_BLOCK + o % LMK_BLOCK;
        total = m->group ? __builtin_fmaf(lmk_f16_to_f32_one(m->scales[place]), sum, total) : sum;
        if (m->minimums) total = __builtin_fmaf(lmk_f16_to_f32_one(m->minimums[place]), sums[t * groups + g], total);
      }
      y[t * m->outputs + o] = total;
    }
  }
}

// Sums of two tokens fill the registers of AVX2 and NEON, those of twelve the registers of AVX-512.
#if defined(__x86_64__)
LMK_AVX2 static void product_avx2(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y) {
  product_any(2, 2, m, first, last, x, tokens, sums, y);
}

LMK_AVX512 static void product_avx512(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y) {
  product_any(LMK_MOST_SUMS, 4, m, first, last, x, tokens, sums, y);
}
#elif defined(__aarch64__)
static void product_neon(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y) {
  product_any(2, 2, m, first, last, x, tokens, sums, y);
}
#endif

void lmk_product(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y) {
  LMK_DISPATCH(product, (m, first, last, x, tokens, sums, y));
}

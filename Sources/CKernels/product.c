#include "product.h"

#include "dispatch.h"
#include "half.h"
#include "product_tile.h"
#include "reference.h"

size_t lmk_block_bytes(lmk_format format, size_t inputs) { return inputs * LMK_BLOCK * (format == LMK_F32 ? 4 : 2); }

void lmk_pack_block(lmk_format format, const void *source, size_t rows, size_t inputs, void *block) {
  const size_t size = format == LMK_F32 ? 4 : 2;
  uint8_t *output = block;
  if (rows < LMK_BLOCK) memset(output, 0, inputs * LMK_BLOCK * size);
  for (size_t start = 0; start < inputs; start += 16) {  // 16 columns at a time stay in the first-level cache
    const size_t end = start + 16 < inputs ? start + 16 : inputs;
    for (size_t row = 0; row < rows; row++) {
      const uint8_t *from = (const uint8_t *)source + row * inputs * size;
      for (size_t k = start; k < end; k++) memcpy(output + (k * LMK_BLOCK + row) * size, from + k * size, size);
    }
  }
}

static float element(const lmk_matrix *m, const uint8_t *values, size_t k, size_t lane) {
  const size_t at = k * LMK_BLOCK + lane;
  float value = 0;
  switch (m->format) {
    case LMK_F32:
      memcpy(&value, values + 4 * at, 4);
      break;
    case LMK_F16:
      lmk_f16_to_f32(values + 2 * at, &value, 1);
      break;
    case LMK_BF16:
      lmk_bf16_to_f32(values + 2 * at, &value, 1);
      break;
  }
  return value;
}

void lmk_row(const lmk_matrix *m, size_t output, float *row) {
  const uint8_t *values = (const uint8_t *)m->values + output / LMK_BLOCK * lmk_block_bytes(m->format, m->inputs);
  for (size_t k = 0; k < m->inputs; k++) row[k] = element(m, values, k, output % LMK_BLOCK);
}

void lmk_ref_product(const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride) {
  const size_t end = last * LMK_BLOCK < m->outputs ? last * LMK_BLOCK : m->outputs;
  for (size_t t = 0; t < tokens; t++) {
    for (size_t o = first * LMK_BLOCK; o < end; o++) {
      const uint8_t *values = (const uint8_t *)m->values + o / LMK_BLOCK * lmk_block_bytes(m->format, m->inputs);
      float sum = 0;
      for (size_t k = 0; k < m->inputs; k++) sum = __builtin_fmaf(element(m, values, k, o % LMK_BLOCK), x[t * m->inputs + k], sum);
      y[t * stride + o] = sum;
    }
  }
}

// Sums of two tokens fill the registers of AVX2 and NEON, those of twelve the registers of AVX-512.
#if defined(__x86_64__)
LMK_AVX2 static void product_avx2(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride) {
  product_any(2, 2, m, first, last, x, tokens, y, stride);
}

LMK_AVX512 static void product_avx512(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride) {
  product_any(LMK_MOST_SUMS, 4, m, first, last, x, tokens, y, stride);
}
#elif defined(__aarch64__)
static void product_neon(
    const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride) {
  product_any(2, 2, m, first, last, x, tokens, y, stride);
}
#endif

void lmk_product(const lmk_matrix *m, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride) {
  LMK_DISPATCH(product, (m, first, last, x, tokens, y, stride));
}

#include <math.h>
#include <string.h>

#include "gemm_bf16.h"
#include "half.h"
#include "reference.h"

static const float LEAST_NORMAL = 0x1p-126f;

static float flushed(float value) { return fabsf(value) < LEAST_NORMAL ? copysignf(0, value) : value; }

// a * b + c with denormals as zeros, before and after. fmaf rounds what is just below the least normal number in steps of
// 2^-149; whether it reaches that number in steps of its own size, 2^-150, shows when everything is larger by 2^32. Then
// a, b and c are small enough for it, as such a result has no digit above 2^-100.
static float flushing_fma(float a, float b, float c) {
  a = flushed(a), b = flushed(b), c = flushed(c);
  const float result = fmaf(a, b, c);
  if (fabsf(result) == LEAST_NORMAL) {
    const float small = fabsf(a) < fabsf(b) ? a : b, large = fabsf(a) < fabsf(b) ? b : a;
    if (fabsf(fmaf(small * 0x1p32f, large, c * 0x1p32f)) < LEAST_NORMAL * 0x1p32f) return copysignf(0, result);
  }
  return flushed(result);
}

static float half_of(uint32_t pair, int odd) {
  const uint32_t bits = odd ? pair & 0xFFFF0000 : pair << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

float lmk_bf16_pair(float sum, uint32_t a, uint32_t b) {
  sum = flushing_fma(half_of(a, 1), half_of(b, 1), sum);
  return flushing_fma(half_of(a, 0), half_of(b, 0), sum);
}

// Element `k` of the line `i` that op reads: row i of A, or column i of B.
static float element(const lmk_gemm_operand *operand, int k_is_row, size_t i, size_t k) {
  const size_t at = k_is_row ? k * operand->stride + i : i * operand->stride + k;
  float value;
  if (operand->format == LMK_F32) {
    memcpy(&value, (const float *)operand->values + at, sizeof value);
  } else {
    lmk_bf16_to_f32((const uint16_t *)operand->values + at, &value, 1);
  }
  return value;
}

static uint32_t pair(const lmk_gemm_operand *operand, int k_is_row, size_t i, size_t k, size_t depth) {
  const float values[2] = {element(operand, k_is_row, i, k), k + 1 < depth ? element(operand, k_is_row, i, k + 1) : 0};
  uint16_t halves[2];
  lmk_f32_to_bf16(values, halves, 2);
  return halves[0] | (uint32_t)halves[1] << 16;
}

static float add_products(const lmk_gemm *g, const lmk_gemm_slab *slab, size_t row, size_t column, float sum) {
  const int a_turned = g->a.transposed, b_turned = !g->b.transposed;
  if (g->arithmetic == LMK_GEMM_F32) {
    for (size_t k = slab->first_depth; k < slab->last_depth; k++)
      sum = fmaf(element(&g->a, a_turned, row, k), element(&g->b, b_turned, column, k), sum);
  } else {
    for (size_t k = slab->first_depth; k < slab->last_depth; k += 2)
      sum = lmk_bf16_pair(sum, pair(&g->a, a_turned, row, k, g->depth), pair(&g->b, b_turned, column, k, g->depth));
  }
  return sum;
}

void lmk_ref_gemm_block(
    const lmk_gemm *g, const lmk_gemm_slab *slab, size_t first_row, size_t last_row, size_t first, size_t last) {
  const int starts = slab->first_depth == 0 && !g->accumulate;
  for (size_t row = first_row; row < last_row; row++) {
    for (size_t column = g->upper && row > first ? row : first; column < last; column++) {
      float *c = g->c + row * g->c_stride + column;
      *c = add_products(g, slab, row, column, starts ? 0 : *c);
    }
  }
}

void lmk_ref_gemm(const lmk_gemm *product) {
  const lmk_gemm_slab whole = {0, product->columns, 0, product->depth};
  lmk_ref_gemm_block(product, &whole, 0, product->rows, 0, product->columns);
}

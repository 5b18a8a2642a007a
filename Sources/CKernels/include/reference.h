// The scalar definition of every arithmetic kernel. The vector kernels must agree with it to the bit.
#pragma once
#include "attention.h"
#include "gemm.h"
#include "product.h"

void lmk_ref_product(const lmk_matrix *matrix, size_t first, size_t last, const float *x, size_t tokens, const float *sums, float *y);
void lmk_ref_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output);
void lmk_ref_softmax(float *x, size_t count);
void lmk_ref_log_sum_exp(const float *x, size_t count, double *result);
void lmk_ref_divergence(const float *p, const float *q, size_t count, double p_log, double q_log, double *result);
void lmk_ref_silu_product(const float *gate, const float *up, size_t count, float *output);
void lmk_ref_attend(const lmk_cache *cache, const float *query, size_t first, size_t last, float scale, float *scores, float *output);
void lmk_ref_gemm(const lmk_gemm *product);
void lmk_ref_gemm_block(
    const lmk_gemm *product, const lmk_gemm_slab *slab, size_t first_row, size_t last_row, size_t first, size_t last);

// The scalar definition of every arithmetic kernel. The vector kernels must agree with it to the bit.
#pragma once
#include "activation.h"
#include "attention.h"
#include "coded.h"
#include "factor.h"
#include "gemm.h"
#include "losses.h"
#include "norm.h"
#include "norm_gradient.h"
#include "optimizer.h"
#include "product.h"
#include "rans.h"

void lmk_ref_product(const lmk_matrix *matrix, size_t first, size_t last, const float *x, size_t tokens, float *y, size_t stride);
void lmk_ref_code_activations(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *activations);
void lmk_ref_coded_product(
    const lmk_coded *matrix, size_t first, size_t last, const lmk_activations *activations, size_t tokens, float *y, size_t stride);
void lmk_ref_find_outliers(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *found, lmk_coded_outliers *outliers);
void lmk_ref_pack_values(const lmk_coded *matrix, const int16_t *values, size_t rows, uint8_t *codes);
void lmk_ref_attend(const lmk_cache *cache, const lmk_attention *work, void *scratch);
void lmk_ref_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output);
void lmk_ref_layer_norm(const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *output);
void lmk_ref_activate(lmk_activation function, const float *gate, const float *up, size_t count, float *output);
void lmk_ref_softmax(float *x, size_t count);
void lmk_ref_log_sum_exp(const float *x, size_t count, double *result);
void lmk_ref_divergence(const float *p, const float *q, size_t count, double p_log, double q_log, double *result);
void lmk_ref_rotary(float *x, size_t heads, size_t stride, size_t size, const float *cosines, const float *sines);
void lmk_ref_multiply(const float *x, const float *y, size_t count, float *output);
void lmk_ref_add(float *x, const float *y, size_t count);
void lmk_ref_scale(float *x, float factor, size_t count);
void lmk_ref_softcap(float *x, float cap, size_t count);
void lmk_ref_gemm(const lmk_gemm *product);
void lmk_ref_gemm_block(
    const lmk_gemm *product, const lmk_gemm_slab *slab, size_t first_row, size_t last_row, size_t first, size_t last);
void lmk_ref_factor_update(double *a, size_t n, size_t from, size_t to, size_t first, size_t last);
void lmk_ref_factor_solve(const double *u, size_t n, double *b);
// One lane; returns as lmk_rans_decode_i16. Needs no bytes behind the segment.
int lmk_ref_rans_decode(
    const lmk_rans_matrix *matrix, lmk_rans_frequencies frequencies, size_t lane, const uint8_t *segment, size_t length,
    int32_t largest, int16_t *values);
void lmk_ref_activate_gradient(lmk_activation function, float *gate, float *up, const float *gradient, size_t count);
void lmk_ref_rms_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight);
void lmk_ref_layer_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias);
void lmk_ref_divergence_gradient(float *logits, float *teacher, size_t count, float temperature, float weight, double *result);
void lmk_ref_cross_entropy_gradient(float *logits, size_t count, size_t label, float weight, double *result);
void lmk_ref_adamw_step(
    const lmk_adamw *step, float *weights, const float *gradients, float *first, float *second, size_t count);
void lmk_ref_dot(const float *x, const float *y, size_t count, double *result);
void lmk_ref_add_column_sums(const float *x, const float *y, size_t rows, size_t columns, size_t stride, float *sums);

// The way back through normalisation of a row: norm.h.
#pragma once
#include <stddef.h>

// dx += the gradient of x, dweight += that of the weight, given the gradient dy of lmk_rms_norm's output. `dweight` may be NULL.
void lmk_rms_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight);

// Likewise for lmk_layer_norm, with dbias += dy. `dweight` and `dbias` may be NULL.
void lmk_layer_norm_gradient(
    const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias);

// Normalisation of a row.
#pragma once
#include <stddef.h>

// output[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]. `output` may be `x`.
void lmk_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output);

// output[i] = (x[i] - mean(x)) / sqrt(variance(x) + epsilon) * weight[i] + bias[i]. `bias` may be NULL, `output` be `x`.
void lmk_layer_norm(const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *output);

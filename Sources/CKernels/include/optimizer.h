// AdamW (Loshchilov and Hutter 2019), as torch.optim.AdamW computes it.
#pragma once
#include <stddef.h>

typedef struct {
  float rate;               // of learning
  float beta1, beta2;       // decay of the two moments
  float epsilon;
  float decay;              // of the weights, times the rate
  float correction1;        // 1 - beta1^step
  float correction2;        // sqrt(1 - beta2^step)
  float gradient_scale;     // gradients are multiplied with it first: clipping, and means over tokens
} lmk_adamw;

// One step: updates weights and both moments.
void lmk_adamw_step(const lmk_adamw *step, float *weights, const float *gradients, float *first, float *second, size_t count);

// The sum of squares, in double precision over chunks of 256.
double lmk_sum_of_squares(const float *x, size_t count);

// The sum of x * y, likewise.
double lmk_dot(const float *x, const float *y, size_t count);

// sums[j] += the sum over rows of x[row][j] * y[row][j], or of x[row][j] where y is NULL; rows in order. Both have rows of
// `stride` floats.
void lmk_add_column_sums(const float *x, const float *y, size_t rows, size_t columns, size_t stride, float *sums);

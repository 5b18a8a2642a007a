// The element-wise and reducing layers between the products.
//
// Reductions run in 16 lanes (element i goes to lane i mod 16) that are added in one fixed tree at the end; exp is our
// own. So the results do not depend on the instruction set.
#pragma once
#include <stddef.h>

// output = x / sqrt(mean(x^2) + epsilon) * weight. Zhang and Sennrich 2019. output may be x.
void lmk_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *output);

// x = exp(x - max) / sum, in place.
void lmk_softmax(float *x, size_t count);

// log(sum of exp(x)), in double precision for the last steps: for likelihoods.
double lmk_log_sum_exp(const float *x, size_t count);

// output = gate / (1 + exp(-gate)) * up: the gated unit of LLaMA. output may be gate.
void lmk_silu_product(const float *gate, const float *up, size_t count, float *output);

// Rotates the pairs (i, i + half) of each of `heads` heads of `size` elements by angles with the given cosines and sines
// (size / 2 of each), in place: rotary position embedding in the "half" order of Hugging Face.
void lmk_rotary(float *x, size_t heads, size_t size, const float *cosines, const float *sines);

// x += y.
void lmk_add(float *x, const float *y, size_t count);

// The element-wise and reducing layers between the products.
//
// Reductions run in 16 lanes (element i goes to lane i mod 16) that are added in one fixed tree at the end; exp is our
// own. So the results do not depend on the instruction set.
#pragma once
#include <stddef.h>

// exp(x) with x held to [-87, 88], within 2 units in the last place.
float lmk_exp(float x);

// x = exp(x - max) / sum, in place.
void lmk_softmax(float *x, size_t count);

// log(sum of exp(x)), in double precision for the last steps: for likelihoods.
double lmk_log_sum_exp(const float *x, size_t count);

// Sum of softmax(p) * (log softmax(p) - log softmax(q)), in nats; p_log and q_log are the log_sum_exp of p and q.
double lmk_divergence(const float *p, const float *q, size_t count, double p_log, double q_log);

// The index of the largest element, the first one of equals; 0 when count is 0.
size_t lmk_argmax(const float *x, size_t count);

// The index of the first element that is NaN or larger than `limit` in magnitude; count when there is none.
size_t lmk_first_beyond(const float *x, size_t count, float limit);

// Rotates the pairs (i, i + size / 2) of the first `size` elements of each of `heads` heads of `stride` elements by angles with the
// given cosines and sines (size / 2 of each), in place: rotary position embedding in the "half" order of Hugging Face.
void lmk_rotary(float *x, size_t heads, size_t stride, size_t size, const float *cosines, const float *sines);

// output = x * y, element by element. `output` may be x.
void lmk_multiply(const float *x, const float *y, size_t count, float *output);

// x += y.
void lmk_add(float *x, const float *y, size_t count);

// x *= factor.
void lmk_scale(float *x, float factor, size_t count);

// x = cap * tanh(x / cap).
void lmk_softcap(float *x, float cap, size_t count);

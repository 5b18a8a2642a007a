// What training minimises, a row of logits at a time, with the gradient in the place of the logits.
//
// Sums run as those of layers.h: 16 lanes within 256 elements, these in double precision.
#pragma once
#include <stddef.h>

// The Kullback-Leibler divergence of softmax(teacher / t) from softmax(logits / t), in nats. Afterwards `logits` holds its gradient
// times t^2 * weight, and `teacher` nothing of use.
double lmk_divergence_gradient(float *logits, float *teacher, size_t count, float temperature, float weight);

// -log softmax(logits)[label], in nats. Afterwards `logits` holds its gradient times `weight`.
double lmk_cross_entropy_gradient(float *logits, size_t count, size_t label, float weight);

// Activation functions, alone and gated: output = f(gate) * up, or f(gate) where up is NULL.
#pragma once
#include <stddef.h>

typedef enum {
  LMK_SILU = 0,       // x / (1 + exp(-x)), the Swish of SwiGLU
  LMK_GELU_TANH = 1,  // x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))), which is x/2 (1 + tanh(...)); "gelu_new"
  LMK_GELU_ERF = 2,   // x/2 (1 + erf(x / sqrt 2)); "gelu"
  LMK_RELU = 3,
} lmk_activation;

// output[i] = f(gate[i]) * up[i]. `output` may be `gate`.
void lmk_activate(lmk_activation function, const float *gate, const float *up, size_t count, float *output);

// The way back: `gradient` is that of the output; gate and up, which held what went in, become their own gradients. `up` may
// be NULL, and `gradient` neither of them.
void lmk_activate_gradient(lmk_activation function, float *gate, float *up, const float *gradient, size_t count);

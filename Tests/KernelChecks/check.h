// Compares kernels with the scalar references that define them, bit by bit, on every instruction set of the processor. In C
// alone, so that it also runs where Swift does not: under an emulator of another processor.
//
// A kernel has one function in one of the files here, and one line in the table of check.c.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "isa.h"

// The same numbers at every start of a kernel's check.
uint64_t noise(void);
float noise_float(void);                         // in -1..<1
float *noise_floats(size_t count, float scale);  // in -scale..<scale; to be freed

// `bytes` bytes that hold no useful value; to be freed.
void *blank(size_t bytes);
void *blank_aligned(size_t bytes);  // at a multiple of 64

// Forces one available instruction set after the other; LMTOOL_ISA names the only one. -1 after the last.
int next_isa(int isa);
#define FOR_EACH_ISA for (int isa = next_isa(-1); isa >= 0; isa = next_isa(isa))

// Lengths of rows: `count` is fewer than a vector, whole vectors, and some more.
extern const size_t row_counts[11];
#define FOR_EACH_COUNT for (size_t c_ = 0, count; c_ < sizeof row_counts / sizeof *row_counts && (count = row_counts[c_], 1); c_++)

// Compares what a kernel computed with what its reference did. The place names what is special about this comparison.
void expect_same(const void *expected, const void *computed, size_t bytes, const char *place, ...)
    __attribute__((format(printf, 4, 5)));

void check_product(void);
void check_coded_product(void);
void check_coded_values(void);
void check_code_activations(void);
void check_gemm_f32(void);
void check_gemm_bf16(void);
void check_gemm_upper(void);
void check_attend(void);
void check_rms_norm(void);
void check_layer_norm(void);
void check_activate(void);
void check_softmax(void);
void check_log_sum_exp(void);
void check_divergence(void);
void check_rotary(void);
void check_scale(void);
void check_multiply(void);
void check_add(void);
void check_activate_gradient(void);
void check_norm_gradients(void);
void check_losses(void);
void check_optimizer(void);
void check_column_sums(void);
void check_text_attention(void);
void check_half(void);
void check_grid_quantize(void);
void check_rans(void);
void check_factor(void);
void check_rate_feedback(void);
void check_rate_gains(void);
void check_rate_quantize(void);

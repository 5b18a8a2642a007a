// General matrix products: C = op(A) op(B), or C += op(A) op(B), where op is as stored or transposed.
//
// Every element of C is one chain of fused multiply-adds over k in ascending order that starts from 0, or from the
// element as it was. Nothing else decides its bits: not the instruction set, the threads, the blocking or the place.
// (A NaN is a NaN, but which one is left open.)
//
// LMK_GEMM_BF16 computes what VDPBF16PS does (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
// "VDPBF16PS", measured on a Zen 5 too): k is taken in pairs, the last one filled up with 0, and each pair is two fused
// multiply-adds in f32, the odd k first and then the even one. They round to nearest, ties to even, whatever the
// thread's rounding mode; denormal inputs and sums count as zeros of their sign, and a result that is denormal when
// rounded as if exponents had no lower bound becomes such a zero. Elements that are f32 are rounded to bf16 as
// lmk_f32_to_bf16 does.
#pragma once
#include "isa.h"
#include "product.h"

typedef enum { LMK_GEMM_F32 = 0, LMK_GEMM_BF16 = 1 } lmk_gemm_arithmetic;

// A matrix as stored: rows of `stride` elements. `format` is LMK_F32 or LMK_BF16, whatever the arithmetic.
typedef struct {
  const void *values;
  size_t stride;
  lmk_format format;
  int transposed;  // the product uses the transpose of what is stored
} lmk_gemm_operand;

// C[rows][columns] from op(A)[rows][depth] and op(B)[depth][columns]. C may overlap neither operand.
typedef struct {
  lmk_gemm_arithmetic arithmetic;
  size_t rows, columns, depth;
  lmk_gemm_operand a, b;
  float *c;
  size_t c_stride;
  int accumulate;  // C += rather than C =
  lmk_isa isa;     // lmk_isa_in_use(), one and the same for all steps, as each has panels of its own
  int upper;       // only the elements on and above the diagonal are needed; those below may or may not be written
} lmk_gemm;

// A product is computed slab by slab: the columns and the part of k that the caches hold. For each slab, in ascending
// order of k: first pack its columns of B, then compute blocks of rows of C. Either step may be split over threads.
enum {
  LMK_GEMM_SLAB_COLUMNS = 2048,  // most columns of a slab
  LMK_GEMM_SLAB_UNITS = 512,     // most of k of a slab: elements for f32 arithmetic, pairs for bf16
  LMK_GEMM_BLOCK_ROWS = 240,     // most rows of a block; multiples of 12 waste nothing
  LMK_GEMM_PANEL = 32,           // columns that are packed together: ranges of columns start at multiples within a slab
  // Floats of the two buffers that the caller lends, aligned to 64 bytes.
  LMK_GEMM_PACKED_COLUMNS = LMK_GEMM_SLAB_COLUMNS * LMK_GEMM_SLAB_UNITS,
  LMK_GEMM_PACKED_ROWS = LMK_GEMM_BLOCK_ROWS * LMK_GEMM_SLAB_UNITS + 16,
};

typedef struct {
  size_t first_column, last_column;
  size_t first_depth, last_depth;
} lmk_gemm_slab;

// Most of k of a slab, in elements. Slabs start at its multiples.
size_t lmk_gemm_slab_depth(lmk_gemm_arithmetic arithmetic);

// Packs the columns first..<last of op(B), which lie within the slab, to their places in `packed_columns`.
void lmk_gemm_pack(const lmk_gemm *product, const lmk_gemm_slab *slab, size_t first, size_t last, float *packed_columns);

// Adds the slab's part of k to the rows first_row..<last_row and columns first..<last of C. `packed_rows` is scratch.
void lmk_gemm_block(
    const lmk_gemm *product, const lmk_gemm_slab *slab, size_t first_row, size_t last_row, size_t first, size_t last,
    const float *packed_columns, float *packed_rows);

// Copies what is above the diagonal of a square C below it: rows first..<last.
void lmk_gemm_mirror(const lmk_gemm *product, size_t first, size_t last);

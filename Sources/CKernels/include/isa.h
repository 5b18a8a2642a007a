// Which instruction set the kernels use. Chosen once, at the first call: the best that the processor has, or the one
// that the environment variable LMTOOL_ISA names (see lmk_isa_name).
#pragma once

// Within a family each level includes the ones before it, so a kernel without a variant of its own for a level runs the
// one of the level below.
typedef enum {
  LMK_ISA_REFERENCE = 0,
  LMK_ISA_AVX2 = 1,        // AVX2 + FMA + F16C
  LMK_ISA_AVX512 = 2,      // + AVX-512 F, BW, DQ, VL
  LMK_ISA_AVX512VNNI = 3,  // + AVX512_VNNI: products of bytes
  LMK_ISA_AVX512BF16 = 4,  // + AVX512_BF16: products of bf16
  LMK_ISA_NEON = 5,
  LMK_ISA_DOTPROD = 6,  // + FEAT_DotProd: products of bytes
  LMK_ISA_I8MM = 7,     // + FEAT_I8MM: products of small matrices of bytes
} lmk_isa;

// The instruction set in use.
lmk_isa lmk_isa_in_use(void);

// Whether this processor can run `isa`.
int lmk_isa_available(lmk_isa isa);

// Forces `isa` from now on, for tests; returns 0 and changes nothing when the processor lacks it.
int lmk_isa_force(lmk_isa isa);

// "reference", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon", "dotprod" or "i8mm".
const char *lmk_isa_name(lmk_isa isa);

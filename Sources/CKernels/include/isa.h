// Which instruction set the kernels use. Chosen once, at the first call: the best that the processor has, or the one
// that the environment variable LMTOOL_ISA names ("reference", "avx2", "avx512", "neon").
#pragma once

typedef enum {
  LMK_ISA_REFERENCE = 0,
  LMK_ISA_AVX2 = 1,    // AVX2 + FMA + F16C
  LMK_ISA_AVX512 = 2,  // AVX-512 F, BW, DQ, VL
  LMK_ISA_NEON = 3,
} lmk_isa;

// The instruction set in use.
lmk_isa lmk_isa_in_use(void);

// Whether this processor can run `isa`.
int lmk_isa_available(lmk_isa isa);

// Forces `isa` from now on, for tests; returns 0 and changes nothing when the processor lacks it.
int lmk_isa_force(lmk_isa isa);

// "reference", "avx2", "avx512" or "neon".
const char *lmk_isa_name(lmk_isa isa);

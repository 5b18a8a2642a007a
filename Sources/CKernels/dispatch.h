// One body, several instruction sets: LMK_VARIANTS compiles the always-inline function NAME_body for each, LMK_DISPATCH
// calls the one in use, or the scalar reference lmk_ref_NAME. Levels that add only products run the variant below them.
#pragma once
#include "isa.h"

#if defined(__x86_64__)
#define LMK_AVX2 __attribute__((target("avx2,fma,f16c")))
#define LMK_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define LMK_VARIANTS(NAME, PARAMETERS, ARGUMENTS)                              \
  LMK_AVX2 static void NAME##_avx2 PARAMETERS { NAME##_body ARGUMENTS; }       \
  LMK_AVX512 static void NAME##_avx512 PARAMETERS { NAME##_body ARGUMENTS; }
#define LMK_DISPATCH(NAME, ARGUMENTS)   \
  switch (lmk_isa_in_use()) {           \
    case LMK_ISA_AVX512BF16:            \
    case LMK_ISA_AVX512VNNI:            \
    case LMK_ISA_AVX512:                \
      NAME##_avx512 ARGUMENTS;          \
      break;                            \
    case LMK_ISA_AVX2:                  \
      NAME##_avx2 ARGUMENTS;            \
      break;                            \
    default:                            \
      lmk_ref_##NAME ARGUMENTS;         \
  }
#elif defined(__aarch64__)
#define LMK_VARIANTS(NAME, PARAMETERS, ARGUMENTS) \
  static void NAME##_neon PARAMETERS { NAME##_body ARGUMENTS; }
#define LMK_DISPATCH(NAME, ARGUMENTS)   \
  switch (lmk_isa_in_use()) {           \
    case LMK_ISA_I8MM:                  \
    case LMK_ISA_DOTPROD:               \
    case LMK_ISA_NEON:                  \
      NAME##_neon ARGUMENTS;            \
      break;                            \
    default:                            \
      lmk_ref_##NAME ARGUMENTS;         \
  }
#else
#define LMK_VARIANTS(NAME, PARAMETERS, ARGUMENTS)
#define LMK_DISPATCH(NAME, ARGUMENTS) lmk_ref_##NAME ARGUMENTS
#endif

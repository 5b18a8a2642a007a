#include "isa.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"reference", "avx2", "avx512", "neon"};
static atomic_int chosen = -1;

const char *lmk_isa_name(lmk_isa isa) { return names[isa]; }

int lmk_isa_available(lmk_isa isa) {
  switch (isa) {
    case LMK_ISA_REFERENCE:
      return 1;
#if defined(__x86_64__)
    case LMK_ISA_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case LMK_ISA_AVX512:
      return lmk_isa_available(LMK_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
    case LMK_ISA_NEON:
      return 1;
#endif
    default:
      return 0;
  }
}

static lmk_isa best(void) {
  const char *wanted = getenv("LMTOOL_ISA");
  for (int isa = LMK_ISA_NEON; wanted != NULL && isa >= 0; isa--) {
    if (strcmp(wanted, names[isa]) == 0 && lmk_isa_available((lmk_isa)isa)) return (lmk_isa)isa;
  }
  for (int isa = LMK_ISA_NEON; isa > 0; isa--) {
    if (lmk_isa_available((lmk_isa)isa)) return (lmk_isa)isa;
  }
  return LMK_ISA_REFERENCE;
}

lmk_isa lmk_isa_in_use(void) {
  int isa = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (isa < 0) {
    isa = best();
    atomic_store_explicit(&chosen, isa, memory_order_relaxed);
  }
  return (lmk_isa)isa;
}

int lmk_isa_force(lmk_isa isa) {
  if (!lmk_isa_available(isa)) return 0;
  atomic_store(&chosen, isa);
  return 1;
}

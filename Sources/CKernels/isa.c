#include "isa.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

enum { LAST_ISA = LMK_ISA_I8MM };
static const char *const names[LAST_ISA + 1] = {"reference",  "avx2", "avx512",  "avx512vnni",
                                                "avx512bf16", "neon", "dotprod", "i8mm"};
static atomic_int chosen = -1;

const char *lmk_isa_name(lmk_isa isa) { return names[isa]; }

#if defined(__aarch64__) && defined(__linux__)
static int has_dotprod(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
static int has_i8mm(void) { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#elif defined(__aarch64__) && defined(__APPLE__)
static int has(const char *feature) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(feature, &value, &size, NULL, 0) == 0 && value != 0;
}
static int has_dotprod(void) { return has("hw.optional.arm.FEAT_DotProd"); }
static int has_i8mm(void) { return has("hw.optional.arm.FEAT_I8MM"); }
#elif defined(__aarch64__)
static int has_dotprod(void) { return 0; }
static int has_i8mm(void) { return 0; }
#endif

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
    case LMK_ISA_AVX512VNNI:
      return lmk_isa_available(LMK_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
    case LMK_ISA_AVX512BF16:
      return lmk_isa_available(LMK_ISA_AVX512VNNI) && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
    case LMK_ISA_NEON:
      return 1;
    case LMK_ISA_DOTPROD:
      return has_dotprod();
    case LMK_ISA_I8MM:
      return has_dotprod() && has_i8mm();
#endif
    default:
      return 0;
  }
}

static lmk_isa best(void) {
  const char *wanted = getenv("LMTOOL_ISA");
  for (int isa = LAST_ISA; wanted != NULL && isa >= 0; isa--) {
    if (strcmp(wanted, names[isa]) == 0 && lmk_isa_available((lmk_isa)isa)) return (lmk_isa)isa;
  }
  for (int isa = LAST_ISA; isa > 0; isa--) {
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

#include "check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  void (*run)(void);
} kernels[] = {
    {"product", check_product},
    {"coded_product", check_coded_product},
    {"coded_values", check_coded_values},
    {"code_activations", check_code_activations},
    {"gemm f32", check_gemm_f32},
    {"gemm bf16", check_gemm_bf16},
    {"gemm upper", check_gemm_upper},
    {"attend", check_attend},
    {"rms_norm", check_rms_norm},
    {"layer_norm", check_layer_norm},
    {"activate", check_activate},
    {"softmax", check_softmax},
    {"log_sum_exp", check_log_sum_exp},
    {"divergence", check_divergence},
    {"rotary", check_rotary},
    {"scale", check_scale},
    {"multiply", check_multiply},
    {"add", check_add},
    {"activate_gradient", check_activate_gradient}, {"norm_gradients", check_norm_gradients}, {"losses", check_losses},
    {"optimizer", check_optimizer}, {"column_sums", check_column_sums}, {"text_attention", check_text_attention},
    {"half", check_half},
    {"grid_quantize", check_grid_quantize},
    {"rans", check_rans},
    {"factor", check_factor},
    {"rate_feedback", check_rate_feedback},
    {"rate_gains", check_rate_gains},
    {"rate_quantize", check_rate_quantize},
};

enum { KERNELS = sizeof kernels / sizeof *kernels, MOST_SHOWN = 5 };

const size_t row_counts[11] = {1, 5, 15, 16, 17, 33, 255, 256, 257, 300, 576};

static uint64_t state, digest;  // the digest is of what the references computed
static size_t comparisons, differences;
static int first_isa;

// SplitMix64, https://prng.di.unimi.it/splitmix64.c.
uint64_t noise(void) {
  uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

float noise_float(void) { return (float)((int64_t)noise() >> 40) / (float)(1 << 23); }

float *noise_floats(size_t count, float scale) {
  float *floats = blank(count * sizeof *floats);
  for (size_t i = 0; i < count; i++) floats[i] = noise_float() * scale;
  return floats;
}

void *blank(size_t bytes) {
  void *memory = malloc(bytes > 0 ? bytes : 1);
  if (memory == NULL) exit(70);
  return memset(memory, 0xFF, bytes);
}

void *blank_aligned(size_t bytes) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, bytes) != 0) exit(70);
  return memset(memory, 0xFF, bytes);
}

int next_isa(int isa) {
  const char *only = getenv("LMTOOL_ISA");
  const int before = isa;
  while (++isa <= LMK_ISA_I8MM) {
    if (only != NULL && strcmp(only, lmk_isa_name((lmk_isa)isa)) != 0) continue;
    if (!lmk_isa_force((lmk_isa)isa)) continue;
    if (before < 0) first_isa = isa;
    return isa;
  }
  return -1;
}

void expect_same(const void *expected, const void *computed, size_t bytes, const char *place, ...) {
  const uint8_t *wanted = expected, *got = computed;
  comparisons++;
  for (size_t i = 0; i < bytes && (int)lmk_isa_in_use() == first_isa; i++)
    digest = (digest ^ wanted[i]) * UINT64_C(0x100000001B3);  // FNV-1a
  if (memcmp(wanted, got, bytes) == 0 || differences++ >= MOST_SHOWN) return;
  size_t at = 0;
  while (wanted[at] == got[at]) at++;
  printf("%s differs at byte %zu of %zu: ", lmk_isa_name(lmk_isa_in_use()), at, bytes);
  va_list arguments;
  va_start(arguments, place);
  vprintf(place, arguments);
  va_end(arguments);
  printf("\n");
}

int main(void) {
  size_t failed = 0;
  printf("%s is in use; checked:", lmk_isa_name(lmk_isa_in_use()));
  FOR_EACH_ISA printf(" %s", lmk_isa_name((lmk_isa)isa));
  printf("\n");
  if (next_isa(-1) < 0) {
    printf("this processor has no %s\n", getenv("LMTOOL_ISA"));
    return 66;
  }
  for (size_t i = 0; i < KERNELS; i++) {
    state = i, digest = UINT64_C(0xCBF29CE484222325), comparisons = 0, differences = 0;
    kernels[i].run();
    failed += differences > 0;
    printf("%-16s digest %016" PRIx64 "  %zu comparisons, %zu differ\n", kernels[i].name, digest, comparisons, differences);
  }
  printf("%zu of %d kernels equal their references\n", KERNELS - failed, KERNELS);
  return failed > 0;
}

#include "machine.h"

#include <unistd.h>

#include "isa.h"
#include "vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define REGISTER "v"
#elif defined(__aarch64__)
#include <arm_neon.h>
#define REGISTER "w"
#endif

typedef struct {
  const char *instruction;
  double operations;  // of a round
  void (*run)(size_t rounds);
} loop;

// The compiler must believe that x has changed here, so that it neither drops a step nor does it only once.
#define CHANGE(x) __asm__ volatile("" : "+" REGISTER(x))

// NAME runs rounds of CHAINS independent steps, enough to hide the latency of the instruction. The operands are ordinary
// numbers in each format: 0.046 as f32 and bf16, 61 as bytes.
#define LOOP(NAME, TARGET, CHAINS, SUM, OPERAND, STEP)                               \
  __attribute__((target(TARGET))) static void NAME(size_t rounds) {                  \
    OPERAND a, b;                                                                    \
    SUM sum[CHAINS] = {};                                                            \
    memset(&a, 0x3d, sizeof a);                                                      \
    memset(&b, 0x3d, sizeof b);                                                      \
    for (size_t round = 0; round < rounds; round++) {                                \
      _Pragma("clang loop unroll(full)") for (size_t i = 0; i < CHAINS; i++) {       \
        CHANGE(a);                                                                   \
        sum[i] = STEP(sum[i], a, b);                                                 \
      }                                                                              \
    }                                                                                \
    _Pragma("clang loop unroll(full)") for (size_t i = 0; i < CHAINS; i++) CHANGE(sum[i]); \
  }

#if defined(__x86_64__)
// 16 of the 32 registers, or 12 of the 16, are sums.
#define AVX2 "avx2,fma"
#define AVX512 "avx512f,avx512bw"
#define FMA256(sum, a, b) _mm256_fmadd_ps(a, b, sum)
#define FMA512(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#define BYTES256(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#define BYTES512(sum, a, b) _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)))
LOOP(fma256, AVX2, 12, __m256, __m256, FMA256)
LOOP(fma512, AVX512, 16, __m512, __m512, FMA512)
LOOP(bytes256, AVX2, 8, __m256i, __m256i, BYTES256)
LOOP(bytes512, AVX512, 16, __m512i, __m512i, BYTES512)
LOOP(vnni256, "avx2,avxvnni", 12, __m256i, __m256i, _mm256_dpbusd_avx_epi32)
LOOP(vnni512, AVX512 ",avx512vnni", 16, __m512i, __m512i, _mm512_dpbusd_epi32)
LOOP(bf16dot512, AVX512 ",avx512bf16", 16, __m512, __m512bh, _mm512_dpbf16_ps)

static loop best_loop(lmk_peak peak) {
  switch (peak) {
    case LMK_PEAK_F32:
      if (lmk_isa_available(LMK_ISA_AVX512)) return (loop){"vfmadd zmm", 16 * 16 * 2, fma512};
      if (lmk_isa_available(LMK_ISA_AVX2)) return (loop){"vfmadd ymm", 12 * 8 * 2, fma256};
      break;
    case LMK_PEAK_BF16:
      if (lmk_isa_available(LMK_ISA_AVX512BF16)) return (loop){"vdpbf16ps zmm", 16 * 32 * 2, bf16dot512};
      break;
    case LMK_PEAK_INT8:
      if (lmk_isa_available(LMK_ISA_AVX512VNNI)) return (loop){"vpdpbusd zmm", 16 * 64 * 2, vnni512};
      if (lmk_isa_available(LMK_ISA_AVX2) && __builtin_cpu_supports("avxvnni")) return (loop){"vpdpbusd ymm", 12 * 32 * 2, vnni256};
      if (lmk_isa_available(LMK_ISA_AVX512)) return (loop){"vpmaddubsw zmm", 16 * 64 * 2, bytes512};
      if (lmk_isa_available(LMK_ISA_AVX2)) return (loop){"vpmaddubsw ymm", 8 * 32 * 2, bytes256};
      break;
  }
  return (loop){};
}
#elif defined(__aarch64__)
// 24 of the 32 registers are sums.
#define FMA128(sum, a, b) vfmaq_f32(sum, a, b)
#define BYTES128(sum, a, b) vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)))
LOOP(fma128, "neon", 24, float32x4_t, float32x4_t, FMA128)
LOOP(bytes128, "neon", 16, int32x4_t, int8x16_t, BYTES128)
LOOP(dot128, "dotprod", 24, int32x4_t, int8x16_t, vdotq_s32)
LOOP(matrix128, "i8mm", 24, int32x4_t, int8x16_t, vmmlaq_s32)
LOOP(bf16dot128, "bf16", 24, float32x4_t, bfloat16x8_t, vbfdotq_f32)

// Whether the compiler was told that the processor has products of bf16.
#if defined(__ARM_FEATURE_BF16)
enum { BF16 = 1 };
#else
enum { BF16 = 0 };
#endif

static loop best_loop(lmk_peak peak) {
  switch (peak) {
    case LMK_PEAK_F32:
      return (loop){"fmla", 24 * 4 * 2, fma128};
    case LMK_PEAK_BF16:
      if (BF16) return (loop){"bfdot", 24 * 8 * 2, bf16dot128};
      break;
    case LMK_PEAK_INT8:
      if (lmk_isa_available(LMK_ISA_I8MM)) return (loop){"smmla", 24 * 32 * 2, matrix128};
      if (lmk_isa_available(LMK_ISA_DOTPROD)) return (loop){"sdot", 24 * 16 * 2, dot128};
      return (loop){"smull", 16 * 8 * 2, bytes128};
  }
  return (loop){};
}
#else
static loop best_loop(lmk_peak peak) {
  (void)peak;
  return (loop){};
}
#endif

const char *lmk_peak_instruction(lmk_peak peak) { return best_loop(peak).instruction; }

double lmk_peak_operations(lmk_peak peak) { return best_loop(peak).operations; }

void lmk_peak_run(lmk_peak peak, size_t rounds) {
  const loop best = best_loop(peak);
  if (best.run != NULL) best.run(rounds);
}

// Wide loads matter: with 16 bytes each, one core gets a tenth less from memory.
LMK_INLINE uint32_t read_body(const uint8_t *bytes, size_t size) {
  enum { VECTORS = 4, STEP = VECTORS * sizeof(u16x32) };
  u16x32 sum[VECTORS] = {};
  size_t i = 0;
  for (; i + STEP <= size; i += STEP) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < VECTORS; v++) sum[v] ^= LMK_LOAD(u16x32, bytes + i + v * sizeof(u16x32));
  }
  const u16x32 all = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
  uint32_t result = 0;
  for (int lane = 0; lane < 16; lane++) result ^= all[lane];
  for (; i < size; i++) result ^= bytes[i];
  return result;
}

#if defined(__x86_64__)
__attribute__((target(AVX2))) static uint32_t read_avx2(const uint8_t *bytes, size_t size) { return read_body(bytes, size); }
__attribute__((target(AVX512))) static uint32_t read_avx512(const uint8_t *bytes, size_t size) { return read_body(bytes, size); }
#endif

uint32_t lmk_read(const void *bytes, size_t size) {
#if defined(__x86_64__)
  if (lmk_isa_available(LMK_ISA_AVX512)) return read_avx512(bytes, size);
  if (lmk_isa_available(LMK_ISA_AVX2)) return read_avx2(bytes, size);
#endif
  return read_body(bytes, size);
}

size_t lmk_last_level_cache(void) {
#if defined(_SC_LEVEL3_CACHE_SIZE)
  const long size = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (size > 0) return (size_t)size;
#endif
  return (size_t)32 << 20;
}

// The integer product for every instruction set. See coded.h; the kernel is in coded_tile.h.
#include "coded_layout.h"
#include "dispatch.h"
#include "reference.h"
#include "vector.h"

// Every other outlier, of bytes and then of words, belongs to a second sum.
static float add_outliers(const lmk_coded_outliers *outliers, size_t lane, const float *x, float total) {
  float sums[2] = {total, 0};
  for (size_t i = 0; i < outliers->small + outliers->large; i++) {
    float *sum = sums + (i < outliers->small ? i : i - outliers->small) % 2;
    *sum = __builtin_fmaf(coded_outlier(outliers, i, lane), x[outliers->inputs[i]], *sum);
  }
  return sums[0] + sums[1];
}

void lmk_ref_coded_product(
    const lmk_coded *m, size_t first, size_t last, const lmk_activations *a, size_t tokens, float *y, size_t stride) {
  const size_t end = last * LMK_CODED_BLOCK < m->outputs ? last * LMK_CODED_BLOCK : m->outputs;
  for (size_t t = 0; t < tokens; t++) {
    for (size_t o = first * LMK_CODED_BLOCK; o < end; o++) {
      const uint8_t *block = m->blocks + o / LMK_CODED_BLOCK * lmk_coded_block_bytes(m);
      const size_t lane = o % LMK_CODED_BLOCK;
      float total = 0, input_sum = 0;
      for (size_t g = 0; g < a->groups; g++) {
        const size_t at = t * a->groups + g;
        int32_t sum = -m->offset * a->sums[at];
        for (size_t k = 0; k < LMK_CODED_GROUP; k++) sum += coded_code(m, block, g, k, lane) * a->codes[at * LMK_CODED_GROUP + k];
        for (size_t k = 0; a->peaks != NULL && k < 4; k++)
          sum += 128 * coded_code(m, block, g, 4 * a->peak_quads[at] + k, lane) * ((const int8_t *)(a->peaks + at))[k];
        if (m->scaling == LMK_SCALES_ROWS) {
          total = __builtin_fmaf((float)sum, a->scales[at], total);
          input_sum = __builtin_fmaf(a->scales[at], (float)a->sums[at], input_sum);
        } else {
          total = __builtin_fmaf((float)sum * a->scales[at], coded_scale(m, block, g, lane), total);
          if (m->has_minimum) total = __builtin_fmaf(a->scales[at] * (float)a->sums[at], coded_minimum(m, block, g, lane), total);
        }
      }
      const lmk_coded_outliers *outliers = m->outliers == NULL ? NULL : m->outliers + o / LMK_CODED_BLOCK;
      if (outliers != NULL) total = add_outliers(outliers, lane, a->floats + t * a->inputs, total);
      if (m->scaling == LMK_SCALES_ROWS) {
        total *= coded_scale(m, block, 0, lane);
        if (m->has_minimum) total = __builtin_fmaf(input_sum, coded_minimum(m, block, 0, lane), total);
      }
      y[t * stride + o] = total;
    }
  }
}

// 16 outputs from output `start` of a block on, of which `width` are wanted in all.
#define CODED_STORE(v, p, width, start)                                            \
  do {                                                                             \
    if ((start) + 16 <= (width)) {                                                 \
      LMK_STORE(p, v);                                                             \
    } else if ((start) < (width)) {                                                \
      float lanes_[16];                                                            \
      LMK_STORE(lanes_, v);                                                        \
      memcpy((p), lanes_, ((width) - (start)) * sizeof(float));                    \
    }                                                                              \
  } while (0)

// A single token waits for memory alone: what comes 4 KiB later is asked for now. Beyond the end this asks for what follows,
// or for nothing. With 8 bits the processor keeps up by itself, and is a tenth slower when told.
enum { CODED_AHEAD = 4096 };
#define CODED_FETCH_AHEAD(group, bytes) CODED_FETCH((group) + CODED_AHEAD, bytes)
#define CODED_FETCH(from, bytes) \
  for (size_t line_ = 0; line_ < (bytes); line_ += 64) __builtin_prefetch((from) + line_)

#define CODED_JOIN_(name, isa) coded_##name##_##isa
#define CODED_JOIN(name, isa) CODED_JOIN_(name, isa)

#if defined(__x86_64__)
#include <immintrin.h>

typedef int16_t i32x16 __attribute__((vector_size(64)));

// The bytes of each 16-bit lane, widened: products of these are sums of two that fit 32 bits.
#define EVEN_UNSIGNED(v) ((v) & 0x00FF00FFu)
#define ODD_UNSIGNED(v) ((v) >> 8 & 0x00FF00FFu)
#define EVEN_SIGNED(v) ((i32x16)(v) << 8 >> 8)
#define ODD_SIGNED(v) ((i32x16)(v) >> 8)

// AVX-512 VNNI: one instruction. 24 of the 32 registers hold sums.
#define CODED_ISA avx512vnni
#define CODED_TARGET __attribute__((target("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define CODED_TOKENS 6
#define CODED_HALVES 2
#define CODED_BIAS8 0
#define CODED_DOT8(sums, weights, inputs) \
  (sums) = (i16x32)_mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(weights), (__m512i)(inputs))
#define CODED_DOT4 CODED_DOT8
#include "coded_tile.h"

// AVX-512 without VNNI: sums of two products of bytes fit 16 bits when the weights have 4 bits, not when they have 8.
#define CODED_ISA avx512
#define CODED_TARGET LMK_AVX512
#define CODED_TOKENS 6
#define CODED_HALVES 2
#define CODED_BIAS8 0
#define CODED_DOT4(sums, weights, inputs) \
  (sums) += (i16x32)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)(weights), (__m512i)(inputs)), _mm512_set1_epi16(1))
#define CODED_DOT8(sums, weights, inputs)                                                                  \
  (sums) += (i16x32)_mm512_madd_epi16((__m512i)EVEN_UNSIGNED(weights), (__m512i)EVEN_SIGNED(inputs)) +     \
            (i16x32)_mm512_madd_epi16((__m512i)ODD_UNSIGNED(weights), (__m512i)ODD_SIGNED(inputs))
#include "coded_tile.h"

// AVX2: the same in two registers.
#define PAIRS(function, a, b)                                                     \
  ({                                                                              \
    __m256i a_[2], b_[2];                                                         \
    memcpy(a_, &(a), sizeof a_), memcpy(b_, &(b), sizeof b_);                     \
    const __m256i results_[2] = {function(a_[0], b_[0]), function(a_[1], b_[1])}; \
    LMK_LOAD(i16x32, results_);                                                   \
  })
#define CODED_ISA avx2
#define CODED_TARGET LMK_AVX2
#define CODED_TOKENS 2
#define CODED_HALVES 1
#define CODED_BIAS8 0
#define BYTE_PRODUCTS(w, x) _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1))
#define CODED_DOT4(sums, weights, inputs) (sums) += PAIRS(BYTE_PRODUCTS, weights, inputs)
#define CODED_DOT8(sums, weights, inputs)                                                    \
  do {                                                                                       \
    const u16x32 even_ = EVEN_UNSIGNED(weights), odd_ = ODD_UNSIGNED(weights);               \
    const i32x16 even_inputs_ = EVEN_SIGNED(inputs), odd_inputs_ = ODD_SIGNED(inputs);       \
    (sums) += PAIRS(_mm256_madd_epi16, even_, even_inputs_) + PAIRS(_mm256_madd_epi16, odd_, odd_inputs_); \
  } while (0)
#include "coded_tile.h"

#elif defined(__aarch64__)
#include <arm_neon.h>

// The four registers of sums, weights and inputs, one after the other.
#define QUARTERS(function, sums, weights, inputs)                                               \
  do {                                                                                          \
    int32x4_t sums_[4];                                                                         \
    uint8x16_t weights_[4];                                                                     \
    int8x16_t inputs_[4];                                                                       \
    memcpy(sums_, &(sums), 64), memcpy(weights_, &(weights), 64), memcpy(inputs_, &(inputs), 64); \
    for (int i_ = 0; i_ < 4; i_++) sums_[i_] = function(sums_[i_], weights_[i_], inputs_[i_]);  \
    memcpy(&(sums), sums_, 64);                                                                 \
  } while (0)

// I8MM: products of unsigned with signed bytes.
#define CODED_ISA i8mm
#define CODED_TARGET __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#define CODED_TOKENS 2
#define CODED_HALVES 1
#define CODED_BIAS8 0
#define CODED_DOT8(sums, weights, inputs) QUARTERS(vusdotq_s32, sums, weights, inputs)
#define CODED_DOT4 CODED_DOT8
#include "coded_tile.h"

// DotProd: products of signed bytes, so weights of 8 bits are taken 128 smaller.
#define CODED_ISA dotprod
#define CODED_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define CODED_TOKENS 2
#define CODED_HALVES 1
#define CODED_BIAS8 128
#define DOT_SIGNED(sums, weights, inputs) vdotq_s32(sums, vreinterpretq_s8_u8(weights), inputs)
#define DOT_FLIPPED(sums, weights, inputs) vdotq_s32(sums, vreinterpretq_s8_u8(veorq_u8(weights, vdupq_n_u8(128))), inputs)
#define CODED_DOT4(sums, weights, inputs) QUARTERS(DOT_SIGNED, sums, weights, inputs)
#define CODED_DOT8(sums, weights, inputs) QUARTERS(DOT_FLIPPED, sums, weights, inputs)
#include "coded_tile.h"

// NEON alone: products of signed bytes in 16 bits.
LMK_INLINE int32x4_t widened_dot(int32x4_t sums, int8x16_t weights, int8x16_t inputs) {
  const int16x8_t low = vmull_s8(vget_low_s8(weights), vget_low_s8(inputs)), high = vmull_high_s8(weights, inputs);
  return vaddq_s32(sums, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}
#define CODED_ISA neon
#define CODED_TARGET
#define CODED_TOKENS 2
#define CODED_HALVES 1
#define CODED_BIAS8 128
#define WIDENED(sums, weights, inputs) widened_dot(sums, vreinterpretq_s8_u8(weights), inputs)
#define WIDENED_FLIPPED(sums, weights, inputs) widened_dot(sums, vreinterpretq_s8_u8(veorq_u8(weights, vdupq_n_u8(128))), inputs)
#define CODED_DOT4(sums, weights, inputs) QUARTERS(WIDENED, sums, weights, inputs)
#define CODED_DOT8(sums, weights, inputs) QUARTERS(WIDENED_FLIPPED, sums, weights, inputs)
#include "coded_tile.h"
#endif

void lmk_coded_product(
    const lmk_coded *m, size_t first, size_t last, const lmk_activations *a, size_t tokens, float *y, size_t stride) {
  switch (lmk_isa_in_use()) {
#if defined(__x86_64__)
    case LMK_ISA_AVX512BF16:
    case LMK_ISA_AVX512VNNI:
      return coded_product_avx512vnni(m, first, last, a, tokens, y, stride);
    case LMK_ISA_AVX512:
      return coded_product_avx512(m, first, last, a, tokens, y, stride);
    case LMK_ISA_AVX2:
      return coded_product_avx2(m, first, last, a, tokens, y, stride);
#elif defined(__aarch64__)
    case LMK_ISA_I8MM:
      return coded_product_i8mm(m, first, last, a, tokens, y, stride);
    case LMK_ISA_DOTPROD:
      return coded_product_dotprod(m, first, last, a, tokens, y, stride);
    case LMK_ISA_NEON:
      return coded_product_neon(m, first, last, a, tokens, y, stride);
#endif
    default:
      return lmk_ref_coded_product(m, first, last, a, tokens, y, stride);
  }
}

// The arithmetic of bf16 products (see gemm.h) without the instruction for it.
#pragma once
#include <stdint.h>

// sum + a[1] * b[1], then + a[0] * b[0]; the low halves of `a` and `b` are element 0.
float lmk_bf16_pair(float sum, uint32_t a, uint32_t b);

// Between the two calls, denormals are zeros in the thread's float operations, before and after; lmk_flush_end takes what
// lmk_flush_begin gave. x86-64 then computes exactly what VDPBF16PS does. 64-bit Arm looks at results before they are
// rounded, and makes a zero of what would round up to the least normal number; so there lmk_flush_end tells whether any
// result became zero.
#if defined(__x86_64__)
#include <immintrin.h>

static inline uint64_t lmk_flush_begin(void) {
  const uint32_t before = _mm_getcsr();
  _mm_setcsr(0x9FC0);  // flush to zero, denormals are zeros, round to nearest, no exceptions
  return before;
}

static inline void lmk_flush_end(uint64_t before) { _mm_setcsr((uint32_t)before); }
#elif defined(__aarch64__)
#define LMK_FPCR_FZ (UINT64_C(1) << 24)
#define LMK_FPSR_UFC (UINT64_C(1) << 3)

static inline uint64_t lmk_flush_begin(void) {
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpsr, xzr\n\tmsr fpcr, %0" : : "r"(LMK_FPCR_FZ) : "memory");
  return before;
}

static inline int lmk_flush_end(uint64_t before) {
  uint64_t status;
  __asm__ volatile("mrs %0, fpsr\n\tmsr fpcr, %1" : "=&r"(status) : "r"(before) : "memory");
  return (status & LMK_FPSR_UFC) != 0;
}
#endif

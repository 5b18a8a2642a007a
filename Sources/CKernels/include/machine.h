// What the machine can do at best, for measuring how close the kernels come: loops that do nothing but one instruction,
// and a loop that does nothing but read.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum {
  LMK_PEAK_F32 = 0,   // fused multiply-add of 32-bit floats
  LMK_PEAK_BF16 = 1,  // dot products of pairs of bf16, added to 32-bit floats
  LMK_PEAK_INT8 = 2,  // dot products of bytes, added to 32-bit integers
} lmk_peak;

// The instruction behind a peak: the fastest that this processor has for it, "vpdpbusd zmm". NULL when it has none.
const char *lmk_peak_instruction(lmk_peak peak);

// Operations of one round, a multiplication and an addition counting as two; 0 without an instruction.
double lmk_peak_operations(lmk_peak peak);

// Runs so many rounds in the calling thread; nothing without an instruction.
void lmk_peak_run(lmk_peak peak, size_t rounds);

// Reads `size` bytes once, from the first to the last, at any address. The result depends on each.
uint32_t lmk_read(const void *bytes, size_t size);

// Bytes of the last-level cache, 32 MiB where nobody knows.
size_t lmk_last_level_cache(void);

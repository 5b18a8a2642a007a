// 16-lane vectors by compiler extension: one zmm with AVX-512, two ymm with AVX2, four q registers with NEON.
#pragma once
#include <stdint.h>
#include <string.h>

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16x32 __attribute__((vector_size(64)));
typedef uint32_t u16x32 __attribute__((vector_size(64)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef int16_t i16x16 __attribute__((vector_size(32)));
typedef int8_t i16x8 __attribute__((vector_size(16)));
typedef uint8_t u16x8 __attribute__((vector_size(16)));
typedef _Float16 h16 __attribute__((vector_size(32)));

#define LMK_INLINE static inline __attribute__((always_inline))
#define LMK_FMA(a, b, c) __builtin_elementwise_fma(a, b, c)

// Unaligned access. Macros, since a function that passes vectors by value has an ABI that depends on the target.
#define LMK_LOAD(T, p) \
  ({                   \
    T value_;          \
    memcpy(&value_, (p), sizeof value_); \
    value_;            \
  })
#define LMK_STORE(p, v)                      \
  do {                                       \
    __typeof__(v) value_ = (v);              \
    memcpy((p), &value_, sizeof value_);     \
  } while (0)
#define LMK_SPLAT(x) ((x) - (v16){})  // not + 0: that would have to turn -0 into +0, an instruction for every use

// Lanes of a where the mask has all bits set, of b where it has none.
#define LMK_SELECT(mask, a, b)                                     \
  ({                                                               \
    i16x32 mask_ = (mask);                                         \
    (v16)((mask_ & (i16x32)(a)) | (~mask_ & (i16x32)(b)));         \
  })

// The sum of the lanes in the fixed tree of layers.h.
#define LMK_SUM(v)                                            \
  ({                                                          \
    v16 sum_ = (v);                                           \
    float lanes_[16];                                         \
    LMK_STORE(lanes_, sum_);                                  \
    for (int width_ = 8; width_ > 0; width_ /= 2)             \
      for (int lane_ = 0; lane_ < width_; lane_++) lanes_[lane_] += lanes_[lane_ + width_]; \
    lanes_[0];                                                \
  })

// The innermost kernels: a tile of ROWS x 16 * VECTORS elements of C, all of them in registers, plus the products of one panel
// of A with one panel of B. Each is a chain over the units in ascending order. See gemm_pack.h for the panels.
#pragma once
#include "gemm_bf16.h"
#include "gemm_pack.h"

// So many units before the end of a tile, the next one's elements of C are fetched.
enum { LMK_TILE_AHEAD = 128 };

// How a unit of A (the same in all lanes) and a vector of units of B add to a sum: in `steps` steps, each of which adds a part
// of the unit. An f32 is one step; a pair of bf16 is two, the odd element as a float and then the even one, or one VDPBF16PS.
#define LMK_WHOLE(unit, step) (unit)
#define LMK_HALF(unit, step) ((step) == 0 ? (v16)((u16x32)(unit) & 0xFFFF0000) : (v16)((u16x32)(unit) << 16))
#define LMK_ADD_FMA(sum, a, b) LMK_FMA(b, a, sum)
#define LMK_ADD_DOT(sum, a, b) ((v16)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b)))

// The unit at p in all lanes. As an integer: two bf16 are not a float.
#define LMK_SPLAT_UNIT(p)              \
  ({                                   \
    uint32_t bits_;                    \
    memcpy(&bits_, (p), sizeof bits_); \
    (v16)((u16x32){} + bits_);         \
  })

#define LMK_UNROLL _Pragma("clang loop unroll(full)")
#define LMK_EACH_SUM(ROWS, VECTORS)             \
  LMK_UNROLL for (size_t i = 0; i < ROWS; i++)  \
    LMK_UNROLL for (size_t j = 0; j < VECTORS; j++)

// Defines the tile NAME for one way to add. `c` is read unless `starts`; `next` is the tile of C that follows. A function of
// its own, and a loop that is not unrolled, so that nothing but the sums competes for registers, and no float operation moves
// out of where denormals are flushed.
#define LMK_TILE(NAME, TARGET, ROWS, VECTORS, STEPS, PART, ADD)                                                      \
  TARGET LMK_INLINE void NAME##_units(size_t count, const float *a, const float *b, v16 sum[ROWS][VECTORS]) {        \
    _Pragma("clang loop unroll(disable)") for (; count > 0; count--, a += ROWS, b += 16 * VECTORS) {                 \
      LMK_UNROLL for (int step = 0; step < STEPS; step++) {                                                          \
        if (step > 0) __asm__ volatile("" ::: "memory"); /* loads again rather than keep units, and spill sums */      \
        v16 columns[VECTORS];                                                                                        \
        LMK_UNROLL for (size_t j = 0; j < VECTORS; j++) columns[j] = PART(LMK_LOAD(v16, b + 16 * j), step);          \
        LMK_UNROLL for (size_t i = 0; i < ROWS; i++) {                                                               \
          const v16 row = PART(LMK_SPLAT_UNIT(a + i), step);                                                         \
          LMK_UNROLL for (size_t j = 0; j < VECTORS; j++) sum[i][j] = ADD(sum[i][j], row, columns[j]);               \
        }                                                                                                            \
      }                                                                                                              \
    }                                                                                                                \
  }                                                                                                                  \
  TARGET static __attribute__((noinline)) void NAME(                                                                 \
      size_t units, const float *a, const float *b, int starts, float *c, size_t stride, const float *next) {        \
    v16 sum[ROWS][VECTORS];                                                                                          \
    if (starts) {                                                                                                    \
      LMK_EACH_SUM(ROWS, VECTORS) sum[i][j] = (v16){};                                                               \
    } else {                                                                                                         \
      LMK_EACH_SUM(ROWS, VECTORS) sum[i][j] = LMK_LOAD(v16, c + i * stride + 16 * j);                                \
    }                                                                                                                \
    const size_t early = units > LMK_TILE_AHEAD ? units - LMK_TILE_AHEAD : 0;                                        \
    NAME##_units(early, a, b, sum);                                                                                  \
    LMK_EACH_SUM(ROWS, VECTORS) __builtin_prefetch(next + i * stride + 16 * j, 1);                                   \
    NAME##_units(units - early, a + early * ROWS, b + early * 16 * VECTORS, sum);                                    \
    LMK_EACH_SUM(ROWS, VECTORS) LMK_STORE(c + i * stride + 16 * j, sum[i][j]);                                       \
  }

// A block of C and its panels, which lie one after the other.
typedef struct {
  size_t rows, columns, units;
  const float *a, *b;
  int starts;
  float *c;
  size_t stride;
  ptrdiff_t diagonal;  // tiles whose columns are all before row + diagonal are not needed
} lmk_tiling;

static inline void copy_floats(const float *from, size_t from_stride, size_t rows, size_t columns, float *to, size_t to_stride) {
  for (size_t i = 0; i < rows; i++) memcpy(to + i * to_stride, from + i * from_stride, columns * sizeof(float));
}

// Defines NAME, which computes a block tile by tile. A tile that reaches over the edge is computed beside C.
#define LMK_TILING(NAME, TARGET, TILE, ROWS, VECTORS)                                                            \
  TARGET static void NAME(const lmk_tiling *t) {                                                                 \
    enum { COLUMNS = 16 * VECTORS };                                                                             \
    float edge[ROWS * COLUMNS] = {0};                                                                            \
    for (size_t j = 0; j < t->columns; j += COLUMNS) {                                                           \
      for (size_t i = 0; i < t->rows && (ptrdiff_t)(j + COLUMNS) > (ptrdiff_t)i + t->diagonal; i += ROWS) {      \
        const float *a = t->a + i * t->units, *b = t->b + j * t->units;                                          \
        float *c = t->c + i * t->stride + j;                                                                     \
        const size_t rows = at_most(t->rows - i, ROWS), columns = at_most(t->columns - j, COLUMNS);              \
        if (rows == ROWS && columns == COLUMNS) {                                                                \
          const float *next = i + 2 * ROWS <= t->rows ? c + ROWS * t->stride : c;                                \
          TILE(t->units, a, b, t->starts, c, t->stride, next);                                    \
        } else {                                                                                                 \
          if (!t->starts) copy_floats(c, t->stride, rows, columns, edge, COLUMNS);                               \
          TILE(t->units, a, b, t->starts, edge, COLUMNS, edge);                                   \
          copy_floats(edge, COLUMNS, rows, columns, c, t->stride);                                               \
        }                                                                                                        \
      }                                                                                                          \
    }                                                                                                            \
  }

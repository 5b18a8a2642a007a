#include "gemm.h"

#include "dispatch.h"
#include "gemm_bf16.h"
#include "gemm_pack.h"
#include "gemm_tile.h"
#include "reference.h"

// Sums of a tile fill the registers: 24 of 32 zmm, 12 of 16 ymm, 24 of 32 q.
#if defined(__x86_64__)
#define LMK_AVX512BF16 __attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))

LMK_TILE(tile_f32_avx2, LMK_AVX2, 6, 1, 1, LMK_WHOLE, LMK_ADD_FMA)
LMK_TILE(tile_pair_avx2, LMK_AVX2, 6, 1, 2, LMK_HALF, LMK_ADD_FMA)
LMK_TILE(tile_f32_avx512, LMK_AVX512, 12, 2, 1, LMK_WHOLE, LMK_ADD_FMA)
LMK_TILE(tile_pair_avx512, LMK_AVX512, 12, 2, 2, LMK_HALF, LMK_ADD_FMA)
LMK_TILE(tile_dot, LMK_AVX512BF16, 12, 2, 1, LMK_WHOLE, LMK_ADD_DOT)

LMK_TILING(tiles_f32_avx2, LMK_AVX2, tile_f32_avx2, 6, 1)
LMK_TILING(flushed_tiles_avx2, LMK_AVX2, tile_pair_avx2, 6, 1)
LMK_TILING(tiles_f32_avx512, LMK_AVX512, tile_f32_avx512, 12, 2)
LMK_TILING(flushed_tiles_avx512, LMK_AVX512, tile_pair_avx512, 12, 2)
LMK_TILING(tiles_dot, LMK_AVX512BF16, tile_dot, 12, 2)

static void flushing(void (*tiles)(const lmk_tiling *), const lmk_tiling *t) {
  const uint64_t before = lmk_flush_begin();
  tiles(t);
  lmk_flush_end(before);
}

static void tiles_pair_avx2(const lmk_tiling *t) { flushing(flushed_tiles_avx2, t); }
static void tiles_pair_avx512(const lmk_tiling *t) { flushing(flushed_tiles_avx512, t); }

LMK_AVX2 static void pack_rows_avx2(const lmk_packing *p, float *packed) { pack_panels(6, p, packed); }
LMK_AVX2 static void pack_columns_avx2(const lmk_packing *p, float *packed) { pack_panels(16, p, packed); }
LMK_AVX512 static void pack_rows_avx512(const lmk_packing *p, float *packed) { pack_panels(12, p, packed); }
LMK_AVX512 static void pack_columns_avx512(const lmk_packing *p, float *packed) { pack_panels(32, p, packed); }
#elif defined(__aarch64__)
LMK_TILE(tile_f32_neon, , 6, 1, 1, LMK_WHOLE, LMK_ADD_FMA)
LMK_TILE(tile_pair_neon, , 6, 1, 2, LMK_HALF, LMK_ADD_FMA)

// The tile on flushed sums; where any became zero, once more by the definition.
static void checked_tile_neon(
    size_t units, const float *a, const float *b, int starts, float *c, size_t stride, const float *next) {
  (void)next;
  float sums[6 * 16];
  if (!starts) copy_floats(c, stride, 6, 16, sums, 16);
  const uint64_t before = lmk_flush_begin();
  tile_pair_neon(units, a, b, starts, sums, 16, sums);
  const int happened = lmk_flush_end(before);
  if (!happened) return copy_floats(sums, 16, 6, 16, c, stride);
  for (size_t i = 0; i < 6; i++) {
    for (size_t j = 0; j < 16; j++) {
      float sum = starts ? 0 : c[i * stride + j];
      for (size_t unit = 0; unit < units; unit++) {
        uint32_t pairs[2];
        memcpy(&pairs[0], a + unit * 6 + i, 4);
        memcpy(&pairs[1], b + unit * 16 + j, 4);
        sum = lmk_bf16_pair(sum, pairs[0], pairs[1]);
      }
      c[i * stride + j] = sum;
    }
  }
}

LMK_TILING(tiles_f32_neon, , tile_f32_neon, 6, 1)
LMK_TILING(tiles_pair_neon, , checked_tile_neon, 6, 1)

static void pack_rows_neon(const lmk_packing *p, float *packed) { pack_panels(6, p, packed); }
static void pack_columns_neon(const lmk_packing *p, float *packed) { pack_panels(16, p, packed); }
#endif

static int pairs_of(const lmk_gemm *g) { return g->arithmetic == LMK_GEMM_BF16; }

// What an instruction set computes products with; all NULL: the scalar reference, which packs nothing.
typedef struct {
  void (*pack_rows)(const lmk_packing *p, float *packed);
  void (*pack_columns)(const lmk_packing *p, float *packed);
  void (*tiles)(const lmk_tiling *t);
} kernels;

static kernels kernels_of(const lmk_gemm *g) {
  const int pairs = pairs_of(g);
  switch (g->isa) {
#if defined(__x86_64__)
    case LMK_ISA_AVX512BF16:
      return (kernels){pack_rows_avx512, pack_columns_avx512, pairs ? tiles_dot : tiles_f32_avx512};
    case LMK_ISA_AVX512VNNI:
    case LMK_ISA_AVX512:
      return (kernels){pack_rows_avx512, pack_columns_avx512, pairs ? tiles_pair_avx512 : tiles_f32_avx512};
    case LMK_ISA_AVX2:
      return (kernels){pack_rows_avx2, pack_columns_avx2, pairs ? tiles_pair_avx2 : tiles_f32_avx2};
#elif defined(__aarch64__)
    case LMK_ISA_I8MM:
    case LMK_ISA_DOTPROD:
    case LMK_ISA_NEON:
      return (kernels){pack_rows_neon, pack_columns_neon, pairs ? tiles_pair_neon : tiles_f32_neon};
#endif
    default:
      return (kernels){0};
  }
}

static size_t units_of(const lmk_gemm *g, const lmk_gemm_slab *slab) {
  const size_t depth = slab->last_depth - slab->first_depth;
  return pairs_of(g) ? (depth + 1) / 2 : depth;
}

size_t lmk_gemm_slab_depth(lmk_gemm_arithmetic arithmetic) {
  return arithmetic == LMK_GEMM_BF16 ? 2 * LMK_GEMM_SLAB_UNITS : LMK_GEMM_SLAB_UNITS;
}

void lmk_gemm_pack(const lmk_gemm *g, const lmk_gemm_slab *slab, size_t first, size_t last, float *packed_columns) {
  const kernels chosen = kernels_of(g);
  if (chosen.pack_columns == NULL) return;
  const lmk_packing p = {&g->b, pairs_of(g), !g->b.transposed, g->columns, first, last, slab->first_depth, slab->last_depth};
  chosen.pack_columns(&p, packed_columns + (first - slab->first_column) * units_of(g, slab));
}

void lmk_gemm_block(
    const lmk_gemm *g, const lmk_gemm_slab *slab, size_t first_row, size_t last_row, size_t first, size_t last,
    const float *packed_columns, float *packed_rows) {
  const kernels chosen = kernels_of(g);
  if (chosen.tiles == NULL) return lmk_ref_gemm_block(g, slab, first_row, last_row, first, last);
  if (g->upper && last <= first_row) return;
  const lmk_packing p = {&g->a, pairs_of(g), g->a.transposed, g->rows, first_row, last_row, slab->first_depth, slab->last_depth};
  chosen.pack_rows(&p, packed_rows);
  const lmk_tiling t = {
      .rows = last_row - first_row,
      .columns = last - first,
      .units = units_of(g, slab),
      .a = packed_rows,
      .b = packed_columns + (first - slab->first_column) * units_of(g, slab),
      .starts = slab->first_depth == 0 && !g->accumulate,
      .c = g->c + first_row * g->c_stride + first,
      .stride = g->c_stride,
      .diagonal = g->upper ? (ptrdiff_t)first_row - (ptrdiff_t)first : PTRDIFF_MIN / 2,
  };
  chosen.tiles(&t);
}

void lmk_gemm_mirror(const lmk_gemm *g, size_t first, size_t last) {
  enum { STEP = 8 };  // columns at a time: the lines that hold them above the diagonal stay in the cache from row to row
  for (size_t start = 0; start < last; start += STEP) {
    for (size_t row = first; row < last; row++) {
      for (size_t column = start; column < at_most(row, start + STEP); column++)
        g->c[row * g->c_stride + column] = g->c[column * g->c_stride + row];
    }
  }
}

// Packing of panels: `width` lines (rows of op(A), columns of op(B)) side by side, k by k, in 32-bit units [unit][width]. A
// unit is one f32, or for bf16 arithmetic the two elements of a pair, the even k in its low half. Lines and units past the
// end are zero. `pairs`, `format`, `turned` and `width` are constants at every call.
#pragma once
#include "gemm.h"
#include "vector.h"

// f32 to bf16 as lmk_f32_to_bf16 does, left in the upper half of each lane; the lower half is of no meaning.
#define LMK_ROUND_BF16(bits)                                                            \
  ({                                                                                    \
    const u16x32 bits_ = (bits);                                                        \
    const u16x32 nan_ = (u16x32)((bits_ & 0x7FFFFFFF) > 0x7F800000);                    \
    (nan_ & (bits_ | 0x400000)) | (~nan_ & (bits_ + 0x7FFF + (bits_ >> 16 & 1)));       \
  })

// One stage of the transposition of 16 x 16: exchanges blocks of `size` lanes between rows that are `size` apart.
#define LMK_EXCHANGE(rows, size, LOW, HIGH)                               \
  _Pragma("clang loop unroll(full)") for (int i_ = 0; i_ < 16; i_++) {    \
    if (i_ & (size)) continue;                                            \
    const u16x32 upper_ = (rows)[i_], lower_ = (rows)[i_ + (size)];       \
    (rows)[i_] = __builtin_shufflevector(upper_, lower_, LOW);            \
    (rows)[i_ + (size)] = __builtin_shufflevector(upper_, lower_, HIGH);  \
  }
#define LMK_LANES(...) __VA_ARGS__

LMK_INLINE void transpose_units(u16x32 rows[16]) {
  LMK_EXCHANGE(rows, 1, LMK_LANES(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
               LMK_LANES(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
  LMK_EXCHANGE(rows, 2, LMK_LANES(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
               LMK_LANES(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
  LMK_EXCHANGE(rows, 4, LMK_LANES(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
               LMK_LANES(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
  LMK_EXCHANGE(rows, 8, LMK_LANES(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
               LMK_LANES(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
}

LMK_INLINE size_t at_most(size_t count, size_t most) { return count < most ? count : most; }

// 16 elements, `count` of them there and the others 0, as the bits of f32.
LMK_INLINE void load_elements(const lmk_format format, const uint8_t *from, size_t count, u16x32 *out) {
  const size_t size = format == LMK_F32 ? 4 : 2;
  uint8_t whole[64] = {0};
  if (count < 16) {
    memcpy(whole, from, count * size);
    from = whole;
  }
  *out = format == LMK_F32 ? LMK_LOAD(u16x32, from) : __builtin_convertvector(LMK_LOAD(u16x16, from), u16x32) << 16;
}

// Units from two lots of bf16: each in the upper half of f32 (bf16), or rounded to it.
LMK_INLINE void join_pairs(const lmk_format format, const u16x32 *even, const u16x32 *odd, u16x32 *out) {
  *out = format == LMK_F32 ? LMK_ROUND_BF16(*even) >> 16 | (LMK_ROUND_BF16(*odd) & 0xFFFF0000) : *even >> 16 | *odd;
}

// 16 units of one line from k on, `count` elements of which are there; elements lie one after the other.
LMK_INLINE void load_line(const int pairs, const lmk_format format, const uint8_t *from, size_t count, u16x32 *out) {
  const size_t size = format == LMK_F32 ? 4 : 2;
  if (!pairs) return load_elements(format, from, count, out);
  uint8_t whole[128] = {0};
  if (count < 32) {
    memcpy(whole, from, count * size);
    from = whole;
  }
  if (format == LMK_BF16) {
    *out = LMK_LOAD(u16x32, from);
    return;
  }
  const u16x32 low = LMK_LOAD(u16x32, from), high = LMK_LOAD(u16x32, from + 64);
  const u16x32 even = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const u16x32 odd = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  join_pairs(format, &even, &odd, out);
}

// A unit of 16 lines that lie side by side, `count` of them there; `odd_is_there` is 0 for the last pair of an odd k.
LMK_INLINE void load_across(
    const int pairs, const lmk_format format, const uint8_t *from, size_t stride, size_t count, int odd_is_there, u16x32 *out) {
  u16x32 even, odd = {};
  load_elements(format, from, count, &even);
  if (!pairs) {
    *out = even;
    return;
  }
  if (odd_is_there) load_elements(format, from + stride, count, &odd);
  join_pairs(format, &even, &odd, out);
}

// One panel of `units` units from `from` on: `lines` lines are there, in this panel and after it, and `depth` elements of
// each. Vectors are stored whole: what spills over is overwritten by the next unit, or by the next panel. Here the elements
// of a line lie one after the other.
LMK_INLINE void pack_along(
    const int pairs, const lmk_format format, const size_t width, const uint8_t *from, size_t stride, size_t lines, size_t depth,
    size_t units, float *panel) {
  const size_t unit_bytes = (pairs ? 2 : 1) * (format == LMK_F32 ? 4 : 2);
  for (size_t lane = 0; lane < width; lane += 16, from += 16 * stride) {
    const size_t there = lane < lines ? at_most(lines - lane, width - lane) : 0;
    for (size_t unit = 0; unit < units; unit += 16) {
      u16x32 rows[16];
#pragma clang loop unroll(full)
      for (size_t l = 0; l < 16; l++) {
        rows[l] = (u16x32){};
        if (l < there)
          load_line(pairs, format, from + l * stride + unit * unit_bytes, depth - unit * (pairs ? 2 : 1), &rows[l]);
      }
      transpose_units(rows);
#pragma clang loop unroll(full)
      for (size_t u = 0; u < 16 && unit + u < units; u++) LMK_STORE(panel + (unit + u) * width + lane, rows[u]);
    }
  }
}

// The same where lines lie side by side: k goes from stored row to stored row.
LMK_INLINE void pack_across(
    const int pairs, const lmk_format format, const size_t width, const uint8_t *from, size_t stride, size_t lines, size_t depth,
    size_t units, float *panel) {
  const size_t step = pairs ? 2 : 1, size = format == LMK_F32 ? 4 : 2;
  for (size_t unit = 0; unit < units; unit++, from += step * stride) {
#pragma clang loop unroll(full)
    for (size_t lane = 0; lane < width; lane += 16) {
      u16x32 row;
      const size_t there = lane < lines ? lines - lane : 0;
      load_across(pairs, format, from + lane * size, stride, there, unit * step + 1 < depth, &row);
      LMK_STORE(panel + unit * width + lane, row);
    }
  }
}

// The panels of the lines first_line..<last_line of an operand.
typedef struct {
  const lmk_gemm_operand *operand;
  int pairs, turned;
  size_t lines;  // of the whole operand
  size_t first_line, last_line, first_depth, last_depth;
} lmk_packing;

LMK_INLINE void pack_lines(
    const int pairs, const lmk_format format, const int turned, const size_t width, const lmk_packing *p, float *packed) {
  const size_t depth = p->last_depth - p->first_depth, units = pairs ? (depth + 1) / 2 : depth;
  const size_t size = format == LMK_F32 ? 4 : 2, stride = p->operand->stride * size;
  for (size_t line = p->first_line; line < p->last_line; line += width, packed += units * width) {
    const uint8_t *from = p->operand->values;
    if (turned) {
      from += p->first_depth * stride + line * size;
      pack_across(pairs, format, width, from, stride, p->lines - line, depth, units, packed);
    } else {
      from += line * stride + p->first_depth * size;
      pack_along(pairs, format, width, from, stride, p->lines - line, depth, units, packed);
    }
  }
}

LMK_INLINE void pack_either_way(const int pairs, const lmk_format format, const size_t width, const lmk_packing *p, float *packed) {
  p->turned ? pack_lines(pairs, format, 1, width, p, packed) : pack_lines(pairs, format, 0, width, p, packed);
}

LMK_INLINE void pack_panels(const size_t width, const lmk_packing *p, float *packed) {
  if (p->operand->format == LMK_F32) {
    p->pairs ? pack_either_way(1, LMK_F32, width, p, packed) : pack_either_way(0, LMK_F32, width, p, packed);
  } else {
    p->pairs ? pack_either_way(1, LMK_BF16, width, p, packed) : pack_either_way(0, LMK_BF16, width, p, packed);
  }
}

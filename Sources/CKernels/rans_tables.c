#include "rans_layout.h"
#include "vector.h"

// A slot: the frequency of its symbol (bits 0 to 11), its place within the symbol (12 to 23), whether the index is odd (24) and
// the value (25 to 31) or the length; the escape has the value RANS_ESCAPED of rans_decode.c.
static uint32_t meaning(int context, int symbol) {
  if (context == LMK_RANS_LENGTHS) return (uint32_t)symbol << 25;
  if (symbol == RANS_ESCAPE) return (uint32_t)64 << 25;
  int32_t high = symbol - (LMK_RANS_REACH + 1);
  return (uint32_t)rans_value(context & 1, high) << 25 | (uint32_t)(high & 1) << 24;
}

void lmk_rans_slots(lmk_rans_frequencies frequencies, uint32_t *slots) {
  for (int context = 0; context < LMK_RANS_CONTEXTS; context++) {
    const uint16_t *row = frequencies + (size_t)context * LMK_RANS_SYMBOLS;
    uint32_t *slot = slots + (size_t)context * LMK_RANS_TOTAL, *end = slot + LMK_RANS_TOTAL;
    for (int symbol = 0; symbol < LMK_RANS_SYMBOLS; symbol++) {
      for (uint32_t place = 0; place < row[symbol] && slot < end; place++) {
        *slot++ = meaning(context, symbol) | place << RANS_BITS | row[symbol];
      }
    }
  }
}

static void count_index(int class, int state, int32_t index, uint64_t *counts, uint64_t *raw) {
  int bits = rans_raw(class), context = 2 * rans_model(class) + (state & 1);
  int32_t high = index >> bits;
  int cell = rans_is_in_reach(high) ? high + LMK_RANS_REACH + 1 : LMK_RANS_SYMBOLS + rans_length(rans_escaped(high));
  counts[context * LMK_RANS_CELLS + cell]++;
  *raw += (uint64_t)bits;
}

// Follows the paths of some lanes; counts when there are `counts`, writes values when there are `values`.
LMK_INLINE int32_t follow(
    const lmk_rans_matrix *matrix, const int16_t *indices, size_t first, size_t last, uint64_t *counts, uint64_t *raw,
    int16_t *values) {
  int32_t largest = 0;
  for (size_t lane = first; lane < last; lane++) {
    size_t top = lane * LMK_RANS_LANE, rows = rans_lane_rows(matrix, lane);
    int state = 0;
    for (size_t column = 0; column < matrix->columns; column++) {
      for (size_t row = top; row < top + rows; row++) {
        int32_t index = indices[row * matrix->columns + column], value = rans_value(state, index);
        largest = rans_magnitude(value) > largest ? rans_magnitude(value) : largest;
        int class = rans_class(matrix->row_codes[row], matrix->column_codes[column]);
        if (counts) count_index(class, state, index, counts, raw);
        if (values) values[row * matrix->columns + column] = (int16_t)value;
        state = rans_next(matrix->trellis, state, index);
      }
    }
  }
  return largest <= LMK_RANS_LARGEST ? largest : -1;
}

int32_t lmk_rans_count(
    const lmk_rans_matrix *matrix, const int16_t *indices, size_t first, size_t last, uint64_t *counts, uint64_t *raw) {
  return follow(matrix, indices, first, last, counts, raw, NULL);
}

int32_t lmk_rans_values(const lmk_rans_matrix *matrix, const int16_t *indices, size_t first, size_t last, int16_t *values) {
  return follow(matrix, indices, first, last, NULL, NULL, values);
}

void lmk_rans_indices(const lmk_rans_matrix *matrix, int16_t *values) {
  for (size_t top = 0; top < matrix->rows; top += LMK_RANS_LANE) {
    size_t rows = rans_lane_rows(matrix, top / LMK_RANS_LANE);
    int state = 0;
    for (size_t column = 0; column < matrix->columns; column++) {
      for (size_t row = top; row < top + rows; row++) {
        int16_t *value = &values[row * matrix->columns + column];
        int32_t index = rans_index(state, *value);
        *value = (int16_t)index;
        state = rans_next(matrix->trellis, state, index);
      }
    }
  }
}

#include <string.h>

#include "rans_layout.h"

// One step of the coder: a symbol of frequency `frequency` of 2^bits that starts at `start`.
typedef struct {
  uint16_t start;
  uint16_t frequency;
  uint8_t bits;
} step;

enum {
  STEPS = 5,          // of a symbol at most: escape, length, two pieces of what follows, raw bits
  SEGMENT_HEAD = 4,   // the state that the decoder starts with
  SYMBOL_BYTES = 10,  // of a symbol at most: a word for each step
};

size_t lmk_rans_bound(const lmk_rans_matrix *matrix) {
  return SEGMENT_HEAD + SYMBOL_BYTES * LMK_RANS_LANE * matrix->columns;
}

size_t lmk_rans_scratch(const lmk_rans_matrix *matrix) {
  return sizeof(step) * STEPS * LMK_RANS_LANE * matrix->columns;
}

typedef struct {
  lmk_rans_frequencies frequencies;
  uint16_t starts[LMK_RANS_CONTEXTS][LMK_RANS_SYMBOLS];
} model;

static void open_model(model *model, lmk_rans_frequencies frequencies) {
  model->frequencies = frequencies;
  for (int context = 0; context < LMK_RANS_CONTEXTS; context++) {
    uint32_t start = 0;
    for (int symbol = 0; symbol < LMK_RANS_SYMBOLS; symbol++) {
      model->starts[context][symbol] = (uint16_t)start;
      start += frequencies[context * LMK_RANS_SYMBOLS + symbol];
    }
  }
}

static step modelled(const model *model, int context, int symbol) {
  return (step){model->starts[context][symbol], model->frequencies[context * LMK_RANS_SYMBOLS + symbol], RANS_BITS};
}

static step raw(uint32_t value, int bits) { return (step){(uint16_t)value, 1, (uint8_t)bits}; }

// The steps of one index, in the order of the decoder; returns where the next ones go.
static step *take_apart(const model *model, int class, int state, int32_t index, step *steps) {
  int bits = rans_raw(class), context = 2 * rans_model(class) + (state & 1);
  int32_t high = index >> bits;
  int symbol = rans_is_in_reach(high) ? high + LMK_RANS_REACH + 1 : RANS_ESCAPE;
  if (model->frequencies[context * LMK_RANS_SYMBOLS + symbol] == 0) symbol = RANS_ESCAPE;
  *steps++ = modelled(model, context, symbol);
  if (symbol == RANS_ESCAPE) {
    uint32_t escaped = rans_escaped(high);
    int length = rans_length(escaped);
    uint32_t rest = escaped - (1u << length);
    *steps++ = modelled(model, LMK_RANS_LENGTHS, length);
    if (length > RANS_BITS) *steps++ = raw(rest >> RANS_BITS, length - RANS_BITS);
    if (length > 0) *steps++ = raw(rest & (LMK_RANS_TOTAL - 1), length < RANS_BITS ? length : RANS_BITS);
  }
  if (bits > 0) *steps++ = raw((uint32_t)index & ((1u << bits) - 1), bits);
  return steps;
}

// Writes the segment of the steps backwards from `end` and returns where it starts.
static uint8_t *code(const step *first, const step *last, uint8_t *end) {
  uint32_t x = RANS_LOWEST;
  while (last > first) {
    step s = *--last;
    if (x >= (uint64_t)s.frequency << (32 - s.bits)) {
      *--end = (uint8_t)(x >> 8), *--end = (uint8_t)x;
      x >>= 16;
    }
    x = ((x / s.frequency) << s.bits) + x % s.frequency + s.start;
  }
  for (int shift = 24; shift >= 0; shift -= 8) *--end = (uint8_t)(x >> shift);
  return end;
}

size_t lmk_rans_encode(
    const lmk_rans_matrix *matrix, lmk_rans_frequencies frequencies, const int16_t *indices, size_t lane, void *scratch,
    uint8_t *segment) {
  model model;
  open_model(&model, frequencies);
  step *steps = scratch, *end = steps;
  size_t top = lane * LMK_RANS_LANE, rows = rans_lane_rows(matrix, lane);
  int state = 0;
  for (size_t column = 0; column < matrix->columns; column++) {
    for (size_t row = top; row < top + rows; row++) {
      int32_t index = indices[row * matrix->columns + column];
      if (rans_magnitude(rans_value(state, index)) > LMK_RANS_LARGEST) return 0;
      end = take_apart(&model, rans_class(matrix->row_codes[row], matrix->column_codes[column]), state, index, end);
      state = rans_next(matrix->trellis, state, index);
    }
  }
  uint8_t *limit = segment + lmk_rans_bound(matrix), *start = code(steps, end, limit);
  memmove(segment, start, (size_t)(limit - start));
  return (size_t)(limit - start);
}

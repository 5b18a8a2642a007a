// The scalar definition of decoding: rans.h and formats/rate.md.
#include "rans_layout.h"
#include "reference.h"

typedef struct {
  uint32_t x;
  const uint8_t *next, *end;
  int is_damaged;
} reader;

static uint32_t word(reader *reader) {
  if (reader->end - reader->next < 2) return (uint32_t)(reader->is_damaged = 1);
  uint32_t word = reader->next[0] | (uint32_t)reader->next[1] << 8;
  reader->next += 2;
  return word;
}

static void refill(reader *reader) {
  if (reader->x < RANS_LOWEST) reader->x = reader->x << 16 | word(reader);
}

static uint32_t raw(reader *reader, int bits) {
  uint32_t value = reader->x & ((1u << bits) - 1);
  reader->x >>= bits;
  refill(reader);
  return value;
}

static int symbol(reader *reader, const uint16_t *frequencies) {
  uint32_t slot = reader->x & (LMK_RANS_TOTAL - 1), start = 0;
  int symbol = 0;
  while (start + frequencies[symbol] <= slot) start += frequencies[symbol++];
  reader->x = frequencies[symbol] * (reader->x >> RANS_BITS) + slot - start;
  refill(reader);
  return symbol;
}

static int32_t escaped(reader *reader, const uint16_t *frequencies) {
  int length = symbol(reader, frequencies);
  uint32_t high = length > RANS_BITS ? raw(reader, length - RANS_BITS) << RANS_BITS : 0;
  uint32_t low = length > 0 ? raw(reader, length < RANS_BITS ? length : RANS_BITS) : 0;
  return rans_unescaped((1u << length) + high + low);
}

static int32_t next_index(reader *reader, lmk_rans_frequencies frequencies, int class, int state) {
  int bits = rans_raw(class), context = 2 * rans_model(class) + (state & 1);
  int s = symbol(reader, frequencies + context * LMK_RANS_SYMBOLS);
  int32_t high = s != RANS_ESCAPE ? s - (LMK_RANS_REACH + 1)
                                  : escaped(reader, frequencies + LMK_RANS_LENGTHS * LMK_RANS_SYMBOLS);
  return (int32_t)((uint32_t)high << bits | (bits > 0 ? raw(reader, bits) : 0));
}

int lmk_ref_rans_decode(
    const lmk_rans_matrix *matrix, lmk_rans_frequencies frequencies, size_t lane, const uint8_t *segment, size_t length,
    int32_t largest, int16_t *values) {
  reader reader = {0, segment, segment + length, 0};
  reader.x = word(&reader);
  reader.x |= word(&reader) << 16;
  if (reader.is_damaged || reader.x < RANS_LOWEST) return 0;
  size_t top = lane * LMK_RANS_LANE, rows = rans_lane_rows(matrix, lane);
  int state = 0;
  for (size_t column = 0; column < matrix->columns; column++) {
    for (size_t row = 0; row < rows; row++) {
      int class = rans_class(matrix->row_codes[top + row], matrix->column_codes[column]);
      int32_t index = next_index(&reader, frequencies, class, state), value = rans_value(state, index);
      if (reader.is_damaged || rans_magnitude(value) > largest) return 0;
      values[row * matrix->columns + column] = (int16_t)value;
      state = rans_next(matrix->trellis, state, index);
    }
  }
  return reader.next == reader.end && reader.x == RANS_LOWEST;
}

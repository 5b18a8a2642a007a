// Lanes are decoded side by side, up to eight: one symbol of each in turn, so that the processor works on one lane while it
// waits for the tables of another. All checks of bounds are made between columns: a column cannot read more than RANS_SLACK
// bytes, and that many are readable behind every segment.
#include <string.h>

#include "rans_layout.h"
#include "vector.h"

enum {
  ABREAST = 8,      // lanes that are decoded side by side
  TILE = 16,        // columns that are decoded before they are written row by row
  RANS_ESCAPED = -64,  // the value of an escape in a slot
};

// The lane between two columns. `state` is as in the steps of a trellis, below.
typedef struct {
  uint32_t x;
  uint32_t state;
  const uint8_t *next;
} cursor;

typedef int16_t tile[TILE][LMK_RANS_LANE];

typedef int16_t i8x16 __attribute__((vector_size(16)));
typedef int8_t i8x8 __attribute__((vector_size(8)));
typedef uint32_t u8x32 __attribute__((vector_size(32)));

// The rows of a lane, and what a column needs to know of each: where its slots start, and its raw bits.
typedef struct {
  uint32_t slots[LMK_RANS_LANE];
  int16_t raw[LMK_RANS_LANE];
  int16_t row_codes[LMK_RANS_LANE];
} models;

// The next state at 2 * state + (index odd), as 2 * state, and whether it is odd in the bit that chooses among slots.
typedef uint16_t steps[2 * LMK_RANS_STATES];
enum { STATE_BITS = 2 * (LMK_RANS_STATES - 1), ODD = 1 << RANS_BITS };

static void lay_out_trellis(int trellis, uint16_t *steps) {
  for (int state = 0; state < lmk_rans_states(trellis); state++)
    for (int odd = 0; odd < 2; odd++) {
      int next = rans_next(trellis, state, odd);
      steps[2 * state + odd] = (uint16_t)(next << 1 | (next & 1) << RANS_BITS);
    }
}

static inline uint32_t load_word(const uint8_t *bytes) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  uint16_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
#else
  return bytes[0] | (uint32_t)bytes[1] << 8;
#endif
}

// Without a branch: whether a word is needed cannot be foreseen.
LMK_INLINE void refill(uint32_t *x, const uint8_t **next) {
  uint32_t full = *x << 16 | load_word(*next);
  int is_low = *x < RANS_LOWEST;
  *x = is_low ? full : *x;
  *next += 2 * is_low;
}

LMK_INLINE uint32_t take_raw(uint32_t *x, const uint8_t **next, int bits) {
  uint32_t value = *x & ((1u << bits) - 1);
  *x >>= bits;
  refill(x, next);
  return value;
}

typedef struct {
  int32_t high;
  uint32_t x;
  const uint8_t *next;
} rest;

static __attribute__((noinline)) rest take_rest(const uint32_t *lengths, uint32_t x, const uint8_t *next) {
  uint32_t slot = lengths[x & (LMK_RANS_TOTAL - 1)];
  int length = (int)(slot >> 25);
  x = (slot & (LMK_RANS_TOTAL - 1)) * (x >> RANS_BITS) + (slot >> RANS_BITS & (LMK_RANS_TOTAL - 1));
  refill(&x, &next);
  uint32_t top = length > RANS_BITS ? take_raw(&x, &next, length - RANS_BITS) << RANS_BITS : 0;
  uint32_t low = take_raw(&x, &next, length < RANS_BITS ? length : RANS_BITS);
  return (rest){rans_unescaped((1u << length) + top + low), x, next};
}

// 16 bits hold every value that can be right.
static inline int16_t narrow(int32_t value, int *is_too_large) {
  *is_too_large |= rans_magnitude(value) > LMK_RANS_LARGEST;
  return (int16_t)value;
}

// One column of `count` lanes, a constant at every call, as is whether there are raw bits. Returns whether a value is too large.
LMK_INLINE int decode_column(
    const uint32_t *slots, const uint16_t *trellis, const models *models, const int count, const int has_raw, size_t rows,
    size_t column, cursor *cursors, tile *tiles) {
  const uint32_t *lengths = slots + (size_t)LMK_RANS_LENGTHS * LMK_RANS_TOTAL;
  uint32_t x[ABREAST], state[ABREAST];
  const uint8_t *next[ABREAST];
  int is_too_large = 0;
  for (int l = 0; l < count; l++) x[l] = cursors[l].x, state[l] = cursors[l].state, next[l] = cursors[l].next;
  for (size_t row = 0; row < rows; row++) {
#pragma clang loop unroll(full)
    for (int l = 0; l < count; l++) {
      uint32_t slot = slots[models[l].slots[row] + (state[l] & ODD) + (x[l] & (LMK_RANS_TOTAL - 1))];
      x[l] = (slot & (LMK_RANS_TOTAL - 1)) * (x[l] >> RANS_BITS) + (slot >> RANS_BITS & (LMK_RANS_TOTAL - 1));
      refill(&x[l], &next[l]);
      int32_t value = (int32_t)slot >> 25;
      uint32_t is_odd = slot >> 24 & 1;
      if (has_raw || __builtin_expect(value == RANS_ESCAPED, 0)) {
        int trellis_state = (int)(state[l] & STATE_BITS) >> 1;
        int32_t index = rans_index(trellis_state, value);
        if (value == RANS_ESCAPED) {
          rest rest = take_rest(lengths, x[l], next[l]);
          index = rest.high, x[l] = rest.x, next[l] = rest.next;
        }
        if (has_raw) {
          int bits = models[l].raw[row];
          index = (int32_t)((uint32_t)index << bits | take_raw(&x[l], &next[l], bits));
        }
        value = narrow(rans_value(trellis_state, index), &is_too_large);
        is_odd = (uint32_t)index & 1;
      }
      tiles[l][column][row] = (int16_t)value;
      state[l] = trellis[(state[l] & STATE_BITS) | is_odd];
    }
  }
  for (int l = 0; l < count; l++) cursors[l].x = x[l], cursors[l].state = state[l], cursors[l].next = next[l];
  return is_too_large;
}

#define COLUMN(COUNT)                                                                         \
  case COUNT:                                                                                 \
    return has_raw ? decode_column(slots, trellis, models, COUNT, 1, rows, column, cursors, tiles)     \
                   : decode_column(slots, trellis, models, COUNT, 0, rows, column, cursors, tiles);

static int decode_one(
    const uint32_t *slots, const uint16_t *trellis, const models *models, size_t count, int has_raw, size_t rows, size_t column,
    cursor *cursors, tile *tiles) {
  switch (count) {
    COLUMN(1)
    COLUMN(2)
    COLUMN(3)
    COLUMN(4)
    COLUMN(5)
    COLUMN(6)
    COLUMN(7)
    default: COLUMN(8)
  }
}

#define CHOOSE(mask, a, b) (((a) & (mask)) | ((b) & ~(mask)))

// Fills in the models of a column; returns whether any row has raw bits. As rans_class and its kin, eight rows at once.
static int choose_models(int column_code, models *models) {
  const i8x16 zero = {0}, last = zero + (LMK_RANS_CLASSES - 1), own = zero + LMK_RANS_MODELS, wide = own - 4;
  const i8x16 column = zero + (int16_t)(column_code - RANS_CODE_BIAS);
  i8x16 all = zero;
  for (size_t row = 0; row < LMK_RANS_LANE; row += 8) {
    i8x16 sum = LMK_LOAD(i8x16, models->row_codes + row) + column, half = (sum & (sum > zero)) >> 1;
    i8x16 class = CHOOSE(half < last, half, last), has_raw = class >= own;
    i8x16 model = CHOOSE(has_raw, wide + (class & 3), class), raw = ((class - wide) >> 2) & has_raw;
    LMK_STORE(models->slots + row, __builtin_convertvector(model, u8x32) * (2 * LMK_RANS_TOTAL));
    LMK_STORE(models->raw + row, raw);
    all |= raw;
  }
  int has_raw = 0;
  for (int i = 0; i < 8; i++) has_raw |= all[i];
  return has_raw;
}

// Where the values go: 8 or 16 bits wide, [rows][stride].
typedef struct {
  int16_t *wide;
  int8_t *narrow;
  size_t stride;
  int32_t largest;  // met so far
} sink;

enum { SIDE = 8 };

// Rows a and b become one of the first halves of each, element by element, and one of the second halves.
#define INTERLEAVE(a, b, low, high)                                      \
  low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11),         \
  high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

// Interleaving rows that lie four apart, three times over, turns rows into columns.
LMK_INLINE void turn(i8x16 m[SIDE]) {
  for (int round = 0; round < 3; round++) {
    i8x16 turned[SIDE];
    for (int i = 0; i < SIDE / 2; i++) INTERLEAVE(m[i], m[i + SIDE / 2], turned[2 * i], turned[2 * i + 1]);
    for (int i = 0; i < SIDE; i++) m[i] = turned[i];
  }
}

// Eight rows of eight columns; `seen` gathers magnitudes.
LMK_INLINE void write_square(const tile *tile, size_t row, size_t column, const int is_narrow, size_t place, sink *sink, i8x16 *seen) {
  i8x16 m[SIDE];
  for (int i = 0; i < SIDE; i++) m[i] = LMK_LOAD(i8x16, &(*tile)[column + (size_t)i][row]);
  turn(m);
  for (int i = 0; i < SIDE; i++) {
    i8x16 sign = m[i] >> 15, magnitude = (m[i] ^ sign) - sign, is_more = magnitude > *seen;
    *seen = (magnitude & is_more) | (*seen & ~is_more);
    if (is_narrow) LMK_STORE(sink->narrow + place, __builtin_convertvector(m[i], i8x8));
    else LMK_STORE(sink->wide + place, m[i]);
    place += sink->stride;
  }
}

static void write_one(const tile *tile, size_t row, size_t column, size_t place, sink *sink) {
  int16_t value = (*tile)[column][row];
  int32_t magnitude = rans_magnitude(value);
  sink->largest = magnitude > sink->largest ? magnitude : sink->largest;
  if (sink->narrow) sink->narrow[place] = (int8_t)value;
  else sink->wide[place] = value;
}

LMK_INLINE void write_squares(
    const tile *tile, size_t rows, size_t columns, const int is_narrow, size_t place, sink *sink) {
  i8x16 seen = {0};
  for (size_t row = 0; row < rows; row += SIDE) {
    for (size_t column = 0; column < columns; column += SIDE) {
      write_square(tile, row, column, is_narrow, place + row * sink->stride + column, sink, &seen);
    }
  }
  for (int i = 0; i < SIDE; i++) sink->largest = seen[i] > sink->largest ? seen[i] : sink->largest;
}

// Writes `columns` columns of a lane at `place` of the sink: squares of eight as far as they go, then one by one.
static void write_tile(const tile *tile, size_t rows, size_t columns, size_t place, sink *sink) {
  size_t whole_rows = rows / SIDE * SIDE, whole_columns = columns / SIDE * SIDE;
  if (sink->narrow) write_squares(tile, whole_rows, whole_columns, 1, place, sink);
  else write_squares(tile, whole_rows, whole_columns, 0, place, sink);
  for (size_t row = 0; row < rows; row++) {
    for (size_t column = row < whole_rows ? whole_columns : 0; column < columns; column++) {
      write_one(tile, row, column, place + row * sink->stride + column, sink);
    }
  }
}

// `count` lanes of the same height from `lane` on.
static int decode_abreast(
    const lmk_rans_job *job, const uint16_t *trellis, size_t lane, size_t count, const uint8_t *const *segments,
    const uint32_t *lengths, sink *sink) {
  const lmk_rans_matrix *matrix = job->matrix;
  size_t rows = rans_lane_rows(matrix, lane), top = lane * LMK_RANS_LANE;
  cursor cursors[ABREAST];
  models models[ABREAST];
  tile tiles[ABREAST];
  for (size_t l = 0; l < count; l++) {
    if (lengths[l] < 4) return 0;
    uint32_t x = load_word(segments[l]) | load_word(segments[l] + 2) << 16;
    if (x < RANS_LOWEST) return 0;
    cursors[l] = (cursor){x, 0, segments[l] + 4};
    for (size_t row = 0; row < LMK_RANS_LANE; row++) {
      models[l].row_codes[row] = row < rows ? matrix->row_codes[top + l * LMK_RANS_LANE + row] : 0;
    }
  }
  for (size_t start = 0; start < matrix->columns; start += TILE) {
    size_t width = matrix->columns - start < TILE ? matrix->columns - start : TILE;
    for (size_t column = 0; column < width; column++) {
      int has_raw = 0;
      for (size_t l = 0; l < count; l++) {
        if (cursors[l].next > segments[l] + lengths[l]) return 0;
        has_raw |= choose_models(matrix->column_codes[start + column], &models[l]);
      }
      if (decode_one(job->slots, trellis, models, count, has_raw, rows, column, cursors, tiles)) return 0;
    }
    for (size_t l = 0; l < count; l++) {
      write_tile(&tiles[l], rows, width, (lane - job->first + l) * LMK_RANS_LANE * sink->stride + start, sink);
    }
  }
  for (size_t l = 0; l < count; l++) {
    if (cursors[l].next != segments[l] + lengths[l] || cursors[l].x != RANS_LOWEST) return 0;
  }
  return 1;
}

// Groups as equal as can be, as more lanes side by side are faster: nine lanes are five and four.
static int decode(const lmk_rans_job *job, sink sink) {
  sink.stride = job->matrix->columns;
  size_t whole = job->matrix->rows / LMK_RANS_LANE, lane = job->first;
  const uint8_t *bytes = job->bytes;
  steps trellis;
  lay_out_trellis(job->matrix->trellis, trellis);
  while (lane < job->last) {
    size_t left = (job->last < whole ? job->last : whole) - lane, groups = (left + ABREAST - 1) / ABREAST;
    size_t count = lane < whole ? (left + groups - 1) / groups : 1;
    const uint8_t *segments[ABREAST];
    const uint32_t *lengths = job->lengths + (lane - job->first);
    for (size_t l = 0; l < count; l++) segments[l] = bytes, bytes += lengths[l];
    if (!decode_abreast(job, trellis, lane, count, segments, lengths, &sink)) return 0;
    lane += count;
  }
  return sink.largest <= job->largest;
}

int lmk_rans_decode_i16(const lmk_rans_job *job, int16_t *values) { return decode(job, (sink){.wide = values}); }
int lmk_rans_decode_i8(const lmk_rans_job *job, int8_t *values) { return decode(job, (sink){.narrow = values}); }

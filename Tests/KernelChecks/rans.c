// The entropy code of rate matrices: rans.h. Encoding has no variants: what it writes counts as computed by the reference, so that
// it must be the same on every processor.
#include "rans.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "reference.h"

enum { FREQUENCIES = LMK_RANS_CONTEXTS * LMK_RANS_SYMBOLS };

// Every other context without its outer symbols, so that those are escaped.
static uint16_t *make_frequencies(void) {
  uint16_t *frequencies = blank(FREQUENCIES * sizeof *frequencies);
  for (int context = 0; context < LMK_RANS_CONTEXTS; context++) {
    uint16_t *row = frequencies + context * LMK_RANS_SYMBOLS;
    int is_lengths = context == LMK_RANS_LENGTHS, left = LMK_RANS_TOTAL;
    for (int symbol = 0; symbol < LMK_RANS_SYMBOLS; symbol++) {
      int distance = abs(symbol - LMK_RANS_REACH - 1);
      int is_there = is_lengths ? symbol <= LMK_RANS_LONGEST : symbol == 0 || distance < (context & 2 ? 4 : 64);
      row[symbol] = (uint16_t)(is_there ? 1 + noise() % 48 : 0);
      left -= row[symbol];
    }
    row[is_lengths ? 3 : LMK_RANS_REACH + 1] += (uint16_t)left;
  }
  return frequencies;
}

static int16_t *make_indices(size_t count, int spread) {
  int16_t *indices = blank(count * sizeof *indices);
  for (size_t i = 0; i < count; i++) {
    int magnitude = (int)(noise() % 16 == 0 ? noise() % (uint64_t)spread : noise() % 4);
    indices[i] = (int16_t)(noise() & 1 ? magnitude : -magnitude);
  }
  return indices;
}

static uint8_t *make_codes(size_t count, int spread, int center) {
  uint8_t *codes = blank(count);
  for (size_t i = 0; i < count; i++) codes[i] = (uint8_t)(center + (int)(noise() % (uint64_t)spread));
  return codes;
}

typedef struct {
  lmk_rans_matrix matrix;
  uint16_t *frequencies;
  uint32_t *slots;
  uint8_t *bytes;
  uint32_t *lengths;
  size_t lanes, count;
} coded;

static coded encode(const lmk_rans_matrix *matrix, const int16_t *indices) {
  coded coded = {.matrix = *matrix, .frequencies = make_frequencies(), .lanes = (matrix->rows + LMK_RANS_LANE - 1) / LMK_RANS_LANE};
  coded.slots = blank((size_t)LMK_RANS_CONTEXTS * LMK_RANS_TOTAL * sizeof(uint32_t));
  lmk_rans_slots(coded.frequencies, coded.slots);
  coded.bytes = blank(coded.lanes * lmk_rans_bound(matrix) + LMK_RANS_SLACK);
  coded.lengths = blank(coded.lanes * sizeof(uint32_t));
  void *scratch = blank(lmk_rans_scratch(matrix));
  for (size_t lane = 0; lane < coded.lanes; lane++) {
    coded.lengths[lane] =
        (uint32_t)lmk_rans_encode(matrix, coded.frequencies, indices, lane, scratch, coded.bytes + coded.count);
    coded.count += coded.lengths[lane];
  }
  free(scratch);
  return coded;
}

// What the reference makes of all lanes.
static int decode(const coded *coded, int32_t largest, int16_t *values) {
  const uint8_t *bytes = coded->bytes;
  for (size_t lane = 0; lane < coded->lanes; bytes += coded->lengths[lane], lane++) {
    int16_t *first = values + lane * LMK_RANS_LANE * coded->matrix.columns;
    if (!lmk_ref_rans_decode(&coded->matrix, coded->frequencies, lane, bytes, coded->lengths[lane], largest, first)) return 0;
  }
  return 1;
}

static void check_verdicts(coded *coded, int32_t largest, size_t elements) {
  int16_t *values = blank(elements * sizeof *values);
  lmk_rans_job job = {&coded->matrix, coded->slots, 0, coded->lanes, coded->bytes, coded->lengths, largest};
  for (int trial = 0; trial < 40; trial++) {
    size_t at = noise() % coded->count;
    uint8_t flip = (uint8_t)(1 << noise() % 8);
    coded->bytes[at] ^= flip;
    int expected = decode(coded, largest, values), verdict = lmk_rans_decode_i16(&job, values);
    expect_same(&expected, &verdict, sizeof verdict, "verdict on byte %zu, %zu rows", at, coded->matrix.rows);
    coded->bytes[at] ^= flip;
  }
  free(values);
}

static void check_shape(size_t rows, size_t columns, int spread, int center, int trellis) {
  uint8_t *row_codes = make_codes(rows, 24, 116), *column_codes = make_codes(columns, 24, center);
  lmk_rans_matrix matrix = {rows, columns, row_codes, column_codes, trellis};
  size_t elements = rows * columns;
  int16_t *indices = make_indices(elements, spread), *expected = blank(elements * sizeof *expected);
  coded coded = encode(&matrix, indices);
  int32_t largest = lmk_rans_values(&matrix, indices, 0, coded.lanes, expected);
  int16_t *values = blank(elements * sizeof *values);
  int sound = decode(&coded, largest, values), yes = 1;
  expect_same(&yes, &sound, sizeof sound, "the reference refuses %zu x %zu", rows, columns);
  expect_same(expected, values, elements * sizeof *values, "the reference, %zu x %zu", rows, columns);
  expect_same(coded.bytes, coded.bytes, coded.count, "the bytes");
  lmk_rans_job job = {&matrix, coded.slots, 0, coded.lanes, coded.bytes, coded.lengths, largest};
  memset(values, 0xFF, elements * sizeof *values);
  sound = lmk_rans_decode_i16(&job, values);
  expect_same(&yes, &sound, sizeof sound, "%zu x %zu is refused", rows, columns);
  expect_same(expected, values, elements * sizeof *values, "16 bits, %zu x %zu", rows, columns);
  if (largest <= 127) {
    int8_t *bytes = blank(elements);
    sound = lmk_rans_decode_i8(&job, bytes);
    expect_same(&yes, &sound, sizeof sound, "%zu x %zu is refused for 8 bits", rows, columns);
    for (size_t i = 0; i < elements; i++) values[i] = bytes[i];
    expect_same(expected, values, elements * sizeof *values, "8 bits, %zu x %zu", rows, columns);
    free(bytes);
  }
  check_verdicts(&coded, largest, elements);
  lmk_rans_indices(&matrix, expected);
  expect_same(indices, expected, elements * sizeof *indices, "indices, %zu x %zu", rows, columns);
  free(coded.frequencies), free(coded.slots), free(coded.bytes), free(coded.lengths);
  free(row_codes), free(column_codes), free(indices), free(expected), free(values);
}

// Small and large values, narrow classes and those that send bits as they are, whole lanes and parts of one.
void check_rans(void) {
  static const size_t sizes[][2] = {{1, 1}, {63, 7}, {64, 16}, {65, 17}, {200, 40}, {576, 33}, {520, 8}, {1, 300}};
  static const int spreads[] = {8, 60, 16000}, centers[] = {20, 80, 160};
  next_isa(-1);  // integers need no variants: one instruction set is as good as any
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (int i = 0; i < 3; i++) {
      for (int c = 0; c < 3; c++) check_shape(sizes[s][0], sizes[s][1], spreads[i], centers[c], (int)(s + (size_t)i) % LMK_RANS_TRELLISES);
    }
  }
}

// Matrices of integers of any size, entropy-coded: lanes of 64 rows, each one segment of rANS whose symbols are modelled by
// the spread of their row and column and by the state of a trellis. formats/rate.md says what the bytes mean.
//
// Everything is arithmetic of integers: the same on every processor.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  LMK_RANS_LANE = 64,       // rows of a lane
  LMK_RANS_TOTAL = 4096,    // what the frequencies of a context add up to
  LMK_RANS_CLASSES = 88,    // quarter octaves of the expected magnitude
  LMK_RANS_MODELS = 40,     // classes below have frequencies of their own, the others send low bits as they are
  LMK_RANS_REACH = 31,      // the largest high part with a frequency
  LMK_RANS_SYMBOLS = 64,    // symbol 0 is the escape, symbol h + 32 the high part h
  LMK_RANS_LENGTHS = 80,    // the context of the lengths of escaped high parts; the others are 2 * model + state odd
  LMK_RANS_CONTEXTS = 81,
  LMK_RANS_LONGEST = 15,    // the longest length
  LMK_RANS_CELLS = 80,      // of a histogram: symbols, then lengths of high parts out of reach
  LMK_RANS_SLACK = 1024,    // bytes that must be readable behind a segment
  LMK_RANS_TRELLISES = 6,   // 0 is that of H.266 with 8 states; t > 0 has 8 << t
  LMK_RANS_STATES = 256,    // states of the largest trellis
  LMK_RANS_LARGEST = 32767  // the largest magnitude of a value
};

// The contexts of a matrix [rows, columns].
typedef struct {
  size_t rows;
  size_t columns;
  const uint8_t *row_codes;     // [rows]
  const uint8_t *column_codes;  // [columns]
  int trellis;                  // 0..<LMK_RANS_TRELLISES
} lmk_rans_matrix;

static inline int lmk_rans_states(int trellis) { return 8 << trellis; }

// The frequencies of a table set: [LMK_RANS_CONTEXTS][LMK_RANS_SYMBOLS].
typedef const uint16_t *lmk_rans_frequencies;

// Lays out frequencies for the decoder: slots[LMK_RANS_CONTEXTS][LMK_RANS_TOTAL].
void lmk_rans_slots(lmk_rans_frequencies frequencies, uint32_t *slots);

// Counts the symbols of lanes first..<last in counts[LMK_RANS_LENGTHS][LMK_RANS_CELLS] and adds the bits that are sent as they are
// to `raw`. indices: [rows][columns] of the matrix. Returns the largest magnitude of a value, or -1 when one is too large.
int32_t lmk_rans_count(
    const lmk_rans_matrix *matrix, const int16_t *indices, size_t first, size_t last, uint64_t *counts, uint64_t *raw);

// The values that indices stand for: [rows][columns] of the matrix, lanes first..<last. Returns as lmk_rans_count.
int32_t lmk_rans_values(const lmk_rans_matrix *matrix, const int16_t *indices, size_t first, size_t last, int16_t *values);

// Turns the values of a whole matrix, as decoded, back into the indices.
void lmk_rans_indices(const lmk_rans_matrix *matrix, int16_t *values);

// Bytes that the segment of one lane needs at most, and bytes of scratch memory for encoding it.
size_t lmk_rans_bound(const lmk_rans_matrix *matrix);
size_t lmk_rans_scratch(const lmk_rans_matrix *matrix);

// Encodes one lane and returns the bytes of its segment, or 0 when a value is too large. Each context must have an escape.
size_t lmk_rans_encode(
    const lmk_rans_matrix *matrix, lmk_rans_frequencies frequencies, const int16_t *indices, size_t lane, void *scratch,
    uint8_t *segment);

// What is decoded: lanes first..<last, whose segments follow each other from `bytes` on; LMK_RANS_SLACK bytes behind the last
// must be readable.
typedef struct {
  const lmk_rans_matrix *matrix;
  const uint32_t *slots;
  size_t first;
  size_t last;
  const uint8_t *bytes;
  const uint32_t *lengths;  // [last - first]
  int32_t largest;          // no value may be larger in magnitude; at most LMK_RANS_LARGEST, for 8 bits at most 127
} lmk_rans_job;

// Decodes the values of the lanes, [rows of the lanes][columns]. Returns 1, or 0 when a segment is damaged; the values are then
// of no use. Any bytes are safe.
int lmk_rans_decode_i16(const lmk_rans_job *job, int16_t *values);
int lmk_rans_decode_i8(const lmk_rans_job *job, int8_t *values);

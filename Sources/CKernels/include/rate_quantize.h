// Quantization of a matrix to the integers of rate mode (formats/rate.md): columns in order, each along an eight-state trellis
// down the rows of a lane, the error of every column fed back into the columns after it.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  LMK_LANE = 64,              // rows that share a path of the trellis
  LMK_RATE_SPAN = 127,        // indices beyond it cost as much as it
  LMK_RATE_WIDTH = 2 * LMK_RATE_SPAN + 1,
  LMK_RATE_LARGEST = 16383,   // the largest magnitude of an index
};

// What all lanes of a matrix share.
typedef struct {
  size_t columns;
  const float *feedback;        // [columns][columns]: row c, element j < c: what the target of column c gains for an error of 1 in column j
  const float *steps;           // [columns]
  const uint8_t *column_codes;  // [columns], context codes
  size_t classes;               // of expected magnitude: contexts of an index, together with the oddness of the state
  const float *costs;           // [classes][2][LMK_RATE_WIDTH], of an index, in squared steps
} lmk_rate_plan;

// Up to LMK_LANE rows. `weights`, `indices` and `values` have rows of plan->columns elements.
typedef struct {
  size_t rows;
  const float *weights;
  const float *steps;        // [rows]
  const uint8_t *row_codes;  // [rows]
  int16_t *indices;
  int16_t *values;
} lmk_rate_lane;

// Floats of scratch, aligned to 64 bytes, for a matrix of so many columns.
size_t lmk_rate_scratch(size_t columns);

// Chooses indices and values. The class of an element is (row code + column code) / 2, at most classes - 1.
void lmk_rate_quantize(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch);

// The value of an index in a state of the trellis, and the state that follows.
int lmk_rate_value(int state, int index);
int lmk_rate_next(int state, int index);

// Quantization of a matrix to the integers of rate mode (formats/rate.md): columns in order, each along a trellis
// down the rows of a lane, the error of every column fed back into the columns after it.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  LMK_LANE = 64,             // rows that share a path of the trellis
  LMK_RATE_BLOCK = 64,       // columns that are quantized at a time
  LMK_RATE_AHEAD = 32,       // rows of the next column that say in which state a column should end
  LMK_RATE_SPAN = 64,        // high parts of an index with a cost are -64...63; those beyond cost as much as the last
  LMK_RATE_LARGEST = 16383,  // the largest magnitude of an index
  LMK_RATE_REACH = 2 * LMK_RATE_LARGEST - 3,  // targets lie within so many steps of 0: every index that comes into question fits
};

// What all lanes of a matrix share. The class of an element is (row code + column code - 128) / 2, within 0..<classes.
typedef struct {
  size_t columns;
  const float *feedback;        // [columns][columns]: row c, element j < c: what the target of column c gains for an error of 1 in column j
  const float *steps;           // [columns]
  const uint8_t *column_codes;  // [columns], context codes
  size_t classes;
  const uint8_t *models;        // [classes]: the model of a class
  const uint8_t *shifts;        // [classes]: low bits of an index that all cost the same
  const float *costs;           // [models][2][2 * LMK_RATE_SPAN]: squared steps, of the high part of an index, for even states and odd ones
  int trellis;                  // as in lmk_rans_matrix
  int keeps_zeros;              // weights that are zero become zero, whatever is fed back to them
} lmk_rate_plan;

// Up to LMK_LANE rows. `weights` and `indices` have rows of plan->columns elements.
typedef struct {
  size_t rows;
  const float *weights;
  const float *steps;        // [rows]
  const uint8_t *row_codes;  // [rows]
  const float *gains;        // [LMK_LANE][LMK_LANE] or NULL: row k, element i > k: what row i gains for an error of 1 in row k of a column
  int16_t *indices;
} lmk_rate_lane;

// Floats of scratch, aligned to 64 bytes, for a matrix of so many columns.
size_t lmk_rate_scratch(size_t columns);

// Chooses indices. Returns 0, with indices that are of no use, when a target, feedback included, is out of reach or no number.
int lmk_rate_quantize(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch);

// The same, block after block, for lanes that make up for the errors of others.
// Prepares the scratch of a lane.
void lmk_rate_begin(const lmk_rate_plan *plan, const lmk_rate_lane *lane, float *scratch);
// Quantizes the columns of the block that begins at `first`, those before being done, from `state` on, 0 for the first.
// `shift`, [columns of the block][LMK_LANE]: what rows gain for errors in other lanes, or NULL. Returns the state for the next block, or -1
// where lmk_rate_quantize returns 0.
int lmk_rate_block(
    const lmk_rate_plan *plan, const lmk_rate_lane *lane, size_t first, int state, const float *shift, float *scratch);
// What the weights of column j are above their values, [LMK_LANE], once the block of the column is done.
static inline const float *lmk_rate_errors(const lmk_rate_plan *plan, size_t j, const float *scratch) {
  return scratch + (2 * plan->columns + j) * LMK_LANE;
}

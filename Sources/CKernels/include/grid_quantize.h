// Quantization of float rows to uniform grids of 4 or 8 bits, as specified in formats/quantized.md, and the way back.
// A group is a run of consecutive inputs of a row that shares one f16 scale and, with `minimum`, one f16 minimum.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct {
  size_t columns;  // inputs of a row, at least 1
  size_t group;    // inputs of a group, at least 1; the last group of a row may be shorter
  int bits;        // 4 or 8
  int minimum;     // 0: w = scale * q with signed q; 1: w = scale * q + minimum with q from 0
} lmk_grid;

typedef enum {
  LMK_GRID_DONE = 0,
  LMK_GRID_NOT_FINITE = 1,  // a weight is NaN or infinite
  LMK_GRID_TOO_LARGE = 2,   // the scale or the minimum that a group needs is beyond the f16 range
} lmk_grid_outcome;

// Quantizes one row. `codes` gets (columns * bits + 7) / 8 bytes, `scales` and (with minimum) `minimums` one f16 per
// group. `work` holds `columns` bytes. Where it fails, `column` is the first weight, or the first of the group, to blame.
lmk_grid_outcome lmk_grid_quantize_row(const lmk_grid *grid, const float *row, uint8_t *codes, uint16_t *scales,
                                       uint16_t *minimums, uint8_t *work, size_t *column);

// Turns the stored form of one row back into floats: scale * q, exact, and with minimum one rounded addition.
void lmk_grid_dequantize_row(const lmk_grid *grid, const uint8_t *codes, const uint16_t *scales,
                             const uint16_t *minimums, float *row);

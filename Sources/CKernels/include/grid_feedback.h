// Quantization of a matrix to a grid column by column, the error of every column fed back into the columns after it (GPTQ; Frantar et al.
// 2023), as specified in formats/quantized.md.
#pragma once
#include "grid_quantize.h"

enum { LMK_GRID_LANE = 64 };  // rows that are quantized together

// What all lanes of a matrix share.
typedef struct {
  lmk_grid grid;
  const uint32_t *order;  // [columns], which column comes when
  const float *feedback;  // [columns][columns] in that order: row c, element j < c: what the target of c gains for an error of 1 in j
} lmk_grid_feedback_plan;

// Up to LMK_GRID_LANE rows.
typedef struct {
  size_t rows;
  const float *weights;      // [rows][columns]
  uint8_t *codes;            // [rows][(columns * bits + 7) / 8]
  const uint16_t *scales;    // [rows][groups]
  const uint16_t *minimums;  // [rows][groups], with a minimum
} lmk_grid_lane;

// Bytes of scratch for a matrix of so many columns.
size_t lmk_grid_feedback_scratch(size_t columns);

// Chooses the codes for scales and minimums that were chosen before.
void lmk_grid_quantize_lane(const lmk_grid_feedback_plan *plan, const lmk_grid_lane *lane, void *scratch);

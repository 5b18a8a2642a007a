// How well a grid fits a group of weights: the measurements behind grid_quantize.c.
// Sums run in LANES partial sums that are added in one fixed order, so every instruction set gives the same bits.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const float *weights;
  size_t count;
  int has_minimum;
  float low, high;  // the least and the greatest code: -8 and 7, -128 and 127, 0 and 15, or 0 and 255
  float minimum;    // the least weight
  float maximum;    // the greatest weight
  float extent;     // with a minimum: maximum - minimum; without: the largest magnitude
} lmk_group;

// A grid, the squared error of the weights rounded to it, and the least-squares grid for the same codes.
typedef struct {
  uint16_t scale, minimum;  // f16
  int usable;               // whether next_* could be computed
  float error, next_scale, next_minimum;
} lmk_fit;

// Describes `weights`; returns 0 when one is NaN or infinite.
int lmk_group_open(lmk_group *group, const float *weights, size_t count, int bits, int has_minimum);

// Whether even the smallest scale that reaches all weights, or the minimum, overflows f16.
int lmk_group_is_too_large(const lmk_group *group);

// The grid without steps: scale zero, or for a constant group with a minimum the pair that adds up to the constant.
lmk_fit lmk_fit_flat(const lmk_group *group);

// Rounds the weights to the grid and measures. The error is infinite when scale or minimum is not finite.
lmk_fit lmk_fit_measure(const lmk_group *group, uint16_t scale, uint16_t minimum);

// How much of the sum of squares (about the mean, with a minimum) the best grid explains whose codes are
// round((w - anchor) * inverse), and that grid.
float lmk_fit_score(const lmk_group *group, float inverse, float anchor, float *scale, float *minimum);

// Writes the codes, one per byte: q + 8 for 4 bits and q in two's complement for 8 bits, q itself with a minimum.
void lmk_fit_codes(const lmk_group *group, const lmk_fit *fit, uint8_t *codes);

// The f16 that is `steps` places away on the number line of finite values.
uint16_t lmk_half_step(uint16_t bits, int steps);

// Packs codes of one byte each two to the byte, the first in the low nibble.
void lmk_pack_nibbles(const uint8_t *codes, size_t count, uint8_t *packed);

// What the ways through a trellis gain by the error of a row: rate_gains.h.
#include "../../Sources/CKernels/rate_gains.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static void check_ways(size_t ways, size_t first) {
  const size_t bytes = ways * LMK_LANE * sizeof(float);
  float *gains = noise_floats(LMK_LANE, 1), *errors = noise_floats(ways, 2), *before = noise_floats(ways * LMK_LANE, 3);
  float *expected = blank(bytes), *computed = blank(bytes);
  uint8_t *from = blank(ways);
  for (size_t s = 0; s < ways; s++) from[s] = (uint8_t)(noise() % ways);
  lmk_ref_rate_gains(gains, first, ways, from, errors, (const float(*)[LMK_LANE])before, (float(*)[LMK_LANE])expected);
  FOR_EACH_ISA {
    memset(computed, 0xFF, bytes);
    lmk_rate_gains(gains, first, ways, from, errors, (const float(*)[LMK_LANE])before, (float(*)[LMK_LANE])computed);
    expect_same(expected, computed, bytes, "%zu ways from row %zu on", ways, first);
  }
  free(gains), free(errors), free(before), free(expected), free(computed), free(from);
}

// The last row leaves none behind it.
void check_rate_gains(void) {
  static const size_t ways[] = {1, 8, 32, 256}, firsts[] = {1, 15, 16, 17, 33, 63, 64};
  for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++) check_ways(ways[w], firsts[f]);
}

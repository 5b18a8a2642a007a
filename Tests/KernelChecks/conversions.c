// Conversions to and from half floats (half.h), and quantization to grids (grid_quantize.h).
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "grid_quantize.h"
#include "half.h"

// Many at once against one by one: all halves, and floats around every f16 from zero to overflow. NaN is left out, of which
// only NaN is asked.
void check_half(void) {
  enum { COUNT = 0xF800 };
  uint16_t *halves = blank(COUNT * sizeof *halves), *expected_halves = blank(COUNT * sizeof *halves);
  float *floats = blank(COUNT * sizeof *floats), *expected = blank(COUNT * sizeof *floats), *inputs = blank(COUNT * sizeof *floats);
  for (uint32_t i = 0; i < COUNT; i++) {
    const uint16_t bits = (uint16_t)(i < 0x7C00 ? i : i - 0x7C00 + 0x8000);
    halves[i] = bits;
    expected[i] = lmk_f16_to_f32_one(bits);
    inputs[i] = expected[i] * (1 + noise_float() * 0x1p-10f);
    expected_halves[i] = lmk_f32_to_f16_one(inputs[i]);
  }
  FOR_EACH_ISA {
    lmk_f16_to_f32(halves, floats, COUNT);
    expect_same(expected, floats, COUNT * sizeof *floats, "f16 to f32");
    uint16_t *computed = blank(COUNT * sizeof *computed);
    lmk_f32_to_f16(inputs, computed, COUNT);
    expect_same(expected_halves, computed, COUNT * sizeof *computed, "f32 to f16");
    free(computed);
  }
  free(halves), free(expected_halves), free(floats), free(expected), free(inputs);
}

static void quantize(const lmk_grid *grid, const float *row, uint8_t *output) {
  const size_t groups = (grid->columns + grid->group - 1) / grid->group;
  uint8_t *work = blank(grid->columns), *codes = output;
  uint16_t *scales = blank(2 * groups * sizeof *scales), *minimums = scales + groups;
  size_t column = 0;
  if (lmk_grid_quantize_row(grid, row, codes, scales, minimums, work, &column) != LMK_GRID_DONE) exit(70);
  memcpy(codes + grid->columns, scales, (grid->minimum ? 2 : 1) * groups * sizeof *scales);
  free(work), free(scales);
}

// The reference here is the whole of it on the reference instruction set.
void check_grid_quantize(void) {
  static const size_t columns[] = {1, 31, 32, 100, 257};
  for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
    for (int kind = 0; kind < 8; kind++) {
      const lmk_grid grid = {columns[c], kind & 4 ? 32 : columns[c], kind & 1 ? 8 : 4, kind >> 1 & 1};
      const size_t bytes = columns[c] * 5;
      float *row = noise_floats(columns[c], 2);
      uint8_t *expected = blank(bytes);
      lmk_isa_force(LMK_ISA_REFERENCE);
      quantize(&grid, row, expected);
      FOR_EACH_ISA {
        uint8_t *computed = blank(bytes);
        quantize(&grid, row, computed);
        expect_same(expected, computed, bytes, "%zu columns, kind %d", columns[c], kind);
        free(computed);
      }
      free(row), free(expected);
    }
  }
}

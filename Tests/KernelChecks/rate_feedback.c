// The feedback of errors into later columns: rate_feedback.h.
#include "../../Sources/CKernels/rate_feedback.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

// The columns first..<last take up the errors of from..<to.
static void check_range(size_t columns, size_t first, size_t last, size_t from, size_t to) {
  const size_t count = columns * LMK_LANE, bytes = count * sizeof(float);
  float *feedback = noise_floats(columns * columns, 1), *errors = noise_floats(count, 1), *start = noise_floats(count, 4);
  float *expected = blank(bytes), *computed = blank(bytes);
  const lmk_rate_plan plan = {.columns = columns, .feedback = feedback};
  memcpy(expected, start, bytes);
  lmk_ref_rate_feedback(&plan, first, last, from, to, errors, expected);
  FOR_EACH_ISA {
    memcpy(computed, start, bytes);
    lmk_rate_feedback(&plan, first, last, from, to, errors, computed);
    expect_same(expected, computed, bytes, "%zu..<%zu into %zu..<%zu of %zu columns", from, to, first, last, columns);
  }
  free(feedback), free(errors), free(start), free(expected), free(computed);
}

// One, two and three columns left over beside those that go three at a time; single errors and blocks of them; nothing at all.
void check_rate_feedback(void) {
  static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 33, 64, 65, 131};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const size_t columns = sizes[s], middle = (columns + 1) / 2;
    check_range(columns, 1, columns, 0, 1);
    check_range(columns, middle, columns, 0, middle);
    check_range(columns, columns - 1, columns, 0, columns - 1);
    check_range(columns, middle, columns, middle / 2, middle);
    check_range(columns, middle, columns, middle, middle);
    check_range(columns, columns, columns, 0, columns);
  }
}

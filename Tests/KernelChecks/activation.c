// Activation functions: activation.h.
#include "activation.h"

#include <stdlib.h>

#include "check.h"
#include "reference.h"

static void check_function(lmk_activation function, const float *gate, const float *up, size_t count) {
  float *expected = blank(count * sizeof(float));
  lmk_ref_activate(function, gate, up, count, expected);
  FOR_EACH_ISA {
    float *y = blank(count * sizeof(float));
    lmk_activate(function, gate, up, count, y);
    expect_same(expected, y, count * sizeof(float), "function %d, %zu elements, gate %s", function, count, up ? "and up" : "alone");
    free(y);
  }
  free(expected);
}

// Near zero, and where exp is at the end of its range.
void check_activate(void) {
  static const float scales[] = {0.01f, 5, 200};
  for (int function = LMK_SILU; function <= LMK_RELU; function++) {
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
      FOR_EACH_COUNT {
        float *gate = noise_floats(count, scales[s]), *up = noise_floats(count, 1);
        check_function((lmk_activation)function, gate, up, count);
        check_function((lmk_activation)function, gate, NULL, count);
        free(gate), free(up);
      }
    }
  }
}

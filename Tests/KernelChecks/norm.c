// Normalisation: norm.h.
#include "norm.h"

#include <stdlib.h>

#include "check.h"
#include "reference.h"

void check_rms_norm(void) {
  FOR_EACH_COUNT {
    float *x = noise_floats(count, 4), *weight = noise_floats(count, 1), *expected = blank(count * sizeof(float));
    lmk_ref_rms_norm(x, weight, 1e-5f, count, expected);
    FOR_EACH_ISA {
      float *y = blank(count * sizeof(float));
      lmk_rms_norm(x, weight, 1e-5f, count, y);
      expect_same(expected, y, count * sizeof(float), "%zu elements", count);
      free(y);
    }
    free(x), free(weight), free(expected);
  }
}

static void check_centred(const float *x, const float *weight, const float *bias, size_t count) {
  float *expected = blank(count * sizeof(float));
  lmk_ref_layer_norm(x, weight, bias, 1e-5f, count, expected);
  FOR_EACH_ISA {
    float *y = blank(count * sizeof(float));
    lmk_layer_norm(x, weight, bias, 1e-5f, count, y);
    expect_same(expected, y, count * sizeof(float), "%zu elements, %s bias", count, bias == NULL ? "no" : "a");
    free(y);
  }
  free(expected);
}

void check_layer_norm(void) {
  FOR_EACH_COUNT {
    float *x = noise_floats(count, 4), *weight = noise_floats(count, 1), *bias = noise_floats(count, 1);
    check_centred(x, weight, bias, count);
    check_centred(x, weight, NULL, count);
    free(x), free(weight), free(bias);
  }
}

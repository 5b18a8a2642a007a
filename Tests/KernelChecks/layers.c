// The layers between the products: layers.h.
#include "layers.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "reference.h"

static const size_t counts[] = {1, 5, 15, 16, 17, 33, 255, 256, 257, 300, 576};
#define FOR_EACH_COUNT for (size_t c_ = 0, count; c_ < sizeof counts / sizeof *counts && (count = counts[c_], 1); c_++)

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

void check_softmax(void) {
  FOR_EACH_COUNT {
    float *x = noise_floats(count, 100), *expected = blank(count * sizeof(float));
    memcpy(expected, x, count * sizeof(float));
    lmk_ref_softmax(expected, count);
    FOR_EACH_ISA {
      float *y = blank(count * sizeof(float));
      memcpy(y, x, count * sizeof(float));
      lmk_softmax(y, count);
      expect_same(expected, y, count * sizeof(float), "%zu elements", count);
      free(y);
    }
    free(x), free(expected);
  }
}

void check_log_sum_exp(void) {
  FOR_EACH_COUNT {
    float *x = noise_floats(count, 20);
    double expected;
    lmk_ref_log_sum_exp(x, count, &expected);
    FOR_EACH_ISA {
      const double result = lmk_log_sum_exp(x, count);
      expect_same(&expected, &result, sizeof result, "%zu elements", count);
    }
    free(x);
  }
}

void check_divergence(void) {
  FOR_EACH_COUNT {
    float *p = noise_floats(count, 20), *q = noise_floats(count, 20);
    double expected;
    lmk_ref_divergence(p, q, count, 18.5, 19.25, &expected);
    FOR_EACH_ISA {
      const double result = lmk_divergence(p, q, count, 18.5, 19.25);
      expect_same(&expected, &result, sizeof result, "%zu elements", count);
    }
    free(p), free(q);
  }
}

void check_silu_product(void) {
  FOR_EACH_COUNT {
    float *gate = noise_floats(count, 100), *up = noise_floats(count, 1), *expected = blank(count * sizeof(float));
    lmk_ref_silu_product(gate, up, count, expected);
    FOR_EACH_ISA {
      float *y = blank(count * sizeof(float));
      lmk_silu_product(gate, up, count, y);
      expect_same(expected, y, count * sizeof(float), "%zu elements", count);
      free(y);
    }
    free(gate), free(up), free(expected);
  }
}

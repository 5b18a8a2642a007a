// The layers between the products: layers.h.
#include "layers.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "reference.h"

static float *copy_of(const float *x, size_t bytes) { return memcpy(blank(bytes), x, bytes); }

void check_softmax(void) {
  FOR_EACH_COUNT {
    float *x = noise_floats(count, 100), *expected = copy_of(x, count * sizeof(float));
    lmk_ref_softmax(expected, count);
    FOR_EACH_ISA {
      float *y = copy_of(x, count * sizeof(float));
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

void check_rotary(void) {
  static const size_t sizes[] = {2, 10, 32, 64, 80, 128};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const size_t heads = 3, stride = sizes[s] + s, count = heads * stride, bytes = count * sizeof(float);
    float *x = noise_floats(count, 2), *cosines = noise_floats(sizes[s] / 2, 1), *sines = noise_floats(sizes[s] / 2, 1);
    float *expected = copy_of(x, bytes);
    lmk_ref_rotary(expected, heads, stride, sizes[s], cosines, sines);
    FOR_EACH_ISA {
      float *y = copy_of(x, bytes);
      lmk_rotary(y, heads, stride, sizes[s], cosines, sines);
      expect_same(expected, y, bytes, "%zu of %zu elements of %zu heads", sizes[s], stride, heads);
      free(y);
    }
    free(x), free(cosines), free(sines), free(expected);
  }
}

void check_add(void) {
  FOR_EACH_COUNT {
    float *x = noise_floats(count, 2), *y = noise_floats(count, 3), *expected = copy_of(x, count * sizeof(float));
    lmk_ref_add(expected, y, count);
    FOR_EACH_ISA {
      float *sum = copy_of(x, count * sizeof(float));
      lmk_add(sum, y, count);
      expect_same(expected, sum, count * sizeof(float), "%zu elements", count);
      free(sum);
    }
    free(x), free(y), free(expected);
  }
}

void check_multiply(void) {
  FOR_EACH_COUNT {
    const size_t bytes = count * sizeof(float);
    float *x = noise_floats(count, 2), *y = noise_floats(count, 3), *expected = blank(bytes);
    lmk_ref_multiply(x, y, count, expected);
    FOR_EACH_ISA {
      float *products = blank(bytes);
      lmk_multiply(x, y, count, products);
      expect_same(expected, products, bytes, "%zu elements", count);
      free(products);
    }
    free(x), free(y), free(expected);
  }
}

void check_scale(void) {
  FOR_EACH_COUNT {
    const size_t bytes = count * sizeof(float);
    float *x = noise_floats(count, 2), *scaled = copy_of(x, bytes), *capped = copy_of(x, bytes);
    lmk_ref_scale(scaled, 0.3f, count);
    lmk_ref_softcap(capped, 0.7f, count);
    FOR_EACH_ISA {
      float *y = copy_of(x, bytes), *z = copy_of(x, bytes);
      lmk_scale(y, 0.3f, count);
      lmk_softcap(z, 0.7f, count);
      expect_same(scaled, y, bytes, "%zu elements scaled", count);
      expect_same(capped, z, bytes, "%zu elements capped", count);
      free(y), free(z);
    }
    free(x), free(scaled), free(capped);
  }
}

// What training computes: norm_gradient.h, losses.h, optimizer.h, and the ways back of activation.h.
#include <stdlib.h>
#include <string.h>

#include "attention_gradient.h"
#include "check.h"
#include "reference.h"

static float *copy_of(const float *x, size_t count) {
  float *copy = blank(count * sizeof(float));
  memcpy(copy, x, count * sizeof(float));
  return copy;
}

void check_activate_gradient(void) {
  FOR_EACH_COUNT {
    for (int function = LMK_SILU; function <= LMK_RELU; function++) {
      float *gate = noise_floats(count, 6), *up = noise_floats(count, 2), *dy = noise_floats(count, 1);
      for (int gated = 0; gated < 2; gated++) {
        float *gates = copy_of(gate, count), *ups = copy_of(up, count);
        lmk_ref_activate_gradient((lmk_activation)function, gates, gated ? ups : NULL, dy, count);
        FOR_EACH_ISA {
          float *a = copy_of(gate, count), *b = copy_of(up, count);
          lmk_activate_gradient((lmk_activation)function, a, gated ? b : NULL, dy, count);
          expect_same(gates, a, count * sizeof(float), "gate, %zu elements, function %d", count, function);
          expect_same(ups, b, count * sizeof(float), "up, %zu elements, function %d", count, function);
          free(a), free(b);
        }
        free(gates), free(ups);
      }
      free(gate), free(up), free(dy);
    }
  }
}

void check_norm_gradients(void) {
  FOR_EACH_COUNT {
    const size_t bytes = count * sizeof(float);
    float *x = noise_floats(count, 4), *weight = noise_floats(count, 1), *dy = noise_floats(count, 1), *start = noise_floats(3 * count, 1);
    float *rms = copy_of(start, 3 * count), *layer = copy_of(start, 3 * count);
    lmk_ref_rms_norm_gradient(x, weight, 1e-5f, dy, count, rms, rms + count);
    lmk_ref_layer_norm_gradient(x, weight, 1e-5f, dy, count, layer, layer + count, layer + 2 * count);
    FOR_EACH_ISA {
      float *a = copy_of(start, 3 * count), *b = copy_of(start, 3 * count);
      lmk_rms_norm_gradient(x, weight, 1e-5f, dy, count, a, a + count);
      lmk_layer_norm_gradient(x, weight, 1e-5f, dy, count, b, b + count, b + 2 * count);
      expect_same(rms, a, 3 * bytes, "rms, %zu elements", count);
      expect_same(layer, b, 3 * bytes, "layer, %zu elements", count);
      free(a), free(b);
    }
    free(x), free(weight), free(dy), free(start), free(rms), free(layer);
  }
}

void check_losses(void) {
  FOR_EACH_COUNT {
    if (count == 0) continue;
    const size_t bytes = count * sizeof(float);
    float *z = noise_floats(count, 8), *t = noise_floats(count, 8);
    float *kl = copy_of(z, count), *entropy = copy_of(z, count), *teacher = copy_of(t, count);
    double divergence, likelihood;
    lmk_ref_divergence_gradient(kl, teacher, count, 2, 0.5f, &divergence);
    lmk_ref_cross_entropy_gradient(entropy, count, count / 2, 0.5f, &likelihood);
    FOR_EACH_ISA {
      float *a = copy_of(z, count), *b = copy_of(z, count), *other = copy_of(t, count);
      const double found = lmk_divergence_gradient(a, other, count, 2, 0.5f);
      const double own = lmk_cross_entropy_gradient(b, count, count / 2, 0.5f);
      expect_same(kl, a, bytes, "divergence, %zu elements", count);
      expect_same(entropy, b, bytes, "cross-entropy, %zu elements", count);
      expect_same(&divergence, &found, sizeof found, "divergence itself, %zu elements", count);
      expect_same(&likelihood, &own, sizeof own, "cross-entropy itself, %zu elements", count);
      free(a), free(b), free(other);
    }
    free(z), free(t), free(kl), free(entropy), free(teacher);
  }
}

void check_optimizer(void) {
  const lmk_adamw step = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.19f, 0.0447f, 0.7f};
  FOR_EACH_COUNT {
    const size_t bytes = count * sizeof(float);
    float *weights = noise_floats(count, 1), *gradients = noise_floats(count, 1), *first = noise_floats(count, 1);
    float *second = noise_floats(count, 1);
    for (size_t i = 0; i < count; i++) second[i] = second[i] * second[i];
    float *w = copy_of(weights, count), *m = copy_of(first, count), *v = copy_of(second, count);
    lmk_ref_adamw_step(&step, w, gradients, m, v, count);
    double dot;
    lmk_ref_dot(weights, gradients, count, &dot);
    FOR_EACH_ISA {
      float *a = copy_of(weights, count), *b = copy_of(first, count), *c = copy_of(second, count);
      lmk_adamw_step(&step, a, gradients, b, c, count);
      expect_same(w, a, bytes, "weights, %zu elements", count);
      expect_same(m, b, bytes, "first moments, %zu elements", count);
      expect_same(v, c, bytes, "second moments, %zu elements", count);
      const double found = lmk_dot(weights, gradients, count);
      expect_same(&dot, &found, sizeof dot, "dot product, %zu elements", count);
      free(a), free(b), free(c);
    }
    free(weights), free(gradients), free(first), free(second), free(w), free(m), free(v);
  }
}

void check_column_sums(void) {
  FOR_EACH_COUNT {
    const size_t rows = 7, bytes = count * sizeof(float);
    float *x = noise_floats(rows * count, 1), *y = noise_floats(rows * count, 1), *start = noise_floats(count, 1);
    for (int both = 0; both < 2; both++) {
      float *expected = copy_of(start, count);
      lmk_ref_add_column_sums(x, both ? y : NULL, rows, count, count, expected);
      FOR_EACH_ISA {
        float *sums = copy_of(start, count);
        lmk_add_column_sums(x, both ? y : NULL, rows, count, count, sums);
        expect_same(expected, sums, bytes, "%zu columns, %s", count, both ? "products" : "sums");
        free(sums);
      }
      free(expected);
    }
    free(x), free(y), free(start);
  }
}

// The instruction sets agree with each other: the first that is available says what the others must give.
void check_text_attention(void) {
  static const size_t sizes[][5] = {{1, 1, 8, 0, 0}, {70, 3, 24, 0, 0}, {130, 2, 64, 17, 0}, {65, 2, 16, 0, 1}, {40, 1, 20, 9, 1}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const size_t tokens = sizes[i][0], heads = sizes[i][1], size = sizes[i][2];
    const size_t wide = tokens * heads * size, narrow = tokens * size;
    float *q = noise_floats(wide, 2), *k = noise_floats(narrow, 2), *v = noise_floats(narrow, 1), *dy = noise_floats(wide, 1);
    const lmk_attention_text text = {
        .queries = q, .query_stride = heads * size, .keys = k, .values = v, .key_stride = size, .tokens = tokens, .heads = heads,
        .size = size, .window = sizes[i][3], .scale = 0.3f, .softcap = sizes[i][4] ? 5.0f : 0.0f};
    float *expected = NULL;
    FOR_EACH_ISA {
      float *scratch = blank_aligned(lmk_attention_text_scratch(&text) * sizeof(float));
      float *result = blank((2 * wide + 2 * narrow) * sizeof(float));
      memset(result, 0, (2 * wide + 2 * narrow) * sizeof(float));
      lmk_attention_text_forward(&text, result, scratch);
      lmk_attention_text_backward(&text, dy, result + wide, result + 2 * wide, result + 2 * wide + narrow, scratch);
      if (expected == NULL) expected = copy_of(result, 2 * wide + 2 * narrow);
      expect_same(expected, result, (2 * wide + 2 * narrow) * sizeof(float), "%zu tokens, %zu heads of %zu", tokens, heads, size);
      free(scratch), free(result);
    }
    free(q), free(k), free(v), free(dy), free(expected);
  }
}

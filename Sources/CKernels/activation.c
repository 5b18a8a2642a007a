#include "activation.h"

#include "dispatch.h"
#include "exponential.h"
#include "reference.h"

#define GELU_CUBIC 0.044715f
#define GELU_SCALE -1.5957691216057308f  // -2 sqrt(2 / pi)
#define HALF_ROOT 0.70710678118654752f

// erf(x) = x P(x^2) / Q(x^2) on [-4, 4], beyond which it is 1 to the last place: the rational approximation of Eigen and
// TensorFlow, within 2e-7.
#define ERF_END 4.0f
static const float erf_top[] = {-2.72614225801306e-10f, 2.77068142495902e-08f,  -2.10102402082508e-06f, -5.69250639462346e-05f,
                                -7.34990630326855e-04f, -2.95459980854025e-03f, -1.60960333262415e-02f};
static const float erf_bottom[] = {-1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f,
                                   -7.37332916720468e-03f, -1.42647390514189e-02f};

LMK_INLINE void erf_lanes(v16 *x) {
  v16 held = LMK_SELECT(*x > ERF_END, LMK_SPLAT(ERF_END), *x);
  held = LMK_SELECT(held < -ERF_END, LMK_SPLAT(-ERF_END), held);
  const v16 square = held * held;
  v16 top = LMK_SPLAT(erf_top[0]), bottom = LMK_SPLAT(erf_bottom[0]);
  for (int i = 1; i < 7; i++) top = LMK_FMA(top, square, LMK_SPLAT(erf_top[i]));
  for (int i = 1; i < 5; i++) bottom = LMK_FMA(bottom, square, LMK_SPLAT(erf_bottom[i]));
  *x = held * top / bottom;
}

static float erf_one(float x) {
  float held = x > ERF_END ? ERF_END : x;
  held = held < -ERF_END ? -ERF_END : held;
  const float square = held * held;
  float top = erf_top[0], bottom = erf_bottom[0];
  for (int i = 1; i < 7; i++) top = __builtin_fmaf(top, square, erf_top[i]);
  for (int i = 1; i < 5; i++) bottom = __builtin_fmaf(bottom, square, erf_bottom[i]);
  return held * top / bottom;
}

LMK_INLINE void activate_lanes(const lmk_activation function, v16 *x) {
  v16 inner = *x;
  switch (function) {
    case LMK_SILU:
      inner = -inner;
      exp_lanes(&inner);
      *x = *x / (inner + 1.0f);
      break;
    case LMK_GELU_TANH:
      inner = LMK_FMA(inner * inner * inner, LMK_SPLAT(GELU_CUBIC), inner) * GELU_SCALE;
      exp_lanes(&inner);
      *x = *x / (inner + 1.0f);
      break;
    case LMK_GELU_ERF:
      inner = inner * HALF_ROOT;
      erf_lanes(&inner);
      *x = *x * 0.5f * (inner + 1.0f);
      break;
    case LMK_RELU:
      *x = LMK_SELECT(inner > 0.0f, inner, (v16){});
      break;
  }
}

static float activate_one(lmk_activation function, float x) {
  switch (function) {
    case LMK_SILU:
      return x / (exp_one(-x) + 1.0f);
    case LMK_GELU_TANH:
      return x / (exp_one(__builtin_fmaf(x * x * x, GELU_CUBIC, x) * GELU_SCALE) + 1.0f);
    case LMK_GELU_ERF:
      return x * 0.5f * (erf_one(x * HALF_ROOT) + 1.0f);
    case LMK_RELU:
      return x > 0 ? x : 0;
  }
  return 0;
}

LMK_INLINE void activate_all(const lmk_activation function, const float *gate, const float *up, size_t count, float *output) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 value = LMK_LOAD(v16, gate + i);
    activate_lanes(function, &value);
    if (up != NULL) value = value * LMK_LOAD(v16, up + i);
    LMK_STORE(output + i, value);
  }
  for (; i < count; i++) output[i] = up == NULL ? activate_one(function, gate[i]) : activate_one(function, gate[i]) * up[i];
}

LMK_INLINE void activate_body(lmk_activation function, const float *gate, const float *up, size_t count, float *output) {
  switch (function) {
    case LMK_SILU:
      return activate_all(LMK_SILU, gate, up, count, output);
    case LMK_GELU_TANH:
      return activate_all(LMK_GELU_TANH, gate, up, count, output);
    case LMK_GELU_ERF:
      return activate_all(LMK_GELU_ERF, gate, up, count, output);
    case LMK_RELU:
      return activate_all(LMK_RELU, gate, up, count, output);
  }
}

void lmk_ref_activate(lmk_activation function, const float *gate, const float *up, size_t count, float *output) {
  for (size_t i = 0; i < count; i++)
    output[i] = up == NULL ? activate_one(function, gate[i]) : activate_one(function, gate[i]) * up[i];
}

LMK_VARIANTS(
    activate, (lmk_activation function, const float *gate, const float *up, size_t count, float *output),
    (function, gate, up, count, output))
void lmk_activate(lmk_activation function, const float *gate, const float *up, size_t count, float *output) {
  LMK_DISPATCH(activate, (function, gate, up, count, output));
}

// The derivative f'(x) and the value f(x), together.

#define GELU_CUBIC_SLOPE (3 * GELU_CUBIC)
#define NORMAL_DENSITY 0.39894228040143268f  // 1 / sqrt(2 pi)

LMK_INLINE void slope_lanes(const lmk_activation function, const v16 *at, v16 *value, v16 *slope) {
  const v16 x = *at;
  v16 inner = x;
  switch (function) {
    case LMK_SILU:
      inner = -inner;
      exp_lanes(&inner);
      inner = 1.0f / (inner + 1.0f);
      *value = x * inner;
      *slope = inner * LMK_FMA(x, 1.0f - inner, LMK_SPLAT(1.0f));
      break;
    case LMK_GELU_TANH: {
      inner = LMK_FMA(x * x * x, LMK_SPLAT(GELU_CUBIC), x) * GELU_SCALE;
      exp_lanes(&inner);
      inner = 1.0f / (inner + 1.0f);
      const v16 rise = LMK_FMA(x * x, LMK_SPLAT(GELU_CUBIC_SLOPE), LMK_SPLAT(1.0f)) * -GELU_SCALE;
      *value = x * inner;
      *slope = LMK_FMA(x * rise, inner * (1.0f - inner), inner);
      break;
    }
    case LMK_GELU_ERF: {
      inner = inner * HALF_ROOT;
      erf_lanes(&inner);
      inner = 0.5f * (inner + 1.0f);
      v16 density = x * x * -0.5f;
      exp_lanes(&density);
      *value = x * inner;
      *slope = LMK_FMA(x * NORMAL_DENSITY, density, inner);
      break;
    }
    case LMK_RELU:
      *value = LMK_SELECT(x > 0.0f, x, (v16){});
      *slope = LMK_SELECT(x > 0.0f, LMK_SPLAT(1.0f), (v16){});
      break;
  }
}

static void slope_one(lmk_activation function, float x, float *value, float *slope) {
  float inner;
  switch (function) {
    case LMK_SILU:
      inner = 1.0f / (exp_one(-x) + 1.0f);
      *value = x * inner;
      *slope = inner * __builtin_fmaf(x, 1.0f - inner, 1.0f);
      break;
    case LMK_GELU_TANH:
      inner = 1.0f / (exp_one(__builtin_fmaf(x * x * x, GELU_CUBIC, x) * GELU_SCALE) + 1.0f);
      *value = x * inner;
      *slope = __builtin_fmaf(x * (__builtin_fmaf(x * x, GELU_CUBIC_SLOPE, 1.0f) * -GELU_SCALE), inner * (1.0f - inner), inner);
      break;
    case LMK_GELU_ERF:
      inner = 0.5f * (erf_one(x * HALF_ROOT) + 1.0f);
      *value = x * inner;
      *slope = __builtin_fmaf(x * NORMAL_DENSITY, exp_one(x * x * -0.5f), inner);
      break;
    case LMK_RELU:
      *value = x > 0 ? x : 0;
      *slope = x > 0 ? 1 : 0;
      break;
  }
}

LMK_INLINE void gradient_all(const lmk_activation function, float *gate, float *up, const float *gradient, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const v16 x = LMK_LOAD(v16, gate + i), dy = LMK_LOAD(v16, gradient + i);
    v16 value, slope;
    slope_lanes(function, &x, &value, &slope);
    if (up != NULL) {
      const v16 factor = LMK_LOAD(v16, up + i);
      LMK_STORE(up + i, dy * value);
      LMK_STORE(gate + i, dy * factor * slope);
    } else {
      LMK_STORE(gate + i, dy * slope);
    }
  }
  lmk_ref_activate_gradient(function, gate + i, up == NULL ? NULL : up + i, gradient + i, count - i);
}

LMK_INLINE void activate_gradient_body(lmk_activation function, float *gate, float *up, const float *gradient, size_t count) {
  switch (function) {
    case LMK_SILU:
      return gradient_all(LMK_SILU, gate, up, gradient, count);
    case LMK_GELU_TANH:
      return gradient_all(LMK_GELU_TANH, gate, up, gradient, count);
    case LMK_GELU_ERF:
      return gradient_all(LMK_GELU_ERF, gate, up, gradient, count);
    case LMK_RELU:
      return gradient_all(LMK_RELU, gate, up, gradient, count);
  }
}

void lmk_ref_activate_gradient(lmk_activation function, float *gate, float *up, const float *gradient, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float value, slope;
    slope_one(function, gate[i], &value, &slope);
    gate[i] = gradient[i] * (up == NULL ? 1.0f : up[i]) * slope;
    if (up != NULL) up[i] = gradient[i] * value;
  }
}

LMK_VARIANTS(
    activate_gradient, (lmk_activation function, float *gate, float *up, const float *gradient, size_t count),
    (function, gate, up, gradient, count))
void lmk_activate_gradient(lmk_activation function, float *gate, float *up, const float *gradient, size_t count) {
  LMK_DISPATCH(activate_gradient, (function, gate, up, gradient, count));
}

#include "ggml_k_encode.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "half.h"

static int clamp(int value, int low, int high) { return value < low ? low : value > high ? high : value; }
static int nearest(float value) { return (int)lrintf(value); }

static float to_half(float value, uint8_t *place) {
  const uint16_t bits = lmk_f32_to_f16_one(value);
  memcpy(place, &bits, sizeof bits);
  return lmk_f16_to_f32_one(bits);
}

// Symmetric: the step s for codes low...high that makes the sum of (x - s code)^2 smallest, of those that candidates lead to.
static float fit_step(const float *x, int count, int low, int high) {
  float most = 0;
  for (int i = 0; i < count; i++) most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
  if (most == 0) return 0;
  float best = 0, gain = -1;
  for (int candidate = -9; candidate <= 9; candidate++) {
    const float inverse = ((float)low + 0.1f * (float)candidate) / most;
    double product = 0, square = 0;
    for (int i = 0; i < count; i++) {
      const int code = clamp(nearest(x[i] * inverse), low, high);
      product += (double)x[i] * code, square += (double)code * code;
    }
    if (square > 0 && product * product / square > (double)gain) {
      gain = (float)(product * product / square);
      best = (float)(product / square);
    }
  }
  return best;
}

typedef struct {
  float step, least;  // a weight is step * code - least, least not below 0
} affine;

// With codes 0...15: the step and the minimum that make the sum of squared errors smallest, of those that candidates lead to.
static affine fit_affine(const float *x, int count) {
  float low = 0, high = x[0];
  for (int i = 0; i < count; i++) low = x[i] < low ? x[i] : low, high = x[i] > high ? x[i] : high;
  if (high <= low) return (affine){0, -low};
  affine best = {(high - low) / 15, -low};
  double error = -1;
  for (int candidate = -8; candidate <= 12; candidate++) {
    const float inverse = (15.0f + 0.15f * (float)candidate) / (high - low);
    double n = count, c = 0, cc = 0, sum = 0, product = 0;
    for (int i = 0; i < count; i++) {
      const int code = clamp(nearest((x[i] - low) * inverse), 0, 15);
      c += code, cc += (double)code * code, sum += (double)x[i], product += (double)x[i] * code;
    }
    const double determinant = n * cc - c * c;
    if (determinant <= 0) continue;
    double step = (n * product - c * sum) / determinant, least = (c * product - cc * sum) / determinant;
    if (least < 0) least = 0, step = product / cc;
    if (step <= 0) continue;
    double own = 0;
    for (int i = 0; i < count; i++) {
      const int code = clamp(nearest((float)(((double)x[i] + least) / step)), 0, 15);
      const double difference = (double)x[i] - (step * code - least);
      own += difference * difference;
    }
    if (error < 0 || own < error) error = own, best = (affine){(float)step, (float)least};
  }
  return best;
}

// Puts eight steps and eight minimums of 6 bits into 12 bytes.
static void pack_sixes(const int *steps, const int *leasts, uint8_t *packed) {
  for (int i = 0; i < 4; i++) {
    packed[i] = (uint8_t)(steps[i] | (steps[i + 4] >> 4) << 6);
    packed[i + 4] = (uint8_t)(leasts[i] | (leasts[i + 4] >> 4) << 6);
    packed[i + 8] = (uint8_t)((steps[i + 4] & 15) | (leasts[i + 4] & 15) << 4);
  }
}

static void encode_q4(const float *x, uint8_t *block) {
  affine fits[8];
  float step = 0, least = 0;
  for (int g = 0; g < 8; g++) {
    fits[g] = fit_affine(x + 32 * g, 32);
    step = fmaxf(step, fits[g].step), least = fmaxf(least, fits[g].least);
  }
  memset(block, 0, 144);
  const float d = to_half(step / 63, block), minimum = to_half(least / 63, block + 2);
  int steps[8], leasts[8];
  for (int g = 0; g < 8; g++) {
    steps[g] = d > 0 ? clamp(nearest(fits[g].step / d), 0, 63) : 0;
    leasts[g] = minimum > 0 ? clamp(nearest(fits[g].least / minimum), 0, 63) : 0;
    const float own = d * (float)steps[g], offset = minimum * (float)leasts[g];
    for (int i = 0; i < 32; i++) {
      const int code = own > 0 ? clamp(nearest((x[32 * g + i] + offset) / own), 0, 15) : 0;
      block[16 + g / 2 * 32 + i] |= (uint8_t)(code << (g % 2 * 4));
    }
  }
  pack_sixes(steps, leasts, block + 4);
}

static void encode_q6(const float *x, uint8_t *block) {
  float fits[16], most = 0;
  for (int g = 0; g < 16; g++) {
    fits[g] = fit_step(x + 16 * g, 16, -32, 31);
    most = fabsf(fits[g]) > fabsf(most) ? fits[g] : most;
  }
  memset(block, 0, 210);
  const float d = to_half(most / -128, block + 208);
  for (int g = 0; g < 16; g++) {
    const int step = d != 0 ? clamp(nearest(fits[g] / d), -128, 127) : 0;
    ((int8_t *)block)[192 + g] = (int8_t)step;
    const float own = d * (float)step;
    for (int i = 0; i < 16; i++) {
      const int place = 16 * g + i, half = place / 128, quarter = place % 128 / 32, at = place % 32;
      const int code = (own != 0 ? clamp(nearest(x[place] / own), -32, 31) : 0) + 32;
      block[64 * half + quarter % 2 * 32 + at] |= (uint8_t)((code & 15) << (quarter / 2 * 4));
      block[128 + 32 * half + at] |= (uint8_t)((code >> 4) << (2 * quarter));
    }
  }
}

void lmk_encode_q4_k(const float *x, size_t blocks, void *output) {
  for (size_t b = 0; b < blocks; b++) encode_q4(x + 256 * b, (uint8_t *)output + 144 * b);
}

void lmk_encode_q6_k(const float *x, size_t blocks, void *output) {
  for (size_t b = 0; b < blocks; b++) encode_q6(x + 256 * b, (uint8_t *)output + 210 * b);
}

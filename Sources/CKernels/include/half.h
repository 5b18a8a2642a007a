// Conversions between 32-bit floats and the two 16-bit formats. Sources and targets of the 16-bit side need no alignment.
// Rounding is to nearest, ties to even; NaN stays NaN (quiet); f16 overflow gives infinity; subnormals are exact.
#pragma once
#include <stddef.h>
#include <stdint.h>

float lmk_f16_to_f32_one(uint16_t bits);
uint16_t lmk_f32_to_f16_one(float value);

void lmk_f16_to_f32(const void *source, float *output, size_t count);
void lmk_f32_to_f16(const float *source, void *output, size_t count);
void lmk_bf16_to_f32(const void *source, float *output, size_t count);
void lmk_f32_to_bf16(const float *source, void *output, size_t count);

// The integer product kernel, compiled once for each instruction set: coded_product.c includes this file with
//   CODED_ISA            the instruction set, a part of names
//   CODED_TARGET         its target attribute
//   CODED_DOT4, CODED_DOT8(sums, weights, inputs): sums += dot products of four unsigned weights of at most 15 or 255
//                        with four signed inputs, in each of 16 lanes
//   CODED_TOKENS         the tokens of a full tile
//   CODED_HALVES         the half blocks of 16 outputs of a tile
//   CODED_BIAS8          what CODED_DOT8 takes the weights to be smaller by
// and it undefines them at the end. See coded.h for the layout.
#define CODED_NAME(name) CODED_JOIN(name, CODED_ISA)

// 64 bytes of codes, [16 outputs][4 inputs], as numbers of 8 bits: one quad, or the even and the odd quad of a pair.
#define NIBBLES_LOW(bytes) ((bytes) & 0x0F0F0F0Fu)
#define NIBBLES_HIGH(bytes) ((bytes) >> 4 & 0x0F0F0F0Fu)

// sum[token][half] += weights of a quad times its inputs.
#define ADD_QUAD(DOT, WEIGHTS, QUAD)                                        \
  _Pragma("clang loop unroll(full)") for (size_t t = 0; t < tokens; t++) {  \
    int32_t four;                                                           \
    memcpy(&four, inputs + t * row + 4 * (QUAD), 4);                        \
    const i16x32 quad = (i16x32){} + four;                                  \
    _Pragma("clang loop unroll(full)") for (size_t h = 0; h < halves; h++)  \
        DOT(sum[t][h], WEIGHTS[h], quad);                                   \
  }

// The integer sums of one group. `inputs` are the codes of the first token, `row` bytes from one token to the next.
CODED_TARGET LMK_INLINE void CODED_NAME(add_group)(
    const int bits, const size_t tokens, const size_t halves, const uint8_t *codes, const int8_t *inputs, size_t row,
    i16x32 sum[][2]) {
  if (bits == 8) {
#pragma clang loop unroll(full)
    for (size_t quad = 0; quad < 8; quad++) {
      u16x32 weights[2];
#pragma clang loop unroll(full)
      for (size_t h = 0; h < halves; h++) weights[h] = LMK_LOAD(u16x32, codes + quad * 128 + h * 64);
      ADD_QUAD(CODED_DOT8, weights, quad)
    }
  } else {
#pragma clang loop unroll(full)
    for (size_t pair = 0; pair < 4; pair++) {
      u16x32 low[2], high[2];
#pragma clang loop unroll(full)
      for (size_t h = 0; h < halves; h++) {
        const u16x32 bytes = LMK_LOAD(u16x32, codes + pair * 128 + h * 64);
        low[h] = NIBBLES_LOW(bytes), high[h] = NIBBLES_HIGH(bytes);
      }
      ADD_QUAD(CODED_DOT4, low, 2 * pair)
      ADD_QUAD(CODED_DOT4, high, 2 * pair + 1)
    }
  }
}

// sum[token][half] += 128 * the weights of the peak's input times the byte of the peak.
CODED_TARGET LMK_INLINE void CODED_NAME(add_peaks)(
    const int bits, const size_t tokens, const size_t halves, const uint8_t *codes, const lmk_activations *a, size_t at,
    i16x32 sum[][2]) {
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++, at += a->groups) {
    const size_t quad = a->peak_quads[at];
    const i16x32 peak = (i16x32){} + a->peaks[at];
#pragma clang loop unroll(full)
    for (size_t h = 0; h < halves; h++) {
      i16x32 product = {};
      if (bits == 8) {
        const u16x32 weights = LMK_LOAD(u16x32, codes + quad * 128 + h * 64);
        CODED_DOT8(product, weights, peak);
      } else {
        const u16x32 weights = LMK_LOAD(u16x32, codes + quad / 2 * 128 + h * 64) >> (uint32_t)(quad % 2 * 4) & 0x0F0F0F0Fu;
        CODED_DOT4(product, weights, peak);
      }
      sum[t][h] += product << 7;
    }
  }
}

// total[token][half] += the numbers of `COUNT` inputs times their floats, every other one in a sum of its own, so that they do
// not wait for each other.
#define ADD_OUTLIERS(NUMBERS, VALUES, INPUTS, COUNT)                                                    \
  for (size_t i = 0; i < (COUNT); i += 2) {                                                             \
    ADD_OUTLIER(total, NUMBERS, (VALUES) + i * LMK_CODED_BLOCK, x + (INPUTS)[i])                        \
    if (i + 1 == (COUNT)) break;                                                                        \
    ADD_OUTLIER(odd, NUMBERS, (VALUES) + (i + 1) * LMK_CODED_BLOCK, x + (INPUTS)[i + 1])                \
  }
#define ADD_OUTLIER(TOTAL, NUMBERS, VALUES, INPUT)                                                      \
  _Pragma("clang loop unroll(full)") for (size_t h = 0; h < halves; h++) {                              \
    const v16 value = __builtin_convertvector(LMK_LOAD(NUMBERS, (VALUES) + (half + h) * 16), v16);      \
    _Pragma("clang loop unroll(full)") for (size_t t = 0; t < tokens; t++)                              \
        TOTAL[t][h] = LMK_FMA(value, LMK_SPLAT((INPUT)[t * a->inputs]), TOTAL[t][h]);                   \
  }

// total[token][half] += the outliers of a block times the floats of their inputs.
CODED_TARGET LMK_INLINE void CODED_NAME(add_outliers)(
    const size_t tokens, const size_t halves, const lmk_coded_outliers *outliers, size_t half, const lmk_activations *a,
    size_t token, v16 total[][2]) {
  const float *x = a->floats + token * a->inputs;
  v16 odd[CODED_TOKENS][2];
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) odd[t][0] = odd[t][1] = (v16){};
  ADD_OUTLIERS(i16x8, outliers->bytes, outliers->inputs, outliers->small)
  ADD_OUTLIERS(i16x16, outliers->words, outliers->inputs + outliers->small, outliers->large)
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) total[t][0] += odd[t][0], total[t][1] += odd[t][1];
}

// `tokens` tokens from `token` on against half blocks `half`..<half + halves of a block; y is the first token's first output of
// the block, of which `width` lie within the matrix.
CODED_TARGET LMK_INLINE void CODED_NAME(tile)(
    const int bits, const lmk_scaling scaling, const size_t tokens, const size_t halves, const lmk_coded *m, const uint8_t *block,
    const lmk_coded_outliers *outliers, size_t half, const lmk_activations *a, size_t token, float *y, size_t stride,
    size_t width) {
  const size_t groups = a->groups, row = groups * LMK_CODED_GROUP;
  const size_t group_bytes = coded_group_bytes(m), factor_bytes = coded_factor_bytes(m);
  const int32_t offset = (bits == 8 ? CODED_BIAS8 : 0) - m->offset;
  const uint8_t *group = block + coded_header_bytes(m);
  const size_t share = outliers == NULL ? 0 : coded_outlier_bytes(outliers) / groups;  // what each group asks for
  v16 total[CODED_TOKENS][2];
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++) total[t][0] = total[t][1] = (v16){};
  for (size_t g = 0; g < groups; g++, group += group_bytes) {
    if (tokens == 1 && bits == 4) CODED_FETCH_AHEAD(group, group_bytes);
    if (tokens == 1 && outliers != NULL) CODED_FETCH((const uint8_t *)outliers->words + g * share, share);
    const float *scales = a->scales + token * groups + g;
    const int32_t *sums = a->sums + token * groups + g;
    i16x32 sum[CODED_TOKENS][2];
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = (i16x32){} + sums[t * groups] * offset;
    CODED_NAME(add_group)
    (bits, tokens, halves, group + factor_bytes + half * 64, a->codes + token * row + g * LMK_CODED_GROUP, row, sum);
    if (a->peaks != NULL)
      CODED_NAME(add_peaks)(bits, tokens, halves, group + factor_bytes + half * 64, a, token * groups + g, sum);
    v16 scale[2];
#pragma clang loop unroll(full)
    for (size_t h = 0; h < halves && scaling == LMK_SCALES_GROUPED; h++)
      scale[h] = __builtin_convertvector(LMK_LOAD(h16, group + (half + h) * 32), v16);
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) {
      const v16 input_scale = LMK_SPLAT(scales[t * groups]);
#pragma clang loop unroll(full)
      for (size_t h = 0; h < halves; h++) {
        const v16 dot = __builtin_convertvector(sum[t][h], v16);
        if (scaling == LMK_SCALES_GROUPED) total[t][h] = LMK_FMA(dot * input_scale, scale[h], total[t][h]);
        if (scaling == LMK_SCALES_ROWS) total[t][h] = LMK_FMA(dot, input_scale, total[t][h]);
      }
    }
    if (scaling != LMK_SCALES_GROUPED || !m->has_minimum) continue;
#pragma clang loop unroll(full)
    for (size_t h = 0; h < halves; h++) {
      const v16 minimum = __builtin_convertvector(LMK_LOAD(h16, group + 64 + (half + h) * 32), v16);
#pragma clang loop unroll(full)
      for (size_t t = 0; t < tokens; t++) {
        const v16 input = LMK_SPLAT(scales[t * groups] * (float)sums[t * groups]);
        total[t][h] = LMK_FMA(input, minimum, total[t][h]);
      }
    }
  }
  if (scaling == LMK_SCALES_ROWS) {
    if (outliers != NULL) CODED_NAME(add_outliers)(tokens, halves, outliers, half, a, token, total);
#pragma clang loop unroll(full)
    for (size_t t = 0; t < tokens; t++) {
      float input = 0;
      for (size_t g = 0; m->has_minimum && g < groups; g++)
        input = __builtin_fmaf(a->scales[(token + t) * groups + g], (float)a->sums[(token + t) * groups + g], input);
#pragma clang loop unroll(full)
      for (size_t h = 0; h < halves; h++) {
        total[t][h] = total[t][h] * LMK_LOAD(v16, block + (half + h) * 64);
        if (m->has_minimum) total[t][h] = LMK_FMA(LMK_SPLAT(input), LMK_LOAD(v16, block + 128 + (half + h) * 64), total[t][h]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (size_t t = 0; t < tokens; t++)
#pragma clang loop unroll(full)
    for (size_t h = 0; h < halves; h++) CODED_STORE(total[t][h], y + t * stride + (half + h) * 16, width, (half + h) * 16);
}

// All tokens against one block: full tiles, then four, two and one token.
CODED_TARGET LMK_INLINE void CODED_NAME(block)(
    const int bits, const lmk_scaling scaling, const lmk_coded *m, const uint8_t *block, const lmk_coded_outliers *outliers,
    const lmk_activations *a, size_t tokens, float *y, size_t stride, size_t width) {
  for (size_t half = 0; half < 2; half += CODED_HALVES) {
    size_t t = 0;
    for (; t + CODED_TOKENS <= tokens; t += CODED_TOKENS)
      CODED_NAME(tile)(bits, scaling, CODED_TOKENS, CODED_HALVES, m, block, outliers, half, a, t, y + t * stride, stride, width);
    for (; CODED_TOKENS > 4 && t + 4 <= tokens; t += 4)
      CODED_NAME(tile)(bits, scaling, 4, CODED_HALVES, m, block, outliers, half, a, t, y + t * stride, stride, width);
    for (; CODED_TOKENS > 2 && t + 2 <= tokens; t += 2)
      CODED_NAME(tile)(bits, scaling, 2, CODED_HALVES, m, block, outliers, half, a, t, y + t * stride, stride, width);
    for (; t < tokens; t++)
      CODED_NAME(tile)(bits, scaling, 1, CODED_HALVES, m, block, outliers, half, a, t, y + t * stride, stride, width);
  }
}

// Blocks first..<last.
CODED_TARGET static void CODED_NAME(product)(
    const lmk_coded *m, size_t first, size_t last, const lmk_activations *a, size_t tokens, float *y, size_t stride) {
  const size_t bytes = lmk_coded_block_bytes(m);
  const int grouped = m->scaling == LMK_SCALES_GROUPED;
  for (size_t b = first; b < last; b++) {
    const uint8_t *block = m->blocks + b * bytes;
    const size_t width = m->outputs - b * LMK_CODED_BLOCK;
    const lmk_coded_outliers *outliers = m->outliers == NULL ? NULL : m->outliers + b;
    float *out = y + b * LMK_CODED_BLOCK;
    if (m->bits == 4 && grouped) CODED_NAME(block)(4, LMK_SCALES_GROUPED, m, block, NULL, a, tokens, out, stride, width);
    if (m->bits == 4 && !grouped) CODED_NAME(block)(4, LMK_SCALES_ROWS, m, block, outliers, a, tokens, out, stride, width);
    if (m->bits == 8 && grouped) CODED_NAME(block)(8, LMK_SCALES_GROUPED, m, block, NULL, a, tokens, out, stride, width);
    if (m->bits == 8 && !grouped) CODED_NAME(block)(8, LMK_SCALES_ROWS, m, block, outliers, a, tokens, out, stride, width);
  }
}

#undef ADD_QUAD
#undef ADD_OUTLIERS
#undef ADD_OUTLIER
#undef NIBBLES_LOW
#undef NIBBLES_HIGH
#undef CODED_NAME
#undef CODED_ISA
#undef CODED_TARGET
#undef CODED_TOKENS
#undef CODED_HALVES
#undef CODED_BIAS8
#undef CODED_DOT4
#undef CODED_DOT8

// The compute layout of coded matrices: packing, reading back. See coded.h.
#include <string.h>

#include "coded.h"
#include "coded_layout.h"
#include "half.h"

size_t lmk_coded_groups(size_t inputs) { return (inputs + LMK_CODED_GROUP - 1) / LMK_CODED_GROUP; }

size_t lmk_coded_block_bytes(const lmk_coded *m) {
  return coded_header_bytes(m) + lmk_coded_groups(m->inputs) * coded_group_bytes(m);
}

// The four bytes whose low nibbles are the four nibbles of `nibbles`.
static uint32_t spread(uint32_t nibbles) {
  return (nibbles & 0xF) | (nibbles & 0xF0) << 4 | (nibbles & 0xF00) << 8 | (nibbles & 0xF000) << 12;
}

// 32 4-bit codes of one row, 16 bytes, to the places of row `lane`.
static void pack_nibbles(const uint8_t *source, size_t lane, uint8_t *codes) {
  for (size_t pair = 0; pair < 4; pair++) {
    uint32_t eight;
    memcpy(&eight, source + 4 * pair, 4);
    const uint32_t quads = spread(eight & 0xFFFF) | spread(eight >> 16) << 4;
    memcpy(codes + (pair * LMK_CODED_BLOCK + lane) * 4, &quads, 4);
  }
}

// 32 8-bit codes of one row; `flip` makes signed codes unsigned ones, 128 larger.
static void pack_bytes(const uint8_t *source, size_t lane, uint32_t flip, uint8_t *codes) {
  for (size_t quad = 0; quad < 8; quad++) {
    uint32_t four;
    memcpy(&four, source + 4 * quad, 4);
    four ^= flip;
    memcpy(codes + (quad * LMK_CODED_BLOCK + lane) * 4, &four, 4);
  }
}

// The codes of one group of one row; at the end of a row that is not a multiple of 32, completed by codes that stand for 0.
static void pack_group(const lmk_coded *m, const uint8_t *row, size_t group, size_t lane, uint8_t *codes) {
  const size_t start = group * LMK_CODED_GROUP, left = m->inputs - start;
  const uint32_t flip = m->bits == 8 && m->offset != 0 ? 0x80808080 : 0;
  uint8_t padded[LMK_CODED_GROUP];
  const uint8_t *source = row + (m->bits == 4 ? start / 2 : start);
  if (left < LMK_CODED_GROUP) {
    memset(padded, m->bits == 4 ? m->offset * 17 : flip ? 0 : m->offset, sizeof padded);
    memcpy(padded, source, m->bits == 4 ? (left + 1) / 2 : left);
    if (m->bits == 4 && left % 2) padded[left / 2] = (uint8_t)((padded[left / 2] & 15) | m->offset << 4);
    source = padded;
  }
  if (m->bits == 4) pack_nibbles(source, lane, codes);
  if (m->bits == 8) pack_bytes(source, lane, flip, codes);
}

// Scales or minimums of one group of all rows.
static void pack_factors(const uint16_t *source, size_t groups, const lmk_coded_source *s, size_t group, uint8_t *factors) {
  const size_t from = group * LMK_CODED_GROUP / s->group;
  memset(factors, 0, LMK_CODED_BLOCK * sizeof(uint16_t));
  for (size_t row = 0; row < s->rows; row++) memcpy(factors + 2 * row, source + row * groups + from, 2);
}

// Scales or minimums of rows.
static void pack_row_factors(const uint16_t *source, size_t rows, uint8_t *factors) {
  memset(factors, 0, LMK_CODED_BLOCK * sizeof(float));
  lmk_f16_to_f32(source, (float *)factors, rows);
}

void lmk_coded_pack(const lmk_coded *m, const lmk_coded_source *s, uint8_t *block) {
  const size_t row_bytes = m->bits == 4 ? (m->inputs + 1) / 2 : m->inputs;
  const size_t source_groups = (m->inputs + s->group - 1) / s->group;
  if (m->scaling == LMK_SCALES_ROWS) {
    pack_row_factors(s->scales, s->rows, block);
    if (m->has_minimum) pack_row_factors(s->minimums, s->rows, block + LMK_CODED_BLOCK * sizeof(float));
  }
  for (size_t group = 0; group < lmk_coded_groups(m->inputs); group++) {
    uint8_t *at = block + coded_header_bytes(m) + group * coded_group_bytes(m);
    uint8_t *codes = at + coded_factor_bytes(m);
    if (m->scaling == LMK_SCALES_GROUPED) {
      pack_factors(s->scales, source_groups, s, group, at);
      if (m->has_minimum) pack_factors(s->minimums, source_groups, s, group, at + LMK_CODED_BLOCK * sizeof(uint16_t));
    }
    if (s->rows < LMK_CODED_BLOCK) memset(codes, 0, coded_group_bytes(m) - coded_factor_bytes(m));
    for (size_t row = 0; row < s->rows; row++) pack_group(m, s->codes + row * row_bytes, group, row, codes);
  }
}

void lmk_coded_row(const lmk_coded *m, size_t output, float *row) {
  const uint8_t *block = m->blocks + output / LMK_CODED_BLOCK * lmk_coded_block_bytes(m);
  const size_t lane = output % LMK_CODED_BLOCK;
  for (size_t group = 0; group < lmk_coded_groups(m->inputs); group++) {
    const float scale = coded_scale(m, block, group, lane), minimum = coded_minimum(m, block, group, lane);
    const size_t start = group * LMK_CODED_GROUP;
    for (size_t k = 0; k < LMK_CODED_GROUP && start + k < m->inputs; k++)
      row[start + k] = __builtin_fmaf(scale, (float)(coded_code(m, block, group, k, lane) - m->offset), minimum);
  }
  if (m->outliers == NULL) return;
  const lmk_coded_outliers *outliers = m->outliers + output / LMK_CODED_BLOCK;
  for (size_t i = 0; i < outliers->small + outliers->large; i++)
    row[outliers->inputs[i]] = coded_scale(m, block, 0, lane) * coded_outlier(outliers, i, lane);
}

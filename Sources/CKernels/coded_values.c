// Whole numbers to the compute layout of coded matrices. See coded.h.
#include <string.h>

#include "coded.h"
#include "coded_layout.h"
#include "dispatch.h"
#include "reference.h"
#include "vector.h"

// Inputs that are looked at together, so that a row of them is a vector or two.
enum { CHUNK = 64 };

// flags[k] gets bits set if a row holds a number outside -limit..<limit in column k.
LMK_INLINE void flag_large(
    const int16_t *values, size_t rows, size_t inputs, const size_t count, uint16_t limit, uint16_t flags[CHUNK]) {
  memset(flags, 0, CHUNK * sizeof *flags);
  for (size_t row = 0; row < rows; row++, values += inputs)
    for (size_t k = 0; k < count; k++) flags[k] |= (uint16_t)((uint16_t)values[k] + limit) >= 2 * limit ? UINT16_MAX : 0;
}

LMK_INLINE void find_outliers_body(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *outliers, size_t *found) {
  const uint16_t limit = (uint16_t)(1 << (bits - 1));
  uint16_t flags[CHUNK];
  size_t count = 0;
  for (size_t start = 0; start < inputs; start += CHUNK) {
    const size_t left = inputs - start < CHUNK ? inputs - start : CHUNK;
    if (left == CHUNK) {
      flag_large(values + start, rows, inputs, CHUNK, limit, flags);
    } else {
      flag_large(values + start, rows, inputs, left, limit, flags);
    }
    for (size_t k = 0; k < left; k++) {
      if (flags[k]) outliers[count++] = (uint32_t)(start + k);
    }
  }
  *found = count;
}

void lmk_ref_find_outliers(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *outliers, size_t *found) {
  find_outliers_body(values, rows, inputs, bits, outliers, found);
}

LMK_VARIANTS(
    find_outliers, (const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *outliers, size_t *found),
    (values, rows, inputs, bits, outliers, found))
size_t lmk_coded_find_outliers(const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *outliers) {
  size_t found;
  LMK_DISPATCH(find_outliers, (values, rows, inputs, bits, outliers, &found));
  return found;
}

static void move_outliers(
    int16_t *values, size_t rows, size_t inputs, const lmk_coded_outliers *outliers, int16_t *outlier_values) {
  memset(outlier_values, 0, outliers->count * LMK_CODED_BLOCK * sizeof *outlier_values);
  for (size_t row = 0; row < rows; row++, values += inputs) {
    for (size_t i = 0; i < outliers->count; i++) {
      outlier_values[i * LMK_CODED_BLOCK + row] = values[outliers->inputs[i]];
      values[outliers->inputs[i]] = 0;
    }
  }
}

// The codes of one group of one row.
LMK_INLINE void pack_group(const int bits, const int16_t *values, size_t lane, uint8_t *codes) {
  uint8_t bytes[LMK_CODED_GROUP];
  for (size_t k = 0; k < LMK_CODED_GROUP; k++) bytes[k] = (uint8_t)(values[k] + (1 << (bits - 1)));
  for (size_t quad = 0; quad < 8; quad += bits == 4 ? 2 : 1) {
    uint32_t four, next;
    memcpy(&four, bytes + 4 * quad, 4);
    if (bits == 4) {
      memcpy(&next, bytes + 4 * quad + 4, 4);
      four |= next << 4;
    }
    memcpy(codes + ((bits == 4 ? quad / 2 : quad) * LMK_CODED_BLOCK + lane) * 4, &four, 4);
  }
}

LMK_INLINE void pack_groups(const int bits, const lmk_coded *m, const int16_t *values, size_t rows, uint8_t *codes) {
  int16_t completed[LMK_CODED_GROUP];
  for (size_t start = 0; start < m->inputs; start += LMK_CODED_GROUP, codes += coded_group_bytes(m)) {
    if (rows < LMK_CODED_BLOCK) memset(codes, 0, coded_group_bytes(m));
    for (size_t row = 0; row < rows; row++) {
      const int16_t *source = values + row * m->inputs + start;
      if (m->inputs - start < LMK_CODED_GROUP) {
        memset(completed, 0, sizeof completed);
        source = memcpy(completed, source, (m->inputs - start) * sizeof *completed);
      }
      pack_group(bits, source, row, codes);
    }
  }
}

LMK_INLINE void pack_values_body(const lmk_coded *m, const int16_t *values, size_t rows, uint8_t *codes) {
  if (m->bits == 4) {
    pack_groups(4, m, values, rows, codes);
  } else {
    pack_groups(8, m, values, rows, codes);
  }
}

void lmk_ref_pack_values(const lmk_coded *m, const int16_t *values, size_t rows, uint8_t *codes) {
  pack_values_body(m, values, rows, codes);
}

LMK_VARIANTS(
    pack_values, (const lmk_coded *m, const int16_t *values, size_t rows, uint8_t *codes), (m, values, rows, codes))
void lmk_coded_pack_values(
    const lmk_coded *m, int16_t *values, size_t rows, const float *scales, const lmk_coded_outliers *outliers,
    int16_t *outlier_values, uint8_t *block) {
  move_outliers(values, rows, m->inputs, outliers, outlier_values);
  memset(block, 0, LMK_CODED_BLOCK * sizeof *scales);
  memcpy(block, scales, rows * sizeof *scales);
  LMK_DISPATCH(pack_values, (m, values, rows, block + coded_header_bytes(m)));
}

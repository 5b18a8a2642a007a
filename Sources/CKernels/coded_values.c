// Whole numbers to the compute layout of coded matrices. See coded.h.
#include <string.h>

#include "coded.h"
#include "coded_layout.h"
#include "dispatch.h"
#include "reference.h"
#include "vector.h"

// Inputs that are looked at together, so that a row of them is a vector or two.
enum { CHUNK = 64 };

// bits[k] gets every bit that the magnitude of a number of column k has; -1 - x counts as x.
LMK_INLINE void join_magnitudes(const int16_t *values, size_t rows, size_t inputs, const size_t count, int16_t bits[CHUNK]) {
  memset(bits, 0, CHUNK * sizeof *bits);
  for (size_t row = 0; row < rows; row++, values += inputs)
    for (size_t k = 0; k < count; k++) bits[k] |= (int16_t)(values[k] ^ values[k] >> 15);
}

// The small outliers from the start of `found` on, the large ones from its end back.
LMK_INLINE void find_outliers_body(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *found, lmk_coded_outliers *outliers) {
  const int16_t limit = (int16_t)(1 << (bits - 1));
  int16_t joined[CHUNK];
  size_t small = 0, large = 0;
  for (size_t start = 0; start < inputs; start += CHUNK) {
    const size_t left = inputs - start < CHUNK ? inputs - start : CHUNK;
    if (left == CHUNK) {
      join_magnitudes(values + start, rows, inputs, CHUNK, joined);
    } else {
      join_magnitudes(values + start, rows, inputs, left, joined);
    }
    for (size_t k = 0; k < left; k++) {
      if (joined[k] > INT8_MAX) {
        found[inputs - ++large] = (uint32_t)(start + k);
      } else if (joined[k] >= limit) {
        found[small++] = (uint32_t)(start + k);
      }
    }
  }
  *outliers = (lmk_coded_outliers){.small = small, .large = large, .inputs = found};
}

static void reverse(uint32_t *numbers, size_t count) {
  for (size_t i = 0; i < count / 2; i++) {
    const uint32_t number = numbers[i];
    numbers[i] = numbers[count - 1 - i];
    numbers[count - 1 - i] = number;
  }
}

void lmk_ref_find_outliers(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *found, lmk_coded_outliers *outliers) {
  find_outliers_body(values, rows, inputs, bits, found, outliers);
}

LMK_VARIANTS(
    find_outliers,
    (const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *found, lmk_coded_outliers *outliers),
    (values, rows, inputs, bits, found, outliers))
void lmk_coded_find_outliers(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *found, lmk_coded_outliers *outliers) {
  LMK_DISPATCH(find_outliers, (values, rows, inputs, bits, found, outliers));
  memmove(found + outliers->small, found + inputs - outliers->large, outliers->large * sizeof *found);
  reverse(found + outliers->small, outliers->large);
}

size_t lmk_coded_outlier_bytes(const lmk_coded_outliers *outliers) { return coded_outlier_bytes(outliers); }

// Takes the numbers of the outliers out of the values.
static void move_outliers(
    int16_t *values, size_t rows, size_t inputs, const lmk_coded_outliers *outliers, int16_t *words, int8_t *bytes) {
  const uint32_t *large = outliers->inputs + outliers->small;
  for (size_t row = 0; row < rows; row++, values += inputs) {
    for (size_t i = 0; i < outliers->small; i++) {
      bytes[i * LMK_CODED_BLOCK + row] = (int8_t)values[outliers->inputs[i]];
      values[outliers->inputs[i]] = 0;
    }
    for (size_t i = 0; i < outliers->large; i++) {
      words[i * LMK_CODED_BLOCK + row] = values[large[i]];
      values[large[i]] = 0;
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
    const lmk_coded *m, int16_t *values, size_t rows, const float *scales, lmk_coded_outliers *outliers, void *apart,
    uint8_t *block) {
  memset(apart, 0, lmk_coded_outlier_bytes(outliers));
  int16_t *words = apart;
  int8_t *bytes = (int8_t *)(words + outliers->large * LMK_CODED_BLOCK);
  uint32_t *inputs = (uint32_t *)(bytes + outliers->small * LMK_CODED_BLOCK);
  memcpy(inputs, outliers->inputs, (outliers->small + outliers->large) * sizeof *inputs);
  outliers->words = words, outliers->bytes = bytes, outliers->inputs = inputs;
  move_outliers(values, rows, m->inputs, outliers, words, bytes);
  memset(block, 0, LMK_CODED_BLOCK * sizeof *scales);
  memcpy(block, scales, rows * sizeof *scales);
  LMK_DISPATCH(pack_values, (m, values, rows, block + coded_header_bytes(m)));
}

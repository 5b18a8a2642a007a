// Matrices of whole numbers, some inputs of a block apart: coded.h.
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "coded.h"
#include "reference.h"

// A block in compute layout and its outliers, by the instruction set in use.
typedef struct {
  size_t bytes;
  uint8_t *block;
  size_t apart_bytes;
  void *apart;
  lmk_coded_outliers outliers;
} packed;

// Numbers of which some are just within `bits` bits, some just beyond, and a few much larger.
static int16_t *random_values(size_t count, int bits) {
  int16_t *values = blank(count * sizeof *values);
  const int limit = 1 << (bits - 1);
  for (size_t i = 0; i < count; i++) {
    const uint64_t random = noise();
    const int edges[] = {limit - 1, -limit, limit, -limit - 1, 32767, -32768};
    values[i] = (int16_t)(random % 50 == 0 ? edges[random >> 32 & 1] : (int)(random >> 40 & 7) - 4);
    if (i % 53 == 7) values[i] = (int16_t)edges[random >> 32 & 3];
    if (i % 331 == 5) values[i] = (int16_t)edges[random % 6];
  }
  return values;
}

static packed pack(const lmk_coded *m, const int16_t *values, const float *scales) {
  const size_t count = m->outputs * m->inputs;
  int16_t *own = blank(count * sizeof *own);
  memcpy(own, values, count * sizeof *own);
  uint32_t *found = blank(m->inputs * sizeof *found);
  packed p = {.bytes = lmk_coded_block_bytes(m), .block = blank(lmk_coded_block_bytes(m))};
  lmk_coded_find_outliers(values, m->outputs, m->inputs, m->bits, found, &p.outliers);
  p.apart_bytes = lmk_coded_outlier_bytes(&p.outliers);
  p.apart = blank_aligned(p.apart_bytes);
  lmk_coded_pack_values(m, own, m->outputs, scales, &p.outliers, p.apart, p.block);
  free(own), free(found);
  return p;
}

static void free_packed(packed p) { free(p.block), free(p.apart); }

// One block, [outputs][inputs], packed and multiplied on every instruction set.
static void check_block(int bits, size_t outputs, size_t inputs, size_t tokens) {
  lmk_coded m = {bits, 1 << (bits - 1), 0, LMK_SCALES_ROWS, outputs, inputs, NULL, NULL};
  int16_t *values = random_values(outputs * inputs, bits);
  float *scales = noise_floats(outputs, 0.5f), *x = noise_floats(tokens * inputs, 3);
  float *expected = NULL;
  packed first = {0};
  FOR_EACH_ISA {
    packed p = pack(&m, values, scales);
    m.blocks = p.block, m.outliers = &p.outliers;
    const size_t groups = lmk_coded_groups(inputs), count = tokens * groups, bytes = tokens * outputs * sizeof(float);
    lmk_activations a = {groups, blank(count * LMK_CODED_GROUP), blank(count * sizeof(float)), blank(count * sizeof(int32_t)),
                         NULL, NULL, inputs, x};
    lmk_code_activations(x, inputs, 0, tokens, &a);
    float *y = blank(bytes);
    lmk_coded_product(&m, 0, 1, &a, tokens, y, outputs);
    if (expected == NULL) {
      first = p;
      expected = blank(bytes);
      lmk_ref_coded_product(&m, 0, 1, &a, tokens, expected, outputs);
    }
    const char *place = "%d bits, %zu x %zu, %zu tokens";
    expect_same(&first.outliers.small, &p.outliers.small, sizeof(size_t), place, bits, outputs, inputs, tokens);
    expect_same(&first.outliers.large, &p.outliers.large, sizeof(size_t), place, bits, outputs, inputs, tokens);
    expect_same(first.apart, p.apart, p.apart_bytes, place, bits, outputs, inputs, tokens);
    expect_same(first.block, p.block, p.bytes, place, bits, outputs, inputs, tokens);
    expect_same(expected, y, bytes, place, bits, outputs, inputs, tokens);
    free(a.codes), free(a.scales), free(a.sums), free(y);
    if (p.block != first.block) free_packed(p);
  }
  free_packed(first), free(values), free(scales), free(x), free(expected);
}

void check_coded_values(void) {
  static const size_t sizes[][2] = {{1, 1}, {31, 5}, {32, 32}, {17, 33}, {32, 64}, {9, 100}, {32, 200}};
  for (int bits = 4; bits <= 8; bits += 4) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      for (size_t tokens = 1; tokens <= 13; tokens++) check_block(bits, sizes[s][0], sizes[s][1], tokens);
    }
  }
}

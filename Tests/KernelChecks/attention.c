// Attention over a cache: attention.h.
#include "attention.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "reference.h"

static void check_cache(lmk_cache_format format, size_t size, size_t first, size_t last) {
  const size_t padded = (size + 31) / 32 * 32, bytes = last * lmk_cache_row_bytes(format, padded);
  const lmk_cache cache = {format, padded, blank(bytes), blank(bytes), blank(last * sizeof(float)), blank(last * sizeof(float))};
  for (size_t p = 0; p < last; p++) {
    float *key = noise_floats(size, 1), *value = noise_floats(size, 1);
    lmk_cache_store(&cache, p, key, value, size);
    free(key), free(value);
  }
  float *query = noise_floats(padded, 1), *scores = blank(last * sizeof(float)), *expected = blank(padded * sizeof(float));
  memset(query + size, 0, (padded - size) * sizeof(float));
  lmk_ref_attend(&cache, query, first, last, 0.125f, scores, expected);
  FOR_EACH_ISA {
    float *output = blank(padded * sizeof(float));
    lmk_attend(&cache, query, first, last, 0.125f, scores, output);
    expect_same(expected, output, padded * sizeof(float), "format %d, size %zu, positions %zu to %zu", format, size, first, last);
    free(output);
  }
  free(cache.keys), free(cache.values), free(cache.key_scales), free(cache.value_scales), free(query), free(scores), free(expected);
}

void check_attend(void) {
  static const size_t sizes[] = {16, 24, 64, 80}, ranges[][2] = {{0, 1}, {0, 37}, {5, 22}};
  for (int format = LMK_CACHE_F32; format <= LMK_CACHE_INT4; format++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
      for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
        check_cache((lmk_cache_format)format, sizes[s], ranges[r][0], ranges[r][1]);
}

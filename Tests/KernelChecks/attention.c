// Attention over a cache: attention.h, cache.h.
#include "attention.h"

#include <stdlib.h>

#include "check.h"
#include "reference.h"

// A cache of so many positions; those beyond are of no value.
static lmk_cache random_cache(lmk_cache_format format, size_t size, size_t positions) {
  const size_t padded = (size + 15) / 16 * 16, blocks = (positions + LMK_CACHE_BLOCK - 1) / LMK_CACHE_BLOCK;
  const size_t capacity = blocks * LMK_CACHE_BLOCK;
  const lmk_cache cache = {
      format, padded, blank(blocks * lmk_cache_block_bytes(format, size)), blank(capacity * lmk_cache_row_bytes(format, padded)),
      blank(capacity * sizeof(float)), blank(capacity * sizeof(float))};
  for (size_t p = 0; p < positions; p++) {
    float *key = noise_floats(size, 1), *value = noise_floats(size, 1);
    lmk_cache_store(&cache, p, key, value, size);
    free(key), free(value);
  }
  return cache;
}

static void free_cache(lmk_cache cache) {
  free(cache.keys), free(cache.values), free(cache.key_scales), free(cache.value_scales);
}

// `work` lacks queries, outputs and size. Tokens are a few floats apart, and outputs leave those as they were.
static void check_work(lmk_cache_format format, size_t size, lmk_attention work) {
  const lmk_cache cache = random_cache(format, size, work.position + work.tokens);
  work.size = size, work.query_stride = work.heads * size + 2, work.output_stride = work.heads * size + 5, work.scale = 0.25f;
  const size_t bytes = work.tokens * work.output_stride * sizeof(float), scratch_bytes = lmk_attention_scratch_bytes(cache.padded);
  float *queries = noise_floats(work.tokens * work.query_stride, 3), *expected = blank(bytes);
  void *scratch = blank_aligned(scratch_bytes);
  work.queries = queries, work.outputs = expected;
  lmk_ref_attend(&cache, &work, scratch);
  FOR_EACH_ISA {
    work.outputs = blank(bytes);
    lmk_attend(&cache, &work, scratch);
    expect_same(
        expected, work.outputs, bytes, "format %d, size %zu, %zu heads, %zu tokens from %zu, window %zu, cap %g", format, size,
        work.heads, work.tokens, work.position, work.window, (double)work.softcap);
    free(work.outputs);
  }
  free_cache(cache), free(queries), free(expected), free(scratch);
}

void check_attend(void) {
  static const size_t sizes[] = {1, 5, 16, 24, 33, 64, 80, 256};
  static const lmk_attention works[] = {
      {.heads = 3, .tokens = 37},
      {.heads = 1, .tokens = 14, .position = 120},
      {.heads = 7, .tokens = 1, .position = 300},
      {.heads = 2, .tokens = 9, .position = 125, .window = 6},
      {.heads = 16, .tokens = 2, .position = 199, .window = 100},
      {.heads = 4, .tokens = 5, .position = 40, .softcap = 2},
  };
  for (int format = LMK_CACHE_F32; format <= LMK_CACHE_INT4; format++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
      for (size_t w = 0; w < sizeof works / sizeof *works; w++) check_work((lmk_cache_format)format, sizes[s], works[w]);
}

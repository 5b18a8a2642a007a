// The definition of attention, one query and one position at a time.
#include <math.h>

#include "cache_layout.h"
#include "exponential.h"
#include "reference.h"

static float score(const lmk_cache *cache, const lmk_attention *work, const float *query, size_t position) {
  const uint8_t *block =
      (const uint8_t *)cache->keys + position / LMK_CACHE_BLOCK * block_bytes(cache->format, work->size);
  float sum = 0;
  for (size_t i = 0; i < work->size; i++) {
    const uint8_t *at = block + key_offset(cache->format, i, position % LMK_CACHE_BLOCK);
    sum = __builtin_fmaf(load_element(cache->format, at, key_shift(i)), query[i] * work->scale, sum);
  }
  if (is_scaled(cache->format)) sum *= cache->key_scales[position];
  return work->softcap == 0 ? sum : tanh_one(sum / work->softcap) * work->softcap;
}

static void add_value(const lmk_cache *cache, const lmk_attention *work, size_t position, float weight, float *output) {
  const uint8_t *row = (const uint8_t *)cache->values + position * row_bytes(cache->format, cache->padded);
  if (is_scaled(cache->format)) weight *= cache->value_scales[position];
  for (size_t i = 0; i < work->size; i++) {
    const float value = load_element(cache->format, row + value_offset(cache->format, i), value_shift(i));
    output[i] = __builtin_fmaf(value, weight, output[i]);
  }
}

static void attend_query(const lmk_cache *cache, const lmk_attention *work, const float *query, size_t end, float *output) {
  size_t next = work->window != 0 && end > work->window ? end - work->window : 0;
  float largest = -INFINITY, sums[16] = {0};
  for (size_t i = 0; i < work->size; i++) output[i] = 0;
  while (next < end) {
    const size_t start = next, boundary = (start / LMK_ATTENTION_CHUNK + 1) * LMK_ATTENTION_CHUNK;
    float scores[LMK_ATTENTION_CHUNK], most = largest;
    for (; next < end && next < boundary; next++) {
      scores[next - start] = score(cache, work, query, next);
      most = scores[next - start] > most ? scores[next - start] : most;
    }
    if (most > largest) {
      const float factor = exp_one(largest - most);
      for (size_t i = 0; i < 16; i++) sums[i] *= factor;
      for (size_t i = 0; i < work->size; i++) output[i] *= factor;
      largest = most;
    }
    for (size_t position = start; position < next; position++) {
      const float weight = exp_one(scores[position - start] - largest);
      sums[position % 16] += weight;
      add_value(cache, work, position, weight, output);
    }
  }
  const float inverse = 1.0f / LMK_SUM(LMK_LOAD(v16, sums));
  for (size_t i = 0; i < work->size; i++) output[i] *= inverse;
}

void lmk_ref_attend(const lmk_cache *cache, const lmk_attention *work, void *scratch) {
  (void)scratch;
  for (size_t t = 0; t < work->tokens; t++) {
    for (size_t h = 0; h < work->heads; h++)
      attend_query(
          cache, work, work->queries + t * work->query_stride + h * work->size, work->position + t + 1,
          work->outputs + t * work->output_stride + h * work->size);
  }
}

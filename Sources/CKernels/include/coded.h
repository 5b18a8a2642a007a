// Products of a matrix of 4- or 8-bit codes with activations that are coded in 8 bits themselves, by integer dot products.
//
// A weight is scale * (code - offset) + minimum, an activation scale * code, both with scales for groups of 32 inputs.
// The dot product of a group is an exact integer; the groups of an output are added in one fixed order with fused
// multiply-add. All instruction sets and any number of threads therefore agree to the bit, and so does one token at a
// time with many at once.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  LMK_CODED_BLOCK = 32,  // outputs that lie together
  LMK_CODED_GROUP = 32,  // inputs that share a scale
};

// Where the scales of a coded matrix are: f16 for each group of 32 inputs, or f32 for each row.
typedef enum { LMK_SCALES_GROUPED = 0, LMK_SCALES_ROWS = 1 } lmk_scaling;

// The inputs of one block that hold a number too large for its codes, which are zeros there. These numbers are multiplied with
// the floats of the activations, so a few large weights neither widen the codes of all nor see rounded activations.
typedef struct {
  size_t small;            // inputs whose numbers are bytes
  size_t large;            // inputs whose numbers are wider
  const int8_t *bytes;     // [small][32 outputs]
  const int16_t *words;    // [large][32 outputs]
  const uint32_t *inputs;  // [small + large]: the small ones, ascending, then the large ones, ascending
} lmk_coded_outliers;

// A coded matrix in compute layout: `blocks` of 32 outputs, of lmk_coded_block_bytes each.
//
// LMK_SCALES_GROUPED: for each group: scales f16[32], minimums f16[32] if any, codes of the group.
// LMK_SCALES_ROWS: scales f32[32], minimums f32[32] if any, then the codes of all groups.
//
// The codes of a group are eight quads of inputs. 8 bits: [quad][output][input of the quad]. 4 bits: [pair of quads][output]
// [input of the quad] bytes, the even quad in the low nibble. Inputs past the end have the code `offset`; outputs past
// the end have scale 0.
typedef struct {
  int bits;    // 4 or 8
  int offset;  // 8 or 128 for signed codes, 0 for unsigned ones
  int has_minimum;
  lmk_scaling scaling;
  size_t outputs;
  size_t inputs;
  const uint8_t *blocks;
  const lmk_coded_outliers *outliers;  // of each block, with scales of rows and no minimums; NULL without any
} lmk_coded;

// Activations of some tokens: codes of -127...127 in rows of `groups` * 32, the inputs past the end 0.
//
// With peaks, the largest input of each group has 15 bits: its code is 128 * (a byte of `peaks`) more than `codes` says. The
// scale follows the second largest then, so one outlier does not coarsen the 31 inputs beside it.
typedef struct {
  size_t groups;
  int8_t *codes;        // [tokens][groups][32]
  float *scales;        // [tokens][groups]
  int32_t *sums;        // [tokens][groups], the sum of the codes, the peak's whole code included
  int32_t *peaks;       // [tokens][groups], four signed bytes for the four inputs of a quad, three of them 0; NULL without peaks
  uint8_t *peak_quads;  // [tokens][groups], the quad of the peak
  size_t inputs;
  const float *floats;  // [tokens][inputs], what the codes stand for; only outliers read them
} lmk_activations;

// Groups of 32 inputs of a row, the last one perhaps not full.
size_t lmk_coded_groups(size_t inputs);

// Bytes of a block; a multiple of 64.
size_t lmk_coded_block_bytes(const lmk_coded *matrix);

// A block's source: `rows` (at most 32) rows of a row-major matrix. Codes: signed (8 bits) or unsigned bytes, or two to the
// byte with the even column in the low nibble, rows of (inputs + 1) / 2 bytes. Scales and minimums: f16 bits, [rows][groups],
// a group being `group` inputs, any multiple of 32 or at least `inputs`.
typedef struct {
  const uint8_t *codes;
  const uint16_t *scales;
  const uint16_t *minimums;  // NULL without
  size_t rows;
  size_t group;
} lmk_coded_source;

// Lays out one block.
void lmk_coded_pack(const lmk_coded *matrix, const lmk_coded_source *source, uint8_t *block);

// The inputs of a block with a number that signed codes of `bits` bits cannot hold. values: [rows][inputs], at most 32 rows.
// `inputs_found` has space for all inputs; `outliers` gets the counts and it.
void lmk_coded_find_outliers(
    const int16_t *values, size_t rows, size_t inputs, int bits, uint32_t *inputs_found, lmk_coded_outliers *outliers);

// Bytes of what lmk_coded_pack_values moves apart: words, bytes and inputs.
size_t lmk_coded_outlier_bytes(const lmk_coded_outliers *outliers);

// Lays out one block of whole numbers, values[rows][inputs], in codes with an offset and f32 scales of rows. The numbers of the
// inputs of `outliers` are moved to `apart`, lmk_coded_outlier_bytes of it, aligned to 64 bytes, and so are the inputs; `values`
// are zero there afterwards, and `outliers` point to `apart`.
void lmk_coded_pack_values(
    const lmk_coded *matrix, int16_t *values, size_t rows, const float *scales, lmk_coded_outliers *outliers, void *apart,
    uint8_t *block);

// Reads row `output` as floats: row[inputs] = scale * (code - offset) + minimum.
void lmk_coded_row(const lmk_coded *matrix, size_t output, float *row);

// Codes rows first..<last of x ([tokens][inputs]): code = x / scale to nearest even, with scale = largest magnitude / 127; with
// peaks, max(second largest / 127, largest / (127 * 128)).
void lmk_code_activations(const float *x, size_t inputs, size_t first, size_t last, const lmk_activations *activations);

// y[t * stride + o] for tokens 0..<tokens and the outputs o of blocks first..<last.
void lmk_coded_product(
    const lmk_coded *matrix, size_t first, size_t last, const lmk_activations *activations, size_t tokens, float *y, size_t stride);

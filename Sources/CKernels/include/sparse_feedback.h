// Pruning of a matrix column by column, what every column loses fed back into the columns after it (SparseGPT; Frantar and Alistarh
// 2023), as specified in formats/pruning.md.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { LMK_SPARSE_LANE = 64 };  // rows that are pruned together

// What all lanes of a matrix share.
typedef struct {
  size_t columns;
  const float *feedback;    // [columns][columns]: row c, element j < c: what the target of c gains for an error of 1 in j
  const float *deviations;  // [columns]: of an input, given those after it
} lmk_sparse_plan;

// Up to LMK_SPARSE_LANE rows, column after column, LMK_SPARSE_LANE floats each; lanes without a row hold zeros.
typedef struct {
  size_t rows;
  const float *weights;  // as they were
  float *targets;        // what columns should be, given those before them; at first the weights; pruned columns: the result
  float *errors;         // weights less result, of columns that are done
} lmk_sparse_lane;

// What each weight of the columns first..<last would cost if it were zero and the columns after it made up for it: scores [rows][last -
// first]. The targets hold the feedback of the columns before `first`, and are left as they are. At most LMK_SPARSE_BLOCK columns.
enum { LMK_SPARSE_BLOCK = 128 };
void lmk_sparse_scores(const lmk_sparse_plan *plan, const lmk_sparse_lane *lane, size_t first, size_t last, float *scores);

// Makes those weights of the columns first..<last zero that `drop` [rows][last - first] names, and feeds the errors back into these columns
// and those up to `end`.
void lmk_sparse_prune(
    const lmk_sparse_plan *plan, const lmk_sparse_lane *lane, size_t first, size_t last, size_t end, const uint8_t *drop);

// Feeds the errors of the columns first..<last back into those from `from` on.
void lmk_sparse_feed(const lmk_sparse_plan *plan, const lmk_sparse_lane *lane, size_t first, size_t last, size_t from);

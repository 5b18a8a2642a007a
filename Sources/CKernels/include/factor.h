// Factorization of symmetric positive definite matrices in double precision, A = U^T U with U upper triangular, and solutions with it.
//
// Every element is one chain of fused multiply-adds in ascending order of the index that is summed over, so that blocking, threads
// and instruction sets change no bit.
#pragma once
#include <stddef.h>

enum {
  LMK_FACTOR_PANEL = 64,  // rows that are factored together
  LMK_SOLVE_LANES = 32,   // right-hand sides that are solved together
};

// Factors the rows first..<last of A [n][n], of which the part on and above the diagonal is used, after the rows above were taken off.
// Returns 0 when a pivot is not above `least`: A is not positive definite.
int lmk_factor_panel(double *a, size_t n, size_t first, size_t last, double least);

// Takes the factored rows from..<to off the rows first..<last below them: a[i][j] -= Σ_k a[k][i] a[k][j] for j >= i.
void lmk_factor_update(double *a, size_t n, size_t from, size_t to, size_t first, size_t last);

// Solves x U^T U = b for LMK_SOLVE_LANES rows at once, in place: element j of all of them at b + j * LMK_SOLVE_LANES.
void lmk_factor_solve(const double *u, size_t n, double *b);

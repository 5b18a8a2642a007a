#include "include/factor.h"

#include <math.h>

#include "dispatch.h"
#include "include/reference.h"
#include "vector.h"

typedef double d8 __attribute__((vector_size(64)));

#define SPLAT8(x) ((x) - (d8){})

int lmk_factor_panel(double *a, size_t n, size_t first, size_t last, double least) {
  for (size_t i = first; i < last; i++) {
    lmk_factor_update(a, n, first, i, i, i + 1);
    double *row = a + i * n;
    if (!(row[i] > least)) return 0;
    const double pivot = sqrt(row[i]);
    for (size_t j = i; j < n; j++) row[j] = row[j] / pivot;
  }
  return 1;
}

void lmk_ref_factor_update(double *a, size_t n, size_t from, size_t to, size_t first, size_t last) {
  for (size_t i = first; i < last; i++)
    for (size_t j = i; j < n; j++)
      for (size_t k = from; k < to; k++) a[i * n + j] = fma(-a[k * n + i], a[k * n + j], a[i * n + j]);
}

LMK_INLINE void factor_update_body(double *a, size_t n, size_t from, size_t to, size_t first, size_t last) {
  enum { VECTORS = 4 };
  for (size_t i = first; i < last; i++) {
    double *row = a + i * n;
    size_t j = i;
    for (; j + 8 * VECTORS <= n; j += 8 * VECTORS) {
      d8 sums[VECTORS];
      for (int v = 0; v < VECTORS; v++) sums[v] = LMK_LOAD(d8, row + j + 8 * (size_t)v);
      for (size_t k = from; k < to; k++) {
        const d8 factor = SPLAT8(-a[k * n + i]);
        for (int v = 0; v < VECTORS; v++) sums[v] = LMK_FMA(factor, LMK_LOAD(d8, a + k * n + j + 8 * (size_t)v), sums[v]);
      }
      for (int v = 0; v < VECTORS; v++) LMK_STORE(row + j + 8 * (size_t)v, sums[v]);
    }
    for (; j < n; j++)
      for (size_t k = from; k < to; k++) row[j] = fma(-a[k * n + i], a[k * n + j], row[j]);
  }
}

LMK_VARIANTS(
    factor_update, (double *a, size_t n, size_t from, size_t to, size_t first, size_t last), (a, n, from, to, first, last))

void lmk_factor_update(double *a, size_t n, size_t from, size_t to, size_t first, size_t last) {
  LMK_DISPATCH(factor_update, (a, n, from, to, first, last));
}

void lmk_ref_factor_solve(const double *u, size_t n, double *b) {
  enum { LANES = LMK_SOLVE_LANES };
  for (size_t lane = 0; lane < LANES; lane++) {
    for (size_t j = 0; j < n; j++) {
      for (size_t i = 0; i < j; i++) b[j * LANES + lane] = fma(-u[i * n + j], b[i * LANES + lane], b[j * LANES + lane]);
      b[j * LANES + lane] = b[j * LANES + lane] / u[j * n + j];
    }
    for (size_t j = n; j-- > 0;) {
      for (size_t i = j + 1; i < n; i++) b[j * LANES + lane] = fma(-u[j * n + i], b[i * LANES + lane], b[j * LANES + lane]);
      b[j * LANES + lane] = b[j * LANES + lane] / u[j * n + j];
    }
  }
}

// b[j] = (b[j] - Σ_i factor(i) b[i]) / diagonal, factor(i) = factors[i * stride], for i of from..<to.
LMK_INLINE void take_off(const double *factors, size_t stride, size_t from, size_t to, double diagonal, double *b, size_t j) {
  enum { LANES = LMK_SOLVE_LANES, VECTORS = LANES / 8 };
  d8 sums[VECTORS];
  for (int v = 0; v < VECTORS; v++) sums[v] = LMK_LOAD(d8, b + j * LANES + 8 * (size_t)v);
  for (size_t i = from; i < to; i++) {
    const d8 factor = SPLAT8(-factors[i * stride]);
    for (int v = 0; v < VECTORS; v++) sums[v] = LMK_FMA(factor, LMK_LOAD(d8, b + i * LANES + 8 * (size_t)v), sums[v]);
  }
  for (int v = 0; v < VECTORS; v++) LMK_STORE(b + j * LANES + 8 * (size_t)v, sums[v] / diagonal);
}

LMK_INLINE void factor_solve_body(const double *u, size_t n, double *b) {
  for (size_t j = 0; j < n; j++) take_off(u + j, n, 0, j, u[j * n + j], b, j);
  for (size_t j = n; j-- > 0;) take_off(u + j * n, 1, j + 1, n, u[j * n + j], b, j);
}

LMK_VARIANTS(factor_solve, (const double *u, size_t n, double *b), (u, n, b))

void lmk_factor_solve(const double *u, size_t n, double *b) { LMK_DISPATCH(factor_solve, (u, n, b)); }

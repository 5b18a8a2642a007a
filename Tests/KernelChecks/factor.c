// Factors of symmetric matrices, and solutions with them: factor.h.
#include "factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "reference.h"

// Fewer rows than a vector has, whole panels, and some more.
static const size_t sizes[] = {1, 5, 31, 33, 63, 64, 65, 130, 193};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void expect(int holds, const char *what, size_t n) {
  const int yes = 1;
  expect_same(&yes, &holds, sizeof yes, "%s, %zu rows", what, n);
}

static double *noise_doubles(size_t count) {
  double *values = blank(count * sizeof *values);
  for (size_t i = 0; i < count; i++) values[i] = (double)noise_float();
  return values;
}

// X X^T + 1.
static double *definite(size_t n) {
  double *a = blank(n * n * sizeof *a);
  float *x = noise_floats(n * n, 1);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      double sum = i == j;
      for (size_t k = 0; k < n; k++) sum += (double)x[i * n + k] * (double)x[j * n + k];
      a[i * n + j] = sum;
    }
  free(x);
  return a;
}

// As a caller factors: panel by panel, each taken off the rows below it in two goes.
static int factor(double *a, size_t n, double least) {
  for (size_t first = 0; first < n; first += LMK_FACTOR_PANEL) {
    const size_t last = n - first < LMK_FACTOR_PANEL ? n : first + LMK_FACTOR_PANEL, middle = last + (n - last) / 3;
    if (!lmk_factor_panel(a, n, first, last, least)) return 0;
    lmk_factor_update(a, n, first, last, last, middle);
    lmk_factor_update(a, n, first, last, middle, n);
  }
  return 1;
}

// The definition, row by row.
static void define(double *a, size_t n) {
  for (size_t i = 0; i < n; i++) {
    for (size_t j = i; j < n; j++)
      for (size_t k = 0; k < i; k++) a[i * n + j] = fma(-a[k * n + i], a[k * n + j], a[i * n + j]);
    const double pivot = sqrt(a[i * n + i]);
    for (size_t j = i; j < n; j++) a[i * n + j] = a[i * n + j] / pivot;
  }
}

static void check_update(size_t n) {
  const size_t ranges[][4] = {{0, n / 3, n / 3, n}, {n / 4, n / 2, n / 2, n / 2 + n / 4}, {0, n, n, n}, {0, 0, 0, n}, {0, n / 2, n / 2, n}};
  const size_t bytes = n * n * sizeof(double);
  double *start = noise_doubles(n * n), *expected = blank(bytes), *computed = blank(bytes);
  for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
    const size_t *range = ranges[r];
    memcpy(expected, start, bytes);
    lmk_ref_factor_update(expected, n, range[0], range[1], range[2], range[3]);
    FOR_EACH_ISA {
      memcpy(computed, start, bytes);
      lmk_factor_update(computed, n, range[0], range[1], range[2], range[3]);
      expect_same(expected, computed, bytes, "update of %zu, range %zu", n, r);
    }
  }
  free(start), free(expected), free(computed);
}

// On every instruction set the same, and the factor of the matrix.
static void check_factor_of(const double *a, size_t n) {
  const size_t bytes = n * n * sizeof(double);
  double *expected = blank(bytes), *computed = blank(bytes);
  memcpy(expected, a, bytes);
  define(expected, n);
  FOR_EACH_ISA {
    memcpy(computed, a, bytes);
    expect(factor(computed, n, 0), "the factor is refused", n);
    expect_same(expected, computed, bytes, "factor of %zu rows", n);
  }
  next_isa(-1);  // the first one again, which digests belong to
  double worst = 0;
  for (size_t i = 0; i < n; i++)
    for (size_t j = i; j < n; j++) {
      double sum = 0;
      for (size_t k = 0; k <= i; k++) sum += expected[k * n + i] * expected[k * n + j];
      worst = fmax(worst, fabs(sum - a[i * n + j]) / sqrt(a[i * n + i] * a[j * n + j]));
    }
  expect(worst < 1e-13, "factor^T * factor is not the matrix", n);
  free(expected), free(computed);
}

static void check_refusals(const double *a, size_t n) {
  const size_t bytes = n * n * sizeof(double);
  const double broken[] = {-1, 0, NAN, -INFINITY};
  double *copy = blank(bytes);
  for (int b = 0; b < 4; b++) {
    memcpy(copy, a, bytes);
    copy[n / 2 * (n + 1)] = broken[b];
    expect(!factor(copy, n, 0), "a broken diagonal is accepted", n);
  }
  memcpy(copy, a, bytes);
  expect(!factor(copy, n, a[0]), "a pivot that is not above the least is accepted", n);
  free(copy);
}

static void check_solution(const double *a, size_t n) {
  enum { LANES = LMK_SOLVE_LANES };
  const size_t bytes = n * LANES * sizeof(double);
  double *u = blank(n * n * sizeof *u), *b = noise_doubles(n * LANES), *expected = blank(bytes), *computed = blank(bytes);
  memcpy(u, a, n * n * sizeof *u);
  define(u, n);
  memcpy(expected, b, bytes);
  lmk_ref_factor_solve(u, n, expected);
  FOR_EACH_ISA {
    memcpy(computed, b, bytes);
    lmk_factor_solve(u, n, computed);
    expect_same(expected, computed, bytes, "solution of %zu rows", n);
  }
  next_isa(-1);
  double worst = 0;
  for (size_t lane = 0; lane < LANES; lane++)
    for (size_t j = 0; j < n; j++) {
      double sum = -b[j * LANES + lane], size = 1;
      for (size_t i = 0; i < n; i++) {
        sum += expected[i * LANES + lane] * a[i * n + j];
        size += fabs(expected[i * LANES + lane] * a[i * n + j]);
      }
      worst = fmax(worst, fabs(sum) / size);
    }
  expect(worst < 1e-12, "the solution does not solve", n);
  free(u), free(b), free(expected), free(computed);
}

void check_factor(void) {
  for (size_t s = 0; s < SIZES; s++) {
    double *a = definite(sizes[s]);
    check_update(sizes[s]);
    check_factor_of(a, sizes[s]);
    check_refusals(a, sizes[s]);
    check_solution(a, sizes[s]);
    free(a);
  }
}

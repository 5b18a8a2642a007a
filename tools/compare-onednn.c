// Dense products of gemm.h and of oneDNN, one after the other in one run: see compare-onednn.sh. Of each the fastest of many
// runs counts, since other processes only ever make one slower.
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gemm.h"
#include "half.h"

#if DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_OMP && DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#error "oneDNN must be built for OpenMP or for one thread, so that it can be held to one core"
#endif

enum { LEAST_ROUNDS = 6 };
static const double SECONDS = 1;  // of rounds for each product

// C[rows][columns] = op(A)[rows][depth] op(B)[depth][columns].
typedef struct {
  const char *name;
  size_t rows, depth, columns;
  int a_transposed, b_transposed;
} shape;

static const shape shapes[] = {
    {"square", 2048, 2048, 2048, 0, 0},      {"square, B^T", 2048, 2048, 2048, 0, 1},
    {"Y = X W^T", 512, 2048, 2048, 0, 1},    {"Y = X W^T", 2048, 288, 768, 0, 1},
    {"Y = X W^T", 2048, 288, 32000, 0, 1},   {"Y = X W^T", 512, 768, 768, 0, 1},
    {"dX = dY W", 512, 2048, 2048, 0, 0},    {"dX = dY W", 2048, 768, 288, 0, 0},
    {"dX = dY W", 2048, 32000, 288, 0, 0},   {"dX = dY W", 512, 768, 768, 0, 0},
    {"dW = dY^T X", 2048, 512, 2048, 1, 0},  {"dW = dY^T X", 768, 2048, 288, 1, 0},
    {"dW = dY^T X", 32000, 2048, 288, 1, 0}, {"dW = dY^T X", 768, 512, 768, 1, 0},
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *memory(size_t bytes) {
  void *result = NULL;
  if (posix_memalign(&result, 64, bytes) != 0) exit(70);
  return memset(result, 0, bytes);
}

static float *random_floats(size_t count) {
  float *values = memory(count * sizeof *values);
  for (size_t i = 0; i < count; i++) values[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  return values;
}

static void *rounded(const float *values, size_t count) {
  void *halves = memory(count * sizeof(uint16_t));
  lmk_f32_to_bf16(values, halves, count);
  return halves;
}

// Ours

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// As MatrixProduct.swift does with one thread.
static void multiply(const lmk_gemm *g, float *packed_columns, float *packed_rows) {
  const size_t deep = lmk_gemm_slab_depth(g->arithmetic);
  for (size_t j = 0; j < g->columns; j += LMK_GEMM_SLAB_COLUMNS) {
    for (size_t k = 0; k < g->depth; k += deep) {
      const lmk_gemm_slab slab = {j, least(g->columns, j + LMK_GEMM_SLAB_COLUMNS), k, least(g->depth, k + deep)};
      lmk_gemm_pack(g, &slab, slab.first_column, slab.last_column, packed_columns);
      for (size_t i = 0; i < g->rows; i += LMK_GEMM_BLOCK_ROWS)
        lmk_gemm_block(
            g, &slab, i, least(i + LMK_GEMM_BLOCK_ROWS, g->rows), slab.first_column, slab.last_column, packed_columns, packed_rows);
    }
  }
}

static lmk_gemm our_product(const shape *s, lmk_format format, const void *a, const void *b, float *c) {
  return (lmk_gemm){
      .arithmetic = format == LMK_BF16 ? LMK_GEMM_BF16 : LMK_GEMM_F32,
      .rows = s->rows,
      .columns = s->columns,
      .depth = s->depth,
      .a = {a, s->a_transposed ? s->rows : s->depth, format, s->a_transposed},
      .b = {b, s->b_transposed ? s->depth : s->columns, format, s->b_transposed},
      .c = c,
      .c_stride = s->columns,
      .isa = lmk_isa_in_use(),
  };
}

// Theirs

typedef struct {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
} onednn;

static void ok(dnnl_status_t status) {
  if (status == dnnl_success) return;
  fprintf(stderr, "oneDNN fails with status %d\n", status);
  exit(1);
}

static onednn start(void) {
  onednn theirs;
  ok(dnnl_engine_create(&theirs.engine, dnnl_cpu, 0));
  ok(dnnl_stream_create(&theirs.stream, theirs.engine, dnnl_stream_default_flags));
  return theirs;
}

static dnnl_dim_t dim(size_t size) { return (dnnl_dim_t)size; }

// What versions 2 and 3 name otherwise: a matrix in memory, and the plan of a product.
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t description;

static dnnl_memory_t wrap(const onednn *theirs, size_t rows, size_t columns, int transposed, dnnl_data_type_t type, void *values) {
  const dnnl_dims_t sizes = {dim(rows), dim(columns)}, strides = {transposed ? 1 : dim(columns), transposed ? dim(rows) : 1};
  dnnl_memory_desc_t layout;
  dnnl_memory_t matrix;
  ok(dnnl_memory_desc_create_with_strides(&layout, 2, sizes, type, strides));
  ok(dnnl_memory_create(&matrix, layout, theirs->engine, values));
  ok(dnnl_memory_desc_destroy(layout));
  return matrix;
}

static dnnl_primitive_desc_t plan(const onednn *theirs, description a, description b, description c) {
  dnnl_primitive_desc_t result;
  ok(dnnl_matmul_primitive_desc_create(&result, theirs->engine, a, b, NULL, c, NULL));
  return result;
}
#else
typedef const dnnl_memory_desc_t *description;

static dnnl_memory_t wrap(const onednn *theirs, size_t rows, size_t columns, int transposed, dnnl_data_type_t type, void *values) {
  const dnnl_dims_t sizes = {dim(rows), dim(columns)}, strides = {transposed ? 1 : dim(columns), transposed ? dim(rows) : 1};
  dnnl_memory_desc_t layout;
  dnnl_memory_t matrix;
  ok(dnnl_memory_desc_init_by_strides(&layout, 2, sizes, type, strides));
  ok(dnnl_memory_create(&matrix, &layout, theirs->engine, values));
  return matrix;
}

static dnnl_primitive_desc_t plan(const onednn *theirs, description a, description b, description c) {
  dnnl_matmul_desc_t product;
  dnnl_primitive_desc_t result;
  ok(dnnl_matmul_desc_init(&product, a, b, NULL, c));
  ok(dnnl_primitive_desc_create(&result, &product, NULL, theirs->engine, NULL));
  return result;
}
#endif

static description layout_of(dnnl_memory_t matrix) {
  description layout;
  ok(dnnl_memory_get_memory_desc(matrix, &layout));
  return layout;
}

typedef struct {
  dnnl_primitive_t primitive;
  dnnl_exec_arg_t matrices[3];
} matmul;

static matmul their_product(const onednn *theirs, const shape *s, lmk_format format, void *a, void *b, float *c) {
  const dnnl_data_type_t type = format == LMK_BF16 ? dnnl_bf16 : dnnl_f32;
  dnnl_memory_t left = wrap(theirs, s->rows, s->depth, s->a_transposed, type, a);
  dnnl_memory_t right = wrap(theirs, s->depth, s->columns, s->b_transposed, type, b);
  dnnl_memory_t result = wrap(theirs, s->rows, s->columns, 0, dnnl_f32, c);
  dnnl_primitive_desc_t planned = plan(theirs, layout_of(left), layout_of(right), layout_of(result));
  matmul product = {NULL, {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, result}}};
  ok(dnnl_primitive_create(&product.primitive, planned));
  ok(dnnl_primitive_desc_destroy(planned));
  return product;
}

static void forget(matmul product) {
  for (int i = 0; i < 3; i++) ok(dnnl_memory_destroy(product.matrices[i].memory));
  ok(dnnl_primitive_destroy(product.primitive));
}

static void run_matmul(const onednn *theirs, const matmul *product) {
  ok(dnnl_primitive_execute(product->primitive, theirs->stream, 3, product->matrices));
  ok(dnnl_stream_wait(theirs->stream));
}

// Their other function for f32.
static void run_sgemm(const shape *s, const float *a, const float *b, float *c) {
  ok(dnnl_sgemm(
      s->a_transposed ? 'T' : 'N', s->b_transposed ? 'T' : 'N', dim(s->rows), dim(s->columns), dim(s->depth), 1, a,
      dim(s->a_transposed ? s->rows : s->depth), b, dim(s->b_transposed ? s->depth : s->columns), 0, c, dim(s->columns)));
}

// Both

// Seconds of the fastest run.
typedef struct {
  double ours, theirs;
} times;

#define TIME(best, call)                               \
  do {                                                 \
    const double start_ = now();                       \
    call;                                              \
    const double seconds_ = now() - start_;            \
    (best) = seconds_ < (best) ? seconds_ : (best);    \
  } while (0)

static times race(const onednn *theirs, const shape *s, lmk_format format, void *a, void *b, float *c[2], float *packed[2]) {
  const lmk_gemm ours = our_product(s, format, a, b, c[0]);
  const matmul product = their_product(theirs, s, format, a, b, c[1]);
  times best = {INFINITY, INFINITY};
  const double end = now() + SECONDS;
  for (int round = 0; round < LEAST_ROUNDS || now() < end; round++) {
    TIME(best.ours, multiply(&ours, packed[0], packed[1]));
    TIME(best.theirs, run_matmul(theirs, &product));
    if (format == LMK_F32) TIME(best.theirs, run_sgemm(s, a, b, c[1]));
  }
  forget(product);
  return best;
}

// Whether both computed the same product: sums of terms below 1/4 that are rounded differently.
static int agree(const shape *s, float *c[2]) {
  for (size_t i = 0; i < s->rows * s->columns; i++)
    if (!(fabsf(c[0][i] - c[1][i]) < 1e-6f * (float)s->depth)) return 0;
  return 1;
}

// Prints the row of a shape; returns the lower ratio, 0 when a product is wrong.
static double compare(const onednn *theirs, const shape *s, float *packed[2]) {
  const size_t a_count = s->rows * s->depth, b_count = s->depth * s->columns, c_bytes = s->rows * s->columns * sizeof(float);
  float *a = random_floats(a_count), *b = random_floats(b_count), *c[2] = {memory(c_bytes), memory(c_bytes)};
  void *a_halves = rounded(a, a_count), *b_halves = rounded(b, b_count);
  const double gflop = 2e-9 * (double)s->rows * (double)s->depth * (double)s->columns;
  const times f32 = race(theirs, s, LMK_F32, a, b, c, packed);
  int right = agree(s, c);
  const times bf16 = race(theirs, s, LMK_BF16, a_halves, b_halves, c, packed);
  right = right && agree(s, c);
  const double f32_ratio = f32.theirs / f32.ours, bf16_ratio = bf16.theirs / bf16.ours;
  printf(
      "| %-11s | %5zu x %5zu x %5zu  | %4.0f | %6.0f |  %.2f | %4.0f | %6.0f |  %.2f |%s\n", s->name, s->rows, s->depth,
      s->columns, gflop / f32.ours, gflop / f32.theirs, f32_ratio, gflop / bf16.ours, gflop / bf16.theirs, bf16_ratio,
      right ? "" : " the products differ");
  fflush(stdout);
  free(a), free(b), free(c[0]), free(c[1]), free(a_halves), free(b_halves);
  return right ? fmin(f32_ratio, bf16_ratio) : 0;
}

int main(void) {
  const dnnl_version_t *version = dnnl_version();
  const onednn theirs = start();
  float *packed[2] = {
      memory(LMK_GEMM_PACKED_COLUMNS * sizeof(float)), memory(LMK_GEMM_PACKED_ROWS * sizeof(float))};
  double lowest = INFINITY;
  printf(
      "GFLOP/s of one core: lmtool with %s, and oneDNN %d.%d.%d, of whose two f32 products the faster one.\n\n"
      "| product     | rows x depth x columns |  f32 | oneDNN | ratio | bf16 | oneDNN | ratio |\n"
      "|-------------|------------------------|-----:|-------:|------:|-----:|-------:|------:|\n",
      lmk_isa_name(lmk_isa_in_use()), version->major, version->minor, version->patch);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) lowest = fmin(lowest, compare(&theirs, &shapes[i], packed));
  printf("\nlowest ratio: %.2f\n", lowest);
  return lowest == 0;
}

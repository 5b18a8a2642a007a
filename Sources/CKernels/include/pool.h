// A persistent pool of threads for short parallel regions.
#pragma once
#include <stddef.h>

typedef struct lmk_pool lmk_pool;
typedef void (*lmk_task)(void *context, size_t index);

// A pool of `threads` (at least 1), the calling thread included. NULL when threads cannot be created.
lmk_pool *lmk_pool_create(size_t threads);
void lmk_pool_destroy(lmk_pool *pool);

// Calls task(context, i) once for every i < count, on any thread, in any order; returns when all are done. Each thread starts
// with its share of the indices, the same one in every region of the same count, so what belongs together should be neighbours.
// Called from inside a task, or while another thread uses the pool, it runs everything in the caller.
void lmk_pool_run(lmk_pool *pool, size_t count, lmk_task task, void *context);

// Cores that this process may run on.
size_t lmk_available_cores(void);

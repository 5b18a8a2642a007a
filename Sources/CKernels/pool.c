#define _GNU_SOURCE  // sched_getaffinity
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

// A worker watches for work this many times (10 to 20 microseconds) before it sleeps: a decode step has hundreds of
// regions that follow each other closely, while an idle pool must not keep a core busy.
enum { SPINS = 4000 };

struct lmk_pool {
  size_t threads;
  pthread_t *workers;
  pthread_mutex_t user;  // held by the thread whose region runs

  pthread_mutex_t lock;
  pthread_cond_t wake;
  atomic_size_t generation;  // changes when a region starts
  atomic_size_t sleepers;
  atomic_int stop;

  lmk_task task;
  void *context;
  size_t count;
  atomic_size_t next;    // the next index to hand out
  atomic_size_t active;  // workers that have not finished the region
};

static _Thread_local int inside;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void drain(lmk_pool *pool) {
  for (;;) {
    size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (index >= pool->count) return;
    pool->task(pool->context, index);
  }
}

// Waits until the generation is no longer `seen`: first awake, then asleep.
static size_t await_region(lmk_pool *pool, size_t seen) {
  for (int spin = 0; spin < SPINS; spin++) {
    size_t now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (now != seen) return now;
    relax();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleepers, 1);
  while (atomic_load(&pool->generation) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  size_t now = atomic_load(&pool->generation);
  pthread_mutex_unlock(&pool->lock);
  return now;
}

static void *work(void *argument) {
  lmk_pool *pool = argument;
  size_t seen = 0;
  inside = 1;
  for (;;) {
    seen = await_region(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    drain(pool);
    atomic_fetch_sub_explicit(&pool->active, 1, memory_order_release);
  }
}

static void start_region(lmk_pool *pool) {
  atomic_fetch_add(&pool->generation, 1);
  if (atomic_load(&pool->sleepers) == 0) return;
  pthread_mutex_lock(&pool->lock);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

lmk_pool *lmk_pool_create(size_t threads) {
  lmk_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->workers = calloc(threads, sizeof *pool->workers);
  pthread_mutex_init(&pool->user, NULL);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->threads = 1;
  while (pool->workers != NULL && pool->threads < threads) {
    if (pthread_create(&pool->workers[pool->threads - 1], NULL, work, pool) != 0) break;
    pool->threads++;
  }
  return pool;
}

void lmk_pool_destroy(lmk_pool *pool) {
  atomic_store(&pool->stop, 1);
  start_region(pool);
  for (size_t i = 0; i + 1 < pool->threads; i++) pthread_join(pool->workers[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  pthread_mutex_destroy(&pool->user);
  free(pool->workers);
  free(pool);
}

void lmk_pool_run(lmk_pool *pool, size_t count, lmk_task task, void *context) {
  int alone = inside || pool->threads == 1 || count < 2 || pthread_mutex_trylock(&pool->user) != 0;
  if (alone) {
    for (size_t i = 0; i < count; i++) task(context, i);
    return;
  }
  pool->task = task;
  pool->context = context;
  pool->count = count;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->active, pool->threads - 1);
  inside = 1;
  start_region(pool);
  drain(pool);
  for (int spin = 0; atomic_load_explicit(&pool->active, memory_order_acquire) != 0; spin++) {
    if (spin < SPINS) {
      relax();
    } else {
      sched_yield();  // a worker was taken off its core: do not spin against it
    }
  }
  inside = 0;
  pthread_mutex_unlock(&pool->user);
}

size_t lmk_available_cores(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return (size_t)CPU_COUNT(&set);
#endif
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? (size_t)cores : 1;
}

#define _GNU_SOURCE  // sched_getaffinity
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

// A worker watches for work this many times (10 to 20 microseconds) before it sleeps: a decode step has hundreds of
// regions that follow each other closely, while an idle pool must not keep a core busy.
enum { SPINS = 4000 };

// The state of a pool in one word: how many workers are inside the region, whether it is open, and its number. Workers
// enter only an open region, and the caller closes it when no index is left: a worker that the system keeps waiting
// elsewhere never delays a region that it has not entered.
enum { OPEN_BIT = 32 };
static const uint64_t INSIDE = (UINT64_C(1) << OPEN_BIT) - 1, OPEN = UINT64_C(1) << OPEN_BIT, NEXT_REGION = UINT64_C(1) << (OPEN_BIT + 1);

// The indices that a thread takes first. Regions that follow each other are mostly cut alike, so that it finds what it wrote
// before in its own caches; when it is done it helps the others. A cache line each.
struct share {
  _Alignas(64) atomic_size_t next;
  size_t end;
};

struct worker {
  lmk_pool *pool;
  size_t thread;  // 0 is the caller of a region
  pthread_t handle;
};

struct lmk_pool {
  size_t threads;
  struct worker *workers;
  pthread_mutex_t user;  // held by the thread whose region runs

  pthread_mutex_t lock;
  pthread_cond_t wake;
  atomic_uint_fast64_t state;
  atomic_size_t sleepers;
  atomic_int stop;

  lmk_task task;
  void *context;
  struct share *shares;  // one for each thread
};

static _Thread_local int inside;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void drain(lmk_pool *pool, size_t thread) {
  for (size_t i = 0; i < pool->threads; i++) {
    struct share *share = &pool->shares[(thread + i) % pool->threads];
    size_t index;
    while ((index = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed)) < share->end) pool->task(pool->context, index);
  }
}

static int is_news(uint64_t state, uint64_t seen) { return (state & OPEN) != 0 && (state & ~INSIDE) != seen; }

// Waits for an open region other than `seen`: first awake, then asleep.
static uint64_t await_region(lmk_pool *pool, uint64_t seen) {
  for (int spin = 0; spin < SPINS; spin++) {
    uint64_t now = atomic_load_explicit(&pool->state, memory_order_acquire);
    if (is_news(now, seen)) return now;
    relax();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleepers, 1);
  uint64_t now;
  while (!is_news(now = atomic_load(&pool->state), seen)) pthread_cond_wait(&pool->wake, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->lock);
  return now;
}

// Counts the caller among the workers inside, unless the region has closed meanwhile.
static int enter(lmk_pool *pool, uint64_t state) {
  const uint64_t region = state & ~INSIDE;
  while ((state & ~INSIDE) == region) {
    if (atomic_compare_exchange_weak(&pool->state, &state, state + 1)) return 1;
  }
  return 0;
}

static void *work(void *argument) {
  const struct worker *worker = argument;
  lmk_pool *pool = worker->pool;
  uint64_t seen = 0;
  inside = 1;
  for (;;) {
    uint64_t state = await_region(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    seen = state & ~INSIDE;
    if (!enter(pool, state)) continue;
    drain(pool, worker->thread);
    atomic_fetch_sub(&pool->state, 1);
  }
}

static void open_region(lmk_pool *pool) {
  atomic_fetch_add(&pool->state, NEXT_REGION | OPEN);  // the region before is closed: its open bit is 0
  if (atomic_load(&pool->sleepers) == 0) return;
  pthread_mutex_lock(&pool->lock);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

static void close_region(lmk_pool *pool) {
  atomic_fetch_and(&pool->state, ~OPEN);
  for (int spin = 0; (atomic_load_explicit(&pool->state, memory_order_acquire) & INSIDE) != 0; spin++) {
    if (spin < SPINS) {
      relax();
    } else {
      sched_yield();  // a worker was taken off its core: do not spin against it
    }
  }
}

lmk_pool *lmk_pool_create(size_t threads) {
  lmk_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->workers = calloc(threads, sizeof *pool->workers);
  pool->shares = aligned_alloc(_Alignof(struct share), threads * sizeof *pool->shares);
  if (pool->workers == NULL || pool->shares == NULL) {
    free(pool->workers), free(pool->shares), free(pool);
    return NULL;
  }
  pthread_mutex_init(&pool->user, NULL);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->threads = threads;
  for (size_t i = 1; i < threads; i++) {
    pool->workers[i] = (struct worker){.pool = pool, .thread = i};
    if (pthread_create(&pool->workers[i].handle, NULL, work, &pool->workers[i]) == 0) continue;
    pool->threads = i;  // no region has run yet
    break;
  }
  return pool;
}

void lmk_pool_destroy(lmk_pool *pool) {
  atomic_store(&pool->stop, 1);
  open_region(pool);
  for (size_t i = 1; i < pool->threads; i++) pthread_join(pool->workers[i].handle, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  pthread_mutex_destroy(&pool->user);
  free(pool->workers), free(pool->shares), free(pool);
}

void lmk_pool_run(lmk_pool *pool, size_t count, lmk_task task, void *context) {
  int alone = inside || pool->threads == 1 || count < 2 || pthread_mutex_trylock(&pool->user) != 0;
  if (alone) {
    for (size_t i = 0; i < count; i++) task(context, i);
    return;
  }
  pool->task = task;
  pool->context = context;
  for (size_t i = 0; i < pool->threads; i++) {
    atomic_store_explicit(&pool->shares[i].next, count * i / pool->threads, memory_order_relaxed);
    pool->shares[i].end = count * (i + 1) / pool->threads;
  }
  inside = 1;
  open_region(pool);
  drain(pool, 0);
  close_region(pool);
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

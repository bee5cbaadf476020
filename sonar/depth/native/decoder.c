/* MiDaS's decoder: threads that share the work of one layer after the other. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "work.h"

#define MOST_THREADS 64
#define SPINS 20000

typedef struct {
    pthread_t thread[MOST_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t start;
    int threads, frame, stop;
    const Step *steps;
    int count;
    float *scratch[MOST_THREADS];
    atomic_int next, arrived, phase;
} Pool;

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Waits until all threads are here; the last one resets the counter of items. */
static void meet(Pool *pool) {
    int phase = atomic_load(&pool->phase);
    if (atomic_fetch_add(&pool->arrived, 1) + 1 == pool->threads) {
        atomic_store(&pool->arrived, 0);
        atomic_store(&pool->next, 0);
        atomic_fetch_add(&pool->phase, 1);
        return;
    }
    for (int n = 0; atomic_load(&pool->phase) == phase; n++)
        if (n < SPINS)
            pause_cpu();
        else
            sched_yield();
}

static void all_steps(Pool *pool, int self) {
    for (int n = 0; n < pool->count; n++) {
        const Step *s = pool->steps + n;
        int total = items(s);
        for (int i; (i = atomic_fetch_add(&pool->next, 1)) < total;)
            work(s, i, pool->scratch[self]);
        meet(pool);
    }
}

typedef struct {
    Pool *pool;
    int self;
} Start;

static void *helper(void *given) {
    Start start = *(Start *)given;
    free(given);
    for (int frame = 0;; frame++) {
        pthread_mutex_lock(&start.pool->lock);
        while (start.pool->frame == frame && !start.pool->stop)
            pthread_cond_wait(&start.pool->start, &start.pool->lock);
        int stop = start.pool->stop;
        pthread_mutex_unlock(&start.pool->lock);
        if (stop) return 0;
        all_steps(start.pool, start.self);
    }
}

int sonar_lanes(void) { return LANES; }
int sonar_group(void) { return GROUP; }
int sonar_half(void) { return HALF; }
int sonar_int8(void) { return INT8; }
int sonar_step_bytes(void) { return sizeof(Step); }

void sonar_close(Pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->stop = 1;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (int n = 1; n < pool->threads; n++) pthread_join(pool->thread[n], 0);
    for (int n = 0; n < MOST_THREADS; n++) free(pool->scratch[n]);
    free(pool);
}

/* scratch: bytes for each thread. Null where there is no memory or no thread to be had. */
Pool *sonar_open(int threads, size_t scratch) {
    Pool *pool = calloc(1, sizeof(Pool));
    if (!pool || threads < 1 || threads > MOST_THREADS) return free(pool), (Pool *)0;
    pthread_mutex_init(&pool->lock, 0);
    pthread_cond_init(&pool->start, 0);
    pool->threads = 1;
    for (int n = 0; n < threads; n++) {
        Start *start = n ? malloc(sizeof(Start)) : 0;
        pool->scratch[n] = aligned_alloc(64, (scratch + 63) / 64 * 64);
        if (start) *start = (Start){pool, n};
        if (!pool->scratch[n] || (n && !start) ||
            (n && pthread_create(&pool->thread[n], 0, helper, start))) {
            free(start);
            sonar_close(pool);
            return 0;
        }
        pool->threads = n + 1;
    }
    return pool;
}

void sonar_run(Pool *pool, const Step *steps, int count) {
    pthread_mutex_lock(&pool->lock);
    pool->steps = steps;
    pool->count = count;
    pool->frame++;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    all_steps(pool, 0);
}

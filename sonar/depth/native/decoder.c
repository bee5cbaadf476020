/* The network: threads that share the work of one layer after the other.
 *
 * Every item of work of every layer has a number. Threads take numbers in order; one that has a
 * layer's first item waits until those of the layers before are done, not until the other threads
 * are there: where a processor is busy with something else, nobody waits for a thread that has
 * nothing in its hands.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "work.h"

#define MOST_THREADS 64
/* Some microseconds. Then the processor is left to another thread: it may well be the one that is
 * waited for. Where more runs than there are processors, long spinning made pictures last thrice
 * as long; where there is room, it gained nothing. */
#define SPINS 500

typedef struct {
    pthread_t thread[MOST_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t start;
    int threads, frame, stop;
    Step *steps;
    int count, total;
    float *scratch[MOST_THREADS];
    atomic_int next, done;
} Pool;

static void wait_until(Pool *pool, int done) {
    for (int n = 0; atomic_load(&pool->done) < done; n++)
        if (n < SPINS) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        } else {
            sched_yield();
        }
}

/* A thread that comes late from the picture before may take numbers of this one: what they stand
 * for is read after they were taken, and stays as it is until they are done. */
static void all_steps(Pool *pool, int self) {
    for (int n = 0, i; (i = atomic_fetch_add(&pool->next, 1)) < pool->total;) {
        if (i < pool->steps[n].first) n = 0;
        while (n + 1 < pool->count && pool->steps[n + 1].first <= i) n++;
        const Step *s = pool->steps + n;
        wait_until(pool, s->first);
        work(s, i - s->first, pool->scratch[self]);
        atomic_fetch_add(&pool->done, 1);
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

/* One pool is always given the same steps: late threads may still read what they are. */
void sonar_run(Pool *pool, Step *steps, int count) {
    int total = 0;
    for (int n = 0; n < count; n++) {
        steps[n].first = total;
        total += items(steps + n);
    }
    pthread_mutex_lock(&pool->lock);
    pool->steps = steps;
    pool->count = count;
    pool->total = total;
    pool->frame++;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->next, 0);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    all_steps(pool, 0);
    wait_until(pool, total);
}

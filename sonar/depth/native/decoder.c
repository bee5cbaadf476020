/* MiDaS's decoder in float32, with Winograd convolutions: see program.py for what it is given.
 *
 * Maps lie in memory as [channels / LANES][rows][columns][LANES]. A 3x3 convolution takes its
 * input in overlapping tiles, transforms each to (m+2)^2 points, multiplies by transformed
 * weights point by point (a matrix product over channels), and transforms the sums back to m x m
 * results: 1/2.25 (m = 2) or 1/4 (m = 4) of the multiplications of a plain convolution.
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "winograd.h"

#define MOST_THREADS 64
#define SPINS 20000

enum { PACK, CONV3, CONV1, DOUBLE, HEAD };

typedef struct {
    int32_t kind, m;              /* m: side of a result tile */
    int32_t cin, cout;            /* channels; multiples of LANES but for PACK's cin */
    int32_t rows, columns;        /* of the input */
    int32_t relu_in, relu_out;
    int32_t tiles;                /* worked on together */
    const float *source;
    const float *weights;         /* [points][cout / GROUP vectors][cin][GROUP vectors] */
    const float *bias;
    const float *add, *add2;      /* added to the result, may be null */
    float *target;
    const float *last;            /* HEAD: weights of its 1x1 convolution, then its bias */
} Step;

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

/* (m+2)^2 pixels from (top, left) on, zeros beyond the border. */
INLINE void read_tile(int m, const float *map, int rows, int columns, int top, int left, int relu,
                      vec *d) {
    int n = m + 2;
    if (top >= 0 && left >= 0 && top + n <= rows && left + n <= columns) {
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++)
                d[y * n + x] = load(map + ((size_t)(top + y) * columns + left + x) * LANES);
    } else {
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++) {
                int i = top + y, j = left + x;
                d[y * n + x] = i < 0 || j < 0 || i >= rows || j >= columns
                                   ? (vec){0}
                                   : load(map + ((size_t)i * columns + j) * LANES);
            }
    }
    if (relu)
        for (int k = 0; k < n * n; k++) d[k] = positive(d[k]);
}

INLINE void conv3(int m, const Step *s, int item, float *scratch) {
    int n = m + 2, across = (s->columns + m - 1) / m, down = (s->rows + m - 1) / m;
    int first = item * s->tiles, count = across * down - first;
    if (count > s->tiles) count = s->tiles;
    size_t plane = (size_t)s->rows * s->columns * LANES, block = (size_t)count * LANES;
    size_t a_point = (size_t)s->cin * count, o_point = (size_t)s->cout * count;
    float *a = scratch, *o = scratch + n * n * a_point;
    for (int c = 0; c < s->cin / LANES; c++)
        for (int t = 0; t < count; t++) {
            vec d[36];
            int top = (first + t) / across * m - 1, left = (first + t) % across * m - 1;
            read_tile(m, s->source + c * plane, s->rows, s->columns, top, left, s->relu_in, d);
            spread_tile(m, d, a + c * block + (size_t)t * LANES, a_point);
        }
    for (int k = 0; k < n * n; k++)
        product(count, a + k * a_point, block, s->weights + (size_t)k * s->cin * s->cout, s->cin,
                s->cout, o + k * o_point, block);
    for (int c = 0; c < s->cout / LANES; c++) {
        vec bias = s->bias ? load(s->bias + c * LANES) : (vec){0};
        for (int t = 0; t < count; t++) {
            vec result[16];
            gather_tile(m, o + c * block + (size_t)t * LANES, o_point, result);
            int top = (first + t) / across * m, left = (first + t) % across * m;
            for (int y = 0; y < m && top + y < s->rows; y++)
                for (int x = 0; x < m && left + x < s->columns; x++) {
                    size_t place =
                        c * plane + ((size_t)(top + y) * s->columns + left + x) * LANES;
                    vec v = result[y * m + x] + bias;
                    if (s->add) v += load(s->add + place);
                    if (s->add2) v += load(s->add2 + place);
                    store(s->target + place, s->relu_out ? positive(v) : v);
                }
        }
    }
}

static void conv1(const Step *s, int item) {
    int pixels = s->rows * s->columns, first = item * s->tiles, count = pixels - first;
    if (count > s->tiles) count = s->tiles;
    size_t plane = (size_t)pixels * LANES;
    float *o = s->target + (size_t)first * LANES;
    product(count, s->source + (size_t)first * LANES, plane, s->weights, s->cin, s->cout, o, plane);
    for (int c = 0; c < s->cout / LANES; c++)
        for (int p = 0; p < count; p++) {
            float *q = o + c * plane + (size_t)p * LANES;
            store(q, load(q) + load(s->bias + c * LANES));
        }
}

/* Twice the size, bilinear, corners aligned; a row of one block of channels. */
static void twice(const Step *s, int item) {
    int rows = 2 * s->rows, columns = 2 * s->columns, y = item % rows, c = item / rows;
    float at = y * (float)(s->rows - 1) / (float)(rows - 1);
    int above = (int)at, below = above + 1 < s->rows ? above + 1 : above;
    float v = at - above, step = (float)(s->columns - 1) / (float)(columns - 1);
    const float *map = s->source + (size_t)c * s->rows * s->columns * LANES;
    const float *p = map + (size_t)above * s->columns * LANES;
    const float *q = map + (size_t)below * s->columns * LANES;
    size_t place = ((size_t)c * rows + y) * columns * LANES;
    for (int x = 0; x < columns; x++, place += LANES) {
        float across = x * step;
        int i = (int)across, j = i + 1 < s->columns ? i + 1 : i;
        float h = across - i;
        vec left = load(p + i * LANES) * (1 - v) + load(q + i * LANES) * v;
        vec right = load(p + j * LANES) * (1 - v) + load(q + j * LANES) * v;
        vec r = left * (1 - h) + right * h;
        if (s->add) r += load(s->add + place);
        store(s->target + place, r);
    }
}

/* One line of six upsampled points around four results from four points: x2, half-pixel centres. */
INLINE void six_of_four(const vec *d, int s, vec *o, int t) {
    o[0] = 0.75f * d[0] + 0.25f * d[s];
    o[t] = 0.25f * d[0] + 0.75f * d[s];
    o[2 * t] = 0.75f * d[s] + 0.25f * d[2 * s];
    o[3 * t] = 0.25f * d[s] + 0.75f * d[2 * s];
    o[4 * t] = 0.75f * d[2 * s] + 0.25f * d[3 * s];
    o[5 * t] = 0.25f * d[2 * s] + 0.75f * d[3 * s];
}

INLINE int within(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

/* Doubles the map, convolves 3x3, ReLU, 1x1 to one channel, ReLU: tile by tile, in the cache. */
static void head(const Step *s, int item, float *scratch) {
    int rows = 2 * s->rows, columns = 2 * s->columns;
    int across = columns / 4, first = item * s->tiles, count = across * (rows / 4) - first;
    if (count > s->tiles) count = s->tiles;
    size_t plane = (size_t)s->rows * s->columns * LANES, block = (size_t)count * LANES;
    size_t a_point = (size_t)s->cin * count, o_point = (size_t)s->cout * count;
    float *a = scratch, *o = scratch + 36 * a_point;
    for (int c = 0; c < s->cin / LANES; c++)
        for (int t = 0; t < count; t++) {
            vec d[16], half[24], u[36];
            int i = (first + t) / across, j = (first + t) % across;
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 4; x++)
                    d[y * 4 + x] =
                        load(s->source + c * plane +
                             ((size_t)within(2 * i - 1 + y, s->rows) * s->columns +
                              within(2 * j - 1 + x, s->columns)) * LANES);
            for (int x = 0; x < 4; x++) six_of_four(d + x, 4, half + x, 4);
            for (int y = 0; y < 6; y++) six_of_four(half + y * 4, 1, u + y * 6, 1);
            for (int k = 0; k < 6; k++) { /* the convolution pads the doubled map with zeros */
                if (i == 0) u[k] = (vec){0};
                if (4 * i + 4 == rows) u[30 + k] = (vec){0};
                if (j == 0) u[6 * k] = (vec){0};
                if (4 * j + 4 == columns) u[6 * k + 5] = (vec){0};
            }
            spread_tile(4, u, a + c * block + (size_t)t * LANES, a_point);
        }
    for (int k = 0; k < 36; k++)
        product(count, a + k * a_point, block, s->weights + (size_t)k * s->cin * s->cout, s->cin,
                s->cout, o + k * o_point, block);
    for (int t = 0; t < count; t++) {
        vec sum[16];
        for (int k = 0; k < 16; k++) sum[k] = (vec){0};
        for (int c = 0; c < s->cout / LANES; c++) {
            vec result[16], bias = load(s->bias + c * LANES), w = load(s->last + c * LANES);
            gather_tile(4, o + c * block + (size_t)t * LANES, o_point, result);
            for (int k = 0; k < 16; k++) sum[k] += positive(result[k] + bias) * w;
        }
        int top = (first + t) / across * 4, left = (first + t) % across * 4;
        for (int k = 0; k < 16; k++) {
            float v = s->last[s->cout];
            for (int l = 0; l < LANES; l++) v += sum[k][l];
            s->target[(size_t)(top + k / 4) * columns + left + k % 4] = v < 0 ? 0 : v;
        }
    }
}

/* [channels][rows][columns] to blocks of LANES channels, the last one filled up with zeros. */
static void pack(const Step *s, int block) {
    size_t pixels = (size_t)s->rows * s->columns;
    float *o = s->target + block * pixels * LANES;
    for (int l = 0; l < LANES; l++) {
        int c = block * LANES + l;
        for (size_t p = 0; p < pixels; p++)
            o[p * LANES + l] = c < s->cin ? s->source[c * pixels + p] : 0;
    }
}

static int ceil_div(int a, int b) { return (a + b - 1) / b; }

static int items(const Step *s) {
    switch (s->kind) {
    case PACK: return s->cout / LANES;
    case CONV3: return ceil_div(ceil_div(s->rows, s->m) * ceil_div(s->columns, s->m), s->tiles);
    case CONV1: return ceil_div(s->rows * s->columns, s->tiles);
    case DOUBLE: return 2 * s->rows * (s->cin / LANES);
    default: return ceil_div(s->rows / 2 * (s->columns / 2), s->tiles);
    }
}

static void work(const Step *s, int item, float *scratch) {
    switch (s->kind) {
    case PACK: pack(s, item); break;
    case CONV3:
        if (s->m == 2)
            conv3(2, s, item, scratch);
        else
            conv3(4, s, item, scratch);
        break;
    case CONV1: conv1(s, item); break;
    case DOUBLE: twice(s, item); break;
    default: head(s, item, scratch);
    }
}

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

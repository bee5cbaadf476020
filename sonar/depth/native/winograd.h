/* Vectors, Winograd's transforms of one line or tile, and matrix products in registers.
 *
 * `half`: the numbers that are multiplied are bfloat16 in pairs (two channels in the place of one
 * float), where the processor has instructions for that (HALF); sums are float32 all the same.
 */
#ifndef SONAR_WINOGRAD_H
#define SONAR_WINOGRAD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#define LANES 16
#define GROUP 4 /* vectors of results computed together; GROUP * ROWS of them fill registers */
#define ROWS 6
#elif defined(__AVX__)
#define LANES 8
#define GROUP 2
#define ROWS 6
#else
#define LANES 4
#define GROUP 4
#define ROWS 6
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#endif
#if defined(__AVX512BF16__)
#define HALF 1
#else
#define HALF 0
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
/* NaN stays, and is found out later. */
INLINE vec positive(vec v) {
#if defined(__AVX512F__)
    return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)v); /* of NaN and 0, the second */
#else
    return (vec)((bits)v & ~(v < (vec){0}));
#endif
}

/* How many floats' room LANES channels take as factors. */
#define WORDS(half) ((half) ? LANES / 2 : LANES)

INLINE void store_factors(int half, float *p, vec v) {
#if HALF
    if (half) {
        _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
        return;
    }
#endif
    (void)half;
    store(p, v);
}

INLINE vec multiply_add(int half, vec sum, float factor, vec w) {
#if HALF
    if (half)
        return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(factor), (__m512bh)w);
#endif
    (void)half;
    return sum + factor * w;
}

INLINE float total(vec v) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)v);
#else
    float sum = 0;
    for (int l = 0; l < LANES; l++) sum += v[l];
    return sum;
#endif
}

/* Transforms of one line of m + 2 points: d at distance s -> o at distance t. */
INLINE void spread(int m, const vec *d, int s, vec *o, int t) {
    if (m == 2) {
        o[0] = d[0] - d[2 * s];
        o[t] = d[s] + d[2 * s];
        o[2 * t] = d[2 * s] - d[s];
        o[3 * t] = d[s] - d[3 * s];
    } else {
        vec a = d[4 * s] - 4.0f * d[2 * s], b = d[3 * s] - 4.0f * d[s];
        vec c = d[4 * s] - d[2 * s], e = 2.0f * (d[3 * s] - d[s]);
        o[0] = 4.0f * d[0] - 5.0f * d[2 * s] + d[4 * s];
        o[t] = a + b;
        o[2 * t] = a - b;
        o[3 * t] = c + e;
        o[4 * t] = c - e;
        o[5 * t] = 4.0f * d[s] - 5.0f * d[3 * s] + d[5 * s];
    }
}

/* The same of six points that come from four by doubling (bilinear, half-pixel centres).
 * first, last: the outermost of the six is zero, for it lies beyond the border. */
INLINE void double_spread(int first, int last, const vec *d, int s, vec *o, int t) {
    vec a = 0.25f * (d[3 * s] - d[2 * s]) - 3.0f * d[s];
    vec b = 0.75f * d[2 * s] - 2.75f * d[s] - d[0];
    vec c = 0.25f * d[3 * s] + 0.5f * d[2 * s] - 0.75f * d[s];
    vec e = 1.5f * d[2 * s] - 0.5f * d[0] - d[s];
    o[0] = (first ? 0.0f : 3.0f) * d[0] - (first ? 3.75f : 2.75f) * d[s] - 0.5f * d[2 * s] +
           0.25f * d[3 * s];
    o[t] = a + b;
    o[2 * t] = a - b;
    o[3 * t] = c + e;
    o[4 * t] = c - e;
    o[5 * t] = d[0] + 1.75f * d[s] - (last ? 3.75f : 3.5f) * d[2 * s] +
               (last ? 0.0f : 0.75f) * d[3 * s];
}

/* And back: m + 2 points to m results. */
INLINE void gather(int m, const vec *d, int s, vec *o, int t) {
    if (m == 2) {
        o[0] = d[0] + d[s] + d[2 * s];
        o[t] = d[s] - d[2 * s] - d[3 * s];
    } else {
        vec a = d[s] + d[2 * s], b = d[s] - d[2 * s];
        vec c = d[3 * s] + d[4 * s], e = d[3 * s] - d[4 * s];
        o[0] = d[0] + a + c;
        o[t] = b + 2.0f * e;
        o[2 * t] = a + 4.0f * c;
        o[3 * t] = b + 8.0f * e + d[5 * s];
    }
}

/* ROWS or fewer rows (tiles or pixels) times `group` vectors of results, over all of cin.
 * a: [cin / LANES] blocks at distance a_block, rows at distance WORDS within one.
 * next: the weights that are wanted after these; deep layers' come from memory. */
INLINE void multiply(int half, int rows, int group, const float *a, size_t a_block,
                     const float *w, const float *next, int cin, float *o, size_t o_block) {
    vec sum[24][GROUP];
#pragma GCC unroll 24
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int g = 0; g < group; g++) sum[r][g] = (vec){0};
    for (int block = 0; block < cin / LANES; block++) {
        const float *p = a + block * a_block;
        for (int c = 0; c < WORDS(half); c++) {
            vec b[GROUP];
#pragma GCC unroll 4
            for (int g = 0; g < group; g++) {
                b[g] = load(w + g * LANES);
                __builtin_prefetch(next + g * LANES, 0, 2);
            }
#pragma GCC unroll 24
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
                for (int g = 0; g < group; g++)
                    sum[r][g] = multiply_add(half, sum[r][g], p[r * WORDS(half) + c], b[g]);
            w += group * LANES;
            next += group * LANES;
        }
    }
#pragma GCC unroll 24
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int g = 0; g < group; g++) store(o + g * o_block + r * LANES, sum[r][g]);
}

#define ONCE(R, G) multiply(half, R, G, a, a_block, w, next, cin, o, o_block)
#define CASES(G)                                                                   \
    for (; rows >= ROWS; rows -= ROWS, a += ROWS * WORDS(half), o += ROWS * LANES) \
        ONCE(ROWS, G);                                                             \
    switch (rows) {                                                                \
    case 5: ONCE(5, G); break;                                                     \
    case 4: ONCE(4, G); break;                                                     \
    case 3: ONCE(3, G); break;                                                     \
    case 2: ONCE(2, G); break;                                                     \
    case 1: ONCE(1, G); break;                                                     \
    }

INLINE void product_wide(int half, int rows, const float *a, size_t a_block, const float *w,
                         const float *next, int cin, float *o, size_t o_block) {
    CASES(GROUP)
}

#if GROUP == 4
/* What is left over, 1 to 3 vectors: the narrower, the more rows fit the registers. */
#define MANY(R, G) \
    for (; rows >= R; rows -= R, a += R * WORDS(half), o += R * LANES) ONCE(R, G)

INLINE void product_narrow(int half, int rows, int vectors, const float *a, size_t a_block,
                           const float *w, const float *next, int cin, float *o, size_t o_block) {
    if (vectors == 3) {
        CASES(3)
    } else if (vectors == 2) {
        MANY(12, 2);
        CASES(2)
    } else {
        MANY(24, 1);
        MANY(12, 1);
        CASES(1)
    }
}
#endif

/* rows x cin times cin x cout; weights as in Step. next: those needed next, fetched meanwhile. */
INLINE void product_of(int half, int rows, const float *a, size_t a_block, const float *w,
                       const float *next, int cin, int cout, float *o, size_t o_block) {
    int vectors = cout / LANES;
    for (int v = 0; v < vectors; v += GROUP) {
        const float *then = v + GROUP < vectors ? w + (size_t)GROUP * cin * WORDS(half) : next;
#if GROUP == 4
        if (vectors - v < GROUP) {
            product_narrow(half, rows, vectors - v, a, a_block, w, then, cin, o + v * o_block,
                           o_block);
            return;
        }
#endif
        product_wide(half, rows, a, a_block, w, then, cin, o + v * o_block, o_block);
        w += (size_t)GROUP * cin * WORDS(half);
    }
}

static void product(int half, int rows, const float *a, size_t a_block, const float *w,
                    const float *next, int cin, int cout, float *o, size_t o_block) {
#if HALF
    if (half) {
        product_of(1, rows, a, a_block, w, next, cin, cout, o, o_block);
        return;
    }
#endif
    (void)half;
    product_of(0, rows, a, a_block, w, next, cin, cout, o, o_block);
}

/* A tile of (m+2)^2 pixels at p, its rows at distance `row`, becomes points at distance `point`. */
INLINE void spread_tile(int m, int half, int relu, const float *p, size_t row, float *o,
                        size_t point) {
    vec mid[36];
#pragma GCC unroll 6
    for (int x = 0; x < m + 2; x++) {
        vec d[6];
#pragma GCC unroll 6
        for (int y = 0; y < m + 2; y++) {
            d[y] = load(p + y * row + x * LANES);
            if (relu) d[y] = positive(d[y]);
        }
        spread(m, d, 1, mid + x, m + 2);
    }
#pragma GCC unroll 6
    for (int y = 0; y < m + 2; y++) {
        vec d[6];
        spread(m, mid + y * (m + 2), 1, d, 1);
#pragma GCC unroll 6
        for (int x = 0; x < m + 2; x++) store_factors(half, o + (y * (m + 2) + x) * point, d[x]);
    }
}

/* Column by column of the points at p; then `gather` of a line of what it made gives m results. */
INLINE void gather_columns(int m, const float *p, size_t point, vec *mid) {
#pragma GCC unroll 6
    for (int x = 0; x < m + 2; x++) {
        vec d[6];
#pragma GCC unroll 6
        for (int y = 0; y < m + 2; y++) d[y] = load(p + (y * (m + 2) + x) * point);
        gather(m, d, 1, mid + x, m + 2);
    }
}

#endif

/* Vectors, Winograd's transforms of one line or tile, and matrix products in registers. */
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

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec positive(vec v) {
    return (vec)((bits)v & ~(v < (vec){0})); /* NaN stays, and is found out later */
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
 * a: [cin / LANES] blocks at distance a_block, rows at distance LANES within one. */
INLINE void multiply(int rows, int group, const float *a, size_t a_block, const float *w, int cin,
                     float *o, size_t o_block) {
    vec sum[12][GROUP];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int g = 0; g < group; g++) sum[r][g] = (vec){0};
    for (int block = 0; block < cin / LANES; block++) {
        const float *p = a + block * a_block;
        for (int c = 0; c < LANES; c++) {
            vec b[GROUP];
#pragma GCC unroll 4
            for (int g = 0; g < group; g++) b[g] = load(w + g * LANES);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
                for (int g = 0; g < group; g++) sum[r][g] += p[r * LANES + c] * b[g];
            w += group * LANES;
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int g = 0; g < group; g++) store(o + g * o_block + r * LANES, sum[r][g]);
}

#define CASES(G)                                                                   \
    while (rows >= ROWS) {                                                         \
        multiply(ROWS, G, a, a_block, w, cin, o, o_block);                         \
        rows -= ROWS, a += ROWS * LANES, o += ROWS * LANES;                        \
    }                                                                              \
    switch (rows) {                                                                \
    case 5: multiply(5, G, a, a_block, w, cin, o, o_block); break;                 \
    case 4: multiply(4, G, a, a_block, w, cin, o, o_block); break;                 \
    case 3: multiply(3, G, a, a_block, w, cin, o, o_block); break;                 \
    case 2: multiply(2, G, a, a_block, w, cin, o, o_block); break;                 \
    case 1: multiply(1, G, a, a_block, w, cin, o, o_block); break;                 \
    }

static void product_full(int rows, const float *a, size_t a_block, const float *w, int cin,
                         float *o, size_t o_block) {
    CASES(GROUP)
}

#if GROUP == 4
static void product_half(int rows, const float *a, size_t a_block, const float *w, int cin,
                         float *o, size_t o_block) {
    while (rows >= 2 * ROWS) { /* half as wide: twice as many rows fit the registers */
        multiply(2 * ROWS, 2, a, a_block, w, cin, o, o_block);
        rows -= 2 * ROWS, a += 2 * ROWS * LANES, o += 2 * ROWS * LANES;
    }
    CASES(2)
}
#endif

/* rows x cin times cin x cout; weights as in Step. */
static void product(int rows, const float *a, size_t a_block, const float *w, int cin, int cout,
                    float *o, size_t o_block) {
    int vectors = cout / LANES;
    for (int v = 0; v < vectors; v += GROUP) {
#if GROUP == 4
        if (vectors - v < GROUP) {
            product_half(rows, a, a_block, w, cin, o + v * o_block, o_block);
            return;
        }
#endif
        product_full(rows, a, a_block, w + (size_t)v * LANES * cin, cin, o + v * o_block, o_block);
    }
}

INLINE void spread_tile(int m, vec *d, float *o, size_t point) {
    int n = m + 2;
    vec half[36], full[36];
    for (int x = 0; x < n; x++) spread(m, d + x, n, half + x, n);
    for (int y = 0; y < n; y++) spread(m, half + y * n, 1, full + y * n, 1);
    for (int k = 0; k < n * n; k++) store(o + k * point, full[k]);
}

INLINE void gather_tile(int m, const float *p, size_t point, vec *result) {
    int n = m + 2;
    vec d[36], half[24];
    for (int k = 0; k < n * n; k++) d[k] = load(p + k * point);
    for (int x = 0; x < n; x++) gather(m, d + x, n, half + x, n);
    for (int y = 0; y < m; y++) gather(m, half + y * n, 1, result + y * m, 1);
}

#endif

/* The encoder's layers that are not products of bytes: the first convolution, those that were not
 * quantised, and a second head. */
#ifndef SONAR_ENCODER_H
#define SONAR_ENCODER_H

#include "int8.h"

#if INT8
/* 3x3, every second place, over three planes (the picture, [3][rows][columns]); a row of results.
 * weights: [cout / 2 vectors][3 * 3 * 3][2 vectors]. */
static void stem(const Step *s, int y, float *scratch) {
    const int stride = 2;
    int across = ceil_div(s->out_columns, 4), wide = 4 * (across + 1) * stride + 3;
    for (int n = 0; n < 9; n++) {
        int row = y * stride - s->top + n % 3;
        const float *p = (const float *)s->source + ((size_t)n / 3 * s->rows + row) * s->columns;
        for (int x = 0; x < wide; x++) scratch[n * wide + x] = 0;
        if (row < 0 || row >= s->rows) continue;
        __builtin_memcpy(scratch + n * wide + s->left, p, sizeof(float) * s->columns);
    }
    for (int block = 0; block < s->cout / LANES; block += 2)
        for (int quad = 0; quad < across; quad += 2) {
            const float *w = (const float *)s->weights + (size_t)block * 27 * LANES;
            const float *p = scratch + 4 * quad * stride;
            vec sum[2][8];
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) sum[0][i] = sum[1][i] = (vec){0};
            for (int n = 0; n < 9; n++, p += wide)
#pragma GCC unroll 3
                for (int t = 0; t < 3; t++, w += 2 * LANES) {
                    vec a = load(w), b = load(w + LANES);
#pragma GCC unroll 8
                    for (int i = 0; i < 8; i++) {
                        sum[0][i] += p[i * stride + t] * a;
                        sum[1][i] += p[i * stride + t] * b;
                    }
                }
#pragma GCC unroll 2
            for (int v = 0; v < 2; v++) {
                emit(0, s, block + v, y, quad, sum[v]);
                if (quad + 1 < across) emit(0, s, block + v, y, quad + 1, sum[v] + 4);
            }
        }
}

/* A 1x1 convolution of floats; a row of results. */
static void float_pointwise(const Step *s, int y, float *scratch) {
    int count = s->columns, across = ceil_div(count, 4);
    size_t plane = (size_t)s->rows * count * LANES, o_block = (size_t)4 * across * LANES;
    const float *from = (const float *)s->source + (size_t)y * count * LANES, *a = from;
    size_t a_block = plane;
    float *o = scratch + (size_t)s->cin * count;
    if (s->half) {
        a = scratch, a_block = (size_t)count * WORDS(HALF);
        for (int c = 0; c < s->cin / LANES; c++)
            for (int p = 0; p < count; p++)
                store_factors(HALF, scratch + c * a_block + (size_t)p * WORDS(HALF),
                              load(from + c * plane + (size_t)p * LANES));
    }
    product(s->half, count, a, a_block, s->weights, s->weights, s->cin, s->cout, o, o_block);
    for (int block = 0; block < s->parts; block++)
        for (int quad = 0; quad < across; quad++) {
            vec v[4];
            for (int i = 0; i < 4; i++) v[i] = load(o + block * o_block + (4 * quad + i) * LANES);
            emit(0, s, block, y, quad, v);
        }
}

INLINE void float_taps(int k, int inside, const Step *s, const float *map, int block, int y,
                       int quad) {
    const float *w = (const float *)s->weights + (size_t)block * k * k * LANES;
    int column = 4 * quad * s->stride - s->left;
    vec sum[4] = {{0}, {0}, {0}, {0}};
    for (int r = 0; r < k; r++) {
        int row = y * s->stride - s->top + r;
        if (row < 0 || row >= s->rows) continue;
        const float *p = map + (size_t)row * s->columns * LANES;
#pragma GCC unroll 5
        for (int t = 0; t < k; t++) {
            vec weight = load(w + (r * k + t) * LANES);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                int x = column + i * s->stride + t;
                if (inside || (x >= 0 && x < s->columns)) sum[i] += load(p + x * LANES) * weight;
            }
        }
    }
    emit(0, s, block, y, quad, sum);
}

INLINE void float_row(int k, const Step *s, int block, int y) {
    const float *map = (const float *)s->source + (size_t)block * s->rows * s->columns * LANES;
    for (int quad = 0; quad < ceil_div(s->out_columns, 4); quad++) {
        int first = 4 * quad * s->stride - s->left, end = first + 3 * s->stride + k;
        if (first >= 0 && end <= s->columns)
            float_taps(k, 1, s, map, block, y, quad);
        else
            float_taps(k, 0, s, map, block, y, quad);
    }
}

/* A depthwise convolution of floats; a row of results of one block of channels. */
static void float_depthwise(const Step *s, int item) {
    int y = item % s->out_rows, block = item / s->out_rows;
    if (s->m == 3)
        float_row(3, s, block, y);
    else
        float_row(5, s, block, y);
}

/* A 1x1 convolution to one channel; a row. `last`: weights, then bias. */
static void last(const Step *s, int y) {
    size_t plane = (size_t)s->rows * s->columns * LANES;
    const float *p = (const float *)s->source + (size_t)y * s->columns * LANES;
    for (int x = 0; x < s->columns; x++) {
        vec sum = {0};
        for (int c = 0; c < s->cin / LANES; c++)
            sum += load(p + c * plane + (size_t)x * LANES) * load(s->last + c * LANES);
        s->target[(size_t)y * s->columns + x] = total(sum) + s->last[s->cin];
    }
}

/* 1 / (1 + e^-x): e^-x = 2^n * e^r, |r| <= ln(2) / 2, e^r by its series. */
INLINE vec sigmoid(vec x) {
    vec v = (vec)_mm512_min_ps(_mm512_set1_ps(87), (__m512)-x); /* of a number and NaN, NaN */
    v = (vec)_mm512_max_ps(_mm512_set1_ps(-87), (__m512)v);
    vec n = (vec)_mm512_roundscale_ps((__m512)(v * 1.44269504f), 0);
    vec r = v - n * 0.693145752f - n * 1.42860677e-6f;
    vec e = 1 + r * (1 + r * (0.5f + r * (1 / 6.0f + r * (1 / 24.0f + r * (1 / 120.0f + r / 720)))));
    return 1 / (1 + (vec)_mm512_scalef_ps((__m512)e, (__m512)n));
}

/* A plane m times as large, bilinear, half-pixel centres, then the sigmoid; a row of results. */
static void probability(const Step *s, int y, float *scratch) {
    int m = s->m, columns = s->columns, wide = (columns + 2 + 2 * LANES) / LANES * LANES;
    float at = (y + 0.5f) / m - 0.5f;
    int above = at < 0 ? 0 : (int)at, below = above + 1 < s->rows ? above + 1 : above;
    float v = at < 0 ? 0 : at - above, *line = scratch, *out = scratch + 2 * wide;
    const float *p = (const float *)s->source + (size_t)above * columns;
    const float *q = (const float *)s->source + (size_t)below * columns;
    for (int x = 0; x < columns; x++) line[x + 1] = p[x] * (1 - v) + q[x] * v;
    line[0] = line[1], line[columns + 1] = line[columns];
    for (int x = columns + 2; x < 2 * wide; x++) line[x] = 0;
    for (int i = 0; i < m; i++) {
        float place = (i + 0.5f) / m + 0.5f; /* in `line`, of the first column */
        int j = (int)place;
        float h = place - j;
        for (int x = 0; x < columns; x += LANES)
            store(out + x, sigmoid(load(line + j + x) * (1 - h) + load(line + j + x + 1) * h));
        for (int x = 0; x < columns; x++)
            s->target[((size_t)y * columns + x) * m + i] = out[x];
    }
}
#endif

#endif

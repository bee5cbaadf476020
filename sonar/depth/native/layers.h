/* The decoder's layers: see program.py for what they are given.
 *
 * Maps lie in memory as [channels / LANES][rows][columns][LANES]. A 3x3 convolution takes its
 * input in overlapping tiles, transforms each to (m+2)^2 points, multiplies by transformed
 * weights point by point (a matrix product over channels), and transforms the sums back to m x m
 * results: 1/2.25 (m = 2) or 1/4 (m = 4) of the multiplications of a plain convolution.
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
 */
#ifndef SONAR_LAYERS_H
#define SONAR_LAYERS_H

#include "step.h"

#define PACKED 64 /* pixels at a time, for the nearest cache */

/* Points lie an odd number of cache lines apart, lest they fall into the same few sets. */
INLINE size_t apart(size_t floats) { return ((floats + LANES - 1) / LANES | 1) * LANES; }

/* A tile that reaches over the border, copied with zeros beyond it. */
INLINE void copy_tile(int m, const Step *s, const float *map, int top, int left, float *edge) {
    for (int y = 0; y < m + 2; y++)
        for (int x = 0; x < m + 2; x++) {
            int i = top + y, j = left + x;
            int out = i < 0 || j < 0 || i >= s->rows || j >= s->columns;
            store(edge + (y * (m + 2) + x) * LANES,
                  out ? (vec){0} : load(map + ((size_t)i * s->columns + j) * LANES));
        }
}

INLINE void conv3(int m, int half, const Step *s, int item, float *scratch) {
    int n = m + 2, across = ceil_div(s->columns, m), down = ceil_div(s->rows, m);
    int part = item % s->parts, first = item / s->parts * s->tiles;
    int cout = s->cout / s->parts, count = across * down - first;
    if (count > s->tiles) count = s->tiles;
    size_t plane = (size_t)s->rows * s->columns * LANES, row = (size_t)s->columns * LANES;
    size_t a_block = (size_t)count * WORDS(half), o_block = (size_t)count * LANES;
    size_t a_point = apart(s->cin / LANES * a_block), o_point = apart(cout / LANES * o_block);
    float *a = scratch, *o = scratch + n * n * a_point, edge[36 * LANES];
    for (int c = 0; c < s->cin / LANES; c++)
        for (int t = 0; t < count; t++) {
            const float *map = (const float *)s->source + c * plane, *p = edge;
            int top = (first + t) / across * m - 1, left = (first + t) % across * m - 1;
            int inside = top >= 0 && left >= 0 && top + n <= s->rows && left + n <= s->columns;
            if (inside)
                p = map + ((size_t)top * s->columns + left) * LANES;
            else
                copy_tile(m, s, map, top, left, edge);
            size_t distance = inside ? row : (size_t)n * LANES;
            float *to = a + c * a_block + (size_t)t * WORDS(half);
            if (s->relu_in)
                spread_tile(m, half, 1, p, distance, to, a_point);
            else
                spread_tile(m, half, 0, p, distance, to, a_point);
        }
    size_t w_point = (size_t)s->cin / LANES * WORDS(half) * s->cout;
    const float *w = (const float *)s->weights + w_point / s->parts * part;
    for (int k = 0; k < n * n; k++)
        product(half, count, a + k * a_point, a_block, w + k * w_point, w + (k + 1) * w_point,
                s->cin, cout, o + k * o_point, o_block);
    for (int c = 0; c < cout / LANES; c++) {
        int channel = part * cout + c * LANES;
        vec bias = s->bias ? load(s->bias + channel) : (vec){0};
        for (int t = 0; t < count; t++) {
            vec mid[24];
            gather_columns(m, o + c * o_block + (size_t)t * LANES, o_point, mid);
            int top = (first + t) / across * m, left = (first + t) % across * m;
            size_t place = (size_t)channel / LANES * plane + (top * s->columns + left) * LANES;
#pragma GCC unroll 4
            for (int y = 0; y < m; y++) {
                vec v[4];
                gather(m, mid + y * n, 1, v, 1);
                if (top + y < s->rows)
#pragma GCC unroll 4
                    for (int x = 0; x < m; x++) {
                        size_t at = place + y * row + x * LANES;
                        if (left + x >= s->columns) break;
                        v[x] += bias;
                        if (s->add) v[x] += load(s->add + at);
                        if (s->add2) v[x] += load(s->add2 + at);
                        store(s->target + at, s->relu_out ? positive(v[x]) : v[x]);
                    }
            }
        }
    }
}

static void conv1(const Step *s, int item, float *scratch) {
    int pixels = s->rows * s->columns, first = item * s->tiles, count = pixels - first;
    if (count > s->tiles) count = s->tiles;
    size_t plane = (size_t)pixels * LANES, a_block = plane;
    float *o = s->target + (size_t)first * LANES;
    const float *a = (const float *)s->source + (size_t)first * LANES;
    if (s->half) {
        const float *from = a;
        a = scratch, a_block = (size_t)count * WORDS(HALF);
        for (int c = 0; c < s->cin / LANES; c++)
            for (int p = 0; p < count; p++)
                store_factors(HALF, scratch + c * a_block + (size_t)p * WORDS(HALF),
                              load(from + c * plane + (size_t)p * LANES));
    }
    product(s->half, count, a, a_block, s->weights, s->weights, s->cin, s->cout, o, plane);
    for (int c = 0; c < s->cout / LANES; c++)
        for (int p = 0; p < count; p++) {
            float *q = o + c * plane + (size_t)p * LANES;
            store(q, load(q) + load(s->bias + c * LANES));
        }
}

/* Twice the size, bilinear, corners aligned or half-pixel centres; a row of one block. */
static void twice(const Step *s, int item) {
    int rows = 2 * s->rows, columns = 2 * s->columns, y = item % rows, c = item / rows;
    float at = s->centred ? 0.5f * y - 0.25f : y * (float)(s->rows - 1) / (float)(rows - 1);
    if (at < 0) at = 0;
    int above = (int)at, below = above + 1 < s->rows ? above + 1 : above;
    float v = at - above, step = (float)(s->columns - 1) / (float)(columns - 1);
    const float *map = (const float *)s->source + (size_t)c * s->rows * s->columns * LANES;
    const float *p = map + (size_t)above * s->columns * LANES;
    const float *q = map + (size_t)below * s->columns * LANES;
    size_t place = ((size_t)c * rows + y) * columns * LANES;
    for (int x = 0; x < columns; x++, place += LANES) {
        float across = s->centred ? 0.5f * x - 0.25f : x * step;
        if (across < 0) across = 0;
        int i = (int)across, j = i + 1 < s->columns ? i + 1 : i;
        float h = across - i;
        vec left = load(p + i * LANES) * (1 - v) + load(q + i * LANES) * v;
        vec right = load(p + j * LANES) * (1 - v) + load(q + j * LANES) * v;
        vec r = left * (1 - h) + right * h;
        if (s->add) r += load(s->add + place);
        store(s->target + place, r);
    }
}

INLINE int within(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

/* Doubles the map, convolves 3x3, ReLU, 1x1 to one channel, ReLU: tile by tile, in the cache. */
INLINE void head(int half, const Step *s, int item, float *scratch) {
    int across = s->columns / 2, down = s->rows / 2, first = item * s->tiles;
    int count = across * down - first;
    if (count > s->tiles) count = s->tiles;
    size_t plane = (size_t)s->rows * s->columns * LANES;
    size_t a_block = (size_t)count * WORDS(half), o_block = (size_t)count * LANES;
    size_t a_point = apart(s->cin / LANES * a_block), o_point = apart(s->cout / LANES * o_block);
    float *a = scratch, *o = scratch + 36 * a_point;
    for (int c = 0; c < s->cin / LANES; c++)
        for (int t = 0; t < count; t++) {
            vec mid[24];
            int i = (first + t) / across, j = (first + t) % across;
            float *to = a + c * a_block + (size_t)t * WORDS(half);
            const float *map = (const float *)s->source + c * plane, *lines[4];
            for (int y = 0; y < 4; y++)
                lines[y] = map + (size_t)within(2 * i - 1 + y, s->rows) * s->columns * LANES;
#pragma GCC unroll 4
            for (int x = 0; x < 4; x++) {
                vec d[4];
                int column = within(2 * j - 1 + x, s->columns) * LANES;
#pragma GCC unroll 4
                for (int y = 0; y < 4; y++) d[y] = load(lines[y] + column);
                double_spread(i == 0, i + 1 == down, d, 1, mid + x, 4);
            }
#pragma GCC unroll 6
            for (int y = 0; y < 6; y++) {
                vec d[6];
                double_spread(j == 0, j + 1 == across, mid + y * 4, 1, d, 1);
#pragma GCC unroll 6
                for (int x = 0; x < 6; x++) store_factors(half, to + (y * 6 + x) * a_point, d[x]);
            }
        }
    size_t w_point = (size_t)s->cin / LANES * WORDS(half) * s->cout;
    for (int k = 0; k < 36; k++)
        product(half, count, a + k * a_point, a_block, (const float *)s->weights + k * w_point,
                (const float *)s->weights + (k + 1) * w_point, s->cin, s->cout, o + k * o_point,
                o_block);
    for (int t = 0; t < count; t++) {
        vec sum[16];
        for (int k = 0; k < 16; k++) sum[k] = (vec){0};
        for (int c = 0; c < s->cout / LANES; c++) {
            vec mid[24], bias = load(s->bias + c * LANES), w = load(s->last + c * LANES);
            gather_columns(4, o + c * o_block + (size_t)t * LANES, o_point, mid);
#pragma GCC unroll 4
            for (int y = 0; y < 4; y++) {
                vec v[4];
                gather(4, mid + y * 6, 1, v, 1);
#pragma GCC unroll 4
                for (int x = 0; x < 4; x++) sum[y * 4 + x] += positive(v[x] + bias) * w;
            }
        }
        int top = (first + t) / across * 4, left = (first + t) % across * 4;
        for (int k = 0; k < 16; k++) {
            float v = s->last[s->cout] + total(sum[k]);
            s->target[(size_t)(top + k / 4) * 2 * s->columns + left + k % 4] = v < 0 ? 0 : v;
        }
    }
}

/* [channels][rows][columns] to blocks of LANES channels, the last one filled up with zeros. */
static void pack(const Step *s, int block) {
    size_t pixels = (size_t)s->rows * s->columns;
    float *o = s->target + block * pixels * LANES;
    for (size_t first = 0; first < pixels; first += PACKED) {
        size_t end = first + PACKED < pixels ? first + PACKED : pixels;
        for (int l = 0; l < LANES; l++) {
            int c = block * LANES + l;
            for (size_t p = first; p < end; p++)
                o[p * LANES + l] = c < s->cin ? ((const float *)s->source)[c * pixels + p] : 0;
        }
    }
}

#endif

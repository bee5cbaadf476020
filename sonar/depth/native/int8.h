/* Products of bytes, four at a time (AVX512-VNNI), and results that become bytes again.
 *
 * A map of bytes lies in memory in blocks of 16 channels, columns filled up to a multiple of four:
 *   pixels: [channels / 16][rows][columns][16], what a product over channels reads;
 *   quads:  [channels / 16][rows][columns / 4][16][4], four neighbours of a row side by side, what
 *           a depthwise convolution reads. There is a margin of zeros around it.
 */
#ifndef SONAR_INT8_H
#define SONAR_INT8_H

#include "step.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define INT8 1
#else
#define INT8 0
#endif

#if INT8
#define WIDEST 3 /* vectors of results computed together for eight pixels: they fill registers */

typedef __m512i bytes;

INLINE bytes load_bytes(const void *p) { return _mm512_loadu_si512(p); }

/* sum + four products of unsigned and signed bytes. The compilers' own function would do, but gcc 12
 * then copies the sums from register to register, which takes half of the time. */
INLINE bytes multiply_bytes(bytes sum, bytes a, bytes w) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w));
    return sum;
}

/* Four pixels' results of 16 channels -> bytes; within each 128 bits four channels of them. */
INLINE bytes narrowed(const vec *v) {
    bytes i[4];
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++) i[n] = _mm512_cvtps_epi32((__m512)v[n]);
    return _mm512_packus_epi16(_mm512_packs_epi32(i[0], i[1]), _mm512_packs_epi32(i[2], i[3]));
}

INLINE bytes as_quads(bytes v) {
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_setr_epi8(
        0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

INLINE bytes as_pixels(bytes v) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
}

/* Sums of four neighbouring pixels (from column 4 * quad) and one block of channels are scaled,
 * clipped, added to, and stored in the forms that the next layers read. `quick`: as quads only. */
INLINE void emit(int quick, const Step *s, int block, int y, int quad, const vec *sum) {
    vec factor = load(s->factors + block * LANES), bias = load(s->bias + block * LANES), v[4];
    int filled = s->out_columns - 4 * quad;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) v[i] = sum[i] * factor + bias;
    if (s->clip)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            v[i] = (vec)_mm512_max_ps(_mm512_set1_ps(s->low), (__m512)v[i]);
            v[i] = (vec)_mm512_min_ps(_mm512_set1_ps(s->high), (__m512)v[i]);
        }
    if (!quick && s->real) {
        size_t at = (((size_t)block * s->out_rows + y) * s->out_columns + 4 * quad) * LANES;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            if (i < filled) {
                if (s->add) v[i] += load(s->add + at + i * LANES);
                if (s->target) store(s->target + at + i * LANES, v[i]);
            }
            v[i] = v[i] * s->inverse + s->offset;
        }
    }
    if (!quick && !s->pixels && !s->quads) return;
    bytes b = narrowed(v);
    if (quick || s->quads) {
        bytes q = as_quads(b);
        if (filled < 4) { /* beyond the border are zeros */
            __mmask64 out = 0x1111111111111111ull * (0xF & (0xF << filled));
            q = _mm512_mask_blend_epi8(out, q, _mm512_set1_epi8((char)s->zero));
        }
        uint8_t *row = s->quads + block * s->to_plane + (size_t)(y + s->below) * s->to_line;
        _mm512_storeu_si512(row + (size_t)(quad + 1) * 64, q);
    }
    if (!quick && s->pixels) {
        size_t place = (size_t)y * ceil_div(s->out_columns, 4) + quad;
        _mm512_storeu_si512(s->pixels + block * s->to_plane + place * 64, as_pixels(b));
    }
}

/* q quads of pixels times `wide` vectors of weights, over all of the input's channels.
 * weights: [channels / 4][wide][16][4]. */
INLINE void product_bytes(int q, int wide, int quick, const Step *s, const uint8_t *a,
                          const uint8_t *w, int block, int quad) {
    bytes sum[8][WIDEST];
#pragma GCC unroll 8
    for (int r = 0; r < 4 * q; r++)
#pragma GCC unroll 3
        for (int g = 0; g < wide; g++) sum[r][g] = _mm512_setzero_si512();
    a += (size_t)quad * 64;
    for (int left = s->cin; left > 0; left -= 16, a += s->plane) {
        const uint8_t *p = a, *end = a + (left < 16 ? left : 16);
        for (; p < end; p += 4, w += wide * 64) {
            bytes b[WIDEST];
#pragma GCC unroll 3
            for (int g = 0; g < wide; g++) b[g] = load_bytes(w + g * 64);
#pragma GCC unroll 8
            for (int r = 0; r < 4 * q; r++) {
                int32_t four;
                __builtin_memcpy(&four, p + r * 16, 4);
                bytes x = _mm512_set1_epi32(four);
#pragma GCC unroll 3
                for (int g = 0; g < wide; g++) sum[r][g] = multiply_bytes(sum[r][g], x, b[g]);
            }
        }
    }
    int across = ceil_div(s->out_columns, 4);
#pragma GCC unroll 2
    for (int n = 0; n < q; n++) {
        int y = (quad + n) / across, x = (quad + n) % across;
#pragma GCC unroll 3
        for (int g = 0; g < wide; g++) {
            vec v[4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) v[i] = (vec)_mm512_cvtepi32_ps(sum[4 * n + i][g]);
            emit(quick, s, block + g, y, x, v);
        }
    }
}

INLINE void pointwise_of(int quick, const Step *s, int first, int end, int from, int to) {
    for (int block = from; block < to; block += WIDEST) {
        const uint8_t *w = (const uint8_t *)s->weights + (size_t)block * s->cin / 4 * 64;
        int quad = first, wide = to - block;
        for (; quad + 2 <= end; quad += 2)
            if (wide >= 3)
                product_bytes(2, 3, quick, s, s->source, w, block, quad);
            else if (wide == 2)
                product_bytes(2, 2, quick, s, s->source, w, block, quad);
            else
                product_bytes(2, 1, quick, s, s->source, w, block, quad);
        for (; quad < end; quad++)
            if (wide >= 3)
                product_bytes(1, 3, quick, s, s->source, w, block, quad);
            else if (wide == 2)
                product_bytes(1, 2, quick, s, s->source, w, block, quad);
            else
                product_bytes(1, 1, quick, s, s->source, w, block, quad);
    }
}

/* A 1x1 convolution of `tiles` quads, for a part of the results' channels. */
static void pointwise(const Step *s, int item) {
    int all = s->out_rows * ceil_div(s->out_columns, 4), pieces = ceil_div(all, s->tiles);
    int groups = ceil_div(s->cout / LANES, WIDEST), part = item / pieces;
    int from = part * groups / s->parts * WIDEST, to = (part + 1) * groups / s->parts * WIDEST;
    int first = item % pieces * s->tiles, end = first + s->tiles;
    if (end > all) end = all;
    if (to > s->cout / LANES) to = s->cout / LANES;
    if (s->quads && !s->real && !s->pixels)
        pointwise_of(1, s, first, end, from, to);
    else
        pointwise_of(0, s, first, end, from, to);
}

/* n quads of results of a depthwise k x k convolution. Where `stride`, `left` and the place within
 * a quad are known when this is compiled, so is which bytes of which quads each result needs.
 * weights: for each row, quad and result with such bytes: [16][4], zeros for the other bytes. */
INLINE void depthwise_quads(int k, int stride, int left, int n, const Step *s, const uint8_t *row,
                            const uint8_t *w, int block, int y, int quad) {
    bytes sum[2][4];
#pragma GCC unroll 2
    for (int q = 0; q < n; q++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) sum[q][j] = _mm512_setzero_si512();
    row += (size_t)(stride * quad + 1) * 64;
#pragma GCC unroll 5
    for (int r = 0; r < k; r++) {
        int used = 0;
#pragma GCC unroll 4
        for (int at = -1; at < 3; at++) {
            if (stride * 3 - left + k <= 4 * at) continue;
            bytes x[2];
#pragma GCC unroll 2
            for (int q = 0; q < n; q++) x[q] = load_bytes(row + (at + stride * q) * 64);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                int first = stride * j - left - 4 * at;
                if (first > 3 || first + k <= 0) continue;
                bytes b = load_bytes(w + used++ * 64);
#pragma GCC unroll 2
                for (int q = 0; q < n; q++) sum[q][j] = multiply_bytes(sum[q][j], x[q], b);
            }
        }
        w += used * 64;
        row += s->line;
    }
#pragma GCC unroll 2
    for (int q = 0; q < n; q++) {
        vec v[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) v[i] = (vec)_mm512_cvtepi32_ps(sum[q][i]);
        emit(0, s, block, y, quad + q, v);
    }
}

INLINE void depthwise_of(int k, int stride, int left, const Step *s, int block, int y) {
    int across = ceil_div(s->out_columns, 4), quad = 0, used = 0;
    for (int at = -1; at < 3; at++)
        for (int j = 0; j < 4; j++) {
            int first = stride * j - left - 4 * at;
            used += first <= 3 && first + k > 0;
        }
    const uint8_t *w = (const uint8_t *)s->weights + (size_t)block * k * used * 64;
    const uint8_t *row = (const uint8_t *)s->source + block * s->plane + (size_t)y * stride * s->line;
    for (; quad + 2 <= across; quad += 2)
        depthwise_quads(k, stride, left, 2, s, row, w, block, y, quad);
    if (quad < across) depthwise_quads(k, stride, left, 1, s, row, w, block, y, quad);
}

/* `tiles` rows of results, `parts` blocks of channels. */
static void depthwise(const Step *s, int item) {
    int strips = ceil_div(s->out_rows, s->tiles), from = item / strips * s->parts;
    for (int block = from; block < from + s->parts && block < s->cout / LANES; block++)
        for (int n = 0; n < s->tiles; n++) {
            int y = item % strips * s->tiles + n;
            if (y >= s->out_rows) break;
            switch (s->m * 100 + s->stride * 10 + s->left) {
            case 311: depthwise_of(3, 1, 1, s, block, y); break;
            case 320: depthwise_of(3, 2, 0, s, block, y); break;
            case 321: depthwise_of(3, 2, 1, s, block, y); break;
            case 512: depthwise_of(5, 1, 2, s, block, y); break;
            case 521: depthwise_of(5, 2, 1, s, block, y); break;
            case 522: depthwise_of(5, 2, 2, s, block, y); break;
            }
        }
}
#endif

#endif

/* One layer's work, as program.py lays it down. Kinds and fields in the order of steps.py. */
#ifndef SONAR_STEP_H
#define SONAR_STEP_H

#include "winograd.h"

enum {
    PACK, CONV3, CONV1, DOUBLE, HEAD, /* layers.h */
    STEM, POINTWISE, DEPTHWISE, FLOAT_POINTWISE, FLOAT_DEPTHWISE, LAST, PROBABILITY /* encoder.h */
};

typedef struct {
    int32_t kind, m;              /* m: side of a result tile; of a depthwise kernel; enlargement */
    int32_t cin, cout;            /* channels; multiples of LANES but for PACK's cin */
    int32_t rows, columns;        /* of the input */
    int32_t relu_in, relu_out;
    int32_t tiles, parts;         /* tiles worked on together; cout is shared out in parts */
    int32_t half;                 /* weights are bfloat16 in pairs of input channels */
    int32_t stride, top, left;    /* of the encoder's convolutions: step, zeros around */
    int32_t out_rows, out_columns;
    int32_t centred;              /* DOUBLE: half-pixel centres, not aligned corners */
    int32_t clip, real;           /* results are clipped; are in real units before they are bytes */
    int32_t zero, below;          /* the byte that means 0; rows of zeros above `quads` */
    int32_t first;                /* number of its first item of work; sonar_run fills it in */
    float low, high;              /* where results are clipped */
    float inverse, offset;        /* from real units to bytes */
    const void *source;
    const void *weights;          /* [points][cout / GROUP vectors][cin][GROUP vectors] */
    const float *bias;
    const float *add, *add2;      /* added to the result, may be null */
    float *target;                /* the result as floats; of the encoder's layers, may be null */
    const float *last;            /* HEAD: weights of its 1x1 convolution, then its bias */
    const float *factors;         /* of each channel's sums, before bias */
    uint8_t *pixels, *quads;      /* the result as bytes, in one of encoder.h's orders, or null */
    size_t plane, line;           /* bytes from one block of `pixels` to the next (as source), */
    size_t to_plane, to_line;     /* ... from one row of `quads` to the next; the results' */
} Step;

INLINE int ceil_div(int a, int b) { return (a + b - 1) / b; }

#endif

/* How many items of work a step has, which the threads share, and doing one. */
#ifndef SONAR_WORK_H
#define SONAR_WORK_H

#include "encoder.h"
#include "layers.h"

static int items(const Step *s) {
    switch (s->kind) {
    case PACK: return s->cout / LANES;
    case CONV3:
        return ceil_div(ceil_div(s->rows, s->m) * ceil_div(s->columns, s->m), s->tiles) * s->parts;
    case CONV1: return ceil_div(s->rows * s->columns, s->tiles);
    case DOUBLE: return 2 * s->rows * (s->cin / LANES);
    case HEAD: return ceil_div(s->rows / 2 * (s->columns / 2), s->tiles);
    case POINTWISE:
        return s->parts * ceil_div(s->out_rows * ceil_div(s->out_columns, 4), s->tiles);
    case DEPTHWISE:
        return ceil_div(s->cout / LANES, s->parts) * ceil_div(s->out_rows, s->tiles);
    case FLOAT_DEPTHWISE: return s->out_rows * (s->cout / LANES);
    default: return s->out_rows;
    }
}

static void work(const Step *s, int item, float *scratch) {
    switch (s->kind) {
    case PACK: pack(s, item); break;
    case CONV3:
        if (s->m == 2)
            s->half ? conv3(2, HALF, s, item, scratch) : conv3(2, 0, s, item, scratch);
        else
            s->half ? conv3(4, HALF, s, item, scratch) : conv3(4, 0, s, item, scratch);
        break;
    case CONV1: conv1(s, item, scratch); break;
    case DOUBLE: twice(s, item); break;
    case HEAD: s->half ? head(HALF, s, item, scratch) : head(0, s, item, scratch); break;
#if INT8
    case STEM: stem(s, item, scratch); break;
    case POINTWISE: pointwise(s, item); break;
    case DEPTHWISE: depthwise(s, item); break;
    case FLOAT_POINTWISE: float_pointwise(s, item, scratch); break;
    case FLOAT_DEPTHWISE: float_depthwise(s, item); break;
    case LAST: last(s, item); break;
    case PROBABILITY: probability(s, item, scratch); break;
#endif
    }
}

#endif

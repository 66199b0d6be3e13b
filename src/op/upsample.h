/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * upsample.h -- what upsampling and its backward (upsample_backward.c) share.
 */
#pragma once
#include "op/body.h"

typedef struct tb_resize {
    int n;                      /* spatial axes; the first is axis 2 */
    tb_dim out[TB_MAX_RANK];
    double factor[TB_MAX_RANK]; /* given by the caller; 0: the quotient of the sizes */
    tb_dtype real;              /* of positions between elements: F64 for F64, else F32 */
} tb_resize;

/* Neighbours of each element of the result, along one axis: positions in the source as
 * whole numbers [out] of the resize's `real` (nearest: f32), before they are clamped, and weights. */
enum { TB_MAX_TAPS = 4 };
typedef struct tb_taps {
    int n;
    tb_val at[TB_MAX_TAPS], w[TB_MAX_TAPS];
} tb_taps;
typedef enum tb_resampling {
    TB_NEAREST,
    TB_NEAREST_EXACT,
    TB_LINEAR,
    TB_CUBIC
} tb_resampling;
/* Along axis i, from size `in`. */
tb_taps tb_resize_taps(tb_graph *g, const tb_resize *r, int i, tb_dim in,
                       tb_resampling how, bool corners);
/* As an index of [0, in). */
tb_val tb_resize_clamp(tb_graph *g, tb_val at, tb_dim in);
/* Is the result a whole number of times as large, so that `nearest` repeats elements? */
bool tb_resize_whole(tb_unit *u, const tb_resize *r, int i, tb_dim in, tb_dim *times);
/* Sums x along an axis with weights w [n, m]: [.., n, ..] -> [.., m, ..]. */
tb_val tb_weigh_axis(tb_graph *g, tb_val x, int axis, tb_val w);
/* Each element of an axis `times` times, one after the other. */
tb_val tb_repeat_each(tb_graph *g, tb_val x, int axis, tb_dim times);

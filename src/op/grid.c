/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * grid.c -- images sampled at given positions (spatial transformers), and shuffled
 * channels.
 */
#include "op/body.h"

enum { BILINEAR, NEAREST, BICUBIC }; /* interpolation_mode */
enum { ZEROS, BORDER, REFLECTION };  /* padding_mode */

typedef struct sampler {
    tb_graph *g;
    tb_val x;      /* [N, C, H, W], wide */
    tb_val number; /* [N, 1, 1] I64: which image */
    int padding;
    bool corners;  /* -1 and 1 are the middles of the first and last element */
} sampler;

/* From [-1, 1] to elements of an axis of size n. */
static tb_val
to_elements(const sampler *s, tb_val v, tb_dim n)
{
    tb_graph *g = s->g;
    tb_dtype t = tb_dtype_of(g, v);
    tb_val size = tb_body_dim(g, n, t), half = K(v, 0.5), r = ADD(v, K(v, 1));

    if (s->corners)
        return MUL(MUL(r, half), SUB(size, K(v, 1)));
    return MUL(SUB(MUL(r, size), K(v, 1)), half);
}

static tb_val
clip(const sampler *s, tb_val v, tb_dim n)
{
    tb_graph *g = s->g;
    tb_val last = tb_body_dim(g, tb_dim_sub(g->unit, n, 1), tb_dtype_of(g, v));

    return MIN(MAX(v, K(v, 0)), last);
}

/* Back and forth between the outer edges of the image (or the middles of its first and
 * last element). */
static tb_val
reflect(const sampler *s, tb_val v, tb_dim n)
{
    tb_graph *g = s->g;
    tb_val size = tb_body_dim(g, n, tb_dtype_of(g, v)), low, span, past, odd, flips;

    if (s->corners && n == 1)
        return K(v, 0);
    low = K(v, s->corners ? 0 : -0.5);
    span = s->corners ? SUB(size, K(v, 1)) : size;
    v = M1(abs, SUB(v, low));
    past = REM(v, span);
    flips = FLOOR(DIV(v, span));
    odd = NE(REM(flips, K(flips, 2)), K(flips, 0));
    return WHERE(odd, ADD(SUB(span, past), low), ADD(past, low));
}

static tb_val
padded(const sampler *s, tb_val v, tb_dim n)
{
    if (s->padding == ZEROS)
        return v;
    return clip(s, s->padding == REFLECTION ? reflect(s, v, n) : v, n);
}

/* Whole numbers w and h (as floats): the elements there [N, Ho, Wo, C], 0 outside. */
static tb_val
fetch(const sampler *s, tb_val h, tb_val w)
{
    tb_graph *g = s->g;
    tb_val at[3] = {s->number, clip(s, h, SIZE(s->x, 2)), clip(s, w, SIZE(s->x, 3))};
    tb_val r, in;

    in = AND(EQ(at[1], h), EQ(at[2], w));
    at[1] = CAST(at[1], TB_I64);
    at[2] = CAST(at[2], TB_I64);
    at[0] = tb_expand_like(g, at[0], at[1]);
    r = tb_gather(g, s->x, 1u | 4u | 8u, at, 3);
    if (s->padding != ZEROS)
        return r;
    return WHERE(tb_unsqueeze(g, in, 3), r, K(r, 0));
}

static tb_val
weighted(const sampler *s, tb_val sum, tb_val v, tb_val weight)
{
    tb_graph *g = s->g;

    v = MUL(v, tb_unsqueeze(g, CAST(weight, tb_dtype_of(g, v)), 3));
    return sum.id ? ADD(sum, v) : v;
}

static tb_val
bilinear(const sampler *s, tb_val h, tb_val w)
{
    tb_graph *g = s->g;
    tb_val h0 = FLOOR(h), w0 = FLOOR(w), th = SUB(h, h0), tw = SUB(w, w0), r = TB_NO_VAL;

    for (int k = 0; k < 4; k++) {
        tb_val hk = k & 2 ? ADD(h0, K(h, 1)) : h0, wk = k & 1 ? ADD(w0, K(w, 1)) : w0;
        tb_val a = k & 2 ? th : SUB(K(h, 1), th), b = k & 1 ? tw : SUB(K(w, 1), tw);

        r = weighted(s, r, fetch(s, hk, wk), MUL(a, b));
    }
    return r;
}

/* Weight of the neighbour k = 0 .. 3 at distance t behind the second. */
static tb_val
cubic_weight(tb_graph *g, tb_val t, int k)
{
    const double a = -0.75;
    tb_val d, r;

    d = k == 0 ? ADD(t, K(t, 1)) : k == 1 ? t : SUB(K(t, k - 1), t);
    if (k == 1 || k == 2) {
        r = SUB(MUL(d, K(d, a + 2)), K(d, a + 3));
        return ADD(MUL(MUL(r, d), d), K(d, 1));
    }
    r = SUB(MUL(d, K(d, a)), K(d, 5 * a));
    r = ADD(MUL(r, d), K(d, 8 * a));
    return SUB(MUL(r, d), K(d, 4 * a));
}

static tb_val
bicubic(const sampler *s, tb_val h, tb_val w)
{
    tb_graph *g = s->g;
    tb_val h0 = FLOOR(h), w0 = FLOOR(w), r = TB_NO_VAL;
    tb_dim height = SIZE(s->x, 2), width = SIZE(s->x, 3);

    for (int i = 0; i < 4; i++) {
        tb_val hk = padded(s, ADD(h0, K(h, i - 1)), height);
        tb_val a = cubic_weight(g, SUB(h, h0), i);

        for (int j = 0; j < 4; j++) {
            tb_val wk = padded(s, ADD(w0, K(w, j - 1)), width);

            r = weighted(s, r, fetch(s, hk, wk), MUL(a, cubic_weight(g, SUB(w, w0), j)));
        }
    }
    return r;
}

/* input [N, C, H, W], grid [N, Ho, Wo, 2] of (x, y) -> [N, C, Ho, Wo] */
static tb_val
grid_sampler(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val grid = tb_body_wide(g, V(1)), h, w, r;
    int64_t mode = INT(2);
    sampler s = {.g = g, .x = tb_body_wide(g, V(0)), .padding = (int)INT(3),
                 .corners = BOOL(4)};

    if (RANK(s.x) != 4 || RANK(grid) != 4)
        tb_body_lacks(c, "images of rank %d", RANK(s.x));
    if (mode < BILINEAR || mode > BICUBIC || s.padding < ZEROS || s.padding > REFLECTION)
        tb_body_raise(c, "unknown interpolation or padding mode");
    s.number = tb_body_count_up(g, SIZE(s.x, 0), 3, 0);
    w = tb_squeeze_axes(g, tb_slice_axis(g, grid, 3, 0, 1, 1), 8);
    h = tb_squeeze_axes(g, tb_slice_axis(g, grid, 3, 1, 1, 1), 8);
    h = to_elements(&s, h, SIZE(s.x, 2));
    w = to_elements(&s, w, SIZE(s.x, 3));
    if (mode == BICUBIC) {
        r = bicubic(&s, h, w);
    } else {
        h = padded(&s, h, SIZE(s.x, 2));
        w = padded(&s, w, SIZE(s.x, 3));
        r = mode == BILINEAR ? bilinear(&s, h, w) : fetch(&s, M1(round, h), M1(round, w));
    }
    return CAST(tb_body_move(g, r, 3, 1), tb_dtype_of(g, V(0)));
}

/* -1 .. 1 in n steps, the middles of n parts unless corners; as [1, .., n, .., 1]. */
static tb_val
coordinates(tb_graph *g, tb_dim n, tb_dtype t, int rank, int axis, bool corners)
{
    tb_val i = CAST(tb_body_count_up(g, n, rank, axis), t), size = tb_body_dim(g, n, t);
    tb_val last = MAX(SUB(size, K(i, 1)), K(i, 1)), r;

    if (n == 1)
        return MUL(i, K(i, 0));
    r = SUB(DIV(MUL(i, K(i, 2)), last), K(i, 1));
    return corners ? r : DIV(MUL(r, SUB(size, K(i, 1))), size);
}

/* theta [N, n, n + 1], size [N, C, spatial...] -> [N, spatial..., n] */
static tb_val
affine_grid(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    int n = (int)tb_body_n(c, 1) - 2;
    tb_val theta = tb_body_wide(g, V(0)), r;
    tb_dim size[TB_MAX_RANK], d[TB_MAX_RANK];

    if (n < 2 || n > 3 || RANK(theta) != 3)
        tb_body_raise(c, "expected theta of rank 3 and 4 or 5 sizes");
    tb_body_dims(c, 1, n + 2, size);
    d[0] = SIZE(theta, 0);
    for (int i = 0; i < n; i++)
        d[1 + i] = 1;
    d[1 + n] = n;
    r = tb_reshape(g, tb_slice_axis(g, theta, 2, n, 1, 1), n + 2, d);
    for (int k = 0; k < n; k++) { /* x is the last axis */
        tb_val column = tb_reshape(g, tb_slice_axis(g, theta, 2, k, 1, 1), n + 2, d);
        tb_val at = coordinates(g, size[1 + n - k], tb_dtype_of(g, theta), n + 2, n - k,
                                BOOL(2));

        r = ADD(r, MUL(column, at));
    }
    d[0] = SIZE(theta, 0);
    for (int i = 0; i < n; i++)
        d[1 + i] = size[2 + i];
    return CAST(tb_expand(g, r, n + 2, d), t);
}

/* [N, groups * k, ...]: the first of each group, then the second ... */
static tb_val
channel_shuffle(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int rank = RANK(x);
    tb_dim groups = DIM(1), d[TB_MAX_RANK];

    if (rank < 3)
        tb_body_raise(c, "expected rank 3 or more, found rank %d", rank);
    d[0] = SIZE(x, 0);
    d[1] = groups;
    d[2] = tb_dim_floordiv(g->unit, SIZE(x, 1), groups);
    memcpy(d + 3, tb_dims(g, x) + 2, sizeof *d * (size_t)(rank - 2));
    return tb_reshape(g, tb_transpose(g, tb_reshape(g, x, rank + 1, d), 1, 2), rank,
                      tb_dims(g, x));
}

const tb_op tb_ops_grid[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, "
     "int padding_mode, bool align_corners) -> Tensor",
     TB_KEEP, grid_sampler},
    {"grid_sampler(Tensor input, Tensor grid, int interpolation_mode, "
     "int padding_mode, bool align_corners) -> Tensor",
     TB_KEEP, grid_sampler},
    {"affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor",
     TB_KEEP, affine_grid},
    {"channel_shuffle(Tensor self, SymInt groups) -> Tensor",
     TB_KEEP, channel_shuffle},
    {"native_channel_shuffle(Tensor self, SymInt groups) -> Tensor",
     TB_KEEP, channel_shuffle},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * composite.c -- composites, written in primitives.
 *
 * This is what they mean: the evaluator computes exactly this, and schedules that take a
 * composite whole are tested against it. Half types are widened to f32 once at the start
 * and rounded once at the end, as the kernels do.
 */
#include <math.h>

#include "graph/internal.h"

/* ---- convolution ---- */

typedef struct conv {
    tb_graph *g;
    int n; /* spatial axes */
    int64_t groups;
    const int64_t *stride, *lo, *hi, *dilation;
} conv;

/* tb_window for a size that is not known: the positions that each window sees are indices. */
static tb_val
open_window(tb_graph *g, tb_val x, int axis, tb_dim size, int64_t stride, int64_t dilation)
{
    tb_unit *u = g->unit;
    tb_dim d[2], reach = tb_dim_mul(u, tb_dim_sub(u, size, 1), dilation);
    int64_t order[TB_MAX_RANK];
    int rank = tb_rank(g, x);
    tb_val at, in, two;

    d[0] = tb_dim_sub(u, tb_dim_sub(u, tb_dims(g, x)[axis], 1), reach);
    d[0] = tb_dim_add(u, tb_dim_floordiv(u, d[0], stride), 1);
    d[1] = size;
    two = tb_full_i(g, TB_I64, 2, d, stride);
    at = tb_map2(g, TB_P_mul, tb_iota(g, 2, d, 0), two);
    two = tb_full_i(g, TB_I64, 2, d, dilation);
    in = tb_map2(g, TB_P_mul, tb_iota(g, 2, d, 1), two);
    at = tb_map2(g, TB_P_add, at, in);
    x = tb_gather(g, x, 1u << axis, &at, 1); /* [P, K, other axes] */
    for (int i = 0; i < rank; i++)
        order[i] = i == axis ? 0 : i < axis ? i + 2 : i + 1;
    order[rank] = 1;
    return tb_permute(g, x, order);
}

/* x [N, C, S...] -> [N, C, P..., K...]: for each output position p the K inputs it sees */
static tb_val
windows(const conv *c, tb_val x, const tb_dim *kernel)
{
    tb_graph *g = c->g;
    tb_dim lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};
    bool any = false;

    for (int i = 0; i < c->n; i++) {
        lo[2 + i] = c->lo[i];
        hi[2 + i] = c->hi[i];
        any |= c->lo[i] || c->hi[i];
    }
    if (any) {
        tb_dtype t = tb_dtype_of(g, x);
        tb_val zero = tb_dtype_is_inexact(t) ? tb_full_f(g, t, 0, NULL, 0)
                                             : tb_full_i(g, t, 0, NULL, 0);

        x = tb_pad(g, x, lo, hi, zero);
    }
    for (int i = 0; i < c->n; i++) {
        if (tb_dim_is_const(kernel[i]))
            x = tb_window(g, x, 2 + i, kernel[i], c->stride[i], c->dilation[i]);
        else
            x = open_window(g, x, 2 + i, kernel[i], c->stride[i], c->dilation[i]);
    }
    return x;
}

/* x [N, C, S...], w [O, C/G, K...] -> [N, O, P...]:
 * [G, N*P, C/G*K] . [G, C/G*K, O/G] */
static tb_val
conv_nchw(const conv *c, tb_val x, tb_val w)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    int n = c->n;
    tb_dim d[TB_MAX_RANK], wd[TB_MAX_RANK], batch = tb_dims(g, x)[0], positions, inner;
    int64_t order[TB_MAX_RANK];
    tb_val y;

    if (3 + 2 * n > TB_MAX_RANK)
        TB_RAISE(g, "convolution: %d spatial axes are too many", n);
    memcpy(wd, tb_dims(g, w), sizeof *wd * (size_t)tb_rank(g, w));
    x = windows(c, x, wd + 2);
    /* [N, G, C/G, P..., K...] -> [G, N, P..., C/G, K...] */
    d[0] = batch, d[1] = c->groups, d[2] = wd[1];
    memcpy(d + 3, tb_dims(g, x) + 2, sizeof *d * (size_t)(2 * n));
    x = tb_reshape(g, x, 3 + 2 * n, d);
    positions = batch;
    inner = wd[1];
    order[0] = 1, order[1] = 0, order[2 + n] = 2;
    for (int i = 0; i < n; i++) {
        order[2 + i] = 3 + i;
        order[3 + n + i] = 3 + n + i;
        positions = tb_dim_mul(u, positions, d[3 + i]);
        inner = tb_dim_mul(u, inner, wd[2 + i]);
    }
    x = tb_permute(g, x, order);
    x = tb_reshape(g, x, 3, (tb_dim[]){c->groups, positions, inner});
    w = tb_reshape(g, w, 3,
                   (tb_dim[]){c->groups, tb_dim_floordiv(u, wd[0], c->groups), inner});
    y = tb_dot(g, x, tb_transpose(g, w, 1, 2)); /* [G, N*P, O/G] */
    /* -> [G, N, P..., O/G] -> [N, G, O/G, P...] -> [N, O, P...] */
    memmove(d + 2, d + 3, sizeof *d * (size_t)n);
    d[0] = c->groups, d[1] = batch, d[2 + n] = tb_dim_floordiv(u, wd[0], c->groups);
    y = tb_reshape(g, y, 3 + n, d);
    order[0] = 1, order[1] = 0, order[2] = 2 + n;
    for (int i = 0; i < n; i++)
        order[3 + i] = 2 + i;
    y = tb_permute(g, y, order);
    memmove(d, d + 1, sizeof *d * (size_t)(n + 1)); /* [N, P...] */
    memmove(d + 2, d + 1, sizeof *d * (size_t)n);
    d[1] = wd[0];
    return tb_reshape(g, y, 2 + n, d);
}

/* Moves the channel axis from the end to place 1 (or back). */
static tb_val
channels_first(tb_graph *g, tb_val x, bool back)
{
    int64_t order[TB_MAX_RANK];
    int rank = tb_rank(g, x);

    for (int i = 0; i < rank; i++) {
        if (back)
            order[i] = i == 0 ? 0 : i == rank - 1 ? 1 : i + 1;
        else
            order[i] = i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
    }
    return tb_permute(g, x, order);
}

static tb_val
expand_conv(tb_graph *g, tb_prim p, const int64_t *attr, tb_val x, tb_val w, tb_val bias)
{
    int n = (int)attr[0];
    conv c = {g, n, attr[1], attr + 2, attr + 2 + n, attr + 2 + 2 * n, attr + 2 + 3 * n};
    tb_dtype t = tb_dtype_of(g, x), wide = tb_dtype_wide(t);
    bool last = p == TB_P_conv_nhwc;
    tb_val y;

    x = tb_cast(g, x, wide);
    w = tb_cast(g, w, wide);
    y = conv_nchw(&c, last ? channels_first(g, x, false) : x,
                  last ? channels_first(g, w, false) : w);
    if (bias.id) {
        tb_dim d[TB_MAX_RANK];

        for (int i = 0; i < n + 2; i++)
            d[i] = 1;
        d[1] = tb_dims(g, bias)[0];
        bias = tb_reshape(g, tb_cast(g, bias, wide), n + 2, d);
        y = tb_map2(g, TB_P_add, y, tb_expand_like(g, bias, y));
    }
    return tb_cast(g, last ? channels_first(g, y, true) : y, t);
}

tb_val
tb_composite_expand(tb_graph *g, const tb_graph *from, tb_val node, const tb_val *operands)
{
    const tb_node *n = tb_node_of(from, node);
    int64_t attr[2 + 4 * TB_MAX_RANK];

    /* A copy: g may be `from`, whose words move when it grows. */
    TB_CHECK(n->n_attr <= TB_COUNT(attr));
    memcpy(attr, tb_attrs(from, node), sizeof *attr * n->n_attr);
    if (n->prim == TB_P_conv || n->prim == TB_P_conv_nhwc)
        return expand_conv(g, (tb_prim)n->prim, attr, operands[0], operands[1],
                           n->n_in > 2 ? operands[2] : TB_NO_VAL);
    if (n->prim == TB_P_attention || n->prim == TB_P_attention_lse ||
        n->prim == TB_P_attention_grad)
        return tb_expand_attention(g, (tb_prim)n->prim, attr, operands, n->n_in);
    if (n->prim == TB_P_rand) {
        tb_dim dims[TB_MAX_RANK];

        memcpy(dims, tb_dims(from, node), sizeof *dims * n->rank);
        return tb_expand_rand(g, operands[0], operands[1], n->rank, dims);
    }
    TB_RAISE(g, "%s is not a composite", tb_prim_name((tb_prim)n->prim));
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * patches.c -- convolutions that stay channels-first: matrix products with patches.
 *
 *   y [N, O, pixels] = w [O, R] . patches [N, R, pixels],   R = C * kernel
 *
 * A convolution between neighbours that are channels-first, alone or after another layout
 * has nothing to give, would turn its input and its result round. Where channels are few or
 * the kernel is 1x1 it costs less to lay out the patches, with pixels along the lanes: for
 * 1x1 they are the input itself.
 */
#include "pass/pass.h"

/* Nanoseconds per element, measured (docs/codegen.md). */
static const double TURN = 0.06;    /* squares turned round in registers */
static const double GATHER = 0.4, PADDED = 0.65; /* too few channels for squares */
static const double STORE = 0.03;   /* the result's squares */
static const double COPY = 0.05, SHUFFLES = 0.15; /* a patch element; each further vector */
static const double FAR = 0.1;      /* patches that do not fit the second cache */
enum { LEAST_CHANNELS = 16, MAX_STRIDE = 4, CACHE_ELEMENTS = 1 << 18, LEAST_PIXELS = 16 };
enum { MANY_PIXELS = 512 };

static double
hint(const tb_graph *g, const tb_dim *dims, int from, int to)
{
    double n = 1;
    for (int i = from; i < to; i++)
        n *= (double)tb_dim_hint(g->unit, dims[i]);
    return n;
}

static bool
pads(const tb_conv_attr *c)
{
    bool any = false;
    for (int i = 0; i < c->ns; i++)
        any = any || c->lo[i] || c->hi[i];
    return any;
}

static bool
is_plain(const tb_conv_attr *c, const tb_dim *w)
{
    for (int i = 0; i < c->ns; i++)
        if (w[2 + i] != 1 || c->stride[i] != 1)
            return false;
    return !pads(c);
}

/* y: dimensions of the result. */
static bool
pays(const tb_graph *g, tb_val x, tb_val w, const tb_conv_attr *c, const tb_dim *y)
{
    const tb_dim *xd = tb_dims(g, x), *wd = tb_dims(g, w);
    int rank = c->ns + 2;
    double in = hint(g, xd, 0, rank), out = hint(g, y, 0, rank);
    double channels = hint(g, xd, 1, 2);
    double patches = hint(g, y, 0, 1) * hint(g, wd, 1, rank) * hint(g, y, 2, rank);
    int64_t stride = c->stride[c->ns - 1];
    double turn = channels == 1 ? 0 : channels >= LEAST_CHANNELS ? TURN
                  : pads(c)                 ? PADDED
                                            : GATHER;
    double lay;

    if (is_plain(c, wd)) /* panels of few pixels would not be full */
        return hint(g, y, 2, rank) >= MANY_PIXELS;
    if (stride > MAX_STRIDE || hint(g, y, rank - 1, rank) < LEAST_PIXELS)
        return false;
    lay = COPY + SHUFFLES * (double)(stride - 1);
    if (patches > CACHE_ELEMENTS * 4)
        lay += FAR;
    return lay * patches < turn * in + STORE * out;
}

tb_val
tb_conv_by_patches(tb_graph *g, tb_val x, tb_val w, tb_val bias, const tb_conv_attr *c,
                   const tb_dim *y)
{
    int ns = c->ns, rank = ns + 2;
    tb_dim lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0}, dims[TB_MAX_RANK];
    int64_t order[TB_MAX_RANK] = {0, 1};
    tb_unit *u = g->unit;
    bool plain = is_plain(c, tb_dims(g, w));

    if (c->groups != 1 || rank + ns > TB_MAX_RANK || !pays(g, x, w, c, y))
        return TB_NO_VAL;
    for (int i = 0; i < ns; i++) {
        if (c->lo[i] < 0 || c->hi[i] < 0)
            return TB_NO_VAL;
        lo[2 + i] = c->lo[i];
        hi[2 + i] = c->hi[i];
    }
    if (pads(c))
        x = tb_pad(g, x, lo, hi, tb_full_f(g, tb_dtype_of(g, x), 0, NULL, 0));
    for (int i = 0; i < ns && !plain; i++)
        x = tb_window(g, x, 2 + i, tb_dims(g, w)[2 + i], c->stride[i], c->dil[i]);
    for (int i = 0; i < ns && !plain; i++) { /* [N, C, pixels, kernel] */
        order[2 + i] = rank + i;
        order[rank + i] = 2 + i;
    }
    if (!plain)
        x = tb_permute(g, x, order);
    dims[0] = y[0];
    dims[1] = dims[2] = 1;
    for (int i = 1; i < rank; i++)
        dims[1] = tb_dim_mul(u, dims[1], tb_dims(g, w)[i]);
    for (int i = 2; i < rank; i++)
        dims[2] = tb_dim_mul(u, dims[2], y[i]);
    x = tb_reshape(g, x, 3, dims);
    tb_dim w_dims[3] = {1, tb_dims(g, w)[0], dims[1]};
    w = tb_reshape(g, w, 3, w_dims);
    w_dims[0] = y[0];
    tb_val r = tb_dot(g, tb_expand(g, w, 3, w_dims), x);
    if (bias.id) {
        tb_dim b[3] = {1, tb_dims(g, bias)[0], 1};
        r = tb_map2(g, TB_P_add, r, tb_expand_like(g, tb_reshape(g, bias, 3, b), r));
    }
    return tb_reshape(g, r, rank, y);
}

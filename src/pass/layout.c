/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * layout.c -- convolutions go channels-last, and the permutes that this brings move
 * towards the outputs until they meet their inverse.
 *
 * Requires: conv nodes (channels first, as PyTorch).   Gives: conv_nhwc without padding
 * (an explicit pad before it), but for depthwise ones, which take it along where their
 * schedule can have them and are windowed reductions where not; permutes only where a layout
 * really changes.
 *
 * Dense channels-last is within 5 % of blocked layouts for dense convolutions (measured)
 * and leaves elementwise code alone, so the whole network uses it.
 */
#include "pass/pass.h"

/* Of depthwise convolutions in planes, measured: taps of the kernel, step from lane to lane,
 * outputs of a row; with many taps loads cost more than turning round unless rows are long. */
enum { FEW_PLANE_TAPS = 9, LEAST_PLANE_ROW = 14, MAX_PLANE_TAPS = 25, LONG_PLANE_ROW = 48 };
enum { MAX_PLANE_STRIDE = 4 };

/* ---- permutes ---- */
static bool
is_permute(const tb_graph *g, tb_val v)
{
    return tb_node_of(g, v)->prim == TB_P_permute;
}

static bool
same_order(const tb_graph *g, tb_val a, tb_val b)
{
    return tb_rank(g, a) == tb_rank(g, b) &&
           memcmp(tb_attrs(g, a), tb_attrs(g, b), sizeof(int64_t) * (size_t)tb_rank(g, a)) == 0;
}

static void
inverse(const int64_t *order, int rank, int64_t *out)
{
    for (int i = 0; i < rank; i++)
        out[order[i]] = i;
}

/* Re-indexing v by the inverse of a permute costs nothing where v is read in place: one
 * value, a constant, or a vector spread over the rest. */
static bool
permutes_freely(const tb_graph *g, tb_val v)
{
    tb_val x = tb_behind_expand(g, v);
    int long_axes = 0;
    bool spread = false;

    switch ((tb_prim)tb_node_of(g, x)->prim) {
    case TB_P_full:
    case TB_P_const:
        return true;
    default:
        for (int i = 0; i < tb_rank(g, x); i++)
            long_axes += tb_dims(g, x)[i] != 1;
        for (; v.id != x.id; v = tb_in(g, v, 0))
            spread = spread || tb_node_of(g, v)->prim == TB_P_expand;
        return spread && long_axes <= 1;
    }
}

/* map(permute(a), permute(b), free) => permute(map(a, b, free')) */
static tb_val
map_of_permutes(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    const tb_node *n = tb_node_of(rw->from, v);
    tb_val in[3], first = TB_NO_VAL, r;
    int64_t inv[TB_MAX_RANK];

    for (uint32_t i = 0; i < n->n_in; i++) {
        in[i] = tb_image(rw, v, i);
        if (is_permute(g, in[i])) {
            if (first.id && !same_order(g, first, in[i]))
                return TB_NO_VAL;
            if (!first.id)
                first = in[i];
        } else if (!permutes_freely(g, in[i])) {
            return TB_NO_VAL;
        }
    }
    if (!first.id)
        return TB_NO_VAL;
    const int64_t *order = tb_attrs(g, first);
    inverse(order, n->rank, inv);
    for (uint32_t i = 0; i < n->n_in; i++)
        in[i] = is_permute(g, in[i]) ? tb_in(g, in[i], 0) : tb_permute(g, in[i], inv);
    if (n->prim == TB_P_cast)
        r = tb_cast(g, in[0], n->dtype);
    else if (n->prim == TB_P_bitcast)
        r = tb_bitcast(g, in[0], n->dtype);
    else if (n->n_in == 1)
        r = tb_map1(g, n->prim, in[0]);
    else if (n->n_in == 2)
        r = tb_map2(g, n->prim, in[0], in[1]);
    else
        r = tb_where(g, in[0], in[1], in[2]);
    return tb_permute(g, r, tb_attrs(g, first));
}

/* fold(permute(x)) => permute(fold(x)) */
static tb_val
fold_of_permute(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val p = tb_image(rw, v, 0);
    uint32_t axes = (uint32_t)tb_attrs(rw->from, v)[0], inner = 0;
    if (!is_permute(g, p))
        return TB_NO_VAL;
    for (int i = 0; i < tb_rank(g, p); i++)
        if ((axes >> i) & 1)
            inner |= 1u << tb_attrs(g, p)[i];
    tb_val r = tb_reduce(g, tb_node_of(rw->from, v)->prim, tb_in(g, p, 0), inner);
    return tb_permute(g, r, tb_attrs(g, p));
}

static tb_val
pad_of_permute(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val p = tb_image(rw, v, 0);
    int rank = tb_rank(rw->from, v);
    const int64_t *attr = tb_attrs(rw->from, v);
    tb_dim lo[TB_MAX_RANK], hi[TB_MAX_RANK];
    if (!is_permute(g, p))
        return TB_NO_VAL;
    for (int i = 0; i < rank; i++) {
        int a = (int)tb_attrs(g, p)[i];
        lo[a] = tb_dim_canon(g->unit, attr[i]);
        hi[a] = tb_dim_canon(g->unit, attr[rank + i]);
    }
    tb_val r = tb_pad(g, tb_in(g, p, 0), lo, hi, tb_image(rw, v, 1));
    return tb_permute(g, r, tb_attrs(g, p));
}

static tb_val
window_of_permute(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val p = tb_image(rw, v, 0);
    const int64_t *attr = tb_attrs(rw->from, v);
    int64_t order[TB_MAX_RANK];
    int rank = tb_rank(g, p);
    if (!is_permute(g, p))
        return TB_NO_VAL;
    memcpy(order, tb_attrs(g, p), sizeof(int64_t) * (size_t)rank);
    tb_val r = tb_window(g, tb_in(g, p, 0), (int)order[attr[0]], attr[1], attr[2], attr[3]);
    order[rank] = rank;
    return tb_permute(g, r, order);
}

static tb_val
concat_of_permutes(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    const tb_node *n = tb_node_of(rw->from, v);
    tb_val *in = TB_NEWN(&g->unit->cx->keep, tb_val, n->n_in), first = tb_image(rw, v, 0);
    for (uint32_t i = 0; i < n->n_in; i++) {
        tb_val p = tb_image(rw, v, i);
        if (!is_permute(g, p) || !same_order(g, first, p))
            return TB_NO_VAL;
        in[i] = tb_in(g, p, 0);
    }
    int axis = (int)tb_attrs(g, first)[tb_attrs(rw->from, v)[0]];
    return tb_permute(g, tb_concat(g, in, n->n_in, axis), tb_attrs(g, first));
}

static tb_val
slice_of_permute(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val p = tb_image(rw, v, 0);
    int rank = tb_rank(rw->from, v);
    const int64_t *attr = tb_attrs(rw->from, v);
    tb_dim start[TB_MAX_RANK], size[TB_MAX_RANK];
    int64_t step[TB_MAX_RANK];
    if (!is_permute(g, p))
        return TB_NO_VAL;
    for (int i = 0; i < rank; i++) {
        int a = (int)tb_attrs(g, p)[i];
        start[a] = tb_dim_canon(g->unit, attr[i]);
        step[a] = attr[rank + i];
        size[a] = tb_dim_canon(g->unit, tb_dims(rw->from, v)[i]);
    }
    return tb_permute(g, tb_slice(g, tb_in(g, p, 0), start, size, step), tb_attrs(g, p));
}

/* A permute that only moves axes of size 1 is a reshape. */
static tb_val
permute_as_reshape(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val x = tb_image(rw, v, 0);
    const int64_t *order = tb_attrs(rw->from, v);
    int rank = tb_rank(g, x);
    int64_t last = -1;
    tb_dim dims[TB_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        dims[i] = tb_dims(g, x)[order[i]];
        if (dims[i] == 1)
            continue;
        if (order[i] < last)
            return TB_NO_VAL;
        last = order[i];
    }
    return tb_reshape(g, x, rank, dims);
}

/* reshape(permute(x)) where the permute only moved axes of size 1. */
static tb_val
reshape_of_permute(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val p = tb_image(rw, v, 0);
    const tb_node *n = tb_node_of(rw->from, v);
    int64_t last = -1;
    tb_dim dims[TB_MAX_RANK];
    if (!is_permute(g, p))
        return TB_NO_VAL;
    for (int i = 0; i < tb_rank(g, p); i++) {
        int64_t o = tb_attrs(g, p)[i];
        if (tb_dims(g, p)[i] == 1)
            continue;
        if (o < last)
            return TB_NO_VAL;
        last = o;
    }
    for (int i = 0; i < n->rank; i++)
        dims[i] = tb_dim_canon(g->unit, tb_dims(rw->from, v)[i]);
    return tb_reshape(g, tb_in(g, p, 0), n->rank, dims);
}

/* ---- convolutions ---- */
static tb_conv_attr
attrs_of(const tb_graph *g, tb_val v)
{
    const int64_t *a = tb_attrs(g, v);
    int ns = (int)a[0];
    return (tb_conv_attr){ns, a[1], a + 2, a + 2 + ns, a + 2 + 2 * ns, a + 2 + 3 * ns};
}

bool
tb_is_depthwise(const tb_graph *g, tb_val v)
{
    if (tb_node_of(g, v)->prim != TB_P_conv_nhwc || !tb_dtype_is_float(tb_dtype_of(g, v)))
        return false;
    tb_conv_attr c = attrs_of(g, v);
    const tb_dim *xd = tb_dims(g, tb_in(g, v, 0)), *wd = tb_dims(g, tb_in(g, v, 1));
    for (int i = 0; i < c.ns + 2; i++)
        if (!tb_dim_is_const(wd[i]))
            return false;
    for (int i = 0; i < c.ns; i++)
        if (c.lo[i] < 0 || c.hi[i] < 0)
            return false;
    return c.groups > 1 && wd[0] == c.groups && wd[c.ns + 1] == 1 &&
           xd[c.ns + 1] == c.groups && tb_dim_is_const(xd[c.ns]) && xd[c.ns] > 0 &&
           wd[c.ns] <= TB_DEPTHWISE_MAX_KW;
}

/* [N, C, spatial] -> [N, spatial, C] */
static tb_val
channels_last(tb_graph *g, tb_val x, int ns)
{
    int64_t order[TB_MAX_RANK] = {0};
    for (int i = 0; i < ns; i++)
        order[1 + i] = 2 + i;
    order[ns + 1] = 1;
    return tb_permute(g, x, order);
}

static tb_val
zero_padded(tb_graph *g, tb_val x, const tb_conv_attr *c)
{
    tb_dim lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};
    bool pads = false;
    for (int i = 0; i < c->ns; i++) {
        lo[1 + i] = c->lo[i];
        hi[1 + i] = c->hi[i];
        pads = pads || c->lo[i] || c->hi[i];
    }
    if (pads)
        x = tb_pad(g, x, lo, hi, tb_full_f(g, tb_dtype_of(g, x), 0, NULL, 0));
    return x;
}

static tb_val
channels_first(tb_graph *g, tb_val y, int ns)
{
    int64_t order[TB_MAX_RANK] = {0, ns + 1};
    for (int i = 0; i < ns; i++)
        order[2 + i] = 1 + i;
    return tb_permute(g, y, order);
}

/* One input channel per group: sum over the kernel's window of x * w, channels along the
 * lanes. w [O, 1, kernel] with O = C. */
static tb_val
depthwise(tb_graph *g, tb_val x, tb_val w, tb_val bias, const tb_conv_attr *c)
{
    int ns = c->ns, rank = ns + 2;
    int64_t order[TB_MAX_RANK];
    tb_dim dims[TB_MAX_RANK];
    uint32_t axes = 0;
    for (int i = 0; i < ns; i++) {
        int64_t size = tb_dims(g, w)[2 + i];
        x = tb_window(g, x, 1 + i, size, c->stride[i], c->dil[i]);
        axes |= 1u << (rank + i);
    }
    /* w -> [kernel, O], stored with neighbouring channels side by side, seen as [O, kernel] */
    for (int i = 0; i < ns; i++)
        order[i] = 2 + i;
    order[ns] = 0;
    order[ns + 1] = 1;
    w = tb_permute(g, w, order);
    for (int i = 0; i < rank - 1; i++)
        dims[i] = 1;
    for (int i = 0; i <= ns; i++)
        dims[i] = tb_dims(g, w)[i];
    w = tb_fold_value(g, tb_reshape(g, w, ns + 1, dims));
    order[0] = ns;
    for (int i = 0; i < ns; i++)
        order[1 + i] = i;
    w = tb_permute(g, w, order);
    for (int i = 0; i < rank - 1; i++)
        dims[i] = 1;
    for (int i = 0; i <= ns; i++)
        dims[rank - 1 + i] = tb_dims(g, w)[i];
    w = tb_expand_like(g, tb_reshape(g, w, rank + ns, dims), x);
    tb_val y = tb_reduce(g, TB_P_rsum, tb_map2(g, TB_P_mul, x, w), axes);
    for (int i = 0; i < rank; i++)
        dims[i] = tb_dims(g, y)[i];
    y = tb_reshape(g, y, rank, dims);
    if (bias.id)
        y = tb_map2(g, TB_P_add, y, tb_expand(g, bias, rank, tb_dims(g, y)));
    return y;
}

/* The same where x is channels first and stays so: lanes run along the last spatial axis. w
 * [C, 1, kernel]. */
static tb_val
depthwise_planes(tb_graph *g, tb_val x, tb_val w, tb_val bias, const tb_conv_attr *c)
{
    int ns = c->ns, rank = ns + 2;
    tb_dim dims[TB_MAX_RANK], lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};
    bool pads = false;

    for (int i = 0; i < ns; i++) {
        lo[2 + i] = c->lo[i];
        hi[2 + i] = c->hi[i];
        pads = pads || c->lo[i] || c->hi[i];
    }
    if (pads)
        x = tb_pad(g, x, lo, hi, tb_full_f(g, tb_dtype_of(g, x), 0, NULL, 0));
    for (int i = 0; i < ns; i++)
        x = tb_window(g, x, 2 + i, tb_dims(g, w)[2 + i], c->stride[i], c->dil[i]);
    for (int i = 0; i < rank; i++)
        dims[i] = i == 1 ? c->groups : 1;
    for (int i = 0; i < ns; i++)
        dims[rank + i] = tb_dims(g, w)[2 + i];
    w = tb_expand_like(g, tb_reshape(g, w, rank + ns, dims), x);
    tb_val y = tb_reduce(g, TB_P_rsum, tb_map2(g, TB_P_mul, x, w), ((1u << ns) - 1) << rank);
    y = tb_squeeze_axes(g, y, ((1u << ns) - 1) << rank);
    if (bias.id)
        y = tb_map2(g, TB_P_add, y, tb_expand_like(g, tb_reshape(g, bias, rank, dims), y));
    return y;
}

/* Does it pay? */
static bool
is_better_in_planes(const tb_graph *g, tb_val x, tb_val w, const tb_conv_attr *c,
                    const tb_dim *y)
{
    int64_t taps = 1;
    tb_dtype t = tb_dtype_of(g, x);

    if (c->groups == 1 || tb_dims(g, w)[1] != 1 || tb_dims(g, w)[0] != c->groups ||
        tb_dims(g, x)[1] != c->groups || 2 * c->ns + 2 > TB_MAX_RANK || t == TB_F16 ||
        t == TB_BF16)
        return false;
    for (int i = 0; i < c->ns; i++) {
        taps *= tb_dims(g, w)[2 + i];
        if (c->lo[i] < 0 || c->hi[i] < 0)
            return false;
    }
    return taps <= MAX_PLANE_TAPS && c->stride[c->ns - 1] <= MAX_PLANE_STRIDE &&
           tb_dim_hint(g->unit, y[c->ns + 1]) >=
               (taps <= FEW_PLANE_TAPS ? LEAST_PLANE_ROW : LONG_PLANE_ROW);
}

/* A depthwise convolution takes a pad with zeros before it along: the convolution of what is
 * padded, with the pad's amounts added to its own; NO_VAL if it cannot. x is channels last. */
static tb_val
depthwise_in_place(tb_graph *g, tb_val x, tb_val w, tb_val bias, const tb_conv_attr *c)
{
    int64_t lo[TB_MAX_RANK], hi[TB_MAX_RANK];
    memcpy(lo, c->lo, sizeof *lo * (size_t)c->ns);
    memcpy(hi, c->hi, sizeof *hi * (size_t)c->ns);
    if (tb_node_of(g, x)->prim == TB_P_pad && tb_is_zero(g, tb_in(g, x, 1))) {
        const int64_t *attr = tb_attrs(g, x);
        bool spatial = true;
        for (int i = 0; i < c->ns + 2; i++) {
            int64_t l = attr[i], h = attr[c->ns + 2 + i];
            spatial = spatial && tb_dim_is_const(l) && tb_dim_is_const(h) && l >= 0 && h >= 0 &&
                      ((i > 0 && i <= c->ns) || (l == 0 && h == 0));
        }
        for (int i = 0; spatial && i < c->ns; i++) {
            lo[i] += attr[1 + i];
            hi[i] += attr[c->ns + 3 + i];
        }
        if (spatial)
            x = tb_in(g, x, 0);
    }
    tb_val y = tb_conv(g, TB_P_conv_nhwc, x, w, bias, c->ns, c->groups, c->stride, lo, hi, c->dil);
    return tb_is_depthwise(g, y) ? y : TB_NO_VAL;
}

static tb_val
conv(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    const bool *feeds = rw->user;
    tb_conv_attr c = attrs_of(rw->from, v);
    tb_val x = tb_image(rw, v, 0), w = tb_image(rw, v, 1), bias = TB_NO_VAL, y;
    int64_t order[TB_MAX_RANK] = {0}, zero[TB_MAX_RANK] = {0};

    if (tb_node_of(rw->from, v)->n_in == 3)
        bias = tb_image(rw, v, 2);
    if (!tb_dtype_is_float(tb_dtype_of(g, x)))
        return TB_NO_VAL;
    for (int i = 0; i < tb_rank(g, w); i++)
        if (!tb_dim_is_const(tb_dims(g, w)[i]))
            return TB_NO_VAL;
    if (!is_permute(g, x) && !feeds[v.id]) {
        tb_dim dims[TB_MAX_RANK];
        for (int i = 0; i < c.ns + 2; i++)
            dims[i] = tb_dim_canon(g->unit, tb_dims(rw->from, v)[i]);
        if (is_better_in_planes(g, x, w, &c, dims))
            return depthwise_planes(g, x, w, bias, &c);
        y = tb_conv_by_patches(g, x, w, bias, &c, dims);
        if (y.id)
            return y;
    }
    for (int i = 0; i < c.ns; i++)
        order[1 + i] = 2 + i;
    order[c.ns + 1] = 1;
    x = channels_last(g, x, c.ns);
    if (c.groups > 1) { /* takes its padding along */
        y = depthwise_in_place(g, x, tb_permute(g, w, order), bias, &c);
        if (y.id)
            return channels_first(g, y, c.ns);
    }
    tb_val xl = zero_padded(g, x, &c);
    if (c.groups > 1 && tb_dims(g, w)[1] == 1 && tb_dims(g, w)[0] == c.groups &&
        2 * c.ns + 2 <= TB_MAX_RANK) {
        y = depthwise(g, xl, w, bias, &c);
    } else {
        y = tb_conv(g, TB_P_conv_nhwc, xl, tb_permute(g, w, order), bias, c.ns, c.groups,
                    c.stride, zero, zero, c.dil);
    }
    return channels_first(g, y, c.ns);
}

static tb_val
layout(tb_rewrite *rw, tb_val v)
{
    tb_prim p = tb_node_of(rw->from, v)->prim;
    if (tb_prim_is_map(p))
        return map_of_permutes(rw, v);
    if (tb_prim_is_fold(p))
        return fold_of_permute(rw, v);
    switch (p) {
    case TB_P_conv:
        return conv(rw, v);
    case TB_P_permute:
        return permute_as_reshape(rw, v);
    case TB_P_reshape:
        return reshape_of_permute(rw, v);
    case TB_P_pad:
        return pad_of_permute(rw, v);
    case TB_P_window:
        return window_of_permute(rw, v);
    case TB_P_concat:
        return concat_of_permutes(rw, v);
    case TB_P_slice:
        return slice_of_permute(rw, v);
    default:
        return TB_NO_VAL;
    }
}

static bool
has_conv(const tb_graph *g)
{
    for (uint32_t i = 1; i < g->n; i++)
        if (g->nodes[i].prim == TB_P_conv)
            return true;
    return false;
}

/* By node: does a convolution depend on it? Then it had better be channels-last. */
static bool *
feeds_conv(const tb_graph *g)
{
    bool *feeds = TB_NEWN(&g->unit->cx->keep, bool, g->n);

    for (uint32_t id = g->n; id-- > 1;)
        for (uint32_t i = 0; i < g->nodes[id].n_in; i++)
            if (feeds[id] || g->nodes[id].prim == TB_P_conv)
                feeds[tb_in(g, (tb_val){id}, i).id] = true;
    return feeds;
}

tb_graph *
tb_pass_layout(const tb_graph *in)
{
    if (!has_conv(in)) /* permutes of a graph without convolutions stay where they are */
        return tb_rewrite_graph(in, NULL, NULL);
    return tb_rewrite_graph(in, layout, feeds_conv(in));
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * conv.c -- convolutions: the composite `conv`, its transpose, and their backward.
 *
 * A transposed convolution is a convolution of the input with zeros between its elements,
 * with the kernel turned round and its channel axes exchanged. With a stride it is written
 * as one convolution without those zeros, whose channels are the stride's phases.
 */
#include "op/body.h"

typedef struct conv {
    int n; /* spatial axes */
    int64_t groups;
    int64_t stride[TB_MAX_RANK], dilation[TB_MAX_RANK];
    tb_dim pad[TB_MAX_RANK];
    tb_dim out_pad[TB_MAX_RANK]; /* of transposed ones, less than the stride if it is open */
} conv;

/* [groups * a, b, K...] -> [groups * b, a, K...] */
static tb_val
exchange(tb_graph *g, tb_val w, int64_t groups)
{
    tb_dim d[TB_MAX_RANK], b = SIZE(w, 1);
    tb_dim a = tb_dim_floordiv(g->unit, SIZE(w, 0), groups);
    int rank = RANK(w);

    d[0] = groups, d[1] = a;
    memcpy(d + 2, tb_dims(g, w) + 1, sizeof *d * (size_t)(rank - 1));
    w = tb_transpose(g, tb_reshape(g, w, rank + 1, d), 1, 2);
    d[0] = tb_dim_mul(g->unit, b, groups), d[1] = a;
    memmove(d + 2, d + 3, sizeof *d * (size_t)(rank - 2));
    return tb_reshape(g, w, rank, d);
}

/* How far the kernel's last tap is from its first along a spatial axis. */
static tb_dim
reach_of(tb_graph *g, const conv *p, tb_val w, int i)
{
    return tb_dim_mul(g->unit, tb_dim_sub(g->unit, SIZE(w, 2 + i), 1), p->dilation[i]);
}

/* Pads along spatial axis i: by the composite's own padding if it can (`lo`, `hi`), which is
 * constant and cannot cut, else before it. */
static tb_val
padded(tb_graph *g, tb_val x, int i, tb_dim before, tb_dim after, int64_t *lo, int64_t *hi)
{
    *lo = *hi = 0;
    if (!tb_dim_is_const(before) || !tb_dim_is_const(after) || before < 0 || after < 0)
        return tb_body_fit_axis(g, x, 2 + i, before, after, 0);
    *lo = before, *hi = after;
    return x;
}

static tb_val
direct(tb_opctx *c, const conv *p, tb_val x, tb_val w, tb_val bias)
{
    int64_t lo[TB_MAX_RANK], hi[TB_MAX_RANK];

    for (int i = 0; i < p->n; i++)
        x = padded(c->g, x, i, p->pad[i], p->pad[i], &lo[i], &hi[i]);
    return tb_conv(c->g, TB_P_conv, x, w, bias, p->n, p->groups, p->stride, lo, hi,
                   p->dilation);
}

/*
 * Output q * s + r of a transposed convolution is the sum over t of x[q - t] * w[r + s * t]:
 * for each phase r a convolution by every s-th tap. All phases are computed by one
 * convolution with a kernel of ceil(K / s) and as many times the channels, [G, R..., O/G],
 * and take their places by movement. NO_VAL where that does not apply.
 */
static tb_val
by_phases(tb_graph *g, const conv *p, tb_val x, tb_val w, tb_val bias)
{
    int n = p->n, rank = n + 2, wide = 2 * n + 3;
    int64_t one[TB_MAX_RANK], lo[TB_MAX_RANK], hi[TB_MAX_RANK], taps[TB_MAX_RANK];
    int64_t phases[TB_MAX_RANK], order[TB_MAX_RANK], all = 1;
    tb_dim d[TB_MAX_RANK], out[TB_MAX_RANK];
    bool strided = false;

    if (wide > TB_MAX_RANK)
        return TB_NO_VAL;
    for (int i = 0; i < n; i++) {
        tb_dim size = SIZE(w, 2 + i), s = p->stride[i], more = p->out_pad[i];
        if (!tb_dim_is_const(size) || !tb_dim_is_const(p->pad[i]) ||
            p->dilation[i] != 1 || p->pad[i] < 0 || more < 0)
            return TB_NO_VAL;
        strided = strided || s > 1;
        one[i] = 1;
        taps[i] = (size + s - 1) / s;
        phases[i] = s < size ? s : size; /* those beyond are zero */
        all *= phases[i];
        lo[i] = taps[i] - 1;
        if (!tb_dim_is_const(more))
            more = s - 1;
        hi[i] = tb_floordiv(size - p->pad[i] + more + s - 1, s) - 1;
        hi[i] = hi[i] > 0 ? hi[i] : 0;
        out[i] = tb_dim_mul(g->unit, tb_dim_sub(g->unit, SIZE(x, 2 + i), 1), s);
        out[i] = tb_dim_add(g->unit, out[i], size - 2 * p->pad[i]);
        out[i] = tb_dim_add(g->unit, out[i], p->out_pad[i]);
    }
    if (!strided)
        return TB_NO_VAL;

    /* the weight [O, C/G, K...] with its taps in phases: [G, R..., O/G, C/G, T...] */
    w = exchange(g, w, p->groups);
    tb_dim o = SIZE(w, 0), og = tb_dim_floordiv(g->unit, o, p->groups), cg = SIZE(w, 1);
    for (int i = 0; i < n; i++)
        w = tb_body_pad_axis(g, w, 2 + i, 0, taps[i] * phases[i] - SIZE(w, 2 + i), 0);
    d[0] = p->groups, d[1] = og, d[2] = cg;
    order[0] = 0, order[n + 1] = 1, order[n + 2] = 2;
    for (int i = 0; i < n; i++) {
        d[3 + 2 * i] = taps[i], d[4 + 2 * i] = phases[i];
        order[1 + i] = 4 + 2 * i, order[n + 3 + i] = 3 + 2 * i;
    }
    w = tb_permute(g, tb_reshape(g, w, wide, d), order);
    d[0] = tb_dim_mul(g->unit, o, all), d[1] = cg;
    for (int i = 0; i < n; i++)
        d[2 + i] = taps[i];
    w = tb_flip(g, tb_reshape(g, w, rank, d), ((1u << n) - 1) << 2);

    tb_val y = tb_conv(g, TB_P_conv, x, w, TB_NO_VAL, n, p->groups, one, lo, hi, one);
    /* [N, G, R..., O/G, Q...] to [N, G, O/G, (Q, R)...] */
    tb_dim q[TB_MAX_RANK];
    memcpy(q, tb_dims(g, y) + 2, sizeof *q * (size_t)n);
    d[0] = SIZE(y, 0), d[1] = p->groups, d[n + 2] = og;
    order[0] = 0, order[1] = 1, order[2] = n + 2;
    for (int i = 0; i < n; i++) {
        d[2 + i] = phases[i], d[n + 3 + i] = q[i];
        order[3 + 2 * i] = n + 3 + i, order[4 + 2 * i] = 2 + i;
    }
    y = tb_permute(g, tb_reshape(g, y, wide, d), order);
    for (int i = 0; i < n; i++)
        y = tb_body_pad_axis(g, y, 4 + 2 * i, 0, p->stride[i] - phases[i], 0);
    d[0] = SIZE(y, 0), d[1] = o;
    for (int i = 0; i < n; i++)
        d[2 + i] = tb_dim_mul(g->unit, q[i], p->stride[i]);
    y = tb_reshape(g, y, rank, d);
    for (int i = 0; i < n; i++)
        y = tb_slice_axis(g, y, 2 + i, p->pad[i], out[i], 1);
    if (bias.id)
        y = tb_map2(g, TB_P_add, y, tb_expand_like(g, tb_body_on_axis(g, bias, rank, 1), y));
    return y;
}

static tb_val
transposed(tb_opctx *c, const conv *p, tb_val x, tb_val w, tb_val bias)
{
    tb_graph *g = c->g;
    tb_val y = by_phases(g, p, x, w, bias);
    if (y.id)
        return y;
    int64_t one[TB_MAX_RANK], lo[TB_MAX_RANK], hi[TB_MAX_RANK];

    for (int i = 0; i < p->n; i++) {
        tb_dim before = tb_dim_sub(g->unit, reach_of(g, p, w, i), p->pad[i]);
        tb_dim after = tb_dim_add(g->unit, before, p->out_pad[i]);

        one[i] = 1;
        x = tb_body_dilate(g, x, 2 + i, p->stride[i]);
        x = padded(g, x, i, before, after, &lo[i], &hi[i]);
    }
    w = tb_flip(g, exchange(g, w, p->groups), ((1u << p->n) - 1) << 2);
    return tb_conv(g, TB_P_conv, x, w, bias, p->n, p->groups, one, lo, hi, p->dilation);
}

/* Runs fn with a batch axis, which the caller's tensor may lack. */
static tb_val
batched(tb_opctx *c, const conv *p,
        tb_val (*fn)(tb_opctx *, const conv *, tb_val, tb_val, tb_val), tb_val x,
        tb_val w, tb_val bias)
{
    tb_graph *g = c->g;

    if (RANK(x) == p->n + 2)
        return fn(c, p, x, w, bias);
    return tb_squeeze_axes(g, fn(c, p, tb_unsqueeze(g, x, 0), w, bias), 1);
}

/* Of input and weight at those arguments: the spatial axes follow from the weight. */
static conv
begin(tb_opctx *c, uint32_t x, uint32_t w, uint32_t groups)
{
    tb_graph *g = c->g;
    conv p = {.n = RANK(V(w)) - 2, .groups = INT(groups)};

    if (p.n < 1)
        tb_body_raise(c, "expected a weight of rank 3 or more, found %d", RANK(V(w)));
    if (RANK(V(x)) != p.n + 2 && RANK(V(x)) != p.n + 1)
        tb_body_raise(c, "expected an input of rank %d or %d, found %d", p.n + 1, p.n + 2,
                      RANK(V(x)));
    if (p.groups < 1)
        tb_body_raise(c, "groups must be positive");
    return p;
}

/* (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups) */
static tb_val
convolution(tb_opctx *c)
{
    conv p = begin(c, 0, 1, 8);

    tb_body_ints(c, 3, p.n, p.stride);
    tb_body_dims(c, 4, p.n, p.pad);
    tb_body_ints(c, 5, p.n, p.dilation);
    tb_body_dims(c, 7, p.n, p.out_pad);
    return batched(c, &p, BOOL(6) ? transposed : direct, V(0), V(1), V(2));
}

/* (input, weight, bias, stride, padding, dilation, groups) */
static tb_val
conv_nd(tb_opctx *c)
{
    conv p = begin(c, 0, 1, 6);

    tb_body_ints(c, 3, p.n, p.stride);
    tb_body_dims(c, 4, p.n, p.pad);
    tb_body_ints(c, 5, p.n, p.dilation);
    return batched(c, &p, direct, V(0), V(1), V(2));
}

static tb_val
padded_same(tb_opctx *c, const conv *p, tb_val x, tb_val w, tb_val bias)
{
    tb_graph *g = c->g;
    int64_t lo[TB_MAX_RANK], hi[TB_MAX_RANK];

    for (int i = 0; i < p->n; i++) {
        tb_dim total = reach_of(g, p, w, i), before = tb_dim_floordiv(g->unit, total, 2);

        if (p->stride[i] != 1)
            tb_body_raise(c, "padding='same' does not go with a stride");
        x = padded(g, x, i, before, tb_dim_sub(g->unit, total, before), &lo[i], &hi[i]);
    }
    return tb_conv(g, TB_P_conv, x, w, bias, p->n, p->groups, p->stride, lo, hi,
                   p->dilation);
}

/* The same with padding "same" or "valid". */
static tb_val
conv_named(tb_opctx *c)
{
    conv p = begin(c, 0, 1, 6);
    bool same = tb_body_is(c, 4, "same");

    if (!same && !tb_body_is(c, 4, "valid"))
        tb_body_raise(c, "expected padding 'same' or 'valid'");
    tb_body_ints(c, 3, p.n, p.stride);
    tb_body_ints(c, 5, p.n, p.dilation);
    return batched(c, &p, same ? padded_same : direct, V(0), V(1), V(2));
}

/* (input, weight, bias, stride, padding, output_padding, groups, dilation) */
static tb_val
conv_transpose(tb_opctx *c)
{
    conv p = begin(c, 0, 1, 6);

    tb_body_ints(c, 3, p.n, p.stride);
    tb_body_dims(c, 4, p.n, p.pad);
    tb_body_dims(c, 5, p.n, p.out_pad);
    tb_body_ints(c, 7, p.n, p.dilation);
    return batched(c, &p, transposed, V(0), V(1), V(2));
}

/* x [time, batch, in], w [k, in, out], bias [out] */
static tb_val
conv_tbc(tb_opctx *c)
{
    tb_graph *g = c->g;
    conv p = {.n = 1, .groups = 1, .stride = {1}, .pad = {INT(3)}, .dilation = {1}};
    tb_val x, w;

    if (RANK(V(0)) != 3 || RANK(V(1)) != 3)
        tb_body_raise(c, "expected an input and a weight of rank 3");
    x = tb_permute(g, V(0), (int64_t[]){1, 2, 0});
    w = tb_permute(g, V(1), (int64_t[]){2, 1, 0});
    return tb_permute(g, direct(c, &p, x, w, V(2)), (int64_t[]){2, 0, 1});
}

/* ---- backward ---- */

/* d loss / d x of y = conv(x, w): the transposed convolution of dy, as large as x. */
static tb_val
grad_of_input(tb_opctx *c, const conv *p, tb_val dy, tb_val x, tb_val w)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    conv q = *p;

    for (int i = 0; i < p->n; i++) {
        tb_dim used = tb_dim_mul(u, tb_dim_sub(u, SIZE(dy, 2 + i), 1), p->stride[i]);
        /* what the stride left over at the end of x */
        tb_dim left = tb_dim_add(u, SIZE(x, 2 + i), tb_dim_mul(u, p->pad[i], 2));

        left = tb_dim_sub(u, tb_dim_sub(u, left, 1), reach_of(g, p, w, i));
        q.out_pad[i] = tb_dim_sub(u, left, used);
    }
    return transposed(c, &q, dy, w, TB_NO_VAL);
}

/*
 * d loss / d w, [O, C/G, K...]: x convolved with dy as a kernel, batch and channels
 * exchanged. What was the stride is now the dilation, and the other way round.
 */
static tb_val
grad_of_weight(tb_opctx *c, const conv *p, tb_val dy, tb_val x, tb_val w)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    int n = p->n, rank = n + 2;
    int64_t none[TB_MAX_RANK] = {0};
    tb_dim d[TB_MAX_RANK], batch = SIZE(x, 0);
    tb_dim ch = tb_dim_floordiv(u, SIZE(x, 1), p->groups);
    tb_val r;

    for (int i = 0; i < n; i++) {
        tb_dim used = tb_dim_mul(u, tb_dim_sub(u, SIZE(dy, 2 + i), 1), p->stride[i]);

        used = tb_dim_add(u, tb_dim_add(u, used, reach_of(g, p, w, i)), 1);
        x = tb_body_fit_axis(g, x, 2 + i, p->pad[i], p->pad[i], 0);
        x = tb_slice_axis(g, x, 2 + i, 0, used, 1); /* leave out what no window reached */
    }
    /* x [N, G*C, S] -> [C, G*N, S] */
    d[0] = batch, d[1] = p->groups, d[2] = ch;
    memcpy(d + 3, tb_dims(g, x) + 2, sizeof *d * (size_t)n);
    x = tb_reshape(g, x, rank + 1, d);
    x = tb_transpose(g, x, 0, 2); /* [C, G, N, S] */
    d[0] = ch, d[1] = tb_dim_mul(u, p->groups, batch);
    memcpy(d + 2, d + 3, sizeof *d * (size_t)n);
    x = tb_reshape(g, x, rank, d);
    /* dy [N, O, P] -> [O, N, P]: O is already ordered by group */
    dy = tb_transpose(g, dy, 0, 1);
    r = tb_conv(g, TB_P_conv, x, dy, TB_NO_VAL, n, p->groups, p->dilation, none, none,
                p->stride); /* [C, O, K] */
    return tb_transpose(g, r, 0, 1);
}

/* (grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed,
 * output_padding, groups, output_mask) -> (grad of input, weight, bias) */
static tb_val
convolution_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val dy = V(0), x = V(1), w = V(2);
    conv p = begin(c, 1, 2, 9);
    int64_t mask[3];
    uint32_t others = ~(1u << 1) & ((1u << RANK(dy)) - 1);
    bool trans = BOOL(7);

    tb_body_ints(c, 4, p.n, p.stride);
    tb_body_dims(c, 5, p.n, p.pad);
    tb_body_ints(c, 6, p.n, p.dilation);
    tb_body_ints(c, 10, 3, mask);
    c->n_out = 3;
    c->out[0] = c->out[1] = c->out[2] = TB_NO_VAL;
    /* y = transposed(x, w) is linear in both; its adjoints are convolutions, in which x
     * and dy have exchanged their places. */
    if (mask[0] && trans) {
        c->out[0] = direct(c, &p, dy, w, TB_NO_VAL);
        for (int i = 0; i < p.n; i++) /* none of what is beyond x: padding of the output */
            c->out[0] = tb_slice_axis(g, c->out[0], 2 + i, 0, SIZE(x, 2 + i), 1);
    } else if (mask[0]) {
        c->out[0] = grad_of_input(c, &p, dy, x, w);
    }
    if (mask[1])
        c->out[1] = trans ? grad_of_weight(c, &p, x, dy, w)
                          : grad_of_weight(c, &p, dy, x, w);
    if (mask[2])
        c->out[2] = tb_squeeze_axes(g, RSUM(dy, others), others);
    return TB_NO_VAL;
}

/* ---- columns ---- */

typedef struct columns {
    int64_t k[2], dilation[2], pad[2], stride[2];
} columns;

/* x [N, C, H, W] -> [N, C * kh * kw, positions] */
static tb_val
im2col(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0);
    bool single = RANK(x) == 3;
    columns p;
    tb_dim d[3];

    tb_body_ints(c, 1, 2, p.k);
    tb_body_ints(c, 2, 2, p.dilation);
    tb_body_ints(c, 3, 2, p.pad);
    tb_body_ints(c, 4, 2, p.stride);
    if (RANK(x) != 3 && RANK(x) != 4)
        tb_body_raise(c, "expected rank 3 or 4, found %d", RANK(x));
    if (single)
        x = tb_unsqueeze(g, x, 0);
    for (int i = 0; i < 2; i++) {
        x = tb_body_pad_axis(g, x, 2 + i, p.pad[i], p.pad[i], 0);
        x = tb_window(g, x, 2 + i, p.k[i], p.stride[i], p.dilation[i]);
    }
    /* [N, C, P, Q, kh, kw] */
    d[0] = SIZE(x, 0);
    d[1] = tb_dim_mul(u, SIZE(x, 1), p.k[0] * p.k[1]);
    d[2] = tb_dim_mul(u, SIZE(x, 2), SIZE(x, 3));
    x = tb_permute(g, x, (int64_t[]){0, 1, 4, 5, 2, 3});
    x = tb_reshape(g, x, 3, d);
    return single ? tb_squeeze_axes(g, x, 1) : x;
}

/* The adjoint of im2col: adds each column's elements where they came from. */
static tb_val
col2im(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0), r = TB_NO_VAL;
    bool single = RANK(x) == 2;
    columns p;
    tb_dim out[2], d[6];

    tb_body_dims(c, 1, 2, out);
    tb_body_ints(c, 2, 2, p.k);
    tb_body_ints(c, 3, 2, p.dilation);
    tb_body_ints(c, 4, 2, p.pad);
    tb_body_ints(c, 5, 2, p.stride);
    if (RANK(x) != 2 && RANK(x) != 3)
        tb_body_raise(c, "expected rank 2 or 3, found %d", RANK(x));
    if (single)
        x = tb_unsqueeze(g, x, 0);
    d[0] = SIZE(x, 0);
    d[1] = tb_dim_floordiv(u, SIZE(x, 1), p.k[0] * p.k[1]);
    d[2] = p.k[0], d[3] = p.k[1];
    for (int i = 0; i < 2; i++) /* positions along each axis */
        d[4 + i] = tb_dim_add(u, tb_dim_floordiv(u, tb_dim_add(u, out[i],
                                                               2 * p.pad[i] - 1 -
                                                                   p.dilation[i] *
                                                                       (p.k[i] - 1)),
                                                 p.stride[i]), 1);
    x = tb_reshape(g, x, 6, d);
    /* one kernel element at a time: its P x Q values, spread out by the stride, land as a
     * shifted copy on the padded image */
    for (int64_t i = 0; i < p.k[0] * p.k[1]; i++) {
        int64_t at[2] = {i / p.k[1], i % p.k[1]};
        tb_val y = tb_slice_axis(g, tb_slice_axis(g, x, 2, at[0], 1, 1), 3, at[1], 1, 1);

        y = tb_squeeze_axes(g, y, 3u << 2); /* [N, C, P, Q] */
        for (int ax = 0; ax < 2; ax++) {
            tb_dim lo = at[ax] * p.dilation[ax], hi;

            y = tb_body_dilate(g, y, 2 + ax, p.stride[ax]);
            hi = tb_dim_add(u, out[ax], 2 * p.pad[ax] - lo);
            hi = tb_dim_sub(u, hi, SIZE(y, 2 + ax));
            y = tb_body_pad_axis(g, y, 2 + ax, lo, hi, 0);
            y = tb_slice_axis(g, y, 2 + ax, p.pad[ax], out[ax], 1);
        }
        r = r.id ? ADD(r, y) : y;
    }
    return single ? tb_squeeze_axes(g, r, 1) : r;
}

const tb_op tb_ops_conv[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, "
     "SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, "
     "SymInt groups) -> Tensor",
     TB_KEEP, convolution},
    {"_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, "
     "SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, "
     "SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled, "
     "bool allow_tf32) -> Tensor",
     TB_KEEP, convolution},
    {"conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], "
     "SymInt[1] padding=[0], SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
     TB_KEEP, conv_nd},
    {"conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], "
     "SymInt[2] padding=[0, 0], SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor",
     TB_KEEP, conv_nd},
    {"conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, "
     "1], SymInt[3] padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1], SymInt groups=1) "
     "-> Tensor",
     TB_KEEP, conv_nd},
    {"conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, "
     "SymInt[1] stride=[1], str padding=\"valid\", SymInt[1] dilation=[1], "
     "SymInt groups=1) -> Tensor",
     TB_KEEP, conv_named},
    {"conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, "
     "SymInt[2] stride=[1, 1], str padding=\"valid\", SymInt[2] dilation=[1, 1], "
     "SymInt groups=1) -> Tensor",
     TB_KEEP, conv_named},
    {"conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, "
     "SymInt[3] stride=[1, 1, 1], str padding=\"valid\", SymInt[3] dilation=[1, 1, 1], "
     "SymInt groups=1) -> Tensor",
     TB_KEEP, conv_named},
    {"conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, "
     "SymInt[1] stride=[1], SymInt[1] padding=[0], SymInt[1] output_padding=[0], "
     "SymInt groups=1, SymInt[1] dilation=[1]) -> Tensor",
     TB_KEEP, conv_transpose},
    {"conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, "
     "SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, "
     "0], SymInt groups=1, SymInt[2] dilation=[1, 1]) -> Tensor",
     TB_KEEP, conv_transpose},
    {"conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, "
     "SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], "
     "SymInt[3] output_padding=[0, 0, 0], SymInt groups=1, SymInt[3] dilation=[1, 1, "
     "1]) -> Tensor",
     TB_KEEP, conv_transpose},
    {"conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor",
     TB_KEEP, conv_tbc},
    {"convolution_backward(Tensor grad_output, Tensor input, Tensor weight, "
     "SymInt[]? bias_sizes, SymInt[] stride, SymInt[] padding, SymInt[] dilation, "
     "bool transposed, SymInt[] output_padding, SymInt groups, bool[3] output_mask) "
     "-> (Tensor, Tensor, Tensor)",
     TB_KEEP, convolution_backward},
    {"im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, "
     "int[2] stride) -> Tensor",
     TB_KEEP, im2col},
    {"col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, "
     "int[2] padding, int[2] stride) -> Tensor",
     TB_KEEP, col2im},
    {0},
};

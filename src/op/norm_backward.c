/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * norm_backward.c -- how norms change with their input, weight and bias.
 *
 * With x^ = (x - mean) * rstd and h = grad * weight:
 *     dx = rstd * (h - mean(h) - x^ * mean(h * x^))     means over the normalised axes
 *     dw = sum(grad * x^), db = sum(grad)               over the others
 * Where statistics were given rather than measured, dx = rstd * h.
 */
#include "op/body.h"

typedef struct pass {
    tb_graph *g;
    tb_val grad, normed, rstd; /* wide; normed is x^ */
    tb_val h;                  /* grad * weight */
} pass;

static pass
start(tb_graph *g, tb_val grad, tb_val x, tb_val mean, tb_val rstd, tb_val w)
{
    pass p = {.g = g, .grad = tb_body_wide(g, grad)};
    tb_dtype t = tb_dtype_of(g, p.grad);

    p.rstd = CAST(rstd, t);
    x = CAST(x, t);
    p.normed = MUL(mean.id ? SUB(x, CAST(mean, t)) : x, p.rstd);
    p.h = w.id ? MUL(p.grad, CAST(w, t)) : p.grad;
    return p;
}

static tb_val
grad_x(const pass *p, uint32_t axes, bool centred)
{
    tb_graph *g = p->g;
    tb_val r = p->h;

    if (centred)
        r = SUB(r, tb_body_mean(g, p->h, axes));
    r = SUB(r, MUL(p->normed, tb_body_mean(g, MUL(p->h, p->normed), axes)));
    return MUL(r, p->rstd);
}

static tb_val
sum_over(tb_graph *g, tb_val x, uint32_t axes)
{
    return axes ? tb_squeeze_axes(g, RSUM(x, axes), axes) : x;
}

static tb_val
grad_w(const pass *p, uint32_t axes)
{
    tb_graph *g = p->g;

    return sum_over(g, MUL(p->grad, p->normed), axes);
}

static tb_val
grad_b(const pass *p, uint32_t axes)
{
    return sum_over(p->g, p->grad, axes);
}

/* The results that output_mask asks for. */
static tb_val
results(tb_opctx *c, uint32_t mask, int n, const tb_val *r)
{
    int64_t want[3];

    tb_body_ints(c, mask, n, want);
    for (int i = 0; i < n; i++)
        c->out[i] = want[i] ? r[i] : TB_NO_VAL;
    c->n_out = (uint32_t)n;
    return TB_NO_VAL;
}

static tb_dtype
dtype_or(tb_opctx *c, uint32_t i, tb_dtype t)
{
    return given(c, i) ? tb_dtype_of(c->g, V(i)) : t;
}

/* The mask of the last axes that argument `arg` has sizes for; *others gets the rest. */
static uint32_t
last_axes(tb_opctx *c, tb_val x, uint32_t arg, uint32_t *others)
{
    tb_graph *g = c->g;
    int n = (int)tb_body_n(c, arg), rank = RANK(x);

    if (n < 1 || n > rank)
        tb_body_raise(c, "expected 1 to %d sizes to normalize over, found %d", rank, n);
    *others = (1u << (rank - n)) - 1;
    return ((1u << n) - 1) << (rank - n);
}

/* (grad_out, input, normalized_shape, mean, rstd, weight?, bias?, output_mask) */
static tb_val
layer_norm_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(1), r[3] = {{0}};
    tb_dtype t = tb_dtype_of(g, x);
    uint32_t others, axes = last_axes(c, x, 2, &others);
    pass p = start(g, V(0), x, V(3), V(4), V(5));

    r[0] = CAST(grad_x(&p, axes, true), t);
    if (given(c, 5))
        r[1] = CAST(grad_w(&p, others), dtype_or(c, 5, t));
    if (given(c, 6))
        r[2] = CAST(grad_b(&p, others), dtype_or(c, 6, t));
    return results(c, 7, 3, r);
}

/* (grad_out, input, normalized_shape, rstd, weight?, output_mask) */
static tb_val
rms_norm_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(1), r[2] = {{0}};
    tb_dtype t = tb_dtype_of(g, x);
    uint32_t others, axes = last_axes(c, x, 2, &others);
    pass p = start(g, V(0), x, TB_NO_VAL, V(3), V(4));

    r[0] = CAST(grad_x(&p, axes, false), t);
    if (given(c, 4))
        r[1] = CAST(grad_w(&p, others), dtype_or(c, 4, t));
    return results(c, 5, 2, r);
}

static tb_val
on_channels(tb_graph *g, tb_val v, int rank)
{
    return v.id ? tb_body_on_axis(g, v, rank, 1) : v;
}

/* (grad_out, input, weight?, running_mean?, running_var?, save_mean?, save_invstd?,
 * train, eps, output_mask) */
static tb_val
batch_norm_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(1), r[3], mean, rstd;
    tb_dtype t = tb_dtype_of(g, x);
    int rank = RANK(x);
    uint32_t others = ((1u << rank) - 1) & ~2u;
    bool train = BOOL(7);
    pass p;

    mean = train ? V(5) : V(3);
    rstd = train ? V(6) : V(4);
    if (!mean.id || !rstd.id)
        tb_body_raise(c, "expected %s statistics", train ? "saved" : "running");
    if (!train) {
        rstd = tb_body_wide(g, rstd);
        rstd = RSQRT(ADD(rstd, K(rstd, FLOAT(8))));
    }
    p = start(g, V(0), x, on_channels(g, mean, rank), on_channels(g, rstd, rank),
              on_channels(g, V(2), rank));
    r[0] = CAST(train ? grad_x(&p, others, true) : MUL(p.h, p.rstd), t);
    r[1] = CAST(grad_w(&p, others), dtype_or(c, 2, t));
    r[2] = CAST(grad_b(&p, others), dtype_or(c, 2, t));
    return results(c, 9, 3, r);
}

/* (grad_out, input, mean, rstd, weight?, N, C, HxW, group, output_mask) */
static tb_val
group_norm_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(1), w = V(4), mean, rstd, r[3];
    tb_dtype t = tb_dtype_of(g, x);
    int rank = RANK(x);
    tb_dim groups = DIM(8), ch = SIZE(x, 1), d[4], s[4];
    pass p;

    d[0] = SIZE(x, 0), d[1] = groups, d[2] = tb_dim_floordiv(u, ch, groups);
    d[3] = tb_body_count(g, x, ((1u << rank) - 1) & ~3u);
    s[0] = d[0], s[1] = groups, s[2] = s[3] = 1;
    mean = tb_reshape(g, V(2), 4, s);
    rstd = tb_reshape(g, V(3), 4, s);
    if (w.id)
        w = tb_reshape(g, w, 4, (tb_dim[]){1, groups, d[2], 1});
    p = start(g, tb_reshape(g, V(0), 4, d), tb_reshape(g, x, 4, d), mean, rstd, w);
    r[0] = CAST(grad_x(&p, 0xc, true), t);
    r[0] = tb_reshape(g, r[0], rank, tb_dims(g, x));
    r[1] = tb_reshape(g, grad_w(&p, 0x9), 1, &ch);
    r[2] = tb_reshape(g, grad_b(&p, 0x9), 1, &ch);
    r[1] = CAST(r[1], dtype_or(c, 4, t));
    r[2] = CAST(r[2], dtype_or(c, 4, t));
    return results(c, 9, 3, r);
}

const tb_op tb_ops_norm_backward[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"native_layer_norm_backward(Tensor grad_out, Tensor input, "
     "SymInt[] normalized_shape, Tensor mean, Tensor rstd, Tensor? weight, "
     "Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, layer_norm_backward},
    {"_fused_rms_norm_backward(Tensor grad_out, Tensor input, int[] normalized_shape, "
     "Tensor rstd, Tensor? weight, bool[2] output_mask) -> (Tensor, Tensor)",
     TB_KEEP, rms_norm_backward},
    {"native_batch_norm_backward(Tensor grad_out, Tensor input, Tensor? weight, "
     "Tensor? running_mean, Tensor? running_var, Tensor? save_mean, "
     "Tensor? save_invstd, bool train, float eps, bool[3] output_mask) -> (Tensor, "
     "Tensor, Tensor)",
     TB_KEEP, batch_norm_backward},
    {"batch_norm_backward(Tensor grad_out, Tensor input, Tensor weight, "
     "Tensor? running_mean, Tensor? running_var, Tensor? save_mean, Tensor? save_var, "
     "bool update, float eps, bool[3] output_mask, Tensor reserve) -> (Tensor, Tensor, "
     "Tensor)",
     TB_KEEP, batch_norm_backward},
    {"native_group_norm_backward(Tensor grad_out, Tensor input, Tensor mean, "
     "Tensor rstd, Tensor? weight, SymInt N, SymInt C, SymInt HxW, int group, "
     "bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, group_norm_backward},
    {0},
};

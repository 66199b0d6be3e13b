/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * norm.c -- layer, batch, group, instance and RMS norms.
 *
 * Each is the mean of some axes, the mean of the squares about it, and a scale and shift.
 * Half types are computed in f32 and rounded once. Batch norms in inference are one
 * multiplication and one addition: what depends on the statistics alone has the size of
 * the channels, and is folded where they are constants.
 */
#include "op/body.h"

/* Statistics of x over axes: [.., 1, ..] each. */
typedef struct stats {
    tb_val centred, mean, var, rstd;
} stats;

static stats
measure(tb_graph *g, tb_val x, uint32_t axes, double eps)
{
    stats s;

    s.mean = tb_body_mean(g, x, axes);
    s.centred = SUB(x, s.mean);
    s.var = tb_body_mean(g, MUL(s.centred, s.centred), axes);
    s.rstd = RSQRT(ADD(s.var, K(x, eps)));
    return s;
}

/* y * w + b, where w and b may be missing and broadcast with y. */
static tb_val
affine(tb_graph *g, tb_val y, tb_val w, tb_val b)
{
    if (w.id)
        y = MUL(y, CAST(w, tb_dtype_of(g, y)));
    if (b.id)
        y = ADD(y, CAST(b, tb_dtype_of(g, y)));
    return y;
}

/* [C] as [1, C, 1 ...], or nothing. */
static tb_val
on_channels(tb_graph *g, tb_val v, int rank)
{
    return v.id ? tb_body_on_axis(g, v, rank, 1) : v;
}

/* ---- layer norm, RMS norm ---- */

static uint32_t
last_axes(tb_opctx *c, tb_val x, uint32_t arg)
{
    tb_graph *g = c->g;
    int n = (int)tb_body_n(c, arg), rank = RANK(x);
    tb_dim d[TB_MAX_RANK];

    if (n < 1 || n > rank)
        tb_body_raise(c, "expected 1 to %d sizes to normalize over, found %d", rank, n);
    tb_body_dims(c, arg, n, d);
    for (int i = 0; i < n; i++) {
        tb_dim have = SIZE(x, rank - n + i);

        if (tb_dim_is_const(d[i]) && tb_dim_is_const(have) && d[i] != have)
            tb_body_raise(c, "normalizes over size %lld, but axis %d has size %lld",
                          (long long)d[i], rank - n + i, (long long)have);
    }
    return ((1u << n) - 1) << (rank - n);
}

static tb_val
native_layer_norm(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val x = tb_body_wide(g, V(0));
    stats s = measure(g, x, last_axes(c, x, 1), FLOAT(4));
    tb_val y = affine(g, MUL(s.centred, s.rstd), V(2), V(3));

    return tb_body_out3(c, CAST(y, t), CAST(s.mean, t), CAST(s.rstd, t));
}

static tb_val
layer_norm(tb_opctx *c)
{
    native_layer_norm(c);
    c->n_out = 0;
    return c->out[0];
}

/* x / sqrt(mean(x^2) + eps) * w; *rstd gets the factor, in f32 for half types. */
static tb_val
rms(tb_opctx *c, tb_val *rstd)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));
    uint32_t axes = last_axes(c, x, 1);
    double eps = tb_dtype_of(g, x) == TB_F64 ? 0x1p-52 : 0x1p-23;

    if (given(c, 3))
        eps = FLOAT(3);
    *rstd = RSQRT(ADD(tb_body_mean(g, MUL(x, x), axes), K(x, eps)));
    return CAST(affine(g, MUL(x, *rstd), V(2), TB_NO_VAL), tb_dtype_of(g, V(0)));
}

static tb_val
rms_norm(tb_opctx *c)
{
    tb_val rstd;

    return rms(c, &rstd);
}

static tb_val
fused_rms_norm(tb_opctx *c)
{
    tb_val rstd, y = rms(c, &rstd);

    return tb_body_out2(c, y, rstd);
}

/* ---- batch norm ---- */

typedef struct batch {
    tb_val x; /* wide */
    tb_dtype t;
    int rank;
    tb_val w, b;      /* [C] or nothing */
    tb_val mean, var; /* running statistics, [C] or nothing */
    double momentum, eps;
} batch;

/* Numbers of the arguments that follow x, w and b; -1: the schema has none. */
static batch
read_batch(tb_opctx *c, int running, int momentum)
{
    tb_graph *g = c->g;
    batch p = {.t = tb_dtype_of(g, V(0)), .w = V(1), .b = V(2)};

    p.x = tb_body_wide(g, V(0));
    p.rank = RANK(p.x);
    if (p.rank < 2)
        tb_body_raise(c, "expected rank 2 or more, found rank %d", p.rank);
    if (running >= 0) {
        p.mean = V((uint32_t)running);
        p.var = V((uint32_t)running + 1);
    }
    p.momentum = FLOAT((uint32_t)momentum);
    p.eps = FLOAT((uint32_t)momentum + 1);
    return p;
}

/* With the running statistics. */
static tb_val
infer(tb_opctx *c, const batch *p)
{
    tb_graph *g = c->g;
    tb_dtype wide = tb_dtype_of(g, p->x);
    tb_val scale, shift;

    if (!p->mean.id || !p->var.id)
        tb_body_raise(c, "expected running_mean and running_var outside of training");
    scale = RSQRT(ADD(CAST(p->var, wide), K(p->x, p->eps)));
    scale = affine(g, scale, p->w, TB_NO_VAL);
    shift = M1(neg, MUL(CAST(p->mean, wide), scale));
    shift = affine(g, shift, TB_NO_VAL, p->b);
    return CAST(ADD(MUL(p->x, on_channels(g, scale, p->rank)),
                    on_channels(g, shift, p->rank)), p->t);
}

static uint32_t
all_but_channels(const batch *p)
{
    return ((1u << p->rank) - 1) & ~2u;
}

/* With the statistics of x; they are left in *s, as [1, C, 1 ..]. */
static tb_val
train(tb_opctx *c, const batch *p, stats *s)
{
    tb_graph *g = c->g;

    *s = measure(g, p->x, all_but_channels(p), p->eps);
    return CAST(affine(g, MUL(s->centred, s->rstd), on_channels(g, p->w, p->rank),
                       on_channels(g, p->b, p->rank)), p->t);
}

/* (1 - momentum) * old + momentum * now */
static tb_val
moved(tb_graph *g, tb_val old, tb_val now, double momentum)
{
    tb_val r = CAST(old, tb_dtype_of(g, now));

    r = ADD(MUL(r, K(now, 1 - momentum)), MUL(now, K(now, momentum)));
    return CAST(r, tb_dtype_of(g, old));
}

/* The running statistics after a step of training; the variance is the unbiased one. */
static void
update(tb_graph *g, const batch *p, const stats *s, tb_val *mean, tb_val *var)
{
    uint32_t axes = all_but_channels(p);
    tb_dim n = tb_body_count(g, p->x, axes);
    tb_dtype wide = tb_dtype_of(g, p->x);
    tb_val bessel = DIV(tb_body_dim(g, n, wide),
                        tb_body_dim(g, tb_dim_sub(g->unit, n, 1), wide));

    if (p->mean.id)
        *mean = moved(g, p->mean, tb_squeeze_axes(g, s->mean, axes), p->momentum);
    if (p->var.id) {
        tb_val now = MUL(tb_squeeze_axes(g, s->var, axes), bessel);

        *var = moved(g, p->var, now, p->momentum);
    }
}

/* Results are (y, mean, rstd); in inference the last two are empty. */
static tb_val
batch_results(tb_opctx *c, const batch *p, bool training, stats *s)
{
    tb_graph *g = c->g;
    tb_val y, none = tb_full_f(g, p->t, 1, (tb_dim[]){0}, 0);
    uint32_t axes = all_but_channels(p);

    if (!training)
        return tb_body_out3(c, infer(c, p), none, none);
    y = train(c, p, s);
    return tb_body_out3(c, y, CAST(tb_squeeze_axes(g, s->mean, axes), p->t),
                        CAST(tb_squeeze_axes(g, s->rstd, axes), p->t));
}

/* A schema whose running statistics would be changed in place. */
static void
no_update(tb_opctx *c, const batch *p)
{
    if (p->mean.id || p->var.id)
        tb_body_lacks(c, "running statistics updated in place (functionalize the "
                         "program)");
}

static tb_val
batch_norm(tb_opctx *c)
{
    batch p = read_batch(c, 3, 6);
    stats s;

    if (!BOOL(5) && (p.mean.id || p.var.id))
        return infer(c, &p);
    if (BOOL(5))
        no_update(c, &p);
    return train(c, &p, &s);
}

static tb_val
native_batch_norm(tb_opctx *c)
{
    batch p = read_batch(c, 3, 6);
    stats s;

    if (BOOL(5))
        no_update(c, &p);
    return batch_results(c, &p, BOOL(5), &s);
}

static tb_val
batch_norm_no_stats(tb_opctx *c)
{
    batch p = read_batch(c, -1, 4);
    stats s;

    return batch_results(c, &p, true, &s);
}

static tb_val
batch_norm_no_training(tb_opctx *c)
{
    batch p = read_batch(c, 3, 5);

    return batch_results(c, &p, false, NULL);
}

/* Results 3 and 4, the running statistics, in the dtypes the source declares: PyTorch's meta
 * function keeps f32 where eager mode rounds. */
static void
as_declared(tb_opctx *c, uint32_t first)
{
    for (uint32_t i = first; i < first + 2 && i < c->call->n_results; i++)
        if (c->out[i].id && c->call->results[i].dtype != TB_NONE)
            c->out[i] = tb_cast(c->g, c->out[i], (tb_dtype)c->call->results[i].dtype);
}

static tb_val
batch_norm_functional(tb_opctx *c)
{
    batch p = read_batch(c, 3, 6);
    stats s;

    batch_results(c, &p, BOOL(5), &s);
    c->out[3] = p.mean;
    c->out[4] = p.var;
    c->n_out = 5;
    if (BOOL(5))
        update(c->g, &p, &s, &c->out[3], &c->out[4]);
    as_declared(c, 3);
    return TB_NO_VAL;
}

/* The fourth result holds what a backend keeps for the backward pass: nothing here. */
static tb_val
reserve(tb_graph *g)
{
    return tb_full_i(g, TB_U8, 1, (tb_dim[]){0}, 0);
}

static tb_val
batch_norm_no_update(tb_opctx *c)
{
    batch p = read_batch(c, 3, 5);

    batch_results(c, &p, false, NULL);
    c->out[3] = reserve(c->g);
    c->n_out = 4;
    return TB_NO_VAL;
}

static tb_val
batch_norm_with_update(tb_opctx *c)
{
    batch p = read_batch(c, 3, 5);
    stats s;

    batch_results(c, &p, true, &s);
    c->out[3] = reserve(c->g);
    update(c->g, &p, &s, &c->out[4], &c->out[5]);
    c->n_out = 6;
    as_declared(c, 4);
    return TB_NO_VAL;
}

/* ---- group norm, instance norm ---- */

/* x [N, C, ...] in groups of channels; *s gets the statistics as [N, groups, 1]. */
static tb_val
grouped(tb_opctx *c, tb_val x, tb_dim groups, tb_val w, tb_val b, double eps, stats *s)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_dtype t = tb_dtype_of(g, x);
    tb_dim d[3], ch;
    int rank = RANK(x);
    tb_val v = tb_body_wide(g, x), y;

    if (rank < 2)
        tb_body_raise(c, "expected rank 2 or more, found rank %d", rank);
    ch = SIZE(x, 1);
    if (tb_dim_is_const(ch) && tb_dim_is_const(groups) && (groups < 1 || ch % groups))
        tb_body_raise(c, "%lld channels do not make %lld groups", (long long)ch,
                      (long long)groups);
    d[0] = SIZE(x, 0);
    d[1] = groups;
    d[2] = tb_dim_mul(u, tb_dim_floordiv(u, ch, groups),
                      tb_body_count(g, x, ((1u << rank) - 1) & ~3u));
    *s = measure(g, tb_reshape(g, v, 3, d), 4, eps);
    y = tb_reshape(g, MUL(s->centred, s->rstd), rank, tb_dims(g, x));
    return CAST(affine(g, y, on_channels(g, w, rank), on_channels(g, b, rank)), t);
}

static tb_val
group_norm(tb_opctx *c)
{
    stats s;

    return grouped(c, V(0), DIM(1), V(2), V(3), FLOAT(4), &s);
}

/* (input, weight, bias, N, C, HxW, group, eps) */
static tb_val
native_group_norm(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    stats s;
    tb_val y = grouped(c, V(0), DIM(6), V(1), V(2), FLOAT(7), &s);

    return tb_body_out3(c, y, CAST(tb_squeeze_axes(g, s.mean, 4), t),
                        CAST(tb_squeeze_axes(g, s.rstd, 4), t));
}

static tb_val
instance_norm(tb_opctx *c)
{
    tb_graph *g = c->g;
    batch p = read_batch(c, 3, 6);
    uint32_t axes = ((1u << p.rank) - 1) & ~3u;
    stats s;

    if (!BOOL(5))
        return infer(c, &p);
    no_update(c, &p);
    s = measure(g, p.x, axes, p.eps);
    return CAST(affine(g, MUL(s.centred, s.rstd), on_channels(g, p.w, p.rank),
                       on_channels(g, p.b, p.rank)), p.t);
}

const tb_op tb_ops_norm[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, "
     "Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor",
     TB_KEEP, layer_norm},
    {"native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, "
     "Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, native_layer_norm},
    {"rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, "
     "float? eps=None) -> Tensor",
     TB_KEEP, rms_norm},
    {"_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, "
     "float? eps) -> (Tensor, Tensor)",
     TB_KEEP, fused_rms_norm},
    {"batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
     "Tensor? running_var, bool training, float momentum, float eps, "
     "bool cudnn_enabled) -> Tensor",
     TB_KEEP, batch_norm},
    {"native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, "
     "Tensor? running_mean, Tensor? running_var, bool training, float momentum, "
     "float eps) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, native_batch_norm},
    {"_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, "
     "Tensor(a!) running_mean, Tensor(b!) running_var, bool training, float momentum, "
     "float eps) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, native_batch_norm},
    {"_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, "
     "bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, batch_norm_no_stats},
    {"_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, "
     "Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, "
     "Tensor, Tensor)",
     TB_KEEP, batch_norm_no_training},
    {"_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, "
     "Tensor running_mean, Tensor running_var, bool training, float momentum, "
     "float eps) -> (Tensor, Tensor, Tensor, Tensor running_mean_out, "
     "Tensor running_var_out)",
     TB_KEEP, batch_norm_functional},
    {"_batch_norm_no_update(Tensor input, Tensor? weight, Tensor? bias, "
     "Tensor? running_mean, Tensor? running_var, float momentum, float eps) "
     "-> (Tensor, Tensor, Tensor, Tensor)",
     TB_KEEP, batch_norm_no_update},
    {"_batch_norm_with_update_functional(Tensor input, Tensor? weight, Tensor? bias, "
     "Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, "
     "Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)",
     TB_KEEP, batch_norm_with_update},
    {"group_norm(Tensor input, int num_groups, Tensor? weight=None, "
     "Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
     TB_KEEP, group_norm},
    {"native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, "
     "SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, native_group_norm},
    {"instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
     "Tensor? running_var, bool use_input_stats, float momentum, float eps, "
     "bool cudnn_enabled) -> Tensor",
     TB_KEEP, instance_norm},
    {0},
};

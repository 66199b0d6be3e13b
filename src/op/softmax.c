/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * softmax.c -- softmax and its relatives along one axis, and scans.
 *
 * The maximum is taken off before exponentials are formed, so nothing overflows; sums of
 * half types are kept in f32.
 */
#include "op/complex.h"

/* x of rank 0 as [1]: every axis exists. */
static tb_val
with_axis(tb_graph *g, tb_val x)
{
    return RANK(x) ? x : tb_unsqueeze(g, x, 0);
}

/* Back to the rank of argument 0. */
static tb_val
as_given(tb_opctx *c, tb_val r, tb_dtype t)
{
    tb_graph *g = c->g;

    if (RANK(V(0)) == 0)
        r = tb_squeeze_axes(g, r, (1u << RANK(r)) - 1);
    return CAST(r, t);
}

/* x - max(x), with -inf rows kept as they are. */
static tb_val
shifted(tb_graph *g, tb_val x, uint32_t axis)
{
    return SUB(x, RMAX(x, axis));
}

static tb_val
softmax_of(tb_graph *g, tb_val x, uint32_t axis)
{
    tb_val e = EXP(shifted(g, x, axis)), sum = RSUM(e, axis);

    /* one division for a row: the sum is at least 1, so that its reciprocal is as good but for
     * one more rounding, and vectors of divisions are slower than those of exponentials */
    return MUL(e, DIV(K(sum, 1), sum));
}

static tb_val
log_softmax_of(tb_graph *g, tb_val x, uint32_t axis)
{
    tb_val s = shifted(g, x, axis);

    return SUB(s, LOG(RSUM(EXP(s), axis)));
}

/* A row of -inf gives zeros instead of NaN. */
static tb_val
safe_softmax_of(tb_graph *g, tb_val x, uint32_t axis)
{
    tb_val none = EQ(RMAX(x, axis), K(x, -INFINITY)), r = softmax_of(g, x, axis);

    return WHERE(none, K(r, 0), r);
}

/* (self, dim, dtype) */
static tb_val
along(tb_opctx *c, tb_val (*fn)(tb_graph *, tb_val, uint32_t), tb_dtype t)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, tb_body_wide(g, CAST(V(0), t)));

    if (!tb_dtype_is_float(t))
        tb_body_lacks(c, "%s", tb_dtype_name(t));
    return as_given(c, fn(g, x, 1u << tb_body_axis(c, 1, RANK(x))), t);
}

static tb_val
with_dtype(tb_opctx *c, tb_val (*fn)(tb_graph *, tb_val, uint32_t))
{
    return along(c, fn, tb_body_dtype(c, 2, tb_dtype_of(c->g, V(0))));
}

static tb_val
softmax(tb_opctx *c)
{
    return with_dtype(c, softmax_of);
}

static tb_val
log_softmax(tb_opctx *c)
{
    return with_dtype(c, log_softmax_of);
}

static tb_val
safe_softmax(tb_opctx *c)
{
    return with_dtype(c, safe_softmax_of);
}

/* (self, dim, half_to_float) */
static tb_val
with_half(tb_opctx *c, tb_val (*fn)(tb_graph *, tb_val, uint32_t))
{
    return along(c, fn, BOOL(2) ? TB_F32 : tb_dtype_of(c->g, V(0)));
}

static tb_val
softmax_half(tb_opctx *c)
{
    return with_half(c, softmax_of);
}

static tb_val
log_softmax_half(tb_opctx *c)
{
    return with_half(c, log_softmax_of);
}

/* (gradient, result, dim, dtype of the input) */
static tb_val
backward(tb_opctx *c, bool of_log)
{
    tb_graph *g = c->g;
    tb_val d = with_axis(g, tb_body_wide(g, V(0)));
    tb_val y = with_axis(g, tb_body_wide(g, V(1)));
    uint32_t axis = 1u << tb_body_axis(c, 2, RANK(d));
    tb_val r;

    if (of_log)
        r = SUB(d, MUL(EXP(y), RSUM(d, axis)));
    else
        r = MUL(y, SUB(d, RSUM(MUL(d, y), axis)));
    return as_given(c, r, tb_body_dtype(c, 3, tb_dtype_of(g, V(0))));
}

static tb_val
softmax_backward(tb_opctx *c)
{
    return backward(c, false);
}

static tb_val
log_softmax_backward(tb_opctx *c)
{
    return backward(c, true);
}

/* ---- log of a sum of exponentials ---- */

/* The maximum (of complex numbers' real parts), 0 where it is not finite: inf - inf would
 * be NaN. */
static tb_val
finite_max(tb_graph *g, tb_val x, uint32_t axes)
{
    tb_dtype t = tb_dtype_of(g, x);
    tb_val m = RMAX(CAST(x, tb_dtype_part(t)), axes);

    return CAST(WHERE(EQ(M1(abs, m), K(m, INFINITY)), K(m, 0), m), t);
}

static tb_val
logsumexp(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    uint32_t axes = 0, n = tb_body_n(c, 1);
    int64_t dim[TB_MAX_RANK];
    tb_val x, m, r;

    if (!tb_dtype_is_inexact(t))
        t = TB_F32;
    x = with_axis(g, tb_body_wide(g, CAST(V(0), t)));
    if (n > TB_MAX_RANK)
        tb_body_raise(c, "too many axes");
    tb_body_ints(c, 1, (int)n, dim);
    for (uint32_t i = 0; i < n; i++)
        axes |= 1u << tb_body_wrap_axis(c, dim[i], RANK(x));
    if (!n)
        axes = (1u << RANK(x)) - 1;
    m = finite_max(g, x, axes);
    r = ADD(LOG(RSUM(EXP(SUB(x, m)), axes)), m);
    if (!BOOL(2))
        r = tb_squeeze_axes(g, r, axes);
    return as_given(c, r, t);
}

/* ---- scans ---- */

/* Integers add up as i64 unless a dtype is asked for. */
static tb_val
scan(tb_opctx *c, tb_prim p)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val x;

    if (!tb_dtype_is_inexact(t))
        t = TB_I64;
    t = tb_body_dtype(c, 2, t);
    x = with_axis(g, tb_body_wide(g, CAST(V(0), t)));
    return as_given(c, tb_scan(g, p, x, tb_body_axis(c, 1, RANK(x))), t);
}

static tb_val
cumsum(tb_opctx *c)
{
    return scan(c, TB_P_cumsum);
}

static tb_val
cumprod(tb_opctx *c)
{
    return scan(c, TB_P_cumprod);
}

/* The running extreme and where it was last met. */
static tb_val
running(tb_opctx *c, tb_prim p)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0)), v, met, at;
    int ax = tb_body_axis(c, 1, RANK(x));

    v = tb_scan(g, p, x, ax);
    met = EQ(x, v);
    if (tb_dtype_is_float(tb_dtype_of(g, x)))
        met = OR(met, NE(x, x));
    at = tb_iota(g, RANK(x), tb_dims(g, x), ax);
    at = tb_scan(g, TB_P_cummax, WHERE(met, at, K(at, 0)), ax);
    return tb_body_out2(c, as_given(c, v, tb_dtype_of(g, x)), as_given(c, at, TB_I64));
}

static tb_val
cummax(tb_opctx *c)
{
    return running(c, TB_P_cummax);
}

static tb_val
cummin(tb_opctx *c)
{
    return running(c, TB_P_cummin);
}

/* Around the maximum of the whole axis, in f64: what is 700 below it is lost. */
static tb_val
logcumsumexp(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), m;
    int ax;

    x = with_axis(g, CAST(x, tb_is_complex(g, x) ? TB_C128 : TB_F64));
    ax = tb_body_axis(c, 1, RANK(x));
    /* the NaN itself comes in by the sum */
    m = finite_max(g, WHERE(NE(x, x), K(x, -INFINITY), x), 1u << ax);
    x = ADD(LOG(tb_scan(g, TB_P_cumsum, EXP(SUB(x, m)), ax)), m);
    return as_given(c, x, tb_dtype_of(g, V(0)));
}

const tb_op tb_ops_softmax[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, softmax},
    {"special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, softmax},
    {"_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
     TB_KEEP, softmax_half},
    {"_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, safe_softmax},
    {"log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, log_softmax},
    {"special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, log_softmax},
    {"_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
     TB_KEEP, log_softmax_half},
    {"_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType "
     "input_dtype) -> Tensor",
     TB_KEEP, softmax_backward},
    {"_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, "
     "ScalarType input_dtype) -> Tensor",
     TB_KEEP, log_softmax_backward},
    {"logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
     TB_KEEP, logsumexp},
    {"special_logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
     TB_KEEP, logsumexp},
    {"cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, cumsum},
    {"cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, cumprod},
    {"cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)",
     TB_KEEP, cummax},
    {"cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)",
     TB_KEEP, cummin},
    {"logcumsumexp(Tensor self, int dim) -> Tensor",
     TB_KEEP, logcumsumexp},
    {0},
};

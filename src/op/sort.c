/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * sort.c -- sorting along an axis and what follows from it: the k largest, medians.
 *
 * Everything stands on the primitive `argsort`, which is stable and puts NaN last (first
 * when descending), as PyTorch does.
 */
#include "op/body.h"

typedef struct sorted {
    tb_val values, at;
    int axis;
} sorted;

/* `values` and `at` of all elements of x in order. */
static sorted
sort_along(tb_graph *g, tb_val x, int axis, bool descending)
{
    sorted s = {.axis = axis};

    s.at = tb_argsort(g, x, axis, descending);
    s.values = tb_body_take_along(g, x, axis, s.at);
    return s;
}

static tb_val
with_axis(tb_graph *g, tb_val x)
{
    return RANK(x) ? x : tb_unsqueeze(g, x, 0);
}

static tb_val
as_given(tb_opctx *c, tb_val r)
{
    tb_graph *g = c->g;

    return RANK(V(0)) ? r : tb_squeeze_axes(g, r, (1u << RANK(r)) - 1);
}

static tb_val
sort_args(tb_opctx *c, uint32_t dim, uint32_t descending)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0));
    sorted s = sort_along(g, x, tb_body_axis(c, dim, RANK(x)), BOOL(descending));

    return tb_body_out2(c, as_given(c, s.values), as_given(c, s.at));
}

static tb_val
sort(tb_opctx *c)
{
    return sort_args(c, 1, 2);
}

static tb_val
sort_stable(tb_opctx *c)
{
    return sort_args(c, 2, 3);
}

static tb_val
argsort_args(tb_opctx *c, uint32_t dim, uint32_t descending)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0));

    return as_given(c, tb_argsort(g, x, tb_body_axis(c, dim, RANK(x)), BOOL(descending)));
}

static tb_val
argsort(tb_opctx *c)
{
    return argsort_args(c, 1, 2);
}

static tb_val
argsort_stable(tb_opctx *c)
{
    return argsort_args(c, 2, 3);
}

static tb_val
msort(tb_opctx *c)
{
    tb_graph *g = c->g;

    return as_given(c, sort_along(g, with_axis(g, V(0)), 0, false).values);
}

/* The first k of the order; PyTorch does not say which of equal elements those are. */
static tb_val
topk(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0)), at;
    int ax = tb_body_axis(c, 2, RANK(x));
    tb_dim k = DIM(1);

    if (tb_dim_is_const(k) && tb_dim_is_const(SIZE(x, ax)) && (k < 0 || k > SIZE(x, ax)))
        tb_body_raise(c, "k is %lld, the axis has %lld elements", (long long)k,
                      (long long)SIZE(x, ax));
    at = tb_slice_axis(g, tb_argsort(g, x, ax, BOOL(3)), ax, 0, k, 1);
    return tb_body_out2(c, as_given(c, tb_body_take_along(g, x, ax, at)),
                        as_given(c, at));
}

/* Element number k of the order along the axis, which goes or becomes 1. */
static tb_val
nth(tb_opctx *c, const sorted *s, tb_val k, bool keepdim)
{
    tb_graph *g = c->g;
    uint32_t axis = 1u << s->axis;
    tb_val v = tb_body_take_along(g, s->values, s->axis, k);
    tb_val at = tb_body_take_along(g, s->at, s->axis, k);

    if (!keepdim) {
        v = tb_squeeze_axes(g, v, axis);
        at = tb_squeeze_axes(g, at, axis);
    }
    return tb_body_out2(c, RANK(V(0)) ? v : as_given(c, v),
                        RANK(V(0)) ? at : as_given(c, at));
}

static tb_val
kthvalue(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0)), k;
    sorted s = sort_along(g, x, tb_body_axis(c, 2, RANK(x)), false);

    k = SUB(tb_body_dim(g, DIM(1), TB_I64), I64(1));
    for (int i = 0; i < RANK(x); i++)
        k = tb_unsqueeze(g, k, 0);
    return nth(c, &s, k, BOOL(3));
}

/* The lower of the two in the middle; with `skip` NaNs do not count, else one NaN makes
 * the result NaN. */
static tb_val
median_along(tb_opctx *c, tb_val x, int axis, bool keepdim, bool skip)
{
    tb_graph *g = c->g;
    sorted s = sort_along(g, x, axis, false);
    uint32_t mask = 1u << axis;
    tb_val size = tb_body_dim(g, SIZE(x, axis), TB_I64), k, nan, count;

    for (int i = 0; i < RANK(x); i++)
        size = tb_unsqueeze(g, size, 0);
    k = DIV(SUB(size, K(size, 1)), K(size, 2));
    if (tb_dtype_is_float(tb_dtype_of(g, x))) {
        nan = CAST(NE(x, x), TB_I64);
        count = SUB(size, RSUM(nan, mask)); /* of numbers: NaNs are behind them */
        if (skip)
            k = DIV(MAX(SUB(count, K(count, 1)), K(count, 0)), K(count, 2));
        else
            k = WHERE(LT(count, size), count, k);
    }
    return nth(c, &s, k, keepdim);
}

static tb_val
median_all(tb_opctx *c, bool skip)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_flat(g, V(0));

    median_along(c, x, 0, false, skip);
    c->n_out = 0;
    return c->out[0];
}

static tb_val
median(tb_opctx *c)
{
    return median_all(c, false);
}

static tb_val
nanmedian(tb_opctx *c)
{
    return median_all(c, true);
}

static tb_val
median_dim(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0));

    return median_along(c, x, tb_body_axis(c, 1, RANK(x)), BOOL(2), false);
}

static tb_val
nanmedian_dim(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0));

    return median_along(c, x, tb_body_axis(c, 1, RANK(x)), BOOL(2), true);
}

/* The least of the most frequent elements, and the last place where it is: the end of the
 * first of the longest runs in order. A NaN is a run of its own. */
static tb_val
mode(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = with_axis(g, V(0)), at, last, start, length, best;
    int axis = tb_body_axis(c, 1, RANK(x));
    sorted s = sort_along(g, x, axis, false);

    if (SIZE(x, axis) == 0)
        tb_body_raise(c, "an axis without elements has no mode");
    at = tb_iota(g, RANK(x), tb_dims(g, x), axis);
    last = tb_body_take_along(g, s.values, axis, MAX(SUB(at, K(at, 1)), K(at, 0)));
    start = WHERE(OR(NE(s.values, last), EQ(at, K(at, 0))), at, K(at, 0));
    length = SUB(at, tb_scan(g, TB_P_cummax, start, axis));
    best = tb_reduce(g, TB_P_argmax, length, 1u << axis);
    return nth(c, &s, best, BOOL(2));
}

const tb_op tb_ops_sort[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor "
     "indices)",
     TB_KEEP, sort},
    {"sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> "
     "(Tensor values, Tensor indices)",
     TB_KEEP, sort_stable},
    {"argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor",
     TB_KEEP, argsort},
    {"argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) "
     "-> Tensor",
     TB_KEEP, argsort_stable},
    {"msort(Tensor self) -> Tensor",
     TB_KEEP, msort},
    {"topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> "
     "(Tensor values, Tensor indices)",
     TB_KEEP, topk},
    {"kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor "
     "values, Tensor indices)",
     TB_KEEP, kthvalue},
    {"median(Tensor self) -> Tensor",
     TB_KEEP, median},
    {"median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor "
     "indices)",
     TB_KEEP, median_dim},
    {"nanmedian(Tensor self) -> Tensor",
     TB_KEEP, nanmedian},
    {"nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, "
     "Tensor indices)",
     TB_KEEP, nanmedian_dim},
    {"mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor "
     "indices)",
     TB_KEEP, mode},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * segment.c -- reductions of segments of an axis that lengths or offsets tell.
 */
#include "op/body.h"

typedef struct segments {
    int axis;
    tb_dim n;      /* how many; the axes before have as many each */
    tb_val number; /* [before..., size] I64: of which segment a place is, n for none */
    tb_val length; /* [before..., n] I64 */
} segments;

/* For each place of x along the axes up to the segments': one index each, as gather and
 * scatter want them. */
static uint32_t
indices(tb_graph *g, const segments *s, tb_val *out)
{
    for (int i = 0; i < s->axis; i++)
        out[i] = tb_iota(g, s->axis + 1, tb_dims(g, s->number), i);
    out[s->axis] = s->number;
    return (uint32_t)s->axis + 1;
}

/* How many of the ends [before..., n] are at or before each of `size` places. */
static tb_val
ends_passed(tb_graph *g, tb_val ends, tb_dim size)
{
    int axis = RANK(ends) - 1;
    tb_dim dims[TB_MAX_RANK];
    tb_val at[TB_MAX_RANK], r;
    segments s = {.axis = axis};

    memcpy(dims, tb_dims(g, ends), sizeof *dims * (size_t)RANK(ends));
    dims[axis] = tb_dim_add(g->unit, size, 1);
    s.number = MAX(MIN(ends, tb_body_dim(g, size, TB_I64)), I64(0));
    indices(g, &s, at);
    r = tb_full_i(g, TB_I64, RANK(ends), tb_dims(g, ends), 1);
    r = tb_scatter(g, tb_full_i(g, TB_I64, axis + 1, dims, 0), r, (2u << axis) - 1, 1, at,
                   (uint32_t)axis + 1);
    return tb_scan(g, TB_P_cumsum, tb_slice_axis(g, r, axis, 0, size, 1), axis);
}

/* Arguments `lengths` and `offsets`, either of which may be None. */
static segments
read(tb_opctx *c, tb_val x, uint32_t lengths, uint32_t offsets, uint32_t axis)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    segments s = {.axis = tb_body_axis(c, axis, RANK(x))};
    bool by_length = given(c, lengths);
    tb_val v, ends, first = TB_NO_VAL, count;
    tb_dim size = SIZE(x, s.axis);

    if (!by_length && !given(c, offsets))
        tb_body_raise(c, "expected lengths or offsets");
    v = CAST(V(by_length ? lengths : offsets), TB_I64);
    if (RANK(v) != s.axis + 1)
        tb_body_raise(c, "expected axis %d to be the last of lengths or offsets", s.axis);
    s.n = by_length ? SIZE(v, s.axis) : tb_dim_sub(u, SIZE(v, s.axis), 1);
    if (by_length) {
        s.length = v;
        ends = tb_scan(g, TB_P_cumsum, v, s.axis);
    } else {
        first = tb_slice_axis(g, v, s.axis, 0, 1, 1);
        ends = tb_slice_axis(g, v, s.axis, 1, s.n, 1);
        s.length = SUB(ends, tb_slice_axis(g, v, s.axis, 0, s.n, 1));
    }
    s.number = ends_passed(g, ends, size);
    if (first.id) {
        count = tb_body_dim(g, s.n, TB_I64);
        s.number = WHERE(LT(tb_body_count_up(g, size, s.axis + 1, s.axis), first), count,
                         s.number);
    }
    return s;
}

/* A tensor [before..., k] beside x: axes of size 1 behind. */
static tb_val
beside(tb_graph *g, tb_val v, tb_val x)
{
    while (RANK(v) < RANK(x))
        v = tb_unsqueeze(g, v, RANK(v));
    return v;
}

/* Folds x [before..., size, behind...] to [before..., n, behind...], from `initial` on. */
static tb_val
folded(tb_graph *g, const segments *s, tb_val x, int mode, tb_val initial)
{
    tb_dim dims[TB_MAX_RANK];
    tb_val at[TB_MAX_RANK], r;
    uint32_t n = indices(g, s, at);

    memcpy(dims, tb_dims(g, x), sizeof *dims * (size_t)RANK(x));
    dims[s->axis] = tb_dim_add(g->unit, s->n, 1); /* the last takes what is in none */
    r = tb_expand(g, initial, RANK(x), dims);
    r = tb_scatter(g, r, x, (1u << n) - 1, mode, at, n);
    return tb_slice_axis(g, r, s->axis, 0, s->n, 1);
}

/* What a tensor has for segments, at each place of the axis; 0 in none. */
static tb_val
spread(tb_graph *g, const segments *s, tb_val v)
{
    tb_val at[TB_MAX_RANK];
    uint32_t n = indices(g, s, at);

    v = tb_body_pad_axis(g, v, s->axis, 0, 1, 0);
    return tb_gather(g, v, (1u << n) - 1, at, n);
}

typedef enum how { SUM, MEAN, LEAST, MOST, PRODUCT } how;

static how
how_of(tb_opctx *c, uint32_t i)
{
    static const char *const names[] = {"sum", "mean", "min", "max", "prod"};

    for (int k = 0; k < 5; k++)
        if (tb_body_is(c, i, names[k]))
            return (how)k;
    tb_body_raise(c, "reduce is not 'sum', 'mean', 'min', 'max' or 'prod'");
}

/* (data, reduce, lengths, indices, offsets, axis, unsafe, initial) */
static tb_val
segment_reduce(tb_opctx *c)
{
    static const int mode[] = {1, 1, 4, 3, 2};
    static const double neutral[] = {0, 0, INFINITY, -INFINITY, 1};
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), r, n;
    how h = how_of(c, 1);
    segments s;

    if (given(c, 3))
        tb_body_lacks(c, "indices");
    s = read(c, x, 2, 4, 5);
    if (given(c, 2)) {
        tb_assert_node(g, tb_body_all(g, LE(I64(0), s.length)),
                       TB_STR("lengths contains negative value!"));
        n = RSUM(s.length, 1u << s.axis);
        if (!BOOL(6))
            tb_assert_node(g,
                           tb_body_all(g, EQ(n, tb_body_dim(g, SIZE(x, s.axis), TB_I64))),
                           TB_STR("segment_reduce(): Expected all rows of lengths along axis "
                                  "to sum to data.size(lengths.dim()-1) when !unsafe."));
    }
    r = folded(g, &s, x, mode[h], K(x, given(c, 7) ? FLOAT(7) : neutral[h]));
    if (h == MEAN) {
        n = beside(g, s.length, x);
        r = WHERE(EQ(n, I64(0)), given(c, 7) ? r : K(r, NAN), DIV(r, CAST(n, tb_dtype_of(g, r))));
    }
    return CAST(r, tb_dtype_of(g, V(0)));
}

/* ---- the derivative ---- */

/* All extremes of a segment share its gradient; one that is not above 0 is not shared, but
 * handed to each as it is. So PyTorch does. */
static tb_val
of_extremes(tb_graph *g, const segments *s, tb_val grad, tb_val x, tb_val out)
{
    tb_val hit = OR(NE(x, x), EQ(x, spread(g, s, out))), n;

    n = spread(g, s, folded(g, s, CAST(hit, tb_dtype_of(g, x)), 1, K(x, 0)));
    grad = WHERE(LT(K(grad, 0), grad), DIV(grad, n), grad);
    return WHERE(hit, grad, K(grad, 0));
}

/* The product of the others is output / x. Where x is 0 or NaN that is of no use: the
 * product of the rest, times 0 and NaN if another one is that. */
static tb_val
of_product(tb_graph *g, const segments *s, tb_val grad, tb_val x, tb_val out, double initial)
{
    tb_dtype t = tb_dtype_of(g, x);
    tb_val zero = EQ(x, K(x, 0)), nan = NE(x, x), one = K(x, 1), rest, zeros, nans;

    rest = folded(g, s, WHERE(OR(zero, nan), one, x), 2, K(x, initial));
    zeros = folded(g, s, CAST(zero, t), 1, K(x, 0));
    nans = folded(g, s, CAST(nan, t), 1, K(x, 0));
    zeros = SUB(spread(g, s, zeros), CAST(zero, t));
    nans = SUB(spread(g, s, nans), CAST(nan, t));
    rest = MUL(spread(g, s, rest), WHERE(LT(K(x, 0), zeros), K(x, 0), one));
    rest = MUL(rest, WHERE(LT(K(x, 0), nans), K(x, NAN), one));
    return WHERE(OR(zero, nan), MUL(grad, rest), DIV(MUL(grad, spread(g, s, out)), x));
}

/* (grad, output, data, reduce, lengths, offsets, axis, initial) */
static tb_val
segment_reduce_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val out = tb_body_wide(g, V(1)), x = tb_body_wide(g, V(2)), grad = tb_body_wide(g, V(0));
    tb_val inside;
    how h = how_of(c, 3);
    segments s = read(c, x, 4, 5, 6);

    if (h == MEAN)
        grad = DIV(grad, CAST(beside(g, s.length, x), tb_dtype_of(g, grad)));
    grad = spread(g, &s, grad);
    if (h == LEAST || h == MOST)
        grad = of_extremes(g, &s, grad, x, out);
    else if (h == PRODUCT)
        grad = of_product(g, &s, grad, x, out, given(c, 7) ? FLOAT(7) : 1);
    inside = beside(g, LT(s.number, tb_body_dim(g, s.n, TB_I64)), x);
    return CAST(WHERE(inside, grad, K(grad, 0)), tb_dtype_of(g, V(2)));
}

const tb_op tb_ops_segment[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, "
     "Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, "
     "Scalar? initial=None) -> Tensor",
     TB_KEEP, segment_reduce},
    {"_segment_reduce_backward(Tensor grad, Tensor output, Tensor data, str reduce, *, "
     "Tensor? lengths=None, Tensor? offsets=None, int axis=0, Scalar? initial=None) "
     "-> Tensor",
     TB_KEEP, segment_reduce_backward},
    {0},
};

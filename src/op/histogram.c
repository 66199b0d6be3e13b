/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * histogram.c -- how many elements, or what weight of them, lies in each bin.
 *
 * An axis of bins has edges; its last bin has its right edge too. With a number of bins the
 * edges are at equal distances, and the bin of an element follows from its place between the
 * outer ones.
 */
#include "op/body.h"

typedef struct bins {
    tb_dim n;
    tb_val edges; /* [n + 1], of the elements' dtype */
    tb_val lo, hi; /* the outer edges */
    bool even;
} bins;

/* A result of one step as PyTorch stores it, in half types; in the wide type again. */
static tb_val
step(tb_graph *g, tb_val x, tb_dtype t)
{
    return tb_body_wide(g, CAST(x, t));
}

/* n + 1 numbers from lo to hi, from both ends towards the middle, with the bits of
 * torch.linspace: the distance is of the dtype, product and sum round once. */
static tb_val
even_edges(tb_graph *g, tb_val lo, tb_val hi, int64_t n)
{
    tb_dim size = n + 1;
    tb_val i = CAST(tb_iota(g, 1, &size, 0), TB_F64), a = CAST(lo, TB_F64), up, down;
    tb_val b = CAST(hi, TB_F64), d = CAST(DIV(SUB(hi, lo), K(lo, (double)n)), TB_F64);

    up = ADD(a, MUL(d, i));
    down = SUB(b, MUL(d, SUB(K(i, (double)n), i)));
    return CAST(WHERE(LT(i, K(i, (double)(size / 2))), up, down), tb_dtype_of(g, lo));
}

static tb_val
end_of(tb_graph *g, tb_val edges, tb_dim at)
{
    return tb_reshape(g, tb_slice_axis(g, edges, 0, at, 1, 1), 0, NULL);
}

static bins
bins_between(tb_graph *g, tb_val lo, tb_val hi, int64_t n)
{
    bins b = {.n = n, .edges = even_edges(g, lo, hi, n), .lo = lo, .hi = hi, .even = true};

    return b;
}

static bins
bins_of(tb_opctx *c, tb_val edges)
{
    tb_graph *g = c->g;
    bins b = {.edges = edges};

    if (RANK(edges) != 1)
        tb_body_raise(c, "expected edges of rank 1, found rank %d", RANK(edges));
    b.n = tb_dim_sub(g->unit, SIZE(edges, 0), 1);
    if (tb_dim_is_const(b.n) && b.n < 0)
        tb_body_raise(c, "expected at least one edge");
    b.lo = end_of(g, edges, 0);
    b.hi = end_of(g, edges, b.n);
    return b;
}

/* 1 if edges[at] <= x, as I64; edges before the first count as below, behind the last as
 * above. */
static tb_val
edge_below(tb_graph *g, const bins *b, tb_val x, tb_val at)
{
    tb_val last = tb_body_dim(g, b->n, TB_I64), in = MAX(MIN(at, last), I64(0));
    tb_val below = LE(tb_gather(g, b->edges, 1, &in, 1), x);

    return CAST(OR(LT(at, I64(0)), AND(LE(at, last), below)), TB_I64);
}

/* The bin of each element of x [N], b->n for those in none. `exact`: rounding must not put
 * an element on the wrong side of an edge. */
static tb_val
bin_of(tb_graph *g, const bins *b, tb_val x, bool exact)
{
    tb_dtype t = tb_dtype_of(g, x);
    tb_val ok = AND(LE(b->lo, x), LE(x, b->hi)), n = tb_body_dim(g, b->n, TB_I64), at, wide;

    if (b->even) {
        wide = step(g, SUB(tb_body_wide(g, x), tb_body_wide(g, b->lo)), t);
        wide = step(g, MUL(wide, step(g, K(wide, (double)b->n), t)), t);
        wide = step(g, DIV(wide, step(g, SUB(tb_body_wide(g, b->hi), tb_body_wide(g, b->lo)),
                                      t)), t);
        at = CAST(WHERE(ok, wide, K(wide, 0)), TB_I64);
        if (exact) { /* at most one bin off */
            tb_val sum = ADD(edge_below(g, b, x, SUB(at, I64(1))), edge_below(g, b, x, at));

            sum = ADD(sum, edge_below(g, b, x, ADD(at, I64(1))));
            at = ADD(at, SUB(sum, I64(2)));
        }
    } else {
        at = CAST(LE(b->edges, tb_unsqueeze(g, x, 1)), TB_I64);
        at = SUB(tb_squeeze_axes(g, RSUM(at, 2), 2), I64(1));
    }
    at = MAX(MIN(at, SUB(n, I64(1))), I64(0));
    return WHERE(ok, at, n);
}

/* Of x [N, axes]: the sums of `weight` [N] (NO_VAL: of ones) in the bins of each axis. */
static tb_val
counted(tb_graph *g, const bins *b, int axes, tb_val x, tb_val weight, bool exact)
{
    tb_unit *u = g->unit;
    tb_dtype t = tb_dtype_of(g, x), sum = weight.id ? t : TB_I64;
    tb_val place = I64(0), out = TB_NO_VAL, r;
    tb_dim all = 1, more, dims[TB_MAX_RANK], n = SIZE(x, 0);

    for (int i = 0; i < axes; i++) {
        tb_val size = tb_body_dim(g, b[i].n, TB_I64), at, none;

        at = tb_reshape(g, tb_slice_axis(g, x, 1, i, 1, 1), 1, &n);
        at = bin_of(g, &b[i], at, exact);
        none = EQ(at, size);
        out = out.id ? OR(out, none) : none;
        place = ADD(MUL(place, size), at);
        all = tb_dim_mul(u, all, b[i].n);
        dims[i] = b[i].n;
    }
    place = WHERE(out, tb_body_dim(g, all, TB_I64), place); /* behind all bins */
    more = tb_dim_add(u, all, 1);
    r = tb_expand(g, tb_body_number(g, sum, 0), 1, &more);
    weight = weight.id ? weight : tb_full_i(g, sum, 1, &n, 1);
    r = tb_scatter(g, r, weight, 1, 1, &place, 1);
    return CAST(tb_reshape(g, tb_slice_axis(g, r, 0, 0, all, 1), axes, dims), t);
}

/* Divided by the sum of all and the volume of each bin. */
static tb_val
as_density(tb_graph *g, tb_val r, const bins *b, int axes)
{
    r = DIV(r, RSUM(r, (1u << axes) - 1));
    for (int i = 0; i < axes; i++) {
        tb_val length = SUB(tb_slice_axis(g, b[i].edges, 0, 1, b[i].n, 1),
                            tb_slice_axis(g, b[i].edges, 0, 0, b[i].n, 1));

        r = DIV(r, tb_body_on_axis(g, length, axes, i));
    }
    return r;
}

/* ---- the outer edges ---- */

/* The extremes of x [N]; 0 and `if_empty` without elements. Equal ones are moved apart. */
static void
outer_edges(tb_graph *g, tb_val x, double if_empty, tb_val *lo, tb_val *hi)
{
    tb_val none = EQ(tb_body_dim(g, SIZE(x, 0), TB_I64), I64(0));

    *lo = WHERE(none, K(x, 0), tb_reshape(g, RMIN(x, 1), 0, NULL));
    *hi = WHERE(none, K(x, if_empty), tb_reshape(g, RMAX(x, 1), 0, NULL));
}

static void
moved_apart(tb_graph *g, double by, tb_val *lo, tb_val *hi)
{
    tb_val same = EQ(*lo, *hi);
    tb_val down = SUB(*lo, K(*lo, by)), up = ADD(*hi, K(*hi, by));

    *lo = WHERE(same, down, *lo);
    *hi = WHERE(same, up, *hi);
}

/* x - x is 0 of finite numbers only. */
static void
check_finite(tb_graph *g, tb_val lo, tb_val hi, const char *message)
{
    tb_val ok = AND(EQ(SUB(lo, lo), K(lo, 0)), EQ(SUB(hi, hi), K(hi, 0)));

    tb_assert_node(g, ok, tb_str_c(message));
}

static double
number_at(tb_opctx *c, uint32_t arg, uint32_t i)
{
    const tb_arg *a = tb_body_at(c, arg, i);

    return a->kind == TB_ARG_INT ? (double)a->i : a->f;
}

/* Edges of axis i of x [N, ..]: argument 2 is the range or None. */
static bins
given_count(tb_opctx *c, tb_val x, int i, int64_t n)
{
    tb_graph *g = c->g;
    tb_dim size = SIZE(x, 0);
    tb_val lo, hi;

    if (n < 1)
        tb_body_raise(c, "the number of bins must be positive");
    if (given(c, 2)) {
        double a = number_at(c, 2, 2 * (uint32_t)i), b = number_at(c, 2, 2 * (uint32_t)i + 1);

        if (!isfinite(a) || !isfinite(b))
            tb_body_raise(c, "dimension %d's range [%g, %g] is not finite", i, a, b);
        if (a > b)
            tb_body_raise(c, "min should not exceed max, but got min %g max %g", a, b);
        lo = K(x, a);
        hi = K(x, b);
    } else {
        outer_edges(g, tb_reshape(g, tb_slice_axis(g, x, 1, i, 1, 1), 1, &size), 1, &lo, &hi);
        check_finite(g, lo, hi, "torch.histogramdd: the range of a dimension is not finite");
    }
    moved_apart(g, 0.5, &lo, &hi);
    return bins_between(g, lo, hi, n);
}

/* ---- operators ---- */

/* (self, bins, min, max); min and max both the same: the extremes of the data */
static tb_val
histc(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_flat(g, V(0)), lo = K(x, FLOAT(2)), hi = K(x, FLOAT(3));
    int64_t n = INT(1);
    bins b;

    if (n < 1)
        tb_body_raise(c, "bins must be positive");
    if (!isfinite(FLOAT(2)) || !isfinite(FLOAT(3)))
        tb_body_raise(c, "range of [%g, %g] is not finite", FLOAT(2), FLOAT(3));
    if (FLOAT(2) > FLOAT(3))
        tb_body_raise(c, "max must be larger than min");
    if (FLOAT(2) == FLOAT(3)) {
        tb_val none = EQ(tb_body_dim(g, SIZE(x, 0), TB_I64), I64(0)), least, most;

        outer_edges(g, x, 0, &least, &most);
        lo = WHERE(none, lo, least);
        hi = WHERE(none, hi, most);
        check_finite(g, lo, hi, "torch.histc: the range of the data is not finite");
        moved_apart(g, 1, &lo, &hi);
    }
    b = bins_between(g, lo, hi, n);
    return counted(g, &b, 1, tb_unsqueeze(g, x, 1), TB_NO_VAL, false);
}

/* The elements as [N, axes], and the weights as [N]. */
static tb_val
as_points(tb_opctx *c, tb_val x, int64_t axes)
{
    tb_graph *g = c->g;
    tb_dim d[2] = {0, axes};

    if (RANK(x) < 2 || !tb_dim_eq(g->unit, SIZE(x, RANK(x) - 1), axes))
        tb_body_raise(c, "expected points with a last axis of %lld, as many as there are bins",
                      (long long)axes);
    if (axes > TB_MAX_RANK)
        tb_body_lacks(c, "more than %d axes of bins", TB_MAX_RANK);
    d[0] = tb_body_count(g, x, (1u << (RANK(x) - 1)) - 1);
    return tb_reshape(g, x, 2, d);
}

static tb_val
weights(tb_opctx *c, uint32_t arg, tb_val x)
{
    tb_graph *g = c->g;

    return given(c, arg) ? CAST(tb_body_flat(g, V(arg)), tb_dtype_of(g, x)) : TB_NO_VAL;
}

/* (self, bins, range, weight, density) */
static tb_val
histogram_count(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_unsqueeze(g, tb_body_flat(g, V(0)), 1), r;
    bins b = given_count(c, x, 0, INT(1));

    r = counted(g, &b, 1, x, weights(c, 3, x), true);
    return tb_body_out2(c, BOOL(4) ? as_density(g, r, &b, 1) : r, b.edges);
}

/* (self, bins, weight, density) */
static tb_val
histogram_edges(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_unsqueeze(g, tb_body_flat(g, V(0)), 1), r;
    bins b = bins_of(c, V(1));

    r = counted(g, &b, 1, x, weights(c, 2, x), true);
    return tb_body_out2(c, BOOL(3) ? as_density(g, r, &b, 1) : r, b.edges);
}

/* Bins of all axes for (self, bins, range, weight, density). */
static tb_val
all_counts(tb_opctx *c, bins *b)
{
    int64_t n[TB_MAX_RANK];
    int axes = (int)tb_body_n(c, 1);
    tb_val x = as_points(c, V(0), axes);

    if (given(c, 2) && (int)tb_body_n(c, 2) != 2 * axes)
        tb_body_raise(c, "expected a range of %d numbers, found %u", 2 * axes, tb_body_n(c, 2));
    tb_body_ints(c, 1, axes, n);
    for (int i = 0; i < axes; i++)
        b[i] = given_count(c, x, i, n[i]);
    return x;
}

static tb_val
histogramdd_edges(tb_opctx *c)
{
    bins b[TB_MAX_RANK];
    uint32_t axes = tb_body_n(c, 1);
    tb_val *list = TB_NEWN(&c->g->unit->cx->scratch, tb_val, axes + 1);

    all_counts(c, b);
    for (uint32_t i = 0; i < axes; i++)
        list[i] = b[i].edges;
    c->list = list;
    c->n_list = axes;
    return TB_NO_VAL;
}

static tb_val
histogramdd_count(tb_opctx *c)
{
    tb_graph *g = c->g;
    bins b[TB_MAX_RANK];
    int axes = (int)tb_body_n(c, 1);
    tb_val x = all_counts(c, b), r = counted(g, b, axes, x, weights(c, 3, x), true);

    return BOOL(4) ? as_density(g, r, b, axes) : r;
}

/* (self, bins, weight, density) */
static tb_val
histogramdd_tensors(tb_opctx *c)
{
    tb_graph *g = c->g;
    bins b[TB_MAX_RANK];
    int axes = (int)tb_body_n(c, 1);
    tb_val x = as_points(c, V(0), axes), r;

    for (int i = 0; i < axes; i++)
        b[i] = bins_of(c, tb_body_at(c, 1, (uint32_t)i)->v);
    r = counted(g, b, axes, x, weights(c, 2, x), true);
    return BOOL(3) ? as_density(g, r, b, axes) : r;
}

const tb_op tb_ops_histogram[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor",
     TB_KEEP, histc},
    {"histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, "
     "Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
     TB_KEEP, histogram_count},
    {"histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, "
     "bool density=False) -> (Tensor hist, Tensor bin_edges)",
     TB_KEEP, histogram_edges},
    {"_histogramdd_bin_edges(Tensor self, int[] bins, *, float[]? range=None, "
     "Tensor? weight=None, bool density=False) -> Tensor[]",
     TB_KEEP, histogramdd_edges},
    {"_histogramdd_from_bin_cts(Tensor self, int[] bins, *, float[]? range=None, "
     "Tensor? weight=None, bool density=False) -> Tensor",
     TB_KEEP, histogramdd_count},
    {"_histogramdd_from_bin_tensors(Tensor self, Tensor[] bins, *, Tensor? weight=None, "
     "bool density=False) -> Tensor",
     TB_KEEP, histogramdd_tensors},
    {0},
};

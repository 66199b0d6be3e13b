/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * select.c -- operators whose result is as large as the data says: nonzero, masked_select,
 * unique, bincount.
 *
 * The size is counted first and read as a number (the primitive `item`): from there on it is
 * a symbol like any other. What is selected moves to the front by a scatter: each element
 * goes to the place that a running sum gives it, those that are not taken behind the end.
 */
#include "op/index.h"

#define MANY (TB_DIM_EXPR - 1) /* no limit to a size */

/* ---- sizes from data ---- */

/* How many elements of mask [N] are true, as an I64 of rank 0. */
static tb_val
how_many(tb_graph *g, tb_val mask)
{
    return tb_reshape(g, RSUM(CAST(mask, TB_I64), 1), 0, NULL);
}

/* The positions of the true elements of mask [N], in order, in the first places of I64
 * [room]; zeros behind them. */
static tb_val
positions(tb_graph *g, tb_val mask, tb_dim room)
{
    tb_unit *u = g->unit;
    tb_dim more = tb_dim_add(u, room, 1); /* the last place takes what is not wanted */
    tb_val end = tb_body_dim(g, room, TB_I64);
    tb_val at = SUB(tb_scan(g, TB_P_cumsum, CAST(mask, TB_I64), 0), I64(1));

    at = WHERE(mask, MIN(at, end), end);
    at = tb_scatter(g, tb_full_i(g, TB_I64, 1, &more, 0),
                    tb_body_count_up(g, SIZE(mask, 0), 1, 0), 1, 0, &at, 1);
    return tb_slice_axis(g, at, 0, 0, room, 1);
}

tb_val
tb_indices_true(tb_graph *g, tb_val mask)
{
    tb_dim n;

    mask = tb_body_flat(g, mask);
    n = tb_body_count_item(g, how_many(g, mask), SIZE(mask, 0));
    return tb_slice_axis(g, positions(g, mask, SIZE(mask, 0)), 0, 0, n, 1);
}

void
tb_indices_split(tb_graph *g, tb_val at, int rank, const tb_dim *dims, tb_val *out)
{
    for (int i = rank; i-- > 0;) {
        tb_val n = tb_body_dim(g, dims[i], TB_I64);

        out[i] = i ? REM(at, n) : at;
        at = i ? DIV(at, n) : at;
    }
}

/* ---- nonzero ---- */

/* Positions [n] in x, flat, as one row [rank of x] each. */
static tb_val
as_rows(tb_graph *g, tb_val at, tb_val x)
{
    tb_val along[TB_MAX_RANK];
    tb_dim none[2] = {SIZE(at, 0), 0};

    if (RANK(x) == 0)
        return tb_full_i(g, TB_I64, 2, none, 0);
    tb_indices_split(g, at, RANK(x), tb_dims(g, x), along);
    for (int i = 0; i < RANK(x); i++)
        along[i] = tb_unsqueeze(g, along[i], 1);
    return tb_concat(g, along, (uint32_t)RANK(x), 1);
}

static tb_val
nonzero(tb_opctx *c)
{
    tb_graph *g = c->g;

    return as_rows(g, tb_indices_true(g, CAST(V(0), TB_BOOL)), V(0));
}

/* (self, *, size, fill_value): as many rows as are asked for. */
static tb_val
nonzero_static(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val mask = tb_body_flat(g, CAST(V(0), TB_BOOL)), at, given;

    at = positions(g, mask, DIM(1));
    given = LT(tb_body_count_up(g, DIM(1), 1, 0), how_many(g, mask));
    at = as_rows(g, at, V(0));
    return WHERE(tb_unsqueeze(g, given, 1), at, tb_body_scalar(c, 2, TB_I64));
}

static tb_val
masked_select(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), mask = CAST(V(1), TB_BOOL), at;

    tb_broadcast(g, &x, &mask);
    at = tb_indices_true(g, mask);
    return tb_gather(g, tb_body_flat(g, x), 1, &at, 1);
}

/* ---- unique ---- */

/* Equal neighbours of a list [N]: `first` says where such a run begins. */
typedef struct runs {
    tb_val first; /* BOOL [N] */
    tb_val order; /* where each element of the list stood before it was sorted, or NO_VAL */
} runs;

/* What precedes each element along axis 0; the first one precedes itself. */
static tb_val
before(tb_graph *g, tb_val x)
{
    tb_val at = MAX(SUB(tb_body_count_up(g, SIZE(x, 0), 1, 0), I64(1)), I64(0));

    return tb_gather(g, x, 1, &at, 1);
}

/* Where elements (rows, if x has more axes) differ from the one before. */
static tb_val
changes(tb_graph *g, tb_val x)
{
    tb_val differ = NE(x, before(g, x));
    tb_dim n = SIZE(x, 0);

    if (RANK(x) > 1)
        differ = tb_reduce(g, TB_P_rany, differ, (1u << RANK(x)) - 2);
    return OR(tb_reshape(g, differ, 1, &n), EQ(tb_body_count_up(g, n, 1, 0), I64(0)));
}

/* The results of a search for runs in x [N, ...]: what each begins with; for each element
 * of the list as it was the number of its run, as [shape]; how long the runs are. */
static tb_val
run_results(tb_opctx *c, tb_val x, runs r, bool inverse, bool counts, int rank,
            const tb_dim *shape)
{
    tb_graph *g = c->g;
    tb_dim none = 0, size = SIZE(x, 0);
    tb_val starts = tb_indices_true(g, r.first), group, out[3];

    group = SUB(tb_scan(g, TB_P_cumsum, CAST(r.first, TB_I64), 0), I64(1));
    out[0] = tb_gather(g, x, 1, &starts, 1);
    out[1] = out[2] = tb_full_i(g, TB_I64, 1, &none, 0);
    if (inverse) {
        out[1] = group;
        if (r.order.id)
            out[1] = tb_scatter(g, tb_full_i(g, TB_I64, 1, &size, 0), group, 1, 0,
                                &r.order, 1);
        out[1] = tb_reshape(g, out[1], rank, shape);
    }
    if (counts) { /* added up where the runs could be, and cut to those there are */
        tb_val ones = tb_full_i(g, TB_I64, 1, &size, 1);

        out[2] = tb_scatter(g, tb_full_i(g, TB_I64, 1, &size, 0), ones, 1, 1, &group, 1);
        out[2] = tb_slice_axis(g, out[2], 0, 0, SIZE(starts, 0), 1);
    }
    return tb_body_out3(c, out[0], out[1], out[2]);
}

static tb_val
unique_of(tb_opctx *c, bool inverse, bool counts)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_flat(g, V(0));
    runs r = {.order = tb_argsort(g, x, 0, false)};

    x = tb_gather(g, x, 1, &r.order, 1);
    r.first = changes(g, x);
    return run_results(c, x, r, inverse, counts, RANK(V(0)), tb_dims(g, V(0)));
}

static tb_val
unique2(tb_opctx *c)
{
    return unique_of(c, BOOL(2), BOOL(3));
}

static tb_val
unique_two(tb_opctx *c)
{
    unique_of(c, BOOL(2), false);
    return tb_body_out2(c, c->out[0], c->out[1]);
}

/* Rows of x [N, M] in the order of a dictionary: sorted by each column, the last first, by a
 * sort that keeps the order of equals. v: x, the order so far [N], the column. */
static tb_val
columns_left(tb_graph *g, const tb_val *v, void *user)
{
    (void)user;
    return LE(I64(0), v[2]);
}

static void
sort_by_column(tb_graph *g, tb_val *v, void *user)
{
    tb_dim n = SIZE(v[0], 0);
    tb_val column = tb_expand(g, v[2], 1, &n), key, at[2] = {v[1], column};

    (void)user;
    key = tb_gather(g, v[0], 3, at, 2);
    key = tb_argsort(g, key, 0, false);
    v[1] = tb_gather(g, v[1], 1, &key, 1);
    v[2] = SUB(v[2], I64(1));
}

/* x with the axis first, and its rows [N, M]. */
static tb_val
rows_of(tb_graph *g, tb_val x, int axis, tb_val *rows)
{
    tb_dim d[2];

    x = tb_body_move(g, x, axis, 0);
    d[0] = SIZE(x, 0);
    d[1] = tb_body_count(g, x, ~1u);
    *rows = tb_reshape(g, x, 2, d);
    return x;
}

/* On an axis PyTorch gives all three results, asked for or not. */
static tb_val
unique_along(tb_opctx *c, int axis, bool sorted)
{
    tb_graph *g = c->g;
    tb_val rows, x = rows_of(g, V(0), axis, &rows), loop[3];
    tb_dim n = SIZE(x, 0);
    runs r = {0};

    if (sorted) {
        loop[0] = rows;
        loop[1] = tb_body_count_up(g, n, 1, 0);
        loop[2] = SUB(tb_body_dim(g, SIZE(rows, 1), TB_I64), I64(1));
        tb_body_while(g, loop, 3, columns_left, sort_by_column, NULL);
        r.order = loop[1];
        x = tb_gather(g, x, 1, &r.order, 1);
    }
    r.first = changes(g, x);
    run_results(c, x, r, true, true, 1, &n);
    c->out[0] = tb_body_move(g, c->out[0], 0, axis);
    return TB_NO_VAL;
}

static tb_val
unique_dim(tb_opctx *c)
{
    tb_graph *g = c->g;

    return unique_along(c, tb_body_axis(c, 1, RANK(V(0))), true);
}

static tb_val
unique_dim_consecutive(tb_opctx *c)
{
    tb_graph *g = c->g;

    return unique_along(c, tb_body_axis(c, 1, RANK(V(0))), false);
}

static tb_val
unique_consecutive(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    runs r = {0};

    if (given(c, 3) && (RANK(x) != 1 || INT(3) != 0))
        return unique_along(c, tb_body_axis(c, 3, RANK(x)), false);
    x = tb_body_flat(g, x);
    r.first = changes(g, x);
    return run_results(c, x, r, BOOL(1), BOOL(2), RANK(V(0)), tb_dims(g, V(0)));
}

/* ---- counts ---- */

/* (self, weights, minlength) */
static tb_val
bincount(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), w = V(1), size;
    tb_dtype t = TB_I64;
    tb_dim n = DIM(2);

    if (RANK(x) != 1)
        tb_body_raise(c, "expected a list of integers, found rank %d", RANK(x));
    if (w.id)
        t = tb_dtype_of(g, w) == TB_F32 ? TB_F32 : TB_F64;
    x = CAST(x, TB_I64);
    w = w.id ? CAST(w, t) : tb_full_i(g, TB_I64, 1, tb_dims(g, x), 1);
    if (SIZE(x, 0) != 0) {
        tb_assert_node(g, tb_body_all(g, LE(I64(0), x)),
                       TB_STR("bincount only supports 1-d non-negative integral inputs."));
        size = tb_reshape(g, RMAX(x, 1), 0, NULL);
        size = MAX(ADD(size, I64(1)), tb_body_dim(g, n, TB_I64));
        n = tb_body_count_item(g, size, MANY);
    }
    return tb_scatter(g, tb_expand(g, tb_body_number(g, t, 0), 1, &n), w, 1, 1, &x, 1);
}

/* Each index as often as `repeats` [N] says. */
static tb_val
repeat_interleave(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val ends, total, at, marks;
    tb_dim n, more;

    if (RANK(V(0)) != 1)
        tb_body_raise(c, "expected a list of repeats, found rank %d", RANK(V(0)));
    ends = CAST(V(0), TB_I64);
    tb_assert_node(g, tb_body_all(g, LE(I64(0), ends)), TB_STR("repeats can not be negative"));
    total = tb_reshape(g, RSUM(ends, 1), 0, NULL);
    n = tb_body_count_item(g, total, MANY);
    if (given(c, 1))
        tb_dim_assume_eq(g->unit, n, DIM(1), c->loc);
    /* as many steps up at each place as lists end there */
    more = tb_dim_add(g->unit, n, 1);
    at = tb_scan(g, TB_P_cumsum, ends, 0);
    marks = tb_scatter(g, tb_full_i(g, TB_I64, 1, &more, 0),
                       tb_full_i(g, TB_I64, 1, tb_dims(g, at), 1), 1, 1, &at, 1);
    marks = tb_scan(g, TB_P_cumsum, tb_slice_axis(g, marks, 0, 0, n, 1), 0);
    return CAST(marks, tb_dtype_of(g, V(0)));
}

const tb_op tb_ops_select[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"nonzero(Tensor self) -> Tensor",
     TB_KEEP, nonzero},
    {"nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor",
     TB_KEEP, nonzero_static},
    {"masked_select(Tensor self, Tensor mask) -> Tensor",
     TB_KEEP, masked_select},
    {"_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool "
     "return_counts=False) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, unique2},
    {"_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, "
     "Tensor)",
     TB_KEEP, unique_two},
    {"unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool "
     "return_counts=False) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, unique_dim},
    {"unique_consecutive(Tensor self, bool return_inverse=False, bool "
     "return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, unique_consecutive},
    {"unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool "
     "return_counts=False) -> (Tensor, Tensor, Tensor)",
     TB_KEEP, unique_dim_consecutive},
    {"bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor",
     TB_KEEP, bincount},
    {"repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor",
     TB_KEEP, repeat_interleave},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * index_write.c -- writing by index: scatter, index_put, index_add, masked_scatter.
 *
 * Everything becomes the primitive `scatter`, whose updates have the axes of the indices
 * first and then the axes that are not indexed.
 */
#include "op/index.h"

enum { SET, SUM, PROD, AMAX, AMIN }; /* the modes of prims.def */

/* ---- where ---- */

static tb_val
at_least_1d(tb_graph *g, tb_val x)
{
    return RANK(x) ? x : tb_unsqueeze(g, x, 0);
}

/* The elements of x that `index` (of x's rank) picks along the axis. */
static tb_indices
along(tb_opctx *c, tb_val x, int axis, tb_val index)
{
    tb_graph *g = c->g;
    tb_indices ix = {.mask = (1u << RANK(x)) - 1, .n = (uint32_t)RANK(x)};

    if (RANK(index) != RANK(x))
        tb_body_raise(c, "expected an index of rank %d, found rank %d", RANK(x),
                      RANK(index));
    ix.rank = RANK(index);
    tb_indices_along(g, index, axis, ix.at);
    return ix;
}

/* Whole slices of x: index [n] along the axis. */
static tb_indices
slices(tb_opctx *c, int axis, tb_val index)
{
    tb_graph *g = c->g;

    index = CAST(at_least_1d(g, index), TB_I64);
    if (RANK(index) != 1)
        tb_body_raise(c, "expected an index of rank 0 or 1, found rank %d", RANK(index));
    return (tb_indices){.mask = 1u << axis, .at = {index}, .n = 1, .rank = 1};
}

/* The dims of updates to x: [I..., others...]. */
static int
update_dims(tb_graph *g, const tb_indices *ix, tb_val x, tb_dim *d)
{
    int n = 0;

    for (int i = 0; i < ix->rank; i++)
        d[n++] = SIZE(ix->at[0], i);
    for (int i = 0; i < RANK(x); i++)
        if (!(ix->mask >> i & 1))
            d[n++] = SIZE(x, i);
    return n;
}

static tb_val
put(tb_graph *g, const tb_indices *ix, tb_val x, tb_val updates, int mode)
{
    tb_dim d[TB_MAX_RANK];
    int n = update_dims(g, ix, x, d);
    tb_dtype t = tb_dtype_of(g, x);

    updates = tb_expand(g, CAST(updates, t), n, d);
    if (mode == SUM && t == TB_BOOL)
        mode = AMAX; /* booleans add up by `or` */
    if (mode == SUM || mode == PROD) /* half types are rounded once, not at each step */
        x = tb_body_wide(g, x), updates = tb_body_wide(g, updates);
    return CAST(tb_scatter(g, x, updates, ix->mask, mode, ix->at, ix->n), t);
}

/* a + b, where booleans add up by `or`. */
static tb_val
plus(tb_graph *g, tb_val a, tb_val b)
{
    return tb_dtype_of(g, a) == TB_BOOL ? OR(a, b) : ADD(a, b);
}

/* ---- reductions ---- */

/* The least (or greatest) number of a dtype, as a rank 0 tensor. */
static tb_val
extreme(tb_graph *g, tb_dtype t, bool least)
{
    unsigned bits = (unsigned)tb_dtype_bytes(t) * 8;
    uint64_t top = UINT64_MAX >> (64 - bits);

    if (tb_dtype_is_float(t))
        return tb_full_f(g, t, 0, NULL, least ? -INFINITY : INFINITY);
    if (t == TB_BOOL)
        return tb_full_i(g, t, 0, NULL, !least);
    if (tb_dtype_kind(t) == TB_KIND_UINT)
        return tb_full_i(g, t, 0, NULL, least ? 0 : (int64_t)top);
    top >>= 1;
    return tb_full_i(g, t, 0, NULL, least ? -(int64_t)top - 1 : (int64_t)top);
}

/* a / b, rounded down for integers. */
static tb_val
floor_div(tb_graph *g, tb_val a, tb_val b)
{
    tb_val q = DIV(a, b), inexact;

    if (tb_dtype_is_float(tb_dtype_of(g, a)))
        return q;
    inexact = AND(NE(REM(a, b), K(a, 0)), LT(a, K(a, 0)));
    return SUB(q, CAST(inexact, tb_dtype_of(g, a)));
}

static tb_val
reduce_mean(tb_graph *g, const tb_indices *ix, tb_val x, tb_val updates, bool with_self)
{
    tb_dtype t = tb_dtype_of(g, x);
    tb_val ones = tb_body_number(g, t, 1), count = tb_full_like(g, x, with_self);

    count = put(g, ix, count, ones, SUM);
    if (!with_self) {
        x = put(g, ix, x, K(x, 0), SET);
        count = MAX(count, ones);
    }
    return floor_div(g, put(g, ix, x, updates, SUM), count);
}

/* Argument `name` says how updates combine. */
static tb_val
reduce(tb_opctx *c, const tb_indices *ix, tb_val x, tb_val updates, uint32_t name,
       bool with_self)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, x);
    int mode = SET;
    tb_val start = TB_NO_VAL;

    if (tb_body_is(c, name, "mean"))
        return reduce_mean(g, ix, x, updates, with_self);
    if (tb_body_is(c, name, "sum") || tb_body_is(c, name, "add"))
        mode = SUM, start = K(x, 0);
    else if (tb_body_is(c, name, "prod") || tb_body_is(c, name, "multiply"))
        mode = PROD, start = K(x, 1);
    else if (tb_body_is(c, name, "amax"))
        mode = AMAX, start = extreme(g, t, true);
    else if (tb_body_is(c, name, "amin"))
        mode = AMIN, start = extreme(g, t, false);
    else
        tb_body_raise(c, "expected sum, prod, mean, amax or amin");
    if (!with_self)
        x = put(g, ix, x, start, SET);
    return put(g, ix, x, updates, mode);
}

/* ---- scatter ---- */

typedef struct scatter {
    tb_val x, src; /* src as large as the index */
    tb_indices ix;
    bool scalar;   /* x had rank 0 */
} scatter;

/* (self, dim, index, src or value, ...) */
static scatter
read_scatter(tb_opctx *c)
{
    tb_graph *g = c->g;
    scatter s = {.scalar = RANK(V(0)) == 0};
    tb_val index = at_least_1d(g, V(2));

    s.x = at_least_1d(g, V(0));
    s.ix = along(c, s.x, tb_body_axis(c, 1, RANK(s.x)), index);
    s.src = tb_body_scalar(c, 3, tb_dtype_of(g, s.x));
    if (RANK(s.src) == 0)
        return s;
    if (RANK(s.src) != RANK(index))
        tb_body_raise(c, "expected a source of rank %d, found rank %d", RANK(index),
                      RANK(s.src));
    for (int i = 0; i < RANK(index); i++)
        if (SIZE(s.src, i) != SIZE(index, i))
            s.src = tb_slice_axis(g, s.src, i, 0, SIZE(index, i), 1);
    return s;
}

static tb_val
result(tb_graph *g, const scatter *s, tb_val r)
{
    return s->scalar ? tb_reshape(g, r, 0, NULL) : r;
}

static tb_val
scatter_set(tb_opctx *c)
{
    scatter s = read_scatter(c);

    return result(c->g, &s, put(c->g, &s.ix, s.x, s.src, SET));
}

static tb_val
scatter_add(tb_opctx *c)
{
    scatter s = read_scatter(c);

    return result(c->g, &s, put(c->g, &s.ix, s.x, s.src, SUM));
}

static tb_val
scatter_reduce(tb_opctx *c)
{
    scatter s = read_scatter(c);
    bool with_self = c->n_args < 6 || BOOL(5);

    return result(c->g, &s, reduce(c, &s.ix, s.x, s.src, 4, with_self));
}

/* ---- slices ---- */

/* Slices of x and what goes there, with the axis first. */
static tb_val
source(tb_opctx *c, int axis, uint32_t arg)
{
    tb_graph *g = c->g;
    tb_val v = V(arg);

    return RANK(v) > 1 ? tb_body_move(g, v, axis, 0) : v;
}

static tb_val
back_to_rank(tb_opctx *c, tb_val r)
{
    tb_graph *g = c->g;

    return RANK(V(0)) ? r : tb_reshape(g, r, 0, NULL);
}

/* (self, dim, index, source, *, alpha) */
static tb_val
index_add(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = at_least_1d(g, V(0)), v;
    int axis = tb_body_axis(c, 1, RANK(x));
    tb_indices ix = slices(c, axis, V(2));

    v = source(c, axis, 3);
    v = MUL(v, tb_body_scalar(c, 4, tb_dtype_of(g, v)));
    return back_to_rank(c, put(g, &ix, x, v, SUM));
}

static tb_val
index_copy(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = at_least_1d(g, V(0));
    int axis = tb_body_axis(c, 1, RANK(x));
    tb_indices ix = slices(c, axis, V(2));

    return back_to_rank(c, put(g, &ix, x, source(c, axis, 3), SET));
}

static tb_val
index_fill(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = at_least_1d(g, V(0));
    int axis = tb_body_axis(c, 1, RANK(x));
    tb_indices ix = slices(c, axis, V(2));

    ix.at[0] = tb_body_wrap(g, ix.at[0], SIZE(x, axis));
    return back_to_rank(c, put(g, &ix, x, tb_body_scalar(c, 3, tb_dtype_of(g, x)), SET));
}

/* (self, dim, index, source, reduce, *, include_self) */
static tb_val
index_reduce(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = at_least_1d(g, V(0));
    int axis = tb_body_axis(c, 1, RANK(x));
    tb_indices ix = slices(c, axis, V(2));

    return back_to_rank(c, reduce(c, &ix, x, source(c, axis, 3), 4, BOOL(5)));
}

/* x as if it were flat */
static tb_val
put_flat(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dim n = tb_body_count(g, V(0), ~0u), m = tb_body_count(g, V(1), ~0u);
    tb_val x = tb_reshape(g, V(0), 1, &n);
    tb_indices ix = slices(c, 0, tb_reshape(g, V(1), 1, &m));

    ix.at[0] = tb_body_wrap(g, ix.at[0], n);
    x = put(g, &ix, x, tb_reshape(g, V(2), 1, &m), BOOL(3) ? SUM : SET);
    return tb_reshape(g, x, RANK(V(0)), tb_dims(g, V(0)));
}

/* ---- masks ---- */

/* For each element of the mask how many are true before it: the place of its value in a
 * list of values for the true ones. Anything, but not negative, where the mask is
 * false. */
static tb_val
ordinal(tb_graph *g, tb_val mask)
{
    tb_val k = CAST(tb_body_flat(g, mask), TB_I64);

    k = MAX(SUB(tb_scan(g, TB_P_cumsum, k, 0), I64(1)), I64(0));
    return tb_reshape(g, k, RANK(mask), tb_dims(g, mask));
}

static tb_val
masked_scatter(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), mask = CAST(V(1), TB_BOOL), v, at;
    tb_dim n = tb_body_count(g, V(2), ~0u);

    tb_broadcast(g, &x, &mask);
    if (n == 0)
        return x;
    at = ordinal(g, mask);
    v = tb_gather(g, tb_reshape(g, V(2), 1, &n), 1, &at, 1);
    return tb_where(g, mask, v, x);
}

/* The mask if the list holds one, a constant not known, and else nothing but None. */
static tb_val
only_mask(tb_opctx *c, uint32_t list, int *axis)
{
    tb_graph *g = c->g;
    tb_val mask = TB_NO_VAL;

    for (uint32_t k = 0; k < tb_body_n(c, list); k++) {
        const tb_arg *a = tb_body_at(c, list, k);

        if (a->kind != TB_ARG_TENSOR || !a->v.id)
            continue;
        if (mask.id || tb_dtype_of(g, a->v) != TB_BOOL || RANK(a->v) == 0 ||
            tb_node_of(g, a->v)->prim == TB_P_const)
            return TB_NO_VAL;
        mask = a->v;
        *axis = (int)k;
    }
    return mask;
}

/* x[.., mask, ..] = v: a choice between x and v at each element. */
static tb_val
put_masked(tb_opctx *c, tb_val x, tb_val mask, int axis, tb_val v, bool add)
{
    tb_graph *g = c->g;
    int n = RANK(mask), rank = RANK(x), others = rank - n;
    tb_dim d[TB_MAX_RANK];

    if (axis + n > rank || RANK(v) > others + 1)
        tb_body_raise(c, "mask of rank %d and values of rank %d do not suit rank %d", n,
                      RANK(v), rank);
    while (RANK(v) < others + 1)
        v = tb_unsqueeze(g, v, 0);
    if (SIZE(v, axis) == 1) { /* one value for all true elements */
        for (int i = 0; i < rank; i++)
            d[i] = i < axis ? SIZE(v, i) : i < axis + n ? 1 : SIZE(v, i - n + 1);
        v = tb_reshape(g, v, rank, d);
    } else {
        tb_val at = ordinal(g, mask);

        v = tb_gather(g, v, 1u << axis, &at, 1); /* [mask..., others...] */
        for (int i = 0; i < axis; i++)
            v = tb_body_move(g, v, n + i, i);
    }
    for (int i = 0; i < rank; i++)
        d[i] = i < axis || i >= axis + n ? 1 : SIZE(mask, i - axis);
    mask = tb_reshape(g, mask, rank, d);
    v = CAST(v, tb_dtype_of(g, x));
    v = WHERE(mask, v, add ? K(x, 0) : x);
    return tb_expand_like(g, add ? plus(g, x, v) : v, x);
}

/* ---- x[a, :, b] = v ---- */

static tb_val
put_at(tb_opctx *c, uint32_t list, tb_val v, bool add)
{
    tb_graph *g = c->g;
    tb_val x = V(0), mask;
    tb_dim d[TB_MAX_RANK];
    tb_indices ix;
    int axis = 0, rank;

    mask = only_mask(c, list, &axis);
    if (mask.id)
        return put_masked(c, x, mask, axis, v, add);
    ix = tb_indices_read(c, list, x);
    if (!ix.n)
        return add ? plus(g, x, CAST(v, tb_dtype_of(g, x))) : tb_expand_like(g, v, x);
    rank = tb_indices_dims(g, &ix, x, d);
    v = tb_indices_to_front(g, &ix, tb_expand(g, v, rank, d));
    return put(g, &ix, x, v, add ? SUM : SET);
}

static tb_val
index_put(tb_opctx *c)
{
    return put_at(c, 1, V(2), BOOL(3));
}

/* Where the mask is false nothing is added, whatever the indices say. */
static tb_val
masked_index_put(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), v = V(3), mask = V(1);
    tb_indices ix = tb_indices_read(c, 2, x);
    tb_dim d[TB_MAX_RANK];
    int rank, k = 0;

    if (!ix.n)
        return plus(g, x, WHERE(mask, v, K(v, 0)));
    for (int i = 0; i < RANK(x); i++) {
        tb_val max;

        if (!(ix.mask >> i & 1))
            continue;
        max = tb_body_dim(g, tb_dim_sub(g->unit, SIZE(x, i), 1), TB_I64);
        ix.at[k] = MAX(MIN(ix.at[k], max), I64(0));
        k++;
    }
    rank = tb_indices_dims(g, &ix, x, d);
    v = tb_expand(g, WHERE(mask, v, K(v, 0)), rank, d);
    return put(g, &ix, x, tb_indices_to_front(g, &ix, v), SUM);
}

const tb_op tb_ops_index_write[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
     TB_KEEP, scatter_set},
    {"scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
     TB_KEEP, scatter_set},
    {"scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) "
     "-> Tensor",
     TB_KEEP, scatter_reduce},
    {"scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, "
     "str reduce) -> Tensor",
     TB_KEEP, scatter_reduce},
    {"scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
     TB_KEEP, scatter_add},
    {"scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, "
     "bool include_self=True) -> Tensor",
     TB_KEEP, scatter_reduce},
    {"index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) "
     "-> Tensor",
     TB_KEEP, index_add},
    {"index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
     TB_KEEP, index_copy},
    {"index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
     TB_KEEP, index_fill},
    {"index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
     TB_KEEP, index_fill},
    {"index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, "
     "bool include_self=True) -> Tensor",
     TB_KEEP, index_reduce},
    {"put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
     TB_KEEP, put_flat},
    {"masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
     TB_KEEP, masked_scatter},
    {"index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) "
     "-> Tensor",
     TB_KEEP, index_put},
    {"index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, "
     "bool accumulate=False) -> Tensor",
     TB_KEEP, index_put},
    {"_unsafe_index_put(Tensor self, Tensor?[] indices, Tensor values, "
     "bool accumulate=False) -> Tensor",
     TB_KEEP, index_put},
    {"_unsafe_index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, "
     "bool accumulate=False) -> Tensor",
     TB_KEEP, index_put},
    {"_unsafe_masked_index_put_accumulate(Tensor self, Tensor mask, Tensor?[] indices, "
     "Tensor values) -> Tensor",
     TB_KEEP, masked_index_put},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * shape.c -- the same elements in another shape: views, permutations, slices.
 */
#include "op/body.h"

/* The sizes in argument i; at most TB_MAX_RANK. */
static int
sizes(tb_opctx *c, uint32_t i, tb_dim *out)
{
    uint32_t n = tb_body_n(c, i);

    if (n > TB_MAX_RANK)
        tb_body_raise(c, "%u axes are more than the limit of %d", n, TB_MAX_RANK);
    for (uint32_t k = 0; k < n; k++) {
        const tb_arg *a = tb_body_at(c, i, k);

        out[k] = a->kind == TB_ARG_DIM ? tb_dim_canon(c->g->unit, a->d) : a->i;
        if (a->kind != TB_ARG_DIM && a->kind != TB_ARG_INT)
            tb_body_raise(c, "argument %u: expected integers", i + 1);
    }
    return (int)n;
}

/* ---- reshape ---- */

/* Replaces a -1 by what is left of the number of elements. */
static void
infer_size(tb_opctx *c, tb_dim total, int n, tb_dim *d)
{
    tb_unit *u = c->g->unit;
    tb_dim others = 1;
    int at = -1;

    for (int i = 0; i < n; i++) {
        if (d[i] == -1 && at >= 0)
            tb_body_raise(c, "only one size may be -1");
        if (d[i] == -1)
            at = i;
        else
            others = tb_dim_mul(u, others, d[i]);
    }
    if (at < 0)
        return;
    if (others == 0)
        tb_body_raise(c, "a size of -1 beside one of 0 may be anything");
    d[at] = tb_dim_floordiv(u, total, others);
}

static tb_val
reshape(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dim d[TB_MAX_RANK];
    int n = sizes(c, 1, d);

    infer_size(c, tb_body_count(g, V(0), ~0u), n, d);
    return tb_reshape(g, V(0), n, d);
}

static tb_val
reshape_like(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_reshape(g, V(0), RANK(V(1)), tb_dims(g, V(1)));
}

static tb_val
flatten(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int rank = RANK(x), from = tb_body_axis(c, 1, rank), n = 0;
    int to = tb_body_axis(c, 2, rank);
    tb_dim d[TB_MAX_RANK];

    if (rank == 0)
        return tb_unsqueeze(g, x, 0);
    if (from > to)
        tb_body_raise(c, "start_dim is behind end_dim");
    for (int i = 0; i < rank; i++) {
        if (i > from && i <= to)
            d[n - 1] = tb_dim_mul(g->unit, d[n - 1], SIZE(x, i));
        else
            d[n++] = SIZE(x, i);
    }
    return tb_reshape(g, x, n, d);
}

static tb_val
ravel(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_body_flat(g, V(0));
}

static tb_val
unflatten(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    tb_dim part[TB_MAX_RANK], d[2 * TB_MAX_RANK];
    int ax = tb_body_axis(c, 1, RANK(x)), n = sizes(c, 2, part), rank = RANK(x) - 1 + n;

    infer_size(c, SIZE(x, ax), n, part);
    for (int i = 0; i < rank; i++)
        d[i] = i < ax ? SIZE(x, i) : i < ax + n ? part[i - ax] : SIZE(x, i - n + 1);
    return tb_reshape(g, x, rank, d);
}

static tb_val
squeeze_mask(tb_opctx *c, uint32_t axes)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    for (int i = 0; i < RANK(x); i++)
        if (SIZE(x, i) != 1)
            axes &= ~(1u << i);
    return tb_squeeze_axes(g, x, axes & ((1u << RANK(x)) - 1));
}

static tb_val
squeeze(tb_opctx *c)
{
    return squeeze_mask(c, ~0u);
}

/* One axis or several; those of another size than 1 stay. */
static tb_val
squeeze_dims(tb_opctx *c)
{
    tb_graph *g = c->g;
    uint32_t axes = 0;

    for (uint32_t k = 0; k < tb_body_n(c, 1); k++)
        axes |= 1u << tb_body_wrap_axis(c, tb_body_at(c, 1, k)->i, RANK(V(0)));
    return squeeze_mask(c, axes);
}

static tb_val
unsqueeze(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_unsqueeze(g, V(0), tb_body_axis(c, 1, RANK(V(0)) + 1));
}

/* ---- permute ---- */

static tb_val
permute(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int64_t order[TB_MAX_RANK];

    if (tb_body_n(c, 1) != (uint32_t)RANK(x))
        tb_body_raise(c, "expected %d axes, found %u", RANK(x), tb_body_n(c, 1));
    tb_body_ints(c, 1, RANK(x), order);
    for (int i = 0; i < RANK(x); i++)
        order[i] = tb_body_wrap_axis(c, order[i], RANK(x));
    return tb_permute(g, x, order);
}

static tb_val
transpose(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int a = tb_body_axis(c, 1, RANK(x)), b = tb_body_axis(c, 2, RANK(x));

    return RANK(x) ? tb_transpose(g, x, a, b) : x;
}

static tb_val
t(tb_opctx *c)
{
    tb_graph *g = c->g;

    if (RANK(V(0)) > 2)
        tb_body_raise(c, "expected rank 2 or less, found %d", RANK(V(0)));
    return RANK(V(0)) == 2 ? tb_transpose(g, V(0), 0, 1) : V(0);
}

/* The last two axes. */
static tb_val
matrix_transpose(tb_opctx *c)
{
    tb_graph *g = c->g;
    int rank = RANK(V(0));

    if (rank < 2)
        tb_body_raise(c, "expected rank 2 or more, found %d", rank);
    return tb_transpose(g, V(0), rank - 2, rank - 1);
}

static tb_val
reverse_axes(tb_opctx *c)
{
    tb_graph *g = c->g;
    int64_t order[TB_MAX_RANK];

    for (int i = 0; i < RANK(V(0)); i++)
        order[i] = RANK(V(0)) - 1 - i;
    return tb_permute(g, V(0), order);
}

/* Axes `from` go to places `to`; the others keep their order. */
static tb_val
movedim(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int rank = RANK(x), n = (int)tb_body_n(c, 1), next = 0;
    int64_t from[TB_MAX_RANK], to[TB_MAX_RANK], order[TB_MAX_RANK];
    uint32_t taken = 0;

    if (n > rank || tb_body_n(c, 2) != (uint32_t)n)
        tb_body_raise(c, "expected as many sources as destinations");
    tb_body_ints(c, 1, n, from);
    tb_body_ints(c, 2, n, to);
    for (int i = 0; i < rank; i++)
        order[i] = -1;
    for (int i = 0; i < n; i++) {
        int source = tb_body_wrap_axis(c, from[i], rank);

        taken |= 1u << source;
        order[tb_body_wrap_axis(c, to[i], rank)] = source;
    }
    for (int i = 0; i < rank; i++) {
        if (order[i] >= 0)
            continue;
        while (taken >> next & 1)
            next++;
        order[i] = next++;
    }
    return tb_permute(g, x, order);
}

/* ---- expand ---- */

static tb_val
expand(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    tb_dim d[TB_MAX_RANK];
    int n = sizes(c, 1, d), lead = n - RANK(x);

    for (int i = 0; i < n; i++) {
        if (d[i] != -1)
            continue;
        if (i < lead)
            tb_body_raise(c, "a size of -1 for an axis that is new");
        d[i] = SIZE(x, i - lead);
    }
    return tb_expand(g, x, n, d);
}

static tb_val
expand_as(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_expand_like(g, V(0), V(1));
}

static tb_val
broadcast_tensors(tb_opctx *c)
{
    tb_graph *g = c->g;
    uint32_t n = tb_body_n(c, 0);
    tb_val *r = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1), like = TB_NO_VAL;

    for (uint32_t i = 0; i < n; i++) {
        tb_val x = tb_body_at(c, 0, i)->v;

        if (like.id)
            tb_broadcast(g, &like, &x);
        like = x;
    }
    for (uint32_t i = 0; i < n; i++)
        r[i] = tb_expand_like(g, tb_body_at(c, 0, i)->v, like);
    c->list = r;
    c->n_list = n;
    return TB_NO_VAL;
}

/* ---- slices ---- */

static tb_val
slice(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = tb_body_axis(c, 1, RANK(x));
    tb_dim start, size;
    int64_t step = INT(4);

    tb_body_slice_range(c, SIZE(x, ax), 2, 3, step, &start, &size);
    return tb_slice_axis(g, x, ax, start, size, step);
}

static tb_val
select(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = tb_body_axis(c, 1, RANK(x));

    if (RANK(x) == 0)
        tb_body_raise(c, "a tensor of rank 0 has no axis");
    tb_dim at = DIM(2), n = SIZE(x, ax);
    int64_t lo, hi;
    tb_dim_range(g->unit, at, &lo, &hi);
    if (lo < 0 && hi >= 0) { /* which end it counts from shows when the program runs */
        tb_val index = tb_body_wrap(g, tb_body_dim(g, at, TB_I64), n);
        x = tb_body_select(g, x, ax, tb_unsqueeze(g, index, 0));
    } else {
        x = tb_slice_axis(g, x, ax, tb_body_wrap_dim(c, at, n), 1, 1);
    }
    return tb_squeeze_axes(g, x, 1u << ax);
}

static tb_val
narrow(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = tb_body_axis(c, 1, RANK(x));

    return tb_slice_axis(g, x, ax, tb_body_wrap_dim(c, DIM(2), SIZE(x, ax)), DIM(3), 1);
}

/* A last axis of `size` elements that begin every `step`. */
static tb_val
unfold(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = tb_body_axis(c, 1, RANK(x));

    if (RANK(x) == 0) {
        x = tb_unsqueeze(g, x, 0);
        return INT(2) == 1 ? x : tb_body_pad_axis(g, x, 0, 0, -1, 0);
    }
    return tb_window(g, x, ax, INT(2), INT(3), 1);
}

/* ---- sizes as values ---- */

static tb_val
size_of(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_body_dim(g, SIZE(V(0), tb_body_axis(c, 1, RANK(V(0)))), TB_I64);
}

static tb_val
numel(tb_opctx *c)
{
    return tb_body_dim(c->g, tb_body_count(c->g, V(0), ~0u), TB_I64);
}

/* ---- strides: x counts as dense and row-major ---- */

static bool
is_dense(int n, const tb_dim *size, const tb_dim *stride)
{
    int64_t expected = 1;

    for (int i = n; i-- > 0; expected *= size[i]) {
        if (!tb_dim_is_const(size[i]))
            return false;
        if (size[i] != 1 && stride[i] != expected)
            return false;
    }
    return true;
}

static tb_val
as_strided(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), at;
    tb_dim d[TB_MAX_RANK], total = tb_body_count(g, x, ~0u), end;
    tb_dim stride[TB_MAX_RANK], from = given(c, 3) ? DIM(3) : 0;
    int n = sizes(c, 1, d);

    if (tb_body_n(c, 2) != (uint32_t)n)
        tb_body_raise(c, "expected as many strides as sizes");
    tb_body_dims(c, 2, n, stride);
    x = tb_reshape(g, x, 1, &total);
    if (is_dense(n, d, stride)) {
        end = 1;
        for (int i = 0; i < n; i++)
            end *= d[i];
        return tb_reshape(g, tb_slice_axis(g, x, 0, from, end, 1), n, d);
    }
    at = tb_expand(g, tb_body_dim(g, from, TB_I64), n, d);
    for (int i = 0; i < n; i++)
        at = ADD(at, MUL(tb_iota(g, n, d, i), tb_body_dim(g, stride[i], TB_I64)));
    return tb_gather(g, x, 1, &at, 1);
}

const tb_op tb_ops_shape[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"view(Tensor(a) self, SymInt[] size) -> Tensor(a)",
     TB_KEEP, reshape},
    {"view_copy(Tensor self, SymInt[] size) -> Tensor",
     TB_KEEP, reshape},
    {"_unsafe_view(Tensor self, SymInt[] size) -> Tensor",
     TB_KEEP, reshape},
    {"reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)",
     TB_KEEP, reshape},
    {"_reshape_copy(Tensor self, SymInt[] size) -> Tensor",
     TB_KEEP, reshape},
    {"_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)",
     TB_KEEP, reshape},
    {"view_as(Tensor(a) self, Tensor other) -> Tensor(a)",
     TB_KEEP, reshape_like},
    {"reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)",
     TB_KEEP, reshape_like},
    {"flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)",
     TB_KEEP, flatten},
    {"ravel(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, ravel},
    {"unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)",
     TB_KEEP, unflatten},
    {"squeeze(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, squeeze},
    {"squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)",
     TB_KEEP, squeeze_dims},
    {"squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)",
     TB_KEEP, squeeze_dims},
    {"squeeze_copy(Tensor self) -> Tensor",
     TB_KEEP, squeeze},
    {"squeeze_copy.dim(Tensor self, int dim) -> Tensor",
     TB_KEEP, squeeze_dims},
    {"squeeze_copy.dims(Tensor self, int[] dim) -> Tensor",
     TB_KEEP, squeeze_dims},
    {"unsqueeze(Tensor(a) self, int dim) -> Tensor(a)",
     TB_KEEP, unsqueeze},
    {"unsqueeze_copy(Tensor self, int dim) -> Tensor",
     TB_KEEP, unsqueeze},
    {"permute(Tensor(a) self, int[] dims) -> Tensor(a)",
     TB_KEEP, permute},
    {"permute_copy(Tensor self, int[] dims) -> Tensor",
     TB_KEEP, permute},
    {"transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
     TB_KEEP, transpose},
    {"transpose_copy.int(Tensor self, int dim0, int dim1) -> Tensor",
     TB_KEEP, transpose},
    {"swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)",
     TB_KEEP, transpose},
    {"swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
     TB_KEEP, transpose},
    {"t(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, t},
    {"t_copy(Tensor self) -> Tensor",
     TB_KEEP, t},
    {"mT(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, matrix_transpose},
    {"numpy_T(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, reverse_axes},
    {"movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)",
     TB_KEEP, movedim},
    {"movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
     TB_KEEP, movedim},
    {"moveaxis.int(Tensor(a) self, int source, int destination) -> Tensor(a)",
     TB_KEEP, movedim},
    {"moveaxis.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
     TB_KEEP, movedim},
    {"expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)",
     TB_KEEP, expand},
    {"expand_copy(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor",
     TB_KEEP, expand},
    {"broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)",
     TB_KEEP, expand},
    {"expand_as(Tensor(a) self, Tensor other) -> Tensor(a)",
     TB_KEEP, expand_as},
    {"broadcast_tensors(Tensor[] tensors) -> Tensor[]",
     TB_KEEP, broadcast_tensors},
    {"slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, "
     "SymInt step=1) -> Tensor(a)",
     TB_KEEP, slice},
    {"slice_copy.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, "
     "SymInt step=1) -> Tensor",
     TB_KEEP, slice},
    {"select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)",
     TB_KEEP, select},
    {"select_copy.int(Tensor self, int dim, SymInt index) -> Tensor",
     TB_KEEP, select},
    {"narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)",
     TB_KEEP, narrow},
    {"narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor",
     TB_KEEP, narrow},
    {"unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)",
     TB_KEEP, unfold},
    {"unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor",
     TB_KEEP, unfold},
    {"sym_size.int(Tensor self, int dim) -> SymInt",
     TB_KEEP, size_of},
    {"size.int(Tensor self, int dim) -> int",
     TB_KEEP, size_of},
    {"sym_numel(Tensor self) -> SymInt",
     TB_KEEP, numel},
    {"numel(Tensor self) -> int",
     TB_KEEP, numel},
    {"as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? "
     "storage_offset=None) -> Tensor(a)",
     TB_KEEP, as_strided},
    {"as_strided_copy(Tensor self, SymInt[] size, SymInt[] stride, SymInt? "
     "storage_offset=None) -> Tensor",
     TB_KEEP, as_strided},
    {"_reshape_alias_copy(Tensor self, SymInt[] size, SymInt[] stride) -> Tensor",
     TB_KEEP, reshape},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * move.c -- typed constructors of movement: which element of x is where in the result.
 *
 * What moves nothing gives x back, and what moves twice in the same way is one node. A
 * filled tensor (full) moved is a filled tensor.
 */
#include "graph/internal.h"

static bool
is(const tb_graph *g, tb_val v, tb_prim p)
{
    return tb_node_of(g, v)->prim == p;
}

static bool
same_shape(tb_graph *g, tb_val x, int rank, const tb_dim *dims)
{
    if (tb_rank(g, x) != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (!tb_dim_eq(g->unit, tb_dims(g, x)[i], dims[i]))
            return false;
    return true;
}

static tb_val
add(tb_graph *g, tb_prim p, tb_val x, int rank, const tb_dim *dims, const int64_t *attr,
    int n_attr)
{
    if (tb_dtype_of(g, x) == TB_NONE)
        TB_RAISE(g, "%s: the operand is not a tensor", tb_prim_name(p));
    if (is(g, x, TB_P_full))
        return tb_add(g, TB_P_full, tb_dtype_of(g, x), rank, dims, NULL, 0,
                      tb_attrs(g, x), 1);
    return tb_add(g, p, tb_dtype_of(g, x), rank, dims, &x, 1, attr, (uint32_t)n_attr);
}

/* ---- permute ---- */

tb_val
tb_permute(tb_graph *g, tb_val x, const int64_t *order)
{
    tb_dim dims[TB_MAX_RANK];
    int64_t of_inner[TB_MAX_RANK];
    uint32_t seen = 0;
    int rank = tb_rank(g, x);
    bool identity = true;

    for (int i = 0; i < rank; i++) {
        if (order[i] < 0 || order[i] >= rank || (seen >> order[i] & 1))
            TB_RAISE(g, "permute: the order is not a permutation of %d axes", rank);
        seen |= 1u << order[i];
        dims[i] = tb_dims(g, x)[order[i]];
        identity = identity && order[i] == i;
    }
    if (identity)
        return x;
    if (is(g, x, TB_P_permute)) {
        for (int i = 0; i < rank; i++)
            of_inner[i] = tb_attrs(g, x)[order[i]];
        return tb_permute(g, tb_in(g, x, 0), of_inner);
    }
    return add(g, TB_P_permute, x, rank, dims, order, rank);
}

tb_val
tb_transpose(tb_graph *g, tb_val x, int axis0, int axis1)
{
    int64_t order[TB_MAX_RANK];

    tb_check_axis(g, "transpose", axis0, tb_rank(g, x));
    tb_check_axis(g, "transpose", axis1, tb_rank(g, x));
    for (int i = 0; i < tb_rank(g, x); i++)
        order[i] = i;
    order[axis0] = axis1;
    order[axis1] = axis0;
    return tb_permute(g, x, order);
}

/* ---- reshape ---- */

/* Both must have the same number of elements. Sizes on both sides are left out first:
 * it keeps products small, and learns s0 = s1 from [s0, 4] and [s1, 4]. */
static void
check_count(tb_graph *g, tb_val x, int rank, const tb_dim *dims)
{
    tb_unit *u = g->unit;
    tb_dim a = 1, b = 1, left[TB_MAX_RANK];
    int n = rank;
    bool zero = false;

    for (int i = 0; i < rank; i++) {
        zero = zero || dims[i] == 0;
        left[i] = dims[i];
    }
    for (int i = 0; i < tb_rank(g, x); i++) {
        int j = 0;

        zero = zero || tb_dims(g, x)[i] == 0;
        while (j < n && !tb_dim_eq(u, tb_dims(g, x)[i], left[j]))
            j++;
        if (j < n)
            left[j] = left[--n];
        else
            a = tb_dim_mul(u, a, tb_dims(g, x)[i]);
    }
    for (int j = 0; j < n; j++)
        b = tb_dim_mul(u, b, left[j]);
    if (zero) { /* equal sizes must stay in: [0, 2] has as many elements as [0, 3] */
        a = b = 1;
        for (int i = 0; i < tb_rank(g, x); i++)
            a = tb_dim_mul(u, a, tb_dims(g, x)[i]);
        for (int i = 0; i < rank; i++)
            b = tb_dim_mul(u, b, dims[i]);
    }
    if (tb_dim_eq(u, a, b))
        return;
    if (!tb_dim_may_eq(u, a, b))
        TB_RAISE(g, "reshape: %s and %s differ in number of elements",
                 tb_dims_text(g, tb_rank(g, x), tb_dims(g, x)),
                 tb_dims_text(g, rank, dims));
    tb_dim_assume_eq(u, a, b, g->loc);
}

tb_val
tb_reshape(tb_graph *g, tb_val x, int rank, const tb_dim *dims)
{
    tb_check_rank(g, "reshape", rank);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            TB_RAISE(g, "reshape: size %lld of axis %d is negative", (long long)dims[i],
                     i);
    if (same_shape(g, x, rank, dims))
        return x;
    check_count(g, x, rank, dims);
    if (is(g, x, TB_P_reshape))
        return tb_reshape(g, tb_in(g, x, 0), rank, dims);
    if (same_shape(g, x, rank, dims)) /* by what check_count learned */
        return x;
    return add(g, TB_P_reshape, x, rank, dims, NULL, 0);
}

tb_val
tb_squeeze_axes(tb_graph *g, tb_val x, uint32_t axes)
{
    tb_dim dims[TB_MAX_RANK];
    int rank = 0;

    if (axes >> tb_rank(g, x))
        tb_check_axis(g, "squeeze", 31 - __builtin_clz(axes), tb_rank(g, x));
    for (int i = 0; i < tb_rank(g, x); i++) {
        if (axes >> i & 1)
            tb_same_size(g, "squeeze", "size of a dropped axis", 1, tb_dims(g, x)[i]);
        else
            dims[rank++] = tb_dims(g, x)[i];
    }
    return tb_reshape(g, x, rank, dims);
}

tb_val
tb_unsqueeze(tb_graph *g, tb_val x, int axis)
{
    tb_dim dims[TB_MAX_RANK];
    int rank = tb_rank(g, x) + 1;

    tb_check_rank(g, "unsqueeze", rank);
    tb_check_axis(g, "unsqueeze", axis, rank);
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? 1 : tb_dims(g, x)[i - (i > axis)];
    return tb_reshape(g, x, rank, dims);
}

/* ---- expand ---- */

tb_val
tb_expand(tb_graph *g, tb_val x, int rank, const tb_dim *dims)
{
    tb_dim from[TB_MAX_RANK], to[TB_MAX_RANK];
    int lead = rank - tb_rank(g, x);

    tb_check_rank(g, "expand", rank);
    if (lead < 0)
        TB_RAISE(g, "expand: %s has a higher rank than %s",
                 tb_dims_text(g, tb_rank(g, x), tb_dims(g, x)),
                 tb_dims_text(g, rank, dims));
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            TB_RAISE(g, "expand: size %lld of axis %d is negative", (long long)dims[i],
                     i);
        from[i] = i < lead ? 1 : tb_dims(g, x)[i - lead];
        if (from[i] != 1 && !tb_dim_may_eq(g->unit, from[i], dims[i]))
            TB_RAISE(g, "expand: %s cannot become %s: axis %d differs",
                     tb_dims_text(g, tb_rank(g, x), tb_dims(g, x)),
                     tb_dims_text(g, rank, dims), i);
    }
    /* Only sizes of 1 grow. Where a size was assumed to be what is asked for, the node
     * keeps its own: an expand never has an axis that is neither 1 nor the result's. */
    for (int i = 0; i < rank; i++) {
        to[i] = from[i] == 1 ? dims[i] : from[i];
        if (from[i] != 1)
            tb_same_size(g, "expand", "size", dims[i], from[i]);
    }
    if (same_shape(g, x, rank, to))
        return x;
    if (is(g, x, TB_P_expand) && lead == 0)
        return tb_expand(g, tb_in(g, x, 0), rank, to);
    if (is(g, x, TB_P_full))
        return add(g, TB_P_full, x, rank, to, NULL, 0);
    x = tb_reshape(g, x, rank, from);
    return same_shape(g, x, rank, to) ? x : add(g, TB_P_expand, x, rank, to, NULL, 0);
}

tb_val
tb_expand_like(tb_graph *g, tb_val x, tb_val like)
{
    return tb_expand(g, x, tb_rank(g, like), tb_dims(g, like));
}

void
tb_broadcast(tb_graph *g, tb_val *a, tb_val *b)
{
    tb_dim to[TB_MAX_RANK];
    int n = tb_rank(g, *a), m = tb_rank(g, *b), rank = n > m ? n : m;

    for (int i = 0; i < rank; i++) {
        tb_dim x = i < rank - n ? 1 : tb_dims(g, *a)[i - (rank - n)];
        tb_dim y = i < rank - m ? 1 : tb_dims(g, *b)[i - (rank - m)];

        if (x != 1 && y != 1 && !tb_dim_may_eq(g->unit, x, y))
            TB_RAISE(g, "shapes %s and %s do not broadcast: axis %d differs",
                     tb_dims_text(g, n, tb_dims(g, *a)),
                     tb_dims_text(g, m, tb_dims(g, *b)), i);
        to[i] = x == 1 ? y : y == 1 ? x : tb_same_size(g, "broadcast", "size", x, y);
    }
    *a = tb_expand(g, *a, rank, to);
    *b = tb_expand(g, *b, rank, to);
}

/* ---- slice, pad, flip, window, concat ---- */

/* Raises if the last element taken is certainly outside. */
static void
check_slice(tb_graph *g, int axis, tb_dim have, tb_dim start, tb_dim size, int64_t step)
{
    tb_unit *u = g->unit;
    tb_arena *t = &u->cx->keep;
    int64_t lo, hi;
    tb_dim end;

    if (step < 1)
        TB_RAISE(g, "slice: step %lld of axis %d is not positive", (long long)step,
                 axis);
    tb_dim_range(u, start, &lo, &hi);
    if (hi < 0)
        TB_RAISE(g, "slice: start %s of axis %d is negative",
                 tb_dim_text(u, t, start).ptr, axis);
    tb_dim_range(u, size, &lo, &hi);
    if (hi < 0)
        TB_RAISE(g, "slice: size %s of axis %d is negative",
                 tb_dim_text(u, t, size).ptr, axis);
    if (lo <= 0 || have == TB_DIM_UNKNOWN)
        return;
    end = tb_dim_add(u, start, tb_dim_mul(u, tb_dim_sub(u, size, 1), step));
    tb_dim_range(u, tb_dim_sub(u, have, end), &lo, &hi);
    if (hi <= 0)
        TB_RAISE(g, "slice: axis %d of size %s has no element %s", axis,
                 tb_dim_text(u, t, have).ptr, tb_dim_text(u, t, end).ptr);
}

tb_val
tb_slice(tb_graph *g, tb_val x, const tb_dim *start, const tb_dim *size,
         const int64_t *step)
{
    tb_unit *u = g->unit;
    tb_dim attr[2 * TB_MAX_RANK], in_start[TB_MAX_RANK];
    int64_t in_step[TB_MAX_RANK];
    int rank = tb_rank(g, x);
    bool whole = true;

    for (int i = 0; i < rank; i++) {
        check_slice(g, i, tb_dims(g, x)[i], start[i], size[i], step[i]);
        attr[i] = tb_dim_canon(u, start[i]);
        attr[rank + i] = size[i] == 1 || size[i] == 0 ? 1 : step[i];
        whole = whole && attr[i] == 0 && attr[rank + i] == 1 &&
                tb_dim_eq(u, size[i], tb_dims(g, x)[i]);
    }
    if (whole)
        return x;
    if (is(g, x, TB_P_slice)) {
        for (int i = 0; i < rank; i++) {
            int64_t inner = tb_attrs(g, x)[rank + i];

            in_start[i] =
                tb_dim_add(u, tb_attrs(g, x)[i], tb_dim_mul(u, attr[i], inner));
            in_step[i] = tb_dim_mul(u, inner, attr[rank + i]);
        }
        return tb_slice(g, tb_in(g, x, 0), in_start, size, in_step);
    }
    return add(g, TB_P_slice, x, rank, size, attr, 2 * rank);
}

tb_val
tb_slice_axis(tb_graph *g, tb_val x, int axis, tb_dim start, tb_dim size, int64_t step)
{
    tb_dim starts[TB_MAX_RANK] = {0}, sizes[TB_MAX_RANK];
    int64_t steps[TB_MAX_RANK];

    tb_check_axis(g, "slice", axis, tb_rank(g, x));
    for (int i = 0; i < tb_rank(g, x); i++) {
        sizes[i] = tb_dims(g, x)[i];
        steps[i] = 1;
    }
    starts[axis] = start;
    sizes[axis] = size;
    steps[axis] = step;
    return tb_slice(g, x, starts, sizes, steps);
}

tb_val
tb_pad(tb_graph *g, tb_val x, const tb_dim *lo, const tb_dim *hi, tb_val value)
{
    tb_unit *u = g->unit;
    tb_dim dims[TB_MAX_RANK], attr[2 * TB_MAX_RANK];
    tb_val in[2] = {x, value};
    int rank = tb_rank(g, x);
    bool nothing = true;

    if (tb_rank(g, value) != 0)
        TB_RAISE(g, "pad: expected a value of rank 0, found rank %d",
                 tb_rank(g, value));
    tb_same_dtype(g, "pad", x, value);
    for (int i = 0; i < rank; i++) {
        if (lo[i] < 0 || hi[i] < 0)
            TB_RAISE(g, "pad: padding (%lld, %lld) of axis %d is negative",
                     (long long)lo[i], (long long)hi[i], i);
        attr[i] = tb_dim_canon(u, lo[i]);
        attr[rank + i] = tb_dim_canon(u, hi[i]);
        dims[i] = tb_dim_add(u, tb_dims(g, x)[i], tb_dim_add(u, lo[i], hi[i]));
        nothing = nothing && attr[i] == 0 && attr[rank + i] == 0;
    }
    if (nothing)
        return x;
    return tb_add(g, TB_P_pad, tb_dtype_of(g, x), rank, dims, in, 2, attr,
                  (uint32_t)(2 * rank));
}

tb_val
tb_flip(tb_graph *g, tb_val x, uint32_t axes)
{
    int64_t attr;

    if (axes >> tb_rank(g, x))
        tb_check_axis(g, "flip", 31 - __builtin_clz(axes), tb_rank(g, x));
    for (int i = 0; i < tb_rank(g, x); i++)
        if (tb_dims(g, x)[i] == 1)
            axes &= ~(1u << i);
    if (axes && is(g, x, TB_P_flip))
        return tb_flip(g, tb_in(g, x, 0), axes ^ (uint32_t)tb_attrs(g, x)[0]);
    if (!axes)
        return x;
    attr = axes;
    return add(g, TB_P_flip, x, tb_rank(g, x), tb_dims(g, x), &attr, 1);
}

tb_val
tb_window(tb_graph *g, tb_val x, int axis, int64_t size, int64_t stride,
          int64_t dilation)
{
    tb_unit *u = g->unit;
    tb_dim dims[TB_MAX_RANK + 1], n;
    int64_t attr[4] = {axis, size, stride, dilation}, span = 0, lo, hi;
    int rank = tb_rank(g, x);

    tb_check_rank(g, "window", rank + 1);
    tb_check_axis(g, "window", axis, rank);
    if (size < 1 || stride < 1 || dilation < 1)
        TB_RAISE(g, "window: size %lld, stride %lld and dilation %lld must be positive",
                 (long long)size, (long long)stride, (long long)dilation);
    if (!tb_mul_ok(dilation, size - 1, &span) || span >= TB_DIM_EXPR - 1)
        TB_RAISE(g, "window: size times dilation overflows");
    for (int i = 0; i < rank; i++)
        dims[i] = tb_dims(g, x)[i];
    n = tb_dim_floordiv(u, tb_dim_sub(u, dims[axis], span + 1), stride);
    n = tb_dim_add(u, n, 1);
    tb_dim_range(u, n, &lo, &hi);
    if (hi < 1)
        TB_RAISE(g, "window: a window of %lld does not fit axis %d of size %s",
                 (long long)span + 1, axis,
                 tb_dim_text(u, &u->cx->keep, dims[axis]).ptr);
    dims[axis] = n;
    dims[rank] = size;
    return add(g, TB_P_window, x, rank + 1, dims, attr, 4);
}

tb_val
tb_concat(tb_graph *g, const tb_val *x, uint32_t n, int axis)
{
    tb_dim dims[TB_MAX_RANK];
    int64_t attr = axis;
    tb_val *in;
    uint32_t m = 0;
    int rank;

    if (n == 0)
        TB_RAISE(g, "concat: no operands");
    rank = tb_rank(g, x[0]);
    tb_check_axis(g, "concat", axis, rank);
    memcpy(dims, tb_dims(g, x[0]), sizeof *dims * (size_t)rank);
    dims[axis] = 0;
    in = TB_NEWN(&g->unit->cx->scratch, tb_val, n);
    for (uint32_t k = 0; k < n; k++) {
        tb_same_dtype(g, "concat", x[0], x[k]);
        if (tb_rank(g, x[k]) != rank)
            TB_RAISE(g, "concat: ranks differ: expected %d, found %d", rank,
                     tb_rank(g, x[k]));
        for (int i = 0; i < rank; i++) {
            if (i == axis)
                dims[i] = tb_dim_add(g->unit, dims[i], tb_dims(g, x[k])[i]);
            else
                dims[i] = tb_same_size(g, "concat", "size beside the axis", dims[i],
                                       tb_dims(g, x[k])[i]);
        }
        if (tb_dims(g, x[k])[axis] != 0)
            in[m++] = x[k];
    }
    if (m <= 1)
        return m ? in[0] : x[0];
    return tb_add(g, TB_P_concat, tb_dtype_of(g, x[0]), rank, dims, in, m, &attr, 1);
}

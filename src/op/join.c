/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * join.c -- tensors put together and taken apart: cat, stack, split; and the same
 * elements several times or in another order: repeat, roll, flip.
 */
#include "op/body.h"

/* ---- cat ---- */

/* A tensor of rank 1 and size 0 counts as nothing, whatever the others are. */
static bool
is_nothing(const tb_graph *g, tb_val x)
{
    return RANK(x) == 1 && SIZE(x, 0) == 0;
}

static tb_val
cat(tb_opctx *c)
{
    tb_graph *g = c->g;
    uint32_t n = tb_body_n(c, 0), m = 0;
    tb_dtype t = tb_body_common(c, 1);
    tb_val *x = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1), any = TB_NO_VAL;

    for (uint32_t i = 0; i < n; i++) {
        any = CAST(tb_body_at(c, 0, i)->v, t);
        if (!is_nothing(g, any))
            x[m++] = any;
    }
    if (!n)
        tb_body_raise(c, "expected at least one tensor");
    if (!m)
        return any;
    if (RANK(x[0]) == 0)
        tb_body_raise(c, "a tensor of rank 0 has no axis to join along");
    return tb_concat(g, x, m, tb_body_axis(c, 1, RANK(x[0])));
}

static tb_val
stack(tb_opctx *c)
{
    tb_graph *g = c->g;
    uint32_t n = tb_body_n(c, 0);
    tb_dtype t = tb_body_common(c, 1);
    tb_val *x = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1);
    int ax;

    if (!n)
        tb_body_raise(c, "expected at least one tensor");
    ax = tb_body_axis(c, 1, tb_rank(g, tb_body_at(c, 0, 0)->v) + 1);
    for (uint32_t i = 0; i < n; i++)
        x[i] = tb_unsqueeze(g, CAST(tb_body_at(c, 0, i)->v, t), ax);
    return tb_concat(g, x, n, ax);
}

/* ---- split ---- */

static tb_val
give_list(tb_opctx *c, const tb_val *list, uint32_t n)
{
    c->list = list;
    c->n_list = n;
    return TB_NO_VAL;
}

enum { MAX_PARTS = 1 << 16 };

/* How many parts there will be: each is a result of its own. */
static uint32_t
checked(tb_opctx *c, int64_t n)
{
    if (n < 0 || n > MAX_PARTS)
        tb_body_lacks(c, "%lld parts", (long long)n);
    return (uint32_t)n;
}

/* Parts of the given sizes, one after the other. */
static tb_val
parts(tb_opctx *c, tb_val x, int ax, uint32_t n, const tb_dim *size)
{
    tb_graph *g = c->g;
    tb_val *r = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1);
    tb_dim at = 0;

    for (uint32_t i = 0; i < n; i++) {
        r[i] = tb_slice_axis(g, x, ax, at, size[i], 1);
        at = tb_dim_add(g->unit, at, size[i]);
    }
    return give_list(c, r, n);
}

static int
existing_axis(tb_opctx *c, uint32_t i, tb_val x)
{
    tb_graph *g = c->g;

    if (RANK(x) == 0)
        tb_body_raise(c, "a tensor of rank 0 has no axis to split");
    return tb_body_axis(c, i, RANK(x));
}

/* Parts of `each` elements; the last has what is left. How many there are must be known:
 * from the sizes, or from the results that are declared. */
static tb_val
even_parts(tb_opctx *c, tb_val x, int ax, tb_dim each)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_dim total = SIZE(x, ax), count, *size;

    if (each == 0 && total != 0)
        tb_body_raise(c, "parts of size 0");
    count = each == 0 ? 1 : tb_dim_ceildiv(u, total, each);
    if (count == 0)
        count = 1;
    if (!tb_dim_is_const(count))
        count = c->call->n_results;
    if (!count)
        tb_body_lacks(c, "a number of parts that is not constant");
    checked(c, count);
    size = TB_NEWN(&u->cx->scratch, tb_dim, count);
    for (int64_t i = 0; i < count; i++)
        size[i] = i < count - 1
                      ? each
                      : tb_dim_sub(u, total, tb_dim_mul(u, each, (tb_dim)(count - 1)));
    return parts(c, x, ax, (uint32_t)count, size);
}

static tb_val
split(tb_opctx *c)
{
    return even_parts(c, V(0), existing_axis(c, 2, V(0)), DIM(1));
}

static tb_val
split_sizes(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    uint32_t n = tb_body_n(c, 1);
    tb_dim *size = TB_NEWN(&u->cx->scratch, tb_dim, n + 1), total = 0;
    tb_val x = V(0);
    int ax = existing_axis(c, 2, x);

    tb_body_dims(c, 1, (int)n, size);
    for (uint32_t i = 0; i < n; i++)
        total = tb_dim_add(u, total, size[i]);
    if (!tb_dim_eq(u, total, SIZE(x, ax)))
        tb_dim_assume_eq(u, total, SIZE(x, ax), c->loc);
    return parts(c, x, ax, n, size);
}

static tb_val
chunk(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = existing_axis(c, 2, x);
    int64_t n = INT(1);

    if (n < 1)
        tb_body_raise(c, "expected a positive number of chunks");
    checked(c, n);
    if (SIZE(x, ax) == 0) {
        tb_dim *size = TB_NEWN(&g->unit->cx->scratch, tb_dim, n);

        return parts(c, x, ax, (uint32_t)n, size);
    }
    return even_parts(c, x, ax, tb_dim_ceildiv(g->unit, SIZE(x, ax), n));
}

/* The first parts have one element more where n does not divide the size. */
static tb_val
tensor_split(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0);
    int ax = existing_axis(c, 2, x);
    int64_t n = INT(1);
    tb_dim *size, whole, rest;

    if (n < 1)
        tb_body_raise(c, "expected a positive number of sections");
    checked(c, n);
    size = TB_NEWN(&u->cx->scratch, tb_dim, n);
    whole = tb_dim_floordiv(u, SIZE(x, ax), n);
    rest = tb_dim_mod(u, SIZE(x, ax), n);
    for (int64_t i = 0; i < n; i++) /* 1 for i < rest */
        size[i] = tb_dim_add(u, whole,
                             tb_dim_max(u, tb_dim_min(u, tb_dim_sub(u, rest, i), 1), 0));
    return parts(c, x, ax, (uint32_t)n, size);
}

/* Cut at the given places, as Python slices. */
static tb_val
tensor_split_at(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0), *r;
    int ax = existing_axis(c, 2, x);
    uint32_t n = tb_body_n(c, 1);
    tb_dim from = 0, total = SIZE(x, ax);
    tb_dim *at = TB_NEWN(&u->cx->scratch, tb_dim, n + 1);

    tb_body_dims(c, 1, (int)n, at);
    at[n] = total;
    r = TB_NEWN(&u->cx->scratch, tb_val, n + 1);
    for (uint32_t i = 0; i <= n; i++) {
        tb_dim to = tb_body_wrap_dim(c, at[i], total);

        to = tb_dim_max(u, tb_dim_min(u, to, total), 0);
        r[i] = tb_slice_axis(g, x, ax, from, tb_dim_max(u, tb_dim_sub(u, to, from), 0),
                             1);
        from = to;
    }
    return give_list(c, r, n + 1);
}

/* hsplit and its like: along axis `n` (a vector has only one), in sections or at
 * places. */
static tb_val
split_named(tb_opctx *c, int n, bool sections)
{
    tb_graph *g = c->g;
    tb_arg args[3] = {c->arg[0], c->arg[1], {.kind = TB_ARG_INT, .i = n}};
    tb_opctx d = *c;
    tb_val r;

    if (RANK(V(0)) == 1 && n == 1)
        args[2].i = 0;
    d.arg = args;
    d.n_args = 3;
    r = sections ? tensor_split(&d) : tensor_split_at(&d);
    c->list = d.list;
    c->n_list = d.n_list;
    return r;
}

#define SPLIT(name, n)                                                                   \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        return split_named(c, n, true);                                                  \
    }                                                                                    \
    static tb_val name##_at(tb_opctx *c)                                                 \
    {                                                                                    \
        return split_named(c, n, false);                                                 \
    }
SPLIT(vsplit, 0)
SPLIT(hsplit, 1)
SPLIT(dsplit, 2)

static tb_val
unbind(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), *r;
    int ax = existing_axis(c, 1, x);
    tb_dim n = tb_dim_is_const(SIZE(x, ax)) ? SIZE(x, ax) : c->call->n_results;

    if (!n && SIZE(x, ax) != 0)
        tb_body_lacks(c, "an axis whose size is not constant");
    checked(c, n);
    if (!tb_dim_is_const(SIZE(x, ax)))
        tb_dim_assume_eq(g->unit, SIZE(x, ax), n, c->loc);
    r = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1);
    for (int64_t i = 0; i < n; i++)
        r[i] = tb_squeeze_axes(g, tb_slice_axis(g, x, ax, i, 1, 1), 1u << ax);
    return give_list(c, r, (uint32_t)n);
}

static tb_val
meshgrid(tb_opctx *c)
{
    tb_graph *g = c->g;
    int n = (int)tb_body_n(c, 0);
    bool xy = c->n_args > 1 && tb_body_is(c, 1, "xy") && n > 1;
    tb_val *r = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1);
    tb_dim d[TB_MAX_RANK];

    if (n < 1 || n > TB_MAX_RANK)
        tb_body_raise(c, "expected 1 to %d tensors, found %d", TB_MAX_RANK, n);
    for (int i = 0; i < n; i++)
        d[i] = tb_body_count(g, tb_body_at(c, 0, (uint32_t)i)->v, ~0u);
    for (int i = 0; i < n; i++) {
        r[i] = tb_body_on_axis(g, tb_body_at(c, 0, (uint32_t)i)->v, n, i);
        r[i] = tb_expand(g, r[i], n, d);
        if (xy)
            r[i] = tb_transpose(g, r[i], 0, 1);
    }
    return give_list(c, r, (uint32_t)n);
}

/* ---- the same several times ---- */

/* Each element of the axis (or, with `whole`, the axis) n times. */
static tb_val
repeat_axis(tb_graph *g, tb_val x, int ax, tb_dim n, bool whole)
{
    tb_dim d[TB_MAX_RANK];
    int rank = RANK(x), at = whole ? ax : ax + 1;

    if (n == 1)
        return x;
    x = tb_unsqueeze(g, x, at);
    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)(rank + 1));
    d[at] = n;
    x = tb_expand(g, x, rank + 1, d);
    d[ax] = tb_dim_mul(g->unit, d[ax], d[ax + 1]);
    memmove(d + ax + 1, d + ax + 2, sizeof *d * (size_t)(rank - ax - 1));
    return tb_reshape(g, x, rank, d);
}

/* `self` n[i] times along axis i; more numbers than axes make new axes in front. */
static tb_val
repeat_by(tb_opctx *c, bool more_axes)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int n = (int)tb_body_n(c, 1), skip;
    tb_dim times[TB_MAX_RANK];

    if (n > TB_MAX_RANK || (n < RANK(x) && !more_axes))
        tb_body_raise(c, "expected a number for each of %d axes, found %d", RANK(x), n);
    tb_body_dims(c, 1, n, times);
    while (RANK(x) < n)
        x = tb_unsqueeze(g, x, 0);
    skip = RANK(x) - n; /* tile: missing numbers are ones in front */
    for (int i = 0; i < n; i++)
        x = repeat_axis(g, x, skip + i, times[i], true);
    return x;
}

static tb_val
repeat(tb_opctx *c)
{
    return repeat_by(c, false);
}

static tb_val
tile(tb_opctx *c)
{
    return repeat_by(c, true);
}

static tb_val
repeat_interleave(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    if (!given(c, 2))
        x = tb_body_flat(g, x);
    return repeat_axis(g, x, given(c, 2) ? tb_body_axis(c, 2, RANK(x)) : 0, DIM(1),
                       false);
}

/* ---- another order ---- */

static tb_val
flip(tb_opctx *c)
{
    tb_graph *g = c->g;
    uint32_t axes = 0;

    for (uint32_t k = 0; k < tb_body_n(c, 1); k++)
        axes |= 1u << tb_body_wrap_axis(c, tb_body_at(c, 1, k)->i, RANK(V(0)));
    return RANK(V(0)) ? tb_flip(g, V(0), axes) : V(0);
}

static tb_val
roll_axis(tb_graph *g, tb_val x, int ax, tb_dim by)
{
    tb_unit *u = g->unit;
    tb_dim size = SIZE(x, ax), cut;
    tb_val part[2];

    if (size == 0 || size == 1 || by == 0)
        return x;
    cut = tb_dim_mod(u, tb_dim_sub(u, 0, by), size); /* what comes first */
    if (cut == 0)
        return x;
    part[0] = tb_slice_axis(g, x, ax, cut, tb_dim_sub(u, size, cut), 1);
    part[1] = tb_slice_axis(g, x, ax, 0, cut, 1);
    return tb_concat(g, part, 2, ax);
}

static tb_val
roll(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int n = (int)tb_body_n(c, 2), rank = RANK(x);
    tb_dim by[TB_MAX_RANK], d[TB_MAX_RANK];

    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)rank);
    if (n == 0) { /* all axes as one */
        x = tb_body_flat(g, x);
        return tb_reshape(g, roll_axis(g, x, 0, DIM(1)), rank, d);
    }
    if (n > TB_MAX_RANK)
        tb_body_raise(c, "too many axes");
    tb_body_dims(c, 1, n, by);
    for (int i = 0; i < n && rank; i++)
        x = roll_axis(g, x, tb_body_wrap_axis(c, tb_body_at(c, 2, (uint32_t)i)->i, rank),
                      by[i]);
    return x;
}

static tb_val
rot90(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int64_t k = tb_mod(INT(1), 4), dim[2];
    int a, b;

    tb_body_ints(c, 2, 2, dim);
    a = tb_body_wrap_axis(c, dim[0], RANK(x));
    b = tb_body_wrap_axis(c, dim[1], RANK(x));
    if (k == 2)
        return tb_flip(g, x, 1u << a | 1u << b);
    if (k == 1)
        return tb_transpose(g, tb_flip(g, x, 1u << b), a, b);
    return k == 3 ? tb_flip(g, tb_transpose(g, x, a, b), 1u << b) : x;
}

/* ---- pixels: [.., C * r * r, H, W] <-> [.., C, H * r, W * r] ---- */

static tb_val
pixel_shuffle(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0);
    int64_t r = INT(1);
    int rank = RANK(x), b = rank - 3;
    tb_dim d[2 * TB_MAX_RANK];
    int64_t order[TB_MAX_RANK];

    if (b < 0 || r < 1)
        tb_body_raise(c, "expected rank 3 or more and a positive factor");
    for (int i = 0; i < rank + 2; i++) {
        d[i] = SIZE(x, i < b ? i : b);
        order[i] = i;
    }
    d[b] = tb_dim_floordiv(u, SIZE(x, b), r * r);
    d[b + 1] = d[b + 2] = r;
    d[b + 3] = SIZE(x, b + 1), d[b + 4] = SIZE(x, b + 2);
    x = tb_reshape(g, x, rank + 2, d);
    /* C r1 r2 H W -> C H r1 W r2 */
    order[b + 1] = b + 3, order[b + 2] = b + 1;
    order[b + 3] = b + 4, order[b + 4] = b + 2;
    x = tb_permute(g, x, order);
    d[b + 1] = tb_dim_mul(u, d[b + 3], r);
    d[b + 2] = tb_dim_mul(u, d[b + 4], r);
    return tb_reshape(g, x, rank, d);
}

static tb_val
pixel_unshuffle(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0);
    int64_t r = INT(1);
    int rank = RANK(x), b = rank - 3;
    tb_dim d[2 * TB_MAX_RANK];
    int64_t order[TB_MAX_RANK];

    if (b < 0 || r < 1)
        tb_body_raise(c, "expected rank 3 or more and a positive factor");
    for (int i = 0; i < rank + 2; i++) {
        d[i] = SIZE(x, i < b ? i : b);
        order[i] = i;
    }
    d[b + 1] = tb_dim_floordiv(u, SIZE(x, b + 1), r);
    d[b + 3] = tb_dim_floordiv(u, SIZE(x, b + 2), r);
    d[b + 2] = d[b + 4] = r;
    x = tb_reshape(g, x, rank + 2, d);
    /* C H r1 W r2 -> C r1 r2 H W */
    order[b + 1] = b + 2, order[b + 2] = b + 4;
    order[b + 3] = b + 1, order[b + 4] = b + 3;
    x = tb_permute(g, x, order);
    d[b + 2] = d[b + 3];
    d[b] = tb_dim_mul(u, d[b], r * r);
    return tb_reshape(g, x, rank, d);
}

const tb_op tb_ops_join[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"cat(Tensor[] tensors, int dim=0) -> Tensor",
     TB_KEEP, cat},
    {"concat(Tensor[] tensors, int dim=0) -> Tensor",
     TB_KEEP, cat},
    {"concatenate(Tensor[] tensors, int dim=0) -> Tensor",
     TB_KEEP, cat},
    {"stack(Tensor[] tensors, int dim=0) -> Tensor",
     TB_KEEP, stack},
    {"split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]",
     TB_KEEP, split},
    {"split_copy.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]",
     TB_KEEP, split},
    {"unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]",
     TB_KEEP, split},
    {"split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]",
     TB_KEEP, split_sizes},
    {"split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> "
     "Tensor(a)[]",
     TB_KEEP, split_sizes},
    {"split_with_sizes_copy(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]",
     TB_KEEP, split_sizes},
    {"unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> "
     "Tensor[]",
     TB_KEEP, split_sizes},
    {"chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]",
     TB_KEEP, chunk},
    {"unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]",
     TB_KEEP, chunk},
    {"tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> "
     "Tensor(a)[]",
     TB_KEEP, tensor_split},
    {"tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> "
     "Tensor(a)[]",
     TB_KEEP, tensor_split_at},
    {"unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]",
     TB_KEEP, unbind},
    {"unbind_copy.int(Tensor self, int dim=0) -> Tensor[]",
     TB_KEEP, unbind},
    {"meshgrid(Tensor[] tensors) -> Tensor[]",
     TB_KEEP, meshgrid},
    {"meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]",
     TB_KEEP, meshgrid},
    {"repeat(Tensor self, SymInt[] repeats) -> Tensor",
     TB_KEEP, repeat},
    {"tile(Tensor self, SymInt[] dims) -> Tensor",
     TB_KEEP, tile},
    {"repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, "
     "SymInt? output_size=None) -> Tensor",
     TB_KEEP, repeat_interleave},
    {"flip(Tensor self, int[] dims) -> Tensor",
     TB_KEEP, flip},
    {"roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor",
     TB_KEEP, roll},
    {"rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor",
     TB_KEEP, rot90},
    {"pixel_shuffle(Tensor self, int upscale_factor) -> Tensor",
     TB_KEEP, pixel_shuffle},
    {"pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor",
     TB_KEEP, pixel_unshuffle},
    {"vsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
     TB_KEEP, vsplit},
    {"vsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
     TB_KEEP, vsplit_at},
    {"hsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
     TB_KEEP, hsplit},
    {"hsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
     TB_KEEP, hsplit_at},
    {"dsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
     TB_KEEP, dsplit},
    {"dsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
     TB_KEEP, dsplit_at},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * complex.c -- complex numbers become pairs of real ones.
 *
 * Requires: primitives.   Gives: primitives without complex dtypes.
 *
 * Every complex value is two real nodes, re and im. Where a value has memory that somebody
 * else knows (inputs, results, constants, globals, arguments of control flow) the two lie
 * beside each other, as one real tensor with a last axis of 2: the same bytes.
 *
 * Most primitives are linear or only move: they are done twice, once with the real and once
 * with the imaginary parts of their operands. Products are spelled out.
 */
#include "pass/pass.h"

typedef struct pair {
    tb_val re, im;
} pair;

typedef struct state {
    const tb_graph *from;
    tb_graph *g;
    tb_val *re; /* by node of `from`: a real node's image, or the real part */
    tb_val *im; /* the imaginary part; of a real node its image again */
} state;

static bool
is_complex(const tb_graph *g, tb_val v)
{
    tb_dtype t = tb_dtype_of(g, v);

    return t != TB_NONE && tb_dtype_is_complex(t);
}

/* ---- arithmetic ---- */

#define OP(prim, a, b) tb_map2(g, TB_P_##prim, a, b)
#define FULL(like, value) tb_full_like(g, like, value)

static pair
times(tb_graph *g, pair a, pair b)
{
    return (pair){OP(sub, OP(mul, a.re, b.re), OP(mul, a.im, b.im)),
                  OP(add, OP(mul, a.re, b.im), OP(mul, a.im, b.re))};
}

/* a / b by Smith's method ("Algorithm 116", 1962): no square of the divisor overflows.
 * With |c| >= |d|: r = d/c, s = c + d r: (a.re + a.im r) / s + i (a.im - a.re r) / s. */
static pair
quotient(tb_graph *g, pair a, pair b)
{
    tb_val wide = OP(le, tb_map1(g, TB_P_abs, b.im), tb_map1(g, TB_P_abs, b.re));
    tb_val c = tb_where(g, wide, b.re, b.im), d = tb_where(g, wide, b.im, b.re);
    tb_val x = tb_where(g, wide, a.re, a.im), y = tb_where(g, wide, a.im, a.re);
    tb_val r = OP(div, d, c), s = OP(add, c, OP(mul, d, r));
    tb_val re = OP(div, OP(add, x, OP(mul, y, r)), s);
    tb_val im = OP(div, OP(sub, y, OP(mul, x, r)), s);

    /* with a zero divisor r is NaN: the sign and infinity of each part as PyTorch has it */
    tb_val zero = OP(eq, c, FULL(c, 0)), size = tb_map1(g, TB_P_abs, c);

    re = tb_where(g, zero, OP(div, a.re, size), re);
    im = tb_where(g, wide, im, tb_map1(g, TB_P_neg, im));
    return (pair){re, tb_where(g, zero, OP(div, a.im, size), im)};
}

/* ---- products over an axis ---- */

static tb_val
part(tb_graph *g, tb_val x, int axis, tb_dim start, tb_dim size)
{
    return tb_slice_axis(g, x, axis, start, size, 1);
}

static pair
slice_pair(tb_graph *g, pair x, int axis, tb_dim start, tb_dim size)
{
    return (pair){part(g, x.re, axis, start, size), part(g, x.im, axis, start, size)};
}

/* Ones before or behind x: factors that change nothing. */
static pair
pad_ones(tb_graph *g, pair x, int axis, int64_t lo, int64_t hi)
{
    tb_dim los[TB_MAX_RANK] = {0}, his[TB_MAX_RANK] = {0};
    tb_dtype t = tb_dtype_of(g, x.re);

    los[axis] = lo;
    his[axis] = hi;
    return (pair){tb_pad(g, x.re, los, his, tb_full_f(g, t, 0, NULL, 1)),
                  tb_pad(g, x.im, los, his, tb_full_f(g, t, 0, NULL, 0))};
}

static int64_t
known_size(tb_graph *g, tb_val x, int axis)
{
    tb_dim n = tb_dims(g, x)[axis];

    if (!tb_dim_is_const(n))
        tb_raise(g->unit->cx, g->loc, TB_UNSUPPORTED,
                 "a product of complex numbers over an axis of open size");
    return n;
}

/* Halves against each other, until one is left. */
static pair
product_over(tb_graph *g, pair x, int axis)
{
    int64_t n = known_size(g, x.re, axis);

    if (n == 0)
        return pad_ones(g, x, axis, 1, 0);
    while (n > 1) {
        int64_t half = (n + 1) / 2;

        if (n % 2)
            x = pad_ones(g, x, axis, 0, 1);
        x = times(g, slice_pair(g, x, axis, 0, half), slice_pair(g, x, axis, half, half));
        n = half;
    }
    return x;
}

/* x[i] * x[i - 1] * ... : after k steps each element has its last 2^k factors. */
static pair
running_product(tb_graph *g, pair x, int axis)
{
    int64_t n = known_size(g, x.re, axis);

    for (int64_t s = 1; s < n; s *= 2) {
        pair before = pad_ones(g, slice_pair(g, x, axis, 0, n - s), axis, s, 0);

        x = times(g, before, x);
    }
    return x;
}

/* ---- memory: two parts side by side ---- */

static tb_val
half_of(tb_graph *g, tb_val x, int which)
{
    int last = tb_rank(g, x) - 1;

    return tb_squeeze_axes(g, part(g, x, last, which, 1), 1u << last);
}

static pair
taken_apart(tb_graph *g, tb_val x)
{
    return (pair){half_of(g, x, 0), half_of(g, x, 1)};
}

static tb_val
side_by_side(tb_graph *g, pair x)
{
    int rank = tb_rank(g, x.re);
    tb_val both[2];

    if (rank == TB_MAX_RANK)
        tb_raise(g->unit->cx, g->loc, TB_UNSUPPORTED,
                 "complex numbers of rank %d: the limit is %d", rank, TB_MAX_RANK - 1);
    both[0] = tb_unsqueeze(g, x.re, rank);
    both[1] = tb_unsqueeze(g, x.im, rank);
    return tb_concat(g, both, 2, rank);
}

/* The node of `from` again, of the real dtype and with a last axis of 2. */
static tb_val
raw_pair(state *s, tb_val v, const tb_val *in, const int64_t *attr)
{
    const tb_node *n = tb_node_of(s->from, v);
    tb_dim dims[TB_MAX_RANK + 1];

    for (int i = 0; i < n->rank; i++)
        dims[i] = tb_dims(s->from, v)[i];
    dims[n->rank] = 2;
    return tb_add(s->g, (tb_prim)n->prim, tb_dtype_part((tb_dtype)n->dtype), n->rank + 1,
                  dims, in, n->n_in, attr, n->n_attr);
}

static pair
constant(state *s, tb_val v)
{
    tb_unit *u = s->g->unit;
    tb_const c = u->consts.at[tb_attrs(s->from, v)[0]];

    if (c.rank == TB_MAX_RANK)
        tb_raise(u->cx, s->g->loc, TB_UNSUPPORTED, "a complex constant of rank %d", c.rank);
    c.dtype = tb_dtype_part(c.dtype);
    c.dims[c.rank++] = 2;
    return taken_apart(s->g, tb_constant(s->g, tb_unit_const(u, c)));
}

/* ---- a node ---- */

/* The same node over the real parts and over the imaginary parts. */
static pair
both_parts(state *s, tb_val v)
{
    return (pair){tb_copy_node(s->g, s->from, v, s->re),
                  tb_copy_node(s->g, s->from, v, s->im)};
}

static pair
operand(const state *s, tb_val v, uint32_t i)
{
    uint32_t id = tb_in(s->from, v, i).id;

    return (pair){s->re[id], s->im[id]};
}

/* To complex: of a real number, or of one of another precision. */
static pair
cast_to(state *s, tb_val v)
{
    tb_graph *g = s->g;
    tb_dtype t = tb_dtype_part(tb_dtype_of(s->from, v));
    pair x = operand(s, v, 0);

    if (!is_complex(s->from, tb_in(s->from, v, 0))) {
        x.re = tb_cast(g, x.re, t);
        return (pair){x.re, FULL(x.re, 0)};
    }
    return (pair){tb_cast(g, x.re, t), tb_cast(g, x.im, t)};
}

static tb_val
real_product(state *s, tb_val v, tb_val x, tb_val y, tb_val bias)
{
    const int64_t *a = tb_attrs(s->from, v);
    tb_prim p = (tb_prim)tb_node_of(s->from, v)->prim;
    int n = (int)a[0];

    if (p == TB_P_dot)
        return tb_dot(s->g, x, y);
    return tb_conv(s->g, p, x, y, bias, n, a[1], a + 2, a + 2 + n, a + 2 + 2 * n,
                   a + 2 + 3 * n);
}

/* dot and conv are bilinear: re = xr yr - xi yi, im = xr yi + xi yr, and the bias. */
static pair
bilinear(state *s, tb_val v)
{
    tb_graph *g = s->g;
    pair x = operand(s, v, 0), y = operand(s, v, 1), bias = {TB_NO_VAL, TB_NO_VAL};

    if (tb_node_of(s->from, v)->n_in > 2)
        bias = operand(s, v, 2);
    return (pair){OP(sub, real_product(s, v, x.re, y.re, bias.re),
                     real_product(s, v, x.im, y.im, TB_NO_VAL)),
                  OP(add, real_product(s, v, x.re, y.im, bias.im),
                     real_product(s, v, x.im, y.re, TB_NO_VAL))};
}

/* Axes one after the other: their products commute. */
static pair
fold_product(state *s, tb_val v)
{
    pair x = operand(s, v, 0);
    uint32_t axes = (uint32_t)tb_attrs(s->from, v)[0];

    for (int i = 0; axes >> i; i++)
        if (axes >> i & 1)
            x = product_over(s->g, x, i);
    return x;
}

/* cond, while, call: complex operands as pairs in memory, as the graphs inside get them. */
static tb_val
control(state *s, tb_val v)
{
    const tb_node *n = tb_node_of(s->from, v);
    tb_val *in = TB_NEWN(&s->g->unit->cx->scratch, tb_val, n->n_in);

    for (uint32_t i = 0; i < n->n_in; i++) {
        pair x = operand(s, v, i);

        in[i] = is_complex(s->from, tb_in(s->from, v, i)) ? side_by_side(s->g, x) : x.re;
    }
    return tb_add(s->g, (tb_prim)n->prim, TB_NONE, 0, NULL, in, n->n_in,
                  tb_attrs(s->from, v), n->n_attr);
}

/* ---- linear algebra: complex matrices as their real parts before their imaginary ones ---- */

static tb_val
stacked(tb_graph *g, pair x)
{
    int axis = tb_rank(g, x.re) - 2;
    tb_val both[2];

    if (tb_rank(g, x.re) == TB_MAX_RANK)
        tb_raise(g->unit->cx, g->loc, TB_UNSUPPORTED,
                 "linear algebra on complex numbers of rank %d: the limit is %d",
                 tb_rank(g, x.re), TB_MAX_RANK - 1);
    both[0] = tb_unsqueeze(g, x.re, axis);
    both[1] = tb_unsqueeze(g, x.im, axis);
    return tb_concat(g, both, 2, axis);
}

static pair
linalg(state *s, tb_val v)
{
    tb_graph *g = s->g;
    const int64_t *a = tb_attrs(s->from, v);
    tb_val x = stacked(g, operand(s, v, 0)), r;
    int axis = tb_rank(s->from, v) - 2;
    pair p;

    switch ((tb_prim)tb_node_of(s->from, v)->prim) {
    case TB_P_tri_solve:
        r = tb_tri_solve(g, x, stacked(g, operand(s, v, 1)),
                         (tb_triangle){a[0], a[1], a[2], a[3]}, true);
        break;
    case TB_P_cholesky:
        r = tb_cholesky(g, x, true);
        break;
    case TB_P_lu:
        r = tb_lu(g, x, a[0], true);
        break;
    case TB_P_qr:
        r = tb_qr(g, x, true);
        break;
    case TB_P_schur:
        r = tb_schur(g, x, true);
        break;
    default:
        r = tb_jacobi(g, x, a[0], true);
    }
    p.re = tb_squeeze_axes(g, part(g, r, axis, 0, 1), 1u << axis);
    p.im = tb_squeeze_axes(g, part(g, r, axis, 1, 1), 1u << axis);
    return p;
}

static TB_NORETURN void
lacks(state *s, tb_val v)
{
    tb_raise(s->g->unit->cx, s->g->loc, TB_UNSUPPORTED, "%s of complex numbers",
             tb_prim_name((tb_prim)tb_node_of(s->from, v)->prim));
}

/* A node whose result is complex. */
static pair
make_pair(state *s, tb_val v)
{
    const tb_node *n = tb_node_of(s->from, v);
    tb_graph *g = s->g;
    tb_prim p = (tb_prim)n->prim;
    double value;

    if (tb_prim_is_move(p))
        return both_parts(s, v);
    switch (p) {
    case TB_P_add:
    case TB_P_sub:
    case TB_P_neg:
    case TB_P_where:
    case TB_P_rsum:
    case TB_P_cumsum:
    case TB_P_gather:
        return both_parts(s, v);
    case TB_P_scatter:
        if (tb_attrs(s->from, v)[1] > 1) /* neither set nor add */
            lacks(s, v);
        return both_parts(s, v);
    case TB_P_mul:
        return times(g, operand(s, v, 0), operand(s, v, 1));
    case TB_P_div:
        return quotient(g, operand(s, v, 0), operand(s, v, 1));
    case TB_P_rprod:
        return fold_product(s, v);
    case TB_P_cumprod:
        return running_product(g, operand(s, v, 0), (int)tb_attrs(s->from, v)[0]);
    case TB_P_dot:
    case TB_P_conv:
        return bilinear(s, v);
    case TB_P_tri_solve:
    case TB_P_cholesky:
    case TB_P_lu:
    case TB_P_qr:
    case TB_P_jacobi:
    case TB_P_schur:
        return linalg(s, v);
    case TB_P_cast:
        return cast_to(s, v);
    case TB_P_complex:
        return (pair){operand(s, v, 0).re, operand(s, v, 1).re};
    case TB_P_full:
        memcpy(&value, tb_attrs(s->from, v), sizeof value);
        return (pair){tb_full_f(g, tb_dtype_part((tb_dtype)n->dtype), n->rank,
                                tb_dims(s->from, v), value),
                      tb_full_f(g, tb_dtype_part((tb_dtype)n->dtype), n->rank,
                                tb_dims(s->from, v), 0)};
    case TB_P_const:
        return constant(s, v);
    case TB_P_input:
    case TB_P_read:
        return taken_apart(g, raw_pair(s, v, NULL, tb_attrs(s->from, v)));
    case TB_P_result: {
        tb_val in = s->re[tb_in(s->from, v, 0).id];

        return taken_apart(g, raw_pair(s, v, &in, tb_attrs(s->from, v)));
    }
    default:
        lacks(s, v);
    }
}

/* A node with a real result, or none, that has complex operands. */
static tb_val
make_real(state *s, tb_val v)
{
    const tb_node *n = tb_node_of(s->from, v);
    tb_graph *g = s->g;
    pair a = operand(s, v, 0), b = n->n_in > 1 ? operand(s, v, 1) : a;
    tb_val zero, in;

    switch ((tb_prim)n->prim) {
    case TB_P_imag:
        return a.im;
    case TB_P_cast:
        if (n->dtype != TB_BOOL)
            return tb_cast(g, a.re, (tb_dtype)n->dtype);
        zero = FULL(a.re, 0);
        return OP(or, OP(ne, a.re, zero), OP(ne, a.im, zero));
    case TB_P_eq:
        return OP(and, OP(eq, a.re, b.re), OP(eq, a.im, b.im));
    case TB_P_ne:
        return OP(or, OP(ne, a.re, b.re), OP(ne, a.im, b.im));
    case TB_P_cond:
    case TB_P_while:
    case TB_P_call:
        return control(s, v);
    case TB_P_write:
        in = side_by_side(g, a);
        return tb_add(g, TB_P_write, TB_NONE, 0, NULL, &in, 1, tb_attrs(s->from, v), 1);
    default:
        lacks(s, v);
    }
}

static bool
has_complex_operand(const state *s, tb_val v)
{
    for (uint32_t i = 0; i < tb_node_of(s->from, v)->n_in; i++)
        if (is_complex(s->from, tb_in(s->from, v, i)))
            return true;
    return false;
}

static void
rewrite(state *s, tb_val v)
{
    pair r;

    s->g->loc = s->from->locs[v.id];
    if (is_complex(s->from, v)) {
        r = make_pair(s, v);
        s->re[v.id] = r.re;
        s->im[v.id] = r.im;
        return;
    }
    r.re = has_complex_operand(s, v) ? make_real(s, v)
                                     : tb_copy_node(s->g, s->from, v, s->re);
    s->re[v.id] = s->im[v.id] = r.re;
}

static bool
has_complex(const tb_graph *g)
{
    for (uint32_t id = 1; id < g->n; id++)
        if (is_complex(g, (tb_val){id}))
            return true;
    return false;
}

tb_graph *
tb_pass_complex(const tb_graph *in)
{
    tb_arena *a = &in->unit->cx->keep;
    state s = {.from = in};
    bool *live = tb_live(in, a);

    if (!has_complex(in))
        return tb_rewrite_graph(in, NULL, NULL);
    s.g = tb_graph_new(in->unit);
    s.re = TB_NEWN(a, tb_val, in->n);
    s.im = TB_NEWN(a, tb_val, in->n);
    for (uint32_t id = 1; id < in->n; id++)
        if (live[id])
            rewrite(&s, (tb_val){id});
    for (uint32_t i = 0; i < in->outputs.n; i++) {
        tb_val v = in->outputs.at[i];

        s.g->loc = in->locs[v.id];
        TB_PUSH(a, &s.g->outputs,
                v.id && is_complex(in, v) ? side_by_side(s.g, (pair){s.re[v.id], s.im[v.id]})
                                          : s.re[v.id]);
    }
    return s.g;
}

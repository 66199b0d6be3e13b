/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * simplify.c -- algebra on primitives. Only rewrites that keep the value of every element
 * (up to the order of rounding inside a convolution's weights); the constructors of
 * graph/build.c already do what holds for shapes alone.
 *
 * Requires: primitives.   Gives: primitives.
 */
#include "pass/pass.h"

/* Movement of a value that is the same everywhere. */
static tb_val
move_of_full(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val x = tb_image(rw, v, 0);
    const tb_node *n = tb_node_of(rw->from, v);
    tb_dim dims[TB_MAX_RANK];

    if (tb_node_of(g, x)->prim != TB_P_full || n->prim == TB_P_concat)
        return TB_NO_VAL;
    if (n->prim == TB_P_pad) {
        double a, b;
        if (!tb_is_full(g, x, &a) || !tb_is_full(g, tb_image(rw, v, 1), &b) || !(a == b))
            return TB_NO_VAL;
    }
    for (int i = 0; i < n->rank; i++)
        dims[i] = tb_dim_canon(g->unit, tb_dims(rw->from, v)[i]);
    return tb_add(g, TB_P_full, n->dtype, n->rank, dims, NULL, 0, tb_attrs(g, x), 1);
}

/* Two casts in a row, the first of which loses nothing. */
static tb_val
cast_of_cast(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val x = tb_image(rw, v, 0);
    double value;
    tb_dtype to = tb_dtype_of(rw->from, v);

    if (tb_is_full(g, x, &value)) {
        const tb_node *n = tb_node_of(g, x);
        bool exact = value == (double)(float)value && value > -1e6 && value < 1e6;
        if (to == TB_BOOL || tb_dtype_is_complex(to) || !exact ||
            (!tb_dtype_is_float(to) && value != (double)(int64_t)value) ||
            ((to == TB_F16 || to == TB_BF16) && value != (double)(int8_t)value) ||
            (tb_dtype_kind(to) == TB_KIND_UINT && value < 0) ||
            (tb_dtype_bytes(to) == 1 && (value > 127 || value < -128)) ||
            (tb_dtype_bytes(to) == 2 && (value > 32767 || value < -32768)))
            return TB_NO_VAL;
        return tb_dtype_is_float(to)
                   ? tb_full_f(g, to, n->rank, tb_dims(g, x), value)
                   : tb_full_i(g, to, n->rank, tb_dims(g, x), (int64_t)value);
    }
    if (tb_node_of(g, x)->prim != TB_P_cast)
        return TB_NO_VAL;
    tb_val y = tb_in(g, x, 0);
    tb_dtype mid = tb_dtype_of(g, x), from = tb_dtype_of(g, y);
    bool widens = (from == TB_BOOL && mid != TB_BOOL) ||
                  (mid == TB_F64 && (from == TB_F32 || from == TB_F16 || from == TB_BF16 ||
                                     (tb_dtype_is_int(from) && tb_dtype_bytes(from) <= 4))) ||
                  (mid == TB_F32 && (from == TB_F16 || from == TB_BF16)) ||
                  (tb_dtype_kind(from) == TB_KIND_INT && tb_dtype_kind(mid) == TB_KIND_INT &&
                   tb_dtype_bytes(mid) >= tb_dtype_bytes(from));
    /* a bool is told from its wide form by != 0 in any number type */
    return widens ? tb_cast(g, y, to) : TB_NO_VAL;
}

static tb_val
where_of_full(tb_rewrite *rw, tb_val v)
{
    double c;
    if (!tb_is_full(rw->to, tb_image(rw, v, 0), &c))
        return TB_NO_VAL;
    return tb_image(rw, v, c != 0 ? 1 : 2);
}

/* x * 1, x / 1, x + 0 and x - 0 of integers, x & true ... */
static tb_val
identity(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_prim p = tb_node_of(rw->from, v)->prim;
    tb_val a = tb_image(rw, v, 0), b = tb_image(rw, v, 1);
    bool is_float = tb_dtype_is_float(tb_dtype_of(g, a)), is_bool = tb_dtype_of(g, a) == TB_BOOL;
    double c;

    for (int side = 0; side < 2; side++) {
        tb_val x = side ? b : a, k = side ? a : b;
        bool commutes = p == TB_P_mul || p == TB_P_add || p == TB_P_and || p == TB_P_or;
        if (!tb_is_full(g, k, &c) || (side && !commutes))
            continue;
        if ((p == TB_P_mul || p == TB_P_div) && c == 1)
            return x;
        if ((p == TB_P_add || p == TB_P_sub) && c == 0 && !is_float)
            return x;
        if (p == TB_P_sub && c == 0 && is_float && !__builtin_signbit(c))
            return x; /* x - 0 is x, also for -0 */
        if (is_bool && p == TB_P_and && c != 0)
            return x;
        if (is_bool && p == TB_P_or && c == 0)
            return x;
    }
    return TB_NO_VAL;
}

/* A reduction over axes of size 1 only. */
static tb_val
trivial_fold(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_val x = tb_image(rw, v, 0);
    uint32_t axes = (uint32_t)tb_attrs(rw->from, v)[0];
    tb_prim p = tb_node_of(rw->from, v)->prim;

    for (int i = 0; i < tb_rank(g, x); i++)
        if ((axes >> i) & 1 && tb_dims(g, x)[i] != 1)
            return TB_NO_VAL;
    if (p == TB_P_argmax || p == TB_P_argmin)
        return tb_full_i(g, TB_I64, tb_rank(g, x), tb_dims(g, x), 0);
    return tb_dtype_of(g, x) == tb_dtype_of(rw->from, v) ? x : TB_NO_VAL;
}

/* ---- what follows a convolution enters its weights ---- */
/* A per-channel operand [C] of a map beside conv result [N, C, spatial]: an expand of
 * constants that varies along axis 1 only. */
static tb_val
channel_vector(tb_graph *g, tb_val v, tb_val conv)
{
    tb_val x = v;
    tb_dim c = tb_dims(g, conv)[1], n = 1;
    while (tb_node_of(g, x)->prim == TB_P_expand)
        x = tb_in(g, x, 0);
    if (tb_rank(g, x) != tb_rank(g, conv) || tb_dims(g, x)[1] != c)
        return TB_NO_VAL;
    for (int i = 0; i < tb_rank(g, x); i++)
        n = tb_dim_mul(g->unit, n, tb_dims(g, x)[i]);
    if (n != c)
        return TB_NO_VAL;
    tb_val base = x;
    while (tb_node_of(g, base)->prim == TB_P_reshape)
        base = tb_in(g, base, 0);
    if (tb_node_of(g, base)->prim != TB_P_const && tb_node_of(g, base)->prim != TB_P_full)
        return TB_NO_VAL;
    return tb_reshape(g, x, 1, &c);
}

static tb_val
scale_conv(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    tb_prim p = tb_node_of(rw->from, v)->prim;
    for (uint32_t side = 0; side < 2; side++) {
        tb_val conv = tb_image(rw, v, side), s;
        if (side && (p == TB_P_sub || p == TB_P_div))
            break;
        if (tb_node_of(g, conv)->prim != TB_P_conv ||
            rw->uses[tb_in(rw->from, v, side).id] != 1 || tb_rank(g, conv) < 3)
            continue;
        tb_val w = tb_in(g, conv, 1), b = TB_NO_VAL;
        const tb_node *n = tb_node_of(g, conv);
        if (tb_node_of(g, w)->prim != TB_P_const && tb_node_of(g, w)->prim != TB_P_mul &&
            tb_node_of(g, w)->prim != TB_P_div)
            continue;
        s = channel_vector(g, tb_image(rw, v, 1 - side), conv);
        if (!s.id || tb_dtype_of(g, s) != tb_dtype_of(g, w))
            continue;
        if (n->n_in == 3)
            b = tb_in(g, conv, 2);
        if (p == TB_P_add || p == TB_P_sub) {
            if (b.id)
                b = tb_map2(g, p, b, s);
            else
                b = p == TB_P_add ? s : tb_map1(g, TB_P_neg, s);
        } else {
            tb_dim dims[TB_MAX_RANK];
            for (int i = 0; i < tb_rank(g, w); i++)
                dims[i] = i ? 1 : tb_dims(g, w)[0];
            tb_val sw = tb_expand_like(g, tb_reshape(g, s, tb_rank(g, w), dims), w);
            w = tb_map2(g, p, w, sw);
            if (b.id)
                b = tb_map2(g, p, b, s);
        }
        int64_t attr[2 + 4 * TB_MAX_RANK];
        uint32_t n_attr = tb_node_of(g, conv)->n_attr;
        memcpy(attr, tb_attrs(g, conv), sizeof *attr * n_attr);
        int ns = (int)attr[0];
        return tb_conv(g, TB_P_conv, tb_in(g, conv, 0), w, b, ns, attr[1], attr + 2,
                       attr + 2 + ns, attr + 2 + 2 * ns, attr + 2 + 3 * ns);
    }
    return TB_NO_VAL;
}

static tb_val
simplify(tb_rewrite *rw, tb_val v)
{
    tb_prim p = tb_node_of(rw->from, v)->prim;
    tb_val r = TB_NO_VAL;

    if (tb_prim_is_fold(p))
        return trivial_fold(rw, v);
    if (tb_prim_is_move(p))
        return move_of_full(rw, v);
    switch (p) {
    case TB_P_cast:
        return cast_of_cast(rw, v);
    case TB_P_where:
        return where_of_full(rw, v);
    case TB_P_mul:
    case TB_P_div:
    case TB_P_add:
    case TB_P_sub:
        r = identity(rw, v);
        return r.id ? r : scale_conv(rw, v);
    case TB_P_and:
    case TB_P_or:
        return identity(rw, v);
    default:
        return TB_NO_VAL;
    }
}

tb_graph *
tb_pass_simplify(const tb_graph *in)
{
    return tb_rewrite_graph(in, simplify, NULL);
}

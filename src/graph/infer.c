/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * infer.c -- typed constructors of maps, reductions, scans and data from nowhere, with
 * the checks that all constructors share. Shapes and dtypes are inferred once per
 * family.
 */
#include "graph/internal.h"

/* ---- shared checks ---- */

const char *
tb_dims_text(tb_graph *g, int rank, const tb_dim *dims)
{
    tb_arena *a = &g->unit->cx->keep;
    tb_str s = TB_STR("");

    for (int i = 0; i < rank; i++)
        s = tb_sprintf(a, "%.*s%s%.*s", TB_FMT(s), i ? ", " : "",
                       TB_FMT(tb_dim_text(g->unit, a, dims[i])));
    return tb_sprintf(a, "[%.*s]", TB_FMT(s)).ptr;
}

void
tb_check_axis(tb_graph *g, const char *what, int axis, int rank)
{
    if (axis < 0 || axis >= rank)
        TB_RAISE(g, "%s: axis %d is out of range for rank %d", what, axis, rank);
}

void
tb_expect_rank(tb_graph *g, const char *what, const char *which, tb_val v, int rank)
{
    if (tb_rank(g, v) != rank)
        TB_RAISE(g, "%s: %s: expected rank %d, found rank %d", what, which, rank,
                 tb_rank(g, v));
}

void
tb_check_rank(tb_graph *g, const char *what, int rank)
{
    if (rank < 0 || rank > TB_MAX_RANK)
        TB_RAISE(g, "%s: rank %d is above the limit of %d", what, rank, TB_MAX_RANK);
}

tb_dim
tb_same_size(tb_graph *g, const char *what, const char *which, tb_dim a, tb_dim b)
{
    tb_unit *u = g->unit;
    tb_arena *t = &u->cx->keep;

    if (tb_dim_eq(u, a, b))
        return a;
    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN)
        return a == TB_DIM_UNKNOWN ? b : a;
    if (!tb_dim_may_eq(u, a, b))
        TB_RAISE(g, "%s: %s: expected %s, found %s", what, which,
                 tb_dim_text(u, t, a).ptr, tb_dim_text(u, t, b).ptr);
    tb_dim_assume_eq(u, a, b, g->loc);
    return tb_dim_canon(u, a);
}

void
tb_same_dtype(tb_graph *g, const char *what, tb_val a, tb_val b)
{
    if (tb_dtype_of(g, a) != tb_dtype_of(g, b))
        TB_RAISE(g, "%s: dtypes differ: expected %s, found %s", what,
                 tb_dtype_name(tb_dtype_of(g, a)), tb_dtype_name(tb_dtype_of(g, b)));
}

static void
same_dims(tb_graph *g, const char *what, tb_val a, tb_val b)
{
    int rank = tb_rank(g, a);

    if (rank == tb_rank(g, b)) {
        int i = 0;

        while (i < rank && tb_dim_may_eq(g->unit, tb_dims(g, a)[i], tb_dims(g, b)[i]))
            i++;
        if (i == rank) {
            for (i = 0; i < rank; i++)
                tb_same_size(g, what, "sizes differ", tb_dims(g, a)[i],
                             tb_dims(g, b)[i]);
            return;
        }
    }
    TB_RAISE(g, "%s: shapes differ: expected %s, found %s", what,
             tb_dims_text(g, rank, tb_dims(g, a)),
             tb_dims_text(g, tb_rank(g, b), tb_dims(g, b)));
}

/* ---- maps ---- */

/* The definition columns of prims.def are the truth: "0" means "not for this kind". */
static const struct {
    const char *f, *i;
    bool is_bool;
} columns[] = {
    {"0", "0", false},
#define SAME false
#define BOOL true
#define ATTR false
#define MAP(name, arity, result, f, i) {#f, #i, result},
#include "graph/prims.def"
#undef SAME
#undef BOOL
#undef ATTR
};

/* Bools are 0 and 1: only what stays within them, the rest must be cast first. */
static bool
takes_bool(tb_prim p)
{
    return p == TB_P_mul || p == TB_P_max || p == TB_P_min || p == TB_P_and ||
           p == TB_P_or || p == TB_P_xor || p == TB_P_not || p == TB_P_eq ||
           p == TB_P_ne || p == TB_P_lt || p == TB_P_le || p == TB_P_where;
}

static bool
takes_complex(tb_prim p)
{
    return p == TB_P_add || p == TB_P_sub || p == TB_P_mul || p == TB_P_div ||
           p == TB_P_neg || p == TB_P_eq || p == TB_P_ne || p == TB_P_where;
}

static bool
takes(tb_prim p, tb_dtype t)
{
    switch (tb_dtype_kind(t)) {
    case TB_KIND_BOOL:
        return takes_bool(p);
    case TB_KIND_UINT:
    case TB_KIND_INT:
        return strcmp(columns[p].i, "0") != 0;
    case TB_KIND_FLOAT:
        return strcmp(columns[p].f, "0") != 0;
    case TB_KIND_COMPLEX:
        return takes_complex(p);
    }
    return false;
}

static void
check_map(tb_graph *g, tb_prim p, int arity, tb_val a)
{
    if (!tb_prim_is_map(p) || tb_prim_arity(p) != arity || p == TB_P_cast ||
        p == TB_P_bitcast)
        TB_RAISE(g, "%s: not a map of %d operands", tb_prim_name(p), arity);
    if (tb_dtype_of(g, a) == TB_NONE)
        TB_RAISE(g, "%s: the operand is not a tensor", tb_prim_name(p));
    if (!takes(p, tb_dtype_of(g, a)))
        TB_RAISE(g, "%s: not defined for %s", tb_prim_name(p),
                 tb_dtype_name(tb_dtype_of(g, a)));
}

tb_val
tb_map1(tb_graph *g, tb_prim p, tb_val a)
{
    check_map(g, p, 1, a);
    return tb_add(g, p, tb_dtype_of(g, a), tb_rank(g, a), tb_dims(g, a), &a, 1, NULL,
                  0);
}

tb_val
tb_map2(tb_graph *g, tb_prim p, tb_val a, tb_val b)
{
    tb_val in[2] = {a, b};

    check_map(g, p, 2, a);
    tb_same_dtype(g, tb_prim_name(p), a, b);
    same_dims(g, tb_prim_name(p), a, b);
    return tb_add(g, p, columns[p].is_bool ? TB_BOOL : tb_dtype_of(g, a), tb_rank(g, a),
                  tb_dims(g, a), in, 2, NULL, 0);
}

tb_val
tb_where(tb_graph *g, tb_val cond, tb_val a, tb_val b)
{
    tb_val in[3] = {cond, a, b};

    check_map(g, TB_P_where, 3, a);
    if (tb_dtype_of(g, cond) != TB_BOOL)
        TB_RAISE(g, "where: expected a condition of i1, found %s",
                 tb_dtype_name(tb_dtype_of(g, cond)));
    tb_same_dtype(g, "where", a, b);
    same_dims(g, "where", a, b);
    same_dims(g, "where", a, cond);
    if (a.id == b.id)
        return a;
    return tb_add(g, TB_P_where, tb_dtype_of(g, a), tb_rank(g, a), tb_dims(g, a), in, 3,
                  NULL, 0);
}

static tb_val
add_cast(tb_graph *g, tb_prim p, tb_val a, tb_dtype to)
{
    if (to <= TB_NONE || to >= TB_DTYPE_END || tb_dtype_of(g, a) == TB_NONE)
        TB_RAISE(g, "%s: not between tensors", tb_prim_name(p));
    if (tb_dtype_of(g, a) == to)
        return a;
    if (p == TB_P_cast && tb_node_of(g, a)->prim == TB_P_complex &&
        to == tb_dtype_part(tb_dtype_of(g, a)))
        return tb_in(g, a, 0);
    return tb_add(g, p, to, tb_rank(g, a), tb_dims(g, a), &a, 1, NULL, 0);
}

tb_val
tb_cast(tb_graph *g, tb_val a, tb_dtype to)
{
    return add_cast(g, TB_P_cast, a, to);
}

tb_val
tb_bitcast(tb_graph *g, tb_val a, tb_dtype to)
{
    if (tb_dtype_bytes(tb_dtype_of(g, a)) != tb_dtype_bytes(to))
        TB_RAISE(g, "bitcast: %s and %s differ in size",
                 tb_dtype_name(tb_dtype_of(g, a)), tb_dtype_name(to));
    return add_cast(g, TB_P_bitcast, a, to);
}

/* ---- complex numbers ---- */

tb_val
tb_complex(tb_graph *g, tb_val re, tb_val im)
{
    tb_val in[2] = {re, im};
    tb_dtype t = tb_dtype_of(g, re);

    tb_same_dtype(g, "complex", re, im);
    same_dims(g, "complex", re, im);
    if (t != TB_F32 && t != TB_F64)
        TB_RAISE(g, "complex: expected f32 or f64, found %s", tb_dtype_name(t));
    return tb_add(g, TB_P_complex, t == TB_F32 ? TB_C64 : TB_C128, tb_rank(g, re),
                  tb_dims(g, re), in, 2, NULL, 0);
}

tb_val
tb_imag(tb_graph *g, tb_val x)
{
    tb_dtype t = tb_dtype_of(g, x);

    if (!tb_dtype_is_complex(t))
        TB_RAISE(g, "imag: not defined for %s", tb_dtype_name(t));
    if (tb_node_of(g, x)->prim == TB_P_complex)
        return tb_in(g, x, 1);
    return tb_add(g, TB_P_imag, tb_dtype_part(t), tb_rank(g, x), tb_dims(g, x), &x, 1, NULL,
                  0);
}

/* ---- reductions and scans ---- */

static void
check_reduced(tb_graph *g, tb_prim p, tb_prim map, tb_dtype t)
{
    bool ok = tb_dtype_is_float(t) || tb_dtype_is_int(t);

    if (tb_dtype_is_complex(t))
        ok = map == TB_P_add || map == TB_P_mul;
    if (t == TB_BOOL)
        ok = map != TB_P_add;
    if (map == TB_P_and || map == TB_P_or)
        ok = t == TB_BOOL;
    if (!ok)
        TB_RAISE(g, "%s: not defined for %s", tb_prim_name(p), tb_dtype_name(t));
}

tb_val
tb_reduce(tb_graph *g, tb_prim fold, tb_val x, uint32_t axes)
{
    static const uint16_t map_of[] = {
#define FOLD(name, map, result) TB_P_##map,
#include "graph/prims.def"
    };
    tb_dim dims[TB_MAX_RANK];
    int64_t attr = axes;
    bool arg = fold == TB_P_argmax || fold == TB_P_argmin;
    int rank = tb_rank(g, x);

    if (!tb_prim_is_fold(fold))
        TB_RAISE(g, "%s: not a reduction", tb_prim_name(fold));
    check_reduced(g, fold, map_of[fold - TB_P_rsum], tb_dtype_of(g, x));
    if (axes >> rank)
        tb_check_axis(g, tb_prim_name(fold), 31 - __builtin_clz(axes), rank);
    if (arg && __builtin_popcount(axes) != 1)
        TB_RAISE(g, "%s: expected one axis, found %d", tb_prim_name(fold),
                 __builtin_popcount(axes));
    if (!axes)
        return x;
    for (int i = 0; i < rank; i++) {
        dims[i] = axes >> i & 1 ? 1 : tb_dims(g, x)[i];
        if (arg && (axes >> i & 1) && tb_dims(g, x)[i] == 0)
            TB_RAISE(g, "%s: axis %d is empty", tb_prim_name(fold), i);
    }
    return tb_add(g, fold, arg ? TB_I64 : tb_dtype_of(g, x), rank, dims, &x, 1, &attr,
                  1);
}

tb_val
tb_scan(tb_graph *g, tb_prim scan, tb_val x, int axis)
{
    static const uint16_t map_of[] = {TB_P_add, TB_P_mul, TB_P_max, TB_P_min};
    int64_t attr = axis;

    if (scan < TB_P_cumsum || scan > TB_P_cummin)
        TB_RAISE(g, "%s: not a scan", tb_prim_name(scan));
    check_reduced(g, scan, map_of[scan - TB_P_cumsum], tb_dtype_of(g, x));
    tb_check_axis(g, tb_prim_name(scan), axis, tb_rank(g, x));
    if (tb_dims(g, x)[axis] == 1)
        return x;
    return tb_add(g, scan, tb_dtype_of(g, x), tb_rank(g, x), tb_dims(g, x), &x, 1,
                  &attr, 1);
}

/* ---- data from nowhere ---- */

static void
check_type(tb_graph *g, const char *what, tb_dtype dtype, int rank, const tb_dim *dims)
{
    if (dtype <= TB_NONE || dtype >= TB_DTYPE_END)
        TB_RAISE(g, "%s: no dtype", what);
    tb_check_rank(g, what, rank);
    for (int i = 0; i < rank; i++)
        if (tb_dim_is_const(dims[i]) && dims[i] < 0 && dims[i] != TB_DIM_UNKNOWN)
            TB_RAISE(g, "%s: size %lld of axis %d is negative", what,
                     (long long)dims[i], i);
}

tb_val
tb_input(tb_graph *g, int index, tb_dtype dtype, int rank, const tb_dim *dims)
{
    int64_t attr = index;

    check_type(g, "input", dtype, rank, dims);
    return tb_add(g, TB_P_input, dtype, rank, dims, NULL, 0, &attr, 1);
}

tb_val
tb_constant(tb_graph *g, uint32_t const_index)
{
    int64_t attr = const_index;
    const tb_const *c;

    if (const_index >= g->unit->consts.n)
        TB_RAISE(g, "const: there is no constant %u", const_index);
    c = &g->unit->consts.at[const_index];
    check_type(g, "const", c->dtype, c->rank, c->dims);
    return tb_add(g, TB_P_const, c->dtype, c->rank, c->dims, NULL, 0, &attr, 1);
}

/* The value as an element of the dtype holds it, so that equal nodes are found. */
static int64_t
wrap_int(tb_dtype t, int64_t v)
{
    int bits = (int)tb_dtype_bytes(t) * 8;

    if (t == TB_BOOL)
        return v != 0;
    if (bits >= 64)
        return v;
    v = (int64_t)((uint64_t)v << (64 - bits));
    return tb_dtype_kind(t) == TB_KIND_UINT ? (int64_t)((uint64_t)v >> (64 - bits))
                                            : v >> (64 - bits);
}

static int64_t
double_bits(double v)
{
    int64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* To an integer as PyTorch does where C leaves it undefined: the nearest that fits. */
static int64_t
to_int(tb_dtype t, double v)
{
    if (v != v)
        return 0;
    if (t == TB_U64 && v >= 9223372036854775808.0)
        return v < 18446744073709551616.0 ? (int64_t)(uint64_t)v : -1;
    if (v >= 9223372036854775808.0)
        return INT64_MAX;
    if (v <= -9223372036854775808.0)
        return INT64_MIN;
    return (int64_t)v;
}

/* For float dtypes the bits of `value`, not rounded to the dtype: its reader does that.
 * A complex one has `value` as its real part. */
tb_val
tb_full_f(tb_graph *g, tb_dtype dtype, int rank, const tb_dim *dims, double value)
{
    int64_t attr = double_bits(value);

    check_type(g, "full", dtype, rank, dims);
    if (dtype == TB_BOOL)
        attr = value != 0;
    else if (tb_dtype_is_int(dtype))
        attr = wrap_int(dtype, to_int(dtype, value));
    return tb_add(g, TB_P_full, dtype, rank, dims, NULL, 0, &attr, 1);
}

tb_val
tb_full_i(tb_graph *g, tb_dtype dtype, int rank, const tb_dim *dims, int64_t value)
{
    int64_t attr = value;

    check_type(g, "full", dtype, rank, dims);
    if (dtype != TB_BOOL && !tb_dtype_is_int(dtype))
        return tb_full_f(g, dtype, rank, dims, (double)value);
    attr = wrap_int(dtype, value);
    return tb_add(g, TB_P_full, dtype, rank, dims, NULL, 0, &attr, 1);
}

tb_val
tb_full_like(tb_graph *g, tb_val x, double value)
{
    return tb_full_f(g, tb_dtype_of(g, x), tb_rank(g, x), tb_dims(g, x), value);
}

tb_val
tb_iota(tb_graph *g, int rank, const tb_dim *dims, int axis)
{
    int64_t attr = axis;

    check_type(g, "iota", TB_I64, rank, dims);
    tb_check_axis(g, "iota", axis, rank);
    return tb_add(g, TB_P_iota, TB_I64, rank, dims, NULL, 0, &attr, 1);
}

tb_val
tb_dim_value(tb_graph *g, tb_dim d)
{
    d = tb_dim_canon(g->unit, d);
    if (d == TB_DIM_UNKNOWN)
        TB_RAISE(g, "dim: the size is not known");
    if (tb_dim_is_const(d))
        return tb_full_i(g, TB_I64, 0, NULL, d);
    return tb_add(g, TB_P_dim, TB_I64, 0, NULL, NULL, 0, &d, 1);
}

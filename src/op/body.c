/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * body.c -- the words of body.h.
 */
#include "op/complex.h"

/* ---- arithmetic ---- */

tb_val
tb_body_map1(tb_graph *g, tb_prim p, tb_val a)
{
    return tb_is_complex(g, a) ? tb_cplx_map(g, p, a) : tb_map1(g, p, a);
}

tb_val
tb_body_map2(tb_graph *g, tb_prim p, tb_val a, tb_val b)
{
    tb_broadcast(g, &a, &b);
    if (p == TB_P_pow && tb_is_complex(g, a))
        return tb_cplx_pow(g, a, b);
    return tb_map2(g, p, a, b);
}

tb_val
tb_body_where(tb_graph *g, tb_val p, tb_val a, tb_val b)
{
    tb_broadcast(g, &a, &b);
    tb_broadcast(g, &p, &a);
    tb_broadcast(g, &p, &b);
    return tb_where(g, p, a, b);
}

tb_val
tb_body_number(tb_graph *g, tb_dtype t, double v)
{
    if (tb_dtype_is_inexact(t))
        return tb_full_f(g, t, 0, NULL, v);
    return tb_full_i(g, t, 0, NULL, (int64_t)v);
}

tb_val
tb_body_complex(tb_graph *g, tb_dtype t, double re, double im)
{
    tb_dtype part = tb_dtype_part(t);

    if (!tb_dtype_is_complex(t))
        return tb_body_number(g, t, re);
    return tb_complex(g, tb_full_f(g, part, 0, NULL, re), tb_full_f(g, part, 0, NULL, im));
}

tb_val
tb_body_rsqrt(tb_graph *g, tb_val a)
{
    return DIV(K(a, 1), SQRT(a));
}

tb_val
tb_body_wide(tb_graph *g, tb_val x)
{
    return tb_cast(g, x, tb_dtype_wide(tb_dtype_of(g, x)));
}

tb_dim
tb_body_count(tb_graph *g, tb_val x, uint32_t axes)
{
    tb_dim n = 1;

    for (int i = 0; i < RANK(x); i++)
        if (axes >> i & 1)
            n = tb_dim_mul(g->unit, n, SIZE(x, i));
    return n;
}

tb_val
tb_body_flat(tb_graph *g, tb_val x)
{
    tb_dim n = tb_body_count(g, x, ~0u);

    return tb_reshape(g, x, 1, &n);
}

static tb_val
fold_all(tb_graph *g, tb_prim fold, tb_val x)
{
    return tb_reshape(g, tb_reduce(g, fold, x, (1u << RANK(x)) - 1), 0, NULL);
}

tb_val
tb_body_all(tb_graph *g, tb_val x)
{
    return fold_all(g, TB_P_rall, x);
}

tb_val
tb_body_any(tb_graph *g, tb_val x)
{
    return fold_all(g, TB_P_rany, x);
}

tb_val
tb_body_dim(tb_graph *g, tb_dim d, tb_dtype t)
{
    if (tb_dim_is_const(d))
        return tb_body_number(g, t, (double)d);
    return tb_cast(g, tb_dim_value(g, d), t);
}

tb_dim
tb_body_count_item(tb_graph *g, tb_val n, tb_dim max)
{
    tb_unit *u = g->unit;
    int64_t lo, hi;

    tb_dim_range(u, max, &lo, &hi);
    return tb_item(g, n, tb_sprintf(&u->cx->keep, "n%u", u->syms.n), 0, hi);
}

tb_val
tb_body_mean(tb_graph *g, tb_val x, uint32_t axes)
{
    tb_dim n = tb_body_count(g, x, axes);

    return DIV(RSUM(x, axes), tb_body_dim(g, n, tb_dtype_of(g, x)));
}

/* ---- shape ---- */

tb_val
tb_body_move(tb_graph *g, tb_val x, int from, int to)
{
    int64_t order[TB_MAX_RANK];
    int k = 0;

    for (int i = 0; i < RANK(x); i++) {
        if (i == to) {
            order[i] = from;
            continue;
        }
        k += k == from;
        order[i] = k++;
    }
    return tb_permute(g, x, order);
}

tb_val
tb_body_on_axis(tb_graph *g, tb_val x, int rank, int axis)
{
    tb_dim d[TB_MAX_RANK];

    for (int i = 0; i < rank; i++)
        d[i] = i == axis ? tb_body_count(g, x, ~0u) : 1;
    return tb_reshape(g, x, rank, d);
}

tb_val
tb_body_count_up(tb_graph *g, tb_dim n, int rank, int axis)
{
    tb_dim d[TB_MAX_RANK];

    for (int i = 0; i < rank; i++)
        d[i] = i == axis ? n : 1;
    return tb_iota(g, rank, d, axis);
}

tb_val
tb_body_dilate(tb_graph *g, tb_val x, int axis, int64_t step)
{
    tb_unit *u = g->unit;
    tb_dim d[TB_MAX_RANK], lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};
    tb_dim n = SIZE(x, axis);
    int rank = RANK(x);

    if (step == 1 || n == 0)
        return x;
    x = tb_unsqueeze(g, x, axis + 1);
    hi[axis + 1] = step - 1;
    x = tb_pad(g, x, lo, hi, K(x, 0)); /* [..., n, step, ...] */
    for (int i = 0; i < rank; i++)
        d[i] = i == axis ? tb_dim_mul(u, n, step) : SIZE(x, i + (i > axis));
    x = tb_reshape(g, x, rank, d);
    return tb_slice_axis(g, x, axis, 0, tb_dim_sub(u, d[axis], step - 1), 1);
}

tb_val
tb_body_pad_axis(tb_graph *g, tb_val x, int axis, tb_dim lo, tb_dim hi, double value)
{
    tb_unit *u = g->unit;
    tb_dim los[TB_MAX_RANK] = {0}, his[TB_MAX_RANK] = {0}, cut_lo, cut_hi, n;

    cut_lo = tb_dim_is_const(lo) && lo < 0 ? -lo : 0;
    cut_hi = tb_dim_is_const(hi) && hi < 0 ? -hi : 0;
    if (cut_lo || cut_hi) {
        /* what one side cuts beyond the axis comes out of the other side's padding */
        if (hi > 0)
            x = tb_body_pad_axis(g, x, axis, 0, hi, value), hi = 0;
        if (lo > 0)
            x = tb_body_pad_axis(g, x, axis, lo, 0, value), lo = 0;
        n = tb_dim_sub(u, SIZE(x, axis), cut_lo + cut_hi);
        return tb_slice_axis(g, x, axis, cut_lo, n, 1);
    }
    if (lo == 0 && hi == 0)
        return x;
    los[axis] = lo;
    his[axis] = hi;
    return tb_pad(g, x, los, his, K(x, value));
}

tb_val
tb_body_fit_axis(tb_graph *g, tb_val x, int axis, tb_dim lo, tb_dim hi, double value)
{
    tb_unit *u = g->unit;
    tb_dim n = tb_dim_add(u, tb_dim_add(u, SIZE(x, axis), lo), hi);
    tb_dim cut = tb_dim_max(u, tb_dim_sub(u, 0, lo), 0);

    x = tb_body_pad_axis(g, x, axis, tb_dim_max(u, lo, 0), tb_dim_max(u, hi, 0), value);
    return tb_dim_eq(u, SIZE(x, axis), n) ? x : tb_slice_axis(g, x, axis, cut, n, 1);
}

tb_dim
tb_body_wrap_dim(tb_opctx *c, tb_dim at, tb_dim size)
{
    tb_unit *u = c->g->unit;
    int64_t lo, hi;

    tb_dim_range(u, at, &lo, &hi);
    if (lo >= 0)
        return at;
    if (hi >= 0) /* size is added once if the index is negative: min(1, max(0, -at)) times */
        size = tb_dim_mul(u, size, tb_dim_min(u, 1, tb_dim_max(u, 0, tb_dim_sub(u, 0, at))));
    return tb_dim_add(u, at, size);
}

void
tb_body_slice_range(tb_opctx *c, tb_dim size, uint32_t start, uint32_t end, int64_t step,
                    tb_dim *first, tb_dim *count)
{
    tb_unit *u = c->g->unit;
    tb_dim from = given(c, start) ? tb_body_dim_arg(c, start) : 0, to = size, n;
    const int64_t far = INT64_MAX; /* "to the end" */

    if (step < 1)
        tb_body_raise(c, "step %lld is not positive", (long long)step);
    if (from != far)
        from = tb_dim_min(u, tb_dim_max(u, tb_body_wrap_dim(c, from, size), 0), size);
    else
        from = size;
    if (given(c, end)) {
        to = tb_body_dim_arg(c, end);
        if (to != far)
            to = tb_dim_min(u, tb_dim_max(u, tb_body_wrap_dim(c, to, size), 0), size);
        else
            to = size;
    }
    n = tb_dim_max(u, tb_dim_sub(u, to, from), 0);
    *first = from;
    *count = step == 1 ? n : tb_dim_ceildiv(u, n, step);
}

tb_val
tb_body_wrap(tb_graph *g, tb_val index, tb_dim size)
{
    index = CAST(index, TB_I64);
    return WHERE(LT(index, I64(0)), ADD(index, tb_body_dim(g, size, TB_I64)), index);
}

tb_val
tb_body_take_along(tb_graph *g, tb_val x, int axis, tb_val index)
{
    tb_dim d[TB_MAX_RANK] = {0};
    tb_val idx[TB_MAX_RANK];
    int rank = RANK(x);

    if (RANK(index) != rank)
        tb_raise(g->unit->cx, g->loc, TB_INVALID_ARGUMENT,
                 "expected indices of rank %d, found rank %d", rank, RANK(index));
    /* [..., size of the index, ...] with every other axis of the common size */
    for (int i = 0; i < rank; i++)
        d[i] = i == axis || SIZE(index, i) != 1 ? SIZE(index, i) : SIZE(x, i);
    index = tb_expand(g, index, rank, d);
    for (int i = 0; i < rank; i++) {
        if (i == axis)
            idx[i] = index;
        else if (SIZE(x, i) == 1)
            idx[i] = tb_full_i(g, TB_I64, rank, d, 0);
        else
            idx[i] = tb_iota(g, rank, d, i);
    }
    return tb_gather(g, x, (1u << rank) - 1, idx, (uint32_t)rank);
}

tb_val
tb_body_select(tb_graph *g, tb_val x, int axis, tb_val index)
{
    /* gather puts the index first */
    return tb_body_move(g, tb_gather(g, x, 1u << axis, &index, 1), 0, axis);
}

/* ---- arguments ---- */

static TB_NORETURN void
raise_as(tb_opctx *c, tb_code code, const char *fmt, va_list ap)
{
    tb_ctx *cx = c->g->unit->cx;
    tb_str s = tb_vsprintf(&cx->keep, fmt, ap);

    tb_raise(cx, c->loc, code, "%.*s: %.*s", TB_FMT(c->call->name), TB_FMT(s));
}

void
tb_body_raise(tb_opctx *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    raise_as(c, TB_INVALID_ARGUMENT, fmt, ap);
}

void
tb_body_lacks(tb_opctx *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    raise_as(c, TB_UNSUPPORTED, fmt, ap);
}

tb_val
tb_body_val(tb_opctx *c, uint32_t i)
{
    if (!given(c, i))
        return TB_NO_VAL;
    if (c->arg[i].kind == TB_ARG_TENSOR)
        return c->arg[i].v;
    if (c->arg[i].kind == TB_ARG_STR || c->arg[i].kind == TB_ARG_LIST)
        tb_body_raise(c, "argument %u: expected a tensor", i + 1);
    return tb_body_promoted(c, i, tb_body_common(c, UINT64_C(1) << i));
}

static tb_dim
dim_of(tb_opctx *c, uint32_t i, const tb_arg *a)
{
    switch (a->kind) {
    case TB_ARG_INT:
        return a->i;
    case TB_ARG_DIM:
        return tb_dim_canon(c->g->unit, a->d);
    case TB_ARG_BOOL:
        return a->b;
    case TB_ARG_FLOAT:
        if (a->f == floor(a->f) && fabs(a->f) < 9e15)
            return (int64_t)a->f;
        break;
    case TB_ARG_NONE:
    case TB_ARG_TENSOR:
    case TB_ARG_COMPLEX:
    case TB_ARG_STR:
    case TB_ARG_LIST:
        break;
    }
    tb_body_raise(c, "argument %u: expected an integer", i + 1);
}

static int64_t
int_of(tb_opctx *c, uint32_t i, const tb_arg *a)
{
    tb_dim d = dim_of(c, i, a);

    if (a->kind == TB_ARG_DIM && !tb_dim_is_const(d))
        tb_body_lacks(c, "argument %u must be a constant here", i + 1);
    return d;
}

/* Numbers that bodies calculate with: two may be multiplied. */
static int64_t
small(tb_opctx *c, uint32_t i, int64_t v)
{
    if (v > INT32_MAX || v < -INT32_MAX)
        tb_body_raise(c, "argument %u: %lld is out of range", i + 1, (long long)v);
    return v;
}

int64_t
tb_body_int(tb_opctx *c, uint32_t i)
{
    return small(c, i, int_of(c, i, tb_body_at(c, i, 0)));
}

tb_dim
tb_body_dim_arg(tb_opctx *c, uint32_t i)
{
    return dim_of(c, i, tb_body_at(c, i, 0));
}

double
tb_body_float(tb_opctx *c, uint32_t i)
{
    const tb_arg *a = tb_body_at(c, i, 0);

    if (a->kind == TB_ARG_TENSOR)
        tb_body_lacks(c, "argument %u must be a constant here", i + 1);
    return a->kind == TB_ARG_FLOAT ? a->f : (double)int_of(c, i, a);
}

bool
tb_body_bool(tb_opctx *c, uint32_t i)
{
    return given(c, i) && int_of(c, i, &c->arg[i]) != 0;
}

tb_dtype
tb_body_dtype(tb_opctx *c, uint32_t i, tb_dtype if_none)
{
    tb_dtype t;

    if (!given(c, i))
        return if_none;
    t = tb_dtype_from_torch((int)tb_body_int(c, i));
    if (t == TB_NONE)
        tb_body_lacks(c, "argument %u: unsupported dtype", i + 1);
    return t;
}

bool
tb_body_is(tb_opctx *c, uint32_t i, const char *text)
{
    return given(c, i) && c->arg[i].kind == TB_ARG_STR && tb_str_is(c->arg[i].s, text);
}

int
tb_body_wrap_axis(tb_opctx *c, int64_t axis, int rank)
{
    int n = rank ? rank : 1;

    if (axis < -n || axis >= n)
        tb_body_raise(c, "dim %lld is out of range for rank %d", (long long)axis, rank);
    return (int)(axis < 0 ? axis + n : axis);
}

int
tb_body_axis(tb_opctx *c, uint32_t i, int rank)
{
    return tb_body_wrap_axis(c, tb_body_int(c, i), rank);
}

tb_val
tb_body_scalar(tb_opctx *c, uint32_t i, tb_dtype t)
{
    const tb_arg *a = tb_body_at(c, i, 0);
    tb_graph *g = c->g;

    if (a->kind == TB_ARG_TENSOR)
        return CAST(a->v, t);
    if (a->kind == TB_ARG_FLOAT)
        return tb_body_number(g, t, a->f);
    if (a->kind == TB_ARG_COMPLEX)
        return tb_body_complex(g, t, a->z.re, a->z.im);
    if (a->kind == TB_ARG_INT)
        return tb_full_i(g, t, 0, NULL, a->i);
    return tb_body_dim(g, dim_of(c, i, a), t);
}

uint32_t
tb_body_n(tb_opctx *c, uint32_t i)
{
    if (!given(c, i))
        return 0;
    return c->arg[i].kind == TB_ARG_LIST ? c->arg[i].list.n : 1;
}

const tb_arg *
tb_body_at(tb_opctx *c, uint32_t i, uint32_t k)
{
    if (i >= c->n_args || (c->arg[i].kind == TB_ARG_LIST && k >= c->arg[i].list.n))
        tb_body_raise(c, "argument %u is missing", i + 1);
    return c->arg[i].kind == TB_ARG_LIST ? &c->arg[i].list.at[k] : &c->arg[i];
}

void
tb_body_dims(tb_opctx *c, uint32_t i, int n, tb_dim *out)
{
    uint32_t have = tb_body_n(c, i);

    if (n < 0 || (have != 1 && have != (uint32_t)n))
        tb_body_raise(c, "argument %u: expected %d values, found %u", i + 1, n, have);
    for (uint32_t k = 0; k < (uint32_t)n; k++)
        out[k] = dim_of(c, i, tb_body_at(c, i, have == 1 ? 0 : k));
}

void
tb_body_ints(tb_opctx *c, uint32_t i, int n, int64_t *out)
{
    tb_body_dims(c, i, n, out);
    for (int k = 0; k < n; k++) {
        if (!tb_dim_is_const(out[k]))
            tb_body_lacks(c, "argument %u must be constant here", i + 1);
        small(c, i, out[k]);
    }
}

tb_val
tb_body_out2(tb_opctx *c, tb_val a, tb_val b)
{
    c->out[0] = a;
    c->out[1] = b;
    c->n_out = 2;
    return TB_NO_VAL;
}

tb_val
tb_body_out3(tb_opctx *c, tb_val a, tb_val b, tb_val d)
{
    tb_body_out2(c, a, b);
    c->out[c->n_out++] = d;
    return TB_NO_VAL;
}

/* ---- loops ---- */

/* An empty graph whose inputs have the types of v, as `in`; its number in the unit. */
static int64_t
inner_graph(tb_graph *g, const tb_val *v, uint32_t n, tb_val *in)
{
    tb_unit *u = g->unit;
    tb_graph *inner = tb_graph_new(u);
    uint32_t i = u->graphs.n;

    inner->loc = g->loc;
    for (uint32_t k = 0; k < n; k++)
        in[k] = tb_input(inner, (int)k, tb_dtype_of(g, v[k]), RANK(v[k]), tb_dims(g, v[k]));
    while (u->graphs.at[--i] != inner)
        continue;
    return i;
}

void
tb_body_while(tb_graph *g, tb_val *v, uint32_t n,
              tb_val (*cond)(tb_graph *g, const tb_val *v, void *user),
              void (*step)(tb_graph *g, tb_val *v, void *user), void *user)
{
    tb_unit *u = g->unit;
    tb_arena *a = &u->cx->keep;
    tb_val *in = TB_NEWN(&u->cx->scratch, tb_val, n), loop;
    int64_t graphs[2];

    graphs[0] = inner_graph(g, v, n, in);
    TB_PUSH(a, &u->graphs.at[graphs[0]]->outputs, cond(u->graphs.at[graphs[0]], in, user));
    graphs[1] = inner_graph(g, v, n, in);
    step(u->graphs.at[graphs[1]], in, user);
    for (uint32_t i = 0; i < n; i++)
        TB_PUSH(a, &u->graphs.at[graphs[1]]->outputs, in[i]);
    loop = tb_add(g, TB_P_while, TB_NONE, 0, NULL, v, n, graphs, 2);
    for (uint32_t i = 0; i < n; i++) {
        tb_type t = {.dtype = (uint8_t)tb_dtype_of(g, v[i]), .rank = (uint8_t)RANK(v[i])};

        memcpy(t.dims, tb_dims(g, v[i]), t.rank * sizeof *t.dims);
        v[i] = tb_result(g, loop, i, &t);
    }
}

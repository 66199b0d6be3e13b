/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dim_text.c -- sizes as text that Python would read the same way: "2*s0 + 1",
 * "(s0 + 1)//2", "s0 % 4", "min(s0, 4)".
 */
#include "graph/internal.h"

/* Grows in the scratch arena, as anything here may raise. */
typedef struct text {
    tb_unit *u;
    TB_VEC(char) b;
} text;

static void
put_bytes(text *t, const char *s, size_t n)
{
    tb_vec_grow(&t->u->cx->scratch, (void **)&t->b.at, &t->b.cap, t->b.n + (uint32_t)n,
                1);
    memcpy(t->b.at + t->b.n, s, n);
    t->b.n += (uint32_t)n;
}

static void
put(text *t, const char *s)
{
    put_bytes(t, s, strlen(s));
}

static void
put_int(text *t, int64_t v)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%lld", (long long)v);
    put(t, digits);
}

static void put_sum(text *t, tb_dim d);

static const tb_dim_expr *
get(const text *t, tb_dim d)
{
    return tb_dim_is_const(d) ? NULL : tb_dim_get(t->u, d);
}

static bool
is_call(const tb_dim_expr *e)
{
    return e && (e->op == TB_DIM_MIN || e->op == TB_DIM_MAX);
}

/* An operand of `*`, `//` or `%`: a name, a number, a call, or something in brackets.
 */
static void
put_operand(text *t, tb_dim d)
{
    const tb_dim_expr *e = get(t, d);

    if ((e && (e->op == TB_DIM_SYM || is_call(e))) || (!e && d >= 0)) {
        put_sum(t, d);
        return;
    }
    put(t, "(");
    put_sum(t, d);
    put(t, ")");
}

/* The arguments of a nest of the same function, innermost first. */
static void
put_args(text *t, tb_dim_op op, tb_dim d)
{
    const tb_dim_expr *e = get(t, d);

    if (!e || e->op != op) {
        put_sum(t, d);
        return;
    }
    put_args(t, op, e->a);
    put(t, ", ");
    put_sum(t, e->b);
}

static void
put_atom(text *t, const tb_dim_expr *e, tb_dim d)
{
    switch (e->op) {
    case TB_DIM_SYM: {
        tb_str name = t->u->syms.at[e->a].name;

        put_bytes(t, name.ptr, name.len);
        return;
    }
    case TB_DIM_FLOORDIV:
    case TB_DIM_MOD:
        put_operand(t, e->a);
        put(t, e->op == TB_DIM_MOD ? " % " : "//");
        put_operand(t, e->b);
        return;
    case TB_DIM_MIN:
    case TB_DIM_MAX:
        put(t, e->op == TB_DIM_MIN ? "min(" : "max(");
        put_args(t, e->op, d);
        put(t, ")");
        return;
    case TB_DIM_ADD:
    case TB_DIM_MUL:
        break;
    }
    TB_UNREACHABLE();
}

static void
put_term(text *t, tb_term term, bool first)
{
    tb_dim atoms[TB_MAX_DEGREE];
    uint32_t n = tb_mono_atoms(t->u, term.mono, atoms);
    int64_t c = term.coef;

    if (!first)
        put(t, c < 0 ? " - " : " + ");
    else if (c < 0)
        put(t, "-");
    c = c < 0 ? -c : c;
    if (n == 0 || c != 1)
        put_int(t, c);
    /* "-s0 % 4" would be (-s0) % 4 to Python: an atom that is not alone has brackets.
     */
    if (n == 1 && c == 1 && !(first && term.coef < 0)) {
        put_atom(t, get(t, atoms[0]), atoms[0]);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 || c != 1)
            put(t, "*");
        put_operand(t, atoms[i]);
    }
}

static void
put_sum(text *t, tb_dim d)
{
    const tb_dim_expr *e = get(t, d);
    tb_poly p;

    if (!e) {
        if (d == TB_DIM_UNKNOWN)
            put(t, "?");
        else
            put_int(t, d);
        return;
    }
    if (e->op != TB_DIM_ADD && e->op != TB_DIM_MUL) {
        put_atom(t, e, d);
        return;
    }
    tb_poly_load(&p, t->u, d);
    for (uint32_t i = 0; i < p.n; i++)
        put_term(t, p.at[i], i == 0);
}

tb_str
tb_dim_text(tb_unit *u, tb_arena *a, tb_dim d)
{
    text t = {.u = u};

    if (tb_dim_is_const(d) && d != TB_DIM_UNKNOWN)
        return tb_sprintf(a, "%lld", (long long)d);
    put_sum(&t, d);
    return tb_strdup(a, (tb_str){t.b.at, t.b.n});
}

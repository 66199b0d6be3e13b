/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * poly.c -- dimensions as polynomials.
 *
 * A dimension is a sum of terms; a term is an integer times a product of atoms; an atom
 * is a symbol, a floordiv, a mod, a min or a max. As an interned expression
 *
 *     sum  = ADD(sum, term)      terms in order, the leading one innermost
 *     term = MUL(coefficient, product) | product | coefficient
 *     product = MUL(product, atom)     atoms in order
 *
 * Terms are ordered by degree (descending), then by their atoms. That is an order which
 * multiplication respects, as exact division (tb_poly_div) needs, and it depends on the
 * structure alone, not on the order in which expressions were made: text is stable.
 */
#include "graph/internal.h"

int64_t
tb_dim_checked(tb_unit *u, bool ok, int64_t value)
{
    if (!ok || value >= TB_DIM_EXPR || value <= -TB_DIM_EXPR)
        tb_raise(u->cx, (tb_loc){0}, TB_OUT_OF_RANGE, "size arithmetic overflows");
    return value;
}

/* ---- order ---- */

static int
order_const(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Any two expressions. Constants come last. */
int
tb_dim_order(const tb_unit *u, tb_dim a, tb_dim b)
{
    const tb_dim_expr *x, *y;
    int c;

    if (a == b)
        return 0;
    if (tb_dim_is_const(a) || tb_dim_is_const(b))
        return tb_dim_is_const(a) && tb_dim_is_const(b) ? order_const(a, b)
               : tb_dim_is_const(a)                     ? 1
                                                        : -1;
    x = tb_dim_get(u, a);
    y = tb_dim_get(u, b);
    if (x->op != y->op)
        return x->op < y->op ? -1 : 1;
    if (x->op == TB_DIM_SYM)
        return order_const(x->a, y->a);
    c = tb_dim_order(u, x->a, y->a);
    return c ? c : tb_dim_order(u, x->b, y->b);
}

uint32_t
tb_mono_atoms(const tb_unit *u, tb_dim mono, tb_dim *atoms)
{
    uint32_t n = 0;

    while (!tb_dim_is_const(mono)) {
        const tb_dim_expr *e = tb_dim_get(u, mono);

        if (e->op != TB_DIM_MUL) {
            atoms[n++] = mono;
            break;
        }
        atoms[n++] = e->b;
        mono = e->a;
    }
    for (uint32_t i = 0; i < n / 2; i++) {
        tb_dim t = atoms[i];

        atoms[i] = atoms[n - 1 - i];
        atoms[n - 1 - i] = t;
    }
    return n;
}

static int
order_mono(const tb_unit *u, tb_dim a, tb_dim b)
{
    tb_dim x[TB_MAX_DEGREE], y[TB_MAX_DEGREE];
    uint32_t n, m;

    if (a == b)
        return 0;
    n = tb_mono_atoms(u, a, x);
    m = tb_mono_atoms(u, b, y);
    if (n != m)
        return n > m ? -1 : 1;
    for (uint32_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return tb_dim_order(u, x[i], y[i]);
    return 0;
}

/* ---- products ---- */

tb_dim
tb_mono_make(tb_unit *u, const tb_dim *sorted_atoms, uint32_t n)
{
    tb_dim d = n ? sorted_atoms[0] : 1;

    for (uint32_t i = 1; i < n; i++)
        d = tb_dim_intern(u, TB_DIM_MUL, d, sorted_atoms[i]);
    return d;
}

static tb_dim
mono_mul(tb_unit *u, tb_dim a, tb_dim b)
{
    tb_dim x[TB_MAX_DEGREE], y[TB_MAX_DEGREE], z[2 * TB_MAX_DEGREE];
    uint32_t n, m, i = 0, j = 0, k = 0;

    if (a == 1 || b == 1)
        return a == 1 ? b : a;
    n = tb_mono_atoms(u, a, x);
    m = tb_mono_atoms(u, b, y);
    if (n + m > TB_MAX_DEGREE)
        tb_raise(u->cx, (tb_loc){0}, TB_UNSUPPORTED,
                 "a symbolic size is a product of more than %d factors", TB_MAX_DEGREE);
    while (i < n || j < m)
        z[k++] =
            j == m || (i < n && tb_dim_order(u, x[i], y[j]) <= 0) ? x[i++] : y[j++];
    return tb_mono_make(u, z, k);
}

bool
tb_mono_div(tb_unit *u, tb_dim a, tb_dim b, tb_dim *out)
{
    tb_dim x[TB_MAX_DEGREE], y[TB_MAX_DEGREE];
    uint32_t n, m, i = 0, k = 0;

    if (b == 1 || a == b) {
        *out = b == 1 ? a : 1;
        return true;
    }
    n = tb_mono_atoms(u, a, x);
    m = tb_mono_atoms(u, b, y);
    for (uint32_t j = 0; j < m; j++) {
        while (i < n && x[i] != y[j])
            x[k++] = x[i++];
        if (i++ >= n)
            return false;
    }
    while (i < n)
        x[k++] = x[i++];
    *out = tb_mono_make(u, x, k);
    return true;
}

/* ---- sums ---- */

void
tb_poly_init(tb_poly *p, tb_unit *u)
{
    p->u = u;
    p->at = p->room;
    p->n = 0;
    p->cap = TB_COUNT(p->room);
}

static void
grow(tb_poly *p)
{
    tb_term *at;

    if (p->n < p->cap)
        return;
    if (p->n >= 1u << 16)
        tb_raise(p->u->cx, (tb_loc){0}, TB_UNSUPPORTED,
                 "a symbolic size has more than %d terms", 1 << 16);
    at = TB_NEWN(&p->u->cx->scratch, tb_term, 2 * p->cap);
    memcpy(at, p->at, p->n * sizeof *at);
    p->at = at;
    p->cap *= 2;
}

static tb_term
as_term(const tb_unit *u, tb_dim d)
{
    const tb_dim_expr *e;

    if (tb_dim_is_const(d))
        return (tb_term){d, 1};
    e = tb_dim_get(u, d);
    if (e->op == TB_DIM_MUL && tb_dim_is_const(e->a))
        return (tb_term){e->a, e->b};
    return (tb_term){1, d};
}

void
tb_poly_load(tb_poly *p, tb_unit *u, tb_dim d)
{
    tb_poly_init(p, u);
    if (d == 0)
        return;
    for (;;) { /* from the last term to the first */
        const tb_dim_expr *e = tb_dim_is_const(d) ? NULL : tb_dim_get(u, d);

        grow(p);
        if (!e || e->op != TB_DIM_ADD) {
            p->at[p->n++] = as_term(u, d);
            break;
        }
        p->at[p->n++] = as_term(u, e->b);
        d = e->a;
    }
    for (uint32_t i = 0; i < p->n / 2; i++) {
        tb_term t = p->at[i];

        p->at[i] = p->at[p->n - 1 - i];
        p->at[p->n - 1 - i] = t;
    }
}

tb_dim
tb_poly_store(const tb_poly *p)
{
    tb_dim sum = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        tb_term t = p->at[i];
        tb_dim d = t.mono == 1   ? t.coef
                   : t.coef == 1 ? t.mono
                                 : tb_dim_intern(p->u, TB_DIM_MUL, t.coef, t.mono);

        sum = i == 0 ? d : tb_dim_intern(p->u, TB_DIM_ADD, sum, d);
    }
    return sum;
}

void
tb_poly_insert(tb_poly *p, int64_t coef, tb_dim mono)
{
    uint32_t i = p->n; /* sums are mostly built in order: look from the end */

    if (coef == 0)
        return;
    tb_dim_checked(p->u, true, coef);
    while (i > 0 && p->at[i - 1].mono != mono &&
           order_mono(p->u, p->at[i - 1].mono, mono) > 0)
        i--;
    if (i > 0 && p->at[i - 1].mono == mono) {
        tb_term *t = &p->at[i - 1];

        t->coef = tb_dim_checked(p->u, true, t->coef + coef);
        if (t->coef == 0) {
            memmove(t, t + 1, (p->n - i) * sizeof *t);
            p->n--;
        }
        return;
    }
    grow(p);
    memmove(p->at + i + 1, p->at + i, (p->n - i) * sizeof *p->at);
    p->at[i] = (tb_term){coef, mono};
    p->n++;
}

void
tb_poly_add(tb_poly *p, const tb_poly *q, int64_t factor, tb_dim mono)
{
    for (uint32_t i = 0; i < q->n; i++) {
        int64_t c = 0;
        bool ok = tb_mul_ok(q->at[i].coef, factor, &c);

        tb_dim_checked(p->u, ok, c);
        tb_poly_insert(p, c, mono_mul(p->u, q->at[i].mono, mono));
    }
}

int64_t
tb_poly_const(const tb_poly *p)
{
    return p->n && p->at[p->n - 1].mono == 1 ? p->at[p->n - 1].coef : 0;
}

bool
tb_poly_div(tb_poly *a, const tb_poly *b, tb_poly *q)
{
    tb_poly_init(q, a->u);
    if (b->n == 0)
        return false;
    /* The leading term of a is cancelled in every round, so this ends. */
    while (a->n) {
        tb_term t = a->at[0];
        tb_dim m;

        if (t.coef % b->at[0].coef != 0 ||
            !tb_mono_div(a->u, t.mono, b->at[0].mono, &m))
            return false;
        t.coef /= b->at[0].coef;
        tb_poly_insert(q, t.coef, m);
        tb_poly_add(a, b, -t.coef, m);
    }
    return true;
}

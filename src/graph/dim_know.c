/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dim_know.c -- what is known of the values of sizes: ranges, order, equalities.
 *
 * "Not known" is always a safe answer here: a comparison that is not decided stays a
 * min, a max or a check at run time.
 */
#include "graph/internal.h"

/* ---- ranges: interval arithmetic, INT64_MIN and INT64_MAX are the infinities ---- */

typedef struct range {
    int64_t lo, hi;
} range;

static const range everything = {INT64_MIN, INT64_MAX};

static bool
is_inf(int64_t x)
{
    return x == INT64_MIN || x == INT64_MAX;
}

static int64_t
sat_add(int64_t a, int64_t b)
{
    int64_t c;

    if (is_inf(a) || is_inf(b))
        return is_inf(a) ? a : b;
    if (!tb_add_ok(a, b, &c))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return c;
}

static int64_t
sat_mul(int64_t a, int64_t b)
{
    int64_t c = 0;

    if (a == 0 || b == 0)
        return 0;
    if (is_inf(a) || is_inf(b) || !tb_mul_ok(a, b, &c))
        return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
    return c;
}

static int64_t
sat_div(int64_t a, int64_t b) /* b > 0 */
{
    if (b == INT64_MAX)
        return a < 0 ? (a == INT64_MIN ? a : -1) : a == INT64_MAX ? a : 0;
    return is_inf(a) ? a : tb_floordiv(a, b);
}

static int64_t
least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t
most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static range
corners(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (range){least(least(a, b), least(c, d)), most(most(a, b), most(c, d))};
}

static range range_of(const tb_unit *u, tb_dim d);

static range
range_div(range a, range b)
{
    b.lo = most(b.lo, 1); /* a divisor is not 0, and sizes are not negative */
    if (b.hi < b.lo)
        return everything;
    return corners(sat_div(a.lo, b.lo), sat_div(a.lo, b.hi), sat_div(a.hi, b.lo),
                   sat_div(a.hi, b.hi));
}

static range
range_sym(const tb_unit *u, const tb_sym *s)
{
    range r = {s->min, s->max}, t;

    if (s->same_as) {
        t = range_of(u, s->same_as);
        t.lo = most(t.lo, r.lo);
        t.hi = least(t.hi, r.hi);
        if (t.lo <= t.hi)
            r = t;
    }
    return r;
}

static range
range_of(const tb_unit *u, tb_dim d)
{
    tb_dim_expr e;
    range a, b;

    if (tb_dim_is_const(d))
        return (range){d, d};
    e = *tb_dim_get(u, d);
    if (e.op == TB_DIM_SYM)
        return range_sym(u, &u->syms.at[e.a]);
    a = range_of(u, e.a);
    b = range_of(u, e.b);
    switch (e.op) {
    case TB_DIM_SYM:
        break;
    case TB_DIM_ADD:
        return (range){sat_add(a.lo, b.lo), sat_add(a.hi, b.hi)};
    case TB_DIM_MUL:
        return corners(sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi), sat_mul(a.hi, b.lo),
                       sat_mul(a.hi, b.hi));
    case TB_DIM_FLOORDIV:
        return b.lo < 0 ? everything : range_div(a, b);
    case TB_DIM_MOD:
        if (b.lo < 0)
            return everything;
        b.hi = is_inf(b.hi) ? b.hi : b.hi - 1;
        return (range){0, a.lo >= 0 ? least(a.hi, b.hi) : b.hi};
    case TB_DIM_MIN:
        return (range){least(a.lo, b.lo), least(a.hi, b.hi)};
    case TB_DIM_MAX:
        return (range){most(a.lo, b.lo), most(a.hi, b.hi)};
    }
    TB_UNREACHABLE();
}

void
tb_dim_range(tb_unit *u, tb_dim d, int64_t *min, int64_t *max)
{
    range r = d == TB_DIM_UNKNOWN ? everything : range_of(u, d);

    *min = r.lo;
    *max = r.hi;
}

/* ---- order ---- */

/*
 * p >= 0, with every atom x replaced by (x - min x) + min x: if all coefficients are
 * then not negative, so is p. Decides s0*s1 - s0 >= 0 for s0, s1 >= 1, which ranges do
 * not.
 */
static bool
shifted_not_negative(const tb_poly *p)
{
    tb_unit *u = p->u;
    tb_poly q;

    tb_poly_init(&q, u);
    for (uint32_t i = 0; i < p->n; i++) {
        tb_dim atoms[TB_MAX_DEGREE], sub[TB_MAX_DEGREE];
        uint32_t n = tb_mono_atoms(u, p->at[i].mono, atoms);

        if (n > 6)
            return false;
        for (uint32_t set = 0; set < 1u << n; set++) {
            int64_t c = p->at[i].coef;
            uint32_t m = 0;

            for (uint32_t k = 0; k < n; k++) {
                if (set >> k & 1)
                    sub[m++] = atoms[k];
                else
                    c = sat_mul(c, range_of(u, atoms[k]).lo);
            }
            if (c >= INT64_C(1) << 50 || c <= -(INT64_C(1) << 50))
                return false; /* no bound, or sums of these might overflow */
            tb_poly_insert(&q, c, tb_mono_make(u, sub, m));
        }
    }
    for (uint32_t i = 0; i < q.n; i++)
        if (q.at[i].coef < 0)
            return false;
    return true;
}

static bool not_negative(tb_unit *u, tb_dim d, int depth);

/* q += c * p, unless a number gets so large that q could overflow: a question never
 * raises. */
static bool
add_small(tb_poly *q, const tb_poly *p, int64_t c)
{
    for (uint32_t j = 0; j < p->n; j++) {
        int64_t k = sat_mul(p->at[j].coef, c);

        if (k >= TB_DIM_EXPR / 2 || k <= -TB_DIM_EXPR / 2)
            return false;
        tb_poly_insert(q, k, p->at[j].mono);
    }
    return true;
}

/* p with its term i taken out, times k, plus c * x; TB_DIM_UNKNOWN if that is too
 * large. */
static tb_dim
with_term(const tb_poly *p, uint32_t i, int64_t k, int64_t c, tb_dim x)
{
    tb_poly rest, q, t;

    tb_poly_init(&rest, p->u);
    tb_poly_init(&q, p->u);
    for (uint32_t j = 0; j < p->n; j++)
        if (j != i)
            tb_poly_insert(&rest, p->at[j].coef, p->at[j].mono);
    tb_poly_load(&t, p->u, x);
    if (!add_small(&q, &rest, k) || !add_small(&q, &t, c))
        return TB_DIM_UNKNOWN;
    return tb_poly_store(&q);
}

/* Bounds the term i of p, a multiple of a min, max or division, by simpler terms. */
static bool
not_negative_by_term(const tb_poly *p, uint32_t i, int depth)
{
    tb_unit *u = p->u;
    int64_t c = p->at[i].coef, k;
    tb_dim_expr e = *tb_dim_get(u, p->at[i].mono);
    bool x, either;

    switch (e.op) {
    case TB_DIM_MIN:
    case TB_DIM_MAX:
        /* -min(x, y) is at least -x and at least -y: one of them may do. */
        either = (e.op == TB_DIM_MAX) == (c > 0);
        x = not_negative(u, with_term(p, i, 1, c, e.a), depth);
        if (x == either)
            return x;
        return not_negative(u, with_term(p, i, 1, c, e.b), depth);
    case TB_DIM_FLOORDIV:
        /* x - (k - 1) <= k*(x//k) <= x */
        k = e.b;
        if (!tb_dim_is_const(k) || k < 1)
            return false;
        return not_negative(
            u, with_term(p, i, k, c, c > 0 ? tb_dim_sub(u, e.a, k - 1) : e.a), depth);
    case TB_DIM_SYM:
    case TB_DIM_ADD:
    case TB_DIM_MUL:
    case TB_DIM_MOD:
        return false;
    }
    TB_UNREACHABLE();
}

static bool
not_negative(tb_unit *u, tb_dim d, int depth)
{
    tb_poly p;

    if (tb_dim_is_const(d))
        return d >= 0; /* TB_DIM_UNKNOWN is not */
    if (range_of(u, d).lo >= 0)
        return true;
    tb_poly_load(&p, u, d);
    if (p.n > 1 && p.n <= 16 && shifted_not_negative(&p))
        return true;
    for (uint32_t i = 0; depth > 0 && i < p.n && p.n <= 16; i++)
        if (!tb_dim_is_const(p.at[i].mono) && not_negative_by_term(&p, i, depth - 1))
            return true;
    return false;
}

bool
tb_dim_le(tb_unit *u, tb_dim a, tb_dim b)
{
    tb_poly d, p, q;

    if (a == b)
        return a != TB_DIM_UNKNOWN;
    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN)
        return false;
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return a <= b;
    /* The largest constant stands for "to the end", which no size is beyond. */
    if (b == TB_DIM_EXPR - 1 || a == -TB_DIM_EXPR + 1)
        return true;
    if (range_of(u, a).hi <= range_of(u, b).lo)
        return true;
    tb_poly_init(&d, u);
    tb_poly_load(&p, u, tb_dim_canon(u, a));
    tb_poly_load(&q, u, tb_dim_canon(u, b));
    return add_small(&d, &q, 1) && add_small(&d, &p, -1) &&
           not_negative(u, tb_poly_store(&d), 3);
}

bool
tb_dim_eq(tb_unit *u, tb_dim a, tb_dim b)
{
    if (a == b)
        return a != TB_DIM_UNKNOWN;
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return false;
    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN || u->equalities.n == 0)
        return false;
    return tb_dim_canon(u, a) == tb_dim_canon(u, b);
}

/* ---- values ---- */

static int64_t
sym_hint(const tb_sym *s)
{
    return s->hint ? s->hint : least(most(s->min, 64), s->max);
}

/* Without values of the symbols: with typical ones. */
static int64_t
evaluate(const tb_unit *u, tb_dim d, const int64_t *sym_values)
{
    const tb_dim_expr *e;
    int64_t a, b;

    if (tb_dim_is_const(d))
        return d;
    e = tb_dim_get(u, d);
    if (e->op == TB_DIM_SYM)
        return sym_values ? sym_values[e->a] : sym_hint(&u->syms.at[e->a]);
    a = evaluate(u, e->a, sym_values);
    b = evaluate(u, e->b, sym_values);
    switch (e->op) {
    case TB_DIM_SYM:
        break;
    case TB_DIM_ADD:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case TB_DIM_MUL:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case TB_DIM_FLOORDIV:
        return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : tb_floordiv(a, b);
    case TB_DIM_MOD:
        return b == 0 || b == -1 ? 0 : tb_mod(a, b);
    case TB_DIM_MIN:
        return least(a, b);
    case TB_DIM_MAX:
        return most(a, b);
    }
    TB_UNREACHABLE();
}

int64_t
tb_dim_eval(const tb_unit *u, tb_dim d, const int64_t *sym_values)
{
    return evaluate(u, d, sym_values);
}

int64_t
tb_dim_hint(tb_unit *u, tb_dim d)
{
    return tb_dim_is_const(d) ? d : evaluate(u, tb_dim_canon(u, d), NULL);
}

void
tb_dim_syms(tb_unit *u, tb_dim d, void (*visit)(void *user, uint32_t sym), void *user)
{
    tb_dim_expr e;

    if (tb_dim_is_const(d))
        return;
    e = *tb_dim_get(u, d);
    if (e.op == TB_DIM_SYM) {
        visit(user, (uint32_t)e.a);
        return;
    }
    tb_dim_syms(u, e.a, visit, user);
    tb_dim_syms(u, e.b, visit, user);
}

/* ---- equalities ---- */

static int64_t
gcd_coefs(const tb_poly *p)
{
    int64_t g = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        int64_t a = p->at[i].coef < 0 ? -p->at[i].coef : p->at[i].coef;

        for (; p->at[i].mono != 1 && a;) {
            int64_t t = g % a;

            g = a;
            a = t;
        }
    }
    return g;
}

bool
tb_dim_may_eq(tb_unit *u, tb_dim a, tb_dim b)
{
    tb_poly p;
    tb_dim d;
    range r;
    int64_t g;

    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN || a == b)
        return true;
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return false;
    d = tb_dim_sub(u, tb_dim_canon(u, a), tb_dim_canon(u, b));
    r = range_of(u, d);
    if (r.lo > 0 || r.hi < 0)
        return false;
    tb_poly_load(&p, u, d);
    g = gcd_coefs(&p); /* 2*s0 is not 5 */
    return g == 0 || tb_poly_const(&p) % g == 0;
}

typedef struct search {
    const tb_unit *u;
    uint32_t sym;
    uint32_t count;  /* of sym */
    bool later_item; /* an item symbol that is not there yet when sym gets its value */
} search;

static void
look(void *user, uint32_t sym)
{
    search *s = user;
    const tb_sym *t = &s->u->syms.at[sym];

    if (sym == s->sym)
        s->count++;
    else if (t->kind == TB_SYM_ITEM &&
             (s->u->syms.at[s->sym].kind != TB_SYM_ITEM || sym > s->sym))
        s->later_item = true;
}

/*
 * d = 0: solves for one symbol that is a term of its own with coefficient 1 or -1 and
 * is nowhere else. Later symbols are given up for earlier ones, values read from
 * tensors for shapes; never the other way, as those are not known at the start of a
 * call.
 */
static void
solve(tb_unit *u, tb_dim d)
{
    tb_poly p;
    int64_t g;

    tb_poly_load(&p, u, d);
    g = gcd_coefs(&p);
    for (uint32_t i = 0; g > 1 && i < p.n; i++)
        p.at[i].coef /= g; /* tb_dim_may_eq checked that the constant divides */
    d = tb_poly_store(&p);
    for (uint32_t i = p.n; i-- > 0;) {
        tb_term t = p.at[i];
        search s = {.u = u};
        tb_dim rest;

        if (t.mono == 1 || (t.coef != 1 && t.coef != -1) ||
            tb_dim_get(u, t.mono)->op != TB_DIM_SYM)
            continue;
        s.sym = (uint32_t)tb_dim_get(u, t.mono)->a;
        tb_dim_syms(u, d, look, &s);
        if (s.count != 1 || s.later_item)
            continue;
        rest = with_term(&p, i, -t.coef, 0, 0);
        if (rest != 0 && rest != TB_DIM_UNKNOWN)
            u->syms.at[s.sym].same_as = rest;
        return;
    }
}

void
tb_dim_assume_eq(tb_unit *u, tb_dim a, tb_dim b, tb_loc loc)
{
    tb_arena *t = &u->cx->keep;
    tb_dim x, y;

    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN || tb_dim_eq(u, a, b))
        return;
    if (!tb_dim_may_eq(u, a, b))
        tb_raise(u->cx, loc, TB_INVALID_ARGUMENT,
                 "sizes differ: expected %.*s, found %.*s",
                 TB_FMT(tb_dim_text(u, t, a)), TB_FMT(tb_dim_text(u, t, b)));
    /* What could not be solved for a symbol comes again at every use. */
    for (uint32_t i = 0; i < u->equalities.n; i++) {
        const tb_equality *e = &u->equalities.at[i];

        if ((e->a == a && e->b == b) || (e->a == b && e->b == a))
            return;
    }
    x = tb_dim_canon(u, a);
    y = tb_dim_canon(u, b);
    for (uint32_t i = 0; i < u->equalities.n; i++) { /* written in what was learned since */
        tb_dim ea = tb_dim_canon(u, u->equalities.at[i].a);
        tb_dim eb = tb_dim_canon(u, u->equalities.at[i].b);

        if ((ea == x && eb == y) || (ea == y && eb == x))
            return;
    }
    TB_PUSH(t, &u->equalities, ((tb_equality){a, b, loc}));
    solve(u, tb_dim_sub(u, x, y));
}

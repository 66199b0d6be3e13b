/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dim.c -- integer arithmetic on symbolic sizes.
 *
 * Every result is canonical (poly.c), so the same value reached in two ways is, in the
 * cases that programs make, the same handle: (s0*s1*384)//s1 is 384*s0, and so on.
 * Division assumes, as everywhere in the compiler, that the divisor is not zero.
 * What is known of values is in dim_know.c.
 */
#include "graph/internal.h"

tb_dim
tb_dim_intern(tb_unit *u, tb_dim_op op, tb_dim a, tb_dim b)
{
    uint64_t h = tb_hash_u64((uint64_t)b, tb_hash_u64((uint64_t)a, op));
    uint32_t at = 0, v;

    while ((v = tb_map_next(&u->seen_exprs, h, &at)) != 0) {
        const tb_dim_expr *e = &u->exprs.at[v - 1];

        if (e->op == op && e->a == a && e->b == b)
            return TB_DIM_EXPR + (v - 1);
    }
    TB_PUSH(&u->cx->keep, &u->exprs, ((tb_dim_expr){op, a, b}));
    tb_map_put(&u->seen_exprs, h, u->exprs.n);
    return TB_DIM_EXPR + (u->exprs.n - 1);
}

static bool
name_taken(const tb_unit *u, tb_str name)
{
    for (uint32_t i = 0; i < u->syms.n; i++)
        if (tb_str_eq(u->syms.at[i].name, name))
            return true;
    return false;
}

/* Text refers to symbols by name, so a second "s0" becomes "s0_2". */
tb_dim
tb_sym_new(tb_unit *u, tb_str name, tb_sym_kind kind, int64_t min, int64_t max)
{
    tb_sym s = {
        .name = tb_strdup(&u->cx->keep, name), .kind = kind, .min = min, .max = max};

    for (int n = 2; name_taken(u, s.name); n++)
        s.name = tb_sprintf(&u->cx->keep, "%.*s_%d", TB_FMT(name), n);

    if (min > max)
        tb_raise(u->cx, (tb_loc){0}, TB_INVALID_ARGUMENT,
                 "size %.*s has an empty range: %lld to %lld", TB_FMT(name),
                 (long long)min, (long long)max);
    TB_PUSH(&u->cx->keep, &u->syms, s);
    return tb_sym_dim(u, u->syms.n - 1);
}

tb_dim
tb_sym_dim(tb_unit *u, uint32_t sym)
{
    return tb_dim_intern(u, TB_DIM_SYM, sym, 0);
}

/* A plain number this large is no handle: it comes from the program, so it is raised.
 */
static void
check_handle(tb_unit *u, tb_dim d)
{
    if (d >= TB_DIM_EXPR && d - TB_DIM_EXPR >= u->exprs.n)
        tb_raise(u->cx, (tb_loc){0}, TB_OUT_OF_RANGE, "size %lld is too large",
                 (long long)d);
}

/* torch spells "to the end" as INT64_MAX, which is above what a handle can hold: such
 * numbers count as the largest (smallest) constant. */
static tb_dim
clamp(tb_unit *u, tb_dim d)
{
    if (d == TB_DIM_UNKNOWN)
        tb_raise(u->cx, (tb_loc){0}, TB_INVALID_ARGUMENT,
                 "arithmetic with a size that is not known");
    if (d >= TB_DIM_EXPR + (INT64_C(1) << 32))
        return TB_DIM_EXPR - 1;
    if (d <= -TB_DIM_EXPR)
        return -TB_DIM_EXPR + 1;
    check_handle(u, d);
    return d;
}

/* ---- sums and products ---- */

static tb_dim
add_scaled(tb_unit *u, tb_dim a, tb_dim b, int64_t factor)
{
    tb_poly p, q;

    tb_poly_load(&p, u, a);
    tb_poly_load(&q, u, b);
    tb_poly_add(&p, &q, factor, 1);
    return tb_poly_store(&p);
}

tb_dim
tb_dim_add(tb_unit *u, tb_dim a, tb_dim b)
{
    if (tb_dim_is_const(a) && tb_dim_is_const(b)) {
        int64_t c = 0;
        bool ok = tb_add_ok(a, b, &c);

        return tb_dim_checked(u, ok, c);
    }
    a = clamp(u, a);
    b = clamp(u, b);
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return add_scaled(u, a, b, 1);
}

tb_dim
tb_dim_sub(tb_unit *u, tb_dim a, tb_dim b)
{
    a = clamp(u, a);
    b = clamp(u, b);
    if (a == b)
        return 0;
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return tb_dim_checked(u, true, a - b);
    return b == 0 ? a : add_scaled(u, a, b, -1);
}

tb_dim
tb_dim_mul(tb_unit *u, tb_dim a, tb_dim b)
{
    tb_poly p, q, r;

    if (tb_dim_is_const(a) && tb_dim_is_const(b)) {
        int64_t c = 0;
        bool ok = tb_mul_ok(a, b, &c);

        return tb_dim_checked(u, ok, c);
    }
    a = clamp(u, a);
    b = clamp(u, b);
    if (a == 0 || b == 0)
        return 0;
    if (a == 1 || b == 1)
        return a == 1 ? b : a;
    tb_poly_load(&p, u, a);
    tb_poly_load(&q, u, b);
    tb_poly_init(&r, u);
    for (uint32_t i = 0; i < q.n; i++)
        tb_poly_add(&r, &p, q.at[i].coef, q.at[i].mono);
    return tb_poly_store(&r);
}

/* ---- division ---- */

static int64_t
gcd(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        int64_t t = a % b;

        a = b;
        b = t;
    }
    return a;
}

static int64_t
content(const tb_poly *p)
{
    int64_t g = 0;

    for (uint32_t i = 0; i < p->n; i++)
        g = gcd(g, p->at[i].coef);
    return g;
}

static void
negate(tb_poly *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        p->at[i].coef = -p->at[i].coef;
}

/* q + x // m where q is a sum. */
static tb_dim
sum_and_div(tb_poly *q, tb_dim x, tb_dim m)
{
    tb_unit *u = q->u;
    int64_t lo, hi, l, h;

    if (tb_dim_is_const(m)) {
        tb_dim_range(u, x, &lo, &hi);
        l = lo == INT64_MIN ? INT64_MIN : tb_floordiv(lo, m);
        h = hi == INT64_MAX ? INT64_MAX : tb_floordiv(hi, m);
        if (l == h) {
            tb_poly_insert(q, l, 1);
            return tb_poly_store(q);
        }
    } else if (tb_dim_le(u, 0, x) && tb_dim_le(u, tb_dim_add(u, x, 1), m)) {
        return tb_poly_store(q);
    }
    tb_poly_insert(q, 1, tb_dim_intern(u, TB_DIM_FLOORDIV, x, m));
    return tb_poly_store(q);
}

/* a / m, m > 1: takes out what is divisible, divides the rest by common factors, and
 * joins with a division inside. */
static tb_dim
div_const(tb_poly *a, int64_t m)
{
    tb_unit *u = a->u;
    tb_poly q, r;
    int64_t c = tb_poly_const(a), g = m;

    tb_poly_init(&q, u);
    tb_poly_init(&r, u);
    for (uint32_t i = 0; i < a->n; i++) {
        tb_term t = a->at[i];

        if (t.mono == 1)
            continue;
        tb_poly_insert(&q, t.coef / m, t.mono);
        tb_poly_insert(&r, t.coef % m, t.mono);
        g = gcd(g, t.coef % m);
    }
    tb_poly_insert(&q, tb_floordiv(c, m), 1);
    c = tb_mod(c, m);
    if (!r.n)
        return tb_poly_store(&q);
    /* floor((g*x + c) / (g*m)) = floor((x + floor(c/g)) / m) */
    for (uint32_t i = 0; i < r.n; i++)
        r.at[i].coef /= g;
    c /= g;
    m /= g;
    if (m == 1) {
        tb_poly_add(&q, &r, 1, 1);
        tb_poly_insert(&q, c, 1);
        return tb_poly_store(&q);
    }
    if (r.n == 1 && r.at[0].coef == 1) {
        const tb_dim_expr *e = tb_dim_get(u, r.at[0].mono);
        int64_t mm;

        /* (x//k + c) // m = (x + c*k) // (m*k) */
        if (e->op == TB_DIM_FLOORDIV && tb_dim_is_const(e->b) && e->b > 0 &&
            tb_mul_ok(e->b, m, &mm) && mm < TB_DIM_EXPR) {
            tb_dim k = e->b, x = tb_dim_add(u, e->a, tb_dim_mul(u, c, k));

            return tb_dim_add(u, tb_poly_store(&q), tb_dim_floordiv(u, x, mm));
        }
    }
    tb_poly_insert(&r, c, 1);
    return sum_and_div(&q, tb_poly_store(&r), m);
}

/* Divides both by the product of atoms and the number that all their terms share. */
static void
cancel(tb_poly *a, tb_poly *b)
{
    tb_unit *u = a->u;
    tb_dim atoms[TB_MAX_DEGREE], m;
    uint32_t n = tb_mono_atoms(u, b->at[b->n - 1].mono, atoms);
    int64_t g = gcd(content(a), content(b));

    for (uint32_t k = 0; k < n; k++) {
        bool all = true;

        for (uint32_t i = 0; i < a->n; i++)
            all = all && tb_mono_div(u, a->at[i].mono, atoms[k], &m);
        for (uint32_t i = 0; i < b->n; i++)
            all = all && tb_mono_div(u, b->at[i].mono, atoms[k], &m);
        /* Taking a factor out of every term keeps their order. */
        for (uint32_t i = 0; all && i < a->n; i++)
            tb_mono_div(u, a->at[i].mono, atoms[k], &a->at[i].mono);
        for (uint32_t i = 0; all && i < b->n; i++)
            tb_mono_div(u, b->at[i].mono, atoms[k], &b->at[i].mono);
    }
    for (uint32_t i = 0; i < a->n; i++)
        a->at[i].coef /= g;
    for (uint32_t i = 0; i < b->n; i++)
        b->at[i].coef /= g;
}

/* a = b*q + r where q takes the terms that b, a single term, divides. */
static void
split(const tb_poly *a, const tb_poly *b, tb_poly *q, tb_poly *r)
{
    tb_poly_init(q, a->u);
    tb_poly_init(r, a->u);
    for (uint32_t i = 0; i < a->n; i++) {
        tb_term t = a->at[i];
        tb_dim m;

        if (b->n == 1 && t.coef % b->at[0].coef == 0 &&
            tb_mono_div(a->u, t.mono, b->at[0].mono, &m))
            tb_poly_insert(q, t.coef / b->at[0].coef, m);
        else
            tb_poly_insert(r, t.coef, t.mono);
    }
}

tb_dim
tb_dim_floordiv(tb_unit *u, tb_dim a, tb_dim b)
{
    tb_poly p, d, q, r;

    a = clamp(u, a);
    b = clamp(u, b);
    if (b == 0)
        tb_raise(u->cx, (tb_loc){0}, TB_INVALID_ARGUMENT,
                 "size arithmetic divides by zero");
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return tb_floordiv(a, b);
    if (a == 0 || b == 1)
        return a;
    tb_poly_load(&p, u, a);
    tb_poly_load(&d, u, b);
    if (tb_poly_div(&p, &d, &q))
        return tb_poly_store(&q);
    tb_poly_load(&p, u, a);
    if (d.at[0].coef < 0) {
        negate(&p);
        negate(&d);
    }
    if (d.n == 1 && d.at[0].mono == 1)
        return div_const(&p, d.at[0].coef);
    split(&p, &d, &q, &r);
    cancel(&r, &d);
    if (d.n == 1 && d.at[0].mono == 1)
        return tb_dim_add(u, tb_poly_store(&q),
                          tb_dim_floordiv(u, tb_poly_store(&r), d.at[0].coef));
    return sum_and_div(&q, tb_poly_store(&r), tb_poly_store(&d));
}

tb_dim
tb_dim_ceildiv(tb_unit *u, tb_dim a, tb_dim b)
{
    return tb_dim_floordiv(u, tb_dim_sub(u, tb_dim_add(u, a, b), 1), b);
}

/* ---- remainder ---- */

/* Coefficients modulo m > 1, into (-m/2, m/2]: -s0 stays -s0. A remainder inside by a
 * multiple of m does nothing. */
static tb_dim
mod_terms(const tb_poly *a, int64_t m)
{
    tb_dim sum = 0;
    tb_poly r;

    tb_poly_init(&r, a->u);
    for (uint32_t i = 0; i < a->n; i++) {
        int64_t c = tb_mod(a->at[i].coef, m);

        if (a->at[i].mono != 1 && c > m / 2)
            c -= m;
        if (c && !tb_dim_is_const(a->at[i].mono)) {
            const tb_dim_expr *e = tb_dim_get(a->u, a->at[i].mono);
            int64_t step = 1;

            if (e->op == TB_DIM_MOD && tb_dim_is_const(e->b) &&
                tb_mul_ok(e->b, c, &step) && step % m == 0) {
                sum = tb_dim_add(a->u, sum, tb_dim_mul(a->u, e->a, c));
                continue;
            }
        }
        tb_poly_insert(&r, c, a->at[i].mono);
    }
    return tb_dim_add(a->u, sum, tb_poly_store(&r));
}

static tb_dim
mod_const(const tb_poly *a, int64_t m)
{
    tb_unit *u = a->u;
    tb_dim x = mod_terms(a, m);
    int64_t lo, hi, g;
    tb_poly r;

    if (x != tb_poly_store(a))
        return tb_dim_mod(u, x, m);
    g = gcd(content(a), m);
    if (g > 1) {
        tb_poly_init(&r, u);
        for (uint32_t i = 0; i < a->n; i++)
            tb_poly_insert(&r, a->at[i].coef / g, a->at[i].mono);
        return tb_dim_mul(u, g, tb_dim_mod(u, tb_poly_store(&r), m / g));
    }
    tb_dim_range(u, x, &lo, &hi);
    if (lo != INT64_MIN && hi != INT64_MAX && tb_floordiv(lo, m) == tb_floordiv(hi, m))
        return tb_dim_sub(u, x, tb_dim_mul(u, m, tb_floordiv(lo, m)));
    return tb_dim_intern(u, TB_DIM_MOD, x, m);
}

tb_dim
tb_dim_mod(tb_unit *u, tb_dim a, tb_dim b)
{
    tb_poly p, d, q, r;
    tb_dim x;

    a = clamp(u, a);
    b = clamp(u, b);
    if (b == 0)
        tb_raise(u->cx, (tb_loc){0}, TB_INVALID_ARGUMENT,
                 "size arithmetic divides by zero");
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return tb_mod(a, b);
    if (a == 0 || b == 1 || b == -1 || a == b)
        return 0;
    tb_poly_load(&p, u, a);
    tb_poly_load(&d, u, b);
    if (tb_poly_div(&p, &d, &q))
        return 0;
    tb_poly_load(&p, u, a);
    if (d.n == 1 && d.at[0].mono == 1) {
        if (b > 0)
            return mod_const(&p, b);
        negate(&p);
        return tb_dim_sub(u, 0, mod_const(&p, -b));
    }
    split(&p, &d, &q, &r);
    x = tb_poly_store(&r);
    if (tb_dim_le(u, 0, x) && tb_dim_le(u, tb_dim_add(u, x, 1), b))
        return x;
    return tb_dim_intern(u, TB_DIM_MOD, x, b);
}

/* ---- min and max ---- */

enum { MAX_ARGS = 24 };

/* Puts the arguments of a nest of `op` into args, each once, in order. False if they
 * are too many. */
static bool
collect(const tb_unit *u, tb_dim_op op, tb_dim d, tb_dim *args, uint32_t *n)
{
    for (bool more = true; more;) {
        const tb_dim_expr *e = tb_dim_is_const(d) ? NULL : tb_dim_get(u, d);
        tb_dim arg = d;
        uint32_t i = *n;

        more = e && e->op == op;
        if (more) {
            arg = e->b;
            d = e->a;
        }
        while (i > 0 && tb_dim_order(u, args[i - 1], arg) > 0)
            i--;
        if (i > 0 && args[i - 1] == arg)
            continue;
        if (*n == MAX_ARGS)
            return false;
        memmove(args + i + 1, args + i, (*n - i) * sizeof *args);
        args[i] = arg;
        ++*n;
    }
    return true;
}

static tb_dim
extreme(tb_unit *u, tb_dim_op op, tb_dim a, tb_dim b)
{
    tb_dim args[MAX_ARGS], d = 0;
    uint32_t n = 0, kept = 0;

    if (!collect(u, op, a, args, &n) || !collect(u, op, b, args, &n))
        return tb_dim_intern(u, op, a, b);
    for (uint32_t i = 0; i < n; i++) {
        bool drop = false;

        /* An argument that another one always beats. Of two equal ones the first stays.
         */
        for (uint32_t j = 0; j < n && !drop; j++)
            if (j != i && args[j] != TB_DIM_UNKNOWN)
                drop = op == TB_DIM_MIN ? tb_dim_le(u, args[j], args[i])
                                        : tb_dim_le(u, args[i], args[j]);
        if (drop)
            args[i] = TB_DIM_UNKNOWN;
    }
    for (uint32_t i = 0; i < n; i++)
        if (args[i] != TB_DIM_UNKNOWN)
            d = kept++ ? tb_dim_intern(u, op, d, args[i]) : args[i];
    return d;
}

tb_dim
tb_dim_min(tb_unit *u, tb_dim a, tb_dim b)
{
    a = clamp(u, a);
    b = clamp(u, b);
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return a < b ? a : b;
    return a == b ? a : extreme(u, TB_DIM_MIN, a, b);
}

tb_dim
tb_dim_max(tb_unit *u, tb_dim a, tb_dim b)
{
    a = clamp(u, a);
    b = clamp(u, b);
    if (tb_dim_is_const(a) && tb_dim_is_const(b))
        return a > b ? a : b;
    return a == b ? a : extreme(u, TB_DIM_MAX, a, b);
}

/* ---- equalities applied ---- */

tb_dim
tb_dim_canon(tb_unit *u, tb_dim d)
{
    tb_dim_expr e;
    tb_dim a, b;

    if (tb_dim_is_const(d) || u->equalities.n == 0)
        return d;
    check_handle(u, d);
    e = *tb_dim_get(u, d);
    if (e.op == TB_DIM_SYM) {
        if (u->syms.at[e.a].same_as == 0)
            return d;
        a = tb_dim_canon(u, u->syms.at[e.a].same_as);
        if (a != 0) /* 0 would mean "not known" */
            u->syms.at[e.a].same_as = a;
        return a;
    }
    a = tb_dim_canon(u, e.a);
    b = tb_dim_canon(u, e.b);
    if (a == e.a && b == e.b)
        return d;
    switch (e.op) {
    case TB_DIM_SYM:
        break;
    case TB_DIM_ADD:
        return tb_dim_add(u, a, b);
    case TB_DIM_MUL:
        return tb_dim_mul(u, a, b);
    case TB_DIM_FLOORDIV:
        return tb_dim_floordiv(u, a, b);
    case TB_DIM_MOD:
        return tb_dim_mod(u, a, b);
    case TB_DIM_MIN:
        return tb_dim_min(u, a, b);
    case TB_DIM_MAX:
        return tb_dim_max(u, a, b);
    }
    TB_UNREACHABLE();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * schur.c -- Schur's form of general matrices, a matrix at a time: to Hessenberg's form by
 * reflections, then the QR algorithm with implicit shifts, as LAPACK's lahqr (small matrices)
 * does it: two shifts at once for real matrices, one for complex ones. graph/eval_schur.c
 * is the same in C.
 *
 *   while i >= 0:   (the last row that is not done)
 *     l = the last k <= i whose subdiagonal is negligible
 *     if rows l .. i are one eigenvalue, or a real block of two: i = l - 1
 *     else: a sweep of reflections of 3 (2) rows through rows l .. i
 *
 * The matrix and what is to be turned with it lie side by side, so that a reflection of rows
 * runs over both. i and the number of sweeps since the last eigenvalue are in memory.
 */
#include <float.h>
#include <math.h>

#include "kernel/linalg.h"

typedef struct schur {
    tb_la *a;
    tb_mat x;    /* [n + 1, m], the last row zeros */
    tb_kv n, m;  /* m: columns of both */
    tb_kv i, rounds; /* pointers to I64 */
    tb_kv ulp, least;
} schur;

/* ---- words ---- */

#define OP(p, u, v) tb_la_op(a, TB_P_##p, u, v)
#define ONE(p, u) tb_k_map(a->k, TB_P_##p, u, TB_NO_KV, TB_NO_KV)
#define NUMBER(v) tb_la_const(a, v)
#define INT(v) tb_k_int(a->k, v)
#define PLUS(u, v) tb_k_add(a->k, u, INT(v))

static tb_kv
choose(tb_la *a, tb_kv cond, tb_kv u, tb_kv v)
{
    return tb_k_map(a->k, TB_P_where, cond, u, v);
}

static tb_kv
abs1(tb_la *a, tb_num u)
{
    return a->pairs ? OP(add, ONE(abs, u.re), ONE(abs, u.im)) : ONE(abs, u.re);
}

static tb_kv
length(tb_la *a, tb_kv u, tb_kv v)
{
    return ONE(sqrt, tb_k_fma(a->k, u, u, OP(mul, v, v)));
}

static tb_num
at(const schur *s, tb_kv i, int di, tb_kv j, int dj)
{
    tb_la *a = s->a;

    return tb_la_load(a, s->x, PLUS(i, di), PLUS(j, dj));
}

static void
put(const schur *s, tb_kv i, int di, tb_kv j, int dj, tb_num v)
{
    tb_la *a = s->a;

    tb_la_store(a, s->x, PLUS(i, di), PLUS(j, dj), v);
}

static tb_kv
number(const schur *s, tb_kv ptr)
{
    return tb_k_load(s->a->k, TB_I64, 1, ptr, TB_NO_KV, 0, TB_NO_KV);
}

static void
set_number(const schur *s, tb_kv ptr, tb_kv v)
{
    tb_k_store(s->a->k, TB_I64, ptr, TB_NO_KV, 0, v, TB_NO_KV);
}

/* ---- reflections of few rows ---- */

typedef struct small {
    int size;
    tb_num v[3], tau, beta;
} small;

static small
reflector(const schur *s, const tb_num *v)
{
    tb_la *a = s->a;
    small r = {.size = a->pairs ? 2 : 3};
    tb_kv below = NUMBER(0);
    tb_reflector of;

    for (int e = 1; e < r.size; e++) {
        below = tb_k_fma(a->k, v[e].re, v[e].re, below);
        if (a->pairs)
            below = tb_k_fma(a->k, v[e].im, v[e].im, below);
    }
    of = tb_la_reflector(a, v[0], below);
    r.tau = of.tau;
    r.beta = of.beta;
    r.v[0] = tb_la_real(a, NUMBER(1));
    for (int e = 1; e < r.size; e++)
        r.v[e] = tb_la_mul(a, v[e], of.scale);
    return r;
}

/* Rows k.. from the left, from column k on; columns k.. from the right, in `rows` rows. */
static void
reflect(const schur *s, const small *r, tb_kv k, tb_kv rows)
{
    tb_la *a = s->a;
    tb_num tau = tb_la_splat(a, tb_la_conj(a, r->tau)), v[3], back[3], e[3] = {{{0}, {0}}}, sum;
    tb_kv j, i;

    for (int q = 0; q < r->size; q++) {
        v[q] = tb_la_splat(a, r->v[q]);
        back[q] = tb_la_conj(a, v[q]);
    }
    j = tb_k_for(a->k, k, s->m, a->lanes, NULL, 0);
    for (int q = 0; q < r->size; q++)
        e[q] = tb_la_vload(a, s->x, PLUS(k, q), j);
    sum = e[0];
    for (int q = 1; q < r->size; q++)
        sum = tb_la_muladd(a, sum, back[q], e[q]);
    sum = tb_la_mul(a, sum, tau);
    tb_la_vstore(a, s->x, k, j, tb_la_sub(a, e[0], sum));
    for (int q = 1; q < r->size; q++)
        tb_la_vstore(a, s->x, PLUS(k, q), j, tb_la_mulsub(a, e[q], sum, v[q]));
    tb_k_end_for(a->k, NULL, NULL);

    i = tb_k_for(a->k, INT(0), rows, 1, NULL, 0);
    for (int q = 0; q < r->size; q++)
        e[q] = at(s, i, 0, k, q);
    sum = e[0];
    for (int q = 1; q < r->size; q++)
        sum = tb_la_muladd(a, sum, e[q], r->v[q]);
    sum = tb_la_mul(a, sum, r->tau);
    put(s, i, 0, k, 0, tb_la_sub(a, e[0], sum));
    for (int q = 1; q < r->size; q++)
        put(s, i, 0, k, q, tb_la_mulsub(a, e[q], sum, tb_la_conj(a, r->v[q])));
    tb_k_end_for(a->k, NULL, NULL);
}

/* ---- Hessenberg's form ---- */

/* Right of the reflector v of column c, whose conjugate lies in row 0 of `line`, zeros
 * around it: every row. */
static void
from_the_right(const schur *s, tb_mat line, tb_kv c, tb_num tau)
{
    tb_la *a = s->a;
    tb_kv zero = INT(0), row, j, next = PLUS(c, 1);
    tb_num sum, v;

    row = tb_k_for(a->k, zero, s->n, 1, NULL, 0);
    sum = tb_la_splat(a, tb_la_real(a, NUMBER(0)));
    j = tb_la_for(a, next, s->n, a->lanes, &sum, 1);
    v = tb_la_conj(a, tb_la_vload(a, line, zero, j));
    sum = tb_la_muladd(a, sum, tb_la_vload(a, s->x, row, j), v);
    tb_la_end_for(a, &sum, 1);
    if (a->lanes > 1)
        sum.re = tb_k_hreduce(a->k, TB_P_add, sum.re);
    if (a->lanes > 1 && a->pairs)
        sum.im = tb_k_hreduce(a->k, TB_P_add, sum.im);
    sum = tb_la_splat(a, tb_la_mul(a, sum, tau));
    j = tb_k_for(a->k, next, s->n, a->lanes, NULL, 0);
    v = tb_la_vload(a, line, zero, j);
    tb_la_vstore(a, s->x, row, j,
                 tb_la_mulsub(a, tb_la_vload(a, s->x, row, j), sum, v));
    tb_k_end_for(a->k, NULL, NULL);
    tb_k_end_for(a->k, NULL, NULL);
}

static void
hessenberg(const schur *s, tb_mat line)
{
    tb_la *a = s->a;
    tb_num one = tb_la_real(a, NUMBER(1)), none = tb_la_real(a, NUMBER(0)), v;
    tb_mat below = tb_la_from(a, s->x, INT(1), INT(0));
    tb_reflector r;
    tb_kv c, i, last = PLUS(s->n, -1);

    c = tb_k_for(a->k, INT(0), PLUS(s->n, -2), 1, NULL, 0);
    r = tb_la_reflect(a, below, c, last);
    tb_la_store(a, line, INT(0), c, none);
    tb_la_store(a, line, INT(0), PLUS(c, 1), one);
    i = tb_k_for(a->k, PLUS(c, 1), last, 1, NULL, 0); /* rows of `below` */
    v = tb_la_mul(a, tb_la_load(a, below, i, c), r.scale);
    tb_la_store(a, below, i, c, v);
    tb_la_store(a, line, INT(0), PLUS(i, 1), tb_la_conj(a, v));
    tb_k_end_for(a->k, NULL, NULL);
    tb_la_reflect_rows(a, below, c, last, s->m, r.tau);
    from_the_right(s, line, c, r.tau);
    tb_la_store(a, below, c, c, r.beta);
    i = tb_k_for(a->k, PLUS(c, 1), last, 1, NULL, 0);
    tb_la_store(a, below, i, c, none);
    tb_k_end_for(a->k, NULL, NULL);
    tb_k_end_for(a->k, NULL, NULL);
}

/* ---- where the matrix splits ---- */

/* Is the subdiagonal at (k, k - 1), k > 0, of no account (Ahues and Tisseur, 1997)? */
static tb_kv
negligible(const schur *s, tb_kv k)
{
    tb_la *a = s->a;
    tb_num p = at(s, k, -1, k, -1), q = at(s, k, 0, k, 0);
    tb_kv sub = abs1(a, at(s, k, 0, k, -1)), up = abs1(a, at(s, k, -1, k, 0)), d = abs1(a, q);
    tb_kv e = abs1(a, tb_la_sub(a, p, q)), tst = OP(add, abs1(a, p), d), more, aa, bb, ab, ba, sum;
    tb_kv before = tb_k_max(a->k, PLUS(k, -2), INT(0));

    more = abs1(a, tb_la_load(a, s->x, PLUS(k, -1), before));
    more = choose(a, tb_k_lt(a->k, INT(1), k), more, NUMBER(0));
    more = OP(add, more, abs1(a, at(s, k, 1, k, 0))); /* behind the last row: 0 */
    tst = choose(a, OP(eq, tst, NUMBER(0)), more, tst);
    ab = OP(max, sub, up), ba = OP(min, sub, up);
    aa = OP(max, d, e), bb = OP(min, d, e);
    sum = OP(add, aa, ab);
    more = OP(max, s->least, OP(mul, s->ulp, OP(mul, bb, OP(div, aa, sum))));
    more = OP(le, OP(mul, ba, OP(div, ab, sum)), more);
    return OP(or, OP(le, sub, s->least), OP(and, OP(le, sub, OP(mul, s->ulp, tst)), more));
}

/* ---- shifts ---- */

typedef struct shifts {
    tb_kv re1, re2, im; /* of real matrices */
    tb_num one;
} shifts;

/* csqrt of a number of about 1. */
static tb_num
root(tb_la *a, tb_num z)
{
    tb_kv w = OP(add, ONE(abs, z.re), length(a, z.re, z.im)), v, right = OP(le, NUMBER(0), z.re);

    w = ONE(sqrt, OP(mul, NUMBER(0.5), w));
    v = OP(div, OP(mul, NUMBER(0.5), ONE(abs, z.im)), w);
    v = choose(a, OP(eq, w, NUMBER(0)), NUMBER(0), v);
    return (tb_num){choose(a, right, w, v), OP(copysign, choose(a, right, v, w), z.im)};
}

static shifts
complex_shift(const schur *s, tb_kv l, tb_kv i, tb_kv odd, tb_kv bottom)
{
    tb_la *a = s->a;
    tb_num corner = at(s, i, 0, i, 0), base, u2, w, y, z;
    tb_kv size, none, turn;
    shifts r;

    base = tb_la_where(a, bottom, corner, at(s, l, 0, l, 0));
    size = choose(a, bottom, abs1(a, at(s, i, 0, i, -1)), abs1(a, at(s, l, 1, l, 0)));
    base.re = OP(add, base.re, OP(mul, NUMBER(0.75), size));
    u2 = tb_la_mul(a, at(s, i, -1, i, 0), at(s, i, 0, i, -1));
    none = OP(eq, abs1(a, u2), NUMBER(0));
    w = tb_la_scale(a, tb_la_sub(a, at(s, i, -1, i, -1), corner), NUMBER(0.5));
    size = OP(max, abs1(a, w), ONE(sqrt, abs1(a, u2)));
    size = choose(a, OP(eq, size, NUMBER(0)), NUMBER(1), size);
    size = OP(div, NUMBER(1), size);
    z = tb_la_scale(a, w, size);
    y = root(a, tb_la_add(a, tb_la_mul(a, z, z), tb_la_scale(a, tb_la_scale(a, u2, size), size)));
    turn = OP(lt, tb_k_fma(a->k, z.re, y.re, OP(mul, z.im, y.im)), NUMBER(0));
    y = tb_la_where(a, turn, (tb_num){ONE(neg, y.re), ONE(neg, y.im)}, y);
    z = tb_la_div(a, tb_la_scale(a, u2, size), tb_la_add(a, z, y));
    z = tb_la_where(a, none, corner, tb_la_sub(a, corner, z));
    r.re1 = r.re2 = r.im = TB_NO_KV;
    r.one = tb_la_where(a, odd, base, z);
    return r;
}

/* The eigenvalues of the last two rows, or twice the real one nearer to the corner. */
static shifts
real_shifts(const schur *s, tb_kv l, tb_kv i, tb_kv odd, tb_kv bottom)
{
    tb_la *a = s->a;
    tb_kv h11 = at(s, i, -1, i, -1).re, h12 = at(s, i, -1, i, 0).re;
    tb_kv h21 = at(s, i, 0, i, -1).re, h22 = at(s, i, 0, i, 0).re, size, base, zero, tr, det;
    tb_kv sq, up, down, near;
    shifts r;

    size = OP(add, ONE(abs, h21), ONE(abs, at(s, i, -1, i, -2).re));
    base = OP(add, ONE(abs, at(s, l, 1, l, 0).re), ONE(abs, at(s, l, 2, l, 1).re));
    size = choose(a, bottom, size, base);
    base = choose(a, bottom, h22, at(s, l, 0, l, 0).re);
    base = OP(add, base, OP(mul, NUMBER(0.75), size));
    h11 = choose(a, odd, base, h11);
    h22 = choose(a, odd, base, h22);
    h12 = choose(a, odd, OP(mul, NUMBER(-0.4375), size), h12);
    h21 = choose(a, odd, size, h21);
    size = OP(add, OP(add, ONE(abs, h11), ONE(abs, h12)), OP(add, ONE(abs, h21), ONE(abs, h22)));
    size = choose(a, OP(eq, size, NUMBER(0)), NUMBER(1), size);
    h11 = OP(div, h11, size), h12 = OP(div, h12, size);
    h21 = OP(div, h21, size), h22 = OP(div, h22, size);
    tr = OP(mul, OP(add, h11, h22), NUMBER(0.5));
    det = OP(sub, OP(mul, OP(sub, h11, tr), OP(sub, h22, tr)), OP(mul, h12, h21));
    sq = ONE(sqrt, ONE(abs, det));
    up = OP(add, tr, sq), down = OP(sub, tr, sq);
    near = OP(le, ONE(abs, OP(sub, up, h22)), ONE(abs, OP(sub, down, h22)));
    zero = OP(le, NUMBER(0), det);
    r.re1 = r.re2 = OP(mul, size, choose(a, zero, tr, choose(a, near, up, down)));
    r.im = choose(a, zero, OP(mul, sq, size), NUMBER(0));
    r.one = tb_la_real(a, r.re1);
    return r;
}

/* The first column of the shifted matrix if the sweep begins at k; its size is 1. */
static void
first_column(const schur *s, const shifts *sh, tb_kv k, tb_num *v)
{
    tb_la *a = s->a;
    tb_num p = at(s, k, 0, k, 0), sub = at(s, k, 1, k, 0);
    tb_kv size, d1, d2, h;

    v[2] = tb_la_real(a, NUMBER(0));
    if (a->pairs) {
        v[0] = tb_la_sub(a, p, sh->one);
        v[1] = sub;
        size = OP(add, abs1(a, v[0]), abs1(a, v[1]));
    } else {
        d1 = OP(sub, p.re, sh->re1), d2 = OP(sub, p.re, sh->re2);
        size = OP(add, OP(add, ONE(abs, d2), ONE(abs, sh->im)), ONE(abs, sub.re));
        h = OP(div, sub.re, size);
        v[0].re = OP(mul, h, at(s, k, 0, k, 1).re);
        v[0].re = OP(add, v[0].re, OP(mul, d1, OP(div, d2, size)));
        v[0].re = OP(add, v[0].re, OP(mul, sh->im, OP(div, sh->im, size)));
        v[1].re = OP(add, d1, OP(sub, at(s, k, 1, k, 1).re, sh->re2));
        v[1].re = OP(mul, h, v[1].re);
        v[2].re = OP(mul, h, at(s, k, 2, k, 1).re);
        v[0].im = v[1].im = TB_NO_KV;
        size = OP(add, OP(add, abs1(a, v[0]), abs1(a, v[1])), abs1(a, v[2]));
    }
    size = OP(div, NUMBER(1), size);
    for (int e = 0; e < 3; e++)
        v[e] = tb_la_scale(a, v[e], size);
}

/* ---- a sweep ---- */

/* The last place where two subdiagonals after each other are small enough to begin at. */
static tb_kv
where_to_begin(const schur *s, const shifts *sh, tb_kv l, tb_kv i)
{
    tb_la *a = s->a;
    tb_kv begin = l, k, ok, sizes;
    tb_num v[3];

    k = tb_k_for(a->k, PLUS(l, 1), PLUS(i, a->pairs ? 0 : -1), 1, &begin, 1);
    begin = tb_k_carried(a->k, 0);
    first_column(s, sh, k, v);
    sizes = OP(add, abs1(a, at(s, k, 0, k, 0)), abs1(a, at(s, k, 1, k, 1)));
    if (!a->pairs)
        sizes = OP(add, sizes, abs1(a, at(s, k, -1, k, -1)));
    sizes = OP(mul, s->ulp, OP(mul, abs1(a, v[0]), sizes));
    ok = OP(mul, abs1(a, at(s, k, 0, k, -1)), OP(add, abs1(a, v[1]), abs1(a, v[2])));
    begin = choose(a, OP(le, ok, sizes), k, begin);
    tb_k_end_for(a->k, &begin, &begin);
    return begin;
}

static void
sweep(const schur *s, tb_kv l, tb_kv i)
{
    tb_la *a = s->a;
    tb_kv round = PLUS(number(s, s->rounds), 1), odd, bottom, begin, k, first, rows, before;
    tb_num v[3], w[3], none = tb_la_real(a, NUMBER(0)), one = tb_la_real(a, NUMBER(1));
    shifts sh;
    small r;
    int size = a->pairs ? 2 : 3;

    set_number(s, s->rounds, round);
    odd = OP(eq, tb_k_mod(a->k, round, INT(10)), INT(0));
    bottom = OP(eq, tb_k_mod(a->k, round, INT(20)), INT(0));
    sh = a->pairs ? complex_shift(s, l, i, odd, bottom) : real_shifts(s, l, i, odd, bottom);
    begin = where_to_begin(s, &sh, l, i);
    first_column(s, &sh, begin, v);

    k = tb_k_for(a->k, begin, i, 1, NULL, 0);
    first = OP(eq, k, begin);
    before = tb_k_max(a->k, PLUS(k, -1), INT(0));
    for (int e = 0; e < size; e++) {
        w[e] = tb_la_load(a, s->x, PLUS(k, e), before);
        if (e == 2)
            w[e] = tb_la_where(a, tb_k_lt(a->k, PLUS(k, 1), i), w[e], none);
        w[e] = tb_la_where(a, first, v[e], w[e]);
    }
    r = reflector(s, w);
    tb_k_if(a->k, first);
    tb_k_if(a->k, tb_k_lt(a->k, l, k));
    w[0] = tb_la_sub(a, one, tb_la_conj(a, r.tau));
    tb_la_store(a, s->x, k, before, tb_la_mul(a, tb_la_load(a, s->x, k, before), w[0]));
    tb_k_end_if(a->k);
    tb_k_else(a->k);
    tb_la_store(a, s->x, k, before, r.beta);
    for (int e = 1; e < size; e++) /* below i it is 0 as it is */
        tb_la_store(a, s->x, PLUS(k, e), before, none);
    tb_k_end_if(a->k);
    rows = PLUS(tb_k_min(a->k, PLUS(k, size), i), 1);
    reflect(s, &r, k, rows);
    tb_k_end_for(a->k, NULL, NULL);
}

/* ---- real blocks of two ---- */

typedef struct turn {
    tb_kv cs, sn, split; /* split: into two real eigenvalues */
} turn;

static tb_kv
same_sign(tb_la *a, tb_kv u, tb_kv v)
{
    tb_kv one = NUMBER(1);

    return OP(eq, OP(copysign, one, u), OP(copysign, one, v));
}

/* LAPACK's lanv2. */
static turn
standard(const schur *s, tb_kv k)
{
    tb_la *a = s->a;
    tb_kv p_ = at(s, k, 0, k, 0).re, b = at(s, k, 0, k, 1).re, c = at(s, k, 1, k, 0).re;
    tb_kv d = at(s, k, 1, k, 1).re, zero = NUMBER(0), one = NUMBER(1), half = NUMBER(0.5);
    tb_kv diff = OP(sub, p_, d), p = OP(mul, half, diff), most, least, scale, z, tau, sum;
    tb_kv cs, sn, b2, c2, u, w, again, real, done;
    turn r, t;

    most = OP(max, ONE(abs, b), ONE(abs, c));
    least = OP(min, ONE(abs, b), ONE(abs, c));
    least = OP(mul, OP(copysign, least, b), OP(copysign, one, c));
    scale = OP(max, ONE(abs, p), most);
    z = OP(add, OP(mul, OP(div, p, scale), p), OP(mul, OP(div, most, scale), least));
    real = OP(le, OP(mul, NUMBER(4), s->ulp), z);
    /* two real ones */
    z = OP(mul, ONE(sqrt, scale), ONE(sqrt, OP(max, z, zero)));
    z = OP(add, p, OP(copysign, z, p));
    tau = length(a, c, z);
    r = (turn){OP(div, z, tau), OP(div, c, tau), real};
    /* equal ones on the diagonal */
    sum = OP(add, b, c);
    tau = length(a, sum, diff);
    cs = ONE(sqrt, OP(mul, half, OP(add, one, OP(div, ONE(abs, sum), tau))));
    sn = ONE(neg, OP(mul, OP(div, p, OP(mul, tau, cs)), OP(copysign, one, sum)));
    done = OP(and, OP(eq, diff, zero), ONE(not, same_sign(a, b, c)));
    cs = choose(a, done, one, cs), sn = choose(a, done, zero, sn);
    z = OP(mul, half, OP(sub, b, c));
    u = OP(copysign, OP(mul, half, tau), sum);
    b2 = choose(a, done, b, OP(add, u, z)), c2 = choose(a, done, c, OP(sub, u, z));
    again = OP(and, OP(ne, c2, zero), OP(or, OP(eq, b2, zero), same_sign(a, b2, c2)));
    tau = OP(div, one, ONE(sqrt, ONE(abs, OP(add, b2, c2))));
    u = OP(mul, ONE(sqrt, ONE(abs, b2)), tau), w = OP(mul, ONE(sqrt, ONE(abs, c2)), tau);
    t.cs = choose(a, again, OP(sub, OP(mul, cs, u), OP(mul, sn, w)), cs);
    t.sn = choose(a, again, OP(add, OP(mul, cs, w), OP(mul, sn, u)), sn);
    t.split = OP(or, again, OP(eq, c2, zero));
    real = OP(and, real, ONE(not, done));
    r.cs = choose(a, real, r.cs, t.cs);
    r.sn = choose(a, real, r.sn, t.sn);
    r.split = OP(or, real, t.split);
    z = OP(eq, b, zero);
    r.cs = choose(a, z, zero, r.cs);
    r.sn = choose(a, z, one, r.sn);
    r.split = OP(or, z, r.split);
    return r;
}

static void
turn_block(const schur *s, tb_kv k)
{
    tb_la *a = s->a;
    turn t = standard(s, k);
    tb_kv cs = tb_k_splat(a->k, t.cs, a->lanes), sn = tb_k_splat(a->k, t.sn, a->lanes), j, i;
    tb_num u, v, mean;

    j = tb_k_for(a->k, k, s->m, a->lanes, NULL, 0);
    u = tb_la_vload(a, s->x, k, j);
    v = tb_la_vload(a, s->x, PLUS(k, 1), j);
    tb_la_vstore(a, s->x, k, j,
                 (tb_num){OP(add, OP(mul, cs, u.re), OP(mul, sn, v.re)), TB_NO_KV});
    tb_la_vstore(a, s->x, PLUS(k, 1), j,
                 (tb_num){OP(sub, OP(mul, cs, v.re), OP(mul, sn, u.re)), TB_NO_KV});
    tb_k_end_for(a->k, NULL, NULL);
    i = tb_k_for(a->k, INT(0), PLUS(k, 2), 1, NULL, 0);
    u = at(s, i, 0, k, 0);
    v = at(s, i, 0, k, 1);
    put(s, i, 0, k, 0,
        (tb_num){OP(add, OP(mul, t.cs, u.re), OP(mul, t.sn, v.re)), TB_NO_KV});
    put(s, i, 0, k, 1,
        (tb_num){OP(sub, OP(mul, t.cs, v.re), OP(mul, t.sn, u.re)), TB_NO_KV});
    tb_k_end_for(a->k, NULL, NULL);
    tb_k_if(a->k, t.split);
    put(s, k, 1, k, 0, tb_la_real(a, NUMBER(0)));
    tb_k_else(a->k);
    mean.re = OP(add, at(s, k, 0, k, 0).re, at(s, k, 1, k, 1).re);
    mean.re = OP(mul, NUMBER(0.5), mean.re);
    put(s, k, 0, k, 0, mean);
    put(s, k, 1, k, 1, mean);
    tb_k_end_if(a->k);
}

/* ---- the kernel ---- */

static void
iterate(const schur *s)
{
    tb_la *a = s->a;
    tb_kv i, l, k, limit = tb_k_mul(a->k, INT(30), PLUS(s->n, 10));

    set_number(s, s->i, PLUS(s->n, -1));
    set_number(s, s->rounds, INT(0));
    tb_k_for(a->k, INT(0), limit, 1, NULL, 0);
    i = number(s, s->i);
    tb_k_if(a->k, tb_k_lt(a->k, INT(-1), i));
    l = INT(0);
    k = tb_k_for(a->k, INT(1), PLUS(i, 1), 1, &l, 1);
    l = choose(a, negligible(s, k), k, tb_k_carried(a->k, 0));
    tb_k_end_for(a->k, &l, &l);
    tb_k_if(a->k, tb_k_lt(a->k, INT(0), l));
    put(s, l, 0, l, -1, tb_la_real(a, NUMBER(0)));
    tb_k_end_if(a->k);
    tb_k_if(a->k, tb_k_lt(a->k, l, PLUS(i, a->pairs ? 0 : -1)));
    sweep(s, l, i);
    tb_k_else(a->k);
    if (!a->pairs) {
        tb_k_if(a->k, tb_k_lt(a->k, l, i));
        turn_block(s, l);
        tb_k_end_if(a->k);
    }
    set_number(s, s->rounds, INT(0));
    set_number(s, s->i, PLUS(l, -1));
    tb_k_end_if(a->k);
    tb_k_end_if(a->k);
    tb_k_end_for(a->k, NULL, NULL);
    /* what has not come to an end has no result */
    tb_k_if(a->k, tb_k_lt(a->k, INT(-1), number(s, s->i)));
    k = tb_k_for(a->k, INT(0), s->n, 1, NULL, 0);
    put(s, k, 0, k, 0, (tb_num){NUMBER(NAN), NUMBER(NAN)});
    tb_k_end_for(a->k, NULL, NULL);
    tb_k_end_if(a->k);
}

void
tb_lower_schur(tb_lower *l)
{
    tb_val root = l->group->root, in = tb_in(l->g, root, 0);
    int rank = tb_rank(l->g, root);
    tb_dim n_dim = tb_dims(l->g, root)[rank - 2], m_dim = tb_dims(l->g, root)[rank - 1];
    double n_hint = (double)tb_dim_hint(l->u, n_dim);
    tb_la la, *a = &la;
    schur s = {.a = a};
    tb_mat line, empty;
    tb_kv j;

    tb_lower_begin(l, "schur");
    tb_la_begin(a, l, 500 + 10 * n_hint * n_hint * (10 + n_hint), 1, NULL);
    s.n = tb_k_dim(l->k, l->u, n_dim);
    s.m = tb_k_dim(l->k, l->u, m_dim);
    s.i = tb_k_scratch(l->k, 8);
    s.rounds = tb_k_scratch(l->k, 8);
    s.ulp = NUMBER(a->t == TB_F32 ? (double)FLT_EPSILON : DBL_EPSILON);
    s.least = OP(div, NUMBER(a->t == TB_F32 ? (double)FLT_MIN : DBL_MIN), s.ulp);
    s.least = OP(mul, s.least, tb_k_cast(l->k, s.n, a->t));
    s.x = tb_la_buffer(a, 0, tb_dim_add(l->u, n_dim, 1), m_dim);
    line = tb_la_buffer(a, 1, 1, n_dim);
    tb_la_copy_in(a, s.x, tb_la_at(a, in, false), s.n, s.m, s.x.row);
    empty = tb_la_from(a, s.x, s.n, INT(0));
    j = tb_k_for(l->k, INT(0), s.x.row, a->lanes, NULL, 0);
    tb_la_vstore(a, empty, INT(0), j, tb_la_splat(a, tb_la_real(a, NUMBER(0))));
    tb_k_end_for(l->k, NULL, NULL);
    j = tb_k_for(l->k, INT(0), line.row, a->lanes, NULL, 0);
    tb_la_vstore(a, line, INT(0), j, tb_la_splat(a, tb_la_real(a, NUMBER(0))));
    tb_k_end_for(l->k, NULL, NULL);
    hessenberg(&s, line);
    iterate(&s);
    tb_la_copy_out(a, tb_la_at(a, root, true), s.x, s.n, s.m);
    tb_rows_close(l);
    tb_lower_end(l);
}

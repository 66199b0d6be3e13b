/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * special.c -- special functions: Bessel and Airy functions, the error function's relatives,
 * zeta and polygamma, the incomplete gamma function.
 *
 * Methods and coefficients are those of the Cephes Math Library, which PyTorch uses too:
 * rational functions and Chebyshev series on two or three ranges. All ranges are computed
 * and one is chosen, with arguments kept inside each range.
 */
#include "op/special.h"

#include "op/special_tables.h"

#define PI 3.14159265358979323846


static tb_val
polynomial(tb_graph *g, tb_val x, const double *coef, size_t n)
{
    tb_val r = K(x, coef[0]);

    for (size_t i = 1; i < n; i++)
        r = ADD(MUL(r, x), K(x, coef[i]));
    return r;
}
#define POLY(x, table) polynomial(g, x, table, TB_COUNT(table))
#define RATIO(x, name, p, q) DIV(POLY(x, name##_##p), POLY(x, name##_##q))

/* sum of coef[i] T_i(x / 2), the constant term halved (Clenshaw) */
static tb_val
chebyshev(tb_graph *g, tb_val x, const double *coef, size_t n)
{
    tb_val b0 = K(x, coef[0]), b1 = K(x, 0), b2 = b1;

    for (size_t i = 1; i < n; i++) {
        b2 = b1;
        b1 = b0;
        b0 = ADD(SUB(MUL(x, b1), b2), K(x, coef[i]));
    }
    return MUL(K(x, 0.5), SUB(b0, b2));
}
#define CHEBYSHEV(x, table) chebyshev(g, x, table, TB_COUNT(table))

/* ---- Bessel functions of the first and second kind ---- */

/* What orders 0 and 1 share beyond 5: amplitudes P and Q of cos and sin of x - `phase`. */
typedef struct waves {
    tb_val p, q, sin, cos, scale;
} waves;

#define WAVES(name, order, phase)                                                        \
    static waves name(tb_graph *g, tb_val x)                                             \
    {                                                                                    \
        tb_val u = DIV(K(x, 5), x), w = MUL(u, u), t = SUB(x, K(x, phase));              \
                                                                                         \
        return (waves){RATIO(w, order, pp, pq), MUL(u, RATIO(w, order, qp, qq)), SIN(t), \
                       COS(t), DIV(K(x, 0.797884560802865355880), SQRT(x))};             \
    }
WAVES(waves0, j0, 0.785398163397448309616)
WAVES(waves1, j1, 2.35619449019234492885)

static tb_val
wave_j(tb_graph *g, waves w)
{
    return MUL(SUB(MUL(w.p, w.cos), MUL(w.q, w.sin)), w.scale);
}

static tb_val
wave_y(tb_graph *g, waves w)
{
    return MUL(ADD(MUL(w.p, w.sin), MUL(w.q, w.cos)), w.scale);
}

static tb_val
bessel_j0_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), near = MIN(a, K(x, 5)), z = MUL(near, near), r;

    r = MUL(MUL(SUB(z, K(x, 5.78318596294678452118)), SUB(z, K(x, 30.4712623436620863991))),
            RATIO(z, j0, rp, rq));
    r = WHERE(LT(a, K(x, 1e-5)), SUB(K(x, 1), DIV(z, K(x, 4))), r);
    return WHERE(LE(a, K(x, 5)), r, wave_j(g, waves0(g, MAX(a, K(x, 5)))));
}

static tb_val
bessel_j1_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), near = MIN(a, K(x, 5)), z = MUL(near, near), r;

    r = MUL(RATIO(z, j1, rp, rq), near);
    r = MUL(MUL(r, SUB(z, K(x, 14.6819706421238932572))),
            SUB(z, K(x, 49.2184563216946036703)));
    r = WHERE(LE(a, K(x, 5)), r, wave_j(g, waves1(g, MAX(a, K(x, 5)))));
    return WHERE(LT(x, K(x, 0)), NEG(r), r);
}

/* -inf at 0, NaN below */
static tb_val
from_zero(tb_graph *g, tb_val x, tb_val r, double at_zero)
{
    r = WHERE(LT(x, K(x, 0)), K(x, NAN), r);
    return WHERE(EQ(x, K(x, 0)), K(x, at_zero), r);
}

static tb_val
bessel_y0_of(tb_graph *g, tb_val x)
{
    tb_val near = MIN(x, K(x, 5)), z = MUL(near, near), r;

    r = ADD(RATIO(z, y0, yp, yq),
            MUL(MUL(K(x, 2 / PI), LOG(near)), bessel_j0_of(g, near)));
    r = WHERE(LE(x, K(x, 5)), r, wave_y(g, waves0(g, MAX(x, K(x, 5)))));
    return from_zero(g, x, r, -INFINITY);
}

static tb_val
bessel_y1_of(tb_graph *g, tb_val x)
{
    tb_val near = MIN(x, K(x, 5)), z = MUL(near, near), r;

    r = SUB(MUL(bessel_j1_of(g, near), LOG(near)), DIV(K(x, 1), near));
    r = ADD(MUL(near, RATIO(z, y1, yp, yq)), MUL(K(x, 2 / PI), r));
    r = WHERE(LE(x, K(x, 5)), r, wave_y(g, waves1(g, MAX(x, K(x, 5)))));
    return from_zero(g, x, r, -INFINITY);
}

static tb_val
spherical_j0_of(tb_graph *g, tb_val x)
{
    static const double series[] = {1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880,
                                    -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1};
    tb_val r = WHERE(LT(ABS(x), K(x, 0.5)), POLY(MUL(x, x), series), DIV(SIN(x), x));

    return WHERE(EQ(ABS(x), K(x, INFINITY)), K(x, 0), r);
}

UNARY_WIDE(bessel_j0, bessel_j0_of(g, x))
UNARY_WIDE(bessel_j1, bessel_j1_of(g, x))
UNARY_WIDE(bessel_y0, bessel_y0_of(g, x))
UNARY_WIDE(bessel_y1, bessel_y1_of(g, x))
UNARY_WIDE(spherical_j0, spherical_j0_of(g, x))

/* ---- modified Bessel functions ---- */

/* e^-|x| I0(x) */
static tb_val
i0e_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), near = MIN(a, K(x, 8)), far = MAX(a, K(x, 8)), r;

    r = DIV(CHEBYSHEV(SUB(DIV(K(x, 32), far), K(x, 2)), i0_b), SQRT(far));
    near = CHEBYSHEV(SUB(DIV(near, K(x, 2)), K(x, 2)), i0_a);
    return WHERE(LE(a, K(x, 8)), near, r);
}

/* e^-|x| I1(x) */
static tb_val
i1e_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), near = MIN(a, K(x, 8)), far = MAX(a, K(x, 8)), r;

    r = DIV(CHEBYSHEV(SUB(DIV(K(x, 32), far), K(x, 2)), i1_b), SQRT(far));
    near = MUL(CHEBYSHEV(SUB(DIV(near, K(x, 2)), K(x, 2)), i1_a), near);
    r = WHERE(LE(a, K(x, 8)), near, r);
    return WHERE(LT(x, K(x, 0)), NEG(r), r);
}

#define I0(x) MUL(EXP(ABS(x)), i0e_of(g, x))
#define I1(x) MUL(EXP(ABS(x)), i1e_of(g, x))

/* e^x K0(x) and e^x K1(x) up to 2 and from 2 on; `scaled`: or without e^x */
static tb_val
bessel_k(tb_graph *g, tb_val x, int order, bool scaled)
{
    tb_val near = MIN(x, K(x, 2)), far = MAX(x, K(x, 2)), z = SUB(MUL(near, near), K(x, 2));
    tb_val y = SUB(DIV(K(x, 8), far), K(x, 2)), half_log = LOG(MUL(K(x, 0.5), near));

    if (order) {
        near = ADD(MUL(half_log, I1(near)), DIV(CHEBYSHEV(z, k1_a), near));
        far = DIV(CHEBYSHEV(y, k1_b), SQRT(far));
    } else {
        near = SUB(CHEBYSHEV(z, k0_a), MUL(half_log, I0(near)));
        far = DIV(CHEBYSHEV(y, k0_b), SQRT(far));
    }
    if (scaled)
        near = MUL(near, EXP(x));
    else
        far = MUL(far, EXP(NEG(x)));
    return from_zero(g, x, WHERE(LE(x, K(x, 2)), near, far), INFINITY);
}

UNARY_WIDE(i0, I0(x))
UNARY_WIDE(i0e, i0e_of(g, x))
UNARY_WIDE(i1, I1(x))
UNARY_WIDE(i1e, i1e_of(g, x))
UNARY_WIDE(bessel_k0, bessel_k(g, x, 0, false))
UNARY_WIDE(bessel_k1, bessel_k(g, x, 1, false))
UNARY_WIDE(scaled_k0, bessel_k(g, x, 0, true))
UNARY_WIDE(scaled_k1, bessel_k(g, x, 1, true))

/* ---- the Airy function ---- */

/* Sums of the power series for -2.09 < x < 2.09: Ai = c1 f(x) - c2 g(x). */
static tb_val
airy_series(tb_graph *g, tb_val x)
{
    tb_val z = MUL(MUL(x, x), x), f = K(x, 1), h = x, m = f, n = x;

    for (int k = 1; k < 40; k += 3) {
        m = MUL(m, DIV(z, K(x, (k + 1) * (k + 2))));
        n = MUL(n, DIV(z, K(x, (k + 2) * (k + 3))));
        f = ADD(f, m);
        h = ADD(h, n);
    }
    return SUB(MUL(K(x, 0.355028053887817239260), f),
               MUL(K(x, 0.258819403792806798405), h));
}

static tb_val
airy_of(tb_graph *g, tb_val x)
{
    const double root = 0.564189583547756286948; /* pi^-1/2 */
    tb_val limit = K(x, 2.09), a = MAX(ABS(x), limit), s = SQRT(a);
    tb_val zeta = DIV(MUL(MUL(K(x, 2), a), s), K(x, 3)), z = DIV(K(x, 1), zeta), low, high;
    tb_val zz = MUL(z, z), t = ADD(zeta, K(x, PI / 4)), r;

    low = ADD(K(x, 1), MUL(zz, RATIO(zz, airy, afn, afd)));
    low = SUB(MUL(SIN(t), low), MUL(COS(t), MUL(z, RATIO(zz, airy, agn, agd))));
    low = DIV(MUL(K(x, root), low), SQRT(s));
    high = DIV(MUL(K(x, root), RATIO(z, airy, an, ad)),
               MUL(MUL(K(x, 2), SQRT(s)), EXP(zeta)));
    r = airy_series(g, MAX(MIN(x, limit), NEG(limit)));
    r = WHERE(LT(x, NEG(limit)), low, WHERE(LE(limit, x), high, r));
    r = WHERE(LT(K(x, 103.892), x), K(x, 0), r);
    return WHERE(OR(EQ(ABS(x), K(x, INFINITY)), NE(x, x)), K(x, NAN), r);
}

UNARY_WIDE(airy_ai, airy_of(g, x))

/* ---- the error function's relatives ---- */

/* e^(x^2) erfc(x) */
static tb_val
erfcx_of(tb_graph *g, tb_val x)
{
    tb_val one = K(x, 1), a = ABS(x), near = MIN(a, one), mid, far, r, square;

    near = MUL(EXP(MUL(near, near)), SUB(one, M1(erf, near)));
    mid = RATIO(MIN(MAX(a, one), K(x, 8)), erfcx, p, q);
    far = DIV(one, MAX(a, K(x, 8)));
    /* both polynomials divided by their highest power: that does not overflow */
    far = DIV(MUL(far, polynomial(g, far, (double[]){erfcx_r[5], erfcx_r[4], erfcx_r[3],
                                                     erfcx_r[2], erfcx_r[1], erfcx_r[0]},
                                  6)),
              polynomial(g, far, (double[]){erfcx_s[6], erfcx_s[5], erfcx_s[4], erfcx_s[3],
                                            erfcx_s[2], erfcx_s[1], erfcx_s[0]},
                         7));
    r = WHERE(LT(a, one), near, WHERE(LT(a, K(x, 8)), mid, far));
    square = MUL(K(x, 2), EXP(MUL(x, x)));
    return WHERE(LT(x, K(x, 0)), SUB(square, r), r);
}

static tb_val
log_ndtr_of(tb_graph *g, tb_val x)
{
    tb_val t = MUL(x, K(x, 0.70710678118654752440)), low, high;

    low = SUB(LOG(MUL(erfcx_of(g, MAX(NEG(t), K(x, 0))), K(x, 0.5))), MUL(t, t));
    high = LOG1P(MUL(K(x, -0.5), tb_erfc_of(g, t)));
    return WHERE(LT(x, K(x, -1)), low, high);
}

/* The quantile function of the normal distribution. */
static tb_val
ndtri_of(tb_graph *g, tb_val y)
{
    tb_val one = K(y, 1), tail = K(y, 0.13533528323661269189), up, p, mid, z, x, r; /* e^-2 */

    up = LT(SUB(one, tail), y);
    p = WHERE(up, SUB(one, y), y);
    mid = SUB(p, K(y, 0.5));
    z = MUL(mid, mid);
    mid = MUL(ADD(mid, MUL(mid, MUL(z, RATIO(z, ndtri, p0, q0)))),
              K(y, 2.50662827463100050242));
    x = SQRT(MUL(K(y, -2), LOG(MIN(p, tail))));
    z = DIV(one, x);
    r = WHERE(LT(x, K(y, 8)), RATIO(z, ndtri, p1, q1), RATIO(z, ndtri, p2, q2));
    r = SUB(SUB(x, DIV(LOG(x), x)), MUL(z, r));
    r = WHERE(LT(tail, p), mid, WHERE(up, r, NEG(r)));
    r = WHERE(EQ(y, K(y, 0)), K(y, -INFINITY), r);
    r = WHERE(EQ(y, one), K(y, INFINITY), r);
    return WHERE(OR(LT(y, K(y, 0)), LT(one, y)), K(y, NAN), r);
}

UNARY_WIDE(erfcx, erfcx_of(g, x))
UNARY_WIDE(log_ndtr, log_ndtr_of(g, x))
UNARY_WIDE(ndtri, ndtri_of(g, x))

/* ---- zeta and polygamma ---- */

/* Hurwitz's zeta(x, q) by Euler and Maclaurin: the terms up to q >= 9, and the integral of the
 * others with corrections by Bernoulli numbers. In f64. */
static tb_val
zeta_of(tb_graph *g, tb_val x, tb_val q)
{
    static const double bernoulli[] = {12, -720, 30240, -1209600, 47900160,
                                       -1.8924375803183791606e9, 7.47242496e10,
                                       -2.950130727918164224e12, 1.1646782814350067249e14,
                                       -4.5979787224074726105e15, 1.8152105401943546773e17,
                                       -7.1661652561756670113e18};
    tb_val one = K(x, 1), minus = NEG(x), start, steps, sum, a, b, f, r;
    enum { TERMS = 10, BELOW = 32 };

    /* q + 1, q + 2 ...: terms below 0 are few in practice; what is beyond is taken off */
    sum = POW(q, minus);
    for (int i = 1; i < TERMS; i++)
        sum = ADD(sum, POW(ADD(q, K(x, i)), minus));
    start = ADD(q, K(x, TERMS - 1));
    steps = start;
    for (int i = 1; i <= BELOW; i++) { /* while q + n <= 9 */
        tb_val go = LE(steps, K(x, 9));

        steps = WHERE(go, ADD(steps, one), steps);
        sum = ADD(sum, WHERE(go, POW(steps, minus), K(x, 0)));
    }
    a = steps;
    b = POW(a, minus);
    r = ADD(sum, SUB(DIV(MUL(b, a), SUB(x, one)), MUL(K(x, 0.5), b)));
    f = one;
    for (int i = 0; i < 12; i++) {
        f = MUL(f, ADD(x, K(x, 2 * i)));
        b = DIV(b, a);
        r = ADD(r, DIV(MUL(f, b), K(x, bernoulli[i])));
        f = MUL(f, ADD(x, K(x, 2 * i + 1)));
        b = DIV(b, a);
    }
    /* where every further term is 0 beside the sum, inf times 0 may have come in */
    r = WHERE(AND(NE(r, r), LT(q, K(x, INFINITY))), sum, r);
    r = WHERE(AND(LE(q, K(x, 0)), NE(x, FLOOR(x))), K(x, NAN), r);
    r = WHERE(AND(LE(q, K(x, 0)), EQ(q, FLOOR(q))), K(x, INFINITY), r);
    r = WHERE(LT(x, one), K(x, NAN), r);
    r = WHERE(EQ(x, one), K(x, INFINITY), r);
    return WHERE(OR(NE(x, x), NE(q, q)), K(x, NAN), r);
}

static tb_val
zeta(tb_opctx *c)
{
    tb_graph *g = c->g;

    return CAST(zeta_of(g, CAST(V(0), TB_F64), CAST(V(1), TB_F64)), tb_dtype_of(g, V(0)));
}

/* psi'(x), reflected below 1/2: pi^2 / sin(pi x)^2 is taken as eager mode has it, finite where
 * pi x rounds to no multiple of pi. */
static tb_val
trigamma_of(tb_graph *g, tb_val x)
{
    tb_val half = K(x, 0.5), one = K(x, 1), below = LT(x, half), z, s, r, sum = K(x, 0), w;

    s = SIN(MUL(K(x, PI), x));
    z = WHERE(below, SUB(one, x), x);
    for (int i = 0; i < 6; i++) {
        sum = ADD(sum, DIV(one, MUL(z, z)));
        z = ADD(z, one);
    }
    w = DIV(one, MUL(z, z));
    r = SUB(K(x, 1.0 / 30), MUL(w, K(x, 1.0 / 42)));
    r = MUL(w, SUB(K(x, 1.0 / 6), MUL(w, r)));
    r = ADD(sum, DIV(ADD(ADD(one, DIV(half, z)), r), z));
    return WHERE(below, SUB(DIV(K(x, PI * PI), MUL(s, s)), r), r);
}

/* psi^(n)(x) = (-1)^(n+1) n! zeta(n + 1, x) */
static tb_val
polygamma_of(tb_opctx *c, int64_t n, tb_val x)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, x);
    double f = n % 2 ? 1 : -1;
    tb_val r;

    if (n < 0)
        tb_body_raise(c, "a derivative of order %lld", (long long)n);
    if (n == 0)
        return CAST(tb_digamma_of(g, tb_body_wide(g, x)), t);
    if (n == 1)
        return CAST(trigamma_of(g, tb_body_wide(g, x)), t);
    for (int64_t i = 2; i <= n && i < 200; i++)
        f *= (double)i;
    x = CAST(x, TB_F64);
    r = MUL(K(x, f), zeta_of(g, K(x, (double)n + 1), x));
    return CAST(r, t);
}

static tb_val
polygamma(tb_opctx *c)
{
    tb_dtype t = tb_dtype_of(c->g, V(1));
    tb_graph *g = c->g;

    return polygamma_of(c, INT(0), tb_dtype_is_float(t) ? V(1) : CAST(V(1), TB_F32));
}

/* ---- the incomplete gamma functions ---- */

enum { MAX_STEPS = 2000 };

/* values: step, a + step, term, sum, x */
static tb_val
series_goes_on(tb_graph *g, const tb_val *v, void *user)
{
    tb_val small = MUL(K(v[3], 1.2e-16), v[3]), more = LT(small, v[2]);

    (void)user;
    return AND(tb_body_any(g, more), LT(v[0], I64(MAX_STEPS)));
}

static void
series_step(tb_graph *g, tb_val *v, void *user)
{
    (void)user;
    v[0] = ADD(v[0], I64(1));
    v[1] = ADD(v[1], K(v[1], 1));
    v[2] = MUL(v[2], DIV(v[4], v[1]));
    v[3] = ADD(v[3], v[2]);
}

/* sum of x^k / ((a + 1) ... (a + k)): P(a, x) but for a factor */
static tb_val
lower_series(tb_graph *g, tb_val a, tb_val x)
{
    tb_val v[] = {I64(0), a, K(x, 1), K(x, 1), x};

    tb_broadcast(g, &v[2], &v[4]);
    tb_broadcast(g, &v[3], &v[4]);
    tb_body_while(g, v, 5, series_goes_on, series_step, NULL);
    return v[3];
}

/* values: step, b, c, d, h, change, a: Lentz's method for the continued fraction */
static tb_val
fraction_goes_on(tb_graph *g, const tb_val *v, void *user)
{
    tb_val more = LT(K(v[5], 3e-16), ABS(SUB(v[5], K(v[5], 1))));

    (void)user;
    return AND(tb_body_any(g, more), LT(v[0], I64(MAX_STEPS)));
}

static void
fraction_step(tb_graph *g, tb_val *v, void *user)
{
    tb_val k = CAST(v[0], tb_dtype_of(g, v[6])), an = MUL(NEG(k), SUB(k, v[6]));
    tb_val tiny = K(v[6], 1e-300), one = K(v[6], 1);

    (void)user;
    v[0] = ADD(v[0], I64(1));
    v[1] = ADD(v[1], K(v[6], 2));
    v[3] = ADD(MUL(an, v[3]), v[1]);
    v[3] = DIV(one, WHERE(LT(ABS(v[3]), tiny), tiny, v[3]));
    v[2] = ADD(v[1], DIV(an, v[2]));
    v[2] = WHERE(LT(ABS(v[2]), tiny), tiny, v[2]);
    v[5] = MUL(v[3], v[2]);
    v[4] = MUL(v[4], v[5]);
}

/* Q(a, x) but for a factor */
static tb_val
upper_fraction(tb_graph *g, tb_val a, tb_val x)
{
    tb_val b = SUB(ADD(x, K(x, 1)), a), d = DIV(K(x, 1), b);
    tb_val v[] = {I64(1), b, tb_full_like(g, b, 1e300), d, d, tb_full_like(g, b, 2), a};

    tb_body_while(g, v, 7, fraction_goes_on, fraction_step, NULL);
    return v[4];
}

/* P(a, x), or Q(a, x) = 1 - P(a, x), in f64: by its series where x < a + 1, else by the
 * continued fraction of Q. Each sees arguments of its own range. */
static tb_val
incomplete_gamma(tb_opctx *c, bool upper)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val a = CAST(V(0), TB_F64), x = CAST(V(1), TB_F64), zero = K(x, 0), one = K(x, 1);
    tb_val inf = K(x, INFINITY), valid, below, la, lx, ua, ux, front, low, high, r;

    valid = AND(AND(LT(zero, a), LT(zero, x)), AND(LT(a, inf), LT(x, inf)));
    below = LT(x, ADD(a, one));
    la = WHERE(AND(valid, below), a, one);
    lx = WHERE(AND(valid, below), x, one);
    ua = WHERE(AND(valid, NOT(below)), a, one);
    ux = WHERE(AND(valid, NOT(below)), x, K(x, 3));
    front = EXP(SUB(SUB(MUL(a, LOG(x)), x), M1(lgamma, a)));
    low = DIV(MUL(front, lower_series(g, la, lx)), a);
    high = MUL(front, upper_fraction(g, ua, ux));
    if (upper)
        r = WHERE(below, SUB(one, low), high);
    else
        r = WHERE(below, low, SUB(one, high));
    r = WHERE(OR(NE(a, a), NE(x, x)), K(x, NAN), r);
    /* limits, also beside a NaN as in eager mode: a = 0 all mass is at 0, a = inf none is before x */
    r = WHERE(EQ(x, inf), K(x, upper ? 0 : 1), r);
    r = WHERE(EQ(a, inf), WHERE(EQ(x, inf), K(x, NAN), K(x, upper ? 1 : 0)), r);
    r = WHERE(EQ(x, zero), K(x, upper ? 1 : 0), r);
    r = WHERE(EQ(a, zero), WHERE(LT(zero, x), K(x, upper ? 0 : 1), K(x, NAN)), r);
    r = WHERE(OR(LT(a, zero), LT(x, zero)), K(x, NAN), r);
    return CAST(r, t);
}

static tb_val
igamma(tb_opctx *c)
{
    return incomplete_gamma(c, false);
}

static tb_val
igammac(tb_opctx *c)
{
    return incomplete_gamma(c, true);
}

const tb_op tb_ops_special[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"special_bessel_j0(Tensor self) -> Tensor",
     TB_FLOATY, bessel_j0},
    {"special_bessel_j1(Tensor self) -> Tensor",
     TB_FLOATY, bessel_j1},
    {"special_bessel_y0(Tensor self) -> Tensor",
     TB_FLOATY, bessel_y0},
    {"special_bessel_y1(Tensor self) -> Tensor",
     TB_FLOATY, bessel_y1},
    {"special_spherical_bessel_j0(Tensor x) -> Tensor",
     TB_FLOATY, spherical_j0},
    {"i0(Tensor self) -> Tensor",
     TB_FLOATY, i0},
    {"special_i0(Tensor self) -> Tensor",
     TB_FLOATY, i0},
    {"special_i0e(Tensor self) -> Tensor",
     TB_FLOATY, i0e},
    {"special_i1(Tensor self) -> Tensor",
     TB_FLOATY, i1},
    {"special_i1e(Tensor self) -> Tensor",
     TB_FLOATY, i1e},
    {"special_modified_bessel_i0(Tensor self) -> Tensor",
     TB_FLOATY, i0},
    {"special_modified_bessel_i1(Tensor self) -> Tensor",
     TB_FLOATY, i1},
    {"special_modified_bessel_k0(Tensor self) -> Tensor",
     TB_FLOATY, bessel_k0},
    {"special_modified_bessel_k1(Tensor self) -> Tensor",
     TB_FLOATY, bessel_k1},
    {"special_scaled_modified_bessel_k0(Tensor x) -> Tensor",
     TB_FLOATY, scaled_k0},
    {"special_scaled_modified_bessel_k1(Tensor x) -> Tensor",
     TB_FLOATY, scaled_k1},
    {"special_airy_ai(Tensor x) -> Tensor",
     TB_FLOATY, airy_ai},
    {"special_erfcx(Tensor self) -> Tensor",
     TB_FLOATY, erfcx},
    {"special_log_ndtr(Tensor self) -> Tensor",
     TB_FLOATY, log_ndtr},
    {"special_ndtri(Tensor self) -> Tensor",
     TB_FLOATY, ndtri},
    {"special_zeta(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, zeta},
    {"special_zeta.other_scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, zeta},
    {"special_zeta.self_scalar(Scalar self, Tensor other) -> Tensor",
     TB_FLOATY, zeta},
    {"polygamma(int n, Tensor self) -> Tensor",
     TB_KEEP, polygamma},
    {"special_polygamma(int n, Tensor self) -> Tensor",
     TB_KEEP, polygamma},
    {"igamma(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, igamma},
    {"special_gammainc(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, igamma},
    {"igammac(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, igammac},
    {"special_gammaincc(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, igammac},
    {0},
};

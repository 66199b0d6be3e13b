/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * complex.c -- complex numbers: their parts, and functions of them.
 *
 * A function of z = x + iy is spelled by real functions of x and y, so that it compiles like
 * any other. Formulas are chosen for no cancellation and no early overflow; where PyTorch's
 * own (that of C++) differs at infinities, ours may too.
 */
#include "op/complex.h"

typedef tb_cplx z;

#define TANH(a) M1(tanh, a)
#define EXPM1(a) M1(expm1, a)
#define ATAN2(a, b) tb_body_map2(g, TB_P_atan2, a, b)
#define PI 3.14159265358979323846

/* ---- parts ---- */

bool
tb_is_complex(const tb_graph *g, tb_val x)
{
    return tb_dtype_is_complex(tb_dtype_of(g, x));
}

z
tb_cplx_parts(tb_graph *g, tb_val x)
{
    tb_dtype t = tb_dtype_of(g, x);

    if (!tb_dtype_is_complex(t))
        return (z){x, tb_full_like(g, x, 0)};
    return (z){CAST(x, tb_dtype_part(t)), tb_imag(g, x)};
}

tb_val
tb_cplx_whole(tb_graph *g, z a)
{
    tb_broadcast(g, &a.re, &a.im);
    return tb_complex(g, a.re, a.im);
}

tb_val
tb_cplx_conj(tb_graph *g, tb_val x)
{
    z a;

    if (!tb_is_complex(g, x))
        return x;
    a = tb_cplx_parts(g, x);
    return tb_cplx_whole(g, (z){a.re, NEG(a.im)});
}

/* sqrt(x^2 + y^2), scaled by the larger one: its square may overflow. */
tb_val
tb_cplx_hypot(tb_graph *g, tb_val x, tb_val y)
{
    tb_val a = ABS(x), b = ABS(y), big = MAX(a, b), ratio = DIV(MIN(a, b), big);
    tb_val inf = K(x, INFINITY), r;

    r = MUL(big, SQRT(ADD(K(x, 1), MUL(ratio, ratio))));
    r = WHERE(EQ(big, K(x, 0)), big, r);
    return WHERE(OR(EQ(a, inf), EQ(b, inf)), inf, r);
}

tb_val
tb_cplx_abs(tb_graph *g, tb_val x)
{
    z a = tb_cplx_parts(g, x);

    return tb_cplx_hypot(g, a.re, a.im);
}

tb_val
tb_cplx_angle(tb_graph *g, tb_val x)
{
    z a = tb_cplx_parts(g, x);

    return ATAN2(a.im, a.re);
}

/* ---- functions ---- */

static z
scaled(tb_graph *g, z a, tb_val by)
{
    return (z){MUL(a.re, by), MUL(a.im, by)};
}

static z
times(tb_graph *g, z a, z b)
{
    return (z){SUB(MUL(a.re, b.re), MUL(a.im, b.im)),
               ADD(MUL(a.re, b.im), MUL(a.im, b.re))};
}

static z
over(tb_graph *g, z a, z b)
{
    return tb_cplx_parts(g, DIV(tb_cplx_whole(g, a), tb_cplx_whole(g, b)));
}

static z
plus(tb_graph *g, z a, double re)
{
    return (z){ADD(a.re, K(a.re, re)), a.im};
}

static z
negative(tb_graph *g, z a)
{
    return (z){NEG(a.re), NEG(a.im)};
}

/* i z */
static z
turned(tb_graph *g, z a)
{
    return (z){NEG(a.im), a.re};
}

/* -i z */
static z
turned_back(tb_graph *g, z a)
{
    return (z){a.im, NEG(a.re)};
}

static z
choose(tb_graph *g, tb_val p, z a, z b)
{
    return (z){WHERE(p, a.re, b.re), WHERE(p, a.im, b.im)};
}

/* r (cos t + i sin t), 0 where r is 0 and t is not finite, as in e^(-inf + i inf) */
static z
polar(tb_graph *g, tb_val r, tb_val t)
{
    tb_val zero = EQ(r, K(r, 0)), real = EQ(t, K(t, 0));

    return (z){WHERE(zero, r, MUL(r, COS(t))),
               WHERE(zero, r, WHERE(real, t, MUL(r, SIN(t))))};
}

static z
exp_of(tb_graph *g, z a)
{
    return polar(g, EXP(a.re), a.im);
}

/* e^x cos y - 1 = (e^x - 1) cos y - 2 sin^2(y/2) */
static z
expm1_of(tb_graph *g, z a)
{
    tb_val e = EXPM1(a.re), s = SIN(MUL(a.im, K(a.im, 0.5)));

    return (z){SUB(MUL(e, COS(a.im)), MUL(K(s, 2), MUL(s, s))),
               MUL(ADD(e, K(e, 1)), SIN(a.im))};
}

/* log|z|: near 1 by way of |z|^2 - 1 = (m - 1)(m + 1) + n^2, m the larger part */
static tb_val
log_abs(tb_graph *g, z a)
{
    tb_val x = ABS(a.re), y = ABS(a.im), m = MAX(x, y), n = MIN(x, y);
    tb_val one = K(x, 1), near, far;

    near = MUL(K(x, 0.5), LOG1P(ADD(MUL(SUB(m, one), ADD(m, one)), MUL(n, n))));
    far = LOG(tb_cplx_hypot(g, a.re, a.im));
    return WHERE(AND(LT(K(x, 0.5), m), LT(m, K(x, 2))), near, far);
}

static z
log_of(tb_graph *g, z a)
{
    return (z){log_abs(g, a), ATAN2(a.im, a.re)};
}

/* log|1 + z|^2 / 2 = log1p(2x + x^2 + y^2) / 2 */
static z
log1p_of(tb_graph *g, z a)
{
    z b = plus(g, a, 1);
    tb_val small = LT(MAX(ABS(a.re), ABS(a.im)), K(a.re, 0.5));
    tb_val s = ADD(MUL(a.re, ADD(a.re, K(a.re, 2))), MUL(a.im, a.im));

    return (z){WHERE(small, MUL(K(s, 0.5), LOG1P(s)), log_abs(g, b)), ATAN2(b.im, b.re)};
}

/* The root with a positive real part: w = sqrt((|x| + |z|)/2), y/(2w); turned for x < 0.
 * Halved twice before, so that |z| does not overflow. */
static z
sqrt_of(tb_graph *g, z a)
{
    tb_val x = MUL(ABS(a.re), K(a.re, 0.25)), y = MUL(a.im, K(a.im, 0.25));
    tb_val w = MUL(SQRT(MUL(ADD(x, tb_cplx_hypot(g, x, y)), K(x, 0.5))), K(x, 2));
    tb_val v = DIV(ABS(a.im), MUL(K(w, 2), w)), right = LE(K(x, 0), a.re);
    tb_val zero = AND(EQ(a.re, K(x, 0)), EQ(a.im, K(x, 0))), inf = K(x, INFINITY);
    z r;

    v = WHERE(zero, K(x, 0), v);
    r.re = WHERE(right, w, v);
    r.im = COPYSIGN(WHERE(right, v, w), a.im);
    r.re = WHERE(EQ(ABS(a.im), inf), inf, r.re);
    r.im = WHERE(EQ(ABS(a.im), inf), a.im, r.im);
    return r;
}

/* e^x / 2 and its sum and difference with e^-x / 2; e^x overflows before they do. */
static tb_val
half_exp(tb_graph *g, tb_val x)
{
    tb_val w = EXP(MUL(x, K(x, 0.5)));

    return MUL(MUL(w, K(x, 0.5)), w);
}

static tb_val
sinh_of_real(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), e = EXPM1(a);
    tb_val small = MUL(K(x, 0.5), ADD(e, DIV(e, ADD(e, K(x, 1)))));

    return COPYSIGN(WHERE(LT(K(x, 20), a), half_exp(g, a), small), x);
}

static tb_val
cosh_of_real(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x);

    return ADD(half_exp(g, a), half_exp(g, NEG(a)));
}

static z
sinh_of(tb_graph *g, z a)
{
    return (z){MUL(sinh_of_real(g, a.re), COS(a.im)), MUL(cosh_of_real(g, a.re), SIN(a.im))};
}

static z
cosh_of(tb_graph *g, z a)
{
    return (z){MUL(cosh_of_real(g, a.re), COS(a.im)), MUL(sinh_of_real(g, a.re), SIN(a.im))};
}

static z
sin_of(tb_graph *g, z a)
{
    return turned_back(g, sinh_of(g, turned(g, a)));
}

static z
cos_of(tb_graph *g, z a)
{
    return cosh_of(g, turned(g, a));
}

/* Kahan, "Branch cuts for complex elementary functions", 1987: with t = tan y,
 * b = 1 + t^2, s = sinh x, r = sqrt(1 + s^2): (b r s + i t) / (1 + b s^2).
 * For large |x| it is +-1 + 4 i sin y cos y e^(-2|x|). */
static z
tanh_of(tb_graph *g, z a)
{
    tb_val one = K(a.re, 1), t = M1(tan, a.im), s = sinh_of_real(g, a.re);
    tb_val b = ADD(one, MUL(t, t)), r = SQRT(ADD(one, MUL(s, s)));
    tb_val d = ADD(one, MUL(b, MUL(s, s))), size = ABS(a.re);
    tb_val far = LT(K(size, tb_dtype_of(g, size) == TB_F64 ? 20 : 10), size);
    tb_val tail = MUL(MUL(K(size, 4), MUL(SIN(a.im), COS(a.im))), EXP(MUL(K(size, -2), size)));

    return choose(g, far, (z){COPYSIGN(one, a.re), tail},
                  (z){DIV(MUL(b, MUL(r, s)), d), DIV(t, d)});
}

static z
tan_of(tb_graph *g, z a)
{
    return turned_back(g, tanh_of(g, turned(g, a)));
}

/* asinh of a real number, for the imaginary parts below */
static tb_val
asinh_of_real(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), s = MUL(a, a);
    tb_val r = LOG1P(ADD(a, DIV(s, ADD(K(x, 1), SQRT(ADD(s, K(x, 1)))))));

    r = WHERE(LT(K(x, 1e9), a), ADD(LOG(a), K(a, 0.69314718055994530942)), r);
    return COPYSIGN(r, x);
}

/* Kahan: atan(x / Re(sqrt(1-z) sqrt(1+z))) + i asinh(Im(conj(sqrt(1-z)) sqrt(1+z))) */
static z
asin_of(tb_graph *g, z a)
{
    z p = sqrt_of(g, plus(g, negative(g, a), 1)), q = sqrt_of(g, plus(g, a, 1));
    tb_val re = SUB(MUL(p.re, q.re), MUL(p.im, q.im));
    tb_val im = SUB(MUL(p.re, q.im), MUL(p.im, q.re));

    return (z){ATAN2(a.re, re), asinh_of_real(g, im)};
}

/* Kahan: 2 atan(Re sqrt(1-z) / Re sqrt(1+z)) + i asinh(Im(conj(sqrt(1+z)) sqrt(1-z))) */
static z
acos_of(tb_graph *g, z a)
{
    z p = sqrt_of(g, plus(g, negative(g, a), 1)), q = sqrt_of(g, plus(g, a, 1));
    tb_val im = SUB(MUL(q.re, p.im), MUL(q.im, p.re));

    return (z){MUL(K(im, 2), ATAN2(p.re, q.re)), asinh_of_real(g, im)};
}

static z
asinh_of(tb_graph *g, z a)
{
    return turned_back(g, asin_of(g, turned(g, a)));
}

/* Kahan: asinh(Re(conj(sqrt(z-1)) sqrt(z+1))) + 2 i atan(Im sqrt(z-1) / Re sqrt(z+1)) */
static z
acosh_of(tb_graph *g, z a)
{
    z p = sqrt_of(g, plus(g, a, -1)), q = sqrt_of(g, plus(g, a, 1));
    tb_val re = ADD(MUL(p.re, q.re), MUL(p.im, q.im));

    return (z){asinh_of_real(g, re), MUL(K(re, 2), ATAN2(p.im, q.re))};
}

/* log1p(4x / ((1-x)^2 + y^2)) / 4 + i atan2(2y, (1-x)(1+x) - y^2) / 2 */
static z
atanh_of(tb_graph *g, z a)
{
    tb_val one = K(a.re, 1), x = ABS(a.re), d = SUB(one, x), y2 = MUL(a.im, a.im), re, im;

    re = MUL(K(x, 0.25), LOG1P(DIV(MUL(K(x, 4), x), ADD(MUL(d, d), y2))));
    im = ATAN2(MUL(K(x, 2), a.im), SUB(MUL(d, ADD(one, x)), y2));
    return (z){COPYSIGN(re, a.re), MUL(K(x, 0.5), im)};
}

static z
atan_of(tb_graph *g, z a)
{
    return turned_back(g, atanh_of(g, turned(g, a)));
}

static z
reciprocal_of(tb_graph *g, z a)
{
    return over(g, (z){tb_full_like(g, a.re, 1), tb_full_like(g, a.re, 0)}, a);
}

static z
rsqrt_of(tb_graph *g, z a)
{
    return reciprocal_of(g, sqrt_of(g, a));
}

static z
log2_of(tb_graph *g, z a)
{
    return scaled(g, log_of(g, a), K(a.re, 1.44269504088896340736));
}

static z
log10_of(tb_graph *g, z a)
{
    return scaled(g, log_of(g, a), K(a.re, 0.43429448190325182765));
}

static z
exp2_of(tb_graph *g, z a)
{
    return exp_of(g, scaled(g, a, K(a.re, 0.69314718055994530942)));
}

/* z / |z|, 0 for 0 */
static z
sgn_of(tb_graph *g, z a)
{
    tb_val r = tb_cplx_hypot(g, a.re, a.im), zero = EQ(r, K(r, 0));

    return (z){WHERE(zero, r, DIV(a.re, r)), WHERE(zero, r, DIV(a.im, r))};
}

static z
square_of(tb_graph *g, z a)
{
    return times(g, a, a);
}

#define FUNCTION(name)                                                                   \
    tb_val tb_cplx_##name(tb_graph *g, tb_val x)                                         \
    {                                                                                    \
        return tb_cplx_whole(g, name##_of(g, tb_cplx_parts(g, x)));                      \
    }
TB_CPLX_FUNCTIONS(FUNCTION)

tb_val
tb_cplx_map(tb_graph *g, tb_prim p, tb_val x)
{
    switch (p) {
#define CASE(name)                                                                       \
    case TB_P_##name:                                                                    \
        return tb_cplx_##name(g, x);
        CASE(abs)
        CASE(sqrt)
        CASE(exp)
        CASE(expm1)
        CASE(log)
        CASE(log1p)
        CASE(log2)
        CASE(sin)
        CASE(cos)
        CASE(tan)
        CASE(tanh)
        CASE(asin)
        CASE(atan)
#undef CASE
    default: /* neg, and what is not defined for complex numbers */
        return tb_map1(g, p, x);
    }
}

/* e^(b log a); 1 where b is 0, 0 where a is */
tb_val
tb_cplx_pow(tb_graph *g, tb_val x, tb_val y)
{
    z a, b, r;
    tb_val base_zero, exponent_zero, zero;

    tb_broadcast(g, &x, &y);
    a = tb_cplx_parts(g, x), b = tb_cplx_parts(g, y);
    zero = K(a.re, 0);
    r = exp_of(g, times(g, b, log_of(g, a)));
    base_zero = AND(EQ(a.re, zero), EQ(a.im, zero));
    exponent_zero = AND(EQ(b.re, zero), EQ(b.im, zero));
    r = choose(g, base_zero, (z){tb_full_like(g, a.re, 0), tb_full_like(g, a.re, 0)}, r);
    r = choose(g, exponent_zero, (z){tb_full_like(g, a.re, 1), tb_full_like(g, a.re, 0)}, r);
    return tb_cplx_whole(g, r);
}

/* b + log1p(e^(a - b)), b the one with the larger real part, x of equals: as PyTorch's CPU kernel treats
 * NaN and infinite real parts. */
tb_val
tb_cplx_log_of_sum(tb_graph *g, tb_val x, tb_val y)
{
    z p, q, a, b, d, e, r;
    tb_val swap, nan, none, not_a_number;

    tb_broadcast(g, &x, &y);
    p = tb_cplx_parts(g, x), q = tb_cplx_parts(g, y);
    nan = OR(OR(NE(p.re, p.re), NE(p.im, p.im)), OR(NE(q.re, q.re), NE(q.im, q.im)));
    swap = LE(q.re, p.re);
    a = choose(g, swap, q, p);
    b = choose(g, swap, p, q);
    d = (z){SUB(a.re, b.re), SUB(a.im, b.im)};
    e = exp_of(g, d);
    none = EQ(d.re, K(d.re, -INFINITY)); /* whatever the angle is */
    e = log1p_of(g, (z){WHERE(none, K(d.re, 0), e.re), WHERE(none, K(d.re, 0), e.im)});
    r = (z){ADD(e.re, b.re), ADD(e.im, b.im)};
    r = choose(g, EQ(b.re, K(b.re, -INFINITY)), a, r);
    d = exp_of(g, a), e = exp_of(g, b);
    e = log_of(g, (z){ADD(d.re, e.re), ADD(d.im, e.im)});
    r = choose(g, EQ(a.re, K(a.re, INFINITY)), e, r);
    not_a_number = K(a.re, NAN);
    return tb_cplx_whole(g, (z){WHERE(nan, not_a_number, r.re), WHERE(nan, not_a_number, r.im)});
}

/* ---- operators of their own ---- */

static tb_val
real(tb_opctx *c)
{
    return tb_cplx_parts(c->g, V(0)).re;
}

static tb_val
imag(tb_opctx *c)
{
    if (!tb_is_complex(c->g, V(0)))
        tb_body_raise(c, "expected a complex tensor");
    return tb_cplx_parts(c->g, V(0)).im;
}

/* [...] of complex numbers -> [..., 2] */
static tb_val
view_as_real(tb_opctx *c)
{
    tb_graph *g = c->g;
    z a = tb_cplx_parts(g, V(0));
    int rank = RANK(V(0));
    tb_val both[2] = {tb_unsqueeze(g, a.re, rank), tb_unsqueeze(g, a.im, rank)};

    return tb_concat(g, both, 2, rank);
}

static tb_val
half(tb_graph *g, tb_val x, int which)
{
    int last = RANK(x) - 1;

    return tb_squeeze_axes(g, tb_slice_axis(g, x, last, which, 1, 1), 1u << last);
}

static tb_val
view_as_complex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    if (RANK(x) < 1 || SIZE(x, RANK(x) - 1) != 2)
        tb_body_raise(c, "expected a last axis of size 2");
    return tb_cplx_whole(g, (z){half(g, x, 0), half(g, x, 1)});
}

static tb_val
of_parts(tb_opctx *c)
{
    return tb_cplx_whole(c->g, (z){V(0), V(1)});
}

static tb_val
of_polar(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_cplx_whole(g, (z){MUL(V(0), COS(V(1))), MUL(V(0), SIN(V(1)))});
}

static tb_val
conjugate(tb_opctx *c)
{
    return tb_cplx_conj(c->g, V(0));
}

static tb_val
neg_view(tb_opctx *c)
{
    tb_graph *g = c->g;

    return NEG(V(0));
}

/* The last two axes changed round, of the conjugate. */
static tb_val
adjoint(tb_opctx *c)
{
    tb_graph *g = c->g;
    int rank = RANK(V(0));

    if (rank < 2)
        tb_body_raise(c, "expected rank 2 or more, found %d", rank);
    return tb_cplx_conj(g, tb_transpose(g, V(0), rank - 2, rank - 1));
}

/* Of real numbers: 0 or pi, NaN for NaN. */
static tb_val
angle(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    if (tb_is_complex(g, x))
        return tb_cplx_angle(g, x);
    if (!tb_dtype_is_float(tb_dtype_of(g, x)))
        return WHERE(LT(x, tb_full_like(g, x, 0)), tb_full_f(g, TB_F32, 0, NULL, PI),
                     tb_full_f(g, TB_F32, 0, NULL, 0));
    return WHERE(NE(x, x), x, WHERE(LT(x, K(x, 0)), K(x, PI), K(x, 0)));
}

const tb_op tb_ops_complex[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"real(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, real},
    {"imag(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, imag},
    {"view_as_real(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, view_as_real},
    {"view_as_real_copy(Tensor self) -> Tensor",
     TB_KEEP, view_as_real},
    {"view_as_complex(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, view_as_complex},
    {"view_as_complex_copy(Tensor self) -> Tensor",
     TB_KEEP, view_as_complex},
    {"complex(Tensor real, Tensor imag) -> Tensor",
     TB_ARITH, of_parts},
    {"polar(Tensor abs, Tensor angle) -> Tensor",
     TB_ARITH, of_polar},
    {"angle(Tensor self) -> Tensor",
     TB_KEEP, angle},
    {"_conj(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, conjugate},
    {"_conj_copy(Tensor self) -> Tensor",
     TB_KEEP, conjugate},
    {"_conj_physical(Tensor self) -> Tensor",
     TB_KEEP, conjugate},
    {"conj(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, conjugate},
    {"conj_physical(Tensor self) -> Tensor",
     TB_KEEP, conjugate},
    {"_neg_view(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, neg_view},
    {"_neg_view_copy(Tensor self) -> Tensor",
     TB_KEEP, neg_view},
    {"mH(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, adjoint},
    {"matrix_H(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, adjoint},
    {"adjoint(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, adjoint},
    {0},
};

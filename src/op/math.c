/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math.c -- functions of one number: rounding, powers and logarithms, trigonometry,
 * special functions, classification.
 *
 * Where a formula would overflow or cancel, the body chooses another one for that range:
 * results are good to a few units in the last place over the whole range of the dtype.
 */
#include "op/complex.h"
#include "op/special.h"

/* A function of x, of the promoted dtype. */
#define UNARY(name, expr)                                                                \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val x = V(0);                                                                 \
                                                                                         \
        return expr;                                                                     \
    }

/* UNARY with another function, of complex.c, for complex numbers. */
#define UNARY_Z(name, expr, of_complex)                                                  \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val x = V(0);                                                                 \
                                                                                         \
        if (tb_is_complex(g, x))                                                         \
            return tb_cplx_##of_complex(g, x);                                           \
        x = tb_body_wide(g, x);                                                          \
        return CAST(expr, tb_dtype_of(g, V(0)));                                         \
    }

#define EXPM1(a) M1(expm1, a)
#define ATAN2(a, b) tb_body_map2(g, TB_P_atan2, a, b)

static bool
is_f64(const tb_graph *g, tb_val x)
{
    return tb_dtype_of(g, x) == TB_F64;
}

/* ---- sign and rounding ---- */

static tb_val
sign_of(tb_graph *g, tb_val x)
{
    tb_dtype t = tb_dtype_of(g, x);

    if (t == TB_BOOL)
        return x;
    return SUB(CAST(LT(K(x, 0), x), t), CAST(LT(x, K(x, 0)), t));
}

static tb_val
signbit_of(tb_graph *g, tb_val x)
{
    if (tb_dtype_is_float(tb_dtype_of(g, x)))
        x = COPYSIGN(K(x, 1), x);
    return tb_dtype_of(g, x) == TB_BOOL ? tb_full_like(g, x, 0) : LT(x, K(x, 0));
}

static tb_val
round_decimals(tb_opctx *c)
{
    tb_graph *g = c->g;
    int64_t d = INT(1);
    tb_val x = tb_body_wide(g, V(0)), ten = K(x, pow(10, (double)(d < 0 ? -d : d)));

    if (!tb_dtype_is_float(tb_dtype_of(g, x)))
        return x;
    if (d < 0)
        x = MUL(M1(round, DIV(x, ten)), ten);
    else
        x = d ? DIV(M1(round, MUL(x, ten)), ten) : M1(round, x);
    return CAST(x, tb_dtype_of(g, V(0)));
}

UNARY(absolute, ABS(x))
UNARY(negate, NEG(x))
UNARY(sign, sign_of(g, x))
UNARY_Z(sgn, sign_of(g, x), sgn)
UNARY(sign_bit, signbit_of(g, x))
UNARY(floor_, FLOOR(x))
UNARY(ceil_, M1(ceil, x))
UNARY(trunc_, M1(trunc, x))
UNARY(round_, M1(round, x))
UNARY(frac, SUB(x, M1(trunc, x)))
UNARY(logical_not, NOT(CAST(x, TB_BOOL)))
UNARY(bitwise_not, NOT(x))

static tb_val
same(tb_opctx *c)
{
    return V(0);
}

/* ---- classification ---- */

/* Of real numbers by `expr`; of complex ones if either part is so, or both. */
#define CLASS(name, expr, otherwise, join)                                               \
    static tb_val name##_of(tb_graph *g, tb_val x)                                       \
    {                                                                                    \
        tb_cplx z;                                                                       \
                                                                                         \
        if (tb_is_complex(g, x)) {                                                       \
            z = tb_cplx_parts(g, x);                                                     \
            return join(name##_of(g, z.re), name##_of(g, z.im));                         \
        }                                                                                \
        if (!tb_dtype_is_float(tb_dtype_of(g, x)))                                       \
            return tb_full_i(g, TB_BOOL, RANK(x), tb_dims(g, x), otherwise);             \
        return expr;                                                                     \
    }                                                                                    \
    UNARY(name, name##_of(g, x))

CLASS(isnan_, NE(x, x), false, OR)
CLASS(isinf_, EQ(ABS(x), K(x, INFINITY)), false, OR)
CLASS(isposinf, EQ(x, K(x, INFINITY)), false, OR)
CLASS(isneginf, EQ(x, K(x, -INFINITY)), false, OR)
CLASS(isfinite_, LT(ABS(x), K(x, INFINITY)), true, AND)

static double
largest(tb_dtype t)
{
    switch (t) {
    case TB_F16:
        return 65504;
    case TB_BF16:
        return 0x1.fep127;
    case TB_F32:
        return 0x1.fffffep127;
    default: /* f64 */
        return 0x1.fffffffffffffp1023;
    }
}

static tb_val
nan_to_num(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    tb_dtype t = tb_dtype_of(g, x);

    if (!tb_dtype_is_float(t))
        return x;
    x = WHERE(NE(x, x), K(x, given(c, 1) ? FLOAT(1) : 0), x);
    x = WHERE(EQ(x, K(x, INFINITY)), K(x, given(c, 2) ? FLOAT(2) : largest(t)), x);
    return WHERE(EQ(x, K(x, -INFINITY)), K(x, given(c, 3) ? FLOAT(3) : -largest(t)), x);
}

/* ---- powers and logarithms ---- */

UNARY(sqrt_, SQRT(x))
UNARY_Z(rsqrt, RSQRT(x), rsqrt)
UNARY(reciprocal, DIV(K(x, 1), x))
UNARY(exp_, EXP(x))
UNARY_Z(exp2_, POW(K(x, 2), x), exp2)
UNARY(expm1_, EXPM1(x))
UNARY(log_, LOG(x))
UNARY(log2_, M1(log2, x))
UNARY_Z(log10_, MUL(LOG(x), K(x, 0.43429448190325182765)), log10)
UNARY(log1p_, LOG1P(x))

static tb_val
square(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    if (tb_dtype_of(g, x) == TB_BOOL) /* as x ** 2 promotes it */
        x = CAST(x, TB_I64);
    return MUL(x, x);
}

static tb_val
logit(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));

    if (given(c, 1))
        x = MIN(MAX(x, K(x, FLOAT(1))), K(x, 1 - FLOAT(1)));
    return CAST(LOG(DIV(x, SUB(K(x, 1), x))), tb_dtype_of(g, V(0)));
}

/* ---- trigonometry ---- */

UNARY(sin_, M1(sin, x))
UNARY(cos_, M1(cos, x))
UNARY(tan_, M1(tan, x))
UNARY(tanh_, M1(tanh, x))
UNARY(asin_, M1(asin, x))
UNARY(atan_, M1(atan, x))
/* pi/2 - asin(x) cancels near 1 */
UNARY_Z(acos_, ATAN2(SQRT(MUL(SUB(K(x, 1), x), ADD(K(x, 1), x))), x), acos)

/* sin(pi x) / (pi x), 1 for 0 */
static tb_val
sinc(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), px = MUL(x, K(x, 3.14159265358979323846)), s;

    s = M1(sin, px);
    return CAST(WHERE(EQ(x, K(x, 0)), K(x, 1), DIV(s, px)), tb_dtype_of(g, V(0)));
}

/* e^x / 2 overflows later than e^x: (e^(x/2) / 2) * e^(x/2) */
static tb_val
half_exp(tb_graph *g, tb_val x)
{
    tb_val w = EXP(MUL(x, K(x, 0.5)));

    return MUL(MUL(w, K(x, 0.5)), w);
}

static tb_val
sinh_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), e = EXPM1(a);
    tb_val small = MUL(K(x, 0.5), ADD(e, DIV(e, ADD(e, K(x, 1)))));

    return COPYSIGN(WHERE(LT(K(x, 20), a), half_exp(g, a), small), x);
}

static tb_val
cosh_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x);

    return ADD(half_exp(g, a), MUL(K(x, 0.5), EXP(NEG(a))));
}

/* log(2 a), for arguments whose square is far above 1 */
#define LOG_TWICE(a) ADD(LOG(a), K(a, 0.69314718055994530942))

static tb_val
asinh_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), s = MUL(a, a);
    tb_val r = LOG1P(ADD(a, DIV(s, ADD(K(x, 1), SQRT(ADD(s, K(x, 1)))))));

    return COPYSIGN(WHERE(LT(K(x, 1e9), a), LOG_TWICE(a), r), x);
}

static tb_val
acosh_of(tb_graph *g, tb_val x)
{
    tb_val d = SUB(x, K(x, 1));
    tb_val r = LOG1P(ADD(d, SQRT(ADD(MUL(K(x, 2), d), MUL(d, d)))));

    r = WHERE(LT(K(x, 1e9), x), LOG_TWICE(x), r);
    return WHERE(LT(x, K(x, 1)), K(x, NAN), r);
}

static tb_val
atanh_of(tb_graph *g, tb_val x)
{
    tb_val a = ABS(x), r = LOG1P(DIV(MUL(K(x, 2), a), SUB(K(x, 1), a)));

    return COPYSIGN(MUL(K(x, 0.5), r), x);
}

UNARY_Z(sinh_, sinh_of(g, x), sinh)
UNARY_Z(cosh_, cosh_of(g, x), cosh)
UNARY_Z(asinh_, asinh_of(g, x), asinh)
UNARY_Z(acosh_, acosh_of(g, x), acosh)
UNARY_Z(atanh_, atanh_of(g, x), atanh)

/* ---- special functions ---- */

UNARY(erf_, M1(erf, x))
UNARY(lgamma_, M1(lgamma, x))

static tb_val
polynomial(tb_graph *g, tb_val x, const double *coef, size_t n) /* highest power first */
{
    tb_val r = K(x, coef[0]);

    for (size_t i = 1; i < n; i++)
        r = ADD(MUL(r, x), K(x, coef[i]));
    return r;
}
#define POLY(x, ...)                                                                     \
    polynomial(g, x, (const double[]){__VA_ARGS__},                                      \
               sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

/* t exp(-z^2 + P(t)), t = 2/(2 + z): a Chebyshev series in 2t - 1, for z >= 0. */
static tb_val
erfc_tail(tb_graph *g, tb_val z)
{
    static const double coef[] = {
        -1.3026537197817094, 6.4196979235649026e-1, 1.9476473204185836e-2,
        -9.561514786808631e-3, -9.46595344482036e-4, 3.66839497852761e-4,
        4.2523324806907e-5, -2.0278578112534e-5, -1.624290004647e-6, 1.303655835580e-6,
        1.5626441722e-8, -8.5238095915e-8, 6.529054439e-9, 5.059343495e-9,
        -9.91364156e-10, -2.27365122e-10, 9.6467911e-11, 2.394038e-12, -6.886027e-12,
        8.94487e-13, 3.13092e-13, -1.12708e-13, 3.81e-16, 7.106e-15, -1.523e-15,
        -9.4e-17, 1.21e-16, -2.8e-17};
    size_t n = is_f64(g, z) ? TB_COUNT(coef) : 14;
    tb_val t = DIV(K(z, 2), ADD(K(z, 2), z)), y = SUB(MUL(K(z, 4), t), K(z, 2));
    tb_val d = K(z, 0), dd = K(z, 0);

    for (size_t i = n - 1; i > 0; i--) {
        tb_val next = ADD(SUB(MUL(y, d), dd), K(z, coef[i]));

        dd = d;
        d = next;
    }
    d = SUB(MUL(K(z, 0.5), ADD(K(z, coef[0]), MUL(y, d))), dd);
    return MUL(t, EXP(SUB(d, MUL(z, z))));
}

tb_val
tb_erfc_of(tb_graph *g, tb_val x)
{
    tb_val tail = erfc_tail(g, MAX(x, K(x, 0.5)));

    return WHERE(LT(x, K(x, 0.5)), SUB(K(x, 1), M1(erf, x)), tail);
}

/* A rational first guess, then two steps of Newton's; in the tails with erfc, as erf(x) - y
 * would cancel. */
static tb_val
erfinv_of(tb_graph *g, tb_val y)
{
    tb_val one = K(y, 1), a = ABS(y), z = MUL(a, a), mid, out, x, tail = LT(K(y, 0.7), a);

    mid = DIV(MUL(a, POLY(z, -0.140543331, 0.914624893, -1.645349621, 0.886226899)),
              POLY(z, 0.012229801, -0.329097515, 1.442710462, -2.118377725, 1));
    z = SQRT(NEG(LOG(MUL(SUB(one, a), K(y, 0.5)))));
    out = DIV(POLY(z, 1.641345311, 3.429567803, -1.624906493, -1.970840454),
              POLY(z, 1.637067800, 3.543889200, 1));
    x = WHERE(tail, out, mid);
    for (int i = 0; i < 2; i++) {
        tb_val slope = MUL(K(y, 1.12837916709551257390), EXP(NEG(MUL(x, x)))), miss;

        miss = WHERE(tail, SUB(SUB(one, a), erfc_tail(g, MAX(x, K(x, 0.5)))),
                     SUB(M1(erf, x), a));
        x = SUB(x, DIV(miss, slope));
    }
    x = WHERE(EQ(a, one), K(y, INFINITY), x);
    return WHERE(LT(one, a), K(y, NAN), COPYSIGN(x, y));
}

/* psi(x): up to x + 10 by recurrence, then the asymptotic series; reflected below 0. */
tb_val
tb_digamma_of(tb_graph *g, tb_val x)
{
    tb_val one = K(x, 1), below = LT(x, K(x, 0.5)), z, sum = K(x, 0), s, r, turn;

    z = WHERE(below, SUB(one, x), x);
    for (int i = 0; i < 10; i++)
        sum = ADD(sum, DIV(one, ADD(z, K(x, i))));
    z = ADD(z, K(x, 10));
    s = DIV(one, MUL(z, z));
    r = MUL(s, POLY(s, 1.0 / 12, -691.0 / 32760, 1.0 / 132, -1.0 / 240, 1.0 / 252,
                    -1.0 / 120, 1.0 / 12));
    r = SUB(SUB(SUB(LOG(z), DIV(K(x, 0.5), z)), r), sum);
    /* psi(x) = psi(1 - x) - pi / tan(pi x), with the whole part taken off first */
    turn = MUL(SUB(x, M1(trunc, x)), K(x, 3.14159265358979323846));
    r = WHERE(below, SUB(r, DIV(K(x, 3.14159265358979323846), M1(tan, turn))), r);
    r = WHERE(AND(LT(x, K(x, 0)), EQ(x, M1(trunc, x))), K(x, NAN), r);
    return WHERE(EQ(x, K(x, 0)), COPYSIGN(K(x, INFINITY), NEG(x)), r);
}

/* The area of the normal distribution up to x. */
UNARY_WIDE(ndtr, MUL(K(x, 0.5), tb_erfc_of(g, MUL(x, K(x, -0.70710678118654752440)))))
/* -x log(x), and its limits */
UNARY_WIDE(entr, WHERE(EQ(x, K(x, 0)), K(x, 0),
                       WHERE(LT(x, K(x, 0)), K(x, -INFINITY), NEG(MUL(x, LOG(x))))))
UNARY_WIDE(erfc_, tb_erfc_of(g, x))
UNARY_WIDE(erfinv, erfinv_of(g, x))
UNARY_WIDE(digamma, tb_digamma_of(g, x))

const tb_op tb_ops_math[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"abs(Tensor self) -> Tensor",
     TB_KEEP, absolute},
    {"absolute(Tensor self) -> Tensor",
     TB_KEEP, absolute},
    {"neg(Tensor self) -> Tensor",
     TB_KEEP, negate},
    {"negative(Tensor self) -> Tensor",
     TB_KEEP, negate},
    {"positive(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, same},
    {"sign(Tensor self) -> Tensor",
     TB_KEEP, sign},
    {"sgn(Tensor self) -> Tensor",
     TB_KEEP, sgn},
    {"signbit(Tensor self) -> Tensor",
     TB_KEEP, sign_bit},
    {"floor(Tensor self) -> Tensor",
     TB_KEEP, floor_},
    {"ceil(Tensor self) -> Tensor",
     TB_KEEP, ceil_},
    {"trunc(Tensor self) -> Tensor",
     TB_KEEP, trunc_},
    {"fix(Tensor self) -> Tensor",
     TB_KEEP, trunc_},
    {"round(Tensor self) -> Tensor",
     TB_KEEP, round_},
    {"round.decimals(Tensor self, *, int decimals) -> Tensor",
     TB_KEEP, round_decimals},
    {"frac(Tensor self) -> Tensor",
     TB_KEEP, frac},
    {"logical_not(Tensor self) -> Tensor",
     TB_KEEP, logical_not},
    {"bitwise_not(Tensor self) -> Tensor",
     TB_KEEP, bitwise_not},
    {"isnan(Tensor self) -> Tensor",
     TB_KEEP, isnan_},
    {"isinf(Tensor self) -> Tensor",
     TB_KEEP, isinf_},
    {"isposinf(Tensor self) -> Tensor",
     TB_KEEP, isposinf},
    {"isneginf(Tensor self) -> Tensor",
     TB_KEEP, isneginf},
    {"isfinite(Tensor self) -> Tensor",
     TB_KEEP, isfinite_},
    {"nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) "
     "-> Tensor",
     TB_KEEP, nan_to_num},
    {"sqrt(Tensor self) -> Tensor",
     TB_FLOATY, sqrt_},
    {"rsqrt(Tensor self) -> Tensor",
     TB_FLOATY, rsqrt},
    {"reciprocal(Tensor self) -> Tensor",
     TB_FLOATY, reciprocal},
    {"exp(Tensor self) -> Tensor",
     TB_FLOATY, exp_},
    {"exp2(Tensor self) -> Tensor",
     TB_FLOATY, exp2_},
    {"expm1(Tensor self) -> Tensor",
     TB_FLOATY, expm1_},
    {"log(Tensor self) -> Tensor",
     TB_FLOATY, log_},
    {"log2(Tensor self) -> Tensor",
     TB_FLOATY, log2_},
    {"log10(Tensor self) -> Tensor",
     TB_FLOATY, log10_},
    {"log1p(Tensor self) -> Tensor",
     TB_FLOATY, log1p_},
    {"square(Tensor self) -> Tensor",
     TB_KEEP, square},
    {"logit(Tensor self, float? eps=None) -> Tensor",
     TB_FLOATY, logit},
    {"special_logit(Tensor self, float? eps=None) -> Tensor",
     TB_FLOATY, logit},
    {"sin(Tensor self) -> Tensor",
     TB_FLOATY, sin_},
    {"cos(Tensor self) -> Tensor",
     TB_FLOATY, cos_},
    {"tan(Tensor self) -> Tensor",
     TB_FLOATY, tan_},
    {"tanh(Tensor self) -> Tensor",
     TB_FLOATY, tanh_},
    {"asin(Tensor self) -> Tensor",
     TB_FLOATY, asin_},
    {"arcsin(Tensor self) -> Tensor",
     TB_FLOATY, asin_},
    {"acos(Tensor self) -> Tensor",
     TB_FLOATY, acos_},
    {"arccos(Tensor self) -> Tensor",
     TB_FLOATY, acos_},
    {"atan(Tensor self) -> Tensor",
     TB_FLOATY, atan_},
    {"arctan(Tensor self) -> Tensor",
     TB_FLOATY, atan_},
    {"sinc(Tensor self) -> Tensor",
     TB_FLOATY, sinc},
    {"sinh(Tensor self) -> Tensor",
     TB_FLOATY, sinh_},
    {"cosh(Tensor self) -> Tensor",
     TB_FLOATY, cosh_},
    {"asinh(Tensor self) -> Tensor",
     TB_FLOATY, asinh_},
    {"arcsinh(Tensor self) -> Tensor",
     TB_FLOATY, asinh_},
    {"acosh(Tensor self) -> Tensor",
     TB_FLOATY, acosh_},
    {"arccosh(Tensor self) -> Tensor",
     TB_FLOATY, acosh_},
    {"atanh(Tensor self) -> Tensor",
     TB_FLOATY, atanh_},
    {"arctanh(Tensor self) -> Tensor",
     TB_FLOATY, atanh_},
    {"erf(Tensor self) -> Tensor",
     TB_FLOATY, erf_},
    {"special_erf(Tensor self) -> Tensor",
     TB_FLOATY, erf_},
    {"erfc(Tensor self) -> Tensor",
     TB_FLOATY, erfc_},
    {"special_erfc(Tensor self) -> Tensor",
     TB_FLOATY, erfc_},
    {"erfinv(Tensor self) -> Tensor",
     TB_FLOATY, erfinv},
    {"special_erfinv(Tensor self) -> Tensor",
     TB_FLOATY, erfinv},
    {"lgamma(Tensor self) -> Tensor",
     TB_FLOATY, lgamma_},
    {"digamma(Tensor self) -> Tensor",
     TB_FLOATY, digamma},
    {"special_digamma(Tensor self) -> Tensor",
     TB_FLOATY, digamma},
    {"special_expm1(Tensor self) -> Tensor",
     TB_FLOATY, expm1_},
    {"special_exp2(Tensor self) -> Tensor",
     TB_FLOATY, exp2_},
    {"special_log1p(Tensor self) -> Tensor",
     TB_FLOATY, log1p_},
    {"special_round(Tensor self, *, int decimals=0) -> Tensor",
     TB_KEEP, round_decimals},
    {"special_sinc(Tensor self) -> Tensor",
     TB_FLOATY, sinc},
    {"special_gammaln(Tensor self) -> Tensor",
     TB_FLOATY, lgamma_},
    {"special_psi(Tensor self) -> Tensor",
     TB_FLOATY, digamma},
    {"special_ndtr(Tensor self) -> Tensor",
     TB_FLOATY, ndtr},
    {"special_entr(Tensor self) -> Tensor",
     TB_FLOATY, entr},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * polynomial.c -- orthogonal polynomials of a degree that is a tensor too.
 *
 * Each is a recurrence of three terms from degrees 0 and 1. The loop runs to the highest
 * degree there is; an element keeps its value once its own is reached. Between -1 and 1
 * Chebyshev's have closed forms, which PyTorch takes from some degree on.
 */
#include "op/body.h"


typedef enum kind {
    CHEBYSHEV_T,
    CHEBYSHEV_U,
    CHEBYSHEV_V,
    CHEBYSHEV_W,
    HERMITE_H,
    HERMITE_HE,
    LAGUERRE,
    LEGENDRE
} kind;

/* cos(theta) = x, by functions there are */
static tb_val
arccos(tb_graph *g, tb_val x)
{
    return SUB(K(x, 1.57079632679489661923), M1(asin, x));
}

/* values: step, p, q, x, degree: more steps while one is below its degree and not NaN */
static tb_val
active(tb_graph *g, const tb_val *v)
{
    return AND(LT(v[0], v[4]), EQ(v[2], v[2]));
}

static tb_val
goes_on(tb_graph *g, const tb_val *v, void *user)
{
    (void)user;
    return tb_body_any(g, active(g, v));
}

/* The polynomial of degree k + 1, k > 0, of those of degrees k - 1 and k. */
static tb_val
next(tb_graph *g, kind what, tb_val k, tb_val p, tb_val q, tb_val x)
{
    tb_val n = CAST(k, tb_dtype_of(g, x)), one = K(x, 1), two = K(x, 2);

    switch (what) {
    case HERMITE_H:
        return SUB(MUL(MUL(two, x), q), MUL(MUL(two, n), p));
    case HERMITE_HE:
        return SUB(MUL(x, q), MUL(n, p));
    case LAGUERRE:
        p = SUB(MUL(ADD(MUL(two, n), SUB(one, x)), q), MUL(n, p));
        return DIV(p, ADD(n, one));
    case LEGENDRE:
        p = SUB(MUL(MUL(ADD(MUL(two, n), one), x), q), MUL(n, p));
        return DIV(p, ADD(n, one));
    default:
        return SUB(MUL(MUL(two, x), q), p);
    }
}

static void
step(tb_graph *g, tb_val *v, void *user)
{
    kind what = *(const kind *)user;
    tb_val go = active(g, v), r = next(g, what, v[0], v[1], v[2], v[3]);

    v[1] = WHERE(go, v[2], v[1]);
    v[2] = WHERE(go, r, v[2]);
    v[0] = ADD(v[0], I64(1));
}

static tb_val
first(tb_graph *g, kind what, tb_val x)
{
    tb_val twice = MUL(K(x, 2), x), one = K(x, 1);

    switch (what) {
    case CHEBYSHEV_U:
    case HERMITE_H:
        return twice;
    case CHEBYSHEV_V:
        return SUB(twice, one);
    case CHEBYSHEV_W:
        return ADD(twice, one);
    case LAGUERRE:
        return SUB(one, x);
    default:
        return x;
    }
}

/* At 1 or -1; n is the degree in x's dtype, `odd` whether it is. */
static tb_val
at_end(tb_graph *g, kind what, tb_val x, tb_val n, tb_val odd)
{
    tb_val one = K(x, 1), up = LT(K(x, 0), x), sign, r = one;
    tb_val twice = ADD(MUL(K(x, 2), n), one);

    sign = WHERE(odd, K(x, -1), one);
    if (what == CHEBYSHEV_U)
        r = ADD(n, one);
    else if (what == CHEBYSHEV_V)
        r = WHERE(up, one, twice);
    else if (what == CHEBYSHEV_W)
        r = WHERE(up, twice, one);
    return WHERE(up, r, MUL(sign, r));
}

/* Between them, where theta = arccos(x). */
static tb_val
between(tb_graph *g, kind what, tb_val x, tb_val n)
{
    tb_val theta = arccos(g, x), half = MUL(K(x, 0.5), theta);
    tb_val middle = MUL(ADD(n, K(x, 0.5)), theta);

    switch (what) {
    case CHEBYSHEV_U:
        return DIV(SIN(MUL(ADD(n, K(x, 1)), theta)), SIN(theta));
    case CHEBYSHEV_V:
        return DIV(COS(middle), COS(half));
    case CHEBYSHEV_W:
        return DIV(SIN(middle), SIN(half));
    default:
        return COS(MUL(n, theta));
    }
}

/* `closed`: the degree beyond which the closed form is taken; 0 for none. `shifted`: of
 * 2x - 1. */
static tb_val
evaluate(tb_opctx *c, kind what, int closed, bool shifted)
{
    tb_graph *g = c->g;
    tb_val x = V(0), n = CAST(V(1), TB_I64), degree, inside, end, r, steps, zero = I64(0);
    tb_val v[5];

    if (shifted)
        x = SUB(MUL(K(x, 2), x), K(x, 1));
    degree = CAST(n, tb_dtype_of(g, x));
    inside = AND(LT(I64(closed), n), LT(ABS(x), K(x, 1)));
    end = EQ(ABS(x), K(x, 1));
    steps = n;
    if (what <= CHEBYSHEV_W)
        steps = WHERE(OR(inside, end), zero, n);
    if (what == HERMITE_H || what == HERMITE_HE) {
        end = LT(I64(tb_dtype_of(g, x) == TB_F64 ? 512 : 128), n);
        steps = WHERE(end, zero, n);
    }
    v[0] = I64(1);
    v[1] = tb_full_like(g, x, 1);
    v[2] = first(g, what, x);
    v[3] = x;
    v[4] = steps;
    tb_body_while(g, v, 5, goes_on, step, &what);
    r = v[2];
    if (what == HERMITE_H || what == HERMITE_HE)
        r = WHERE(end, K(x, NAN), r);
    if (what <= CHEBYSHEV_W)
        r = WHERE(inside, between(g, what, x, degree), r);
    if (what <= CHEBYSHEV_W || what == LEGENDRE)
        r = WHERE(end, at_end(g, what == LEGENDRE ? CHEBYSHEV_T : what, x, degree,
                              NE(REM(n, I64(2)), zero)), r);
    r = WHERE(EQ(n, zero), K(x, 1), r);
    if (what == LAGUERRE)
        r = WHERE(EQ(x, K(x, 0)), K(x, 1), r);
    return WHERE(LT(n, zero), K(x, 0), r);
}

#define POLYNOMIAL(name, what, closed, shifted)                                          \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        return evaluate(c, what, closed, shifted);                                       \
    }
POLYNOMIAL(chebyshev_t, CHEBYSHEV_T, 6, false)
POLYNOMIAL(chebyshev_u, CHEBYSHEV_U, 8, false)
POLYNOMIAL(chebyshev_v, CHEBYSHEV_V, 8, false)
POLYNOMIAL(chebyshev_w, CHEBYSHEV_W, 8, false)
POLYNOMIAL(shifted_t, CHEBYSHEV_T, 6, true)
POLYNOMIAL(shifted_u, CHEBYSHEV_U, 6, true)
POLYNOMIAL(shifted_v, CHEBYSHEV_V, 6, true)
POLYNOMIAL(shifted_w, CHEBYSHEV_W, 4, true)
POLYNOMIAL(hermite_h, HERMITE_H, 0, false)
POLYNOMIAL(hermite_he, HERMITE_HE, 0, false)
POLYNOMIAL(laguerre, LAGUERRE, 0, false)
POLYNOMIAL(legendre, LEGENDRE, 0, false)

#define ROWS(name, body)                                                                 \
    {"special_" name "(Tensor x, Tensor n) -> Tensor", TB_FLOATY, body},                 \
    {"special_" name ".x_scalar(Scalar x, Tensor n) -> Tensor", TB_FLOATY, body},        \
    {"special_" name ".n_scalar(Tensor x, Scalar n) -> Tensor", TB_FLOATY, body}

const tb_op tb_ops_polynomial[] = {
    ROWS("chebyshev_polynomial_t", chebyshev_t),
    ROWS("chebyshev_polynomial_u", chebyshev_u),
    ROWS("chebyshev_polynomial_v", chebyshev_v),
    ROWS("chebyshev_polynomial_w", chebyshev_w),
    ROWS("shifted_chebyshev_polynomial_t", shifted_t),
    ROWS("shifted_chebyshev_polynomial_u", shifted_u),
    ROWS("shifted_chebyshev_polynomial_v", shifted_v),
    ROWS("shifted_chebyshev_polynomial_w", shifted_w),
    ROWS("hermite_polynomial_h", hermite_h),
    ROWS("hermite_polynomial_he", hermite_he),
    ROWS("laguerre_polynomial_l", laguerre),
    ROWS("legendre_polynomial_p", legendre),
    {0},
};

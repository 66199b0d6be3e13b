/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pointwise.c -- arithmetic, comparison and logic of two or three operands.
 *
 * Rows with TB_ARITH, TB_FLOATY and TB_COMPARE get operands of one dtype and shape; the
 * others promote themselves, because only some of their tensors take part.
 */
#include "op/complex.h"

#define BINARY(name, expr)                                                               \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val x = V(0), y = V(1);                                                       \
                                                                                         \
        return expr;                                                                     \
    }

static bool
is_bool(tb_opctx *c)
{
    return tb_dtype_of(c->g, V(0)) == TB_BOOL;
}

static bool
is_float(tb_opctx *c)
{
    return tb_dtype_is_float(tb_dtype_of(c->g, V(0)));
}

/* ---- sums and products ---- */

/* y, times alpha if there is one */
static tb_val
scaled(tb_opctx *c, tb_val y, uint32_t alpha)
{
    tb_graph *g = c->g;
    const tb_arg *a = tb_body_at(c, alpha, 0);

    if ((a->kind == TB_ARG_INT && a->i == 1) || (a->kind == TB_ARG_FLOAT && a->f == 1))
        return y;
    return MUL(y, tb_body_scalar(c, alpha, tb_dtype_of(g, y)));
}

static tb_val
add(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val y = scaled(c, V(1), 2);

    return is_bool(c) ? OR(V(0), y) : ADD(V(0), y);
}

static tb_val
sub(tb_opctx *c)
{
    tb_graph *g = c->g;

    if (is_bool(c))
        tb_body_raise(c, "PyTorch does not subtract bools; use ^ or logical_xor");
    return SUB(V(0), scaled(c, V(1), 2));
}

static tb_val
rsub(tb_opctx *c)
{
    tb_graph *g = c->g;

    return SUB(V(1), scaled(c, V(0), 2));
}

BINARY(mul, MUL(x, y))

static tb_val
addcmul(tb_opctx *c)
{
    tb_graph *g = c->g;

    return CAST(ADD(tb_body_wide(g, V(0)),
                    MUL(scaled(c, tb_body_wide(g, V(1)), 3), tb_body_wide(g, V(2)))),
                tb_dtype_of(g, V(0)));
}

static tb_val
addcdiv(tb_opctx *c)
{
    tb_graph *g = c->g;

    return CAST(ADD(tb_body_wide(g, V(0)),
                    DIV(scaled(c, tb_body_wide(g, V(1)), 3), tb_body_wide(g, V(2)))),
                tb_dtype_of(g, V(0)));
}

/* From the nearer end, so that a weight of 1 gives exactly the end. */
static tb_val
lerp(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val a = tb_body_wide(g, V(0)), b = tb_body_wide(g, V(1)), d = SUB(b, a);
    tb_val w = tb_body_wide(g, V(2)), size = M1(abs, w);

    return CAST(WHERE(LT(size, K(size, 0.5)), ADD(a, MUL(w, d)),
                      SUB(b, MUL(d, SUB(K(w, 1), w)))),
                t);
}

/* ---- division ---- */

BINARY(divide, DIV(x, y))

/* PyTorch refuses to divide integers by 0 where no float comes out. Constants are looked at
 * now, others in the call. */
static void
refuse_zero(tb_graph *g, tb_val b)
{
    if (tb_dtype_is_inexact(tb_dtype_of(g, b)))
        return;
    while (tb_node_of(g, b)->prim == TB_P_expand)
        b = tb_in(g, b, 0);
    if (tb_node_of(g, b)->prim == TB_P_full && tb_attrs(g, b)[0] != 0)
        return;
    tb_assert_node(g, tb_body_all(g, NE(b, K(b, 0))), TB_STR("ZeroDivisionError"));
}

/* Rounded down. For floats with the remainder's help, as Python does: a/b may round up to
 * an integer that the exact quotient does not reach. */
static tb_val
floor_div(tb_graph *g, tb_val a, tb_val b)
{
    tb_dtype t = tb_dtype_of(g, a);
    tb_val r, q, down;

    if (tb_dtype_kind(t) == TB_KIND_UINT)
        return DIV(a, b);
    r = REM(a, b);
    down = AND(NE(r, K(r, 0)), NE(LT(r, K(r, 0)), LT(b, K(b, 0))));
    if (!tb_dtype_is_float(t))
        return SUB(DIV(a, b), CAST(down, t));
    q = SUB(DIV(SUB(a, r), b), CAST(down, t));
    down = FLOOR(q);
    down = ADD(down, CAST(LT(K(q, 0.5), SUB(q, down)), t));
    q = WHERE(EQ(q, K(q, 0)), tb_body_map2(g, TB_P_copysign, K(q, 0), DIV(a, b)), down);
    return WHERE(EQ(b, K(b, 0)), DIV(a, b), q);
}

static tb_val
floor_divide(tb_opctx *c)
{
    tb_graph *g = c->g;

    refuse_zero(g, V(1));
    return CAST(floor_div(g, tb_body_wide(g, V(0)), tb_body_wide(g, V(1))),
                tb_dtype_of(g, V(0)));
}

/* The common dtype depends on the mode: only without one integers become floats. */
static tb_val
div_mode(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 3);
    tb_val x, y;

    if (!given(c, 2) && !tb_dtype_is_inexact(t))
        t = TB_F32;
    x = tb_body_promoted(c, 0, t);
    y = tb_body_promoted(c, 1, t);
    if (!given(c, 2))
        return DIV(x, y);
    refuse_zero(g, y);
    tb_broadcast(g, &x, &y);
    if (tb_body_is(c, 2, "floor"))
        return CAST(floor_div(g, tb_body_wide(g, x), tb_body_wide(g, y)), t);
    if (!tb_body_is(c, 2, "trunc"))
        tb_body_raise(c, "expected rounding_mode None, 'floor' or 'trunc'");
    return tb_dtype_is_float(t) ? M1(trunc, DIV(x, y)) : DIV(x, y);
}

/* With the sign of the divisor. */
static tb_val
remainder_of(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val b = tb_body_wide(g, V(1)), r = REM(tb_body_wide(g, V(0)), b), other;

    refuse_zero(g, V(1));
    if (tb_dtype_kind(tb_dtype_of(g, r)) == TB_KIND_UINT)
        return r;
    other = AND(NE(r, K(r, 0)), NE(LT(r, K(r, 0)), LT(b, K(b, 0))));
    return CAST(WHERE(other, ADD(r, b), r), tb_dtype_of(g, V(0)));
}

static tb_val
fmod_of(tb_opctx *c)
{
    tb_graph *g = c->g;

    refuse_zero(g, V(1));
    return REM(V(0), V(1));
}

/* ---- powers ---- */

/* Whether all of x is one number. */
static bool
is_number(tb_graph *g, tb_val x, double *value)
{
    int64_t bits;

    if (tb_node_of(g, x)->prim != TB_P_full || tb_is_complex(g, x))
        return false;
    bits = tb_attrs(g, x)[0];
    if (tb_dtype_is_float(tb_dtype_of(g, x)))
        memcpy(value, &bits, sizeof bits);
    else
        *value = (double)bits;
    return true;
}

static tb_val
power(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1);
    double e;

    if (is_bool(c))
        tb_body_raise(c, "PyTorch does not raise bools to powers");
    if (!is_number(g, y, &e))
        return POW(x, y);
    if (e == 1)
        return x;
    if (e == 2)
        return MUL(x, x);
    if (e == 3)
        return MUL(MUL(x, x), x);
    if (!is_float(c) && !tb_is_complex(g, x))
        return POW(x, y);
    if (e == 0.5)
        return SQRT(x);
    if (e == -0.5)
        return RSQRT(x);
    if (e == -1)
        return DIV(K(x, 1), x);
    if (e == -2)
        return DIV(K(x, 1), MUL(x, x));
    return POW(x, y);
}

/* ---- extremes ---- */

BINARY(maximum, MAX(x, y))
BINARY(minimum, MIN(x, y))

static tb_val
unless_nan(tb_graph *g, tb_val r, tb_val x, tb_val y)
{
    if (!tb_dtype_is_float(tb_dtype_of(g, x)))
        return r;
    return WHERE(NE(x, x), y, WHERE(NE(y, y), x, r));
}

BINARY(fmax_of, unless_nan(g, MAX(x, y), x, y))
BINARY(fmin_of, unless_nan(g, MIN(x, y), x, y))

static tb_val
clamp(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    if (!given(c, 1) && !given(c, 2))
        tb_body_raise(c, "expected min, max or both");
    if (given(c, 1))
        x = MAX(x, V(1));
    return given(c, 2) ? MIN(x, V(2)) : x;
}

/* ---- comparison ---- */

BINARY(eq, EQ(x, y))
BINARY(ne, NE(x, y))
BINARY(lt, LT(x, y))
BINARY(le, LE(x, y))
BINARY(gt, LT(y, x))
BINARY(ge, LE(y, x))

static tb_val
isclose(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1), d, allowed, close;

    if (!is_float(c) && !tb_is_complex(g, x))
        x = CAST(x, TB_F64), y = CAST(y, TB_F64);
    d = M1(abs, SUB(x, y));
    allowed = ADD(K(d, FLOAT(3)), MUL(K(d, FLOAT(2)), M1(abs, y)));
    close = OR(EQ(x, y), AND(LE(d, allowed), LT(d, K(d, INFINITY))));
    if (BOOL(4))
        close = OR(close, AND(NE(x, x), NE(y, y)));
    return close;
}

/* ---- logic and bits ---- */

#define TRUTH(v) CAST(v, TB_BOOL)
BINARY(logical_and, AND(TRUTH(x), TRUTH(y)))
BINARY(logical_or, OR(TRUTH(x), TRUTH(y)))
BINARY(logical_xor, NE(TRUTH(x), TRUTH(y)))
BINARY(bit_and, AND(x, y))
BINARY(bit_or, OR(x, y))
BINARY(bit_xor, tb_body_map2(g, TB_P_xor, x, y))
BINARY(shift_left, tb_body_map2(g, TB_P_shl, x, y))
BINARY(shift_right, tb_body_map2(g, TB_P_shr, x, y))

/* ---- choice ---- */

static tb_val
where_of(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 6);

    return WHERE(TRUTH(V(0)), tb_body_promoted(c, 1, t), tb_body_promoted(c, 2, t));
}

static tb_val
masked_fill(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    return WHERE(TRUTH(V(1)), tb_body_promoted(c, 2, tb_dtype_of(g, x)), x);
}

/* ---- functions of two numbers ---- */

BINARY(atan2_of, tb_body_map2(g, TB_P_atan2, x, y))
BINARY(copysign_of, tb_body_map2(g, TB_P_copysign, x, y))
BINARY(nextafter_of, tb_body_map2(g, TB_P_nextafter, x, y))
BINARY(heaviside, WHERE(EQ(x, K(x, 0)), y, CAST(LT(K(x, 0), x), tb_dtype_of(g, x))))

/* In steps, wide: half types round once. */
#define BINARY_WIDE(name, expr)                                                          \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val x = tb_body_wide(g, V(0)), y = tb_body_wide(g, V(1));                     \
                                                                                         \
        return CAST(expr, tb_dtype_of(g, V(0)));                                         \
    }

/* log(base^x + base^y), base^x = exp(x / unit) */
static tb_val
log_of_sum(tb_graph *g, tb_val x, tb_val y, double unit)
{
    tb_val d, big, r;

    if (tb_is_complex(g, x))
        return tb_cplx_log_of_sum(g, x, y);
    d = M1(abs, SUB(x, y));
    big = MAX(x, y);
    r = ADD(big, MUL(M1(log1p, EXP(DIV(M1(neg, d), K(d, unit)))), K(d, unit)));
    return WHERE(EQ(x, y), ADD(x, K(x, unit * 0.69314718055994530942)), r);
}

/* x * log(y), 0 where x is 0 */
static tb_val
times_log(tb_graph *g, tb_val x, tb_val y, tb_val log_y)
{
    tb_val r = WHERE(EQ(x, K(x, 0)), K(x, 0), MUL(x, log_y));

    return WHERE(NE(y, y), y, r);
}

BINARY_WIDE(hypot_of, tb_cplx_hypot(g, x, y))
BINARY_WIDE(logaddexp, log_of_sum(g, x, y, 1))
BINARY_WIDE(logaddexp2, log_of_sum(g, x, y, 1.44269504088896340736))
BINARY_WIDE(xlogy, times_log(g, x, y, LOG(y)))
BINARY_WIDE(xlog1py, times_log(g, x, y, M1(log1p, y)))

/* ---- divisors ---- */

/* values: a, b */
static tb_val
divides_on(tb_graph *g, const tb_val *v, void *user)
{
    (void)user;
    return tb_body_any(g, NE(v[1], K(v[1], 0)));
}

static void
divide_on(tb_graph *g, tb_val *v, void *user)
{
    tb_val zero = K(v[1], 0), done = EQ(v[1], zero), rest = REM(v[0], v[1]);

    (void)user;
    v[0] = WHERE(done, v[0], v[1]);
    v[1] = WHERE(done, zero, rest);
}

/* Euclid's algorithm, until all elements are done. */
static tb_val
gcd_of(tb_graph *g, tb_val a, tb_val b)
{
    tb_val v[] = {a, b};

    tb_body_while(g, v, 2, divides_on, divide_on, NULL);
    return M1(abs, v[0]);
}

static tb_val
gcd(tb_opctx *c)
{
    return gcd_of(c->g, V(0), V(1));
}

static tb_val
lcm(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), b = V(1), d = gcd_of(g, a, b), zero = K(d, 0);

    /* division by 0 gives 0 */
    return WHERE(EQ(d, zero), zero, M1(abs, MUL(DIV(a, d), b)));
}

const tb_op tb_ops_pointwise[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
     TB_ARITH, add},
    {"add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     TB_ARITH, add},
    {"sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
     TB_ARITH, sub},
    {"sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     TB_ARITH, sub},
    {"rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
     TB_ARITH, rsub},
    {"rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     TB_ARITH, rsub},
    {"mul.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, mul},
    {"mul.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, mul},
    {"addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> "
     "Tensor",
     TB_ARITH, addcmul},
    {"addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> "
     "Tensor",
     TB_ARITH, addcdiv},
    {"lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor",
     TB_ARITH, lerp},
    {"lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
     TB_ARITH, lerp},
    {"div.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, divide},
    {"div.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, divide},
    {"div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
     TB_KEEP, div_mode},
    {"div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
     TB_KEEP, div_mode},
    {"true_divide.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, divide},
    {"true_divide.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, divide},
    {"floor_divide(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, floor_divide},
    {"floor_divide.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, floor_divide},
    {"remainder.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, remainder_of},
    {"remainder.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, remainder_of},
    {"remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     TB_ARITH, remainder_of},
    {"fmod.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, fmod_of},
    {"fmod.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, fmod_of},
    {"pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
     TB_ARITH, power},
    {"pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
     TB_ARITH, power},
    {"pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
     TB_ARITH, power},
    {"maximum(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, maximum},
    {"minimum(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, minimum},
    {"max.other(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, maximum},
    {"min.other(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, minimum},
    {"fmax(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, fmax_of},
    {"fmin(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, fmin_of},
    {"clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
     TB_ARITH, clamp},
    {"clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
     TB_ARITH, clamp},
    {"clip(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
     TB_ARITH, clamp},
    {"clip.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
     TB_ARITH, clamp},
    {"clamp_min(Tensor self, Scalar min) -> Tensor",
     TB_ARITH, maximum},
    {"clamp_min.Tensor(Tensor self, Tensor min) -> Tensor",
     TB_ARITH, maximum},
    {"clamp_max(Tensor self, Scalar max) -> Tensor",
     TB_ARITH, minimum},
    {"clamp_max.Tensor(Tensor self, Tensor max) -> Tensor",
     TB_ARITH, minimum},
    {"eq.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, eq},
    {"eq.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, eq},
    {"ne.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, ne},
    {"ne.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, ne},
    {"lt.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, lt},
    {"lt.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, lt},
    {"le.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, le},
    {"le.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, le},
    {"gt.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, gt},
    {"gt.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, gt},
    {"ge.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, ge},
    {"ge.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, ge},
    {"isclose(Tensor self, Tensor other, float rtol=1.0000000000000001e-05, float "
     "atol=1e-08, bool equal_nan=False) -> Tensor",
     TB_COMPARE, isclose},
    {"logical_and(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, logical_and},
    {"logical_or(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, logical_or},
    {"logical_xor(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, logical_xor},
    {"bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, bit_and},
    {"bitwise_and.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, bit_and},
    {"bitwise_and.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     TB_ARITH, bit_and},
    {"bitwise_or.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, bit_or},
    {"bitwise_or.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, bit_or},
    {"bitwise_or.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     TB_ARITH, bit_or},
    {"bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, bit_xor},
    {"bitwise_xor.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, bit_xor},
    {"bitwise_xor.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     TB_ARITH, bit_xor},
    {"__and__.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, bit_and},
    {"__and__.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, bit_and},
    {"__or__.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, bit_or},
    {"__or__.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, bit_or},
    {"__xor__.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, bit_xor},
    {"__xor__.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, bit_xor},
    {"bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, shift_left},
    {"bitwise_left_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, shift_left},
    {"bitwise_left_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     TB_ARITH, shift_left},
    {"bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, shift_right},
    {"bitwise_right_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, shift_right},
    {"bitwise_right_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     TB_ARITH, shift_right},
    {"__lshift__.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, shift_left},
    {"__lshift__.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, shift_left},
    {"__rshift__.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, shift_right},
    {"__rshift__.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, shift_right},
    {"where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
     TB_KEEP, where_of},
    {"where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor",
     TB_KEEP, where_of},
    {"where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor",
     TB_KEEP, where_of},
    {"where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor",
     TB_KEEP, where_of},
    {"masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
     TB_KEEP, masked_fill},
    {"masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
     TB_KEEP, masked_fill},
    {"atan2(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, atan2_of},
    {"copysign.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, copysign_of},
    {"copysign.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, copysign_of},
    {"nextafter(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, nextafter_of},
    {"heaviside(Tensor self, Tensor values) -> Tensor",
     TB_ARITH, heaviside},
    {"hypot(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, hypot_of},
    {"logaddexp(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, logaddexp},
    {"logaddexp2(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, logaddexp2},
    {"xlogy.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, xlogy},
    {"xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor",
     TB_FLOATY, xlogy},
    {"xlogy.Scalar_Other(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, xlogy},
    {"special_xlog1py(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, xlog1py},
    {"special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor",
     TB_FLOATY, xlog1py},
    {"special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, xlog1py},
    {"multiply.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, mul},
    {"multiply.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_ARITH, mul},
    {"subtract.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
     TB_ARITH, sub},
    {"subtract.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     TB_ARITH, sub},
    {"divide.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, divide},
    {"divide.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, divide},
    {"divide.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
     TB_KEEP, div_mode},
    {"divide.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
     TB_KEEP, div_mode},
    {"not_equal.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, ne},
    {"not_equal.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, ne},
    {"less.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, lt},
    {"less.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, lt},
    {"less_equal.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, le},
    {"less_equal.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, le},
    {"greater.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, gt},
    {"greater.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, gt},
    {"greater_equal.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_COMPARE, ge},
    {"greater_equal.Scalar(Tensor self, Scalar other) -> Tensor",
     TB_COMPARE, ge},
    {"arctan2(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, atan2_of},
    {"special_xlogy(Tensor self, Tensor other) -> Tensor",
     TB_FLOATY, xlogy},
    {"special_xlogy.self_scalar(Scalar self, Tensor other) -> Tensor",
     TB_FLOATY, xlogy},
    {"special_xlogy.other_scalar(Tensor self, Scalar other) -> Tensor",
     TB_FLOATY, xlogy},
    {"gcd(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, gcd},
    {"lcm(Tensor self, Tensor other) -> Tensor",
     TB_ARITH, lcm},
    {0},
};

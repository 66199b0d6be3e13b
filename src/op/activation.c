/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * activation.c -- activation functions and their derivatives.
 *
 * Half types are computed in f32 and rounded once, as PyTorch does.
 */
#include "op/complex.h"

/* A function of x; half types are wide. */
#define ACT(name, expr)                                                                  \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val x = tb_body_wide(g, V(0));                                                \
                                                                                         \
        return CAST(expr, tb_dtype_of(g, V(0)));                                         \
    }
/* A derivative: gradient d of the result, and x (or y, the result). */
#define GRAD(name, expr)                                                                 \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1));                     \
                                                                                         \
        return CAST(expr, tb_dtype_of(g, V(0)));                                         \
    }

#define EXPM1(a) M1(expm1, a)
#define TANH(a) M1(tanh, a)

static const double sqrt_half = 0.70710678118654752440;
static const double sqrt_2_over_pi = 0.79788456080286535588;
static const double gelu_cubic = 0.044715;
static const double inv_sqrt_2pi = 0.39894228040143267794;

static tb_val
sigmoid_of(tb_graph *g, tb_val x)
{
    return DIV(K(x, 1), ADD(K(x, 1), EXP(NEG(x))));
}

static tb_val
between(tb_graph *g, tb_val x, tb_val lo, tb_val hi)
{
    return MIN(MAX(x, lo), hi);
}

/* ---- of the logistic family ---- */

ACT(silu, DIV(x, ADD(K(x, 1), EXP(NEG(x)))))
ACT(mish, MUL(x, TANH(LOG1P(EXP(x)))))
ACT(log_sigmoid, SUB(MIN(x, K(x, 0)), LOG1P(EXP(NEG(ABS(x))))))

static tb_val
sigmoid(tb_opctx *c)
{
    tb_graph *g = c->g;

    return CAST(sigmoid_of(g, tb_body_wide(g, V(0))), tb_dtype_of(g, V(0)));
}

/* (result, exp(-|x|) for the derivative) */
static tb_val
log_sigmoid_forward(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_body_out2(c, log_sigmoid(c), EXP(NEG(ABS(V(0)))));
}

static tb_val
softplus(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), beta = K(x, FLOAT(1)), bx = MUL(x, beta);

    x = WHERE(LT(K(x, FLOAT(2)), bx), x, DIV(LOG1P(EXP(bx)), beta));
    return CAST(x, tb_dtype_of(g, V(0)));
}

/* ---- gelu ---- */

static tb_val
gelu(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), h = MUL(x, K(x, 0.5)), inner;

    if (tb_body_is(c, 1, "tanh")) {
        inner = ADD(x, MUL(K(x, gelu_cubic), MUL(MUL(x, x), x)));
        inner = TANH(MUL(K(x, sqrt_2_over_pi), inner));
    } else if (tb_body_is(c, 1, "none")) {
        inner = M1(erf, MUL(x, K(x, sqrt_half)));
    } else {
        tb_body_raise(c, "expected approximate 'none' or 'tanh'");
    }
    return CAST(MUL(h, ADD(K(x, 1), inner)), tb_dtype_of(g, V(0)));
}

static tb_val
gelu_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1)), s, t, left, right;

    if (tb_body_is(c, 2, "tanh")) {
        s = MUL(x, x);
        t = MUL(x, ADD(K(x, 1), MUL(K(x, gelu_cubic), s)));
        t = TANH(MUL(K(x, sqrt_2_over_pi), t));
        left = MUL(K(x, 0.5), ADD(K(x, 1), t));
        right = MUL(MUL(K(x, 0.5), x), SUB(K(x, 1), MUL(t, t)));
        right = MUL(right, MUL(K(x, sqrt_2_over_pi),
                               ADD(K(x, 1), MUL(K(x, 3 * gelu_cubic), s))));
    } else {
        left = MUL(K(x, 0.5), ADD(K(x, 1), M1(erf, MUL(x, K(x, sqrt_half)))));
        right = MUL(MUL(x, K(x, inv_sqrt_2pi)), EXP(MUL(MUL(x, x), K(x, -0.5))));
    }
    return CAST(MUL(d, ADD(left, right)), tb_dtype_of(g, V(0)));
}

/* ---- piecewise linear ---- */

static tb_val
relu(tb_opctx *c)
{
    tb_graph *g = c->g;

    return MAX(V(0), K(V(0), 0));
}

static tb_val
relu6(tb_opctx *c)
{
    tb_graph *g = c->g;

    return between(g, V(0), K(V(0), 0), K(V(0), 6));
}

static tb_val
hardtanh(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));

    return between(g, V(0), tb_body_scalar(c, 1, t), tb_body_scalar(c, 2, t));
}

ACT(hardsigmoid, DIV(between(g, ADD(x, K(x, 3)), K(x, 0), K(x, 6)), K(x, 6)))
ACT(hardswish, DIV(MUL(x, between(g, ADD(x, K(x, 3)), K(x, 0), K(x, 6))), K(x, 6)))

static tb_val
leaky_relu(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));

    return CAST(WHERE(LT(K(x, 0), x), x, MUL(x, K(x, FLOAT(1)))), tb_dtype_of(g, V(0)));
}

/* The weight has a value for each channel (axis 1), or one. */
static tb_val
prelu(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), w = V(1);

    if (RANK(w) == 1 && RANK(x) > 1)
        w = tb_body_on_axis(g, w, RANK(x), SIZE(w, 0) == 1 ? 0 : 1);
    if (RANK(x) == 0 && RANK(w) == 1)
        w = tb_squeeze_axes(g, w, 1);
    return WHERE(LT(K(x, 0), x), x, MUL(w, x));
}

static tb_val
threshold(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));

    return WHERE(LE(V(0), tb_body_scalar(c, 1, t)), tb_body_scalar(c, 2, t), V(0));
}

static tb_val
hardshrink(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), l = tb_body_scalar(c, 1, tb_dtype_of(g, x));

    return WHERE(AND(LE(M1(neg, l), x), LE(x, l)), K(x, 0), x);
}

static tb_val
softshrink(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), l = tb_body_scalar(c, 1, tb_dtype_of(g, x)), n = M1(neg, l);

    /* a NaN stays one */
    return WHERE(LT(l, x), SUB(x, l), WHERE(LT(x, n), ADD(x, l), MUL(x, K(x, 0))));
}

/* ---- exponential ---- */

/* scale * (x > 0 ? x : alpha * (exp(x * inner) - 1)) */
static tb_val
elu_of(tb_opctx *c, double alpha, double scale, double inner)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), low;

    low = MUL(EXPM1(inner == 1 ? x : MUL(x, K(x, inner))), K(x, alpha * scale));
    x = WHERE(LE(x, K(x, 0)), low, scale == 1 ? x : MUL(x, K(x, scale)));
    return CAST(x, tb_dtype_of(g, V(0)));
}

static tb_val
elu(tb_opctx *c)
{
    return elu_of(c, FLOAT(1), FLOAT(2), FLOAT(3));
}

static tb_val
selu(tb_opctx *c)
{
    return elu_of(c, 1.6732632423543772848, 1.0507009873554804934, 1);
}

static tb_val
celu(tb_opctx *c)
{
    double alpha = FLOAT(1);

    if (alpha == 0)
        tb_body_raise(c, "alpha must not be 0");
    return elu_of(c, alpha, 1, 1 / alpha);
}

/* The first half of an axis, times the sigmoid of the second. */
static tb_val
glu(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0), a, b;
    int ax = tb_body_axis(c, 1, RANK(x));
    tb_dim half = tb_dim_floordiv(u, SIZE(x, ax), 2);

    if (tb_dim_is_const(SIZE(x, ax)) && half * 2 != SIZE(x, ax))
        tb_body_raise(c, "the axis must have an even size");
    a = tb_body_wide(g, tb_slice_axis(g, x, ax, 0, half, 1));
    b = tb_body_wide(g, tb_slice_axis(g, x, ax, half, half, 1));
    return CAST(MUL(a, sigmoid_of(g, b)), tb_dtype_of(g, x));
}

/* ---- derivatives ---- */

#define CONJ(a) tb_cplx_conj(g, a)
GRAD(sigmoid_backward, MUL(d, CONJ(MUL(SUB(K(x, 1), x), x))))
GRAD(tanh_backward, MUL(d, CONJ(SUB(K(x, 1), MUL(x, x)))))
GRAD(hardsigmoid_backward, WHERE(LT(ABS(x), K(x, 3)), MUL(d, K(x, 1.0 / 6)), K(x, 0)))

static tb_val
silu_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1)), s = sigmoid_of(g, x);

    x = MUL(d, CONJ(MUL(s, ADD(K(x, 1), MUL(x, SUB(K(x, 1), s))))));
    return CAST(x, tb_dtype_of(g, V(0)));
}

static tb_val
mish_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1));
    tb_val t = TANH(LOG1P(EXP(x))), s = sigmoid_of(g, x);

    x = MUL(d, ADD(t, MUL(MUL(x, s), SUB(K(x, 1), MUL(t, t)))));
    return CAST(x, tb_dtype_of(g, V(0)));
}

static tb_val
log_sigmoid_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1));

    return CAST(MUL(d, sigmoid_of(g, NEG(x))), tb_dtype_of(g, V(0)));
}

static tb_val
softplus_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1));
    tb_val bx = MUL(x, K(x, FLOAT(2)));

    d = WHERE(LT(K(x, FLOAT(3)), bx), d, MUL(d, sigmoid_of(g, bx)));
    return CAST(d, tb_dtype_of(g, V(0)));
}

/* The gradient where x is above the threshold. */
static tb_val
threshold_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(1);

    return WHERE(LE(x, tb_body_scalar(c, 2, tb_dtype_of(g, x))), K(V(0), 0), V(0));
}

static tb_val
hardtanh_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(1);
    tb_dtype t = tb_dtype_of(g, x);
    tb_val out = OR(LE(x, tb_body_scalar(c, 2, t)), LE(tb_body_scalar(c, 3, t), x));

    return WHERE(out, K(V(0), 0), V(0));
}

static tb_val
hardswish_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(1)), r;

    r = MUL(d, ADD(DIV(x, K(x, 3)), K(x, 0.5)));
    r = WHERE(LE(x, K(x, -3)), K(x, 0), WHERE(LT(x, K(x, 3)), r, d));
    return CAST(r, tb_dtype_of(g, V(0)));
}

static tb_val
leaky_relu_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0));

    return CAST(WHERE(LT(K(V(1), 0), V(1)), d, MUL(d, K(d, FLOAT(2)))),
                tb_dtype_of(g, V(0)));
}

/* (gradient, alpha, scale, inner, whether x is the result, x) */
static tb_val
elu_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = tb_body_wide(g, V(0)), x = tb_body_wide(g, V(5)), low;
    double alpha = FLOAT(1), scale = FLOAT(2), inner = FLOAT(3);

    if (BOOL(4))
        low = MUL(K(x, inner), ADD(x, K(x, alpha * scale)));
    else
        low = MUL(K(x, inner * alpha * scale), EXP(MUL(x, K(x, inner))));
    d = WHERE(LE(x, K(x, 0)), MUL(d, low), MUL(d, K(x, scale)));
    return CAST(d, tb_dtype_of(g, V(0)));
}

const tb_op tb_ops_activation[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"sigmoid(Tensor self) -> Tensor",
     TB_FLOATY, sigmoid},
    {"special_expit(Tensor self) -> Tensor",
     TB_FLOATY, sigmoid},
    {"silu(Tensor self) -> Tensor",
     TB_FLOATY, silu},
    {"mish(Tensor self) -> Tensor",
     TB_FLOATY, mish},
    {"log_sigmoid(Tensor self) -> Tensor",
     TB_KEEP, log_sigmoid},
    {"log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)",
     TB_KEEP, log_sigmoid_forward},
    {"softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
     TB_KEEP, softplus},
    {"gelu(Tensor self, *, str approximate=\"none\") -> Tensor",
     TB_KEEP, gelu},
    {"relu(Tensor self) -> Tensor",
     TB_KEEP, relu},
    {"relu6(Tensor self) -> Tensor",
     TB_KEEP, relu6},
    {"hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
     TB_KEEP, hardtanh},
    {"hardsigmoid(Tensor self) -> Tensor",
     TB_KEEP, hardsigmoid},
    {"hardswish(Tensor self) -> Tensor",
     TB_KEEP, hardswish},
    {"leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor",
     TB_KEEP, leaky_relu},
    {"prelu(Tensor self, Tensor weight) -> Tensor",
     TB_KEEP, prelu},
    {"_prelu_kernel(Tensor self, Tensor weight) -> Tensor",
     TB_KEEP, prelu},
    {"threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
     TB_KEEP, threshold},
    {"hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
     TB_KEEP, hardshrink},
    {"softshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
     TB_KEEP, softshrink},
    {"elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
     TB_KEEP, elu},
    {"selu(Tensor self) -> Tensor",
     TB_KEEP, selu},
    {"celu(Tensor self, Scalar alpha=1.) -> Tensor",
     TB_KEEP, celu},
    {"glu(Tensor self, int dim=-1) -> Tensor",
     TB_KEEP, glu},
    {"sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor",
     TB_KEEP, sigmoid_backward},
    {"tanh_backward(Tensor grad_output, Tensor output) -> Tensor",
     TB_KEEP, tanh_backward},
    {"silu_backward(Tensor grad_output, Tensor self) -> Tensor",
     TB_KEEP, silu_backward},
    {"mish_backward(Tensor grad_output, Tensor self) -> Tensor",
     TB_KEEP, mish_backward},
    {"gelu_backward(Tensor grad_output, Tensor self, *, str approximate=\"none\") -> "
     "Tensor",
     TB_KEEP, gelu_backward},
    {"log_sigmoid_backward(Tensor grad_output, Tensor self, Tensor buffer) -> Tensor",
     TB_KEEP, log_sigmoid_backward},
    {"softplus_backward(Tensor grad_output, Tensor self, Scalar beta, Scalar "
     "threshold) -> Tensor",
     TB_KEEP, softplus_backward},
    {"threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor",
     TB_KEEP, threshold_backward},
    {"hardtanh_backward(Tensor grad_output, Tensor self, Scalar min_val, Scalar "
     "max_val) -> Tensor",
     TB_KEEP, hardtanh_backward},
    {"hardsigmoid_backward(Tensor grad_output, Tensor self) -> Tensor",
     TB_KEEP, hardsigmoid_backward},
    {"hardswish_backward(Tensor grad_output, Tensor self) -> Tensor",
     TB_KEEP, hardswish_backward},
    {"leaky_relu_backward(Tensor grad_output, Tensor self, Scalar negative_slope, bool "
     "self_is_result) -> Tensor",
     TB_KEEP, leaky_relu_backward},
    {"elu_backward(Tensor grad_output, Scalar alpha, Scalar scale, Scalar input_scale, "
     "bool is_result, Tensor self_or_result) -> Tensor",
     TB_KEEP, elu_backward},
    {0},
};

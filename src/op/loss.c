/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * loss.c -- losses, and how they change with their input.
 *
 * Half types are computed in f32 and rounded once.
 */
#include "op/body.h"

enum { NONE, MEAN, SUM }; /* argument `reduction` */

static tb_val
sum_all(tb_graph *g, tb_val x)
{
    uint32_t axes = (1u << RANK(x)) - 1;

    return axes ? tb_squeeze_axes(g, RSUM(x, axes), axes) : x;
}

/* The number of x's elements, in its dtype. */
static tb_val
count(tb_graph *g, tb_val x)
{
    return tb_body_dim(g, tb_body_count(g, x, (1u << RANK(x)) - 1), tb_dtype_of(g, x));
}

static tb_val
reduced(tb_graph *g, tb_val loss, int64_t how)
{
    tb_val s;

    if (how == NONE)
        return loss;
    s = sum_all(g, loss);
    return how == MEAN ? DIV(s, count(g, loss)) : s;
}

static tb_val
absolute(tb_graph *g, tb_val x)
{
    return M1(abs, x);
}

/* -1, 0 or 1 */
static tb_val
sign(tb_graph *g, tb_val x)
{
    tb_dtype t = tb_dtype_of(g, x);

    return SUB(CAST(LT(K(x, 0), x), t), CAST(LT(x, K(x, 0)), t));
}

/* ---- of differences: (self, target, reduction, parameter) ---- */

static tb_val
wide_difference(tb_opctx *c, uint32_t a)
{
    tb_graph *g = c->g;

    return SUB(tb_body_wide(g, V(a)), tb_body_wide(g, V(a + 1)));
}

/* Losses of complex numbers are real. */
static tb_val
finish(tb_opctx *c, tb_val loss, int64_t how)
{
    tb_graph *g = c->g;

    return CAST(reduced(g, loss, how), tb_dtype_part(tb_dtype_of(g, V(0))));
}

static tb_val
mse(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = wide_difference(c, 0);

    return finish(c, MUL(d, d), INT(2));
}

static tb_val
l1(tb_opctx *c)
{
    return finish(c, absolute(c->g, wide_difference(c, 0)), INT(2));
}

static tb_val
smooth_l1(tb_opctx *c)
{
    tb_graph *g = c->g;
    double beta = FLOAT(3);
    tb_val d = absolute(g, wide_difference(c, 0)), near, far;

    if (beta == 0)
        return finish(c, d, INT(2));
    near = MUL(MUL(d, d), K(d, 0.5 / beta));
    far = SUB(d, K(d, 0.5 * beta));
    return finish(c, WHERE(LT(d, K(d, beta)), near, far), INT(2));
}

static tb_val
huber(tb_opctx *c)
{
    tb_graph *g = c->g;
    double delta = FLOAT(3);
    tb_val d = absolute(g, wide_difference(c, 0)), near, far;

    near = MUL(MUL(d, d), K(d, 0.5));
    far = MUL(SUB(d, K(d, 0.5 * delta)), K(d, delta));
    return finish(c, WHERE(LE(d, K(d, delta)), near, far), INT(2));
}

/* (grad_output, self, target, reduction): slope * grad, divided by the count of a
 * mean. */
static tb_val
backward(tb_opctx *c, tb_val slope)
{
    tb_graph *g = c->g;
    tb_val r = MUL(slope, tb_body_wide(g, V(0)));

    if (INT(3) == MEAN)
        r = DIV(r, count(g, slope));
    return CAST(r, tb_dtype_of(g, V(1)));
}

static tb_val
mse_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = wide_difference(c, 1);

    return backward(c, MUL(d, K(d, 2)));
}

static tb_val
smooth_l1_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    double beta = FLOAT(4);
    tb_val d = wide_difference(c, 1);

    if (beta == 0)
        return backward(c, sign(g, d));
    return backward(c, WHERE(LT(absolute(g, d), K(d, beta)), MUL(d, K(d, 1 / beta)),
                             sign(g, d)));
}

static tb_val
huber_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    double delta = FLOAT(4);
    tb_val d = wide_difference(c, 1);

    return backward(c, MAX(MIN(d, K(d, delta)), K(d, -delta)));
}

/* ---- of probabilities ---- */

/* t * log(u), 0 where t is 0 */
static tb_val
xlogy(tb_graph *g, tb_val t, tb_val u)
{
    return WHERE(EQ(t, K(t, 0)), K(t, 0), MUL(t, LOG(u)));
}

static tb_val
kl_div(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), t = tb_body_wide(g, V(1)), r;

    if (BOOL(3))
        r = MUL(EXP(t), SUB(t, x));
    else
        r = SUB(xlogy(g, t, t), MUL(t, x));
    return finish(c, r, INT(2));
}

/* (self, target, weight?, reduction) */
static tb_val
bce(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), t = tb_body_wide(g, V(1)), a, b, r;

    a = MAX(LOG(x), K(x, -100));
    b = MAX(M1(log1p, M1(neg, x)), K(x, -100));
    r = SUB(MUL(SUB(t, K(t, 1)), b), MUL(t, a));
    if (given(c, 2))
        r = MUL(r, tb_body_wide(g, V(2)));
    return finish(c, r, INT(3));
}

/* (grad_output, self, target, weight?, reduction) */
static tb_val
bce_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(1)), t = tb_body_wide(g, V(2)), r;

    r = DIV(SUB(x, t), MAX(MUL(SUB(K(x, 1), x), x), K(x, 1e-12)));
    r = MUL(r, tb_body_wide(g, V(0)));
    if (given(c, 3))
        r = MUL(r, tb_body_wide(g, V(3)));
    if (INT(4) == MEAN)
        r = DIV(r, count(g, x));
    return CAST(r, tb_dtype_of(g, V(1)));
}

/* (self, target, weight?, pos_weight?, reduction) */
static tb_val
bce_with_logits(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0)), t = tb_body_wide(g, V(1)), soft, r;

    /* log(1 + exp(-x)), which does not overflow */
    soft = M1(log1p, EXP(M1(neg, absolute(g, x))));
    soft = ADD(soft, MAX(M1(neg, x), K(x, 0)));
    if (given(c, 3)) {
        tb_val w = tb_body_wide(g, V(3));

        soft = MUL(soft, ADD(MUL(SUB(w, K(w, 1)), t), K(t, 1)));
    }
    r = ADD(MUL(SUB(K(t, 1), t), x), soft);
    if (given(c, 2))
        r = MUL(r, tb_body_wide(g, V(2)));
    return finish(c, r, INT(4));
}

/* ---- of classes: x [N, C, ...] and target [N, ...], or [C] and [] ---- */

typedef struct classes {
    tb_val x;      /* wide */
    int axis;      /* of the classes */
    tb_val target; /* I64 with an axis of size 1 for the classes */
    tb_val valid;  /* not to be ignored */
    tb_val w;      /* weight of each target, or NO_VAL */
} classes;

static tb_val
along_axis(tb_graph *g, tb_val weight, const classes *p)
{
    return tb_body_on_axis(g, CAST(weight, tb_dtype_of(g, p->x)), RANK(p->x), p->axis);
}

static classes
read_classes(tb_opctx *c, tb_val x, tb_val target, uint32_t weight, uint32_t ignore)
{
    tb_graph *g = c->g;
    classes p = {.x = tb_body_wide(g, x), .axis = RANK(x) > 1};
    tb_val none = I64(INT(ignore));

    if (RANK(target) != RANK(x) - 1)
        tb_body_raise(c, "expected a target of rank %d, found rank %d", RANK(x) - 1,
                      RANK(target));
    target = tb_unsqueeze(g, CAST(target, TB_I64), p.axis);
    p.valid = NE(target, none);
    p.target = WHERE(p.valid, target, I64(0));
    if (given(c, weight))
        p.w = tb_gather(g, CAST(V(weight), tb_dtype_of(g, p.x)), 1, &p.target, 1);
    return p;
}

static tb_val
drop_axis(tb_graph *g, const classes *p, tb_val v)
{
    return tb_squeeze_axes(g, v, 1u << p->axis);
}

/* The sum of the weights of all targets. */
static tb_val
total_weight(tb_graph *g, const classes *p)
{
    tb_dtype t = tb_dtype_of(g, p->x);
    tb_val w = p->w.id ? WHERE(p->valid, p->w, K(p->w, 0)) : CAST(p->valid, t);

    return sum_all(g, w);
}

static tb_val
nll(tb_graph *g, const classes *p, int64_t how)
{
    tb_val r = M1(neg, tb_body_take_along(g, p->x, p->axis, p->target));

    if (p->w.id)
        r = MUL(r, p->w);
    r = drop_axis(g, p, WHERE(p->valid, r, K(r, 0)));
    if (how == NONE)
        return r;
    r = sum_all(g, r);
    return how == MEAN ? DIV(r, total_weight(g, p)) : r;
}

/* (self, target, weight?, reduction, ignore_index) */
static tb_val
nll_loss(tb_opctx *c)
{
    tb_graph *g = c->g;
    classes p = read_classes(c, V(0), V(1), 2, 4);

    return CAST(nll(g, &p, INT(3)), tb_dtype_of(g, V(0)));
}

static tb_val
nll_loss_forward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    classes p = read_classes(c, V(0), V(1), 2, 4);
    bool each = INT(3) == NONE && RANK(p.x) > 1;
    tb_val total = each ? tb_full_f(g, t, 0, NULL, 0) : CAST(total_weight(g, &p), t);

    return tb_body_out2(c, CAST(nll(g, &p, INT(3)), t), total);
}

/* (grad_output, self, target, weight?, reduction, ignore_index, total_weight) */
static tb_val
nll_loss_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    classes p = read_classes(c, V(1), V(2), 3, 5);
    int rank = RANK(p.x);
    tb_val grad = M1(neg, tb_body_wide(g, V(0))), here;

    if (INT(4) == MEAN)
        grad = DIV(grad, tb_body_wide(g, V(6)));
    if (RANK(grad) == rank - 1)
        grad = tb_unsqueeze(g, grad, p.axis);
    if (p.w.id)
        grad = MUL(grad, p.w);
    here = EQ(tb_body_count_up(g, SIZE(p.x, p.axis), rank, p.axis), p.target);
    grad = WHERE(AND(here, p.valid), grad, K(grad, 0));
    return CAST(tb_expand_like(g, grad, p.x), tb_dtype_of(g, V(1)));
}

static tb_val
log_softmax(tb_graph *g, tb_val x, int axis)
{
    x = SUB(x, RMAX(x, 1u << axis));
    return SUB(x, LOG(RSUM(EXP(x), 1u << axis)));
}

/* Targets that are probabilities, as large as x. */
static tb_val
soft_targets(tb_opctx *c, tb_val logs, int axis, double smoothing)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, logs);
    tb_val p = CAST(V(1), t), n = tb_body_dim(g, SIZE(logs, axis), t), r;

    if (smoothing > 0)
        p = ADD(MUL(p, K(p, 1 - smoothing)), DIV(K(p, smoothing), n));
    r = MUL(logs, p);
    if (given(c, 2))
        r = MUL(r, tb_body_on_axis(g, CAST(V(2), t), RANK(logs), axis));
    r = M1(neg, tb_squeeze_axes(g, RSUM(r, 1u << axis), 1u << axis));
    return reduced(g, r, INT(3));
}

/* The loss of targets spread evenly over all classes. */
static tb_val
even(tb_opctx *c, const classes *p)
{
    tb_graph *g = c->g;
    tb_val r = p->x;

    if (given(c, 2))
        r = MUL(r, along_axis(g, V(2), p));
    r = M1(neg, RSUM(r, 1u << p->axis));
    r = drop_axis(g, p, WHERE(p->valid, r, K(r, 0)));
    if (INT(3) == NONE)
        return r;
    r = sum_all(g, r);
    return INT(3) == MEAN ? DIV(r, total_weight(g, p)) : r;
}

/* (self, target, weight?, reduction, ignore_index, label_smoothing) */
static tb_val
cross_entropy(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    int axis = RANK(V(0)) > 1;
    tb_val logs = log_softmax(g, tb_body_wide(g, V(0)), axis), r;
    double smoothing = FLOAT(5);
    classes p;

    if (tb_dtype_is_float(tb_dtype_of(g, V(1))))
        return CAST(soft_targets(c, logs, axis, smoothing), t);
    p = read_classes(c, logs, V(1), 2, 4);
    r = nll(g, &p, INT(3));
    if (smoothing > 0) {
        tb_val n = tb_body_dim(g, SIZE(logs, axis), tb_dtype_of(g, r));

        r = ADD(MUL(r, K(r, 1 - smoothing)),
                MUL(even(c, &p), DIV(K(r, smoothing), n)));
    }
    return CAST(r, t);
}

#define TWO "(Tensor self, Tensor target, int reduction=Mean"
#define CLASSES "(Tensor self, Tensor target, Tensor? weight=None, int reduction=Mean, " \
                "SymInt ignore_index=-100"
#define FORWARD "(Tensor self, Tensor target, Tensor? weight, int reduction, " \
                "SymInt ignore_index) -> (Tensor output, Tensor total_weight)"
#define BACKWARD "(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, " \
                 "int reduction, SymInt ignore_index, Tensor total_weight) -> Tensor"

const tb_op tb_ops_loss[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"mse_loss" TWO ") -> Tensor", TB_ARITH, mse},
    {"l1_loss" TWO ") -> Tensor", TB_ARITH, l1},
    {"smooth_l1_loss" TWO ", float beta=1.0) -> Tensor", TB_ARITH, smooth_l1},
    {"huber_loss" TWO ", float delta=1.0) -> Tensor", TB_ARITH, huber},
    {"mse_loss_backward(Tensor grad_output, Tensor self, Tensor target, int reduction) "
     "-> Tensor",
     TB_KEEP, mse_backward},
    {"smooth_l1_loss_backward(Tensor grad_output, Tensor self, Tensor target, "
     "int reduction, float beta) -> Tensor",
     TB_KEEP, smooth_l1_backward},
    {"huber_loss_backward(Tensor grad_output, Tensor self, Tensor target, "
     "int reduction, float delta) -> Tensor",
     TB_KEEP, huber_backward},
    {"kl_div" TWO ", *, bool log_target=False) -> Tensor", TB_ARITH, kl_div},
    {"binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, "
     "int reduction=Mean) -> Tensor",
     TB_KEEP, bce},
    {"binary_cross_entropy_backward(Tensor grad_output, Tensor self, Tensor target, "
     "Tensor? weight=None, int reduction=Mean) -> Tensor",
     TB_KEEP, bce_backward},
    {"binary_cross_entropy_with_logits(Tensor self, Tensor target, "
     "Tensor? weight=None, Tensor? pos_weight=None, int reduction=Mean) -> Tensor",
     TB_KEEP, bce_with_logits},
    {"nll_loss" CLASSES ") -> Tensor", TB_KEEP, nll_loss},
    {"nll_loss2d" CLASSES ") -> Tensor", TB_KEEP, nll_loss},
    {"nll_loss_nd" CLASSES ") -> Tensor", TB_KEEP, nll_loss},
    {"nll_loss_forward" FORWARD, TB_KEEP, nll_loss_forward},
    {"nll_loss2d_forward" FORWARD, TB_KEEP, nll_loss_forward},
    {"nll_loss_backward" BACKWARD, TB_KEEP, nll_loss_backward},
    {"nll_loss2d_backward" BACKWARD, TB_KEEP, nll_loss_backward},
    {"cross_entropy_loss" CLASSES ", float label_smoothing=0.0) -> Tensor",
     TB_KEEP, cross_entropy},
    {0},
};

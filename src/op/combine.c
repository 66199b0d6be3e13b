/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * combine.c -- operators that PyTorch itself composes of others, but that exported graphs
 * may keep: differences, stacks by name, products of vectors, distances.
 */
#include "op/complex.h"

/* ---- stacks ---- */

static tb_val
at_least(tb_graph *g, tb_val x, int rank)
{
    if (RANK(x) == 0 && rank > 0)
        x = tb_unsqueeze(g, x, 0);
    if (RANK(x) == 1 && rank > 1)
        x = tb_unsqueeze(g, x, 0);
    if (RANK(x) == 2 && rank > 2)
        x = tb_unsqueeze(g, x, 2);
    return x;
}

static tb_val
at_least_1d(tb_opctx *c)
{
    return at_least(c->g, V(0), 1);
}

static tb_val
at_least_2d(tb_opctx *c)
{
    return at_least(c->g, V(0), 2);
}

static tb_val
at_least_3d(tb_opctx *c)
{
    return at_least(c->g, V(0), 3);
}

/* The tensors with at least `rank` axes, joined along the axis. */
static tb_val
join(tb_opctx *c, int rank, int axis)
{
    tb_graph *g = c->g;
    uint32_t n = tb_body_n(c, 0);
    tb_dtype t = tb_body_common(c, 1);
    tb_val *x = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1);

    if (!n)
        tb_body_raise(c, "expected at least one tensor");
    for (uint32_t i = 0; i < n; i++)
        x[i] = at_least(g, CAST(tb_body_at(c, 0, i)->v, t), rank);
    return tb_concat(g, x, n, RANK(x[0]) == 1 ? 0 : axis);
}

static tb_val
hstack(tb_opctx *c)
{
    return join(c, 1, 1);
}

static tb_val
vstack(tb_opctx *c)
{
    return join(c, 2, 0);
}

static tb_val
dstack(tb_opctx *c)
{
    return join(c, 3, 2);
}

/* Vectors become columns. */
static tb_val
column_stack(tb_opctx *c)
{
    tb_graph *g = c->g;
    uint32_t n = tb_body_n(c, 0);
    tb_dtype t = tb_body_common(c, 1);
    tb_val *x = TB_NEWN(&g->unit->cx->scratch, tb_val, n + 1);

    if (!n)
        tb_body_raise(c, "expected at least one tensor");
    for (uint32_t i = 0; i < n; i++) {
        x[i] = at_least(g, CAST(tb_body_at(c, 0, i)->v, t), 1);
        if (RANK(x[i]) == 1)
            x[i] = tb_unsqueeze(g, x[i], 1);
    }
    return tb_concat(g, x, n, 1);
}

static tb_val
fliplr(tb_opctx *c)
{
    return tb_flip(c->g, V(0), 2);
}

static tb_val
flipud(tb_opctx *c)
{
    return tb_flip(c->g, V(0), 1);
}

/* ---- differences ---- */

enum { MAX_TIMES = 256 };

/* (self, n, dim, prepend, append): n times x[1:] - x[:-1] */
static tb_val
diff(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0), part[3];
    int ax = tb_body_axis(c, 2, RANK(x));
    uint32_t n = 0;

    if (RANK(x) == 0)
        tb_body_raise(c, "expected at least one axis");
    if (INT(1) == 0)
        return x; /* as it is: nothing is put to its ends either */
    if (given(c, 3))
        part[n++] = V(3);
    part[n++] = x;
    if (given(c, 4))
        part[n++] = V(4);
    x = tb_concat(g, part, n, ax);
    if (INT(1) > MAX_TIMES)
        tb_body_lacks(c, "differences of order %lld", (long long)INT(1));
    for (int64_t i = INT(1); i > 0 && SIZE(x, ax) != 0; i--) {
        tb_dim m = tb_dim_sub(u, SIZE(x, ax), 1);
        tb_val a = tb_slice_axis(g, x, ax, 1, m, 1), b = tb_slice_axis(g, x, ax, 0, m, 1);

        x = tb_dtype_of(g, x) == TB_BOOL ? NE(a, b) : SUB(a, b);
    }
    return x;
}

/* ---- products of vectors along an axis ---- */

static tb_val
cross(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1), part[3];
    int ax;

    if (given(c, 2)) {
        ax = tb_body_axis(c, 2, RANK(x));
    } else { /* the first axis of size 3 */
        for (ax = 0; ax < RANK(x) && SIZE(x, ax) != 3;)
            ax++;
    }
    if (ax >= RANK(x) || SIZE(x, ax) != 3)
        tb_body_raise(c, "expected an axis of size 3");
    tb_broadcast(g, &x, &y);
#define PART(v, i) tb_slice_axis(g, v, ax, i, 1, 1)
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;

        part[i] = SUB(MUL(PART(x, j), PART(y, k)), MUL(PART(x, k), PART(y, j)));
    }
#undef PART
    return tb_concat(g, part, 3, ax);
}

static tb_val
vecdot(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val r = MUL(tb_cplx_conj(g, V(0)), V(1));
    int ax = tb_body_axis(c, 2, RANK(r));

    return tb_squeeze_axes(g, RSUM(r, 1u << ax), 1u << ax);
}

/* [a, b] and [c, d] -> [a * c, b * d]; the rank with fewer axes gets ones in front. */
static tb_val
kron(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 3);
    tb_val x = CAST(V(0), t), y = CAST(V(1), t);
    tb_dim a[TB_MAX_RANK], b[TB_MAX_RANK], d[TB_MAX_RANK];
    int rank = RANK(x) > RANK(y) ? RANK(x) : RANK(y);

    if (2 * rank > TB_MAX_RANK)
        tb_body_lacks(c, "tensors of rank %d", rank);
    while (RANK(x) < rank)
        x = tb_unsqueeze(g, x, 0);
    while (RANK(y) < rank)
        y = tb_unsqueeze(g, y, 0);
    for (int i = 0; i < rank; i++) {
        a[2 * i] = SIZE(x, i), a[2 * i + 1] = 1;
        b[2 * i] = 1, b[2 * i + 1] = SIZE(y, i);
        d[i] = tb_dim_mul(g->unit, SIZE(x, i), SIZE(y, i));
    }
    x = MUL(tb_reshape(g, x, 2 * rank, a), tb_reshape(g, y, 2 * rank, b));
    return tb_reshape(g, x, rank, d);
}

/* ---- distances ---- */

/* (sum |d|^p)^(1/p) over the last axis, which goes. */
static tb_val
length(tb_graph *g, tb_val d, double p)
{
    uint32_t last = 1u << (RANK(d) - 1);
    tb_val a = M1(abs, d), r;

    if (tb_is_complex(g, d))
        d = a;
    if (p == 2)
        r = SQRT(RSUM(MUL(d, d), last));
    else if (p == 1)
        r = RSUM(a, last);
    else if (p == 0)
        r = RSUM(CAST(NE(d, K(d, 0)), tb_dtype_of(g, d)), last);
    else if (isinf(p))
        r = RMAX(a, last);
    else
        r = POW(RSUM(POW(a, K(a, p)), last), K(a, 1 / p));
    return tb_squeeze_axes(g, r, last);
}

/* [b..., p, m] and [b..., r, m] -> [b..., p, r] */
static tb_val
cdist(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1);

    if (RANK(x) < 2 || RANK(y) < 2)
        tb_body_raise(c, "expected tensors of rank 2 or more");
    x = tb_unsqueeze(g, x, RANK(x) - 1);
    return length(g, SUB(x, tb_unsqueeze(g, y, RANK(y) - 2)), FLOAT(2));
}

/* (x1, x2, p, eps, keepdim) */
static tb_val
pairwise_distance(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val d = SUB(V(0), V(1)), r;

    if (RANK(d) == 0)
        tb_body_raise(c, "expected at least one axis");
    if (!tb_dtype_is_inexact(tb_dtype_of(g, d)))
        d = CAST(d, TB_F32);
    tb_val wide = tb_body_wide(g, ADD(d, K(d, FLOAT(3)))); /* powers of f16 do not fit */
    r = CAST(length(g, wide, FLOAT(2)), tb_dtype_of(g, d));
    return BOOL(4) ? tb_unsqueeze(g, r, RANK(r)) : r;
}

/* (x1, x2, dim, eps) */
static tb_val
cosine_similarity(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 3);
    tb_val x = tb_body_wide(g, CAST(V(0), t)), y = tb_body_wide(g, CAST(V(1), t)), n, m;
    uint32_t axis;

    tb_broadcast(g, &x, &y);
    axis = RANK(x) ? 1u << tb_body_axis(c, 2, RANK(x)) : 0;
    n = MAX(SQRT(RSUM(MUL(x, x), axis)), K(x, FLOAT(3)));
    m = MAX(SQRT(RSUM(MUL(y, y), axis)), K(x, FLOAT(3)));
    return CAST(tb_squeeze_axes(g, RSUM(MUL(DIV(x, n), DIV(y, m)), axis), axis), t);
}

/* ---- weight norm ---- */

/* Length of v over all axes but one (-1: over all), as [1, n, 1 ..]. */
static tb_val
length_but(tb_opctx *c, tb_val v, double p, int64_t dim)
{
    tb_graph *g = c->g;
    uint32_t axes = (1u << RANK(v)) - 1;
    tb_val a;

    if (dim != -1)
        axes &= ~(1u << tb_body_wrap_axis(c, dim, RANK(v)));
    if (p == 2)
        return SQRT(RSUM(MUL(v, v), axes));
    a = M1(abs, v);
    return p == 1 ? RSUM(a, axes) : POW(RSUM(POW(a, K(a, p)), axes), K(a, 1 / p));
}

/* (v, pow, dim) */
static tb_val
norm_except_dim(tb_opctx *c)
{
    tb_graph *g = c->g;

    tb_val n = length_but(c, tb_body_wide(g, V(0)), FLOAT(1), INT(2));

    if (INT(2) == -1)
        n = tb_reshape(g, n, 0, NULL);
    return CAST(n, tb_dtype_of(g, V(0)));
}

/* (v, g, dim) -> (v * g / |v|, |v|) */
static tb_val
weight_norm_interface(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val v = tb_body_wide(g, V(0)), n = length_but(c, v, 2, INT(2)), r;

    r = MUL(v, DIV(CAST(V(1), tb_dtype_of(g, v)), n));
    return tb_body_out2(c, CAST(r, tb_dtype_of(g, V(0))), CAST(n, tb_dtype_of(g, V(1))));
}

static tb_val
weight_norm(tb_opctx *c)
{
    weight_norm_interface(c);
    c->n_out = 0;
    return c->out[0];
}

/* ---- small ones ---- */

/* Matrices along a diagonal, zeros beside them. */
static tb_val
block_diag(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    uint32_t n = tb_body_n(c, 0);
    tb_dtype t = tb_body_common(c, 1);
    tb_val *x = TB_NEWN(&u->cx->scratch, tb_val, n + 1);
    tb_dim total = 0, before = 0, size;

    if (!n)
        tb_body_raise(c, "expected at least one tensor");
    for (uint32_t i = 0; i < n; i++) {
        x[i] = at_least(g, CAST(tb_body_at(c, 0, i)->v, t), 2);
        total = tb_dim_add(u, total, SIZE(x[i], 1));
    }
    for (uint32_t i = 0; i < n; i++) {
        size = SIZE(x[i], 1);
        x[i] = tb_body_pad_axis(g, x[i], 1, before,
                                tb_dim_sub(u, total, tb_dim_add(u, before, size)), 0);
        before = tb_dim_add(u, before, size);
    }
    return tb_concat(g, x, n, 0);
}

static tb_val
float_power(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_is_complex(tb_body_common(c, 3)) ? TB_C128 : TB_F64;

    return POW(tb_body_promoted(c, 0, t), tb_body_promoted(c, 1, t));
}

static tb_val
ldexp_of(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val e = V(1);

    if (tb_is_complex(g, e))
        t = tb_body_common(c, 3);
    else if (!tb_dtype_is_inexact(t))
        t = TB_F32;
    e = CAST(e, tb_dtype_is_complex(t) && !tb_is_complex(g, e) ? tb_dtype_part(t) : t);
    return MUL(CAST(V(0), t), CAST(POW(K(e, 2), e), t));
}

static tb_val
deg2rad(tb_opctx *c)
{
    tb_graph *g = c->g;

    return MUL(V(0), K(V(0), 0.017453292519943295769));
}

static tb_val
rad2deg(tb_opctx *c)
{
    tb_graph *g = c->g;

    return MUL(V(0), K(V(0), 57.295779513082320877));
}

/* x with axes summed away until it has the size. */
static tb_val
sum_to_size(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int n = (int)tb_body_n(c, 1), lead = RANK(x) - n;
    tb_dim d[TB_MAX_RANK];
    uint32_t axes = 0;

    if (lead < 0)
        tb_body_raise(c, "expected at most %d sizes, found %d", RANK(x), n);
    tb_body_dims(c, 1, n, d);
    for (int i = 0; i < RANK(x); i++)
        if (i < lead || (d[i - lead] == 1 && SIZE(x, i) != 1))
            axes |= 1u << i;
    if (axes || n == 0) /* PyTorch calls sum() then, which counts in 64 bits */
        x = RSUM(tb_dtype_is_inexact(tb_dtype_of(g, x)) ? x : CAST(x, TB_I64), axes);
    return tb_squeeze_axes(g, x, (1u << lead) - 1);
}

const tb_op tb_ops_combine[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"atleast_1d(Tensor self) -> Tensor",
     TB_KEEP, at_least_1d},
    {"atleast_2d(Tensor self) -> Tensor",
     TB_KEEP, at_least_2d},
    {"atleast_3d(Tensor self) -> Tensor",
     TB_KEEP, at_least_3d},
    {"hstack(Tensor[] tensors) -> Tensor",
     TB_KEEP, hstack},
    {"vstack(Tensor[] tensors) -> Tensor",
     TB_KEEP, vstack},
    {"row_stack(Tensor[] tensors) -> Tensor",
     TB_KEEP, vstack},
    {"dstack(Tensor[] tensors) -> Tensor",
     TB_KEEP, dstack},
    {"column_stack(Tensor[] tensors) -> Tensor",
     TB_KEEP, column_stack},
    {"fliplr(Tensor self) -> Tensor",
     TB_KEEP, fliplr},
    {"flipud(Tensor self) -> Tensor",
     TB_KEEP, flipud},
    {"diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? "
     "append=None) -> Tensor",
     TB_KEEP, diff},
    {"cross(Tensor self, Tensor other, int? dim=None) -> Tensor",
     TB_KEEP, cross},
    {"linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor",
     TB_KEEP, cross},
    {"linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor",
     TB_KEEP, vecdot},
    {"kron(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, kron},
    {"cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor",
     TB_KEEP, cdist},
    {"_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor",
     TB_KEEP, cdist},
    {"pairwise_distance(Tensor x1, Tensor x2, float p=2., float "
     "eps=9.9999999999999995e-07, bool keepdim=False) -> Tensor",
     TB_KEEP, pairwise_distance},
    {"cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
     TB_KEEP, cosine_similarity},
    {"float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
     TB_KEEP, float_power},
    {"float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
     TB_KEEP, float_power},
    {"float_power.Scalar(Scalar self, Tensor exponent) -> Tensor",
     TB_KEEP, float_power},
    {"ldexp.Tensor(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, ldexp_of},
    {"deg2rad(Tensor self) -> Tensor",
     TB_FLOATY, deg2rad},
    {"rad2deg(Tensor self) -> Tensor",
     TB_FLOATY, rad2deg},
    {"sum_to_size(Tensor self, SymInt[] size) -> Tensor",
     TB_KEEP, sum_to_size},
    {"_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor",
     TB_KEEP, weight_norm},
    {"_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)",
     TB_KEEP, weight_norm_interface},
    {"norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor",
     TB_KEEP, norm_except_dim},
    {"block_diag(Tensor[] tensors) -> Tensor",
     TB_KEEP, block_diag},
    {0},
};

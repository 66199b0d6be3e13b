/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* reduce_norm.c -- variances, norms of vectors and of matrices. */
#include "op/linalg.h"
#include "op/reduce.h"

/* ---- variance ---- */

/* |x|^2 */
static tb_val
squared(tb_graph *g, tb_val x)
{
    tb_cplx z;

    if (!tb_is_complex(g, x))
        return MUL(x, x);
    z = tb_cplx_parts(g, x);
    return ADD(MUL(z.re, z.re), MUL(z.im, z.im));
}

/* Two passes: around the mean first. `less` is what the count is reduced by. */
static tb_val
variance(tb_graph *g, tb_val x, uint32_t axes, double less, tb_val *mean_out)
{
    tb_val n = tb_body_dim(g, tb_body_count(g, x, axes), tb_dtype_of(g, x));
    tb_val m = tb_body_mean(g, x, axes);

    *mean_out = m;
    n = CAST(n, tb_dtype_part(tb_dtype_of(g, n)));
    return DIV(RSUM(squared(g, SUB(x, m)), axes), MAX(SUB(n, K(n, less)), K(n, 0)));
}

typedef struct spread {
    tb_val var, mean;
} spread;

/* unbiased or correction: one of them; TB_NO_ARG if the schema lacks it */
static spread
spread_of(tb_opctx *c, uint32_t dim, uint32_t unbiased, uint32_t correction,
          uint32_t keepdim, bool root)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));
    uint32_t axes = tb_reduce_axes(c, dim, x);
    double less = 1;
    spread s;

    if (!tb_reduce_is_float(g, x))
        tb_body_raise(c, "expected a float dtype");
    if (unbiased != TB_NO_ARG)
        less = BOOL(unbiased);
    else if (given(c, correction))
        less = FLOAT(correction);
    s.var = variance(g, x, axes, less, &s.mean);
    if (root)
        s.var = SQRT(s.var);
    s.var = CAST(tb_reduce_finish(c, s.var, axes, keepdim), tb_dtype_part(tb_dtype_of(g, V(0))));
    s.mean = CAST(tb_reduce_finish(c, s.mean, axes, keepdim), tb_dtype_of(g, V(0)));
    return s;
}

#define SPREAD(name, root, dim, unbiased, correction, keepdim)                           \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        return spread_of(c, dim, unbiased, correction, keepdim, root).var;               \
    }                                                                                    \
    static tb_val name##_mean(tb_opctx *c)                                               \
    {                                                                                    \
        spread s = spread_of(c, dim, unbiased, correction, keepdim, root);               \
                                                                                         \
        return tb_body_out2(c, s.var, s.mean);                                           \
    }
SPREAD(var, false, TB_NO_ARG, 1, TB_NO_ARG, TB_NO_ARG)
SPREAD(var_dim, false, 1, 2, TB_NO_ARG, 3)
SPREAD(var_correction, false, 1, TB_NO_ARG, 2, 3)
SPREAD(std, true, TB_NO_ARG, 1, TB_NO_ARG, TB_NO_ARG)
SPREAD(std_dim, true, 1, 2, TB_NO_ARG, 3)
SPREAD(std_correction, true, 1, TB_NO_ARG, 2, 3)

/* ---- norms ---- */

/* (sum |x|^p)^(1/p), with its limits */
static tb_val
norm_of(tb_graph *g, tb_val x, double p, uint32_t axes)
{
    if (p == 2)
        return SQRT(RSUM(squared(g, x), axes));
    x = ABS(x);
    if (p == 1)
        return RSUM(x, axes);
    if (isinf(p))
        return p > 0 ? RMAX(x, axes) : RMIN(x, axes);
    if (p == 0)
        return RSUM(CAST(NE(x, K(x, 0)), tb_dtype_of(g, x)), axes);
    return POW(RSUM(POW(x, K(x, p)), axes), K(x, 1 / p));
}

static tb_val
norm_over(tb_opctx *c, tb_val x, uint32_t p, uint32_t dim, uint32_t keepdim,
          uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, dtype, tb_reduce_float(g, x));
    uint32_t axes = tb_reduce_axes(c, dim, x);

    x = norm_of(g, tb_body_wide(g, CAST(x, t)), given(c, p) ? FLOAT(p) : 2, axes);
    return CAST(tb_reduce_finish(c, x, axes, keepdim), tb_dtype_part(t));
}

static tb_val
norm(tb_opctx *c)
{
    return norm_over(c, V(0), 1, TB_NO_ARG, TB_NO_ARG, TB_NO_ARG);
}

static tb_val
norm_dtype(tb_opctx *c)
{
    return norm_over(c, V(0), 1, TB_NO_ARG, TB_NO_ARG, 2);
}

static tb_val
norm_dim(tb_opctx *c)
{
    return norm_over(c, V(0), 1, 2, 3, 4);
}

/* Those of matrices over two axes: along the axis `row`, size 1 along the other. */
static tb_val
singular_values(tb_graph *g, tb_val x, int row, int col)
{
    int rank = RANK(x), last = rank - 1;
    tb_val s;

    x = tb_body_move(g, x, row, last);
    x = tb_body_move(g, x, col > row ? col - 1 : col, last);
    s = tb_unsqueeze(g, tb_mat_svd(g, x, false, false).s, last); /* [b..., k, 1] */
    s = tb_body_move(g, s, last, row < col ? col - 1 : col);
    return tb_body_move(g, s, last, row);
}

static void
needs_two_axes(tb_opctx *c, tb_val x, int row, int col)
{
    if (tb_rank(c->g, x) < 2 || row == col)
        tb_body_raise(c, "a norm of matrices needs two axes");
}

/* Of a matrix, over its axes: the largest (smallest, for a negative ord) sum of
 * magnitudes of a column (1) or a row (inf). */
static tb_val
matrix_norm(tb_opctx *c, tb_val x, double ord, int64_t a, int64_t b, uint32_t keepdim,
            uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, dtype, tb_reduce_float(g, x));
    int row = tb_body_wrap_axis(c, a, RANK(x)), col = tb_body_wrap_axis(c, b, RANK(x));
    uint32_t sum_axis, axes = 1u << row | 1u << col;
    tb_val r;

    needs_two_axes(c, x, row, col);
    if (fabs(ord) == 2) {
        r = singular_values(g, tb_body_wide(g, CAST(x, t)), row, col);
        r = ord > 0 ? MAX(RMAX(r, axes), K(r, 0)) : RMIN(r, axes); /* of none 0 */
        return CAST(tb_reduce_finish(c, r, axes, keepdim), tb_dtype_part(t));
    }
    if (fabs(ord) != 1 && !isinf(ord))
        tb_body_raise(c, "ord %g of a matrix", ord);
    sum_axis = 1u << (isinf(ord) ? col : row);
    r = RSUM(ABS(tb_body_wide(g, CAST(x, t))), sum_axis);
    r = ord > 0 ? MAX(RMAX(r, axes & ~sum_axis), K(r, 0)) : RMIN(r, axes & ~sum_axis);
    return CAST(tb_reduce_finish(c, r, axes, keepdim), tb_dtype_part(t));
}

/* (self, ord, dim, keepdim, dtype): of all elements without an ord or along one axis,
 * else of matrices. */
static tb_val
linalg_norm(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    uint32_t n = tb_body_n(c, 2);
    bool matrix = given(c, 1) && (n == 2 || (n == 0 && RANK(x) == 2));
    int64_t dim[2] = {0, 1};

    if (!matrix)
        return norm_over(c, x, 1, 2, 3, 4);
    if (n)
        tb_body_ints(c, 2, 2, dim);
    return matrix_norm(c, x, FLOAT(1), dim[0], dim[1], 3, 4);
}

static tb_val
linalg_matrix_norm(tb_opctx *c)
{
    int64_t dim[2];

    tb_body_ints(c, 2, 2, dim);
    return matrix_norm(c, V(0), FLOAT(1), dim[0], dim[1], 3, 4);
}

/* ord 'fro', or 'nuc': the sum of the singular values */
static tb_val
linalg_matrix_norm_named(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, 4, tb_reduce_float(g, V(0)));
    int64_t dim[2] = {-2, -1};
    int row, col;
    tb_val r;

    if (tb_body_is(c, 1, "fro"))
        return norm_over(c, V(0), TB_NO_ARG, 2, 3, 4);
    if (tb_body_n(c, 2))
        tb_body_ints(c, 2, 2, dim);
    row = tb_body_wrap_axis(c, dim[0], RANK(V(0)));
    col = tb_body_wrap_axis(c, dim[1], RANK(V(0)));
    needs_two_axes(c, V(0), row, col);
    r = singular_values(g, tb_body_wide(g, CAST(V(0), t)), row, col);
    r = RSUM(r, 1u << row | 1u << col);
    return CAST(tb_reduce_finish(c, r, 1u << row | 1u << col, 3), tb_dtype_part(t));
}

static tb_val
frobenius(tb_opctx *c)
{
    return norm_over(c, V(0), TB_NO_ARG, 1, 2, TB_NO_ARG);
}

static tb_val
dist(tb_opctx *c)
{
    tb_graph *g = c->g;

    return norm_over(c, SUB(V(0), V(1)), 2, TB_NO_ARG, TB_NO_ARG, TB_NO_ARG);
}

const tb_op tb_ops_reduce_norm[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"var(Tensor self, bool unbiased=True) -> Tensor",
     TB_KEEP, var},
    {"var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> "
     "Tensor",
     TB_KEEP, var_dim},
    {"var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool "
     "keepdim=False) -> Tensor",
     TB_KEEP, var_correction},
    {"var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
     TB_KEEP, var_mean},
    {"var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) "
     "-> (Tensor, Tensor)",
     TB_KEEP, var_dim_mean},
    {"var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, "
     "bool keepdim=False) -> (Tensor, Tensor)",
     TB_KEEP, var_correction_mean},
    {"std(Tensor self, bool unbiased=True) -> Tensor",
     TB_KEEP, std},
    {"std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> "
     "Tensor",
     TB_KEEP, std_dim},
    {"std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool "
     "keepdim=False) -> Tensor",
     TB_KEEP, std_correction},
    {"std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
     TB_KEEP, std_mean},
    {"std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) "
     "-> (Tensor, Tensor)",
     TB_KEEP, std_dim_mean},
    {"std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, "
     "bool keepdim=False) -> (Tensor, Tensor)",
     TB_KEEP, std_correction_mean},
    {"norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
     TB_KEEP, norm},
    {"norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
     TB_KEEP, norm_dtype},
    {"norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> "
     "Tensor",
     TB_KEEP, norm_dim},
    {"norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, "
     "ScalarType dtype) -> Tensor",
     TB_KEEP, norm_dim},
    {"linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool "
     "keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, norm_dim},
    {"frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
     TB_KEEP, frobenius},
    {"dist(Tensor self, Tensor other, Scalar p=2) -> Tensor",
     TB_KEEP, dist},
    {"linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, "
     "*, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, linalg_norm},
    {"linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, "
     "*, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, linalg_matrix_norm_named},
    {"linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool "
     "keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, linalg_matrix_norm},
    {"linalg_matrix_norm.str_ord(Tensor self, str ord=\"fro\", int[] dim=[-2, -1], "
     "bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, linalg_matrix_norm_named},
    {0},
};

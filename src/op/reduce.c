/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * reduce.c -- sums, means, extremes and norms over axes.
 *
 * Everywhere: `dim` missing or empty means all axes; without keepdim the reduced axes go.
 * A tensor of rank 0 counts as one with a single axis.
 */
#include "op/linalg.h"

enum { NO_ARG = 99 }; /* an argument that the schema lacks */


/* ---- axes ---- */

static uint32_t
all_axes(const tb_graph *g, tb_val x)
{
    return (1u << RANK(x)) - 1;
}

/* The axes in argument i as a mask; none for rank 0. */
static uint32_t
axes_of(tb_opctx *c, uint32_t i, tb_val x)
{
    tb_graph *g = c->g;
    uint32_t n = tb_body_n(c, i), axes = 0;
    int64_t dim[TB_MAX_RANK];

    if (n == 0)
        return all_axes(g, x);
    if (n > TB_MAX_RANK)
        tb_body_raise(c, "too many axes");
    tb_body_ints(c, i, (int)n, dim);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t bit = 1u << tb_body_wrap_axis(c, dim[k], RANK(x));

        if (axes & bit)
            tb_body_raise(c, "dim %lld appears twice", (long long)dim[k]);
        axes |= bit;
    }
    return axes & all_axes(g, x);
}

/* Drops reduced axes, which have size 1 now, unless argument i (keepdim) is true. */
static tb_val
finish(tb_opctx *c, tb_val r, uint32_t axes, uint32_t keepdim)
{
    return BOOL(keepdim) ? r : tb_squeeze_axes(c->g, r, axes);
}

static bool
is_float(const tb_graph *g, tb_val x)
{
    return tb_dtype_is_float(tb_dtype_of(g, x)) || tb_dtype_is_complex(tb_dtype_of(g, x));
}

/* The float dtype that PyTorch gives the result of such a function of x. */
static tb_dtype
float_dtype(const tb_graph *g, tb_val x)
{
    return is_float(g, x) ? tb_dtype_of(g, x) : TB_F32;
}

/* ---- sums and products ---- */

/* The dtype of a sum: as asked for, integers as i64. */
static tb_dtype
sum_dtype(tb_opctx *c, uint32_t i)
{
    tb_dtype t = tb_dtype_of(c->g, V(0));

    return tb_body_dtype(c, i, is_float(c->g, V(0)) ? t : TB_I64);
}

static tb_val
sum_over(tb_opctx *c, tb_val x, uint32_t dim, uint32_t keepdim, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = sum_dtype(c, dtype);
    uint32_t axes = axes_of(c, dim, x);

    x = RSUM(tb_body_wide(g, CAST(x, t)), axes);
    return CAST(finish(c, x, axes, keepdim), t);
}

static tb_val
sum(tb_opctx *c)
{
    return sum_over(c, V(0), NO_ARG, NO_ARG, 1);
}

static tb_val
sum_dim(tb_opctx *c)
{
    return sum_over(c, V(0), 1, 2, 3);
}

static tb_val
nansum(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    return sum_over(c, is_float(g, x) ? WHERE(NE(x, x), K(x, 0), x) : x, 1, 2, 3);
}

static tb_val
mean_over(tb_opctx *c, uint32_t dim, uint32_t keepdim, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, dtype, tb_dtype_of(g, V(0)));
    tb_val x = tb_body_wide(g, CAST(V(0), t));
    uint32_t axes = axes_of(c, dim, x);

    if (!is_float(g, x))
        tb_body_raise(c, "expected a float dtype, found %s", tb_dtype_name(t));
    return CAST(finish(c, tb_body_mean(g, x, axes), axes, keepdim), t);
}

static tb_val
mean(tb_opctx *c)
{
    return mean_over(c, NO_ARG, NO_ARG, 1);
}

static tb_val
mean_dim(tb_opctx *c)
{
    return mean_over(c, 1, 2, 3);
}

/* The mean of what is not NaN. */
static tb_val
nanmean(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, 3, tb_dtype_of(g, V(0)));
    tb_val x = tb_body_wide(g, CAST(V(0), t)), is_number = EQ(x, x);
    uint32_t axes = axes_of(c, 1, x);

    if (!tb_dtype_is_float(t))
        tb_body_raise(c, "expected a float dtype, found %s", tb_dtype_name(t));
    x = DIV(RSUM(WHERE(is_number, x, K(x, 0)), axes),
            RSUM(CAST(is_number, tb_dtype_of(g, x)), axes));
    return CAST(finish(c, x, axes, 2), t);
}

static tb_val
prod_over(tb_opctx *c, uint32_t dim, uint32_t keepdim, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = sum_dtype(c, dtype);
    tb_val x = tb_body_wide(g, CAST(V(0), t));
    uint32_t axes = axes_of(c, dim, x);

    return CAST(finish(c, tb_reduce(g, TB_P_rprod, x, axes), axes, keepdim), t);
}

static tb_val
prod(tb_opctx *c)
{
    return prod_over(c, NO_ARG, NO_ARG, 1);
}

static tb_val
prod_dim(tb_opctx *c)
{
    return prod_over(c, 1, 2, 3);
}

static tb_val
count_nonzero(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = CAST(CAST(V(0), TB_BOOL), TB_I64);
    uint32_t axes = axes_of(c, 1, x);

    return tb_squeeze_axes(g, RSUM(x, axes), axes);
}

/* (self, dim, keepdim, mode): all elements, as 64 bits, in an exclusive or: the parity of
 * each bit. Floats count as the bits of a double. */
static tb_val
hash_tensor(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), bits;
    uint32_t axes = axes_of(c, 1, x);
    int rank = RANK(x);

    if (INT(3) != 0)
        tb_body_raise(c, "expected mode 0 (exclusive or)");
    if (tb_dtype_is_complex(tb_dtype_of(g, x)))
        tb_body_lacks(c, "complex numbers");
    if (tb_dtype_is_float(tb_dtype_of(g, x)))
        x = tb_bitcast(g, CAST(x, TB_F64), TB_I64);
    x = tb_unsqueeze(g, CAST(x, TB_I64), rank);
    bits = tb_body_count_up(g, 64, rank + 1, rank);
    x = tb_body_map2(g, TB_P_shr, x, bits);
    x = RSUM(AND(x, K(x, 1)), axes);
    x = RSUM(tb_body_map2(g, TB_P_shl, AND(x, K(x, 1)), bits), 1u << rank);
    x = tb_squeeze_axes(g, x, 1u << rank);
    return tb_bitcast(g, finish(c, x, axes, 2), TB_U64);
}

static tb_val
trace(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = CAST(V(0), sum_dtype(c, NO_ARG)), row, col;

    if (RANK(x) != 2)
        tb_body_raise(c, "expected a matrix, found rank %d", RANK(x));
    row = tb_body_count_up(g, SIZE(x, 0), 2, 0);
    col = tb_body_count_up(g, SIZE(x, 1), 2, 1);
    x = WHERE(EQ(row, col), tb_body_wide(g, x), K(tb_body_wide(g, x), 0));
    return CAST(tb_squeeze_axes(g, RSUM(x, 3), 3), sum_dtype(c, NO_ARG));
}

/* ---- extremes ---- */

static tb_val
extreme(tb_opctx *c, tb_prim fold, uint32_t dim, uint32_t keepdim)
{
    tb_val x = V(0);
    uint32_t axes = axes_of(c, dim, x);

    return finish(c, tb_reduce(c->g, fold, x, axes), axes, keepdim);
}

static tb_val
amax(tb_opctx *c)
{
    return extreme(c, TB_P_rmax, 1, 2);
}

static tb_val
amin(tb_opctx *c)
{
    return extreme(c, TB_P_rmin, 1, 2);
}

static tb_val
max_all(tb_opctx *c)
{
    return extreme(c, TB_P_rmax, NO_ARG, NO_ARG);
}

static tb_val
min_all(tb_opctx *c)
{
    return extreme(c, TB_P_rmin, NO_ARG, NO_ARG);
}

static tb_val
aminmax(tb_opctx *c)
{
    return tb_body_out2(c, extreme(c, TB_P_rmin, 1, 2), extreme(c, TB_P_rmax, 1, 2));
}

/* Where along the axis; bools count as integers. */
static tb_val
arg_extreme(tb_opctx *c, tb_prim fold, tb_val x, uint32_t dim, uint32_t keepdim)
{
    tb_graph *g = c->g;
    int ax;

    if (tb_dtype_of(g, x) == TB_BOOL)
        x = CAST(x, TB_U8);
    if (RANK(x) == 0)
        return tb_full_i(g, TB_I64, 0, NULL, 0);
    if (given(c, dim)) {
        ax = tb_body_axis(c, dim, RANK(x));
        return finish(c, tb_reduce(g, fold, x, 1u << ax), 1u << ax, keepdim);
    }
    ax = RANK(x);
    x = tb_body_flat(g, x);
    x = tb_reduce(g, fold, x, 1);
    for (int i = 0; BOOL(keepdim) && i < ax - 1; i++)
        x = tb_unsqueeze(g, x, 0);
    return finish(c, x, 1, keepdim);
}

static tb_val
argmax(tb_opctx *c)
{
    return arg_extreme(c, TB_P_argmax, V(0), 1, 2);
}

static tb_val
argmin(tb_opctx *c)
{
    return arg_extreme(c, TB_P_argmin, V(0), 1, 2);
}

static tb_val
max_dim(tb_opctx *c)
{
    return tb_body_out2(c, extreme(c, TB_P_rmax, 1, 2),
                        arg_extreme(c, TB_P_argmax, V(0), 1, 2));
}

static tb_val
min_dim(tb_opctx *c)
{
    return tb_body_out2(c, extreme(c, TB_P_rmin, 1, 2),
                        arg_extreme(c, TB_P_argmin, V(0), 1, 2));
}

/* ---- truth: a bool, but u8 for u8 ---- */

static tb_val
truth(tb_opctx *c, tb_prim fold, uint32_t dim, uint32_t keepdim)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    tb_dtype t = tb_dtype_of(g, x) == TB_U8 ? TB_U8 : TB_BOOL;
    uint32_t axes = 0;

    /* an empty list, other than none, reduces nothing here */
    if (!given(c, dim) || tb_body_n(c, dim))
        axes = axes_of(c, dim, x);
    return CAST(finish(c, tb_reduce(g, fold, CAST(x, TB_BOOL), axes), axes, keepdim), t);
}

static tb_val
any(tb_opctx *c)
{
    return truth(c, TB_P_rany, NO_ARG, NO_ARG);
}

static tb_val
any_dim(tb_opctx *c)
{
    return truth(c, TB_P_rany, 1, 2);
}

static tb_val
all(tb_opctx *c)
{
    return truth(c, TB_P_rall, NO_ARG, NO_ARG);
}

static tb_val
all_dim(tb_opctx *c)
{
    return truth(c, TB_P_rall, 1, 2);
}

static tb_val
equal(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val r = EQ(V(0), V(1));
    uint32_t axes = all_axes(g, r);

    return tb_squeeze_axes(g, tb_reduce(g, TB_P_rall, r, axes), axes);
}

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

/* unbiased or correction: one of them; NO_ARG if the schema lacks it */
static spread
spread_of(tb_opctx *c, uint32_t dim, uint32_t unbiased, uint32_t correction,
          uint32_t keepdim, bool root)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));
    uint32_t axes = axes_of(c, dim, x);
    double less = 1;
    spread s;

    if (!is_float(g, x))
        tb_body_raise(c, "expected a float dtype");
    if (unbiased != NO_ARG)
        less = BOOL(unbiased);
    else if (given(c, correction))
        less = FLOAT(correction);
    s.var = variance(g, x, axes, less, &s.mean);
    if (root)
        s.var = SQRT(s.var);
    s.var = CAST(finish(c, s.var, axes, keepdim), tb_dtype_part(tb_dtype_of(g, V(0))));
    s.mean = CAST(finish(c, s.mean, axes, keepdim), tb_dtype_of(g, V(0)));
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
SPREAD(var, false, NO_ARG, 1, NO_ARG, NO_ARG)
SPREAD(var_dim, false, 1, 2, NO_ARG, 3)
SPREAD(var_correction, false, 1, NO_ARG, 2, 3)
SPREAD(std, true, NO_ARG, 1, NO_ARG, NO_ARG)
SPREAD(std_dim, true, 1, 2, NO_ARG, 3)
SPREAD(std_correction, true, 1, NO_ARG, 2, 3)

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
    tb_dtype t = tb_body_dtype(c, dtype, float_dtype(g, x));
    uint32_t axes = axes_of(c, dim, x);

    x = norm_of(g, tb_body_wide(g, CAST(x, t)), given(c, p) ? FLOAT(p) : 2, axes);
    return CAST(finish(c, x, axes, keepdim), tb_dtype_part(t));
}

static tb_val
norm(tb_opctx *c)
{
    return norm_over(c, V(0), 1, NO_ARG, NO_ARG, NO_ARG);
}

static tb_val
norm_dtype(tb_opctx *c)
{
    return norm_over(c, V(0), 1, NO_ARG, NO_ARG, 2);
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
    tb_dtype t = tb_body_dtype(c, dtype, float_dtype(g, x));
    int row = tb_body_wrap_axis(c, a, RANK(x)), col = tb_body_wrap_axis(c, b, RANK(x));
    uint32_t sum_axis, axes = 1u << row | 1u << col;
    tb_val r;

    needs_two_axes(c, x, row, col);
    if (fabs(ord) == 2) {
        r = singular_values(g, tb_body_wide(g, CAST(x, t)), row, col);
        r = ord > 0 ? MAX(RMAX(r, axes), K(r, 0)) : RMIN(r, axes); /* of none 0 */
        return CAST(finish(c, r, axes, keepdim), tb_dtype_part(t));
    }
    if (fabs(ord) != 1 && !isinf(ord))
        tb_body_raise(c, "ord %g of a matrix", ord);
    sum_axis = 1u << (isinf(ord) ? col : row);
    r = RSUM(ABS(tb_body_wide(g, CAST(x, t))), sum_axis);
    r = ord > 0 ? MAX(RMAX(r, axes & ~sum_axis), K(r, 0)) : RMIN(r, axes & ~sum_axis);
    return CAST(finish(c, r, axes, keepdim), tb_dtype_part(t));
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
    tb_dtype t = tb_body_dtype(c, 4, float_dtype(g, V(0)));
    int64_t dim[2] = {-2, -1};
    int row, col;
    tb_val r;

    if (tb_body_is(c, 1, "fro"))
        return norm_over(c, V(0), NO_ARG, 2, 3, 4);
    if (tb_body_n(c, 2))
        tb_body_ints(c, 2, 2, dim);
    row = tb_body_wrap_axis(c, dim[0], RANK(V(0)));
    col = tb_body_wrap_axis(c, dim[1], RANK(V(0)));
    needs_two_axes(c, V(0), row, col);
    r = singular_values(g, tb_body_wide(g, CAST(V(0), t)), row, col);
    r = RSUM(r, 1u << row | 1u << col);
    return CAST(finish(c, r, 1u << row | 1u << col, 3), tb_dtype_part(t));
}

static tb_val
frobenius(tb_opctx *c)
{
    return norm_over(c, V(0), NO_ARG, 1, 2, NO_ARG);
}

static tb_val
dist(tb_opctx *c)
{
    tb_graph *g = c->g;

    return norm_over(c, SUB(V(0), V(1)), 2, NO_ARG, NO_ARG, NO_ARG);
}

const tb_op tb_ops_reduce[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, sum},
    {"sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? "
     "dtype=None) -> Tensor",
     TB_KEEP, sum_dim},
    {"nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? "
     "dtype=None) -> Tensor",
     TB_KEEP, nansum},
    {"mean(Tensor self, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, mean},
    {"mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? "
     "dtype=None) -> Tensor",
     TB_KEEP, mean_dim},
    {"prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
     TB_KEEP, prod},
    {"prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? "
     "dtype=None) -> Tensor",
     TB_KEEP, prod_dim},
    {"count_nonzero(Tensor self, int? dim=None) -> Tensor",
     TB_KEEP, count_nonzero},
    {"count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor",
     TB_KEEP, count_nonzero},
    {"hash_tensor(Tensor self, int[1] dim=[], *, bool keepdim=False, int mode=0) -> Tensor",
     TB_KEEP, hash_tensor},
    {"trace(Tensor self) -> Tensor",
     TB_KEEP, trace},
    {"amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
     TB_KEEP, amax},
    {"amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
     TB_KEEP, amin},
    {"aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, "
     "Tensor max)",
     TB_KEEP, aminmax},
    {"max(Tensor self) -> Tensor",
     TB_KEEP, max_all},
    {"min(Tensor self) -> Tensor",
     TB_KEEP, min_all},
    {"max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor "
     "indices)",
     TB_KEEP, max_dim},
    {"min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor "
     "indices)",
     TB_KEEP, min_dim},
    {"argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
     TB_KEEP, argmax},
    {"argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
     TB_KEEP, argmin},
    {"any(Tensor self) -> Tensor",
     TB_KEEP, any},
    {"any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
     TB_KEEP, any_dim},
    {"any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
     TB_KEEP, any_dim},
    {"all(Tensor self) -> Tensor",
     TB_KEEP, all},
    {"all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
     TB_KEEP, all_dim},
    {"all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
     TB_KEEP, all_dim},
    {"equal(Tensor self, Tensor other) -> bool",
     TB_ARITH, equal},
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
    {"nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? "
     "dtype=None) -> Tensor",
     TB_KEEP, nanmean},
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
    {"_is_all_true(Tensor self) -> Tensor",
     TB_KEEP, all},
    {"_is_any_true(Tensor self) -> Tensor",
     TB_KEEP, any},
    {0},
};

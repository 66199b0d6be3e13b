/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * reduce.c -- sums, means, extremes and truth over axes, and what all reductions share.
 */
#include "op/reduce.h"

/* ---- axes ---- */

static uint32_t
all_axes(const tb_graph *g, tb_val x)
{
    return (1u << RANK(x)) - 1;
}

uint32_t
tb_reduce_axes(tb_opctx *c, uint32_t i, tb_val x)
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

tb_val
tb_reduce_finish(tb_opctx *c, tb_val r, uint32_t axes, uint32_t keepdim)
{
    return BOOL(keepdim) ? r : tb_squeeze_axes(c->g, r, axes);
}

bool
tb_reduce_is_float(const tb_graph *g, tb_val x)
{
    return tb_dtype_is_inexact(tb_dtype_of(g, x));
}

tb_dtype
tb_reduce_float(const tb_graph *g, tb_val x)
{
    return tb_reduce_is_float(g, x) ? tb_dtype_of(g, x) : TB_F32;
}

/* ---- sums and products ---- */

/* The dtype of a sum: as asked for, integers as i64. */
static tb_dtype
sum_dtype(tb_opctx *c, uint32_t i)
{
    tb_dtype t = tb_dtype_of(c->g, V(0));

    return tb_body_dtype(c, i, tb_reduce_is_float(c->g, V(0)) ? t : TB_I64);
}

static tb_val
sum_over(tb_opctx *c, tb_val x, uint32_t dim, uint32_t keepdim, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = sum_dtype(c, dtype);
    uint32_t axes = tb_reduce_axes(c, dim, x);

    x = RSUM(tb_body_wide(g, CAST(x, t)), axes);
    return CAST(tb_reduce_finish(c, x, axes, keepdim), t);
}

static tb_val
sum(tb_opctx *c)
{
    return sum_over(c, V(0), TB_NO_ARG, TB_NO_ARG, 1);
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

    return sum_over(c, tb_reduce_is_float(g, x) ? WHERE(NE(x, x), K(x, 0), x) : x, 1, 2, 3);
}

static tb_val
mean_over(tb_opctx *c, uint32_t dim, uint32_t keepdim, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, dtype, tb_dtype_of(g, V(0)));
    tb_val x = tb_body_wide(g, CAST(V(0), t));
    uint32_t axes = tb_reduce_axes(c, dim, x);

    if (!tb_reduce_is_float(g, x))
        tb_body_raise(c, "expected a float dtype, found %s", tb_dtype_name(t));
    return CAST(tb_reduce_finish(c, tb_body_mean(g, x, axes), axes, keepdim), t);
}

static tb_val
mean(tb_opctx *c)
{
    return mean_over(c, TB_NO_ARG, TB_NO_ARG, 1);
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
    uint32_t axes = tb_reduce_axes(c, 1, x);

    if (!tb_dtype_is_float(t))
        tb_body_raise(c, "expected a float dtype, found %s", tb_dtype_name(t));
    x = DIV(RSUM(WHERE(is_number, x, K(x, 0)), axes),
            RSUM(CAST(is_number, tb_dtype_of(g, x)), axes));
    return CAST(tb_reduce_finish(c, x, axes, 2), t);
}

static tb_val
prod_over(tb_opctx *c, uint32_t dim, uint32_t keepdim, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = sum_dtype(c, dtype);
    tb_val x = tb_body_wide(g, CAST(V(0), t));
    uint32_t axes = tb_reduce_axes(c, dim, x);

    return CAST(tb_reduce_finish(c, tb_reduce(g, TB_P_rprod, x, axes), axes, keepdim), t);
}

static tb_val
prod(tb_opctx *c)
{
    return prod_over(c, TB_NO_ARG, TB_NO_ARG, 1);
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
    uint32_t axes = tb_reduce_axes(c, 1, x);

    return tb_squeeze_axes(g, RSUM(x, axes), axes);
}

/* (self, dim, keepdim, mode): all elements, as 64 bits, in an exclusive or: the parity of
 * each bit. Floats count as the bits of a double. */
static tb_val
hash_tensor(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), bits;
    uint32_t axes = tb_reduce_axes(c, 1, x);
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
    return tb_bitcast(g, tb_reduce_finish(c, x, axes, 2), TB_U64);
}

static tb_val
trace(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = CAST(V(0), sum_dtype(c, TB_NO_ARG)), row, col;

    if (RANK(x) != 2)
        tb_body_raise(c, "expected a matrix, found rank %d", RANK(x));
    row = tb_body_count_up(g, SIZE(x, 0), 2, 0);
    col = tb_body_count_up(g, SIZE(x, 1), 2, 1);
    x = WHERE(EQ(row, col), tb_body_wide(g, x), K(tb_body_wide(g, x), 0));
    return CAST(tb_squeeze_axes(g, RSUM(x, 3), 3), sum_dtype(c, TB_NO_ARG));
}

/* ---- extremes ---- */

static tb_val
extreme(tb_opctx *c, tb_prim fold, uint32_t dim, uint32_t keepdim)
{
    tb_val x = V(0);
    uint32_t axes = tb_reduce_axes(c, dim, x);

    return tb_reduce_finish(c, tb_reduce(c->g, fold, x, axes), axes, keepdim);
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
    return extreme(c, TB_P_rmax, TB_NO_ARG, TB_NO_ARG);
}

static tb_val
min_all(tb_opctx *c)
{
    return extreme(c, TB_P_rmin, TB_NO_ARG, TB_NO_ARG);
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
        return tb_reduce_finish(c, tb_reduce(g, fold, x, 1u << ax), 1u << ax, keepdim);
    }
    ax = RANK(x);
    x = tb_body_flat(g, x);
    x = tb_reduce(g, fold, x, 1);
    for (int i = 0; BOOL(keepdim) && i < ax - 1; i++)
        x = tb_unsqueeze(g, x, 0);
    return tb_reduce_finish(c, x, 1, keepdim);
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
        axes = tb_reduce_axes(c, dim, x);
    return CAST(tb_reduce_finish(c, tb_reduce(g, fold, CAST(x, TB_BOOL), axes), axes, keepdim), t);
}

static tb_val
any(tb_opctx *c)
{
    return truth(c, TB_P_rany, TB_NO_ARG, TB_NO_ARG);
}

static tb_val
any_dim(tb_opctx *c)
{
    return truth(c, TB_P_rany, 1, 2);
}

static tb_val
all(tb_opctx *c)
{
    return truth(c, TB_P_rall, TB_NO_ARG, TB_NO_ARG);
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
    {"nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? "
     "dtype=None) -> Tensor",
     TB_KEEP, nanmean},
    {"_is_all_true(Tensor self) -> Tensor",
     TB_KEEP, all},
    {"_is_any_true(Tensor self) -> Tensor",
     TB_KEEP, any},
    {0},
};

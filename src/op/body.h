/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * body.h -- short words for operator bodies: reading arguments, and arithmetic that
 * broadcasts. Every body has `tb_opctx *c` and, for the capitals, `tb_graph *g = c->g`.
 */
#pragma once
#include <math.h>

#include "op/op.h"

/* ---- arithmetic ---- */

#define M1(op, a) tb_body_map1(g, TB_P_##op, a)
#define ADD(a, b) tb_body_map2(g, TB_P_add, a, b)
#define SUB(a, b) tb_body_map2(g, TB_P_sub, a, b)
#define MUL(a, b) tb_body_map2(g, TB_P_mul, a, b)
#define DIV(a, b) tb_body_map2(g, TB_P_div, a, b)
#define REM(a, b) tb_body_map2(g, TB_P_rem, a, b)
#define MAX(a, b) tb_body_map2(g, TB_P_max, a, b)
#define MIN(a, b) tb_body_map2(g, TB_P_min, a, b)
#define COPYSIGN(a, b) tb_body_map2(g, TB_P_copysign, a, b)
#define POW(a, b) tb_body_map2(g, TB_P_pow, a, b)
#define AND(a, b) tb_body_map2(g, TB_P_and, a, b)
#define OR(a, b) tb_body_map2(g, TB_P_or, a, b)
#define EQ(a, b) tb_body_map2(g, TB_P_eq, a, b)
#define NE(a, b) tb_body_map2(g, TB_P_ne, a, b)
#define LT(a, b) tb_body_map2(g, TB_P_lt, a, b)
#define LE(a, b) tb_body_map2(g, TB_P_le, a, b)
#define WHERE(p, a, b) tb_body_where(g, p, a, b)
#define NOT(a) M1(not, a)
#define NEG(a) M1(neg, a)
#define ABS(a) M1(abs, a)
#define SIN(a) M1(sin, a)
#define COS(a) M1(cos, a)
#define LOG1P(a) M1(log1p, a)
#define EXP(a) M1(exp, a)
#define LOG(a) M1(log, a)
#define SQRT(a) M1(sqrt, a)
#define FLOOR(a) M1(floor, a)
#define CAST(a, t) tb_cast(g, a, t)
/* A number of x's dtype, and of any dtype; they broadcast. */
#define K(x, v) tb_body_number(g, tb_dtype_of(g, x), v)
#define I64(v) tb_full_i(g, TB_I64, 0, NULL, v)
#define RSUM(x, axes) tb_reduce(g, TB_P_rsum, x, axes)
#define RMIN(x, axes) tb_reduce(g, TB_P_rmin, x, axes)
#define RMAX(x, axes) tb_reduce(g, TB_P_rmax, x, axes)
/* Reciprocal square root, as PyTorch computes it. */
#define RSQRT(a) tb_body_rsqrt(g, a)

/* The body of a function of x: half types in f32, rounded once. */
#define UNARY_WIDE(name, expr)                                                           \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        tb_graph *g = c->g;                                                              \
        tb_val x = tb_body_wide(g, V(0));                                                \
                                                                                         \
        return CAST(expr, tb_dtype_of(g, V(0)));                                         \
    }

/* Functions of complex numbers are spelled by real ones (complex.c). */
tb_val tb_body_map1(tb_graph *g, tb_prim p, tb_val a);
tb_val tb_body_map2(tb_graph *g, tb_prim p, tb_val a, tb_val b);
tb_val tb_body_where(tb_graph *g, tb_val p, tb_val a, tb_val b);
tb_val tb_body_number(tb_graph *g, tb_dtype t, double v);
/* re + im i; its real part if t is not complex. */
tb_val tb_body_complex(tb_graph *g, tb_dtype t, double re, double im);
tb_val tb_body_rsqrt(tb_graph *g, tb_val a);
/* Half types as f32, everything else as it is: bodies of several steps compute in f32 and
 * round once. */
tb_val tb_body_wide(tb_graph *g, tb_val x);
/* Sum over the axes divided by their number of elements. */
tb_val tb_body_mean(tb_graph *g, tb_val x, uint32_t axes);
/* Product of the sizes of the axes. */
tb_dim tb_body_count(tb_graph *g, tb_val x, uint32_t axes);
/* All elements along one axis. */
tb_val tb_body_flat(tb_graph *g, tb_val x);
/* Whether x, of BOOL, holds everywhere, anywhere: rank 0, as asserts and loops want it. */
tb_val tb_body_all(tb_graph *g, tb_val x);
tb_val tb_body_any(tb_graph *g, tb_val x);
/* An integer known when a call starts, as a rank 0 tensor of dtype t. */
tb_val tb_body_dim(tb_graph *g, tb_dim d, tb_dtype t);
/* n, an I64 of rank 0 that is not negative, as a size of at most `max`: a symbol that gets
 * its value when n is computed. */
tb_dim tb_body_count_item(tb_graph *g, tb_val n, tb_dim max);

/* ---- shape ---- */

#define SIZE(x, axis) (tb_dims(g, x)[axis])
#define RANK(x) tb_rank(g, x)
/* Moves one axis. */
tb_val tb_body_move(tb_graph *g, tb_val x, int from, int to);
/* x [n] as [1, n, 1, 1] of the given rank. */
tb_val tb_body_on_axis(tb_graph *g, tb_val x, int rank, int axis);
/* 0, 1, 2 ... as I64 [n] along one axis of a rank `rank` tensor, sizes 1 elsewhere. */
tb_val tb_body_count_up(tb_graph *g, tb_dim n, int rank, int axis);
/* Puts `step` - 1 zeros between neighbours along the axis. */
tb_val tb_body_dilate(tb_graph *g, tb_val x, int axis, int64_t step);
/* Pads one axis; negative amounts (constants) cut off. */
tb_val tb_body_pad_axis(tb_graph *g, tb_val x, int axis, tb_dim lo, tb_dim hi,
                        double value);
/* The same with amounts of which nobody knows the sign. */
tb_val tb_body_fit_axis(tb_graph *g, tb_val x, int axis, tb_dim lo, tb_dim hi,
                        double value);
/* An index or place along an axis that may count from the end, as one that does not. */
tb_dim tb_body_wrap_dim(tb_opctx *c, tb_dim at, tb_dim size);
/* The elements that arguments `start` and `end` (either may be None) of a Python slice
 * mean on an axis of that size: the first, and how many. */
void tb_body_slice_range(tb_opctx *c, tb_dim size, uint32_t start, uint32_t end,
                         int64_t step, tb_dim *first, tb_dim *count);
/* Indices that may count from the end, made I64 and not negative. */
tb_val tb_body_wrap(tb_graph *g, tb_val index, tb_dim size);
/* x's elements along the axis at index, whose other axes broadcast with x's
 * (torch.take_along_dim); indices must not be negative. */
tb_val tb_body_take_along(tb_graph *g, tb_val x, int axis, tb_val index);
/* x at index [n] along the axis; indices must not be negative. */
tb_val tb_body_select(tb_graph *g, tb_val x, int axis, tb_val index);

/* ---- arguments ---- */

TB_NORETURN void tb_body_raise(tb_opctx *c, const char *fmt, ...) TB_PRINTF(2, 3);
/* What we lack: the same with TB_UNSUPPORTED. */
TB_NORETURN void tb_body_lacks(tb_opctx *c, const char *fmt, ...) TB_PRINTF(2, 3);

static inline bool
given(const tb_opctx *c, uint32_t i)
{
    return i < c->n_args && c->arg[i].kind != TB_ARG_NONE;
}
/* The tensor, or TB_NO_VAL for None. A number becomes a tensor of rank 0. */
tb_val tb_body_val(tb_opctx *c, uint32_t i);
int64_t tb_body_int(tb_opctx *c, uint32_t i); /* a constant */
tb_dim tb_body_dim_arg(tb_opctx *c, uint32_t i);
double tb_body_float(tb_opctx *c, uint32_t i);
bool tb_body_bool(tb_opctx *c, uint32_t i);
tb_dtype tb_body_dtype(tb_opctx *c, uint32_t i, tb_dtype if_none);
bool tb_body_is(tb_opctx *c, uint32_t i, const char *text);
/* An argument `int dim` for a tensor of that rank: 0 .. rank-1 (rank 0 counts as 1). */
int tb_body_axis(tb_opctx *c, uint32_t i, int rank);
int tb_body_wrap_axis(tb_opctx *c, int64_t axis, int rank);
/* Scalars as rank 0 tensors of dtype t. */
tb_val tb_body_scalar(tb_opctx *c, uint32_t i, tb_dtype t);
/* The dtype that torch.result_type gives for the arguments whose bit is set (promote.c),
 * and an argument, tensor or number, as a tensor of a dtype: for rows with TB_KEEP. */
tb_dtype tb_body_common(tb_opctx *c, uint64_t mask);
tb_val tb_body_promoted(tb_opctx *c, uint32_t i, tb_dtype t);
/* Elements of a list; a number counts as a list of one. */
uint32_t tb_body_n(tb_opctx *c, uint32_t i);
const tb_arg *tb_body_at(tb_opctx *c, uint32_t i, uint32_t k);
/* Exactly n: a list of n, or one number for all. Constants, and sizes. */
void tb_body_ints(tb_opctx *c, uint32_t i, int n, int64_t *out);
void tb_body_dims(tb_opctx *c, uint32_t i, int n, tb_dim *out);
/* ---- random numbers ---- */

/* x / (1 - p) where *keep, else 0; *keep has probability 1 - p. */
tb_val tb_body_drop(tb_graph *g, tb_val x, double p, tb_val *keep);

/* ---- loops ---- */

/* While cond(values): values = step(values). Both build a graph of their own over its inputs
 * `v`; step puts the new values into `v`, of the same types. `v` ends as the last values;
 * nothing else of g may be used inside. */
void tb_body_while(tb_graph *g, tb_val *v, uint32_t n,
                   tb_val (*cond)(tb_graph *g, const tb_val *v, void *user),
                   void (*step)(tb_graph *g, tb_val *v, void *user), void *user);

/* Hands back several results. */
tb_val tb_body_out2(tb_opctx *c, tb_val a, tb_val b);
tb_val tb_body_out3(tb_opctx *c, tb_val a, tb_val b, tb_val d);

#define V(i) tb_body_val(c, i)
#define INT(i) tb_body_int(c, i)
#define DIM(i) tb_body_dim_arg(c, i)
#define FLOAT(i) tb_body_float(c, i)
#define BOOL(i) tb_body_bool(c, i)

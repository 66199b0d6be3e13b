/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg.h -- matrices in operator bodies (linalg.c): the last two axes of a tensor.
 */
#pragma once
#include "op/complex.h"

void tb_mat_needed(tb_opctx *c, tb_val x); /* raises unless x has two axes or more */
tb_val tb_mat_flip(tb_graph *g, tb_val x);    /* transposed */
tb_val tb_mat_adjoint(tb_graph *g, tb_val x); /* conjugated as well */
tb_dim tb_mat_rank(tb_graph *g, tb_val x);    /* min(m, n) */
tb_val tb_mat_rows(tb_graph *g, tb_val x, tb_dim from, tb_dim n);
tb_val tb_mat_columns(tb_graph *g, tb_val x, tb_dim from, tb_dim n);
/* x where lo <= column - row <= hi, elsewhere `other`. The bounds are dims or constants. */
tb_val tb_mat_band(tb_graph *g, tb_val x, int64_t lo, int64_t hi, double other);
enum { TB_FAR = INT32_MAX }; /* no bound */
/* Ones on the diagonal: [m, n] with x's leading axes and dtype. */
tb_val tb_mat_eye(tb_graph *g, tb_val x, tb_dim m, tb_dim n);
tb_val tb_mat_diagonal(tb_graph *g, tb_val x); /* [b..., min(m, n)] */
/* Of the first k columns what is below the diagonal, with ones on it; of the first k rows
 * what is on it and above. */
tb_val tb_mat_unit_lower(tb_graph *g, tb_val x, tb_dim k);
tb_val tb_mat_upper(tb_graph *g, tb_val x, tb_dim k);
/* Gives a and b the same leading axes. */
void tb_mat_broadcast(tb_graph *g, tb_val *a, tb_val *b);
/* X of op(a) X = b, or X op(a) = b. */
tb_val tb_mat_solve(tb_graph *g, tb_val a, tb_val b, tb_triangle t, bool left);
tb_val tb_mat_real(tb_graph *g, tb_val x);
/* The rows of x in `order` [b..., k]; a place each. */
tb_val tb_mat_take_rows(tb_graph *g, tb_val x, tb_val order);
/* A tensor [0] of the dtype: what is not computed. */
tb_val tb_mat_none(tb_graph *g, tb_dtype t);
/* 1 + the first place where `bad` [b..., n] holds, 0 if nowhere: I32 [b...]. */
tb_val tb_mat_info(tb_graph *g, tb_val bad);
/* Raises at run time unless info is 0 everywhere. */
void tb_mat_check(tb_graph *g, tb_val info, const char *message);

typedef struct tb_lu_factors {
    tb_val lu;    /* [m, n] */
    tb_val swaps; /* [b..., min(m, n)] I64, from 0 */
} tb_lu_factors;
tb_lu_factors tb_mat_lu(tb_graph *g, tb_val a, bool pivot);
/* X of A X = b, or A^H X = b. */
tb_val tb_mat_lu_solve(tb_graph *g, tb_lu_factors f, tb_val b, bool adjoint);

typedef struct tb_svd {
    tb_val u, s, vh;
} tb_svd;
/* Singular values in falling order; u and vh only with `vectors`, square ones with `full`. */
tb_svd tb_mat_svd(tb_graph *g, tb_val a, bool full, bool vectors);

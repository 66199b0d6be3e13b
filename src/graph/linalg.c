/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg.c -- typed constructors of the primitives of linear algebra.
 */
#include "graph/internal.h"

/* Matrices: at least two axes, with `pairs` one of 2 before them. */
static void
check_matrices(tb_graph *g, const char *what, tb_val x, bool pairs)
{
    tb_dtype t = tb_dtype_of(g, x), part = pairs ? t : tb_dtype_part(t);
    int rank = tb_rank(g, x);

    if (t == TB_NONE || (part != TB_F32 && part != TB_F64))
        TB_RAISE(g, "%s: not defined for %s", what, tb_dtype_name(t));
    if (rank < (pairs ? 3 : 2))
        TB_RAISE(g, "%s: expected matrices, found rank %d", what, rank);
    if (pairs)
        tb_same_size(g, what, "parts of complex numbers", 2, tb_dims(g, x)[rank - 3]);
}

static void
check_square(tb_graph *g, const char *what, tb_val x)
{
    int rank = tb_rank(g, x);

    tb_same_size(g, what, "the matrix is not square", tb_dims(g, x)[rank - 2],
                 tb_dims(g, x)[rank - 1]);
}

tb_val
tb_tri_solve(tb_graph *g, tb_val a, tb_val b, tb_triangle t, bool pairs)
{
    tb_val in[2] = {a, b};
    int64_t attr[5] = {t.upper, t.transpose, t.conj, t.unit, pairs};
    int rank = tb_rank(g, a);

    check_matrices(g, "tri_solve", a, pairs);
    check_matrices(g, "tri_solve", b, pairs);
    check_square(g, "tri_solve", a);
    tb_same_dtype(g, "tri_solve", a, b);
    if (rank != tb_rank(g, b))
        TB_RAISE(g, "tri_solve: ranks differ: expected %d, found %d", rank,
                 tb_rank(g, b));
    for (int i = 0; i < rank - 1; i++)
        tb_same_size(g, "tri_solve", "sizes differ", tb_dims(g, a)[i], tb_dims(g, b)[i]);
    return tb_add(g, TB_P_tri_solve, tb_dtype_of(g, b), rank, tb_dims(g, b), in, 2, attr, 5);
}

tb_val
tb_cholesky(tb_graph *g, tb_val x, bool pairs)
{
    int64_t attr = pairs;

    check_matrices(g, "cholesky", x, pairs);
    check_square(g, "cholesky", x);
    return tb_add(g, TB_P_cholesky, tb_dtype_of(g, x), tb_rank(g, x), tb_dims(g, x), &x, 1,
                  &attr, 1);
}

/* x's type with `more` added to the axis. */
static tb_val
longer(tb_graph *g, tb_prim p, tb_val x, int axis, const int64_t *attr, uint32_t n_attr)
{
    tb_dim dims[TB_MAX_RANK];
    int rank = tb_rank(g, x);

    memcpy(dims, tb_dims(g, x), sizeof *dims * (size_t)rank);
    dims[axis] = tb_dim_add(g->unit, dims[axis], 1);
    return tb_add(g, p, tb_dtype_of(g, x), rank, dims, &x, 1, attr, n_attr);
}

tb_val
tb_lu(tb_graph *g, tb_val x, bool pivot, bool pairs)
{
    check_matrices(g, "lu", x, pairs);
    return longer(g, TB_P_lu, x, tb_rank(g, x) - 1, (int64_t[]){pivot, pairs}, 2);
}

tb_val
tb_qr(tb_graph *g, tb_val x, bool pairs)
{
    check_matrices(g, "qr", x, pairs);
    return longer(g, TB_P_qr, x, tb_rank(g, x) - 2, (int64_t[]){pairs}, 1);
}

tb_val
tb_jacobi(tb_graph *g, tb_val x, tb_dim n, bool pairs)
{
    int64_t attr[2] = {tb_dim_canon(g->unit, n), pairs};
    tb_dim most;

    check_matrices(g, "jacobi", x, pairs);
    most = tb_dims(g, x)[tb_rank(g, x) - 1];
    if (tb_dim_is_const(n) && tb_dim_is_const(most) && (n < 0 || n > most))
        TB_RAISE(g, "jacobi: %lld entries of rows of %lld", (long long)n, (long long)most);
    return tb_add(g, TB_P_jacobi, tb_dtype_of(g, x), tb_rank(g, x), tb_dims(g, x), &x, 1,
                  attr, 2);
}

tb_val
tb_schur(tb_graph *g, tb_val x, bool pairs)
{
    int64_t attr = pairs;
    const tb_dim *d;
    int rank = tb_rank(g, x);

    check_matrices(g, "schur", x, pairs);
    d = tb_dims(g, x) + rank - 2;
    if (tb_dim_is_const(d[0]) && tb_dim_is_const(d[1]) && d[0] > d[1])
        TB_RAISE(g, "schur: %lld rows of %lld columns", (long long)d[0], (long long)d[1]);
    return tb_add(g, TB_P_schur, tb_dtype_of(g, x), rank, tb_dims(g, x), &x, 1, &attr, 1);
}

tb_val
tb_exchange(tb_graph *g, tb_val swaps, tb_dim n)
{
    tb_dim dims[TB_MAX_RANK];
    int rank = tb_rank(g, swaps);

    if (tb_dtype_of(g, swaps) != TB_I64 || rank < 1)
        TB_RAISE(g, "exchange: expected i64 with an axis, found %s of rank %d",
                 tb_dtype_name(tb_dtype_of(g, swaps)), rank);
    n = tb_dim_canon(g->unit, n);
    memcpy(dims, tb_dims(g, swaps), sizeof *dims * (size_t)rank);
    dims[rank - 1] = n;
    return tb_add(g, TB_P_exchange, TB_I64, rank, dims, &swaps, 1, &n, 1);
}

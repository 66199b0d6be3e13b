/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg.c -- triangular systems, Cholesky and LU, as LAPACK gives their results.
 */
#include "op/linalg.h"

/* ---- matrices ---- */

tb_val
tb_mat_flip(tb_graph *g, tb_val x)
{
    return tb_transpose(g, x, RANK(x) - 2, RANK(x) - 1);
}

tb_val
tb_mat_adjoint(tb_graph *g, tb_val x)
{
    return tb_mat_flip(g, tb_cplx_conj(g, x));
}

tb_dim
tb_mat_rank(tb_graph *g, tb_val x)
{
    return tb_dim_min(g->unit, SIZE(x, RANK(x) - 2), SIZE(x, RANK(x) - 1));
}

tb_val
tb_mat_rows(tb_graph *g, tb_val x, tb_dim from, tb_dim n)
{
    return tb_slice_axis(g, x, RANK(x) - 2, from, n, 1);
}

tb_val
tb_mat_columns(tb_graph *g, tb_val x, tb_dim from, tb_dim n)
{
    return tb_slice_axis(g, x, RANK(x) - 1, from, n, 1);
}

/* lo <= column - row <= hi, over [m, n] */
static tb_val
in_band(tb_graph *g, tb_dim m, tb_dim n, int64_t lo, int64_t hi)
{
    tb_dim dims[2] = {m, n};
    tb_val d = SUB(tb_iota(g, 2, dims, 1), tb_iota(g, 2, dims, 0)), in = TB_NO_VAL;

    if (lo > -TB_FAR)
        in = LE(I64(lo), d);
    if (hi < TB_FAR)
        in = in.id ? AND(in, LE(d, I64(hi))) : LE(d, I64(hi));
    return in;
}

tb_val
tb_mat_band(tb_graph *g, tb_val x, int64_t lo, int64_t hi, double other)
{
    int rank = RANK(x);

    return WHERE(in_band(g, SIZE(x, rank - 2), SIZE(x, rank - 1), lo, hi), x, K(x, other));
}

tb_val
tb_mat_eye(tb_graph *g, tb_val x, tb_dim m, tb_dim n)
{
    int rank = RANK(x);
    tb_dim dims[TB_MAX_RANK];

    memcpy(dims, tb_dims(g, x), sizeof *dims * (size_t)rank);
    dims[rank - 2] = m;
    dims[rank - 1] = n;
    return tb_expand(g, WHERE(in_band(g, m, n, 0, 0), K(x, 1), K(x, 0)), rank, dims);
}

tb_val
tb_mat_diagonal(tb_graph *g, tb_val x)
{
    int rank = RANK(x);
    tb_dim k = tb_mat_rank(g, x);

    x = tb_mat_band(g, tb_mat_rows(g, x, 0, k), 0, 0, 0);
    return tb_squeeze_axes(g, RSUM(x, 1u << (rank - 1)), 1u << (rank - 1));
}

tb_val
tb_mat_unit_lower(tb_graph *g, tb_val x, tb_dim k)
{
    tb_val l = tb_mat_band(g, tb_mat_columns(g, x, 0, k), -TB_FAR, -1, 0);
    int rank = RANK(l);

    return ADD(l, tb_mat_eye(g, l, SIZE(l, rank - 2), SIZE(l, rank - 1)));
}

tb_val
tb_mat_upper(tb_graph *g, tb_val x, tb_dim k)
{
    return tb_mat_band(g, tb_mat_rows(g, x, 0, k), 0, TB_FAR, 0);
}

void
tb_mat_broadcast(tb_graph *g, tb_val *a, tb_val *b)
{
    int n = RANK(*a), m = RANK(*b), rank = n > m ? n : m;
    tb_dim p[TB_MAX_RANK], q[TB_MAX_RANK];

    for (int i = 0; i < rank - 2; i++) {
        tb_dim x = i < rank - n ? 1 : SIZE(*a, i - (rank - n));
        tb_dim y = i < rank - m ? 1 : SIZE(*b, i - (rank - m));

        p[i] = q[i] = x == 1 ? y : x;
    }
    for (int i = 0; i < 2; i++) {
        p[rank - 2 + i] = SIZE(*a, n - 2 + i);
        q[rank - 2 + i] = SIZE(*b, m - 2 + i);
    }
    *a = tb_expand(g, *a, rank, p);
    *b = tb_expand(g, *b, rank, q);
}

tb_val
tb_mat_solve(tb_graph *g, tb_val a, tb_val b, tb_triangle t, bool left)
{
    if (left)
        return tb_tri_solve(g, a, b, t, false);
    t.transpose = !t.transpose; /* X op(a) = b is op(a)^T X^T = b^T */
    return tb_mat_flip(g, tb_tri_solve(g, a, tb_mat_flip(g, b), t, false));
}

tb_val
tb_mat_real(tb_graph *g, tb_val x)
{
    return tb_is_complex(g, x) ? CAST(x, tb_dtype_part(tb_dtype_of(g, x))) : x;
}

tb_val
tb_mat_take_rows(tb_graph *g, tb_val x, tb_val order)
{
    while (RANK(order) < RANK(x) - 1)
        order = tb_unsqueeze(g, order, 0);
    return tb_body_take_along(g, x, RANK(x) - 2, tb_unsqueeze(g, order, RANK(order)));
}

tb_val
tb_mat_none(tb_graph *g, tb_dtype t)
{
    return tb_full_f(g, t, 1, (tb_dim[]){0}, 0);
}

tb_val
tb_mat_info(tb_graph *g, tb_val bad)
{
    int last = RANK(bad) - 1;
    tb_dim n = SIZE(bad, last);
    tb_val size = tb_body_dim(g, n, TB_I64), at = tb_body_count_up(g, n, RANK(bad), last);

    at = MIN(RMIN(WHERE(bad, at, size), 1u << last), size); /* no axis: more than size */
    at = tb_squeeze_axes(g, at, 1u << last);
    return CAST(WHERE(LT(at, size), ADD(at, I64(1)), I64(0)), TB_I32);
}

void
tb_mat_check(tb_graph *g, tb_val info, const char *message)
{
    tb_assert_node(g, tb_body_all(g, EQ(info, K(info, 0))),
                   tb_sprintf(&g->unit->cx->keep, "%s", message));
}

static void
check_if_asked(tb_opctx *c, uint32_t i, tb_val info, const char *message)
{
    if (BOOL(i))
        tb_mat_check(c->g, info, message);
}

void
tb_mat_needed(tb_opctx *c, tb_val x)
{
    if (tb_rank(c->g, x) < 2)
        tb_body_raise(c, "expected a matrix, found rank %d", tb_rank(c->g, x));
}

/* (info, api_name, is_matrix) */
static tb_val
check_errors(tb_opctx *c)
{
    tb_graph *g = c->g;

    tb_mat_check(g, V(0),
                 tb_sprintf(&g->unit->cx->keep,
                            "%.*s: The factorization could not be completed because the "
                            "input is singular or not positive-definite.",
                            TB_FMT(c->arg[1].s))
                     .ptr);
    return TB_NO_VAL;
}

/* ---- triangular systems ---- */

/* (A, B, upper, left, unitriangular) */
static tb_val
solve_triangular(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), b = V(1);

    tb_mat_needed(c, a);
    tb_mat_needed(c, b);
    tb_mat_broadcast(g, &a, &b);
    return tb_mat_solve(g, a, b, (tb_triangle){.upper = BOOL(2), .unit = BOOL(4)}, BOOL(3));
}

/* (B, A, upper, transpose, unitriangular) */
static tb_val
triangular_solve(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val b = V(0), a = V(1);
    tb_triangle t = {.upper = BOOL(2), .transpose = BOOL(3), .unit = BOOL(4)};

    tb_mat_needed(c, a);
    tb_mat_needed(c, b);
    tb_mat_broadcast(g, &a, &b);
    return tb_body_out2(c, tb_mat_solve(g, a, b, t, true), a);
}

/* ---- Cholesky ---- */

static tb_val
cholesky_info(tb_graph *g, tb_val l)
{
    tb_val d = tb_mat_real(g, tb_mat_diagonal(g, l));

    return tb_mat_info(g, NOT(LT(K(d, 0), d)));
}

static tb_val
factor(tb_graph *g, tb_val a, bool upper)
{
    if (!upper)
        return tb_cholesky(g, a, false);
    return tb_mat_adjoint(g, tb_cholesky(g, tb_mat_adjoint(g, a), false));
}

static const char NOT_POSITIVE[] =
    "The factorization could not be completed because the input is not positive-definite.";

/* (A, upper, check_errors) */
static tb_val
cholesky_ex(tb_opctx *c)
{
    tb_val l, info;

    tb_mat_needed(c, V(0));
    l = factor(c->g, V(0), BOOL(1));
    info = cholesky_info(c->g, l);
    check_if_asked(c, 2, info, NOT_POSITIVE);
    return tb_body_out2(c, l, info);
}

static tb_val
cholesky(tb_opctx *c)
{
    tb_val l;

    tb_mat_needed(c, V(0));
    l = factor(c->g, V(0), BOOL(1));
    tb_mat_check(c->g, cholesky_info(c->g, l), NOT_POSITIVE);
    return l;
}

/* Of L L^H X = B, or U^H U X = B. */
static tb_val
solve_both(tb_graph *g, tb_val a, tb_val b, bool upper)
{
    tb_triangle t = {.upper = upper};

    t.transpose = t.conj = upper;
    b = tb_mat_solve(g, a, b, t, true);
    t.transpose = t.conj = !upper;
    return tb_mat_solve(g, a, b, t, true);
}

/* (B, L, upper) */
static tb_val
cholesky_solve(tb_opctx *c)
{
    tb_val b = V(0), a = V(1);

    tb_mat_needed(c, a);
    tb_mat_needed(c, b);
    tb_mat_broadcast(c->g, &a, &b);
    return solve_both(c->g, a, b, BOOL(2));
}

/* (L, upper) */
static tb_val
cholesky_inverse(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0);
    tb_dim n;

    tb_mat_needed(c, a);
    n = SIZE(a, RANK(a) - 1);
    return solve_both(g, a, tb_mat_eye(g, a, n, n), BOOL(1));
}

/* ---- LU ---- */

tb_lu_factors
tb_mat_lu(tb_graph *g, tb_val a, bool pivot)
{
    int rank = RANK(a);
    tb_dim n = SIZE(a, rank - 1);
    tb_val r = tb_lu(g, a, pivot, false);
    tb_lu_factors f = {.lu = tb_mat_columns(g, r, 0, n)};

    f.swaps = CAST(tb_mat_real(g, tb_mat_columns(g, r, n, 1)), TB_I64);
    f.swaps = tb_mat_rows(g, f.swaps, 0, tb_mat_rank(g, a));
    f.swaps = tb_squeeze_axes(g, f.swaps, 1u << (rank - 1));
    return f;
}

static tb_val
lu_info(tb_graph *g, tb_val lu)
{
    tb_val d = tb_mat_diagonal(g, lu);

    return tb_mat_info(g, EQ(d, K(d, 0)));
}

static tb_val
pivots_of(tb_graph *g, tb_lu_factors f)
{
    return CAST(ADD(f.swaps, I64(1)), TB_I32);
}

/* As torch gives and takes them: from 1. */
static tb_lu_factors
factors(tb_opctx *c, uint32_t lu, uint32_t pivots)
{
    tb_graph *g = c->g;

    tb_mat_needed(c, V(lu));
    if (tb_rank(g, V(pivots)) != tb_rank(g, V(lu)) - 1)
        tb_body_raise(c, "expected pivots of rank %d, found %d", tb_rank(g, V(lu)) - 1,
                      tb_rank(g, V(pivots)));
    return (tb_lu_factors){V(lu), SUB(CAST(V(pivots), TB_I64), I64(1))};
}

static const char SINGULAR[] = "The factorization could not be completed because the input "
                               "is singular.";

/* (A, pivot, check_errors) */
static tb_val
lu_factor_ex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_lu_factors f;
    tb_val info;

    tb_mat_needed(c, V(0));
    f = tb_mat_lu(g, V(0), BOOL(1));
    info = lu_info(g, f.lu);
    check_if_asked(c, 2, info, SINGULAR);
    return tb_body_out3(c, f.lu, pivots_of(g, f), info);
}

/* Row order[i] of A is row i of L U: P[order[i], i] is 1. */
static tb_val
permutation(tb_graph *g, tb_lu_factors f)
{
    int rank = RANK(f.lu);
    tb_dim m = SIZE(f.lu, rank - 2);
    tb_val order = tb_unsqueeze(g, tb_exchange(g, f.swaps, m), rank - 2);
    tb_val rows = tb_iota(g, 2, (tb_dim[]){m, 1}, 0);

    return WHERE(EQ(rows, order), K(f.lu, 1), K(f.lu, 0));
}

static tb_val
lower_of(tb_graph *g, tb_val lu)
{
    return tb_mat_unit_lower(g, lu, tb_mat_rank(g, lu));
}

static tb_val
upper_of(tb_graph *g, tb_val lu)
{
    return tb_mat_upper(g, lu, tb_mat_rank(g, lu));
}

/* (A, pivot) */
static tb_val
lu(tb_opctx *c)
{
    tb_graph *g = c->g;
    bool pivot = BOOL(1);
    tb_lu_factors f;

    tb_mat_needed(c, V(0));
    f = tb_mat_lu(g, V(0), pivot);
    return tb_body_out3(c, pivot ? permutation(g, f) : tb_mat_none(g, tb_dtype_of(g, f.lu)),
                        lower_of(g, f.lu), upper_of(g, f.lu));
}

/* (LU, pivots, unpack_data, unpack_pivots) */
static tb_val
lu_unpack(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_lu_factors f = factors(c, 0, 1);
    tb_val none = tb_mat_none(g, tb_dtype_of(g, f.lu));

    return tb_body_out3(c, BOOL(3) ? permutation(g, f) : none,
                        BOOL(2) ? lower_of(g, f.lu) : none,
                        BOOL(2) ? upper_of(g, f.lu) : none);
}

tb_val
tb_mat_lu_solve(tb_graph *g, tb_lu_factors f, tb_val b, bool adjoint)
{
    tb_dim n = SIZE(f.lu, RANK(f.lu) - 1);
    tb_val order = tb_exchange(g, f.swaps, n);
    tb_triangle lower = {.unit = true}, upper = {.upper = true};

    tb_mat_broadcast(g, &f.lu, &b);
    if (!adjoint) {
        b = tb_mat_take_rows(g, b, order);
        return tb_mat_solve(g, f.lu, tb_mat_solve(g, f.lu, b, lower, true), upper, true);
    }
    lower.transpose = lower.conj = upper.transpose = upper.conj = true;
    b = tb_mat_solve(g, f.lu, tb_mat_solve(g, f.lu, b, upper, true), lower, true);
    return tb_mat_take_rows(g, b, tb_argsort(g, order, RANK(order) - 1, false));
}

static tb_val
lu_solve_side(tb_graph *g, tb_lu_factors f, tb_val b, bool left, bool adjoint)
{
    if (left)
        return tb_mat_lu_solve(g, f, b, adjoint);
    /* X A = B is A^H X^H = B^H */
    return tb_mat_adjoint(g, tb_mat_lu_solve(g, f, tb_mat_adjoint(g, b), !adjoint));
}

/* (LU, pivots, B, left, adjoint) */
static tb_val
lu_solve(tb_opctx *c)
{
    tb_mat_needed(c, V(2));
    return lu_solve_side(c->g, factors(c, 0, 1), V(2), BOOL(3), BOOL(4));
}

/* Is B one vector for each matrix? */
static bool
is_vector(tb_graph *g, tb_val a, tb_val b)
{
    if (RANK(b) == 1)
        return true;
    if (RANK(b) + 1 != RANK(a))
        return false;
    for (int i = 0; i < RANK(b); i++)
        if (!tb_dim_eq(g->unit, SIZE(a, i), SIZE(b, i)))
            return false;
    return true;
}

/* (A, B, left, check_errors) */
static tb_val
solve_ex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), b = V(1), info;
    tb_lu_factors f;
    bool vector;

    tb_mat_needed(c, a);
    vector = is_vector(g, a, b);
    if (vector)
        b = tb_unsqueeze(g, b, RANK(b));
    f = tb_mat_lu(g, a, true);
    info = lu_info(g, f.lu);
    check_if_asked(c, 3, info, SINGULAR);
    b = lu_solve_side(g, f, b, BOOL(2), false);
    if (vector)
        b = tb_squeeze_axes(g, b, 1u << (RANK(b) - 1));
    c->out[3] = info;
    tb_body_out3(c, b, f.lu, pivots_of(g, f));
    c->n_out = 4;
    return TB_NO_VAL;
}

/* (A, check_errors) */
static tb_val
inv_ex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), info;
    tb_lu_factors f;
    tb_dim n;

    tb_mat_needed(c, a);
    n = SIZE(a, RANK(a) - 1);
    f = tb_mat_lu(g, a, true);
    info = lu_info(g, f.lu);
    check_if_asked(c, 1, info, SINGULAR);
    return tb_body_out2(c, tb_mat_lu_solve(g, f, tb_mat_eye(g, a, n, n), false), info);
}

const tb_op tb_ops_linalg[] = {
    {"_linalg_check_errors(Tensor info, str api_name, *, bool is_matrix) -> ()",
     TB_KEEP, check_errors},
    {"linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, "
     "bool unitriangular=False) -> Tensor",
     TB_KEEP, solve_triangular},
    {"triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, "
     "bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
     TB_KEEP, triangular_solve},
    {"linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> "
     "(Tensor L, Tensor info)",
     TB_KEEP, cholesky_ex},
    {"cholesky(Tensor self, bool upper=False) -> Tensor",
     TB_KEEP, cholesky},
    {"cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor",
     TB_KEEP, cholesky_solve},
    {"cholesky_inverse(Tensor self, bool upper=False) -> Tensor",
     TB_KEEP, cholesky_inverse},
    {"linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> "
     "(Tensor LU, Tensor pivots, Tensor info)",
     TB_KEEP, lu_factor_ex},
    {"linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)",
     TB_KEEP, lu},
    {"lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, "
     "bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
     TB_KEEP, lu_unpack},
    {"linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, "
     "bool adjoint=False) -> Tensor",
     TB_KEEP, lu_solve},
    {"_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> "
     "(Tensor result, Tensor LU, Tensor pivots, Tensor info)",
     TB_KEEP, solve_ex},
    {"linalg_inv_ex(Tensor A, *, bool check_errors=False) -> "
     "(Tensor inverse, Tensor info)",
     TB_KEEP, inv_ex},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg_ldl.c -- L D L^T of symmetric matrices and L D L^H of hermitian ones with Bunch and
 * Kaufman's pivots, as LAPACK's sytrf and hetrf (lower) give it, and what is solved with it.
 *
 * Rarely used, so these are loops over the steps of the algorithm: each handles one step of
 * all matrices with masks, as a step takes one or two columns, of each matrix its own. Names
 * are LAPACK's.
 */
#include "op/linalg.h"

#define ALPHA 0.6403882032022076 /* (1 + sqrt 17) / 8 */

/* Where in the loop's matrices the masks look: i [n, 1], j [1, n]. */
typedef struct places {
    tb_val i, j;
} places;

static places
places_of(tb_graph *g, tb_val a)
{
    tb_dim n = SIZE(a, RANK(a) - 2);

    return (places){tb_iota(g, 2, (tb_dim[]){n, 1}, 0), tb_iota(g, 2, (tb_dim[]){1, n}, 1)};
}

/* Column k [b..., 1, 1] of a as [b..., n, 1], row i of x as [b..., 1, m]. */
static tb_val
column(tb_graph *g, tb_val a, tb_val k)
{
    return RSUM(WHERE(EQ(places_of(g, a).j, k), a, K(a, 0)), 1u << (RANK(a) - 1));
}

static tb_val
row(tb_graph *g, tb_val x, tb_val k)
{
    return RSUM(WHERE(EQ(places_of(g, x).i, k), x, K(x, 0)), 1u << (RANK(x) - 2));
}

/* What LAPACK compares: |re| + |im|. */
static tb_val
size_of(tb_graph *g, tb_val x)
{
    tb_cplx z;

    if (!tb_is_complex(g, x))
        return ABS(x);
    z = tb_cplx_parts(g, x);
    return ADD(ABS(z.re), ABS(z.im));
}

/* x without imaginary parts, in its own dtype. */
static tb_val
made_real(tb_graph *g, tb_val x)
{
    return CAST(tb_mat_real(g, x), tb_dtype_of(g, x));
}

/* `adjoint` of hermitian matrices. */
static tb_val
turned(tb_graph *g, tb_val x, bool hermitian)
{
    return hermitian ? tb_mat_adjoint(g, x) : tb_mat_flip(g, x);
}

/* Rows p and q of x change places. */
static tb_val
swap_rows(tb_graph *g, tb_val x, tb_val p, tb_val q)
{
    tb_val i = places_of(g, x).i, order = WHERE(EQ(i, p), q, WHERE(EQ(i, q), p, i));

    return tb_body_take_along(g, x, RANK(x) - 2, order);
}

static tb_val
more_steps(tb_graph *g, const tb_val *v, void *user)
{
    tb_val k = v[0], go;

    (void)user;
    go = AND(LE(I64(0), k), LT(k, tb_body_dim(g, SIZE(v[1], RANK(v[1]) - 2), TB_I64)));
    return tb_body_any(g, go);
}

/* ---- the factorisation ---- */

/* The pivot of step k: kp, and whether it takes two columns; `zero`: there is none. */
typedef struct pivot {
    tb_val kp, two, zero;
} pivot;

static pivot
choose(tb_graph *g, tb_val a, tb_val k)
{
    places at = places_of(g, a);
    uint32_t rows = 1u << (RANK(a) - 2);
    tb_val own = size_of(g, column(g, a, k)), below = WHERE(LT(k, at.i), own, K(own, -1));
    tb_val absakk = row(g, own, k), colmax = MAX(RMAX(below, rows), K(own, 0)), alpha;
    tb_val imax = tb_reduce(g, TB_P_argmax, below, rows), other;
    tb_val beside = AND(LE(k, at.i), NE(at.i, imax)), rowmax, first, second;
    pivot p;

    other = size_of(g, column(g, a, imax));
    alpha = K(own, ALPHA);
    rowmax = RMAX(WHERE(beside, other, K(own, 0)), rows);
    p.zero = EQ(MAX(absakk, colmax), K(own, 0));
    first = OR(LE(MUL(alpha, colmax), absakk),
               LE(MUL(alpha, MUL(colmax, DIV(colmax, rowmax))), absakk));
    first = OR(first, p.zero);
    second = LE(MUL(alpha, rowmax), row(g, other, imax));
    p.two = AND(NOT(first), NOT(second));
    p.kp = WHERE(first, k, imax);
    return p;
}

/* v: k, a (the part not yet done is symmetric), pivots [b..., n, 1], info [b..., 1, 1] */
static void
factor_step(tb_graph *g, tb_val *v, void *user)
{
    bool hermitian = *(const bool *)user;
    tb_val k = v[0], a = v[1], next = ADD(k, I64(1)), x, y, d, d21, d11, d22, e, wk, wkp1, u;
    places at = places_of(g, a);
    pivot p = choose(g, a, k);
    tb_val kk = WHERE(p.two, next, k), left, swapped, one, both, number;
    tb_val active = LT(k, tb_body_dim(g, SIZE(a, RANK(a) - 1), TB_I64));

    left = AND(AND(LE(k, at.i), LE(k, at.j)), active);
    swapped = swap_rows(g, a, kk, p.kp);
    swapped = tb_mat_flip(g, swap_rows(g, tb_mat_flip(g, swapped), kk, p.kp));
    a = WHERE(left, swapped, a);
    x = column(g, a, k);
    y = column(g, a, next);
    d = row(g, x, k);

    /* one column */
    one = WHERE(p.zero, x, DIV(x, d));
    wk = WHERE(p.zero, K(a, 0), one);
    number = MUL(x, turned(g, wk, hermitian));
    /* two; u is what makes d21 real */
    d21 = row(g, x, next);
    u = tb_full_like(g, d21, 1);
    if (hermitian) {
        e = CAST(tb_cplx_abs(g, d21), tb_dtype_of(g, a));
        u = DIV(d21, e);
        d21 = e;
    }
    d11 = DIV(row(g, y, next), d21);
    d22 = DIV(d, d21);
    e = DIV(DIV(K(a, 1), SUB(MUL(d11, d22), K(a, 1))), d21);
    wk = MUL(e, SUB(MUL(d11, x), MUL(u, y)));
    wkp1 = MUL(e, SUB(MUL(d22, y), MUL(tb_cplx_conj(g, u), x)));
    both = ADD(MUL(x, turned(g, wk, hermitian)), MUL(y, turned(g, wkp1, hermitian)));

    left = AND(AND(LT(kk, at.i), LT(kk, at.j)), active);
    number = SUB(a, WHERE(p.two, both, number));
    if (hermitian)
        number = WHERE(EQ(at.i, at.j), made_real(g, number), number);
    a = WHERE(left, number, a);
    wk = WHERE(p.two, WHERE(LT(next, at.i), wk, x), one);
    a = WHERE(AND(AND(EQ(at.j, k), LT(k, at.i)), active), wk, a);
    a = WHERE(AND(AND(EQ(at.j, next), LT(next, at.i)), AND(p.two, active)), wkp1, a);

    number = ADD(p.kp, I64(1));
    number = WHERE(p.two, NEG(number), number);
    left = OR(EQ(at.i, k), AND(EQ(at.i, next), p.two));
    v[2] = WHERE(AND(left, active), number, v[2]);
    v[3] = WHERE(AND(AND(p.zero, active), EQ(v[3], I64(0))), next, v[3]);
    v[1] = a;
    v[0] = ADD(kk, I64(1));
}

/* 0 for each matrix of a: [b..., 1, 1] I64. */
static tb_val
none_yet(tb_graph *g, tb_val a, int64_t value)
{
    tb_dim dims[TB_MAX_RANK];
    int rank = RANK(a);

    memcpy(dims, tb_dims(g, a), sizeof *dims * (size_t)rank);
    dims[rank - 1] = dims[rank - 2] = 1;
    return tb_full_i(g, TB_I64, rank, dims, value);
}

/* (A, hermitian, check_errors) */
static tb_val
ldl_factor_ex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), v[4], low, info;
    int rank = RANK(a);
    tb_dim dims[TB_MAX_RANK];

    bool hermitian = BOOL(1) && tb_is_complex(g, a);

    tb_mat_needed(c, a);
    low = tb_mat_band(g, a, -TB_FAR, -1, 0);
    v[0] = none_yet(g, a, 0);
    v[1] = tb_mat_band(g, a, 0, 0, 0);
    v[1] = ADD(ADD(low, hermitian ? made_real(g, v[1]) : v[1]), turned(g, low, hermitian));
    memcpy(dims, tb_dims(g, a), sizeof *dims * (size_t)rank);
    dims[rank - 1] = 1;
    v[2] = tb_full_i(g, TB_I64, rank, dims, 0);
    v[3] = v[0];
    if (SIZE(a, rank - 1) != 0)
        tb_body_while(g, v, 4, more_steps, factor_step, &hermitian);
    info = CAST(tb_squeeze_axes(g, v[3], 3u << (rank - 2)), TB_I32);
    if (BOOL(2))
        tb_mat_check(g, info,
                     "linalg.ldl_factor_ex: The factorization could not be completed because "
                     "the input is singular.");
    return tb_body_out3(c, tb_mat_band(g, v[1], -TB_FAR, 0, 0),
                        CAST(tb_squeeze_axes(g, v[2], 1u << (rank - 1)), TB_I32), info);
}

/* ---- solving ---- */

/* Where x is not 0 in a step: below the last column of its block. */
static tb_val
below(tb_graph *g, tb_val x, tb_val kk)
{
    return WHERE(LT(kk, places_of(g, x).i), x, K(x, 0));
}

/* v: k, b, ld, pivots [b..., n, 1]. L y = b and D z = y on the way down. */
static void
down(tb_graph *g, tb_val *v, void *user)
{
    tb_val k = v[0], b = v[1], ld = v[2], next = ADD(k, I64(1)), number = row(g, v[3], k);
    tb_val two = LT(number, I64(0)), kp = SUB(ABS(number), I64(1)), kk = WHERE(two, next, k);
    tb_val x = column(g, ld, k), y = column(g, ld, next), i = places_of(g, b).i, b0, b1;
    tb_val d21, d12, d11, d22, det, z0, z1, moved;
    bool hermitian = *(const bool *)user;
    tb_val active = LT(k, tb_body_dim(g, SIZE(b, RANK(b) - 2), TB_I64));

    moved = swap_rows(g, b, kk, kp);
    b0 = row(g, moved, k);
    b1 = row(g, moved, next);
    moved = SUB(moved, MUL(below(g, x, kk), b0));
    moved = WHERE(two, SUB(moved, MUL(below(g, y, kk), b1)), moved);
    d21 = row(g, x, next);
    d12 = hermitian ? tb_cplx_conj(g, d21) : d21;
    d11 = DIV(row(g, x, k), d12);
    d22 = DIV(row(g, y, next), d21);
    det = SUB(MUL(d11, d22), K(b, 1));
    z0 = DIV(b0, d12);
    z1 = DIV(b1, d21);
    d22 = SUB(MUL(d22, z0), z1);
    z1 = DIV(SUB(MUL(d11, z1), z0), det);
    z0 = WHERE(two, DIV(d22, det), DIV(b0, row(g, x, k)));
    moved = WHERE(EQ(i, k), z0, moved);
    moved = WHERE(AND(EQ(i, next), two), z1, moved);
    v[1] = WHERE(active, moved, b);
    v[0] = ADD(kk, I64(1));
}

/* L^T x = z (L^H) on the way up: k is the last row of its block. */
static void
up(tb_graph *g, tb_val *v, void *user)
{
    tb_val k = v[0], b = v[1], ld = v[2], first = SUB(k, I64(1)), number = row(g, v[3], k);
    tb_val two = LT(number, I64(0)), kp = SUB(ABS(number), I64(1)), i = places_of(g, b).i;
    uint32_t rows = 1u << (RANK(b) - 2);
    tb_val x = below(g, column(g, ld, k), k), y = below(g, column(g, ld, first), k), moved;

    if (*(const bool *)user) {
        x = tb_cplx_conj(g, x);
        y = tb_cplx_conj(g, y);
    }
    x = RSUM(MUL(x, b), rows);
    y = RSUM(MUL(y, b), rows);
    moved = WHERE(EQ(i, k), SUB(b, x), b);
    moved = WHERE(AND(EQ(i, first), two), SUB(moved, y), moved);
    v[1] = WHERE(LE(I64(0), k), swap_rows(g, moved, k, kp), b);
    v[0] = WHERE(two, SUB(first, I64(1)), first);
}

/* (LD, pivots, B, hermitian) */
static tb_val
ldl_solve(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val ld = V(0), b = V(2), pivots = CAST(V(1), TB_I64), v[4];
    bool hermitian = BOOL(3) && tb_is_complex(g, ld);
    tb_dim n;

    tb_mat_needed(c, ld);
    tb_mat_needed(c, b);
    n = SIZE(ld, RANK(ld) - 1);
    tb_mat_broadcast(g, &ld, &b);
    pivots = tb_unsqueeze(g, pivots, RANK(pivots));
    while (RANK(pivots) < RANK(b))
        pivots = tb_unsqueeze(g, pivots, 0);
    if (n == 0)
        return b;
    v[0] = none_yet(g, b, 0);
    v[1] = b;
    v[2] = ld;
    v[3] = pivots;
    tb_body_while(g, v, 4, more_steps, down, &hermitian);
    v[0] = ADD(none_yet(g, b, -1), tb_body_dim(g, n, TB_I64));
    tb_body_while(g, v, 4, more_steps, up, &hermitian);
    return v[1];
}

const tb_op tb_ops_linalg_ldl[] = {
    {"linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False) -> "
     "(Tensor LD, Tensor pivots, Tensor info)",
     TB_KEEP, ldl_factor_ex},
    {"linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
     TB_KEEP, ldl_solve},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* linalg_test.c -- linear algebra: compiled code against the evaluator, and both against
 * what a factorisation means. */
#define C_MAX 64
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)

static tb_val
swapped(tb_val x)
{
    return tb_transpose(g, x, tb_rank(g, x) - 2, tb_rank(g, x) - 1);
}

static tb_val
conjugate(tb_val x)
{
    if (!tb_dtype_is_complex(tb_dtype_of(g, x)))
        return x;
    return tb_complex(g, tb_cast(g, x, tb_dtype_part(tb_dtype_of(g, x))),
                      M1(neg, tb_imag(g, x)));
}

/* Ones where j - i >= lo and <= hi, of x's type. */
static tb_val
band(tb_val x, int64_t lo, int64_t hi)
{
    int rank = tb_rank(g, x);
    tb_val d = M2(sub, tb_iota(g, rank, tb_dims(g, x), rank - 1),
                  tb_iota(g, rank, tb_dims(g, x), rank - 2));
    tb_val in = M2(and, M2(le, tb_full_like(g, d, (double)lo), d),
                   M2(le, d, tb_full_like(g, d, (double)hi)));
    return tb_where(g, in, tb_full_like(g, x, 1), tb_full_like(g, x, 0));
}

/* x with its size added on the diagonal. */
static tb_val
heavy(tb_val x)
{
    return M2(add, x, M2(mul, tb_full_like(g, x, 4), band(x, 0, 0)));
}

static void
out(tb_val x)
{
    if (!tb_dtype_is_complex(tb_dtype_of(g, x))) {
        c_out(x);
        return;
    }
    c_out(tb_cast(g, x, tb_dtype_part(tb_dtype_of(g, x))));
    c_out(tb_imag(g, x));
}

static tb_val
complex_of(tb_val re, tb_val im)
{
    return tb_complex(g, re, im);
}

/* ---- triangular systems ---- */

static void
all_triangles(tb_val a, tb_val b)
{
    tb_val small = M2(mul, a, tb_full_like(g, a, 0.2));

    for (int i = 0; i < 16; i++) {
        tb_triangle t = {i & 1, i & 2, i & 4, i & 8};

        out(tb_tri_solve(g, t.unit ? small : heavy(a), b, t, false));
    }
}

static void
triangles(void)
{
    all_triangles(IN(F32, 3, 7, 7), IN(F32, 3, 7, 5));
    all_triangles(IN(F64, 37, 37), IN(F64, 37, 1));
    all_triangles(IN(F32, 2, 21, 21), IN(F32, 2, 21, 130));
    c_run((c_case){.tolerance = 1e-4});
}

static void
complex_triangles(void)
{
    tb_val a = complex_of(IN(F32, 2, 19, 19), IN(F32, 2, 19, 19));
    tb_val b = complex_of(IN(F32, 2, 19, 3), IN(F32, 2, 19, 3));
    tb_val c = complex_of(IN(F64, 5, 5), IN(F64, 5, 5));
    tb_val d = complex_of(IN(F64, 5, 70), IN(F64, 5, 70));

    all_triangles(a, b);
    all_triangles(c, d);
    c_run((c_case){.tolerance = 1e-4});
}

static void
open_triangles(void)
{
    tb_dim n = c_sym("n", 0, 1000), m = c_sym("m", 0, 1000);

    all_triangles(IN(F32, 2, n, n), IN(F32, 2, n, m));
    c_run((c_case){SIZES({0, 3}, {3, 0}, {1, 1}, {4, 65}, {33, 200}), .tolerance = 1e-4});
}

/* ---- Cholesky ---- */

static void
cholesky_of(tb_val x)
{
    tb_val a = heavy(tb_dot(g, x, swapped(conjugate(x)))), l = tb_cholesky(g, a, false);

    out(l);
    out(M2(sub, tb_dot(g, l, swapped(conjugate(l))), a)); /* 0 */
}

static void
cholesky(void)
{
    cholesky_of(IN(F32, 5, 3, 3));
    cholesky_of(IN(F32, 2, 70, 70));
    cholesky_of(IN(F64, 33, 33));
    cholesky_of(complex_of(IN(F32, 2, 18, 18), IN(F32, 2, 18, 18)));
    cholesky_of(complex_of(IN(F64, 1, 1), IN(F64, 1, 1)));
    c_run((c_case){.tolerance = 1e-3});
}

static void
open_cholesky(void)
{
    tb_dim n = c_sym("n", 0, 1000);

    cholesky_of(IN(F32, 2, n, n));
    c_run((c_case){SIZES({0}, {1}, {5}, {16}, {17}, {90}), .tolerance = 1e-3});
}

/* The second pivot of [[1, 2], [2, 1]] is -3: it stays, what depends on it is 0. */
static void
not_positive(void)
{
    tb_val x = IN(F32, 3, 3), zero = M2(mul, x, tb_full_like(g, x, 0));

    c_out(tb_cholesky(g, M2(add, zero, M2(add, tb_full_like(g, x, 2), M1(neg, band(x, 0, 0)))),
                      false));
    c_run((c_case){.tolerance = 1e-6});
}

/* ---- LU ---- */

static tb_val
columns(tb_val x, tb_dim from, tb_dim n)
{
    return tb_slice_axis(g, x, tb_rank(g, x) - 1, from, n, 1);
}

static tb_val
real(tb_val x)
{
    return tb_cast(g, x, tb_dtype_part(tb_dtype_of(g, x)));
}

/* [m, n] of rank 2: the factors, the exchanges, and L U - P A, which is 0. */
static void
lu_of(tb_val x, bool pivot)
{
    tb_dim m = tb_dims(g, x)[0], n = tb_dims(g, x)[1], k = tb_dim_min(u, m, n);
    tb_val r = tb_lu(g, x, pivot, false), lower_upper = columns(r, 0, n), l, up, swaps, order;

    out(lower_upper);
    l = columns(lower_upper, 0, k);
    l = M2(add, M2(mul, l, band(l, -1000, -1)), band(l, 0, 0));
    up = tb_slice_axis(g, lower_upper, 0, 0, k, 1);
    up = M2(mul, up, band(up, 0, 1000));
    swaps = tb_cast(g, real(columns(r, n, 1)), TB_I64);
    swaps = tb_slice_axis(g, tb_squeeze_axes(g, swaps, 2), 0, 0, k, 1);
    order = tb_exchange(g, swaps, m);
    c_out(swaps);
    c_out(order);
    out(M2(sub, tb_dot(g, l, up), tb_gather(g, x, 1, &order, 1)));
}

static void
lu(void)
{
    lu_of(IN(F32, 3, 3), true);
    lu_of(IN(F32, 80, 70), true);
    lu_of(IN(F32, 40, 90), true);
    lu_of(IN(F64, 33, 33), true);
    lu_of(heavy(IN(F64, 20, 20)), false);
    lu_of(complex_of(IN(F32, 19, 25), IN(F32, 19, 25)), true);
    lu_of(complex_of(IN(F64, 26, 9), IN(F64, 26, 9)), true);
    c_run((c_case){.tolerance = 1e-3});
}

static void
lu_batches(void)
{
    c_out(tb_lu(g, IN(F32, 3, 4, 6, 6), true, false));
    c_out(tb_lu(g, IN(F64, 7, 3, 5), true, false));
    c_run((c_case){.tolerance = 1e-4});
}

static void
open_lu(void)
{
    tb_dim m = c_sym("m", 0, 1000), n = c_sym("n", 0, 1000);

    lu_of(IN(F32, m, n), true);
    c_run((c_case){SIZES({0, 0}, {0, 4}, {4, 0}, {1, 1}, {17, 16}, {50, 50}),
                   .tolerance = 1e-3});
}

/* A column of zeros is passed over. */
static void
singular_lu(void)
{
    tb_val x = IN(F32, 5, 5);

    c_out(tb_lu(g, M2(mul, x, band(x, 1, 100)), true, false));
    c_out(tb_lu(g, tb_full_like(g, x, 0), true, false));
    c_run((c_case){.tolerance = 1e-5});
}

static void
exchange_out_of_range(void)
{
    tb_val x = IN(I64, 4);

    c_out(tb_exchange(g, M2(add, x, tb_full_like(g, x, 5)), 4));
    c_run((c_case){.index_below = 2, .error = "out of range"});
}

/* ---- QR ---- */

/* R^H R - A^H A is 0. */
static void
qr_of(tb_val x)
{
    int rank = tb_rank(g, x);
    tb_dim m = tb_dims(g, x)[rank - 2], n = tb_dims(g, x)[rank - 1];
    tb_val q = tb_qr(g, x, false), r;

    out(q);
    r = tb_slice_axis(g, q, rank - 2, 0, tb_dim_min(u, m, n), 1);
    r = M2(mul, r, band(r, 0, 1000));
    out(M2(sub, tb_dot(g, swapped(conjugate(r)), r), tb_dot(g, swapped(conjugate(x)), x)));
}

static void
qr(void)
{
    qr_of(IN(F32, 4, 3, 3));
    qr_of(IN(F32, 60, 75));
    qr_of(IN(F32, 2, 75, 20));
    qr_of(IN(F64, 33, 33));
    qr_of(complex_of(IN(F32, 2, 18, 18), IN(F32, 2, 18, 18)));
    qr_of(complex_of(IN(F64, 9, 4), IN(F64, 9, 4)));
    c_run((c_case){.tolerance = 1e-3});
}

static void
open_qr(void)
{
    tb_dim m = c_sym("m", 0, 1000), n = c_sym("n", 0, 1000);

    qr_of(IN(F32, m, n));
    c_run((c_case){SIZES({0, 0}, {0, 4}, {4, 0}, {1, 1}, {17, 16}, {50, 50}),
                   .tolerance = 1e-3});
}

/* ---- rotations ---- */

/* With the unit matrix beside x: [U x, U]. U U^H is 1, U^H (U x) is x, (U x)(U x)^H has
 * nothing off its diagonal. */
static void
jacobi_of(tb_val x)
{
    int rank = tb_rank(g, x);
    tb_dim m = tb_dims(g, x)[rank - 2], n = tb_dims(g, x)[rank - 1];
    tb_val xs[2] = {x}, r, w, v, gram;

    xs[1] = band(tb_dot(g, x, swapped(x)), 0, 0);
    r = tb_jacobi(g, tb_concat(g, xs, 2, rank - 1), n, false);
    w = columns(r, 0, n);
    v = columns(r, n, m);
    out(tb_dot(g, v, swapped(conjugate(v))));
    out(M2(sub, tb_dot(g, swapped(conjugate(v)), w), x));
    gram = tb_dot(g, w, swapped(conjugate(w)));
    out(M2(sub, gram, M2(mul, gram, band(gram, 0, 0))));
    out(tb_reduce(g, TB_P_rmax, real(M2(mul, gram, band(gram, 0, 0))), 3u << (rank - 2)));
}

static void
jacobi(void)
{
    jacobi_of(IN(F32, 6, 3, 3));
    jacobi_of(IN(F32, 2, 20, 33));
    jacobi_of(IN(F32, 33, 12)); /* more rows than can be independent */
    jacobi_of(IN(F64, 17, 40));
    jacobi_of(complex_of(IN(F32, 2, 9, 18), IN(F32, 2, 9, 18)));
    c_run((c_case){.tolerance = 1e-3});
}

static void
open_jacobi(void)
{
    tb_dim m = c_sym("m", 0, 1000), n = c_sym("n", 0, 1000);

    jacobi_of(IN(F64, m, n));
    c_run((c_case){SIZES({1, 4}, {4, 1}, {1, 1}, {17, 16}, {5, 50}), .tolerance = 1e-9});
}

/* ---- Schur's form ---- */

/* With the unit matrix beside x: [T, Q^H]. Q^H Q is 1, Q T Q^H is x, T has nothing below its
 * subdiagonal and, of complex numbers, on it. */
static void
schur_of(tb_val x)
{
    int rank = tb_rank(g, x);
    tb_dim n = tb_dims(g, x)[rank - 1];
    tb_val xs[2] = {x, band(x, 0, 0)}, r, t, q;

    r = tb_schur(g, tb_concat(g, xs, 2, rank - 1), false);
    t = columns(r, 0, n);
    q = columns(r, n, n);
    out(tb_dot(g, q, swapped(conjugate(q))));
    out(M2(sub, tb_dot(g, swapped(conjugate(q)), tb_dot(g, t, q)), x));
    out(M2(mul, t, band(t, -1000, tb_dtype_is_complex(tb_dtype_of(g, x)) ? -1 : -2)));
}

static void
schur(void)
{
    schur_of(IN(F32, 6, 3, 3));
    schur_of(IN(F32, 2, 20, 20));
    schur_of(IN(F64, 37, 37));
    schur_of(complex_of(IN(F32, 2, 9, 9), IN(F32, 2, 9, 9)));
    c_run((c_case){.tolerance = 1e-3});
}

static void
open_schur(void)
{
    tb_dim n = c_sym("n", 0, 1000);

    schur_of(IN(F64, n, n));
    c_run((c_case){SIZES({0}, {1}, {2}, {3}, {4}, {17}, {50}), .tolerance = 1e-9});
}

int
main(void)
{
    CASE(triangles);
    CASE(complex_triangles);
    CASE(open_triangles);
    CASE(cholesky);
    CASE(open_cholesky);
    CASE(not_positive);
    CASE(lu);
    CASE(lu_batches);
    CASE(open_lu);
    CASE(singular_lu);
    CASE(exchange_out_of_range);
    CASE(qr);
    CASE(open_qr);
    CASE(jacobi);
    CASE(open_jacobi);
    CASE(schur);
    CASE(open_schur);
    return t_done();
}

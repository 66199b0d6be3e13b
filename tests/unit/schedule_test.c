/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* schedule_test.c -- scans, sorts and scatters: compiled code against the evaluator. */
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)

/* ---- scans ---- */

static void
scan_last_axis(void)
{
    tb_val x = IN(F32, 5, 33), y = IN(I64, 70);
    c_out(tb_scan(g, TB_P_cumsum, x, 1));
    c_out(tb_scan(g, TB_P_cummax, x, 1));
    c_out(tb_scan(g, TB_P_cummin, x, 1));
    c_out(tb_scan(g, TB_P_cumprod, x, 1));
    c_out(tb_scan(g, TB_P_cumsum, y, 0));
    c_run((c_case){.tolerance = 1e-5});
}

static void
scan_other_axes(void)
{
    tb_val x = IN(F32, 3, 17, 21), y = IN(I32, 6, 5, 1), z = IN(F64, 9, 40);
    c_out(tb_scan(g, TB_P_cumsum, x, 0));
    c_out(tb_scan(g, TB_P_cumsum, x, 1));
    c_out(tb_scan(g, TB_P_cummax, y, 1));
    c_out(tb_scan(g, TB_P_cumprod, y, 0));
    c_out(tb_scan(g, TB_P_cummin, z, 0));
    c_run((c_case){.tolerance = 1e-5});
}

static void
scan_types(void)
{
    tb_val a = IN(BF16, 4, 9), b = IN(F16, 9, 4), c = IN(I8, 3, 50), d = IN(U8, 50, 3);
    c_out(tb_scan(g, TB_P_cumsum, a, 1));
    c_out(tb_scan(g, TB_P_cumsum, b, 0));
    c_out(tb_scan(g, TB_P_cumsum, c, 1));
    c_out(tb_scan(g, TB_P_cummin, c, 0));
    c_out(tb_scan(g, TB_P_cummax, d, 0));
    c_out(tb_scan(g, TB_P_cummin, d, 0));
    c_run((c_case){.tolerance = 1e-2});
}

/* What is scanned is computed in place, what follows is a kernel of its own. */
static void
scan_of_expression(void)
{
    tb_dim n = c_sym("n", 0, 1000), m = c_sym("m", 0, 1000);
    tb_val x = IN(F32, n, m), mask = IN(BOOL, n, m), s;
    s = tb_scan(g, TB_P_cumsum, tb_cast(g, mask, TB_I64), 1);
    c_out(M2(sub, s, tb_full_like(g, s, 1)));
    c_out(tb_scan(g, TB_P_cumsum, M2(mul, tb_transpose(g, x, 0, 1),
                                     tb_transpose(g, x, 0, 1)), 0));
    c_out(tb_scan(g, TB_P_cummax, tb_flip(g, x, 2), 1));
    c_run((c_case){SIZES({3, 5}, {1, 1}, {40, 100}, {1, 999}, {0, 4}, {4, 0}),
                   .tolerance = 1e-5});
}

/* ---- sorts ---- */

static void
sort_rows(void)
{
    tb_val x = IN(F32, 7, 100), y = IN(I32, 4, 64), z = IN(F64, 3, 33), w = IN(I64, 2, 40);
    c_out(tb_argsort(g, x, 1, false));
    c_out(tb_argsort(g, x, 1, true));
    c_out(tb_argsort(g, y, 1, false)); /* many equal: stable */
    c_out(tb_argsort(g, y, 1, true));
    c_out(tb_argsort(g, z, 1, true));
    c_out(tb_argsort(g, w, 1, false));
    c_out(tb_argsort(g, w, 1, true));
    c_run((c_case){0});
}

static void
sort_types(void)
{
    tb_val a = IN(F16, 3, 30), b = IN(BF16, 3, 30), c = IN(I8, 3, 30), d = IN(U8, 3, 30);
    tb_val e = IN(BOOL, 3, 30), h = IN(I16, 3, 30);
    c_out(tb_argsort(g, a, 1, false));
    c_out(tb_argsort(g, b, 1, true));
    c_out(tb_argsort(g, c, 1, true));
    c_out(tb_argsort(g, d, 1, false));
    c_out(tb_argsort(g, e, 1, true));
    c_out(tb_argsort(g, h, 1, false));
    c_run((c_case){0});
}

static void
sort_unsigned(void)
{
    tb_val a = tb_cast(g, IN(I32, 3, 30), TB_U32), b = tb_cast(g, IN(I64, 3, 30), TB_U64);
    c_out(tb_argsort(g, a, 1, false));
    c_out(tb_argsort(g, a, 1, true));
    c_out(tb_argsort(g, b, 1, false));
    c_out(tb_argsort(g, b, 1, true));
    c_run((c_case){0});
}

/* NaN is the greatest, -0 equals 0, infinities come before NaN. */
static void
sort_specials(void)
{
    tb_val x = IN(F32, 6, 41), zero = tb_full_like(g, x, 0), s, inf, y;
    s = M2(lt, x, tb_full_like(g, x, -0.5));
    y = tb_where(g, s, M1(sqrt, x), x); /* NaN */
    s = M2(lt, tb_full_like(g, x, 0.5), x);
    inf = M2(div, x, zero);
    y = tb_where(g, s, inf, y);
    s = M2(lt, M1(abs, x), tb_full_like(g, x, 0.25));
    y = tb_where(g, s, M2(mul, x, zero), y); /* 0 and -0 */
    c_out(tb_argsort(g, y, 1, false));
    c_out(tb_argsort(g, y, 1, true));
    y = tb_cast(g, y, TB_F64);
    c_out(tb_argsort(g, y, 1, false));
    c_out(tb_argsort(g, y, 1, true));
    c_run((c_case){0});
}

static void
sort_axes_dynamic(void)
{
    tb_dim n = c_sym("n", 0, 5000), m = c_sym("m", 0, 1000);
    tb_val x = IN(F32, m, n), y = IN(I64, n, m);
    c_out(tb_argsort(g, x, 1, false));
    c_out(tb_argsort(g, x, 0, true));
    c_out(tb_argsort(g, y, 0, false));
    c_run((c_case){SIZES({5, 3}, {1, 1}, {100, 40}, {3000, 2}, {4, 0}, {0, 4}),
                   .tolerance = 0});
}

static void
sort_large(void)
{
    c_out(tb_argsort(g, IN(F32, 100000), 0, true));
    c_run((c_case){0});
}

static tb_val
first_of(tb_val order, int axis, int64_t n)
{
    return tb_slice_axis(g, order, axis, 0, n, 1);
}

/* Only the first few results are read: topk. */
static void
sort_first_few(void)
{
    tb_val x = IN(F32, 5, 1000), y = IN(I32, 3, 700), z = IN(F64, 300, 4), h = IN(BF16, 2, 99);
    c_out(first_of(tb_argsort(g, x, 1, true), 1, 50));
    c_out(first_of(tb_argsort(g, x, 1, false), 1, 1));
    c_out(first_of(tb_argsort(g, y, 1, true), 1, 7)); /* many equal: the first ones */
    c_out(first_of(tb_argsort(g, y, 1, false), 1, 130));
    c_out(first_of(tb_argsort(g, z, 0, true), 0, 40));
    c_out(first_of(tb_argsort(g, z, 0, false), 0, 3));
    c_out(first_of(tb_argsort(g, h, 1, false), 1, 20));
    c_run((c_case){.tolerance = 0});
}

/* Rows in order, so that every element is among the first when it is read; and keys as
 * large as there are. */
static void
sort_first_of_ordered(void)
{
    tb_val i = tb_iota(g, 2, DIMS(2, 900), 1), x = IN(I64, 2, 900), big, nan;
    c_out(first_of(tb_argsort(g, tb_cast(g, i, TB_F32), 1, true), 1, 60));
    c_out(first_of(tb_argsort(g, i, 1, true), 1, 60));
    big = tb_where(g, M2(lt, x, tb_full_like(g, x, 2)), tb_full_i(g, TB_I64, 2, DIMS(2, 900),
                                                                  INT64_MAX), x);
    c_out(first_of(tb_argsort(g, big, 1, false), 1, 200));
    c_out(first_of(tb_argsort(g, tb_full_like(g, big, INT64_MIN), 1, true), 1, 200));
    nan = M1(sqrt, tb_cast(g, x, TB_F64));
    c_out(first_of(tb_argsort(g, nan, 1, true), 1, 100));
    c_out(first_of(tb_argsort(g, M2(mul, nan, tb_full_like(g, nan, NAN)), 1, false), 1, 9));
    c_run((c_case){.tolerance = 0});
}

static void
sort_first_dynamic(void)
{
    tb_dim n = c_sym("n", 3, 5000);
    tb_val x = IN(F32, 4, n);
    c_out(first_of(tb_argsort(g, x, 1, true), 1, 3));
    c_run((c_case){SIZES({3}, {4}, {17}, {100}, {4000}), .tolerance = 0});
}

/* ---- scatters ---- */

static tb_val
scatter(tb_val base, tb_val updates, uint32_t mask, int mode, tb_val a, tb_val b)
{
    return tb_scatter(g, base, updates, mask, mode, (tb_val[]){a, b}, b.id ? 2 : 1);
}

static void
scatter_rows(void)
{
    tb_val x = IN(F32, 9, 37), v = IN(F32, 20, 37), i = IN(I64, 20);
    for (int mode = 0; mode < 5; mode++)
        c_out(scatter(x, v, 1, mode, i, TB_NO_VAL));
    c_run((c_case){.tolerance = 1e-5, .index_below = 9});
}

static void
scatter_columns(void)
{
    tb_val x = IN(F32, 37, 9), v = IN(F32, 20, 37), i = IN(I64, 20);
    c_out(scatter(x, v, 2, 0, i, TB_NO_VAL));
    c_out(scatter(x, v, 2, 1, i, TB_NO_VAL));
    c_run((c_case){.tolerance = 1e-5, .index_below = 9});
}

static void
scatter_types(void)
{
    tb_val i = IN(I64, 20), a = IN(F16, 9, 5), b = IN(BOOL, 9, 5), c = IN(I8, 9, 5);
    tb_val d = IN(F64, 9, 19);
    c_out(scatter(a, tb_cast(g, IN(F32, 20, 5), TB_F16), 1, 0, i, TB_NO_VAL));
    c_out(scatter(b, IN(BOOL, 20, 5), 1, 1, i, TB_NO_VAL));
    c_out(scatter(c, IN(I8, 20, 5), 1, 2, i, TB_NO_VAL));
    c_out(scatter(d, tb_full_f(g, TB_F64, 2, DIMS(20, 19), 2), 1, 3, i, TB_NO_VAL));
    c_run((c_case){.tolerance = 1e-2, .index_below = 9});
}

/* As torch.scatter: one axis by index, the others count up. */
static void
scatter_along_axis(void)
{
    tb_dim n = c_sym("n", 0, 300), m = c_sym("m", 0, 300);
    tb_val x = IN(F32, n, 12), y = IN(F32, 12, m), i = IN(I64, n, m), w = IN(F32, n, m), j;
    tb_val rows = tb_iota(g, 2, DIMS(n, m), 0), cols = tb_iota(g, 2, DIMS(n, m), 1);
    j = tb_transpose(g, i, 0, 1);
    c_out(tb_scatter(g, x, w, 3, 1, (tb_val[]){rows, i}, 2));
    c_out(tb_scatter(g, x, w, 3, 0, (tb_val[]){rows, i}, 2));
    c_out(tb_scatter(g, y, w, 3, 1, (tb_val[]){i, cols}, 2));
    c_out(tb_scatter(g, x, tb_transpose(g, w, 0, 1), 3, 4,
                     (tb_val[]){tb_transpose(g, rows, 0, 1), j}, 2));
    c_run((c_case){SIZES({3, 5}, {1, 1}, {40, 100}, {7, 33}, {0, 4}, {4, 0}),
                   .tolerance = 1e-4, .index_below = 12});
}

static void
scatter_two_indices(void)
{
    tb_val x = IN(F32, 9, 6, 10), i = IN(I64, 4, 5), j;
    j = M2(rem, M2(mul, i, i), tb_full_like(g, i, 6));
    c_out(scatter(x, IN(F32, 4, 5, 10), 3, 1, i, j));
    c_out(scatter(x, IN(F32, 4, 5, 9), 6, 1, j, i));
    c_out(scatter(x, IN(F32, 4, 5, 6), 5, 0, i, i));
    c_run((c_case){.tolerance = 1e-5, .index_below = 9});
}

/* Few rows, a long untouched axis: tiles along it. */
static void
scatter_wide(void)
{
    tb_dim n = c_sym("n", 1, 5000);
    tb_val x = IN(F32, 5, n), i = IN(I64, 30), v = IN(F32, 30, n);
    c_out(scatter(x, v, 1, 1, i, TB_NO_VAL));
    c_run((c_case){SIZES({5}, {256}, {2000}, {4999}), .tolerance = 1e-4, .index_below = 5});
}

/* Base and updates computed in place: a histogram, and one row of a cache. */
static void
scatter_in_place(void)
{
    tb_val i = IN(I64, 500), x = IN(F32, 2, 8, 16), at = IN(I64, 1), row = IN(F32, 2, 16);
    tb_val zero = tb_full_i(g, TB_I64, 1, DIMS(8), 0);
    tb_val one = tb_full_i(g, TB_I64, 1, DIMS(500), 1);
    c_out(scatter(zero, one, 1, 1, i, TB_NO_VAL));
    c_out(scatter(M1(neg, x), tb_reshape(g, M2(mul, row, row), 3, DIMS(1, 2, 16)), 2, 0, at,
                  TB_NO_VAL));
    c_run((c_case){.tolerance = 1e-5, .index_below = 8});
}

static void
scatter_out_of_range(void)
{
    tb_val x = IN(F32, 9, 37), v = IN(F32, 200, 37), i = IN(I64, 200);
    c_out(scatter(x, v, 1, 1, i, TB_NO_VAL));
    c_run((c_case){.index_below = 10, .error = "range"});
}

static void
scatter_negative(void)
{
    tb_val x = IN(F32, 9), v = IN(F32, 200), i = IN(I64, 200);
    c_out(scatter(x, v, 1, 0, i, TB_NO_VAL));
    c_run((c_case){.error = "range"});
}

static void
scatter_into_nothing(void)
{
    tb_dim n = c_sym("n", 0, 100);
    tb_val x = IN(F32, n, 4), v = IN(F32, 3, 4), i = IN(I64, 3);
    c_out(scatter(x, v, 1, 1, i, TB_NO_VAL));
    c_run((c_case){SIZES({0}), .index_below = 1, .error = "range"});
}

/* ---- random numbers: spelled in maps ---- */

static void
random_bits(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x = IN(F32, n, 7), seed = IN(I64, 1), at, r;
    seed = tb_reshape(g, seed, 0, NULL);
    at = tb_full_i(g, TB_I64, 0, NULL, INT64_C(0xfffffffff)); /* carries into the high word */
    r = tb_rand(g, seed, at, 2, DIMS(n, 7));
    c_out(r);
    c_out(M2(lt, tb_cast(g, r, TB_F32), tb_full_like(g, x, 0x1p31)));
    c_out(tb_rand(g, tb_full_i(g, TB_I64, 0, NULL, INT64_C(67280421310721)), seed, 0, NULL));
    c_run((c_case){SIZES({1}, {3}, {10}, {500}), .tolerance = 0, .index_below = 1000});
}

int
main(void)
{
    CASE(scan_last_axis);
    CASE(scan_other_axes);
    CASE(scan_types);
    CASE(scan_of_expression);
    CASE(sort_rows);
    CASE(sort_types);
    CASE(sort_unsigned);
    CASE(sort_specials);
    CASE(sort_axes_dynamic);
    CASE(sort_large);
    CASE(sort_first_few);
    CASE(sort_first_of_ordered);
    CASE(sort_first_dynamic);
    CASE(scatter_rows);
    CASE(scatter_columns);
    CASE(scatter_types);
    CASE(scatter_along_axis);
    CASE(scatter_two_indices);
    CASE(scatter_wide);
    CASE(scatter_in_place);
    CASE(scatter_out_of_range);
    CASE(scatter_negative);
    CASE(scatter_into_nothing);
    CASE(random_bits);
    return t_done();
}

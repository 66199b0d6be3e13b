/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* reduction_test.c -- reductions of much to few numbers: compiled code against the
 * evaluator. */
#define C_MAX 16
#include "unit/compile_t.h"

#define RED(op, a, axes) tb_reduce(g, TB_P_##op, a, axes)

static void
to_one(void)
{
    tb_val x = IN(F32, 1024, 600);
    c_out(RED(rsum, tb_map2(g, TB_P_mul, x, x), 3));
    c_out(RED(rmax, x, 3));
    c_out(RED(rmin, tb_transpose(g, x, 0, 1), 3));
    c_out(tb_map1(g, TB_P_neg, RED(rsum, x, 1)));
    c_run((c_case){.tolerance = 1e-4});
}

static void
one_axis(void)
{
    tb_val x = IN(F32, 2, 4096, 70);
    c_out(RED(rsum, x, 2));
    c_out(RED(rmax, x, 6));
    c_out(RED(rmin, x, 5));
    c_run((c_case){.tolerance = 1e-4});
}

/* Lengths that cannot be cut evenly, and types. */
static void
lengths_and_types(void)
{
    c_out(RED(rsum, IN(F32, 1000003), 1));
    c_out(RED(rsum, IN(F64, 3, 262144), 3));
    c_out(RED(rsum, IN(I64, 8, 131072), 3));
    c_out(RED(rsum, IN(BF16, 1048576), 1));
    c_out(RED(rmax, IN(I32, 600000), 1));
    c_run((c_case){.tolerance = 1e-3});
}

static void
not_a_number(void)
{
    tb_val x = IN(F32, 1048576), nan = tb_full_like(g, x, NAN);
    tb_val big = tb_map2(g, TB_P_lt, tb_full_like(g, x, 0.9999), x);
    x = tb_where(g, big, nan, x);
    c_out(RED(rmax, x, 1));
    c_out(RED(rmin, x, 1));
    c_out(RED(rsum, x, 1));
    c_run((c_case){0});
}

static tb_val
softmax(tb_val x, uint32_t axes)
{
    tb_val e = tb_map1(g, TB_P_exp,
                       tb_map2(g, TB_P_sub, x, tb_expand_like(g, RED(rmax, x, axes), x)));
    return tb_map2(g, TB_P_div, e, tb_expand_like(g, RED(rsum, e, axes), x));
}

/* What one pass has computed waits in the result's place for the next: odd lengths, two
 * axes, an open length, three passes, results of another type (which do not wait there). */
static void
kept(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    int64_t sizes[][C_MAX] = {{1}, {15}, {64}, {333}, {1000}};

    c_out(softmax(IN(F32, 5, 1003), 2));
    c_out(softmax(IN(F32, 3, 37, 19), 6));
    c_out(softmax(IN(F64, 2, 515), 2));
    c_out(softmax(IN(F32, 2, 4101), 2)); /* longer than the scratch of a row */
    c_out(softmax(IN(F32, 7, n), 2));
    c_out(tb_cast(g, softmax(IN(F32, 3, 300), 2), TB_BF16));
    tb_val x = tb_map1(g, TB_P_tanh, IN(F32, 3, 700)); /* mean, variance, result */
    tb_val mean = tb_map2(g, TB_P_div, RED(rsum, x, 2), tb_full_like(g, RED(rsum, x, 2), 700));
    tb_val d = tb_map2(g, TB_P_sub, x, tb_expand_like(g, mean, x));
    tb_val var = RED(rsum, tb_map2(g, TB_P_mul, d, d), 2);
    c_out(tb_map2(g, TB_P_mul, d, tb_expand_like(g, tb_map1(g, TB_P_sqrt, var), x)));
    c_run((c_case){.sizes = sizes, .n_sizes = TB_COUNT(sizes), .tolerance = 1e-4});
}

/* Rows with a NaN, with infinities, of nothing but -inf, and others. */
static tb_val
odd_rows(tb_dim rows, tb_dim n)
{
    tb_val x = IN(F32, rows, n);
    static const double odd[] = {NAN, INFINITY, -INFINITY};

    for (int i = 0; i < 3; i++) {
        tb_val row = tb_iota(g, 2, DIMS(rows, n), 0), col = tb_iota(g, 2, DIMS(rows, n), 1);
        tb_val here = tb_map2(g, TB_P_eq, row, tb_full_like(g, row, 2 * i + 1));
        tb_val one = tb_map2(g, TB_P_eq, col, tb_full_like(g, col, 5 + i));
        if (i < 2) /* the last row as a whole */
            here = tb_map2(g, TB_P_and, here, one);
        x = tb_where(g, here, tb_full_like(g, x, odd[i]), x);
    }
    return x;
}

/* A maximum may pass over NaN where a sum has it as well, and only there. */
static void
nan_in_rows(const int64_t lengths[2])
{
    for (size_t i = 0; i < 2; i++) {
        tb_val x = odd_rows(7, lengths[i]), top = tb_expand_like(g, RED(rmax, x, 2), x);
        tb_val d = tb_map2(g, TB_P_sub, x, top), e = tb_map1(g, TB_P_exp, d);
        tb_val sum = RED(rsum, e, 2), wide = tb_expand_like(g, sum, x);
        tb_val zero = tb_full_like(g, x, 0);
        tb_val none = tb_map2(g, TB_P_eq, top, tb_full_like(g, x, -INFINITY));

        c_out(softmax(x, 2));
        c_out(tb_map2(g, TB_P_sub, d, tb_map1(g, TB_P_log, wide)));       /* log softmax */
        c_out(tb_map2(g, TB_P_add, RED(rmax, x, 2), tb_map1(g, TB_P_log, sum)));
        c_out(tb_where(g, none, zero, softmax(x, 2)));                      /* safe softmax */
        c_out(tb_map2(g, TB_P_div, top, tb_expand_like(g, RED(rsum, x, 2), x)));
        /* the sum is there and has no NaN, or is not asked */
        tb_val some = tb_where(g, tb_map2(g, TB_P_lt, zero, x), x, zero);
        c_out(tb_map2(g, TB_P_mul, top, tb_expand_like(g, RED(rsum, some, 2), x)));
        c_out(tb_map2(g, TB_P_max, top, tb_map2(g, TB_P_min, wide, zero)));
        c_out(tb_where(g, tb_map2(g, TB_P_lt, top, zero), tb_full_like(g, x, 1), wide));
    }
    c_run((c_case){.tolerance = 1e-5});
}

static void
nan_in_short_rows(void)
{
    nan_in_rows((int64_t[]){9, 64});
}

static void
nan_in_long_rows(void)
{
    nan_in_rows((int64_t[]){100, 1000});
}

static int asking_; /* kernels that are to ask memory for what they will read */

static void
check_asking(void)
{
    tb_buf out = c_text("kernels", "x86_64-v4");
    int n = 0;

    for (const char *at = (const char *)out.at, *end = at + out.n; at;) {
        const char *next = memmem(at, (size_t)(end - at), "\nkernel ", 8);
        const char *last = next ? next : end;
        if (memmem(at, (size_t)(last - at), "prefetch1 ", 10))
            n++;
        at = next ? next + 1 : NULL;
    }
    EQ_INT(n, asking_);
    tb_buf_free(&out);
}

/* Of 4 MiB and more: next rows, or further on along a row. */
static void
asks_ahead(void)
{
    tb_val x = IN(F32, 1100, 1003), y = IN(F32, 16, 70001), b = IN(F32, 1003);

    c_out(softmax(x, 2));
    c_out(RED(rsum, x, 2));
    c_out(softmax(y, 2));
    c_out(tb_map2(g, TB_P_mul, x, tb_expand(g, b, 2, DIMS(1100, 1003))));
    c_out(softmax(tb_slice_axis(g, x, 1, 0, 100, 1), 2)); /* of the large tensor, 100 of a row */
    asking_ = 5;
    c_run((c_case){.tolerance = 1e-4, .check = check_asking});
}

static void
asks_for_nothing(void)
{
    tb_val x = IN(F32, 500, 1003);

    c_out(softmax(x, 2));
    c_out(RED(rsum, x, 2));
    c_out(tb_map1(g, TB_P_neg, x));
    asking_ = 0;
    c_run((c_case){.tolerance = 1e-4, .check = check_asking});
}

/* The sum is of columns, the maximum of rows. */
static void
nan_elsewhere(void)
{
    tb_val x = odd_rows(64, 64), top = tb_expand_like(g, RED(rmax, x, 2), x);
    tb_val e = tb_map1(g, TB_P_exp, tb_map2(g, TB_P_sub, x, top));

    c_out(tb_map2(g, TB_P_div, e, tb_expand_like(g, RED(rsum, e, 1), x)));
    c_out(tb_map2(g, TB_P_div, top, tb_expand_like(g, RED(rsum, x, 1), x)));
    c_run((c_case){.tolerance = 1e-5});
}

/* Axes of a row that lie one after the other are one, where nothing asks for them alone. */
static void
axes_of_a_row(void)
{
    tb_dim n = c_sym("n", 1, 40);
    tb_val x = IN(F32, 70, 7, 7), y = IN(F32, 2, 3, 5, 11), z = IN(F32, 6, n, 9);
    int64_t sizes[][C_MAX] = {{1}, {2}, {7}, {33}};

    c_out(RED(rsum, x, 6));
    c_out(RED(rmax, tb_transpose(g, x, 1, 2), 6)); /* not one after the other */
    c_out(RED(rmin, IN(F64, 40, 5, 3), 6));
    c_out(RED(rsum, y, 12));
    c_out(RED(rsum, y, 14));
    c_out(RED(rsum, y, 10)); /* 3 and 11, with 5 between them */
    c_out(RED(rsum, z, 6));
    c_out(softmax(y, 12));
    c_out(softmax(z, 6));
    c_run((c_case){.sizes = sizes, .n_sizes = TB_COUNT(sizes), .tolerance = 1e-4});
}

static void
axes_of_a_row_read_apart(void)
{
    tb_val y = IN(F32, 2, 3, 5, 11), w = tb_expand(g, IN(F32, 11), 4, DIMS(2, 3, 5, 11));

    c_out(softmax(tb_transpose(g, y, 2, 3), 12));
    c_out(RED(rsum, tb_map2(g, TB_P_mul, y, w), 12));
    c_out(RED(rsum, tb_slice_axis(g, y, 3, 1, 10, 1), 12));
    c_out(RED(argmax, tb_reshape(g, y, 2, DIMS(6, 55)), 2));
    c_out(RED(argmax, y, 8));
    c_run((c_case){.tolerance = 1e-4});
}

/* Lengths around whole vectors, and rows so short that lanes run across them. */
static void
sums_and_softmaxes(const int64_t *lengths, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tb_val x = IN(F32, 45, lengths[i]);
        c_out(RED(rsum, x, 2));
        c_out(softmax(x, 2));
    }
}

static void
longer_rows(void)
{
    sums_and_softmaxes((int64_t[]){31, 49, 63, 64, 65, 129}, 6);
    c_run((c_case){.tolerance = 1e-5});
}

static void
short_rows(void)
{
    sums_and_softmaxes((int64_t[]){3, 5, 8, 15, 17}, 5);
    c_out(RED(rmax, IN(I64, 45, 13), 2));
    c_out(RED(argmin, IN(F32, 45, 6), 2));
    c_run((c_case){.tolerance = 1e-5});
}

/* Windows of size x size over the last two axes of x, padded by `pad` with `value`. */
static tb_val
pooled(tb_prim fold, tb_val x, int64_t size, int64_t stride, int64_t dilation, int64_t pad,
       double value)
{
    tb_dim edge[] = {0, pad, pad};
    if (pad)
        x = tb_pad(g, x, edge, edge, tb_full_f(g, tb_dtype_of(g, x), 0, NULL, value));
    x = tb_window(g, tb_window(g, x, 1, size, stride, dilation), 2, size, stride, dilation);
    return tb_reduce(g, fold, x, 24);
}

/* In two steps where windows are large, with loads of every second to fourth element,
 * under masks where there is padding; rows that do not fill vectors. */
static void
windows(void)
{
    for (int64_t stride = 2; stride <= 5; stride++) {
        tb_val x = IN(F32, 3, 21, 53);
        c_out(pooled(TB_P_rmax, x, 3, stride, 1, 1, -INFINITY));
        c_out(pooled(TB_P_rsum, x, 2, stride, 1, 0, 0));
    }
    c_run((c_case){.tolerance = 1e-5});
}

static void
windows_of_types(void)
{
    tb_dim n = c_sym("n", 9, 200);
    int64_t sizes[][C_MAX] = {{9}, {16}, {47}, {130}};

    c_out(pooled(TB_P_rmax, IN(F32, 2, 9, n), 3, 2, 1, 1, -INFINITY));
    c_out(pooled(TB_P_rsum, IN(F32, 2, n, 33), 5, 1, 1, 2, 0));
    c_out(pooled(TB_P_rsum, IN(F32, 2, 12, 33), 3, 2, 1, 1, 0.5)); /* the padding counts */
    c_out(pooled(TB_P_rmin, IN(F64, 2, 11, 35), 3, 2, 2, 1, 1));
    c_out(pooled(TB_P_rsum, IN(F32, 2, 12, 150), 3, 2, 1, 1, 0)); /* a loop along the row */
    c_out(pooled(TB_P_rmax, IN(F32, 2, 12, 300), 3, 2, 1, 1, -INFINITY));
    c_out(pooled(TB_P_rsum, IN(BF16, 2, 11, 35), 3, 2, 1, 1, 0));
    c_out(pooled(TB_P_rmax, IN(I32, 2, 11, 35), 3, 3, 1, 0, 0));
    c_run((c_case){.sizes = sizes, .n_sizes = TB_COUNT(sizes), .tolerance = 2e-2});
}

/* Every value is wanted twice by the next: 2^60 ways lead to the first. */
static void
many_ways(void)
{
    tb_val x = IN(F32, 5, 300), y = x;
    for (int i = 0; i < 60; i++)
        y = tb_map2(g, TB_P_min, tb_map1(g, TB_P_tanh, y), y);
    tb_val sum = tb_reduce(g, TB_P_rsum, y, 1u << 1);
    c_out(tb_map2(g, TB_P_sub, tb_map1(g, TB_P_exp, y), tb_expand_like(g, sum, y)));
    c_run((c_case){.tolerance = 1e-3});
}

int
main(void)
{
    CASE(windows);
    CASE(windows_of_types);
    CASE(kept);
    CASE(nan_in_short_rows);
    CASE(nan_in_long_rows);
    CASE(nan_elsewhere);
    CASE(asks_ahead);
    CASE(asks_for_nothing);
    CASE(axes_of_a_row);
    CASE(axes_of_a_row_read_apart);
    CASE(longer_rows);
    CASE(short_rows);
    CASE(to_one);
    CASE(one_axis);
    CASE(lengths_and_types);
    CASE(not_a_number);
    CASE(many_ways);
    return t_done();
}

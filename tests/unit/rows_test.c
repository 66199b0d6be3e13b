/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* rows_test.c -- maps and reductions over rows that vectors do not fill, at whose ends are pads:
 * compiled code against the evaluator. */
#define C_MAX 16
#include "unit/compile_t.h"

#define RED(op, a, axes) tb_reduce(g, TB_P_##op, a, axes)

static const int64_t lengths[] = {3, 7, 8, 13, 16, 17, 23, 24, 31, 32, 40, 49, 57, 100, 521};
static int64_t n; /* one of them */

/* x[4, n] . factor of each row: no single long axis. */
static tb_val
scaled(tb_val x)
{
    tb_val rows = IN(F32, 4, 1);
    return tb_map2(g, TB_P_mul, x, tb_expand_like(g, rows, x));
}

static void
maps(void)
{
    tb_val x = IN(F32, 4, n);
    c_out(scaled(x));
    c_out(tb_map1(g, TB_P_exp, scaled(x)));
    c_out(tb_map1(g, TB_P_neg, scaled(tb_cast(g, IN(I8, 4, n), TB_F32))));
    c_run((c_case){.tolerance = 1e-6});
}

static void
open_lengths(void)
{
    tb_val x = IN(F32, 4, c_sym("n", 1, 2000));
    c_out(scaled(x));
    c_out(RED(rsum, scaled(x), 2));
    c_out(tb_pad(g, x, DIMS(0, 2), DIMS(0, 1), tb_full_f(g, TB_F32, 0, NULL, 7)));
    c_run((c_case){SIZES({1}, {7}, {8}, {9}, {31}, {32}, {33}, {57}, {1000}), .tolerance = 1e-4});
}

/* Each element 16 times: the same for all lanes of a vector that begins at a multiple of them. */
static void
repeats(void)
{
    tb_val x = tb_reshape(g, IN(F32, 4, 3), 3, DIMS(4, 3, 1));
    x = tb_reshape(g, tb_expand(g, x, 3, DIMS(4, 3, 16)), 2, DIMS(4, 48));
    c_out(scaled(tb_slice_axis(g, x, 1, 0, 36, 1)));
    c_out(scaled(tb_slice_axis(g, x, 1, 3, 36, 1)));
    c_run((c_case){.tolerance = 1e-6});
}

/* Ends of different lengths; what lies outside is not 0. */
static void
pads(void)
{
    tb_val x = IN(F32, 2, 3, n);
    tb_val seven = tb_full_f(g, TB_F32, 0, NULL, 7);
    c_out(tb_map1(g, TB_P_neg, tb_pad(g, x, DIMS(0, 1, 1), DIMS(0, 0, 0), seven)));
    c_out(tb_map1(g, TB_P_neg, tb_pad(g, x, DIMS(0, 0, 0), DIMS(0, 2, 3), seven)));
    c_out(tb_map1(g, TB_P_neg, tb_pad(g, x, DIMS(0, 0, 9), DIMS(0, 0, 10), seven)));
    c_out(tb_map1(g, TB_P_neg, tb_concat(g, (tb_val[]){x, x, x}, 3, 2)));
    c_run((c_case){.tolerance = 1e-6});
}

/* Sums over windows of padded rows, with steps of 1 and 2, as depthwise convolutions are. */
static void
windows(void)
{
    tb_val zero = tb_full_f(g, TB_F32, 0, NULL, 0);
    tb_val x = tb_pad(g, IN(F32, 2, 6, n), DIMS(0, 1, 1), DIMS(0, 1, 1), zero);
    for (int step = 1; step <= 2; step++) {
        tb_val w = tb_window(g, tb_window(g, x, 2, 3, step, 1), 1, 3, step, 1);
        c_out(RED(rsum, w, 1u << 3 | 1u << 4));
        c_out(RED(rmax, w, 1u << 3 | 1u << 4));
    }
    c_run((c_case){.tolerance = 1e-5});
}

static tb_val
softmax(tb_val x)
{
    tb_val e = tb_map1(g, TB_P_exp,
                       tb_map2(g, TB_P_sub, x, tb_expand_like(g, RED(rmax, x, 2), x)));
    return tb_map2(g, TB_P_div, e, tb_expand_like(g, RED(rsum, e, 2), x));
}

/* The exponentials wait in scratch, or, in long rows, where the result will be. */
static void
kept(void)
{
    tb_dim open = c_sym("n", 1, 9000);
    c_out(softmax(IN(F32, 3, 45)));
    c_out(softmax(IN(F32, 3, 4109)));
    c_out(softmax(IN(F32, 3, open)));
    c_run((c_case){SIZES({5}, {8}, {45}, {4109}), .tolerance = 1e-6});
}

/* Elements shorter than what they are computed in, behind the last of which nothing may be written. */
static void
short_ends(void)
{
    static const tb_dtype types[] = {TB_BF16, TB_F16, TB_I16, TB_I8, TB_BOOL};

    for (size_t i = 0; i < TB_COUNT(types); i++)
        c_out(tb_cast(g, scaled(IN(F32, 4, n)), types[i]));
    c_run((c_case){.tolerance = 4e-3});
}

int
main(void)
{
    for (size_t i = 0; i < TB_COUNT(lengths); i++) {
        n = lengths[i];
        CASE(maps);
        CASE(pads);
        CASE(windows);
    }
    CASE(open_lengths);
    CASE(repeats);
    CASE(kept);
    for (size_t i = 0; i < TB_COUNT(lengths); i++) {
        n = lengths[i];
        CASE(short_ends);
    }
    return t_done();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* attention_test.c -- streaming attention of many shapes: compiled code against the
 * evaluator. */
#include "unit/compile_t.h"

static int queries, keys, depth, width; /* of the case */

static tb_val
attention(tb_dtype t, bool causal)
{
    tb_val q = c_in(t, 3, (tb_dim[]){2, queries, depth}), k = c_in(t, 3, (tb_dim[]){2, keys, depth});
    tb_val v = c_in(t, 3, (tb_dim[]){2, keys, width});
    return tb_attention(g, q, k, v, TB_NO_VAL, causal, 0.3);
}

static void
shapes(void)
{
    c_out(attention(TB_F32, false));
    c_out(tb_map1(g, TB_P_neg, attention(TB_F32, true)));
    c_run((c_case){.tolerance = 1e-5});
}

static void
halves(void)
{
    c_out(attention(TB_BF16, false));
    c_out(attention(TB_F16, true));
    c_run((c_case){.tolerance = 2e-2});
}

static void
doubles(void)
{
    c_out(attention(TB_F64, true));
    c_out(attention(TB_F64, false));
    c_run((c_case){.tolerance = 1e-12});
}

/* Heads in the last axis but one, as models have them; the result goes back there. */
static void
heads(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x[3];
    for (int i = 0; i < 3; i++)
        x[i] = tb_transpose(g, IN(F32, 2, n, 3, 32), 1, 2);
    c_out(tb_transpose(g, tb_attention(g, x[0], x[1], x[2], TB_NO_VAL, false, 0.2), 1, 2));
    c_out(tb_attention(g, x[0], x[1], tb_transpose(g, IN(F32, 2, 3, 32, n), 2, 3), TB_NO_VAL,
                       true, 0.2));
    c_run((c_case){SIZES({1}, {4}, {63}, {64}, {100}, {130}), .tolerance = 1e-5});
}

/* Q is transposed in memory: no squares along d. */
static void
turned(void)
{
    tb_val q = tb_transpose(g, IN(F32, 2, 16, 70), 1, 2), k = IN(F32, 2, 40, 16);
    tb_val v = tb_transpose(g, IN(F32, 2, 32, 40), 1, 2);
    c_out(tb_attention(g, q, k, v, TB_NO_VAL, false, 0.2));
    c_run((c_case){.tolerance = 1e-5});
}

int
main(void)
{
    static const int s[][4] = {
        {4, 1, 1, 1},     {5, 7, 16, 16},     {16, 16, 32, 32},  {17, 33, 20, 24},
        {48, 96, 64, 64}, {97, 97, 8, 40},    {64, 200, 33, 32}, {197, 197, 64, 64},
        {130, 5, 48, 80}, {33, 128, 100, 96}, {70, 97, 128, 128}, {65, 300, 17, 3}};
    for (size_t i = 0; i < TB_COUNT(s); i++) {
        queries = s[i][0], keys = s[i][1], depth = s[i][2], width = s[i][3];
        CASE(shapes);
        if (i % 3 == 1)
            CASE(halves);
        if (i % 4 == 3)
            CASE(doubles);
    }
    CASE(heads);
    CASE(turned);
    return t_done();
}

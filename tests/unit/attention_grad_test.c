/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* attention_grad_test.c -- what training needs of streaming attention, of many shapes: compiled
 * code against the evaluator. */
#include "unit/compile_t.h"

static int queries, keys, depth, width; /* of the case */

/* A step of training: the attention, its sums and the gradients for `grad`. */
static void
train(tb_val q, tb_val k, tb_val v, tb_val grad, tb_val mask, bool causal)
{
    tb_val all = tb_attention_lse(g, q, k, v, mask, causal, 0.3);
    tb_val o = tb_attention(g, q, k, v, mask, causal, 0.3); /* computed with the sums */
    tb_val at[6] = {grad, q, k, v, tb_attention_lse_sums(g, all, q, v)}, d;
    tb_dtype wide = tb_dtype_of(g, all);
    int last = tb_rank(g, q) - 1;

    d = tb_map2(g, TB_P_mul, tb_cast(g, grad, wide), tb_cast(g, o, wide));
    at[TB_GRAD_ROW] = tb_squeeze_axes(g, tb_reduce(g, TB_P_rsum, d, 1u << last), 1u << last);
    d = tb_attention_grad(g, at, mask, causal, 0.3);
    c_out(o);
    c_out(at[TB_GRAD_LSE]);
    for (int i = TB_GRAD_Q; i <= TB_GRAD_V; i++)
        c_out(tb_attention_grad_of(g, d, at, i));
}

static tb_dtype type; /* of the case */

static void
train_case(bool causal, tb_dtype mask_type)
{
    tb_val q = c_in(type, 3, (tb_dim[]){2, queries, depth});
    tb_val k = c_in(type, 3, (tb_dim[]){2, keys, depth});
    tb_val v = c_in(type, 3, (tb_dim[]){2, keys, width});
    tb_val grad = c_in(type, 3, (tb_dim[]){2, queries, width});
    tb_val mask = TB_NO_VAL;

    if (mask_type != TB_NONE)
        mask = c_in(mask_type, 3, (tb_dim[]){1, queries, keys});
    train(q, k, v, grad, mask, causal);
    c_run((c_case){.tolerance = type == TB_F64 ? 1e-12 : type == TB_F32 ? 2e-5 : 2e-2});
}

static void
gradients(void)
{
    train_case(false, TB_NONE);
}

static void
gradients_causal(void)
{
    train_case(true, TB_NONE);
}

static void
gradients_bool_mask(void) /* some queries of few keys see none of them */
{
    train_case(false, TB_BOOL);
}

static void
gradients_float_mask(void)
{
    train_case(true, TB_F32);
}

/* Nothing is seen: lse is -inf and all gradients are 0. */
static void
gradients_of_nothing(void)
{
    tb_val x[4], mask = tb_full_i(g, TB_BOOL, 2, (tb_dim[]){70, 40}, 0);
    for (int i = 0; i < 4; i++)
        x[i] = i == 0 || i == 3 ? IN(F32, 2, 70, 16) : IN(F32, 2, 40, 16);
    train(x[0], x[1], x[2], x[3], mask, false);
    c_run((c_case){.tolerance = 0});
}

/* Heads in the last axis but one, open lengths. */
static void
gradients_heads(void)
{
    tb_dim n = c_sym("n", 1, 1000), m = c_sym("m", 1, 1000);
    tb_val x[4];
    for (int i = 0; i < 4; i++)
        x[i] = tb_transpose(g, IN(F32, 2, i == 0 || i == 3 ? n : m, 3, 32), 1, 2);
    train(x[0], x[1], x[2], x[3], TB_NO_VAL, false);
    c_run((c_case){SIZES({1, 1}, {4, 7}, {63, 64}, {65, 1}, {100, 130}, {130, 200}),
                   .tolerance = 2e-5});
}

static void
gradients_heads_causal(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x[4];
    for (int i = 0; i < 4; i++)
        x[i] = tb_transpose(g, IN(F32, 2, n, 3, 20), 1, 2);
    train(x[0], x[1], x[2], x[3], TB_NO_VAL, true);
    c_run((c_case){SIZES({1}, {4}, {63}, {64}, {100}, {130}), .tolerance = 2e-5});
}

/* Nothing lies row by row. */
static void
gradients_turned(void)
{
    tb_val x[4];
    for (int i = 0; i < 4; i++)
        x[i] = tb_transpose(g, i == 0 || i == 3 ? IN(F32, 2, 16, 70) : IN(F32, 2, 16, 40), 1, 2);
    train(x[0], x[1], x[2], x[3], TB_NO_VAL, false);
    c_run((c_case){.tolerance = 2e-5});
}

int
main(void)
{
    static const struct {
        int size[4];
        tb_dtype type;
        void (*run)(void);
    } cases[] = {
        {{4, 1, 1, 1}, TB_F32, gradients},
        {{17, 33, 20, 24}, TB_F32, gradients_causal},
        {{97, 97, 8, 40}, TB_F32, gradients_bool_mask},
        {{130, 5, 48, 80}, TB_F32, gradients_causal},
        {{64, 200, 33, 32}, TB_F32, gradients},
        {{70, 97, 128, 128}, TB_F32, gradients_float_mask},
        {{65, 300, 17, 3}, TB_F32, gradients_causal},
        {{33, 70, 16, 16}, TB_F16, gradients},
        {{40, 33, 20, 24}, TB_BF16, gradients_causal},
        {{40, 33, 20, 24}, TB_F64, gradients_float_mask},
    };
    for (size_t i = 0; i < TB_COUNT(cases); i++) {
        queries = cases[i].size[0], keys = cases[i].size[1];
        depth = cases[i].size[2], width = cases[i].size[3];
        type = cases[i].type;
        c_test(cases[i].run, "gradients");
    }
    CASE(gradients_of_nothing);
    CASE(gradients_heads);
    CASE(gradients_heads_causal);
    CASE(gradients_turned);
    return t_done();
}

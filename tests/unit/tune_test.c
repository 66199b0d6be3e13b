/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * tune_test.c -- the ways to compute a group: each gives what the evaluator does, and
 * measuring them ends with a program that does, too.
 */
#include "artifact/cpu.h"
#include "kernel/lower.h"
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)

/* ---- every variant ---- */

/* Products with constant and with other operands, in place, along r, in long rows. */
static void
products(void)
{
    tb_dim m = c_sym("m", 1, 500);
    tb_val x = IN(F32, m, 70), y = tb_dot(g, x, CONST(70, 130));
    c_out(M2(max, y, tb_full_like(g, y, 0)));
    c_out(tb_dot(g, IN(F32, 100, 64), IN(F32, 64, 128)));
    c_run((c_case){(int64_t[][C_MAX]){{1}, {7}, {333}}, 3, .tolerance = 5e-5});
}

static void
more_products(void)
{
    c_out(tb_dot(g, IN(F32, 9, 40), tb_transpose(g, IN(F32, 66, 40), 0, 1)));
    c_out(tb_dot(g, IN(F32, 2, 1100), IN(F32, 1100, 1027)));
    c_out(tb_transpose(g, tb_dot(g, IN(F32, 3, 40, 33), IN(F32, 3, 33, 70)), 1, 2));
    c_run((c_case){.tolerance = 1e-4});
}

static void
convolution(void)
{
    const int64_t ones[2] = {1, 1};
    tb_val x = IN(F32, 2, 48, 13, 18), y;
    y = tb_conv(g, TB_P_conv, x, CONST(64, 48, 3, 3), CONST(64), 2, 1, ones, ones, ones, ones);
    c_out(M2(max, y, tb_full_like(g, y, 0)));
    c_run((c_case){.tolerance = 5e-5});
}

/* Rows that are reduced, maps, and an axis in pieces. */
static void
nests(void)
{
    tb_dim n = c_sym("n", 1, 100000);
    tb_val x = IN(F32, n, 50), y = IN(F32, 3, n), top = tb_reduce(g, TB_P_rmax, x, 1u << 1);
    c_out(M2(sub, x, tb_expand(g, top, 2, (tb_dim[]){n, 50})));
    c_out(M1(exp, y));
    c_out(tb_reduce(g, TB_P_rsum, y, 1u << 1));
    c_run((c_case){(int64_t[][C_MAX]){{1}, {19}, {4000}}, 3, .tolerance = 2e-4});
}

/* ---- measuring ---- */

/* The unit is as it was after each time, and what cannot run here is refused. */
static void
check_tuning(void)
{
    const char *host = tb_cpu_host()->name;
    const char *other = tb_cpu_machine() == TB_EM_AARCH64 ? "x86_64-v3" : "aarch64";
    tb_compile_options o = {.targets = &host, .n_targets = 1};
    tb_tune_options measure = {.workers = 1, .seconds = 0.01};
    uint32_t graphs = u->graphs.n, consts = u->consts.n;

    for (int i = 0; i < 2; i++) {
        tb_tune_report report;
        tb_buf bytes = {0};
        tb_status st = tb_tune(u, &o, &measure, &bytes, &report);
        if (CHECK(!st)) {
            CHECK(bytes.n > 0 && report.groups > 0 && report.changed <= report.groups);
            CHECK(report.tuned_ms > 0 && report.tuned_ms <= report.usual_ms);
        } else {
            printf("# %s\n", tb_status_message(st));
        }
        tb_status_free(st);
        tb_buf_free(&bytes);
        EQ_INT(u->graphs.n, graphs);
        EQ_INT(u->consts.n, consts);
    }
    tb_buf bytes = {0};
    o.targets = &other;
    tb_status st = tb_tune(u, &o, &measure, &bytes, NULL);
    CHECK(st && bytes.n == 0);
    tb_status_free(st);
}

/* With a hint for the open size, a weight of its own for each product, and one twice. */
static void
network(void)
{
    tb_dim m = c_sym("m", 1, 500);
    u->syms.at[0].hint = 60;
    tb_val x = IN(F32, m, 64), w = CONST(64, 64);
    for (int i = 0; i < 3; i++) {
        x = tb_dot(g, x, i < 2 ? w : CONST(64, 64));
        x = M1(tanh, x);
    }
    c_out(x);
    c_run((c_case){(int64_t[][C_MAX]){{1}, {60}}, 2, .tolerance = 5e-5, .check = check_tuning});
}

/* Zeros as inputs are refused: nothing is measured, and the program is the usual one. */
static void
refuses_zeros(void)
{
    tb_val x = IN(F32, 5, 6), sum = tb_reduce(g, TB_P_rsum, M2(mul, x, x), 3);
    sum = tb_reshape(g, sum, 0, NULL);
    tb_assert_node(g, M2(lt, tb_full_like(g, sum, 0), sum), TB_STR("x must not be 0"));
    c_out(M1(exp, x));
    c_run((c_case){.tolerance = 1e-5});
}

int
main(void)
{
    for (c_variant = 0; c_variant < TB_VARIANT_END; c_variant++) {
        CASE(products);
        CASE(more_products);
        CASE(convolution);
        CASE(nests);
    }
    c_variant = 0;
    c_measures = true;
    CASE(network);
    CASE(convolution);
    CASE(refuses_zeros);
    return t_done();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * treg_test.c -- tile registers: machine code, on a processor that has them or emulated
 * (emulated/amx.h), and the interpreter, against plain C. Numbers are small and whole, so that sums
 * are exact in any order.
 */
#include "unit/code_t.h"
#include "unit/emulated/amx.h"

#if defined(__x86_64__) && defined(__linux__)
enum { ROWS = 32, COLUMNS = 32, DEPTH = 96, A_PITCH = DEPTH + 8, B_PITCH = 48, C_PITCH = 40 };

static uint16_t a[ROWS][A_PITCH], b[DEPTH / 2][B_PITCH][2];
static float c[2][ROWS][C_PITCH], want[ROWS][C_PITCH];

/* Any instructions will do around the tile registers. */
static const tb_cpu_level narrow = {.name = "x86_64-v3 with amx",
                                    .triple = "x86_64-unknown-linux-gnu",
                                    .cpu = "x86-64-v3",
                                    .llvm_features = "+amx-tile,+amx-bf16",
                                    .abi = "",
                                    .machine = TB_EM_X86_64};

static int
whole_number(void)
{
    static uint32_t state = 7;

    state = state * 1664525 + 1013904223;
    return (int)(state >> 24) % 9 - 4;
}

static void
fill(void)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < A_PITCH; j++)
            a[i][j] = tb_f32_to_bf16((float)whole_number());
    for (int i = 0; i < DEPTH; i++)
        for (int j = 0; j < B_PITCH; j++)
            b[i / 2][j][i % 2] = tb_f32_to_bf16((float)whole_number());
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < C_PITCH; j++)
            c[0][i][j] = c[1][i][j] = want[i][j] = (float)whole_number();
}

static void
multiply(int upper, int lower)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            if (i % 16 >= (i < 16 ? upper : lower))
                continue;
            want[i][j] = i < 16 && j < 16 ? 0 : want[i][j]; /* the first is not loaded */
            for (int r = 0; r < DEPTH; r++)
                want[i][j] += tb_bf16_to_f32(a[i][r]) * tb_bf16_to_f32(b[r / 2][j][r % 2]);
        }
}

/* A product of 2 x 2 registers, its sums partly from memory. */
static tb_kernel *
product(int upper, int lower)
{
    tb_kernel *k = tb_kernel_new(cx, &target, TB_STR("k0_tregs"));
    tb_kv u = tb_k_int(k, upper), l = tb_k_int(k, lower), all = tb_k_int(k, 16);
    tb_kv rows[TB_TREGS] = {u, u, l, l, u, l, all, all};
    tb_kv to = tb_k_binding(k, 2), pitch = tb_k_int(k, C_PITCH * 4);

    tb_k_treg_config(k, rows);
    for (int t = 0; t < 4; t++) {
        tb_kv at = tb_k_int(k, t / 2 * 16 * C_PITCH + t % 2 * 16);
        if (t)
            tb_k_treg_load(k, t, tb_k_ptr_add(k, to, at, 4), pitch);
        else
            tb_k_treg_zero(k, t);
    }
    tb_kv s = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    for (int t = 0; t < 2; t++) {
        tb_kv from = tb_k_ptr_add(k, tb_k_binding(k, 0), tb_k_int(k, t * 16 * A_PITCH), 2);
        tb_k_treg_load(k, 4 + t, tb_k_ptr_add(k, from, s, 64), tb_k_int(k, A_PITCH * 2));
        from = tb_k_ptr_add(k, tb_k_binding(k, 1), tb_k_int(k, t * 16), 4);
        tb_k_treg_load(k, 6 + t, tb_k_ptr_add(k, from, s, 16 * B_PITCH * 4),
                       tb_k_int(k, B_PITCH * 4));
    }
    for (int t = 0; t < 4; t++)
        tb_k_treg_dot(k, t, 4 + t / 2, 6 + t % 2);
    tb_k_end_for(k, NULL, NULL);
    for (int t = 0; t < 4; t++) {
        tb_kv at = tb_k_int(k, t / 2 * 16 * C_PITCH + t % 2 * 16);
        tb_k_treg_store(k, t, tb_k_ptr_add(k, to, at, 4), pitch);
    }
    tb_k_treg_release(k);
    tb_kernel_verify(k);
    return k;
}

static void
products(void)
{
    static const int rows[][2] = {{16, 16}, {16, 1}, {5, 7}, {1, 16}};

    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        int upper = rows[i][0], lower = rows[i][1];
        tb_kernel *k = product(upper, lower);
        void *got[3] = {a, b, c[0]}, *interpreted[3] = {a, b, c[1]};
        size_t bytes[3] = {sizeof a, sizeof b, sizeof want};
        fill();
        multiply(upper, lower);
        EQ_INT(tb_kernel_eval(k, interpreted, bytes, NULL, 0, DEPTH / 32, NULL), 0);
        CHECK(memcmp(c[1], want, sizeof want) == 0);
        EQ_INT(t_call(k, got, NULL, 0, DEPTH / 32), 0);
        CHECK(memcmp(c[0], want, sizeof want) == 0);
    }
}

static void
with_targets(void (*body)(void), const char *message)
{
    const tb_cpu_level *level = tb_cpu_find("x86_64-v4-amx");

    target = (tb_target){.level = &narrow, .lanes = 8, .vregs = 16, .fma = true, .amx = true};
    t_guarded(body, message);
    if (tb_cpu_features() & TB_CPU(AVX512F) && tb_cpu_features() & TB_CPU(AVX512_BF16)) {
        target = tb_target_of(level);
        t_guarded(body, message);
    }
}

static void
test_products(void)
{
    with_targets(products, NULL);
}

/* What is no number or too large for one, and subnormals, in the interpreter alone: sums of even
 * and of odd r, then both. */
static void
odd_numbers(void)
{
    static const uint16_t x[4] = {0x0001 /* subnormal */, 0x7f80 /* inf */, 0x0080, 0x3f80};
    static const uint16_t y[4] = {0x7f00, 0x3f80, 0x3f00, 0xbf80};
    static const uint32_t want_bits[4] = {0, 0x7f800000, 0 /* 2^-127 */, 0xbf800000};
    tb_tregs t = {0};
    int64_t rows[TB_TREGS] = {4, 1, 1, 1, 4, 1, 16, 1};

    CHECK(tb_tregs_config(&t, rows));
    for (int m = 0; m < 4; m++)
        memcpy(t.bytes[4][m] + 2 * (m & 1), &x[m], 2);
    for (int n = 0; n < 4; n++)
        memcpy(t.bytes[6][0] + 4 * n + 2 * (n & 1), &y[n], 2);
    CHECK(tb_tregs_dot(&t, 0, 4, 6));
    for (int m = 0; m < 4; m++) {
        uint32_t bits;
        memcpy(&bits, t.bytes[0][m] + 4 * m, 4);
        EQ_INT(bits, want_bits[m]);
    }
}

/* What the processor would refuse. */
static void
without_config_body(void)
{
    tb_kernel *k = tb_kernel_new(cx, &target, TB_STR("k0_bare"));

    tb_k_treg_zero(k, 3);
    tb_kernel_eval(k, NULL, NULL, NULL, 0, 1, NULL);
}

static void
too_many_rows_body(void)
{
    tb_kernel_eval(product(17, 16), (void *[]){a, b, c}, NULL, NULL, 0, 0, NULL);
}

static void
outside_body(void)
{
    size_t bytes[3] = {sizeof a - 40, sizeof b, sizeof c[0]};

    tb_kernel_eval(product(16, 16), (void *[]){a, b, c}, bytes, NULL, 0, DEPTH / 32, NULL);
}

static void
no_tregs_body(void)
{
    tb_target without = target;
    tb_kernel *k = product(16, 16);

    without.amx = false;
    k->target = &without;
    tb_kernel_verify(k);
}

static void
refused(void)
{
    static const char rows[] = ": the tile registers do not have the rows for it";
    char message[128];

    snprintf(message, sizeof message, "kernel k0_bare, function k0_bare, instruction 1%s", rows);
    with_targets(without_config_body, message);
    snprintf(message, sizeof message, "kernel k0_tregs, function k0_tregs, instruction 5%s", rows);
    with_targets(too_many_rows_body, message);
    with_targets(outside_body, "kernel k0_tregs, function k0_tregs, v30: access at byte 6576 of "
                               "binding 0, which has 6616 bytes");
    with_targets(no_tregs_body, "kernel k0_tregs, function k0_tregs, v4: does not hold: "
                                "entry && c->k->target->amx && i->n_in == TB_TREGS");
}

int
main(void)
{
    amx_emulate();
    RUN(test_products);
    RUN(odd_numbers);
    RUN(refused);
    return t_done();
}
#else
int
main(void)
{
    return t_done();
}
#endif

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * codegen_test.c -- machine code against plain C, on every CPU level of this machine.
 */
#include <math.h>
#include <stdlib.h>

#include "kernel/build.h"
#include "unit/code_t.h"

#define NO TB_NO_KV

static tb_kernel *
begin(const char *name)
{
    return tb_kernel_new(cx, &target, tb_str_c(name));
}

static int
width(void)
{
    return target.lanes > 1 ? target.lanes : 4;
}

static tb_kv
map2(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b)
{
    return tb_k_map(k, p, a, b, NO);
}

/* lanes of the vector at i that are below n */
static tb_kv
tail_mask(tb_kernel *k, tb_kv i, tb_kv n)
{
    tb_kv at = tb_k_add(k, tb_k_splat(k, i, width()), tb_k_lane_ids(k, TB_I64, width()));

    return tb_k_lt(k, at, tb_k_splat(k, n, width()));
}

/* ---- loops and masks ---- */

/* out[i] = x[i] * y[i] + 1 for i in tiles, the tail under a mask */
static void
masked_tail_body(void)
{
    tb_kernel *k = begin("k0_tail");
    int w = width();
    tb_kv x = tb_k_binding(k, 0), y = tb_k_binding(k, 1), out = tb_k_binding(k, 2);
    float a[61], b[61], r[64];

    tb_kv end = tb_k_tile_end(k);
    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), end, w, NULL, 0);
    tb_kv m = tail_mask(k, i, end);
    tb_kv v = tb_k_fma(k, tb_k_load(k, TB_F32, w, x, i, 0, m),
                       tb_k_load(k, TB_F32, w, y, i, 0, m), tb_k_const(k, TB_F32, 1));
    tb_k_store(k, TB_F32, out, i, 0, v, m);
    tb_k_end_for(k, NULL, NULL);

    for (int n = 0; n < 61; n++) {
        a[n] = (float)n;
        b[n] = (float)(n % 7);
    }
    for (int64_t n = 0; n <= 61; n += 61 - (n < 61 ? 24 : 0)) {
        void *bind[3] = {a, b, r};
        for (int j = 0; j < 64; j++)
            r[j] = -1;
        EQ_INT(t_call(k, bind, NULL, 0, n), 0);
        for (int j = 0; j < 64; j++)
            EQ_INT(r[j], j < n ? j * (j % 7) + 1 : -1);
    }
}
LEVELS(masked_tail)

/* Nested loops with carried values, zero rounds among them; sizes; IF with else. */
static void
loops_body(void)
{
    tb_kernel *k = begin("k1_loops");
    tb_kv out = tb_k_binding(k, 0), init[2], next[2], done[2], inner;
    int64_t size = 0, r[40];
    tb_unit *u = tb_unit_new(cx, TB_STR("m"));

    tb_kv n = tb_k_dim(k, u, tb_sym_new(u, TB_STR("s"), TB_SYM_SHAPE, 0, 1000));
    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    init[0] = tb_k_int(k, 1);
    init[1] = i;
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), n, 3, init, 2);
    inner = tb_k_int(k, 0);
    tb_k_for(k, tb_k_int(k, 0), j, 1, &inner, 1);
    next[0] = tb_k_add(k, tb_k_carried(k, 0), i);
    tb_k_end_for(k, next, &inner);
    next[0] = tb_k_add(k, tb_k_carried(k, 0), inner);
    next[1] = tb_k_sub(k, tb_k_mul(k, tb_k_carried(k, 1), tb_k_int(k, 3)), next[0]);
    tb_k_end_for(k, next, done);
    tb_k_if(k, tb_k_lt(k, tb_k_mod(k, i, tb_k_int(k, 2)), tb_k_int(k, 1)));
    tb_k_store(k, TB_I64, out, i, 0, done[0], NO);
    tb_k_else(k);
    tb_k_store(k, TB_I64, out, i, 0, done[1], NO);
    tb_k_end_if(k);
    tb_k_end_for(k, NULL, NULL);

    for (size = 0; size < 20; size += 19) {
        void *bind[1] = {r};
        EQ_INT(t_call(k, bind, &size, 3, 40), 0);
        for (int64_t a = 3; a < 40; a++) {
            int64_t x = 1, y = a;
            for (int64_t b = 0; b < size; b += 3) {
                x += a * b;
                y = (int64_t)((uint64_t)y * 3 - (uint64_t)x);
            }
            EQ_INT(r[a], a % 2 == 0 ? x : y);
        }
    }
}
LEVELS(loops)

/* A mask made outside a loop, carried through another and passed to a function. */
static void
masks_travel_body(void)
{
    tb_kernel *k = begin("k2_masks");
    int w = width();
    uint16_t params[3] = {TB_K_PTR | 1 << 8, (uint16_t)(TB_BOOL | w << 8), TB_BOOL | 1 << 8};
    tb_kv out = tb_k_binding(k, 0), m, args[3];
    int32_t r[3 * 64], want[64];

    uint32_t fn = tb_k_fn_begin(k, TB_STR("put"), params, 3);
    tb_k_if(k, tb_k_param(k, 2));
    tb_k_store(k, TB_I32, tb_k_param(k, 0), NO, 0,
               tb_k_cast(k, tb_k_param(k, 1), TB_I32), NO);
    tb_k_end_if(k);
    tb_k_fn_end(k);

    m = tail_mask(k, tb_k_int(k, 0), tb_k_tile_end(k));
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, 3), 1, &m, 1);
    tb_kv now = tb_k_carried(k, 0);
    args[0] = tb_k_ptr_add(k, out, i, 4 * w);
    args[1] = map2(k, TB_P_and, now, m);
    args[2] = tb_k_lt(k, i, tb_k_int(k, 2));
    tb_k_call(k, fn, args, 3);
    tb_kv next = tb_k_map(k, TB_P_not, now, NO, NO), after;
    tb_k_end_for(k, &next, &after);
    tb_k_store(k, TB_I32, out, tb_k_int(k, 2 * w), 0, tb_k_cast(k, after, TB_I32), NO);

    void *bind[1] = {r};
    memset(r, 0x55, sizeof r);
    EQ_INT(t_call(k, bind, NULL, 0, 3), 0);
    for (int j = 0; j < w; j++)
        want[j] = j < 3;
    for (int j = 0; j < w; j++) {
        EQ_INT(r[j], want[j]);
        EQ_INT(r[w + j], 0);
        EQ_INT(r[2 * w + j], !want[j]);
    }
}
LEVELS(masks_travel)

/* The first code that fails is returned; the kernel goes on. */
static void
fail_body(void)
{
    tb_kernel *k = begin("k3_fail");
    int32_t r[8] = {0};
    void *bind[1] = {r};

    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_k_fail_if(k, map2(k, TB_P_eq, i, tb_k_int(k, 3)), 2);
    tb_k_fail_if(k, map2(k, TB_P_eq, i, tb_k_int(k, 5)), 1);
    tb_k_store(k, TB_I32, tb_k_binding(k, 0), i, 0, tb_k_const_int(k, TB_I32, 7), NO);
    tb_k_end_for(k, NULL, NULL);
    EQ_INT(t_call(k, bind, NULL, 0, 3), 0);
    EQ_INT(t_call(k, bind, NULL, 0, 8), 2);
    EQ_INT(t_call(k, bind, NULL, 4, 8), 1);
    EQ_INT(r[7], 7);
}
LEVELS(fail)

int
main(void)
{
    RUN(masked_tail);
    RUN(loops);
    RUN(masks_travel);
    RUN(fail);
    return t_done();
}

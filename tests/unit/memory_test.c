/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * memory_test.c -- places in the arena: whatever lives together lies apart, and what does
 * not may share.
 */
#include "program/program.h"
#include "unit/graph_t.h"

enum { MAX_LIVES = 300 };

static uint64_t seed = 1;

static uint32_t
below(uint32_t n)
{
    seed = tb_hash_u64(seed, 3);
    return (uint32_t)(seed % n);
}

static int64_t
value(tb_dim d, int64_t s0)
{
    int64_t values[] = {s0};
    return tb_dim_eval(u, d, values);
}

/* All pairs, with symbol s0 at a value. */
static void
check_apart(const tb_lifetime *l, uint32_t n, tb_dim total, int64_t s0)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t begin = value(l[i].offset, s0), end = begin + value(l[i].bytes, s0);
        CHECK(begin >= 0 && begin % TB_DATA_ALIGN == 0 && end <= value(total, s0));
        for (uint32_t k = 0; k < i; k++) {
            int64_t b = value(l[k].offset, s0), e = b + value(l[k].bytes, s0);
            bool together = l[i].first <= l[k].last && l[k].first <= l[i].last;
            if (!CHECK(!together || end <= b || e <= begin))
                return;
        }
    }
}

/* The most that is alive at a moment: nobody can do with less. */
static int64_t
least(const tb_lifetime *l, uint32_t n, uint32_t moments)
{
    int64_t most = 0;
    for (uint32_t t = 0; t < moments; t++) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < n; i++)
            sum += l[i].first <= t && t <= l[i].last ? l[i].bytes : 0;
        most = sum > most ? sum : most;
    }
    return most;
}

static void
random_lives(tb_dim s0)
{
    tb_lifetime l[MAX_LIVES];
    uint32_t n = below(MAX_LIVES) + 1, moments = below(200) + 1, longest = below(60) + 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = below(moments), last = first + below(longest);
        tb_dim bytes = TB_DATA_ALIGN * (int64_t)below(20);
        if (s0 && below(2))
            bytes = tb_dim_mul(u, s0, bytes);
        l[i] = (tb_lifetime){bytes, first, last < moments ? last : moments - 1, -1};
    }
    tb_dim total = tb_plan_memory(u, l, n);
    for (int64_t s = 1; s <= (s0 ? 64 : 1); s += 21)
        check_apart(l, n, total, s);
    if (!s0)
        CHECK(total <= 2 * least(l, n, moments)); /* seen: 1.2 times */
}

static void
constant_body(void)
{
    for (int i = 0; i < 60; i++)
        random_lives(0);
}
BODY(constant)

static void
symbolic_body(void)
{
    tb_dim s0 = tb_sym_new(u, TB_STR("s0"), TB_SYM_SHAPE, 1, 64);
    for (int i = 0; i < 60; i++)
        random_lives(s0);
}
BODY(symbolic)

/* A chain needs two places, however long it is. */
static void
chain_body(void)
{
    tb_lifetime l[MAX_LIVES];
    for (uint32_t i = 0; i < MAX_LIVES; i++)
        l[i] = (tb_lifetime){640, i, i + 1, -1};
    EQ_INT(tb_plan_memory(u, l, MAX_LIVES), 1280);
    EQ_INT(tb_plan_memory(u, l, 0), 0);
}
BODY(chain)

int
main(void)
{
    RUN(constant);
    RUN(symbolic);
    RUN(chain);
    return t_done();
}

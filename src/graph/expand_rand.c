/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * expand_rand.c -- the generator behind `rand` in the other primitives, for kernels.
 *
 * Every element computes the block of four words that it is part of and takes its own:
 * see eval_move.c for the definition. Words of 32 bits live in U64, so that a product of
 * two has its high half.
 */
#include "graph/internal.h"

typedef struct words {
    tb_graph *g;
    int rank;
    const tb_dim *dims;
} words;

static tb_val
number(const words *w, uint64_t v)
{
    return tb_full_i(w->g, TB_U64, w->rank, w->dims, (int64_t)v);
}

static tb_val
op(const words *w, tb_prim p, tb_val a, tb_val b)
{
    return tb_map2(w->g, p, a, b);
}

static tb_val
low(const words *w, tb_val a)
{
    return op(w, TB_P_and, a, number(w, 0xffffffffu));
}

static tb_val
high(const words *w, tb_val a)
{
    return op(w, TB_P_shr, a, number(w, 32));
}

/* A rank 0 I64 as U64 of all elements' dims. */
static tb_val
spread(const words *w, tb_val a)
{
    return tb_expand(w->g, tb_cast(w->g, a, TB_U64), w->rank, w->dims);
}

/* The position of each element in row-major order. */
static tb_val
positions(const words *w)
{
    tb_dim n = 1;
    tb_val at;

    for (int i = 0; i < w->rank; i++)
        n = tb_dim_mul(w->g->unit, n, w->dims[i]);
    at = tb_reshape(w->g, tb_iota(w->g, 1, &n, 0), w->rank, w->dims);
    return tb_cast(w->g, at, TB_U64);
}

tb_val
tb_expand_rand(tb_graph *g, tb_val seed, tb_val offset, int rank, const tb_dim *dims)
{
    words w = {g, rank, dims};
    tb_val at = positions(&w), key = spread(&w, seed), block, word, c[4], k0, k1, r;

    block = op(&w, TB_P_add, spread(&w, offset), op(&w, TB_P_shr, at, number(&w, 2)));
    word = op(&w, TB_P_and, at, number(&w, 3));
    c[0] = low(&w, block), c[1] = high(&w, block);
    c[2] = c[3] = number(&w, 0);
    k0 = low(&w, key), k1 = high(&w, key);
    for (int round = 0; round < 10; round++) {
        tb_val a = op(&w, TB_P_mul, c[0], number(&w, 0xD2511F53u));
        tb_val b = op(&w, TB_P_mul, c[2], number(&w, 0xCD9E8D57u));

        c[0] = op(&w, TB_P_xor, op(&w, TB_P_xor, high(&w, b), c[1]), k0);
        c[1] = low(&w, b);
        c[2] = op(&w, TB_P_xor, op(&w, TB_P_xor, high(&w, a), c[3]), k1);
        c[3] = low(&w, a);
        k0 = low(&w, op(&w, TB_P_add, k0, number(&w, 0x9E3779B9u)));
        k1 = low(&w, op(&w, TB_P_add, k1, number(&w, 0xBB67AE85u)));
    }
    r = c[0];
    for (int i = 1; i < 4; i++)
        r = tb_where(g, op(&w, TB_P_eq, word, number(&w, (uint64_t)i)), c[i], r);
    return tb_cast(g, r, TB_I64);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * stream.c -- a tile of a product of few rows with a large operand that lies along n: every
 * element of B is used a few times only, so the product is as fast as B comes from memory.
 *
 * The C block, a few rows of up to MAX_STREAM columns, stays in the first cache. DEPTH rows
 * of B go by at a time, each a long stretch of memory; their factors are in registers.
 */
#include "kernel/contract.h"

enum { DEPTH = 8, MAX_FACTORS = 16 };

typedef struct stream {
    tb_contract *c;
    const tb_tile *t;
    int rows, depth;
    tb_kv r0, c_off; /* first row of B; the panel in the C block, moved back to column 0 */
    tb_kv factors[MAX_FACTORS]; /* [rows][depth] */
} stream;

/* The lanes of c->n: adds `depth` rows of B to the C block. */
static void
add_rows(tb_lower *l, void *arg)
{
    const stream *s = arg;
    tb_contract *c = s->c;
    tb_kernel *k = c->k;
    tb_kv at = tb_k_add(k, s->c_off, l->env.at[c->n].value), b[DEPTH];

    for (int d = 0; d < s->depth; d++) {
        tb_bind_var(l, c->r, tb_k_add(k, s->r0, tb_k_int(k, d)), 0);
        b[d] = tb_k_splat(k, tb_pull_load(l, c->b_store, &c->b_flat), l->lanes);
    }
    for (int i = 0; i < s->rows; i++) {
        tb_kv sum = tb_k_load(k, c->acc, l->lanes, s->t->block, at, i * c->panel, TB_NO_KV);
        for (int d = 0; d < s->depth; d++)
            sum = tb_k_fma(k, tb_k_splat(k, s->factors[i * s->depth + d], l->lanes), b[d], sum);
        tb_k_store(k, c->acc, s->t->block, at, i * c->panel, sum, TB_NO_KV);
    }
}

/* Rows [r0, r0 + depth) of B into all panels of the tile. */
static void
rows_of_b(stream *s)
{
    tb_contract *c = s->c;
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    const tb_tile *t = s->t;
    tb_kv zero = tb_k_int(k, 0), panel = tb_k_int(k, c->panel);

    for (int i = 0; i < s->rows; i++)
        for (int d = 0; d < s->depth; d++) {
            tb_kv r = tb_k_add(k, s->r0, tb_k_int(k, d)), at;
            tb_bind_var(l, c->m, tb_k_add(k, t->m0, tb_k_int(k, i)), 0);
            at = tb_k_add(k, tb_ix_value(l, &c->a_row),
                          tb_k_mul(k, r, tb_k_dim(k, l->u, c->a_step)));
            s->factors[i * s->depth + d] =
                tb_k_load(k, c->a_mem, 1, t->a, at, 0, TB_NO_KV);
        }
    tb_kv p = tb_k_for(k, zero, t->panels, 1, NULL, 0);
    tb_kv n0 = tb_k_mul(k, tb_k_add(k, t->panel0, p), panel);
    tb_kv end = tb_k_add(k, n0, panel);
    if (!tb_dim_is_multiple(c->N, c->panel))
        end = tb_k_min(k, end, tb_k_dim(k, l->u, c->N));
    s->c_off = tb_k_sub(k, tb_k_mul(k, p, tb_k_int(k, c->mc * c->panel)), n0);
    tb_lane_loop(l, c->n, c->micro.lanes, n0, end, add_rows, s);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_stream_tile(tb_contract *c, const tb_tile *t)
{
    tb_kernel *k = c->k;
    tb_unit *u = c->l->u;
    int64_t m = c->M; /* constant: all rows are one tile's */
    int depth = m * DEPTH <= MAX_FACTORS ? DEPTH : (int)(MAX_FACTORS / m);
    stream s = {.c = c, .t = t, .rows = (int)m, .depth = depth};
    tb_kv end = tb_k_dim(k, u, c->R), begin = tb_k_int(k, 0), steps = tb_k_int(k, depth);

    if (c->parts > 1) {
        tb_dim len = tb_dim_mul(u, tb_dim_ceildiv(u, c->R, c->parts * DEPTH), DEPTH);
        begin = tb_k_min(k, tb_k_mul(k, t->part, tb_k_dim(k, u, len)), end);
        end = tb_k_min(k, tb_k_add(k, begin, tb_k_dim(k, u, len)), end);
    }
    tb_kv whole = tb_k_mul(k, tb_k_div(k, tb_k_sub(k, end, begin), steps), steps);
    whole = tb_k_add(k, begin, whole);
    s.r0 = tb_k_for(k, begin, whole, depth, NULL, 0);
    rows_of_b(&s);
    tb_k_end_for(k, NULL, NULL);
    s.depth = 1;
    s.r0 = tb_k_for(k, whole, end, 1, NULL, 0);
    rows_of_b(&s);
    tb_k_end_for(k, NULL, NULL);
}

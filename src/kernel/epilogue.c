/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * epilogue.c -- from the sums of a product, in scratch, to the group's root in memory: what
 * follows the product is computed on the way.
 */
#include "kernel/contract.h"

/* The convolution's bias is part of the anchor: added to the sum here. */
static tb_kv
finish(tb_contract *c, tb_kv sum)
{
    tb_lower *l = c->l;
    if (!c->conv || tb_node_of(c->g, c->anchor)->n_in < 3)
        return sum;
    tb_ix at = tb_ix_var(c->n);
    if (c->n_batch)
        at = tb_ix_add(&l->ix, at, tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), c->N));
    tb_kv bias = tb_pull(l, tb_in(c->g, c->anchor, 2), &at);
    return tb_k_map(c->k, TB_P_add, sum, bias, TB_NO_KV);
}

/* Stores the root where m and n are bound; `sum` is what the product is there. */
static void
store_root(tb_contract *c, tb_kv sum)
{
    tb_lower *l = c->l;
    tb_val root = l->group->root;
    l->known.n = 0;
    tb_kv v = finish(c, sum);
    TB_PUSH(&l->u->cx->keep, &l->known, ((tb_known){.node = c->anchor, .value = v}));
    tb_ix flat = tb_ix_flat(&l->ix, c->root_at, tb_rank(c->g, root), tb_dims(c->g, root));
    tb_put(l, root, &flat, tb_pull(l, root, c->root_at));
    l->known.n = 0;
}

/* Stores lanes [j, j + lanes) of a row whose sums lie at c_row. */
static void
epilogue_lanes(tb_contract *c, tb_kv block, tb_kv c_row, tb_kv n0, tb_kv j)
{
    tb_lower *l = c->l;
    tb_kv sum = tb_k_load(c->k, c->acc, l->lanes, block, tb_k_add(c->k, c_row, j), 0, TB_NO_KV);
    tb_bind_var(l, c->n, tb_k_add(c->k, n0, j), l->lanes > 1);
    store_root(c, sum);
}

/* Column n0 + j0 + j of rows i .. i + lanes; the turned square is in scratch. */
static void
turned_columns(tb_contract *c, tb_kv square, tb_kv m, tb_kv rows, tb_kv n, tb_kv columns)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    bool whole = tb_dim_is_multiple(c->M, w) && c->mc % w == 0;
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), columns, 1, NULL, 0);
    tb_kv at = tb_k_mul(k, j, tb_k_int(k, w));

    tb_bind_var(l, c->n, tb_k_add(k, n, j), 0);
    if (whole || l->target->masks || w == 1) {
        l->lanes = w;
        if (!whole && w > 1)
            l->mask = tb_k_lt(k, tb_k_lane_ids(k, TB_I64, w), tb_k_splat(k, rows, w));
        tb_bind_var(l, c->m, m, w > 1);
        store_root(c, tb_k_load(k, c->acc, w, square, at, 0, TB_NO_KV));
        l->mask = TB_NO_KV;
    } else {
        tb_k_if(k, tb_k_lt(k, rows, tb_k_int(k, w)));
        tb_kv i = tb_k_for(k, tb_k_int(k, 0), rows, 1, NULL, 0);
        l->lanes = 1;
        tb_bind_var(l, c->m, tb_k_add(k, m, i), 0);
        store_root(c, tb_k_load(k, c->acc, 1, square, tb_k_add(k, at, i), 0, TB_NO_KV));
        tb_k_end_for(k, NULL, NULL);
        tb_k_else(k);
        l->lanes = w;
        tb_bind_var(l, c->m, m, 1);
        store_root(c, tb_k_load(k, c->acc, w, square, at, 0, TB_NO_KV));
        tb_k_end_if(k);
    }
    l->lanes = 1;
    tb_k_end_for(k, NULL, NULL);
}

/* The epilogue for a root that is contiguous along m: squares of the block are turned
 * round in registers, so that its stores are vectors too. */
static void
turned(tb_contract *c, tb_kv block, tb_kv c_base, tb_kv m0, tb_kv rows, tb_kv n0)
{
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    tb_kv square = tb_k_scratch(k, (int64_t)w * w * (int64_t)tb_dtype_bytes(c->acc)), v[64];
    tb_kv columns = tb_contract_columns(c, n0);

    tb_kv j = tb_k_for(k, tb_k_int(k, 0), columns, w, NULL, 0);
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), rows, w, NULL, 0);
    tb_kv at = tb_k_add(k, c_base, tb_k_add(k, tb_k_mul(k, i, tb_k_int(k, c->panel)), j));
    c->l->lane_align = 1;
    for (int r = 0; r < w; r++)
        v[r] = tb_k_load(k, c->acc, w, block, at, r * c->panel, TB_NO_KV);
    tb_transpose_square(k, v, w);
    for (int r = 0; r < w; r++)
        tb_k_store(k, c->acc, square, TB_NO_KV, (int64_t)r * w, v[r], TB_NO_KV);
    turned_columns(c, square, tb_k_add(k, m0, i), tb_k_sub(k, rows, i), tb_k_add(k, n0, j),
                   tb_k_min(k, tb_k_sub(k, columns, j), tb_k_int(k, w)));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

static void
straight(tb_contract *c, tb_kv block, tb_kv c_base, tb_kv m0, tb_kv rows, tb_kv n0)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    bool ragged = !tb_dim_is_multiple(c->N, c->panel);
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), rows, 1, NULL, 0);
    tb_kv row = tb_k_add(k, c_base, tb_k_mul(k, i, tb_k_int(k, c->panel)));

    tb_bind_var(l, c->m, tb_k_add(k, m0, i), 0);
    l->lanes = w;
    l->lane_align = w;
    if (!ragged) {
        tb_kv j = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, c->panel), w, NULL, 0);
        epilogue_lanes(c, block, row, n0, j);
        tb_k_end_for(k, NULL, NULL);
    } else {
        tb_kv n = tb_contract_columns(c, n0);
        tb_kv whole = tb_k_mul(k, tb_k_div(k, n, tb_k_int(k, w)), tb_k_int(k, w));
        bool masked = l->target->masks && w > 1;
        tb_kv j = tb_k_for(k, tb_k_int(k, 0), whole, w, NULL, 0);
        epilogue_lanes(c, block, row, n0, j);
        tb_k_end_for(k, NULL, NULL);
        j = tb_k_for(k, whole, n, masked ? w : 1, NULL, 0);
        if (masked)
            l->mask = tb_k_lt(k, tb_k_lane_ids(k, TB_I64, w),
                              tb_k_splat(k, tb_k_sub(k, n, j), w));
        else
            l->lanes = 1;
        epilogue_lanes(c, block, row, n0, j);
        l->mask = TB_NO_KV;
        tb_k_end_for(k, NULL, NULL);
    }
    tb_k_end_for(k, NULL, NULL);
    l->lanes = 1;
}

void
tb_contract_epilogue(tb_contract *c, tb_kv block, tb_kv c_base, tb_kv m0, tb_kv rows, tb_kv n0)
{
    if (c->turned)
        turned(c, block, c_base, m0, rows, n0);
    else
        straight(c, block, c_base, m0, rows, n0);
}

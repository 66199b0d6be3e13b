/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention_rows.c -- attention's gradients: from operands in memory to scratch, and from
 * scratch to the result.
 */
#include "kernel/attention_grad.h"

tb_side
tb_grad_side(tb_grad *a, tb_val one, tb_val two)
{
    tb_lower *l = a->l;
    int rank = tb_rank(a->g, one);
    tb_side s = {.n = tb_dims(a->g, one)[rank - 2]};

    s.var = tb_ix_loop(&l->ix, s.n);
    for (int i = 0; i < 2; i++) {
        tb_ix at[TB_MAX_RANK + 1];

        memcpy(at, a->at, sizeof at);
        at[rank - 2] = tb_ix_var(s.var);
        at[rank - 1] = tb_ix_var(a->inner[i]);
        s.at[i] = tb_operand_address(l, i ? two : one, at, &s.store[i]);
    }
    return s;
}

/* ---- the keys of a panel ---- */

void
tb_grad_turn(tb_grad *a, int i, tb_kv x0)
{
    tb_kv scale = tb_k_splat(a->k, tb_g_number(a, i ? 1 : a->scale), a->p.w);
    tb_panel_rows rows = {a->key.store[i], &a->key.at[i], a->inner[i], a->depth[i]};

    tb_panel_turn(&a->p, &rows, x0, scale, a->turned[i]);
}

/* ---- rows ---- */

void
tb_grad_pack(tb_grad *a, const tb_side *y, int i, tb_kv y0, tb_kv n, tb_kv to, int64_t pitch)
{
    tb_kernel *k = a->k;
    tb_dtype mem = tb_dtype_of(a->g, y->store[i]);
    tb_kv from = tb_bind_node(a->l, y->store[i], false), zero = tb_k_int(k, 0);
    bool unit = tb_operand_step(a->l, &y->at[i], a->inner[i]) == 1;
    int64_t whole = unit ? a->depth[i] / a->p.w * a->p.w : 0;
    tb_kv r = tb_k_for(k, zero, n, 1, NULL, 0);
    tb_kv row = tb_k_mul(k, r, tb_k_int(k, pitch));

    tb_bind_var(a->l, y->var, tb_k_add(k, y0, r), 0);
    tb_bind_var(a->l, a->inner[i], zero, 0);
    tb_kv at = tb_ix_value(a->l, &y->at[i]);
    for (int64_t d = 0; d < whole; d += a->p.w)
        tb_panel_store(&a->p, to, row, d, tb_k_load(k, mem, a->p.w, from, at, d, TB_NO_KV));
    if (whole < a->depth[i]) {
        tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, a->depth[i]), 1, NULL, 0);

        tb_bind_var(a->l, a->inner[i], d, 0);
        tb_k_store(k, a->p.acc, to, tb_k_add(k, row, d), 0,
                   tb_pull_load(a->l, y->store[i], &y->at[i]), TB_NO_KV);
        tb_k_end_for(k, NULL, NULL);
    }
    tb_k_end_for(k, NULL, NULL);
}

/* ---- the result ---- */

void
tb_grad_put(tb_grad *a, const tb_side *x, int i, tb_kv v)
{
    tb_lower *l = a->l;
    int rank = tb_rank(a->g, a->root);
    tb_ix at[TB_MAX_RANK + 1], flat;

    memcpy(at, a->at, sizeof at);
    at[rank - 1] = tb_ix_scale(&l->ix, tb_ix_var(x->var), a->depth[i]);
    at[rank - 1] = tb_ix_add(&l->ix, at[rank - 1], tb_ix_var(a->inner[i]));
    at[rank - 1] = tb_ix_offset(&l->ix, at[rank - 1], x->result[i]);
    flat = tb_ix_flat(&l->ix, at, rank, tb_dims(a->g, a->root));
    tb_put(l, a->root, &flat, v);
}

/* Elements [0, whole) of rows: squares are turned in registers, so that lanes run along them. */
static void
finish_squares(tb_grad *a, int i, tb_kv x0, tb_kv rows, int64_t whole, tb_kv scale)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_kv v[64], j, d, r, at, n;

    j = tb_k_for(k, tb_k_int(k, 0), rows, a->p.w, NULL, 0);
    d = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, whole), a->p.w, NULL, 0);
    at = tb_k_add(k, tb_panel_row(&a->p, d), j);
    for (int e = 0; e < a->p.w; e++)
        v[e] = tb_g_op(a, TB_P_mul,
                       tb_panel_load(&a->p, a->dx[i], at, (int64_t)e * a->p.size), scale);
    tb_transpose_square(k, v, a->p.w);
    for (int e = 0; e < a->p.w; e++)
        tb_panel_store(&a->p, a->square, TB_NO_KV, (int64_t)e * a->p.w, v[e]);
    n = tb_k_min(k, tb_k_sub(k, rows, j), tb_k_int(k, a->p.w));
    r = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0);
    tb_bind_var(l, a->key.var, tb_k_add(k, x0, tb_k_add(k, j, r)), 0);
    l->lanes = a->p.w;
    l->lane_align = a->p.w;
    tb_bind_var(l, a->inner[i], d, a->p.w > 1);
    at = tb_k_mul(k, r, tb_k_int(k, a->p.w));
    tb_grad_put(a, &a->key, i, tb_panel_load(&a->p, a->square, at, 0));
    tb_panel_unbind(&a->p);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_grad_finish(tb_grad *a, int i, tb_kv x0)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_kv rows = tb_k_min(k, tb_k_sub(k, tb_g_dimv(a, a->key.n), x0), tb_k_int(k, a->p.size));
    tb_kv scale = tb_g_number(a, i ? 1 : a->scale);
    int64_t whole = a->depth[i] / a->p.w * a->p.w;

    if (whole)
        finish_squares(a, i, x0, rows, whole, tb_k_splat(k, scale, a->p.w));
    if (whole == a->depth[i])
        return;
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), rows, 1, NULL, 0); /* what is left, one by one */
    tb_bind_var(l, a->key.var, tb_k_add(k, x0, r), 0);
    tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, a->depth[i]), 1, NULL, 0);
    tb_bind_var(l, a->inner[i], d, 0);
    tb_kv at = tb_k_add(k, tb_panel_row(&a->p, d), r);
    tb_kv v = tb_k_load(k, a->p.acc, 1, a->dx[i], at, 0, TB_NO_KV);
    tb_grad_put(a, &a->key, i, tb_g_op(a, TB_P_mul, v, scale));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

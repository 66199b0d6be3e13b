/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* attention_panel.c -- what attention and its gradients do with positions along the lanes. */
#include "kernel/attention_panel.h"

int
tb_panel_size(tb_unit *u, tb_dim n)
{
    int64_t least, most;

    tb_dim_range(u, n, &least, &most);
    return most <= 16 ? 16 : most <= 32 ? 32 : tb_micro_panel(n, 0, NULL);
}

int
tb_panel_group(const tb_panel *p)
{
    int vectors = p->size / p->w, group = TB_PANEL_GROUP;

    while (vectors % group)
        group--;
    return group * p->w;
}

tb_kv
tb_panel_for(const tb_panel *p)
{
    tb_kernel *k = p->k;
    int group = tb_panel_group(p);

    return group == p->size ? tb_k_int(k, 0)
                            : tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, p->size), group, NULL, 0);
}

void
tb_panel_end_for(const tb_panel *p)
{
    if (tb_panel_group(p) != p->size)
        tb_k_end_for(p->k, NULL, NULL);
}

static tb_kv
extent(const tb_panel *p)
{
    return tb_k_dim(p->k, p->l->u, p->n);
}

/* Lanes of vector j that there are: NO_KV if all of them always are. */
static tb_kv
lane_mask(const tb_panel *p, tb_kv x0, int j)
{
    tb_kernel *k = p->k;

    if (tb_dim_is_multiple(p->n, p->size))
        return TB_NO_KV;
    tb_kv left = tb_k_sub(k, tb_k_sub(k, extent(p), x0), tb_k_int(k, j));
    if (p->w == 1)
        return tb_k_lt(k, tb_k_int(k, 0), left);
    return tb_k_lt(k, tb_k_lane_ids(k, TB_I64, p->w), tb_k_splat(k, left, p->w));
}

void
tb_panel_bind(const tb_panel *p, tb_kv x0, int j)
{
    p->l->lanes = p->w;
    p->l->lane_align = p->w;
    p->l->mask = lane_mask(p, x0, j);
    tb_bind_var(p->l, p->var, tb_k_add(p->k, x0, tb_k_int(p->k, j)), p->w > 1);
}

void
tb_panel_unbind(const tb_panel *p)
{
    p->l->lanes = 1;
    p->l->mask = TB_NO_KV;
}

/* Elements [0, whole) of the rows: squares of them, turned in registers. */
static void
turn_squares(const tb_panel *p, const tb_panel_rows *rows, tb_kv x0, int64_t whole,
             tb_kv scale, tb_kv to)
{
    tb_kernel *k = p->k;
    tb_kv from = tb_bind_node(p->l, rows->store, false), v[64];
    tb_kv last = tb_k_sub(k, extent(p), tb_k_int(k, 1));
    tb_dtype mem = tb_dtype_of(p->l->g, rows->store);
    bool full = tb_dim_is_multiple(p->n, p->size);
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, p->size), p->w, NULL, 0);
    tb_kv d = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, whole), p->w, NULL, 0);

    tb_bind_var(p->l, rows->inner, d, 0);
    for (int i = 0; i < p->w; i++) { /* past the end: the last again, nobody reads it */
        tb_kv x = tb_k_add(k, tb_k_add(k, x0, j), tb_k_int(k, i));

        tb_bind_var(p->l, p->var, full ? x : tb_k_min(k, x, last), 0);
        v[i] = tb_k_load(k, mem, p->w, from, tb_ix_value(p->l, rows->at), 0, TB_NO_KV);
    }
    tb_transpose_square(k, v, p->w);
    tb_kv at = tb_k_add(k, tb_panel_row(p, d), j);
    for (int i = 0; i < p->w; i++)
        tb_panel_store(p, to, at, (int64_t)i * p->size,
                       tb_k_map(k, TB_P_mul, v[i], scale, TB_NO_KV));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_panel_turn(const tb_panel *p, const tb_panel_rows *rows, tb_kv x0, tb_kv scale, tb_kv to)
{
    tb_kernel *k = p->k;
    bool unit = tb_operand_step(p->l, rows->at, rows->inner) == 1;
    int64_t whole = unit ? rows->depth / p->w * p->w : 0;

    if (whole)
        turn_squares(p, rows, x0, whole, scale, to);
    if (whole == rows->depth)
        return;
    tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, rows->depth), 1, NULL, 0);
    tb_bind_var(p->l, rows->inner, d, 0);
    tb_kv j0 = tb_panel_for(p), at = tb_k_add(k, tb_panel_row(p, d), j0);
    TB_FOR_GROUP (p, j) {
        tb_panel_bind(p, tb_k_add(k, x0, j0), j);
        tb_kv v = tb_pull_load(p->l, rows->store, rows->at);
        v = tb_k_map(k, TB_P_mul, tb_k_splat(k, v, p->w), scale, TB_NO_KV);
        tb_panel_store(p, to, at, j, v);
    }
    tb_panel_unbind(p);
    tb_panel_end_for(p);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_panel_pack(const tb_panel *p, const tb_panel_rows *rows, uint32_t var, tb_kv y0, tb_kv n,
              tb_kv to, int64_t pitch)
{
    tb_lower *l = p->l;
    tb_kernel *k = p->k;
    tb_dtype mem = tb_dtype_of(l->g, rows->store);
    tb_kv from = tb_bind_node(l, rows->store, false), zero = tb_k_int(k, 0);
    bool unit = tb_operand_step(l, rows->at, rows->inner) == 1;
    int64_t whole = unit ? rows->depth / p->w * p->w : 0;
    tb_kv r = tb_k_for(k, zero, n, 1, NULL, 0);
    tb_kv row = tb_k_mul(k, r, tb_k_int(k, pitch));

    tb_bind_var(l, var, tb_k_add(k, y0, r), 0);
    tb_bind_var(l, rows->inner, zero, 0);
    tb_kv at = tb_ix_value(l, rows->at);
    for (int64_t d = 0; d < whole; d += p->w)
        tb_panel_store(p, to, row, d, tb_k_load(k, mem, p->w, from, at, d, TB_NO_KV));
    if (whole < rows->depth) {
        tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, rows->depth), 1, NULL, 0);

        tb_bind_var(l, rows->inner, d, 0);
        tb_k_store(k, p->acc, to, tb_k_add(k, row, d), 0,
                   tb_pull_load(l, rows->store, rows->at), TB_NO_KV);
        tb_k_end_for(k, NULL, NULL);
    }
    tb_k_end_for(k, NULL, NULL);
}

static tb_kv
scale_of(const tb_panel *p, const tb_panel_out *out, tb_kv j, int w)
{
    return out->scales.id ? tb_k_load(p->k, p->acc, w, out->scales, j, 0, TB_NO_KV)
                          : tb_k_splat(p->k, out->scale, w);
}

/* Elements [0, whole): squares are turned in registers, so that lanes run along the rows. */
static void
turn_squares_back(const tb_panel *p, const tb_panel_out *out, tb_kv x0, tb_kv rows, int64_t whole)
{
    tb_lower *l = p->l;
    tb_kernel *k = p->k;
    tb_kv v[64];
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), rows, p->w, NULL, 0);
    tb_kv d = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, whole), p->w, NULL, 0);
    tb_kv at = tb_k_add(k, tb_panel_row(p, d), j), scale = scale_of(p, out, j, p->w);

    for (int i = 0; i < p->w; i++)
        v[i] = tb_k_map(k, TB_P_mul, tb_panel_load(p, out->from, at, (int64_t)i * p->size), scale,
                        TB_NO_KV);
    tb_transpose_square(k, v, p->w);
    for (int i = 0; i < p->w; i++)
        tb_panel_store(p, out->square, TB_NO_KV, (int64_t)i * p->w, v[i]);
    tb_kv n = tb_k_min(k, tb_k_sub(k, rows, j), tb_k_int(k, p->w));
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0);
    tb_bind_var(l, p->var, tb_k_add(k, x0, tb_k_add(k, j, r)), 0);
    l->lanes = p->w;
    l->lane_align = p->w;
    tb_bind_var(l, out->inner, d, p->w > 1);
    out->put(out->user, tb_panel_load(p, out->square, tb_k_mul(k, r, tb_k_int(k, p->w)), 0));
    tb_panel_unbind(p);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_panel_turn_back(const tb_panel *p, const tb_panel_out *out, tb_kv x0)
{
    tb_lower *l = p->l;
    tb_kernel *k = p->k;
    tb_kv rows = tb_k_min(k, tb_k_sub(k, extent(p), x0), tb_k_int(k, p->size));
    int64_t whole = out->depth / p->w * p->w;

    if (whole)
        turn_squares_back(p, out, x0, rows, whole);
    if (whole == out->depth)
        return;
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), rows, 1, NULL, 0); /* what is left, one by one */
    tb_bind_var(l, p->var, tb_k_add(k, x0, r), 0);
    tb_kv scale = scale_of(p, out, r, 1);
    tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, out->depth), 1, NULL, 0);
    tb_bind_var(l, out->inner, d, 0);
    tb_kv v = tb_k_load(k, p->acc, 1, out->from, tb_k_add(k, tb_panel_row(p, d), r), 0, TB_NO_KV);
    out->put(out->user, tb_k_map(k, TB_P_mul, v, scale, TB_NO_KV));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

/* ---- what a query sees ---- */

void
tb_panel_mask_at(const tb_panel *p, tb_panel_mask *mask, const tb_ix *batch, int rank)
{
    const tb_graph *g = p->l->g;

    if (!mask->mask.id)
        return;
    int mr = tb_rank(g, mask->mask);
    tb_ix *at = TB_NEWN(&p->l->u->cx->keep, tb_ix, mr + 1);

    for (int i = 0; i < mr; i++) {
        int axis = i + rank - mr;

        if (tb_dims(g, mask->mask)[i] != 1)
            at[i] = axis == rank - 1   ? tb_ix_var(mask->key)
                    : axis == rank - 2 ? tb_ix_var(mask->query)
                                       : batch[axis];
    }
    mask->at = at;
}

/* Where a variable is, in all lanes. */
static tb_kv
position(const tb_panel *p, uint32_t var)
{
    tb_ix at = tb_ix_var(var);

    if (var == p->var && p->w > 1)
        return tb_ix_vector(p->l, &at);
    return tb_k_splat(p->k, tb_ix_value(p->l, &at), p->w);
}

tb_kv
tb_panel_masked(const tb_panel *p, tb_kv s, const tb_panel_mask *mask)
{
    tb_kernel *k = p->k;
    tb_kv never = tb_k_splat(k, tb_k_const(k, p->acc, -__builtin_inf()), p->w);

    if (mask->causal) {
        tb_kv key = position(p, mask->key), query = position(p, mask->query);

        s = tb_k_map(k, TB_P_where, tb_k_map(k, TB_P_le, key, query, TB_NO_KV), s, never);
    }
    if (mask->mask.id) {
        tb_kv m = tb_pull(p->l, mask->mask, mask->at);

        if (tb_k_inst(k, m)->dtype == TB_BOOL)
            s = tb_k_map(k, TB_P_where, tb_k_splat(k, m, p->w), s, never);
        else
            s = tb_k_map(k, TB_P_add, s, tb_k_cast(k, m, p->acc), TB_NO_KV);
    }
    return s;
}

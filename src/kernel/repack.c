/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * repack.c -- the kernel that lays an operand known only at run time out in panels, and
 * the transposition of a square of registers.
 *
 * One tile is one panel, [r][panel]. Rows of columns that lie together are copied; an operand
 * that is contiguous along r (a weight as torch.nn.Linear has it) is read in squares of
 * lanes x lanes and transposed in registers, which is several times faster than gathering.
 * So is an A that lies across r, to rows along r.
 */
#include "kernel/contract.h"

void
tb_transpose_square(tb_kernel *k, tb_kv *rows, int n)
{
    int32_t first[64], second[64];
    for (int d = 1; d < n; d *= 2) {
        for (int l = 0; l < n; l++) {
            first[l] = l & d ? n + l - d : l;
            second[l] = l & d ? n + l : l + d;
        }
        for (int i = 0; i < n; i++) {
            if (i & d)
                continue;
            tb_kv a = rows[i], b = rows[i + d];
            rows[i] = tb_k_shuffle(k, a, b, first, n);
            rows[i + d] = tb_k_shuffle(k, a, b, second, n);
        }
    }
}

static tb_kv
dimv(const tb_repack *p, tb_dim d)
{
    return tb_k_dim(p->l->k, p->l->u, d);
}

static bool
in_order(const tb_repack *p)
{
    uint32_t var;
    return tb_ix_is_var(&p->row, &var);
}

/* Where the row of r is in the panel at `dst`; in pairs, rows and places count words. */
static tb_kv
row_at(const tb_repack *p, tb_kv dst, tb_kv r)
{
    tb_kernel *k = p->l->k;
    if (!in_order(p)) {
        tb_bind_var(p->l, p->r, r, 0);
        r = tb_ix_value(p->l, &p->row);
    }
    if (p->pairs)
        r = tb_k_div(k, r, tb_k_int(k, 2));
    return tb_k_add(k, dst, tb_k_mul(k, r, tb_k_int(k, p->panel)));
}

/* The squares of rows [r0, end) of one panel; those of pairs are of words, as they lie. */
static void
squares(const tb_repack *p, tb_kv to, tb_kv dst, tb_kv n0, tb_kv r0, tb_kv end)
{
    tb_lower *l = p->l;
    tb_kernel *k = l->k;
    int w = l->target->lanes;
    int apart = in_order(p) ? 1 : w; /* rows whose place is no constant away from the first's */
    tb_kv from = tb_bind_node(l, p->store, false), rows[64], place[64];
    tb_kv last = tb_k_sub(k, dimv(p, p->N), tb_k_int(k, 1));
    int64_t each = p->pairs ? 2 : 1;
    tb_dtype mem = p->pairs ? TB_U32 : p->mem;
    /* all of a few columns first: long pieces of few pages */
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, p->panel), w, NULL, 0);
    tb_kv r = tb_k_for(k, r0, end, each * w, NULL, 0);

    for (int i = 0; i < w; i++)
        place[i] = i < apart ? row_at(p, dst, tb_k_add(k, r, tb_k_int(k, i))) : place[0];
    tb_bind_var(l, p->r, r, 0);
    for (int i = 0; i < w; i++) { /* columns past N repeat the last one: nobody reads them */
        tb_kv n = tb_k_add(k, tb_k_add(k, n0, j), tb_k_int(k, i));
        tb_bind_var(l, p->n, tb_k_min(k, n, last), 0);
        tb_kv at = tb_k_ptr_add(k, from, tb_ix_value(l, &p->flat),
                                (int64_t)tb_dtype_bytes(p->mem));
        rows[i] = tb_k_load(k, mem, w, at, TB_NO_KV, 0, TB_NO_KV);
    }
    tb_transpose_square(k, rows, w);
    for (int i = 0; i < w; i++)
        tb_k_store(k, mem, to, tb_k_add(k, place[i], j), i < apart ? 0 : (int64_t)i * p->panel,
                   rows[i], TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

/* Lanes of row r. */
static tb_kv
load_row(const tb_repack *p, tb_kv r)
{
    tb_bind_var(p->l, p->r, r, 0);
    return tb_k_splat(p->l->k, tb_pull_load(p->l, p->store, &p->flat), p->l->lanes);
}

/* Lanes of rows r and r + 1 as words; without the latter it is the former twice. */
static tb_kv
load_pair(const tb_repack *p, tb_kv r)
{
    tb_kernel *k = p->l->k;
    tb_kv last = tb_k_sub(k, dimv(p, p->R), tb_k_int(k, 1));
    tb_kv low = tb_k_bitcast(k, load_row(p, r), TB_U32);
    tb_kv high = load_row(p, tb_k_min(k, tb_k_add(k, r, tb_k_int(k, 1)), last));

    low = tb_k_map(k, TB_P_shr, low, tb_k_const_int(k, TB_U32, 16), TB_NO_KV);
    return tb_k_map(k, TB_P_or, tb_k_bitcast(k, high, TB_U32), low, TB_NO_KV);
}

/* Rows [r0, end) of one panel, row by row. */
static void
rows_of(const tb_repack *p, tb_kv to, tb_kv dst, tb_kv n0, tb_kv r0, tb_kv end)
{
    tb_lower *l = p->l;
    tb_kernel *k = l->k;
    int w = l->target->lanes;
    bool ragged = !tb_dim_is_multiple(p->N, p->panel);
    tb_kv r = tb_k_for(k, r0, end, p->pairs ? 2 : 1, NULL, 0);
    tb_kv row = row_at(p, dst, r);

    for (int64_t j = 0; j < p->panel; j += w) {
        tb_kv n = tb_k_add(k, n0, tb_k_int(k, j));
        l->lanes = w;
        if (ragged) {
            tb_kv ids = tb_k_splat(k, n, w);
            if (w > 1)
                ids = tb_k_add(k, ids, tb_k_lane_ids(k, TB_I64, w));
            l->mask = tb_k_lt(k, ids, tb_k_splat(k, dimv(p, p->N), w));
        }
        tb_bind_var(l, p->n, n, w > 1);
        tb_kv v = p->pairs ? load_pair(p, r) : load_row(p, r);
        l->mask = TB_NO_KV;
        tb_k_store(k, p->pairs ? TB_U32 : p->mem, to, row, j, v, TB_NO_KV);
    }
    l->lanes = 1;
    tb_k_end_for(k, NULL, NULL);
}

void
tb_repack_panel(const tb_repack *p, tb_kv to, tb_kv dst, tb_kv n0, tb_kv r0, tb_kv end)
{
    tb_kernel *k = p->l->k;
    int w = p->l->target->lanes, square = p->pairs ? 2 * w : w;

    if (p->step_r == 1 && p->step_n != 1 && w > 1 && tb_dtype_bytes(p->mem) <= 4) {
        tb_kv n = tb_k_div(k, tb_k_sub(k, end, r0), tb_k_int(k, square));
        tb_kv whole = tb_k_add(k, r0, tb_k_mul(k, n, tb_k_int(k, square)));
        squares(p, to, dst, n0, r0, whole);
        r0 = whole;
    }
    rows_of(p, to, dst, n0, r0, end);
}

void
tb_repack_kernel(const tb_repack *p)
{
    tb_lower *l = p->l;
    tb_unit *u = l->u;
    tb_kernel *k = l->k;
    tb_dim panels = tb_dim_ceildiv(u, p->N, p->panel);
    tb_kv to = tb_bind_temp(l, p->temp, true);
    tb_bind_node(l, p->store, false);
    tb_kv t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv panel = p->n_batch ? tb_k_mod(k, t, dimv(p, panels)) : t;

    if (p->n_batch)
        tb_bind_batches(l, p->batch, p->n_batch, tb_k_div(k, t, dimv(p, panels)));
    l->step->tiles = tb_dim_mul(u, panels, p->batches);
    l->step->tile_cost_ns = (uint64_t)tb_dim_hint(u, p->R) * (p->step_n == 1 ? 8 : 16) + 1;
    tb_kv n0 = tb_k_mul(k, panel, tb_k_int(k, p->panel));
    tb_dim rows = p->pairs ? tb_dim_ceildiv(u, p->R, 2) : p->R;
    tb_kv dst = tb_k_mul(k, t, tb_k_mul(k, dimv(p, rows), tb_k_int(k, p->panel)));

    tb_repack_panel(p, to, dst, n0, tb_k_int(k, 0), dimv(p, p->R));
    tb_k_end_for(k, NULL, NULL);
}

/* ---- A that lies across r ---- */

enum { TURN_ROWS = 64, TURN_LINE = 64 }; /* rows of a tile; bytes, as many as of any vector */

void
tb_turn_rows(tb_kernel *k, const tb_turn *t)
{
    int w = t->lanes;
    tb_kv rows[64], last = tb_k_sub(k, t->len, tb_k_int(k, 1)), mask = TB_NO_KV;
    /* a row of squares first: long pieces of each page */
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), t->len, w, NULL, 0);
    tb_kv m = tb_k_for(k, tb_k_int(k, 0), t->rows, w, NULL, 0);

    if (w > 1)
        mask = tb_k_lt(k, tb_k_lane_ids(k, TB_I64, w),
                       tb_k_splat(k, tb_k_sub(k, t->rows, m), w));
    for (int i = 0; i < w; i++) { /* past len: the last again, nobody reads it */
        tb_kv at = tb_k_min(k, tb_k_add(k, r, tb_k_int(k, i)), last);
        at = tb_k_add(k, tb_k_add(k, t->first, m), tb_k_mul(k, at, t->step));
        rows[i] = tb_k_load(k, t->mem, w, t->from, at, 0, mask);
    }
    tb_transpose_square(k, rows, w);
    for (int i = 0; i < w; i++) {
        tb_kv at = tb_k_mul(k, tb_k_add(k, m, tb_k_int(k, i)), t->pitch);
        tb_k_store(k, t->mem, t->to, tb_k_add(k, at, r), 0, rows[i], TB_NO_KV);
    }
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

tb_dim
tb_turn_height(const tb_contract *c)
{
    return tb_dim_mul(c->l->u, tb_dim_ceildiv(c->l->u, c->M, TURN_ROWS), TURN_ROWS);
}

/* Whole lines, and not of a power of two: such rows fall on each other in the cache. */
tb_dim
tb_turn_pitch(const tb_contract *c)
{
    tb_unit *u = c->l->u;
    tb_dim line = TURN_LINE / (tb_dim)tb_dtype_bytes(c->a_mem);
    tb_dim len = tb_dim_mul(u, tb_dim_ceildiv(u, c->R, line), line);
    return tb_dim_add(u, len, line);
}

/* One tile is TURN_ROWS rows. */
void
tb_turn_kernel(tb_contract *c)
{
    tb_lower *l = c->l;
    tb_unit *u = l->u;
    tb_kernel *k = c->k = l->k;
    tb_dim blocks = tb_dim_ceildiv(u, c->M, TURN_ROWS), pitch = tb_turn_pitch(c);
    tb_turn turn = {.mem = c->a_mem, .lanes = c->micro.lanes};

    turn.to = tb_bind_temp(l, c->a_temp, true);
    turn.from = tb_bind_node(l, c->a_store, false);
    turn.step = tb_contract_dim(c, c->a_across);
    turn.pitch = tb_contract_dim(c, pitch);
    turn.len = tb_contract_dim(c, c->R);
    tb_kv t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv block = tb_contract_dim(c, blocks);
    if (c->a_batched)
        tb_bind_batches(l, c->batch, c->n_batch, tb_k_div(k, t, block));
    tb_kv m0 = tb_k_mul(k, c->a_batched ? tb_k_mod(k, t, block) : t, tb_k_int(k, TURN_ROWS));
    l->step->tiles = tb_dim_mul(u, blocks, c->a_batched ? c->batches : 1);
    l->step->tile_cost_ns = (uint64_t)tb_dim_hint(u, c->R) * 8 + 1;
    tb_bind_var(l, c->m, m0, 0);
    turn.first = tb_ix_value(l, &c->a_row);
    turn.rows = tb_k_min(k, tb_k_sub(k, tb_contract_dim(c, c->M), m0), tb_k_int(k, TURN_ROWS));
    tb_kv row = tb_k_mul(k, t, tb_k_int(k, TURN_ROWS));
    turn.to = tb_k_ptr_add(k, turn.to, tb_k_mul(k, row, turn.pitch),
                           (int64_t)tb_dtype_bytes(c->a_mem));
    tb_turn_rows(k, &turn);
    tb_k_end_for(k, NULL, NULL);

    /* where it is from now on */
    tb_dim whole = tb_dim_mul(u, tb_turn_height(c), pitch);
    c->a_row = tb_ix_scale(&l->ix, tb_ix_var(c->m), pitch);
    for (uint32_t i = c->a_batched ? c->n_batch : 0; i-- > 0;) {
        c->a_row = tb_ix_add(&l->ix, c->a_row, tb_ix_scale(&l->ix, tb_ix_var(c->batch[i]), whole));
        whole = tb_dim_mul(u, whole, l->ix.vars.at[c->batch[i]].extent);
    }
}

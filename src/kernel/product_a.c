/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * product_a.c -- rows of A as the micro-kernel reads them: where they lie, or copied.
 *
 * Rows that lie across r are turned, and such of another type or in several runs are made into
 * what the micro-kernel wants: for each register tile, or, for tile registers, for all of a tile.
 */
#include "kernel/contract.h"

enum { ROW_PAD = 16 }; /* elements between rows in scratch */

tb_kv
tb_a_run_offset(tb_contract *c, tb_kv run)
{
    tb_kernel *k = c->k;
    tb_kv off = tb_k_int(k, 0);
    for (int i = c->n_run_axes; i-- > 0;) {
        tb_kv d = tb_contract_dim(c, c->run_dims[i]), at = i ? tb_k_mod(k, run, d) : run;
        off = tb_k_add(k, off, tb_k_mul(k, at, tb_contract_dim(c, c->run_stride[i])));
        run = i ? tb_k_div(k, run, d) : run;
    }
    return off;
}

/* Those for tile registers, which multiply faster than they are made, are made for all panels of
 * a tile at once. */
static bool
copies_whole(const tb_contract *c)
{
    return c->copied && c->micro.amx;
}

/* Elements from one row of so many in scratch to the next. Where tile registers read them each is some
 * whole lines, an odd number of them: a row that begins within a line takes two reads, and rows that
 * are some power of two apart fall on each other in the cache. */
static int64_t
row_pitch(const tb_contract *c, int64_t depth)
{
    if (c->micro.amx) /* depths are multiples of it, a line */
        return (depth / TB_AMX_DEPTH | 1) * TB_AMX_DEPTH;
    return TB_ALIGN_UP(depth, ROW_PAD) + ROW_PAD;
}

/* Where that row lies, or A_TILE has turned it to. */
static tb_kv
given_row(const tb_a_rows *s, tb_kv row)
{
    tb_contract *c = s->c;
    tb_kernel *k = c->k;
    int64_t bytes = (int64_t)tb_dtype_bytes(c->a_mem);

    row = tb_k_add(k, s->i, row);
    if (c->a_kind == TB_A_TILE)
        return tb_k_ptr_add(k, s->t->own_a, tb_k_mul(k, row, tb_k_int(k, row_pitch(c, c->kc))),
                            bytes);
    tb_kv off = tb_k_load(k, TB_I64, 1, s->t->offsets, row, 0, TB_NO_KV);
    return tb_k_ptr_add(k, s->t->a, tb_k_add(k, off, s->a_off), bytes);
}

static tb_kv
copied_row(const tb_a_rows *s, tb_kv row)
{
    tb_contract *c = s->c;
    tb_kernel *k = c->k;

    if (copies_whole(c))
        row = tb_k_add(k, s->i, row);
    return tb_k_ptr_add(k, s->t->copy, tb_k_mul(k, row, tb_k_int(k, row_pitch(c, c->kc))),
                        (int64_t)tb_dtype_bytes(c->copied));
}

tb_kv
tb_a_row(void *user, tb_kv row)
{
    const tb_a_rows *s = user;

    return s->c->copied ? copied_row(s, row) : given_row(s, row);
}

/* ---- copies of A's rows, in the type that the micro-kernel wants ---- */

typedef struct copying {
    tb_contract *c;
    tb_kv from, to; /* pointers to a row */
} copying;

static void
copy_lanes(tb_lower *l, void *arg)
{
    const copying *s = arg;
    tb_contract *c = s->c;
    tb_kernel *k = c->k;
    tb_kv r = l->env.at[c->r].value, v;
    bool same = c->a_mem == c->copied; /* bits, as they are */
    tb_dtype mem = same ? TB_U16 : c->a_mem, copied = same ? TB_U16 : c->copied;

    if (c->a_step == 1) {
        v = tb_k_load(k, mem, l->lanes, s->from, r, 0, l->mask);
    } else {
        tb_kv at = tb_k_splat(k, r, l->lanes);
        if (l->lanes > 1)
            at = tb_k_add(k, at, tb_k_lane_ids(k, TB_I64, l->lanes));
        at = tb_k_mul(k, at, tb_k_splat(k, tb_contract_dim(c, c->a_step), l->lanes));
        v = tb_k_gather(k, mem, s->from, at, l->mask);
    }
    if (copied == TB_BF16 && k->target->bf16_round && (l->lanes == 8 || l->lanes == 16)) {
        v = tb_k_to_bf16(k, v);
        copied = TB_U16;
    }
    tb_k_store(k, copied, s->to, r, 0, v, l->mask);
}

/* `runs` runs of `len` elements of n rows (from rows->i on), one after the other. */
static void
copy_rows(const tb_a_rows *rows, tb_kv n, tb_kv len, tb_kv runs)
{
    tb_contract *c = rows->c;
    tb_kernel *k = c->k;
    tb_kv distance = tb_contract_dim(c, c->n_run_axes ? c->run_stride[0] : 0);
    tb_kv row = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0);
    tb_kv run = tb_k_for(k, tb_k_int(k, 0), runs, 1, NULL, 0);
    copying s = {.c = c};

    s.from = tb_k_ptr_add(k, given_row(rows, row),
                          tb_k_mul(k, run, distance), (int64_t)tb_dtype_bytes(c->a_mem));
    s.to = tb_k_ptr_add(k, copied_row(rows, row), tb_k_mul(k, run, len),
                        (int64_t)tb_dtype_bytes(c->copied));
    tb_lane_loop(c->l, c->r, c->micro.lanes, tb_k_int(k, 0), len, copy_lanes, &s);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

tb_kv
tb_a_pitch(tb_contract *c)
{
    int64_t bytes = (int64_t)tb_dtype_bytes(c->copied ? c->copied : c->a_mem);

    if (c->copied || c->a_kind == TB_A_TILE)
        return tb_k_int(c->k, row_pitch(c, c->kc) * bytes);
    return tb_k_mul(c->k, tb_contract_dim(c, tb_operand_step(c->l, &c->a_row, c->m)),
                    tb_k_int(c->k, bytes));
}

/* Elements [r, r + len) of the tile's rows, `step` apart in A, to rows of row_pitch at `to`. */
static void
turn_rows(tb_contract *c, const tb_tile *t, tb_kv to, tb_dim step, tb_kv r, tb_kv len)
{
    tb_kernel *k = c->k;
    tb_turn turn = {.mem = c->a_mem,
                    .lanes = c->micro.lanes,
                    .from = t->a,
                    .step = tb_contract_dim(c, step),
                    .to = to,
                    .pitch = tb_k_int(k, row_pitch(c, c->kc)),
                    .rows = t->rows,
                    .len = len};

    tb_bind_var(c->l, c->m, t->m0, 0);
    c->l->lanes = 1;
    turn.first = tb_k_add(k, tb_ix_value(c->l, &c->a_row), tb_k_mul(k, r, turn.step));
    tb_turn_rows(k, &turn);
}

/* One run each, all equally far apart? */
static bool
rows_are_even(const tb_contract *c)
{
    tb_dim step;

    return c->n_runs == 1 &&
           (c->a_kind == TB_A_TILE || tb_ix_linear(&c->l->ix, &c->a_row, c->m, &step));
}

void
tb_a_choose_copies(tb_contract *c)
{
    tb_micro *m = &c->micro;

    if (!m->pairs)
        return;
    m->ragged = !tb_dim_is_multiple(c->run, 2);
    if (m->dot || m->amx) {
        if (c->a_mem != TB_BF16 || c->a_step != 1 || (m->amx && !rows_are_even(c)))
            c->copied = TB_BF16;
    } else if (c->a_mem != TB_F32 && c->a_step == 1) {
        c->copied = TB_F32;
    }
    if (c->copied)
        m->a_mem = c->copied;
}

static int64_t
copy_bytes(const tb_contract *c, int64_t depth)
{
    int64_t rows = copies_whole(c) ? TB_ALIGN_UP(c->most, c->micro.lanes) : c->micro.mr;

    return c->copied ? rows * row_pitch(c, depth) * (int64_t)tb_dtype_bytes(c->copied) : 0;
}

/* They stay in the first cache, all of a tile's in the second. */
static int64_t
most_copied(const tb_contract *c)
{
    return copies_whole(c) ? c->l->target->l2_bytes / 2 : c->l->target->l1_bytes / 2;
}

/* Scratch of A_TILE for so many r. */
static int64_t
own_bytes(const tb_contract *c, int64_t depth)
{
    if (c->a_kind != TB_A_TILE)
        return 0;
    return TB_ALIGN_UP(c->mc, c->micro.lanes) * depth * (int64_t)tb_dtype_bytes(c->a_mem);
}

bool
tb_a_is_across(const tb_contract *c)
{
    tb_dim step;

    return c->n_runs == 1 && c->a_step != 1 &&
           tb_ix_linear(&c->l->ix, &c->a_row, c->m, &step) && step == 1;
}

bool
tb_a_fits(const tb_contract *c)
{
    return own_bytes(c, c->R) <= c->l->target->l2_bytes / 4 &&
           copy_bytes(c, c->R) <= most_copied(c);
}

void
tb_a_scratch(const tb_contract *c, tb_tile *t)
{
    if (c->copied)
        t->copy = tb_k_scratch(c->k, copy_bytes(c, c->kc));
    if (c->a_kind == TB_A_TILE)
        t->own_a = tb_k_scratch(c->k, own_bytes(c, row_pitch(c, c->kc)));
}

tb_kv
tb_a_runs(tb_contract *c)
{
    return tb_contract_dim(c, c->one_chunk ? c->n_runs : 1);
}

void
tb_a_chunk(tb_contract *c, const tb_tile *t, tb_kv r, tb_kv a_off, tb_kv len)
{
    tb_kernel *k = c->k;
    bool kept = c->one_chunk && t->copied.id;
    tb_a_rows rows = {c, t, tb_k_int(k, 0), a_off};

    if (c->a_kind == TB_A_TILE)
        turn_rows(c, t, t->own_a, c->a_across, r, len);
    if (!copies_whole(c))
        return;
    if (kept)
        tb_k_if(k, tb_k_map(k, TB_P_not, t->copied, TB_NO_KV, TB_NO_KV));
    if (tb_a_is_across(c) && c->a_mem == c->copied)
        turn_rows(c, t, t->copy, c->a_step, r, len);
    else
        copy_rows(&rows, t->rows, len, tb_a_runs(c));
    if (kept)
        tb_k_end_if(k);
}

void
tb_a_block(const tb_a_rows *rows, tb_kv n, tb_kv len)
{
    if (rows->c->copied && !copies_whole(rows->c))
        copy_rows(rows, n, len, tb_a_runs(rows->c));
}

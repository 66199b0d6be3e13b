/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * product.c -- the kernel of a product.
 *
 * A tile is MC rows x NB panels of one batch. For each chunk of r: for each panel, for each
 * MR rows: the micro-kernel adds to an MR x 64 piece of the C block in scratch. Then the
 * epilogue walks the block while it is in cache and stores the group's root.
 *
 * Where there would be few tiles, r is cut in parts: a first kernel leaves the blocks of each
 * part in a temporary, a second adds them up and goes on with the epilogue.
 */
#include "kernel/contract.h"

enum { KC = 512 };
enum { FAR_DEPTH = 256, FAR_BYTES = 4 << 20 }; /* of a product whose result is asked for */

/* Inner products of n rows (from i on) with the columns of one panel, all of r at once. */
static void
multiply_rows(tb_contract *c, const tb_tile *t, tb_kv i, tb_kv n, tb_kv n0, tb_kv c_off)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    tb_a_rows rows = {c, t, i, tb_k_int(k, 0)};
    tb_kv last = tb_k_sub(k, tb_contract_dim(c, c->N), tb_k_int(k, 1));
    tb_kv cols = tb_contract_columns(c, n0);
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), cols, c->micro.cols, NULL, 0);
    tb_micro_operands o = {.row = tb_a_row,
                           .user = &rows,
                           .c = tb_k_ptr_add(k, t->block, tb_k_add(k, c_off, j),
                                             (int64_t)tb_dtype_bytes(c->acc)),
                           .len = tb_contract_dim(c, c->R)};

    tb_bind_var(l, c->r, tb_k_int(k, 0), 0);
    for (int m = 0; m < c->micro.cols; m++) { /* past N: the last again, nobody reads it */
        tb_kv at = tb_k_add(k, tb_k_add(k, n0, j), tb_k_int(k, m));
        tb_bind_var(l, c->n, tb_k_min(k, at, last), 0);
        o.cols[m] = tb_k_ptr_add(k, t->b, tb_ix_value(l, &c->b_flat),
                                 (int64_t)tb_dtype_bytes(c->b_mem));
    }
    tb_micro_call(k, &c->micro, n, &o);
    tb_k_end_for(k, NULL, NULL);
}

/* The rows of B that come after `len` at b_off: the same of the next panel, or, after the last
 * panel p of the tile, the next of the first. Not what lies behind B: pages that nobody has touched
 * take long to be asked for. */
static void
next_of_b(tb_contract *c, const tb_tile *t, tb_kv p, tb_kv b_off, tb_kv len, tb_micro_operands *o)
{
    tb_kernel *k = c->k;
    tb_unit *u = c->l->u;
    tb_kv panel = tb_k_int(k, c->panel), one = tb_k_int(k, 1), more, back, next;
    tb_dim panels = tb_dim_ceildiv(u, c->N, c->panel);
    int64_t bytes = (int64_t)tb_dtype_bytes(c->b_mem);
    tb_dim all = c->b_batched ? tb_dim_mul(u, panels, c->batches) : panels;

    if (c->b_kind == TB_B_TILE) { /* not packed yet: its columns, one after the other */
        tb_kv panel0 = tb_k_add(k, tb_k_add(k, t->panel0, p), one);
        panel0 = tb_k_min(k, panel0, tb_k_sub(k, tb_contract_dim(c, panels), one));
        tb_bind_var(c->l, c->r, tb_k_int(k, 0), 0);
        tb_bind_var(c->l, c->n, tb_k_mul(k, panel0, panel), 0);
        next = tb_ix_value(c->l, &c->b_flat);
        o->next = tb_k_ptr_add(k, t->b, next, bytes);
        o->idle = tb_k_int(k, 0);
        return;
    }
    tb_kv whole = tb_k_mul(k, tb_contract_dim(c, tb_contract_rows(c)), panel);
    next = tb_k_add(k, b_off, whole);
    if (!c->one_chunk) {
        more = tb_k_lt(k, tb_k_add(k, p, one), t->panels);
        back = tb_k_mul(k, whole, tb_k_sub(k, t->panels, one));
        back = tb_k_sub(k, tb_k_add(k, b_off, tb_k_mul(k, len, panel)), back);
        next = tb_k_map(k, TB_P_where, more, next, back);
    }
    more = tb_k_lt(k, next, tb_k_mul(k, tb_contract_dim(c, all), whole));
    next = tb_k_map(k, TB_P_where, more, next, b_off);
    o->next = tb_k_ptr_add(k, t->b, next, bytes);
    o->idle = tb_k_mul(k, tb_k_sub(k, b_off, next), tb_k_int(k, bytes));
}

/* Of B; where its columns are fewer. */
static tb_kv
is_last(tb_contract *c, tb_kv panel)
{
    return tb_k_map(c->k, TB_P_eq, panel, tb_k_int(c->k, c->N / c->panel), TB_NO_KV);
}

/* One chunk of r against n rows (from i on) of one panel, the tile's p-th. */
static void
multiply(tb_contract *c, const tb_tile *t, tb_kv p, tb_kv i, tb_kv n, tb_kv a_off, tb_kv b_off,
         tb_kv pitch, tb_kv len, tb_kv c_off)
{
    tb_kernel *k = c->k;
    tb_a_rows rows = {c, t, i, a_off};
    tb_kv runs = c->copied ? tb_a_runs(c) : tb_contract_dim(c, c->n_runs);
    tb_a_block(&rows, n, len);
    if (c->copied)
        len = tb_k_mul(k, len, runs);
    tb_micro_operands o = {
        .row = tb_a_row,
        .user = &rows,
        .b = tb_k_ptr_add(k, c->b_kind == TB_B_TILE ? t->own : t->b, b_off,
                          (int64_t)tb_dtype_bytes(c->b_mem)),
        .c = tb_k_ptr_add(k, t->block, c_off, (int64_t)tb_dtype_bytes(c->acc)),
        .pitch = pitch,
        .len = len,
        .step = tb_contract_dim(c, c->a_step),
        .runs = runs,
        .distance = tb_contract_dim(c, c->n_run_axes ? c->run_stride[0] : 0)};
    if (c->micro.amx)
        o.a_pitch = tb_a_pitch(c);
    if (tb_micro_asks_next(&c->micro)) {
        next_of_b(c, t, p, b_off, len, &o);
        /* all tiles that read a panel ask for the next; of chunks each tile asks by itself */
        o.before = c->one_chunk ? tb_k_add(k, t->m0, i) : i;
    }
    if (c->last_micro.width) {
        tb_k_if(k, is_last(c, tb_k_add(k, t->panel0, p)));
        tb_micro_call(k, &c->last_micro, n, &o);
        tb_k_else(k);
    }
    tb_micro_call(k, &c->micro, n, &o);
    if (c->last_micro.width)
        tb_k_end_if(k);
}

/* Rows [r, r + len) of the panel that begins at column n0, to the tile's own memory. */
static void
pack_own(tb_contract *c, const tb_tile *t, tb_kv r, tb_kv len, tb_kv n0)
{
    tb_kernel *k = c->k;
    tb_repack p = tb_contract_repack(c);

    tb_repack_panel(&p, t->own, tb_k_mul(k, r, tb_k_int(k, -c->panel)), n0, r,
                    tb_k_add(k, r, len));
}

/* From one row of that panel of B to the next. */
static tb_kv
row_of_b(tb_contract *c, tb_kv panel)
{
    tb_kv whole = tb_k_int(c->k, c->panel);

    if (c->last_pitch == c->panel)
        return whole;
    return tb_k_map(c->k, TB_P_where, is_last(c, panel), tb_k_int(c->k, c->last_pitch), whole);
}

/* Do they not stay in the second cache from one call to the next? */
static bool
results_are_far(const tb_contract *c)
{
    tb_val root = c->l->group->root;
    return tb_elements_hint(c->g, root) * (double)tb_dtype_bytes(tb_dtype_of(c->g, root)) >=
           FAR_BYTES;
}

/* Where the panel's sums will be stored, for the second cache: lines that are written anew are read
 * before, and where a product is shallow that takes longer than its sums. */
static void
ask_for_results(tb_contract *c, const tb_tile *t, tb_kv n0)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    tb_val root = l->group->root;
    int64_t bytes = (int64_t)tb_dtype_bytes(tb_dtype_of(c->g, root));
    tb_kv to = tb_bind_node(l, root, true);
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), tb_contract_columns(c, n0), 1, NULL, 0);

    l->lanes = 1;
    tb_bind_var(l, c->m, t->m0, 0);
    tb_bind_var(l, c->n, tb_k_add(k, n0, j), 0);
    tb_ix flat = tb_ix_flat(&l->ix, c->root_at, tb_rank(c->g, root), tb_dims(c->g, root));
    tb_k_prefetch_lines(k, tb_k_ptr_add(k, to, tb_ix_value(l, &flat), bytes), c->mc * bytes,
                        TB_SECOND_CACHE);
    tb_k_end_for(k, NULL, NULL);
}

/* A . B of a tile, chunk by chunk. */
static void
write_chunks(tb_contract *c, tb_tile *t)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    tb_unit *u = l->u;
    int64_t step = c->micro.mr;
    tb_kv zero = tb_k_int(k, 0), one_panel = tb_k_int(k, c->most * c->panel), i;

    tb_dim per_run = tb_dim_ceildiv(u, c->run, c->kc);
    tb_dim chunks = c->one_chunk ? 1 : tb_dim_mul(u, per_run, c->n_runs);
    tb_kv chunk = tb_k_for(k, zero, tb_contract_dim(c, chunks), 1, NULL, 0);
    tb_kv run = tb_k_div(k, chunk, tb_contract_dim(c, per_run));
    tb_kv r0 = tb_k_mul(k, tb_k_mod(k, chunk, tb_contract_dim(c, per_run)), tb_k_int(k, c->kc));
    tb_kv len = tb_k_min(k, tb_k_sub(k, tb_contract_dim(c, c->run), r0), tb_k_int(k, c->kc));
    tb_kv a_off = tb_k_add(k, tb_a_run_offset(c, run), tb_k_mul(k, r0, tb_contract_dim(c, c->a_step)));
    tb_kv r = tb_k_add(k, tb_k_mul(k, run, tb_contract_dim(c, c->run)), r0);

    tb_a_chunk(c, t, r, a_off, len);
    tb_kv p = tb_k_for(k, zero, t->panels, 1, NULL, 0);
    tb_kv panel = tb_k_add(k, t->panel0, p), n0 = tb_k_mul(k, panel, tb_k_int(k, c->panel));
    tb_kv b_off, pitch = tb_k_int(k, c->panel);
    if (c->b_kind == TB_B_DIRECT) {
        tb_bind_var(l, c->r, r, 0);
        tb_bind_var(l, c->n, n0, 0);
        b_off = tb_ix_value(l, &c->b_flat);
        pitch = tb_contract_dim(c, c->b_step_r);
    } else if (c->b_kind == TB_B_ROWS) {
        b_off = zero;
    } else if (c->b_kind == TB_B_TILE) {
        pack_own(c, t, r, len, n0);
        b_off = zero;
    } else {
        tb_kv at = panel;
        if (c->b_batched)
            at = tb_k_add(
                k, tb_k_mul(k, t->batch, tb_contract_dim(c, tb_dim_ceildiv(u, c->N, c->panel))), panel);
        at = tb_k_mul(k, at, tb_contract_dim(c, tb_contract_rows(c)));
        b_off = tb_k_add(k, tb_k_mul(k, at, tb_k_int(k, c->panel)),
                         tb_k_mul(k, r, row_of_b(c, panel)));
    }
    if (c->one_chunk && c->turned && c->R <= FAR_DEPTH && results_are_far(c))
        ask_for_results(c, t, n0);
    tb_kv c_panel = c->one_chunk ? zero : tb_k_mul(k, p, one_panel);
    i = tb_k_for(k, zero, t->rows, step, NULL, 0);
    /* sums that are complete leave at once: the register tile's block is used again */
    tb_kv c_off = c->one_chunk && !c->turned
                      ? zero
                      : tb_k_add(k, c_panel, tb_k_mul(k, i, tb_k_int(k, c->panel)));
    tb_kv n = tb_k_min(k, tb_k_sub(k, t->rows, i), tb_k_int(k, step));
    if (c->b_kind == TB_B_ROWS)
        multiply_rows(c, t, i, n, n0, c_off);
    else
        multiply(c, t, p, i, n, a_off, b_off, pitch, len, c_off);
    if (c->one_chunk && !c->turned) /* the sums are complete: store them while they are in L1 */
        tb_contract_epilogue(c, t->block, c_off, tb_k_add(k, t->m0, i), n, n0);
    tb_k_end_for(k, NULL, NULL);
    if (c->one_chunk && c->turned)
        tb_contract_epilogue(c, t->block, zero, t->m0, t->rows, n0);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

static void
all_epilogues(tb_contract *c, tb_tile *t)
{
    tb_kernel *k = c->k;
    tb_kv p = tb_k_for(k, tb_k_int(k, 0), t->panels, 1, NULL, 0);
    tb_kv n0 = tb_k_mul(k, tb_k_add(k, t->panel0, p), tb_k_int(k, c->panel));

    tb_contract_epilogue(c, t->block, tb_k_mul(k, p, tb_k_int(k, c->most * c->panel)), t->m0,
                         t->rows, n0);
    tb_k_end_for(k, NULL, NULL);
}

/* The number of the tile among all of its kind, part by part. */
static tb_kv
part_offset(tb_contract *c, tb_kv part, tb_kv tile)
{
    tb_kernel *k = c->k;
    tb_kv at = tb_k_add(k, tb_k_mul(k, part, tb_contract_dim(c, c->tiles)), tile);
    return tb_k_mul(k, at, tb_k_int(k, c->nb * c->most * c->panel));
}

/* The C block becomes the sum of the parts of this tile. */
static void
add_parts(tb_contract *c, tb_tile *t)
{
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    tb_kv len = tb_k_mul(k, t->panels, tb_k_int(k, c->most * c->panel));
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), len, w, NULL, 0), sum = TB_NO_KV;

    for (int64_t p = 0; p < c->parts; p++) {
        tb_kv at = tb_k_add(k, part_offset(c, tb_k_int(k, p), t->no), i);
        tb_kv v = tb_k_load(k, c->acc, w, t->temp, at, 0, TB_NO_KV);
        sum = p ? tb_k_map(k, TB_P_add, sum, v, TB_NO_KV) : v;
    }
    tb_k_store(k, c->acc, t->block, i, 0, sum, TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
}

static void
row_offsets(tb_contract *c, tb_tile *t)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), t->rows, 1, NULL, 0);

    tb_bind_var(l, c->m, tb_k_add(k, t->m0, i), 0);
    l->lanes = 1;
    tb_k_store(k, TB_I64, t->offsets, i, 0, tb_ix_value(l, &c->a_row), TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
}

static void
clear_block(tb_contract *c, tb_tile *t)
{
    tb_kernel *k = c->k;
    tb_kv none = tb_k_splat(k, tb_k_const(k, c->acc, 0), c->micro.lanes);
    tb_kv len = tb_k_mul(k, t->panels, tb_k_int(k, c->most * c->panel));
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), len, c->micro.lanes, NULL, 0);

    tb_k_store(k, c->acc, t->block, i, 0, none, TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
}

static void
write_tile(tb_contract *c, tb_product_part part, tb_tile *t)
{
    if (part == TB_PRODUCT_SUM) {
        add_parts(c, t);
    } else if (c->b_kind == TB_B_STREAM) {
        clear_block(c, t);
        tb_stream_tile(c, t);
    } else {
        if (c->a_kind != TB_A_TILE)
            row_offsets(c, t);
        if (!c->one_chunk)
            clear_block(c, t);
        write_chunks(c, t);
    }
    if (!c->one_chunk && part != TB_PRODUCT_PARTS)
        all_epilogues(c, t);
}

/* What is bound; does not depend on the target. */
static void
bind(tb_contract *c, tb_product_part part, tb_tile *t)
{
    tb_lower *l = c->l;

    if (part != TB_PRODUCT_WHOLE)
        t->temp = tb_bind_temp(l, c->temp, part == TB_PRODUCT_PARTS);
    if (part != TB_PRODUCT_SUM) {
        t->a = c->a_kind == TB_A_TEMP ? tb_bind_temp(l, c->a_temp, false)
                                      : tb_bind_node(l, c->a_store, false);
        t->b = c->b_kind == TB_B_PACKED ? tb_bind_packed(l, c->packed)
               : c->b_kind == TB_B_TEMP ? tb_bind_temp(l, c->temp, false)
                                        : tb_bind_node(l, c->b_store, false);
    }
    if (part != TB_PRODUCT_PARTS)
        tb_bind_node(l, l->group->root, true);
}

/* Chunks of r, the micro-kernel, and scratch. */
static void
prepare(tb_contract *c, tb_product_part part, tb_tile *t)
{
    tb_kernel *k = c->k;
    int64_t bytes = c->panel * (int64_t)tb_dtype_bytes(c->acc);
    int64_t panel_row = c->panel * (int64_t)tb_dtype_bytes(c->b_mem);

    tb_a_choose_copies(c);
    c->kc = KC;
    c->micro.runs = c->conv && c->n_run_axes == 1 && c->a_step == 1;
    c->one_chunk = tb_dim_is_const(c->R) && (c->n_runs == 1 || c->micro.runs) && c->R > 0 &&
                   (c->R <= KC ||
                    (c->R * panel_row <= c->l->target->l2_bytes / 2 && tb_a_fits(c)));
    if (c->b_kind == TB_B_ROWS)
        c->one_chunk = true;
    if (c->b_kind == TB_B_STREAM)
        c->one_chunk = false;
    c->micro.runs = c->micro.runs && c->one_chunk && !c->copied && !c->micro.amx;
    if (c->one_chunk)
        c->kc = c->R;
    tb_a_scratch(c, t);
    int64_t rows = !c->one_chunk ? c->nb * c->most : c->turned ? c->most : c->micro.mr;
    if (c->turned)
        rows += c->micro.lanes; /* the last square may go past its rows */
    if (part != TB_PRODUCT_PARTS)
        t->block = tb_k_scratch(k, rows * bytes);
    if (c->b_kind == TB_B_STREAM)
        return;
    t->offsets = tb_k_scratch(k, c->most * 8);
    if (c->b_kind == TB_B_TILE)
        t->own = tb_k_scratch(k, c->kc * panel_row);
    c->micro.fresh = c->one_chunk;
    c->micro.unit_step = c->a_step == 1 || c->copied;
    c->micro.pitched = c->b_kind == TB_B_DIRECT;
    int64_t m = tb_dim_hint(c->l->u, c->M);
    /* packed panels come from far, each for the first time */
    bool lies_together = c->b_kind == TB_B_TILE && c->one_chunk && c->b_step_r == 1 &&
                         c->b_step_n == c->R;
    if (c->b_kind == TB_B_PACKED || c->b_kind == TB_B_TEMP || lies_together)
        tb_micro_look_ahead(&c->micro, c->one_chunk || m < c->most ? m : c->most, c->run);
    tb_micro_write(k, &c->micro);
    if (c->last < c->panel) {
        c->last_micro = tb_micro_part(&c->micro, c->last, c->last_pitch);
        tb_micro_write(k, &c->last_micro);
    }
}

/* Where the tile is that begins with block mb of the rows; `rest`: which panels, of which batch. */
static void
place(tb_contract *c, tb_tile *t, tb_kv mb, tb_kv rest, tb_dim n_n)
{
    tb_kernel *k = c->k;
    tb_dim n_panels = tb_dim_ceildiv(c->l->u, c->N, c->panel);
    tb_kv nb = tb_k_mod(k, rest, tb_contract_dim(c, n_n));

    t->batch = tb_k_div(k, rest, tb_contract_dim(c, n_n));
    tb_bind_batches(c->l, c->batch, c->n_batch, t->batch);
    t->m0 = tb_k_mul(k, mb, tb_k_int(k, c->mc));
    t->panel0 = tb_k_mul(k, nb, tb_k_int(k, c->nb));
    t->panels = tb_k_sub(k, tb_contract_dim(c, n_panels), t->panel0);
    t->panels = tb_k_min(k, t->panels, tb_k_int(k, c->nb));
}

/* Its rows, of so many tiles. */
static tb_kv
rows_of(tb_contract *c, const tb_tile *t, tb_kv tiles)
{
    tb_kernel *k = c->k;

    return tb_k_min(k, tb_k_sub(k, tb_contract_dim(c, c->M), t->m0),
                    tb_k_mul(k, tiles, tb_k_int(k, c->mc)));
}

/* One after the other, or with those after it that read the same panels and are ours, too. */
static void
by_tiles(tb_contract *c, tb_product_part part, tb_tile *t, tb_dim n_m, tb_dim n_n)
{
    tb_kernel *k = c->k;
    bool parts = part == TB_PRODUCT_PARTS, together = c->most > c->mc;
    tb_kv begin = tb_k_tile_begin(k), end = tb_k_tile_end(k), done = begin;
    tb_kv no = tb_k_for(k, begin, end, 1, &done, together), tiles = tb_k_int(k, 1);

    t->no = parts ? tb_k_div(k, no, tb_k_int(k, c->parts)) : no;
    t->part = parts ? tb_k_mod(k, no, tb_k_int(k, c->parts)) : tb_k_int(k, 0);
    tb_kv mb = tb_k_mod(k, t->no, tb_contract_dim(c, n_m));
    place(c, t, mb, tb_k_div(k, t->no, tb_contract_dim(c, n_m)), n_n);
    if (together) {
        tiles = tb_k_min(k, tb_k_sub(k, end, no), tb_k_int(k, c->most / c->mc));
        tiles = tb_k_min(k, tiles, tb_k_sub(k, tb_contract_dim(c, n_m), mb));
        done = tb_k_carried(k, 0);
        tb_kv taken = tb_k_lt(k, no, done);
        done = tb_k_map(k, TB_P_where, taken, done, tb_k_add(k, no, tiles));
        tb_k_if(k, tb_k_map(k, TB_P_not, taken, TB_NO_KV, TB_NO_KV));
    }
    t->rows = rows_of(c, t, tiles);
    if (parts)
        t->block = tb_k_ptr_add(k, t->temp, part_offset(c, t->part, t->no),
                                (int64_t)tb_dtype_bytes(c->acc));
    write_tile(c, part, t);
    if (together)
        tb_k_end_if(k);
    tb_k_end_for(k, &done, &done);
}

/* All our panels for the rows of some tiles, then for the next: rows stay in the second cache, and
 * copies of them are made once. */
static void
by_rows(tb_contract *c, tb_tile *t, tb_dim n_m, tb_dim n_n)
{
    tb_kernel *k = c->k;
    tb_kv begin = tb_k_tile_begin(k), end = tb_k_tile_end(k), width = tb_contract_dim(c, n_m);
    tb_kv kept = tb_k_int(k, -1); /* whose copies there are: fewer only at our end */
    tb_dim n_rests = tb_dim_mul(c->l->u, c->batches, n_n);
    tb_kv last = tb_k_min(k, tb_k_add(k, tb_k_div(k, end, width), tb_k_int(k, 1)),
                          tb_contract_dim(c, n_rests));
    int64_t step = c->most / c->mc;
    tb_kv from = tb_k_for(k, tb_k_int(k, 0), width, step, &kept, 1);
    kept = tb_k_carried(k, 0);
    tb_kv rest = tb_k_for(k, tb_k_div(k, begin, width), last, 1, &kept, 1);
    tb_kv first = tb_k_mul(k, rest, width), to = tb_k_add(k, from, tb_k_int(k, step));
    kept = tb_k_carried(k, 0);

    /* of these rows' tiles those that are ours */
    tb_kv mb = tb_k_max(k, from, tb_k_sub(k, begin, first));
    to = tb_k_min(k, tb_k_min(k, to, width), tb_k_sub(k, end, first));
    tb_kv any = tb_k_lt(k, mb, to);
    place(c, t, mb, rest, n_n);
    t->rows = rows_of(c, t, tb_k_sub(k, to, mb));
    tb_kv these = tb_k_add(k, tb_k_mul(k, t->batch, width), mb);
    t->copied = tb_k_map(k, TB_P_eq, these, kept, TB_NO_KV);
    kept = tb_k_map(k, TB_P_where, any, these, kept);
    tb_k_if(k, any);
    write_tile(c, TB_PRODUCT_WHOLE, t);
    tb_k_end_if(k);
    tb_k_end_for(k, &kept, &kept);
    tb_k_end_for(k, &kept, &kept);
}

void
tb_product_kernel(tb_contract *c, tb_product_part part)
{
    tb_lower *l = c->l;
    tb_unit *u = l->u;
    tb_kernel *k = c->k = l->k;
    tb_tile t = {0};
    tb_dim n_m = tb_dim_ceildiv(u, c->M, c->mc);
    tb_dim n_panels = tb_dim_ceildiv(u, c->N, c->panel);
    tb_dim n_n = tb_dim_ceildiv(u, n_panels, c->nb);
    bool parts = part == TB_PRODUCT_PARTS;

    c->tiles = tb_dim_mul(u, c->batches, tb_dim_mul(u, n_m, n_n));
    bind(c, part, &t);
    prepare(c, part, &t);
    l->step->tiles = tb_dim_mul(u, c->tiles, parts ? c->parts : 1);
    l->step->tile_cost_ns = 1 + (uint64_t)(parts                    ? c->tile_ns / (double)c->parts
                                           : part == TB_PRODUCT_SUM ? c->parts * c->nb * 20
                                                                    : c->tile_ns);
    if (c->micro.amx)
        tb_amx_begin(k, &c->micro);
    if (c->micro.amx && c->most > c->mc)
        by_rows(c, &t, n_m, n_n);
    else
        by_tiles(c, part, &t, n_m, n_n);
    if (c->micro.amx)
        tb_amx_end(k);
}

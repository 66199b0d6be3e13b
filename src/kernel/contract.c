/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * contract.c -- matrix products and channels-last convolutions, with what follows them:
 * how each is computed.
 *
 *   C[m, n] = sum over r of A[m, r] * B[r, n]
 *
 * A is read where it lies (geometry.c), unless it lies across r. B is in panels of 64 columns
 * (or 48, 32, 16, as fits), [panel][r][64]: packed at compile time if it is constant, by a kernel
 * of its own otherwise or by each tile for itself, or read in place: as panels, along r if its
 * columns are contiguous (inner.c), or in long rows for a product of few rows (stream.c). The
 * kernel is in product.c and epilogue.c. The shape of the register tile (MR rows, NV vectors) is
 * the target's affair; tiles and panels are the same for all targets, so that one program and one
 * copy of the weights serve them all.
 *
 * Measured on AVX-512: 6 x 4 vectors without packing A runs at 85-92 % of the FMA peak
 * (docs/codegen.md).
 */
#include "kernel/contract.h"

enum { NARROW = 32, MAX_MC = 192, MAX_COLS = 256, MAX_STREAM = 2048 };
enum { OPEN_ROWS = 256, TURNED_MC = 96 };
enum { MOST_ROWS = 240 }; /* that neighbouring tiles multiply together */
enum { DEEP = 1024 };     /* rows of a panel that do not stay in the second cache */
/* Of a tile that packs its panels: rows; tiles of each worker, to be shared out evenly. */
enum { MAX_OWN_ROWS = 256, TILES_PER_WORKER = 4 };
enum { AMX_LEAST_ROWS = 4 }; /* with fewer, memory takes longer than any way to multiply */
enum { FEW_LEFT = 4 }; /* rows: they go with the others, as they would take the time of more */
enum { MIN_MC = 12, MANY_TILES = 256, MAX_PARTS = 32, SHORT_NS = 16000 };
/* Fewer tiles than that cannot be shared out evenly: they may be shorter. */
enum { FEW_TILES = 16, LEAST_NS = 4000 };
enum { FLOPS_PER_NS = 100, BYTES_PER_NS = 20 }; /* of one worker */
enum { INNER_ROWS = 112, INNER_HALF_ROWS = 48 }; /* with more, packing pays */
enum { SHORT_ROWS = 48, SHORT_DEPTH = 512 };     /* so it does earlier where r is short */
enum { INNER_PAIRS = 32 }; /* elements of the longest vector */
enum { SHALLOW = 64, NEAR_BYTES = 1 << 19 }; /* of B: rows; all of it */
enum { NEAR_ROWS = 96, HALF_ROWS = 8 }; /* of A: with fewer packing does not pay; of bf16 */
enum { ACROSS_ROWS = 16, ACROSS_BYTES = 32 << 10 }; /* with less of A, turning does not pay */
enum { STREAM_COLS = 512, STREAM_ELEMENTS = 1 << 20 }; /* B is no longer in cache */

/* Time of a tile: products, or reading B where few rows share it. */
static double
tile_ns(const tb_contract *c, double rows, double width, double depth)
{
    double products = 2.0 * rows * width * depth / FLOPS_PER_NS;
    double bytes = width * depth * (double)tb_dtype_bytes(c->b_mem) / BYTES_PER_NS;

    return products > bytes ? products : bytes;
}

/* Between batches? */
static bool
differs(const tb_contract *c, const tb_ix *at)
{
    for (uint32_t i = 0; i < c->n_batch; i++)
        if (tb_ix_uses(&c->l->ix, at, c->batch[i]))
            return true;
    return false;
}

/* ---- B ---- */
tb_dim
tb_contract_rows(const tb_contract *c)
{
    tb_unit *u = c->l->u;
    return c->micro.pairs ? tb_dim_mul(u, tb_dim_ceildiv(u, c->R, 2), 2) : c->R;
}

/* One block of rows: what a tile packs no other needs, and it stays in the second cache. Tiles of
 * all rows are long: where that shows, only if as many are known to be enough. */
static bool
packs_for_itself(const tb_contract *c, bool in_order)
{
    int workers = c->l->out->options.workers;
    bool across = c->b_step_r == 1 && c->b_step_n != 1 && c->b_mem == TB_F32;
    if (!in_order || (c->b_step_n != 1 && !across) || !tb_dim_is_const(c->M) ||
        !tb_dim_is_const(c->R))
        return false;
    if (!c->conv && c->b_step_n == 1 && c->M <= MAX_MC &&
        tile_ns(c, (double)c->M, (double)c->panel, (double)c->R) < 2 * SHORT_NS)
        return true;
    return workers && c->n_runs == 1 && c->M <= MAX_OWN_ROWS && tb_dim_is_const(c->N) &&
           c->N / c->panel >= TILES_PER_WORKER * workers;
}

/* How far apart B's rows and columns are. Returns whether it can be read as it is: if not, or without
 * steps, only to be repacked. */
static bool
measure_b(tb_contract *c)
{
    uint32_t row;
    bool in_order = tb_ix_is_var(&c->b_row, &row);

    if (!tb_ix_linear(&c->l->ix, &c->b_flat, c->r, &c->b_step_r)) {
        c->b_step_r = 0;
        in_order = false;
    }
    if (!tb_ix_linear(&c->l->ix, &c->b_flat, c->n, &c->b_step_n)) {
        c->b_step_n = 0;
        in_order = false;
    }
    return in_order;
}

static void
choose_b(tb_contract *c, bool in_order)
{
    tb_lower *l = c->l;
    bool other = l->variant == TB_VARIANT_OTHER;
    int64_t least, most_rows;
    tb_dim_range(l->u, c->M, &least, &most_rows);
    bool fixed = tb_contract_is_weight(c) && tb_dim_is_const(c->N) && tb_dim_is_const(c->R);
    c->b_batched = differs(c, &c->b_flat);
    fixed = fixed && tb_dim_is_const(c->b_step_r) && tb_dim_is_const(c->b_step_n) &&
            (!c->b_batched || c->conv);
    /* rows of bf16 in pairs, where no run of A begins in the middle of one */
    bool pairs = c->b_mem == TB_BF16 && c->acc == TB_F32 &&
                 (c->n_runs == 1 || tb_dim_is_multiple(c->run, 2));
    if (fixed) {
        TB_CHECK(in_order);
        tb_dim per_group = 0;
        if (c->b_batched)
            per_group = tb_operand_step(l, &c->b_flat, c->batch[0]);
        c->b_kind = TB_B_PACKED;
        tb_pack_request q = {.offset = c->b_flat.c,
                             .R = c->R,
                             .N = c->N,
                             .step_r = c->b_step_r,
                             .step_n = c->b_step_n,
                             .groups = c->b_batched ? c->batches : 1,
                             .step_group = per_group,
                             .panel = c->panel};
        if (l->out->options.bf16_weights && !c->conv && c->b_mem == TB_F32) {
            q.rounded = 1;
            c->b_mem = c->micro.b_mem = TB_BF16;
            pairs = c->acc == TB_F32;
        }
        q.pairs = c->micro.pairs = pairs;
        c->last_pitch = pairs || q.rounded || c->b_batched ? (int)c->panel : c->last;
        q.last = c->last_pitch;
        c->packed = tb_pack_const(l, (uint32_t)tb_attrs(c->g, c->b_store)[0], &q);
        return;
    }
    /* Inner products: columns of B are read where they lie. */
    int64_t inner_rows = pairs ? INNER_HALF_ROWS : c->R < SHORT_DEPTH ? SHORT_ROWS : INNER_ROWS;
    if (!other && !c->conv && c->b_step_r == 1 && c->a_step == 1 && c->b_step_n != 1 &&
        tb_dim_is_const(c->R) && c->R >= 16 && most_rows <= inner_rows) {
        c->b_kind = TB_B_ROWS;
        c->panel = c->micro.panel = c->last = c->R <= 1024 ? 64 : 16;
        c->micro.cols = TB_INNER_COLS;
        c->micro.dot = l->target->bf16_dot && c->a_mem == TB_BF16 && c->b_mem == TB_BF16 &&
                       c->R >= INNER_PAIRS;
        c->micro.ragged = c->R % (c->micro.dot ? INNER_PAIRS : 16) != 0;
        return;
    }
    int64_t rows = tb_dim_hint(l->u, c->M), cols = tb_dim_hint(l->u, c->N);
    if (!other && !c->conv && c->b_step_n == 1 && tb_dim_is_const(c->M) &&
        rows <= TB_STREAM_ROWS &&
        cols >= STREAM_COLS &&
        (double)cols * (double)tb_dim_hint(l->u, c->R) >= STREAM_ELEMENTS) {
        c->b_kind = TB_B_STREAM;
        return;
    }
    /* In place: rows of B are panels already. A long pitch costs more than packing once
     * there are rows enough to share it: each row of a panel is in a page of its own. Unless
     * all of B stays in the second cache, or few rows of B are a panel: they stay in the first. */
    double depth = (double)tb_dim_hint(l->u, c->R);
    bool near = (double)cols * depth * (double)tb_dtype_bytes(c->b_mem) <= NEAR_BYTES;
    bool packs = pairs && rows >= HALF_ROWS; /* words in pairs are multiplied faster */
    bool direct = !packs && (rows < NEAR_ROWS || (cols < 1024 && near) || depth <= SHALLOW);
    if (in_order && c->b_step_n == 1 && tb_dim_is_multiple(c->N, c->panel) && direct != other) {
        c->b_kind = TB_B_DIRECT;
        return;
    }
    if (!other && !packs && packs_for_itself(c, in_order)) {
        c->b_kind = TB_B_TILE;
        return;
    }
    c->b_kind = TB_B_TEMP;
    c->micro.pairs = pairs && in_order;
    tb_dim panels = tb_dim_ceildiv(l->u, c->N, c->panel);
    tb_dim bytes = tb_dim_mul(l->u, tb_dim_mul(l->u, panels, c->panel), tb_contract_rows(c));
    bytes = tb_dim_mul(l->u, bytes, (tb_dim)tb_dtype_bytes(c->b_mem));
    if (c->b_batched)
        bytes = tb_dim_mul(l->u, bytes, c->batches);
    c->temp = tb_lower_temp(l, 0, bytes);
}

tb_repack
tb_contract_repack(const tb_contract *c)
{
    tb_repack p = {.l = c->l,
                   .store = c->b_store,
                   .flat = c->b_flat,
                   .row = c->b_row,
                   .r = c->r,
                   .n = c->n,
                   .R = c->R,
                   .N = c->N,
                   .step_r = c->b_step_r,
                   .step_n = c->b_step_n,
                   .mem = c->b_mem,
                   .temp = c->temp,
                   .panel = c->panel,
                   .pairs = c->micro.pairs,
                   .batches = 1};
    if (c->b_batched) {
        p.batch = c->batch;
        p.n_batch = c->n_batch;
        p.batches = c->batches;
    }
    return p;
}

/* ---- A ---- */
/* Rows that lie across r, as in a weight's gradient, are turned: with each r another page would be
 * touched. Each tile turns its own where they are all that its columns need. */
static void
choose_a(tb_contract *c)
{
    tb_unit *u = c->l->u;
    if (c->conv || c->b_kind == TB_B_STREAM || c->b_kind == TB_B_ROWS || !tb_a_is_across(c) ||
        !tb_dim_le(u, ACROSS_ROWS, c->M))
        return;
    tb_dim bytes = tb_dim_mul(u, tb_turn_height(c), tb_turn_pitch(c));
    bytes = tb_dim_mul(u, bytes, (tb_dim)tb_dtype_bytes(c->a_mem));
    if (tb_dim_hint(u, bytes) <= ACROSS_BYTES)
        return;
    c->a_across = c->a_step;
    c->a_step = 1;
    if (tb_dim_hint(u, c->N) <= MAX_COLS) {
        c->a_kind = TB_A_TILE;
        return;
    }
    c->a_kind = TB_A_TEMP;
    c->a_batched = differs(c, &c->a_row);
    if (c->a_batched)
        bytes = tb_dim_mul(u, bytes, c->batches);
    c->a_temp = tb_lower_temp(c->l, c->b_kind == TB_B_TEMP, bytes);
}

/* ---- tiles ---- */
/* Long rows of B; where that leaves few tiles, r is cut. */
static void
choose_stream(tb_contract *c)
{
    tb_unit *u = c->l->u;
    double cols = (double)tb_dim_hint(u, c->N), depth = (double)tb_dim_hint(u, c->R), tiles;

    c->turned = false;
    c->mc = c->most = c->M;
    c->nb = (c->M > 2 ? MAX_STREAM / 2 : MAX_STREAM) / c->panel;
    tiles = (double)tb_dim_hint(u, c->batches) *
            __builtin_ceil(cols / (double)(c->nb * c->panel));
    c->tile_ns = tile_ns(c, (double)c->M, (double)(c->nb * c->panel), depth);
    while (c->parts < MAX_PARTS && tiles * (double)c->parts < MANY_TILES &&
           c->tile_ns / (double)c->parts > 2 * SHORT_NS)
        c->parts *= 2;
    tb_micro_shape(&c->micro, c->l->target, c->M, c->mc, c->mc);
}

static void
choose_tiles(tb_contract *c)
{
    bool finer = c->l->variant == TB_VARIANT_FINER, coarser = c->l->variant == TB_VARIANT_COARSER;
    double many = finer ? 4 * MANY_TILES : coarser ? MANY_TILES / 8 : MANY_TILES;
    double short_ns = finer ? SHORT_NS / 4 : coarser ? SHORT_NS * 4 : SHORT_NS;
    tb_unit *u = c->l->u;
    const tb_target *t = c->l->target;
    double rows = (double)tb_dim_hint(u, c->M), cols = (double)tb_dim_hint(u, c->N);
    double depth = (double)tb_dim_hint(u, c->R), b = (double)tb_dim_hint(u, c->batches);
    bool whole = c->b_kind == TB_B_TILE; /* all rows */
    int64_t least, most;

    if (c->micro.pairs)
        c->micro.dot = t->bf16_dot;
    c->micro.amx = c->micro.pairs && t->amx && tb_dim_is_multiple(c->run, TB_AMX_DEPTH) &&
                   (!tb_dim_is_const(c->M) || c->M >= AMX_LEAST_ROWS);
    tb_dim_range(u, c->M, &least, &most);
    if (!tb_dim_is_const(c->M) && rows < OPEN_ROWS) /* an example's few rows say little */
        rows = most < OPEN_ROWS ? (double)most : OPEN_ROWS;

    c->mc = c->turned ? TURNED_MC : MAX_MC;
    if (whole && !c->turned && c->mc < c->M)
        c->mc = TB_ALIGN_UP(c->M, MIN_MC);
    while (c->mc > 12 && (double)c->mc / 2 >= rows)
        c->mc /= 2;
    c->nb = MAX_COLS / c->panel;
    while (c->nb > 1 && (double)(c->nb * c->panel) / 2 >= cols)
        c->nb /= 2;
    bool deep = depth > DEEP;
    for (;;) { /* enough tiles to share out, but not so short that starting them shows */
        double width = (double)(c->nb * c->panel);
        double tiles = b * __builtin_ceil(rows / (double)c->mc) * __builtin_ceil(cols / width);
        c->tile_ns = tile_ns(c, rows < (double)c->mc ? rows : (double)c->mc, width, depth);
        double short_enough = tiles < FEW_TILES && short_ns > LEAST_NS ? LEAST_NS : short_ns;
        if (tiles >= many || c->tile_ns < 2 * short_enough)
            break;
        if (c->a_kind == TB_A_TILE && c->mc > MIN_MC && !whole)
            c->mc /= 2;
        else if (c->nb > 1 && (deep || width > (double)c->mc || c->mc <= MIN_MC || whole))
            c->nb /= 2;
        else if (c->mc > MIN_MC && !whole)
            c->mc /= 2;
        else
            break;
    }
    int64_t blocks = tb_dim_is_const(c->M) ? c->M / c->mc : 0;
    if (blocks && c->M % c->mc < FEW_LEFT && !whole && !c->turned)
        c->mc = (c->M + blocks - 1) / blocks;
    c->most = c->mc;
    if ((deep || c->micro.amx) && !c->turned && c->a_kind != TB_A_TILE && rows > (double)c->mc &&
        2 * c->mc <= MOST_ROWS) {
        /* equal shares, with nothing small left over */
        double runs = __builtin_ceil(rows / MOST_ROWS);
        c->most = TB_ALIGN_UP((int64_t)__builtin_ceil(rows / runs), c->mc);
        if (c->most > MOST_ROWS)
            c->most -= c->mc;
    }
    if (c->b_kind != TB_B_ROWS && tb_dim_is_const(c->N) && c->N < c->panel)
        c->micro.used = (int)c->N;
    tb_micro_shape(&c->micro, t, c->M, c->mc, c->most);
}

/* Ends a kernel and begins the next, with the same variables. */
static void
next_kernel(tb_contract *c)
{
    tb_lower *l = c->l;
    tb_ixspace ix = l->ix;

    tb_lower_end(l);
    tb_lower_begin(l, c->conv ? "conv" : "dot");
    l->ix = ix;
}

void
tb_lower_contract(tb_lower *l)
{
    tb_contract c = {.l = l, .g = l->g, .anchor = l->group->anchor};
    c.a = tb_in(l->g, c.anchor, 0);
    c.b = tb_in(l->g, c.anchor, 1);
    c.conv = tb_node_of(l->g, c.anchor)->prim == TB_P_conv_nhwc;
    c.a_mem = tb_dtype_of(l->g, c.a);
    c.b_mem = tb_dtype_of(l->g, c.b);
    c.acc = c.a_mem == TB_F64 ? TB_F64 : TB_F32;
    c.micro = (tb_micro){.acc = c.acc, .a_mem = c.a_mem, .b_mem = c.b_mem};

    tb_lower_begin(l, c.conv ? "conv" : "dot");
    if (c.conv)
        tb_conv_geometry(&c);
    else
        tb_dot_geometry(&c);
    tb_contract_root(&c);
    tb_dim rows = tb_contract_is_weight(&c) && tb_dim_is_const(c.M) ? c.M : 0;
    bool winograd = l->variant != TB_VARIANT_OTHER && tb_is_winograd(&c);
    c.panel = tb_micro_panel(c.N, rows, winograd ? NULL : &c.last);
    if (l->variant == TB_VARIANT_NARROW && c.panel > NARROW)
        c.panel = c.last = NARROW;
    c.micro.panel = c.last_pitch = (int)c.panel;
    bool in_order = measure_b(&c);
    if (winograd) {
        if (!tb_contract_is_weight(&c)) {
            tb_winograd_weights(&c);
            next_kernel(&c);
        }
        tb_winograd_kernel(&c);
        tb_lower_end(l);
        return;
    }
    choose_b(&c, in_order);
    c.parts = 1;
    choose_a(&c);
    if (c.b_kind == TB_B_STREAM)
        choose_stream(&c);
    else
        choose_tiles(&c);
    if (c.a_kind == TB_A_TEMP) {
        tb_turn_kernel(&c);
        next_kernel(&c);
    }
    if (c.b_kind == TB_B_TEMP) {
        tb_repack p = tb_contract_repack(&c);
        tb_repack_kernel(&p);
        next_kernel(&c);
    }
    if (c.parts > 1) {
        tb_dim blocks = tb_dim_ceildiv(l->u, c.N, c.nb * c.panel);
        int64_t bytes = c.parts * c.mc * c.nb * c.panel * (int64_t)tb_dtype_bytes(c.acc);
        blocks = tb_dim_mul(l->u, blocks, c.batches);
        c.temp = tb_lower_temp(l, 0, tb_dim_mul(l->u, blocks, bytes));
        tb_product_kernel(&c, TB_PRODUCT_PARTS);
        next_kernel(&c);
    }
    tb_product_kernel(&c, c.parts > 1 ? TB_PRODUCT_SUM : TB_PRODUCT_WHOLE);
    tb_lower_end(l);
}

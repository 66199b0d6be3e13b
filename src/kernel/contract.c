/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * contract.c -- matrix products and channels-last convolutions, with what follows them.
 *
 *   C[m, n] = sum over r of A[m, r] * B[r, n]
 *
 * A is read where it lies: each row m has an address (for a convolution: of the pixel's
 * first input), and r moves from there in `runs` of constant stride (a convolution has one
 * run per kernel row). B is in panels of 64 columns (or 48, 32, 16, as
 * fits), [panel][r][64]: packed at compile time
 * if it is constant, by a kernel of its own otherwise, or read in place.
 *
 * A tile is MC rows x NB panels of one batch. For each chunk of r: for each panel, for each
 * MR rows: the micro-kernel adds to an MR x 64 piece of the C block in scratch. Then the
 * epilogue walks the block while it is in cache and stores the group's root. The shape of
 * the register tile (MR rows, NV vectors) is the target's affair; tiles and panels are the
 * same for all targets, so that one program and one copy of the weights serve them all.
 *
 * Measured on AVX-512: 6 x 4 vectors without packing A runs at 85-92 % of the FMA peak
 * (docs/codegen.md).
 */
#include "kernel/contract.h"

enum { KC = 512, MAX_MC = 192, MAX_COLS = 256 };
enum { OPEN_ROWS = 256, TURNED_MC = 96, TURNED_LEAST = 16 };

typedef struct contract {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_val anchor, a, b;
    bool conv;
    tb_dtype acc, a_mem, b_mem;
    /* variables */
    uint32_t batch[TB_MAX_RANK], n_batch; /* batch axes; a convolution's group */
    uint32_t m, n, r;
    tb_dim M, N, R, batches;
    /* A: address of row m, then r in runs */
    tb_val a_store;
    tb_ix a_row;
    tb_dim run, a_step, n_runs;     /* run length, stride within, number */
    tb_dim run_dims[TB_MAX_RANK], run_stride[TB_MAX_RANK]; /* runs by axis, outermost first */
    int n_run_axes;
    /* B */
    tb_val b_store;
    tb_ix b_flat;                   /* address of element (r, n) */
    tb_dim b_step_r, b_step_n;
    enum { B_PACKED, B_DIRECT, B_TEMP } b_kind;
    uint32_t packed, temp;
    bool b_batched;                 /* B differs between batches */
    /* tile */
    tb_micro micro;
    int64_t mc, nb, kc, panel;
    bool one_chunk;                 /* all of r in one chunk: epilogue right after */
    const tb_ix *root_at;           /* the root's indices */
    bool turned;                    /* the root is contiguous along m, not n */
} contract;

/* ---- what is multiplied ---- */
tb_ix
tb_operand_address(tb_lower *l, tb_val v, const tb_ix *idx, tb_val *stored)
{
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};
    memcpy(at, idx, sizeof(tb_ix) * (size_t)tb_rank(l->g, v));
    while (!tb_storage(l->gs, v).id) {
        tb_ix_through(&l->ix, l->g, v, at, next);
        memcpy(at, next, sizeof at);
        v = tb_in(l->g, v, 0);
    }
    *stored = tb_storage(l->gs, v);
    return tb_ix_flat(&l->ix, at, tb_rank(l->g, v), tb_dims(l->g, v));
}

tb_dim
tb_operand_step(tb_lower *l, const tb_ix *a, uint32_t var)
{
    tb_dim coef;
    if (!tb_ix_linear(&l->ix, a, var, &coef))
        tb_raise(l->u->cx, l->group->loc, TB_INTERNAL, "an operand is not linear");
    return coef;
}

tb_ix
tb_ix_without(const tb_ix *a, uint32_t var)
{
    tb_ix r = {.c = a->c};
    for (uint32_t i = 0; i < a->n; i++)
        if (a->t[i].var != var)
            r.t[r.n++] = a->t[i];
    return r;
}

static void
dot_geometry(contract *c)
{
    tb_lower *l = c->l;
    int rank = tb_rank(c->g, c->anchor);
    const tb_dim *xd = tb_dims(c->g, c->a), *yd = tb_dims(c->g, c->b);
    tb_ix idx[TB_MAX_RANK + 1] = {{0}};

    c->batches = 1;
    for (int i = 0; i < rank - 2; i++) {
        c->batch[c->n_batch] = tb_ix_loop(&l->ix, xd[i]);
        idx[i] = tb_ix_var(c->batch[c->n_batch++]);
        c->batches = tb_dim_mul(l->u, c->batches, xd[i]);
    }
    c->M = xd[rank - 2];
    c->R = c->run = xd[rank - 1];
    c->N = yd[rank - 1];
    c->m = tb_ix_loop(&l->ix, c->M);
    c->n = tb_ix_loop(&l->ix, c->N);
    c->r = tb_ix_loop(&l->ix, c->R);
    idx[rank - 2] = tb_ix_var(c->m);
    idx[rank - 1] = tb_ix_var(c->r);
    c->a_row = tb_operand_address(l, c->a, idx, &c->a_store);
    c->a_step = tb_operand_step(l, &c->a_row, c->r);
    c->a_row = tb_ix_without(&c->a_row, c->r);
    c->n_runs = 1;
    idx[rank - 2] = tb_ix_var(c->r);
    idx[rank - 1] = tb_ix_var(c->n);
    c->b_flat = tb_operand_address(l, c->b, idx, &c->b_store);
}

/* x [N, spatial, C] stored dense; w [O, spatial, C/groups]. */
static void
conv_geometry(contract *c)
{
    tb_lower *l = c->l;
    tb_unit *u = l->u;
    const int64_t *attr = tb_attrs(c->g, c->anchor);
    int ns = (int)attr[0], rank = ns + 2;
    int64_t groups = attr[1];
    const int64_t *stride = attr + 2, *dil = attr + 2 + 3 * ns;
    const tb_dim *xd = tb_dims(c->g, c->a), *wd = tb_dims(c->g, c->b);
    const tb_dim *yd = tb_dims(c->g, c->anchor);
    tb_dim cg = wd[rank - 1], og = tb_dim_floordiv(u, wd[0], groups), x_stride[TB_MAX_RANK];
    tb_ix idx[TB_MAX_RANK + 1] = {{0}}, pixel;

    for (int i = 0; i < 2 * ns; i++)
        if (attr[2 + ns + i] != 0)
            tb_raise(u->cx, l->group->loc, TB_INTERNAL, "conv_nhwc with padding left");
    c->batches = groups;
    if (groups > 1)
        c->batch[c->n_batch++] = tb_ix_loop(&l->ix, groups);
    c->M = 1;
    for (int i = 0; i < rank - 1; i++)
        c->M = tb_dim_mul(u, c->M, yd[i]);
    c->N = og;
    c->m = tb_ix_loop(&l->ix, c->M);
    c->n = tb_ix_loop(&l->ix, c->N);
    pixel = tb_ix_var(c->m);
    for (int i = rank - 2; i > 0; i--) {
        idx[i] = tb_ix_scale(&l->ix, tb_ix_rem(&l->ix, pixel, yd[i]), stride[i - 1]);
        pixel = tb_ix_quot(&l->ix, pixel, yd[i]);
    }
    idx[0] = pixel;
    idx[rank - 1] = groups > 1 ? tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), cg)
                               : tb_ix_const(0);
    c->a_store = tb_storage(l->gs, c->a);
    c->a_row = tb_ix_flat(&l->ix, idx, rank, xd);

    x_stride[rank - 1] = 1;
    for (int i = rank - 2; i >= 0; i--)
        x_stride[i] = tb_dim_mul(u, x_stride[i + 1], xd[i + 1]);
    /* the innermost kernel axis joins the channels if its pixels are neighbours */
    c->run = cg;
    c->a_step = 1;
    int axes = ns;
    if (groups == 1 && (dil[ns - 1] == 1 || wd[ns] == 1)) {
        c->run = tb_dim_mul(u, cg, wd[ns]);
        axes--;
    }
    c->n_runs = 1;
    for (int i = 0; i < axes; i++) {
        if (wd[1 + i] == 1)
            continue;
        c->run_dims[c->n_run_axes] = wd[1 + i];
        c->run_stride[c->n_run_axes++] = tb_dim_mul(u, x_stride[1 + i], dil[i]);
        c->n_runs = tb_dim_mul(u, c->n_runs, wd[1 + i]);
    }
    c->R = tb_dim_mul(u, c->run, c->n_runs);
    c->r = tb_ix_loop(&l->ix, c->R);
    c->b_store = tb_storage(l->gs, c->b);
    c->b_flat = tb_ix_add(&l->ix, tb_ix_var(c->r),
                          tb_ix_scale(&l->ix, tb_ix_var(c->n), c->R));
    if (groups > 1)
        c->b_flat = tb_ix_add(
            &l->ix, c->b_flat,
            tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), tb_dim_mul(u, og, c->R)));
}

/* ---- B ---- */
static void
choose_b(contract *c)
{
    tb_lower *l = c->l;
    bool fixed = tb_node_of(c->g, c->b_store)->prim == TB_P_const &&
                 tb_dim_is_const(c->N) && tb_dim_is_const(c->R);
    c->b_step_r = tb_operand_step(l, &c->b_flat, c->r);
    c->b_step_n = tb_operand_step(l, &c->b_flat, c->n);
    for (uint32_t i = 0; i < c->n_batch; i++)
        c->b_batched = c->b_batched || tb_ix_uses(&l->ix, &c->b_flat, c->batch[i]);
    fixed = fixed && tb_dim_is_const(c->b_step_r) && tb_dim_is_const(c->b_step_n) &&
            (!c->b_batched || c->conv);
    if (fixed) {
        tb_dim per_group = 0;
        if (c->b_batched)
            per_group = tb_operand_step(l, &c->b_flat, c->batch[0]);
        c->b_kind = B_PACKED;
        tb_pack_request q = {.offset = c->b_flat.c,
                             .R = c->R,
                             .N = c->N,
                             .step_r = c->b_step_r,
                             .step_n = c->b_step_n,
                             .groups = c->b_batched ? c->batches : 1,
                             .step_group = per_group,
                             .panel = c->panel};
        c->packed = tb_pack_const(l, (uint32_t)tb_attrs(c->g, c->b_store)[0], &q);
        return;
    }
    /* In place: rows of B are panels already. A long pitch costs more than packing once
     * there are rows enough to share it. */
    int64_t rows = tb_dim_hint(l->u, c->M), cols = tb_dim_hint(l->u, c->N);
    if (c->b_step_n == 1 && tb_dim_is_const(c->N) && c->N % c->panel == 0 &&
        (rows < 64 || cols < 1024)) {
        c->b_kind = B_DIRECT;
        return;
    }
    c->b_kind = B_TEMP;
    tb_dim panels = tb_dim_ceildiv(l->u, c->N, c->panel);
    tb_dim bytes = tb_dim_mul(l->u, tb_dim_mul(l->u, panels, c->panel), c->R);
    bytes = tb_dim_mul(l->u, bytes, (tb_dim)tb_dtype_bytes(c->b_mem));
    if (c->b_batched)
        bytes = tb_dim_mul(l->u, bytes, c->batches);
    c->temp = tb_lower_temp(l, 0, bytes);
}

static tb_kv
dimv(contract *c, tb_dim d)
{
    return tb_k_dim(c->l->k, c->l->u, d);
}

void
tb_bind_batches(tb_lower *l, const uint32_t *vars, uint32_t n, tb_kv flat)
{
    for (uint32_t i = n; i-- > 0;) {
        tb_kv e = tb_k_dim(l->k, l->u, l->ix.vars.at[vars[i]].extent);
        tb_bind_var(l, vars[i], i ? tb_k_mod(l->k, flat, e) : flat, 0);
        flat = i ? tb_k_div(l->k, flat, e) : flat;
    }
}

/* The kernel that packs B, before the product's. */
static void
repack(contract *c)
{
    tb_repack p = {.l = c->l,
                   .store = c->b_store,
                   .flat = c->b_flat,
                   .r = c->r,
                   .n = c->n,
                   .R = c->R,
                   .N = c->N,
                   .step_r = c->b_step_r,
                   .step_n = c->b_step_n,
                   .mem = c->b_mem,
                   .temp = c->temp,
                   .panel = c->panel,
                   .batches = 1};
    if (c->b_batched) {
        p.batch = c->batch;
        p.n_batch = c->n_batch;
        p.batches = c->batches;
    }
    tb_repack_kernel(&p);
}

/* ---- tiles ---- */
static void
choose_tiles(contract *c)
{
    tb_unit *u = c->l->u;
    const tb_target *t = c->l->target;
    double rows = (double)tb_dim_hint(u, c->M), cols = (double)tb_dim_hint(u, c->N);
    double depth = (double)tb_dim_hint(u, c->R), b = (double)tb_dim_hint(u, c->batches);
    int64_t least, most;

    tb_dim_range(u, c->M, &least, &most);
    if (!tb_dim_is_const(c->M) && rows < OPEN_ROWS) /* an example's few rows say little */
        rows = most < OPEN_ROWS ? (double)most : OPEN_ROWS;

    c->mc = c->turned ? TURNED_MC : MAX_MC;
    while (c->mc > 12 && (double)c->mc / 2 >= rows)
        c->mc /= 2;
    c->nb = MAX_COLS / c->panel;
    while (c->nb > 1 && (double)(c->nb * c->panel) / 2 >= cols)
        c->nb /= 2;
    for (;;) { /* enough tiles to share out, but none below 4 million flops */
        double tiles = b * __builtin_ceil(rows / (double)c->mc) *
                       __builtin_ceil(cols / (double)(c->nb * c->panel));
        double flops = 2.0 * (double)(c->mc * c->nb * c->panel) * depth;
        if (tiles >= 16 || flops < 8e6)
            break;
        if (c->nb > 1)
            c->nb /= 2;
        else if (c->mc > 48)
            c->mc /= 2;
        else
            break;
    }
    tb_micro_shape(&c->micro, t, c->M, c->mc);
}

/* Root indices in terms of the contraction's variables. */
static void
root_indices(contract *c)
{
    tb_lower *l = c->l;
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};
    int rank = tb_rank(c->g, c->anchor);

    if (c->conv) {
        const tb_dim *yd = tb_dims(c->g, c->anchor);
        tb_ix pixel = tb_ix_var(c->m);
        for (int i = rank - 2; i > 0; i--) {
            at[i] = tb_ix_rem(&l->ix, pixel, yd[i]);
            pixel = tb_ix_quot(&l->ix, pixel, yd[i]);
        }
        at[0] = pixel;
        at[rank - 1] = tb_ix_var(c->n);
        if (c->n_batch)
            at[rank - 1] = tb_ix_add(&l->ix, at[rank - 1],
                                     tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), c->N));
    } else {
        for (uint32_t i = 0; i < c->n_batch; i++)
            at[i] = tb_ix_var(c->batch[i]);
        at[rank - 2] = tb_ix_var(c->m);
        at[rank - 1] = tb_ix_var(c->n);
    }
    for (uint32_t i = 0; i < l->group->path.n; i++) {
        tb_ix_back(&l->ix, c->g, l->group->path.at[i], at, next);
        memcpy(at, next, sizeof at);
    }
    c->root_at = tb_dup(&l->u->cx->keep, at, sizeof at);
    tb_val root = l->group->root;
    tb_ix flat = tb_ix_flat(&l->ix, at, tb_rank(c->g, root), tb_dims(c->g, root));
    tb_dim step_m, step_n;
    c->turned = tb_ix_linear(&l->ix, &flat, c->m, &step_m) && step_m == 1 &&
                tb_ix_linear(&l->ix, &flat, c->n, &step_n) && step_n != 1 &&
                tb_dim_le(l->u, TURNED_LEAST, c->M);
}

/* The convolution's bias is part of the anchor: added to the sum here. */
static tb_kv
finish(contract *c, tb_kv sum)
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
store_root(contract *c, tb_kv sum)
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
epilogue_lanes(contract *c, tb_kv block, tb_kv c_row, tb_kv n0, tb_kv j)
{
    tb_lower *l = c->l;
    tb_kv sum = tb_k_load(c->k, c->acc, l->lanes, block, tb_k_add(c->k, c_row, j), 0, TB_NO_KV);
    tb_bind_var(l, c->n, tb_k_add(c->k, n0, j), l->lanes > 1);
    store_root(c, sum);
}

/* Column n0 + j0 + j of rows i .. i + lanes; the turned square is in scratch. */
static void
turned_columns(contract *c, tb_kv square, tb_kv m, tb_kv rows, tb_kv n, tb_kv columns)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    bool whole = tb_dim_is_const(c->M) && c->M % w == 0 && c->mc % w == 0;
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
turned_epilogue(contract *c, tb_kv block, tb_kv m0, tb_kv rows, tb_kv n0)
{
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    tb_kv square = tb_k_scratch(k, (int64_t)w * w * (int64_t)tb_dtype_bytes(c->acc)), v[64];
    tb_kv columns = tb_k_min(k, tb_k_sub(k, dimv(c, c->N), n0), tb_k_int(k, c->panel));

    tb_kv j = tb_k_for(k, tb_k_int(k, 0), columns, w, NULL, 0);
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), rows, w, NULL, 0);
    tb_kv at = tb_k_add(k, tb_k_mul(k, i, tb_k_int(k, c->panel)), j);
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

/* Rows [0, rows) of one panel: m0 + row is the row, n0 the panel's first column. */
static void
epilogue(contract *c, tb_kv block, tb_kv c_base, tb_kv m0, tb_kv rows, tb_kv n0)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    int w = c->micro.lanes;
    bool ragged = !tb_dim_is_const(c->N) || c->N % c->panel != 0;
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
        tb_kv n = tb_k_min(k, tb_k_sub(k, dimv(c, c->N), n0), tb_k_int(k, c->panel));
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

/* Offset into A of run number `run`. */
static tb_kv
run_offset(contract *c, tb_kv run)
{
    tb_kernel *k = c->k;
    tb_kv off = tb_k_int(k, 0);
    for (int i = c->n_run_axes; i-- > 0;) {
        tb_kv d = dimv(c, c->run_dims[i]), at = i ? tb_k_mod(k, run, d) : run;
        off = tb_k_add(k, off, tb_k_mul(k, at, dimv(c, c->run_stride[i])));
        run = i ? tb_k_div(k, run, d) : run;
    }
    return off;
}

/* Everything of a tile that stays the same while it is computed. */
typedef struct tile {
    tb_kv a, b, block, offsets; /* pointers: A, B, C block, row offsets (I64) */
    tb_kv batch, m0, rows, panel0, panels;
} tile;

/* A tile being multiplied: the micro-kernel's rows, from row i of the tile on. */
typedef struct row_source {
    contract *c;
    const tile *t;
    tb_kv i, a_off;
} row_source;

static tb_kv
row_pointer(void *user, tb_kv row)
{
    const row_source *s = user;
    tb_kernel *k = s->c->k;
    tb_kv off = tb_k_load(k, TB_I64, 1, s->t->offsets, tb_k_add(k, s->i, row), 0, TB_NO_KV);
    return tb_k_ptr_add(k, s->t->a, tb_k_add(k, off, s->a_off),
                        (int64_t)tb_dtype_bytes(s->c->a_mem));
}

/* One chunk of r against n rows (from i on) of one panel. */
static void
multiply(contract *c, const tile *t, tb_kv i, tb_kv n, tb_kv a_off, tb_kv b_off, tb_kv pitch,
         tb_kv len, tb_kv c_off)
{
    tb_kernel *k = c->k;
    row_source rows = {c, t, i, a_off};
    tb_micro_call(k, &c->micro, n,
                  &(tb_micro_operands){
                      .row = row_pointer,
                      .user = &rows,
                      .b = tb_k_ptr_add(k, t->b, b_off, (int64_t)tb_dtype_bytes(c->b_mem)),
                      .c = tb_k_ptr_add(k, t->block, c_off, (int64_t)tb_dtype_bytes(c->acc)),
                      .pitch = pitch,
                      .len = len,
                      .step = dimv(c, c->a_step)});
}

static void
write_tile(contract *c, tile *t)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k;
    tb_unit *u = l->u;
    int64_t step = c->micro.mr;
    tb_kv zero = tb_k_int(k, 0), one_panel = tb_k_int(k, c->mc * c->panel);

    tb_kv i = tb_k_for(k, zero, t->rows, 1, NULL, 0);
    tb_bind_var(l, c->m, tb_k_add(k, t->m0, i), 0);
    l->lanes = 1;
    tb_k_store(k, TB_I64, t->offsets, i, 0, tb_ix_value(l, &c->a_row), TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);

    if (!c->one_chunk) { /* the C block starts at zero */
        tb_kv none = tb_k_splat(k, tb_k_const(k, c->acc, 0), c->micro.lanes);
        i = tb_k_for(k, zero, tb_k_mul(k, t->panels, one_panel), c->micro.lanes, NULL, 0);
        tb_k_store(k, c->acc, t->block, i, 0, none, TB_NO_KV);
        tb_k_end_for(k, NULL, NULL);
    }

    tb_dim per_run = tb_dim_ceildiv(u, c->run, c->kc);
    tb_dim chunks = tb_dim_mul(u, per_run, c->n_runs);
    tb_kv chunk = tb_k_for(k, zero, dimv(c, chunks), 1, NULL, 0);
    tb_kv run = tb_k_div(k, chunk, dimv(c, per_run));
    tb_kv r0 = tb_k_mul(k, tb_k_mod(k, chunk, dimv(c, per_run)), tb_k_int(k, c->kc));
    tb_kv len = tb_k_min(k, tb_k_sub(k, dimv(c, c->run), r0), tb_k_int(k, c->kc));
    tb_kv a_off = tb_k_add(k, run_offset(c, run), tb_k_mul(k, r0, dimv(c, c->a_step)));
    tb_kv r = tb_k_add(k, tb_k_mul(k, run, dimv(c, c->run)), r0);

    tb_kv p = tb_k_for(k, zero, t->panels, 1, NULL, 0);
    tb_kv panel = tb_k_add(k, t->panel0, p), n0 = tb_k_mul(k, panel, tb_k_int(k, c->panel));
    tb_kv b_off, pitch = tb_k_int(k, c->panel);
    if (c->b_kind == B_DIRECT) {
        tb_bind_var(l, c->r, r, 0);
        tb_bind_var(l, c->n, n0, 0);
        b_off = tb_ix_value(l, &c->b_flat);
        pitch = dimv(c, c->b_step_r);
    } else {
        tb_kv at = panel;
        if (c->b_batched)
            at = tb_k_add(
                k, tb_k_mul(k, t->batch, dimv(c, tb_dim_ceildiv(u, c->N, c->panel))), panel);
        b_off = tb_k_mul(k, tb_k_add(k, tb_k_mul(k, at, dimv(c, c->R)), r),
                         tb_k_int(k, c->panel));
    }
    tb_kv c_panel = c->one_chunk ? zero : tb_k_mul(k, p, one_panel);
    i = tb_k_for(k, zero, t->rows, step, NULL, 0);
    /* sums that are complete leave at once: the register tile's block is used again */
    tb_kv c_off = c->one_chunk && !c->turned
                      ? zero
                      : tb_k_add(k, c_panel, tb_k_mul(k, i, tb_k_int(k, c->panel)));
    tb_kv n = tb_k_min(k, tb_k_sub(k, t->rows, i), tb_k_int(k, step));
    multiply(c, t, i, n, a_off, b_off, pitch, len, c_off);
    if (c->one_chunk && !c->turned) /* the sums are complete: store them while they are in L1 */
        epilogue(c, t->block, c_off, tb_k_add(k, t->m0, i), n, n0);
    tb_k_end_for(k, NULL, NULL);
    if (c->one_chunk && c->turned)
        turned_epilogue(c, t->block, t->m0, t->rows, n0);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    if (c->one_chunk)
        return;
    p = tb_k_for(k, zero, t->panels, 1, NULL, 0);
    n0 = tb_k_mul(k, tb_k_add(k, t->panel0, p), tb_k_int(k, c->panel));
    tb_kv at = tb_k_mul(k, p, one_panel);
    if (c->turned)
        turned_epilogue(c, tb_k_ptr_add(k, t->block, at, (int64_t)tb_dtype_bytes(c->acc)),
                        t->m0, t->rows, n0);
    else
        epilogue(c, t->block, at, t->m0, t->rows, n0);
    tb_k_end_for(k, NULL, NULL);
}

static void
product_kernel(contract *c)
{
    tb_lower *l = c->l;
    tb_unit *u = l->u;
    tb_kernel *k = c->k = l->k;
    tile t = {0};
    tb_dim n_m = tb_dim_ceildiv(u, c->M, c->mc);
    tb_dim n_panels = tb_dim_ceildiv(u, c->N, c->panel);
    tb_dim n_n = tb_dim_ceildiv(u, n_panels, c->nb);
    double flops = 2.0 * (double)(c->mc * c->nb * c->panel) * (double)tb_dim_hint(u, c->R);

    t.a = tb_bind_node(l, c->a_store, false);
    t.b = c->b_kind == B_PACKED ? tb_bind_packed(l, c->packed)
          : c->b_kind == B_TEMP ? tb_bind_temp(l, c->temp, false)
                                : tb_bind_node(l, c->b_store, false);
    tb_bind_node(l, l->group->root, true);
    l->step->tiles = tb_dim_mul(u, c->batches, tb_dim_mul(u, n_m, n_n));
    l->step->tile_cost_ns = (uint64_t)(flops / 150.0) + 1;
    int64_t panel_row = c->panel * (int64_t)tb_dtype_bytes(c->b_mem);
    c->kc = KC;
    c->one_chunk = tb_dim_is_const(c->R) && c->n_runs == 1 && c->R > 0 &&
                   (c->R <= KC || c->R * panel_row <= l->target->l2_bytes / 2);
    if (c->one_chunk)
        c->kc = c->R;
    int64_t block_rows = !c->one_chunk ? c->nb * c->mc : c->turned ? c->mc : c->micro.mr;
    if (c->turned)
        block_rows += c->micro.lanes; /* the last square may go past its rows */
    t.block = tb_k_scratch(k, block_rows * c->panel * (int64_t)tb_dtype_bytes(c->acc));
    t.offsets = tb_k_scratch(k, c->mc * 8);
    c->micro.fresh = c->one_chunk;
    c->micro.unit_step = c->a_step == 1;
    c->micro.pitched = c->b_kind == B_DIRECT;
    tb_micro_write(k, &c->micro);

    tb_kv no = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv mb = tb_k_mod(k, no, dimv(c, n_m)), rest = tb_k_div(k, no, dimv(c, n_m));
    tb_kv nb = tb_k_mod(k, rest, dimv(c, n_n));
    t.batch = tb_k_div(k, rest, dimv(c, n_n));
    tb_bind_batches(l, c->batch, c->n_batch, t.batch);
    t.m0 = tb_k_mul(k, mb, tb_k_int(k, c->mc));
    t.rows = tb_k_min(k, tb_k_sub(k, dimv(c, c->M), t.m0), tb_k_int(k, c->mc));
    t.panel0 = tb_k_mul(k, nb, tb_k_int(k, c->nb));
    t.panels = tb_k_min(k, tb_k_sub(k, dimv(c, n_panels), t.panel0), tb_k_int(k, c->nb));
    write_tile(c, &t);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_lower_contract(tb_lower *l)
{
    contract c = {.l = l, .g = l->g, .anchor = l->group->anchor};
    c.a = tb_in(l->g, c.anchor, 0);
    c.b = tb_in(l->g, c.anchor, 1);
    c.conv = tb_node_of(l->g, c.anchor)->prim == TB_P_conv_nhwc;
    c.a_mem = tb_dtype_of(l->g, c.a);
    c.b_mem = tb_dtype_of(l->g, c.b);
    c.acc = c.a_mem == TB_F64 ? TB_F64 : TB_F32;
    c.micro = (tb_micro){.acc = c.acc, .a_mem = c.a_mem, .b_mem = c.b_mem};

    tb_lower_begin(l, c.conv ? "conv" : "dot");
    if (c.conv)
        conv_geometry(&c);
    else
        dot_geometry(&c);
    root_indices(&c);
    c.panel = c.micro.panel = tb_micro_panel(c.N);
    choose_b(&c);
    choose_tiles(&c);
    if (c.b_kind == B_TEMP) {
        tb_ixspace ix = l->ix;
        repack(&c);
        tb_lower_end(l);
        tb_lower_begin(l, c.conv ? "conv" : "dot");
        l->ix = ix; /* the variables made above */
    }
    product_kernel(&c);
    tb_lower_end(l);
}

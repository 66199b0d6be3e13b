/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest.c -- kernels for maps and reductions: one loop nest per group.
 *
 *   for rows (split into tiles; what selects a row: the root's outer axes)
 *     for each stage: the reductions that can run in one pass over the row
 *     then the root over the axes of the row that it has
 *
 * One loop variable, the lane variable, is vectorised: the one along which memory is
 * contiguous. If it runs along the row, partial results are combined across lanes after
 * each stage; if it is an outer axis, a block of rows is computed side by side and nothing
 * needs combining. A group without reductions has no stages.
 *
 * Vector loops are unrolled TB_NEST_UNROLL times to hide the latency of accumulation; what remains
 * runs masked. Where the target has no cheap masks the last vector begins early enough to end with the
 * row, if its elements may be computed twice, or what remains is scalar.
 */
#include "kernel/build.h"
#include "kernel/nest.h"

static const int64_t TILE_NS = 8000; /* work per tile: small against it, a tile grab */
enum { SHORT_ROW = 512 }; /* elements: what is left after the unrolled loop matters */

/* ---- loops ---- */
bool
tb_nest_const_extent(const tb_nest *n, uint32_t var, int64_t *extent)
{
    *extent = n->l->ix.vars.at[var].extent;
    return tb_dim_is_const(*extent);
}

tb_kv
tb_nest_extent(const tb_nest *n, uint32_t var)
{
    return tb_k_dim(n->k, n->l->u, n->l->ix.vars.at[var].extent);
}

/* Moves the lane variable to block b of the unrolled body. */
void
tb_nest_to_block(tb_nest *n, uint32_t var, tb_kv base, int b)
{
    tb_lower *l = n->l;
    int64_t at = (int64_t)b * l->lanes;

    tb_bind_var(l, var, b ? tb_k_add(n->k, base, tb_k_int(n->k, at)) : base, l->lanes > 1);
    if (n->ranged && var == n->lane) {
        l->env.at[var].ranged = true;
        l->env.at[var].least = n->least + at;
        l->env.at[var].most = n->most + at;
    }
}

static tb_kv
open_rounds(tb_nest *n, tb_kv lo, tb_kv hi, int64_t step, tb_kv *carried, uint32_t n_carried)
{
    tb_kv i = tb_k_for(n->k, lo, hi, step, carried, n_carried);

    for (uint32_t c = 0; c < n_carried; c++)
        carried[c] = tb_k_carried(n->k, c);
    return i;
}

/* A loop over the lane variable, `blocks` vectors of n->lanes in a round, or one element if
 * `vectors` is false. */
static void
run_blocks(tb_nest *n, uint32_t var, tb_kv lo, tb_kv hi, bool vectors, int blocks,
           tb_nest_body *body, void *arg, tb_kv *carried, uint32_t n_carried)
{
    tb_lower *l = n->l;
    int w = vectors ? n->lanes : 1;
    int64_t step = (int64_t)w * blocks;
    uint64_t first, end;
    tb_kv i = open_rounds(n, lo, hi, step, carried, n_carried);

    l->lanes = w;
    n->ranged = tb_k_const_bits(n->k, lo, &first) && tb_k_const_bits(n->k, hi, &end) &&
                (int64_t)first < (int64_t)end;
    if (n->ranged) {
        n->least = (int64_t)first;
        n->most = n->least + ((int64_t)end - n->least - 1) / step * step;
    }
    tb_nest_to_block(n, var, i, 0);
    body(n, arg, blocks, carried);
    n->ranged = false;
    tb_k_end_for(n->k, carried, carried);
}

/* Is an element the same when it is computed a second time? Not if the first result lies where
 * something it is made of was. */
static bool
may_repeat(const tb_nest *n, uint32_t n_carried)
{
    return n_carried == 0 && !(n->kept.id && !n->row.id);
}

/* The last vector of [lo, hi), which begins where no whole one would have. */
static void
run_last(tb_nest *n, uint32_t var, tb_kv hi, tb_nest_body *body, void *arg)
{
    tb_lower *l = n->l;
    int align = l->lane_align;

    l->lane_align = 1;
    run_blocks(n, var, tb_k_sub(n->k, hi, tb_k_int(n->k, n->lanes)), hi, true, 1, body, arg, NULL,
               0);
    l->lane_align = align;
}

/* What is left, less than a vector, of [lo, hi): from `from` on, without masks. */
static void
run_rest(tb_nest *n, uint32_t var, tb_kv lo, tb_kv from, tb_kv hi, int64_t const_len,
         tb_nest_body *body, void *arg, tb_kv *carried, uint32_t n_carried)
{
    tb_kernel *k = n->k;
    tb_kv w = tb_k_int(k, n->lanes);

    if (n->lanes == 1 || !may_repeat(n, n_carried) || (const_len >= 0 && const_len < n->lanes)) {
        run_blocks(n, var, from, hi, false, 1, body, arg, carried, n_carried);
    } else if (const_len >= 0) {
        run_last(n, var, hi, body, arg);
    } else {
        tb_k_for(k, from, hi, n->lanes, NULL, 0);
        tb_k_if(k, tb_k_map(k, TB_P_le, w, tb_k_sub(k, hi, lo), TB_NO_KV));
        run_last(n, var, hi, body, arg);
        tb_k_else(k);
        run_blocks(n, var, from, hi, false, 1, body, arg, NULL, 0);
        tb_k_end_if(k);
        tb_k_end_for(k, NULL, NULL);
    }
}

/* Without masks: the ends by themselves, so that what lies between needs none. */
static void
run_inside(tb_nest *n, uint32_t var, tb_kv lo, tb_kv hi, int64_t const_len, tb_nest_body *body,
           void *arg)
{
    tb_kernel *k = n->k;
    int64_t w = n->lanes, step = w * n->unroll, between = const_len - 2 * w;
    tb_kv one = tb_k_int(k, w), from = tb_k_add(k, lo, one), to;

    run_blocks(n, var, lo, from, true, 1, body, arg, NULL, 0);
    to = tb_k_add(k, from, tb_k_int(k, between / step * step));
    if (between >= step)
        run_blocks(n, var, from, to, true, n->unroll, body, arg, NULL, 0);
    from = to;
    to = tb_k_add(k, from, tb_k_int(k, between % step / w * w));
    if (between % step >= w)
        run_blocks(n, var, from, to, true, 1, body, arg, NULL, 0);
    if (between % w)
        run_last(n, var, tb_k_sub(k, hi, one), body, arg);
    run_last(n, var, hi, body, arg);
}

/* for i in [lo, hi): lanes along var. carried: n_carried per block are the body's business;
 * they are loop-carried. */
void
tb_nest_lane_loop(tb_nest *n, uint32_t var, tb_kv lo, tb_kv hi, int64_t const_len, tb_nest_body *body,
          void *arg, tb_kv *carried, uint32_t n_carried)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    int w = n->lanes, unroll = n->unroll;
    int64_t step = (int64_t)w * unroll, main_len = -1, tail = -1;
    tb_kv main_hi = hi;
    bool masked = l->target->masks && w > 1;

    n->lane = var;
    uint64_t bits;
    if (!masked && n->padded && may_repeat(n, n_carried) && w > 1 &&
        const_len >= 2 * (int64_t)w && tb_k_const_bits(k, lo, &bits)) {
        run_inside(n, var, lo, hi, const_len, body, arg);
        return;
    }
    if (const_len >= 0) {
        main_len = const_len / step * step;
        tail = const_len - main_len;
    }
    if (main_len != 0) {
        if (tail != 0) {
            tb_kv len = tb_k_sub(k, hi, lo);
            main_hi = tb_k_add(
                k, lo, tb_k_mul(k, tb_k_div(k, len, tb_k_int(k, step)), tb_k_int(k, step)));
        }
        run_blocks(n, var, lo, main_hi, true, unroll, body, arg, carried, n_carried);
    } else {
        main_hi = lo;
    }
    if (const_len < SHORT_ROW && tail >= w && w > 1) { /* whole vectors, side by side */
        tb_kv from = main_hi;
        int blocks = (int)(tail / w);
        main_hi = tb_k_add(k, from, tb_k_int(k, (int64_t)blocks * w));
        tail %= w;
        run_blocks(n, var, from, main_hi, true, blocks, body, arg, carried, n_carried);
    } else if (!masked && w > 1 && unroll > 1 && (tail < 0 || tail >= w)) { /* one by one */
        tb_kv from = main_hi, vectors = tb_k_div(k, tb_k_sub(k, hi, from), tb_k_int(k, w));
        main_hi = tb_k_add(k, from, tb_k_mul(k, vectors, tb_k_int(k, w)));
        tail = tail < 0 ? tail : tail % w;
        run_blocks(n, var, from, main_hi, true, 1, body, arg, carried, n_carried);
    }
    if (tail == 0)
        return;
    if (!masked) {
        run_rest(n, var, lo, main_hi, hi, const_len, body, arg, carried, n_carried);
        return;
    }
    tb_kv i = open_rounds(n, main_hi, hi, w, carried, n_carried);
    l->lanes = w;
    if (tail < 0 || tail % w != 0)
        l->mask = tb_k_map(k, TB_P_lt, tb_k_lane_ids(k, TB_I64, w),
                           tb_k_splat(k, tb_k_sub(k, hi, i), w), TB_NO_KV);
    tb_bind_var(l, var, i, 1);
    body(n, arg, 1, carried);
    l->mask = TB_NO_KV;
    tb_k_end_for(k, carried, carried);
}

/* ---- the root ---- */
static void
store_root(tb_nest *n)
{
    tb_lower *l = n->l;
    tb_val root = n->gr->root;
    tb_nest_recall(n, NULL);
    tb_put(l, root, &n->root_flat, tb_pull(l, root, n->root_at));
    tb_nest_forget(n);
}

/* A plain loop over all of the variable. */
static void
open_loop(tb_nest *n, uint32_t var)
{
    tb_kv e = tb_nest_extent(n, var);
    tb_bind_var(n->l, var, tb_k_for(n->k, tb_k_int(n->k, 0), e, 1, NULL, 0), 0);
}

static void
root_body(tb_nest *n, void *arg, int blocks, tb_kv *carried)
{
    uint32_t var = n->lane;
    tb_kv base = n->l->env.at[var].value;
    (void)arg;
    (void)carried;
    for (uint32_t i = 0; i < n->n_near; i++)
        open_loop(n, n->near[i]);
    for (int b = 0; b < blocks; b++) {
        tb_nest_to_block(n, var, base, b);
        store_root(n);
    }
    for (uint32_t i = 0; i < n->n_near; i++)
        tb_k_end_for(n->k, NULL, NULL);
}

/* Stages and root for the block(s) of rows side by side that lanes stand for. */
static void
outer_lane_body(tb_nest *n, void *arg, int blocks, tb_kv *carried)
{
    uint32_t lane = n->lane;
    tb_kv base = n->l->env.at[lane].value;
    (void)arg;
    (void)carried;
    for (uint32_t s = 0; s < n->stages.n; s++)
        tb_nest_run_stage(n, &n->stages.at[s], blocks);
    for (int b = 0; b < blocks; b++) {
        for (uint32_t r = 0; r < n->gr->reductions.n; r++)
            n->l->known.at[r].value = n->values[r][b];
        tb_nest_to_block(n, lane, base, b);
        store_root(n);
    }
    n->l->known.n = 0;
}

/* One row: all outer variables (but an outer lane variable) are bound. */
static void
one_row(tb_nest *n, tb_kv lo, tb_kv hi, int64_t const_len)
{
    tb_lower *l = n->l;
    int64_t extent;
    if (n->lane_outer) {
        l->known.n = 0;
        tb_nest_lane_loop(n, n->lane, lo, hi, const_len, outer_lane_body, NULL, NULL, 0);
        return;
    }
    l->known.n = 0;
    uint32_t lane = n->lane;
    for (uint32_t s = 0; s < n->stages.n; s++)
        tb_nest_run_stage(n, &n->stages.at[s], 1);
    n->lane = lane;
    tb_nest_ahead(n, NULL);
    if (lane == UINT32_MAX) { /* one number per row */
        l->lanes = 1;
        store_root(n);
        return;
    }
    for (uint32_t i = 0; i < n->n_inner; i++)
        if (n->inner[i] != lane)
            open_loop(n, n->inner[i]);
    tb_nest_const_extent(n, lane, &extent);
    tb_nest_lane_loop(n, lane, lo.id ? lo : tb_k_int(n->k, 0), hi.id ? hi : tb_nest_extent(n, lane),
              lo.id ? const_len : tb_dim_is_const(extent) ? extent : -1, root_body, NULL,
              NULL, 0);
    for (uint32_t i = 0; i < n->n_inner; i++)
        if (n->inner[i] != lane)
            tb_k_end_for(n->k, NULL, NULL);
}

/* Splits the work into tiles and opens the outer loops. */
static void
write_loops(tb_nest *n, double element_ns)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    tb_unit *u = l->u;
    double row_ns = element_ns, rows = 1, lane_len = 1;
    uint32_t n_tiled = n->n_outer;
    bool lane_tiled = n->lane_outer || (n->stages.n == 0 && n->lane != UINT32_MAX);

    for (uint32_t i = 0; i < n->n_near; i++)
        row_ns *= tb_nest_hint(n, n->near[i]);
    for (uint32_t i = 0; i < n->n_inner; i++)
        if (n->inner[i] != n->lane || !n->lane_outer)
            row_ns *= tb_nest_hint(n, n->inner[i]);
    for (uint32_t s = 0; s < n->stages.n; s++) {
        double pass = element_ns;
        for (uint32_t i = 0; i < n->stages.at[s].n_vars; i++)
            pass *= tb_nest_hint(n, n->stages.at[s].vars[i]);
        row_ns += pass;
    }
    if (n->lane_outer) {
        lane_len = tb_nest_hint(n, n->lane);
        row_ns *= lane_len;
    } else if (lane_tiled) {
        lane_len = tb_nest_hint(n, n->lane);
    }
    /* Short rows: the last outer axes become plain loops, so that taking a row index apart
     * costs little against the row. */
    while (n_tiled > 1 && row_ns < 400) {
        row_ns *= tb_nest_hint(n, n->outer[n_tiled - 1]);
        n_tiled--;
    }
    for (uint32_t i = 0; i < n_tiled; i++)
        rows *= tb_nest_hint(n, n->outer[i]);

    int64_t per_tile = 1, chunk = 0;
    double tile_ns = (double)TILE_NS;
    if (l->variant == TB_VARIANT_FINER)
        tile_ns /= 4;
    else if (l->variant == TB_VARIANT_COARSER)
        tile_ns *= 4;
    if (row_ns < tile_ns)
        per_tile = (int64_t)(tile_ns / (row_ns + 1)) + 1;
    if (lane_tiled && rows < 64 && row_ns > 2 * tile_ns) {
        double per_lane = row_ns / lane_len;
        chunk = (int64_t)(tile_ns / (per_lane + 1e-3));
        chunk = TB_ALIGN_UP(chunk + 1, (int64_t)64 * TB_NEST_UNROLL);
    }
    tb_dim n_rows = 1, lane_extent = n->lane == UINT32_MAX ? 1 : l->ix.vars.at[n->lane].extent;
    for (uint32_t i = 0; i < n_tiled; i++)
        n_rows = tb_dim_mul(u, n_rows, l->ix.vars.at[n->outer[i]].extent);
    tb_kv lo = TB_NO_KV, hi = TB_NO_KV, first = tb_k_tile_begin(k), last = tb_k_tile_end(k);
    int64_t const_len = tb_dim_is_const(lane_extent) ? lane_extent : -1;
    if (chunk) {
        tb_dim n_chunks = tb_dim_ceildiv(u, lane_extent, chunk);
        l->step->tiles = tb_dim_mul(u, n_rows, n_chunks);
        per_tile = 1;
        tb_kv t = tb_k_for(k, first, last, 1, NULL, 0);
        tb_kv chunks = tb_k_dim(k, u, n_chunks);
        lo = tb_k_mul(k, tb_k_mod(k, t, chunks), tb_k_int(k, chunk));
        hi = tb_k_min(k, tb_k_add(k, lo, tb_k_int(k, chunk)), tb_k_dim(k, u, lane_extent));
        first = tb_k_div(k, t, chunks);
        last = TB_NO_KV;
        const_len = const_len >= 0 && const_len % chunk == 0 ? chunk : -1;
        l->step->tile_cost_ns = (uint64_t)(row_ns / lane_len * (double)chunk) + 1;
    } else {
        l->step->tiles = tb_dim_ceildiv(u, n_rows, per_tile);
        first = tb_k_mul(k, first, tb_k_int(k, per_tile));
        last = tb_k_mul(k, last, tb_k_int(k, per_tile));
        if (per_tile > 1)
            last = tb_k_min(k, last, tb_k_dim(k, u, n_rows));
        if (n->lane_outer) {
            lo = tb_k_int(k, 0);
            hi = tb_nest_extent(n, n->lane);
        }
        first = tb_k_for(k, first, last, 1, NULL, 0);
        l->step->tile_cost_ns = (uint64_t)(row_ns * (double)per_tile) + 1;
    }
    for (uint32_t i = n_tiled; i-- > 0;) {
        tb_kv e = tb_nest_extent(n, n->outer[i]);
        tb_bind_var(l, n->outer[i], i == 0 ? first : tb_k_mod(k, first, e), 0);
        if (i)
            first = tb_k_div(k, first, e);
    }
    for (uint32_t i = n_tiled; i < n->n_outer; i++)
        open_loop(n, n->outer[i]);
    one_row(n, lo, hi, const_len);
    for (uint32_t i = n_tiled; i < n->n_outer; i++)
        tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

static int
lanes_for(const tb_lower *l, const tb_target *t, bool arg)
{
    if (arg && !t->masks)
        return 1;
    return tb_dtype_bytes(tb_dtype_of(l->g, l->group->root)) == 8 && t->lanes > 1 ? t->lanes / 2
                                                                                  : t->lanes;
}

void
tb_lower_nest(tb_lower *l)
{
    tb_arena *a = &l->u->cx->keep;
    const tb_group *gr = l->group;
    int rank = tb_rank(l->g, gr->root);
    tb_nest n = {.l = l, .k = l->k, .gr = gr, .root_at = gr->root_at, .lane = UINT32_MAX};
    tb_ix root_flat =
        tb_ix_flat(&l->ix, gr->root_at, rank, tb_dims(l->g, gr->root));
    tb_nest_survey s = tb_nest_look_begin(l, &root_flat);
    bool arg = false;

    tb_nest_make_stages(&n);
    for (uint32_t r = 0; r < gr->reductions.n; r++) {
        const tb_reduction *red = &gr->reductions.at[r];
        arg = arg || tb_nest_is_arg(tb_node_of(l->g, red->node)->prim);
        tb_nest_look(&s, tb_in(l->g, red->node, 0), red->in);
        TB_PUSH(a, &l->known, ((tb_known){.node = red->node}));
    }
    TB_PUSH(a, &l->known, ((tb_known){.node = TB_NO_VAL})); /* room for what is recalled */
    l->known.n = 0;
    n.values = tb_alloc(a, sizeof *n.values * (gr->reductions.n + 1));
    n.passes_nan = TB_NEWN(a, bool, gr->reductions.n + 1);
    for (uint32_t r = 0; r < gr->reductions.n; r++)
        n.passes_nan[r] = tb_nest_passes_nan(&n, r);
    if (!(gr->reductions.n && tb_prim_is_fold(tb_node_of(l->g, gr->root)->prim)))
        tb_nest_look(&s, gr->root, gr->root_at);
    tb_nest_look_access(&s, &root_flat);
    n.lanes = lanes_for(l, l->target, arg);
    n.padded = s.padded;
    n.wide = lanes_for(l, &l->out->targets[0], arg);
    if (n.stages.n == 0 && s.only_flat && rank > 1) { /* one long axis */
        tb_dim total = 1;
        for (int i = 0; i < rank; i++)
            total = tb_dim_mul(l->u, total, tb_dims(l->g, gr->root)[i]);
        uint32_t var = tb_ix_loop(&l->ix, total);
        tb_ix flat = tb_ix_var(var), *at = TB_NEWN(a, tb_ix, rank);
        for (int i = rank - 1; i >= 0; i--) {
            at[i] = i ? tb_ix_rem(&l->ix, flat, tb_dims(l->g, gr->root)[i]) : flat;
            flat = tb_ix_quot(&l->ix, flat, tb_dims(l->g, gr->root)[i]);
        }
        n.root_at = at;
        n.lane = var;
        n.inner[n.n_inner++] = var;
    } else {
        for (int i = 0; i < rank; i++) {
            if (tb_dims(l->g, gr->root)[i] == 1)
                continue;
            if (n.stages.n == 0 || (gr->outer >> i) & 1)
                n.outer[n.n_outer++] = (uint32_t)i;
            else
                n.inner[n.n_inner++] = (uint32_t)i;
        }
        if (n.stages.n == 0) {
            tb_nest_merge_axes(&n, &s);
            if (tb_nest_turned(&n, &s))
                return;
        } else {
            tb_nest_merge_rows(&n, &s);
        }
        tb_nest_choose_lanes(&n, &s);
    }
    n.unroll = n.n_near || s.ops > 24 ? 1 : s.ops > 10 ? 2 : TB_NEST_UNROLL;
    if (n.stages.n && n.unroll < 2)
        n.unroll = 2;
    l->lane_align = n.lanes;
    if (n.lane == UINT32_MAX && n.stages.n == 0)
        n.lanes = 1;
    n.root_flat = tb_ix_flat(&l->ix, n.root_at, rank, tb_dims(l->g, gr->root));
    tb_nest_choose_kept(&n);
    l->past_caches = tb_nest_past_caches(&n);
    write_loops(&n, 0.03 + 0.02 * s.ops);
}


/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * rows.c -- loops over rows in tiles, and along lanes: what scan.c, sort.c and scatter.c
 * have in common. How rows are split does not depend on the target: a step has the same
 * number of tiles in all images.
 */
#include "kernel/rows.h"

static const double TILE_NS = 8000; /* work per tile: small against it, a tile grab */

int
tb_lanes_of(const tb_lower *l, tb_dtype t)
{
    int w = l->target->lanes;

    return tb_dtype_bytes(t) == 8 && w > 1 ? w / 2 : w;
}

/* Tiles of `per` items each; a loop over the items of this kernel's tiles. */
static tb_kv
open_tiles(tb_lower *l, tb_dim items, double item_ns)
{
    tb_kernel *k = l->k;
    int64_t per = item_ns < TILE_NS ? (int64_t)(TILE_NS / (item_ns + 1)) + 1 : 1;
    tb_kv first = tb_k_tile_begin(k), last = tb_k_tile_end(k);

    l->step->tiles = tb_dim_ceildiv(l->u, items, per);
    l->step->tile_cost_ns = (uint64_t)(item_ns * (double)per) + 1;
    if (per > 1) {
        first = tb_k_mul(k, first, tb_k_int(k, per));
        last = tb_k_mul(k, last, tb_k_int(k, per));
        last = tb_k_min(k, last, tb_k_dim(k, l->u, items));
    }
    return tb_k_for(k, first, last, 1, NULL, 0);
}

tb_kv
tb_items_open(tb_lower *l, tb_dim items, double item_ns)
{
    return open_tiles(l, items, item_ns);
}

tb_kv
tb_rows_open(tb_lower *l, const uint32_t *vars, uint32_t n, double row_ns)
{
    tb_kernel *k = l->k;
    tb_dim rows = 1;
    tb_kv row, rest;

    for (uint32_t i = 0; i < n; i++)
        rows = tb_dim_mul(l->u, rows, l->ix.vars.at[vars[i]].extent);
    row = rest = open_tiles(l, rows, row_ns);
    for (uint32_t i = n; i-- > 0;) {
        tb_kv e = tb_k_dim(k, l->u, l->ix.vars.at[vars[i]].extent);

        tb_bind_var(l, vars[i], i ? tb_k_mod(k, rest, e) : rest, 0);
        if (i)
            rest = tb_k_div(k, rest, e);
    }
    return row;
}

void
tb_rows_close(tb_lower *l)
{
    tb_k_end_for(l->k, NULL, NULL);
}

void
tb_chunks_open(tb_lower *l, tb_dim total, double element_ns, tb_kv *lo, tb_kv *hi)
{
    tb_kernel *k = l->k;
    int64_t chunk = TB_ALIGN_UP((int64_t)(TILE_NS / element_ns), (int64_t)256);
    tb_kv t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);

    l->step->tiles = tb_dim_ceildiv(l->u, total, chunk);
    l->step->tile_cost_ns = (uint64_t)(element_ns * (double)chunk) + 1;
    *lo = tb_k_mul(k, t, tb_k_int(k, chunk));
    *hi = tb_k_min(k, tb_k_add(k, *lo, tb_k_int(k, chunk)), tb_k_dim(k, l->u, total));
}

void
tb_lane_loop(tb_lower *l, uint32_t var, int lanes, tb_kv lo, tb_kv hi, tb_lane_fn *fn,
             void *arg)
{
    tb_kernel *k = l->k;
    bool masked = l->target->masks && lanes > 1;
    tb_kv w = tb_k_int(k, lanes), whole = lo, i;

    l->lane_align = lanes;
    if (lanes > 1) {
        tb_kv blocks = tb_k_div(k, tb_k_max(k, tb_k_sub(k, hi, lo), tb_k_int(k, 0)), w);

        whole = tb_k_add(k, lo, tb_k_mul(k, blocks, w));
        i = tb_k_for(k, lo, whole, lanes, NULL, 0);
        l->lanes = lanes;
        tb_bind_var(l, var, i, 1);
        fn(l, arg);
        tb_k_end_for(k, NULL, NULL);
    }
    i = tb_k_for(k, whole, hi, masked ? lanes : 1, NULL, 0);
    l->lanes = masked ? lanes : 1;
    tb_bind_var(l, var, i, masked);
    if (masked)
        l->mask = tb_k_lt(k, tb_k_lane_ids(k, TB_I64, lanes),
                          tb_k_splat(k, tb_k_sub(k, hi, i), lanes));
    fn(l, arg);
    tb_k_end_for(k, NULL, NULL);
    l->lanes = 1;
    l->mask = TB_NO_KV;
}

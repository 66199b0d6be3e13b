/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * scan.c -- cumulative sums, products, maxima and minima.
 *
 *   for rows (every axis but the scanned one, in tiles)
 *     acc = identity
 *     for i along the axis: acc = acc op x[i]; result[i] = acc
 *
 * Where the scanned axis is not the last one, the last axis runs along the lanes: as many
 * scans side by side. Along the last axis one element follows another; half types are
 * accumulated in f32, as a reduction would.
 */
#include "kernel/rows.h"

typedef struct scan {
    tb_val root, x;
    const tb_ix *at;
    tb_ix flat;
    uint32_t axis;
    tb_prim op;
    tb_dtype acc;
} scan;

static tb_prim
step_of(tb_prim p)
{
    switch (p) {
    case TB_P_cumsum:
        return TB_P_add;
    case TB_P_cumprod:
        return TB_P_mul;
    case TB_P_cummax:
        return TB_P_max;
    case TB_P_cummin:
        return TB_P_min;
    default:
        TB_UNREACHABLE();
    }
}

/* What changes no first element, -0 included. */
static tb_kv
identity(tb_kernel *k, tb_prim op, tb_dtype t)
{
    bool sum = op == TB_P_add, product = op == TB_P_mul, least = op == TB_P_max;
    int bits = (int)tb_dtype_bytes(t) * 8;

    if (tb_dtype_is_float(t))
        return tb_k_const(k, t, sum ? -0.0 : product ? 1 : least ? -__builtin_inf()
                                                                 : __builtin_inf());
    if (sum || product)
        return tb_k_const_int(k, t, product);
    if (t == TB_BOOL)
        return tb_k_const_int(k, t, !least);
    if (tb_dtype_kind(t) == TB_KIND_UINT)
        return tb_k_const_int(k, t, least ? 0 : -1);
    return tb_k_const_int(k, t, least ? (int64_t)(UINT64_MAX << (bits - 1))
                                      : (int64_t)(UINT64_MAX >> (65 - bits)));
}

/* One scan for each lane. */
static void
along_axis(tb_lower *l, void *arg)
{
    const scan *s = arg;
    tb_kernel *k = l->k;
    tb_kv n = tb_k_dim(k, l->u, tb_dims(l->g, s->root)[s->axis]);
    tb_kv acc = tb_k_splat(k, identity(k, s->op, s->acc), l->lanes), i, v;

    i = tb_k_for(k, tb_k_int(k, 0), n, 1, &acc, 1);
    acc = tb_k_carried(k, 0);
    tb_bind_var(l, s->axis, i, 0);
    v = tb_k_splat(k, tb_pull(l, s->x, s->at), l->lanes);
    acc = tb_k_map(k, s->op, acc, v, TB_NO_KV);
    tb_put(l, s->root, &s->flat, acc);
    tb_k_end_for(k, &acc, &acc);
}

void
tb_lower_scan(tb_lower *l)
{
    const tb_group *gr = l->group;
    tb_val root = gr->root;
    const tb_dim *dims = tb_dims(l->g, root);
    int rank = tb_rank(l->g, root), lanes;
    scan s = {.root = root, .x = tb_in(l->g, root, 0), .acc = tb_dtype_of(l->g, root)};
    uint32_t rows[TB_MAX_RANK], n = 0, lane = UINT32_MAX;
    tb_ix at[TB_MAX_RANK + 1] = {{0}};
    double ns;

    tb_lower_begin(l, "scan");
    if (tb_dtype_is_complex(s.acc))
        tb_raise(l->u->cx, gr->loc, TB_UNSUPPORTED, "a scan of complex numbers");
    s.op = step_of((tb_prim)tb_node_of(l->g, root)->prim);
    s.axis = (uint32_t)tb_attrs(l->g, root)[0];
    s.acc = tb_dtype_wide(s.acc);
    memcpy(at, gr->root_at, sizeof *at * (size_t)rank);
    at[s.axis] = tb_ix_var(s.axis); /* a variable even if the axis has size 1 */
    s.at = at;
    s.flat = tb_ix_flat(&l->ix, at, rank, dims);
    if (s.axis + 1 != (uint32_t)rank && dims[rank - 1] != 1)
        lane = (uint32_t)rank - 1;
    for (uint32_t i = 0; i < (uint32_t)rank; i++)
        if (i != s.axis && i != lane && dims[i] != 1)
            rows[n++] = i;
    lanes = lane == UINT32_MAX ? 1 : tb_lanes_of(l, s.acc);
    ns = (double)tb_dim_hint(l->u, dims[s.axis]);
    if (lane != UINT32_MAX)
        ns *= (double)tb_dim_hint(l->u, dims[lane]) * 0.25;
    tb_rows_open(l, rows, n, ns);
    if (lane == UINT32_MAX)
        along_axis(l, &s);
    else
        tb_lane_loop(l, lane, lanes, tb_k_int(l->k, 0), tb_k_dim(l->k, l->u, dims[lane]),
                     along_axis, &s);
    tb_rows_close(l);
    tb_lower_end(l);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * scatter.c -- writing by index: two kernels.
 *
 *   copy:     result = base, in chunks
 *   scatter:  for what runs in parallel (tiles): for the other positions of the indices:
 *             result[index] = combine(result[index], update)
 *
 * What runs in parallel never meets in one element of the result: the axes that are not
 * indexed, and axes of the index tensors along which one of them counts 0, 1, 2 ... (all
 * but one axis of torch.scatter). One of these, if it is contiguous in the result, runs
 * along the lanes. Everything else keeps its order, so the last of several `set` wins and
 * sums are the same in every run.
 */
#include "kernel/rows.h"

enum { CHUNK = 256 }; /* lanes of a tile, where there are few other tiles */

typedef struct scatter {
    tb_lower *l;
    tb_kernel *k;
    tb_val root, base, updates;
    int mode;
    const tb_ix *from; /* of updates */
    tb_ix flat;        /* of the result */
    uint32_t lane;     /* UINT32_MAX: none */
    bool contiguous;   /* the result along the lanes */
    int lanes;
    uint32_t order[TB_MAX_RANK], n_order; /* variables that keep their order */
    uint32_t chunk;    /* variable that counts chunks of the lanes, or UINT32_MAX */
} scatter;

/* ---- the copy ---- */

typedef struct copy {
    tb_val root, base;
    const tb_ix *at;
    tb_ix flat;
} copy;

static void
copy_lanes(tb_lower *l, void *arg)
{
    const copy *c = arg;

    tb_put(l, c->root, &c->flat, tb_pull(l, c->base, c->at));
}

static void
write_copy(tb_lower *l, tb_val root, tb_val base)
{
    const tb_dim *dims = tb_dims(l->g, root);
    int rank = tb_rank(l->g, root);
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, rest;
    copy c = {.root = root, .base = base, .at = at};
    tb_dim total = 1;
    tb_kv lo, hi;
    uint32_t var;

    tb_lower_begin(l, "copy");
    for (int i = 0; i < rank; i++)
        total = tb_dim_mul(l->u, total, dims[i]);
    var = tb_ix_loop(&l->ix, total);
    rest = c.flat = tb_ix_var(var);
    for (int i = rank - 1; i >= 0; i--) {
        at[i] = i ? tb_ix_rem(&l->ix, rest, dims[i]) : rest;
        rest = tb_ix_quot(&l->ix, rest, dims[i]);
    }
    tb_chunks_open(l, total, 0.2, &lo, &hi);
    tb_lane_loop(l, var, tb_lanes_of(l, tb_dtype_of(l->g, root)), lo, hi, copy_lanes, &c);
    tb_rows_close(l);
    tb_lower_end(l);
}

/* ---- the updates ---- */

static tb_kv
combine(const scatter *s, tb_kv old, tb_kv v)
{
    static const tb_prim step[] = {TB_P_none, TB_P_add, TB_P_mul, TB_P_max, TB_P_min};

    return tb_k_map(s->k, step[s->mode], old, v, TB_NO_KV);
}

/* One update, or one for each lane; no two lanes have the same place. */
static void
update(tb_lower *l, void *arg)
{
    const scatter *s = arg;
    tb_kernel *k = s->k;
    tb_dtype mem = tb_dtype_of(l->g, s->root);
    tb_kv ptr = tb_bind_node(l, s->root, true), mask = l->mask, at, v;
    bool apart = l->lanes > 1 && !s->contiguous;

    at = apart ? tb_ix_vector(l, &s->flat) : tb_ix_value(l, &s->flat);
    v = tb_k_splat(k, tb_pull(l, s->updates, s->from), l->lanes);
    if (s->mode) {
        tb_kv old = apart ? tb_k_gather(k, mem, ptr, at, mask)
                          : tb_k_load(k, mem, l->lanes, ptr, at, 0, mask);

        v = combine(s, old, v);
    }
    if (apart)
        tb_k_scatter(k, mem, ptr, at, v, mask);
    else
        tb_k_store(k, mem, ptr, at, 0, v, mask);
}

static tb_dim
extent(const scatter *s, uint32_t var)
{
    return s->l->ix.vars.at[var].extent;
}

static void
in_order(scatter *s)
{
    tb_lower *l = s->l;
    tb_kernel *k = s->k;
    tb_kv zero = tb_k_int(k, 0), lo = zero, hi, len;

    for (uint32_t i = 0; i < s->n_order; i++) {
        hi = tb_k_dim(k, l->u, extent(s, s->order[i]));
        tb_bind_var(l, s->order[i], tb_k_for(k, zero, hi, 1, NULL, 0), 0);
    }
    if (s->lane == UINT32_MAX) {
        update(l, s);
    } else {
        hi = len = tb_k_dim(k, l->u, extent(s, s->lane));
        if (s->chunk != UINT32_MAX) {
            lo = tb_k_mul(k, l->env.at[s->chunk].value, tb_k_int(k, CHUNK));
            hi = tb_k_min(k, tb_k_add(k, lo, tb_k_int(k, CHUNK)), len);
        }
        tb_lane_loop(l, s->lane, s->lanes, lo, hi, update, s);
    }
    for (uint32_t i = 0; i < s->n_order; i++)
        tb_k_end_for(k, NULL, NULL);
}

/* The axis along which v counts 0, 1, 2 ..., or -1. */
static int
counts_along(tb_unit *u, const tb_graph *g, tb_val v)
{
    tb_val x = v;
    int axis = 0, own;

    while (tb_node_of(g, x)->prim == TB_P_expand) {
        axis += tb_rank(g, x) - tb_rank(g, tb_in(g, x, 0));
        x = tb_in(g, x, 0);
    }
    if (tb_node_of(g, x)->prim != TB_P_iota)
        return -1;
    own = (int)tb_attrs(g, x)[0]; /* a single 0, repeated, does not count */
    return tb_dim_eq(u, tb_dims(g, x)[own], tb_dims(g, v)[axis + own]) ? axis + own : -1;
}

/* A result without elements, but updates: every index is out of range. Opens an IF that
 * keeps the updates from running then; false if the result always has elements. */
static bool
guard_empty(const scatter *s)
{
    tb_lower *l = s->l;
    tb_kernel *k = s->k;
    tb_dim total = 1, n = 1;
    tb_kv zero = tb_k_int(k, 0), empty, some;

    for (int i = 0; i < tb_rank(l->g, s->root); i++)
        total = tb_dim_mul(l->u, total, tb_dims(l->g, s->root)[i]);
    for (int i = 0; i < tb_rank(l->g, s->updates); i++)
        n = tb_dim_mul(l->u, n, tb_dims(l->g, s->updates)[i]);
    if (tb_dim_le(l->u, 1, total))
        return false;
    empty = tb_k_map(k, TB_P_le, tb_k_dim(k, l->u, total), zero, TB_NO_KV);
    some = tb_k_lt(k, zero, tb_k_dim(k, l->u, n));
    tb_k_fail_if(k, tb_k_map(k, TB_P_and, empty, some, TB_NO_KV),
                 TB_KERNEL_INDEX_OUT_OF_RANGE);
    tb_k_if(k, tb_k_map(k, TB_P_not, empty, TB_NO_KV, TB_NO_KV));
    return true;
}

static void
write_updates(scatter *s, uint32_t mask)
{
    tb_lower *l = s->l;
    const tb_graph *g = l->g;
    const tb_dim *dims = tb_dims(g, s->root);
    tb_val index = tb_in(g, s->root, 2);
    int rank = tb_rank(g, s->root), i_rank = tb_rank(g, index), n_from = 0;
    tb_ix at[TB_MAX_RANK + 1] = {{0}};
    tb_ix *from = TB_NEWN(&l->u->cx->keep, tb_ix, rank + i_rank);
    uint32_t first = 0, free = 0, rows[2 * TB_MAX_RANK], n_rows = 0, nth = 2;
    double tiles = 1, row_ns = 4;
    bool guarded;

    tb_lower_begin(l, "scatter");
    s->k = l->k;
    s->from = from;
    s->lane = s->chunk = UINT32_MAX;
    for (int i = 0; i < i_rank; i++) {
        uint32_t var = tb_ix_loop(&l->ix, tb_dims(g, index)[i]);

        first = i ? first : var;
        from[n_from++] = tb_ix_var(var);
    }
    for (int a = 0; a < rank; a++) {
        tb_val data;
        int axis;

        if (!(mask >> a & 1)) {
            from[n_from++] = at[a] = l->group->root_at[a];
            if (dims[a] == 1)
                continue;
            if (a == rank - 1)
                s->lane = (uint32_t)a;
            else
                rows[n_rows++] = (uint32_t)a;
            continue;
        }
        data = tb_in(g, s->root, nth++);
        axis = counts_along(l->u, g, data);
        if (axis < 0 || !tb_dim_le(l->u, tb_dims(g, index)[axis], dims[a])) {
            at[a] = tb_ix_var(tb_ix_data(&l->ix, data, from, i_rank, dims[a]));
            continue;
        }
        at[a] = tb_ix_var(first + (uint32_t)axis);
        if (a == rank - 1 && !(free >> axis & 1))
            s->lane = first + (uint32_t)axis;
        free |= 1u << axis;
    }
    for (int i = 0; i < i_rank; i++) {
        uint32_t var = first + (uint32_t)i;

        if (var == s->lane)
            continue;
        if (free >> i & 1)
            rows[n_rows++] = var;
        else
            s->order[s->n_order++] = var;
    }
    s->flat = tb_ix_flat(&l->ix, at, rank, dims);
    for (uint32_t i = 0; i < n_rows; i++)
        tiles *= (double)tb_dim_hint(l->u, extent(s, rows[i]));
    for (uint32_t i = 0; i < s->n_order; i++)
        row_ns *= (double)tb_dim_hint(l->u, extent(s, s->order[i]));
    if (s->lane != UINT32_MAX) {
        double len = (double)tb_dim_hint(l->u, extent(s, s->lane));
        tb_dim step;

        s->contiguous = tb_ix_linear(&l->ix, &s->flat, s->lane, &step) && step == 1;
        s->lanes = tb_lanes_of(l, tb_dtype_of(g, s->root));
        if (len >= 2 * CHUNK && tiles < 64) {
            step = tb_dim_ceildiv(l->u, extent(s, s->lane), CHUNK);
            s->chunk = tb_ix_loop(&l->ix, step);
            rows[n_rows++] = s->chunk;
            len = CHUNK;
        }
        row_ns *= 1 + len * (s->contiguous ? 0.1 : 0.5);
    }
    tb_rows_open(l, rows, n_rows, row_ns);
    guarded = guard_empty(s);
    in_order(s);
    if (guarded)
        tb_k_end_if(s->k);
    tb_rows_close(l);
    tb_lower_end(l);
}

void
tb_lower_scatter(tb_lower *l)
{
    tb_val root = l->group->root;
    const int64_t *attr = tb_attrs(l->g, root);
    scatter s = {.l = l, .root = root, .base = tb_in(l->g, root, 0),
                 .updates = tb_in(l->g, root, 1), .mode = (int)attr[1]};

    if (tb_dtype_is_complex(tb_dtype_of(l->g, root)))
        tb_raise(l->u->cx, l->group->loc, TB_UNSUPPORTED, "a scatter of complex numbers");
    write_copy(l, root, s.base);
    write_updates(&s, (uint32_t)attr[0]);
}

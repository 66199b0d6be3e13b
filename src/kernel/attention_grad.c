/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention_grad.c -- the gradients of attention without a matrix of scores in memory: two
 * kernels, one for the queries' gradient, one for those of keys and values.
 *
 * Each has two sides: P queries with their rows of dO, and all keys with their values; or P
 * keys with their values, and all queries with dO. A tile is P of one side, X1 and X2, along
 * the lanes; it goes through the other side, Y1 and Y2, in blocks:
 *
 *   X1' [d][P], X2' [e][P]   packed once per tile, X1 scaled
 *   for blocks of ROWS of the other side, packed into rows:
 *     S  [ROWS][P] = Y1 X1'      scores, with the mask
 *     dS [ROWS][P] = Y2 X2'      dO V'
 *     S = exp(S - lse), dS = S * (dS - row)
 *     dX1' [d][P] += Y1' dS,  dX2' [e][P] += Y2' S   the latter for values only
 *   scale * dX1' and dX2', turned round, are stored.
 *
 * lse and row belong to queries: they lie along the lanes, or are one number per row of the
 * block. After Dao, "FlashAttention-2", 2023; scores are computed in both kernels, so that no
 * two tiles ever add to the same gradient and sums have one order.
 */
#include "kernel/contract.h"

enum { ROWS = 64 };

typedef struct side {
    uint32_t var; /* counts queries or keys */
    tb_dim n;
    tb_ix at[2];  /* of the rows of d and e elements */
    tb_val store[2];
    tb_dim result[2]; /* where their gradients begin in the root; queries have the first only */
} side;

typedef struct grad {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_unit *u;
    tb_val root;
    bool causal, has_mask;
    double scale;
    tb_dtype acc;
    int panel, w; /* w: lanes */
    uint32_t batch[TB_MAX_RANK], n_batch, inner[2]; /* inner: along d and e */
    tb_dim batches;
    int64_t depth[2]; /* d, e */
    side query, key;
    tb_ix at[TB_MAX_RANK + 1];        /* batch axes; room for one more */
    tb_ix sums_at[TB_MAX_RANK + 1];   /* of lse and row */
    const tb_ix *mask_at;
    /* one of the two kernels */
    const side *x, *y;
    tb_micro scores, sum[2]; /* products to S and dS; sums to dX1 and dX2 */
    tb_kv xt[2], rows[2], dx[2], s, ds, lse, row, square; /* pointers to scratch */
} grad;

static tb_kv
dimv(grad *a, tb_dim d)
{
    return tb_k_dim(a->k, a->u, d);
}

static side
side_of(grad *a, tb_val one, tb_val two)
{
    tb_lower *l = a->l;
    int rank = tb_rank(a->g, one);
    side s = {.n = tb_dims(a->g, one)[rank - 2]};

    s.var = tb_ix_loop(&l->ix, s.n);
    for (int i = 0; i < 2; i++) {
        tb_ix at[TB_MAX_RANK + 1];

        memcpy(at, a->at, sizeof at);
        at[rank - 2] = tb_ix_var(s.var);
        at[rank - 1] = tb_ix_var(a->inner[i]);
        s.at[i] = tb_operand_address(l, i ? two : one, at, &s.store[i]);
    }
    return s;
}

/* Aligned at the last axis, sizes of 1 repeat. */
static void
mask_geometry(grad *a, int rank)
{
    tb_val mask = tb_in(a->g, a->root, TB_GRAD_MASK);
    int mr = tb_rank(a->g, mask);
    tb_ix *m = TB_NEWN(&a->u->cx->keep, tb_ix, mr + 1);

    for (int i = 0; i < mr; i++) {
        int axis = i + rank - mr;

        if (tb_dims(a->g, mask)[i] != 1)
            m[i] = axis == rank - 1   ? tb_ix_var(a->key.var)
                   : axis == rank - 2 ? tb_ix_var(a->query.var)
                                      : a->at[axis];
    }
    a->mask_at = m;
}

static void
geometry(grad *a)
{
    tb_lower *l = a->l;
    tb_val q = tb_in(a->g, a->root, TB_GRAD_Q), v = tb_in(a->g, a->root, TB_GRAD_V);
    int rank = tb_rank(a->g, q);
    const tb_dim *qd = tb_dims(a->g, q);
    tb_dim keys;

    a->batches = 1;
    a->n_batch = (uint32_t)rank - 2;
    for (int i = 0; i < rank - 2; i++) {
        a->batch[i] = tb_ix_loop(&l->ix, qd[i]);
        a->at[i] = tb_ix_var(a->batch[i]);
        a->batches = tb_dim_mul(a->u, a->batches, qd[i]);
    }
    a->depth[0] = qd[rank - 1];
    a->depth[1] = tb_dims(a->g, v)[rank - 1];
    for (int i = 0; i < 2; i++)
        a->inner[i] = tb_ix_loop(&l->ix, a->depth[i]);
    a->query = side_of(a, q, tb_in(a->g, a->root, TB_GRAD_OUT));
    a->key = side_of(a, tb_in(a->g, a->root, TB_GRAD_K), v);
    keys = a->key.n;
    a->key.result[0] = tb_dim_mul(a->u, a->query.n, a->depth[0]);
    a->key.result[1] =
        tb_dim_add(a->u, a->key.result[0], tb_dim_mul(a->u, keys, a->depth[0]));
    memcpy(a->sums_at, a->at, sizeof a->at);
    a->sums_at[rank - 2] = tb_ix_var(a->query.var);
    if (a->has_mask)
        mask_geometry(a, rank);
}

/* ---- scratch ---- */

/* Lane vectors of the panel: calls for each with the offset of its first lane. */
#define FOR_PANEL(j) for (int j = 0; j < a->panel; j += a->w)

static tb_kv
at_row(grad *a, tb_kv row)
{
    return tb_k_mul(a->k, row, tb_k_int(a->k, a->panel));
}

static tb_kv
load(grad *a, tb_kv ptr, tb_kv at, int64_t j)
{
    return tb_k_load(a->k, a->acc, a->w, ptr, at, j, TB_NO_KV);
}

static void
store(grad *a, tb_kv ptr, tb_kv at, int64_t j, tb_kv v)
{
    tb_k_store(a->k, a->acc, ptr, at, j, tb_k_splat(a->k, v, a->w), TB_NO_KV);
}

static tb_kv
number(grad *a, double v)
{
    return tb_k_const(a->k, a->acc, v);
}

static tb_kv
op(grad *a, tb_prim p, tb_kv x, tb_kv y)
{
    return tb_k_map(a->k, p, x, y, TB_NO_KV);
}

/* ---- lanes ---- */

/* Lanes of vector j that there are: NO_KV if all of them always are. */
static tb_kv
lane_mask(grad *a, tb_kv x0, int j)
{
    tb_kernel *k = a->k;

    if (tb_dim_is_const(a->x->n) && a->x->n % a->panel == 0)
        return TB_NO_KV;
    tb_kv left = tb_k_sub(k, tb_k_sub(k, dimv(a, a->x->n), x0), tb_k_int(k, j));
    if (a->w == 1)
        return tb_k_lt(k, tb_k_int(k, 0), left);
    return tb_k_lt(k, tb_k_lane_ids(k, TB_I64, a->w), tb_k_splat(k, left, a->w));
}

static void
bind_lanes(grad *a, tb_kv x0, int j)
{
    a->l->lanes = a->w;
    a->l->lane_align = a->w;
    a->l->mask = lane_mask(a, x0, j);
    tb_bind_var(a->l, a->x->var, tb_k_add(a->k, x0, tb_k_int(a->k, j)), a->w > 1);
}

static void
unbind(grad *a)
{
    a->l->lanes = 1;
    a->l->mask = TB_NO_KV;
}

/* ---- the tile's own side ---- */

/* X' for elements [0, whole) of its rows: squares of rows, turned in registers. */
static void
turn_rows(grad *a, int i, tb_kv x0, int64_t whole, tb_kv scale)
{
    tb_kernel *k = a->k;
    tb_kv from = tb_bind_node(a->l, a->x->store[i], false), v[64];
    tb_kv last = tb_k_sub(k, dimv(a, a->x->n), tb_k_int(k, 1));
    tb_dtype mem = tb_dtype_of(a->g, a->x->store[i]);
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, a->panel), a->w, NULL, 0);
    tb_kv d = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, whole), a->w, NULL, 0);

    tb_bind_var(a->l, a->inner[i], d, 0);
    for (int r = 0; r < a->w; r++) { /* past the end: the last again, nobody reads it */
        tb_kv x = tb_k_add(k, tb_k_add(k, x0, j), tb_k_int(k, r));

        tb_bind_var(a->l, a->x->var, tb_k_min(k, x, last), 0);
        v[r] = tb_k_load(k, mem, a->w, from, tb_ix_value(a->l, &a->x->at[i]), 0, TB_NO_KV);
    }
    tb_transpose_square(k, v, a->w);
    tb_kv at = tb_k_add(k, at_row(a, d), j);
    for (int r = 0; r < a->w; r++)
        store(a, a->xt[i], at, (int64_t)r * a->panel, op(a, TB_P_mul, v[r], scale));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

static void
load_rows(grad *a, int i, tb_kv x0)
{
    tb_kernel *k = a->k;
    tb_kv scale = tb_k_splat(k, number(a, i ? 1 : a->scale), a->w);
    bool unit = tb_operand_step(a->l, &a->x->at[i], a->inner[i]) == 1;
    int64_t whole = unit ? a->depth[i] / a->w * a->w : 0;

    if (whole)
        turn_rows(a, i, x0, whole, scale);
    tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, a->depth[i]), 1, NULL, 0);
    tb_bind_var(a->l, a->inner[i], d, 0);
    FOR_PANEL (j) {
        bind_lanes(a, x0, j);
        tb_kv v = tb_pull_load(a->l, a->x->store[i], &a->x->at[i]);
        store(a, a->xt[i], at_row(a, d), j, op(a, TB_P_mul, tb_k_splat(k, v, a->w), scale));
    }
    unbind(a);
    tb_k_end_for(k, NULL, NULL);
}

/* The log of the sum of exponentials of the query that is bound; any number where it sees
 * no key: its scores are -inf. */
static tb_kv
pull_lse(grad *a)
{
    tb_kernel *k = a->k;
    tb_kv v = tb_pull(a->l, tb_in(a->g, a->root, TB_GRAD_LSE), a->sums_at), none;

    if (!a->has_mask)
        return v;
    none = op(a, TB_P_eq, v, number(a, -__builtin_inf()));
    return tb_k_map(k, TB_P_where, none, tb_k_splat(k, number(a, 0), tb_k_inst(k, v)->lanes), v);
}

static tb_kv
pull_row(grad *a)
{
    return tb_pull(a->l, tb_in(a->g, a->root, TB_GRAD_ROW), a->sums_at);
}

static void
begin(grad *a, tb_kv x0)
{
    tb_kernel *k = a->k;

    for (int i = 0; i < 2; i++) {
        load_rows(a, i, x0);
        if (!a->dx[i].id)
            continue;
        tb_kv at = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, a->depth[i] * a->panel), a->w, NULL, 0);
        store(a, a->dx[i], at, 0, number(a, 0));
        tb_k_end_for(k, NULL, NULL);
    }
    if (a->x != &a->query)
        return;
    FOR_PANEL (j) {
        bind_lanes(a, x0, j);
        store(a, a->lse, TB_NO_KV, j, pull_lse(a));
        store(a, a->row, TB_NO_KV, j, pull_row(a));
    }
    unbind(a);
}

/* ---- a block of the other side ---- */

/* Its rows, one after the other: where they lie they may be far apart, and in the same places
 * of the cache. */
static void
pack_rows(grad *a, int i, tb_kv y0, tb_kv n)
{
    tb_kernel *k = a->k;
    const side *y = a->y;
    tb_dtype mem = tb_dtype_of(a->g, y->store[i]);
    tb_kv from = tb_bind_node(a->l, y->store[i], false), zero = tb_k_int(k, 0);
    bool unit = tb_operand_step(a->l, &y->at[i], a->inner[i]) == 1;
    int64_t whole = unit ? a->depth[i] / a->w * a->w : 0;
    tb_kv r = tb_k_for(k, zero, n, 1, NULL, 0);
    tb_kv to = tb_k_mul(k, r, tb_k_int(k, a->depth[i]));

    tb_bind_var(a->l, y->var, tb_k_add(k, y0, r), 0);
    tb_bind_var(a->l, a->inner[i], zero, 0);
    tb_kv at = tb_ix_value(a->l, &y->at[i]);
    for (int64_t d = 0; d < whole; d += a->w)
        store(a, a->rows[i], to, d, tb_k_load(k, mem, a->w, from, at, d, TB_NO_KV));
    if (whole < a->depth[i]) {
        tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, a->depth[i]), 1, NULL, 0);

        tb_bind_var(a->l, a->inner[i], d, 0);
        tb_k_store(k, a->acc, a->rows[i], tb_k_add(k, to, d), 0,
                   tb_pull_load(a->l, y->store[i], &y->at[i]), TB_NO_KV);
        tb_k_end_for(k, NULL, NULL);
    }
    tb_k_end_for(k, NULL, NULL);
}

/* Rows of a product's first factor: `step` elements from one to the next. */
typedef struct factor {
    grad *a;
    tb_kv ptr, first;
    int64_t step;
} factor;

static tb_kv
row_pointer(void *user, tb_kv i)
{
    const factor *f = user;
    tb_kernel *k = f->a->k;

    return tb_k_ptr_add(k, f->ptr, tb_k_add(k, f->first, i),
                        f->step * (int64_t)tb_dtype_bytes(f->a->acc));
}

/* c[i][panel] (+)= rows of f . b, for all i < n; elements of a row are `step` apart */
static void
multiply(grad *a, const tb_micro *m, factor f, tb_kv n, tb_kv b, tb_kv c, tb_kv len, int64_t step)
{
    tb_kernel *k = a->k;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, m->mr, NULL, 0);

    f.first = i;
    tb_micro_call(k, m, tb_k_min(k, tb_k_sub(k, n, i), tb_k_int(k, m->mr)),
                  &(tb_micro_operands){
                      .row = row_pointer,
                      .user = &f,
                      .b = b,
                      .c = tb_k_ptr_add(k, c, at_row(a, i), (int64_t)tb_dtype_bytes(a->acc)),
                      .pitch = tb_k_int(k, a->panel),
                      .len = len,
                      .step = tb_k_int(k, step)});
    tb_k_end_for(k, NULL, NULL);
}

/* The score s where both sides are bound, with the mask. */
static tb_kv
masked(grad *a, tb_kv s)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_kv never = tb_k_splat(k, number(a, -__builtin_inf()), a->w);

    if (a->causal) {
        tb_ix x = tb_ix_var(a->x->var), y = tb_ix_var(a->y->var);
        tb_kv xi = a->w > 1 ? tb_ix_vector(l, &x) : tb_ix_value(l, &x);
        tb_kv yi = tb_k_splat(k, tb_ix_value(l, &y), a->w);
        bool queries = a->x == &a->query;

        s = tb_k_map(k, TB_P_where, op(a, TB_P_le, queries ? yi : xi, queries ? xi : yi), s,
                     never);
    }
    if (a->has_mask) {
        tb_kv m = tb_pull(l, tb_in(a->g, a->root, TB_GRAD_MASK), a->mask_at);

        if (tb_k_inst(k, m)->dtype == TB_BOOL)
            s = tb_k_map(k, TB_P_where, tb_k_splat(k, m, a->w), s, never);
        else
            s = op(a, TB_P_add, s, tb_k_cast(k, m, a->acc));
    }
    return s;
}

/* S and dS from the products, row by row. */
static void
weigh(grad *a, tb_kv x0, tb_kv y0, tb_kv n)
{
    tb_kernel *k = a->k;
    bool queries = a->x == &a->query;
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0), lse = TB_NO_KV, row = TB_NO_KV;

    tb_bind_var(a->l, a->y->var, tb_k_add(k, y0, r), 0);
    if (!queries) {
        lse = tb_k_splat(k, pull_lse(a), a->w);
        row = tb_k_splat(k, pull_row(a), a->w);
    }
    FOR_PANEL (j) {
        tb_kv p, ds;

        bind_lanes(a, x0, j);
        p = masked(a, load(a, a->s, at_row(a, r), j));
        p = op(a, TB_P_sub, p, queries ? load(a, a->lse, TB_NO_KV, j) : lse);
        p = op(a, TB_P_exp, p, TB_NO_KV);
        ds = load(a, a->ds, at_row(a, r), j);
        ds = op(a, TB_P_sub, ds, queries ? load(a, a->row, TB_NO_KV, j) : row);
        if (!queries)
            store(a, a->s, at_row(a, r), j, p);
        store(a, a->ds, at_row(a, r), j, op(a, TB_P_mul, p, ds));
    }
    unbind(a);
    tb_k_end_for(k, NULL, NULL);
}

static void
block(grad *a, tb_kv x0, tb_kv y0, tb_kv n)
{
    tb_kernel *k = a->k;

    for (int i = 0; i < 2; i++) {
        pack_rows(a, i, y0, n);
        multiply(a, &a->scores, (factor){a, a->rows[i], TB_NO_KV, a->depth[i]}, n, a->xt[i],
                 i ? a->ds : a->s, tb_k_int(k, a->depth[i]), 1);
    }
    weigh(a, x0, y0, n);
    for (int i = 0; i < 2; i++)
        if (a->dx[i].id)
            multiply(a, &a->sum[i], (factor){a, a->rows[i], TB_NO_KV, 1},
                     tb_k_int(k, a->depth[i]), i ? a->s : a->ds, a->dx[i], n, a->depth[i]);
}

/* ---- the result ---- */

/* Stores lanes of the gradient where a row and `inner` are bound. */
static void
put(grad *a, int i, tb_kv v)
{
    tb_lower *l = a->l;
    int rank = tb_rank(a->g, a->root);
    tb_ix at[TB_MAX_RANK + 1], flat;

    memcpy(at, a->at, sizeof at);
    at[rank - 1] = tb_ix_scale(&l->ix, tb_ix_var(a->x->var), a->depth[i]);
    at[rank - 1] = tb_ix_add(&l->ix, at[rank - 1], tb_ix_var(a->inner[i]));
    at[rank - 1] = tb_ix_offset(&l->ix, at[rank - 1], a->x->result[i]);
    flat = tb_ix_flat(&l->ix, at, rank, tb_dims(a->g, a->root));
    tb_put(l, a->root, &flat, v);
}

/* Elements [0, whole) of rows: squares are turned in registers, so that lanes run along them. */
static void
finish_squares(grad *a, int i, tb_kv x0, tb_kv rows, int64_t whole, tb_kv scale)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_kv v[64], j, d, r, at, n;

    j = tb_k_for(k, tb_k_int(k, 0), rows, a->w, NULL, 0);
    d = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, whole), a->w, NULL, 0);
    at = tb_k_add(k, at_row(a, d), j);
    for (int e = 0; e < a->w; e++)
        v[e] = op(a, TB_P_mul, load(a, a->dx[i], at, (int64_t)e * a->panel), scale);
    tb_transpose_square(k, v, a->w);
    for (int e = 0; e < a->w; e++)
        store(a, a->square, TB_NO_KV, (int64_t)e * a->w, v[e]);
    n = tb_k_min(k, tb_k_sub(k, rows, j), tb_k_int(k, a->w));
    r = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0);
    tb_bind_var(l, a->x->var, tb_k_add(k, x0, tb_k_add(k, j, r)), 0);
    l->lanes = a->w;
    l->lane_align = a->w;
    tb_bind_var(l, a->inner[i], d, a->w > 1);
    put(a, i, load(a, a->square, tb_k_mul(k, r, tb_k_int(k, a->w)), 0));
    unbind(a);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

static void
finish(grad *a, int i, tb_kv x0)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_kv rows = tb_k_min(k, tb_k_sub(k, dimv(a, a->x->n), x0), tb_k_int(k, a->panel));
    tb_kv scale = number(a, i ? 1 : a->scale);
    int64_t whole = a->depth[i] / a->w * a->w;

    if (whole)
        finish_squares(a, i, x0, rows, whole, tb_k_splat(k, scale, a->w));
    if (whole == a->depth[i])
        return;
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), rows, 1, NULL, 0); /* what is left, one by one */
    tb_bind_var(l, a->x->var, tb_k_add(k, x0, r), 0);
    tb_kv d = tb_k_for(k, tb_k_int(k, whole), tb_k_int(k, a->depth[i]), 1, NULL, 0);
    tb_bind_var(l, a->inner[i], d, 0);
    tb_kv v = tb_k_load(k, a->acc, 1, a->dx[i], tb_k_add(k, at_row(a, d), r), 0, TB_NO_KV);
    put(a, i, op(a, TB_P_mul, v, scale));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

/* ---- kernels ---- */

static void
prepare(grad *a)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    int64_t bytes = (int64_t)tb_dtype_bytes(a->acc), least, most;
    bool aligned;

    tb_dim_range(a->u, a->x->n, &least, &most);
    a->panel = most <= 16 ? 16 : most <= 32 ? 32 : tb_micro_panel(a->x->n);
    aligned = !a->causal || a->panel % ROWS == 0; /* every block but the last is whole */
    tb_micro m = {.panel = a->panel, .acc = a->acc, .a_mem = a->acc, .b_mem = a->acc};
    a->scores = a->sum[0] = m;
    a->scores.fresh = a->scores.unit_step = true;
    tb_micro_shape(&a->scores, l->target, a->y->n, aligned ? ROWS : 0);
    tb_micro_shape(&a->sum[0], l->target, a->depth[0], a->depth[0]);
    a->w = a->scores.lanes;
    tb_micro_write(k, &a->scores);
    tb_micro_write(k, &a->sum[0]);
    a->sum[1] = a->sum[0];
    if (a->x == &a->key && a->depth[1] != a->depth[0]) {
        a->sum[1] = m;
        tb_micro_shape(&a->sum[1], l->target, a->depth[1], a->depth[1]);
        tb_micro_write(k, &a->sum[1]);
    }
    for (int i = 0; i < 2; i++) {
        tb_bind_node(l, a->x->store[i], false);
        tb_bind_node(l, a->y->store[i], false);
        a->xt[i] = tb_k_scratch(k, a->depth[i] * a->panel * bytes);
        a->rows[i] = tb_k_scratch(k, ROWS * a->depth[i] * bytes);
        a->dx[i] = i == 0 || a->x == &a->key ? tb_k_scratch(k, a->depth[i] * a->panel * bytes)
                                             : TB_NO_KV;
    }
    tb_bind_node(l, a->root, true);
    a->s = tb_k_scratch(k, (int64_t)ROWS * a->panel * bytes);
    a->ds = tb_k_scratch(k, (int64_t)ROWS * a->panel * bytes);
    a->lse = tb_k_scratch(k, a->panel * bytes);
    a->row = tb_k_scratch(k, a->panel * bytes);
    a->square = tb_k_scratch(k, (int64_t)a->w * a->w * bytes);
}

static void
write_kernel(grad *a, bool of_queries)
{
    tb_lower *l = a->l;
    tb_kernel *k;
    tb_dim blocks;

    tb_lower_begin(l, of_queries ? "attention_dq" : "attention_dkv");
    k = a->k = l->k;
    geometry(a);
    a->x = of_queries ? &a->query : &a->key;
    a->y = of_queries ? &a->key : &a->query;
    prepare(a);
    blocks = tb_dim_ceildiv(a->u, a->x->n, a->panel);
    l->step->tiles = tb_dim_mul(a->u, a->batches, blocks);
    l->step->tile_cost_ns =
        (uint64_t)((double)a->panel * (double)tb_dim_hint(a->u, a->y->n) *
                   (of_queries ? 2.0 * (double)(2 * a->depth[0] + a->depth[1]) + 50
                               : 4.0 * (double)(a->depth[0] + a->depth[1]) + 50) /
                   100.0 * (a->causal ? 0.6 : 1)) + 1;
    tb_kv t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv x0 = tb_k_mul(k, tb_k_mod(k, t, dimv(a, blocks)), tb_k_int(k, a->panel));
    tb_bind_batches(l, a->batch, a->n_batch, tb_k_div(k, t, dimv(a, blocks)));
    begin(a, x0);
    tb_kv first = tb_k_int(k, 0), end = dimv(a, a->y->n);
    if (a->causal && of_queries) /* keys past the last query of the tile are seen by none */
        end = tb_k_min(k, end, tb_k_add(k, x0, tb_k_int(k, a->panel)));
    else if (a->causal) /* queries before the first key of the tile see none */
        first = x0;
    tb_kv y0 = tb_k_for(k, first, end, ROWS, NULL, 0);
    block(a, x0, y0, tb_k_min(k, tb_k_sub(k, end, y0), tb_k_int(k, ROWS)));
    tb_k_end_for(k, NULL, NULL);
    for (int i = 0; i < 2; i++)
        if (a->dx[i].id)
            finish(a, i, x0);
    tb_k_end_for(k, NULL, NULL);
    tb_lower_end(l);
}

void
tb_lower_attention_grad(tb_lower *l)
{
    tb_val root = l->group->root;
    const int64_t *attr = tb_attrs(l->g, root);
    grad a = {.l = l, .g = l->g, .u = l->u, .root = root, .causal = attr[0] != 0};

    memcpy(&a.scale, &attr[1], sizeof a.scale);
    a.has_mask = tb_node_of(l->g, root)->n_in > TB_GRAD_MASK;
    a.acc = tb_dtype_of(l->g, root);
    write_kernel(&a, true);
    write_kernel(&a, false);
}

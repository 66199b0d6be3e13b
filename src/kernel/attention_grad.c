/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention_grad.c -- the gradients of attention without a matrix of scores in memory.
 *
 * A tile is some of the keys of one batch (head), P at a time along the lanes, with all queries
 * that see them:
 *
 *   for P of its keys:
 *     K' [d][P], V' [e][P]   packed, K scaled; K [P][d] as well
 *     for blocks of ROWS queries, packed into rows:
 *       S  [ROWS][P] = Q K'      scores, with the mask
 *       dS [ROWS][P] = dO V'
 *       S = exp(S - lse), dS = S * (dS - row)
 *       dK' [d][P] += Q' dS,  dV' [e][P] += dO' S,  dQ [ROWS][d] += dS K
 *     scale * dK' and dV', turned round, are stored.
 *
 * After Dao, "FlashAttention-2", 2023. A tile adds to a dQ of its own, in a temporary. There are
 * as many tiles as batches, or, where those are few, several for each batch, which take every
 * n-th panel of keys (queries see the first ones most often); then the sum of their dQ is a
 * second kernel. Nobody waits for anybody, and sums have one order.
 */
#include "kernel/attention_panel.h"

enum { ROWS = 64, FEW_TILES = 16, ALIGN = 16 };

typedef struct side {
    uint32_t var; /* counts queries or keys */
    tb_dim n;
    tb_ix at[2];  /* of the rows of d and e elements */
    tb_val store[2];
    tb_dim result[2]; /* where their gradients begin in the root; queries have only the first */
} side;

typedef struct grad {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_unit *u;
    tb_val root;
    tb_panel p; /* keys */
    tb_panel_mask mask;
    double scale;
    uint32_t batch[TB_MAX_RANK], n_batch, inner[2]; /* inner: along d and e */
    tb_dim batches;
    int64_t depth[2]; /* d, e */
    int64_t dq_row;   /* elements from row to row of dQ in the temporary */
    int64_t parts;    /* tiles of a batch */
    side query, key;
    tb_ix at[TB_MAX_RANK + 1];        /* batch axes; room for one more */
    tb_ix sums_at[TB_MAX_RANK + 1];   /* of lse and row */
    tb_micro scores, sum[2], dq; /* products to S and dS; sums to dK' and dV'; sums to dQ */
    tb_kv turned[2], keys, rows[2], dx[2], s, ds, square; /* pointers to scratch */
    tb_kv parts_dq;   /* pointer to dQ of all tiles */
} grad;

static tb_kv
dimv(grad *a, tb_dim d)
{
    return tb_k_dim(a->k, a->u, d);
}

static tb_kv
number(grad *a, double v)
{
    return tb_k_const(a->k, a->p.acc, v);
}

static tb_kv
map(grad *a, tb_prim p, tb_kv x, tb_kv y)
{
    return tb_k_map(a->k, p, x, y, TB_NO_KV);
}

/* ---- operands and results ---- */
/* The side whose rows of d and of e elements are `one` and `two`. */
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
    a->p.var = a->mask.key = a->key.var;
    a->p.n = keys;
    a->mask.query = a->query.var;
    tb_panel_mask_at(&a->p, &a->mask, a->at, rank);
}

/* a->turned[i]: a panel of keys (i = 0, scaled) or values from x0 on, [element][panel]. */
static void
turn(grad *a, int i, tb_kv x0)
{
    tb_kv scale = tb_k_splat(a->k, number(a, i ? 1 : a->scale), a->p.w);
    tb_panel_rows rows = {a->key.store[i], &a->key.at[i], a->inner[i], a->depth[i]};

    tb_panel_turn(&a->p, &rows, x0, scale, a->turned[i]);
}

/* n rows of a side from y0 on to `to`. */
static void
pack(grad *a, const side *y, int i, tb_kv y0, tb_kv n, tb_kv to, int64_t pitch)
{
    tb_panel_rows rows = {y->store[i], &y->at[i], a->inner[i], a->depth[i]};

    tb_panel_pack(&a->p, &rows, y->var, y0, n, to, pitch);
}

/* Stores lanes of a gradient where its row and `inner` are bound. */
static void
put(grad *a, const side *x, int i, tb_kv v)
{
    tb_lower *l = a->l;
    int rank = tb_rank(a->g, a->root);
    tb_ix at[TB_MAX_RANK + 1], flat;

    memcpy(at, a->at, sizeof at);
    at[rank - 1] = tb_ix_scale(&l->ix, tb_ix_var(x->var), a->depth[i]);
    at[rank - 1] = tb_ix_add(&l->ix, at[rank - 1], tb_ix_var(a->inner[i]));
    at[rank - 1] = tb_ix_offset(&l->ix, at[rank - 1], x->result[i]);
    flat = tb_ix_flat(&l->ix, at, rank, tb_dims(a->g, a->root));
    tb_put(l, a->root, &flat, v);
}

typedef struct finished {
    grad *a;
    int i;
} finished;

static void
put_finished(void *user, tb_kv v)
{
    const finished *f = user;

    put(f->a, &f->a->key, f->i, v);
}

/* Stores the gradient of keys (i = 0, scaled) or values from x0 on: a->dx[i], turned back. */
static void
finish(grad *a, int i, tb_kv x0)
{
    finished f = {a, i};
    tb_panel_out out = {.from = a->dx[i],
                        .square = a->square,
                        .depth = a->depth[i],
                        .inner = a->inner[i],
                        .scale = number(a, i ? 1 : a->scale),
                        .put = put_finished,
                        .user = &f};

    tb_panel_turn_back(&a->p, &out, x0);
}

/* ---- the kernels ---- */
/* Sets n elements to 0. */
static void
clear(grad *a, tb_kv ptr, tb_kv n)
{
    tb_kv at = tb_k_for(a->k, tb_k_int(a->k, 0), n, a->p.w, NULL, 0);

    tb_panel_store(&a->p, ptr, at, 0, number(a, 0));
    tb_k_end_for(a->k, NULL, NULL);
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
                        f->step * (int64_t)tb_dtype_bytes(f->a->p.acc));
}

/* c[i][panel of m] (+)= rows of f . b, for all i < n; elements of a row are `step` apart */
static void
multiply(grad *a, const tb_micro *m, factor f, tb_kv n, tb_kv b, tb_kv c, tb_kv len,
         int64_t step)
{
    tb_kernel *k = a->k;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, m->mr, NULL, 0);

    f.first = i;
    tb_micro_call(k, m, tb_k_min(k, tb_k_sub(k, n, i), tb_k_int(k, m->mr)),
                  &(tb_micro_operands){
                      .row = row_pointer,
                      .user = &f,
                      .b = b,
                      .c = tb_k_ptr_add(k, c, tb_k_mul(k, i, tb_k_int(k, m->panel)),
                                        (int64_t)tb_dtype_bytes(a->p.acc)),
                      .pitch = tb_k_int(k, m->panel),
                      .len = len,
                      .step = tb_k_int(k, step)});
    tb_k_end_for(k, NULL, NULL);
}

/* S and dS from the products, row by row. */
static void
weigh(grad *a, tb_kv x0, tb_kv y0, tb_kv n)
{
    tb_kernel *k = a->k;
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0), lse, row;

    tb_bind_var(a->l, a->query.var, tb_k_add(k, y0, r), 0);
    lse = tb_pull(a->l, tb_in(a->g, a->root, TB_GRAD_LSE), a->sums_at);
    row = tb_pull(a->l, tb_in(a->g, a->root, TB_GRAD_ROW), a->sums_at);
    if (a->mask.mask.id) /* no key is seen: exp(-inf - 0) is 0, -inf - -inf is not */
        lse = tb_k_map(k, TB_P_where, map(a, TB_P_eq, lse, number(a, -__builtin_inf())),
                       number(a, 0), lse);
    lse = tb_k_splat(k, lse, a->p.w);
    row = tb_k_splat(k, row, a->p.w);
    tb_kv j0 = tb_panel_for(&a->p), at = tb_k_add(k, tb_panel_row(&a->p, r), j0);
    TB_FOR_GROUP (&a->p, j) {
        tb_kv p, ds;

        tb_panel_bind(&a->p, tb_k_add(k, x0, j0), j);
        p = tb_panel_masked(&a->p, tb_panel_load(&a->p, a->s, at, j), &a->mask);
        p = tb_k_exp_below(k, p, lse);
        ds = map(a, TB_P_sub, tb_panel_load(&a->p, a->ds, at, j), row);
        tb_panel_store(&a->p, a->s, at, j, p);
        tb_panel_store(&a->p, a->ds, at, j, map(a, TB_P_mul, p, ds));
    }
    tb_panel_unbind(&a->p);
    tb_panel_end_for(&a->p);
    tb_k_end_for(k, NULL, NULL);
}

/* n queries from y0 on; the panel has `keys` keys. */
static void
block(grad *a, tb_kv x0, tb_kv keys, tb_kv y0, tb_kv n, tb_kv dq)
{
    tb_kernel *k = a->k;

    for (int i = 0; i < 2; i++) {
        pack(a, &a->query, i, y0, n, a->rows[i], a->depth[i]);
        multiply(a, &a->scores, (factor){a, a->rows[i], TB_NO_KV, a->depth[i]}, n, a->turned[i],
                 i ? a->ds : a->s, tb_k_int(k, a->depth[i]), 1);
    }
    weigh(a, x0, y0, n);
    for (int i = 0; i < 2; i++)
        multiply(a, &a->sum[i], (factor){a, a->rows[i], TB_NO_KV, 1}, tb_k_int(k, a->depth[i]),
                 i ? a->s : a->ds, a->dx[i], n, a->depth[i]);
    dq = tb_k_ptr_add(k, dq, tb_k_mul(k, y0, tb_k_int(k, a->dq_row)),
                      (int64_t)tb_dtype_bytes(a->p.acc));
    multiply(a, &a->dq, (factor){a, a->ds, TB_NO_KV, a->p.size}, n, a->keys, dq, keys, 1);
}

/* The gradients of n queries from y0 on: the sum of `parts` dQ at `from`. */
static void
finish_queries(grad *a, tb_kv from, tb_kv y0, tb_kv n)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_kv next = tb_k_mul(k, dimv(a, a->query.n), tb_k_int(k, a->dq_row));
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0), scale = number(a, a->scale);
    tb_kv y = tb_k_add(k, y0, r), row = tb_k_mul(k, y, tb_k_int(k, a->dq_row));
    int64_t whole = a->depth[0] / a->p.w * a->p.w;

    tb_bind_var(l, a->query.var, y, 0);
    for (int tail = 0; tail < 2; tail++) {
        int w = tail ? 1 : a->p.w;
        tb_kv d = tb_k_for(k, tb_k_int(k, tail ? whole : 0),
                           tb_k_int(k, tail ? a->depth[0] : whole), w, NULL, 0);
        tb_kv at = tb_k_add(k, row, d), v = TB_NO_KV;

        for (int64_t i = 0; i < a->parts; i++) {
            tb_kv x = tb_k_load(k, a->p.acc, w, from, at, 0, TB_NO_KV);

            v = v.id ? map(a, TB_P_add, v, x) : x;
            at = tb_k_add(k, at, next);
        }
        l->lanes = l->lane_align = w;
        tb_bind_var(l, a->inner[0], d, w > 1);
        put(a, &a->query, 0, map(a, TB_P_mul, v, tb_k_splat(k, scale, w)));
        tb_panel_unbind(&a->p);
        tb_k_end_for(k, NULL, NULL);
    }
    tb_k_end_for(k, NULL, NULL);
}

/* ---- kernels ---- */

static void
prepare(grad *a)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    int64_t bytes = (int64_t)tb_dtype_bytes(a->p.acc);
    bool aligned = !a->mask.causal || a->p.size % ROWS == 0; /* every block but the last is whole */
    tb_micro m = {.panel = a->p.size, .acc = a->p.acc, .a_mem = a->p.acc, .b_mem = a->p.acc};

    a->scores = a->sum[0] = a->dq = m;
    a->scores.fresh = a->scores.unit_step = a->dq.unit_step = true;
    a->dq.panel = (int)a->dq_row;
    tb_micro_shape(&a->scores, l->target, a->query.n, aligned ? ROWS : 0, ROWS);
    tb_micro_shape(&a->sum[0], l->target, a->depth[0], a->depth[0], a->depth[0]);
    tb_micro_shape(&a->dq, l->target, a->query.n, aligned ? ROWS : 0, ROWS);
    a->p.w = a->scores.lanes;
    tb_micro_write(k, &a->scores);
    tb_micro_write(k, &a->sum[0]);
    tb_micro_write(k, &a->dq);
    a->sum[1] = a->sum[0];
    if (a->depth[1] != a->depth[0]) {
        a->sum[1] = m;
        tb_micro_shape(&a->sum[1], l->target, a->depth[1], a->depth[1], a->depth[1]);
        tb_micro_write(k, &a->sum[1]);
    }
    for (int i = 0; i < 2; i++) {
        tb_bind_node(l, a->key.store[i], false);
        tb_bind_node(l, a->query.store[i], false);
        a->turned[i] = tb_k_scratch(k, a->depth[i] * a->p.size * bytes);
        a->dx[i] = tb_k_scratch(k, a->depth[i] * a->p.size * bytes);
        a->rows[i] = tb_k_scratch(k, ROWS * a->depth[i] * bytes);
    }
    tb_bind_node(l, a->root, true);
    a->keys = tb_k_scratch(k, a->p.size * a->dq_row * bytes);
    a->s = tb_k_scratch(k, (int64_t)ROWS * a->p.size * bytes);
    a->ds = tb_k_scratch(k, (int64_t)ROWS * a->p.size * bytes);
    a->square = tb_k_scratch(k, (int64_t)a->p.w * a->p.w * bytes);
}

/* Everything of the keys from x0 on, as many as a panel has. */
static void
panel(grad *a, tb_kv x0, tb_kv dq)
{
    tb_kernel *k = a->k;
    tb_kv left = tb_k_sub(k, dimv(a, a->key.n), x0), end = dimv(a, a->query.n), y0;
    tb_kv keys = tb_k_min(k, left, tb_k_int(k, a->p.size));

    for (int i = 0; i < 2; i++) {
        turn(a, i, x0);
        clear(a, a->dx[i], tb_k_int(k, a->depth[i] * a->p.size));
    }
    pack(a, &a->key, 0, x0, keys, a->keys, a->dq_row);
    /* queries before the first key of a causal panel see none */
    y0 = tb_k_for(k, a->mask.causal ? x0 : tb_k_int(k, 0), end, ROWS, NULL, 0);
    block(a, x0, keys, y0, tb_k_min(k, tb_k_sub(k, end, y0), tb_k_int(k, ROWS)), dq);
    tb_k_end_for(k, NULL, NULL);
    for (int i = 0; i < 2; i++)
        finish(a, i, x0);
}

/* dQ of the first part of batch number `batch`. */
static tb_kv
dq_of(grad *a, tb_kv batch)
{
    tb_kernel *k = a->k;
    tb_kv rows = tb_k_mul(k, tb_k_mul(k, batch, tb_k_int(k, a->parts)), dimv(a, a->query.n));

    return tb_k_ptr_add(k, a->parts_dq, tb_k_mul(k, rows, tb_k_int(k, a->dq_row)),
                        (int64_t)tb_dtype_bytes(a->p.acc));
}

static void
begin(grad *a, const char *what)
{
    tb_dim bytes;

    tb_lower_begin(a->l, what);
    a->k = a->p.k = a->l->k;
    geometry(a);
    bytes = tb_dim_mul(a->u, a->query.n, a->parts * a->dq_row * (int64_t)tb_dtype_bytes(a->p.acc));
    bytes = tb_dim_mul(a->u, a->batches, bytes);
    a->parts_dq = tb_bind_temp(a->l, tb_lower_temp(a->l, 0, bytes), true);
}

static void
write_panels(grad *a)
{
    tb_lower *l = a->l;
    tb_kernel *k;
    tb_kv t, part, batch, dq, size;
    double scores;

    begin(a, "attention_grad");
    k = a->k;
    prepare(a);
    scores = (double)tb_dim_hint(a->u, a->query.n) * (double)tb_dim_hint(a->u, a->key.n);
    l->step->tiles = tb_dim_mul(a->u, a->batches, a->parts);
    l->step->tile_cost_ns =
        (uint64_t)(scores * (6.0 * (double)a->depth[0] + 4.0 * (double)a->depth[1] + 50) / 100.0 *
                   (a->mask.causal ? 0.6 : 1) / (double)a->parts) + 1;
    t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    part = tb_k_mod(k, t, tb_k_int(k, a->parts));
    batch = tb_k_div(k, t, tb_k_int(k, a->parts));
    tb_bind_batches(l, a->batch, a->n_batch, batch);
    size = tb_k_mul(k, dimv(a, a->query.n), tb_k_int(k, a->dq_row));
    dq = tb_k_ptr_add(k, dq_of(a, batch), tb_k_mul(k, part, size),
                      (int64_t)tb_dtype_bytes(a->p.acc));
    clear(a, dq, size);
    panel(a, tb_k_for(k, tb_k_mul(k, part, tb_k_int(k, a->p.size)), dimv(a, a->key.n),
                      a->parts * a->p.size, NULL, 0), dq);
    tb_k_end_for(k, NULL, NULL);
    if (a->parts == 1)
        finish_queries(a, dq, tb_k_int(k, 0), dimv(a, a->query.n));
    tb_k_end_for(k, NULL, NULL);
    tb_lower_end(l);
}

static void
write_sums(grad *a)
{
    tb_lower *l = a->l;
    tb_kernel *k;
    tb_kv t, y0, left;
    tb_dim blocks;

    begin(a, "attention_dq");
    k = a->k;
    tb_bind_node(l, a->root, true);
    blocks = tb_dim_ceildiv(a->u, a->query.n, ROWS);
    l->step->tiles = tb_dim_mul(a->u, a->batches, blocks);
    l->step->tile_cost_ns = (uint64_t)(ROWS * a->depth[0] * a->parts / 10) + 1;
    t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    y0 = tb_k_mul(k, tb_k_mod(k, t, dimv(a, blocks)), tb_k_int(k, ROWS));
    t = tb_k_div(k, t, dimv(a, blocks));
    tb_bind_batches(l, a->batch, a->n_batch, t);
    left = tb_k_sub(k, dimv(a, a->query.n), y0);
    finish_queries(a, dq_of(a, t), y0, tb_k_min(k, left, tb_k_int(k, ROWS)));
    tb_k_end_for(k, NULL, NULL);
    tb_lower_end(l);
}

/* How keys are split; the same for every target. */
static void
shape(grad *a)
{
    const tb_graph *g = a->g;
    tb_val q = tb_in(g, a->root, TB_GRAD_Q);
    int rank = tb_rank(g, q);
    tb_dim keys = tb_dims(g, tb_in(g, a->root, TB_GRAD_K))[rank - 2];
    int64_t batches = 1, panels;

    a->p.size = tb_panel_size(a->u, keys);
    a->dq_row = TB_ALIGN_UP(tb_dims(g, q)[rank - 1], (int64_t)ALIGN);
    for (int i = 0; i < rank - 2 && batches < FEW_TILES; i++)
        batches *= tb_dim_hint(a->u, tb_dims(g, q)[i]);
    panels = (tb_dim_hint(a->u, keys) + a->p.size - 1) / a->p.size;
    a->parts = batches > 0 ? (FEW_TILES + batches - 1) / batches : 1;
    a->parts = a->parts > panels / 2 ? panels / 2 : a->parts;
    a->parts = a->parts < 1 ? 1 : a->parts;
}

void
tb_lower_attention_grad(tb_lower *l)
{
    tb_val root = l->group->root;
    const int64_t *attr = tb_attrs(l->g, root);
    grad a = {.l = l, .g = l->g, .u = l->u, .root = root, .p.l = l, .mask.causal = attr[0] != 0};

    memcpy(&a.scale, &attr[1], sizeof a.scale);
    if (tb_node_of(l->g, root)->n_in > TB_GRAD_MASK)
        a.mask.mask = tb_in(l->g, root, TB_GRAD_MASK);
    a.p.acc = tb_dtype_of(l->g, root);
    shape(&a);
    write_panels(&a);
    if (a.parts > 1)
        write_sums(&a);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention.c -- softmax(Q K' scale + mask) V without a matrix of scores in memory.
 *
 * A tile is P queries of one batch (head). Everything is computed transposed, queries along
 * the lanes, so that softmax needs no sums across lanes:
 *
 *   Q'  [d][P]   packed and scaled once per tile
 *   for blocks of KB keys:
 *     S' [KB][P] = K Q'                 micro-kernel: rows of K where they lie, or as f32
 *     S' gets the mask; top' = max(top, S'), S' = exp(S' - top'), sum = sum * f + S'
 *     O' [e][P] = O' * f + V' S'        micro-kernel: columns of V, its rows put together
 *   O' / sum, turned round, goes through the epilogue, lanes along e, and is stored.
 *
 * f = exp(top - top'). After Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018, and Dao et al., "FlashAttention", 2022. A query that sees no key gets
 * zeros, as in PyTorch. In training top + log sum of each query is stored too
 * (attention_lse), for attention_grad.c.
 */
#include "kernel/attention_panel.h"

enum { KB = 64 };

typedef struct attention {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_unit *u;
    tb_val anchor;
    tb_panel p; /* queries */
    tb_panel_mask mask;
    bool guarded; /* a query may see no key */
    double scale;
    int rank;
    uint32_t batch[TB_MAX_RANK], n_batch, key, d, e;
    tb_dim batches, keys;
    int64_t depth, width; /* d, e */
    tb_ix q_at, k_at, v_at;
    bool sums;             /* the root is in pieces: the attention, then lse of each query */
    const tb_ix *sums_at;
    tb_val q_store, k_store, v_store;
    const tb_ix *root_at;
    /* pointers */
    tb_kv kp, vp, qt, s, o, top, sum, factor, square;
    tb_kv wide, packed; /* a block of K as f32, of V together; NO_KV: they are read in place */
    tb_micro qk, pv;
} attention;

static tb_kv
dimv(attention *a, tb_dim d)
{
    return tb_k_dim(a->k, a->u, d);
}

static void
geometry(attention *a)
{
    tb_lower *l = a->l;
    const tb_graph *g = a->g;
    tb_val q = tb_in(g, a->anchor, 0), key = tb_in(g, a->anchor, 1), v = tb_in(g, a->anchor, 2);
    int rank = a->rank = tb_rank(g, q);
    const tb_dim *qd = tb_dims(g, q), *vd = tb_dims(g, v);
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};

    a->batches = 1;
    for (int i = 0; i < rank - 2; i++) {
        a->batch[i] = tb_ix_loop(&l->ix, qd[i]);
        at[i] = tb_ix_var(a->batch[i]);
        a->batches = tb_dim_mul(a->u, a->batches, qd[i]);
    }
    a->n_batch = (uint32_t)rank - 2;
    a->p.n = qd[rank - 2];
    a->keys = vd[rank - 2];
    a->depth = qd[rank - 1];
    a->width = vd[rank - 1];
    a->p.var = tb_ix_loop(&l->ix, a->p.n);
    a->key = tb_ix_loop(&l->ix, a->keys);
    a->d = tb_ix_loop(&l->ix, a->depth);
    a->e = tb_ix_loop(&l->ix, a->width);
    at[rank - 2] = tb_ix_var(a->p.var);
    at[rank - 1] = tb_ix_var(a->d);
    a->q_at = tb_operand_address(l, q, at, &a->q_store);
    at[rank - 2] = tb_ix_var(a->key);
    a->k_at = tb_operand_address(l, key, at, &a->k_store);
    at[rank - 1] = tb_ix_var(a->e);
    a->v_at = tb_operand_address(l, v, at, &a->v_store);
    a->mask.query = a->p.var;
    a->mask.key = a->key;
    tb_panel_mask_at(&a->p, &a->mask, at, rank);
    at[rank - 2] = tb_ix_var(a->p.var);
    if (a->sums) {
        tb_ix *s = tb_dup(&a->u->cx->keep, at, sizeof at);
        s[rank - 2] = tb_ix_offset(&l->ix, at[rank - 2], tb_dim_mul(a->u, a->p.n, a->width));
        a->sums_at = s;
        at[rank - 2] = tb_ix_scale(&l->ix, at[rank - 2], a->width);
        at[rank - 2] = tb_ix_add(&l->ix, at[rank - 2], at[rank - 1]);
    }
    for (uint32_t i = 0; i < l->group->path.n; i++) {
        tb_ix_back(&l->ix, g, l->group->path.at[i], at, next);
        memcpy(at, next, sizeof at);
    }
    a->root_at = tb_dup(&a->u->cx->keep, at, sizeof at);
}

/* Q' = scale * Q, transposed; the running values start. */
static void
begin(attention *a, tb_kv q0)
{
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_kv scale = tb_k_splat(k, tb_k_const(k, p->acc, a->scale), p->w);
    tb_kv zero = tb_k_const(k, p->acc, 0);
    tb_kv none = tb_k_const(k, p->acc, -__builtin_inf());

    tb_panel_turn(p, &(tb_panel_rows){a->q_store, &a->q_at, a->d, a->depth}, q0, scale, a->qt);
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, a->width * p->size), p->w, NULL, 0);
    tb_panel_store(p, a->o, i, 0, zero);
    tb_k_end_for(k, NULL, NULL);
    tb_kv j0 = tb_panel_for(p);
    TB_FOR_GROUP (p, j) {
        tb_panel_store(p, a->top, j0, j, none);
        tb_panel_store(p, a->sum, j0, j, zero);
    }
    tb_panel_end_for(p);
}

/* The maxima of a group of queries, from q0 + j0 on, with the block's scores. */
static void
raise_tops(attention *a, tb_kv q0, tb_kv key0, tb_kv n, tb_kv j0, tb_kv *top)
{
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, 1, top, (uint32_t)(tb_panel_group(p) / p->w));
    tb_kv at = tb_k_add(k, tb_panel_row(p, i), j0);

    TB_FOR_GROUP (p, j) {
        tb_kv s = tb_panel_load(p, a->s, at, j);
        if (a->mask.causal || a->mask.mask.id) {
            tb_panel_bind(p, tb_k_add(k, q0, j0), j);
            tb_bind_var(a->l, a->key, tb_k_add(k, key0, i), 0);
            s = tb_panel_masked(p, s, &a->mask);
            tb_panel_store(p, a->s, at, j, s);
        }
        uint32_t v = (uint32_t)(j / p->w);
        top[v] = tb_k_larger(k, tb_k_carried(k, v), s); /* a NaN comes out of the sum */
    }
    tb_k_end_for(k, top, top);
    tb_panel_unbind(p);
}

/* The same queries' scores become exp(S' - base), which are added to their sums. */
static void
raise_sums(attention *a, tb_kv n, tb_kv j0, const tb_kv *base, tb_kv *sum)
{
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, 1, sum, (uint32_t)(tb_panel_group(p) / p->w));
    tb_kv at = tb_k_add(k, tb_panel_row(p, i), j0);

    TB_FOR_GROUP (p, j) {
        uint32_t v = (uint32_t)(j / p->w);
        tb_kv s = tb_k_exp_below(k, tb_panel_load(p, a->s, at, j), base[v]);
        tb_panel_store(p, a->s, at, j, s);
        sum[v] = tb_k_map(k, TB_P_add, tb_k_carried(k, v), s, TB_NO_KV);
    }
    tb_k_end_for(k, sum, sum);
}

/* Softmax's running part over the block: S' becomes exp(S' - top'). */
static void
normalise(attention *a, tb_kv q0, tb_kv key0, tb_kv n)
{
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_kv none = tb_k_splat(k, tb_k_const(k, p->acc, -__builtin_inf()), p->w);
    tb_kv zero = tb_k_splat(k, tb_k_const(k, p->acc, 0), p->w);
    tb_kv top[TB_PANEL_GROUP], base[TB_PANEL_GROUP], sum[TB_PANEL_GROUP];
    tb_kv j0 = tb_panel_for(p);

    TB_FOR_GROUP (p, j)
        top[j / p->w] = tb_panel_load(p, a->top, j0, j);
    raise_tops(a, q0, key0, n, j0, top);
    TB_FOR_GROUP (p, j) {
        int v = j / p->w;
        base[v] = top[v];
        if (a->guarded) /* nothing seen yet: exp(-inf - 0) is 0, -inf - -inf is not */
            base[v] = tb_k_map(k, TB_P_where, tb_k_map(k, TB_P_eq, top[v], none, TB_NO_KV), zero,
                               top[v]);
        tb_kv f = tb_k_exp_below(k, tb_panel_load(p, a->top, j0, j), base[v]);
        sum[v] = tb_k_map(k, TB_P_mul, tb_panel_load(p, a->sum, j0, j), f, TB_NO_KV);
        tb_panel_store(p, a->top, j0, j, top[v]);
        tb_panel_store(p, a->factor, j0, j, f);
    }
    raise_sums(a, n, j0, base, sum);
    TB_FOR_GROUP (p, j)
        tb_panel_store(p, a->sum, j0, j, sum[j / p->w]);
    tb_panel_end_for(p);
    tb_kv e = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, a->width), 1, NULL, 0);
    j0 = tb_panel_for(p);
    tb_kv at = tb_k_add(k, tb_panel_row(p, e), j0);
    TB_FOR_GROUP (p, j)
        tb_panel_store(p, a->o, at, j,
                       tb_k_map(k, TB_P_mul, tb_panel_load(p, a->o, at, j),
                                tb_panel_load(p, a->factor, j0, j), TB_NO_KV));
    tb_panel_end_for(p);
    tb_k_end_for(k, NULL, NULL);
}

/* An operand of a micro-kernel, from row `first` on: at `at`, along `var`, or without that in scratch,
 * rows `step` elements apart. */
typedef struct operand {
    attention *a;
    tb_kv ptr, first;
    const tb_ix *at;
    uint32_t var;
    tb_dtype mem;
    int64_t step;
} operand;

static tb_kv
row_pointer(void *user, tb_kv i)
{
    const operand *o = user;
    tb_kernel *k = o->a->k;
    tb_bind_var(o->a->l, o->var, tb_k_add(k, o->first, i), 0);
    return tb_k_ptr_add(k, o->ptr, tb_ix_value(o->a->l, o->at), (int64_t)tb_dtype_bytes(o->mem));
}

/* Rows first .. first + n of K, as far as there are any, for the first cache: they may be far
 * apart, where the processor does not look ahead by itself, and the products of a tile are many
 * instructions. */
static void
ask_for_keys(attention *a, operand o, int n, int64_t bytes)
{
    tb_kernel *k = a->k;
    tb_kv keys = dimv(a, a->keys), most = TB_NO_KV;
    bool enough = tb_dim_is_const(a->keys) && a->keys >= n;

    if (enough) /* then the last n at the end: one comparison for all */
        o.first = tb_k_min(k, o.first, tb_k_sub(k, keys, tb_k_int(k, n)));
    else
        most = tb_k_sub(k, tb_k_sub(k, keys, tb_k_int(k, 1)), o.first);
    for (int r = 0; r < n; r++) {
        tb_kv at = tb_k_int(k, r);
        tb_k_prefetch_lines(k, row_pointer(&o, enough ? at : tb_k_min(k, at, most)), bytes,
                            TB_FIRST_CACHE);
    }
}

/* c[i][panel] (+)= rows of `o` . b, for all i < n. Rows of K, of key_bytes, are asked for before
 * their turn (0: they are not). */
static void
multiply(attention *a, const tb_micro *m, tb_kv (*row)(void *, tb_kv), operand o, tb_kv n,
         tb_kv b, tb_kv c, tb_kv len, tb_kv step, int64_t key_bytes)
{
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_kv first = o.first, mr = tb_k_int(k, m->mr);
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, m->mr, NULL, 0);
    o.first = tb_k_add(k, first, tb_k_add(k, i, mr));
    if (key_bytes)
        ask_for_keys(a, o, m->mr, key_bytes);
    o.first = tb_k_add(k, first, i);
    tb_micro_call(k, m, tb_k_min(k, tb_k_sub(k, n, i), mr),
                  &(tb_micro_operands){
                      .row = row,
                      .user = &o,
                      .b = b,
                      .c = tb_k_ptr_add(k, c, tb_panel_row(p, i), (int64_t)tb_dtype_bytes(p->acc)),
                      .pitch = tb_k_int(k, p->size),
                      .len = len,
                      .step = step});
    tb_k_end_for(k, NULL, NULL);
}

static tb_kv
scratch_pointer(void *user, tb_kv i)
{
    const operand *o = user;
    return tb_k_ptr_add(o->a->k, o->ptr, tb_k_add(o->a->k, o->first, i),
                        o->step * (int64_t)tb_dtype_bytes(o->mem));
}

/* S' of a block. */
static void
scores(attention *a, tb_kv key0, tb_kv n)
{
    tb_kernel *k = a->k;
    tb_kv depth = tb_k_int(k, a->depth), zero = tb_k_int(k, 0);
    tb_dtype mem = a->qk.a_mem;

    if (a->wide.id) { /* each element is multiplied with every vector of queries */
        tb_panel_rows keys = {a->k_store, &a->k_at, a->d, a->depth};
        tb_panel_pack(&a->p, &keys, a->key, key0, n, a->wide, a->depth);
        multiply(a, &a->qk, scratch_pointer,
                 (operand){.a = a, .ptr = a->wide, .first = zero, .mem = mem, .step = a->depth}, n,
                 a->qt, a->s, depth, tb_k_int(k, 1), 0);
        return;
    }
    tb_bind_var(a->l, a->d, zero, 0);
    multiply(a, &a->qk, row_pointer,
             (operand){a, a->kp, key0, &a->k_at, a->key, mem, 0}, n, a->qt, a->s, depth, dimv(a, tb_operand_step(a->l, &a->k_at, a->d)),
             a->qk.unit_step ? a->depth * (int64_t)tb_dtype_bytes(mem) : 0);
}

static void
key_block(attention *a, tb_kv q0, tb_kv key0, tb_kv n)
{
    tb_kernel *k = a->k;
    tb_kv zero = tb_k_int(k, 0), width = tb_k_int(k, a->width);

    scores(a, key0, n);
    normalise(a, q0, key0, n);
    if (a->packed.id) {
        tb_panel_rows values = {a->v_store, &a->v_at, a->e, a->width};
        tb_panel_pack(&a->p, &values, a->key, key0, n, a->packed, a->width);
        multiply(a, &a->pv, scratch_pointer,
                 (operand){.a = a, .ptr = a->packed, .first = zero, .mem = a->pv.a_mem, .step = 1},
                 width, a->s, a->o, n, width, 0);
        return;
    }
    tb_bind_var(a->l, a->key, key0, 0);
    multiply(a, &a->pv, row_pointer, (operand){a, a->vp, zero, &a->v_at, a->e, a->pv.a_mem, 0},
             width, a->s, a->o, n, dimv(a, tb_operand_step(a->l, &a->v_at, a->key)), 0);
}

/* What follows attention, for lanes of e that are bound; v is O' / sum there. */
static void
finish_lanes(void *user, tb_kv v)
{
    attention *a = user;
    tb_lower *l = a->l;
    tb_val root = l->group->root;
    tb_dtype t = tb_dtype_of(a->g, a->anchor);

    if (t == TB_F16 || t == TB_BF16)
        v = tb_k_round(a->k, v, t);
    l->known.n = 0;
    TB_PUSH(&a->u->cx->keep, &l->known, ((tb_known){.node = a->anchor, .value = v}));
    tb_ix flat = tb_ix_flat(&l->ix, a->root_at, tb_rank(a->g, root), tb_dims(a->g, root));
    tb_put(l, root, &flat, tb_pull(l, root, a->root_at));
    l->known.n = 0;
}

/* The log of each query's sum: -inf + -inf where no key was seen. */
static void
finish_sums(attention *a, tb_kv q0)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_val root = l->group->root;
    tb_ix flat = tb_ix_flat(&l->ix, a->sums_at, tb_rank(a->g, root), tb_dims(a->g, root));

    tb_kv j0 = tb_panel_for(p);
    TB_FOR_GROUP (p, j) {
        tb_kv v = tb_k_map(k, TB_P_log, tb_panel_load(p, a->sum, j0, j), TB_NO_KV, TB_NO_KV);

        tb_panel_bind(p, tb_k_add(k, q0, j0), j);
        v = tb_k_map(k, TB_P_add, v, tb_panel_load(p, a->top, j0, j), TB_NO_KV);
        if (p->w == 1 && l->mask.id)
            tb_k_if(k, l->mask);
        tb_put(l, root, &flat, v);
        if (p->w == 1 && l->mask.id)
            tb_k_end_if(k);
    }
    tb_panel_unbind(p);
    tb_panel_end_for(p);
}

/* sum becomes its inverse, or 0 where no key was seen. */
static void
invert(attention *a)
{
    tb_kernel *k = a->k;
    const tb_panel *p = &a->p;
    tb_kv one = tb_k_splat(k, tb_k_const(k, p->acc, 1), p->w);
    tb_kv zero = tb_k_splat(k, tb_k_const(k, p->acc, 0), p->w);
    tb_kv never = tb_k_splat(k, tb_k_const(k, p->acc, -__builtin_inf()), p->w);

    tb_kv j0 = tb_panel_for(p);
    TB_FOR_GROUP (p, j) {
        tb_kv v = tb_k_map(k, TB_P_div, one, tb_panel_load(p, a->sum, j0, j), TB_NO_KV);
        if (a->guarded) { /* -inf is the only way to an empty sum */
            tb_kv none = tb_panel_load(p, a->top, j0, j);
            none = tb_k_map(k, TB_P_eq, none, never, TB_NO_KV);
            v = tb_k_map(k, TB_P_where, none, zero, v);
        }
        tb_panel_store(p, a->sum, j0, j, v);
    }
    tb_panel_end_for(p);
}

/* O' from the queries q0 on. */
static void
finish(attention *a, tb_kv q0)
{
    tb_panel_out out = {.from = a->o,
                        .square = a->square,
                        .depth = a->width,
                        .inner = a->e,
                        .scales = a->sum,
                        .put = finish_lanes,
                        .user = a};

    if (a->sums)
        finish_sums(a, q0);
    invert(a);
    tb_panel_turn_back(&a->p, &out, q0);
}

static void
prepare(attention *a)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    tb_micro m = {.panel = a->p.size, .acc = a->p.acc, .b_mem = a->p.acc};
    int64_t bytes = (int64_t)tb_dtype_bytes(a->p.acc), row = a->p.size * bytes;

    a->qk = a->pv = m;
    a->qk.a_mem = tb_dtype_of(a->g, a->k_store);
    a->qk.fresh = true;
    a->qk.unit_step = tb_operand_step(l, &a->k_at, a->d) == 1;
    a->pv.a_mem = tb_dtype_of(a->g, a->v_store);
    bool pack = a->p.size >= 32 && a->width % 16 == 0 && tb_operand_step(l, &a->v_at, a->e) == 1;
    if (pack)
        a->pv.a_mem = a->p.acc;
    bool widen = a->qk.unit_step && a->qk.a_mem != a->p.acc;
    if (widen)
        a->qk.a_mem = a->p.acc;
    tb_micro_shape(&a->qk, l->target, a->keys, a->mask.causal ? 0 : KB, KB);
    tb_micro_shape(&a->pv, l->target, a->width, a->width, a->width);
    a->p.w = a->qk.lanes;
    tb_micro_write(k, &a->qk);
    tb_micro_write(k, &a->pv);
    tb_bind_node(l, a->q_store, false);
    a->kp = tb_bind_node(l, a->k_store, false);
    a->vp = tb_bind_node(l, a->v_store, false);
    tb_bind_node(l, l->group->root, true);
    a->qt = tb_k_scratch(k, a->depth * row);
    a->s = tb_k_scratch(k, KB * row);
    a->o = tb_k_scratch(k, a->width * row);
    a->top = tb_k_scratch(k, row);
    a->sum = tb_k_scratch(k, row);
    a->factor = tb_k_scratch(k, row);
    a->square = tb_k_scratch(k, (int64_t)a->p.w * a->p.w * bytes);
    if (widen)
        a->wide = tb_k_scratch(k, KB * a->depth * bytes);
    if (pack)
        a->packed = tb_k_scratch(k, KB * a->width * bytes);
}

void
tb_lower_attention(tb_lower *l)
{
    attention a = {.l = l, .g = l->g, .u = l->u, .anchor = l->group->anchor, .p.l = l};
    const int64_t *attr = tb_attrs(l->g, a.anchor);
    tb_unit *u = l->u;

    tb_lower_begin(l, "attention");
    tb_kernel *k = a.k = a.p.k = l->k;
    a.mask.causal = attr[0] != 0;
    memcpy(&a.scale, &attr[1], sizeof a.scale);
    if (tb_node_of(l->g, a.anchor)->n_in > 3)
        a.mask.mask = tb_in(l->g, a.anchor, 3);
    a.sums = tb_node_of(l->g, a.anchor)->prim == TB_P_attention_lse;
    a.p.acc = tb_dtype_of(l->g, a.anchor) == TB_F64 ? TB_F64 : TB_F32;
    geometry(&a);
    a.guarded = a.mask.mask.id || !tb_dim_is_const(a.keys) || a.keys == 0;
    a.p.size = tb_panel_size(u, a.p.n);
    prepare(&a);

    tb_dim blocks = tb_dim_ceildiv(u, a.p.n, a.p.size);
    l->step->tiles = tb_dim_mul(u, a.batches, blocks);
    l->step->tile_cost_ns = (uint64_t)((double)a.p.size * (double)tb_dim_hint(u, a.keys) *
                                       (2.0 * (double)(a.depth + a.width) + 40) / 100.0) + 1;
    tb_kv t = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv q0 = tb_k_mul(k, tb_k_mod(k, t, dimv(&a, blocks)), tb_k_int(k, a.p.size));
    tb_bind_batches(l, a.batch, a.n_batch, tb_k_div(k, t, dimv(&a, blocks)));
    begin(&a, q0);
    tb_kv end = dimv(&a, a.keys);
    if (a.mask.causal) /* keys past the last query of the tile are seen by none */
        end = tb_k_min(k, end, tb_k_add(k, q0, tb_k_int(k, a.p.size)));
    tb_kv key0 = tb_k_for(k, tb_k_int(k, 0), end, KB, NULL, 0);
    key_block(&a, q0, key0, tb_k_min(k, tb_k_sub(k, end, key0), tb_k_int(k, KB)));
    tb_k_end_for(k, NULL, NULL);
    finish(&a, q0);
    tb_k_end_for(k, NULL, NULL);
    tb_lower_end(l);
}

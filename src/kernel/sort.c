/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * sort.c -- argsort: a merge sort of each row, from runs of one upwards.
 *
 * Elements become integers of the same order: of a float the bits, with those of negative
 * numbers turned round, -0 made +0 and every NaN the greatest; turned round as a whole
 * for a descending sort. With 32 bits or fewer the position fits beside the key in 64
 * bits: one word per element, no two of them equal, so stability needs no care. 64-bit
 * keys and positions lie in two arrays.
 *
 *   runs:   a[i] = (key of x[i], i)
 *   merges: for width = 1, 2, 4 ...: merge neighbouring runs of `width` from one buffer
 *           into the other; the buffers change places
 *   result[i] = position in a[i]
 *
 * Buffers are in scratch if they are small, else in memory of the step. Where only the
 * first few results of a row are read (topk), only these are kept while the row is read.
 */
#include "kernel/rows.h"

enum { MAX_SCRATCH = 1 << 20, MAX_FEW = 256 };

typedef struct sort {
    tb_lower *l;
    tb_kernel *k;
    tb_val root, x, store; /* store: where x lies */
    uint32_t axis;
    bool descending, wide; /* wide: 64-bit keys */
    tb_dtype t;
    tb_dim n, room;        /* elements of a row, and of a buffer */
    tb_ix at, from;        /* where results and elements of the row lie */
} sort;

/* A buffer: keys, or keys and positions in one word; and positions. */
typedef struct runs {
    tb_kv key, pos;
} runs;

static tb_kv
op2(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b)
{
    return tb_k_map(k, p, a, b, TB_NO_KV);
}

/* ---- keys ---- */

/* The bits of a float as a signed integer of the same order. */
static tb_kv
float_key(tb_kernel *k, tb_kv v)
{
    tb_dtype t = (tb_dtype)tb_k_inst(k, v)->dtype, i = t == TB_F64 ? TB_I64 : TB_I32;
    int sign = t == TB_F64 ? 63 : 31;
    tb_kv most = tb_k_const_int(k, i, (int64_t)(UINT64_MAX >> (64 - sign)));
    tb_kv bits = tb_k_bitcast(k, op2(k, TB_P_add, v, tb_k_const(k, t, 0)), i), key;

    key = op2(k, TB_P_shr, bits, tb_k_const_int(k, i, sign)); /* 0 or all ones */
    key = op2(k, TB_P_xor, bits, op2(k, TB_P_and, key, most));
    return tb_k_map(k, TB_P_where, op2(k, TB_P_ne, v, v), most, key);
}

/* Element v as an I64 that orders as v does; below 2^31 in size unless wide. */
static tb_kv
key_of(const sort *s, tb_kv v)
{
    tb_kernel *k = s->k;

    if (tb_dtype_is_float(s->t))
        v = float_key(k, v);
    if (s->t == TB_U64)
        v = op2(k, TB_P_xor, tb_k_bitcast(k, v, TB_I64), tb_k_int(k, INT64_MIN));
    v = tb_k_cast(k, v, TB_I64);
    if (s->t == TB_U32)
        v = tb_k_add(k, v, tb_k_int(k, INT32_MIN));
    return s->descending ? op2(k, TB_P_xor, v, tb_k_int(k, -1)) : v;
}

/* ---- buffers ---- */

static tb_dim
buffer_bytes(const sort *s)
{
    return tb_dim_mul(s->l->u, s->room, s->wide ? 16 : 8);
}

/* Two buffers of a row, one after the other; within a buffer keys, then positions. */
static void
buffers(const sort *s, tb_kv row, runs *a, runs *b)
{
    tb_kernel *k = s->k;
    tb_unit *u = s->l->u;
    tb_dim bytes = buffer_bytes(s), rows = 1;
    tb_kv half = tb_k_dim(k, u, s->room), size = tb_k_dim(k, u, bytes);

    if (tb_dim_is_const(bytes) && 2 * bytes <= MAX_SCRATCH) {
        a->key = tb_k_scratch(k, bytes);
        b->key = tb_k_scratch(k, bytes);
    } else {
        for (int i = 0; i < tb_rank(s->l->g, s->root); i++)
            if ((uint32_t)i != s->axis)
                rows = tb_dim_mul(u, rows, tb_dims(s->l->g, s->root)[i]);
        rows = tb_dim_mul(u, rows, tb_dim_mul(u, bytes, 2));
        a->key = tb_bind_temp(s->l, tb_lower_temp(s->l, 0, rows), true);
        row = tb_k_mul(k, row, tb_k_mul(k, size, tb_k_int(k, 2)));
        a->key = tb_k_ptr_add(k, a->key, row, 1);
        b->key = tb_k_ptr_add(k, a->key, size, 1);
    }
    a->pos = s->wide ? tb_k_ptr_add(k, a->key, half, 8) : a->key;
    b->pos = s->wide ? tb_k_ptr_add(k, b->key, half, 8) : b->key;
}

/* ---- the three steps of a row ---- */

static void
fill(const sort *s, const runs *a)
{
    tb_lower *l = s->l;
    tb_kernel *k = s->k;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_dim(k, l->u, s->n), 1, NULL, 0), key;

    tb_bind_var(l, s->axis, i, 0);
    key = key_of(s, tb_pull_load(l, s->store, &s->from));
    if (s->wide)
        tb_k_store(k, TB_I64, a->pos, i, 0, i, TB_NO_KV);
    else
        key = op2(k, TB_P_or, op2(k, TB_P_shl, key, tb_k_int(k, 32)), i);
    tb_k_store(k, TB_I64, a->key, i, 0, key, TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
}

/* Merges runs [lo, mid) and [mid, hi) of `from` into `to`. Reads one element past a run
 * that is used up: buffers have room for it. */
static void
merge(const sort *s, const runs *from, const runs *to, tb_kv lo, tb_kv mid, tb_kv hi)
{
    tb_kernel *k = s->k;
    tb_kv heads[2] = {lo, mid}, i, j, a, b, left;
    tb_kv o = tb_k_for(k, lo, hi, 1, heads, 2);

    i = tb_k_carried(k, 0);
    j = tb_k_carried(k, 1);
    a = tb_k_load(k, TB_I64, 1, from->key, i, 0, TB_NO_KV);
    b = tb_k_load(k, TB_I64, 1, from->key, j, 0, TB_NO_KV);
    left = op2(k, TB_P_and, tb_k_lt(k, i, mid), op2(k, TB_P_le, a, b));
    left = op2(k, TB_P_or, left, op2(k, TB_P_le, hi, j));
    tb_k_store(k, TB_I64, to->key, o, 0, tb_k_map(k, TB_P_where, left, a, b), TB_NO_KV);
    if (s->wide) {
        tb_kv at = tb_k_map(k, TB_P_where, left, i, j);

        at = tb_k_load(k, TB_I64, 1, from->pos, at, 0, TB_NO_KV);
        tb_k_store(k, TB_I64, to->pos, o, 0, at, TB_NO_KV);
    }
    left = tb_k_cast(k, left, TB_I64);
    heads[0] = tb_k_add(k, i, left);
    heads[1] = tb_k_add(k, j, tb_k_sub(k, tb_k_int(k, 1), left));
    tb_k_end_for(k, heads, heads);
}

/* How often the width of runs doubles until one run has n < 2^most elements. */
static tb_kv
levels(const sort *s, tb_kv n, int most)
{
    tb_kernel *k = s->k;
    tb_kv count = tb_k_int(k, 0);

    for (int i = 0; i < most; i++) {
        tb_kv more = tb_k_lt(k, tb_k_int(k, INT64_C(1) << i), n);

        count = tb_k_add(k, count, tb_k_cast(k, more, TB_I64));
    }
    return count;
}

/* Sorts n elements of `a`; where they end up is left in *a. */
static void
merges(const sort *s, runs *a, const runs *b, tb_kv n, int most)
{
    tb_kernel *k = s->k;
    tb_kv one = tb_k_int(k, 1);
    tb_kv state[4] = {a->key, b->key, a->pos, b->pos}, level, width, pairs, pair, lo;
    uint32_t n_state = s->wide ? 4 : 2;
    runs from, to;

    level = tb_k_for(k, tb_k_int(k, 0), levels(s, n, most), 1, state, n_state);
    from.key = from.pos = tb_k_carried(k, 0);
    to.key = to.pos = tb_k_carried(k, 1);
    if (s->wide) {
        from.pos = tb_k_carried(k, 2);
        to.pos = tb_k_carried(k, 3);
    }
    width = op2(k, TB_P_shl, one, level);
    pairs = tb_k_add(k, n, tb_k_sub(k, tb_k_add(k, width, width), one));
    pairs = op2(k, TB_P_shr, pairs, tb_k_add(k, level, one));
    pair = tb_k_for(k, tb_k_int(k, 0), pairs, 1, NULL, 0);
    lo = tb_k_mul(k, pair, tb_k_add(k, width, width));
    merge(s, &from, &to, lo, tb_k_min(k, tb_k_add(k, lo, width), n),
          tb_k_min(k, tb_k_add(k, lo, tb_k_add(k, width, width)), n));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, (tb_kv[]){to.key, from.key, to.pos, from.pos}, state);
    a->key = state[0];
    a->pos = s->wide ? state[2] : state[0];
}

/* The first n results. */
static void
write_row(const sort *s, const runs *a, tb_kv n)
{
    tb_lower *l = s->l;
    tb_kernel *k = s->k;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0), v;

    tb_bind_var(l, s->axis, i, 0);
    v = tb_k_load(k, TB_I64, 1, a->pos, i, 0, TB_NO_KV);
    if (!s->wide)
        v = op2(k, TB_P_and, v, tb_k_int(k, INT64_C(0xffffffff)));
    tb_put(l, s->root, &s->at, v);
    tb_k_end_for(k, NULL, NULL);
}

/* ---- the first few only ---- */

typedef struct first {
    const sort *s;
    runs a, b;       /* of `room` elements */
    tb_kv cells;     /* memory: how many elements are in `a`; the key to be below */
    int64_t keep, room;
} first;

enum { COUNT, LIMIT };

static tb_kv
cell(const first *f, int which)
{
    return tb_k_load(f->s->k, TB_I64, 1, f->cells, TB_NO_KV, which, TB_NO_KV);
}

static void
set_cell(const first *f, int which, tb_kv v)
{
    tb_k_store(f->s->k, TB_I64, f->cells, TB_NO_KV, which, v, TB_NO_KV);
}

/* `a` is full: sorts it and keeps the first ones; what comes must be below the last. */
static void
shrink(const first *f)
{
    const sort *s = f->s;
    tb_kernel *k = s->k;
    runs r = f->a;
    tb_kv i, limit;

    merges(s, &r, &f->b, tb_k_int(k, f->room), 40);
    i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, f->keep), 1, NULL, 0);
    tb_k_store(k, TB_I64, f->a.key, i, 0, tb_k_load(k, TB_I64, 1, r.key, i, 0, TB_NO_KV),
               TB_NO_KV);
    if (s->wide)
        tb_k_store(k, TB_I64, f->a.pos, i, 0,
                   tb_k_load(k, TB_I64, 1, r.pos, i, 0, TB_NO_KV), TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
    limit = tb_k_load(k, TB_I64, 1, f->a.key, TB_NO_KV, f->keep - 1, TB_NO_KV);
    if (!s->wide)
        limit = op2(k, TB_P_shr, limit, tb_k_int(k, 32));
    set_cell(f, LIMIT, limit);
    set_cell(f, COUNT, tb_k_int(k, f->keep));
}

/* Is the key below the limit? One that equals it comes later in the row than those that
 * are there, and loses. No limit yet: 64-bit keys may be as large as it is. */
static tb_kv
below_limit(const first *f, tb_kv key)
{
    tb_kernel *k = f->s->k;
    tb_kv limit = cell(f, LIMIT), none = op2(k, TB_P_eq, limit, tb_k_int(k, INT64_MAX));
    tb_kv below = tb_k_lt(k, key, tb_k_splat(k, limit, tb_k_inst(k, key)->lanes));

    return f->s->wide ? op2(k, TB_P_or, below, none) : below;
}

static void
offer(const first *f, tb_kv key, tb_kv pos)
{
    const sort *s = f->s;
    tb_kernel *k = s->k;
    tb_kv n;

    tb_k_if(k, below_limit(f, key));
    n = cell(f, COUNT);
    if (s->wide)
        tb_k_store(k, TB_I64, f->a.pos, n, 0, pos, TB_NO_KV);
    else
        key = op2(k, TB_P_or, op2(k, TB_P_shl, key, tb_k_int(k, 32)), pos);
    tb_k_store(k, TB_I64, f->a.key, n, 0, key, TB_NO_KV);
    n = tb_k_add(k, n, tb_k_int(k, 1));
    set_cell(f, COUNT, n);
    tb_k_if(k, op2(k, TB_P_eq, n, tb_k_int(k, f->room)));
    shrink(f);
    tb_k_end_if(k);
    tb_k_end_if(k);
}

/* Lanes of elements: most often none of them is below the limit. */
static void
look_at_lanes(tb_lower *l, void *arg)
{
    const first *f = arg;
    const sort *s = f->s;
    tb_kernel *k = s->k;
    tb_kv at = l->env.at[s->axis].value, mask = l->mask, key, below, i, end;
    int lanes = l->lanes;

    key = key_of(s, tb_pull_load(l, s->store, &s->from));
    if (lanes == 1) {
        offer(f, key, at);
        return;
    }
    below = below_limit(f, key);
    if (mask.id)
        below = op2(k, TB_P_and, below, mask);
    tb_k_if(k, tb_k_hreduce(k, TB_P_or, below));
    end = tb_k_min(k, tb_k_add(k, at, tb_k_int(k, lanes)), tb_k_dim(k, l->u, s->n));
    i = tb_k_for(k, at, end, 1, NULL, 0);
    l->lanes = 1;
    l->mask = TB_NO_KV;
    tb_bind_var(l, s->axis, i, 0);
    offer(f, key_of(s, tb_pull_load(l, s->store, &s->from)), i);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_if(k);
    tb_bind_var(l, s->axis, at, 1);
    l->lanes = lanes;
    l->mask = mask;
}

/* How many results of a row anyone reads, if that is few; else 0. */
static int64_t
few(const sort *s)
{
    const tb_graph *g = s->l->g;
    int64_t most = 0;

    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].id == s->root.id)
            return 0;
    for (uint32_t id = s->root.id + 1; id < g->n; id++) {
        const tb_node *n = &g->nodes[id];
        tb_val v = {id};
        bool uses = false;
        tb_dim size;

        for (uint32_t i = 0; i < n->n_in; i++)
            uses |= tb_in(g, v, i).id == s->root.id;
        if (!uses)
            continue;
        if (n->prim != TB_P_slice || tb_attrs(g, v)[s->axis] != 0 ||
            tb_attrs(g, v)[n->rank + s->axis] != 1)
            return 0;
        size = tb_dims(g, v)[s->axis];
        if (!tb_dim_is_const(size))
            return 0;
        most = size > most ? size : most;
    }
    if (most > MAX_FEW || most * 4 > tb_dim_hint(s->l->u, s->n))
        return 0;
    return most;
}

/*
 * Sorts the first `keep` results only: elements below the worst of those kept so far are
 * collected, and when there are too many of them they are sorted and the rest forgotten.
 */
static void
select_row(const sort *s, int64_t keep)
{
    tb_lower *l = s->l;
    tb_kernel *k = s->k;
    first f = {.s = s, .keep = keep, .room = 2 * keep < 64 ? 64 : 2 * keep};
    tb_kv zero = tb_k_int(k, 0), n;
    runs r;

    f.cells = tb_k_scratch(k, 16);
    f.a.key = f.a.pos = tb_k_scratch(k, (f.room + 1) * 8);
    f.b.key = f.b.pos = tb_k_scratch(k, (f.room + 1) * 8);
    if (s->wide) {
        f.a.pos = tb_k_scratch(k, (f.room + 1) * 8);
        f.b.pos = tb_k_scratch(k, (f.room + 1) * 8);
    }
    set_cell(&f, COUNT, zero);
    set_cell(&f, LIMIT, tb_k_int(k, INT64_MAX));
    n = tb_k_dim(k, l->u, s->n);
    tb_lane_loop(l, s->axis, l->target->lanes, zero, n, look_at_lanes, &f);
    n = cell(&f, COUNT);
    r = f.a;
    merges(s, &r, &f.b, n, 10);
    write_row(s, &r, tb_k_min(k, n, tb_k_int(k, keep)));
}

void
tb_lower_sort(tb_lower *l)
{
    const tb_group *gr = l->group;
    const tb_dim *dims = tb_dims(l->g, gr->root);
    int rank = tb_rank(l->g, gr->root);
    tb_ix at[TB_MAX_RANK + 1] = {{0}};
    uint32_t rows[TB_MAX_RANK], n_rows = 0;
    sort s = {.l = l, .root = gr->root, .x = tb_in(l->g, gr->root, 0)};
    runs a, b;
    int64_t keep;
    double n;
    tb_kv row;

    tb_lower_begin(l, "sort");
    s.k = l->k;
    s.t = tb_dtype_of(l->g, s.x);
    s.axis = (uint32_t)tb_attrs(l->g, gr->root)[0];
    s.descending = tb_attrs(l->g, gr->root)[1] != 0;
    s.wide = tb_dtype_bytes(s.t) == 8;
    s.store = tb_storage(l->gs, s.x);
    if (tb_dtype_is_complex(s.t))
        tb_raise(l->u->cx, gr->loc, TB_UNSUPPORTED, "a sort of complex numbers");
    TB_CHECK(s.store.id);
    s.n = dims[s.axis];
    s.room = tb_dim_add(l->u, s.n, 1);
    memcpy(at, gr->root_at, sizeof *at * (size_t)rank);
    at[s.axis] = tb_ix_var(s.axis);
    s.at = tb_ix_flat(&l->ix, at, rank, dims);
    s.from = tb_ix_flat(&l->ix, at, rank, tb_dims(l->g, s.x));
    for (uint32_t i = 0; i < (uint32_t)rank; i++)
        if (i != s.axis && dims[i] != 1)
            rows[n_rows++] = i;
    n = (double)tb_dim_hint(l->u, s.n);
    keep = few(&s);
    if (keep) {
        tb_rows_open(l, rows, n_rows, n + 100 * (double)keep);
        select_row(&s, keep);
    } else {
        row = tb_rows_open(l, rows, n_rows, n * (2 + 3 * __builtin_log2(n + 1)));
        buffers(&s, row, &a, &b);
        fill(&s, &a);
        merges(&s, &a, &b, tb_k_dim(l->k, l->u, s.n), 40);
        write_row(&s, &a, tb_k_dim(l->k, l->u, s.n));
    }
    tb_rows_close(l);
    tb_lower_end(l);
}

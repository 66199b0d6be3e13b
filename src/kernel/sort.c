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
 * Buffers are in scratch if they are small, else in memory of the step.
 */
#include "kernel/rows.h"

enum { MAX_SCRATCH = 1 << 20 };

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

/* How often the width of runs doubles until one run is the row. */
static tb_kv
levels(const sort *s)
{
    tb_kernel *k = s->k;
    tb_kv n = tb_k_dim(k, s->l->u, s->n), count = tb_k_int(k, 0);

    for (int i = 0; i < 40; i++) {
        tb_kv more = tb_k_lt(k, tb_k_int(k, INT64_C(1) << i), n);

        count = tb_k_add(k, count, tb_k_cast(k, more, TB_I64));
    }
    return count;
}

/* Leaves the sorted row in *a. */
static void
merges(const sort *s, runs *a, runs *b)
{
    tb_kernel *k = s->k;
    tb_kv n = tb_k_dim(k, s->l->u, s->n), one = tb_k_int(k, 1);
    tb_kv state[4] = {a->key, b->key, a->pos, b->pos}, level, width, pairs, pair, lo;
    uint32_t n_state = s->wide ? 4 : 2;
    runs from, to;

    level = tb_k_for(k, tb_k_int(k, 0), levels(s), 1, state, n_state);
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

static void
write_row(const sort *s, const runs *a)
{
    tb_lower *l = s->l;
    tb_kernel *k = s->k;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_dim(k, l->u, s->n), 1, NULL, 0), v;

    tb_bind_var(l, s->axis, i, 0);
    v = tb_k_load(k, TB_I64, 1, a->pos, i, 0, TB_NO_KV);
    if (!s->wide)
        v = op2(k, TB_P_and, v, tb_k_int(k, INT64_C(0xffffffff)));
    tb_put(l, s->root, &s->at, v);
    tb_k_end_for(k, NULL, NULL);
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
    row = tb_rows_open(l, rows, n_rows, n * (2 + 3 * __builtin_log2(n + 1)));
    buffers(&s, row, &a, &b);
    fill(&s, &a);
    merges(&s, &a, &b);
    write_row(&s, &a);
    tb_rows_close(l);
    tb_lower_end(l);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg.c -- words for kernels on matrices: numbers that may be complex, buffers with
 * padded rows, and the update that factorisations spend their time in.
 */
#include "kernel/linalg.h"

enum { MAX_SCRATCH = 1 << 20, MAX_ROWS = 4, MAX_VECS = 4 };

tb_dim
tb_la_items(tb_lower *l, int n_own)
{
    tb_val root = l->group->root;
    tb_dim items = 1;

    for (int i = 0; i < tb_rank(l->g, root) - n_own; i++)
        items = tb_dim_mul(l->u, items, tb_dims(l->g, root)[i]);
    return items;
}

double
tb_la_hint(const tb_la *a, tb_dim d)
{
    return (double)tb_dim_hint(a->l->u, d);
}

void
tb_la_begin(tb_la *a, tb_lower *l, double matrix_ns, tb_dim parts, tb_kv *part)
{
    tb_val root = l->group->root;
    const tb_node *n = tb_node_of(l->g, root);

    a->l = l;
    a->k = l->k;
    a->t = tb_dtype_of(l->g, root);
    a->lanes = tb_lanes_of(l, a->t);
    a->pairs = tb_attrs(l->g, root)[n->n_attr - 1] != 0;
    a->rows = a->pairs ? 2 : MAX_ROWS;
    a->vecs = 1;
    if (!a->pairs && tb_la_hint(a, tb_dims(l->g, root)[n->rank - 1]) > a->lanes)
        a->vecs = 2;
    a->items = tb_dim_mul(l->u, parts, tb_la_items(l, a->pairs ? 3 : 2));
    a->matrix = a->item = tb_items_open(l, a->items, matrix_ns);
    if (part) {
        tb_kv n_parts = tb_k_dim(l->k, l->u, parts);

        a->matrix = tb_k_div(l->k, a->item, n_parts);
        *part = tb_k_mod(l->k, a->item, n_parts);
    }
}

/* ---- matrices in memory ---- */

tb_mat
tb_la_at(tb_la *a, tb_val v, bool written)
{
    tb_lower *l = a->l;
    tb_kernel *k = a->k;
    int rank = tb_rank(l->g, v);
    tb_dim m = tb_dims(l->g, v)[rank - 2], n = tb_dims(l->g, v)[rank - 1];
    tb_kv size = tb_k_dim(k, l->u, tb_dim_mul(l->u, m, n)), all = size;
    tb_mat x = {.row = tb_k_dim(k, l->u, n), .column = tb_k_int(k, 1), .im = size};
    tb_val store = written ? v : tb_storage(l->gs, v);

    TB_CHECK(store.id);
    if (a->pairs)
        all = tb_k_mul(k, size, tb_k_int(k, 2));
    x.ptr = tb_k_ptr_add(k, tb_bind_node(l, store, written), tb_k_mul(k, a->matrix, all),
                         (int64_t)tb_dtype_bytes(a->t));
    return x;
}

tb_mat
tb_la_buffer(tb_la *a, uint32_t nth, tb_dim m, tb_dim n)
{
    tb_lower *l = a->l;
    tb_unit *u = l->u;
    tb_kernel *k = a->k;
    int64_t size = (int64_t)tb_dtype_bytes(a->t);
    tb_dim row = tb_dim_add(u, n, TB_LA_PAD), part, bytes;
    tb_mat x = {.column = tb_k_int(k, 1)};

    row = tb_dim_mul(u, tb_dim_ceildiv(u, row, TB_LA_ALIGN), TB_LA_ALIGN);
    part = tb_dim_mul(u, m, row);
    bytes = tb_dim_mul(u, part, size * (a->pairs ? 2 : 1));
    x.row = tb_k_dim(k, u, row);
    x.im = tb_k_dim(k, u, part);
    if (tb_dim_is_const(bytes) && bytes <= MAX_SCRATCH) {
        x.ptr = tb_k_scratch(k, bytes ? bytes : 1);
        return x;
    }
    x.ptr = tb_bind_temp(l, tb_lower_temp(l, nth, tb_dim_mul(u, bytes, a->items)), true);
    x.ptr = tb_k_ptr_add(k, x.ptr, tb_k_mul(k, a->item, tb_k_dim(k, u, bytes)), 1);
    return x;
}

static tb_kv
row_of(tb_la *a, tb_mat x, tb_kv i)
{
    return tb_k_ptr_add(a->k, x.ptr, tb_k_mul(a->k, i, x.row),
                        (int64_t)tb_dtype_bytes(a->t));
}

tb_mat
tb_la_from(tb_la *a, tb_mat x, tb_kv i, tb_kv j)
{
    x.ptr = tb_k_ptr_add(a->k, row_of(a, x, i), tb_k_mul(a->k, j, x.column),
                         (int64_t)tb_dtype_bytes(a->t));
    return x;
}

tb_mat
tb_la_rows_backwards(tb_la *a, tb_mat x, tb_kv m)
{
    tb_kernel *k = a->k;

    x = tb_la_from(a, x, tb_k_sub(k, m, tb_k_int(k, 1)), tb_k_int(k, 0));
    x.row = tb_k_sub(k, tb_k_int(k, 0), x.row);
    return x;
}

tb_mat
tb_la_transposed(tb_mat x)
{
    return (tb_mat){x.ptr, x.column, x.row, x.im};
}

tb_mat
tb_la_backwards(tb_la *a, tb_mat x, tb_kv m, tb_kv n)
{
    x = tb_la_rows_backwards(a, x, m);
    return tb_la_transposed(tb_la_rows_backwards(a, tb_la_transposed(x), n));
}

/* ---- elements ---- */

static tb_num
load(tb_la *a, tb_mat x, tb_kv i, tb_kv at, int lanes, tb_kv mask)
{
    tb_kv p = row_of(a, x, i);
    tb_num v = {tb_k_load(a->k, a->t, lanes, p, at, 0, mask), TB_NO_KV};

    if (a->pairs)
        v.im = tb_k_load(a->k, a->t, lanes, p, tb_k_add(a->k, at, x.im), 0, mask);
    return v;
}

static void
store(tb_la *a, tb_mat x, tb_kv i, tb_kv at, tb_num v, tb_kv mask)
{
    tb_kv p = row_of(a, x, i);

    tb_k_store(a->k, a->t, p, at, 0, v.re, mask);
    if (a->pairs)
        tb_k_store(a->k, a->t, p, tb_k_add(a->k, at, x.im), 0, v.im, mask);
}

tb_num
tb_la_load(tb_la *a, tb_mat x, tb_kv i, tb_kv j)
{
    return load(a, x, i, tb_k_mul(a->k, j, x.column), 1, TB_NO_KV);
}

void
tb_la_store(tb_la *a, tb_mat x, tb_kv i, tb_kv j, tb_num v)
{
    store(a, x, i, tb_k_mul(a->k, j, x.column), v, TB_NO_KV);
}

tb_num
tb_la_vload(tb_la *a, tb_mat x, tb_kv i, tb_kv j)
{
    return load(a, x, i, j, a->lanes, TB_NO_KV);
}

void
tb_la_vstore(tb_la *a, tb_mat x, tb_kv i, tb_kv j, tb_num v)
{
    store(a, x, i, j, v, TB_NO_KV);
}

/* ---- arithmetic ---- */

tb_kv
tb_la_const(tb_la *a, double v)
{
    return tb_k_const(a->k, a->t, v);
}

tb_kv
tb_la_op(tb_la *a, tb_prim p, tb_kv x, tb_kv y)
{
    return tb_k_map(a->k, p, x, y, TB_NO_KV);
}

tb_num
tb_la_splat(tb_la *a, tb_num x)
{
    x.re = tb_k_splat(a->k, x.re, a->lanes);
    if (a->pairs)
        x.im = tb_k_splat(a->k, x.im, a->lanes);
    return x;
}

static tb_kv
neg(tb_la *a, tb_kv x)
{
    return tb_k_map(a->k, TB_P_neg, x, TB_NO_KV, TB_NO_KV);
}

tb_num
tb_la_conj(tb_la *a, tb_num x)
{
    if (a->pairs)
        x.im = neg(a, x.im);
    return x;
}

tb_num
tb_la_real(tb_la *a, tb_kv re)
{
    return (tb_num){re, tb_la_const(a, 0)};
}

static tb_num
each_part(tb_la *a, tb_prim p, tb_num x, tb_num y)
{
    x.re = tb_la_op(a, p, x.re, y.re);
    if (a->pairs)
        x.im = tb_la_op(a, p, x.im, y.im);
    return x;
}

tb_num
tb_la_add(tb_la *a, tb_num x, tb_num y)
{
    return each_part(a, TB_P_add, x, y);
}

tb_num
tb_la_sub(tb_la *a, tb_num x, tb_num y)
{
    return each_part(a, TB_P_sub, x, y);
}

tb_num
tb_la_mul(tb_la *a, tb_num x, tb_num y)
{
    tb_num r = {tb_la_op(a, TB_P_mul, x.re, y.re), TB_NO_KV};

    if (!a->pairs)
        return r;
    r.re = tb_la_op(a, TB_P_sub, r.re, tb_la_op(a, TB_P_mul, x.im, y.im));
    r.im = tb_la_op(a, TB_P_add, tb_la_op(a, TB_P_mul, x.re, y.im),
                    tb_la_op(a, TB_P_mul, x.im, y.re));
    return r;
}

tb_num
tb_la_scale(tb_la *a, tb_num x, tb_kv real)
{
    x.re = tb_la_op(a, TB_P_mul, x.re, real);
    if (a->pairs)
        x.im = tb_la_op(a, TB_P_mul, x.im, real);
    return x;
}

/* By Smith's method: no square of the divisor overflows. */
tb_num
tb_la_div(tb_la *a, tb_num x, tb_num y)
{
    tb_kernel *k = a->k;
    tb_kv wide, c, d, p, q, r, s, im;
    tb_num z;

    if (!a->pairs)
        return (tb_num){tb_la_op(a, TB_P_div, x.re, y.re), TB_NO_KV};
    wide = tb_la_op(a, TB_P_le, tb_k_map(k, TB_P_abs, y.im, TB_NO_KV, TB_NO_KV),
                    tb_k_map(k, TB_P_abs, y.re, TB_NO_KV, TB_NO_KV));
    c = tb_k_map(k, TB_P_where, wide, y.re, y.im);
    d = tb_k_map(k, TB_P_where, wide, y.im, y.re);
    p = tb_k_map(k, TB_P_where, wide, x.re, x.im);
    q = tb_k_map(k, TB_P_where, wide, x.im, x.re);
    r = tb_la_op(a, TB_P_div, d, c);
    s = tb_la_op(a, TB_P_add, c, tb_la_op(a, TB_P_mul, d, r));
    z.re = tb_la_op(a, TB_P_div, tb_la_op(a, TB_P_add, p, tb_la_op(a, TB_P_mul, q, r)), s);
    im = tb_la_op(a, TB_P_div, tb_la_op(a, TB_P_sub, q, tb_la_op(a, TB_P_mul, p, r)), s);
    z.im = tb_k_map(k, TB_P_where, wide, im, neg(a, im));
    return z;
}

tb_num
tb_la_where(tb_la *a, tb_kv cond, tb_num x, tb_num y)
{
    x.re = tb_k_map(a->k, TB_P_where, cond, x.re, y.re);
    if (a->pairs)
        x.im = tb_k_map(a->k, TB_P_where, cond, x.im, y.im);
    return x;
}

tb_num
tb_la_muladd(tb_la *a, tb_num acc, tb_num x, tb_num y)
{
    tb_kernel *k = a->k;

    acc.re = tb_k_fma(k, x.re, y.re, acc.re);
    if (!a->pairs)
        return acc;
    acc.re = tb_k_fma(k, neg(a, x.im), y.im, acc.re);
    acc.im = tb_k_fma(k, x.re, y.im, acc.im);
    acc.im = tb_k_fma(k, x.im, y.re, acc.im);
    return acc;
}

tb_num
tb_la_mulsub(tb_la *a, tb_num acc, tb_num x, tb_num y)
{
    x.re = neg(a, x.re);
    if (a->pairs)
        x.im = neg(a, x.im);
    return tb_la_muladd(a, acc, x, y);
}

/* ---- loops ---- */

tb_kv
tb_la_for(tb_la *a, tb_kv lo, tb_kv hi, int64_t step, tb_num *carried, uint32_t n)
{
    tb_kv flat[2 * MAX_ROWS * MAX_VECS] = {{0}}, i;
    uint32_t parts = a->pairs ? 2 : 1;

    for (uint32_t c = 0; c < n; c++) {
        flat[c * parts] = carried[c].re;
        if (a->pairs)
            flat[c * parts + 1] = carried[c].im;
    }
    i = tb_k_for(a->k, lo, hi, step, flat, n * parts);
    for (uint32_t c = 0; c < n; c++) {
        carried[c].re = tb_k_carried(a->k, c * parts);
        if (a->pairs)
            carried[c].im = tb_k_carried(a->k, c * parts + 1);
    }
    return i;
}

void
tb_la_end_for(tb_la *a, tb_num *carried, uint32_t n)
{
    tb_kv flat[2 * MAX_ROWS * MAX_VECS] = {{0}};
    uint32_t parts = a->pairs ? 2 : 1;

    for (uint32_t c = 0; c < n; c++) {
        flat[c * parts] = carried[c].re;
        if (a->pairs)
            flat[c * parts + 1] = carried[c].im;
    }
    tb_k_end_for(a->k, flat, flat);
    for (uint32_t c = 0; c < n; c++) {
        carried[c].re = flat[c * parts];
        if (a->pairs)
            carried[c].im = flat[c * parts + 1];
    }
}

/* ---- copies ---- */

/* for j in [0, n): `lanes` at a time, then with a mask or one by one. */
static void
copy_row(tb_la *a, tb_mat to, tb_mat from, tb_kv i, tb_kv n)
{
    tb_kernel *k = a->k;
    tb_kv zero = tb_k_int(k, 0), w = tb_k_int(k, a->lanes), whole = zero, j, mask = TB_NO_KV;
    bool masked = a->l->target->masks && a->lanes > 1;

    if (a->lanes > 1) {
        whole = tb_k_mul(k, tb_k_div(k, n, w), w);
        j = tb_k_for(k, zero, whole, a->lanes, NULL, 0);
        store(a, to, i, j, load(a, from, i, j, a->lanes, TB_NO_KV), TB_NO_KV);
        tb_k_end_for(k, NULL, NULL);
    }
    j = tb_k_for(k, whole, n, masked ? a->lanes : 1, NULL, 0);
    if (masked)
        mask = tb_k_lt(k, tb_k_lane_ids(k, TB_I64, a->lanes),
                       tb_k_splat(k, tb_k_sub(k, n, j), a->lanes));
    store(a, to, i, j, load(a, from, i, j, masked ? a->lanes : 1, mask), mask);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_la_copy_in(tb_la *a, tb_mat to, tb_mat from, tb_kv m, tb_kv n, tb_kv room)
{
    tb_kernel *k = a->k;
    tb_kv w = tb_k_int(k, a->lanes), first = tb_k_mul(k, tb_k_div(k, n, w), w), j;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), m, 1, NULL, 0);
    tb_num zero = {tb_la_const(a, 0), tb_la_const(a, 0)};

    j = tb_k_for(k, first, room, a->lanes, NULL, 0);
    tb_la_vstore(a, to, i, j, tb_la_splat(a, zero));
    tb_k_end_for(k, NULL, NULL);
    copy_row(a, to, from, i, n);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_la_copy_out(tb_la *a, tb_mat to, tb_mat from, tb_kv m, tb_kv n)
{
    tb_kv i = tb_k_for(a->k, tb_k_int(a->k, 0), m, 1, NULL, 0);

    copy_row(a, to, from, i, n);
    tb_k_end_for(a->k, NULL, NULL);
}

/* ---- the update ---- */

/* `rows` rows from i and `vecs` vectors from column j, held in registers. */
static void
subtract_block(tb_la *a, const tb_la_update *u, tb_kv i, int rows, tb_kv j, int vecs)
{
    tb_kernel *k = a->k;
    tb_num acc[MAX_ROWS * MAX_VECS], b[MAX_VECS];
    tb_kv at;

    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            acc[r * vecs + v] = tb_la_vload(a, u->c, tb_k_add(k, i, tb_k_int(k, r)),
                                            tb_k_add(k, j, tb_k_int(k, v * a->lanes)));
    at = tb_la_for(a, u->k0, u->k1, 1, acc, (uint32_t)(rows * vecs));
    for (int v = 0; v < vecs; v++)
        b[v] = tb_la_vload(a, u->b, at, tb_k_add(k, j, tb_k_int(k, v * a->lanes)));
    for (int r = 0; r < rows; r++) {
        tb_num x = tb_la_load(a, u->x, tb_k_add(k, i, tb_k_int(k, r)), at);

        x = tb_la_splat(a, x);
        if (u->conj)
            x = tb_la_conj(a, x);
        for (int v = 0; v < vecs; v++)
            acc[r * vecs + v] = tb_la_mulsub(a, acc[r * vecs + v], x, b[v]);
    }
    tb_la_end_for(a, acc, (uint32_t)(rows * vecs));
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            tb_la_vstore(a, u->c, tb_k_add(k, i, tb_k_int(k, r)),
                         tb_k_add(k, j, tb_k_int(k, v * a->lanes)), acc[r * vecs + v]);
}

static void
subtract_rows(tb_la *a, const tb_la_update *u, tb_kv i, int rows)
{
    tb_kernel *k = a->k;
    tb_kv j = tb_k_for(k, u->triangle ? i : u->j0, u->j1, a->lanes * a->vecs, NULL, 0);

    subtract_block(a, u, i, rows, j, a->vecs);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_la_subtract_row(tb_la *a, const tb_la_update *u, tb_kv i)
{
    subtract_rows(a, u, i, 1);
}

void
tb_la_subtract(tb_la *a, const tb_la_update *u)
{
    tb_kernel *k = a->k;
    tb_kv rows = tb_k_int(k, a->rows), n = tb_k_max(k, tb_k_sub(k, u->i1, u->i0),
                                                    tb_k_int(k, 0));
    tb_kv whole = tb_k_add(k, u->i0, tb_k_mul(k, tb_k_div(k, n, rows), rows)), i;

    i = tb_k_for(k, u->i0, whole, a->rows, NULL, 0);
    subtract_rows(a, u, i, a->rows);
    tb_k_end_for(k, NULL, NULL);
    i = tb_k_for(k, whole, u->i1, 1, NULL, 0);
    subtract_rows(a, u, i, 1);
    tb_k_end_for(k, NULL, NULL);
}

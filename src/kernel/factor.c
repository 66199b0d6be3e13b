/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * factor.c -- Cholesky and LU, a matrix at a time, in panels of rows or columns.
 */
#include "kernel/linalg.h"

static double
cube(double n)
{
    return n * n * n;
}

/* ---- Cholesky ---- */

/*
 * In rows of U = L^H, whose conjugates are the columns of L:
 *
 *   for panels of rows, for row k of the panel:
 *     row k -= conj(u[rows of the panel before k, k]) . those rows
 *     row k /= sqrt(u[k, k])
 *   all rows after the panel -= conj(u[panel, row]) . the panel's rows
 */
static void
cholesky_row(tb_la *a, tb_la_update *u, tb_kv row, tb_kv n)
{
    tb_kernel *k = a->k;
    tb_kv zero = tb_la_const(a, 0), d, ok, j, inverse, root;

    u->k1 = row;
    tb_la_subtract_row(a, u, row);
    d = tb_la_load(a, u->c, row, row).re;
    ok = tb_la_op(a, TB_P_lt, zero, d);
    root = tb_k_map(k, TB_P_sqrt, d, TB_NO_KV, TB_NO_KV);
    inverse = tb_la_op(a, TB_P_div, tb_la_const(a, 1), root);
    inverse = tb_k_map(k, TB_P_where, ok, inverse, zero);
    j = tb_k_for(k, row, n, a->lanes, NULL, 0);
    tb_la_vstore(a, u->c, row, j, tb_la_scale(a, tb_la_vload(a, u->c, row, j), inverse));
    tb_k_end_for(k, NULL, NULL);
    d = tb_k_map(k, TB_P_where, ok, root, d);
    tb_la_store(a, u->c, row, row, (tb_num){d, zero});
}

void
tb_lower_cholesky(tb_lower *l)
{
    tb_val root = l->group->root, x = tb_in(l->g, root, 0);
    int rank = tb_rank(l->g, root);
    tb_dim n_dim = tb_dims(l->g, root)[rank - 1];
    tb_la la, *a = &la;
    tb_la_update u = {.conj = true, .triangle = true};
    tb_kv n, zero, p, end, row, i, j;
    tb_mat from, to;
    tb_kernel *k;

    tb_lower_begin(l, "cholesky");
    k = l->k;
    tb_la_begin(a, l, 50 + 0.02 * cube((double)tb_dim_hint(l->u, n_dim)), 1, NULL);
    zero = tb_k_int(k, 0);
    n = tb_k_dim(k, l->u, n_dim);
    u.c = u.b = tb_la_buffer(a, 0, n_dim, n_dim);
    u.x = tb_la_transposed(u.c);
    from = tb_la_at(a, x, false);
    to = tb_la_at(a, root, true);
    i = tb_k_for(k, zero, n, 1, NULL, 0);
    j = tb_k_for(k, zero, tb_k_add(k, i, tb_k_int(k, 1)), 1, NULL, 0);
    tb_la_store(a, u.c, j, i, tb_la_conj(a, tb_la_load(a, from, i, j)));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);

    u.j1 = n;
    p = tb_k_for(k, zero, n, TB_LA_BLOCK, NULL, 0);
    end = tb_k_min(k, tb_k_add(k, p, tb_k_int(k, TB_LA_BLOCK)), n);
    u.k0 = p;
    row = tb_k_for(k, p, end, 1, NULL, 0);
    cholesky_row(a, &u, row, n);
    tb_k_end_for(k, NULL, NULL);
    u.i0 = u.k1 = end;
    u.i1 = n;
    tb_la_subtract(a, &u);
    tb_k_end_for(k, NULL, NULL);

    i = tb_k_for(k, zero, n, 1, NULL, 0);
    j = tb_k_for(k, zero, tb_k_add(k, i, tb_k_int(k, 1)), 1, NULL, 0);
    tb_la_store(a, to, i, j, tb_la_conj(a, tb_la_load(a, u.c, j, i)));
    tb_k_end_for(k, NULL, NULL);
    j = tb_k_for(k, tb_k_add(k, i, tb_k_int(k, 1)), n, 1, NULL, 0);
    tb_la_store(a, to, i, j, (tb_num){tb_la_const(a, 0), tb_la_const(a, 0)});
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_rows_close(l);
    tb_lower_end(l);
}

/* ---- LU ---- */

/*
 *   for panels of as many columns as a vector has lanes:
 *     for column k of the panel: find the pivot, exchange rows, eliminate column k within
 *     the panel: one vector for each row
 *     the panel's rows, right of it: solve with the panel's triangle
 *     all rows below, right of it: -= their part of the panel . the panel's rows
 */
typedef struct lu {
    tb_la *a;
    tb_mat x;     /* [m, n] and room for the exchanges */
    tb_kv m, n;
    tb_mat swaps; /* [m, 1], in the result */
} lu;

static tb_kv
size_of(tb_la *a, tb_num x)
{
    tb_kv s = tb_k_map(a->k, TB_P_abs, x.re, TB_NO_KV, TB_NO_KV);

    if (a->pairs)
        s = tb_la_op(a, TB_P_add, s,
                     tb_k_map(a->k, TB_P_abs, x.im, TB_NO_KV, TB_NO_KV));
    return s;
}

/* The first row at or below c whose element in column c is largest. */
static tb_kv
pivot_row(const lu *s, tb_kv c)
{
    tb_la *a = s->a;
    tb_kernel *k = a->k;
    tb_kv best[2] = {size_of(a, tb_la_load(a, s->x, c, c)), c}, i, v, more;

    i = tb_k_for(k, tb_k_add(k, c, tb_k_int(k, 1)), s->m, 1, best, 2);
    v = size_of(a, tb_la_load(a, s->x, i, c));
    more = tb_la_op(a, TB_P_lt, tb_k_carried(k, 0), v);
    best[0] = tb_k_map(k, TB_P_where, more, v, tb_k_carried(k, 0));
    best[1] = tb_k_map(k, TB_P_where, more, i, tb_k_carried(k, 1));
    tb_k_end_for(k, best, best);
    return best[1];
}

static void
exchange_rows(const lu *s, tb_kv p, tb_kv q)
{
    tb_la *a = s->a;
    tb_kernel *k = a->k;
    tb_kv j;
    tb_num u, v;

    tb_k_if(k, tb_la_op(a, TB_P_ne, p, q));
    j = tb_k_for(k, tb_k_int(k, 0), s->n, a->lanes, NULL, 0);
    u = tb_la_vload(a, s->x, p, j);
    v = tb_la_vload(a, s->x, q, j);
    tb_la_vstore(a, s->x, p, j, v);
    tb_la_vstore(a, s->x, q, j, u);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_if(k);
}

/* Eliminates column c below its pivot, in the panel that begins at column p. */
static void
eliminate(const lu *s, tb_kv p, tb_kv c)
{
    tb_la *a = s->a;
    tb_kernel *k = a->k;
    tb_kv ids, own, i, zero = tb_la_const(a, 0), some;
    tb_num d = tb_la_load(a, s->x, c, c), top, f, v;

    some = tb_la_op(a, TB_P_ne, d.re, zero);
    if (a->pairs)
        some = tb_la_op(a, TB_P_or, some, tb_la_op(a, TB_P_ne, d.im, zero));
    tb_k_if(k, some);
    top = tb_la_vload(a, s->x, c, p);
    own = tb_k_sub(k, c, p);
    i = tb_k_for(k, tb_k_add(k, c, tb_k_int(k, 1)), s->m, 1, NULL, 0);
    f = tb_la_div(a, tb_la_load(a, s->x, i, c), d);
    if (a->lanes == 1) {
        tb_la_store(a, s->x, i, c, f);
    } else {
        ids = tb_k_lane_ids(k, TB_I64, a->lanes);
        own = tb_k_splat(k, own, a->lanes);
        f = tb_la_splat(a, f);
        v = tb_la_vload(a, s->x, i, p);
        v = tb_la_where(a, tb_la_op(a, TB_P_lt, own, ids), tb_la_mulsub(a, v, f, top), v);
        v = tb_la_where(a, tb_la_op(a, TB_P_eq, own, ids), f, v);
        tb_la_vstore(a, s->x, i, p, v);
    }
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_if(k);
}

void
tb_lower_lu(tb_lower *l)
{
    tb_val root = l->group->root, x = tb_in(l->g, root, 0);
    int rank = tb_rank(l->g, root);
    tb_dim m_dim = tb_dims(l->g, x)[rank - 2], n_dim = tb_dims(l->g, x)[rank - 1];
    double m_hint = (double)tb_dim_hint(l->u, m_dim), n_hint = (double)tb_dim_hint(l->u, n_dim);
    bool pivots = tb_attrs(l->g, root)[0] != 0;
    tb_la la, *a = &la;
    tb_kv zero, steps, p, end, c, q, i, from_column;
    tb_la_update u = {0};
    tb_mat to;
    lu s = {.a = a};
    tb_kernel *k;

    tb_lower_begin(l, "lu");
    k = l->k;
    tb_la_begin(a, l, 50 + 20 * m_hint + 0.04 * m_hint * n_hint * n_hint, 1, NULL);
    zero = tb_k_int(k, 0);
    s.m = tb_k_dim(k, l->u, m_dim);
    s.n = tb_k_dim(k, l->u, n_dim);
    s.x = tb_la_buffer(a, 0, m_dim, n_dim);
    tb_la_copy_in(a, s.x, tb_la_at(a, x, false), s.m, s.n, s.x.row);
    to = tb_la_at(a, root, true);
    s.swaps = tb_la_from(a, to, zero, s.n);
    i = tb_k_for(k, zero, s.m, 1, NULL, 0);
    tb_la_store(a, s.swaps, i, zero, (tb_num){tb_k_cast(k, i, a->t), tb_la_const(a, 0)});
    tb_k_end_for(k, NULL, NULL);

    steps = tb_k_min(k, s.m, s.n);
    p = tb_k_for(k, zero, steps, a->lanes, NULL, 0);
    from_column = tb_k_add(k, p, tb_k_int(k, a->lanes));
    end = tb_k_min(k, from_column, steps);
    c = tb_k_for(k, p, end, 1, NULL, 0);
    if (pivots) {
        q = pivot_row(&s, c);
        tb_la_store(a, s.swaps, c, zero,
                    (tb_num){tb_k_cast(k, q, a->t), tb_la_const(a, 0)});
        exchange_rows(&s, c, q);
    }
    eliminate(&s, p, c);
    tb_k_end_for(k, NULL, NULL);
    u.c = u.x = u.b = s.x;
    u.j0 = from_column;
    u.j1 = s.n;
    u.k0 = p;
    c = tb_k_for(k, tb_k_add(k, p, tb_k_int(k, 1)), end, 1, NULL, 0);
    u.k1 = c;
    tb_la_subtract_row(a, &u, c);
    tb_k_end_for(k, NULL, NULL);
    u.i0 = u.k1 = end;
    u.i1 = s.m;
    tb_la_subtract(a, &u);
    tb_k_end_for(k, NULL, NULL);

    tb_la_copy_out(a, to, s.x, s.m, s.n);
    tb_rows_close(l);
    tb_lower_end(l);
}

/* ---- the order that exchanges make ---- */

void
tb_lower_exchange(tb_lower *l)
{
    tb_val root = l->group->root, swaps = tb_in(l->g, root, 0);
    int rank = tb_rank(l->g, root);
    tb_dim n_dim = tb_dims(l->g, root)[rank - 1], k_dim = tb_dims(l->g, swaps)[rank - 1];
    tb_kv row, n, steps, i, j, from, to, ok, u, v, zero;
    tb_kernel *k;

    tb_lower_begin(l, "exchange");
    k = l->k;
    row = tb_items_open(l, tb_la_items(l, 1), 5 + 4 * (double)tb_dim_hint(l->u, n_dim));
    zero = tb_k_int(k, 0);
    n = tb_k_dim(k, l->u, n_dim);
    steps = tb_k_dim(k, l->u, k_dim);
    TB_CHECK(tb_storage(l->gs, swaps).id);
    from = tb_k_ptr_add(k, tb_bind_node(l, tb_storage(l->gs, swaps), false),
                        tb_k_mul(k, row, steps), 8);
    to = tb_k_ptr_add(k, tb_bind_node(l, root, true), tb_k_mul(k, row, n), 8);
    i = tb_k_for(k, zero, n, 1, NULL, 0);
    tb_k_store(k, TB_I64, to, i, 0, i, TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
    i = tb_k_for(k, zero, tb_k_min(k, steps, n), 1, NULL, 0);
    j = tb_k_load(k, TB_I64, 1, from, i, 0, TB_NO_KV);
    ok = tb_k_map(k, TB_P_and, tb_k_map(k, TB_P_le, zero, j, TB_NO_KV), tb_k_lt(k, j, n),
                  TB_NO_KV);
    tb_k_fail_if(k, tb_k_map(k, TB_P_not, ok, TB_NO_KV, TB_NO_KV),
                 TB_KERNEL_INDEX_OUT_OF_RANGE);
    tb_k_if(k, ok);
    u = tb_k_load(k, TB_I64, 1, to, i, 0, TB_NO_KV);
    v = tb_k_load(k, TB_I64, 1, to, j, 0, TB_NO_KV);
    tb_k_store(k, TB_I64, to, i, 0, v, TB_NO_KV);
    tb_k_store(k, TB_I64, to, j, 0, u, TB_NO_KV);
    tb_k_end_if(k);
    tb_k_end_for(k, NULL, NULL);
    tb_rows_close(l);
    tb_lower_end(l);
}

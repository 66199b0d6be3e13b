/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * reflect.c -- QR by Householder reflections, a matrix at a time.
 *
 *   for column k: v, tau and beta of x[k.., k]; for vectors of columns right of it:
 *     w = conj(tau) * conj(v) . x[k.., columns]; x[k.., columns] -= v w
 */
#include "kernel/linalg.h"

/* Sum of squares of column c below row c, in f64: no square of an f32 overflows there. */
static tb_kv
squares_below(tb_la *a, tb_mat x, tb_kv c, tb_kv m)
{
    tb_kernel *k = a->k;
    tb_kv sum = tb_k_const(k, TB_F64, 0), i, v;
    tb_num e;

    i = tb_k_for(k, tb_k_add(k, c, tb_k_int(k, 1)), m, 1, &sum, 1);
    sum = tb_k_carried(k, 0);
    e = tb_la_load(a, x, i, c);
    v = tb_k_cast(k, e.re, TB_F64);
    sum = tb_k_fma(k, v, v, sum);
    if (a->pairs) {
        v = tb_k_cast(k, e.im, TB_F64);
        sum = tb_k_fma(k, v, v, sum);
    }
    tb_k_end_for(k, &sum, &sum);
    return sum;
}

tb_reflector
tb_la_reflector(tb_la *a, tb_num alpha, tb_kv below)
{
    tb_kernel *k = a->k;
    tb_dtype wide = (tb_dtype)tb_k_inst(k, below)->dtype;
    tb_num none = tb_la_real(a, tb_la_const(a, 0)), one = tb_la_real(a, tb_la_const(a, 1));
    tb_num rest = alpha;
    tb_kv flat, beta, s;
    tb_reflector r;

    flat = tb_la_op(a, TB_P_eq, below, tb_k_const(k, wide, 0));
    s = tb_k_cast(k, alpha.re, wide);
    s = tb_k_fma(k, s, s, below);
    if (a->pairs) {
        tb_kv im = tb_k_cast(k, alpha.im, wide);

        flat = tb_la_op(a, TB_P_and, flat, tb_la_op(a, TB_P_eq, alpha.im, none.re));
        s = tb_k_fma(k, im, im, s);
    }
    s = tb_k_cast(k, tb_k_map(k, TB_P_sqrt, s, TB_NO_KV, TB_NO_KV), a->t);
    beta = tb_k_map(k, TB_P_neg, tb_la_op(a, TB_P_copysign, s, alpha.re), TB_NO_KV, TB_NO_KV);
    r.tau.re = tb_la_op(a, TB_P_div, tb_la_op(a, TB_P_sub, beta, alpha.re), beta);
    if (a->pairs)
        r.tau.im = tb_k_map(k, TB_P_neg, tb_la_op(a, TB_P_div, alpha.im, beta), TB_NO_KV,
                            TB_NO_KV);
    rest.re = tb_la_op(a, TB_P_sub, alpha.re, beta);
    r.scale = tb_la_where(a, flat, one, tb_la_div(a, one, rest));
    r.tau = tb_la_where(a, flat, none, r.tau);
    r.beta = tb_la_where(a, flat, alpha, tb_la_real(a, beta));
    return r;
}

tb_reflector
tb_la_reflect(tb_la *a, tb_mat x, tb_kv c, tb_kv m)
{
    tb_num alpha = tb_la_load(a, x, c, c); /* first: the order of instructions is ours, not C's */

    return tb_la_reflector(a, alpha, squares_below(a, x, c, m));
}

void
tb_la_reflect_rows(tb_la *a, tb_mat x, tb_kv c, tb_kv m, tb_kv n, tb_num tau)
{
    int vecs = a->vecs * (a->pairs ? 1 : 2);
    tb_kernel *k = a->k;
    tb_kv next = tb_k_add(k, c, tb_k_int(k, 1)), j, i, at[4];
    tb_num w[4], v;

    tau = tb_la_splat(a, tb_la_conj(a, tau));
    j = tb_k_for(k, next, n, a->lanes * vecs, NULL, 0);
    for (int q = 0; q < vecs; q++) {
        at[q] = tb_k_add(k, j, tb_k_int(k, q * a->lanes));
        w[q] = tb_la_vload(a, x, c, at[q]);
    }
    i = tb_la_for(a, next, m, 1, w, (uint32_t)vecs);
    v = tb_la_splat(a, tb_la_conj(a, tb_la_load(a, x, i, c)));
    for (int q = 0; q < vecs; q++)
        w[q] = tb_la_muladd(a, w[q], v, tb_la_vload(a, x, i, at[q]));
    tb_la_end_for(a, w, (uint32_t)vecs);
    for (int q = 0; q < vecs; q++) {
        w[q] = tb_la_mul(a, w[q], tau);
        tb_la_vstore(a, x, c, at[q], tb_la_sub(a, tb_la_vload(a, x, c, at[q]), w[q]));
    }
    i = tb_k_for(k, next, m, 1, NULL, 0);
    v = tb_la_splat(a, tb_la_load(a, x, i, c));
    for (int q = 0; q < vecs; q++)
        tb_la_vstore(a, x, i, at[q], tb_la_mulsub(a, tb_la_vload(a, x, i, at[q]), v, w[q]));
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

void
tb_lower_qr(tb_lower *l)
{
    tb_val root = l->group->root, in = tb_in(l->g, root, 0);
    int rank = tb_rank(l->g, root);
    tb_dim m_dim = tb_dims(l->g, in)[rank - 2], n_dim = tb_dims(l->g, in)[rank - 1];
    double m_hint = (double)tb_dim_hint(l->u, m_dim), n_hint = (double)tb_dim_hint(l->u, n_dim);
    tb_la la, *a = &la;
    tb_kv zero, m, n, steps, c, i, j;
    tb_num none;
    tb_mat x, to;
    tb_kernel *k;
    tb_reflector r;

    tb_lower_begin(l, "qr");
    k = l->k;
    tb_la_begin(a, l, 50 + 30 * n_hint + 0.1 * m_hint * n_hint * n_hint, 1, NULL);
    zero = tb_k_int(k, 0);
    m = tb_k_dim(k, l->u, m_dim);
    n = tb_k_dim(k, l->u, n_dim);
    none = (tb_num){tb_la_const(a, 0), tb_la_const(a, 0)};
    x = tb_la_buffer(a, 0, m_dim, n_dim);
    to = tb_la_at(a, root, true);
    tb_la_copy_in(a, x, tb_la_at(a, in, false), m, n, x.row);
    j = tb_k_for(k, zero, n, 1, NULL, 0);
    tb_la_store(a, to, m, j, none);
    tb_k_end_for(k, NULL, NULL);

    steps = tb_k_min(k, m, n);
    c = tb_k_for(k, zero, steps, 1, NULL, 0);
    r = tb_la_reflect(a, x, c, m);
    tb_la_store(a, to, m, c, r.tau);
    i = tb_k_for(k, tb_k_add(k, c, tb_k_int(k, 1)), m, 1, NULL, 0);
    tb_la_store(a, x, i, c, tb_la_mul(a, tb_la_load(a, x, i, c), r.scale));
    tb_k_end_for(k, NULL, NULL);
    tb_la_reflect_rows(a, x, c, m, n, r.tau);
    tb_la_store(a, x, c, c, r.beta);
    tb_k_end_for(k, NULL, NULL);

    tb_la_copy_out(a, to, x, m, n);
    tb_rows_close(l);
    tb_lower_end(l);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * jacobi.c -- rotates rows until they are orthogonal (one-sided Jacobi), a matrix at a time.
 *
 *   up to 40 times, while the sweep before has rotated anything:
 *     for rows p < q: a = |p|^2, b = |q|^2, g = p . q over the first n entries;
 *       if |g| > eps sqrt(n a b): rotate p and q so that g becomes 0
 *
 * A row lies as two runs, each padded with zeros: the first n entries and the others, so
 * that sums over the first take whole vectors.
 */
#include <float.h>

#include "kernel/linalg.h"

enum { SWEEPS = 40 };

typedef struct rotation {
    tb_la *a;
    tb_mat x;
    tb_kv n, length; /* of the first run and of all, padding included */
    tb_kv eps;
    tb_kv again; /* I64 in memory: how many rotations in this sweep */
} rotation;

/* u = cos u - sin v, v = sin u + cos v, with half = tan of half the angle: what is added is
 * small where the angle is, so that lengths do not drift over thousands of rotations
 * (Rutishauser, 1966). */
static void
rotate(tb_kernel *k, tb_kv sine, tb_kv half, tb_kv *u, tb_kv *v)
{
    tb_kv minus_sine = tb_k_map(k, TB_P_neg, sine, TB_NO_KV, TB_NO_KV);
    tb_kv minus_half = tb_k_map(k, TB_P_neg, half, TB_NO_KV, TB_NO_KV);
    tb_kv x = tb_k_fma(k, half, *u, *v), y = tb_k_fma(k, minus_half, *v, *u);

    *u = tb_k_fma(k, minus_sine, x, *u);
    *v = tb_k_fma(k, sine, y, *v);
}

/* The rotation that makes p and q orthogonal: of p and phase q. */
static void
turn(const rotation *r, tb_kv p, tb_kv q, tb_kv norm_p, tb_kv norm_q, tb_num dot, tb_kv size)
{
    tb_la *a = r->a;
    tb_kernel *k = a->k;
    tb_kv zeta, t, c, j, one = tb_la_const(a, 1), count, sine, half;
    tb_num u, v, phase = dot;

    zeta = tb_la_op(a, TB_P_div, tb_la_op(a, TB_P_sub, norm_q, norm_p),
                    tb_la_op(a, TB_P_mul, tb_la_const(a, 2), size));
    t = tb_k_map(k, TB_P_sqrt, tb_k_fma(k, zeta, zeta, one), TB_NO_KV, TB_NO_KV);
    t = tb_la_op(a, TB_P_add, tb_k_map(k, TB_P_abs, zeta, TB_NO_KV, TB_NO_KV), t);
    t = tb_la_op(a, TB_P_div, tb_la_op(a, TB_P_copysign, one, zeta), t);
    c = tb_k_map(k, TB_P_sqrt, tb_k_fma(k, t, t, one), TB_NO_KV, TB_NO_KV);
    sine = tb_la_op(a, TB_P_div, t, c);
    half = tb_la_op(a, TB_P_div, t, tb_la_op(a, TB_P_add, one, c));
    phase.re = tb_la_op(a, TB_P_div, dot.re, size);
    if (a->pairs)
        phase.im = tb_la_op(a, TB_P_div, dot.im, size);
    phase = tb_la_splat(a, phase);
    sine = tb_k_splat(k, sine, a->lanes);
    half = tb_k_splat(k, half, a->lanes);
    j = tb_k_for(k, tb_k_int(k, 0), r->length, a->lanes, NULL, 0);
    u = tb_la_vload(a, r->x, p, j);
    v = tb_la_mul(a, tb_la_vload(a, r->x, q, j), phase);
    rotate(k, sine, half, &u.re, &v.re);
    if (a->pairs)
        rotate(k, sine, half, &u.im, &v.im);
    tb_la_vstore(a, r->x, p, j, u);
    tb_la_vstore(a, r->x, q, j, v);
    tb_k_end_for(k, NULL, NULL);
    count = tb_k_load(k, TB_I64, 1, r->again, TB_NO_KV, 0, TB_NO_KV);
    tb_k_store(k, TB_I64, r->again, TB_NO_KV, 0, tb_k_add(k, count, tb_k_int(k, 1)),
               TB_NO_KV);
}

static tb_kv
squares(tb_la *a, tb_kv sum, tb_num v)
{
    sum = tb_k_fma(a->k, v.re, v.re, sum);
    return a->pairs ? tb_k_fma(a->k, v.im, v.im, sum) : sum;
}

static void
look_at(const rotation *r, tb_kv p, tb_kv q)
{
    tb_la *a = r->a;
    tb_kernel *k = a->k;
    tb_kv sums[4], j, size, least;
    uint32_t n = a->pairs ? 4 : 3;
    tb_num u, v, dot;

    for (uint32_t i = 0; i < 4; i++)
        sums[i] = tb_k_splat(k, tb_la_const(a, 0), a->lanes);
    j = tb_k_for(k, tb_k_int(k, 0), r->n, a->lanes, sums, n);
    for (uint32_t i = 0; i < n; i++)
        sums[i] = tb_k_carried(k, i);
    u = tb_la_vload(a, r->x, p, j);
    v = tb_la_vload(a, r->x, q, j);
    dot = tb_la_muladd(a, (tb_num){sums[2], sums[3]}, u, tb_la_conj(a, v));
    sums[0] = squares(a, sums[0], u);
    sums[1] = squares(a, sums[1], v);
    sums[2] = dot.re;
    sums[3] = dot.im;
    tb_k_end_for(k, sums, sums);
    for (uint32_t i = 0; i < n && a->lanes > 1; i++)
        sums[i] = tb_k_hreduce(k, TB_P_add, sums[i]);
    size = tb_k_map(k, TB_P_abs, sums[2], TB_NO_KV, TB_NO_KV);
    if (a->pairs)
        size = tb_k_map(k, TB_P_sqrt,
                        tb_k_fma(k, sums[2], sums[2], tb_la_op(a, TB_P_mul, sums[3], sums[3])),
                        TB_NO_KV, TB_NO_KV);
    least = tb_la_op(a, TB_P_mul, tb_k_map(k, TB_P_sqrt, sums[0], TB_NO_KV, TB_NO_KV),
                     tb_k_map(k, TB_P_sqrt, sums[1], TB_NO_KV, TB_NO_KV));
    least = tb_la_op(a, TB_P_mul, r->eps, least);
    tb_k_if(k, tb_la_op(a, TB_P_lt, least, size));
    turn(r, p, q, sums[0], sums[1], (tb_num){sums[2], sums[3]}, size);
    tb_k_end_if(k);
}

void
tb_lower_jacobi(tb_lower *l)
{
    tb_val root = l->group->root, in = tb_in(l->g, root, 0);
    int rank = tb_rank(l->g, root);
    const tb_dim *dims = tb_dims(l->g, root);
    tb_dim m_dim = dims[rank - 2], n_dim = tb_attrs(l->g, root)[0], room;
    tb_dim rest_dim = tb_dim_sub(l->u, dims[rank - 1], n_dim);
    double m_hint = (double)tb_dim_hint(l->u, m_dim);
    double n_hint = (double)tb_dim_hint(l->u, dims[rank - 1]);
    tb_la la, *a = &la;
    tb_kv zero, m, n, rest, split, p, q, width;
    tb_mat from, to, tail;
    rotation r = {.a = a};
    tb_kernel *k;

    tb_lower_begin(l, "jacobi");
    k = l->k;
    tb_la_begin(a, l, 100 + 4 * m_hint * m_hint * (20 + 0.3 * n_hint), 1, NULL);
    zero = tb_k_int(k, 0);
    m = tb_k_dim(k, l->u, m_dim);
    n = tb_k_dim(k, l->u, n_dim);
    rest = tb_k_dim(k, l->u, rest_dim);
    room = tb_dim_mul(l->u, tb_dim_ceildiv(l->u, n_dim, TB_LA_ALIGN), TB_LA_ALIGN);
    width = split = tb_k_dim(k, l->u, room);
    r.x = tb_la_buffer(a, 0, m_dim, tb_dim_add(l->u, room, rest_dim));
    r.n = split;
    r.length = tb_k_add(k, width, rest);
    r.again = tb_k_scratch(k, 8);
    r.eps = tb_k_map(k, TB_P_sqrt, tb_k_cast(k, n, a->t), TB_NO_KV, TB_NO_KV);
    r.eps = tb_la_op(a, TB_P_mul, r.eps,
                     tb_la_const(a, a->t == TB_F32 ? (double)FLT_EPSILON : DBL_EPSILON));
    from = tb_la_at(a, in, false);
    to = tb_la_at(a, root, true);
    tail = tb_la_from(a, r.x, zero, split);
    tb_la_copy_in(a, r.x, from, m, n, split);
    tb_la_copy_in(a, tail, tb_la_from(a, from, zero, n), m, rest,
                  tb_k_sub(k, r.x.row, split));

    tb_k_store(k, TB_I64, r.again, TB_NO_KV, 0, tb_k_int(k, 1), TB_NO_KV);
    tb_k_for(k, zero, tb_k_int(k, SWEEPS), 1, NULL, 0);
    tb_k_if(k, tb_k_lt(k, zero, tb_k_load(k, TB_I64, 1, r.again, TB_NO_KV, 0, TB_NO_KV)));
    tb_k_store(k, TB_I64, r.again, TB_NO_KV, 0, zero, TB_NO_KV);
    p = tb_k_for(k, zero, m, 1, NULL, 0);
    q = tb_k_for(k, tb_k_add(k, p, tb_k_int(k, 1)), m, 1, NULL, 0);
    look_at(&r, p, q);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_if(k);
    tb_k_end_for(k, NULL, NULL);

    tb_la_copy_out(a, to, r.x, m, n);
    tb_la_copy_out(a, tb_la_from(a, to, zero, n), tail, m, rest);
    tb_rows_close(l);
    tb_lower_end(l);
}

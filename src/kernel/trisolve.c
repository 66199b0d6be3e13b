/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * trisolve.c -- triangular systems: T X = B, columns of B in tiles.
 *
 *   for blocks of rows
 *     row k -= t[k, rows of the block before it] . those rows; row k /= t[k, k]
 *     all rows after the block -= t[.., block] . the block's rows
 *
 * That is for a lower T. An upper one is a lower one seen from its last element, with the
 * rows of B from the last one; a transposed one is read along its columns.
 */
#include "kernel/linalg.h"

enum { COLUMNS = 64 }; /* of a tile */

void
tb_lower_tri_solve(tb_lower *l)
{
    tb_val root = l->group->root, t = tb_in(l->g, root, 0), b = tb_in(l->g, root, 1);
    const int64_t *attr = tb_attrs(l->g, root); /* upper, transpose, conj, unit, pairs */
    int rank = tb_rank(l->g, root);
    tb_dim n_dim = tb_dims(l->g, root)[rank - 2], r_dim = tb_dims(l->g, root)[rank - 1];
    tb_dim parts = tb_dim_ceildiv(l->u, r_dim, COLUMNS), width;
    tb_la la, *a = &la;
    tb_la_update u = {.conj = attr[2] != 0};
    tb_kv part, zero, n, r, first, p, end, k_row;
    tb_mat x, from, to;
    tb_kernel *k;
    double ns;

    tb_lower_begin(l, "tri_solve");
    k = l->k;
    ns = (double)tb_dim_hint(l->u, n_dim);
    width = tb_dim_is_const(r_dim) && r_dim < COLUMNS ? r_dim : COLUMNS;
    ns = ns * ns * (double)width * (attr[4] ? 0.1 : 0.03) + 30 + 10 * ns;
    tb_la_begin(a, l, ns, parts, &part);
    zero = tb_k_int(k, 0);
    n = tb_k_dim(k, l->u, n_dim);
    first = tb_k_mul(k, part, tb_k_int(k, COLUMNS));
    r = tb_k_min(k, tb_k_sub(k, tb_k_dim(k, l->u, r_dim), first), tb_k_int(k, COLUMNS));
    x = tb_la_buffer(a, 0, n_dim, width);
    from = tb_la_from(a, tb_la_at(a, b, false), zero, first);
    to = tb_la_from(a, tb_la_at(a, root, true), zero, first);
    tb_la_copy_in(a, x, from, n, r, x.row);

    u.c = u.b = x;
    u.x = tb_la_at(a, t, false);
    if (attr[1])
        u.x = tb_la_transposed(u.x);
    if ((attr[0] != 0) != (attr[1] != 0)) {
        u.x = tb_la_backwards(a, u.x, n, n);
        u.c = u.b = tb_la_rows_backwards(a, x, n);
    }
    u.j0 = zero;
    u.j1 = r;
    p = tb_k_for(k, zero, n, TB_LA_BLOCK, NULL, 0);
    end = tb_k_min(k, tb_k_add(k, p, tb_k_int(k, TB_LA_BLOCK)), n);
    k_row = tb_k_for(k, p, end, 1, NULL, 0);
    u.k0 = p;
    u.k1 = k_row;
    tb_la_subtract_row(a, &u, k_row);
    if (!attr[3]) {
        tb_num d = tb_la_load(a, u.x, k_row, k_row), v;
        tb_kv j;

        d = tb_la_splat(a, u.conj ? tb_la_conj(a, d) : d);
        j = tb_k_for(k, zero, r, a->lanes, NULL, 0);
        v = tb_la_vload(a, u.c, k_row, j);
        tb_la_vstore(a, u.c, k_row, j, tb_la_div(a, v, d));
        tb_k_end_for(k, NULL, NULL);
    }
    tb_k_end_for(k, NULL, NULL);
    u.i0 = u.k1 = end;
    u.i1 = n;
    tb_la_subtract(a, &u);
    tb_k_end_for(k, NULL, NULL);

    tb_la_copy_out(a, to, x, n, r);
    tb_rows_close(l);
    tb_lower_end(l);
}

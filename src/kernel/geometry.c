/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * geometry.c -- what a product multiplies: its variables, and the addresses of both operands
 * and of the result in terms of them.
 *
 * A matrix product and a channels-last convolution differ only here. A's row m has an
 * address (for a convolution: of the pixel's first input), and r moves from there in `runs`
 * of constant stride (a convolution has one run per kernel row).
 */
#include "kernel/contract.h"

#include <stdlib.h>

enum { TURNED_LEAST = 16 }; /* rows for which turned stores pay */

void
tb_bind_batches(tb_lower *l, const uint32_t *vars, uint32_t n, tb_kv flat)
{
    for (uint32_t i = n; i-- > 0;) {
        tb_kv e = tb_k_dim(l->k, l->u, l->ix.vars.at[vars[i]].extent);
        tb_bind_var(l, vars[i], i ? tb_k_mod(l->k, flat, e) : flat, 0);
        flat = i ? tb_k_div(l->k, flat, e) : flat;
    }
}

static tb_ix
address_in(tb_lower *l, tb_ixspace *ix, tb_val v, const tb_ix *idx, tb_val *stored)
{
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};
    memcpy(at, idx, sizeof(tb_ix) * (size_t)tb_rank(l->g, v));
    while (!tb_storage(l->gs, v).id) {
        tb_ix_through(ix, l->g, v, at, next);
        memcpy(at, next, sizeof at);
        v = tb_in(l->g, v, 0);
    }
    *stored = tb_storage(l->gs, v);
    return tb_ix_flat(ix, at, tb_rank(l->g, v), tb_dims(l->g, v));
}

tb_ix
tb_operand_address(tb_lower *l, tb_val v, const tb_ix *idx, tb_val *stored)
{
    return address_in(l, &l->ix, v, idx, stored);
}

tb_kv
tb_contract_dim(tb_contract *c, tb_dim d)
{
    return tb_k_dim(c->l->k, c->l->u, d);
}

tb_kv
tb_contract_columns(tb_contract *c, tb_kv n0)
{
    tb_kernel *k = c->k;
    return tb_k_min(k, tb_k_sub(k, tb_contract_dim(c, c->N), n0), tb_k_int(k, c->panel));
}

tb_dim
tb_operand_step(tb_lower *l, const tb_ix *a, uint32_t var)
{
    tb_dim coef;
    if (!tb_ix_linear(&l->ix, a, var, &coef))
        tb_raise(l->u->cx, l->group->loc, TB_INTERNAL, "an operand is not linear");
    return coef;
}

tb_ix
tb_ix_without(const tb_ix *a, uint32_t var)
{
    tb_ix r = {.c = a->c};
    for (uint32_t i = 0; i < a->n; i++)
        if (a->t[i].var != var)
            r.t[r.n++] = a->t[i];
    return r;
}

void
tb_dot_geometry(tb_contract *c)
{
    tb_lower *l = c->l;
    int rank = tb_rank(c->g, c->anchor);
    const tb_dim *xd = tb_dims(c->g, c->a), *yd = tb_dims(c->g, c->b);
    tb_ix idx[TB_MAX_RANK + 1] = {{0}};

    c->batches = 1;
    for (int i = 0; i < rank - 2; i++) {
        c->batch[c->n_batch] = tb_ix_loop(&l->ix, xd[i]);
        idx[i] = tb_ix_var(c->batch[c->n_batch++]);
        c->batches = tb_dim_mul(l->u, c->batches, xd[i]);
    }
    c->M = xd[rank - 2];
    c->R = c->run = xd[rank - 1];
    c->N = yd[rank - 1];
    c->m = tb_ix_loop(&l->ix, c->M);
    c->n = tb_ix_loop(&l->ix, c->N);
    c->r = tb_ix_loop(&l->ix, c->R);
    idx[rank - 2] = tb_ix_var(c->m);
    idx[rank - 1] = tb_ix_var(c->r);
    c->a_row = tb_operand_address(l, c->a, idx, &c->a_store);
    c->a_step = tb_operand_step(l, &c->a_row, c->r);
    c->a_row = tb_ix_without(&c->a_row, c->r);
    c->n_runs = 1;
    idx[rank - 2] = tb_ix_var(c->r);
    idx[rank - 1] = tb_ix_var(c->n);
    c->b_flat = tb_operand_address(l, c->b, idx, &c->b_store);
    c->b_row = tb_ix_var(c->r);
}

/* The axes of w [O, spatial, C] but the first, from those that are far apart in memory to those
 * that are near; as they are where that cannot be told. */
static void
by_distance(tb_contract *c, int *order)
{
    tb_ixspace ix = {.u = c->l->u};
    tb_ix idx[TB_MAX_RANK + 1] = {{0}};
    const tb_dim *wd = tb_dims(c->g, c->b);
    int rank = tb_rank(c->g, c->b);
    tb_dim step[TB_MAX_RANK];
    bool known = true;
    tb_val store;

    for (int i = 0; i < rank; i++)
        idx[i] = tb_ix_var(tb_ix_loop(&ix, wd[i]));
    tb_ix flat = address_in(c->l, &ix, c->b, idx, &store);
    for (int i = 1; i < rank; i++) {
        known = known && tb_ix_linear(&ix, &flat, (uint32_t)i, &step[i]) &&
                tb_dim_is_const(step[i]);
        order[i] = i;
        for (int j = i; known && j > 1; j--) {
            int a = order[j - 1], b = order[j];
            if (llabs(step[a]) >= llabs(step[b]))
                break;
            order[j - 1] = b;
            order[j] = a;
        }
    }
    for (int i = 1; i < rank && !known; i++)
        order[i] = i;
}

/* Weights: r counts elements of a column as they follow each other in memory; which row of B each
 * of them is, is another matter. */
static void
weight_address(tb_contract *c)
{
    tb_lower *l = c->l;
    const tb_dim *wd = tb_dims(c->g, c->b);
    int rank = tb_rank(c->g, c->b), order[TB_MAX_RANK];
    tb_ix idx[TB_MAX_RANK + 1] = {{0}}, rest = tb_ix_var(c->r);

    by_distance(c, order);
    c->b_by_channel = order[1] == rank - 1;
    for (int i = rank - 1; i > 1; i--) {
        idx[order[i]] = tb_ix_rem(&l->ix, rest, wd[order[i]]);
        rest = tb_ix_quot(&l->ix, rest, wd[order[i]]);
    }
    idx[order[1]] = rest;
    idx[0] = tb_ix_var(c->n);
    if (c->n_batch)
        idx[0] = tb_ix_add(&l->ix, idx[0], tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), c->N));
    c->b_flat = tb_operand_address(l, c->b, idx, &c->b_store);
    c->b_row = tb_ix_flat(&l->ix, idx + 1, rank - 1, wd + 1);
}

/* x [N, spatial, C] stored dense; w [O, spatial, C/groups]. */
void
tb_conv_geometry(tb_contract *c)
{
    tb_lower *l = c->l;
    tb_unit *u = l->u;
    const int64_t *attr = tb_attrs(c->g, c->anchor);
    int ns = (int)attr[0], rank = ns + 2;
    int64_t groups = attr[1];
    const int64_t *stride = attr + 2, *dil = attr + 2 + 3 * ns;
    const tb_dim *xd = tb_dims(c->g, c->a), *wd = tb_dims(c->g, c->b);
    const tb_dim *yd = tb_dims(c->g, c->anchor);
    tb_dim cg = wd[rank - 1], og = tb_dim_floordiv(u, wd[0], groups), x_stride[TB_MAX_RANK];
    tb_ix idx[TB_MAX_RANK + 1] = {{0}}, pixel;

    for (int i = 0; i < 2 * ns; i++)
        if (attr[2 + ns + i] != 0)
            tb_raise(u->cx, l->group->loc, TB_INTERNAL, "conv_nhwc with padding left");
    c->batches = groups;
    if (groups > 1)
        c->batch[c->n_batch++] = tb_ix_loop(&l->ix, groups);
    c->M = 1;
    for (int i = 0; i < rank - 1; i++)
        c->M = tb_dim_mul(u, c->M, yd[i]);
    c->N = og;
    c->m = tb_ix_loop(&l->ix, c->M);
    c->n = tb_ix_loop(&l->ix, c->N);
    pixel = tb_ix_var(c->m);
    for (int i = rank - 2; i > 0; i--) {
        idx[i] = tb_ix_scale(&l->ix, tb_ix_rem(&l->ix, pixel, yd[i]), stride[i - 1]);
        pixel = tb_ix_quot(&l->ix, pixel, yd[i]);
    }
    idx[0] = pixel;
    idx[rank - 1] = groups > 1 ? tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), cg)
                               : tb_ix_const(0);
    c->a_store = tb_storage(l->gs, c->a);
    c->a_row = tb_ix_flat(&l->ix, idx, rank, xd);

    x_stride[rank - 1] = 1;
    for (int i = rank - 2; i >= 0; i--)
        x_stride[i] = tb_dim_mul(u, x_stride[i + 1], xd[i + 1]);
    /* the innermost kernel axis joins the channels if its pixels are neighbours */
    c->run = cg;
    c->a_step = 1;
    int axes = ns;
    if (groups == 1 && (dil[ns - 1] == 1 || wd[ns] == 1)) {
        c->run = tb_dim_mul(u, cg, wd[ns]);
        axes--;
    }
    c->n_runs = 1;
    for (int i = 0; i < axes; i++) {
        if (wd[1 + i] == 1)
            continue;
        c->run_dims[c->n_run_axes] = wd[1 + i];
        c->run_stride[c->n_run_axes++] = tb_dim_mul(u, x_stride[1 + i], dil[i]);
        c->n_runs = tb_dim_mul(u, c->n_runs, wd[1 + i]);
    }
    c->R = tb_dim_mul(u, c->run, c->n_runs);
    c->r = tb_ix_loop(&l->ix, c->R);
    weight_address(c);
}

/* Root indices in terms of the contraction's variables. */
void
tb_contract_root(tb_contract *c)
{
    tb_lower *l = c->l;
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};
    int rank = tb_rank(c->g, c->anchor);

    if (c->conv) {
        const tb_dim *yd = tb_dims(c->g, c->anchor);
        tb_ix pixel = tb_ix_var(c->m);
        for (int i = rank - 2; i > 0; i--) {
            at[i] = tb_ix_rem(&l->ix, pixel, yd[i]);
            pixel = tb_ix_quot(&l->ix, pixel, yd[i]);
        }
        at[0] = pixel;
        at[rank - 1] = tb_ix_var(c->n);
        if (c->n_batch)
            at[rank - 1] = tb_ix_add(&l->ix, at[rank - 1],
                                     tb_ix_scale(&l->ix, tb_ix_var(c->batch[0]), c->N));
    } else {
        for (uint32_t i = 0; i < c->n_batch; i++)
            at[i] = tb_ix_var(c->batch[i]);
        at[rank - 2] = tb_ix_var(c->m);
        at[rank - 1] = tb_ix_var(c->n);
    }
    for (uint32_t i = 0; i < l->group->path.n; i++) {
        tb_ix_back(&l->ix, c->g, l->group->path.at[i], at, next);
        memcpy(at, next, sizeof at);
    }
    c->root_at = tb_dup(&l->u->cx->keep, at, sizeof at);
    tb_val root = l->group->root;
    tb_ix flat = tb_ix_flat(&l->ix, at, tb_rank(c->g, root), tb_dims(c->g, root));
    tb_dim step_m, step_n;
    c->turned = tb_ix_linear(&l->ix, &flat, c->m, &step_m) && step_m == 1 &&
                tb_ix_linear(&l->ix, &flat, c->n, &step_n) && step_n != 1 &&
                tb_dim_le(l->u, TURNED_LEAST, c->M);
}

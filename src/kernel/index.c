/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * index.c -- index expressions: how the indices of one tensor follow from those of
 * another.
 *
 * An expression is a sum of coefficient x variable. Loop variables have extents, so most
 * divisions that a reshape asks for can be decided here: (64*h + d) / 64 is h when d < 64.
 * What cannot be decided becomes a QUOT or REM variable, and when both parts of the same
 * division meet again in an address, q * n + r becomes the undivided expression.
 */
#include "kernel/lower.h"

static uint32_t
add_var(tb_ixspace *s, tb_ixvar v)
{
    TB_PUSH(&s->u->cx->keep, &s->vars, v);
    return s->vars.n - 1;
}

uint32_t
tb_ix_loop(tb_ixspace *s, tb_dim extent)
{
    return add_var(s, (tb_ixvar){.kind = TB_IX_LOOP, .extent = extent});
}

uint32_t
tb_ix_data(tb_ixspace *s, tb_val data, const tb_ix *at, int rank, tb_dim extent)
{
    for (uint32_t i = 0; i < s->vars.n; i++) {
        const tb_ixvar *v = &s->vars.at[i];
        if (v->kind != TB_IX_DATA || v->data.id != data.id || v->extent != extent)
            continue;
        bool same = true;
        for (int j = 0; j < rank; j++)
            same = same && tb_ix_same(&v->at[j], &at[j]);
        if (same)
            return i;
    }
    return add_var(s, (tb_ixvar){.kind = TB_IX_DATA,
                                 .extent = extent,
                                 .data = data,
                                 .at = tb_dup(&s->u->cx->keep, at, sizeof *at * (size_t)rank),
                                 .at_rank = rank});
}

tb_ix
tb_ix_const(tb_dim c)
{
    return (tb_ix){.c = c};
}

tb_ix
tb_ix_var(uint32_t var)
{
    tb_ix a = {.n = 1};
    a.t[0].var = var;
    a.t[0].coef = 1;
    return a;
}

bool
tb_ix_same(const tb_ix *a, const tb_ix *b)
{
    if (a->n != b->n || a->c != b->c)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->t[i].var != b->t[i].var || a->t[i].coef != b->t[i].coef)
            return false;
    return true;
}

bool
tb_ix_is_var(const tb_ix *a, uint32_t *var)
{
    if (a->n != 1 || a->t[0].coef != 1 || a->c != 0)
        return false;
    *var = a->t[0].var;
    return true;
}

bool
tb_ix_is_zero(const tb_ix *a)
{
    return a->n == 0 && a->c == 0;
}

/* Terms are kept sorted by variable. */
static void
add_term(tb_ixspace *s, tb_ix *a, uint32_t var, tb_dim coef)
{
    uint32_t i = 0;
    if (coef == 0)
        return;
    while (i < a->n && a->t[i].var < var)
        i++;
    if (i < a->n && a->t[i].var == var) {
        a->t[i].coef = tb_dim_add(s->u, a->t[i].coef, coef);
        if (a->t[i].coef == 0) {
            memmove(&a->t[i], &a->t[i + 1], sizeof a->t[0] * (a->n - i - 1));
            a->n--;
        }
        return;
    }
    if (a->n == TB_IX_TERMS)
        tb_raise(s->u->cx, (tb_loc){0}, TB_UNSUPPORTED,
                 "an index has more than %d terms", TB_IX_TERMS);
    memmove(&a->t[i + 1], &a->t[i], sizeof a->t[0] * (a->n - i));
    a->t[i].var = var;
    a->t[i].coef = coef;
    a->n++;
}

tb_ix
tb_ix_add(tb_ixspace *s, tb_ix a, tb_ix b)
{
    for (uint32_t i = 0; i < b.n; i++)
        add_term(s, &a, b.t[i].var, b.t[i].coef);
    a.c = tb_dim_add(s->u, a.c, b.c);
    return a;
}

tb_ix
tb_ix_scale(tb_ixspace *s, tb_ix a, tb_dim k)
{
    if (k == 0)
        return tb_ix_const(0);
    for (uint32_t i = 0; i < a.n; i++)
        a.t[i].coef = tb_dim_mul(s->u, a.t[i].coef, k);
    a.c = tb_dim_mul(s->u, a.c, k);
    return a;
}

tb_ix
tb_ix_offset(tb_ixspace *s, tb_ix a, tb_dim c)
{
    a.c = tb_dim_add(s->u, a.c, c);
    return a;
}

static bool
divides(tb_unit *u, tb_dim d, tb_dim n)
{
    if (tb_dim_is_const(d) && tb_dim_is_const(n))
        return n != 0 && d % n == 0;
    return tb_dim_mul(u, tb_dim_floordiv(u, d, n), n) == d;
}

static bool
not_negative(tb_unit *u, tb_dim d)
{
    return tb_dim_le(u, 0, d);
}

bool
tb_ix_bound(tb_ixspace *s, const tb_ix *a, tb_dim *max)
{
    tb_dim m = a->c;
    if (!not_negative(s->u, a->c))
        return false;
    for (uint32_t i = 0; i < a->n; i++) {
        tb_dim extent = s->vars.at[a->t[i].var].extent;
        if (extent == TB_DIM_UNKNOWN || !not_negative(s->u, a->t[i].coef))
            return false;
        m = tb_dim_add(
            s->u, m, tb_dim_mul(s->u, a->t[i].coef, tb_dim_sub(s->u, extent, 1)));
    }
    *max = m;
    return true;
}

/* Splits a into q * n + rest with rest as small as the coefficients allow. */
static void
split(tb_ixspace *s, const tb_ix *a, tb_dim n, tb_ix *q, tb_ix *rest)
{
    *q = tb_ix_const(0);
    *rest = tb_ix_const(0);
    for (uint32_t i = 0; i < a->n; i++) {
        if (divides(s->u, a->t[i].coef, n))
            add_term(s, q, a->t[i].var, tb_dim_floordiv(s->u, a->t[i].coef, n));
        else
            add_term(s, rest, a->t[i].var, a->t[i].coef);
    }
    if (tb_dim_is_const(a->c) && tb_dim_is_const(n)) {
        q->c = tb_floordiv(a->c, n);
        rest->c = tb_mod(a->c, n);
    } else if (divides(s->u, a->c, n)) {
        q->c = tb_dim_floordiv(s->u, a->c, n);
    } else {
        rest->c = a->c;
    }
}

static uint32_t
part_var(tb_ixspace *s, tb_ixkind kind, const tb_ix *e, tb_dim n, tb_dim extent)
{
    for (uint32_t i = 0; i < s->vars.n; i++) {
        const tb_ixvar *v = &s->vars.at[i];
        if (v->kind == kind && v->n == n && tb_ix_same(&v->e, e))
            return i;
    }
    return add_var(s, (tb_ixvar){.kind = kind, .e = *e, .n = n, .extent = extent});
}

/* rest is known to lie in [0, n)? */
static bool
fits(tb_ixspace *s, const tb_ix *rest, tb_dim n)
{
    tb_dim max;
    return tb_ix_bound(s, rest, &max) && tb_dim_le(s->u, tb_dim_add(s->u, max, 1), n);
}

tb_ix
tb_ix_quot(tb_ixspace *s, tb_ix a, tb_dim n)
{
    tb_ix q, rest;
    tb_dim max;
    if (n == 1)
        return a;
    if (n == 0) /* an axis without elements: nobody asks */
        return tb_ix_const(0);
    split(s, &a, n, &q, &rest);
    if (fits(s, &rest, n))
        return q;
    tb_dim extent = TB_DIM_UNKNOWN;
    if (tb_ix_bound(s, &rest, &max))
        extent = tb_dim_add(s->u, tb_dim_floordiv(s->u, max, n), 1);
    add_term(s, &q, part_var(s, TB_IX_QUOT, &rest, n, extent), 1);
    return q;
}

tb_ix
tb_ix_rem(tb_ixspace *s, tb_ix a, tb_dim n)
{
    tb_ix q, rest;
    if (n == 1 || n == 0)
        return tb_ix_const(0);
    split(s, &a, n, &q, &rest);
    if (fits(s, &rest, n))
        return rest;
    return tb_ix_var(part_var(s, TB_IX_REM, &rest, n, n));
}

bool
tb_ix_uses(tb_ixspace *s, const tb_ix *a, uint32_t var)
{
    for (uint32_t i = 0; i < a->n; i++) {
        const tb_ixvar *v = &s->vars.at[a->t[i].var];
        if (a->t[i].var == var)
            return true;
        if ((v->kind == TB_IX_QUOT || v->kind == TB_IX_REM) && tb_ix_uses(s, &v->e, var))
            return true;
        for (int j = 0; v->kind == TB_IX_DATA && j < v->at_rank; j++)
            if (tb_ix_uses(s, &v->at[j], var))
                return true;
    }
    return false;
}

bool
tb_ix_linear(tb_ixspace *s, const tb_ix *a, uint32_t var, tb_dim *coef)
{
    *coef = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->t[i].var == var) {
            *coef = a->t[i].coef;
        } else if (s->vars.at[a->t[i].var].kind != TB_IX_LOOP) {
            tb_ix one = tb_ix_var(a->t[i].var);
            if (tb_ix_uses(s, &one, var))
                return false;
        }
    }
    return true;
}

/* q * (n*c) + r * c, where q and r are the parts of one division, is e * c. */
static tb_ix
recombine(tb_ixspace *s, tb_ix a)
{
    for (uint32_t i = 0; i < a.n; i++) {
        const tb_ixvar *r = &s->vars.at[a.t[i].var];
        if (r->kind != TB_IX_REM)
            continue;
        for (uint32_t j = 0; j < a.n; j++) {
            const tb_ixvar *q = &s->vars.at[a.t[j].var];
            if (q->kind != TB_IX_QUOT || q->n != r->n || !tb_ix_same(&q->e, &r->e) ||
                a.t[j].coef != tb_dim_mul(s->u, a.t[i].coef, r->n))
                continue;
            tb_dim c = a.t[i].coef;
            uint32_t qv = a.t[j].var, rv = a.t[i].var;
            tb_ix e = tb_ix_scale(s, r->e, c);
            add_term(s, &a, qv, tb_dim_sub(s->u, 0, tb_dim_mul(s->u, c, r->n)));
            add_term(s, &a, rv, tb_dim_sub(s->u, 0, c));
            return recombine(s, tb_ix_add(s, a, e));
        }
    }
    return a;
}

tb_ix
tb_ix_flat(tb_ixspace *s, const tb_ix *idx, int rank, const tb_dim *dims)
{
    tb_ix flat = tb_ix_const(0);
    tb_dim stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        flat = tb_ix_add(s, flat, tb_ix_scale(s, idx[i], stride));
        stride = tb_dim_mul(s->u, stride, dims[i]);
    }
    return recombine(s, flat);
}

/*
 * reshape: match runs of axes with equal products from the right, so that an axis is only
 * divided by sizes of its own run.
 */
static void
through_reshape(tb_ixspace *s, int rank, const tb_dim *dims, const tb_ix *idx,
                int out_rank, const tb_dim *out_dims, tb_ix *out)
{
    int i = rank, j = out_rank;
    while (i > 0 || j > 0) {
        int i1 = i, j1 = j;
        tb_dim pi = 1, pj = 1;
        if (i > 0)
            pi = dims[--i];
        if (j > 0)
            pj = out_dims[--j];
        while (!tb_dim_eq(s->u, pi, pj) && (i > 0 || j > 0)) {
            /* grow the side that is known to be smaller; with symbols, either */
            bool grow_i = j == 0 || (i > 0 && tb_dim_le(s->u, pi, pj));
            if (grow_i)
                pi = tb_dim_mul(s->u, pi, dims[--i]);
            else
                pj = tb_dim_mul(s->u, pj, out_dims[--j]);
        }
        tb_ix flat = tb_ix_flat(s, idx + i, i1 - i, dims + i);
        for (int a = j1 - 1; a >= j; a--) {
            if (a == j) {
                out[a] = flat;
            } else {
                out[a] = tb_ix_rem(s, flat, out_dims[a]);
                flat = tb_ix_quot(s, flat, out_dims[a]);
            }
        }
    }
}

void
tb_ix_through(tb_ixspace *s, const tb_graph *g, tb_val v, const tb_ix *idx, tb_ix *out)
{
    const int64_t *attr = tb_attrs(g, v);
    int rank = tb_rank(g, v);
    tb_val x = tb_in(g, v, 0);
    int x_rank = tb_rank(g, x);
    const tb_dim *x_dims = tb_dims(g, x), *dims = tb_dims(g, v);

    switch ((tb_prim)tb_node_of(g, v)->prim) {
    case TB_P_permute:
        for (int i = 0; i < rank; i++)
            out[attr[i]] = idx[i];
        break;
    case TB_P_reshape:
        through_reshape(s, rank, dims, idx, x_rank, x_dims, out);
        break;
    case TB_P_expand:
        for (int i = 0; i < rank; i++)
            out[i] = x_dims[i] == 1 && dims[i] != 1 ? tb_ix_const(0) : idx[i];
        break;
    case TB_P_slice:
        for (int i = 0; i < rank; i++)
            out[i] = tb_ix_offset(s, tb_ix_scale(s, idx[i], attr[rank + i]), attr[i]);
        break;
    case TB_P_pad:
        for (int i = 0; i < rank; i++)
            out[i] = tb_ix_offset(s, idx[i], tb_dim_sub(s->u, 0, attr[i]));
        break;
    case TB_P_flip:
        for (int i = 0; i < rank; i++)
            out[i] = (attr[0] >> i) & 1
                         ? tb_ix_offset(s, tb_ix_scale(s, idx[i], -1),
                                        tb_dim_sub(s->u, dims[i], 1))
                         : idx[i];
        break;
    case TB_P_window: /* axis, size, stride, dilation */
        for (int i = 0; i < x_rank; i++)
            out[i] = idx[i];
        out[attr[0]] = tb_ix_add(s, tb_ix_scale(s, idx[attr[0]], attr[2]),
                                 tb_ix_scale(s, idx[rank - 1], attr[3]));
        break;
    default:
        TB_UNREACHABLE();
    }
}

void
tb_ix_back(tb_ixspace *s, const tb_graph *g, tb_val v, const tb_ix *idx, tb_ix *out)
{
    const int64_t *order = tb_attrs(g, v);
    tb_val x = tb_in(g, v, 0);
    if (tb_node_of(g, v)->prim == TB_P_permute) {
        for (int i = 0; i < tb_rank(g, v); i++)
            out[i] = idx[order[i]];
        return;
    }
    TB_CHECK(tb_node_of(g, v)->prim == TB_P_reshape);
    through_reshape(s, tb_rank(g, x), tb_dims(g, x), idx, tb_rank(g, v), tb_dims(g, v),
                    out);
}

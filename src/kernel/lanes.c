/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * lanes.c -- index expressions as values: scalars, and vectors where they differ from lane to
 * lane.
 */
#include "kernel/pull.h"

void
tb_bind_var(tb_lower *l, uint32_t var, tb_kv value, int lane)
{
    while (l->env.n <= var)
        TB_PUSH(&l->u->cx->keep, &l->env, ((tb_env){.value = TB_NO_KV}));
    l->env.at[var] = (tb_env){.value = value, .lane = lane};
}

static bool
dim_multiple(tb_lower *l, tb_dim d, int64_t of)
{
    if (tb_dim_is_const(d))
        return d % of == 0;
    return tb_dim_mul(l->u, tb_dim_floordiv(l->u, d, of), of) == d;
}

int
tb_ix_class(tb_lower *l, const tb_ix *e)
{
    int c = TB_UNIFORM;
    for (uint32_t i = 0; i < e->n; i++) {
        int ci = tb_var_class(l, e->t[i].var);
        if (ci > c)
            c = ci;
    }
    return c;
}

/* Does e start at a multiple of the lanes and move by one? Then a division by a multiple
 * of the lanes is the same for all of them. */
static bool
aligned(tb_lower *l, const tb_ix *e)
{
    if (l->lane_align < l->lanes || !dim_multiple(l, e->c, l->lanes))
        return false;
    for (uint32_t i = 0; i < e->n; i++) {
        if (tb_var_class(l, e->t[i].var) == TB_AFFINE) {
            if (e->t[i].coef != 1 ||
                l->ix.vars.at[e->t[i].var].kind != TB_IX_LOOP)
                return false;
        } else if (!dim_multiple(l, e->t[i].coef, l->lanes)) {
            return false;
        }
    }
    return true;
}

int
tb_var_class(tb_lower *l, uint32_t var)
{
    tb_ixvar v = l->ix.vars.at[var];
    int c = TB_UNIFORM;
    if (l->lanes == 1)
        return TB_UNIFORM;
    switch (v.kind) {
    case TB_IX_LOOP:
        TB_CHECK(var < l->env.n && l->env.at[var].value.id != 0);
        return l->env.at[var].lane ? TB_AFFINE : TB_UNIFORM;
    case TB_IX_QUOT:
    case TB_IX_REM:
        c = tb_ix_class(l, &v.e);
        if (c == TB_AFFINE)
            c = aligned(l, &v.e) && dim_multiple(l, v.n, l->lanes)
                    ? (v.kind == TB_IX_REM ? TB_AFFINE : TB_UNIFORM)
                    : TB_VECTOR;
        return c;
    case TB_IX_DATA:
        for (int i = 0; i < v.at_rank; i++)
            if (tb_ix_class(l, &v.at[i]) != TB_UNIFORM)
                c = TB_VECTOR;
        return c;
    }
    TB_UNREACHABLE();
}

static tb_kv
mul_dim(tb_lower *l, tb_kv a, tb_dim d)
{
    return d == 1 ? a : tb_k_mul(l->k, a, tb_ix_dim(l, d));
}

/* The lanes of an expression as one vector. */
tb_kv
tb_ix_join(tb_lower *l, tb_spread s)
{
    tb_kv v = s.base;
    if (l->lanes == 1)
        return v;
    v = tb_k_splat(l->k, v, l->lanes);
    if (s.step != 0) {
        tb_kv ids = tb_k_lane_ids(l->k, TB_I64, l->lanes);
        v = tb_k_add(l->k, v, s.step == 1
                                  ? ids
                                  : tb_k_mul(l->k, ids,
                                             tb_k_splat(l->k, tb_ix_dim(l, s.step), l->lanes)));
    }
    if (s.vec.id)
        v = tb_k_add(l->k, v, s.vec);
    return v;
}

/* An index from data: negative or too large fails the call and reads element 0. */
static tb_kv
data_value(tb_lower *l, const tb_ixvar *v)
{
    tb_kernel *k = l->k;
    tb_kv i = tb_pull(l, v->data, v->at);
    tb_kv n = tb_ix_dim(l, v->extent), zero = tb_k_int(k, 0);
    int w = tb_k_inst(k, i)->lanes;
    tb_kv mask = w == 1 ? tb_guard_of_mask(l) : l->mask, bad, any;

    i = tb_k_cast(k, i, TB_I64);
    bad = tb_k_map(k, TB_P_or, tb_k_lt(k, i, tb_k_splat(k, zero, w)),
                   tb_k_map(k, TB_P_le, tb_k_splat(k, n, w), i, TB_NO_KV), TB_NO_KV);
    any = mask.id ? tb_k_map(k, TB_P_and, bad, mask, TB_NO_KV) : bad;
    if (tb_k_inst(k, any)->lanes > 1)
        any = tb_k_hreduce(k, TB_P_or, any);
    tb_k_fail_if(k, any, TB_KERNEL_INDEX_OUT_OF_RANGE);
    return tb_k_map(k, TB_P_where, bad, tb_k_splat(k, zero, w), i);
}

/* One variable: lane 0 (TB_UNIFORM, TB_AFFINE) or all lanes (TB_VECTOR). */
static tb_kv
var_value(tb_lower *l, uint32_t var, int class)
{
    tb_ixvar v = l->ix.vars.at[var];
    tb_kv a;
    if (v.kind == TB_IX_LOOP)
        return l->env.at[var].value;
    if (v.kind == TB_IX_DATA)
        return data_value(l, &v);
    if (class == TB_VECTOR)
        a = tb_ix_vector(l, &v.e);
    else
        a = tb_ix_spread(l, &v.e).base;
    tb_kv n = tb_ix_dim(l, v.n);
    if (class == TB_VECTOR)
        n = tb_k_splat(l->k, n, l->lanes);
    return v.kind == TB_IX_QUOT ? tb_k_div(l->k, a, n) : tb_k_mod(l->k, a, n);
}

/* Terms are added from the outermost region inwards, so that sums of outer variables are
 * computed in outer loops. */
tb_spread
tb_ix_spread(tb_lower *l, const tb_ix *a)
{
    tb_kernel *k = l->k;
    tb_spread s = {.base = TB_NO_KV, .step = 0, .vec = TB_NO_KV};
    tb_kv part[TB_IX_TERMS + 1];
    uint32_t n = 0;

    if (a->c != 0)
        part[n++] = tb_ix_dim(l, a->c);
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t var = a->t[i].var;
        int class = tb_var_class(l, var);
        tb_kv v = var_value(l, var, class);
        if (class == TB_VECTOR) {
            v = tb_k_mul(k, v, tb_k_splat(k, tb_ix_dim(l, a->t[i].coef), l->lanes));
            s.vec = s.vec.id ? tb_k_add(k, s.vec, v) : v;
            continue;
        }
        if (class == TB_AFFINE)
            s.step = tb_dim_add(l->u, s.step, a->t[i].coef);
        part[n++] = mul_dim(l, v, a->t[i].coef);
    }
    for (uint32_t i = 1; i < n; i++) /* insertion sort by depth */
        for (uint32_t j = i; j > 0; j--) {
            const tb_kregion *r = k->f->regions.at;
            if (r[tb_k_inst(k, part[j])->region].depth >=
                r[tb_k_inst(k, part[j - 1])->region].depth)
                break;
            tb_kv t = part[j];
            part[j] = part[j - 1];
            part[j - 1] = t;
        }
    s.base = n ? part[0] : tb_k_int(k, 0);
    for (uint32_t i = 1; i < n; i++)
        s.base = tb_k_add(k, s.base, part[i]);
    return s;
}

tb_kv
tb_ix_value(tb_lower *l, const tb_ix *a)
{
    return tb_ix_spread(l, a).base;
}

tb_kv
tb_ix_vector(tb_lower *l, const tb_ix *a)
{
    return tb_ix_join(l, tb_ix_spread(l, a));
}

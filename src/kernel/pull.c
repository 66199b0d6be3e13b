/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pull.c -- the value of a node at given indices.
 *
 * A schedule opens loops, binds index variables to loop counters and asks for the value of
 * the group's root. Maps become instructions, movement becomes index arithmetic, stored
 * nodes become loads; reductions and tiles that the schedule has computed are in `known`.
 *
 * With vector code one variable runs along the lanes. A value that does not depend on it
 * stays scalar (it is splat only where it meets a vector); an address that moves by one
 * element per lane is a vector load, any other a gather.
 */
#include "kernel/pull.h"

enum { NARROW = 1 << 30 };

void
tb_pull_reset(tb_lower *l)
{
    l->memo = (tb_map){.arena = &l->u->cx->keep};
    l->memos.n = 0;
    l->strided.n = 0;
}

/* ---- nodes ---- */
static tb_kv
both(tb_lower *l, tb_kv a, tb_kv b)
{
    if (!a.id)
        return b;
    return b.id ? tb_k_map(l->k, TB_P_and, a, b, TB_NO_KV) : a;
}

/* May a be computed in 32 bits, lane by lane? */
static bool
is_narrow(tb_lower *l, const tb_ix *a, tb_dim n)
{
    double most = tb_dim_is_const(a->c) ? __builtin_fabs((double)a->c) : NARROW;

    for (uint32_t i = 0; i < a->n; i++) {
        const tb_ixvar *v = &l->ix.vars.at[a->t[i].var];
        if (v->kind != TB_IX_LOOP || !tb_dim_is_const(v->extent) ||
            !tb_dim_is_const(a->t[i].coef))
            return false;
        /* a tail's lanes go past the extent */
        most += __builtin_fabs((double)a->t[i].coef) * ((double)v->extent + TB_PULL_LANES);
    }
    return most < NARROW && tb_dim_is_const(n) && n < NARROW;
}

/* in_range for lanes that move by a constant step: half the vectors, one comparison. */
static tb_kv
in_narrow_range(tb_lower *l, const tb_ix *a, tb_dim n)
{
    tb_kernel *k = l->k;
    tb_spread s = tb_ix_spread(l, a);
    tb_kv v = tb_k_splat(k, tb_k_cast(k, s.base, TB_I32), l->lanes);
    tb_kv ids = tb_k_lane_ids(k, TB_I32, l->lanes);
    tb_kv step = tb_k_splat(k, tb_k_const_int(k, TB_I32, s.step), l->lanes);

    v = tb_k_map(k, TB_P_add, v, tb_k_map(k, TB_P_mul, ids, step, TB_NO_KV), TB_NO_KV);
    v = tb_k_bitcast(k, v, TB_U32); /* below 0 is above n */
    return tb_k_map(k, TB_P_lt, v,
                    tb_k_splat(k, tb_k_const_int(k, TB_U32, n), l->lanes), TB_NO_KV);
}

/* The values of a, of all lanes, if all its variables have a known range. */
static bool
known_range(const tb_lower *l, const tb_ix *a, int64_t *least, int64_t *most)
{
    if (!tb_dim_is_const(a->c))
        return false;
    *least = *most = a->c;
    for (uint32_t i = 0; i < a->n; i++) {
        int64_t coef = a->t[i].coef, low, high;
        uint64_t bits;
        if (l->ix.vars.at[a->t[i].var].kind != TB_IX_LOOP || !tb_dim_is_const(coef))
            return false;
        const tb_env *v = &l->env.at[a->t[i].var];
        if (v->ranged) {
            low = v->least;
            high = v->most;
        } else if (tb_k_const_bits(l->k, v->value, &bits)) {
            low = high = (int64_t)bits;
        } else {
            return false;
        }
        int64_t first = coef * low, last = coef * (high + (v->lane ? l->lanes - 1 : 0));
        *least += first < last ? first : last;
        *most += first < last ? last : first;
    }
    return true;
}

/* Is a in [0, n) for all lanes, because they stand at a constant place or in a loop that stays
 * away from the ends? */
static bool
stands_inside(tb_lower *l, const tb_ix *a, int class, tb_dim n)
{
    tb_spread s;
    uint64_t bits;
    int64_t first, last;

    if (class == TB_VECTOR || !tb_dim_is_const(n))
        return false;
    if (known_range(l, a, &first, &last))
        return first >= 0 && last < n;
    s = tb_ix_spread(l, a);
    if (!tb_dim_is_const(s.step) || !tb_k_const_bits(l->k, s.base, &bits))
        return false;
    first = (int64_t)bits;
    last = class == TB_AFFINE ? first + s.step * (l->lanes - 1) : first;
    return first >= 0 && last >= 0 && first < n && last < n;
}

/* Is index expression a in [0, n)? NO_KV if it always is. */
static tb_kv
in_range(tb_lower *l, const tb_ix *a, tb_dim n)
{
    tb_kv lo = TB_NO_KV, hi = TB_NO_KV, v;
    tb_dim max;
    bool bounded = tb_ix_bound(&l->ix, a, &max);
    if (bounded && tb_dim_le(l->u, tb_dim_add(l->u, max, 1), n))
        return TB_NO_KV;
    int class = l->lanes > 1 ? tb_ix_class(l, a) : TB_UNIFORM;
    if (stands_inside(l, a, class, n))
        return TB_NO_KV;
    if (class == TB_AFFINE && is_narrow(l, a, n))
        return in_narrow_range(l, a, n);
    v = class == TB_UNIFORM ? tb_ix_value(l, a) : tb_ix_vector(l, a);
    tb_kv limit = tb_ix_dim(l, n), zero = tb_k_int(l->k, 0);
    int w = tb_k_inst(l->k, v)->lanes;
    hi = tb_k_lt(l->k, v, tb_k_splat(l->k, limit, w));
    if (!bounded)
        lo = tb_k_map(l->k, TB_P_le, tb_k_splat(l->k, zero, w), v, TB_NO_KV);
    return both(l, lo, hi);
}

/* Pulls v where `cond` holds; other lanes may give anything but touch no memory. */
static tb_kv
pull_where(tb_lower *l, tb_kv cond, tb_val v, const tb_ix *idx)
{
    tb_kv mask = l->mask, r;
    if (l->lanes > 1)
        l->mask = both(l, l->mask.id ? tb_k_splat(l->k, l->mask, l->lanes) : l->mask,
                       tb_k_splat(l->k, cond, l->lanes));
    else
        l->mask = both(l, l->mask, cond);
    r = tb_pull(l, v, idx);
    l->mask = mask;
    return r;
}

/* Is v loaded under a mask that implies cond, so that it is 0 where cond does not hold? For
 * what is shuffled this is more than a saving: LLVM 22 takes a select by the mask of a load that
 * feeds a shuffle for leave to read without the mask. */
static bool
zero_outside(tb_lower *l, tb_kv v, tb_kv cond)
{
    const tb_kinst *i = tb_k_inst(l->k, v);
    for (uint32_t s = l->strided.n; i->op == TB_K_SHUFFLE && s-- > 0;)
        if (l->strided.at[s].value.id == v.id)
            return l->strided.at[s].mask.id ==
                   both(l, l->mask.id ? tb_k_splat(l->k, l->mask, i->lanes) : TB_NO_KV,
                        tb_k_splat(l->k, cond, i->lanes))
                       .id;
    if (i->op != TB_K_LOAD || i->n_in == 0 ||
        (i->lanes == 1 && (tb_k_inst(l->k, cond)->lanes > 1 ||
                           (l->mask.id && tb_k_inst(l->k, l->mask)->lanes > 1))))
        return false;
    tb_kv last = l->k->f->operands.at[i->in + i->n_in - 1];
    tb_kv mask = both(l, l->mask.id ? tb_k_splat(l->k, l->mask, i->lanes) : TB_NO_KV,
                      tb_k_splat(l->k, cond, i->lanes));
    return last.id == mask.id;
}

static tb_kv
pull_pad(tb_lower *l, tb_val v, const tb_ix *idx)
{
    tb_val x = tb_in(l->g, v, 0);
    const tb_dim *dims = tb_dims(l->g, x);
    tb_ix in[TB_MAX_RANK];
    tb_kv cond = TB_NO_KV;

    tb_ix_through(&l->ix, l->g, v, idx, in);
    for (int i = 0; i < tb_rank(l->g, x); i++)
        cond = both(l, cond, in_range(l, &in[i], dims[i]));
    if (!cond.id)
        return tb_pull(l, x, in);
    tb_kv inside = pull_where(l, cond, x, in), outside = tb_pull(l, tb_in(l->g, v, 1), NULL);
    uint64_t bits;
    if (tb_k_const_bits(l->k, outside, &bits) && bits == 0 && zero_outside(l, inside, cond))
        return inside;
    return tb_k_map(l->k, TB_P_where, cond, inside, outside);
}

static tb_kv
pull_concat(tb_lower *l, tb_val v, const tb_ix *idx)
{
    const tb_node *n = tb_node_of(l->g, v);
    int axis = (int)tb_attrs(l->g, v)[0];
    tb_ix in[TB_MAX_RANK];
    tb_kv r = TB_NO_KV;

    memcpy(in, idx, sizeof(tb_ix) * n->rank);
    for (uint32_t i = 0; i < n->n_in; i++) {
        tb_val x = tb_in(l->g, v, i);
        tb_dim size = tb_dims(l->g, x)[axis];
        if (size == 0)
            continue;
        tb_kv cond = in_range(l, &in[axis], size);
        if (!cond.id) /* always this one */
            return tb_pull(l, x, in);
        tb_kv part = pull_where(l, cond, x, in);
        r = r.id ? tb_k_map(l->k, TB_P_where, cond, part, r) : part;
        in[axis] = tb_ix_offset(&l->ix, in[axis], tb_dim_sub(l->u, 0, size));
    }
    return r;
}

static tb_kv
pull_gather(tb_lower *l, tb_val v, const tb_ix *idx)
{
    tb_val x = tb_in(l->g, v, 0);
    uint32_t mask = (uint32_t)tb_attrs(l->g, v)[0];
    int i_rank = tb_rank(l->g, tb_in(l->g, v, 1)), rest = i_rank;
    uint32_t k = 1;
    tb_ix in[TB_MAX_RANK];

    for (int a = 0; a < tb_rank(l->g, x); a++) {
        if ((mask >> a) & 1)
            in[a] = tb_ix_var(tb_ix_data(&l->ix, tb_in(l->g, v, k++), idx, i_rank,
                                         tb_dims(l->g, x)[a]));
        else
            in[a] = idx[rest++];
    }
    return tb_pull(l, x, in);
}

/* F16 and BF16 live in registers as F32; a cast to them rounds. */
static tb_kv
round_to(tb_lower *l, tb_kv v, tb_dtype t)
{
    return t == TB_F16 || t == TB_BF16 ? tb_k_round(l->k, v, t) : v;
}

/* Is v exp(x - max(x)), all in F32? Gives x and the maximum as the difference has it. */
static bool
is_exp_below(const tb_lower *l, tb_val v, tb_val *x, tb_val *top)
{
    const tb_graph *g = l->g;
    tb_val d, m;

    if (tb_node_of(g, v)->prim != TB_P_exp || tb_dtype_of(g, v) != TB_F32)
        return false;
    d = tb_in(g, v, 0);
    if (tb_node_of(g, d)->prim != TB_P_sub || tb_storage(l->gs, d).id)
        return false;
    *x = tb_in(g, d, 0);
    *top = tb_in(g, d, 1);
    m = tb_behind_expand(g, *top);
    return tb_node_of(g, m)->prim == TB_P_rmax && tb_in(g, m, 0).id == x->id;
}

static tb_kv
pull_map(tb_lower *l, tb_val v, const tb_ix *idx)
{
    const tb_node *n = tb_node_of(l->g, v);
    tb_kv in[3] = {TB_NO_KV, TB_NO_KV, TB_NO_KV};
    tb_val x, top;

    if (is_exp_below(l, v, &x, &top))
        return tb_k_exp_below(l->k, tb_pull(l, x, idx), tb_pull(l, top, idx));
    for (uint32_t i = 0; i < n->n_in; i++)
        in[i] = tb_pull(l, tb_in(l->g, v, i), idx);
    if (n->prim == TB_P_cast)
        return round_to(l, tb_k_cast(l->k, in[0], tb_dtype_wide(n->dtype)), n->dtype);
    if (n->prim == TB_P_bitcast) {
        tb_dtype from = tb_dtype_of(l->g, tb_in(l->g, v, 0));
        if (tb_dtype_wide(from) != from || tb_dtype_wide(n->dtype) != n->dtype)
            tb_raise(l->u->cx, l->g->locs[v.id], TB_UNSUPPORTED,
                     "reinterpreting %s as %s inside a kernel", tb_dtype_name(from),
                     tb_dtype_name(n->dtype));
        return tb_k_bitcast(l->k, in[0], n->dtype);
    }
    return tb_k_map(l->k, n->prim, in[0], in[1], in[2]);
}

static tb_kv
pull_const(tb_lower *l, tb_val v, const tb_ix *idx)
{
    const tb_const *c = &l->u->consts.at[tb_attrs(l->g, v)[0]];
    tb_ix flat;
    if (c->n_bytes == 4 && c->dtype == TB_F32) { /* one number: an immediate */
        float f;
        memcpy(&f, c->bytes, 4);
        return tb_k_const(l->k, TB_F32, f);
    }
    flat = tb_ix_flat(&l->ix, idx, tb_rank(l->g, v), tb_dims(l->g, v));
    return tb_pull_load(l, v, &flat);
}

static tb_kv
pull_node(tb_lower *l, tb_val v, const tb_ix *idx)
{
    const tb_graph *g = l->g;
    const tb_node *n = tb_node_of(g, v);
    tb_ix in[TB_MAX_RANK];

    if (tb_prim_is_map(n->prim))
        return pull_map(l, v, idx);
    switch ((tb_prim)n->prim) {
    case TB_P_full:
        if (tb_dtype_is_float(n->dtype)) {
            double f;
            memcpy(&f, tb_attrs(g, v), sizeof f);
            return tb_k_const(l->k, tb_dtype_wide(n->dtype), f);
        }
        return tb_k_const_int(l->k, n->dtype, tb_attrs(g, v)[0]);
    case TB_P_iota: {
        const tb_ix *a = &idx[tb_attrs(g, v)[0]];
        bool uniform = l->lanes == 1 || tb_ix_class(l, a) == TB_UNIFORM;
        return uniform ? tb_ix_value(l, a) : tb_ix_vector(l, a);
    }
    case TB_P_dim:
        return tb_ix_dim(l, tb_attrs(g, v)[0]);
    case TB_P_pad:
        return pull_pad(l, v, idx);
    case TB_P_concat:
        return pull_concat(l, v, idx);
    case TB_P_gather:
        return pull_gather(l, v, idx);
    case TB_P_permute:
    case TB_P_reshape:
    case TB_P_expand:
    case TB_P_slice:
    case TB_P_flip:
    case TB_P_window:
        tb_ix_through(&l->ix, g, v, idx, in);
        return tb_pull(l, tb_in(g, v, 0), in);
    default:
        tb_raise(l->u->cx, g->locs[v.id], TB_INTERNAL, "%s is not stored and cannot be "
                 "computed in place", tb_prim_name(n->prim));
    }
}

/* Everything a value depends on besides the node: the indices and where their variables
 * stand, and what is masked. */
static uint64_t
sign(tb_lower *l, const tb_ix *a, uint64_t h)
{
    h = tb_hash_u64((uint64_t)a->c, h);
    for (uint32_t i = 0; i < a->n; i++) {
        const tb_ixvar *v = &l->ix.vars.at[a->t[i].var];
        h = tb_hash_u64(a->t[i].var, tb_hash_u64((uint64_t)a->t[i].coef, h));
        if (v->kind == TB_IX_LOOP)
            h = tb_hash_u64(l->env.at[a->t[i].var].value.id, h);
        else if (v->kind == TB_IX_DATA)
            for (int j = 0; j < v->at_rank; j++)
                h = sign(l, &v->at[j], h);
        else
            h = sign(l, &v->e, h);
    }
    return h;
}

/* Is region r the current one or around it? */
static bool
visible(const tb_kernel *k, uint32_t r)
{
    uint32_t c = k->region;
    while (k->f->regions.at[c].depth > k->f->regions.at[r].depth)
        c = k->f->regions.at[c].parent;
    return c == r;
}

tb_kv
tb_pull(tb_lower *l, tb_val v, const tb_ix *idx)
{
    int rank = tb_rank(l->g, v);
    for (uint32_t i = 0; i < l->known.n; i++) {
        const tb_known *kn = &l->known.at[i];
        bool same = kn->node.id == v.id;
        for (int a = 0; same && kn->at && a < rank; a++)
            same = tb_ix_same(&kn->at[a], &idx[a]);
        if (same)
            return kn->value;
    }
    if (tb_node_of(l->g, v)->prim == TB_P_const)
        return pull_const(l, v, idx);
    if (v.id != l->group->root.id) {
        tb_val stored = tb_storage(l->gs, v);
        if (stored.id && stored.id != l->group->root.id) {
            tb_ix flat = tb_ix_flat(&l->ix, idx, rank, tb_dims(l->g, v));
            return tb_pull_load(l, stored, &flat);
        }
    }
    uint64_t h = tb_hash_u64(v.id, l->mask.id);
    h = tb_hash_u64((uint64_t)l->lanes, h);
    for (int a = 0; a < rank; a++)
        h = sign(l, &idx[a], h);
    uint32_t cursor = 0, m;
    while ((m = tb_map_next(&l->memo, h, &cursor)) != 0) {
        const tb_memo *e = &l->memos.at[m - 1];
        if (e->node.id == v.id && e->hash == h && visible(l->k, e->region))
            return e->value;
    }
    tb_kv r = pull_node(l, v, idx);
    TB_PUSH(&l->u->cx->keep, &l->memos,
            ((tb_memo){.node = v, .value = r, .hash = h, .region = l->k->region}));
    tb_map_put(&l->memo, h, l->memos.n);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * access.c -- loads and stores of a stored node's elements, for the lanes.
 *
 * Loads of what the kernel does not write are placed like pure instructions: outside of
 * every loop that their address does not depend on.
 */
#include "kernel/pull.h"

enum { LARGE = 4 << 20 /* bytes */ };

static tb_kv
vector_mask(tb_lower *l)
{
    return l->mask.id ? tb_k_splat(l->k, l->mask, l->lanes) : TB_NO_KV;
}

static void
add_part(tb_kernel *k, tb_kv *all, tb_kv part)
{
    if (all)
        *all = all->id ? tb_k_map(k, TB_P_and, *all, part, TB_NO_KV) : part;
}

/* The parts of a mask: a scalar that holds for all lanes or for none, and unless NULL the others. */
static void
split_mask(tb_kernel *k, tb_kv mask, tb_kv *same, tb_kv *other)
{
    const tb_kinst *i = tb_k_inst(k, mask);

    if (i->lanes == 1) {
        add_part(k, same, mask);
    } else if (i->op == TB_K_SPLAT) {
        add_part(k, same, k->f->operands.at[i->in]);
    } else if (i->op == TB_K_MAP && i->imm == TB_P_and) {
        tb_kv a = k->f->operands.at[i->in], b = k->f->operands.at[i->in + 1];
        split_mask(k, a, same, other);
        split_mask(k, b, same, other);
    } else {
        add_part(k, other, mask);
    }
}

tb_kv
tb_guard_of_mask(tb_lower *l)
{
    tb_kv same = TB_NO_KV;

    if (l->mask.id)
        split_mask(l->k, l->mask, &same, NULL);
    return same;
}

/* Where the guard does not hold, masked loads would point outside the tensor. They read
 * nothing there, but touching an absent page costs a thousand cycles each time: let them
 * point to its first row instead. */
static tb_kv
guarded_base(tb_lower *l, const tb_ix *flat, tb_kv base)
{
    tb_ix rest = {.c = flat->c};
    tb_kv lane = TB_NO_KV, guard = tb_guard_of_mask(l);
    if (!guard.id)
        return base;
    for (uint32_t i = 0; i < flat->n; i++) {
        uint32_t var = flat->t[i].var;
        if (tb_var_class(l, var) == TB_UNIFORM)
            rest.t[rest.n++] = flat->t[i];
        else if (lane.id || flat->t[i].coef != 1 || l->ix.vars.at[var].kind != TB_IX_LOOP)
            return base;
        else
            lane = l->env.at[var].value;
    }
    if (!lane.id)
        return base;
    tb_kv row = tb_ix_spread(l, &rest).base;
    row = tb_k_map(l->k, TB_P_where, guard, row, tb_k_int(l->k, 0));
    return tb_k_add(l->k, row, lane);
}

/* The mask of the elements that lanes [from, from + width) of every step-th one touch;
 * what lies between is not touched unless all lanes are. Parts that are the same in every
 * round are spread outside of the loop. */
static tb_kv
spread_mask(tb_lower *l, tb_kv mask, int first, int step)
{
    tb_kernel *k = l->k;
    int w = l->lanes;
    int32_t from[TB_PULL_LANES];
    tb_kv none = tb_k_splat(k, tb_k_const_int(k, TB_BOOL, 0), w);
    const tb_kinst *i = tb_k_inst(k, mask);

    if (i->op == TB_K_SPLAT)
        return mask;
    if (i->op == TB_K_MAP && i->imm == TB_P_and) {
        tb_kv a = k->f->operands.at[i->in], b = k->f->operands.at[i->in + 1];
        a = spread_mask(l, a, first, step);
        return tb_k_map(k, TB_P_and, a, spread_mask(l, b, first, step), TB_NO_KV);
    }
    for (int e = 0; e < w; e++)
        from[e] = (first + e) % step == 0 ? (first + e) / step : w;
    return tb_k_shuffle(k, mask, none, from, w);
}

/* Every step-th element: the vectors that hold them, and shuffles. The last vector ends
 * with the last element, so that nothing past it is touched. */
static tb_kv
load_strided(tb_lower *l, tb_dtype mem, tb_kv ptr, const tb_spread *s)
{
    tb_kernel *k = l->k;
    int w = l->lanes, step = (int)s->step, last = (w - 1) * step + 1 - w;
    tb_kv mask = vector_mask(l), r = TB_NO_KV;
    int32_t from[TB_PULL_LANES];

    for (int v = 0; v < step; v++) {
        int first = v + 1 < step ? v * w : last;
        tb_kv part = mask.id ? spread_mask(l, mask, first, step) : TB_NO_KV;
        part = tb_k_load_pure(k, mem, w, ptr, s->base, first, part);
        for (int i = 0; i < w; i++) {
            int e = i * step - first;
            bool here = e >= 0 && e < w;
            from[i] = r.id ? (here ? w + e : i) : here ? e : 0;
        }
        r = tb_k_shuffle(k, r.id ? r : part, part, from, w);
    }
    if (mask.id)
        TB_PUSH(&l->u->cx->keep, &l->strided, ((tb_strided){r, mask}));
    return r;
}

/* Caches hold what is smaller, or the hardware has it there in time. */
static bool
is_large(const tb_lower *l, tb_val stored)
{
    size_t each = tb_dtype_bytes(tb_dtype_of(l->g, stored));

    return tb_elements_hint(l->g, stored) * (double)each >= LARGE;
}

/* Beside a load of whole vectors: see tb_ahead. */
static void
ask_ahead(tb_lower *l, tb_val stored, tb_kv ptr, const tb_ix *flat, tb_kv base)
{
    int64_t bytes = tb_dtype_bytes(tb_dtype_of(l->g, stored));
    tb_dim coef;

    if (l->ahead.var == UINT32_MAX || l->mask.id || !is_large(l, stored) ||
        !tb_ix_linear(&l->ix, flat, l->ahead.var, &coef) || !tb_dim_is_const(coef) || coef == 0)
        return;
    int64_t steps = l->ahead.steps ? l->ahead.steps : TB_AHEAD_BYTES / bytes;
    tb_kv there = tb_k_add(l->k, base, tb_k_int(l->k, coef * steps));
    tb_k_prefetch(l->k, tb_k_ptr_add(l->k, ptr, there, bytes), TB_FIRST_CACHE);
}

/* ---- the ends of rows, where masks are dear ---- */

/* What an index would be in lane number `lane`, which need not be there, if constants and the number
 * decide that. */
static bool
index_in_lane(const tb_kernel *k, tb_kv v, int lane, uint64_t *value)
{
    const tb_kinst *i = tb_k_inst(k, v);
    uint64_t in[3] = {0};

    if (tb_k_const_bits(k, v, value))
        return true;
    if (i->op == TB_K_LANE_IDS) {
        *value = tb_lane_wrap((tb_dtype)i->dtype, (uint64_t)(int64_t)lane);
        return true;
    }
    if (i->op != TB_K_MAP || i->n_in > TB_COUNT(in) || i->dtype == TB_BOOL)
        return false;
    for (uint32_t n = 0; n < i->n_in; n++)
        if (!index_in_lane(k, k->f->operands.at[i->in + n], lane, &in[n]))
            return false;
    tb_dtype from = tb_k_type(k, k->f->operands.at[i->in]);
    *value = tb_lane_map((tb_prim)i->imm, from, (tb_dtype)i->dtype, in[0], in[1], in[2]);
    return true;
}

/* Does a mask hold there, by what it compares? In a lane that is not there, an index that is asked
 * whether it is below a limit must not be negative either: for those that are that may be known. */
static bool
mask_in_lane(const tb_kernel *k, tb_kv mask, int lane, bool *holds)
{
    bool is_there = lane >= 0 && lane < tb_k_lanes(k, mask);
    const tb_kinst *i = tb_k_inst(k, mask);
    uint64_t in[2];
    bool part[2];
    tb_kv a, b;

    if (i->op != TB_K_MAP || i->n_in != 2)
        return false;
    a = k->f->operands.at[i->in];
    b = k->f->operands.at[i->in + 1];
    if (i->imm == TB_P_and) {
        if (!mask_in_lane(k, a, lane, &part[0]) || !mask_in_lane(k, b, lane, &part[1]))
            return false;
        *holds = part[0] && part[1];
        return true;
    }
    tb_dtype t = tb_k_type(k, a);
    bool below = i->imm == TB_P_lt, above = i->imm == TB_P_le;
    if (!tb_dtype_is_int(t) || (!below && !above) || !index_in_lane(k, a, lane, &in[0]) ||
        !index_in_lane(k, b, lane, &in[1]))
        return false;
    *holds = tb_lane_map((tb_prim)i->imm, t, TB_BOOL, in[0], in[1], 0) &&
             (is_there || tb_lane_map(TB_P_le, t, TB_BOOL, 0, in[0], 0));
    return true;
}

static bool
all_lanes_hold(const tb_kernel *k, tb_kv mask, int from, int n)
{
    bool holds;

    for (int i = from; i < from + n; i++)
        if (!mask_in_lane(k, mask, i, &holds) || !holds)
            return false;
    return true;
}

/* Lanes at a constant place, some of them before the row or behind it: how far away is the vector
 * that is all inside? The number of lanes if there is none. */
static int
way_inside(const tb_lower *l, tb_kv mask)
{
    for (int by = 0; by < l->lanes; by++)
        for (int sign = -1; sign <= 1; sign += 2)
            if (all_lanes_hold(l->k, mask, sign * by, l->lanes))
                return sign * by;
    return l->lanes;
}

static tb_kv load_at(tb_lower *l, tb_val stored, tb_kv ptr, const tb_ix *flat);

/* A load under such a mask: the vector that is inside, which others need as well, its lanes moved
 * to their places and zeros beside them. NO_KV if it is no such load. */
static tb_kv
load_end(tb_lower *l, tb_val stored, tb_kv ptr, const tb_ix *flat)
{
    tb_kernel *k = l->k;
    int w = l->lanes, by;
    tb_kv mask = l->mask, same = TB_NO_KV, other = TB_NO_KV;
    int32_t from[TB_PULL_LANES];

    if (l->target->masks || !mask.id || tb_k_inst(k, mask)->lanes != w || w > TB_PULL_LANES)
        return TB_NO_KV;
    split_mask(k, mask, &same, &other);
    by = other.id ? way_inside(l, other) : w;
    if (by == w)
        return TB_NO_KV;
    tb_ix there = tb_ix_offset(&l->ix, *flat, by);
    l->mask = same;
    tb_kv v = load_at(l, stored, ptr, &there);
    l->mask = mask;
    if (by == 0)
        return v;
    for (int i = 0; i < w; i++) {
        bool holds;
        TB_CHECK(mask_in_lane(k, other, i, &holds));
        from[i] = holds ? i - by : w;
    }
    tb_kv zero = tb_k_splat(k, tb_k_const_raw(k, tb_k_type(k, v), 0, 1), w);
    v = tb_k_shuffle(k, v, zero, from, w);
    TB_PUSH(&l->u->cx->keep, &l->strided, ((tb_strided){v, mask}));
    return v;
}

static tb_kv
load_at(tb_lower *l, tb_val stored, tb_kv ptr, const tb_ix *flat)
{
    tb_dtype mem = tb_dtype_of(l->g, stored);
    tb_spread s = tb_ix_spread(l, flat);
    if (l->lanes == 1 || (s.step == 0 && !s.vec.id)) {
        /* a tail's mask does not matter to a uniform load */
        return tb_k_load_pure(l->k, mem, 1, ptr, s.base, 0, tb_guard_of_mask(l));
    }
    if (s.step == 1 && !s.vec.id) {
        tb_kv end = load_end(l, stored, ptr, flat);
        if (end.id)
            return end;
        ask_ahead(l, stored, ptr, flat, s.base);
        return tb_k_load_pure(l->k, mem, l->lanes, ptr, guarded_base(l, flat, s.base), 0,
                              vector_mask(l));
    }
    if (!s.vec.id && tb_dim_is_const(s.step) && s.step > 1 && s.step <= TB_PULL_MAX_STRIDE &&
        l->lanes <= TB_PULL_LANES)
        return load_strided(l, mem, ptr, &s);
    return tb_k_gather(l->k, mem, ptr, tb_ix_join(l, s), vector_mask(l));
}

tb_kv
tb_pull_load(tb_lower *l, tb_val stored, const tb_ix *flat)
{
    return load_at(l, stored, tb_bind_node(l, stored, false), flat);
}

void
tb_put(tb_lower *l, tb_val stored, const tb_ix *flat, tb_kv value)
{
    tb_dtype mem = tb_dtype_of(l->g, stored);
    tb_kv ptr = tb_bind_node(l, stored, true);
    tb_spread s = tb_ix_spread(l, flat);
    if (l->lanes == 1 || (s.step == 0 && !s.vec.id)) {
        tb_k_store(l->k, mem, ptr, s.base, 0, value, TB_NO_KV);
        return;
    }
    value = tb_k_splat(l->k, value, l->lanes);
    if (s.step == 1 && !s.vec.id && l->past_caches && !l->mask.id)
        tb_k_store_past(l->k, mem, ptr, s.base, value);
    else if (s.step == 1 && !s.vec.id)
        tb_k_store(l->k, mem, ptr, s.base, 0, value, vector_mask(l));
    else
        tb_k_scatter(l->k, mem, ptr, tb_ix_join(l, s), value, vector_mask(l));
}

tb_kv
tb_read_back(tb_lower *l, tb_val stored, const tb_ix *flat)
{
    tb_spread s = tb_ix_spread(l, flat);

    TB_CHECK(l->lanes == 1 || (s.step == 1 && !s.vec.id));
    return tb_k_load(l->k, tb_dtype_of(l->g, stored), l->lanes, tb_bind_node(l, stored, true),
                     s.base, 0, l->lanes > 1 ? vector_mask(l) : TB_NO_KV);
}

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
 *
 * Loads of what the kernel does not write are placed like pure instructions: outside of
 * every loop that their address does not depend on.
 */
#include "kernel/build.h"
#include "kernel/lower.h"

enum { MAX_LANES = 16, LARGE = 4 << 20 /* bytes */ };
enum { NARROW = 1 << 30 };

/* A place in memory or an index, split by how it moves along the lanes. */
typedef struct lanes {
    tb_kv base; /* scalar I64: lane 0, without vec */
    tb_dim step; /* added per lane */
    tb_kv vec;  /* I64 lanes added on top, or NO_KV */
} lanes;

static lanes spread(tb_lower *l, const tb_ix *a);

void
tb_bind_var(tb_lower *l, uint32_t var, tb_kv value, int lane)
{
    while (l->env.n <= var)
        TB_PUSH(&l->u->cx->keep, &l->env, ((tb_env){.value = TB_NO_KV}));
    l->env.at[var] = (tb_env){.value = value, .lane = lane};
}

void
tb_pull_reset(tb_lower *l)
{
    l->memo = (tb_map){.arena = &l->u->cx->keep};
    l->memos.n = 0;
    l->strided.n = 0;
}

static tb_kv
dim_value(tb_lower *l, tb_dim d)
{
    return tb_k_dim(l->k, l->u, d);
}

/* ---- how variables move along the lanes ---- */
enum { UNIFORM, AFFINE, VECTOR };

static bool
dim_multiple(tb_lower *l, tb_dim d, int64_t of)
{
    if (tb_dim_is_const(d))
        return d % of == 0;
    return tb_dim_mul(l->u, tb_dim_floordiv(l->u, d, of), of) == d;
}

static int lane_class(tb_lower *l, uint32_t var);

static int
expr_class(tb_lower *l, const tb_ix *e)
{
    int c = UNIFORM;
    for (uint32_t i = 0; i < e->n; i++) {
        int ci = lane_class(l, e->t[i].var);
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
        if (lane_class(l, e->t[i].var) == AFFINE) {
            if (e->t[i].coef != 1 ||
                l->ix.vars.at[e->t[i].var].kind != TB_IX_LOOP)
                return false;
        } else if (!dim_multiple(l, e->t[i].coef, l->lanes)) {
            return false;
        }
    }
    return true;
}

static int
lane_class(tb_lower *l, uint32_t var)
{
    tb_ixvar v = l->ix.vars.at[var];
    int c = UNIFORM;
    if (l->lanes == 1)
        return UNIFORM;
    switch (v.kind) {
    case TB_IX_LOOP:
        TB_CHECK(var < l->env.n && l->env.at[var].value.id != 0);
        return l->env.at[var].lane ? AFFINE : UNIFORM;
    case TB_IX_QUOT:
    case TB_IX_REM:
        c = expr_class(l, &v.e);
        if (c == AFFINE)
            c = aligned(l, &v.e) && dim_multiple(l, v.n, l->lanes)
                    ? (v.kind == TB_IX_REM ? AFFINE : UNIFORM)
                    : VECTOR;
        return c;
    case TB_IX_DATA:
        for (int i = 0; i < v.at_rank; i++)
            if (expr_class(l, &v.at[i]) != UNIFORM)
                c = VECTOR;
        return c;
    }
    TB_UNREACHABLE();
}

static tb_kv
mul_dim(tb_lower *l, tb_kv a, tb_dim d)
{
    return d == 1 ? a : tb_k_mul(l->k, a, dim_value(l, d));
}

/* The lanes of an expression as one vector. */
static tb_kv
join(tb_lower *l, lanes s)
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
                                             tb_k_splat(l->k, dim_value(l, s.step), l->lanes)));
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
    tb_kv n = dim_value(l, v->extent), zero = tb_k_int(k, 0);
    int w = tb_k_inst(k, i)->lanes;
    tb_kv bad, any;

    i = tb_k_cast(k, i, TB_I64);
    bad = tb_k_map(k, TB_P_or, tb_k_lt(k, i, tb_k_splat(k, zero, w)),
                   tb_k_map(k, TB_P_le, tb_k_splat(k, n, w), i, TB_NO_KV), TB_NO_KV);
    if (l->mask.id) {
        if (w == 1 && tb_k_inst(k, l->mask)->lanes > 1)
            any = bad; /* some lane is active wherever code runs */
        else
            any = tb_k_map(k, TB_P_and, bad, l->mask, TB_NO_KV);
    } else {
        any = bad;
    }
    if (tb_k_inst(k, any)->lanes > 1)
        any = tb_k_hreduce(k, TB_P_or, any);
    tb_k_fail_if(k, any, TB_KERNEL_INDEX_OUT_OF_RANGE);
    return tb_k_map(k, TB_P_where, bad, tb_k_splat(k, zero, w), i);
}

/* One variable: lane 0 (UNIFORM, AFFINE) or all lanes (VECTOR). */
static tb_kv
var_value(tb_lower *l, uint32_t var, int class)
{
    tb_ixvar v = l->ix.vars.at[var];
    tb_kv a;
    if (v.kind == TB_IX_LOOP)
        return l->env.at[var].value;
    if (v.kind == TB_IX_DATA)
        return data_value(l, &v);
    if (class == VECTOR)
        a = tb_ix_vector(l, &v.e);
    else
        a = spread(l, &v.e).base;
    tb_kv n = dim_value(l, v.n);
    if (class == VECTOR)
        n = tb_k_splat(l->k, n, l->lanes);
    return v.kind == TB_IX_QUOT ? tb_k_div(l->k, a, n) : tb_k_mod(l->k, a, n);
}

/* Terms are added from the outermost region inwards, so that sums of outer variables are
 * computed in outer loops. */
static lanes
spread(tb_lower *l, const tb_ix *a)
{
    tb_kernel *k = l->k;
    lanes s = {.base = TB_NO_KV, .step = 0, .vec = TB_NO_KV};
    tb_kv part[TB_IX_TERMS + 1];
    uint32_t n = 0;

    if (a->c != 0)
        part[n++] = dim_value(l, a->c);
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t var = a->t[i].var;
        int class = lane_class(l, var);
        tb_kv v = var_value(l, var, class);
        if (class == VECTOR) {
            v = tb_k_mul(k, v, tb_k_splat(k, dim_value(l, a->t[i].coef), l->lanes));
            s.vec = s.vec.id ? tb_k_add(k, s.vec, v) : v;
            continue;
        }
        if (class == AFFINE)
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
    return spread(l, a).base;
}

tb_kv
tb_ix_vector(tb_lower *l, const tb_ix *a)
{
    return join(l, spread(l, a));
}

/* ---- memory ---- */
static tb_kv
vector_mask(tb_lower *l)
{
    return l->mask.id ? tb_k_splat(l->k, l->mask, l->lanes) : TB_NO_KV;
}

/* Where the guard does not hold, masked loads would point outside the tensor. They read
 * nothing there, but touching an absent page costs a thousand cycles each time: let them
 * point to its first row instead. */
static tb_kv
guarded_base(tb_lower *l, const tb_ix *flat, tb_kv base)
{
    tb_ix rest = {.c = flat->c};
    tb_kv lane = TB_NO_KV;
    if (!l->guard.id)
        return base;
    for (uint32_t i = 0; i < flat->n; i++) {
        uint32_t var = flat->t[i].var;
        if (lane_class(l, var) == UNIFORM)
            rest.t[rest.n++] = flat->t[i];
        else if (lane.id || flat->t[i].coef != 1 || l->ix.vars.at[var].kind != TB_IX_LOOP)
            return base;
        else
            lane = l->env.at[var].value;
    }
    if (!lane.id)
        return base;
    tb_kv row = tb_k_map(l->k, TB_P_where, l->guard, spread(l, &rest).base, tb_k_int(l->k, 0));
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
    int32_t from[MAX_LANES];
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
load_strided(tb_lower *l, tb_dtype mem, tb_kv ptr, const lanes *s)
{
    tb_kernel *k = l->k;
    int w = l->lanes, step = (int)s->step, last = (w - 1) * step + 1 - w;
    tb_kv mask = vector_mask(l), r = TB_NO_KV;
    int32_t from[MAX_LANES];

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
    double bytes = (double)tb_dtype_bytes(tb_dtype_of(l->g, stored));

    for (int i = 0; i < tb_rank(l->g, stored); i++)
        bytes *= (double)tb_dim_hint(l->u, tb_dims(l->g, stored)[i]);
    return bytes >= LARGE;
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

static tb_kv
load_at(tb_lower *l, tb_val stored, tb_kv ptr, const tb_ix *flat)
{
    tb_dtype mem = tb_dtype_of(l->g, stored);
    lanes s = spread(l, flat);
    if (l->lanes == 1 || (s.step == 0 && !s.vec.id)) {
        tb_kv mask = TB_NO_KV; /* a tail's mask does not matter to a uniform load */
        if (l->mask.id && tb_k_inst(l->k, l->mask)->lanes == 1)
            mask = l->mask;
        else if (l->guard.id)
            mask = l->guard;
        return tb_k_load_pure(l->k, mem, 1, ptr, s.base, 0, mask);
    }
    if (s.step == 1 && !s.vec.id) {
        ask_ahead(l, stored, ptr, flat, s.base);
        return tb_k_load_pure(l->k, mem, l->lanes, ptr, guarded_base(l, flat, s.base), 0,
                              vector_mask(l));
    }
    if (!s.vec.id && tb_dim_is_const(s.step) && s.step > 1 && s.step <= TB_PULL_MAX_STRIDE &&
        l->lanes <= MAX_LANES)
        return load_strided(l, mem, ptr, &s);
    return tb_k_gather(l->k, mem, ptr, join(l, s), vector_mask(l));
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
    lanes s = spread(l, flat);
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
        tb_k_scatter(l->k, mem, ptr, join(l, s), value, vector_mask(l));
}

tb_kv
tb_read_back(tb_lower *l, tb_val stored, const tb_ix *flat)
{
    lanes s = spread(l, flat);

    TB_CHECK(l->lanes == 1 || (s.step == 1 && !s.vec.id));
    return tb_k_load(l->k, tb_dtype_of(l->g, stored), l->lanes, tb_bind_node(l, stored, true),
                     s.base, 0, l->lanes > 1 ? vector_mask(l) : TB_NO_KV);
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
        most += __builtin_fabs((double)a->t[i].coef) * ((double)v->extent + MAX_LANES);
    }
    return most < NARROW && tb_dim_is_const(n) && n < NARROW;
}

/* in_range for lanes that move by a constant step: half the vectors, one comparison. */
static tb_kv
in_narrow_range(tb_lower *l, const tb_ix *a, tb_dim n)
{
    tb_kernel *k = l->k;
    lanes s = spread(l, a);
    tb_kv v = tb_k_splat(k, tb_k_cast(k, s.base, TB_I32), l->lanes);
    tb_kv ids = tb_k_lane_ids(k, TB_I32, l->lanes);
    tb_kv step = tb_k_splat(k, tb_k_const_int(k, TB_I32, s.step), l->lanes);

    v = tb_k_map(k, TB_P_add, v, tb_k_map(k, TB_P_mul, ids, step, TB_NO_KV), TB_NO_KV);
    v = tb_k_bitcast(k, v, TB_U32); /* below 0 is above n */
    return tb_k_map(k, TB_P_lt, v,
                    tb_k_splat(k, tb_k_const_int(k, TB_U32, n), l->lanes), TB_NO_KV);
}

/* Is a in [0, n) for all lanes, because they stand at a constant place? */
static bool
stands_inside(tb_lower *l, const tb_ix *a, int class, tb_dim n)
{
    lanes s;
    uint64_t bits;
    int64_t first, last;

    if (class == VECTOR || !tb_dim_is_const(n))
        return false;
    s = spread(l, a);
    if (!tb_dim_is_const(s.step) || !tb_k_const_bits(l->k, s.base, &bits))
        return false;
    first = (int64_t)bits;
    last = class == AFFINE ? first + s.step * (l->lanes - 1) : first;
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
    int class = l->lanes > 1 ? expr_class(l, a) : UNIFORM;
    if (stands_inside(l, a, class, n))
        return TB_NO_KV;
    if (class == AFFINE && is_narrow(l, a, n))
        return in_narrow_range(l, a, n);
    v = class == UNIFORM ? tb_ix_value(l, a) : tb_ix_vector(l, a);
    tb_kv limit = dim_value(l, n), zero = tb_k_int(l->k, 0);
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
    tb_kv mask = l->mask, guard = l->guard, r;
    if (tb_k_inst(l->k, cond)->lanes == 1)
        l->guard = both(l, l->guard, cond);
    if (l->lanes > 1)
        l->mask = both(l, l->mask.id ? tb_k_splat(l->k, l->mask, l->lanes) : l->mask,
                       tb_k_splat(l->k, cond, l->lanes));
    else
        l->mask = both(l, l->mask, cond);
    r = tb_pull(l, v, idx);
    l->mask = mask;
    l->guard = guard;
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
    *top = m = tb_in(g, d, 1);
    while (tb_node_of(g, m)->prim == TB_P_expand || tb_node_of(g, m)->prim == TB_P_reshape)
        m = tb_in(g, m, 0);
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
        bool uniform = l->lanes == 1 || expr_class(l, a) == UNIFORM;
        return uniform ? tb_ix_value(l, a) : tb_ix_vector(l, a);
    }
    case TB_P_dim:
        return dim_value(l, tb_attrs(g, v)[0]);
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
    uint64_t h = tb_hash_u64(v.id, l->mask.id * 31u + l->guard.id);
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

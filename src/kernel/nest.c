/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest.c -- kernels for maps and reductions: one loop nest per group.
 *
 *   for rows (split into tiles; what selects a row: the root's outer axes)
 *     for each stage: the reductions that can run in one pass over the row
 *     then the root over the axes of the row that it has
 *
 * One loop variable, the lane variable, is vectorised: the one along which memory is
 * contiguous. If it runs along the row, partial results are combined across lanes after
 * each stage; if it is an outer axis, a block of rows is computed side by side and nothing
 * needs combining. A group without reductions has no stages.
 *
 * Vector loops are unrolled UNROLL times to hide the latency of accumulation; what remains
 * runs masked (or scalar where the target has no cheap masks).
 */
#include "kernel/lower.h"

enum { UNROLL = 4, MAX_STRAIGHT = 16 };
static const int64_t TILE_NS = 8000; /* work per tile: small against it, a tile grab */

typedef struct stage {
    uint32_t first, n;            /* reductions */
    uint32_t vars[TB_MAX_RANK];   /* row variables, outermost first */
    uint32_t n_vars;
} stage;

typedef struct nest {
    tb_lower *l;
    tb_kernel *k;
    const tb_group *gr;
    const tb_ix *root_at;
    TB_VEC(stage) stages;
    uint32_t outer[TB_MAX_RANK], n_outer; /* loops around rows, without an outer lane var */
    uint32_t inner[TB_MAX_RANK], n_inner; /* root axes inside the row */
    uint32_t lane;      /* the lane variable of the root's loops */
    bool lane_outer;    /* lane is an outer axis */
    int unroll;
    int lanes;
    tb_kv (*values)[UNROLL]; /* by reduction: result, per lane block if lane_outer */
} nest;

/* ---- looking at a group before writing it ---- */
typedef struct survey {
    tb_lower *l;
    tb_marks *seen;
    double ops;          /* weighted instructions per element */
    uint32_t n_vars;
    int *score;          /* by variable: how well it would vectorise */
    const tb_ix *flat;   /* the root's position; */
    bool only_flat;      /* every load is at that very position, or a single number */
} survey;

static void
survey_load(survey *s, const tb_ix *flat, int weight)
{
    if (flat->n && !tb_ix_same(flat, s->flat))
        s->only_flat = false;
    for (uint32_t var = 0; var < s->n_vars; var++) {
        tb_dim coef;
        if (!tb_ix_linear(&s->l->ix, flat, var, &coef))
            s->score[var] -= 2 * weight;
        else if (coef == 1)
            s->score[var] += 2 * weight;
        else if (coef != 0)
            s->score[var] -= weight;
    }
}

static double
op_weight(tb_prim p)
{
    switch (p) {
    case TB_P_exp:
    case TB_P_log:
    case TB_P_tanh:
    case TB_P_erf:
    case TB_P_sin:
    case TB_P_cos:
    case TB_P_pow:
    case TB_P_expm1:
    case TB_P_log1p:
    case TB_P_lgamma:
        return 12;
    case TB_P_div:
    case TB_P_sqrt:
    case TB_P_gather:
        return 4;
    default:
        return 1;
    }
}

static void
look(survey *s, tb_val v, const tb_ix *idx)
{
    tb_lower *l = s->l;
    const tb_graph *g = l->g;
    const tb_node *n = tb_node_of(g, v);
    tb_ix in[TB_MAX_RANK + 1] = {{0}};
    int rank = n->rank;

    if (n->prim == TB_P_full || n->prim == TB_P_dim || tb_prim_is_fold(n->prim))
        return;
    tb_val stored = v.id == l->group->root.id ? TB_NO_VAL : tb_storage(l->gs, v);
    if (stored.id) {
        tb_ix flat = tb_ix_flat(&l->ix, idx, rank, tb_dims(g, v));
        survey_load(s, &flat, 1);
        s->ops += 1;
        return;
    }
    if (!tb_mark(s->seen, v.id))
        return;
    if (tb_prim_is_map(n->prim)) {
        s->ops += op_weight(n->prim);
        for (uint32_t i = 0; i < n->n_in; i++)
            look(s, tb_in(g, v, i), idx);
        return;
    }
    switch ((tb_prim)n->prim) {
    case TB_P_pad:
        s->ops += 4;
        s->only_flat = false;
        tb_ix_through(&l->ix, g, v, idx, in);
        look(s, tb_in(g, v, 0), in);
        return;
    case TB_P_permute:
    case TB_P_reshape:
    case TB_P_expand:
    case TB_P_slice:
    case TB_P_flip:
    case TB_P_window:
        tb_ix_through(&l->ix, g, v, idx, in);
        look(s, tb_in(g, v, 0), in);
        return;
    case TB_P_concat: {
        int axis = (int)tb_attrs(g, v)[0];
        memcpy(in, idx, sizeof(tb_ix) * (size_t)rank);
        s->only_flat = false;
        for (uint32_t i = 0; i < n->n_in; i++) {
            s->ops += 2;
            look(s, tb_in(g, v, i), in);
            in[axis] = tb_ix_offset(
                &l->ix, in[axis], tb_dim_sub(l->u, 0, tb_dims(g, tb_in(g, v, i))[axis]));
        }
        return;
    }
    case TB_P_gather: {
        uint32_t mask = (uint32_t)tb_attrs(g, v)[0], k = 1;
        int rest = tb_rank(g, tb_in(g, v, 1)), i_rank = rest;
        s->ops += 4;
        s->only_flat = false;
        for (int a = 0; a < tb_rank(g, tb_in(g, v, 0)); a++) {
            if ((mask >> a) & 1)
                in[a] = tb_ix_var(tb_ix_data(&l->ix, tb_in(g, v, k++), idx, i_rank,
                                             tb_dims(g, tb_in(g, v, 0))[a]));
            else
                in[a] = idx[rest++];
        }
        look(s, tb_in(g, v, 0), in);
        return;
    }
    default:
        s->only_flat = false;
    }
}

static survey
look_at(tb_lower *l, const tb_ix *root_flat)
{
    tb_arena *a = &l->u->cx->keep;
    survey s = {.l = l, .flat = root_flat, .only_flat = true};
    s.seen = tb_marks_begin(l->marks);
    s.n_vars = l->ix.vars.n;
    s.score = TB_NEWN(a, int, s.n_vars + 1);
    return s;
}

/* ---- stages ---- */
static bool
needs(const nest *n, tb_val v, tb_val what, tb_marks *seen)
{
    const tb_graph *g = n->l->g;
    if (v.id == what.id)
        return true;
    if (v.id < what.id || (n->l->gs->stored[v.id] && v.id != n->gr->root.id) ||
        !tb_mark(seen, v.id))
        return false;
    for (uint32_t i = 0; i < tb_node_of(g, v)->n_in; i++)
        if (needs(n, tb_in(g, v, i), what, seen))
            return true;
    return false;
}

static void
make_stages(nest *n)
{
    const tb_group *gr = n->gr;
    for (uint32_t r = 0; r < gr->reductions.n; r++) {
        const tb_reduction *red = &gr->reductions.at[r];
        tb_val x = tb_in(n->l->g, red->node, 0);
        uint32_t axes = (uint32_t)tb_attrs(n->l->g, red->node)[0];
        stage s = {.first = r, .n = 1};
        for (int i = 0; i < tb_rank(n->l->g, x); i++) {
            uint32_t var;
            if ((axes >> i) & 1 && tb_ix_is_var(&red->in[i], &var))
                s.vars[s.n_vars++] = var;
        }
        if (n->stages.n) {
            stage *last = &n->stages.at[n->stages.n - 1];
            bool same = last->n_vars == s.n_vars;
            for (uint32_t i = 0; same && i < s.n_vars; i++)
                same = last->vars[i] == s.vars[i];
            for (uint32_t p = last->first; same && p < last->first + last->n; p++) {
                tb_marks *seen = tb_marks_begin(n->l->marks);
                same = !needs(n, x, gr->reductions.at[p].node, seen);
            }
            if (same) {
                last->n++;
                continue;
            }
        }
        TB_PUSH(&n->l->u->cx->keep, &n->stages, s);
    }
}

/* ---- reductions ---- */
static tb_dtype
acc_dtype(const nest *n, tb_val red)
{
    tb_prim p = tb_node_of(n->l->g, red)->prim;
    tb_dtype t = tb_dtype_of(n->l->g, tb_in(n->l->g, red, 0));
    if (t == TB_F16 || t == TB_BF16)
        t = TB_F32;
    (void)p;
    return t;
}

static bool
is_arg(tb_prim p)
{
    return p == TB_P_argmax || p == TB_P_argmin;
}

static tb_prim
combiner(tb_prim p)
{
    switch (p) {
    case TB_P_rsum:
        return TB_P_add;
    case TB_P_rprod:
        return TB_P_mul;
    case TB_P_rmax:
    case TB_P_argmax:
        return TB_P_max;
    case TB_P_rmin:
    case TB_P_argmin:
        return TB_P_min;
    case TB_P_rany:
        return TB_P_or;
    default:
        return TB_P_and;
    }
}

static tb_kv
identity(const nest *n, tb_prim p, tb_dtype t)
{
    bool low = combiner(p) == TB_P_max;
    switch (combiner(p)) {
    case TB_P_add:
    case TB_P_or:
        return tb_dtype_is_float(t) ? tb_k_const(n->k, t, 0) : tb_k_const_int(n->k, t, 0);
    case TB_P_mul:
    case TB_P_and:
        return tb_dtype_is_float(t) ? tb_k_const(n->k, t, 1) : tb_k_const_int(n->k, t, 1);
    default:
        break;
    }
    if (tb_dtype_is_float(t))
        return tb_k_const(n->k, t, low ? -__builtin_inf() : __builtin_inf());
    int bits = (int)tb_dtype_bytes(t) * 8;
    if (t == TB_BOOL)
        return tb_k_const_int(n->k, t, low ? 0 : 1);
    if (tb_dtype_kind(t) == TB_KIND_UINT)
        return tb_k_const_int(n->k, t, low ? 0 : bits == 64 ? -1 : (INT64_C(1) << bits) - 1);
    int64_t min = bits == 64 ? INT64_MIN : -(INT64_C(1) << (bits - 1));
    return tb_k_const_int(n->k, t, low ? min : ~min);
}

/* How many carried values reduction r needs: arg reductions carry value and index. */
static uint32_t
width(const nest *n, uint32_t r)
{
    return is_arg(tb_node_of(n->l->g, n->gr->reductions.at[r].node)->prim) ? 2 : 1;
}

static tb_kv
is_nan(tb_kernel *k, tb_kv a)
{
    return tb_k_map(k, TB_P_ne, a, a, TB_NO_KV);
}

/* acc[0] (value) and acc[1] (position) take over v at `pos` if it is better. */
static void
arg_step(nest *n, tb_prim p, tb_kv *acc, tb_kv v, tb_kv pos)
{
    tb_kernel *k = n->k;
    tb_kv better = p == TB_P_argmax ? tb_k_map(k, TB_P_lt, acc[0], v, TB_NO_KV)
                                    : tb_k_map(k, TB_P_lt, v, acc[0], TB_NO_KV);
    /* the first element always wins over "none yet" (position -1) */
    tb_kv none = tb_k_map(k, TB_P_lt, acc[1],
                          tb_k_splat(k, tb_k_int(k, 0), tb_k_inst(k, acc[1])->lanes), TB_NO_KV);
    better = tb_k_map(k, TB_P_or, better, none, TB_NO_KV);
    if (tb_dtype_is_float(tb_k_inst(k, v)->dtype)) {
        tb_kv nan = tb_k_map(k, TB_P_and, is_nan(k, v),
                             tb_k_map(k, TB_P_not, is_nan(k, acc[0]), TB_NO_KV, TB_NO_KV),
                             TB_NO_KV);
        tb_kv stuck = tb_k_map(k, TB_P_not, is_nan(k, acc[0]), TB_NO_KV, TB_NO_KV);
        better = tb_k_map(k, TB_P_or, tb_k_map(k, TB_P_and, better, stuck, TB_NO_KV), nan,
                          TB_NO_KV);
    }
    if (n->l->mask.id)
        better = tb_k_map(k, TB_P_and, better, n->l->mask, TB_NO_KV);
    acc[0] = tb_k_map(k, TB_P_where, better, v, acc[0]);
    acc[1] = tb_k_map(k, TB_P_where, better, pos, acc[1]);
}

/* A sum of products is a chain of fused multiply-adds: rounded once, and half the work. */
static tb_kv
add_to(tb_kernel *k, tb_prim p, tb_kv acc, tb_kv v)
{
    const tb_kinst *i = tb_k_inst(k, v);
    if (p == TB_P_add && i->op == TB_K_MAP && i->imm == TB_P_mul &&
        tb_dtype_is_float((tb_dtype)i->dtype)) {
        const tb_kv *in = &k->f->operands.at[i->in];
        return tb_k_fma(k, tb_k_splat(k, in[0], i->lanes), tb_k_splat(k, in[1], i->lanes), acc);
    }
    return tb_k_map(k, p, acc, v, TB_NO_KV);
}

/* Takes the element at the bound indices into the accumulators of a stage. */
static void
accumulate(nest *n, const stage *s, tb_kv *acc)
{
    tb_lower *l = n->l;
    for (uint32_t r = s->first; r < s->first + s->n; r++) {
        const tb_reduction *red = &n->gr->reductions.at[r];
        tb_prim p = tb_node_of(l->g, red->node)->prim;
        tb_dtype t = acc_dtype(n, red->node);
        tb_kv v = tb_k_splat(n->k, tb_pull(l, tb_in(l->g, red->node, 0), red->in), l->lanes);
        if (is_arg(p)) {
            uint32_t axis = (uint32_t)__builtin_ctz((uint32_t)tb_attrs(l->g, red->node)[0]);
            arg_step(n, p, acc, v,
                     l->lanes > 1 ? tb_ix_vector(l, &red->in[axis])
                                  : tb_ix_value(l, &red->in[axis]));
            acc += 2;
            continue;
        }
        if (l->mask.id)
            v = tb_k_map(n->k, TB_P_where, l->mask, v,
                         tb_k_splat(n->k, identity(n, p, t), l->lanes));
        acc[0] = add_to(n->k, combiner(p), acc[0], v);
        acc++;
    }
}

/* Puts accumulators b into a (both of one reduction). */
static void
merge(nest *n, tb_prim p, tb_kv *a, const tb_kv *b)
{
    tb_kernel *k = n->k;
    if (!is_arg(p)) {
        a[0] = tb_k_map(k, combiner(p), a[0], b[0], TB_NO_KV);
        return;
    }
    tb_kv mask = n->l->mask, keep[2] = {a[0], a[1]};
    /* equal values: the smaller position; "none" (-1) loses */
    tb_kv zero = tb_k_splat(k, tb_k_int(k, 0), tb_k_inst(k, a[1])->lanes);
    tb_kv b_some = tb_k_map(k, TB_P_le, zero, b[1], TB_NO_KV);
    tb_kv eq = tb_k_map(k, TB_P_eq, a[0], b[0], TB_NO_KV);
    if (tb_dtype_is_float(tb_k_inst(k, a[0])->dtype))
        eq = tb_k_map(k, TB_P_or, eq,
                      tb_k_map(k, TB_P_and, is_nan(k, a[0]), is_nan(k, b[0]), TB_NO_KV),
                      TB_NO_KV);
    tb_kv first = tb_k_map(k, TB_P_and, eq, tb_k_map(k, TB_P_lt, b[1], a[1], TB_NO_KV),
                           TB_NO_KV);
    n->l->mask = b_some;
    arg_step(n, p, a, b[0], b[1]);
    n->l->mask = mask;
    first = tb_k_map(k, TB_P_and, first, b_some, TB_NO_KV);
    a[0] = tb_k_map(k, TB_P_where, first, b[0], a[0]);
    a[1] = tb_k_map(k, TB_P_where, first, b[1], a[1]);
    (void)keep;
}

/* Across lanes. */
static tb_kv
horizontal(nest *n, tb_prim p, const tb_kv *a)
{
    tb_kernel *k = n->k;
    if (tb_k_inst(k, a[0])->lanes == 1)
        return is_arg(p) ? a[1] : a[0];
    if (!is_arg(p))
        return tb_k_hreduce(k, combiner(p), a[0]);
    int w = tb_k_inst(k, a[0])->lanes;
    tb_kv zero = tb_k_splat(k, tb_k_int(k, 0), w);
    tb_kv some = tb_k_map(k, TB_P_le, zero, a[1], TB_NO_KV);
    tb_kv none = tb_k_splat(k, identity(n, p, (tb_dtype)tb_k_inst(k, a[0])->dtype), w);
    tb_kv v = tb_k_map(k, TB_P_where, some, a[0], none);
    tb_kv best = tb_k_splat(k, tb_k_hreduce(k, combiner(p), v), w);
    tb_kv hit = tb_k_map(k, TB_P_eq, v, best, TB_NO_KV);
    if (tb_dtype_is_float(tb_k_inst(k, v)->dtype))
        hit = tb_k_map(k, TB_P_or, hit,
                       tb_k_map(k, TB_P_and, is_nan(k, v), is_nan(k, best), TB_NO_KV),
                       TB_NO_KV);
    hit = tb_k_map(k, TB_P_and, hit, some, TB_NO_KV);
    return tb_k_hreduce(k, TB_P_min,
                        tb_k_map(k, TB_P_where, hit, a[1],
                                 tb_k_splat(k, tb_k_int(k, INT64_MAX), w)));
}

/* ---- loops ---- */
static bool
const_extent(const nest *n, uint32_t var, int64_t *extent)
{
    *extent = n->l->ix.vars.at[var].extent;
    return tb_dim_is_const(*extent);
}

static tb_kv
extent_value(const nest *n, uint32_t var)
{
    return tb_k_dim(n->k, n->l->u, n->l->ix.vars.at[var].extent);
}

/* A body that runs for one block of lanes (blocks = unroll) or once per scalar; gets and
 * changes carried values. */
typedef void body_fn(nest *n, void *arg, int blocks, tb_kv *carried);

/* for i in [lo, hi): lanes along var. carried: n_carried per block are the body's business;
 * they are loop-carried. */
static void
lane_loop(nest *n, uint32_t var, tb_kv lo, tb_kv hi, int64_t const_len, body_fn *body,
          void *arg, tb_kv *carried, uint32_t n_carried)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    int w = n->lanes, unroll = n->unroll;
    int64_t step = (int64_t)w * unroll, main_len = -1, tail = -1;
    tb_kv main_hi = hi;

    n->lane = var;
    if (const_len >= 0) {
        main_len = const_len / step * step;
        tail = const_len - main_len;
    }
    if (main_len != 0) {
        if (tail != 0) {
            tb_kv len = tb_k_sub(k, hi, lo);
            main_hi = tb_k_add(
                k, lo, tb_k_mul(k, tb_k_div(k, len, tb_k_int(k, step)), tb_k_int(k, step)));
        }
        tb_kv i = tb_k_for(k, lo, main_hi, step, carried, n_carried);
        for (uint32_t c = 0; c < n_carried; c++)
            carried[c] = tb_k_carried(k, c);
        l->lanes = w;
        tb_bind_var(l, var, i, w > 1);
        body(n, arg, unroll, carried);
        tb_k_end_for(k, carried, carried);
    } else {
        main_hi = lo;
    }
    if (tail == 0)
        return;
    bool masked = l->target->masks && w > 1;
    tb_kv i = tb_k_for(k, main_hi, hi, masked ? w : 1, carried, n_carried);
    for (uint32_t c = 0; c < n_carried; c++)
        carried[c] = tb_k_carried(k, c);
    if (masked) {
        l->lanes = w;
        if (tail < 0 || tail % w != 0)
            l->mask = tb_k_map(k, TB_P_lt, tb_k_lane_ids(k, TB_I64, w),
                               tb_k_splat(k, tb_k_sub(k, hi, i), w), TB_NO_KV);
        tb_bind_var(l, var, i, 1);
    } else {
        l->lanes = 1;
        tb_bind_var(l, var, i, 0);
    }
    body(n, arg, 1, carried);
    l->mask = TB_NO_KV;
    tb_k_end_for(k, carried, carried);
}

/* Moves the lane variable to block b of the unrolled body. */
static void
to_block(nest *n, uint32_t var, tb_kv base, int b)
{
    if (b)
        base = tb_k_add(n->k, base, tb_k_int(n->k, (int64_t)b * n->l->lanes));
    tb_bind_var(n->l, var, base, n->l->lanes > 1);
}

/* ---- a stage over the row ---- */
typedef struct row_arg {
    const stage *s;
    uint32_t per_block; /* carried values per lane block */
} row_arg;

/* Row variable along lanes: each block has accumulators of its own; a scalar tail uses
 * none of the vector ones, so it gets its own set after them. */
static void
row_body(nest *n, void *arg, int blocks, tb_kv *carried)
{
    const row_arg *a = arg;
    uint32_t var = n->lane;
    tb_kv base = n->l->env.at[var].value;
    if (n->l->lanes == 1 && n->lanes > 1) { /* scalar tail */
        accumulate(n, a->s, carried + a->per_block * (uint32_t)n->unroll);
        return;
    }
    for (int b = 0; b < blocks; b++) {
        to_block(n, var, base, b);
        accumulate(n, a->s, carried + a->per_block * (uint32_t)b);
    }
}

/* The outer row variables as plain loops, the last one (if along lanes) vectorised. */
static void
row_loops(nest *n, const stage *s, uint32_t depth, tb_kv *acc, uint32_t n_acc, row_arg *arg,
          int blocks, const tb_kv *lane_base)
{
    tb_kernel *k = n->k;
    int64_t extent;
    if (!n->lane_outer && depth + 1 == s->n_vars) {
        uint32_t var = s->vars[depth];
        lane_loop(n, var, tb_k_int(k, 0), extent_value(n, var),
                  const_extent(n, var, &extent) ? extent : -1, row_body, arg, acc, n_acc);
        return;
    }
    if (depth == s->n_vars) { /* lanes run along an outer axis */
        uint32_t lane = n->lane;
        for (int b = 0; b < blocks; b++) {
            for (uint32_t r = 0; r < n->gr->reductions.n; r++)
                if (r < s->first)
                    n->l->known.at[r].value = n->values[r][b];
            if (lane_base)
                to_block(n, lane, *lane_base, b);
            accumulate(n, s, acc + arg->per_block * (uint32_t)b);
        }
        return;
    }
    uint32_t var = s->vars[depth];
    int64_t total = 1;
    bool straight = n->lane_outer;
    for (uint32_t i = depth; i < s->n_vars; i++) {
        straight = straight && const_extent(n, s->vars[i], &extent) && extent <= MAX_STRAIGHT;
        total *= straight ? extent : 1;
    }
    if (straight && total <= MAX_STRAIGHT) {
        const_extent(n, var, &extent);
        for (int64_t i = 0; i < extent; i++) {
            tb_bind_var(n->l, var, tb_k_int(k, i), 0);
            row_loops(n, s, depth + 1, acc, n_acc, arg, blocks, lane_base);
        }
        return;
    }
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), extent_value(n, var), 1, acc, n_acc);
    for (uint32_t c = 0; c < n_acc; c++)
        acc[c] = tb_k_carried(k, c);
    tb_bind_var(n->l, var, i, 0);
    row_loops(n, s, depth + 1, acc, n_acc, arg, blocks, lane_base);
    tb_k_end_for(k, acc, acc);
}

/* Runs one stage; results go to n->values and to `known`. */
static void
run_stage(nest *n, const stage *s, int blocks)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    row_arg arg = {.s = s};
    tb_kv acc[(UNROLL + 1) * 64], lane_base = TB_NO_KV;
    bool scalar_tail = !n->lane_outer && n->lanes > 1 && !l->target->masks;
    int w = n->lane_outer ? l->lanes : n->lanes;
    if (!n->lane_outer)
        blocks = n->unroll;
    for (uint32_t r = s->first; r < s->first + s->n; r++)
        arg.per_block += width(n, r);
    if (arg.per_block > 64)
        tb_raise(l->u->cx, n->gr->loc, TB_UNSUPPORTED, "too many reductions in one kernel");
    uint32_t n_acc = 0;
    for (int b = 0; b < blocks + (scalar_tail ? 1 : 0); b++)
        for (uint32_t r = s->first; r < s->first + s->n; r++) {
            tb_prim p = tb_node_of(l->g, n->gr->reductions.at[r].node)->prim;
            tb_dtype t = acc_dtype(n, n->gr->reductions.at[r].node);
            int wb = b == blocks ? 1 : w;
            acc[n_acc++] = tb_k_splat(k, identity(n, p, t), wb);
            if (is_arg(p))
                acc[n_acc++] = tb_k_splat(k, tb_k_int(k, -1), wb);
        }
    if (n->lane_outer && blocks > 0 && n->lane != UINT32_MAX)
        lane_base = l->env.at[n->lane].value;
    row_loops(n, s, 0, acc, n_acc, &arg, blocks, lane_base.id ? &lane_base : NULL);
    if (lane_base.id)
        tb_bind_var(l, n->lane, lane_base, l->lanes > 1);

    uint32_t at = 0;
    for (uint32_t r = s->first; r < s->first + s->n; r++) {
        tb_prim p = tb_node_of(l->g, n->gr->reductions.at[r].node)->prim;
        if (n->lane_outer) {
            for (int b = 0; b < blocks; b++) {
                const tb_kv *a = acc + arg.per_block * (uint32_t)b + at;
                n->values[r][b] = is_arg(p) ? a[1] : a[0];
            }
        } else {
            tb_kv a[2] = {acc[at], is_arg(p) ? acc[at + 1] : TB_NO_KV};
            for (int b = 1; b < blocks; b++)
                merge(n, p, a, acc + arg.per_block * (uint32_t)b + at);
            tb_kv v = horizontal(n, p, a);
            if (scalar_tail) {
                tb_kv whole[2] = {v, TB_NO_KV};
                const tb_kv *tail = acc + arg.per_block * (uint32_t)blocks + at;
                if (is_arg(p)) /* needs the value beside the position */
                    tb_raise(l->u->cx, n->gr->loc, TB_INTERNAL, "argmax with a scalar tail");
                merge(n, p, whole, tail);
                v = whole[0];
            }
            n->values[r][0] = v;
            l->known.at[r].value = v;
        }
        at += width(n, r);
    }
    l->known.n = s->first + s->n;
}

/* ---- the root ---- */
static void
store_root(nest *n)
{
    tb_lower *l = n->l;
    tb_val root = n->gr->root;
    tb_ix flat = tb_ix_flat(&l->ix, n->root_at, tb_rank(l->g, root), tb_dims(l->g, root));
    tb_put(l, root, &flat, tb_pull(l, root, n->root_at));
}

static void
root_body(nest *n, void *arg, int blocks, tb_kv *carried)
{
    uint32_t var = n->lane;
    tb_kv base = n->l->env.at[var].value;
    (void)arg;
    (void)carried;
    for (int b = 0; b < blocks; b++) {
        to_block(n, var, base, b);
        store_root(n);
    }
}

/* Stages and root for the block(s) of rows side by side that lanes stand for. */
static void
outer_lane_body(nest *n, void *arg, int blocks, tb_kv *carried)
{
    uint32_t lane = n->lane;
    tb_kv base = n->l->env.at[lane].value;
    (void)arg;
    (void)carried;
    for (uint32_t s = 0; s < n->stages.n; s++)
        run_stage(n, &n->stages.at[s], blocks);
    for (int b = 0; b < blocks; b++) {
        for (uint32_t r = 0; r < n->gr->reductions.n; r++)
            n->l->known.at[r].value = n->values[r][b];
        to_block(n, lane, base, b);
        store_root(n);
    }
    n->l->known.n = 0;
}

/* One row: all outer variables (but an outer lane variable) are bound. */
static void
one_row(nest *n, tb_kv lo, tb_kv hi, int64_t const_len)
{
    tb_lower *l = n->l;
    int64_t extent;
    if (n->lane_outer) {
        l->known.n = 0;
        lane_loop(n, n->lane, lo, hi, const_len, outer_lane_body, NULL, NULL, 0);
        return;
    }
    l->known.n = 0;
    uint32_t lane = n->lane;
    for (uint32_t s = 0; s < n->stages.n; s++)
        run_stage(n, &n->stages.at[s], 1);
    n->lane = lane;
    if (lane == UINT32_MAX) { /* one number per row */
        l->lanes = 1;
        store_root(n);
        return;
    }
    for (uint32_t i = 0; i < n->n_inner; i++) {
        if (n->inner[i] == lane)
            continue;
        tb_kv v = tb_k_for(n->k, tb_k_int(n->k, 0), extent_value(n, n->inner[i]), 1, NULL, 0);
        tb_bind_var(l, n->inner[i], v, 0);
    }
    const_extent(n, lane, &extent);
    lane_loop(n, lane, lo.id ? lo : tb_k_int(n->k, 0), hi.id ? hi : extent_value(n, lane),
              lo.id ? const_len : tb_dim_is_const(extent) ? extent : -1, root_body, NULL,
              NULL, 0);
    for (uint32_t i = 0; i < n->n_inner; i++)
        if (n->inner[i] != lane)
            tb_k_end_for(n->k, NULL, NULL);
}

static double
hint(const nest *n, uint32_t var)
{
    return (double)tb_dim_hint(n->l->u, n->l->ix.vars.at[var].extent);
}

/* Splits the work into tiles and opens the outer loops. */
static void
write_loops(nest *n, double element_ns)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    tb_unit *u = l->u;
    double row_ns = element_ns, rows = 1, lane_len = 1;
    uint32_t n_tiled = n->n_outer;
    bool lane_tiled = n->lane_outer || (n->stages.n == 0 && n->lane != UINT32_MAX);

    for (uint32_t i = 0; i < n->n_inner; i++)
        if (n->inner[i] != n->lane || !n->lane_outer)
            row_ns *= hint(n, n->inner[i]);
    for (uint32_t s = 0; s < n->stages.n; s++) {
        double pass = element_ns;
        for (uint32_t i = 0; i < n->stages.at[s].n_vars; i++)
            pass *= hint(n, n->stages.at[s].vars[i]);
        row_ns += pass;
    }
    if (n->lane_outer) {
        lane_len = hint(n, n->lane);
        row_ns *= lane_len;
    } else if (lane_tiled) {
        lane_len = hint(n, n->lane);
    }
    /* Short rows: the last outer axes become plain loops, so that taking a row index apart
     * costs little against the row. */
    while (n_tiled > 1 && row_ns < 400) {
        row_ns *= hint(n, n->outer[n_tiled - 1]);
        n_tiled--;
    }
    for (uint32_t i = 0; i < n_tiled; i++)
        rows *= hint(n, n->outer[i]);

    int64_t per_tile = 1, chunk = 0;
    if (row_ns < (double)TILE_NS)
        per_tile = (int64_t)((double)TILE_NS / (row_ns + 1)) + 1;
    if (lane_tiled && rows < 64 && row_ns > 2 * (double)TILE_NS) {
        double per_lane = row_ns / lane_len;
        chunk = (int64_t)((double)TILE_NS / (per_lane + 1e-3));
        chunk = TB_ALIGN_UP(chunk + 1, (int64_t)64 * UNROLL);
    }
    tb_dim n_rows = 1, lane_extent = n->lane == UINT32_MAX ? 1 : l->ix.vars.at[n->lane].extent;
    for (uint32_t i = 0; i < n_tiled; i++)
        n_rows = tb_dim_mul(u, n_rows, l->ix.vars.at[n->outer[i]].extent);
    tb_kv lo = TB_NO_KV, hi = TB_NO_KV, first = tb_k_tile_begin(k), last = tb_k_tile_end(k);
    int64_t const_len = tb_dim_is_const(lane_extent) ? lane_extent : -1;
    if (chunk) {
        tb_dim n_chunks = tb_dim_ceildiv(u, lane_extent, chunk);
        l->step->tiles = tb_dim_mul(u, n_rows, n_chunks);
        per_tile = 1;
        tb_kv t = tb_k_for(k, first, last, 1, NULL, 0);
        tb_kv chunks = tb_k_dim(k, u, n_chunks);
        lo = tb_k_mul(k, tb_k_mod(k, t, chunks), tb_k_int(k, chunk));
        hi = tb_k_min(k, tb_k_add(k, lo, tb_k_int(k, chunk)), tb_k_dim(k, u, lane_extent));
        first = tb_k_div(k, t, chunks);
        last = TB_NO_KV;
        const_len = const_len >= 0 && const_len % chunk == 0 ? chunk : -1;
        l->step->tile_cost_ns = (uint64_t)(row_ns / lane_len * (double)chunk) + 1;
    } else {
        l->step->tiles = tb_dim_ceildiv(u, n_rows, per_tile);
        first = tb_k_mul(k, first, tb_k_int(k, per_tile));
        last = tb_k_mul(k, last, tb_k_int(k, per_tile));
        if (per_tile > 1)
            last = tb_k_min(k, last, tb_k_dim(k, u, n_rows));
        if (n->lane_outer) {
            lo = tb_k_int(k, 0);
            hi = extent_value(n, n->lane);
        }
        first = tb_k_for(k, first, last, 1, NULL, 0);
        l->step->tile_cost_ns = (uint64_t)(row_ns * (double)per_tile) + 1;
    }
    for (uint32_t i = n_tiled; i-- > 0;) {
        tb_kv e = extent_value(n, n->outer[i]);
        tb_bind_var(l, n->outer[i], i == 0 ? first : tb_k_mod(k, first, e), 0);
        if (i)
            first = tb_k_div(k, first, e);
    }
    for (uint32_t i = n_tiled; i < n->n_outer; i++)
        tb_bind_var(l, n->outer[i],
                    tb_k_for(k, tb_k_int(k, 0), extent_value(n, n->outer[i]), 1, NULL, 0), 0);
    one_row(n, lo, hi, const_len);
    for (uint32_t i = n_tiled; i < n->n_outer; i++)
        tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

/* The best of the candidate variables; on a draw the later one. */
static uint32_t
best_lane(nest *n, const survey *s, const uint32_t *vars, uint32_t count, int *score)
{
    uint32_t best = UINT32_MAX;
    *score = INT32_MIN;
    for (uint32_t i = 0; i < count; i++) {
        int sc = s->score[vars[i]] * 4;
        if (hint(n, vars[i]) < n->lanes)
            sc -= 3 + (int)(n->lanes / (hint(n, vars[i]) + 0.5));
        if (hint(n, vars[i]) <= 1)
            sc -= 1000;
        if (sc >= *score) {
            *score = sc;
            best = vars[i];
        }
    }
    return best;
}

static void
choose_lanes(nest *n, survey *s)
{
    const tb_group *gr = n->gr;
    int row_score = INT32_MIN, outer_score = INT32_MIN;
    uint32_t outer = UINT32_MAX;

    if (n->stages.n == 0) {
        n->lane = best_lane(n, s, n->outer, n->n_outer, &outer_score);
        if (n->lane == UINT32_MAX)
            return;
        n->inner[n->n_inner++] = n->lane;
    } else {
        const stage *st = &n->stages.at[0];
        outer = best_lane(n, s, n->outer, n->n_outer, &outer_score);
        best_lane(n, s, st->vars, st->n_vars, &row_score);
        n->lane_outer = outer != UINT32_MAX && outer_score > row_score && n->n_inner == 0;
        if (n->lane_outer)
            n->lane = outer;
        else if (n->n_inner)
            n->lane = best_lane(n, s, n->inner, n->n_inner, &row_score);
    }
    if (n->lane_outer || n->stages.n == 0) { /* no plain loop over the lane variable */
        uint32_t j = 0;
        for (uint32_t i = 0; i < n->n_outer; i++)
            if (n->outer[i] != n->lane)
                n->outer[j++] = n->outer[i];
        n->n_outer = j;
    }
    /* within a stage the best row variable goes last, along the lanes */
    for (uint32_t i = 0; i < n->stages.n && !n->lane_outer; i++) {
        stage *st = &n->stages.at[i];
        uint32_t v = best_lane(n, s, st->vars, st->n_vars, &row_score), j = 0;
        for (uint32_t a = 0; a < st->n_vars; a++)
            if (st->vars[a] != v)
                st->vars[j++] = st->vars[a];
        if (st->n_vars)
            st->vars[j] = v;
    }
    (void)gr;
}

void
tb_lower_nest(tb_lower *l)
{
    tb_arena *a = &l->u->cx->keep;
    const tb_group *gr = l->group;
    int rank = tb_rank(l->g, gr->root);
    nest n = {.l = l, .k = l->k, .gr = gr, .root_at = gr->root_at, .lane = UINT32_MAX};
    tb_ix root_flat =
        tb_ix_flat(&l->ix, gr->root_at, rank, tb_dims(l->g, gr->root));
    survey s = look_at(l, &root_flat);
    bool arg = false;

    make_stages(&n);
    for (uint32_t r = 0; r < gr->reductions.n; r++) {
        const tb_reduction *red = &gr->reductions.at[r];
        arg = arg || is_arg(tb_node_of(l->g, red->node)->prim);
        look(&s, tb_in(l->g, red->node, 0), red->in);
        TB_PUSH(a, &l->known, ((tb_known){.node = red->node}));
    }
    l->known.n = 0;
    n.values = tb_alloc(a, sizeof *n.values * (gr->reductions.n + 1));
    if (!(gr->reductions.n && tb_prim_is_fold(tb_node_of(l->g, gr->root)->prim)))
        look(&s, gr->root, gr->root_at);
    survey_load(&s, &root_flat, 1);
    n.lanes = l->target->lanes;
    if (tb_dtype_bytes(tb_dtype_of(l->g, gr->root)) == 8 && n.lanes > 1)
        n.lanes /= 2;
    if (arg && !l->target->masks)
        n.lanes = 1;
    if (n.stages.n == 0 && s.only_flat && rank > 1) { /* one long axis */
        tb_dim total = 1;
        for (int i = 0; i < rank; i++)
            total = tb_dim_mul(l->u, total, tb_dims(l->g, gr->root)[i]);
        uint32_t var = tb_ix_loop(&l->ix, total);
        tb_ix flat = tb_ix_var(var), *at = TB_NEWN(a, tb_ix, rank);
        for (int i = rank - 1; i >= 0; i--) {
            at[i] = i ? tb_ix_rem(&l->ix, flat, tb_dims(l->g, gr->root)[i]) : flat;
            flat = tb_ix_quot(&l->ix, flat, tb_dims(l->g, gr->root)[i]);
        }
        n.root_at = at;
        n.lane = var;
        n.inner[n.n_inner++] = var;
    } else {
        for (int i = 0; i < rank; i++) {
            if (tb_dims(l->g, gr->root)[i] == 1)
                continue;
            if (n.stages.n == 0 || (gr->outer >> i) & 1)
                n.outer[n.n_outer++] = (uint32_t)i;
            else
                n.inner[n.n_inner++] = (uint32_t)i;
        }
        choose_lanes(&n, &s);
    }
    n.unroll = s.ops > 24 ? 1 : s.ops > 10 ? 2 : UNROLL;
    if (n.stages.n && n.unroll < 2)
        n.unroll = 2;
    l->lane_align = n.lanes;
    if (n.lane == UINT32_MAX && n.stages.n == 0)
        n.lanes = 1;
    write_loops(&n, 0.03 + 0.02 * s.ops);
}

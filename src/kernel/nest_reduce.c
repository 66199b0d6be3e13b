/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest_reduce.c -- the reductions of a row: accumulators, one or several passes over the
 * row, partial results put together across blocks and lanes.
 */
#include "kernel/nest.h"

enum { MAX_STRAIGHT = 16 };

/* ---- stages ---- */
static bool
needs(const tb_nest *n, tb_val v, tb_val what, tb_marks *seen)
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

void
tb_nest_make_stages(tb_nest *n)
{
    const tb_group *gr = n->gr;
    for (uint32_t r = 0; r < gr->reductions.n; r++) {
        const tb_reduction *red = &gr->reductions.at[r];
        tb_val x = tb_in(n->l->g, red->node, 0);
        uint32_t axes = (uint32_t)tb_attrs(n->l->g, red->node)[0];
        tb_nest_stage s = {.first = r, .n = 1};
        for (int i = 0; i < tb_rank(n->l->g, x); i++) {
            uint32_t var;
            if ((axes >> i) & 1 && tb_ix_is_var(&red->in[i], &var))
                s.vars[s.n_vars++] = var;
        }
        if (n->stages.n) {
            tb_nest_stage *last = &n->stages.at[n->stages.n - 1];
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
acc_dtype(const tb_nest *n, tb_val red)
{
    return tb_dtype_wide(tb_dtype_of(n->l->g, tb_in(n->l->g, red, 0)));
}

bool
tb_nest_is_arg(tb_prim p)
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
identity(const tb_nest *n, tb_prim p, tb_dtype t)
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

static tb_prim
prim_of(const tb_nest *n, uint32_t r)
{
    return tb_node_of(n->l->g, n->gr->reductions.at[r].node)->prim;
}

/* How many carried values reduction r needs: arg reductions carry value and index. */
static uint32_t
width(const tb_nest *n, uint32_t r)
{
    return tb_nest_is_arg(prim_of(n, r)) ? 2 : 1;
}

static tb_kv
is_nan(tb_kernel *k, tb_kv a)
{
    return tb_k_map(k, TB_P_ne, a, a, TB_NO_KV);
}

/* acc[0] (value) and acc[1] (position) take over v at `pos` if it is better. */
static void
arg_step(tb_nest *n, tb_prim p, tb_kv *acc, tb_kv v, tb_kv pos)
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

/* Two parts of what reduction r has met. */
static tb_kv
join(const tb_nest *n, uint32_t r, tb_kv a, tb_kv b)
{
    if (n->passes_nan[r])
        return tb_k_larger(n->k, a, b);
    return tb_k_map(n->k, combiner(prim_of(n, r)), a, b, TB_NO_KV);
}

/* A sum of products is a chain of fused multiply-adds: rounded once, and half the work. */
static tb_kv
add_to(const tb_nest *n, uint32_t r, tb_kv acc, tb_kv v)
{
    tb_kernel *k = n->k;
    const tb_kinst *i = tb_k_inst(k, v);
    if (combiner(prim_of(n, r)) == TB_P_add && i->op == TB_K_MAP && i->imm == TB_P_mul &&
        tb_dtype_is_float((tb_dtype)i->dtype)) {
        const tb_kv *in = &k->f->operands.at[i->in];
        return tb_k_fma(k, tb_k_splat(k, in[0], i->lanes), tb_k_splat(k, in[1], i->lanes), acc);
    }
    return join(n, r, acc, v);
}

/* Takes the element at the bound indices into the accumulators of a stage. */
static void
accumulate(tb_nest *n, const tb_nest_stage *s, tb_kv *acc)
{
    tb_lower *l = n->l;
    tb_nest_recall(n, s);
    for (uint32_t r = s->first; r < s->first + s->n; r++) {
        const tb_reduction *red = &n->gr->reductions.at[r];
        tb_prim p = prim_of(n, r);
        tb_dtype t = acc_dtype(n, red->node);
        tb_kv v = tb_k_splat(n->k, tb_pull(l, tb_in(l->g, red->node, 0), red->in), l->lanes);
        if (tb_nest_is_arg(p)) {
            uint32_t axis = (uint32_t)__builtin_ctz((uint32_t)tb_attrs(l->g, red->node)[0]);
            arg_step(n, p, acc, v,
                     l->lanes > 1 ? tb_ix_vector(l, &red->in[axis])
                                  : tb_ix_value(l, &red->in[axis]));
            acc += 2;
            continue;
        }
        if (l->mask.id && !n->lane_outer) /* else lanes past the end are nobody's */
            v = tb_k_map(n->k, TB_P_where, l->mask, v,
                         tb_k_splat(n->k, identity(n, p, t), l->lanes));
        acc[0] = add_to(n, r, acc[0], v);
        acc++;
    }
    tb_nest_forget(n);
    tb_nest_keep(n, s);
}

/* Puts accumulators b into a (both of one reduction). */
static void
merge(tb_nest *n, uint32_t r, tb_kv *a, const tb_kv *b)
{
    tb_kernel *k = n->k;
    tb_prim p = prim_of(n, r);
    if (!tb_nest_is_arg(p)) {
        a[0] = join(n, r, a[0], b[0]);
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

/* Of lanes that are not NaN. */
static tb_kv
largest_lane(tb_kernel *k, tb_kv v)
{
    int32_t lower[64], upper[64];

    for (int half = tb_k_inst(k, v)->lanes / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lower[i] = i;
            upper[i] = half + i;
        }
        v = half == 1 ? tb_k_larger(k, tb_k_extract(k, v, 0), tb_k_extract(k, v, 1))
                      : tb_k_larger(k, tb_k_shuffle(k, v, v, lower, half),
                                    tb_k_shuffle(k, v, v, upper, half));
    }
    return v;
}

/* Across lanes. */
static tb_kv
horizontal(tb_nest *n, uint32_t r, const tb_kv *a)
{
    tb_kernel *k = n->k;
    tb_prim p = prim_of(n, r);
    if (tb_k_inst(k, a[0])->lanes == 1)
        return tb_nest_is_arg(p) ? a[1] : a[0];
    if (n->passes_nan[r])
        return largest_lane(k, a[0]);
    if (!tb_nest_is_arg(p))
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

/* ---- a stage over the row ---- */
typedef struct row_arg {
    const tb_nest_stage *s;
    uint32_t per_block; /* carried values per lane block */
} row_arg;

/* Row variable along lanes: each block has accumulators of its own; a scalar tail uses
 * none of the vector ones, so it gets its own set after them. */
static void
row_body(tb_nest *n, void *arg, int blocks, tb_kv *carried)
{
    const row_arg *a = arg;
    uint32_t var = n->lane;
    tb_kv base = n->l->env.at[var].value;
    if (n->l->lanes == 1 && n->lanes > 1) { /* scalar tail */
        accumulate(n, a->s, carried + a->per_block * (uint32_t)n->unroll);
        return;
    }
    for (int b = 0; b < blocks; b++) {
        tb_nest_to_block(n, var, base, b);
        accumulate(n, a->s, carried + a->per_block * (uint32_t)b);
    }
}

/* The outer row variables as plain loops, the last one (if along lanes) vectorised. */
static void
row_loops(tb_nest *n, const tb_nest_stage *s, uint32_t depth, tb_kv *acc, uint32_t n_acc, row_arg *arg,
          int blocks, const tb_kv *lane_base)
{
    tb_kernel *k = n->k;
    int64_t extent;
    if (!n->lane_outer && depth + 1 == s->n_vars) {
        uint32_t var = s->vars[depth];
        tb_nest_lane_loop(n, var, tb_k_int(k, 0), tb_nest_extent(n, var),
                  tb_nest_const_extent(n, var, &extent) ? extent : -1, row_body, arg, acc, n_acc);
        return;
    }
    if (depth == s->n_vars) { /* lanes run along an outer axis */
        uint32_t lane = n->lane;
        for (int b = 0; b < blocks; b++) {
            for (uint32_t r = 0; r < n->gr->reductions.n; r++)
                if (r < s->first)
                    n->l->known.at[r].value = n->values[r][b];
            if (lane_base)
                tb_nest_to_block(n, lane, *lane_base, b);
            accumulate(n, s, acc + arg->per_block * (uint32_t)b);
        }
        return;
    }
    uint32_t var = s->vars[depth];
    int64_t total = 1;
    bool straight = n->lane_outer;
    for (uint32_t i = depth; i < s->n_vars; i++) {
        straight = straight && tb_nest_const_extent(n, s->vars[i], &extent) && extent <= MAX_STRAIGHT;
        total *= straight ? extent : 1;
    }
    if (straight && total <= MAX_STRAIGHT) {
        tb_nest_const_extent(n, var, &extent);
        for (int64_t i = 0; i < extent; i++) {
            tb_bind_var(n->l, var, tb_k_int(k, i), 0);
            row_loops(n, s, depth + 1, acc, n_acc, arg, blocks, lane_base);
        }
        return;
    }
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_nest_extent(n, var), 1, acc, n_acc);
    for (uint32_t c = 0; c < n_acc; c++)
        acc[c] = tb_k_carried(k, c);
    tb_bind_var(n->l, var, i, 0);
    row_loops(n, s, depth + 1, acc, n_acc, arg, blocks, lane_base);
    tb_k_end_for(k, acc, acc);
}

/* Runs one stage; results go to n->values and to `known`. */
void
tb_nest_run_stage(tb_nest *n, const tb_nest_stage *s, int blocks)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    row_arg arg = {.s = s};
    tb_kv acc[(TB_NEST_UNROLL + 1) * 64], lane_base = TB_NO_KV;
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
            if (tb_nest_is_arg(p))
                acc[n_acc++] = tb_k_splat(k, tb_k_int(k, -1), wb);
        }
    if (n->lane_outer && blocks > 0 && n->lane != UINT32_MAX)
        lane_base = l->env.at[n->lane].value;
    tb_nest_ahead(n, s);
    row_loops(n, s, 0, acc, n_acc, &arg, blocks, lane_base.id ? &lane_base : NULL);
    if (lane_base.id)
        tb_bind_var(l, n->lane, lane_base, l->lanes > 1);

    uint32_t at = 0;
    for (uint32_t r = s->first; r < s->first + s->n; r++) {
        tb_prim p = tb_node_of(l->g, n->gr->reductions.at[r].node)->prim;
        if (n->lane_outer) {
            for (int b = 0; b < blocks; b++) {
                const tb_kv *a = acc + arg.per_block * (uint32_t)b + at;
                n->values[r][b] = tb_nest_is_arg(p) ? a[1] : a[0];
            }
        } else {
            tb_kv a[2] = {acc[at], tb_nest_is_arg(p) ? acc[at + 1] : TB_NO_KV};
            for (int b = 1; b < blocks; b++)
                merge(n, r, a, acc + arg.per_block * (uint32_t)b + at);
            tb_kv v = horizontal(n, r, a);
            if (scalar_tail) {
                tb_kv whole[2] = {v, TB_NO_KV};
                const tb_kv *tail = acc + arg.per_block * (uint32_t)blocks + at;
                if (tb_nest_is_arg(p)) /* needs the value beside the position */
                    tb_raise(l->u->cx, n->gr->loc, TB_INTERNAL, "argmax with a scalar tail");
                merge(n, r, whole, tail);
                v = whole[0];
            }
            n->values[r][0] = v;
            l->known.at[r].value = v;
        }
        at += width(n, r);
    }
    l->known.n = s->first + s->n;
}


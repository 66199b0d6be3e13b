/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest_keep.c -- what one pass over a row has computed and a later one needs again.
 *
 * A softmax takes exp(x - max) for its sum and once more for its result. Computing it twice
 * costs more than the row's memory does, so the first pass leaves it in scratch, or, if rows are
 * long or of open length, where the result will be, and the later ones read it there: the row is
 * still in cache. That needs a value of the result's type, at the result's own indices.
 */
#include "kernel/nest.h"

enum { LEAST_WEIGHT = 8 }; /* instructions; less is computed again */
enum { ROW_BYTES = 16 << 10 }; /* of scratch: half of a first cache */

typedef struct met {
    tb_val node;
    const tb_ix *at;
    uint32_t stage;
} met;

typedef struct search {
    tb_nest *n;
    TB_VEC(met) met; /* maps of the stages so far */
    TB_VEC(met) tried; /* what this stage wants, looked at already */
    double most;     /* weight of n->kept */
} search;

/* Is v computed here, not read or a reduction's result? */
static bool
is_inside(const search *s, tb_val v)
{
    const tb_lower *l = s->n->l;
    tb_prim p = tb_node_of(l->g, v)->prim;

    if (v.id != l->group->root.id && tb_storage(l->gs, v).id)
        return false;
    return tb_prim_is_map(p) || p == TB_P_permute || p == TB_P_reshape || p == TB_P_expand ||
           p == TB_P_slice;
}

static const met *
find_in(const search *s, const met *at, uint32_t n, tb_val v, const tb_ix *idx)
{
    int rank = tb_rank(s->n->l->g, v);

    for (uint32_t i = 0; i < n; i++) {
        const met *m = &at[i];
        bool same = m->node.id == v.id;
        for (int a = 0; same && a < rank; a++)
            same = tb_ix_same(&m->at[a], &idx[a]);
        if (same)
            return m;
    }
    return NULL;
}

static const met *
find(const search *s, tb_val v, const tb_ix *idx)
{
    return find_in(s, s->met.at, s->met.n, v, idx);
}

static met
meet(const search *s, tb_val v, const tb_ix *idx, uint32_t stage)
{
    size_t bytes = sizeof *idx * (size_t)(tb_rank(s->n->l->g, v) + 1);

    return (met){v, tb_dup(&s->n->l->u->cx->keep, idx, bytes), stage};
}

static double
weight(const search *s, tb_val v, tb_marks *seen)
{
    const tb_graph *g = s->n->l->g;
    double w = 0;

    if (!is_inside(s, v) || !tb_mark(seen, v.id))
        return 0;
    if (tb_prim_is_map(tb_node_of(g, v)->prim))
        w = tb_nest_op_weight(tb_node_of(g, v)->prim);
    for (uint32_t i = 0; i < tb_node_of(g, v)->n_in; i++)
        w += weight(s, tb_in(g, v, i), seen);
    return w;
}

/* Calls `each` for v's operands with the indices they are wanted at. */
static void
operands(search *s, tb_val v, const tb_ix *idx, uint32_t stage,
         void (*each)(search *s, tb_val v, const tb_ix *idx, uint32_t stage))
{
    tb_lower *l = s->n->l;
    tb_ix in[TB_MAX_RANK + 1] = {{0}};

    if (!tb_prim_is_map(tb_node_of(l->g, v)->prim)) {
        tb_ix_through(&l->ix, l->g, v, idx, in);
        each(s, tb_in(l->g, v, 0), in, stage);
        return;
    }
    for (uint32_t i = 0; i < tb_node_of(l->g, v)->n_in; i++)
        each(s, tb_in(l->g, v, i), idx, stage);
}

/* Notes the maps that a stage computes. */
static void
collect(search *s, tb_val v, const tb_ix *idx, uint32_t stage)
{
    if (!is_inside(s, v) || find(s, v, idx))
        return;
    TB_PUSH(&s->n->l->u->cx->keep, &s->met, meet(s, v, idx, stage));
    operands(s, v, idx, stage, collect);
}

/* Is it of the root's type and at indices that are made of the root's own? */
static bool
fits(const search *s, const met *m)
{
    tb_nest *n = s->n;
    tb_lower *l = n->l;
    tb_val root = n->gr->root;
    uint32_t rank = (uint32_t)tb_rank(l->g, root);
    const tb_nest_stage *st = &n->stages.at[m->stage];
    tb_dtype t = tb_dtype_of(l->g, root);

    if (t != tb_dtype_of(l->g, m->node) || t == TB_F16 || t == TB_BF16 || t == TB_BOOL)
        return false;
    if (st->n_vars != n->n_inner || st->vars[st->n_vars - 1] != n->lane)
        return false;
    for (uint32_t i = 0; i < st->n_vars; i++) {
        bool inner = false;
        for (uint32_t j = 0; j < n->n_inner; j++)
            inner = inner || st->vars[i] == n->inner[j];
        if (!inner)
            return false;
    }
    for (int a = 0; a < tb_rank(l->g, m->node); a++)
        for (uint32_t var = rank; var < l->ix.vars.n; var++)
            if (l->ix.vars.at[var].kind == TB_IX_LOOP && tb_ix_uses(&l->ix, &m->at[a], var))
                return false;
    return true;
}

/* Looks for what earlier stages have computed in what is wanted now. */
static void
pick(search *s, tb_val v, const tb_ix *idx, uint32_t stage)
{
    const met *m;

    /* a value may be wanted along very many ways */
    if (!is_inside(s, v) || find_in(s, s->tried.at, s->tried.n, v, idx))
        return;
    TB_PUSH(&s->n->l->u->cx->keep, &s->tried, meet(s, v, idx, stage));
    m = find(s, v, idx);
    if (!m || !tb_prim_is_map(tb_node_of(s->n->l->g, v)->prim)) {
        operands(s, v, idx, stage, pick);
        return;
    }
    double w = weight(s, v, tb_marks_begin(s->n->l->marks));
    if (w < LEAST_WEIGHT || w <= s->most || !fits(s, m))
        return;
    s->most = w;
    s->n->kept = v;
    s->n->kept_at = m->at;
    s->n->kept_stage = m->stage;
}

void
tb_nest_choose_kept(tb_nest *n)
{
    tb_lower *l = n->l;
    search s = {.n = n};
    tb_dim coef;
    int64_t extent;

    if (n->lane_outer || n->lane == UINT32_MAX || n->n_inner == 0 ||
        !tb_ix_linear(&l->ix, &n->root_flat, n->lane, &coef) || coef != 1)
        return;
    /* the whole row is in registers */
    if (n->n_inner == 1 && tb_nest_const_extent(n, n->lane, &extent) &&
        extent <= (int64_t)n->lanes * n->unroll)
        return;
    for (uint32_t i = 0; i < n->stages.n; i++) {
        const tb_nest_stage *st = &n->stages.at[i];
        const tb_reduction *red = &n->gr->reductions.at[st->first];
        s.tried.n = 0;
        for (uint32_t r = 0; i > 0 && r < st->n; r++)
            pick(&s, tb_in(l->g, red[r].node, 0), red[r].in, i);
        for (uint32_t r = 0; r < st->n; r++)
            collect(&s, tb_in(l->g, red[r].node, 0), red[r].in, i);
    }
    s.tried.n = 0;
    if (s.met.n)
        pick(&s, n->gr->root, n->root_at, n->stages.n);
    int64_t bytes = (int64_t)tb_dtype_bytes(tb_dtype_of(l->g, n->gr->root));
    if (n->kept.id && n->n_inner == 1 && tb_nest_const_extent(n, n->lane, &extent) &&
        extent * bytes <= ROW_BYTES)
        n->row = tb_k_scratch(n->k, extent * bytes);
}

static uint32_t
number(const tb_nest *n, const tb_nest_stage *s)
{
    return s ? (uint32_t)(s - n->stages.at) : n->stages.n;
}

void
tb_nest_keep(tb_nest *n, const tb_nest_stage *s)
{
    tb_lower *l = n->l;
    tb_val root = n->gr->root;

    if (!n->kept.id || number(n, s) != n->kept_stage)
        return;
    tb_kv v = tb_k_splat(n->k, tb_pull(l, n->kept, n->kept_at), l->lanes);
    if (n->row.id)
        tb_k_store(n->k, tb_dtype_of(l->g, root), n->row, l->env.at[n->lane].value, 0, v, l->mask);
    else
        tb_put(l, root, &n->root_flat, v);
}

static tb_kv
read_kept(tb_nest *n)
{
    tb_lower *l = n->l;
    tb_val root = n->gr->root;

    if (!n->row.id)
        return tb_read_back(l, root, &n->root_flat);
    return tb_k_load(n->k, tb_dtype_of(l->g, root), l->lanes, n->row, l->env.at[n->lane].value, 0,
                     l->mask);
}

void
tb_nest_recall(tb_nest *n, const tb_nest_stage *s)
{
    tb_lower *l = n->l;

    n->recalled = n->kept.id && number(n, s) > n->kept_stage;
    if (!n->recalled)
        return;
    /* entries after the known ones are reductions to come */
    n->displaced = l->known.at[l->known.n];
    l->known.at[l->known.n++] = (tb_known){
        .node = n->kept, .value = read_kept(n), .at = n->kept_at};
}

void
tb_nest_forget(tb_nest *n)
{
    if (n->recalled)
        n->l->known.at[--n->l->known.n] = n->displaced;
}

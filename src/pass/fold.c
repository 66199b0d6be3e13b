/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fold.c -- what depends on constants only is computed now, by the reference evaluator.
 *
 * Requires: primitives.   Gives: primitives.
 *
 * Candidates are the last nodes of constant-only regions: those that something not
 * constant uses. Movement of a constant stays as it is: it is index arithmetic, or done
 * while packing. A value that would be more than MAX_GROWTH bytes larger than what it is
 * made of is left to run time.
 */
#include "pass/pass.h"

enum { MAX_GROWTH = 1 << 16 };

typedef struct facts {
    bool *constant;  /* by node: depends on constants only */
    bool *computes;  /* ... and holds more than movement somewhere */
    int64_t *source; /* bytes of the constants below, an upper bound */
    tb_val *folded;  /* by node of the input graph: its new constant */
    tb_graph *g;
} facts;

static bool
byte_size(const tb_graph *g, tb_val v, int64_t *bytes)
{
    int64_t n = (int64_t)tb_dtype_bytes(tb_dtype_of(g, v));
    for (int i = 0; i < tb_rank(g, v); i++) {
        tb_dim d = tb_dims(g, v)[i];
        if (!tb_dim_is_const(d) || !tb_mul_ok(n, d, &n))
            return false;
    }
    *bytes = n;
    return true;
}

static void
learn(const tb_graph *g, facts *f, tb_val v)
{
    const tb_node *n = tb_node_of(g, v);
    int64_t bytes;
    if (n->prim == TB_P_const) {
        f->constant[v.id] = byte_size(g, v, &f->source[v.id]);
        return;
    }
    if (n->prim == TB_P_full || n->prim == TB_P_iota) {
        f->constant[v.id] = byte_size(g, v, &bytes);
        return;
    }
    if (!tb_prim_is_pure(n->prim) || n->n_in == 0 || n->prim == TB_P_rand ||
        n->prim == TB_P_aten || n->dtype == TB_NONE || !byte_size(g, v, &bytes))
        return;
    bool computes = !tb_prim_is_move(n->prim);
    for (uint32_t i = 0; i < n->n_in; i++) {
        tb_val x = tb_in(g, v, i);
        if (!f->constant[x.id])
            return;
        computes = computes || f->computes[x.id];
        f->source[v.id] += f->source[x.id];
    }
    f->constant[v.id] = true;
    f->computes[v.id] = computes;
}

static bool
packs(tb_prim p)
{
    return p == TB_P_dot;
}

/* Is v worth a constant of its own where `user` reads it? */
static bool
worth(const tb_graph *g, const facts *f, tb_val v, tb_val user)
{
    tb_val x = v;
    int64_t bytes = 0;
    if (!f->constant[v.id])
        return false;
    if (!f->computes[v.id] && tb_node_of(g, user)->prim != TB_P_conv_nhwc)
        return false; /* index arithmetic; convolutions want their weights dense */
    if (packs(tb_node_of(g, user)->prim)) /* read through plain movement while packing */
        while (tb_prim_is_move(tb_node_of(g, x)->prim))
            x = tb_in(g, x, 0);
    return x.id && tb_node_of(g, x)->prim != TB_P_const && byte_size(g, v, &bytes) &&
           bytes <= f->source[v.id] + MAX_GROWTH;
}

static tb_val
replace(tb_rewrite *rw, tb_val v)
{
    facts *f = rw->user;
    if (!f->folded[v.id].id)
        return TB_NO_VAL;
    return tb_constant(rw->to, (uint32_t)f->folded[v.id].id - 1);
}

/* Evaluates the wanted nodes in one run and makes constants of them. */
static void
evaluate(const tb_graph *g, facts *f, const tb_val *wanted, uint32_t n)
{
    tb_unit *u = g->unit;
    tb_arena *a = &u->cx->keep;
    tb_graph *part = tb_graph_new(u);
    tb_val *map = TB_NEWN(a, tb_val, g->n);
    bool *need = TB_NEWN(a, bool, g->n);
    tb_eval_tensor *out = TB_NEWN(a, tb_eval_tensor, n);

    for (uint32_t i = 0; i < n; i++)
        need[wanted[i].id] = true;
    for (uint32_t id = g->n - 1; id > 0; id--)
        for (uint32_t i = 0; need[id] && i < g->nodes[id].n_in; i++)
            need[tb_in(g, (tb_val){id}, i).id] = true;
    for (uint32_t id = 1; id < g->n; id++)
        if (need[id]) {
            part->loc = g->locs[id];
            map[id] = tb_copy_node(part, g, (tb_val){id}, map);
        }
    tb_func func = {.name = TB_STR("constants"), .body = part};
    for (uint32_t i = 0; i < n; i++)
        TB_PUSH(a, &part->outputs, map[wanted[i].id]);
    tb_eval(u, &func, NULL, 0, NULL, a, out);
    for (uint32_t i = 0; i < n; i++) {
        tb_const c = {.dtype = out[i].dtype, .rank = (uint8_t)out[i].rank, .bytes = out[i].data};
        size_t bytes = tb_dtype_bytes(out[i].dtype);
        for (int d = 0; d < out[i].rank; d++) {
            c.dims[d] = out[i].dims[d];
            bytes *= (size_t)out[i].dims[d];
        }
        c.n_bytes = bytes;
        f->folded[wanted[i].id] = (tb_val){tb_unit_const(u, c) + 1};
    }
}

tb_val
tb_fold_value(tb_graph *g, tb_val v)
{
    tb_arena *a = &g->unit->cx->keep;
    facts f = {.constant = TB_NEWN(a, bool, g->n),
               .computes = TB_NEWN(a, bool, g->n),
               .source = TB_NEWN(a, int64_t, g->n),
               .folded = TB_NEWN(a, tb_val, g->n)};
    if (tb_node_of(g, v)->prim == TB_P_const)
        return v;
    for (uint32_t id = 1; id <= v.id; id++)
        learn(g, &f, (tb_val){id});
    if (!f.constant[v.id])
        return v;
    evaluate(g, &f, &v, 1);
    return tb_constant(g, f.folded[v.id].id - 1);
}

/* The part of operand x of `user` that is worth a constant: x, or what x only moves. */
static tb_val
candidate(const tb_graph *g, const facts *f, tb_val x, tb_val user)
{
    while (f->constant[x.id] && !worth(g, f, x, user)) {
        if (!tb_prim_is_move(tb_node_of(g, x)->prim) || tb_node_of(g, x)->n_in != 1)
            return TB_NO_VAL;
        x = tb_in(g, x, 0);
    }
    return f->constant[x.id] ? x : TB_NO_VAL;
}

tb_graph *
tb_pass_fold(const tb_graph *in)
{
    tb_arena *a = &in->unit->cx->keep;
    facts f = {.constant = TB_NEWN(a, bool, in->n),
               .computes = TB_NEWN(a, bool, in->n),
               .source = TB_NEWN(a, int64_t, in->n),
               .folded = TB_NEWN(a, tb_val, in->n)};
    bool *live = tb_live(in, a), *chosen = TB_NEWN(a, bool, in->n);
    TB_VEC(tb_val) wanted = {0};

    for (uint32_t id = 1; id < in->n; id++)
        if (live[id])
            learn(in, &f, (tb_val){id});
    for (uint32_t id = 1; id < in->n; id++) {
        if (!live[id] || f.constant[id])
            continue;
        for (uint32_t i = 0; i < in->nodes[id].n_in; i++) {
            tb_val x = candidate(in, &f, tb_in(in, (tb_val){id}, i), (tb_val){id});
            if (x.id && !chosen[x.id]) {
                chosen[x.id] = true;
                TB_PUSH(a, &wanted, x);
            }
        }
    }
    for (uint32_t i = 0; i < in->outputs.n; i++) {
        tb_val x = in->outputs.at[i];
        if (x.id && !chosen[x.id] && worth(in, &f, x, x)) {
            chosen[x.id] = true;
            TB_PUSH(a, &wanted, x);
        }
    }
    if (wanted.n)
        evaluate(in, &f, wanted.at, wanted.n);
    return tb_rewrite_graph(in, replace, &f);
}

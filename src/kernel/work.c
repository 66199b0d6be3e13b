/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * work.c -- what a step has to do, as far as it follows from shapes: operations, bytes,
 * and the source lines it computes.
 *
 * Operations are those of the model: one per element of a map, one per element that a
 * reduction or scan reads, two per multiplication of a product, whatever a schedule
 * computes twice. Bytes are those that must move: what is read of every operand, once,
 * and what is written.
 */
#include "kernel/lower.h"

typedef struct read {
    tb_val stored;
    tb_dim elements;
} read;

typedef struct tally {
    tb_lower *l;
    tb_step *st;
    tb_dim flops;
    TB_VEC(read) reads;
} tally;

/* ---- arithmetic that says UNKNOWN where numbers would not fit ---- */
static bool
too_large(tb_unit *u, tb_dim a, tb_dim b)
{
    return a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN ||
           (double)tb_dim_hint(u, a) * (double)tb_dim_hint(u, b) > 1e17;
}

static tb_dim
times(tb_unit *u, tb_dim a, tb_dim b)
{
    return too_large(u, a, b) ? TB_DIM_UNKNOWN : tb_dim_mul(u, a, b);
}

static tb_dim
plus(tb_unit *u, tb_dim a, tb_dim b)
{
    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN)
        return TB_DIM_UNKNOWN;
    return tb_dim_add(u, a, b);
}

static tb_dim
elements(tb_lower *l, tb_val v)
{
    tb_dim n = 1;
    for (int i = 0; i < tb_rank(l->g, v); i++)
        n = times(l->u, n, tb_dims(l->g, v)[i]);
    return n;
}

static tb_dim
fewer(tb_unit *u, tb_dim a, tb_dim b)
{
    if (a == TB_DIM_UNKNOWN || b == TB_DIM_UNKNOWN)
        return a == TB_DIM_UNKNOWN ? b : a;
    return tb_dim_hint(u, a) < tb_dim_hint(u, b) ? a : b;
}

/* ---- lines ---- */
static void
add_line(tb_lower *l, tb_step *st, tb_loc loc)
{
    const tb_location *new = tb_loc_get(l->u, loc);
    if (loc.id == 0 && st->locs.n > 0)
        return;
    for (uint32_t i = 0; i < st->locs.n; i++) {
        const tb_location *old = tb_loc_get(l->u, st->locs.at[i]);
        if (old->line == new->line && tb_str_eq(old->file, new->file) &&
            tb_str_eq(old->op, new->op))
            return;
    }
    if (st->locs.n < TB_STEP_LOCS)
        TB_PUSH(&l->u->cx->keep, &st->locs, loc);
}

/* ---- nodes ---- */
static void
add_read(tally *t, tb_val stored, tb_dim n)
{
    n = fewer(t->l->u, n, elements(t->l, stored));
    for (uint32_t i = 0; i < t->reads.n; i++)
        if (t->reads.at[i].stored.id == stored.id) {
            if (fewer(t->l->u, n, t->reads.at[i].elements) != n)
                t->reads.at[i].elements = n;
            return;
        }
    TB_PUSH(&t->l->u->cx->keep, &t->reads, ((read){stored, n}));
}

static void
add_flops(tally *t, tb_dim n)
{
    t->flops = plus(t->l->u, t->flops, n);
}

/* Two products of each score for attention, five for its gradients. Half of a causal one's
 * are not needed, which is not counted off. */
static tb_dim
attention_flops(tb_lower *l, tb_val v)
{
    tb_unit *u = l->u;
    bool grad = tb_node_of(l->g, v)->prim == TB_P_attention_grad;
    uint32_t q = grad ? TB_GRAD_Q : 0;
    const tb_dim *vd = tb_dims(l->g, tb_in(l->g, v, q + 2));
    int rank = tb_rank(l->g, tb_in(l->g, v, q));
    tb_dim queries = 1, keys = vd[rank - 2], d = tb_dims(l->g, tb_in(l->g, v, q))[rank - 1];

    for (int i = 0; i < rank - 1; i++)
        queries = times(u, queries, tb_dims(l->g, tb_in(l->g, v, q))[i]);
    d = plus(u, times(u, grad ? 6 : 2, d), times(u, grad ? 4 : 2, vd[rank - 1]));
    return times(u, times(u, queries, keys), d);
}

static tb_dim
anchor_flops(tb_lower *l, tb_val v)
{
    tb_unit *u = l->u;
    tb_val x = tb_in(l->g, v, 0), y = tb_in(l->g, v, 1);
    int rank = tb_rank(l->g, x), y_rank = tb_rank(l->g, y);
    tb_dim n = times(u, 2, elements(l, v));
    switch ((tb_prim)tb_node_of(l->g, v)->prim) {
    case TB_P_dot:
        return times(u, n, tb_dims(l->g, x)[rank - 1]);
    case TB_P_conv_nhwc: /* w [O, spatial, C/groups] */
        for (int i = 1; i < y_rank; i++)
            n = times(u, n, tb_dims(l->g, y)[i]);
        return n;
    default:
        return attention_flops(l, v);
    }
}

static void visit(tally *t, tb_val v, tb_dim wanted);

static void
visit_operands(tally *t, tb_val v)
{
    for (uint32_t i = 0; i < tb_node_of(t->l->g, v)->n_in; i++) {
        tb_val x = tb_in(t->l->g, v, i);
        visit(t, x, elements(t->l, x));
    }
}

/* The node computes something: not at an operand that has memory. */
static void
compute(tally *t, tb_val v, tb_dim wanted)
{
    tb_lower *l = t->l;
    tb_prim p = tb_node_of(l->g, v)->prim;
    add_line(l, t->st, l->g->locs[v.id]);
    if (tb_prim_is_move(p)) {
        for (uint32_t i = 0; i < tb_node_of(l->g, v)->n_in; i++)
            visit(t, tb_in(l->g, v, i), fewer(l->u, wanted, elements(l, v)));
        return;
    }
    switch (p) {
    case TB_P_full:
    case TB_P_iota:
    case TB_P_dim:
        return;
    case TB_P_gather:
        visit_operands(t, v);
        for (uint32_t i = 0; i < t->reads.n; i++)
            if (t->reads.at[i].stored.id == tb_in(l->g, v, 0).id)
                t->reads.at[i].elements =
                    fewer(l->u, elements(l, v), t->reads.at[i].elements);
        return;
    case TB_P_dot:
    case TB_P_conv_nhwc:
    case TB_P_attention:
    case TB_P_attention_lse:
    case TB_P_attention_grad:
        add_flops(t, anchor_flops(l, v));
        break;
    default:
        if (tb_prim_is_map(p) || tb_node_of(l->g, v)->n_in == 0)
            add_flops(t, elements(l, v));
        else
            add_flops(t, elements(l, tb_in(l->g, v, 0)));
    }
    visit_operands(t, v);
}

static void
visit(tally *t, tb_val v, tb_dim wanted)
{
    tb_lower *l = t->l;
    if (v.id != l->group->root.id) {
        tb_val stored = tb_storage(l->gs, v);
        if (stored.id) {
            add_read(t, stored, wanted);
            return;
        }
    }
    if (tb_mark(l->marks, v.id))
        compute(t, v, wanted);
}

/* ---- steps ---- */
static tb_dim
binding_bytes(const tally *t, const tb_binding *b)
{
    tb_lower *l = t->l;
    if (b->kind == TB_BIND_PACKED)
        return (tb_dim)l->u->consts.at[b->packed].n_bytes;
    if (b->kind == TB_BIND_TEMP)
        return l->out->temps.at[b->temp].bytes;
    tb_dim n = elements(l, b->node);
    for (uint32_t i = 0; i < t->reads.n && !b->written; i++)
        if (t->reads.at[i].stored.id == b->node.id)
            n = t->reads.at[i].elements;
    return times(l->u, n, (tb_dim)tb_dtype_bytes(tb_dtype_of(l->g, b->node)));
}

void
tb_lower_work(tb_lower *l, uint32_t first_step)
{
    uint32_t last = l->out->steps.n - 1;
    for (uint32_t s = first_step; s <= last; s++) {
        tally t = {.l = l, .st = l->out->steps.at[s]};
        add_line(l, t.st, t.st->loc);
        if (s == last) {
            tb_marks_begin(l->marks);
            visit(&t, l->group->root, elements(l, l->group->root));
        }
        t.st->flops = t.flops;
        t.st->bytes = 0;
        for (uint32_t i = 0; i < t.st->bindings.n; i++)
            t.st->bytes = plus(l->u, t.st->bytes, binding_bytes(&t, &t.st->bindings.at[i]));
    }
}

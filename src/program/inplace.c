/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * inplace.c -- scatters that write into the memory of their base instead of a copy of it.
 *
 * One row of a cache is written where the cache lies if nobody needs what was there: every
 * other use of the base comes before the scatter. The base is
 *
 *   - a global, if the scatter's result (or that of a chain of scatters) is written back to
 *     it at the end of the function; neither the copy nor the write remains;
 *   - a loop's carried value, if the result is that value of the next round;
 *   - a value of this frame.
 *
 * The first kernel of a scatter's group copies the base (kernel/scatter.c): it is left out.
 */
#include "program/internal.h"

typedef struct plan {
    tb_writer *w;
    tb_frame *f;
    const tb_graph *g;
    const tb_groups *gs;
    uint32_t *last;   /* by stored node: the last node that uses it other than by a copy */
    uint32_t *copied; /* by stored node: groups that copy it */
} plan;

static void
used(plan *p, tb_val v, uint32_t by)
{
    if (v.id && p->last[v.id] < by)
        p->last[v.id] = by;
}

/* The group of the scatter v, or NULL. */
static const tb_group *
scatter_of(const plan *p, tb_val v)
{
    uint32_t no = v.id ? p->gs->group_of[v.id] : 0;
    const tb_group *gr = no ? &p->gs->at.at[no - 1] : NULL;

    return gr && gr->kind == TB_GROUP_SCATTER ? gr : NULL;
}

/* The node whose memory is the base of scatter v; none if it is computed on the way. */
static tb_val
base_of(const plan *p, tb_val v)
{
    return tb_storage(p->gs, tb_in(p->g, v, 0));
}

static void
find_uses(plan *p)
{
    const tb_lowered *low = p->f->b->low;
    const tb_graph *g = p->g;
    bool *live = tb_live(g, &p->w->u->cx->keep);

    for (uint32_t i = 0; i < p->gs->at.n; i++) {
        tb_val root = p->gs->at.at[i].root;
        uint32_t step = low->first_step.at[i];
        uint32_t end = i + 1 < p->gs->at.n ? low->first_step.at[i + 1] : low->steps.n;
        if (scatter_of(p, root) && end - step == 2 && base_of(p, root).id) {
            p->copied[base_of(p, root).id]++;
            step++;
        }
        for (; step < end; step++)
            for (uint32_t b = 0; b < low->steps.at[step]->bindings.n; b++) {
                const tb_binding *bind = &low->steps.at[step]->bindings.at[b];
                if (bind->kind == TB_BIND_NODE && bind->node.id != root.id)
                    used(p, bind->node, root.id);
            }
    }
    for (uint32_t id = 1; id < g->n; id++) {
        if (!live[id] || !tb_w_is_event(g, id))
            continue;
        for (uint32_t i = 0; i < g->nodes[id].n_in; i++)
            used(p, tb_storage(p->gs, tb_in(g, (tb_val){id}, i)), id);
    }
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].id)
            used(p, tb_storage(p->gs, g->outputs.at[i]), g->n);
    for (uint32_t i = 0; i < g->effects.n; i++)
        if (tb_node_of(g, g->effects.at[i])->prim == TB_P_write)
            used(p, tb_storage(p->gs, tb_in(g, g->effects.at[i], 0)), g->n);
}

/* Does memory that starts as `source` (a read or input, several nodes may be it) hold what
 * scatter v left there when the frame ends? Everything on the way from `source` to v must
 * be scatters whose bases nobody uses once they are overwritten. */
static bool
chain_ends_at(const plan *p, tb_val v, tb_prim source, int64_t index)
{
    for (;;) {
        if (!scatter_of(p, v))
            return false;
        tb_val base = base_of(p, v);
        if (!base.id || p->copied[base.id] != 1)
            return false;
        const tb_node *n = tb_node_of(p->g, base);
        if (n->prim == source && tb_attrs(p->g, base)[0] == index) {
            for (uint32_t id = 1; id < p->g->n; id++) {
                tb_val o = {id};
                if (p->g->nodes[id].prim == source && tb_attrs(p->g, o)[0] == index &&
                    (p->last[id] >= v.id || p->copied[id] > (id == base.id)))
                    return false;
            }
            return true;
        }
        if (p->last[base.id] >= v.id)
            return false;
        v = base;
    }
}

/* The chain's values lie in buffer `buf`, and its copies are left out. */
static void
put_chain(plan *p, tb_val v, uint32_t buf)
{
    while (scatter_of(p, v)) {
        p->f->buf_of[v.id] = buf + 1;
        p->f->in_place[v.id] = true;
        v = base_of(p, v);
    }
}

static void
globals(plan *p)
{
    const tb_graph *g = p->g;

    for (uint32_t i = 0; i < g->effects.n; i++) {
        tb_val e = g->effects.at[i];
        if (tb_node_of(g, e)->prim != TB_P_write)
            continue;
        int64_t global = tb_attrs(g, e)[0];
        tb_val v = tb_storage(p->gs, tb_in(g, e, 0));
        bool only = true;
        for (uint32_t k = 0; k < g->effects.n; k++)
            only = only && (k == i || tb_node_of(g, g->effects.at[k])->prim != TB_P_write ||
                            tb_attrs(g, g->effects.at[k])[0] != global);
        if (only && !p->f->buf_of[v.id] && chain_ends_at(p, v, TB_P_read, global))
            put_chain(p, v, tb_w_add_buf(p->w, TB_BUF_GLOBAL, (uint32_t)global));
    }
}

static void
carried(plan *p)
{
    for (uint32_t i = 0; i < p->g->outputs.n; i++) {
        tb_val v = p->g->outputs.at[i].id ? tb_storage(p->gs, p->g->outputs.at[i]) : TB_NO_VAL;
        if (v.id && !p->f->buf_of[v.id] && chain_ends_at(p, v, TB_P_input, i))
            put_chain(p, v, p->f->args[i]);
    }
}

void
tb_w_in_place(tb_writer *w, tb_frame *f, bool loop)
{
    tb_arena *a = &w->u->cx->keep;
    plan p = {.w = w, .f = f, .g = f->b->g, .gs = f->b->gs};
    bool any = false;

    for (uint32_t i = 0; i < p.gs->at.n; i++)
        any = any || p.gs->at.at[i].kind == TB_GROUP_SCATTER;
    if (!any)
        return;
    p.last = TB_NEWN(a, uint32_t, p.g->n);
    p.copied = TB_NEWN(a, uint32_t, p.g->n);
    find_uses(&p);
    if (f == w->top)
        globals(&p);
    if (loop)
        carried(&p);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest_memory.c -- what a nest tells memory: which of its stores need not be in a cache, and
 * what it will read next.
 *
 * The hardware follows a stream of reads by itself, but only within a page, and it stops where
 * a row is read again and again. An out-of-order window of a few hundred instructions is some
 * lines when each line is computed with for long. So loads of large tensors ask for what is
 * further on: the row after this one while this one, in the first cache by then, is computed
 * with; or, if rows are long, a fixed stretch of memory.
 */
#include "kernel/nest.h"

enum { PAST_CACHES = 32 << 20, /* bytes of a result */
       LONG_ROW = 16 << 10,    /* bytes: more is not in the first cache when read again */
       ENOUGH = 2048 };        /* bytes between what is read and what is asked for, at least */

/* Does anything of this function read v? */
static bool
is_read(const tb_graph *g, tb_val v)
{
    for (uint32_t id = v.id + 1; id < g->n; id++)
        for (uint32_t i = 0; i < g->nodes[id].n_in; i++)
            if (tb_in(g, (tb_val){id}, i).id == v.id &&
                (g->nodes[id].prim != TB_P_reshape || is_read(g, (tb_val){id})))
                return true;
    return false;
}

/* A result so large that caches would not hold it, and read by nobody here: lines that are
 * written whole need not be read first. */
bool
tb_nest_past_caches(const tb_nest *n)
{
    const tb_graph *g = n->l->g;
    tb_val root = n->gr->root;
    double bytes = tb_elements_hint(g, root) * (double)tb_dtype_bytes(tb_dtype_of(g, root));

    return bytes >= PAST_CACHES && (!n->kept.id || n->row.id) && !is_read(g, root);
}

/* The pass that computes while memory brings the next row: not the first over the row, which
 * waits for memory itself, if another one reads it. */
static uint32_t
busy_pass(const tb_nest *n)
{
    bool again = n->stages.n == 1 ? n->lane != UINT32_MAX : n->stages.n > 1;
    return again && !(n->kept.id && n->kept_stage == 0) ? 1 : 0;
}

void
tb_nest_ahead(tb_nest *n, const tb_nest_stage *s)
{
    tb_lower *l = n->l;
    uint32_t pass = s ? (uint32_t)(s - n->stages.at) : n->stages.n;
    uint32_t var = !s || s->n_vars == 0 ? n->lane : s->vars[s->n_vars - 1];

    l->ahead = (tb_ahead){.var = UINT32_MAX};
    if (n->lane_outer || var == UINT32_MAX)
        return;
    double row = tb_nest_hint(n, var) * tb_dtype_bytes(tb_dtype_of(l->g, n->gr->root));
    if (row > LONG_ROW) {
        if (pass == 0)
            l->ahead.var = var;
    } else if (pass == busy_pass(n) && n->n_outer && (s ? s->n_vars : n->n_inner) <= 1) {
        l->ahead.var = n->outer[n->n_outer - 1];
        l->ahead.steps = (int64_t)(ENOUGH / row) + 1;
    }
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest_nan.c -- maxima that need not look for NaN.
 *
 * A maximum is NaN if any element is, which costs three instructions where one would do. A
 * softmax takes the maximum off its row and divides by the sum of what comes out: with a NaN
 * in the row the sum is NaN, and so is all that is made with it, whatever the maximum was. So a
 * maximum may pass over NaN if the root is the same without it: in a row that holds a NaN,
 * whatever depends on the maximum is NaN by a sum of that row.
 */
#include "kernel/nest.h"

enum { DIFFERS = 1, /* in a row with a NaN, it depends on whether the maximum saw it */
       IS_NAN = 2,  /* all of it is NaN in such a row */
       HOLDS = 4 }; /* NaN wherever the maximum's operand is */

typedef struct seen {
    tb_val node;
    uint32_t state;
} seen;

typedef struct walk {
    const tb_nest *n;
    tb_val maximum, x; /* the reduction and its operand */
    TB_VEC(seen) seen;
    tb_map by_node; /* hash of a node to its place in seen + 1 */
} walk;

static uint32_t state_of(walk *w, tb_val v);

/* Is the result NaN if an operand is? */
static bool
carries_nan(tb_prim p)
{
    switch (p) {
    case TB_P_add:
    case TB_P_sub:
    case TB_P_mul:
    case TB_P_div:
    case TB_P_neg:
    case TB_P_exp:
    case TB_P_expm1:
    case TB_P_log:
    case TB_P_log1p:
    case TB_P_sqrt:
        return true;
    default:
        return false;
    }
}

static uint32_t
of_map(walk *w, tb_val v)
{
    const tb_graph *g = w->n->l->g;
    const tb_node *n = tb_node_of(g, v);
    uint32_t all = 0;
    bool cast = n->prim == TB_P_cast && tb_dtype_is_float(n->dtype) &&
                tb_dtype_is_float(tb_dtype_of(g, tb_in(g, v, 0)));

    for (uint32_t i = 0; i < n->n_in; i++)
        all |= state_of(w, tb_in(g, v, i));
    if (!cast && !carries_nan(n->prim)) /* NaN on both sides is no difference */
        return all & DIFFERS;
    return all & IS_NAN ? IS_NAN | (all & HOLDS) : all;
}

static uint32_t
of_reduction(walk *w, tb_val v)
{
    const tb_graph *g = w->n->l->g;
    tb_val in = tb_in(g, v, 0);
    uint32_t s = state_of(w, in);
    bool same_row = tb_rank(g, in) == tb_rank(g, w->x) &&
                    tb_attrs(g, v)[0] == tb_attrs(g, w->maximum)[0];

    for (int i = 0; same_row && i < tb_rank(g, in); i++)
        same_row = tb_dims(g, in)[i] == tb_dims(g, w->x)[i];
    if (tb_node_of(g, v)->prim == TB_P_rsum && same_row && s & (HOLDS | IS_NAN))
        return IS_NAN;
    return s & DIFFERS;
}

static uint32_t
computed(walk *w, tb_val v)
{
    const tb_nest *n = w->n;
    const tb_graph *g = n->l->g;
    uint32_t all = 0;

    if (v.id == w->maximum.id)
        return DIFFERS;
    if (v.id == w->x.id)
        return HOLDS;
    for (uint32_t r = 0; r < n->gr->reductions.n; r++)
        if (n->gr->reductions.at[r].node.id == v.id)
            return of_reduction(w, v);
    if (v.id != n->gr->root.id && tb_storage(n->l->gs, v).id)
        return 0;
    switch (tb_node_of(g, v)->prim) {
    case TB_P_reshape:
    case TB_P_permute:
    case TB_P_expand:
    case TB_P_slice:
        return state_of(w, tb_in(g, v, 0)) & ~(uint32_t)HOLDS;
    default:
        break;
    }
    if (tb_prim_is_map(tb_node_of(g, v)->prim))
        return of_map(w, v);
    for (uint32_t i = 0; i < tb_node_of(g, v)->n_in; i++)
        all |= state_of(w, tb_in(g, v, i));
    return all & DIFFERS;
}

static uint32_t
state_of(walk *w, tb_val v)
{
    uint64_t h = tb_hash_u64(v.id, 0);
    uint32_t cursor = 0, at, state;

    while ((at = tb_map_next(&w->by_node, h, &cursor)) != 0)
        if (w->seen.at[at - 1].node.id == v.id)
            return w->seen.at[at - 1].state;
    state = computed(w, v);
    TB_PUSH(&w->n->l->u->cx->keep, &w->seen, ((seen){v, state}));
    tb_map_put(&w->by_node, h, w->seen.n);
    return state;
}

bool
tb_nest_passes_nan(const tb_nest *n, uint32_t r)
{
    const tb_graph *g = n->l->g;
    tb_val v = n->gr->reductions.at[r].node;
    walk w = {.n = n, .maximum = v, .x = tb_in(g, v, 0),
              .by_node = {.arena = &n->l->u->cx->keep}};

    return tb_node_of(g, v)->prim == TB_P_rmax && tb_dtype_is_float(tb_dtype_of(g, w.x)) &&
           n->gr->reductions.n > 1 && !(state_of(&w, n->gr->root) & DIFFERS);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * graph.c -- storage of nodes: append, find the same, walk what is needed.
 *
 * Nodes are found by a hash of everything that defines them (primitive, type, operands,
 * attributes), so common subexpressions never exist twice. Nodes whose meaning depends
 * on when they run are always new, and those that must run even if nobody uses them are
 * listed in `effects` here, in one place, for builders, parsers and passes alike.
 */
#include "graph/internal.h"

enum { IS_MAP = 1, IS_FOLD = 2, IS_OTHER = 4 };
static const struct {
    const char *name;
    uint8_t family, arity;
} prims[] = {
    {"none", 0, 0},
#define MAP(name, arity, result, f, i) {#name, IS_MAP, arity},
#define FOLD(name, map, result) {#name, IS_FOLD, 1},
#define PRIM(name, operands, attributes) {#name, IS_OTHER, 0},
#include "graph/prims.def"
};
_Static_assert(TB_COUNT(prims) == TB_P_END, "a row per primitive");

bool
tb_prim_is_map(tb_prim p)
{
    return p < TB_P_END && prims[p].family == IS_MAP;
}

bool
tb_prim_is_fold(tb_prim p)
{
    return p < TB_P_END && prims[p].family == IS_FOLD;
}

bool
tb_prim_is_move(tb_prim p)
{
    return p >= TB_P_permute && p <= TB_P_concat;
}

bool
tb_prim_is_pure(tb_prim p)
{
    return p != TB_P_read && p != TB_P_write && p != TB_P_assert && p != TB_P_item &&
           p != TB_P_cond && p != TB_P_while && p != TB_P_call && p != TB_P_aten;
}

const char *
tb_prim_name(tb_prim p)
{
    return p < TB_P_END ? prims[p].name : "?";
}

int
tb_prim_arity(tb_prim p)
{
    return p < TB_P_END ? prims[p].arity : 0;
}

tb_graph *
tb_graph_new(tb_unit *u)
{
    tb_arena *a = &u->cx->keep;
    tb_graph *g = TB_NEW(a, tb_graph);

    g->unit = u;
    g->seen.arena = a;
    g->cap = 64;
    g->nodes = TB_NEWN(a, tb_node, g->cap);
    g->locs = TB_NEWN(a, tb_loc, g->cap);
    g->names = TB_NEWN(a, tb_str, g->cap);
    g->n = 1;
    TB_PUSH(a, &u->graphs, g);
    return g;
}

static void
reserve_node(tb_graph *g)
{
    tb_arena *a = &g->unit->cx->keep;
    uint32_t c1 = g->cap, c2 = g->cap;

    if (g->n < g->cap)
        return;
    if (g->n >= UINT32_MAX / 4)
        tb_raise(g->unit->cx, g->loc, TB_OUT_OF_RANGE, "graph has too many nodes");
    tb_vec_grow(a, (void **)&g->locs, &c1, g->n + 1, sizeof *g->locs);
    tb_vec_grow(a, (void **)&g->names, &c2, g->n + 1, sizeof *g->names);
    tb_vec_grow(a, (void **)&g->nodes, &g->cap, g->n + 1, sizeof *g->nodes);
    /* The arrays share one capacity: the smallest. */
    g->cap = c1 < g->cap ? c1 : g->cap;
    g->cap = c2 < g->cap ? c2 : g->cap;
}

static uint32_t
push_words(tb_graph *g, const int64_t *w, uint32_t n)
{
    tb_arena *a = &g->unit->cx->keep;
    uint32_t at = g->words.n;

    tb_vec_grow(a, (void **)&g->words.at, &g->words.cap, at + n, sizeof *w);
    if (n)
        memcpy(g->words.at + at, w, n * sizeof *w);
    g->words.n += n;
    return at;
}

static uint32_t
push_operands(tb_graph *g, const tb_val *in, uint32_t n)
{
    tb_arena *a = &g->unit->cx->keep;
    uint32_t at = g->operands.n;

    tb_vec_grow(a, (void **)&g->operands.at, &g->operands.cap, at + n, sizeof *in);
    if (n)
        memcpy(g->operands.at + at, in, n * sizeof *in);
    g->operands.n += n;
    return at;
}

static bool
same_node(const tb_graph *g, uint32_t id, const tb_node *n, const tb_dim *dims,
          const tb_val *in, const int64_t *attr)
{
    const tb_node *m = &g->nodes[id];

    return m->prim == n->prim && m->dtype == n->dtype && m->rank == n->rank &&
           m->n_in == n->n_in && m->n_attr == n->n_attr &&
           (!n->rank || !memcmp(g->words.at + m->dims, dims, n->rank * sizeof *dims)) &&
           (!n->n_in || !memcmp(g->operands.at + m->in, in, n->n_in * sizeof *in)) &&
           (!n->n_attr ||
            !memcmp(g->words.at + m->attr, attr, n->n_attr * sizeof *attr));
}

static uint64_t
hash_node(const tb_node *n, const tb_dim *dims, const tb_val *in, const int64_t *attr)
{
    uint64_t h = tb_hash_u64(n->prim | (uint64_t)n->dtype << 16 |
                                 (uint64_t)n->rank << 24 | (uint64_t)n->n_in << 32,
                             n->n_attr);

    for (uint32_t i = 0; i < n->rank; i++)
        h = tb_hash_u64((uint64_t)dims[i], h);
    for (uint32_t i = 0; i < n->n_in; i++)
        h = tb_hash_u64(in[i].id, h);
    for (uint32_t i = 0; i < n->n_attr; i++)
        h = tb_hash_u64((uint64_t)attr[i], h);
    return h;
}

static bool
graph_has_effects(const tb_graph *g, int64_t index)
{
    const tb_unit *u = g->unit;

    /* A body that is not there yet is being built: assume the worst. */
    if (index < 0 || index >= u->graphs.n || !u->graphs.at[index])
        return true;
    return u->graphs.at[index]->effects.n > 0;
}

/* A captured call is wanted for its effect if it has no result, or if it is one of the
 * in-place operators, whose names end in `_` ("aten.add_.Tensor"). */
static bool
call_has_effects(const tb_call *c)
{
    const char *dot;

    if (!c->n_results && !c->result_is_list)
        return true;
    if (tb_str_prefix(c->name, "aten.") && c->name.len > 6) {
        dot = memchr(c->name.ptr + 5, '.', c->name.len - 5);
        if (!dot)
            dot = c->name.ptr + c->name.len;
        return dot[-1] == '_' && dot[-2] != '_';
    }
    return false;
}

static bool
is_root(const tb_graph *g, tb_prim p, const int64_t *attr)
{
    switch (p) {
    case TB_P_write:
    case TB_P_assert:
    case TB_P_item: /* its symbol may be used in dims, which are not operands */
        return true;
    case TB_P_cond:
    case TB_P_while:
        return graph_has_effects(g, attr[0]) || graph_has_effects(g, attr[1]);
    case TB_P_call:
        return graph_has_effects(g, attr[0]);
    case TB_P_aten:
        return call_has_effects(&g->calls.at[attr[0]]);
    default: /* most primitives */
        return false;
    }
}

tb_val
tb_add(tb_graph *g, tb_prim p, tb_dtype dtype, int rank, const tb_dim *dims,
       const tb_val *in, uint32_t n_in, const int64_t *attr, uint32_t n_attr)
{
    tb_unit *u = g->unit;
    tb_node n = {.prim = (uint16_t)p,
                 .dtype = (uint8_t)dtype,
                 .rank = (uint8_t)rank,
                 .n_in = n_in,
                 .n_attr = n_attr};
    tb_dim canon[TB_MAX_RANK];
    uint64_t h = 0;
    uint32_t at = 0, id;

    tb_check_rank(g, tb_prim_name(p), rank);
    for (uint32_t i = 0; i < n_in; i++)
        TB_CHECK(in[i].id != 0 && in[i].id < g->n);
    /* An input keeps its dims as declared: symbols get their values from there, also
     * those that turned out to equal others. */
    for (int i = 0; i < rank; i++)
        canon[i] = p == TB_P_input ? dims[i] : tb_dim_canon(u, dims[i]);
    if (tb_prim_is_pure(p)) {
        h = hash_node(&n, canon, in, attr);
        while ((id = tb_map_next(&g->seen, h, &at)) != 0)
            if (same_node(g, id, &n, canon, in, attr))
                return (tb_val){id};
    }
    reserve_node(g);
    id = g->n;
    n.dims = push_words(g, canon, (uint32_t)rank);
    n.attr = push_words(g, attr, n_attr);
    n.in = push_operands(g, in, n_in);
    g->nodes[id] = n;
    g->locs[id] = g->loc;
    g->names[id] = (tb_str){"", 0};
    g->n++;
    if (tb_prim_is_pure(p))
        tb_map_put(&g->seen, h, id);
    else if (is_root(g, p, g->words.at + n.attr))
        TB_PUSH(&u->cx->keep, &g->effects, (tb_val){id});
    return (tb_val){id};
}

bool *
tb_live(const tb_graph *g, tb_arena *a)
{
    bool *live = TB_NEWN(a, bool, g->n);

    for (uint32_t i = 0; i < g->outputs.n; i++)
        live[g->outputs.at[i].id] = true;
    for (uint32_t i = 0; i < g->effects.n; i++)
        live[g->effects.at[i].id] = true;
    live[0] = false;
    /* Operands have smaller ids: one walk backwards is enough. */
    for (uint32_t id = g->n; id-- > 1;) {
        const tb_node *n = &g->nodes[id];

        for (uint32_t i = 0; live[id] && i < n->n_in; i++)
            live[g->operands.at[n->in + i].id] = true;
    }
    return live;
}

double
tb_elements_hint(const tb_graph *g, tb_val v)
{
    double n = 1;

    for (int i = 0; i < tb_rank(g, v); i++)
        n *= (double)tb_dim_hint(g->unit, tb_dims(g, v)[i]);
    return n;
}

tb_val
tb_behind_expand(const tb_graph *g, tb_val v)
{
    while (tb_node_of(g, v)->prim == TB_P_expand || tb_node_of(g, v)->prim == TB_P_reshape)
        v = tb_in(g, v, 0);
    return v;
}

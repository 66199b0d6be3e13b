/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * unit.c -- one compilation's tables: functions, constants, source locations.
 */
#include "graph/graph.h"

tb_unit *
tb_unit_new(tb_ctx *cx, tb_str name)
{
    tb_unit *u = TB_NEW(&cx->keep, tb_unit);

    u->cx = cx;
    u->name = tb_strdup(&cx->keep, name);
    u->seen_exprs.arena = u->seen_locs.arena = u->seen_consts.arena = &cx->keep;
    TB_PUSH(&cx->keep, &u->locs, (tb_location){0});
    cx->unit = u;
    return u;
}

/* The returned pointer is good until the next tb_unit_func: the array moves when it
 * grows. Who keeps a function across that keeps its index. */
tb_func *
tb_unit_func(tb_unit *u, tb_str name)
{
    tb_func f = {.name = tb_strdup(&u->cx->keep, name), .exported = true};

    f.body = tb_graph_new(u);
    TB_PUSH(&u->cx->keep, &u->funcs, f);
    return &u->funcs.at[u->funcs.n - 1];
}

/* ---- before and after a compilation ---- */

tb_unit_mark
tb_unit_mark_of(const tb_unit *u)
{
    return (tb_unit_mark){u->graphs.n, u->consts.n, u->messages.n};
}

static void
index_constants(void *arg)
{
    tb_unit *u = arg;
    uint32_t n = u->consts.n;

    /* The index knows constants that are gone: it is made anew. */
    u->seen_consts = (tb_map){.arena = &u->cx->keep};
    u->consts.n = 0;
    for (uint32_t i = 0; i < n; i++)
        tb_unit_const(u, u->consts.at[i]);
}

void
tb_unit_return(tb_unit *u, tb_unit_mark m)
{
    bool fewer = u->consts.n > m.consts;

    u->graphs.n = m.graphs;
    u->messages.n = m.messages;
    if (!fewer)
        return;
    u->consts.n = m.consts;
    tb_status_free(tb_guard(u->cx, index_constants, u)); /* nothing in there is new */
}

/* ---- constants ---- */

static bool
same_const(const tb_const *a, const tb_const *b)
{
    if (a->bytes != b->bytes || a->recipe != b->recipe || a->n_bytes != b->n_bytes || a->dtype != b->dtype ||
        a->rank != b->rank || a->external != b->external ||
        memcmp(a->dims, b->dims, sizeof a->dims[0] * a->rank) != 0)
        return false;
    /* Without bytes of its own only the name says which data is meant. */
    if (a->external || (!a->bytes && !a->recipe))
        return tb_str_eq(a->name, b->name) && tb_str_eq(a->scope, b->scope);
    return true;
}

uint32_t
tb_unit_const(tb_unit *u, tb_const c)
{
    const void *data = c.recipe ? (const void *)c.recipe : c.bytes;
    uint64_t h = tb_hash_u64((uint64_t)(uintptr_t)data, c.n_bytes);
    uint32_t at = 0, v;

    if (c.rank > TB_MAX_RANK)
        tb_raise(u->cx, (tb_loc){0}, TB_INVALID_ARGUMENT,
                 "constant: rank %d is above the limit of %d", c.rank, TB_MAX_RANK);
    h = tb_hash(c.dims, sizeof c.dims[0] * c.rank, h + c.dtype);
    if (c.external || !data)
        h = tb_hash(c.name.ptr, c.name.len, h);
    while ((v = tb_map_next(&u->seen_consts, h, &at)) != 0)
        if (same_const(&u->consts.at[v - 1], &c))
            return v - 1;
    c.name = tb_strdup(&u->cx->keep, c.name);
    c.scope = tb_strdup(&u->cx->keep, c.scope);
    TB_PUSH(&u->cx->keep, &u->consts, c);
    tb_map_put(&u->seen_consts, h, u->consts.n);
    return u->consts.n - 1;
}

/* ---- locations ---- */

static bool
same_loc(const tb_location *a, const tb_location *b)
{
    return a->line == b->line && a->col == b->col && tb_str_eq(a->file, b->file) &&
           tb_str_eq(a->func, b->func) && tb_str_eq(a->path, b->path) &&
           tb_str_eq(a->op, b->op);
}

tb_loc
tb_unit_loc(tb_unit *u, tb_location l)
{
    tb_arena *a = &u->cx->keep;
    uint64_t h = tb_hash_u64((uint64_t)l.line << 32 | l.col, l.op.len);
    uint32_t at = 0, v;

    h = tb_hash(l.file.ptr, l.file.len, h);
    h = tb_hash(l.func.ptr, l.func.len, h);
    h = tb_hash(l.path.ptr, l.path.len, h);
    h = tb_hash(l.op.ptr, l.op.len, h);
    if (same_loc(&l, &u->locs.at[0]))
        return (tb_loc){0};
    while ((v = tb_map_next(&u->seen_locs, h, &at)) != 0)
        if (same_loc(&u->locs.at[v], &l))
            return (tb_loc){v};
    l.file = tb_strdup(a, l.file);
    l.func = tb_strdup(a, l.func);
    l.path = tb_strdup(a, l.path);
    l.op = tb_strdup(a, l.op);
    TB_PUSH(a, &u->locs, l);
    tb_map_put(&u->seen_locs, h, u->locs.n - 1);
    return (tb_loc){u->locs.n - 1};
}

const tb_location *
tb_loc_get(const tb_unit *u, tb_loc loc)
{
    return &u->locs.at[loc.id < u->locs.n ? loc.id : 0];
}

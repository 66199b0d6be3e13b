/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * decompose.c -- from ATen calls to primitives: runs the body of each call's row.
 *
 * What we lack is collected from the whole graph before anything is built, so that a user
 * sees all of it at once. Types that the source declares are checked against what the
 * primitives infer; sizes that are not known to be equal become equalities of the unit,
 * which the program checks when it is called.
 */
#include "op/body.h"
#include "op/schema.h"

typedef struct decomposer {
    const tb_graph *from;
    tb_graph *to;
    tb_val *map;            /* of each node of `from` */
    const tb_val **results; /* of each ATen node of `from` */
} decomposer;

static const tb_call *
call_of(const tb_graph *g, tb_val v)
{
    return &g->calls.at[tb_attrs(g, v)[0]];
}

static const tb_op *
row_of(const tb_call *call)
{
    return call->op ? call->op : tb_op_find(call->name);
}

/* Graphs that a node refers to are its first attributes. */
static uint32_t
n_graphs(const tb_node *n)
{
    return n->prim == TB_P_cond || n->prim == TB_P_while ? 2 : n->prim == TB_P_call;
}

/* ---- what we lack ---- */

typedef struct missing {
    tb_str name;
    tb_loc first;
    uint32_t uses;
} missing;
typedef TB_VEC(missing) missing_list;

static void
note_missing(tb_arena *a, missing_list *list, tb_str name, tb_loc loc)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (tb_str_eq(list->at[i].name, name)) {
            list->at[i].uses++;
            return;
        }
    }
    TB_PUSH(a, list, ((missing){name, loc, 1}));
}

static void
find_missing(const tb_graph *g, missing_list *list)
{
    tb_arena *a = &g->unit->cx->scratch;
    const bool *live = tb_live(g, a);

    for (uint32_t id = 1; id < g->n; id++) {
        tb_val v = {id};
        const tb_node *n = tb_node_of(g, v);

        if (!live[id])
            continue;
        if (n->prim == TB_P_aten && !row_of(call_of(g, v)))
            note_missing(a, list, call_of(g, v)->name, g->locs[id]);
        for (uint32_t i = 0; i < n_graphs(n); i++)
            find_missing(g->unit->graphs.at[tb_attrs(g, v)[i]], list);
    }
}

/* "model.py:12: aten.foo.default is not supported (3 uses, in module layer.0)" */
static tb_str
describe(tb_unit *u, const missing *m)
{
    tb_arena *a = &u->cx->keep;
    tb_str s = tb_sprintf(a, "%.*s is not supported", TB_FMT(m->name));
    const tb_location *l = m->first.id ? tb_loc_get(u, m->first) : NULL;
    const char *open = " (";

    if (m->uses > 1) {
        s = tb_sprintf(a, "%.*s (%u uses", TB_FMT(s), m->uses);
        open = ", first ";
    }
    if (l && l->path.len) {
        s = tb_sprintf(a, "%.*s%sin module %.*s", TB_FMT(s), open, TB_FMT(l->path));
        open = ", ";
    }
    if (open[0] == ',')
        s = tb_sprintf(a, "%.*s)", TB_FMT(s));
    if (!l || !l->file.len)
        return s;
    if (!l->line)
        return tb_sprintf(a, "%.*s: %.*s", TB_FMT(l->file), TB_FMT(s));
    return tb_sprintf(a, "%.*s:%u: %.*s", TB_FMT(l->file), l->line, TB_FMT(s));
}

static void
check_missing(const tb_graph *g)
{
    missing_list list = {0};
    tb_unit *u = g->unit;
    tb_str s = TB_STR("");

    find_missing(g, &list);
    for (uint32_t i = 0; i < list.n; i++)
        s = tb_sprintf(&u->cx->keep, "%.*s%s%.*s", TB_FMT(s), i ? "\n" : "",
                       TB_FMT(describe(u, &list.at[i])));
    if (list.n)
        tb_raise(u->cx, (tb_loc){0}, TB_UNSUPPORTED, "%.*s", TB_FMT(s));
}

/* ---- declared types ---- */

static tb_str
type_text(tb_unit *u, tb_dtype t, int rank, const tb_dim *dims)
{
    tb_arena *a = &u->cx->keep;
    tb_str s = tb_sprintf(a, "%s[", tb_dtype_name(t));

    for (int i = 0; i < rank; i++) {
        tb_str d = dims[i] == TB_DIM_UNKNOWN ? TB_STR("?") : tb_dim_text(u, a, dims[i]);

        s = tb_sprintf(a, "%.*s%s%.*s", TB_FMT(s), i ? ", " : "", TB_FMT(d));
    }
    return tb_sprintf(a, "%.*s]", TB_FMT(s));
}

static void
check_type(tb_opctx *c, uint32_t i, tb_val v, const tb_type *want)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    int rank = tb_rank(g, v);
    bool same = tb_dtype_of(g, v) == want->dtype && rank == want->rank;

    for (int k = 0; same && k < rank; k++) {
        tb_dim a = tb_dims(g, v)[k], b = want->dims[k];

        same = a == b || b == TB_DIM_UNKNOWN || !tb_dim_is_const(a) ||
               !tb_dim_is_const(b);
    }
    if (!same)
        tb_body_raise(c, "result %u is declared %.*s, but follows as %.*s", i,
                      TB_FMT(type_text(u, (tb_dtype)want->dtype, want->rank, want->dims)),
                      TB_FMT(type_text(u, tb_dtype_of(g, v), rank, tb_dims(g, v))));
    for (int k = 0; k < rank; k++) {
        tb_dim a = tb_dims(g, v)[k], b = want->dims[k];

        if (b != TB_DIM_UNKNOWN && !tb_dim_eq(u, a, b))
            tb_dim_assume_eq(u, a, b, c->loc);
    }
}

/* ---- calls ---- */

static tb_arg
mapped(const decomposer *d, tb_arg a, tb_loc loc)
{
    if (a.kind == TB_ARG_TENSOR) {
        if (a.v.id && !d->map[a.v.id].id)
            tb_raise(d->to->unit->cx, loc, TB_INVALID_ARGUMENT,
                     "an operand is not a tensor but a call: it needs a `result`");
        a.v = d->map[a.v.id];
    } else if (a.kind == TB_ARG_DIM) {
        a.d = tb_dim_canon(d->to->unit, a.d);
    } else if (a.kind == TB_ARG_LIST) {
        tb_arg *at = TB_NEWN(&d->to->unit->cx->keep, tb_arg, a.list.n + 1);

        for (uint32_t i = 0; i < a.list.n; i++)
            at[i] = mapped(d, a.list.at[i], loc);
        a.list.at = at;
    }
    return a;
}

static void
take_results(decomposer *d, tb_opctx *c, tb_val single, tb_val node)
{
    const tb_call *call = c->call;
    const tb_val *v = &single;
    tb_val *keep;
    uint32_t n = 1;

    if (c->list)
        v = c->list, n = c->n_list;
    else if (c->n_out)
        v = c->out, n = c->n_out;
    else if (!single.id)
        n = 0;
    if (call->n_results > n)
        tb_body_raise(c, "%u results are declared, it has %u", call->n_results, n);
    for (uint32_t i = 0; i < call->n_results; i++)
        if (v[i].id && call->results[i].dtype != TB_NONE)
            check_type(c, i, v[i], &call->results[i]);
    keep = TB_NEWN(&d->to->unit->cx->scratch, tb_val, n + 1);
    if (n)
        memcpy(keep, v, n * sizeof *v);
    d->results[node.id] = keep;
}

/* Draws of one seed lie 2^40 blocks apart: none is that long. */
static void
set_seed(tb_opctx *c, const tb_arg *args, uint32_t n, uint32_t n_seed)
{
    tb_graph *g = c->g;

    g->seed = TB_NO_VAL;
    if (!n_seed)
        return;
    if (n < n_seed || args[0].kind != TB_ARG_TENSOR || args[1].kind != TB_ARG_INT ||
        args[1].i < 0 || args[1].i >= 1 << 23)
        tb_body_raise(c, "expected a seed and a number of the draw below 2^23");
    g->seed = args[0].v;
    g->drawn = tb_full_i(g, TB_I64, 0, NULL, (int64_t)args[1].i << 40);
}

static void
spell_call(decomposer *d, tb_val node)
{
    tb_graph *to = d->to;
    tb_ctx *cx = to->unit->cx;
    const tb_call *call = call_of(d->from, node);
    const tb_op *op = row_of(call);
    const tb_schema *s = tb_op_schema(cx, op);
    tb_opctx c = {.g = to, .call = call, .loc = d->from->locs[node.id]};
    tb_arg *args = TB_NEWN(&cx->keep, tb_arg, call->n_args + 1);
    uint32_t n_seed = tb_op_seed_args(call->name);
    tb_arg *bound;

    to->loc = c.loc;
    for (uint32_t i = 0; i < call->n_args; i++)
        args[i] = mapped(d, call->args[i], c.loc);
    set_seed(&c, args, call->n_args < n_seed ? call->n_args : n_seed, n_seed);
    bound = (tb_arg *)tb_bind_args(cx, s, args + n_seed, call->n_args - n_seed, NULL, NULL,
                                   0, c.loc);
    if (op->promote != TB_KEEP)
        tb_promote_args(&c, s, op->promote, bound);
    c.arg = bound;
    c.n_args = s->n_args;
    take_results(d, &c, op->body(&c), node);
}

static void
take_result(decomposer *d, tb_val v)
{
    const tb_graph *from = d->from;
    tb_val node = tb_in(from, v, 0);
    int64_t number = tb_attrs(from, v)[0];
    const tb_call *call = call_of(from, node);
    tb_val r = {0};

    if (number < call->n_results)
        r = d->results[node.id][number];
    if (!r.id)
        tb_raise(d->to->unit->cx, from->locs[v.id], TB_UNSUPPORTED,
                 "%.*s: result %lld is not available", TB_FMT(call->name),
                 (long long)number);
    d->map[v.id] = r;
    if (d->to->names[r.id].len == 0)
        d->to->names[r.id] = from->names[v.id];
}

/* ---- graphs ---- */

static tb_graph *decompose(const tb_graph *from);

static uint32_t
decompose_index(tb_unit *u, int64_t index)
{
    tb_graph *g = decompose(u->graphs.at[index]);

    for (uint32_t i = u->graphs.n; i-- > 0;)
        if (u->graphs.at[i] == g)
            return i;
    TB_UNREACHABLE();
}

/* The same node over decomposed bodies. */
static tb_val
spell_control(decomposer *d, tb_val v)
{
    const tb_graph *from = d->from;
    const tb_node *n = tb_node_of(from, v);
    tb_unit *u = d->to->unit;
    int64_t *attr = tb_dup(&u->cx->scratch, tb_attrs(from, v), n->n_attr * sizeof *attr);
    tb_val *in = TB_NEWN(&u->cx->scratch, tb_val, n->n_in + 1);

    for (uint32_t i = 0; i < n_graphs(n); i++)
        attr[i] = decompose_index(u, attr[i]);
    for (uint32_t i = 0; i < n->n_in; i++)
        in[i] = d->map[tb_in(from, v, i).id];
    d->to->loc = from->locs[v.id];
    return tb_add(d->to, (tb_prim)n->prim, (tb_dtype)n->dtype, n->rank, tb_dims(from, v),
                  in, n->n_in, attr, n->n_attr);
}

static tb_graph *
decompose(const tb_graph *from)
{
    tb_unit *u = from->unit;
    tb_arena *a = &u->cx->scratch;
    decomposer d = {.from = from, .to = tb_graph_new(u)};
    const bool *live = tb_live(from, a);

    d.map = TB_NEWN(a, tb_val, from->n);
    d.results = TB_NEWN(a, const tb_val *, from->n);
    for (uint32_t id = 1; id < from->n; id++) {
        tb_val v = {id};
        const tb_node *n = tb_node_of(from, v);

        if (!live[id])
            continue;
        if (n->prim == TB_P_aten)
            spell_call(&d, v);
        else if (n->prim == TB_P_result && tb_node_of(from, tb_in(from, v, 0))->prim ==
                                               TB_P_aten)
            take_result(&d, v);
        else if (n_graphs(n))
            d.map[id] = spell_control(&d, v);
        else
            d.map[id] = tb_copy_node(d.to, from, v, d.map);
    }
    d.to->loc = (tb_loc){0};
    for (uint32_t i = 0; i < from->outputs.n; i++)
        TB_PUSH(&u->cx->keep, &d.to->outputs, d.map[from->outputs.at[i].id]);
    return d.to;
}

tb_graph *
tb_decompose(tb_graph *in)
{
    check_missing(in);
    return decompose(in);
}

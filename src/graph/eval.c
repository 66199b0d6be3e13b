/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval.c -- the reference evaluator: the meaning of a graph of primitives.
 *
 * A graph is run node by node in the order of ids, dead nodes left out. Symbols get their
 * values first from the shapes and integers of the inputs, later from `item` nodes; every
 * dimension of every result is then a number. Bodies of cond, while and call run the same
 * way with the symbols of their own inputs bound anew, and what they bind is forgotten
 * when they return.
 */
#include "graph/eval.h"

typedef struct frame {
    tensor *at;     /* by node id */
    tensor **multi; /* results of cond, while, call by node id */
} frame;

static void run(ev *e, const tb_graph *g, const tensor *in, uint32_t n_in, tensor *out);

void
tb_ev_raise(ev *e, const char *fmt, ...)
{
    const tb_graph *g = e->g;
    tb_str what;
    va_list ap;

    va_start(ap, fmt);
    what = tb_vsprintf(&e->cx->scratch, fmt, ap);
    va_end(ap);
    if (g && e->v.id)
        tb_raise(e->cx, g->locs[e->v.id], TB_INVALID_ARGUMENT, "%%%u = %s: %.*s", e->v.id,
                 tb_prim_name(g->nodes[e->v.id].prim), TB_FMT(what));
    tb_raise(e->cx, (tb_loc){0}, TB_INVALID_ARGUMENT, "%.*s", TB_FMT(what));
}

int64_t
tb_ev_count(const tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i];
    return n;
}

void
tb_ev_strides(const tensor *t, int64_t *strides)
{
    int64_t n = 1;

    for (int i = t->rank; i-- > 0; n *= t->dims[i])
        strides[i] = n;
}

tensor
tb_ev_new(ev *e, tb_dtype dtype, int rank, const int64_t *dims)
{
    tensor t = {.dtype = dtype, .rank = rank};
    int64_t bytes = (int64_t)tb_dtype_bytes(dtype);

    for (int i = 0; i < rank; i++) {
        t.dims[i] = dims[i];
        if (dims[i] < 0)
            tb_ev_raise(e, "axis %d would have size %lld", i, (long long)dims[i]);
        if (!tb_mul_ok(bytes, dims[i], &bytes))
            tb_ev_raise(e, "the result is too large");
    }
    t.data = tb_alloc(&e->cx->scratch, (size_t)bytes);
    return t;
}

/* ---- symbols ---- */

typedef struct unknowns {
    ev *e;
    uint32_t n; /* symbols without a value */
    uint32_t sym;
} unknowns;

static void
see_symbol(void *user, uint32_t sym)
{
    unknowns *k = user;

    if (!k->e->known[sym] && !(k->n && k->sym == sym)) {
        k->n++;
        k->sym = sym;
    }
}

static uint32_t
unknown_in(ev *e, tb_dim d, uint32_t *sym)
{
    unknowns k = {.e = e};

    if (!tb_dim_is_const(d))
        tb_dim_syms(e->u, d, see_symbol, &k);
    *sym = k.sym;
    return k.n;
}

int64_t
tb_ev_dim(ev *e, tb_dim d)
{
    uint32_t sym;

    if (tb_dim_is_const(d))
        return d;
    if (unknown_in(e, d, &sym))
        tb_ev_raise(e, "symbol %.*s has no value yet", TB_FMT(e->u->syms.at[sym].name));
    return tb_dim_eval(e->u, d, e->syms);
}

tensor
tb_ev_result(ev *e)
{
    const tb_dim *d = tb_dims(e->g, e->v);
    int64_t dims[TB_MAX_RANK];
    int rank = tb_rank(e->g, e->v);

    for (int i = 0; i < rank; i++)
        dims[i] = tb_ev_dim(e, d[i]);
    return tb_ev_new(e, tb_dtype_of(e->g, e->v), rank, dims);
}

static void set_symbol(ev *e, uint32_t sym, int64_t value);

/* The symbol that d is, or -1. */
static int64_t
plain_symbol(const ev *e, tb_dim d)
{
    if (tb_dim_is_const(d) || e->u->exprs.at[d - TB_DIM_EXPR].op != TB_DIM_SYM)
        return -1;
    return e->u->exprs.at[d - TB_DIM_EXPR].a;
}

/* sym has got its value: so have those that were found to be equal to it, or to what
 * follows from it. A size that a result was declared with is known in no other way. */
static void
bind_equals(ev *e, uint32_t sym)
{
    int64_t other = plain_symbol(e, e->u->syms.at[sym].same_as);
    uint32_t missing;

    if (other >= 0 && !e->known[other])
        set_symbol(e, (uint32_t)other, e->syms[sym]);
    for (uint32_t i = 0; i < e->n_syms; i++) {
        tb_dim d = e->u->syms.at[i].same_as;

        if (d && !e->known[i] && !unknown_in(e, d, &missing))
            set_symbol(e, i, tb_dim_eval(e->u, d, e->syms));
    }
}

static void
set_symbol(ev *e, uint32_t sym, int64_t value)
{
    const tb_sym *s = &e->u->syms.at[sym];

    if (value < s->min || value > s->max)
        tb_ev_raise(e, "%.*s = %lld is outside its range %lld..%lld", TB_FMT(s->name),
                    (long long)value, (long long)s->min, (long long)s->max);
    e->syms[sym] = value;
    e->known[sym] = true;
    bind_equals(e, sym);
}

/* d must be `value`: defines the one unknown symbol in d if d is linear in it. */
static void
bind(ev *e, tb_dim d, int64_t value)
{
    int64_t at0, slope;
    uint32_t sym;

    if (tb_dim_is_const(d) || unknown_in(e, d, &sym) != 1)
        return;
    e->syms[sym] = 0;
    at0 = tb_dim_eval(e->u, d, e->syms);
    e->syms[sym] = 1;
    slope = tb_dim_eval(e->u, d, e->syms) - at0;
    if (slope && (value - at0) % slope == 0)
        set_symbol(e, sym, (value - at0) / slope);
}

static void
forget(ev *e, tb_dim d)
{
    const tb_dim_expr *x;

    if (tb_dim_is_const(d))
        return;
    x = &e->u->exprs.at[d - TB_DIM_EXPR];
    if (x->op == TB_DIM_SYM)
        e->known[x->a] = false;
}

/* Gives the symbols in the types of g's inputs their values and checks the rest. */
static void
bind_inputs(ev *e, const tb_graph *g, const tensor *in, uint32_t n_in)
{
    for (int pass = 0; pass < 4; pass++) {
        /* 0: forget what an outer call bound; 1, 2: plain symbols, then sums that have one
         * symbol left; 3: check */
        for (uint32_t id = 1; id < g->n; id++) {
            const tb_node *n = &g->nodes[id];
            tb_val v = {id};
            int64_t k;

            if (n->prim != TB_P_input)
                continue;
            e->g = g, e->v = v;
            k = tb_attrs(g, v)[0];
            if (k < 0 || k >= n_in)
                tb_ev_raise(e, "expected more than %lld inputs, found %u", (long long)k, n_in);
            if (in[k].dtype != n->dtype)
                tb_ev_raise(e, "input %lld: expected %s, found %s", (long long)k,
                            tb_dtype_name(n->dtype), tb_dtype_name(in[k].dtype));
            if (in[k].rank != n->rank)
                tb_ev_raise(e, "input %lld: expected rank %d, found %d", (long long)k, n->rank,
                            in[k].rank);
            for (int i = 0; i < n->rank; i++) {
                tb_dim d = tb_dims(g, v)[i];

                if (pass == 0)
                    forget(e, d);
                else if (pass < 3)
                    bind(e, d, in[k].dims[i]);
                else if (tb_ev_dim(e, d) != in[k].dims[i])
                    tb_ev_raise(e, "input %lld, axis %d: expected size %lld, found %lld",
                                (long long)k, i, (long long)tb_ev_dim(e, d),
                                (long long)in[k].dims[i]);
            }
        }
    }
    e->v = TB_NO_VAL;
}

static void
check_equalities(ev *e)
{
    const tb_unit *u = e->u;
    uint32_t sym;

    for (uint32_t i = 0; i < u->equalities.n; i++) {
        const tb_equality *q = &u->equalities.at[i];

        if (unknown_in(e, q->a, &sym) || unknown_in(e, q->b, &sym))
            continue; /* about an item that does not exist yet */
        if (tb_ev_dim(e, q->a) != tb_ev_dim(e, q->b)) {
            tb_arena *s = &e->cx->scratch;
            tb_str a = tb_dim_text(e->u, s, q->a), b = tb_dim_text(e->u, s, q->b);

            tb_raise(e->cx, q->loc, TB_INVALID_ARGUMENT,
                     "%.*s = %lld and %.*s = %lld must be equal", TB_FMT(a),
                     (long long)tb_ev_dim(e, q->a), TB_FMT(b),
                     (long long)tb_ev_dim(e, q->b));
        }
    }
}

/* ---- nodes with a graph inside ---- */

static void
run_body(ev *e, int64_t graph, const tensor *in, uint32_t n_in, tensor *out)
{
    const tb_graph *g = e->g;
    tb_val v = e->v;
    tb_arena *a = &e->cx->scratch;
    int64_t *syms = tb_dup(a, e->syms, e->n_syms * sizeof *syms);
    bool *known = tb_dup(a, e->known, e->n_syms * sizeof *known);

    if (graph < 0 || graph >= e->u->graphs.n)
        tb_ev_raise(e, "there is no graph %lld", (long long)graph);
    run(e, e->u->graphs.at[graph], in, n_in, out);
    e->syms = syms;
    e->known = known;
    e->g = g;
    e->v = v;
}

static tensor *
control(ev *e, tb_prim p, const tensor *const *in, uint32_t n_in, const int64_t *attr)
{
    tb_arena *a = &e->cx->scratch;
    uint32_t skip = p == TB_P_cond, n = n_in - skip;
    tensor *args = TB_NEWN(a, tensor, n);
    int64_t body = attr[0];

    for (uint32_t i = 0; i < n; i++)
        args[i] = *in[skip + i];
    if (p == TB_P_while) {
        tensor go;

        for (;;) {
            tensor *next = TB_NEWN(a, tensor, e->u->graphs.at[attr[1]]->outputs.n);

            run_body(e, attr[0], args, n, &go);
            if (!tb_ev_int(&go, 0))
                return args;
            run_body(e, attr[1], args, n, next);
            args = next;
        }
    }
    if (p == TB_P_cond)
        body = tb_ev_int(in[0], 0) ? attr[0] : attr[1];
    tensor *out = TB_NEWN(a, tensor, e->u->graphs.at[body]->outputs.n);
    run_body(e, body, args, n, out);
    return out;
}

/* A composite is what its expansion computes, for the sizes at hand. */
static tensor
composite(ev *e, const tensor *const *in, uint32_t n_in)
{
    tb_graph *x = tb_graph_new(e->u);
    tensor *args = TB_NEWN(&e->cx->scratch, tensor, n_in), r;
    tb_val *vals = TB_NEWN(&e->cx->scratch, tb_val, n_in), v;
    const tb_graph *g = e->g;
    tb_val at = e->v;

    e->u->graphs.n--; /* x is ours alone: not a body of the unit */
    x->loc = g->locs[at.id];
    for (uint32_t i = 0; i < n_in; i++) {
        args[i] = *in[i];
        vals[i] = tb_input(x, (int)i, in[i]->dtype, in[i]->rank, in[i]->dims);
    }
    v = tb_composite_expand(x, g, at, vals);
    TB_PUSH(&e->cx->keep, &x->outputs, v);
    run(e, x, args, n_in, &r);
    e->g = g;
    e->v = at;
    return r;
}

/* ---- a node ---- */

static tensor
constant(ev *e, int64_t index)
{
    const tb_const *c = &e->u->consts.at[index];
    tensor t = {.dtype = c->dtype, .rank = c->rank, .data = (void *)(uintptr_t)c->bytes};

    memcpy(t.dims, c->dims, sizeof c->dims[0] * c->rank);
    if (!c->bytes && tb_ev_count(&t))
        tb_ev_raise(e, "constant %lld (%.*s) has no data here", (long long)index,
                    TB_FMT(c->name));
    return t; /* nobody writes to a value */
}

static void
copy_data(tensor *to, const tensor *from)
{
    if (tb_ev_count(from))
        memcpy(to->data, from->data, (size_t)tb_ev_count(from) * tb_dtype_bytes(from->dtype));
}

static tensor
state(ev *e, tb_prim p, const tensor *const *in, int64_t index)
{
    tensor *t, r = {0};

    if (!e->globals || index < 0 || index >= e->u->globals.n)
        tb_ev_raise(e, "there is no global %lld", (long long)index);
    t = &e->globals[index];
    if (p == TB_P_read) {
        r = tb_ev_new(e, t->dtype, t->rank, t->dims);
        copy_data(&r, t);
    } else {
        if (t->dtype != in[0]->dtype || tb_ev_count(t) != tb_ev_count(in[0]))
            tb_ev_raise(e, "global %lld has another type", (long long)index);
        copy_data(t, in[0]);
    }
    return r;
}

static uint32_t
symbol_of(tb_unit *u, int64_t attr)
{
    /* an index, or the symbol as a dimension */
    return tb_dim_is_const(attr) ? (uint32_t)attr
                                 : (uint32_t)u->exprs.at[attr - TB_DIM_EXPR].a;
}

static tensor
eval_node(ev *e, frame *f, const tensor *args, const tensor *const *in)
{
    const tb_graph *g = e->g;
    const tb_node *n = tb_node_of(g, e->v);
    const int64_t *attr = tb_attrs(g, e->v);
    tb_prim p = n->prim;
    tensor none = {0}, r;
    int64_t k;

    if (tb_prim_is_map(p))
        return tb_ev_map(e, p, in);
    if (tb_prim_is_fold(p))
        return tb_ev_fold(e, p, in[0], (uint32_t)attr[0]);
    if (tb_prim_is_move(p))
        return tb_ev_move(e, p, in, n->n_in, attr);
    switch (p) {
    case TB_P_cumsum:
    case TB_P_cumprod:
    case TB_P_cummax:
    case TB_P_cummin:
        return tb_ev_scan(e, p, in[0], (int)attr[0]);
    case TB_P_input:
        return args[attr[0]];
    case TB_P_const:
        return constant(e, attr[0]);
    case TB_P_full:
        return tb_ev_full(e, attr[0]);
    case TB_P_iota:
        return tb_ev_iota(e, (int)attr[0]);
    case TB_P_dim:
        r = tb_ev_result(e);
        k = tb_ev_dim(e, attr[0]);
        tb_ev_store_int(&r, 0, 1, &k);
        return r;
    case TB_P_complex:
    case TB_P_imag:
        return tb_ev_complex(e, p, in);
    case TB_P_dot:
        return tb_ev_dot(e, in[0], in[1]);
    case TB_P_gather:
        return tb_ev_gather(e, in, n->n_in, (uint32_t)attr[0]);
    case TB_P_scatter:
        return tb_ev_scatter(e, in, n->n_in, (uint32_t)attr[0], (int)attr[1]);
    case TB_P_argsort:
        return tb_ev_argsort(e, in[0], (int)attr[0], attr[1] != 0);
    case TB_P_tri_solve:
    case TB_P_cholesky:
    case TB_P_lu:
    case TB_P_qr:
    case TB_P_jacobi:
    case TB_P_schur:
        return tb_ev_linalg(e, p, in, attr);
    case TB_P_exchange:
        return tb_ev_exchange(e, in[0]);
    case TB_P_rand:
        return tb_ev_rand(e, tb_ev_int(in[0], 0), tb_ev_int(in[1], 0));
    case TB_P_conv:
    case TB_P_conv_nhwc:
    case TB_P_attention:
    case TB_P_attention_lse:
    case TB_P_attention_grad:
        return composite(e, in, n->n_in);
    case TB_P_read:
    case TB_P_write:
        return state(e, p, in, attr[0]);
    case TB_P_assert:
        if (!tb_ev_int(in[0], 0))
            tb_raise(e->cx, g->locs[e->v.id], TB_INVALID_ARGUMENT, "%.*s",
                     TB_FMT(e->u->messages.at[attr[0]]));
        return none;
    case TB_P_item:
        set_symbol(e, symbol_of(e->u, attr[0]), tb_ev_int(in[0], 0));
        return none;
    case TB_P_cond:
    case TB_P_while:
    case TB_P_call:
        f->multi[e->v.id] = control(e, p, in, n->n_in, attr);
        return none;
    case TB_P_result:
        return f->multi[tb_in(g, e->v, 0).id][attr[0]];
    case TB_P_aten:
        tb_ev_raise(e, "%.*s is not spelled in primitives yet",
                    TB_FMT(g->calls.at[attr[0]].name));
    default: /* maps, folds and movement are above */
        TB_UNREACHABLE();
    }
}

/* Inference and evaluation must agree; a difference is our fault. */
static void
check_result(ev *e, const tensor *r)
{
    const tb_node *n = tb_node_of(e->g, e->v);

    if (n->dtype == TB_NONE)
        return;
    if (r->dtype != n->dtype || r->rank != n->rank)
        tb_ev_raise(e, "evaluated to another type than was inferred");
    for (int i = 0; i < r->rank; i++)
        if (r->dims[i] != tb_ev_dim(e, tb_dims(e->g, e->v)[i]))
            tb_ev_raise(e, "axis %d: expected size %lld, found %lld", i,
                        (long long)tb_ev_dim(e, tb_dims(e->g, e->v)[i]),
                        (long long)r->dims[i]);
}

static size_t
bytes_of(const tensor *t)
{
    return t->dtype == TB_NONE ? 0 : (size_t)tb_ev_count(t) * tb_dtype_bytes(t->dtype);
}

/* Is the value of a node memory of its own? */
static bool
is_own(tb_prim p)
{
    return tb_prim_is_map(p) || tb_prim_is_fold(p) || tb_prim_is_move(p) || p == TB_P_full;
}

/* By node: the last that reads its value, where the memory may go then; else 0. */
static uint32_t *
last_uses(const tb_graph *g, const bool *live, tb_arena *a)
{
    uint32_t *last = TB_NEWN(a, uint32_t, g->n);

    for (uint32_t id = 1; id < g->n; id++)
        for (uint32_t i = 0; live[id] && i < g->nodes[id].n_in; i++)
            last[tb_in(g, (tb_val){id}, i).id] = id;
    for (uint32_t id = 1; id < g->n; id++) {
        tb_prim p = g->nodes[id].prim;
        bool hands_on = p == TB_P_cond || p == TB_P_while || p == TB_P_call;
        if (!is_own(p))
            last[id] = 0;
        for (uint32_t i = 0; hands_on && i < g->nodes[id].n_in; i++)
            last[tb_in(g, (tb_val){id}, i).id] = 0;
    }
    for (uint32_t i = 0; i < g->outputs.n; i++)
        last[g->outputs.at[i].id] = 0;
    return last;
}

static void
drop_operands(ev *e, frame *f, const uint32_t *last)
{
    const tb_node *n = tb_node_of(e->g, e->v);

    for (uint32_t i = 0; i < n->n_in; i++) {
        uint32_t x = tb_in(e->g, e->v, i).id;
        if (last[x] != e->v.id || !f->at[x].data)
            continue;
        tb_arena_drop(&e->cx->scratch, f->at[x].data, bytes_of(&f->at[x]));
        f->at[x].data = NULL;
    }
}

static void
run(ev *e, const tb_graph *g, const tensor *args, uint32_t n_in, tensor *out)
{
    tb_arena *a = &e->cx->scratch;
    frame f = {TB_NEWN(a, tensor, g->n), TB_NEWN(a, tensor *, g->n)};
    bool *live = tb_live(g, a);
    const uint32_t *last = last_uses(g, live, a);
    const tensor **in = NULL;
    uint32_t room = 0;

    bind_inputs(e, g, args, n_in);
    for (uint32_t id = 1; id < g->n; id++) {
        const tb_node *n = &g->nodes[id];

        if (!live[id])
            continue;
        if (n->n_in > room) {
            room = n->n_in * 2;
            in = TB_NEWN(a, const tensor *, room);
        }
        for (uint32_t i = 0; i < n->n_in; i++)
            in[i] = &f.at[tb_in(g, (tb_val){id}, i).id];
        e->g = g;
        e->v = (tb_val){id};
        f.at[id] = eval_node(e, &f, args, in);
        check_result(e, &f.at[id]);
        drop_operands(e, &f, last);
    }
    for (uint32_t i = 0; i < g->outputs.n; i++)
        out[i] = f.at[g->outputs.at[i].id]; /* a zero tensor (dtype TB_NONE) for none */
    e->v = TB_NO_VAL;
}

void
tb_eval(tb_unit *u, const tb_func *f, const tb_eval_tensor *inputs, uint32_t n_inputs,
        tb_eval_tensor *globals, tb_arena *arena, tb_eval_tensor *outputs)
{
    tb_ctx *cx = u->cx;
    ev e = {.u = u, .cx = cx, .globals = globals, .n_syms = u->syms.n};

    if (n_inputs != f->inputs.n)
        tb_raise(cx, (tb_loc){0}, TB_INVALID_ARGUMENT, "%.*s: expected %u inputs, found %u",
                 TB_FMT(f->name), f->inputs.n, n_inputs);
    e.syms = TB_NEWN(&cx->scratch, int64_t, e.n_syms);
    e.known = TB_NEWN(&cx->scratch, bool, e.n_syms);
    for (uint32_t i = 0; i < e.n_syms; i++) {
        const tb_sym *s = &u->syms.at[i];

        if (s->kind == TB_SYM_ARG && s->arg < n_inputs && inputs[s->arg].rank == 0)
            set_symbol(&e, i, tb_ev_int(&inputs[s->arg], 0));
    }
    run(&e, f->body, inputs, n_inputs, outputs);
    check_equalities(&e);
    for (uint32_t i = 0; i < f->body->outputs.n; i++) {
        tensor *t = &outputs[i];
        void *made = t->data;

        t->data = tb_dup(arena, made, bytes_of(t));
        for (uint32_t k = i + 1; k < f->body->outputs.n; k++)
            if (outputs[k].data == made) /* still to be copied */
                made = NULL;
        for (uint32_t k = 0; k < n_inputs; k++)
            if (inputs[k].data == made) /* the caller's */
                made = NULL;
        if (made)
            tb_arena_drop(&cx->scratch, made, bytes_of(t));
    }
}

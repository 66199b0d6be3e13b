/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * verify.c -- is a graph well-formed?
 *
 * First what later checks rely on (operands come earlier, counts and ranges of operands
 * and attributes), then every node is built again from its operands by the constructors
 * that all passes use, and must come out with the same type. Whatever a pass got wrong
 * about shapes or dtypes shows here, next to the pass, and not in a kernel.
 */
#include <setjmp.h>

#include "graph/text.h"

typedef struct verifier {
    const tb_graph *g;
    tb_ctx *cx;
    tb_code code;
    uint32_t id;
} verifier;

static TB_NORETURN void TB_PRINTF(2, 3)
fault(const verifier *k, const char *fmt, ...)
{
    const tb_graph *g = k->g;
    tb_str text;
    va_list ap;

    va_start(ap, fmt);
    text = tb_vsprintf(&k->cx->keep, fmt, ap);
    va_end(ap);
    if (!k->id)
        tb_raise(k->cx, (tb_loc){0}, k->code, "graph: %.*s", TB_FMT(text));
    tb_raise(k->cx, g->locs[k->id], k->code, "%%%u = %s: %.*s", k->id,
             tb_prim_name((tb_prim)g->nodes[k->id].prim), TB_FMT(text));
}

/* ---- counts and ranges ---- */

static void
operand_range(tb_prim p, uint32_t *min, uint32_t *max)
{
    uint32_t n = 0;

    *max = UINT32_MAX;
    if (tb_prim_is_map(p))
        n = (uint32_t)tb_prim_arity(p);
    else if (tb_prim_is_fold(p) || p == TB_P_write || p == TB_P_assert || p == TB_P_item ||
             p == TB_P_result || p == TB_P_argsort ||
             (p >= TB_P_cholesky && p <= TB_P_exchange) || p == TB_P_imag || (p >= TB_P_cumsum && p <= TB_P_window))
        n = p == TB_P_pad ? 2 : 1;
    else if (p == TB_P_dot || p == TB_P_tri_solve || p == TB_P_rand || p == TB_P_complex)
        n = 2;
    *min = *max = n;
    switch (p) {
    case TB_P_concat:
    case TB_P_cond:
        *min = 1, *max = UINT32_MAX;
        return;
    case TB_P_gather:
        *min = 2, *max = 1 + TB_MAX_RANK;
        return;
    case TB_P_scatter:
        *min = 3, *max = 2 + TB_MAX_RANK;
        return;
    case TB_P_conv:
    case TB_P_conv_nhwc:
        *min = 2, *max = 3;
        return;
    case TB_P_attention:
    case TB_P_attention_lse:
        *min = 3, *max = 4;
        return;
    case TB_P_attention_grad:
        *min = 6, *max = 7;
        return;
    case TB_P_while:
    case TB_P_call:
    case TB_P_aten:
        *max = UINT32_MAX;
        return;
    default: /* said above */
        return;
    }
}

static void
check_attr_count(const verifier *k, const tb_node *n)
{
    tb_val v = {k->id};
    uint32_t want = 0;

    for (const tb_attr_spec *s = tb_attr_specs((tb_prim)n->prim); s->name; s++) {
        int64_t each = 1;

        if (s->count == TB_AT_RANK)
            each = tb_rank(k->g, tb_in(k->g, v, 0));
        else if (s->count == TB_AT_N)
            each = n->n_attr ? tb_attrs(k->g, v)[0] : 0;
        if (each < 0 || each > TB_MAX_RANK)
            fault(k, "%s has %lld values", s->name, (long long)each);
        want += (uint32_t)each;
    }
    if (n->prim == TB_P_aten)
        want = 1;
    if (n->n_attr != want)
        fault(k, "expected %u attributes, found %u", want, n->n_attr);
}

static void
in_range(const verifier *k, const char *what, int64_t i, uint32_t n)
{
    if (i < 0 || i >= n)
        fault(k, "there is no %s %lld", what, (long long)i);
}

/* The attributes that the constructors cannot check because they are given them whole. */
static void
check_attrs(const verifier *k, const tb_node *n)
{
    const tb_unit *u = k->g->unit;
    tb_val v = {k->id};
    const int64_t *a = tb_attrs(k->g, v);
    const tb_attr_spec *s = tb_attr_specs((tb_prim)n->prim);
    uint32_t at = 0;

    for (; s->name; s++)
        for (int64_t i = 0, c = s->count == TB_AT_ONE    ? 1
                                : s->count == TB_AT_RANK ? tb_rank(k->g, tb_in(k->g, v, 0))
                                                         : a[0];
             i < c; i++, at++) {
            bool any = s->kind == TB_AT_DIM && !tb_dim_is_const(a[at]);

            if (any && a[at] - TB_DIM_EXPR >= u->exprs.n)
                fault(k, "%s is not a size", s->name);
            if (s->kind == TB_AT_AXES &&
                (a[at] < 0 || a[at] >> tb_rank(k->g, tb_in(k->g, v, 0)) != 0))
                fault(k, "axes beyond rank %d", tb_rank(k->g, tb_in(k->g, v, 0)));
            if (s->kind == TB_AT_MODE && (a[at] < 0 || a[at] > 4))
                fault(k, "there is no mode %lld", (long long)a[at]);
            if (s->kind == TB_AT_INT && !strcmp(s->name, "axis"))
                in_range(k, "axis", a[at],
                         n->n_in ? (uint32_t)tb_rank(k->g, tb_in(k->g, v, 0)) : n->rank);
        }
    switch ((tb_prim)n->prim) {
    case TB_P_input:
        in_range(k, "input", a[0], INT32_MAX);
        return;
    case TB_P_const:
        in_range(k, "constant", a[0], u->consts.n);
        return;
    case TB_P_read:
    case TB_P_write:
        in_range(k, "global", a[0], u->globals.n);
        return;
    case TB_P_assert:
        in_range(k, "message", a[0], u->messages.n);
        return;
    case TB_P_item:
        in_range(k, "symbol", tb_attr_symbol(u, a[0]), u->syms.n);
        return;
    case TB_P_cond:
    case TB_P_while:
        in_range(k, "graph", a[0], u->graphs.n);
        in_range(k, "graph", a[1], u->graphs.n);
        return;
    case TB_P_call:
        in_range(k, "graph", a[0], u->graphs.n);
        return;
    case TB_P_aten:
        in_range(k, "call", a[0], k->g->calls.n);
        return;
    default:
        return;
    }
}

/* ---- what has no constructor that would check it ---- */

static void
expect_type(const verifier *k, const tb_node *n, tb_dtype dtype, int rank,
            const int64_t *dims)
{
    if (n->dtype != dtype || n->rank != rank)
        fault(k, "expected %s of rank %d, found %s of rank %d", tb_dtype_name(dtype), rank,
              tb_dtype_name((tb_dtype)n->dtype), n->rank);
    for (int i = 0; i < rank; i++)
        if (!tb_dim_eq(k->g->unit, tb_dims(k->g, (tb_val){k->id})[i], dims[i]))
            fault(k, "axis %d has another size than what is read", i);
}

static void
check_body(const verifier *k, int64_t graph, uint32_t n_args, tb_val first)
{
    const tb_graph *b = k->g->unit->graphs.at[graph];

    for (uint32_t id = 1; id < b->n; id++) {
        const tb_node *n = &b->nodes[id];
        const tb_node *x;
        int64_t i;

        if (n->prim != TB_P_input)
            continue;
        i = tb_attrs(b, (tb_val){id})[0];
        if (i >= n_args)
            fault(k, "graph %lld wants an argument %lld, there are %u", (long long)graph,
                  (long long)i, n_args);
        x = tb_node_of(k->g, tb_in(k->g, (tb_val){k->id}, first.id + (uint32_t)i));
        if (tb_dtype_is_complex((tb_dtype)n->dtype) &&
            x->dtype == tb_dtype_part((tb_dtype)n->dtype) && x->rank == n->rank + 1)
            continue; /* pairs of reals already outside (pass/complex.c) */
        if (x->dtype != n->dtype || x->rank != n->rank)
            fault(k, "argument %lld of graph %lld: expected %s of rank %d, found %s of rank %d",
                  (long long)i, (long long)graph, tb_dtype_name((tb_dtype)n->dtype), n->rank,
                  tb_dtype_name((tb_dtype)x->dtype), x->rank);
    }
}

static uint32_t
results_of(const verifier *k, tb_val v)
{
    const tb_unit *u = k->g->unit;
    const int64_t *a = tb_attrs(k->g, v);

    switch ((tb_prim)tb_node_of(k->g, v)->prim) {
    case TB_P_cond:
    case TB_P_call:
        return u->graphs.at[a[0]]->outputs.n;
    case TB_P_while:
        return tb_node_of(k->g, v)->n_in;
    case TB_P_aten:
        return k->g->calls.at[a[0]].n_results;
    default:
        fault(k, "%%%u has no numbered results", v.id);
    }
}

static void
check_other(const verifier *k, const tb_node *n)
{
    const tb_unit *u = k->g->unit;
    tb_val v = {k->id};
    const int64_t *a = tb_attrs(k->g, v);

    switch ((tb_prim)n->prim) {
    case TB_P_const:
        expect_type(k, n, u->consts.at[a[0]].dtype, u->consts.at[a[0]].rank,
                    u->consts.at[a[0]].dims);
        return;
    case TB_P_read:
        if (tb_dtype_is_complex(u->globals.at[a[0]].dtype) &&
            !tb_dtype_is_complex((tb_dtype)n->dtype))
            return; /* as pairs of reals (pass/complex.c) */
        expect_type(k, n, u->globals.at[a[0]].dtype, u->globals.at[a[0]].rank,
                    u->globals.at[a[0]].dims);
        return;
    case TB_P_iota:
    case TB_P_dim:
        if (n->dtype != TB_I64 || (n->prim == TB_P_dim && n->rank))
            fault(k, "expected i64, found %s", tb_dtype_name((tb_dtype)n->dtype));
        return;
    case TB_P_cond:
        check_body(k, a[0], n->n_in - 1, (tb_val){1});
        check_body(k, a[1], n->n_in - 1, (tb_val){1});
        if (u->graphs.at[a[0]]->outputs.n != u->graphs.at[a[1]]->outputs.n)
            fault(k, "the branches have different numbers of results");
        if (tb_dtype_of(k->g, tb_in(k->g, v, 0)) != TB_BOOL)
            fault(k, "the condition is not a bool");
        return;
    case TB_P_while:
        check_body(k, a[0], n->n_in, TB_NO_VAL);
        check_body(k, a[1], n->n_in, TB_NO_VAL);
        if (u->graphs.at[a[0]]->outputs.n != 1 || u->graphs.at[a[1]]->outputs.n != n->n_in)
            fault(k, "the loop's graphs have wrong numbers of results");
        return;
    case TB_P_call:
        check_body(k, a[0], n->n_in, TB_NO_VAL);
        return;
    case TB_P_result:
        in_range(k, "result", a[0], results_of(k, tb_in(k->g, v, 0)));
        return;
    default:
        return;
    }
}

static void
check_node(const verifier *k)
{
    const tb_graph *g = k->g;
    const tb_node *n = &g->nodes[k->id];
    uint32_t min, max;

    if (n->prim == TB_P_none || n->prim >= TB_P_END)
        fault(k, "there is no primitive %u", n->prim);
    if (n->rank > TB_MAX_RANK || n->dtype >= TB_DTYPE_END)
        fault(k, "the type is broken");
    operand_range((tb_prim)n->prim, &min, &max);
    if (n->n_in < min || n->n_in > max)
        fault(k, "expected %u operands, found %u", min, n->n_in);
    for (uint32_t i = 0; i < n->n_in; i++) {
        tb_val x = tb_in(g, (tb_val){k->id}, i);

        if (!x.id || x.id >= k->id)
            fault(k, "operand %u is %%%u, which is not earlier", i, x.id);
        if (tb_dtype_of(g, x) == TB_NONE && n->prim != TB_P_result)
            fault(k, "operand %u is not a tensor", i);
    }
    check_attr_count(k, n);
    check_attrs(k, n);
    check_other(k, n);
}

/* ---- building again ---- */

static void
same_type(const verifier *k, const tb_graph *again, tb_val w)
{
    tb_unit *u = k->g->unit;
    const tb_node *n = &k->g->nodes[k->id], *m = tb_node_of(again, w);
    const tb_dim *a = tb_dims(k->g, (tb_val){k->id}), *b = tb_dims(again, w);

    if (n->dtype != m->dtype)
        fault(k, "expected %s, found %s", tb_dtype_name((tb_dtype)m->dtype),
              tb_dtype_name((tb_dtype)n->dtype));
    if (n->rank != m->rank)
        fault(k, "expected rank %d, found %d", m->rank, n->rank);
    for (int i = 0; i < n->rank; i++) {
        tb_arena *s = &k->cx->scratch;

        if (a[i] == TB_DIM_UNKNOWN && n->prim == TB_P_result)
            continue;
        if (!tb_dim_eq(u, a[i], b[i]))
            fault(k, "axis %d: expected %.*s, found %.*s", i, TB_FMT(tb_dim_text(u, s, b[i])),
                  TB_FMT(tb_dim_text(u, s, a[i])));
    }
}

/* A constructor's objection is a fault of the graph: it gets the node's name and our code. */
static tb_val
build_again(const verifier *k, tb_graph *to, const tb_val *map)
{
    tb_ctx *cx = k->cx;
    tb_unit *u = k->g->unit;
    jmp_buf outer;
    volatile bool was_set = cx->unwind_set; /* longjmp leaves registers behind */
    tb_val w = TB_NO_VAL;

    memcpy(&outer, &cx->unwind, sizeof outer);
    if (setjmp(cx->unwind)) {
        memcpy(&cx->unwind, &outer, sizeof outer);
        cx->unwind_set = was_set;
        cx->unit = u;
        fault(k, "%.*s", TB_FMT(cx->message));
    }
    cx->unwind_set = true;
    cx->unit = NULL; /* no location in the inner message: fault() gives it once */
    w = tb_copy_node(to, k->g, (tb_val){k->id}, map);
    memcpy(&cx->unwind, &outer, sizeof outer);
    cx->unwind_set = was_set;
    cx->unit = u;
    return w;
}

static void
check_roots(verifier *k)
{
    const tb_graph *g = k->g;

    k->id = 0;
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        tb_val v = g->outputs.at[i];

        if (v.id >= g->n)
            fault(k, "output %u is %%%u, which does not exist", i, v.id);
        if (v.id && tb_dtype_of(g, v) == TB_NONE)
            fault(k, "output %u is not a tensor", i);
    }
    for (uint32_t i = 0; i < g->effects.n; i++)
        if (!g->effects.at[i].id || g->effects.at[i].id >= g->n ||
            (i && g->effects.at[i].id <= g->effects.at[i - 1].id))
            fault(k, "effects are not a rising list of nodes");
}

void
tb_graph_check(const tb_graph *g, tb_code code)
{
    tb_unit *u = g->unit;
    verifier k = {.g = g, .cx = u->cx, .code = code};
    uint32_t n_graphs = u->graphs.n, n_equal = u->equalities.n;
    tb_graph *again;
    tb_val *map;

    for (k.id = 1; k.id < g->n; k.id++)
        check_node(&k);
    check_roots(&k);
    again = tb_graph_new(u);
    u->graphs.n = n_graphs; /* not a body of the unit */
    map = TB_NEWN(&u->cx->keep, tb_val, g->n);
    for (k.id = 1; k.id < g->n; k.id++) {
        map[k.id] = build_again(&k, again, map);
        same_type(&k, again, map[k.id]);
        if (u->equalities.n != n_equal)
            fault(&k, "relies on equal sizes that nothing checks");
    }
}

void
tb_graph_verify(const tb_graph *g)
{
    tb_graph_check(g, TB_INTERNAL);
}

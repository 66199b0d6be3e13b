/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print_control.c -- branches and loops as torch.prim.If and torch.prim.Loop.
 *
 * The graphs they run stand in line: what was an input is the name of the value outside.
 */
#include <inttypes.h>

#include "mlir/print.h"

/* What is true of one graph only. */
typedef struct outside {
    const tb_graph *g;
    tb_str *names, *sym_values;
    uint32_t *first_result, *next_result, n_known;
    ml_known *known;
    tb_map known_keys;
    tb_loc loc;
    bool inside;
} outside;

/* Bodies are moved in. */
static void
open_body(ml_printer *p)
{
    ML_PUT(p, "{");
    p->depth++;
    tb_ml_newline(p);
}

static void
close_body(ml_printer *p)
{
    p->depth--;
    if (!p->out->failed)
        p->out->n -= 2; /* of the line that has begun */
    ML_PUT(p, "    }");
}

/* Values that are computed on the way in a body are not seen behind it. */
static outside
enter(ml_printer *p, const tb_graph *g)
{
    tb_arena *a = &p->cx->scratch;
    outside o = {.g = p->g,
                 .names = p->names,
                 .sym_values = p->sym_values,
                 .first_result = p->first_result,
                 .next_result = p->next_result,
                 .n_known = p->known.n,
                 .known = p->known.at,
                 .known_keys = p->known_keys,
                 .loc = p->loc,
                 .inside = p->inside};

    p->g = g;
    p->names = TB_NEWN(a, tb_str, g->n + 1);
    p->sym_values =
        tb_dup(a, o.sym_values, (p->u->syms.n + 1) * sizeof *p->sym_values);
    p->known.at = NULL;
    p->known.n = p->known.cap = 0;
    p->known_keys = (tb_map){.arena = a};
    p->inside = true;
    tb_ml_index_results(p);
    return o;
}

static void
leave(ml_printer *p, const outside *o)
{
    p->g = o->g;
    p->names = o->names;
    p->sym_values = o->sym_values;
    p->first_result = o->first_result;
    p->next_result = o->next_result;
    p->known.at = o->known;
    p->known.n = p->known.cap = o->n_known;
    p->known_keys = o->known_keys;
    p->loc = o->loc;
    p->inside = o->inside;
}

/* The nodes of p->g with the values `in` for its inputs. */
static void
put_nodes(ml_printer *p, const tb_str *in)
{
    for (uint32_t id = 1; id < p->g->n; id++) {
        tb_val v = {id};

        if (tb_node_of(p->g, v)->prim == TB_P_input)
            p->names[id] = in[tb_attrs(p->g, v)[0]];
        tb_ml_put_node(p, v);
    }
}

static tb_str *
operand_names(ml_printer *p, tb_val v, uint32_t from)
{
    const tb_node *n = tb_node_of(p->g, v);
    tb_str *at = TB_NEWN(&p->cx->scratch, tb_str, n->n_in + 1);

    for (uint32_t i = from; i < n->n_in; i++)
        at[i - from] = p->names[tb_in(p->g, v, i).id];
    return at;
}

/* `%r:3 = ` for those results of the node that `place` counts, in that order. */
typedef struct results {
    tb_str name;
    uint32_t n;
    int32_t *place; /* of each result of the node, -1 if it is not one of the text */
} results;

static void
put_results(ml_printer *p, const results *r)
{
    if (!r->n)
        return;
    ML_PUT(p, "%%%.*s", TB_FMT(r->name));
    if (r->n > 1)
        ML_PUT(p, ":%" PRIu32, r->n);
    ML_PUT(p, " = ");
}

static void
name_results(ml_printer *p, tb_val node, const results *r, const tb_str *others)
{
    for (uint32_t id = p->first_result[node.id]; id; id = p->next_result[id]) {
        int64_t k = tb_attrs(p->g, (tb_val){id})[0];

        if (r->place[k] < 0)
            p->names[id] = others[k];
        else if (r->n == 1)
            p->names[id] = r->name;
        else
            p->names[id] = tb_sprintf(&p->cx->scratch, "%.*s#%" PRId32, TB_FMT(r->name),
                                      r->place[k]);
        if (r->place[k] >= 0)
            tb_ml_put_bind(p, p->names[id], tb_dtype_of(p->g, (tb_val){id}),
                           tb_rank(p->g, (tb_val){id}), tb_dims(p->g, (tb_val){id}));
    }
}

/* Types of all results in order; where nobody takes one, the type inside. */
static void
put_output_types(ml_printer *p, tb_val node, const tb_graph *g, const results *r)
{
    const char *comma = "";

    for (uint32_t k = 0; k < g->outputs.n; k++) {
        tb_val taken = TB_NO_VAL;

        if (r->place[k] < 0)
            continue;
        for (uint32_t id = p->first_result[node.id]; id; id = p->next_result[id])
            if (tb_attrs(p->g, (tb_val){id})[0] == k)
                taken = (tb_val){id};
        ML_PUT(p, "%s", comma);
        comma = ", ";
        if (taken.id)
            tb_ml_put_node_type(p, taken);
        else
            tb_ml_put_type(p, tb_dtype_of(g, g->outputs.at[k]),
                           tb_rank(g, g->outputs.at[k]), tb_dims(g, g->outputs.at[k]));
    }
}

/* `%a, %b : type, type` for the outputs of p->g that are among the results. */
static void
put_outputs(ml_printer *p, const results *r)
{
    const char *comma = "";

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t k = 0; k < p->g->outputs.n; k++) {
            tb_val v = p->g->outputs.at[k];

            if (r->place[k] < 0)
                continue;
            ML_PUT(p, "%s", comma);
            comma = ", ";
            if (pass)
                tb_ml_put_node_type(p, v);
            else
                ML_PUT(p, "%%%.*s", TB_FMT(p->names[v.id]));
        }
        comma = " : ";
        if (!r->n)
            return;
    }
}

/* ---- cond ---- */

static void
put_branch(ml_printer *p, const tb_graph *g, const tb_str *in, const results *r)
{
    outside o = enter(p, g);

    put_nodes(p, in);
    p->loc = o.loc;
    ML_PUT(p, "    torch.prim.If.yield");
    if (r->n)
        ML_PUT(p, " ");
    put_outputs(p, r);
    tb_ml_end(p);
    leave(p, &o);
}

static void
put_cond(ml_printer *p, tb_val v)
{
    const int64_t *graphs = tb_attrs(p->g, v);
    const tb_graph *then = p->u->graphs.at[graphs[0]],
                   *other = p->u->graphs.at[graphs[1]];
    tb_val pred = tb_in(p->g, v, 0);
    tb_str *in = operand_names(p, v, 1);
    tb_str b = tb_ml_put_bool(p, p->names[pred.id], pred);
    results r = {.n = then->outputs.n};

    r.place = TB_NEWN(&p->cx->scratch, int32_t, r.n + 1);
    for (uint32_t k = 0; k < r.n; k++)
        r.place[k] = (int32_t)k;
    r.name = r.n ? tb_ml_name(p, TB_STR("")) : TB_STR("");
    ML_PUT(p, "    ");
    put_results(p, &r);
    ML_PUT(p, "torch.prim.If %%%.*s -> (", TB_FMT(b));
    put_output_types(p, v, then, &r);
    ML_PUT(p, ") ");
    open_body(p);
    put_branch(p, then, in, &r);
    close_body(p);
    ML_PUT(p, " else ");
    open_body(p);
    put_branch(p, other, in, &r);
    close_body(p);
    tb_ml_end(p);
    name_results(p, v, &r, NULL);
}

/* ---- while ---- */

/* The input that an output is, or -1. */
static int64_t
passed_on(const tb_graph *g, uint32_t output)
{
    tb_val v = g->outputs.at[output];

    return tb_node_of(g, v)->prim == TB_P_input ? tb_attrs(g, v)[0] : -1;
}

static bool
reads_input(const tb_graph *g, int64_t input)
{
    for (uint32_t id = 1; id < g->n; id++)
        for (uint32_t k = 0; k < g->nodes[id].n_in; k++) {
            tb_val x = tb_in(g, (tb_val){id}, k);

            if (tb_node_of(g, x)->prim == TB_P_input && tb_attrs(g, x)[0] == input)
                return true;
        }
    return false;
}

static void
put_carried(ml_printer *p, tb_val v, const results *r, const tb_str *names, bool types)
{
    const char *comma = "";

    for (uint32_t k = 0; k < tb_node_of(p->g, v)->n_in; k++) {
        if (r->place[k] < 0)
            continue;
        ML_PUT(p, "%s", comma);
        comma = ", ";
        if (names)
            ML_PUT(p, "%%%.*s", TB_FMT(names[k]));
        if (names && types)
            ML_PUT(p, ": ");
        if (types)
            tb_ml_put_node_type(p, tb_in(p->g, v, k));
    }
}

/* The graph of the condition with the values `in`; the name of its !torch.bool. */
static tb_str
put_condition(ml_printer *p, const tb_graph *g, const tb_str *in)
{
    outside o = enter(p, g);
    tb_str b;

    put_nodes(p, in);
    p->loc = o.loc;
    b = tb_ml_put_bool(p, p->names[g->outputs.at[0].id], g->outputs.at[0]);
    leave(p, &o);
    return b;
}

/* Values that no round changes are those outside; a condition that is carried as a value
 * of its own is the loop's. The others go round. */
static void
put_while(ml_printer *p, tb_val v)
{
    const int64_t *graphs = tb_attrs(p->g, v);
    const tb_graph *cond = p->u->graphs.at[graphs[0]], *body = p->u->graphs.at[graphs[1]];
    uint32_t n = tb_node_of(p->g, v)->n_in;
    tb_str *start = operand_names(p, v, 0), *now, b, limit, round;
    int64_t flag = passed_on(cond, 0);
    results r = {.name = TB_STR("")};
    outside o;

    for (uint32_t id = p->first_result[v.id]; id && flag >= 0; id = p->next_result[id])
        if (tb_attrs(p->g, (tb_val){id})[0] == flag)
            flag = -1;
    if (flag >= 0 && reads_input(body, flag))
        flag = -1;
    r.place = TB_NEWN(&p->cx->scratch, int32_t, n + 1);
    now = TB_NEWN(&p->cx->scratch, tb_str, n + 1);
    for (uint32_t k = 0; k < n; k++) {
        bool round_ = k != flag && passed_on(body, k) != k;

        r.place[k] = round_ ? (int32_t)r.n++ : -1;
        now[k] = round_ ? tb_ml_name(p, TB_STR("")) : start[k];
    }
    b = put_condition(p, cond, start);
    limit = tb_ml_int_value(p, INT64_MAX);
    round = tb_ml_name(p, TB_STR(""));
    r.name = r.n ? tb_ml_name(p, TB_STR("")) : TB_STR("");
    ML_PUT(p, "    ");
    put_results(p, &r);
    ML_PUT(p, "torch.prim.Loop %%%.*s, %%%.*s, init(", TB_FMT(limit), TB_FMT(b));
    put_carried(p, v, &r, start, false);
    ML_PUT(p, ") ");
    open_body(p);
    ML_PUT(p, "  ^bb0(%%%.*s: !torch.int%s", TB_FMT(round), r.n ? ", " : "");
    put_carried(p, v, &r, now, true);
    ML_PUT(p, "):");
    tb_ml_newline(p);
    for (uint32_t k = 0; k < n; k++)
        if (r.place[k] >= 0)
            tb_ml_put_bind(p, now[k], tb_dtype_of(p->g, tb_in(p->g, v, k)),
                           tb_rank(p->g, tb_in(p->g, v, k)),
                           tb_dims(p->g, tb_in(p->g, v, k)));
    o = enter(p, body);
    put_nodes(p, now);
    p->loc = o.loc;
    if (flag >= 0) {
        b = tb_ml_put_bool(p, p->names[body->outputs.at[flag].id], body->outputs.at[flag]);
    } else {
        tb_str *next = TB_NEWN(&p->cx->scratch, tb_str, n + 1);

        for (uint32_t k = 0; k < n; k++)
            next[k] = r.place[k] < 0 ? start[k] : p->names[body->outputs.at[k].id];
        b = put_condition(p, cond, next);
    }
    ML_PUT(p, "    torch.prim.Loop.condition %%%.*s, iter(", TB_FMT(b));
    put_outputs(p, &r);
    ML_PUT(p, ")");
    tb_ml_end(p);
    leave(p, &o);
    close_body(p);
    ML_PUT(p, " : (!torch.int, !torch.bool%s", r.n ? ", " : "");
    put_carried(p, v, &r, NULL, true);
    ML_PUT(p, ") -> (");
    put_carried(p, v, &r, NULL, true);
    ML_PUT(p, ")");
    tb_ml_end(p);
    name_results(p, v, &r, start);
}

/* ---- call ---- */

static void
put_call(ml_printer *p, tb_val v)
{
    const tb_graph *g = p->u->graphs.at[tb_attrs(p->g, v)[0]];
    tb_str *in = operand_names(p, v, 0);
    tb_str *out = TB_NEWN(&p->cx->scratch, tb_str, g->outputs.n + 1);
    outside o = enter(p, g);

    put_nodes(p, in);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        out[k] = p->names[g->outputs.at[k].id];
    leave(p, &o);
    for (uint32_t id = p->first_result[v.id]; id; id = p->next_result[id])
        p->names[id] = out[tb_attrs(p->g, (tb_val){id})[0]];
}

void
tb_ml_put_control(ml_printer *p, tb_val v)
{
    switch ((tb_prim)tb_node_of(p->g, v)->prim) {
    case TB_P_cond:
        put_cond(p, v);
        return;
    case TB_P_while:
        put_while(p, v);
        return;
    default:
        put_call(p, v);
        return;
    }
}

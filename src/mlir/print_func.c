/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print_func.c -- functions of the text on the way out: symbols, arguments, results.
 */
#include <inttypes.h>

#include "mlir/print.h"

static const char overwrites_key[] = "turbine.overwrites"; /* import.c sets it */

/* ---- symbols ---- */

static void
want_sym(void *user, uint32_t sym)
{
    ((bool *)user)[sym] = true;
}

static void
want_dims(ml_printer *p, bool *wanted, const tb_dim *dims, int rank)
{
    for (int i = 0; i < rank; i++)
        if (!tb_dim_is_const(dims[i]))
            tb_dim_syms(p->sizes, dims[i], want_sym, wanted);
}

/* All symbols that types of this graph name, those that come from its values, and those of
 * graphs inside. */
static void
want_graph(ml_printer *p, bool *wanted, const tb_graph *g)
{
    for (uint32_t id = 1; id < g->n; id++) {
        tb_val v = {id};
        const tb_node *n = tb_node_of(g, v);
        const int64_t *a = tb_attrs(g, v);

        want_dims(p, wanted, tb_dims(g, v), n->rank);
        if (n->prim == TB_P_item) {
            int64_t sym = a[0];

            if (!tb_dim_is_const(sym))
                sym = p->u->exprs.at[sym - TB_DIM_EXPR].a;
            wanted[sym] = true;
        } else if (n->prim == TB_P_dim) {
            want_dims(p, wanted, a, 1);
        } else if (n->prim == TB_P_cond || n->prim == TB_P_while || n->prim == TB_P_call) {
            for (int i = 0; i < (n->prim == TB_P_call ? 1 : 2); i++)
                want_graph(p, wanted, p->u->graphs.at[a[i]]);
        }
    }
}

static bool *
wanted_syms(ml_printer *p)
{
    bool *wanted = TB_NEWN(&p->cx->scratch, bool, p->u->syms.n + 1);

    want_graph(p, wanted, p->g);
    return wanted;
}

/* An integer argument and a value read from a tensor keep the symbol's name, by which the
 * reader finds them (ops.c); the symbol's operation is called otherwise. */
static void
put_symbols(ml_printer *p)
{
    const bool *wanted = wanted_syms(p);

    for (uint32_t i = 0; i < p->u->syms.n; i++) {
        const tb_sym *s = &p->u->syms.at[i];
        tb_str said = s->name, base = said;

        if (!wanted[i] && s->kind != TB_SYM_ARG)
            continue;
        if (s->kind == TB_SYM_ARG) {
            if (s->arg >= p->f->inputs.n || !p->sym_values[i].len)
                continue;
            said = p->sym_values[i];
        }
        if (s->kind == TB_SYM_ITEM)
            p->sym_values[i] = TB_STR("");
        if (!tb_ml_is_bare(base))
            base = TB_STR("symbol");
        else if (s->kind != TB_SYM_SHAPE)
            base = tb_sprintf(&p->cx->scratch, "%.*s_symbol", TB_FMT(said));
        p->sym_names[i] = tb_ml_name(p, base);
        ML_PUT(p, "    %%%.*s = torch.symbolic_int ", TB_FMT(p->sym_names[i]));
        tb_ml_put_string(p, said);
        ML_PUT(p, " {min_val = %" PRId64 ", max_val = %" PRId64 "} : !torch.int", s->min,
               s->max);
        tb_ml_end(p);
    }
}

/* ---- functions ---- */

/* "1=0": result 1 is what argument 0 holds after the call. Returns the argument, or -1. */
static int
overwritten(const ml_printer *p, uint32_t result)
{
    for (uint32_t i = 0; i < p->f->attrs.n; i++) {
        const char *at = p->f->attrs.at[i].value.ptr,
                   *end = at + p->f->attrs.at[i].value.len;

        if (!tb_str_is(p->f->attrs.at[i].key, overwrites_key))
            continue;
        while (at < end) {
            uint32_t from = 0, to = 0;

            for (; at < end && *at >= '0' && *at <= '9'; at++)
                from = from * 10 + (uint32_t)(*at - '0');
            if (at < end && *at == '=')
                at++;
            for (; at < end && *at >= '0' && *at <= '9'; at++)
                to = to * 10 + (uint32_t)(*at - '0');
            at += at < end;
            if (from == result && to < p->f->inputs.n)
                return (int)to;
        }
    }
    return -1;
}

static bool
is_overwritten(const ml_printer *p, uint32_t arg)
{
    for (uint32_t i = 0; i < p->g->outputs.n; i++)
        if (overwritten(p, i) == (int)arg)
            return true;
    return false;
}

static void
put_args(ml_printer *p, tb_str *names)
{
    for (uint32_t i = 0; i < p->f->inputs.n; i++) {
        const tb_param *a = &p->f->inputs.at[i];
        tb_str base = a->name;

        if (!tb_ml_is_bare(base))
            base = tb_sprintf(&p->cx->scratch, "arg%u", i);
        names[i] = tb_ml_name(p, base);
        ML_PUT(p, "%s%%%.*s: ", i ? ", " : "", TB_FMT(names[i]));
        if (p->int_args[i]) {
            ML_PUT(p, "!torch.int");
        } else if (is_overwritten(p, i)) {
            tb_ml_put_type_as(p, "tensor", (tb_dtype)a->type.dtype, a->type.rank,
                              a->type.dims);
        } else {
            tb_ml_put_type(p, (tb_dtype)a->type.dtype, a->type.rank, a->type.dims);
        }
    }
}

static void
put_result_types(ml_printer *p)
{
    const char *comma = "";

    ML_PUT(p, " -> (");
    for (uint32_t i = 0; i < p->g->outputs.n; i++) {
        if (overwritten(p, i) >= 0)
            continue;
        ML_PUT(p, "%s", comma);
        comma = ", ";
        if (p->g->outputs.at[i].id)
            tb_ml_put_node_type(p, p->g->outputs.at[i]);
        else
            ML_PUT(p, "!torch.none");
    }
    ML_PUT(p, ")");
}

static void
put_attrs(ml_printer *p)
{
    const char *comma = "";
    bool named = false;

    for (uint32_t i = 0; i < p->f->outputs.n; i++)
        named |= p->f->outputs.at[i].name.len > 0;
    ML_PUT(p, " attributes {torch.assume_strict_symbolic_shapes");
    if (p->f->attrs.n || named)
        ML_PUT(p, ", iree.reflection = {");
    for (uint32_t i = 0; i < p->f->attrs.n; i++) {
        if (tb_str_is(p->f->attrs.at[i].key, overwrites_key))
            continue;
        ML_PUT(p, "%s", comma);
        comma = ", ";
        tb_ml_put_string(p, p->f->attrs.at[i].key);
        ML_PUT(p, " = ");
        tb_ml_put_string(p, p->f->attrs.at[i].value);
    }
    if (named) {
        tb_str all = TB_STR("");

        for (uint32_t i = 0; i < p->f->outputs.n; i++)
            all = tb_sprintf(&p->cx->scratch, "%.*s%s%.*s", TB_FMT(all), i ? "," : "",
                             TB_FMT(p->f->outputs.at[i].name));
        ML_PUT(p, "%s\"turbine.results\" = ", comma);
        tb_ml_put_string(p, all);
    }
    ML_PUT(p, p->f->attrs.n || named ? "}}" : "}");
}

static void
put_return(ml_printer *p)
{
    const char *comma = " ";
    tb_str none = TB_STR("");
    const tb_type *t;

    for (uint32_t i = 0; i < p->g->outputs.n; i++) {
        tb_val v = p->g->outputs.at[i];
        int arg = overwritten(p, i);

        if (!v.id && !none.len)
            none = tb_ml_none_value(p);
        if (arg < 0)
            continue;
        t = &p->f->inputs.at[arg].type;
        ML_PUT(p, "    torch.overwrite.tensor.contents %%%.*s overwrites %%%.*s : ",
               TB_FMT(p->names[v.id]), TB_FMT(p->arg_names[arg]));
        tb_ml_put_node_type(p, v);
        ML_PUT(p, ", ");
        tb_ml_put_type_as(p, "tensor", (tb_dtype)t->dtype, t->rank, t->dims);
        tb_ml_end(p);
    }
    ML_PUT(p, "    return");
    for (uint32_t i = 0; i < p->g->outputs.n; i++) {
        tb_val v = p->g->outputs.at[i];

        if (overwritten(p, i) >= 0)
            continue;

        tb_str name = v.id ? p->names[v.id] : none;

        ML_PUT(p, "%s%%%.*s", comma, TB_FMT(name));
        comma = ", ";
    }
    comma = " : ";
    for (uint32_t i = 0; i < p->g->outputs.n; i++) {
        if (overwritten(p, i) >= 0)
            continue;
        ML_PUT(p, "%s", comma);
        comma = ", ";
        if (p->g->outputs.at[i].id)
            tb_ml_put_node_type(p, p->g->outputs.at[i]);
        else
            ML_PUT(p, "!torch.none");
    }
    tb_ml_end(p);
}

/* Which nodes take the results of which call. */
void
tb_ml_index_results(ml_printer *p)
{
    p->first_result = TB_NEWN(&p->cx->scratch, uint32_t, p->g->n);
    p->next_result = TB_NEWN(&p->cx->scratch, uint32_t, p->g->n);
    for (uint32_t id = p->g->n; id-- > 1;) {
        tb_val v = {id};

        if (tb_node_of(p->g, v)->prim != TB_P_result)
            continue;
        p->next_result[id] = p->first_result[tb_in(p->g, v, 0).id];
        p->first_result[tb_in(p->g, v, 0).id] = id;
    }
}

/* Integer arguments are those that a symbol gets its value from. */
static void
find_int_args(ml_printer *p)
{
    p->int_args = TB_NEWN(&p->cx->scratch, bool, p->f->inputs.n + 1);
    for (uint32_t i = 0; i < p->u->syms.n; i++) {
        const tb_sym *s = &p->u->syms.at[i];

        if (s->kind == TB_SYM_ARG && s->arg < p->f->inputs.n && !p->int_args[s->arg] &&
            p->f->inputs.at[s->arg].type.rank == 0 &&
            p->f->inputs.at[s->arg].type.dtype == TB_I64)
            p->int_args[s->arg] = true;
    }
}

/* The values of arguments: what the input nodes are called, the symbols of integers. */
static void
begin_body(ml_printer *p)
{
    for (uint32_t i = 0; i < p->u->syms.n; i++) {
        const tb_sym *s = &p->u->syms.at[i];

        if (s->kind == TB_SYM_ARG && s->arg < p->f->inputs.n && p->int_args[s->arg])
            p->sym_values[i] = p->arg_names[s->arg];
    }
    put_symbols(p);
    for (uint32_t id = 1; id < p->g->n; id++) {
        tb_val v = {id};
        uint32_t i;

        if (tb_node_of(p->g, v)->prim != TB_P_input)
            continue;
        i = (uint32_t)tb_attrs(p->g, v)[0];
        if (i >= p->f->inputs.n)
            tb_ml_lacks(p, "an input that is no argument");
        p->names[id] = p->arg_names[i];
        if (is_overwritten(p, i)) {
            p->names[id] = tb_ml_name(p, TB_STR(""));
            ML_PUT(p,
                   "    %%%.*s = torch.copy.to_vtensor %%%.*s : ", TB_FMT(p->names[id]),
                   TB_FMT(p->arg_names[i]));
            tb_ml_put_node_type(p, v);
            tb_ml_end(p);
        }
        if (!p->int_args[i])
            tb_ml_put_bind(p, p->names[id], tb_dtype_of(p->g, v), tb_rank(p->g, v),
                           tb_dims(p->g, v));
    }
}

void
tb_ml_put_func(ml_printer *p, const tb_func *f)
{
    tb_arena *a = &p->cx->scratch;

    p->f = f;
    p->g = f->body;
    p->names = TB_NEWN(a, tb_str, p->g->n + 1);
    p->sym_names = TB_NEWN(a, tb_str, p->u->syms.n + 1);
    p->sym_values = TB_NEWN(a, tb_str, p->u->syms.n + 1);
    p->arg_names = TB_NEWN(a, tb_str, f->inputs.n + 1);
    p->taken.n = p->known.n = p->numbers = 0;
    p->taken_names = p->known_keys = (tb_map){.arena = a};
    p->loc = (tb_loc){0};
    tb_ml_index_results(p);
    find_int_args(p);
    ML_PUT(p, "  func.func %s", f->exported ? "" : "private ");
    tb_ml_put_symbol(p, f->name);
    ML_PUT(p, "(");
    put_args(p, p->arg_names);
    ML_PUT(p, ")");
    put_result_types(p);
    put_attrs(p);
    ML_PUT(p, " {\n");
    begin_body(p);
    for (uint32_t id = 1; id < p->g->n; id++)
        tb_ml_put_node(p, (tb_val){id});
    p->loc = (tb_loc){0};
    put_return(p);
    ML_PUT(p, "  }\n");
}

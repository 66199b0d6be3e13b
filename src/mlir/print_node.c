/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print_node.c -- one node of a graph as operations.
 *
 * Operands are spelled as their schemas want them where we have the schema, and by their
 * kind otherwise. Operators that the dialect has no operation for are spelled
 * torch.operator "torch.aten.name".
 */
#include "mlir/print.h"
#include "op/op.h"

static const char *const torch_ops[] = {
#include "mlir/torch_ops.def"
};

/* The node's own name if it can be one: numbers are given out anew. */
static tb_str
node_name(ml_printer *p, tb_val v)
{
    tb_str s = p->g->names[v.id];

    return tb_ml_name(p, tb_ml_is_bare(s) ? s : TB_STR(""));
}

/* ---- calls ---- */

static bool
is_operation(tb_str name)
{
    size_t low = 0, high = TB_COUNT(torch_ops);

    while (low < high) {
        size_t middle = (low + high) / 2, n = strlen(torch_ops[middle]);
        int c = memcmp(name.ptr, torch_ops[middle], name.len < n ? name.len : n);

        if (!c && name.len == n)
            return true;
        if (c > 0 || (!c && name.len > n))
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* PyTorch writes numbers where its schemas say tensors; the dialect has operations for
 * these. */
static tb_str
operation_name(const tb_call *c)
{
    static const char *const scalar_forms[][2] = {
        {"aten.mul.Tensor", "aten.mul.Scalar"},
        {"aten.div.Tensor", "aten.div.Scalar"},
        {"aten.add.Tensor", "aten.add.Scalar"},
        {"aten.sub.Tensor", "aten.sub.Scalar"},
    };
    tb_str name = c->name;

    if (name.len > 8 && memcmp(name.ptr + name.len - 8, ".default", 8) == 0)
        name.len -= 8;
    for (size_t i = 0; i < TB_COUNT(scalar_forms); i++)
        if (tb_str_is(name, scalar_forms[i][0]) && c->n_args > 1 &&
            c->args[1].kind != TB_ARG_TENSOR)
            return tb_str_c(scalar_forms[i][1]);
    return name;
}

/* Which nodes take the results, TB_NO_VAL for those that nobody takes. */
static tb_val *
result_nodes(const ml_printer *p, tb_val call, const tb_call *c)
{
    tb_val *at = TB_NEWN(&p->cx->scratch, tb_val, c->n_results + 1);

    for (uint32_t id = p->first_result[call.id]; id; id = p->next_result[id]) {
        int64_t k = tb_attrs(p->g, (tb_val){id})[0];

        if (k >= 0 && k < c->n_results)
            at[k] = (tb_val){id};
    }
    return at;
}

static void
put_result_type(ml_printer *p, const tb_call *c, const tb_val *nodes, uint32_t k)
{
    const tb_type *t = &c->results[k];

    if (nodes[k].id)
        tb_ml_put_node_type(p, nodes[k]);
    else if (t->dtype == TB_NONE)
        ML_PUT(p, "!torch.none");
    else
        tb_ml_put_type(p, (tb_dtype)t->dtype, t->rank, t->dims);
}

/* `%name` or `%name:3`, and the names of its parts. */
static void
name_results(ml_printer *p, const tb_call *c, const tb_val *nodes, tb_str name)
{
    for (uint32_t k = 0; k < c->n_results; k++)
        if (nodes[k].id)
            p->names[nodes[k].id] =
                c->n_results == 1 && !c->result_is_list ? name
                : c->n_results == 1
                    ? name
                    : tb_sprintf(&p->cx->scratch, "%.*s#%u", TB_FMT(name), k);
}

static void
put_results(ml_printer *p, const tb_call *c, tb_str name)
{
    if (c->n_results == 0 && !c->result_is_list)
        return;
    ML_PUT(p, "%%%.*s", TB_FMT(name));
    if (c->n_results > 1 && !c->result_is_list)
        ML_PUT(p, ":%u", c->n_results);
    ML_PUT(p, " = ");
}

static void
put_unpack(ml_printer *p, const tb_call *c, const tb_val *nodes, tb_str list)
{
    tb_str name = tb_ml_name(p, TB_STR(""));

    if (!c->n_results)
        return;
    ML_PUT(p, "    %%%.*s", TB_FMT(name));
    if (c->n_results > 1)
        ML_PUT(p, ":%u", c->n_results);
    ML_PUT(p, " = torch.prim.ListUnpack %%%.*s : !torch.list<vtensor> -> ", TB_FMT(list));
    for (uint32_t k = 0; k < c->n_results; k++) {
        ML_PUT(p, k ? ", " : "");
        put_result_type(p, c, nodes, k);
    }
    tb_ml_end(p);
    name_results(p, c, nodes, name);
}

static void
put_call(ml_printer *p, tb_val v)
{
    const tb_call *c = &p->g->calls.at[tb_attrs(p->g, v)[0]];
    tb_str name = operation_name(c), list = TB_STR("");
    const tb_op *op = tb_op_find(name);
    const tb_schema *schema = op ? tb_op_schema(p->cx, op) : NULL;
    tb_str *args = TB_NEWN(&p->cx->scratch, tb_str, c->n_args + 1);
    tb_str *types = TB_NEWN(&p->cx->scratch, tb_str, c->n_args + 1);
    tb_val *nodes = result_nodes(p, v, c);
    bool known = is_operation(name);

    for (uint32_t i = 0; i < c->n_args; i++)
        args[i] = tb_ml_arg_value(
            p, &c->args[i],
            schema && i < schema->n_args ? schema->args[i].type : TB_STR(""), &types[i]);
    if (c->n_results || c->result_is_list)
        list = c->n_results && nodes[0].id && !c->result_is_list ? node_name(p, nodes[0])
                                                                 : tb_ml_name(p, list);
    ML_PUT(p, "    ");
    put_results(p, c, list);
    if (known) {
        ML_PUT(p, "torch.%.*s", TB_FMT(name));
    } else {
        ML_PUT(p, "torch.operator ");
        tb_ml_put_string(p, tb_sprintf(&p->cx->scratch, "torch.%.*s", TB_FMT(name)));
        ML_PUT(p, "(");
    }
    for (uint32_t i = 0; i < c->n_args; i++)
        ML_PUT(p, "%s%%%.*s", i ? ", " : known ? " " : "", TB_FMT(args[i]));
    ML_PUT(p, known ? c->n_args ? " : " : " : ()" : ") : (");
    for (uint32_t i = 0; i < c->n_args; i++)
        ML_PUT(p, "%s%.*s", i ? ", " : "", TB_FMT(types[i]));
    ML_PUT(p, known ? "" : ")");
    if (c->result_is_list) {
        ML_PUT(p, " -> !torch.list<vtensor>");
    } else if (c->n_results || !known) {
        bool brackets = !known && c->n_results != 1;

        ML_PUT(p, brackets ? " -> (" : " -> ");
        for (uint32_t k = 0; k < c->n_results; k++) {
            ML_PUT(p, k ? ", " : "");
            put_result_type(p, c, nodes, k);
        }
        ML_PUT(p, brackets ? ")" : "");
    }
    tb_ml_end(p);
    if (c->result_is_list)
        put_unpack(p, c, nodes, list);
    else
        name_results(p, c, nodes, list);
    for (uint32_t k = 0; k < c->n_results; k++)
        if (nodes[k].id)
            tb_ml_put_bind(p, p->names[nodes[k].id], tb_dtype_of(p->g, nodes[k]),
                           tb_rank(p->g, nodes[k]), tb_dims(p->g, nodes[k]));
}

/* ---- other nodes ---- */

static const struct {
    tb_prim prim;
    const char *name;
    int ones; /* constants 1 behind the operands: alpha */
} maps[] = {
    {TB_P_add, "aten.add.Tensor", 1},
    {TB_P_sub, "aten.sub.Tensor", 1},
    {TB_P_mul, "aten.mul.Tensor", 0},
    {TB_P_div, "aten.div.Tensor", 0},
    {TB_P_max, "aten.maximum", 0},
    {TB_P_min, "aten.minimum", 0},
    {TB_P_pow, "aten.pow.Tensor_Tensor", 0},
    {TB_P_floor, "aten.floor", 0},
    {TB_P_neg, "aten.neg", 0},
    {TB_P_sqrt, "aten.sqrt", 0},
    {TB_P_log, "aten.log", 0},
    {TB_P_exp, "aten.exp", 0},
    {TB_P_eq, "aten.eq.Tensor", 0},
    {TB_P_ne, "aten.ne.Tensor", 0},
    {TB_P_lt, "aten.lt.Tensor", 0},
    {TB_P_le, "aten.le.Tensor", 0},
    {TB_P_and, "aten.logical_and", 0},
    {TB_P_or, "aten.logical_or", 0},
    {TB_P_not, "aten.logical_not", 0},
    {TB_P_cast, "prims.convert_element_type", 0},
};

/* Primitives among ATen nodes come from arithmetic of numbers (scalar.c). */
static void
put_map(ml_printer *p, tb_val v)
{
    const tb_node *n = tb_node_of(p->g, v);
    tb_str extra = TB_STR("");
    size_t i = 0;

    while (i < TB_COUNT(maps) && maps[i].prim != n->prim)
        i++;
    if (i == TB_COUNT(maps))
        tb_ml_lacks(p, tb_prim_name((tb_prim)n->prim));
    if (maps[i].ones)
        extra = tb_ml_int_value(p, 1);
    if (n->prim == TB_P_cast)
        extra = tb_ml_int_value(p, tb_dtype_to_torch((tb_dtype)n->dtype));
    p->names[v.id] = node_name(p, v);
    ML_PUT(p, "    %%%.*s = torch.%s", TB_FMT(p->names[v.id]), maps[i].name);
    for (uint32_t k = 0; k < n->n_in; k++)
        ML_PUT(p, "%s %%%.*s", k ? "," : "", TB_FMT(p->names[tb_in(p->g, v, k).id]));
    if (extra.len)
        ML_PUT(p, ", %%%.*s", TB_FMT(extra));
    for (uint32_t k = 0; k < n->n_in; k++) {
        ML_PUT(p, k ? ", " : " : ");
        tb_ml_put_node_type(p, tb_in(p->g, v, k));
    }
    ML_PUT(p, extra.len ? ", !torch.int -> " : " -> ");
    tb_ml_put_node_type(p, v);
    tb_ml_end(p);
}

/* A number as it was before it became a tensor; other dtypes as constants. */
static bool
put_number(ml_printer *p, tb_val v)
{
    const tb_node *n = tb_node_of(p->g, v);
    int64_t word = tb_attrs(p->g, v)[0];
    tb_str number;
    double d;

    if (n->rank || (n->dtype != TB_I64 && n->dtype != TB_F64))
        return false;
    memcpy(&d, &word, sizeof d);
    number = n->dtype == TB_F64 ? tb_ml_float_value(p, d) : tb_ml_int_value(p, word);
    p->names[v.id] = node_name(p, v);
    ML_PUT(p, "    %%%.*s = torch.prim.NumToTensor.Scalar %%%.*s : %s -> ",
           TB_FMT(p->names[v.id]), TB_FMT(number),
           n->dtype == TB_F64 ? "!torch.float" : "!torch.int");
    tb_ml_put_node_type(p, v);
    tb_ml_end(p);
    return true;
}

static void
put_full(ml_printer *p, tb_val v)
{
    const tb_node *n = tb_node_of(p->g, v);
    const tb_dim *dims = tb_dims(p->g, v);

    if (put_number(p, v))
        return;

    for (int i = 0; i < n->rank; i++)
        if (!tb_dim_is_const(dims[i]))
            tb_ml_lacks(p, "a constant whose sizes are not known");
    if (tb_dtype_is_complex((tb_dtype)n->dtype))
        tb_ml_lacks(p, "a repeated complex number");
    p->names[v.id] = node_name(p, v);
    ML_PUT(p, "    %%%.*s = torch.vtensor.literal(", TB_FMT(p->names[v.id]));
    tb_ml_put_splat(p, (tb_dtype)n->dtype, n->rank, dims, tb_attrs(p->g, v)[0], false);
    ML_PUT(p, ") : ");
    tb_ml_put_node_type(p, v);
    tb_ml_end(p);
}

static void
put_size_node(ml_printer *p, tb_val v)
{
    tb_str size = tb_ml_dim_value(p, tb_attrs(p->g, v)[0]);

    p->names[v.id] = node_name(p, v);
    ML_PUT(p,
           "    %%%.*s = torch.prim.NumToTensor.Scalar %%%.*s : !torch.int -> "
           "!torch.vtensor<[],si64>",
           TB_FMT(p->names[v.id]), TB_FMT(size));
    tb_ml_end(p);
}

/* builtin tensors have no signs: torch_c casts stand between */
static void
put_cast(ml_printer *p, tb_str to, tb_str from, tb_val v, bool to_builtin)
{
    const tb_dim *dims = tb_dims(p->g, v);
    int rank = tb_rank(p->g, v);
    tb_dtype t = tb_dtype_of(p->g, v);

    ML_PUT(p, "    %%%.*s = torch_c.%s %%%.*s : ", TB_FMT(to),
           to_builtin ? "to_builtin_tensor" : "from_builtin_tensor", TB_FMT(from));
    if (to_builtin)
        tb_ml_put_type(p, t, rank, dims);
    else
        tb_ml_put_tensor_type(p, t, rank, dims, true);
    ML_PUT(p, " -> ");
    if (to_builtin)
        tb_ml_put_tensor_type(p, t, rank, dims, true);
    else
        tb_ml_put_type(p, t, rank, dims);
    tb_ml_end(p);
}

static void
put_read(ml_printer *p, tb_val v)
{
    tb_str loaded = tb_ml_name(p, TB_STR(""));

    ML_PUT(p, "    %%%.*s = util.global.load ", TB_FMT(loaded));
    tb_ml_put_symbol(p, p->global_names.at[tb_attrs(p->g, v)[0]]);
    ML_PUT(p, " : ");
    tb_ml_put_tensor_type(p, tb_dtype_of(p->g, v), tb_rank(p->g, v), tb_dims(p->g, v),
                          true);
    tb_ml_end(p);
    p->names[v.id] = node_name(p, v);
    put_cast(p, p->names[v.id], loaded, v, false);
}

static void
put_write(ml_printer *p, tb_val v)
{
    const tb_global *x = &p->u->globals.at[tb_attrs(p->g, v)[0]];
    tb_val from = tb_in(p->g, v, 0);
    tb_str cast = tb_ml_name(p, TB_STR(""));

    put_cast(p, cast, p->names[from.id], from, true);
    ML_PUT(p, "    util.global.store %%%.*s, ", TB_FMT(cast));
    tb_ml_put_symbol(p, p->global_names.at[tb_attrs(p->g, v)[0]]);
    ML_PUT(p, " : ");
    tb_ml_put_tensor_type(p, x->dtype, x->rank, x->dims, true);
    tb_ml_end(p);
}

static void
put_item(ml_printer *p, tb_val v)
{
    int64_t sym = tb_attrs(p->g, v)[0];
    tb_val from = tb_in(p->g, v, 0);
    tb_str name;

    if (!tb_dim_is_const(sym))
        sym = p->u->exprs.at[sym - TB_DIM_EXPR].a;
    name = p->u->syms.at[sym].name;
    p->sym_values[sym] = tb_ml_name(p, tb_ml_is_bare(name) ? name : TB_STR(""));
    ML_PUT(p, "    %%%.*s = torch.aten.Int.Tensor %%%.*s : ", TB_FMT(p->sym_values[sym]),
           TB_FMT(p->names[from.id]));
    tb_ml_put_node_type(p, from);
    ML_PUT(p, " -> !torch.int");
    tb_ml_end(p);
}

tb_str
tb_ml_put_bool(ml_printer *p, tb_str name, tb_val v)
{
    tb_str b = tb_ml_name(p, TB_STR(""));

    ML_PUT(p, "    %%%.*s = torch.aten.Bool.Tensor %%%.*s : ", TB_FMT(b), TB_FMT(name));
    tb_ml_put_node_type(p, v);
    ML_PUT(p, " -> !torch.bool");
    tb_ml_end(p);
    return b;
}

static void
put_assert(ml_printer *p, tb_val v)
{
    tb_val from = tb_in(p->g, v, 0);
    tb_str b = tb_ml_put_bool(p, p->names[from.id], from);

    ML_PUT(p, "    torch.runtime.assert %%%.*s, ", TB_FMT(b));
    tb_ml_put_string(p, p->u->messages.at[tb_attrs(p->g, v)[0]]);
    tb_ml_end(p);
}

static bool
is_used(const tb_graph *g, tb_val v)
{
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].id == v.id)
            return true;
    for (uint32_t id = v.id + 1; id < g->n; id++)
        for (uint32_t k = 0; k < g->nodes[id].n_in; k++)
            if (tb_in(g, (tb_val){id}, k).id == v.id)
                return true;
    return false;
}

/* An integer argument that is also used as a tensor. */
static void
put_input(ml_printer *p, tb_val v)
{
    tb_str name;

    if (p->inside || !p->int_args[tb_attrs(p->g, v)[0]] || !is_used(p->g, v))
        return;
    name = tb_ml_name(p, TB_STR(""));
    ML_PUT(p,
           "    %%%.*s = torch.prim.NumToTensor.Scalar %%%.*s : !torch.int -> "
           "!torch.vtensor<[],si64>",
           TB_FMT(name), TB_FMT(p->names[v.id]));
    tb_ml_end(p);
    p->names[v.id] = name;
}

void
tb_ml_put_node(ml_printer *p, tb_val v)
{
    p->loc = p->g->locs[v.id];
    switch ((tb_prim)tb_node_of(p->g, v)->prim) {
    case TB_P_input:
        put_input(p, v);
        return;
    case TB_P_result: /* printed with its call */
        return;
    case TB_P_aten:
        put_call(p, v);
        return;
    case TB_P_const:
        p->names[v.id] = node_name(p, v);
        tb_ml_put_const(p, p->names[v.id], (uint32_t)tb_attrs(p->g, v)[0]);
        return;
    case TB_P_full:
        put_full(p, v);
        return;
    case TB_P_dim:
        put_size_node(p, v);
        return;
    case TB_P_read:
        put_read(p, v);
        return;
    case TB_P_write:
        put_write(p, v);
        return;
    case TB_P_item:
        put_item(p, v);
        return;
    case TB_P_assert:
        put_assert(p, v);
        return;
    case TB_P_cond:
    case TB_P_while:
    case TB_P_call:
        tb_ml_put_control(p, v);
        return;
    default:
        put_map(p, v);
        return;
    }
}

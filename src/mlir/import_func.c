/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * import_func.c -- functions, globals, the unit.
 *
 * A private function that is called is imported where it is called, and gets no function
 * of its own.
 */
#include "mlir/import.h"

enum { INLINE_BUDGET = 200000 }; /* operations that calls may put in their place */

/* ---- functions ---- */

/* Symbols that arguments' shapes name come first: a size is later expressed by the symbols
 * that are known earlier (tb_dim_assume_eq). */
static void
argument_symbols(ml_importer *im, const ml_func *f)
{
    for (uint32_t i = 0; i < f->body.ops.n; i++) {
        const ml_op *op = &f->body.ops.at[i];
        bool wanted = false;

        if (!tb_str_is(op->name, "torch.symbolic_int") || op->results.n != 1)
            continue;
        for (uint32_t k = 0; k < f->args.n && !wanted; k++) {
            const ml_attr *name = op->values.n ? &op->values.at[0] : NULL;
            const ml_hint *h = tb_ml_hint(im, f->args.at[k].name, 0);

            wanted = name && f->args.at[k].type.kind == ML_T_INT &&
                     tb_str_eq(name->text, f->args.at[k].name);
            for (uint32_t j = 1; h && h->bind && j < h->bind->operands.n; j++)
                wanted |= tb_str_eq(h->bind->operands.at[j].name, op->results.at[0].name);
        }
        im->in_arguments = wanted;
        if (wanted)
            tb_ml_import_op(im, op);
    }
    im->in_arguments = false;
}

/* "arg0" is what MLIR calls an argument without a name. */
static tb_str
param_name(ml_importer *im, tb_str s)
{
    if (s.len > 3 && tb_str_prefix(s, "arg") && s.ptr[3] >= '0' && s.ptr[3] <= '9')
        return TB_STR("");
    if (s.len && s.ptr[0] >= '0' && s.ptr[0] <= '9')
        return TB_STR("");
    return tb_strdup(&im->cx->keep, s);
}

static void
import_arg(ml_importer *im, const ml_func *f, uint32_t index, tb_func *to)
{
    const ml_arg *a = &f->args.at[index];
    const ml_attr *bound = tb_ml_key(&a->attrs, "torch.type_bound");
    tb_param param = {.name = param_name(im, a->name)};
    ml_value v = {0};
    ml_type t = a->type;
    tb_val node;

    if (bound && bound->kind == ML_ATTR_TYPE && bound->type.ranked)
        t = bound->type;
    if (t.kind == ML_T_TENSOR) {
        const ml_hint *h = tb_ml_hint(im, a->name, 0);
        ml_hint bind = {.bind = h ? h->bind : NULL};

        param.type = tb_ml_result_type(im, &t, &bind);
        for (int i = 0; i < param.type.rank; i++)
            if (param.type.dims[i] == TB_DIM_UNKNOWN)
                param.type.dims[i] =
                    tb_sym_new(im->u, tb_sprintf(&im->cx->scratch, "s%u", im->u->syms.n),
                               TB_SYM_SHAPE, 0, INT64_MAX);
    } else if (t.kind == ML_T_INT) {
        param.type.dtype = TB_I64;
    } else if (t.kind == ML_T_FLOAT) {
        param.type.dtype = TB_F64;
    } else if (t.kind == ML_T_BOOL) {
        param.type.dtype = TB_BOOL;
    } else {
        tb_ml_fail(im->p, a->place, "arguments of this type are not supported");
    }
    node = tb_input(im->g, (int)index, (tb_dtype)param.type.dtype, param.type.rank,
                    param.type.dims);
    v = tb_ml_tensor(node);
    if (t.kind == ML_T_INT) {
        if (!im->arg_dims[index]) {
            tb_str s = a->name; /* the name by which the symbol is found again */

            if (!s.len || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
                s = tb_sprintf(&im->cx->scratch, "arg%u", index);

            im->arg_dims[index] = tb_sym_new(im->u, tb_ml_plain_name(im, s), TB_SYM_ARG,
                                             INT64_MIN, INT64_MAX);
            im->u->syms.at[im->u->syms.n - 1].arg = index;
        }
        v = tb_ml_of_dim(im->arg_dims[index]);
    } else if (a->type.mutable_) {
        TB_PUSH(&im->cx->scratch, &im->cells, ((ml_cell){node, (int32_t)index, false}));
        v = (ml_value){.cell = im->cells.n};
    }
    im->g->names[node.id] = tb_strdup(&im->cx->keep, a->name);
    tb_ml_add_name(im, a->name, 1, a->place);
    im->scope->values.at[im->scope->values.n - 1] = v;
    TB_PUSH(&im->cx->keep, &to->inputs, param);
}

static void
add_output(ml_importer *im, tb_func *to, const ml_value *v)
{
    tb_graph *g = im->g;
    tb_val out = TB_NO_VAL;
    tb_param param = {.name = TB_STR("")};

    if (v->cell || v->arg.kind != TB_ARG_NONE)
        out = tb_ml_tensor_of(im, v);
    if (out.id) {
        param.type.dtype = (uint8_t)tb_dtype_of(g, out);
        param.type.rank = (uint8_t)tb_rank(g, out);
        memcpy(param.type.dims, tb_dims(g, out), sizeof(tb_dim) * param.type.rank);
    }
    TB_PUSH(&im->cx->keep, &g->outputs, out);
    TB_PUSH(&im->cx->keep, &to->outputs, param);
}

static void
add_attr(ml_importer *im, tb_func *to, tb_str key, tb_str value)
{
    tb_func_attr a = {tb_strdup(&im->cx->keep, key), tb_strdup(&im->cx->keep, value)};

    TB_PUSH(&im->cx->keep, &to->attrs, a);
}

/* Strings are kept; iree.reflection is a dictionary of them. */
static void
import_attrs(ml_importer *im, const ml_attr *dict, tb_func *to)
{
    for (uint32_t i = 0; i < dict->n_items; i++) {
        const ml_attr *a = &dict->items[i];

        if (tb_str_is(a->key, "sym_name") || tb_str_is(a->key, "sym_visibility"))
            continue;
        if (a->kind == ML_ATTR_STR)
            add_attr(im, to, a->key, a->text);
        else if (a->kind == ML_ATTR_DICT && tb_str_is(a->key, "iree.reflection"))
            for (uint32_t k = 0; k < a->n_items; k++)
                if (a->items[k].kind == ML_ATTR_STR)
                    add_attr(im, to, a->items[k].key, a->items[k].text);
    }
}

/* "a,b": names of results, which print_func.c wrote beside the other attributes. */
static void
name_outputs(tb_func *to)
{
    for (uint32_t i = 0; i < to->attrs.n; i++) {
        tb_str s = to->attrs.at[i].value;
        const char *at = s.ptr, *end = s.ptr + s.len;

        if (!tb_str_is(to->attrs.at[i].key, "turbine.results"))
            continue;
        for (uint32_t k = 0; k < to->outputs.n && at <= end; k++) {
            const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;

            comma = comma ? comma : end;
            to->outputs.at[k].name = (tb_str){at, (size_t)(comma - at)};
            at = comma + 1;
        }
        memmove(&to->attrs.at[i], &to->attrs.at[i + 1],
                (to->attrs.n - i - 1) * sizeof *to->attrs.at);
        to->attrs.n--;
        return;
    }
}

/* An argument that is overwritten: its new value is one more result, and an attribute says
 * of which ("2=0": result 2 is argument 0 after the call). */
static void
overwritten_args(ml_importer *im, tb_func *to)
{
    tb_str s = TB_STR("");

    for (uint32_t i = 0; i < im->cells.n; i++) {
        const ml_cell *c = &im->cells.at[i];
        ml_value v = tb_ml_tensor(c->now);

        if (c->arg < 0 || !c->changed)
            continue;
        s = tb_sprintf(&im->cx->scratch, "%.*s%s%u=%d", TB_FMT(s), s.len ? "," : "",
                       im->g->outputs.n, c->arg);
        add_output(im, to, &v);
    }
    if (s.len)
        add_attr(im, to, TB_STR("turbine.overwrites"), s);
}

static void
import_func(ml_importer *im, const ml_func *f)
{
    uint32_t index = im->u->funcs.n;
    tb_func to = *tb_unit_func(im->u, f->name);
    ml_scope scope = {0};
    ml_op here = {.name = f->name, .place = f->place, .loc = f->loc};

    for (uint32_t i = 0; i < index; i++)
        if (tb_str_eq(im->u->funcs.at[i].name, f->name))
            tb_ml_fail(im->p, f->place, "the function @%.*s is defined twice",
                       TB_FMT(f->name));
    scope.seen.arena = scope.hint_names.arena = &im->cx->scratch;
    im->scope = &scope;
    im->op = &here;
    im->func = f;
    im->arg_dims = TB_NEWN(&im->cx->scratch, tb_dim, f->args.n + 1);
    im->g = to.body;
    im->g->loc = tb_ml_op_loc(im, &here);
    im->cells.n = 0;
    to.exported = !f->is_private;
    import_attrs(im, &f->attrs, &to);
    for (uint32_t i = 0; i < f->body.ops.n; i++)
        tb_ml_look_at(im, &f->body.ops.at[i]);
    argument_symbols(im, f);
    im->op = &here;
    for (uint32_t i = 0; i < f->args.n; i++)
        import_arg(im, f, i, &to);
    tb_ml_import_body(im, &f->body);
    for (uint32_t i = 0; i < im->returned.n; i++)
        add_output(im, &to, &im->returned.at[i]);
    overwritten_args(im, &to);
    name_outputs(&to);
    im->u->funcs.at[index] = to;
}

/* ---- globals ---- */

static bool
all_zero(const tb_const *splat)
{
    for (size_t i = 0; i < tb_dtype_bytes(splat->dtype); i++)
        if (((const uint8_t *)splat->bytes)[i])
            return false;
    return true;
}

static void
import_global(ml_importer *im, const ml_op *op)
{
    const ml_attr *name = tb_ml_key(&op->attrs, "sym_name");
    const ml_attr *type = tb_ml_key(&op->attrs, "type");
    const ml_attr *init = tb_ml_key(&op->attrs, "initial_value");
    tb_global x = {.mutable_ = tb_ml_key(&op->attrs, "is_mutable") != NULL};
    ml_type t = op->out.n ? op->out.at[0] : type ? type->type : (ml_type){0};
    int64_t bytes;
    bool splat;
    tb_const c;

    im->op = op;
    x.name = tb_strdup(&im->cx->keep, name && !op->symbol.len ? name->text : op->symbol);
    for (uint32_t i = 0; i < im->globals.n; i++)
        if (tb_str_eq(im->globals.at[i].name, x.name))
            ML_FAIL(im, "the global @%.*s is defined twice", TB_FMT(x.name));
    if (t.kind == ML_T_OTHER && t.tensor.dtype)
        t.ranked = true; /* i64: as a tensor of rank 0 */
    t.tensor = tb_ml_result_type(im, &t, NULL);
    x.dtype = (tb_dtype)t.tensor.dtype;
    x.rank = t.tensor.rank;
    memcpy(x.dims, t.tensor.dims, sizeof x.dims);
    for (int i = 0; i < x.rank; i++)
        if (x.dims[i] == TB_DIM_UNKNOWN)
            tb_ml_unsupported(im, "a global needs constant sizes");
    if (init && init->kind == ML_ATTR_PARAMETER && init->n_items) {
        c = (tb_const){.name = init->items[init->n_items - 1].text,
                       .external = true,
                       .dtype = x.dtype,
                       .rank = x.rank,
                       .scope = TB_STR("")};
        if (init->n_items > 1)
            c.scope = init->items[0].text;
        memcpy(c.dims, x.dims, sizeof c.dims);
        bytes = (int64_t)tb_dtype_bytes(x.dtype);
        for (int i = 0; i < x.rank; i++)
            if (!tb_mul_ok(bytes, x.dims[i], &bytes))
                ML_FAIL(im, "the global is too large");
        c.n_bytes = (size_t)bytes;
        x.init = tb_unit_const(im->u, c) + 1;
    } else if (init && (init->kind == ML_ATTR_INT || init->kind == ML_ATTR_FLOAT)) {
        tb_ml_unsupported(im, "a global that is not a tensor");
    } else if (init && (init->kind == ML_ATTR_DENSE || init->kind == ML_ATTR_RESOURCE)) {
        c = tb_ml_elements(im->p, init, &t.tensor, &splat);
        if (!splat || !x.mutable_ || !all_zero(&c)) {
            c = splat ? tb_ml_dense(im->p, init, &t.tensor) : c;
            c.name = x.name;
            x.init = tb_unit_const(im->u, c) + 1;
        }
    }
    if (!x.mutable_ && x.init) {
        TB_PUSH(&im->cx->scratch, &im->globals, ((ml_global){x.name, true, x.init - 1}));
        return;
    }
    TB_PUSH(&im->cx->scratch, &im->globals,
            ((ml_global){x.name, false, im->u->globals.n}));
    TB_PUSH(&im->cx->keep, &im->u->globals, x);
}

/* ---- the unit ---- */

static bool
calls(const ml_block *b, tb_str name)
{
    for (uint32_t k = 0; k < b->ops.n; k++) {
        const ml_op *op = &b->ops.at[k];

        if (tb_ml_is_call(op->name) && tb_str_eq(tb_ml_callee(op), name))
            return true;
        for (uint32_t i = 0; i < op->regions.n; i++)
            if (calls(&op->regions.at[i], name))
                return true;
    }
    return false;
}

static bool
is_called(const ml_importer *im, tb_str name)
{
    for (uint32_t i = 0; i < im->p->funcs.n; i++)
        if (calls(&im->p->funcs.at[i].body, name))
            return true;
    return false;
}

tb_unit *
tb_mlir_parse(tb_ctx *cx, tb_str text, tb_str file_name)
{
    ml_parser p = {.cx = cx,
                   .at = text.ptr,
                   .end = text.ptr + text.len,
                   .line_start = text.ptr,
                   .line = 1};
    ml_importer im = {.p = &p, .cx = cx, .budget = INLINE_BUDGET};

    p.file = tb_strdup(&cx->keep, file_name);
    p.u = im.u = tb_unit_new(cx, TB_STR("module"));
    p.alias_names.arena = p.resource_names.arena = &cx->scratch;
    if (tb_ml_is_bytecode(text)) {
        text = tb_ml_bytecode(&p, text);
        p.at = p.line_start = text.ptr;
        p.end = text.ptr + text.len;
        p.file = tb_sprintf(&cx->keep, "%.*s (as text)", TB_FMT(p.file));
    }
    tb_ml_syntax(&p);
    for (uint32_t i = 0; i < p.globals.n; i++)
        import_global(&im, &p.globals.at[i]);
    for (uint32_t i = 0; i < p.funcs.n; i++) {
        const ml_func *f = &p.funcs.at[i];

        if (f->has_body && !(f->is_private && is_called(&im, f->name)))
            import_func(&im, f);
    }
    return im.u;
}

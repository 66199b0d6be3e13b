/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * import.c -- bodies of functions: operations to nodes.
 *
 * Calls of functions in the text are imported in place of the call.
 */
#include "mlir/import.h"

#include "op/op.h"

enum { MAX_INLINE_DEPTH = 16 };

void
tb_ml_unsupported(const ml_importer *im, const char *what)
{
    tb_location l = {
        .file = im->p->file, .line = im->op->place.line, .col = im->op->place.col};

    tb_raise(im->cx, tb_unit_loc(im->u, l), TB_UNSUPPORTED, "%.*s: %s",
             TB_FMT(im->op->name), what);
}

/* ---- names of values ---- */

static uint64_t
name_hash(tb_str name)
{
    return tb_hash(name.ptr, name.len, 0);
}

static bool
look_up(ml_scope *s, tb_str name, uint32_t *first, uint32_t *count)
{
    uint32_t at = 0, v;

    while ((v = tb_map_next(&s->seen, name_hash(name), &at)) != 0)
        if (tb_str_eq(s->names[v - 1].name, name)) {
            *first = s->names[v - 1].first;
            *count = s->names[v - 1].count;
            return true;
        }
    return false;
}

static ml_value *
find_from(ml_importer *im, ml_scope *s, const ml_use *u)
{
    uint32_t first, count;
    ml_value *v;

    if (!s)
        return NULL;
    if (!look_up(s, u->name, &first, &count)) {
        v = find_from(im, s->outer, u);
        return v && s->inner ? tb_ml_captured(im, s->inner, v) : v;
    }
    if (u->number >= count)
        tb_ml_fail(im->p, u->place, "%%%.*s has %u results", TB_FMT(u->name), count);
    return &s->values.at[first + u->number];
}

ml_value *
tb_ml_find(ml_importer *im, const ml_use *u)
{
    ml_value *v = find_from(im, im->scope, u);

    if (v)
        return v;
    tb_ml_fail(im->p, u->place, "%%%.*s is not defined above", TB_FMT(u->name));
}

void
tb_ml_add_name(ml_importer *im, tb_str name, uint32_t count, ml_place at)
{
    ml_scope *s = im->scope;
    uint32_t first, n;

    if (look_up(s, name, &first, &n))
        tb_ml_fail(im->p, at, "%%%.*s is defined twice", TB_FMT(name));
    tb_vec_grow(&im->cx->scratch, (void **)&s->names, &s->cap_names, s->n_names + 1,
                sizeof *s->names);
    s->names[s->n_names].name = name;
    s->names[s->n_names].first = s->values.n;
    s->names[s->n_names++].count = count;
    tb_map_put(&s->seen, name_hash(name), s->n_names);
    for (uint32_t i = 0; i < count; i++)
        TB_PUSH(&im->cx->scratch, &s->values, tb_ml_none());
}

/* Which name result k goes by. */
static bool
result_name(const ml_op *op, uint32_t k, tb_str *name, uint32_t *number)
{
    for (uint32_t i = 0; i < op->results.n; i++) {
        if (k < op->results.at[i].count) {
            *name = op->results.at[i].name;
            *number = k;
            return true;
        }
        k -= op->results.at[i].count;
    }
    return false;
}

void
tb_ml_define(ml_importer *im, uint32_t k, ml_value v)
{
    ml_use u = {.place = im->op->place};

    if (!result_name(im->op, k, &u.name, &u.number))
        return; /* nobody looks */
    *tb_ml_find(im, &u) = v;
    if (v.arg.kind == TB_ARG_TENSOR && !v.cell) {
        tb_str *name = &im->g->names[v.arg.v.id];

        if (!name->len ||
            (name->ptr[0] >= '0' && name->ptr[0] <= '9')) /* %0 says little */
            *name = tb_strdup(&im->cx->keep, u.name);
    }
}

/* ---- a first look at a body ---- */

const ml_hint *
tb_ml_hint(const ml_importer *im, tb_str name, uint32_t number)
{
    for (const ml_scope *s = im->scope; s; s = s->outer) {
        uint32_t at = 0, v;

        while ((v = tb_map_next(&s->hint_names, name_hash(name), &at)) != 0)
            if (s->hints.at[v - 1].number == number &&
                tb_str_eq(s->hints.at[v - 1].name, name))
                return &s->hints.at[v - 1];
    }
    return NULL;
}

const ml_hint *
tb_ml_result_hint(const ml_importer *im, uint32_t k)
{
    tb_str name;
    uint32_t number;

    return result_name(im->op, k, &name, &number) ? tb_ml_hint(im, name, number) : NULL;
}

static ml_hint *
hint(ml_importer *im, tb_str name, uint32_t number)
{
    ml_scope *s = im->scope;
    ml_scope *outer = s->outer;
    ml_hint *h;

    s->outer = NULL;
    h = (ml_hint *)tb_ml_hint(im, name, number);
    s->outer = outer;
    if (h)
        return h;
    TB_PUSH(&im->cx->scratch, &s->hints, ((ml_hint){.name = name, .number = number}));
    tb_map_put(&s->hint_names, name_hash(name), s->hints.n);
    return &s->hints.at[s->hints.n - 1];
}

/* The number of torch.constant.int, or -1. */
static int64_t
constant_of(const ml_hint *h)
{
    const ml_attr *a;

    if (!h || !h->def || !tb_str_is(h->def->name, "torch.constant.int"))
        return -1;
    a = h->def->values.n ? &h->def->values.at[0] : tb_ml_key(&h->def->attrs, "value");
    return a && a->kind == ML_ATTR_INT ? a->i : -1;
}

static bool
reads_sizes(tb_str name)
{
    static const char *const names[] = {
        "torch.aten.size.int",   "torch.aten.size",         "torch.aten.numel",
        "torch.aten.len.Tensor", "torch.aten.sym_size.int", "torch.aten.sym_numel"};

    for (size_t i = 0; i < TB_COUNT(names); i++)
        if (tb_str_is(name, names[i]))
            return true;
    return false;
}

void
tb_ml_look_at(ml_importer *im, const ml_op *op)
{
    for (uint32_t i = 0; i < op->results.n; i++)
        for (uint32_t k = 0; k < op->results.at[i].count; k++)
            hint(im, op->results.at[i].name, k)->def = op;
    if (!op->operands.n)
        return;

    ml_hint *h = hint(im, op->operands.at[0].name, op->operands.at[0].number);

    if (tb_str_is(op->name, "torch.bind_symbolic_shape"))
        h->bind = op;
    else if (tb_str_is(op->name, "torch.prim.ListUnpack"))
        h->unpack = op;
    else if (reads_sizes(op->name))
        h->sized = true;
    else if (tb_str_is(op->name, "torch.aten.__getitem__.t") && op->operands.n == 2) {
        int64_t i = constant_of(
            tb_ml_hint(im, op->operands.at[1].name, op->operands.at[1].number));

        if (i >= 0 && i < ML_MAX_RESULTS && i + 1 > h->n_items)
            h->n_items = (uint32_t)i + 1;
    }
}

/* ---- types ---- */

/* Sizes that torch.bind_symbolic_shape gives, if its symbols are known by now. */
static bool
bound_sizes(ml_importer *im, const ml_op *bind, int rank, tb_dim *dims)
{
    const ml_attr *map = bind->values.n ? &bind->values.at[0]
                                        : tb_ml_key(&bind->attrs, "shape_expressions");
    tb_dim symbols[4 * TB_MAX_RANK];
    uint32_t n = bind->operands.n ? bind->operands.n - 1 : 0;
    ml_value *v;

    if (!map || map->kind != ML_ATTR_MAP)
        tb_ml_fail(im->p, bind->place, "expected an affine map");
    if (map->n_exprs != (uint32_t)rank)
        tb_ml_fail(im->p, bind->place, "%u sizes for a tensor of rank %d", map->n_exprs,
                   rank);
    if (map->n_dims || map->n_symbols != n || n > TB_COUNT(symbols))
        tb_ml_fail(im->p, bind->place, "the map has %u symbols, the operation %u",
                   map->n_symbols, n);
    for (uint32_t i = 0; i < n; i++) {
        const ml_use *u = &bind->operands.at[1 + i];

        if (!find_from(im, im->scope, u))
            return false;
        v = tb_ml_find(im, u);
        if (v->symbol)
            *v = tb_ml_of_dim(tb_ml_symbol(im, v->symbol, TB_SYM_ITEM));
        symbols[i] = tb_ml_dim_of(im, v);
    }
    for (int i = 0; i < rank; i++)
        dims[i] = tb_ml_affine(im, &map->exprs[i], symbols, n);
    return true;
}

tb_type
tb_ml_result_type(ml_importer *im, const ml_type *t, const ml_hint *h)
{
    tb_type r = t->tensor;
    tb_dim bound[TB_MAX_RANK];
    bool named;

    if (!t->ranked)
        tb_ml_unsupported(im, "a tensor whose rank is not said");
    if (r.dtype == TB_NONE)
        tb_ml_unsupported(
            im, t->text.len
                    ? tb_sprintf(&im->cx->scratch, "tensors of %.*s", TB_FMT(t->text)).ptr
                    : "a tensor whose element type is not said");
    named = h && h->bind && bound_sizes(im, h->bind, r.rank, bound);
    for (int i = 0; i < r.rank; i++) {
        if (r.dims[i] != TB_DIM_UNKNOWN)
            continue;
        if (named)
            r.dims[i] = bound[i];
        else if (h && h->sized)
            r.dims[i] =
                tb_sym_new(im->u, tb_sprintf(&im->cx->scratch, "d%u", im->fresh++),
                           TB_SYM_ITEM, 0, INT64_MAX);
    }
    return r;
}

/* ---- ATen operators ---- */

static void
results_of_list(ml_importer *im, tb_call *c)
{
    const ml_hint *h = tb_ml_result_hint(im, 0);
    uint32_t n = h ? h->unpack ? h->unpack->out.n : h->n_items : 0;
    tb_type *types = TB_NEWN(&im->cx->keep, tb_type, n + 1);

    for (uint32_t i = 0; h && h->unpack && i < n; i++) {
        const ml_op *op = im->op;
        tb_str name;
        uint32_t number;

        im->op = h->unpack; /* the elements' sizes are bound to its results */
        if (h->unpack->out.at[i].kind == ML_T_TENSOR &&
            result_name(im->op, i, &name, &number))
            types[i] = tb_ml_result_type(im, &h->unpack->out.at[i],
                                         tb_ml_hint(im, name, number));
        im->op = op;
    }
    c->results = types;
    c->n_results = n;
    c->result_is_list = true;
}

static tb_type
declared(ml_importer *im, uint32_t k)
{
    const ml_type *t = &im->op->out.at[k];

    switch (t->kind) {
    case ML_T_TENSOR:
        return tb_ml_result_type(im, t, tb_ml_result_hint(im, k));
    case ML_T_INT:
        return (tb_type){.dtype = TB_I64};
    case ML_T_FLOAT:
        return (tb_type){.dtype = TB_F64};
    case ML_T_BOOL:
        return (tb_type){.dtype = TB_BOOL};
    case ML_T_NONE:
        return (tb_type){0};
    default:
        tb_ml_unsupported(im, "the type of a result");
    }
}

static void
define_results(ml_importer *im, const tb_call *c, tb_val node)
{
    tb_arg *items;

    if (!c->result_is_list) {
        for (uint32_t k = 0; k < c->n_results; k++)
            if (c->results[k].dtype != TB_NONE)
                tb_ml_define(im, k,
                             tb_ml_tensor(tb_result(im->g, node, k, &c->results[k])));
        return;
    }
    items = TB_NEWN(&im->cx->keep, tb_arg, c->n_results + 1);
    for (uint32_t k = 0; k < c->n_results; k++) {
        items[k] = (tb_arg){.kind = TB_ARG_TENSOR};
        items[k].v = tb_result(im->g, node, k, &c->results[k]);
    }
    tb_ml_define(im, 0,
                 (ml_value){.arg = {.kind = TB_ARG_LIST, .list = {items, c->n_results}}});
}

/* Schema order, as the text has them; with a row at hand also spelled as it wants them. */
void
tb_ml_call(ml_importer *im, tb_str name, const ml_value *in, uint32_t n)
{
    tb_arena *keep = &im->cx->keep;
    tb_call c = {.name = tb_strdup(keep, name), .n_args = n, .op = tb_op_find(name)};
    tb_arg *args = TB_NEWN(keep, tb_arg, n + 1);

    for (uint32_t i = 0; i < n; i++)
        args[i] = tb_ml_arg(im, &in[i]);
    c.args = args;
    if (c.op)
        c.args =
            tb_op_normalize(im->cx, c.op, args, n, NULL, NULL, 0, im->g->loc, &c.n_args);
    if (im->op->out.n == 1 && im->op->out.at[0].kind == ML_T_LIST) {
        results_of_list(im, &c);
    } else {
        tb_type *types = TB_NEWN(keep, tb_type, im->op->out.n + 1);

        for (uint32_t k = 0; k < im->op->out.n; k++)
            types[k] = declared(im, k);
        c.results = types;
        c.n_results = im->op->out.n;
    }
    define_results(im, &c, tb_aten(im->g, c));
}

/* ---- operations ---- */

/* The line in the user's program, or in the .mlir file. */
tb_loc
tb_ml_op_loc(const ml_importer *im, const ml_op *op)
{
    tb_location l = {0};

    if (!tb_ml_loc_find(im->p, op->loc, &l) || !l.file.len) {
        l.file = im->p->file;
        l.line = op->place.line;
        l.col = op->place.col;
    }
    if (tb_str_prefix(op->name, "torch."))
        l.op = (tb_str){op->name.ptr + 6, op->name.len - 6};
    return tb_unit_loc(im->u, l);
}

static const ml_func *
find_func(const ml_importer *im, tb_str name)
{
    for (uint32_t i = 0; i < im->p->funcs.n; i++)
        if (tb_str_eq(im->p->funcs.at[i].name, name))
            return &im->p->funcs.at[i];
    return NULL;
}

tb_str
tb_ml_callee(const ml_op *op)
{
    const ml_attr *a = tb_ml_key(&op->attrs, "callee");

    return op->symbol.len || !a ? op->symbol : a->text;
}

bool
tb_ml_is_call(tb_str name)
{
    return tb_str_is(name, "func.call") || tb_str_is(name, "call") ||
           tb_str_is(name, "util.call");
}

static bool
is_return(tb_str name)
{
    return tb_str_is(name, "return") || tb_str_is(name, "func.return") ||
           tb_str_is(name, "util.return") || tb_str_is(name, "torch.prim.If.yield") ||
           tb_str_is(name, "torch.prim.Loop.condition");
}

static void
import_call(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_op *op = im->op;
    tb_str name = tb_ml_callee(op);
    const ml_func *f = find_func(im, name);
    const ml_func *caller = im->func;
    ml_scope *outer = im->scope, own = {0};

    if (!f || !f->has_body)
        ML_FAIL(im, "there is no function @%.*s with a body", TB_FMT(name));
    if (f->args.n != n)
        ML_FAIL(im, "@%.*s takes %u arguments, found %u", TB_FMT(name), f->args.n, n);
    if (++im->inline_depth > MAX_INLINE_DEPTH)
        ML_FAIL(im, "calls are nested more than %d levels deep", MAX_INLINE_DEPTH);
    own.seen.arena = own.hint_names.arena = &im->cx->scratch;
    im->scope = &own;
    im->func = NULL;
    for (uint32_t i = 0; i < n; i++) {
        tb_ml_add_name(im, f->args.at[i].name, 1, f->args.at[i].place);
        own.values.at[own.values.n - 1] = in[i];
    }
    tb_ml_import_body(im, &f->body);
    im->scope = outer;
    im->func = caller;
    im->op = op;
    im->inline_depth--;
    for (uint32_t i = 0; i < im->returned.n; i++)
        tb_ml_define(im, i, im->returned.at[i]);
}

/* torch.operator "torch.aten.foo"(...): the name is in the attribute. */
static tb_str
operator_name(const ml_importer *im, const ml_op *op)
{
    const ml_attr *a;

    if (!tb_str_is(op->name, "torch.operator"))
        return op->name;
    a = op->values.n ? &op->values.at[0] : tb_ml_key(&op->attrs, "name");
    if (!a || a->kind != ML_ATTR_STR)
        ML_FAIL(im, "the operator has no name");
    return a->text;
}

/* As operators are called: what has other characters cannot be printed again. */
static bool
is_plain(tb_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == ':'))
            return false;
    }
    return name.len > 0;
}

/* argument_symbols was here. */
static bool
made_already(ml_importer *im, const ml_op *op)
{
    uint32_t first, n;

    return !im->inline_depth && op->results.n == 1 &&
           look_up(im->scope, op->results.at[0].name, &first, &n) &&
           im->scope->values.at[first].arg.kind == TB_ARG_DIM;
}

void
tb_ml_import_op(ml_importer *im, const ml_op *op)
{
    uint32_t n = op->operands.n;
    ml_value *in = TB_NEWN(&im->cx->scratch, ml_value, n + 1);
    ml_handler *handler;
    tb_str name;

    if (im->inline_depth && im->budget-- == 0)
        ML_FAIL(im, "too many operations in called functions");
    im->op = op;
    im->g->loc = tb_ml_op_loc(im, op);
    name = operator_name(im, op);
    if (tb_str_is(name, "torch.bind_symbolic_shape"))
        return; /* used where its operand is defined */
    if (tb_str_is(name, "torch.symbolic_int") && made_already(im, op))
        return;
    for (uint32_t i = 0; i < n; i++)
        in[i] = *tb_ml_find(im, &op->operands.at[i]);
    for (uint32_t i = 0; i < op->results.n; i++)
        tb_ml_add_name(im, op->results.at[i].name, op->results.at[i].count,
                       op->results.at[i].place);
    handler = tb_ml_handler(name);
    if (tb_ml_is_call(name)) {
        import_call(im, in, n);
    } else if (handler) {
        handler(im, in, n);
    } else if (op->regions.n) {
        tb_ml_unsupported(im, "operations with bodies are not supported");
    } else if (!is_plain(name)) {
        tb_ml_unsupported(im, "not the name of an operation");
    } else if (tb_str_prefix(name, "torch.") &&
               (memchr(name.ptr + 6, '.', name.len - 6) || name.ptr != op->name.ptr)) {
        name.ptr += 6;
        name.len -= 6;
        tb_ml_call(im, name, in, n);
    } else if (name.ptr != op->name.ptr) {
        tb_ml_call(im, name, in, n); /* torch.operator "onnx.Add" */
    } else {
        tb_ml_unsupported(im, "not an operation of the torch dialect that we know");
    }
}

void
tb_ml_import_body(ml_importer *im, const ml_block *b)
{
    for (uint32_t i = 0; i < b->ops.n; i++)
        tb_ml_look_at(im, &b->ops.at[i]);
    for (uint32_t i = 0; i < b->ops.n; i++) {
        const ml_op *op = &b->ops.at[i];

        if (!is_return(op->name)) {
            tb_ml_import_op(im, op);
            continue;
        }
        im->op = op;
        im->returned.n = 0;
        for (uint32_t k = 0; k < op->operands.n; k++)
            TB_PUSH(&im->cx->scratch, &im->returned,
                    *tb_ml_find(im, &op->operands.at[k]));
        if (i + 1 < b->ops.n)
            tb_ml_fail(im->p, b->ops.at[i + 1].place, "operations behind the return");
        return;
    }
    tb_ml_fail(im->p, im->op->place, "the function has no return");
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * syntax.c -- operations, functions, modules and resources, as records.
 *
 * Every dialect prints its operations in a way of its own. What we meet has one shape,
 *
 *     results = name operands, literals and @symbols {attributes} : types -> types
 *
 * so one reader takes them all, whether we know the operation or not; and the quoted
 * generic form besides. What the operands mean is import.c's business.
 */
#include "mlir/text.h"

static void block(ml_parser *p, ml_block *b, bool top);

/* ---- pieces ---- */

static ml_use
use(ml_parser *p)
{
    ml_use u = {.name = p->tok.text, .place = p->tok.place};

    if (p->tok.kind != ML_VALUE)
        tb_ml_expected(p, "a value");
    tb_ml_next(p);
    if (p->tok.kind == ML_HASH && p->tok.text.ptr[0] >= '0' &&
        p->tok.text.ptr[0] <= '9') {
        for (size_t i = 0; i < p->tok.text.len; i++)
            u.number = u.number > ML_MAX_RESULTS
                           ? u.number
                           : u.number * 10 + (uint32_t)(p->tok.text.ptr[i] - '0');
        tb_ml_next(p);
    }
    return u;
}

static void
type_list(ml_parser *p, ml_op *op, bool out)
{
    do {
        ml_type t = tb_ml_type(p);

        if (out)
            TB_PUSH(&p->cx->scratch, &op->out, t);
        else
            TB_PUSH(&p->cx->scratch, &op->in, t);
    } while (tb_ml_try(p, ','));
}

/* (%a, %b) or [%a, %b], also (%a, %b : type, type); behind the opening bracket */
static void
use_list(ml_parser *p, ml_op *op, char close)
{
    while (!tb_ml_is(p, close) && !tb_ml_is(p, ':')) {
        TB_PUSH(&p->cx->scratch, &op->operands, use(p));
        if (!tb_ml_is(p, close) && !tb_ml_is(p, ':'))
            tb_ml_need(p, ',');
    }
    if (tb_ml_try(p, ':'))
        type_list(p, op, false);
    tb_ml_need(p, close);
}

static void
more_attrs(ml_parser *p, ml_op *op)
{
    ml_attr d = tb_ml_dict(p), *all;

    if (!op->attrs.n_items) {
        op->attrs = d;
        return;
    }
    all = TB_NEWN(&p->cx->scratch, ml_attr, op->attrs.n_items + d.n_items);
    memcpy(all, op->attrs.items, op->attrs.n_items * sizeof *all);
    if (d.n_items)
        memcpy(all + op->attrs.n_items, d.items, d.n_items * sizeof *all);
    op->attrs.items = all;
    op->attrs.n_items += d.n_items;
}

static void
region(ml_parser *p, ml_op *op)
{
    ml_block b = {0};

    tb_ml_enter(p);
    tb_ml_need(p, '{');
    block(p, &b, false);
    tb_ml_need(p, '}');
    tb_ml_leave(p);
    TB_PUSH(&p->cx->scratch, &op->regions, b);
}

/* `: types -> types`, `: (types) -> types`, `: type to type`, `: type` */
static void
signature(ml_parser *p, ml_op *op)
{
    bool arrow = false;

    if (tb_ml_try(p, ':')) {
        if (tb_ml_try(p, '(')) {
            if (!tb_ml_is(p, ')'))
                type_list(p, op, false);
            tb_ml_need(p, ')');
        } else {
            type_list(p, op, false);
        }
        if (tb_ml_try_word(p, "to")) {
            TB_PUSH(&p->cx->scratch, &op->out, tb_ml_type(p));
            return;
        }
    }
    if (p->tok.kind == ML_ARROW) {
        arrow = true;
        tb_ml_next(p);
        if (tb_ml_try(p, '(')) {
            if (!tb_ml_is(p, ')'))
                type_list(p, op, true);
            tb_ml_need(p, ')');
        } else {
            type_list(p, op, true);
        }
    }
    if (!arrow) /* one type for operands and results, or only one of them has any */
        for (uint32_t i = 0; i < op->in.n && i < op->results.n; i++)
            TB_PUSH(&p->cx->scratch, &op->out, op->in.at[i]);
}

/* ---- operations ---- */

static void
results(ml_parser *p, ml_op *op)
{
    while (p->tok.kind == ML_VALUE) {
        ml_result r = {.name = p->tok.text, .count = 1, .place = p->tok.place};

        tb_ml_next(p);
        if (tb_ml_try(p, ':')) {
            int64_t n = tb_ml_int(p);

            if (n < 1 || n > ML_MAX_RESULTS)
                tb_ml_fail(p, r.place, "%%%.*s: %lld results", TB_FMT(r.name),
                           (long long)n);
            r.count = (uint32_t)n;
        }
        TB_PUSH(&p->cx->scratch, &op->results, r);
        if (!tb_ml_try(p, ','))
            break;
    }
    if (op->results.n)
        tb_ml_need(p, '=');
}

static void
check_results(ml_parser *p, const ml_op *op)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < op->results.n; i++)
        n += op->results.at[i].count;
    if (op->out.n && n && n != op->out.n)
        tb_ml_fail(p, op->place, "%.*s: %u names for %u results", TB_FMT(op->name), n,
                   op->out.n);
}

/* "torch.aten.relu"(%0) <{properties}> ({regions}) {attributes} : (types) -> types */
static void
generic(ml_parser *p, ml_op *op)
{
    tb_ml_next(p);
    tb_ml_need(p, '(');
    use_list(p, op, ')');
    if (tb_ml_is(p, '['))
        tb_ml_fail(p, p->tok.place, "%.*s: branches are not supported", TB_FMT(op->name));
    if (tb_ml_try(p, '<')) {
        tb_ml_need(p, '{');
        more_attrs(p, op);
        tb_ml_need(p, '>');
    }
    if (tb_ml_try(p, '(')) {
        while (!tb_ml_is(p, ')')) {
            region(p, op);
            if (!tb_ml_is(p, ')'))
                tb_ml_need(p, ',');
        }
        tb_ml_need(p, ')');
    }
    if (tb_ml_try(p, '{'))
        more_attrs(p, op);
    signature(p, op);
}

static bool
is_literal(const ml_parser *p)
{
    if (p->tok.kind == ML_INT || p->tok.kind == ML_FLOAT || tb_ml_is(p, '-') ||
        p->tok.kind == ML_HASH)
        return true;
    return tb_ml_is_word(p, "true") || tb_ml_is_word(p, "false") ||
           tb_ml_is_word(p, "affine_map") || tb_ml_is_word(p, "dense") ||
           tb_ml_is_word(p, "dense_resource");
}

static bool
is_connective(const ml_parser *p)
{
    static const char *const words[] = {"overwrites", "init", "iter", "immutable"};

    for (size_t i = 0; i < TB_COUNT(words); i++)
        if (tb_ml_is_word(p, words[i]))
            return true;
    return false;
}

/* One operand, literal, symbol or bracketed list; false if there is none. */
static bool
item(ml_parser *p, ml_op *op)
{
    tb_arena *a = &p->cx->scratch;

    if (p->tok.kind == ML_VALUE) {
        TB_PUSH(a, &op->operands, use(p));
    } else if (p->tok.kind == ML_SYMBOL) {
        op->symbol = p->tok.text;
        tb_ml_next(p);
        if (tb_ml_try(p, '('))
            use_list(p, op, ')');
    } else if (p->tok.kind == ML_STRING) {
        ml_attr s = {.kind = ML_ATTR_STR, .place = p->tok.place};

        s.text = tb_ml_unescape(p, p->tok.text, p->tok.place);
        tb_ml_next(p);
        TB_PUSH(a, &op->values, s);
        if (tb_ml_try(p, '('))
            use_list(p, op, ')');
    } else if (tb_ml_try(p, '[')) {
        use_list(p, op, ']');
    } else if (tb_ml_is(p, '(')) {
        tb_ml_next(p);
        if (is_literal(p)) {
            TB_PUSH(a, &op->values, tb_ml_attr(p));
            tb_ml_need(p, ')');
        } else {
            use_list(p, op, ')');
        }
    } else if (is_literal(p)) {
        TB_PUSH(a, &op->values, tb_ml_attr(p));
    } else {
        return false;
    }
    return true;
}

static bool
has_regions(tb_str name)
{
    return tb_str_is(name, "torch.prim.Loop") || tb_str_is(name, "torch.prim.If");
}

/* torch.aten.relu %0 {attributes} : type -> type. An operand stands on the line of the
 * name or behind a comma: without that, `torch.constant.none` would take the next line's
 * result for one. */
static void
custom(ml_parser *p, ml_op *op)
{
    bool more = true;

    tb_ml_next(p);
    while (more && p->tok.place.line == op->place.line) {
        while (is_connective(p))
            tb_ml_next(p);
        if (!item(p, op))
            break;
        more = is_connective(p);
        while (tb_ml_is(p, ',')) {
            tb_ml_next(p);
            while (is_connective(p))
                tb_ml_next(p);
            if (!item(p, op))
                tb_ml_expected(p, "an operand");
            more = is_connective(p);
        }
    }
    if (has_regions(op->name)) {
        if (p->tok.kind == ML_ARROW)
            signature(p, op);
        region(p, op);
        if (tb_ml_try_word(p, "else"))
            region(p, op);
    }
    if (tb_ml_is_word(p, "attributes"))
        tb_ml_next(p);
    if (tb_ml_is(p, '{')) {
        tb_ml_next(p);
        more_attrs(p, op);
    }
    if (!op->out.n)
        signature(p, op);
}

/* ---- functions ---- */

static void
func_args(ml_parser *p, ml_func *f)
{
    tb_ml_need(p, '(');
    while (!tb_ml_is(p, ')')) {
        ml_arg a = {.place = p->tok.place};

        if (p->tok.kind == ML_VALUE) {
            a.name = p->tok.text;
            tb_ml_next(p);
            tb_ml_need(p, ':');
        }
        a.type = tb_ml_type(p);
        if (tb_ml_try(p, '{'))
            a.attrs = tb_ml_dict(p);
        tb_ml_try_loc(p);
        TB_PUSH(&p->cx->scratch, &f->args, a);
        if (!tb_ml_is(p, ')'))
            tb_ml_need(p, ',');
    }
    tb_ml_need(p, ')');
}

static void
func_results(ml_parser *p, ml_func *f)
{
    if (p->tok.kind != ML_ARROW)
        return;
    tb_ml_next(p);
    if (!tb_ml_try(p, '(')) {
        TB_PUSH(&p->cx->scratch, &f->results, tb_ml_type(p));
        return;
    }
    while (!tb_ml_is(p, ')')) {
        TB_PUSH(&p->cx->scratch, &f->results, tb_ml_type(p));
        if (tb_ml_try(p, '{'))
            tb_ml_dict(p);
        if (!tb_ml_is(p, ')'))
            tb_ml_need(p, ',');
    }
    tb_ml_need(p, ')');
}

static void
custom_func(ml_parser *p)
{
    ml_func f = {.place = p->tok.place};

    tb_ml_next(p);
    if (tb_ml_try_word(p, "private") || tb_ml_try_word(p, "nested"))
        f.is_private = true;
    else
        tb_ml_try_word(p, "public");
    if (p->tok.kind != ML_SYMBOL)
        tb_ml_expected(p, "the name of a function");
    f.name = p->tok.text;
    f.place = p->tok.place;
    tb_ml_next(p);
    func_args(p, &f);
    func_results(p, &f);
    if (tb_ml_try_word(p, "attributes")) {
        tb_ml_need(p, '{');
        f.attrs = tb_ml_dict(p);
    }
    if (tb_ml_is(p, '{')) {
        ml_op holder = {0};

        region(p, &holder);
        f.body = holder.regions.at[0];
        f.has_body = true;
    }
    f.loc = tb_ml_try_loc(p);
    TB_PUSH(&p->cx->scratch, &p->funcs, f);
}

/* The generic form says the name and the visibility in attributes. */
static void
generic_func(ml_parser *p, const ml_op *op)
{
    const ml_attr *name = tb_ml_key(&op->attrs, "sym_name");
    const ml_attr *seen = tb_ml_key(&op->attrs, "sym_visibility");
    ml_func f = {.place = op->place, .attrs = op->attrs, .loc = op->loc};

    if (!name || name->kind != ML_ATTR_STR)
        tb_ml_fail(p, op->place, "the function has no name");
    f.name = name->text;
    f.is_private = seen && seen->kind == ML_ATTR_STR && !tb_str_is(seen->text, "public");
    f.has_body = op->regions.n == 1 && op->regions.at[0].ops.n > 0;
    if (f.has_body) {
        f.body = op->regions.at[0];
        memcpy(&f.args, &f.body.args, sizeof f.args);
    }
    TB_PUSH(&p->cx->scratch, &p->funcs, f);
}

/* ---- globals: util.global private mutable @name {attributes} = value : type ---- */

static void
custom_global(ml_parser *p, ml_op *op)
{
    ml_attr mutable_ = {.kind = ML_ATTR_UNIT, .key = TB_STR("is_mutable")};
    ml_attr init = {.key = TB_STR("initial_value")};
    TB_VEC(ml_attr) attrs = {0};

    tb_ml_next(p);
    while (p->tok.kind == ML_WORD) {
        if (tb_ml_is_word(p, "mutable"))
            TB_PUSH(&p->cx->scratch, &attrs, mutable_);
        tb_ml_next(p);
    }
    if (p->tok.kind != ML_SYMBOL)
        tb_ml_expected(p, "the name of a global");
    op->symbol = p->tok.text;
    tb_ml_next(p);
    if (tb_ml_try(p, '{'))
        more_attrs(p, op);
    if (tb_ml_try(p, '=')) {
        init = tb_ml_attr(p);
        init.key = TB_STR("initial_value");
        TB_PUSH(&p->cx->scratch, &attrs, init);
    }
    /* elements attributes and numbers say the type themselves */
    if (tb_ml_try(p, ':'))
        TB_PUSH(&p->cx->scratch, &op->out, tb_ml_type(p));
    else if (init.kind != ML_ATTR_OTHER)
        TB_PUSH(&p->cx->scratch, &op->out, init.type);
    else
        tb_ml_expected(p, "the type of the global");
    for (uint32_t i = 0; i < op->attrs.n_items; i++)
        TB_PUSH(&p->cx->scratch, &attrs, op->attrs.items[i]);
    op->attrs.items = attrs.at;
    op->attrs.n_items = attrs.n;
}

/* ---- modules, blocks ---- */

static bool
is_func(tb_str name)
{
    return tb_str_is(name, "func.func") || tb_str_is(name, "util.func");
}

static bool
is_module(tb_str name)
{
    return tb_str_is(name, "module") || tb_str_is(name, "builtin.module");
}

static void
custom_module(ml_parser *p)
{
    ml_block b = {0};

    tb_ml_enter(p);
    tb_ml_next(p);
    if (p->tok.kind == ML_SYMBOL) {
        p->u->name = tb_strdup(&p->cx->keep, p->tok.text);
        tb_ml_next(p);
    }
    if (tb_ml_try_word(p, "attributes")) {
        tb_ml_need(p, '{');
        tb_ml_dict(p);
    }
    tb_ml_need(p, '{');
    block(p, &b, true);
    tb_ml_need(p, '}');
    tb_ml_leave(p);
    tb_ml_try_loc(p);
}

/* One operation; functions, globals and modules go to the parser's lists. */
static void
operation(ml_parser *p, ml_block *b, bool top)
{
    ml_op op = {.place = p->tok.place};
    bool quoted;

    results(p, &op);
    op.name = p->tok.text;
    op.place = p->tok.place;
    quoted = p->tok.kind == ML_STRING;
    if (!quoted && p->tok.kind != ML_WORD)
        tb_ml_expected(p, "an operation");
    if (!quoted && (is_func(op.name) || is_module(op.name))) {
        if (is_func(op.name))
            custom_func(p);
        else
            custom_module(p);
        return;
    }
    if (!quoted && tb_str_is(op.name, "util.global"))
        custom_global(p, &op);
    else if (quoted)
        generic(p, &op);
    else
        custom(p, &op);
    op.loc = tb_ml_try_loc(p);
    check_results(p, &op);
    if (is_func(op.name)) {
        generic_func(p, &op);
    } else if (is_module(op.name)) {
        const ml_attr *name = tb_ml_key(&op.attrs, "sym_name");

        if (name && name->kind == ML_ATTR_STR)
            p->u->name = tb_strdup(&p->cx->keep, name->text);
    } else if (tb_str_is(op.name, "util.global")) {
        TB_PUSH(&p->cx->scratch, &p->globals, op);
    } else if (top) {
        tb_ml_fail(p, op.place, "%.*s does not belong outside of a function",
                   TB_FMT(op.name));
    } else {
        TB_PUSH(&p->cx->scratch, &b->ops, op);
    }
}

/* ^bb0(%arg0: type loc(...), ...): */
static void
block_label(ml_parser *p, ml_block *b)
{
    if (b->ops.n || b->args.n)
        tb_ml_fail(p, p->tok.place, "control flow between blocks is not supported");
    tb_ml_next(p);
    if (tb_ml_try(p, '(')) {
        while (!tb_ml_is(p, ')')) {
            ml_arg a = {.name = p->tok.text, .place = p->tok.place};

            if (p->tok.kind != ML_VALUE)
                tb_ml_expected(p, "an argument");
            tb_ml_next(p);
            tb_ml_need(p, ':');
            a.type = tb_ml_type(p);
            tb_ml_try_loc(p);
            TB_PUSH(&p->cx->scratch, &b->args, a);
            if (!tb_ml_is(p, ')'))
                tb_ml_need(p, ',');
        }
        tb_ml_need(p, ')');
    }
    tb_ml_need(p, ':');
}

/* Up to the '}' that ends it. */
static void
block(ml_parser *p, ml_block *b, bool top)
{
    while (!tb_ml_is(p, '}') && p->tok.kind != ML_END) {
        if (p->tok.kind == ML_BLOCK)
            block_label(p, b);
        else
            operation(p, b, top);
    }
}

/* ---- aliases and resources ---- */

static void
alias(ml_parser *p)
{
    ml_alias a = {.name = p->tok.text};
    ml_place at = p->tok.place;
    bool is_type = p->tok.kind == ML_TYPE;

    tb_ml_next(p);
    tb_ml_need(p, '=');
    if (is_type) {
        ml_type t = tb_ml_type(p);

        a.type = tb_dup(&p->cx->scratch, &t, sizeof t);
    } else if (tb_ml_is_word(p, "loc")) {
        a.loc = tb_ml_try_loc(p);
    } else {
        ml_attr x = tb_ml_attr(p);

        a.attr = tb_dup(&p->cx->scratch, &x, sizeof x);
    }
    tb_ml_alias_add(p, a, at);
}

static void
one_resource(ml_parser *p)
{
    ml_resource r = {.place = p->tok.place, .name = p->tok.text};
    uint64_t h;

    if (p->tok.kind == ML_STRING)
        r.name = tb_ml_unescape(p, r.name, r.place);
    else if (p->tok.kind != ML_WORD)
        tb_ml_expected(p, "the name of a resource");
    tb_ml_next(p);
    tb_ml_need(p, ':');
    if (p->tok.kind != ML_STRING) { /* external resources: numbers, booleans */
        tb_ml_attr(p);
        return;
    }
    r.text = p->tok.text;
    tb_ml_next(p);
    h = tb_hash(r.name.ptr, r.name.len, 0);
    TB_PUSH(&p->cx->scratch, &p->resources, r);
    tb_map_put(&p->resource_names, h, p->resources.n);
}

/* {-# dialect_resources: { builtin: { name: "0x..." } } #-}, behind the first token */
static void
resources(ml_parser *p)
{
    int depth = 0;

    while (p->tok.kind != ML_META_END) {
        if (depth && tb_ml_try(p, '}')) {
            depth--;
            tb_ml_try(p, ',');
        } else if (depth < 2) {
            if (p->tok.kind != ML_WORD)
                tb_ml_expected(p, "a section of resources or '#-}'");
            tb_ml_next(p);
            tb_ml_need(p, ':');
            tb_ml_need(p, '{');
            depth++;
        } else {
            one_resource(p);
            if (!tb_ml_is(p, '}'))
                tb_ml_need(p, ',');
        }
        if (p->tok.kind == ML_END)
            tb_ml_expected(p, "'#-}'");
    }
    tb_ml_next(p);
}

void
tb_ml_syntax(ml_parser *p)
{
    ml_block b = {0};

    tb_ml_next(p);
    while (p->tok.kind != ML_END) {
        if (p->tok.kind == ML_HASH || p->tok.kind == ML_TYPE) {
            alias(p);
        } else if (p->tok.kind == ML_META_BEGIN) {
            tb_ml_next(p);
            resources(p);
        } else {
            operation(p, &b, true);
        }
    }
}

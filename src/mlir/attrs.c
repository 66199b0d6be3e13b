/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attrs.c -- attributes, affine maps, locations and their aliases.
 *
 * Of attributes that we do not know only the end is found: they are annotations.
 */
#include "mlir/text.h"

/* ---- aliases: #map, #loc, !type ---- */

const ml_alias *
tb_ml_alias(const ml_parser *p, tb_str name)
{
    uint32_t at = 0, v;

    while ((v = tb_map_next(&p->alias_names, tb_hash(name.ptr, name.len, 0), &at)) != 0)
        if (tb_str_eq(p->aliases.at[v - 1].name, name))
            return &p->aliases.at[v - 1];
    return NULL;
}

void
tb_ml_alias_add(ml_parser *p, ml_alias a, ml_place at)
{
    if (tb_ml_alias(p, a.name))
        tb_ml_fail(p, at, "the alias '%.*s' is defined twice", TB_FMT(a.name));
    TB_PUSH(&p->cx->scratch, &p->aliases, a);
    tb_map_put(&p->alias_names, tb_hash(a.name.ptr, a.name.len, 0), p->aliases.n);
}

/* ---- affine maps ---- */

typedef struct names {
    tb_str dims[TB_MAX_RANK * 4], symbols[TB_MAX_RANK * 4];
    uint32_t n_dims, n_symbols;
} names;

static const ml_affine *affine_sum(ml_parser *p, const names *n);

static const ml_affine *
affine_node(ml_parser *p, int op, const ml_affine *a, const ml_affine *b)
{
    ml_affine *e = TB_NEW(&p->cx->scratch, ml_affine);

    e->op = op;
    e->a = a;
    e->b = b;
    return e;
}

static const ml_affine *
affine_number(ml_parser *p, int op, int64_t value)
{
    ml_affine *e = TB_NEW(&p->cx->scratch, ml_affine);

    e->op = op;
    e->value = value;
    return e;
}

static const ml_affine *
affine_operand(ml_parser *p, const names *n)
{
    const ml_affine *e;
    tb_str s = p->tok.text;

    tb_ml_enter(p);
    if (tb_ml_try(p, '-')) {
        e = affine_node(p, ML_A_MUL, affine_number(p, ML_A_CONST, -1),
                        affine_operand(p, n));
    } else if (tb_ml_try(p, '(')) {
        e = affine_sum(p, n);
        tb_ml_need(p, ')');
    } else if (p->tok.kind == ML_INT) {
        e = affine_number(p, ML_A_CONST, tb_ml_int(p));
    } else if (p->tok.kind == ML_WORD) {
        e = NULL;
        for (uint32_t i = 0; i < n->n_symbols && !e; i++)
            if (tb_str_eq(n->symbols[i], s))
                e = affine_number(p, ML_A_SYMBOL, i);
        for (uint32_t i = 0; i < n->n_dims && !e; i++)
            if (tb_str_eq(n->dims[i], s))
                e = affine_number(p, ML_A_DIM, i);
        if (!e)
            tb_ml_expected(p, "a symbol of the map");
        tb_ml_next(p);
    } else {
        tb_ml_expected(p, "an affine expression");
    }
    tb_ml_leave(p);
    return e;
}

static const ml_affine *
affine_term(ml_parser *p, const names *n)
{
    const ml_affine *e = affine_operand(p, n);

    for (;;) {
        if (tb_ml_try(p, '*'))
            e = affine_node(p, ML_A_MUL, e, affine_operand(p, n));
        else if (tb_ml_try_word(p, "floordiv"))
            e = affine_node(p, ML_A_DIV, e, affine_operand(p, n));
        else if (tb_ml_try_word(p, "ceildiv"))
            e = affine_node(p, ML_A_CEIL, e, affine_operand(p, n));
        else if (tb_ml_try_word(p, "mod"))
            e = affine_node(p, ML_A_MOD, e, affine_operand(p, n));
        else
            return e;
    }
}

static const ml_affine *
affine_sum(ml_parser *p, const names *n)
{
    const ml_affine *e = affine_term(p, n), *m;

    for (;;) {
        if (tb_ml_try(p, '+')) {
            e = affine_node(p, ML_A_ADD, e, affine_term(p, n));
        } else if (tb_ml_try(p, '-')) {
            m = affine_number(p, ML_A_CONST, -1);
            e = affine_node(p, ML_A_ADD, e,
                            affine_node(p, ML_A_MUL, m, affine_term(p, n)));
        } else {
            return e;
        }
    }
}

static uint32_t
affine_names(ml_parser *p, char open, char close, tb_str *at, uint32_t cap)
{
    uint32_t n = 0;

    if (!tb_ml_try(p, open))
        return 0;
    while (!tb_ml_is(p, close)) {
        if (n)
            tb_ml_need(p, ',');
        if (n == cap || p->tok.kind != ML_WORD)
            tb_ml_expected(p, "the name of a symbol");
        at[n++] = p->tok.text;
        tb_ml_next(p);
    }
    tb_ml_need(p, close);
    return n;
}

/* <(d0)[s0] -> (s0, 4)> */
static void
affine_map(ml_parser *p, ml_attr *a)
{
    TB_VEC(ml_affine) exprs = {0};
    names n = {0};

    tb_ml_need(p, '<');
    n.n_dims = affine_names(p, '(', ')', n.dims, TB_COUNT(n.dims));
    n.n_symbols = affine_names(p, '[', ']', n.symbols, TB_COUNT(n.symbols));
    if (p->tok.kind != ML_ARROW)
        tb_ml_expected(p, "'->'");
    tb_ml_next(p);
    tb_ml_need(p, '(');
    while (!tb_ml_is(p, ')')) {
        if (exprs.n)
            tb_ml_need(p, ',');
        TB_PUSH(&p->cx->scratch, &exprs, *affine_sum(p, &n));
    }
    tb_ml_need(p, ')');
    tb_ml_need(p, '>');
    a->kind = ML_ATTR_MAP;
    a->exprs = exprs.at;
    a->n_exprs = exprs.n;
    a->n_dims = n.n_dims;
    a->n_symbols = n.n_symbols;
}

/* ---- attributes ---- */

/* Past `<...>` with whatever is inside; '<' is the current token. */
static void
skip_angles(ml_parser *p)
{
    ml_place from = p->tok.place;
    int depth = 0;

    do {
        if (p->tok.kind == ML_END)
            tb_ml_fail(p, from, "this '<' is never closed");
        depth += tb_ml_is(p, '<') - tb_ml_is(p, '>');
        tb_ml_next(p);
    } while (depth > 0);
}

/* The text between the brackets of dense<...>, which is read when its type is known. */
static tb_str
raw_angles(ml_parser *p)
{
    const char *from = p->at, *c = from;

    if (!tb_ml_is(p, '<'))
        tb_ml_expected(p, "'<'");
    for (; c < p->end && *c != '>'; c++) {
        if (*c == '"') {
            c = memchr(c + 1, '"', (size_t)(p->end - c - 1));
            if (!c)
                tb_ml_fail(p, p->tok.place, "the string has no end");
        } else if (*c == '\n') {
            p->line++;
            p->line_start = c + 1;
        }
    }
    if (c == p->end)
        tb_ml_fail(p, p->tok.place, "this '<' is never closed");
    p->at = c + 1;
    tb_ml_next(p);
    tb_ml_was_read(p, from, (size_t)(c - from));
    return (tb_str){from, (size_t)(c - from)};
}

static void
elements_type(ml_parser *p, ml_attr *a)
{
    tb_ml_need(p, ':');
    a->type = tb_ml_type(p);
    if (a->type.kind != ML_T_TENSOR)
        tb_ml_fail(p, a->place, "expected the type of a tensor");
}

static void
word_attr(ml_parser *p, ml_attr *a)
{
    tb_str s = p->tok.text;

    if (tb_str_is(s, "true") || tb_str_is(s, "false")) {
        a->kind = ML_ATTR_BOOL;
        a->i = s.len == 4;
        tb_ml_next(p);
    } else if (tb_str_is(s, "unit")) {
        a->kind = ML_ATTR_UNIT;
        tb_ml_next(p);
    } else if (tb_str_is(s, "dense")) {
        tb_ml_next(p);
        a->kind = ML_ATTR_DENSE;
        a->text = raw_angles(p);
        elements_type(p, a);
    } else if (tb_str_is(s, "dense_resource")) {
        tb_ml_next(p);
        tb_ml_need(p, '<');
        a->kind = ML_ATTR_RESOURCE;
        a->text = p->tok.text;
        if (p->tok.kind == ML_STRING)
            a->text = tb_ml_unescape(p, a->text, p->tok.place);
        else if (p->tok.kind != ML_WORD)
            tb_ml_expected(p, "the name of a resource");
        tb_ml_next(p);
        tb_ml_need(p, '>');
        elements_type(p, a);
    } else if (tb_str_is(s, "affine_map")) {
        tb_ml_next(p);
        affine_map(p, a);
    } else if (tb_str_is(s, "loc")) {
        tb_ml_try_loc(p);
    } else if (tb_str_is(s, "array") || tb_str_is(s, "affine_set") ||
               tb_str_is(s, "sparse") || tb_str_is(s, "strided") ||
               tb_str_is(s, "distinct")) {
        a->text = s;
        tb_ml_next(p);
        while (!tb_ml_is(p, '<') &&
               (tb_ml_is(p, '[') || tb_ml_is(p, ']') || p->tok.kind == ML_INT))
            tb_ml_next(p);
        if (tb_ml_is(p, '<'))
            skip_angles(p);
    } else {
        a->kind = ML_ATTR_TYPE;
        a->type = tb_ml_type(p);
    }
}

/* #stream.parameter.named<"scope"::"key">, and the like of other dialects */
static void
dialect_attr(ml_parser *p, ml_attr *a)
{
    TB_VEC(ml_attr) items = {0};
    tb_str s = p->tok.text;

    tb_ml_next(p);
    a->text = s;
    if (!tb_str_is(s, "flow.parameter.named") &&
        !tb_str_is(s, "stream.parameter.named")) {
        if (tb_ml_is(p, '<'))
            skip_angles(p);
        return;
    }
    a->kind = ML_ATTR_PARAMETER;
    tb_ml_need(p, '<');
    while (!tb_ml_try(p, '>')) {
        ml_attr item = {.kind = ML_ATTR_STR, .place = p->tok.place};

        if (tb_ml_try(p, ':') || tb_ml_try(p, ','))
            continue;
        if (p->tok.kind != ML_STRING)
            tb_ml_expected(p, "a string or '>'");
        item.text = tb_ml_unescape(p, p->tok.text, p->tok.place);
        tb_ml_next(p);
        TB_PUSH(&p->cx->scratch, &items, item);
    }
    a->items = items.at;
    a->n_items = items.n;
}

static void
number_attr(ml_parser *p, ml_attr *a)
{
    bool minus = tb_ml_is(p, '-');

    a->kind = ML_ATTR_INT;
    a->text = p->tok.text;
    if (minus) {
        const char *at = p->at;

        while (at < p->end && *at >= '0' && *at <= '9')
            at++;
        if (at < p->end && *at == '.') { /* tb_ml_int would not read it */
            tb_ml_next(p);
            a->kind = ML_ATTR_FLOAT;
            a->f = -tb_ml_number(p);
            tb_ml_next(p);
        }
    }
    if (p->tok.kind == ML_FLOAT && a->kind == ML_ATTR_INT) {
        a->kind = ML_ATTR_FLOAT;
        a->f = tb_ml_number(p);
        tb_ml_next(p);
    } else if (a->kind == ML_ATTR_INT) {
        a->i = tb_ml_int(p);
    }
    if (tb_ml_try(p, ':'))
        a->type = tb_ml_type(p);
    /* 0x7FC00000 : f32 are the bits */
    if (a->kind == ML_ATTR_INT && tb_dtype_is_float((tb_dtype)a->type.tensor.dtype)) {
        uint32_t bits = (uint32_t)a->i;
        float f;

        a->kind = ML_ATTR_FLOAT;
        memcpy(&f, &bits, sizeof f);
        a->f = (double)f;
        if (a->type.tensor.dtype == TB_F64)
            memcpy(&a->f, &a->i, sizeof a->f);
        if (a->type.tensor.dtype == TB_F16)
            a->f = (double)tb_f16_to_f32((uint16_t)bits);
        if (a->type.tensor.dtype == TB_BF16)
            a->f = (double)tb_bf16_to_f32((uint16_t)bits);
    }
}

static void
array_attr(ml_parser *p, ml_attr *a)
{
    TB_VEC(ml_attr) items = {0};

    while (!tb_ml_is(p, ']')) {
        if (items.n)
            tb_ml_need(p, ',');
        TB_PUSH(&p->cx->scratch, &items, tb_ml_attr(p));
    }
    tb_ml_need(p, ']');
    a->kind = ML_ATTR_ARRAY;
    a->items = items.at;
    a->n_items = items.n;
}

ml_attr
tb_ml_attr(ml_parser *p)
{
    ml_attr a = {.place = p->tok.place};
    const ml_alias *alias;

    tb_ml_enter(p);
    if (p->tok.kind == ML_STRING) {
        a.kind = ML_ATTR_STR;
        a.text = tb_ml_unescape(p, p->tok.text, p->tok.place);
        tb_ml_next(p);
        if (tb_ml_try(p, ':'))
            tb_ml_type(p);
    } else if (p->tok.kind == ML_SYMBOL) {
        a.kind = ML_ATTR_SYMBOL;
        a.text = p->tok.text;
        tb_ml_next(p);
    } else if (p->tok.kind == ML_HASH) {
        alias = tb_ml_alias(p, p->tok.text);
        if (alias && alias->attr) {
            a = *alias->attr;
            tb_ml_next(p);
        } else {
            dialect_attr(p, &a);
        }
    } else if (p->tok.kind == ML_INT || p->tok.kind == ML_FLOAT || tb_ml_is(p, '-')) {
        number_attr(p, &a);
    } else if (tb_ml_try(p, '[')) {
        array_attr(p, &a);
    } else if (tb_ml_try(p, '{')) {
        a = tb_ml_dict(p);
    } else if (p->tok.kind == ML_TYPE || tb_ml_is(p, '(')) {
        a.kind = ML_ATTR_TYPE;
        a.type = tb_ml_type(p);
    } else if (p->tok.kind == ML_WORD) {
        word_attr(p, &a);
    } else {
        tb_ml_expected(p, "an attribute");
    }
    tb_ml_leave(p);
    return a;
}

ml_attr
tb_ml_dict(ml_parser *p)
{
    TB_VEC(ml_attr) items = {0};
    ml_attr d = {.kind = ML_ATTR_DICT, .place = p->tok.place};

    while (!tb_ml_is(p, '}')) {
        ml_attr a = {.kind = ML_ATTR_UNIT};
        tb_str key = p->tok.text;

        if (items.n)
            tb_ml_need(p, ',');
        key = p->tok.text;
        a.place = p->tok.place;
        if (p->tok.kind == ML_STRING)
            key = tb_ml_unescape(p, key, p->tok.place);
        else if (p->tok.kind != ML_WORD)
            tb_ml_expected(p, "the name of an attribute");
        tb_ml_next(p);
        if (tb_ml_try(p, '='))
            a = tb_ml_attr(p);
        if (tb_ml_try(p, ':')) /* of an attribute of a dialect */
            a.type = tb_ml_type(p);
        a.key = key;
        TB_PUSH(&p->cx->scratch, &items, a);
    }
    tb_ml_need(p, '}');
    d.items = items.at;
    d.n_items = items.n;
    return d;
}

const ml_attr *
tb_ml_key(const ml_attr *dict, const char *key)
{
    for (uint32_t i = 0; i < dict->n_items; i++)
        if (tb_str_is(dict->items[i].key, key))
            return &dict->items[i];
    return NULL;
}

/* ---- locations ---- */

static const ml_loc *location(ml_parser *p);

static uint32_t
small(ml_parser *p)
{
    int64_t v = tb_ml_int(p);

    return v < 0 || v > UINT32_MAX ? 0 : (uint32_t)v;
}

/* "file":12:3, also "file":12:3 to :5 or 13:5; or "name", "name"(location) */
static void
text_location(ml_parser *p, ml_loc *l)
{
    l->name = tb_ml_unescape(p, p->tok.text, p->tok.place);
    tb_ml_next(p);
    if (tb_ml_try(p, ':')) {
        l->kind = ML_L_FILE;
        l->line = small(p);
        if (tb_ml_try(p, ':'))
            l->col = small(p);
        if (tb_ml_try_word(p, "to")) {
            if (p->tok.kind == ML_INT)
                tb_ml_next(p);
            tb_ml_need(p, ':');
            small(p);
        }
        return;
    }
    l->kind = ML_L_NAME;
    if (tb_ml_try(p, '(')) {
        l->child = location(p);
        tb_ml_need(p, ')');
    }
}

/* fused<metadata>[a, b]: the first says where it came from */
static void
fused_location(ml_parser *p, ml_loc *l)
{
    l->kind = ML_L_CHILD;
    if (tb_ml_is(p, '<'))
        skip_angles(p);
    tb_ml_need(p, '[');
    while (!tb_ml_is(p, ']')) {
        const ml_loc *c = location(p);

        l->child = l->child ? l->child : c;
        if (!tb_ml_is(p, ']'))
            tb_ml_need(p, ',');
    }
    tb_ml_need(p, ']');
}

static const ml_loc *
location(ml_parser *p)
{
    ml_loc *l = TB_NEW(&p->cx->scratch, ml_loc);

    tb_ml_enter(p);
    if (p->tok.kind == ML_HASH) {
        l->kind = ML_L_ALIAS;
        l->name = p->tok.text;
        tb_ml_next(p);
    } else if (p->tok.kind == ML_STRING) {
        text_location(p, l);
    } else if (tb_ml_try_word(p, "loc")) { /* inside another one it may be spelled out */
        tb_ml_need(p, '(');
        l->kind = ML_L_CHILD;
        l->child = tb_ml_loc_body(p);
    } else if (tb_ml_try_word(p, "callsite")) {
        l->kind = ML_L_CHILD;
        tb_ml_need(p, '(');
        l->child = location(p);
        if (!tb_ml_try_word(p, "at"))
            tb_ml_expected(p, "'at'");
        location(p);
        tb_ml_need(p, ')');
    } else if (tb_ml_try_word(p, "fused")) {
        fused_location(p, l);
    } else if (!tb_ml_try_word(p, "unknown")) {
        tb_ml_expected(p, "a location");
    }
    tb_ml_leave(p);
    return l;
}

const ml_loc *
tb_ml_loc_body(ml_parser *p)
{
    const ml_loc *l = location(p);

    tb_ml_need(p, ')');
    return l;
}

const ml_loc *
tb_ml_try_loc(ml_parser *p)
{
    if (!tb_ml_try_word(p, "loc"))
        return NULL;
    tb_ml_need(p, '(');
    return tb_ml_loc_body(p);
}

bool
tb_ml_loc_find(const ml_parser *p, const ml_loc *l, tb_location *out)
{
    const ml_alias *alias;

    /* Aliases may name each other: as many steps as nesting could have. */
    for (int i = 0; l && i < ML_MAX_DEPTH; i++) {
        switch (l->kind) {
        case ML_L_UNKNOWN:
            return out->path.len > 0;
        case ML_L_FILE:
            out->file = l->name;
            out->line = l->line;
            out->col = l->col;
            return true;
        case ML_L_NAME:
            if (!out->path.len)
                out->path = l->name;
            l = l->child;
            break;
        case ML_L_CHILD:
            l = l->child;
            break;
        case ML_L_ALIAS:
            alias = tb_ml_alias(p, l->name);
            l = alias ? alias->loc : NULL;
            break;
        }
    }
    return out->path.len > 0;
}

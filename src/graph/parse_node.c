/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * parse_node.c -- primitives and ATen calls of the .tb text, with their operands.
 */
#include "graph/parse.h"

/* ---- operands ---- */

tb_parse_name *
tb_parse_find_name(tb_parser *p, tb_str s)
{
    uint32_t at = 0, v;

    while ((v = tb_map_next(&p->seen, tb_hash(s.ptr, s.len, 0), &at)) != 0)
        if (tb_str_eq(p->names.at[v - 1].text, s))
            return &p->names.at[v - 1];
    return NULL;
}

tb_str
tb_parse_val_name(tb_parser *p)
{
    tb_str s;

    tb_parse_need_char(p, '%');
    s.ptr = p->at;
    while (p->at < p->end && tb_parse_is_word(*p->at, false))
        p->at++;
    s.len = (size_t)(p->at - s.ptr);
    if (!s.len)
        tb_parse_fail(p, "expected a name after %%");
    return s;
}

tb_val
tb_parse_val(tb_parser *p)
{
    tb_str s;
    tb_parse_name *n;

    if (tb_parse_try_word(p, "none"))
        return TB_NO_VAL;
    s = tb_parse_val_name(p);
    n = tb_parse_find_name(p, s);
    if (!n)
        tb_parse_fail(p, "%%%.*s is not defined above", TB_FMT(s));
    return n->v;
}

/* ---- nodes ---- */

typedef TB_VEC(int64_t) words;

static int64_t
double_bits(double d)
{
    int64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* The type follows the attributes: whether a `full` holds a float shows in the text. */
static int64_t
full_value(tb_parser *p, bool *is_float)
{
    const char *start, *c;

    tb_parse_blank(p);
    start = c = p->at;
    while (c < p->end && *c != ' ' && *c != '\n')
        c++;
    for (const char *i = start; i < c; i++)
        if (*i == '.' || *i == 'e' || *i == '@')
            *is_float = true;
    return *is_float ? double_bits(tb_parse_number(p)) : tb_parse_integer(p);
}

static int64_t
axes(tb_parser *p)
{
    int64_t mask = 0;

    if (tb_parse_try_word(p, "none"))
        return 0;
    do {
        int64_t ax = tb_parse_integer(p);

        if (ax < 0 || ax >= TB_MAX_RANK)
            tb_parse_fail(p, "axis %lld is out of range", (long long)ax);
        mask |= INT64_C(1) << ax;
    } while (tb_parse_try_char(p, ','));
    return mask;
}

static int64_t
attr_value(tb_parser *p, tb_attr_kind kind, bool *is_float)
{
    tb_str s;

    switch (kind) {
    case TB_AT_INT:
        return tb_parse_integer(p);
    case TB_AT_DIM:
        return tb_parse_dim(p);
    case TB_AT_AXES:
        return axes(p);
    case TB_AT_VALUE:
        return full_value(p, is_float);
    case TB_AT_F64:
        return double_bits(tb_parse_number(p));
    case TB_AT_MODE:
        s = tb_parse_word(p);
        for (int i = 0; i < 5; i++)
            if (tb_str_is(s, tb_scatter_modes[i]))
                return i;
        tb_parse_fail(p, "there is no mode %.*s", TB_FMT(s));
    case TB_AT_SYM:
        s = tb_parse_word(p);
        for (uint32_t i = 0; i < p->u->syms.n; i++)
            if (tb_str_eq(p->u->syms.at[i].name, s))
                return i;
        tb_parse_fail(p, "there is no symbol %.*s", TB_FMT(s));
    }
    TB_UNREACHABLE();
}

static void
attrs(tb_parser *p, tb_prim prim, const tb_val *in, uint32_t n_in, words *out, bool *is_float)
{
    tb_arena *a = &p->cx->scratch;
    const tb_attr_spec *s = tb_attr_specs(prim);

    for (; s->name; s++) {
        int64_t count = 1;

        if (s->count == TB_AT_RANK)
            count = n_in && in[0].id ? tb_rank(p->g, in[0]) : 0;
        else if (s->count == TB_AT_N)
            count = out->n ? out->at[0] : 0;
        if (count < 0 || count > TB_MAX_RANK)
            tb_parse_fail(p, "%lld values of %s", (long long)count, s->name);
        if (!count)
            continue;
        if (!tb_parse_try_word(p, s->name)) {
            if (prim != TB_P_input)
                tb_parse_fail(p, "%s: expected %s=", tb_prim_name(prim), s->name);
            TB_PUSH(a, out, p->next_input);
            continue;
        }
        tb_parse_need_char(p, '=');
        for (int64_t i = 0; i < count; i++) {
            if (i)
                tb_parse_need_char(p, ',');
            TB_PUSH(a, out, attr_value(p, s->kind, is_float));
        }
    }
}

static tb_prim
prim_of(tb_str s)
{
    for (int i = TB_P_none + 1; i < TB_P_END; i++)
        if (tb_str_is(s, tb_prim_name((tb_prim)i)))
            return (tb_prim)i;
    return TB_P_none;
}

tb_val
tb_parse_node(tb_parser *p, tb_str op)
{
    tb_arena *a = &p->cx->scratch;
    tb_prim prim = prim_of(op);
    TB_VEC(tb_val) in = {0};
    words attr = {0};
    tb_type t = {0};
    bool is_float = false;

    if (prim == TB_P_none || prim == TB_P_aten)
        tb_parse_fail(p, "there is no primitive \"%.*s\"", TB_FMT(op));
    for (tb_parse_blank(p); p->at < p->end && *p->at == '%'; tb_parse_blank(p))
        TB_PUSH(a, &in, tb_parse_val(p)); /* a name, so never none */
    attrs(p, prim, in.at, in.n, &attr, &is_float);
    if (prim == TB_P_input)
        p->next_input++;
    if (tb_parse_try_char(p, ':'))
        t = tb_parse_type(p);
    if (prim == TB_P_full && is_float != (tb_dtype_is_float((tb_dtype)t.dtype) ||
                                          tb_dtype_is_complex((tb_dtype)t.dtype)))
        tb_parse_fail(p, "full: the value does not suit %s", tb_dtype_name((tb_dtype)t.dtype));
    for (int i = 0; i < t.rank; i++)
        if (t.dims[i] == TB_DIM_UNKNOWN)
            tb_parse_fail(p, "a size of a node must be known");
    return tb_add(p->g, prim, (tb_dtype)t.dtype, t.rank, t.dims, in.at, in.n, attr.at,
                  attr.n);
}

/* ---- ATen calls ---- */

static tb_arg arg(tb_parser *p, int depth);

static tb_arg
list_arg(tb_parser *p, int depth)
{
    TB_VEC(tb_arg) items = {0};
    tb_arg a = {.kind = TB_ARG_LIST};

    while (!tb_parse_try_char(p, ']')) {
        if (items.n)
            tb_parse_need_char(p, ',');
        TB_PUSH(&p->cx->keep, &items, arg(p, depth + 1));
    }
    a.list.at = items.at;
    a.list.n = items.n;
    return a;
}

static tb_arg
arg(tb_parser *p, int depth)
{
    const char *c;

    if (depth > 16)
        tb_parse_fail(p, "lists are nested too deep");
    tb_parse_blank(p);
    if (p->at < p->end && *p->at == '%')
        return (tb_arg){.kind = TB_ARG_TENSOR, .v = tb_parse_val(p)};
    if (p->at < p->end && *p->at == '"')
        return (tb_arg){.kind = TB_ARG_STR, .s = tb_parse_string(p)};
    if (tb_parse_try_char(p, '['))
        return list_arg(p, depth);
    if (tb_parse_try_char(p, '(')) {
        tb_arg a = {.kind = TB_ARG_COMPLEX};

        a.z.re = tb_parse_number(p);
        tb_parse_need_char(p, ',');
        a.z.im = tb_parse_number(p);
        tb_parse_need_char(p, ')');
        return a;
    }
    if (tb_parse_try_char(p, '<')) {
        tb_arg a = {.kind = TB_ARG_DIM, .d = tb_parse_dim_sum(p, 0)};

        tb_parse_need_char(p, '>');
        return a;
    }
    if (tb_parse_try_word(p, "none"))
        return (tb_arg){.kind = TB_ARG_NONE};
    if (tb_parse_try_word(p, "true"))
        return (tb_arg){.kind = TB_ARG_BOOL, .b = true};
    if (tb_parse_try_word(p, "false"))
        return (tb_arg){.kind = TB_ARG_BOOL, .b = false};
    for (c = p->at; c < p->end && !memchr(",)] \n", *c, 5); c++)
        if (*c == '.' || *c == 'e' || *c == '@')
            return (tb_arg){.kind = TB_ARG_FLOAT, .f = tb_parse_number(p)};
    return (tb_arg){.kind = TB_ARG_INT, .i = tb_parse_integer(p)};
}

tb_val
tb_parse_call(tb_parser *p, tb_str op)
{
    TB_VEC(tb_arg) args = {0};
    TB_VEC(tb_type) results = {0};
    tb_call c = {.name = op};
    char close = 0;

    tb_parse_need_char(p, '(');
    while (!tb_parse_try_char(p, ')')) {
        if (args.n)
            tb_parse_need_char(p, ',');
        TB_PUSH(&p->cx->keep, &args, arg(p, 0));
    }
    tb_parse_need_char(p, '-');
    tb_parse_need_char(p, '>');
    if (tb_parse_try_char(p, '(')) {
        close = ')';
    } else {
        /* "[s0]xf32" is one result, "[f32, f32]" or "[[s0]xf32]" a list: a list has no 'x'
         * behind its closing bracket. */
        const char *q;
        int depth = 0;

        tb_parse_blank(p);
        for (q = p->at; q < p->end && *q != '\n'; q++) {
            depth += (*q == '[') - (*q == ']');
            if (depth == 0)
                break;
        }
        if (p->at < p->end && *p->at == '[' && (q + 1 >= p->end || q[1] != 'x')) {
            p->at++;
            close = ']';
            c.result_is_list = true;
        }
    }
    if (!close)
        TB_PUSH(&p->cx->keep, &results, tb_parse_type(p));
    while (close && !tb_parse_try_char(p, close)) {
        if (results.n)
            tb_parse_need_char(p, ',');
        TB_PUSH(&p->cx->keep, &results, tb_parse_type(p));
    }
    c.name = tb_strdup(&p->cx->keep, op);
    c.args = args.at;
    c.n_args = args.n;
    c.results = results.at;
    c.n_results = results.n;
    return tb_aten(p->g, c);
}

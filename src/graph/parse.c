/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * parse.c -- reads the .tb text that print.c writes.
 *
 * Nodes go through the raw constructor, so that exactly the printed graph comes back, and
 * each finished graph is verified. A node may be called %anything: names are given out in
 * the text and forgotten. Comments run from '#' to the end of the line.
 */
#include "graph/parse.h"

/* ---- graphs ---- */

static void
define(tb_parser *p, tb_str text, tb_val v)
{
    if (tb_parse_find_name(p, text))
        tb_parse_fail(p, "%%%.*s is defined twice", TB_FMT(text));
    TB_PUSH(&p->cx->scratch, &p->names, ((tb_parse_name){text, v}));
    tb_map_put(&p->seen, tb_hash(text.ptr, text.len, 0), p->names.n);
}

static void
one_node(tb_parser *p)
{
    tb_location l = {.file = p->file, .line = p->line};
    tb_str text = tb_parse_val_name(p), op;
    tb_val v;

    tb_parse_need_char(p, '=');
    p->g->loc = tb_unit_loc(p->u, l);
    op = tb_parse_word(p);
    if (tb_str_is(op, "aten")) {
        op = tb_parse_string(p);
        v = tb_parse_call(p, op);
    } else if (memchr(op.ptr, '.', op.len)) {
        v = tb_parse_call(p, op);
    } else {
        v = tb_parse_node(p, op);
    }
    define(p, text, v);
    tb_parse_end_line(p);
}

/* Lines up to `return`, which ends a body. */
static void
body(tb_parser *p, tb_graph *g)
{
    tb_arena *a = &p->cx->keep;

    p->g = g;
    p->names.n = 0;
    p->seen = (tb_map){.arena = &p->cx->scratch};
    p->next_input = 0;
    while (tb_parse_next_line(p) && *p->at == '%')
        one_node(p);
    if (tb_parse_try_word(p, "effects")) {
        g->effects.n = 0;
        do
            TB_PUSH(a, &g->effects, tb_parse_val(p));
        while (tb_parse_try_char(p, ','));
        tb_parse_end_line(p);
        tb_parse_next_line(p);
    }
    if (!tb_parse_try_word(p, "return"))
        tb_parse_fail(p, "expected a node or return");
    tb_parse_blank(p);
    if (p->at < p->end && *p->at != '\n' && *p->at != '}') {
        do
            TB_PUSH(a, &g->outputs, tb_parse_val(p));
        while (tb_parse_try_char(p, ','));
    }
    tb_parse_end_line(p);
}

/* ---- units ---- */

static void
sym(tb_parser *p)
{
    tb_str s = tb_parse_word(p);
    tb_sym_kind kind = TB_SYM_SHAPE;
    uint32_t number_ = 0;
    int64_t min, max = INT64_MAX;
    tb_sym *x;

    tb_parse_need_char(p, '=');
    if (tb_parse_try_word(p, "item"))
        kind = TB_SYM_ITEM;
    else if (tb_parse_try_word(p, "arg"))
        kind = TB_SYM_ARG, number_ = tb_parse_index32(p);
    else if (!tb_parse_try_word(p, "shape"))
        tb_parse_fail(p, "expected shape, item or arg");
    min = tb_parse_integer(p);
    tb_parse_need_char(p, '.');
    tb_parse_need_char(p, '.');
    if (p->at < p->end && (*p->at == '-' || (*p->at >= '0' && *p->at <= '9')))
        max = tb_parse_integer(p);
    tb_sym_new(p->u, s, kind, min, max);
    x = &p->u->syms.at[p->u->syms.n - 1];
    x->arg = number_;
    if (tb_parse_try_word(p, "hint")) {
        tb_parse_need_char(p, '=');
        x->hint = tb_parse_integer(p);
    }
}

/* `same=` may name later symbols: read when all are there. */
static void
same(tb_parser *p)
{
    tb_parser q = *p;
    uint32_t index = 0;

    while (tb_parse_next_line(&q)) {
        if (tb_parse_try_word(&q, "sym")) {
            while (q.at < q.end && *q.at != '\n' && *q.at != '#' && *q.at != '[')
                q.at++;
            if (q.at < q.end && *q.at == '[')
                p->u->syms.at[index].same_as = tb_parse_dim(&q);
            index++;
        }
        while (q.at < q.end && *q.at != '\n')
            q.at++;
    }
}

static void
put_elem(tb_dtype t, uint8_t *at, tb_parser *p)
{
    if (tb_dtype_is_float(t)) {
        double d = tb_parse_number(p);
        float f = (float)d;
        uint16_t h = t == TB_F16 ? tb_f32_to_f16(f) : tb_f32_to_bf16(f);

        memcpy(at, t == TB_F64 ? (void *)&d : t == TB_F32 ? (void *)&f : (void *)&h,
               tb_dtype_bytes(t));
    } else {
        int64_t i = tb_parse_integer(p);

        memcpy(at, &i, tb_dtype_bytes(t));
    }
}

/* Room for the data, if the rest of the text can hold that much: a size in the text must
 * not make us allocate what it does not pay for. */
static uint8_t *
data_room(tb_parser *p, tb_const *c, size_t least_chars)
{
    uint8_t *bytes;

    if (least_chars > (size_t)(p->end - p->at))
        tb_parse_fail(p, "the text ends before the data of the constant does");
    bytes = tb_alloc(&p->cx->keep, c->n_bytes + 16);
    c->bytes = bytes;
    return bytes;
}

static void
const_data(tb_parser *p, tb_const *c)
{
    size_t elem_bytes = tb_dtype_bytes(c->dtype);
    const char *start;
    uint8_t *bytes;

    tb_parse_blank(p);
    start = p->at;
    if (tb_parse_try_char(p, '[')) {
        bytes = data_room(p, c, c->n_bytes / elem_bytes);
        for (size_t i = 0; i < c->n_bytes; i += elem_bytes) {
            if (i)
                tb_parse_need_char(p, ',');
            put_elem(c->dtype, bytes + i, p);
        }
        tb_parse_need_char(p, ']');
    } else if (tb_parse_try_word(p, "hex")) {
        tb_parse_blank(p);
        bytes = data_room(p, c, 2 * c->n_bytes);
        for (size_t i = 0; i < c->n_bytes; i++, p->at += 2)
            bytes[i] = (uint8_t)(tb_parse_hex_digit(p, p->at[0]) * 16 +
                                 tb_parse_hex_digit(p, p->at[1]));
    } else if (tb_parse_try_word(p, "hash")) {
        /* The data is not here; print.c writes back what stood in its place. */
        tb_parse_blank(p);
        while (p->at < p->end &&
               (tb_parse_is_word(*p->at, true) || (*p->at >= '0' && *p->at <= '9')))
            p->at++;
        c->scope = tb_strdup(&p->cx->keep, (tb_str){start, (size_t)(p->at - start)});
    } else {
        tb_parse_fail(p, "expected [numbers], hex or hash");
    }
}

static void
constant(tb_parser *p)
{
    tb_const c = {0};
    int64_t bytes;
    tb_type t;

    if (tb_parse_index32(p) != p->u->consts.n)
        tb_parse_fail(p, "expected constant %u", p->u->consts.n);
    c.name = tb_parse_string(p);
    c.scope = TB_STR("");
    tb_parse_need_char(p, ':');
    t = tb_parse_type(p);
    c.dtype = (tb_dtype)t.dtype;
    c.rank = t.rank;
    bytes = (int64_t)tb_dtype_bytes(c.dtype);
    for (int i = 0; i < t.rank; i++) {
        c.dims[i] = t.dims[i];
        if (!tb_dim_is_const(t.dims[i]) || t.dims[i] < 0 ||
            !tb_mul_ok(bytes, t.dims[i], &bytes) || bytes > INT64_MAX / 4)
            tb_parse_fail(p, "a constant needs constant sizes that fit memory");
    }
    c.n_bytes = (size_t)bytes;
    if (tb_parse_try_word(p, "external")) {
        c.external = true;
        c.scope = tb_parse_string(p);
    } else {
        tb_parse_need_char(p, '=');
        const_data(p, &c);
    }
    /* not tb_unit_const: two equal ones stay two, or numbers would shift */
    TB_PUSH(&p->cx->keep, &p->u->consts, c);
}

static void
global(tb_parser *p)
{
    tb_global x = {0};
    tb_type t;

    if (tb_parse_index32(p) != p->u->globals.n)
        tb_parse_fail(p, "expected global %u", p->u->globals.n);
    x.name = tb_parse_string(p);
    tb_parse_need_char(p, ':');
    t = tb_parse_type(p);
    x.dtype = (tb_dtype)t.dtype;
    x.rank = t.rank;
    memcpy(x.dims, t.dims, sizeof x.dims);
    for (int i = 0; i < t.rank; i++)
        if (!tb_dim_is_const(t.dims[i]) || t.dims[i] < 0)
            tb_parse_fail(p, "a global needs constant sizes");
    x.mutable_ = tb_parse_try_word(p, "mutable");
    if (tb_parse_try_word(p, "init")) {
        tb_parse_need_char(p, '=');
        x.init = tb_parse_index32(p) + 1;
        if (x.init > p->u->consts.n)
            tb_parse_fail(p, "there is no constant %u", x.init - 1);
    }
    TB_PUSH(&p->cx->keep, &p->u->globals, x);
}

static tb_param
param(tb_parser *p)
{
    tb_param x = {.name = tb_parse_string(p)};

    tb_parse_need_char(p, ':');
    x.type = tb_parse_type(p);
    tb_parse_end_line(p);
    return x;
}

/* Graphs are numbered in the text; those it leaves out are empty. */
static void
fill_graphs(tb_parser *p, uint32_t upto)
{
    if (upto < p->u->graphs.n)
        tb_parse_fail(p, "graph %u is there already or out of order", upto);
    if (upto - p->u->graphs.n > 100000)
        tb_parse_fail(p, "there is no graph before %u", upto);
    while (p->u->graphs.n < upto)
        tb_graph_new(p->u);
}

static void
func(tb_parser *p)
{
    tb_arena *a = &p->cx->keep;
    tb_str name_ = tb_parse_string(p);
    tb_func *f;

    if (tb_parse_try_word(p, "graph")) {
        tb_parse_need_char(p, '=');
        fill_graphs(p, tb_parse_index32(p));
    }
    f = tb_unit_func(p->u, name_);
    f->exported = tb_parse_try_word(p, "exported");
    tb_parse_need_char(p, '{');
    tb_parse_end_line(p);
    while (tb_parse_next_line(p)) {
        if (tb_parse_try_word(p, "in")) {
            TB_PUSH(a, &f->inputs, param(p));
        } else if (tb_parse_try_word(p, "out")) {
            TB_PUSH(a, &f->outputs, param(p));
        } else if (tb_parse_try_word(p, "attr")) {
            tb_str key = tb_parse_string(p), value = tb_parse_string(p);

            tb_vec_grow(a, (void **)&f->attrs.at, &f->attrs.cap, f->attrs.n + 1,
                        sizeof *f->attrs.at);
            f->attrs.at[f->attrs.n].key = key;
            f->attrs.at[f->attrs.n++].value = value;
            tb_parse_end_line(p);
        } else {
            break;
        }
    }
    body(p, f->body);
}

static void
top(tb_parser *p)
{
    if (tb_parse_try_word(p, "sym")) {
        sym(p);
        while (p->at < p->end && *p->at != '\n' && *p->at != '#')
            p->at++; /* same=: see same() */
    } else if (tb_parse_try_word(p, "const")) {
        constant(p);
    } else if (tb_parse_try_word(p, "global")) {
        global(p);
    } else if (tb_parse_try_word(p, "message")) {
        if (tb_parse_index32(p) != p->u->messages.n)
            tb_parse_fail(p, "expected message %u", p->u->messages.n);
        TB_PUSH(&p->cx->keep, &p->u->messages, tb_parse_string(p));
    } else if (tb_parse_try_word(p, "equal")) {
        tb_equality e = {.a = tb_parse_dim(p)};

        e.b = tb_parse_dim(p);
        TB_PUSH(&p->cx->keep, &p->u->equalities, e);
    } else if (tb_parse_try_word(p, "func")) {
        func(p);
        tb_parse_next_line(p);
        tb_parse_need_char(p, '}');
    } else if (tb_parse_try_word(p, "graph")) {
        fill_graphs(p, tb_parse_index32(p));
        tb_parse_need_char(p, '{');
        tb_parse_end_line(p);
        body(p, tb_graph_new(p->u));
        tb_parse_next_line(p);
        tb_parse_need_char(p, '}');
    } else {
        tb_parse_fail(p, "expected sym, const, global, message, equal, func or graph");
    }
    tb_parse_end_line(p);
}

/* A graph alone, as tb_graph_print writes it: the function "main". */
static void
bare(tb_parser *p)
{
    tb_func *f = tb_unit_func(p->u, TB_STR("main"));
    tb_graph *g = f->body;

    body(p, g);
    for (uint32_t id = 1; id < g->n; id++) {
        const tb_node *n = &g->nodes[id];
        tb_param x = {.name = TB_STR(""), .type = {.dtype = n->dtype, .rank = n->rank}};

        if (n->prim != TB_P_input)
            continue;
        if (tb_attrs(g, (tb_val){id})[0] != f->inputs.n)
            tb_parse_fail(p, "a graph alone must have its inputs in order");
        memcpy(x.type.dims, tb_dims(g, (tb_val){id}), n->rank * sizeof *x.type.dims);
        TB_PUSH(&p->cx->keep, &f->inputs, x);
    }
}

tb_unit *
tb_unit_parse(tb_ctx *cx, tb_str text, tb_str file_name)
{
    tb_parser p = {.cx = cx, .file = file_name, .at = text.ptr, .end = text.ptr + text.len,
                .line_start = text.ptr, .line = 1};
    tb_str s = TB_STR("module");
    bool syms_done = false;

    tb_parse_next_line(&p);
    if (tb_parse_try_word(&p, "module")) {
        s = tb_parse_string(&p);
        tb_parse_end_line(&p);
    }
    p.u = tb_unit_new(cx, s);
    if (tb_parse_next_line(&p) && *p.at == '%') {
        bare(&p);
        if (tb_parse_next_line(&p))
            tb_parse_fail(&p, "expected the end of the text");
    }
    tb_parser start = p;

    while (tb_parse_next_line(&p)) {
        const char *before = p.at;

        if (!syms_done && !tb_parse_try_word(&p, "sym")) {
            start.u = p.u;
            same(&start);
            syms_done = true;
        }
        p.at = before;
        top(&p);
    }
    for (uint32_t i = 0; i < p.u->graphs.n; i++)
        tb_graph_check(p.u->graphs.at[i], TB_INVALID_ARGUMENT);
    return p.u;
}

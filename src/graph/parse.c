/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * parse.c -- reads the .tb text that print.c writes.
 *
 * Nodes go through the raw constructor, so that exactly the printed graph comes back, and
 * each finished graph is verified. A node may be called %anything: names are given out in
 * the text and forgotten. Comments run from '#' to the end of the line.
 */
#include <math.h>
#include <stdlib.h>

#include "graph/text.h"

typedef struct name {
    tb_str text;
    tb_val v;
} name;

typedef struct parser {
    tb_ctx *cx;
    tb_unit *u;
    tb_str file;
    const char *at, *end, *line_start;
    uint32_t line;
    tb_graph *g;
    TB_VEC(name) names; /* of the graph being read */
    tb_map seen;
    int64_t next_input;
} parser;

/* ---- characters and words ---- */

static TB_NORETURN void TB_PRINTF(2, 3)
fail(parser *p, const char *fmt, ...)
{
    tb_location l = {.file = p->file, .line = p->line};
    tb_str text;
    va_list ap;

    va_start(ap, fmt);
    text = tb_vsprintf(&p->cx->scratch, fmt, ap);
    va_end(ap);
    l.col = (uint32_t)(p->at - p->line_start) + 1;
    tb_raise(p->cx, p->u ? tb_unit_loc(p->u, l) : (tb_loc){0}, TB_INVALID_ARGUMENT, "%.*s",
             TB_FMT(text));
}

static void
blank(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
    if (p->at < p->end && *p->at == '#')
        while (p->at < p->end && *p->at != '\n')
            p->at++;
}

static bool
try_char(parser *p, char c)
{
    blank(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static void
need_char(parser *p, char c)
{
    if (!try_char(p, c))
        fail(p, "expected '%c'", c);
}

/* To the start of the next line that has something on it; false at the end of the text. */
static bool
next_line(parser *p)
{
    for (blank(p); p->at < p->end && *p->at == '\n'; blank(p)) {
        p->at++;
        p->line++;
        p->line_start = p->at;
    }
    return p->at < p->end;
}

static void
end_line(parser *p)
{
    blank(p);
    if (p->at < p->end && *p->at != '\n')
        fail(p, "expected the end of the line");
}

static bool
is_word(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.'));
}

/* A word, or an empty string. */
static tb_str
word(parser *p)
{
    tb_str s;

    blank(p);
    s.ptr = p->at;
    while (p->at < p->end && is_word(*p->at, p->at == s.ptr))
        p->at++;
    s.len = (size_t)(p->at - s.ptr);
    return s;
}

static bool
try_word(parser *p, const char *w)
{
    const char *start;

    blank(p);
    start = p->at;
    if (tb_str_is(word(p), w))
        return true;
    p->at = start;
    return false;
}

static int64_t
integer(parser *p)
{
    bool minus = try_char(p, '-');
    uint64_t v = 0;
    const char *start;

    blank(p);
    for (start = p->at; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (v > (UINT64_MAX - 9) / 10)
            fail(p, "the number is too large");
        v = v * 10 + (uint64_t)(*p->at - '0');
    }
    if (p->at == start)
        fail(p, "expected a number");
    if (v > (uint64_t)INT64_MAX + minus)
        fail(p, "the number is too large");
    return minus ? (int64_t)(0 - v) : (int64_t)v;
}

static uint32_t
index32(parser *p)
{
    int64_t i = integer(p);

    if (i < 0 || i > 1 << 28)
        fail(p, "%lld is not an index", (long long)i);
    return (uint32_t)i;
}

static double
number(parser *p)
{
    char s[64];
    size_t n = 0;
    char *stop;
    double d;

    blank(p);
    if (try_char(p, '@')) {
        if (try_char(p, '-')) {
            if (try_word(p, "inf"))
                return -HUGE_VAL;
        } else if (try_word(p, "inf")) {
            return HUGE_VAL;
        } else if (try_word(p, "nan")) {
            return (double)NAN;
        }
        fail(p, "expected @inf, @-inf or @nan");
    }
    while (p->at < p->end && n + 1 < sizeof s &&
           ((*p->at >= '0' && *p->at <= '9') || memchr("+-.eE", *p->at, 5)))
        s[n++] = *p->at++;
    s[n] = 0;
    d = strtod(s, &stop);
    if (!n || *stop)
        fail(p, "expected a number");
    return d;
}

static int
hex_digit(parser *p, char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    fail(p, "expected a hexadecimal digit");
}

static tb_str
string(parser *p)
{
    tb_buf b = {0};
    tb_str s;

    need_char(p, '"');
    for (; p->at < p->end && *p->at != '"' && *p->at != '\n'; p->at++) {
        char c = *p->at;

        if (c == '\\' && p->end - p->at > 3 && p->at[1] == 'x') {
            c = (char)(hex_digit(p, p->at[2]) * 16 + hex_digit(p, p->at[3]));
            p->at += 3;
        } else if (c == '\\' && p->end - p->at > 1) {
            c = *++p->at;
        }
        tb_buf_put(&b, &c, 1);
    }
    s = tb_strdup(&p->cx->keep, (tb_str){(const char *)b.at, b.n});
    tb_buf_free(&b);
    need_char(p, '"');
    return s;
}

/* ---- sizes: the grammar of tb_dim_text ---- */

static tb_dim dim_sum(parser *p, int depth);

static tb_dim
dim_name(parser *p, tb_str s, int depth)
{
    if (tb_str_is(s, "min") || tb_str_is(s, "max")) {
        tb_dim d;

        need_char(p, '(');
        d = dim_sum(p, depth);
        while (try_char(p, ',')) {
            tb_dim e = dim_sum(p, depth);

            d = tb_str_is(s, "min") ? tb_dim_min(p->u, d, e) : tb_dim_max(p->u, d, e);
        }
        need_char(p, ')');
        return d;
    }
    for (uint32_t i = 0; i < p->u->syms.n; i++)
        if (tb_str_eq(p->u->syms.at[i].name, s))
            return tb_sym_dim(p->u, i);
    fail(p, "there is no symbol %.*s", TB_FMT(s));
}

static tb_dim
dim_operand(parser *p, int depth)
{
    tb_str s;
    tb_dim d;

    if (depth > 64)
        fail(p, "the expression is too deep");
    if (try_char(p, '-'))
        return tb_dim_sub(p->u, 0, dim_operand(p, depth + 1));
    if (try_char(p, '(')) {
        d = dim_sum(p, depth + 1);
        need_char(p, ')');
        return d;
    }
    s = word(p);
    return s.len ? dim_name(p, s, depth + 1) : integer(p);
}

static tb_dim
dim_term(parser *p, int depth)
{
    tb_dim d = dim_operand(p, depth), e;

    for (;;) {
        blank(p);
        if (try_char(p, '*')) {
            d = tb_dim_mul(p->u, d, dim_operand(p, depth));
        } else if (p->end - p->at > 1 && p->at[0] == '/' && p->at[1] == '/') {
            p->at += 2;
            e = dim_operand(p, depth);
            if (e == 0)
                fail(p, "division by zero");
            d = tb_dim_floordiv(p->u, d, e);
        } else if (try_char(p, '%')) {
            e = dim_operand(p, depth);
            if (e == 0)
                fail(p, "division by zero");
            d = tb_dim_mod(p->u, d, e);
        } else {
            return d;
        }
    }
}

static tb_dim
dim_sum(parser *p, int depth)
{
    tb_dim d = dim_term(p, depth);

    for (;;) {
        if (try_char(p, '+'))
            d = tb_dim_add(p->u, d, dim_term(p, depth));
        else if (try_char(p, '-'))
            d = tb_dim_sub(p->u, d, dim_term(p, depth));
        else
            return d;
    }
}

/* A number, or [expression]; [?] is a size that the source did not say. */
static tb_dim
dim(parser *p)
{
    tb_dim d;

    if (!try_char(p, '['))
        return integer(p);
    d = try_char(p, '?') ? TB_DIM_UNKNOWN : dim_sum(p, 0);
    need_char(p, ']');
    return d;
}

/* "2x[s0]xf32", "complex<f32>", "none" */
static tb_type
type(parser *p)
{
    tb_type t = {0};
    const char *start;

    blank(p);
    while (p->at < p->end && (*p->at == '[' || (*p->at >= '0' && *p->at <= '9'))) {
        if (t.rank == TB_MAX_RANK)
            fail(p, "rank is above the limit of %d", TB_MAX_RANK);
        t.dims[t.rank] = dim(p);
        if (t.dims[t.rank] != TB_DIM_UNKNOWN && t.dims[t.rank] < 0)
            fail(p, "a size is negative");
        t.rank++;
        need_char(p, 'x');
    }
    start = p->at;
    while (p->at < p->end && (is_word(*p->at, p->at == start) || *p->at == '<' || *p->at == '>'))
        p->at++;
    tb_str s = {start, (size_t)(p->at - start)};

    if (tb_str_is(s, "none"))
        return (tb_type){0};
    t.dtype = (uint8_t)tb_dtype_parse(s);
    if (t.dtype == TB_NONE)
        fail(p, "expected a type, found \"%.*s\"", TB_FMT(s));
    return t;
}

/* ---- operands ---- */

static name *
find_name(parser *p, tb_str s)
{
    uint32_t at = 0, v;

    while ((v = tb_map_next(&p->seen, tb_hash(s.ptr, s.len, 0), &at)) != 0)
        if (tb_str_eq(p->names.at[v - 1].text, s))
            return &p->names.at[v - 1];
    return NULL;
}

static tb_str
val_name(parser *p)
{
    tb_str s;

    need_char(p, '%');
    s.ptr = p->at;
    while (p->at < p->end && is_word(*p->at, false))
        p->at++;
    s.len = (size_t)(p->at - s.ptr);
    if (!s.len)
        fail(p, "expected a name after %%");
    return s;
}

static tb_val
val(parser *p)
{
    tb_str s;
    name *n;

    if (try_word(p, "none"))
        return TB_NO_VAL;
    s = val_name(p);
    n = find_name(p, s);
    if (!n)
        fail(p, "%%%.*s is not defined above", TB_FMT(s));
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
full_value(parser *p, bool *is_float)
{
    const char *start, *c;

    blank(p);
    start = c = p->at;
    while (c < p->end && *c != ' ' && *c != '\n')
        c++;
    for (const char *i = start; i < c; i++)
        if (*i == '.' || *i == 'e' || *i == '@')
            *is_float = true;
    return *is_float ? double_bits(number(p)) : integer(p);
}

static int64_t
axes(parser *p)
{
    int64_t mask = 0;

    if (try_word(p, "none"))
        return 0;
    do {
        int64_t ax = integer(p);

        if (ax < 0 || ax >= TB_MAX_RANK)
            fail(p, "axis %lld is out of range", (long long)ax);
        mask |= INT64_C(1) << ax;
    } while (try_char(p, ','));
    return mask;
}

static int64_t
attr_value(parser *p, tb_attr_kind kind, bool *is_float)
{
    tb_str s;

    switch (kind) {
    case TB_AT_INT:
        return integer(p);
    case TB_AT_DIM:
        return dim(p);
    case TB_AT_AXES:
        return axes(p);
    case TB_AT_VALUE:
        return full_value(p, is_float);
    case TB_AT_F64:
        return double_bits(number(p));
    case TB_AT_MODE:
        s = word(p);
        for (int i = 0; i < 5; i++)
            if (tb_str_is(s, tb_scatter_modes[i]))
                return i;
        fail(p, "there is no mode %.*s", TB_FMT(s));
    case TB_AT_SYM:
        s = word(p);
        for (uint32_t i = 0; i < p->u->syms.n; i++)
            if (tb_str_eq(p->u->syms.at[i].name, s))
                return i;
        fail(p, "there is no symbol %.*s", TB_FMT(s));
    }
    TB_UNREACHABLE();
}

static void
attrs(parser *p, tb_prim prim, const tb_val *in, uint32_t n_in, words *out, bool *is_float)
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
            fail(p, "%lld values of %s", (long long)count, s->name);
        if (!count)
            continue;
        if (!try_word(p, s->name)) {
            if (prim != TB_P_input)
                fail(p, "%s: expected %s=", tb_prim_name(prim), s->name);
            TB_PUSH(a, out, p->next_input);
            continue;
        }
        need_char(p, '=');
        for (int64_t i = 0; i < count; i++) {
            if (i)
                need_char(p, ',');
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

static tb_val
node(parser *p, tb_str op)
{
    tb_arena *a = &p->cx->scratch;
    tb_prim prim = prim_of(op);
    TB_VEC(tb_val) in = {0};
    words attr = {0};
    tb_type t = {0};
    bool is_float = false;

    if (prim == TB_P_none || prim == TB_P_aten)
        fail(p, "there is no primitive \"%.*s\"", TB_FMT(op));
    for (blank(p); p->at < p->end && *p->at == '%'; blank(p))
        TB_PUSH(a, &in, val(p)); /* a name, so never none */
    attrs(p, prim, in.at, in.n, &attr, &is_float);
    if (prim == TB_P_input)
        p->next_input++;
    if (try_char(p, ':'))
        t = type(p);
    if (prim == TB_P_full && is_float != (tb_dtype_is_float((tb_dtype)t.dtype) ||
                                          tb_dtype_is_complex((tb_dtype)t.dtype)))
        fail(p, "full: the value does not suit %s", tb_dtype_name((tb_dtype)t.dtype));
    for (int i = 0; i < t.rank; i++)
        if (t.dims[i] == TB_DIM_UNKNOWN)
            fail(p, "a size of a node must be known");
    return tb_add(p->g, prim, (tb_dtype)t.dtype, t.rank, t.dims, in.at, in.n, attr.at,
                  attr.n);
}

/* ---- ATen calls ---- */

static tb_arg arg(parser *p, int depth);

static tb_arg
list_arg(parser *p, int depth)
{
    TB_VEC(tb_arg) items = {0};
    tb_arg a = {.kind = TB_ARG_LIST};

    while (!try_char(p, ']')) {
        if (items.n)
            need_char(p, ',');
        TB_PUSH(&p->cx->keep, &items, arg(p, depth + 1));
    }
    a.list.at = items.at;
    a.list.n = items.n;
    return a;
}

static tb_arg
arg(parser *p, int depth)
{
    const char *c;

    if (depth > 16)
        fail(p, "lists are nested too deep");
    blank(p);
    if (p->at < p->end && *p->at == '%')
        return (tb_arg){.kind = TB_ARG_TENSOR, .v = val(p)};
    if (p->at < p->end && *p->at == '"')
        return (tb_arg){.kind = TB_ARG_STR, .s = string(p)};
    if (try_char(p, '['))
        return list_arg(p, depth);
    if (try_char(p, '(')) {
        tb_arg a = {.kind = TB_ARG_COMPLEX};

        a.z.re = number(p);
        need_char(p, ',');
        a.z.im = number(p);
        need_char(p, ')');
        return a;
    }
    if (try_char(p, '<')) {
        tb_arg a = {.kind = TB_ARG_DIM, .d = dim_sum(p, 0)};

        need_char(p, '>');
        return a;
    }
    if (try_word(p, "none"))
        return (tb_arg){.kind = TB_ARG_NONE};
    if (try_word(p, "true"))
        return (tb_arg){.kind = TB_ARG_BOOL, .b = true};
    if (try_word(p, "false"))
        return (tb_arg){.kind = TB_ARG_BOOL, .b = false};
    for (c = p->at; c < p->end && !memchr(",)] \n", *c, 5); c++)
        if (*c == '.' || *c == 'e' || *c == '@')
            return (tb_arg){.kind = TB_ARG_FLOAT, .f = number(p)};
    return (tb_arg){.kind = TB_ARG_INT, .i = integer(p)};
}

static tb_val
call(parser *p, tb_str op)
{
    TB_VEC(tb_arg) args = {0};
    TB_VEC(tb_type) results = {0};
    tb_call c = {.name = op};
    char close = 0;

    need_char(p, '(');
    while (!try_char(p, ')')) {
        if (args.n)
            need_char(p, ',');
        TB_PUSH(&p->cx->keep, &args, arg(p, 0));
    }
    need_char(p, '-');
    need_char(p, '>');
    if (try_char(p, '(')) {
        close = ')';
    } else {
        /* "[s0]xf32" is one result, "[f32, f32]" or "[[s0]xf32]" a list: a list has no 'x'
         * behind its closing bracket. */
        const char *q;
        int depth = 0;

        blank(p);
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
        TB_PUSH(&p->cx->keep, &results, type(p));
    while (close && !try_char(p, close)) {
        if (results.n)
            need_char(p, ',');
        TB_PUSH(&p->cx->keep, &results, type(p));
    }
    c.name = tb_strdup(&p->cx->keep, op);
    c.args = args.at;
    c.n_args = args.n;
    c.results = results.at;
    c.n_results = results.n;
    return tb_aten(p->g, c);
}

/* ---- graphs ---- */

static void
define(parser *p, tb_str text, tb_val v)
{
    if (find_name(p, text))
        fail(p, "%%%.*s is defined twice", TB_FMT(text));
    TB_PUSH(&p->cx->scratch, &p->names, ((name){text, v}));
    tb_map_put(&p->seen, tb_hash(text.ptr, text.len, 0), p->names.n);
}

static void
one_node(parser *p)
{
    tb_location l = {.file = p->file, .line = p->line};
    tb_str text = val_name(p), op;
    tb_val v;

    need_char(p, '=');
    p->g->loc = tb_unit_loc(p->u, l);
    op = word(p);
    if (tb_str_is(op, "aten")) {
        op = string(p);
        v = call(p, op);
    } else if (memchr(op.ptr, '.', op.len)) {
        v = call(p, op);
    } else {
        v = node(p, op);
    }
    define(p, text, v);
    end_line(p);
}

/* Lines up to `return`, which ends a body. */
static void
body(parser *p, tb_graph *g)
{
    tb_arena *a = &p->cx->keep;

    p->g = g;
    p->names.n = 0;
    p->seen = (tb_map){.arena = &p->cx->scratch};
    p->next_input = 0;
    while (next_line(p) && *p->at == '%')
        one_node(p);
    if (try_word(p, "effects")) {
        g->effects.n = 0;
        do
            TB_PUSH(a, &g->effects, val(p));
        while (try_char(p, ','));
        end_line(p);
        next_line(p);
    }
    if (!try_word(p, "return"))
        fail(p, "expected a node or return");
    blank(p);
    if (p->at < p->end && *p->at != '\n' && *p->at != '}') {
        do
            TB_PUSH(a, &g->outputs, val(p));
        while (try_char(p, ','));
    }
    end_line(p);
}

/* ---- units ---- */

static void
sym(parser *p)
{
    tb_str s = word(p);
    tb_sym_kind kind = TB_SYM_SHAPE;
    uint32_t number_ = 0;
    int64_t min, max = INT64_MAX;
    tb_sym *x;

    need_char(p, '=');
    if (try_word(p, "item"))
        kind = TB_SYM_ITEM;
    else if (try_word(p, "arg"))
        kind = TB_SYM_ARG, number_ = index32(p);
    else if (!try_word(p, "shape"))
        fail(p, "expected shape, item or arg");
    min = integer(p);
    need_char(p, '.');
    need_char(p, '.');
    if (p->at < p->end && (*p->at == '-' || (*p->at >= '0' && *p->at <= '9')))
        max = integer(p);
    tb_sym_new(p->u, s, kind, min, max);
    x = &p->u->syms.at[p->u->syms.n - 1];
    x->arg = number_;
    if (try_word(p, "hint")) {
        need_char(p, '=');
        x->hint = integer(p);
    }
}

/* `same=` may name later symbols: read when all are there. */
static void
same(parser *p)
{
    parser q = *p;
    uint32_t index = 0;

    while (next_line(&q)) {
        if (try_word(&q, "sym")) {
            while (q.at < q.end && *q.at != '\n' && *q.at != '#' && *q.at != '[')
                q.at++;
            if (q.at < q.end && *q.at == '[')
                p->u->syms.at[index].same_as = dim(&q);
            index++;
        }
        while (q.at < q.end && *q.at != '\n')
            q.at++;
    }
}

static void
put_elem(tb_dtype t, uint8_t *at, parser *p)
{
    if (tb_dtype_is_float(t)) {
        double d = number(p);
        float f = (float)d;
        uint16_t h = t == TB_F16 ? tb_f32_to_f16(f) : tb_f32_to_bf16(f);

        memcpy(at, t == TB_F64 ? (void *)&d : t == TB_F32 ? (void *)&f : (void *)&h,
               tb_dtype_bytes(t));
    } else {
        int64_t i = integer(p);

        memcpy(at, &i, tb_dtype_bytes(t));
    }
}

/* Room for the data, if the rest of the text can hold that much: a size in the text must
 * not make us allocate what it does not pay for. */
static uint8_t *
data_room(parser *p, tb_const *c, size_t least_chars)
{
    uint8_t *bytes;

    if (least_chars > (size_t)(p->end - p->at))
        fail(p, "the text ends before the data of the constant does");
    bytes = tb_alloc(&p->cx->keep, c->n_bytes + 16);
    c->bytes = bytes;
    return bytes;
}

static void
const_data(parser *p, tb_const *c)
{
    size_t elem_bytes = tb_dtype_bytes(c->dtype);
    const char *start;
    uint8_t *bytes;

    blank(p);
    start = p->at;
    if (try_char(p, '[')) {
        bytes = data_room(p, c, c->n_bytes / elem_bytes);
        for (size_t i = 0; i < c->n_bytes; i += elem_bytes) {
            if (i)
                need_char(p, ',');
            put_elem(c->dtype, bytes + i, p);
        }
        need_char(p, ']');
    } else if (try_word(p, "hex")) {
        blank(p);
        bytes = data_room(p, c, 2 * c->n_bytes);
        for (size_t i = 0; i < c->n_bytes; i++, p->at += 2)
            bytes[i] = (uint8_t)(hex_digit(p, p->at[0]) * 16 + hex_digit(p, p->at[1]));
    } else if (try_word(p, "hash")) {
        /* The data is not here; print.c writes back what stood in its place. */
        blank(p);
        while (p->at < p->end &&
               (is_word(*p->at, true) || (*p->at >= '0' && *p->at <= '9')))
            p->at++;
        c->scope = tb_strdup(&p->cx->keep, (tb_str){start, (size_t)(p->at - start)});
    } else {
        fail(p, "expected [numbers], hex or hash");
    }
}

static void
constant(parser *p)
{
    tb_const c = {0};
    int64_t bytes;
    tb_type t;

    if (index32(p) != p->u->consts.n)
        fail(p, "expected constant %u", p->u->consts.n);
    c.name = string(p);
    c.scope = TB_STR("");
    need_char(p, ':');
    t = type(p);
    c.dtype = (tb_dtype)t.dtype;
    c.rank = t.rank;
    bytes = (int64_t)tb_dtype_bytes(c.dtype);
    for (int i = 0; i < t.rank; i++) {
        c.dims[i] = t.dims[i];
        if (!tb_dim_is_const(t.dims[i]) || t.dims[i] < 0 ||
            !tb_mul_ok(bytes, t.dims[i], &bytes) || bytes > INT64_MAX / 4)
            fail(p, "a constant needs constant sizes that fit memory");
    }
    c.n_bytes = (size_t)bytes;
    if (try_word(p, "external")) {
        c.external = true;
        c.scope = string(p);
    } else {
        need_char(p, '=');
        const_data(p, &c);
    }
    /* not tb_unit_const: two equal ones stay two, or numbers would shift */
    TB_PUSH(&p->cx->keep, &p->u->consts, c);
}

static void
global(parser *p)
{
    tb_global x = {0};
    tb_type t;

    if (index32(p) != p->u->globals.n)
        fail(p, "expected global %u", p->u->globals.n);
    x.name = string(p);
    need_char(p, ':');
    t = type(p);
    x.dtype = (tb_dtype)t.dtype;
    x.rank = t.rank;
    memcpy(x.dims, t.dims, sizeof x.dims);
    for (int i = 0; i < t.rank; i++)
        if (!tb_dim_is_const(t.dims[i]) || t.dims[i] < 0)
            fail(p, "a global needs constant sizes");
    x.mutable_ = try_word(p, "mutable");
    if (try_word(p, "init")) {
        need_char(p, '=');
        x.init = index32(p) + 1;
        if (x.init > p->u->consts.n)
            fail(p, "there is no constant %u", x.init - 1);
    }
    TB_PUSH(&p->cx->keep, &p->u->globals, x);
}

static tb_param
param(parser *p)
{
    tb_param x = {.name = string(p)};

    need_char(p, ':');
    x.type = type(p);
    end_line(p);
    return x;
}

/* Graphs are numbered in the text; those it leaves out are empty. */
static void
fill_graphs(parser *p, uint32_t upto)
{
    if (upto < p->u->graphs.n)
        fail(p, "graph %u is there already or out of order", upto);
    if (upto - p->u->graphs.n > 100000)
        fail(p, "there is no graph before %u", upto);
    while (p->u->graphs.n < upto)
        tb_graph_new(p->u);
}

static void
func(parser *p)
{
    tb_arena *a = &p->cx->keep;
    tb_str name_ = string(p);
    tb_func *f;

    if (try_word(p, "graph")) {
        need_char(p, '=');
        fill_graphs(p, index32(p));
    }
    f = tb_unit_func(p->u, name_);
    f->exported = try_word(p, "exported");
    need_char(p, '{');
    end_line(p);
    while (next_line(p)) {
        if (try_word(p, "in")) {
            TB_PUSH(a, &f->inputs, param(p));
        } else if (try_word(p, "out")) {
            TB_PUSH(a, &f->outputs, param(p));
        } else if (try_word(p, "attr")) {
            tb_str key = string(p), value = string(p);

            tb_vec_grow(a, (void **)&f->attrs.at, &f->attrs.cap, f->attrs.n + 1,
                        sizeof *f->attrs.at);
            f->attrs.at[f->attrs.n].key = key;
            f->attrs.at[f->attrs.n++].value = value;
            end_line(p);
        } else {
            break;
        }
    }
    body(p, f->body);
}

static void
top(parser *p)
{
    if (try_word(p, "sym")) {
        sym(p);
        while (p->at < p->end && *p->at != '\n' && *p->at != '#')
            p->at++; /* same=: see same() */
    } else if (try_word(p, "const")) {
        constant(p);
    } else if (try_word(p, "global")) {
        global(p);
    } else if (try_word(p, "message")) {
        if (index32(p) != p->u->messages.n)
            fail(p, "expected message %u", p->u->messages.n);
        TB_PUSH(&p->cx->keep, &p->u->messages, string(p));
    } else if (try_word(p, "equal")) {
        tb_equality e = {.a = dim(p)};

        e.b = dim(p);
        TB_PUSH(&p->cx->keep, &p->u->equalities, e);
    } else if (try_word(p, "func")) {
        func(p);
        next_line(p);
        need_char(p, '}');
    } else if (try_word(p, "graph")) {
        fill_graphs(p, index32(p));
        need_char(p, '{');
        end_line(p);
        body(p, tb_graph_new(p->u));
        next_line(p);
        need_char(p, '}');
    } else {
        fail(p, "expected sym, const, global, message, equal, func or graph");
    }
    end_line(p);
}

/* A graph alone, as tb_graph_print writes it: the function "main". */
static void
bare(parser *p)
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
            fail(p, "a graph alone must have its inputs in order");
        memcpy(x.type.dims, tb_dims(g, (tb_val){id}), n->rank * sizeof *x.type.dims);
        TB_PUSH(&p->cx->keep, &f->inputs, x);
    }
}

tb_unit *
tb_unit_parse(tb_ctx *cx, tb_str text, tb_str file_name)
{
    parser p = {.cx = cx, .file = file_name, .at = text.ptr, .end = text.ptr + text.len,
                .line_start = text.ptr, .line = 1};
    tb_str s = TB_STR("module");
    bool syms_done = false;

    next_line(&p);
    if (try_word(&p, "module")) {
        s = string(&p);
        end_line(&p);
    }
    p.u = tb_unit_new(cx, s);
    if (next_line(&p) && *p.at == '%') {
        bare(&p);
        if (next_line(&p))
            fail(&p, "expected the end of the text");
    }
    parser start = p;

    while (next_line(&p)) {
        const char *before = p.at;

        if (!syms_done && !try_word(&p, "sym")) {
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

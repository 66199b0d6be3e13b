/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * schema.c -- reads PyTorch's schema strings.
 *
 *     name(Type[(alias)] arg[=default], ..., *, Type kwarg_only=default) -> results
 *
 * Aliases ("Tensor(a!)") say nothing to us and are left out of the types. Schemas are our
 * own text: a mistake in one is a fault of ours and raises TB_INTERNAL.
 */
#include <math.h>
#include <stdlib.h>

#include "op/schema.h"

typedef struct reader {
    tb_ctx *cx;
    const char *text, *at;
} reader;

static TB_NORETURN void
fail(const reader *r, const char *what)
{
    tb_raise(r->cx, (tb_loc){0}, TB_INTERNAL, "schema \"%s\": %s at \"%s\"", r->text,
             what, r->at);
}

static void
blank(reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool
try_char(reader *r, char c)
{
    blank(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static void
need_char(reader *r, char c)
{
    if (!try_char(r, c))
        fail(r, "unexpected text");
}

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

static tb_str
word(reader *r)
{
    const char *from;

    blank(r);
    from = r->at;
    while (is_word(*r->at))
        r->at++;
    if (r->at == from)
        fail(r, "expected a word");
    return (tb_str){from, (size_t)(r->at - from)};
}

/* "Tensor(a!)?[]" -> "Tensor?[]" */
static tb_str
type(reader *r)
{
    tb_arena *a = &r->cx->keep;
    tb_str t = word(r);
    const char *from;

    if (*r->at == '(') {
        while (*r->at && *r->at != ')')
            r->at++;
        need_char(r, ')');
    }
    from = r->at;
    while (*r->at == '[' || *r->at == '?') {
        if (*r->at++ == '?')
            continue;
        while (*r->at >= '0' && *r->at <= '9')
            r->at++;
        if (*r->at++ != ']')
            fail(r, "expected ]");
    }
    if (t.ptr + t.len == from)
        return (tb_str){t.ptr, (size_t)(r->at - t.ptr)};
    return tb_sprintf(a, "%.*s%.*s", TB_FMT(t), (int)(r->at - from), from);
}

/* ---- defaults ---- */

static const struct {
    const char *name;
    tb_arg value;
} words[] = {
    {"None", {.kind = TB_ARG_NONE}},
    {"True", {.kind = TB_ARG_BOOL, .b = true}},
    {"False", {.kind = TB_ARG_BOOL, .b = false}},
    {"Mean", {.kind = TB_ARG_INT, .i = 1}}, /* reduction of a loss */
    {"Sum", {.kind = TB_ARG_INT, .i = 2}},
    {"long", {.kind = TB_ARG_INT, .i = 4}}, /* dtypes, by torch's numbers */
    {"float", {.kind = TB_ARG_INT, .i = 6}},
    {"contiguous_format", {.kind = TB_ARG_INT, .i = 0}},
    {"preserve_format", {.kind = TB_ARG_INT, .i = 1}},
    {"strided", {.kind = TB_ARG_INT, .i = 0}},
};

static tb_arg
number(reader *r)
{
    const char *from = r->at;
    char *end;
    bool is_float = false;
    tb_arg a;

    for (; *r->at && !strchr(",)] ", *r->at); r->at++)
        is_float = is_float || strchr(".ein", *r->at);
    if (is_float)
        a = (tb_arg){.kind = TB_ARG_FLOAT, .f = strtod(from, &end)};
    else
        a = (tb_arg){.kind = TB_ARG_INT, .i = strtoll(from, &end, 10)};
    if (end != r->at || end == from)
        fail(r, "unknown default");
    return a;
}

static tb_arg
value(reader *r)
{
    char quote;

    blank(r);
    if (try_char(r, '[')) {
        TB_VEC(tb_arg) items = {0};

        while (!try_char(r, ']')) {
            TB_PUSH(&r->cx->keep, &items, value(r));
            try_char(r, ',');
        }
        return (tb_arg){.kind = TB_ARG_LIST, .list = {items.at, items.n}};
    }
    if (*r->at == '"' || *r->at == '\'') {
        const char *from = r->at + 1, *end;

        quote = *r->at;
        end = strchr(from, quote);
        if (!end)
            fail(r, "expected the end of a string");
        r->at = end + 1;
        return (tb_arg){.kind = TB_ARG_STR, .s = {from, (size_t)(end - from)}};
    }
    for (size_t i = 0; i < TB_COUNT(words); i++) {
        size_t n = strlen(words[i].name);

        if (strncmp(r->at, words[i].name, n) == 0 && !is_word(r->at[n])) {
            r->at += n;
            return words[i].value;
        }
    }
    return number(r);
}

/* ---- the whole ---- */

static void
results(reader *r, tb_schema *s)
{
    bool several = try_char(r, '(');

    if (several && try_char(r, ')'))
        return;
    do {
        tb_str t = type(r);

        s->n_results++;
        s->returns_list = t.ptr[t.len - 1] == ']';
        blank(r);
        if (is_word(*r->at))
            word(r);
    } while (several && try_char(r, ','));
    if (several)
        need_char(r, ')');
}

tb_schema *
tb_schema_parse(tb_ctx *cx, const char *text)
{
    reader r = {cx, text, text};
    TB_VEC(tb_schema_arg) args = {0};
    tb_schema *s = TB_NEW(&cx->keep, tb_schema);
    bool kwarg_only = false;

    while (*r.at && *r.at != '(')
        r.at++;
    s->name = (tb_str){text, (size_t)(r.at - text)};
    need_char(&r, '(');
    while (!try_char(&r, ')')) {
        tb_schema_arg a = {0};

        if (try_char(&r, '*')) {
            kwarg_only = true;
            try_char(&r, ',');
            continue;
        }
        a.type = type(&r);
        a.name = word(&r);
        a.kwarg_only = kwarg_only;
        a.has_default = try_char(&r, '=');
        if (a.has_default)
            a.default_value = value(&r);
        TB_PUSH(&cx->keep, &args, a);
        try_char(&r, ',');
    }
    s->args = args.at;
    s->n_args = args.n;
    need_char(&r, '-');
    need_char(&r, '>');
    results(&r, s);
    return s;
}

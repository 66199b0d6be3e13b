/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * parse_text.c -- words, numbers, texts, sizes and types of the .tb text.
 */
#include <math.h>
#include <stdlib.h>

#include "graph/parse.h"

/* ---- characters and words ---- */

void
tb_parse_fail(tb_parser *p, const char *fmt, ...)
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

void
tb_parse_blank(tb_parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
    if (p->at < p->end && *p->at == '#')
        while (p->at < p->end && *p->at != '\n')
            p->at++;
}

bool
tb_parse_try_char(tb_parser *p, char c)
{
    tb_parse_blank(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

void
tb_parse_need_char(tb_parser *p, char c)
{
    if (!tb_parse_try_char(p, c))
        tb_parse_fail(p, "expected '%c'", c);
}

/* To the start of the next line that has something on it; false at the end of the text. */
bool
tb_parse_next_line(tb_parser *p)
{
    for (tb_parse_blank(p); p->at < p->end && *p->at == '\n'; tb_parse_blank(p)) {
        p->at++;
        p->line++;
        p->line_start = p->at;
    }
    return p->at < p->end;
}

void
tb_parse_end_line(tb_parser *p)
{
    tb_parse_blank(p);
    if (p->at < p->end && *p->at != '\n')
        tb_parse_fail(p, "expected the end of the line");
}

bool
tb_parse_is_word(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.'));
}

/* A word, or an empty string. */
tb_str
tb_parse_word(tb_parser *p)
{
    tb_str s;

    tb_parse_blank(p);
    s.ptr = p->at;
    while (p->at < p->end && tb_parse_is_word(*p->at, p->at == s.ptr))
        p->at++;
    s.len = (size_t)(p->at - s.ptr);
    return s;
}

bool
tb_parse_try_word(tb_parser *p, const char *w)
{
    const char *start;

    tb_parse_blank(p);
    start = p->at;
    if (tb_str_is(tb_parse_word(p), w))
        return true;
    p->at = start;
    return false;
}

int64_t
tb_parse_integer(tb_parser *p)
{
    bool minus = tb_parse_try_char(p, '-');
    uint64_t v = 0;
    const char *start;

    tb_parse_blank(p);
    for (start = p->at; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (v > (UINT64_MAX - 9) / 10)
            tb_parse_fail(p, "the number is too large");
        v = v * 10 + (uint64_t)(*p->at - '0');
    }
    if (p->at == start)
        tb_parse_fail(p, "expected a number");
    if (v > (uint64_t)INT64_MAX + minus)
        tb_parse_fail(p, "the number is too large");
    return minus ? (int64_t)(0 - v) : (int64_t)v;
}

uint32_t
tb_parse_index32(tb_parser *p)
{
    int64_t i = tb_parse_integer(p);

    if (i < 0 || i > 1 << 28)
        tb_parse_fail(p, "%lld is not an index", (long long)i);
    return (uint32_t)i;
}

double
tb_parse_number(tb_parser *p)
{
    char s[64];
    size_t n = 0;
    char *stop;
    double d;

    tb_parse_blank(p);
    if (tb_parse_try_char(p, '@')) {
        if (tb_parse_try_char(p, '-')) {
            if (tb_parse_try_word(p, "inf"))
                return -HUGE_VAL;
        } else if (tb_parse_try_word(p, "inf")) {
            return HUGE_VAL;
        } else if (tb_parse_try_word(p, "nan")) {
            return (double)NAN;
        }
        tb_parse_fail(p, "expected @inf, @-inf or @nan");
    }
    while (p->at < p->end && n + 1 < sizeof s &&
           ((*p->at >= '0' && *p->at <= '9') || memchr("+-.eE", *p->at, 5)))
        s[n++] = *p->at++;
    s[n] = 0;
    d = strtod(s, &stop);
    if (!n || *stop)
        tb_parse_fail(p, "expected a number");
    return d;
}

int
tb_parse_hex_digit(tb_parser *p, char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    tb_parse_fail(p, "expected a hexadecimal digit");
}

tb_str
tb_parse_string(tb_parser *p)
{
    tb_buf b = {0};
    tb_str s;

    tb_parse_need_char(p, '"');
    for (; p->at < p->end && *p->at != '"' && *p->at != '\n'; p->at++) {
        char c = *p->at;

        if (c == '\\' && p->end - p->at > 3 && p->at[1] == 'x') {
            c = (char)(tb_parse_hex_digit(p, p->at[2]) * 16 +
                       tb_parse_hex_digit(p, p->at[3]));
            p->at += 3;
        } else if (c == '\\' && p->end - p->at > 1) {
            c = *++p->at;
        }
        tb_buf_put(&b, &c, 1);
    }
    s = tb_strdup(&p->cx->keep, (tb_str){(const char *)b.at, b.n});
    tb_buf_free(&b);
    tb_parse_need_char(p, '"');
    return s;
}

/* ---- sizes: the grammar of tb_dim_text ---- */

static tb_dim
dim_name(tb_parser *p, tb_str s, int depth)
{
    if (tb_str_is(s, "min") || tb_str_is(s, "max")) {
        tb_dim d;

        tb_parse_need_char(p, '(');
        d = tb_parse_dim_sum(p, depth);
        while (tb_parse_try_char(p, ',')) {
            tb_dim e = tb_parse_dim_sum(p, depth);

            d = tb_str_is(s, "min") ? tb_dim_min(p->u, d, e) : tb_dim_max(p->u, d, e);
        }
        tb_parse_need_char(p, ')');
        return d;
    }
    for (uint32_t i = 0; i < p->u->syms.n; i++)
        if (tb_str_eq(p->u->syms.at[i].name, s))
            return tb_sym_dim(p->u, i);
    tb_parse_fail(p, "there is no symbol %.*s", TB_FMT(s));
}

static tb_dim
dim_operand(tb_parser *p, int depth)
{
    tb_str s;
    tb_dim d;

    if (depth > 64)
        tb_parse_fail(p, "the expression is too deep");
    if (tb_parse_try_char(p, '-'))
        return tb_dim_sub(p->u, 0, dim_operand(p, depth + 1));
    if (tb_parse_try_char(p, '(')) {
        d = tb_parse_dim_sum(p, depth + 1);
        tb_parse_need_char(p, ')');
        return d;
    }
    s = tb_parse_word(p);
    return s.len ? dim_name(p, s, depth + 1) : tb_parse_integer(p);
}

static tb_dim
dim_term(tb_parser *p, int depth)
{
    tb_dim d = dim_operand(p, depth), e;

    for (;;) {
        tb_parse_blank(p);
        if (tb_parse_try_char(p, '*')) {
            d = tb_dim_mul(p->u, d, dim_operand(p, depth));
        } else if (p->end - p->at > 1 && p->at[0] == '/' && p->at[1] == '/') {
            p->at += 2;
            e = dim_operand(p, depth);
            if (e == 0)
                tb_parse_fail(p, "division by zero");
            d = tb_dim_floordiv(p->u, d, e);
        } else if (tb_parse_try_char(p, '%')) {
            e = dim_operand(p, depth);
            if (e == 0)
                tb_parse_fail(p, "division by zero");
            d = tb_dim_mod(p->u, d, e);
        } else {
            return d;
        }
    }
}

tb_dim
tb_parse_dim_sum(tb_parser *p, int depth)
{
    tb_dim d = dim_term(p, depth);

    for (;;) {
        if (tb_parse_try_char(p, '+'))
            d = tb_dim_add(p->u, d, dim_term(p, depth));
        else if (tb_parse_try_char(p, '-'))
            d = tb_dim_sub(p->u, d, dim_term(p, depth));
        else
            return d;
    }
}

/* A number, or [expression]; [?] is a size that the source did not say. */
tb_dim
tb_parse_dim(tb_parser *p)
{
    tb_dim d;

    if (!tb_parse_try_char(p, '['))
        return tb_parse_integer(p);
    d = tb_parse_try_char(p, '?') ? TB_DIM_UNKNOWN : tb_parse_dim_sum(p, 0);
    tb_parse_need_char(p, ']');
    return d;
}

/* "2x[s0]xf32", "complex<f32>", "none" */
tb_type
tb_parse_type(tb_parser *p)
{
    tb_type t = {0};
    const char *start;

    tb_parse_blank(p);
    while (p->at < p->end && (*p->at == '[' || (*p->at >= '0' && *p->at <= '9'))) {
        if (t.rank == TB_MAX_RANK)
            tb_parse_fail(p, "rank is above the limit of %d", TB_MAX_RANK);
        t.dims[t.rank] = tb_parse_dim(p);
        if (t.dims[t.rank] != TB_DIM_UNKNOWN && t.dims[t.rank] < 0)
            tb_parse_fail(p, "a size is negative");
        t.rank++;
        tb_parse_need_char(p, 'x');
    }
    start = p->at;
    while (p->at < p->end && (tb_parse_is_word(*p->at, p->at == start) || *p->at == '<' ||
                              *p->at == '>'))
        p->at++;
    tb_str s = {start, (size_t)(p->at - start)};

    if (tb_str_is(s, "none"))
        return (tb_type){0};
    t.dtype = (uint8_t)tb_dtype_parse(s);
    if (t.dtype == TB_NONE)
        tb_parse_fail(p, "expected a type, found \"%.*s\"", TB_FMT(s));
    return t;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * lex.c -- MLIR's tokens, and messages with their positions.
 *
 * One token is looked at, none is kept: where the grammar changes inside a type
 * ("3x4xf32") or an attribute (dense<...>), the reader of that goes on at p->at.
 */
#include <stdlib.h>

#include "mlir/text.h"

void
tb_ml_fail(const ml_parser *p, ml_place at, const char *fmt, ...)
{
    tb_location l = {.file = p->file, .line = at.line, .col = at.col};
    tb_str text;
    va_list ap;

    va_start(ap, fmt);
    text = tb_vsprintf(&p->cx->scratch, fmt, ap);
    va_end(ap);
    tb_raise(p->cx, tb_unit_loc(p->u, l), TB_INVALID_ARGUMENT, "%.*s", TB_FMT(text));
}

/* As it stands in the text, cut where it would fill the screen. */
static tb_str
shown(const ml_parser *p)
{
    const char *sigil[] = {[ML_VALUE] = "%", [ML_SYMBOL] = "@", [ML_HASH] = "#",
                           [ML_TYPE] = "!",  [ML_BLOCK] = "^",  [ML_STRING] = "\"",
                           [ML_CHAR] = NULL};
    tb_str s = p->tok.text;
    const char *first = sigil[p->tok.kind], *last = p->tok.kind == ML_STRING ? "\"" : "";

    if (s.len > 60) {
        s.len = 60;
        last = "...";
    }
    return tb_sprintf(&p->cx->scratch, "%s%.*s%s", first ? first : "", TB_FMT(s), last);
}

void
tb_ml_expected(const ml_parser *p, const char *what)
{
    if (p->tok.kind == ML_END)
        tb_ml_fail(p, p->tok.place, "expected %s, found the end of the text", what);
    tb_ml_fail(p, p->tok.place, "expected %s, found '%s'", what, shown(p).ptr);
}

/* ---- characters ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Of words; names behind a sigil may also have '-'. */
static bool
is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '$' || c == '.';
}

static void
blank(ml_parser *p)
{
    for (; p->at < p->end; p->at++) {
        if (*p->at == '\n') {
            p->line++;
            p->line_start = p->at + 1;
        } else if (*p->at == '/' && p->end - p->at > 1 && p->at[1] == '/') {
            const char *nl = memchr(p->at, '\n', (size_t)(p->end - p->at));

            p->at = (nl ? nl : p->end) - 1;
        } else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r') {
            return;
        }
    }
}

/* ---- tokens ---- */

/* To the quote that ends the string; p->at is behind the one that began it. */
static tb_str
quoted(ml_parser *p)
{
    const char *from = p->at;
    const char *quote = from;

    do {
        quote = memchr(p->at, '"', (size_t)(p->end - p->at));
        const char *slash =
            memchr(p->at, '\\', (size_t)((quote ? quote : p->end) - p->at));
        if (slash && slash + 2 <= p->end) {
            p->at = slash + 2;
            quote = NULL;
            continue;
        }
        if (!quote)
            tb_ml_fail(p, p->tok.place, "the string has no end");
    } while (!quote);
    p->at = quote + 1;
    if (memchr(from, '\n', (size_t)(quote - from)))
        tb_ml_fail(p, p->tok.place, "the string goes on in the next line");
    tb_ml_was_read(p, from, (size_t)(quote - from));
    return (tb_str){from, (size_t)(quote - from)};
}

static void
number(ml_parser *p)
{
    const char *c = p->at;

    p->tok.kind = ML_INT;
    if (c[0] == '0' && p->end - c > 2 && c[1] == 'x' && is_hex(c[2])) {
        for (c += 2; c < p->end && is_hex(*c);)
            c++;
    } else {
        while (c < p->end && is_digit(*c))
            c++;
        if (c < p->end && *c == '.') {
            p->tok.kind = ML_FLOAT;
            for (c++; c < p->end && is_digit(*c);)
                c++;
            if (c < p->end && (*c == 'e' || *c == 'E')) {
                const char *e = c + 1;

                if (e < p->end && (*e == '+' || *e == '-'))
                    e++;
                while (e < p->end && is_digit(*e))
                    c = ++e;
            }
        }
    }
    p->tok.text = (tb_str){p->at, (size_t)(c - p->at)};
    p->at = c;
}

/* Behind a sigil: digits, or a name. */
static void
name(ml_parser *p, ml_token_kind kind)
{
    const char *c = ++p->at;

    p->tok.kind = kind;
    if (kind == ML_SYMBOL && c < p->end && *c == '"') {
        p->at++;
        p->tok.text = tb_ml_unescape(p, quoted(p), p->tok.place);
        return;
    }
    if (c < p->end && is_digit(*c))
        while (c < p->end && is_digit(*c))
            c++;
    else
        while (c < p->end && (is_word(*c) || (*c == '-' && kind != ML_TYPE)))
            c++;
    if (c == p->at)
        tb_ml_fail(p, p->tok.place, "expected a name behind '%c'", p->at[-1]);
    p->tok.text = (tb_str){p->at, (size_t)(c - p->at)};
    p->at = c;
}

static bool
starts(const ml_parser *p, const char *s)
{
    size_t n = strlen(s);

    return (size_t)(p->end - p->at) >= n && memcmp(p->at, s, n) == 0;
}

static void
fixed(ml_parser *p, ml_token_kind kind, size_t n)
{
    p->tok.kind = kind;
    p->tok.text = (tb_str){p->at, n};
    p->at += n;
}

void
tb_ml_next(ml_parser *p)
{
    char c;

    blank(p);
    p->tok = (ml_token){.kind = ML_END, .text = {p->at, 0}};
    p->tok.place = (ml_place){p->line, (uint32_t)(p->at - p->line_start) + 1};
    if (p->at == p->end)
        return;
    c = *p->at;
    if (is_letter(c) || c == '_') {
        const char *from = p->at;

        while (p->at < p->end && is_word(*p->at))
            p->at++;
        p->tok.kind = ML_WORD;
        p->tok.text = (tb_str){from, (size_t)(p->at - from)};
    } else if (is_digit(c)) {
        number(p);
    } else if (c == '"') {
        p->at++;
        p->tok.kind = ML_STRING;
        p->tok.text = quoted(p);
    } else if (starts(p, "->")) {
        fixed(p, ML_ARROW, 2);
    } else if (starts(p, "{-#")) {
        fixed(p, ML_META_BEGIN, 3);
    } else if (starts(p, "#-}")) {
        fixed(p, ML_META_END, 3);
    } else if (c == '%') {
        name(p, ML_VALUE);
    } else if (c == '@') {
        name(p, ML_SYMBOL);
    } else if (c == '#') {
        name(p, ML_HASH);
    } else if (c == '!') {
        name(p, ML_TYPE);
    } else if (c == '^') {
        name(p, ML_BLOCK);
    } else {
        p->tok.c = c;
        fixed(p, ML_CHAR, 1);
        if (!strchr("(){}[]<>,:=-+*?/|&", c) || !c)
            tb_ml_fail(p, p->tok.place, "unexpected character '%c'",
                       c > ' ' && c < 0x7f ? c : '?');
    }
}

bool
tb_ml_is(const ml_parser *p, char c)
{
    return p->tok.kind == ML_CHAR && p->tok.c == c;
}

bool
tb_ml_is_word(const ml_parser *p, const char *w)
{
    return p->tok.kind == ML_WORD && tb_str_is(p->tok.text, w);
}

bool
tb_ml_try(ml_parser *p, char c)
{
    if (!tb_ml_is(p, c))
        return false;
    tb_ml_next(p);
    return true;
}

bool
tb_ml_try_word(ml_parser *p, const char *w)
{
    if (!tb_ml_is_word(p, w))
        return false;
    tb_ml_next(p);
    return true;
}

void
tb_ml_need(ml_parser *p, char c)
{
    const char what[] = {'\'', c, '\'', 0};

    if (!tb_ml_try(p, c))
        tb_ml_expected(p, what);
}

void
tb_ml_enter(ml_parser *p)
{
    if (++p->depth > ML_MAX_DEPTH)
        tb_ml_fail(p, p->tok.place, "nested more than %d levels deep", ML_MAX_DEPTH);
}

void
tb_ml_leave(ml_parser *p)
{
    p->depth--;
}

/* ---- values of tokens ---- */

static int
hex_value(char c)
{
    return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

tb_str
tb_ml_unescape(ml_parser *p, tb_str s, ml_place at)
{
    char *out;
    size_t n = 0;

    if (!memchr(s.ptr, '\\', s.len))
        return s;
    out = tb_alloc(&p->cx->scratch, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c != '\\') {
            out[n++] = c;
        } else if (s.len - i > 2 && is_hex(s.ptr[i + 1]) && is_hex(s.ptr[i + 2])) {
            out[n++] = (char)(hex_value(s.ptr[i + 1]) * 16 + hex_value(s.ptr[i + 2]));
            i += 2;
        } else {
            c = s.len - i > 1 ? s.ptr[++i] : 0;
            if (!c || !strchr("nt\"\\", c))
                tb_ml_fail(p, at, "unknown escape in a string");
            out[n++] = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
    }
    return (tb_str){out, n};
}

int64_t
tb_ml_int(ml_parser *p)
{
    bool minus = tb_ml_try(p, '-');
    tb_str s = p->tok.text;
    uint64_t v = 0, base = 10;
    size_t i = 0;

    if (p->tok.kind != ML_INT)
        tb_ml_expected(p, "an integer");
    if (s.len > 2 && s.ptr[1] == 'x') {
        base = 16;
        i = 2;
    }
    for (; i < s.len; i++) {
        uint64_t d = (uint64_t)hex_value(s.ptr[i]);

        if (v > (UINT64_MAX - d) / base)
            tb_ml_fail(p, p->tok.place, "the number is too large");
        v = v * base + d;
    }
    /* 18446744073709551615 and 0xFFFFFFFFFFFFFFFF are -1 of 64 bits */
    if (minus && v > (uint64_t)INT64_MAX + 1)
        tb_ml_fail(p, p->tok.place, "the number is too large");
    tb_ml_next(p);
    return (int64_t)(minus ? 0 - v : v);
}

double
tb_ml_number(ml_parser *p)
{
    char s[400];
    size_t n = p->tok.text.len;

    if (p->tok.kind != ML_INT && p->tok.kind != ML_FLOAT)
        tb_ml_expected(p, "a number");
    if (n >= sizeof s)
        tb_ml_fail(p, p->tok.place, "the number is too long");
    memcpy(s, p->tok.text.ptr, n);
    s[n] = 0;
    return strtod(s, NULL);
}

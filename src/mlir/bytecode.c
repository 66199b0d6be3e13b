/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * bytecode.c -- a file of MLIR's bytecode: numbers, sections, tables.
 *
 * What a file gives may be wrong in every number; each is checked where it is read.
 */
#include <inttypes.h>

#include "mlir/bytecode.h"

enum { /* of the text, so that a small file cannot ask for much */
    TEXT_MIN = 1 << 20,
    TEXT_PER_BYTE = 64
};

/* ---- reading ---- */

void
tb_bc_fail(const bc_reader *r, const char *fmt, ...)
{
    ml_parser *p = r->f->p;
    tb_str text;
    va_list ap;

    va_start(ap, fmt);
    text = tb_vsprintf(&p->cx->scratch, fmt, ap);
    va_end(ap);
    tb_raise(p->cx, (tb_loc){0}, TB_INVALID_ARGUMENT, "%.*s, byte %zu: %.*s",
             TB_FMT(p->file), (size_t)(r->at - r->f->begin), TB_FMT(text));
}

const uint8_t *
tb_bc_bytes(bc_reader *r, uint64_t n)
{
    const uint8_t *at = r->at;

    if (n > (uint64_t)(r->end - r->at))
        tb_bc_fail(r, "%" PRIu64 " bytes are wanted where %zu are left", n,
                   (size_t)(r->end - r->at));
    r->at += n;
    return at;
}

uint8_t
tb_bc_byte(bc_reader *r)
{
    return *tb_bc_bytes(r, 1);
}

/* The zeros at the end of the first byte say how many bytes follow. */
uint64_t
tb_bc_varint(bc_reader *r)
{
    uint8_t first = tb_bc_byte(r);
    int more = first ? __builtin_ctz(first) : 8;
    const uint8_t *rest = tb_bc_bytes(r, (uint64_t)more);
    uint64_t v = 0;

    for (int i = more; i-- > 0;)
        v = v << 8 | rest[i];
    if (more == 8)
        return v;
    return v << (7 - more) | first >> (more + 1);
}

int64_t
tb_bc_signed(bc_reader *r)
{
    uint64_t v = tb_bc_varint(r);

    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

uint32_t
tb_bc_index(bc_reader *r, uint32_t limit, const char *what)
{
    uint64_t v = tb_bc_varint(r);

    if (v >= limit)
        tb_bc_fail(r, "%s has number %" PRIu64 ", there are %" PRIu32, what, v, limit);
    return (uint32_t)v;
}

uint32_t
tb_bc_count(bc_reader *r, const char *what)
{
    uint64_t v = tb_bc_varint(r);

    if (v > (uint64_t)(r->end - r->at) || v > INT32_MAX)
        tb_bc_fail(r, "%s: %" PRIu64 " entries do not fit in %zu bytes", what, v,
                   (size_t)(r->end - r->at));
    return (uint32_t)v;
}

void
tb_bc_enter(bc_reader *r)
{
    if (++r->f->depth > ML_MAX_DEPTH)
        tb_bc_fail(r, "nested more than %d deep", ML_MAX_DEPTH);
}

void
tb_bc_leave(bc_reader *r)
{
    r->f->depth--;
}

/* Padding up to a multiple of `align` from the start of the file. */
static void
align_to(bc_reader *r, uint64_t align)
{
    if (!align || align & (align - 1) || align > 1 << 30)
        tb_bc_fail(r, "an alignment of %" PRIu64, align);
    while ((uint64_t)(r->at - r->f->begin) & (align - 1))
        tb_bc_byte(r);
}

bc_reader
tb_bc_section(bc_reader *r, uint32_t *id)
{
    bc_reader s = {.f = r->f};
    uint8_t head = tb_bc_byte(r);
    uint64_t n = tb_bc_varint(r);

    if (head & 0x80)
        align_to(r, tb_bc_varint(r));
    *id = head & 0x7f;
    s.at = tb_bc_bytes(r, n);
    s.end = r->at;
    return s;
}

bool
tb_bc_flagged(bc_reader *r, uint64_t *v)
{
    uint64_t both = tb_bc_varint(r);

    *v = both >> 1;
    return both & 1;
}

/* ---- writing text ---- */

void
tb_bc_put(const bc_reader *r, bc_text *out, tb_str s)
{
    if (s.len > r->f->budget || s.len > UINT32_MAX / 2 - out->n)
        tb_bc_fail(r, "parts are shared so often that the text would be too large");
    r->f->budget -= s.len;
    tb_vec_grow(&r->f->p->cx->scratch, (void **)&out->at, &out->cap,
                out->n + (uint32_t)s.len + 1, 1);
    memcpy(out->at + out->n, s.ptr, s.len);
    out->n += (uint32_t)s.len;
}

void
tb_bc_puts(const bc_reader *r, bc_text *out, const char *s)
{
    tb_bc_put(r, out, tb_str_c(s));
}

void
tb_bc_put_string(const bc_reader *r, bc_text *out, tb_str s)
{
    tb_bc_puts(r, out, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char text[4];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            tb_bc_put(r, out, (tb_str){s.ptr + i, 1});
            continue;
        }
        snprintf(text, sizeof text, "\\%02X", c);
        tb_bc_puts(r, out, text);
    }
    tb_bc_puts(r, out, "\"");
}

/* ---- tables ---- */

static void
read_strings(bc_file *f, bc_reader *r)
{
    uint32_t n = tb_bc_count(r, "strings");
    uint64_t *sizes = TB_NEWN(&f->p->cx->scratch, uint64_t, n + 1);

    f->strings = TB_NEWN(&f->p->cx->scratch, tb_str, n + 1);
    for (uint32_t i = n; i-- > 0;) { /* the last one's comes first */
        sizes[i] = tb_bc_varint(r);
        if (!sizes[i])
            tb_bc_fail(r, "a string without an end");
    }
    for (uint32_t i = 0; i < n; i++)
        f->strings[i] = (tb_str){(const char *)tb_bc_bytes(r, sizes[i]), sizes[i] - 1};
    f->n_strings = n;
}

static void
read_dialects(bc_file *f, bc_reader *r)
{
    TB_VEC(bc_op_name) ops = {0};
    uint32_t n = tb_bc_count(r, "dialects"), id;
    uint64_t k;

    f->dialects = TB_NEWN(&f->p->cx->scratch, tb_str, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        bool versioned = tb_bc_flagged(r, &k);

        if (k >= f->n_strings)
            tb_bc_fail(r, "the name of a dialect is string %" PRIu64, k);
        f->dialects[i] = f->strings[k];
        if (versioned)
            tb_bc_section(r, &id);
    }
    f->n_dialects = n;
    if (f->version >= VERSION_NO_UNKNOWN_LOC)
        tb_bc_varint(r); /* how many names follow */
    while (r->at < r->end) {
        tb_str dialect = f->dialects[tb_bc_index(r, n, "a dialect")];

        for (uint32_t more = tb_bc_count(r, "names of operations"); more; more--) {
            bc_op_name op = {.registered = true};

            if (f->version >= VERSION_PROPERTIES)
                op.registered = tb_bc_flagged(r, &k);
            else
                k = tb_bc_varint(r);
            if (k >= f->n_strings)
                tb_bc_fail(r, "the name of an operation is string %" PRIu64, k);
            op.name = tb_sprintf(&f->p->cx->scratch, "%.*s.%.*s", TB_FMT(dialect),
                                 TB_FMT(f->strings[k]));
            TB_PUSH(&f->p->cx->scratch, &ops, op);
        }
    }
    f->op_names = ops.at;
    f->n_op_names = ops.n;
}

static void
read_entries(bc_file *f, bc_reader *r, bc_reader *data, bc_entry *at, uint32_t n)
{
    uint32_t i = 0;

    while (i < n) {
        uint32_t dialect = tb_bc_index(r, f->n_dialects, "a dialect");

        for (uint32_t more = tb_bc_count(r, "attributes and types"); more; more--) {
            uint64_t size;
            bool custom = tb_bc_flagged(r, &size);

            if (i == n)
                tb_bc_fail(r, "more attributes or types than were promised");
            at[i].at = tb_bc_bytes(data, size);
            at[i].end = data->at;
            at[i].custom = custom;
            at[i++].dialect = dialect;
        }
    }
}

static void
read_attrs(bc_file *f, bc_reader *r, bc_reader *data)
{
    uint32_t n_attrs = tb_bc_count(r, "attributes"), n_types = tb_bc_count(r, "types");

    f->attrs = TB_NEWN(&f->p->cx->scratch, bc_entry, n_attrs + 1);
    f->types = TB_NEWN(&f->p->cx->scratch, bc_entry, n_types + 1);
    read_entries(f, r, data, f->attrs, n_attrs);
    read_entries(f, r, data, f->types, n_types);
    f->n_attrs = n_attrs;
    f->n_types = n_types;
}

static void
read_properties(bc_file *f, bc_reader *r)
{
    uint32_t n = tb_bc_count(r, "properties");

    f->properties = TB_NEWN(&f->p->cx->scratch, bc_bytes, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t size = tb_bc_varint(r);

        f->properties[i].at = tb_bc_bytes(r, size);
        f->properties[i].end = r->at;
    }
    f->n_properties = n;
}

/* ---- resources ---- */

/* A blob goes to the parser as bytes; the constants made of it are copies. */
static void
add_resource(bc_file *f, bc_reader *data, tb_str name, uint64_t size, uint8_t kind)
{
    tb_ctx *cx = f->p->cx;
    bc_reader r = {.f = f};
    ml_resource res = {.name = name};
    uint64_t align, n;
    const uint8_t *bytes;
    uint8_t *copy;

    r.at = tb_bc_bytes(data, size);
    r.end = data->at;
    if (kind != 0) /* 0 blob, 1 truth value, 2 string */
        return;
    align = tb_bc_varint(&r);
    n = tb_bc_varint(&r);
    align_to(&r, align);
    res.n_bytes = (size_t)n;
    bytes = tb_bc_bytes(&r, n);
    res.bytes = copy = tb_alloc(&cx->keep, n + 16);
    memcpy(copy, bytes, n);
    TB_PUSH(&cx->scratch, &f->p->resources, res);
    tb_map_put(&f->p->resource_names, tb_hash(name.ptr, name.len, 0), f->p->resources.n);
}

static void
read_resources(bc_file *f, bc_reader *r, bc_reader *data)
{
    TB_VEC(tb_str) names = {0};
    uint32_t outside = tb_bc_count(r, "groups of resources");

    for (uint32_t group = 0; r->at < r->end; group++) {
        bool skip = group < outside; /* notes of tools, not of dialects */

        if (skip)
            tb_bc_index(r, f->n_strings, "a string");
        else
            tb_bc_index(r, f->n_dialects, "a dialect");
        for (uint32_t more = tb_bc_count(r, "resources"); more; more--) {
            tb_str name = f->strings[tb_bc_index(r, f->n_strings, "a string")];
            uint64_t size = tb_bc_varint(r);
            uint8_t kind = tb_bc_byte(r);

            if (skip) {
                tb_bc_bytes(data, size);
                continue;
            }
            TB_PUSH(&f->p->cx->scratch, &names, name);
            if (size) /* 0: declared, defined elsewhere */
                add_resource(f, data, name, size, kind);
        }
    }
    f->resources = names.at;
    f->n_resources = names.n;
}

/* ---- the file ---- */

bool
tb_ml_is_bytecode(tb_str text)
{
    return text.len >= 4 && memcmp(text.ptr, "ML\xefR", 4) == 0;
}

tb_str
tb_ml_bytecode(ml_parser *p, tb_str bytes)
{
    bc_file *f = TB_NEW(&p->cx->scratch, bc_file);
    bc_reader r = {.f = f}, s[N_SECTIONS] = {{0}};

    f->p = p;
    f->begin = r.at = (const uint8_t *)bytes.ptr;
    f->end = r.end = r.at + bytes.len;
    f->budget = TEXT_MIN + TEXT_PER_BYTE * bytes.len;
    tb_bc_bytes(&r, 4);
    f->version = tb_bc_varint(&r);
    if (f->version < VERSION_FIRST || f->version > VERSION_LAST)
        tb_bc_fail(&r, "MLIR bytecode of version %" PRIu64 "; %d to %d can be read",
                   f->version, VERSION_FIRST, VERSION_LAST);
    while (tb_bc_byte(&r)) {} /* who wrote it */
    while (r.at < r.end) {
        uint32_t id;
        bc_reader one = tb_bc_section(&r, &id);

        if (id >= N_SECTIONS || s[id].f)
            tb_bc_fail(&r, "section %" PRIu32 " is not known or comes twice", id);
        s[id] = one;
    }
    for (uint32_t i = 0; i <= S_IR; i++)
        if (!s[i].f)
            tb_bc_fail(&r, "section %" PRIu32 " is missing", i);
    read_strings(f, &s[S_STRINGS]);
    read_dialects(f, &s[S_DIALECTS]);
    read_attrs(f, &s[S_ATTR_OFFSETS], &s[S_ATTRS]);
    if (s[S_PROPERTIES].f)
        read_properties(f, &s[S_PROPERTIES]);
    if (s[S_RESOURCE_OFFSETS].f && s[S_RESOURCES].f)
        read_resources(f, &s[S_RESOURCE_OFFSETS], &s[S_RESOURCES]);
    return tb_bc_body(&s[S_IR]);
}

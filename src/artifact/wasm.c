/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * wasm.c -- kernels and weights as a WebAssembly object, for wasm-ld.
 *
 * The image is an object that LLVM wrote, with everything but the weights in it. It is
 * copied section by section, with these changes (the format is that of the tool
 * conventions' Linking.md):
 *
 *   data      one more segment, the weights, 64-byte aligned
 *   linking   the segment's name and alignment; the symbol PREFIX__weights, last, so that
 *             the numbers that relocations use stay; kernels are PREFIX__k0 ... now
 *
 * What LLVM wrote is checked only so far that nothing is read past its end; a symbol that
 * it leaves to others (a call into libc or libm) is refused, as in images.
 */
#include <inttypes.h>

#include "artifact/layout.h"

enum { SEC_CUSTOM, SEC_IMPORT = 2, SEC_CODE = 10, SEC_DATA = 11, SEC_DATA_COUNT = 12 };
enum { LINK_SEGMENTS = 5, LINK_SYMBOLS = 8 }; /* parts of the section "linking" */
enum { SYM_FUNCTION, SYM_DATA, SYM_SECTION = 3 };
enum { SYM_LOCAL = 2, SYM_HIDDEN = 4, SYM_UNDEFINED = 16, SYM_EXPLICIT_NAME = 64 };
enum { OP_I32_CONST = 0x41, OP_END = 0x0b };
enum { WEIGHTS_ALIGN_LOG2 = 6 };
_Static_assert(1 << WEIGHTS_ALIGN_LOG2 == TB_DATA_ALIGN, "as in ELF objects");

/* An object with nothing in it but a memory to import, for programs without kernels. */
static const uint8_t empty[] = {
    0, 'a', 's', 'm', 1, 0, 0, 0, SEC_IMPORT, 24, 1, 3, 'e', 'n', 'v', 15, '_', '_', 'l', 'i',
    'n', 'e', 'a', 'r', '_', 'm', 'e', 'm', 'o', 'r', 'y', 2, 0, 0, SEC_CUSTOM, 9, 7, 'l', 'i',
    'n', 'k', 'i', 'n', 'g', 2};

/* ---- reading ---- */
typedef struct reader {
    const uint8_t *at, *end;
    bool bad;
} reader;

static uint32_t
get_byte(reader *r)
{
    if (r->at < r->end)
        return *r->at++;
    r->bad = true;
    return 0;
}

static uint32_t
get(reader *r)
{
    uint32_t v = 0, byte = 0x80;
    for (unsigned shift = 0; byte & 0x80 && shift < 35; shift += 7) {
        byte = get_byte(r);
        v |= (byte & 0x7f) << shift;
    }
    r->bad = r->bad || byte & 0x80;
    return v;
}

/* The next n bytes as a reader of their own. */
static reader
get_part(reader *r, uint32_t n)
{
    if (n > (size_t)(r->end - r->at)) {
        r->bad = true;
        n = 0;
    }
    reader part = {r->at, r->at + n, r->bad};
    r->at += n;
    return part;
}

static bool
is_text(const reader *r, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(r->end - r->at) == n && memcmp(r->at, text, n) == 0;
}

/* ---- writing ---- */
static void
put_byte(tb_buf *out, uint32_t v)
{
    uint8_t b = (uint8_t)v;
    tb_buf_put(out, &b, 1);
}

static void
put(tb_buf *out, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        put_byte(out, (v & 0x7f) | 0x80);
    put_byte(out, v);
}

/* Of an address: the signed form, of five bytes at most. */
static void
put_signed(tb_buf *out, int32_t v)
{
    for (; v < -64 || v > 63; v >>= 7)
        put_byte(out, ((uint32_t)v & 0x7f) | 0x80);
    put_byte(out, (uint32_t)v & 0x7f);
}

static void
put_bytes(tb_buf *out, const void *bytes, size_t n)
{
    put(out, (uint32_t)n);
    tb_buf_put(out, bytes, n);
}

static void
put_rest(tb_buf *out, const reader *r)
{
    tb_buf_put(out, r->at, (size_t)(r->end - r->at));
}

/* A section or a part of one; takes the contents' memory. */
static void
put_section(tb_buf *out, uint32_t id, tb_buf *contents)
{
    put_byte(out, id);
    put_bytes(out, contents->at, contents->n);
    out->failed = out->failed || contents->failed;
    tb_buf_free(contents);
}

/* ---- the sections that change ---- */
typedef struct copier {
    const tb_artifact *a;
    const tb_flat_image *im;
    const char *prefix;
    const tb_plan_const *consts;
    const bool *shared;
    uint64_t weights_bytes;
    tb_buf *out;
    tb_arena arena;
    tb_map kernels;      /* by name: number + 1 */
    uint32_t n_segments; /* that LLVM wrote */
    bool has_data, has_symbols, bad;
    reader missing; /* the name of a symbol that is nowhere */
} copier;

/* The segments of LLVM, or none, and the weights. Those may be large: the section is written
 * where it belongs at once. */
static void
put_data(copier *c, reader r)
{
    tb_buf head = {0}, count = {0};
    uint32_t n = r.at < r.end ? get(&r) : 0;
    uint64_t end = 0; /* of LLVM's segments; wasm-ld gives places anew */
    reader own = r;

    for (uint32_t i = 0; i < n && !r.bad; i++) {
        uint32_t flags = get(&r), op = get_byte(&r), at = get(&r);
        r.bad = r.bad || flags != 0 || op != OP_I32_CONST || get_byte(&r) != OP_END;
        uint32_t bytes = get(&r);
        get_part(&r, bytes);
        end = (uint64_t)at + bytes;
    }
    put(&count, n + 1);
    put(&head, 0);
    put_byte(&head, OP_I32_CONST);
    put_signed(&head, (int32_t)(uint32_t)TB_ALIGN_UP(end, TB_DATA_ALIGN));
    put_byte(&head, OP_END);
    put(&head, (uint32_t)c->weights_bytes);
    put_byte(c->out, SEC_DATA);
    put(c->out, (uint32_t)(count.n + (size_t)(own.end - own.at) + head.n + c->weights_bytes));
    tb_buf_put(c->out, count.at, count.n);
    put_rest(c->out, &own);
    tb_buf_put(c->out, head.at, head.n);
    tb_object_put_weights(c->out, c->a, c->consts, c->shared);
    c->out->failed = c->out->failed || head.failed || count.failed;
    tb_buf_free(&head);
    tb_buf_free(&count);
    c->n_segments = n;
    c->has_data = true;
    c->bad = c->bad || r.bad;
}

static void
put_segments(copier *c, reader r, tb_buf *out)
{
    char name[160];
    uint32_t n = r.at < r.end ? get(&r) : 0;

    c->bad = c->bad || r.bad || n != c->n_segments;
    put(out, n + 1);
    put_rest(out, &r);
    int len = snprintf(name, sizeof name, ".rodata.%s__weights", c->prefix);
    put_bytes(out, name, (size_t)len);
    put(out, WEIGHTS_ALIGN_LOG2);
    put(out, 0);
}

/* A symbol's name, with the prefix if it is a kernel. */
static void
put_name(copier *c, reader name, bool local, tb_buf *out)
{
    size_t n = (size_t)(name.end - name.at);
    uint32_t cursor = 0, v;

    while (!local && (v = tb_map_next(&c->kernels, tb_hash(name.at, n, 0), &cursor)))
        if (is_text(&name, c->im->names[v - 1])) {
            char text[160];
            int len = snprintf(text, sizeof text, "%s__k%" PRIu32, c->prefix, v - 1);
            put_bytes(out, text, (size_t)len);
            return;
        }
    put_bytes(out, name.at, n);
}

static void
put_symbol(copier *c, reader *r, tb_buf *out)
{
    uint32_t kind = get_byte(r), flags = get(r);
    bool undefined = flags & SYM_UNDEFINED;
    reader name = {0};

    put_byte(out, kind);
    put(out, flags);
    if (kind != SYM_DATA)
        put(out, get(r)); /* number of the function, global or section */
    if (kind != SYM_SECTION && (kind == SYM_DATA || !undefined || flags & SYM_EXPLICIT_NAME)) {
        name = get_part(r, get(r));
        put_name(c, name, undefined || flags & SYM_LOCAL, out);
    }
    if (kind == SYM_DATA && !undefined)
        for (int i = 0; i < 3; i++)
            put(out, get(r)); /* segment, offset, bytes */
    if (undefined && kind <= SYM_DATA && !c->missing.at)
        c->missing = name;
}

static void
put_symbols(copier *c, reader r, tb_buf *out)
{
    char name[160];
    uint32_t n = r.at < r.end ? get(&r) : 0;

    put(out, n + 1);
    for (uint32_t i = 0; i < n && !r.bad; i++)
        put_symbol(c, &r, out);
    put_byte(out, SYM_DATA);
    put(out, SYM_HIDDEN);
    int len = snprintf(name, sizeof name, "%s__weights", c->prefix);
    put_bytes(out, name, (size_t)len);
    put(out, c->n_segments);
    put(out, 0);
    put(out, (uint32_t)c->weights_bytes);
    c->bad = c->bad || r.bad;
}

/* Both parts must be there in what is written, and segments come first. */
static void
put_linking(copier *c, reader r)
{
    tb_buf all = {0};
    reader none = {0}, segments = none, symbols = none, walk;

    put_bytes(&all, "linking", 7);
    put(&all, get(&r));
    walk = r;
    while (walk.at < walk.end) {
        uint32_t id = get_byte(&walk);
        reader part = get_part(&walk, get(&walk));
        if (id == LINK_SEGMENTS)
            segments = part;
        else if (id == LINK_SYMBOLS)
            symbols = part;
        else
            c->bad = true; /* comdats, constructors: kernels have none */
    }
    tb_buf part = {0};
    put_symbols(c, symbols, &part);
    put_section(&all, LINK_SYMBOLS, &part);
    put_segments(c, segments, &part);
    put_section(&all, LINK_SEGMENTS, &part);
    put_section(c->out, SEC_CUSTOM, &all);
    c->has_symbols = true;
    c->bad = c->bad || walk.bad;
}

/* Functions that are left to others to define; names of those are here alone. */
static void
find_missing(copier *c, reader r)
{
    enum { FUNCTION, TABLE, MEMORY, GLOBAL };
    uint32_t n = get(&r);

    for (uint32_t i = 0; i < n && !r.bad; i++) {
        get_part(&r, get(&r));
        reader field = get_part(&r, get(&r));
        uint32_t kind = get_byte(&r);
        if (kind == FUNCTION) {
            c->missing = field;
            return;
        }
        if (kind == GLOBAL) {
            get_byte(&r); /* type, mutable */
            get_byte(&r);
            continue;
        }
        if (kind == TABLE)
            get_byte(&r);
        if (get(&r) & 1) /* limits: there is an upper one */
            get(&r);
        get(&r);
    }
    c->bad = c->bad || r.bad;
}

static void
copy_section(copier *c, uint32_t id, reader r)
{
    reader rest = r, name;
    tb_buf count = {0};

    switch (id) {
    case SEC_DATA:
        put_data(c, r);
        return;
    case SEC_DATA_COUNT:
        put(&count, get(&r) + 1);
        put_section(c->out, id, &count);
        return;
    case SEC_IMPORT:
        find_missing(c, r);
        break;
    case SEC_CUSTOM:
        name = get_part(&rest, get(&rest));
        if (!is_text(&name, "linking"))
            break;
        if (!c->has_data)
            put_data(c, (reader){0});
        put_linking(c, rest);
        return;
    default:
        break;
    }
    put_byte(c->out, id);
    put_bytes(c->out, r.at, (size_t)(r.end - r.at));
}

static tb_status
copy_object(copier *c)
{
    reader r = {c->im->bytes, c->im->bytes + c->im->n, false};

    if (c->im->n == 0)
        r = (reader){empty, empty + sizeof empty, false};
    for (uint32_t i = 0; i < c->im->n_entries; i++)
        tb_map_put(&c->kernels, tb_hash(c->im->names[i], strlen(c->im->names[i]), 0), i + 1);
    reader magic = get_part(&r, 8);
    c->bad = r.bad || memcmp(magic.at, empty, 8) != 0;
    if (!c->bad)
        tb_buf_put(c->out, magic.at, 8);
    while (r.at < r.end && !r.bad && !c->bad) {
        uint32_t id = get_byte(&r);
        copy_section(c, id, get_part(&r, get(&r)));
    }
    if (c->missing.at)
        return tb_status_make(TB_INTERNAL, "kernels need the external symbol %.*s, which no "
                              "kernel may", (int)(c->missing.end - c->missing.at),
                              (const char *)c->missing.at);
    if (c->bad || r.bad || !c->has_symbols)
        return tb_status_make(TB_INTERNAL, "the code generator's object is malformed");
    return NULL;
}

tb_status
tb_wasm_write(const tb_artifact *a, const tb_flat_image *im, const char *prefix,
              const tb_plan_const *consts, const bool *shared, uint64_t weights_bytes,
              tb_buf *out)
{
    copier c = {.a = a, .im = im, .prefix = prefix, .consts = consts, .shared = shared,
                .weights_bytes = weights_bytes, .out = out};

    if (weights_bytes + im->n > UINT32_MAX - (UINT64_C(1) << 20))
        return tb_status_make(TB_OUT_OF_RANGE, "weights of %" PRIu64 " bytes: WebAssembly has "
                              "4 GiB of memory", weights_bytes);
    c.kernels.arena = &c.arena;
    tb_status st = copy_object(&c);
    tb_arena_reset(&c.arena);
    return st;
}

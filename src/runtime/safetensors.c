/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * safetensors.c -- what is in a .safetensors file.
 *
 *   8 bytes, the header's length n (little-endian) | n bytes of JSON | the data
 *
 *   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
 *    "__metadata__": {"text": "text"}}
 *
 * Offsets count from the end of the header; the tensors cover the data without gaps.
 * https://github.com/huggingface/safetensors has the definition. The bytes are hostile.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "runtime/runtime_internal.h"

#if !defined(TB_NO_MALLOC)

enum { MAX_HEADER = 100 << 20 };

typedef struct reader {
    const char *at, *end;
    const char *begin;
    char *texts;    /* names, NUL-terminated; as long as the header is enough */
    int64_t *sizes; /* dims; a number takes two bytes of the header */
    const char *name; /* of the tensor being read */
} reader;

static tb_status
bad(const reader *r, const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged safetensors header, byte %td: %s",
                          r->at - r->begin + 8, what);
}

/* ---- JSON ---- */
static void
skip_space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* Takes c if it comes next. */
static bool
take(reader *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static int
hex4(const char *s, const char *end)
{
    int v = 0;
    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

static char *
put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (char)((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | c >> 6 * more);
    while (more-- > 0)
        *to++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    return to;
}

/* The character of an escape, behind the backslash; -1 if it is none. */
static int64_t
escape(reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->end ? *r->at++ : '\0';
    const char *found = c ? strchr(from, c) : NULL;
    if (found)
        return to[found - from];
    int v = c == 'u' ? hex4(r->at, r->end) : -1, low;
    if (v < 0)
        return -1;
    r->at += 4;
    if (v < 0xd800 || v > 0xdfff)
        return v;
    if (v > 0xdbff || r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
        return -1;
    low = hex4(r->at + 2, r->end);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    r->at += 6;
    return 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
}

/* A string, put at r->texts, which moves on. */
static tb_status
read_string(reader *r, const char **out)
{
    if (!take(r, '"'))
        return bad(r, "expected a string");
    *out = r->texts;
    while (r->at < r->end && *r->at != '"') {
        int64_t c = (unsigned char)*r->at++;
        if (c == '\\') {
            c = escape(r);
            if (c <= 0)
                return bad(r, "an escape that is none");
            r->texts = put_utf8(r->texts, (uint32_t)c);
        } else if (c < 0x20) {
            return bad(r, "a control character in a string");
        } else {
            *r->texts++ = (char)c;
        }
    }
    if (r->at == r->end)
        return bad(r, "a string does not end");
    r->at++;
    *r->texts++ = '\0';
    return NULL;
}

static tb_status
read_number(reader *r, int64_t *out)
{
    skip_space(r);
    const char *first = r->at;
    *out = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (!tb_mul_ok(*out, 10, out) || !tb_add_ok(*out, *r->at - '0', out))
            return bad(r, "a number is too large");
    if (r->at == first)
        return bad(r, "expected a number that is not negative");
    return NULL;
}

/* [1, 2, 3]; at most `max` numbers are kept, *n counts all. */
static tb_status
read_numbers(reader *r, int64_t *out, uint32_t max, uint32_t *n)
{
    int64_t v;
    *n = 0;
    if (!take(r, '['))
        return bad(r, "expected a list");
    if (take(r, ']'))
        return NULL;
    do {
        TRY(read_number(r, &v));
        if (*n < max)
            out[*n] = v;
        ++*n;
    } while (take(r, ','));
    return take(r, ']') ? NULL : bad(r, "a list does not end");
}

/* {"text": "text", ...}: metadata */
static tb_status
skip_metadata(reader *r)
{
    char *texts = r->texts;
    const char *text;
    if (!take(r, '{'))
        return bad(r, "metadata is no object");
    if (take(r, '}'))
        return NULL;
    do {
        TRY(read_string(r, &text));
        if (!take(r, ':'))
            return bad(r, "expected ':'");
        TRY(read_string(r, &text));
    } while (take(r, ','));
    r->texts = texts;
    return take(r, '}') ? NULL : bad(r, "metadata does not end");
}

/* ---- a tensor ---- */
static const struct {
    const char *name;
    tb_dtype dtype;
} types[] = {
    {"BOOL", TB_BOOL}, {"U8", TB_U8},   {"I8", TB_I8},     {"U16", TB_U16}, {"I16", TB_I16},
    {"F16", TB_F16},   {"BF16", TB_BF16}, {"U32", TB_U32}, {"I32", TB_I32}, {"F32", TB_F32},
    {"U64", TB_U64},   {"I64", TB_I64}, {"F64", TB_F64},   {"C64", TB_C64},
};

const char *
tb_safetensors_type(tb_dtype t)
{
    for (size_t i = 0; i < TB_COUNT(types); i++)
        if (types[i].dtype == t)
            return types[i].name;
    return NULL;
}

size_t
tb_safetensors_width(tb_dtype t)
{
    return tb_dtype_bytes(tb_dtype_part(t));
}

void
tb_param_list_free(tb_param_list *l)
{
    tb_heap_free(l->rows);
    tb_heap_free(l->texts);
    tb_heap_free(l->sizes);
    *l = (tb_param_list){0};
}

static void
find_type(tb_param *p, const char *name)
{
    for (size_t i = 0; i < TB_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0) {
            p->dtype = types[i].dtype;
            return;
        }
    p->bad_type = name;
}

/* Does the type have as many bytes as the offsets say? */
static tb_status
check_size(const reader *r, const tb_param *p)
{
    int64_t n = (int64_t)tb_dtype_bytes(p->dtype);
    bool fits = true, empty = false;
    for (int32_t i = 0; i < p->rank; i++) {
        empty = empty || p->dims[i] == 0;
        fits = fits && tb_mul_ok(n, p->dims[i], &n);
    }
    if (empty ? p->bytes == 0 : fits && (uint64_t)n == p->bytes)
        return NULL;
    char text[TB_TYPE_TEXT_BYTES];
    (void)r;
    return tb_status_make(TB_CORRUPT, "tensor '%s': %s does not take the %" PRIu64
                          " bytes that its offsets give it", p->name,
                          p->rank > TB_MAX_RANK
                              ? "its shape"
                              : tb_type_text(text, p->dtype, p->rank, p->dims), p->bytes);
}

/* p->data gets the offset for now: where the header ends is known, but not if all fits. */
static tb_status
read_tensor(reader *r, tb_param *p, int64_t *begin)
{
    enum { TYPE = 1, SHAPE = 2, OFFSETS = 4 };
    int64_t offsets[2] = {0, 0};
    uint32_t n, seen = 0;
    const char *key, *type;
    if (!take(r, '{'))
        return bad(r, "a tensor is no object");
    do {
        char *texts = r->texts;
        TRY(read_string(r, &key));
        uint32_t what = strcmp(key, "dtype") == 0          ? TYPE
                        : strcmp(key, "shape") == 0        ? SHAPE
                        : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                                           : 0;
        r->texts = texts;
        if (!what || seen & what || !take(r, ':'))
            return bad(r, "a tensor has one dtype, shape and data_offsets");
        seen |= what;
        if (what == TYPE) {
            TRY(read_string(r, &type));
            find_type(p, type);
        } else if (what == SHAPE) {
            p->dims = r->sizes;
            TRY(read_numbers(r, r->sizes, UINT32_MAX, &n));
            p->rank = (int32_t)(n > INT32_MAX ? INT32_MAX : n);
            r->sizes += n;
        } else {
            TRY(read_numbers(r, offsets, 2, &n));
            if (n != 2 || offsets[0] > offsets[1])
                return bad(r, "data_offsets are [begin, end]");
        }
    } while (take(r, ','));
    if (!take(r, '}') || seen != (TYPE | SHAPE | OFFSETS))
        return bad(r, "a tensor has dtype, shape and data_offsets");
    *begin = offsets[0];
    p->bytes = (uint64_t)(offsets[1] - offsets[0]);
    return p->bad_type ? NULL : check_size(r, p);
}

/* ---- the file ---- */
typedef struct row {
    tb_param p;
    int64_t begin;
} row;

static int
by_begin(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->p.bytes < y->p.bytes ? -1 : x->p.bytes > y->p.bytes;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const tb_param *)a)->name, ((const tb_param *)b)->name);
}

/* Tensors lie one after the other and fill the data. */
static tb_status
place(row *rows, uint32_t n, const uint8_t *data, uint64_t data_bytes)
{
    uint64_t at = 0;
    if (n) /* qsort takes no NULL, even for nothing */
        qsort(rows, n, sizeof *rows, by_begin);
    for (uint32_t i = 0; i < n; i++) {
        if ((uint64_t)rows[i].begin != at)
            return tb_status_make(TB_CORRUPT,
                                  "tensor '%s' begins at %" PRId64 " of the data, expected %"
                                  PRIu64, rows[i].p.name, rows[i].begin, at);
        at += rows[i].p.bytes;
        if (at > data_bytes)
            return tb_status_make(TB_CORRUPT,
                                  "the file is too short: tensor '%s' ends at %" PRIu64
                                  " of the data, which has %" PRIu64 " bytes",
                                  rows[i].p.name, at, data_bytes);
        rows[i].p.data = data + rows[i].begin;
    }
    if (at != data_bytes)
        return tb_status_make(TB_CORRUPT, "the file is too long: %" PRIu64
                              " bytes of tensors, %" PRIu64 " bytes of data", at, data_bytes);
    return NULL;
}

static tb_status
nothing_more(reader *r)
{
    skip_space(r);
    return r->at == r->end ? NULL : bad(r, "text behind the object");
}

static tb_status
read_rows(reader *r, row **rows, uint32_t *n)
{
    uint32_t cap = 0;
    if (!take(r, '{'))
        return bad(r, "no JSON object");
    if (take(r, '}'))
        return nothing_more(r);
    do {
        const char *name;
        TRY(read_string(r, &name));
        if (!take(r, ':'))
            return bad(r, "expected ':'");
        if (strcmp(name, "__metadata__") == 0) {
            TRY(skip_metadata(r));
            continue;
        }
        if (*n == cap) {
            cap = cap ? cap * 2 : 64;
            row *grown = tb_heap(cap, sizeof *grown);
            if (!grown)
                return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %u tensors", cap);
            if (*n)
                memcpy(grown, *rows, sizeof *grown * *n);
            tb_heap_free(*rows);
            *rows = grown;
        }
        row *x = &(*rows)[*n];
        x->p.name = name;
        TRY(read_tensor(r, &x->p, &x->begin));
        ++*n;
    } while (take(r, ','));
    if (!take(r, '}'))
        return bad(r, "the object does not end");
    return nothing_more(r);
}

static tb_status
sorted(const row *rows, uint32_t n, tb_param_list *out)
{
    out->rows = tb_heap(n, sizeof *out->rows);
    if (!out->rows)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %u tensors", n);
    for (uint32_t i = 0; i < n; i++)
        out->rows[i] = rows[i].p;
    out->n = n;
    if (n)
        qsort(out->rows, n, sizeof *out->rows, by_name);
    for (uint32_t i = 1; i < n; i++)
        if (strcmp(out->rows[i].name, out->rows[i - 1].name) == 0)
            return tb_status_make(TB_CORRUPT, "two tensors are named '%s'", out->rows[i].name);
    return NULL;
}

tb_status
tb_safetensors_read(const uint8_t *bytes, size_t n, tb_param_list *out)
{
    uint64_t header = 0;
    *out = (tb_param_list){0};
    for (size_t i = 0; i < 8 && n >= 8; i++)
        header |= (uint64_t)bytes[i] << 8 * i;
    if (n < 8 || header > n - 8 || header > MAX_HEADER)
        return tb_status_make(TB_CORRUPT,
                              "no safetensors file, or a short one: a header of %" PRIu64
                              " bytes in a file of %zu", header, n);
    size_t length = (size_t)header;
    out->texts = tb_heap(length + 1, 1);
    out->sizes = tb_heap(length / 2 + 1, sizeof *out->sizes);
    reader r = {.at = (const char *)bytes + 8, .texts = out->texts, .sizes = out->sizes};
    row *rows = NULL;
    uint32_t n_rows = 0;
    r.begin = r.at;
    r.end = r.at + length;
    tb_status st = out->texts && out->sizes
                       ? read_rows(&r, &rows, &n_rows)
                       : tb_status_make(TB_OUT_OF_MEMORY, "no memory for a header");
    if (!st)
        st = place(rows, n_rows, bytes + 8 + length, n - 8 - length);
    if (!st)
        st = sorted(rows, n_rows, out);
    tb_heap_free(rows);
    if (st)
        tb_param_list_free(out);
    return st;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * literal.c -- the data of constants: dense<...> and the blobs of resources.
 *
 * The text pays for what it makes us allocate, but for splats, which are written out only
 * where nothing else will do and up to a limit for the whole text.
 */
#include "mlir/text.h"

enum { ALIGNMENT_DIGITS = 8 }; /* a blob begins with its alignment, four bytes */
enum { PART_DIGITS = 4 << 20 };      /* the text of which is let go of at once */
#define MAX_FILLED_BYTES ((size_t)1 << 30)

/* ---- hexadecimal digits ---- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind the 0x of "0x0A0B". */
static tb_str
hex_text(ml_parser *p, tb_str s, ml_place at)
{
    if (s.len < 2 || s.ptr[0] != '0' || s.ptr[1] != 'x' || s.len % 2)
        tb_ml_fail(p, at, "expected 0x and an even number of hexadecimal digits");
    return (tb_str){s.ptr + 2, s.len - 2};
}

static uint8_t *
hex_bytes(ml_parser *p, tb_str digits, ml_place at)
{
    uint8_t *bytes = tb_alloc(&p->cx->keep, digits.len / 2 + 16);
    const unsigned char *in = (const unsigned char *)digits.ptr;
    int16_t value[256]; /* by character */

    for (int c = 0; c < 256; c++)
        value[c] = (int16_t)hex_digit((char)c);
    for (size_t from = 0, end; from < digits.len; from = end) {
        end = digits.len - from < PART_DIGITS ? digits.len : from + PART_DIGITS;
        for (size_t i = from; i + 1 < end; i += 2) {
            int both = value[in[i]] * 16 | value[in[i + 1]];

            if (both < 0)
                tb_ml_fail(p, at, "expected hexadecimal digits, found '%.2s'",
                           digits.ptr + i);
            bytes[i / 2] = (uint8_t)both;
        }
        tb_ml_was_read(p, digits.ptr + from, end - from);
    }
    return bytes;
}

/* ---- resources ---- */

static ml_resource *
find_resource(ml_parser *p, const ml_attr *a)
{
    uint32_t at = 0, v;

    if (tb_str_is(a->text, "__elided__"))
        tb_ml_fail(p, a->place,
                   "the data of this constant was left out when the text was printed");
    while (
        (v = tb_map_next(&p->resource_names, tb_hash(a->text.ptr, a->text.len, 0), &at)))
        if (tb_str_eq(p->resources.at[v - 1].name, a->text))
            return &p->resources.at[v - 1];
    tb_ml_fail(p, a->place, "there is no resource '%.*s'", TB_FMT(a->text));
}

/* All uses share the bytes, and so become one constant. */
static void
resource(ml_parser *p, const ml_attr *a, tb_const *c)
{
    ml_resource *r = find_resource(p, a);

    if (!r->bytes) {
        tb_str digits = hex_text(p, r->text, r->place);

        if (digits.len < ALIGNMENT_DIGITS)
            tb_ml_fail(p, r->place, "the blob '%.*s' has no alignment", TB_FMT(r->name));
        digits.ptr += ALIGNMENT_DIGITS;
        digits.len -= ALIGNMENT_DIGITS;
        r->n_bytes = digits.len / 2;
        r->bytes = hex_bytes(p, digits, r->place);
    }
    if (r->n_bytes != c->n_bytes)
        tb_ml_fail(p, a->place, "the blob '%.*s' has %zu bytes, its type wants %zu",
                   TB_FMT(r->name), r->n_bytes, c->n_bytes);
    c->bytes = r->bytes;
}

/* ---- dense<"0x..."> ---- */

static void
dense_hex(ml_parser *p, const ml_attr *a, tb_str s, tb_const *c, bool *splat)
{
    tb_str digits = hex_text(p, s, a->place);
    size_t n = digits.len / 2, bits = (c->n_bytes + 7) / 8;
    uint8_t *bytes = hex_bytes(p, digits, a->place), *wide;

    c->bytes = bytes;
    if (c->dtype == TB_BOOL && n == 1 && c->n_bytes > 1 &&
        (bytes[0] == 0xff || !bytes[0])) {
        bytes[0] &= 1;
        *splat = true;
    } else if (c->dtype == TB_BOOL && n == bits && (n != c->n_bytes || n == 1)) {
        wide = tb_alloc(&p->cx->keep, c->n_bytes + 16);
        for (size_t i = 0; i < c->n_bytes; i++)
            wide[i] = bytes[i / 8] >> i % 8 & 1;
        c->bytes = wide;
    } else if (n == tb_dtype_bytes(c->dtype) && n != c->n_bytes) {
        *splat = true;
    } else if (n != c->n_bytes) {
        tb_ml_fail(p, a->place, "the data has %zu bytes, its type wants %zu", n,
                   c->n_bytes);
    }
}

/* ---- dense<[[1, 2], [3, 4]]> ---- */

typedef struct reader {
    ml_parser *p;
    tb_const *c;
    uint8_t *out;
    size_t n; /* elements written */
    int rank; /* of the list read so far */
} reader;

static void
put_float(tb_dtype t, double d, uint8_t *out)
{
    float f = (float)d;
    uint16_t h = t == TB_F16 ? tb_f32_to_f16(f) : tb_f32_to_bf16(f);

    if (t == TB_F64 || t == TB_C128)
        memcpy(out, &d, sizeof d);
    else if (t == TB_F32 || t == TB_C64)
        memcpy(out, &f, sizeof f);
    else
        memcpy(out, &h, sizeof h);
}

/* A number; 0x7FC00000 is the bits of a float. */
static void
scalar(reader *r, uint8_t *out, tb_dtype t, size_t n_bytes)
{
    ml_parser *p = r->p;
    bool minus = false;
    int64_t i;

    if (tb_ml_is_word(p, "true") || tb_ml_is_word(p, "false")) {
        i = tb_ml_is_word(p, "true");
        if (t != TB_BOOL)
            tb_ml_fail(p, p->tok.place, "a truth value in a tensor of %s",
                       tb_dtype_name(t));
        tb_ml_next(p);
        memcpy(out, &i, n_bytes);
        return;
    }
    if (tb_dtype_is_inexact(t)) {
        if (p->tok.kind == ML_INT && p->tok.text.len > 2 && p->tok.text.ptr[1] == 'x') {
            i = tb_ml_int(p);
            memcpy(out, &i, n_bytes);
            return;
        }
        minus = tb_ml_try(p, '-');
        put_float(t, minus ? -tb_ml_number(p) : tb_ml_number(p), out);
        tb_ml_next(p);
        return;
    }
    i = tb_ml_int(p);
    if (t == TB_BOOL)
        i = i != 0;
    memcpy(out, &i, n_bytes);
}

static void
element(reader *r)
{
    tb_dtype t = r->c->dtype;
    size_t bytes = tb_dtype_bytes(t);
    uint8_t *out = r->out + r->n * bytes;

    if (tb_dtype_is_complex(t)) {
        tb_ml_need(r->p, '(');
        scalar(r, out, t, bytes / 2);
        tb_ml_need(r->p, ',');
        scalar(r, out + bytes / 2, t, bytes / 2);
        tb_ml_need(r->p, ')');
    } else {
        scalar(r, out, t, bytes);
    }
    r->n++;
}

static void
list(reader *r, int axis)
{
    ml_parser *p = r->p;
    ml_place at = p->tok.place;
    int64_t n = 0;

    if (axis == r->c->rank) {
        if (r->n * tb_dtype_bytes(r->c->dtype) >= r->c->n_bytes)
            tb_ml_fail(p, at, "more elements than the type has");
        element(r);
        return;
    }
    tb_ml_need(p, '[');
    while (!tb_ml_is(p, ']')) {
        if (n++)
            tb_ml_need(p, ',');
        list(r, axis + 1);
    }
    tb_ml_next(p);
    if (n != r->c->dims[axis])
        tb_ml_fail(p, at, "%lld elements where the type has %lld", (long long)n,
                   (long long)r->c->dims[axis]);
}

static void
dense(ml_parser *p, const ml_attr *a, tb_const *c, bool *splat)
{
    ml_parser q = *p; /* reads the text between the brackets */
    reader r = {.p = &q, .c = c};
    size_t elem_bytes = tb_dtype_bytes(c->dtype);

    q.at = a->text.ptr;
    q.end = a->text.ptr + a->text.len;
    q.line = a->place.line;
    q.line_start = q.at - a->place.col - 5; /* behind `dense<` */
    q.depth = 0;
    tb_ml_next(&q);
    if (q.tok.kind == ML_END && !c->n_bytes) { /* dense<> */
        c->bytes = tb_alloc(&p->cx->keep, 1);
        return;
    }
    if (q.tok.kind == ML_STRING) {
        dense_hex(p, a, q.tok.text, c, splat);
        return;
    }
    *splat = !tb_ml_is(&q, '[') && c->n_bytes != elem_bytes;
    if (!*splat && c->n_bytes / elem_bytes > a->text.len)
        tb_ml_fail(p, a->place, "less elements than the type has");
    r.out = tb_alloc(&p->cx->keep, (*splat ? elem_bytes : c->n_bytes) + 16);
    c->bytes = r.out;
    if (!tb_ml_is(&q, '['))
        element(&r);
    else
        list(&r, 0);
    if (q.tok.kind != ML_END)
        tb_ml_expected(&q, "'>'");
}

/* ---- both ---- */

/* The attribute says the sizes as well; only the signedness may differ. */
static void
check_type(ml_parser *p, const ml_attr *a, const tb_type *type)
{
    const ml_type *own = &a->type;
    bool same = own->ranked && own->tensor.rank == type->rank;

    for (int i = 0; same && i < type->rank; i++)
        same = own->tensor.dims[i] == type->dims[i];
    if (!same)
        tb_ml_fail(p, a->place, "the sizes of the constant and of its type differ");
    if (own->tensor.dtype == TB_NONE)
        tb_ml_fail(p, a->place, "constants of '%.*s' are not supported",
                   TB_FMT(own->text));
    if (tb_dtype_bytes((tb_dtype)own->tensor.dtype) !=
        tb_dtype_bytes((tb_dtype)type->dtype))
        tb_ml_fail(p, a->place, "a constant of %s where the type has %s",
                   tb_dtype_name((tb_dtype)own->tensor.dtype),
                   tb_dtype_name((tb_dtype)type->dtype));
}

tb_const
tb_ml_elements(ml_parser *p, const ml_attr *a, const tb_type *type, bool *splat)
{
    tb_const c = {.name = TB_STR(""), .scope = TB_STR(""), .rank = type->rank};
    int64_t bytes;

    *splat = false;
    c.dtype = (tb_dtype)type->dtype;
    bytes = (int64_t)tb_dtype_bytes(c.dtype);
    if (c.dtype == TB_NONE)
        tb_ml_fail(p, a->place, "the element type of the constant is not supported");
    for (int i = 0; i < type->rank; i++) {
        c.dims[i] = type->dims[i];
        if (!tb_dim_is_const(type->dims[i]) || type->dims[i] < 0 ||
            !tb_mul_ok(bytes, type->dims[i], &bytes))
            tb_ml_fail(p, a->place, "a constant needs constant sizes that fit memory");
    }
    c.n_bytes = (size_t)bytes;
    check_type(p, a, type);
    if (a->kind == ML_ATTR_RESOURCE)
        resource(p, a, &c);
    else if (a->kind == ML_ATTR_DENSE)
        dense(p, a, &c, splat);
    else
        tb_ml_fail(p, a->place, "expected dense<...> or dense_resource<...>");
    return c;
}

tb_const
tb_ml_dense(ml_parser *p, const ml_attr *a, const tb_type *type)
{
    bool splat;
    tb_const c = tb_ml_elements(p, a, type, &splat);
    size_t elem_bytes = tb_dtype_bytes(c.dtype);
    uint8_t *bytes;

    if (!splat)
        return c;
    if (c.n_bytes > MAX_FILLED_BYTES - p->filled_bytes)
        tb_ml_fail(p, a->place,
                   "a constant of one repeated value is too large to write out");
    p->filled_bytes += c.n_bytes;
    bytes = tb_alloc(&p->cx->keep, c.n_bytes + 16);
    for (size_t i = 0; i < c.n_bytes; i += elem_bytes)
        memcpy(bytes + i, c.bytes, elem_bytes);
    c.bytes = bytes;
    return c;
}

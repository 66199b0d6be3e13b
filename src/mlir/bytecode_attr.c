/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * bytecode_attr.c -- attributes and types of MLIR's bytecode, as text.
 *
 * Only the builtin dialect has an encoding of its own (mlir/lib/IR/BuiltinDialectBytecode.td
 * and .cpp give the codes); all others write their text. What is asked for twice is made once.
 */
#include <inttypes.h>
#include <math.h>

#include "mlir/bytecode.h"

enum { /* BuiltinDialectBytecode.td, attributes */
    A_ARRAY,
    A_DICTIONARY,
    A_STRING,
    A_STRING_WITH_TYPE,
    A_FLAT_SYMBOL,
    A_SYMBOL,
    A_TYPE,
    A_UNIT,
    A_INTEGER,
    A_FLOAT,
    A_CALL_SITE,
    A_FILE_LINE_COL,
    A_FUSED,
    A_FUSED_WITH_METADATA,
    A_NAME_LOC,
    A_UNKNOWN_LOC,
    A_DENSE_RESOURCE,
    A_DENSE_ARRAY,
    A_DENSE,
    A_DENSE_STRINGS,
    A_SPARSE,
    A_DISTINCT,
    A_FILE_LINE_COL_RANGE,
    A_AFFINE_MAP
};
enum { /* affine maps: their low two bits */
    M_IDENTITY,
    M_PERMUTATION,
    M_PROJECTION,
    M_GENERAL
};
enum { /* types */
    T_INTEGER,
    T_INDEX,
    T_FUNCTION,
    T_BF16,
    T_F16,
    T_F32,
    T_F64,
    T_F80,
    T_F128,
    T_COMPLEX,
    T_NONE = 12,
    T_TENSOR,
    T_TENSOR_WITH_ENCODING,
    T_TUPLE,
    T_UNRANKED_TENSOR = 18
};

static void
put_comma(const bc_reader *r, bc_text *t, uint32_t i)
{
    if (i)
        tb_bc_puts(r, t, ", ");
}

static void
put_attr(bc_reader *r, bc_text *t)
{
    tb_bc_put(r, t, tb_bc_next_attr(r));
}

static void
put_type(bc_reader *r, bc_text *t)
{
    tb_bc_put(r, t, tb_bc_next_type(r));
}

static void
put_list(bc_reader *r, bc_text *t, const char *open, const char *close,
         void (*put)(bc_reader *, bc_text *))
{
    uint32_t n = tb_bc_count(r, "a list");

    tb_bc_puts(r, t, open);
    for (uint32_t i = 0; i < n; i++) {
        put_comma(r, t, i);
        put(r, t);
    }
    tb_bc_puts(r, t, close);
}

static void
put_number(const bc_reader *r, bc_text *t, int64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, v);
    tb_bc_puts(r, t, text);
}

static tb_str
next_string(bc_reader *r)
{
    return r->f->strings[tb_bc_index(r, r->f->n_strings, "a string")];
}

static void
put_hex(const bc_reader *r, bc_text *t, const uint8_t *bytes, uint64_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    char part[512];
    size_t k = 0;

    tb_bc_puts(r, t, "0x");
    for (uint64_t i = 0; i < n; i++) {
        part[k++] = digits[bytes[i] >> 4];
        part[k++] = digits[bytes[i] & 15];
        if (k == sizeof part || i + 1 == n) {
            tb_bc_put(r, t, (tb_str){part, k});
            k = 0;
        }
    }
}

/* ---- numbers ---- */

/* Of a type whose text is known: "i64", "f32". 0 if it has another form. */
static uint32_t
bits_of(tb_str type)
{
    uint32_t n = 0;
    size_t i = 0;

    if (tb_str_is(type, "index"))
        return 64;
    while (i < type.len && type.ptr[i] >= 'a' && type.ptr[i] <= 'z')
        i++;
    for (; i < type.len && type.ptr[i] >= '0' && type.ptr[i] <= '9' && n < 1 << 20; i++)
        n = n * 10 + (uint32_t)(type.ptr[i] - '0');
    return i == type.len ? n : 0;
}

/* An APInt: a byte, a signed number, or words of which the first is kept. */
static int64_t
next_bits(bc_reader *r, uint32_t bits)
{
    int64_t v, more;

    if (!bits)
        tb_bc_fail(r, "a number of a type that is not known");
    if (bits <= 8)
        return tb_bc_byte(r);
    if (bits <= 64)
        return tb_bc_signed(r);
    more = tb_bc_count(r, "words of a number");
    v = more ? tb_bc_signed(r) : 0;
    for (int64_t i = 1; i < more; i++)
        if (tb_bc_signed(r) != 0)
            tb_bc_fail(r, "a number of more than 64 bits");
    return v;
}

static void
put_integer(bc_reader *r, bc_text *t)
{
    tb_str type = tb_bc_next_type(r);
    uint32_t bits = bits_of(type);
    int64_t v = next_bits(r, bits);

    if (tb_str_is(type, "i1")) {
        tb_bc_puts(r, t, v & 1 ? "true" : "false");
        return;
    }
    if (bits == 8 && type.ptr[0] != 'u')
        v = (int8_t)v;
    put_number(r, t, v);
    tb_bc_puts(r, t, " : ");
    tb_bc_put(r, t, type);
}

static double
as_double(tb_str type, int64_t bits)
{
    double d;
    float f;
    uint32_t low = (uint32_t)bits;

    if (tb_str_is(type, "f64")) {
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    memcpy(&f, &low, sizeof f);
    if (tb_str_is(type, "bf16"))
        f = tb_bf16_to_f32((uint16_t)bits);
    else if (tb_str_is(type, "f16"))
        f = tb_f16_to_f32((uint16_t)bits);
    return f;
}

static void
put_float(bc_reader *r, bc_text *t)
{
    tb_str type = tb_bc_next_type(r);
    int64_t bits = next_bits(r, bits_of(type));
    double d = as_double(type, bits);
    char text[64];

    if (isfinite(d)) {
        snprintf(text, sizeof text, "%.17e", d);
    } else { /* the bits of a double: the reader takes them for one, whatever the type */
        uint64_t u;

        memcpy(&u, &d, sizeof u);
        snprintf(text, sizeof text, "0x%016" PRIX64, u);
        type = TB_STR("f64");
    }
    tb_bc_puts(r, t, text);
    tb_bc_puts(r, t, " : ");
    tb_bc_put(r, t, type);
}

/* ---- attributes ---- */

static void
put_symbol_name(bc_reader *r, bc_text *t)
{
    tb_bc_puts(r, t, "@");
    put_attr(r, t);
}

static void
put_named(bc_reader *r, bc_text *t)
{
    put_attr(r, t); /* a string in quotes */
    tb_bc_puts(r, t, " = ");
    put_attr(r, t);
}

static void
put_elements(bc_reader *r, bc_text *t)
{
    tb_str type = tb_bc_next_type(r);
    uint64_t n = tb_bc_varint(r);
    const uint8_t *bytes = tb_bc_bytes(r, n);

    tb_bc_puts(r, t, "dense<");
    if (n) {
        tb_bc_puts(r, t, "\"");
        put_hex(r, t, bytes, n);
        tb_bc_puts(r, t, "\"");
    }
    tb_bc_puts(r, t, "> : ");
    tb_bc_put(r, t, type);
}

static void
put_array(bc_reader *r, bc_text *t)
{
    tb_str type = tb_bc_next_type(r);
    uint64_t n = tb_bc_varint(r), n_bytes = tb_bc_varint(r);
    const uint8_t *bytes = tb_bc_bytes(r, n_bytes);
    uint32_t bits = bits_of(type);

    tb_bc_puts(r, t, "array<");
    tb_bc_put(r, t, type);
    if (bits % 8 == 0 && bits <= 64 && n * (bits / 8) == n_bytes && type.ptr[0] == 'i')
        for (uint64_t i = 0; i < n; i++) {
            int64_t v = 0;

            memcpy(&v, bytes + i * (bits / 8), bits / 8);
            v = (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
            tb_bc_puts(r, t, i ? ", " : ": ");
            put_number(r, t, v);
        }
    tb_bc_puts(r, t, ">");
}

static void
put_location_line(bc_reader *r, bc_text *t, bool range)
{
    uint64_t n = 2, line, col;

    put_attr(r, t);
    if (range)
        n = tb_bc_count(r, "lines and columns");
    line = n > 0 ? tb_bc_varint(r) : 0;
    col = n > 1 ? tb_bc_varint(r) : 0;
    for (uint64_t i = 2; i < n; i++)
        tb_bc_varint(r);
    tb_bc_puts(r, t, ":");
    put_number(r, t, (int64_t)(line & INT32_MAX));
    tb_bc_puts(r, t, ":");
    put_number(r, t, (int64_t)(col & INT32_MAX));
}

/* Locations inside others and as attributes are written `loc(...)`. */
static void
put_location(bc_reader *r, bc_text *t, uint64_t code)
{
    tb_bc_puts(r, t, "loc(");
    switch (code) {
    case A_CALL_SITE:
        tb_bc_puts(r, t, "callsite(");
        put_attr(r, t);
        tb_bc_puts(r, t, " at ");
        put_attr(r, t);
        tb_bc_puts(r, t, ")");
        break;
    case A_FILE_LINE_COL:
    case A_FILE_LINE_COL_RANGE:
        put_location_line(r, t, code == A_FILE_LINE_COL_RANGE);
        break;
    case A_FUSED:
    case A_FUSED_WITH_METADATA: /* metadata follows, and is left out */
        put_list(r, t, "fused[", "]", put_attr);
        break;
    case A_NAME_LOC:
        put_attr(r, t);
        tb_bc_puts(r, t, "(");
        put_attr(r, t);
        tb_bc_puts(r, t, ")");
        break;
    default:
        tb_bc_puts(r, t, "unknown");
    }
    tb_bc_puts(r, t, ")");
}

static void
put_letter(const bc_reader *r, bc_text *t, char letter, uint32_t number)
{
    char text[16];

    snprintf(text, sizeof text, "%c%" PRIu32, letter, number);
    tb_bc_puts(r, t, text);
}

static void
put_letters(const bc_reader *r, bc_text *t, char letter, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        put_comma(r, t, i);
        put_letter(r, t, letter, i);
    }
}

static void
put_affine(bc_reader *r, bc_text *t)
{
    static const char *const between[] = {" + ", " * ", " mod ", " floordiv ",
                                          " ceildiv "};
    uint64_t kind = tb_bc_varint(r);

    tb_bc_enter(r);
    if (kind < 2) {
        put_letter(r, t, kind ? 's' : 'd', tb_bc_index(r, UINT16_MAX, "a dimension"));
    } else if (kind == 2) {
        put_number(r, t, tb_bc_signed(r));
    } else if (kind - 3 < TB_COUNT(between)) {
        tb_bc_puts(r, t, "(");
        put_affine(r, t);
        tb_bc_puts(r, t, between[kind - 3]);
        put_affine(r, t);
        tb_bc_puts(r, t, ")");
    } else {
        tb_bc_fail(r, "an affine expression of kind %" PRIu64, kind);
    }
    tb_bc_leave(r);
}

static void
put_affine_map(bc_reader *r, bc_text *t)
{
    uint64_t both = tb_bc_varint(r);
    uint32_t kind = both & 3, n_dims = (uint32_t)(both >> 2), n_symbols = 0, n;

    if (both >> 2 > ML_MAX_DEPTH)
        tb_bc_fail(r, "an affine map with %" PRIu64 " dimensions", both >> 2);
    n = n_dims;
    if (kind == M_GENERAL)
        n_symbols = tb_bc_index(r, ML_MAX_RESULTS, "symbols of an affine map");
    if (kind == M_GENERAL || kind == M_PROJECTION)
        n = tb_bc_count(r, "results of an affine map");
    tb_bc_puts(r, t, "affine_map<(");
    put_letters(r, t, 'd', n_dims);
    tb_bc_puts(r, t, ")[");
    put_letters(r, t, 's', n_symbols);
    tb_bc_puts(r, t, "] -> (");
    for (uint32_t i = 0; i < n; i++) {
        put_comma(r, t, i);
        if (kind == M_GENERAL)
            put_affine(r, t);
        else if (kind == M_IDENTITY)
            put_letter(r, t, 'd', i);
        else
            put_letter(r, t, 'd', tb_bc_index(r, n_dims, "a dimension"));
    }
    tb_bc_puts(r, t, ")>");
}

static void
put_builtin_attr(bc_reader *r, bc_text *t)
{
    uint64_t code = tb_bc_varint(r);

    switch (code) {
    case A_ARRAY:
        put_list(r, t, "[", "]", put_attr);
        break;
    case A_DICTIONARY:
        put_list(r, t, "{", "}", put_named);
        break;
    case A_STRING:
        tb_bc_put_string(r, t, next_string(r));
        break;
    case A_STRING_WITH_TYPE:
        tb_bc_put_string(r, t, next_string(r));
        tb_bc_puts(r, t, " : ");
        put_type(r, t);
        break;
    case A_FLAT_SYMBOL:
        put_symbol_name(r, t);
        break;
    case A_SYMBOL: /* @a::@b: the last part is what the text's reader keeps */
        put_symbol_name(r, t);
        for (uint32_t n = tb_bc_count(r, "symbols"); n; n--) {
            tb_bc_puts(r, t, "::");
            put_attr(r, t);
        }
        break;
    case A_TYPE:
        put_type(r, t);
        break;
    case A_UNIT:
        tb_bc_puts(r, t, "unit");
        break;
    case A_INTEGER:
        put_integer(r, t);
        break;
    case A_FLOAT:
        put_float(r, t);
        break;
    case A_CALL_SITE:
    case A_FILE_LINE_COL:
    case A_FUSED:
    case A_FUSED_WITH_METADATA:
    case A_NAME_LOC:
    case A_UNKNOWN_LOC:
    case A_FILE_LINE_COL_RANGE:
        put_location(r, t, code);
        break;
    case A_DENSE_RESOURCE: {
        tb_str type = tb_bc_next_type(r);
        uint32_t k = tb_bc_index(r, r->f->n_resources, "a resource");

        tb_bc_puts(r, t, "dense_resource<");
        tb_bc_put_string(r, t, r->f->resources[k]);
        tb_bc_puts(r, t, "> : ");
        tb_bc_put(r, t, type);
        break;
    }
    case A_DENSE_ARRAY:
        put_array(r, t);
        break;
    case A_DENSE:
        put_elements(r, t);
        break;
    case A_AFFINE_MAP:
        put_affine_map(r, t);
        break;
    default:
        tb_bc_fail(r, "an attribute of the builtin dialect with code %" PRIu64
                      " is not supported", code);
    }
}

/* ---- types ---- */

static void
put_tensor(bc_reader *r, bc_text *t)
{
    uint32_t rank = tb_bc_count(r, "sizes");

    tb_bc_puts(r, t, "tensor<");
    for (uint32_t i = 0; i < rank; i++) {
        int64_t d = tb_bc_signed(r);

        if (d == INT64_MIN)
            tb_bc_puts(r, t, "?");
        else if (d < 0)
            tb_bc_fail(r, "a size of %" PRId64, d);
        else
            put_number(r, t, d);
        tb_bc_puts(r, t, "x");
    }
    put_type(r, t);
    tb_bc_puts(r, t, ">");
}

static void
put_integer_type(bc_reader *r, bc_text *t)
{
    static const char *const sign[] = {"i", "si", "ui"};
    uint64_t v = tb_bc_varint(r);

    if ((v & 3) > 2 || v >> 2 > 1 << 24)
        tb_bc_fail(r, "an integer type that is none");
    tb_bc_puts(r, t, sign[v & 3]);
    put_number(r, t, (int64_t)(v >> 2));
}

static void
put_builtin_type(bc_reader *r, bc_text *t)
{
    static const char *const names[] = {
        [T_INDEX] = "index", [T_BF16] = "bf16", [T_F16] = "f16",   [T_F32] = "f32",
        [T_F64] = "f64",     [T_F80] = "f80",   [T_F128] = "f128", [T_NONE] = "none"};
    uint64_t code = tb_bc_varint(r);

    if (code < TB_COUNT(names) && names[code]) {
        tb_bc_puts(r, t, names[code]);
        return;
    }
    switch (code) {
    case T_INTEGER:
        put_integer_type(r, t);
        break;
    case T_FUNCTION:
        put_list(r, t, "(", ")", put_type);
        put_list(r, t, " -> (", ")", put_type);
        break;
    case T_COMPLEX:
        tb_bc_puts(r, t, "complex<");
        put_type(r, t);
        tb_bc_puts(r, t, ">");
        break;
    case T_TENSOR_WITH_ENCODING: /* which does not change what is computed */
        tb_bc_next_attr(r);
        put_tensor(r, t);
        break;
    case T_TENSOR:
        put_tensor(r, t);
        break;
    case T_TUPLE:
        put_list(r, t, "tuple<", ">", put_type);
        break;
    case T_UNRANKED_TENSOR:
        tb_bc_puts(r, t, "tensor<*x");
        put_type(r, t);
        tb_bc_puts(r, t, ">");
        break;
    default:
        tb_bc_fail(r, "a type of the builtin dialect with code %" PRIu64
                      " is not supported", code);
    }
}

/* ---- entries ---- */

static tb_str
entry_text(bc_reader *r, bc_entry *e, const char *what,
           void (*builtin)(bc_reader *, bc_text *))
{
    bc_reader in = {.f = r->f, .at = e->at, .end = e->end};
    bc_text t = {0};

    if (e->text.ptr)
        return e->text;
    if (e->asked)
        tb_bc_fail(r, "%s that contains itself", what);
    e->asked = true;
    tb_bc_enter(r);
    if (!e->custom) {
        const uint8_t *nul = memchr(e->at, 0, (size_t)(e->end - e->at));

        if (!nul)
            tb_bc_fail(&in, "the text of %s has no end", what);
        e->text = (tb_str){(const char *)e->at, (size_t)(nul - e->at)};
    } else {
        tb_str d = r->f->dialects[e->dialect];

        if (!tb_str_is(d, "builtin"))
            tb_bc_fail(&in, "%s in an encoding of the dialect '%.*s', which is not known",
                       what, TB_FMT(d));
        builtin(&in, &t);
        e->text = t.n ? (tb_str){t.at, t.n} : TB_STR("");
    }
    tb_bc_leave(r);
    return e->text;
}

tb_str
tb_bc_attr(bc_reader *r, uint32_t index)
{
    return entry_text(r, &r->f->attrs[index], "an attribute", put_builtin_attr);
}

tb_str
tb_bc_type(bc_reader *r, uint32_t index)
{
    return entry_text(r, &r->f->types[index], "a type", put_builtin_type);
}

tb_str
tb_bc_next_attr(bc_reader *r)
{
    return tb_bc_attr(r, tb_bc_index(r, r->f->n_attrs, "an attribute"));
}

tb_str
tb_bc_next_type(bc_reader *r)
{
    return tb_bc_type(r, tb_bc_index(r, r->f->n_types, "a type"));
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print_const.c -- constants on the way out: dense<...> for few elements, blobs at the end
 * of the text for many and for those that have a name.
 */
#include <inttypes.h>
#include <math.h>

#include "mlir/print.h"

enum { INLINE_ELEMS = 16 };

static int64_t
count(const tb_const *c)
{
    int64_t n = 1;

    for (int i = 0; i < c->rank; i++)
        n *= c->dims[i];
    return n;
}

static bool
is_elided(const ml_printer *p, const tb_const *c)
{
    int64_t limit = p->o->large_elements_limit;

    return !c->external && count(c) && (!c->bytes || (limit >= 0 && count(c) > limit));
}

/* dense<...> of few elements has no name, and a blob cannot hold truth values or nothing. */
static bool
is_blob(const tb_const *c)
{
    return !c->external && c->bytes && count(c) > (c->name.len ? 1 : INLINE_ELEMS);
}

static bool
taken(const ml_printer *p, tb_str name)
{
    for (uint32_t i = 0; i < p->blob_names.n; i++)
        if (tb_str_eq(p->blob_names.at[i], name))
            return true;
    return false;
}

void
tb_ml_name_blobs(ml_printer *p)
{
    tb_arena *a = &p->cx->scratch;

    for (uint32_t i = 0; i < p->u->consts.n; i++) {
        const tb_const *c = &p->u->consts.at[i];
        tb_str name = c->name, base;

        if (!is_blob(c) || is_elided(p, c)) {
            TB_PUSH(a, &p->blob_names, TB_STR(""));
            continue;
        }
        if (!name.len)
            name = tb_sprintf(a, "_anonymous_%u", i);
        base = name;
        for (int n = 2; taken(p, name); n++)
            name = tb_sprintf(a, "%.*s_%d", TB_FMT(base), n);
        TB_PUSH(a, &p->blob_names, name);
    }
}

/* ---- elements ---- */

static const uint8_t *
element(const tb_const *c, int64_t i)
{
    return (const uint8_t *)c->bytes + (size_t)i * tb_dtype_bytes(c->dtype);
}

/* NaN and the infinities as their bits, which are as wide as the type. */
static void
put_real(ml_printer *p, tb_dtype t, const uint8_t *at)
{
    double d;
    float f;
    uint16_t h;

    if (t == TB_F64 || t == TB_C128) {
        uint64_t bits;

        memcpy(&d, at, sizeof d);
        memcpy(&bits, at, sizeof bits);
        if (isfinite(d))
            tb_ml_put_float(p, d);
        else
            ML_PUT(p, "0x%016" PRIX64, bits);
    } else if (t == TB_F32 || t == TB_C64) {
        uint32_t bits;

        memcpy(&f, at, sizeof f);
        memcpy(&bits, at, sizeof bits);
        if (isfinite(f))
            tb_ml_put_float(p, (double)f);
        else
            ML_PUT(p, "0x%08" PRIX32, bits);
    } else {
        memcpy(&h, at, sizeof h);
        f = t == TB_F16 ? tb_f16_to_f32(h) : tb_bf16_to_f32(h);
        if (isfinite(f))
            tb_ml_put_float(p, (double)f);
        else
            ML_PUT(p, "0x%04X", (unsigned)h);
    }
}

static void
put_whole(ml_printer *p, tb_dtype t, const uint8_t *at)
{
    uint64_t v = 0;
    size_t n = tb_dtype_bytes(t);

    memcpy(&v, at, n);
    if (t == TB_BOOL)
        ML_PUT(p, v ? "true" : "false");
    else if (tb_dtype_kind(t) == TB_KIND_UINT)
        ML_PUT(p, "%" PRIu64, v);
    else
        ML_PUT(p, "%" PRId64, (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n));
}

static void
put_element(ml_printer *p, tb_dtype t, const uint8_t *at)
{
    if (tb_dtype_is_complex(t)) {
        ML_PUT(p, "(");
        put_real(p, t, at);
        ML_PUT(p, ",");
        put_real(p, t, at + tb_dtype_bytes(t) / 2);
        ML_PUT(p, ")");
    } else if (tb_dtype_is_float(t)) {
        put_real(p, t, at);
    } else {
        put_whole(p, t, at);
    }
}

static int64_t
put_list(ml_printer *p, const tb_const *c, int axis, int64_t at)
{
    if (axis == c->rank) {
        put_element(p, c->dtype, element(c, at));
        return at + 1;
    }
    ML_PUT(p, "[");
    for (int64_t i = 0; i < c->dims[axis]; i++) {
        ML_PUT(p, i ? ", " : "");
        at = put_list(p, c, axis + 1, at);
    }
    ML_PUT(p, "]");
    return at;
}

/* ---- attributes ---- */

static void
put_type(ml_printer *p, const tb_const *c, bool builtin)
{
    ML_PUT(p, " : ");
    tb_ml_put_tensor_type(p, c->dtype, c->rank, c->dims, builtin);
}

void
tb_ml_put_elements(ml_printer *p, uint32_t index, bool builtin)
{
    const tb_const *c = &p->u->consts.at[index];
    tb_str blob = p->blob_names.at[index];

    if (blob.len) {
        ML_PUT(p, "dense_resource<");
        if (tb_ml_is_bare(blob))
            ML_PUT(p, "%.*s", TB_FMT(blob));
        else
            tb_ml_put_string(p, blob);
        ML_PUT(p, ">");
    } else if (is_elided(p, c)) {
        ML_PUT(p, "dense_resource<__elided__>");
    } else {
        ML_PUT(p, "dense<");
        if (count(c))
            put_list(p, c, 0, 0);
        ML_PUT(p, ">");
    }
    put_type(p, c, builtin);
}

/* Word: as in a `full` node, bits of a double or an integer. */
void
tb_ml_put_splat(ml_printer *p, tb_dtype t, int rank, const int64_t *dims, int64_t word,
                bool builtin)
{
    double d;

    memcpy(&d, &word, sizeof d);
    ML_PUT(p, "dense<");
    if (t == TB_BOOL) {
        ML_PUT(p, word ? "true" : "false");
    } else if (!tb_dtype_is_float(t)) {
        put_whole(p, t, (const uint8_t *)&word);
    } else {
        float f = (float)d;
        uint16_t h = t == TB_F16 ? tb_f32_to_f16(f) : tb_f32_to_bf16(f);

        put_real(p, t,
                 t == TB_F64   ? (const uint8_t *)&d
                 : t == TB_F32 ? (const uint8_t *)&f
                               : (const uint8_t *)&h);
    }
    ML_PUT(p, "> : ");
    tb_ml_put_tensor_type(p, t, rank, dims, builtin);
}

/* Truth values in a blob go as bytes and are converted, as importers do it. */
void
tb_ml_put_const(ml_printer *p, tb_str name, uint32_t index)
{
    const tb_const *c = &p->u->consts.at[index];
    bool as_bytes = c->dtype == TB_BOOL && p->blob_names.at[index].len > 0;
    tb_str literal = as_bytes ? tb_ml_name(p, TB_STR("")) : name, type;
    tb_dtype t = as_bytes ? TB_U8 : c->dtype;

    if (c->external) {
        tb_str loaded = tb_ml_name(p, TB_STR(""));

        ML_PUT(p, "    %%%.*s = util.global.load ", TB_FMT(loaded));
        tb_ml_put_symbol(p, p->external_names.at[index]);
        ML_PUT(p, " : ");
        tb_ml_put_tensor_type(p, c->dtype, c->rank, c->dims, true);
        tb_ml_end(p);
        ML_PUT(p, "    %%%.*s = torch_c.from_builtin_tensor %%%.*s : ", TB_FMT(name),
               TB_FMT(loaded));
        tb_ml_put_tensor_type(p, c->dtype, c->rank, c->dims, true);
        ML_PUT(p, " -> ");
        tb_ml_put_type(p, c->dtype, c->rank, c->dims);
        tb_ml_end(p);
        return;
    }
    ML_PUT(p, "    %%%.*s = torch.vtensor.literal(", TB_FMT(literal));
    if (as_bytes) {
        tb_str blob = p->blob_names.at[index];

        ML_PUT(p, "dense_resource<");
        if (tb_ml_is_bare(blob))
            ML_PUT(p, "%.*s", TB_FMT(blob));
        else
            tb_ml_put_string(p, blob);
        ML_PUT(p, "> : ");
        tb_ml_put_tensor_type(p, t, c->rank, c->dims, false);
    } else {
        tb_ml_put_elements(p, index, false);
    }
    ML_PUT(p, ") : ");
    tb_ml_put_type(p, t, c->rank, c->dims);
    tb_ml_end(p);
    if (!as_bytes)
        return;
    type = tb_ml_int_value(p, tb_dtype_to_torch(TB_BOOL));
    ML_PUT(p, "    %%%.*s = torch.prims.convert_element_type %%%.*s, %%%.*s : ",
           TB_FMT(name), TB_FMT(literal), TB_FMT(type));
    tb_ml_put_type(p, t, c->rank, c->dims);
    ML_PUT(p, ", !torch.int -> ");
    tb_ml_put_type(p, c->dtype, c->rank, c->dims);
    tb_ml_end(p);
}

/* ---- blobs ---- */

static void
put_hex(ml_printer *p, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    char room[4096];
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        room[used++] = digits[bytes[i] >> 4];
        room[used++] = digits[bytes[i] & 15];
        if (used == sizeof room || i + 1 == n) {
            tb_buf_put(p->out, room, used);
            used = 0;
        }
    }
}

void
tb_ml_put_blobs(ml_printer *p)
{
    bool any = false;

    for (uint32_t i = 0; i < p->blob_names.n; i++) {
        const tb_const *c = &p->u->consts.at[i];
        tb_str name = p->blob_names.at[i];
        size_t align = tb_dtype_bytes(c->dtype);

        if (!name.len)
            continue;
        ML_PUT(p, any ? ",\n      "
                      : "\n{-#\n  dialect_resources: {\n    builtin: {\n      ");
        any = true;
        if (tb_ml_is_bare(name))
            ML_PUT(p, "%.*s", TB_FMT(name));
        else
            tb_ml_put_string(p, name);
        if (tb_dtype_is_complex(c->dtype))
            align /= 2;
        ML_PUT(p, ": \"0x%02X000000", (unsigned)align);
        put_hex(p, c->bytes, c->n_bytes);
        ML_PUT(p, "\"");
    }
    if (any)
        ML_PUT(p, "\n    }\n  }\n#-}\n");
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * view.c -- buffers with a shape and a type of elements.
 *
 * A type is a number: bits of an element in the low byte, what they mean in the high one. Types
 * are compared as IREE does: one that means nothing fits any, integers of one width fit
 * each other.
 */
#include "hal/internal.h"
#include "runtime/runtime_internal.h"

enum { TYPE_INTEGER = 0x10 }; /* a bit of the meaning */

static void
destroy(tb_vm_object *o)
{
    tb_hal_view *v = (tb_hal_view *)o;

    tb_vm_release(&v->buffer->base);
    tb_heap_free(v);
}

const tb_vm_type tb_hal_view_type = {"hal.buffer_view", destroy};

/* ---- types ---- */
static const struct {
    uint32_t type;
    uint8_t dtype;
} types[] = {
    {0x21000020, TB_F32},  {0x21000040, TB_F64}, {0x21000010, TB_F16}, {0x22000010, TB_BF16},
    {0x10000008, TB_I8},   {0x10000010, TB_I16}, {0x10000020, TB_I32}, {0x10000040, TB_I64},
    {0x11000008, TB_I8},   {0x11000010, TB_I16}, {0x11000020, TB_I32}, {0x11000040, TB_I64},
    {0x12000008, TB_U8},   {0x12000010, TB_U16}, {0x12000020, TB_U32}, {0x12000040, TB_U64},
    {0x13000008, TB_BOOL}, {0x23000040, TB_C64}, {0x23000080, TB_C128},
};

uint32_t
tb_hal_element_type(tb_dtype t)
{
    for (size_t i = 0; i < TB_COUNT(types); i++)
        if (types[i].dtype == t)
            return types[i].type;
    return 0;
}

tb_dtype
tb_hal_element_dtype(uint32_t type)
{
    for (size_t i = 0; i < TB_COUNT(types); i++)
        if (types[i].type == type)
            return (tb_dtype)types[i].dtype;
    return TB_NONE;
}

static uint32_t
meaning(uint32_t type)
{
    return type >> 24;
}

static uint32_t
bits(uint32_t type)
{
    return type & 0xff;
}

static bool
fits(uint32_t actual, uint32_t expected)
{
    if (meaning(actual) == 0)
        return true;
    if (meaning(actual) & TYPE_INTEGER && meaning(expected) & TYPE_INTEGER)
        return bits(actual) == bits(expected);
    return actual == expected;
}

const char *
tb_hal_type_text(char out[TB_HAL_TYPE_TEXT], uint32_t type)
{
    static const struct {
        uint8_t meaning;
        const char *text;
    } names[] = {{0x10, "i"}, {0x11, "si"}, {0x12, "ui"}, {0x21, "f"}, {0x22, "bf"},
                 {0x23, "complex<"}};
    const char *name = "*";

    if (type == 0x13000008)
        return "i1";
    for (size_t i = 0; i < TB_COUNT(names); i++)
        if (names[i].meaning == meaning(type))
            name = names[i].text;
    if (meaning(type) == 0x23)
        snprintf(out, TB_HAL_TYPE_TEXT, "complex<f%u>", bits(type) / 2);
    else
        snprintf(out, TB_HAL_TYPE_TEXT, "%s%u", name, bits(type));
    return out;
}

/* "2x4" into out; returns out. */
enum { SHAPE_TEXT = 128 };
static const char *
shape_text(char out[SHAPE_TEXT], uint32_t rank, const int64_t *dims)
{
    size_t n = 0;

    out[0] = 0;
    for (uint32_t i = 0; i < rank && n < SHAPE_TEXT - 24; i++)
        n += (size_t)snprintf(out + n, SHAPE_TEXT - n, "%s%lld", i ? "x" : "",
                              (long long)dims[i]);
    return out;
}

/* ---- making ---- */
tb_status
tb_hal_view_create(tb_hal_buffer *buffer, uint32_t type, uint32_t encoding, uint32_t rank,
                   const int64_t *dims, tb_hal_view **out)
{
    if (rank > 128)
        return tb_status_make(TB_INVALID_ARGUMENT, "a shape of rank %u", rank);
    int64_t n = bits(type);
    char shape[SHAPE_TEXT];
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] < 0 || !tb_mul_ok(n, dims[i], &n))
            return tb_status_make(TB_INVALID_ARGUMENT, "no tensor has the shape %s",
                                  shape_text(shape, rank, dims));
    if (encoding == TB_HAL_DENSE && (uint64_t)n / 8 + (n % 8 != 0) > buffer->bytes)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "a buffer of %llu bytes is too small for the shape %s",
                              (unsigned long long)buffer->bytes, shape_text(shape, rank, dims));
    tb_hal_view *v = tb_heap(1, sizeof *v + rank * sizeof *dims);
    if (!v)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a view");
    tb_vm_object_init(&v->base, &tb_hal_view_type);
    tb_vm_retain(&buffer->base);
    v->buffer = buffer;
    v->type = type;
    v->encoding = encoding;
    v->rank = rank;
    if (rank)
        memcpy(v->dims, dims, rank * sizeof *dims);
    *out = v;
    return NULL;
}

tb_status
tb_hal_view_from_tensor(const tb_tensor *t, tb_hal_view **out)
{
    uint32_t type = tb_hal_element_type(t->dtype);
    tb_hal_buffer *b;
    size_t n;

    if (type == 0)
        return tb_status_make(TB_UNSUPPORTED, "modules of IREE have no elements of type %s",
                              tb_dtype_name(t->dtype));
    if (t->rank < 0 || t->rank > TB_MAX_RANK || !tb_type_bytes(t->dtype, t->rank, t->dims, &n) ||
        n > t->bytes)
        return tb_status_make(TB_INVALID_ARGUMENT, "a tensor's data is too short for its shape");
    TRY(tb_hal_buffer_create(n, TB_HAL_USAGE_ALL, &b));
    if (n)
        memcpy(b->data, t->data, n);
    tb_status st = tb_hal_view_create(b, type, TB_HAL_DENSE, (uint32_t)t->rank, t->dims, out);
    tb_vm_release(&b->base);
    return st;
}

static void
release_tensor(tb_tensor *t)
{
    tb_vm_release(t->owner.user);
}

tb_status
tb_hal_view_tensor(tb_hal_view *v, tb_tensor *out)
{
    tb_dtype dtype = tb_hal_element_dtype(v->type);

    if (dtype == TB_NONE || v->encoding != TB_HAL_DENSE || v->rank > TB_MAX_RANK)
        return tb_status_make(TB_UNSUPPORTED,
                              "a result of type %08X, encoding %u and rank %u, which no tensor "
                              "here has",
                              v->type, v->encoding, v->rank);
    *out = (tb_tensor){.data = v->buffer->data,
                       .bytes = v->buffer->bytes,
                       .dtype = dtype,
                       .rank = (int32_t)v->rank,
                       .release = release_tensor,
                       .owner.user = tb_vm_retain(&v->base)};
    memcpy(out->dims, v->dims, v->rank * sizeof *v->dims);
    return NULL;
}

/* ---- imports ---- */
static tb_status
arg(const tb_vm_call *c, tb_hal_view **out)
{
    return tb_vm_arg(c, 0, &tb_hal_view_type, "buffer view", false, out);
}

/* (view, message, type, encoding, [dim]) */
tb_status
tb_hal_import_view_assert(void *self, const tb_vm_call *c)
{
    tb_hal_view *v;
    tb_vm_buffer *message;
    uint32_t type = (uint32_t)c->args[2].i32, encoding = (uint32_t)c->args[3].i32;
    uint32_t rank = c->args[4].list.n;
    const tb_vm_value *dims = c->args[4].list.at;
    char a[TB_HAL_TYPE_TEXT], b[TB_HAL_TYPE_TEXT], expected[SHAPE_TEXT], actual[SHAPE_TEXT];
    int64_t want[TB_MAX_RANK] = {0};

    (void)self;
    TRY(arg(c, &v));
    TRY(tb_vm_arg(c, 1, &tb_vm_buffer_type, "message", false, &message));
    tb_str what = tb_hal_text(message);
    if (v->encoding != 0 && v->encoding != encoding)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%.*s encoding mismatch; expected %08X but have %08X",
                              TB_FMT(what), encoding, v->encoding);
    if (!fits(v->type, type))
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%.*s element type mismatch; expected %s (%08X) but have %s (%08X)",
                              TB_FMT(what), tb_hal_type_text(a, type), type,
                              tb_hal_type_text(b, v->type), v->type);
    for (uint32_t i = 0; i < rank && i < TB_MAX_RANK; i++)
        want[i] = dims[i].i64;
    shape_text(expected, rank < TB_MAX_RANK ? rank : TB_MAX_RANK, want);
    shape_text(actual, v->rank, v->dims);
    if (v->rank != rank)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%.*s shape rank mismatch; expected %u%s but have %u%s; expected "
                              "shape `%s`, actual shape `%s`",
                              TB_FMT(what), rank, rank ? "" : " (scalar)", v->rank,
                              v->rank ? "" : " (scalar)", expected, actual);
    for (uint32_t i = 0; i < rank; i++)
        if (v->dims[i] != dims[i].i64)
            return tb_status_make(TB_INVALID_ARGUMENT,
                                  "%.*s shape dimension %u mismatch; expected %lld but have "
                                  "%lld; expected shape `%s`, actual shape `%s`",
                                  TB_FMT(what), i, (long long)dims[i].i64,
                                  (long long)v->dims[i], expected, actual);
    return NULL;
}

tb_status
tb_hal_import_view_buffer(void *self, const tb_vm_call *c)
{
    tb_hal_view *v;

    (void)self;
    TRY(arg(c, &v));
    c->results[0].ref = tb_vm_retain(&v->buffer->base);
    return NULL;
}

/* (buffer, offset, bytes, type, encoding, [dim]) */
tb_status
tb_hal_import_view_create(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *whole, *part;
    tb_hal_view *v;
    int64_t offset = c->args[1].i64, bytes = c->args[2].i64, dims[128];
    uint32_t rank = c->args[5].list.n;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_buffer_type, "buffer", false, &whole));
    if (rank > TB_COUNT(dims))
        return tb_status_make(TB_INVALID_ARGUMENT, "a shape of rank %u", rank);
    if (!tb_hal_in_range(whole->bytes, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE,
                              "a view of %lld bytes at %lld of a buffer of %llu",
                              (long long)c->args[2].i64, (long long)c->args[1].i64,
                              (unsigned long long)whole->bytes);
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = c->args[5].list.at[i].i64;
    TRY(tb_hal_buffer_part(whole, (uint64_t)offset, (uint64_t)bytes, &part));
    tb_status st = tb_hal_view_create(part, (uint32_t)c->args[3].i32, (uint32_t)c->args[4].i32,
                                      rank, dims, &v);
    tb_vm_release(&part->base);
    if (!st)
        c->results[0].ref = &v->base;
    return st;
}

tb_status
tb_hal_import_view_dim(void *self, const tb_vm_call *c)
{
    tb_hal_view *v;

    (void)self;
    TRY(arg(c, &v));
    if (c->args[1].i32 < 0 || (uint32_t)c->args[1].i32 >= v->rank)
        return tb_status_make(TB_OUT_OF_RANGE, "there is no dimension %d of %u",
                              (int)c->args[1].i32, v->rank);
    c->results[0].i64 = v->dims[c->args[1].i32];
    return NULL;
}

tb_status
tb_hal_import_view_type(void *self, const tb_vm_call *c)
{
    tb_hal_view *v;

    (void)self;
    TRY(arg(c, &v));
    c->results[0].i32 = (int32_t)v->type;
    return NULL;
}

tb_status
tb_hal_import_view_encoding(void *self, const tb_vm_call *c)
{
    tb_hal_view *v;

    (void)self;
    TRY(arg(c, &v));
    c->results[0].i32 = (int32_t)v->encoding;
    return NULL;
}

tb_status
tb_hal_import_view_rank(void *self, const tb_vm_call *c)
{
    tb_hal_view *v;

    (void)self;
    TRY(arg(c, &v));
    c->results[0].i32 = (int32_t)v->rank;
    return NULL;
}

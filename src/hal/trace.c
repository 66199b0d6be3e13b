/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* trace.c -- views as text, as IREE prints them: 2x3xf32=[1 2 3][4 5 6]. */
#include "hal/internal.h"

/* The value of an element as text; bytes in hexadecimal where they mean nothing here. */
static void
put_element(tb_buf *out, tb_dtype type, const uint8_t *at, uint32_t bytes)
{
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        float f32;
        double f64;
    } v = {0};

    memcpy(&v, at, bytes < sizeof v ? bytes : sizeof v);
    switch (type) {
    case TB_I8:
        tb_buf_printf(out, "%d", v.i8);
        return;
    case TB_I16:
        tb_buf_printf(out, "%d", v.i16);
        return;
    case TB_I32:
        tb_buf_printf(out, "%d", (int)v.i32);
        return;
    case TB_I64:
        tb_buf_printf(out, "%lld", (long long)v.i64);
        return;
    case TB_U8:
        tb_buf_printf(out, "%u", *at);
        return;
    case TB_U16:
        tb_buf_printf(out, "%u", v.u16);
        return;
    case TB_U32:
        tb_buf_printf(out, "%u", (unsigned)v.u32);
        return;
    case TB_U64:
        tb_buf_printf(out, "%llu", (unsigned long long)v.u64);
        return;
    case TB_F16:
        tb_buf_printf(out, "%G", (double)tb_f16_to_f32(v.u16));
        return;
    case TB_BF16:
        tb_buf_printf(out, "%G", (double)tb_bf16_to_f32(v.u16));
        return;
    case TB_F32:
        tb_buf_printf(out, "%G", (double)v.f32);
        return;
    case TB_F64:
        tb_buf_printf(out, "%G", v.f64);
        return;
    default:
        for (uint32_t i = 0; i < bytes; i++)
            tb_buf_printf(out, "%02X", at[i]);
    }
}

/* Axes from `axis` on: rows in brackets, numbers between blanks. */
static const uint8_t *
put_axis(tb_buf *out, const tb_hal_view *v, uint32_t axis, const uint8_t *at, uint32_t bytes)
{
    bool last = axis + 1 >= v->rank;

    for (int64_t i = 0; i < (axis < v->rank ? v->dims[axis] : 1); i++) {
        if (last) {
            tb_buf_puts(out, i ? " " : "");
            put_element(out, tb_hal_element_dtype(v->type), at, bytes);
            at += bytes;
            continue;
        }
        tb_buf_puts(out, "[");
        at = put_axis(out, v, axis + 1, at, bytes);
        tb_buf_puts(out, "]");
    }
    return at;
}

static bool
is_empty(const tb_hal_view *v)
{
    for (uint32_t i = 0; i < v->rank; i++)
        if (v->dims[i] == 0)
            return true;
    return false;
}

static void
put_view(tb_buf *out, const tb_hal_view *v)
{
    char type[TB_HAL_TYPE_TEXT];

    for (uint32_t i = 0; i < v->rank; i++)
        tb_buf_printf(out, "%lldx", (long long)v->dims[i]);
    tb_buf_printf(out, "%s=", tb_hal_type_text(type, v->type));
    /* Elements of whole bytes, of which there are enough (tb_hal_view_create). */
    if (v->encoding == TB_HAL_DENSE && (v->type & 7) == 0 && !is_empty(v))
        put_axis(out, v, 0, v->buffer->data, (v->type & 0xff) / 8);
    tb_buf_puts(out, "\n");
}

/* (key, [view]) */
tb_status
tb_hal_import_view_trace(void *self, const tb_vm_call *c)
{
    tb_vm_buffer *key;
    tb_buf out = {0};

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_vm_buffer_type, "key", false, &key));
    tb_buf_printf(&out, "=== %.*s ===\n", TB_FMT(tb_hal_text(key)));
    for (uint32_t i = 0; i < c->args[1].list.n; i++) {
        const tb_hal_view *v = tb_vm_cast(c->args[1].list.at[i].ref, &tb_hal_view_type);
        if (v)
            put_view(&out, v);
    }
    tb_buf_puts(&out, "\n");
    bool failed = out.failed;
    if (!failed)
        fwrite(out.at, 1, out.n, stderr);
    tb_buf_free(&out);
    return failed ? tb_status_make(TB_OUT_OF_MEMORY, "no memory for the text of tensors") : NULL;
}

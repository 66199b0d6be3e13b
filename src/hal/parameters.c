/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * parameters.c -- `io_parameters`: tensors by scope and name from the device's set (tb_params).
 *
 * Names come as a table of (u32 offset, u32 length) in a text, what is wanted of each as (u64
 * offset in the parameter, u64 offset in the buffer, u64 length).
 */
#include "artifact/layout.h"
#include "hal/internal.h"
#include "runtime/runtime_internal.h"

enum { NAME_BYTES = 8, SPAN_BYTES = 24 };

typedef struct request {
    const tb_params *params;
    char *scope;
    const tb_vm_buffer *names, *text, *spans;
    uint32_t n;
} request;

typedef struct span {
    const uint8_t *from;
    uint64_t target, bytes;
} span;

static char *
copy_text(tb_str s)
{
    char *copy = tb_heap(s.len + 1, 1);
    if (copy && s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

/* Scope in argument `scope`, tables in three from `tables` on. */
static tb_status
open_request(tb_hal *h, const tb_vm_call *c, uint32_t scope, uint32_t tables, request *r)
{
    tb_vm_buffer *text, *table[3];

    TRY(tb_vm_arg(c, scope, &tb_vm_buffer_type, "scope", true, &text));
    for (uint32_t i = 0; i < 3; i++)
        TRY(tb_vm_arg(c, tables + i, &tb_vm_buffer_type, "table of parameters", false,
                      &table[i]));
    uint64_t n = table[2]->bytes / SPAN_BYTES;
    if (table[2]->bytes % SPAN_BYTES != 0 || n > UINT32_MAX ||
        table[0]->bytes / NAME_BYTES < n)
        return tb_status_make(TB_INVALID_ARGUMENT, "tables of parameters do not fit together");
    *r = (request){h->params, copy_text(tb_hal_text(text)), table[0], table[1], table[2],
                   (uint32_t)n};
    return r->scope ? NULL : tb_status_make(TB_OUT_OF_MEMORY, "no memory for a name");
}

/* Where span i comes from. */
static tb_status
find(const request *r, uint32_t i, span *out)
{
    const uint8_t *name = r->names->data + (size_t)NAME_BYTES * i;
    const uint8_t *at = r->spans->data + (size_t)SPAN_BYTES * i;
    uint64_t off = tb_get32(name), len = tb_get32(name + 4), offset = tb_get64(at), bytes;

    if (off > r->text->bytes || len > r->text->bytes - off)
        return tb_status_make(TB_OUT_OF_RANGE, "the name of a parameter is not there");
    char *key = copy_text((tb_str){(const char *)r->text->data + off, len});
    if (!key)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a name");
    *out = (span){.target = tb_get64(at + 8), .bytes = tb_get64(at + 16)};
    tb_status st = tb_params_find(r->params, r->scope, key, &out->from, &bytes);
    if (!st && (offset > bytes || out->bytes > bytes - offset))
        st = tb_status_make(TB_OUT_OF_RANGE,
                            "parameter '%s' of scope '%s' has %llu bytes; wanted are %llu at %llu",
                            key, r->scope, (unsigned long long)bytes,
                            (unsigned long long)out->bytes, (unsigned long long)offset);
    tb_heap_free(key);
    if (!st)
        out->from += offset;
    return st;
}

/* A buffer of one span: the parameter itself where it may be, else a copy. */
static tb_status
load_one(tb_hal *h, const span *s, uint32_t usage, tb_hal_buffer **out)
{
    if (usage & TB_HAL_USAGE_IMMUTABLE && (uintptr_t)s->from % TB_DATA_ALIGN == 0)
        return tb_hal_buffer_wrap(s->from, s->bytes, false, usage, &h->base, out);
    TRY(tb_hal_buffer_create(s->bytes, usage, out));
    if (s->bytes)
        memcpy((*out)->data, s->from, s->bytes);
    return NULL;
}

/* (device, affinity, wait, signal, scope, affinity, memory, usage, names, text, spans): a
 * list of buffers */
static tb_status
load(tb_hal *h, const tb_vm_call *c)
{
    request r = {0};
    tb_status st = open_request(h, c, 4, 8, &r);
    tb_vm_list *list = st ? NULL : tb_vm_list_create(TB_VM_OBJECT, &tb_hal_buffer_type);

    if (!st && !list)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory for a list of parameters");
    for (uint32_t i = 0; i < r.n && !st; i++) {
        tb_hal_buffer *b;
        span s;
        st = find(&r, i, &s);
        if (!st)
            st = load_one(h, &s, (uint32_t)c->args[7].i32, &b);
        if (st)
            break;
        st = tb_vm_list_push(list, TB_VM_OBJECT, (tb_vm_value){.ref = &b->base});
        tb_vm_release(&b->base);
    }
    tb_heap_free(r.scope);
    if (st)
        tb_vm_release(list ? &list->base : NULL);
    else
        c->results[0].ref = &list->base;
    return st;
}

/* (device, affinity, wait, signal, scope, buffer, names, text, spans) */
static tb_status
gather(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_buffer *b;
    request r = {0};

    TRY(tb_vm_arg(c, 5, &tb_hal_buffer_type, "buffer", false, &b));
    if (!(b->access & TB_HAL_ACCESS_WRITE))
        return tb_status_make(TB_INVALID_ARGUMENT, "parameters would be read into constants");
    tb_status st = open_request(h, c, 4, 6, &r);
    for (uint32_t i = 0; i < r.n && !st; i++) {
        span s;
        st = find(&r, i, &s);
        if (!st && (s.target > b->bytes || s.bytes > b->bytes - s.target))
            st = tb_status_make(TB_OUT_OF_RANGE,
                                "%llu bytes of a parameter do not fit at %llu into a buffer of "
                                "%llu",
                                (unsigned long long)s.bytes, (unsigned long long)s.target,
                                (unsigned long long)b->bytes);
        if (!st && s.bytes)
            memcpy(b->data + s.target, s.from, s.bytes);
    }
    tb_heap_free(r.scope);
    return st;
}

tb_status
tb_hal_import_load(void *self, const tb_vm_call *c)
{
    return tb_hal_submit(self, TB_VM_PARAM_LOAD, c, load, NULL);
}

tb_status
tb_hal_import_gather(void *self, const tb_vm_call *c)
{
    return tb_hal_submit(self, TB_VM_PARAM_GATHER, c, NULL, gather);
}

tb_status
tb_hal_import_scatter(void *self, const tb_vm_call *c)
{
    (void)self;
    (void)c;
    return tb_status_make(TB_UNSUPPORTED, "parameters are read here, not written "
                                          "(io_parameters.scatter)");
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * buffer.c -- memory of the device, which is the host's: what is loaded and stored is seen at
 * once. A part of a buffer keeps the whole of it.
 */
#include <stdlib.h>

#include "hal/internal.h"

/* ---- life ---- */
static void
destroy(tb_vm_object *o)
{
    tb_hal_buffer *b = (tb_hal_buffer *)o;

    if (b->whole != b)
        tb_vm_release(&b->whole->base);
    else if (b->owner)
        tb_vm_release(b->owner);
    else
        free(b->data);
    tb_heap_free(b);
}

const tb_vm_type tb_hal_buffer_type = {"hal.buffer", destroy};

static tb_hal_buffer *
new_buffer(uint8_t *data, uint64_t bytes, uint32_t usage, uint32_t access)
{
    tb_hal_buffer *b = tb_heap(1, sizeof *b);

    if (!b)
        return NULL;
    tb_vm_object_init(&b->base, &tb_hal_buffer_type);
    b->data = data;
    b->bytes = bytes;
    b->memory = TB_HAL_MEMORY;
    b->usage = usage;
    b->access = access;
    b->whole = b;
    atomic_init(&b->preserved, 1);
    return b;
}

static tb_status
no_memory(uint64_t bytes)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a buffer of %llu bytes",
                          (unsigned long long)bytes);
}

tb_status
tb_hal_buffer_create(uint64_t bytes, uint32_t usage, tb_hal_buffer **out)
{
    void *data = NULL;

    if (bytes > PTRDIFF_MAX - TB_DATA_ALIGN ||
        posix_memalign(&data, TB_DATA_ALIGN, bytes ? bytes : 1) != 0)
        return no_memory(bytes);
    *out = new_buffer(data, bytes, usage, TB_HAL_ACCESS_ALL);
    if (*out)
        return NULL;
    free(data);
    return no_memory(bytes);
}

tb_status
tb_hal_buffer_wrap(const void *data, uint64_t bytes, bool writable, uint32_t usage,
                   tb_vm_object *owner, tb_hal_buffer **out)
{
    *out = new_buffer((uint8_t *)(uintptr_t)data, bytes, usage,
                      writable ? TB_HAL_ACCESS_ALL : TB_HAL_ACCESS_READ);
    if (!*out)
        return no_memory(bytes);
    (*out)->owner = tb_vm_retain(owner);
    return NULL;
}

bool
tb_hal_in_range(uint64_t n, int64_t *offset, int64_t *bytes)
{
    if (*offset < 0 || (uint64_t)*offset > n || *bytes < -1)
        return false;
    if (*bytes == -1)
        *bytes = (int64_t)(n - (uint64_t)*offset);
    return (uint64_t)*bytes <= n - (uint64_t)*offset;
}

tb_status
tb_hal_range(const tb_hal_buffer *b, int64_t offset, int64_t bytes, uint8_t **at, uint64_t *n)
{
    int64_t from = offset, size = bytes;

    if (!tb_hal_in_range(b->bytes, &from, &size))
        return tb_status_make(TB_OUT_OF_RANGE,
                              "attempted to access an address outside of the valid buffer range "
                              "(offset=%lld, length=%lld, buffer byte_length=%llu)",
                              (long long)offset, (long long)bytes,
                              (unsigned long long)b->bytes);
    *at = b->data + from;
    *n = (uint64_t)size;
    return NULL;
}

tb_status
tb_hal_buffer_part(tb_hal_buffer *b, uint64_t offset, uint64_t bytes, tb_hal_buffer **out)
{
    uint8_t *at;
    uint64_t n;

    if (offset > INT64_MAX || bytes > INT64_MAX)
        return tb_status_make(TB_OUT_OF_RANGE, "a part of a buffer lies outside of it");
    TRY(tb_hal_range(b, (int64_t)offset, (int64_t)bytes, &at, &n));
    if (offset == 0 && n == b->bytes) {
        *out = (tb_hal_buffer *)tb_vm_retain(&b->base);
        return NULL;
    }
    *out = new_buffer(at, n, b->usage, b->access);
    if (!*out)
        return no_memory(n);
    (*out)->whole = (tb_hal_buffer *)tb_vm_retain(&b->whole->base);
    return NULL;
}

static tb_status
arg(const tb_vm_call *c, uint32_t i, tb_hal_buffer **out)
{
    return tb_vm_arg(c, i, &tb_hal_buffer_type, "buffer", false, out);
}

/* ---- allocators: (allocator, ...) ---- */
tb_status
tb_hal_import_allocate(void *self, const tb_vm_call *c)
{
    tb_vm_object *allocator;
    tb_hal_buffer *b;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_allocator_type, "allocator", false, &allocator));
    if (c->args[4].i64 < 0)
        return tb_status_make(TB_INVALID_ARGUMENT, "a buffer of %lld bytes",
                              (long long)c->args[4].i64);
    TRY(tb_hal_buffer_create((uint64_t)c->args[4].i64, (uint32_t)c->args[3].i32, &b));
    c->results[0].ref = &b->base;
    return NULL;
}

/* (allocator, try, affinity, memory, usage, source, offset, bytes) */
tb_status
tb_hal_import_import(void *self, const tb_vm_call *c)
{
    tb_vm_object *allocator;
    tb_vm_buffer *source;
    tb_hal_buffer *b;
    int64_t offset = c->args[6].i64, bytes = c->args[7].i64;
    uint32_t usage = (uint32_t)c->args[4].i32;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_allocator_type, "allocator", false, &allocator));
    TRY(tb_vm_arg(c, 5, &tb_vm_buffer_type, "source", false, &source));
    if (!tb_hal_in_range(source->bytes, &offset, &bytes))
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "byte range out of bounds (requested %lld bytes at %lld of "
                              "available %zu)",
                              (long long)c->args[7].i64, (long long)c->args[6].i64,
                              source->bytes);
    bool immutable = usage & TB_HAL_USAGE_IMMUTABLE;
    if (!source->writable && !immutable)
        return tb_status_make(TB_INVALID_ARGUMENT, "source buffer is immutable and can only be "
                                                   "mapped for constant usage");
    uint8_t *at = source->data + offset;
    if ((uintptr_t)at % TB_DATA_ALIGN != 0) {
        if (c->args[1].i32)
            return NULL; /* it was a try: the module makes a copy */
        return tb_status_make(TB_OUT_OF_RANGE, "imported bytes are not aligned to %d",
                              TB_DATA_ALIGN);
    }
    TRY(tb_hal_buffer_wrap(at, (uint64_t)bytes, source->writable && !immutable, usage,
                           &source->base, &b));
    c->results[0].ref = &b->base;
    return NULL;
}

/* (memory, usage, flags, [(device, affinity)]): there is one device. */
tb_status
tb_hal_import_select(void *self, const tb_vm_call *c)
{
    (void)self;
    if (c->args[3].list.n == 0)
        return tb_status_make(TB_INVALID_ARGUMENT, "no device to select an allocator from");
    c->results[0].ref = tb_vm_retain(c->args[3].list.at[0].ref);
    c->results[1].i64 = c->args[3].list.at[1].i64;
    return NULL;
}

/* ---- buffers ---- */
tb_status
tb_hal_import_buffer_discard(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;

    (void)self;
    TRY(arg(c, 0, &b));
    c->results[0].i32 = atomic_fetch_sub(&b->whole->preserved, 1) == 1;
    return NULL;
}

tb_status
tb_hal_import_buffer_is_terminal(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;

    (void)self;
    TRY(arg(c, 0, &b));
    c->results[0].i32 = atomic_load(&b->whole->preserved) == 1;
    return NULL;
}

tb_status
tb_hal_import_buffer_preserve(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;

    (void)self;
    TRY(arg(c, 0, &b));
    atomic_fetch_add(&b->whole->preserved, 1);
    return NULL;
}

/* (buffer, message, allocator, bytes, memory, usage) */
tb_status
tb_hal_import_buffer_assert(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;
    tb_vm_buffer *message;
    uint32_t memory = (uint32_t)c->args[4].i32, usage = (uint32_t)c->args[5].i32;

    (void)self;
    TRY(arg(c, 0, &b));
    TRY(tb_vm_arg(c, 1, &tb_vm_buffer_type, "message", false, &message));
    tb_str what = tb_hal_text(message);
    if (c->args[3].i64 > 0 && b->bytes < (uint64_t)c->args[3].i64)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%.*s buffer byte length %llu less than expected minimum %lld",
                              TB_FMT(what), (unsigned long long)b->bytes,
                              (long long)c->args[3].i64);
    if ((b->memory & memory) != memory)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%.*s buffer memory type is not compatible; buffer has %08X, "
                              "operation requires %08X",
                              TB_FMT(what), b->memory, memory);
    if ((b->usage & usage) != usage)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%.*s requested usage was not specified when the buffer was "
                              "allocated; buffer allows %08X, operation requires %08X",
                              TB_FMT(what), b->usage, usage);
    return NULL;
}

tb_status
tb_hal_import_buffer_length(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;

    (void)self;
    TRY(arg(c, 0, &b));
    c->results[0].i64 = (int64_t)b->bytes;
    return NULL;
}

/* A word of n bytes of the buffer that is argument i, at an offset. */
static tb_status
word(const tb_vm_call *c, uint32_t i, int64_t offset, int32_t n, tb_hal_buffer **b,
     uint8_t **at)
{
    uint64_t bytes;

    TRY(arg(c, i, b));
    if (n < 0 || n > 4)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "load or store length byte count %d exceeds max", (int)n);
    return tb_hal_range(*b, offset, n, at, &bytes);
}

/* (buffer, offset, bytes): the bits, with zeroes before them */
tb_status
tb_hal_import_buffer_load(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;
    uint8_t *at;

    (void)self;
    TRY(word(c, 0, c->args[1].i64, c->args[2].i32, &b, &at));
    memcpy(&c->results[0].i32, at, (size_t)c->args[2].i32);
    return NULL;
}

/* (value, buffer, offset, bytes) */
tb_status
tb_hal_import_buffer_store(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b;
    uint8_t *at;

    (void)self;
    TRY(word(c, 1, c->args[2].i64, c->args[3].i32, &b, &at));
    if (!(b->access & TB_HAL_ACCESS_WRITE))
        return tb_status_make(TB_INVALID_ARGUMENT, "a store to a buffer of constants");
    memcpy(at, &c->args[0].i32, (size_t)c->args[3].i32);
    return NULL;
}

tb_status
tb_hal_import_buffer_subspan(void *self, const tb_vm_call *c)
{
    tb_hal_buffer *b, *part;
    int64_t offset = c->args[1].i64, bytes = c->args[2].i64;

    (void)self;
    TRY(arg(c, 0, &b));
    if (!tb_hal_in_range(b->bytes, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE,
                              "invalid subspan of an existing buffer (source_offset=%lld, "
                              "length=%lld)",
                              (long long)c->args[1].i64, (long long)c->args[2].i64);
    TRY(tb_hal_buffer_part(b, (uint64_t)offset, (uint64_t)bytes, &part));
    c->results[0].ref = &part->base;
    return NULL;
}

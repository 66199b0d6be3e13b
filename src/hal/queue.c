/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * queue.c -- what is submitted to the device: (device, affinity, wait fence, signal fence, ...,
 * flags). It is done before the call returns, between the two fences; if the first is not reached
 * yet, the call is kept and done by whoever signals that fence. What fails fails the other.
 */
#include "hal/internal.h"

/* ---- files: bytes of the module's own ---- */
static void
destroy_file(tb_vm_object *o)
{
    tb_hal_file *f = (tb_hal_file *)o;

    tb_vm_release(&f->buffer->base);
    tb_heap_free(f);
}

const tb_vm_type tb_hal_file_type = {"hal.file", destroy_file};

/* (device, affinity, access, bytes, offset, length, flags) */
tb_status
tb_hal_import_file_from_memory(void *self, const tb_vm_call *c)
{
    tb_vm_object *device;
    tb_vm_buffer *b;
    int64_t offset = c->args[4].i64, bytes = c->args[5].i64;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &device));
    TRY(tb_vm_arg(c, 3, &tb_vm_buffer_type, "buffer", false, &b));
    if (!tb_hal_in_range(b->bytes, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE, "a file of bytes that are not there");
    bool writable = c->args[2].i32 & TB_HAL_ACCESS_WRITE;
    if (writable && !b->writable)
        return tb_status_make(TB_INVALID_ARGUMENT, "a file of constants cannot be written");
    tb_hal_file *f = tb_heap(1, sizeof *f);
    if (!f)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a file");
    tb_vm_object_init(&f->base, &tb_hal_file_type);
    f->buffer = (tb_vm_buffer *)tb_vm_retain(&b->base);
    f->offset = (uint64_t)offset;
    f->bytes = (uint64_t)bytes;
    f->writable = writable;
    c->results[0].ref = &f->base;
    return NULL;
}

static tb_status
file_range(const tb_hal_file *f, int64_t offset, int64_t bytes, uint8_t **at)
{
    if (bytes < 0 || !tb_hal_in_range(f->bytes, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE,
                              "a range of %lld bytes at %lld of a file of %llu",
                              (long long)bytes, (long long)offset, (unsigned long long)f->bytes);
    *at = f->buffer->data + f->offset + offset;
    return NULL;
}

/* ---- the frame of all submissions ---- */
static tb_status
do_now(tb_hal *h, const tb_vm_call *c, tb_hal_action *now, tb_hal_action *later, bool waits)
{
    if (now)
        TRY(now(h, c));
    return later && !waits ? later(h, c) : NULL;
}

tb_status
tb_hal_submit(tb_hal *h, tb_vm_import import, const tb_vm_call *c, tb_hal_action *now,
              tb_hal_action *later)
{
    tb_vm_object *device;
    tb_hal_fence *wait, *signal;
    tb_hal_pending *pending = NULL;
    tb_hal_fence **parts;
    bool reached;

    TRY(tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &device));
    TRY(tb_vm_arg(c, 2, &tb_hal_fence_type, "wait fence", true, &wait));
    TRY(tb_vm_arg(c, 3, &tb_hal_fence_type, "signal fence", true, &signal));
    uint32_t n = tb_hal_fence_parts(&wait, &parts);
    bool waits = !tb_hal_fence_is_over(wait);
    if (waits && tb_hal_fence_comes_before(signal, parts, n))
        return tb_status_make(TB_INVALID_ARGUMENT, "work would wait for itself");
    tb_status st = waits ? NULL : tb_hal_fence_wait(wait, -1, &reached);
    if (waits) {
        pending = tb_hal_pending_create(h, import, c, later, n);
        if (!pending)
            st = tb_status_make(TB_OUT_OF_MEMORY, "no memory for a submission");
    }
    if (!st)
        st = do_now(h, c, now, later, waits);
    if (st && pending)
        tb_hal_pending_free(pending);
    if (!st && pending)
        tb_hal_wait_for(pending, parts, n);
    else if (!st)
        tb_hal_fence_signal(signal);
    else
        tb_hal_fence_fail(signal, tb_status_make(tb_status_code(st), "%s",
                                                 tb_status_message(st)));
    return st;
}

static tb_status
buffer(const tb_vm_call *c, uint32_t i, bool write, tb_hal_buffer **out)
{
    TRY(tb_vm_arg(c, i, &tb_hal_buffer_type, "buffer", false, out));
    if (write && !((*out)->access & TB_HAL_ACCESS_WRITE))
        return tb_status_make(TB_INVALID_ARGUMENT, "a command would write to constants");
    return NULL;
}

/* n bytes from one place to another. */
static void
move(uint8_t *to, const uint8_t *from, uint64_t n)
{
    if (n)
        memmove(to, from, n);
}

/* ---- actions: arguments from number 4 on ---- */
/* pool, memory, usage, bytes, flags */
static tb_status
alloca_buffer(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_buffer *b;

    (void)h;
    if (c->args[7].i64 < 0)
        return tb_status_make(TB_INVALID_ARGUMENT, "a buffer of %lld bytes",
                              (long long)c->args[7].i64);
    TRY(tb_hal_buffer_create((uint64_t)c->args[7].i64, (uint32_t)c->args[6].i32, &b));
    c->results[0].ref = &b->base;
    return NULL;
}

/* buffer, flags: its memory goes with the last reference */
static tb_status
dealloca(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_buffer *b;

    (void)h;
    return buffer(c, 4, false, &b);
}

/* target, offset, bytes, pattern, bytes of it, flags */
static tb_status
fill(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_buffer *b;
    uint8_t *at;
    uint64_t n;

    (void)h;
    TRY(buffer(c, 4, true, &b));
    TRY(tb_hal_range(b, c->args[5].i64, c->args[6].i64, &at, &n));
    return tb_hal_fill(at, n, (uint64_t)c->args[7].i64, (uint32_t)c->args[8].i32);
}

/* source (bytes of the machine's), offset, target, offset, bytes, flags */
static tb_status
update(tb_hal *h, const tb_vm_call *c)
{
    tb_vm_buffer *source;
    tb_hal_buffer *b;
    int64_t offset = c->args[5].i64, bytes = c->args[8].i64;
    uint8_t *at;
    uint64_t n;

    (void)h;
    TRY(tb_vm_arg(c, 4, &tb_vm_buffer_type, "source", false, &source));
    TRY(buffer(c, 6, true, &b));
    if (!tb_hal_in_range(source->bytes, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE, "an update with bytes that are not there");
    TRY(tb_hal_range(b, c->args[7].i64, bytes, &at, &n));
    move(at, source->data + offset, n);
    return NULL;
}

/* source, offset, target, offset, bytes, flags */
static tb_status
copy(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_buffer *source, *target;
    uint8_t *from, *to;
    uint64_t n, room;

    (void)h;
    TRY(buffer(c, 4, false, &source));
    TRY(buffer(c, 6, true, &target));
    TRY(tb_hal_range(source, c->args[5].i64, c->args[8].i64, &from, &n));
    TRY(tb_hal_range(target, c->args[7].i64, (int64_t)n, &to, &room));
    move(to, from, n);
    return NULL;
}

/* file, offset, target, offset, bytes, flags */
static tb_status
read_file(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_file *f;
    tb_hal_buffer *target;
    uint8_t *from, *to;
    uint64_t n;

    (void)h;
    TRY(tb_vm_arg(c, 4, &tb_hal_file_type, "file", false, &f));
    TRY(buffer(c, 6, true, &target));
    TRY(file_range(f, c->args[5].i64, c->args[8].i64, &from));
    TRY(tb_hal_range(target, c->args[7].i64, c->args[8].i64, &to, &n));
    move(to, from, n);
    return NULL;
}

/* source, offset, file, offset, bytes, flags */
static tb_status
write_file(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_file *f;
    tb_hal_buffer *source;
    uint8_t *from, *to;
    uint64_t n;

    (void)h;
    TRY(buffer(c, 4, false, &source));
    TRY(tb_vm_arg(c, 6, &tb_hal_file_type, "file", false, &f));
    if (!f->writable)
        return tb_status_make(TB_INVALID_ARGUMENT, "a file that cannot be written");
    TRY(file_range(f, c->args[7].i64, c->args[8].i64, &to));
    TRY(tb_hal_range(source, c->args[5].i64, c->args[8].i64, &from, &n));
    move(to, from, n);
    return NULL;
}

/* commands, flags */
static tb_status
execute(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_command_buffer *b;

    TRY(tb_vm_arg(c, 4, &tb_hal_command_buffer_type, "command buffer", true, &b));
    return b ? tb_hal_replay(h, b, NULL, 0) : NULL;
}

/* commands, flags, [(buffer, offset, bytes)] */
static tb_status
execute_indirect(tb_hal *h, const tb_vm_call *c)
{
    tb_hal_command_buffer *b;
    uint32_t n = c->args[6].list.n;
    const tb_vm_value *v = c->args[6].list.at;

    TRY(tb_vm_arg(c, 4, &tb_hal_command_buffer_type, "command buffer", false, &b));
    tb_hal_binding *table = tb_heap(n, sizeof *table);
    if (!table)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %u buffers", n);
    tb_status st = NULL;
    for (uint32_t i = 0; i < n && !st; i++) {
        tb_vm_object *o = v[3 * i].ref;
        if (o && o->type != &tb_hal_buffer_type)
            st = tb_status_make(TB_INVALID_ARGUMENT, "a %s in the place of buffer %u",
                                o->type->name, i);
        table[i] = (tb_hal_binding){(tb_hal_buffer *)o, v[3 * i + 1].i64, v[3 * i + 2].i64};
    }
    if (!st)
        st = tb_hal_replay(h, b, table, n);
    tb_heap_free(table);
    return st;
}

/* ---- imports ---- */
#define SUBMISSION(id, name, now, later)                                                 \
    tb_status tb_hal_import_queue_##name(void *self, const tb_vm_call *c)                \
    {                                                                                    \
        return tb_hal_submit(self, TB_VM_QUEUE_##id, c, now, later);                     \
    }
SUBMISSION(ALLOCA, alloca, alloca_buffer, NULL)
SUBMISSION(DEALLOCA, dealloca, dealloca, NULL)
SUBMISSION(FILL, fill, NULL, fill)
SUBMISSION(UPDATE, update, NULL, update)
SUBMISSION(COPY, copy, NULL, copy)
SUBMISSION(READ, read, NULL, read_file)
SUBMISSION(WRITE, write, NULL, write_file)
SUBMISSION(BARRIER, barrier, NULL, NULL)
SUBMISSION(EXECUTE, execute, NULL, execute)
SUBMISSION(EXECUTE_INDIRECT, execute_indirect, NULL, execute_indirect)

tb_status
tb_hal_import_queue_flush(void *self, const tb_vm_call *c)
{
    tb_vm_object *device;

    (void)self;
    return tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &device);
}

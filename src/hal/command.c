/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * command.c -- command buffers: commands are checked and kept until they are submitted, once or
 * many times. Buffers that are not known yet are slots, for which each submission brings
 * buffers.
 *
 * Commands are done one after the other, so barriers have nothing to do.
 */
#include "hal/internal.h"

enum {
    MAX_COMMANDS = 1 << 24,
    DISPATCH_INDIRECT = 3 /* bits: counts are read sooner or later */
};

static void
release_ref(const tb_hal_ref *r)
{
    if (r->buffer)
        tb_vm_release(&r->buffer->base);
}

static void
free_command(tb_hal_command *x)
{
    release_ref(&x->target);
    release_ref(&x->source);
    for (uint32_t i = 0; x->bindings && i < x->executable->exports[x->export].attrs.n_bindings;
         i++)
        release_ref(&x->bindings[i]);
    if (x->executable)
        tb_vm_release(&x->executable->base);
    tb_heap_free(x->bytes);
    tb_heap_free(x->constants);
    tb_heap_free(x->bindings);
}

static void
destroy(tb_vm_object *o)
{
    tb_hal_command_buffer *b = (tb_hal_command_buffer *)o;

    for (uint32_t i = 0; i < b->n; i++)
        free_command(&b->at[i]);
    tb_heap_free(b->at);
    tb_heap_free(b);
}

const tb_vm_type tb_hal_command_buffer_type = {"hal.command_buffer", destroy};

static tb_status
no_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for commands");
}

/* Puts x at the end if st is NULL, else frees it. Takes st. */
static tb_status
put(tb_hal_command_buffer *b, tb_hal_command *x, tb_status st)
{
    if (!st && b->n == b->cap) {
        uint32_t cap = b->cap ? 2 * b->cap : 16;
        tb_hal_command *at = cap > MAX_COMMANDS ? NULL : tb_heap(cap, sizeof *at);
        if (at) {
            if (b->n)
                memcpy(at, b->at, b->n * sizeof *at);
            tb_heap_free(b->at);
            b->at = at;
            b->cap = cap;
        } else {
            st = no_memory();
        }
    }
    if (st)
        free_command(x);
    else
        b->at[b->n++] = *x;
    return st;
}

static tb_status
recording(const tb_vm_call *c, tb_hal_command_buffer **out)
{
    TRY(tb_vm_arg(c, 0, &tb_hal_command_buffer_type, "command buffer", false, out));
    if ((*out)->finished)
        return tb_status_make(TB_INVALID_ARGUMENT, "a command buffer that was finalized gets no "
                                                   "more commands");
    return NULL;
}

/* A range of a buffer, which is checked now, or of a slot; `write`: it is to be written. */
static tb_status
make_ref(const tb_hal_command_buffer *b, tb_vm_object *o, int32_t slot, int64_t offset,
         int64_t bytes, bool write, tb_hal_ref *out)
{
    uint8_t *at;
    uint64_t n;

    if (o && o->type != &tb_hal_buffer_type)
        return tb_status_make(TB_INVALID_ARGUMENT, "a %s in the place of a buffer",
                              o->type->name);
    tb_hal_buffer *buffer = (tb_hal_buffer *)o;
    if (buffer)
        TRY(tb_hal_range(buffer, offset, bytes, &at, &n));
    else if (slot < 0 || (uint32_t)slot >= b->capacity)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "indirect buffer reference slot %d is out range of the declared "
                              "binding capacity of the command buffer %u",
                              (int)slot, b->capacity);
    else if (offset < 0 || bytes < -1)
        return tb_status_make(TB_OUT_OF_RANGE, "a range of %lld bytes at %lld of a slot",
                              (long long)bytes, (long long)offset);
    if (buffer && write && !(buffer->access & TB_HAL_ACCESS_WRITE))
        return tb_status_make(TB_INVALID_ARGUMENT, "a command would write to constants");
    tb_vm_retain(o);
    *out = (tb_hal_ref){buffer, (uint32_t)slot, offset, bytes};
    return NULL;
}

/* ---- imports ---- */
/* (device, modes, categories, affinity, slots) */
tb_status
tb_hal_import_cmd_create(void *self, const tb_vm_call *c)
{
    tb_vm_object *device;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &device));
    if (c->args[4].i32 < 0)
        return tb_status_make(TB_INVALID_ARGUMENT, "a command buffer of %d slots",
                              (int)c->args[4].i32);
    tb_hal_command_buffer *b = tb_heap(1, sizeof *b);
    if (!b)
        return no_memory();
    tb_vm_object_init(&b->base, &tb_hal_command_buffer_type);
    b->capacity = (uint32_t)c->args[4].i32;
    c->results[0].ref = &b->base;
    return NULL;
}

tb_status
tb_hal_import_cmd_finalize(void *self, const tb_vm_call *c)
{
    tb_hal_command_buffer *b;

    (void)self;
    TRY(recording(c, &b));
    b->finished = true;
    return NULL;
}

/* Barriers, hints, names of parts. */
tb_status
tb_hal_import_cmd_nothing(void *self, const tb_vm_call *c)
{
    tb_hal_command_buffer *b;

    (void)self;
    return recording(c, &b);
}

/* (commands, target, offset, bytes, slot, pattern, bytes of it, flags) */
tb_status
tb_hal_import_cmd_fill(void *self, const tb_vm_call *c)
{
    const tb_vm_value *v = c->args;
    tb_hal_command_buffer *b;
    tb_hal_command x = {.kind = TB_HAL_DO_FILL,
                        .pattern = (uint64_t)v[5].i64,
                        .pattern_bytes = (uint32_t)v[6].i32};

    (void)self;
    TRY(recording(c, &b));
    TRY(tb_hal_fill(NULL, 0, 0, x.pattern_bytes));
    return put(b, &x, make_ref(b, v[1].ref, v[4].i32, v[2].i64, v[3].i64, true, &x.target));
}

/* (commands, source bytes, offset, target, offset, bytes, slot, flags) */
tb_status
tb_hal_import_cmd_update(void *self, const tb_vm_call *c)
{
    const tb_vm_value *v = c->args;
    tb_hal_command_buffer *b;
    tb_vm_buffer *source;
    tb_hal_command x = {.kind = TB_HAL_DO_UPDATE};
    int64_t offset = v[2].i64, bytes = v[5].i64;

    (void)self;
    TRY(recording(c, &b));
    TRY(tb_vm_arg(c, 1, &tb_vm_buffer_type, "source", false, &source));
    if (bytes < 0 || !tb_hal_in_range(source->bytes, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE, "an update with bytes that are not there");
    x.bytes = tb_heap((size_t)bytes, 1);
    if (!x.bytes)
        return no_memory();
    memcpy(x.bytes, source->data + offset, (size_t)bytes);
    return put(b, &x, make_ref(b, v[3].ref, v[6].i32, v[4].i64, bytes, true, &x.target));
}

/* (commands, source slot, target slot, source, offset, target, offset, bytes, flags) */
tb_status
tb_hal_import_cmd_copy(void *self, const tb_vm_call *c)
{
    const tb_vm_value *v = c->args;
    tb_hal_command_buffer *b;
    tb_hal_command x = {.kind = TB_HAL_DO_COPY};

    (void)self;
    TRY(recording(c, &b));
    tb_status st = make_ref(b, v[3].ref, v[1].i32, v[4].i64, v[7].i64, false, &x.source);
    if (!st)
        st = make_ref(b, v[5].ref, v[2].i32, v[6].i64, v[7].i64, true, &x.target);
    return put(b, &x, st);
}

/* Constants, and (0, slot, buffer, offset, bytes) for each binding. */
static tb_status
add_operands(tb_hal_command_buffer *b, tb_hal_command *x, const tb_vm_value *constants,
             const tb_vm_value *bindings)
{
    const tb_hal_export *e = &x->executable->exports[x->export];

    if (constants->list.n != e->attrs.n_constants || bindings->list.n != e->attrs.n_bindings)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "dispatch '%.64s' takes %u constants and %u buffers, given are %u "
                              "and %u",
                              e->name, e->attrs.n_constants, e->attrs.n_bindings,
                              constants->list.n, bindings->list.n);
    x->constants = tb_heap(constants->list.n, sizeof *x->constants);
    x->bindings = tb_heap(bindings->list.n, sizeof *x->bindings);
    if (!x->constants || !x->bindings)
        return no_memory();
    for (uint32_t i = 0; i < constants->list.n; i++)
        x->constants[i] = (uint32_t)constants->list.at[i].i32;
    for (uint32_t i = 0; i < bindings->list.n; i++) {
        const tb_vm_value *t = &bindings->list.at[5 * i];
        TRY(make_ref(b, t[2].ref, t[1].i32, t[3].i64, t[4].i64, false, &x->bindings[i]));
    }
    return NULL;
}

static tb_status
begin_dispatch(const tb_vm_call *c, int64_t flags, tb_hal_command *out)
{
    tb_hal_executable *e;
    uint64_t number = (uint64_t)c->args[2].i64;

    TRY(tb_vm_arg(c, 1, &tb_hal_executable_type, "executable", false, &e));
    if (number >= e->n_exports)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "function id %llu out of range; executable has %u exports",
                              (unsigned long long)number, e->n_exports);
    if (flags & ~(int64_t)DISPATCH_INDIRECT)
        return tb_status_make(TB_UNSUPPORTED, "a dispatch with flags %#llx",
                              (unsigned long long)flags);
    tb_vm_retain(&e->base);
    *out = (tb_hal_command){
        .kind = TB_HAL_DO_DISPATCH, .executable = e, .export = (uint32_t)number};
    return NULL;
}

/* (commands, executable, function, x, y, z, flags, [constant], [binding]) */
tb_status
tb_hal_import_cmd_dispatch(void *self, const tb_vm_call *c)
{
    const tb_vm_value *v = c->args;
    tb_hal_command_buffer *b;
    tb_hal_command x;

    (void)self;
    TRY(recording(c, &b));
    TRY(begin_dispatch(c, v[6].i64, &x));
    for (int i = 0; i < 3; i++)
        x.groups[i] = (uint32_t)v[3 + i].i32;
    return put(b, &x, add_operands(b, &x, &v[7], &v[8]));
}

/* (commands, executable, function, counts' slot, counts, offset, flags, [constant],
 * [binding]) */
tb_status
tb_hal_import_cmd_dispatch_indirect(void *self, const tb_vm_call *c)
{
    const tb_vm_value *v = c->args;
    tb_hal_command_buffer *b;
    tb_hal_command x;

    (void)self;
    TRY(recording(c, &b));
    TRY(begin_dispatch(c, v[6].i64, &x));
    x.indirect = true;
    tb_status st = make_ref(b, v[4].ref, v[3].i32, v[5].i64, 12, false, &x.source);
    return put(b, &x, st ? st : add_operands(b, &x, &v[7], &v[8]));
}

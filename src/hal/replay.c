/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* replay.c -- does what a command buffer says, with buffers for its slots. */
#include "hal/internal.h"

enum { MAX_BINDINGS = 64 };

typedef struct replay {
    tb_hal *h;
    const tb_hal_binding *table;
    uint32_t n;
} replay;

/* What a reference means: n bytes at *at. */
static tb_status
resolve(const replay *r, const tb_hal_ref *ref, bool write, uint8_t **at, uint64_t *n)
{
    const tb_hal_buffer *b = ref->buffer;
    int64_t offset = ref->offset, bytes = ref->bytes, from = 0, room = -1;

    if (!b) {
        if (ref->slot >= r->n || !r->table[ref->slot].buffer)
            return tb_status_make(TB_INVALID_ARGUMENT, "no buffer is bound to slot %u",
                                  ref->slot);
        const tb_hal_binding *bound = &r->table[ref->slot];
        b = bound->buffer;
        from = bound->offset;
        room = bound->bytes;
        if (write && !(b->access & TB_HAL_ACCESS_WRITE))
            return tb_status_make(TB_INVALID_ARGUMENT, "a command would write to constants");
    }
    if (!tb_hal_in_range(b->bytes, &from, &room) ||
        !tb_hal_in_range((uint64_t)room, &offset, &bytes))
        return tb_status_make(TB_OUT_OF_RANGE,
                              "attempted to access an address outside of the valid buffer range "
                              "(offset=%lld, length=%lld, buffer byte_length=%llu)",
                              (long long)ref->offset, (long long)ref->bytes,
                              (unsigned long long)b->bytes);
    *at = b->data + from + offset;
    *n = (uint64_t)bytes;
    return NULL;
}

tb_status
tb_hal_fill(uint8_t *at, uint64_t n, uint64_t pattern, uint32_t bytes)
{
    uint8_t text[8];

    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
        return tb_status_make(TB_INVALID_ARGUMENT, "a pattern of %u bytes", bytes);
    if (n % bytes != 0 || (uintptr_t)at % bytes != 0)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "attempting to fill %llu bytes with a pattern of %u bytes that "
                              "does not fit",
                              (unsigned long long)n, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        text[i] = (uint8_t)(pattern >> 8 * i);
    if (n == 0)
        return NULL;
    if (bytes == 1) {
        memset(at, text[0], n);
        return NULL;
    }
    memcpy(at, text, bytes); /* then what is there, twice as much each time */
    for (uint64_t done = bytes; done < n;) {
        uint64_t more = done < n - done ? done : n - done;
        memcpy(at + done, at, more);
        done += more;
    }
    return NULL;
}

static tb_status
update(const replay *r, const tb_hal_command *x)
{
    uint8_t *to;
    uint64_t n;

    TRY(resolve(r, &x->target, true, &to, &n));
    if (n)
        memcpy(to, x->bytes, n);
    return NULL;
}

static tb_status
copy(const replay *r, const tb_hal_command *x)
{
    uint8_t *from, *to;
    uint64_t n, room;

    TRY(resolve(r, &x->source, false, &from, &n));
    TRY(resolve(r, &x->target, true, &to, &room));
    if (n != room)
        return tb_status_make(TB_INVALID_ARGUMENT, "a copy of %llu bytes to %llu",
                              (unsigned long long)n, (unsigned long long)room);
    if (n)
        memmove(to, from, n);
    return NULL;
}

static tb_status
run(const replay *r, const tb_hal_command *x)
{
    void *bindings[MAX_BINDINGS];
    size_t lengths[MAX_BINDINGS];
    uint32_t n = x->executable->exports[x->export].attrs.n_bindings;
    tb_hal_dispatch d = {.executable = x->executable,
                         .export = x->export,
                         .constants = x->constants,
                         .bindings = bindings,
                         .lengths = lengths};

    memcpy(d.groups, x->groups, sizeof d.groups);
    if (x->indirect) {
        uint8_t *counts;
        uint64_t bytes;
        TRY(resolve(r, &x->source, false, &counts, &bytes));
        memcpy(d.groups, counts, sizeof d.groups);
    }
    for (uint32_t i = 0; i < n && i < MAX_BINDINGS; i++) {
        uint8_t *at;
        uint64_t bytes;
        TRY(resolve(r, &x->bindings[i], false, &at, &bytes));
        bindings[i] = at;
        lengths[i] = bytes;
    }
    return tb_hal_run(r->h->device, &d);
}

static tb_status
step(const replay *r, const tb_hal_command *x)
{
    uint8_t *at;
    uint64_t n;

    switch (x->kind) {
    case TB_HAL_DO_FILL:
        TRY(resolve(r, &x->target, true, &at, &n));
        return tb_hal_fill(at, n, x->pattern, x->pattern_bytes);
    case TB_HAL_DO_UPDATE:
        return update(r, x);
    case TB_HAL_DO_COPY:
        return copy(r, x);
    case TB_HAL_DO_DISPATCH:
        return run(r, x);
    }
    return NULL;
}

tb_status
tb_hal_replay(tb_hal *h, const tb_hal_command_buffer *c, const tb_hal_binding *table, uint32_t n)
{
    replay r = {h, table, n};

    if (!c->finished)
        return tb_status_make(TB_INVALID_ARGUMENT, "a command buffer that is still recorded "
                                                   "cannot be submitted");
    if (n > c->capacity)
        return tb_status_make(TB_OUT_OF_RANGE, "%u buffers for a command buffer of %u slots", n,
                              c->capacity);
    for (uint32_t i = 0; i < c->n; i++)
        TRY(step(&r, &c->at[i]));
    return NULL;
}

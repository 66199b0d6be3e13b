/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* internal.h -- what files of src/hal offer each other, and the imports by file. */
#pragma once
#include "hal/abi.h"
#include "hal/hal.h"
#include "hal/image.h"
#include "vm/release.h"

struct tb_hal {
    tb_vm_object base;
    tb_device *device;
    tb_params *params;        /* may be NULL */
    tb_vm_object allocator;   /* holds no reference to the device: lives in it */
    const tb_iree_release *release;
    tb_vm_function *functions; /* of both libraries */
};
extern const tb_vm_type tb_hal_allocator_type, tb_hal_file_type, tb_hal_executable_type,
    tb_hal_command_buffer_type;

/* Text in a buffer of the machine's, as a view. */
static inline tb_str
tb_hal_text(const tb_vm_buffer *b)
{
    return (tb_str){b ? (const char *)b->data : "", b ? b->bytes : 0};
}
/* [offset, offset + bytes) as a range of n bytes; bytes -1: up to the end. */
bool tb_hal_in_range(uint64_t n, int64_t *offset, int64_t *bytes);

/* ---- view.c ---- */
enum { TB_HAL_TYPE_TEXT = 16 };
const char *tb_hal_type_text(char out[TB_HAL_TYPE_TEXT], uint32_t type); /* "f32"; out */

/* ---- executable.c ---- */
typedef struct tb_hal_export {
    tb_hal_dispatch_fn *fn;
    const char *name; /* in the image */
    tb_hal_dispatch_attrs attrs;
    _Atomic uint64_t group_ns; /* what a workgroup took lately; 0 = not known */
} tb_hal_export;
typedef struct tb_hal_executable {
    tb_vm_object base;
    tb_image image;
    tb_hal_environment environment;
    uint32_t *constants;
    void **imports; /* all optional, none there */
    tb_hal_export *exports;
    uint32_t n_exports;
} tb_hal_executable;
/* An executable library of `n` bytes, with its constants. version: the newest that is
 * understood. */
tb_status tb_hal_executable_load(const uint8_t *bytes, size_t n, const uint32_t *constants,
                                 size_t n_constants, uint32_t version,
                                 tb_hal_executable **out) TB_MUST_CHECK;
/* The tables of the library at l, which may be anywhere, in e's image. */
tb_status tb_hal_library_read(tb_hal_executable *e, const tb_hal_library *l, size_t n_constants,
                              uint32_t version) TB_MUST_CHECK;
/* All workgroups of one dispatch, among the device's workers. Counts and pointers were
 * checked. */
typedef struct tb_hal_dispatch {
    tb_hal_executable *executable;
    uint32_t export;
    uint32_t groups[3];
    const uint32_t *constants;
    void *const *bindings;
    const size_t *lengths;
} tb_hal_dispatch;
tb_status tb_hal_run(tb_device *d, const tb_hal_dispatch *x) TB_MUST_CHECK;

/* ---- command.c ---- */
/* A range of a buffer, or, if that is NULL, of what is bound to the slot later. */
typedef struct tb_hal_ref {
    tb_hal_buffer *buffer;
    uint32_t slot;
    int64_t offset, bytes; /* bytes -1: up to the end */
} tb_hal_ref;
typedef enum tb_hal_command_kind {
    TB_HAL_DO_FILL,
    TB_HAL_DO_UPDATE,
    TB_HAL_DO_COPY,
    TB_HAL_DO_DISPATCH
} tb_hal_command_kind;
typedef struct tb_hal_command {
    tb_hal_command_kind kind;
    tb_hal_ref target, source; /* of dispatches with counts in a buffer: source */
    uint64_t pattern;
    uint32_t pattern_bytes;
    bool indirect;               /* counts are in a buffer */
    uint8_t *bytes;              /* UPDATE: a copy */
    tb_hal_executable *executable; /* retained, as are buffers */
    uint32_t export, groups[3];
    uint32_t *constants;
    tb_hal_ref *bindings;
} tb_hal_command;
typedef struct tb_hal_command_buffer {
    tb_vm_object base;
    uint32_t capacity; /* slots */
    bool finished;
    tb_hal_command *at;
    uint32_t n, cap;
} tb_hal_command_buffer;

/* ---- replay.c ---- */
typedef struct tb_hal_binding {
    tb_hal_buffer *buffer;
    int64_t offset, bytes;
} tb_hal_binding;
tb_status tb_hal_replay(tb_hal *h, const tb_hal_command_buffer *c, const tb_hal_binding *table,
                        uint32_t n) TB_MUST_CHECK;
/* The pattern of 1, 2, 4 or 8 bytes over and over. */
tb_status tb_hal_fill(uint8_t *at, uint64_t n, uint64_t pattern, uint32_t bytes) TB_MUST_CHECK;

/* ---- queue.c ---- */
/* Between the call's wait fence (argument 2) and its signal fence (3), either of which may be
 * null: `now` is done at once, `later` when the one is reached, which may be in the thread that
 * signals it; both may be NULL. What fails fails the other fence too. */
typedef tb_status tb_hal_action(tb_hal *h, const tb_vm_call *c);
tb_status tb_hal_submit(tb_hal *h, tb_vm_import import, const tb_vm_call *c, tb_hal_action *now,
                        tb_hal_action *later) TB_MUST_CHECK;
typedef struct tb_hal_file {
    tb_vm_object base;
    tb_vm_buffer *buffer;
    uint64_t offset, bytes;
    bool writable;
} tb_hal_file;

/* ---- processor.c ---- */
/* What executables find in their environment. */
void tb_hal_processor(uint64_t data[TB_HAL_PROCESSOR_WORDS]);
/* Whether the processor has what IREE calls `key`; false: that is no key here. */
bool tb_hal_processor_has(tb_str key, int64_t *value);

/* ---- pending.c: calls that are done later ---- */
/* The fences that a call waits for own it together, through these; a fence that goes fails
 * it. */
typedef struct tb_hal_waiter {
    struct tb_hal_waiter *next;
    struct tb_hal_pending *p;
} tb_hal_waiter;
typedef struct tb_hal_pending {
    struct tb_hal_pending *next; /* of those to be done now */
    tb_hal *h;
    tb_hal_action *act; /* may be NULL */
    tb_vm_call call;    /* references in it are retained, but for the fence waited for */
    const char *cconv;
    tb_hal_fence *signal; /* may be NULL */
    _Atomic(tb_status) failed; /* why a fence did, the first that did */
    atomic_uint open;          /* fences that are not over */
    tb_hal_waiter *waiters;    /* one for each fence */
} tb_hal_pending;
/* A copy of the call, for n fences; NULL if there is no memory. */
tb_hal_pending *tb_hal_pending_create(tb_hal *h, tb_vm_import import, const tb_vm_call *c,
                                      tb_hal_action *act, uint32_t n);
void tb_hal_pending_free(tb_hal_pending *p);

/* ---- fence.c ---- */
/* What f is made of: itself, or others; nothing of NULL. */
uint32_t tb_hal_fence_parts(tb_hal_fence **f, tb_hal_fence ***parts);
/* Whether f (may be NULL) is reached or failed: nothing needs to wait. */
bool tb_hal_fence_is_over(tb_hal_fence *f);
/* Whether what waits for `signal` (may be NULL), and what waits for that, would be waited for:
 * work that waits for one of n fences and signals this one would wait for itself. */
bool tb_hal_fence_comes_before(tb_hal_fence *signal, tb_hal_fence *const *fences, uint32_t n);
/* Takes p, which is done when the n fences are over: now, or by who signals the last. */
void tb_hal_wait_for(tb_hal_pending *p, tb_hal_fence *const *fences, uint32_t n);

/* ---- imports: arguments and results as IREE's conventions say (release.h) ---- */
#define TB_HAL_IMPORTS(X)                                                                \
    X(ALLOCATE, allocate)                                                                \
    X(IMPORT, import)                                                                    \
    X(SELECT, select)                                                                    \
    X(BUFFER_DISCARD, buffer_discard)                                                    \
    X(BUFFER_IS_TERMINAL, buffer_is_terminal)                                            \
    X(BUFFER_PRESERVE, buffer_preserve)                                                  \
    X(BUFFER_ASSERT, buffer_assert)                                                      \
    X(BUFFER_LENGTH, buffer_length)                                                      \
    X(BUFFER_LOAD, buffer_load)                                                          \
    X(BUFFER_STORE, buffer_store)                                                        \
    X(BUFFER_SUBSPAN, buffer_subspan)                                                    \
    X(VIEW_ASSERT, view_assert)                                                          \
    X(VIEW_BUFFER, view_buffer)                                                          \
    X(VIEW_CREATE, view_create)                                                          \
    X(VIEW_DIM, view_dim)                                                                \
    X(VIEW_TYPE, view_type)                                                              \
    X(VIEW_ENCODING, view_encoding)                                                      \
    X(VIEW_RANK, view_rank)                                                              \
    X(VIEW_TRACE, view_trace)                                                            \
    X(CMD_ADVISE, cmd_nothing)                                                           \
    X(CMD_BEGIN_GROUP, cmd_nothing)                                                      \
    X(CMD_COPY, cmd_copy)                                                                \
    X(CMD_CREATE, cmd_create)                                                            \
    X(CMD_DISPATCH, cmd_dispatch)                                                        \
    X(CMD_DISPATCH_INDIRECT, cmd_dispatch_indirect)                                      \
    X(CMD_END_GROUP, cmd_nothing)                                                        \
    X(CMD_BARRIER, cmd_nothing)                                                          \
    X(CMD_FILL, cmd_fill)                                                                \
    X(CMD_FINALIZE, cmd_finalize)                                                        \
    X(CMD_FLUSH, cmd_nothing)                                                            \
    X(CMD_INVALIDATE, cmd_nothing)                                                       \
    X(CMD_UPDATE, cmd_update)                                                            \
    X(DEVICE_ALLOCATOR, device_allocator)                                                \
    X(DEVICE_QUERY, device_query)                                                        \
    X(QUEUE_ALLOCA, queue_alloca)                                                        \
    X(QUEUE_BARRIER, queue_barrier)                                                      \
    X(QUEUE_COPY, queue_copy)                                                            \
    X(QUEUE_DEALLOCA, queue_dealloca)                                                    \
    X(QUEUE_EXECUTE, queue_execute)                                                      \
    X(QUEUE_EXECUTE_INDIRECT, queue_execute_indirect)                                    \
    X(QUEUE_FILL, queue_fill)                                                            \
    X(QUEUE_FLUSH, queue_flush)                                                          \
    X(QUEUE_READ, queue_read)                                                            \
    X(QUEUE_UPDATE, queue_update)                                                        \
    X(QUEUE_WRITE, queue_write)                                                          \
    X(DEVICES_COUNT, devices_count)                                                      \
    X(DEVICES_GET, devices_get)                                                          \
    X(FILE_FROM_MEMORY, file_from_memory)                                                \
    X(EXECUTABLE_CREATE, executable_create)                                              \
    X(EXECUTABLE_LOOKUP, executable_lookup)                                              \
    X(FENCE_AWAIT, fence_await)                                                          \
    X(FENCE_CREATE, fence_create)                                                        \
    X(FENCE_FAIL, fence_fail)                                                            \
    X(FENCE_JOIN, fence_join)                                                            \
    X(FENCE_QUERY, fence_query)                                                          \
    X(FENCE_SIGNAL, fence_signal)
#define TB_HAL_PARAMETER_IMPORTS(X)                                                      \
    X(PARAM_GATHER, gather)                                                              \
    X(PARAM_LOAD, load)                                                                  \
    X(PARAM_SCATTER, scatter)
#define X(id, name) tb_vm_import_fn tb_hal_import_##name;
TB_HAL_IMPORTS(X)
TB_HAL_PARAMETER_IMPORTS(X)
#undef X

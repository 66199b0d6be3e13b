/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * hal.h -- what modules of IREE's compiler import: `hal` and `io_parameters`, over our own
 * devices, memory and parameters.
 *
 *   hal.c        one device and the libraries over it
 *   buffer.c     memory: allocations, parts of them, imported bytes
 *   view.c       buffers with a shape and a type of elements
 *   trace.c      the same as text
 *   fence.c      points in time
 *   elfcheck.c   an ELF image from outside, verified (image.h)
 *   image.c      the same in memory
 *   abi.h        structures of IREE's executable libraries
 *   executable.c a library in an image: its tables, verified; its functions, run
 *   describe.c   the same as text, without running it
 *   command.c    command buffers: what is recorded
 *   replay.c     command buffers: what is done
 *   queue.c      what is submitted
 *   pending.c    what is submitted and has to wait
 *   parameters.c tensors by name
 *   irpa.c       what is in a .irpa file
 *   processor.c  what IREE asks about the processor
 *
 * What is submitted is done before the call returns, by the caller together with the device's
 * workers, so that the order of submissions is the order in which things happen; then its fence
 * is signalled. What has to wait for a fence is done by the thread that signals it, before
 * the signal returns. Objects are counted; buffers, views and fences may be used by several
 * threads, command buffers while they are recorded by one.
 *
 * Not in the runtime's library.
 */
#pragma once
#include "base/base.h"
#include "turbine/runtime.h"
#include "vm/vm.h"

/* ---- hal.c ---- */
/* A device as modules see it; itself what `hal.devices.get` returns. */
typedef struct tb_hal tb_hal;
extern const tb_vm_type tb_hal_device_type;
/* device and params (maybe NULL) are retained. */
tb_status tb_hal_create(tb_device *device, tb_params *params, tb_hal **out) TB_MUST_CHECK;
tb_hal *tb_hal_retain(tb_hal *h);
void tb_hal_release(tb_hal *h); /* NULL is fine */
enum { TB_HAL_LIBRARIES = 2 };
/* For tb_vm_options; valid as long as h, which has to outlive the states. */
void tb_hal_libraries(tb_hal *h, tb_vm_library out[TB_HAL_LIBRARIES]);

/* ---- buffer.c ---- */
/* Bits as IREE's hal.h numbers them. */
enum {
    TB_HAL_MEMORY = 0x7f, /* ours is the host's and the device's, seen by both */
    TB_HAL_USAGE_ALL = 0x7ff7ffff, /* of buffers from outside: all but */
    TB_HAL_USAGE_IMMUTABLE = 0x80000,
    TB_HAL_ACCESS_READ = 1,
    TB_HAL_ACCESS_WRITE = 2,
    TB_HAL_ACCESS_ALL = 7
};
typedef struct tb_hal_buffer {
    tb_vm_object base;
    uint8_t *data; /* of allocations: aligned to 64 */
    uint64_t bytes;
    uint32_t memory, usage, access;
    tb_vm_object *owner;         /* retained: whose memory it is; NULL = freed with this */
    struct tb_hal_buffer *whole; /* the allocation that this is a part of, or itself */
    atomic_int preserved;        /* owners of the allocation */
} tb_hal_buffer;
extern const tb_vm_type tb_hal_buffer_type;
/* Memory with any content. */
tb_status tb_hal_buffer_create(uint64_t bytes, uint32_t usage,
                               tb_hal_buffer **out) TB_MUST_CHECK;
/* Bytes of somebody else, aligned to 64, who keeps them as long as `owner` (retained) lives. */
tb_status tb_hal_buffer_wrap(const void *data, uint64_t bytes, bool writable, uint32_t usage,
                             tb_vm_object *owner, tb_hal_buffer **out) TB_MUST_CHECK;
tb_status tb_hal_buffer_part(tb_hal_buffer *b, uint64_t offset, uint64_t bytes,
                             tb_hal_buffer **out) TB_MUST_CHECK;
/* [offset, offset + bytes) as a range of b; bytes -1: up to the end. */
tb_status tb_hal_range(const tb_hal_buffer *b, int64_t offset, int64_t bytes, uint8_t **at,
                       uint64_t *n) TB_MUST_CHECK;

/* ---- view.c ---- */
typedef struct tb_hal_view {
    tb_vm_object base;
    tb_hal_buffer *buffer;
    uint32_t type, encoding; /* IREE's numbers */
    uint32_t rank;
    int64_t dims[];
} tb_hal_view;
extern const tb_vm_type tb_hal_view_type;
enum { TB_HAL_DENSE = 1 };
uint32_t tb_hal_element_type(tb_dtype t);   /* 0: IREE has none */
tb_dtype tb_hal_element_dtype(uint32_t type); /* TB_NONE: we have none */
/* A view of buffer (retained), whose bytes have to be those of the shape. */
tb_status tb_hal_view_create(tb_hal_buffer *buffer, uint32_t type, uint32_t encoding,
                             uint32_t rank, const int64_t *dims,
                             tb_hal_view **out) TB_MUST_CHECK;
/* A view of a copy of the tensor's data. */
tb_status tb_hal_view_from_tensor(const tb_tensor *t, tb_hal_view **out) TB_MUST_CHECK;
/* The tensor that v is, without a copy: tb_tensor_release(out) releases the reference of v that
 * it holds. */
tb_status tb_hal_view_tensor(tb_hal_view *v, tb_tensor *out) TB_MUST_CHECK;

/* ---- fence.c ---- */
typedef struct tb_hal_fence tb_hal_fence;
extern const tb_vm_type tb_hal_fence_type;
tb_hal_fence *tb_hal_fence_create(void); /* not reached yet; NULL: no memory */
void tb_hal_fence_release(tb_hal_fence *f); /* NULL is fine */
void tb_hal_fence_signal(tb_hal_fence *f); /* NULL is fine; does what waited for it */
/* Waits and queries fail from now on. Takes why. */
void tb_hal_fence_fail(tb_hal_fence *f, tb_status why);
/* Waits until f is reached; NULL is. timeout_ms < 0: for ever. *reached is false if the time
 * was over. Fails if the fence did. */
tb_status tb_hal_fence_wait(tb_hal_fence *f, int64_t timeout_ms, bool *reached) TB_MUST_CHECK;

/* ---- describe.c ---- */
/* Lines about an ELF image: its functions, or why it does not run here. Fails if it is damaged.
 * Nothing of it is run. */
tb_status tb_hal_executable_describe(const uint8_t *bytes, size_t n, tb_buf *out) TB_MUST_CHECK;

/* ---- irpa.c ---- */
/* Adds the entries of a .irpa file (IREE's parameter archive), as tb_params_add_file adds
 * those of .safetensors files; their types are not known. On failure some may be there. */
tb_status tb_hal_add_irpa(tb_params *p, const char *scope, const char *path) TB_MUST_CHECK;

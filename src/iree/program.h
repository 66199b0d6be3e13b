/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * program.h -- a plan as a program for IREE's virtual machine; private to src/iree.
 *
 *   size.c      integer instructions: registers, checks, what is known of values
 *   step.c      buffers, dispatches, copies, loads
 *   function.c  a function: NAME$async(inputs, wait fence, signal fence), NAME(inputs)
 *   init.c      what is done once for a session: code, weights, globals
 *
 * A call records one command buffer; a LOAD runs what is recorded so far and begins a new
 * one. Memory is allocated as the program comes to it and released with its last use.
 */
#pragma once
#include "iree/iree.h"
#include "iree/code.h"

/* Reference globals; those of the plan follow. */
enum { G_DEVICE, G_ALLOCATOR, G_EXECUTABLE, G_WEIGHTS, G_FIRST };
/* 64-bit globals by byte: workgroups that are worth having at once, then the number of each
 * kernel in the executable. */
enum { G64_GROUPS, G64_KERNELS = 8 };

#define T_DEVICE "!hal.device"
#define T_ALLOCATOR "!hal.allocator"
#define T_EXECUTABLE "!hal.executable"
#define T_BUFFER "!hal.buffer"

/* Numbers of IREE's hal.h. */
enum {
    HAL_DENSE = 1,           /* encoding */
    HAL_LOCAL_VISIBLE = 48,  /* memory: the device's, seen by the host */
    HAL_USAGE = 0xc03,       /* transfers, storage of dispatches */
    HAL_USAGE_CONST = 0x80c03,
    HAL_ONE_SHOT = 1,        /* command buffers */
    HAL_TRANSFER_DISPATCH = 3,
    HAL_BARRIER_FROM = 28,   /* dispatches, transfers, end of commands */
    HAL_BARRIER_TO = 13,     /* begin of commands, dispatches, transfers */
    HAL_READ = 1             /* access */
};
enum { IREE_INVALID_ARGUMENT = 3, IREE_OUT_OF_RANGE = 11 };

typedef struct tb_range {
    int64_t lo, hi;
} tb_range;

/* Memory of a buffer register: `bytes` at `offset` in the buffer. */
typedef struct tb_asm_span {
    tb_asm_reg buffer, offset, bytes;
} tb_asm_span;

typedef struct tb_failure {
    uint32_t label, status;
    tb_str message;
} tb_failure;

typedef struct tb_translation {
    const tb_plan *p;
    const tb_plan_function *f;
    tb_asm_module *m;
    tb_asm_fn *v;
    tb_arena *a;
    tb_status error; /* the first thing that cannot be expressed */
    /* by integer register of the plan */
    tb_asm_reg *regs;
    tb_range *ranges;
    uint32_t *writes;
    bool *is_const; /* its range is its value */
    /* by input and axis, by input, by result */
    tb_asm_reg **dims;
    tb_asm_reg *input_buffer, *input_bytes, *result_buffer, *result_bytes;
    tb_asm_reg *slot_buffer, *slot_bytes; /* by buffer register */
    uint32_t *labels;                    /* by word of the code; + 1 */
    const tb_artifact_blob *blobs; /* by constant */
    tb_asm_reg wait, signal, commands, arena, scratch;
    uint64_t scratch_stride; /* of the kernel that takes the most of it */
    bool recorded;           /* something since the commands were begun */
    TB_VEC(tb_failure) failures;
} tb_translation;

/* ---- size.c ---- */
void tb_t_scan(tb_translation *t);
tb_asm_reg tb_t_reg(tb_translation *t, int32_t r); /* to read */
tb_range tb_t_range(const tb_translation *t, int32_t r);
/* Goes on if the i32 is not 0, else fails the call. */
void tb_t_check(tb_translation *t, tb_asm_reg ok, uint32_t status, tb_str message);
/* a * b; fails the call if that overflows and ranges do not tell that it cannot. */
tb_asm_reg tb_t_mul(tb_translation *t, tb_asm_reg a, tb_range ra, tb_asm_reg b, tb_range rb,
                   tb_range *r);
/* True if the instruction is one on integers, which has been written. */
bool tb_t_integer(tb_translation *t, const int32_t *w);
void tb_t_set(tb_translation *t, int32_t r, tb_asm_reg from, tb_range range);
void tb_t_unsupported(tb_translation *t, const char *what);
/* Bytes of a value with the dimensions given. */
tb_asm_reg tb_t_bytes(tb_translation *t, const tb_plan_value *v, const tb_asm_reg *dims,
                     const tb_range *ranges);

/* ---- step.c ---- */
uint32_t tb_t_element_type(uint32_t dtype);
void tb_t_begin_commands(tb_translation *t);
void tb_t_submit(tb_translation *t, tb_asm_reg signal);
void tb_t_await(tb_asm_fn *v, tb_asm_reg fence, tb_asm_reg status);
tb_asm_reg tb_t_allocate(tb_translation *t, tb_asm_reg bytes);
void tb_t_dispatch(tb_translation *t, const int32_t *w);
void tb_t_copy(tb_translation *t, const int32_t *w);
void tb_t_load(tb_translation *t, const int32_t *w);
void tb_t_alloc(tb_translation *t, const int32_t *w);
/* The integer of a dtype at the start of memory, as an i64. */
tb_asm_reg tb_t_load_scalar(tb_translation *t, tb_dtype dtype, tb_asm_span from);

/* ---- function.c, init.c ---- */
tb_status tb_t_function(const tb_plan *p, const tb_artifact_blob *blobs,
                        const tb_plan_function *f, tb_asm_module *m) TB_MUST_CHECK;
void tb_t_init(const tb_plan *p, const char *const *symbols, tb_asm_module *m);
/* Bytes of a global; its dimensions are static. */
int64_t tb_t_global_bytes(const tb_plan *p, uint32_t i);
/* A global that is a constant of the weights. */
bool tb_t_is_weight(const tb_plan_global *g);

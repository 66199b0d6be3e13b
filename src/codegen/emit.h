/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit.h -- what the files that write LLVM IR share.
 *
 *   emit_module.c modules, kernels and their functions
 *   emit.c        values, regions, control flow
 *   emit_map.c    arithmetic: MAP rows, fma, horizontal reductions
 *   emit_mem.c    memory: loads, stores, gathers, scatters, 16-bit floats
 *   emit_wide.c   integers that a 32-bit processor has no instructions for
 *   emit_treg.c   tile registers of x86
 *   library.c     what makes an image one of IREE's executable libraries
 *
 * One emitter writes one module, on one thread. The IR is what the machine shall do: no
 * mid-level pass follows. Two things LLVM would do badly are avoided here: calls into
 * libm or libc (nothing that can become one is written), and vectors of bits that live
 * across basic blocks where the processor has no mask registers (they are kept as
 * integers).
 */
#pragma once
#include <llvm-c/Core.h>

#include "codegen/codegen.h"

/* A value in the function being written. */
typedef struct tb_slot {
    LLVMValueRef v; /* BOOL vectors: i1 lanes, valid in `block` only if `wide` is set */
    LLVMValueRef wide; /* BOOL vectors on targets without masks: i32 lanes, 0 or -1 */
    LLVMValueRef *outs; /* of a FOR: carried values after it */
    uint32_t block;
    uint8_t shuffles; /* of shuffles that LLVM may look through, this one included */
} tb_slot;

/* An internal function that is in the module. */
typedef struct tb_shared_fn {
    uint64_t hash[2];
    LLVMValueRef fn;
    LLVMTypeRef type;
} tb_shared_fn;

typedef struct tb_emitter {
    LLVMContextRef cx;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    const tb_target *target;
    bool x86;
    bool past_caches; /* the function stores past the caches */
    bool half_hw;  /* conversions between f16 and f32 are instructions */
    bool round_hw; /* floor, ceil, trunc, round are instructions */
    bool narrow;   /* no division, and no conversions of 64-bit integers */
    LLVMTypeRef i1, i8, i16, i32, i64, f16, f32, f64, ptr;
    LLVMAttributeRef attrs[4]; /* of every function */
    uint32_t n_attrs;
    LLVMValueRef zeros; /* a constant in memory: where masked-off scalar loads read */
    LLVMValueRef divide_u64; /* on narrow processors: an internal function */
    tb_arena arena;     /* of the kernel being written */

    const tb_kernel *k;
    const tb_kfn *f;
    LLVMValueRef fn, *fns; /* the function being written; by number */
    LLVMTypeRef *fn_types;
    bool *shared;          /* by number: an earlier kernel has brought it */
    tb_arena keep;         /* of the module */
    TB_VEC(tb_shared_fn) functions; /* internal functions of the module */
    tb_map seen_functions;
    tb_slot *slots;        /* by instruction */
    uint32_t block;        /* grows with every basic block */
    LLVMBasicBlockRef entry;
    LLVMValueRef error;    /* alloca: the code to return; NULL if it cannot fail */
    LLVMValueRef trash;    /* alloca: where masked-off scalar stores go */
} tb_emitter;

/* emit_module.c -- a module for the target, with nothing in it. */
void tb_emit_begin(tb_emitter *e, LLVMContextRef cx, const tb_target *target,
                   const char *name);
/* Adds one verified kernel whose entry gets the name `symbol`. */
void tb_emit_kernel(tb_emitter *e, const tb_kernel *k, const char *symbol);
/* library.c -- adds what IREE's runtime calls n kernels by. */
void tb_emit_library(tb_emitter *e, uint32_t n_kernels);
#define TB_LIBRARY_ANCHOR "iree.anchor"
#define TB_LIBRARY_THUNKS "iree." /* and the kernel's number */
/* Releases the builder; the module stays. */
void tb_emit_end(tb_emitter *e);

/* emit.c */
/* Writes the instructions of a region of e->f, at the end of the current block. */
void tb_emit_region(tb_emitter *e, uint32_t region);
LLVMTypeRef tb_emit_type(tb_emitter *e, int dtype, int lanes); /* as in registers */
LLVMTypeRef tb_emit_kept_type(tb_emitter *e, int dtype, int lanes); /* between blocks */
LLVMTypeRef tb_emit_vec(LLVMTypeRef t, int lanes);             /* t itself if 1 lane */
LLVMValueRef tb_emit_value(tb_emitter *e, tb_kv v);            /* usable here */
LLVMValueRef tb_emit_splat(tb_emitter *e, LLVMValueRef scalar, int lanes);
LLVMValueRef tb_emit_int(LLVMTypeRef t, uint64_t x); /* all lanes of a constant */
LLVMValueRef tb_emit_float(LLVMTypeRef t, double x);
/* Calls an intrinsic by name, overloaded on `types`. */
LLVMValueRef tb_emit_intrinsic(tb_emitter *e, const char *name, LLVMTypeRef *types,
                               size_t n_types, LLVMValueRef *args, unsigned n_args);
LLVMBasicBlockRef tb_emit_block(tb_emitter *e); /* a new one, at the end */
void tb_emit_enter(tb_emitter *e, LLVMBasicBlockRef b); /* goes on writing there */
/* A stack slot, made once at the function's start. */
LLVMValueRef tb_emit_alloca(tb_emitter *e, LLVMTypeRef t, unsigned align);

static inline const tb_kinst *
tb_emit_inst(const tb_emitter *e, tb_kv v)
{
    return &e->f->insts.at[v.id];
}
static inline tb_kv
tb_emit_in(const tb_emitter *e, const tb_kinst *i, uint32_t n)
{
    return e->f->operands.at[i->in + n];
}
static inline LLVMValueRef
tb_emit_arg(tb_emitter *e, const tb_kinst *i, uint32_t n)
{
    return tb_emit_value(e, tb_emit_in(e, i, n));
}

/* emit_map.c */
LLVMValueRef tb_emit_map(tb_emitter *e, const tb_kinst *i);
LLVMValueRef tb_emit_fma(tb_emitter *e, const tb_kinst *i);
LLVMValueRef tb_emit_dot_bf16(tb_emitter *e, const tb_kinst *i);
LLVMValueRef tb_emit_to_bf16(tb_emitter *e, const tb_kinst *i);
LLVMValueRef tb_emit_exp2(tb_emitter *e, const tb_kinst *i); /* TB_K_FRACTION, TB_K_SCALE */
LLVMValueRef tb_emit_hreduce(tb_emitter *e, const tb_kinst *i);
/* A MAP row with two operands of the same type. */
LLVMValueRef tb_emit_binary(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a,
                            LLVMValueRef b);

/* emit_wide.c -- where e->narrow; lane by lane or in vectors. The divisor is not 0. */
LLVMValueRef tb_emit_narrow_divide(tb_emitter *e, tb_dtype t, bool rem, LLVMValueRef a,
                                   LLVMValueRef b);
LLVMValueRef tb_emit_narrow_to_float(tb_emitter *e, LLVMValueRef a, bool is_signed,
                                     LLVMTypeRef to);
/* |a| <= 2^63 */
LLVMValueRef tb_emit_narrow_to_i64(tb_emitter *e, LLVMValueRef a, LLVMTypeRef to);

/* emit_treg.c */
void tb_emit_treg(tb_emitter *e, const tb_kinst *i); /* TB_K_TREG_... */

/* emit_mem.c */
LLVMValueRef tb_emit_load(tb_emitter *e, const tb_kinst *i);
LLVMValueRef tb_emit_gather(tb_emitter *e, const tb_kinst *i);
void tb_emit_store(tb_emitter *e, const tb_kinst *i);
void tb_emit_scatter(tb_emitter *e, const tb_kinst *i);
void tb_emit_prefetch(tb_emitter *e, const tb_kinst *i);
LLVMValueRef tb_emit_round(tb_emitter *e, const tb_kinst *i);

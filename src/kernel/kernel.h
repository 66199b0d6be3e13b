/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * kernel.h -- the loop IR: what a kernel does, in loops, loads, stores and scalars or
 * short vectors. Schedules (contract.c, attention.c, rows.c, nest.c) write it, codegen
 * turns it into LLVM IR one to one, eval.c interprets it, print.c shows it as C-like text.
 *
 * A kernel is an entry function with the ABI of artifact/plan.h plus internal functions
 * (micro-kernels) that it calls. A function is a tree of regions; a region is a list of
 * instructions. Values are SSA, typed (dtype, lanes).
 *
 * The builder places code: a pure instruction goes to the innermost region that one of its
 * operands lives in (so loop invariants are hoisted as they are written) and an equal
 * instruction that exists is returned. Loads, stores, calls, loops stay where they are
 * written. Nothing is optimised afterwards: LLVM runs without its mid-level passes.
 *
 * Memory: addresses are `ptr + (index + imm) elements`. F16, BF16 and BOOL exist in memory
 * only: loads widen f16/bf16 to F32 and bytes to BOOL (!= 0), stores narrow (round to nearest
 * even). All other dtypes are themselves. Loads need no alignment.
 */
#pragma once
#include "artifact/artifact.h"
#include "graph/graph.h"

/* ---- targets (target.c) ---- */
typedef struct tb_target {
    const tb_cpu_level *level;
    int lanes;       /* f32 elements of a vector register: 16, 8, 4; 1 = no vectors */
    int vregs;       /* vector registers */
    bool fma;        /* fused multiply-add in hardware */
    bool masks;      /* masked loads and stores are cheap (AVX-512, RVV) */
    bool bf16_dot;   /* tb_k_dot_bf16 is an instruction, and worth using */
    bool bf16_round; /* tb_k_to_bf16 is an instruction */
    bool exp2;       /* tb_k_fraction and tb_k_scale are instructions */
    bool amx;        /* tile registers (tb_k_treg_dot) are there */
    int64_t l1_bytes, l2_bytes;
} tb_target;
/* Fills in the description of a CPU level. */
tb_target tb_target_of(const tb_cpu_level *level);

/* ---- values ---- */
typedef struct tb_kv {
    uint32_t id; /* 0 = none */
} tb_kv;
#define TB_NO_KV ((tb_kv){0})

/* dtype of pointers; all other types are tb_dtype numbers (F16/BF16 never) */
#define TB_K_PTR 64

typedef enum tb_kop {
    /*                        operands            meaning */
    TB_K_NONE,
    TB_K_PARAM,    /*         imm = number        argument of an internal function */
    TB_K_ARG,      /*         imm = number        of a FOR region: induction variable, then
                                                  carried values; in no list */
    TB_K_BINDING,  /*         imm = number        pointer to a buffer (entry only) */
    TB_K_SIZE,     /*         imm = number        i64 from `sizes` (entry only) */
    TB_K_TILE_BEGIN,
    TB_K_TILE_END,
    TB_K_SCRATCH,  /*         imm = byte offset   pointer into scratch */
    TB_K_CONST,    /*         imm = bits          scalar: int64, double or float bits by dtype */
    TB_K_LANE_IDS, /*                             <0, 1, 2, ...> of the type */
    TB_K_SPLAT,    /*         a                   scalar to all lanes */
    TB_K_MAP,      /*         a, b, c; imm=prim   a MAP row of prims.def (also cast, bitcast) */
    TB_K_FMA,      /*         a, b, c             a * b + c, rounded once if target->fma */
    TB_K_DOT_BF16, /*         a, b, c             c + products of pairs; only where
                                                  target->bf16_dot; see tb_k_dot_bf16 */
    TB_K_TO_BF16,  /*         a                   bits of bf16; only where target->bf16_round; see
                                                  tb_k_to_bf16 */
    TB_K_FRACTION, /*         a                   what floor(a) leaves; only where target->exp2 */
    TB_K_SCALE,    /*         a, b                a * 2^floor(b); only where target->exp2 */
    TB_K_PTR_ADD,  /*         ptr, i64; imm=bytes ptr + index * imm bytes */
    TB_K_LOAD,     /*         ptr, index, mask?   imm = element offset; mem = memory dtype;
                                                  lanes consecutive elements; masked-off
                                                  lanes are 0 */
    TB_K_GATHER,   /*         ptr, index vector, mask?   per-lane loads */
    TB_K_STORE,    /*         ptr, index?, value, mask?  imm = element offset; other = 1: nobody
                                                  will read it soon, past the caches */
    TB_K_SCATTER,  /*         ptr, index vector, value, mask? (later lanes win) */
    TB_K_PREFETCH, /*         ptr; imm = cache    asks for the line there */
    TB_K_EXTRACT,  /*         a; imm = lane       scalar */
    TB_K_SHUFFLE,  /*         a, b; lane list     lanes from a (0..n-1) and b (n..2n-1) */
    TB_K_HREDUCE,  /*         a; imm = prim       add, mul, max, min, and, or over all lanes,
                                                  by halving (order is part of the meaning) */
    TB_K_FOR,      /*         lo, hi, init...     region; carried values; see tb_k_for */
    TB_K_FOR_OUT,  /*         for; imm = number   carried value after the loop */
    TB_K_IF,       /*         cond                region(s) without results */
    TB_K_CALL,     /*         args...; imm = fn   internal function, no result */
    TB_K_ROUND,    /*         a; mem = F16, BF16  rounded to that precision, type unchanged */
    TB_K_FAIL,     /*         cond; imm = code    if cond, the kernel will return this code */
    /* tile registers, only where target->amx; imm = number; see tb_k_treg_config */
    TB_K_TREG_CONFIG,  /*     i64 x TB_TREGS      how many rows each has; all become zero */
    TB_K_TREG_RELEASE,
    TB_K_TREG_ZERO,
    TB_K_TREG_LOAD,    /*     ptr, i64            rows so many bytes apart */
    TB_K_TREG_STORE,   /*     ptr, i64 */
    TB_K_TREG_DOT,     /*                         imm = c | a << 4 | b << 8 */
    TB_K_END
} tb_kop;

typedef struct tb_kinst {
    uint8_t op;     /* tb_kop */
    uint8_t dtype;  /* of the result: tb_dtype or TB_K_PTR; TB_NONE if no result */
    uint8_t lanes;  /* 1 = scalar */
    uint8_t mem;    /* LOAD/STORE/GATHER/SCATTER: tb_dtype in memory */
    uint32_t region;  /* region that holds it */
    uint32_t n_in, in; /* operands: in fn->operands */
    int64_t imm;
    uint32_t body;  /* FOR, IF: region; SHUFFLE: first lane number in fn->lane_lists */
    uint32_t other; /* IF: else region or 0 */
} tb_kinst;

typedef struct tb_kregion {
    uint32_t parent, depth;
    TB_VEC(uint32_t) insts;   /* in order */
    TB_VEC(tb_kv) args;       /* FOR: induction variable, then carried values */
    TB_VEC(tb_kv) next;       /* FOR: carried values for the next round */
    bool is_if;               /* nothing that can trap is hoisted out of it */
    bool once;                /* a loop of one round: written into the region around it */
    uint32_t owner;           /* FOR or IF, 0 for the function's body */
} tb_kregion;

typedef struct tb_kfn {
    tb_str name;
    TB_VEC(tb_kinst) insts;   /* index 0 unused */
    TB_VEC(tb_kv) operands;
    TB_VEC(int32_t) lane_lists;
    TB_VEC(tb_kregion) regions; /* 0 = the function's body */
    TB_VEC(uint16_t) params;  /* types: dtype | lanes << 8 */
    tb_map seen;
} tb_kfn;

typedef struct tb_kernel {
    tb_ctx *cx;
    const tb_target *target;
    tb_str name;          /* "k3_softmax" */
    tb_loc loc;
    TB_VEC(tb_kfn *) fns; /* 0 is the entry */
    tb_kfn *f;            /* function being written */
    uint32_t region;      /* region being written */
    uint32_t outer;       /* region of the entry to go back to after tb_k_fn_end */
    uint32_t n_bindings;
    TB_VEC(tb_dim) sizes; /* what the caller passes in `sizes` */
    int64_t scratch_bytes;/* per worker, constant */
    uint64_t tile_cost_ns;
} tb_kernel;

/* ---- building (kernel*.c). All raise on ill-typed operands (our bug: TB_CHECK). ---- */
tb_kernel *tb_kernel_new(tb_ctx *cx, const tb_target *target, tb_str name);
tb_kv tb_k_binding(tb_kernel *k, uint32_t number);
/* The value of a dimension: constants directly; expressions are computed from symbols,
 * which are passed in `sizes` (added on first use). `u` is the unit the dim belongs to. */
tb_kv tb_k_dim(tb_kernel *k, tb_unit *u, tb_dim d);
tb_kv tb_k_tile_begin(tb_kernel *k);
tb_kv tb_k_tile_end(tb_kernel *k);
/* Reserves scratch (64-byte aligned) and gives a pointer to it. */
tb_kv tb_k_scratch(tb_kernel *k, int64_t bytes);

tb_kv tb_k_int(tb_kernel *k, int64_t value); /* I64 scalar */
tb_kv tb_k_const(tb_kernel *k, tb_dtype t, double value); /* exact for ints < 2^53 */
tb_kv tb_k_const_int(tb_kernel *k, tb_dtype t, int64_t value);
tb_kv tb_k_lane_ids(tb_kernel *k, tb_dtype t, int lanes);
tb_kv tb_k_splat(tb_kernel *k, tb_kv a, int lanes); /* a itself if it has the lanes */
/* Elementwise, types as prims.def; a scalar operand beside a vector one is splat. Folds
 * constants and the identities x+0, x*1, x*0 (ints), x/1, x%1 for integers. On floats,
 * transcendental rows are written out by math.c into basic rows, so that codegen and
 * evaluator only meet: add sub mul div rem(int) max min and or xor shl shr eq ne lt le neg
 * abs not floor ceil trunc round sqrt copysign where cast bitcast. */
tb_kv tb_k_map(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b, tb_kv c);
tb_kv tb_k_cast(tb_kernel *k, tb_kv a, tb_dtype to);
tb_kv tb_k_bitcast(tb_kernel *k, tb_kv a, tb_dtype to);
tb_kv tb_k_fma(tb_kernel *k, tb_kv a, tb_kv b, tb_kv c);
/* a and b: U32 lanes of two BF16 each, c: F32, 4, 8 or 16 lanes. First c + a.high * b.high,
 * then that + a.low * b.low, each rounded once, to nearest even, with subnormals taken for
 * zero in operands and results. The targets' own instruction, so only where bf16_dot is set. */
tb_kv tb_k_dot_bf16(tb_kernel *k, tb_kv a, tb_kv b, tb_kv c);
/* F32, 8 or 16 lanes, to the bits of bf16 (U16): to nearest even, with subnormals taken for zero, as
 * those do who multiply it. A store as BF16 keeps them, in five times as many instructions. Only where
 * bf16_round is set. */
tb_kv tb_k_to_bf16(tb_kernel *k, tb_kv a);
/* F32, 4, 8 or 16 lanes, only where exp2 is set. a - floor(a), rounded down: in [0, 1), -0 for
 * whole numbers, 0 for infinities. */
tb_kv tb_k_fraction(tb_kernel *k, tb_kv a);
/* a * 2^floor(b), rounded once; a NaN only remains one if b is finite or NaN. */
tb_kv tb_k_scale(tb_kernel *k, tb_kv a, tb_kv b);
/* e^(x - top) for x up to top, as a softmax takes it: where exp2 is set, the relative error is
 * 1.25 |x - top| 2^-24 more than that of exp: nothing to results that are near 1.
 * docs/math.md */
tb_kv tb_k_exp_below(tb_kernel *k, tb_kv x, tb_kv top);
/* The larger of two, a where b is a NaN: one instruction where max is three. */
tb_kv tb_k_larger(tb_kernel *k, tb_kv a, tb_kv b);
/* Tile registers (treg.c; Intel's AMX): TB_TREGS of them, each of up to TB_TREG_ROWS rows of
 * TB_TREG_BYTES. They are no values but memory of the worker with numbers: a kernel's entry says
 * first how many rows each has, 1 to TB_TREG_ROWS (I64), then it or its functions use them, and
 * it lets go of them at its end. Memory is at ptr, `pitch` bytes (I64) from row to row. */
enum { TB_TREGS = 8, TB_TREG_ROWS = 16, TB_TREG_BYTES = 64 };
void tb_k_treg_config(tb_kernel *k, const tb_kv rows[TB_TREGS]);
void tb_k_treg_release(tb_kernel *k);
void tb_k_treg_zero(tb_kernel *k, int t);
void tb_k_treg_load(tb_kernel *k, int t, tb_kv ptr, tb_kv pitch);
void tb_k_treg_store(tb_kernel *k, int t, tb_kv ptr, tb_kv pitch);
/* c += a . b: rows of c are F32, those of a BF16 along r, those of b words of two BF16, rows 2k
 * (below) and 2k + 1 of one column. b has all its rows, a as many as c. Sums of even and of odd r
 * are added up by themselves, then to each other and to c; subnormals are taken for zero.
 * (Intel's Software Developer's Manual, TDPBF16PS.) */
void tb_k_treg_dot(tb_kernel *k, int c, int a, int b);
bool tb_kernel_has_tregs(const tb_kernel *k);
/* Register number n of an instruction that names some: c, a and b of a dot. */
static inline int
tb_k_treg(const tb_kinst *i, int n)
{
    return (int)(i->imm >> 4 * n & 15);
}
/* integer helpers on I64 scalars or vectors */
tb_kv tb_k_add(tb_kernel *k, tb_kv a, tb_kv b);
tb_kv tb_k_sub(tb_kernel *k, tb_kv a, tb_kv b);
tb_kv tb_k_mul(tb_kernel *k, tb_kv a, tb_kv b);
tb_kv tb_k_div(tb_kernel *k, tb_kv a, tb_kv b); /* operands not negative; b > 0 */
tb_kv tb_k_mod(tb_kernel *k, tb_kv a, tb_kv b);
tb_kv tb_k_min(tb_kernel *k, tb_kv a, tb_kv b);
tb_kv tb_k_max(tb_kernel *k, tb_kv a, tb_kv b);
tb_kv tb_k_lt(tb_kernel *k, tb_kv a, tb_kv b); /* BOOL */

tb_kv tb_k_ptr_add(tb_kernel *k, tb_kv ptr, tb_kv index, int64_t elem_bytes);
/* index may be NO_KV (0). mask: BOOL vector with the lanes, or NO_KV. */
tb_kv tb_k_load(tb_kernel *k, tb_dtype mem, int lanes, tb_kv ptr, tb_kv index, int64_t imm,
                tb_kv mask);
tb_kv tb_k_gather(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, tb_kv mask);
void tb_k_store(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, int64_t imm, tb_kv value,
                tb_kv mask);
/* A vector that nobody will read soon: past the caches where its address allows that. */
void tb_k_store_past(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, tb_kv value);
void tb_k_scatter(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, tb_kv value,
                  tb_kv mask);
/* What is at ptr will be read: its line goes to that cache, the first or the second, while other
 * things are computed. ptr need not point into a buffer; where there is no such instruction
 * nothing is done. */
enum { TB_FIRST_CACHE = 1, TB_SECOND_CACHE };
void tb_k_prefetch(tb_kernel *k, tb_kv ptr, int cache);
/* All lines of so many bytes. */
void tb_k_prefetch_lines(tb_kernel *k, tb_kv ptr, int64_t bytes, int cache);
tb_kv tb_k_extract(tb_kernel *k, tb_kv a, int lane);
tb_kv tb_k_shuffle(tb_kernel *k, tb_kv a, tb_kv b, const int32_t *lanes, int n);
tb_kv tb_k_hreduce(tb_kernel *k, tb_prim p, tb_kv a);
/* Like a load, but of memory that this kernel never writes: placed and shared like a pure
 * instruction. Scalar loads may have a BOOL scalar mask: where it is false nothing is read
 * and the value is 0. */
tb_kv tb_k_load_pure(tb_kernel *k, tb_dtype mem, int lanes, tb_kv ptr, tb_kv index,
                     int64_t imm, tb_kv mask);
/* Rounds F32 (or F64) lanes to F16 or BF16 precision; the type stays. */
tb_kv tb_k_round(tb_kernel *k, tb_kv a, tb_dtype to);
/* If the BOOL scalar holds the kernel will return `code`; it goes on. Placed like a pure
 * instruction. */
void tb_k_fail_if(tb_kernel *k, tb_kv cond, int code);

/* for (i = lo; i < hi; i += step), step > 0. n carried values start as init[]; inside, they
 * are read with tb_k_carried; tb_k_end_for gives their next values and writes what they are
 * after the loop to out[] (out may be NULL if n is 0). */
tb_kv tb_k_for(tb_kernel *k, tb_kv lo, tb_kv hi, int64_t step, const tb_kv *init, uint32_t n);
tb_kv tb_k_carried(tb_kernel *k, uint32_t number);
void tb_k_end_for(tb_kernel *k, const tb_kv *next, tb_kv *out);
void tb_k_if(tb_kernel *k, tb_kv cond);
void tb_k_else(tb_kernel *k);
void tb_k_end_if(tb_kernel *k);

/* Internal function: params[] are dtype | lanes << 8 (pointers: TB_K_PTR | 1 << 8). Between
 * begin and end the builder writes into it. Returns its number for tb_k_call. */
uint32_t tb_k_fn_begin(tb_kernel *k, tb_str name, const uint16_t *params, uint32_t n);
tb_kv tb_k_param(tb_kernel *k, uint32_t number);
void tb_k_fn_end(tb_kernel *k);
void tb_k_call(tb_kernel *k, uint32_t fn, const tb_kv *args, uint32_t n);

static inline const tb_kinst *
tb_k_inst(const tb_kernel *k, tb_kv v)
{
    return &k->f->insts.at[v.id];
}
bool tb_k_is_const(const tb_kernel *k, tb_kv v, int64_t *value); /* integer constants */

/* math.c -- exp, log, ... on F32/F64 scalars or vectors, in basic rows. ULP bounds in
 * docs/math.md, tested over the whole range. */
tb_kv tb_k_math(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b);

/* print.c, verify.c, eval.c */
void tb_kernel_print(const tb_kernel *k, tb_buf *out);
void tb_kernel_verify(const tb_kernel *k); /* raises TB_INTERNAL with the first fault */
/* Same text up to names = same kernel: a hash of everything codegen depends on. */
void tb_kernel_hash(const tb_kernel *k, uint64_t hash[2]);
/* The same of one internal function; kernels of one target may share functions. */
void tb_kfn_hash(const tb_kfn *f, uint64_t hash[2]);
/* Interprets the kernel like a call through the ABI; returns its code. Bounds of buffers
 * are checked if bytes[] is given (raises). */
int32_t tb_kernel_eval(const tb_kernel *k, void *const *bindings, const size_t *bytes,
                       const int64_t *sizes, int64_t tile_begin, int64_t tile_end,
                       void *scratch);

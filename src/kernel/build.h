/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * build.h -- what the files of the builder and the evaluator share.
 *
 *   kernel.c       storage, placement, pure instructions
 *   kernel_flow.c  memory, loops and branches, functions
 *   fold.c         tb_k_map: types, constants, identities
 *   treg.c         tile registers
 *   scalar.c       one lane of a MAP row on plain bits, for folding and for eval.c
 */
#pragma once
#include "kernel/kernel.h"

/* kernel.c */
uint32_t tb_kb_inst(tb_kernel *k, tb_kinst inst, const tb_kv *in, uint32_t n_in); /* in no list */
uint32_t tb_kb_region(tb_kernel *k, uint32_t owner, bool is_if); /* inside the present one */
/* The region whose list instructions written in `r` go to. */
uint32_t tb_kb_real_region(const tb_kfn *f, uint32_t r);
void tb_kb_check(const tb_kernel *k, tb_kv v); /* is v there, and visible here? */
/* Appends where it is written. */
uint32_t tb_kb_here(tb_kernel *k, tb_kinst inst, const tb_kv *in, uint32_t n_in);
/* Finds an equal one, or places it; `traps` as in tb_k_pure. */
tb_kv tb_kb_pure(tb_kernel *k, tb_kinst w, const tb_kv *in, uint32_t n_in, bool traps);
/* Finds or places an instruction without side effects. `traps`: it may not be executed
 * where the program would not have executed it. */
tb_kv tb_k_pure(tb_kernel *k, tb_kop op, int dtype, int lanes, int mem, int64_t imm,
                const tb_kv *in, uint32_t n_in, bool traps);
/* The scalar behind a constant: v itself or what it is a splat of; false if none. */
bool tb_k_const_bits(const tb_kernel *k, tb_kv v, uint64_t *bits);
tb_kv tb_k_const_raw(tb_kernel *k, tb_dtype t, uint64_t bits, int lanes);
static inline tb_dtype
tb_k_type(const tb_kernel *k, tb_kv v)
{
    return (tb_dtype)tb_k_inst(k, v)->dtype;
}
static inline int
tb_k_lanes(const tb_kernel *k, tb_kv v)
{
    return tb_k_inst(k, v)->lanes;
}

/* scalar.c -- values as bits: float in the low 32, double, integers sign- or zero-extended
 * by their kind. */
uint64_t tb_lane_map(tb_prim p, tb_dtype t, tb_dtype to, uint64_t a, uint64_t b,
                     uint64_t c);
uint64_t tb_lane_wrap(tb_dtype t, uint64_t x); /* integers to their dtype's range */
uint64_t tb_lane_fma(tb_dtype t, bool fused, uint64_t a, uint64_t b, uint64_t c);
uint64_t tb_lane_dot_bf16(uint64_t a, uint64_t b, uint64_t c);
uint64_t tb_lane_to_bf16(uint64_t a);
/* a * b + c rounded once, subnormals taken for zero before and after. */
float tb_flushing_fma(float a, float b, float c);
uint64_t tb_lane_fraction(uint64_t a);
uint64_t tb_lane_scale(uint64_t a, uint64_t b);
uint64_t tb_lane_round(tb_dtype t, tb_dtype to, uint64_t a);
static inline float
tb_lane_f32(uint64_t x)
{
    uint32_t u = (uint32_t)x;
    float f;
    memcpy(&f, &u, 4);
    return f;
}
static inline double
tb_lane_f64(uint64_t x)
{
    double f;
    memcpy(&f, &x, 8);
    return f;
}
static inline uint64_t
tb_lane_of_f32(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}
static inline uint64_t
tb_lane_of_f64(double f)
{
    uint64_t u;
    memcpy(&u, &f, 8);
    return u;
}

/* treg.c -- tile registers of the interpreter. */
typedef struct tb_tregs {
    uint8_t rows[TB_TREGS]; /* 0: not configured */
    uint8_t bytes[TB_TREGS][TB_TREG_ROWS][TB_TREG_BYTES];
} tb_tregs;
/* False if the numbers of rows do not allow it. */
bool tb_tregs_config(tb_tregs *t, const int64_t rows[TB_TREGS]);
bool tb_tregs_dot(tb_tregs *t, int c, int a, int b);

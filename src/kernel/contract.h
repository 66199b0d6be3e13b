/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * contract.h -- what schedules of products share: the micro-kernel (micro.c), panels of
 * constant operands (pack.c) and of others (repack.c), addresses (contract.c).
 */
#pragma once
#include "kernel/lower.h"

#define TB_PANEL 64 /* columns of a packed panel, for every target */

/* ---- micro.c ---- */
enum { TB_MICRO_ARGS = 24 };
typedef struct tb_micro {
    int mr, nv, lanes;    /* rows; vectors of `lanes` per row */
    int panel;            /* columns, a multiple of nv * lanes; rows of c are this long */
    tb_dtype acc, a_mem, b_mem;
    bool fresh;           /* c is written, not added to */
    bool unit_step;       /* a's step is 1 */
    bool pitched;         /* b's rows are `pitch` apart, else panel */
} tb_micro;
/* Chooses mr, nv and lanes for a target; `rows` is how many rows there are in all. */
void tb_micro_shape(tb_micro *m, const tb_target *t, tb_dim rows);
/* Writes the function; its number for tb_micro_call. */
uint32_t tb_micro_kernel(tb_kernel *k, const tb_micro *m);
/* c[mr][panel] (+)= a . b: rows[mr], b and c are pointers, the others I64. */
void tb_micro_call(tb_kernel *k, const tb_micro *m, uint32_t fn, const tb_kv *rows, tb_kv b,
                   tb_kv pitch, tb_kv c, tb_kv len, tb_kv step);

/* ---- pack.c ---- */
/* Packs elements (r, n) at `offset + r*step_r + n*step_n + group*step_group` of a
 * constant into [group][ceil(N/64)][R][64], columns past N zero. Returns the new constant
 * of the unit; the same request gives the same constant. */
uint32_t tb_pack_const(tb_lower *l, uint32_t unit_const, int64_t offset, int64_t R, int64_t N,
                       int64_t step_r, int64_t step_n, int64_t groups, int64_t step_group);

/* ---- repack.c ---- */
/* An operand (r, n) of R x N at `flat` of a stored node, to be laid out in panels in a
 * temporary: [batch][ceil(N/64)][R][64]; columns past N hold anything. */
typedef struct tb_repack {
    tb_lower *l;
    tb_val store;
    tb_ix flat;
    uint32_t r, n; /* its variables */
    tb_dim R, N, step_r, step_n;
    tb_dtype mem;
    uint32_t temp;
    const uint32_t *batch; /* variables; n_batch 0: the operand is the same for all */
    uint32_t n_batch;
    tb_dim batches;
} tb_repack;
void tb_repack_kernel(const tb_repack *p); /* writes the whole kernel */
/* rows[n] of n lanes: rows and lanes change places. n is a power of two. */
void tb_transpose_square(tb_kernel *k, tb_kv *rows, int n);

/* ---- contract.c ---- */
/* Binds batch variables to the parts of a row-major index. */
void tb_bind_batches(tb_lower *l, const uint32_t *vars, uint32_t n, tb_kv flat);
/* Address of a node at indices, as an expression over its storage. */
tb_ix tb_operand_address(tb_lower *l, tb_val v, const tb_ix *idx, tb_val *stored);
/* The coefficient of var in a, which must be linear in it (grouping saw to that). */
tb_dim tb_operand_step(tb_lower *l, const tb_ix *a, uint32_t var);
tb_ix tb_ix_without(const tb_ix *a, uint32_t var);

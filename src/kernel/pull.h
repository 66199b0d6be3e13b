/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pull.h -- what the files that give values at indices share.
 *
 *   pull.c    the value of a node: maps, movement, what is known already
 *   lanes.c   indices as scalars and vectors: how variables move along the lanes
 *   access.c  loads and stores of elements
 */
#pragma once
#include "kernel/build.h"
#include "kernel/lower.h"

enum { TB_PULL_LANES = 16 }; /* of a vector, at most */

static inline tb_kv
tb_ix_dim(tb_lower *l, tb_dim d)
{
    return tb_k_dim(l->k, l->u, d);
}

/* ---- lanes.c ---- */
/* The same for all lanes; from lane to lane by the same step; or anything. */
enum { TB_UNIFORM, TB_AFFINE, TB_VECTOR };
int tb_var_class(tb_lower *l, uint32_t var);
int tb_ix_class(tb_lower *l, const tb_ix *e);

/* access.c: what of the mask holds for all lanes or for none, a BOOL scalar; NO_KV if nothing does. */
tb_kv tb_guard_of_mask(tb_lower *l);

/* A place in memory or an index, split by how it moves along the lanes. */
typedef struct tb_spread {
    tb_kv base;  /* scalar I64: lane 0, without vec */
    tb_dim step; /* added per lane */
    tb_kv vec;   /* I64 lanes added on top, or NO_KV */
} tb_spread;
tb_spread tb_ix_spread(tb_lower *l, const tb_ix *a);
/* Its lanes as one vector. */
tb_kv tb_ix_join(tb_lower *l, tb_spread s);

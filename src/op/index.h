/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * index.h -- x[a, :, b]: what reading (index.c) and writing (index_write.c) share.
 */
#pragma once
#include "op/body.h"

/* Tensors that index some axes of x: I64, not negative, all of one shape. */
typedef struct tb_indices {
    uint32_t mask; /* axes of x */
    tb_val at[TB_MAX_RANK];
    uint32_t n;
    int front; /* where PyTorch puts the axes of the indices among the others in x[...] */
    int rank;  /* of the index tensors */
} tb_indices;

/* Reads argument i, a list with None for axes that are taken whole. Boolean masks become
 * the positions where they are true. */
tb_indices tb_indices_read(tb_opctx *c, uint32_t i, tb_val x);
/* The result of x[...]. */
tb_val tb_indices_get(tb_graph *g, const tb_indices *ix, tb_val x);
/* The dims of that result. Returns its rank. */
int tb_indices_dims(tb_graph *g, const tb_indices *ix, tb_val x, tb_dim *out);
/* A value of those dims with the axes of the indices first, as `scatter` wants it. */
tb_val tb_indices_to_front(tb_graph *g, const tb_indices *ix, tb_val v);
/* For an index that counts positions along `axis` and has x's rank: tensors for all axes,
 * which pick x[.., index[p], ..] for each p (torch.gather, torch.scatter). */
void tb_indices_along(tb_graph *g, tb_val index, int axis, tb_val *out);
/* The positions of the true elements of a mask of any rank, flat and in order: I64 [n],
 * with n a number that is read from the data (select.c). */
tb_val tb_indices_true(tb_graph *g, tb_val mask);
/* Flat positions in a tensor of these dims as one index for each axis. */
void tb_indices_split(tb_graph *g, tb_val at, int rank, const tb_dim *dims, tb_val *out);

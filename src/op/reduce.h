/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * reduce.h -- arguments and results of reductions (reduce.c, reduce_norm.c).
 *
 * Everywhere: `dim` missing or empty means all axes; without keepdim the reduced axes go.
 * A tensor of rank 0 counts as one with a single axis.
 */
#pragma once
#include "op/body.h"

enum { TB_NO_ARG = 99 }; /* an argument that the schema lacks */

/* The axes in argument i as a mask; none for rank 0. */
uint32_t tb_reduce_axes(tb_opctx *c, uint32_t i, tb_val x);
/* Drops reduced axes, which have size 1 now, unless argument `keepdim` is true. */
tb_val tb_reduce_finish(tb_opctx *c, tb_val r, uint32_t axes, uint32_t keepdim);
bool tb_reduce_is_float(const tb_graph *g, tb_val x);
/* The float dtype that PyTorch gives the result of such a function of x. */
tb_dtype tb_reduce_float(const tb_graph *g, tb_val x);

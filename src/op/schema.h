/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * schema.h -- what the files of this folder share and bodies do not need.
 */
#pragma once
#include "op/op.h"

/* schema.c: the text becomes part of the result. */
tb_schema *tb_schema_parse(tb_ctx *cx, const char *text);

/* op.c: tb_op_normalize for a schema that is at hand. */
const tb_arg *tb_bind_args(tb_ctx *cx, const tb_schema *s, const tb_arg *args, uint32_t n,
                           const tb_str *kw_names, const tb_arg *kw_args, uint32_t n_kw,
                           tb_loc loc);

/* promote.c: what torch.promote_types says; TB_NONE if it refuses. */
tb_dtype tb_promote_types(tb_dtype a, tb_dtype b);
/* Converts and broadcasts the arguments of a promoted row in place. */
void tb_promote_args(tb_opctx *c, const tb_schema *s, tb_promote how, tb_arg *args);
/* The dtype that torch.result_type gives for the arguments whose bit is set. */
tb_dtype tb_promote_dtype(tb_opctx *c, const tb_arg *args, uint32_t n, uint64_t mask);
/* A tensor or number as a tensor of dtype t; a number has rank 0. */
tb_val tb_promote_value(tb_opctx *c, const tb_arg *a, tb_dtype t);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * op.h -- ATen operators: a row (PyTorch's schema verbatim, promotion kind) and a body of
 * a few lines that spells it in primitives. Adding an operator means one row and one body
 * in the file of its family; docs/adding-an-op.md.
 */
#pragma once
#include "graph/graph.h"

typedef enum tb_promote {
    TB_KEEP,  /* tensors arrive as they are */
    TB_ARITH, /* pointwise: common dtype of all tensors and scalars (torch's type
                 promotion), broadcast to a common shape; scalars arrive as tensors */
    TB_FLOATY,/* as ARITH, integers become the default float dtype (f32) */
    TB_COMPARE,/* as ARITH; the result is BOOL */
} tb_promote;

/* What a body gets: arguments in schema order with defaults filled in. For promoted rows
 * every Tensor/Scalar argument (except `alpha` and the like: those declared Scalar with a
 * default) has kind TB_ARG_TENSOR. */
typedef struct tb_opctx {
    tb_graph *g;
    const tb_call *call;
    const tb_arg *arg;
    uint32_t n_args;
    tb_loc loc;
    tb_val out[8];  /* bodies with several results fill these and n_out */
    uint32_t n_out;
    const tb_val *list; /* or a list of results (split, unbind) */
    uint32_t n_list;
} tb_opctx;

typedef struct tb_op {
    const char *schema; /* "softmax.int(Tensor self, int dim, ...) -> Tensor" */
    tb_promote promote;
    tb_val (*body)(tb_opctx *c); /* the single result, or NO_VAL with c->out filled */
} tb_op;

/* A schema, parsed once per process start-up table (schema.c). */
typedef struct tb_schema_arg {
    tb_str name, type;      /* type "Tensor?", "SymInt[2]", "ScalarType?" */
    bool has_default, kwarg_only;
    tb_arg default_value;
} tb_schema_arg;
typedef struct tb_schema {
    tb_str name;            /* "softmax.int" */
    const tb_schema_arg *args;
    uint32_t n_args, n_results;
    bool returns_list;
} tb_schema;

/* Looks up "aten.softmax.int" ("aten." may be left out). NULL if we lack it. Families are
 * tables tb_ops_<family>[] in the files of this folder, listed in op.c. */
const tb_op *tb_op_find(tb_str name);
/* "turbine_seeded.bernoulli.p" is aten.bernoulli.p with two arguments in front: the seed
 * its numbers are drawn from (an I64 of rank 0) and the number of the draw. So the same
 * numbers can be drawn twice, and a caller may bring the seed. Without the prefix they
 * come from the module's own state. 2 for such a name, else 0. */
uint32_t tb_op_seed_args(tb_str name);
const tb_schema *tb_op_schema(tb_ctx *cx, const tb_op *op);
const tb_op *tb_op_at(uint32_t i); /* all rows, NULL at the end */
/* Fills in defaults and normalises arguments (schema order). Raises on a wrong count. */
const tb_arg *tb_op_normalize(tb_ctx *cx, const tb_op *op, const tb_arg *args, uint32_t n,
                              const tb_str *kw_names, const tb_arg *kw_args,
                              uint32_t n_kw, tb_loc loc, uint32_t *n_out);

/* decompose: spells every ATen node of `in` in primitives. All operators we lack are
 * collected and raised at once with their locations (TB_UNSUPPORTED). Declared result
 * types are checked against what the primitives infer. */
tb_graph *tb_decompose(tb_graph *in);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * mlir.h -- torch-dialect MLIR text, both ways. The only folder that knows how
 * `!torch.vtensor` is written.
 */
#pragma once
#include "graph/graph.h"

/* Text, or MLIR's bytecode, to a unit of ATen nodes (scalar arithmetic of sizes is evaluated
 * on the way into tb_dim expressions). Raises `file:line:col: message`, `file, byte N:
 * message` for bytecode that is broken. `text` may be dropped afterwards: constants of
 * dense_resource blobs are copied. */
tb_unit *tb_mlir_parse(tb_ctx *cx, tb_str text, tb_str file_name);

typedef struct tb_mlir_options {
    int64_t large_elements_limit; /* constants with more elements are elided; -1 = never */
    bool locations;
} tb_mlir_options;
/* A unit of ATen nodes to text in the form iree-compile and torch-mlir accept. */
void tb_mlir_print(const tb_unit *u, const tb_mlir_options *o, tb_buf *out);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * text.h -- what print.c and parse.c agree on: how the attributes of each primitive are
 * called and written. docs/formats/tb.md describes the text.
 */
#pragma once
#include "graph/internal.h"

typedef enum tb_attr_kind {
    TB_AT_INT,
    TB_AT_DIM,   /* a number or [expression] */
    TB_AT_AXES,  /* a bit mask, written as a list of axes */
    TB_AT_VALUE, /* of `full`: an integer, or the bits of a double by the node's dtype */
    TB_AT_F64,   /* the bits of a double */
    TB_AT_MODE,  /* of scatter, by name */
    TB_AT_SYM    /* a symbol, by name */
} tb_attr_kind;

typedef enum tb_attr_count {
    TB_AT_ONE,
    TB_AT_RANK, /* one per axis of the first operand */
    TB_AT_N     /* as many as the first attribute says */
} tb_attr_count;

typedef struct tb_attr_spec {
    const char *name;
    tb_attr_kind kind;
    tb_attr_count count;
} tb_attr_spec;

enum { TB_MAX_SPECS = 6 };
/* In order, ended by a name of NULL. */
const tb_attr_spec *tb_attr_specs(tb_prim p);
extern const char *const tb_scatter_modes[5];

/* The symbol that an attribute of `item` means: an index, or its handle as a dimension. */
uint32_t tb_attr_symbol(const tb_unit *u, int64_t attr);

/* verify.c: tb_graph_verify with the code to raise: a text is not our fault. */
void tb_graph_check(const tb_graph *g, tb_code code);

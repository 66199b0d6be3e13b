/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pass.h -- graph to graph. Each pass reads one graph and returns the next; pass.c runs
 * them in the order of passes.def and verifies after each in debug builds.
 */
#pragma once
#include "graph/graph.h"

/* A pass that looks at one node at a time. */
typedef struct tb_rewrite {
    const tb_graph *from;
    tb_graph *to;
    tb_val *map;       /* by node of `from`: its image */
    uint32_t *uses;    /* by node of `from`: number of live uses (operands and outputs) */
    void *user;
} tb_rewrite;
/* Copies live nodes in order; `rule` gives the image of v, or NO_VAL for a plain copy.
 * Operands' images are in rw->map. */
tb_graph *tb_rewrite_graph(const tb_graph *from, tb_val (*rule)(tb_rewrite *rw, tb_val v),
                           void *user);
/* The image of operand i of v. */
tb_val tb_image(const tb_rewrite *rw, tb_val v, uint32_t i);

/* Is v the same real number everywhere? */
bool tb_is_full(const tb_graph *g, tb_val v, double *value);
/* Is v 0 everywhere, by itself or spread from something that is? */
bool tb_is_zero(const tb_graph *g, tb_val v);

/* v as a constant of its own, if it depends on constants only (fold.c); else v itself. */
tb_val tb_fold_value(tb_graph *g, tb_val v);

/* Is v, a conv_nhwc, one that TB_GROUP_DEPTHWISE computes? One input channel per group and
 * one output channel of it, rows of constant length, a kernel that is not too wide. */
enum { TB_DEPTHWISE_MAX_KW = 32 };
bool tb_is_depthwise(const tb_graph *g, tb_val v);

/* Attributes of conv and conv_nhwc. */
typedef struct tb_conv_attr {
    int ns; /* spatial axes */
    int64_t groups;
    const int64_t *stride, *lo, *hi, *dil;
} tb_conv_attr;
/* A channels-first convolution of constant kernel size as a product with patches, result of
 * dimensions y; NO_VAL where channels-last is faster although it turns both ends (patches.c). */
tb_val tb_conv_by_patches(tb_graph *g, tb_val x, tb_val w, tb_val bias, const tb_conv_attr *c,
                          const tb_dim *y);

tb_graph *tb_pass_complex(const tb_graph *in);
tb_graph *tb_pass_simplify(const tb_graph *in);
tb_graph *tb_pass_fold(const tb_graph *in);
tb_graph *tb_pass_layout(const tb_graph *in);
tb_graph *tb_pass_spell(const tb_graph *in);

/* Runs the passes. `stop` (may be NULL) names the last one to run; its first occurrence
 * counts. Raises TB_NOT_FOUND for an unknown name. `each` (may be NULL) is called before
 * a pass runs. */
tb_graph *tb_run_passes(tb_graph *g, const char *stop,
                        void (*each)(void *user, const char *name), void *user);
const char *tb_pass_name(uint32_t i); /* NULL at the end */
const char *tb_pass_summary(uint32_t i);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pass.h -- graph to graph. Each pass reads one graph and returns the next; the driver in
 * pass.c verifies, dumps and times. passes.def is the order with its reasons.
 */
#pragma once
#include "graph/graph.h"

/* simplify.c -- algebra and constant folding on primitives. */
tb_graph *tb_pass_simplify(const tb_graph *in);
/* layout.c -- channels-last convolutions; permutes move until they cancel. */
tb_graph *tb_pass_layout(const tb_graph *in);
/* fold.c -- what depends on constants only becomes a constant. */
tb_graph *tb_pass_fold(const tb_graph *in);
/* composites.c -- composites that no schedule takes are spelled in primitives. */
tb_graph *tb_pass_composites(const tb_graph *in);

/* Runs the graph passes of passes.def. `stop` (may be NULL) names the last one to run. */
tb_graph *tb_run_passes(tb_graph *g, const char *stop);
const char *tb_pass_name(uint32_t i);    /* NULL at the end */
const char *tb_pass_summary(uint32_t i);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * program.h -- from lowered functions to the plan that the runtime executes.
 *
 *   program.c  the plan as a whole: types, strings, kernels; one function from end to end
 *   sizes.c    integer registers: symbols from shapes, what is computed from them, checks
 *   frame.c    what runs when, and how long each buffer is needed
 *   inplace.c  scatters that write over their base
 *   write.c    the instructions: dispatches, branches, loops, copies
 *   memory.c   places for transient values
 */
#pragma once
#include "artifact/artifact.h"
#include "kernel/lower.h"

/* A graph, lowered, with the graphs that its control nodes (cond, while, call) run. */
typedef struct tb_body {
    const tb_graph *g;
    const tb_groups *gs;
    const tb_lowered *low;
    const struct tb_body *(*sub)[2]; /* [g->n]: by control node, else NULL */
} tb_body;

/* A value that needs transient memory from step `first` to step `last` (inclusive). */
typedef struct tb_lifetime {
    tb_dim bytes; /* already a multiple of TB_DATA_ALIGN */
    uint32_t first, last;
    tb_dim offset; /* result */
} tb_lifetime;
/* Places lifetimes that overlap in time apart; returns the arena's size. Sizes known only
 * at run time share slots whose size is the largest of their members. */
tb_dim tb_plan_memory(tb_unit *u, tb_lifetime *lives, uint32_t n);

/* The plan of a whole unit while it is written. */
typedef struct tb_program {
    tb_ctx *cx;
    tb_unit *u;
    tb_plan plan;
    TB_VEC(char) strings;
#define X(type, name) TB_VEC(type) name;
    TB_PLAN_SECTIONS(X)
#undef X
    TB_VEC(tb_artifact_blob) blobs;
    TB_VEC(uint32_t) groups; /* by work: the group's number among the choices */
    uint32_t *const_of;    /* by unit constant: plan constant + 1 */
    uint32_t const_of_n;
    tb_map seen_strings;
    uint32_t n_targets;
    const tb_target *targets;
    tb_kernel_list *unique; /* by target: kernels in the order of plan.kernels */
    tb_map seen_kernels;
} tb_program;

void tb_program_begin(tb_program *p, tb_unit *u, const tb_target *targets, uint32_t n);
/* Adds function f, whose lowered body is given. */
void tb_program_function(tb_program *p, const tb_func *f, const tb_body *body);
/* Fills p->plan from the sections. Kernels' entries are filled in by the caller. */
void tb_program_end(tb_program *p);
/* Readable listing of what a function does, for turbine-opt. */
tb_sref tb_program_string(tb_program *p, tb_str s);

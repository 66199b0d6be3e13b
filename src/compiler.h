/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * compiler.h -- from a unit of ATen nodes (or primitives) to the bytes of a .vmfb.
 */
#pragma once
#include "graph/graph.h"

/* Whether the artifact runs on IREE's own runtime as well (src/iree): not at all; if that is
 * possible and takes less than 16 KB, or less than a hundredth of the weights; in any case,
 * or the compilation fails. */
typedef enum tb_stock_iree { TB_STOCK_NEVER, TB_STOCK_IF_SMALL, TB_STOCK_ALWAYS } tb_stock_iree;

/* Which way each group of nodes is computed (tb_variant of kernel/lower.h), and what groups
 * there are: how src/tune asks for other code than the usual. */
typedef struct tb_tuning {
    const uint8_t *variant; /* [n], by the group's number; those past it: the usual */
    uint32_t n;
    /* Results. Every kernel's place in a call (tb_dispatch_info) and its group's number; in
     * `arena`. */
    tb_arena *arena;
    struct tb_tuned_place {
        uint32_t place, group;
    } *places; /* by rising place */
    uint32_t n_places, n_groups;
} tb_tuning;

typedef struct tb_compile_options {
    const char *const *targets; /* CPU levels by name, "host" for this machine's best */
    size_t n_targets;           /* 0 = every level of the host's architecture from v3 up */
    int threads;                /* code generation threads, 0 = as many as useful */
    bool bf16_matmul;           /* f32 contractions may multiply in bf16 */
    int workers;                /* how many threads will share a kernel; 0 = any number */
    /* Constants that are parameters of the model are left out of the artifact; a session
     * is given them under this scope. Beside those that are external already. */
    bool external_parameters;
    tb_str scope;
    tb_stock_iree stock_iree;
    const char *path;           /* the artifact goes into this file, not into memory; or NULL */
    tb_tuning *tuning;          /* or NULL */
    const char *dump;           /* comma list of stages for tb_compile_dump, or NULL */
    /* Called from the compiling thread; done counts up to total within a stage. */
    void (*progress)(void *user, const char *stage, size_t done, size_t total);
    void *user;
} tb_compile_options;

/* Compiles every function of the unit. On failure, and if there is a path, `out` is empty;
 * the status carries the message. The unit is not changed (later stages are new graphs). */
tb_status tb_compile(tb_unit *u, const tb_compile_options *o, tb_buf *out) TB_MUST_CHECK;

/* The same as files to link into a program: one object for each target, and a C header for
 * all of them (artifact/object.h). Names begin with `prefix`, a C identifier. */
typedef struct tb_objects {
    const char *prefix;
    tb_buf header;
    uint32_t n;
    tb_buf object[16];
    const char *target[16]; /* names of levels */
} tb_objects;
tb_status tb_compile_objects(tb_unit *u, const tb_compile_options *o, tb_objects *out)
    TB_MUST_CHECK;
void tb_objects_free(tb_objects *o);

/* The stages in order: "aten", "decompose", the passes of passes.def, "group", "kernels",
 * "program", "llvm", "asm"; NULL at the end. */
const char *tb_compile_stage(uint32_t i);

/* Runs the pipeline up to (and with) one stage and prints it. For turbine-opt. */
tb_status tb_compile_print(tb_unit *u, const tb_compile_options *o, const char *stage,
                           tb_buf *out) TB_MUST_CHECK;

/* The stages that `o->dump` lists, printed to stderr. For who compiles with these options next. */
tb_status tb_compile_dump(tb_unit *u, const tb_compile_options *o) TB_MUST_CHECK;

/* Decomposes and runs `function` in the reference evaluator. */
tb_status tb_evaluate(tb_unit *u, const char *function, const tb_eval_tensor *inputs,
                      uint32_t n_inputs, tb_arena *arena, tb_eval_tensor *outputs)
    TB_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * tune.h -- compiles several ways, measures, and keeps what was fastest.
 *
 * The compiler chooses how to compute each group of nodes by counting. Here the whole unit is
 * also compiled with each other variant (tb_variant of kernel/lower.h), all of them run on
 * this machine in turns, and every group gets the variant whose kernels took least; groups
 * that the usual way computes by the same kernel get the same. The result is an ordinary
 * artifact: nothing is measured when it is loaded.
 */
#pragma once
#include "compiler.h"

typedef struct tb_tune_options {
    int workers;    /* threads that compute, as of tb_device_create; 0 = all */
    double seconds; /* to run for, about; at least three rounds run in any case */
} tb_tune_options;

/* What came of it. */
typedef struct tb_tune_report {
    uint32_t groups, changed;  /* groups of nodes, and those that are computed otherwise now */
    double usual_ms, tuned_ms; /* a call of each function, in sum: least times; 0: none ran */
} tb_tune_report;

/* As tb_compile. Inputs are zeros of the sizes that symbols have as hints, as are parameters
 * that are not in the artifact; a function that refuses them is not measured. An error if no
 * target runs on this machine. `report` may be NULL. */
tb_status tb_tune(tb_unit *u, const tb_compile_options *o, const tb_tune_options *t,
                  tb_buf *out, tb_tune_report *report) TB_MUST_CHECK;

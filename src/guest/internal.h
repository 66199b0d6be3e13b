/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* internal.h -- what files of src/guest share. */
#pragma once
#include <stdatomic.h>

#include "guest/guest.h"

/* A function of IREE's as callers see it: NAME, or NAME$async called and waited for. */
typedef struct tb_guest_function {
    uint32_t number; /* of the export */
    char *name;
    const char *args, *results; /* letters of the convention */
    int n_inputs, n_results;
    bool waits; /* two fences follow the inputs */
    tb_value_info *types; /* inputs, then results */
} tb_guest_function;

struct tb_program {
    atomic_int refs;
    tb_module *own;
    tb_vm_module *guest;
    tb_guest_function *fns; /* of a guest */
    int n_fns;
};

/* ---- declare.c ---- */
/* Fills types[n_inputs + n_results] from a declaration (maybe NULL) like
 * "sync func @f(%input0: tensor<?x4xf32>) -> (%output0: tensor<?xi64>)"; what it does not tell
 * is left as it is. */
void tb_guest_declared(const char *declaration, tb_value_info *types, int n_inputs,
                       int n_results);

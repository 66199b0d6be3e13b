/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* object_code.h -- private to header.c and object_code.c: a header while it is written. */
#pragma once
#include "artifact/layout.h"
#include "artifact/object.h"

enum { TB_C_NAME = 128 };
#define TB_C_CONSTANT UINT64_MAX
#define TB_C_OUTSIDE (UINT64_MAX - 1)

typedef struct tb_c_header {
    const tb_plan *p;
    const tb_plan_const *consts; /* with their places in the weights */
    const char *prefix;
    tb_buf *out;
    uint64_t *place; /* by global: offset in the state, or TB_C_CONSTANT: in the weights, or
                        TB_C_OUTSIDE: where the caller has it */
    uint64_t *bytes; /* by global */
    char (*outside)[TB_C_NAME]; /* by global: the parameter that its values come from, or "" */
    uint32_t n_outside;
    uint64_t state_bytes, scratch_bytes;
    int64_t fixed_bytes; /* of a call's memory: scratch, and what alignment may cost */
} tb_c_header;

typedef struct tb_c_function {
    tb_c_header *h;
    const tb_plan_function *f;
    uint32_t index;
    char name[TB_C_NAME];
    char (*names)[TB_C_NAME]; /* inputs, then results */
} tb_c_function;

const char *tb_c_type(uint32_t dtype);
/* Text of a plan inside a C string or comment. */
void tb_c_text(tb_buf *out, const char *s);
/* What comes first in the implementation: kernels, helpers, init, error texts. */
void tb_c_preface(tb_c_header *h);
/* static int32_t PREFIX__NAME(in, dims, out, room, out_dims, state, memory, memory_bytes,
 * need): the program; with `need` only its sizes are computed. First of all it gets the
 * parameters, if there are any. */
void tb_c_body(tb_c_function *f);
/* "const struct PREFIX_parameters *parameters" and what separates it from the next, if there
 * are any. */
void tb_c_parameters(tb_c_header *h, const char *separator);

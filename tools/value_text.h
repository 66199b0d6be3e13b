/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * value_text.h -- tensors as the tools' command lines and output spell them:
 *
 *   4xf32=1 2 3 4        2x2xi64=[1 2][3 4]        f32=0.5
 *   4x4xf32=0.5          one value for all elements
 *   4x4xf32              zeros
 *   4xf32=@file          raw little-endian bytes
 *   @file.npy            a NumPy array
 *   5                    a number, where the function wants a scalar
 *
 * Brackets and commas are separators. Floats are printed with as many digits as it takes
 * to read the same value again.
 */
#pragma once
#include "base/base.h"
#include "turbine/runtime.h"

/* The tensor owns its memory. `want` (may be NULL) types a bare number. */
tb_status value_parse(const char *text, const tb_value_info *want, tb_tensor *out)
    TB_MUST_CHECK;
/* "2x2xf32=[1 2][3 4]"; after max_elems elements "..." */
void value_print(const tb_tensor *t, int64_t max_elems, tb_buf *out);
/* "f32=0.5", floats with six digits as IREE's tools print a number by itself; t is of rank 0 and
 * no complex number. */
void value_print_number(const tb_tensor *t, tb_buf *out);
/* "2x?xf32" */
void value_print_type(tb_dtype dtype, int rank, const int64_t *dims, tb_buf *out);
/* Zeroed memory for t's dtype, rank and dims. */
tb_status value_allocate(tb_tensor *t) TB_MUST_CHECK;
int64_t value_elems(const tb_tensor *t);

/* Largest differences allowed, absolute below 1 and relative above. */
typedef struct value_tolerance {
    double f16, f32, f64; /* bf16 gets eight times f16's */
} value_tolerance;
/* Whether two tensors are alike; if not, `why` says where. NaNs are alike. */
bool value_same(const tb_tensor *got, const tb_tensor *want, const value_tolerance *tol,
                tb_buf *why);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* npy.h -- NumPy's .npy files (format 1 to 3): one array, little-endian. bf16 is void of
 * two bytes there, as ml_dtypes writes it. */
#pragma once
#include "base/base.h"
#include "turbine/runtime.h"

/* The tensor owns its memory; Fortran order is put in row-major order. */
tb_status npy_read(const char *path, tb_tensor *out) TB_MUST_CHECK;
tb_status npy_write(const char *path, const tb_tensor *t) TB_MUST_CHECK;
/* Adds an array behind those of a file, which need not exist: numpy.load reads one after the
 * other from an open file. On failure the file is as it was. */
tb_status npy_append(const char *path, const tb_tensor *t) TB_MUST_CHECK;

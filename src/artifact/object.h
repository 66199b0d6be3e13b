/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * object.h -- models that are linked into a program: an object file with kernels and
 * weights, and a C header with one function per exported function. No container, no
 * runtime library, no memory but the caller's.
 */
#pragma once
#include "artifact/artifact.h"

/* object.c -- a relocatable object of image number `image`: ELF, or for WebAssembly its own. Symbols begin with
 * `prefix`, a C identifier. `out` must be empty. */
tb_status tb_object_write(const tb_artifact *a, uint32_t image, const char *prefix,
                          tb_buf *out) TB_MUST_CHECK;

/* header.c -- the header, one for the objects of all images. TB_UNSUPPORTED for what needs
 * a runtime: values whose size depends on data. */
tb_status tb_object_header(const tb_artifact *a, const char *prefix, tb_buf *out) TB_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * codegen.h -- loop IR to machine code through LLVM's C API. The only folder that includes
 * llvm-c. No mid-level passes run (measured: docs/codegen.md); every function is internal,
 * constants are private, so that the object has PC-relative relocations only.
 */
#pragma once
#include "artifact/artifact.h"
#include "kernel/kernel.h"

/* Compiles kernels for one CPU level into one flat image, `threads` LLVM contexts at a
 * time. Arrays of the result are in cx->keep. Raises on anything that would need a linker
 * at the user's side (an undefined symbol names the kernel). entries[i] belongs to
 * kernels[i]. `progress` may be NULL. If `library` is not NULL the image is an executable library
 * of IREE's runtime too; its version, features and exports are taken, the rest is filled in. */
void tb_codegen(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n,
                const tb_target *target, int threads, const tb_flat_library *library,
                void (*progress)(void *user, const char *stage, size_t done, size_t total),
                void *user, tb_flat_image *out);
/* LLVM IR (asm_text false) or assembly of the kernels, for dumps. */
void tb_codegen_print(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n,
                      const tb_target *target, bool asm_text, tb_buf *out);

/* image.c -- an ELF relocatable object (as LLVM writes it) to a flat image: sections laid
 * out, PC-relative relocations applied, undefined symbols and writable data refused. */
void tb_image_from_objects(tb_ctx *cx, const void *const *objects, const size_t *bytes,
                           uint32_t n_objects, const char *const *entry_names,
                           uint32_t n_entries, tb_flat_image *out);

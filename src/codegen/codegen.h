/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * codegen.h -- loop IR to machine code through LLVM's C API. The only folder that includes
 * llvm-c. No mid-level passes run (measured: docs/codegen.md); every function is internal,
 * constants are private, so that the object has PC-relative relocations only.
 */
#pragma once
#include "artifact/artifact.h"
#include "kernel/kernel.h"

/* What makes images executable libraries of IREE's runtime; of `about`, version, features
 * and exports are given. The code of the interface is the same for all levels of a
 * processor: it is kept here from one call to the next. */
typedef struct tb_library {
    tb_flat_library about;
    const tb_cpu_level *level; /* that the code is for */
    const void *object;        /* in cx->keep; NULL until it is made */
    size_t object_bytes;
} tb_library;

/* Compiles kernels for one CPU level into one flat image, `threads` LLVM contexts at a
 * time. Arrays of the result are in cx->keep. Raises on anything that would need a linker
 * at the user's side (an undefined symbol names the kernel). entries[i] belongs to
 * kernels[i]. `progress` may be NULL. With `library` (or NULL) the
 * image is an executable library too. For WebAssembly the image is the object that LLVM
 * writes (artifact/object.h), and entries are 0. */
void tb_codegen(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n,
                const tb_target *target, int threads, tb_library *library,
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

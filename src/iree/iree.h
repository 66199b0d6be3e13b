/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * iree.h -- a second program for the same artifact: `module.fb`, which IREE's own runtime
 * runs over the same images and weights, with the same results. docs/formats/iree.md tells
 * what it consists of.
 *
 *   flat.c     flatbuffers
 *   code.h     programs for IREE's virtual machine: code.c, module.c
 *   program.h  a plan in its instructions: size.c, step.c, function.c, init.c
 */
#pragma once
#include "artifact/artifact.h"
#include "vm/release.h"

/* Fails if IREE's runtime has no format for code of the level's processor. */
tb_status tb_iree_check_target(const struct tb_cpu_level *level) TB_MUST_CHECK;

/* By kernel: what images must be made with (tb_codegen). Fails if a kernel takes more than
 * IREE's runtime passes. The result is in the arena. */
tb_status tb_iree_exports(const tb_plan_kernel *kernels, uint32_t n,
                          const char *strings, tb_arena *a,
                          const struct tb_flat_export **out) TB_MUST_CHECK;

/* Says with TB_UNSUPPORTED what of the plan cannot be expressed. The plan must be sound but
 * for the places of constants and images, blobs[i] the bytes of constant i. symbols: the
 * names of the kernels in all images. The result is in the arena. */
tb_status tb_iree_module(const tb_plan *plan, const tb_artifact_blob *blobs,
                         const char *const *symbols,
                         const tb_iree_release *release, tb_arena *a,
                         tb_artifact_module *out) TB_MUST_CHECK;

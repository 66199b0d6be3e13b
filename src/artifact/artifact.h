/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * artifact.h -- the .vmfb container: a stored ZIP archive that `unzip -l` can list.
 *
 *   turbine.plan        the program (plan.h)
 *   <target>.so         one little ELF shared object per CPU level, page aligned
 *   weights             constants, one member for all, 64-byte aligned pieces
 *
 * This folder links without LLVM and without C++. Same input, same bytes: no time, path
 * or pointer enters the file.
 */
#pragma once
#include "artifact/plan.h"

/* A constant's bytes while compiling: borrowed until the artifact is written. */
typedef struct tb_artifact_blob {
    const void *bytes;
    size_t n;
} tb_artifact_blob;

/* write.c -- everything an artifact is made of. blobs[i] belongs to plan->consts[i],
 * images[i] (a flat image as codegen/image.c makes it) to plan->images[i]. Offsets, sizes
 * and hashes are filled in where they are written; the plan given is not changed. `out`
 * must be empty; its bytes end up 64-byte aligned. */
typedef struct tb_artifact {
    tb_plan *plan;
    const tb_artifact_blob *blobs;
    const struct tb_flat_image *images;
} tb_artifact;
tb_status tb_artifact_write(const tb_artifact *a, tb_buf *out) TB_MUST_CHECK;

/* elf.c -- position-independent code and read-only data laid out flat by the compiler:
 * [0, text_bytes) executable, [text_bytes, n) read-only data addressed relative to it. */
typedef struct tb_flat_image {
    const uint8_t *bytes;
    size_t n, text_bytes;
    const uint32_t *entries;      /* per kernel: offset of its first instruction */
    const char *const *names;     /* per kernel: symbol name for debuggers and perf */
    uint32_t n_entries;
    uint16_t machine;             /* ELF e_machine */
    uint32_t elf_flags;           /* ELF e_flags */
} tb_flat_image;
/* Wraps a flat image in an ELF shared object (of 32 bits where the processor has them) that debuggers, perf and IREE's embedded-elf
 * loader understand (constraints: docs/formats/vmfb.md). *text_off gets the offset of the
 * flat image in the file, a multiple of 4096. */
tb_status tb_elf_write(const tb_flat_image *image, tb_buf *out, uint32_t *text_off)
    TB_MUST_CHECK;

/* read.c -- points `out` into `bytes` (64-byte aligned). Nothing is read before verify.c
 * has checked it; on failure `out` is untouched. `bytes` must outlive the plan. */
tb_status tb_artifact_read(const void *bytes, size_t n, int load_flags, tb_plan *out)
    TB_MUST_CHECK;

/* verify.c -- every index, range, register, jump target and size in a plan. Never asserts,
 * never reads past what it checked. (tb_artifact_read also checks the images' ELF
 * structure and hashes.) */
tb_status tb_plan_verify(const tb_plan *plan, size_t file_bytes) TB_MUST_CHECK;

/* dump.c -- the listing turbine-dump-module prints. */
void tb_plan_dump(const tb_plan *plan, const void *file, tb_buf *out);

/* transient.c -- bytes of transient memory that a call of f plans when its inputs have the
 * sizes that `size` tells (axis 0 of an input that is a size: its value); -1 if that cannot be computed. The plan must be verified. */
int64_t tb_plan_transient(const tb_plan *plan, const tb_plan_function *f,
                          int64_t (*size)(void *user, uint32_t input, uint32_t axis),
                          void *user);

/* cpu.c -- CPU levels. A level is a set of feature bits; an image runs here if all the
 * bits it needs are set by tb_cpu_features(). */
typedef struct tb_cpu_level {
    const char *name;   /* "x86_64-v3" */
    const char *triple; /* for LLVM */
    const char *cpu, *llvm_features;
    const char *abi;    /* "" is the triple's own */
    uint16_t machine;
    uint32_t elf_flags; /* e_flags of its images */
    uint64_t features;
} tb_cpu_level;
const tb_cpu_level *tb_cpu_levels(size_t *n); /* best first within one architecture */
const tb_cpu_level *tb_cpu_find(const char *name); /* NULL if unknown */
const tb_cpu_level *tb_cpu_host(void);             /* best level this machine runs */
/* The levels that the name of a target means, best first; all callers take the names that
 * this takes:
 *
 *   target = "host" | level | arch ["-linux"] ["-" level-suffix {"+" level-suffix}]
 *
 * x86_64-linux-v3+v4 means x86_64-v4 and x86_64-v3, riscv64-linux means riscv64. */
enum { TB_CPU_MAX_LEVELS = 8 }; /* of one name */
tb_status tb_cpu_parse(const char *target, const tb_cpu_level *out[TB_CPU_MAX_LEVELS],
                       size_t *n) TB_MUST_CHECK;
uint64_t tb_cpu_features(void);
uint16_t tb_cpu_machine(void);
bool tb_cpu_is_32bit(uint32_t machine);
/* As /proc/cpuinfo spells it; "an unknown feature" if the bit has no name. */
const char *tb_cpu_feature_name(uint32_t machine, int bit);

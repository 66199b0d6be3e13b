/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * artifact.h -- the .vmfb container: a stored ZIP archive that `unzip -l` can list.
 *
 *   module.fb           if asked for: a program for IREE's runtime (src/iree)
 *   turbine.plan        the program (plan.h)
 *   <target>.so         one little ELF shared object per CPU level, page aligned
 *   weights             constants, one member for all, 64-byte aligned pieces
 *
 * This folder links without LLVM and without C++. Same input, same bytes: no time, path
 * or pointer enters the file.
 */
#pragma once
#include "artifact/plan.h"

/* A constant's bytes while compiling, or how they are made: borrowed until the artifact is
 * written. */
typedef struct tb_artifact_blob {
    const void *bytes; /* NULL if there is a recipe */
    size_t n;
    const tb_recipe *recipe;
} tb_artifact_blob;

/* A member that comes first and must know where others lie: 64-bit words in it that are
 * filled in when the archive is laid out. Places are distances from the first multiple of
 * 64 after the member. */
typedef enum tb_fix_kind {
    TB_FIX_IMAGE, /* of image `index` */
    TB_FIX_IMAGE_BYTES,
    TB_FIX_WEIGHTS, /* of all constants together */
    TB_FIX_WEIGHTS_BYTES,
    TB_FIX_CONST /* of constant `index` from the start of the weights */
} tb_fix_kind;
typedef struct tb_fix {
    uint32_t at, kind, index;
} tb_fix;
typedef struct tb_artifact_module {
    const uint8_t *bytes;
    size_t n;
    const tb_fix *fixes;
    uint32_t n_fixes;
} tb_artifact_module;

/* write.c -- everything an artifact is made of. blobs[i] belongs to plan->consts[i],
 * images[i] (a flat image as codegen/image.c makes it) to plan->images[i]. Offsets, sizes
 * and hashes are filled in where they are written; the plan given is not changed. `out`
 * must be empty; its bytes end up 64-byte aligned. */
typedef struct tb_artifact {
    tb_plan *plan;
    const tb_artifact_blob *blobs;
    const struct tb_flat_image *images;
    const tb_artifact_module *module; /* or NULL */
} tb_artifact;
tb_status tb_artifact_write(const tb_artifact *a, tb_buf *out) TB_MUST_CHECK;
/* The same bytes to a file, without all of them in memory at once: readers see the old file
 * or the whole new one. */
tb_status tb_artifact_write_file(const tb_artifact *a, const char *path) TB_MUST_CHECK;

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
    const struct tb_flat_library *library; /* or NULL */
} tb_flat_image;

/* What makes an image an executable library of IREE's runtime: code that codegen/library.c
 * adds to it, and the records that this code reads, which elf.c puts behind the dynamic
 * section, writable and with zeroes after them:
 *
 *   head    u32 kernels, u32 version of the interface, i64 distance of the library's name,
 *           u64 processor features by IREE's numbers, without which there is no library
 *   record  for each kernel, as below
 *   zeroes  the interface's structures, which the query fills in
 *
 * Distances of kernels and thunks count from the query's first instruction, those of names
 * from the head; the anchor gets the distance of the head from itself. */
typedef struct tb_flat_library {
    uint32_t version;
    uint64_t features;
    uint32_t query, anchor;  /* offsets in the image */
    const uint32_t *thunks;  /* per kernel: offset in the image */
    const struct tb_flat_export {
        uint8_t constants, bindings, scratch;
    } *exports; /* per kernel */
} tb_flat_library;
enum {
    TB_LIBRARY_HEAD = 24,
    TB_LIBRARY_KERNEL = 0, /* i32 */
    TB_LIBRARY_THUNK = 4,  /* i32 */
    TB_LIBRARY_NAME = 8,   /* i32 */
    TB_LIBRARY_CONSTANTS = 12,
    TB_LIBRARY_BINDINGS = 13,
    TB_LIBRARY_SCRATCH = 14,
    TB_LIBRARY_RECORD = 16,
    TB_LIBRARY_HEADER = 24, /* sizes of the interface's structures */
    TB_LIBRARY_BODY = 128,
    TB_LIBRARY_ATTRS = 64,
    TB_LIBRARY_MAX_WORDS = 64, /* constants or bindings of a dispatch */
};
#define TB_LIBRARY_QUERY "iree_hal_executable_library_query"
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
const tb_cpu_level *tb_cpu_host(void);             /* best level for this machine */
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
/* False if code for a level of these features has instructions that this machine runs slower
 * than what the next level has instead: dot products of bf16 on some. */
bool tb_cpu_pays(uint64_t features);
uint16_t tb_cpu_machine(void);
bool tb_cpu_is_32bit(uint32_t machine);
/* As /proc/cpuinfo spells it; "an unknown feature" if the bit has no name. */
const char *tb_cpu_feature_name(uint32_t machine, int bit);

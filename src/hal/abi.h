/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * abi.h -- structures of IREE's executable libraries, version 6 (0.6), on 64-bit processors;
 * private to src/hal and its tests. codegen/library.c writes the same.
 */
#pragma once
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_HAL_PROCESSOR_WORDS = 8, TB_HAL_LIBRARY_OLDEST = 5 };

typedef struct tb_hal_environment {
    const uint32_t *constants;
    int (*import_thunk)(void *fn, void *params, void *context, void *reserved);
    void *const *import_fns;
    void *const *import_contexts;
    uint64_t processor[TB_HAL_PROCESSOR_WORDS];
} tb_hal_environment;
static_assert(sizeof(void *) != 8 || sizeof(tb_hal_environment) == 96, "as IREE has it, of 64 bits");

typedef struct tb_hal_dispatch_state {
    uint32_t size_x, size_y;
    uint16_t size_z, n_constants;
    uint32_t count_x, count_y;
    uint16_t count_z;
    uint8_t concurrency, n_bindings;
    const uint32_t *constants;
    void *const *bindings;
    const size_t *lengths;
} tb_hal_dispatch_state;
static_assert(sizeof(void *) != 8 || sizeof(tb_hal_dispatch_state) == 48, "as IREE has it, of 64 bits");

typedef struct tb_hal_workgroup_state {
    uint32_t x, y;
    uint16_t z, reserved;
    uint32_t processor;
    void *local;
    uint32_t local_bytes;
} tb_hal_workgroup_state;
static_assert(sizeof(void *) != 8 || sizeof(tb_hal_workgroup_state) == 32, "as IREE has it, of 64 bits");

typedef int tb_hal_dispatch_fn(const tb_hal_environment *, const tb_hal_dispatch_state *,
                               const tb_hal_workgroup_state *);

typedef struct tb_hal_dispatch_attrs {
    uint64_t flags;
    uint16_t local_pages; /* of 4096 bytes */
    uint8_t n_constants, n_bindings;
    uint32_t size_x, size_y;
    uint16_t size_z, n_parameters;
    uint64_t reserved[5];
} tb_hal_dispatch_attrs;
static_assert(sizeof(void *) != 8 || sizeof(tb_hal_dispatch_attrs) == 64, "as IREE has it, of 64 bits");
enum { TB_HAL_LOCAL_PAGE = 4096 };

typedef struct tb_hal_library_header {
    uint32_t version;
    const char *name;
    uint32_t features;
    int32_t sanitizer;
} tb_hal_library_header;
static_assert(sizeof(void *) != 8 || sizeof(tb_hal_library_header) == 24, "as IREE has it, of 64 bits");

typedef struct tb_hal_library {
    const tb_hal_library_header *header;
    struct {
        uint32_t n;
        const char *const *symbols;
    } imports;
    struct {
        uint32_t n;
        tb_hal_dispatch_fn *const *fns;
        const tb_hal_dispatch_attrs *attrs;
        const void *params, *occupancy;
        const char *const *names;
        const void *tags, *parameter_names, *source_locations, *stage_locations;
    } exports;
    struct {
        uint32_t n;
    } constants;
    struct {
        uint32_t n;
        const void *files;
    } sources;
} tb_hal_library;
static_assert(sizeof(void *) != 8 || sizeof(tb_hal_library) == 128, "as IREE has it, of 64 bits");
typedef const tb_hal_library *tb_hal_library_query_fn(uint32_t version,
                                                      const tb_hal_environment *);

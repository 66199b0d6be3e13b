/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * release.h -- what IREE's runtime expects, release by release, as data.
 *
 * A release is a row in release.c with its versions, and a column here with the calling
 * conventions of its imports. Conventions are compared letter for letter when
 * a module is loaded: `0` arguments `_` results, with i and I for integers of 32 and 64
 * bits, r for references, C...D for a list of what stands between, v for nothing.
 */
#pragma once
#include <stdint.h>

/*    id, name, convention in 3.13 */
#define TB_VM_IMPORTS(X)                                                                 \
    X(ALLOCATE, "hal.allocator.allocate", "0rIiiI_r")                                    \
    X(IMPORT, "hal.allocator.import", "0riIiirII_r")                                     \
    X(BUFFER_LOAD, "hal.buffer.load", "0rIi_i")                                          \
    X(VIEW_ASSERT, "hal.buffer_view.assert", "0rriiCID_v")                               \
    X(VIEW_BUFFER, "hal.buffer_view.buffer", "0r_r")                                     \
    X(VIEW_CREATE, "hal.buffer_view.create", "0rIIiiCID_r")                              \
    X(VIEW_DIM, "hal.buffer_view.dim", "0ri_I")                                          \
    X(VIEW_RANK, "hal.buffer_view.rank", "0r_i")                                         \
    X(CMD_COPY, "hal.command_buffer.copy_buffer", "0riirIrIII_v")                        \
    X(CMD_CREATE, "hal.command_buffer.create", "0riiIi_r")                               \
    X(CMD_DISPATCH, "hal.command_buffer.dispatch", "0rrIiiiICiDCiirIID_v")               \
    X(CMD_BARRIER, "hal.command_buffer.execution_barrier", "0riiI_v")                    \
    X(CMD_FILL, "hal.command_buffer.fill_buffer", "0rrIIiIiI_v")                         \
    X(CMD_FINALIZE, "hal.command_buffer.finalize", "0r_v")                               \
    X(DEVICE_ALLOCATOR, "hal.device.allocator", "0r_r")                                  \
    X(DEVICE_QUERY, "hal.device.query.i64", "0rrr_iI")                                   \
    X(QUEUE_EXECUTE, "hal.device.queue.execute", "0rIrrrI_v")                            \
    X(QUEUE_READ, "hal.device.queue.read", "0rIrrrIrIII_v")                              \
    X(DEVICES_GET, "hal.devices.get", "0i_r")                                            \
    X(FILE_FROM_MEMORY, "hal.ex.file.from_memory", "0rIirIIi_r")                         \
    X(EXECUTABLE_CREATE, "hal.executable.create", "0rIrrr_r")                            \
    X(EXECUTABLE_LOOKUP, "hal.executable.lookup.function", "0rr_I")                      \
    X(FENCE_AWAIT, "hal.fence.await", "0iICrD_i")                                        \
    X(FENCE_CREATE, "hal.fence.create", "0rI_r")                                         \
    X(PARAM_GATHER, "io_parameters.gather", "0rIrrrrrrr_v")                              \
    X(PARAM_LOAD, "io_parameters.load", "0rIrrrIiirrr_r")

typedef enum tb_vm_import {
#define X(id, name, cconv_3_13) TB_VM_##id,
    TB_VM_IMPORTS(X)
#undef X
    TB_VM_N_IMPORTS
} tb_vm_import;

typedef struct tb_vm_release {
    const char *name;
    uint32_t bytecode, hal, library;
    const char *cconv[TB_VM_N_IMPORTS];
} tb_vm_release;

/* release.c -- the release called `name`, NULL if it is not in the table; the first row
 * if name is NULL. */
const tb_vm_release *tb_vm_release_find(const char *name);
const char *tb_vm_import_name(tb_vm_import import);

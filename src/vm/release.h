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
    X(SELECT, "hal.allocator.select", "0iiICrID_rI")                                     \
    X(BUFFER_DISCARD, "hal.buffer.allocation.discard", "0r_i")                           \
    X(BUFFER_IS_TERMINAL, "hal.buffer.allocation.is_terminal", "0r_i")                   \
    X(BUFFER_PRESERVE, "hal.buffer.allocation.preserve", "0r_v")                         \
    X(BUFFER_ASSERT, "hal.buffer.assert", "0rrrIii_v")                                   \
    X(BUFFER_LENGTH, "hal.buffer.length", "0r_I")                                        \
    X(BUFFER_LOAD, "hal.buffer.load", "0rIi_i")                                          \
    X(BUFFER_STORE, "hal.buffer.store", "0irIi_v")                                       \
    X(BUFFER_SUBSPAN, "hal.buffer.subspan", "0rII_r")                                    \
    X(VIEW_ASSERT, "hal.buffer_view.assert", "0rriiCID_v")                               \
    X(VIEW_BUFFER, "hal.buffer_view.buffer", "0r_r")                                     \
    X(VIEW_CREATE, "hal.buffer_view.create", "0rIIiiCID_r")                              \
    X(VIEW_DIM, "hal.buffer_view.dim", "0ri_I")                                          \
    X(VIEW_TYPE, "hal.buffer_view.element_type", "0r_i")                                 \
    X(VIEW_ENCODING, "hal.buffer_view.encoding_type", "0r_i")                            \
    X(VIEW_RANK, "hal.buffer_view.rank", "0r_i")                                         \
    X(VIEW_TRACE, "hal.buffer_view.trace", "0rCrD_v")                                    \
    X(CMD_ADVISE, "hal.command_buffer.advise_buffer", "0rrIIIi_v")                       \
    X(CMD_BEGIN_GROUP, "hal.command_buffer.begin_debug_group", "0rr_v")                  \
    X(CMD_COPY, "hal.command_buffer.copy_buffer", "0riirIrIII_v")                        \
    X(CMD_CREATE, "hal.command_buffer.create", "0riiIi_r")                               \
    X(CMD_DISPATCH, "hal.command_buffer.dispatch", "0rrIiiiICiDCiirIID_v")               \
    X(CMD_DISPATCH_INDIRECT, "hal.command_buffer.dispatch.indirect", "0rrIirIICiDCiirIID_v")\
    X(CMD_END_GROUP, "hal.command_buffer.end_debug_group", "0r_v")                       \
    X(CMD_BARRIER, "hal.command_buffer.execution_barrier", "0riiI_v")                    \
    X(CMD_FILL, "hal.command_buffer.fill_buffer", "0rrIIiIiI_v")                         \
    X(CMD_FINALIZE, "hal.command_buffer.finalize", "0r_v")                               \
    X(CMD_FLUSH, "hal.command_buffer.flush_buffer", "0rirII_v")                          \
    X(CMD_INVALIDATE, "hal.command_buffer.invalidate_buffer", "0rirII_v")                \
    X(CMD_UPDATE, "hal.command_buffer.update_buffer", "0rrIrIIiI_v")                     \
    X(DEVICE_ALLOCATOR, "hal.device.allocator", "0r_r")                                  \
    X(DEVICE_QUERY, "hal.device.query.i64", "0rrr_iI")                                   \
    X(QUEUE_ALLOCA, "hal.device.queue.alloca", "0rIrrIiiII_r")                           \
    X(QUEUE_BARRIER, "hal.device.queue.barrier", "0rIrrI_v")                             \
    X(QUEUE_COPY, "hal.device.queue.copy", "0rIrrrIrIII_v")                              \
    X(QUEUE_DEALLOCA, "hal.device.queue.dealloca", "0rIrrrI_v")                          \
    X(QUEUE_EXECUTE, "hal.device.queue.execute", "0rIrrrI_v")                            \
    X(QUEUE_EXECUTE_INDIRECT, "hal.device.queue.execute.indirect", "0rIrrrICrIID_v")     \
    X(QUEUE_FILL, "hal.device.queue.fill", "0rIrrrIIIiI_v")                              \
    X(QUEUE_FLUSH, "hal.device.queue.flush", "0rI_v")                                    \
    X(QUEUE_READ, "hal.device.queue.read", "0rIrrrIrIII_v")                              \
    X(QUEUE_UPDATE, "hal.device.queue.update", "0rIrrrIrIII_v")                          \
    X(QUEUE_WRITE, "hal.device.queue.write", "0rIrrrIrIII_v")                            \
    X(DEVICES_COUNT, "hal.devices.count", "0v_i")                                        \
    X(DEVICES_GET, "hal.devices.get", "0i_r")                                            \
    X(FILE_FROM_MEMORY, "hal.ex.file.from_memory", "0rIirIIi_r")                         \
    X(EXECUTABLE_CREATE, "hal.executable.create", "0rIrrr_r")                            \
    X(EXECUTABLE_LOOKUP, "hal.executable.lookup.function", "0rr_I")                      \
    X(FENCE_AWAIT, "hal.fence.await", "0iICrD_i")                                        \
    X(FENCE_CREATE, "hal.fence.create", "0rI_r")                                         \
    X(FENCE_FAIL, "hal.fence.fail", "0ri_v")                                             \
    X(FENCE_JOIN, "hal.fence.join", "0ICrD_r")                                           \
    X(FENCE_QUERY, "hal.fence.query", "0r_i")                                            \
    X(FENCE_SIGNAL, "hal.fence.signal", "0r_v")                                          \
    X(PARAM_GATHER, "io_parameters.gather", "0rIrrrrrrr_v")                              \
    X(PARAM_LOAD, "io_parameters.load", "0rIrrrIiirrr_r")                                \
    X(PARAM_SCATTER, "io_parameters.scatter", "0rIrrrrrrr_v")

typedef enum tb_vm_import {
#define X(id, name, cconv_3_13) TB_VM_##id,
    TB_VM_IMPORTS(X)
#undef X
    TB_VM_N_IMPORTS
} tb_vm_import;

typedef struct tb_iree_release {
    const char *name;
    uint32_t bytecode, hal, library;
    const char *cconv[TB_VM_N_IMPORTS];
} tb_iree_release;

/* release.c -- the release called `name`, NULL if it is not in the table; the first row
 * if name is NULL. */
const tb_iree_release *tb_iree_release_find(const char *name);
const char *tb_vm_import_name(tb_vm_import import);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* dump.c -- a module of IREE's as text, with what is in its executables. */
#include "guest/internal.h"
#include "hal/hal.h"

static bool
is_executable(const uint8_t *bytes, size_t n)
{
    return n >= 4 && memcmp(bytes, "\177ELF", 4) == 0;
}

static tb_status
put_executables(const tb_vm_module *m, tb_buf *out)
{
    for (uint32_t i = 0; i < tb_vm_module_constant_count(m); i++) {
        size_t n;
        const uint8_t *bytes = tb_vm_module_constant(m, i, &n);
        if (!is_executable(bytes, n))
            continue;
        tb_buf_printf(out, "\nexecutable in constant %u, %zu bytes\n", i, n);
        TRY(tb_hal_executable_describe(bytes, n, out));
    }
    return NULL;
}

tb_status
tb_guest_dump(const tb_vm_module *m, tb_buf *out)
{
    tb_buf nobody = {0};

    if (!out) {
        tb_status st = put_executables(m, &nobody);
        tb_buf_free(&nobody);
        return st;
    }
    tb_vm_module_describe(m, out);
    TRY(put_executables(m, out));
    tb_vm_module_disassemble(m, out);
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elfread.c -- checks what the runtime relies on in an image: a shared object for the right
 * machine with one executable segment, not writable, where the plan says it is.
 */
#include "artifact/elf.h"
#include "artifact/layout.h"

static tb_status
bad(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged image: %s", what);
}

tb_status
tb_elf_check(const uint8_t *image, size_t n, uint32_t machine, uint32_t text_off,
             uint64_t *text_bytes)
{
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    elf_header h;
    bool found = false;

    if (n < sizeof h || memcmp(image, ident, sizeof ident) != 0)
        return bad("not an ELF file");
    memcpy(&h, image, sizeof h);
    if (h.type != ET_DYN || h.machine != machine || h.phentsize != sizeof(elf_segment))
        return bad("not a shared object for its target");
    if (h.phoff > n || h.phnum > (n - h.phoff) / sizeof(elf_segment))
        return bad("program headers");
    for (uint32_t i = 0; i < h.phnum; i++) {
        elf_segment s;
        memcpy(&s, image + h.phoff + i * sizeof s, sizeof s);
        if (s.type != PT_LOAD || !(s.flags & PF_X))
            continue;
        if (found || s.flags & PF_W)
            return bad("not one executable, unwritable segment");
        if (s.offset != text_off || s.offset > n || s.filesz > n - s.offset ||
            s.memsz != s.filesz)
            return bad("executable segment");
        *text_bytes = s.filesz;
        found = true;
    }
    return found ? NULL : bad("no executable segment");
}

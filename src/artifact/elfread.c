/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elfread.c -- the headers of an image, and what the runtime relies on in its own: a shared
 * object for the right machine with one executable segment, not writable, where the plan
 * says it is.
 */
#include "artifact/cpu.h"
#include "artifact/elf.h"
#include "artifact/layout.h"

static tb_status
bad(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged image: %s", what);
}

static uint64_t
word(const elf_file *f, uint64_t at)
{
    return f->size.word == 8 ? tb_get64(f->at + at) : tb_get32(f->at + at);
}

elf_segment
tb_elf_segment(const elf_file *f, uint32_t i)
{
    uint64_t at = f->segments + (uint64_t)i * f->size.segment, w = f->size.word;
    uint64_t fields = at + (w == 8 ? 8 : 4); /* after type, and flags in 64-bit files */

    return (elf_segment){.type = tb_get32(f->at + at),
                         .flags = tb_get32(f->at + (w == 8 ? at + 4 : at + 24)),
                         .offset = word(f, fields),
                         .vaddr = word(f, fields + w),
                         .paddr = word(f, fields + 2 * w),
                         .filesz = word(f, fields + 3 * w),
                         .memsz = word(f, fields + 4 * w),
                         .align = word(f, w == 8 ? fields + 5 * w : at + 28)};
}

tb_status
tb_elf_open(const uint8_t *image, size_t n, uint32_t machine, elf_file *f)
{
    uint8_t ident[7] = {0x7f, 'E', 'L', 'F', ELF_CLASS_64, 1, 1};

    *f = (elf_file){.at = image, .n = n, .size = ELF_SIZES_64};
    if (tb_cpu_is_32bit(machine)) {
        ident[4] = ELF_CLASS_32;
        f->size = (elf_sizes)ELF_SIZES_32;
    }
    if (n < f->size.header || memcmp(image, ident, sizeof ident) != 0)
        return bad("not an ELF file");
    uint64_t w = f->size.word;
    if (tb_get16(f->at + 16) != ET_DYN || tb_get16(f->at + 18) != machine ||
        tb_get16(f->at + 30 + 3 * w) != f->size.segment)
        return bad("not a shared object for its target");
    f->segments = word(f, 24 + w);
    f->n_segments = tb_get16(f->at + 32 + 3 * w);
    if (f->segments > n || f->n_segments > (n - f->segments) / f->size.segment)
        return bad("program headers");
    return NULL;
}

tb_status
tb_elf_check(const uint8_t *image, size_t n, uint32_t machine, uint32_t text_off,
             uint64_t *text_bytes)
{
    elf_file f;
    bool found = false;

    TRY(tb_elf_open(image, n, machine, &f));
    for (uint32_t i = 0; i < f.n_segments; i++) {
        elf_segment s = tb_elf_segment(&f, i);
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

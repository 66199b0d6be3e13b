/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elfread.c -- checks what the runtime relies on in an image: a shared object for the right
 * machine with one executable segment, not writable, where the plan says it is.
 */
#include "artifact/cpu.h"
#include "artifact/elf.h"
#include "artifact/layout.h"

static tb_status
bad(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged image: %s", what);
}

typedef struct file {
    const uint8_t *at;
    elf_sizes size;
} file;

static uint64_t
word(const file *f, uint64_t at)
{
    return f->size.word == 8 ? tb_get64(f->at + at) : tb_get32(f->at + at);
}

/* Program header number i; phoff is within the file. */
static elf_segment
segment(const file *f, uint64_t phoff, uint32_t i)
{
    uint64_t at = phoff + (uint64_t)i * f->size.segment, w = f->size.word;
    uint64_t fields = at + (w == 8 ? 8 : 4); /* after type, and flags in 64-bit files */

    return (elf_segment){.type = tb_get32(f->at + at),
                         .flags = tb_get32(f->at + (w == 8 ? at + 4 : at + 24)),
                         .offset = word(f, fields),
                         .filesz = word(f, fields + 3 * w),
                         .memsz = word(f, fields + 4 * w)};
}

static tb_status
check_header(const file *f, size_t n, uint32_t machine, uint64_t *phoff, uint32_t *phnum)
{
    uint64_t w = f->size.word;

    if (n < f->size.header)
        return bad("not an ELF file");
    if (tb_get16(f->at + 16) != ET_DYN || tb_get16(f->at + 18) != machine ||
        tb_get16(f->at + 30 + 3 * w) != f->size.segment)
        return bad("not a shared object for its target");
    *phoff = word(f, 24 + w);
    *phnum = tb_get16(f->at + 32 + 3 * w);
    if (*phoff > n || *phnum > (n - *phoff) / f->size.segment)
        return bad("program headers");
    return NULL;
}

tb_status
tb_elf_check(const uint8_t *image, size_t n, uint32_t machine, uint32_t text_off,
             uint64_t *text_bytes)
{
    uint8_t ident[7] = {0x7f, 'E', 'L', 'F', ELF_CLASS_64, 1, 1};
    file f = {image, ELF_SIZES_64};
    uint64_t phoff = 0;
    uint32_t phnum = 0;
    bool found = false;

    if (tb_cpu_is_32bit(machine)) {
        ident[4] = ELF_CLASS_32;
        f.size = (elf_sizes)ELF_SIZES_32;
    }
    if (n < sizeof ident || memcmp(image, ident, sizeof ident) != 0)
        return bad("not an ELF file");
    TRY(check_header(&f, n, machine, &phoff, &phnum));
    for (uint32_t i = 0; i < phnum; i++) {
        elf_segment s = segment(&f, phoff, i);
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

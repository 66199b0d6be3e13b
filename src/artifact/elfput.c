/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* elfput.c -- see elfput.h. */
#include "artifact/elfput.h"

#include "artifact/put.h"

void
tb_elf_put16(tb_buf *out, uint32_t v)
{
    uint8_t b[2];
    tb_set16(b, v);
    tb_buf_put(out, b, sizeof b);
}

void
tb_elf_put32(tb_buf *out, uint32_t v)
{
    uint8_t b[4];
    tb_set32(b, v);
    tb_buf_put(out, b, sizeof b);
}

void
tb_elf_put_word(tb_buf *out, bool small, uint64_t v)
{
    uint8_t b[8];
    tb_set64(b, v);
    tb_buf_put(out, b, small ? 4 : 8);
}

void
tb_elf_put_header(tb_buf *out, bool small, const elf_header *h)
{
    const elf_sizes size32 = ELF_SIZES_32, size64 = ELF_SIZES_64;
    const elf_sizes *size = small ? &size32 : &size64;
    const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', small ? ELF_CLASS_32 : ELF_CLASS_64, 1, 1};
    tb_buf_put(out, ident, sizeof ident);
    tb_elf_put16(out, h->type);
    tb_elf_put16(out, h->machine);
    tb_elf_put32(out, 1); /* version */
    tb_elf_put_word(out, small, 0);
    tb_elf_put_word(out, small, h->n_segments ? size->header : 0);
    tb_elf_put_word(out, small, h->sections);
    tb_elf_put32(out, h->flags);
    tb_elf_put16(out, size->header);
    tb_elf_put16(out, h->n_segments ? size->segment : 0);
    tb_elf_put16(out, h->n_segments);
    tb_elf_put16(out, size->section);
    tb_elf_put16(out, h->n_sections);
    tb_elf_put16(out, h->section_names);
}

void
tb_elf_put_section(tb_buf *out, bool small, const elf_section *s)
{
    tb_elf_put32(out, s->name);
    tb_elf_put32(out, s->type);
    tb_elf_put_word(out, small, s->flags);
    tb_elf_put_word(out, small, s->addr);
    tb_elf_put_word(out, small, s->offset);
    tb_elf_put_word(out, small, s->size);
    tb_elf_put32(out, s->link);
    tb_elf_put32(out, s->info);
    tb_elf_put_word(out, small, s->addralign);
    tb_elf_put_word(out, small, s->entsize);
}

void
tb_elf_put_symbol(tb_buf *out, bool small, const elf_symbol *s)
{
    const uint8_t info[2] = {s->info, s->other};
    tb_elf_put32(out, s->name);
    if (small) {
        tb_elf_put32(out, (uint32_t)s->value);
        tb_elf_put32(out, (uint32_t)s->size);
    }
    tb_buf_put(out, info, sizeof info);
    tb_elf_put16(out, s->section);
    if (!small) {
        tb_elf_put_word(out, false, s->value);
        tb_elf_put_word(out, false, s->size);
    }
}

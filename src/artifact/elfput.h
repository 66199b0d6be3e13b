/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elfput.h -- writing ELF records of either class; private to src/artifact. `small`: 32-bit
 * files, whose words have four bytes and whose records differ in order in two places.
 */
#pragma once
#include "artifact/elf.h"
#include "base/base.h"

typedef struct elf_header {
    uint32_t type, machine, flags;
    uint32_t n_segments, n_sections, section_names; /* segments follow the header */
    uint64_t sections;                              /* where they are */
} elf_header;

void tb_elf_put16(tb_buf *out, uint32_t v);
void tb_elf_put32(tb_buf *out, uint32_t v);
void tb_elf_put_word(tb_buf *out, bool small, uint64_t v);
void tb_elf_put_header(tb_buf *out, bool small, const elf_header *h);
void tb_elf_put_section(tb_buf *out, bool small, const elf_section *s);
void tb_elf_put_symbol(tb_buf *out, bool small, const elf_symbol *s);

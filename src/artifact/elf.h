/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elf.h -- the part of the ELF format that images use; for src/artifact and the loader in
 * src/hal. Numbers and layouts are those of the System V ABI; <elf.h> is not everywhere.
 *
 * The records here are those of 64-bit files. 32-bit files have the same fields, words of
 * four bytes, and in two records another order: elfput.c writes both.
 */
#pragma once
#include <stdint.h>

#include "base/base.h"

typedef struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
} elf_segment;

typedef struct elf_section {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
} elf_section;

typedef struct elf_symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t section;
    uint64_t value, size;
} elf_symbol;

typedef struct elf_dynamic {
    uint64_t tag, value;
} elf_dynamic;

/* Bytes of the records by class. */
typedef struct elf_sizes {
    uint8_t word, header, segment, section, symbol, dynamic;
} elf_sizes;
#define ELF_SIZES_32 {4, 52, 32, 40, 16, 8}
#define ELF_SIZES_64 {8, 64, 56, 64, 24, 16}

enum {
    ELF_CLASS_32 = 1,
    ELF_CLASS_64 = 2,
    ET_DYN = 3,
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    PT_INTERP = 3,
    PT_NOTE = 4,
    PT_TLS = 7,
    PT_GNU_STACK = 0x6474e551,
    PT_GNU_RELRO = 0x6474e552,
    PF_X = 1,
    PF_W = 2,
    PF_R = 4,
    SHT_PROGBITS = 1,
    SHT_STRTAB = 3,
    SHT_HASH = 5,
    SHT_DYNAMIC = 6,
    SHT_NOTE = 7,
    SHT_DYNSYM = 11,
    SHF_WRITE = 1,
    SHF_ALLOC = 2,
    SHF_EXECINSTR = 4,
    STB_GLOBAL_STT_FUNC = 1 << 4 | 2,
    STT_FUNC = 2, /* in the low four bits of a symbol's info */
    DT_NULL = 0,
    DT_NEEDED = 1,
    DT_PLTRELSZ = 2,
    DT_HASH = 4,
    DT_STRTAB = 5,
    DT_SYMTAB = 6,
    DT_RELA = 7,
    DT_RELASZ = 8,
    DT_RELAENT = 9,
    DT_STRSZ = 10,
    DT_SYMENT = 11,
    DT_INIT = 12,
    DT_SONAME = 14,
    DT_REL = 17,
    DT_PLTREL = 20,
    DT_TEXTREL = 22,
    DT_JMPREL = 23,
    DT_INIT_ARRAY = 25,
    DT_PREINIT_ARRAY = 32,
    DT_RELR = 36,
    NT_GNU_BUILD_ID = 3
};

/* elfread.c -- a shared object for `machine` whose program headers lie in the file. */
typedef struct elf_file {
    const uint8_t *at;
    size_t n;
    elf_sizes size;
    uint64_t segments; /* where they are */
    uint32_t n_segments;
} elf_file;
tb_status tb_elf_open(const uint8_t *image, size_t n, uint32_t machine,
                      elf_file *out) TB_MUST_CHECK;
elf_segment tb_elf_segment(const elf_file *f, uint32_t i); /* i < n_segments */

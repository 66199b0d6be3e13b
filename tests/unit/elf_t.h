/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elf_t.h -- an executable library of IREE's for x86-64, made by hand, with one function:
 *
 *   add_x(constant c, binding y)    y[x] = c + x, x the number of the workgroup
 */
#pragma once
#include "artifact/put.h"
#include "base/base.h"

/* query: lea library(%rip), %rax; ret.  At 16: add_x. */
static const uint8_t t_elf_code[] = {
    0x48, 0x8d, 0x05, 0xa1, 0x11, 0x00, 0x00, 0xc3, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00,
    0x00, 0x48, 0x8b, 0x46, 0x20, 0x48, 0x8b, 0x00, 0x8b, 0x0a, 0x4c, 0x8b, 0x46, 0x18, 0x45,
    0x8b, 0x00, 0x41, 0x01, 0xc8, 0x44, 0x89, 0x04, 0x88, 0x31, 0xc0, 0xc3,
};
/* Offsets in the file; those from T_ELF_CODE on lie T_ELF_CODE_AT and T_ELF_DATA_AT higher in
 * memory. */
enum {
    T_ELF_SEGMENTS = 0x40,
    T_ELF_N_SEGMENTS = 5,
    T_ELF_SYMBOLS = 0x160,
    T_ELF_HASH = 0x190,
    T_ELF_STRINGS = 0x1a8,
    T_ELF_RELA = 0x1d0,
    T_ELF_N_RELA = 7,
    T_ELF_TEXTS = 0x3c0,
    T_ELF_CODE = 0x400,
    T_ELF_DYNAMIC = 0x500,
    T_ELF_N_DYNAMIC = 9,
    T_ELF_HEADER = 0x590,
    T_ELF_LIBRARY = 0x5a8,
    T_ELF_FNS = 0x628,
    T_ELF_NAMES = 0x630,
    T_ELF_ATTRS = 0x638,
    T_ELF_BYTES = 0x678,
    T_ELF_CODE_AT = 0x1000,
    T_ELF_DATA_AT = 0x2000,
};

static inline void
t_elf_words(uint8_t *at, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tb_set64(at + 8 * i, words[i]);
}

static inline void
t_elf_segment(uint8_t *f, int i, uint32_t type, uint32_t flags, uint64_t offset, uint64_t address,
              uint64_t bytes, uint64_t memory)
{
    uint8_t *p = f + T_ELF_SEGMENTS + 56 * i;
    uint64_t rest[6] = {offset, address, address, bytes, memory, 4096};

    tb_set32(tb_set32(p, type), flags);
    t_elf_words(p + 8, rest, 6);
}

static inline void
t_elf_write(uint8_t f[T_ELF_BYTES])
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    static const char names[] = "\0iree_hal_executable_library_query";
    const uint64_t d = T_ELF_DATA_AT, data = d + T_ELF_DYNAMIC;
    const uint64_t dynamic[2 * T_ELF_N_DYNAMIC] = {
        4, T_ELF_HASH, 5, T_ELF_STRINGS, 10, sizeof names, 6, T_ELF_SYMBOLS, 11, 24,
        7, T_ELF_RELA, 8, 24 * T_ELF_N_RELA, 9, 24, 0, 0};
    const uint64_t fixes[T_ELF_N_RELA][2] = {{d + T_ELF_HEADER + 8, T_ELF_TEXTS},
                                             {d + T_ELF_LIBRARY, d + T_ELF_HEADER},
                                             {d + T_ELF_LIBRARY + 32, d + T_ELF_FNS},
                                             {d + T_ELF_LIBRARY + 40, d + T_ELF_ATTRS},
                                             {d + T_ELF_LIBRARY + 64, d + T_ELF_NAMES},
                                             {d + T_ELF_FNS, T_ELF_CODE_AT + T_ELF_CODE + 16},
                                             {d + T_ELF_NAMES, T_ELF_TEXTS + 4}};

    memset(f, 0, T_ELF_BYTES);
    memcpy(f, ident, sizeof ident);
    tb_set16(f + 16, 3); /* a shared object */
    tb_set16(f + 18, 62);
    tb_set32(f + 20, 1);
    tb_set64(f + 32, T_ELF_SEGMENTS);
    tb_set16(f + 52, 64);
    tb_set16(f + 54, 56);
    tb_set16(f + 56, T_ELF_N_SEGMENTS);
    t_elf_segment(f, 0, 1, 4, 0, 0, T_ELF_CODE, T_ELF_CODE);
    t_elf_segment(f, 1, 1, 5, T_ELF_CODE, T_ELF_CODE_AT + T_ELF_CODE, sizeof t_elf_code,
                  sizeof t_elf_code);
    t_elf_segment(f, 2, 1, 6, T_ELF_DYNAMIC, data, T_ELF_BYTES - T_ELF_DYNAMIC, 0xb00);
    t_elf_segment(f, 3, 2, 6, T_ELF_DYNAMIC, data, sizeof dynamic, sizeof dynamic);
    t_elf_segment(f, 4, 0x6474e552, 4, T_ELF_DYNAMIC, data, T_ELF_BYTES - T_ELF_DYNAMIC, 0xb00);
    uint8_t *symbol = f + T_ELF_SYMBOLS + 24;
    tb_set32(symbol, 1);
    symbol[4] = 1 << 4 | 2;
    tb_set16(symbol + 6, 7);
    tb_set64(symbol + 8, T_ELF_CODE_AT + T_ELF_CODE);
    tb_set32(f + T_ELF_HASH, 1);
    tb_set32(f + T_ELF_HASH + 4, 2);
    tb_set32(f + T_ELF_HASH + 8, 1);
    memcpy(f + T_ELF_STRINGS, names, sizeof names);
    for (int i = 0; i < T_ELF_N_RELA; i++) {
        const uint64_t row[3] = {fixes[i][0], 8, fixes[i][1]};
        t_elf_words(f + T_ELF_RELA + 24 * i, row, 3);
    }
    memcpy(f + T_ELF_TEXTS, "lib\0add_x", 10);
    memcpy(f + T_ELF_CODE, t_elf_code, sizeof t_elf_code);
    t_elf_words(f + T_ELF_DYNAMIC, dynamic, 2 * T_ELF_N_DYNAMIC);
    tb_set32(f + T_ELF_HEADER, 6);
    tb_set32(f + T_ELF_LIBRARY + 24, 1);
    f[T_ELF_ATTRS + 10] = 1;
    f[T_ELF_ATTRS + 11] = 1;
}

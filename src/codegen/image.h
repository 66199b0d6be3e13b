/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * image.h -- private to the linker of kernels: relocatable ELF objects of any class as
 * plain records (object.c), relocations of each processor (reloc.c).
 */
#pragma once
#include "codegen/codegen.h"

enum { TB_IMAGE_PAGE = 4096 };
enum { TB_SHT_NOBITS = 8, TB_SHT_ARM_EXIDX = 0x70000001 };
enum { TB_SHF_WRITE = 1, TB_SHF_ALLOC = 2, TB_SHF_EXECINSTR = 4 };
#define TB_SECTION_NONE UINT32_MAX

/* ---- object.c ---- */
typedef struct tb_object_section {
    const char *name;
    uint32_t type;
    uint64_t flags, size, align;
    const uint8_t *bytes; /* NULL for NOBITS */
    uint32_t base;        /* offset in the image; UINT32_MAX: left out */
} tb_object_section;

typedef struct tb_object_symbol {
    const char *name;
    uint32_t section; /* TB_SECTION_NONE if undefined */
    uint64_t value;
    bool is_function;
} tb_object_symbol;

typedef struct tb_object_reloc {
    uint32_t section, type, symbol;
    uint64_t offset;
    int64_t addend; /* 0 where the instruction holds it */
} tb_object_reloc;

typedef struct tb_object {
    uint16_t machine;
    bool has_addends; /* relocations have them; else they are in the places */
    tb_object_section *sections;
    tb_object_symbol *symbols;
    tb_object_reloc *relocs;
    uint32_t n_sections, n_symbols, n_relocs;
} tb_object;

/* Reads an object into cx->scratch; raises if it is malformed. The bytes stay borrowed. */
void tb_object_open(tb_ctx *cx, const void *bytes, size_t n, tb_object *out);
void tb_object_malformed(tb_ctx *cx) TB_NORETURN;

/* ---- reloc.c: `to` and `from` are the offsets in the image of the target (with addend)
 * and of the place. False if the type is unknown or the distance does not fit. ---- */
bool tb_reloc_x86(uint32_t type, uint8_t *place, int64_t to, int64_t from);
bool tb_reloc_arm64(uint32_t type, uint8_t *place, int64_t to, int64_t from);
bool tb_reloc_arm32(uint32_t type, uint8_t *place, int64_t to, int64_t from);
int64_t tb_reloc_arm32_addend(uint32_t type, const uint8_t *place);
/* For a low part, to and from are those of its high part. */
bool tb_reloc_riscv(uint32_t type, uint8_t *place, int64_t to, int64_t from);
bool tb_reloc_is_riscv_high(uint32_t type);
bool tb_reloc_is_riscv_low(uint32_t type);
bool tb_reloc_is_riscv_hint(uint32_t type); /* asks nothing of us */

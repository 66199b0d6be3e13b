/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * object.c -- kernels and weights as a relocatable ELF object, for programs that link a
 * model in (header.c writes what goes with it).
 *
 *   .text.turbine     the flat image as it comes; position-independent, no relocations
 *   .rodata.turbine   constants, 64-byte aligned pieces
 *   symbols           PREFIX__k0, PREFIX__k1 ... and PREFIX__weights, all hidden
 *
 * WebAssembly's objects are of another format (wasm.c).
 */
#include <stdlib.h>

#include "artifact/elfput.h"
#include "artifact/layout.h"
#include "artifact/object.h"
#include "artifact/put.h"
#include "artifact/cpu.h"

enum { S_NULL, S_TEXT, S_RODATA, S_STACK, S_SYMTAB, S_STRTAB, S_NAMES, N_S };
enum { ET_REL = 1, SHT_SYMTAB = 2, STB_GLOBAL_STT_OBJECT = 1 << 4 | 1, STV_HIDDEN = 2 };
static const char section_names[] = "\0.text.turbine\0.rodata.turbine\0.note.GNU-stack\0.symtab"
                                    "\0.strtab\0.shstrtab";

static void
put_symbols(tb_buf *out, tb_buf *strings, const tb_flat_image *im, bool small,
            const char *prefix, uint64_t weights_bytes)
{
    elf_symbol none = {0};
    tb_buf_put(strings, "", 1);
    tb_elf_put_symbol(out, small, &none);
    for (uint32_t i = 0; i <= im->n_entries; i++) {
        bool last = i == im->n_entries;
        elf_symbol s = {.name = (uint32_t)strings->n,
                        .info = last ? STB_GLOBAL_STT_OBJECT : STB_GLOBAL_STT_FUNC,
                        .other = STV_HIDDEN,
                        .section = last ? S_RODATA : S_TEXT,
                        .value = last ? 0 : im->entries[i],
                        .size = last ? weights_bytes : 0};
        if (last)
            tb_buf_printf(strings, "%s__weights", prefix);
        else
            tb_buf_printf(strings, "%s__k%u", prefix, i);
        tb_buf_put(strings, "", 1);
        tb_elf_put_symbol(out, small, &s);
    }
}

/* Offset of the section's name. */
static uint32_t
name_of(uint32_t section)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < section; i++)
        at += (uint32_t)strlen(section_names + at) + 1;
    return at;
}

uint64_t
tb_object_put_weights(tb_buf *out, const tb_artifact *a, const tb_plan_const *consts,
                      const bool *shared)
{
    size_t begin = out->n;
    for (uint32_t i = 0; i < a->plan->n_consts; i++) {
        if (shared[i])
            continue;
        while (!out->failed && out->n < begin + consts[i].offset)
            tb_buf_put(out, "", 1);
        tb_buf_put(out, a->blobs[i].bytes, a->blobs[i].n);
    }
    return out->n - begin;
}

static void
write_object(const tb_artifact *a, const tb_flat_image *im, const char *prefix,
             const tb_plan_const *consts, const bool *shared, tb_buf *out)
{
    bool small = tb_cpu_is_32bit(im->machine);
    const elf_sizes size32 = ELF_SIZES_32, size64 = ELF_SIZES_64;
    const elf_sizes *size = small ? &size32 : &size64;
    elf_section s[N_S] = {{0}};
    tb_buf strings = {0};
    /* pages count where code is addressed by pages */
    uint64_t align = im->machine == TB_EM_AARCH64 ? TB_PAGE : TB_DATA_ALIGN;

    tb_elf_put_header(out, small,
                      &(elf_header){.type = ET_REL, .machine = im->machine,
                                    .flags = im->elf_flags, .n_sections = N_S,
                                    .section_names = S_NAMES});
    tb_buf_pad(out, align);
    s[S_TEXT] = (elf_section){.type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXECINSTR,
                              .offset = out->n, .size = im->n, .addralign = align};
    tb_buf_put(out, im->bytes, im->n);
    tb_buf_pad(out, TB_DATA_ALIGN);
    s[S_RODATA] = (elf_section){.type = SHT_PROGBITS, .flags = SHF_ALLOC,
                                .offset = out->n, .addralign = TB_DATA_ALIGN};
    s[S_RODATA].size = tb_object_put_weights(out, a, consts, shared);
    s[S_STACK] = (elf_section){.type = SHT_PROGBITS, .offset = out->n, .addralign = 1};
    tb_buf_pad(out, 8);
    s[S_SYMTAB] = (elf_section){.type = SHT_SYMTAB, .offset = out->n, .link = S_STRTAB,
                                .info = 1, .addralign = 8, .entsize = size->symbol};
    put_symbols(out, &strings, im, small, prefix, s[S_RODATA].size);
    s[S_SYMTAB].size = out->n - s[S_SYMTAB].offset;
    s[S_STRTAB] = (elf_section){.type = SHT_STRTAB, .offset = out->n, .size = strings.n,
                                .addralign = 1};
    tb_buf_put(out, strings.at, strings.n);
    out->failed = out->failed || strings.failed;
    tb_buf_free(&strings);
    s[S_NAMES] = (elf_section){.type = SHT_STRTAB, .offset = out->n,
                               .size = sizeof section_names, .addralign = 1};
    tb_buf_put(out, section_names, sizeof section_names);
    tb_buf_pad(out, 8);
    uint64_t sections = out->n;
    for (uint32_t i = 0; i < N_S; i++) {
        s[i].name = name_of(i);
        tb_elf_put_section(out, small, &s[i]);
    }
    if (out->failed)
        return;
    if (small)
        tb_set32(out->at + 16 + 2 + 2 + 4 + 4 + 4, (uint32_t)sections);
    else
        tb_set64(out->at + 16 + 2 + 2 + 4 + 8 + 8, sections);
}

tb_status
tb_object_write(const tb_artifact *a, uint32_t image, const char *prefix, tb_buf *out)
{
    uint32_t n = a->plan->n_consts;
    tb_plan_const *consts = calloc(n + 1, sizeof *consts);
    bool *shared = calloc(n + 1, sizeof *shared);
    uint64_t bytes;
    tb_status st = consts && shared
                       ? tb_artifact_place(a, consts, shared, &bytes)
                       : tb_status_make(TB_OUT_OF_MEMORY, "no memory for an object");
    const tb_flat_image *im = &a->images[image];
    if (!st && im->machine == TB_EM_WASM32)
        st = tb_wasm_write(a, im, prefix, consts, shared, bytes, out);
    else if (!st)
        write_object(a, im, prefix, consts, shared, out);
    if (!st && out->failed)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory for an object");
    free(consts);
    free(shared);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * image.c -- a linker for one purpose: ELF objects, as LLVM writes them for kernels, to
 * one flat image that runs wherever it is mapped.
 *
 * Executable sections of all objects come first, then, on a new page, their read-only
 * data. Only distances between places in the image are known, so only relocations of that
 * kind can be done; anything else is a fault of the code generator and raises, above all
 * a symbol that is nowhere defined (a call into libc or libm), because nobody would
 * supply it later.
 */
#include <inttypes.h>

#include "codegen/image.h"

#include "artifact/cpu.h"

enum { PAGE = TB_IMAGE_PAGE, NOWHERE = UINT32_MAX };

typedef struct linker {
    tb_ctx *cx;
    tb_object *objects;
    uint32_t n;
    uint8_t *image;
    uint16_t machine;
} linker;

static void
malformed(linker *l)
{
    tb_object_malformed(l->cx);
}

/* ---- layout ---- */

/* Unwind tables are left out: nothing throws, and debuggers do without. */
static bool
is_kept(const tb_object_section *s)
{
    return (s->flags & TB_SHF_ALLOC) && s->size > 0 && s->type != TB_SHT_ARM_EXIDX &&
           strcmp(s->name, ".eh_frame") != 0;
}

/* Gives offsets to the code or to the data of every object, from `at` on. */
static uint64_t
lay_out(linker *l, bool code, uint64_t at)
{
    for (uint32_t i = 0; i < l->n; i++) {
        tb_object *o = &l->objects[i];
        for (uint32_t j = 0; j < o->n_sections; j++) {
            tb_object_section *s = &o->sections[j];
            uint64_t align = s->align ? s->align : 1;
            if (!is_kept(s) || !(s->flags & TB_SHF_EXECINSTR) == code)
                continue;
            if (s->flags & TB_SHF_WRITE || s->type == TB_SHT_NOBITS)
                tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL,
                         "kernel code has writable data, in section %s", s->name);
            if (align > PAGE)
                malformed(l);
            at = TB_ALIGN_UP(at, align);
            s->base = (uint32_t)at;
            at += s->size;
            if (at > INT32_MAX)
                tb_raise(l->cx, (tb_loc){0}, TB_UNSUPPORTED,
                         "kernel code of more than 2 GiB");
        }
    }
    return at;
}

static void
copy_sections(linker *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        for (uint32_t j = 0; j < l->objects[i].n_sections; j++) {
            const tb_object_section *s = &l->objects[i].sections[j];
            if (s->base != NOWHERE)
                memcpy(l->image + s->base, s->bytes, s->size);
        }
}

/* ---- relocations ---- */

/* The function that the place belongs to, for messages. */
static const char *
function_at(const tb_object *o, uint32_t section, uint64_t offset)
{
    const tb_object_symbol *best = NULL;

    for (uint32_t i = 0; i < o->n_symbols; i++) {
        const tb_object_symbol *s = &o->symbols[i];
        if (s->is_function && s->section == section && s->value <= offset &&
            (!best || s->value > best->value))
            best = s;
    }
    return best ? best->name : "?";
}

/* Offset in the image of the symbol of a relocation. */
static int64_t
target_of(linker *l, const tb_object *o, uint32_t section, const tb_object_reloc *r)
{
    const tb_object_symbol *s;

    if (r->symbol >= o->n_symbols || r->offset > o->sections[section].size ||
        o->sections[section].size - r->offset < 4)
        malformed(l);
    s = &o->symbols[r->symbol];
    if (s->section == TB_SECTION_NONE)
        tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL,
                 "%s needs the external symbol %s, which no kernel may",
                 function_at(o, section, r->offset), s->name);
    if (s->section >= o->n_sections || o->sections[s->section].base == NOWHERE)
        malformed(l);
    return (int64_t)(o->sections[s->section].base + s->value);
}

/* RISC-V's low part of an address refers to the instruction with the high part, whose
 * relocation has the symbol. */
static bool
find_high_part(linker *l, const tb_object *o, uint32_t section, int64_t at, int64_t *to,
               int64_t *from)
{
    for (uint32_t i = 0; i < o->n_relocs; i++) {
        const tb_object_reloc *r = &o->relocs[i];
        *from = (int64_t)(o->sections[section].base + r->offset);
        if (r->section != section || *from != at || !tb_reloc_is_riscv_high(r->type))
            continue;
        *to = target_of(l, o, section, r) + r->addend;
        return true;
    }
    return false;
}

static void
relocate(linker *l, const tb_object *o, const tb_object_reloc *r)
{
    uint8_t *place = l->image + o->sections[r->section].base + r->offset;
    int64_t from = (int64_t)(o->sections[r->section].base + r->offset), to;
    bool done;

    if (l->machine == TB_EM_RISCV && tb_reloc_is_riscv_hint(r->type))
        return;
    to = target_of(l, o, r->section, r);
    if (l->machine == TB_EM_RISCV && tb_reloc_is_riscv_low(r->type)) {
        if (!find_high_part(l, o, r->section, to, &to, &from))
            malformed(l);
    } else {
        to += o->has_addends ? r->addend : tb_reloc_arm32_addend(r->type, place);
    }
    switch (l->machine) {
    case TB_EM_X86_64:
        done = tb_reloc_x86(r->type, place, to, from);
        break;
    case TB_EM_AARCH64:
        done = tb_reloc_arm64(r->type, place, to, from);
        break;
    case TB_EM_ARM:
        done = tb_reloc_arm32(r->type, place, to, from);
        break;
    default:
        done = tb_reloc_riscv(r->type, place, to, from);
        break;
    }
    if (!done)
        tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL,
                 "%s has a relocation of type %" PRIu32 " to %s that cannot be done",
                 function_at(o, r->section, r->offset), r->type,
                 o->symbols[r->symbol].name);
}

static void
relocate_object(linker *l, const tb_object *o)
{
    for (uint32_t i = 0; i < o->n_relocs; i++) {
        const tb_object_reloc *r = &o->relocs[i];
        if (r->section < o->n_sections && o->sections[r->section].base != NOWHERE)
            relocate(l, o, r);
    }
}

/* ---- entries ---- */

static void
find_entries(linker *l, const char *const *names, uint32_t n, uint32_t *entries)
{
    tb_map by_name = {.arena = &l->cx->scratch};

    for (uint32_t i = 0; i < n; i++) {
        entries[i] = NOWHERE;
        tb_map_put(&by_name, tb_hash(names[i], strlen(names[i]), 0), i + 1);
    }
    for (uint32_t i = 0; i < l->n; i++) {
        const tb_object *o = &l->objects[i];
        for (uint32_t j = 0; j < o->n_symbols; j++) {
            const tb_object_symbol *s = &o->symbols[j];
            uint32_t cursor = 0, v;
            if (s->section >= o->n_sections || o->sections[s->section].base == NOWHERE)
                continue;
            uint64_t hash = tb_hash(s->name, strlen(s->name), 0);
            while ((v = tb_map_next(&by_name, hash, &cursor)))
                if (strcmp(names[v - 1], s->name) == 0)
                    entries[v - 1] = (uint32_t)(o->sections[s->section].base + s->value);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (entries[i] == NOWHERE)
            tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL, "no code for kernel %s", names[i]);
}

static bool
is_known(uint16_t machine)
{
    return machine == TB_EM_X86_64 || machine == TB_EM_AARCH64 || machine == TB_EM_ARM ||
           machine == TB_EM_RISCV;
}

void
tb_image_from_objects(tb_ctx *cx, const void *const *objects, const size_t *bytes,
                      uint32_t n_objects, const char *const *entry_names,
                      uint32_t n_entries, tb_flat_image *out)
{
    linker l = {.cx = cx, .n = n_objects};
    uint32_t *entries = TB_NEWN(&cx->keep, uint32_t, n_entries ? n_entries : 1);
    uint64_t text, all;

    l.objects = TB_NEWN(&cx->scratch, tb_object, n_objects ? n_objects : 1);
    for (uint32_t i = 0; i < n_objects; i++) {
        tb_object_open(cx, objects[i], bytes[i], &l.objects[i]);
        l.machine = l.objects[i].machine;
        if (l.machine != l.objects[0].machine || !is_known(l.machine))
            malformed(&l);
    }
    text = TB_ALIGN_UP(lay_out(&l, true, 0), PAGE);
    all = lay_out(&l, false, text);
    l.image = TB_NEWN(&cx->keep, uint8_t, all ? all : 1);
    if (l.machine == TB_EM_X86_64) /* between functions: traps */
        memset(l.image, 0xcc, text);
    copy_sections(&l);
    for (uint32_t i = 0; i < n_objects; i++)
        relocate_object(&l, &l.objects[i]);
    find_entries(&l, entry_names, n_entries, entries);
    *out = (tb_flat_image){.bytes = l.image,
                           .n = all,
                           .text_bytes = text,
                           .entries = entries,
                           .names = entry_names,
                           .n_entries = n_entries,
                           .machine = l.machine};
}

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

#include "codegen/codegen.h"

#include "artifact/cpu.h"

/* The parts of ELF64 that relocatable objects use; little-endian, as all our targets. */
typedef struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} elf_header;
typedef struct elf_section {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
} elf_section;
typedef struct elf_symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t shndx;
    uint64_t value, size;
} elf_symbol;
typedef struct elf_rela {
    uint64_t offset, info;
    int64_t addend;
} elf_rela;
enum { SHT_SYMTAB = 2, SHT_RELA = 4, SHT_NOBITS = 8, STT_FUNC = 2, ET_REL = 1 };
enum { SHF_WRITE = 1, SHF_ALLOC = 2, SHF_EXECINSTR = 4 };
enum { PAGE = 4096, NOWHERE = UINT32_MAX, SHN_LORESERVE = 0xff00 };

typedef struct object {
    const uint8_t *bytes;
    size_t n;
    const elf_header *h;
    const elf_section *sections;
    const elf_symbol *symbols;
    uint64_t n_symbols;
    const char *names;
    size_t names_bytes;
    uint32_t *base; /* by section: offset in the image, NOWHERE if left out */
} object;

typedef struct linker {
    tb_ctx *cx;
    object *objects;
    uint32_t n;
    uint8_t *image;
    uint16_t machine;
} linker;

static void
malformed(linker *l)
{
    tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL, "the code generator's object is malformed");
}

/* A table inside the object's bytes. */
static const void *
table(linker *l, const object *o, uint64_t offset, uint64_t bytes)
{
    if (offset > o->n || bytes > o->n - offset || offset % 8)
        malformed(l);
    return o->bytes + offset;
}

static const char *
name_of(linker *l, const object *o, uint32_t at)
{
    if (at >= o->names_bytes)
        malformed(l);
    return o->names + at;
}

static const char *
section_name(const object *o, const elf_section *s)
{
    const elf_section *t = &o->sections[o->h->shstrndx];

    return s->name < t->size ? (const char *)o->bytes + t->offset + s->name : "";
}

static void
open_object(linker *l, object *o, const void *bytes, size_t n)
{
    *o = (object){.bytes = bytes, .n = n};
    if (n < sizeof *o->h)
        malformed(l);
    o->h = table(l, o, 0, sizeof *o->h);
    if (memcmp(o->h->ident, "\177ELF\2\1", 6) != 0 || o->h->type != ET_REL ||
        o->h->shentsize != sizeof(elf_section) || o->h->shstrndx >= o->h->shnum)
        malformed(l);
    o->sections = table(l, o, o->h->shoff, o->h->shnum * sizeof(elf_section));
    o->base = TB_NEWN(&l->cx->scratch, uint32_t, o->h->shnum);
    for (uint32_t i = 0; i < o->h->shnum; i++) {
        const elf_section *s = &o->sections[i];
        o->base[i] = NOWHERE;
        if (s->type != SHT_NOBITS && (s->offset > n || s->size > n - s->offset))
            malformed(l);
        if (s->type != SHT_SYMTAB)
            continue;
        if (s->link >= o->h->shnum)
            malformed(l);
        o->symbols = table(l, o, s->offset, s->size);
        o->n_symbols = s->size / sizeof(elf_symbol);
        o->names = (const char *)bytes + o->sections[s->link].offset;
        o->names_bytes = o->sections[s->link].size;
        if (o->names_bytes == 0 || o->names[o->names_bytes - 1] != 0)
            malformed(l);
    }
}

/* ---- layout ---- */

static bool
is_kept(const object *o, const elf_section *s)
{
    return (s->flags & SHF_ALLOC) && s->size > 0 &&
           strcmp(section_name(o, s), ".eh_frame") != 0;
}

/* Gives offsets to the code or to the data of every object, from `at` on. */
static uint64_t
lay_out(linker *l, bool code, uint64_t at)
{
    for (uint32_t i = 0; i < l->n; i++) {
        object *o = &l->objects[i];
        for (uint32_t j = 0; j < o->h->shnum; j++) {
            const elf_section *s = &o->sections[j];
            uint64_t align = s->addralign ? s->addralign : 1;
            if (!is_kept(o, s) || !(s->flags & SHF_EXECINSTR) == code)
                continue;
            if (s->flags & SHF_WRITE || s->type == SHT_NOBITS)
                tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL,
                         "kernel code has writable data, in section %s",
                         section_name(o, s));
            if (align > PAGE)
                malformed(l);
            at = TB_ALIGN_UP(at, align);
            o->base[j] = (uint32_t)at;
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
    for (uint32_t i = 0; i < l->n; i++) {
        const object *o = &l->objects[i];
        for (uint32_t j = 0; j < o->h->shnum; j++)
            if (o->base[j] != NOWHERE)
                memcpy(l->image + o->base[j], o->bytes + o->sections[j].offset,
                       o->sections[j].size);
    }
}

/* ---- relocations ---- */

static uint32_t
get32(const uint8_t *p)
{
    uint32_t x;

    memcpy(&x, p, 4);
    return x;
}

static void
put32(uint8_t *p, uint32_t x)
{
    memcpy(p, &x, 4);
}

static void
put64(uint8_t *p, uint64_t x)
{
    memcpy(p, &x, 8);
}

static bool
fits(int64_t x, unsigned bits)
{
    return x >= -(INT64_C(1) << (bits - 1)) && x < INT64_C(1) << (bits - 1);
}

/* `to` - `from` are the offsets of the target (with addend) and of the place. */
static bool
relocate_x86(uint32_t type, uint8_t *p, int64_t to, int64_t from)
{
    enum { PC32 = 2, PLT32 = 4, PC64 = 24 };

    if (type == PC64)
        return put64(p, (uint64_t)(to - from)), true;
    if (type != PC32 && type != PLT32)
        return false;
    put32(p, (uint32_t)(to - from));
    return fits(to - from, 32);
}

/* Puts `bits` bits of x into the instruction at bit `at`. */
static void
put_bits(uint8_t *p, uint64_t x, unsigned bits, unsigned at)
{
    uint32_t mask = ((UINT32_C(1) << bits) - 1) << at;

    put32(p, (get32(p) & ~mask) | ((uint32_t)(x << at) & mask));
}

static bool
relocate_arm(uint32_t type, uint8_t *p, int64_t to, int64_t from)
{
    int64_t d = to - from, pages = to / PAGE - from / PAGE;

    switch (type) {
    case 260: /* PREL64 */
        return put64(p, (uint64_t)d), true;
    case 261: /* PREL32 */
        return put32(p, (uint32_t)d), fits(d, 32);
    case 273: /* LD_PREL_LO19 */
    case 280: /* CONDBR19 */
        return put_bits(p, (uint64_t)d >> 2, 19, 5), fits(d, 21) && d % 4 == 0;
    case 279: /* TSTBR14 */
        return put_bits(p, (uint64_t)d >> 2, 14, 5), fits(d, 16) && d % 4 == 0;
    case 282: /* JUMP26 */
    case 283: /* CALL26 */
        return put_bits(p, (uint64_t)d >> 2, 26, 0), fits(d, 28) && d % 4 == 0;
    case 275: /* ADR_PREL_PG_HI21 */
        d = pages;
        /* fall through */
    case 274: /* ADR_PREL_LO21 */
        put_bits(p, (uint64_t)d, 2, 29);
        put_bits(p, (uint64_t)d >> 2, 19, 5);
        return fits(d, 21);
    case 277: /* ADD_ABS_LO12_NC */
    case 278: /* LDST8_ABS_LO12_NC */
        return put_bits(p, (uint64_t)to & 4095, 12, 10), true;
    case 284: /* LDST16 */
        return put_bits(p, ((uint64_t)to & 4095) >> 1, 12, 10), to % 2 == 0;
    case 285: /* LDST32 */
        return put_bits(p, ((uint64_t)to & 4095) >> 2, 12, 10), to % 4 == 0;
    case 286: /* LDST64 */
        return put_bits(p, ((uint64_t)to & 4095) >> 3, 12, 10), to % 8 == 0;
    case 299: /* LDST128 */
        return put_bits(p, ((uint64_t)to & 4095) >> 4, 12, 10), to % 16 == 0;
    default:
        return false;
    }
}

/* The function that the place belongs to, for messages. */
static const char *
function_at(linker *l, const object *o, uint32_t section, uint64_t offset)
{
    const elf_symbol *best = NULL;

    for (uint64_t i = 0; i < o->n_symbols; i++) {
        const elf_symbol *s = &o->symbols[i];
        if ((s->info & 15) == STT_FUNC && s->shndx == section && s->value <= offset &&
            (!best || s->value > best->value))
            best = s;
    }
    return best ? name_of(l, o, best->name) : "?";
}

static void
relocate(linker *l, const object *o, uint32_t section, const elf_rela *r)
{
    uint32_t type = (uint32_t)r->info, which = (uint32_t)(r->info >> 32);
    uint64_t size = o->sections[section].size;
    int64_t from = (int64_t)(o->base[section] + r->offset);
    const elf_symbol *s;
    int64_t to;

    if (which >= o->n_symbols || r->offset > size || size - r->offset < 4)
        malformed(l);
    s = &o->symbols[which];
    if (s->shndx == 0 || s->shndx >= SHN_LORESERVE)
        tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL,
                 "%s needs the external symbol %s, which no kernel may",
                 function_at(l, o, section, r->offset), name_of(l, o, s->name));
    if (s->shndx >= o->h->shnum || o->base[s->shndx] == NOWHERE)
        malformed(l);
    to = (int64_t)(o->base[s->shndx] + s->value) + r->addend;
    if (l->machine == TB_EM_X86_64 ? relocate_x86(type, l->image + from, to, from)
                                   : relocate_arm(type, l->image + from, to, from))
        return;
    tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL,
             "%s has a relocation of type %" PRIu32 " to %s that cannot be done",
             function_at(l, o, section, r->offset), type, name_of(l, o, s->name));
}

static void
relocate_object(linker *l, const object *o)
{
    for (uint32_t i = 0; i < o->h->shnum; i++) {
        const elf_section *s = &o->sections[i];
        const elf_rela *r;
        if (s->type != SHT_RELA || s->info >= o->h->shnum || o->base[s->info] == NOWHERE)
            continue;
        r = table(l, o, s->offset, s->size);
        for (uint64_t n = 0; n < s->size / sizeof *r; n++)
            relocate(l, o, s->info, &r[n]);
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
        const object *o = &l->objects[i];
        for (uint64_t j = 0; j < o->n_symbols; j++) {
            const elf_symbol *s = &o->symbols[j];
            const char *name = name_of(l, o, s->name);
            uint32_t cursor = 0, v;
            if ((s->info & 15) != STT_FUNC || s->shndx >= o->h->shnum ||
                o->base[s->shndx] == NOWHERE)
                continue;
            while ((v = tb_map_next(&by_name, tb_hash(name, strlen(name), 0), &cursor)))
                if (strcmp(names[v - 1], name) == 0)
                    entries[v - 1] = (uint32_t)(o->base[s->shndx] + s->value);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (entries[i] == NOWHERE)
            tb_raise(l->cx, (tb_loc){0}, TB_INTERNAL, "no code for kernel %s", names[i]);
}

void
tb_image_from_objects(tb_ctx *cx, const void *const *objects, const size_t *bytes,
                      uint32_t n_objects, const char *const *entry_names,
                      uint32_t n_entries, tb_flat_image *out)
{
    linker l = {.cx = cx, .n = n_objects};
    uint32_t *entries = TB_NEWN(&cx->keep, uint32_t, n_entries ? n_entries : 1);
    uint64_t text, all;

    l.objects = TB_NEWN(&cx->scratch, object, n_objects ? n_objects : 1);
    for (uint32_t i = 0; i < n_objects; i++) {
        open_object(&l, &l.objects[i], objects[i], bytes[i]);
        l.machine = l.objects[i].h->machine;
        if (l.machine != l.objects[0].h->machine ||
            (l.machine != TB_EM_X86_64 && l.machine != TB_EM_AARCH64))
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

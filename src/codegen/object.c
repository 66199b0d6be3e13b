/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * object.c -- reads relocatable ELF objects, 32 and 64 bits, with addends in the
 * relocations (RELA) or in the places (REL). All our targets are little-endian.
 */
#include "codegen/image.h"

enum { ET_REL = 1, SHT_SYMTAB = 2, SHT_RELA = 4, SHT_REL = 9, STT_FUNC = 2 };
enum { SHN_LORESERVE = 0xff00 };

/* Where fields are, by class: 0 = 32 bits, 1 = 64 bits. */
typedef struct layout {
    uint8_t word; /* bytes of an address */
    uint8_t header, shoff, shentsize, shnum, shstrndx;
    uint8_t section, sh_offset, sh_size, sh_link, sh_info, sh_align;
    uint8_t symbol, st_info, st_shndx, st_value;
} layout;
static const layout layouts[2] = {
    {4, 52, 32, 46, 48, 50, 40, 16, 20, 24, 28, 32, 16, 12, 14, 4},
    {8, 64, 40, 58, 60, 62, 64, 24, 32, 40, 44, 48, 24, 4, 6, 8},
};

typedef struct reader {
    tb_ctx *cx;
    const uint8_t *bytes;
    size_t n;
    const layout *at;
    tb_object *out;
    uint64_t shoff;
} reader;

void
tb_object_malformed(tb_ctx *cx)
{
    tb_raise(cx, (tb_loc){0}, TB_INTERNAL, "the code generator's object is malformed");
}

static uint64_t
get(const reader *r, uint64_t offset, unsigned bytes)
{
    uint64_t v = 0;

    if (offset > r->n || bytes > r->n - offset)
        tb_object_malformed(r->cx);
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)r->bytes[offset + i] << 8 * i;
    return v;
}

/* Field `field` of section header i. */
static uint64_t
section_field(const reader *r, uint32_t i, unsigned field, unsigned bytes)
{
    return get(r, r->shoff + (uint64_t)i * r->at->section + field, bytes);
}

/* The text at `offset` of string section `i`. */
static const char *
text(const reader *r, uint32_t i, uint64_t offset)
{
    const tb_object_section *s;

    if (i >= r->out->n_sections)
        tb_object_malformed(r->cx);
    s = &r->out->sections[i];
    if (offset >= s->size || !s->bytes || s->bytes[s->size - 1] != 0)
        tb_object_malformed(r->cx);
    return (const char *)s->bytes + offset;
}

static void
read_sections(reader *r)
{
    tb_object *o = r->out;
    const layout *at = r->at;
    uint32_t names = (uint32_t)get(r, at->shstrndx, 2);

    o->n_sections = (uint32_t)get(r, at->shnum, 2);
    o->sections = TB_NEWN(&r->cx->scratch, tb_object_section, o->n_sections + 1);
    for (uint32_t i = 0; i < o->n_sections; i++) {
        tb_object_section *s = &o->sections[i];
        uint64_t offset = section_field(r, i, at->sh_offset, at->word);
        s->type = (uint32_t)section_field(r, i, 4, 4);
        s->flags = section_field(r, i, 8, at->word);
        s->size = section_field(r, i, at->sh_size, at->word);
        s->align = section_field(r, i, at->sh_align, at->word);
        s->base = TB_SECTION_NONE;
        if (s->type == TB_SHT_NOBITS || i == 0)
            continue;
        if (offset > r->n || s->size > r->n - offset)
            tb_object_malformed(r->cx);
        s->bytes = r->bytes + offset;
    }
    for (uint32_t i = 1; i < o->n_sections; i++)
        o->sections[i].name = text(r, names, section_field(r, i, 0, 4));
    if (o->n_sections)
        o->sections[0].name = "";
}

static void
read_symbols(reader *r, uint32_t table)
{
    tb_object *o = r->out;
    const layout *at = r->at;
    uint64_t base = section_field(r, table, at->sh_offset, at->word);
    uint32_t names = (uint32_t)section_field(r, table, at->sh_link, 4);

    o->n_symbols = (uint32_t)(o->sections[table].size / at->symbol);
    o->symbols = TB_NEWN(&r->cx->scratch, tb_object_symbol, o->n_symbols + 1);
    for (uint32_t i = 0; i < o->n_symbols; i++) {
        uint64_t s = base + (uint64_t)i * at->symbol;
        uint32_t section = (uint32_t)get(r, s + at->st_shndx, 2);
        o->symbols[i] = (tb_object_symbol){
            .name = text(r, names, get(r, s, 4)),
            .section = section == 0 || section >= SHN_LORESERVE ? TB_SECTION_NONE : section,
            .value = get(r, s + at->st_value, at->word),
            .is_function = (get(r, s + at->st_info, 1) & 15) == STT_FUNC};
    }
}

static uint32_t
entry_bytes(const reader *r, uint32_t type)
{
    return r->at->word * (type == SHT_RELA ? 3u : 2u);
}

static void
read_relocs_of(reader *r, uint32_t table)
{
    tb_object *o = r->out;
    uint32_t type = o->sections[table].type, size = entry_bytes(r, type);
    uint64_t base = section_field(r, table, r->at->sh_offset, r->at->word);
    uint32_t section = (uint32_t)section_field(r, table, r->at->sh_info, 4);
    unsigned word = r->at->word;

    o->has_addends = type == SHT_RELA;
    for (uint64_t at = 0; at + size <= o->sections[table].size; at += size) {
        tb_object_reloc *x = &o->relocs[o->n_relocs++];
        uint64_t info = get(r, base + at + word, word);
        *x = (tb_object_reloc){.section = section, .offset = get(r, base + at, word)};
        x->type = word == 8 ? (uint32_t)info : (uint32_t)info & 255;
        x->symbol = word == 8 ? (uint32_t)(info >> 32) : (uint32_t)info >> 8;
        if (type == SHT_RELA) {
            uint64_t a = get(r, base + at + 2 * word, word);
            x->addend = word == 8 ? (int64_t)a : (int32_t)(uint32_t)a;
        }
    }
}

static void
read_relocs(reader *r)
{
    tb_object *o = r->out;
    uint64_t n = 0;

    for (uint32_t i = 0; i < o->n_sections; i++)
        if (o->sections[i].type == SHT_RELA || o->sections[i].type == SHT_REL)
            n += o->sections[i].size / entry_bytes(r, o->sections[i].type);
    o->relocs = TB_NEWN(&r->cx->scratch, tb_object_reloc, n + 1);
    for (uint32_t i = 0; i < o->n_sections; i++)
        if (o->sections[i].type == SHT_RELA || o->sections[i].type == SHT_REL)
            read_relocs_of(r, i);
}

void
tb_object_open(tb_ctx *cx, const void *bytes, size_t n, tb_object *out)
{
    reader r = {.cx = cx, .bytes = bytes, .n = n, .out = out};

    *out = (tb_object){0};
    if (n < 64 || memcmp(bytes, "\177ELF", 4) != 0 || r.bytes[4] < 1 || r.bytes[4] > 2 ||
        r.bytes[5] != 1)
        tb_object_malformed(cx);
    r.at = &layouts[r.bytes[4] - 1];
    out->machine = (uint16_t)get(&r, 18, 2);
    r.shoff = get(&r, r.at->shoff, r.at->word);
    if (get(&r, 16, 2) != ET_REL || get(&r, r.at->shentsize, 2) != r.at->section)
        tb_object_malformed(cx);
    read_sections(&r);
    for (uint32_t i = 0; i < out->n_sections; i++)
        if (out->sections[i].type == SHT_SYMTAB)
            read_symbols(&r, i);
    read_relocs(&r);
}

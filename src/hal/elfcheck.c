/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elfcheck.c -- verifies an ELF image from outside: segments, the dynamic section, symbols and
 * relocations. What it accepts, image.c may use without another look.
 */
#include "artifact/cpu.h"
#include "artifact/layout.h"
#include "hal/image.h"

enum { SYMBOL_BYTES = 24, RELA_BYTES = 24, DYNAMIC_BYTES = 16, N_TAGS = DT_RELR + 1 };
enum { STT_TLS = 6, STT_IFUNC = 10, SHN_UNDEF = 0, SHN_ABS = 0xfff1 };

typedef struct check {
    const uint8_t *at;
    size_t n;
    tb_elf_layout *l;
    uint64_t tag[N_TAGS]; /* values of the dynamic section, */
    bool has[N_TAGS];     /*   of those that are there */
} check;

tb_status
tb_image_damaged(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged executable: %s", what);
}

static tb_status
foreign(const char *what)
{
    return tb_status_make(TB_UNSUPPORTED, "executable: %s", what);
}

/* ---- segments ---- */
static tb_status
add_segment(check *c, const elf_segment *s)
{
    tb_elf_layout *l = c->l;

    if (s->memsz == 0)
        return NULL;
    if (l->n_segments == TB_IMAGE_MAX_SEGMENTS)
        return foreign("it has more segments than images have");
    if (s->offset > c->n || s->filesz > c->n - s->offset || s->filesz > s->memsz)
        return tb_image_damaged("a segment lies outside of the file");
    if (s->vaddr > TB_IMAGE_MAX_BYTES || s->memsz > TB_IMAGE_MAX_BYTES - s->vaddr)
        return tb_image_damaged("a segment's address");
    if ((s->flags & (PF_W | PF_X)) == (PF_W | PF_X))
        return tb_image_damaged("a segment is both writable and executable");
    if (!(s->flags & PF_R))
        return tb_image_damaged("a segment cannot be read");
    if (l->n_segments && tb_image_page(s->vaddr) < l->bytes)
        return tb_image_damaged("segments overlap or are not in order");
    l->segment[l->n_segments++] = *s;
    l->bytes = TB_ALIGN_UP(s->vaddr + s->memsz, (uint64_t)TB_IMAGE_PAGE);
    return NULL;
}

/* The segment that has n bytes at an address, with the flags; NULL if none has. */
static const elf_segment *
find(const tb_elf_layout *l, uint64_t address, uint64_t n, uint32_t flags)
{
    for (uint32_t i = 0; i < l->n_segments; i++) {
        const elf_segment *s = &l->segment[i];
        if (address >= s->vaddr && address - s->vaddr <= s->memsz &&
            n <= s->memsz - (address - s->vaddr) && (s->flags & flags) == flags)
            return s;
    }
    return NULL;
}

/* Where n bytes at an address come from in the file. */
static bool
in_file(const check *c, uint64_t address, uint64_t n, uint64_t *offset)
{
    const elf_segment *s = find(c->l, address, n, PF_R);

    if (!s || address - s->vaddr > s->filesz || n > s->filesz - (address - s->vaddr))
        return false;
    *offset = s->offset + (address - s->vaddr);
    return true;
}

static tb_status
read_relro(check *c, const elf_segment *s)
{
    if (s->memsz == 0)
        return NULL;
    if (c->l->relro != c->l->relro_end)
        return tb_image_damaged("two ranges become read-only");
    const elf_segment *in = find(c->l, s->vaddr, 0, PF_W);
    if (!in || s->memsz > TB_IMAGE_MAX_BYTES)
        return tb_image_damaged("the range that becomes read-only");
    uint64_t end = tb_image_page(s->vaddr + s->memsz), begin = tb_image_page(s->vaddr);
    /* Linkers count the padding to the end of the page. */
    if (s->vaddr + s->memsz > TB_ALIGN_UP(in->vaddr + in->memsz, (uint64_t)TB_IMAGE_PAGE))
        return tb_image_damaged("the range that becomes read-only");
    if (begin < end) {
        c->l->relro = begin;
        c->l->relro_end = end;
    }
    return NULL;
}

static tb_status
read_segments(check *c, elf_segment *dynamic)
{
    elf_file f;

    if (tb_cpu_is_32bit(tb_cpu_machine()))
        return foreign("images are for 64-bit processors");
    TRY(tb_elf_open(c->at, c->n, tb_cpu_machine(), &f));
    for (uint32_t i = 0; i < f.n_segments; i++) {
        elf_segment s = tb_elf_segment(&f, i);
        if (s.type == PT_LOAD)
            TRY(add_segment(c, &s));
        else if (s.type == PT_DYNAMIC && dynamic->memsz)
            return tb_image_damaged("it has two dynamic sections");
        else if (s.type == PT_DYNAMIC)
            *dynamic = s;
        else if (s.type == PT_TLS)
            return foreign("it has thread-local storage");
        else if (s.type == PT_INTERP)
            return foreign("it wants an interpreter");
    }
    for (uint32_t i = 0; i < f.n_segments; i++) {
        elf_segment s = tb_elf_segment(&f, i);
        if (s.type == PT_GNU_RELRO)
            TRY(read_relro(c, &s));
    }
    return NULL;
}

/* ---- the dynamic section ---- */
static tb_status
read_dynamic(check *c, const elf_segment *d)
{
    uint64_t at, n = d->filesz / DYNAMIC_BYTES;

    if (!d->memsz || !in_file(c, d->vaddr, d->filesz, &at))
        return tb_image_damaged("the dynamic section");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t tag = tb_get64(c->at + at + DYNAMIC_BYTES * i);
        if (tag == DT_NULL)
            return NULL;
        if (tag >= N_TAGS)
            continue;
        if (c->has[tag] && tag != DT_NEEDED)
            return tb_image_damaged("the dynamic section says something twice");
        c->has[tag] = true;
        c->tag[tag] = tb_get64(c->at + at + DYNAMIC_BYTES * i + 8);
    }
    return tb_image_damaged("the dynamic section has no end");
}

static tb_status
refuse_tags(const check *c)
{
    static const struct {
        int tag;
        const char *what;
    } refused[] = {
        {DT_NEEDED, "it needs other libraries"},
        {DT_INIT, "it has code that runs when it is loaded"},
        {DT_INIT_ARRAY, "it has code that runs when it is loaded"},
        {DT_PREINIT_ARRAY, "it has code that runs when it is loaded"},
        {DT_REL, "it has relocations without addends"},
        {DT_RELR, "it has packed relocations"},
        {DT_TEXTREL, "it has relocations in code"},
    };
    for (size_t i = 0; i < TB_COUNT(refused); i++)
        if (c->has[refused[i].tag])
            return foreign(refused[i].what);
    if (!c->has[DT_SYMTAB] || !c->has[DT_STRTAB] || !c->has[DT_STRSZ] || !c->has[DT_HASH])
        return tb_image_damaged("it has no symbols, no names or no hash table");
    if (c->has[DT_SYMENT] && c->tag[DT_SYMENT] != SYMBOL_BYTES)
        return tb_image_damaged("the size of symbols");
    if (c->has[DT_RELAENT] && c->tag[DT_RELAENT] != RELA_BYTES)
        return tb_image_damaged("the size of relocations");
    if (c->has[DT_JMPREL] && c->tag[DT_PLTREL] != DT_RELA)
        return foreign("it has relocations without addends");
    return NULL;
}

static tb_status
read_rows(const check *c, int tag, int size_tag, tb_elf_rows *out)
{
    uint64_t bytes = c->tag[size_tag];

    if (!c->has[tag] || bytes == 0)
        return c->has[tag] == c->has[size_tag] ? NULL
                                               : tb_image_damaged("a table of relocations");
    if (bytes % RELA_BYTES != 0 || !in_file(c, c->tag[tag], bytes, &out->at))
        return tb_image_damaged("a table of relocations");
    out->n = bytes / RELA_BYTES;
    return NULL;
}

static tb_status
read_tables(check *c)
{
    tb_elf_layout *l = c->l;
    uint64_t hash;

    l->string_bytes = c->tag[DT_STRSZ];
    if (!in_file(c, c->tag[DT_STRTAB], l->string_bytes, &l->strings))
        return tb_image_damaged("the names of symbols");
    /* The second word of the hash table says how many symbols there are. */
    if (!in_file(c, c->tag[DT_HASH], 8, &hash))
        return tb_image_damaged("the hash table");
    l->symbols.n = tb_get32(c->at + hash + 4);
    if (!in_file(c, c->tag[DT_SYMTAB], l->symbols.n * SYMBOL_BYTES, &l->symbols.at))
        return tb_image_damaged("the symbols");
    TRY(read_rows(c, DT_RELA, DT_RELASZ, &l->rela));
    return read_rows(c, DT_JMPREL, DT_PLTRELSZ, &l->plt);
}

/* ---- symbols ---- */
elf_symbol
tb_elf_symbol(const uint8_t *image, const tb_elf_layout *l, uint64_t i)
{
    const uint8_t *p = image + l->symbols.at + SYMBOL_BYTES * i;

    return (elf_symbol){.name = tb_get32(p),
                        .info = p[4],
                        .other = p[5],
                        .section = tb_get16(p + 6),
                        .value = tb_get64(p + 8),
                        .size = tb_get64(p + 16)};
}

static tb_status
check_symbols(const check *c)
{
    const tb_elf_layout *l = c->l;

    for (uint64_t i = 1; i < l->symbols.n; i++) {
        elf_symbol s = tb_elf_symbol(c->at, l, i);
        const char *name = (const char *)c->at + l->strings + s.name;
        if (s.name >= l->string_bytes || !memchr(name, 0, l->string_bytes - s.name))
            return tb_image_damaged("a symbol's name");
        if (s.section == SHN_UNDEF)
            return tb_status_make(TB_UNSUPPORTED,
                                  "executable: '%.64s' is to come from outside, and nothing is "
                                  "there for images",
                                  name);
        int type = s.info & 15;
        if (type == STT_TLS || type == STT_IFUNC)
            return tb_status_make(TB_UNSUPPORTED,
                                  "executable: symbol '%.64s' is of type %d, which images do "
                                  "not have",
                                  name, type);
        if (s.section != SHN_ABS && !find(l, s.value, 0, 0))
            return tb_image_damaged("a symbol's address");
    }
    return NULL;
}

/* ---- relocations ---- */
typedef enum fix_kind {
    FIX_NONE,
    FIX_RELATIVE, /* base + addend */
    FIX_SYMBOL,   /* symbol + addend */
    FIX_SLOT      /* symbol */
} fix_kind;

static fix_kind
kind_of(uint32_t type)
{
    static const struct {
        uint16_t machine, type;
        uint8_t kind;
    } kinds[] = {
        {TB_EM_X86_64, 1, FIX_SYMBOL},      {TB_EM_X86_64, 6, FIX_SLOT},
        {TB_EM_X86_64, 7, FIX_SLOT},        {TB_EM_X86_64, 8, FIX_RELATIVE},
        {TB_EM_AARCH64, 257, FIX_SYMBOL},   {TB_EM_AARCH64, 1025, FIX_SYMBOL},
        {TB_EM_AARCH64, 1026, FIX_SYMBOL},  {TB_EM_AARCH64, 1027, FIX_RELATIVE},
        {TB_EM_RISCV, 2, FIX_SYMBOL},       {TB_EM_RISCV, 5, FIX_SYMBOL},
        {TB_EM_RISCV, 3, FIX_RELATIVE},
    };
    for (size_t i = 0; i < TB_COUNT(kinds); i++)
        if (kinds[i].machine == tb_cpu_machine() && kinds[i].type == type)
            return (fix_kind)kinds[i].kind;
    return FIX_NONE;
}

bool
tb_elf_fix_read(const uint8_t *image, const tb_elf_layout *l, const tb_elf_rows *rows,
                uint64_t i, tb_elf_fix *out)
{
    const uint8_t *p = image + rows->at + RELA_BYTES * i;
    uint64_t info = tb_get64(p + 8), addend = tb_get64(p + 16), symbol = info >> 32;
    fix_kind kind = kind_of((uint32_t)info);

    *out = (tb_elf_fix){.address = tb_get64(p), .value = addend, .moves = true};
    if (kind == FIX_NONE)
        return false;
    if (kind == FIX_RELATIVE)
        return symbol == 0;
    if (symbol == 0 || symbol >= l->symbols.n)
        return false;
    elf_symbol s = tb_elf_symbol(image, l, symbol);
    out->value = s.value + (kind == FIX_SYMBOL ? addend : 0);
    out->moves = s.section != SHN_ABS;
    return true;
}

static tb_status
check_fixes(const check *c, const tb_elf_rows *rows)
{
    for (uint64_t i = 0; i < rows->n; i++) {
        tb_elf_fix fix;
        if (!tb_elf_fix_read(c->at, c->l, rows, i, &fix))
            return tb_status_make(TB_UNSUPPORTED,
                                  "executable: relocation %llu is of type %u or of a symbol "
                                  "that images do not have",
                                  (unsigned long long)i,
                                  tb_get32(c->at + rows->at + RELA_BYTES * i + 8));
        if (!find(c->l, fix.address, 8, PF_W))
            return tb_image_damaged("a relocation outside of writable data");
        if (fix.moves && !find(c->l, fix.value, 0, 0))
            return tb_image_damaged("a relocation to outside of the image");
    }
    return NULL;
}

tb_status
tb_elf_layout_read(const uint8_t *image, size_t n, tb_elf_layout *out)
{
    elf_segment dynamic = {0};
    check c = {.at = image, .n = n, .l = out};

    memset(out, 0, sizeof *out);
    TRY(read_segments(&c, &dynamic));
    TRY(read_dynamic(&c, &dynamic));
    TRY(refuse_tags(&c));
    TRY(read_tables(&c));
    TRY(check_symbols(&c));
    TRY(check_fixes(&c, &out->rela));
    return check_fixes(&c, &out->plt);
}

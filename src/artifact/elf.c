/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elf.c -- wraps a flat image in an ELF shared object.
 *
 *   file                                    memory
 *   0         headers, note, hash, symbols  R
 *   text_off  code                          R X   whole pages
 *             data                          R     from the first page without code
 *             dynamic section               R W   (older C libraries write to it)
 *             library records, zeroes             if the image is one of IREE's libraries
 *             section names and headers
 *
 * Addresses are file offsets, except that the dynamic section is one page further so that
 * its page is writable alone. There are no relocations: the image is position-independent
 * as it comes. What debuggers, perf and dlopen want is docs/formats/vmfb.md, "Images".
 */
#include "artifact/elfput.h"

#include <stdlib.h>

#include "artifact/cpu.h"
#include "artifact/layout.h"
#include "artifact/put.h"

enum { N_DYNAMIC = 7, NOTE_BYTES = 16 + 16 };
enum { S_NULL, S_NOTE, S_HASH, S_DYNSYM, S_DYNSTR, S_TEXT, S_RODATA, S_DYNAMIC, S_NAMES, N_S };
enum { N_SEGMENTS = 7 };

typedef struct layout {
    const tb_flat_image *im;
    bool small;         /* a 32-bit file */
    elf_sizes size;     /* of its records */
    uint32_t n_symbols; /* with the empty one */
    uint32_t *size_of;  /* by kernel: bytes up to the next entry */
    tb_buf strings;
    uint64_t note, hash, symbols, names, text, rodata, end, dynamic, section_names, sections;
    uint64_t records, structures; /* bytes: of the library's records; of zeroes after them */
    uint32_t soname, query; /* in the strings */
} layout;

/* The hash function of SysV symbol tables. */
static uint32_t
symbol_hash(const char *name)
{
    uint32_t h = 0;

    for (; *name; name++) {
        h = (h << 4) + (uint8_t)*name;
        h = (h ^ (h & 0xf0000000) >> 24) & 0x0fffffff;
    }
    return h;
}

static int
by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A symbol reaches to the next entry: internal functions count for the kernel before. */
static bool
measure(layout *l)
{
    const tb_flat_image *im = l->im;
    uint32_t *sorted = malloc((im->n_entries + 1) * sizeof *sorted);

    l->size_of = malloc((im->n_entries + 1) * sizeof *l->size_of);
    if (!sorted || !l->size_of) {
        free(sorted);
        return false;
    }
    for (uint32_t i = 0; i < im->n_entries; i++)
        sorted[i] = im->entries[i];
    qsort(sorted, im->n_entries, sizeof *sorted, by_value);
    for (uint32_t i = 0; i < im->n_entries; i++) {
        uint32_t lo = 0, hi = im->n_entries; /* first entry beyond this one */
        while (lo < hi) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (sorted[mid] > im->entries[i])
                hi = mid;
            else
                lo = mid + 1;
        }
        l->size_of[i] =
            (lo < im->n_entries ? sorted[lo] : (uint32_t)im->text_bytes) - im->entries[i];
    }
    free(sorted);
    return true;
}

static void
lay_out(layout *l)
{
    const tb_flat_image *im = l->im;

    l->n_symbols = im->n_entries + 1 + (im->library != NULL);
    if (im->library) {
        l->records = TB_LIBRARY_HEAD + TB_LIBRARY_RECORD * (uint64_t)im->n_entries;
        l->structures = TB_LIBRARY_HEADER + TB_LIBRARY_BODY +
                        (8 + 8 + TB_LIBRARY_ATTRS) * (uint64_t)im->n_entries;
    }
    l->note = l->size.header + N_SEGMENTS * (uint64_t)l->size.segment;
    l->hash = l->note + NOTE_BYTES;
    l->symbols = TB_ALIGN_UP(l->hash + 4 * (2 + 2 * (uint64_t)l->n_symbols), 8);
    l->names = l->symbols + (uint64_t)l->n_symbols * l->size.symbol;
    l->text = TB_ALIGN_UP(l->names + l->strings.n, TB_PAGE);
    l->rodata = l->text + TB_ALIGN_UP(im->text_bytes, TB_PAGE);
    l->end = l->text + im->n;
    if (l->rodata > l->end)
        l->rodata = l->end;
    l->dynamic = TB_ALIGN_UP(l->end, 16);
    l->section_names = l->dynamic + N_DYNAMIC * (uint64_t)l->size.dynamic + l->records;
}

static uint64_t
dynamic_addr(const layout *l)
{
    return l->dynamic + TB_PAGE;
}

static uint64_t
records_addr(const layout *l)
{
    return dynamic_addr(l) + N_DYNAMIC * (uint64_t)l->size.dynamic;
}

static void
put_segment(const layout *l, tb_buf *out, const elf_segment *s)
{
    tb_elf_put32(out, s->type);
    if (!l->small)
        tb_elf_put32(out, s->flags);
    tb_elf_put_word(out, l->small, s->offset);
    tb_elf_put_word(out, l->small, s->vaddr);
    tb_elf_put_word(out, l->small, s->paddr);
    tb_elf_put_word(out, l->small, s->filesz);
    tb_elf_put_word(out, l->small, s->memsz);
    if (l->small)
        tb_elf_put32(out, s->flags);
    tb_elf_put_word(out, l->small, s->align);
}

/* ---- the parts of the file ---- */
static void
put_headers(const layout *l, tb_buf *out)
{
    uint64_t head = l->names + l->strings.n, dyn = N_DYNAMIC * (uint64_t)l->size.dynamic;
    const elf_header header = {ET_DYN,     l->im->machine, l->im->elf_flags,
                               N_SEGMENTS, N_S,            S_NAMES,
                               l->sections};
    elf_segment s[N_SEGMENTS] = {
        {PT_LOAD, PF_R, 0, 0, 0, head, head, TB_PAGE},
        {PT_LOAD, PF_R | PF_X, l->text, l->text, l->text, l->rodata - l->text,
         l->rodata - l->text, TB_PAGE},
        {PT_LOAD, PF_R, l->rodata, l->rodata, l->rodata, l->end - l->rodata,
         l->end - l->rodata, TB_PAGE},
        {PT_LOAD, PF_R | PF_W, l->dynamic, dynamic_addr(l), dynamic_addr(l),
         dyn + l->records, dyn + l->records + l->structures, TB_PAGE},
        {PT_DYNAMIC, PF_R | PF_W, l->dynamic, dynamic_addr(l), dynamic_addr(l), dyn, dyn,
         l->size.word},
        {PT_NOTE, PF_R, l->note, l->note, l->note, NOTE_BYTES, NOTE_BYTES, 4},
        {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16},
    };
    if (l->rodata == l->end) /* loaders refuse an empty PT_LOAD */
        s[2] = (elf_segment){.flags = PF_R};
    tb_elf_put_header(out, l->small, &header);
    for (int i = 0; i < N_SEGMENTS; i++)
        put_segment(l, out, &s[i]);
}

/* perf and debuggers know files by this number. */
static void
put_note(const layout *l, tb_buf *out)
{
    uint32_t head[4] = {4, 16, NT_GNU_BUILD_ID, 0};
    uint64_t id[2];

    memcpy(&head[3], "GNU", 4);
    tb_hash128(l->im->bytes, l->im->n, id);
    tb_buf_put(out, head, sizeof head);
    tb_buf_put(out, id, sizeof id);
}

static tb_status
put_hash(const layout *l, tb_buf *out)
{
    uint32_t n = l->n_symbols, *words = calloc(2 + 2 * (size_t)n, 4);

    if (!words)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %u symbols", n);
    words[0] = words[1] = n; /* buckets, chain */
    for (uint32_t i = n - 1; i > 0; i--) { /* so that the first of equal names is found */
        const char *name = i > l->im->n_entries ? TB_LIBRARY_QUERY : l->im->names[i - 1];
        uint32_t *bucket = &words[2 + symbol_hash(name) % n];
        words[2 + n + i] = *bucket;
        *bucket = i;
    }
    tb_buf_put(out, words, (2 + 2 * (size_t)n) * 4);
    tb_buf_pad(out, 8);
    free(words);
    return NULL;
}

static void
put_symbols(const layout *l, tb_buf *out)
{
    elf_symbol none = {0};
    uint32_t name = 1;

    tb_elf_put_symbol(out, l->small, &none);
    for (uint32_t i = 0; i < l->im->n_entries; i++) {
        elf_symbol s = {.name = name,
                        .info = STB_GLOBAL_STT_FUNC,
                        .section = S_TEXT,
                        .value = l->text + l->im->entries[i],
                        .size = l->size_of[i]};
        tb_elf_put_symbol(out, l->small, &s);
        name += (uint32_t)strlen(l->im->names[i]) + 1;
    }
    if (l->im->library) {
        elf_symbol query = {.name = l->query,
                            .info = STB_GLOBAL_STT_FUNC,
                            .section = S_TEXT,
                            .value = l->text + l->im->library->query};
        tb_elf_put_symbol(out, l->small, &query);
    }
    tb_buf_put(out, l->strings.at, l->strings.n);
}

/* What the library's code reads: distances, as the file has no relocations. */
static void
put_library(const layout *l, tb_buf *out)
{
    const tb_flat_library *lib = l->im->library;
    uint64_t head = records_addr(l), query = l->text + lib->query;
    uint32_t name = 1;

    tb_set64(out->at + l->text + lib->anchor, head - (l->text + lib->anchor));
    tb_elf_put32(out, l->im->n_entries);
    tb_elf_put32(out, lib->version);
    tb_elf_put_word(out, l->small, l->names + l->soname - head);
    tb_elf_put_word(out, l->small, lib->features);
    for (uint32_t i = 0; i < l->im->n_entries; i++) {
        const uint8_t counts[4] = {lib->exports[i].constants, lib->exports[i].bindings,
                                   lib->exports[i].scratch};
        tb_elf_put32(out, (uint32_t)(l->text + l->im->entries[i] - query));
        tb_elf_put32(out, (uint32_t)(l->text + lib->thunks[i] - query));
        tb_elf_put32(out, (uint32_t)(l->names + name - head));
        tb_buf_put(out, counts, sizeof counts);
        name += (uint32_t)strlen(l->im->names[i]) + 1;
    }
}

static void
put_dynamic(const layout *l, tb_buf *out)
{
    const elf_dynamic d[N_DYNAMIC] = {
        {DT_SONAME, l->soname},       {DT_HASH, l->hash},
        {DT_STRTAB, l->names},      {DT_SYMTAB, l->symbols},
        {DT_STRSZ, l->strings.n},   {DT_SYMENT, l->size.symbol},
        {DT_NULL, 0},
    };
    for (int i = 0; i < N_DYNAMIC; i++) {
        tb_elf_put_word(out, l->small, d[i].tag);
        tb_elf_put_word(out, l->small, d[i].value);
    }
}

static const char section_names[] =
    "\0.note.gnu.build-id\0.hash\0.dynsym\0.dynstr\0.text\0.rodata\0.dynamic\0.shstrtab";

/* Offset of the n-th name. */
static uint32_t
section_name(int n)
{
    uint32_t at = 0;

    while (n-- > 0)
        at += (uint32_t)strlen(section_names + at) + 1;
    return at;
}

static void
put_sections(const layout *l, tb_buf *out)
{
    elf_section s[N_S] = {
        [S_NOTE] = {0, SHT_NOTE, SHF_ALLOC, l->note, l->note, NOTE_BYTES, 0, 0, 4, 0},
        [S_HASH] = {0, SHT_HASH, SHF_ALLOC, l->hash, l->hash,
                    4 * (2 + 2 * (uint64_t)l->n_symbols), S_DYNSYM, 0, 8, 4},
        [S_DYNSYM] = {0, SHT_DYNSYM, SHF_ALLOC, l->symbols, l->symbols,
                      l->n_symbols * (uint64_t)l->size.symbol, S_DYNSTR, 1, 8, l->size.symbol},
        [S_DYNSTR] = {0, SHT_STRTAB, SHF_ALLOC, l->names, l->names, l->strings.n, 0, 0, 1, 0},
        [S_TEXT] = {0, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, l->text, l->text,
                    l->rodata - l->text, 0, 0, TB_PAGE, 0},
        [S_RODATA] = {0, SHT_PROGBITS, SHF_ALLOC, l->rodata, l->rodata, l->end - l->rodata, 0,
                      0, 64, 0},
        [S_DYNAMIC] = {0, SHT_DYNAMIC, SHF_ALLOC | SHF_WRITE, dynamic_addr(l), l->dynamic,
                       N_DYNAMIC * (uint64_t)l->size.dynamic, S_DYNSTR, 0, 8, l->size.dynamic},
        [S_NAMES] = {0, SHT_STRTAB, 0, 0, l->section_names, sizeof section_names, 0, 0, 1, 0},
    };
    for (int i = 0; i < N_S; i++) {
        s[i].name = section_name(i);
        tb_elf_put_section(out, l->small, &s[i]);
    }
}

static tb_status
write_elf(layout *l, tb_buf *out)
{
    const tb_flat_image *im = l->im;
    static const char soname[] = "turbine-image.so";

    tb_buf_put(&l->strings, "", 1);
    for (uint32_t i = 0; i < im->n_entries; i++)
        tb_buf_put(&l->strings, im->names[i], strlen(im->names[i]) + 1);
    l->soname = (uint32_t)l->strings.n;
    tb_buf_put(&l->strings, soname, sizeof soname);
    l->query = (uint32_t)l->strings.n;
    if (im->library)
        tb_buf_put(&l->strings, TB_LIBRARY_QUERY, sizeof TB_LIBRARY_QUERY);
    if (l->strings.failed || !measure(l))
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for symbols");
    lay_out(l);
    l->sections = TB_ALIGN_UP(l->section_names + sizeof section_names, 8);
    put_headers(l, out);
    put_note(l, out);
    TRY(put_hash(l, out));
    put_symbols(l, out);
    tb_buf_pad(out, TB_PAGE);
    tb_buf_put(out, im->bytes, im->n);
    tb_buf_pad(out, 16);
    put_dynamic(l, out);
    if (im->library && !out->failed)
        put_library(l, out);
    tb_buf_put(out, section_names, sizeof section_names);
    tb_buf_pad(out, 8);
    put_sections(l, out);
    return NULL;
}

tb_status
tb_elf_write(const tb_flat_image *image, tb_buf *out, uint32_t *text_off)
{
    static const uint8_t nothing[16]; /* what an image without kernels consists of */
    tb_flat_image im = *image;
    bool small = tb_cpu_is_32bit(image->machine);
    layout l = {.im = &im,
                .small = small,
                .size = small ? (elf_sizes)ELF_SIZES_32 : (elf_sizes)ELF_SIZES_64};

    if (out->n)
        return tb_status_make(TB_INVALID_ARGUMENT, "an image is written to an empty buffer");
    if (im.n == 0) {
        im.bytes = nothing;
        im.n = im.text_bytes = sizeof nothing;
    }
    if (im.text_bytes > im.n || im.n > UINT32_MAX / 2)
        return tb_status_make(TB_OUT_OF_RANGE, "an image of %zu bytes, %zu of them code", im.n,
                              im.text_bytes);
    if (im.library && (small || im.n < 8 || im.library->anchor > im.n - 8))
        return tb_status_make(TB_UNSUPPORTED, "an image of 32 bits as a library of IREE's");
    for (uint32_t i = 0; i < im.n_entries; i++)
        if (im.entries[i] >= im.text_bytes)
            return tb_status_make(TB_OUT_OF_RANGE, "kernel %s lies outside of the code",
                                  im.names[i]);
    tb_status st = write_elf(&l, out);
    *text_off = (uint32_t)l.text;
    tb_buf_free(&l.strings);
    free(l.size_of);
    return st;
}

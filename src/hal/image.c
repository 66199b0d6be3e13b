/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * image.c -- an ELF image in memory.
 *
 * Segments are copied into pages of their own, relocated while all of them can be written,
 * and then protected, code last of all made executable. Pages between segments stay without any
 * access.
 */
#include "hal/image.h"

#include <sys/mman.h>

static tb_status
protect(tb_image *im, uint64_t begin, uint64_t end, int how)
{
    if (begin < end && mprotect(im->base + begin, end - begin, how) != 0)
        return tb_status_make(TB_IO, "executable: the system does not give its pages access %d",
                              how);
    return NULL;
}

static uint64_t
page_up(uint64_t v)
{
    return TB_ALIGN_UP(v, (uint64_t)TB_IMAGE_PAGE);
}

static tb_status
copy_segments(tb_image *im, const uint8_t *file)
{
    for (uint32_t i = 0; i < im->layout.n_segments; i++) {
        const elf_segment *s = &im->layout.segment[i];
        TRY(protect(im, tb_image_page(s->vaddr), page_up(s->vaddr + s->memsz),
                    PROT_READ | PROT_WRITE));
        if (s->filesz)
            memcpy(im->base + s->vaddr, file + s->offset, s->filesz);
    }
    return NULL;
}

static void
relocate(tb_image *im, const uint8_t *file, const tb_elf_rows *rows)
{
    for (uint64_t i = 0; i < rows->n; i++) {
        tb_elf_fix fix;
        if (!tb_elf_fix_read(file, &im->layout, rows, i, &fix))
            continue; /* not after elfcheck.c */
        uint64_t value = fix.value + (fix.moves ? (uint64_t)(uintptr_t)im->base : 0);
        memcpy(im->base + fix.address, &value, sizeof value);
    }
}

static tb_status
protect_segments(tb_image *im)
{
    const tb_elf_layout *l = &im->layout;

    for (uint32_t i = 0; i < l->n_segments; i++) {
        const elf_segment *s = &l->segment[i];
        uint64_t begin = tb_image_page(s->vaddr), end = page_up(s->vaddr + s->memsz);
        if (s->flags & PF_X) {
            char *code = (char *)im->base;
            TRY(protect(im, begin, end, PROT_READ | PROT_EXEC));
            __builtin___clear_cache(code + begin, code + end);
        } else if (!(s->flags & PF_W)) {
            TRY(protect(im, begin, end, PROT_READ));
        }
    }
    return protect(im, l->relro, l->relro_end, PROT_READ);
}

tb_status
tb_image_load(const uint8_t *bytes, size_t n, tb_image *out)
{
    tb_image im = {0};

    TRY(tb_elf_layout_read(bytes, n, &im.layout));
    void *base = mmap(NULL, im.layout.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for an executable of %llu bytes",
                              (unsigned long long)im.layout.bytes);
    im.base = base;
    tb_status st = copy_segments(&im, bytes);
    if (!st) {
        relocate(&im, bytes, &im.layout.rela);
        relocate(&im, bytes, &im.layout.plt);
        st = protect_segments(&im);
    }
    if (st)
        tb_image_unload(&im);
    else
        *out = im;
    return st;
}

void
tb_image_unload(tb_image *im)
{
    if (im->base)
        munmap(im->base, im->layout.bytes);
    im->base = NULL;
}

const void *
tb_image_function(const tb_image *im, const uint8_t *file, const char *name)
{
    const tb_elf_layout *l = &im->layout;

    for (uint64_t i = 1; i < l->symbols.n; i++) {
        elf_symbol s = tb_elf_symbol(file, l, i);
        const void *at = im->base + s.value;
        if (strcmp((const char *)file + l->strings + s.name, name) == 0 &&
            (s.info & 15) == STT_FUNC && s.value < l->bytes &&
            tb_image_has(im, at, 1, 1, PF_X))
            return at;
    }
    return NULL;
}

static const elf_segment *
segment_of(const tb_image *im, const void *p, uint64_t *offset)
{
    uint64_t address = (uint64_t)((uintptr_t)p - (uintptr_t)im->base);

    for (uint32_t i = 0; i < im->layout.n_segments; i++) {
        const elf_segment *s = &im->layout.segment[i];
        if (address >= s->vaddr && address - s->vaddr < s->memsz) {
            *offset = address - s->vaddr;
            return s;
        }
    }
    return NULL;
}

bool
tb_image_has(const tb_image *im, const void *p, uint64_t n, size_t align, uint32_t flags)
{
    uint64_t offset;
    const elf_segment *s = segment_of(im, p, &offset);

    return s && (s->flags & flags) == flags && n <= s->memsz - offset &&
           (uintptr_t)p % align == 0;
}

bool
tb_image_has_text(const tb_image *im, const char *p)
{
    uint64_t offset;
    const elf_segment *s = segment_of(im, p, &offset);

    return s && memchr(p, 0, s->memsz - offset);
}

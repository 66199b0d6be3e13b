/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * describe.c -- what is in an executable, as text. None of its code is run: the library, whose
 * address only the query knows, is looked for among what is relocated.
 */
#include "artifact/cpu.h"
#include "artifact/layout.h"
#include "hal/internal.h"

/* The library's first word is relocated: it points to its header. */
static const tb_hal_library *
library_at(const tb_image *im, const tb_elf_fix *fix)
{
    const tb_hal_library *l = (const void *)(im->base + fix->address);

    if (!tb_image_has(im, l, sizeof *l, _Alignof(tb_hal_library), PF_R))
        return NULL;
    const tb_hal_library_header *h = l->header;
    bool known = tb_image_has(im, h, sizeof *h, _Alignof(tb_hal_library_header), PF_R) &&
                 h->version >= TB_HAL_LIBRARY_OLDEST &&
                 h->version <= tb_iree_release_find(NULL)->library &&
                 tb_image_has_text(im, h->name);
    return known ? l : NULL;
}

/* Whether the tables at l are those of a library; e then has them. */
static bool
is_library(tb_hal_executable *e, const tb_hal_library *l)
{
    tb_status st = tb_hal_library_read(e, l, l->constants.n, tb_iree_release_find(NULL)->library);
    bool is = !st && e->n_exports > 0;

    tb_status_free(st);
    if (is)
        return true;
    tb_heap_free(e->imports);
    tb_heap_free(e->exports);
    e->imports = NULL;
    e->exports = NULL;
    e->n_exports = 0;
    return false;
}

static const tb_hal_library *
find_library(tb_hal_executable *e, const uint8_t *bytes)
{
    enum { TRIES = 64 }; /* of an image that is made to look like many */
    const tb_elf_layout *layout = &e->image.layout;
    int tries = 0;

    for (uint64_t i = 0; i < layout->rela.n && tries < TRIES; i++) {
        tb_elf_fix fix;
        if (!tb_elf_fix_read(bytes, layout, &layout->rela, i, &fix) || !fix.moves)
            continue;
        const tb_hal_library *l = library_at(&e->image, &fix);
        if (!l)
            continue;
        if (is_library(e, l))
            return l;
        tries++;
    }
    return NULL;
}

static void
put_exports(const tb_hal_executable *e, const tb_hal_library *l, tb_buf *out)
{
    tb_buf_printf(out, "  library %s, version %u", l->header->name, (unsigned)l->header->version);
    if (l->constants.n)
        tb_buf_printf(out, ", %u constants", (unsigned)l->constants.n);
    tb_buf_puts(out, "\n");
    for (uint32_t i = 0; i < e->n_exports; i++) {
        const tb_hal_export *x = &e->exports[i];
        tb_buf_printf(out, "  %4u  %s  %u buffers, %u constants", i, x->name,
                      x->attrs.n_bindings, x->attrs.n_constants);
        if (x->attrs.local_pages)
            tb_buf_printf(out, ", %u bytes of its own",
                          (unsigned)x->attrs.local_pages * TB_HAL_LOCAL_PAGE);
        tb_buf_puts(out, "\n");
    }
}

/* An image whose tables are made when it is loaded: ours. */
static void
put_functions(const tb_image *im, const uint8_t *bytes, tb_buf *out)
{
    const tb_elf_layout *l = &im->layout;

    for (uint64_t i = 1; i < l->symbols.n; i++) {
        elf_symbol s = tb_elf_symbol(bytes, l, i);
        if ((s.info & 15) == STT_FUNC)
            tb_buf_printf(out, "        %s\n", (const char *)bytes + l->strings + s.name);
    }
}

static bool
is_foreign(const uint8_t *bytes, size_t n)
{
    enum { MACHINE = 18 };
    return n >= MACHINE + 2 && tb_get16(bytes + MACHINE) != tb_cpu_machine();
}

tb_status
tb_hal_executable_describe(const uint8_t *bytes, size_t n, tb_buf *out)
{
    tb_hal_executable e = {0};

    if (is_foreign(bytes, n)) {
        tb_buf_puts(out, "  for another processor: not looked into\n");
        return NULL;
    }
    tb_status st = tb_image_load(bytes, n, &e.image);
    if (tb_status_code(st) == TB_UNSUPPORTED) { /* sound, but nothing that can be run */
        tb_buf_printf(out, "  %s\n", tb_status_message(st));
        tb_status_free(st);
        return NULL;
    }
    if (st)
        return st;
    const tb_hal_library *l = find_library(&e, bytes);
    if (l)
        put_exports(&e, l, out);
    else
        put_functions(&e.image, bytes, out);
    tb_image_unload(&e.image);
    tb_heap_free(e.imports);
    tb_heap_free(e.exports);
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fuzz_elf.c -- any bytes as an ELF image of an executable library: an error, or an image whose
 * segments, relocations and tables lie in it. Its code is not run: the library is looked for
 * where the last eight bytes of the input say, and where the listing finds one.
 */
#include "artifact/layout.h"
#include "hal/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look_at_segments(const tb_image *im)
{
    const tb_elf_layout *l = &im->layout;
    unsigned sum = 0;

    for (uint32_t i = 0; i < l->n_segments; i++) {
        const elf_segment *s = &l->segment[i];
        TB_CHECK(s->vaddr + s->memsz <= l->bytes && l->bytes <= TB_IMAGE_MAX_BYTES + 4096);
        TB_CHECK(i == 0 || s->vaddr > l->segment[i - 1].vaddr);
        TB_CHECK((s->flags & (PF_W | PF_X)) != (PF_W | PF_X));
        sum += im->base[s->vaddr] + im->base[s->vaddr + s->memsz - 1];
    }
    TB_CHECK(sum < UINT32_MAX);
}

static void
look_at_library(tb_image *im, uint64_t where)
{
    tb_hal_executable e = {.image = *im};
    const void *at = im->base + where % (im->layout.bytes + 1);
    size_t bytes = 0;

    tb_status st = tb_hal_library_read(&e, at, 0, 6);
    for (uint32_t i = 0; i < e.n_exports && !st; i++) {
        const void *fn;
        memcpy(&fn, &e.exports[i].fn, sizeof fn);
        TB_CHECK(tb_image_has(im, fn, 1, 1, PF_X));
        bytes += strlen(e.exports[i].name);
    }
    TB_CHECK(bytes < (size_t)1 << 40);
    tb_status_free(st);
    tb_heap_free(e.imports);
    tb_heap_free(e.exports);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tb_image im = {0};
    tb_status st = tb_image_load(data, n, &im);

    if (!st) {
        look_at_segments(&im);
        const void *query = tb_image_function(&im, data, "iree_hal_executable_library_query");
        TB_CHECK(!query || tb_image_has(&im, query, 1, 1, PF_X));
        look_at_library(&im, tb_get64(data + n - 8));
    }
    tb_status_free(st);
    tb_image_unload(&im);
    tb_buf text = {0};
    tb_status_free(tb_hal_executable_describe(data, n, &text));
    tb_buf_free(&text);
    return 0;
}

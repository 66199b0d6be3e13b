/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * write.c -- lays an artifact out and writes its bytes.
 *
 *   module.fb if there is one | turbine.plan | <target>.so for each image | weights
 *
 * Equal constants are stored once. The records given are not changed: those that get
 * offsets, sizes and hashes are copied first.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "artifact/layout.h"
#include "artifact/put.h"

_Static_assert(sizeof(tb_plan_loc) == 32, "format");
_Static_assert(sizeof(tb_plan_const) == 48, "format");
_Static_assert(sizeof(tb_plan_dim) == 32, "format");
_Static_assert(sizeof(tb_plan_value) == 24, "format");
_Static_assert(sizeof(tb_plan_global) == 48, "format");
_Static_assert(sizeof(tb_plan_image) == 56, "format");
_Static_assert(sizeof(tb_plan_kernel) == 40, "format");
_Static_assert(sizeof(tb_plan_buf) == 16, "format");
_Static_assert(sizeof(tb_plan_attr) == 16, "format");
_Static_assert(sizeof(tb_plan_function) == 72, "format");
_Static_assert(sizeof(tb_plan_work) == 24, "format");
_Static_assert(sizeof(tb_plan_header) == 80 + 16 * TB_N_SECTIONS, "format");

enum { NAME_BYTES = 80 };

typedef struct writer {
    const tb_artifact *a;
    tb_plan plan;          /* with the records as they will be in the file */
    tb_plan_const *consts; /* offsets from the start of the weights until placed */
    tb_plan_image *images;
    bool *shared;          /* by constant: its bytes are those of an earlier one */
    tb_buf *elfs;          /* by image */
    char (*names)[NAME_BYTES];
    tb_zip_member *members, *module, *plan_member, *weights;
    uint64_t weights_bytes;
    tb_zip zip;
    tb_plan_header header;
    uint8_t *file;
    uint64_t file_bytes, filled;
} writer;

static void *
list(uint32_t n, size_t elem_bytes)
{
    return calloc(n ? n : 1, elem_bytes);
}

static bool
same_bytes(const tb_artifact_blob *b, const tb_plan_const *c, uint32_t i, uint32_t j)
{
    return b[i].n == b[j].n && c[i].hash[0] == c[j].hash[0] && c[i].hash[1] == c[j].hash[1] &&
           (b[i].n == 0 || memcmp(b[i].bytes, b[j].bytes, b[i].n) == 0);
}

tb_status
tb_artifact_place(const tb_artifact *a, tb_plan_const *consts, bool *shared, uint64_t *bytes)
{
    uint32_t n = a->plan->n_consts, cap = 4;

    while (cap < n * 2)
        cap *= 2;
    uint32_t *seen = list(cap, sizeof *seen); /* constant + 1 */
    if (!seen)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %u constants", n);
    *bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        tb_plan_const *c = &consts[i];
        tb_hash128(a->blobs[i].bytes, a->blobs[i].n, c->hash);
        uint32_t slot = (uint32_t)c->hash[0] & (cap - 1);
        while (seen[slot] && !same_bytes(a->blobs, consts, i, seen[slot] - 1))
            slot = (slot + 1) & (cap - 1);
        c->bytes = a->blobs[i].n;
        if (seen[slot]) {
            c->offset = consts[seen[slot] - 1].offset;
            shared[i] = true;
            continue;
        }
        seen[slot] = i + 1;
        *bytes = TB_ALIGN_UP(*bytes, TB_DATA_ALIGN);
        c->offset = *bytes;
        *bytes += c->bytes;
    }
    free(seen);
    return NULL;
}

static tb_status
make_images(writer *w)
{
    for (uint32_t i = 0; i < w->plan.n_images; i++) {
        tb_plan_image *im = &w->images[i];
        TRY(tb_elf_write(&w->a->images[i], &w->elfs[i], &im->text_off));
        if (w->elfs[i].failed)
            return tb_status_make(TB_OUT_OF_MEMORY, "no memory for an image");
        im->bytes = w->elfs[i].n;
        tb_hash128(w->elfs[i].at, w->elfs[i].n, im->hash);
        int len = snprintf(w->names[i], NAME_BYTES, "%s.so",
                           w->plan.strings + im->target.off);
        if (len >= NAME_BYTES)
            return tb_status_make(TB_INVALID_ARGUMENT, "the name of target %u is too long", i);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(w->names[k], w->names[i]) == 0)
                return tb_status_make(TB_INVALID_ARGUMENT, "two images for one target: %s",
                                      w->names[i]);
    }
    return NULL;
}

/* Fills in the header; returns the size of the plan. */
static uint64_t
layout_plan(writer *w)
{
    tb_plan_header *h = &w->header;
    uint64_t at = sizeof *h;

    *h = (tb_plan_header){.magic = TB_PLAN_MAGIC,
                          .version = TB_PLAN_VERSION,
                          .module_name = w->plan.module_name,
                          .producer = w->plan.producer,
                          .n_sections = TB_N_SECTIONS,
                          .strings = {at, (uint32_t)w->plan.strings_bytes, 1}};
    at += w->plan.strings_bytes;
#define X(type, name)                                                                    \
    at = TB_ALIGN_UP(at, 8);                                                             \
    h->section[TB_SECTION_##name] = (tb_plan_section){at, w->plan.n_##name, sizeof(type)};\
    at += (uint64_t)w->plan.n_##name * sizeof(type);
    TB_PLAN_SECTIONS(X)
#undef X
    h->bytes = TB_ALIGN_UP(at, 8);
    return h->bytes;
}

static tb_zip_member *
add_member(writer *w, const char *name, uint64_t align, uint64_t bytes)
{
    tb_zip_member *m = &w->members[w->zip.n++];
    *m = (tb_zip_member){.name = name, .align = align, .bytes = bytes};
    return m;
}

static void
layout_file(writer *w)
{
    w->zip.members = w->members;
    if (w->a->module)
        w->module = add_member(w, TB_MODULE_MEMBER, TB_DATA_ALIGN, w->a->module->n);
    w->plan_member = add_member(w, TB_PLAN_MEMBER, TB_DATA_ALIGN, layout_plan(w));
    tb_zip_member *images = w->members + w->zip.n;
    for (uint32_t i = 0; i < w->plan.n_images; i++)
        add_member(w, w->names[i], TB_PAGE, w->images[i].bytes);
    if (w->plan.n_consts)
        w->weights = add_member(w, TB_WEIGHTS_MEMBER, TB_DATA_ALIGN, w->weights_bytes);
    w->file_bytes = tb_zip_layout(&w->zip);
    w->header.file_bytes = w->file_bytes;
    for (uint32_t i = 0; i < w->plan.n_images; i++)
        w->images[i].offset = images[i].offset;
    for (uint32_t i = 0; i < w->plan.n_consts; i++)
        w->consts[i].offset += w->weights->offset;
}

/* Bytes are placed in ascending order; what lies between is zeroed. */
static void
put(writer *w, uint64_t at, const void *bytes, uint64_t n)
{
    memset(w->file + w->filled, 0, (size_t)(at - w->filled));
    if (n)
        memcpy(w->file + at, bytes, (size_t)n);
    w->filled = at + n;
}

/* The module, with the places of other members filled in. */
static void
put_module(writer *w)
{
    const tb_artifact_module *m = w->a->module;
    uint64_t base = TB_ALIGN_UP(w->module->offset + m->n, TB_DATA_ALIGN);

    put(w, w->module->offset, m->bytes, m->n);
    for (uint32_t i = 0; i < m->n_fixes; i++) {
        const tb_fix *f = &m->fixes[i];
        uint64_t value = 0;
        switch ((tb_fix_kind)f->kind) {
        case TB_FIX_IMAGE:
            value = w->images[f->index].offset - base;
            break;
        case TB_FIX_IMAGE_BYTES:
            value = w->images[f->index].bytes;
            break;
        case TB_FIX_WEIGHTS:
            value = w->weights->offset - base;
            break;
        case TB_FIX_WEIGHTS_BYTES:
            value = w->weights->bytes;
            break;
        case TB_FIX_CONST:
            value = w->consts[f->index].offset - w->weights->offset;
            break;
        }
        tb_set64(w->file + w->module->offset + f->at, value);
    }
}

static void
fill(writer *w)
{
    uint64_t base = w->plan_member->offset;

    if (w->module)
        put_module(w);

    put(w, base, &w->header, sizeof w->header);
    put(w, base + w->header.strings.offset, w->plan.strings, w->plan.strings_bytes);
#define X(type, name)                                                                    \
    put(w, base + w->header.section[TB_SECTION_##name].offset, w->plan.name,             \
        (uint64_t)w->plan.n_##name * sizeof(type));
    TB_PLAN_SECTIONS(X)
#undef X
    for (uint32_t i = 0; i < w->plan.n_images; i++)
        put(w, w->images[i].offset, w->elfs[i].at, w->elfs[i].n);
    for (uint32_t i = 0; i < w->plan.n_consts; i++)
        if (!w->shared[i])
            put(w, w->consts[i].offset, w->a->blobs[i].bytes, w->consts[i].bytes);
    put(w, w->file_bytes, NULL, 0);
    tb_plan_seal(w->file + base, (size_t)w->header.bytes);
    tb_zip_write(&w->zip, w->file);
}

/* A plan that no reader would accept is the compiler's fault: say so now. */
static tb_status
check_plan(const writer *w)
{
    tb_status st = tb_plan_verify(&w->plan, (size_t)w->file_bytes), internal;

    if (!st)
        return NULL;
    internal = tb_status_make(TB_INTERNAL, "the compiler made a faulty program: %s",
                              tb_status_message(st));
    tb_status_free(st);
    return internal;
}

static tb_status
write_all(writer *w)
{
    if (w->plan.n_consts)
        memcpy(w->consts, w->plan.consts, w->plan.n_consts * sizeof *w->consts);
    if (w->plan.n_images)
        memcpy(w->images, w->plan.images, w->plan.n_images * sizeof *w->images);
    w->plan.consts = w->consts;
    w->plan.images = w->images;
    TRY(make_images(w));
    TRY(tb_artifact_place(w->a, w->consts, w->shared, &w->weights_bytes));
    layout_file(w);
    if (w->file_bytes > SIZE_MAX / 2)
        return tb_status_make(TB_OUT_OF_RANGE, "the artifact would have %" PRIu64 " bytes",
                              w->file_bytes);
    TRY(check_plan(w));
    w->file = aligned_alloc(TB_DATA_ALIGN, TB_ALIGN_UP((size_t)w->file_bytes, TB_DATA_ALIGN));
    if (!w->file)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for an artifact of %" PRIu64
                              " bytes", w->file_bytes);
    fill(w);
    return NULL;
}

tb_status
tb_artifact_write(const tb_artifact *a, tb_buf *out)
{
    uint32_t n_images = a->plan->n_images, n_consts = a->plan->n_consts;
    writer w = {.a = a, .plan = *a->plan};
    tb_status st;

    if (out->n)
        return tb_status_make(TB_INVALID_ARGUMENT, "an artifact is written to an empty buffer");
    if (n_consts > UINT32_MAX / 4 || a->plan->strings_bytes > UINT32_MAX)
        return tb_status_make(TB_OUT_OF_RANGE, "too many constants or strings");
    w.consts = list(n_consts, sizeof *w.consts);
    w.images = list(n_images, sizeof *w.images);
    w.shared = list(n_consts, sizeof *w.shared);
    w.elfs = list(n_images, sizeof *w.elfs);
    w.names = list(n_images, sizeof *w.names);
    w.members = list(n_images + 3, sizeof *w.members);
    if (w.consts && w.images && w.shared && w.elfs && w.names && w.members)
        st = write_all(&w);
    else
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory to write an artifact");
    for (uint32_t i = 0; w.elfs && i < n_images; i++)
        tb_buf_free(&w.elfs[i]);
    free(w.consts);
    free(w.images);
    free(w.shared);
    free(w.elfs);
    free(w.names);
    free(w.members);
    if (st)
        return st;
    tb_buf_free(out);
    *out = (tb_buf){.at = w.file, .n = (size_t)w.file_bytes, .cap = (size_t)w.file_bytes};
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * write.c -- lays an artifact out and writes its bytes.
 *
 *   module.fb if there is one | turbine.plan | <target>.so for each image | weights
 *
 * Equal constants are stored once. The records given are not changed: those that get
 * offsets, sizes and hashes are copied first.
 *
 * Weights come last and are written as they are made, one constant after the other: into
 * the memory of the result, or through a buffer of the largest that has a recipe into a
 * file. What comes before them is written then, when the program knows their places.
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

/* Gives constants their places among the weights; equal ones the same. */
typedef struct placer {
    const tb_artifact_blob *blobs;
    tb_plan_const *consts;
    bool *shared;
    uint32_t *seen, cap; /* by hash: constant + 1 */
    uint64_t bytes;      /* of the weights so far */
} placer;

typedef struct writer {
    const tb_artifact *a;
    tb_plan plan;          /* with the records as they will be in the file */
    tb_plan_const *consts; /* offsets from the start of the weights until all are placed */
    tb_plan_image *images;
    bool *shared;          /* by constant: its bytes are those of an earlier one */
    tb_buf *elfs;          /* by image */
    char (*names)[NAME_BYTES];
    tb_zip_member *members, *module, *plan_member, *weights;
    tb_zip zip;
    tb_plan_header header;
    uint64_t file_bytes;
    tb_file *file;  /* where it goes: a file, or */
    uint8_t *bytes; /* memory, at least as much as the archive needs; */
    uint64_t filled; /*   up to here */
} writer;

static void *
list(uint32_t n, size_t elem_bytes)
{
    return calloc(n ? n : 1, elem_bytes);
}

static tb_status
no_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory to write an artifact");
}

/* ---- places of constants ---- */
static tb_status
placer_begin(placer *p, const tb_artifact *a, tb_plan_const *consts, bool *shared)
{
    *p = (placer){.blobs = a->blobs, .consts = consts, .shared = shared, .cap = 4};
    while (p->cap < a->plan->n_consts * 2)
        p->cap *= 2;
    p->seen = list(p->cap, sizeof *p->seen);
    return p->seen ? NULL : no_memory();
}

/* Has constant i these bytes? *failed: there was no memory to tell. */
static bool
has_bytes(const placer *p, uint32_t i, const void *bytes, bool *failed)
{
    const tb_artifact_blob *b = &p->blobs[i];
    if (!b->recipe || !b->n)
        return !b->n || memcmp(b->bytes, bytes, b->n) == 0;
    void *made = malloc(b->n);
    *failed = !made || !b->recipe->make(b->recipe, made);
    bool same = !*failed && memcmp(made, bytes, b->n) == 0;
    free(made);
    return same;
}

/* Constant i has these bytes. */
static tb_status
placer_add(placer *p, uint32_t i, const void *bytes)
{
    tb_plan_const *c = &p->consts[i];
    bool failed = false;

    c->bytes = p->blobs[i].n;
    tb_hash128(bytes, c->bytes, c->hash);
    uint32_t slot = (uint32_t)c->hash[0] & (p->cap - 1);
    for (; p->seen[slot] && !failed; slot = (slot + 1) & (p->cap - 1)) {
        const tb_plan_const *o = &p->consts[p->seen[slot] - 1];
        if (o->bytes == c->bytes && o->hash[0] == c->hash[0] && o->hash[1] == c->hash[1] &&
            has_bytes(p, p->seen[slot] - 1, bytes, &failed)) {
            c->offset = o->offset;
            p->shared[i] = true;
            return NULL;
        }
    }
    if (failed)
        return no_memory();
    p->seen[slot] = i + 1;
    c->offset = TB_ALIGN_UP(p->bytes, TB_DATA_ALIGN);
    p->bytes = c->offset + c->bytes;
    return NULL;
}

tb_status
tb_artifact_place(const tb_artifact *a, tb_plan_const *consts, bool *shared, uint64_t *bytes)
{
    placer p;
    tb_status st = placer_begin(&p, a, consts, shared);

    for (uint32_t i = 0; i < a->plan->n_consts && !st; i++)
        st = placer_add(&p, i, a->blobs[i].bytes);
    free(p.seen);
    *bytes = p.bytes;
    return st;
}

/* ---- layout ---- */
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

/* Weights may turn out smaller; the places of what is before them are final. */
static void
layout_file(writer *w)
{
    uint64_t most = 0;

    w->zip.members = w->members;
    if (w->a->module)
        w->module = add_member(w, TB_MODULE_MEMBER, TB_DATA_ALIGN, w->a->module->n);
    w->plan_member = add_member(w, TB_PLAN_MEMBER, TB_DATA_ALIGN, layout_plan(w));
    tb_zip_member *images = w->members + w->zip.n;
    for (uint32_t i = 0; i < w->plan.n_images; i++)
        add_member(w, w->names[i], TB_PAGE, w->images[i].bytes);
    for (uint32_t i = 0; i < w->plan.n_consts; i++)
        most = TB_ALIGN_UP(most, TB_DATA_ALIGN) + w->a->blobs[i].n;
    if (w->plan.n_consts)
        w->weights = add_member(w, TB_WEIGHTS_MEMBER, TB_DATA_ALIGN, most);
    w->file_bytes = tb_zip_layout(&w->zip);
    for (uint32_t i = 0; i < w->plan.n_images; i++)
        w->images[i].offset = images[i].offset;
}

/* ---- bytes ---- */
/* In ascending order into memory, what lies between is zeroed; anywhere into a file. */
static tb_status
put(writer *w, uint64_t at, const void *bytes, uint64_t n)
{
    if (w->file)
        return tb_file_put(w->file, at, bytes, (size_t)n);
    if (at > w->filled)
        memset(w->bytes + w->filled, 0, (size_t)(at - w->filled));
    if (n && w->bytes + at != bytes)
        memcpy(w->bytes + at, bytes, (size_t)n);
    w->filled = w->filled > at + n ? w->filled : at + n;
    return NULL;
}

/* Constants of the weights one after the other; *crc becomes that of them and what lies
 * between. `buffer` has room for what recipes make, or is NULL: they write in place. */
static tb_status
put_consts(writer *w, placer *p, uint8_t *buffer, uint32_t *crc)
{
    static const uint8_t zeros[TB_DATA_ALIGN];

    for (uint32_t i = 0; i < w->plan.n_consts; i++) {
        const tb_artifact_blob *b = &w->a->blobs[i];
        const void *bytes = b->bytes;
        uint64_t end = p->bytes, at = TB_ALIGN_UP(end, TB_DATA_ALIGN);
        if (b->recipe) {
            uint8_t *to = buffer ? buffer : w->bytes + w->weights->offset + at;
            if (!b->recipe->make(b->recipe, to))
                return no_memory();
            bytes = to;
        }
        TRY(placer_add(p, i, bytes));
        if (w->shared[i])
            continue;
        *crc = tb_crc32(*crc, zeros, (size_t)(at - end));
        *crc = tb_crc32(*crc, bytes, b->n);
        TRY(put(w, w->weights->offset + at, bytes, b->n));
    }
    return NULL;
}

static tb_status
put_weights(writer *w)
{
    placer p;
    size_t room = 0;
    uint8_t *buffer = NULL;

    if (!w->weights)
        return NULL;
    for (uint32_t i = 0; i < w->plan.n_consts; i++)
        if (w->file && w->a->blobs[i].recipe && w->a->blobs[i].n > room)
            room = w->a->blobs[i].n;
    if (room && !(buffer = aligned_alloc(TB_DATA_ALIGN, TB_ALIGN_UP(room, TB_DATA_ALIGN))))
        return no_memory();
    tb_status st = placer_begin(&p, w->a, w->consts, w->shared);
    if (!st)
        st = put_consts(w, &p, buffer, &w->weights->crc);
    free(p.seen);
    free(buffer);
    w->weights->bytes = p.bytes;
    w->file_bytes = tb_zip_end(&w->zip);
    for (uint32_t i = 0; i < w->plan.n_consts; i++)
        w->consts[i].offset += w->weights->offset;
    return st;
}

/* A member that is here as a whole. */
static tb_status
put_member(writer *w, tb_zip_member *m, const void *bytes)
{
    m->crc = tb_crc32(0, bytes, (size_t)m->bytes);
    return put(w, m->offset, bytes, m->bytes);
}

static uint64_t
fix_value(const writer *w, const tb_fix *f, uint64_t base)
{
    switch ((tb_fix_kind)f->kind) {
    case TB_FIX_IMAGE:
        return w->images[f->index].offset - base;
    case TB_FIX_IMAGE_BYTES:
        return w->images[f->index].bytes;
    case TB_FIX_WEIGHTS:
        return w->weights->offset - base;
    case TB_FIX_WEIGHTS_BYTES:
        return w->weights->bytes;
    case TB_FIX_CONST:
        return w->consts[f->index].offset - w->weights->offset;
    }
    return 0;
}

/* The module, with the places of other members filled in. */
static tb_status
put_module(writer *w)
{
    const tb_artifact_module *m = w->a->module;
    uint8_t *bytes = malloc(m->n + 1);

    if (!bytes)
        return no_memory();
    memcpy(bytes, m->bytes, m->n);
    uint64_t base = TB_ALIGN_UP(w->module->offset + m->n, TB_DATA_ALIGN);
    for (uint32_t i = 0; i < m->n_fixes; i++)
        tb_set64(bytes + m->fixes[i].at, fix_value(w, &m->fixes[i], base));
    tb_status st = put_member(w, w->module, bytes);
    free(bytes);
    return st;
}

static tb_status
put_plan(writer *w)
{
    uint8_t *bytes = calloc(1, (size_t)w->header.bytes);

    if (!bytes)
        return no_memory();
    w->header.file_bytes = w->file_bytes;
    memcpy(bytes, &w->header, sizeof w->header);
    memcpy(bytes + w->header.strings.offset, w->plan.strings, w->plan.strings_bytes);
#define X(type, name)                                                                    \
    if (w->plan.n_##name)                                                                \
        memcpy(bytes + w->header.section[TB_SECTION_##name].offset, w->plan.name,        \
               (size_t)w->plan.n_##name * sizeof(type));
    TB_PLAN_SECTIONS(X)
#undef X
    tb_plan_seal(bytes, (size_t)w->header.bytes);
    tb_status st = put_member(w, w->plan_member, bytes);
    free(bytes);
    return st;
}

/* Headers of members and what is behind them. */
static tb_status
put_archive(writer *w)
{
    tb_buf b = {0};
    tb_status st = NULL;

    for (uint32_t i = 0; i < w->zip.n && !st; i++) {
        b.n = 0;
        tb_zip_put_local(&w->members[i], &b);
        st = b.failed ? no_memory() : put(w, w->members[i].header, b.at, b.n);
    }
    b.n = 0;
    tb_zip_put_directory(&w->zip, &b);
    if (!st)
        st = b.failed ? no_memory() : put(w, w->file_bytes - b.n, b.at, b.n);
    tb_buf_free(&b);
    return st;
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
put_all(writer *w)
{
    TRY(put_weights(w));
    TRY(check_plan(w));
    if (w->module)
        TRY(put_module(w));
    TRY(put_plan(w));
    for (uint32_t i = 0; i < w->plan.n_images; i++)
        TRY(put_member(w, w->plan_member + 1 + i, w->elfs[i].at));
    return put_archive(w);
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
    layout_file(w);
    if (w->file_bytes > SIZE_MAX / 2)
        return tb_status_make(TB_OUT_OF_RANGE, "the artifact would have %" PRIu64 " bytes",
                              w->file_bytes);
    if (w->file)
        return put_all(w);
    w->bytes = aligned_alloc(TB_DATA_ALIGN, TB_ALIGN_UP((size_t)w->file_bytes, TB_DATA_ALIGN));
    if (!w->bytes)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for an artifact of %" PRIu64
                              " bytes", w->file_bytes);
    return put_all(w);
}

static tb_status
write_artifact(writer *w)
{
    uint32_t n_images = w->plan.n_images, n_consts = w->plan.n_consts;
    tb_status st;

    if (n_consts > UINT32_MAX / 4 || w->plan.strings_bytes > UINT32_MAX)
        return tb_status_make(TB_OUT_OF_RANGE, "too many constants or strings");
    w->consts = list(n_consts, sizeof *w->consts);
    w->images = list(n_images, sizeof *w->images);
    w->shared = list(n_consts, sizeof *w->shared);
    w->elfs = list(n_images, sizeof *w->elfs);
    w->names = list(n_images, sizeof *w->names);
    w->members = list(n_images + 3, sizeof *w->members);
    if (w->consts && w->images && w->shared && w->elfs && w->names && w->members)
        st = write_all(w);
    else
        st = no_memory();
    for (uint32_t i = 0; w->elfs && i < n_images; i++)
        tb_buf_free(&w->elfs[i]);
    free(w->consts);
    free(w->images);
    free(w->shared);
    free(w->elfs);
    free(w->names);
    free(w->members);
    return st;
}

tb_status
tb_artifact_write(const tb_artifact *a, tb_buf *out)
{
    writer w = {.a = a, .plan = *a->plan};

    if (out->n)
        return tb_status_make(TB_INVALID_ARGUMENT, "an artifact is written to an empty buffer");
    tb_status st = write_artifact(&w);
    if (st) {
        free(w.bytes);
        return st;
    }
    tb_buf_free(out);
    *out = (tb_buf){.at = w.bytes, .n = (size_t)w.file_bytes, .cap = (size_t)w.file_bytes};
    return NULL;
}

tb_status
tb_artifact_write_file(const tb_artifact *a, const char *path)
{
    tb_file file;
    writer w = {.a = a, .plan = *a->plan, .file = &file};

    TRY(tb_file_begin(&file, path));
    tb_status st = write_artifact(&w), end = tb_file_end(&file, !st);
    return st ? st : end;
}

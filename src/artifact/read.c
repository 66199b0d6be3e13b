/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * read.c -- points a plan at the bytes of an artifact. In order: the archive's directory,
 * the header of turbine.plan, its hash, the places of its sections, every field (verify.c),
 * the images' structure, hashes. A failure names the first fault.
 */
#include "artifact/layout.h"

static tb_status
bad(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged plan: %s", what);
}

static bool
is_hash(const void *bytes, size_t n, const uint64_t want[2])
{
    uint64_t got[2];

    tb_hash128(bytes, n, got);
    return got[0] == want[0] && got[1] == want[1];
}

static tb_status
check_header(const tb_plan_header *h, size_t n, size_t file_bytes)
{
    const uint16_t probe = 1;

    if (*(const uint8_t *)&probe != 1)
        return tb_status_make(TB_INCOMPATIBLE, "artifacts are for little-endian machines");
    if (n < 8 || h->magic != TB_PLAN_MAGIC)
        return bad("no header");
    if (h->version != TB_PLAN_VERSION)
        return tb_status_make(TB_INCOMPATIBLE,
                              "the artifact has format version %u; this runtime reads "
                              "version %d. Compile the model again, or take the runtime "
                              "of the same release",
                              h->version, TB_PLAN_VERSION);
    if (n < sizeof *h || h->bytes != n || h->n_sections != TB_N_SECTIONS)
        return bad("header");
    if (h->file_bytes != file_bytes)
        return bad("size of the file");
    if (!is_hash((const uint8_t *)h + TB_PLAN_HASHED_FROM, n - TB_PLAN_HASHED_FROM, h->hash))
        return bad("hash");
    return NULL;
}

/* Address of a section with records of elem_bytes, NULL if it does not lie inside. */
static const void *
section(const tb_plan_header *h, const tb_plan_section *s, uint32_t elem_bytes,
        uint32_t align)
{
    if (s->elem_bytes != elem_bytes || s->offset % align || s->offset > h->bytes ||
        s->count > (h->bytes - s->offset) / elem_bytes)
        return NULL;
    return (const uint8_t *)h + s->offset;
}

static tb_status
find_sections(const tb_plan_header *h, tb_plan *p)
{
    *p = (tb_plan){.strings = section(h, &h->strings, 1, 1),
                   .strings_bytes = h->strings.count,
                   .module_name = h->module_name,
                   .producer = h->producer};
    if (!p->strings)
        return bad("place of the strings");
#define X(type, name)                                                                    \
    p->name = section(h, &h->section[TB_SECTION_##name], sizeof(type), 8);               \
    p->n_##name = h->section[TB_SECTION_##name].count;                                   \
    if (!p->name)                                                                        \
        return bad("place of section " #name);
    TB_PLAN_SECTIONS(X)
#undef X
    return NULL;
}

/* Images this machine may run are hashed: a flipped bit in code has no other symptom than
 * a crash. The others on request. */
static tb_status
check_images(const tb_plan *p, const uint8_t *file, bool all)
{
    for (uint32_t i = 0; i < p->n_images; i++) {
        const tb_plan_image *im = &p->images[i];
        uint64_t text_bytes;

        TRY(tb_elf_check(file + im->offset, (size_t)im->bytes, im->arch, im->text_off,
                         &text_bytes));
        for (uint32_t k = 0; k < p->n_kernels; k++)
            if (p->entries[i * p->n_kernels + k] >= text_bytes)
                return bad("an entry outside of the code");
        bool mine = im->arch == tb_cpu_machine() && !(im->features & ~tb_cpu_features());
        if ((all || mine) && !is_hash(file + im->offset, (size_t)im->bytes, im->hash))
            return tb_status_make(TB_CORRUPT, "damaged image for %s: wrong hash",
                                  p->strings + im->target.off);
    }
    return NULL;
}

static tb_status
check_weights(const tb_plan *p, const uint8_t *file)
{
    for (uint32_t i = 0; i < p->n_consts; i++)
        if (!is_hash(file + p->consts[i].offset, (size_t)p->consts[i].bytes,
                     p->consts[i].hash))
            return tb_status_make(TB_CORRUPT, "damaged weights: wrong hash of constant %u %s",
                                  i, p->strings + p->consts[i].name.off);
    return NULL;
}

tb_status
tb_artifact_read(const void *bytes, size_t n, int load_flags, tb_plan *out)
{
    const uint8_t *member;
    size_t member_bytes;
    bool all = (load_flags & TB_LOAD_VERIFY_WEIGHTS) != 0;
    tb_plan p;

    if ((uintptr_t)bytes % TB_DATA_ALIGN)
        return tb_status_make(TB_INVALID_ARGUMENT, "an artifact in memory must be aligned to "
                              "%d bytes (or copied)", TB_DATA_ALIGN);
    TRY(tb_zip_find(bytes, n, TB_PLAN_MEMBER, &member, &member_bytes));
    if ((uintptr_t)member % 8)
        return tb_status_make(TB_CORRUPT, "%s is not aligned: the archive was repacked",
                              TB_PLAN_MEMBER);
    const tb_plan_header *h = (const void *)member;
    TRY(check_header(h, member_bytes, n));
    TRY(find_sections(h, &p));
    TRY(tb_plan_verify(&p, n));
    TRY(check_images(&p, bytes, all));
    if (all)
        TRY(check_weights(&p, bytes));
    *out = p;
    return NULL;
}

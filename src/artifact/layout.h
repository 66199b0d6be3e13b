/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * layout.h -- private to src/artifact and its tests: the bytes of the member
 * `turbine.plan`, the ZIP around it, hashes. docs/formats/vmfb.md tells the same in prose.
 *
 *   tb_plan_header | strings | section 0 | section 1 | ...      each at a multiple of 8
 */
#pragma once
#include "artifact/artifact.h"

#define TB_PLAN_MEMBER "turbine.plan"
#define TB_WEIGHTS_MEMBER "weights"
#define TB_MODULE_MEMBER "module.fb"
enum { TB_PAGE = 4096 }; /* images begin at multiples of this */

/* One array of records: `offset` from the start of the member. */
typedef struct tb_plan_section {
    uint64_t offset;
    uint32_t count, elem_bytes;
} tb_plan_section;

#define X(type, name) TB_SECTION_##name,
typedef enum tb_plan_section_id { TB_PLAN_SECTIONS(X) TB_N_SECTIONS } tb_plan_section_id;
#undef X

typedef struct tb_plan_header {
    uint32_t magic, version;
    uint64_t hash[2];      /* of the member from byte 24 on */
    uint64_t bytes;        /* of the member */
    uint64_t file_bytes;   /* of the archive */
    tb_sref module_name, producer;
    uint32_t n_sections, pad_;
    tb_plan_section strings;
    tb_plan_section section[TB_N_SECTIONS];
} tb_plan_header;
enum { TB_PLAN_HASHED_FROM = 24 };
/* Fills in the hash of the member's bytes as they are now. */
void tb_plan_seal(void *member, size_t n);

/* write.c -- hashes constants, whose bytes are there, and gives each a place in the weights, equal ones the same:
 * all but the first of those are marked in shared[]. *bytes gets the size of all. */
tb_status tb_artifact_place(const tb_artifact *a, tb_plan_const *consts, bool *shared,
                            uint64_t *bytes) TB_MUST_CHECK;

/* object.c -- writes constants as tb_artifact_place has placed them; returns their bytes. */
uint64_t tb_object_put_weights(tb_buf *out, const tb_artifact *a, const tb_plan_const *consts,
                               const bool *shared);
/* wasm.c -- the same object for WebAssembly; the image is an object that LLVM wrote. */
tb_status tb_wasm_write(const tb_artifact *a, const tb_flat_image *im, const char *prefix,
                        const tb_plan_const *consts, const bool *shared,
                        uint64_t weights_bytes, tb_buf *out) TB_MUST_CHECK;

/* hash.c -- MurmurHash3_x64_128 (Austin Appleby, public domain), seed 0. Guards against
 * damage, not against malice. */
void tb_hash128(const void *bytes, size_t n, uint64_t out[2]);

/* crc.c -- CRC-32 as ZIP has it, of what had `crc` (0: nothing) and these bytes behind it. */
uint32_t tb_crc32(uint32_t crc, const void *bytes, size_t n);

/* ---- zip.c: writing an archive of stored members ---- */
typedef struct tb_zip_member {
    const char *name;
    uint64_t align;  /* of the data in the file, a power of two */
    uint64_t bytes;
    uint64_t offset; /* of the data, set by tb_zip_layout */
    uint64_t header; /* of the local header, set by tb_zip_layout */
    uint32_t crc;    /* of the data, before headers are written */
    bool big;        /* has ZIP64 sizes, set by tb_zip_layout */
} tb_zip_member;
typedef struct tb_zip {
    tb_zip_member *members;
    uint32_t n;
    uint64_t limit; /* sizes and offsets from here on take ZIP64 records; 0 = 4 GiB - 1 */
} tb_zip;
/* Places headers and data; returns the size of the archive. */
uint64_t tb_zip_layout(tb_zip *z);
/* The same size again after the last member turned out smaller; offsets stay. */
uint64_t tb_zip_end(const tb_zip *z);
/* Appends a member's local header, with the padding behind it; what is behind all members. */
void tb_zip_put_local(const tb_zip_member *m, tb_buf *out);
void tb_zip_put_directory(const tb_zip *z, tb_buf *out);

/* zipread.c -- the data of the stored member `name`. */
tb_status tb_zip_find(const uint8_t *file, size_t n, const char *name, const uint8_t **data,
                      size_t *bytes) TB_MUST_CHECK;

/* elfread.c -- checks that an image is a shared object for `machine` whose executable
 * segment starts at text_off; *text_bytes gets that segment's size. */
tb_status tb_elf_check(const uint8_t *image, size_t n, uint32_t machine, uint32_t text_off,
                       uint64_t *text_bytes) TB_MUST_CHECK;

/* Little-endian words at any address. */
static inline uint16_t
tb_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t
tb_get32(const uint8_t *p)
{
    return tb_get16(p) | (uint32_t)tb_get16(p + 2) << 16;
}
static inline uint64_t
tb_get64(const uint8_t *p)
{
    return tb_get32(p) | (uint64_t)tb_get32(p + 4) << 32;
}

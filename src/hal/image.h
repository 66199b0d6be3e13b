/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * image.h -- loads the ELF images of IREE's `embedded-elf` formats; private to src/hal.
 *
 *   elfcheck.c  everything that is used of a file, before anything is mapped
 *   image.c     segments in memory, relocated and protected
 *
 * An image is a 64-bit shared object for this processor that needs nothing from outside: no
 * libraries, no undefined symbols, no thread-local storage, nothing that runs when it is
 * loaded. It has segments of whole pages that are never both writable and executable.
 */
#pragma once
#include "artifact/elf.h"

enum {
    TB_IMAGE_PAGE = 4096,
    TB_IMAGE_MAX_SEGMENTS = 16
};
/* Addresses in an image are below this. */
#define TB_IMAGE_MAX_BYTES (UINT64_C(1) << 30)

static inline uint64_t
tb_image_page(uint64_t address) /* where its page begins */
{
    return address / TB_IMAGE_PAGE * TB_IMAGE_PAGE;
}

/* Rows of 24 bytes in the file. */
typedef struct tb_elf_rows {
    uint64_t at, n; /* offset in the file, number */
} tb_elf_rows;

/* What elfcheck.c found: ranges that lie in the file and in segments. */
typedef struct tb_elf_layout {
    elf_segment segment[TB_IMAGE_MAX_SEGMENTS]; /* PT_LOAD, by address; pages do not overlap */
    uint32_t n_segments;
    uint64_t bytes;                /* of memory, whole pages from address 0 */
    uint64_t relro, relro_end;     /* addresses made read-only at last; none if equal */
    tb_elf_rows symbols, rela, plt;
    uint64_t strings, string_bytes; /* offset in the file */
} tb_elf_layout;
/* The failure of a file that does not verify. */
tb_status tb_image_damaged(const char *what) TB_MUST_CHECK;
/* Verifies `image` of n bytes. */
tb_status tb_elf_layout_read(const uint8_t *image, size_t n, tb_elf_layout *out) TB_MUST_CHECK;
elf_symbol tb_elf_symbol(const uint8_t *image, const tb_elf_layout *l, uint64_t i);
/* A relocation: `address` gets the 64-bit number `value`, relative to where the image is if
 * `moves`. */
typedef struct tb_elf_fix {
    uint64_t address, value;
    bool moves;
} tb_elf_fix;
/* Relocation i of the rows; false if it is of a kind that images do not have. */
bool tb_elf_fix_read(const uint8_t *image, const tb_elf_layout *l, const tb_elf_rows *rows,
                     uint64_t i, tb_elf_fix *out);

/* An image in memory. Its code runs as soon as it is called; it is trusted, its tables are
 * not. */
typedef struct tb_image {
    uint8_t *base;
    tb_elf_layout layout; /* file offsets in it mean nothing any more */
} tb_image;
/* `bytes` are not needed afterwards. */
tb_status tb_image_load(const uint8_t *bytes, size_t n, tb_image *out) TB_MUST_CHECK;
void tb_image_unload(tb_image *im); /* a zeroed one is fine */
/* Address of the function in an executable segment; NULL if there is none of the name.
 * Needs the file. */
const void *tb_image_function(const tb_image *im, const uint8_t *file, const char *name);
/* Whether n bytes at p, aligned, lie in one segment that has the flags (PF_R, PF_X). */
bool tb_image_has(const tb_image *im, const void *p, uint64_t n, size_t align, uint32_t flags);
/* Whether p is a string that ends within its segment. */
bool tb_image_has_text(const tb_image *im, const char *p);

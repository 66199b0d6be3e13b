/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * zip.c -- writes a ZIP archive whose members are stored, aligned and in order.
 *
 *   local header, padding | data    for each member
 *   directory | end record
 *
 * Padding is an extra field (0xd935, the one Android's tools use), so that every reader
 * finds the data. Sizes and offsets that do not fit 32 bits go into ZIP64 records.
 */
#include "artifact/layout.h"
#include "artifact/put.h"

enum {
    LOCAL = 30, /* sizes of the fixed parts */
    CENTRAL = 46,
    END = 22,
    END64 = 56,
    LOCATOR = 20,
    ALIGN_FIELD = 6,
    MADE_BY_UNIX = 3 << 8 | 45,
    NEEDS_1_0 = 10,
    NEEDS_4_5 = 45, /* ZIP64 */
    JANUARY_1980 = 0x21
};
#define FULL 0xffffffffu
#define RW_R_R (0100644u << 16) /* a plain file, to unzip */

static uint64_t
limit(const tb_zip *z)
{
    return z->limit ? z->limit : FULL;
}

static bool
big_size(const tb_zip *z, const tb_zip_member *m)
{
    return m->bytes >= limit(z);
}

static bool
big_offset(const tb_zip *z, const tb_zip_member *m)
{
    return m->header >= limit(z);
}

/* Bytes of the ZIP64 field in the directory, 0 if there is none. */
static uint32_t
central_extra(const tb_zip *z, const tb_zip_member *m)
{
    uint32_t n = (big_size(z, m) ? 16 : 0) + (big_offset(z, m) ? 8 : 0);
    return n ? n + 4 : 0;
}

static uint64_t
directory_bytes(const tb_zip *z)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < z->n; i++)
        n += CENTRAL + strlen(z->members[i].name) + central_extra(z, &z->members[i]);
    return n;
}

static uint64_t
data_end(const tb_zip *z)
{
    return z->n ? z->members[z->n - 1].offset + z->members[z->n - 1].bytes : 0;
}

static bool
big_end(const tb_zip *z)
{
    return data_end(z) + directory_bytes(z) >= limit(z) || z->n >= 0xffff;
}

uint64_t
tb_zip_layout(tb_zip *z)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < z->n; i++) {
        tb_zip_member *m = &z->members[i];
        m->header = at;
        at += LOCAL + strlen(m->name) + (big_size(z, m) ? 20 : 0) + ALIGN_FIELD;
        m->offset = TB_ALIGN_UP(at, m->align);
        at = m->offset + m->bytes;
    }
    return at + directory_bytes(z) + (big_end(z) ? END64 + LOCATOR : 0) + END;
}

/* What local header and directory have in common, from "version needed" to the lengths. */
static uint8_t *
put_common(uint8_t *p, const tb_zip *z, const tb_zip_member *m, uint32_t crc, bool zip64,
           uint32_t extra)
{
    uint32_t bytes = big_size(z, m) ? FULL : (uint32_t)m->bytes;

    p = tb_set16(p, zip64 ? NEEDS_4_5 : NEEDS_1_0);
    p = tb_set16(p, 0); /* flags */
    p = tb_set16(p, 0); /* stored */
    p = tb_set16(p, 0); /* time */
    p = tb_set16(p, JANUARY_1980);
    p = tb_set32(p, crc);
    p = tb_set32(p, bytes);
    p = tb_set32(p, bytes);
    p = tb_set16(p, (uint32_t)strlen(m->name));
    return tb_set16(p, extra);
}

static uint8_t *
put_name(uint8_t *p, const tb_zip_member *m)
{
    size_t n = strlen(m->name);
    memcpy(p, m->name, n);
    return p + n;
}

static void
put_local(uint8_t *file, const tb_zip *z, const tb_zip_member *m, uint32_t crc)
{
    uint32_t extra = (uint32_t)(m->offset - m->header - LOCAL - strlen(m->name));
    uint8_t *p = tb_set32(file + m->header, 0x04034b50);

    p = put_common(p, z, m, crc, big_size(z, m), extra);
    p = put_name(p, m);
    if (big_size(z, m)) {
        p = tb_set16(p, 0x0001);
        p = tb_set16(p, 16);
        p = tb_set64(p, m->bytes);
        p = tb_set64(p, m->bytes);
        extra -= 20;
    }
    p = tb_set16(p, 0xd935);
    p = tb_set16(p, extra - 4);
    p = tb_set16(p, (uint32_t)m->align & 0xffff);
    memset(p, 0, extra - ALIGN_FIELD);
}

static uint8_t *
put_central(uint8_t *p, const tb_zip *z, const tb_zip_member *m, uint32_t crc)
{
    uint32_t extra = central_extra(z, m);

    p = tb_set32(p, 0x02014b50);
    p = tb_set16(p, MADE_BY_UNIX);
    p = put_common(p, z, m, crc, extra != 0, extra);
    p = tb_set16(p, 0); /* comment */
    p = tb_set16(p, 0); /* disk */
    p = tb_set16(p, 0); /* internal attributes */
    p = tb_set32(p, RW_R_R);
    p = tb_set32(p, big_offset(z, m) ? FULL : (uint32_t)m->header);
    p = put_name(p, m);
    if (extra) {
        p = tb_set16(p, 0x0001);
        p = tb_set16(p, extra - 4);
        if (big_size(z, m)) {
            p = tb_set64(p, m->bytes);
            p = tb_set64(p, m->bytes);
        }
        if (big_offset(z, m))
            p = tb_set64(p, m->header);
    }
    return p;
}

static void
put_end(uint8_t *p, const tb_zip *z, uint64_t at, uint64_t bytes)
{
    bool big = big_end(z);

    if (big) {
        p = tb_set32(p, 0x06064b50);
        p = tb_set64(p, END64 - 12);
        p = tb_set16(p, MADE_BY_UNIX);
        p = tb_set16(p, NEEDS_4_5);
        p = tb_set64(p, 0); /* this disk, disk of the directory */
        p = tb_set64(p, z->n);
        p = tb_set64(p, z->n);
        p = tb_set64(p, bytes);
        p = tb_set64(p, at);
        p = tb_set32(p, 0x07064b50);
        p = tb_set32(p, 0);
        p = tb_set64(p, at + bytes);
        p = tb_set32(p, 1); /* disks */
    }
    p = tb_set32(p, 0x06054b50);
    p = tb_set32(p, 0); /* disks */
    p = tb_set16(p, big ? 0xffff : z->n);
    p = tb_set16(p, big ? 0xffff : z->n);
    p = tb_set32(p, big ? FULL : (uint32_t)bytes);
    p = tb_set32(p, big ? FULL : (uint32_t)at);
    tb_set16(p, 0); /* comment */
}

void
tb_zip_write(const tb_zip *z, uint8_t *file)
{
    uint64_t at = data_end(z);
    uint8_t *p = file + at;

    for (uint32_t i = 0; i < z->n; i++) {
        const tb_zip_member *m = &z->members[i];
        uint32_t crc = tb_crc32(file + m->offset, (size_t)m->bytes);
        put_local(file, z, m, crc);
        p = put_central(p, z, m, crc);
    }
    put_end(p, z, at, (uint64_t)(p - file) - at);
}

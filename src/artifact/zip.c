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
big_offset(const tb_zip *z, const tb_zip_member *m)
{
    return m->header >= limit(z);
}

/* Bytes of the ZIP64 field in the directory, 0 if there is none. */
static uint32_t
central_extra(const tb_zip *z, const tb_zip_member *m)
{
    uint32_t n = (m->big ? 16 : 0) + (big_offset(z, m) ? 8 : 0);
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
        m->big = m->bytes >= limit(z);
        at += LOCAL + strlen(m->name) + (m->big ? 20 : 0) + ALIGN_FIELD;
        m->offset = TB_ALIGN_UP(at, m->align);
        at = m->offset + m->bytes;
    }
    return tb_zip_end(z);
}

uint64_t
tb_zip_end(const tb_zip *z)
{
    return data_end(z) + directory_bytes(z) + (big_end(z) ? END64 + LOCATOR : 0) + END;
}

static void
put16(tb_buf *out, uint32_t v)
{
    uint8_t b[2];
    tb_set16(b, v);
    tb_buf_put(out, b, sizeof b);
}

static void
put32(tb_buf *out, uint32_t v)
{
    uint8_t b[4];
    tb_set32(b, v);
    tb_buf_put(out, b, sizeof b);
}

static void
put64(tb_buf *out, uint64_t v)
{
    uint8_t b[8];
    tb_set64(b, v);
    tb_buf_put(out, b, sizeof b);
}

/* What local header and directory have in common, from "version needed" to the lengths. */
static void
put_common(tb_buf *out, const tb_zip_member *m, bool zip64, uint32_t extra)
{
    uint32_t bytes = m->big ? FULL : (uint32_t)m->bytes;

    put16(out, zip64 ? NEEDS_4_5 : NEEDS_1_0);
    put16(out, 0); /* flags */
    put16(out, 0); /* stored */
    put16(out, 0); /* time */
    put16(out, JANUARY_1980);
    put32(out, m->crc);
    put32(out, bytes);
    put32(out, bytes);
    put16(out, (uint32_t)strlen(m->name));
    put16(out, extra);
}

void
tb_zip_put_local(const tb_zip_member *m, tb_buf *out)
{
    uint32_t extra = (uint32_t)(m->offset - m->header - LOCAL - strlen(m->name));

    put32(out, 0x04034b50);
    put_common(out, m, m->big, extra);
    tb_buf_puts(out, m->name);
    if (m->big) {
        put16(out, 0x0001);
        put16(out, 16);
        put64(out, m->bytes);
        put64(out, m->bytes);
        extra -= 20;
    }
    put16(out, 0xd935);
    put16(out, extra - 4);
    put16(out, (uint32_t)m->align & 0xffff);
    for (extra -= ALIGN_FIELD; extra > 0; extra--)
        tb_buf_put(out, "", 1);
}

static void
put_central(tb_buf *out, const tb_zip *z, const tb_zip_member *m)
{
    uint32_t extra = central_extra(z, m);

    put32(out, 0x02014b50);
    put16(out, MADE_BY_UNIX);
    put_common(out, m, extra != 0, extra);
    put16(out, 0); /* comment */
    put16(out, 0); /* disk */
    put16(out, 0); /* internal attributes */
    put32(out, RW_R_R);
    put32(out, big_offset(z, m) ? FULL : (uint32_t)m->header);
    tb_buf_puts(out, m->name);
    if (extra) {
        put16(out, 0x0001);
        put16(out, extra - 4);
        if (m->big) {
            put64(out, m->bytes);
            put64(out, m->bytes);
        }
        if (big_offset(z, m))
            put64(out, m->header);
    }
}

void
tb_zip_put_directory(const tb_zip *z, tb_buf *out)
{
    uint64_t at = data_end(z), bytes = directory_bytes(z);
    bool big = big_end(z);

    for (uint32_t i = 0; i < z->n; i++)
        put_central(out, z, &z->members[i]);
    if (big) {
        put32(out, 0x06064b50);
        put64(out, END64 - 12);
        put16(out, MADE_BY_UNIX);
        put16(out, NEEDS_4_5);
        put64(out, 0); /* this disk, disk of the directory */
        put64(out, z->n);
        put64(out, z->n);
        put64(out, bytes);
        put64(out, at);
        put32(out, 0x07064b50);
        put32(out, 0);
        put64(out, at + bytes);
        put32(out, 1); /* disks */
    }
    put32(out, 0x06054b50);
    put32(out, 0); /* disks */
    put16(out, big ? 0xffff : z->n);
    put16(out, big ? 0xffff : z->n);
    put32(out, big ? FULL : (uint32_t)bytes);
    put32(out, big ? FULL : (uint32_t)at);
    put16(out, 0); /* comment */
}

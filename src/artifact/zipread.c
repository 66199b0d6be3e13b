/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * zipread.c -- finds a stored member of a ZIP archive in memory. Goes by the directory at
 * the end, as the format wants, so that a file cut short is noticed at once.
 */
#include "artifact/layout.h"

enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR = 20 };
#define FULL 0xffffffffu

typedef struct directory {
    uint64_t at, bytes, n;
} directory;

static tb_status
damaged(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged archive: %s", what);
}

static bool
inside(uint64_t at, uint64_t bytes, uint64_t n)
{
    return at <= n && bytes <= n - at;
}

/* The end record is the last thing in the file but for a comment of up to 64 KiB. */
static const uint8_t *
find_end(const uint8_t *file, size_t n)
{
    if (n < END)
        return NULL;
    for (size_t at = n - END, tries = 0; tries <= 0xffff; at--, tries++) {
        if (tb_get32(file + at) == 0x06054b50 && tb_get16(file + at + 20) == tries)
            return file + at;
        if (at == 0)
            break;
    }
    return NULL;
}

static tb_status
find_directory(const uint8_t *file, size_t n, directory *d)
{
    const uint8_t *e = find_end(file, n);

    if (!e) {
        bool zip = n >= 4 && tb_get32(file) == 0x04034b50;
        return tb_status_make(TB_CORRUPT,
                              zip ? "the file is cut short: no ZIP directory at its end"
                                  : "not a .vmfb: no ZIP archive");
    }
    *d = (directory){tb_get32(e + 16), tb_get32(e + 12), tb_get16(e + 10)};
    size_t at = (size_t)(e - file);
    if (at >= LOCATOR && tb_get32(e - LOCATOR) == 0x07064b50) {
        uint64_t end64 = tb_get64(e - LOCATOR + 8);
        if (!inside(end64, END64, at) || tb_get32(file + end64) != 0x06064b50)
            return damaged("ZIP64 end record");
        *d = (directory){tb_get64(file + end64 + 48), tb_get64(file + end64 + 40),
                         tb_get64(file + end64 + 32)};
    }
    if (!inside(d->at, d->bytes, at))
        return damaged("place of the directory");
    return NULL;
}

/* Replaces sizes and offset that are all ones by those of the ZIP64 field. */
static bool
widen(const uint8_t *extra, size_t n, uint64_t *raw, uint64_t *stored, uint64_t *header)
{
    uint64_t *want[] = {raw, stored, header};

    while (n >= 4) {
        size_t len = tb_get16(extra + 2), at = 4;
        if (len > n - 4)
            return false;
        if (tb_get16(extra) == 1) {
            for (size_t i = 0; i < TB_COUNT(want); i++) {
                if (*want[i] != FULL)
                    continue;
                if (at + 8 > len + 4)
                    return false;
                *want[i] = tb_get64(extra + at);
                at += 8;
            }
            return true;
        }
        extra += len + 4;
        n -= len + 4;
    }
    return *raw != FULL && *stored != FULL && *header != FULL;
}

/* `c` is the member's directory entry, checked to lie inside. */
static tb_status
member_data(const uint8_t *file, const directory *d, const uint8_t *c, const char *name,
            const uint8_t **data, size_t *bytes)
{
    size_t name_len = tb_get16(c + 28), extra_len = tb_get16(c + 30);
    uint64_t stored = tb_get32(c + 20), raw = tb_get32(c + 24), header = tb_get32(c + 42);

    if (tb_get16(c + 10) != 0 || tb_get16(c + 8) & 1)
        return tb_status_make(TB_INCOMPATIBLE,
                              "member %s is compressed or encrypted; it must be stored",
                              name);
    if (!widen(c + CENTRAL + name_len, extra_len, &raw, &stored, &header))
        return damaged("ZIP64 field");
    if (raw != stored || !inside(header, LOCAL, d->at))
        return damaged("directory entry");
    const uint8_t *l = file + header;
    if (tb_get32(l) != 0x04034b50)
        return damaged("local header");
    uint64_t skip = LOCAL + (uint64_t)tb_get16(l + 26) + tb_get16(l + 28);
    if (!inside(header, skip, d->at) || !inside(header + skip, stored, d->at))
        return damaged("size of a member");
    *data = l + skip;
    *bytes = (size_t)stored;
    return NULL;
}

tb_status
tb_zip_find(const uint8_t *file, size_t n, const char *name, const uint8_t **data,
            size_t *bytes)
{
    directory d = {0};

    TRY(find_directory(file, n, &d));
    const uint8_t *c = file + d.at;
    uint64_t left = d.bytes;
    for (uint64_t i = 0; i < d.n; i++) {
        if (left < CENTRAL || tb_get32(c) != 0x02014b50)
            return damaged("directory");
        size_t name_len = tb_get16(c + 28);
        uint64_t entry = CENTRAL + name_len + tb_get16(c + 30) + tb_get16(c + 32);
        if (entry > left)
            return damaged("directory");
        if (name_len == strlen(name) && memcmp(c + CENTRAL, name, name_len) == 0)
            return member_data(file, &d, c, name, data, bytes);
        c += entry;
        left -= entry;
    }
    return tb_status_make(TB_INCOMPATIBLE,
                          "the archive has no member %s: not made by Turbine", name);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * irpa.c -- IREE's parameter archives. All numbers are little-endian, offsets count from the
 * header they are in:
 *
 *   header  "IRPA", u16 major 0, u16 minor, u64 its size, u64 distance of the next header or
 *           0, u64 flags, u64 entries, then (u64 offset, u64 bytes) of entries, names, storage
 *   entry   at multiples of 16: u64 size, u32 type, u64 flags, (offset, bytes) of its name
 *           and of its metadata, u64 alignment; then for data (type 2) (offset, bytes) in the
 *           storage, for a splat (1) u64 bytes, 16 bytes of pattern, u8 how many of them; 0
 *           is skipped
 *
 * Data stays where it is mapped; splats are written out.
 */
#include <stdlib.h>

#include "artifact/layout.h"
#include "hal/internal.h"
#include "runtime/runtime_internal.h"

enum { HEADER_BYTES = 88, ENTRY_BYTES = 60, SKIP = 0, SPLAT = 1, DATA = 2 };

typedef struct piece {
    const uint8_t *at;
    uint64_t n;
} piece;

/* A file that is shared by the parameters that lie in it. */
typedef struct shared_file {
    const uint8_t *bytes;
    size_t n;
    atomic_uint users;
} shared_file;

typedef struct archive {
    tb_params *params;
    const char *scope;
    shared_file *file;
    piece all, entries, names, storage; /* of this header */
} archive;

static tb_status
bad(const char *what)
{
    return tb_status_make(TB_CORRUPT, "not an archive of parameters: %s", what);
}

static void
leave(void *user)
{
    shared_file *f = user;

    if (atomic_fetch_sub(&f->users, 1) != 1)
        return;
    tb_unmap_file(f->bytes, f->n);
    tb_heap_free(f);
}

static bool
cut(const piece *from, uint64_t offset, uint64_t n, piece *out)
{
    if (offset > from->n || n > from->n - offset)
        return false;
    *out = (piece){from->at + offset, n};
    return true;
}

static tb_status
add_data(archive *a, const char *key, piece data)
{
    tb_tensor t = {.data = (void *)(uintptr_t)data.at, .bytes = data.n};

    atomic_fetch_add(&a->file->users, 1);
    return tb_params_add_tensor(a->params, a->scope, key, &t, leave, a->file);
}

static tb_status
add_splat(archive *a, const char *key, const uint8_t *at)
{
    uint64_t n = tb_get64(at);
    uint8_t width = at[24];

    if (width == 0 || width > 16 || n % width != 0 || n > PTRDIFF_MAX / 2)
        return bad("a pattern that does not fit");
    void *data = NULL;
    if (posix_memalign(&data, TB_DATA_ALIGN, n ? n : 1) != 0)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for parameter '%.200s'", key);
    for (uint64_t i = 0; i < n; i += width)
        memcpy((uint8_t *)data + i, at + 8, width);
    tb_tensor t = {.data = data, .bytes = n};
    return tb_params_add_tensor(a->params, a->scope, key, &t, free, data);
}

/* *size gets what the entry takes. */
static tb_status
add_entry(archive *a, piece entry, uint64_t *size)
{
    piece name, data, head;
    const uint8_t *at = entry.at;

    if (entry.n < ENTRY_BYTES)
        return bad("an entry");
    *size = tb_get64(at);
    uint32_t type = tb_get32(at + 8);
    if (*size < ENTRY_BYTES || !cut(&entry, 0, *size, &head))
        return bad("the size of an entry");
    if (type == SKIP)
        return NULL;
    if (!cut(&a->names, tb_get64(at + 20), tb_get64(at + 28), &name) ||
        memchr(name.at, 0, name.n))
        return bad("the name of an entry");
    if (type != DATA && type != SPLAT)
        return tb_status_make(TB_UNSUPPORTED, "an entry of type %u", type);
    if (head.n < ENTRY_BYTES + (type == DATA ? 16u : 25u))
        return bad("an entry");
    if (type == DATA && !cut(&a->storage, tb_get64(at + ENTRY_BYTES),
                             tb_get64(at + ENTRY_BYTES + 8), &data))
        return bad("the data of an entry");
    char *key = tb_heap(name.n + 1, 1);
    if (!key)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a name");
    memcpy(key, name.at, name.n);
    tb_status st = type == DATA ? add_data(a, key, data) : add_splat(a, key, at + ENTRY_BYTES);
    tb_heap_free(key);
    return st;
}

/* The header at the start of `all`; *next gets the distance of the following one. */
static tb_status
add_header(archive *a, uint64_t *next)
{
    const uint8_t *h = a->all.at;

    if (a->all.n < HEADER_BYTES || memcmp(h, "IRPA", 4) != 0 || tb_get16(h + 4) != 0)
        return bad("its header");
    *next = tb_get64(h + 16);
    uint64_t n = tb_get64(h + 32);
    if (!cut(&a->all, tb_get64(h + 40), tb_get64(h + 48), &a->entries) ||
        !cut(&a->all, tb_get64(h + 56), tb_get64(h + 64), &a->names) ||
        !cut(&a->all, tb_get64(h + 72), tb_get64(h + 80), &a->storage))
        return bad("its parts");
    for (uint64_t i = 0, at = 0, size = 0; i < n; i++, at = (at + size + 15) / 16 * 16) {
        piece entry;
        if (at > a->entries.n)
            return bad("the number of its entries");
        cut(&a->entries, at, a->entries.n - at, &entry);
        TRY(add_entry(a, entry, &size));
    }
    return NULL;
}

static tb_status
add_all(archive *a)
{
    uint64_t next = 0;

    for (;;) {
        TRY(add_header(a, &next));
        if (next == 0)
            return NULL;
        uint64_t left = a->all.n < next ? 0 : a->all.n - next;
        if (next < HEADER_BYTES || !cut(&a->all, next, left, &a->all))
            return bad("the next header");
    }
}

tb_status
tb_hal_add_irpa(tb_params *p, const char *scope, const char *path)
{
    shared_file *f = tb_heap(1, sizeof *f);

    if (!f)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a file");
    atomic_init(&f->users, 1);
    tb_status st = tb_map_file(path, &f->bytes, &f->n);
    if (st) {
        tb_heap_free(f);
        return st;
    }
    archive a = {.params = p, .scope = scope, .file = f, .all = {f->bytes, f->n}};
    st = tb_status_in_file(add_all(&a), path);
    leave(f);
    return st;
}

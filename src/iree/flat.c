/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* flat.c -- see flat.h. */
#include "iree/flat.h"

#include "artifact/put.h"

enum { PREFIX = 4, MAX_SLOTS = 16 };

static uint8_t *
room(tb_flat *f, size_t n)
{
    TB_CHECK(n <= UINT32_MAX / 2 - f->b.n);
    tb_vec_grow(f->a, (void **)&f->b.at, &f->b.cap, f->b.n + (uint32_t)n, 1);
    uint8_t *p = f->b.at + f->b.n;
    memset(p, 0, n);
    f->b.n += (uint32_t)n;
    return p;
}

/* So that what is written after `lead` more bytes is aligned. */
static void
align(tb_flat *f, uint32_t to, uint32_t lead)
{
    uint32_t over = (f->b.n + lead) % to;
    if (over)
        room(f, to - over);
}

void
tb_flat_begin(tb_flat *f, tb_arena *a, const char *identifier)
{
    *f = (tb_flat){.a = a};
    room(f, PREFIX + 4);
    memcpy(room(f, 4), identifier, 4);
}

/* Position of an equal vtable that is there already, or of a new one. */
static uint32_t
vtable(tb_flat *f, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < f->vtables.n; i++) {
        const uint8_t *there = f->b.at + f->vtables.at[i];
        if (f->b.n - f->vtables.at[i] >= n && memcmp(there, bytes, n) == 0)
            return f->vtables.at[i];
    }
    align(f, 2, 0);
    uint32_t at = f->b.n;
    memcpy(room(f, n), bytes, n);
    TB_PUSH(f->a, &f->vtables, at);
    return at;
}

uint32_t
tb_flat_table(tb_flat *f, tb_flat_field *fields, uint32_t n)
{
    uint8_t v[4 + 2 * MAX_SLOTS] = {0};
    uint32_t slots = 0, at = 4;

    for (int wide = 1; wide >= 0; wide--) /* the largest first */
        for (uint32_t i = 0; i < n; i++) {
            uint32_t bytes = fields[i].type == TB_FLAT_U64 ? 8 : 4;
            if ((bytes == 8) != wide)
                continue;
            TB_CHECK(fields[i].slot < MAX_SLOTS);
            at = TB_ALIGN_UP(at, bytes);
            fields[i].at = at;
            tb_set16(v + 4 + 2 * fields[i].slot, at);
            slots = fields[i].slot + 1 > slots ? fields[i].slot + 1 : slots;
            at += bytes;
        }
    tb_set16(v, 4 + 2 * slots);
    tb_set16(v + 2, at);
    uint32_t vt = vtable(f, v, 4 + 2 * slots);
    align(f, 8, 0);
    uint32_t table = f->b.n;
    room(f, at);
    tb_set32(f->b.at + table, table - vt);
    for (uint32_t i = 0; i < n; i++) {
        fields[i].at += table;
        if (fields[i].type == TB_FLAT_U64)
            tb_set64(f->b.at + fields[i].at, fields[i].value);
        else if (fields[i].type == TB_FLAT_U32)
            tb_set32(f->b.at + fields[i].at, (uint32_t)fields[i].value);
    }
    return table;
}

uint32_t
tb_flat_string(tb_flat *f, const char *s, size_t n)
{
    align(f, 4, 0);
    uint32_t at = f->b.n;
    tb_set32(room(f, 4), (uint32_t)n);
    uint8_t *to = room(f, n + 1);
    if (n)
        memcpy(to, s, n);
    return at;
}

uint32_t
tb_flat_vector(tb_flat *f, const void *bytes, size_t n_bytes, uint32_t count, uint32_t to)
{
    align(f, to < 4 ? 4 : to, 4);
    uint32_t at = f->b.n;
    tb_set32(room(f, 4), count);
    uint8_t *p = room(f, n_bytes);
    if (n_bytes)
        memcpy(p, bytes, n_bytes);
    return at;
}

uint32_t
tb_flat_refs(tb_flat *f, uint32_t n)
{
    align(f, 4, 0);
    uint32_t at = f->b.n;
    tb_set32(room(f, 4), n);
    room(f, 4 * (size_t)n);
    return at;
}

void
tb_flat_point(tb_flat *f, uint32_t at, uint32_t target)
{
    tb_set32(f->b.at + at, target - at);
}

void
tb_flat_end(tb_flat *f, uint32_t root)
{
    align(f, 8, 0);
    tb_flat_point(f, PREFIX, root);
    tb_set32(f->b.at, f->b.n - PREFIX);
}

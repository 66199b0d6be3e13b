/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * flatread.c -- reads a flatbuffer that may be anything. Each access is checked where it is
 * made, so that nothing has to be believed of parts that were not read.
 */
#include "vm/internal.h"

static uint32_t
broken(tb_flatread *f, const char *what)
{
    if (!f->fault)
        f->fault = what;
    return 0;
}

static bool
inside(const tb_flatread *f, uint64_t at, uint64_t bytes)
{
    return at <= f->n && bytes <= f->n - at;
}

/* Where the offset at `at` points to, if a length or a table may be there. */
static uint32_t
follow(tb_flatread *f, uint32_t at)
{
    uint64_t to = (uint64_t)at + tb_get32(f->at + at);
    if (to == at || !inside(f, to, 4) || to % 4)
        return broken(f, "an offset that points outside");
    return (uint32_t)to;
}

/* A table is as large as its table of fields says. */
static bool
check_table(tb_flatread *f, uint32_t table)
{
    int64_t vt = (int64_t)table - (int32_t)tb_get32(f->at + table);
    if (vt < 0 || vt % 2 || !inside(f, (uint64_t)vt, 4))
        return broken(f, "a table whose fields are nowhere"), false;
    uint32_t n = tb_get16(f->at + vt), bytes = tb_get16(f->at + vt + 2);
    if (n < 4 || n % 2 || !inside(f, (uint64_t)vt, n) || bytes < 4 || !inside(f, table, bytes))
        return broken(f, "a table that ends outside"), false;
    return true;
}

uint32_t
tb_flatread_root(tb_flatread *f, const char *identifier)
{
    if (f->n > INT32_MAX)
        return broken(f, "too long");
    if (f->n < 8 || memcmp(f->at + 4, identifier, 4) != 0)
        return broken(f, "not a flatbuffer of this kind");
    uint32_t root = follow(f, 0);
    return root && check_table(f, root) ? root : 0;
}

/* Where a field is; 0 if it is absent. */
static uint32_t
field(tb_flatread *f, uint32_t table, uint32_t slot, uint32_t bytes)
{
    if (f->fault || !table)
        return 0;
    uint32_t vt = table - tb_get32(f->at + table);
    if (4 + 2 * slot >= tb_get16(f->at + vt))
        return 0;
    uint32_t at = tb_get16(f->at + vt + 4 + 2 * slot);
    if (!at)
        return 0;
    if (at < 4 || at + bytes > tb_get16(f->at + vt + 2))
        return broken(f, "a field outside of its table");
    return table + at;
}

bool
tb_flatread_has(tb_flatread *f, uint32_t table, uint32_t slot)
{
    return field(f, table, slot, 1) != 0;
}

uint8_t
tb_flatread_u8(tb_flatread *f, uint32_t table, uint32_t slot)
{
    uint32_t at = field(f, table, slot, 1);
    return at ? f->at[at] : 0;
}

uint32_t
tb_flatread_u32(tb_flatread *f, uint32_t table, uint32_t slot, uint32_t absent)
{
    uint32_t at = field(f, table, slot, 4);
    return at ? tb_get32(f->at + at) : absent;
}

uint64_t
tb_flatread_u64(tb_flatread *f, uint32_t table, uint32_t slot)
{
    uint32_t at = field(f, table, slot, 8);
    return at ? tb_get64(f->at + at) : 0;
}

uint32_t
tb_flatread_table(tb_flatread *f, uint32_t table, uint32_t slot)
{
    uint32_t at = field(f, table, slot, 4);
    uint32_t to = at ? follow(f, at) : 0;
    return to && check_table(f, to) ? to : 0;
}

tb_flatvec
tb_flatread_vector(tb_flatread *f, uint32_t table, uint32_t slot, uint32_t elem_bytes)
{
    uint32_t at = field(f, table, slot, 4);
    uint32_t to = at ? follow(f, at) : 0;
    if (!to)
        return (tb_flatvec){0};
    uint32_t n = tb_get32(f->at + to);
    if (!inside(f, (uint64_t)to + 4, (uint64_t)n * elem_bytes)) {
        broken(f, "a vector that ends outside");
        return (tb_flatvec){0};
    }
    return (tb_flatvec){to + 4, n};
}

uint32_t
tb_flatread_element(tb_flatread *f, tb_flatvec v, uint32_t i)
{
    if (f->fault || i >= v.n)
        return 0;
    uint32_t to = follow(f, v.at + 4 * i);
    return to && check_table(f, to) ? to : 0;
}

const char *
tb_flatread_text(tb_flatread *f, uint32_t table, uint32_t slot)
{
    tb_flatvec v = tb_flatread_vector(f, table, slot, 1);
    if (!v.at)
        return "";
    if (!inside(f, (uint64_t)v.at + v.n, 1) || f->at[v.at + v.n] != 0 ||
        memchr(f->at + v.at, 0, v.n)) {
        broken(f, "a text that does not end with its NUL");
        return "";
    }
    return (const char *)f->at + v.at;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* map.c -- open addressing with linear probing; values are never 0. */
#include "base/base.h"

uint64_t
tb_hash_u64(uint64_t x, uint64_t seed)
{
    /* the finaliser of MurmurHash3 (Appleby, public domain) over both words */
    x ^= seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53u;
    x ^= x >> 33;
    return x;
}

uint64_t
tb_hash(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = tb_hash_u64(n, seed), w;
    while (n >= 8) {
        memcpy(&w, p, 8);
        h = tb_hash_u64(w, h);
        p += 8;
        n -= 8;
    }
    if (n) {
        w = 0;
        memcpy(&w, p, n);
        h = tb_hash_u64(w, h);
    }
    return h;
}

uint32_t
tb_map_next(const tb_map *m, uint64_t hash, uint32_t *cursor)
{
    if (m->cap == 0)
        return 0;
    for (; *cursor < m->cap; (*cursor)++) {
        uint32_t i = (uint32_t)(hash + *cursor) & (m->cap - 1);
        if (m->values[i] == 0)
            return 0;
        if (m->hashes[i] == hash) {
            (*cursor)++;
            return m->values[i];
        }
    }
    return 0;
}

static void
insert(tb_map *m, uint64_t hash, uint32_t value)
{
    uint32_t i = (uint32_t)hash & (m->cap - 1);
    while (m->values[i])
        i = (i + 1) & (m->cap - 1);
    m->hashes[i] = hash;
    m->values[i] = value;
}

void
tb_map_put(tb_map *m, uint64_t hash, uint32_t value)
{
    if (m->cap == 0 || m->n >= m->cap / 2) {
        tb_map old = *m;
        m->cap = old.cap ? old.cap * 2 : 16;
        m->hashes = TB_NEWN(m->arena, uint64_t, m->cap);
        m->values = TB_NEWN(m->arena, uint32_t, m->cap);
        for (uint32_t i = 0; i < old.cap; i++)
            if (old.values[i])
                insert(m, old.hashes[i], old.values[i]);
    }
    insert(m, hash, value);
    m->n++;
}

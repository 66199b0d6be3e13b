/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * hash.c -- 128-bit content hashes: MurmurHash3_x64_128 with seed 0, as published by its
 * author in the public domain. Sixteen bytes a step, so that even gigabytes of weights
 * are hashed at the speed of memory; the result does not depend on the machine.
 */
#include "artifact/layout.h"

static uint64_t
rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t
mix(uint64_t k)
{
    k ^= k >> 33;
    k *= UINT64_C(0xff51afd7ed558ccd);
    k ^= k >> 33;
    k *= UINT64_C(0xc4ceb9fe1a85ec53);
    return k ^ k >> 33;
}

void
tb_hash128(const void *bytes, size_t n, uint64_t out[2])
{
    const uint64_t c1 = UINT64_C(0x87c37b91114253d5), c2 = UINT64_C(0x4cf5ad432745937f);
    const uint8_t *p = bytes;
    uint64_t h1 = 0, h2 = 0, k1, k2;
    size_t left = n;

    for (; left >= 16; left -= 16, p += 16) {
        k1 = tb_get64(p);
        k2 = tb_get64(p + 8);
        h1 ^= rotl(k1 * c1, 31) * c2;
        h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= rotl(k2 * c2, 33) * c1;
        h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    k1 = k2 = 0;
    for (size_t i = left; i-- > 0;) {
        if (i >= 8)
            k2 |= (uint64_t)p[i] << (i - 8) * 8;
        else
            k1 |= (uint64_t)p[i] << i * 8;
    }
    h2 ^= rotl(k2 * c2, 33) * c1;
    h1 ^= rotl(k1 * c1, 31) * c2;
    h1 ^= n;
    h2 ^= n;
    h1 += h2;
    h2 += h1;
    h1 = mix(h1);
    h2 = mix(h2);
    h1 += h2;
    h2 += h1;
    out[0] = h1;
    out[1] = h2;
}

void
tb_plan_seal(void *member, size_t n)
{
    tb_plan_header *h = member;

    tb_hash128((const uint8_t *)member + TB_PLAN_HASHED_FROM, n - TB_PLAN_HASHED_FROM,
               h->hash);
}

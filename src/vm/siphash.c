/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * siphash.c -- SipHash-2-4 (Jean-Philippe Aumasson, Daniel J. Bernstein), with the key 0, 1, ...
 * 15 that IREE's machine has for buffer.hash.
 */
#include "vm/internal.h"

static uint64_t
turn(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void
rounds(uint64_t v[4], int n)
{
    for (; n > 0; n--) {
        v[0] += v[1];
        v[1] = turn(v[1], 13) ^ v[0];
        v[0] = turn(v[0], 32);
        v[2] += v[3];
        v[3] = turn(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = turn(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = turn(v[1], 17) ^ v[2];
        v[2] = turn(v[2], 32);
    }
}

static void
word(uint64_t v[4], uint64_t w)
{
    v[3] ^= w;
    rounds(v, 2);
    v[0] ^= w;
}

uint64_t
tb_vm_siphash(const uint8_t *p, size_t n)
{
    const uint64_t k0 = 0x0706050403020100, k1 = 0x0f0e0d0c0b0a0908;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
                     k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    uint64_t last = (uint64_t)n << 56;

    for (; n >= 8; p += 8, n -= 8)
        word(v, tb_get64(p));
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)p[i] << 8 * i;
    word(v, last);
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

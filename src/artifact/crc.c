/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * crc.c -- CRC-32 (reflected, polynomial 0xedb88320), the checksum of ZIP members.
 *
 * Where the processor multiplies without carries, 64 bytes at a time are folded into the
 * next 64 (Gopal et al., "Fast CRC computation using PCLMULQDQ", 2009) until 16 are left,
 * which have the same checksum. Those and what is over take eight bytes a step with eight
 * tables; they take microseconds to compute and live on the stack.
 */
#include "artifact/layout.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <wmmintrin.h>

enum { FOLDED = 64 }; /* bytes a step */

static bool
can_fold(void)
{
    uint32_t a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c >> 1 & 1;
}

/* x over a distance of bytes, onto y: factors[0] is for its lower half. */
__attribute__((target("pclmul"))) static inline __m128i
fold(__m128i x, __m128i factors, __m128i y)
{
    __m128i low = _mm_clmulepi64_si128(x, factors, 0x00);
    return _mm_xor_si128(_mm_xor_si128(low, _mm_clmulepi64_si128(x, factors, 0x11)), y);
}

static inline __m128i
load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* 16 bytes that continue a state of 0 as n bytes, a multiple of 64, continue `state`. */
__attribute__((target("pclmul"))) static void
fold_all(uint32_t state, const uint8_t *p, size_t n, uint8_t out[16])
{
    /* x^(d + 32) and x^(d - 32) modulo the polynomial, reflected, for d bits of distance */
    const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i x[4];

    for (int i = 0; i < 4; i++)
        x[i] = load(p + 16 * i);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)state));
    for (p += FOLDED, n -= FOLDED; n; p += FOLDED, n -= FOLDED)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], by_64, load(p + 16 * i));
    for (int i = 1; i < 4; i++)
        x[i] = fold(x[i - 1], by_16, x[i]);
    _mm_storeu_si128((__m128i *)(void *)out, x[3]);
}
#endif

static uint32_t
by_tables(uint32_t crc, const uint8_t *p, size_t n, uint32_t (*table)[256])
{
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = tb_get32(p) ^ crc, b = tb_get32(p + 4);
        crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
              table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
              table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
    }
    for (; n; n--, p++)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}

uint32_t
tb_crc32(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t table[8][256];

    if (n == 0)
        return crc;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
    crc = ~crc;
#if defined(__x86_64__)
    if (n >= 4 * FOLDED && can_fold()) {
        uint8_t rest[16];
        size_t folded = n / FOLDED * FOLDED;
        fold_all(crc, p, folded, rest);
        crc = by_tables(0, rest, sizeof rest, table);
        p += folded;
        n -= folded;
    }
#endif
    return ~by_tables(crc, p, n, table);
}

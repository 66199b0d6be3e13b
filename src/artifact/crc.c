/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * crc.c -- CRC-32 (reflected, polynomial 0xedb88320), the checksum of ZIP members. Eight
 * bytes a step with eight tables; they take microseconds to compute and live on the stack.
 */
#include "artifact/layout.h"

uint32_t
tb_crc32(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t table[8][256];

    crc = ~crc;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = tb_get32(p) ^ crc, b = tb_get32(p + 4);
        crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
              table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
              table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
    }
    for (; n; n--, p++)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return ~crc;
}

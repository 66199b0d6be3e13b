/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* put.h -- writing little-endian words at any address; returns what follows. */
#pragma once
#include <stdint.h>

static inline uint8_t *
tb_set16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    return p + 2;
}
static inline uint8_t *
tb_set32(uint8_t *p, uint32_t v)
{
    return tb_set16(tb_set16(p, v & 0xffff), v >> 16);
}
static inline uint8_t *
tb_set64(uint8_t *p, uint64_t v)
{
    return tb_set32(tb_set32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* half.c -- 16-bit floats; IEEE 754 binary16 and bfloat16, round to nearest even. */
#include "base/base.h"

static uint32_t
bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static float
from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

float
tb_bf16_to_f32(uint16_t h)
{
    return from_bits((uint32_t)h << 16);
}

uint16_t
tb_f32_to_bf16(float f)
{
    uint32_t u = bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float
tb_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
    if (e == 31)
        return from_bits(sign | 0x7f800000u | (m << 13) | (m ? 0x400000u : 0));
    if (e)
        return from_bits(sign | ((e + 112) << 23) | (m << 13));
    float f = (float)m * 0x1p-24f; /* zero and subnormals are exact */
    return sign ? -f : f;
}

uint16_t
tb_f32_to_f16(float f)
{
    uint32_t u = bits(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) /* 65520 and more round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* below 2^-14: let the FPU round at 2^-24 */
        float r = from_bits(a) + 0.5f;
        return (uint16_t)(sign | (bits(r) - bits(0.5f)));
    }
    a += 0xfffu + ((a >> 13) & 1u);
    return (uint16_t)(sign | ((a - 0x38000000u) >> 13));
}

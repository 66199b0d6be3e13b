/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * scalar.c -- one lane of a MAP row: the meaning of the loop IR's arithmetic, shared by
 * constant folding and the evaluator.
 *
 * It is prims.def's meaning with these points settled, so that machine code can follow
 * cheaply and to the bit:
 *   - float to integer truncates; what does not fit, and NaN, gives the least integer of
 *     the width the conversion goes through: 32 bits for I8 U8 I16 U16 I32, 64 bits for
 *     U32 I64, whose low bits are then taken (x86's instructions, which is what PyTorch
 *     shows there). U64 takes the upper half too.
 *   - which of two equal zeros min and max return follows `a > b ? a : b` literally.
 */
#include <float.h>
#include <math.h>

#include "kernel/build.h"

uint64_t
tb_lane_wrap(tb_dtype t, uint64_t x)
{
    switch (t) {
    case TB_BOOL:
        return x & 1;
    case TB_U8:
        return (uint8_t)x;
    case TB_I8:
        return (uint64_t)(int64_t)(int8_t)x;
    case TB_U16:
        return (uint16_t)x;
    case TB_I16:
        return (uint64_t)(int64_t)(int16_t)x;
    case TB_U32:
        return (uint32_t)x;
    case TB_I32:
        return (uint64_t)(int64_t)(int32_t)x;
    default:
        return x;
    }
}

static bool
is_signed(tb_dtype t)
{
    return tb_dtype_kind(t) == TB_KIND_INT;
}

/* ---- integers ---- */

static uint64_t
int_div(tb_dtype t, uint64_t a, uint64_t b)
{
    if (b == 0)
        return 0;
    if (!is_signed(t))
        return a / b;
    return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t
int_rem(tb_dtype t, uint64_t a, uint64_t b)
{
    if (b == 0)
        return 0;
    if (!is_signed(t))
        return a % b;
    return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static uint64_t
int_map(tb_prim p, tb_dtype t, uint64_t a, uint64_t b, uint64_t c)
{
    bool s = is_signed(t);
    unsigned width = (unsigned)tb_dtype_bytes(t) * 8;
    /* as a count of bits, negative numbers are large ones */
    uint64_t n = tb_dtype_bytes(t) == 8 ? b : b & ((UINT64_C(1) << width) - 1);

    switch (p) {
    case TB_P_add:
        return a + b;
    case TB_P_sub:
        return a - b;
    case TB_P_mul:
        return a * b;
    case TB_P_div:
        return int_div(t, a, b);
    case TB_P_rem:
        return int_rem(t, a, b);
    case TB_P_max:
        return (s ? (int64_t)a > (int64_t)b : a > b) ? a : b;
    case TB_P_min:
        return (s ? (int64_t)a < (int64_t)b : a < b) ? a : b;
    case TB_P_and:
        return a & b;
    case TB_P_or:
        return a | b;
    case TB_P_xor:
        return a ^ b;
    case TB_P_shl:
        return n >= width ? 0 : a << n;
    case TB_P_shr:
        if (s)
            return (uint64_t)((int64_t)a >> (n >= width ? width - 1 : n));
        return n >= width ? 0 : a >> n;
    case TB_P_eq:
        return a == b;
    case TB_P_ne:
        return a != b;
    case TB_P_lt:
        return s ? (int64_t)a < (int64_t)b : a < b;
    case TB_P_le:
        return s ? (int64_t)a <= (int64_t)b : a <= b;
    case TB_P_neg:
        return 0 - a;
    case TB_P_abs:
        return s && (int64_t)a < 0 ? 0 - a : a;
    case TB_P_not:
        return t == TB_BOOL ? !a : ~a;
    case TB_P_where:
        return a ? b : c;
    default:
        TB_UNREACHABLE();
    }
}

/* ---- floats ---- */

#define FLOAT_MAP(name, type, pack, fn)                                                  \
    static uint64_t name(tb_prim p, type a, type b)                                      \
    {                                                                                    \
        switch (p) {                                                                     \
        case TB_P_add:                                                                   \
            return pack(a + b);                                                          \
        case TB_P_sub:                                                                   \
            return pack(a - b);                                                          \
        case TB_P_mul:                                                                   \
            return pack(a *b);                                                           \
        case TB_P_div:                                                                   \
            return pack(a / b);                                                          \
        case TB_P_max:                                                                   \
            return pack(a > b || a != a ? a : b);                                        \
        case TB_P_min:                                                                   \
            return pack(a < b || a != a ? a : b);                                        \
        case TB_P_eq:                                                                    \
            return a == b;                                                               \
        case TB_P_ne:                                                                    \
            return a != b;                                                               \
        case TB_P_lt:                                                                    \
            return a < b;                                                                \
        case TB_P_le:                                                                    \
            return a <= b;                                                               \
        case TB_P_neg:                                                                   \
            return pack(-a);                                                             \
        case TB_P_abs:                                                                   \
            return pack(fabs##fn(a));                                                    \
        case TB_P_floor:                                                                 \
            return pack(floor##fn(a));                                                   \
        case TB_P_ceil:                                                                  \
            return pack(ceil##fn(a));                                                    \
        case TB_P_trunc:                                                                 \
            return pack(trunc##fn(a));                                                   \
        case TB_P_round:                                                                 \
            return pack(rint##fn(a));                                                    \
        case TB_P_sqrt:                                                                  \
            return pack(sqrt##fn(a));                                                    \
        case TB_P_copysign:                                                              \
            return pack(copysign##fn(a, b));                                             \
        default:                                                                         \
            TB_UNREACHABLE();                                                            \
        }                                                                                \
    }
#pragma GCC diagnostic ignored "-Wfloat-equal"
FLOAT_MAP(map_f32, float, tb_lane_of_f32, f)
FLOAT_MAP(map_f64, double, tb_lane_of_f64, )

/* ---- conversions ---- */

static uint64_t
float_to_int(tb_dtype to, double x)
{
    bool wide = to == TB_I64 || to == TB_U64 || to == TB_U32;

    if (to == TB_BOOL)
        return !(x == 0);
    if (to == TB_U64 && x >= 0x1p63 && x < 0x1p64)
        return (uint64_t)x;
    if (wide)
        return tb_lane_wrap(to, x >= -0x1p63 && x < 0x1p63 ? (uint64_t)(int64_t)x
                                                           : UINT64_C(1) << 63);
    return tb_lane_wrap(to, x > -2147483649.0 && x < 0x1p31 ? (uint64_t)(int64_t)x
                                                            : (uint64_t)INT32_MIN);
}

static uint64_t
cast(tb_dtype from, tb_dtype to, uint64_t a)
{
    double x;

    if (!tb_dtype_is_float(from)) {
        bool u = !is_signed(from);

        /* each is one rounding; through double would be two */
        if (to == TB_F32)
            return tb_lane_of_f32(u ? (float)a : (float)(int64_t)a);
        if (to == TB_F64)
            return tb_lane_of_f64(u ? (double)a : (double)(int64_t)a);
        return to == TB_BOOL ? a != 0 : tb_lane_wrap(to, a);
    }
    if (from == to)
        return a;
    x = from == TB_F32 ? (double)tb_lane_f32(a) : tb_lane_f64(a);
    if (to == TB_F32)
        return tb_lane_of_f32((float)x);
    if (to == TB_F64)
        return tb_lane_of_f64(x);
    return float_to_int(to, x);
}

uint64_t
tb_lane_map(tb_prim p, tb_dtype t, tb_dtype to, uint64_t a, uint64_t b, uint64_t c)
{
    if (p == TB_P_cast)
        return cast(t, to, a);
    if (p == TB_P_bitcast) /* registers hold integers extended by their kind */
        return tb_dtype_is_float(to) ? a & (to == TB_F32 ? UINT32_MAX : UINT64_MAX)
                                     : tb_lane_wrap(to, a);
    if (p == TB_P_where)
        return a ? b : c;
    if (t == TB_F32)
        return map_f32(p, tb_lane_f32(a), tb_lane_f32(b));
    if (t == TB_F64)
        return map_f64(p, tb_lane_f64(a), tb_lane_f64(b));
    a = int_map(p, t, a, b, c);
    if (p == TB_P_eq || p == TB_P_ne || p == TB_P_lt || p == TB_P_le)
        return a;
    return tb_lane_wrap(t, a);
}

uint64_t
tb_lane_fma(tb_dtype t, bool fused, uint64_t a, uint64_t b, uint64_t c)
{
    if (t == TB_F32 && fused)
        return tb_lane_of_f32(fmaf(tb_lane_f32(a), tb_lane_f32(b), tb_lane_f32(c)));
    if (t == TB_F64 && fused)
        return tb_lane_of_f64(fma(tb_lane_f64(a), tb_lane_f64(b), tb_lane_f64(c)));
    return tb_lane_map(TB_P_add, t, t, tb_lane_map(TB_P_mul, t, t, a, b, 0), c, 0);
}

static float
flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

float
tb_flushing_fma(float a, float b, float c)
{
    a = flushed(a);
    b = flushed(b);
    c = flushed(c);
    float x = fmaf(a, b, c);
    if (!(fabsf(x) <= FLT_MIN) || x == 0)
        return x;
    /* Whether it is subnormal is asked after rounding to 24 bits: scaled, so that it has them.
     * A sum that small has a factor and an addend that do not overflow. */
    bool a_least = fabsf(a) < fabsf(b);
    x = fmaf(a_least ? a * 0x1p64f : a, a_least ? b : b * 0x1p64f, c * 0x1p64f) * 0x1p-64f;
    return flushed(x);
}

uint64_t
tb_lane_dot_bf16(uint64_t a, uint64_t b, uint64_t c)
{
    float high = tb_flushing_fma(tb_lane_f32(a & 0xffff0000), tb_lane_f32(b & 0xffff0000),
                                 tb_lane_f32(c));
    return tb_lane_of_f32(tb_flushing_fma(tb_lane_f32(a << 16), tb_lane_f32(b << 16), high));
}

uint64_t
tb_lane_to_bf16(uint64_t a)
{
    return tb_f32_to_bf16(flushed(tb_lane_f32(a)));
}

uint64_t
tb_lane_fraction(uint64_t a)
{
    float x = tb_lane_f32(a), whole = floorf(x), r = x - whole;

    if (isinf(x))
        return tb_lane_of_f32(0);
    if (r == 0)
        r = -0.0f;
    else if ((double)r + (double)whole > (double)x) /* exact: less than 53 bits */
        r = nextafterf(r, 0);
    return tb_lane_of_f32(r);
}

uint64_t
tb_lane_scale(uint64_t a, uint64_t b)
{
    float x = tb_lane_f32(a), y = tb_lane_f32(b);

    if (isnan(y))
        return tb_lane_of_f32(y);
    if (isinf(y) && isnan(x))
        return tb_lane_of_f32(y > 0 ? y : 0);
    if (isinf(y))
        return tb_lane_of_f32(y > 0 ? x * y : x * 0);
    y = floorf(y);
    return tb_lane_of_f32(ldexpf(x, y > 1000 ? 1000 : y < -1000 ? -1000 : (int)y));
}

uint64_t
tb_lane_round(tb_dtype t, tb_dtype to, uint64_t a)
{
    float x = t == TB_F32 ? tb_lane_f32(a) : (float)tb_lane_f64(a);

    x = to == TB_F16 ? tb_f16_to_f32(tb_f32_to_f16(x)) : tb_bf16_to_f32(tb_f32_to_bf16(x));
    return t == TB_F32 ? tb_lane_of_f32(x) : tb_lane_of_f64((double)x);
}

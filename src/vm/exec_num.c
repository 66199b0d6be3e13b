/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * exec_num.c -- instructions that only compute: integers wrap, shifts take their amount
 * modulo the width, floats are those of C. What would trap (a division by 0) is a fault.
 */
#include <math.h>

#include "vm/internal.h"

/* Register number k of the operands. */
#define REG(k) tb_get16(pc + 2 * (k))
#define A32 regs[REG(0)]
#define B32 regs[REG(1)]
#define C32 regs[REG(2)]
#define A64 ((uint64_t)tb_vm_get64(regs, REG(0)))
#define B64 ((uint64_t)tb_vm_get64(regs, REG(1)))
#define C64 ((uint64_t)tb_vm_get64(regs, REG(2)))
#define AF tb_vm_getf(regs, REG(0))
#define BF tb_vm_getf(regs, REG(1))
#define CF tb_vm_getf(regs, REG(2))
#define AD tb_vm_getd(regs, REG(0))
#define BD tb_vm_getd(regs, REG(1))
#define CD tb_vm_getd(regs, REG(2))
/* Result in register number k, the last operand. */
#define TO32(k, v)                                                                       \
    do {                                                                                 \
        regs[REG(k)] = (uint32_t)(v);                                                    \
        return pc + 2 * (k) + 2;                                                         \
    } while (0)
#define TO64(k, v)                                                                       \
    do {                                                                                 \
        tb_vm_set64(regs, REG(k), (int64_t)(v));                                         \
        return pc + 2 * (k) + 2;                                                         \
    } while (0)
#define TOF(k, v)                                                                        \
    do {                                                                                 \
        tb_vm_setf(regs, REG(k), (v));                                                   \
        return pc + 2 * (k) + 2;                                                         \
    } while (0)
#define TOD(k, v)                                                                        \
    do {                                                                                 \
        tb_vm_setd(regs, REG(k), (v));                                                   \
        return pc + 2 * (k) + 2;                                                         \
    } while (0)

static const char by_zero[] = "a division by zero";

/* The most negative number through -1 wraps to itself. */
#define DIVISION(BITS, a, b)                                                             \
    static int##BITS##_t div##BITS(int##BITS##_t a, int##BITS##_t b, const char **fault) \
    {                                                                                    \
        if (b == 0)                                                                      \
            *fault = by_zero;                                                            \
        return b == 0 ? 0 : b == -1 ? (int##BITS##_t)(0 - (uint##BITS##_t)a) : a / b;    \
    }                                                                                    \
    static int##BITS##_t rem##BITS(int##BITS##_t a, int##BITS##_t b, const char **fault) \
    {                                                                                    \
        if (b == 0)                                                                      \
            *fault = by_zero;                                                            \
        return b == 0 || b == -1 ? 0 : a % b;                                            \
    }                                                                                    \
    static uint##BITS##_t divu##BITS(uint##BITS##_t a, uint##BITS##_t b,                 \
                                     const char **fault)                                 \
    {                                                                                    \
        if (b == 0)                                                                      \
            *fault = by_zero;                                                            \
        return b == 0 ? 0 : a / b;                                                       \
    }                                                                                    \
    static uint##BITS##_t remu##BITS(uint##BITS##_t a, uint##BITS##_t b,                 \
                                     const char **fault)                                 \
    {                                                                                    \
        if (b == 0)                                                                      \
            *fault = by_zero;                                                            \
        return b == 0 ? 0 : a % b;                                                       \
    }
DIVISION(32, a, b)
DIVISION(64, a, b)

/* Shifts of negative numbers, spelled so that C defines them. */
static int64_t
shift_right(int64_t v, uint32_t by)
{
    return v < 0 ? (int64_t)~(~(uint64_t)v >> by) : v >> by;
}

/* To integers: the nearest, halves away from zero, as lround; what does not fit, and NaN,
 * become the most negative one, as x86's conversions have it. */
static int64_t
nearest(double v)
{
    v = round(v);
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static uint64_t
nearest_unsigned(double v)
{
    v = round(v);
    return v >= 0x1p63 && v < 0x1p64 ? (uint64_t)v : (uint64_t)nearest(v);
}

#define BINARY(id, kind, expr)                                                           \
    case TB_OP_##id:                                                                     \
        TO##kind(2, expr);
#define UNARY(id, kind, expr)                                                            \
    case TB_OP_##id:                                                                     \
        TO##kind(1, expr);
#define TERNARY(id, kind, expr)                                                          \
    case TB_OP_##id:                                                                     \
        TO##kind(3, expr);

/* The same for both widths of integers. */
#define INTEGERS(W)                                                                      \
    BINARY(ADD_I##W, W, A##W + B##W)                                                     \
    BINARY(SUB_I##W, W, A##W - B##W)                                                     \
    BINARY(MUL_I##W, W, A##W * B##W)                                                     \
    BINARY(DIV_I##W##_S, W, div##W((int##W##_t)A##W, (int##W##_t)B##W, fault))           \
    BINARY(DIV_I##W##_U, W, divu##W(A##W, B##W, fault))                                  \
    BINARY(REM_I##W##_S, W, rem##W((int##W##_t)A##W, (int##W##_t)B##W, fault))           \
    BINARY(REM_I##W##_U, W, remu##W(A##W, B##W, fault))                                  \
    TERNARY(FMA_I##W, W, A##W * B##W + C##W)                                             \
    UNARY(NOT_I##W, W, ~A##W)                                                            \
    BINARY(AND_I##W, W, A##W & B##W)                                                     \
    BINARY(OR_I##W, W, A##W | B##W)                                                      \
    BINARY(XOR_I##W, W, A##W ^ B##W)                                                     \
    BINARY(SHL_I##W, W, A##W << (B32 & (W - 1)))                                         \
    BINARY(SHR_I##W##_S, W, shift_right((int##W##_t)A##W, B32 & (W - 1)))                \
    BINARY(SHR_I##W##_U, W, A##W >> (B32 & (W - 1)))                                     \
    BINARY(CMP_EQ_I##W, 32, A##W == B##W)                                                \
    BINARY(CMP_NE_I##W, 32, A##W != B##W)                                                \
    BINARY(CMP_LT_I##W##_S, 32, (int##W##_t)A##W < (int##W##_t)B##W)                     \
    BINARY(CMP_LT_I##W##_U, 32, A##W < B##W)                                             \
    UNARY(CMP_NZ_I##W, 32, A##W != 0)                                                    \
    UNARY(ABS_I##W, W, A##W >> (W - 1) ? 0 - A##W : A##W)                                \
    BINARY(MIN_I##W##_S, W, (int##W##_t)A##W < (int##W##_t)B##W ? A##W : B##W)           \
    BINARY(MIN_I##W##_U, W, A##W < B##W ? A##W : B##W)                                   \
    BINARY(MAX_I##W##_S, W, (int##W##_t)A##W > (int##W##_t)B##W ? A##W : B##W)           \
    BINARY(MAX_I##W##_U, W, A##W > B##W ? A##W : B##W)                                   \
    TERNARY(SELECT_I##W, W, A32 ? B##W : C##W)

static const uint8_t *
integers_32(uint32_t op, const uint8_t *pc, uint32_t *regs, const char **fault)
{
    switch (op) {
        INTEGERS(32)
        UNARY(CTLZ_I32, 32, A32 ? __builtin_clz(A32) : 32)
        UNARY(TRUNC_I32_I8, 32, A32 & 0xff)
        UNARY(TRUNC_I32_I16, 32, A32 & 0xffff)
        UNARY(EXT_I8_I32_S, 32, (int8_t)A32)
        UNARY(EXT_I8_I32_U, 32, A32 & 0xff)
        UNARY(EXT_I16_I32_S, 32, (int16_t)A32)
        UNARY(EXT_I16_I32_U, 32, A32 & 0xffff)
    default:
        return NULL;
    }
}

static const uint8_t *
integers_64(uint32_t op, const uint8_t *pc, uint32_t *regs, const char **fault)
{
    switch (op) {
        INTEGERS(64)
        UNARY(CTLZ_I64, 64, A64 ? __builtin_clzll(A64) : 64)
        UNARY(TRUNC_I64_I32, 32, A64)
        UNARY(EXT_I32_I64_S, 64, (int32_t)A32)
        UNARY(EXT_I32_I64_U, 64, A32)
    default:
        return NULL;
    }
}

/* And for both of floats: N is F or D, s the suffix of C's functions. */
#define FLOATS(W, N, s)                                                                  \
    BINARY(ADD_F##W, N, A##N + B##N)                                                     \
    BINARY(SUB_F##W, N, A##N - B##N)                                                     \
    BINARY(MUL_F##W, N, A##N * B##N)                                                     \
    BINARY(DIV_F##W, N, A##N / B##N)                                                     \
    BINARY(REM_F##W, N, remainder##s(A##N, B##N))                                        \
    UNARY(ABS_F##W, N, fabs##s(A##N))                                                    \
    UNARY(NEG_F##W, N, -A##N)                                                            \
    UNARY(CEIL_F##W, N, ceil##s(A##N))                                                   \
    UNARY(FLOOR_F##W, N, floor##s(A##N))                                                 \
    UNARY(ROUND_F##W, N, round##s(A##N))                                                 \
    UNARY(ROUND_F##W##_EVEN, N, roundeven_##s(A##N))                                     \
    BINARY(MIN_F##W, N, B##N < A##N ? B##N : A##N)                                       \
    BINARY(MAX_F##W, N, B##N > A##N ? B##N : A##N)                                       \
    UNARY(ATAN_F##W, N, atan##s(A##N))                                                   \
    BINARY(ATAN2_F##W, N, atan2##s(A##N, B##N))                                          \
    UNARY(COS_F##W, N, cos##s(A##N))                                                     \
    UNARY(SIN_F##W, N, sin##s(A##N))                                                     \
    UNARY(EXP_F##W, N, exp##s(A##N))                                                     \
    UNARY(EXP2_F##W, N, exp2##s(A##N))                                                   \
    UNARY(EXPM1_F##W, N, expm1##s(A##N))                                                 \
    UNARY(LOG_F##W, N, log##s(A##N))                                                     \
    UNARY(LOG10_F##W, N, log10##s(A##N))                                                 \
    UNARY(LOG1P_F##W, N, log1p##s(A##N))                                                 \
    UNARY(LOG2_F##W, N, log2##s(A##N))                                                   \
    BINARY(POW_F##W, N, pow##s(A##N, B##N))                                              \
    UNARY(RSQRT_F##W, N, 1 / sqrt##s(A##N))                                              \
    UNARY(SQRT_F##W, N, sqrt##s(A##N))                                                   \
    UNARY(TANH_F##W, N, tanh##s(A##N))                                                   \
    UNARY(ERF_F##W, N, erf##s(A##N))                                                     \
    BINARY(CMP_EQ_F##W##_O, 32, A##N == B##N)                                            \
    BINARY(CMP_EQ_F##W##_U, 32, isunordered(A##N, B##N) || A##N == B##N)                 \
    BINARY(CMP_NE_F##W##_O, 32, A##N != B##N)                                            \
    BINARY(CMP_NE_F##W##_U, 32, isunordered(A##N, B##N) || A##N != B##N)                 \
    BINARY(CMP_LT_F##W##_O, 32, isless(A##N, B##N))                                      \
    BINARY(CMP_LT_F##W##_U, 32, !isgreaterequal(A##N, B##N))                             \
    BINARY(CMP_LTE_F##W##_O, 32, islessequal(A##N, B##N))                                \
    BINARY(CMP_LTE_F##W##_U, 32, !isgreater(A##N, B##N))                                 \
    UNARY(CMP_NAN_F##W, 32, isnan(A##N))                                                 \
    TERNARY(SELECT_F##W, N, A32 ? B##N : C##N)                                           \
    UNARY(CAST_SI32_F##W, N, (int32_t)A32)                                               \
    UNARY(CAST_UI32_F##W, N, A32)                                                        \
    UNARY(CAST_SI64_F##W, N, (int64_t)A64)                                               \
    UNARY(CAST_UI64_F##W, N, A64)                                                        \
    UNARY(CAST_F##W##_SI32, 32, nearest(A##N))                                           \
    UNARY(CAST_F##W##_UI32, 32, nearest(A##N))                                           \
    UNARY(CAST_F##W##_SI64, 64, nearest(A##N))                                           \
    UNARY(CAST_F##W##_UI64, 64, nearest_unsigned(A##N))

static double
roundeven_(double v)
{
    double r = round(v);
    if (fabs(v - trunc(v)) == 0.5 && fmod(r, 2) != 0)
        r -= copysign(1, v); /* -0.5 becomes 0, as on IREE's machine */
    return r;
}

static float
roundeven_f(float v)
{
    return (float)roundeven_((double)v);
}

static const uint8_t *
floats_32(uint32_t op, const uint8_t *pc, uint32_t *regs)
{
    switch (op) {
        FLOATS(32, F, f)
        TERNARY(FMA_F32, F, AF * BF + CF)
        UNARY(BITCAST_I32_F32, 32, A32)
        UNARY(BITCAST_F32_I32, 32, A32)
    default:
        return NULL;
    }
}

static const uint8_t *
floats_64(uint32_t op, const uint8_t *pc, uint32_t *regs)
{
    switch (op) {
        FLOATS(64, D, )
        TERNARY(FMA_F64, D, AD * BD + CD)
        UNARY(TRUNC_F64_F32, F, (float)AD)
        UNARY(EXT_F32_F64, D, (double)AF)
        UNARY(BITCAST_I64_F64, 64, A64)
        UNARY(BITCAST_F64_I64, 64, A64)
    default:
        return NULL;
    }
}

const uint8_t *
tb_vm_exec_num(uint32_t op, const uint8_t *pc, uint32_t *regs, const char **fault)
{
    if (op >= 0x200)
        return floats_64(op, pc, regs);
    if (op >= 0x100)
        return floats_32(op, pc, regs);
    const uint8_t *next = integers_64(op, pc, regs, fault);
    return next ? next : integers_32(op, pc, regs, fault);
}

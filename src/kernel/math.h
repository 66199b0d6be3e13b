/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math.h -- a notation for formulas over the builder, for the math files alone.
 *
 *   math.c       exp, expm1, tanh, erf; the table of functions
 *   math_log.c   log, log1p, log2, pow
 *   math_trig.c  sin, cos, tan, asin, atan, atan2
 *   math_misc.c  lgamma, fmod, nextafter
 *
 * An `mx` says what is computed: F32 or F64, and the lanes. Constants are scalars; the
 * builder spreads them. Functions are without branches; where no order of evaluation is
 * forced, long polynomials are plain Horner chains: kernels run several vectors side by
 * side, so throughput counts, not latency.
 */
#pragma once
#include "kernel/build.h"

typedef struct mx {
    tb_kernel *k;
    tb_dtype t, i; /* F32 and I32, or F64 and I64 */
    int lanes;
    bool wide; /* F64 */
} mx;

static inline mx
m_of(tb_kernel *k, tb_kv v)
{
    bool wide = tb_k_type(k, v) == TB_F64;

    return (mx){k, wide ? TB_F64 : TB_F32, wide ? TB_I64 : TB_I32, tb_k_lanes(k, v),
                wide};
}
static inline tb_kv
m_c(mx m, double x)
{
    return tb_k_const(m.k, m.t, x);
}
static inline tb_kv
m_int(mx m, int64_t x)
{
    return tb_k_const_int(m.k, m.i, x);
}
#define M_BINARY(name, prim)                                                             \
    static inline tb_kv m_##name(mx m, tb_kv a, tb_kv b)                                 \
    {                                                                                    \
        return tb_k_map(m.k, TB_P_##prim, a, b, TB_NO_KV);                               \
    }
#define M_UNARY(name, prim)                                                              \
    static inline tb_kv m_##name(mx m, tb_kv a)                                          \
    {                                                                                    \
        return tb_k_map(m.k, TB_P_##prim, a, TB_NO_KV, TB_NO_KV);                        \
    }
M_BINARY(add, add)
M_BINARY(sub, sub)
M_BINARY(mul, mul)
M_BINARY(div, div)
M_BINARY(min, min)
M_BINARY(max, max)
M_BINARY(and, and)
M_BINARY(or, or)
M_BINARY(xor, xor)
M_BINARY(shl, shl)
M_BINARY(shr, shr)
M_BINARY(eq, eq)
M_BINARY(ne, ne)
M_BINARY(lt, lt)
M_BINARY(le, le)
M_BINARY(sign, copysign)
M_UNARY(neg, neg)
M_UNARY(abs, abs)
M_UNARY(not, not)
M_UNARY(sqrt, sqrt)
M_UNARY(trunc, trunc)
M_UNARY(floor, floor)
M_UNARY(round, round)
static inline tb_kv
m_fma(mx m, tb_kv a, tb_kv b, tb_kv c)
{
    return tb_k_fma(m.k, a, b, c);
}
static inline tb_kv
m_where(mx m, tb_kv c, tb_kv a, tb_kv b)
{
    return tb_k_map(m.k, TB_P_where, c, a, b);
}
static inline tb_kv
m_bits(mx m, tb_kv a) /* a float's bits as an integer */
{
    return tb_k_bitcast(m.k, a, m.i);
}
static inline tb_kv
m_float(mx m, tb_kv a) /* and back */
{
    return tb_k_bitcast(m.k, a, m.t);
}
/* The other precision, the same lanes. */
static inline mx
m_wide(mx m)
{
    return (mx){m.k, TB_F64, TB_I64, m.lanes, true};
}
static inline tb_kv
m_widen(mx m, tb_kv a)
{
    return tb_k_cast(m.k, a, TB_F64);
}

/* c[0] + c[1] x + ... + c[n-1] x^(n-1) */
tb_kv tb_m_poly(mx m, tb_kv x, const double *c, int n);
#define M_POLY(m, x, ...)                                                                \
    tb_m_poly(m, x, (const double[]){__VA_ARGS__},                                       \
              (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

/* math.c */
tb_kv tb_m_exp(mx m, tb_kv x);
tb_kv tb_m_expm1(mx m, tb_kv x);
tb_kv tb_m_tanh(mx m, tb_kv x);
tb_kv tb_m_erf(mx m, tb_kv x);
/* math_log.c */
tb_kv tb_m_log(mx m, tb_kv x);
tb_kv tb_m_log1p(mx m, tb_kv x);
tb_kv tb_m_log2(mx m, tb_kv x);
tb_kv tb_m_pow(mx m, tb_kv x, tb_kv y);
/* math_trig.c */
tb_kv tb_m_sin(mx m, tb_kv x, bool cosine);
tb_kv tb_m_tan(mx m, tb_kv x);
tb_kv tb_m_asin(mx m, tb_kv x);
tb_kv tb_m_atan(mx m, tb_kv x);
tb_kv tb_m_atan2(mx m, tb_kv y, tb_kv x);
/* math_misc.c */
tb_kv tb_m_lgamma(mx m, tb_kv x);
tb_kv tb_m_fmod(mx m, tb_kv x, tb_kv y);
tb_kv tb_m_nextafter(mx m, tb_kv x, tb_kv y);

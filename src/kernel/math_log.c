/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math_log.c -- logarithms and powers.
 *
 * A positive number is 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)): subtracting the
 * bits of sqrt(1/2) leaves e in the exponent's place and what f is made of below.
 */
#include <math.h>

#include "kernel/math.h"

enum { TINY_F32 = 23, TINY_F64 = 54 }; /* powers of two that make subnormals normal */

typedef struct parts {
    tb_kv f, e; /* floats */
    tb_kv d;    /* the difference of bits */
} parts;

static int64_t
root_bits(mx m)
{
    return m.wide ? INT64_C(0x3fe6a09e667f3bcd) : 0x3f3504f3;
}

static int64_t
exponent_mask(mx m)
{
    return m.wide ? (int64_t)(~UINT64_C(0) << 52) : -0x800000;
}

/* e of the difference. Vectors of 64-bit integers are not converted cheaply everywhere,
 * so there the exponent is put into the low bits of 2^52. */
static tb_kv
exponent(mx m, tb_kv d)
{
    tb_kv u;

    if (!m.wide)
        return tb_k_cast(m.k, m_shr(m, d, m_int(m, 23)), TB_F32);
    u = tb_k_bitcast(m.k, m_add(m, d, m_int(m, INT64_C(1023) << 52)), TB_U64);
    u = m_shr(m, u, tb_k_const_int(m.k, TB_U64, 52));
    u = m_or(m, tb_k_bitcast(m.k, u, TB_I64), m_int(m, INT64_C(0x4330000000000000)));
    return m_sub(m, m_float(m, u), m_c(m, 0x1p52 + 1023));
}

static parts
split(mx m, tb_kv x)
{
    int more = m.wide ? TINY_F64 : TINY_F32;
    tb_kv tiny = m_lt(m, x, m_c(m, m.wide ? 0x1p-1022 : 0x1p-126)), one;
    tb_kv normal = m_where(m, tiny, m_mul(m, x, m_c(m, ldexp(1, more))), x);
    parts p = {.d = m_sub(m, m_bits(m, normal), m_int(m, root_bits(m)))};

    one = m_and(m, p.d, m_int(m, ~exponent_mask(m)));
    one = m_float(m, m_add(m, one, m_int(m, root_bits(m))));
    p.f = m_sub(m, one, m_c(m, 1));
    p.e = m_sub(m, exponent(m, p.d), m_where(m, tiny, m_c(m, more), m_c(m, 0)));
    return p;
}

/* ln(1 + f) + e ln 2; without e if e.id is 0 */
static tb_kv
log_of(mx m, tb_kv f, tb_kv e)
{
    double hi = m.wide ? 6.93147180369123816490e-01 : 0.693359375;
    double lo = m.wide ? 1.90821492927058770002e-10 : -2.12194440e-4;
    tb_kv half = m_mul(m, m_c(m, 0.5), m_mul(m, f, f)), y;

    if (m.wide) {
        tb_kv s = m_div(m, f, m_add(m, f, m_c(m, 2))), z = m_mul(m, s, s);
        y = m_mul(m, z, M_POLY(m, z, 0x1.5555555555593p-1, 0x1.999999997f8aap-2,
                               0x1.249249423e3cep-2, 0x1.c71c51c67649fp-3,
                               0x1.74664d760b979p-3, 0x1.39a02ed70d608p-3,
                               0x1.2f15bd1410936p-3));
        y = m_mul(m, s, m_add(m, half, y));
    } else {
        y = M_POLY(m, f, 0x1.555554p-2, -0x1.000228p-2, 0x1.99a036p-3, -0x1.547218p-3,
                   0x1.22d5b6p-3, -0x1.0d8276p-3, 0x1.057aa6p-3, -0x1.391540p-4);
        y = m_mul(m, m_mul(m, f, m_mul(m, f, f)), y);
    }
    if (e.id)
        y = m_fma(m, e, m_c(m, lo), y);
    y = m_sub(m, f, m_sub(m, half, y));
    return e.id ? m_fma(m, e, m_c(m, hi), y) : y;
}

/* The logarithm's value where it is not a number like others; x - at is the distance from
 * the pole. */
static tb_kv
edges(mx m, tb_kv x, double at, tb_kv r)
{
    tb_kv pole = m_where(m, m_lt(m, x, m_c(m, at)), m_c(m, NAN), m_c(m, -INFINITY));

    r = m_where(m, m_lt(m, x, m_c(m, INFINITY)), r, x); /* infinity, NaN */
    return m_where(m, m_le(m, x, m_c(m, at)), pole, r);
}

tb_kv
tb_m_log(mx m, tb_kv x)
{
    parts p = split(m, x);

    return edges(m, x, 0, log_of(m, p.f, p.e));
}

tb_kv
tb_m_log2(mx m, tb_kv x)
{
    parts p = split(m, x);
    tb_kv r;

    if (m.wide) {
        r = log_of(m, p.f, TB_NO_KV);
        p.e = m_fma(m, r, m_c(m, 0x1.777d0ffda0d24p-56), p.e);
        r = m_fma(m, r, m_c(m, M_LOG2E), p.e);
    } else {
        r = M_POLY(m, p.f, 0x1.715476p+0, -0x1.71546ep-1, 0x1.ec7242p-2, -0x1.715d3ep-2,
                   0x1.27274cp-2, -0x1.e9b238p-3, 0x1.ae6410p-3, -0x1.9ab3d0p-3,
                   0x1.40ebacp-3, -0x1.af8012p-5);
        r = m_fma(m, r, p.f, p.e);
    }
    return edges(m, x, 0, r);
}

/* With 1 + x = 2^e (1 + f): f = 2^-e x + (2^-e - 1), where only the last sum rounds. e
 * comes from 1 + x rounded, which is near enough. 4 * 2^-e and x / 4 stay in the
 * exponents' range. */
tb_kv
tb_m_log1p(mx m, tb_kv x)
{
    tb_kv d = m_sub(m, m_bits(m, m_add(m, x, m_c(m, 1))), m_int(m, root_bits(m)));
    tb_kv four = m_int(m, m.wide ? INT64_C(0x4010000000000000) : 0x40800000);
    tb_kv s = m_float(m, m_sub(m, four, m_and(m, d, m_int(m, exponent_mask(m)))));
    tb_kv quarter = m_c(m, 0.25), f, r;

    f = m_fma(m, m_mul(m, x, quarter), s, m_sub(m, m_mul(m, s, quarter), m_c(m, 1)));
    r = edges(m, x, -1, log_of(m, f, exponent(m, d)));
    return m_where(m, m_lt(m, m_abs(m, x), m_c(m, m.wide ? 0x1p-54 : 0x1p-25)), x, r);
}

/* ---- pow ---- */

/* Products and sums with their rounding errors. */
typedef struct pair {
    tb_kv hi, lo;
} pair;

static tb_kv
upper_half(mx m, tb_kv a) /* 26 bits of it */
{
    tb_kv t = m_mul(m, a, m_c(m, 134217729.0));

    return m_sub(m, t, m_sub(m, t, a));
}

static pair
product(mx m, tb_kv a, tb_kv b)
{
    pair p = {m_mul(m, a, b), TB_NO_KV};

    if (m.k->target->fma) {
        p.lo = m_fma(m, a, b, m_neg(m, p.hi));
    } else {
        tb_kv a1 = upper_half(m, a), b1 = upper_half(m, b);
        tb_kv a2 = m_sub(m, a, a1), b2 = m_sub(m, b, b1);
        p.lo = m_sub(m, m_mul(m, a1, b1), p.hi);
        p.lo = m_add(m, m_add(m, p.lo, m_mul(m, a1, b2)), m_mul(m, a2, b1));
        p.lo = m_add(m, p.lo, m_mul(m, a2, b2));
    }
    return p;
}

static pair
sum(mx m, tb_kv a, tb_kv b) /* |a| >= |b|, or a is 0 */
{
    tb_kv s = m_add(m, a, b);

    return (pair){s, m_sub(m, b, m_sub(m, s, a))};
}

/* log2 of a positive F64 to 35 bits: enough for powers of F32. */
static tb_kv
short_log2(mx m, tb_kv x)
{
    parts p = split(m, x);
    tb_kv s = m_div(m, p.f, m_add(m, p.f, m_c(m, 2))), z = m_mul(m, s, s), a;

    a = M_POLY(m, z, 0x1.555554fce52fep-2, 0x1.999a7bece8226p-3, 0x1.24387937941adp-3,
               0x1.e30543cd7d4c0p-4);
    a = m_fma(m, m_mul(m, s, z), a, s);
    return m_fma(m, a, m_c(m, 2 * M_LOG2E), p.e);
}

/* log2 of a positive F64 to about 65 bits: 2 / ln 2 (s + s^3 / 3 + s^5 B(s^2)), the first
 * two terms in pairs. */
static pair
long_log2(mx m, tb_kv x)
{
    const double third = 0x1.5555555555555p-2, third_lo = 0x1.5555555555555p-56;
    const double c = 0x1.71547652b82fep+1, c_lo = 0x1.777d0ffda0d24p-55;
    parts p = split(m, x);
    pair d = sum(m, m_c(m, 2), p.f), z, t, l, r;
    tb_kv s = m_div(m, p.f, d.hi), s_lo, b;
    pair back = product(m, s, d.hi);

    s_lo = m_sub(m, m_sub(m, p.f, back.hi), back.lo);
    s_lo = m_div(m, m_sub(m, s_lo, m_mul(m, s, d.lo)), d.hi);
    z = product(m, s, s);
    z.lo = m_fma(m, m_add(m, s, s), s_lo, z.lo);
    b = M_POLY(m, z.hi, 0x1.9999999999b36p-3, 0x1.2492492457232p-3, 0x1.c71c722e6b4fbp-4,
               0x1.745ce9866e2e4p-4, 0x1.3b1efd63cd3d8p-4, 0x1.0f7e481b86db4p-4,
               0x1.0e5244b56eeebp-4);
    t = product(m, z.hi, m_c(m, third)); /* t = z / 3 + z^2 B */
    t.lo = m_fma(m, z.hi, m_c(m, third_lo), t.lo);
    t.lo = m_fma(m, z.lo, m_c(m, third), t.lo);
    t.lo = m_fma(m, m_mul(m, z.hi, z.hi), b, t.lo);
    l = product(m, s, t.hi); /* s + s t */
    l.lo = m_fma(m, s, t.lo, l.lo);
    l.lo = m_fma(m, s_lo, t.hi, l.lo);
    r = sum(m, s, l.hi);
    r.lo = m_add(m, m_add(m, r.lo, l.lo), s_lo);
    l = product(m, r.hi, m_c(m, c));
    l.lo = m_fma(m, r.hi, m_c(m, c_lo), l.lo);
    l.lo = m_fma(m, r.lo, m_c(m, c), l.lo);
    r = sum(m, p.e, l.hi);
    return sum(m, r.hi, m_add(m, r.lo, l.lo)); /* the z^2 B in it is not small */
}

static tb_kv
power_of_2(mx m, tb_kv n) /* n an integer from -1022 to 1023, F64 */
{
    tb_kv t = m_add(m, n, m_c(m, 0x1.8p52 + 1023));

    return m_float(m, m_shl(m, m_bits(m, t), m_int(m, 52)));
}

/* 2^(t + lo), to 32 bits if `rough`. Scaled in two steps, the second of which rounds. */
static tb_kv
exp2_of(mx m, tb_kv t, tb_kv lo, bool rough)
{
    tb_kv n, half, r, p;

    t = m_max(m, m_c(m, -1100), m_min(m, m_c(m, 1100), t));
    n = m_round(m, t);
    r = m_sub(m, t, n);
    if (lo.id)
        r = m_add(m, r, lo);
    if (rough) {
        p = M_POLY(m, r, 1, 0x1.62e4300bc984bp-1, 0x1.ebfbe045e75c3p-3,
                   0x1.c6b054e122fdbp-5, 0x1.3b2a1b56ca6eep-7, 0x1.5dc070b993e7bp-10,
                   0x1.444034fb26cb8p-13, 0x1.c04590b2ebb65p-17);
        n = m_max(m, m_c(m, -1000), m_min(m, m_c(m, 1000), n));
        return m_mul(m, p, power_of_2(m, n));
    }
    p = M_POLY(m, r, 1, 0x1.62e42fefa39f3p-1, 0x1.ebfbdff82c598p-3, 0x1.c6b08d7048f0cp-5,
               0x1.3b2ab6fba1db8p-7, 0x1.5d87fe7bc0ca9p-10, 0x1.430913097b393p-13,
               0x1.ffcbee2bc2af5p-17, 0x1.62bfd44f2580ap-20, 0x1.b54177a84c8b9p-24,
               0x1.e60698cdb2591p-28, 0x1.c0617cb107b2bp-32);
    half = m_trunc(m, m_mul(m, n, m_c(m, 0.5)));
    p = m_mul(m, p, power_of_2(m, half));
    return m_mul(m, p, power_of_2(m, m_sub(m, n, half)));
}

/* |x|^y. Beyond 2^65 every y does the same; clamped, infinity needs no other care. */
static tb_kv
magnitude(mx m, tb_kv x, tb_kv y)
{
    mx w = m_wide(m);
    tb_kv a = m_widen(m, m_abs(m, x)), edge;
    pair l = {TB_NO_KV, TB_NO_KV}, t;

    y = m_widen(m, y);
    y = m_max(w, m_c(w, -0x1p65), m_min(w, m_c(w, 0x1p65), y));
    if (m.wide)
        l = long_log2(w, a);
    else
        l.hi = short_log2(w, a);
    edge = m_or(w, m_eq(w, a, m_c(w, 0)), m_not(w, m_lt(w, a, m_c(w, INFINITY))));
    l.hi =
        m_where(w, edge, m_where(w, m_eq(w, a, m_c(w, 0)), m_c(w, -INFINITY), a), l.hi);
    if (!m.wide)
        return tb_k_cast(m.k, exp2_of(w, m_mul(w, l.hi, y), TB_NO_KV, true), TB_F32);
    t = product(w, l.hi, y);
    t.lo = m_fma(w, l.lo, y, t.lo);
    /* with an infinite product the error is NaN */
    t.lo = m_where(w, m_lt(w, m_abs(w, t.hi), m_c(w, 1100)), t.lo, m_c(w, 0));
    return exp2_of(w, t.hi, t.lo, false);
}

/* Exponents that models write as constants. */
static bool
easy_pow(mx m, tb_kv x, double y, tb_kv *r)
{
    bool inverse = y < 0;
    tb_kv s;

    y = fabs(y);
    if (y == 0)
        return *r = tb_k_splat(m.k, m_c(m, 1), m.lanes), true;
    if (y == 1)
        s = x;
    else if (y == 2)
        s = m_mul(m, x, x);
    else if (y == 3)
        s = m_mul(m, m_mul(m, x, x), x);
    else if (y == 4)
        s = m_mul(m, m_mul(m, x, x), m_mul(m, x, x));
    else if (y == 0.5) /* minus zero and minus infinity lose their sign */
        s = m_where(m, m_eq(m, x, m_c(m, -INFINITY)), m_c(m, INFINITY),
                    m_sqrt(m, m_add(m, x, m_c(m, 0))));
    else
        return false;
    *r = inverse ? m_div(m, m_c(m, 1), s) : s;
    return true;
}

tb_kv
tb_m_pow(mx m, tb_kv x, tb_kv y)
{
    tb_kv r, half, whole, odd, one;
    uint64_t bits;

    if (tb_k_const_bits(m.k, y, &bits) &&
        easy_pow(m, x, m.wide ? tb_lane_f64(bits) : (double)tb_lane_f32(bits), &r))
        return r;
    r = magnitude(m, x, y);
    half = m_mul(m, y, m_c(m, 0.5));
    whole = m_eq(m, m_trunc(m, y), y);
    odd = m_and(m, whole, m_ne(m, m_trunc(m, half), half));
    r = m_where(m, odd, m_sign(m, r, x), r);
    /* a finite negative number to a broken power; infinity has only its size */
    one = m_and(m, m_lt(m, x, m_c(m, 0)), m_lt(m, m_c(m, -INFINITY), x));
    r = m_where(m, m_and(m, one, m_not(m, whole)), m_c(m, NAN), r);
    one = m_or(m, m_eq(m, x, m_c(m, 1)), m_eq(m, y, m_c(m, 0)));
    return m_where(m, one, m_c(m, 1), r);
}

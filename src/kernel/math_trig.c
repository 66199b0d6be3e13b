/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math_trig.c -- circular functions and their inverses.
 *
 * Arguments are reduced by multiples of pi/2 in F64, also those of F32: the pieces of
 * pi/2 have so few bits that products with the multiple are exact. Far out, where the
 * multiple itself is no longer exact, results lose precision, but stay where they belong.
 */
#include <math.h>

#include "kernel/math.h"

/* sin and cos on [-pi/4, pi/4] */
typedef struct waves {
    tb_kv sin, cos;
    tb_kv quadrant; /* integer; its low bits count */
} waves;

static const double clamp_at = 0.7857; /* pi/4 and a bit */

static tb_kv
clamp_angle(mx m, tb_kv r)
{
    return m_max(m, m_c(m, -clamp_at), m_min(m, m_c(m, clamp_at), r));
}

/* The multiple of pi/2 next to x, and as an integer in the low bits of *low. */
static tb_kv
quarter_turns(mx w, tb_kv x, tb_kv *low)
{
    tb_kv magic = m_c(w, 0x1.8p52), t = m_fma(w, x, m_c(w, M_2_PI), magic);

    *low = m_bits(w, t);
    return m_sub(w, t, magic);
}

static waves
waves_f32(mx m, tb_kv x)
{
    mx w = m_wide(m);
    tb_kv n, low, r = m_widen(m, x), z, p;
    waves v;

    n = quarter_turns(w, r, &low);
    if (m.k->target->fma) {
        r = m_fma(w, n, m_c(w, -0x1.921fb54442d18p+0), r);
        r = m_fma(w, n, m_c(w, -0x1.1a62633145c07p-54), r);
    } else {
        r = m_fma(w, n, m_c(w, -0x1.921fb5p+0), r);
        r = m_fma(w, n, m_c(w, -0x1.110b46p-26), r);
        r = m_fma(w, n, m_c(w, -0x1.1a626331p-54), r);
    }
    r = clamp_angle(m, tb_k_cast(m.k, r, TB_F32));
    v.quadrant = tb_k_cast(m.k, low, TB_I32);
    z = m_mul(m, r, r);
    p = M_POLY(m, z, -0x1.555546p-3, 0x1.11077cp-7, -0x1.9955aep-13);
    v.sin = m_sign(m, m_fma(m, m_mul(m, z, r), p, r), r); /* minus zero as well */
    p = M_POLY(m, z, -0.5, 0x1.55554ep-5, -0x1.6c0e3ap-10, 0x1.9a6c9cp-16);
    v.cos = m_fma(m, z, p, m_c(m, 1));
    return v;
}

static waves
waves_f64(mx m, tb_kv x)
{
    tb_kv low, n = quarter_turns(m, x, &low), r, main, lo, t, z, p;
    waves v = {.quadrant = low};

    r = m_fma(m, n, m_c(m, -0x1.921fb5p+0), x); /* exact */
    r = m_fma(m, n, m_c(m, -0x1.110b46p-26), r); /* exact */
    main = m_fma(m, n, m_c(m, -0x1.1a6263p-54), r);
    lo = m_fma(m, n, m_c(m, -0x1.1a6263p-54), m_sub(m, r, main));
    lo = m_fma(m, n, m_c(m, -0x1.8a2e03707344ap-81), lo);
    r = clamp_angle(m, m_add(m, main, lo));
    lo = m_add(m, m_sub(m, main, r), lo);
    lo = m_max(m, m_c(m, -0x1p-52), m_min(m, m_c(m, 0x1p-52), lo));
    z = m_mul(m, r, r);
    p = M_POLY(m, z, -0x1.5555555555549p-3, 0x1.111111110f861p-7, -0x1.a01a019c0e4d8p-13,
               0x1.71de3574bb58fp-19, -0x1.ae5e63ce279afp-26, 0x1.5d9246f44c15ap-33);
    /* sin(r + lo) = sin r + lo cos r; cos(r + lo) = cos r - lo sin r */
    t = m_fma(m, m_mul(m, z, m_c(m, -0.5)), lo, lo);
    v.sin = m_sign(m, m_add(m, r, m_fma(m, m_mul(m, z, r), p, t)), main);
    p = M_POLY(m, z, 0x1.555555555554cp-5, -0x1.6c16c16c15162p-10, 0x1.a01a019caef2cp-16,
               -0x1.27e4f807d5b0fp-22, 0x1.1ee9ea6c774dfp-29, -0x1.8fadd04a464dap-37);
    p = m_mul(m, m_mul(m, z, z), p);
    p = m_sub(m, p, m_mul(m, r, lo));
    /* 1 - z/2 with the error of that difference */
    t = m_fma(m, z, m_c(m, -0.5), m_c(m, 1));
    lo = m_fma(m, z, m_c(m, -0.5), m_sub(m, m_c(m, 1), t));
    v.cos = m_add(m, t, m_add(m, lo, p));
    return v;
}

static waves
waves_of(mx m, tb_kv x)
{
    return m.wide ? waves_f64(m, x) : waves_f32(m, x);
}

static tb_kv
odd(mx m, tb_kv q)
{
    return m_ne(m, m_and(m, q, m_int(m, 1)), m_int(m, 0));
}

tb_kv
tb_m_sin(mx m, tb_kv x, bool cosine)
{
    waves v = waves_of(m, x);
    tb_kv q = cosine ? m_add(m, v.quadrant, m_int(m, 1)) : v.quadrant, sign, r;

    sign = m_shl(m, m_and(m, q, m_int(m, 2)), m_int(m, m.wide ? 62 : 30));
    r = m_where(m, odd(m, q), v.cos, v.sin);
    return m_float(m, m_xor(m, m_bits(m, r), sign));
}

tb_kv
tb_m_tan(mx m, tb_kv x)
{
    waves v = waves_of(m, x);
    tb_kv turned = odd(m, v.quadrant);

    return m_div(m, m_where(m, turned, m_neg(m, v.cos), v.sin),
                 m_where(m, turned, v.sin, v.cos));
}

/* ---- inverses ---- */

/* x + x^3 P(x^2), P given */
static tb_kv
odd_series(mx m, tb_kv x, tb_kv z, tb_kv p)
{
    return m_fma(m, m_mul(m, x, z), p, x);
}

static tb_kv
half_pi_minus(mx m, tb_kv twice) /* pi/2 - twice */
{
    double hi = m.wide ? 0x1.921fb54442d18p+0 : 0x1.921fb6p+0;
    double lo = m.wide ? 0x1.1a62633145c07p-54 : -0x1.777a5cp-25;

    return m_add(m, m_sub(m, m_c(m, lo), twice), m_c(m, hi));
}

/* Above 1/2: pi/2 - 2 asin(sqrt((1 - x) / 2)). */
tb_kv
tb_m_asin(mx m, tb_kv x)
{
    tb_kv a = m_abs(m, x), big = m_lt(m, m_c(m, 0.5), a), z, s, p;

    z = m_where(m, big, m_mul(m, m_sub(m, m_c(m, 1), a), m_c(m, 0.5)), m_mul(m, a, a));
    s = m_where(m, big, m_sqrt(m, z), a);
    if (m.wide)
        p = M_POLY(m, z, 0x1.5555555555387p-3, 0x1.333333336f8ccp-4, 0x1.6db6db41d1c23p-5,
                   0x1.f1c72c6dd961ep-6, 0x1.6e89ef6f2b5fbp-6, 0x1.1c6c284573c11p-6,
                   0x1.c6f874dcf949ap-7, 0x1.8ee4d8d11cddep-7, 0x1.aab23066c11a5p-8,
                   0x1.40b2c704b4e09p-6, -0x1.0af616eeedc17p-6, 0x1.05cebd5f6c268p-5);
    else
        p = M_POLY(m, z, 0x1.5555cap-3, 0x1.33016ap-4, 0x1.748a2cp-5, 0x1.8bb538p-6,
                   0x1.59cc8ep-5);
    s = odd_series(m, s, z, p);
    s = m_where(m, big, half_pi_minus(m, m_add(m, s, s)), s);
    return m_sign(m, s, x);
}

/* atan on [-1, 1] */
static tb_kv
atan_near(mx m, tb_kv x)
{
    tb_kv z = m_mul(m, x, x), p;

    if (m.wide)
        p = M_POLY(m, z, -0x1.5555555555464p-2, 0x1.9999999985cbcp-3,
                   -0x1.2492491ffb532p-3, 0x1.c71c70b06e5afp-4, -0x1.745d03523defcp-4,
                   0x1.3b12bea5b0388p-4, -0x1.1108f21ffb1adp-4, 0x1.e17b96e0f5d29p-5,
                   -0x1.ad4070c55ae8fp-5, 0x1.7f0cb24447c4dp-5, -0x1.4fa1cac211761p-5,
                   0x1.17b7ead40f0f5p-5, -0x1.a8d99e6220b88p-6, 0x1.17e8020a3c193p-6,
                   -0x1.2f9b4b2813a5fp-7, 0x1.ff3c62b5d4438p-9, -0x1.35875f6796f40p-10,
                   0x1.dbbb7809223a5p-13, -0x1.5aa719833de44p-16);
    else
        p = M_POLY(m, z, -0x1.555540p-2, 0x1.999266p-3, -0x1.24262ap-3, 0x1.c0c8e2p-4,
                   -0x1.58bcfep-4, 0x1.dc9854p-5, -0x1.012f28p-5, 0x1.696692p-7,
                   -0x1.dcc6a6p-10);
    return odd_series(m, x, z, p);
}

tb_kv
tb_m_atan(mx m, tb_kv x)
{
    tb_kv a = m_abs(m, x), big = m_lt(m, m_c(m, 1), a), r;

    r = atan_near(m, m_where(m, big, m_div(m, m_c(m, 1), a), a));
    return m_sign(m, m_where(m, big, half_pi_minus(m, r), r), x);
}

tb_kv
tb_m_atan2(mx m, tb_kv y, tb_kv x)
{
    tb_kv ax = m_abs(m, x), ay = m_abs(m, y), steep = m_lt(m, ax, ay);
    tb_kv low = m_min(m, ax, ay), high = m_max(m, ax, ay), q, r, back;
    tb_kv pi_lo = m_c(m, m.wide ? 0x1.1a62633145c07p-53 : -0x1.777a5cp-24);

    /* 0/0 counts as 0, infinity by itself as 1 */
    q = m_div(m, low, m_where(m, m_eq(m, high, m_c(m, 0)), m_c(m, 1), high));
    q = m_where(m, m_eq(m, low, m_c(m, INFINITY)), m_c(m, 1), q);
    r = atan_near(m, q);
    r = m_where(m, steep, half_pi_minus(m, r), r);
    back = m_lt(m, m_bits(m, x), m_int(m, 0));
    r = m_where(m, back,
                m_add(m, m_sub(m, pi_lo, r),
                      m_c(m, m.wide ? 0x1.921fb54442d18p+1 : 0x1.921fb6p+1)),
                r);
    return m_sign(m, r, y);
}

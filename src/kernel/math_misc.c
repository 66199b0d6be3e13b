/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math_misc.c -- functions that models rarely need: none is tuned.
 */
#include <math.h>

#include "kernel/math.h"

/* ---- lgamma ---- */

/* |sin(pi a)| for a >= 0 */
static tb_kv
sin_pi(mx m, tb_kv a)
{
    tb_kv f = m_abs(m, m_sub(m, a, m_round(m, a))), far = m_lt(m, m_c(m, 0.25), f), r, z,
          s, c;

    r = m_mul(m, m_where(m, far, m_sub(m, m_c(m, 0.5), f), f), m_c(m, M_PI));
    z = m_mul(m, r, r);
    s = M_POLY(m, z, -0x1.5555555555549p-3, 0x1.111111110f861p-7, -0x1.a01a019c0e4d8p-13,
               0x1.71de3574bb58fp-19, -0x1.ae5e63ce279afp-26, 0x1.5d9246f44c15ap-33);
    s = m_fma(m, m_mul(m, z, r), s, r);
    c = M_POLY(m, z, -0.5, 0x1.555555555554cp-5, -0x1.6c16c16c15162p-10,
               0x1.a01a019caef2cp-16, -0x1.27e4f807d5b0fp-22, 0x1.1ee9ea6c774dfp-29,
               -0x1.8fadd04a464dap-37);
    return m_where(m, far, m_fma(m, z, c, m_c(m, 1)), s);
}

/* In F64, of a positive number: Stirling's series from 8 on. Below, steps of 1 lead to
 * [3/2, 5/2], where it is a polynomial in the distance from 2; they cost the logarithm of
 * a product. */
static tb_kv
lgamma_positive(mx m, tb_kv a)
{
    tb_kv low = m_lt(m, a, m_c(m, 8)), one = m_c(m, 1), z, far, near, t, up, log, product;
    tb_kv half = m_lt(m, a, m_c(m, 0.5));

    up = m_lt(m, a, m_c(m, 1.5));
    t = m_sub(m, a, m_where(m, half, m_c(m, 0), m_where(m, up, one, m_c(m, 2))));
    product = m_where(m, half, m_mul(m, a, m_add(m, a, one)), m_where(m, up, a, one));
    for (int i = 1; i < 7; i++) {
        tb_kv above = m_lt(m, m_c(m, i + 1.5), a);
        product = m_where(m, above, m_mul(m, product, m_sub(m, a, m_c(m, i))), product);
        t = m_where(m, above, m_sub(m, t, one), t);
    }
    log = tb_m_log(m, m_where(m, low, product, a));
    near = M_POLY(m, t, 0x1.b0ee6072093cep-2, 0x1.4a34cc4a60fa8p-2, -0x1.13e001a55755ep-4,
               0x1.51322ac7d6f96p-6, -0x1.e404fc21d6147p-8, 0x1.7add6eb022216p-9,
               -0x1.38ac5bfe58e8bp-10, 0x1.0b36ae8194165p-11, -0x1.d3fd69d998c3bp-13,
               0x1.a1282788b41b8p-14, -0x1.78d910ca29051p-15, 0x1.57fe0cc40be31p-16,
               -0x1.3d4b19894e4aap-17, 0x1.26d82143da092p-18, -0x1.090e844a218c4p-19,
               0x1.e321435f17862p-21, -0x1.37b6bdc39408dp-21, 0x1.3fa947c3933f4p-22);
    near = m_fma(m, t, near, m_where(m, up, m_neg(m, log), log));
    z = m_div(m, one, m_mul(m, a, a));
    far = M_POLY(m, z, 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188,
                 -691.0 / 360360, 1.0 / 156, -3617.0 / 122400);
    far = m_add(m, m_div(m, far, a), m_c(m, 0.91893853320467274178));
    /* (a - 1/2) (ln a - 1) - 1/2 does not overflow before the result does */
    far = m_fma(m, m_sub(m, a, m_c(m, 0.5)), m_sub(m, log, one), far);
    return m_where(m, low, near, m_sub(m, far, m_c(m, 0.5)));
}

/* A negative argument is reflected: ln pi - ln |sin(pi x)| - lgamma(1 - x). */
static tb_kv
lgamma_wide(mx m, tb_kv x)
{
    tb_kv a = m_abs(m, x), back = m_lt(m, x, m_c(m, 0)), r, s;
    tb_kv tiny = m_lt(m, a, m_c(m, 0x1p-500));

    r = lgamma_positive(m, m_where(m, back, m_add(m, a, m_c(m, 1)), a));
    s = tb_m_log(m, m_where(m, tiny, a, sin_pi(m, a))); /* pi times a subnormal rounds */
    s = m_sub(m, m_where(m, tiny, m_c(m, 0), m_c(m, 1.1447298858494001741)), s);
    r = m_where(m, back, m_sub(m, s, r), r);
    return m_where(m, m_eq(m, a, m_c(m, INFINITY)), a, r);
}

tb_kv
tb_m_lgamma(mx m, tb_kv x)
{
    tb_kv r = lgamma_wide(m_wide(m), m_widen(m, x));

    return m.wide ? r : tb_k_cast(m.k, r, TB_F32);
}

/* ---- fmod ---- */

enum { STEP = 48 }; /* bits of a quotient that a step removes */

/* r mod y for 0 <= r < 2^(STEP + 4) y: exact, since remainder and quotient fit. */
static tb_kv
mod_step(mx m, tb_kv r, tb_kv y)
{
    tb_kv q = m_trunc(m, m_div(m, r, y)), left;

    if (m.k->target->fma) {
        left = m_fma(m, m_neg(m, q), y, r);
    } else { /* y in two halves: products with them are exact */
        tb_kv t = m_mul(m, q, m_c(m, 134217729.0)), q1 = m_sub(m, t, m_sub(m, t, q));
        tb_kv u = m_mul(m, y, m_c(m, 134217729.0)), y1 = m_sub(m, u, m_sub(m, u, y));
        tb_kv q2 = m_sub(m, q, q1), y2 = m_sub(m, y, y1);
        left = m_sub(m, r, m_mul(m, q1, y1));
        left = m_sub(m, left, m_mul(m, q1, y2));
        left = m_sub(m, left, m_mul(m, q2, y1));
        left = m_sub(m, left, m_mul(m, q2, y2));
    }
    left = m_where(m, m_lt(m, left, m_c(m, 0)), m_add(m, left, y), left);
    left = m_where(m, m_le(m, y, left), m_sub(m, left, y), left);
    return m_where(m, m_le(m, y, r), left, r);
}

tb_kv
tb_m_fmod(mx m, tb_kv x, tb_kv y)
{
    mx w = m_wide(m);
    tb_kv r = m_widen(m, m_abs(m, x)), d = m_widen(m, m_abs(m, y)), bad, huge, whole = r;
    bool scaled = m.wide && !m.k->target->fma; /* halving a huge number overflows */
    /* F32: 2^277 is the largest quotient; F64: beyond 2^196 the result is wrong */
    int steps = m.wide ? 4 : 6;

    if (scaled) {
        huge = m_where(w, m_lt(w, m_c(w, 0x1p900), d), m_c(w, 0x1p-100), m_c(w, 1));
        r = m_mul(w, r, huge);
        d = m_mul(w, d, huge);
    }
    for (int i = steps - 1; i > 0; i--)
        r = mod_step(w, r, m_mul(w, d, m_c(w, ldexp(1, STEP * i))));
    r = mod_step(w, r, d);
    if (scaled) {
        d = m_div(w, d, huge);
        r = m_where(w, m_lt(w, whole, d), whole, m_div(w, r, huge));
    }
    bad = m_or(w, m_eq(w, d, m_c(w, 0)), m_eq(w, whole, m_c(w, INFINITY)));
    bad = m_or(w, bad, m_ne(w, d, d));
    r = m_where(w, bad, m_c(w, NAN), r);
    return m_sign(m, m.wide ? r : tb_k_cast(m.k, r, TB_F32), x);
}

/* ---- nextafter ---- */

tb_kv
tb_m_nextafter(mx m, tb_kv x, tb_kv y)
{
    tb_kv bits = m_bits(m, x), zero = m_c(m, 0), away, r;
    tb_kv minus = m_int(m, m.wide ? INT64_MIN : INT32_MIN);

    /* the bits of a number grow with its size */
    away = m_not(m, m_xor(m, m_lt(m, x, y), m_lt(m, zero, x)));
    r = m_where(m, away, m_add(m, bits, m_int(m, 1)), m_sub(m, bits, m_int(m, 1)));
    r = m_where(m, m_eq(m, x, zero),
                m_or(m, m_and(m, m_bits(m, y), minus), m_int(m, 1)), r);
    r = m_float(m, r);
    r = m_where(m, m_eq(m, x, y), y, r);
    r = m_where(m, m_ne(m, y, y), y, r);
    return m_where(m, m_ne(m, x, x), x, r);
}

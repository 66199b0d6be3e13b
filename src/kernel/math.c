/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math.c -- exp and what is made of it; the table of elementary functions.
 *
 * Coefficients are minimax fits of the stated ranges, made with a multiple-precision
 * Remez exchange, weighted for relative error. Bounds: docs/math.md.
 */
#include <math.h>

#include "kernel/math.h"

tb_kv
tb_m_poly(mx m, tb_kv x, const double *c, int n)
{
    tb_kv r = m_c(m, c[n - 1]);

    for (int i = n - 2; i >= 0; i--)
        r = m_fma(m, r, x, m_c(m, c[i]));
    return r;
}

/* ---- exp ---- */

/* x = n ln 2 + r with |r| <= ln 2 / 2, and 2^(n-1). Adding a large number rounds to an
 * integer and leaves it in the low bits; the number is chosen such that they are the
 * exponent of 2^(n-1) in place. x must be clamped to where that exponent is not negative;
 * at 0 the scale is 0. The high part of ln 2 has few bits, so that n times it is exact.
 */
static tb_kv
reduce(mx m, tb_kv x, tb_kv *scale)
{
    double magic = m.wide ? 0x1.8p52 + 1022 : 0x1.8p23 + 126;
    double hi = m.wide ? 6.93147180369123816490e-01 : 0.693359375;
    double lo = m.wide ? 1.90821492927058770002e-10 : -2.12194440e-4;
    tb_kv t = m_fma(m, x, m_c(m, M_LOG2E), m_c(m, magic)), n = m_sub(m, t, m_c(m, magic));
    tb_kv r = m_fma(m, n, m_c(m, -hi), x);

    *scale = m_float(m, m_shl(m, m_bits(m, t), m_int(m, m.wide ? 52 : 23)));
    return m_fma(m, n, m_c(m, -lo), r);
}

static tb_kv
clamp(mx m, tb_kv x, double lo, double hi)
{
    return m_max(m, m_c(m, lo), m_min(m, m_c(m, hi), x));
}

/* e^x is below the normal range under the first, overflows above the second. */
static const double exp_ends[2][2] = {{-87.3365478515625, 89}, {-708.39641853226410622, 710}};

/* e^x = 2 e^r 2^(n-1): n may be one more than an exponent can be, where the product
 * overflows as it must. */
static tb_kv
exp_of_clamped(mx m, tb_kv x)
{
    tb_kv s, r = reduce(m, x, &s), p;

    if (m.wide)
        p = M_POLY(m, r, 2, 2, 0x1.0000000000009p0, 0x1.5555555555558p-2,
                   0x1.55555555503a0p-4, 0x1.111111110f7efp-6, 0x1.6c16c18611db9p-9,
                   0x1.a01a01b015fc1p-12, 0x1.a019938664e2bp-15, 0x1.71ddf69834cdap-18,
                   0x1.28b43b4f111dbp-21, 0x1.af635f16ead2dp-25);
    else
        p = M_POLY(m, r, 2, 2, 0x1.fffffcp-1, 0x1.555494p-2, 0x1.555890p-4, 0x1.123906p-6,
                   0x1.6a7fecp-9);
    return m_mul(m, p, s);
}

/* Results below the normal range are 0. */
tb_kv
tb_m_exp(mx m, tb_kv x)
{
    return exp_of_clamped(m, clamp(m, x, exp_ends[m.wide][0], exp_ends[m.wide][1]));
}

/* Where exp2 is set, 2^t for t = (x - top) log2(e), the fraction by a polynomial that is 1 at 0. No
 * clamps: the scale takes any t. Rounding t costs 1.25 of what rounding the difference has cost. */
tb_kv
tb_k_exp_below(tb_kernel *k, tb_kv x, tb_kv top)
{
    tb_kv d = tb_k_map(k, TB_P_sub, x, top, TB_NO_KV), t;
    mx m = m_of(k, d);

    if (!k->target->exp2 || m.wide || m.lanes < 4) /* nothing is above 0 */
        return exp_of_clamped(m, m_max(m, m_c(m, exp_ends[m.wide][0]), d));
    t = m_mul(m, d, m_c(m, M_LOG2E));
    return tb_k_scale(k, M_POLY(m, tb_k_fraction(k, t), 1, 0x1.62e42cp-1, 0x1.ebfd58p-3,
                                0x1.c68912p-5, 0x1.3d0b92p-7, 0x1.46d64ep-10, 0x1.c54174p-13), t);
}

/* (e^x - 1) / 2 = 2^(n-1) (e^r - 1) + (2^(n-1) - 1/2) for clamped x */
static tb_kv
half_expm1(mx m, tb_kv x)
{
    tb_kv s, r = reduce(m, x, &s), p;

    if (m.wide)
        p = M_POLY(m, r, 0.5, 0x1.5555555555558p-3, 0x1.5555555555556p-5,
                   0x1.111111110f7efp-7, 0x1.6c16c16c15dbbp-10, 0x1.a01a01b015fc1p-13,
                   0x1.a01a01a93bcfdp-16, 0x1.71ddf69834cdap-19, 0x1.27e4d4c40d23fp-22,
                   0x1.af635f16ead2dp-26, 0x1.1f7f45b3e0a0dp-29);
    else
        p = M_POLY(m, r, 0.5, 0x1.555494p-3, 0x1.555384p-5, 0x1.123e6ap-7,
                   0x1.6f5944p-10);
    p = m_fma(m, m_mul(m, r, r), p, r);
    return m_fma(m, s, p, m_sub(m, s, m_c(m, 0.5)));
}

/* x itself where it is tiny: keeps subnormals and the sign of zero. */
static tb_kv
or_tiny(mx m, tb_kv x, tb_kv r)
{
    return m_where(m, m_lt(m, m_abs(m, x), m_c(m, m.wide ? 0x1p-54 : 0x1p-25)), x, r);
}

tb_kv
tb_m_expm1(mx m, tb_kv x)
{
    tb_kv h = half_expm1(m, m.wide ? clamp(m, x, -40, 710) : clamp(m, x, -20, 89));

    return or_tiny(m, x, m_add(m, h, h));
}

/* ---- tanh ---- */

tb_kv
tb_m_tanh(mx m, tb_kv x)
{
    if (m.wide) { /* with e = exp(-2 |x|) - 1: -e / (2 + e) */
        tb_kv a = m_min(m, m_c(m, 20), m_abs(m, x));
        tb_kv h = half_expm1(m, m_mul(m, a, m_c(m, -2)));
        tb_kv r = m_div(m, h, m_add(m, h, m_c(m, 1)));
        return or_tiny(m, x, m_sign(m, r, x));
    }
    /* x P(x^2) / Q(x^2) on [-9.02, 9.02], where it is 1 */
    tb_kv y = clamp(m, x, -9.02, 9.02), z = m_mul(m, y, y);
    tb_kv p = M_POLY(m, z, 0.9999999790116727, 0.13379717923667603, 0.0034940345721529813,
                     2.0583482535056782e-05, 1.3319075226443322e-08);
    tb_kv q = M_POLY(m, z, 1, 0.4671303316221382, 0.025871073165881053,
                     0.00032830929088146967, 7.76202049115535e-07);
    return clamp(m, m_div(m, m_mul(m, y, p), q), -1, 1);
}

/* ---- erf ---- */

static tb_kv
erf_f32(mx m, tb_kv x)
{
    /* x P(x^2) / Q(x^2) on [-3.93, 3.93], where it is 1 */
    tb_kv y = clamp(m, x, -3.93, 3.93), z = m_mul(m, y, y);
    tb_kv p =
        M_POLY(m, z, 1.1283791453537229, 0.19078420666309986, 0.05279033536349924,
               0.0037796250998830177, 0.00028480891678729734, 2.0419674348811463e-06);
    tb_kv q = M_POLY(m, z, 1, 0.5024108203861516, 0.11425767733640499,
                     0.01499746937642857, 0.0011652164723136552, 3.800405639698833e-05);
    return clamp(m, m_div(m, m_mul(m, y, p), q), -1, 1);
}

/* Below 1 a polynomial; above, 1 - exp(-x^2) W(u) with u = (x - 3) / (x + 3). */
static tb_kv
erf_f64(mx m, tb_kv x)
{
    tb_kv a = m_min(m, m_c(m, 6), m_abs(m, x)), z = m_mul(m, a, a), near, u, w, far;

    near = M_POLY(m, z, 0x1.20dd750429b6dp+0, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b20p-4,
                  -0x1.b82ce3128499dp-6, 0x1.565bcd0db02e8p-8, -0x1.c02db3d8ed32bp-11,
                  0x1.f9a321a11f954p-14, -0x1.f4d1df396ee6ep-17, 0x1.b9def19fc8d2ep-20,
                  -0x1.5f1d36d218d1ep-23, 0x1.f7a412da349dap-27, -0x1.386ac2da682e8p-30,
                  0x1.0579b058b2a1cp-34);
    u = m_div(m, m_sub(m, a, m_c(m, 3)), m_add(m, a, m_c(m, 3)));
    w = M_POLY(m, u, 0x1.6e9827d229816p-3, -0x1.4e102b9d04ea9p-2, 0x1.f6ff203f5f16bp-3,
               -0x1.336ffbe9a3615p-3, 0x1.258b1728cc8d3p-4, -0x1.8fa4d6a059f60p-6,
               0x1.17dca5ec17223p-8, 0x1.75e8c46149aedp-11, -0x1.30a8e002252c5p-11,
               0x1.406b6f8d0bedbp-14, 0x1.afcfaa01e52e1p-14, 0x1.fe2336712feafp-17);
    far = m_fma(m, m_neg(m, tb_m_exp(m, m_neg(m, z))), w, m_c(m, 1));
    return m_where(m, m_lt(m, a, m_c(m, 1)), m_mul(m, x, near), m_sign(m, far, x));
}

tb_kv
tb_m_erf(mx m, tb_kv x)
{
    return m.wide ? erf_f64(m, x) : erf_f32(m, x);
}

/* ---- the table ---- */

tb_kv
tb_k_math(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b)
{
    mx m = m_of(k, a);

    TB_CHECK(tb_k_type(k, a) == TB_F32 || tb_k_type(k, a) == TB_F64);
    switch (p) {
    case TB_P_exp:
        return tb_m_exp(m, a);
    case TB_P_expm1:
        return tb_m_expm1(m, a);
    case TB_P_tanh:
        return tb_m_tanh(m, a);
    case TB_P_erf:
        return tb_m_erf(m, a);
    case TB_P_log:
        return tb_m_log(m, a);
    case TB_P_log1p:
        return tb_m_log1p(m, a);
    case TB_P_log2:
        return tb_m_log2(m, a);
    case TB_P_pow:
        return tb_m_pow(m, a, b);
    case TB_P_sin:
        return tb_m_sin(m, a, false);
    case TB_P_cos:
        return tb_m_sin(m, a, true);
    case TB_P_tan:
        return tb_m_tan(m, a);
    case TB_P_asin:
        return tb_m_asin(m, a);
    case TB_P_atan:
        return tb_m_atan(m, a);
    case TB_P_atan2:
        return tb_m_atan2(m, a, b);
    case TB_P_lgamma:
        return tb_m_lgamma(m, a);
    case TB_P_rem:
        return tb_m_fmod(m, a, b);
    case TB_P_nextafter:
        return tb_m_nextafter(m, a, b);
    default:
        TB_UNREACHABLE();
    }
}

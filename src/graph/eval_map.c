/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval_map.c -- elementwise primitives: the `f` and `i` columns of prims.def, compiled as
 * they stand once for each kind of number.
 */
#include <math.h>

#include "graph/eval.h"

#define TB_FMAX(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define TB_FMIN(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))
#define TB_NOT(a) (~(a))

/* Not every function uses all three operands, or any of them by a comparison that can fail. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wfloat-equal"

/* ---- float and double ---- */

#define MAP(name, arity, result, f, i)                                                   \
    static float name##_f32(float a, float b, float c)                                   \
    {                                                                                    \
        return (float)(f);                                                               \
    }
#define tb_fmod fmodf
#define tb_pow powf
#define tb_atan2 atan2f
#define tb_copysign copysignf
#define tb_nextafter nextafterf
#define tb_fabs fabsf
#define tb_floor floorf
#define tb_ceil ceilf
#define tb_trunc truncf
#define tb_rint rintf
#define tb_sqrt sqrtf
#define tb_exp expf
#define tb_expm1 expm1f
#define tb_log logf
#define tb_log1p log1pf
#define tb_log2 log2f
#define tb_sin sinf
#define tb_cos cosf
#define tb_tan tanf
#define tb_tanh tanhf
#define tb_asin asinf
#define tb_atan atanf
#define tb_erf erff
#define tb_lgamma lgammaf
#include "graph/prims.def"

#undef tb_fmod
#undef tb_pow
#undef tb_atan2
#undef tb_copysign
#undef tb_nextafter
#undef tb_fabs
#undef tb_floor
#undef tb_ceil
#undef tb_trunc
#undef tb_rint
#undef tb_sqrt
#undef tb_exp
#undef tb_expm1
#undef tb_log
#undef tb_log1p
#undef tb_log2
#undef tb_sin
#undef tb_cos
#undef tb_tan
#undef tb_tanh
#undef tb_asin
#undef tb_atan
#undef tb_erf
#undef tb_lgamma
#define tb_fmod fmod
#define tb_pow pow
#define tb_atan2 atan2
#define tb_copysign copysign
#define tb_nextafter nextafter
#define tb_fabs fabs
#define tb_floor floor
#define tb_ceil ceil
#define tb_trunc trunc
#define tb_rint rint
#define tb_sqrt sqrt
#define tb_exp exp
#define tb_expm1 expm1
#define tb_log log
#define tb_log1p log1p
#define tb_log2 log2
#define tb_sin sin
#define tb_cos cos
#define tb_tan tan
#define tb_tanh tanh
#define tb_asin asin
#define tb_atan atan
#define tb_erf erf
#define tb_lgamma lgamma
#define MAP(name, arity, result, f, i)                                                   \
    static double name##_f64(double a, double b, double c)                               \
    {                                                                                    \
        return (double)(f);                                                              \
    }
#include "graph/prims.def"

/* ---- signed and unsigned ---- */

/* Wraps; a negative exponent gives the truncated quotient as PyTorch does. */
static int64_t
ipow_s(int64_t a, int64_t b)
{
    uint64_t r = 1, x = (uint64_t)a;

    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    for (; b; b >>= 1, x *= x)
        if (b & 1)
            r *= x;
    return (int64_t)r;
}

static uint64_t
ipow_u(uint64_t a, uint64_t b)
{
    uint64_t r = 1;

    for (; b; b >>= 1, a *= a)
        if (b & 1)
            r *= a;
    return r;
}

/* Dividing by -1 is negating, which may wrap; C leaves INT64_MIN / -1 undefined. */
#define TB_IDIV(a, b) ((b) == 0 ? 0 : (b) == -1 ? (int64_t)(0 - (uint64_t)(a)) : (a) / (b))
#define TB_IREM(a, b) ((b) == 0 || (b) == -1 ? 0 : (a) % (b))
#define TB_SHL(a, b) ((b) < 0 || (b) > 63 ? 0 : (int64_t)((uint64_t)(a) << (b)))
#define TB_SHR(a, b) ((a) >> ((b) < 0 || (b) > 63 ? 63 : (b)))
#define tb_ipow ipow_s
#define MAP(name, arity, result, f, i)                                                   \
    static int64_t name##_s(int64_t a, int64_t b, int64_t c)                             \
    {                                                                                    \
        return (int64_t)(i);                                                             \
    }
#include "graph/prims.def"

#undef TB_IDIV
#undef TB_IREM
#undef TB_SHL
#undef TB_SHR
#undef tb_ipow
#define TB_IDIV(a, b) ((b) ? (a) / (b) : 0)
#define TB_IREM(a, b) ((b) ? (a) % (b) : 0)
#define TB_SHL(a, b) ((b) > 63 ? 0 : (a) << (b))
#define TB_SHR(a, b) ((b) > 63 ? 0 : (a) >> (b))
#define tb_ipow ipow_u
#define MAP(name, arity, result, f, i)                                                   \
    static uint64_t name##_u(uint64_t a, uint64_t b, uint64_t c)                         \
    {                                                                                    \
        return (uint64_t)(i);                                                            \
    }
#include "graph/prims.def"

/* ---- by primitive ---- */

static const struct {
    float (*f32)(float, float, float);
    double (*f64)(double, double, double);
    int64_t (*s)(int64_t, int64_t, int64_t);
    uint64_t (*u)(uint64_t, uint64_t, uint64_t);
} ops[TB_P_END] = {
#define MAP(name, arity, result, f, i) [TB_P_##name] = {name##_f32, name##_f64, name##_s, name##_u},
#include "graph/prims.def"
};

double
tb_ev_f64_op(tb_prim p, double a, double b)
{
    return ops[p].f64(a, b, 0);
}

/* Arithmetic that may overflow goes the unsigned way: the low bits are the same. */
static bool
wraps(tb_prim p)
{
    return p == TB_P_add || p == TB_P_sub || p == TB_P_mul || p == TB_P_neg ||
           p == TB_P_abs;
}

static int64_t
int_op(tb_prim p, tb_dtype t, int64_t a, int64_t b, int64_t c)
{
    if (t == TB_BOOL && p == TB_P_not)
        return !a;
    if (p == TB_P_abs)
        return a < 0 && tb_dtype_kind(t) == TB_KIND_INT ? (int64_t)(0 - (uint64_t)a) : a;
    if (tb_dtype_kind(t) == TB_KIND_UINT || wraps(p))
        return (int64_t)ops[p].u((uint64_t)a, (uint64_t)b, (uint64_t)c);
    return ops[p].s(a, b, c);
}

int64_t
tb_ev_int_op(tb_prim p, tb_dtype t, int64_t a, int64_t b)
{
    return int_op(p, t, a, b, 0);
}

static cplx
cplx_op(ev *e, tb_prim p, cplx a, cplx b)
{
    double d, r;

    switch (p) {
    case TB_P_add:
        return (cplx){a.re + b.re, a.im + b.im};
    case TB_P_sub:
        return (cplx){a.re - b.re, a.im - b.im};
    case TB_P_mul:
        return (cplx){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    case TB_P_div: /* Smith's method: no overflow of the squared divisor */
        if (b.re == 0 && b.im == 0)
            return (cplx){a.re / fabs(b.re), a.im / fabs(b.re)};
        if (fabs(b.re) >= fabs(b.im)) {
            r = b.im / b.re, d = b.re + b.im * r;
            return (cplx){(a.re + a.im * r) / d, (a.im - a.re * r) / d};
        }
        r = b.re / b.im, d = b.re * r + b.im;
        return (cplx){(a.re * r + a.im) / d, (a.im * r - a.re) / d};
    case TB_P_neg:
        return (cplx){-a.re, -a.im};
    case TB_P_eq:
        return (cplx){a.re == b.re && a.im == b.im, 0};
    case TB_P_ne:
        return (cplx){a.re != b.re || a.im != b.im, 0};
    default:
        tb_ev_raise(e, "not defined for complex numbers");
    }
}

enum { CHUNK = 256 };

static void
map_f32(tb_prim p, int arity, const tensor *const *in, int64_t at, int64_t n, tensor *r)
{
    float a[3][CHUNK] = {{0}}, v[CHUNK];

    for (int k = 0; k < arity; k++)
        tb_ev_load_f32(in[k], at, n, a[k]);
    for (int64_t i = 0; i < n; i++)
        v[i] = ops[p].f32(a[0][i], a[1][i], a[2][i]);
    tb_ev_store_f32(r, at, n, v);
}

static void
map_f64(tb_prim p, int arity, const tensor *const *in, int64_t at, int64_t n, tensor *r)
{
    double a[3][CHUNK] = {{0}}, v[CHUNK];

    for (int k = 0; k < arity; k++)
        tb_ev_load_f64(in[k], at, n, a[k]);
    for (int64_t i = 0; i < n; i++)
        v[i] = ops[p].f64(a[0][i], a[1][i], a[2][i]);
    tb_ev_store_f64(r, at, n, v);
}

static void
map_int(tb_prim p, int arity, const tensor *const *in, int64_t at, int64_t n, tensor *r)
{
    int64_t a[3][CHUNK] = {{0}}, v[CHUNK];

    for (int k = 0; k < arity; k++)
        tb_ev_load_int(in[k], at, n, a[k]);
    for (int64_t i = 0; i < n; i++)
        v[i] = int_op(p, in[arity - 1]->dtype, a[0][i], a[1][i], a[2][i]);
    tb_ev_store_int(r, at, n, v);
}

static void
map_cplx(ev *e, tb_prim p, int arity, const tensor *const *in, int64_t n, tensor *r)
{
    for (int64_t i = 0; i < n; i++) {
        cplx a[3] = {{0}}, v;

        for (int k = 0; k < arity; k++)
            tb_ev_load_cplx(in[k], i, 1, &a[k]);
        if (p == TB_P_where)
            v = a[0].re != 0 ? a[1] : a[2];
        else
            v = cplx_op(e, p, a[0], a[1]);
        tb_ev_store_cplx(r, i, 1, &v);
    }
}

tensor
tb_ev_map(ev *e, tb_prim p, const tensor *const *in)
{
    int arity = tb_prim_arity(p);
    tensor r = tb_ev_result(e);
    int64_t n = tb_ev_count(&r);
    tb_dtype t = in[arity - 1]->dtype; /* of the numbers: where's condition comes first */

    if (p == TB_P_cast)
        return tb_ev_cast(e, in[0], r.dtype);
    if (p == TB_P_bitcast) {
        if (n)
            memcpy(r.data, in[0]->data, (size_t)n * tb_dtype_bytes(r.dtype));
        return r;
    }
    if (tb_dtype_is_complex(t)) {
        map_cplx(e, p, arity, in, n, &r);
        return r;
    }
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t m = n - at < CHUNK ? n - at : CHUNK;

        if (t == TB_F64)
            map_f64(p, arity, in, at, m, &r);
        else if (tb_dtype_is_float(t))
            map_f32(p, arity, in, at, m, &r);
        else
            map_int(p, arity, in, at, m, &r);
    }
    return r;
}

tensor
tb_ev_complex(ev *e, tb_prim p, const tensor *const *in)
{
    tensor r = tb_ev_result(e);
    int64_t n = tb_ev_count(&r);

    for (int64_t i = 0; i < n; i++) {
        cplx v = {0};

        if (p == TB_P_imag) {
            tb_ev_load_cplx(in[0], i, 1, &v);
            tb_ev_store_f64(&r, i, 1, &v.im);
        } else {
            tb_ev_load_f64(in[0], i, 1, &v.re);
            tb_ev_load_f64(in[1], i, 1, &v.im);
            tb_ev_store_cplx(&r, i, 1, &v);
        }
    }
    return r;
}

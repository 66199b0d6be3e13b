/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval_num.c -- elements of the reference evaluator: load, store, convert.
 *
 * Conversions are PyTorch's: float to integer truncates, anything to bool is "not zero"
 * (so NaN is true), complex to real drops the imaginary part, wide integers wrap. A float
 * outside the range of the integer type goes through int64 (outside that: its minimum) and
 * wraps; PyTorch calls this undefined and so do we, the value here only has to be stable.
 */
#include <math.h>

#include "graph/eval.h"

/* The code of each dtype that holds plain C numbers. */
#define REALS(X)                                                                         \
    X(U8, uint8_t)                                                                       \
    X(I8, int8_t)                                                                        \
    X(I16, int16_t)                                                                      \
    X(I32, int32_t)                                                                      \
    X(I64, int64_t)                                                                      \
    X(U16, uint16_t)                                                                     \
    X(U32, uint32_t)                                                                     \
    X(U64, uint64_t)                                                                     \
    X(F32, float)                                                                        \
    X(F64, double)

#define LOAD(name, type)                                                  \
    void name(const tensor *t, int64_t at, int64_t n, type *out)                         \
    {                                                                                    \
        switch (t->dtype) {                                                              \
            REALS(LOAD_REAL)                                                             \
        case TB_BOOL:                                                                    \
            for (int64_t i = 0; i < n; i++)                                              \
                out[i] = ((const uint8_t *)t->data)[at + i] != 0;                        \
            return;                                                                      \
        case TB_F16:                                                                     \
            for (int64_t i = 0; i < n; i++)                                              \
                out[i] = CONV(tb_f16_to_f32(((const uint16_t *)t->data)[at + i]));       \
            return;                                                                      \
        case TB_BF16:                                                                    \
            for (int64_t i = 0; i < n; i++)                                              \
                out[i] = CONV(tb_bf16_to_f32(((const uint16_t *)t->data)[at + i]));      \
            return;                                                                      \
        case TB_C64:                                                                     \
            for (int64_t i = 0; i < n; i++)                                              \
                out[i] = CONV(((const float *)t->data)[2 * (at + i)]);                   \
            return;                                                                      \
        case TB_C128:                                                                    \
            for (int64_t i = 0; i < n; i++)                                              \
                out[i] = CONV(((const double *)t->data)[2 * (at + i)]);                  \
            return;                                                                      \
        case TB_NONE:                                                                    \
        case TB_DTYPE_END:                                                               \
            TB_UNREACHABLE();                                                            \
        }                                                                                \
    }

static int64_t
to_int(double x)
{
    if (x >= -9223372036854775808.0 && x < 9223372036854775808.0)
        return (int64_t)x;
    if (x >= 9223372036854775808.0 && x < 18446744073709551616.0)
        return (int64_t)(uint64_t)x; /* the upper half of u64 */
    return INT64_MIN;
}

#define LOAD_REAL(name, c_type)                                                          \
    case TB_##name:                                                                      \
        for (int64_t i = 0; i < n; i++)                                                  \
            out[i] = CONV(((const c_type *)t->data)[at + i]);                            \
        return;

#define CONV(x) ((float)(x))
LOAD(tb_ev_load_f32, float)
#undef CONV
#define CONV(x) ((double)(x))
LOAD(tb_ev_load_f64, double)
#undef CONV
#define CONV(x) _Generic((x), float: to_int((double)(x)), double: to_int((double)(x)),   \
                         default: (int64_t)(x))
LOAD(tb_ev_load_int, int64_t)
#undef CONV

void
tb_ev_load_cplx(const tensor *t, int64_t at, int64_t n, cplx *out)
{
    for (int64_t i = 0; i < n; i++) {
        tb_ev_load_f64(t, at + i, 1, &out[i].re);
        out[i].im = t->dtype == TB_C64    ? ((const float *)t->data)[2 * (at + i) + 1]
                    : t->dtype == TB_C128 ? ((const double *)t->data)[2 * (at + i) + 1]
                                          : 0;
    }
}

int64_t
tb_ev_int(const tensor *t, int64_t at)
{
    int64_t v = 0;

    tb_ev_load_int(t, at, 1, &v);
    return v;
}

void
tb_ev_store_int(tensor *t, int64_t at, int64_t n, const int64_t *v)
{
#define INT_REAL(name, c_type)                                                           \
    case TB_##name:                                                                      \
        for (int64_t i = 0; i < n; i++)                                                  \
            ((c_type *)t->data)[at + i] = (c_type)v[i];                                  \
        return;
    switch (t->dtype) {
        REALS(INT_REAL)
    case TB_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)t->data)[at + i] = v[i] != 0;
        return;
    case TB_F16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)t->data)[at + i] = tb_f32_to_f16((float)v[i]);
        return;
    case TB_BF16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)t->data)[at + i] = tb_f32_to_bf16((float)v[i]);
        return;
    case TB_C64:
    case TB_C128:
        for (int64_t i = 0; i < n; i++)
            tb_ev_store_cplx(t, at + i, 1, &(cplx){(double)v[i], 0});
        return;
    case TB_NONE:
    case TB_DTYPE_END:
        TB_UNREACHABLE();
    }
}

void
tb_ev_store_f64(tensor *t, int64_t at, int64_t n, const double *v)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t k = at + i, w;

        switch (t->dtype) {
        case TB_F64:
            ((double *)t->data)[k] = v[i];
            break;
        case TB_F32:
            ((float *)t->data)[k] = (float)v[i];
            break;
        case TB_F16:
            ((uint16_t *)t->data)[k] = tb_f32_to_f16((float)v[i]);
            break;
        case TB_BF16:
            ((uint16_t *)t->data)[k] = tb_f32_to_bf16((float)v[i]);
            break;
        case TB_C64:
        case TB_C128:
            tb_ev_store_cplx(t, k, 1, &(cplx){v[i], 0});
            break;
        case TB_BOOL:
            ((uint8_t *)t->data)[k] = !(v[i] == 0);
            break;
        default: /* integers */
            w = to_int(v[i]);
            tb_ev_store_int(t, k, 1, &w);
        }
    }
}

void
tb_ev_store_f32(tensor *t, int64_t at, int64_t n, const float *v)
{
    for (int64_t i = 0; i < n; i++)
        tb_ev_store_f64(t, at + i, 1, &(double){(double)v[i]});
}

void
tb_ev_store_cplx(tensor *t, int64_t at, int64_t n, const cplx *v)
{
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == TB_C64) {
            ((float *)t->data)[2 * (at + i)] = (float)v[i].re;
            ((float *)t->data)[2 * (at + i) + 1] = (float)v[i].im;
        } else if (t->dtype == TB_C128) {
            ((double *)t->data)[2 * (at + i)] = v[i].re;
            ((double *)t->data)[2 * (at + i) + 1] = v[i].im;
        } else if (t->dtype == TB_BOOL) {
            ((uint8_t *)t->data)[at + i] = !(v[i].re == 0 && v[i].im == 0);
        } else {
            tb_ev_store_f64(t, at + i, 1, &v[i].re);
        }
    }
}

tensor
tb_ev_cast(ev *e, const tensor *x, tb_dtype to)
{
    tensor r = tb_ev_new(e, to, x->rank, x->dims);
    bool ints = !tb_dtype_is_inexact(x->dtype);
    int64_t n = tb_ev_count(x);

    for (int64_t i = 0; i < n; i++) {
        if (tb_dtype_is_complex(x->dtype)) {
            cplx c;

            tb_ev_load_cplx(x, i, 1, &c);
            tb_ev_store_cplx(&r, i, 1, &c);
        } else if (x->dtype == TB_U64 && tb_dtype_is_inexact(to)) {
            /* one rounding, from the unsigned value */
            uint64_t w = ((const uint64_t *)x->data)[i];
            double d = to == TB_F64 || to == TB_C128 ? (double)w : (double)(float)w;

            tb_ev_store_f64(&r, i, 1, &d);
        } else if (ints && to == TB_F32) {
            /* not through double: one rounding */
            ((float *)r.data)[i] = (float)tb_ev_int(x, i);
        } else if (ints) {
            int64_t w = tb_ev_int(x, i);

            tb_ev_store_int(&r, i, 1, &w);
        } else {
            double d = 0;

            tb_ev_load_f64(x, i, 1, &d);
            tb_ev_store_f64(&r, i, 1, &d);
        }
    }
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval_reduce.c -- reductions, scans, contraction, sorting.
 *
 * Floats of every width accumulate in double, in row-major order, and are rounded once at
 * the end: the reference is the most exact result that is cheap to have, not the order of
 * additions of any kernel. Integers wrap at the end (the same as wrapping at each step).
 */
#include <math.h>
#include <stdlib.h>

#include "graph/eval.h"

/* For each element of x in row-major order: where it goes in a result whose `axes` have
 * size 1. */
static void
each_target(const tensor *x, const tensor *r, uint32_t axes,
            void (*visit)(void *user, int64_t from, int64_t to), void *user)
{
    int64_t stride[TB_MAX_RANK], at[TB_MAX_RANK] = {0}, to = 0, n = tb_ev_count(x);

    tb_ev_strides(r, stride);
    for (int64_t i = 0; i < n; i++) {
        visit(user, i, to);
        for (int ax = x->rank - 1; ax >= 0; ax--) {
            bool kept = !(axes >> ax & 1);

            to += kept ? stride[ax] : 0;
            if (++at[ax] < x->dims[ax])
                break;
            to -= kept ? stride[ax] * x->dims[ax] : 0;
            at[ax] = 0;
        }
    }
}

typedef struct fold {
    tb_prim map;
    bool arg; /* argmax, argmin */
    const tensor *x;
    double *f;
    int64_t *i;
    cplx *c;
    int64_t *best; /* position along the axis, or -1 while there is none */
    int64_t axis_elems, axis_stride;
} fold;

static void
step_f64(void *user, int64_t from, int64_t to)
{
    fold *s = user;
    double v = 0;

    tb_ev_load_f64(s->x, from, 1, &v);
    s->f[to] = tb_ev_f64_op(s->map, s->f[to], v);
}

static void
step_int(void *user, int64_t from, int64_t to)
{
    fold *s = user;

    s->i[to] = tb_ev_int_op(s->map, s->x->dtype, s->i[to], tb_ev_int(s->x, from));
}

static void
step_cplx(void *user, int64_t from, int64_t to)
{
    fold *s = user;
    cplx a = s->c[to], b;

    tb_ev_load_cplx(s->x, from, 1, &b);
    s->c[to] = s->map == TB_P_add
                   ? (cplx){a.re + b.re, a.im + b.im}
                   : (cplx){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* The first of equal extremes wins: only a strict improvement replaces, and NaN beats any
 * number. */
static void
step_arg(void *user, int64_t from, int64_t to)
{
    fold *s = user;
    int64_t pos = from / s->axis_stride % s->axis_elems, vi;
    bool better;

    if (tb_dtype_is_float(s->x->dtype)) {
        double v = 0, w = s->f[to];

        tb_ev_load_f64(s->x, from, 1, &v);
        better = isnan(w) ? false
                 : isnan(v) || (s->map == TB_P_max ? v > w : v < w);
        if (s->best[to] < 0 || better)
            s->f[to] = v, s->best[to] = pos;
        return;
    }
    vi = tb_ev_int(s->x, from);
    if (s->best[to] < 0)
        better = true;
    else if (tb_dtype_kind(s->x->dtype) == TB_KIND_UINT)
        better = s->map == TB_P_max ? (uint64_t)vi > (uint64_t)s->i[to]
                                    : (uint64_t)vi < (uint64_t)s->i[to];
    else
        better = s->map == TB_P_max ? vi > s->i[to] : vi < s->i[to];
    if (better)
        s->i[to] = vi, s->best[to] = pos;
}

/* The value of an empty reduction, as a double and as an integer of dtype t. */
static void
neutral(tb_prim map, tb_dtype t, double *f, int64_t *i)
{
    unsigned bits = (unsigned)tb_dtype_bytes(t) * 8;
    bool uns = tb_dtype_kind(t) == TB_KIND_UINT;
    uint64_t top = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;

    *f = 0, *i = 0;
    if (map == TB_P_mul)
        *f = 1, *i = 1;
    if (map == TB_P_and)
        *i = 1;
    if (map == TB_P_max) {
        *f = -INFINITY;
        *i = uns || t == TB_BOOL ? 0 : (int64_t)(UINT64_MAX << (bits - 1));
    }
    if (map == TB_P_min) {
        *f = INFINITY;
        *i = t == TB_BOOL ? 1 : uns ? (int64_t)top : (int64_t)(top >> 1);
    }
}

static tb_prim
map_of(tb_prim p)
{
    switch (p) {
#define FOLD(name, map, result)                                                          \
    case TB_P_##name:                                                                    \
        return TB_P_##map;
#include "graph/prims.def"
    default:
        TB_UNREACHABLE();
    }
}

tensor
tb_ev_fold(ev *e, tb_prim p, const tensor *x, uint32_t axes)
{
    tensor r = tb_ev_result(e);
    int64_t n = tb_ev_count(&r);
    fold s = {.map = map_of(p), .arg = p == TB_P_argmax || p == TB_P_argmin, .x = x};
    tb_arena *a = &e->cx->scratch;
    double f;
    int64_t i;

    s.f = TB_NEWN(a, double, n);
    s.i = TB_NEWN(a, int64_t, n);
    s.c = TB_NEWN(a, cplx, tb_dtype_is_complex(x->dtype) ? n : 0);
    s.best = TB_NEWN(a, int64_t, s.arg ? n : 0);
    neutral(s.map, x->dtype, &f, &i);
    for (int64_t k = 0; k < n; k++) {
        s.f[k] = f, s.i[k] = i;
        if (s.arg)
            s.best[k] = -1;
        if (tb_dtype_is_complex(x->dtype))
            s.c[k] = (cplx){f, 0};
    }
    if (s.arg) {
        int64_t strides[TB_MAX_RANK];
        int axis = __builtin_ctz(axes);

        tb_ev_strides(x, strides);
        s.axis_stride = strides[axis];
        s.axis_elems = x->dims[axis];
        if (n && !s.axis_elems)
            tb_ev_raise(e, "the axis is empty: there is no extreme");
        each_target(x, &r, axes, step_arg, &s);
        tb_ev_store_int(&r, 0, n, s.best);
    } else if (tb_dtype_is_complex(x->dtype)) {
        if (p != TB_P_rsum && p != TB_P_rprod)
            tb_ev_raise(e, "not defined for complex numbers");
        each_target(x, &r, axes, step_cplx, &s);
        tb_ev_store_cplx(&r, 0, n, s.c);
    } else if (tb_dtype_is_float(x->dtype)) {
        each_target(x, &r, axes, step_f64, &s);
        tb_ev_store_f64(&r, 0, n, s.f);
    } else {
        each_target(x, &r, axes, step_int, &s);
        tb_ev_store_int(&r, 0, n, s.i);
    }
    return r;
}

tensor
tb_ev_scan(ev *e, tb_prim p, const tensor *x, int axis)
{
    tensor r = tb_ev_result(e);
    tb_prim map = p == TB_P_cumsum    ? TB_P_add
                  : p == TB_P_cumprod ? TB_P_mul
                  : p == TB_P_cummax  ? TB_P_max
                                      : TB_P_min;
    int64_t strides[TB_MAX_RANK], n = tb_ev_count(x), step, size;

    tb_ev_strides(x, strides);
    step = strides[axis];
    size = x->dims[axis];
    for (int64_t i = 0; i < n; i++) {
        double f = 0, acc = 0;
        int64_t k = 0, iacc = 0;
        cplx c, cacc = {0, 0};

        if (i / step % size != 0)
            continue; /* only the first of each line starts one */
        for (int64_t j = 0; j < size; j++) {
            int64_t at = i + j * step;

            if (tb_dtype_is_complex(x->dtype)) {
                tb_ev_load_cplx(x, at, 1, &c);
                if (p == TB_P_cumsum)
                    c = (cplx){cacc.re + c.re, cacc.im + c.im};
                else if (j)
                    c = (cplx){cacc.re * c.re - cacc.im * c.im,
                               cacc.re * c.im + cacc.im * c.re};
                cacc = c;
                tb_ev_store_cplx(&r, at, 1, &cacc);
            } else if (tb_dtype_is_float(x->dtype)) {
                tb_ev_load_f64(x, at, 1, &f);
                acc = j ? tb_ev_f64_op(map, acc, f) : f;
                tb_ev_store_f64(&r, at, 1, &acc);
            } else {
                k = tb_ev_int(x, at);
                iacc = j ? tb_ev_int_op(map, x->dtype, iacc, k) : k;
                tb_ev_store_int(&r, at, 1, &iacc);
            }
        }
    }
    return r;
}

/* ---- contraction ---- */

/* One [m, k] x [k, n] product; row by row so that the inner loop runs along memory. */
static void
dot_f64(const tensor *x, tensor *r, int64_t x0, int64_t r0, int64_t m, int64_t k,
        int64_t n, double *acc, double *xs, const double *ys)
{
    for (int64_t i = 0; i < m; i++) {
        tb_ev_load_f64(x, x0 + i * k, k, xs);
        memset(acc, 0, (size_t)n * sizeof *acc);
        for (int64_t j = 0; j < k; j++)
            for (int64_t l = 0; l < n; l++)
                acc[l] += xs[j] * ys[j * n + l];
        tb_ev_store_f64(r, r0 + i * n, n, acc);
    }
}

static void
dot_int(const tensor *x, const tensor *y, tensor *r, int64_t x0, int64_t y0, int64_t r0,
        int64_t m, int64_t k, int64_t n)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < n; l++) {
            uint64_t acc = 0;
            int64_t v;

            for (int64_t j = 0; j < k; j++)
                acc += (uint64_t)tb_ev_int(x, x0 + i * k + j) *
                       (uint64_t)tb_ev_int(y, y0 + j * n + l);
            v = (int64_t)acc;
            tb_ev_store_int(r, r0 + i * n + l, 1, &v);
        }
}

static void
dot_cplx(const tensor *x, const tensor *y, tensor *r, int64_t x0, int64_t y0, int64_t r0,
         int64_t m, int64_t k, int64_t n)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < n; l++) {
            cplx acc = {0, 0}, a, b;

            for (int64_t j = 0; j < k; j++) {
                tb_ev_load_cplx(x, x0 + i * k + j, 1, &a);
                tb_ev_load_cplx(y, y0 + j * n + l, 1, &b);
                acc.re += a.re * b.re - a.im * b.im;
                acc.im += a.re * b.im + a.im * b.re;
            }
            tb_ev_store_cplx(r, r0 + i * n + l, 1, &acc);
        }
}

tensor
tb_ev_dot(ev *e, const tensor *x, const tensor *y)
{
    tensor r = tb_ev_result(e);
    int rank = x->rank;
    int64_t m = x->dims[rank - 2], k = x->dims[rank - 1], n = y->dims[rank - 1];
    int64_t batches = 1;
    double *acc = NULL, *xs = NULL, *ys = NULL;

    for (int i = 0; i < rank - 2; i++)
        batches *= x->dims[i];
    if (tb_dtype_is_float(r.dtype)) {
        acc = TB_NEWN(&e->cx->scratch, double, n);
        xs = TB_NEWN(&e->cx->scratch, double, k);
        ys = TB_NEWN(&e->cx->scratch, double, k * n);
    }
    for (int64_t b = 0; b < batches; b++) {
        int64_t x0 = b * m * k, y0 = b * k * n, r0 = b * m * n;

        if (tb_dtype_is_float(r.dtype)) {
            tb_ev_load_f64(y, y0, k * n, ys);
            dot_f64(x, &r, x0, r0, m, k, n, acc, xs, ys);
        } else if (tb_dtype_is_complex(r.dtype)) {
            dot_cplx(x, y, &r, x0, y0, r0, m, k, n);
        } else {
            dot_int(x, y, &r, x0, y0, r0, m, k, n);
        }
    }
    return r;
}

/* ---- sorting ---- */

typedef struct sort_key {
    double f;
    int64_t i;
    int64_t pos;
    uint8_t kind; /* 0 float, 1 signed, 2 unsigned */
} sort_key;

static int
key_cmp(const sort_key *a, const sort_key *b)
{
    if (a->kind == 0) {
        if (isnan(a->f) || isnan(b->f))
            return isnan(a->f) - isnan(b->f);
        return (a->f > b->f) - (a->f < b->f);
    }
    if (a->kind == 2)
        return ((uint64_t)a->i > (uint64_t)b->i) - ((uint64_t)a->i < (uint64_t)b->i);
    return (a->i > b->i) - (a->i < b->i);
}

/* Equal keys keep their order in both directions. */
static int
ascending(const void *pa, const void *pb)
{
    const sort_key *a = pa, *b = pb;
    int c = key_cmp(a, b);

    return c ? c : (a->pos > b->pos) - (a->pos < b->pos);
}

static int
descending_(const void *pa, const void *pb)
{
    const sort_key *a = pa, *b = pb;
    int c = key_cmp(b, a);

    return c ? c : (a->pos > b->pos) - (a->pos < b->pos);
}

tensor
tb_ev_argsort(ev *e, const tensor *x, int axis, bool descending)
{
    tensor r = tb_ev_result(e);
    int64_t strides[TB_MAX_RANK], n = tb_ev_count(x), step, size = x->dims[axis];
    sort_key *keys = TB_NEWN(&e->cx->scratch, sort_key, size);
    uint8_t kind = tb_dtype_is_float(x->dtype)                    ? 0
                   : tb_dtype_kind(x->dtype) == TB_KIND_UINT ? 2
                                                             : 1;

    tb_ev_strides(x, strides);
    step = strides[axis];
    for (int64_t i = 0; i < n; i++) {
        if (i / step % size != 0)
            continue;
        for (int64_t j = 0; j < size; j++) {
            keys[j] = (sort_key){.pos = j, .kind = kind};
            if (kind == 0)
                tb_ev_load_f64(x, i + j * step, 1, &keys[j].f);
            else
                keys[j].i = tb_ev_int(x, i + j * step);
        }
        qsort(keys, (size_t)size, sizeof *keys, descending ? descending_ : ascending);
        for (int64_t j = 0; j < size; j++)
            tb_ev_store_int(&r, i + j * step, 1, &keys[j].pos);
    }
    return r;
}

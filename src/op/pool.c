/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pool.c -- pooling: windows, and a reduction over each.
 */
#include "op/body.h"

typedef struct pool {
    int n;     /* spatial axes, the last ones */
    int first; /* axis of the first */
    int64_t k[TB_MAX_RANK], stride[TB_MAX_RANK], pad[TB_MAX_RANK], dilation[TB_MAX_RANK];
    bool ceil;
} pool;

static pool
read(tb_opctx *c, int n, int k, int stride, int padding, int dilation, int ceil_mode)
{
    tb_graph *g = c->g;
    pool p = {.n = n, .first = RANK(V(0)) - n, .ceil = BOOL((uint32_t)ceil_mode)};

    if (p.first < 1)
        tb_body_raise(c, "expected rank %d or %d, found %d", n + 1, n + 2, RANK(V(0)));
    tb_body_ints(c, (uint32_t)k, n, p.k);
    if (tb_body_n(c, (uint32_t)stride))
        tb_body_ints(c, (uint32_t)stride, n, p.stride);
    else
        memcpy(p.stride, p.k, sizeof p.k);
    tb_body_ints(c, (uint32_t)padding, n, p.pad);
    if (dilation >= 0)
        tb_body_ints(c, (uint32_t)dilation, n, p.dilation);
    else
        for (int i = 0; i < n; i++)
            p.dilation[i] = 1;
    return p;
}

/* How far to pad the end of axis i (of size d). In ceil mode a last window may reach past
 * the padding, but has to begin before it. */
static tb_dim
pad_end(tb_opctx *c, const pool *p, int i, tb_dim d)
{
    tb_unit *u = c->g->unit;
    int64_t reach = p->dilation[i] * (p->k[i] - 1) + 1, s = p->stride[i], pad = p->pad[i];
    tb_dim n, need;

    if (!p->ceil || s == 1)
        return pad;
    n = tb_dim_add(u, tb_dim_ceildiv(u, tb_dim_add(u, d, 2 * pad - reach), s), 1);
    if (tb_dim_is_const(n))
        n -= (n - 1) * s >= d + pad;
    else if (pad + s > reach)
        tb_body_lacks(c, "ceil_mode with this padding on an axis of unknown size");
    need = tb_dim_add(u, tb_dim_mul(u, tb_dim_sub(u, n, 1), s), reach - pad);
    need = tb_dim_sub(u, need, d);
    return tb_dim_max(u, need, 0);
}

/* x padded with `fill`, and a last axis of size k for each spatial axis. */
static tb_val
windows(tb_opctx *c, const pool *p, tb_val x, tb_val fill)
{
    tb_graph *g = c->g;
    tb_dim lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};

    for (int i = 0; i < p->n; i++) {
        lo[p->first + i] = p->pad[i];
        hi[p->first + i] = pad_end(c, p, i, SIZE(x, p->first + i));
    }
    x = tb_pad(g, x, lo, hi, fill);
    for (int i = 0; i < p->n; i++)
        x = tb_window(g, x, p->first + i, p->k[i], p->stride[i], p->dilation[i]);
    return x;
}

static uint32_t
window_axes(const pool *p)
{
    return ((1u << p->n) - 1) << (p->first + p->n);
}

/* ---- maximum ---- */

static tb_val
lowest(tb_graph *g, tb_dtype t)
{
    unsigned bits = (unsigned)tb_dtype_bytes(t) * 8;

    if (tb_dtype_is_float(t))
        return tb_full_f(g, t, 0, NULL, -INFINITY);
    if (tb_dtype_kind(t) == TB_KIND_INT)
        return tb_full_i(g, t, 0, NULL, (int64_t)(UINT64_MAX << (bits - 1)));
    return tb_full_i(g, t, 0, NULL, 0);
}

static tb_val
max_of(tb_opctx *c, const pool *p, tb_val x)
{
    tb_graph *g = c->g;
    tb_val w = windows(c, p, x, lowest(g, tb_dtype_of(g, x)));

    return tb_squeeze_axes(g, RMAX(w, window_axes(p)), window_axes(p));
}

/* Which element of the input (counted over its spatial axes) each maximum is. Where all of a window
 * are as low as its padding, that may have come first: then it is the first that is no padding. */
static tb_val
argmax_of(tb_opctx *c, const pool *p, tb_val x)
{
    tb_graph *g = c->g;
    tb_val w = windows(c, p, x, lowest(g, tb_dtype_of(g, x))), best, at = TB_NO_VAL;
    int rank = p->first + p->n;
    tb_dim d[TB_MAX_RANK];
    int64_t inner = 1;

    for (int i = 0; i < p->n; i++)
        inner *= p->k[i];
    memcpy(d, tb_dims(g, w), sizeof *d * (size_t)rank);
    d[rank] = inner;
    best = tb_reduce(g, TB_P_argmax, tb_reshape(g, w, rank + 1, d), 1u << rank);
    best = tb_squeeze_axes(g, best, 1u << rank); /* which of the window's elements */
    for (int i = 0; i < p->n; i++) {
        int ax = p->first + i;
        tb_val k, pos;

        inner /= p->k[i];
        k = REM(DIV(best, I64(inner)), I64(p->k[i]));
        pos = MUL(tb_body_count_up(g, d[ax], rank, ax), I64(p->stride[i]));
        pos = ADD(SUB(pos, I64(p->pad[i])), MUL(k, I64(p->dilation[i])));
        if (p->pad[i] > 0) {
            tb_val above = ADD(pos, I64(p->pad[i] * p->dilation[i])); /* not negative */
            pos = WHERE(LT(pos, I64(0)), REM(above, I64(p->dilation[i])), pos);
        }
        at = at.id ? ADD(MUL(at, tb_body_dim(g, SIZE(x, ax), TB_I64)), pos) : pos;
    }
    return at;
}

static tb_val
max_pool(tb_opctx *c, int n, bool indices)
{
    pool p = read(c, n, 1, 2, 3, 4, 5);
    tb_val x = tb_body_val(c, 0), m = max_of(c, &p, x);

    return indices ? tb_body_out2(c, m, argmax_of(c, &p, x)) : m;
}

static tb_val
max_pool1d(tb_opctx *c)
{
    return max_pool(c, 1, false);
}

static tb_val
max_pool2d(tb_opctx *c)
{
    return max_pool(c, 2, false);
}

static tb_val
max_pool3d(tb_opctx *c)
{
    return max_pool(c, 3, false);
}

static tb_val
max_pool1d_indices(tb_opctx *c)
{
    return max_pool(c, 1, true);
}

static tb_val
max_pool2d_indices(tb_opctx *c)
{
    return max_pool(c, 2, true);
}

static tb_val
max_pool3d_indices(tb_opctx *c)
{
    return max_pool(c, 3, true);
}

/* ---- average ---- */

/* How many elements each window averages: along axis i, [positions] as I64. */
static tb_val
window_counts(tb_graph *g, const pool *p, int i, tb_dim size, tb_dim positions,
              bool include_pad)
{
    tb_unit *u = g->unit;
    tb_val from = SUB(MUL(tb_iota(g, 1, &positions, 0), I64(p->stride[i])),
                      I64(p->pad[i]));
    tb_val to = MIN(ADD(from, I64(p->k[i])),
                    tb_body_dim(g, tb_dim_add(u, size, p->pad[i]), TB_I64));

    if (!include_pad) {
        from = MAX(from, I64(0));
        to = MIN(to, tb_body_dim(g, size, TB_I64));
    }
    return SUB(to, from);
}

static tb_val
avg_pool(tb_opctx *c, int n, int include, int divisor)
{
    tb_graph *g = c->g;
    pool p = read(c, n, 1, 2, 3, -1, 4);
    tb_val x = tb_body_wide(g, V(0)), sum, count = TB_NO_VAL;
    tb_dtype t = tb_dtype_of(g, V(0)), wide = tb_dtype_of(g, x);
    bool with_pad = BOOL((uint32_t)include), varies = false;
    int64_t all = 1;

    sum = windows(c, &p, x, K(x, 0));
    sum = tb_squeeze_axes(g, RSUM(sum, window_axes(&p)), window_axes(&p));
    for (int i = 0; i < n; i++) {
        all *= p.k[i];
        varies |= p.ceil || (p.pad[i] && !with_pad);
    }
    if (divisor >= 0 && given(c, (uint32_t)divisor)) {
        if (INT((uint32_t)divisor) == 0)
            tb_body_raise(c, "divisor must be not zero");
        return CAST(DIV(sum, K(sum, (double)INT((uint32_t)divisor))), t);
    }
    if (!varies)
        return CAST(DIV(sum, K(sum, (double)all)), t);
    for (int i = 0; i < n; i++) {
        int ax = p.first + i;
        tb_val one = window_counts(g, &p, i, SIZE(x, ax), SIZE(sum, ax), with_pad);

        one = tb_body_on_axis(g, one, RANK(sum), ax);
        count = count.id ? MUL(count, one) : one;
    }
    return CAST(DIV(sum, CAST(count, wide)), t);
}

static tb_val
avg_pool1d(tb_opctx *c)
{
    return avg_pool(c, 1, 5, -1);
}

static tb_val
avg_pool2d(tb_opctx *c)
{
    return avg_pool(c, 2, 5, 6);
}

static tb_val
avg_pool3d(tb_opctx *c)
{
    return avg_pool(c, 3, 5, 6);
}

/* ---- adaptive: output i covers elements floor(i*S/P) to ceil((i+1)*S/P) ---- */

enum { MAX_PARTS = 1024 };

/* Averages (or maxima) of an axis in n parts. */
static tb_val
in_parts(tb_opctx *c, tb_val x, int axis, tb_dim parts, bool max)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_dim size = SIZE(x, axis), d[TB_MAX_RANK];
    tb_val *part;
    int rank = RANK(x);

    if (tb_dim_eq(u, size, parts))
        return x;
    if (parts == 1)
        return max ? RMAX(x, 1u << axis) : tb_body_mean(g, x, 1u << axis);
    if (tb_dim_mod(u, size, parts) == 0 && size != 0) {
        for (int i = 0; i <= rank; i++)
            d[i] = i < axis ? SIZE(x, i) : i > axis ? SIZE(x, i - 1) : parts;
        d[axis + 1] = tb_dim_floordiv(u, size, parts);
        x = tb_reshape(g, x, rank + 1, d);
        x = max ? RMAX(x, 2u << axis) : tb_body_mean(g, x, 2u << axis);
        return tb_squeeze_axes(g, x, 2u << axis);
    }
    if (!tb_dim_is_const(parts) || parts > MAX_PARTS || parts < 1)
        tb_body_lacks(c, "this output size: it does not divide the input's");
    part = TB_NEWN(&u->cx->scratch, tb_val, parts);
    for (int64_t i = 0; i < parts; i++) {
        tb_dim from = tb_dim_floordiv(u, tb_dim_mul(u, size, i), parts);
        tb_dim to = tb_dim_ceildiv(u, tb_dim_mul(u, size, i + 1), parts);

        part[i] = tb_slice_axis(g, x, axis, from, tb_dim_sub(u, to, from), 1);
        part[i] = max ? RMAX(part[i], 1u << axis) : tb_body_mean(g, part[i], 1u << axis);
    }
    return tb_concat(g, part, (uint32_t)parts, axis);
}

static tb_val
adaptive_avg(tb_opctx *c, int n)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));
    tb_dim out[TB_MAX_RANK];
    int first = RANK(x) - n;

    if (first < 1)
        tb_body_raise(c, "expected rank %d or %d, found %d", n + 1, n + 2, RANK(x));
    for (int i = 0; i < n; i++) {
        const tb_arg *a = tb_body_at(c, 1, tb_body_n(c, 1) == 1 ? 0 : (uint32_t)i);

        out[i] = SIZE(x, first + i); /* None keeps the size */
        if (a->kind != TB_ARG_NONE)
            out[i] = a->kind == TB_ARG_DIM ? tb_dim_canon(g->unit, a->d) : a->i;
    }
    if (n > 1) { /* one mean over all axes where each becomes one */
        uint32_t axes = ((1u << n) - 1) << first;
        bool global = true;

        for (int i = 0; i < n; i++)
            global &= out[i] == 1;
        if (global)
            return CAST(tb_body_mean(g, x, axes), tb_dtype_of(g, V(0)));
    }
    for (int i = 0; i < n; i++)
        x = in_parts(c, x, first + i, out[i], false);
    return CAST(x, tb_dtype_of(g, V(0)));
}

static tb_val
adaptive_avg1d(tb_opctx *c)
{
    return adaptive_avg(c, 1);
}

static tb_val
adaptive_avg2d(tb_opctx *c)
{
    return adaptive_avg(c, 2);
}

static tb_val
adaptive_avg3d(tb_opctx *c)
{
    return adaptive_avg(c, 3);
}

/* One axis of an adaptive maximum: values, and where along the axis each came from. */
static void
max_in_parts(tb_opctx *c, tb_val x, int axis, int64_t parts, tb_val *value, tb_val *at)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val *v, *p;

    if (parts < 1 || parts > MAX_PARTS)
        tb_body_lacks(c, "an output of size %lld", (long long)parts);
    v = TB_NEWN(&u->cx->scratch, tb_val, parts);
    p = TB_NEWN(&u->cx->scratch, tb_val, parts);
    for (int64_t i = 0; i < parts; i++) {
        tb_dim size = SIZE(x, axis);
        tb_dim from = tb_dim_floordiv(u, tb_dim_mul(u, size, i), parts);
        tb_dim to = tb_dim_ceildiv(u, tb_dim_mul(u, size, i + 1), parts);
        tb_val s = tb_slice_axis(g, x, axis, from, tb_dim_sub(u, to, from), 1);

        v[i] = RMAX(s, 1u << axis);
        p[i] = ADD(tb_reduce(g, TB_P_argmax, s, 1u << axis),
                   tb_body_dim(g, from, TB_I64));
    }
    *value = tb_concat(g, v, (uint32_t)parts, axis);
    *at = tb_concat(g, p, (uint32_t)parts, axis);
}

/* From the last axis to the first: among equal maxima the first in row-major order wins,
 * and the positions found so far follow the winner. */
static tb_val
adaptive_max(tb_opctx *c, int n)
{
    tb_graph *g = c->g;
    tb_val x = V(0), flat = TB_NO_VAL;
    int first = RANK(x) - n;
    int64_t out[TB_MAX_RANK];
    tb_dim below = 1;

    if (first < 1)
        tb_body_raise(c, "expected rank %d or %d, found %d", n + 1, n + 2, RANK(x));
    tb_body_ints(c, 1, n, out);
    for (int i = n - 1; i >= 0; i--) {
        tb_dim size = SIZE(x, first + i);
        tb_val v, at;

        max_in_parts(c, x, first + i, out[i], &v, &at);
        x = v;
        if (flat.id)
            flat = ADD(MUL(at, tb_body_dim(g, below, TB_I64)),
                       tb_body_take_along(g, flat, first + i, at));
        else
            flat = at;
        below = tb_dim_mul(g->unit, below, size);
    }
    return tb_body_out2(c, x, flat);
}

static tb_val
adaptive_max1d(tb_opctx *c)
{
    return adaptive_max(c, 1);
}

static tb_val
adaptive_max2d(tb_opctx *c)
{
    return adaptive_max(c, 2);
}

static tb_val
adaptive_max3d(tb_opctx *c)
{
    return adaptive_max(c, 3);
}

const tb_op tb_ops_pool[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], "
     "int[1] dilation=[1], bool ceil_mode=False) -> Tensor",
     TB_KEEP, max_pool1d},
    {"max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, "
     "int[2] dilation=1, bool ceil_mode=False) -> Tensor",
     TB_KEEP, max_pool2d},
    {"max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, "
     "int[3] dilation=1, bool ceil_mode=False) -> Tensor",
     TB_KEEP, max_pool3d},
    {"max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], "
     "int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> (Tensor, "
     "Tensor)",
     TB_KEEP, max_pool1d_indices},
    {"max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], "
     "int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
     TB_KEEP, max_pool2d_indices},
    {"max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], "
     "int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
     TB_KEEP, max_pool3d_indices},
    {"avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], "
     "bool ceil_mode=False, bool count_include_pad=True) -> Tensor",
     TB_KEEP, avg_pool1d},
    {"avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, "
     "bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) "
     "-> Tensor",
     TB_KEEP, avg_pool2d},
    {"avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, "
     "bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) "
     "-> Tensor",
     TB_KEEP, avg_pool3d},
    {"adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor",
     TB_KEEP, adaptive_avg1d},
    {"adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor",
     TB_KEEP, adaptive_avg2d},
    {"adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor",
     TB_KEEP, adaptive_avg3d},
    {"_adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor",
     TB_KEEP, adaptive_avg2d},
    {"_adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor",
     TB_KEEP, adaptive_avg3d},
    {"adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)",
     TB_KEEP, adaptive_max1d},
    {"adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)",
     TB_KEEP, adaptive_max2d},
    {"adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)",
     TB_KEEP, adaptive_max3d},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fft.c -- discrete Fourier transforms: X[k] = sum_j x[j] e^(-2 pi i j k / n).
 *
 * Up to DIRECT points a transform is a product with a constant matrix. Others are split as
 * Cooley and Tukey did (1965), with factors as equal as there are: n = p q points are q
 * transforms of p points, a multiplication by roots of unity, and p transforms of q points.
 * So 1024 points are two products with complex 32 x 32 matrices, which a CPU does faster
 * than ten passes of additions. A large prime is a convolution of a power of two of points
 * (Bluestein, 1970). Roots of unity are computed in double precision while compiling.
 */
#include "op/complex.h"

typedef tb_cplx z;

enum { DIRECT = 64, MAX_POINTS = 1 << 24, LARGE_PRIME = 512 };

static const double TURN = 6.28318530717958647692;

/* ---- tables ---- */

/* An f64 table as a constant of dtype t. */
static tb_val
table(tb_graph *g, tb_dtype t, const double *at, int64_t rows, int64_t cols)
{
    tb_unit *u = g->unit;
    size_t n = (size_t)rows * (size_t)cols;
    tb_const k = {.name = TB_STR(""), .dtype = t, .rank = 2, .dims = {rows, cols}};
    float *narrow;

    k.bytes = at;
    k.n_bytes = n * sizeof *at;
    if (t == TB_F32) {
        narrow = TB_NEWN(&u->cx->keep, float, n + 1);
        for (size_t i = 0; i < n; i++)
            narrow[i] = (float)at[i];
        k.bytes = narrow;
        k.n_bytes = n * sizeof *narrow;
    }
    return tb_constant(g, tb_unit_const(u, k));
}

static double *
room(tb_graph *g, int64_t rows, int64_t cols)
{
    return TB_NEWN(&g->unit->cx->keep, double, (size_t)rows * (size_t)cols + 1);
}

/* e^(2 pi i s a / n) */
static void
root(int64_t a, int64_t n, int s, double *re, double *im)
{
    double t = TURN * (double)(a % n) / (double)n;

    *re = cos(t);
    *im = s * sin(t);
}

/* The roots of j k, j < rows and k < cols. */
static z
roots(tb_graph *g, tb_dtype t, int64_t rows, int64_t cols, int64_t n, int s)
{
    double *re = room(g, rows, cols), *im = room(g, rows, cols);

    for (int64_t j = 0; j < rows; j++)
        for (int64_t k = 0; k < cols; k++)
            root(j * k, n, s, &re[j * cols + k], &im[j * cols + k]);
    return (z){table(g, t, re, rows, cols), table(g, t, im, rows, cols)};
}

/* ---- transforms of the rows of x [m, n] ---- */

/* Real operands have no imaginary part: TB_NO_VAL. */
static z transform(tb_graph *g, z x, int64_t n, int s);

static z
times(tb_graph *g, z a, z b)
{
    if (!a.im.id)
        return (z){MUL(a.re, b.re), MUL(a.re, b.im)};
    return (z){SUB(MUL(a.re, b.re), MUL(a.im, b.im)),
               ADD(MUL(a.re, b.im), MUL(a.im, b.re))};
}

static z
reshaped(tb_graph *g, z x, int rank, const tb_dim *dims)
{
    x.re = tb_reshape(g, x.re, rank, dims);
    if (x.im.id)
        x.im = tb_reshape(g, x.im, rank, dims);
    return x;
}

static z
transposed(tb_graph *g, z x, int a, int b)
{
    x.re = tb_transpose(g, x.re, a, b);
    if (x.im.id)
        x.im = tb_transpose(g, x.im, a, b);
    return x;
}

/* One product: [re | im] times [[cos, sin], [-sin, cos]] */
static z
direct(tb_graph *g, z x, int64_t n, int s)
{
    tb_dtype t = tb_dtype_of(g, x.re);
    int64_t rows = x.im.id ? 2 * n : n;
    double *w = room(g, rows, 2 * n), c, d;
    tb_val both = x.re, y;

    for (int64_t j = 0; j < n; j++)
        for (int64_t k = 0; k < n; k++) {
            root(j * k, n, s, &c, &d);
            w[j * 2 * n + k] = c;
            w[j * 2 * n + n + k] = d;
            if (x.im.id) {
                w[(n + j) * 2 * n + k] = -d;
                w[(n + j) * 2 * n + n + k] = c;
            }
        }
    if (x.im.id)
        both = tb_concat(g, (tb_val[]){x.re, x.im}, 2, 1);
    y = tb_dot(g, both, table(g, t, w, rows, 2 * n));
    return (z){tb_slice_axis(g, y, 1, 0, n, 1), tb_slice_axis(g, y, 1, n, n, 1)};
}

/* n = p q. Point j is q j1 + j2, and result k is k1 + p k2:
 * j k / n = j1 k1 / p + j2 k1 / n + j2 k2 / q + whole turns. */
static z
split(tb_graph *g, z x, int64_t p, int64_t q, int s)
{
    tb_unit *u = g->unit;
    tb_dim m = SIZE(x.re, 0);
    z w;

    x = transposed(g, reshaped(g, x, 3, (tb_dim[]){m, p, q}), 1, 2);
    x = transform(g, reshaped(g, x, 2, (tb_dim[]){tb_dim_mul(u, m, q), p}), p, s);
    x = reshaped(g, x, 3, (tb_dim[]){m, q, p}); /* j2, k1 */
    w = roots(g, tb_dtype_of(g, x.re), q, p, p * q, s);
    x = transposed(g, times(g, x, w), 1, 2);
    x = transform(g, reshaped(g, x, 2, (tb_dim[]){tb_dim_mul(u, m, p), q}), q, s);
    x = transposed(g, reshaped(g, x, 3, (tb_dim[]){m, p, q}), 1, 2); /* k2, k1 */
    return reshaped(g, x, 2, (tb_dim[]){m, p * q});
}

static z
padded(tb_graph *g, z x, int64_t by)
{
    x.re = tb_body_pad_axis(g, x.re, 1, 0, by, 0);
    if (x.im.id)
        x.im = tb_body_pad_axis(g, x.im, 1, 0, by, 0);
    return x;
}

/* 2 j k = j^2 + k^2 - (k - j)^2: with the chirp c[j] = e^(s pi i j^2 / n) the result is
 * c[k] sum_j x[j] c[j] conj(c[k - j]), a convolution. */
static z
chirped(tb_graph *g, z x, int64_t n, int s)
{
    tb_dtype t = tb_dtype_of(g, x.re);
    int64_t m = 1;
    double *re, *im, *around_re, *around_im;
    z c, b;

    while (m < 2 * n - 1)
        m *= 2;
    re = room(g, 1, n), im = room(g, 1, n);
    around_re = room(g, 1, m), around_im = room(g, 1, m);
    for (int64_t j = 0; j < m; j++)
        around_re[j] = around_im[j] = 0;
    for (int64_t j = 0; j < n; j++) {
        root(j * j, 2 * n, s, &re[j], &im[j]);
        around_re[j] = around_re[(m - j) % m] = re[j] / (double)m;
        around_im[j] = around_im[(m - j) % m] = -im[j] / (double)m;
    }
    c = (z){table(g, t, re, 1, n), table(g, t, im, 1, n)};
    b = (z){table(g, t, around_re, 1, m), table(g, t, around_im, 1, m)};
    x = transform(g, padded(g, times(g, x, c), m - n), m, 1);
    x = transform(g, times(g, x, transform(g, b, m, 1)), m, -1);
    x.re = tb_slice_axis(g, x.re, 1, 0, n, 1);
    x.im = tb_slice_axis(g, x.im, 1, 0, n, 1);
    return times(g, x, c);
}

/* The factor of n next to its square root; 1 if n is prime. */
static int64_t
factor(int64_t n)
{
    int64_t best = 1;

    for (int64_t p = 2; p * p <= n; p++)
        if (n % p == 0)
            best = p;
    return best;
}

static z
transform(tb_graph *g, z x, int64_t n, int s)
{
    int64_t p = n <= DIRECT ? 1 : factor(n);

    if (p > 1)
        return split(g, x, p, n / p, s);
    return n > LARGE_PRIME ? chirped(g, x, n, s) : direct(g, x, n, s);
}

/* ---- along an axis of any tensor ---- */

static int64_t
points(tb_opctx *c, tb_dim n)
{
    if (!tb_dim_is_const(n))
        tb_body_lacks(c, "a transform of an open number of points");
    if (n < 1 || n > MAX_POINTS)
        tb_body_raise(c, "a transform of %lld points", (long long)n);
    return n;
}

static z
along(tb_opctx *c, z x, int axis, int s)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    int last = RANK(x.re) - 1;
    int64_t n = points(c, SIZE(x.re, axis));
    tb_dim dims[TB_MAX_RANK], m = 1;

    x = transposed(g, x, axis, last);
    for (int i = 0; i <= last; i++)
        dims[i] = SIZE(x.re, i);
    for (int i = 0; i < last; i++)
        m = tb_dim_mul(u, m, dims[i]);
    x = transform(g, reshaped(g, x, 2, (tb_dim[]){m, n}), n, s);
    return transposed(g, reshaped(g, x, last + 1, dims), axis, last);
}

/* Argument `dim`: axis number k of the list. */
static int
axis_at(tb_opctx *c, uint32_t k, int rank)
{
    const tb_arg *a = tb_body_at(c, 1, k);

    return tb_body_wrap_axis(c, a->kind == TB_ARG_DIM ? a->d : a->i, rank);
}

/* Multiplied by n^-1/2 (mode 1) or n^-1 (mode 2), n the points of all axes. */
static tb_val
scaled(tb_opctx *c, z x, double n)
{
    tb_graph *g = c->g;
    int64_t mode = INT(2);
    tb_val by;

    if (mode != 0) {
        by = K(x.re, mode == 1 ? 1 / sqrt(n) : 1 / n);
        x.re = MUL(x.re, by);
        if (x.im.id)
            x.im = MUL(x.im, by);
    }
    return x.im.id ? tb_cplx_whole(g, x) : x.re;
}

/* (self, dim, normalization, forward) */
static tb_val
complex_to_complex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    z a = tb_cplx_parts(g, x);
    double n = 1;

    for (uint32_t i = 0; i < tb_body_n(c, 1); i++) {
        int axis = axis_at(c, i, RANK(x));

        n *= (double)points(c, SIZE(x, axis));
        a = along(c, a, axis, BOOL(3) ? -1 : 1);
    }
    return scaled(c, a, n);
}

/* (self, dim, normalization, onesided): the last axis of the list is halved */
static tb_val
real_to_complex(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    z a = {x, TB_NO_VAL};
    double n = 1;

    for (uint32_t i = tb_body_n(c, 1); i-- > 0;) {
        int axis = axis_at(c, i, RANK(x));
        int64_t k = points(c, SIZE(x, axis));
        bool halved = !a.im.id && BOOL(3);

        n *= (double)k;
        a = along(c, a, axis, -1);
        if (halved) {
            a.re = tb_slice_axis(g, a.re, axis, 0, k / 2 + 1, 1);
            a.im = tb_slice_axis(g, a.im, axis, 0, k / 2 + 1, 1);
        }
    }
    return scaled(c, a, n);
}

/* The other half of the n values of a real signal's transform: X[n - k] = conj(X[k]). */
static z
mirrored(tb_graph *g, z x, int axis, int64_t n)
{
    int64_t rest = n - (n / 2 + 1);
    tb_val re = tb_flip(g, tb_slice_axis(g, x.re, axis, 1, rest, 1), 1u << axis);
    tb_val im = tb_flip(g, tb_slice_axis(g, x.im, axis, 1, rest, 1), 1u << axis);

    im = M1(neg, im);
    return (z){tb_concat(g, (tb_val[]){x.re, re}, 2, axis),
               tb_concat(g, (tb_val[]){x.im, im}, 2, axis)};
}

/* (self, dim, normalization, last_dim_size) */
static tb_val
complex_to_real(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    z a = tb_cplx_parts(g, x);
    uint32_t n_axes = tb_body_n(c, 1);
    int last = axis_at(c, n_axes - 1, RANK(x));
    int64_t size = points(c, DIM(3));
    double n = (double)size;

    if (points(c, SIZE(x, last)) != size / 2 + 1)
        tb_body_raise(c, "%lld values for %lld points", (long long)SIZE(x, last),
                      (long long)size);
    for (uint32_t i = 0; i + 1 < n_axes; i++) {
        int axis = axis_at(c, i, RANK(x));

        n *= (double)points(c, SIZE(x, axis));
        a = along(c, a, axis, 1);
    }
    a = along(c, mirrored(g, a, last, size), last, 1);
    return scaled(c, (z){a.re, TB_NO_VAL}, n);
}

const tb_op tb_ops_fft[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor",
     TB_KEEP, real_to_complex},
    {"_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor",
     TB_KEEP, complex_to_complex},
    {"_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor",
     TB_KEEP, complex_to_real},
    {0},
};

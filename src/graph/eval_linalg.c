/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval_linalg.c -- the primitives of linear algebra, evaluated one matrix at a time by the
 * textbook. All numbers are complex doubles; a result is rounded when it is stored.
 */
#include <complex.h>
#include <float.h>
#include <math.h>

#include "graph/eval.h"

#ifndef CMPLX /* glibc has it for GCC alone */
#define CMPLX(re, im) __builtin_complex((double)(re), (double)(im))
#endif

typedef double _Complex num;

/* A matrix of its own, row-major. */
typedef struct matrix {
    int64_t m, n;
    num *at;
} matrix;
#define AT(x, i, j) ((x).at[(i) * (x).n + (j)])

static double
abs2(num z)
{
    return creal(z) * creal(z) + cimag(z) * cimag(z);
}

/* ---- in and out ---- */

/* How matrix `b` of a tensor lies in it. */
typedef struct place {
    int64_t m, n, re, im; /* where the parts begin; im < 0: none, or beside each other */
} place;

static place
place_of(const tensor *t, int64_t b, bool pairs)
{
    place p = {t->dims[t->rank - 2], t->dims[t->rank - 1], 0, -1};
    int64_t size = p.m * p.n;

    p.re = b * size * (pairs ? 2 : 1);
    if (pairs)
        p.im = p.re + size;
    return p;
}

static matrix
load(ev *e, const tensor *t, int64_t b, bool pairs)
{
    place p = place_of(t, b, pairs);
    matrix x = {p.m, p.n, TB_NEWN(&e->cx->scratch, num, p.m * p.n + 1)};

    for (int64_t i = 0; i < p.m * p.n; i++) {
        double re, im = 0;
        cplx z;

        if (tb_dtype_is_complex(t->dtype)) {
            tb_ev_load_cplx(t, p.re + i, 1, &z);
            x.at[i] = CMPLX(z.re, z.im);
            continue;
        }
        tb_ev_load_f64(t, p.re + i, 1, &re);
        if (pairs)
            tb_ev_load_f64(t, p.im + i, 1, &im);
        x.at[i] = CMPLX(re, im);
    }
    return x;
}

static void
store(tensor *t, int64_t b, bool pairs, matrix x)
{
    place p = place_of(t, b, pairs);

    for (int64_t i = 0; i < p.m * p.n; i++) {
        double re = creal(x.at[i]), im = cimag(x.at[i]);

        if (tb_dtype_is_complex(t->dtype)) {
            tb_ev_store_cplx(t, p.re + i, 1, &(cplx){re, im});
            continue;
        }
        tb_ev_store_f64(t, p.re + i, 1, &re);
        if (pairs)
            tb_ev_store_f64(t, p.im + i, 1, &im);
    }
}

static matrix
zeros(ev *e, int64_t m, int64_t n)
{
    return (matrix){m, n, TB_NEWN(&e->cx->scratch, num, m * n + 1)};
}

/* ---- triangular systems ---- */

static num
entry(matrix a, const int64_t *flags, int64_t i, int64_t j)
{
    num z = flags[1] ? AT(a, j, i) : AT(a, i, j);

    return flags[2] ? conj(z) : z;
}

static void
tri_solve(matrix a, matrix x, const int64_t *flags)
{
    int64_t n = a.n;
    bool upper = (flags[0] != 0) != (flags[1] != 0); /* of what is solved */

    for (int64_t s = 0; s < n; s++)
        for (int64_t c = 0; c < x.n; c++) {
            int64_t i = upper ? n - 1 - s : s;
            num sum = AT(x, i, c);

            for (int64_t j = upper ? i + 1 : 0; j < (upper ? n : i); j++)
                sum -= entry(a, flags, i, j) * AT(x, j, c);
            AT(x, i, c) = flags[3] ? sum : sum / entry(a, flags, i, i);
        }
}

/* ---- factors ---- */

static void
cholesky(matrix x)
{
    int64_t n = x.n;

    for (int64_t k = 0; k < n; k++) {
        double d = creal(AT(x, k, k));
        bool ok = d > 0;

        AT(x, k, k) = ok ? sqrt(d) : d;
        for (int64_t j = k + 1; j < n; j++)
            AT(x, k, j) = 0;
        for (int64_t i = k + 1; i < n; i++)
            AT(x, i, k) = ok ? AT(x, i, k) / sqrt(d) : 0;
        for (int64_t i = k + 1; i < n; i++)
            for (int64_t j = k + 1; j <= i; j++)
                AT(x, i, j) -= AT(x, i, k) * conj(AT(x, j, k));
    }
}

static double
abs1(num z)
{
    return fabs(creal(z)) + fabs(cimag(z));
}

/* x has the last column for the exchanges. */
static void
lu(matrix x, bool pivot)
{
    int64_t m = x.m, n = x.n - 1, k_max = m < n ? m : n;

    for (int64_t i = 0; i < m; i++)
        AT(x, i, n) = (double)i;
    for (int64_t k = 0; k < k_max; k++) {
        int64_t p = k;

        for (int64_t i = k + 1; pivot && i < m; i++)
            if (abs1(AT(x, i, k)) > abs1(AT(x, p, k)))
                p = i;
        AT(x, k, n) = (double)p;
        for (int64_t j = 0; p != k && j < n; j++) {
            num z = AT(x, k, j);

            AT(x, k, j) = AT(x, p, j);
            AT(x, p, j) = z;
        }
        if (AT(x, k, k) == 0)
            continue;
        for (int64_t i = k + 1; i < m; i++) {
            AT(x, i, k) /= AT(x, k, k);
            for (int64_t j = k + 1; j < n; j++)
                AT(x, i, j) -= AT(x, i, k) * AT(x, k, j);
        }
    }
}

/* x has the last row for the taus. */
static void
qr(matrix x)
{
    int64_t m = x.m - 1, n = x.n, k_max = m < n ? m : n;

    for (int64_t j = 0; j < n; j++)
        AT(x, m, j) = 0;
    for (int64_t k = 0; k < k_max; k++) {
        num alpha = AT(x, k, k), tau;
        double below = 0, beta;

        for (int64_t i = k + 1; i < m; i++)
            below += abs2(AT(x, i, k));
        if (below == 0 && cimag(alpha) == 0)
            continue;
        beta = -copysign(sqrt(abs2(alpha) + below), creal(alpha));
        tau = (beta - alpha) / beta;
        for (int64_t i = k + 1; i < m; i++)
            AT(x, i, k) /= alpha - beta;
        AT(x, k, k) = beta;
        AT(x, m, k) = tau;
        for (int64_t j = k + 1; j < n; j++) { /* H^H from the left */
            num w = AT(x, k, j);

            for (int64_t i = k + 1; i < m; i++)
                w += conj(AT(x, i, k)) * AT(x, i, j);
            w *= conj(tau);
            AT(x, k, j) -= w;
            for (int64_t i = k + 1; i < m; i++)
                AT(x, i, j) -= AT(x, i, k) * w;
        }
    }
}

/* ---- rotations ---- */

/* Rows p and q so that they are orthogonal over n entries; false if they are. */
static bool
rotate(matrix x, int64_t n, int64_t p, int64_t q, double eps)
{
    double a = 0, b = 0, size, zeta, t, c;
    num dot = 0, phase;

    for (int64_t j = 0; j < n; j++) {
        a += abs2(AT(x, p, j));
        b += abs2(AT(x, q, j));
        dot += AT(x, p, j) * conj(AT(x, q, j));
    }
    size = cabs(dot);
    if (!(size > eps * sqrt(a) * sqrt(b)))
        return false;
    phase = dot / size;
    zeta = (b - a) / (2 * size);
    t = copysign(1, zeta) / (fabs(zeta) + sqrt(1 + zeta * zeta));
    c = 1 / sqrt(1 + t * t);
    for (int64_t j = 0; j < x.n; j++) {
        num u = AT(x, p, j), v = AT(x, q, j) * phase;

        AT(x, p, j) = c * (u - t * v);
        AT(x, q, j) = c * (t * u + v);
    }
    return true;
}

static void
jacobi(matrix x, int64_t n, double eps)
{
    bool again = true;

    eps *= sqrt((double)n);
    for (int sweep = 0; sweep < 40 && again; sweep++) {
        again = false;
        for (int64_t p = 0; p < x.m; p++)
            for (int64_t q = p + 1; q < x.m; q++)
                again |= rotate(x, n, p, q, eps);
    }
}

/* ---- a node ---- */

/* x with room for another column or row. */
static matrix
grown(ev *e, matrix x, int64_t rows, int64_t columns)
{
    matrix r = zeros(e, x.m + rows, x.n + columns);

    for (int64_t i = 0; i < x.m; i++)
        for (int64_t j = 0; j < x.n; j++)
            AT(r, i, j) = AT(x, i, j);
    return r;
}

static matrix
schur(ev *e, matrix x, bool real, bool single)
{
    matrix r = grown(e, x, 1, 0);
    bool ok = tb_ev_schur(e, r.at, x.m, x.n, real, single ? FLT_EPSILON : DBL_EPSILON,
                          single ? (double)FLT_MIN : DBL_MIN);

    for (int64_t i = 0; i < x.m && !ok; i++)
        AT(r, i, i) = NAN;
    r.m--;
    return r;
}

static matrix
factor(ev *e, tb_prim p, matrix x, const int64_t *attr, tb_dtype t)
{
    bool single = t == TB_F32 || t == TB_C64;

    switch (p) {
    case TB_P_cholesky:
        cholesky(x);
        return x;
    case TB_P_lu:
        x = grown(e, x, 0, 1);
        lu(x, attr[0] != 0);
        return x;
    case TB_P_qr:
        x = grown(e, x, 1, 0);
        qr(x);
        return x;
    case TB_P_jacobi:
        jacobi(x, tb_ev_dim(e, attr[0]), single ? FLT_EPSILON : DBL_EPSILON);
        return x;
    case TB_P_schur:
        return schur(e, x, attr[0] == 0 && !tb_dtype_is_complex(t), single);
    default:
        TB_UNREACHABLE();
    }
}

tensor
tb_ev_linalg(ev *e, tb_prim p, const tensor *const *in, const int64_t *attr)
{
    tensor r = tb_ev_result(e);
    const tb_node *n = tb_node_of(e->g, e->v);
    bool pairs = attr[n->n_attr - 1] != 0;
    int64_t batch = 1;

    for (int i = 0; i < r.rank - (pairs ? 3 : 2); i++)
        batch *= r.dims[i];
    for (int64_t b = 0; b < batch; b++) {
        matrix x = load(e, in[0], b, pairs);

        if (p == TB_P_tri_solve) {
            matrix rhs = load(e, in[1], b, pairs);

            tri_solve(x, rhs, attr);
            store(&r, b, pairs, rhs);
        } else {
            store(&r, b, pairs, factor(e, p, x, attr, r.dtype));
        }
    }
    return r;
}

tensor
tb_ev_exchange(ev *e, const tensor *swaps)
{
    tensor r = tb_ev_result(e);
    int64_t n = r.dims[r.rank - 1], k = swaps->dims[swaps->rank - 1], rows = 1;

    for (int i = 0; i < r.rank - 1; i++)
        rows *= r.dims[i];
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < n; i++)
            tb_ev_store_int(&r, row * n + i, 1, &i);
        for (int64_t i = 0; i < k; i++) {
            int64_t j = tb_ev_int(swaps, row * k + i), a, b;

            if (j < 0 || j >= n || i >= n)
                tb_ev_raise(e, "place %lld is out of range for %lld", (long long)j,
                            (long long)n);
            a = tb_ev_int(&r, row * n + i);
            b = tb_ev_int(&r, row * n + j);
            tb_ev_store_int(&r, row * n + i, 1, &b);
            tb_ev_store_int(&r, row * n + j, 1, &a);
        }
    }
    return r;
}

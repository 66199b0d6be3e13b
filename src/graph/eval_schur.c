/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval_schur.c -- the primitive schur, evaluated as LAPACK's gehrd, lahqr and lanv2 do: complex
 * matrices with one shift, real ones with two at once. Names are LAPACK's.
 */
#include <complex.h>
#include <math.h>

#include "graph/eval.h"

typedef double _Complex num;
#define X(i, j) x[(i) * m + (j)]

typedef struct qr {
    num *x;
    int64_t n, m; /* [n, m], a row of zeros behind it */
    bool real;
    double ulp, least;
} qr;

static double
abs1(num z)
{
    return fabs(creal(z)) + fabs(cimag(z));
}

/* LAPACK's larfg on v[0..k): afterwards I - tau v v^H with v[0] = 1. Returns beta. */
static num
reflector(num *v, int64_t k, num *tau)
{
    double below = 0, beta;
    num alpha = v[0];

    for (int64_t i = 1; i < k; i++)
        below += creal(v[i]) * creal(v[i]) + cimag(v[i]) * cimag(v[i]);
    v[0] = 1;
    *tau = 0;
    if (below == 0 && cimag(alpha) == 0)
        return alpha;
    beta = -copysign(sqrt(creal(alpha) * creal(alpha) + cimag(alpha) * cimag(alpha) + below),
                     creal(alpha));
    *tau = (beta - alpha) / beta;
    for (int64_t i = 1; i < k; i++)
        v[i] /= alpha - beta;
    return beta;
}

/* Rows at.. from the left from column `from` on, columns at.. from the right, rows < rows. */
static void
reflect(const qr *q, const num *v, int64_t k, num tau, int64_t at, int64_t from, int64_t rows)
{
    num *x = q->x;
    int64_t m = q->m;

    for (int64_t j = from; j < m; j++) {
        num sum = 0;

        for (int64_t i = 0; i < k; i++)
            sum += conj(v[i]) * X(at + i, j);
        sum *= conj(tau);
        for (int64_t i = 0; i < k; i++)
            X(at + i, j) -= sum * v[i];
    }
    for (int64_t i = 0; i < rows; i++) {
        num sum = 0;

        for (int64_t j = 0; j < k; j++)
            sum += X(i, at + j) * v[j];
        sum *= tau;
        for (int64_t j = 0; j < k; j++)
            X(i, at + j) -= sum * conj(v[j]);
    }
}

static void
hessenberg(const qr *q, num *v)
{
    num *x = q->x, tau, beta;
    int64_t n = q->n, m = q->m;

    for (int64_t c = 0; c + 2 < n; c++) {
        for (int64_t i = c + 1; i < n; i++)
            v[i - c - 1] = X(i, c);
        beta = reflector(v, n - c - 1, &tau);
        reflect(q, v, n - c - 1, tau, c + 1, c + 1, n);
        X(c + 1, c) = beta;
        for (int64_t i = c + 2; i < n; i++)
            X(i, c) = 0;
    }
}

/* Is the subdiagonal at (k, k - 1) of no account (Ahues and Tisseur, 1997)? */
static bool
negligible(const qr *q, int64_t k)
{
    const num *x = q->x;
    int64_t m = q->m;
    double sub = abs1(X(k, k - 1)), up = abs1(X(k - 1, k)), d = abs1(X(k, k));
    double e = abs1(X(k - 1, k - 1) - X(k, k)), tst = abs1(X(k - 1, k - 1)) + d, aa, bb, ab, ba, s;

    if (sub <= q->least)
        return true;
    if (tst == 0)
        tst = (k > 1 ? abs1(X(k - 1, k - 2)) : 0) + (k + 1 < q->n ? abs1(X(k + 1, k)) : 0);
    if (!(sub <= q->ulp * tst))
        return false;
    ab = fmax(sub, up), ba = fmin(sub, up);
    aa = fmax(d, e), bb = fmin(d, e);
    s = aa + ab;
    return ba * (ab / s) <= fmax(q->least, q->ulp * (bb * (aa / s)));
}

/* Two shifts; with one the second is of no use. */
typedef struct shifts {
    double re1, re2, im;
    num one;
} shifts;

static shifts
shifts_of(const qr *q, int64_t l, int64_t i, int64_t round)
{
    const num *x = q->x;
    int64_t m = q->m;
    double h11, h12, h21, h22, s, tr, det, root;
    bool bottom = round % 20 == 0, odd = round % 10 == 0;
    num base = bottom ? X(i, i) : X(l, l), u2, y, w;
    shifts r = {0};

    if (!q->real) {
        s = 0.75 * abs1(bottom ? X(i, i - 1) : X(l + 1, l));
        u2 = X(i - 1, i) * X(i, i - 1);
        w = 0.5 * (X(i - 1, i - 1) - X(i, i));
        y = csqrt(w * w + u2);
        if (creal(w) * creal(y) + cimag(w) * cimag(y) < 0)
            y = -y;
        r.one = odd ? base + s : u2 == 0 ? X(i, i) : X(i, i) - u2 / (w + y);
        return r;
    }
    h11 = creal(X(i - 1, i - 1)), h12 = creal(X(i - 1, i));
    h21 = creal(X(i, i - 1)), h22 = creal(X(i, i));
    if (odd) {
        s = bottom ? abs1(X(i, i - 1)) + abs1(X(i - 1, i - 2))
                   : abs1(X(l + 1, l)) + abs1(X(l + 2, l + 1));
        h11 = h22 = 0.75 * s + creal(base);
        h12 = -0.4375 * s;
        h21 = s;
    }
    s = fabs(h11) + fabs(h12) + fabs(h21) + fabs(h22);
    if (s == 0)
        return r;
    h11 /= s, h12 /= s, h21 /= s, h22 /= s;
    tr = (h11 + h22) / 2;
    det = (h11 - tr) * (h22 - tr) - h12 * h21;
    root = sqrt(fabs(det));
    if (det >= 0) {
        r.re1 = r.re2 = tr * s;
        r.im = root * s;
    } else {
        r.re1 = r.re2 = s * (fabs(tr + root - h22) <= fabs(tr - root - h22) ? tr + root : tr - root);
    }
    return r;
}

/* The first column of the shifted matrix if the sweep begins at k. */
static void
first_column(const qr *q, const shifts *sh, int64_t k, num *v)
{
    const num *x = q->x;
    int64_t m = q->m;
    double s;

    if (!q->real) {
        v[0] = X(k, k) - sh->one;
        v[1] = X(k + 1, k);
        v[2] = 0;
    } else {
        num h21 = X(k + 1, k), a = X(k, k);

        s = fabs(creal(a) - sh->re2) + fabs(sh->im) + abs1(h21);
        h21 /= s;
        v[0] = h21 * X(k, k + 1) + (a - sh->re1) * ((a - sh->re2) / s) + sh->im * (sh->im / s);
        v[1] = h21 * (a + X(k + 1, k + 1) - sh->re1 - sh->re2);
        v[2] = h21 * X(k + 2, k + 1);
    }
    s = abs1(v[0]) + abs1(v[1]) + abs1(v[2]);
    for (int i = 0; i < 3; i++)
        v[i] /= s;
}

static void
sweep(const qr *q, int64_t l, int64_t i, int64_t round)
{
    num *x = q->x, v[3], tau, beta;
    int64_t m = q->m, k, start, size = q->real ? 3 : 2;
    shifts sh = shifts_of(q, l, i, round);

    for (start = i + 1 - size;; start--) {
        first_column(q, &sh, start, v);
        if (start == l)
            break;
        if (abs1(X(start, start - 1)) * (abs1(v[1]) + abs1(v[2])) <=
            q->ulp * abs1(v[0]) *
                (abs1(X(start - 1, start - 1)) * (q->real ? 1 : 0) + abs1(X(start, start)) +
                 abs1(X(start + 1, start + 1))))
            break;
    }
    for (k = start; k < i; k++) {
        int64_t rows = k + size + 1 < i + 1 ? k + size + 1 : i + 1;

        if (k > start)
            for (int64_t e = 0; e < 3; e++)
                v[e] = e < size && k + e <= i ? X(k + e, k - 1) : 0;
        beta = reflector(v, 3, &tau);
        if (k > start) {
            X(k, k - 1) = beta;
            for (int64_t e = 1; e < size && k + e <= i; e++)
                X(k + e, k - 1) = 0;
        } else if (k > l) {
            X(k, k - 1) *= 1 - conj(tau);
        }
        reflect(q, v, k + size - 1 <= i ? size : 2, tau, k, k, rows);
    }
}

static double
sign(double x)
{
    return copysign(1, x);
}

/* lanv2: rows and columns k, k + 1 turned so that the block there has an eigenvalue on its
 * diagonal, or two equal numbers there and others of different signs beside them. */
static void
standard(const qr *q, int64_t k)
{
    num *x = q->x;
    int64_t m = q->m;
    double a = creal(X(k, k)), b = creal(X(k, k + 1)), c = creal(X(k + 1, k));
    double d = creal(X(k + 1, k + 1)), cs = 1, sn = 0, p, z, most, least, scale, tau, t;
    bool split = true;

    if (b == 0) {
        cs = 0, sn = 1;
    } else if (a != d || sign(b) == sign(c)) {
        p = 0.5 * (a - d);
        most = fmax(fabs(b), fabs(c)), least = fmin(fabs(b), fabs(c)) * sign(b) * sign(c);
        scale = fmax(fabs(p), most);
        z = p / scale * p + most / scale * least;
        if (z >= 4 * q->ulp) {
            z = p + copysign(sqrt(scale) * sqrt(z), p);
            tau = hypot(c, z);
            cs = z / tau, sn = c / tau;
        } else {
            tau = hypot(b + c, a - d);
            cs = sqrt(0.5 * (1 + fabs(b + c) / tau));
            sn = -(p / (tau * cs)) * sign(b + c);
            t = b + c; /* b + c and b - c after the turn: their product's sign decides */
            z = (b - c) / 2;
            t = copysign(hypot(t, a - d) / 2, t);
            b = t + z, c = t - z;
            if (c != 0 && (b == 0 || sign(b) == sign(c))) {
                double u = sqrt(fabs(b)), w = sqrt(fabs(c)), r = 1 / sqrt(fabs(b + c));

                t = cs * u * r - sn * w * r;
                sn = cs * w * r + sn * u * r;
                cs = t;
            } else {
                split = c == 0;
            }
        }
    } else {
        split = false;
    }
    for (int64_t j = k; j < m; j++) {
        num u = X(k, j), w = X(k + 1, j);

        X(k, j) = cs * u + sn * w;
        X(k + 1, j) = cs * w - sn * u;
    }
    for (int64_t i = 0; i < k + 2; i++) {
        num u = X(i, k), w = X(i, k + 1);

        X(i, k) = cs * u + sn * w;
        X(i, k + 1) = cs * w - sn * u;
    }
    if (split)
        X(k + 1, k) = 0;
    else
        X(k, k) = X(k + 1, k + 1) = (X(k, k) + X(k + 1, k + 1)) / 2;
}

bool
tb_ev_schur(ev *e, num *x, int64_t n, int64_t m, bool real, double ulp, double least)
{
    qr q = {x, n, m, real, ulp, least * ((double)n / ulp)};
    int64_t i = n - 1, l, round = 0, last = real ? 1 : 0;

    hessenberg(&q, TB_NEWN(&e->cx->scratch, num, n + 1));
    for (int64_t it = 0; it < 30 * (n + 10) && i >= 0; it++) {
        for (l = i; l > 0 && !negligible(&q, l); l--)
            ;
        if (l > 0)
            X(l, l - 1) = 0;
        if (l < i - last) {
            sweep(&q, l, i, ++round);
            continue;
        }
        if (l < i)
            standard(&q, l);
        round = 0;
        i = l - 1;
    }
    return i < 0;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg_factor.c -- QR, eigenvalues of symmetric matrices, singular values, and what is
 * made of them.
 */
#include "op/linalg.h"

/* ---- reflections ---- */

/* The reflectors that tau [b..., k] goes with: in the first k columns of x, ones on the
 * diagonal. */
static tb_val
reflectors(tb_graph *g, tb_val x, tb_val tau)
{
    return tb_mat_unit_lower(g, x, SIZE(tau, RANK(tau) - 1));
}

/* tau [b..., k] as a diagonal matrix. */
static tb_val
diagonal(tb_graph *g, tb_val tau)
{
    tb_dim dims[TB_MAX_RANK + 1];
    int rank = RANK(tau);

    memcpy(dims, tb_dims(g, tau), sizeof *dims * (size_t)rank);
    dims[rank] = dims[rank - 1];
    return tb_mat_band(g, tb_expand(g, tb_unsqueeze(g, tau, rank), rank + 1, dims), 0, 0, 0);
}

/*
 * The product of I - tau v v^H is I - V T V^H with T upper triangular (compact WY: Schreiber
 * and Van Loan, 1989): T^-1 has 1 / tau on the diagonal and V^H V above it. With both sides
 * times tau a reflection that does nothing (tau = 0) is none that divides by zero.
 */
static tb_val
block_factor(tb_graph *g, tb_val v, tb_val tau)
{
    tb_val d = diagonal(g, tau), s = tb_dot(g, tb_mat_adjoint(g, v), v);

    s = MUL(tb_unsqueeze(g, tau, RANK(tau)), tb_mat_band(g, s, 1, TB_FAR, 0));
    return tb_tri_solve(g, s, d, (tb_triangle){.upper = true, .unit = true}, false);
}

/* Q c, Q^H c with `adjoint`, or from the right. */
static tb_val
apply(tb_graph *g, tb_val v, tb_val tau, tb_val c, bool left, bool adjoint)
{
    tb_val t = block_factor(g, v, tau), vh = tb_mat_adjoint(g, v);

    if (adjoint)
        t = tb_mat_adjoint(g, t);
    if (left)
        return SUB(c, tb_dot(g, v, tb_dot(g, t, tb_dot(g, vh, c))));
    return SUB(c, tb_dot(g, tb_dot(g, tb_dot(g, c, v), t), vh));
}

typedef struct reflected {
    tb_val a, tau; /* [m, n], [b..., k] */
} reflected;

static reflected
reflect(tb_graph *g, tb_val a)
{
    int rank = RANK(a);
    tb_val r = tb_qr(g, a, false);
    reflected f = {.a = tb_mat_rows(g, r, 0, SIZE(a, rank - 2))};

    f.tau = tb_mat_rows(g, r, SIZE(a, rank - 2), 1);
    f.tau = tb_squeeze_axes(g, f.tau, 1u << (rank - 2));
    f.tau = tb_slice_axis(g, f.tau, rank - 2, 0, tb_mat_rank(g, a), 1);
    return f;
}

/* The first n columns of Q. */
static tb_val
columns_of_q(tb_graph *g, reflected f, tb_dim n)
{
    int rank = RANK(f.a);
    tb_val v = reflectors(g, f.a, f.tau);

    return apply(g, v, f.tau, tb_mat_eye(g, f.a, SIZE(f.a, rank - 2), n), true, false);
}

/* Reflectors come with one factor each. */
static void
needs_reflectors(tb_opctx *c, tb_val a, tb_val tau)
{
    tb_mat_needed(c, a);
    if (tb_rank(c->g, tau) != tb_rank(c->g, a) - 1)
        tb_body_raise(c, "expected factors of rank %d, found %d", tb_rank(c->g, a) - 1,
                      tb_rank(c->g, tau));
}

/* (A, mode) */
static tb_val
qr(tb_opctx *c)
{
    tb_graph *g = c->g;
    bool all = tb_body_is(c, 1, "complete"), no_q = tb_body_is(c, 1, "r");
    tb_val a = V(0);
    tb_dim rows;
    reflected f;

    tb_mat_needed(c, a);
    f = reflect(g, a);
    rows = all ? SIZE(a, RANK(a) - 2) : tb_mat_rank(g, a);
    return tb_body_out2(c, no_q ? tb_mat_none(g, tb_dtype_of(g, a)) : columns_of_q(g, f, rows),
                        tb_mat_upper(g, f.a, rows));
}

static tb_val
geqrf(tb_opctx *c)
{
    reflected f;

    tb_mat_needed(c, V(0));
    f = reflect(c->g, V(0));
    return tb_body_out2(c, f.a, f.tau);
}

/* (A, tau) */
static tb_val
householder_product(tb_opctx *c)
{
    tb_val a = V(0);

    needs_reflectors(c, a, V(1));
    return columns_of_q(c->g, (reflected){a, V(1)}, tb_dims(c->g, a)[tb_rank(c->g, a) - 1]);
}

/* (A, tau, C, left, transpose) */
static tb_val
ormqr(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), tau = V(1);

    needs_reflectors(c, a, tau);
    tb_mat_needed(c, V(2));
    return apply(g, reflectors(g, a, tau), tau, V(2), BOOL(3), BOOL(4));
}

/* ---- orthogonal rows ---- */

static tb_val
absolute(tb_graph *g, tb_val x)
{
    return tb_is_complex(g, x) ? tb_cplx_abs(g, x) : ABS(x);
}

/* Real factor times x. */
static tb_val
scaled(tb_graph *g, tb_val x, tb_val real)
{
    return MUL(x, CAST(real, tb_dtype_of(g, x)));
}

/* The largest size of an element, 1 if all are 0: [b..., 1, 1], real. Squares of what is
 * divided by it neither overflow nor vanish. */
static tb_val
largest(tb_graph *g, tb_val x)
{
    tb_val most = MAX(RMAX(absolute(g, x), 3u << (RANK(x) - 2)), K(absolute(g, x), 0));

    return WHERE(EQ(most, K(most, 0)), K(most, 1), most);
}

static tb_val
row_norms(tb_graph *g, tb_val x) /* [b..., m] */
{
    tb_val s = absolute(g, x);
    int last = RANK(s) - 1;

    return SQRT(tb_squeeze_axes(g, RSUM(MUL(s, s), 1u << last), 1u << last));
}

static tb_val
take(tb_graph *g, tb_val x, tb_val order)
{
    return tb_body_take_along(g, x, RANK(x) - 1, order);
}

/* U x and U [m, m] with U x of orthogonal rows. */
static void
orthogonal_rows(tb_graph *g, tb_val x, tb_val *ux, tb_val *u)
{
    int rank = RANK(x);
    tb_dim m = SIZE(x, rank - 2), n = SIZE(x, rank - 1);
    tb_val both[2] = {x, tb_mat_eye(g, x, m, m)}, r;

    r = tb_jacobi(g, tb_concat(g, both, 2, rank - 1), n, false);
    *ux = tb_mat_columns(g, r, 0, n);
    *u = tb_mat_columns(g, r, n, m);
}

static void
check_finite(tb_graph *g, tb_val s, const char *message)
{
    tb_val zero = MUL(s, K(s, 0)); /* NaN of infinities as well */

    tb_mat_check(g, CAST(NE(zero, zero), TB_I32), message);
}

/* ---- eigenvalues ---- */

typedef struct eigen {
    tb_val values, vectors;
} eigen;

/*
 * Of a hermitian matrix, rising. A + c I has no negative eigenvalue where c is a norm of A;
 * then the rotations that make its rows orthogonal are A's eigenvectors. The values are
 * those of A itself: v^H A v.
 */
static eigen
hermitian(tb_graph *g, tb_val a, bool lower)
{
    int rank = RANK(a);
    tb_dim n = SIZE(a, rank - 1);
    tb_val low = lower ? tb_mat_band(g, a, -TB_FAR, -1, 0)
                       : tb_mat_adjoint(g, tb_mat_band(g, a, 1, TB_FAR, 0));
    tb_val d = tb_mat_band(g, a, 0, 0, 0), scale, norm, w, v, order;
    eigen e;

    if (tb_is_complex(g, a))
        d = CAST(tb_mat_real(g, d), tb_dtype_of(g, a));
    a = ADD(ADD(low, d), tb_mat_adjoint(g, low));
    scale = largest(g, a);
    a = scaled(g, a, DIV(K(scale, 1), scale));
    norm = absolute(g, a);
    norm = SQRT(RSUM(MUL(norm, norm), 3u << (rank - 2)));
    orthogonal_rows(g, ADD(a, scaled(g, tb_mat_eye(g, a, n, n), norm)), &w, &v);
    w = MUL(tb_dot(g, v, a), tb_cplx_conj(g, v));
    e.values = tb_squeeze_axes(g, RSUM(tb_mat_real(g, w), 1u << (rank - 1)), 1u << (rank - 1));
    order = tb_argsort(g, e.values, rank - 2, false);
    e.values = MUL(take(g, e.values, order), tb_squeeze_axes(g, scale, 1u << (rank - 1)));
    e.vectors = tb_mat_adjoint(g, tb_mat_take_rows(g, v, order));
    return e;
}

/* (A, UPLO, compute_v) */
static tb_val
eigh(tb_opctx *c)
{
    tb_graph *g = c->g;
    eigen e;

    tb_mat_needed(c, V(0));
    e = hermitian(g, V(0), tb_body_is(c, 1, "L") || tb_body_is(c, 1, "l"));
    check_finite(g, e.values,
                 "linalg.eigh: The algorithm failed to converge because the input matrix "
                 "contained non-finite values.");
    return tb_body_out2(c, e.values,
                        BOOL(2) ? e.vectors : tb_mat_none(g, tb_dtype_of(g, V(0))));
}

/* ---- singular values ---- */

/*
 * U x with orthogonal rows, of x = A or A^T, whichever has fewer rows (A^T if that is not
 * known): the norms of the rows are the singular values. The rows divided by their norms are
 * singular vectors unless the norm is 0; the columns of a QR factorisation of the rows in
 * falling order always are, but for their signs.
 */
tb_svd
tb_mat_svd(tb_graph *g, tb_val a, bool full, bool vectors)
{
    int rank = RANK(a);
    tb_dim m = SIZE(a, rank - 2), n = SIZE(a, rank - 1), k = tb_mat_rank(g, a);
    bool wide = tb_dim_le(g->unit, m, n);
    tb_val scale = largest(g, a), x, w, v, order, q, sign;
    reflected f;
    tb_svd r;

    x = scaled(g, a, DIV(K(scale, 1), scale));
    if (!wide)
        x = tb_mat_flip(g, x);
    scale = tb_squeeze_axes(g, scale, 1u << (rank - 1));
    if (vectors)
        orthogonal_rows(g, x, &w, &v);
    else
        w = tb_jacobi(g, x, SIZE(x, rank - 1), false);
    r.s = row_norms(g, w);
    order = tb_argsort(g, r.s, rank - 2, true);
    r.s = tb_slice_axis(g, take(g, r.s, order), rank - 2, 0, k, 1);
    r.s = MUL(r.s, scale);
    if (!vectors) {
        r.u = r.vh = tb_mat_none(g, tb_dtype_of(g, a));
        return r;
    }
    v = tb_mat_take_rows(g, v, order);
    w = tb_mat_rows(g, tb_mat_take_rows(g, w, order), 0, k);
    f = reflect(g, wide ? tb_mat_adjoint(g, w) : tb_mat_flip(g, w)); /* [longer, k] */
    q = columns_of_q(g, f, full ? SIZE(x, rank - 1) : k);
    sign = tb_mat_real(g, tb_mat_diagonal(g, f.a));
    sign = COPYSIGN(K(sign, 1), sign);
    if (full) { /* ones for the columns that have no value */
        tb_dim lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};

        hi[rank - 2] = tb_dim_sub(g->unit, SIZE(x, rank - 1), k);
        sign = tb_pad(g, sign, lo, hi, tb_full_f(g, tb_dtype_of(g, sign), 0, NULL, 1));
    }
    q = scaled(g, q, tb_unsqueeze(g, sign, rank - 2));
    if (!full && !wide)
        v = tb_mat_rows(g, v, 0, k);
    r.u = wide ? tb_mat_adjoint(g, v) : q;
    r.vh = wide ? tb_mat_adjoint(g, q) : tb_cplx_conj(g, v);
    return r;
}

/* (A, full_matrices, compute_uv, driver) */
static tb_val
svd(tb_opctx *c)
{
    tb_svd r;

    tb_mat_needed(c, V(0));
    r = tb_mat_svd(c->g, V(0), BOOL(1), BOOL(2));
    check_finite(c->g, r.s,
                 "linalg.svd: The algorithm failed to converge because the input matrix "
                 "contained non-finite values.");
    return tb_body_out3(c, r.u, r.s, r.vh);
}

/* ---- pseudoinverse ---- */

/* max(atol, rtol * s) over the largest s [b..., k], as torch fills in what is not given. */
static tb_val
tolerance(tb_opctx *c, tb_val s, tb_dim m, tb_dim n)
{
    tb_graph *g = c->g;
    int last = RANK(s) - 1;
    tb_val most = RMAX(s, 1u << last), atol = K(s, 0), rtol, eps;

    eps = tb_body_dim(g, tb_dim_max(g->unit, m, n), tb_dtype_of(g, s));
    eps = MUL(eps, K(s, tb_dtype_of(g, s) == TB_F64 ? 0x1p-52 : 0x1p-23));
    if (given(c, 1)) {
        atol = CAST(V(1), tb_dtype_of(g, s));
        eps = WHERE(LT(K(atol, 0), atol), K(atol, 0), eps);
    }
    rtol = given(c, 2) ? CAST(V(2), tb_dtype_of(g, s)) : eps;
    if (RANK(atol))
        atol = tb_unsqueeze(g, atol, RANK(atol));
    if (RANK(rtol))
        rtol = tb_unsqueeze(g, rtol, RANK(rtol));
    return MAX(atol, MUL(rtol, most));
}

/* (A, atol, rtol, hermitian) */
static tb_val
pinv(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val a = V(0), s, inverse, left, right;
    tb_dim m, n;
    int rank = RANK(a);

    tb_mat_needed(c, a);
    m = SIZE(a, rank - 2);
    n = SIZE(a, rank - 1);
    if (m == 0 || n == 0)
        return tb_mat_eye(g, a, n, m);
    if (BOOL(3)) {
        eigen e = hermitian(g, a, true);

        s = ABS(e.values);
        inverse = DIV(K(s, 1), e.values);
        left = e.vectors;
        right = tb_mat_adjoint(g, e.vectors);
    } else {
        tb_svd r = tb_mat_svd(g, a, false, true);

        s = r.s;
        inverse = DIV(K(s, 1), s);
        left = tb_mat_adjoint(g, r.vh);
        right = tb_mat_adjoint(g, r.u);
    }
    check_finite(g, s,
                 "linalg.pinv: The algorithm failed to converge because the input matrix "
                 "contained non-finite values.");
    inverse = WHERE(LT(tolerance(c, s, m, n), s), inverse, K(s, 0));
    return tb_dot(g, scaled(g, left, tb_unsqueeze(g, inverse, rank - 2)), right);
}

/* ---- exponentials ---- */

/* values: X, squarings left [b..., 1, 1] I64 */
static tb_val
some_left(tb_graph *g, const tb_val *v, void *user)
{
    (void)user;
    return tb_body_any(g, LT(I64(0), v[1]));
}

static void
square(tb_graph *g, tb_val *v, void *user)
{
    tb_val more = LT(I64(0), v[1]);

    (void)user;
    v[0] = WHERE(more, tb_dot(g, v[0], v[0]), v[0]);
    v[1] = SUB(v[1], I64(1));
}

/*
 * exp(A) = exp(A / 2^s)^(2^s) with s so that the norm is at most 1/2 (1 in f32), where a
 * Taylor polynomial of degree 15 (11) is exact to rounding: in powers of A^4 with
 * coefficients in A, A^2, A^3 (Paterson and Stockmeyer, 1973).
 */
static tb_val
matrix_exp(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val a = tb_body_wide(g, V(0)), norm, halvings, power[5], sum = TB_NO_VAL, v[2];
    int rank = RANK(a), degree;
    tb_dim n;
    double factorial[16] = {1};
    bool wide;

    tb_mat_needed(c, a);
    n = SIZE(a, rank - 1);
    norm = absolute(g, a);
    norm = RMAX(RSUM(norm, 1u << (rank - 1)), 1u << (rank - 2)); /* [b..., 1, 1] */
    wide = tb_dtype_of(g, norm) == TB_F64;
    degree = wide ? 15 : 11;
    /* the first power of two above the norm, its exponent within what is of use */
    halvings = M1(ceil, M1(log2, MAX(norm, K(norm, 0x1p-20))));
    halvings = MIN(MAX(wide ? ADD(halvings, K(norm, 1)) : halvings, K(norm, 0)),
                   K(norm, 1000));
    halvings = WHERE(EQ(halvings, halvings), halvings, K(norm, 0));
    a = scaled(g, a, POW(K(halvings, 2), NEG(halvings)));
    power[0] = tb_mat_eye(g, a, n, n);
    power[1] = a;
    for (int i = 2; i < 5; i++)
        power[i] = tb_dot(g, power[i - 1], a);
    for (int i = 1; i <= degree; i++)
        factorial[i] = factorial[i - 1] * i;
    for (int top = degree - 3; top >= 0; top -= 4) {
        if (sum.id)
            sum = tb_dot(g, sum, power[4]);
        for (int i = 0; i < 4; i++) {
            tb_val term = MUL(power[i], K(a, 1 / factorial[top + i]));

            sum = sum.id ? ADD(sum, term) : term;
        }
    }
    v[0] = sum;
    v[1] = CAST(halvings, TB_I64);
    tb_body_while(g, v, 2, some_left, square, NULL);
    return CAST(v[0], t);
}

const tb_op tb_ops_linalg_factor[] = {
    {"linalg_qr(Tensor A, str mode=\"reduced\") -> (Tensor Q, Tensor R)",
     TB_KEEP, qr},
    {"geqrf(Tensor self) -> (Tensor a, Tensor tau)",
     TB_KEEP, geqrf},
    {"linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
     TB_KEEP, householder_product},
    {"ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, "
     "bool transpose=False) -> Tensor",
     TB_KEEP, ormqr},
    {"_linalg_eigh(Tensor A, str UPLO=\"L\", bool compute_v=True) -> "
     "(Tensor eigenvalues, Tensor eigenvectors)",
     TB_KEEP, eigh},
    {"_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, "
     "str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
     TB_KEEP, svd},
    {"linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, "
     "bool hermitian=False) -> Tensor",
     TB_KEEP, pinv},
    {"linalg_matrix_exp(Tensor self) -> Tensor",
     TB_KEEP, matrix_exp},
    {0},
};

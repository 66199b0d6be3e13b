/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg_eig.c -- eigenvalues and eigenvectors of general matrices, from their Schur form
 * A = Q T Q^H: values and order as LAPACK's geev (without its balancing).
 */
#include "op/linalg.h"

/* The vector v [b..., n] along the rows (axis 1 from the end) or columns of matrices. */
static tb_val
along_rows(tb_graph *g, tb_val v)
{
    return tb_unsqueeze(g, v, RANK(v));
}

static tb_val
along_columns(tb_graph *g, tb_val v)
{
    return tb_unsqueeze(g, v, RANK(v) - 1);
}

/* Diagonal `k` of t: at the number of its row, or of its column; 0 where there is none. */
static tb_val
diagonal(tb_graph *g, tb_val t, int64_t k, bool by_row)
{
    int axis = RANK(t) - (by_row ? 1 : 2);

    return tb_squeeze_axes(g, RSUM(tb_mat_band(g, t, k, k, 0), 1u << axis), 1u << axis);
}

static tb_val
root_of_product(tb_graph *g, tb_val a, tb_val b)
{
    return MUL(SQRT(ABS(a)), SQRT(ABS(b)));
}

/* A real T has blocks [a b; c a] with b c < 0 on its diagonal, of eigenvalues a +- i sqrt(-bc). */
typedef struct blocks {
    tb_val first, second; /* BOOL [b..., n]: rows of a block */
    tb_val b;             /* for both rows; 1 elsewhere */
    tb_val size;          /* sqrt(-bc), 0 elsewhere */
    tb_val sign;          /* of the vector (b, i size): as LAPACK's trevc has it */
} blocks;

static blocks
blocks_of(tb_graph *g, tb_val t)
{
    tb_val c1 = diagonal(g, t, -1, false), c2 = diagonal(g, t, -1, true);
    tb_val b1 = diagonal(g, t, 1, true), b2 = diagonal(g, t, 1, false);
    blocks r = {.first = NE(c1, K(c1, 0)), .second = NE(c2, K(c2, 0))};

    r.b = WHERE(r.first, b1, WHERE(r.second, b2, K(b1, 1)));
    r.size = WHERE(r.first, root_of_product(g, b1, c1), root_of_product(g, b2, c2));
    r.size = WHERE(OR(r.first, r.second), r.size, K(b1, 0));
    r.sign = WHERE(LE(r.size, ABS(r.b)), COPYSIGN(K(b1, 1), r.b), K(b1, 1));
    return r;
}

/*
 * Turns T of real matrices into a triangular one: in a block the eigenvector of the first
 * value is (b, i size), what is orthogonal to it (i size, b).
 */
static tb_val
to_triangles(tb_graph *g, tb_val t, const blocks *k)
{
    tb_val length = MUL(tb_cplx_hypot(g, k->b, k->size), k->sign), re, im, in;

    re = tb_mat_eye(g, t, SIZE(t, RANK(t) - 1), SIZE(t, RANK(t) - 1));
    in = OR(k->first, k->second);
    re = MUL(re, along_rows(g, WHERE(in, DIV(k->b, length), K(k->b, 1))));
    im = along_rows(g, DIV(k->size, length));
    im = tb_expand_like(g, im, t);
    im = ADD(WHERE(along_rows(g, k->first), tb_mat_band(g, im, 1, 1, 0), K(im, 0)),
             WHERE(along_rows(g, k->second), tb_mat_band(g, im, -1, -1, 0), K(im, 0)));
    return tb_complex(g, re, im);
}

/* ---- eigenvectors of a triangular matrix ---- */

/* v: row i (I64 of rank 0), X, T, values [b..., 1, n] */
static tb_val
rows_left(tb_graph *g, const tb_val *v, void *user)
{
    (void)user;
    return LE(I64(0), v[0]);
}

static tb_val
abs1(tb_graph *g, tb_val x)
{
    tb_cplx z = tb_cplx_parts(g, x);

    return ADD(ABS(z.re), ABS(z.im));
}

/*
 * Row i of X with T X = X diag(values), X unit upper triangular: right of the diagonal
 * x = -(T[i, i+1..] X) / (t_ii - value). What is too small to divide by is taken as the
 * least that counts, and a column that grows too far is made smaller, as LAPACK's trevc
 * does.
 */
static void
back_substitute(tb_graph *g, tb_val *v, void *user)
{
    tb_val i = v[0], x = v[1], t = v[2], values = v[3], row, at, own, below, d, size, least, by;
    tb_dim n = SIZE(x, RANK(x) - 1);
    tb_val rows = tb_body_count_up(g, n, 2, 0), columns = tb_body_count_up(g, n, 2, 1);
    bool wide = tb_dtype_of(g, x) == TB_C128;

    (void)user;
    own = tb_reshape(g, i, 1, (tb_dim[]){1});
    row = tb_body_select(g, t, RANK(t) - 2, own); /* [b..., 1, n] */
    own = tb_body_select(g, row, RANK(t) - 1, own);
    at = LT(i, columns);
    below = tb_dot(g, WHERE(at, row, K(t, 0)), x);
    d = SUB(values, own);
    size = abs1(g, d);
    least = MUL(abs1(g, values), K(size, wide ? 0x1p-52 : 0x1p-23));
    least = MAX(least, K(size, wide ? 0x1p-960 : 0x1p-98));
    d = WHERE(LT(size, least), CAST(NEG(least), tb_dtype_of(g, d)), d);
    below = DIV(below, d);
    x = WHERE(AND(EQ(rows, i), at), below, x);
    size = abs1(g, below);
    by = LT(K(size, wide ? 0x1p500 : 0x1p40), size);
    by = WHERE(AND(by, at), DIV(K(size, 1), size), K(size, 1));
    v[1] = MUL(x, CAST(by, tb_dtype_of(g, x)));
    v[0] = SUB(i, I64(1));
}

/* ---- normal form ---- */

/* Columns of length 1 whose largest element is real. */
static tb_val
normalised(tb_graph *g, tb_val x, bool keep_sign)
{
    uint32_t rows = 1u << (RANK(x) - 2);
    tb_val size = tb_cplx_abs(g, x), most = RMAX(size, rows), length, at, top;
    tb_cplx z;

    x = MUL(x, CAST(DIV(K(most, 1), most), tb_dtype_of(g, x)));
    size = DIV(size, most);
    length = SQRT(RSUM(MUL(size, size), rows));
    at = tb_reduce(g, TB_P_argmax, size, rows);
    top = tb_body_take_along(g, x, RANK(x) - 2, at);
    z = tb_cplx_parts(g, top);
    most = tb_cplx_abs(g, top);
    if (keep_sign)
        most = COPYSIGN(most, z.re);
    top = tb_cplx_whole(g, (tb_cplx){DIV(z.re, most), NEG(DIV(z.im, most))});
    x = MUL(x, top);
    x = MUL(x, CAST(DIV(K(length, 1), length), tb_dtype_of(g, x)));
    z = tb_cplx_parts(g, x);
    at = EQ(tb_body_count_up(g, SIZE(x, RANK(x) - 2), 2, 0), at);
    return tb_cplx_whole(g, (tb_cplx){z.re, WHERE(at, K(z.im, 0), z.im)});
}

/* Of real matrices: real vectors for real values; the second of a pair is the conjugate of
 * the first. */
static tb_val
of_real(tb_graph *g, tb_val x, const blocks *k)
{
    int last = RANK(x) - 1;
    tb_val i = tb_body_count_up(g, SIZE(x, last), 1, 0), norm, other;
    tb_cplx z = tb_cplx_parts(g, x);
    tb_val complex = along_columns(g, OR(k->first, k->second)), most;

    most = RMAX(ABS(z.re), 1u << (last - 1));
    z.re = DIV(z.re, most);
    norm = SQRT(RSUM(MUL(z.re, z.re), 1u << (last - 1)));
    z.re = DIV(z.re, norm);
    z.im = tb_full_like(g, z.re, 0);
    x = WHERE(complex, normalised(g, x, true), tb_cplx_whole(g, z));
    other = tb_body_select(g, x, last, MAX(SUB(i, I64(1)), I64(0)));
    return WHERE(along_columns(g, k->second), tb_cplx_conj(g, other), x);
}

/* ---- operators ---- */

static void
check_finite(tb_graph *g, tb_val x, const char *message)
{
    tb_val zero = MUL(x, K(x, 0)); /* NaN of infinities as well */

    tb_mat_check(g, CAST(NE(zero, zero), TB_I32), message);
}

static tb_val
eigen(tb_opctx *c, bool vectors, const char *finite, const char *converged)
{
    tb_graph *g = c->g;
    tb_val a = V(0), both[2] = {a}, r, t, q, values, u, v[4];
    tb_dtype type = tb_dtype_of(g, a);
    bool real = !tb_is_complex(g, a);
    int rank = RANK(a);
    tb_dim n;
    blocks k = {.first = TB_NO_VAL};

    tb_mat_needed(c, a);
    n = SIZE(a, rank - 1);
    check_finite(g, a, finite);
    both[1] = tb_mat_eye(g, a, n, n);
    r = tb_schur(g, vectors ? tb_concat(g, both, 2, rank - 1) : a, false);
    t = tb_mat_columns(g, r, 0, n);
    values = tb_mat_diagonal(g, t);
    if (real) {
        k = blocks_of(g, t);
        values = tb_complex(g, values, WHERE(k.second, NEG(k.size), k.size));
    }
    check_finite(g, values, converged);
    if (!vectors)
        return values;
    q = tb_mat_adjoint(g, tb_mat_columns(g, r, n, n));
    if (real) {
        type = type == TB_F64 ? TB_C128 : TB_C64;
        t = CAST(t, type), q = CAST(q, type);
        u = to_triangles(g, tb_mat_columns(g, r, 0, n), &k);
        t = tb_dot(g, tb_mat_adjoint(g, u), tb_dot(g, t, u));
        q = tb_dot(g, q, u);
        /* the values to the last bit, so that equal ones are seen to be equal */
        t = WHERE(NE(tb_mat_eye(g, t, n, n), K(t, 0)), along_rows(g, values), t);
    }
    v[1] = tb_mat_eye(g, t, n, n);
    if (n == 0)
        return tb_body_out2(c, values, v[1]);
    v[0] = SUB(tb_body_dim(g, n, TB_I64), I64(1));
    v[2] = t;
    v[3] = along_columns(g, values);
    tb_body_while(g, v, 4, rows_left, back_substitute, NULL);
    r = tb_dot(g, q, v[1]);
    return tb_body_out2(c, values, real ? of_real(g, r, &k) : normalised(g, r, false));
}

static tb_val
eig(tb_opctx *c)
{
    return eigen(c, true, "torch.linalg.eig: input tensor should not contain infs or NaNs.",
                 "linalg.eig: The algorithm failed to converge.");
}

static tb_val
eigvals(tb_opctx *c)
{
    return eigen(c, false,
                 "torch.linalg.eigvals: input tensor should not contain infs or NaNs.",
                 "linalg.eigvals: The algorithm failed to converge.");
}

const tb_op tb_ops_linalg_eig[] = {
    {"linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)",
     TB_KEEP, eig},
    {"linalg_eigvals(Tensor self) -> Tensor",
     TB_KEEP, eigvals},
    {"_linalg_eigvals(Tensor self) -> Tensor",
     TB_KEEP, eigvals},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * matmul.c -- contractions: everything becomes `dot` over [b..., m, k] and [b..., k, n].
 *
 * A weight that all batches share stays one matrix: the batch axes of the other operand
 * are folded into m, so that a kernel sees one large product instead of many small ones.
 */
#include "op/complex.h"

/* x [..., k] . y [k, n] -> [..., n], by way of [m, k]; `bias` [n] joins on the way. */
static tb_val
dot_shared(tb_graph *g, tb_val x, tb_val y, tb_val bias)
{
    tb_dim d[TB_MAX_RANK], m = 1;
    int rank = RANK(x);
    tb_val r;

    for (int i = 0; i < rank - 1; i++) {
        d[i] = SIZE(x, i);
        m = tb_dim_mul(g->unit, m, d[i]);
    }
    d[rank - 1] = SIZE(y, 1);
    if (rank != 2)
        x = tb_reshape(g, x, 2, (tb_dim[]){m, SIZE(x, rank - 1)});
    r = tb_dot(g, x, y);
    if (bias.id)
        r = ADD(r, bias);
    return rank == 2 ? r : tb_reshape(g, r, rank, d);
}

/* Both of rank 2 or more: batch axes broadcast. */
static tb_val
dot_batched(tb_graph *g, tb_val x, tb_val y)
{
    int n = RANK(x), m = RANK(y), rank = n > m ? n : m;
    tb_dim a[TB_MAX_RANK], b[TB_MAX_RANK];

    for (int i = 0; i < rank - 2; i++) {
        tb_dim p = i < rank - n ? 1 : SIZE(x, i - (rank - n));
        tb_dim q = i < rank - m ? 1 : SIZE(y, i - (rank - m));

        a[i] = b[i] = p == 1 ? q : p;
    }
    for (int i = 0; i < 2; i++) {
        a[rank - 2 + i] = SIZE(x, n - 2 + i);
        b[rank - 2 + i] = SIZE(y, m - 2 + i);
    }
    return tb_dot(g, tb_expand(g, x, rank, a), tb_expand(g, y, rank, b));
}

static tb_val
product(tb_opctx *c, tb_val x, tb_val y)
{
    tb_graph *g = c->g;
    int n = RANK(x), m = RANK(y);
    tb_val r;

    if (n == 0 || m == 0)
        tb_body_raise(c, "expected tensors of rank 1 or more, found rank %d and %d", n,
                      m);
    if (n == 1)
        x = tb_unsqueeze(g, x, 0);
    if (m == 1)
        y = tb_unsqueeze(g, y, 1);
    r = RANK(y) == 2 ? dot_shared(g, x, y, TB_NO_VAL) : dot_batched(g, x, y);
    if (m == 1)
        r = tb_squeeze_axes(g, r, 1u << (RANK(r) - 1));
    if (n == 1)
        r = tb_squeeze_axes(g, r, 1u << (RANK(r) - (m == 1 ? 1 : 2)));
    return r;
}

static tb_val
matmul(tb_opctx *c)
{
    return product(c, V(0), V(1));
}

static tb_val
vdot(tb_opctx *c)
{
    return product(c, tb_cplx_conj(c->g, V(0)), V(1));
}

/* (self, mat2, out_dtype) */
static tb_val
matmul_dtype(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, 2, tb_dtype_of(g, V(0)));

    return product(c, CAST(V(0), t), CAST(V(1), t));
}

/* i8 matrices, added up as i32 */
static tb_val
int_matmul(tb_opctx *c)
{
    tb_graph *g = c->g;

    return product(c, CAST(V(0), TB_I32), CAST(V(1), TB_I32));
}

/* From left to right. */
static tb_val
chain(tb_opctx *c)
{
    uint32_t n = tb_body_n(c, 0);
    tb_val r;

    if (!n)
        tb_body_raise(c, "expected at least one matrix");
    r = tb_body_at(c, 0, 0)->v;
    for (uint32_t i = 1; i < n; i++)
        r = product(c, r, tb_body_at(c, 0, i)->v);
    return r;
}

static tb_val
linear(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), w = V(1), bias = V(2), r;

    if (RANK(x) == 0 || RANK(w) < 1 || RANK(w) > 2)
        tb_body_raise(c, "expected an input with axes and a weight of rank 1 or 2");
    if (RANK(w) == 1) { /* one output, without an axis for it */
        r = product(c, x, w);
        return bias.id ? ADD(r, bias) : r;
    }
    w = tb_transpose(g, w, 0, 1);
    if (RANK(x) > 1)
        return dot_shared(g, x, w, bias);
    r = dot_shared(g, tb_unsqueeze(g, x, 0), w, bias);
    return tb_squeeze_axes(g, r, 1);
}

static bool
is_number(tb_opctx *c, uint32_t i, double value)
{
    const tb_arg *a = &c->arg[i];

    if (a->kind == TB_ARG_COMPLEX || (a->kind == TB_ARG_DIM && !tb_dim_is_const(a->d)))
        return false;
    return FLOAT(i) == value;
}

/* beta * self + alpha * product. A beta of 0 leaves self out, NaN and all. */
static tb_val
blend(tb_opctx *c, tb_val self, tb_val r)
{
    tb_graph *g = c->g;

    if (!is_number(c, 4, 1))
        r = MUL(r, tb_body_scalar(c, 4, tb_dtype_of(g, r)));
    if (is_number(c, 3, 0))
        return r;
    if (!is_number(c, 3, 1))
        self = MUL(self, tb_body_scalar(c, 3, tb_dtype_of(g, self)));
    return tb_dtype_of(g, r) == TB_BOOL ? OR(r, self) : ADD(r, self);
}

static tb_val
addmm(tb_opctx *c)
{
    return blend(c, V(0), product(c, V(1), V(2)));
}

static tb_val
addbmm(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val r;

    if (RANK(V(1)) != 3 || RANK(V(2)) != 3)
        tb_body_raise(c, "expected batches of matrices");
    r = tb_squeeze_axes(g, RSUM(product(c, V(1), V(2)), 1), 1);
    return blend(c, V(0), r);
}

/* [n, 1] * [m] -> [n, m] */
static tb_val
outer(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1);

    if (tb_dtype_of(g, x) != tb_dtype_of(g, y))
        tb_body_lacks(c, "vectors of different dtypes");
    return MUL(tb_unsqueeze(g, x, 1), y);
}

static tb_val
addr(tb_opctx *c)
{
    tb_graph *g = c->g;

    return blend(c, V(0), MUL(tb_unsqueeze(g, V(1), 1), V(2)));
}

/* Sums over the last axis of both. */
static tb_val
inner(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1);
    tb_dim d[TB_MAX_RANK], n = 1, k;
    int rank = 0;

    if (RANK(x) == 0 || RANK(y) == 0)
        return MUL(x, y);
    for (int i = 0; i < RANK(x) - 1; i++)
        d[rank++] = SIZE(x, i);
    for (int i = 0; i < RANK(y) - 1; i++) {
        d[rank++] = SIZE(y, i);
        n = tb_dim_mul(g->unit, n, SIZE(y, i));
    }
    k = SIZE(y, RANK(y) - 1);
    y = tb_transpose(g, tb_reshape(g, y, 2, (tb_dim[]){n, k}), 0, 1);
    x = dot_shared(g, RANK(x) == 1 ? tb_unsqueeze(g, x, 0) : x, y, TB_NO_VAL);
    return tb_reshape(g, x, rank, d);
}

/* y = x1 A x2' + b:  x1 [..., i], weight [o, i, j], x2 [..., j] -> [..., o] */
static tb_val
bilinear(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), y = V(1), w = V(2), r;
    tb_dim o, i, j, d[TB_MAX_RANK + 1];
    int rank = RANK(x);

    if (rank < 1 || RANK(y) != rank || RANK(w) != 3)
        tb_body_raise(c, "expected inputs of the same rank and a weight of rank 3");
    o = SIZE(w, 0), i = SIZE(w, 1), j = SIZE(w, 2);
    /* [i, o*j]; x1 . it -> [..., o, j]; times x2, summed over j */
    w = tb_reshape(g, tb_permute(g, w, (int64_t[]){1, 0, 2}), 2,
                   (tb_dim[]){i, tb_dim_mul(g->unit, o, j)});
    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)rank);
    d[rank - 1] = o;
    d[rank] = j;
    r = dot_shared(g, rank == 1 ? tb_unsqueeze(g, x, 0) : x, w, TB_NO_VAL);
    r = tb_reshape(g, r, rank + 1, d);
    r = MUL(r, tb_unsqueeze(g, y, rank - 1));
    r = tb_squeeze_axes(g, RSUM(r, 1u << rank), 1u << rank);
    return given(c, 3) ? ADD(r, V(3)) : r;
}

/* ---- einsum ---- */

/* What axes are called: letters, and behind them the axes of "...", the last one last. */
enum { LETTERS = 52, NAMES = 64 };

typedef struct term {
    tb_val v;
    int8_t letter[TB_MAX_RANK]; /* of each axis */
} term;

static int
letter_of(tb_opctx *c, char ch)
{
    if (ch >= 'a' && ch <= 'z')
        return ch - 'a';
    if (ch >= 'A' && ch <= 'Z')
        return ch - 'A' + 26;
    tb_body_raise(c, "'%c' in the equation", ch);
}

static bool
is_ellipsis(tb_str s, size_t at)
{
    return at + 3 <= s.len && memcmp(s.ptr + at, "...", 3) == 0;
}

/* A letter that occurs twice takes the diagonal. */
static void
take_diagonals(tb_graph *g, term *t)
{
    for (int j = RANK(t->v) - 1; j > 0; j--) {
        int i = 0;
        tb_dim n;
        tb_val at[2];

        while (t->letter[i] != t->letter[j])
            i++;
        if (i == j)
            continue;
        n = SIZE(t->v, i);
        tb_dim_assume_eq(g->unit, n, SIZE(t->v, j), g->loc);
        at[0] = at[1] = tb_iota(g, 1, &n, 0);
        t->v = tb_body_move(g, tb_gather(g, t->v, 1u << i | 1u << j, at, 2), 0, i);
        memmove(t->letter + j, t->letter + j + 1, (size_t)(RANK(t->v) - j));
    }
}

/* Reads one operand's letters. `*wide`: the most axes that a "..." stood for so far. */
static term
read_term(tb_opctx *c, tb_val v, tb_str s, int *wide)
{
    term t = {.v = v};
    int rank = tb_rank(c->g, v), n = 0, more = rank;
    bool dots = false;

    for (size_t i = 0; i < s.len; i++)
        more -= s.ptr[i] != ' ' && s.ptr[i] != '.';
    if (more < 0)
        tb_body_raise(c, "\"%.*s\" has too many letters for rank %d", TB_FMT(s), rank);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ' ')
            continue;
        if (!is_ellipsis(s, i)) {
            t.letter[n++] = (int8_t)letter_of(c, s.ptr[i]);
            continue;
        }
        if (dots)
            tb_body_raise(c, "\"%.*s\" has more than one ellipsis", TB_FMT(s));
        if (more > NAMES - LETTERS)
            tb_body_lacks(c, "an ellipsis of more than %d axes", NAMES - LETTERS);
        for (int k = 0; k < more; k++)
            t.letter[n++] = (int8_t)(NAMES - more + k);
        *wide = more > *wide ? more : *wide;
        dots = true;
        i += 2;
    }
    if (n != rank)
        tb_body_raise(c, "\"%.*s\" has too few letters for rank %d", TB_FMT(s), rank);
    take_diagonals(c->g, &t);
    return t;
}

static uint64_t
letters_in(const tb_graph *g, const term *t)
{
    uint64_t mask = 0;

    for (int i = 0; i < RANK(t->v); i++)
        mask |= UINT64_C(1) << t->letter[i];
    return mask;
}

static int
find(const tb_graph *g, const term *t, int letter)
{
    for (int i = 0; i < RANK(t->v); i++)
        if (t->letter[i] == letter)
            return i;
    return -1;
}

/* Puts the axes in the order of `letters` (those the term has), others of size 1. */
static tb_val
in_order(tb_graph *g, const term *t, const int8_t *letters, int n)
{
    int64_t order[TB_MAX_RANK];
    tb_dim d[TB_MAX_RANK];
    int k = 0;

    for (int i = 0; i < n; i++) {
        int ax = find(g, t, letters[i]);

        d[i] = ax < 0 ? 1 : SIZE(t->v, ax);
        if (ax >= 0)
            order[k++] = ax;
    }
    return tb_reshape(g, tb_permute(g, t->v, order), n, d);
}

/* Sums away the axes whose letters nobody needs any more. */
static void
drop(tb_graph *g, term *t, uint64_t needed)
{
    uint32_t axes = 0;
    int k = 0;

    for (int i = 0; i < RANK(t->v); i++) {
        if (needed >> t->letter[i] & 1)
            t->letter[k++] = t->letter[i];
        else
            axes |= 1u << i;
    }
    if (axes)
        t->v = tb_squeeze_axes(g, RSUM(t->v, axes), axes);
}

static tb_dim
common(tb_graph *g, const term *a, const term *b, int letter)
{
    int i = find(g, a, letter), j = find(g, b, letter);
    tb_dim n = i < 0 ? 1 : SIZE(a->v, i);

    return n == 1 && j >= 0 ? SIZE(b->v, j) : n;
}

/* a and b as [batch..., m, k] . [batch..., k, n]; the result has letters batch, m, n. */
static term
contract(tb_opctx *c, term a, term b, uint64_t needed)
{
    tb_graph *g = c->g;
    int8_t batch[NAMES], ms[NAMES], ks[NAMES], ns[NAMES], x[3 * TB_MAX_RANK];
    tb_dim d[TB_MAX_RANK], e[TB_MAX_RANK], r[TB_MAX_RANK], m = 1, k = 1, n = 1;
    unsigned nb = 0, nm = 0, nk = 0, nn = 0;
    tb_unit *u = g->unit;
    tb_val p, q;
    term t;

    for (int l = 0; l < NAMES; l++) {
        bool in_a = find(g, &a, l) >= 0, in_b = find(g, &b, l) >= 0;

        if (in_a && in_b && (needed >> l & 1))
            batch[nb++] = (int8_t)l;
        else if (in_a && in_b)
            ks[nk++] = (int8_t)l;
        else if (in_a)
            ms[nm++] = (int8_t)l;
        else if (in_b)
            ns[nn++] = (int8_t)l;
    }
    if (nb + nm + nn > TB_MAX_RANK || nb + 2 > TB_MAX_RANK)
        tb_body_lacks(c, "a result of more than %d axes", TB_MAX_RANK);
    for (unsigned i = 0; i < nb; i++)
        d[i] = e[i] = r[i] = common(g, &a, &b, batch[i]);
    /* a: [batch, m, k] */
    memcpy(x, batch, nb);
    memcpy(x + nb, ms, nm);
    memcpy(x + nb + nm, ks, nk);
    for (unsigned i = 0; i < nm; i++)
        r[nb + i] = d[nb + i] = common(g, &a, &b, ms[i]), m = tb_dim_mul(u, m, d[nb + i]);
    for (unsigned i = 0; i < nk; i++)
        d[nb + nm + i] = common(g, &a, &b, ks[i]), k = tb_dim_mul(u, k, d[nb + nm + i]);
    p = tb_expand(g, in_order(g, &a, x, (int)(nb + nm + nk)), (int)(nb + nm + nk), d);
    d[nb] = m, d[nb + 1] = k;
    p = tb_reshape(g, p, (int)nb + 2, d);
    /* b: [batch, k, n] */
    memcpy(x + nb, ks, nk);
    memcpy(x + nb + nk, ns, nn);
    for (unsigned i = 0; i < nk; i++)
        e[nb + i] = common(g, &a, &b, ks[i]);
    for (unsigned i = 0; i < nn; i++)
        r[nb + nm + i] = e[nb + nk + i] = common(g, &a, &b, ns[i]),
                    n = tb_dim_mul(u, n, e[nb + nk + i]);
    q = tb_expand(g, in_order(g, &b, x, (int)(nb + nk + nn)), (int)(nb + nk + nn), e);
    e[nb] = k, e[nb + 1] = n;
    q = tb_reshape(g, q, (int)nb + 2, e);
    t.v = tb_reshape(g, tb_dot(g, p, q), (int)(nb + nm + nn), r);
    memcpy(t.letter, batch, nb);
    memcpy(t.letter + nb, ms, nm);
    memcpy(t.letter + nb + nm, ns, nn);
    return t;
}

/* The letters behind "->", or those that occur once, in alphabetical order; of "..." all
 * `wide` axes. */
static int
result_letters(tb_opctx *c, tb_str eq, size_t arrow, int wide, int8_t *out)
{
    int count[LETTERS] = {0}, n = 0;
    bool implied = arrow == eq.len;

    for (size_t i = implied ? 0 : arrow + 2; i < eq.len; i++) {
        bool dots = is_ellipsis(eq, i);

        if (implied && !dots && eq.ptr[i] != ' ' && eq.ptr[i] != ',')
            count[letter_of(c, eq.ptr[i])]++;
        i += dots ? 2 : 0;
        if (implied || eq.ptr[i] == ' ')
            continue;
        if (n + (dots ? wide : 1) > TB_MAX_RANK)
            tb_body_raise(c, "a result of more than %d axes", TB_MAX_RANK);
        if (!dots)
            out[n++] = (int8_t)letter_of(c, eq.ptr[i]);
        for (int k = 0; dots && k < wide; k++)
            out[n++] = (int8_t)(NAMES - wide + k);
    }
    for (int k = 0; implied && k < wide; k++)
        out[n++] = (int8_t)(NAMES - wide + k);
    for (int i = 0; i < LETTERS; i++) { /* upper case sorts first */
        int l = (i + 26) % LETTERS;

        if (count[l] == 1 && n < TB_MAX_RANK)
            out[n++] = (int8_t)l;
    }
    return n;
}

/* From left to right, two operands at a time. */
static tb_val
einsum(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_str eq = tb_body_at(c, 0, 0)->s;
    size_t arrow = eq.len, at = 0;
    uint32_t n_terms = tb_body_n(c, 1);
    term *terms = TB_NEWN(&g->unit->cx->keep, term, n_terms + 1), acc;
    int8_t want[TB_MAX_RANK];
    uint64_t result = 0;
    int n, wide = 0;

    if (n_terms == 0)
        tb_body_raise(c, "expected at least one operand");
    for (size_t i = 0; i + 1 < eq.len; i++)
        if (eq.ptr[i] == '-' && eq.ptr[i + 1] == '>')
            arrow = i;
    for (uint32_t k = 0; k < n_terms; k++) {
        size_t end = at;

        while (end < arrow && eq.ptr[end] != ',')
            end++;
        terms[k] = read_term(c, tb_body_at(c, 1, k)->v, (tb_str){eq.ptr + at, end - at},
                             &wide);
        at = end < arrow ? end + 1 : end;
    }
    n = result_letters(c, eq, arrow, wide, want);
    for (int i = 0; i < n; i++)
        result |= UINT64_C(1) << want[i];
    acc = terms[0];
    for (uint32_t k = 1; k < n_terms; k++) {
        uint64_t later = result;

        for (uint32_t i = k + 1; i < n_terms; i++)
            later |= letters_in(g, &terms[i]);
        /* sum early what only one side has and nobody needs */
        drop(g, &acc, later | letters_in(g, &terms[k]));
        drop(g, &terms[k], later | letters_in(g, &acc));
        acc = contract(c, acc, terms[k], later);
    }
    if (letters_in(g, &acc) & ~result && (tb_dtype_is_int(tb_dtype_of(g, acc.v)) ||
                                          tb_dtype_of(g, acc.v) == TB_BOOL))
        acc.v = CAST(acc.v, TB_I64); /* as torch.sum does */
    drop(g, &acc, result);
    return in_order(g, &acc, want, n);
}

/* Sums over the given axes of both. */
static tb_val
tensordot(tb_opctx *c)
{
    tb_graph *g = c->g;
    term a = {.v = V(0)}, b = {.v = V(1)};
    uint64_t needed = 0;
    int l = 0, n = (int)tb_body_n(c, 2);
    int64_t xs[TB_MAX_RANK], ys[TB_MAX_RANK];
    int8_t want[TB_MAX_RANK];
    int rank = 0;

    tb_body_ints(c, 2, n, xs);
    tb_body_ints(c, 3, n, ys);
    memset(a.letter, -1, sizeof a.letter);
    memset(b.letter, -1, sizeof b.letter);
    for (int i = 0; i < n; i++, l++) {
        a.letter[tb_body_wrap_axis(c, xs[i], RANK(a.v))] = (int8_t)l;
        b.letter[tb_body_wrap_axis(c, ys[i], RANK(b.v))] = (int8_t)l;
    }
    for (int i = 0; i < RANK(a.v); i++)
        if (a.letter[i] < 0)
            want[rank++] = a.letter[i] = (int8_t)l++;
    for (int i = 0; i < RANK(b.v); i++)
        if (b.letter[i] < 0)
            want[rank++] = b.letter[i] = (int8_t)l++;
    for (int i = n; i < l; i++)
        needed |= UINT64_C(1) << i;
    a = contract(c, a, b, needed);
    return in_order(g, &a, want, rank);
}

const tb_op tb_ops_matmul[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"mm(Tensor self, Tensor mat2) -> Tensor",
     TB_KEEP, matmul},
    {"bmm(Tensor self, Tensor mat2) -> Tensor",
     TB_KEEP, matmul},
    {"matmul(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, matmul},
    {"linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
     TB_KEEP, linear},
    {"mv(Tensor self, Tensor vec) -> Tensor",
     TB_KEEP, matmul},
    {"dot(Tensor self, Tensor tensor) -> Tensor",
     TB_KEEP, matmul},
    {"addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) "
     "-> Tensor",
     TB_KEEP, addmm},
    {"addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) "
     "-> Tensor",
     TB_KEEP, addmm},
    {"baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, "
     "Scalar alpha=1) -> Tensor",
     TB_KEEP, addmm},
    {"addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, "
     "Scalar alpha=1) -> Tensor",
     TB_KEEP, addbmm},
    {"outer(Tensor self, Tensor vec2) -> Tensor",
     TB_KEEP, outer},
    {"ger(Tensor self, Tensor vec2) -> Tensor",
     TB_KEEP, outer},
    {"addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) "
     "-> Tensor",
     TB_KEEP, addr},
    {"inner(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, inner},
    {"bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) "
     "-> Tensor",
     TB_KEEP, bilinear},
    {"einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor",
     TB_KEEP, einsum},
    {"tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
     TB_KEEP, tensordot},
    {"mm.dtype(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor",
     TB_KEEP, matmul_dtype},
    {"bmm.dtype(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor",
     TB_KEEP, matmul_dtype},
    {"_int_mm(Tensor self, Tensor mat2) -> Tensor",
     TB_KEEP, int_matmul},
    {"vdot(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, vdot},
    {"linalg_matmul(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, matmul},
    {"linalg_multi_dot(Tensor[] tensors) -> Tensor",
     TB_KEEP, chain},
    {"chain_matmul(Tensor[] matrices) -> Tensor",
     TB_KEEP, chain},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pad.c -- padding of every kind, triangles and diagonals, tensors with a part replaced.
 */
#include "op/body.h"

/* ---- padding: pairs of (before, after), the last axis first ---- */

enum { REFLECT, REPLICATE, CIRCULAR };

/* A piece of n elements along the axis: mirrored, the border repeated, or taken from the
 * other end. */
static tb_val
piece(tb_graph *g, tb_val x, int ax, int mode, bool before, tb_dim n)
{
    tb_unit *u = g->unit;
    tb_dim size = SIZE(x, ax), last = tb_dim_sub(u, size, n), d[TB_MAX_RANK];

    if (mode == CIRCULAR)
        return tb_slice_axis(g, x, ax, before ? last : 0, n, 1);
    if (mode == REFLECT)
        return tb_flip(
            g, tb_slice_axis(g, x, ax, before ? 1 : tb_dim_sub(u, last, 1), n, 1),
            1u << ax);
    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)RANK(x));
    d[ax] = n;
    x = tb_slice_axis(g, x, ax, before ? 0 : tb_dim_sub(u, size, 1), 1, 1);
    return tb_expand(g, x, RANK(x), d);
}

static bool
is_negative(tb_dim d)
{
    return tb_dim_is_const(d) && d < 0;
}

static tb_val
pad_copy(tb_opctx *c, tb_val x, int ax, int mode, tb_dim lo, tb_dim hi)
{
    tb_graph *g = c->g;
    tb_val part[3];
    tb_dim cut_lo = is_negative(lo) ? lo : 0, cut_hi = is_negative(hi) ? hi : 0;
    uint32_t n = 0;

    if (mode == CIRCULAR) /* what goes round is what is left */
        x = tb_body_pad_axis(g, x, ax, cut_lo, cut_hi, 0);
    if (!is_negative(lo) && lo != 0)
        part[n++] = piece(g, x, ax, mode, true, lo);
    part[n++] = x;
    if (!is_negative(hi) && hi != 0)
        part[n++] = piece(g, x, ax, mode, false, hi);
    x = tb_concat(g, part, n, ax);
    return mode == CIRCULAR ? x : tb_body_pad_axis(g, x, ax, cut_lo, cut_hi, 0);
}

static tb_val
pad_mode(tb_opctx *c, int mode)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int n = (int)tb_body_n(c, 1) / 2;
    tb_dim p[2 * TB_MAX_RANK];

    if (n > RANK(x) || tb_body_n(c, 1) % 2)
        tb_body_raise(c, "expected pairs of numbers for at most %d axes, found %u",
                      RANK(x), tb_body_n(c, 1));
    tb_body_dims(c, 1, 2 * n, p);
    for (int i = 0; i < n; i++)
        x = pad_copy(c, x, RANK(x) - 1 - i, mode, p[2 * i], p[2 * i + 1]);
    return x;
}

/* Negative amounts cut off, after the others have been put on: one side may cut into what
 * the other side got. */
static tb_val
pad_constant(tb_opctx *c, tb_val value)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int n = (int)tb_body_n(c, 1) / 2;
    tb_dim p[2 * TB_MAX_RANK], lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};
    tb_dim cut_lo[TB_MAX_RANK] = {0}, cut_hi[TB_MAX_RANK] = {0};

    if (n > RANK(x) || tb_body_n(c, 1) % 2)
        tb_body_raise(c, "expected pairs of numbers for at most %d axes, found %u",
                      RANK(x), tb_body_n(c, 1));
    tb_body_dims(c, 1, 2 * n, p);
    for (int i = 0; i < n; i++) {
        int ax = RANK(x) - 1 - i;

        *(is_negative(p[2 * i]) ? &cut_lo[ax] : &lo[ax]) = p[2 * i];
        *(is_negative(p[2 * i + 1]) ? &cut_hi[ax] : &hi[ax]) = p[2 * i + 1];
    }
    x = tb_pad(g, x, lo, hi, value);
    for (int i = 0; i < RANK(x); i++)
        x = tb_body_pad_axis(g, x, i, cut_lo[i], cut_hi[i], 0);
    return x;
}

static tb_val
constant_pad_nd(tb_opctx *c)
{
    return pad_constant(c, tb_body_promoted(c, 2, tb_dtype_of(c->g, V(0))));
}

static tb_val
reflection_pad(tb_opctx *c)
{
    return pad_mode(c, REFLECT);
}

static tb_val
replication_pad(tb_opctx *c)
{
    return pad_mode(c, REPLICATE);
}

static tb_val
circular_pad(tb_opctx *c)
{
    return pad_mode(c, CIRCULAR);
}

static tb_val
pad(tb_opctx *c)
{
    tb_graph *g = c->g;

    if (tb_body_is(c, 2, "constant"))
        return pad_constant(c, K(V(0), given(c, 3) ? FLOAT(3) : 0));
    if (tb_body_is(c, 2, "reflect"))
        return pad_mode(c, REFLECT);
    if (tb_body_is(c, 2, "replicate"))
        return pad_mode(c, REPLICATE);
    if (!tb_body_is(c, 2, "circular"))
        tb_body_raise(c, "mode is not 'constant', 'reflect', 'replicate' or 'circular'");
    return pad_mode(c, CIRCULAR);
}

/* ---- triangles ---- */

/* column - row of each element of the last two axes: [n, m] */
static tb_val
offsets(tb_graph *g, tb_val x)
{
    int rank = RANK(x);

    return SUB(tb_body_count_up(g, SIZE(x, rank - 1), 2, 1),
               tb_body_count_up(g, SIZE(x, rank - 2), 2, 0));
}

static tb_val
triangle(tb_opctx *c, bool lower)
{
    tb_graph *g = c->g;
    tb_val x = V(0), at, limit;

    if (RANK(x) < 2)
        tb_body_raise(c, "expected rank 2 or more, found %d", RANK(x));
    at = offsets(g, x);
    limit = tb_body_dim(g, DIM(1), TB_I64);
    return WHERE(lower ? LE(at, limit) : LE(limit, at), x, K(x, 0));
}

static tb_val
tril(tb_opctx *c)
{
    return triangle(c, true);
}

static tb_val
triu(tb_opctx *c)
{
    return triangle(c, false);
}

/* ---- diagonals ---- */

/* Moves two axes to the end, in this order. */
static tb_val
to_end(tb_opctx *c, tb_val x, int a, int b)
{
    tb_graph *g = c->g;
    int64_t order[TB_MAX_RANK];
    int n = 0;

    if (a == b)
        tb_body_raise(c, "the two axes must differ");
    for (int i = 0; i < RANK(x); i++)
        if (i != a && i != b)
            order[n++] = i;
    order[n++] = a;
    order[n] = b;
    return tb_permute(g, x, order);
}

/* The diagonal of the last two axes becomes the last axis. */
static tb_val
diagonal_of(tb_opctx *c, tb_val x, int64_t offset)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    int rank = RANK(x);
    int64_t down = offset < 0 ? -offset : 0, right = offset > 0 ? offset : 0;
    tb_dim n = tb_dim_sub(u, SIZE(x, rank - 2), down);
    tb_dim m = tb_dim_sub(u, SIZE(x, rank - 1), right);
    tb_dim k = tb_dim_max(u, tb_dim_min(u, n, m), 0);
    tb_val at[2];

    at[0] = ADD(tb_iota(g, 1, &k, 0), I64(down));
    at[1] = ADD(tb_iota(g, 1, &k, 0), I64(right));
    x = tb_gather(g, x, 3u << (rank - 2), at, 2); /* the diagonal comes first */
    return tb_body_move(g, x, 0, RANK(x) - 1);
}

static tb_val
diagonal(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    x = to_end(c, x, tb_body_axis(c, 2, RANK(x)), tb_body_axis(c, 3, RANK(x)));
    return diagonal_of(c, x, INT(1));
}

/* The last axis of x as a diagonal of two new last axes, zeros beside it. */
static tb_val
embed(tb_opctx *c, tb_val x, int64_t offset)
{
    tb_graph *g = c->g;
    int last = RANK(x) - 1;

    /* as rows: element r - max(-offset, 0) is in row r */
    x = tb_body_pad_axis(g, x, last, offset < 0 ? -offset : 0, offset > 0 ? offset : 0,
                         0);
    x = tb_unsqueeze(g, x, last + 1);
    return WHERE(EQ(SUB(tb_body_count_up(g, SIZE(x, last), 2, 1),
                        tb_body_count_up(g, SIZE(x, last), 2, 0)),
                    I64(offset)),
                 x, K(x, 0));
}

static tb_val
diag_embed(tb_opctx *c)
{
    tb_graph *g = c->g;
    int rank = RANK(V(0)) + 1, a = tb_body_axis(c, 2, rank), b, n = 0;
    int64_t order[TB_MAX_RANK + 1];
    tb_val x;

    b = tb_body_axis(c, 3, rank);
    if (a == b)
        tb_body_raise(c, "the two axes must differ");
    x = embed(c, V(0), INT(1));
    for (int i = 0; i < rank; i++)
        order[i] = i == a ? rank - 2 : i == b ? rank - 1 : n++;
    return tb_permute(g, x, order);
}

static tb_val
diag(tb_opctx *c)
{
    tb_graph *g = c->g;

    if (RANK(V(0)) == 1)
        return embed(c, V(0), INT(1));
    if (RANK(V(0)) != 2)
        tb_body_raise(c, "expected rank 1 or 2, found %d", RANK(V(0)));
    return diagonal_of(c, V(0), INT(1));
}

/* ---- a part replaced ---- */

/* The same as a scatter, which can be written into the memory of x (program/inplace.c). */
static tb_val
overwrite(tb_opctx *c, tb_val x, tb_val part, int ax, tb_dim first, tb_dim count,
          int64_t step)
{
    tb_graph *g = c->g;
    int64_t order[TB_MAX_RANK] = {ax};
    tb_val at = MUL(tb_body_count_up(g, count, 1, 0), I64(step));

    for (int i = 0; i < RANK(x) - 1; i++)
        order[i + 1] = i < ax ? i : i + 1;
    at = ADD(at, tb_body_dim(g, first, TB_I64));
    return tb_scatter(g, x, tb_permute(g, part, order), 1u << ax, 0, &at, 1);
}

/* x is the state of a module, with parts of it replaced. */
static bool
is_state(const tb_graph *g, tb_val x)
{
    while (tb_node_of(g, x)->prim == TB_P_scatter)
        x = tb_in(g, x, 0);
    return tb_node_of(g, x)->prim == TB_P_read;
}

/* x with `part` in place of the elements first, first + step, ... of the axis. */
static tb_val
replace(tb_opctx *c, tb_val x, tb_val part, int ax, tb_dim first, tb_dim count,
        int64_t step)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_dim d[TB_MAX_RANK], size = SIZE(x, ax), behind;
    tb_val piece_[3], at;
    int rank = RANK(x);

    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)rank);
    d[ax] = count;
    part = tb_expand(g, CAST(part, tb_dtype_of(g, x)), rank, d);
    if (count == 0)
        return x;
    if (is_state(g, x))
        return overwrite(c, x, part, ax, first, count, step);
    if (step == 1) {
        behind = tb_dim_add(u, first, count);
        piece_[0] = tb_slice_axis(g, x, ax, 0, first, 1);
        piece_[1] = part;
        piece_[2] = tb_slice_axis(g, x, ax, behind, tb_dim_sub(u, size, behind), 1);
        return tb_concat(g, piece_, 3, ax);
    }
    part = tb_body_dilate(g, part, ax, step);
    behind = tb_dim_sub(u, size, tb_dim_add(u, first, SIZE(part, ax)));
    part = tb_body_pad_axis(g, part, ax, first, behind, 0);
    at = SUB(tb_body_count_up(g, size, rank, ax), tb_body_dim(g, first, TB_I64));
    at = AND(AND(LE(I64(0), at), EQ(REM(at, I64(step)), I64(0))),
             LT(at, tb_body_dim(g, tb_dim_mul(u, count, step), TB_I64)));
    return WHERE(at, part, x);
}

/* (self, src, dim, start, end, step) */
static tb_val
slice_scatter(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = tb_body_axis(c, 2, RANK(x));
    tb_dim first, count;

    tb_body_slice_range(c, SIZE(x, ax), 3, 4, INT(5), &first, &count);
    return replace(c, x, V(1), ax, first, count, INT(5));
}

/* (self, src, dim, index) */
static tb_val
select_scatter(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int ax = tb_body_axis(c, 2, RANK(x));

    return replace(c, x, tb_unsqueeze(g, V(1), ax), ax,
                   tb_body_wrap_dim(c, DIM(3), SIZE(x, ax)), 1, 1);
}

/* (self, src, offset, dim1, dim2) */
static tb_val
diagonal_scatter(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0), src, at;
    int rank = RANK(x), a = tb_body_axis(c, 3, rank), b = tb_body_axis(c, 4, rank), n = 0;
    int64_t offset = INT(2), down = offset < 0 ? -offset : 0, back[TB_MAX_RANK];
    tb_dim rows, behind;

    x = to_end(c, x, a, b);
    if (RANK(V(1)) != rank - 1)
        tb_body_raise(c, "expected a source of rank %d, found %d", rank - 1, RANK(V(1)));
    at = EQ(offsets(g, x), I64(offset));
    rows = SIZE(x, rank - 2);
    /* the element of each row, as a column */
    src = CAST(V(1), tb_dtype_of(g, x));
    behind = tb_dim_sub(u, rows, tb_dim_add(u, SIZE(src, RANK(src) - 1), down));
    src = tb_body_pad_axis(g, src, RANK(src) - 1, down, behind, 0);
    x = WHERE(at, tb_unsqueeze(g, src, RANK(src)), x);
    for (int i = 0; i < rank; i++)
        back[i] = i == a ? rank - 2 : i == b ? rank - 1 : n++;
    return tb_permute(g, x, back);
}

const tb_op tb_ops_pad[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor",
     TB_KEEP, constant_pad_nd},
    {"pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> "
     "Tensor",
     TB_KEEP, pad},
    {"reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
     TB_KEEP, reflection_pad},
    {"reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
     TB_KEEP, reflection_pad},
    {"reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
     TB_KEEP, reflection_pad},
    {"replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
     TB_KEEP, replication_pad},
    {"replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
     TB_KEEP, replication_pad},
    {"replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
     TB_KEEP, replication_pad},
    {"_pad_circular(Tensor self, SymInt[] pad) -> Tensor",
     TB_KEEP, circular_pad},
    {"tril(Tensor self, SymInt diagonal=0) -> Tensor",
     TB_KEEP, tril},
    {"triu(Tensor self, SymInt diagonal=0) -> Tensor",
     TB_KEEP, triu},
    {"diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)",
     TB_KEEP, diagonal},
    {"diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
     TB_KEEP, diagonal},
    {"diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
     TB_KEEP, diag_embed},
    {"diag(Tensor self, int diagonal=0) -> Tensor",
     TB_KEEP, diag},
    {"slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? "
     "end=None, SymInt step=1) -> Tensor",
     TB_KEEP, slice_scatter},
    {"select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor",
     TB_KEEP, select_scatter},
    {"diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) "
     "-> Tensor",
     TB_KEEP, diagonal_scatter},
    {0},
};

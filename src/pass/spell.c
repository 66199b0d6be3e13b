/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * spell.c -- what no schedule takes whole is spelled in simpler primitives: composites in
 * their definition, products of integers as reductions, reductions to few numbers and of
 * windows along rows in two steps.
 *
 * Requires: primitives and composites.   Gives: contractions that contract.c and
 * attention.c accept; everything else is maps, reductions and movement.
 */
#include "op/op.h"
#include "pass/pass.h"

/* Queries shorter than this are not worth a block of columns; longer heads than that do not
 * fit into a worker's scratch. */
enum { MIN_QUERIES = 4, MAX_HEAD = 256 };
enum { MIN_TAPS = 9 }; /* of a window, for two steps */
enum { LARGE_REDUCTION = 1 << 19, TILE_COLUMNS = 256, FEW_TILES = 7, MAX_PARTS = 64 };

/* Attention, what training keeps of it, or its gradients. */
static bool
attention_fits(const tb_graph *g, tb_val v)
{
    int first = tb_node_of(g, v)->prim == TB_P_attention_grad ? TB_GRAD_Q : 0;
    tb_val x = tb_in(g, v, (uint32_t)first), y = tb_in(g, v, (uint32_t)first + 2);
    int r = tb_rank(g, x);
    tb_dim q = tb_dims(g, x)[r - 2], d = tb_dims(g, x)[r - 1], e = tb_dims(g, y)[r - 1];

    return (!tb_dim_is_const(q) || q >= MIN_QUERIES) && tb_dim_is_const(d) &&
           tb_dim_is_const(e) && d > 0 && e > 0 && d <= MAX_HEAD && e <= MAX_HEAD;
}

/* The attention of the same operands that is computed with its sums anyway. */
static tb_val
attention_with_sums(tb_rewrite *rw, tb_val v)
{
    const tb_graph *g = rw->from;
    const tb_node *n = tb_node_of(g, v);

    for (uint32_t id = v.id - 1; id > 0; id--) {
        tb_val x = {id};
        const tb_node *m = tb_node_of(g, x);
        bool same = rw->map[id].id && m->prim == TB_P_attention_lse && m->n_in == n->n_in &&
                    memcmp(tb_attrs(g, x), tb_attrs(g, v), 2 * sizeof(int64_t)) == 0;

        for (uint32_t i = 0; same && i < n->n_in; i++)
            same = tb_in(g, x, i).id == tb_in(g, v, i).id;
        if (same) {
            x = tb_attention_lse_out(rw->to, rw->map[id], tb_image(rw, v, 0),
                                     tb_image(rw, v, 2));
            return tb_cast(rw->to, x, n->dtype);
        }
    }
    return TB_NO_VAL;
}

static tb_val
spell_attention(tb_rewrite *rw, tb_val v, const tb_val *in)
{
    tb_val r = TB_NO_VAL;

    if (tb_node_of(rw->from, v)->prim == TB_P_attention)
        r = attention_with_sums(rw, v);
    return r.id || attention_fits(rw->from, v) ? r
                                               : tb_composite_expand(rw->to, rw->from, v, in);
}

static tb_val
dot_as_reduction(tb_graph *g, tb_val x, tb_val y)
{
    int r = tb_rank(g, x);
    tb_dim dims[TB_MAX_RANK], full[TB_MAX_RANK];
    if (r + 1 > TB_MAX_RANK)
        tb_raise(g->unit->cx, g->loc, TB_UNSUPPORTED, "dot: rank %d is too large", r);
    memcpy(full, tb_dims(g, x), sizeof(tb_dim) * (size_t)(r - 1));
    full[r - 1] = tb_dims(g, y)[r - 1];
    full[r] = tb_dims(g, x)[r - 1];
    memcpy(dims, full, sizeof dims);
    dims[r - 1] = 1;
    tb_val a = tb_expand(g, tb_reshape(g, x, r + 1, dims), r + 1, full);
    tb_val t = tb_transpose(g, y, r - 2, r - 1);
    memcpy(dims, full, sizeof dims);
    dims[r - 2] = 1;
    tb_val b = tb_expand(g, tb_reshape(g, t, r + 1, dims), r + 1, full);
    tb_val p = tb_reduce(g, TB_P_rsum, tb_map2(g, TB_P_mul, a, b), 1u << r);
    return tb_reshape(g, p, r, full);
}

static double
elements(const tb_graph *g, tb_val v)
{
    double n = 1;
    for (int i = 0; i < tb_rank(g, v); i++) {
        if (!tb_dim_is_const(tb_dims(g, v)[i]))
            return 0;
        n *= (double)tb_dims(g, v)[i];
    }
    return n;
}

/* Into how many parts the axis of a reduction is cut, 1 = it is not. A reduction of much to
 * few numbers would be one tile or a few, and one worker's. */
static int64_t
reduction_parts(const tb_graph *g, tb_val v, int axis)
{
    tb_val x = tb_in(g, v, 0);
    int rank = tb_rank(g, x);
    int64_t n = tb_dims(g, x)[axis], parts = MAX_PARTS;
    bool rows = (tb_attrs(g, v)[0] >> (rank - 1)) & 1;
    double tiles = elements(g, v) / (rows ? 1 : TILE_COLUMNS);
    tb_dtype t = tb_dtype_of(g, v);

    if (elements(g, x) < LARGE_REDUCTION || tiles > FEW_TILES || rank + 1 > TB_MAX_RANK ||
        t == TB_F16 || t == TB_BF16)
        return 1;
    while (parts > 1 && (n % parts != 0 || n / parts < 64))
        parts /= 2;
    return parts >= 8 ? parts : 1;
}

/* The longest reduced axis in parts: first each part, then the parts' results. */
static tb_val
reduction_in_parts(tb_graph *g, const tb_graph *from, tb_val v, tb_val x)
{
    uint32_t axes = (uint32_t)tb_attrs(from, v)[0], inner = 0;
    int rank = tb_rank(from, v), longest = -1;
    const tb_dim *d = tb_dims(from, tb_in(from, v, 0));
    tb_dim dims[TB_MAX_RANK + 1];

    if (elements(from, tb_in(from, v, 0)) < LARGE_REDUCTION)
        return TB_NO_VAL;
    for (int i = 0; i < rank; i++)
        if ((axes >> i) & 1 && (longest < 0 || d[i] > d[longest]))
            longest = i;
    int64_t parts = longest < 0 ? 1 : reduction_parts(from, v, longest);
    if (parts == 1)
        return TB_NO_VAL;
    for (int i = 0; i < rank; i++) {
        dims[i + (i > longest)] = d[i];
        if ((axes >> i) & 1)
            inner |= 1u << (i + (i >= longest));
    }
    dims[longest] = parts;
    dims[longest + 1] = d[longest] / parts;
    x = tb_reduce(g, (tb_prim)tb_node_of(from, v)->prim, tb_reshape(g, x, rank + 1, dims), inner);
    x = tb_reduce(g, (tb_prim)tb_node_of(from, v)->prim, x, 1u << longest);
    return tb_reshape(g, x, rank, tb_dims(from, v));
}

/* ---- windows ---- */
/* x with the padding of `pad`, along `axis` only or along all others. */
static tb_val
padded(tb_graph *g, tb_val x, tb_val pad, int axis, bool others)
{
    int rank = tb_rank(g, pad);
    const int64_t *attr = tb_attrs(g, pad);
    tb_dim lo[TB_MAX_RANK] = {0}, hi[TB_MAX_RANK] = {0};
    bool some = false;

    for (int i = 0; i < rank; i++)
        if ((i == axis) != others) {
            lo[i] = attr[i];
            hi[i] = attr[rank + i];
            some = some || lo[i] != 0 || hi[i] != 0;
        }
    return some ? tb_pad(g, x, lo, hi, tb_in(g, pad, 1)) : x;
}

static tb_val
reduced_windows(tb_graph *g, tb_prim fold, tb_val x, tb_val window)
{
    const int64_t *attr = tb_attrs(g, window); /* axis, size, stride, dilation */
    int rank = tb_rank(g, x);
    x = tb_window(g, x, (int)attr[0], attr[1], attr[2], attr[3]);
    return tb_squeeze_axes(g, tb_reduce(g, fold, x, 1u << rank), 1u << rank);
}

/* Windows of size0 x size1 along the last two axes, rows contiguous in memory: first down
 * the columns, where nothing depends on the lanes, then along the rows. Each element is read
 * size0 / stride0 times and the middle ones once per window, instead of size0 * size1 times
 * per window under masks. */
static tb_val
windows_in_steps(tb_graph *g, const tb_graph *from, tb_val v, tb_val x)
{
    tb_prim fold = tb_node_of(from, v)->prim;
    tb_val w1 = x, w0, y;
    tb_dtype t = tb_dtype_of(from, v);
    int rank = tb_rank(g, x) - 2;

    if (rank < 1 || (uint32_t)tb_attrs(from, v)[0] != 3u << rank ||
        tb_node_of(g, w1)->prim != TB_P_window || tb_attrs(g, w1)[0] != rank - 1)
        return TB_NO_VAL;
    w0 = tb_in(g, w1, 0);
    if (tb_node_of(g, w0)->prim != TB_P_window || tb_attrs(g, w0)[0] >= rank - 1 ||
        tb_attrs(g, w0)[1] * tb_attrs(g, w1)[1] < MIN_TAPS)
        return TB_NO_VAL;
    if (fold == TB_P_rsum && (t == TB_F16 || t == TB_BF16))
        return TB_NO_VAL; /* sums of columns would be rounded */
    y = tb_in(g, w0, 0);
    tb_val pad = tb_node_of(g, y)->prim == TB_P_pad ? y : TB_NO_VAL;
    if (pad.id && fold == TB_P_rsum && !tb_is_zero(g, tb_in(g, pad, 1)))
        pad = TB_NO_VAL;
    if (pad.id)
        y = padded(g, tb_in(g, pad, 0), pad, rank - 1, true);
    y = reduced_windows(g, fold, y, w0);
    if (pad.id)
        y = padded(g, y, pad, rank - 1, false);
    y = reduced_windows(g, fold, y, w1);
    return tb_reshape(g, y, rank + 2, tb_dims(from, v));
}

static tb_val
spell(tb_rewrite *rw, tb_val v)
{
    tb_graph *g = rw->to;
    const tb_node *n = tb_node_of(rw->from, v);
    tb_val in[7] = {{0}};

    for (uint32_t i = 0; i < n->n_in && i < TB_COUNT(in); i++)
        in[i] = tb_image(rw, v, i);
    switch ((tb_prim)n->prim) {
    case TB_P_dot:
        if (!tb_dtype_is_float(n->dtype))
            return dot_as_reduction(g, in[0], in[1]);
        return TB_NO_VAL;
    case TB_P_attention:
    case TB_P_attention_lse:
    case TB_P_attention_grad:
        return spell_attention(rw, v, in);
    case TB_P_rsum:
    case TB_P_rmax:
    case TB_P_rmin: {
        tb_val r = windows_in_steps(g, rw->from, v, in[0]);
        return r.id ? r : reduction_in_parts(g, rw->from, v, in[0]);
    }
    case TB_P_conv:
    case TB_P_rand:
        return tb_composite_expand(g, rw->from, v, in);
    case TB_P_conv_nhwc:
        if (tb_dtype_is_float(n->dtype))
            return TB_NO_VAL;
        return tb_composite_expand(g, rw->from, v, in);
    default:
        return TB_NO_VAL;
    }
}

tb_graph *
tb_pass_spell(const tb_graph *in)
{
    tb_graph *g = tb_rewrite_graph(in, spell, NULL);
    return tb_rewrite_graph(g, spell, NULL); /* dots that composites brought in */
}

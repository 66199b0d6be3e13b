/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention.c -- attention, what training keeps of it and its gradients: their typed
 * constructors, and what they mean in primitives (composite.c).
 */
#include <math.h>

#include "graph/internal.h"

/* ---- types ---- */

/* With all axes, those of size 1 to be repeated. */
static tb_val
check_mask(tb_graph *g, const char *what, tb_val mask, int rank, const tb_dim *scores)
{
    tb_dim dims[TB_MAX_RANK];
    int lead = rank - tb_rank(g, mask);

    if (tb_dtype_of(g, mask) != TB_BOOL && !tb_dtype_is_float(tb_dtype_of(g, mask)))
        TB_RAISE(g, "%s: mask: expected i1 or a float dtype, found %s", what,
                 tb_dtype_name(tb_dtype_of(g, mask)));
    if (lead < 0)
        TB_RAISE(g, "%s: mask: expected rank %d, found rank %d", what, rank, tb_rank(g, mask));
    for (int i = 0; i < rank; i++) {
        dims[i] = i < lead ? 1 : tb_dims(g, mask)[i - lead];
        if (dims[i] != 1)
            dims[i] = tb_same_size(g, what, "size of the mask", scores[i], dims[i]);
    }
    return tb_reshape(g, mask, rank, dims);
}

/* Checks q, k, v and the mask, which gets all axes; scores: [b..., q, k]. */
static void
check(tb_graph *g, const char *what, tb_val q, tb_val k, tb_val v, tb_val *mask,
      tb_dim *scores)
{
    int rank = tb_rank(g, q);

    if (rank < 2)
        TB_RAISE(g, "%s: expected rank 2 or more, found rank %d", what, rank);
    tb_expect_rank(g, what, "keys", k, rank);
    tb_expect_rank(g, what, "values", v, rank);
    tb_same_dtype(g, what, q, k);
    tb_same_dtype(g, what, q, v);
    if (!tb_dtype_is_float(tb_dtype_of(g, q)))
        TB_RAISE(g, "%s: not defined for %s", what, tb_dtype_name(tb_dtype_of(g, q)));
    for (int i = 0; i < rank - 2; i++) {
        scores[i] = tb_same_size(g, what, "batch sizes differ", tb_dims(g, q)[i],
                                 tb_dims(g, k)[i]);
        scores[i] =
            tb_same_size(g, what, "batch sizes differ", scores[i], tb_dims(g, v)[i]);
    }
    tb_same_size(g, what, "sizes of queries and keys differ", tb_dims(g, q)[rank - 1],
                 tb_dims(g, k)[rank - 1]);
    tb_same_size(g, what, "numbers of keys and values differ", tb_dims(g, k)[rank - 2],
                 tb_dims(g, v)[rank - 2]);
    scores[rank - 2] = tb_dims(g, q)[rank - 2];
    scores[rank - 1] = tb_dims(g, k)[rank - 2];
    if (mask->id)
        *mask = check_mask(g, what, *mask, rank, scores);
}

static void
set_attrs(int64_t *attr, bool causal, double scale)
{
    attr[0] = causal;
    memcpy(&attr[1], &scale, sizeof scale);
}

tb_val
tb_attention(tb_graph *g, tb_val q, tb_val k, tb_val v, tb_val mask, bool causal,
             double scale)
{
    tb_dim scores[TB_MAX_RANK], dims[TB_MAX_RANK];
    int64_t attr[2];
    int rank = tb_rank(g, q);

    check(g, "attention", q, k, v, &mask, scores);
    memcpy(dims, scores, sizeof *dims * (size_t)(rank - 1));
    dims[rank - 1] = tb_dims(g, v)[rank - 1];
    set_attrs(attr, causal, scale);
    return tb_add(g, TB_P_attention, tb_dtype_of(g, q), rank, dims,
                  (tb_val[]){q, k, v, mask}, mask.id ? 4 : 3, attr, 2);
}

/* Elements of the last two axes. */
static tb_dim
matrix(tb_graph *g, tb_val x)
{
    int rank = tb_rank(g, x);

    return tb_dim_mul(g->unit, tb_dims(g, x)[rank - 2], tb_dims(g, x)[rank - 1]);
}

tb_val
tb_attention_lse(tb_graph *g, tb_val q, tb_val k, tb_val v, tb_val mask, bool causal,
                 double scale)
{
    tb_dim dims[TB_MAX_RANK], n;
    int64_t attr[2];
    int rank = tb_rank(g, q);

    check(g, "attention_lse", q, k, v, &mask, dims);
    n = tb_dim_add(g->unit, tb_dims(g, v)[rank - 1], 1);
    dims[rank - 2] = tb_dim_mul(g->unit, dims[rank - 2], n);
    set_attrs(attr, causal, scale);
    return tb_add(g, TB_P_attention_lse, tb_dtype_wide(tb_dtype_of(g, q)), rank - 1, dims,
                  (tb_val[]){q, k, v, mask}, mask.id ? 4 : 3, attr, 2);
}

/* A piece of the last axis, as the n_own axes `own` in its place. */
static tb_val
piece(tb_graph *g, tb_val all, tb_dim start, const tb_dim *own, int n_own)
{
    tb_dim dims[TB_MAX_RANK], size = 1;
    int lead = tb_rank(g, all) - 1;

    memcpy(dims, tb_dims(g, all), sizeof *dims * (size_t)lead);
    for (int i = 0; i < n_own; i++) {
        dims[lead + i] = own[i];
        size = tb_dim_mul(g->unit, size, own[i]);
    }
    all = tb_slice_axis(g, all, lead, start, size, 1);
    return tb_reshape(g, all, lead + n_own, dims);
}

tb_val
tb_attention_lse_out(tb_graph *g, tb_val all, tb_val q, tb_val v)
{
    int rank = tb_rank(g, q);
    tb_dim own[] = {tb_dims(g, q)[rank - 2], tb_dims(g, v)[rank - 1]};

    return piece(g, all, 0, own, 2);
}

tb_val
tb_attention_lse_sums(tb_graph *g, tb_val all, tb_val q, tb_val v)
{
    int rank = tb_rank(g, q);
    tb_dim n = tb_dims(g, q)[rank - 2];

    return piece(g, all, tb_dim_mul(g->unit, n, tb_dims(g, v)[rank - 1]), &n, 1);
}

tb_val
tb_attention_grad(tb_graph *g, const tb_val at[6], tb_val mask, bool causal, double scale)
{
    const char *what = "attention_grad";
    tb_val q = at[TB_GRAD_Q], k = at[TB_GRAD_K], v = at[TB_GRAD_V], grad = at[TB_GRAD_OUT];
    tb_dim dims[TB_MAX_RANK], n;
    int64_t attr[2];
    tb_val in[7];
    int rank = tb_rank(g, q);

    check(g, what, q, k, v, &mask, dims);
    tb_expect_rank(g, what, "gradient", grad, rank);
    tb_same_dtype(g, what, q, grad);
    tb_same_size(g, what, "sizes of gradient and values differ", tb_dims(g, grad)[rank - 1],
                 tb_dims(g, v)[rank - 1]);
    for (int i = TB_GRAD_LSE; i <= TB_GRAD_ROW; i++) {
        tb_expect_rank(g, what, "numbers of queries", at[i], rank - 1);
        if (tb_dtype_of(g, at[i]) != tb_dtype_wide(tb_dtype_of(g, q)))
            TB_RAISE(g, "%s: expected %s, found %s", what,
                     tb_dtype_name(tb_dtype_wide(tb_dtype_of(g, q))),
                     tb_dtype_name(tb_dtype_of(g, at[i])));
    }
    for (int i = 0; i < rank - 1; i++) {
        tb_same_size(g, what, "sizes of gradient and queries differ", tb_dims(g, grad)[i],
                     dims[i]);
        for (int j = TB_GRAD_LSE; j <= TB_GRAD_ROW; j++)
            tb_same_size(g, what, "sizes of queries differ", tb_dims(g, at[j])[i], dims[i]);
    }
    n = tb_dim_add(g->unit, matrix(g, q), tb_dim_add(g->unit, matrix(g, k), matrix(g, v)));
    dims[rank - 2] = n;
    set_attrs(attr, causal, scale);
    memcpy(in, at, sizeof *in * TB_GRAD_MASK);
    in[TB_GRAD_MASK] = mask;
    return tb_add(g, TB_P_attention_grad, tb_dtype_wide(tb_dtype_of(g, q)), rank - 1, dims, in,
                  mask.id ? 7 : 6, attr, 2);
}

tb_val
tb_attention_grad_of(tb_graph *g, tb_val all, const tb_val at[6], int which)
{
    int rank = tb_rank(g, at[which]);
    tb_dim start = 0;

    for (int i = TB_GRAD_Q; i < which; i++)
        start = tb_dim_add(g->unit, start, matrix(g, at[i]));
    return piece(g, all, start, tb_dims(g, at[which]) + rank - 2, 2);
}

/* ---- meaning ---- */

/* Scores [b..., q, k] where the query may see the key, -inf elsewhere; or plus the mask. */
static tb_val
masked(tb_graph *g, tb_val s, tb_val mask, bool causal)
{
    tb_val never = tb_full_like(g, s, -INFINITY);
    int rank = tb_rank(g, s);

    if (causal) {
        tb_val i = tb_iota(g, rank, tb_dims(g, s), rank - 2);
        tb_val j = tb_iota(g, rank, tb_dims(g, s), rank - 1);

        s = tb_where(g, tb_map2(g, TB_P_le, j, i), s, never);
    }
    if (!mask.id)
        return s;
    mask = tb_expand_like(g, mask, s);
    if (tb_dtype_of(g, mask) == TB_BOOL)
        return tb_where(g, mask, s, never);
    return tb_map2(g, TB_P_add, s, tb_cast(g, mask, tb_dtype_of(g, s)));
}

static tb_val
turned(tb_graph *g, tb_val x)
{
    return tb_transpose(g, x, tb_rank(g, x) - 2, tb_rank(g, x) - 1);
}

/* q k' scale + mask; q and k are wide */
static tb_val
scores(tb_graph *g, const int64_t *attr, tb_val q, tb_val k, tb_val mask)
{
    tb_val s = tb_dot(g, q, turned(g, k)); /* [b..., q, k] */
    double scale;

    memcpy(&scale, &attr[1], sizeof scale);
    s = tb_map2(g, TB_P_mul, s, tb_full_like(g, s, scale));
    return masked(g, s, mask, attr[0] != 0);
}

/* [b..., m, n] -> [b..., m * n] */
static tb_val
flat(tb_graph *g, tb_val x)
{
    tb_dim dims[TB_MAX_RANK];
    int rank = tb_rank(g, x);

    memcpy(dims, tb_dims(g, x), sizeof *dims * (size_t)rank);
    dims[rank - 2] = matrix(g, x);
    return tb_reshape(g, x, rank - 1, dims);
}

/*
 * softmax(q k' scale + mask) v, as PyTorch: a query that may see no key gets zeros, not
 * NaN (at::_safe_softmax), and the causal mask is aligned at the top left.
 */
static tb_val
expand_attention(tb_graph *g, const int64_t *attr, tb_val q, tb_val k, tb_val v, tb_val mask,
                 bool lse)
{
    tb_dtype t = tb_dtype_of(g, q), w = tb_dtype_wide(t);
    int rank = tb_rank(g, q);
    uint32_t keys = 1u << (rank - 1);
    tb_val s = scores(g, attr, tb_cast(g, q, w), tb_cast(g, k, w), mask), top, none, e, sum;

    top = tb_reduce(g, TB_P_rmax, s, keys); /* [b..., q, 1] */
    none = tb_map2(g, TB_P_eq, top, tb_full_like(g, top, -INFINITY));
    top = tb_where(g, none, tb_full_like(g, top, 0), top);
    e = tb_map1(g, TB_P_exp, tb_map2(g, TB_P_sub, s, tb_expand_like(g, top, s)));
    sum = tb_reduce(g, TB_P_rsum, e, keys);
    e = tb_map2(g, TB_P_div, e, tb_expand_like(g, sum, e));
    e = tb_where(g, tb_expand_like(g, none, e), tb_full_like(g, e, 0), e);
    e = tb_dot(g, e, tb_cast(g, v, w));
    if (!lse)
        return tb_cast(g, e, t);
    sum = tb_map2(g, TB_P_add, tb_map1(g, TB_P_log, sum), top);
    return tb_concat(g, (tb_val[]){flat(g, e), flat(g, sum)}, 2, rank - 2);
}

/*
 * With P = exp(scores - lse), 0 where a query sees no key: dV = P' dO,
 * dS = scale * P * (dO V' - row), dQ = dS K, dK = dS' Q. (Dao, "FlashAttention-2", 2023.)
 */
static tb_val
expand_grad(tb_graph *g, const int64_t *attr, const tb_val *in, tb_val mask)
{
    tb_dtype w = tb_dtype_wide(tb_dtype_of(g, in[TB_GRAD_Q]));
    int rank = tb_rank(g, in[TB_GRAD_Q]);
    tb_val x[4], s, p, lse, none, row;
    double scale;

    memcpy(&scale, &attr[1], sizeof scale);
    for (int i = TB_GRAD_OUT; i <= TB_GRAD_V; i++)
        x[i] = tb_cast(g, in[i], w);
    s = scores(g, attr, x[TB_GRAD_Q], x[TB_GRAD_K], mask);
    lse = tb_unsqueeze(g, in[TB_GRAD_LSE], rank - 1);
    none = tb_map2(g, TB_P_eq, lse, tb_full_like(g, lse, -INFINITY));
    lse = tb_where(g, none, tb_full_like(g, lse, 0), lse);
    p = tb_map1(g, TB_P_exp, tb_map2(g, TB_P_sub, s, tb_expand_like(g, lse, s)));
    row = tb_expand_like(g, tb_unsqueeze(g, in[TB_GRAD_ROW], rank - 1), s);
    s = tb_dot(g, x[TB_GRAD_OUT], turned(g, x[TB_GRAD_V]));
    s = tb_map2(g, TB_P_mul, p, tb_map2(g, TB_P_sub, s, row));
    s = tb_map2(g, TB_P_mul, s, tb_full_like(g, s, scale));
    return tb_concat(g,
                     (tb_val[]){flat(g, tb_dot(g, s, x[TB_GRAD_K])),
                                flat(g, tb_dot(g, turned(g, s), x[TB_GRAD_Q])),
                                flat(g, tb_dot(g, turned(g, p), x[TB_GRAD_OUT]))},
                     3, rank - 2);
}

tb_val
tb_expand_attention(tb_graph *g, tb_prim p, const int64_t *attr, const tb_val *in,
                    uint32_t n_in)
{
    if (p == TB_P_attention_grad)
        return expand_grad(g, attr, in, n_in > TB_GRAD_MASK ? in[TB_GRAD_MASK] : TB_NO_VAL);
    return expand_attention(g, attr, in[0], in[1], in[2], n_in > 3 ? in[3] : TB_NO_VAL,
                            p == TB_P_attention_lse);
}

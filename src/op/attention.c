/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention.c -- scaled_dot_product_attention, the names it has inside PyTorch and its
 * gradients. All are the composites of graph/attention.c.
 */
#include "op/body.h"

typedef struct attn {
    tb_val q, k, v; /* [b..., q, d], [b..., k, d], [b..., k, e], the same b */
    tb_val mask;
    bool causal;
    double scale, dropout;
    tb_dtype dtype; /* of the result */
    tb_dim times;   /* query heads for each head of keys and values */
    tb_val factor;  /* by which queries have been multiplied, or NO_VAL */
} attn;

enum { NO_GQA = -1, GQA_IF_FEWER = -2 }; /* instead of an argument's number */

/* [..., h, s, d] -> [..., h * times, s, d]: each head is shared by `times` query heads */
static tb_val
repeat_heads(tb_graph *g, tb_val x, tb_dim times)
{
    tb_dim d[TB_MAX_RANK];
    int rank = RANK(x), h = rank - 3;

    if (times == 1)
        return x;
    x = tb_unsqueeze(g, x, h + 1);
    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)(rank + 1));
    d[h + 1] = times;
    x = tb_expand(g, x, rank + 1, d);
    d[h] = tb_dim_mul(g->unit, d[h], times);
    memmove(d + h + 1, d + h + 2, sizeof *d * 2);
    return tb_reshape(g, x, rank, d);
}

/* Gives q, k and v the same batch axes. */
static void
same_batch(tb_graph *g, attn *a)
{
    tb_val *x[3] = {&a->q, &a->k, &a->v};
    tb_dim d[TB_MAX_RANK];
    int rank = 0;

    for (int i = 0; i < 3; i++)
        rank = RANK(*x[i]) > rank ? RANK(*x[i]) : rank;
    for (int ax = 0; ax < rank - 2; ax++) {
        d[ax] = 1;
        for (int i = 0; i < 3; i++) {
            int k = ax - (rank - RANK(*x[i]));

            if (k >= 0 && SIZE(*x[i], k) != 1 && d[ax] == 1)
                d[ax] = SIZE(*x[i], k);
        }
    }
    for (int i = 0; i < 3; i++) {
        d[rank - 2] = SIZE(*x[i], RANK(*x[i]) - 2);
        d[rank - 1] = SIZE(*x[i], RANK(*x[i]) - 1);
        *x[i] = tb_expand(g, *x[i], rank, d);
    }
}

/* 1 / sqrt(head size). The composite wants a number: where the size is open, queries are
 * multiplied by it, in the precision that the scores have. */
static double
default_scale(tb_graph *g, attn *a)
{
    tb_dim d = SIZE(a->q, RANK(a->q) - 1);

    if (tb_dim_is_const(d))
        return d ? 1 / sqrt((double)d) : 1;
    a->q = tb_body_wide(g, a->q);
    a->k = tb_body_wide(g, a->k);
    a->v = tb_body_wide(g, a->v);
    a->factor = CAST(RSQRT(tb_body_dim(g, d, TB_F64)), tb_dtype_of(g, a->q));
    a->q = MUL(a->q, a->factor);
    return 1;
}

/* Gives keys and values as many heads as there are of queries. */
static void
share_heads(tb_opctx *c, attn *a)
{
    tb_graph *g = c->g;
    tb_dim heads;

    if (RANK(a->q) < 3 || RANK(a->k) < 3 || RANK(a->v) < 3)
        tb_body_raise(c, "enable_gqa needs an axis of heads");
    heads = SIZE(a->q, RANK(a->q) - 3);
    if (SIZE(a->k, RANK(a->k) - 3) == 0 || SIZE(a->v, RANK(a->v) - 3) == 0)
        tb_body_raise(c, "no heads of keys or values");
    a->times = tb_dim_floordiv(g->unit, heads, SIZE(a->k, RANK(a->k) - 3));
    a->k = repeat_heads(g, a->k, a->times);
    a->v = repeat_heads(g, a->v,
                        tb_dim_floordiv(g->unit, heads, SIZE(a->v, RANK(a->v) - 3)));
}

static bool
fewer_heads(tb_opctx *c, const attn *a)
{
    tb_graph *g = c->g;
    int h = RANK(a->q) - 3;

    return h >= 0 && RANK(a->k) == h + 3 && RANK(a->v) == h + 3 &&
           !tb_dim_eq(g->unit, SIZE(a->q, h), SIZE(a->k, h));
}

/* Of arguments from number `first` on; the others are at other places in each schema. */
static attn
read(tb_opctx *c, uint32_t first, int mask, int dropout, int causal, int scale, int gqa)
{
    tb_graph *g = c->g;
    attn a = {.q = V(first), .k = V(first + 1), .v = V(first + 2), .times = 1,
              .dtype = tb_dtype_of(g, V(first))};

    if (RANK(a.q) < 2 || RANK(a.k) < 2 || RANK(a.v) < 2)
        tb_body_raise(c, "expected query, key and value of rank 2 or more");
    a.dropout = dropout >= 0 ? FLOAT((uint32_t)dropout) : 0;
    if (!(a.dropout >= 0 && a.dropout <= 1))
        tb_body_raise(c, "dropout_p must be between 0 and 1");
    a.mask = mask >= 0 ? V((uint32_t)mask) : TB_NO_VAL;
    a.causal = BOOL((uint32_t)causal);
    if (a.causal && a.mask.id)
        tb_body_raise(c, "is_causal does not go with attn_mask");
    a.scale = scale >= 0 && given(c, (uint32_t)scale) ? FLOAT((uint32_t)scale)
                                                      : default_scale(g, &a);
    if (gqa >= 0 ? BOOL((uint32_t)gqa) : gqa == GQA_IF_FEWER && fewer_heads(c, &a))
        share_heads(c, &a);
    same_batch(g, &a);
    return a;
}

/* Scores with masks applied, f32: [b..., q, k]. For results that PyTorch hands out
 * besides the attention itself; they cost nothing while nobody uses them. */
static tb_val
scores(tb_graph *g, const attn *a)
{
    int rank = RANK(a->q);
    tb_val s = tb_dot(g, tb_body_wide(g, a->q),
                      tb_transpose(g, tb_body_wide(g, a->k), rank - 2, rank - 1));

    s = MUL(s, K(s, a->scale));
    if (a->causal) {
        tb_val i = tb_body_count_up(g, SIZE(s, rank - 2), rank, rank - 2);
        tb_val j = tb_body_count_up(g, SIZE(s, rank - 1), rank, rank - 1);

        s = WHERE(LE(j, i), s, K(s, -INFINITY));
    }
    if (!a->mask.id)
        return s;
    if (tb_dtype_of(g, a->mask) == TB_BOOL)
        return WHERE(a->mask, s, K(s, -INFINITY));
    return ADD(s, CAST(a->mask, tb_dtype_of(g, s)));
}

/* softmax of the scores, dropped out where that is asked for: [b..., q, k]. A query that
 * sees no key has zeros. */
static tb_val
weights(tb_graph *g, const attn *a)
{
    tb_val s = scores(g, a), top, none, e, keep;
    uint32_t keys = 1u << (RANK(s) - 1);

    top = RMAX(s, keys);
    none = EQ(top, K(top, -INFINITY));
    e = EXP(SUB(s, WHERE(none, K(top, 0), top)));
    e = WHERE(none, K(e, 0), DIV(e, RSUM(e, keys)));
    return a->dropout != 0 ? tb_body_drop(g, e, a->dropout, &keep) : e;
}

static tb_val
attend(tb_graph *g, const attn *a)
{
    tb_val y;

    if (a->dropout != 0)
        y = tb_dot(g, weights(g, a), tb_body_wide(g, a->v));
    else
        y = tb_attention(g, a->q, a->k, a->v, a->mask, a->causal, a->scale);
    return CAST(y, a->dtype);
}

static tb_val
sdpa(tb_opctx *c)
{
    attn a = read(c, 0, 3, 4, 5, 6, 7);

    return attend(c->g, &a);
}

/* (attention, log of the sum of exponentials of each query's scores [b..., q]); pass/spell.c
 * computes both at once where both are used */
static tb_val
flash_for_cpu(tb_opctx *c)
{
    tb_graph *g = c->g;
    attn a = read(c, 0, 5, 3, 4, 6, GQA_IF_FEWER);
    tb_val all = tb_attention_lse(g, a.q, a.k, a.v, a.mask, a.causal, a.scale);

    if (a.dropout != 0)
        tb_body_lacks(c, "dropout, of which the gradient knows nothing");
    return tb_body_out2(c, attend(g, &a), tb_attention_lse_sums(g, all, a.q, a.v));
}

/* The gradient of `like`, each of whose heads was repeated. */
static tb_val
over_heads(tb_graph *g, tb_val x, tb_val like, tb_dim times)
{
    tb_dim d[TB_MAX_RANK];
    int rank = RANK(x), h = rank - 3;

    if (times != 1) {
        memcpy(d, tb_dims(g, x), sizeof *d * (size_t)rank);
        memmove(d + h + 2, d + h + 1, sizeof *d * 2);
        d[h] = SIZE(like, h);
        d[h + 1] = times;
        x = tb_reshape(g, x, rank + 1, d);
        x = tb_squeeze_axes(g, RSUM(x, 1u << (h + 1)), 1u << (h + 1));
    }
    return CAST(x, tb_dtype_of(g, like));
}

/* (grad_out, query, key, value, out, logsumexp, dropout_p, is_causal, *, attn_mask, scale) */
static tb_val
flash_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    attn a = read(c, 1, 8, 6, 7, 9, GQA_IF_FEWER);
    int last = RANK(a.q) - 1;
    tb_val row, all, dq, at[6] = {CAST(V(0), tb_dtype_of(g, a.q)), a.q, a.k, a.v};

    if (a.dropout != 0)
        tb_body_lacks(c, "dropout inside attention");
    row = RSUM(MUL(tb_body_wide(g, V(0)), tb_body_wide(g, V(4))), 1u << last);
    at[TB_GRAD_ROW] = tb_squeeze_axes(g, row, 1u << last);
    at[TB_GRAD_LSE] = CAST(V(5), tb_dtype_of(g, row));
    all = tb_attention_grad(g, at, a.mask, a.causal, a.scale);
    dq = tb_attention_grad_of(g, all, at, TB_GRAD_Q);
    if (a.factor.id)
        dq = MUL(dq, a.factor);
    return tb_body_out3(
        c, CAST(dq, a.dtype), over_heads(g, tb_attention_grad_of(g, all, at, TB_GRAD_K), V(2), a.times),
        over_heads(g, tb_attention_grad_of(g, all, at, TB_GRAD_V), V(3), a.times));
}

/* (attention, the weights it used) */
static tb_val
math(tb_opctx *c)
{
    tb_graph *g = c->g;
    attn a = read(c, 0, 3, 4, 5, 7, 8);
    tb_val w = weights(g, &a), y;

    y = a.dropout != 0 ? CAST(tb_dot(g, w, tb_body_wide(g, a.v)), a.dtype) : attend(g, &a);
    return tb_body_out2(c, y, CAST(w, a.dtype));
}

const tb_op tb_ops_attention[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, "
     "Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, *, "
     "float? scale=None, bool enable_gqa=False) -> Tensor",
     TB_KEEP, sdpa},
    {"_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, "
     "Tensor value, float dropout_p=0., bool is_causal=False, *, "
     "Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)",
     TB_KEEP, flash_for_cpu},
    {"_scaled_dot_product_flash_attention_for_cpu_backward(Tensor grad_out, "
     "Tensor query, Tensor key, Tensor value, Tensor out, Tensor logsumexp, "
     "float dropout_p, bool is_causal, *, Tensor? attn_mask=None, float? scale=None) "
     "-> (Tensor grad_query, Tensor grad_key, Tensor grad_value)",
     TB_KEEP, flash_backward},
    {"_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, "
     "Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, "
     "Tensor? dropout_mask=None, *, float? scale=None, bool enable_gqa=False) "
     "-> (Tensor, Tensor)",
     TB_KEEP, math},
    {0},
};

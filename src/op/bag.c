/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * bag.c -- embedding bags: rows of a table, summed (averaged, maximised) in groups.
 */
#include "op/body.h"

enum { SUM, MEAN, MAXIMUM };

typedef struct bag {
    tb_val weight, at, offsets, per_sample; /* [rows, width], [n], [bags], [n] */
    int64_t mode, padding;
} bag;

/* Which bag each index belongs to: offsets at or before it, less one. [n] */
static tb_val
bag_of(tb_graph *g, tb_val offsets, tb_dim n)
{
    tb_val at = tb_unsqueeze(g, tb_iota(g, 1, &n, 0), 1), before;

    before = CAST(LE(tb_unsqueeze(g, offsets, 0), at), TB_I64); /* [n, bags] */
    return SUB(tb_squeeze_axes(g, RSUM(before, 2), 2), I64(1));
}

/* (result [bags, width], the bag of each index, how many each bag has) */
static tb_val
pool(tb_opctx *c, bag *b)
{
    tb_graph *g = c->g;
    tb_dim n = SIZE(b->at, 0), bags = SIZE(b->offsets, 0), width = SIZE(b->weight, 1);
    tb_dtype t = tb_dtype_of(g, b->weight);
    tb_val rows, of, used, count, zero_counts, r;
    tb_dim shape[2] = {bags, width};

    b->at = CAST(b->at, TB_I64);
    b->offsets = CAST(b->offsets, TB_I64);
    of = bag_of(g, b->offsets, n);
    used = NE(b->at, I64(b->padding));
    zero_counts = tb_full_i(g, TB_I64, 1, &bags, 0);
    count = tb_scatter(g, zero_counts, CAST(used, TB_I64), 1, 1, &of, 1);
    rows = tb_body_wide(g, tb_gather(g, b->weight, 1, &b->at, 1)); /* [n, width] */
    used = tb_unsqueeze(g, used, 1);
    if (b->mode == MAXIMUM) {
        rows = WHERE(used, rows, K(rows, -INFINITY));
        r = tb_full_f(g, tb_dtype_of(g, rows), 2, shape, -INFINITY);
        r = tb_scatter(g, r, rows, 1, 3, &of, 1);
        r = WHERE(EQ(tb_unsqueeze(g, count, 1), I64(0)), K(r, 0), r);
    } else {
        if (b->per_sample.id)
            rows = MUL(rows,
                       tb_unsqueeze(g, CAST(b->per_sample, tb_dtype_of(g, rows)), 1));
        rows = WHERE(used, rows, K(rows, 0));
        r = tb_full_f(g, tb_dtype_of(g, rows), 2, shape, 0);
        r = tb_scatter(g, r, rows, 1, 1, &of, 1);
        if (b->mode == MEAN)
            r = DIV(r, CAST(tb_unsqueeze(g, MAX(count, I64(1)), 1), tb_dtype_of(g, r)));
    }
    /* the fourth, which row each maximum came from, is for the derivative alone */
    tb_body_out3(c, CAST(r, t), of, count);
    c->out[c->n_out++] = TB_NO_VAL;
    return TB_NO_VAL;
}

/* (weight, indices, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights,
 * include_last_offset, padding_idx) */
static tb_val
with_padding(tb_opctx *c, int64_t padding)
{
    tb_graph *g = c->g;
    bag b = {.weight = V(0), .at = V(1), .offsets = V(2), .per_sample = V(6),
             .mode = INT(4), .padding = padding};
    tb_dim bags;

    if (RANK(b.at) != 1 || RANK(b.offsets) != 1)
        tb_body_raise(c, "expected indices and offsets of rank 1");
    if (BOOL(7)) { /* the last offset only marks the end */
        bags = tb_dim_sub(g->unit, SIZE(b.offsets, 0), 1);
        b.offsets = tb_slice_axis(g, b.offsets, 0, 0, bags, 1);
    }
    if (b.mode < SUM || b.mode > MAXIMUM)
        tb_body_raise(c, "mode %lld is not one of 0 to 2", (long long)b.mode);
    pool(c, &b);
    /* PyTorch leaves out what it does not need: then nobody else may ask for it */
    for (uint32_t i = 1; i < 3 && i < c->call->n_results; i++) {
        const tb_type *want = &c->call->results[i];

        if (want->rank != 1 || (tb_dim_is_const(want->dims[0]) &&
                                tb_dim_is_const(SIZE(c->out[i], 0)) &&
                                want->dims[0] != SIZE(c->out[i], 0)))
            c->out[i] = TB_NO_VAL;
    }
    return TB_NO_VAL;
}

/* -1: no padding */
static tb_val
embedding_bag_raw(tb_opctx *c)
{
    return with_padding(c, INT(8));
}

/* None: no padding; negative numbers count from the end. */
static tb_val
embedding_bag(tb_opctx *c)
{
    tb_graph *g = c->g;
    int64_t padding = given(c, 8) ? INT(8) : -1;

    if (given(c, 8) && padding < 0) {
        if (!tb_dim_is_const(SIZE(V(0), 0)))
            tb_body_lacks(c, "a negative padding_idx for a table of unknown size");
        padding += SIZE(V(0), 0);
    }
    return with_padding(c, padding);
}

const tb_op tb_ops_bag[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool "
     "scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? "
     "per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, "
     "Tensor, Tensor)",
     TB_KEEP, embedding_bag},
    {"embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool "
     "scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, bool "
     "include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)",
     TB_KEEP, embedding_bag},
    {"_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool "
     "scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? "
     "per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> "
     "(Tensor, Tensor, Tensor, Tensor)",
     TB_KEEP, embedding_bag_raw},
    {"_embedding_bag_forward_only(Tensor weight, Tensor indices, Tensor offsets, bool "
     "scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? "
     "per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> "
     "(Tensor, Tensor, Tensor, Tensor)",
     TB_KEEP, embedding_bag_raw},
    {0},
};

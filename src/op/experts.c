/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * experts.c -- what mixtures of experts need: products with a matrix for each group of
 * rows.
 */
#include "op/body.h"

enum { MAX_EXPERTS = 256 };

/*
 * x [rows, k], w [groups, k, n]; rows before offs[0] are of the first group, those before
 * offs[1] of the second ...; rows behind the last are zeros. [rows, n]
 *
 * Sizes of groups are data, and shapes cannot follow data: every group's product is formed
 * for all rows and the right one chosen. That is `groups` times the work of the groups
 * themselves.
 */
static tb_val
by_group(tb_opctx *c, tb_val x, tb_val w, tb_val offs)
{
    tb_graph *g = c->g;
    tb_val row, from = I64(0), r = TB_NO_VAL, y, end;
    tb_dim rows;

    if (RANK(x) != 2 || RANK(w) != 3 || RANK(offs) != 1)
        tb_body_lacks(c, "operands of rank %d, %d and %d", RANK(x), RANK(w), RANK(offs));
    if (!tb_dim_is_const(SIZE(w, 0)) || SIZE(w, 0) < 1 || SIZE(w, 0) > MAX_EXPERTS)
        tb_body_lacks(c, "a number of groups that is not a constant up to %d", MAX_EXPERTS);
    rows = SIZE(x, 0);
    row = tb_unsqueeze(g, tb_iota(g, 1, &rows, 0), 1); /* [rows, 1] */
    offs = CAST(offs, TB_I64);
    for (int64_t i = 0; i < SIZE(w, 0); i++) {
        end = tb_squeeze_axes(g, tb_slice_axis(g, offs, 0, i, 1, 1), 1);
        y = tb_dot(g, x, tb_squeeze_axes(g, tb_slice_axis(g, w, 0, i, 1, 1), 1));
        y = WHERE(AND(LE(from, row), LT(row, end)), y, r.id ? r : K(y, 0));
        r = y;
        from = end;
    }
    return r;
}

static tb_val
grouped_mm_fallback(tb_opctx *c)
{
    return by_group(c, V(0), V(1), V(2));
}

/* (self, mat2, offs, bias, out_dtype): without offs a batched product */
static tb_val
grouped_mm(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), w = V(1), r;

    if (given(c, 3))
        tb_body_lacks(c, "a bias");
    if (given(c, 2))
        r = by_group(c, x, w, V(2));
    else if (RANK(x) == 3 && RANK(w) == 3)
        r = tb_dot(g, x, w);
    else
        tb_body_raise(c, "expected offs");
    return CAST(r, tb_body_dtype(c, 4, tb_dtype_of(g, x)));
}

const tb_op tb_ops_experts[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, "
     "ScalarType? out_dtype=None) -> Tensor",
     TB_KEEP, grouped_mm},
    {"transformers.grouped_mm_fallback(Tensor input, Tensor weight, Tensor offs) -> Tensor",
     TB_KEEP, grouped_mm_fallback},
    {0},
};

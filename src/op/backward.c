/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * backward.c -- backward operators without a family of their own: pools, slices,
 * embeddings. Those of activations, softmax, attention, norms, convolutions, losses and
 * upsampling are with or beside their operators.
 *
 * The adjoint of reading a window at position p with stride s is to add at p * s:
 * elements are spread out by the stride, and one shifted copy for each element of the
 * window is summed. For what does not vary within a window this works axis by axis.
 */
#include "op/upsample.h"

static void
read_sizes(tb_opctx *c, uint32_t i, int rank, tb_dim *out)
{
    if (tb_body_n(c, i) != (uint32_t)rank)
        tb_body_raise(c, "expected %d sizes, found %u", rank, tb_body_n(c, i));
    tb_body_dims(c, i, rank, out);
}

/* Puts x at `from` of an axis of size n, with zeros around it; cuts what does not fit. */
static tb_val
put_at(tb_graph *g, tb_val x, int axis, tb_dim from, tb_dim n)
{
    tb_unit *u = g->unit;
    tb_dim end = tb_dim_add(u, from, SIZE(x, axis));

    x = tb_body_pad_axis(g, x, axis, from, tb_dim_max(u, tb_dim_sub(u, n, end), 0), 0);
    return tb_dim_eq(u, SIZE(x, axis), n) ? x : tb_slice_axis(g, x, axis, 0, n, 1);
}

/* ---- views ---- */

/* (grad_output, input_sizes, dim, index) */
static tb_val
select_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int rank = RANK(x) + 1, axis = tb_body_axis(c, 2, rank);
    tb_dim d[TB_MAX_RANK], at = DIM(3);

    read_sizes(c, 1, rank, d);
    at = tb_body_wrap_dim(c, at, d[axis]);
    return put_at(g, tb_unsqueeze(g, x, axis), axis, at, d[axis]);
}

/* (grad_output, input_sizes, dim, start, end, step) */
static tb_val
slice_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(0);
    int rank = RANK(x), axis = tb_body_axis(c, 2, rank);
    tb_dim d[TB_MAX_RANK], from = DIM(3);

    read_sizes(c, 1, rank, d);
    if (SIZE(x, axis) == 0)
        return tb_full_i(g, tb_dtype_of(g, x), rank, d, 0);
    from = tb_dim_max(u, tb_body_wrap_dim(c, from, d[axis]), 0);
    return put_at(g, tb_body_dilate(g, x, axis, INT(5)), axis, from, d[axis]);
}

/* (grad_output, input_sizes, offset, dim1, dim2): the last axis is the diagonal. */
static tb_val
diagonal_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), i, j;
    int rank = RANK(x) + 1, a = tb_body_axis(c, 3, rank), b = tb_body_axis(c, 4, rank);
    int last = rank - 2, along, other;
    int64_t offset = INT(2);
    tb_dim d[TB_MAX_RANK];

    if (rank < 2 || a == b)
        tb_body_raise(c, "expected a diagonal of two axes");
    read_sizes(c, 1, rank, d);
    /* element k is at (k, k + offset), or (k - offset, k): it lies at `along` = k */
    along = offset >= 0 ? a : b;
    other = offset >= 0 ? b : a;
    x = put_at(g, x, last, 0, d[along]);
    x = tb_unsqueeze(g, tb_body_move(g, x, last, along - (along > other)), other);
    i = tb_body_count_up(g, d[a], rank, a);
    j = tb_body_count_up(g, d[b], rank, b);
    return WHERE(EQ(ADD(i, I64(offset)), j), x, K(x, 0));
}

/* Adds up the parts of x along its last axis (k of them), each shifted by `dilation`. */
static tb_val
fold_windows(tb_graph *g, tb_val x, int axis, int64_t k, int64_t stride, int64_t dilation,
             tb_dim n)
{
    int last = RANK(x) - 1;
    tb_val sum = TB_NO_VAL;

    for (int64_t i = 0; i < k; i++) {
        tb_val y = tb_squeeze_axes(g, tb_slice_axis(g, x, last, i, 1, 1), 1u << last);

        y = put_at(g, tb_body_dilate(g, y, axis, stride), axis, i * dilation, n);
        sum = sum.id ? ADD(sum, y) : y;
    }
    return sum;
}

/* (grad_in, input_sizes, dim, size, step) */
static tb_val
unfold_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    int rank = RANK(x) - 1, axis = tb_body_axis(c, 2, rank);
    tb_dim d[TB_MAX_RANK], full[TB_MAX_RANK];

    read_sizes(c, 1, rank, d);
    if (rank == 0) /* one window of one element, or of none */
        return tb_squeeze_axes(g, RSUM(x, 1), 1);
    memcpy(full, d, sizeof *d * (size_t)rank); /* the other axes may be of size 1 */
    full[axis] = SIZE(x, axis);
    full[rank] = SIZE(x, rank);
    x = tb_expand(g, x, rank + 1, full);
    return fold_windows(g, x, axis, INT(3), INT(4), 1, d[axis]);
}

/* ---- embedding ---- */

/* (grad_output, indices, num_weights, padding_idx, scale_grad_by_freq) */
static tb_val
embedding_dense_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val grad = tb_body_wide(g, V(0)), i = CAST(V(1), TB_I64), r;
    tb_dtype t = tb_dtype_of(g, grad);
    int rank = RANK(i);
    tb_dim d[2] = {DIM(2), SIZE(grad, RANK(grad) - 1)};

    if (BOOL(4)) {
        tb_val n = tb_full_f(g, t, 1, d, 0);

        r = tb_full_f(g, t, rank, tb_dims(g, i), 1);
        n = tb_scatter(g, n, r, 1, 1, &i, 1);
        grad = DIV(grad, tb_unsqueeze(g, tb_gather(g, n, 1, &i, 1), rank));
    }
    if (INT(3) >= 0) {
        r = tb_unsqueeze(g, NE(i, I64(INT(3))), rank);
        grad = WHERE(r, grad, K(grad, 0));
    }
    r = tb_scatter(g, tb_full_f(g, t, 2, d, 0), grad, 1, 1, &i, 1);
    return CAST(r, tb_dtype_of(g, V(0)));
}

/* ---- pools ---- */

/* The first of the n spatial axes, which gradient and input have behind a channel axis. */
static int
first_spatial(tb_opctx *c, int n)
{
    tb_graph *g = c->g;

    if (RANK(V(1)) < n + 1 || RANK(V(0)) != RANK(V(1)))
        tb_body_raise(c, "expected a gradient and an input of rank %d or %d, found %d and %d",
                      n + 1, n + 2, RANK(V(0)), RANK(V(1)));
    return RANK(V(1)) - n;
}

/* Adds each element where its maximum came from: x [.., P...] to [.., spatial]. */
static tb_val
max_pool_backward(tb_opctx *c, int n)
{
    tb_graph *g = c->g;
    tb_val x = V(1), grad = tb_body_wide(g, V(0)), idx[2], r;
    int rank = RANK(x), first = first_spatial(c, n);
    uint32_t spatial = ((1u << n) - 1) << first, others = (1u << first) - 1;
    tb_dim rows = tb_body_count(g, x, others), d[2];

    d[0] = rows, d[1] = tb_body_count(g, grad, spatial);
    grad = tb_reshape(g, grad, 2, d);
    idx[0] = tb_iota(g, 2, d, 0);
    idx[1] = tb_reshape(g, CAST(V(c->n_args - 1), TB_I64), 2, d);
    d[1] = tb_body_count(g, x, spatial);
    r = tb_full_f(g, tb_dtype_of(g, grad), 2, d, 0);
    r = tb_scatter(g, r, grad, 3, 1, idx, 2);
    return CAST(tb_reshape(g, r, rank, tb_dims(g, x)), tb_dtype_of(g, x));
}

static tb_val
max_pool2d_backward(tb_opctx *c)
{
    return max_pool_backward(c, 2);
}

static tb_val
max_pool3d_backward(tb_opctx *c)
{
    return max_pool_backward(c, 3);
}

typedef struct window {
    int64_t k, stride, pad;
} window;

/* How many elements each of n windows over an axis of size `size` counts, I64 [n]. */
static tb_val
window_counts(tb_graph *g, const window *w, tb_dim n, tb_dim size, bool with_pad)
{
    tb_dim reach = tb_dim_add(g->unit, size, w->pad);
    tb_val from = MUL(tb_body_count_up(g, n, 1, 0), I64(w->stride)), to;

    from = SUB(from, I64(w->pad));
    to = MIN(ADD(from, I64(w->k)), tb_body_dim(g, reach, TB_I64));
    if (with_pad)
        return SUB(to, from);
    return SUB(MIN(to, tb_body_dim(g, size, TB_I64)), MAX(from, I64(0)));
}

/* (grad_output, self, kernel_size, stride, padding, ceil_mode, count_include_pad,
 * divisor_override) */
static tb_val
avg_pool_backward(tb_opctx *c, int n)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_val x = V(1), r = tb_body_wide(g, V(0));
    tb_dtype t = tb_dtype_of(g, r);
    int first = first_spatial(c, n);
    int64_t k[TB_MAX_RANK], stride[TB_MAX_RANK], pad[TB_MAX_RANK];

    tb_body_ints(c, 2, n, k);
    memcpy(stride, k, sizeof k);
    if (tb_body_n(c, 3))
        tb_body_ints(c, 3, n, stride);
    tb_body_ints(c, 4, n, pad);
    if (given(c, 7))
        r = DIV(r, K(r, (double)INT(7)));
    for (int i = 0; i < n; i++) {
        int ax = first + i;
        window w = {k[i], stride[i], pad[i]};
        tb_dim size = SIZE(x, ax), n_out = SIZE(r, ax);

        if (!given(c, 7)) {
            tb_val count = window_counts(g, &w, n_out, size, BOOL(6));

            r = DIV(r, tb_body_on_axis(g, CAST(count, t), RANK(r), ax));
        }
        if (w.stride == w.k) { /* windows side by side */
            r = tb_repeat_each(g, r, ax, w.k);
        } else {
            tb_val sum = TB_NO_VAL, y = tb_body_dilate(g, r, ax, w.stride);
            tb_dim len = tb_dim_add(u, SIZE(y, ax), w.k - 1);

            for (int64_t j = 0; j < w.k; j++) {
                tb_val part = put_at(g, y, ax, j, len);

                sum = sum.id ? ADD(sum, part) : part;
            }
            r = sum;
        }
        r = put_at(g, r, ax, 0, tb_dim_add(u, size, w.pad));
        r = tb_slice_axis(g, r, ax, w.pad, size, 1);
    }
    return CAST(r, tb_dtype_of(g, V(0)));
}

static tb_val
avg_pool2d_backward(tb_opctx *c)
{
    return avg_pool_backward(c, 2);
}

static tb_val
avg_pool3d_backward(tb_opctx *c)
{
    return avg_pool_backward(c, 3);
}

/* (grad_output, self): part i of n covers elements floor(i*S/n) to ceil((i+1)*S/n). */
static tb_val
adaptive_avg_backward(tb_opctx *c, int n)
{
    tb_graph *g = c->g;
    tb_val x = V(1), r = tb_body_wide(g, V(0));
    tb_dtype t = tb_dtype_of(g, r);

    for (int ax = first_spatial(c, n); ax < RANK(x); ax++) {
        tb_dim size = SIZE(x, ax), parts = SIZE(r, ax);
        tb_val s = tb_body_dim(g, size, TB_I64), p = tb_body_dim(g, parts, TB_I64), i, w;
        tb_val from, to;

        if (parts == 1) {
            tb_dim d[TB_MAX_RANK];

            memcpy(d, tb_dims(g, r), sizeof *d * (size_t)RANK(r));
            d[ax] = size;
            r = tb_expand(g, DIV(r, tb_body_dim(g, size, t)), RANK(r), d);
            continue;
        }
        i = tb_body_count_up(g, parts, 2, 0);
        from = DIV(MUL(i, s), p);
        to = DIV(ADD(MUL(ADD(i, I64(1)), s), SUB(p, I64(1))), p);
        i = tb_body_count_up(g, size, 2, 1);
        w = CAST(AND(LE(from, i), LT(i, to)), t);
        r = tb_weigh_axis(g, r, ax, DIV(w, CAST(SUB(to, from), t)));
    }
    return CAST(r, tb_dtype_of(g, V(0)));
}

static tb_val
adaptive_avg2d_backward(tb_opctx *c)
{
    return adaptive_avg_backward(c, 2);
}

static tb_val
adaptive_avg3d_backward(tb_opctx *c)
{
    return adaptive_avg_backward(c, 3);
}

/* ---- elementwise ---- */

static tb_val
native_dropout_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val x;

    t = tb_dtype_is_float(t) ? t : TB_F32;
    x = tb_body_wide(g, CAST(V(0), t));
    x = MUL(WHERE(CAST(V(1), TB_BOOL), x, K(x, 0)), K(x, FLOAT(2)));
    return CAST(x, t);
}

/* (grad_output, self, weight); the weight broadcasts, its gradient does not shrink */
static tb_val
prelu_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val grad = V(0), x = V(1), pos = LT(K(x, 0), x);

    return tb_body_out2(c, WHERE(pos, grad, MUL(grad, V(2))),
                        WHERE(pos, K(x, 0), MUL(x, grad)));
}

/* self is a and b side by side, result a * sigmoid(b) */
static tb_val
glu_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(1)), grad = tb_body_wide(g, V(0)), s, r[2];
    int axis = tb_body_axis(c, 2, RANK(x));
    tb_dim half = tb_dim_floordiv(g->unit, SIZE(x, axis), 2);

    s = M1(neg, tb_slice_axis(g, x, axis, half, half, 1));
    s = DIV(K(x, 1), ADD(EXP(s), K(x, 1)));
    r[0] = MUL(grad, s);
    r[1] = MUL(MUL(r[0], SUB(K(s, 1), s)), tb_slice_axis(g, x, axis, 0, half, 1));
    return CAST(tb_concat(g, r, 2, axis), tb_dtype_of(g, V(1)));
}

/* (grad_output, self, eps?): 0 where self was clamped; without eps NaN outside of 0 .. 1 */
static tb_val
logit_backward(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(1)), in, r;
    double eps = given(c, 2) ? FLOAT(2) : 0;

    r = DIV(tb_body_wide(g, V(0)), MUL(x, SUB(K(x, 1), x)));
    in = AND(LE(K(x, eps), x), LE(x, K(x, 1 - eps)));
    return CAST(WHERE(in, r, K(x, given(c, 2) ? 0 : NAN)), tb_dtype_of(g, V(1)));
}

const tb_op tb_ops_backward[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"select_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt index) "
     "-> Tensor",
     TB_KEEP, select_backward},
    {"slice_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt start, "
     "SymInt end, SymInt step) -> Tensor",
     TB_KEEP, slice_backward},
    {"diagonal_backward(Tensor grad_output, SymInt[] input_sizes, int offset, int dim1, "
     "int dim2) -> Tensor",
     TB_KEEP, diagonal_backward},
    {"unfold_backward(Tensor grad_in, SymInt[] input_sizes, int dim, int size, int step) "
     "-> Tensor",
     TB_KEEP, unfold_backward},
    {"embedding_dense_backward(Tensor grad_output, Tensor indices, SymInt num_weights, "
     "SymInt padding_idx, bool scale_grad_by_freq) -> Tensor",
     TB_KEEP, embedding_dense_backward},
    {"max_pool2d_with_indices_backward(Tensor grad_output, Tensor self, "
     "int[2] kernel_size, int[2] stride, int[2] padding, int[2] dilation, "
     "bool ceil_mode, Tensor indices) -> Tensor",
     TB_KEEP, max_pool2d_backward},
    {"max_pool3d_with_indices_backward(Tensor grad_output, Tensor self, "
     "int[3] kernel_size, int[3] stride, int[3] padding, int[3] dilation, "
     "bool ceil_mode, Tensor indices) -> Tensor",
     TB_KEEP, max_pool3d_backward},
    {"fractional_max_pool2d_backward(Tensor grad_output, Tensor self, "
     "int[2] kernel_size, int[2] output_size, Tensor indices) -> Tensor",
     TB_KEEP, max_pool2d_backward},
    {"fractional_max_pool3d_backward(Tensor grad_output, Tensor self, "
     "int[3] kernel_size, int[3] output_size, Tensor indices) -> Tensor",
     TB_KEEP, max_pool3d_backward},
    {"avg_pool2d_backward(Tensor grad_output, Tensor self, int[2] kernel_size, "
     "int[2] stride, int[2] padding, bool ceil_mode, bool count_include_pad, "
     "int? divisor_override) -> Tensor",
     TB_KEEP, avg_pool2d_backward},
    {"avg_pool3d_backward(Tensor grad_output, Tensor self, int[3] kernel_size, "
     "int[3] stride, int[3] padding, bool ceil_mode, bool count_include_pad, "
     "int? divisor_override) -> Tensor",
     TB_KEEP, avg_pool3d_backward},
    {"_adaptive_avg_pool2d_backward(Tensor grad_output, Tensor self) -> Tensor",
     TB_KEEP, adaptive_avg2d_backward},
    {"_adaptive_avg_pool3d_backward(Tensor grad_output, Tensor self) -> Tensor",
     TB_KEEP, adaptive_avg3d_backward},
    {"native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor",
     TB_KEEP, native_dropout_backward},
    {"_prelu_kernel_backward(Tensor grad_output, Tensor self, Tensor weight) -> (Tensor, "
     "Tensor)",
     TB_KEEP, prelu_backward},
    {"glu_backward(Tensor grad_output, Tensor self, int dim) -> Tensor",
     TB_KEEP, glu_backward},
    {"logit_backward(Tensor grad_output, Tensor self, float? eps=None) -> Tensor",
     TB_KEEP, logit_backward},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pool_random.c -- fractional max pooling: maxima of windows at places that a random number
 * of each plane and axis shifts (B. Graham, "Fractional Max-Pooling", 2014).
 */
#include "op/body.h"

/* Windows of a plane: n spatial axes, the last of x. */
typedef struct windows {
    int n, first;
    int64_t k[TB_MAX_RANK], out[TB_MAX_RANK];
} windows;

/* trunc of a step's result, rounded as PyTorch stores it in half types. */
static tb_val
whole(tb_graph *g, tb_val x, tb_dtype t)
{
    return CAST(CAST(x, t), TB_I64);
}

/*
 * Where the windows of an axis begin, I64 [planes, out]: for sample u [planes, 1]
 * trunc((i + u) alpha) - trunc(u alpha), alpha = (size - k) / (out - 1); the last one ends
 * with the axis.
 */
static tb_val
begins(tb_graph *g, tb_val u, tb_dtype t, tb_dim size, int64_t k, int64_t out)
{
    tb_val i = tb_body_count_up(g, out, 2, 1), end, alpha, at;

    end = tb_body_dim(g, tb_dim_sub(g->unit, size, k), TB_I64);
    if (out == 1)
        return ADD(ADD(MUL(CAST(u, TB_I64), I64(0)), i), end);
    alpha = DIV(tb_body_wide(g, CAST(end, t)), tb_body_wide(g, K(CAST(end, t), (double)(out - 1))));
    alpha = tb_body_wide(g, CAST(alpha, t));
    at = tb_body_wide(g, CAST(ADD(CAST(i, tb_dtype_of(g, u)), u), t));
    at = SUB(whole(g, MUL(at, alpha), t), whole(g, MUL(u, alpha), t));
    return WHERE(EQ(i, I64(out - 1)), end, at);
}

/* v [planes, size] as [planes, 1, .., size, .., 1] of the given rank. */
static tb_val
on_axis(tb_graph *g, tb_val v, int rank, int axis)
{
    tb_dim d[TB_MAX_RANK];

    for (int i = 0; i < rank; i++)
        d[i] = i == 0 ? SIZE(v, 0) : i == axis ? SIZE(v, 1) : 1;
    return tb_reshape(g, v, rank, d);
}

/* (self, kernel_size, output_size, random_samples): values, and places in the planes */
static tb_val
fractional(tb_opctx *c, int n)
{
    tb_graph *g = c->g;
    tb_val x = V(0), samples = V(3), sample, index[TB_MAX_RANK], at, best, flat = I64(0);
    tb_dtype t = tb_dtype_of(g, x);
    windows w = {.n = n, .first = RANK(x) - n};
    tb_dim planes, d[TB_MAX_RANK], dims[TB_MAX_RANK];
    int64_t inner = 1, left;
    int axes = n + 2; /* planes, places in the output, place in the window */

    if (w.first < 1 || w.first > 2)
        tb_body_raise(c, "expected rank %d or %d, found %d", n + 1, n + 2, RANK(x));
    if (RANK(samples) != 3)
        tb_body_raise(c, "expected random samples of rank 3, found %d", RANK(samples));
    tb_body_ints(c, 1, n, w.k);
    tb_body_ints(c, 2, n, w.out);
    planes = tb_body_count(g, x, (1u << w.first) - 1);
    for (int i = 0; i < n; i++) {
        tb_dim size = SIZE(x, w.first + i);

        if (w.k[i] < 1 || w.out[i] < 1)
            tb_body_raise(c, "sizes of windows and results must be positive");
        if (tb_dim_is_const(size) && w.out[i] + w.k[i] - 1 > size)
            tb_body_raise(c, "pool axis %d too large relative to input", i);
        inner *= w.k[i];
    }
    memcpy(dims, tb_dims(g, x), sizeof *dims * (size_t)RANK(x));
    d[0] = planes;
    memcpy(d + 1, dims + w.first, sizeof *d * (size_t)n);
    x = tb_reshape(g, x, n + 1, d);
    samples = tb_body_wide(g, CAST(samples, t));
    samples = tb_reshape(g, samples, 2, (tb_dim[]){planes, n});
    left = inner;
    for (int i = 0; i < n; i++) {
        /* in two axes the first sample is of the last */
        sample = tb_slice_axis(g, samples, 1, n == 2 ? 1 - i : i, 1, 1);
        at = begins(g, sample, t, d[i + 1], w.k[i], w.out[i]);
        at = on_axis(g, at, axes, i + 1);
        left /= w.k[i];
        sample = REM(DIV(tb_body_count_up(g, inner, axes, axes - 1), I64(left)), I64(w.k[i]));
        index[i + 1] = ADD(at, sample);
        flat = ADD(MUL(flat, tb_body_dim(g, d[i + 1], TB_I64)), index[i + 1]);
    }
    index[0] = tb_body_count_up(g, planes, axes, 0);
    for (int i = 0; i < n; i++)
        tb_broadcast(g, &index[0], &index[i + 1]);
    for (int i = 1; i <= n; i++)
        index[i] = tb_expand_like(g, index[i], index[0]);
    x = tb_gather(g, x, (2u << n) - 1, index, (uint32_t)n + 1); /* [planes, out..., inner] */
    best = tb_reduce(g, TB_P_argmax, x, 1u << (n + 1));
    x = tb_squeeze_axes(g, RMAX(x, 1u << (n + 1)), 1u << (n + 1));
    flat = tb_body_take_along(g, tb_expand_like(g, flat, index[0]), n + 1, best);
    for (int i = 0; i < n; i++)
        dims[w.first + i] = w.out[i];
    return tb_body_out2(c, tb_reshape(g, x, w.first + n, dims),
                        tb_reshape(g, flat, w.first + n, dims));
}

static tb_val
fractional2d(tb_opctx *c)
{
    return fractional(c, 2);
}

static tb_val
fractional3d(tb_opctx *c)
{
    return fractional(c, 3);
}

const tb_op tb_ops_pool_random[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, "
     "Tensor random_samples) -> (Tensor, Tensor)",
     TB_KEEP, fractional2d},
    {"fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, "
     "Tensor random_samples) -> (Tensor, Tensor)",
     TB_KEEP, fractional3d},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * upsample_backward.c -- how upsampled images change with their source: one axis at a
 * time, the weights that each element of the result gives its neighbours, transposed.
 */
#include "op/upsample.h"

/* [out, in]: what element o of the result takes of each element of the source. */
static tb_val
weights(tb_graph *g, const tb_taps *p, tb_dim in, tb_dtype t)
{
    tb_val i = tb_body_count_up(g, in, 2, 1), sum = TB_NO_VAL;

    for (int k = 0; k < p->n; k++) {
        tb_val at = tb_unsqueeze(g, tb_resize_clamp(g, p->at[k], in), 1);
        tb_val w = tb_unsqueeze(g, CAST(p->w[k], t), 1);

        w = WHERE(EQ(at, i), w, K(w, 0));
        sum = sum.id ? ADD(sum, w) : w;
    }
    return sum;
}

/* The sum of each `times` neighbours. */
static tb_val
sum_parts(tb_graph *g, tb_val x, int axis, tb_dim in, tb_dim times)
{
    tb_dim d[TB_MAX_RANK];
    int rank = RANK(x);

    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)rank);
    memmove(d + axis + 2, d + axis + 1, sizeof *d * (size_t)(rank - axis - 1));
    d[axis] = in;
    d[axis + 1] = times;
    x = RSUM(tb_reshape(g, x, rank + 1, d), 2u << axis);
    return tb_squeeze_axes(g, x, 2u << axis);
}

/* (grad_output, output_size, input_size, corners if `how` has them, scales...) */
static tb_val
backward(tb_opctx *c, int n, tb_resampling how)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_wide(g, V(0));
    tb_resize r = {.n = n, .real = tb_dtype_of(g, x) == TB_F64 ? TB_F64 : TB_F32};
    tb_dim size[TB_MAX_RANK], times;
    bool has_corners = how == TB_LINEAR || how == TB_CUBIC;
    uint32_t scales = has_corners ? 4 : 3;

    if (RANK(x) != n + 2 || tb_body_n(c, 2) != (uint32_t)n + 2)
        tb_body_raise(c, "expected rank %d, found rank %d", n + 2, RANK(x));
    tb_body_dims(c, 1, n, r.out);
    tb_body_dims(c, 2, n + 2, size);
    for (int i = 0; i < n; i++) {
        tb_dim in = size[2 + i];
        tb_taps p;

        if (given(c, scales + (uint32_t)i))
            r.factor[i] = FLOAT(scales + (uint32_t)i);
        if (!has_corners && tb_resize_whole(g->unit, &r, i, in, &times)) {
            x = times == 1 ? x : sum_parts(g, x, 2 + i, in, times);
            continue;
        }
        p = tb_resize_taps(g, &r, i, in, how, has_corners && BOOL(3));
        x = tb_weigh_axis(g, x, 2 + i, weights(g, &p, in, tb_dtype_of(g, x)));
    }
    return CAST(x, tb_dtype_of(g, V(0)));
}

#define BACKWARD(name, n, how)           \
    static tb_val                        \
    name(tb_opctx *c)                    \
    {                                    \
        return backward(c, n, how);      \
    }
BACKWARD(nearest_1d, 1, TB_NEAREST)
BACKWARD(nearest_2d, 2, TB_NEAREST)
BACKWARD(nearest_3d, 3, TB_NEAREST)
BACKWARD(exact_1d, 1, TB_NEAREST_EXACT)
BACKWARD(exact_2d, 2, TB_NEAREST_EXACT)
BACKWARD(exact_3d, 3, TB_NEAREST_EXACT)
BACKWARD(linear_1d, 1, TB_LINEAR)
BACKWARD(linear_2d, 2, TB_LINEAR)
BACKWARD(linear_3d, 3, TB_LINEAR)
BACKWARD(cubic_2d, 2, TB_CUBIC)

#define SIZES_1D "(Tensor grad_output, SymInt[1] output_size, SymInt[3] input_size, "
#define SIZES_2D "(Tensor grad_output, SymInt[2] output_size, SymInt[4] input_size, "
#define SIZES_3D "(Tensor grad_output, SymInt[3] output_size, SymInt[5] input_size, "
#define CORNERS "bool align_corners, "
#define SCALE_1D "float? scales=None) -> Tensor"
#define SCALE_2D "float? scales_h=None, float? scales_w=None) -> Tensor"
#define SCALE_3D \
    "float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor"

const tb_op tb_ops_upsample_backward[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"upsample_nearest1d_backward" SIZES_1D SCALE_1D, TB_KEEP, nearest_1d},
    {"upsample_nearest2d_backward" SIZES_2D SCALE_2D, TB_KEEP, nearest_2d},
    {"upsample_nearest3d_backward" SIZES_3D SCALE_3D, TB_KEEP, nearest_3d},
    {"_upsample_nearest_exact1d_backward" SIZES_1D SCALE_1D, TB_KEEP, exact_1d},
    {"_upsample_nearest_exact2d_backward" SIZES_2D SCALE_2D, TB_KEEP, exact_2d},
    {"_upsample_nearest_exact3d_backward" SIZES_3D SCALE_3D, TB_KEEP, exact_3d},
    {"upsample_linear1d_backward" SIZES_1D CORNERS SCALE_1D, TB_KEEP, linear_1d},
    {"upsample_bilinear2d_backward" SIZES_2D CORNERS SCALE_2D, TB_KEEP, linear_2d},
    {"upsample_trilinear3d_backward" SIZES_3D CORNERS SCALE_3D, TB_KEEP, linear_3d},
    {"upsample_bicubic2d_backward" SIZES_2D CORNERS SCALE_2D, TB_KEEP, cubic_2d},
    {0},
};

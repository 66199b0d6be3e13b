/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * op_b_test.c -- norms, indices, random numbers, losses, images and backward operators,
 * by the reference evaluator. Expected values are PyTorch's.
 */
#include "unit/op_t.h"

static void
norms(void)
{
    GIVES("2x4xf32 = [1, 2, 4, 7, 3, -1, 0, 2]; 4xf32 = [1, 2, 3, -1]; 4xf32 = [0.5, 0, "
          "-1, 2]",
          "layer_norm(%1, [4], %2, %3, 1e-05)",
          "2x4xf32: -0.59109 -1.3093 -0.34535 0.47248 1.7649 -2.5298 -2.8974 1.3675");
    GIVES("2x4xf32 = [1, 2, 4, 7, 3, -1, 0, 2]",
          "native_layer_norm(%1, [4], none, none, 1e-05)",
          "2x4xf32: -1.0911 -0.65465 0.21822 1.5275 1.2649 -1.2649 -0.63245 0.63245; "
          "2x1xf32: 3.5 1; 2x1xf32: 0.43644 0.63245");
    GIVES("2x4xbf16 = [1, 2, 4, 7, 3, -1, 0, 2]",
          "layer_norm(%1, [4])",
          "2x4xbf16: -1.0938 -0.65625 0.21777 1.5312 1.2656 -1.2656 -0.63281 0.63281");
    GIVES("2x4xf32 = [1, 2, 4, 7, 3, -1, 0, 2]; 4xf32 = [1, 2, 3, -1]",
          "rms_norm(%1, [4], %2, 1e-06)",
          "2x4xf32: 0.23905 0.95618 2.8685 -1.6733 1.6036 -1.069 0 -1.069");
    GIVES("2x4xf32 = [1, 2, 4, 7, 3, -1, 0, 2]",
          "_fused_rms_norm(%1, [4], none, 1e-06)",
          "2x4xf32: 0.23905 0.47809 0.95618 1.6733 1.6036 -0.53452 0 1.069; 2x1xf32: "
          "0.23905 0.53452");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]; 2xf32 = [2, -1]; 2xf32 = [0.5, 1]; "
          "2xf32 = [1, 2]; 2xf32 = [4, 0.25]",
          "batch_norm(%1, %2, %3, %4, %5, false, 0.1, 1e-05, false)",
          "1x2x2x2xf32: 0.5 1.5 2.5 4.5 6.9999 4.9999 1 -2.9999");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]; 2xf32 = [1, 2]; 2xf32 = [4, 0.25]",
          "native_batch_norm(%1, none, none, %2, %3, false, 0.1, 1e-05)",
          "1x2x2x2xf32: 0 0.5 1 2 -5.9999 -3.9999 0 3.9999; 0xf32:; 0xf32:");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]; 2xf32 = [2, -1]; 2xf32 = [0.5, 1]",
          "_native_batch_norm_legit.no_stats(%1, %2, %3, true, 0.1, 1e-05)",
          "1x2x2x2xf32: -1.8664 -0.51418 0.83806 3.5425 2.1717 1.6509 0.60943 -0.43208; "
          "2xf32: 2.75 1.25; 2xf32: 0.67612 0.52075");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]; 2xf32 = [2, -1]; 2xf32 = [0.5, 1]; "
          "2xf32 = [1, 2]; 2xf32 = [4, 0.25]",
          "_native_batch_norm_legit_functional(%1, %2, %3, %4, %5, true, 0.25, 1e-05)",
          "1x2x2x2xf32: -1.8664 -0.51418 0.83806 3.5425 2.1717 1.6509 0.60943 -0.43208; "
          "2xf32: 2.75 1.25; 2xf32: 0.67612 0.52075; 2xf32: 1.4375 1.8125; 2xf32: 3.7292 "
          "1.4167");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]; 2xf32 = [2, -1]; 2xf32 = [0.5, 1]",
          "group_norm(%1, 1, %2, %3)",
          "1x2x2x2xf32: -0.56904 0.5 1.569 3.7071 2.6036 2.069 1 -0.069043");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]; 2xf32 = [2, -1]",
          "native_group_norm(%1, %2, none, 1, 2, 4, 2, 1e-05)",
          "1x2x2x2xf32: -2.3664 -1.0142 0.33806 3.0425 1.1717 0.65094 -0.39057 -1.4321; "
          "1x2xf32: 2.75 1.25; 1x2xf32: 0.67612 0.52075");
    GIVES("1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, 4]",
          "instance_norm(%1, none, none, none, none, true, 0.1, 1e-05, false)",
          "1x2x2x2xf32: -1.1832 -0.50709 0.16903 1.5213 -1.1717 -0.65094 0.39057 1.4321");
}

static void
norms_backward(void)
{
    GIVES("2x4xf32 = [1, 0, 2, -1, 0.5, 1, 1, 0]; 2x4xf32 = [1, 2, 4, 7, 3, -1, 0, 2]; "
          "2x1xf32 = [3.5, 1]; 2x1xf32 = [0.5, 0.25]; 4xf32 = [1, 2, 3, -1]; 4xf32 = "
          "[0.5, 0, -1, 2]",
          "native_layer_norm_backward(%1, %2, [4], %3, %4, %5, %6, [true, true, true])",
          "2x4xf32: -0.1875 -0.8125 1.9375 -0.9375 -0.17188 0.10938 0.38281 -0.32031; "
          "4xf32: -1 -0.5 0.25 -1.75; 4xf32: 1.5 1 3 -1");
    GIVES("1x2x2x2xf32 = [1, 0, 2, 1, 0, 1, 1, -1]; 1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, "
          "4]; 2xf32 = [2, -1]; 2xf32 = [1, 2]; 2xf32 = [4, 0.25]; 2xf32 = [0.5, 2]",
          "native_batch_norm_backward(%1, %2, %3, %4, %5, %4, %6, true, 0.0, [true, true, "
          "true])",
          "1x2x2x2xf32: 0 -1.5 0 -2 24.5 14.5 -1.5 -13.5; 2xf32: 4 -8; 2xf32: 4 1");
    GIVES("1x2x2x2xf32 = [1, 0, 2, 1, 0, 1, 1, -1]; 1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, "
          "4]; 2xf32 = [2, -1]; 2xf32 = [1, 2]; 2xf32 = [4, 0.25]; 0xf32 = []; 0xf32 = []",
          "native_batch_norm_backward(%1, %2, %3, %4, %5, %6, %7, false, 0.0, [true, "
          "true, true])",
          "1x2x2x2xf32: 1 0 2 1 -0 -2 -2 2; 2xf32: 4 -8; 2xf32: 4 1");
    GIVES("1x2x2x2xf32 = [1, 0, 2, 1, 0, 1, 1, -1]; 1x2x2x2xf32 = [1, 2, 3, 5, -1, 0, 2, "
          "4]; 1x1xf32 = [2]; 1x1xf32 = [0.5]; 2xf32 = [2, -1]",
          "native_group_norm_backward(%1, %2, %3, %4, %5, 1, 2, 4, 1, [true, true, true])",
          "1x2x2x2xf32: 0.75 -0.4375 1.375 0 0.125 -0.5625 -0.9375 -0.3125; 2xf32: 2 -2; "
          "2xf32: 4 1");
}

static void
reads_by_index(void)
{
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 2x2xi64 = [2, 0, 1, 1]",
          "embedding(%1, %2)",
          "2x2x2xf32: 20 21 0 1 10 11 10 11");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; i32 = [1]",
          "embedding(%1, %2)",
          "2xf32: 10 11");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 2xi64 = [-1, 0]",
          "index.Tensor(%1, [%2])",
          "2x2xf32: 20 21 0 1");
    GIVES("2x3x2xf32 = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]; 2xi64 = [1, 0]; 2xi64 = "
          "[0, 1]",
          "index.Tensor(%1, [%2, none, %3])",
          "2x3xf32: 6 8 10 1 3 5");
    GIVES("2x3x2xf32 = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]; 2xi64 = [2, 0]",
          "index.Tensor(%1, [none, %2])",
          "2x2x2xf32: 4 5 0 1 10 11 6 7");
    GIVES("2x3x2xf32 = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]; 2x1xi64 = [1, 0]; 2xi64 = "
          "[2, -3]",
          "index.Tensor(%1, [%2, %3])",
          "2x2x2xf32: 10 11 6 7 4 5 0 1");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 1xi64 = [1]",
          "index_select(%1, 1, %2)",
          "3x1xf32: 1 11 21");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 1x2xi64 = [2, 1]",
          "gather(%1, 0, %2)",
          "1x2xf32: 20 11");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 3x2xi64 = [1, 1, 0, 1, 1, 0]",
          "gather(%1, 1, %2)",
          "3x2xf32: 1 1 10 11 21 20");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 3x1xi64 = [1, 0, 1]",
          "take_along_dim(%1, %2, 1)",
          "3x1xf32: 1 10 21");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 2xi64 = [-1, 3]",
          "take(%1, %2)",
          "2xf32: 21 11");
    GIVES("2xi64 = [2, 0]", "one_hot(%1, 3)", "2x3xi64: 0 0 1 1 0 0");
    GIVES("4xf32 = [1, 2.5, 9, @nan]; 3xf32 = [1, 2, 3]",
          "bucketize.Tensor(%1, %2)",
          "4xi64: 0 2 3 3");
    GIVES("2xi64 = [1, 2]; 3xi64 = [1, 2, 3]",
          "bucketize.Tensor(%1, %2, true, true)",
          "2xi32: 1 2");
    GIVES("2x3xf32 = [1, 3, 5, 2, 4, 6]; 2x2xf32 = [3, 6, 3, 6]",
          "searchsorted.Tensor(%1, %2)",
          "2x2xi64: 1 3 1 2");
    GIVES("3xf32 = [5, 1, 3]; 1xf32 = [3]; 3xi64 = [1, 2, 0]",
          "searchsorted.Tensor(%1, %2, false, false, \"right\", %3)",
          "1xi64: 2");
    GIVES("3xi64 = [1, 2, 3]; 2xi64 = [3, 1]",
          "isin.Tensor_Tensor(%1, %2)",
          "3xi1: 1 0 1");
    GIVES("2xi64 = [1, 2]", "isin.Tensor_Scalar(%1, 2, false, true)", "2xi1: 1 0");
}

static void
writes_by_index(void)
{
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 1x2xi64 = [2, 0]; 2x2xf32 = [1, 2, 3, 4]",
          "scatter.src(%1, 0, %2, %3)",
          "3x2xf32: 0 2 0 0 1 0");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 2x1xi64 = [1, 0]",
          "scatter.value(%1, 1, %2, 5.0)",
          "3x2xf32: 0 5 5 0 0 0");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 2x2xi64 = [1, 1, 1, 0]; 2x2xf32 = [1, 2, 3, 4]",
          "scatter_add(%1, 0, %2, %3)",
          "3x2xf32: 0 4 4 2 0 0");
    GIVES("3x2xf32 = [0, 1, 10, 11, 20, 21]; 1x2xi64 = [1, 2]; 1x2xf32 = [2, 3]",
          "scatter.reduce(%1, 0, %2, %3, \"multiply\")",
          "3x2xf32: 0 1 20 11 20 63");
    GIVES("3xf32 = [1, 2, 3]; 3xi64 = [0, 0, 2]; 3xf32 = [4, 6, -1]",
          "scatter_reduce.two(%1, 0, %2, %3, \"sum\", true)",
          "3xf32: 11 2 2");
    GIVES("3xf32 = [1, 2, 3]; 3xi64 = [0, 0, 2]; 3xf32 = [4, 6, -1]",
          "scatter_reduce.two(%1, 0, %2, %3, \"prod\", false)",
          "3xf32: 24 2 -1");
    GIVES("3xf32 = [1, 2, 3]; 3xi64 = [0, 0, 2]; 3xf32 = [4, 6, -1]",
          "scatter_reduce.two(%1, 0, %2, %3, \"mean\", true)",
          "3xf32: 3.6667 2 1");
    GIVES("3xf32 = [1, 2, 3]; 3xi64 = [0, 0, 2]; 3xf32 = [4, 6, -1]",
          "scatter_reduce.two(%1, 0, %2, %3, \"amax\", false)",
          "3xf32: 6 2 -1");
    GIVES("3xf32 = [1, 2, 3]; 3xi64 = [0, 0, 2]; 3xf32 = [4, 6, -1]",
          "scatter_reduce.two(%1, 0, %2, %3, \"amin\", true)",
          "3xf32: 1 2 -1");
    GIVES("2xi64 = [1, 2]; 2xi64 = [0, 0]; 2xi64 = [-4, -2]",
          "scatter_reduce.two(%1, 0, %2, %3, \"mean\")",
          "2xi64: -2 2");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 2xi64 = [2, 2]; 2x2xf32 = [1, 2, 3, 4]",
          "index_add(%1, 0, %2, %3, 2)",
          "3x2xf32: 0 0 0 0 8 12");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 1xi64 = [1]; 3x1xf32 = [1, 2, 3]",
          "index_copy(%1, 1, %2, %3)",
          "3x2xf32: 0 1 0 2 0 3");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 1xi64 = [-1]",
          "index_fill.int_Scalar(%1, 0, %2, 4.0)",
          "3x2xf32: 0 0 0 0 4 4");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 2xi64 = [0, -1]; 2x2xf32 = [1, 2, 3, 4]",
          "index_put(%1, [%2], %3)",
          "3x2xf32: 1 2 0 0 3 4");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 2xi64 = [1, 1]; 2xi64 = [0, 0]; 2xf32 = [1, 2]",
          "index_put(%1, [%2, %3], %4, true)",
          "3x2xf32: 0 0 3 0 0 0");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 1xi64 = [1]; f32 = [9]",
          "index_put(%1, [none, %2], %3)",
          "3x2xf32: 0 9 0 9 0 9");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 2xi64 = [0, -1]; 2xf32 = [1, 2]",
          "put(%1, %2, %3)",
          "3x2xf32: 1 0 0 0 0 2");
    GIVES("3x2xf32 = [0, 0, 0, 0, 0, 0]; 3x2xi1 = [1, 0, 0, 1, 1, 1]; 5xf32 = [1, 2, 3, "
          "4, 5]",
          "masked_scatter(%1, %2, %3)",
          "3x2xf32: 1 0 0 2 3 4");
}

static void
losses(void)
{
    GIVES("2xf32 = [1, 2]; 2xf32 = [3, 5]", "mse_loss(%1, %2, 0)", "2xf32: 4 9");
    GIVES("2xf32 = [1, 2]; 2xf32 = [3, 5]", "mse_loss(%1, %2, 1)", "f32: 6.5");
    GIVES("2xf32 = [1, 2]; 2xf32 = [3, 5]", "mse_loss(%1, %2, 2)", "f32: 13");
    GIVES("2xf32 = [0, 4]; 2xf32 = [0.5, 1]", "smooth_l1_loss(%1, %2)", "f32: 1.3125");
    GIVES("2xf32 = [0, 4]; 2xf32 = [0.5, 1]",
          "huber_loss(%1, %2, 0, 2.0)",
          "2xf32: 0.125 4");
    GIVES("2xf32 = [0, 4]; 2xf32 = [0.5, 1]", "l1_loss(%1, %2)", "f32: 1.75");
    GIVES("2xf32 = [-1, -2]; 2xf32 = [0.25, 0]",
          "kl_div(%1, %2, 0)",
          "2xf32: -0.096574 0");
    GIVES("2xf32 = [0.25, 1]; 2xf32 = [1, 0]",
          "binary_cross_entropy(%1, %2, none, 0)",
          "2xf32: 1.3863 100");
    GIVES("3xf32 = [0, 100, -2]; 3xf32 = [1, 0, 1]; 1xf32 = [2]",
          "binary_cross_entropy_with_logits(%1, %2, none, %3, 0)",
          "3xf32: 1.3863 100 4.2539");
    GIVES("2x3xf32 = [-0.5, -1, -2, -3, -0.25, -1]; 2xi64 = [2, 1]; 3xf32 = [1, 2, 3]",
          "nll_loss_forward(%1, %2, %3, 1, -100)",
          "f32: 1.3; f32: 5");
    GIVES("2x3xf32 = [-0.5, -1, -2, -3, -0.25, -1]; 2xi64 = [2, 1]",
          "nll_loss_forward(%1, %2, none, 0, 2)",
          "2xf32: 0 0.25; f32: 0");
    GIVES("f32 = [1]; 2x3xf32 = [-0.5, -1, -2, -3, -0.25, -1]; 2xi64 = [2, 1]; f32 = [1]",
          "nll_loss_backward(%1, %2, %3, none, 1, 2, %4)",
          "2x3xf32: 0 0 0 0 -1 0");
    GIVES("2x3xf32 = [-0.5, -1, -2, -3, -0.25, -1]; 2xi64 = [2, 1]",
          "cross_entropy_loss(%1, %2)",
          "f32: 1.2668");
    GIVES("2x3xf32 = [-0.5, -1, -2, -3, -0.25, -1]; 2xi64 = [2, 1]",
          "cross_entropy_loss(%1, %2, none, 1, -100, 0.5)",
          "f32: 1.3501");
    GIVES("2x3xf32 = [-0.5, -1, -2, -3, -0.25, -1]; 2x3xf32 = [0.5, 0.5, 0, 0, 0, 1]",
          "cross_entropy_loss(%1, %2)",
          "f32: 1.0168");
    GIVES("f32 = [2]; 2xf32 = [1, 2]; 2xf32 = [3, 5]",
          "mse_loss_backward(%1, %2, %3, 1)",
          "2xf32: -4 -6");
    GIVES("f32 = [1]; 2xf32 = [0, 4]; 2xf32 = [0.5, 1]",
          "smooth_l1_loss_backward(%1, %2, %3, 2, 1.0)",
          "2xf32: -0.5 1");
    GIVES("f32 = [1]; 2xf32 = [0, 4]; 2xf32 = [0.5, 1]",
          "huber_loss_backward(%1, %2, %3, 2, 2.0)",
          "2xf32: -0.5 2");
}

static void
images(void)
{
    GIVES("1x1x3xf32 = [1, 2, 4]",
          "upsample_nearest1d(%1, [6])",
          "1x1x6xf32: 1 1 2 2 4 4");
    GIVES("1x1x3xf32 = [1, 2, 4]", "upsample_nearest1d(%1, [5])", "1x1x5xf32: 1 1 2 2 4");
    GIVES("1x1x3xf32 = [1, 2, 4]",
          "_upsample_nearest_exact1d(%1, [2])",
          "1x1x2xf32: 1 4");
    GIVES("1x1x3xf32 = [1, 2, 4]",
          "upsample_nearest1d.vec(%1, none, [1.5])",
          "1x1x4xf32: 1 1 2 4");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]",
          "upsample_nearest2d(%1, [4, 2])",
          "1x1x4x2xf32: 1 2 1 2 3 5 3 5");
    GIVES("1x1x3xf32 = [1, 2, 4]",
          "upsample_linear1d(%1, [6], false)",
          "1x1x6xf32: 1 1.25 1.75 2.5 3.5 4");
    GIVES("1x1x3xf32 = [1, 2, 4]",
          "upsample_linear1d(%1, [5], true)",
          "1x1x5xf32: 1 1.5 2 3 4");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]",
          "upsample_bilinear2d(%1, [3, 3], false)",
          "1x1x3x3xf32: 1 1.5 2 2 2.75 3.5 3 4 5");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]",
          "upsample_bilinear2d.vec(%1, none, true, [2.0, 1.0])",
          "1x1x4x2xf32: 1 2 1.6667 3 2.3333 4 3 5");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]",
          "upsample_bicubic2d(%1, [2, 3], false)",
          "1x1x2x3xf32: 0.91319 1.5 2.0868 2.8264 4 5.1736");
    GIVES("1x1x1x4xf32 = [1, 2, 3, 9]",
          "_upsample_bilinear2d_aa(%1, [1, 2], false)",
          "1x1x1x2xf32: 1.7143 5.4286");
    GIVES("1x1x5xf32 = [1, 2, 3, 4, 5]",
          "upsample_nearest1d_backward(%1, [5], [1, 1, 3])",
          "1x1x3xf32: 3 7 5");
    GIVES("1x1x1x3xf32 = [1, 2, 3]",
          "upsample_bilinear2d_backward(%1, [1, 3], [1, 1, 1, 2], false)",
          "1x1x1x2xf32: 2 4");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]; 1x1x2x2xf32 = [0, 0, -1.5, 0.5]",
          "grid_sampler_2d(%1, %2, 0, 0, false)",
          "1x1x1x2xf32: 2.75 0");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]; 1x1x2x2xf32 = [0, 0, -1.5, 0.5]",
          "grid_sampler_2d(%1, %2, 1, 1, true)",
          "1x1x1x2xf32: 1 3");
    GIVES("1x1x2x2xf32 = [1, 2, 3, 5]; 1x1x2x2xf32 = [0, 0, -1.5, 0.5]",
          "grid_sampler_2d(%1, %2, 0, 2, false)",
          "1x1x1x2xf32: 2.75 3");
    GIVES("1x2x3xf32 = [1, 0, 0.5, 0, 2, 0]",
          "affine_grid_generator(%1, [1, 1, 2, 2], false)",
          "1x2x2x2xf32: 0 -1 1 -1 0 1 1 1");
    GIVES("1x4x1xf32 = [1, 2, 3, 4]", "channel_shuffle(%1, 2)", "1x4x1xf32: 1 3 2 4");
}

static void
other_backward(void)
{
    GIVES("2xf32 = [1, 2]", "select_backward(%1, [3, 2], 0, -1)", "3x2xf32: 0 0 0 0 1 2");
    GIVES("2xf32 = [1, 2]", "slice_backward(%1, [5], 0, 1, 5, 2)", "5xf32: 0 1 0 2 0");
    GIVES("2xf32 = [1, 2]",
          "diagonal_backward(%1, [2, 3], 1, 0, 1)",
          "2x3xf32: 0 1 0 0 0 2");
    GIVES("2x3xf32 = [1, 2, 3, 4, 5, 6]",
          "unfold_backward(%1, [5], 0, 3, 2)",
          "5xf32: 1 2 7 5 6");
    GIVES("3x2xf32 = [1, 2, 3, 4, 5, 6]; 3xi64 = [1, 1, 0]",
          "embedding_dense_backward(%1, %2, 3, 0, true)",
          "3x2xf32: 0 0 2 3 0 0");
    /* all of a window as low as its padding */
    GIVES("1x1x3x3xui8 = [0, 0, 0, 0, 0, 0, 0, 0, 5]",
          "max_pool2d_with_indices(%1, [2, 2], [2, 2], [1, 1], [1, 1], false)",
          "1x1x2x2xui8: 0 0 0 5; 1x1x2x2xi64: 0 1 3 8");
    GIVES("1x1x4x4xui8 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]",
          "max_pool2d_with_indices(%1, [3, 3], [1, 1], [1, 1], [2, 2], false)",
          "1x1x2x2xui8: 5 0 0 0; 1x1x2x2xi64: 15 4 1 0");
    GIVES("1x1x1x2xf32 = [1, 2]; 1x1x1x3xf32 = [1, 9, 2]; 1x1x1x2xi64 = [1, 1]",
          "max_pool2d_with_indices_backward(%1, %2, [1, 2], [1, 1], [0, 0], [1, 1], "
          "false, %3)",
          "1x1x1x3xf32: 0 3 0");
    GIVES("1x1x1x2xf32 = [1, 2]; 1x1x1x3xf32 = [1, 9, 2]",
          "avg_pool2d_backward(%1, %2, [1, 2], [1, 2], [0, 1], false, false, none)",
          "1x1x1x3xf32: 1 1 1");
    GIVES("1x1x1x2xf32 = [1, 2]; 1x1x1x3xf32 = [1, 9, 2]",
          "avg_pool2d_backward(%1, %2, [1, 2], [1, 1], [0, 0], false, true, none)",
          "1x1x1x3xf32: 0.5 1.5 1");
    GIVES("1x1x1x2xf32 = [1, 2]; 1x1x1x3xf32 = [1, 9, 2]",
          "_adaptive_avg_pool2d_backward(%1, %2)",
          "1x1x1x3xf32: 0.5 1.5 1");
    GIVES("2xf32 = [1, 2]; 2xi1 = [1, 0]",
          "native_dropout_backward(%1, %2, 2.0)",
          "2xf32: 2 0");
    GIVES("1xf32 = [2]; 2xf32 = [3, 0]", "glu_backward(%1, %2, 0)", "2xf32: 1 1.5");
}

/* ---- random numbers: the same in every run ---- */

static void
random_numbers(void)
{
    GIVES("", "rand([5])", "5xf32: 0.39313 0.84055 0.046405 0.32783 0.14522");
    GIVES("", "rand([3], 15)", "3xbf16: 0.39062 0.83984 0.042969");
    GIVES("", "randn([4])", "4xf32: 0.83602 0.31597 2.1446 1.4065");
    GIVES("", "randint.low(-3, 3, [8])", "8xi64: -1 2 -3 -2 -3 2 -3 -3");
    GIVES("", "randperm(6)", "6xi64: 2 4 3 0 5 1");
    GIVES("8xf32 = [1, 2, 3, 4, 5, 6, 7, 8]", "native_dropout(%1, 0.5, true)",
          "8xf32: 0 4 0 0 0 12 0 0; 8xi1: 0 1 0 0 0 1 0 0");
    GIVES("2xf32 = [1, 2]", "native_dropout(%1, 0.5, false)", "2xf32: 1 2; 2xi1: 1 1");
    GIVES("2xf32 = [1, 2]", "dropout(%1, 0.5, false)", "2xf32: 1 2");
    GIVES("2xf32 = [1, 2]", "dropout(%1, 1.0, true)", "2xf32: 0 0");
    GIVES("2xf32 = [0, 1]", "bernoulli(%1)", "2xf32: 0 1");
    GIVES("2x3xf32 = [0, 1, 0, 0, 0, 2]", "multinomial(%1, 1)", "2x1xi64: 1 2");
    GIVES("2x3xf32 = [0, 1, 0, 0, 0, 2]", "multinomial(%1, 2, true)", "2x2xi64: 1 1 2 2");
}

/* ---- results as large as the data says ---- */

static void
selections(void)
{
    GIVES("2x3xf32 = [0, 1, 0, 2, 0, 3]", "nonzero(%1)", "3x2xi64: 0 1 1 0 1 2");
    GIVES("2xf32 = [0, 0]", "nonzero(%1)", "0x1xi64:");
    GIVES("f32 = [4]", "nonzero(%1)", "1x0xi64:");
    GIVES("4xf32 = [0, 5, 0, 6]", "nonzero_static(%1, 1)", "1x1xi64: 1");
    GIVES("4xf32 = [0, 5, 0, 6]", "nonzero_static(%1, 3)", "3x1xi64: 1 3 -1");
    GIVES("2x2xf32 = [1, 2, 3, 4]; 2xi1 = [0, 1]", "masked_select(%1, %2)", "2xf32: 2 4");
    GIVES("2x2xf32 = [1, 2, 3, 4]; 2xi1 = [0, 1]", "index.Tensor(%1, [%2])",
          "1x2xf32: 3 4");
    GIVES("5xi64 = [3, 1, 3, 2, 1]", "_unique2(%1, true, true, true)",
          "3xi64: 1 2 3; 5xi64: 2 0 2 1 0; 3xi64: 2 1 2");
    GIVES("4xi64 = [3, 3, 1, 3]", "unique_consecutive(%1, true, true)",
          "3xi64: 3 1 3; 4xi64: 0 0 1 2; 3xi64: 2 1 1");
    GIVES("3x2xi64 = [2, 1, 1, 9, 2, 1]", "unique_dim(%1, 0)",
          "2x2xi64: 1 9 2 1; 3xi64: 1 0 1; 2xi64: 1 2");
    GIVES("2x3xi64 = [2, 2, 1, 0, 0, 5]", "unique_dim_consecutive(%1, 1)",
          "2x2xi64: 2 1 0 5; 3xi64: 0 0 1; 2xi64: 2 1");
    GIVES("3xi64 = [1, 4, 1]", "bincount(%1)", "5xi64: 0 2 0 0 1");
    GIVES("2xi64 = [1, 1]; 2xf32 = [0.5, 2]", "bincount(%1, %2, 3)", "3xf32: 0 2.5 0");
    GIVES("3xi64 = [2, 0, 1]", "repeat_interleave.Tensor(%1)", "3xi64: 0 0 2");
    GIVES("2x4xi64 = [3, 1, 3, 1, 2, 5, 5, 5]", "mode(%1)", "2xi64: 1 5; 2xi64: 3 3");
    GIVES("3xf32 = [7, 2, 2]", "mode(%1, 0, true)", "1xf32: 2; 1xi64: 2");
    GIVES("2xi64 = [7, -7]; 2xi64 = [2, 2]", "floor_divide(%1, %2)", "2xi64: 3 -4");
    FAILS("2xi64 = [7, 1]; 2xi64 = [2, 0]", "floor_divide(%1, %2)", "2xi64:",
          "test.tb:6: ZeroDivisionError");
    FAILS("2xi64 = [7, 1]", "remainder.Scalar(%1, 0)", "2xi64:", "test.tb:4: ZeroDivisionError");
    FAILS("2xi64 = [1, -1]", "bincount(%1)", "2xi64:",
          "test.tb:4: bincount only supports 1-d non-negative integral inputs.");
}

/* ---- what is refused ---- */

static void
refusals(void)
{
    FAILS("2x3xf32 = [1, 2, 3, 4, 5, 6]", "layer_norm(%1, [2])", "2x3xf32:",
          "test.tb:4: aten.layer_norm: normalizes over size 2, but axis 1 has size 3");
    FAILS("1x3x1xf32 = [1, 2, 3]; 3xf32 = [1, 2, 3]",
          "native_batch_norm(%1, none, none, %2, %2, true, 0.1, 1e-05)",
          "1x3x1xf32:; 3xf32:; 3xf32:",
          "test.tb:6: aten.native_batch_norm: running statistics updated in place "
          "(functionalize the program)");
    FAILS("1x3x1xf32 = [1, 2, 3]", "group_norm(%1, 2)", "1x3x1xf32:",
          "test.tb:4: aten.group_norm: 3 channels do not make 2 groups");
    FAILS("2xf32 = [1, 2]; i64 = [5]", "embedding(%1, %2)", "f32:",
          "test.tb:6: %3 = gather: index 5 is out of range for an axis of size 2");
    FAILS("2xf32 = [1, 2]; 2xf32 = [0, 1]", "index.Tensor(%1, [%2])", "2xf32:",
          "test.tb:6: aten.index.Tensor: expected integers or booleans as indices, found f32");
    FAILS("2xf32 = [1, 2]; 1xi64 = [0]", "index.Tensor(%1, [%2, %2])", "1xf32:",
          "test.tb:6: aten.index.Tensor: too many indices for rank 1");
    FAILS("2xf32 = [1, 2]; 1xi64 = [2]; 1xf32 = [0]", "scatter.src(%1, 0, %2, %3)", "2xf32:",
          "test.tb:8: %4 = scatter: index 2 is out of range for an axis of size 2");
    FAILS("2xf32 = [1, 2]; 1xi64 = [2]; 1xf32 = [0]",
          "scatter_reduce.two(%1, 0, %2, %3, \"median\")", "2xf32:",
          "test.tb:8: aten.scatter_reduce.two: expected sum, prod, mean, amax or amin");
    FAILS("2xi64 = [1, 2]", "one_hot(%1)", "2x3xi64:",
          "test.tb:4: aten.one_hot: num_classes left to the values of the tensor");
    FAILS("", "randint(0, [2])", "2xi64:", "test.tb:2: aten.randint: integers of [0, 0)");
    FAILS("1x1x2xi32 = [1, 2]", "upsample_linear1d(%1, [4], false)", "1x1x4xi32:",
          "test.tb:4: aten.upsample_linear1d: interpolation between numbers of type i32");
}

int
main(void)
{
    RUN(norms);
    RUN(norms_backward);
    RUN(reads_by_index);
    RUN(writes_by_index);
    RUN(losses);
    RUN(images);
    RUN(other_backward);
    RUN(random_numbers);
    RUN(selections);
    RUN(refusals);
    return t_done();
}

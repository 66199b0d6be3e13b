/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* conv_test.c -- convolutions and layouts: compiled code against the evaluator. */
#define C_MAX 10
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)

/* ---- convolutions ---- */
typedef struct conv_shape {
    int64_t in, out, groups, kernel, stride, pad, dilation, height, width;
} conv_shape;

static tb_val
conv(tb_val x, const conv_shape *s, tb_val w)
{
    return tb_conv(g, TB_P_conv, x, w, CONST(s->out), 2, s->groups, AXES(s->stride, s->stride),
                   AXES(s->pad, s->pad), AXES(s->pad, s->pad), AXES(s->dilation, s->dilation));
}

static void
conv_case(conv_shape s, bool fixed)
{
    tb_dim n = c_sym("n", 1, 100);
    tb_val x = IN(F32, n, s.in, s.height, s.width);
    tb_val w = fixed ? CONST(s.out, s.in / s.groups, s.kernel, s.kernel)
                     : IN(F32, s.out, s.in / s.groups, s.kernel, s.kernel);
    tb_val y = conv(x, &s, w);
    c_out(M2(max, y, tb_full_like(g, y, 0)));
    c_run((c_case){SIZES({1}, {3}), .tolerance = 1e-5});
}

static void
conv_plain(void)
{
    conv_case((conv_shape){3, 16, 1, 3, 1, 1, 1, 14, 13}, true);
}

/* bf16: runs of channels that are pairs, or not; groups; weights that are inputs. */
static const conv_shape half_shapes[] = {
    {16, 20, 1, 3, 1, 1, 1, 9, 11}, {3, 33, 1, 3, 2, 1, 1, 12, 9}, {17, 64, 1, 1, 1, 0, 1, 9, 7},
    {12, 40, 2, 3, 1, 1, 2, 9, 9},  {6, 10, 1, 5, 1, 2, 1, 8, 8},
};
static size_t half_shape;

static void
conv_bf16(void)
{
    const conv_shape *s = &half_shapes[half_shape];
    tb_val x = IN(BF16, c_sym("n", 1, 100), s->in, s->height, s->width);
    tb_val w = tb_cast(g, CONST(s->out, s->in / s->groups, s->kernel, s->kernel), TB_BF16);
    tb_val given = IN(BF16, s->out, s->in / s->groups, s->kernel, s->kernel);
    tb_val b = tb_cast(g, CONST(s->out), TB_BF16);
    for (int i = 0; i < 2; i++)
        c_out(tb_conv(g, TB_P_conv, x, i ? given : w, b, 2, s->groups, AXES(s->stride, s->stride),
                      AXES(s->pad, s->pad), AXES(s->pad, s->pad), AXES(s->dilation, s->dilation)));
    c_run((c_case){SIZES({1}, {3}), .tolerance = 2e-2});
}

static void
conv_strided(void)
{
    conv_case((conv_shape){8, 70, 1, 3, 2, 1, 1, 14, 13}, true);
}

static void
conv_1x1(void)
{
    conv_case((conv_shape){32, 64, 1, 1, 1, 0, 1, 14, 13}, true);
}

static void
conv_1x1_ragged(void)
{
    conv_case((conv_shape){17, 70, 1, 1, 1, 0, 1, 9, 11}, true);
}

static void
conv_dilated(void)
{
    conv_case((conv_shape){4, 5, 1, 3, 1, 2, 2, 14, 13}, true);
}

static void
conv_groups(void)
{
    conv_case((conv_shape){8, 12, 4, 3, 1, 1, 1, 14, 13}, true);
}

static void
conv_depthwise(void)
{
    conv_case((conv_shape){32, 32, 32, 3, 2, 1, 1, 14, 13}, true);
}

/* Winograd's algorithm: even and odd sizes, several tiles of an image, channels shared by
 * tiles, both layouts of the result. */
static void
winograd_shapes(void)
{
    static const conv_shape shapes[] = {
        {32, 32, 1, 3, 1, 1, 1, 4, 4},   {32, 48, 1, 3, 1, 1, 1, 13, 7},
        {48, 64, 1, 3, 1, 0, 1, 9, 12},  {64, 160, 1, 3, 1, 1, 1, 17, 33},
        {32, 320, 1, 3, 1, 1, 1, 5, 6},
    };
    tb_dim n = c_sym("n", 1, 100);
    for (size_t i = 0; i < TB_COUNT(shapes); i++) {
        const conv_shape *s = &shapes[i];
        c_out(conv(IN(F32, n, s->in, s->height, s->width), s, CONST(s->out, s->in, 3, 3)));
    }
    c_run((c_case){SIZES({1}, {3}), .tolerance = 4e-5});
}

/* Few channels, channels-first at both ends: products with patches. Rows around vectors,
 * strides up to where they gather, weights that are inputs; and a second convolution after
 * the first, which makes that one channels-last. */
static void
patches(void)
{
    static const conv_shape shapes[] = {
        {3, 5, 1, 3, 2, 1, 1, 21, 37},  {3, 70, 1, 4, 4, 0, 1, 67, 131},
        {2, 13, 1, 3, 1, 2, 2, 18, 33}, {17, 70, 1, 1, 1, 0, 1, 24, 27},
        {3, 100, 1, 3, 2, 1, 1, 64, 64},
    };
    tb_dim n = c_sym("n", 1, 100);
    for (size_t i = 0; i < TB_COUNT(shapes); i++) {
        const conv_shape *s = &shapes[i];
        tb_val x = IN(F32, n, s->in, s->height, s->width);
        tb_val w = CONST(s->out, s->in, s->kernel, s->kernel), y = conv(x, s, w);
        c_out(M2(max, y, tb_full_like(g, y, 0)));
    }
    c_run((c_case){SIZES({1}, {3}), .tolerance = 1e-5});
}

static void
patches_of_inputs(void)
{
    conv_shape s = {3, 20, 1, 3, 2, 1, 1, 21, 70}, t = {20, 9, 1, 1, 1, 0, 1, 11, 35};
    tb_val x = IN(F32, 2, 3, 21, 70);
    c_out(conv(x, &s, IN(F32, 20, 3, 3, 3)));
    c_out(conv(conv(x, &s, CONST(20, 3, 3, 3)), &t, CONST(9, 20, 1, 1)));
    c_out(tb_conv(g, TB_P_conv, IN(F32, 2, 5, 77), CONST(6, 5, 3), TB_NO_VAL, 1, 1, AXES(2),
                  AXES(1), AXES(0), AXES(1)));
    c_out(tb_conv(g, TB_P_conv, IN(F64, 1, 7, 5, 9, 19), tb_cast(g, CONST(6, 7, 1, 1, 1), TB_F64),
                  TB_NO_VAL, 3, 1, AXES(1, 1, 1), AXES(0, 0, 0), AXES(0, 0, 0), AXES(1, 1, 1)));
    c_run((c_case){.tolerance = 1e-5});
}

/* Weights that are transformed while the program runs: channels shared by tiles or not, as they
 * follow each other in memory or not. */
static void
winograd_of_inputs(void)
{
    conv_shape s = {80, 96, 1, 3, 1, 1, 1, 9, 11}, t = {64, 48, 1, 3, 1, 0, 1, 17, 12};
    tb_val x = IN(F32, 2, 80, 9, 11), y = IN(F32, 1, 64, 17, 12);
    c_out(conv(x, &s, IN(F32, 96, 80, 3, 3)));
    c_out(conv(x, &s, tb_permute(g, IN(F32, 96, 3, 3, 80), AXES(0, 3, 1, 2))));
    c_out(conv(x, &s, tb_permute(g, tb_flip(g, IN(F32, 80, 96, 3, 3), 12), AXES(1, 0, 2, 3))));
    c_out(conv(y, &t, IN(F32, 48, 64, 3, 3)));
    c_run((c_case){.tolerance = 4e-5});
}

static void
winograd_network(void)
{
    conv_shape s = {32, 32, 1, 3, 1, 1, 1, 11, 16};
    tb_val x = IN(F32, 2, 32, 11, 16), w = CONST(32, 32, 3, 3), y = conv(x, &s, w);
    y = conv(M2(max, y, tb_full_like(g, y, 0)), &s, w);
    c_out(M1(tanh, M2(add, y, x)));
    c_run((c_case){.tolerance = 4e-5});
}

/* Depthwise: widths around a block, channels around a vector, all sorts of windows. */
static void
depthwise_shapes(void)
{
    static const conv_shape shapes[] = {
        {17, 17, 17, 3, 1, 1, 1, 5, 1},    {3, 3, 3, 3, 1, 1, 1, 6, 29},
        {40, 40, 40, 5, 2, 2, 1, 9, 31},   {33, 33, 33, 7, 1, 3, 1, 8, 15},
        {16, 16, 16, 3, 3, 0, 2, 11, 43},  {20, 20, 20, 4, 1, 3, 1, 3, 6},
        {18, 18, 18, 3, 1, 4, 3, 7, 13},
    };
    for (size_t i = 0; i < TB_COUNT(shapes); i++) {
        const conv_shape *s = &shapes[i];
        tb_val x = IN(F32, 2, s->in, s->height, s->width);
        c_out(conv(x, s, CONST(s->out, 1, s->kernel, s->kernel)));
    }
    c_run((c_case){.tolerance = 1e-5});
}

/* Weights that are inputs. Channels-last by what is before, or by themselves: short rows, large
 * windows; weights of other types, one that is computed. */
static void
depthwise_of_inputs(void)
{
    conv_shape t = {20, 20, 20, 4, 1, 3, 1, 3, 6}, v = {33, 33, 33, 7, 1, 3, 1, 8, 15};
    conv_shape s = {24, 24, 24, 3, 1, 1, 1, 12, 30}, first = {3, 24, 1, 3, 1, 1, 1, 12, 30};
    tb_val x = IN(F32, 2, 3, 12, 30), w = IN(F32, 24, 1, 3, 3), y;
    y = conv(conv(x, &first, CONST(24, 3, 3, 3)), &s, M1(tanh, w));
    c_out(M2(max, y, tb_full_like(g, y, 0)));
    c_out(conv(IN(F32, 2, 20, 3, 6), &t, IN(F32, 20, 1, 4, 4)));
    c_out(conv(IN(F32, 2, 33, 8, 15), &v, IN(F32, 33, 1, 7, 7)));
    c_run((c_case){.tolerance = 1e-5});
}

static void
depthwise_types_of_inputs(void)
{
    c_out(tb_conv(g, TB_P_conv, IN(F64, 1, 17, 4, 5, 6), IN(F64, 17, 1, 3, 2, 3), TB_NO_VAL, 3, 17,
                  AXES(1, 1, 2), AXES(1, 0, 1), AXES(0, 1, 1), AXES(1, 2, 1)));
    c_out(tb_conv(g, TB_P_conv, IN(BF16, 1, 20, 9, 9), IN(BF16, 20, 1, 3, 3), TB_NO_VAL, 2, 20,
                  AXES(1, 1), AXES(1, 1), AXES(1, 1), AXES(1, 1)));
    c_run((c_case){.tolerance = 1e-2});
}

/* What follows is computed on the way: little, much, a residual; pads before are taken
 * along, unless they pad with something else or another axis. */
static void
depthwise_network(void)
{
    tb_dim n = c_sym("n", 1, 100);
    conv_shape s = {24, 24, 24, 3, 1, 1, 1, 12, 30}, p = {24, 24, 24, 5, 2, 0, 1, 12, 30};
    tb_val x = IN(F32, n, 24, 12, 30), a, b, c, zero = tb_full_f(g, TB_F32, 0, NULL, 0);
    a = conv(x, &s, CONST(24, 1, 3, 3));
    a = M2(add, M2(max, a, tb_full_like(g, a, 0)), x);
    b = conv(a, &s, CONST(24, 1, 3, 3));
    b = M2(mul, M1(tanh, b), M1(exp, M1(neg, M1(abs, b))));
    c_out(b);
    c = tb_pad(g, b, DIMS(0, 0, 1, 2), DIMS(0, 0, 2, 1), zero);
    c_out(conv(c, &p, CONST(24, 1, 5, 5)));
    c = tb_pad(g, b, DIMS(0, 0, 1, 2), DIMS(0, 0, 2, 1), tb_full_f(g, TB_F32, 0, NULL, 1));
    c_out(conv(c, &p, CONST(24, 1, 5, 5)));
    c_run((c_case){SIZES({1}, {3}), .tolerance = 1e-5});
}

static void
depthwise_other_ranks(void)
{
    tb_val x = IN(F32, 2, 19, 40), y = IN(F32, 1, 17, 4, 5, 6), z = IN(BF16, 1, 20, 9, 9);
    tb_val w = tb_cast(g, CONST(20, 1, 3, 3), TB_BF16);
    c_out(tb_conv(g, TB_P_conv, x, CONST(19, 1, 31), CONST(19), 1, 19, AXES(1), AXES(15),
                  AXES(15), AXES(1)));
    c_out(tb_conv(g, TB_P_conv, y, CONST(17, 1, 3, 2, 3), TB_NO_VAL, 3, 17, AXES(1, 1, 2),
                  AXES(1, 0, 1), AXES(0, 1, 1), AXES(1, 2, 1)));
    c_out(tb_conv(g, TB_P_conv, z, w, TB_NO_VAL, 2, 20, AXES(1, 1), AXES(1, 1), AXES(1, 1),
                  AXES(1, 1)));
    c_run((c_case){.tolerance = 1e-2});
}

static void
conv_runtime_weights(void)
{
    conv_case((conv_shape){6, 10, 2, 3, 1, 1, 1, 14, 13}, false);
}

/* Weights that are inputs, in all orders in which they may lie: as PyTorch has them, channels last,
 * of a transposed convolution, with neighbouring outputs side by side; too far apart for all of
 * these; computed before. Columns and rows that fill vectors and panels, or not. */
static const conv_shape lying_shapes[] = {
    {32, 64, 1, 3, 1, 1, 1, 6, 7},  {20, 70, 1, 3, 2, 1, 1, 9, 8}, {3, 33, 1, 5, 1, 2, 1, 9, 9},
    {37, 130, 1, 1, 1, 0, 1, 5, 5}, {24, 40, 2, 3, 1, 1, 2, 9, 9}, {5, 20, 1, 2, 1, 0, 1, 6, 6},
    {37, 300, 1, 1, 1, 0, 1, 5, 5}, {32, 64, 1, 3, 1, 1, 1, 12, 13},
};
static size_t lying_shape;

static void
conv_lying_weights(void)
{
    const conv_shape *s = &lying_shapes[lying_shape];
    int64_t o = s->out, i = s->in / s->groups, k = s->kernel;
    tb_val x = IN(F32, 2, s->in, s->height, s->width);
    tb_val given[] = {
        IN(F32, o, i, k, k),
        tb_permute(g, IN(F32, o, k, k, i), AXES(0, 3, 1, 2)),
        tb_permute(g, tb_flip(g, IN(F32, i, o, k, k), 12), AXES(1, 0, 2, 3)),
        tb_permute(g, IN(F32, k, i, k, o), AXES(3, 1, 0, 2)),
        tb_permute(g, IN(F32, k, o, i, k), AXES(1, 2, 3, 0)),
        tb_permute(g, tb_reshape(g, IN(F32, k * k * o, i), 4, DIMS(k, k, o, i)), AXES(2, 3, 1, 0)),
        M1(tanh, tb_permute(g, IN(F32, i, o, k, k), AXES(1, 0, 3, 2))),
        tb_slice_axis(g, IN(F32, o, i, k, k + 2), 3, 1, k, 1),
    };
    for (size_t n = 0; n < TB_COUNT(given); n++)
        c_out(conv(x, s, given[n]));
    c_run((c_case){.tolerance = 1e-5, .workers = 1});
}

/* Several chunks of the reduction, and two blocks of rows. */
static void
conv_deep(void)
{
    conv_case((conv_shape){70, 33, 1, 3, 1, 1, 1, 12, 17}, true);
}

/* Channels first on both sides, with what is read in that layout by the epilogue. */
static void
conv_residual(void)
{
    conv_shape s = {20, 20, 1, 3, 1, 1, 1, 9, 10};
    tb_val x = IN(F32, 2, 20, 9, 10), scale = IN(F32, 20, 1, 1), y;
    y = conv(x, &s, CONST(20, 20, 3, 3));
    y = M2(mul, y, tb_expand(g, scale, 4, tb_dims(g, y)));
    c_out(M1(tanh, M2(add, y, x)));
    c_run((c_case){.tolerance = 1e-5});
}

/* ---- products stored along rows ---- */
static void
dot_transposed_result(void)
{
    tb_dim n = c_sym("n", 16, 300);
    tb_val x = IN(F32, 70, 37), y = IN(F32, n, 40), z = IN(F32, 3, 33, 9);
    c_out(tb_permute(g, tb_dot(g, x, CONST(37, 21)), AXES(1, 0)));
    c_out(M1(neg, tb_permute(g, tb_dot(g, y, CONST(40, 65)), AXES(1, 0))));
    c_out(tb_permute(g, tb_dot(g, z, IN(F32, 3, 9, 18)), AXES(2, 0, 1)));
    c_run((c_case){SIZES({16}, {100}, {193}), .tolerance = 1e-5});
}

/* ---- copies between layouts ---- */
static void
turned_copies(void)
{
    tb_val x = IN(F32, 2, 40, 5, 7), y = IN(F32, 33, 16), z = IN(I64, 21, 3, 18);
    tb_val h = IN(BF16, 17, 64), b = IN(I8, 2, 19, 30), m = IN(BOOL, 20, 20);
    c_out(tb_permute(g, x, AXES(0, 2, 3, 1)));
    c_out(tb_permute(g, y, AXES(1, 0)));
    c_out(tb_permute(g, z, AXES(2, 1, 0)));
    c_out(tb_permute(g, h, AXES(1, 0)));
    c_out(tb_permute(g, b, AXES(0, 2, 1)));
    c_out(tb_permute(g, m, AXES(1, 0)));
    c_run((c_case){.tolerance = 0});
}

/* Computed on the way: few instructions, many, other operands in either layout. */
static void
turned_maps(void)
{
    tb_dim n = c_sym("n", 1, 50), m = c_sym("m", 16, 200);
    tb_val x = IN(F32, n, m, 20), y = IN(F32, n, 20, m), w = IN(F32, m), t;
    t = tb_permute(g, x, AXES(0, 2, 1));
    c_out(M2(mul, t, tb_expand(g, w, 3, tb_dims(g, t))));
    c_out(M1(tanh, M2(add, M1(exp, t), M1(exp, M2(mul, t, t)))));
    c_out(M2(add, t, y));
    c_run((c_case){SIZES({1, 16}, {3, 17}, {2, 90}, {2, 128}), .tolerance = 1e-5});
}

static void
turned_pad_and_slice(void)
{
    tb_val x = IN(F32, 2, 20, 18, 17), p, s, zero = tb_full_f(g, TB_F32, 0, NULL, 0);
    p = tb_permute(g, x, AXES(0, 2, 3, 1));
    c_out(tb_pad(g, p, DIMS(0, 1, 2, 0), DIMS(0, 1, 1, 0), zero));
    c_out(tb_pad(g, p, DIMS(0, 0, 0, 3), DIMS(0, 0, 0, 9), tb_full_f(g, TB_F32, 0, NULL, 2)));
    s = tb_slice_axis(g, x, 3, 1, 16, 1);
    c_out(tb_permute(g, s, AXES(0, 2, 3, 1)));
    c_out(tb_permute(g, tb_flip(g, x, 8), AXES(0, 2, 3, 1)));
    c_run((c_case){.tolerance = 0});
}

/* 3x3 weights whose channel axes change places: the window goes inside the loop over the lanes. */
static void
near_axes(void)
{
    tb_dim n = c_sym("n", 1, 80);
    tb_val w = IN(F32, n, 5, 3, 3), x = IN(F32, 37, 4, 2, 3), y = IN(F64, 20, 6, 3, 2), t;
    c_out(tb_permute(g, tb_flip(g, w, 12), AXES(1, 2, 3, 0)));
    t = tb_permute(g, tb_flip(g, x, 8), AXES(1, 2, 3, 0));
    c_out(M2(add, M1(exp, t), IN(F32, 4, 2, 3, 37)));
    c_out(tb_permute(g, tb_flip(g, y, 12), AXES(1, 2, 3, 0)));
    c_out(tb_permute(g, tb_flip(g, IN(BOOL, 65, 3, 3, 3), 12), AXES(1, 2, 3, 0)));
    c_run((c_case){SIZES({1}, {15}, {33}, {80}), .tolerance = 1e-6});
}

/* Axes that every operand walks as one are one, others are not. */
static void
merged_axes(void)
{
    tb_val x = IN(F32, 3, 4, 5, 6), r = IN(F32, 4, 5), c = IN(F32, 5, 6), e, y;
    e = tb_expand(g, tb_reshape(g, r, 4, DIMS(1, 4, 5, 1)), 4, DIMS(3, 4, 5, 6));
    c_out(M2(add, x, e));
    c_out(M2(add, x, tb_expand(g, c, 4, DIMS(3, 4, 5, 6))));
    y = tb_permute(g, x, AXES(1, 0, 2, 3));
    c_out(M2(add, y, tb_expand(g, c, 4, DIMS(4, 3, 5, 6))));
    y = M2(mul, x, x);
    c_out(M2(sub, y, tb_permute(g, tb_permute(g, y, AXES(2, 1, 0, 3)), AXES(2, 1, 0, 3))));
    c_out(M2(add, tb_permute(g, y, AXES(0, 1, 3, 2)),
             tb_reshape(g, tb_permute(g, y, AXES(0, 1, 3, 2)), 4, DIMS(3, 4, 6, 5))));
    c_run((c_case){.tolerance = 1e-6});
}

int
main(void)
{
    CASE(conv_plain);
    CASE(conv_strided);
    CASE(conv_1x1);
    CASE(conv_1x1_ragged);
    CASE(conv_dilated);
    CASE(conv_groups);
    CASE(conv_depthwise);
    CASE(winograd_shapes);
    CASE(patches);
    CASE(patches_of_inputs);
    CASE(winograd_network);
    CASE(depthwise_shapes);
    CASE(depthwise_network);
    CASE(depthwise_other_ranks);
    CASE(conv_runtime_weights);
    CASE(conv_deep);
    CASE(conv_residual);
    CASE(dot_transposed_result);
    CASE(turned_copies);
    CASE(turned_maps);
    CASE(turned_pad_and_slice);
    CASE(near_axes);
    CASE(merged_axes);
    for (half_shape = 0; half_shape < TB_COUNT(half_shapes); half_shape++)
        CASE(conv_bf16);
    CASE(depthwise_of_inputs);
    CASE(depthwise_types_of_inputs);
    for (lying_shape = 0; lying_shape < TB_COUNT(lying_shapes); lying_shape++)
        CASE(conv_lying_weights);
    CASE(winograd_of_inputs);
    return t_done();
}

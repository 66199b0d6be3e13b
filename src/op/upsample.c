/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * upsample.c -- images of another size: nearest, linear and cubic interpolation.
 *
 * Every kind works on one spatial axis at a time: positions in the source for each
 * element of the result, a few neighbours of each, and their weights. Positions are made
 * of counts and sizes, so they are constants where the sizes are. Growing by a whole
 * factor without interpolation needs no positions at all.
 */
#include "op/upsample.h"

/* size * factor, rounded down, for sizes that may not be known. The product is that of two
 * doubles, with its rounding: a size of 100 times 1.15 gives 114. */
static tb_dim
scaled(tb_graph *g, tb_dim size, double factor)
{
    tb_unit *u = g->unit;
    tb_val n;

    if (tb_dim_is_const(size))
        return (tb_dim)floor((double)size * factor);
    for (int64_t q = 1; q <= 64; q *= 2) { /* exact */
        double p = factor * (double)q;

        if (p == floor(p))
            return tb_dim_floordiv(u, tb_dim_mul(u, size, (int64_t)p), q);
    }
    n = tb_body_dim(g, size, TB_F64);
    n = CAST(MAX(MUL(n, K(n, factor)), K(n, 0)), TB_I64);
    return tb_body_count_item(g, n, TB_DIM_EXPR - 1);
}

static tb_resize
start(tb_opctx *c, int n)
{
    tb_graph *g = c->g;

    if (RANK(V(0)) != n + 2)
        tb_body_raise(c, "expected rank %d, found rank %d", n + 2, RANK(V(0)));
    return (tb_resize){.n = n, .real = tb_dtype_of(g, V(0)) == TB_F64 ? TB_F64 : TB_F32};
}

/* (self, output_size, ..., scales one by one from argument `scales`) */
static tb_resize
read_sizes(tb_opctx *c, int n, uint32_t scales)
{
    tb_resize r = start(c, n);

    tb_body_dims(c, 1, n, r.out);
    for (int i = 0; i < n; i++)
        if (given(c, scales + (uint32_t)i))
            r.factor[i] = FLOAT(scales + (uint32_t)i);
    return r;
}

/* (input, output_size?, ..., scale_factors?) */
static tb_resize
read_vec(tb_opctx *c, int n, uint32_t scales)
{
    tb_graph *g = c->g;
    tb_resize r = start(c, n);

    if (given(c, 1)) {
        tb_body_dims(c, 1, n, r.out);
        return r;
    }
    if (tb_body_n(c, scales) != (uint32_t)n)
        tb_body_raise(c, "expected %d sizes or %d factors", n, n);
    for (int i = 0; i < n; i++) {
        const tb_arg *a = tb_body_at(c, scales, (uint32_t)i);

        r.factor[i] = a->kind == TB_ARG_FLOAT ? a->f : (double)a->i;
        r.out[i] = scaled(g, SIZE(V(0), 2 + i), r.factor[i]);
    }
    return r;
}

/* ---- positions ---- */

/* Source elements per element of the result along axis i, as PyTorch has it. */
static tb_val
step(tb_graph *g, const tb_resize *r, int i, tb_dim in, tb_dtype real)
{
    double d = 1 / r->factor[i];

    if (r->factor[i] > 0)
        return tb_full_f(g, real, 0, NULL, real == TB_F32 ? (double)(float)d : d);
    return DIV(tb_body_dim(g, in, real), tb_body_dim(g, r->out[i], real));
}

/* The same with the corners of both images at the same place. */
static tb_val
corner_step(tb_graph *g, const tb_resize *r, int i, tb_dim in)
{
    tb_val last = tb_body_dim(g, tb_dim_sub(g->unit, in, 1), r->real);
    tb_val n = tb_body_dim(g, tb_dim_sub(g->unit, r->out[i], 1), r->real);

    return WHERE(LT(K(n, 0), n), DIV(last, MAX(n, K(n, 1))), K(n, 0));
}

static tb_val
count_up(tb_graph *g, tb_dim n, tb_dtype real)
{
    return CAST(tb_body_count_up(g, n, 1, 0), real);
}

/* Where the elements of the result lie in the source, [out]. */
static tb_val
source(tb_graph *g, const tb_resize *r, int i, tb_dim in, bool corners)
{
    tb_val at = count_up(g, r->out[i], r->real);

    if (corners)
        return MUL(at, corner_step(g, r, i, in));
    at = MUL(ADD(at, K(at, 0.5)), step(g, r, i, in, r->real));
    return SUB(at, K(at, 0.5));
}

tb_val
tb_resize_clamp(tb_graph *g, tb_val at, tb_dim in)
{
    tb_val last = tb_body_dim(g, tb_dim_sub(g->unit, in, 1), TB_I64);

    return MAX(MIN(CAST(at, TB_I64), last), I64(0));
}

/* ---- nearest ---- */

tb_val
tb_repeat_each(tb_graph *g, tb_val x, int axis, tb_dim times)
{
    tb_dim d[TB_MAX_RANK];
    int rank = RANK(x);

    x = tb_unsqueeze(g, x, axis + 1);
    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)(rank + 1));
    d[axis + 1] = times;
    x = tb_expand(g, x, rank + 1, d);
    d[axis] = tb_dim_mul(g->unit, d[axis], times);
    memmove(d + axis + 1, d + axis + 2, sizeof *d * (size_t)(rank - axis - 1));
    return tb_reshape(g, x, rank, d);
}

bool
tb_resize_whole(tb_unit *u, const tb_resize *r, int i, tb_dim in, tb_dim *times)
{
    double k = r->factor[i];

    if (tb_dim_is_const(in) && (in == 0 || !tb_dim_is_const(r->out[i])))
        return false;
    *times = k > 0 && k == floor(k) ? (tb_dim)k : tb_dim_floordiv(u, r->out[i], in);
    if (k > 0 && k != (double)*times)
        return false;
    return tb_dim_is_const(*times) && *times > 0 &&
           tb_dim_eq(u, r->out[i], tb_dim_mul(u, in, *times));
}

static tb_val
nearest(tb_opctx *c, const tb_resize *r, tb_resampling how)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    tb_dim times;

    for (int i = 0; i < r->n; i++) {
        tb_dim in = SIZE(x, 2 + i);

        if (tb_resize_whole(g->unit, r, i, in, &times)) {
            if (times != 1)
                x = tb_repeat_each(g, x, 2 + i, times);
            continue;
        }
        tb_taps p = tb_resize_taps(g, r, i, in, how, false);

        x = tb_body_select(g, x, 2 + i, tb_resize_clamp(g, p.at[0], in));
    }
    return x;
}

#define NEAREST(name, n)                        \
    static tb_val                               \
    nearest_##name(tb_opctx *c)                 \
    {                                           \
        tb_resize r = read_sizes(c, n, 2);         \
                                                \
        return nearest(c, &r, TB_NEAREST);           \
    }                                           \
    static tb_val                               \
    nearest_##name##_vec(tb_opctx *c)           \
    {                                           \
        tb_resize r = read_vec(c, n, 2);           \
                                                \
        return nearest(c, &r, TB_NEAREST);           \
    }                                           \
    static tb_val                               \
    exact_##name(tb_opctx *c)                   \
    {                                           \
        tb_resize r = read_sizes(c, n, 2);         \
                                                \
        return nearest(c, &r, TB_NEAREST_EXACT);            \
    }                                           \
    static tb_val                               \
    exact_##name##_vec(tb_opctx *c)             \
    {                                           \
        tb_resize r = read_vec(c, n, 2);           \
                                                \
        return nearest(c, &r, TB_NEAREST_EXACT);            \
    }
NEAREST(1d, 1)
NEAREST(2d, 2)
NEAREST(3d, 3)

/* ---- linear and cubic ---- */

static tb_taps
linear_taps(tb_graph *g, tb_val pos)
{
    tb_val low = FLOOR(pos), t = SUB(pos, low);

    return (tb_taps){2, {low, ADD(low, K(low, 1))}, {SUB(K(t, 1), t), t}};
}

/* ((a * x + b) * x + c) * x + d */
static tb_val
cubic(tb_graph *g, tb_val x, double a, double b, double c, double d)
{
    tb_val r = ADD(MUL(x, K(x, a)), K(x, b));

    r = ADD(MUL(r, x), K(x, c));
    return ADD(MUL(r, x), K(x, d));
}

/* Keys, "Cubic convolution interpolation for digital image processing", 1981; a =
 * -3/4. */
static tb_taps
cubic_taps(tb_graph *g, tb_val pos)
{
    const double a = -0.75;
    tb_val low = FLOOR(pos), t = SUB(pos, low), u = SUB(K(t, 1), t);
    tb_taps r = {.n = 4};

    for (int k = 0; k < 4; k++)
        r.at[k] = ADD(low, K(low, k - 1));
    r.w[0] = cubic(g, ADD(t, K(t, 1)), a, -5 * a, 8 * a, -4 * a);
    r.w[1] = cubic(g, t, a + 2, -(a + 3), 0, 1);
    r.w[2] = cubic(g, u, a + 2, -(a + 3), 0, 1);
    r.w[3] = cubic(g, ADD(u, K(u, 1)), a, -5 * a, 8 * a, -4 * a);
    return r;
}

tb_taps
tb_resize_taps(tb_graph *g, const tb_resize *r, int i, tb_dim in, tb_resampling how,
               bool corners)
{
    tb_val pos;

    if (how == TB_NEAREST || how == TB_NEAREST_EXACT) {
        pos = count_up(g, r->out[i], TB_F32);
        if (how == TB_NEAREST_EXACT)
            pos = ADD(pos, K(pos, 0.5));
        pos = FLOOR(MUL(pos, step(g, r, i, in, TB_F32)));
        return (tb_taps){1, {pos}, {tb_full_like(g, pos, 1)}};
    }
    pos = source(g, r, i, in, corners);
    if (how == TB_CUBIC)
        return cubic_taps(g, pos);
    if (r->factor[i] > 0 && !corners) /* where the size stays PyTorch copies */
        pos = WHERE(EQ(tb_body_dim(g, in, TB_I64), tb_body_dim(g, r->out[i], TB_I64)),
                    count_up(g, r->out[i], r->real), pos);
    return linear_taps(g, corners ? pos : MAX(pos, K(pos, 0)));
}

/* Axes that change, and the neighbours along each. */
typedef struct stencil {
    tb_val x; /* wide */
    uint32_t mask;
    int axis[3], n;
    tb_taps taps[3];
    tb_val at[3]; /* the neighbours chosen so far, [out, 1 ..] .. [1 .., out] */
} stencil;

/* The elements at s->at, with the axes where they were in x. */
static tb_val
pick(tb_graph *g, const stencil *s)
{
    tb_val at[3], r;
    int64_t order[TB_MAX_RANK];
    int others = 0;

    memcpy(at, s->at, sizeof at);
    for (int i = 1; i < s->n; i++)
        tb_broadcast(g, &at[0], &at[i]);
    for (int i = 1; i < s->n; i++)
        at[i] = tb_expand_like(g, at[i], at[0]);
    r = tb_gather(g, s->x, s->mask, at, (uint32_t)s->n);
    for (int i = 0, k = 0; i < RANK(s->x); i++)
        order[i] = s->mask >> i & 1 ? k++ : s->n + others++;
    return tb_permute(g, r, order);
}

/* The sum over the neighbours along changed axis number `i` and those after it. */
static tb_val
weigh(tb_graph *g, stencil *s, int i)
{
    tb_val sum = TB_NO_VAL;

    if (i == s->n)
        return pick(g, s);
    for (int k = 0; k < s->taps[i].n; k++) {
        tb_val w = CAST(s->taps[i].w[k], tb_dtype_of(g, s->x)), v;

        s->at[i] = tb_resize_clamp(g, s->taps[i].at[k], SIZE(s->x, s->axis[i]));
        s->at[i] = tb_body_on_axis(g, s->at[i], s->n, i);
        v = MUL(weigh(g, s, i + 1), tb_body_on_axis(g, w, RANK(s->x), s->axis[i]));
        sum = sum.id ? ADD(sum, v) : v;
    }
    return sum;
}

/* All neighbours of an element at once: with the source in memory nothing lies between. */
static tb_val
smooth(tb_opctx *c, const tb_resize *r, bool corners, bool is_cubic)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    stencil s = {.x = tb_body_wide(g, V(0))};

    if (!tb_dtype_is_float(t))
        tb_body_lacks(c, "interpolation between numbers of type %s", tb_dtype_name(t));
    for (int i = 0; i < r->n; i++) {
        tb_dim in = SIZE(s.x, 2 + i);
        tb_resampling how = is_cubic ? TB_CUBIC : TB_LINEAR;

        if (tb_dim_eq(g->unit, in, r->out[i]) &&
            (!is_cubic || r->factor[i] <= 0 || r->factor[i] == 1))
            continue;
        s.taps[s.n] = tb_resize_taps(g, r, i, in, how, corners);
        s.axis[s.n++] = 2 + i;
        s.mask |= 4u << i;
    }
    return s.n ? CAST(weigh(g, &s, 0), t) : V(0);
}

#define SMOOTH(name, n, is_cubic)                    \
    static tb_val                                    \
    name(tb_opctx *c)                                \
    {                                                \
        tb_resize r = read_sizes(c, n, 3);              \
                                                     \
        return smooth(c, &r, BOOL(2), is_cubic);     \
    }                                                \
    static tb_val                                    \
    name##_vec(tb_opctx *c)                          \
    {                                                \
        tb_resize r = read_vec(c, n, 3);                \
                                                     \
        return smooth(c, &r, BOOL(2), is_cubic);     \
    }
SMOOTH(linear_1d, 1, false)
SMOOTH(linear_2d, 2, false)
SMOOTH(linear_3d, 3, false)
SMOOTH(cubic_2d, 2, true)

/* ---- antialiased: a filter as wide as the image shrinks ---- */

tb_val
tb_weigh_axis(tb_graph *g, tb_val x, int axis, tb_val w)
{
    int rank = RANK(x);
    tb_dim d[TB_MAX_RANK], two[2];

    x = tb_body_move(g, x, axis, rank - 1);
    memcpy(d, tb_dims(g, x), sizeof *d * (size_t)rank);
    two[0] = tb_body_count(g, x, (1u << (rank - 1)) - 1);
    two[1] = d[rank - 1];
    d[rank - 1] = SIZE(w, 1);
    x = tb_reshape(g, tb_dot(g, tb_reshape(g, x, 2, two), w), rank, d);
    return tb_body_move(g, x, rank - 1, axis);
}

/* The filter's weight at distance d. */
static tb_val
filter(tb_graph *g, tb_val d, bool is_cubic)
{
    const double a = -0.5;
    tb_val near, far;

    d = M1(abs, d);
    if (!is_cubic)
        return MAX(SUB(K(d, 1), d), K(d, 0));
    near = cubic(g, d, a + 2, -(a + 3), 0, 1);
    far = cubic(g, d, a, -5 * a, 8 * a, -4 * a);
    return WHERE(LT(d, K(d, 1)), near, WHERE(LT(d, K(d, 2)), far, K(d, 0)));
}

/* Weights [out, in] of all elements of an axis: those outside of the filter are 0. */
static tb_val
weights(tb_graph *g, const tb_resize *r, int i, tb_dim in, bool corners, bool is_cubic)
{
    tb_val size = corners ? corner_step(g, r, i, in) : step(g, r, i, in, r->real);
    tb_val wide = MAX(size, K(size, 1)), reach = MUL(wide, K(wide, is_cubic ? 2 : 1));
    tb_val centre = MUL(ADD(count_up(g, r->out[i], r->real), K(size, 0.5)), size);
    tb_val at = count_up(g, in, r->real), low, high, w, in_reach;

    centre = tb_unsqueeze(g, centre, 1);
    low = FLOOR(ADD(SUB(centre, reach), K(centre, 0.5)));
    high = FLOOR(ADD(ADD(centre, reach), K(centre, 0.5)));
    w = filter(g, DIV(ADD(SUB(at, centre), K(at, 0.5)), wide), is_cubic);
    in_reach = AND(LE(low, at), LT(at, high));
    w = WHERE(in_reach, w, K(w, 0));
    return DIV(w, RSUM(w, 2));
}

static tb_val
antialiased(tb_opctx *c, const tb_resize *r, bool is_cubic)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0));
    tb_val x = tb_body_wide(g, V(0));

    if (!tb_dtype_is_float(t))
        tb_body_lacks(c, "interpolation between numbers of type %s", tb_dtype_name(t));
    for (int i = r->n - 1; i >= 0; i--) {
        tb_val w = weights(g, r, i, SIZE(x, 2 + i), BOOL(2), is_cubic);

        x = tb_weigh_axis(g, x, 2 + i, tb_transpose(g, CAST(w, tb_dtype_of(g, x)), 0, 1));
    }
    return CAST(x, t);
}

#define ANTIALIASED(name, is_cubic)               \
    static tb_val                                 \
    name(tb_opctx *c)                             \
    {                                             \
        tb_resize r = read_sizes(c, 2, 3);           \
                                                  \
        return antialiased(c, &r, is_cubic);      \
    }                                             \
    static tb_val                                 \
    name##_vec(tb_opctx *c)                       \
    {                                             \
        tb_resize r = read_vec(c, 2, 3);             \
                                                  \
        return antialiased(c, &r, is_cubic);      \
    }
ANTIALIASED(linear_aa, false)
ANTIALIASED(cubic_aa, true)

#define SIZES_1D "SymInt[1] output_size, "
#define SIZES_2D "SymInt[2] output_size, "
#define SIZES_3D "SymInt[3] output_size, "
#define CORNERS "bool align_corners, "
#define SCALE_1D "float? scales=None) -> Tensor"
#define SCALE_2D "float? scales_h=None, float? scales_w=None) -> Tensor"
#define SCALE_3D \
    "float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor"
#define VEC "(Tensor input, SymInt[]? output_size, "
#define FACTORS "float[]? scale_factors) -> Tensor"

const tb_op tb_ops_upsample[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"upsample_nearest1d(Tensor self, " SIZES_1D SCALE_1D, TB_KEEP, nearest_1d},
    {"upsample_nearest2d(Tensor self, " SIZES_2D SCALE_2D, TB_KEEP, nearest_2d},
    {"upsample_nearest3d(Tensor self, " SIZES_3D SCALE_3D, TB_KEEP, nearest_3d},
    {"upsample_nearest1d.vec" VEC FACTORS, TB_KEEP, nearest_1d_vec},
    {"upsample_nearest2d.vec" VEC FACTORS, TB_KEEP, nearest_2d_vec},
    {"upsample_nearest3d.vec" VEC FACTORS, TB_KEEP, nearest_3d_vec},
    {"_upsample_nearest_exact1d(Tensor self, " SIZES_1D SCALE_1D, TB_KEEP, exact_1d},
    {"_upsample_nearest_exact2d(Tensor self, " SIZES_2D SCALE_2D, TB_KEEP, exact_2d},
    {"_upsample_nearest_exact3d(Tensor self, " SIZES_3D SCALE_3D, TB_KEEP, exact_3d},
    {"_upsample_nearest_exact1d.vec" VEC FACTORS, TB_KEEP, exact_1d_vec},
    {"_upsample_nearest_exact2d.vec" VEC FACTORS, TB_KEEP, exact_2d_vec},
    {"_upsample_nearest_exact3d.vec" VEC FACTORS, TB_KEEP, exact_3d_vec},
    {"upsample_linear1d(Tensor self, " SIZES_1D CORNERS SCALE_1D, TB_KEEP, linear_1d},
    {"upsample_bilinear2d(Tensor self, " SIZES_2D CORNERS SCALE_2D, TB_KEEP, linear_2d},
    {"upsample_trilinear3d(Tensor self, " SIZES_3D CORNERS SCALE_3D, TB_KEEP, linear_3d},
    {"upsample_bicubic2d(Tensor self, " SIZES_2D CORNERS SCALE_2D, TB_KEEP, cubic_2d},
    {"upsample_linear1d.vec" VEC CORNERS FACTORS, TB_KEEP, linear_1d_vec},
    {"upsample_bilinear2d.vec" VEC CORNERS FACTORS, TB_KEEP, linear_2d_vec},
    {"upsample_trilinear3d.vec" VEC CORNERS FACTORS, TB_KEEP, linear_3d_vec},
    {"upsample_bicubic2d.vec" VEC CORNERS FACTORS, TB_KEEP, cubic_2d_vec},
    {"_upsample_bilinear2d_aa(Tensor self, " SIZES_2D CORNERS SCALE_2D,
     TB_KEEP, linear_aa},
    {"_upsample_bilinear2d_aa.vec" VEC CORNERS FACTORS, TB_KEEP, linear_aa_vec},
    {"_upsample_bicubic2d_aa(Tensor self, " SIZES_2D CORNERS SCALE_2D, TB_KEEP, cubic_aa},
    {"_upsample_bicubic2d_aa.vec" VEC CORNERS FACTORS, TB_KEEP, cubic_aa_vec},
    {0},
};

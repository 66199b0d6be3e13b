/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * random.c -- random numbers, and what is made of them: dropout, sampling.
 *
 * All numbers come from the primitive `rand`, a counter-based generator. Its state is two
 * globals of the module, `turbine.rng.seed` and `turbine.rng.offset`: a function reads
 * the offset, each operator moves it on by what it draws, and the last value is written
 * back, so that the next call draws other numbers. A session begins with the seed that
 * PyTorch begins with; the numbers are not those of PyTorch's generator. Operators named
 * `turbine_seeded.` bring a seed and have no state (op.h).
 *
 * A uniform float has as many random bits as its type has digits, so that 1 is never
 * reached; f64 has 32.
 */
#include "op/body.h"

#define SEED "turbine.rng.seed"
#define OFFSET "turbine.rng.offset"

/* ---- state ---- */

static uint32_t
state_global(tb_unit *u, const char *name, bool moves, int64_t start)
{
    tb_arena *a = &u->cx->keep;
    int64_t *bytes = TB_NEW(a, int64_t);
    tb_const init = {.name = TB_STR(""), .dtype = TB_I64, .bytes = bytes,
                     .n_bytes = sizeof *bytes, .scope = TB_STR("")};
    tb_global x = {.name = tb_str_c(name), .dtype = TB_I64, .mutable_ = moves};

    for (uint32_t i = 0; i < u->globals.n; i++)
        if (tb_str_is(u->globals.at[i].name, name))
            return i;
    *bytes = start;
    x.init = tb_unit_const(u, init) + 1;
    TB_PUSH(a, &u->globals, x);
    return u->globals.n - 1;
}

/* What the function has last written to the global, or its value at the start. */
static tb_val
current(tb_graph *g, uint32_t global)
{
    for (uint32_t i = g->effects.n; i-- > 0;) {
        tb_val e = g->effects.at[i];

        if (tb_node_of(g, e)->prim == TB_P_write && tb_attrs(g, e)[0] == global)
            return tb_in(g, e, 0);
    }
    return tb_read(g, global);
}

/* 32 random bits per element, as I64. */
static tb_val
bits(tb_graph *g, int rank, const tb_dim *dims)
{
    tb_unit *u = g->unit;
    uint32_t seed, offset;
    tb_val at, r;
    tb_dim n = 1;

    for (int i = 0; i < rank; i++)
        n = tb_dim_mul(u, n, dims[i]);
    n = tb_dim_ceildiv(u, n, 4); /* blocks of four words */
    if (g->seed.id) {
        r = tb_rand(g, g->seed, g->drawn, rank, dims);
        g->drawn = ADD(g->drawn, tb_body_dim(g, n, TB_I64));
        return r;
    }
    seed = state_global(u, SEED, false, INT64_C(67280421310721));
    offset = state_global(u, OFFSET, true, 0);
    at = current(g, offset);
    r = tb_rand(g, tb_read(g, seed), at, rank, dims);
    tb_write(g, offset, ADD(at, tb_body_dim(g, n, TB_I64)));
    return r;
}

/* ---- distributions ---- */

/* The number of leading bits of 32 that a uniform number of the type keeps. */
static int
digits(tb_dtype t)
{
    return t == TB_F64 ? 32 : t == TB_F32 ? 24 : t == TB_F16 ? 11 : 8;
}

/* The type in which numbers for t are made. */
static tb_dtype
wide(tb_dtype t)
{
    return t == TB_F64 ? TB_F64 : TB_F32;
}

/* k + `plus` of 2^d, k = 0 .. 2^d - 1, as a wide number. */
static tb_val
fraction(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims, double plus)
{
    int d = digits(t);
    tb_val k = tb_map2(g, TB_P_shr, bits(g, rank, dims),
                       tb_full_i(g, TB_I64, rank, dims, 32 - d));

    k = CAST(k, wide(t));
    if (plus != 0)
        k = ADD(k, K(k, plus));
    return MUL(k, K(k, ldexp(1, -d)));
}

/* [0, 1) */
static tb_val
uniform01(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims)
{
    return CAST(fraction(g, t, rank, dims, 0), t);
}

/* (0, 1], wide: for logarithms */
static tb_val
positive01(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims)
{
    return fraction(g, wide(t), rank, dims, 1);
}

/* Mean 0, variance 1, wide. Box and Muller, "A note on the generation of random normal
 * deviates", 1958; one of the two numbers of each pair is not used. */
static tb_val
normal01(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims)
{
    tb_val r = LOG(positive01(g, t, rank, dims));
    tb_val angle = fraction(g, wide(t), rank, dims, 0);

    r = SQRT(MUL(r, K(r, -2)));
    return MUL(r, M1(cos, MUL(angle, K(angle, 6.283185307179586))));
}

static tb_val
normal_of(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims)
{
    return CAST(normal01(g, t, rank, dims), t);
}

static tb_val
exponential01(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims)
{
    return M1(neg, LOG(positive01(g, t, rank, dims)));
}

/* ---- of given sizes ---- */

typedef tb_val draw(tb_graph *g, tb_dtype t, int rank, const tb_dim *dims);

/* Sizes in argument i, dtype in argument t. */
static tb_val
of_sizes(tb_opctx *c, uint32_t i, uint32_t t, draw *fn)
{
    int rank = (int)tb_body_n(c, i);
    tb_dim d[TB_MAX_RANK];

    tb_body_dims(c, i, rank, d);
    return fn(c->g, tb_body_dtype(c, t, TB_F32), rank, d);
}

static tb_val
rand_(tb_opctx *c)
{
    return of_sizes(c, 0, 1, uniform01);
}

static tb_val
rand_generator(tb_opctx *c)
{
    return of_sizes(c, 0, 2, uniform01);
}

static tb_val
randn(tb_opctx *c)
{
    return of_sizes(c, 0, 1, normal_of);
}

static tb_val
randn_generator(tb_opctx *c)
{
    return of_sizes(c, 0, 2, normal_of);
}

static tb_val
rand_like(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    return uniform01(g, tb_body_dtype(c, 1, tb_dtype_of(g, x)), RANK(x), tb_dims(g, x));
}

static tb_val
randn_like(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    return normal_of(g, tb_body_dtype(c, 1, tb_dtype_of(g, x)), RANK(x), tb_dims(g, x));
}

/* Integers of [lo, hi): the high word of bits * (hi - lo). */
static tb_val
integers(tb_opctx *c, tb_dim lo, tb_dim hi, tb_dtype t, int rank, const tb_dim *dims)
{
    tb_graph *g = c->g;
    tb_dim n = tb_dim_sub(g->unit, hi, lo);
    tb_val k = bits(g, rank, dims);

    if (tb_dim_is_const(n) && (n < 1 || n > INT64_C(1) << 31))
        tb_body_lacks(c, "integers of [%lld, %lld)", (long long)lo, (long long)hi);
    k = MUL(k, tb_body_dim(g, n, TB_I64));
    k = tb_map2(g, TB_P_shr, k, tb_full_i(g, TB_I64, rank, dims, 32));
    return CAST(ADD(k, tb_body_dim(g, lo, TB_I64)), t);
}

/* (high, size, *, dtype) */
static tb_val
randint(tb_opctx *c)
{
    int rank = (int)tb_body_n(c, 1);
    tb_dim d[TB_MAX_RANK];

    tb_body_dims(c, 1, rank, d);
    return integers(c, 0, DIM(0), tb_body_dtype(c, 2, TB_I64), rank, d);
}

static tb_val
randint_low(tb_opctx *c)
{
    int rank = (int)tb_body_n(c, 2);
    tb_dim d[TB_MAX_RANK];

    tb_body_dims(c, 2, rank, d);
    return integers(c, DIM(0), DIM(1), tb_body_dtype(c, 3, TB_I64), rank, d);
}

static tb_val
randint_like(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    return integers(c, 0, DIM(1), tb_body_dtype(c, 2, tb_dtype_of(g, x)), RANK(x),
                    tb_dims(g, x));
}

static tb_val
randint_like_low(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0);

    return integers(c, DIM(1), DIM(2), tb_body_dtype(c, 3, tb_dtype_of(g, x)), RANK(x),
                    tb_dims(g, x));
}

/* The order of random numbers is a random order. */
static tb_val
randperm(tb_opctx *c)
{
    tb_dim n = DIM(0);
    tb_graph *g = c->g;

    return CAST(tb_argsort(g, bits(g, 1, &n), 0, false), tb_body_dtype(c, 1, TB_I64));
}

/* ---- in place of a tensor's values ---- */

static tb_val
uniform(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), u = fraction(g, tb_dtype_of(g, x), RANK(x), tb_dims(g, x), 0);

    u = ADD(MUL(u, K(u, FLOAT(2) - FLOAT(1))), K(u, FLOAT(1)));
    return CAST(u, tb_dtype_of(g, x));
}

/* z * std + mean, where z is drawn as large as `like`. */
static tb_val
shifted(tb_graph *g, tb_val like, tb_dtype t, tb_val mean, tb_val std)
{
    tb_val z = normal01(g, t, RANK(like), tb_dims(g, like));

    return CAST(ADD(MUL(z, CAST(std, wide(t))), CAST(mean, wide(t))), t);
}

static tb_val
normal_functional(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_dtype_of(g, V(0)), w = wide(t);

    return shifted(g, V(0), t, tb_body_number(g, w, FLOAT(1)),
                   tb_body_number(g, w, FLOAT(2)));
}

/* (mean, std), one of them or both tensors */
static tb_val
normal(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 3);
    tb_val mean, std;

    t = tb_dtype_is_float(t) ? t : TB_F32;
    mean = tb_body_promoted(c, 0, t);
    std = tb_body_promoted(c, 1, t);
    tb_broadcast(g, &mean, &std);
    return shifted(g, mean, t, mean, std);
}

static tb_val
normal_sizes(tb_opctx *c)
{
    int rank = (int)tb_body_n(c, 2);
    tb_dtype t = tb_body_dtype(c, 4, TB_F32);
    tb_dim d[TB_MAX_RANK];
    tb_graph *g = c->g;

    tb_body_dims(c, 2, rank, d);
    return shifted(g, tb_full_f(g, t, rank, d, 0), t, tb_body_number(g, t, FLOAT(0)),
                   tb_body_number(g, t, FLOAT(1)));
}

static tb_val
exponential(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), e = exponential01(g, tb_dtype_of(g, x), RANK(x), tb_dims(g, x));

    return CAST(MUL(e, K(e, 1 / FLOAT(1))), tb_dtype_of(g, x));
}

static tb_val
cauchy(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), u = fraction(g, wide(tb_dtype_of(g, x)), RANK(x), tb_dims(g, x), 0);

    u = M1(tan, MUL(SUB(u, K(u, 0.5)), K(u, 3.14159265358979323846)));
    return CAST(ADD(MUL(u, K(u, FLOAT(2))), K(u, FLOAT(1))), tb_dtype_of(g, x));
}

/* How many draws until one succeeds that does so with probability p. */
static tb_val
geometric(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), u;
    tb_dtype t = tb_dtype_of(g, x);

    u = LOG(positive01(g, tb_dtype_is_float(t) ? t : TB_F32, RANK(x), tb_dims(g, x)));
    u = M1(ceil, DIV(u, K(u, log1p(-FLOAT(1)))));
    return CAST(MAX(u, K(u, 1)), t);
}

static tb_val
log_normal(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), r = normal01(g, tb_dtype_of(g, x), RANK(x), tb_dims(g, x));

    return CAST(EXP(ADD(MUL(r, K(r, FLOAT(2))), K(r, FLOAT(1)))), tb_dtype_of(g, x));
}

/* Below 0 a slope between those of arguments `lower` and `lower` + 1: drawn in training,
 * else their mean. Elements that are not below 0 have noise 1. */
static tb_val
leaky(tb_opctx *c, uint32_t lower, bool training, tb_val *noise)
{
    tb_graph *g = c->g;
    tb_val x = V(0), below = LE(x, K(x, 0)), slope;
    double low = FLOAT(lower), high = FLOAT(lower + 1);

    slope = K(x, (low + high) / 2);
    if (training) {
        slope = fraction(g, wide(tb_dtype_of(g, x)), RANK(x), tb_dims(g, x), 0);
        slope = ADD(MUL(slope, K(slope, high - low)), K(slope, low));
        slope = CAST(slope, tb_dtype_of(g, x));
        *noise = WHERE(below, slope, K(x, 1));
    }
    return WHERE(below, MUL(x, slope), x);
}

static tb_val
rrelu(tb_opctx *c)
{
    tb_val noise;

    return leaky(c, 1, BOOL(3), &noise);
}

/* (self, noise, lower, upper, training) -> (result, noise) */
static tb_val
rrelu_with_noise(tb_opctx *c)
{
    tb_val noise = V(1), r = leaky(c, 2, BOOL(4), &noise);

    return tb_body_out2(c, r, noise);
}

/* True with probability p, which has x's dims and is wide. */
static tb_val
chance(tb_graph *g, tb_val p)
{
    return LT(fraction(g, tb_dtype_of(g, p), RANK(p), tb_dims(g, p), 0), p);
}

/* (self, p): as large as self; p is self itself, a number or a tensor. */
static tb_val
bernoulli(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), p = x;
    tb_dtype t = tb_dtype_of(g, x);

    if (given(c, 1))
        p = tb_body_scalar(c, 1, c->arg[1].kind == TB_ARG_TENSOR ? tb_dtype_of(g, V(1))
                                                                 : TB_F32);
    p = tb_expand_like(g, CAST(p, wide(tb_dtype_of(g, p))), x);
    return CAST(chance(g, p), t);
}

/* ---- dropout ---- */

tb_val
tb_body_drop(tb_graph *g, tb_val x, double p, tb_val *keep)
{
    tb_dtype t = tb_dtype_of(g, x);
    tb_val w = tb_body_wide(g, x), r;

    r = fraction(g, wide(t), RANK(x), tb_dims(g, x), 0);
    *keep = LE(K(r, p), r);
    if (p >= 1)
        *keep = tb_full_i(g, TB_BOOL, RANK(x), tb_dims(g, x), 0);
    w = MUL(w, K(w, p >= 1 ? 0 : 1 / (1 - p)));
    return CAST(WHERE(*keep, w, K(w, 0)), t);
}

static tb_val
dropout(tb_opctx *c)
{
    tb_val keep;

    if (!BOOL(2) || FLOAT(1) == 0)
        return V(0);
    return tb_body_drop(c->g, V(0), FLOAT(1), &keep);
}

static tb_val
native_dropout(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), keep = tb_full_i(g, TB_BOOL, RANK(x), tb_dims(g, x), 1), y = x;

    if ((!given(c, 2) || BOOL(2)) && FLOAT(1) != 0)
        y = tb_body_drop(g, x, FLOAT(1), &keep);
    return tb_body_out2(c, y, keep);
}

/* Whole channels: x [N, C, ...]. */
static tb_val
feature_dropout(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), keep, scale;
    tb_dim d[TB_MAX_RANK];

    if (!BOOL(2) || FLOAT(1) == 0)
        return x;
    for (int i = 0; i < RANK(x); i++)
        d[i] = i < 2 ? SIZE(x, i) : 1;
    scale = tb_full_f(g, tb_dtype_of(g, x), RANK(x), d, 1);
    scale = tb_body_drop(g, scale, FLOAT(1), &keep);
    return MUL(x, scale);
}

static tb_val
alpha_dropout(tb_opctx *c)
{
    if (BOOL(2) && FLOAT(1) != 0)
        tb_body_lacks(c, "training");
    return V(0);
}

/* ---- samples ---- */

/*
 * Positions along the last axis, with the probabilities that x's values have to each
 * other. With replacement: where a uniform number falls among the sums. Without: the
 * first in the order of p / e, e drawn from an exponential distribution (Efraimidis and
 * Spirakis, "Weighted random sampling with a reservoir", 2006).
 */
static tb_val
multinomial(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = CAST(V(0), wide(tb_dtype_of(g, V(0)))), r;
    int rank = RANK(x), last = rank - 1;
    tb_dim n = DIM(1), d[TB_MAX_RANK];
    tb_dtype t = tb_dtype_of(g, x);

    if (rank < 1 || rank > 2)
        tb_body_raise(c, "expected rank 1 or 2, found rank %d", rank);
    if (!BOOL(2) || n == 1) {
        r = DIV(x, exponential01(g, t, rank, tb_dims(g, x)));
        r = tb_argsort(g, r, last, true);
        return tb_slice_axis(g, r, last, 0, n, 1);
    }
    for (int i = 0; i < last; i++)
        d[i] = SIZE(x, i);
    d[last] = n;
    x = tb_scan(g, TB_P_cumsum, x, last);
    r = fraction(g, t, rank, d, 0);
    r = MUL(r, tb_slice_axis(g, x, last, tb_dim_sub(g->unit, SIZE(x, last), 1), 1, 1));
    r = LE(tb_unsqueeze(g, x, last), tb_unsqueeze(g, r, rank)); /* [.., n, size] */
    r = tb_squeeze_axes(g, RSUM(CAST(r, TB_I64), 1u << rank), 1u << rank);
    return MIN(r, tb_body_dim(g, tb_dim_sub(g->unit, SIZE(x, last), 1), TB_I64));
}

#define HOW "Layout? layout=None, Device? device=None, bool? pin_memory=None"
#define LIKE HOW ", MemoryFormat? memory_format=None"

const tb_op tb_ops_random[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"rand(SymInt[] size, *, ScalarType? dtype=None, " HOW ") -> Tensor",
     TB_KEEP, rand_},
    {"rand.generator(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, " HOW
     ") -> Tensor",
     TB_KEEP, rand_generator},
    {"randn(SymInt[] size, *, ScalarType? dtype=None, " HOW ") -> Tensor",
     TB_KEEP, randn},
    {"randn.generator(SymInt[] size, *, Generator? generator, "
     "ScalarType? dtype=None, " HOW ") -> Tensor",
     TB_KEEP, randn_generator},
    {"rand_like(Tensor self, *, ScalarType? dtype=None, " LIKE ") -> Tensor",
     TB_KEEP, rand_like},
    {"randn_like(Tensor self, *, ScalarType? dtype=None, " LIKE ") -> Tensor",
     TB_KEEP, randn_like},
    {"randint(SymInt high, SymInt[] size, *, ScalarType? dtype=long, " HOW ") -> Tensor",
     TB_KEEP, randint},
    {"randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=long, " HOW
     ") -> Tensor",
     TB_KEEP, randint_low},
    {"randint_like(Tensor self, SymInt high, *, ScalarType? dtype=None, " LIKE
     ") -> Tensor",
     TB_KEEP, randint_like},
    {"randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, "
     "ScalarType? dtype=None, " LIKE ") -> Tensor",
     TB_KEEP, randint_like_low},
    {"randperm(SymInt n, *, ScalarType? dtype=long, " HOW ") -> Tensor",
     TB_KEEP, randperm},
    {"uniform(Tensor self, float from=0., float to=1., *, Generator? generator=None) "
     "-> Tensor",
     TB_KEEP, uniform},
    {"normal_functional(Tensor self, float mean=0., float std=1., *, "
     "Generator? generator=None) -> Tensor",
     TB_KEEP, normal_functional},
    {"normal.Tensor_float(Tensor mean, float std=1., *, Generator? generator=None) "
     "-> Tensor",
     TB_KEEP, normal},
    {"normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) "
     "-> Tensor",
     TB_KEEP, normal},
    {"normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) "
     "-> Tensor",
     TB_KEEP, normal},
    {"normal.float_float(float mean, float std, SymInt[] size, *, "
     "Generator? generator=None, ScalarType? dtype=None, " HOW ") -> Tensor",
     TB_KEEP, normal_sizes},
    {"exponential(Tensor self, float lambd=1., *, Generator? generator=None) -> Tensor",
     TB_KEEP, exponential},
    {"cauchy(Tensor self, float median=0., float sigma=1., *, Generator? generator=None) "
     "-> Tensor",
     TB_KEEP, cauchy},
    {"geometric(Tensor self, float p, *, Generator? generator=None) -> Tensor",
     TB_KEEP, geometric},
    {"log_normal(Tensor self, float mean=1., float std=2., *, Generator? generator=None) "
     "-> Tensor",
     TB_KEEP, log_normal},
    {"rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.33333333333333331, bool "
     "training=False, Generator? generator=None) -> Tensor",
     TB_KEEP, rrelu},
    {"rrelu_with_noise_functional(Tensor self, Tensor noise, Scalar lower=0.125, "
     "Scalar upper=0.33333333333333331, bool training=False, Generator? "
     "generator=None) -> (Tensor, Tensor noise_out)",
     TB_KEEP, rrelu_with_noise},
    {"bernoulli(Tensor self, *, Generator? generator=None) -> Tensor",
     TB_KEEP, bernoulli},
    {"bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor",
     TB_KEEP, bernoulli},
    {"bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor",
     TB_KEEP, bernoulli},
    {"dropout(Tensor input, float p, bool train) -> Tensor",
     TB_KEEP, dropout},
    {"native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)",
     TB_KEEP, native_dropout},
    {"feature_dropout(Tensor input, float p, bool train) -> Tensor",
     TB_KEEP, feature_dropout},
    {"alpha_dropout(Tensor input, float p, bool train) -> Tensor",
     TB_KEEP, alpha_dropout},
    {"feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor",
     TB_KEEP, alpha_dropout},
    {"multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, "
     "Generator? generator=None) -> Tensor",
     TB_KEEP, multinomial},
    {0},
};

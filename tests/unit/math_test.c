/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * math_test.c -- elementary functions through compiled code, against libm's long double.
 *
 * Errors are counted in units of the last place of the true value; the largest of each
 * function and level is printed. The bounds are those of docs/math.md.
 *
 * `math_test --sweep [STEP [LEVEL [NAME]]]` takes every STEP-th of all 2^32 arguments of the F32
 * functions of one argument instead, by default each of them: one to four minutes per
 * function and level.
 */
#include <math.h>
#include <stdlib.h>

#include "kernel/build.h"
#include "unit/code_t.h"

#pragma GCC diagnostic ignored "-Wfloat-equal"

typedef long double wide;
typedef struct function {
    const char *name;
    tb_prim p;
    wide (*f)(wide a, wide b);
    double lo, hi;         /* where the bound holds, outside of which only specials are
                              compared; both signs if lo is minus hi */
    double ulp_f32, ulp_f64;
    double slack;          /* absolute error allowed as well, of negative arguments */
    double hi_f64;         /* 0: as hi */
    double floor_f32, floor_f64; /* results smaller than this may be 0 */
} function;

#define ONE(name, expr)                     \
    static wide name##_(wide a, wide b)     \
    {                                       \
        (void)b;                            \
        return expr;                        \
    }
ONE(exp, expl(a))
ONE(expm1, expm1l(a))
ONE(tanh, tanhl(a))
ONE(erf, erfl(a))
ONE(log, logl(a))
ONE(log1p, log1pl(a))
ONE(log2, log2l(a))
ONE(pow, powl(a, b))
ONE(sin, sinl(a))
ONE(cos, cosl(a))
ONE(tan, tanl(a))
ONE(asin, asinl(a))
ONE(atan, atanl(a))
ONE(atan2, atan2l(a, b))
ONE(lgamma, lgammal(a))
ONE(fmod, fmodl(a, b))

static const function functions[] = {
    {.name = "exp", .p = TB_P_exp, .f = exp_, .lo = -800, .hi = 800, .ulp_f32 = 1.25,
     .ulp_f64 = 1.25, .floor_f32 = 0x1p-125, .floor_f64 = 0x1p-1021},
    {.name = "expm1", .p = TB_P_expm1, .f = expm1_, .lo = -800, .hi = 800,
     .ulp_f32 = 1.75, .ulp_f64 = 2},
    {.name = "tanh", .p = TB_P_tanh, .f = tanh_, .lo = -1e4, .hi = 1e4, .ulp_f32 = 6,
     .ulp_f64 = 2.75},
    {.name = "erf", .p = TB_P_erf, .f = erf_, .lo = -1e4, .hi = 1e4, .ulp_f32 = 6,
     .ulp_f64 = 2},
    {.name = "log", .p = TB_P_log, .f = log_, .lo = 0, .hi = 1e38, .hi_f64 = 1e308,
     .ulp_f32 = 1, .ulp_f64 = 1},
    {.name = "log1p", .p = TB_P_log1p, .f = log1p_, .lo = -1, .hi = 1e38, .hi_f64 = 1e308,
     .ulp_f32 = 1.5, .ulp_f64 = 1.5},
    {.name = "log2", .p = TB_P_log2, .f = log2_, .lo = 0, .hi = 1e38, .hi_f64 = 1e308,
     .ulp_f32 = 1.75, .ulp_f64 = 1.75},
    {.name = "pow", .p = TB_P_pow, .f = pow_, .lo = -1e38, .hi = 1e38, .hi_f64 = 1e308,
     .ulp_f32 = 0.6, .ulp_f64 = 1.5},
    {.name = "sin", .p = TB_P_sin, .f = sin_, .lo = -4e8, .hi = 4e8, .ulp_f32 = 1.6,
     .ulp_f64 = 1},
    {.name = "cos", .p = TB_P_cos, .f = cos_, .lo = -4e8, .hi = 4e8, .ulp_f32 = 1.6,
     .ulp_f64 = 1},
    {.name = "tan", .p = TB_P_tan, .f = tan_, .lo = -4e8, .hi = 4e8, .ulp_f32 = 3.5,
     .ulp_f64 = 2.25},
    {.name = "asin", .p = TB_P_asin, .f = asin_, .lo = -1, .hi = 1, .ulp_f32 = 2.5,
     .ulp_f64 = 2.5},
    {.name = "atan", .p = TB_P_atan, .f = atan_, .lo = -1e38, .hi = 1e38, .hi_f64 = 1e308,
     .ulp_f32 = 1.75, .ulp_f64 = 2.25},
    {.name = "atan2", .p = TB_P_atan2, .f = atan2_, .lo = -1e38, .hi = 1e38,
     .hi_f64 = 1e308, .ulp_f32 = 1.75, .ulp_f64 = 2.25},
    {.name = "lgamma", .p = TB_P_lgamma, .f = lgamma_, .lo = -100, .hi = 1e30,
     .ulp_f32 = 0.6, .ulp_f64 = 6.5, .slack = 2e-13},
    {.name = "fmod", .p = TB_P_rem, .f = fmod_, .lo = -1e38, .hi = 1e38, .hi_f64 = 1e308,
     .ulp_f32 = 0, .ulp_f64 = 0},
};

/* ---- numbers ---- */

static uint64_t state = 88172645463325252u;

static uint64_t
random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static const double specials[] = {
    0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 0.25, 7, -7.5, 1e10, -1e10, 1e-10,
    INFINITY, -INFINITY, NAN, 0x1p-126, -0x1p-126, 0x1p-149, -0x1p-149, 0x1p-130,
    0x1p-1022, 0x1p-1074, -0x1p-1074, 0x1.fffffep127, 0x1p127, -0x1.fffffep127,
    0x1.fffffffffffffp1023, 1 - 0x1p-24, 1 + 0x1p-23, 1 - 0x1p-53, 1 + 0x1p-52, 0x1p24,
    -0x1p24, 0x1p53, 0x1.8p1, 16, 88.7, 88.8, -87.3, -87.4, -104, 709.7, 709.8, -708,
    -745.2, 8.9, 9.1, 3.9, 4, 6, M_PI, M_PI_2, M_PI_4, 10, 100, 171.6, -20.5, 1e5, 1e15,
    1e30};

static double
sample(const function *f, bool is64, unsigned n)
{
    double hi = is64 && f->hi_f64 != 0 ? f->hi_f64 : f->hi, x;
    double u = (double)(random64() >> 11) * 0x1p-53;

    if (n % 4 == 0) /* linear near zero */
        x = 20 * u - 10;
    else if (n % 4 == 1) /* linear in the domain */
        x = f->lo + (fmin(hi, 1e300) - fmax(f->lo, -1e300)) * u;
    else /* any exponent */
        x = ldexp(1 + u, (int)(random64() % (is64 ? 2000 : 240)) - (is64 ? 1000 : 120)) *
            (random64() & 1 ? 1 : -1);
    if (n % 8 == 6) /* around one */
        x = 1 + (u - 0.5) * ldexp(1, -(int)(random64() % 20));
    return is64 ? x : (double)(float)x;
}

static bool
in_domain(const function *f, bool is64, double x)
{
    double hi = is64 && f->hi_f64 != 0 ? f->hi_f64 : f->hi;

    return x >= (f->lo == -f->hi ? -hi : f->lo) && x <= hi;
}

static wide
unit(wide x, bool is64)
{
    int e;

    if (x == 0 || !isfinite(x))
        return is64 ? 0x1p-1074L : 0x1p-149L;
    frexpl(x, &e);
    e -= is64 ? 53 : 24;
    if (e < (is64 ? -1074 : -149))
        e = is64 ? -1074 : -149;
    return ldexpl(1, e);
}

/* The true value as the type would round it: what specials must equal. */
static double
rounded(wide x, bool is64)
{
    return is64 ? (double)x : (double)(float)x;
}

/* ---- the test ---- */

static tb_kernel *
kernel_of(tb_prim p, tb_dtype t)
{
    tb_kernel *k = tb_kernel_new(cx, &target, TB_STR("k0_f"));
    int lanes = target.lanes > 1 ? target.lanes : 4;
    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), lanes, NULL, 0);
    tb_kv a = tb_k_load(k, t, lanes, tb_k_binding(k, 0), i, 0, TB_NO_KV);
    tb_kv b = tb_k_load(k, t, lanes, tb_k_binding(k, 1), i, 0, TB_NO_KV);
    tb_kv r = tb_k_map(k, p, a, tb_prim_arity(p) == 2 ? b : TB_NO_KV, TB_NO_KV);

    tb_k_store(k, t, tb_k_binding(k, 2), i, 0, r, TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
    return k;
}

enum { N = 1 << 15 };
static double a[N], b[N], r[N];

static void
fill(const function *f, bool is64)
{
    unsigned s = sizeof specials / sizeof *specials, n = 0;
    bool two = tb_prim_arity(f->p) == 2;

    for (unsigned i = 0; i < s; i++)
        for (unsigned j = 0; j < (two ? s : 1); j++, n++) {
            a[n] = is64 ? specials[i] : (double)(float)specials[i];
            b[n] = is64 ? specials[j] : (double)(float)specials[j];
        }
    for (; n < N; n++) {
        a[n] = sample(f, is64, n);
        b[n] = f->p == TB_P_pow ? 40 * ((double)(random64() >> 11) * 0x1p-53) - 20
                                : sample(f, is64, (unsigned)random64());
        if (f->p == TB_P_pow && n % 2) /* a result that is neither 0 nor infinite */
            b[n] = ((double)(random64() >> 11) * 0x1p-53 - 0.5) * (is64 ? 2000 : 250) /
                   (fabs(log2(fabs(a[n]))) + 0x1p-60);
        if (f->p == TB_P_pow && n % 16 == 3)
            b[n] = rint(b[n]);
        if (!is64)
            b[n] = (double)(float)b[n];
    }
}

static void
run_kernel(const tb_kernel *k, bool is64)
{
    static float fa[N], fb[N], fr[N];
    void *bind64[3] = {a, b, r}, *bind32[3] = {fa, fb, fr};

    if (is64) {
        EQ_INT(t_call(k, bind64, NULL, 0, N), 0);
        return;
    }
    for (int i = 0; i < N; i++) {
        fa[i] = (float)a[i];
        fb[i] = (float)b[i];
    }
    EQ_INT(t_call(k, bind32, NULL, 0, N), 0);
    for (int i = 0; i < N; i++)
        r[i] = (double)fr[i];
}

static bool
same_special(double got, double want)
{
    if (isnan(want))
        return isnan(got);
    return got == want && signbit(got) == signbit(want);
}

static void
compare(const function *f, bool is64)
{
    double bound = is64 ? f->ulp_f64 : f->ulp_f32, worst = 0, at = 0, at2 = 0;
    double least = is64 ? f->floor_f64 : f->floor_f32;
    double most = is64 ? (double)0x1.fffffffffffffp1023 : (double)0x1.fffffep127f;
    int faults = 0;

    for (int i = 0; i < N; i++) {
        wide want = f->f((wide)a[i], (wide)b[i]);
        double w = rounded(want, is64), e;
        bool special = !isfinite(a[i]) || a[i] == 0 || !isfinite(w) || w == 0 ||
                       (tb_prim_arity(f->p) == 2 && (!isfinite(b[i]) || b[i] == 0));
        if (fabs(w) < least && r[i] == 0)
            continue;
        if (!special && !in_domain(f, is64, a[i]))
            continue;
        if (f->p == TB_P_rem && is64 && fabs(a[i] / b[i]) > 0x1p196)
            continue;
        /* at the edge of overflow either neighbour may come out */
        if (special && isinf(w) && isfinite(want) && fabs(r[i]) == most)
            continue;
        if (special && (isinf(w) || isnan(w) || w == 0) && !(w == 0 && want != 0)) {
            if (!same_special(r[i], w) && faults++ < 5)
                printf("# %s %s %s(%a, %a) is %a, not %a\n", target.level->name,
                       is64 ? "f64" : "f32", f->name, a[i], b[i], r[i], w);
            continue;
        }
        e = (double)(fabsl((wide)r[i] - want) / unit(want, is64));
        if (a[i] < 0 && fabsl((wide)r[i] - want) <= (wide)f->slack)
            e = 0;
        if (!(e <= worst)) {
            worst = e;
            at = a[i];
            at2 = b[i];
        }
    }
    printf("# %s %s %s: %.2f ulp at %a %a\n", target.level->name, f->name,
           is64 ? "f64" : "f32", worst, at, at2);
    CHECK(faults == 0);
    CHECK(worst <= bound);
}

static const function *now;
static tb_dtype type;

static void
one_body(void)
{
    fill(now, type == TB_F64);
    run_kernel(kernel_of(now->p, type), type == TB_F64);
    compare(now, type == TB_F64);
}

static void
all_of(tb_dtype t)
{
    type = t;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        now = &functions[i];
        for (size_t level = 0; t_next_level(&level);)
            t_guarded(one_body, NULL);
    }
}

static void
f32_bounds(void)
{
    all_of(TB_F32);
}

static void
f64_bounds(void)
{
    all_of(TB_F64);
}

/* nextafter is exact, also at its special values. */
static void
neighbours_body(void)
{
    function f = {.p = TB_P_nextafter, .lo = -1e38, .hi = 1e38};

    for (int is64 = 0; is64 < 2; is64++) {
        fill(&f, is64);
        run_kernel(kernel_of(TB_P_nextafter, is64 ? TB_F64 : TB_F32), is64);
        for (int i = 0; i < N; i++) {
            double w = is64 ? nextafter(a[i], b[i])
                            : (double)nextafterf((float)a[i], (float)b[i]);
            if (!same_special(r[i], w)) {
                printf("# nextafter(%a, %a) is %a, not %a\n", a[i], b[i], r[i], w);
                CHECK(false);
                break;
            }
        }
    }
}
LEVELS(neighbours)

/* e^(x - top): what of the difference's rounding it may add grows with the difference. */
static void
exp_below_body(void)
{
    int lanes = target.lanes > 1 ? target.lanes : 4;
    tb_kernel *k = tb_kernel_new(cx, &target, TB_STR("k0_f"));
    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), lanes, NULL, 0);
    tb_kv x = tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 0), i, 0, TB_NO_KV);
    tb_kv top = tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 1), i, 0, TB_NO_KV);
    static const float odd[][2] = {{INFINITY, INFINITY}, {-INFINITY, INFINITY}, {NAN, 0}, {0, NAN},
                                   {-INFINITY, -INFINITY}};
    double worst = 0, at = 0;

    tb_k_store(k, TB_F32, tb_k_binding(k, 2), i, 0, tb_k_exp_below(k, x, top), TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
    for (int n = 0; n < N; n++) {
        double u = (double)(random64() >> 11) * 0x1p-53;
        b[n] = (double)(float)(n % 3 ? 0 : 100 * u - 50);
        a[n] = (double)(float)(b[n] - (n % 2 ? 1 : 110) * (double)(random64() >> 11) * 0x1p-53);
        if (n < 64)
            a[n] = b[n] - (n < 32 ? 0 : 1000 * u);
        if (n < (int)TB_COUNT(odd)) {
            a[n] = (double)odd[n][0];
            b[n] = (double)odd[n][1];
        }
    }
    run_kernel(k, false);
    for (int n = 0; n < N; n++) {
        float d = (float)a[n] - (float)b[n];
        wide want = expl((wide)d);
        double e = (double)(fabsl((wide)r[n] - want) / want) * 0x1p24 - 1.25 * (double)fabsf(d);
        if (isnan(d)) {
            CHECK(isnan(r[n]));
        } else if (d == 0 || isinf(d)) {
            CHECK(r[n] == (double)want);
        } else if (want > 0x1p-125L && e > worst) {
            worst = e;
            at = (double)d;
        }
    }
    printf("# %s exp_below: 2^-24 of %.2f and 1.25 differences, at %a\n", target.level->name,
           worst, at);
    CHECK(worst <= 2.5);
}
LEVELS(exp_below)

/* ---- all arguments ---- */

static uint64_t step = 1;
static const char *only_level, *only_name;

/* The truth to 1e-8 units of F32. */
static double
narrow(tb_prim p, double x)
{
    switch (p) {
    case TB_P_exp: return exp(x);
    case TB_P_expm1: return expm1(x);
    case TB_P_tanh: return tanh(x);
    case TB_P_erf: return erf(x);
    case TB_P_log: return log(x);
    case TB_P_log1p: return log1p(x);
    case TB_P_log2: return log2(x);
    case TB_P_sin: return sin(x);
    case TB_P_cos: return cos(x);
    case TB_P_tan: return tan(x);
    case TB_P_asin: return asin(x);
    case TB_P_atan: return atan(x);
    case TB_P_lgamma: return lgamma(x);
    default: abort();
    }
}

/* The unit of the last place in F32 of a value that is neither 0 nor infinite. */
static double
unit_f32(double x)
{
    uint64_t bits;
    int64_t e;
    double u;

    memcpy(&bits, &x, 8);
    e = (int64_t)(bits >> 52 & 0x7ff) - 23;
    if (e < 1023 - 149)
        e = 1023 - 149;
    bits = (uint64_t)e << 52;
    memcpy(&u, &bits, 8);
    return u;
}

/* A call compiles its kernel again. */
enum { SWEEP = 1 << 22 };

static void
sweep_body(void)
{
    static float in[SWEEP], out[SWEEP];
    void *bind[3] = {in, in, out};
    const tb_kernel *k = kernel_of(now->p, TB_F32);
    double worst = 0, at = 0;
    int faults = 0;

    for (uint64_t first = 0; first < UINT64_C(1) << 32; first += SWEEP * step) {
        for (uint64_t i = 0; i < SWEEP; i++) {
            uint32_t bits = (uint32_t)(first + i * step);
            memcpy(&in[i], &bits, 4);
        }
        if (t_call(k, bind, NULL, 0, SWEEP) != 0)
            return (void)CHECK(false);
        for (int i = 0; i < SWEEP; i++) {
            double x = (double)in[i], got = (double)out[i], want = narrow(now->p, x), e;
            double w = (double)(float)want;

            if (isfinite(x) && x != 0 && isfinite(w) && w != 0) {
                if (!in_domain(now, false, x) || (fabs(w) < now->floor_f32 && got == 0))
                    continue;
                e = fabs(got - want) / unit_f32(want);
                if (!(e <= worst) && !(x < 0 && fabs(got - want) <= now->slack)) {
                    worst = e;
                    at = x;
                }
            } else if (!same_special(got, w) && !(w == 0 && want != 0) &&
                       !(isinf(w) && isfinite(want) && fabs(got) == 0x1.fffffep127) &&
                       faults++ < 5) {
                printf("# %s %s(%a) is %a, not %a\n", target.level->name, now->name, x, got,
                       w);
            }
        }
    }
    printf("# %s %s: %.3f ulp at %a, bound %.2f\n", target.level->name, now->name, worst, at,
           now->ulp_f32);
    fflush(stdout);
    CHECK(faults == 0);
    CHECK(worst <= now->ulp_f32);
}

static void
sweep(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        now = &functions[i];
        if (tb_prim_arity(now->p) != 1 || (only_name && strcmp(only_name, now->name) != 0))
            continue;
        for (size_t level = 0; t_next_level(&level);)
            if (!only_level || strcmp(only_level, target.level->name) == 0)
                t_guarded(sweep_body, NULL);
    }
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--sweep") == 0) {
        if (argc > 2)
            step = strtoull(argv[2], NULL, 10);
        if (argc > 3)
            only_level = argv[3];
        if (argc > 4)
            only_name = argv[4];
        if (step == 0)
            return 2;
        RUN(sweep);
        return t_done();
    }
    RUN(f32_bounds);
    RUN(f64_bounds);
    RUN(neighbours);
    RUN(exp_below);
    return t_done();
}

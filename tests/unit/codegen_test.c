/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * codegen_test.c -- machine code against plain C, on every CPU level of this machine.
 */
#include <math.h>
#include <stdlib.h>

#include "kernel/build.h"
#include "unit/code_t.h"

#define NO TB_NO_KV

static tb_kernel *
begin(const char *name)
{
    return tb_kernel_new(cx, &target, tb_str_c(name));
}

static int
width(void)
{
    return target.lanes > 1 ? target.lanes : 4;
}

static tb_kv
map2(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b)
{
    return tb_k_map(k, p, a, b, NO);
}

/* lanes of the vector at i that are below n */
static tb_kv
tail_mask(tb_kernel *k, tb_kv i, tb_kv n)
{
    tb_kv at = tb_k_add(k, tb_k_splat(k, i, width()), tb_k_lane_ids(k, TB_I64, width()));

    return tb_k_lt(k, at, tb_k_splat(k, n, width()));
}

/* ---- loops and masks ---- */

/* out[i] = x[i] * y[i] + 1 for i in tiles, the tail under a mask */
static void
masked_tail_body(void)
{
    tb_kernel *k = begin("k0_tail");
    int w = width();
    tb_kv x = tb_k_binding(k, 0), y = tb_k_binding(k, 1), out = tb_k_binding(k, 2);
    float a[61], b[61], r[64];

    tb_kv end = tb_k_tile_end(k);
    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), end, w, NULL, 0);
    tb_kv m = tail_mask(k, i, end);
    tb_kv v = tb_k_fma(k, tb_k_load(k, TB_F32, w, x, i, 0, m),
                       tb_k_load(k, TB_F32, w, y, i, 0, m), tb_k_const(k, TB_F32, 1));
    tb_k_store(k, TB_F32, out, i, 0, v, m);
    tb_k_end_for(k, NULL, NULL);

    for (int n = 0; n < 61; n++) {
        a[n] = (float)n;
        b[n] = (float)(n % 7);
    }
    for (int64_t n = 0; n <= 61; n += 61 - (n < 61 ? 24 : 0)) {
        void *bind[3] = {a, b, r};
        for (int j = 0; j < 64; j++)
            r[j] = -1;
        EQ_INT(t_call(k, bind, NULL, 0, n), 0);
        for (int j = 0; j < 64; j++)
            EQ_INT(r[j], j < n ? j * (j % 7) + 1 : -1);
    }
}
LEVELS(masked_tail)

/* Nested loops with carried values, zero rounds among them; sizes; IF with else. */
static void
loops_body(void)
{
    tb_kernel *k = begin("k1_loops");
    tb_kv out = tb_k_binding(k, 0), init[2], next[2], done[2], inner;
    int64_t size = 0, r[40];
    tb_unit *u = tb_unit_new(cx, TB_STR("m"));

    tb_kv n = tb_k_dim(k, u, tb_sym_new(u, TB_STR("s"), TB_SYM_SHAPE, 0, 1000));
    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    init[0] = tb_k_int(k, 1);
    init[1] = i;
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), n, 3, init, 2);
    inner = tb_k_int(k, 0);
    tb_k_for(k, tb_k_int(k, 0), j, 1, &inner, 1);
    next[0] = tb_k_add(k, tb_k_carried(k, 0), i);
    tb_k_end_for(k, next, &inner);
    next[0] = tb_k_add(k, tb_k_carried(k, 0), inner);
    next[1] = tb_k_sub(k, tb_k_mul(k, tb_k_carried(k, 1), tb_k_int(k, 3)), next[0]);
    tb_k_end_for(k, next, done);
    tb_k_if(k, tb_k_lt(k, tb_k_mod(k, i, tb_k_int(k, 2)), tb_k_int(k, 1)));
    tb_k_store(k, TB_I64, out, i, 0, done[0], NO);
    tb_k_else(k);
    tb_k_store(k, TB_I64, out, i, 0, done[1], NO);
    tb_k_end_if(k);
    tb_k_end_for(k, NULL, NULL);

    for (size = 0; size < 20; size += 19) {
        void *bind[1] = {r};
        EQ_INT(t_call(k, bind, &size, 3, 40), 0);
        for (int64_t a = 3; a < 40; a++) {
            int64_t x = 1, y = a;
            for (int64_t b = 0; b < size; b += 3) {
                x += a * b;
                y = (int64_t)((uint64_t)y * 3 - (uint64_t)x);
            }
            EQ_INT(r[a], a % 2 == 0 ? x : y);
        }
    }
}
LEVELS(loops)

/* A mask made outside a loop, carried through another and passed to a function. */
static void
masks_travel_body(void)
{
    tb_kernel *k = begin("k2_masks");
    int w = width();
    uint16_t params[3] = {TB_K_PTR | 1 << 8, (uint16_t)(TB_BOOL | w << 8),
                          TB_BOOL | 1 << 8};
    tb_kv out = tb_k_binding(k, 0), m, args[3];
    int32_t r[3 * 64], want[64];

    uint32_t fn = tb_k_fn_begin(k, TB_STR("put"), params, 3);
    tb_k_if(k, tb_k_param(k, 2));
    tb_k_store(k, TB_I32, tb_k_param(k, 0), NO, 0,
               tb_k_cast(k, tb_k_param(k, 1), TB_I32), NO);
    tb_k_end_if(k);
    tb_k_fn_end(k);

    m = tail_mask(k, tb_k_int(k, 0), tb_k_tile_end(k));
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, 3), 1, &m, 1);
    tb_kv now = tb_k_carried(k, 0);
    args[0] = tb_k_ptr_add(k, out, i, 4 * w);
    args[1] = map2(k, TB_P_and, now, m);
    args[2] = tb_k_lt(k, i, tb_k_int(k, 2));
    tb_k_call(k, fn, args, 3);
    tb_kv next = tb_k_map(k, TB_P_not, now, NO, NO), after;
    tb_k_end_for(k, &next, &after);
    tb_k_store(k, TB_I32, out, tb_k_int(k, 2 * w), 0, tb_k_cast(k, after, TB_I32), NO);

    void *bind[1] = {r};
    memset(r, 0x55, sizeof r);
    EQ_INT(t_call(k, bind, NULL, 0, 3), 0);
    for (int j = 0; j < w; j++)
        want[j] = j < 3;
    for (int j = 0; j < w; j++) {
        EQ_INT(r[j], want[j]);
        EQ_INT(r[w + j], 0);
        EQ_INT(r[2 * w + j], !want[j]);
    }
}
LEVELS(masks_travel)

/* The first code that fails is returned; the kernel goes on. */
static void
fail_body(void)
{
    tb_kernel *k = begin("k3_fail");
    int32_t r[8] = {0};
    void *bind[1] = {r};

    tb_kv i = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_k_fail_if(k, map2(k, TB_P_eq, i, tb_k_int(k, 3)), 2);
    tb_k_fail_if(k, map2(k, TB_P_eq, i, tb_k_int(k, 5)), 1);
    tb_k_store(k, TB_I32, tb_k_binding(k, 0), i, 0, tb_k_const_int(k, TB_I32, 7), NO);
    tb_k_end_for(k, NULL, NULL);
    EQ_INT(t_call(k, bind, NULL, 0, 3), 0);
    EQ_INT(t_call(k, bind, NULL, 0, 8), 2);
    EQ_INT(t_call(k, bind, NULL, 4, 8), 1);
    EQ_INT(r[7], 7);
}
LEVELS(fail)

/* Lanes from and to one place: the index is a constant only to LLVM. */
static void
one_place_body(void)
{
    tb_kernel *k = begin("k3_one");
    int w = width();
    int32_t r[2] = {5, 6}, x[1] = {7}, list[64] = {0};
    void *bind[2] = {x, r};
    tb_kv zeros = tb_k_shuffle(k, tb_k_lane_ids(k, TB_I64, w), NO, list, w);
    tb_kv m = tail_mask(k, tb_k_int(k, 0), tb_k_tile_end(k));
    tb_kv v = tb_k_gather(k, TB_I32, tb_k_binding(k, 0), zeros, m);

    v = tb_k_add(k, v, tb_k_lane_ids(k, TB_I32, w));
    tb_k_scatter(k, TB_I32, tb_k_binding(k, 1), zeros, v, m);
    EQ_INT(t_call(k, bind, NULL, 0, 3), 0);
    EQ_INT(r[0], 7 + 2);
    EQ_INT(r[1], 6);
    EQ_INT(t_call(k, bind, NULL, 0, 0), 0);
    EQ_INT(r[0], 9);
}
LEVELS(one_place)

/* ---- rows ---- */

static const double odd_floats[] = {
    0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, -7.25, 1e-3, 0x1p-126,
    0x1p-149, 0x1p-1074, -0x1p-149, 1e10, -1e10, 1e18, -1e18, 1e19, 1.9e19, 1e30, -1e30,
    127, 128, -129, 255, 256, 32768, -32769, 65535, 65536, 2147483647.0, 2147483648.0,
    -2147483648.0, -2147483904.0, 4294967295.0, 4294967296.0, 9223372036854775808.0,
    -9223372036854775808.0, INFINITY, -INFINITY, NAN, 0.1, 8388609.5,
    4503599627370497.5};
static const int64_t odd_ints[] = {
    0,         1,         -1,         2,         -2,        3,       5,
    7,         8,         15,         16,        31,        32,      33,
    63,        64,        65,         100,       -100,      127,     128,
    -128,      -129,      255,        256,       32767,     -32768,  65535,
    INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, 1000003, -1000003};

static uint64_t
odd_number(tb_dtype t, uint32_t n)
{
    if (t == TB_F32)
        return tb_lane_of_f32((float)odd_floats[n % TB_COUNT(odd_floats)]);
    if (t == TB_F64)
        return tb_lane_of_f64(odd_floats[n % TB_COUNT(odd_floats)]);
    return tb_lane_wrap(t, (uint64_t)odd_ints[n % TB_COUNT(odd_ints)]);
}

static bool
is_nan(tb_dtype t, uint64_t x)
{
    return t == TB_F32 ? isnan(tb_lane_f32(x)) : t == TB_F64 && isnan(tb_lane_f64(x));
}

/* Words as tb_lane_map has them; one NaN is as good as another. */
static bool
same_lane(tb_dtype t, uint64_t a, uint64_t b)
{
    return a == b || (is_nan(t, a) && is_nan(t, b));
}

static uint64_t
get(tb_dtype t, const void *at, size_t n)
{
    uint64_t x = 0;

    memcpy(&x, (const char *)at + n * tb_dtype_bytes(t), tb_dtype_bytes(t));
    return t == TB_BOOL ? x != 0 : tb_dtype_is_float(t) ? x : tb_lane_wrap(t, x);
}

static void
put(tb_dtype t, void *at, size_t n, uint64_t x)
{
    memcpy((char *)at + n * tb_dtype_bytes(t), &x, tb_dtype_bytes(t));
}

static const tb_prim int_rows[] = {TB_P_add, TB_P_sub, TB_P_mul, TB_P_div, TB_P_rem,
                                   TB_P_max, TB_P_min, TB_P_and, TB_P_or,  TB_P_xor,
                                   TB_P_shl, TB_P_shr, TB_P_eq,  TB_P_ne,  TB_P_lt,
                                   TB_P_le,  TB_P_neg, TB_P_abs, TB_P_not};
static const tb_prim float_rows[] = {TB_P_add, TB_P_sub, TB_P_mul, TB_P_div, TB_P_max,
                                     TB_P_min, TB_P_copysign, TB_P_eq, TB_P_ne, TB_P_lt,
                                     TB_P_le, TB_P_neg, TB_P_abs, TB_P_floor, TB_P_ceil,
                                     TB_P_trunc, TB_P_round, TB_P_sqrt};
static const tb_dtype dtypes[] = {TB_U8,  TB_I8,  TB_I16, TB_U16, TB_I32, TB_U32,
                                  TB_I64, TB_U64, TB_F32, TB_F64, TB_BOOL};

enum { PAIRS = 48 * 48, ROOM = 64 };
static char pair_a[PAIRS * 8], pair_b[PAIRS * 8], results[24][PAIRS * 8 + ROOM * 8];

/* Row after row of one dtype on all pairs of odd numbers, `lanes` at a time. */
static void
check_rows(tb_dtype t, int lanes)
{
    bool floats = tb_dtype_is_float(t);
    const tb_prim *rows = floats ? float_rows : int_rows;
    uint32_t n = floats ? TB_COUNT(float_rows) : TB_COUNT(int_rows);
    tb_kernel *k = begin("k4_rows");
    void *bind[26] = {pair_a, pair_b};
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, PAIRS), lanes, NULL, 0);
    tb_kv a = tb_k_load(k, t, lanes, tb_k_binding(k, 0), i, 0, NO);
    tb_kv b = tb_k_load(k, t, lanes, tb_k_binding(k, 1), i, 0, NO);

    for (uint32_t r = 0; r < n; r++) {
        tb_kv v = map2(k, rows[r], a, tb_prim_arity(rows[r]) == 2 ? b : NO);
        tb_k_store(k, (tb_dtype)tb_k_inst(k, v)->dtype, tb_k_binding(k, r + 2), i, 0, v,
                   NO);
        bind[r + 2] = results[r];
    }
    tb_k_end_for(k, NULL, NULL);
    for (uint32_t x = 0; x < PAIRS; x++) {
        put(t, pair_a, x, odd_number(t, x / 48));
        put(t, pair_b, x, odd_number(t, x % 48));
    }
    EQ_INT(t_call(k, bind, NULL, 0, 1), 0);
    for (uint32_t r = 0; r < n; r++) {
        bool compares = rows[r] == TB_P_eq || rows[r] == TB_P_ne || rows[r] == TB_P_lt ||
                        rows[r] == TB_P_le;
        tb_dtype to = compares ? TB_BOOL : t;
        for (uint32_t x = 0; x < PAIRS; x++) {
            uint64_t p = get(t, pair_a, x), q = get(t, pair_b, x),
                     got = get(to, results[r], x);
            uint64_t want = tb_lane_map(rows[r], t, to, p, q, 0);
            if (!same_lane(to, got, want)) {
                printf("# %s %s x%d: %s(%" PRIx64 ", %" PRIx64 ") is %" PRIx64
                       ", not %" PRIx64 "\n",
                       target.level->name, tb_dtype_name(t), lanes, tb_prim_name(rows[r]),
                       p, q, got, want);
                CHECK(false);
                break;
            }
        }
    }
}

static void
rows_body(void)
{
    for (uint32_t t = 0; t < TB_COUNT(dtypes) - 1; t++) {
        check_rows(dtypes[t], 1);
        check_rows(dtypes[t], width());
    }
}
LEVELS(rows)

/* Every dtype to every other, directly or by way of another: t itself, or a float. */
static void
check_casts(tb_dtype t, tb_dtype via, int lanes)
{
    tb_kernel *k = begin("k5_casts");
    void *bind[26] = {pair_a};
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, 48), lanes, NULL, 0);
    tb_kv a = tb_k_load(k, t, lanes, tb_k_binding(k, 0), i, 0, NO);

    a = tb_k_cast(k, a, via);
    for (uint32_t r = 0; r < TB_COUNT(dtypes); r++) {
        tb_k_store(k, dtypes[r], tb_k_binding(k, r + 1), i, 0, tb_k_cast(k, a, dtypes[r]),
                   NO);
        bind[r + 1] = results[r];
    }
    tb_k_end_for(k, NULL, NULL);
    for (uint32_t x = 0; x < 48; x++)
        put(t, pair_a, x, odd_number(t, x));
    EQ_INT(t_call(k, bind, NULL, 0, 1), 0);
    for (uint32_t r = 0; r < TB_COUNT(dtypes); r++)
        for (uint32_t x = 0; x < 48; x++) {
            uint64_t p = get(t, pair_a, x), got = get(dtypes[r], results[r], x);
            uint64_t between = tb_lane_map(TB_P_cast, t, via, p, 0, 0);
            uint64_t want = tb_lane_map(TB_P_cast, via, dtypes[r], between, 0, 0);
            if (!same_lane(dtypes[r], got, want)) {
                printf("# %s x%d: %s %" PRIx64 " by %s to %s is %" PRIx64
                       ", not %" PRIx64 "\n", target.level->name, lanes,
                       tb_dtype_name(t), p, tb_dtype_name(via), tb_dtype_name(dtypes[r]),
                       got, want);
                CHECK(false);
            }
        }
}

static void
casts_body(void)
{
    for (uint32_t t = 0; t < TB_COUNT(dtypes); t++) {
        check_casts(dtypes[t], dtypes[t], 1);
        check_casts(dtypes[t], dtypes[t], width());
        check_casts(dtypes[t], TB_F32, width());
        check_casts(dtypes[t], TB_F64, 1);
        check_casts(dtypes[t], TB_F64, width());
    }
}
LEVELS(casts)

/* ---- 16-bit floats ---- */

static uint16_t halves[65536 + ROOM], halves_back[65536 + ROOM];
static float floats[65536 + ROOM];

static void
check_halves(tb_dtype mem, int lanes)
{
    tb_kernel *k = begin("k6_halves");
    void *bind[3] = {halves, floats, halves_back};
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, 65536), lanes, NULL, 0);
    int faults = 0;

    /* from halves; then, of other floats, to halves */
    tb_k_if(k, map2(k, TB_P_eq, tb_k_tile_begin(k), tb_k_int(k, 0)));
    tb_k_store(k, TB_F32, tb_k_binding(k, 1), i, 0,
               tb_k_load(k, mem, lanes, tb_k_binding(k, 0), i, 0, NO), NO);
    tb_k_else(k);
    tb_k_store(k, mem, tb_k_binding(k, 2), i, 0,
               tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 1), i, 0, NO), NO);
    tb_k_end_if(k);
    tb_k_end_for(k, NULL, NULL);
    for (uint32_t n = 0; n < 65536; n++)
        halves[n] = (uint16_t)n;
    EQ_INT(t_call(k, bind, NULL, 0, 1), 0);
    for (uint32_t n = 0; n < 65536; n++) {
        float want =
            mem == TB_F16 ? tb_f16_to_f32((uint16_t)n) : tb_bf16_to_f32((uint16_t)n);
        faults += memcmp(&want, &floats[n], 4) != 0;
    }
    EQ_INT(faults, 0);
    /* the middle between two halves, and its neighbours */
    for (uint32_t n = 0; n < 65536; n++) {
        uint32_t u = n * 65536u + (n % 5 == 0   ? 0x8000u
                                   : n % 5 == 1 ? 0x7fff
                                                : n * 77773u);
        if (mem == TB_F16)
            u = (n & 0x8000u) << 16 | (0x31800000u + (n & 0x7fff) * 14000u + n % 3);
        if (mem == TB_F16 && n % 7 == 0)
            u = (uint32_t)n * 65537u;
        if (mem == TB_F16 && n % 2 == 0)
            u &= ~0xfffu;
        memcpy(&floats[n], &u, 4);
    }
    EQ_INT(t_call(k, bind, NULL, 1, 1), 0);
    for (uint32_t n = 0; n < 65536 && faults < 5; n++) {
        uint16_t want =
            mem == TB_F16 ? tb_f32_to_f16(floats[n]) : tb_f32_to_bf16(floats[n]);
        if (want != halves_back[n]) {
            printf("# %s x%d: %a to %s is %x, not %x\n", target.level->name, lanes,
                   (double)floats[n], tb_dtype_name(mem), halves_back[n], want);
            faults++;
        }
    }
    EQ_INT(faults, 0);
}

static void
small_floats_body(void)
{
    check_halves(TB_F16, 1);
    check_halves(TB_F16, width());
    check_halves(TB_BF16, 1);
    check_halves(TB_BF16, width());
}
LEVELS(small_floats)

/* ---- dot products of pairs of bf16 ---- */

enum { DOTS = 1 << 15 };
static uint32_t dot_a[DOTS], dot_b[DOTS], dot_c[DOTS], dot_got[DOTS];

static uint32_t
next_bits(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

/* All sorts of numbers; where `near`, products and sums about the least normal number. */
static void
fill_dots(bool near)
{
    uint64_t state = near ? 7 : 5;
    for (int n = 0; n < DOTS; n++) {
        dot_a[n] = next_bits(&state);
        dot_b[n] = next_bits(&state);
        dot_c[n] = next_bits(&state);
        if (near) { /* exponents of 60 to 63, twice, and of 0 to 3 for the addend */
            dot_a[n] = (dot_a[n] & 0x81ff81ff) | 0x1e001e00;
            dot_b[n] = (dot_b[n] & 0x81ff81ff) | 0x1e001e00;
            dot_c[n] &= 0x81ffffff;
        }
    }
}

static void
dots(int lanes, bool near)
{
    tb_kernel *k = begin("k7_dots");
    void *bind[4] = {dot_a, dot_b, dot_c, dot_got};
    int faults = 0, tiny = 0;
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, DOTS), lanes, NULL, 0);
    tb_kv a = tb_k_load(k, TB_U32, lanes, tb_k_binding(k, 0), i, 0, NO);
    tb_kv b = tb_k_load(k, TB_U32, lanes, tb_k_binding(k, 1), i, 0, NO);
    tb_kv c = tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 2), i, 0, NO);

    tb_k_store(k, TB_F32, tb_k_binding(k, 3), i, 0, tb_k_dot_bf16(k, a, b, c), NO);
    tb_k_end_for(k, NULL, NULL);
    tb_kernel_verify(k);
    fill_dots(near);
    EQ_INT(t_call(k, bind, NULL, 0, 1), 0);
    for (int n = 0; n < DOTS && faults < 5; n++) {
        uint32_t want = (uint32_t)tb_lane_dot_bf16(dot_a[n], dot_b[n], dot_c[n]);
        tiny += (want & 0x7fffffff) == 0;
        if (same_lane(TB_F32, want, dot_got[n]))
            continue;
        printf("# %s x%d: %x . %x + %x is %x, not %x\n", target.level->name, lanes, dot_a[n],
               dot_b[n], dot_c[n], dot_got[n], want);
        faults++;
    }
    EQ_INT(faults, 0);
    CHECK(!near || tiny > 100);
}

static void
dot_products_body(void)
{
    if (!target.bf16_dot)
        return;
    for (int lanes = 4; lanes <= 16; lanes *= 2) {
        dots(lanes, false);
        dots(lanes, true);
    }
}
LEVELS(dot_products)

static void
exp2_parts_body(void)
{
    static const uint32_t odd[] = {0, 1, 0x7f800000, 0x7fc00000, 0x3f800000, 0x00800000,
                                   0x4b7fffff, 0x4b800000, 0x43160000, 0x42fe8000, 0x33000000};
    uint64_t state = 3;
    int faults = 0;

    if (!target.exp2)
        return;
    for (int n = 0; n < DOTS; n++) {
        dot_a[n] = next_bits(&state);
        dot_b[n] = next_bits(&state);
        if (n % 2) /* of sizes that scale */
            dot_b[n] = (dot_b[n] & 0x83ffffff) | 0x40000000;
        if (n < (int)(4 * TB_COUNT(odd) * TB_COUNT(odd))) {
            dot_a[n] = odd[(size_t)n / 4 % TB_COUNT(odd)] | (uint32_t)(n & 1) << 31;
            dot_b[n] = odd[(size_t)n / 4 / TB_COUNT(odd)] | (uint32_t)(n & 2) << 30;
        }
    }
    for (int lanes = 4; lanes <= 16; lanes *= 2) {
        tb_kernel *k = begin("k8_exp2");
        void *bind[4] = {dot_a, dot_b, dot_c, dot_got};
        tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, DOTS), lanes, NULL, 0);
        tb_kv a = tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 0), i, 0, NO);
        tb_kv b = tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 1), i, 0, NO);
        tb_k_store(k, TB_F32, tb_k_binding(k, 2), i, 0, tb_k_fraction(k, a), NO);
        tb_k_store(k, TB_F32, tb_k_binding(k, 3), i, 0, tb_k_scale(k, a, b), NO);
        tb_k_end_for(k, NULL, NULL);
        tb_kernel_verify(k);
        EQ_INT(t_call(k, bind, NULL, 0, 1), 0);
        for (int n = 0; n < DOTS && faults < 5; n++) {
            uint64_t want[2] = {tb_lane_fraction(dot_a[n]), tb_lane_scale(dot_a[n], dot_b[n])};
            if (same_lane(TB_F32, want[0], dot_c[n]) && same_lane(TB_F32, want[1], dot_got[n]))
                continue;
            printf("# x%d: of %x and %x: %x and %x, not %x and %x\n", lanes, dot_a[n], dot_b[n],
                   dot_c[n], dot_got[n], (unsigned)want[0], (unsigned)want[1]);
            faults++;
        }
    }
    EQ_INT(faults, 0);
}
LEVELS(exp2_parts)

static void
bf16_bits_body(void)
{
    static const uint32_t odd[] = {0, 1, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0x7f800001,
                                   0x7fc12345, 0x3f808000, 0x3f818000, 0x3f80ffff};
    static uint16_t got[DOTS];
    uint64_t state = 5;
    int faults = 0;

    if (!target.bf16_round)
        return;
    for (int n = 0; n < DOTS; n++)
        dot_a[n] = n < (int)(2 * TB_COUNT(odd)) ? odd[n / 2] | (uint32_t)(n & 1) << 31
                                                : (uint32_t)next_bits(&state);
    for (int lanes = 8; lanes <= 16; lanes *= 2) {
        tb_kernel *k = begin("k9_to_bf16");
        void *bind[2] = {dot_a, got};
        tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, DOTS), lanes, NULL, 0);
        tb_kv a = tb_k_load(k, TB_F32, lanes, tb_k_binding(k, 0), i, 0, NO);
        tb_k_store(k, TB_U16, tb_k_binding(k, 1), i, 0, tb_k_to_bf16(k, a), NO);
        tb_k_end_for(k, NULL, NULL);
        tb_kernel_verify(k);
        EQ_INT(t_call(k, bind, NULL, 0, 1), 0);
        for (int n = 0; n < DOTS && faults < 5; n++) {
            uint16_t want = (uint16_t)tb_lane_to_bf16(dot_a[n]);
            if (want == got[n])
                continue;
            printf("# x%d: %x is %x, not %x\n", lanes, dot_a[n], got[n], want);
            faults++;
        }
    }
    EQ_INT(faults, 0);
}
LEVELS(bf16_bits)

/* Only targets that have the instruction may be given it. */
static void
refused_dot_body(void)
{
    tb_target with = target, without = target;
    with.bf16_dot = true;
    without.bf16_dot = false;
    tb_kernel *k = tb_kernel_new(cx, &with, TB_STR("k0_dot"));
    tb_kv a = tb_k_splat(k, tb_k_const_int(k, TB_U32, 3), 8);
    tb_kv c = tb_k_splat(k, tb_k_const(k, TB_F32, 0), 8);
    tb_k_store(k, TB_F32, tb_k_binding(k, 0), NO, 0, tb_k_dot_bf16(k, a, a, c), NO);
    tb_kernel_verify(k);
    k->target = &without;
    tb_kernel_verify(k);
}

static void
refused_dot(void)
{
    size_t level = 0;

    t_next_level(&level);
    t_guarded(refused_dot_body, "kernel k0_dot, function k0_dot, v5: does not hold: "
                                "c->k->target->bf16_dot && i->dtype == TB_F32");
}

/* ---- images ---- */

static const tb_kernel *
numbered(int i)
{
    tb_kernel *k = begin(i % 10 == 0 ? "k7_same" : tb_sprintf(&cx->keep, "k%d_n", i).ptr);
    tb_kv v = tb_k_load(k, TB_F32, width(), tb_k_binding(k, 0), NO, 0, NO);

    for (int n = 0; n < i; n++) {
        v = map2(k, TB_P_mul, v, tb_k_const(k, TB_F32, 1 + n * 0.25));
        v = map2(k, TB_P_add, v, tb_k_const(k, TB_F32, i));
    }
    tb_k_store(k, TB_F32, tb_k_binding(k, 1), NO, 0, v, NO);
    return k;
}

static size_t steps, last_done;

static void
count(void *user, const char *stage, size_t done, size_t total)
{
    CHECK(user == &steps && strcmp(stage, "code") == 0 && done <= total && total == 100);
    CHECK(done >= last_done);
    last_done = done;
    steps++;
}

/* The same bytes with any number of threads; each kernel at its entry. */
static void
threads_body(void)
{
    const tb_kernel *k[100];
    tb_flat_image a, b;
    float x[64], r[64];
    void *bind[2] = {x, r};

    for (int i = 0; i < 100; i++)
        k[i] = numbered(i);
    steps = last_done = 0;
    tb_codegen(cx, k, 100, &target, 1, NULL, NULL, NULL, &a);
    tb_codegen(cx, k, 100, &target, 3, NULL, count, &steps, &b);
    EQ_INT(last_done, 100);
    EQ_INT(a.n, b.n);
    CHECK(memcmp(a.bytes, b.bytes, a.n) == 0);
    CHECK(memcmp(a.entries, b.entries, 400) == 0);
    EQ_INT(a.text_bytes % 4096, 0);
    EQ_INT(a.machine, tb_cpu_machine());
    EQ_STR(a.names[0], "k7_same");
    EQ_STR(a.names[10], "k7_same.10");
    t_code c = t_compile(k, 100, 2);
    for (int i = 0; i < 100; i++) {
        float want = 0.5f;
        x[0] = 0.5f;
        CHECK(a.entries[i] < a.text_bytes);
        t_entry(&c, (uint32_t)i)(bind, NULL, 0, 1, NULL);
        for (int n = 0; n < i; n++)
            want = want * (float)(1 + n * 0.25) + (float)i;
        CHECK(memcmp(&want, r, 4) == 0);
    }
    t_drop(&c);
    tb_codegen(cx, k, 0, &target, 2, NULL, NULL, NULL, &a);
    EQ_INT(a.n, 0);
}
LEVELS(threads)

static bool
contains(const tb_buf *b, const char *text)
{
    return memmem(b->at, b->n, text, strlen(text)) != NULL;
}

static void
dumps_body(void)
{
    const tb_kernel *k[2] = {numbered(3), numbered(5)};
    tb_buf ir = {0}, text = {0};

    tb_codegen_print(cx, k, 2, &target, false, &ir);
    tb_codegen_print(cx, k, 2, &target, true, &text);
    CHECK(contains(&ir, "define hidden i32 @k3_n(ptr") && contains(&ir, "@k5_n"));
    CHECK(contains(&text, "k3_n:") && contains(&text, "ret"));
    tb_buf_free(&ir);
    tb_buf_free(&text);
}
LEVELS(dumps)

/* An object with one call, of ELF as an assembler would write it. */
typedef struct elf_file {
    struct {
        uint8_t ident[16];
        uint16_t type, machine;
        uint32_t version;
        uint64_t entry, phoff, shoff;
        uint32_t flags;
        uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
    } h;
    struct {
        uint32_t name, type;
        uint64_t flags, addr, offset, size;
        uint32_t link, info;
        uint64_t align, entsize;
    } s[5]; /* none, text, its relocations, symbols, names */
    struct {
        uint32_t name;
        uint8_t info, other;
        uint16_t shndx;
        uint64_t value, size;
    } symbols[3];
    struct {
        uint64_t offset, info;
        int64_t addend;
    } rela;
    char names[24];
    uint8_t text[24];
} elf_file;

static elf_file
object_with_call(void)
{
    elf_file f = {.names = "\0k0_bad\0memcpy\0.text"};
    uint16_t machine = 62;

    memcpy(f.h.ident, "\177ELF\2\1\1", 7);
    f.h.type = 1;
    f.h.machine = machine;
    f.h.version = 1;
    f.h.shoff = offsetof(elf_file, s);
    f.h.ehsize = 64;
    f.h.shentsize = 64;
    f.h.shnum = 5;
    f.h.shstrndx = 4;
    f.s[1].name = 15;
    f.s[1].type = 1;
    f.s[1].flags = 6;
    f.s[1].offset = offsetof(elf_file, text);
    f.s[1].size = 16;
    f.s[1].align = 16;
    f.s[2].type = 4;
    f.s[2].offset = offsetof(elf_file, rela);
    f.s[2].size = sizeof f.rela;
    f.s[2].link = 3;
    f.s[2].info = 1;
    f.s[3].type = 2;
    f.s[3].offset = offsetof(elf_file, symbols);
    f.s[3].size = sizeof f.symbols;
    f.s[3].link = 4;
    f.s[4].type = 3;
    f.s[4].offset = offsetof(elf_file, names);
    f.s[4].size = sizeof f.names;
    f.symbols[1].name = 1;
    f.symbols[1].info = 0x12;
    f.symbols[1].shndx = 1;
    f.symbols[2].name = 8;
    f.symbols[2].info = 0x10;
    f.rela.offset = 1;
    f.rela.info = UINT64_C(2) << 32 | 4;
    f.rela.addend = -4;
    return f;
}

static elf_file given;

static void
link_given(void)
{
    const char *const names[1] = {"k0_bad"};
    const void *object = &given;
    size_t n = sizeof given;
    tb_flat_image image;

    tb_image_from_objects(cx, &object, &n, 1, names, 1, &image);
    EQ_INT(image.entries[0], 0);
}

static void
refused_objects(void)
{
    given = object_with_call();
    t_guarded(link_given, "k0_bad needs the external symbol memcpy, which no kernel may");
    given.symbols[2].shndx = 1; /* defined after all */
    t_guarded(link_given, NULL);
    given.rela.info = UINT64_C(2) << 32 | 1;
    t_guarded(link_given,
              "k0_bad has a relocation of type 1 to memcpy that cannot be done");
    given.rela.offset = 13;
    t_guarded(link_given, "the code generator's object is malformed");
    given = object_with_call();
    given.symbols[2].shndx = 1;
    given.symbols[1].name = 8;
    t_guarded(link_given, "no code for kernel k0_bad");
    given.s[1].flags = 7;
    t_guarded(link_given, "kernel code has writable data, in section .text");
    given.s[1].offset = 1000;
    t_guarded(link_given, "the code generator's object is malformed");
}

int
main(void)
{
    RUN(masked_tail);
    RUN(loops);
    RUN(masks_travel);
    RUN(fail);
    RUN(one_place);
    RUN(rows);
    RUN(casts);
    RUN(small_floats);
    RUN(dot_products);
    RUN(exp2_parts);
    RUN(bf16_bits);
    RUN(refused_dot);
    RUN(threads);
    RUN(dumps);
    RUN(refused_objects);
    return t_done();
}

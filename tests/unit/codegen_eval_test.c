/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * codegen_eval_test.c -- kernels built at random: machine code against the interpreter.
 *
 * A kernel takes values from a pool and puts results back, in nested loops and branches,
 * and stores into its output at places of their own. Both ways must leave the same bytes,
 * but for the bits of NaNs, which depend on the order of operands in an instruction.
 */
#include <math.h>
#include <stdlib.h>

#include "artifact/cpu.h"
#include "kernel/build.h"
#include "unit/code_t.h"

#define NO TB_NO_KV
enum { INPUT = 4096, OUTPUT = 1 << 16, POOL = 256, MAX_OUT = 2000, SCRATCH = 4096 };

static uint64_t state;

static uint32_t
pick(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % n);
}

static const tb_dtype types[] = {TB_F32, TB_F32, TB_F64, TB_I64, TB_I32, TB_I32, TB_U8,
                                 TB_I8,  TB_I16, TB_U16, TB_U32, TB_U64, TB_BOOL};
static const tb_dtype memories[] = {TB_F32, TB_F16, TB_BF16, TB_F64, TB_I64,
                                    TB_I32, TB_U8,  TB_I8,   TB_I16, TB_U16,
                                    TB_U32, TB_U64, TB_BOOL};

/* On this processor: vectors of f32 take subnormals for zero; NaNs that are made are positive,
 * not negative as on x86, where the interpreter runs. */
static bool flushes, positive_nans;

static tb_dtype
any_type(void)
{
    tb_dtype t = types[pick(TB_COUNT(types))];

    return flushes && t == TB_F32 ? TB_F64 : t;
}

typedef struct out {
    tb_dtype t;
    uint32_t at, n; /* bytes, elements */
} out;

typedef struct gen {
    tb_kernel *k;
    tb_kv pool[POOL]; /* usable now */
    uint32_t n;
    out outs[MAX_OUT];
    uint32_t n_outs, used;
    int lanes; /* of vectors */
    tb_kv n_size;
} gen;

static tb_dtype
type_of(const gen *g, tb_kv v)
{
    return tb_k_type(g->k, v);
}

static void
add(gen *g, tb_kv v)
{
    if (tb_k_inst(g->k, v)->dtype == TB_K_PTR)
        return;
    if (g->n < POOL)
        g->pool[g->n++] = v;
    else
        g->pool[pick(POOL)] = v;
}

/* A value of the type from the pool, made if there is none. */
static tb_kv
any(gen *g, tb_dtype t, int lanes)
{
    for (int tries = 0; tries < 12; tries++) {
        tb_kv v = g->pool[pick(g->n)];
        if (type_of(g, v) == t &&
            (tb_k_lanes(g->k, v) == lanes || tb_k_lanes(g->k, v) == 1))
            return tb_k_splat(g->k, v, lanes);
    }
    for (int tries = 0; tries < 12; tries++) {
        tb_kv v = g->pool[pick(g->n)];
        if (tb_k_lanes(g->k, v) == lanes || tb_k_lanes(g->k, v) == 1)
            return tb_k_splat(g->k, tb_k_cast(g->k, v, t), lanes);
    }
    return tb_k_splat(g->k, tb_k_const(g->k, t, (double)pick(100) - 30), lanes);
}

static int
lanes(gen *g)
{
    return pick(3) ? g->lanes : 1;
}

/* An index such that `n` elements of 8 bytes from it are inside the input. */
static tb_kv
safe_index(gen *g, int l, uint32_t n)
{
    tb_kv v = any(g, TB_I64, l);

    (void)n;
    return tb_k_map(g->k, TB_P_and, v, tb_k_int(g->k, 255), NO);
}

/* ---- one random instruction each ---- */

static void
gen_map(gen *g)
{
    static const tb_prim ints[] = {TB_P_add, TB_P_sub, TB_P_mul, TB_P_div, TB_P_rem,
                                   TB_P_max, TB_P_min, TB_P_and, TB_P_or,  TB_P_xor,
                                   TB_P_shl, TB_P_shr, TB_P_eq,  TB_P_ne,  TB_P_lt,
                                   TB_P_le,  TB_P_neg, TB_P_abs, TB_P_not};
    static const tb_prim floats[] = {
        TB_P_add,  TB_P_sub,   TB_P_mul,   TB_P_div,  TB_P_max, TB_P_min, TB_P_copysign,
        TB_P_eq,   TB_P_ne,    TB_P_lt,    TB_P_le,   TB_P_neg, TB_P_abs, TB_P_floor,
        TB_P_ceil, TB_P_trunc, TB_P_round, TB_P_sqrt, TB_P_exp, TB_P_tanh};
    tb_dtype t = any_type();
    tb_prim p = tb_dtype_is_float(t) ? floats[pick(TB_COUNT(floats))]
                                     : ints[pick(TB_COUNT(ints))];
    int l = lanes(g);
    tb_kv a = any(g, t, l);

    if (p == TB_P_copysign && positive_nans)
        p = TB_P_add;
    add(g, tb_k_map(g->k, p, a, tb_prim_arity(p) == 2 ? any(g, t, l) : NO, NO));
}

static void
gen_other(gen *g)
{
    tb_dtype t = any_type();
    int l = lanes(g);
    tb_kv a = any(g, t, l);

    switch (pick(target.bf16_dot ? 10 : 9)) {
    case 8:
        if (target.exp2 && g->lanes >= 4 && g->lanes <= 16) {
            tb_kv f = any(g, TB_F32, g->lanes);
            add(g, pick(2) ? tb_k_fraction(g->k, f)
                           : tb_k_scale(g->k, f, any(g, TB_F32, g->lanes)));
        }
        break;
    case 9:
        if (g->lanes <= 16)
            add(g, tb_k_dot_bf16(g->k, any(g, TB_U32, l), any(g, TB_U32, g->lanes),
                                 any(g, TB_F32, g->lanes)));
        break;
    case 0:
        add(g, tb_k_map(g->k, TB_P_where, any(g, TB_BOOL, l), a, any(g, t, l)));
        break;
    case 1:
        add(g, tb_k_cast(g->k, a, any_type()));
        break;
    case 2:
        if (tb_dtype_is_float(t))
            add(g, tb_k_fma(g->k, a, any(g, t, l), any(g, t, l)));
        break;
    case 3: {
        static const tb_prim folds[] = {TB_P_add, TB_P_mul, TB_P_max, TB_P_min, TB_P_and,
                                        TB_P_or};
        add(g, tb_k_hreduce(g->k, folds[pick(tb_dtype_is_float(t) ? 4 : 6)], a));
        break;
    }
    case 4:
        add(g, tb_k_extract(g->k, a, (int)pick((uint32_t)l)));
        break;
    case 5: {
        int32_t list[64];
        for (int i = 0; i < g->lanes; i++)
            list[i] = (int32_t)pick(2 * (uint32_t)l);
        if (l > 1)
            add(g, tb_k_shuffle(g->k, a, any(g, t, l), list, g->lanes));
        break;
    }
    case 6:
        if (tb_dtype_is_float(t))
            add(g, tb_k_round(g->k, a, pick(2) ? TB_F16 : TB_BF16));
        break;
    default:
        if (t != TB_BOOL && !tb_dtype_is_float(t))
            add(g, tb_k_lane_ids(g->k, t, g->lanes));
    }
}

static void
gen_load(gen *g)
{
    tb_dtype mem = memories[pick(TB_COUNT(memories))];
    int l = lanes(g);
    tb_kv p = tb_k_binding(g->k, 0), mask = pick(2) ? any(g, TB_BOOL, l) : NO;

    if (flushes && tb_dtype_is_float(mem))
        mem = TB_F64;
    switch (pick(4)) {
    case 0: /* sums of lanes, or anything */
        l = g->lanes;
        if (mask.id)
            mask = any(g, TB_BOOL, l);
        if (pick(2)) {
            tb_kv s = tb_k_splat(g->k, safe_index(g, 1, 1), l);
            s = tb_k_add(g->k, s, tb_k_mul(g->k, tb_k_lane_ids(g->k, TB_I64, l),
                                           tb_k_int(g->k, 1 + pick(3))));
            add(g, tb_k_gather(g->k, mem, p, s, mask));
        } else {
            add(g, tb_k_gather(g->k, mem, p, safe_index(g, l, 1), mask));
        }
        break;
    case 1:
        add(g, tb_k_load_pure(g->k, mem, l, p, safe_index(g, 1, 64), pick(8), mask));
        break;
    default:
        add(g, tb_k_load(g->k, mem, l, p, safe_index(g, 1, 64), pick(8), mask));
    }
}

/* A fresh place in the output. */
static tb_kv
place(gen *g, tb_dtype mem, uint32_t n, tb_kv *index)
{
    out *o = &g->outs[g->n_outs++];

    *o = (out){mem, g->used, n};
    g->used = (g->used + n * (uint32_t)tb_dtype_bytes(mem) + 63) / 64 * 64;
    *index = tb_k_int(g->k, o->at / (int64_t)tb_dtype_bytes(mem));
    return tb_k_binding(g->k, 1);
}

static void
gen_store(gen *g)
{
    tb_kv v = g->pool[pick(g->n)], index, p, mask = NO;
    tb_dtype t = type_of(g, v), mem = t;
    int l = tb_k_lanes(g->k, v);

    if (g->n_outs == MAX_OUT || g->used + 64 * 8 * 4 > OUTPUT)
        return;
    if (t == TB_F32 && pick(3) == 0)
        mem = pick(2) ? TB_F16 : TB_BF16;
    if (pick(2))
        mask = any(g, TB_BOOL, l);
    if (l > 1 && pick(3) == 0) { /* scatter within 32 elements; equal places are wanted */
        tb_kv to = tb_k_map(g->k, TB_P_and, any(g, TB_I64, l), tb_k_int(g->k, 31), NO);
        p = place(g, mem, 32, &index);
        if (pick(2))
            to = tb_k_mul(g->k, tb_k_lane_ids(g->k, TB_I64, l),
                          tb_k_int(g->k, pick(2) && l <= 16 ? 2 : 1));
        p = tb_k_ptr_add(g->k, p, index, (int64_t)tb_dtype_bytes(mem));
        tb_k_scatter(g->k, mem, p, to, v, mask);
        return;
    }
    p = place(g, mem, (uint32_t)l, &index);
    if (!mask.id && pick(3) == 0)
        tb_k_store_past(g->k, mem, p, index, v);
    else
        tb_k_store(g->k, mem, p, index, 0, v, mask);
}

/* ---- control ---- */

static void gen_block(gen *g, uint32_t n, int depth);

static void
gen_for(gen *g, int depth)
{
    tb_kv init[3], next[3], outs[3], lo = tb_k_int(g->k, pick(3)), hi;
    uint32_t n = pick(4), before = g->n;

    hi = pick(2) ? g->n_size : tb_k_int(g->k, pick(5));
    for (uint32_t i = 0; i < n; i++)
        init[i] = any(g, any_type(), lanes(g));
    add(g, tb_k_for(g->k, lo, hi, 1 + pick(2), init, n));
    for (uint32_t i = 0; i < n; i++)
        add(g, tb_k_carried(g->k, i));
    gen_block(g, 6, depth + 1);
    for (uint32_t i = 0; i < n; i++)
        next[i] = any(g, type_of(g, init[i]), tb_k_lanes(g->k, init[i]));
    tb_k_end_for(g->k, next, outs);
    g->n = before;
    for (uint32_t i = 0; i < n; i++)
        add(g, outs[i]);
}

static void
gen_if(gen *g, int depth)
{
    uint32_t before = g->n;

    tb_k_if(g->k, any(g, TB_BOOL, 1));
    gen_block(g, 5, depth + 1);
    g->n = before;
    if (pick(2)) {
        tb_k_else(g->k);
        gen_block(g, 5, depth + 1);
        g->n = before;
    }
    tb_k_end_if(g->k);
}

static void
gen_block(gen *g, uint32_t n, int depth)
{
    /* a replaced pool entry could be used outside its region: the pool never fills */
    for (uint32_t i = 0; i < n && g->n < POOL - 8; i++)
        switch (pick(16)) {
        case 0:
        case 1:
            if (depth < 3) {
                gen_for(g, depth);
                break;
            }
            __attribute__((fallthrough));
        case 2:
            if (depth < 3) {
                gen_if(g, depth);
                break;
            }
            __attribute__((fallthrough));
        case 3:
        case 4:
            gen_load(g);
            break;
        case 5:
        case 6:
            gen_store(g);
            break;
        case 7:
        case 8:
        case 9:
            gen_other(g);
            break;
        case 10:
            if (pick(6) == 0)
                tb_k_fail_if(g->k, any(g, TB_BOOL, 1), 1 + (int)pick(2));
            if (pick(6) == 0) /* of any address */
                tb_k_prefetch(g->k, tb_k_ptr_add(g->k, tb_k_binding(g->k, 0),
                                                 any(g, TB_I64, 1), 8),
                              pick(2) ? TB_FIRST_CACHE : TB_SECOND_CACHE);
            break;
        default:
            gen_map(g);
        }
}

/* A function that stores what it is given. */
static void
gen_call(gen *g)
{
    uint16_t params[4];
    tb_kv args[4], index = tb_k_int(g->k, 0);
    uint32_t fn;

    args[1] = any(g, TB_F32, g->lanes);
    args[2] = any(g, TB_BOOL, g->lanes);
    args[3] = any(g, TB_I64, 1);
    args[0] = place(g, TB_F32, (uint32_t)g->lanes, &index);
    args[0] = tb_k_ptr_add(g->k, args[0], index, 4);
    params[0] = TB_K_PTR | 1 << 8;
    params[1] = (uint16_t)(TB_F32 | g->lanes << 8);
    params[2] = (uint16_t)(TB_BOOL | g->lanes << 8);
    params[3] = TB_I64 | 1 << 8;
    fn = tb_k_fn_begin(g->k, TB_STR("callee"), params, 4);
    tb_kv x = tb_k_map(g->k, TB_P_where, tb_k_param(g->k, 2), tb_k_param(g->k, 1),
                       tb_k_cast(g->k, tb_k_param(g->k, 3), TB_F32));
    tb_k_store(g->k, TB_F32, tb_k_param(g->k, 0), NO, 0, x, tb_k_param(g->k, 2));
    tb_k_fn_end(g->k);
    tb_k_call(g->k, fn, args, 4);
}

/* Through scratch, as a vector and back as scalars. */
static void
gen_scratch(gen *g)
{
    tb_kv p = tb_k_scratch(g->k, 64 * 8), v = any(g, TB_F64, g->lanes);

    tb_k_store(g->k, TB_F64, p, NO, 0, v, NO);
    add(g, tb_k_load(g->k, TB_F64, 1, p, NO, (int64_t)pick((uint32_t)g->lanes), NO));
}

/* ---- comparing ---- */

static char input[INPUT + 1024];
static char got[OUTPUT], want[OUTPUT];
static _Alignas(64) char scratch[SCRATCH];

static void
fill_input(void)
{
    static const float odd[] = {0,   -0.0f, 1,     -1,     0.5f, INFINITY, -INFINITY,
                                NAN, 1e10f, -3e9f, 1e-40f, 300,  -129};

    for (uint32_t i = 0; i < sizeof input; i++)
        input[i] = (char)(pick(3) ? pick(256) : pick(3));
    for (uint32_t i = 0; i < sizeof input / 4; i++)
        if (pick(2)) {
            float x = pick(4) ? (float)pick(4000) / 64 - 30 : odd[pick(TB_COUNT(odd))];
            memcpy(input + 4 * i, &x, 4);
        }
}

static bool
nan_bits(tb_dtype t, const char *p)
{
    uint64_t x = 0;

    memcpy(&x, p, tb_dtype_bytes(t));
    switch (t) {
    case TB_F16:
        return (x & 0x7fff) > 0x7c00;
    case TB_BF16:
        return (x & 0x7fff) > 0x7f80;
    case TB_F32:
        return (x & 0x7fffffff) > 0x7f800000;
    case TB_F64:
        return (x & INT64_MAX) > UINT64_C(0x7ff0000000000000);
    default:
        return false;
    }
}

static bool
same_outputs(const gen *g)
{
    for (uint32_t i = 0; i < g->n_outs; i++) {
        const out *o = &g->outs[i];
        for (uint32_t n = 0; n < o->n; n++) {
            size_t size = tb_dtype_bytes(o->t), at = o->at + n * size;
            if (memcmp(got + at, want + at, size) != 0 &&
                !(nan_bits(o->t, got + at) && nan_bits(o->t, want + at))) {
                uint64_t x = 0, y = 0;
                memcpy(&x, got + at, size);
                memcpy(&y, want + at, size);
                printf("# output %u lane %u, %s: %" PRIx64 " instead of %" PRIx64 "\n", i,
                       n, tb_dtype_name(o->t), x, y);
                return false;
            }
        }
    }
    return true;
}

static uint64_t seed;
static const t_emulated *emulated;
static char runner[64];

static int32_t
run_compiled(const t_code *c, void *const *bind, const size_t *bytes, const int64_t *size)
{
    if (target.level->machine == tb_cpu_machine())
        return t_entry(c, 0)(bind, size, *size, *size + 1, scratch);
    return t_call_emulated(emulated, runner, &c->image, bind, bytes, 2, size, 1, *size,
                           *size + 1);
}

static void
random_body(void)
{
    static gen g;
    size_t bytes[2] = {sizeof input, sizeof got};
    void *bind[2] = {input, got}, *bind2[2] = {input, want};
    int64_t size;
    int32_t a, b;
    tb_unit *u = tb_unit_new(cx, TB_STR("m"));

    state = seed;
    pick(2);
    memset(&g, 0, sizeof g);
    g.k = tb_kernel_new(cx, &target, TB_STR("k0_random"));
    g.lanes = target.lanes > 1 && pick(4) ? target.lanes : 4 << pick(3);
    g.n_size = tb_k_dim(g.k, u, tb_sym_new(u, TB_STR("n"), TB_SYM_SHAPE, 0, 9));
    add(&g, tb_k_const(g.k, TB_F32, 1.25));
    add(&g, tb_k_tile_begin(g.k));
    add(&g, g.n_size);
    for (int i = 0; i < 6; i++)
        gen_load(&g);
    gen_block(&g, 30, 0);
    gen_call(&g);
    gen_scratch(&g);
    gen_block(&g, 20, 0);
    for (int i = 0; i < 20; i++)
        gen_store(&g);
    fill_input();
    const tb_kernel *k = g.k;
    t_code c = t_compile(&k, 1, 1);
    for (size = 0; size < 6; size += 2) {
        memset(got, 0x11, sizeof got);
        memset(want, 0x11, sizeof want);
        a = tb_kernel_eval(g.k, bind2, bytes, &size, size, size + 1, scratch);
        b = run_compiled(&c, bind, bytes, &size);
        if (!EQ_INT(b, a) || !CHECK(same_outputs(&g))) {
            printf("# seed %" PRIu64 ", level %s, size %" PRId64 "\n", seed,
                   target.level->name, size);
            break;
        }
    }
    t_drop(&c);
}

static void
random_kernels(void)
{
    const char *n = getenv("TB_TEST_ROUNDS"), *first = getenv("TB_TEST_SEED");
    uint64_t rounds = n ? strtoull(n, NULL, 10) : 12;

    for (uint64_t i = 0; i < rounds; i++) {
        seed =
            (i + (first ? strtoull(first, NULL, 10) : 1)) * UINT64_C(0x9e3779b97f4a7c15);
        for (size_t level = 0; t_next_level(&level);)
            t_guarded(random_body, NULL);
    }
}

static void
random_kernels_emulated(void)
{
    const char *n = getenv("TB_TEST_ROUNDS"), *first = getenv("TB_TEST_SEED");
    uint64_t rounds = n ? strtoull(n, NULL, 10) : 4;

    for (size_t k = 0; k < TB_COUNT(t_emulators); k++) {
        emulated = &t_emulators[k];
        if (!t_make_runner(emulated, runner))
            continue;
        target = tb_target_of(tb_cpu_find(emulated->level));
        flushes = strcmp(emulated->level, "armv7-neon") == 0;
        positive_nans = target.level->machine != TB_EM_X86_64;
        for (uint64_t i = 0; i < rounds; i++) {
            seed = (i + (first ? strtoull(first, NULL, 10) : 77)) *
                   UINT64_C(0x9e3779b97f4a7c15);
            t_guarded(random_body, NULL);
        }
        unlink(runner);
    }
}

/* ---- bounds ---- */

static void
outside_body(void)
{
    tb_kernel *k = tb_kernel_new(cx, &target, TB_STR("k0_out"));
    size_t bytes[1] = {40};
    void *bind[1] = {input};

    tb_k_store(k, TB_F32, tb_k_binding(k, 0), tb_k_tile_begin(k), 1,
               tb_k_splat(k, tb_k_const(k, TB_F32, 1), 4), NO);
    EQ_INT(tb_kernel_eval(k, bind, bytes, NULL, 5, 6, scratch), 0);
    tb_kernel_eval(k, bind, bytes, NULL, 6, 7, scratch);
}

static void
outside(void)
{
    size_t level = 0;

    t_next_level(&level);
    t_guarded(outside_body, "kernel k0_out, function k0_out, v5: access at byte 40 of "
                            "binding 0, which has 40 bytes");
}

int
main(void)
{
    RUN(random_kernels);
    RUN(random_kernels_emulated);
    RUN(outside);
    return t_done();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fold.c -- tb_k_map: types, constants, and identities that hold to the bit.
 *
 * Integer rules keep addresses short: sums of a value and one constant, constant on the
 * right. Float rules are only those without rounding: x*1, x/1, x-0, division by a power
 * of two. Not x+0 (-0 becomes +0) and not x*0 (NaN). BOOL arithmetic is that of the
 * numbers 0 and 1 with "not zero" taken at the end, so it is rewritten in and/or/xor/not.
 */
#include <math.h>

#include "kernel/build.h"

/* ---- constants ---- */

tb_kv
tb_k_const_raw(tb_kernel *k, tb_dtype t, uint64_t bits, int lanes)
{
    tb_kv c = tb_k_pure(k, TB_K_CONST, t, 1, TB_NONE, (int64_t)bits, NULL, 0, false);

    return tb_k_splat(k, c, lanes);
}

tb_kv
tb_k_const_int(tb_kernel *k, tb_dtype t, int64_t value)
{
    TB_CHECK(!tb_dtype_is_float(t));
    return tb_k_const_raw(k, t, tb_lane_wrap(t, (uint64_t)value), 1);
}

tb_kv
tb_k_int(tb_kernel *k, int64_t value)
{
    return tb_k_const_raw(k, TB_I64, (uint64_t)value, 1);
}

tb_kv
tb_k_const(tb_kernel *k, tb_dtype t, double value)
{
    if (t == TB_F32)
        return tb_k_const_raw(k, t, tb_lane_of_f32((float)value), 1);
    if (t == TB_F64)
        return tb_k_const_raw(k, t, tb_lane_of_f64(value), 1);
    if (t == TB_BOOL)
        return tb_k_const_raw(k, t, value != 0, 1);
    return tb_k_const_int(k, t, value >= 0x1p63 ? (int64_t)(uint64_t)value : (int64_t)value);
}

bool
tb_k_const_bits(const tb_kernel *k, tb_kv v, uint64_t *bits)
{
    const tb_kinst *i = tb_k_inst(k, v);

    if (i->op == TB_K_SPLAT)
        i = tb_k_inst(k, k->f->operands.at[i->in]);
    if (i->op != TB_K_CONST)
        return false;
    *bits = (uint64_t)i->imm;
    return true;
}

bool
tb_k_is_const(const tb_kernel *k, tb_kv v, int64_t *value)
{
    const tb_kinst *i = tb_k_inst(k, v);

    if (i->op != TB_K_CONST || tb_dtype_is_float((tb_dtype)i->dtype))
        return false;
    *value = i->imm;
    return true;
}

/* ---- identities ---- */

typedef struct operand {
    tb_kv v;
    bool known; /* a constant, or a splat of one */
    uint64_t bits;
} operand;

static operand
operand_of(const tb_kernel *k, tb_kv v)
{
    operand o = {.v = v};

    o.known = tb_k_const_bits(k, v, &o.bits);
    return o;
}

static bool
is(operand o, tb_dtype t, int64_t value)
{
    return o.known && o.bits == tb_lane_wrap(t, (uint64_t)value);
}

static tb_kv
raw_map(tb_kernel *k, tb_prim p, tb_dtype result, int lanes, const tb_kv *in, uint32_t n)
{
    return tb_k_pure(k, TB_K_MAP, result, lanes, TB_NONE, p, in, n, false);
}

static int
log2_of(uint64_t x)
{
    return x && (x & (x - 1)) == 0 ? __builtin_ctzll(x) : -1;
}

/* If v is `x op constant`, gives x and the constant. */
static bool
with_const(const tb_kernel *k, tb_kv v, tb_prim p, operand *x, operand *c)
{
    const tb_kinst *i = tb_k_inst(k, v);

    if (i->op != TB_K_MAP || i->imm != p)
        return false;
    *x = operand_of(k, k->f->operands.at[i->in]);
    *c = operand_of(k, k->f->operands.at[i->in + 1]);
    return c->known;
}

static tb_kv
known(tb_kernel *k, tb_prim p, tb_dtype t, int lanes, operand a, operand b)
{
    return tb_k_const_raw(k, t, tb_lane_map(p, t, t, a.bits, b.bits, 0), lanes);
}

/* Moves constants outwards, so that addresses that differ by a constant share the rest:
 *   (x + c1) + c2 ==> x + (c1 + c2)      x + (y + c) ==> (x + y) + c
 *   (x * c1) * c2 ==> x * (c1 * c2)      (x + c1) * c2 ==> x * c2 + c1 * c2 */
static bool
regroup(tb_kernel *k, tb_prim p, tb_dtype t, int lanes, operand a, operand b, tb_kv *out)
{
    operand x, c;

    if (b.known && with_const(k, a.v, p, &x, &c))
        return *out = tb_k_map(k, p, x.v, known(k, p, t, lanes, c, b), TB_NO_KV), true;
    if (b.known && p == TB_P_mul && with_const(k, a.v, TB_P_add, &x, &c)) {
        tb_kv y = tb_k_map(k, TB_P_mul, x.v, b.v, TB_NO_KV);
        return *out = tb_k_map(k, TB_P_add, y, known(k, p, t, lanes, c, b), TB_NO_KV), true;
    }
    if (p != TB_P_add || b.known)
        return false;
    if (with_const(k, b.v, p, &x, &c)) {
        tb_kv y = tb_k_map(k, p, a.v, x.v, TB_NO_KV);
        return *out = tb_k_map(k, p, y, c.v, TB_NO_KV), true;
    }
    if (with_const(k, a.v, p, &x, &c)) {
        tb_kv y = tb_k_map(k, p, x.v, b.v, TB_NO_KV);
        return *out = tb_k_map(k, p, y, c.v, TB_NO_KV), true;
    }
    return false;
}

static bool
int_identity(tb_kernel *k, tb_prim p, tb_dtype t, int lanes, operand a, operand b,
             tb_kv *out)
{
    tb_kv zero;

    switch (p) {
    case TB_P_add:
    case TB_P_or:
    case TB_P_xor:
    case TB_P_shl:
    case TB_P_shr:
        if (is(b, t, 0))
            return *out = a.v, true;
        break;
    case TB_P_sub:
        if (is(b, t, 0))
            return *out = a.v, true;
        if (a.v.id == b.v.id)
            return *out = tb_k_const_raw(k, t, 0, lanes), true;
        if (b.known) {
            zero = tb_k_const_raw(k, t, tb_lane_wrap(t, 0 - b.bits), lanes);
            return *out = tb_k_map(k, TB_P_add, a.v, zero, TB_NO_KV), true;
        }
        break;
    case TB_P_mul:
        if (is(b, t, 1))
            return *out = a.v, true;
        if (is(b, t, 0))
            return *out = b.v, true;
        break;
    case TB_P_div:
        if (is(b, t, 1))
            return *out = a.v, true;
        break;
    case TB_P_rem:
        if (is(b, t, 1))
            return *out = tb_k_const_raw(k, t, 0, lanes), true;
        break;
    case TB_P_and:
        if (is(b, t, 0))
            return *out = b.v, true;
        if (is(b, t, -1) || a.v.id == b.v.id)
            return *out = a.v, true;
        break;
    case TB_P_min:
    case TB_P_max:
        if (a.v.id == b.v.id)
            return *out = a.v, true;
        break;
    case TB_P_eq:
    case TB_P_le:
    case TB_P_ne:
    case TB_P_lt:
        if (a.v.id == b.v.id)
            return *out = tb_k_const_raw(k, TB_BOOL, p == TB_P_eq || p == TB_P_le, lanes),
                   true;
        break;
    case TB_P_floor:
    case TB_P_ceil:
    case TB_P_trunc:
    case TB_P_round:
        return *out = a.v, true;
    case TB_P_abs:
        if (tb_dtype_kind(t) != TB_KIND_INT)
            return *out = a.v, true;
        break;
    default:
        break;
    }
    if (p == TB_P_or && a.v.id == b.v.id)
        return *out = a.v, true;
    return (p == TB_P_add || p == TB_P_mul) && regroup(k, p, t, lanes, a, b, out);
}

static double
float_of(tb_dtype t, uint64_t bits)
{
    return t == TB_F32 ? (double)tb_lane_f32(bits) : tb_lane_f64(bits);
}

static bool
float_identity(tb_kernel *k, tb_prim p, tb_dtype t, int lanes, operand a, operand b,
               tb_kv *out)
{
    double c;
    int e;

    if ((p == TB_P_max || p == TB_P_min) && (a.known || b.known)) {
        c = float_of(t, a.known ? a.bits : b.bits);
        if (c == (p == TB_P_max ? -INFINITY : INFINITY))
            return *out = a.known ? b.v : a.v, true;
    }
    if (!b.known)
        return false;
    c = float_of(t, b.bits);
    if ((p == TB_P_mul || p == TB_P_div) && c == 1)
        return *out = a.v, true;
    if (p == TB_P_sub && b.bits == 0)
        return *out = a.v, true;
    /* the reciprocal of a power of two is exact, unless it leaves the normal range */
    if (p == TB_P_div && isfinite(c) && frexp(fabs(c), &e) == 0.5 && e > -100 && e < 100) {
        uint64_t r = t == TB_F32 ? tb_lane_of_f32((float)(1 / c)) : tb_lane_of_f64(1 / c);
        *out = tb_k_map(k, TB_P_mul, a.v, tb_k_const_raw(k, t, r, lanes), TB_NO_KV);
        return true;
    }
    return false;
}

/* ---- bools ---- */

static tb_kv
not(tb_kernel *k, tb_kv a)
{
    return tb_k_map(k, TB_P_not, a, TB_NO_KV, TB_NO_KV);
}

/* Writes arithmetic on 0 and 1 in and, or, xor, not. */
static bool
bool_map(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b, tb_kv *out)
{
    switch (p) {
    case TB_P_add:
    case TB_P_max:
        return *out = tb_k_map(k, TB_P_or, a, b, TB_NO_KV), true;
    case TB_P_mul:
    case TB_P_min:
    case TB_P_div: /* 1 / 0 is 0 */
        return *out = tb_k_map(k, TB_P_and, a, b, TB_NO_KV), true;
    case TB_P_sub: /* 0 - 1 is not zero */
    case TB_P_ne:
        return *out = tb_k_map(k, TB_P_xor, a, b, TB_NO_KV), true;
    case TB_P_eq:
        return *out = not(k, tb_k_map(k, TB_P_xor, a, b, TB_NO_KV)), true;
    case TB_P_lt:
        return *out = tb_k_map(k, TB_P_and, not(k, a), b, TB_NO_KV), true;
    case TB_P_le:
        return *out = tb_k_map(k, TB_P_or, not(k, a), b, TB_NO_KV), true;
    case TB_P_pow:
        return *out = tb_k_map(k, TB_P_or, a, not(k, b), TB_NO_KV), true;
    case TB_P_shr:
        return *out = tb_k_map(k, TB_P_and, a, not(k, b), TB_NO_KV), true;
    case TB_P_rem:
        return *out = tb_k_const_raw(k, TB_BOOL, 0, tb_k_lanes(k, a)), true;
    case TB_P_shl:
    case TB_P_neg:
    case TB_P_abs:
    case TB_P_floor:
    case TB_P_ceil:
    case TB_P_trunc:
    case TB_P_round:
        return *out = a, true;
    default:
        return false;
    }
}

/* ---- maps ---- */

static bool
commutes(tb_prim p, bool ints)
{
    switch (p) {
    case TB_P_add:
    case TB_P_mul:
    case TB_P_and:
    case TB_P_or:
    case TB_P_xor:
    case TB_P_eq:
    case TB_P_ne:
        return true;
    case TB_P_max:
    case TB_P_min:
        return ints; /* on floats the order tells which zero comes out */
    default:
        return false;
    }
}

static bool
compares(tb_prim p)
{
    return p == TB_P_eq || p == TB_P_ne || p == TB_P_lt || p == TB_P_le;
}

static bool
is_basic(tb_prim p)
{
    switch (p) {
    case TB_P_add:
    case TB_P_sub:
    case TB_P_mul:
    case TB_P_div:
    case TB_P_max:
    case TB_P_min:
    case TB_P_and:
    case TB_P_or:
    case TB_P_xor:
    case TB_P_shl:
    case TB_P_shr:
    case TB_P_eq:
    case TB_P_ne:
    case TB_P_lt:
    case TB_P_le:
    case TB_P_neg:
    case TB_P_abs:
    case TB_P_not:
    case TB_P_floor:
    case TB_P_ceil:
    case TB_P_trunc:
    case TB_P_round:
    case TB_P_sqrt:
    case TB_P_copysign:
        return true;
    default:
        return false;
    }
}

static tb_kv
where(tb_kernel *k, tb_kv c, tb_kv a, tb_kv b)
{
    int lanes = tb_k_lanes(k, a);
    uint64_t bits;
    tb_kv in[3];

    if (tb_k_lanes(k, b) > lanes)
        lanes = tb_k_lanes(k, b);
    if (tb_k_lanes(k, c) > lanes)
        lanes = tb_k_lanes(k, c);
    TB_CHECK(tb_k_type(k, c) == TB_BOOL && tb_k_type(k, a) == tb_k_type(k, b));
    a = tb_k_splat(k, a, lanes);
    b = tb_k_splat(k, b, lanes);
    if (tb_k_const_bits(k, c, &bits))
        return bits ? a : b;
    if (a.id == b.id)
        return a;
    in[0] = tb_k_splat(k, c, lanes);
    in[1] = a;
    in[2] = b;
    return raw_map(k, TB_P_where, tb_k_type(k, a), lanes, in, 3);
}

/* a ** b for integers: squaring, over all bits of the exponent. */
static tb_kv
int_pow(tb_kernel *k, tb_kv a, tb_kv b)
{
    tb_dtype t = tb_k_type(k, a);
    int lanes = tb_k_lanes(k, a), width = (int)tb_dtype_bytes(t) * 8;
    tb_kv one = tb_k_const_raw(k, t, 1, lanes), zero = tb_k_const_raw(k, t, 0, lanes);
    tb_kv x = a, r = one, n = b;
    uint64_t e;

    if (tb_k_const_bits(k, b, &e) && (tb_dtype_kind(t) != TB_KIND_INT || (int64_t)e >= 0)) {
        for (; e; e >>= 1) {
            if (e & 1)
                r = tb_k_map(k, TB_P_mul, r, x, TB_NO_KV);
            if (e > 1)
                x = tb_k_map(k, TB_P_mul, x, x, TB_NO_KV);
        }
        return r;
    }
    for (int i = 0; i < width; i++) {
        tb_kv odd = tb_k_map(k, TB_P_ne, tb_k_map(k, TB_P_and, n, one, TB_NO_KV), zero,
                             TB_NO_KV);
        r = where(k, odd, tb_k_map(k, TB_P_mul, r, x, TB_NO_KV), r);
        x = tb_k_map(k, TB_P_mul, x, x, TB_NO_KV);
        n = tb_k_map(k, TB_P_shr, n, one, TB_NO_KV);
    }
    if (tb_dtype_kind(t) == TB_KIND_INT) { /* truncated quotients 1 / a**-b */
        tb_kv minus = tb_k_const_raw(k, t, UINT64_MAX, lanes);
        tb_kv odd = tb_k_map(k, TB_P_ne, tb_k_map(k, TB_P_and, b, one, TB_NO_KV), zero,
                             TB_NO_KV);
        tb_kv is1 = tb_k_map(k, TB_P_eq, a, one, TB_NO_KV);
        tb_kv ism = tb_k_map(k, TB_P_eq, a, minus, TB_NO_KV);
        tb_kv q = where(k, is1, one, where(k, ism, where(k, odd, minus, one), zero));
        r = where(k, tb_k_map(k, TB_P_lt, b, zero, TB_NO_KV), q, r);
    }
    return r;
}

static tb_kv
map(tb_kernel *k, tb_prim p, tb_dtype t, int lanes, operand a, operand b, int arity)
{
    tb_dtype result = compares(p) ? TB_BOOL : t;
    bool ints = !tb_dtype_is_float(t);
    tb_kv in[2], r;

    if (a.known && (arity == 1 || b.known))
        return tb_k_const_raw(k, result, tb_lane_map(p, t, t, a.bits, b.bits, 0), lanes);
    /* constants to the right, except for float min and max where a constant on the left
     * makes one machine instruction of it (it is not NaN) */
    if (arity == 2 && commutes(p, ints) &&
        (a.known || (!b.known && b.v.id < a.v.id))) {
        operand swap = a;
        a = b, b = swap;
    }
    if (!ints && (p == TB_P_max || p == TB_P_min) && b.known &&
        !isnan(float_of(t, b.bits))) {
        operand swap = a;
        a = b, b = swap;
    }
    if (ints ? int_identity(k, p, t, lanes, a, b, &r)
             : arity == 2 && float_identity(k, p, t, lanes, a, b, &r))
        return r;
    in[0] = a.v;
    in[1] = b.v;
    return raw_map(k, p, result, lanes, in, (uint32_t)arity);
}

tb_kv
tb_k_map(tb_kernel *k, tb_prim p, tb_kv a, tb_kv b, tb_kv c)
{
    int arity, lanes = tb_k_lanes(k, a);
    tb_dtype t = tb_k_type(k, a);
    tb_kv r;

    if (p == TB_P_where)
        return where(k, a, b, c);
    TB_CHECK(p != TB_P_cast && p != TB_P_bitcast);
    arity = b.id ? 2 : 1;
    TB_CHECK(arity == tb_prim_arity(p) && tb_k_inst(k, a)->dtype != TB_K_PTR);
    if (arity == 2) {
        TB_CHECK(tb_k_type(k, b) == t);
        if (tb_k_lanes(k, b) > lanes)
            lanes = tb_k_lanes(k, b);
        b = tb_k_splat(k, b, lanes);
    }
    a = tb_k_splat(k, a, lanes);
    if (t == TB_BOOL && bool_map(k, p, a, b, &r))
        return r;
    if (!is_basic(p) && !(p == TB_P_rem && !tb_dtype_is_float(t))) {
        if (p == TB_P_pow && !tb_dtype_is_float(t))
            return int_pow(k, a, b);
        return tb_k_math(k, p, a, b);
    }
    if (p == TB_P_not && tb_k_inst(k, a)->op == TB_K_MAP && tb_k_inst(k, a)->imm == TB_P_not)
        return k->f->operands.at[tb_k_inst(k, a)->in];
    return map(k, p, t, lanes, operand_of(k, a), arity == 2 ? operand_of(k, b) : (operand){0},
               arity);
}

tb_kv
tb_k_cast(tb_kernel *k, tb_kv a, tb_dtype to)
{
    tb_dtype t = tb_k_type(k, a);
    int lanes = tb_k_lanes(k, a);
    uint64_t bits;

    TB_CHECK(to != TB_F16 && to != TB_BF16);
    if (t == to)
        return a;
    if (tb_k_const_bits(k, a, &bits))
        return tb_k_const_raw(k, to, tb_lane_map(TB_P_cast, t, to, bits, 0, 0), lanes);
    return raw_map(k, TB_P_cast, to, lanes, &a, 1);
}

tb_kv
tb_k_bitcast(tb_kernel *k, tb_kv a, tb_dtype to)
{
    tb_dtype t = tb_k_type(k, a);
    int lanes = tb_k_lanes(k, a);
    uint64_t bits;

    TB_CHECK(tb_dtype_bytes(t) == tb_dtype_bytes(to) && (t == TB_BOOL) == (to == TB_BOOL));
    if (t == to)
        return a;
    if (tb_k_const_bits(k, a, &bits))
        return tb_k_const_raw(k, to, tb_lane_map(TB_P_bitcast, t, to, bits, 0, 0), lanes);
    return raw_map(k, TB_P_bitcast, to, lanes, &a, 1);
}

tb_kv
tb_k_fma(tb_kernel *k, tb_kv a, tb_kv b, tb_kv c)
{
    tb_dtype t = tb_k_type(k, a);
    int lanes = tb_k_lanes(k, a);
    uint64_t x, y, z;
    tb_kv in[3];

    if (!tb_dtype_is_float(t)) /* exact anyway */
        return tb_k_map(k, TB_P_add, tb_k_map(k, TB_P_mul, a, b, TB_NO_KV), c, TB_NO_KV);
    if (tb_k_lanes(k, b) > lanes)
        lanes = tb_k_lanes(k, b);
    if (tb_k_lanes(k, c) > lanes)
        lanes = tb_k_lanes(k, c);
    TB_CHECK(tb_k_type(k, b) == t && tb_k_type(k, c) == t);
    in[0] = tb_k_splat(k, a, lanes);
    in[1] = tb_k_splat(k, b, lanes);
    in[2] = tb_k_splat(k, c, lanes);
    if (tb_k_const_bits(k, a, &x) && tb_k_const_bits(k, b, &y) && tb_k_const_bits(k, c, &z))
        return tb_k_const_raw(k, t, tb_lane_fma(t, k->target->fma, x, y, z), lanes);
    return tb_k_pure(k, TB_K_FMA, t, lanes, TB_NONE, 0, in, 3, false);
}

tb_kv
tb_k_dot_bf16(tb_kernel *k, tb_kv a, tb_kv b, tb_kv c)
{
    int lanes = tb_k_lanes(k, c);
    tb_kv in[3] = {tb_k_splat(k, a, lanes), tb_k_splat(k, b, lanes), c};

    TB_CHECK(k->target->bf16_dot && (lanes == 4 || lanes == 8 || lanes == 16));
    TB_CHECK(tb_k_type(k, a) == TB_U32 && tb_k_type(k, b) == TB_U32);
    TB_CHECK(tb_k_type(k, c) == TB_F32);
    return tb_k_pure(k, TB_K_DOT_BF16, TB_F32, lanes, TB_NONE, 0, in, 3, false);
}

tb_kv
tb_k_to_bf16(tb_kernel *k, tb_kv a)
{
    int lanes = tb_k_lanes(k, a);

    TB_CHECK(k->target->bf16_round && tb_k_type(k, a) == TB_F32 && (lanes == 8 || lanes == 16));
    return tb_k_pure(k, TB_K_TO_BF16, TB_U16, lanes, TB_NONE, 0, &a, 1, false);
}

static void
check_exp2(const tb_kernel *k, tb_kv a)
{
    int lanes = tb_k_lanes(k, a);

    TB_CHECK(k->target->exp2 && tb_k_type(k, a) == TB_F32);
    TB_CHECK(lanes == 4 || lanes == 8 || lanes == 16);
}

tb_kv
tb_k_fraction(tb_kernel *k, tb_kv a)
{
    check_exp2(k, a);
    return tb_k_pure(k, TB_K_FRACTION, TB_F32, tb_k_lanes(k, a), TB_NONE, 0, &a, 1, false);
}

tb_kv
tb_k_scale(tb_kernel *k, tb_kv a, tb_kv b)
{
    tb_kv in[2] = {a, b};

    check_exp2(k, a);
    check_exp2(k, b);
    TB_CHECK(tb_k_lanes(k, a) == tb_k_lanes(k, b));
    return tb_k_pure(k, TB_K_SCALE, TB_F32, tb_k_lanes(k, a), TB_NONE, 0, in, 2, false);
}

tb_kv
tb_k_larger(tb_kernel *k, tb_kv a, tb_kv b)
{
    return tb_k_map(k, TB_P_where, tb_k_map(k, TB_P_lt, a, b, TB_NO_KV), b, a);
}

/* ---- I64 helpers ---- */

#define HELPER(name, prim)                                                               \
    tb_kv name(tb_kernel *k, tb_kv a, tb_kv b)                                           \
    {                                                                                    \
        return tb_k_map(k, prim, a, b, TB_NO_KV);                                        \
    }
HELPER(tb_k_add, TB_P_add)
HELPER(tb_k_sub, TB_P_sub)
HELPER(tb_k_mul, TB_P_mul)
HELPER(tb_k_min, TB_P_min)
HELPER(tb_k_max, TB_P_max)
HELPER(tb_k_lt, TB_P_lt)

/* Neither operand is negative, so a power of two is a shift or a mask. */
tb_kv
tb_k_div(tb_kernel *k, tb_kv a, tb_kv b)
{
    operand o = operand_of(k, b);
    int s = o.known ? log2_of(o.bits) : -1;

    if (s < 0)
        return tb_k_map(k, TB_P_div, a, b, TB_NO_KV);
    return tb_k_map(k, TB_P_shr, a, tb_k_const_raw(k, tb_k_type(k, a), (uint64_t)s, 1),
                    TB_NO_KV);
}

tb_kv
tb_k_mod(tb_kernel *k, tb_kv a, tb_kv b)
{
    operand o = operand_of(k, b);

    if (!o.known || log2_of(o.bits) < 0)
        return tb_k_map(k, TB_P_rem, a, b, TB_NO_KV);
    return tb_k_map(k, TB_P_and, a, tb_k_const_raw(k, tb_k_type(k, a), o.bits - 1, 1),
                    TB_NO_KV);
}

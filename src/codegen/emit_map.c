/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit_map.c -- arithmetic: what scalar.c says, in instructions.
 *
 * LLVM's operations are narrower than ours at the edges: division by zero, shifts by the
 * width and more, conversions of what does not fit are undefined there. Each such operand
 * is replaced before the operation or the result after it; constants need neither.
 */
#include <math.h>

#include "codegen/emit.h"

#include "kernel/build.h"

static bool
is_signed(tb_dtype t)
{
    return tb_dtype_kind(t) == TB_KIND_INT;
}

static LLVMValueRef
call1(tb_emitter *e, const char *name, LLVMValueRef a)
{
    LLVMTypeRef t = LLVMTypeOf(a);

    return tb_emit_intrinsic(e, name, &t, 1, &a, 1);
}

static LLVMValueRef
call2(tb_emitter *e, const char *name, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMValueRef args[2] = {a, b};

    return tb_emit_intrinsic(e, name, &t, 1, args, 2);
}

static LLVMValueRef
fcmp(tb_emitter *e, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildFCmp(e->b, p, a, b, "");
}

static LLVMValueRef
icmp(tb_emitter *e, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildICmp(e->b, p, a, b, "");
}

static LLVMValueRef
where(tb_emitter *e, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(e->b, c, a, b, "");
}

/* The scalar of a constant, or of a vector with that constant in all lanes. */
static bool
const_int(LLVMValueRef v, uint64_t *x)
{
    if (!LLVMIsConstant(v))
        return false;
    if (LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind) {
        LLVMValueRef first = LLVMGetAggregateElement(v, 0);
        unsigned n = LLVMGetVectorSize(LLVMTypeOf(v));
        for (unsigned i = 1; i < n; i++)
            if (LLVMGetAggregateElement(v, i) != first)
                return false;
        v = first;
    }
    if (!v || !LLVMIsAConstantInt(v))
        return false;
    *x = LLVMConstIntGetZExtValue(v);
    return true;
}

/* ---- integers ---- */

/* The divisor is not 0, and not -1 where that overflows. */
static LLVMValueRef
plain_divide(tb_emitter *e, tb_dtype t, bool rem, LLVMValueRef a, LLVMValueRef b)
{
    if (e->narrow)
        return tb_emit_narrow_divide(e, t, rem, a, b);
    if (is_signed(t))
        return rem ? LLVMBuildSRem(e->b, a, b, "") : LLVMBuildSDiv(e->b, a, b, "");
    return rem ? LLVMBuildURem(e->b, a, b, "") : LLVMBuildUDiv(e->b, a, b, "");
}

/* a / 0 = a % 0 = 0; the least number divided by -1 is itself, with remainder 0. */
static LLVMValueRef
divide(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef zero = LLVMConstNull(type), one = tb_emit_int(type, 1), bad, r;
    bool s = is_signed(t), rem = p == TB_P_rem;
    unsigned bits = 8 * (unsigned)tb_dtype_bytes(t);
    uint64_t c, ones = UINT64_MAX >> (64 - bits), least = UINT64_C(1) << (bits - 1);
    bool known = const_int(b, &c);

    if (known && c == 0)
        return zero;
    if (known && s && c == ones)
        return rem ? zero : LLVMBuildSub(e->b, zero, a, "");
    if (known)
        return plain_divide(e, t, rem, a, b);
    LLVMValueRef is_zero = icmp(e, LLVMIntEQ, b, zero);
    bad = is_zero;
    if (s)
        bad =
            LLVMBuildOr(e->b, bad,
                        LLVMBuildAnd(e->b, icmp(e, LLVMIntEQ, b, LLVMConstAllOnes(type)),
                                     icmp(e, LLVMIntEQ, a, tb_emit_int(type, least)), ""),
                        "");
    b = where(e, bad, one, b);
    r = plain_divide(e, t, rem, a, b);
    return rem ? r : where(e, is_zero, zero, r); /* x % 1 is 0 already */
}

static LLVMValueRef
shift(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    unsigned bits = 8 * (unsigned)tb_dtype_bytes(t);
    LLVMValueRef last = tb_emit_int(type, bits - 1), far, r;
    bool arithmetic = p == TB_P_shr && is_signed(t);
    uint64_t c;

    if (const_int(b, &c)) {
        if (c >= bits && !arithmetic)
            return LLVMConstNull(type);
        if (c >= bits)
            b = last;
        return p == TB_P_shl ? LLVMBuildShl(e->b, a, b, "")
               : arithmetic  ? LLVMBuildAShr(e->b, a, b, "")
                             : LLVMBuildLShr(e->b, a, b, "");
    }
    far = icmp(e, LLVMIntUGT, b, last);
    b = where(e, far, arithmetic ? last : LLVMConstNull(type), b);
    if (arithmetic)
        return LLVMBuildAShr(e->b, a, b, "");
    r = p == TB_P_shl ? LLVMBuildShl(e->b, a, b, "") : LLVMBuildLShr(e->b, a, b, "");
    return where(e, far, LLVMConstNull(type), r);
}

static LLVMValueRef
int_binary(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a, LLVMValueRef b)
{
    bool s = is_signed(t);

    switch (p) {
    case TB_P_add:
        return LLVMBuildAdd(e->b, a, b, "");
    case TB_P_sub:
        return LLVMBuildSub(e->b, a, b, "");
    case TB_P_mul:
        return LLVMBuildMul(e->b, a, b, "");
    case TB_P_div:
    case TB_P_rem:
        return divide(e, p, t, a, b);
    case TB_P_max:
        return where(e, icmp(e, s ? LLVMIntSGT : LLVMIntUGT, a, b), a, b);
    case TB_P_min:
        return where(e, icmp(e, s ? LLVMIntSLT : LLVMIntULT, a, b), a, b);
    case TB_P_and:
        return LLVMBuildAnd(e->b, a, b, "");
    case TB_P_or:
        return LLVMBuildOr(e->b, a, b, "");
    case TB_P_xor:
        return LLVMBuildXor(e->b, a, b, "");
    case TB_P_shl:
    case TB_P_shr:
        return shift(e, p, t, a, b);
    case TB_P_eq:
        return icmp(e, LLVMIntEQ, a, b);
    case TB_P_ne:
        return icmp(e, LLVMIntNE, a, b);
    case TB_P_lt:
        return icmp(e, s ? LLVMIntSLT : LLVMIntULT, a, b);
    case TB_P_le:
        return icmp(e, s ? LLVMIntSLE : LLVMIntULE, a, b);
    default:
        TB_UNREACHABLE();
    }
}

static LLVMValueRef
int_unary(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(a));

    switch (p) {
    case TB_P_neg:
        return LLVMBuildSub(e->b, zero, a, "");
    case TB_P_abs:
        if (!is_signed(t))
            return a;
        return where(e, icmp(e, LLVMIntSLT, a, zero), LLVMBuildSub(e->b, zero, a, ""), a);
    case TB_P_not:
        return LLVMBuildNot(e->b, a, "");
    default:
        TB_UNREACHABLE();
    }
}

/* ---- floats ---- */

static bool
never_nan(LLVMValueRef v)
{
    LLVMBool lost;

    if (!LLVMIsConstant(v))
        return false;
    if (LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind) {
        unsigned n = LLVMGetVectorSize(LLVMTypeOf(v));
        for (unsigned i = 0; i < n; i++) {
            LLVMValueRef x = LLVMGetAggregateElement(v, i);
            if (!x || !LLVMIsAConstantFP(x) || isnan(LLVMConstRealGetDouble(x, &lost)))
                return false;
        }
        return true;
    }
    return LLVMIsAConstantFP(v) && !isnan(LLVMConstRealGetDouble(v, &lost));
}

/* a > b || a != a ? a : b. The comparison with its select is one instruction on x86 and
 * gives b if either is NaN, so only a needs care. */
static LLVMValueRef
extreme(tb_emitter *e, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef r = where(e, fcmp(e, p, a, b), a, b);

    if (never_nan(a))
        return r;
    return where(e, fcmp(e, LLVMRealUNO, a, a), a, r);
}

static LLVMValueRef
float_binary(tb_emitter *e, tb_prim p, LLVMValueRef a, LLVMValueRef b)
{
    switch (p) {
    case TB_P_add:
        return LLVMBuildFAdd(e->b, a, b, "");
    case TB_P_sub:
        return LLVMBuildFSub(e->b, a, b, "");
    case TB_P_mul:
        return LLVMBuildFMul(e->b, a, b, "");
    case TB_P_div:
        return LLVMBuildFDiv(e->b, a, b, "");
    case TB_P_max:
        return extreme(e, LLVMRealOGT, a, b);
    case TB_P_min:
        return extreme(e, LLVMRealOLT, a, b);
    case TB_P_copysign:
        return call2(e, "llvm.copysign", a, b);
    case TB_P_eq:
        return fcmp(e, LLVMRealOEQ, a, b);
    case TB_P_ne:
        return fcmp(e, LLVMRealUNE, a, b);
    case TB_P_lt:
        return fcmp(e, LLVMRealOLT, a, b);
    case TB_P_le:
        return fcmp(e, LLVMRealOLE, a, b);
    default:
        TB_UNREACHABLE();
    }
}

/* Without the instruction: |a| + 2^23 drops the fraction, to the nearest even. */
static LLVMValueRef
round_by_adding(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef big = tb_emit_float(type, t == TB_F32 ? 0x1p23 : 0x1p52);
    LLVMValueRef one = tb_emit_float(type, 1), x = call1(e, "llvm.fabs", a), r, y = x;

    r = LLVMBuildFSub(e->b, LLVMBuildFAdd(e->b, x, big, ""), big, "");
    if (p == TB_P_floor || p == TB_P_ceil) {
        r = call2(e, "llvm.copysign", r, a);
        y = a;
    }
    if (p == TB_P_floor || p == TB_P_trunc)
        r = where(e, fcmp(e, LLVMRealOGT, r, y), LLVMBuildFSub(e->b, r, one, ""), r);
    if (p == TB_P_ceil)
        r = where(e, fcmp(e, LLVMRealOLT, r, y), LLVMBuildFAdd(e->b, r, one, ""), r);
    r = call2(e, "llvm.copysign", r, a);
    return where(e, fcmp(e, LLVMRealOLT, x, big), r, a); /* large or NaN: as it is */
}

static LLVMValueRef
float_unary(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a)
{
    switch (p) {
    case TB_P_neg:
        return LLVMBuildFNeg(e->b, a, "");
    case TB_P_abs:
        return call1(e, "llvm.fabs", a);
    case TB_P_sqrt:
        return call1(e, "llvm.sqrt", a);
    case TB_P_floor:
    case TB_P_ceil:
    case TB_P_trunc:
    case TB_P_round:
        if (!e->round_hw)
            return round_by_adding(e, p, t, a);
        return call1(e, p == TB_P_floor   ? "llvm.floor"
                        : p == TB_P_ceil  ? "llvm.ceil"
                        : p == TB_P_trunc ? "llvm.trunc"
                                          : "llvm.roundeven",
                     a);
    default:
        TB_UNREACHABLE();
    }
}

/* ---- conversions ---- */

/* To a signed integer; what does not fit, and NaN, gives the least one. LLVM leaves that
 * case open and makes use of it (u32 to f64 to i32 would be nothing), so it never gets
 * there, although x86's instruction does the same. */
static LLVMValueRef
to_signed(tb_emitter *e, LLVMValueRef a, LLVMTypeRef to, unsigned bits)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    double limit = ldexp(1, (int)bits - 1);
    LLVMValueRef fits = fcmp(e, LLVMRealOLT, call1(e, "llvm.fabs", a),
                             tb_emit_float(type, limit));

    a = where(e, fits, a, tb_emit_float(type, -limit));
    return e->narrow && bits == 64 ? tb_emit_narrow_to_i64(e, a, to)
                                   : LLVMBuildFPToSI(e->b, a, to, "");
}

static LLVMValueRef
to_u64(tb_emitter *e, LLVMValueRef a, LLVMTypeRef to)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef half = tb_emit_float(type, 0x1p63), upper, r;

    upper = LLVMBuildAnd(e->b, fcmp(e, LLVMRealOGE, a, half),
                         fcmp(e, LLVMRealOLT, a, tb_emit_float(type, 0x1p64)), "");
    a = where(e, upper, LLVMBuildFSub(e->b, a, half, ""), a);
    r = to_signed(e, a, to, 64);
    return LLVMBuildXor(e->b, r,
                        where(e, upper, tb_emit_int(to, UINT64_C(1) << 63),
                              LLVMConstNull(to)),
                        "");
}

static LLVMValueRef
cast(tb_emitter *e, tb_dtype from, tb_dtype to, int lanes, LLVMValueRef a)
{
    LLVMTypeRef t = tb_emit_type(e, to, lanes), narrow;
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(a));
    bool from_float = tb_dtype_is_float(from), to_float = tb_dtype_is_float(to);
    size_t n = tb_dtype_bytes(from), m = tb_dtype_bytes(to);

    if (to == TB_BOOL)
        return from_float ? fcmp(e, LLVMRealUNE, a, zero) : icmp(e, LLVMIntNE, a, zero);
    if (from == TB_BOOL)
        return where(e, a, to_float ? tb_emit_float(t, 1) : tb_emit_int(t, 1),
                     LLVMConstNull(t));
    if (from_float && to_float)
        return m > n ? LLVMBuildFPExt(e->b, a, t, "") : LLVMBuildFPTrunc(e->b, a, t, "");
    if (to_float && e->narrow && n == 8)
        return tb_emit_narrow_to_float(e, a, is_signed(from), t);
    if (to_float)
        return is_signed(from) ? LLVMBuildSIToFP(e->b, a, t, "")
                               : LLVMBuildUIToFP(e->b, a, t, "");
    if (!from_float) {
        if (m < n)
            return LLVMBuildTrunc(e->b, a, t, "");
        if (m == n)
            return a;
        return is_signed(from) ? LLVMBuildSExt(e->b, a, t, "")
                               : LLVMBuildZExt(e->b, a, t, "");
    }
    if (to == TB_U64)
        return to_u64(e, a, t);
    if (to == TB_I64 || to == TB_I32)
        return to_signed(e, a, t, 8 * (unsigned)m);
    narrow = tb_emit_vec(to == TB_U32 ? e->i64 : e->i32, lanes);
    return LLVMBuildTrunc(e->b, to_signed(e, a, narrow, to == TB_U32 ? 64 : 32), t, "");
}

/* ---- rows ---- */

LLVMValueRef
tb_emit_binary(tb_emitter *e, tb_prim p, tb_dtype t, LLVMValueRef a, LLVMValueRef b)
{
    return tb_dtype_is_float(t) ? float_binary(e, p, a, b) : int_binary(e, p, t, a, b);
}

LLVMValueRef
tb_emit_map(tb_emitter *e, const tb_kinst *i)
{
    tb_prim p = (tb_prim)i->imm;
    LLVMValueRef a = tb_emit_arg(e, i, 0);
    tb_dtype t = (tb_dtype)tb_emit_inst(e, tb_emit_in(e, i, 0))->dtype;

    switch (p) {
    case TB_P_where:
        return where(e, a, tb_emit_arg(e, i, 1), tb_emit_arg(e, i, 2));
    case TB_P_cast:
        return cast(e, t, (tb_dtype)i->dtype, i->lanes, a);
    case TB_P_bitcast:
        return LLVMBuildBitCast(e->b, a, tb_emit_type(e, i->dtype, i->lanes), "");
    default:
        break;
    }
    if (i->n_in == 2)
        return tb_emit_binary(e, p, t, a, tb_emit_arg(e, i, 1));
    return tb_dtype_is_float(t) ? float_unary(e, p, t, a) : int_unary(e, p, t, a);
}

LLVMValueRef
tb_emit_fma(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef a[3];
    LLVMTypeRef t;

    for (uint32_t n = 0; n < 3; n++)
        a[n] = tb_emit_arg(e, i, n);
    t = LLVMTypeOf(a[0]);
    if (e->target->fma)
        return tb_emit_intrinsic(e, "llvm.fma", &t, 1, a, 3);
    return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a[0], a[1], ""), a[2], "");
}

LLVMValueRef
tb_emit_dot_bf16(tb_emitter *e, const tb_kinst *i)
{
    const char *name = i->lanes == 16  ? "llvm.x86.avx512bf16.dpbf16ps.512"
                       : i->lanes == 8 ? "llvm.x86.avx512bf16.dpbf16ps.256"
                                       : "llvm.x86.avx512bf16.dpbf16ps.128";
    LLVMTypeRef pairs = tb_emit_vec(LLVMBFloatTypeInContext(e->cx), 2 * i->lanes);
    LLVMValueRef a[3] = {tb_emit_arg(e, i, 2),
                         LLVMBuildBitCast(e->b, tb_emit_arg(e, i, 0), pairs, ""),
                         LLVMBuildBitCast(e->b, tb_emit_arg(e, i, 1), pairs, "")};

    return tb_emit_intrinsic(e, name, NULL, 0, a, 3);
}

LLVMValueRef
tb_emit_to_bf16(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef a = tb_emit_arg(e, i, 0);
    const char *name = i->lanes == 16 ? "llvm.x86.avx512bf16.cvtneps2bf16.512"
                                      : "llvm.x86.avx512bf16.cvtneps2bf16.256";

    a = tb_emit_intrinsic(e, name, NULL, 0, &a, 1);
    return LLVMBuildBitCast(e->b, a, tb_emit_vec(e->i16, i->lanes), "");
}

/* The instructions' own masks choose all lanes. */
LLVMValueRef
tb_emit_exp2(tb_emitter *e, const tb_kinst *i)
{
    enum { DOWN = 1, INEXACT_IS_SILENT = 8, AS_USUAL = 4 };
    bool whole = i->lanes == 16;
    char name[48];
    LLVMValueRef a = tb_emit_arg(e, i, 0), args[5];
    LLVMTypeRef mask = LLVMIntTypeInContext(e->cx, whole ? 16 : 8);

    snprintf(name, sizeof name, "llvm.x86.avx512.mask.%s.ps.%d",
             i->op == TB_K_SCALE ? "scalef" : "reduce", 32 * i->lanes);
    args[0] = a;
    args[1] = i->op == TB_K_SCALE ? tb_emit_arg(e, i, 1)
                                  : LLVMConstInt(e->i32, DOWN | INEXACT_IS_SILENT, false);
    args[2] = LLVMGetPoison(LLVMTypeOf(a));
    args[3] = LLVMConstAllOnes(mask);
    args[4] = LLVMConstInt(e->i32, AS_USUAL, false);
    return tb_emit_intrinsic(e, name, NULL, 0, args, whole ? 5 : 4);
}

/* Lane i meets lane i + n/2, and so on with the n/2 results. */
/* Of two halves of a vector; where NaN has been looked for in all lanes, one instruction. */
static LLVMValueRef
combine(tb_emitter *e, tb_prim p, tb_dtype t, bool ordered, LLVMValueRef a, LLVMValueRef b)
{
    if (!ordered)
        return tb_emit_binary(e, p, t, a, b);
    return where(e, fcmp(e, p == TB_P_max ? LLVMRealOGT : LLVMRealOLT, a, b), a, b);
}

LLVMValueRef
tb_emit_hreduce(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef v = tb_emit_arg(e, i, 0), nan = NULL, lanes[256];
    tb_dtype t = (tb_dtype)i->dtype;
    unsigned n = LLVMGetVectorSize(LLVMTypeOf(v));
    bool ordered = e->x86 && tb_dtype_is_float(t) && (i->imm == TB_P_max || i->imm == TB_P_min);

    if (t == TB_BOOL) /* all lanes as one number */
        v = LLVMBuildBitCast(e->b, v, LLVMIntTypeInContext(e->cx, n), "");
    if (t == TB_BOOL && i->imm == TB_P_and)
        return icmp(e, LLVMIntEQ, v, LLVMConstAllOnes(LLVMTypeOf(v)));
    if (t == TB_BOOL)
        return icmp(e, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)));
    if (ordered) {
        nan = fcmp(e, LLVMRealUNO, v, v);
        nan = LLVMBuildBitCast(e->b, nan, LLVMIntTypeInContext(e->cx, n), "");
        nan = icmp(e, LLVMIntNE, nan, LLVMConstNull(LLVMTypeOf(nan)));
    }
    while (n > 2) {
        LLVMValueRef half[2];
        n /= 2;
        for (unsigned h = 0; h < 2; h++) {
            for (unsigned j = 0; j < n; j++)
                lanes[j] = LLVMConstInt(e->i32, h * n + j, false);
            half[h] = LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(LLVMTypeOf(v)),
                                             LLVMConstVector(lanes, n), "");
        }
        v = combine(e, (tb_prim)i->imm, t, ordered, half[0], half[1]);
    }
    v = combine(e, (tb_prim)i->imm, t, ordered,
                LLVMBuildExtractElement(e->b, v, LLVMConstInt(e->i32, 0, 0), ""),
                LLVMBuildExtractElement(e->b, v, LLVMConstInt(e->i32, 1, 0), ""));
    return nan ? where(e, nan, tb_emit_float(LLVMTypeOf(v), __builtin_nan("")), v) : v;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit_wide.c -- what LLVM would make calls into libgcc of on a 32-bit processor: integer
 * divisions, and conversions between floats and 64-bit integers. All of it goes through
 * f64, which such processors have for 32-bit integers.
 *
 * The quotient of two integers below 2^32, taken in f64 and truncated, is exact: it is off
 * an integer by 1/2^32 of it at least, and f64 by 2^-53. 64-bit ones that are not that
 * small are divided bit by bit, in a function of the module.
 */
#include "codegen/emit.h"

#include "kernel/build.h"

static int
lanes_of(LLVMValueRef v)
{
    LLVMTypeRef t = LLVMTypeOf(v);

    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

static LLVMValueRef
shifted(tb_emitter *e, LLVMValueRef a, unsigned bits)
{
    return LLVMBuildLShr(e->b, a, tb_emit_int(LLVMTypeOf(a), bits), "");
}

static LLVMValueRef
where(tb_emitter *e, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(e->b, c, a, b, "");
}

/* ---- conversions ---- */

LLVMValueRef
tb_emit_narrow_to_float(tb_emitter *e, LLVMValueRef a, bool is_signed, LLVMTypeRef to)
{
    int n = lanes_of(a);
    LLVMTypeRef i64 = LLVMTypeOf(a), i32 = tb_emit_vec(e->i32, n), f64 = tb_emit_vec(e->f64, n);
    LLVMTypeRef elem = n > 1 ? LLVMGetElementType(to) : to;
    LLVMValueRef hi, lo, x;

    if (elem == e->f32) {
        /* Rounding twice is right if the first time is to odd: beyond 2^53 the lower 11
         * bits become one that says whether any was set. */
        LLVMValueRef low = LLVMBuildAnd(e->b, a, tb_emit_int(i64, 0x7ff), ""), odd, up;
        odd = LLVMBuildICmp(e->b, LLVMIntNE, low, LLVMConstNull(i64), "");
        odd = where(e, odd, tb_emit_int(i64, 0x800), LLVMConstNull(i64));
        odd = LLVMBuildOr(e->b, LLVMBuildXor(e->b, a, low, ""), odd, "");
        up = is_signed ? LLVMBuildAdd(e->b, a, tb_emit_int(i64, UINT64_C(1) << 53), "") : a;
        up = LLVMBuildICmp(e->b, LLVMIntUGT, up,
                           tb_emit_int(i64, UINT64_C(1) << (is_signed ? 54 : 53)), "");
        a = where(e, up, odd, a);
    }
    hi = LLVMBuildTrunc(e->b, shifted(e, a, 32), i32, "");
    lo = LLVMBuildTrunc(e->b, a, i32, "");
    hi = is_signed ? LLVMBuildSIToFP(e->b, hi, f64, "") : LLVMBuildUIToFP(e->b, hi, f64, "");
    lo = LLVMBuildUIToFP(e->b, lo, f64, "");
    x = LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, hi, tb_emit_float(f64, 0x1p32), ""), lo, "");
    return elem == e->f32 ? LLVMBuildFPTrunc(e->b, x, to, "") : x;
}

LLVMValueRef
tb_emit_narrow_to_i64(tb_emitter *e, LLVMValueRef a, LLVMTypeRef to)
{
    int n = lanes_of(a);
    LLVMTypeRef i32 = tb_emit_vec(e->i32, n), f64 = tb_emit_vec(e->f64, n);
    LLVMValueRef x, hi, lo, r;

    if (LLVMTypeOf(a) != f64)
        a = LLVMBuildFPExt(e->b, a, f64, "");
    x = tb_emit_intrinsic(e, "llvm.fabs", &f64, 1, &a, 1);
    hi = LLVMBuildFPToUI(e->b, LLVMBuildFMul(e->b, x, tb_emit_float(f64, 0x1p-32), ""), i32,
                         "");
    lo = LLVMBuildFMul(e->b, LLVMBuildUIToFP(e->b, hi, f64, ""), tb_emit_float(f64, 0x1p32),
                       "");
    lo = LLVMBuildFPToUI(e->b, LLVMBuildFSub(e->b, x, lo, ""), i32, "");
    r = LLVMBuildShl(e->b, LLVMBuildZExt(e->b, hi, to, ""), tb_emit_int(to, 32), "");
    r = LLVMBuildOr(e->b, r, LLVMBuildZExt(e->b, lo, to, ""), "");
    return where(e, LLVMBuildFCmp(e->b, LLVMRealOLT, a, LLVMConstNull(f64), ""),
                 LLVMBuildSub(e->b, LLVMConstNull(to), r, ""), r);
}

/* ---- division ---- */

/* a / b of unsigned integers below 2^32, of any type. */
static LLVMValueRef
divide_small(tb_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
    int n = lanes_of(a);
    LLVMTypeRef type = LLVMTypeOf(a), i32 = tb_emit_vec(e->i32, n);
    LLVMTypeRef f64 = tb_emit_vec(e->f64, n);
    LLVMValueRef q;

    a = LLVMBuildIntCast2(e->b, a, i32, false, "");
    b = LLVMBuildIntCast2(e->b, b, i32, false, "");
    q = LLVMBuildFDiv(e->b, LLVMBuildUIToFP(e->b, a, f64, ""),
                      LLVMBuildUIToFP(e->b, b, f64, ""), "");
    return LLVMBuildIntCast2(e->b, LLVMBuildFPToUI(e->b, q, i32, ""), type, false, "");
}

/* The loop of divide_u64, from block `before` to `done`: from the highest bit down, the
 * rest takes in a bit and gives up b where it can. Returns the quotient. */
static LLVMValueRef
divide_bits(tb_emitter *e, LLVMValueRef fn, LLVMBasicBlockRef before, LLVMBasicBlockRef done)
{
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    LLVMValueRef a = LLVMGetParam(fn, 0), b = LLVMGetParam(fn, 1), phi[3], next[3], fits;
    LLVMValueRef zero = tb_emit_int(e->i64, 0), one = tb_emit_int(e->i64, 1);
    LLVMValueRef init[3] = {a, zero, tb_emit_int(e->i64, 64)}; /* bits left, rest, count */

    LLVMPositionBuilderAtEnd(e->b, loop);
    for (int i = 0; i < 3; i++) {
        phi[i] = LLVMBuildPhi(e->b, e->i64, "");
        LLVMAddIncoming(phi[i], &init[i], &before, 1);
    }
    /* b may be 2^63 and more: the bit that the rest loses counts as well */
    LLVMValueRef lost = LLVMBuildICmp(e->b, LLVMIntSLT, phi[1], zero, "");
    LLVMValueRef rest = LLVMBuildOr(e->b, LLVMBuildShl(e->b, phi[1], one, ""),
                                    shifted(e, phi[0], 63), "");
    fits = LLVMBuildOr(e->b, lost, LLVMBuildICmp(e->b, LLVMIntUGE, rest, b, ""), "");
    next[0] = LLVMBuildOr(e->b, LLVMBuildShl(e->b, phi[0], one, ""),
                          LLVMBuildZExt(e->b, fits, e->i64, ""), "");
    next[1] = where(e, fits, LLVMBuildSub(e->b, rest, b, ""), rest);
    next[2] = LLVMBuildSub(e->b, phi[2], one, "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntNE, next[2], zero, ""), loop, done);
    for (int i = 0; i < 3; i++)
        LLVMAddIncoming(phi[i], &next[i], &loop, 1);
    return next[0];
}

/* u64 divide_u64(u64 a, u64 b): b is not 0. */
static LLVMValueRef
divide_u64(tb_emitter *e)
{
    LLVMTypeRef params[2] = {e->i64, e->i64};
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), entry, small, large, done;
    LLVMValueRef fn, both, q[2];

    if (e->divide_u64)
        return e->divide_u64;
    fn = LLVMAddFunction(e->module, "divide_u64", LLVMFunctionType(e->i64, params, 2, false));
    for (uint32_t i = 0; i < e->n_attrs; i++)
        LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, e->attrs[i]);
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    entry = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    small = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    large = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    done = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    LLVMPositionBuilderAtEnd(e->b, entry);
    both = LLVMBuildOr(e->b, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), "");
    LLVMBuildCondBr(e->b,
                    LLVMBuildICmp(e->b, LLVMIntEQ, shifted(e, both, 32),
                                  LLVMConstNull(e->i64), ""),
                    small, large);
    LLVMPositionBuilderAtEnd(e->b, small);
    q[0] = divide_small(e, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1));
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, large);
    q[1] = divide_bits(e, fn, large, done);
    LLVMBasicBlockRef loop = LLVMGetInsertBlock(e->b);
    LLVMPositionBuilderAtEnd(e->b, large);
    LLVMBuildBr(e->b, loop);
    LLVMPositionBuilderAtEnd(e->b, done);
    LLVMValueRef r = LLVMBuildPhi(e->b, e->i64, "");
    LLVMBasicBlockRef from[2] = {small, loop};
    LLVMAddIncoming(r, q, from, 2);
    LLVMBuildRet(e->b, r);
    LLVMPositionBuilderAtEnd(e->b, here);
    return e->divide_u64 = fn;
}

static LLVMValueRef
call_divide(tb_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef fn = divide_u64(e), args[2] = {a, b};

    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, 2, "");
}

static LLVMValueRef
divide_wide(tb_emitter *e, LLVMValueRef a, LLVMValueRef b)
{
    int n = lanes_of(a);
    LLVMValueRef r;

    if (n == 1)
        return call_divide(e, a, b);
    r = LLVMGetPoison(LLVMTypeOf(a));
    for (int i = 0; i < n; i++) {
        LLVMValueRef at = LLVMConstInt(e->i32, (unsigned)i, false);
        LLVMValueRef q = call_divide(e, LLVMBuildExtractElement(e->b, a, at, ""),
                                     LLVMBuildExtractElement(e->b, b, at, ""));
        r = LLVMBuildInsertElement(e->b, r, q, at, "");
    }
    return r;
}

/* x where s is 0, -x where it is all ones. */
static LLVMValueRef
negate_if(tb_emitter *e, LLVMValueRef s, LLVMValueRef x)
{
    return LLVMBuildSub(e->b, LLVMBuildXor(e->b, x, s, ""), s, "");
}

LLVMValueRef
tb_emit_narrow_divide(tb_emitter *e, tb_dtype t, bool rem, LLVMValueRef a, LLVMValueRef b)
{
    bool is_signed = tb_dtype_kind(t) == TB_KIND_INT;
    LLVMValueRef last = tb_emit_int(LLVMTypeOf(a), 8 * tb_dtype_bytes(t) - 1), sa, sb, q;
    LLVMValueRef x = a, y = b;

    if (is_signed) {
        sa = LLVMBuildAShr(e->b, a, last, "");
        sb = LLVMBuildAShr(e->b, b, last, "");
        x = negate_if(e, sa, a);
        y = negate_if(e, sb, b);
    }
    q = tb_dtype_bytes(t) == 8 ? divide_wide(e, x, y) : divide_small(e, x, y);
    if (is_signed)
        q = negate_if(e, LLVMBuildXor(e->b, sa, sb, ""), q);
    return rem ? LLVMBuildSub(e->b, a, LLVMBuildMul(e->b, q, b, ""), "") : q;
}

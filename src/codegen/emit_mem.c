/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit_mem.c -- memory: addresses, masks, 16-bit floats, lanes from anywhere.
 *
 * A scalar access under a mask does not branch: where the mask is false its pointer is
 * replaced by one to a constant zero, or to a slot on the stack that nobody reads.
 *
 * Gathers whose lanes are a sum of scalars and lane numbers are written as scalar loads,
 * the addresses being computed outside vectors. Others use the gather instruction where
 * the target has masks, and take the lanes out of the index vector where it has not.
 */
#include "codegen/emit.h"

enum { LONGEST_VECTOR = 128 }; /* bytes */
enum { MAX_SUM_DEPTH = 6 };

static LLVMValueRef
int32s(tb_emitter *e, LLVMValueRef like, uint32_t x)
{
    (void)e;
    return tb_emit_int(LLVMTypeOf(like), x);
}

static int
lanes_of(LLVMValueRef v)
{
    LLVMTypeRef t = LLVMTypeOf(v);

    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

/* ---- 16-bit floats ---- */

/* From here on each function follows its sibling in base/half.c, without branches. */
static LLVMValueRef
f16_from_bits(tb_emitter *e, LLVMValueRef h)
{
    LLVMBuilderRef b = e->b;
    int n = lanes_of(h);
    LLVMTypeRef f = tb_emit_vec(e->f32, n), i = tb_emit_vec(e->i32, n);
    LLVMValueRef u = LLVMBuildZExt(b, h, i, ""), sign, exponent, bits, x, quiet;

    if (e->half_hw)
        return LLVMBuildFPExt(b, LLVMBuildBitCast(b, h, tb_emit_vec(e->f16, n), ""), f,
                              "");
    sign = LLVMBuildShl(b, LLVMBuildAnd(b, u, int32s(e, u, 0x8000), ""), int32s(e, u, 16),
                        "");
    bits = LLVMBuildShl(b, LLVMBuildAnd(b, u, int32s(e, u, 0x7fff), ""), int32s(e, u, 13),
                        "");
    exponent = LLVMBuildAnd(b, u, int32s(e, u, 0x7c00), "");
    x = LLVMBuildAdd(b, bits, int32s(e, u, 112u << 23), "");
    /* subnormals: as 2^-14 + x, less 2^-14; a processor may flush subnormals of f32 */
    bits = LLVMBuildAdd(b, bits, int32s(e, u, 113u << 23), "");
    bits = LLVMBuildFSub(b, LLVMBuildBitCast(b, bits, f, ""), tb_emit_float(f, 0x1p-14), "");
    x = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, exponent, int32s(e, u, 0), ""),
                        LLVMBuildBitCast(b, bits, i, ""), x, "");
    quiet = LLVMBuildAnd(b, u, int32s(e, u, 0x3ff), "");
    quiet = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntNE, quiet, int32s(e, u, 0), ""),
                            int32s(e, u, 0x7fc00000), int32s(e, u, 0x7f800000), "");
    x = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, exponent, int32s(e, u, 0x7c00), ""),
                        LLVMBuildOr(b, x, quiet, ""), x, "");
    return LLVMBuildBitCast(b, LLVMBuildOr(b, x, sign, ""), f, "");
}

static LLVMValueRef
f16_to_bits(tb_emitter *e, LLVMValueRef x)
{
    LLVMBuilderRef b = e->b;
    int n = lanes_of(x);
    LLVMTypeRef f = LLVMTypeOf(x), i = tb_emit_vec(e->i32, n), h = tb_emit_vec(e->i16, n);
    LLVMValueRef u, sign, a, odd, r, small;

    if (e->half_hw)
        return LLVMBuildBitCast(b, LLVMBuildFPTrunc(b, x, tb_emit_vec(e->f16, n), ""), h,
                                "");
    u = LLVMBuildBitCast(b, x, i, "");
    sign = LLVMBuildAnd(b, LLVMBuildLShr(b, u, int32s(e, u, 16), ""),
                        int32s(e, u, 0x8000), "");
    a = LLVMBuildAnd(b, u, int32s(e, u, 0x7fffffff), "");
    /* below 2^-14 the addition rounds at 2^-24 */
    small = LLVMBuildFAdd(b, LLVMBuildBitCast(b, a, f, ""), tb_emit_float(f, 0.5), "");
    small =
        LLVMBuildSub(b, LLVMBuildBitCast(b, small, i, ""), int32s(e, u, 0x3f000000), "");
    odd = LLVMBuildAnd(b, LLVMBuildLShr(b, a, int32s(e, u, 13), ""), int32s(e, u, 1), "");
    r = LLVMBuildAdd(b, LLVMBuildAdd(b, a, odd, ""),
                     int32s(e, u, 0xfffu - 0x38000000u), "");
    r = LLVMBuildLShr(b, r, int32s(e, u, 13), "");
    r = LLVMBuildSelect(
        b, LLVMBuildICmp(b, LLVMIntULT, a, int32s(e, u, 0x38800000), ""), small, r, "");
    r = LLVMBuildSelect(
        b, LLVMBuildICmp(b, LLVMIntUGE, a, int32s(e, u, 0x477ff000), ""),
        int32s(e, u, 0x7c00), r, "");
    odd = LLVMBuildAnd(b, LLVMBuildLShr(b, a, int32s(e, u, 13), ""), int32s(e, u, 0x3ff),
                       "");
    odd = LLVMBuildOr(b, odd, int32s(e, u, 0x7e00), "");
    r = LLVMBuildSelect(
        b, LLVMBuildICmp(b, LLVMIntUGT, a, int32s(e, u, 0x7f800000), ""), odd, r, "");
    return LLVMBuildTrunc(b, LLVMBuildOr(b, r, sign, ""), h, "");
}

static LLVMValueRef
bf16_from_bits(tb_emitter *e, LLVMValueRef h)
{
    int n = lanes_of(h);
    LLVMValueRef u = LLVMBuildZExt(e->b, h, tb_emit_vec(e->i32, n), "");

    u = LLVMBuildShl(e->b, u, int32s(e, u, 16), "");
    return LLVMBuildBitCast(e->b, u, tb_emit_vec(e->f32, n), "");
}

/* AVX512-BF16's own instruction takes subnormals for zero: integers everywhere. */
static LLVMValueRef
bf16_to_bits(tb_emitter *e, LLVMValueRef x)
{
    LLVMBuilderRef b = e->b;
    int n = lanes_of(x);
    LLVMValueRef u = LLVMBuildBitCast(b, x, tb_emit_vec(e->i32, n), ""), high, r;

    high = LLVMBuildLShr(b, u, int32s(e, u, 16), "");
    r = LLVMBuildAdd(b, u, LLVMBuildAnd(b, high, int32s(e, u, 1), ""), "");
    r = LLVMBuildAdd(b, r, int32s(e, u, 0x7fff), "");
    r = LLVMBuildLShr(b, r, int32s(e, u, 16), "");
    r = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealUNO, x, x, ""),
                        LLVMBuildOr(b, high, int32s(e, u, 0x40), ""), r, "");
    return LLVMBuildTrunc(b, r, tb_emit_vec(e->i16, n), "");
}

/* ---- what memory holds ---- */

static LLVMTypeRef
memory_type(tb_emitter *e, tb_dtype mem, int lanes)
{
    if (mem == TB_BOOL)
        return tb_emit_vec(e->i8, lanes);
    if (mem == TB_F16 || mem == TB_BF16)
        return tb_emit_vec(e->i16, lanes);
    return tb_emit_type(e, mem, lanes);
}

static LLVMValueRef
widen(tb_emitter *e, tb_dtype mem, LLVMValueRef v)
{
    switch (mem) {
    case TB_BOOL:
        return LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
    case TB_F16:
        return f16_from_bits(e, v);
    case TB_BF16:
        return bf16_from_bits(e, v);
    default:
        return v;
    }
}

static LLVMValueRef
narrow(tb_emitter *e, tb_dtype mem, LLVMValueRef v)
{
    switch (mem) {
    case TB_BOOL:
        return LLVMBuildZExt(e->b, v, tb_emit_vec(e->i8, lanes_of(v)), "");
    case TB_F16:
        return f16_to_bits(e, v);
    case TB_BF16:
        return bf16_to_bits(e, v);
    default:
        return v;
    }
}

LLVMValueRef
tb_emit_round(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef x = tb_emit_arg(e, i, 0);
    LLVMTypeRef type = LLVMTypeOf(x);

    if (i->dtype == TB_F64)
        x = LLVMBuildFPTrunc(e->b, x, tb_emit_vec(e->f32, i->lanes), "");
    x = widen(e, (tb_dtype)i->mem, narrow(e, (tb_dtype)i->mem, x));
    return i->dtype == TB_F64 ? LLVMBuildFPExt(e->b, x, type, "") : x;
}

/* ---- addresses ---- */

static LLVMValueRef
offset(tb_emitter *e, LLVMTypeRef elem, LLVMValueRef p, LLVMValueRef index)
{
    if (LLVMIsConstant(index) && LLVMIsNull(index))
        return p;
    return LLVMBuildGEP2(e->b, elem, p, &index, 1, "");
}

static LLVMValueRef
address(tb_emitter *e, const tb_kinst *i)
{
    LLVMTypeRef elem = memory_type(e, (tb_dtype)i->mem, 1);
    LLVMValueRef p = offset(e, elem, tb_emit_arg(e, i, 0), tb_emit_arg(e, i, 1));

    return offset(e, elem, p, LLVMConstInt(e->i64, (uint64_t)i->imm, true));
}

static LLVMValueRef
zeros(tb_emitter *e)
{
    LLVMTypeRef t = LLVMArrayType2(e->i8, LONGEST_VECTOR);

    if (!e->zeros) {
        e->zeros = LLVMAddGlobal(e->module, t, "zeros");
        LLVMSetInitializer(e->zeros, LLVMConstNull(t));
        LLVMSetLinkage(e->zeros, LLVMPrivateLinkage);
        LLVMSetGlobalConstant(e->zeros, true);
        LLVMSetAlignment(e->zeros, 16);
    }
    return e->zeros;
}

static LLVMValueRef
trash(tb_emitter *e)
{
    if (!e->trash)
        e->trash = tb_emit_alloca(e, e->i64, 8);
    return e->trash;
}

static LLVMValueRef
load_at(tb_emitter *e, LLVMTypeRef t, LLVMValueRef p)
{
    LLVMValueRef v = LLVMBuildLoad2(e->b, t, p, "");

    LLVMSetAlignment(v, 1);
    return v;
}

static void
store_at(tb_emitter *e, LLVMValueRef v, LLVMValueRef p)
{
    LLVMSetAlignment(LLVMBuildStore(e->b, v, p), 1);
}

/* ---- consecutive elements ---- */

/* The masked intrinsics lost their alignment operand in LLVM 22; without the attribute
 * that replaced it the alignment is 1. `align_at` is where the operand belongs. */
static LLVMValueRef
masked_call(tb_emitter *e, const char *name, LLVMTypeRef *types, size_t n_types,
            LLVMValueRef *args, unsigned n, unsigned align_at, unsigned align)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMTypeRef t = LLVMIntrinsicGetType(e->cx, id, types, n_types);
    LLVMValueRef with[5];
    unsigned m = 0;

    if (LLVMCountParamTypes(t) == n)
        return tb_emit_intrinsic(e, name, types, n_types, args, n);
    for (unsigned i = 0; i < n; i++) {
        if (i == align_at)
            with[m++] = LLVMConstInt(e->i32, align, false);
        with[m++] = args[i];
    }
    if (align_at == n)
        with[m++] = LLVMConstInt(e->i32, align, false);
    return tb_emit_intrinsic(e, name, types, n_types, with, m);
}

/* The mask of all lanes at once as one truth value, if it is that; some processors without mask
 * registers take ten cycles for a masked load. */
static LLVMValueRef
common_mask(tb_emitter *e, const tb_kinst *i)
{
    const tb_kinst *mask = tb_emit_inst(e, tb_emit_in(e, i, 2));

    if (i->lanes == 1)
        return tb_emit_arg(e, i, 2);
    return !e->target->masks && mask->op == TB_K_SPLAT ? tb_emit_arg(e, mask, 0) : NULL;
}

LLVMValueRef
tb_emit_load(tb_emitter *e, const tb_kinst *i)
{
    tb_dtype mem = (tb_dtype)i->mem;
    LLVMTypeRef t = memory_type(e, mem, i->lanes);
    LLVMValueRef p = address(e, i), v, all;

    if (i->n_in < 3) {
        v = load_at(e, t, p);
    } else if ((all = common_mask(e, i)) != NULL) {
        v = load_at(e, t, LLVMBuildSelect(e->b, all, p, zeros(e), ""));
    } else {
        LLVMValueRef args[3] = {p, tb_emit_arg(e, i, 2), LLVMConstNull(t)};
        LLVMTypeRef types[2] = {t, e->ptr};
        v = masked_call(e, "llvm.masked.load", types, 2, args, 3, 1, 1);
    }
    return widen(e, mem, v);
}

static unsigned
vector_bytes(const tb_kinst *i)
{
    return i->lanes * (unsigned)tb_dtype_bytes((tb_dtype)i->mem);
}

/* The instruction faults where the address is no multiple of the vector's size, which results
 * of the runtime's never are: a branch that is always taken. */
static void
store_past_caches(tb_emitter *e, LLVMValueRef v, LLVMValueRef p, unsigned bytes)
{
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), past = tb_emit_block(e);
    LLVMBasicBlockRef plain = tb_emit_block(e), after = tb_emit_block(e);
    LLVMValueRef at = LLVMBuildPtrToInt(e->b, p, e->i64, ""), store;
    LLVMMetadataRef one = LLVMValueAsMetadata(LLVMConstInt(e->i32, 1, false));
    unsigned kind = LLVMGetMDKindIDInContext(e->cx, "nontemporal", 11);

    at = LLVMBuildAnd(e->b, at, LLVMConstInt(e->i64, bytes - 1, false), "");
    at = LLVMBuildICmp(e->b, LLVMIntEQ, at, LLVMConstNull(e->i64), "");
    LLVMBuildCondBr(e->b, at, past, plain);
    LLVMMoveBasicBlockAfter(past, before);
    tb_emit_enter(e, past);
    store = LLVMBuildStore(e->b, v, p);
    LLVMSetAlignment(store, bytes);
    LLVMSetMetadata(store, kind,
                    LLVMMetadataAsValue(e->cx, LLVMMDNodeInContext2(e->cx, &one, 1)));
    LLVMBuildBr(e->b, after);
    tb_emit_enter(e, plain);
    store_at(e, v, p);
    LLVMBuildBr(e->b, after);
    LLVMMoveBasicBlockAfter(after, past);
    tb_emit_enter(e, after);
    e->past_caches = true;
}

/* The only lane of a mask that is true, if it is constant; -1 where there are none or several. */
static int
only_lane(LLVMValueRef mask)
{
    int only = -1, lanes = LLVMIsConstant(mask) ? lanes_of(mask) : 0;

    for (int n = 0; n < lanes; n++) {
        LLVMValueRef bit = LLVMGetAggregateElement(mask, (unsigned)n);
        if (!bit || !LLVMIsAConstantInt(bit))
            return -1;
        if (LLVMConstIntGetZExtValue(bit) == 0)
            continue;
        if (only >= 0)
            return -1;
        only = n;
    }
    return only;
}

/* One lane is stored by itself: of narrow elements in 512 bits LLVM 22 writes four bytes there
 * (its issue 179489). */
static void
store_masked(tb_emitter *e, LLVMValueRef v, LLVMValueRef p, LLVMValueRef mask)
{
    LLVMTypeRef t = LLVMTypeOf(v), types[2] = {t, e->ptr};
    int only = only_lane(mask);

    if (only >= 0) {
        LLVMValueRef lane = LLVMConstInt(e->i64, (uint64_t)only, false);
        p = offset(e, LLVMGetElementType(t), p, lane);
        store_at(e, LLVMBuildExtractElement(e->b, v, lane, ""), p);
        return;
    }
    masked_call(e, "llvm.masked.store", types, 2, (LLVMValueRef[]){v, p, mask}, 3, 2, 1);
}

void
tb_emit_store(tb_emitter *e, const tb_kinst *i)
{
    tb_dtype mem = (tb_dtype)i->mem;
    LLVMValueRef p = address(e, i), v = narrow(e, mem, tb_emit_arg(e, i, 2));

    if (i->n_in < 4 && i->other && e->x86 && vector_bytes(i) >= 16) {
        store_past_caches(e, v, p, vector_bytes(i));
    } else if (i->n_in < 4) {
        store_at(e, v, p);
    } else if (i->lanes == 1) {
        store_at(e, v, LLVMBuildSelect(e->b, tb_emit_arg(e, i, 3), p, trash(e), ""));
    } else {
        store_masked(e, v, p, tb_emit_arg(e, i, 3));
    }
}

void
tb_emit_prefetch(tb_emitter *e, const tb_kinst *i)
{
    enum { READ = 0, FIRST_CACHE = 3, SECOND_CACHE = 2, DATA = 1 }; /* LLVM's numbers */
    int cache = i->imm == TB_FIRST_CACHE ? FIRST_CACHE : SECOND_CACHE;
    LLVMValueRef args[4] = {tb_emit_arg(e, i, 0), LLVMConstInt(e->i32, READ, false),
                            LLVMConstInt(e->i32, (unsigned)cache, false),
                            LLVMConstInt(e->i32, DATA, false)};

    tb_emit_intrinsic(e, "llvm.prefetch", &e->ptr, 1, args, 4);
}

/* ---- lanes from anywhere ---- */

static bool
is_sum(const tb_kinst *i)
{
    return i->op == TB_K_MAP &&
           (i->imm == TB_P_add || i->imm == TB_P_sub || i->imm == TB_P_mul);
}

/* Made of scalars and lane numbers alone: each lane can be computed as a scalar. */
static bool
lanes_are_cheap(const tb_emitter *e, tb_kv v, int depth)
{
    const tb_kinst *i = tb_emit_inst(e, v);

    if (i->op == TB_K_SPLAT || i->op == TB_K_LANE_IDS || i->op == TB_K_CONST)
        return true;
    return is_sum(i) && depth < MAX_SUM_DEPTH &&
           lanes_are_cheap(e, tb_emit_in(e, i, 0), depth + 1) &&
           lanes_are_cheap(e, tb_emit_in(e, i, 1), depth + 1);
}

/* Lane `lane` of such a value, as `*fixed` + the result (NULL is 0): the lanes then share
 * one register and differ in the displacement. */
static LLVMValueRef
cheap_lane(tb_emitter *e, tb_kv v, unsigned lane, int64_t *fixed)
{
    const tb_kinst *i = tb_emit_inst(e, v);
    LLVMValueRef a, b;
    int64_t x, y;

    *fixed = 0;
    if (i->op == TB_K_LANE_IDS)
        return *fixed = lane, NULL;
    if (i->op == TB_K_CONST)
        return *fixed = i->imm, NULL;
    if (i->op == TB_K_SPLAT)
        return tb_emit_inst(e, tb_emit_in(e, i, 0))->op == TB_K_CONST
                   ? cheap_lane(e, tb_emit_in(e, i, 0), lane, fixed)
                   : tb_emit_arg(e, i, 0);
    a = cheap_lane(e, tb_emit_in(e, i, 0), lane, &x);
    b = cheap_lane(e, tb_emit_in(e, i, 1), lane, &y);
    if (i->imm == TB_P_mul) {
        LLVMValueRef fx = LLVMConstInt(e->i64, (uint64_t)x, true);
        LLVMValueRef fy = LLVMConstInt(e->i64, (uint64_t)y, true);
        if (!a && !b)
            return *fixed = (int64_t)((uint64_t)x * (uint64_t)y), NULL;
        if (!b) { /* (a + x) * y */
            *fixed = (int64_t)((uint64_t)x * (uint64_t)y);
            return LLVMBuildMul(e->b, a, fy, "");
        }
        if (!a) {
            *fixed = (int64_t)((uint64_t)x * (uint64_t)y);
            return LLVMBuildMul(e->b, b, fx, "");
        }
        return LLVMBuildMul(e->b, LLVMBuildAdd(e->b, a, fx, ""),
                            LLVMBuildAdd(e->b, b, fy, ""), "");
    }
    if (i->imm == TB_P_sub) {
        *fixed = (int64_t)((uint64_t)x - (uint64_t)y);
        return !b ? a : a ? LLVMBuildSub(e->b, a, b, "") : LLVMBuildNeg(e->b, b, "");
    }
    *fixed = (int64_t)((uint64_t)x + (uint64_t)y);
    return !b ? a : a ? LLVMBuildAdd(e->b, a, b, "") : b;
}

typedef struct lane_walk {
    LLVMValueRef base, index; /* index: NULL if lanes are cheap */
    LLVMValueRef mask, bits;  /* bits: the mask as one number, up to 64 lanes */
    tb_kv sum;
    int64_t imm;
    LLVMTypeRef elem;
} lane_walk;

static lane_walk
walk_lanes(tb_emitter *e, const tb_kinst *i, uint32_t mask)
{
    lane_walk w = {.base = tb_emit_arg(e, i, 0),
                   .sum = tb_emit_in(e, i, 1),
                   .imm = i->imm,
                   .elem = memory_type(e, (tb_dtype)i->mem, 1)};

    if (!lanes_are_cheap(e, w.sum, 0))
        w.index = tb_emit_arg(e, i, 1);
    if (i->n_in > mask)
        w.mask = tb_emit_arg(e, i, mask);
    if (w.mask && i->lanes <= 64)
        w.bits =
            LLVMBuildBitCast(e->b, w.mask, LLVMIntTypeInContext(e->cx, i->lanes), "");
    return w;
}

static LLVMValueRef
lane_address(tb_emitter *e, const lane_walk *w, unsigned lane, LLVMValueRef elsewhere)
{
    LLVMValueRef p, index, bit;
    int64_t fixed = 0;

    if (w->index)
        index = LLVMBuildExtractElement(e->b, w->index, LLVMConstInt(e->i32, lane, false),
                                        "");
    else
        index = cheap_lane(e, w->sum, lane, &fixed);
    p = index ? offset(e, w->elem, w->base, index) : w->base;
    fixed = (int64_t)((uint64_t)fixed + (uint64_t)w->imm);
    p = offset(e, w->elem, p, LLVMConstInt(e->i64, (uint64_t)fixed, true));
    if (!w->mask)
        return p;
    if (w->bits) {
        bit = tb_emit_int(LLVMTypeOf(w->bits), UINT64_C(1) << lane);
        bit = LLVMBuildAnd(e->b, w->bits, bit, "");
        bit = LLVMBuildICmp(e->b, LLVMIntNE, bit, LLVMConstNull(LLVMTypeOf(bit)), "");
    } else {
        bit =
            LLVMBuildExtractElement(e->b, w->mask, LLVMConstInt(e->i32, lane, false), "");
    }
    return LLVMBuildSelect(e->b, bit, p, elsewhere, "");
}

static bool
use_intrinsic(const tb_emitter *e, const tb_kinst *i)
{
    size_t n = tb_dtype_bytes((tb_dtype)i->mem);

    return e->x86 && e->target->masks && (n == 4 || n == 8) && i->imm == 0 &&
           !lanes_are_cheap(e, tb_emit_in(e, i, 1), 0);
}

/* A vector of pointers, also where all of them are the same. */
static LLVMValueRef
lane_pointers(tb_emitter *e, const tb_kinst *i)
{
    LLVMTypeRef elem = memory_type(e, (tb_dtype)i->mem, 1);
    LLVMValueRef index = tb_emit_arg(e, i, 1);

    return LLVMBuildGEP2(e->b, elem, tb_emit_arg(e, i, 0), &index, 1, "");
}

static LLVMValueRef
lane_mask(tb_emitter *e, const tb_kinst *i, uint32_t n)
{
    return i->n_in > n ? tb_emit_arg(e, i, n)
                       : LLVMConstAllOnes(tb_emit_vec(e->i1, i->lanes));
}

LLVMValueRef
tb_emit_gather(tb_emitter *e, const tb_kinst *i)
{
    tb_dtype mem = (tb_dtype)i->mem;
    LLVMTypeRef t = memory_type(e, mem, i->lanes), elem = memory_type(e, mem, 1);
    LLVMValueRef v = LLVMGetPoison(t);
    lane_walk w;

    if (use_intrinsic(e, i)) {
        LLVMTypeRef types[2] = {t, LLVMVectorType(e->ptr, i->lanes)};
        LLVMValueRef args[3] = {lane_pointers(e, i), lane_mask(e, i, 2),
                                LLVMConstNull(t)};
        return masked_call(e, "llvm.masked.gather", types, 2, args, 3, 1,
                           (unsigned)tb_dtype_bytes(mem));
    }
    w = walk_lanes(e, i, 2);
    for (unsigned n = 0; n < i->lanes; n++) {
        LLVMValueRef p = lane_address(e, &w, n, w.mask ? zeros(e) : NULL);
        v = LLVMBuildInsertElement(e->b, v, load_at(e, elem, p),
                                   LLVMConstInt(e->i32, n, false), "");
    }
    return widen(e, mem, v);
}

void
tb_emit_scatter(tb_emitter *e, const tb_kinst *i)
{
    tb_dtype mem = (tb_dtype)i->mem;
    LLVMTypeRef t = memory_type(e, mem, i->lanes);
    LLVMValueRef v = narrow(e, mem, tb_emit_arg(e, i, 2));
    lane_walk w;

    if (use_intrinsic(e, i)) {
        LLVMTypeRef types[2] = {t, LLVMVectorType(e->ptr, i->lanes)};
        LLVMValueRef args[3] = {v, lane_pointers(e, i), lane_mask(e, i, 3)};
        masked_call(e, "llvm.masked.scatter", types, 2, args, 3, 2,
                    (unsigned)tb_dtype_bytes(mem));
        return;
    }
    w = walk_lanes(e, i, 3);
    for (unsigned n = 0; n < i->lanes; n++) {
        LLVMValueRef x =
            LLVMBuildExtractElement(e->b, v, LLVMConstInt(e->i32, n, false), "");
        store_at(e, x, lane_address(e, &w, n, w.mask ? trash(e) : NULL));
    }
}

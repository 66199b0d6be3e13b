/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit.c -- a kernel as LLVM IR, one instruction after the other.
 *
 * A loop is written in the form the code generator likes: a test before it unless it is
 * known to run, then blocks that end in the only backward branch; carried values are
 * phis. Nothing lives in memory that is not memory in the kernel, except the error code.
 */
#include "codegen/emit.h"

#include "kernel/build.h"

/* ---- small helpers ---- */

LLVMTypeRef
tb_emit_vec(LLVMTypeRef t, int lanes)
{
    return lanes > 1 ? LLVMVectorType(t, (unsigned)lanes) : t;
}

LLVMTypeRef
tb_emit_type(tb_emitter *e, int dtype, int lanes)
{
    LLVMTypeRef t;

    if (dtype == TB_K_PTR)
        return e->ptr;
    switch ((tb_dtype)dtype) {
    case TB_BOOL:
        t = e->i1;
        break;
    case TB_F32:
        t = e->f32;
        break;
    case TB_F64:
        t = e->f64;
        break;
    default:
        TB_CHECK(tb_dtype_is_int((tb_dtype)dtype));
        t = LLVMIntTypeInContext(e->cx, 8 * (unsigned)tb_dtype_bytes((tb_dtype)dtype));
    }
    return tb_emit_vec(t, lanes);
}

static LLVMValueRef
all_lanes(LLVMTypeRef t, LLVMValueRef (*make)(LLVMTypeRef, const void *), const void *x)
{
    LLVMValueRef lanes[256], c;
    unsigned n;

    if (LLVMGetTypeKind(t) != LLVMVectorTypeKind)
        return make(t, x);
    n = LLVMGetVectorSize(t);
    c = make(LLVMGetElementType(t), x);
    for (unsigned i = 0; i < n; i++)
        lanes[i] = c;
    return LLVMConstVector(lanes, n);
}

static LLVMValueRef
make_int(LLVMTypeRef t, const void *x)
{
    return LLVMConstInt(t, *(const uint64_t *)x, false);
}

static LLVMValueRef
make_float(LLVMTypeRef t, const void *x)
{
    return LLVMConstReal(t, *(const double *)x);
}

LLVMValueRef
tb_emit_int(LLVMTypeRef t, uint64_t x)
{
    return all_lanes(t, make_int, &x);
}

LLVMValueRef
tb_emit_float(LLVMTypeRef t, double x)
{
    return all_lanes(t, make_float, &x);
}

/* Constants come as bits, so that every NaN survives. */
static LLVMValueRef
constant(tb_emitter *e, const tb_kinst *i)
{
    uint64_t x = (uint64_t)i->imm;

    if (i->dtype == TB_F32)
        return LLVMConstBitCast(LLVMConstInt(e->i32, x & UINT32_MAX, false), e->f32);
    if (i->dtype == TB_F64)
        return LLVMConstBitCast(LLVMConstInt(e->i64, x, false), e->f64);
    return LLVMConstInt(tb_emit_type(e, i->dtype, 1), x, false);
}

LLVMValueRef
tb_emit_splat(tb_emitter *e, LLVMValueRef scalar, int lanes)
{
    LLVMTypeRef t = LLVMTypeOf(scalar), v = tb_emit_vec(t, lanes);
    LLVMValueRef same[256];

    if (lanes == 1)
        return scalar;
    if (LLVMIsConstant(scalar)) {
        for (int i = 0; i < lanes; i++)
            same[i] = scalar;
        return LLVMConstVector(same, (unsigned)lanes);
    }
    scalar = LLVMBuildInsertElement(e->b, LLVMGetPoison(v), scalar,
                                    LLVMConstInt(e->i32, 0, false), "");
    return LLVMBuildShuffleVector(e->b, scalar, LLVMGetPoison(v),
                                  LLVMConstNull(tb_emit_vec(e->i32, lanes)), "");
}

LLVMValueRef
tb_emit_intrinsic(tb_emitter *e, const char *name, LLVMTypeRef *types, size_t n_types,
                  LLVMValueRef *args, unsigned n_args)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));

    TB_CHECK(id != 0);
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(e->module, id, types, n_types);
    LLVMTypeRef type = LLVMIntrinsicGetType(e->cx, id, types, n_types);
    return LLVMBuildCall2(e->b, type, fn, args, n_args, "");
}

LLVMValueRef
tb_emit_alloca(tb_emitter *e, LLVMTypeRef t, unsigned align)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMValueRef first = LLVMGetFirstInstruction(e->entry), a;

    if (first)
        LLVMPositionBuilderBefore(e->b, first);
    else
        LLVMPositionBuilderAtEnd(e->b, e->entry);
    a = LLVMBuildAlloca(e->b, t, "");
    LLVMSetAlignment(a, align);
    LLVMPositionBuilderAtEnd(e->b, here);
    return a;
}

/* ---- values ---- */

/* BOOL vectors that are kept as integers where blocks meet. */
static bool
kept_wide(const tb_emitter *e, int dtype, int lanes)
{
    return dtype == TB_BOOL && lanes > 1 && !e->target->masks;
}

LLVMTypeRef
tb_emit_kept_type(tb_emitter *e, int dtype, int lanes)
{
    if (kept_wide(e, dtype, lanes))
        return tb_emit_vec(e->i32, lanes);
    return tb_emit_type(e, dtype, lanes);
}

LLVMValueRef
tb_emit_value(tb_emitter *e, tb_kv v)
{
    tb_slot *s = &e->slots[v.id];

    TB_CHECK(s->v || s->wide);
    if (s->wide && s->block != e->block) {
        s->v = LLVMBuildICmp(e->b, LLVMIntSLT, s->wide,
                             LLVMConstNull(LLVMTypeOf(s->wide)), "");
        s->block = e->block;
    }
    return s->v;
}

/* The value as it goes through phis and calls. */
static LLVMValueRef
kept_value(tb_emitter *e, tb_kv v)
{
    const tb_kinst *i = tb_emit_inst(e, v);

    if (!kept_wide(e, i->dtype, i->lanes))
        return tb_emit_value(e, v);
    if (e->slots[v.id].wide)
        return e->slots[v.id].wide;
    return LLVMBuildSExt(e->b, e->slots[v.id].v, tb_emit_vec(e->i32, i->lanes), "");
}

static void
set_kept(tb_emitter *e, uint32_t id, LLVMValueRef v)
{
    const tb_kinst *i = &e->f->insts.at[id];

    if (kept_wide(e, i->dtype, i->lanes))
        e->slots[id] = (tb_slot){.wide = v};
    else
        e->slots[id] = (tb_slot){.v = v};
}

static void
set_value(tb_emitter *e, uint32_t id, LLVMValueRef v)
{
    const tb_kinst *i = &e->f->insts.at[id];
    tb_slot s = {.v = v, .block = e->block, .shuffles = e->slots[id].shuffles};

    /* without a use this conversion costs nothing */
    if (kept_wide(e, i->dtype, i->lanes) && !LLVMIsConstant(v))
        s.wide = LLVMBuildSExt(e->b, v, tb_emit_vec(e->i32, i->lanes), "");
    e->slots[id] = s;
}

LLVMBasicBlockRef
tb_emit_block(tb_emitter *e)
{
    return LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
}

void
tb_emit_enter(tb_emitter *e, LLVMBasicBlockRef b)
{
    LLVMPositionBuilderAtEnd(e->b, b);
    e->block++;
}

/* ---- control flow ---- */

static bool
is_const(const tb_emitter *e, tb_kv v, int64_t *x)
{
    const tb_kinst *i = tb_emit_inst(e, v);

    *x = i->imm;
    return i->op == TB_K_CONST;
}

static void
emit_for(tb_emitter *e, uint32_t id)
{
    const tb_kinst *i = &e->f->insts.at[id];
    const tb_kregion *r = &e->f->regions.at[i->body];
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), body = tb_emit_block(e), latch,
                      after;
    LLVMValueRef lo = tb_emit_arg(e, i, 0), hi = tb_emit_arg(e, i, 1), next, cond;
    uint32_t n = r->next.n;
    LLVMValueRef *phis = TB_NEWN(&e->arena, LLVMValueRef, n + 1);
    LLVMValueRef *init = TB_NEWN(&e->arena, LLVMValueRef, n + 1);
    LLVMValueRef *outs = TB_NEWN(&e->arena, LLVMValueRef, n + 1);
    int64_t a, b;
    bool runs = is_const(e, tb_emit_in(e, i, 0), &a) &&
                is_const(e, tb_emit_in(e, i, 1), &b) && a < b;

    for (uint32_t j = 0; j < n; j++)
        init[j] = kept_value(e, tb_emit_in(e, i, j + 2));
    after = tb_emit_block(e);
    if (runs)
        LLVMBuildBr(e->b, body);
    else
        LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, lo, hi, ""), body, after);
    tb_emit_enter(e, body);
    phis[n] = LLVMBuildPhi(e->b, e->i64, "");
    LLVMAddIncoming(phis[n], &lo, &before, 1);
    for (uint32_t j = 0; j < n; j++) {
        phis[j] = LLVMBuildPhi(e->b, LLVMTypeOf(init[j]), "");
        LLVMAddIncoming(phis[j], &init[j], &before, 1);
    }
    e->slots[r->args.at[0].id] = (tb_slot){.v = phis[n]};
    for (uint32_t j = 0; j < n; j++)
        set_kept(e, r->args.at[j + 1].id, phis[j]);
    tb_emit_region(e, i->body);
    for (uint32_t j = 0; j < n; j++)
        outs[j] = kept_value(e, r->next.at[j]);
    next =
        LLVMBuildNSWAdd(e->b, phis[n], LLVMConstInt(e->i64, (uint64_t)i->imm, false), "");
    cond = LLVMBuildICmp(e->b, LLVMIntSLT, next, hi, "");
    LLVMBuildCondBr(e->b, cond, body, after);
    latch = LLVMGetInsertBlock(e->b);
    LLVMAddIncoming(phis[n], &next, &latch, 1);
    LLVMMoveBasicBlockAfter(after, latch);
    tb_emit_enter(e, after);
    for (uint32_t j = 0; j < n; j++) {
        LLVMAddIncoming(phis[j], &outs[j], &latch, 1);
        if (!runs) {
            LLVMValueRef out = LLVMBuildPhi(e->b, LLVMTypeOf(init[j]), "");
            LLVMAddIncoming(out, &init[j], &before, 1);
            LLVMAddIncoming(out, &outs[j], &latch, 1);
            outs[j] = out;
        }
    }
    e->slots[id].outs = outs;
}

static void
emit_if(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef cond = tb_emit_arg(e, i, 0);
    LLVMBasicBlockRef then = tb_emit_block(e), other = i->other ? tb_emit_block(e) : NULL;
    LLVMBasicBlockRef after = tb_emit_block(e);

    LLVMBuildCondBr(e->b, cond, then, other ? other : after);
    tb_emit_enter(e, then);
    tb_emit_region(e, i->body);
    LLVMBuildBr(e->b, after);
    if (other) {
        LLVMMoveBasicBlockAfter(other, LLVMGetInsertBlock(e->b));
        tb_emit_enter(e, other);
        tb_emit_region(e, i->other);
        LLVMBuildBr(e->b, after);
    }
    LLVMMoveBasicBlockAfter(after, LLVMGetInsertBlock(e->b));
    tb_emit_enter(e, after);
}

static void
emit_call(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef *args = TB_NEWN(&e->arena, LLVMValueRef, i->n_in + 1), call;

    for (uint32_t n = 0; n < i->n_in; n++)
        args[n] = kept_value(e, tb_emit_in(e, i, n));
    call = LLVMBuildCall2(e->b, e->fn_types[i->imm], e->fns[i->imm], args, i->n_in, "");
    LLVMSetInstructionCallConv(call, LLVMFastCallConv);
}

/* The first code that is set is kept. */
static void
emit_fail(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef old = LLVMBuildLoad2(e->b, e->i32, e->error, "");
    LLVMValueRef first = LLVMBuildICmp(e->b, LLVMIntEQ, old, LLVMConstNull(e->i32), "");
    LLVMValueRef set = LLVMBuildAnd(e->b, first, tb_emit_arg(e, i, 0), "");
    LLVMValueRef code = LLVMConstInt(e->i32, (uint64_t)i->imm, true);

    LLVMBuildStore(e->b, LLVMBuildSelect(e->b, set, code, old, ""), e->error);
}

/* ---- instructions ---- */

/* bindings[n] or sizes[n]: written by nobody while the kernel runs. */
static LLVMValueRef
load_argument(tb_emitter *e, unsigned param, LLVMTypeRef t, int64_t n)
{
    LLVMValueRef at = LLVMConstInt(e->i64, (uint64_t)n, false);
    LLVMValueRef p = LLVMBuildGEP2(e->b, t, LLVMGetParam(e->fn, param), &at, 1, "");

    return LLVMBuildLoad2(e->b, t, p, "");
}

static LLVMValueRef
offset_bytes(tb_emitter *e, LLVMValueRef p, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(e->b, e->i8, p, &bytes, 1, "");
}

static LLVMValueRef
emit_ptr_add(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef p = tb_emit_arg(e, i, 0), index = tb_emit_arg(e, i, 1);

    if (i->imm != 1)
        index =
            LLVMBuildMul(e->b, index, LLVMConstInt(e->i64, (uint64_t)i->imm, true), "");
    return offset_bytes(e, p, index);
}

static LLVMValueRef
emit_lane_ids(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef lanes[256];
    LLVMTypeRef t = tb_emit_type(e, i->dtype, 1);

    for (unsigned n = 0; n < i->lanes; n++)
        lanes[n] = LLVMConstInt(t, n, false);
    return LLVMConstVector(lanes, i->lanes);
}

/* LLVM for x86 tries for every shuffle to make one of all those before it. Where a square is
 * turned, each sees 16 rows through 4 levels: that was half of the time an attention takes to
 * compile, for nothing. Two levels are as far as it may look: a fence is no instruction, and
 * nothing is combined across it. */
static LLVMValueRef
fence_shuffles(tb_emitter *e, const tb_kinst *i, LLVMValueRef v)
{
    enum { SHUFFLES_MOST = 2 };
    LLVMTypeRef type = LLVMTypeOf(v);
    tb_slot *slots = e->slots;
    uint8_t a = slots[tb_emit_in(e, i, 0).id].shuffles;
    uint8_t b = slots[tb_emit_in(e, i, 1).id].shuffles, n = (a > b ? a : b) + 1;

    if (!e->x86 || !tb_dtype_is_float((tb_dtype)i->dtype))
        return v;
    if (n == SHUFFLES_MOST)
        return tb_emit_intrinsic(e, "llvm.arithmetic.fence", &type, 1, &v, 1);
    slots[i - e->f->insts.at].shuffles = n;
    return v;
}

static LLVMValueRef
emit_shuffle(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef a = tb_emit_arg(e, i, 0), b = tb_emit_arg(e, i, 1), lanes[256];
    LLVMTypeRef one = LLVMTypeOf(a);

    for (unsigned n = 0; n < i->lanes; n++)
        lanes[n] =
            LLVMConstInt(e->i32, (uint64_t)e->f->lane_lists.at[i->body + n], false);
    if (LLVMGetTypeKind(one) != LLVMVectorTypeKind) { /* of scalars: a choice of two */
        LLVMValueRef v = LLVMGetPoison(LLVMVectorType(one, i->lanes));
        for (unsigned n = 0; n < i->lanes; n++)
            v = LLVMBuildInsertElement(e->b, v, e->f->lane_lists.at[i->body + n] ? b : a,
                                       LLVMConstInt(e->i32, n, false), "");
        return v;
    }
    a = LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(lanes, i->lanes), "");
    return fence_shuffles(e, i, a);
}

static LLVMValueRef
emit_value_of(tb_emitter *e, const tb_kinst *i)
{
    switch ((tb_kop)i->op) {
    case TB_K_BINDING:
        return load_argument(e, 0, e->ptr, i->imm);
    case TB_K_SIZE:
        return load_argument(e, 1, e->i64, i->imm);
    case TB_K_TILE_BEGIN:
        return LLVMGetParam(e->fn, 2);
    case TB_K_TILE_END:
        return LLVMGetParam(e->fn, 3);
    case TB_K_SCRATCH:
        return offset_bytes(e, LLVMGetParam(e->fn, 4),
                            LLVMConstInt(e->i64, (uint64_t)i->imm, true));
    case TB_K_CONST:
        return constant(e, i);
    case TB_K_LANE_IDS:
        return emit_lane_ids(e, i);
    case TB_K_SPLAT:
        return tb_emit_splat(e, tb_emit_arg(e, i, 0), i->lanes);
    case TB_K_MAP:
        return tb_emit_map(e, i);
    case TB_K_FMA:
        return tb_emit_fma(e, i);
    case TB_K_DOT_BF16:
        return tb_emit_dot_bf16(e, i);
    case TB_K_TO_BF16:
        return tb_emit_to_bf16(e, i);
    case TB_K_FRACTION:
    case TB_K_SCALE:
        return tb_emit_exp2(e, i);
    case TB_K_PTR_ADD:
        return emit_ptr_add(e, i);
    case TB_K_LOAD:
        return tb_emit_load(e, i);
    case TB_K_GATHER:
        return tb_emit_gather(e, i);
    case TB_K_EXTRACT:
        return LLVMBuildExtractElement(e->b, tb_emit_arg(e, i, 0),
                                       LLVMConstInt(e->i32, (uint64_t)i->imm, false), "");
    case TB_K_SHUFFLE:
        return emit_shuffle(e, i);
    case TB_K_HREDUCE:
        return tb_emit_hreduce(e, i);
    case TB_K_FOR_OUT:
        return e->slots[tb_emit_in(e, i, 0).id].outs[i->imm];
    case TB_K_ROUND:
        return tb_emit_round(e, i);
    default:
        TB_UNREACHABLE();
    }
}

static void
emit_inst(tb_emitter *e, uint32_t id)
{
    const tb_kinst *i = &e->f->insts.at[id];

    switch ((tb_kop)i->op) {
    case TB_K_STORE:
        tb_emit_store(e, i);
        return;
    case TB_K_SCATTER:
        tb_emit_scatter(e, i);
        return;
    case TB_K_PREFETCH:
        tb_emit_prefetch(e, i);
        return;
    case TB_K_TREG_CONFIG:
    case TB_K_TREG_RELEASE:
    case TB_K_TREG_ZERO:
    case TB_K_TREG_LOAD:
    case TB_K_TREG_STORE:
    case TB_K_TREG_DOT:
        tb_emit_treg(e, i);
        return;
    case TB_K_FOR:
        emit_for(e, id);
        return;
    case TB_K_IF:
        emit_if(e, i);
        return;
    case TB_K_CALL:
        emit_call(e, i);
        return;
    case TB_K_FAIL:
        emit_fail(e, i);
        return;
    case TB_K_PARAM:
        set_kept(e, id, LLVMGetParam(e->fn, (unsigned)i->imm));
        return;
    case TB_K_FOR_OUT:
        set_kept(e, id, emit_value_of(e, i));
        return;
    default:
        set_value(e, id, emit_value_of(e, i));
    }
}

void
tb_emit_region(tb_emitter *e, uint32_t region)
{
    const tb_kregion *r = &e->f->regions.at[region];

    for (uint32_t n = 0; n < r->insts.n; n++)
        emit_inst(e, r->insts.at[n]);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * library.c -- kernels as IREE's runtime calls them: its executable library interface.
 *
 *   query      fills in the library's tables, once, from the records that artifact/elf.c
 *              writes behind the image (artifact.h, tb_flat_library), and returns them
 *   thunk i    is what the tables name for kernel i: goes on in `call` with i
 *   call       a workgroup's share of the tiles to the kernel, in our convention
 *
 * Constants of a dispatch are words: the number of tiles, then the kernel's sizes, two for
 * each. Workgroup g of n computes tiles [tiles * g / n, tiles * (g + 1) / n). Scratch is a
 * binding of its own, the last, cut into as many pieces as there are workgroups.
 *
 * IREE's threads flush denormals to zero; kernels run in the default mode, as everywhere.
 */
#include "codegen/emit.h"

#include "artifact/cpu.h"

/* Offsets in IREE's structures, 64-bit. */
enum {
    STATE_COUNT_X = 12, /* iree_hal_executable_dispatch_state_v0_t */
    STATE_CONSTANTS = 24,
    STATE_BINDINGS = 32,
    STATE_LENGTHS = 40,
    LIBRARY_EXPORTS = 24, /* iree_hal_executable_library_v0_t */
    LIBRARY_PTRS = 32,
    LIBRARY_ATTRS = 40,
    LIBRARY_NAMES = 64,
    ATTRS_CONSTANTS = 10, /* iree_hal_executable_dispatch_attrs_v0_t */
    ATTRS_BINDINGS = 11,
    ATTRS_SIZE_X = 12,
    ENVIRONMENT_PROCESSOR = 32 /* iree_hal_executable_environment_v0_t */
};

typedef struct lib {
    tb_emitter *e;
    LLVMValueRef query, call, anchor;
    LLVMTypeRef kernel_type, call_type;
    uint32_t n;
} lib;

static LLVMValueRef
int64(lib *l, int64_t v)
{
    return LLVMConstInt(l->e->i64, (uint64_t)v, true);
}

static LLVMValueRef
plus(lib *l, LLVMValueRef p, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(l->e->b, l->e->i8, p, &bytes, 1, "");
}

static LLVMValueRef
load(lib *l, LLVMTypeRef t, LLVMValueRef p, int64_t at, unsigned align)
{
    LLVMValueRef v = LLVMBuildLoad2(l->e->b, t, plus(l, p, int64(l, at)), "");
    LLVMSetAlignment(v, align);
    return v;
}

static void
store(lib *l, LLVMValueRef v, LLVMValueRef p, int64_t at, unsigned align)
{
    LLVMSetAlignment(LLVMBuildStore(l->e->b, v, plus(l, p, int64(l, at))), align);
}

/* The distance at p + at, from `base`. */
static LLVMValueRef
follow(lib *l, LLVMValueRef base, LLVMValueRef p, int64_t at)
{
    return plus(l, base, LLVMBuildSExt(l->e->b, load(l, l->e->i32, p, at, 4), l->e->i64, ""));
}

static LLVMValueRef
begin_function(lib *l, const char *name, LLVMTypeRef type, LLVMLinkage linkage)
{
    LLVMValueRef fn = LLVMAddFunction(l->e->module, name, type);
    for (uint32_t i = 0; i < l->e->n_attrs; i++)
        LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, l->e->attrs[i]);
    LLVMSetLinkage(fn, linkage);
    if (linkage == LLVMExternalLinkage)
        LLVMSetVisibility(fn, LLVMHiddenVisibility);
    return fn;
}

static LLVMBasicBlockRef
block(lib *l, LLVMValueRef fn)
{
    return LLVMAppendBasicBlockInContext(l->e->cx, fn, "");
}

/* The records: the distance to them is in the anchor. */
static LLVMValueRef
records(lib *l)
{
    LLVMValueRef distance = load(l, l->e->i64, l->anchor, 0, 8);
    LLVMSetVolatile(distance, true); /* elf.c writes it; it is no constant */
    return plus(l, l->anchor, distance);
}

static LLVMValueRef
record(lib *l, LLVMValueRef table, LLVMValueRef i)
{
    LLVMValueRef at = LLVMBuildMul(l->e->b, i, int64(l, TB_LIBRARY_RECORD), "");
    return plus(l, plus(l, table, int64(l, TB_LIBRARY_HEAD)), at);
}

/* ---- query ---- */
static LLVMValueRef
element(lib *l, LLVMValueRef base, LLVMValueRef i, int64_t bytes)
{
    return plus(l, base, LLVMBuildMul(l->e->b, i, int64(l, bytes), ""));
}

static void
fill_export(lib *l, LLVMValueRef table, LLVMValueRef i, LLVMValueRef ptrs, LLVMValueRef names,
            LLVMValueRef attrs)
{
    LLVMValueRef r = record(l, table, i), a = element(l, attrs, i, TB_LIBRARY_ATTRS);
    store(l, follow(l, l->query, r, TB_LIBRARY_THUNK), element(l, ptrs, i, 8), 0, 8);
    store(l, follow(l, table, r, TB_LIBRARY_NAME), element(l, names, i, 8), 0, 8);
    store(l, load(l, l->e->i8, r, TB_LIBRARY_CONSTANTS, 1), a, ATTRS_CONSTANTS, 1);
    store(l, load(l, l->e->i8, r, TB_LIBRARY_BINDINGS, 1), a, ATTRS_BINDINGS, 1);
    store(l, LLVMConstInt(l->e->i32, 1, false), a, ATTRS_SIZE_X, 4);
    store(l, LLVMConstInt(l->e->i32, 1, false), a, ATTRS_SIZE_X + 4, 4);
    store(l, LLVMConstInt(l->e->i16, 1, false), a, ATTRS_SIZE_X + 8, 2);
}

static void
write_query(lib *l)
{
    LLVMBuilderRef b = l->e->b;
    LLVMBasicBlockRef entry = block(l, l->query), known = block(l, l->query),
                      loop = block(l, l->query), end = block(l, l->query),
                      no = block(l, l->query);

    LLVMPositionBuilderAtEnd(b, entry);
    LLVMValueRef table = records(l), n = load(l, l->e->i32, table, 0, 4);
    LLVMValueRef version = load(l, l->e->i32, table, 4, 4);
    LLVMValueRef needed = load(l, l->e->i64, table, 16, 8);
    LLVMValueRef has = load(l, l->e->i64, LLVMGetParam(l->query, 1), ENVIRONMENT_PROCESSOR, 8);
    LLVMValueRef runs = LLVMBuildICmp(b, LLVMIntEQ, LLVMBuildAnd(b, has, needed, ""), needed, "");
    LLVMValueRef speaks = LLVMBuildICmp(b, LLVMIntUGE, LLVMGetParam(l->query, 0), version, "");
    LLVMBuildCondBr(b, LLVMBuildAnd(b, runs, speaks, ""), known, no);

    LLVMPositionBuilderAtEnd(b, known);
    n = LLVMBuildZExt(b, n, l->e->i64, "");
    LLVMValueRef header = record(l, table, n);
    LLVMValueRef library = plus(l, header, int64(l, TB_LIBRARY_HEADER));
    LLVMValueRef ptrs = plus(l, library, int64(l, TB_LIBRARY_BODY));
    LLVMValueRef names = element(l, ptrs, n, 8), attrs = element(l, names, n, 8);
    store(l, version, header, 0, 8);
    store(l, plus(l, table, load(l, l->e->i64, table, 8, 8)), header, 8, 8);
    store(l, header, library, 0, 8);
    store(l, LLVMBuildTrunc(b, n, l->e->i32, ""), library, LIBRARY_EXPORTS, 8);
    store(l, ptrs, library, LIBRARY_PTRS, 8);
    store(l, attrs, library, LIBRARY_ATTRS, 8);
    store(l, names, library, LIBRARY_NAMES, 8);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntEQ, n, int64(l, 0), ""), end, loop);

    LLVMPositionBuilderAtEnd(b, loop);
    LLVMValueRef i = LLVMBuildPhi(b, l->e->i64, ""), zero = int64(l, 0);
    fill_export(l, table, i, ptrs, names, attrs);
    LLVMValueRef next = LLVMBuildAdd(b, i, int64(l, 1), "");
    LLVMAddIncoming(i, &zero, &known, 1);
    LLVMAddIncoming(i, &next, &loop, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, next, n, ""), loop, end);

    LLVMPositionBuilderAtEnd(b, end);
    LLVMBuildRet(b, library);
    LLVMPositionBuilderAtEnd(b, no);
    LLVMBuildRet(b, LLVMConstNull(l->e->ptr));
}

/* ---- calls ---- */
/* Sets the floating-point mode of the kernel; returns what gives the old one back. */
static LLVMValueRef
enter_mode(lib *l)
{
    tb_emitter *e = l->e;
    if (e->x86) {
        LLVMValueRef old = LLVMBuildAlloca(e->b, e->i32, "");
        LLVMValueRef ours = LLVMBuildAlloca(e->b, e->i32, "");
        tb_emit_intrinsic(e, "llvm.x86.sse.stmxcsr", NULL, 0, &old, 1);
        LLVMBuildStore(e->b, LLVMConstInt(e->i32, 0x1f80, false), ours);
        tb_emit_intrinsic(e, "llvm.x86.sse.ldmxcsr", NULL, 0, &ours, 1);
        return old;
    }
    if (e->target->level->machine == TB_EM_AARCH64) {
        LLVMValueRef old = tb_emit_intrinsic(e, "llvm.aarch64.get.fpcr", NULL, 0, NULL, 0);
        LLVMValueRef ours = int64(l, 0);
        tb_emit_intrinsic(e, "llvm.aarch64.set.fpcr", NULL, 0, &ours, 1);
        return old;
    }
    return NULL; /* RISC-V has one mode */
}

static void
leave_mode(lib *l, LLVMValueRef old)
{
    if (l->e->x86)
        tb_emit_intrinsic(l->e, "llvm.x86.sse.ldmxcsr", NULL, 0, &old, 1);
    else if (old)
        tb_emit_intrinsic(l->e, "llvm.aarch64.set.fpcr", NULL, 0, &old, 1);
}

static void
write_call(lib *l)
{
    tb_emitter *e = l->e;
    LLVMBuilderRef b = e->b;
    LLVMValueRef fn = l->call, state = LLVMGetParam(fn, 1), group = LLVMGetParam(fn, 2);
    LLVMBasicBlockRef entry = block(l, fn), scratch = block(l, fn), run = block(l, fn);

    LLVMPositionBuilderAtEnd(b, entry);
    LLVMValueRef old = enter_mode(l);
    LLVMValueRef r = record(l, records(l), LLVMBuildZExt(b, LLVMGetParam(fn, 0), e->i64, ""));
    LLVMValueRef constants = load(l, e->ptr, state, STATE_CONSTANTS, 8);
    LLVMValueRef bindings = load(l, e->ptr, state, STATE_BINDINGS, 8);
    LLVMValueRef n = LLVMBuildZExt(b, load(l, e->i32, state, STATE_COUNT_X, 4), e->i64, "");
    LLVMValueRef g = LLVMBuildZExt(b, load(l, e->i32, group, 0, 4), e->i64, "");
    LLVMValueRef tiles = load(l, e->i64, constants, 0, 4);
    LLVMValueRef from = LLVMBuildUDiv(b, LLVMBuildMul(b, tiles, g, ""), n, "");
    LLVMValueRef to = LLVMBuildUDiv(
        b, LLVMBuildMul(b, tiles, LLVMBuildAdd(b, g, int64(l, 1), ""), ""), n, "");
    LLVMValueRef has = load(l, e->i8, r, TB_LIBRARY_SCRATCH, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntEQ, has, LLVMConstNull(e->i8), ""), run, scratch);

    LLVMPositionBuilderAtEnd(b, scratch);
    LLVMValueRef last = LLVMBuildZExt(b, load(l, e->i8, r, TB_LIBRARY_BINDINGS, 1), e->i64, "");
    last = LLVMBuildSub(b, last, int64(l, 1), "");
    LLVMValueRef base = load(l, e->ptr, element(l, bindings, last, 8), 0, 8);
    LLVMValueRef lengths = load(l, e->ptr, state, STATE_LENGTHS, 8);
    LLVMValueRef bytes = load(l, e->i64, element(l, lengths, last, 8), 0, 8);
    LLVMValueRef mine = plus(l, base, LLVMBuildMul(b, LLVMBuildUDiv(b, bytes, n, ""), g, ""));
    LLVMBuildBr(b, run);

    LLVMPositionBuilderAtEnd(b, run);
    LLVMValueRef memory = LLVMBuildPhi(b, e->ptr, ""), null = LLVMConstNull(e->ptr);
    LLVMAddIncoming(memory, &null, &entry, 1);
    LLVMAddIncoming(memory, &mine, &scratch, 1);
    LLVMValueRef args[5] = {bindings, plus(l, constants, int64(l, 8)), from, to, memory};
    LLVMValueRef kernel = follow(l, l->query, r, TB_LIBRARY_KERNEL);
    LLVMValueRef result = LLVMBuildCall2(b, l->kernel_type, kernel, args, 5, "");
    leave_mode(l, old);
    LLVMBuildRet(b, result);
}

static void
write_thunk(lib *l, uint32_t i)
{
    tb_emitter *e = l->e;
    LLVMTypeRef params[3] = {e->ptr, e->ptr, e->ptr};
    char name[32];

    snprintf(name, sizeof name, TB_LIBRARY_THUNKS "%u", i);
    LLVMValueRef fn = begin_function(l, name, LLVMFunctionType(e->i32, params, 3, false),
                                     LLVMExternalLinkage);
    LLVMPositionBuilderAtEnd(e->b, block(l, fn));
    LLVMValueRef args[3] = {LLVMConstInt(e->i32, i, false), LLVMGetParam(fn, 1),
                            LLVMGetParam(fn, 2)};
    LLVMValueRef call = LLVMBuildCall2(e->b, l->call_type, l->call, args, 3, "");
    LLVMSetTailCall(call, true);
    LLVMBuildRet(e->b, call);
}

void
tb_emit_library(tb_emitter *e, uint32_t n_kernels)
{
    lib l = {.e = e, .n = n_kernels};
    LLVMTypeRef kernel[5] = {e->ptr, e->ptr, e->i64, e->i64, e->ptr};
    LLVMTypeRef call[3] = {e->i32, e->ptr, e->ptr}, query[2] = {e->i32, e->ptr};

    l.kernel_type = LLVMFunctionType(e->i32, kernel, 5, false);
    l.call_type = LLVMFunctionType(e->i32, call, 3, false);
    l.query = begin_function(&l, TB_LIBRARY_QUERY, LLVMFunctionType(e->ptr, query, 2, false),
                             LLVMExternalLinkage);
    l.anchor = LLVMAddGlobal(e->module, e->i64, TB_LIBRARY_ANCHOR);
    LLVMSetInitializer(l.anchor, LLVMConstInt(e->i64, 0, false));
    LLVMSetGlobalConstant(l.anchor, true);
    LLVMSetVisibility(l.anchor, LLVMHiddenVisibility);
    l.call = begin_function(&l, "iree.call", l.call_type, LLVMInternalLinkage);
    write_query(&l);
    write_call(&l);
    for (uint32_t i = 0; i < n_kernels; i++)
        write_thunk(&l, i);
}

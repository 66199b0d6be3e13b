/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit_module.c -- a module and its functions: a kernel is an entry and internal functions,
 * and an internal function that an earlier kernel has brought is not written again.
 */
#include <string.h>

#include "artifact/cpu.h"
#include "codegen/emit.h"

/* ---- functions ---- */
static LLVMAttributeRef
attr(tb_emitter *e, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

    return LLVMCreateEnumAttribute(e->cx, kind, value);
}

static LLVMAttributeRef
text_attr(tb_emitter *e, const char *key, const char *value)
{
    return LLVMCreateStringAttribute(e->cx, key, (unsigned)strlen(key), value,
                                     (unsigned)strlen(value));
}

/* Takes internal function n from an earlier kernel if that brought an equal one. */
static bool
share(tb_emitter *e, uint32_t n)
{
    uint64_t hash[2];
    uint32_t cursor = 0, at;

    tb_kfn_hash(e->k->fns.at[n], hash);
    while ((at = tb_map_next(&e->seen_functions, hash[0], &cursor))) {
        const tb_shared_fn *f = &e->functions.at[at - 1];
        if (f->hash[1] != hash[1])
            continue;
        e->fns[n] = f->fn;
        e->fn_types[n] = f->type;
        return e->shared[n] = true;
    }
    return false;
}

static void
remember(tb_emitter *e, uint32_t n)
{
    tb_shared_fn f = {.fn = e->fns[n], .type = e->fn_types[n]};

    tb_kfn_hash(e->k->fns.at[n], f.hash);
    TB_PUSH(&e->keep, &e->functions, f);
    tb_map_put(&e->seen_functions, f.hash[0], e->functions.n);
}

static void
declare(tb_emitter *e, uint32_t n, const char *symbol)
{
    const tb_kfn *f = e->k->fns.at[n];
    LLVMTypeRef entry[5] = {e->ptr, e->ptr, e->i64, e->i64, e->ptr}, *params = entry,
                type;
    LLVMValueRef fn;
    tb_str name = tb_str_c(symbol);

    if (n && share(e, n))
        return;
    if (n) {
        params = TB_NEWN(&e->arena, LLVMTypeRef, f->params.n + 1);
        for (uint32_t i = 0; i < f->params.n; i++)
            params[i] = tb_emit_kept_type(e, f->params.at[i] & 255, f->params.at[i] >> 8);
        type = LLVMFunctionType(LLVMVoidTypeInContext(e->cx), params, f->params.n, false);
        name = tb_sprintf(&e->arena, "%s.%.*s", symbol, TB_FMT(f->name));
    } else {
        type = LLVMFunctionType(e->i32, params, 5, false);
    }
    fn = LLVMAddFunction(e->module, name.ptr, type);
    for (uint32_t i = 0; i < e->n_attrs; i++)
        LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, e->attrs[i]);
    if (n) {
        LLVMSetLinkage(fn, LLVMInternalLinkage);
        LLVMSetFunctionCallConv(fn, LLVMFastCallConv);
        LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, attr(e, "noinline", 0));
    } else {
        /* nothing the kernel writes overlaps its argument arrays or its scratch */
        LLVMSetVisibility(fn, LLVMHiddenVisibility);
        LLVMAddAttributeAtIndex(fn, 1, attr(e, "noalias", 0));
        LLVMAddAttributeAtIndex(fn, 1, attr(e, "readonly", 0));
        LLVMAddAttributeAtIndex(fn, 2, attr(e, "noalias", 0));
        LLVMAddAttributeAtIndex(fn, 2, attr(e, "readonly", 0));
        LLVMAddAttributeAtIndex(fn, 5, attr(e, "noalias", 0));
    }
    e->fns[n] = fn;
    e->fn_types[n] = type;
    if (n)
        remember(e, n);
}

static void
define(tb_emitter *e, uint32_t n)
{
    bool fails = false;

    e->f = e->k->fns.at[n];
    e->fn = e->fns[n];
    e->slots = TB_NEWN(&e->arena, tb_slot, e->f->insts.n);
    e->error = e->trash = NULL;
    e->past_caches = false;
    e->entry = tb_emit_block(e);
    tb_emit_enter(e, e->entry);
    for (uint32_t i = 1; i < e->f->insts.n; i++)
        fails = fails || e->f->insts.at[i].op == TB_K_FAIL;
    if (fails) {
        e->error = tb_emit_alloca(e, e->i32, 4);
        LLVMBuildStore(e->b, LLVMConstNull(e->i32), e->error);
    }
    tb_emit_region(e, 0);
    if (e->past_caches) /* such stores are not ordered with what tells others that we are done */
        tb_emit_intrinsic(e, "llvm.x86.sse.sfence", NULL, 0, NULL, 0);
    if (n)
        LLVMBuildRetVoid(e->b);
    else
        LLVMBuildRet(e->b, e->error ? LLVMBuildLoad2(e->b, e->i32, e->error, "")
                                    : LLVMConstNull(e->i32));
}

void
tb_emit_kernel(tb_emitter *e, const tb_kernel *k, const char *symbol)
{
    uint32_t n = k->fns.n;

    e->k = k;
    e->fns = TB_NEWN(&e->arena, LLVMValueRef, n);
    e->fn_types = TB_NEWN(&e->arena, LLVMTypeRef, n);
    e->shared = TB_NEWN(&e->arena, bool, n);
    for (uint32_t i = 0; i < n; i++)
        declare(e, i, symbol);
    for (uint32_t i = 0; i < n; i++)
        if (!e->shared[i])
            define(e, i);
    tb_arena_reset(&e->arena);
}

void
tb_emit_begin(tb_emitter *e, LLVMContextRef cx, const tb_target *target, const char *name)
{
    uint64_t have = target->level->features;

    *e = (tb_emitter){.cx = cx, .target = target};
    e->seen_functions.arena = &e->keep;
    e->x86 = target->level->machine == TB_EM_X86_64;
    e->narrow = target->level->machine == TB_EM_ARM;
    bool arm64 = target->level->machine == TB_EM_AARCH64;
    e->half_hw = arm64 || (e->x86 && (have & TB_CPU(F16C)));
    e->round_hw = arm64 || target->level->machine == TB_EM_WASM32 ||
                  (e->x86 && (have & TB_CPU(SSE41)));
    e->module = LLVMModuleCreateWithNameInContext(name, cx);
    e->b = LLVMCreateBuilderInContext(cx);
    e->i1 = LLVMInt1TypeInContext(cx);
    e->i8 = LLVMInt8TypeInContext(cx);
    e->i16 = LLVMInt16TypeInContext(cx);
    e->i32 = LLVMInt32TypeInContext(cx);
    e->i64 = LLVMInt64TypeInContext(cx);
    e->f16 = LLVMHalfTypeInContext(cx);
    e->f32 = LLVMFloatTypeInContext(cx);
    e->f64 = LLVMDoubleTypeInContext(cx);
    e->ptr = LLVMPointerTypeInContext(cx, 0);
    e->attrs[e->n_attrs++] = attr(e, "nounwind", 0);
    e->attrs[e->n_attrs++] = text_attr(e, "no-builtins", "");
    if (e->x86 && target->lanes >= 16) /* else vectors of 512 bits may be split */
        e->attrs[e->n_attrs++] = text_attr(e, "prefer-vector-width", "512");
}

void
tb_emit_end(tb_emitter *e)
{
    LLVMDisposeBuilder(e->b);
    tb_arena_reset(&e->arena);
    tb_arena_reset(&e->keep);
    e->b = NULL;
}

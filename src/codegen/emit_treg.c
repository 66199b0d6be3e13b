/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * emit_treg.c -- tile registers: AMX's instructions with registers by number, so that LLVM
 * allocates none, configures none and keeps their order.
 */
#include "codegen/emit.h"

/* What ldtilecfg reads: bytes of a row (16 bits) and rows (8 bits) of each register. */
enum { CONFIG_BYTES = 64, PALETTE = 1, AT_BYTES = 16, AT_ROWS = 48 };

static LLVMValueRef
number(tb_emitter *e, int64_t t)
{
    return LLVMConstInt(e->i8, (uint64_t)t, false);
}

static void
put(tb_emitter *e, LLVMValueRef base, uint64_t at, LLVMValueRef v)
{
    LLVMValueRef offset = LLVMConstInt(e->i64, at, false);
    LLVMValueRef p = LLVMBuildGEP2(e->b, e->i8, base, &offset, 1, "");

    LLVMSetAlignment(LLVMBuildStore(e->b, v, p), 1);
}

static void
config(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef at = tb_emit_alloca(e, LLVMArrayType2(e->i8, CONFIG_BYTES), CONFIG_BYTES);

    LLVMSetAlignment(LLVMBuildStore(e->b, LLVMConstNull(LLVMArrayType2(e->i64, CONFIG_BYTES / 8)),
                                    at), CONFIG_BYTES);
    put(e, at, 0, number(e, PALETTE));
    for (uint32_t n = 0; n < TB_TREGS; n++) {
        put(e, at, AT_BYTES + 2 * n, LLVMConstInt(e->i16, TB_TREG_BYTES, false));
        put(e, at, AT_ROWS + n, LLVMBuildTrunc(e->b, tb_emit_arg(e, i, n), e->i8, ""));
    }
    tb_emit_intrinsic(e, "llvm.x86.ldtilecfg", NULL, 0, &at, 1);
}

static void
access(tb_emitter *e, const tb_kinst *i, const char *name)
{
    LLVMValueRef args[3] = {number(e, i->imm), tb_emit_arg(e, i, 0), tb_emit_arg(e, i, 1)};

    tb_emit_intrinsic(e, name, NULL, 0, args, 3);
}

void
tb_emit_treg(tb_emitter *e, const tb_kinst *i)
{
    LLVMValueRef args[3];

    for (int n = 0; n < 3; n++)
        args[n] = number(e, tb_k_treg(i, n));

    TB_CHECK(e->x86);
    switch ((tb_kop)i->op) {
    case TB_K_TREG_CONFIG:
        config(e, i);
        break;
    case TB_K_TREG_RELEASE:
        tb_emit_intrinsic(e, "llvm.x86.tilerelease", NULL, 0, NULL, 0);
        break;
    case TB_K_TREG_ZERO:
        tb_emit_intrinsic(e, "llvm.x86.tilezero", NULL, 0, args, 1);
        break;
    case TB_K_TREG_LOAD:
        access(e, i, "llvm.x86.tileloadd64");
        break;
    case TB_K_TREG_STORE:
        access(e, i, "llvm.x86.tilestored64");
        break;
    case TB_K_TREG_DOT:
        tb_emit_intrinsic(e, "llvm.x86.tdpbf16ps", NULL, 0, args, 3);
        break;
    default:
        TB_UNREACHABLE();
    }
}

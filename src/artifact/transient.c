/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* transient.c -- how much transient memory a call needs: runs a function's prologue. */
#include "artifact/artifact.h"

static int64_t
floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

/* r = a op b; false on overflow and division by zero. */
static bool
arithmetic(tb_opcode op, int64_t a, int64_t b, int64_t *r)
{
    switch (op) {
    case TB_I_ADD:
        return tb_add_ok(a, b, r);
    case TB_I_SUB:
        return !__builtin_sub_overflow(a, b, r);
    case TB_I_MUL:
        return tb_mul_ok(a, b, r);
    case TB_I_DIV:
    case TB_I_MOD:
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *r = op == TB_I_DIV ? floor_div(a, b) : a - floor_div(a, b) * b;
        return true;
    case TB_I_MIN:
        *r = a < b ? a : b;
        return true;
    case TB_I_MAX:
        *r = a > b ? a : b;
        return true;
    case TB_I_EQ:
        *r = a == b;
        return true;
    case TB_I_LT:
        *r = a < b;
        return true;
    default:
        return false;
    }
}

/* One instruction of the prologue; checks and jumps over them do not matter here. */
static bool
step(const int32_t *w, int64_t (*size)(void *user, uint32_t input, uint32_t axis), void *user,
     int64_t *regs)
{
    tb_opcode op = (tb_opcode)(w[0] & 0xffff);
    switch (op) {
    case TB_I_CONST:
        regs[w[1]] = (int64_t)((uint64_t)(uint32_t)w[2] | (uint64_t)(uint32_t)w[3] << 32);
        return true;
    case TB_I_MOVE:
        regs[w[1]] = regs[w[2]];
        return true;
    case TB_I_DIM:
        regs[w[1]] = size(user, (uint32_t)w[2], (uint32_t)w[3]);
        return true;
    case TB_I_VALUE:
        regs[w[1]] = size(user, (uint32_t)w[2], 0);
        return true;
    case TB_I_CHECK:
    case TB_I_CHECK_DIM:
        return true;
    default:
        return arithmetic(op, regs[w[2]], regs[w[3]], &regs[w[1]]);
    }
}

int64_t
tb_plan_transient(const tb_plan *p, const tb_plan_function *f,
                  int64_t (*size)(void *user, uint32_t input, uint32_t axis), void *user)
{
    const int32_t *code = p->code + f->code;
    int64_t few[128] = {0}, *regs = few, bytes = -1;
    bool ok = true;

    if (f->arena_reg < 0)
        return 0;
    if (f->n_regs > TB_COUNT(few))
        regs = tb_heap(f->n_regs, sizeof *regs);
    if (!regs)
        return -1;
    for (uint32_t at = 0; ok && at < f->prologue_end; at += (uint32_t)code[at] >> 16)
        ok = step(code + at, size, user, regs);
    if (ok)
        bytes = regs[f->arena_reg];
    if (regs != few)
        tb_heap_free(regs);
    return bytes;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * amx.h -- AMX's instructions on processors that do not have them: the signal of an illegal one is
 * taken, and what Intel's Software Developer's Manual says is done. Those that compilers of ours
 * write, in the encodings that LLVM gives them (VEX). The registers are those of treg.c's
 * interpreter; of one thread.
 */
#pragma once
#include "artifact/cpu.h"
#include "kernel/build.h"
#include "unit/t.h"

#if defined(__x86_64__) && defined(__linux__)
#include <signal.h>
#include <ucontext.h>

static _Thread_local tb_tregs amx_state;

static uint64_t
amx_register(const greg_t *regs, int n)
{
    static const int at[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                               REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                               REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)regs[at[n]];
}

/* An instruction: VEX prefix of three bytes, opcode, ModRM, perhaps SIB and displacement. */
typedef struct amx_inst {
    int map, pp, opcode, mod, reg, rm, vvvv, bytes;
    uint64_t base, index; /* of memory: address, index * scale */
} amx_inst;

static bool
amx_decode(const uint8_t *p, const greg_t *regs, amx_inst *i)
{
    if (p[0] != 0xc4)
        return false;
    int x = !(p[1] >> 6 & 1), b = !(p[1] >> 5 & 1);
    *i = (amx_inst){.map = p[1] & 31, .pp = p[2] & 3, .vvvv = ~p[2] >> 3 & 15, .opcode = p[3],
                    .mod = p[4] >> 6, .reg = p[4] >> 3 & 7, .rm = p[4] & 7, .bytes = 5};
    if (i->map != 2)
        return false;
    if (i->mod == 3)
        return true;
    int32_t far = 0;
    if (i->rm == 4) {
        int sib = p[i->bytes++], base = (sib & 7) | b << 3, index = (sib >> 3 & 7) | x << 3;
        if ((sib & 7) == 5 && i->mod == 0)
            return false;
        i->base = amx_register(regs, base);
        i->index = index == 4 ? 0 : amx_register(regs, index) << (sib >> 6);
    } else if (i->mod == 0 && i->rm == 5) { /* rip */
        memcpy(&far, p + i->bytes, 4);
        i->bytes += 4;
        i->base = (uint64_t)(uintptr_t)(p + i->bytes) + (uint64_t)(int64_t)far;
        return true;
    } else {
        i->base = amx_register(regs, i->rm | b << 3);
    }
    if (i->mod == 1)
        far = (int8_t)p[i->bytes++];
    if (i->mod == 2) {
        memcpy(&far, p + i->bytes, 4);
        i->bytes += 4;
    }
    i->base += (uint64_t)(int64_t)far;
    return true;
}

static bool
amx_config(const uint8_t *from)
{
    int64_t rows[TB_TREGS];

    for (int t = 0; t < TB_TREGS; t++) {
        uint16_t bytes;
        memcpy(&bytes, from + 16 + 2 * t, 2);
        rows[t] = from[48 + t];
        if (bytes != TB_TREG_BYTES)
            return false;
    }
    for (int n = 1; n < 64; n++) /* what is reserved is zero */
        if (from[n] && !(n >= 16 && n < 32) && !(n >= 48 && n < 56))
            return false;
    return from[0] == 1 && tb_tregs_config(&amx_state, rows);
}

static bool
amx_access(const amx_inst *i, bool store)
{
    tb_tregs *t = &amx_state;

    for (uint64_t n = 0; n < t->rows[i->reg]; n++) {
        void *at = (void *)(uintptr_t)(i->base + n * i->index);
        if (store)
            memcpy(at, t->bytes[i->reg][n], TB_TREG_BYTES);
        else
            memcpy(t->bytes[i->reg][n], at, TB_TREG_BYTES);
    }
    return t->rows[i->reg] > 0;
}

static bool
amx_run(const amx_inst *i)
{
    enum { NONE, P66, PF3, PF2 }; /* pp */
    tb_tregs *t = &amx_state;

    switch (i->opcode << 2 | i->pp) {
    case 0x49 << 2 | NONE:
        if (i->mod != 3)
            return amx_config((const uint8_t *)(uintptr_t)i->base);
        memset(t, 0, sizeof *t); /* tilerelease */
        return i->reg == 0 && i->rm == 0;
    case 0x49 << 2 | PF2: /* tilezero */
        memset(t->bytes[i->reg], 0, sizeof t->bytes[0]);
        return i->mod == 3 && t->rows[i->reg] > 0;
    case 0x4b << 2 | PF2:
    case 0x4b << 2 | PF3:
        return i->mod != 3 && i->rm == 4 && amx_access(i, i->pp == PF3);
    case 0x5c << 2 | PF3:
        return i->mod == 3 && tb_tregs_dot(t, i->reg, i->rm, i->vvvv);
    default:
        return false;
    }
}

static void
amx_signal(int sig, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    amx_inst i;

    (void)info;
    if (amx_decode((const uint8_t *)(uintptr_t)regs[REG_RIP], regs, &i) && amx_run(&i))
        regs[REG_RIP] += i.bytes;
    else
        signal(sig, SIG_DFL); /* it comes again, and ends the program */
}

/* From now on they run, whatever the processor. Returns false if it needs no help. */
static inline bool
amx_emulate(void)
{
    struct sigaction a = {.sa_sigaction = amx_signal, .sa_flags = SA_SIGINFO};

    if (tb_cpu_features() & TB_CPU(AMX_TILE))
        return false;
    CHECK(sigaction(SIGILL, &a, NULL) == 0);
    return true;
}
#else
static inline bool
amx_emulate(void)
{
    return false;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * reloc.c -- what each processor's relocations do to the bytes at their place. Numbers and
 * meanings are those of the processors' ELF supplements; only distances within an image
 * can be done.
 */
#include "codegen/image.h"

enum { PAGE = TB_IMAGE_PAGE };

static uint32_t
get32(const uint8_t *p)
{
    uint32_t x;

    memcpy(&x, p, 4);
    return x;
}

static void
put32(uint8_t *p, uint32_t x)
{
    memcpy(p, &x, 4);
}

static uint64_t
get64(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, 8);
    return x;
}

static void
put64(uint8_t *p, uint64_t x)
{
    memcpy(p, &x, 8);
}

static bool
fits(int64_t x, unsigned bits)
{
    return x >= -(INT64_C(1) << (bits - 1)) && x < INT64_C(1) << (bits - 1);
}

/* Puts `bits` bits of x into the instruction at bit `at`. */
static void
put_bits(uint8_t *p, uint64_t x, unsigned bits, unsigned at)
{
    uint32_t mask = ((UINT32_C(1) << bits) - 1) << at;

    put32(p, (get32(p) & ~mask) | ((uint32_t)(x << at) & mask));
}

/* ---- x86-64 ---- */

bool
tb_reloc_x86(uint32_t type, uint8_t *p, int64_t to, int64_t from)
{
    enum { PC32 = 2, PLT32 = 4, PC64 = 24 };

    if (type == PC64)
        return put64(p, (uint64_t)(to - from)), true;
    if (type != PC32 && type != PLT32)
        return false;
    put32(p, (uint32_t)(to - from));
    return fits(to - from, 32);
}

/* ---- AArch64 ---- */

bool
tb_reloc_arm64(uint32_t type, uint8_t *p, int64_t to, int64_t from)
{
    int64_t d = to - from, pages = to / PAGE - from / PAGE;

    switch (type) {
    case 260: /* PREL64 */
        return put64(p, (uint64_t)d), true;
    case 261: /* PREL32 */
        return put32(p, (uint32_t)d), fits(d, 32);
    case 273: /* LD_PREL_LO19 */
    case 280: /* CONDBR19 */
        return put_bits(p, (uint64_t)d >> 2, 19, 5), fits(d, 21) && d % 4 == 0;
    case 279: /* TSTBR14 */
        return put_bits(p, (uint64_t)d >> 2, 14, 5), fits(d, 16) && d % 4 == 0;
    case 282: /* JUMP26 */
    case 283: /* CALL26 */
        return put_bits(p, (uint64_t)d >> 2, 26, 0), fits(d, 28) && d % 4 == 0;
    case 275: /* ADR_PREL_PG_HI21 */
        d = pages;
        __attribute__((fallthrough));
    case 274: /* ADR_PREL_LO21 */
        put_bits(p, (uint64_t)d, 2, 29);
        put_bits(p, (uint64_t)d >> 2, 19, 5);
        return fits(d, 21);
    case 277: /* ADD_ABS_LO12_NC */
    case 278: /* LDST8_ABS_LO12_NC */
        return put_bits(p, (uint64_t)to & 4095, 12, 10), true;
    case 284: /* LDST16 */
        return put_bits(p, ((uint64_t)to & 4095) >> 1, 12, 10), to % 2 == 0;
    case 285: /* LDST32 */
        return put_bits(p, ((uint64_t)to & 4095) >> 2, 12, 10), to % 4 == 0;
    case 286: /* LDST64 */
        return put_bits(p, ((uint64_t)to & 4095) >> 3, 12, 10), to % 8 == 0;
    case 299: /* LDST128 */
        return put_bits(p, ((uint64_t)to & 4095) >> 4, 12, 10), to % 16 == 0;
    default:
        return false;
    }
}

/* ---- AArch32, in ARM state ---- */
enum { ARM_REL32 = 3, ARM_CALL = 28, ARM_JUMP24 = 29, ARM_PREL31 = 42 };
enum { ARM_MOVW_PREL_NC = 45, ARM_MOVT_PREL = 46 };

int64_t
tb_reloc_arm32_addend(uint32_t type, const uint8_t *p)
{
    uint32_t x = get32(p);

    switch (type) {
    case ARM_CALL:
    case ARM_JUMP24:
        return (int32_t)(x << 8) >> 6;
    case ARM_MOVW_PREL_NC:
    case ARM_MOVT_PREL:
        return (int16_t)((x >> 4 & 0xf000) | (x & 0xfff));
    default:
        return (int32_t)x;
    }
}

bool
tb_reloc_arm32(uint32_t type, uint8_t *p, int64_t to, int64_t from)
{
    int64_t d = to - from;
    uint32_t half = (uint32_t)(type == ARM_MOVT_PREL ? d >> 16 : d) & 0xffff;

    switch (type) {
    case ARM_REL32:
        return put32(p, (uint32_t)d), fits(d, 32);
    case ARM_CALL:
    case ARM_JUMP24:
        return put_bits(p, (uint64_t)d >> 2, 24, 0), fits(d, 26) && d % 4 == 0;
    case ARM_MOVW_PREL_NC:
    case ARM_MOVT_PREL:
        put_bits(p, half, 12, 0);
        put_bits(p, half >> 12, 4, 16);
        return fits(d, 32);
    default:
        return false;
    }
}

/* ---- RISC-V ---- */
enum { RV_BRANCH = 16, RV_JAL = 17, RV_CALL = 18, RV_CALL_PLT = 19, RV_PCREL_HI20 = 23 };
enum { RV_PCREL_LO12_I = 24, RV_PCREL_LO12_S = 25, RV_ADD32 = 35, RV_ADD64 = 36 };
enum { RV_SUB32 = 39, RV_SUB64 = 40 };
enum { RV_RELAX = 51, RV_32_PCREL = 57 };

bool
tb_reloc_is_riscv_high(uint32_t type)
{
    return type == RV_PCREL_HI20;
}

bool
tb_reloc_is_riscv_low(uint32_t type)
{
    return type == RV_PCREL_LO12_I || type == RV_PCREL_LO12_S;
}

bool
tb_reloc_is_riscv_hint(uint32_t type)
{
    return type == RV_RELAX;
}

/* The upper 20 bits: the lower 12 are added with their sign. */
static void
put_high(uint8_t *p, int64_t d)
{
    put_bits(p, (uint64_t)(d + 0x800) >> 12, 20, 12);
}

static void
put_jump(uint8_t *p, int64_t d)
{
    uint64_t x = (uint64_t)d;

    put_bits(p, x >> 12, 8, 12);
    put_bits(p, x >> 11, 1, 20);
    put_bits(p, x >> 1, 10, 21);
    put_bits(p, x >> 20, 1, 31);
}

static void
put_branch(uint8_t *p, int64_t d)
{
    uint64_t x = (uint64_t)d;

    put_bits(p, x >> 11, 1, 7);
    put_bits(p, x >> 1, 4, 8);
    put_bits(p, x >> 5, 6, 25);
    put_bits(p, x >> 12, 1, 31);
}

bool
tb_reloc_riscv(uint32_t type, uint8_t *p, int64_t to, int64_t from)
{
    int64_t d = to - from;

    switch (type) {
    case RV_CALL:
    case RV_CALL_PLT: /* auipc, then jalr */
        put_high(p, d);
        put_bits(p + 4, (uint64_t)d, 12, 20);
        return fits(d + 0x800, 32);
    case RV_PCREL_HI20:
        return put_high(p, d), fits(d + 0x800, 32);
    case RV_PCREL_LO12_I:
        return put_bits(p, (uint64_t)d, 12, 20), true;
    case RV_PCREL_LO12_S:
        put_bits(p, (uint64_t)d, 5, 7);
        put_bits(p, (uint64_t)d >> 5, 7, 25);
        return true;
    case RV_JAL:
        return put_jump(p, d), fits(d, 21) && d % 2 == 0;
    case RV_BRANCH:
        return put_branch(p, d), fits(d, 13) && d % 2 == 0;
    case RV_32_PCREL:
        return put32(p, (uint32_t)d), fits(d, 32);
    case RV_ADD32: /* with a SUB32 at the same place: a difference of two labels */
        return put32(p, get32(p) + (uint32_t)to), true;
    case RV_SUB32:
        return put32(p, get32(p) - (uint32_t)to), true;
    case RV_ADD64:
        return put64(p, get64(p) + (uint64_t)to), true;
    case RV_SUB64:
        return put64(p, get64(p) - (uint64_t)to), true;
    default:
        return false;
    }
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * isa.h -- instructions of IREE's virtual machine, as data: isa.def by number.
 *
 * An instruction is its opcode (one byte, or a prefix and one) and its operands,
 * little-endian and unaligned; lists are padded to an even place of the function and begin
 * with a count of 2 bytes. A register is 2 bytes: of 32 bits (an even one and the next hold
 * 64), or with TB_VM_REF_BIT of a reference.
 */
#pragma once
#include <stdint.h>

typedef enum tb_vm_op {
#define X(id, number, mnemonic, operands) TB_OP_##id = number,
#include "vm/isa.def"
#undef X
    TB_VM_OPS = 0x300,
    TB_VM_PREFIX_F32 = 0xe0,
    TB_VM_PREFIX_F64 = 0xe1
} tb_vm_op;
enum {
    TB_VM_REF_BIT = 0x8000,
    TB_VM_MOVE_BIT = 0x4000, /* of an operand: the register gives its reference away */
    TB_VM_REF_MASK = 0x3fff,
    TB_VM_MAX_I32_REGS = 0x7fff,
    TB_VM_MAX_REF_REGS = 0x3fff
};
#define TB_VM_IMPORT_BIT 0x80000000u /* in the number of a function */

typedef struct tb_vm_instruction {
    const char *mnemonic, *operands; /* NULL: there is no such opcode */
} tb_vm_instruction;
/* isa.c -- of an opcode below TB_VM_OPS. */
const tb_vm_instruction *tb_vm_instruction_of(uint32_t op);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* isa.c -- isa.def as an array. */
#include "vm/isa.h"

static const tb_vm_instruction instructions[TB_VM_OPS] = {
#define X(id, number, mnemonic, operands) [number] = {mnemonic, operands},
#include "vm/isa.def"
#undef X
};

const tb_vm_instruction *
tb_vm_instruction_of(uint32_t op)
{
    return &instructions[op];
}

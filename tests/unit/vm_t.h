/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * vm_t.h -- modules for tests of src/vm, written by src/iree's writer; single instructions by
 * their rows in isa.def.
 */
#pragma once
#include "iree/code.h"
#include "vm/internal.h"

typedef struct t_vm {
    tb_arena a;
    tb_asm_module m;
    tb_asm_fn *f;
    tb_artifact_module out;
} t_vm;

static inline void
t_vm_begin(t_vm *t)
{
    *t = (t_vm){0};
    tb_asm_begin(&t->m, &t->a, tb_iree_release_find(NULL), TB_STR("test"));
    t->m.no_dependencies = true;
}

/* A function whose arguments are in the first registers. */
static inline tb_asm_fn *
t_vm_fn(t_vm *t, const char *name, const char *cconv)
{
    tb_vm_cconv c;
    tb_asm_fn *f = t->f = tb_asm_fn_begin(&t->m, tb_str_c(name), 0, 0);

    tb_vm_cconv_parse(cconv, &c);
    f->cconv = tb_str_c(cconv);
    f->exported = true;
    f->n_ref = c.arg_ref;
    f->n_i32 = c.arg_i32;
    return f;
}

static inline void
t_vm_byte(tb_asm_fn *f, uint64_t v, uint32_t n)
{
    for (; n > 0; n--, v >>= 8)
        TB_PUSH(f->m->a, &f->code, (uint8_t)v);
}

/* A list, at an even place. The entry part that comes before is even. */
static inline void
t_vm_list(tb_asm_fn *f, const uint16_t *regs, uint32_t n)
{
    if (f->code.n % 2)
        t_vm_byte(f, 0, 1);
    t_vm_byte(f, n, 2);
    for (uint32_t i = 0; i < n; i++)
        t_vm_byte(f, regs[i], 2);
}

static inline void
t_vm_op(tb_asm_fn *f, uint32_t op)
{
    if (op >= 0x100)
        t_vm_byte(f, op < 0x200 ? TB_VM_PREFIX_F32 : TB_VM_PREFIX_F64, 1);
    t_vm_byte(f, op & 0xff, 1);
}

/* One instruction with operands of fixed size. */
static inline void
t_vm_emit(tb_asm_fn *f, uint32_t op, const uint64_t *v)
{
    t_vm_op(f, op);
    for (const char *c = tb_vm_instruction_of(op)->operands; *c; c++) {
        uint32_t n = strchr("iIfFr", *c) ? 2 : strchr("c48Gdtenm", *c) ? 4 : *c == 'C' ? 8 : 0;
        if (n)
            t_vm_byte(f, *v++, n);
    }
}
#define EMIT(f, op, ...) t_vm_emit((f), TB_OP_##op, (const uint64_t[]){__VA_ARGS__})

static inline void
t_vm_return(tb_asm_fn *f, const uint16_t *regs, uint32_t n)
{
    t_vm_op(f, TB_OP_RETURN);
    t_vm_list(f, regs, n);
    f->open = false;
    tb_asm_fn_end(f);
}
#define RETURN(f, ...)                                                                   \
    t_vm_return((f), (const uint16_t[]){__VA_ARGS__},                                    \
                sizeof((const uint16_t[]){__VA_ARGS__}) / 2)

static inline tb_status
t_vm_load(t_vm *t, tb_vm_module **m)
{
    tb_status st = tb_asm_end(&t->m, &t->out);
    *m = NULL;
    return st ? st : tb_vm_module_load_memory(t->out.bytes, t->out.n, NULL, NULL, m);
}

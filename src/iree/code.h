/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * code.h -- writes programs for IREE's virtual machine; private to src/iree and its tests.
 *
 *   code.c    functions: registers, instructions, labels
 *   module.c  what surrounds them, and the flatbuffer of it all
 *
 * The machine has 32-bit registers, of which an even one and the next hold an i64, and
 * registers for references. A function's `entry` part (constants and globals that are
 * asked for anywhere) is put before its code when it ends. References are not released
 * when a function returns: tb_asm_return discards all that it does not return.
 */
#pragma once
#include "artifact/artifact.h"
#include "vm/isa.h"
#include "vm/release.h"

typedef uint16_t tb_asm_reg; /* with TB_ASM_REF: a reference */
enum {
    TB_ASM_REF = TB_VM_REF_BIT,
    TB_ASM_MOVE = TB_VM_MOVE_BIT, /* in a list of operands: the register gives its reference away */
    TB_ASM_MAX_I32 = TB_VM_MAX_I32_REGS - 1,
    TB_ASM_MAX_REF = TB_VM_MAX_REF_REGS - 1,
    TB_ASM_SCALAR = 0xffff /* in a list of segments: not a tuple */
};
#define TB_ASM_NONE ((tb_asm_reg)0xffff)

typedef enum tb_asm_op { /* two operands and a result unless said */
    TB_ASM_ADD = TB_OP_ADD_I64,
    TB_ASM_SUB = TB_OP_SUB_I64,
    TB_ASM_MUL = TB_OP_MUL_I64,
    TB_ASM_DIV = TB_OP_DIV_I64_S, /* toward zero; the divisor must not be 0 */
    TB_ASM_REM = TB_OP_REM_I64_S,
    TB_ASM_AND = TB_OP_AND_I64,
    TB_ASM_XOR = TB_OP_XOR_I64,
    TB_ASM_SHL = TB_OP_SHL_I64, /* by an i32 */
    TB_ASM_SHR = TB_OP_SHR_I64_S, /* by an i32; the sign comes in */
    TB_ASM_MIN = TB_OP_MIN_I64_S,
    TB_ASM_MAX = TB_OP_MAX_I64_S,
    TB_ASM_EQ = TB_OP_CMP_EQ_I64, /* these give an i32 */
    TB_ASM_NE = TB_OP_CMP_NE_I64,
    TB_ASM_LT = TB_OP_CMP_LT_I64_S,
    TB_ASM_NZ = TB_OP_CMP_NZ_I64,    /* of one i64 */
    TB_ASM_EXT_S = TB_OP_EXT_I32_I64_S, /* one i32 to i64 */
    TB_ASM_EXT_U = TB_OP_EXT_I32_I64_U,
    TB_ASM_NZ_REF = TB_OP_CMP_NZ_REF,
    TB_ASM_NZ_I32 = TB_OP_CMP_NZ_I32,
    TB_ASM_EQ32 = TB_OP_CMP_EQ_I32 /* of two i32 */
} tb_asm_op;

/* A piece of the entry part. */
typedef struct tb_asm_pooled {
    uint8_t kind;
    uint64_t value;
    tb_asm_reg reg;
} tb_asm_pooled;

typedef struct tb_asm_fixup {
    uint32_t at, label;
} tb_asm_fixup;

typedef struct tb_asm_fn {
    struct tb_asm_module *m;
    tb_str name, cconv;
    bool exported, coarse_fences;
    uint32_t ordinal;
    TB_VEC(uint8_t) code; /* until the end without the entry part */
    TB_VEC(uint32_t) labels;
    TB_VEC(tb_asm_fixup) fixups;
    TB_VEC(tb_asm_pooled) pool;
    TB_VEC(tb_fix) fixes; /* `at` within the code */
    tb_map pooled;
    uint32_t n_i32, n_ref, n_blocks;
    bool open; /* the block being written goes on */
} tb_asm_fn;

/* Bytes that a module brings: in it, or elsewhere in the archive. */
typedef struct tb_asm_rodata {
    const void *bytes;
    size_t n;
    int fix;        /* tb_fix_kind of its offset, or -1: in the module */
    uint32_t index; /* of the fix */
} tb_asm_rodata;

typedef struct tb_asm_module {
    tb_arena *a;
    const tb_iree_release *release;
    tb_str name;
    uint32_t import_number[TB_VM_N_IMPORTS]; /* + 1, 0 = not used */
    TB_VEC(tb_vm_import) imports;
    TB_VEC(const char *) types;
    TB_VEC(tb_asm_rodata) rodata;
    TB_VEC(tb_asm_fn *) fns;
    uint32_t n_ref_globals, global_bytes;
    /* For tests of the machine alone: no hal module; one import that releases do not have. */
    bool no_dependencies;
    const char *extra_import, *extra_cconv;
    const char *too_large; /* the first limit that was passed, or NULL */
} tb_asm_module;

/* ---- module.c ---- */
void tb_asm_begin(tb_asm_module *m, tb_arena *a, const tb_iree_release *release, tb_str name);
uint32_t tb_asm_import_of(tb_asm_module *m, tb_vm_import import);
uint32_t tb_asm_type(tb_asm_module *m, const char *name);
uint32_t tb_asm_bytes(tb_asm_module *m, const void *bytes, size_t n); /* equal ones once */
uint32_t tb_asm_text(tb_asm_module *m, tb_str s);
/* A member of the archive: the fixes `offset` and `offset + 1` are its place and size. */
uint32_t tb_asm_outside(tb_asm_module *m, tb_fix_kind offset, uint32_t index);
/* The flatbuffer, and what is to be filled in when the archive is laid out; both in the
 * module's arena. Fails if something does not fit the machine. */
tb_status tb_asm_end(tb_asm_module *m, tb_artifact_module *out) TB_MUST_CHECK;

/* ---- code.c ---- */
/* A function with n_refs references as arguments, in the first registers. `cconv` as in
 * release.h. */
tb_asm_fn *tb_asm_fn_begin(tb_asm_module *m, tb_str name, uint32_t n_refs, uint32_t n_results);
void tb_asm_fn_end(tb_asm_fn *f);
tb_asm_reg tb_asm_i32(tb_asm_fn *f); /* a new register */
tb_asm_reg tb_asm_i64(tb_asm_fn *f);
tb_asm_reg tb_asm_ref(tb_asm_fn *f);
/* In the entry part; equal ones are the same register, which nobody may write. */
tb_asm_reg tb_asm_const32(tb_asm_fn *f, uint32_t value);
tb_asm_reg tb_asm_const64(tb_asm_fn *f, int64_t value);
tb_asm_reg tb_asm_fixed(tb_asm_fn *f, tb_fix_kind kind, uint32_t index);
tb_asm_reg tb_asm_global(tb_asm_fn *f, uint32_t number, const char *type);
tb_asm_reg tb_asm_global64(tb_asm_fn *f, uint32_t byte_offset);
tb_asm_reg tb_asm_null(tb_asm_fn *f);
tb_asm_reg tb_asm_rodata_ref(tb_asm_fn *f, uint32_t rodata);

void tb_asm_set_global(tb_asm_fn *f, uint32_t number, const char *type, tb_asm_reg from);
void tb_asm_set_global64(tb_asm_fn *f, uint32_t byte_offset, tb_asm_reg from);
/* Reads a global where it stands, unlike tb_asm_global. */
void tb_asm_op2(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg b, tb_asm_reg to);
void tb_asm_op1(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg to);
tb_asm_reg tb_asm_op64(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg b);
tb_asm_reg tb_asm_compare(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg b);
void tb_asm_select64(tb_asm_fn *f, tb_asm_reg cond, tb_asm_reg a, tb_asm_reg b, tb_asm_reg to);
void tb_asm_assign_ref(tb_asm_fn *f, tb_asm_reg from, tb_asm_reg to);
void tb_asm_list_get(tb_asm_fn *f, tb_asm_reg list, tb_asm_reg index, const char *type, tb_asm_reg to);
void tb_asm_clear_ref(tb_asm_fn *f, tb_asm_reg to);

uint32_t tb_asm_label(tb_asm_fn *f);            /* a new one */
void tb_asm_place(tb_asm_fn *f, uint32_t label); /* here; comes here if the block goes on */
void tb_asm_jump(tb_asm_fn *f, uint32_t label);
/* Goes to one of two labels by an i32. */
void tb_asm_branch(tb_asm_fn *f, tb_asm_reg cond, uint32_t if_true, uint32_t if_false);
/* Ends the call with an error: `status` is an i32 that is not 0. */
void tb_asm_fail(tb_asm_fn *f, tb_asm_reg status, tb_str message);
void tb_asm_return(tb_asm_fn *f, const tb_asm_reg *results, uint32_t n);

/* A call. args: registers; a list argument of an import is a count in `segments`, which
 * has one entry per argument of the convention, TB_ASM_SCALAR for plain ones; NULL if there
 * are only those. */
typedef struct tb_asm_call {
    const tb_asm_reg *args;
    uint32_t n_args;
    const uint16_t *segments;
    uint32_t n_segments;
    const tb_asm_reg *results;
    uint32_t n_results;
    bool yields; /* the call may wait for something */
} tb_asm_call;
void tb_asm_call_import(tb_asm_fn *f, tb_vm_import import, const tb_asm_call *c);
void tb_asm_call_fn(tb_asm_fn *f, const tb_asm_fn *callee, const tb_asm_call *c);
#define TB_ASM_ARGS(...)                                                                  \
    .args = (const tb_asm_reg[]){__VA_ARGS__},                                            \
    .n_args = sizeof((const tb_asm_reg[]){__VA_ARGS__}) / sizeof(tb_asm_reg)

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * vm.h -- writes programs for IREE's virtual machine; private to src/iree and its tests.
 *
 *   code.c    functions: registers, instructions, labels
 *   module.c  what surrounds them, and the flatbuffer of it all
 *
 * The machine has 32-bit registers, of which an even one and the next hold an i64, and
 * registers for references. A function's `entry` part (constants and globals that are
 * asked for anywhere) is put before its code when it ends. References are not released
 * when a function returns: tb_vm_return discards all that it does not return.
 */
#pragma once
#include "artifact/artifact.h"
#include "iree/release.h"

typedef uint16_t tb_vm_reg; /* with TB_VM_REF: a reference */
enum {
    TB_VM_REF = 0x8000,
    TB_VM_MOVE = 0x4000, /* in a list of operands: the register gives its reference away */
    TB_VM_MAX_I32 = 0x7ffe,
    TB_VM_MAX_REF = 0x3ffe,
    TB_VM_SCALAR = 0xffff /* in a list of segments: not a tuple */
};
#define TB_VM_NONE ((tb_vm_reg)0xffff)

typedef enum tb_vm_op { /* two operands and a result unless said */
    TB_VM_ADD = 0x2a,
    TB_VM_SUB = 0x2b,
    TB_VM_MUL = 0x2c,
    TB_VM_DIV = 0x2d, /* toward zero; the divisor must not be 0 */
    TB_VM_REM = 0x2f,
    TB_VM_AND = 0x37,
    TB_VM_XOR = 0x39,
    TB_VM_SHL = 0x3d, /* by an i32 */
    TB_VM_SHR = 0x3e, /* by an i32; the sign comes in */
    TB_VM_MIN = 0x7e,
    TB_VM_MAX = 0x80,
    TB_VM_EQ = 0x4e, /* these give an i32 */
    TB_VM_NE = 0x4f,
    TB_VM_LT = 0x50,
    TB_VM_NZ = 0x52,    /* of one i64 */
    TB_VM_EXT_S = 0x47, /* one i32 to i64 */
    TB_VM_EXT_U = 0x48,
    TB_VM_NZ_REF = 0x55,
    TB_VM_NZ_I32 = 0x4d,
    TB_VM_EQ32 = 0x49 /* of two i32 */
} tb_vm_op;

/* A piece of the entry part. */
typedef struct tb_vm_pooled {
    uint8_t kind;
    uint64_t value;
    tb_vm_reg reg;
} tb_vm_pooled;

typedef struct tb_vm_fixup {
    uint32_t at, label;
} tb_vm_fixup;

typedef struct tb_vm_fn {
    struct tb_vm_module *m;
    tb_str name, cconv;
    bool exported, coarse_fences;
    uint32_t ordinal;
    TB_VEC(uint8_t) code; /* until the end without the entry part */
    TB_VEC(uint32_t) labels;
    TB_VEC(tb_vm_fixup) fixups;
    TB_VEC(tb_vm_pooled) pool;
    TB_VEC(tb_fix) fixes; /* `at` within the code */
    tb_map pooled;
    uint32_t n_i32, n_ref, n_blocks;
    bool open; /* the block being written goes on */
} tb_vm_fn;

/* Bytes that a module brings: in it, or elsewhere in the archive. */
typedef struct tb_vm_rodata {
    const void *bytes;
    size_t n;
    int fix;        /* tb_fix_kind of its offset, or -1: in the module */
    uint32_t index; /* of the fix */
} tb_vm_rodata;

typedef struct tb_vm_module {
    tb_arena *a;
    const tb_vm_release *release;
    tb_str name;
    uint32_t import_number[TB_VM_N_IMPORTS]; /* + 1, 0 = not used */
    TB_VEC(tb_vm_import) imports;
    TB_VEC(const char *) types;
    TB_VEC(tb_vm_rodata) rodata;
    TB_VEC(tb_vm_fn *) fns;
    uint32_t n_ref_globals, global_bytes;
    const char *too_large; /* the first limit that was passed, or NULL */
} tb_vm_module;

/* ---- module.c ---- */
void tb_vm_begin(tb_vm_module *m, tb_arena *a, const tb_vm_release *release, tb_str name);
uint32_t tb_vm_import_of(tb_vm_module *m, tb_vm_import import);
uint32_t tb_vm_type(tb_vm_module *m, const char *name);
uint32_t tb_vm_bytes(tb_vm_module *m, const void *bytes, size_t n); /* equal ones once */
uint32_t tb_vm_text(tb_vm_module *m, tb_str s);
/* A member of the archive: the fixes `offset` and `offset + 1` are its place and size. */
uint32_t tb_vm_outside(tb_vm_module *m, tb_fix_kind offset, uint32_t index);
/* The flatbuffer, and what is to be filled in when the archive is laid out; both in the
 * module's arena. Fails if something does not fit the machine. */
tb_status tb_vm_end(tb_vm_module *m, tb_artifact_module *out) TB_MUST_CHECK;

/* ---- code.c ---- */
/* A function with n_refs references as arguments, in the first registers. `cconv` as in
 * release.h. */
tb_vm_fn *tb_vm_fn_begin(tb_vm_module *m, tb_str name, uint32_t n_refs, uint32_t n_results);
void tb_vm_fn_end(tb_vm_fn *f);
tb_vm_reg tb_vm_i32(tb_vm_fn *f); /* a new register */
tb_vm_reg tb_vm_i64(tb_vm_fn *f);
tb_vm_reg tb_vm_ref(tb_vm_fn *f);
/* In the entry part; equal ones are the same register, which nobody may write. */
tb_vm_reg tb_vm_const32(tb_vm_fn *f, uint32_t value);
tb_vm_reg tb_vm_const64(tb_vm_fn *f, int64_t value);
tb_vm_reg tb_vm_fixed(tb_vm_fn *f, tb_fix_kind kind, uint32_t index);
tb_vm_reg tb_vm_global(tb_vm_fn *f, uint32_t number, const char *type);
tb_vm_reg tb_vm_global64(tb_vm_fn *f, uint32_t byte_offset);
tb_vm_reg tb_vm_null(tb_vm_fn *f);
tb_vm_reg tb_vm_rodata_ref(tb_vm_fn *f, uint32_t rodata);

void tb_vm_set_global(tb_vm_fn *f, uint32_t number, const char *type, tb_vm_reg from);
void tb_vm_set_global64(tb_vm_fn *f, uint32_t byte_offset, tb_vm_reg from);
/* Reads a global where it stands, unlike tb_vm_global. */
void tb_vm_op2(tb_vm_fn *f, tb_vm_op op, tb_vm_reg a, tb_vm_reg b, tb_vm_reg to);
void tb_vm_op1(tb_vm_fn *f, tb_vm_op op, tb_vm_reg a, tb_vm_reg to);
tb_vm_reg tb_vm_op64(tb_vm_fn *f, tb_vm_op op, tb_vm_reg a, tb_vm_reg b);
tb_vm_reg tb_vm_compare(tb_vm_fn *f, tb_vm_op op, tb_vm_reg a, tb_vm_reg b);
void tb_vm_select64(tb_vm_fn *f, tb_vm_reg cond, tb_vm_reg a, tb_vm_reg b, tb_vm_reg to);
void tb_vm_assign_ref(tb_vm_fn *f, tb_vm_reg from, tb_vm_reg to);
void tb_vm_list_get(tb_vm_fn *f, tb_vm_reg list, tb_vm_reg index, const char *type, tb_vm_reg to);
void tb_vm_clear_ref(tb_vm_fn *f, tb_vm_reg to);

uint32_t tb_vm_label(tb_vm_fn *f);            /* a new one */
void tb_vm_place(tb_vm_fn *f, uint32_t label); /* here; comes here if the block goes on */
void tb_vm_jump(tb_vm_fn *f, uint32_t label);
/* Goes to one of two labels by an i32. */
void tb_vm_branch(tb_vm_fn *f, tb_vm_reg cond, uint32_t if_true, uint32_t if_false);
/* Ends the call with an error: `status` is an i32 that is not 0. */
void tb_vm_fail(tb_vm_fn *f, tb_vm_reg status, tb_str message);
void tb_vm_return(tb_vm_fn *f, const tb_vm_reg *results, uint32_t n);

/* A call. args: registers; a list argument of an import is a count in `segments`, which
 * has one entry per argument of the convention, TB_VM_SCALAR for plain ones; NULL if there
 * are only those. */
typedef struct tb_vm_call {
    const tb_vm_reg *args;
    uint32_t n_args;
    const uint16_t *segments;
    uint32_t n_segments;
    const tb_vm_reg *results;
    uint32_t n_results;
    bool yields; /* the call may wait for something */
} tb_vm_call;
void tb_vm_call_import(tb_vm_fn *f, tb_vm_import import, const tb_vm_call *c);
void tb_vm_call_fn(tb_vm_fn *f, const tb_vm_fn *callee, const tb_vm_call *c);
#define TB_VM_ARGS(...)                                                                  \
    .args = (const tb_vm_reg[]){__VA_ARGS__},                                            \
    .n_args = sizeof((const tb_vm_reg[]){__VA_ARGS__}) / sizeof(tb_vm_reg)

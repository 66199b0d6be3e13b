/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* internal.h -- what files of src/vm share; vm.h is the index. */
#pragma once
#include "artifact/layout.h"
#include "vm/isa.h"
#include "vm/vm.h"

/* ---- flatread.c: a flatbuffer, every access checked ---- */
typedef struct tb_flatread {
    const uint8_t *at;
    size_t n;
    const char *fault; /* the first one; from then on everything reads as absent */
} tb_flatread;
/* Positions in the buffer; 0 = absent. */
typedef struct tb_flatvec {
    uint32_t at, n; /* of the first element */
} tb_flatvec;
uint32_t tb_flatread_root(tb_flatread *f, const char *identifier);
uint32_t tb_flatread_u32(tb_flatread *f, uint32_t table, uint32_t slot, uint32_t absent);
uint64_t tb_flatread_u64(tb_flatread *f, uint32_t table, uint32_t slot);
uint8_t tb_flatread_u8(tb_flatread *f, uint32_t table, uint32_t slot);
bool tb_flatread_has(tb_flatread *f, uint32_t table, uint32_t slot);
uint32_t tb_flatread_table(tb_flatread *f, uint32_t table, uint32_t slot);
tb_flatvec tb_flatread_vector(tb_flatread *f, uint32_t table, uint32_t slot,
                              uint32_t elem_bytes);
/* Table i of a vector of tables. */
uint32_t tb_flatread_element(tb_flatread *f, tb_flatvec v, uint32_t i);
/* Ends with a NUL and holds no other; "" if absent. */
const char *tb_flatread_text(tb_flatread *f, uint32_t table, uint32_t slot);

/* ---- cconv.c ---- */
/* "0" args "_" results; "v" is nothing. */
typedef struct tb_vm_cconv {
    const char *text;          /* the whole, for messages */
    const char *args, *results; /* in it: n_arg_chars and n_results letters */
    uint32_t n_arg_chars, n_results;
    uint32_t n_args; /* a list C...D is one */
    bool lists;
    uint32_t arg_i32, arg_ref; /* registers that the arguments take */
} tb_vm_cconv;
/* False if it is none. "" is that of a function without arguments and results. */
bool tb_vm_cconv_parse(const char *text, tb_vm_cconv *out);

/* ---- module.c ---- */
typedef struct tb_vm_typedef {
    const char *name; /* without "!" for references; "vm.list" for all lists */
    tb_vm_kind kind;  /* TB_VM_OBJECT: a reference; TB_VM_ANY: of any type */
} tb_vm_typedef;
typedef struct tb_vm_import_def {
    const char *name;
    tb_vm_cconv cconv;
    bool optional;
} tb_vm_import_def;
typedef struct tb_vm_export {
    const char *name;
    uint32_t fn;
} tb_vm_export;
typedef struct tb_vm_dependency {
    const char *name;
    uint32_t version;
    bool optional;
} tb_vm_dependency;
typedef struct tb_vm_bytes {
    const uint8_t *at;
    size_t n;
} tb_vm_bytes;
typedef struct tb_vm_fn {
    const uint8_t *code;
    uint32_t n_code, n_blocks, n_i32, n_ref;
    tb_vm_cconv cconv;
    uint32_t attrs; /* the table's place in the flatbuffer; 0 = none */
    const char *name; /* an exported one, or NULL */
} tb_vm_fn;

struct tb_vm_module {
    tb_vm_object base; /* constants retain it */
    const uint8_t *bytes;
    size_t n_bytes;
    bool mapped;
    void (*release)(void *user);
    void *user;
    tb_flatread flat; /* as it is after reading: without a fault */
    const char *name;
    uint32_t version, bytecode; /* of the module; of the machine, major << 16 | minor */
    tb_vm_typedef *types;
    tb_vm_import_def *imports;
    tb_vm_export *exports;
    tb_vm_dependency *dependencies;
    tb_vm_bytes *rodata;
    tb_vm_fn *fns;
    uint32_t n_types, n_imports, n_exports, n_dependencies, n_rodata, n_fns;
    uint32_t global_bytes, n_global_refs;
    uint32_t max_call_values, max_call_results; /* of one call of an import; verify.c */
};
enum { TB_VM_MAX_GLOBAL_REFS = 1 << 20, TB_VM_MAX_GLOBAL_BYTES = 1 << 28 };

/* ---- verify.c ---- */
tb_status tb_vm_verify(tb_vm_module *m) TB_MUST_CHECK;

/* ---- state.c ---- */
typedef struct tb_vm_frame {
    const tb_vm_fn *fn;
    const uint8_t *pc;      /* where it goes on */
    const uint8_t *results; /* of the call that it makes: a list */
    uint32_t *i32;          /* registers; before them the frame itself */
    tb_vm_object **ref;
    struct tb_vm_frame *caller; /* NULL: called from outside */
} tb_vm_frame;
typedef struct tb_vm_resolved {
    tb_vm_import_fn *fn; /* NULL: an optional one that is not there */
    void *self;
} tb_vm_resolved;

struct tb_vm_state {
    tb_vm_module *m;
    tb_vm_resolved *imports;
    const tb_vm_type **types; /* by type; NULL if it is none of references, or any */
    tb_vm_object **rodata;    /* buffers */
    tb_vm_object **global_refs;
    uint8_t *globals;
    tb_vm_value *args, *results; /* room for a call of an import */
    uint8_t *stack;
    size_t stack_used;
    uint64_t max_steps, steps;
    uint64_t max_bytes, bytes; /* of buffers and lists that instructions make */
    bool in_call;
};
enum { TB_VM_STACK_BYTES = 1 << 20 };

/* ---- exec.c ---- */
tb_status tb_vm_exec(tb_vm_state *s, uint32_t fn, const tb_vm_value *args,
                     tb_vm_value *results) TB_MUST_CHECK;

/* ---- exec_num.c: instructions between registers of numbers alone ---- */
/* Runs one at pc, behind its opcode; NULL if op is not of that kind. *fault: a text, if it
 * cannot be computed. */
const uint8_t *tb_vm_exec_num(uint32_t op, const uint8_t *pc, uint32_t *regs,
                              const char **fault);

/* ---- exec_mem.c: buffers ---- */
tb_status tb_vm_exec_buffer(tb_vm_state *s, uint32_t op, const uint8_t *pc,
                            tb_vm_frame *f) TB_MUST_CHECK;
tb_status tb_vm_exec_list(tb_vm_state *s, uint32_t op, const uint8_t *pc,
                          tb_vm_frame *f) TB_MUST_CHECK;
/* Takes n bytes from what the state may still make. */
tb_status tb_vm_spend(tb_vm_state *s, uint64_t n) TB_MUST_CHECK;

/* ---- siphash.c ---- */
uint64_t tb_vm_siphash(const uint8_t *p, size_t n);

/* ---- list.c ---- */
/* Element i as a number of a kind. */
tb_status tb_vm_list_number(const tb_vm_list *l, uint32_t i, tb_vm_kind kind,
                            tb_vm_value *out) TB_MUST_CHECK;

/* ---- bytes of instructions, and registers ---- */
/* The list that begins at p or, as places of functions count, at the next even place. */
static inline const uint8_t *
tb_vm_even(const uint8_t *p, const uint8_t *code)
{
    return p + ((p - code) & 1);
}
static inline int64_t
tb_vm_get64(const uint32_t *regs, uint32_t r)
{
    int64_t v;
    memcpy(&v, regs + r, sizeof v);
    return v;
}
static inline void
tb_vm_set64(uint32_t *regs, uint32_t r, int64_t v)
{
    memcpy(regs + r, &v, sizeof v);
}
static inline float
tb_vm_getf(const uint32_t *regs, uint32_t r)
{
    float v;
    memcpy(&v, regs + r, sizeof v);
    return v;
}
static inline void
tb_vm_setf(uint32_t *regs, uint32_t r, float v)
{
    memcpy(regs + r, &v, sizeof v);
}
static inline double
tb_vm_getd(const uint32_t *regs, uint32_t r)
{
    double v;
    memcpy(&v, regs + r, sizeof v);
    return v;
}
static inline void
tb_vm_setd(uint32_t *regs, uint32_t r, double v)
{
    memcpy(regs + r, &v, sizeof v);
}

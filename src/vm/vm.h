/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * vm.h -- runs what `iree-compile` makes: modules of IREE's virtual machine.
 *
 *   object.c   counted references: buffers, lists, and what libraries add
 *   list.c     lists
 *   flatread.c the flatbuffer, as bytes from outside
 *   module.c   a file to a tb_vm_module: every table read and checked
 *   cconv.c    calling conventions
 *   isa.c      what instructions look like, by opcode (isa.h)
 *   verify.c   every instruction of every function, before anything runs
 *   state.c    one instance: imports found, globals, `__init`
 *   exec.c     the interpreter: control, calls, references; exec_num.c has arithmetic,
 *              exec_mem.c buffers and lists
 *   siphash.c  for buffer.hash
 *   dump.c     a module as text
 *   release.c  imports and versions of IREE's releases (release.h)
 *
 *   tb_vm_module   a verified file. Immutable, counted; any number of threads and states.
 *   tb_vm_state    the globals of one instance. One call at a time.
 *   tb_vm_library  functions a module may import ("hal", "io_parameters"), in C.
 *
 * Not in the runtime's library: for tools and Python, beside it.
 */
#pragma once
#include <stdatomic.h>

#include "base/base.h"

/* ---- references ---- */
/* What a reference points to begins with a tb_vm_object. A reference is a pointer, NULL is
 * the null reference. Counting is atomic; what is behind it is the type's own business. */
typedef struct tb_vm_object tb_vm_object;
typedef struct tb_vm_type {
    const char *name; /* as modules spell it without the "!": "hal.buffer_view" */
    void (*destroy)(tb_vm_object *o); /* the last reference is gone: frees o itself too */
} tb_vm_type;
struct tb_vm_object {
    const tb_vm_type *type; /* compared by address */
    atomic_uint refs;
};
/* A new object of one reference. */
void tb_vm_object_init(tb_vm_object *o, const tb_vm_type *type);
tb_vm_object *tb_vm_retain(tb_vm_object *o); /* NULL is fine; returns o */
void tb_vm_release(tb_vm_object *o);         /* NULL is fine */
bool tb_vm_unref(tb_vm_object *o); /* without destroying: whether it was the last reference */
/* o if it is of the type, else NULL. */
static inline void *
tb_vm_cast(tb_vm_object *o, const tb_vm_type *type)
{
    return o && o->type == type ? o : NULL;
}

/* ---- values ---- */
typedef union tb_vm_value {
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    tb_vm_object *ref;
    struct { /* arguments of imports alone: a list C...D of n tuples, one after the other */
        const union tb_vm_value *at;
        uint32_t n;
    } list;
} tb_vm_value;
typedef enum tb_vm_kind {
    TB_VM_ANY, /* of lists: elements of any kind */
    TB_VM_I8,
    TB_VM_I16,
    TB_VM_I32,
    TB_VM_I64,
    TB_VM_F32,
    TB_VM_F64,
    TB_VM_OBJECT
} tb_vm_kind;

/* "!vm.buffer": bytes. */
typedef struct tb_vm_buffer {
    tb_vm_object base;
    uint8_t *data;
    size_t bytes;
    bool writable;
    tb_vm_object *owner; /* retained: whose bytes these are; NULL = freed with the buffer */
} tb_vm_buffer;
extern const tb_vm_type tb_vm_buffer_type;
/* Zeroed, of its own; `align` a power of two up to 4096, 0 = 64. NULL if out of memory. */
tb_vm_buffer *tb_vm_buffer_create(size_t bytes, size_t align);
/* A view of bytes that live as long as `owner` (retained). */
tb_vm_buffer *tb_vm_buffer_view(const void *data, size_t bytes, bool writable,
                                tb_vm_object *owner);

/* "!vm.list": elements of one kind, or each with its own. */
typedef struct tb_vm_element {
    tb_vm_kind kind; /* TB_VM_ANY: nothing there yet; i8 and i16 are in value.i32 */
    tb_vm_value value;
} tb_vm_element;
typedef struct tb_vm_list {
    tb_vm_object base;
    tb_vm_kind kind;             /* of all elements, or TB_VM_ANY */
    const tb_vm_type *type;      /* of all references, NULL = any */
    uint32_t n, cap;
    tb_vm_element *at;           /* borrowed: until the list changes */
    struct tb_vm_list *next;     /* while it is destroyed */
} tb_vm_list;
extern const tb_vm_type tb_vm_list_type;
tb_vm_list *tb_vm_list_create(tb_vm_kind kind, const tb_vm_type *type); /* NULL: no memory */
/* Retains a reference. A number is converted to the list's kind; a reference of another type, or
 * one in place of a number, is refused. */
tb_status tb_vm_list_push(tb_vm_list *l, tb_vm_kind kind, tb_vm_value v) TB_MUST_CHECK;
tb_status tb_vm_list_set(tb_vm_list *l, uint32_t i, tb_vm_kind kind,
                         tb_vm_value v) TB_MUST_CHECK;
tb_status tb_vm_list_resize(tb_vm_list *l, uint32_t n) TB_MUST_CHECK;

/* ---- libraries: what modules import ---- */
/* One call of an import. args[i] is argument i of the convention (a list C...D is one
 * argument, args[i].list; its tuples lie one after the other). The caller has checked
 * numbers and kinds, but not that a reference is of the type the function wants, nor that it is
 * not NULL. References are borrowed until the call returns. results are zeroed; a reference
 * written there is handed over. On failure results that were written are released. */
typedef struct tb_vm_call {
    const tb_vm_value *args;
    uint32_t n_args;
    tb_vm_value *results;
    uint32_t n_results;
} tb_vm_call;
typedef tb_status tb_vm_import_fn(void *self, const tb_vm_call *call);
typedef struct tb_vm_function {
    const char *name;  /* without the library's: "buffer_view.create" */
    const char *cconv; /* "0rIIiiCID_r": has to be the module's letter for letter */
    tb_vm_import_fn *fn;
} tb_vm_function;
typedef struct tb_vm_library {
    const char *name; /* "hal" */
    uint32_t version; /* a module asks for at least some version */
    const tb_vm_function *functions;
    uint32_t n_functions;
    const tb_vm_type *const *types; /* that it adds */
    uint32_t n_types;
    void *self; /* given to its functions; the owner keeps it longer than the states */
} tb_vm_library;
/* Argument i, which has to be of the type: else a status that says so with the name of the
 * import's argument. `what` names it: "buffer view". null_ok lets NULL through. */
tb_status tb_vm_arg(const tb_vm_call *c, uint32_t i, const tb_vm_type *type, const char *what,
                    bool null_ok, void *out) TB_MUST_CHECK;

/* ---- modules ---- */
typedef struct tb_vm_module tb_vm_module;
/* A file of `iree-compile`: a flatbuffer with its size before it, maybe in a ZIP archive.
 * Verifies everything. The file is mapped and must not change; buffers of constants keep the
 * module alive. */
tb_status tb_vm_module_load_file(const char *path, tb_vm_module **out) TB_MUST_CHECK;
/* release(user) is called when the bytes are no longer needed, also on failure; NULL = they
 * outlive the module. */
tb_status tb_vm_module_load_memory(const void *bytes, size_t n, void (*release)(void *user),
                                   void *user, tb_vm_module **out) TB_MUST_CHECK;
tb_vm_module *tb_vm_module_retain(tb_vm_module *m);
void tb_vm_module_release(tb_vm_module *m); /* NULL is fine */
/* Whether bytes begin as such a file does: cheap, says nothing about the rest. */
bool tb_vm_module_looks_like(const void *bytes, size_t n);

/* Strings live as long as the module. Exported functions by number. */
const char *tb_vm_module_name(const tb_vm_module *m);
uint32_t tb_vm_module_export_count(const tb_vm_module *m);
const char *tb_vm_module_export_name(const tb_vm_module *m, uint32_t i);
const char *tb_vm_module_export_cconv(const tb_vm_module *m, uint32_t i); /* "0rr_r" */
int tb_vm_module_find_export(const tb_vm_module *m, const char *name); /* -1: none */
/* "iree.abi.declaration", "iree.abi" ...; NULL if there is none. */
const char *tb_vm_module_export_attr(const tb_vm_module *m, uint32_t i, const char *key);
uint32_t tb_vm_module_import_count(const tb_vm_module *m);
const char *tb_vm_module_import_name(const tb_vm_module *m, uint32_t i); /* "hal.fence.create" */
uint32_t tb_vm_module_dependency_count(const tb_vm_module *m);
const char *tb_vm_module_dependency_name(const tb_vm_module *m, uint32_t i);

/* Constants: bytes of the file. */
uint32_t tb_vm_module_constant_count(const tb_vm_module *m);
const uint8_t *tb_vm_module_constant(const tb_vm_module *m, uint32_t i, size_t *n);
/* Text: types, imports, exports with what is said about them, constants; instructions. */
void tb_vm_module_describe(const tb_vm_module *m, tb_buf *out);
void tb_vm_module_disassemble(const tb_vm_module *m, tb_buf *out);

/* ---- states ---- */
typedef struct tb_vm_state tb_vm_state;
typedef struct tb_vm_options {
    const tb_vm_library *libraries; /* rows are copied */
    uint32_t n_libraries;
    /* What one call from outside may do, 0 = anything: blocks and functions that it enters, bytes
     * of buffers and lists that its instructions make. */
    uint64_t max_steps, max_bytes;
} tb_vm_options;
/* Resolves imports and types, runs `__init`. Keeps the module alive. An import or type that no
 * library has is refused by its name. */
tb_status tb_vm_state_create(tb_vm_module *m, const tb_vm_options *options,
                             tb_vm_state **out) TB_MUST_CHECK;
void tb_vm_state_destroy(tb_vm_state *s);
/* Calls export i. args and results as its convention says, in order; references among args
 * are borrowed, those among results are the caller's afterwards. On failure there are none. */
tb_status tb_vm_invoke(tb_vm_state *s, uint32_t i, const tb_vm_value *args, uint32_t n_args,
                       tb_vm_value *results, uint32_t n_results) TB_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * binding.h -- the Python extension `shark_turbine._runtime`: private declarations.
 *
 * The extension is a skin over turbine/runtime.h, for files of either kind (guest/guest.h); it uses the stable ABI
 * of Python 3.11, so one binary serves every later version. Objects:
 *
 *   Device   a tb_device.
 *   Module   a tb_program and, per function, what calls need to know about it.
 *   Session  one or more tb_instance on one device. Without state (globals) all instances of
 *            a module are alike, so calls that overlap take a spare one and never wait;
 *            with state there is one and calls take turns.
 *   Tensor   a tb_tensor: what a call returns, or a copy of something else. Speaks the
 *            buffer protocol and DLPack.
 *   Direct   a callable that picks a function of a session by guards.
 *
 * Files: call.c one call, bound.c a function as a Python callable, session.c, program.c
 * the objects above, convert.c arguments, torch.c torch.Tensor, direct.c and specialize.c
 * what is behind shark_turbine.jit.
 *
 * The GIL is held everywhere but inside tb_instance_call and while loading a module.
 */
#pragma once
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "dlpack/dlpack.h"
#include "guest/guest.h"

/* ---- dtype.c: one row per element type in every spelling that meets here ---- */
typedef struct dtype_row {
    tb_dtype dtype;
    const char *name;   /* as IREE's tools print it, "f32" */
    const char *format; /* buffer protocol; "" where it has no letter (bf16: uint16's) */
    uint8_t bytes, dl_code, dl_bits;
} dtype_row;
const dtype_row *dtype_info(tb_dtype dtype); /* never NULL; TB_NONE's row if unknown */
tb_dtype dtype_from_name(const char *name);  /* TB_NONE if unknown */
tb_dtype dtype_from_dl(DLDataType dl);
/* A buffer protocol format with its item size; TB_NONE if there is none. */
tb_dtype dtype_from_format(const char *format, Py_ssize_t itemsize);
PyObject *dtype_table(void); /* list of (name, code, bytes) */

/* ---- error.c ---- */
/* Sets the Python exception for a failed status and frees the status. */
void raise_status(tb_status st);
/* The same; NOT_FOUND becomes `not_found`. `prefix` (may be NULL) goes first. */
void raise_status_as(tb_status st, PyObject *not_found, const char *prefix);
void raise_status_type(tb_status st, PyObject *type); /* as this exception */

/* ---- device.c ---- */
typedef struct device_obj {
    PyObject_HEAD
    tb_device *d;
    int spreads; /* has more than one worker */
} device_obj;
extern PyTypeObject *device_type;

/* ---- openmp.c ---- */
/* "local-task" on OpenMP's threads, or on its own where there is no OpenMP. */
tb_status openmp_device(int workers, tb_device **out) TB_MUST_CHECK;

/* ---- program.c ---- */
typedef struct block_spare block_spare;
typedef struct fn_info {
    int n_inputs, n_results;
    tb_value_info *inputs, *results;
    size_t *result_bytes; /* SIZE_MAX where a dimension is dynamic */
    block_spare **spares; /* of large results, else NULL */
    int is_static;        /* no dimension of an input or result is dynamic */
    unsigned quick, slow; /* calls that were so: call.c; guarded by the GIL */
} fn_info;

typedef struct module_obj {
    PyObject_HEAD
    tb_program *m;
    int n_fns, n_globals;
    fn_info *fns;
} module_obj;
extern PyTypeObject *module_type;
/* Index of the function named by an int or str object, or -1 with an exception set. */
int module_function_index(module_obj *m, PyObject *fn);

/* ---- tensor.c ---- */
typedef struct tensor_obj {
    PyObject_HEAD
    tb_tensor t;
    PyObject *base; /* who owns t.data, if not `t` itself; may be NULL */
    Py_ssize_t shape[TB_MAX_RANK], strides[TB_MAX_RANK]; /* for the buffer protocol */
} tensor_obj;
extern PyTypeObject *tensor_type;
/* Takes over *t (also on failure). base may be NULL; a reference is taken. */
PyObject *tensor_from_tb(tb_tensor *t, PyObject *base);
/* A dense tensor of ours with undefined content; dims as in `t`. */
int tensor_allocate(tb_tensor *t);
/* Elements times item size; false if that overflows. */
int tensor_bytes(const tb_tensor *t, size_t *bytes);

/* ---- convert.c ---- */
/* One argument on its way into a call: `t` borrows what the rest keeps alive. */
typedef struct in_arg {
    PyObject *keep; /* a contiguous copy or a capsule, or NULL */
    Py_buffer view;
    int has_view;
    union {
        uint64_t words[2];
        double d;
    } scalar; /* memory of a Python number */
} in_arg;
/* The axes of a tensor from the slowest to the fastest in memory; rank 0 = none given. */
typedef struct axis_order {
    int rank;
    uint8_t axis[TB_MAX_RANK];
} axis_order;
/* Points `t` at the data of a Python object. `want` (may be NULL) names the argument in
 * errors and types Python numbers. With an `order` (may be NULL) the axes of a
 * torch.Tensor are taken in that order, so that it may be dense in another than the
 * usual one. 0, or -1 with an exception; in_release either way. */
int in_convert(PyObject *o, const tb_value_info *want, int index, const axis_order *order,
               in_arg *a, tb_tensor *t);
void in_release(in_arg *a);

/* torch.c -- torch.Tensor through DLPack's C exchange table, without linking to torch. */
/* Table of the object's type, or NULL (no exception) if the type has none. */
const DLPackExchangeAPI *exchange_api(PyTypeObject *type);
/* torch.Tensor's table, or NULL with an exception. */
const DLPackExchangeAPI *torch_api(void);
/* Memory for one result that torch will own: a header and, if the size is known before
 * the call, the data. */
typedef struct torch_block {
    DLManagedTensorVersioned managed;
    tb_tensor t;
    block_spare *spare; /* where it goes when torch lets go of it, or NULL */
    int64_t dims[]; /* sizes, then strides; then data, aligned, if sizes are static */
} torch_block;
torch_block *torch_block_new(const tb_value_info *info, size_t static_bytes,
                             block_spare *spare);
void torch_block_free(torch_block *b);
/* The memory of a result, kept for the same one of the next call; NULL if it is too small to be
 * worth it, or without memory. It lives until it is released and no block belongs to it. */
block_spare *block_spare_new(size_t static_bytes);
void block_spare_release(block_spare *s); /* NULL is fine */
/* The block becomes a torch.Tensor (new reference) or is freed (NULL, exception). With
 * an order (may be NULL) the block's axis i is axis order[i] of the tensor. */
PyObject *torch_block_finish(torch_block *b, const axis_order *order,
                             const DLPackExchangeAPI *api);
/* The device uses as many threads as torch.set_num_threads allows. 0 or -1. */
int torch_follow_threads(device_obj *device);

/* ---- params.c ---- */
typedef struct params_obj {
    PyObject_HEAD
    tb_params *p;
} params_obj;
extern PyTypeObject *params_type;

/* ---- session.c ---- */
typedef struct session_obj {
    PyObject_HEAD
    module_obj *module;
    device_obj *device;
    params_obj *params; /* or NULL */
    tb_instance *first;       /* the one whose globals are shown */
    tb_instance **idle;       /* stack, guarded by the GIL */
    int n_idle, n_sessions;
    PyThread_type_lock turn; /* modules with globals only */
    PyObject *profile;       /* a Profile or NULL */
} session_obj;
extern PyTypeObject *session_type;
/* A tb_instance for one call, or NULL with an exception. */
tb_instance *session_take(session_obj *self);
void session_put_back(session_obj *self, tb_instance *s);

/* ---- call.c ---- */
enum { FEW = 12 }; /* inputs and results up to here live on the C stack */
typedef struct call {
    session_obj *self;
    int fn, n_inputs, n_results;
    fn_info *info;
    in_arg *args;
    tb_tensor *inputs, *results;
    torch_block **blocks; /* torch results only */
    in_arg few_args[FEW];
    tb_tensor few_inputs[FEW], few_results[FEW];
    torch_block *few_blocks[FEW];
    int n_converted, n_blocks;
    int workers; /* torch.get_num_threads(), if known; else 0 */
    void *many;
} call;
/* 0, or -1 with an exception: then there is nothing to close. */
int call_open(call *c, session_obj *self, int fn, Py_ssize_t n_inputs);
void call_close(call *c);
/* The next input; 0 or -1. The object must live until call_close. */
int call_input(call *c, PyObject *o, const axis_order *order);
/* Runs; results wait in c->results, and as tensors for call_result. 0 or -1. */
int call_torch(call *c);
PyObject *call_result(call *c, int i, const axis_order *order); /* once for each i */
/* A whole call: None, a Tensor or a tuple of Tensor. */
PyObject *call_plain(session_obj *self, int fn, PyObject *const *objects, Py_ssize_t n);

/* ---- bound.c ---- */
PyObject *session_bind(PyObject *o, PyObject *args, PyObject *kwargs);
/* Whether `function` is one that Session.bind made, over `n_args` tensors for torch; with
 * `single` it gives one output. */
int bound_fits(PyObject *function, Py_ssize_t n_args, int single);
/* Calls such a function where torch.get_num_threads() is `workers`: a tuple, or with
 * `single` its one output. */
PyObject *bound_run(PyObject *function, PyObject *const *args, Py_ssize_t n, int single,
                    int workers);

/* A new reference, or NULL for None. */
static inline PyObject *
unless_none(PyObject *o)
{
    return o == Py_None ? NULL : Py_NewRef(o);
}

/* ---- specialize.c ---- */
/* The locals of a Python function, borrowed, and a tuple of their names. */
typedef struct local_values {
    PyObject *const *values;
    Py_ssize_t n;
    PyObject *names;
} local_values;
enum { SPECIALIZATION_GONE = -2 };
/* Runs a Specialization if its guards hold. 1: they do, *out is the result or NULL with an
 * exception; 0: they do not; SPECIALIZATION_GONE: they never will again; -1: an exception
 * in a guard. `first` (may be NULL) goes before `args`. */
int specialization_call(PyObject *o, const local_values *locals, PyObject *first,
                        PyObject *args, PyObject *kwargs, PyObject **out);

/* Each file adds its type to the module object; 0 or -1. */
int device_init(PyObject *module);
int module_init(PyObject *module);
int tensor_init(PyObject *module);
int params_init(PyObject *module);
int session_init(PyObject *module);
int profile_init(PyObject *module);
/* profile.c */
struct tb_profile;
typedef struct profile_obj {
    PyObject_HEAD
    struct tb_profile *p;
} profile_obj;
extern PyTypeObject *profile_type;
/* Records the calls of s; profile may be NULL. 0, or -1 with an exception. */
int profile_watch(PyObject *profile, module_obj *m, tb_instance *s);
int bound_init(PyObject *module);
int specialize_init(PyObject *module);
int direct_init(PyObject *module);
int torch_init(void);
int convert_init(void);
PyTypeObject *add_type(PyObject *module, PyType_Spec *spec);

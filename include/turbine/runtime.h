/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine/runtime.h -- load a .vmfb and call its functions. Needs libc and threads only.
 *
 *   tb_module    what a file holds: functions, kernels, constants. Immutable, reference
 *                counted, may be used by any number of threads and sessions at once.
 *   tb_session   one user's state: mutable globals and transient memory. One call at a
 *                time; different sessions never wait for each other.
 *   tb_params    named tensors outside of the file: weights that are mapped and swapped.
 *   tb_device    who executes: "local-sync" (the calling thread) or "local-task" (the
 *                calling thread and a pool). Reference counted, thread-safe.
 *
 * No global state is needed: every default (allocator, device) can be replaced by the
 * caller. After the first call with given shapes a call allocates nothing, except results
 * the caller gave no memory for.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "turbine/dtype.h"
#include "turbine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TB_MAX_RANK 16
#define TB_DATA_ALIGN 64 /* alignment, in bytes, that kernels like for tensor data */

typedef struct tb_module tb_module;
typedef struct tb_session tb_session;
typedef struct tb_device tb_device;
typedef struct tb_params tb_params;

/* Memory comes from here. `alloc` returns memory aligned to `align` (a power of two) or
 * NULL; `free` gets the same size back. Both may be called from any thread. */
typedef struct tb_allocator {
    void *(*alloc)(void *user, size_t bytes, size_t align);
    void (*free)(void *user, void *ptr, size_t bytes);
    void *user;
} tb_allocator;

/* A dense, row-major tensor. The struct does not own `data` unless `release` is set, in
 * which case tb_tensor_release(t) frees it. `data` may have any alignment; results that
 * the runtime allocates are aligned to TB_DATA_ALIGN. rank 0 is a scalar; a dimension of
 * 0 makes an empty tensor, whose data may be NULL. */
typedef struct tb_tensor {
    void *data;
    size_t bytes; /* size of data; inputs: at least the tensor's, results: capacity */
    tb_dtype dtype;
    int32_t rank;
    int64_t dims[TB_MAX_RANK];
    void (*release)(struct tb_tensor *t);
    tb_allocator owner;
} tb_tensor;
TB_API void tb_tensor_release(tb_tensor *t); /* idempotent; clears data */

/* ---- devices ---- */
/* uri: "local-sync" or "local-task" (IREE's spellings "local-task://" and a trailing
 * "?workers=4" are understood). n_workers 0 = as many as the process may use (affinity
 * mask, cgroup quota, OMP_NUM_THREADS); includes the calling thread. */
TB_API tb_status tb_device_create(const char *uri, int n_workers, tb_device **out)
    TB_MUST_CHECK;
/* Calls fn(arg, i) for i from 0 to n - 1, each once at most and side by side where it can; that
 * of 0 on the calling thread and always, others may be left out. Returns true when all have
 * ended; or false, having called nothing, if its threads should not be used now. */
typedef bool (*tb_executor)(void *user, int n, void (*fn)(void *arg, int worker), void *arg);
/* "local-task" on threads of the program's own, such as OpenMP's or those of a pool, so that two
 * pools do not contend for the CPUs. `run` is called by threads that call sessions, for one
 * dispatch at a time, and must not call into the device; where it declines, and in a child after
 * fork(), the device has threads of its own. n_workers as above. */
TB_API tb_status tb_device_create_on(tb_executor run, void *user, int n_workers,
                                     tb_device **out) TB_MUST_CHECK;
TB_API tb_device *tb_device_retain(tb_device *d);
TB_API void tb_device_release(tb_device *d);
TB_API const char *tb_device_name(const tb_device *d); /* "local-task" */
TB_API int tb_device_workers(const tb_device *d);
/* At most n_workers of the pool take part in later calls (as torch.set_num_threads). */
TB_API void tb_device_set_workers(tb_device *d, int n_workers);

/* ---- modules ---- */
enum { /* flags of tb_module_load_memory */
    TB_LOAD_COPY = 1,   /* copy the bytes; otherwise they are borrowed until `release` */
    TB_LOAD_VERIFY_WEIGHTS = 2, /* also check the hash of every constant */
    TB_LOAD_EXECUTABLE = 4 /* borrowed bytes lie in executable memory: code runs there */
};
/* Maps the file; constants are used in place. The file must not change while mapped. */
TB_API tb_status tb_module_load_file(const char *path, int flags, tb_module **out)
    TB_MUST_CHECK;
/* `release(user)` (may be NULL) is called when the module no longer needs the bytes, also
 * on failure. Borrowed bytes must be 64-byte aligned. */
TB_API tb_status tb_module_load_memory(const void *bytes, size_t n, int flags,
                                       void (*release)(void *user), void *user,
                                       tb_module **out) TB_MUST_CHECK;
/* As tb_module_load_memory, with the object itself in `memory` (any bytes, aligned as for a
 * pointer): takes nothing from the heap. The bytes stay the caller's, as does the memory,
 * until the module is released. An image that is not executable where it lies is copied to
 * pages of the system. */
#define TB_MODULE_BYTES 512
TB_API tb_status tb_module_place(const void *bytes, size_t n, int flags, void *memory,
                                 size_t memory_bytes, tb_module **out) TB_MUST_CHECK;
TB_API tb_module *tb_module_retain(tb_module *m);
TB_API void tb_module_release(tb_module *m);

/* One input or result. Strings live as long as the module. A dynamic dimension is -1 in
 * `dims`, its declared range is in dim_min/dim_max. */
typedef struct tb_value_info {
    const char *name; /* argument name, "" if none */
    tb_dtype dtype;
    int32_t rank;
    int64_t dims[TB_MAX_RANK], dim_min[TB_MAX_RANK], dim_max[TB_MAX_RANK];
} tb_value_info;

TB_API const char *tb_module_name(const tb_module *m);
TB_API const char *tb_module_target(const tb_module *m); /* the chosen CPU level */
TB_API int tb_module_function_count(const tb_module *m);
/* Index of the function, or -1. */
TB_API int tb_module_find_function(const tb_module *m, const char *name);
TB_API const char *tb_module_function_name(const tb_module *m, int fn);
/* Key/value pairs such as "iree.abi"; NULL if there is no such key. */
TB_API const char *tb_module_function_attr(const tb_module *m, int fn, const char *key);
TB_API int tb_module_input_count(const tb_module *m, int fn);
TB_API int tb_module_result_count(const tb_module *m, int fn);
TB_API void tb_module_input_info(const tb_module *m, int fn, int i, tb_value_info *out);
TB_API void tb_module_result_info(const tb_module *m, int fn, int i, tb_value_info *out);

/* ---- parameters: tensors that a module names but does not hold ---- */
/* A set of tensors by scope and name. Filled once, then used by any number of modules,
 * sessions and threads; reference counted. Files are mapped: all sessions, and all
 * processes, share one copy. Where several tensors have a name the first added is taken. */
TB_API tb_status tb_params_create(tb_params **out) TB_MUST_CHECK;
TB_API tb_params *tb_params_retain(tb_params *p);
TB_API void tb_params_release(tb_params *p); /* NULL is fine */
/* All tensors of a .safetensors file, which must not change while it is mapped (replace it
 * by renaming). scope NULL: they answer for any scope. The set is unchanged on failure. */
TB_API tb_status tb_params_add_file(tb_params *p, const char *scope, const char *path)
    TB_MUST_CHECK;
/* The same of bytes in memory, borrowed until release(user) (may be NULL; also called on
 * failure). */
TB_API tb_status tb_params_add_memory(tb_params *p, const char *scope, const void *bytes,
                                      size_t n, void (*release)(void *user), void *user)
    TB_MUST_CHECK;
/* One tensor whose data is borrowed in the same way. With dtype TB_NONE only its number of
 * bytes has to fit. */
TB_API tb_status tb_params_add_tensor(tb_params *p, const char *scope, const char *name,
                                      const tb_tensor *t, void (*release)(void *user),
                                      void *user) TB_MUST_CHECK;
TB_API int tb_params_count(const tb_params *p);
/* Tensor i, in the order of the names of each file. *scope is NULL for "any". The view and
 * the texts live as long as the set; nobody may write to the data. */
TB_API tb_status tb_params_at(const tb_params *p, int i, const char **scope,
                              const char **name, tb_tensor *out) TB_MUST_CHECK;
/* TB_NOT_FOUND if there is none. */
TB_API tb_status tb_params_get(const tb_params *p, const char *scope, const char *name,
                               tb_tensor *out) TB_MUST_CHECK;
/* What a module's sessions have to be given: type, name and scope. */
TB_API int tb_module_parameter_count(const tb_module *m);
TB_API void tb_module_parameter_info(const tb_module *m, int i, const char **scope,
                                     tb_value_info *out);

/* ---- sessions ---- */
typedef struct tb_session_options {
    tb_device *device;             /* retained; NULL = a new local-sync device */
    const tb_allocator *allocator; /* copied; NULL = aligned malloc */
    tb_params *params;             /* retained; may be NULL if the module has all it needs */
} tb_session_options;
/* The session keeps the module alive. options may be NULL. */
TB_API tb_status tb_session_create(tb_module *m, const tb_session_options *options,
                                   tb_session **out) TB_MUST_CHECK;
TB_API void tb_session_destroy(tb_session *s);
/* Makes room for `bytes` of transient memory now, so that calls need not. */
TB_API tb_status tb_session_reserve(tb_session *s, size_t bytes) TB_MUST_CHECK;

/* ---- sessions in memory of the caller ---- */
/* Bytes of transient memory that a call with such inputs plans; only their dims are looked
 * at. inputs may be NULL if all sizes are static. Sizes out of range are an error. */
TB_API tb_status tb_module_transient_bytes(const tb_module *m, int fn, const tb_tensor *inputs,
                                           int n_inputs, size_t *out) TB_MUST_CHECK;
/* Bytes that a session takes whose calls plan at most `transient_bytes`. */
TB_API size_t tb_session_bytes(const tb_module *m, size_t transient_bytes);
/* A session that lies in `memory` as a whole and takes nothing from anywhere else, ever: a
 * call whose intermediate results or whose results without memory of their own do not fit
 * fails with TB_OUT_OF_MEMORY. options->allocator is not used. Destroy it before the memory
 * goes. */
TB_API tb_status tb_session_place(tb_module *m, const tb_session_options *options,
                                  size_t transient_bytes, void *memory, size_t memory_bytes,
                                  tb_session **out) TB_MUST_CHECK;

/* Calls function `fn` (an index). Checks dtype, rank and sizes of all inputs and says what
 * was expected. results[i]: zero it to have memory allocated (release it with
 * tb_tensor_release), or set data and bytes to have the result written there; dtype, rank
 * and dims are filled in either way. Inputs and results must not overlap. On failure no
 * result holds memory that the call allocated. */
TB_API tb_status tb_session_call(tb_session *s, int fn, const tb_tensor *inputs,
                                 int n_inputs, tb_tensor *results, int n_results)
    TB_MUST_CHECK;
/* Bytes of transient memory the last call of `fn` planned (0 before the first call). */
TB_API size_t tb_session_transient_bytes(const tb_session *s, int fn);

/* ---- watching a session: for profilers ---- */
/* One kernel of a call. `place` is the same number in every call and, with the module,
 * says which operation of the model it is (tb_module_place_line). */
typedef struct tb_dispatch_info {
    uint32_t place, kernel;
    int64_t tiles;
    int64_t flops, bytes; /* operations; bytes to read and write; -1 = not known */
} tb_dispatch_info;
typedef struct tb_watcher {
    void *user;
    void (*call)(void *user, int function, bool begins);
    void (*dispatch)(void *user, const tb_dispatch_info *info, bool begins);
} tb_watcher;
/* The functions are called by the thread that calls the session, before and after a call
 * and each of its kernels. Borrowed until another one, or NULL, is set; not while a call
 * runs. Costs one branch per kernel where there is none. */
TB_API void tb_session_watch(tb_session *s, const tb_watcher *w);
typedef struct tb_source_line {
    const char *file, *path, *op; /* "model.py", "layer.0", "aten.add.Tensor"; maybe "" */
    uint32_t line;                /* 0 = not known */
} tb_source_line;
/* Line number i of what is computed at a place, the main one first; false if there are not
 * so many. Strings live as long as the module. */
TB_API bool tb_module_place_line(const tb_module *m, uint32_t place, int i,
                                 tb_source_line *out);
TB_API const char *tb_module_kernel_name(const tb_module *m, uint32_t kernel);

/* Mutable globals (parameters, buffers, caches) of this session. */
TB_API int tb_module_global_count(const tb_module *m);
TB_API void tb_module_global_info(const tb_module *m, int i, tb_value_info *out);
/* A view of the session's own memory, valid until the session is destroyed. */
TB_API tb_status tb_session_global(tb_session *s, int i, tb_tensor *out) TB_MUST_CHECK;
/* All globals to a .safetensors file under their names, whole or not at all, and back:
 * names and types must be those of the module, else nothing changes. */
TB_API tb_status tb_session_save(tb_session *s, const char *path) TB_MUST_CHECK;
TB_API tb_status tb_session_load(tb_session *s, const char *path) TB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_internal.h -- the runtime's index: its structs, and what one file offers others.
 *
 *   tensor.c      the default allocator, tb_tensor_release, types as text
 *   map.c         files mapped for reading
 *   module.c      loading: bytes to plan, constants in place
 *   code.c        which image, made executable
 *   info.c        what a module says about its functions
 *   params.c      sets of named tensors
 *   safetensors.c what is in a .safetensors file
 *   session.c     state between calls; checks of inputs; results' memory
 *   spare.c       a large result's memory, for the next one
 *   place.c       sessions in memory of the caller
 *   state.c       a session's state as a file
 *   exec.c        the interpreter of a function's instructions
 *   device.c      device uris; driver-independent part of a device
 *   local_sync.c  kernels on the calling thread
 *   local_task.c  kernels on the calling thread and a pool
 *   lent_task.c   kernels on the calling thread and threads that someone lends
 *   job.c         a dispatch divided among workers
 *   split.c       among how many workers, and how
 *   null.c        kernels not run at all
 *
 * Who waits for whom: nobody waits for another call. A session is used by one thread at a
 * time; modules are immutable; a pool that is busy makes a second caller work alone.
 */
#pragma once
#include <stdatomic.h>

#include "artifact/artifact.h"
#include "base/base.h"
#include "turbine/runtime.h"

#define TB_TYPE_TEXT_BYTES (TB_MAX_RANK * 21 + 16)

/* ---- tensor.c ---- */
extern const tb_allocator tb_default_allocator; /* aligned malloc */
/* Zeroed memory, TB_DATA_ALIGN aligned; NULL if there is none. bytes may be 0. */
void *tb_mem_alloc(const tb_allocator *a, size_t bytes);
void tb_mem_free(const tb_allocator *a, void *p, size_t bytes); /* p may be NULL */
/* Alignment for a block that is used for long. */
enum { TB_HUGE_PAGE = 2 << 20 };
size_t tb_mem_block_align(const tb_allocator *a, size_t bytes);
/* From here on malloc gives freed memory back to the system. */
enum { TB_LARGE_BYTES = 32 << 20 };

/* ---- spare.c ---- */
typedef struct tb_spare tb_spare;
/* Who gives memory of that size for a result: a, or for large ones of the default allocator
 * *spare (made when it is needed), which keeps what is freed last for the next of its size. */
tb_allocator tb_spare_allocator(tb_spare **spare, const tb_allocator *a, size_t bytes);
void tb_spare_release(tb_spare *s); /* may be NULL; lives on while results need it */
/* "4x?xf32" into out[TB_TYPE_TEXT_BYTES]; negative dims are "?". Returns out. */
const char *tb_type_text(char *out, tb_dtype dtype, int rank, const int64_t *dims);
/* Bytes of a dense tensor; false if that does not fit. */
bool tb_type_bytes(tb_dtype dtype, int rank, const int64_t *dims, size_t *out);

/* ---- map.c ---- */
tb_status tb_map_file(const char *path, const uint8_t **bytes, size_t *n) TB_MUST_CHECK;
void tb_unmap_file(const uint8_t *bytes, size_t n);
/* st with the file's name before its message; NULL stays NULL. Takes st. */
tb_status tb_status_in_file(tb_status st, const char *path);

/* ---- module.c ---- */
/* How the bytes of a module go back. */
typedef enum tb_bytes_owner {
    TB_BYTES_CALLER, /* release(user), if set */
    TB_BYTES_MAPPED  /* munmap */
} tb_bytes_owner;

struct tb_module {
    atomic_int refs;
    tb_plan plan;         /* points into bytes */
    const uint8_t *bytes; /* the whole file; constants are at their offsets in it */
    size_t n_bytes;
    tb_bytes_owner owner;
    void (*release)(void *user);
    void *user;
    const tb_plan_image *image; /* the chosen one; NULL if there are no kernels */
    void *text_copy;            /* own mapping of the image where it is not used in place */
    size_t text_copy_bytes;
    const uint8_t *text;        /* where the image's code is; */
    const uint32_t *entries;    /*   by kernel: offset from there */
    tb_kernel_fn *const *kernels; /* by kernel, instead of those: for tests */
    uint32_t n_exported;
    uint32_t n_globals; /* that are state */
    bool placed; /* the struct lies in memory of the caller */
    uint32_t max_bindings, max_sizes; /* over kernels, as is scratch_bytes */
    size_t scratch_bytes;
};

/* For tests: a module over a plan and kernels that are functions of this program.
 * `kernels` may be NULL where nothing will be dispatched. All pointers are borrowed;
 * constants' offsets are from `bytes`. Does not verify the plan. */
tb_status tb_module_from_plan(const tb_plan *plan, tb_kernel_fn *const *kernels,
                              const void *bytes, size_t n_bytes,
                              tb_module **out) TB_MUST_CHECK;
/* Plan function of public function number fn < n_exported. */
uint32_t tb_module_exported(const tb_module *m, uint32_t fn);
static inline tb_kernel_fn *
tb_module_kernel(const tb_module *m, uint32_t k)
{
    tb_kernel_fn *fn;
    const uint8_t *entry;
    if (m->kernels)
        return m->kernels[k];
    entry = m->text + m->entries[k];
    memcpy(&fn, &entry, sizeof fn); /* no cast in C from data to code */
    return fn;
}
static inline const char *
tb_module_text(const tb_module *m, tb_sref s)
{
    return m->plan.strings + s.off;
}

/* ---- safetensors.c ---- */
typedef struct tb_param {
    const char *name;
    const uint8_t *data;
    uint64_t bytes;
    tb_dtype dtype; /* TB_NONE with bad_type: the format's own type, which nothing here has */
    int32_t rank;
    int64_t *dims;        /* [rank] */
    const char *bad_type; /* NULL, or what the file calls the type */
} tb_param;
/* The tensors in a file's bytes, by name. *rows, *texts and *sizes are blocks of the heap
 * that hold them; NULL on failure. Everything is checked: tensors cover the data without
 * gaps. */
typedef struct tb_param_list {
    tb_param *rows;
    uint32_t n;
    char *texts;
    int64_t *sizes;
} tb_param_list;
tb_status tb_safetensors_read(const uint8_t *bytes, size_t n, tb_param_list *out) TB_MUST_CHECK;
void tb_param_list_free(tb_param_list *l);
/* What the format calls a type, NULL if it has none; what it aligns such elements to. */
const char *tb_safetensors_type(tb_dtype t);
size_t tb_safetensors_width(tb_dtype t);

/* ---- params.c ---- */
/* Checks that p (may be NULL) has what global i of the module is; *data is where. */
tb_status tb_params_bind(const tb_params *p, const tb_module *m, uint32_t i,
                         const uint8_t **data) TB_MUST_CHECK;

/* The bytes of a parameter, whatever their type. p may be NULL: TB_NOT_FOUND. */
tb_status tb_params_find(const tb_params *p, const char *scope, const char *name,
                         const uint8_t **data, uint64_t *bytes) TB_MUST_CHECK;

/* ---- code.c ---- */
/* Chooses and maps the image; nothing to do for a module without kernels. */
tb_status tb_code_open(tb_module *m, int flags) TB_MUST_CHECK;
void tb_code_close(tb_module *m);

/* ---- device.c ---- */
/* One dispatch, as a driver sees it. */
typedef struct tb_work {
    tb_kernel_fn *fn;
    void *const *bindings;
    const int64_t *sizes;
    int64_t tiles; /* at least 1 */
    uint64_t tile_cost_ns;
    void *scratch; /* for the calling thread; 64-byte aligned */
    size_t scratch_bytes;
} tb_work;
static inline int32_t
tb_work_alone(const tb_work *w) /* on the calling thread */
{
    return w->fn(w->bindings, w->sizes, 0, w->tiles, w->scratch);
}

typedef struct tb_driver {
    const char *name;
    /* Runs all tiles before it returns. 0, or the first error of a kernel. */
    int32_t (*dispatch)(tb_device *d, const tb_work *w);
    void (*destroy)(tb_device *d); /* frees d itself too */
    bool runs_kernels;
} tb_driver;

struct tb_device {
    const tb_driver *driver;
    atomic_int refs;
    atomic_int limit; /* workers that take part now, 1 to max_workers */
    int max_workers;
};

/* local_sync.c, local_task.c, lent_task.c, null.c. NULL when out of memory. */
tb_device *tb_local_sync_create(void);
void tb_local_sync_init(tb_device *d); /* in place: lives as long as its memory */
tb_device *tb_local_task_create(int n_workers);
tb_device *tb_lent_task_create(tb_executor run, void *user, int n_workers);
tb_device *tb_null_create(void);

/* ---- split.c: worker i of n begins with the tiles from tb_split_begin(i) to that of i + 1,
 * takes a chunk at a time, and then helps the others. ---- */
/* At most `limit`; cost 0 is not known. `awake` of the workers, the caller among them, do not
 * sleep: less work is worth calling those. */
int tb_split_workers(int64_t tiles, uint64_t tile_cost_ns, int limit, int awake);
int64_t tb_split_begin(int64_t tiles, int n, int i);
int64_t tb_split_chunk(int64_t tiles, uint64_t tile_cost_ns, int n);

/* ---- session.c ---- */
/* What a session keeps for one function between calls. All arrays lie in one block. */
typedef struct tb_fn_state {
    void *block; /* NULL until the first call */
    size_t block_bytes;
    int64_t *regs;       /* integer registers; the prologue's stay valid */
    void **ptr;          /* by buffer register; */
    size_t *bytes;       /*   results' are NULL and 0 until RESULT ran */
    int32_t *next_buf;   /* by buffer register: next one of the same input or result, -1 */
    int32_t *input_buf;  /* by input: first buffer register, -1 */
    int32_t *result_buf; /* by result */
    int64_t *dims;       /* the last call's inputs' dims, one input after the other */
    size_t *input_bytes; /* by input */
    uint8_t *result_state; /* by result: tb_result_state */
    bool shapes_known;   /* dims, input_bytes and regs belong together */
    uint32_t arena_epoch; /* ptr of arena buffers is valid for this one */
    size_t transient_bytes;
    struct tb_slot *slots; /* by slot */
} tb_fn_state;

/* Memory that stays between calls and grows: for values whose size depends on data. */
typedef struct tb_slot {
    void *at;
    size_t bytes;
} tb_slot;

typedef enum tb_result_state {
    TB_RESULT_NONE,
    TB_RESULT_GIVEN,
    TB_RESULT_ALLOCATED
} tb_result_state;

struct tb_session {
    tb_module *m;
    tb_device *device;    /* own_device if none was given */
    tb_device own_device;
    tb_params *params;    /* may be NULL */
    tb_allocator allocator;
    tb_spare *spare;      /* NULL until a large result is made */
    atomic_int in_call; /* not a bool: some processors have no atomic bytes */
    void *arena;
    size_t arena_bytes;
    uint32_t arena_epoch; /* counts arenas and changes of globals' places; from 1 */
    void **globals;       /* by global; constants in place where nobody can write */
    bool *global_owned;
    tb_fn_state *fns;     /* by plan function */
    const tb_watcher *watcher; /* NULL: nobody looks */
    void **bindings;      /* room for the kernel with the most */
    int64_t *sizes;
    void *scratch;
};

/* One call while it runs. */
typedef struct tb_call {
    tb_session *s;
    const tb_module *m;
    const tb_plan_function *f;
    tb_fn_state *state;
    const tb_tensor *inputs;
    tb_tensor *results;
} tb_call;

size_t tb_global_bytes(const tb_module *m, uint32_t i);
/* A session has a copy of it from the beginning. */
bool tb_global_is_owned(const tb_module *m, uint32_t i);
/* With the allocator, whatever the options say. */
tb_status tb_session_create_in(tb_module *m, const tb_session_options *options,
                               const tb_allocator *a, tb_session **out) TB_MUST_CHECK;
/* Bytes of a function's tb_fn_state block; makes it before the first call. */
size_t tb_session_state_bytes(const tb_plan *p, const tb_plan_function *f);
tb_status tb_session_prepare(tb_session *s, uint32_t function) TB_MUST_CHECK;
/* Fills result i's type and gives it memory. */
tb_status tb_call_result(tb_call *c, uint32_t i) TB_MUST_CHECK;
/* Gives buffer b, of a slot, n bytes. */
tb_status tb_call_slot(tb_call *c, uint32_t b, int64_t n) TB_MUST_CHECK;
/* "function 'main', input 1 'mask'" into out; returns out. */
enum { TB_WHERE_BYTES = 256 };
const char *tb_call_input_where(const tb_call *c, uint32_t i, char out[TB_WHERE_BYTES]);

/* ---- exec.c ---- */
/* Runs the instructions in [begin, end), word offsets in the function, until `end` is
 * reached or RETURN. */
tb_status tb_exec(tb_call *c, uint32_t begin, uint32_t end) TB_MUST_CHECK;

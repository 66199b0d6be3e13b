/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * executable.c -- IREE's executable libraries: tables in an image, and running what they
 * name.
 *
 * Tables are read once, here: every pointer in them has to lie in the image, every function
 * in its code. Attributes are copied. Workgroups of a dispatch are the device's tiles, x
 * fastest; as in IREE, denormals are zero while they run.
 */
#include <sched.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "artifact/cpu.h"
#include "hal/internal.h"
#include "runtime/runtime_internal.h"
#include "vm/processor.h"

enum { MAX_EXPORTS = 65536, MAX_WORDS = 64 };

static void
destroy(tb_vm_object *o)
{
    tb_hal_executable *e = (tb_hal_executable *)o;

    tb_image_unload(&e->image);
    tb_heap_free(e->constants);
    tb_heap_free(e->imports);
    tb_heap_free(e->exports);
    tb_heap_free(e);
}

const tb_vm_type tb_hal_executable_type = {"hal.executable", destroy};

/* ---- tables ---- */
static tb_status
check_header(const tb_image *im, const tb_hal_library *l, uint32_t version)
{
    if (!tb_image_has(im, l, sizeof *l, _Alignof(tb_hal_library), PF_R))
        return tb_image_damaged("its library lies outside of it");
    const tb_hal_library_header *h = l->header;
    if (!tb_image_has(im, h, sizeof *h, _Alignof(tb_hal_library_header), PF_R))
        return tb_image_damaged("the header of its library");
    if (h->version < TB_HAL_LIBRARY_OLDEST || h->version > version)
        return tb_status_make(TB_INCOMPATIBLE,
                              "executable: its library is of version %u, known are %d to %u",
                              h->version, TB_HAL_LIBRARY_OLDEST, version);
    if (!tb_image_has_text(im, h->name))
        return tb_image_damaged("the name of its library");
    if (h->features != 0)
        return tb_status_make(TB_UNSUPPORTED, "executable '%.64s' wants features %#x", h->name,
                              h->features);
    if (h->sanitizer != 0)
        return tb_status_make(TB_UNSUPPORTED, "executable '%.64s' was made for sanitizer %d",
                              h->name, (int)h->sanitizer);
    return NULL;
}

/* Functions that the library would like to have: what it cannot do without is refused. */
static tb_status
check_imports(tb_hal_executable *e, const tb_hal_library *l)
{
    uint32_t n = l->imports.n;
    const char *const *symbols = l->imports.symbols;

    if (n == 0)
        return NULL;
    if (n > MAX_EXPORTS || !tb_image_has(&e->image, symbols, n * sizeof *symbols, 8, PF_R))
        return tb_image_damaged("the names of imports");
    for (uint32_t i = 0; i < n; i++) {
        if (!tb_image_has_text(&e->image, symbols[i]))
            return tb_image_damaged("the name of an import");
        size_t len = strlen(symbols[i]);
        if (len == 0 || symbols[i][len - 1] != '?')
            return tb_status_make(TB_UNSUPPORTED,
                                  "executable '%.64s' imports function '%.64s', and there are no "
                                  "functions for executables",
                                  l->header->name, symbols[i]);
    }
    e->imports = tb_heap(n, sizeof *e->imports);
    if (!e->imports)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %u imports", n);
    e->environment.import_fns = e->imports;
    e->environment.import_contexts = e->imports;
    return NULL;
}

static tb_status
read_export(tb_hal_executable *e, const tb_hal_library *l, uint32_t i)
{
    tb_hal_export *x = &e->exports[i];
    const void *fn;

    x->fn = l->exports.fns[i];
    memcpy(&fn, &x->fn, sizeof fn);
    if (!tb_image_has(&e->image, fn, 1, 1, PF_X))
        return tb_image_damaged("a function lies outside of its code");
    x->name = l->exports.names[i];
    if (!tb_image_has_text(&e->image, x->name))
        return tb_image_damaged("the name of a function");
    if (l->exports.attrs)
        x->attrs = l->exports.attrs[i];
    if (x->attrs.n_constants > MAX_WORDS || x->attrs.n_bindings > MAX_WORDS)
        return tb_image_damaged("a function takes too many constants or buffers");
    return NULL;
}

static tb_status
read_exports(tb_hal_executable *e, const tb_hal_library *l)
{
    const tb_image *im = &e->image;
    uint64_t n = l->exports.n;

    if (n > MAX_EXPORTS)
        return tb_image_damaged("the number of its functions");
    if (n && (!tb_image_has(im, l->exports.fns, 8 * n, 8, PF_R) ||
              !tb_image_has(im, l->exports.names, 8 * n, 8, PF_R)))
        return tb_image_damaged("the table of its functions");
    if (n && l->exports.attrs &&
        !tb_image_has(im, l->exports.attrs, sizeof(tb_hal_dispatch_attrs) * n, 8, PF_R))
        return tb_image_damaged("the attributes of its functions");
    e->exports = tb_heap(n, sizeof *e->exports);
    if (!e->exports)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %llu functions",
                              (unsigned long long)n);
    e->n_exports = (uint32_t)n;
    for (uint32_t i = 0; i < n; i++)
        TRY(read_export(e, l, i));
    return NULL;
}

/* There is none: only optional imports are accepted, which code asks for before it calls. */
static int
no_import(void *fn, void *params, void *context, void *reserved)
{
    (void)fn, (void)params, (void)context, (void)reserved;
    return 1;
}

tb_status
tb_hal_library_read(tb_hal_executable *e, const tb_hal_library *l, size_t n_constants,
                    uint32_t version)
{
    TRY(check_header(&e->image, l, version));
    if (l->constants.n != n_constants)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "executable '%.64s' takes %u constants, given are %zu",
                              l->header->name, l->constants.n, n_constants);
    TRY(check_imports(e, l));
    return read_exports(e, l);
}

static tb_status
open_library(tb_hal_executable *e, const uint8_t *bytes, size_t n, size_t n_constants,
             uint32_t version)
{
    tb_hal_library_query_fn *query;

    TRY(tb_image_load(bytes, n, &e->image));
    const void *at = tb_image_function(&e->image, bytes, "iree_hal_executable_library_query");
    if (!at)
        return tb_image_damaged("it has no iree_hal_executable_library_query");
    memcpy(&query, &at, sizeof query); /* no cast in C from data to code */
    const tb_hal_library *l = query(version, &e->environment);
    if (!l)
        return tb_status_make(TB_INCOMPATIBLE, "the executable does not run on this processor "
                                               "or under version %u of its interface",
                              version);
    return tb_hal_library_read(e, l, n_constants, version);
}

tb_status
tb_hal_executable_load(const uint8_t *bytes, size_t n, const uint32_t *constants,
                       size_t n_constants, uint32_t version, tb_hal_executable **out)
{
    tb_hal_executable *e = tb_heap(1, sizeof *e);

    if (!e)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for an executable");
    tb_vm_object_init(&e->base, &tb_hal_executable_type);
    e->constants = tb_heap(n_constants, sizeof *e->constants);
    if (!e->constants) {
        tb_vm_release(&e->base);
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %zu constants", n_constants);
    }
    if (n_constants)
        memcpy(e->constants, constants, n_constants * sizeof *constants);
    e->environment.constants = e->constants;
    e->environment.import_thunk = no_import;
    tb_hal_processor(e->environment.processor);
    tb_status st = open_library(e, bytes, n, n_constants, version);
    if (st)
        tb_vm_release(&e->base);
    else
        *out = e;
    return st;
}

/* ---- running ---- */
#if defined(__x86_64__)
enum { DENORMALS_ARE_ZERO = 1 << 6, FLUSH_TO_ZERO = 1 << 15 };
static uint64_t
enter_mode(void)
{
    unsigned old = _mm_getcsr();
    _mm_setcsr(old | DENORMALS_ARE_ZERO | FLUSH_TO_ZERO);
    return old;
}
static void
leave_mode(uint64_t old)
{
    _mm_setcsr((unsigned)old);
}
#elif defined(__aarch64__)
static uint64_t
enter_mode(void)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(old | UINT64_C(1) << 24));
    return old;
}
static void
leave_mode(uint64_t old)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(old));
}
#else
static uint64_t
enter_mode(void)
{
    return 0;
}
static void
leave_mode(uint64_t old)
{
    (void)old;
}
#endif

typedef struct job {
    const tb_hal_export *export;
    const tb_hal_environment *environment;
    tb_hal_dispatch_state state;
    uint32_t local_bytes;
} job;

/* Workgroups [begin, end), as a kernel of ours: the first binding is the job. */
static int32_t
run_groups(void *const *bindings, const int64_t *sizes, int64_t begin, int64_t end,
           void *scratch)
{
    const job *j = bindings[0];
    uint64_t nx = j->state.count_x, ny = j->state.count_y, i = (uint64_t)begin;
    int cpu = sched_getcpu(), error = 0;
    tb_hal_workgroup_state w = {.x = (uint32_t)(i % nx),
                                .y = (uint32_t)(i / nx % ny),
                                .z = (uint16_t)(i / nx / ny),
                                .processor = cpu < 0 ? 0 : (uint32_t)cpu,
                                .local = j->local_bytes ? scratch : NULL,
                                .local_bytes = j->local_bytes};
    uint64_t mode = enter_mode();

    (void)sizes;
    for (; i < (uint64_t)end && error == 0; i++) {
        error = j->export->fn(j->environment, &j->state, &w);
        if (++w.x == nx) {
            w.x = 0;
            if (++w.y == ny) {
                w.y = 0;
                w.z++;
            }
        }
    }
    leave_mode(mode);
    return error;
}

/* What a workgroup takes is known from the time before, if one worker did it all. */
static tb_status
dispatch(tb_device *d, const tb_hal_dispatch *x, tb_hal_export *e, job *j, void *local)
{
    void *bindings[1] = {j};
    int64_t groups = (int64_t)x->groups[0] * x->groups[1] * x->groups[2];
    uint64_t cost = atomic_load_explicit(&e->group_ns, memory_order_relaxed);
    tb_work w = {.fn = run_groups,
                 .bindings = bindings,
                 .tiles = groups,
                 .tile_cost_ns = cost,
                 .scratch = local,
                 .scratch_bytes = j->local_bytes};
    int workers = tb_split_workers(groups, cost, tb_device_workers(d), 1);
    int64_t begin = tb_now_ns();
    int32_t error = d->driver->dispatch(d, &w);
    uint64_t took = (uint64_t)((tb_now_ns() - begin) * workers / groups);

    atomic_store_explicit(&e->group_ns, took ? took : 1, memory_order_relaxed);
    if (error)
        return tb_status_make(TB_INTERNAL, "dispatch '%.64s' failed with %d", e->name,
                              (int)error);
    return NULL;
}

tb_status
tb_hal_run(tb_device *d, const tb_hal_dispatch *x)
{
    tb_hal_export *e = &x->executable->exports[x->export];
    const tb_hal_dispatch_attrs *a = &e->attrs;
    int workers = tb_device_workers(d);
    job j = {.export = e,
             .environment = &x->executable->environment,
             .state = {.size_x = a->size_x ? a->size_x : 1,
                       .size_y = a->size_y ? a->size_y : 1,
                       .size_z = a->size_z ? a->size_z : 1,
                       .n_constants = a->n_constants,
                       .count_x = x->groups[0],
                       .count_y = x->groups[1],
                       .count_z = (uint16_t)x->groups[2],
                       .concurrency = (uint8_t)(workers > 255 ? 255 : workers),
                       .n_bindings = a->n_bindings,
                       .constants = x->constants,
                       .bindings = x->bindings,
                       .lengths = x->lengths},
             .local_bytes = (uint32_t)a->local_pages * TB_HAL_LOCAL_PAGE};
    void *local = NULL;
    int64_t n;

    if (x->groups[2] > UINT16_MAX || !tb_mul_ok(x->groups[0], x->groups[1], &n) ||
        !tb_mul_ok(n, x->groups[2], &n))
        return tb_status_make(TB_OUT_OF_RANGE, "dispatch '%.64s' of %u x %u x %u workgroups",
                              e->name, x->groups[0], x->groups[1], x->groups[2]);
    if (n == 0 || !d->driver->runs_kernels)
        return NULL;
    if (j.local_bytes && posix_memalign(&local, TB_DATA_ALIGN, j.local_bytes) != 0)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for dispatch '%.64s'", e->name);
    tb_status st = dispatch(d, x, e, &j, local);
    free(local);
    return st;
}

/* ---- imports ---- */
/* (device, affinity, format, bytes, constants) */
tb_status
tb_hal_import_executable_create(void *self, const tb_vm_call *c)
{
    const tb_hal *h = self;
    tb_vm_object *device;
    tb_vm_buffer *format, *bytes, *constants;
    tb_hal_executable *e;
    const char *ours = tb_vm_executable_format(tb_cpu_machine());

    TRY(tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &device));
    TRY(tb_vm_arg(c, 2, &tb_vm_buffer_type, "executable format", false, &format));
    TRY(tb_vm_arg(c, 3, &tb_vm_buffer_type, "executable data", false, &bytes));
    TRY(tb_vm_arg(c, 4, &tb_vm_buffer_type, "constants", true, &constants));
    if (!ours || !tb_str_is(tb_hal_text(format), ours))
        return tb_status_make(TB_UNSUPPORTED,
                              "executables of format '%.*s' do not run here; '%s' does",
                              TB_FMT(tb_hal_text(format)), ours ? ours : "none");
    if (constants && constants->bytes % 4 != 0)
        return tb_status_make(TB_INVALID_ARGUMENT, "constants of %zu bytes", constants->bytes);
    TRY(tb_hal_executable_load(bytes->data, bytes->bytes,
                               constants ? (const uint32_t *)(void *)constants->data : NULL,
                               constants ? constants->bytes / 4 : 0, h->release->library, &e));
    c->results[0].ref = &e->base;
    return NULL;
}

/* (executable, name) */
tb_status
tb_hal_import_executable_lookup(void *self, const tb_vm_call *c)
{
    tb_hal_executable *e;
    tb_vm_buffer *name;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_executable_type, "executable", false, &e));
    TRY(tb_vm_arg(c, 1, &tb_vm_buffer_type, "function name", false, &name));
    for (uint32_t i = 0; i < e->n_exports; i++)
        if (tb_str_is(tb_hal_text(name), e->exports[i].name)) {
            c->results[0].i64 = i;
            return NULL;
        }
    return tb_status_make(TB_NOT_FOUND, "the executable has no function '%.*s'",
                          TB_FMT(tb_hal_text(name)));
}

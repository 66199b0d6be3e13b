/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_memory_test.c -- where the runtime's memory comes from: calls that allocate
 * nothing, sessions in memory of the caller, and every allocation failing in turn.
 *
 * The linker sends malloc, calloc, posix_memalign, free and mmap through here (meson.build).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "artifact_t.h"
#include "runtime/runtime_internal.h"
#include "t.h"

/* ---- allocations ---- */
static int64_t n_allocs, n_live, fail_at = -1; /* fail_at counts down; -1: never */
static bool failed;

static bool
may(void)
{
    n_allocs++;
    if (fail_at < 0 || fail_at-- > 0)
        return true;
    failed = true;
    return false;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
int __real_posix_memalign(void **p, size_t align, size_t n);
void __real_free(void *p);
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
void __wrap_free(void *p);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);

void *
__wrap_malloc(size_t n)
{
    if (!may())
        return NULL;
    n_live++;
    return __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    if (!may())
        return NULL;
    n_live++;
    return __real_calloc(n, size);
}

int
__wrap_posix_memalign(void **p, size_t align, size_t n)
{
    if (!may())
        return ENOMEM;
    n_live++;
    return __real_posix_memalign(p, align, n);
}

void
__wrap_free(void *p)
{
    n_live -= p != NULL;
    __real_free(p);
}

void *
__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    if (!may()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(at, n, prot, flags, fd, offset);
}

/* ---- the sample: y = x + 2 over ?xi32 and a constant; writes its state ---- */
static _Alignas(64) uint8_t file[1 << 16];
static size_t file_bytes;
static char path[64];

static void
make_sample(void)
{
    t_artifact s;
    tb_buf b = {0};
    t_sample(&s);
    tb_status st = tb_artifact_write(&s.a, &b);
    CHECK(!st && b.n <= sizeof file);
    memcpy(file, b.at, b.n);
    file_bytes = b.n;
    tb_buf_free(&b);
    snprintf(path, sizeof path, "/tmp/turbine_memory_%ld.vmfb", (long)getpid());
    st = tb_file_write(path, file, file_bytes);
    EQ_STR(tb_status_message(st), "ok");
}

static bool
runs_here(void)
{
    return tb_cpu_machine() == TB_EM_X86_64;
}

typedef struct io {
    int32_t x[1024], y[1024];
    float m[4];
    tb_tensor in, out[2];
} io;

static void
prepare_io(io *d, int64_t n)
{
    for (int i = 0; i < 1024; i++)
        d->x[i] = i * 3;
    memset(d->y, 0, sizeof d->y);
    d->in = (tb_tensor){
        .data = d->x, .bytes = sizeof d->x, .dtype = TB_I32, .rank = 1, .dims = {n}};
    d->out[0] = (tb_tensor){.data = d->y, .bytes = sizeof d->y};
    d->out[1] = (tb_tensor){.data = d->m, .bytes = sizeof d->m};
}

static tb_status
call(tb_session *s, io *d, int64_t n)
{
    prepare_io(d, n);
    return tb_session_call(s, 0, &d->in, 1, d->out, 2);
}

static void
check_results(const io *d, int64_t n)
{
    EQ_INT(d->out[0].dims[0], n);
    for (int64_t i = 0; i < n; i++)
        if (!EQ_INT(d->y[i], d->x[i] + 2))
            return;
}

static void
ok(tb_status st, int line)
{
    if (st)
        printf("# line %d: %s\n", line, tb_status_message(st));
    CHECK(st == NULL);
    tb_status_free(st);
}
#define OK(st) ok((st), __LINE__)

static void
fails(tb_status st, tb_code code, const char *part)
{
    EQ_STR(tb_code_name(tb_status_code(st)), tb_code_name(code));
    if (!strstr(tb_status_message(st), part))
        EQ_STR(tb_status_message(st), part);
    tb_status_free(st);
}

/* ---- calls ---- */
static void
calls_allocate_nothing(void)
{
    static io d;
    tb_module *m = NULL;
    tb_session *s = NULL;
    if (!runs_here())
        return;
    OK(tb_module_load_file(path, 0, &m));
    OK(tb_session_create(m, NULL, &s));
    OK(call(s, &d, 1000));
    int64_t before = n_allocs;
    for (int i = 0; i < 100; i++) {
        int64_t n = i % 3 == 0 ? 1000 : i + 1; /* no more than the first time */
        OK(call(s, &d, n));
        check_results(&d, n);
    }
    EQ_INT(n_allocs, before);
    tb_session_destroy(s);
    tb_module_release(m);
}

/* ---- memory of the caller ---- */
static void
placed(void)
{
    static _Alignas(64) char module_memory[TB_MODULE_BYTES];
    static char memory[1 << 16];
    static io d;
    tb_module *m = NULL;
    tb_session *s = NULL;
    size_t transient = 0;
    if (!runs_here())
        return;
    OK(tb_module_place(file, file_bytes, 0, module_memory, sizeof module_memory, &m));
    int64_t before = n_allocs;
    prepare_io(&d, 500);
    OK(tb_module_transient_bytes(m, 0, &d.in, 1, &transient));
    CHECK(transient >= 500 * sizeof(int32_t) && transient < 4096);
    size_t need = tb_session_bytes(m, transient);
    for (size_t shift = 0; shift < 64; shift += 7) {
        OK(tb_session_place(m, NULL, transient, memory + shift, need, &s));
        for (int64_t n = 500; n > 0; n -= 83) {
            OK(call(s, &d, n));
            check_results(&d, n);
        }
        tb_session_destroy(s);
    }
    EQ_INT(n_allocs, before);
    /* messages come from the heap in this build */
    fails(tb_session_place(m, NULL, transient, memory, need - 1, &s), TB_OUT_OF_MEMORY,
          "a session of module 'tiny' takes");
    OK(tb_session_place(m, NULL, transient, memory, need, &s));
    fails(call(s, &d, 1000), TB_OUT_OF_MEMORY, "bytes of intermediate results");
    OK(call(s, &d, 400));
    check_results(&d, 400);
    prepare_io(&d, 300);
    d.out[0] = (tb_tensor){0};
    fails(tb_session_call(s, 0, &d.in, 1, d.out, 2), TB_OUT_OF_MEMORY, "result 0: no memory");
    OK(call(s, &d, 300));
    tb_session_destroy(s);
    fails(tb_module_transient_bytes(m, 0, NULL, 0, &transient), TB_OUT_OF_RANGE,
          "dimension 0 is from 1 to 1024, got -1");
    prepare_io(&d, 2000);
    fails(tb_module_transient_bytes(m, 0, &d.in, 1, &transient), TB_OUT_OF_RANGE,
          "dimension 0 is from 1 to 1024, got 2000");
    fails(tb_module_transient_bytes(m, 7, &d.in, 1, &transient), TB_OUT_OF_RANGE,
          "there is no function 7");
    tb_module_release(m);
    fails(tb_module_place(file, file_bytes, 0, module_memory, 100, &m), TB_INVALID_ARGUMENT,
          "a module takes 512 bytes");
    fails(tb_module_place(file, file_bytes, TB_LOAD_COPY, module_memory, 512, &m),
          TB_INVALID_ARGUMENT, "used where they are");
    fails(tb_module_place(file, file_bytes - 1, 0, module_memory, 512, &m), TB_CORRUPT, "");
}

/* ---- every allocation fails in turn ---- */

/* Calls once more after a failure: the session must be usable. */
static tb_status
call_twice(tb_session *s)
{
    static io d;
    tb_status st;
    prepare_io(&d, 700);
    d.out[0] = d.out[1] = (tb_tensor){0};
    st = tb_session_call(s, 0, &d.in, 1, d.out, 2);
    if (st) {
        CHECK(!d.out[0].release && !d.out[1].release);
        int64_t keep = fail_at;
        fail_at = -1;
        OK(call(s, &d, 700));
        check_results(&d, 700);
        fail_at = keep;
    }
    tb_tensor_release(&d.out[0]);
    tb_tensor_release(&d.out[1]);
    return st;
}

static tb_status
use_module(tb_module *m, tb_device *device)
{
    tb_session *s = NULL;
    tb_session_options o = {.device = device};
    tb_tensor state;
    TRY(tb_session_create(m, &o, &s));
    tb_status st = runs_here() ? call_twice(s) : NULL;
    st = st ? st : tb_session_global(s, 0, &state);
    tb_session_destroy(s);
    return st;
}

static tb_status
from_file(void)
{
    tb_module *m = NULL;
    tb_device *device = NULL;
    tb_status st = tb_module_load_file(path, TB_LOAD_VERIFY_WEIGHTS, &m);
    st = st ? st : tb_device_create("local-task", 2, &device);
    st = st ? st : use_module(m, device);
    tb_device_release(device);
    tb_module_release(m);
    return st;
}

static tb_status
from_memory(void)
{
    tb_module *m = NULL;
    tb_status st = tb_module_load_memory(file, file_bytes, TB_LOAD_COPY, NULL, NULL, &m);
    st = st ? st : use_module(m, NULL);
    tb_module_release(m);
    return st;
}

static tb_status
with_parameters(void)
{
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\""
                                 ":[0,4]}}    ";
    static _Alignas(8) uint8_t bytes[8 + sizeof header - 1 + 4] = {sizeof header - 1};
    float one = 1;
    tb_tensor t = {.data = &one, .bytes = 4, .dtype = TB_F32}, got;
    tb_params *p = NULL;
    memcpy(bytes + 8, header, sizeof header - 1);
    TRY(tb_params_create(&p));
    tb_status st = tb_params_add_memory(p, "m", bytes, sizeof bytes, NULL, NULL);
    st = st ? st : tb_params_add_tensor(p, "m", "b", &t, NULL, NULL);
    st = st ? st : tb_params_get(p, "m", "a", &got);
    tb_params_release(p);
    return st;
}

static void
each_fails(tb_status (*scenario)(void), const char *name)
{
    int64_t n = 0, live = n_live;
    for (;; n++) {
        failed = false;
        fail_at = n;
        tb_status st = scenario();
        fail_at = -1;
        if (!failed) {
            EQ_STR(tb_status_message(st), "ok");
            break;
        }
        /* code that cannot be copied, a smaller arena: some failures have a way around */
        if (st)
            CHECK(tb_status_code(st) == TB_OUT_OF_MEMORY || tb_status_code(st) == TB_IO);
        tb_status_free(st);
        if (!EQ_INT(n_live, live) || !CHECK(n < 1000))
            break;
    }
    EQ_INT(n_live, live);
    printf("# %s: %" PRId64 " allocations\n", name, n);
}

static void
every_allocation_fails(void)
{
    each_fails(from_file, "from a file");
    each_fails(with_parameters, "parameters");
    each_fails(from_memory, "from memory");
}

/* The memory of a large result is there for the next one, and goes with the last user. */
static void
spare_results(void)
{
    const tb_allocator *mem = &tb_default_allocator;
    size_t large = TB_LARGE_BYTES;
    int64_t live = n_live, n;
    tb_spare *spare = NULL;
    tb_allocator a = tb_spare_allocator(&spare, mem, large - 1);

    CHECK(a.alloc == mem->alloc && !spare);
    a = tb_spare_allocator(&spare, mem, large);
    void *first = a.alloc(a.user, large, TB_DATA_ALIGN), *second;
    CHECK(first != NULL);
    a.free(a.user, first, large);
    n = n_allocs;
    CHECK(a.alloc(a.user, large, TB_DATA_ALIGN) == first);
    EQ_INT(n_allocs, n);
    second = a.alloc(a.user, large + 64, TB_DATA_ALIGN); /* beside it */
    CHECK(second && second != first);
    a.free(a.user, first, large);
    a.free(a.user, second, large + 64); /* takes its place */
    first = a.alloc(a.user, large, TB_DATA_ALIGN);
    EQ_INT(n_allocs, n + 2);
    tb_spare_release(spare); /* the session ends before its result */
    CHECK(first != NULL && n_live > live);
    a.free(a.user, first, large);
    EQ_INT(n_live, live);
}

int
main(void)
{
    make_sample();
    RUN(spare_results);
    RUN(calls_allocate_nothing);
    RUN(placed);
    RUN(every_allocation_fails);
    unlink(path);
    return t_done();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * hal_t.h -- calls of what modules of IREE's compiler import, as the machine makes them.
 */
#pragma once
#include "artifact/artifact.h"
#include "artifact/cpu.h"
#include "hal/internal.h"
#include "t.h"

static tb_hal *hal;
static tb_vm_library libraries[TB_HAL_LIBRARIES];

/* ---- calling ---- */
enum { MAX_ARGS = 16 };
typedef struct call {
    tb_vm_value args[MAX_ARGS], results[2];
} call;

static inline tb_vm_value
i32(int32_t v)
{
    return (tb_vm_value){.i32 = v};
}

static inline tb_vm_value
i64(int64_t v)
{
    return (tb_vm_value){.i64 = v};
}

static inline tb_vm_value
ref(void *o)
{
    return (tb_vm_value){.ref = o};
}

static inline tb_vm_value
list(const tb_vm_value *at, uint32_t n)
{
    return (tb_vm_value){.list = {at, n}};
}

static inline tb_status
invoke(const char *name, call *c)
{
    tb_vm_call vm = {c->args, MAX_ARGS, c->results, 2};

    memset(c->results, 0, sizeof c->results);
    for (int l = 0; l < TB_HAL_LIBRARIES; l++)
        for (uint32_t i = 0; i < libraries[l].n_functions; i++)
            if (strcmp(libraries[l].functions[i].name, name) == 0)
                return libraries[l].functions[i].fn(libraries[l].self, &vm);
    return tb_status_make(TB_NOT_FOUND, "no import '%s'", name);
}

#define INVOKE(name, c, ...) (c = (call){.args = {__VA_ARGS__}}, invoke(name, &c))

static inline void
ok(tb_status st)
{
    if (!CHECK(st == NULL))
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
}

/* Fails, and says `what`. */
static inline void
fails(tb_status st, const char *what)
{
    if (CHECK(st != NULL) && !CHECK(strstr(tb_status_message(st), what) != NULL))
        printf("# '%s' instead of '%s'\n", tb_status_message(st), what);
    tb_status_free(st);
}

static inline tb_vm_buffer *
text(const char *s)
{
    tb_vm_buffer *b = tb_vm_buffer_create(strlen(s), 0);
    memcpy(b->data, s, strlen(s));
    return b;
}

static inline void *
device(void)
{
    return &hal->base;
}

static inline bool
runs_x86(void)
{
    return tb_cpu_machine() == TB_EM_X86_64;
}

static inline tb_hal_buffer *
new_buffer(int64_t bytes)
{
    call c;

    ok(INVOKE("device.allocator", c, ref(device())));
    tb_vm_object *allocator = c.results[0].ref;
    ok(INVOKE("allocator.allocate", c, ref(allocator), i64(-1), i32(48), i32(0xc03), i64(bytes)));
    tb_vm_release(allocator);
    return (tb_hal_buffer *)c.results[0].ref;
}

/* A device with two workers and no parameters; the end checks that nothing holds it. */
static inline void
begin_hal(void)
{
    tb_device *d = NULL;
    tb_params *params = NULL;

    ok(tb_device_create("local-task", 2, &d));
    ok(tb_params_create(&params));
    ok(tb_hal_create(d, params, &hal));
    tb_device_release(d);
    tb_params_release(params);
    tb_hal_libraries(hal, libraries);
}

static inline int
end_hal(void)
{
    EQ_INT(atomic_load(&hal->base.refs), 1);
    tb_hal_release(hal);
    return t_done();
}

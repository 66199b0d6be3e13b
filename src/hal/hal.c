/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* hal.c -- one device, what it answers, and the libraries over it. */
#include "hal/internal.h"

#include "artifact/artifact.h"
#include "vm/processor.h"

/* ---- life ---- */
static void
destroy(tb_vm_object *o)
{
    tb_hal *h = (tb_hal *)o;

    tb_params_release(h->params);
    tb_device_release(h->device);
    tb_heap_free(h->functions);
    tb_heap_free(h);
}

const tb_vm_type tb_hal_device_type = {"hal.device", destroy};

/* Allocators are the device by another name: the last reference to one gives back the
 * device's. */
static void
release_device(tb_vm_object *o)
{
    tb_hal *h = (tb_hal *)((char *)o - offsetof(tb_hal, allocator));

    tb_vm_release(&h->base);
}

const tb_vm_type tb_hal_allocator_type = {"hal.allocator", release_device};

/* ---- libraries ---- */
static const struct {
    tb_vm_import import;
    tb_vm_import_fn *fn;
} imports[] = {
#define X(id, name) {TB_VM_##id, tb_hal_import_##name},
    TB_HAL_IMPORTS(X) TB_HAL_PARAMETER_IMPORTS(X)
#undef X
};
#define X(id, name) +1
enum { N_HAL = TB_HAL_IMPORTS(X), N_PARAMETERS = TB_HAL_PARAMETER_IMPORTS(X) };
#undef X

static void
fill_functions(tb_hal *h)
{
    for (size_t i = 0; i < TB_COUNT(imports); i++) {
        const char *name = tb_vm_import_name(imports[i].import);
        h->functions[i] = (tb_vm_function){.name = strchr(name, '.') + 1,
                                           .cconv = h->release->cconv[imports[i].import],
                                           .fn = imports[i].fn};
    }
}

tb_status
tb_hal_create(tb_device *device, tb_params *params, tb_hal **out)
{
    tb_hal *h = tb_heap(1, sizeof *h);

    if (h)
        h->functions = tb_heap(TB_COUNT(imports), sizeof *h->functions);
    if (!h || !h->functions) {
        tb_heap_free(h);
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a device");
    }
    tb_vm_object_init(&h->base, &tb_hal_device_type);
    tb_vm_object_init(&h->allocator, &tb_hal_allocator_type);
    atomic_store(&h->allocator.refs, 0);
    h->device = tb_device_retain(device);
    h->params = tb_params_retain(params);
    h->release = tb_iree_release_find(NULL);
    fill_functions(h);
    *out = h;
    return NULL;
}

tb_hal *
tb_hal_retain(tb_hal *h)
{
    return (tb_hal *)tb_vm_retain(h ? &h->base : NULL);
}

void
tb_hal_release(tb_hal *h)
{
    tb_vm_release(h ? &h->base : NULL);
}

void
tb_hal_libraries(tb_hal *h, tb_vm_library out[TB_HAL_LIBRARIES])
{
    static const tb_vm_type *const types[] = {
        &tb_hal_allocator_type, &tb_hal_buffer_type,     &tb_hal_view_type,
        &tb_hal_device_type,    &tb_hal_command_buffer_type, &tb_hal_executable_type,
        &tb_hal_fence_type,     &tb_hal_file_type,
    };
    out[0] = (tb_vm_library){.name = "hal",
                             .version = h->release->hal,
                             .functions = h->functions,
                             .n_functions = N_HAL,
                             .types = types,
                             .n_types = TB_COUNT(types),
                             .self = h};
    out[1] = (tb_vm_library){.name = "io_parameters",
                             .functions = h->functions + N_HAL,
                             .n_functions = N_PARAMETERS,
                             .self = h};
}

/* ---- devices ---- */
tb_status
tb_hal_import_devices_count(void *self, const tb_vm_call *c)
{
    (void)self;
    c->results[0].i32 = 1;
    return NULL;
}

/* (number): null beyond the last */
tb_status
tb_hal_import_devices_get(void *self, const tb_vm_call *c)
{
    tb_hal *h = self;

    c->results[0].ref = c->args[0].i32 == 0 ? tb_vm_retain(&h->base) : NULL;
    return NULL;
}

tb_status
tb_hal_import_device_allocator(void *self, const tb_vm_call *c)
{
    tb_hal *h;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &h));
    if (atomic_fetch_add(&h->allocator.refs, 1) == 0)
        tb_vm_retain(&h->base);
    c->results[0].ref = &h->allocator;
    return NULL;
}

/* Whether text is what a pattern of * and ? means. */
static bool
matches(tb_str pattern, tb_str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

    while (t < text.len) {
        if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            from = t;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* False if the question is none that has an answer. */
static bool
answer(const tb_hal *h, tb_str category, tb_str key, int64_t *out)
{
    const char *format = tb_vm_executable_format(tb_cpu_machine());

    if (tb_str_is(category, "hal.device.id")) {
        *out = matches(key, tb_str_c(tb_device_name(h->device)));
        return true;
    }
    if (tb_str_is(category, "hal.executable.format")) {
        *out = format && tb_str_is(key, format);
        return true;
    }
    if (tb_str_is(category, "hal.cpu"))
        return tb_hal_processor_has(key, out);
    if (!tb_str_is(key, "concurrency"))
        return false;
    if (tb_str_is(category, "hal.device"))
        *out = 1; /* queues */
    else if (tb_str_is(category, "hal.dispatch"))
        *out = tb_device_workers(h->device);
    else
        return false;
    return true;
}

/* (device, category, key): (known, answer) */
tb_status
tb_hal_import_device_query(void *self, const tb_vm_call *c)
{
    tb_hal *h;
    tb_vm_buffer *category, *key;
    int64_t value = 0;

    (void)self;
    TRY(tb_vm_arg(c, 0, &tb_hal_device_type, "device", false, &h));
    TRY(tb_vm_arg(c, 1, &tb_vm_buffer_type, "category", false, &category));
    TRY(tb_vm_arg(c, 2, &tb_vm_buffer_type, "key", false, &key));
    c->results[0].i32 = answer(h, tb_hal_text(category), tb_hal_text(key), &value);
    c->results[1].i64 = value;
    return NULL;
}

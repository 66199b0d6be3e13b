/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* instance.c -- sessions of either kind; tensors to what functions of IREE's take, and back. */
#include "guest/internal.h"
#include "hal/hal.h"
#include "runtime/runtime_internal.h"

struct tb_instance {
    tb_program *p;
    tb_session *own;
    tb_vm_state *state; /* of a guest, with its device */
    tb_hal *hal;
    tb_vm_value *values; /* room for the function with the most inputs and results */
};

/* ---- life ---- */
static tb_status
open_guest(tb_instance *s, const tb_session_options *o)
{
    tb_vm_library libraries[TB_HAL_LIBRARIES];
    tb_device *device = o ? o->device : NULL, *made = NULL;
    int most = 0;

    for (int i = 0; i < s->p->n_fns; i++) {
        int n = s->p->fns[i].n_inputs + 2 + s->p->fns[i].n_results;
        most = n > most ? n : most;
    }
    s->values = tb_heap((size_t)most, sizeof *s->values);
    if (!s->values)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a session");
    if (!device)
        TRY(tb_device_create("local-sync", 1, &made));
    tb_status st = tb_hal_create(device ? device : made, o ? o->params : NULL, &s->hal);
    if (made)
        tb_device_release(made);
    if (st)
        return st;
    tb_hal_libraries(s->hal, libraries);
    return tb_vm_state_create(
        s->p->guest,
        &(tb_vm_options){.libraries = libraries, .n_libraries = TB_HAL_LIBRARIES}, &s->state);
}

tb_status
tb_instance_create(tb_program *p, const tb_session_options *options, tb_instance **out)
{
    tb_instance *s = tb_heap(1, sizeof *s);

    *out = NULL;
    if (!s)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a session");
    s->p = tb_program_retain(p);
    tb_status st =
        p->own ? tb_session_create(p->own, options, &s->own) : open_guest(s, options);
    if (st)
        tb_instance_destroy(s);
    else
        *out = s;
    return st;
}

void
tb_instance_destroy(tb_instance *s)
{
    if (!s)
        return;
    if (s->own)
        tb_session_destroy(s->own);
    tb_vm_state_destroy(s->state);
    tb_hal_release(s->hal);
    tb_heap_free(s->values);
    tb_program_release(s->p);
    tb_heap_free(s);
}

tb_session *
tb_instance_own(const tb_instance *s)
{
    return s->own;
}

size_t
tb_instance_transient_bytes(const tb_instance *s, int fn)
{
    return s->own ? tb_session_transient_bytes(s->own, fn) : 0;
}

/* ---- inputs ---- */
static tb_status
wrong_number(const tb_guest_function *f, int i, const tb_tensor *t)
{
    return tb_status_make(TB_INVALID_ARGUMENT,
                          "function '%s', input %d: expected one %s, got rank %d of %s", f->name,
                          i, tb_dtype_name(f->types[i].dtype), t->rank,
                          tb_dtype_name(t->dtype));
}

/* A number in a tensor of rank 0, of the type that the convention says. */
static tb_status
number(const tb_guest_function *f, int i, const tb_tensor *t, tb_vm_value *v)
{
    size_t n = tb_dtype_bytes(f->types[i].dtype);

    if (t->dtype != f->types[i].dtype || t->rank != 0 || t->bytes < n)
        return wrong_number(f, i, t);
    memcpy(v, t->data, n);
    return NULL;
}

static tb_status
give_inputs(tb_instance *s, const tb_guest_function *f, const tb_tensor *inputs)
{
    for (int i = 0; i < f->n_inputs; i++) {
        tb_hal_view *view;
        if (f->args[i] != 'r') {
            TRY(number(f, i, &inputs[i], &s->values[i]));
            continue;
        }
        TRY(tb_hal_view_from_tensor(&inputs[i], &view));
        s->values[i].ref = &view->base;
    }
    return NULL;
}

static void
drop(tb_vm_value *values, const char *letters, int n)
{
    for (int i = 0; i < n; i++)
        if (letters[i] == 'r')
            tb_vm_release(values[i].ref);
}

/* ---- results ---- */
/* Into memory of the caller's, if there is some. */
static tb_status
deliver(const tb_guest_function *f, int i, tb_tensor *got, tb_tensor *out)
{
    size_t n;

    if (!tb_type_bytes(got->dtype, got->rank, got->dims, &n) || n > got->bytes) {
        tb_tensor_release(got);
        return tb_status_make(TB_CORRUPT, "function '%s', result %d: too few bytes for its shape",
                              f->name, i);
    }
    got->bytes = n;
    if (!out->data) {
        *out = *got;
        return NULL;
    }
    size_t room = out->bytes;
    void *data = out->data;
    if (n > room) {
        tb_tensor_release(got);
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "function '%s', result %d takes %zu bytes, %zu are given", f->name,
                              i, n, room);
    }
    if (n)
        memcpy(data, got->data, n);
    tb_tensor_release(got);
    out->data = data;
    out->bytes = room;
    out->dtype = got->dtype;
    out->rank = got->rank;
    memcpy(out->dims, got->dims, sizeof out->dims);
    out->release = NULL;
    return NULL;
}

static void
free_number(tb_tensor *t)
{
    tb_mem_free(&tb_default_allocator, t->data, t->bytes);
}

static tb_status
take_result(const tb_guest_function *f, int i, tb_vm_value v, tb_tensor *out)
{
    tb_tensor got = {.dtype = f->types[f->n_inputs + i].dtype, .release = free_number};

    if (f->results[i] == 'r') {
        tb_hal_view *view = tb_vm_cast(v.ref, &tb_hal_view_type);
        if (!view)
            return tb_status_make(TB_UNSUPPORTED,
                                  "function '%s', result %d is a %s: only tensors can be returned",
                                  f->name, i, v.ref ? v.ref->type->name : "null reference");
        TRY(tb_hal_view_tensor(view, &got));
        return deliver(f, i, &got, out);
    }
    got.bytes = tb_dtype_bytes(got.dtype);
    got.data = tb_mem_alloc(&tb_default_allocator, got.bytes);
    if (!got.data)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a result");
    memcpy(got.data, &v, got.bytes);
    return deliver(f, i, &got, out);
}

/* ---- calls ---- */
static tb_status
run(tb_instance *s, const tb_guest_function *f, tb_vm_value *results)
{
    tb_hal_fence *done = NULL;
    int n = f->n_inputs;

    if (f->waits) {
        done = tb_hal_fence_create();
        if (!done)
            return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a fence");
        s->values[n++].ref = NULL; /* nothing to wait for */
        s->values[n++].ref = (tb_vm_object *)done;
    }
    tb_status st = tb_vm_invoke(s->state, f->number, s->values, (uint32_t)n, results,
                                (uint32_t)f->n_results);
    if (!st && done) {
        bool reached;
        st = tb_hal_fence_wait(done, -1, &reached);
        if (st)
            drop(results, f->results, f->n_results);
    }
    tb_hal_fence_release(done);
    return st;
}

static tb_status
call_guest(tb_instance *s, const tb_guest_function *f, const tb_tensor *inputs, int n_inputs,
           tb_tensor *results, int n_results)
{
    tb_vm_value *out = s->values + f->n_inputs + 2;

    if (n_inputs != f->n_inputs || n_results != f->n_results)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "function '%s' takes %d inputs and gives %d results, not %d and %d",
                              f->name, f->n_inputs, f->n_results, n_inputs, n_results);
    memset(s->values, 0, (size_t)(f->n_inputs + 2 + f->n_results) * sizeof *s->values);
    tb_status st = give_inputs(s, f, inputs);
    if (!st)
        st = run(s, f, out);
    drop(s->values, f->args, f->n_inputs);
    if (st)
        return st;
    for (int i = 0; i < n_results && !st; i++)
        st = take_result(f, i, out[i], &results[i]);
    drop(out, f->results, f->n_results);
    for (int i = 0; i < n_results && st; i++)
        if (results[i].release)
            tb_tensor_release(&results[i]);
    return st;
}

tb_status
tb_instance_call(tb_instance *s, int fn, const tb_tensor *inputs, int n_inputs,
                 tb_tensor *results, int n_results)
{
    if (s->own)
        return tb_session_call(s->own, fn, inputs, n_inputs, results, n_results);
    if (fn < 0 || fn >= s->p->n_fns)
        return tb_status_make(TB_OUT_OF_RANGE, "function %d of %d", fn, s->p->n_fns);
    return call_guest(s, &s->p->fns[fn], inputs, n_inputs, results, n_results);
}

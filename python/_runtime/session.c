/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * session.c -- Session: a module's functions and state.
 *
 * Which tb_instance does a call take? Without state any will do: a stack of idle ones is kept, and
 * a call that finds it empty makes another, so threads never wait. With globals there is
 * one, and `turn` is held while it is used.
 */
#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PyTypeObject *session_type;

/* ---- which tb_instance ---- */

static tb_instance *
create(session_obj *self)
{
    tb_session_options options = {.device = self->device->d,
                                  .params = self->params ? self->params->p : NULL};
    tb_instance *s = NULL;
    tb_status st = tb_instance_create(self->module->m, &options, &s);

    if (st) {
        raise_status(st);
        return NULL;
    }
    /* Room to put it back, made now so that putting back cannot fail. */
    tb_instance **idle = realloc(self->idle, sizeof *idle * (size_t)(self->n_sessions + 1));
    if (!idle) {
        tb_instance_destroy(s);
        PyErr_NoMemory();
        return NULL;
    }
    self->idle = idle;
    if (profile_watch(self->profile, self->module, s) < 0) {
        tb_instance_destroy(s);
        return NULL;
    }
    self->n_sessions++;
    return s;
}

tb_instance *
session_take(session_obj *self)
{
    if (self->turn) {
        if (!PyThread_acquire_lock(self->turn, NOWAIT_LOCK)) {
            Py_BEGIN_ALLOW_THREADS;
            PyThread_acquire_lock(self->turn, WAIT_LOCK);
            Py_END_ALLOW_THREADS;
        }
        return self->first;
    }
    if (self->n_idle)
        return self->idle[--self->n_idle];
    return create(self);
}

void
session_put_back(session_obj *self, tb_instance *s)
{
    if (self->turn)
        PyThread_release_lock(self->turn);
    else
        self->idle[self->n_idle++] = s;
}

/* ---- Python's view ---- */

static PyObject *
session_call(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    session_obj *self = (session_obj *)o;

    if (n < 1) {
        PyErr_SetString(PyExc_TypeError, "call(function, *inputs): no function given");
        return NULL;
    }
    int fn = module_function_index(self->module, args[0]);
    return fn < 0 ? NULL : call_plain(self, fn, args + 1, n - 1);
}

static PyObject *
session_transient(PyObject *o, PyObject *fn)
{
    session_obj *self = (session_obj *)o;
    int i = module_function_index(self->module, fn);
    size_t most = 0;

    if (i < 0)
        return NULL;
    if (self->turn)
        return PyLong_FromSize_t(tb_instance_transient_bytes(self->first, i));
    for (int k = 0; k < self->n_idle; k++) {
        size_t n = tb_instance_transient_bytes(self->idle[k], i);
        most = n > most ? n : most;
    }
    return PyLong_FromSize_t(most);
}

/* ---- state ---- */

/* A view of a global that lasts as long as the session; 0 or -1. */
static int
view_global(session_obj *self, PyObject *index, tb_tensor *t)
{
    long i = PyLong_AsLong(index);

    if (i == -1 && PyErr_Occurred())
        return -1;
    if (i < 0 || i >= self->module->n_globals) {
        PyErr_Format(PyExc_IndexError, "global %ld of a module with %d", i,
                     self->module->n_globals);
        return -1;
    }
    tb_instance *s = session_take(self); /* no call is under way while we look */
    tb_status st = tb_session_global(tb_instance_own(s), (int)i, t);
    session_put_back(self, s);
    if (st) {
        raise_status(st);
        return -1;
    }
    t->release = NULL;
    return 0;
}

static PyObject *
session_global(PyObject *o, PyObject *index)
{
    tb_tensor t = {0};

    return view_global((session_obj *)o, index, &t) < 0 ? NULL : tensor_from_tb(&t, o);
}

static void
copy_in_turn(session_obj *self, void *to, const void *from, size_t n)
{
    tb_instance *s = session_take(self);

    if (n)
        memcpy(to, from, n);
    session_put_back(self, s);
}

/* read_global(index): a copy, of one moment between calls */
static PyObject *
session_read_global(PyObject *o, PyObject *index)
{
    session_obj *self = (session_obj *)o;
    tb_tensor at = {0};

    if (view_global(self, index, &at) < 0)
        return NULL;
    tb_tensor own = at;
    if (tensor_allocate(&own) < 0)
        return PyErr_NoMemory();
    copy_in_turn(self, own.data, at.data, at.bytes);
    return tensor_from_tb(&own, NULL);
}

static int
same_type(const tb_tensor *a, const tb_tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           (a->rank == 0 || memcmp(a->dims, b->dims, sizeof *a->dims * (size_t)a->rank) == 0);
}

/* "4x3xf32" */
static const char *
type_text(char *out, size_t n, const tb_tensor *t)
{
    size_t at = 0;

    for (int i = 0; i < t->rank && at < n; i++)
        at += (size_t)snprintf(out + at, n - at, "%lldx", (long long)t->dims[i]);
    if (at < n)
        snprintf(out + at, n - at, "%s", dtype_info(t->dtype)->name);
    return out;
}

/* write_global(index, array): checked; nothing is written if it does not fit */
static PyObject *
session_write_global(PyObject *o, PyObject *args)
{
    session_obj *self = (session_obj *)o;
    PyObject *index, *value, *result = NULL;
    tb_tensor at = {0}, given;
    in_arg a = {0};
    tb_value_info info;

    if (!PyArg_ParseTuple(args, "OO:write_global", &index, &value) ||
        view_global(self, index, &at) < 0)
        return NULL;
    tb_module_global_info(tb_program_own(self->module->m), (int)PyLong_AsLong(index), &info);
    if (in_convert(value, &info, -1, NULL, &a, &given) == 0) {
        if (!same_type(&at, &given)) {
            char want[400], got[400];
            PyErr_Format(PyExc_ValueError, "state '%s': expected %s, got %s", info.name,
                         type_text(want, sizeof want, &at),
                         type_text(got, sizeof got, &given));
        } else {
            copy_in_turn(self, at.data, given.data, at.bytes);
            result = Py_NewRef(Py_None);
        }
    }
    in_release(&a);
    return result;
}

static PyObject *
session_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"module", "device", "params", "profile", NULL};
    PyObject *module, *device, *params = Py_None, *profile = Py_None;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!|OO:Session", (char **)names,
                                     module_type, &module, device_type, &device, &params,
                                     &profile))
        return NULL;
    if (profile != Py_None && !PyObject_TypeCheck(profile, profile_type)) {
        PyErr_SetString(PyExc_TypeError, "Session: profile: expected a Profile or None");
        return NULL;
    }
    if (params != Py_None && !PyObject_TypeCheck(params, params_type)) {
        PyErr_SetString(PyExc_TypeError, "Session: params: expected a Params or None");
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    session_obj *self = (session_obj *)alloc(type, 0);
    if (!self)
        return NULL;
    self->module = (module_obj *)Py_NewRef(module);
    self->device = (device_obj *)Py_NewRef(device);
    self->profile = profile == Py_None ? NULL : Py_NewRef(profile);
    self->params = params == Py_None ? NULL : (params_obj *)Py_NewRef(params);
    self->first = create(self);
    if (self->first && tb_program_has_state(self->module->m)) {
        self->turn = PyThread_allocate_lock();
        if (!self->turn)
            PyErr_NoMemory();
    } else if (self->first) {
        self->idle[self->n_idle++] = self->first;
    }
    if (!self->first || PyErr_Occurred())
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* No call is under way: it would hold a reference. */
static void
session_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    session_obj *self = (session_obj *)o;

    for (int i = 0; i < self->n_idle; i++)
        tb_instance_destroy(self->idle[i]);
    if (self->n_idle == 0 && self->first)
        tb_instance_destroy(self->first);
    free(self->idle);
    if (self->turn)
        PyThread_free_lock(self->turn);
    Py_XDECREF((PyObject *)self->module);
    Py_XDECREF((PyObject *)self->device);
    Py_XDECREF(self->profile);
    Py_XDECREF((PyObject *)self->params);
    release(o);
    Py_DECREF(type);
}

static PyObject *
get_module(PyObject *o, void *unused)
{
    (void)unused;
    return Py_NewRef((PyObject *)((session_obj *)o)->module);
}

static PyObject *
get_device(PyObject *o, void *unused)
{
    (void)unused;
    return Py_NewRef((PyObject *)((session_obj *)o)->device);
}

static PyObject *
get_params(PyObject *o, void *unused)
{
    session_obj *self = (session_obj *)o;

    (void)unused;
    return Py_NewRef(self->params ? (PyObject *)self->params : Py_None);
}

static PyMethodDef session_methods[] = {
    {"call", (PyCFunction)(void (*)(void))session_call, METH_FASTCALL,
     "call(function, *inputs): None, a Tensor or a tuple of Tensor"},
    {"bind", (PyCFunction)(void (*)(void))session_bind, METH_VARARGS | METH_KEYWORDS,
     "bind(function, torch=False, ...): a callable of the inputs; bound.c"},
    {"transient_bytes", session_transient, METH_O,
     "transient_bytes(function): memory planned by its last call"},
    {"global_", session_global, METH_O, "global_(index): a view of a mutable global"},
    {"read_global", session_read_global, METH_O, "read_global(index): a copy of it"},
    {"write_global", session_write_global, METH_VARARGS,
     "write_global(index, array): gives it the values of an array of the same type"},
    {0},
};

static PyGetSetDef session_getset[] = {
    {"module", get_module, NULL, "the Module", NULL},
    {"device", get_device, NULL, "the Device", NULL},
    {"params", get_params, NULL, "the Params, or None", NULL},
    {0},
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc, (void *)"Session(module, device, params=None, profile=None): calls a module's "
                        "functions. Thread-safe."},
    {Py_tp_new, session_new},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_getset},
    {0},
};

static PyType_Spec session_spec = {
    .name = "shark_turbine._runtime.Session",
    .basicsize = sizeof(session_obj),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = session_slots,
};

int
session_init(PyObject *module)
{
    session_type = add_type(module, &session_spec);
    return session_type ? 0 : -1;
}

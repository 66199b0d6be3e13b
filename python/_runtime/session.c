/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * session.c -- Session: calls.
 *
 * A call converts its arguments (convert.c), takes a tb_session, lets go of the GIL, runs,
 * and wraps the results, either as Tensor or as torch.Tensor (torch.c).
 *
 * Which tb_session? Without mutable globals any will do: a stack of idle ones is kept, and
 * a call that finds it empty makes another, so threads never wait. With globals there is
 * one, and `turn` is held while it is used.
 */
#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PyTypeObject *session_type;
PyTypeObject *bound_type;

typedef struct session_obj {
    PyObject_HEAD
    module_obj *module;
    device_obj *device;
    tb_session *first;        /* the one whose globals are shown */
    tb_session **idle;        /* stack, guarded by the GIL */
    int n_idle, n_sessions;
    PyThread_type_lock turn;  /* modules with globals only */
} session_obj;

/* What session.bind() makes: the `self` of a built-in function. */
typedef struct bound_obj {
    PyObject_HEAD
    session_obj *session;
    int fn;
    int as_torch;
} bound_obj;

/* ---- which tb_session ---- */

static tb_session *
create(session_obj *self)
{
    tb_session_options options = {.device = self->device->d};
    tb_session *s = NULL;
    tb_status st = tb_session_create(self->module->m, &options, &s);

    if (st) {
        raise_status(st);
        return NULL;
    }
    /* Room to put it back, made now so that putting back cannot fail. */
    tb_session **idle = realloc(self->idle, sizeof *idle * (size_t)(self->n_sessions + 1));
    if (!idle) {
        tb_session_destroy(s);
        PyErr_NoMemory();
        return NULL;
    }
    self->idle = idle;
    self->n_sessions++;
    return s;
}

static tb_session *
take(session_obj *self)
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

static void
put_back(session_obj *self, tb_session *s)
{
    if (self->turn)
        PyThread_release_lock(self->turn);
    else
        self->idle[self->n_idle++] = s;
}

/* ---- one call ---- */

enum { FEW = 8 }; /* inputs and results up to here live on the C stack */

typedef struct call {
    session_obj *self;
    int fn, n_inputs, n_results;
    const fn_info *info;
    in_arg *args;
    tb_tensor *inputs, *results;
    torch_block **blocks; /* torch results only */
    in_arg few_args[FEW];
    tb_tensor few_inputs[FEW], few_results[FEW];
    torch_block *few_blocks[FEW];
    int n_converted;
    void *many;
} call;

/* More than FEW: one allocation for everything. */
static int
make_room(call *c, int n_in, int n_out)
{
    c->n_inputs = n_in;
    c->n_results = n_out;
    c->args = c->few_args;
    c->inputs = c->few_inputs;
    c->results = c->few_results;
    c->blocks = c->few_blocks;
    c->many = NULL;
    c->n_converted = 0;
    if (n_in <= FEW && n_out <= FEW)
        return 0;
    size_t in = (size_t)n_in, out = (size_t)n_out;
    char *p = c->many = malloc(in * (sizeof(in_arg) + sizeof(tb_tensor)) +
                               out * (sizeof(tb_tensor) + sizeof(torch_block *)));
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    c->args = (in_arg *)p;
    c->inputs = (tb_tensor *)(p += in * sizeof(in_arg));
    c->results = (tb_tensor *)(p += in * sizeof(tb_tensor));
    c->blocks = (torch_block **)(p += out * sizeof(tb_tensor));
    return 0;
}

static void
clean_up(call *c)
{
    for (int i = 0; i < c->n_converted; i++)
        in_release(&c->args[i]);
    free(c->many);
}

static int
convert_inputs(call *c, PyObject *const *objects)
{
    for (int i = 0; i < c->n_inputs; i++) {
        const tb_value_info *want = i < c->info->n_inputs ? &c->info->inputs[i] : NULL;
        int r = in_convert(objects[i], want, i, &c->args[i], &c->inputs[i]);
        c->n_converted = i + 1;
        if (r < 0)
            return -1;
    }
    return 0;
}

static int
invoke(call *c)
{
    tb_session *s = take(c->self);
    tb_status st;

    if (!s)
        return -1;
    Py_BEGIN_ALLOW_THREADS;
    st = tb_session_call(s, c->fn, c->inputs, c->n_inputs, c->results, c->n_results);
    Py_END_ALLOW_THREADS;
    put_back(c->self, s);
    if (!st)
        return 0;
    raise_status(st);
    return -1;
}

/* None, one Tensor or a tuple */
static PyObject *
finish_tensors(call *c)
{
    PyObject *tuple = NULL;

    if (c->n_results == 0)
        Py_RETURN_NONE;
    if (c->n_results == 1)
        return tensor_from_tb(&c->results[0], NULL);
    tuple = PyTuple_New(c->n_results);
    for (int i = 0; i < c->n_results; i++) {
        PyObject *o = tuple ? tensor_from_tb(&c->results[i], NULL) : NULL;
        if (!o || PyTuple_SetItem(tuple, i, o) < 0) {
            for (int k = i; k < c->n_results; k++)
                tb_tensor_release(&c->results[k]);
            Py_CLEAR(tuple);
            break;
        }
    }
    return tuple;
}

static PyObject *
run(call *c, PyObject *const *objects)
{
    PyObject *out = NULL;

    if (convert_inputs(c, objects) == 0) {
        for (int i = 0; i < c->n_results; i++) {
            c->results[i].data = NULL;
            c->results[i].bytes = 0;
            c->results[i].release = NULL;
        }
        if (invoke(c) == 0)
            out = finish_tensors(c);
    }
    clean_up(c);
    return out;
}

/* A result whose size is known is written straight into the memory torch will own. */
static int
make_blocks(call *c)
{
    for (int i = 0; i < c->n_results; i++)
        c->blocks[i] = NULL;
    for (int i = 0; i < c->n_results; i++) {
        torch_block *b =
            torch_block_new(&c->info->results[i], c->info->result_bytes[i]);
        if (!b) {
            PyErr_NoMemory();
            return -1;
        }
        c->blocks[i] = b;
        c->results[i].data = b->t.data;
        c->results[i].bytes = b->t.bytes;
        c->results[i].release = NULL;
    }
    return 0;
}

static PyObject *
finish_blocks(call *c, const DLPackExchangeAPI *api)
{
    PyObject *tuple = PyTuple_New(c->n_results);

    for (int i = 0; i < c->n_results; i++) {
        torch_block *b = c->blocks[i];
        c->blocks[i] = NULL;
        b->t = c->results[i];
        if (!tuple) {
            torch_block_free(b);
            continue;
        }
        PyObject *o = torch_block_finish(b, api);
        if (!o || PyTuple_SetItem(tuple, i, o) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *
run_torch(call *c, PyObject *const *objects)
{
    const DLPackExchangeAPI *api = torch_api();
    PyObject *out = NULL;

    for (int i = 0; i < c->n_results; i++)
        c->blocks[i] = NULL;
    if (api && convert_inputs(c, objects) == 0 && make_blocks(c) == 0 && invoke(c) == 0)
        out = finish_blocks(c, api);
    for (int i = 0; i < c->n_results; i++)
        torch_block_free(c->blocks[i]);
    clean_up(c);
    return out;
}

static PyObject *
call_function(session_obj *self, int fn, int as_torch, PyObject *const *objects,
              Py_ssize_t n)
{
    call c;

    c.self = self;
    c.fn = fn;
    c.info = &self->module->fns[fn];
    if (n > INT32_MAX / 2) {
        PyErr_SetString(PyExc_ValueError, "too many arguments");
        return NULL;
    }
    if (make_room(&c, (int)n, c.info->n_results) < 0)
        return NULL;
    return as_torch ? run_torch(&c, objects) : run(&c, objects);
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
    return fn < 0 ? NULL : call_function(self, fn, 0, args + 1, n - 1);
}

/* call_torch(fn, inputs): the inputs come as one sequence. A copy of a list is made, for
 * another thread may change it while the GIL is released. */
static PyObject *
session_call_torch(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    session_obj *self = (session_obj *)o;
    PyObject *few[FEW], **objects = few, *result = NULL;

    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "call_torch(function, inputs): two arguments");
        return NULL;
    }
    int fn = module_function_index(self->module, args[0]);
    if (fn < 0)
        return NULL;
    PyObject *tuple = PySequence_Tuple(args[1]);
    if (!tuple)
        return NULL;
    Py_ssize_t count = PyTuple_Size(tuple);
    if (count > FEW)
        objects = PyMem_Malloc(sizeof *objects * (size_t)count);
    if (!objects) {
        PyErr_NoMemory();
    } else {
        for (Py_ssize_t i = 0; i < count; i++)
            objects[i] = PyTuple_GetItem(tuple, i);
        result = call_function(self, fn, 1, objects, count);
    }
    if (objects != few)
        PyMem_Free(objects);
    Py_DECREF(tuple);
    return result;
}

static PyObject *
bound_call(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    bound_obj *b = (bound_obj *)o;

    return call_function(b->session, b->fn, b->as_torch, args, n);
}

static PyMethodDef bound_def = {"turbine_function",
                                (PyCFunction)(void (*)(void))bound_call, METH_FASTCALL,
                                "one function of a session"};

/* bind(function, torch=False): a built-in function, the fastest thing Python can call. */
static PyObject *
session_bind(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"function", "torch", NULL};
    session_obj *self = (session_obj *)o;
    PyObject *name, *function;
    int as_torch = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:bind", (char **)names, &name, &as_torch))
        return NULL;
    int fn = module_function_index(self->module, name);
    if (fn < 0 || (as_torch && !torch_api()))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(bound_type, Py_tp_alloc);
    bound_obj *b = (bound_obj *)alloc(bound_type, 0);
    if (!b)
        return NULL;
    b->session = (session_obj *)Py_NewRef(o);
    b->fn = fn;
    b->as_torch = as_torch;
    function = PyCFunction_NewEx(&bound_def, (PyObject *)b, NULL);
    Py_DECREF(b);
    return function;
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
        return PyLong_FromSize_t(tb_session_transient_bytes(self->first, i));
    for (int k = 0; k < self->n_idle; k++) {
        size_t n = tb_session_transient_bytes(self->idle[k], i);
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
    tb_session *s = take(self); /* no call is under way while we look */
    tb_status st = tb_session_global(s, (int)i, t);
    put_back(self, s);
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
    tb_session *s = take(self);

    if (n)
        memcpy(to, from, n);
    put_back(self, s);
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
    tb_module_global_info(self->module->m, (int)PyLong_AsLong(index), &info);
    if (in_convert(value, &info, -1, &a, &given) == 0) {
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
    static const char *const names[] = {"module", "device", NULL};
    PyObject *module, *device;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:Session", (char **)names, module_type,
                                     &module, device_type, &device))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    session_obj *self = (session_obj *)alloc(type, 0);
    if (!self)
        return NULL;
    self->module = (module_obj *)Py_NewRef(module);
    self->device = (device_obj *)Py_NewRef(device);
    self->first = create(self);
    if (self->first && self->module->n_globals) {
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
        tb_session_destroy(self->idle[i]);
    if (self->n_idle == 0 && self->first)
        tb_session_destroy(self->first);
    free(self->idle);
    if (self->turn)
        PyThread_free_lock(self->turn);
    Py_XDECREF((PyObject *)self->module);
    Py_XDECREF((PyObject *)self->device);
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

static void
bound_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    Py_XDECREF((PyObject *)((bound_obj *)o)->session);
    release(o);
    Py_DECREF(type);
}

static PyMethodDef session_methods[] = {
    {"call", (PyCFunction)(void (*)(void))session_call, METH_FASTCALL,
     "call(function, *inputs): None, a Tensor or a tuple of Tensor"},
    {"call_torch", (PyCFunction)(void (*)(void))session_call_torch, METH_FASTCALL,
     "call_torch(function, inputs): tuple of torch.Tensor"},
    {"bind", (PyCFunction)(void (*)(void))session_bind, METH_VARARGS | METH_KEYWORDS,
     "bind(function, torch=False): a callable of the inputs; with torch=True it returns "
     "a tuple of torch.Tensor"},
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
    {0},
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc, (void *)"Session(module, device): calls a module's functions. Thread-safe."},
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

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, bound_dealloc},
    {0},
};

static PyType_Spec bound_spec = {
    .name = "shark_turbine._runtime.Bound",
    .basicsize = sizeof(bound_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

int
session_init(PyObject *module)
{
    session_type = add_type(module, &session_spec);
    bound_type = session_type ? add_type(module, &bound_spec) : NULL;
    return bound_type ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * program.c -- Module: a loaded .vmfb and what it says about its functions.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

PyTypeObject *module_type;

static size_t
static_bytes(const tb_value_info *info)
{
    size_t n = dtype_info(info->dtype)->bytes;

    for (int i = 0; i < info->rank; i++) {
        if (info->dims[i] < 0 || __builtin_mul_overflow(n, (size_t)info->dims[i], &n))
            return SIZE_MAX;
    }
    return n;
}

static int
learn_function(tb_program *m, int fn, fn_info *f)
{
    f->n_inputs = tb_program_input_count(m, fn);
    f->n_results = tb_program_result_count(m, fn);
    f->inputs = calloc((size_t)f->n_inputs + 1, sizeof *f->inputs);
    f->results = calloc((size_t)f->n_results + 1, sizeof *f->results);
    f->result_bytes = calloc((size_t)f->n_results + 1, sizeof *f->result_bytes);
    f->spares = calloc((size_t)f->n_results + 1, sizeof *f->spares);
    if (!f->inputs || !f->results || !f->result_bytes || !f->spares)
        return -1;
    f->is_static = tb_program_own(m) != NULL; /* of IREE's nobody knows how long they take */
    for (int i = 0; i < f->n_inputs; i++) {
        tb_program_input_info(m, fn, i, &f->inputs[i]);
        f->is_static &= static_bytes(&f->inputs[i]) != SIZE_MAX;
    }
    for (int i = 0; i < f->n_results; i++) {
        tb_program_result_info(m, fn, i, &f->results[i]);
        f->result_bytes[i] = static_bytes(&f->results[i]);
        f->is_static &= f->result_bytes[i] != SIZE_MAX;
        f->spares[i] = block_spare_new(f->result_bytes[i]);
    }
    return 0;
}

static void
forget(module_obj *self)
{
    for (int i = 0; self->fns && i < self->n_fns; i++) {
        free(self->fns[i].inputs);
        free(self->fns[i].results);
        free(self->fns[i].result_bytes);
        for (int r = 0; self->fns[i].spares && r < self->fns[i].n_results; r++)
            block_spare_release(self->fns[i].spares[r]);
        free(self->fns[i].spares);
    }
    free(self->fns);
    tb_program_release(self->m);
}

/* Takes over m. */
static PyObject *
wrap(tb_program *m)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(module_type, Py_tp_alloc);
    module_obj *self = (module_obj *)alloc(module_type, 0);

    if (!self) {
        tb_program_release(m);
        return NULL;
    }
    self->m = m;
    self->n_globals = tb_program_own(m) ? tb_module_global_count(tb_program_own(m)) : 0;
    self->n_fns = tb_program_function_count(m);
    self->fns = calloc((size_t)self->n_fns + 1, sizeof *self->fns);
    for (int i = 0; i < self->n_fns; i++) {
        if (!self->fns || learn_function(m, i, &self->fns[i]) < 0) {
            Py_DECREF(self);
            return PyErr_NoMemory();
        }
    }
    return (PyObject *)self;
}

static void
module_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    forget((module_obj *)o);
    release(o);
    Py_DECREF(type);
}

static PyObject *
from_file(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"path", "verify_weights", NULL};
    PyObject *path;
    int verify = 0;
    tb_program *m = NULL;
    tb_status st;

    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|p:from_file", (char **)names,
                                     PyUnicode_FSConverter, &path, &verify))
        return NULL;
    const char *text = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS;
    st = tb_program_load_file(text, verify ? TB_LOAD_VERIFY_WEIGHTS : 0, &m);
    Py_END_ALLOW_THREADS;
    Py_DECREF(path);
    if (st) {
        raise_status_as(st, PyExc_FileNotFoundError, NULL);
        return NULL;
    }
    return wrap(m);
}

/* Bytes that a module borrows from a Python object. */
typedef struct lender {
    Py_buffer view;
    PyObject *on_release; /* called without arguments when the bytes go back, or NULL */
} lender;

static void
give_back(void *user)
{
    lender *l = user;
    PyGILState_STATE gil = PyGILState_Ensure();

    PyBuffer_Release(&l->view);
    if (l->on_release) {
        PyObject *r = PyObject_CallNoArgs(l->on_release);
        if (!r)
            PyErr_WriteUnraisable(l->on_release);
        Py_XDECREF(r);
        Py_DECREF(l->on_release);
    }
    free(l);
    PyGILState_Release(gil);
}

static PyObject *
from_buffer(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"buffer", "copy", "on_release", "verify_weights", NULL};
    PyObject *object, *on_release = Py_None;
    int copy = 0, verify = 0, flags;
    tb_program *m = NULL;
    tb_status st;

    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|pOp:from_buffer", (char **)names, &object,
                                     &copy, &on_release, &verify))
        return NULL;
    lender *l = calloc(1, sizeof *l);
    if (!l)
        return PyErr_NoMemory();
    if (PyObject_GetBuffer(object, &l->view, PyBUF_SIMPLE) < 0) {
        free(l);
        return NULL;
    }
    if (!copy && (uintptr_t)l->view.buf % TB_DATA_ALIGN) {
        PyErr_Format(PyExc_ValueError,
                     "VmModule received an unaligned buffer at %p, expected alignment %d",
                     l->view.buf, TB_DATA_ALIGN);
        PyBuffer_Release(&l->view);
        free(l);
        return NULL;
    }
    l->on_release = on_release == Py_None ? NULL : Py_NewRef(on_release);
    flags = (copy ? TB_LOAD_COPY : 0) | (verify ? TB_LOAD_VERIFY_WEIGHTS : 0);
    const void *bytes = l->view.buf;
    size_t n = (size_t)l->view.len;
    Py_BEGIN_ALLOW_THREADS;
    st = tb_program_load_memory(bytes, n, flags, give_back, l, &m);
    Py_END_ALLOW_THREADS;
    if (st) {
        raise_status(st);
        return NULL;
    }
    return wrap(m);
}

int
module_function_index(module_obj *m, PyObject *fn)
{
    if (PyLong_Check(fn)) {
        long i = PyLong_AsLong(fn);
        if (i == -1 && PyErr_Occurred())
            return -1;
        if (i >= 0 && i < m->n_fns)
            return (int)i;
        PyErr_Format(PyExc_IndexError, "function %ld of a module with %d", i, m->n_fns);
        return -1;
    }
    if (!PyUnicode_Check(fn)) {
        PyErr_Format(PyExc_TypeError, "function: expected its name or index, found %R", fn);
        return -1;
    }
    const char *name = PyUnicode_AsUTF8AndSize(fn, NULL);
    int i = name ? tb_program_find_function(m->m, name) : -1;
    if (i < 0 && !PyErr_Occurred())
        PyErr_Format(PyExc_KeyError, "function '%s' not found in module '%s'", name,
                     tb_program_name(m->m));
    return i;
}

/* (name, dtype, dims, mins, maxs); a dynamic dimension is -1 */
static PyObject *
describe(const tb_value_info *v)
{
    PyObject *lists[3] = {PyList_New(0), PyList_New(0), PyList_New(0)};
    const int64_t *values[3] = {v->dims, v->dim_min, v->dim_max};
    PyObject *result = NULL;

    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < v->rank; i++) {
            PyObject *n = PyLong_FromLongLong(values[k][i]);
            if (!n || !lists[k] || PyList_Append(lists[k], n) < 0) {
                Py_XDECREF(n);
                goto out;
            }
            Py_DECREF(n);
        }
    }
    if (lists[0] && lists[1] && lists[2])
        result = Py_BuildValue("(ssOOO)", v->name ? v->name : "", dtype_info(v->dtype)->name,
                               lists[0], lists[1], lists[2]);
out:
    for (int k = 0; k < 3; k++)
        Py_XDECREF(lists[k]);
    return result;
}

static PyObject *
describe_all(const tb_value_info *values, int n)
{
    PyObject *list = PyList_New(0);

    for (int i = 0; list && i < n; i++) {
        PyObject *item = describe(&values[i]);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
module_inputs(PyObject *o, PyObject *fn)
{
    module_obj *self = (module_obj *)o;
    int i = module_function_index(self, fn);

    return i < 0 ? NULL : describe_all(self->fns[i].inputs, self->fns[i].n_inputs);
}

static PyObject *
module_results(PyObject *o, PyObject *fn)
{
    module_obj *self = (module_obj *)o;
    int i = module_function_index(self, fn);

    return i < 0 ? NULL : describe_all(self->fns[i].results, self->fns[i].n_results);
}

static PyObject *
module_attr(PyObject *o, PyObject *args)
{
    module_obj *self = (module_obj *)o;
    PyObject *fn;
    const char *key;

    if (!PyArg_ParseTuple(args, "Os:function_attr", &fn, &key))
        return NULL;
    int i = module_function_index(self, fn);
    if (i < 0)
        return NULL;
    const char *value = tb_program_function_attr(self->m, i, key);
    if (!value)
        Py_RETURN_NONE;
    return PyUnicode_FromString(value);
}

static PyObject *
get_functions(PyObject *o, void *unused)
{
    module_obj *self = (module_obj *)o;
    PyObject *list = PyList_New(0);

    (void)unused;
    for (int i = 0; list && i < self->n_fns; i++) {
        PyObject *name = PyUnicode_FromString(tb_program_function_name(self->m, i));
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *
get_globals(PyObject *o, void *unused)
{
    module_obj *self = (module_obj *)o;
    PyObject *list = PyList_New(0);

    (void)unused;
    for (int i = 0; list && i < self->n_globals; i++) {
        tb_value_info info;
        tb_module_global_info(tb_program_own(self->m), i, &info);
        PyObject *item = describe(&info);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* (scope, name, dtype, dims) of what sessions have to be given */
static PyObject *
get_parameters(PyObject *o, void *unused)
{
    module_obj *self = (module_obj *)o;
    PyObject *list = PyList_New(0);

    (void)unused;
    tb_module *m = tb_program_own(self->m); /* IREE's do not tell */
    for (int i = 0; list && m && i < tb_module_parameter_count(m); i++) {
        tb_value_info info;
        const char *scope;
        tb_module_parameter_info(m, i, &scope, &info);
        PyObject *all = describe(&info);
        PyObject *item = all ? Py_BuildValue("(sOOO)", scope, PyTuple_GetItem(all, 0),
                                             PyTuple_GetItem(all, 1), PyTuple_GetItem(all, 2))
                             : NULL;
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(all);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
get_module_name(PyObject *o, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(tb_program_name(((module_obj *)o)->m));
}

static PyObject *
get_target(PyObject *o, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(tb_program_target(((module_obj *)o)->m));
}

static PyMethodDef module_methods[] = {
    {"from_file", (PyCFunction)(void (*)(void))from_file,
     METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     "from_file(path, verify_weights=False): map a .vmfb file"},
    {"from_buffer", (PyCFunction)(void (*)(void))from_buffer,
     METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     "from_buffer(buffer, copy=False, on_release=None, verify_weights=False)"},
    {"inputs", module_inputs, METH_O,
     "inputs(function): list of (name, dtype, dims, dim_min, dim_max)"},
    {"results", module_results, METH_O,
     "results(function): list of (name, dtype, dims, dim_min, dim_max)"},
    {"function_attr", module_attr, METH_VARARGS, "function_attr(function, key) or None"},
    {0},
};

static PyGetSetDef module_getset[] = {
    {"name", get_module_name, NULL, "the module's name", NULL},
    {"target", get_target, NULL, "the CPU level chosen among those in the file", NULL},
    {"functions", get_functions, NULL, "names of all functions", NULL},
    {"parameters", get_parameters, NULL,
     "(scope, name, dtype, dims) of the tensors that sessions are given", NULL},
    {"globals", get_globals, NULL, "mutable globals, described like inputs", NULL},
    {0},
};

static PyType_Slot module_slots[] = {
    {Py_tp_doc, (void *)"A loaded .vmfb. Immutable; shared by sessions and threads."},
    {Py_tp_dealloc, module_dealloc},
    {Py_tp_methods, module_methods},
    {Py_tp_getset, module_getset},
    {0},
};

static PyType_Spec module_spec = {
    .name = "shark_turbine._runtime.Module",
    .basicsize = sizeof(module_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = module_slots,
};

int
module_init(PyObject *module)
{
    module_type = add_type(module, &module_spec);
    return module_type ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * params.c -- Params: named tensors that sessions take a module's parameters from.
 */
#include "binding.h"

#include <stdlib.h>

PyTypeObject *params_type;

/* Bytes that the set borrows from a Python object. */
static void
give_back(void *user)
{
    Py_buffer *view = user;
    PyGILState_STATE gil = PyGILState_Ensure();

    PyBuffer_Release(view);
    free(view);
    PyGILState_Release(gil);
}

static Py_buffer *
borrow(PyObject *o)
{
    Py_buffer *view = calloc(1, sizeof *view);

    if (!view) {
        PyErr_NoMemory();
        return NULL;
    }
    if (PyObject_GetBuffer(o, view, PyBUF_SIMPLE) == 0)
        return view;
    free(view);
    return NULL;
}

static PyObject *
params_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {NULL};
    tb_params *p = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Params", (char **)names))
        return NULL;
    tb_status st = tb_params_create(&p);
    if (st) {
        raise_status(st);
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    params_obj *self = (params_obj *)alloc(type, 0);
    if (self)
        self->p = p;
    else
        tb_params_release(p);
    return (PyObject *)self;
}

static void
params_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    tb_params_release(((params_obj *)o)->p);
    release(o);
    Py_DECREF(type);
}

static PyObject *
add_file(PyObject *o, PyObject *args)
{
    const char *scope;
    PyObject *path;
    tb_status st;

    if (!PyArg_ParseTuple(args, "zO&:add_file", &scope, PyUnicode_FSConverter, &path))
        return NULL;
    st = tb_params_add_file(((params_obj *)o)->p, scope, PyBytes_AsString(path));
    Py_DECREF(path);
    if (st) {
        raise_status_as(st, PyExc_FileNotFoundError, NULL);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
add_buffer(PyObject *o, PyObject *args)
{
    const char *scope;
    PyObject *object;

    if (!PyArg_ParseTuple(args, "zO:add_buffer", &scope, &object))
        return NULL;
    Py_buffer *view = borrow(object);
    if (!view)
        return NULL;
    tb_status st = tb_params_add_memory(((params_obj *)o)->p, scope, view->buf,
                                        (size_t)view->len, give_back, view);
    if (st) {
        raise_status(st);
        return NULL;
    }
    Py_RETURN_NONE;
}

/* add_tensor(scope, name, dtype or None, dims, buffer) */
static PyObject *
add_tensor(PyObject *o, PyObject *args)
{
    const char *scope, *name, *dtype;
    PyObject *dims, *object;
    tb_tensor t = {0};

    if (!PyArg_ParseTuple(args, "zszOO:add_tensor", &scope, &name, &dtype, &dims, &object))
        return NULL;
    if (dtype && (t.dtype = dtype_from_name(dtype)) == TB_NONE) {
        PyErr_Format(PyExc_ValueError, "add_tensor: unknown type '%s'", dtype);
        return NULL;
    }
    Py_ssize_t rank = PySequence_Size(dims);
    if (rank < 0 || rank > TB_MAX_RANK) {
        if (rank >= 0)
            PyErr_Format(PyExc_ValueError, "add_tensor: rank %zd", rank);
        return NULL;
    }
    t.rank = (int32_t)rank;
    for (Py_ssize_t i = 0; i < rank; i++) {
        PyObject *item = PySequence_GetItem(dims, i);
        t.dims[i] = item ? PyLong_AsLongLong(item) : -1;
        Py_XDECREF(item);
        if (PyErr_Occurred())
            return NULL;
    }
    Py_buffer *view = borrow(object);
    if (!view)
        return NULL;
    t.data = view->buf;
    t.bytes = (size_t)view->len;
    tb_status st =
        tb_params_add_tensor(((params_obj *)o)->p, scope, name, &t, give_back, view);
    if (st) {
        raise_status(st);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef params_methods[] = {
    {"add_file", add_file, METH_VARARGS,
     "add_file(scope, path): maps a .safetensors file; scope None answers for any"},
    {"add_buffer", add_buffer, METH_VARARGS,
     "add_buffer(scope, buffer): the same of bytes, which are borrowed"},
    {"add_tensor", add_tensor, METH_VARARGS,
     "add_tensor(scope, name, dtype, dims, buffer): one tensor, borrowed; dtype None checks "
     "the number of bytes alone"},
    {0},
};

static PyType_Slot params_slots[] = {
    {Py_tp_doc, (void *)"Params(): named tensors for sessions. Filled before it is used."},
    {Py_tp_new, params_new},
    {Py_tp_dealloc, params_dealloc},
    {Py_tp_methods, params_methods},
    {0},
};

static PyType_Spec params_spec = {
    .name = "shark_turbine._runtime.Params",
    .basicsize = sizeof(params_obj),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = params_slots,
};

int
params_init(PyObject *module)
{
    params_type = add_type(module, &params_spec);
    return params_type ? 0 : -1;
}

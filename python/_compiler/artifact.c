/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * artifact.c -- Artifact: the bytes of a .vmfb, or of an object.
 *
 * The runtime uses a .vmfb where it is: its bytes start at a multiple of 64, as the compiler
 * wrote them.
 */
#include "binding.h"

#include <stdlib.h>

PyTypeObject *artifact_type;

typedef struct artifact_obj {
    PyObject_HEAD
    void *bytes;
    size_t n;
} artifact_obj;

PyObject *
artifact_from_buf(tb_buf *b)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(artifact_type, Py_tp_alloc);
    artifact_obj *self = (artifact_obj *)alloc(artifact_type, 0);

    if (self) {
        self->n = b->n;
        self->bytes = b->at; /* from malloc, as in dealloc */
        *b = (tb_buf){0};
    }
    tb_buf_free(b);
    return (PyObject *)self;
}

static void
dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free(((artifact_obj *)o)->bytes);
    release(o);
    Py_DECREF((PyObject *)type);
}

static int
get_buffer(PyObject *o, Py_buffer *view, int flags)
{
    artifact_obj *self = (artifact_obj *)o;

    return PyBuffer_FillInfo(view, o, self->bytes, (Py_ssize_t)self->n, 1, flags);
}

static Py_ssize_t
length(PyObject *o)
{
    return (Py_ssize_t)((artifact_obj *)o)->n;
}

static PyObject *
map_memory(PyObject *o, PyObject *unused)
{
    (void)unused;
    return PyMemoryView_FromObject(o);
}

static PyObject *
save(PyObject *o, PyObject *arg)
{
    artifact_obj *self = (artifact_obj *)o;
    PyObject *path;
    tb_status st;

    if (!PyUnicode_FSConverter(arg, &path))
        return NULL;
    const char *text = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS;
    st = tb_file_write(text, self->bytes, self->n);
    Py_END_ALLOW_THREADS;
    Py_DECREF(path);
    if (st) {
        raise_status(st);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"map_memory", map_memory, METH_NOARGS, "a memoryview of the bytes, 64-byte aligned"},
    {"save", save, METH_O, "save(path): readers see the old file or the whole new one"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"A compiled program: the bytes of a .vmfb or an object."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_bf_getbuffer, get_buffer},
    {Py_sq_length, length},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "shark_turbine._compiler.Artifact",
    .basicsize = sizeof(artifact_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int
artifact_init(PyObject *module)
{
    artifact_type = add_type(module, &spec);
    return artifact_type ? 0 : -1;
}

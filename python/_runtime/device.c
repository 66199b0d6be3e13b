/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * device.c -- Device(uri, workers=0, openmp=False): who executes.
 */
#include "binding.h"

PyTypeObject *device_type;

static PyObject *
device_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"uri", "workers", "openmp", NULL};
    const char *uri;
    int workers = 0, openmp = 0;
    tb_device *d = NULL;
    tb_status st;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|ip:Device", (char **)names, &uri, &workers,
                                     &openmp))
        return NULL;
    openmp = openmp && strcmp(uri, "local-task") == 0;
    st = openmp ? openmp_device(workers, &d) : tb_device_create(uri, workers, &d);
    if (st) {
        raise_status(st);
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    device_obj *self = (device_obj *)alloc(type, 0);
    if (!self) {
        tb_device_release(d);
        return NULL;
    }
    self->d = d;
    self->spreads = tb_device_workers(d) > 1;
    return (PyObject *)self;
}

static void
device_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    tb_device_release(((device_obj *)o)->d);
    release(o);
    Py_DECREF(type);
}

static PyObject *
device_repr(PyObject *o)
{
    return PyUnicode_FromString(tb_device_name(((device_obj *)o)->d));
}

static PyObject *
get_name(PyObject *o, void *unused)
{
    (void)unused;
    return device_repr(o);
}

static PyObject *
get_workers(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromLong(tb_device_workers(((device_obj *)o)->d));
}

static int
set_workers(PyObject *o, PyObject *value, void *unused)
{
    long n = value ? PyLong_AsLong(value) : 0;

    (void)unused;
    if (PyErr_Occurred())
        return -1;
    if (n < 1 || n > 1 << 16) {
        PyErr_Format(PyExc_ValueError, "workers: expected a number from 1, found %ld", n);
        return -1;
    }
    tb_device_set_workers(((device_obj *)o)->d, (int)n);
    return 0;
}

static PyGetSetDef device_getset[] = {
    {"name", get_name, NULL, "driver name, such as 'local-task'", NULL},
    {"workers", get_workers, set_workers,
     "threads that take part in a call, the calling one included", NULL},
    {0},
};

static PyType_Slot device_slots[] = {
    {Py_tp_doc, (void *)"Device(uri, workers=0, openmp=False): 'local-sync' or 'local-task'; "
                        "openmp: on OpenMP's threads, torch's, where there are any"},
    {Py_tp_new, device_new},
    {Py_tp_dealloc, device_dealloc},
    {Py_tp_repr, device_repr},
    {Py_tp_str, device_repr},
    {Py_tp_getset, device_getset},
    {0},
};

static PyType_Spec device_spec = {
    .name = "shark_turbine._runtime.Device",
    .basicsize = sizeof(device_obj),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = device_slots,
};

int
device_init(PyObject *module)
{
    device_type = add_type(module, &device_spec);
    return device_type ? 0 : -1;
}

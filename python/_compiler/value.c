/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * value.c -- Value: a tensor in a function's body.
 */
#include "binding.h"

PyTypeObject *value_type;

static PyObject *
get_dtype(PyObject *o, void *unused)
{
    value_obj *v = (value_obj *)o;

    (void)unused;
    return PyUnicode_FromString(tb_dtype_name(tb_dtype_of(v->g, v->v)));
}

static PyObject *
get_dims(PyObject *o, void *unused)
{
    value_obj *v = (value_obj *)o;

    (void)unused;
    return dims_wrap(v->unit, tb_dims(v->g, v->v), tb_rank(v->g, v->v));
}

static PyObject *
get_id(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLong(((value_obj *)o)->v.id);
}

static PyObject *
repr(PyObject *o)
{
    PyObject *dtype = get_dtype(o, NULL), *dims = get_dims(o, NULL);
    PyObject *s = dtype && dims ? PyUnicode_FromFormat("<Value %%%u: %U %R>",
                                                       ((value_obj *)o)->v.id, dtype, dims)
                                : NULL;

    Py_XDECREF(dtype);
    Py_XDECREF(dims);
    return s;
}

static void
dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);

    Py_DECREF((PyObject *)((value_obj *)o)->unit);
    PyObject_Free(o);
    Py_DECREF((PyObject *)type);
}

static PyGetSetDef getset[] = {
    {"dtype", get_dtype, NULL, "element type, as 'f32'", NULL},
    {"dims", get_dims, NULL, "sizes: int or Dim each, None where not declared", NULL},
    {"id", get_id, NULL, "number of the node", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"A tensor in a function being built."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_getset, getset},
    {Py_tp_repr, repr},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "shark_turbine._compiler.Value",
    .basicsize = sizeof(value_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int
value_init(PyObject *module)
{
    value_type = add_type(module, &spec);
    return value_type ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * args.c -- Python values as arguments of ATen operators.
 *
 * The records live in the unit's arena, because the graph keeps them. Numbers keep the kind
 * they have in Python; what a schema wants (a float for an int, a list for a number, a
 * dtype's number) is settled by tb_op_normalize.
 */
#include "binding.h"

int
str_from(unit_obj *unit, PyObject *o, tb_str *out)
{
    Py_ssize_t n;
    const char *s = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &n) : NULL;

    if (!s) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "expected a str, found %R", o);
        return -1;
    }
    *out = tb_strdup(&unit->u->cx->keep, (tb_str){s, (size_t)n});
    return 0;
}

int
dtype_from(PyObject *o, tb_dtype *out)
{
    Py_ssize_t n;
    const char *s = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &n) : NULL;

    *out = s ? tb_dtype_parse((tb_str){s, (size_t)n}) : TB_NONE;
    if (*out == TB_NONE) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "expected the name of a dtype, found %R", o);
        return -1;
    }
    return 0;
}

int
type_from(unit_obj *unit, PyObject *o, tb_type *out)
{
    PyObject *dtype, *dims;
    int rank;

    *out = (tb_type){0};
    if (o == Py_None)
        return 0;
    if (!PyTuple_Check(o) || PyTuple_Size(o) != 2) {
        PyErr_Format(PyExc_TypeError, "expected (dtype, dims) or None, found %R", o);
        return -1;
    }
    dtype = PyTuple_GetItem(o, 0);
    dims = PyTuple_GetItem(o, 1);
    tb_dtype t;
    if (!dtype || !dims || dtype_from(dtype, &t) < 0 ||
        (rank = dims_from(unit, dims, out->dims)) < 0)
        return -1;
    out->dtype = (uint8_t)t;
    out->rank = (uint8_t)rank;
    return 0;
}

static int
int_from(PyObject *o, tb_arg *out)
{
    int overflow;

    out->kind = TB_ARG_INT;
    out->i = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit into 64 bits", o);
        return -1;
    }
    return 0;
}

int
arg_from(function_obj *f, PyObject *o, tb_arg *out)
{
    PyTypeObject *type = Py_TYPE(o);

    *out = (tb_arg){.kind = TB_ARG_NONE};
    if (o == Py_None)
        return 0;
    if (type == value_type) {
        value_obj *v = (value_obj *)o;

        if (v->g != f->g) {
            PyErr_SetString(PyExc_ValueError, "a Value of another Function");
            return -1;
        }
        out->kind = TB_ARG_TENSOR;
        out->v = v->v;
        return 0;
    }
    if (type == dim_type) {
        out->kind = TB_ARG_DIM;
        return dim_from(f->unit, o, &out->d);
    }
    if (PyBool_Check(o)) {
        out->kind = TB_ARG_BOOL;
        out->b = o == Py_True;
        return 0;
    }
    if (PyLong_Check(o))
        return int_from(o, out);
    if (PyFloat_Check(o)) {
        out->kind = TB_ARG_FLOAT;
        out->f = PyFloat_AsDouble(o);
        return 0;
    }
    if (PyComplex_Check(o)) {
        out->kind = TB_ARG_COMPLEX;
        out->z.re = PyComplex_RealAsDouble(o);
        out->z.im = PyComplex_ImagAsDouble(o);
        return 0;
    }
    if (PyUnicode_Check(o)) {
        out->kind = TB_ARG_STR;
        return str_from(f->unit, o, &out->s);
    }
    if (PyList_Check(o) || PyTuple_Check(o)) {
        const tb_arg *at;
        uint32_t n;

        if (args_from(f, o, &at, &n) < 0)
            return -1;
        out->kind = TB_ARG_LIST;
        out->list.at = at;
        out->list.n = n;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "no argument of an operator: %R", o);
    return -1;
}

int
args_from(function_obj *f, PyObject *sequence, const tb_arg **out, uint32_t *n)
{
    Py_ssize_t count = PySequence_Size(sequence);

    if (count < 0)
        return -1;
    tb_arg *at = TB_NEWN(&f->unit->u->cx->keep, tb_arg, count + 1);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(sequence, i);
        int failed = !item || arg_from(f, item, &at[i]) < 0;

        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    *out = at;
    *n = (uint32_t)count;
    return 0;
}

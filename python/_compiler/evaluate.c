/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * evaluate.c -- Unit.evaluate: a function in the reference evaluator.
 *
 * Inputs are (data, dtype, dims) with dense data: an object with the buffer protocol, or
 * the address of memory that stays. Results are (bytearray, dtype, dims).
 */
#include "binding.h"

#include <stdlib.h>

typedef struct input {
    tb_eval_tensor t;
    Py_buffer view;
    int has_view;
} input;

static int
input_from(unit_obj *unit, PyObject *o, Py_ssize_t index, input *in)
{
    PyObject *data, *dtype, *dims;
    tb_eval_tensor *t = &in->t;

    if (!PyTuple_Check(o) || !PyArg_ParseTuple(o, "OOO", &data, &dtype, &dims)) {
        PyErr_Format(PyExc_TypeError, "input %zd: expected (data, dtype, dims), found %R",
                     index, o);
        return -1;
    }
    if (dtype_from(dtype, &t->dtype) < 0 || (t->rank = dims_from(unit, dims, t->dims)) < 0)
        return -1;
    size_t bytes = tb_dtype_bytes(t->dtype);
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0 || !tb_dim_is_const(t->dims[i]) ||
            __builtin_mul_overflow(bytes, (size_t)t->dims[i], &bytes)) {
            PyErr_Format(PyExc_ValueError, "input %zd: size %d is out of range", index, i);
            return -1;
        }
    if (PyLong_Check(data)) {
        t->data = PyLong_AsVoidPtr(data);
        return PyErr_Occurred() ? -1 : 0;
    }
    if (PyObject_GetBuffer(data, &in->view, PyBUF_C_CONTIGUOUS) < 0)
        return -1;
    in->has_view = 1;
    t->data = in->view.buf;
    if ((size_t)in->view.len == bytes)
        return 0;
    PyErr_Format(PyExc_ValueError, "input %zd: expected %zu bytes, found %zd", index, bytes,
                 in->view.len);
    return -1;
}

static PyObject *
result_wrap(unit_obj *unit, const tb_eval_tensor *t)
{
    size_t bytes = tb_dtype_bytes(t->dtype);

    for (int i = 0; i < t->rank; i++)
        bytes *= (size_t)t->dims[i];
    if (t->dtype == TB_NONE)
        Py_RETURN_NONE;
    PyObject *dims = dims_wrap(unit, t->dims, t->rank);
    PyObject *data = PyByteArray_FromStringAndSize(t->data, (Py_ssize_t)bytes);
    PyObject *tuple =
        dims && data ? Py_BuildValue("(OsO)", data, tb_dtype_name(t->dtype), dims) : NULL;
    Py_XDECREF(dims);
    Py_XDECREF(data);
    return tuple;
}

static int
result_count(const tb_unit *u, const char *function)
{
    for (uint32_t i = 0; i < u->funcs.n; i++)
        if (tb_str_is(u->funcs.at[i].name, function))
            return (int)u->funcs.at[i].body->outputs.n;
    PyErr_Format(PyExc_KeyError, "function '%s' not found", function);
    return -1;
}

static PyObject *
run(unit_obj *unit, const char *function, const input *in, Py_ssize_t n)
{
    int n_out = result_count(unit->u, function);
    tb_eval_tensor *inputs, *outputs;
    tb_arena arena = {0};
    PyObject *list = NULL;
    tb_status st;

    if (n_out < 0)
        return NULL;
    inputs = calloc((size_t)n + 1, sizeof *inputs);
    outputs = calloc((size_t)n_out + 1, sizeof *outputs);
    if (!inputs || !outputs) {
        PyErr_NoMemory();
        goto out;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        inputs[i] = in[i].t;
    unit->busy = 1;
    tb_unit_mark mark = tb_unit_mark_of(unit->u);
    Py_BEGIN_ALLOW_THREADS;
    st = tb_evaluate(unit->u, function, inputs, (uint32_t)n, &arena, outputs);
    tb_unit_return(unit->u, mark);
    tb_arena_reset(&unit->u->cx->scratch);
    Py_END_ALLOW_THREADS;
    unit->busy = 0;
    if (st) {
        raise_status(st);
        goto out;
    }
    list = PyList_New(n_out);
    for (int i = 0; list && i < n_out; i++) {
        PyObject *r = result_wrap(unit, &outputs[i]);
        if (!r)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, r);
    }
out:
    tb_arena_reset(&arena);
    free(inputs);
    free(outputs);
    return list;
}

PyObject *
unit_evaluate(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const keywords[] = {"function", "inputs", NULL};
    unit_obj *unit = (unit_obj *)self;
    PyObject *sequence, *result = NULL;
    const char *function;
    Py_ssize_t n, i = 0;
    input *in;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO:evaluate", (char **)keywords, &function,
                                     &sequence) ||
        unit_usable(unit) < 0 || (n = PySequence_Size(sequence)) < 0)
        return NULL;
    in = calloc((size_t)n + 1, sizeof *in);
    if (!in)
        return PyErr_NoMemory();
    for (; i < n; i++) {
        PyObject *item = PySequence_GetItem(sequence, i);
        int failed = !item || input_from(unit, item, i, &in[i]) < 0;

        Py_XDECREF(item);
        if (failed)
            break;
    }
    if (i == n)
        result = run(unit, function, in, n);
    for (i = 0; i < n; i++)
        if (in[i].has_view)
            PyBuffer_Release(&in[i].view);
    free(in);
    return result;
}

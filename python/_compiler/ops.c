/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * ops.c -- what this compiler knows: which ATen operators have a row (the importer keeps
 * those whole and lets PyTorch decompose the others), and what "host" means.
 */
#include "binding.h"

#include "artifact/artifact.h"

/* The names that `at` gives for 0, 1 and so on, up to NULL. */
static PyObject *
list_of(const char *(*at)(uint32_t i))
{
    PyObject *list = PyList_New(0);

    for (uint32_t i = 0; list && at(i); i++) {
        PyObject *name = PyUnicode_FromString(at(i));
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static const char *
schema_at(uint32_t i)
{
    const tb_op *op = tb_op_at(i);

    return op ? op->schema : NULL;
}

PyObject *
module_ops(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return list_of(schema_at);
}

PyObject *
module_stages(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return list_of(tb_compile_stage);
}

PyObject *
module_lookup(PyObject *module, PyObject *name)
{
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(name, &n);

    (void)module;
    if (!s)
        return NULL;
    const tb_op *op = tb_op_find((tb_str){s, (size_t)n});
    if (!op)
        Py_RETURN_NONE;
    return PyUnicode_FromString(op->schema);
}

PyObject *
module_host_level(PyObject *module, PyObject *unused)
{
    const tb_cpu_level *level = tb_cpu_host();

    (void)module;
    (void)unused;
    return PyUnicode_FromString(level ? level->name : "");
}

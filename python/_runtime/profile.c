/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * profile.c -- what the machine can do at best.
 */
#include "binding.h"

#include <string.h>

#include "profile/profile.h"

static PyObject *
roof(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"kind", "threads", "seconds", NULL};
    const char *kind;
    int threads = 1;
    double seconds = 0.1, rate;

    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|id:roof", (char **)names, &kind, &threads,
                                     &seconds))
        return NULL;
    if (strcmp(kind, "f32") != 0 && strcmp(kind, "copy") != 0) {
        PyErr_Format(PyExc_ValueError, "roof: expected 'f32' or 'copy', found '%s'", kind);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rate = tb_roof_measure(*kind == 'f' ? TB_ROOF_F32 : TB_ROOF_COPY, threads, seconds);
    Py_END_ALLOW_THREADS;
    return PyFloat_FromDouble(rate);
}

static PyMethodDef functions[] = {
    {"roof", (PyCFunction)(void (*)(void))roof, METH_VARARGS | METH_KEYWORDS,
     "roof(kind, threads=1, seconds=0.1): operations a second ('f32': additions and\n"
     "multiplications in registers) or bytes a second ('copy': read plus written)."},
    {0},
};

int
profile_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

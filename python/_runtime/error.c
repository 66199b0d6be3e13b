/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * error.c -- a tb_status as a Python exception.
 *
 * What a user of numpy or torch would expect: wrong arguments and bytes that do not verify
 * are ValueError, the system's refusals OSError, an index outside its tensor IndexError.
 */
#include "binding.h"

#include <string.h>

static PyObject *
exception_of(tb_code code)
{
    switch (code) {
    case TB_OK:
    case TB_INTERNAL:
        return PyExc_RuntimeError;
    case TB_INVALID_ARGUMENT:
    case TB_NOT_FOUND:
    case TB_CORRUPT:
    case TB_INCOMPATIBLE:
        return PyExc_ValueError;
    case TB_OUT_OF_RANGE:
        return PyExc_IndexError;
    case TB_OUT_OF_MEMORY:
        return PyExc_MemoryError;
    case TB_UNSUPPORTED:
        return PyExc_NotImplementedError;
    case TB_IO:
        return PyExc_OSError;
    }
    return PyExc_RuntimeError;
}

static void
raise_text(tb_status st, PyObject *type, const char *prefix)
{
    /* %U would need a str: messages may hold bytes of a file name that are no UTF-8. */
    PyObject *text = PyUnicode_DecodeUTF8(tb_status_message(st),
                                          (Py_ssize_t)strlen(tb_status_message(st)),
                                          "backslashreplace");
    if (text)
        PyErr_Format(type, "%s%s%U", prefix ? prefix : "", prefix ? ": " : "", text);
    Py_XDECREF(text);
    tb_status_free(st);
}

void
raise_status_as(tb_status st, PyObject *not_found, const char *prefix)
{
    tb_code code = tb_status_code(st);

    raise_text(st, code == TB_NOT_FOUND ? not_found : exception_of(code), prefix);
}

void
raise_status_type(tb_status st, PyObject *type)
{
    raise_text(st, type, NULL);
}

void
raise_status(tb_status st)
{
    raise_status_as(st, PyExc_ValueError, NULL);
}

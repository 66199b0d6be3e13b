/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * profile.c -- what the machine can do at best, and Profile: what calls took beside it.
 */
#include "binding.h"

#include <string.h>

#include "profile/profile.h"

PyTypeObject *profile_type;

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

/* ---- Profile ---- */

static PyObject *
profile_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {NULL};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Profile", (char **)names))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    profile_obj *self = (profile_obj *)alloc(type, 0);
    if (self && !(self->p = tb_profile_create())) {
        Py_DECREF((PyObject *)self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

/* Sessions that are watched hold a reference. */
static void
profile_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    tb_profile_free(((profile_obj *)o)->p);
    release(o);
    Py_DECREF(type);
}

static PyObject *
text_of(tb_buf *b)
{
    PyObject *text = b->failed ? PyErr_NoMemory()
                               : PyUnicode_DecodeUTF8((const char *)b->at, (Py_ssize_t)b->n,
                                                      "replace");
    tb_buf_free(b);
    return text;
}

static PyObject *
profile_table(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"rows", NULL};
    int rows = 0;
    tb_buf b = {0};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|i:table", (char **)names, &rows))
        return NULL;
    tb_profile_table(((profile_obj *)o)->p, rows, &b);
    return text_of(&b);
}

static PyObject *
profile_trace(PyObject *o, PyObject *unused)
{
    tb_buf b = {0};

    (void)unused;
    tb_profile_trace(((profile_obj *)o)->p, &b);
    return text_of(&b);
}

static PyObject *
profile_reset(PyObject *o, PyObject *unused)
{
    (void)unused;
    tb_profile_reset(((profile_obj *)o)->p);
    return Py_NewRef(Py_None);
}

static PyObject *
profile_set_roof(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"f32", "copy", NULL};
    double f32, copy;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "dd:set_roof", (char **)names, &f32, &copy))
        return NULL;
    tb_profile_roof(((profile_obj *)o)->p, f32, copy);
    return Py_NewRef(Py_None);
}

static PyMethodDef profile_methods[] = {
    {"table", (PyCFunction)(void (*)(void))profile_table, METH_VARARGS | METH_KEYWORDS,
     "table(rows=0): text, the slowest places of the models first"},
    {"trace", profile_trace, METH_NOARGS, "trace(): JSON for ui.perfetto.dev"},
    {"reset", profile_reset, METH_NOARGS, "reset(): forgets what was recorded"},
    {"set_roof", (PyCFunction)(void (*)(void))profile_set_roof, METH_VARARGS | METH_KEYWORDS,
     "set_roof(f32, copy): what the machine can do, as roof() measures it"},
    {0},
};

static PyType_Slot profile_slots[] = {
    {Py_tp_doc, (void *)"Profile(): records the calls of sessions made with profile=it."},
    {Py_tp_new, profile_new},
    {Py_tp_dealloc, profile_dealloc},
    {Py_tp_methods, profile_methods},
    {0},
};

static PyType_Spec profile_spec = {
    .name = "shark_turbine._runtime.Profile",
    .basicsize = sizeof(profile_obj),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = profile_slots,
};

int
profile_watch(PyObject *profile, module_obj *m, tb_instance *s)
{
    tb_session *own = tb_instance_own(s);

    if (!profile)
        return 0;
    if (!own)
        PyErr_SetString(PyExc_ValueError, "files of iree-compile cannot be profiled");
    else if (!tb_profile_watch(((profile_obj *)profile)->p, tb_program_own(m->m), own))
        PyErr_NoMemory();
    return PyErr_Occurred() ? -1 : 0;
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
    profile_type = add_type(module, &profile_spec);
    return profile_type ? PyModule_AddFunctions(module, functions) : -1;
}

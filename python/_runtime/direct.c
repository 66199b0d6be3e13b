/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * direct.c -- Direct: a callable that goes straight to a compiled program.
 *
 * It holds specializations (specialize.c), each good for some kind of arguments and some
 * state of the world. A call binds its arguments to the names of the Python function that
 * was compiled, takes the first specialization whose guards hold, and runs it. If there is
 * none, or anything is unusual, the call is `self._miss(*args, **kwargs)`, a method of the
 * subclass in Python: the slow way, always right, which may add a specialization.
 *
 * The GIL is held but for the program's own time, so any number of threads may call.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

static PyTypeObject *direct_type;
static PyObject *s_miss, *s_contents;

/* How a function's locals are made of the arguments of a call. */
typedef struct signature {
    PyObject *names;   /* tuple: positional, keyword only, *args, **kwargs, free */
    PyObject *defaults; /* dict of those that have one */
    PyObject *cells;    /* tuple, of the free variables */
    Py_ssize_t n_positional, n_posonly, n_named; /* named: positional or keyword only */
    int var_args, var_kwargs;
} signature;

typedef struct direct_obj {
    PyObject_HEAD
    signature signature;
    PyObject *first;   /* goes before the arguments (a module, a bound object); or NULL */
    PyObject *empty;   /* tuple of dicts: if one is not empty, the call is unusual */
    PyObject *owner, *name, *value; /* the same if getattr(owner, name) is not value */
    PyObject *shadow;  /* dict that must not have `name` */
    PyObject *specializations; /* list */
} direct_obj;

/* ---- arguments ---- */

static PyObject *
argument(const direct_obj *d, PyObject *args, Py_ssize_t n_args, Py_ssize_t i)
{
    if (d->first)
        return i ? (i <= n_args ? PyTuple_GetItem(args, i - 1) : NULL) : d->first;
    return i < n_args ? PyTuple_GetItem(args, i) : NULL;
}

/* *args and **kwargs, new references into the locals; 1, 0 (unusual), -1 (exception) */
static int
bind_rest(const direct_obj *d, PyObject *args, PyObject *kwargs, Py_ssize_t used,
          PyObject **locals)
{
    const signature *s = &d->signature;
    Py_ssize_t shift = d->first ? 1 : 0, n = PyTuple_Size(args);
    Py_ssize_t given = n + shift, at = s->n_named;

    if (given > s->n_positional && !s->var_args)
        return 0;
    if (s->var_args) {
        Py_ssize_t from = given > s->n_positional ? s->n_positional - shift : n;
        if (from < 0)
            return 0; /* *args takes what goes first */
        locals[at] = PyTuple_GetSlice(args, from, n);
        if (!locals[at++])
            return -1;
    }
    if (!s->var_kwargs)
        return !kwargs || PyDict_Size(kwargs) == used;
    locals[at] = kwargs ? PyDict_Copy(kwargs) : PyDict_New();
    if (!locals[at])
        return -1;
    for (Py_ssize_t i = s->n_posonly; used && i < s->n_named; i++) {
        PyObject *name = PyTuple_GetItem(s->names, i);
        if (PyDict_GetItemWithError(locals[at], name) && PyDict_DelItem(locals[at], name))
            return -1;
    }
    return PyErr_Occurred() ? -1 : 1;
}

/* The locals as new references; 1, 0 (unusual), -1 (exception) */
static int
bind_arguments(const direct_obj *d, PyObject *args, PyObject *kwargs, PyObject **locals)
{
    const signature *s = &d->signature;
    Py_ssize_t n = PyTuple_Size(args), used = 0;

    for (Py_ssize_t i = 0; i < s->n_named; i++) {
        PyObject *name, *o = i < s->n_positional ? argument(d, args, n, i) : NULL;
        if (!o || kwargs) {
            name = PyTuple_GetItem(s->names, i);
            PyObject *named = kwargs && i >= s->n_posonly
                                  ? PyDict_GetItemWithError(kwargs, name)
                                  : NULL;
            if (named && o)
                return 0; /* twice */
            used += named != NULL;
            o = o ? o : named ? named : PyDict_GetItemWithError(s->defaults, name);
        }
        if (!o)
            return PyErr_Occurred() ? -1 : 0;
        locals[i] = Py_NewRef(o);
    }
    int r = s->var_args || s->var_kwargs || kwargs || n + (d->first != NULL) > s->n_positional
                ? bind_rest(d, args, kwargs, used, locals)
                : 1;
    Py_ssize_t at = s->n_named + s->var_args + s->var_kwargs;
    for (Py_ssize_t i = 0; r == 1 && i < PyTuple_Size(s->cells); i++) {
        locals[at + i] = PyObject_GetAttr(PyTuple_GetItem(s->cells, i), s_contents);
        if (!locals[at + i]) {
            PyErr_Clear(); /* an empty cell: the function itself complains best */
            r = 0;
        }
    }
    return r;
}

/* ---- calls ---- */

/* 1, 0 or -1: whether the object that was compiled is still called in the usual way */
static int
is_usual(const direct_obj *d)
{
    for (Py_ssize_t i = 0, n = PyTuple_Size(d->empty); i < n; i++)
        if (PyDict_Size(PyTuple_GetItem(d->empty, i)) != 0)
            return 0;
    if (!d->owner)
        return 1;
    if (d->shadow && PyDict_GetItemWithError(d->shadow, d->name))
        return 0;
    PyObject *now = PyObject_GetAttr(d->owner, d->name);
    if (!now)
        PyErr_Clear();
    Py_XDECREF(now);
    return now == d->value;
}

/* What was found last is looked at first. */
static void
to_front(PyObject *list, Py_ssize_t i, PyObject *spec)
{
    PyObject *front = PyList_GetItem(list, 0);

    if (front && PyList_GetItem(list, i) == spec) {
        Py_INCREF(front);
        PyList_SetItem(list, 0, Py_NewRef(spec));
        PyList_SetItem(list, i, front);
    }
}

/* The result, or NULL; without an exception if no specialization fits. */
static PyObject *
find_and_run(direct_obj *d, const local_values *locals, PyObject *args, PyObject *kwargs)
{
    PyObject *list = d->specializations, *out = NULL;

    for (Py_ssize_t i = 0; i < PyList_Size(list);) {
        PyObject *spec = Py_NewRef(PyList_GetItem(list, i));
        int r = specialization_call(spec, locals, d->first, args, kwargs, &out);
        if (r > 0 && i)
            to_front(list, i, spec);
        if (r == SPECIALIZATION_GONE && i < PyList_Size(list) &&
            PyList_GetItem(list, i) == spec)
            r = PyList_SetSlice(list, i, i + 1, NULL) < 0 ? -1 : 0;
        else
            i++;
        Py_DECREF(spec);
        if (r > 0 || r == -1)
            return out;
    }
    return NULL;
}

static PyObject *
miss(PyObject *o, PyObject *args, PyObject *kwargs)
{
    PyObject *slow = PyObject_GetAttr(o, s_miss);
    PyObject *r = slow ? PyObject_Call(slow, args, kwargs) : NULL;

    Py_XDECREF(slow);
    return r;
}

static PyObject *
direct_call(PyObject *o, PyObject *args, PyObject *kwargs)
{
    direct_obj *d = (direct_obj *)o;
    PyObject *few[FEW] = {0}, **values = few, *out = NULL;

    if (!d->signature.names || PyList_Size(d->specializations) == 0)
        return miss(o, args, kwargs);
    if (kwargs && PyDict_Size(kwargs) == 0)
        kwargs = NULL;
    Py_ssize_t n = PyTuple_Size(d->signature.names);
    if (n > FEW && !(values = PyMem_Calloc((size_t)n, sizeof *values)))
        return PyErr_NoMemory();
    int r = is_usual(d);
    if (r > 0)
        r = bind_arguments(d, args, kwargs, values);
    if (r > 0) {
        const local_values locals = {values, n, d->signature.names};
        out = find_and_run(d, &locals, args, kwargs);
    }
    for (Py_ssize_t i = 0; i < n; i++)
        Py_XDECREF(values[i]);
    if (values != few)
        PyMem_Free(values);
    return out || PyErr_Occurred() ? out : miss(o, args, kwargs);
}

/* ---- the object ---- */

static int
is_tuple_of(PyObject *tuple, PyTypeObject *type)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); i++)
        if (type && !PyObject_TypeCheck(PyTuple_GetItem(tuple, i), type))
            return 0;
    return 1;
}

/* _watch(names, positional, posonly, named, var_args, var_kwargs, defaults, cells, first,
 * empty, unchanged): what is called; direct.py says what each is. */
static PyObject *
direct_watch(PyObject *o, PyObject *args)
{
    direct_obj *d = (direct_obj *)o;
    signature s = {0};
    PyObject *first, *empty, *unchanged, *owner = NULL, *name = NULL, *value = NULL;
    PyObject *shadow = Py_None;

    if (!PyArg_ParseTuple(args, "O!nnnppO!O!OO!O:_watch", &PyTuple_Type, &s.names,
                          &s.n_positional, &s.n_posonly, &s.n_named, &s.var_args,
                          &s.var_kwargs, &PyDict_Type, &s.defaults, &PyTuple_Type,
                          &s.cells, &first, &PyTuple_Type, &empty, &unchanged))
        return NULL;
    if (unchanged != Py_None && (!PyTuple_Check(unchanged) ||
        !PyArg_ParseTuple(unchanged, "OOOO", &owner, &name, &value, &shadow)))
        return NULL;
    Py_ssize_t n = s.n_named + s.var_args + s.var_kwargs + PyTuple_Size(s.cells);
    if (d->signature.names || s.n_posonly < 0 || s.n_positional < s.n_posonly ||
        s.n_named < s.n_positional || n != PyTuple_Size(s.names) ||
        !is_tuple_of(s.names, &PyUnicode_Type) || !is_tuple_of(empty, &PyDict_Type) ||
        (shadow != Py_None && !PyDict_Check(shadow))) {
        PyErr_SetString(PyExc_ValueError, "_watch: no signature");
        return NULL;
    }
    Py_INCREF(s.names);
    Py_INCREF(s.defaults);
    Py_INCREF(s.cells);
    d->first = unless_none(first);
    d->empty = Py_NewRef(empty);
    d->owner = Py_XNewRef(owner);
    d->name = Py_XNewRef(name);
    d->value = Py_XNewRef(value);
    d->shadow = unless_none(shadow);
    d->signature = s;
    Py_RETURN_NONE;
}

static PyObject *
direct_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    direct_obj *d = (direct_obj *)alloc(type, 0);

    (void)args; /* the subclass's business */
    (void)kwargs;
    if (d && !(d->specializations = PyList_New(0)))
        Py_CLEAR(d);
    return (PyObject *)d;
}

static int
direct_traverse(PyObject *o, visitproc visit, void *arg)
{
    direct_obj *d = (direct_obj *)o;

    Py_VISIT(Py_TYPE(o));
    Py_VISIT(d->signature.names);
    Py_VISIT(d->signature.defaults);
    Py_VISIT(d->signature.cells);
    Py_VISIT(d->first);
    Py_VISIT(d->empty);
    Py_VISIT(d->owner);
    Py_VISIT(d->name);
    Py_VISIT(d->value);
    Py_VISIT(d->shadow);
    Py_VISIT(d->specializations);
    return 0;
}

/* Whoever is called after this finds no names and takes the slow way. */
static int
direct_clear(PyObject *o)
{
    direct_obj *d = (direct_obj *)o;

    Py_CLEAR(d->signature.names);
    Py_CLEAR(d->signature.defaults);
    Py_CLEAR(d->signature.cells);
    Py_CLEAR(d->first);
    Py_CLEAR(d->empty);
    Py_CLEAR(d->owner);
    Py_CLEAR(d->name);
    Py_CLEAR(d->value);
    Py_CLEAR(d->shadow);
    Py_CLEAR(d->specializations);
    return 0;
}

static void
direct_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(o);
    direct_clear(o);
    release(o);
    Py_DECREF(type);
}

static PyObject *
get_specializations(PyObject *o, void *unused)
{
    direct_obj *d = (direct_obj *)o;

    (void)unused;
    return Py_NewRef(d->specializations ? d->specializations : Py_None);
}

static PyMethodDef direct_methods[] = {
    {"_watch", direct_watch, METH_VARARGS, "once: what is called, and when it is unusual"},
    {0},
};

static PyGetSetDef direct_getset[] = {
    {"_specializations", get_specializations, NULL, "the list, to be added to", NULL},
    {0},
};

static PyType_Slot direct_slots[] = {
    {Py_tp_doc, (void *)"The base of what shark_turbine.jit returns."},
    {Py_tp_new, direct_new},
    {Py_tp_dealloc, direct_dealloc},
    {Py_tp_traverse, direct_traverse},
    {Py_tp_clear, direct_clear},
    {Py_tp_call, direct_call},
    {Py_tp_methods, direct_methods},
    {Py_tp_getset, direct_getset},
    {0},
};

static PyType_Spec direct_spec = {
    .name = "shark_turbine._runtime.Direct",
    .basicsize = sizeof(direct_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = direct_slots,
};

int
direct_init(PyObject *module)
{
    s_miss = PyUnicode_InternFromString("_miss");
    s_contents = PyUnicode_InternFromString("cell_contents");
    direct_type = add_type(module, &direct_spec);
    return direct_type && s_miss && s_contents ? 0 : -1;
}

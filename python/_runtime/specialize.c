/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * specialize.c -- Specialization: what a function is for one kind of arguments, and when.
 *
 * TorchDynamo has found out what the compiled graph depends on; its guards are the truth.
 * They come in two forms:
 *
 *   check       TorchDynamo's own guards, a callable over a dict of the function's locals
 *   steps ...   the same for programs that depend on little: values are reached in `steps`
 *               from the locals, `tests` look at them, `tensors` looks at all tensors at
 *               once (types, sizes, strides, and whether a transform or a mode is active),
 *               `state` at torch's switches, `modes` counts modes of torch functions
 *
 * and so do calls:
 *
 *   call(*args, **kwargs)  with the user's arguments: Python code that TorchDynamo wrote
 *   arguments              numbers of steps: `call` is a function that Session.bind made,
 *                          called with their values; `single` returns its one result, else
 *                          the tuple. `workers`: torch.get_num_threads() where `state` holds
 *
 * `alive` is a dict whose "cache_entry" is None once TorchDynamo has dropped the entry: a
 * reset, or the death of an object that guards know by its address.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

static PyTypeObject *specialization_type;
static PyObject *s_entry;

typedef enum step_kind { LOCAL, FIELD, ATTR, ITEM } step_kind;
static const char *const step_names[] = {"local", "field", "attr", "item"};

typedef struct step {
    step_kind kind;
    int from;      /* LOCAL: number of the local; else the step that it starts at */
    PyObject *key; /* of FIELD (in the object's own dict), ATTR and ITEM */
} step;

typedef enum test_kind { TYPE_IS, IS, EQUALS } test_kind;
static const char *const test_names[] = {"type", "is", "equals"};

typedef struct test {
    test_kind kind;
    int at;
    PyObject *value; /* kept alive, so its address stays its own */
} test;

typedef struct spec_obj {
    PyObject_HEAD
    PyObject *alive, *check, *state, *modes, *tensors, *call;
    step *steps;
    test *tests;
    int *tensors_at, *arguments;
    Py_ssize_t n_steps, n_tests, n_tensors, n_arguments;
    Py_ssize_t n_locals;
    int is_bound, single, workers;
} spec_obj;

/* ---- guards ---- */

/* callable() is true; 1, 0, -1 */
static int
says_yes(PyObject *callable, PyObject *args)
{
    PyObject *r = args ? PyObject_Call(callable, args, NULL) : PyObject_CallNoArgs(callable);
    int yes = !r ? -1 : r == Py_True ? 1 : r == Py_False ? 0 : PyObject_IsTrue(r);

    Py_XDECREF(r);
    return yes;
}

static int
check_locals(const spec_obj *s, const local_values *locals)
{
    PyObject *dict = PyDict_New(), *args = NULL;
    int r = -1;

    for (Py_ssize_t i = 0; dict && i < locals->n; i++)
        if (PyDict_SetItem(dict, PyTuple_GetItem(locals->names, i), locals->values[i]) < 0)
            Py_CLEAR(dict);
    if (dict && (args = PyTuple_Pack(1, dict)))
        r = says_yes(s->check, args);
    Py_XDECREF(args);
    Py_XDECREF(dict);
    return r;
}

/* The value of a step as a new reference; NULL without an exception if it is not there. */
static PyObject *
take_step(const step *s, const local_values *locals, PyObject *const *values)
{
    PyObject *from, *dict, *o;

    if (s->kind == LOCAL)
        return Py_NewRef(locals->values[s->from]);
    from = values[s->from];
    switch (s->kind) {
    case FIELD:
        dict = PyObject_GenericGetDict(from, NULL);
        o = dict ? Py_XNewRef(PyDict_GetItemWithError(dict, s->key)) : NULL;
        Py_XDECREF(dict);
        break;
    case ITEM:
        o = PyDict_CheckExact(from) ? Py_XNewRef(PyDict_GetItemWithError(from, s->key))
                                    : PyObject_GetItem(from, s->key);
        break;
    default: o = PyObject_GetAttr(from, s->key);
    }
    if (!o)
        PyErr_Clear();
    return o;
}

static int
passes(const test *t, PyObject *o)
{
    switch (t->kind) {
    case TYPE_IS: return (PyObject *)Py_TYPE(o) == t->value;
    case IS: return o == t->value;
    case EQUALS:
        if (o == t->value)
            return 1;
        return Py_TYPE(o) == Py_TYPE(t->value) ? PyObject_RichCompareBool(o, t->value, Py_EQ)
                                               : 0;
    }
    return 0;
}

static int
check_tensors(const spec_obj *s, PyObject *const *values)
{
    PyObject *args = s->n_tensors ? PyTuple_New(s->n_tensors) : NULL;

    if (!s->n_tensors)
        return 1;
    for (Py_ssize_t i = 0; args && i < s->n_tensors; i++)
        PyTuple_SetItem(args, i, Py_NewRef(values[s->tensors_at[i]]));
    int r = args ? says_yes(s->tensors, args) : -1;
    Py_XDECREF(args);
    return r;
}

static int
no_modes(const spec_obj *s)
{
    PyObject *n = PyObject_CallNoArgs(s->modes);
    long found = n ? PyLong_AsLong(n) : -1;

    Py_XDECREF(n);
    return found < 0 ? -1 : found == 0;
}

/* 1, 0 or -1 with an exception; `values` (zeroes at first) of the steps are new. */
static int
check_values(const spec_obj *s, const local_values *locals, PyObject **values)
{
    int r = 1;

    for (Py_ssize_t i = 0; i < s->n_steps; i++)
        if (!(values[i] = take_step(&s->steps[i], locals, values)))
            return 0;
    for (Py_ssize_t i = 0; r == 1 && i < s->n_tests; i++)
        r = passes(&s->tests[i], values[s->tests[i].at]);
    if (r == 1)
        r = check_tensors(s, values);
    if (r == 1)
        r = says_yes(s->state, NULL);
    return r == 1 ? no_modes(s) : r;
}

/* ---- calls ---- */

static PyObject *
run_code(const spec_obj *s, PyObject *first, PyObject *args, PyObject *kwargs)
{
    if (!first)
        return PyObject_Call(s->call, args, kwargs);
    Py_ssize_t n = PyTuple_Size(args);
    PyObject *all = PyTuple_New(n + 1), *r = NULL;
    if (all) {
        PyTuple_SetItem(all, 0, Py_NewRef(first));
        for (Py_ssize_t i = 0; i < n; i++)
            PyTuple_SetItem(all, i + 1, Py_NewRef(PyTuple_GetItem(args, i)));
        r = PyObject_Call(s->call, all, kwargs);
        Py_DECREF(all);
    }
    return r;
}

static PyObject *
run_bound(const spec_obj *s, PyObject *const *values)
{
    PyObject *few[FEW], **args = few, *out;

    if (s->n_arguments > FEW &&
        !(args = PyMem_Malloc((size_t)s->n_arguments * sizeof *args)))
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < s->n_arguments; i++)
        args[i] = values[s->arguments[i]];
    out = bound_run(s->call, args, s->n_arguments, s->single, s->workers);
    if (args != few)
        PyMem_Free(args);
    return out;
}

/* 1 (and *out), 0, SPECIALIZATION_GONE, or -1 with an exception in guards */
int
specialization_call(PyObject *o, const local_values *locals, PyObject *first,
                    PyObject *args, PyObject *kwargs, PyObject **out)
{
    enum { SOME = 2 * FEW };
    PyObject *few[SOME] = {0}, **values = few;

    const spec_obj *s = (const spec_obj *)o;
    if (!PyObject_TypeCheck(o, specialization_type) || s->n_locals != locals->n)
        return 0;
    PyObject *entry = s->alive ? PyDict_GetItemWithError(s->alive, s_entry) : NULL;
    if (!entry || entry == Py_None)
        return PyErr_Occurred() ? -1 : SPECIALIZATION_GONE;
    if (s->n_steps > SOME &&
        !(values = PyMem_Calloc((size_t)s->n_steps, sizeof *values))) {
        PyErr_NoMemory();
        return -1;
    }
    int r = s->check ? check_locals(s, locals) : check_values(s, locals, values);
    if (r == 1)
        *out = s->is_bound ? run_bound(s, values) : run_code(s, first, args, kwargs);
    for (Py_ssize_t i = 0; i < s->n_steps; i++)
        Py_XDECREF(values[i]);
    if (values != few)
        PyMem_Free(values);
    return r;
}

/* ---- the object ---- */

static int
refuse(const char *what)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "Specialization: %s", what);
    return -1;
}

static int
find_name(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static int
steps_from(spec_obj *s, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_Size(tuple);

    s->steps = PyMem_Calloc((size_t)n + 1, sizeof *s->steps);
    if (!s->steps)
        return PyErr_NoMemory() ? 0 : -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *kind;
        int from;
        PyObject *key, *row = PyTuple_GetItem(tuple, i);
        if (!PyTuple_Check(row) || !PyArg_ParseTuple(row, "siO", &kind, &from, &key))
            return refuse("steps");
        int k = find_name(kind, step_names, 4);
        if (k < 0 || from < 0 || (k != LOCAL && from >= i))
            return refuse("steps");
        s->steps[i] = (step){(step_kind)k, from, Py_NewRef(key)};
        s->n_steps = i + 1;
    }
    return 0;
}

static int
tests_from(spec_obj *s, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_Size(tuple);

    s->tests = PyMem_Calloc((size_t)n + 1, sizeof *s->tests);
    if (!s->tests)
        return PyErr_NoMemory() ? 0 : -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *kind;
        int at;
        PyObject *value, *row = PyTuple_GetItem(tuple, i);
        if (!PyTuple_Check(row) || !PyArg_ParseTuple(row, "siO", &kind, &at, &value))
            return refuse("tests");
        int k = find_name(kind, test_names, 3);
        if (k < 0 || at < 0 || at >= s->n_steps)
            return refuse("tests");
        s->tests[i] = (test){(test_kind)k, at, Py_NewRef(value)};
        s->n_tests = i + 1;
    }
    return 0;
}

/* Numbers of steps. */
static int
places_from(const spec_obj *s, PyObject *tuple, int **places, Py_ssize_t *count)
{
    Py_ssize_t n = PyTuple_Size(tuple);

    *places = PyMem_Calloc((size_t)n + 1, sizeof **places);
    if (!*places)
        return PyErr_NoMemory() ? 0 : -1;
    *count = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        long at = PyLong_AsLong(PyTuple_GetItem(tuple, i));
        if (at < 0 || at >= s->n_steps)
            return refuse("no such step");
        (*places)[i] = (int)at;
    }
    return 0;
}

static int
locals_are_there(const spec_obj *s, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < s->n_steps; i++)
        if (s->steps[i].kind == LOCAL && s->steps[i].from >= n)
            return refuse("no such local");
    return 0;
}

static PyObject *
spec_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"alive",   "locals",     "call",  "check",
                                        "state",   "modes",      "steps", "tests",
                                        "tensors", "tensors_at", "arguments",
                                        "single",  "workers",    NULL};
    PyObject *alive, *run, *check = Py_None, *state = Py_None, *modes = Py_None;
    PyObject *empty = PyTuple_New(0), *tensors = Py_None, *arguments = Py_None;
    PyObject *steps = empty, *tests = empty, *at = empty;
    Py_ssize_t n_locals;
    int single = 0, workers = 0;
    spec_obj *s = NULL;

    if (empty &&
        PyArg_ParseTupleAndKeywords(
            args, kwargs, "O!nO|$OOOO!O!OO!Opi:Specialization", (char **)names, &PyDict_Type,
            &alive, &n_locals, &run, &check, &state, &modes, &PyTuple_Type, &steps,
            &PyTuple_Type, &tests, &tensors, &PyTuple_Type, &at, &arguments, &single,
            &workers))
        s = (spec_obj *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (s) {
        s->alive = Py_NewRef(alive);
        s->call = Py_NewRef(run);
        s->check = unless_none(check);
        s->state = unless_none(state);
        s->modes = unless_none(modes);
        s->tensors = unless_none(tensors);
        s->single = single;
        s->n_locals = n_locals;
        s->workers = workers > 0 ? workers : 0;
        s->is_bound = arguments != Py_None;
        int failed = steps_from(s, steps) < 0 || tests_from(s, tests) < 0 ||
                     places_from(s, at, &s->tensors_at, &s->n_tensors) < 0 ||
                     locals_are_there(s, n_locals) < 0;
        if (!failed && s->is_bound)
            failed = !PyTuple_Check(arguments) ||
                             !bound_fits(run, PyTuple_Size(arguments), single)
                         ? refuse("arguments")
                         : places_from(s, arguments, &s->arguments, &s->n_arguments);
        if (!failed && (s->check ? s->is_bound : !s->state || !s->modes))
            failed = refuse("guards are missing");
        if (!failed && s->n_tensors && !s->tensors)
            failed = refuse("tensors");
        if (failed)
            Py_CLEAR(s);
    }
    Py_XDECREF(empty);
    return (PyObject *)s;
}

static int
spec_traverse(PyObject *o, visitproc visit, void *arg)
{
    spec_obj *s = (spec_obj *)o;

    Py_VISIT(Py_TYPE(o));
    Py_VISIT(s->alive);
    Py_VISIT(s->check);
    Py_VISIT(s->state);
    Py_VISIT(s->modes);
    Py_VISIT(s->tensors);
    Py_VISIT(s->call);
    for (Py_ssize_t i = 0; i < s->n_steps; i++)
        Py_VISIT(s->steps[i].key);
    for (Py_ssize_t i = 0; i < s->n_tests; i++)
        Py_VISIT(s->tests[i].value);
    return 0;
}

/* Without `alive` it counts as gone. */
static int
spec_clear(PyObject *o)
{
    spec_obj *s = (spec_obj *)o;

    Py_CLEAR(s->alive);
    Py_CLEAR(s->check);
    Py_CLEAR(s->state);
    Py_CLEAR(s->modes);
    Py_CLEAR(s->tensors);
    Py_CLEAR(s->call);
    for (Py_ssize_t i = 0; i < s->n_steps; i++)
        Py_CLEAR(s->steps[i].key);
    for (Py_ssize_t i = 0; i < s->n_tests; i++)
        Py_CLEAR(s->tests[i].value);
    return 0;
}

static void
spec_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    spec_obj *s = (spec_obj *)o;

    PyObject_GC_UnTrack(o);
    spec_clear(o);
    PyMem_Free(s->steps);
    PyMem_Free(s->tests);
    PyMem_Free(s->tensors_at);
    PyMem_Free(s->arguments);
    release(o);
    Py_DECREF(type);
}

static PyObject *
get_is_native(PyObject *o, void *unused)
{
    const spec_obj *s = (const spec_obj *)o;

    (void)unused;
    return PyBool_FromLong(s->check == NULL && s->is_bound);
}

static PyGetSetDef spec_getset[] = {
    {"is_native", get_is_native, NULL, "neither TorchDynamo nor Python code is run", NULL},
    {0},
};

static PyType_Slot spec_slots[] = {
    {Py_tp_doc, (void *)"Specialization(alive, locals, call, **guards): specialize.c"},
    {Py_tp_new, spec_new},
    {Py_tp_dealloc, spec_dealloc},
    {Py_tp_traverse, spec_traverse},
    {Py_tp_clear, spec_clear},
    {Py_tp_getset, spec_getset},
    {0},
};

static PyType_Spec specialization_spec = {
    .name = "shark_turbine._runtime.Specialization",
    .basicsize = sizeof(spec_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = spec_slots,
};

int
specialize_init(PyObject *module)
{
    s_entry = PyUnicode_InternFromString("cache_entry");
    specialization_type = add_type(module, &specialization_spec);
    return specialization_type && s_entry ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * function.c -- Function: adds inputs, constants, operators and outputs to a body.
 *
 * A tb_func moves when a unit gets more functions, so a Function keeps its index.
 */
#include "binding.h"

PyTypeObject *function_type;

static tb_func *
func_of(function_obj *f)
{
    return &f->unit->u->funcs.at[f->index];
}

/* What a function adds: one record for all the guarded steps below. */
typedef struct step {
    function_obj *f;
    tb_graph *g;
    tb_str name;
    tb_location where;
    tb_type type;
    tb_const constant;
    tb_arg arg;
    uint32_t index;
    int64_t min, max;
    tb_val v;
    tb_dim d;
} step;

PyObject *
value_wrap(function_obj *f, tb_val v)
{
    value_obj *o = PyObject_New(value_obj, value_type);

    if (!o)
        return NULL;
    o->unit = (unit_obj *)Py_NewRef((PyObject *)f->unit);
    o->g = f->g;
    o->v = v;
    return (PyObject *)o;
}

PyObject *
values_wrap(function_obj *f, const tb_val *v, uint32_t n)
{
    PyObject *list = PyList_New(n);

    for (uint32_t i = 0; list && i < n; i++) {
        PyObject *item = v[i].id ? value_wrap(f, v[i]) : Py_NewRef(Py_None);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, item);
    }
    return list;
}

int
location_from(unit_obj *unit, PyObject *o, tb_location *out)
{
    PyObject *file, *func, *path;
    int line;

    if (o == Py_None)
        return 0;
    if (!PyTuple_Check(o)) {
        PyErr_Format(PyExc_TypeError, "location: expected a tuple or None, found %R", o);
        return -1;
    }
    if (!PyArg_ParseTuple(o, "OiOO:location", &file, &line, &func, &path))
        return -1;
    out->line = line > 0 ? (uint32_t)line : 0;
    if (str_from(unit, file, &out->file) < 0 || str_from(unit, func, &out->func) < 0 ||
        str_from(unit, path, &out->path) < 0)
        return -1;
    return 0;
}

static void
set_location(step *s)
{
    s->g->loc = tb_unit_loc(s->f->unit->u, s->where);
}

int
value_from(function_obj *f, PyObject *o, tb_val *out)
{
    tb_arg a;

    if (arg_from(f, o, &a) < 0)
        return -1;
    if (a.kind != TB_ARG_TENSOR) {
        PyErr_Format(PyExc_TypeError, "expected a Value, found %R", o);
        return -1;
    }
    *out = a.v;
    return 0;
}

/* ---- inputs and constants ---- */

static void
do_input(void *arg)
{
    step *s = arg;
    tb_param p = {.name = s->name, .type = s->type};

    s->v = tb_input(s->g, (int)s->f->n_inputs++, (tb_dtype)s->type.dtype, s->type.rank,
                    s->type.dims);
    if (s->name.len && !s->g->names[s->v.id].len)
        s->g->names[s->v.id] = s->name;
    if (s->f->index != NO_FUNCTION)
        TB_PUSH(&s->f->unit->u->cx->keep, &func_of(s->f)->inputs, p);
}

static PyObject *
function_input(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    PyObject *name, *dtype, *dims;
    step s = {.f = f, .g = f->g};
    tb_dtype t;

    if (!PyArg_ParseTuple(args, "OOO:input", &name, &dtype, &dims) ||
        unit_usable(f->unit) < 0 || str_from(f->unit, name, &s.name) < 0 ||
        dtype_from(dtype, &t) < 0)
        return NULL;
    int rank = dims_from(f->unit, dims, s.type.dims);
    if (rank < 0)
        return NULL;
    for (int i = 0; i < rank; i++)
        if (s.type.dims[i] == TB_DIM_UNKNOWN || s.type.dims[i] < 0) {
            PyErr_Format(PyExc_ValueError, "input %U: size %d is not known", name, i);
            return NULL;
        }
    s.type.dtype = (uint8_t)t;
    s.type.rank = (uint8_t)rank;
    if (guard(f->unit, do_input, &s) < 0)
        return NULL;
    return value_wrap(f, s.v);
}

static int
constant_dims(unit_obj *unit, PyObject *dims, tb_const *c)
{
    size_t bytes = tb_dtype_bytes(c->dtype);
    int rank = dims_from(unit, dims, c->dims);

    if (rank < 0)
        return -1;
    c->rank = (uint8_t)rank;
    for (int i = 0; i < rank; i++) {
        if (!tb_dim_is_const(c->dims[i]) || c->dims[i] < 0) {
            PyErr_SetString(PyExc_ValueError, "a constant has sizes that are constant");
            return -1;
        }
        if (__builtin_mul_overflow(bytes, (size_t)c->dims[i], &bytes)) {
            PyErr_SetString(PyExc_OverflowError, "constant: more bytes than memory has");
            return -1;
        }
    }
    c->n_bytes = bytes;
    return 0;
}

/* The bytes of an object with the buffer protocol; the view is kept as a memoryview. */
static int
constant_bytes(unit_obj *unit, PyObject *data, PyObject *pointer, tb_const *c)
{
    if (pointer != Py_None) {
        c->bytes = PyLong_AsVoidPtr(pointer);
        if (PyErr_Occurred())
            return -1;
        if (!c->bytes && c->n_bytes) {
            PyErr_SetString(PyExc_ValueError, "constant: a null pointer");
            return -1;
        }
        return PyList_Append(unit->owners, data);
    }
    Py_buffer view;
    PyObject *keep = PyMemoryView_FromObject(data);

    if (!keep)
        return -1;
    if (PyObject_GetBuffer(keep, &view, PyBUF_C_CONTIGUOUS) < 0) {
        Py_DECREF(keep);
        return -1;
    }
    c->bytes = view.buf;
    int fits = (size_t)view.len == c->n_bytes;
    Py_ssize_t have = view.len;
    PyBuffer_Release(&view); /* `keep` holds the exporter's view open */
    if (!fits)
        PyErr_Format(PyExc_ValueError, "constant: expected %zu bytes, found %zd",
                     c->n_bytes, have);
    int r = fits ? PyList_Append(unit->owners, keep) : -1;
    Py_DECREF(keep);
    return r;
}

static void
do_constant(void *arg)
{
    step *s = arg;

    s->index = tb_unit_const(s->f->unit->u, s->constant);
    s->v = tb_constant(s->g, s->index);
}

/* Leaves the constant in *s; used for values and for initial values of globals. */
static int
add_constant(function_obj *f, PyObject *args, PyObject *kwargs, step *s)
{
    static const char *const names[] = {"data", "dtype", "dims",  "pointer",
                                        "name", "external", "scope", "parameter", NULL};
    PyObject *data, *dtype, *dims, *pointer = Py_None, *name = NULL, *scope = NULL;
    int external = 0, parameter = 0;
    tb_const *c = &s->constant;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|OOpOp:constant", (char **)names, &data,
                                     &dtype, &dims, &pointer, &name, &external, &scope,
                                     &parameter) ||
        unit_usable(f->unit) < 0 || dtype_from(dtype, &c->dtype) < 0 ||
        constant_dims(f->unit, dims, c) < 0 ||
        (name && str_from(f->unit, name, &c->name) < 0) ||
        (scope && str_from(f->unit, scope, &c->scope) < 0))
        return -1;
    c->external = external;
    c->parameter = parameter && c->name.len;
    if (data != Py_None && constant_bytes(f->unit, data, pointer, c) < 0)
        return -1;
    if (data == Py_None && !external) {
        PyErr_SetString(PyExc_ValueError, "constant: only an external one has no data");
        return -1;
    }
    return guard(f->unit, do_constant, s);
}

static PyObject *
function_constant(PyObject *o, PyObject *args, PyObject *kwargs)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g};

    return add_constant(f, args, kwargs, &s) < 0 ? NULL : value_wrap(f, s.v);
}

static PyObject *
function_constant_index(PyObject *o, PyObject *args, PyObject *kwargs)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g};

    return add_constant(f, args, kwargs, &s) < 0 ? NULL : PyLong_FromUnsignedLong(s.index);
}

/* ---- operators ---- */

typedef struct call {
    step s;
    tb_call c;
    const tb_str *kw_names;
    const tb_arg *kw_args;
    uint32_t n_kw;
    tb_type *types;
    tb_val *results;
} call;

/* Arguments in the order of the schema; those that bring a seed stay in front. */
static void
normalize(call *c, tb_loc loc)
{
    tb_ctx *cx = c->s.f->unit->u->cx;
    uint32_t n_seed = tb_op_seed_args(c->c.name), n;

    if (c->c.n_args < n_seed)
        n_seed = c->c.n_args; /* decomposition says what is wrong */
    const tb_arg *rest =
        tb_op_normalize(cx, c->c.op, c->c.args + n_seed, c->c.n_args - n_seed, c->kw_names,
                        c->kw_args, c->n_kw, loc, &n);
    tb_arg *all = TB_NEWN(&cx->keep, tb_arg, n + n_seed + 1);

    memcpy(all, c->c.args, n_seed * sizeof *all);
    memcpy(all + n_seed, rest, n * sizeof *all);
    c->c.args = all;
    c->c.n_args = n + n_seed;
}

static void
do_call(void *arg)
{
    call *c = arg;
    tb_graph *g = c->s.g;

    c->s.where.op = c->c.name;
    set_location(&c->s);
    c->c.op = tb_op_find(c->c.name);
    if (c->c.op)
        normalize(c, g->loc);
    c->s.v = tb_aten(g, c->c);
    if (c->s.name.len)
        g->names[c->s.v.id] = c->s.name;
    for (uint32_t i = 0; i < c->c.n_results; i++)
        c->results[i] = c->types[i].dtype == TB_NONE
                            ? TB_NO_VAL
                            : tb_result(g, c->s.v, i, &c->types[i]);
}

tb_type *
types_from(unit_obj *unit, PyObject *types, uint32_t *n)
{
    Py_ssize_t count = PySequence_Size(types);

    if (count < 0)
        return NULL;
    tb_type *out = TB_NEWN(&unit->u->cx->keep, tb_type, count + 1);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(types, i);
        int failed = !item || type_from(unit, item, &out[i]) < 0;

        Py_XDECREF(item);
        if (failed)
            return NULL;
    }
    *n = (uint32_t)count;
    return out;
}

static int
results_from(function_obj *f, PyObject *results, call *c)
{
    if (!(c->types = types_from(f->unit, results, &c->c.n_results)))
        return -1;
    c->results = TB_NEWN(&f->unit->u->cx->keep, tb_val, c->c.n_results + 1);
    c->c.results = c->types;
    return 0;
}

static int
keywords_from(function_obj *f, PyObject *kwargs, call *c)
{
    tb_arena *a = &f->unit->u->cx->keep;
    PyObject *key, *value;
    Py_ssize_t at = 0, n = kwargs == Py_None ? 0 : PyDict_Size(kwargs);

    if (n < 0)
        return -1;
    tb_str *names = TB_NEWN(a, tb_str, n + 1);
    tb_arg *args = TB_NEWN(a, tb_arg, n + 1);
    while (n && PyDict_Next(kwargs, &at, &key, &value)) {
        if (str_from(f->unit, key, &names[c->n_kw]) < 0 ||
            arg_from(f, value, &args[c->n_kw]) < 0)
            return -1;
        c->n_kw++;
    }
    c->kw_names = names;
    c->kw_args = args;
    return 0;
}

/* Arguments of an operator without a row are kept as given, so that it can be printed and
 * named in messages; keywords go last, for there is no schema that places them. */
static PyObject *
function_call(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"op",      "args",     "results", "kwargs",
                                        "is_list", "location", "name",    NULL};
    function_obj *f = (function_obj *)o;
    PyObject *op, *positional, *keywords = Py_None, *results = NULL;
    PyObject *location = Py_None, *name = NULL;
    call c = {.s = {.f = f, .g = f->g}};
    int is_list = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|OpOO:call", (char **)names, &op,
                                     &positional, &results, &keywords, &is_list,
                                     &location, &name) ||
        unit_usable(f->unit) < 0 || str_from(f->unit, op, &c.c.name) < 0 ||
        args_from(f, positional, &c.c.args, &c.c.n_args) < 0 ||
        keywords_from(f, keywords, &c) < 0 || results_from(f, results, &c) < 0 ||
        location_from(f->unit, location, &c.s.where) < 0 ||
        (name && str_from(f->unit, name, &c.s.name) < 0))
        return NULL;
    c.c.result_is_list = is_list;
    if (guard(f->unit, do_call, &c) < 0)
        return NULL;
    return values_wrap(f, c.results, c.c.n_results);
}

/* ---- state, sizes ---- */

static void
do_read(void *arg)
{
    step *s = arg;

    s->v = tb_read(s->g, s->index);
}

static PyObject *
function_read(PyObject *o, PyObject *index)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g, .index = (uint32_t)PyLong_AsUnsignedLong(index)};

    if (PyErr_Occurred() || guard(f->unit, do_read, &s) < 0)
        return NULL;
    return value_wrap(f, s.v);
}

static void
do_write(void *arg)
{
    step *s = arg;

    tb_write(s->g, s->index, s->v);
}

static PyObject *
function_write(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g};
    PyObject *value;
    unsigned int index;

    if (!PyArg_ParseTuple(args, "IO:write", &index, &value) ||
        value_from(f, value, &s.v) < 0)
        return NULL;
    s.index = index;
    if (guard(f->unit, do_write, &s) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static void
do_dim_value(void *arg)
{
    step *s = arg;

    s->v = tb_dim_value(s->g, s->d);
}

static PyObject *
function_dim_value(PyObject *o, PyObject *dim)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g};

    if (dim_from(f->unit, dim, &s.d) < 0 || guard(f->unit, do_dim_value, &s) < 0)
        return NULL;
    return value_wrap(f, s.v);
}

static void
do_item(void *arg)
{
    step *s = arg;

    set_location(s);
    s->d = tb_item(s->g, s->v, s->name, s->min, s->max);
}

static PyObject *
function_item(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g};
    PyObject *value, *name, *max = Py_None, *location = Py_None;
    long long min = 0;

    if (!PyArg_ParseTuple(args, "OO|LOO:item", &value, &name, &min, &max, &location) ||
        unit_usable(f->unit) < 0 || value_from(f, value, &s.v) < 0 ||
        str_from(f->unit, name, &s.name) < 0 ||
        location_from(f->unit, location, &s.where) < 0)
        return NULL;
    s.min = min;
    s.max = max == Py_None ? INT64_MAX : PyLong_AsLongLong(max);
    if (PyErr_Occurred() || guard(f->unit, do_item, &s) < 0)
        return NULL;
    return dim_wrap(f->unit, s.d);
}

static void
do_assert(void *arg)
{
    step *s = arg;

    set_location(s);
    tb_assert_node(s->g, s->v, s->name);
}

static PyObject *
function_assert(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    step s = {.f = f, .g = f->g};
    PyObject *value, *message, *location = Py_None;

    if (!PyArg_ParseTuple(args, "OO|O:assert_", &value, &message, &location) ||
        unit_usable(f->unit) < 0 || value_from(f, value, &s.v) < 0 ||
        str_from(f->unit, message, &s.name) < 0 ||
        location_from(f->unit, location, &s.where) < 0 ||
        guard(f->unit, do_assert, &s) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the end ---- */

static PyObject *
function_output(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    tb_arena *a = &f->unit->u->cx->keep;
    tb_param p = {0};
    PyObject *value, *name = NULL;
    tb_val v;

    if (!PyArg_ParseTuple(args, "O|O:output", &value, &name) || unit_usable(f->unit) < 0 ||
        value_from(f, value, &v) < 0 || (name && str_from(f->unit, name, &p.name) < 0))
        return NULL;
    p.type.dtype = (uint8_t)tb_dtype_of(f->g, v);
    p.type.rank = (uint8_t)tb_rank(f->g, v);
    for (int i = 0; i < p.type.rank; i++)
        p.type.dims[i] = tb_dims(f->g, v)[i];
    TB_PUSH(a, &f->g->outputs, v);
    if (f->index != NO_FUNCTION)
        TB_PUSH(a, &func_of(f)->outputs, p);
    Py_RETURN_NONE;
}

static PyObject *
function_attribute(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    PyObject *key, *value;
    tb_func_attr attr;

    if (!PyArg_ParseTuple(args, "OO:attribute", &key, &value) || unit_usable(f->unit) < 0 ||
        str_from(f->unit, key, &attr.key) < 0 || str_from(f->unit, value, &attr.value) < 0)
        return NULL;
    if (f->index == NO_FUNCTION) {
        PyErr_SetString(PyExc_ValueError, "attribute: a graph inside has none");
        return NULL;
    }
    TB_PUSH(&f->unit->u->cx->keep, &func_of(f)->attrs, attr);
    Py_RETURN_NONE;
}

static PyObject *
get_unit(PyObject *o, void *unused)
{
    (void)unused;
    return Py_NewRef((PyObject *)((function_obj *)o)->unit);
}

static void
do_function(void *arg)
{
    step *s = arg;
    tb_func *fn = tb_unit_func(s->f->unit->u, s->name);

    fn->exported = s->index;
    s->g = fn->body;
}

PyObject *
function_new(unit_obj *unit, const char *name, int exported)
{
    function_obj *f = PyObject_New(function_obj, function_type);

    if (!f)
        return NULL;
    f->unit = (unit_obj *)Py_NewRef((PyObject *)unit);
    f->index = unit->u->funcs.n;
    f->n_inputs = 0;
    f->graph = 0;
    step s = {.f = f, .name = tb_str_c(name), .index = exported != 0};
    if (guard(unit, do_function, &s) < 0) {
        Py_DECREF((PyObject *)f);
        return NULL;
    }
    f->g = s.g;
    return (PyObject *)f;
}

static void
dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);

    Py_DECREF((PyObject *)((function_obj *)o)->unit);
    PyObject_Free(o);
    Py_DECREF((PyObject *)type);
}

#define KEYWORDS(fn) (PyCFunction)(void (*)(void))(fn), METH_VARARGS | METH_KEYWORDS
#define CONSTANT                                                                         \
    "(data, dtype, dims, pointer=None, name='', external=False, scope='', parameter=False)"

static PyMethodDef methods[] = {
    {"input", function_input, METH_VARARGS, "input(name, dtype, dims) -> Value"},
    {"constant", KEYWORDS(function_constant),
     "constant" CONSTANT " -> Value: dense bytes that stay where they are; `data` has the "
     "buffer protocol, or owns the memory at `pointer`"},
    {"constant_index", KEYWORDS(function_constant_index),
     "constant_index" CONSTANT " -> int: the same, for Unit.global_(init=)"},
    {"call", KEYWORDS(function_call),
     "call(op, args, results, kwargs=None, is_list=False, location=None, name='') -> list of "
     "Values; results: (dtype, dims) or None each; location: (file, line, function, path)"},
    {"read", function_read, METH_O, "read(global) -> Value"},
    {"write", function_write, METH_VARARGS, "write(global, value)"},
    {"dim_value", function_dim_value, METH_O, "dim_value(dim) -> Value, i64 of rank 0"},
    {"item", function_item, METH_VARARGS,
     "item(value, name, min=0, max=None, location=None) -> Dim: the number in a tensor"},
    {"assert_", function_assert, METH_VARARGS, "assert_(condition, message, location=None)"},
    {"graph", function_graph, METH_NOARGS, "graph() -> Function: a graph for control()"},
    {"control", function_control, METH_VARARGS,
     "control(kind, operands, graphs, results, location=None) -> list of Values; kind: "
     "'cond' (operands: condition, arguments; graphs: then, else), 'while' (operands: first "
     "values; graphs: condition, body) or 'call' (one graph); results: (dtype, dims) each"},
    {"output", function_output, METH_VARARGS, "output(value, name=''): adds a result"},
    {"attribute", function_attribute, METH_VARARGS, "attribute(key, value)"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"unit", get_unit, NULL, "the Unit", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"A function being built (Unit.function)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "shark_turbine._compiler.Function",
    .basicsize = sizeof(function_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int
function_init(PyObject *module)
{
    function_type = add_type(module, &spec);
    return function_type ? 0 : -1;
}

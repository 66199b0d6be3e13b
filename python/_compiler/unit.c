/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * unit.c -- Unit: one compilation's symbols, globals and functions.
 */
#include "binding.h"

PyTypeObject *unit_type;

/* ---- errors ---- */

static PyObject *
exception_of(tb_code code)
{
    switch (code) {
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
    case TB_OK:
    case TB_INTERNAL:
        break;
    }
    return PyExc_RuntimeError;
}

void
raise_status(tb_status st)
{
    const char *message = tb_status_message(st);
    PyObject *text =
        PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "backslashreplace");

    if (text)
        PyErr_SetObject(exception_of(tb_status_code(st)), text);
    Py_XDECREF(text);
    tb_status_free(st);
}

int
guard(unit_obj *unit, void (*fn)(void *arg), void *arg)
{
    if (unit_usable(unit) < 0)
        return -1;
    tb_status st = tb_guard(unit->u->cx, fn, arg);

    if (!st)
        return 0;
    raise_status(st);
    return -1;
}

int
unit_usable(unit_obj *unit)
{
    if (!unit->busy)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "the Unit is being compiled by another thread");
    return -1;
}

/* ---- life ---- */

PyObject *
unit_wrap(tb_unit *u)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(unit_type, Py_tp_alloc);
    unit_obj *self = (unit_obj *)alloc(unit_type, 0);

    if (!self) {
        tb_ctx_free(u->cx);
        return NULL;
    }
    self->u = u;
    self->owners = PyList_New(0);
    if (!self->owners)
        Py_CLEAR(self);
    return (PyObject *)self;
}

typedef struct start {
    tb_ctx *cx;
    tb_str name;
    tb_unit *u;
} start;

static void
do_start(void *arg)
{
    start *s = arg;

    s->u = tb_unit_new(s->cx, s->name);
}

static PyObject *
unit_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", NULL};
    const char *name = "module";

    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:Unit", (char **)names, &name))
        return NULL;
    start s = {.cx = tb_ctx_new(), .name = tb_str_c(name)};
    if (!s.cx)
        return PyErr_NoMemory();
    tb_status st = tb_guard(s.cx, do_start, &s);
    if (!st)
        return unit_wrap(s.u);
    raise_status(st);
    tb_ctx_free(s.cx);
    return NULL;
}

static void
unit_dealloc(PyObject *o)
{
    unit_obj *self = (unit_obj *)o;
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    if (self->u)
        tb_ctx_free(self->u->cx);
    Py_XDECREF(self->owners);
    release(o);
    Py_DECREF((PyObject *)type);
}

/* ---- symbols ---- */

typedef struct symbol {
    tb_unit *u;
    tb_str name;
    tb_sym_kind kind;
    int64_t min, max, hint;
    uint32_t arg;
    tb_dim out;
} symbol;

static void
do_symbol(void *arg)
{
    symbol *s = arg;

    s->out = tb_sym_new(s->u, s->name, s->kind, s->min, s->max);
    s->u->syms.at[s->u->syms.n - 1].hint = s->hint;
    s->u->syms.at[s->u->syms.n - 1].arg = s->arg;
}

static PyObject *
unit_symbol(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name",     "min",    "max", "hint",
                                        "argument", "result", NULL};
    unit_obj *self = (unit_obj *)o;
    PyObject *max = Py_None, *argument = Py_None;
    const char *name;
    long long min = 0, hint = 0;
    int result = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|LOLOp:symbol", (char **)names, &name,
                                     &min, &max, &hint, &argument, &result))
        return NULL;
    symbol s = {.u = self->u,
                .name = tb_str_c(name),
                .kind = result                ? TB_SYM_ITEM
                        : argument == Py_None ? TB_SYM_SHAPE
                                              : TB_SYM_ARG,
                .min = min,
                .max = max == Py_None ? INT64_MAX : PyLong_AsLongLong(max),
                .hint = hint,
                .arg = argument == Py_None ? 0 : (uint32_t)PyLong_AsUnsignedLong(argument)};
    if (PyErr_Occurred() || guard(self, do_symbol, &s) < 0)
        return NULL;
    return dim_wrap(self, s.out);
}

typedef struct equality {
    tb_unit *u;
    tb_dim a, b;
} equality;

static void
do_equal(void *arg)
{
    equality *e = arg;

    tb_dim_assume_eq(e->u, e->a, e->b, (tb_loc){0});
}

static PyObject *
unit_assume_equal(PyObject *o, PyObject *args)
{
    unit_obj *self = (unit_obj *)o;
    PyObject *a, *b;
    equality e = {.u = self->u};

    if (!PyArg_ParseTuple(args, "OO:assume_equal", &a, &b) || dim_from(self, a, &e.a) < 0 ||
        dim_from(self, b, &e.b) < 0 || guard(self, do_equal, &e) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- functions, globals, text ---- */

static PyObject *
unit_function(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "exported", NULL};
    unit_obj *self = (unit_obj *)o;
    const char *name;
    int exported = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|p:function", (char **)names, &name,
                                     &exported))
        return NULL;
    return function_new(self, name, exported);
}

static PyObject *
unit_global(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"name", "dtype", "dims", "init", "mutable", NULL};
    unit_obj *self = (unit_obj *)o;
    PyObject *name, *dtype, *dims, *init = Py_None;
    int mutable_ = 1;
    tb_global g = {0};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|Op:global_", (char **)names, &name, &dtype,
                                     &dims, &init, &mutable_) ||
        unit_usable(self) < 0 || str_from(self, name, &g.name) < 0 ||
        dtype_from(dtype, &g.dtype) < 0)
        return NULL;
    int rank = dims_from(self, dims, g.dims);
    if (rank < 0)
        return NULL;
    for (int i = 0; i < rank; i++)
        if (!tb_dim_is_const(g.dims[i]) || g.dims[i] < 0) {
            PyErr_SetString(PyExc_ValueError, "a global has sizes that are constant");
            return NULL;
        }
    g.rank = (uint8_t)rank;
    g.mutable_ = mutable_;
    if (init != Py_None) {
        unsigned long index = PyLong_AsUnsignedLong(init);
        if (PyErr_Occurred())
            return NULL;
        if (index >= self->u->consts.n) {
            PyErr_Format(PyExc_IndexError, "there is no constant %lu", index);
            return NULL;
        }
        g.init = (uint32_t)index + 1;
    }
    TB_PUSH(&self->u->cx->keep, &self->u->globals, g);
    return PyLong_FromUnsignedLong(self->u->globals.n - 1);
}

typedef struct printing {
    const tb_unit *u;
    tb_print_flags flags;
    tb_buf out;
} printing;

static void
do_text(void *arg)
{
    printing *p = arg;

    tb_unit_print_with(p->u, p->flags, &p->out);
}

PyObject *
text_from_buf(tb_buf *b)
{
    PyObject *s = b->failed ? PyErr_NoMemory()
                            : PyUnicode_DecodeUTF8((const char *)b->at, (Py_ssize_t)b->n,
                                                   "backslashreplace");

    tb_buf_free(b);
    return s;
}

static PyObject *
unit_text(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"data", "locations", NULL};
    unit_obj *self = (unit_obj *)o;
    int data = 0, locations = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|pp:text", (char **)names, &data,
                                     &locations))
        return NULL;
    printing p = {.u = self->u,
                  .flags = (tb_print_flags)((data ? TB_PRINT_DATA : 0) |
                                            (locations ? TB_PRINT_LOCATIONS : 0))};
    if (guard(self, do_text, &p) < 0) {
        tb_buf_free(&p.out);
        return NULL;
    }
    return text_from_buf(&p.out);
}

static void
do_verify(void *arg)
{
    const tb_unit *u = arg;

    for (uint32_t i = 0; i < u->graphs.n; i++)
        tb_graph_verify(u->graphs.at[i]);
}

static PyObject *
unit_verify(PyObject *o, PyObject *unused)
{
    unit_obj *self = (unit_obj *)o;

    (void)unused;
    if (guard(self, do_verify, self->u) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
get_name(PyObject *o, void *unused)
{
    tb_str s = ((unit_obj *)o)->u->name;

    (void)unused;
    return PyUnicode_FromStringAndSize(s.ptr, (Py_ssize_t)s.len);
}

static PyObject *
get_functions(PyObject *o, void *unused)
{
    unit_obj *self = (unit_obj *)o;
    PyObject *list = PyList_New(0);

    (void)unused;
    for (uint32_t i = 0; list && i < self->u->funcs.n; i++) {
        tb_str s = self->u->funcs.at[i].name;
        PyObject *name = PyUnicode_FromStringAndSize(s.ptr, (Py_ssize_t)s.len);
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* [(scope or None, name, dtype, dims, address of the data or None)]: the model's
 * parameters, and the constants that are outside anyway */
static PyObject *
unit_parameters(PyObject *o, PyObject *unused)
{
    unit_obj *self = (unit_obj *)o;
    const tb_unit *u = self->u;
    PyObject *list = PyList_New(0);

    (void)unused;
    for (uint32_t i = 0; list && i < u->consts.n; i++) {
        const tb_const *c = &u->consts.at[i];
        if (!c->parameter && !c->external)
            continue;
        PyObject *dims = dims_wrap(self, c->dims, c->rank);
        PyObject *data = c->bytes ? PyLong_FromVoidPtr((void *)(uintptr_t)c->bytes)
                                  : Py_NewRef(Py_None);
        PyObject *row = dims && data
                            ? Py_BuildValue("z#s#sOO", c->external ? c->scope.ptr : NULL,
                                            (Py_ssize_t)c->scope.len, c->name.ptr,
                                            (Py_ssize_t)c->name.len, tb_dtype_name(c->dtype),
                                            dims, data)
                            : NULL;
        if (!row || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(dims);
        Py_XDECREF(data);
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *
get_constants(PyObject *o, void *unused)
{
    (void)unused;
    return PySequence_List(((unit_obj *)o)->owners);
}

#define KEYWORDS(fn) (PyCFunction)(void (*)(void))(fn), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"symbol", KEYWORDS(unit_symbol),
     "symbol(name, min=0, max=None, hint=0, argument=None, result=False) -> Dim: a size read "
     "from the shapes of inputs, (argument=n) the value of an integer input, or (result=True) "
     "a size that an operator finds out"},
    {"assume_equal", unit_assume_equal, METH_VARARGS,
     "assume_equal(a, b): calls for which they differ are refused"},
    {"function", KEYWORDS(unit_function), "function(name, exported=True) -> Function"},
    {"global_", KEYWORDS(unit_global),
     "global_(name, dtype, dims, init=None, mutable=True) -> int: state of a session; init "
     "is the number of a constant, None means zeros"},
    {"text", KEYWORDS(unit_text), "text(data=False, locations=False): graphs as .tb text"},
    {"parameters", unit_parameters, METH_NOARGS,
     "parameters(): (scope or None, name, dtype, dims, address or None) of each"},
    {"verify", unit_verify, METH_NOARGS, "checks every graph; RuntimeError if malformed"},
    {"mlir", KEYWORDS(unit_mlir),
     "mlir(locations=False, large_elements_limit=-1): torch-dialect MLIR"},
    {"print", KEYWORDS(unit_print_stage), "print(stage, targets=()): the program at a stage"},
    {"compile", KEYWORDS(unit_compile),
     "compile(targets=(), threads=0, bf16_matmul=False, dump=None, progress=None, "
     "stock_iree=False, external_scope=None, tune=0.0, object=None, path=None, "
     "workers=0) -> Artifact, or None if it is written to a path; workers: how many "
     "threads will share a kernel, 0 for any number; stock_iree: None "
     "means if it takes little; with a scope, parameters stay outside under it; "
     "object=PREFIX gives (C header, [(level, object), ...]) instead; "
     "what progress(stage, done, total) raises is raised at the end"},
    {"evaluate", KEYWORDS(unit_evaluate),
     "evaluate(function, inputs) -> list of (bytes, dtype, dims): the reference evaluator"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"name", get_name, NULL, "the module's name", NULL},
    {"functions", get_functions, NULL, "names of the functions", NULL},
    {"constants", get_constants, NULL,
     "what holds the bytes of the constants, in the order they were added", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"Unit(name='module'): a program being built."},
    {Py_tp_new, unit_new},
    {Py_tp_dealloc, unit_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "shark_turbine._compiler.Unit",
    .basicsize = sizeof(unit_obj),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int
unit_init(PyObject *module)
{
    unit_type = add_type(module, &spec);
    return unit_type ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * compile.c -- what is done with a whole unit: compile, print, MLIR both ways.
 *
 * The GIL is released meanwhile and the unit marked busy, which every other entry checks.
 */
#include "binding.h"

#include "mlir/mlir.h"
#include "tune/tune.h"

enum { MAX_TARGETS = 16 };

/* ---- options ---- */

/* Keeps the str objects alive in `owner`, a list. */
static int
targets_from(PyObject *sequence, PyObject **owner, const char **names, size_t *n)
{
    *n = 0;
    *owner = NULL;
    if (!sequence || sequence == Py_None)
        return 0;
    if (PyUnicode_Check(sequence)) {
        PyErr_SetString(PyExc_TypeError, "targets: expected a list of names");
        return -1;
    }
    *owner = PySequence_List(sequence);
    if (!*owner)
        return -1;
    if (PyList_Size(*owner) > MAX_TARGETS) {
        PyErr_SetString(PyExc_ValueError, "targets: too many");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_Size(*owner); i++) {
        names[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(*owner, i), NULL);
        if (!names[i])
            return -1;
        ++*n;
    }
    return 0;
}

/* ---- progress ---- */

typedef struct reporter {
    PyObject *callable;
    PyObject *type, *value, *trace; /* what it raised first */
} reporter;

/* The compiler cannot be left from here, so an exception waits until it returns. */
static void
report(void *user, const char *stage, size_t done, size_t total)
{
    reporter *r = user;
    PyGILState_STATE gil = PyGILState_Ensure();

    if (!r->type) {
        PyObject *o = PyObject_CallFunction(r->callable, "snn", stage, (Py_ssize_t)done,
                                            (Py_ssize_t)total);
        if (!o)
            PyErr_Fetch(&r->type, &r->value, &r->trace);
        Py_XDECREF(o);
    }
    PyGILState_Release(gil);
}

/* ---- compile and print ---- */

typedef struct work {
    unit_obj *unit;
    tb_compile_options o;
    tb_tune_options tune; /* no seconds: not at all */
    const char *stage; /* print up to here instead of compiling */
    tb_buf out;
    tb_objects objects; /* instead, if it has a prefix */
} work;

static int
do_work(work *w)
{
    tb_status st;

    if (unit_usable(w->unit) < 0)
        return -1;
    w->unit->busy = 1;
    tb_unit_mark mark = tb_unit_mark_of(w->unit->u);
    Py_BEGIN_ALLOW_THREADS;
    st = tb_compile_dump(w->unit->u, &w->o);
    if (!st)
        st = w->stage              ? tb_compile_print(w->unit->u, &w->o, w->stage, &w->out)
             : w->objects.prefix   ? tb_compile_objects(w->unit->u, &w->o, &w->objects)
             : w->tune.seconds > 0 ? tb_tune(w->unit->u, &w->o, &w->tune, &w->out, NULL)
                                   : tb_compile(w->unit->u, &w->o, &w->out);
    tb_unit_return(w->unit->u, mark);
    tb_arena_reset(&w->unit->u->cx->scratch);
    Py_END_ALLOW_THREADS;
    w->unit->busy = 0;
    if (!st)
        return 0;
    tb_buf_free(&w->out);
    raise_status(st);
    return -1;
}

/* (header, [(level, object), ...]); frees them. */
static PyObject *
take_objects(tb_objects *o)
{
    PyObject *header = text_from_buf(&o->header), *list = PyList_New(0);

    for (uint32_t i = 0; list && i < o->n; i++) {
        PyObject *pair = Py_BuildValue("(sN)", o->target[i], artifact_from_buf(&o->object[i]));
        if (!pair || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    tb_objects_free(o);
    if (header && list)
        return Py_BuildValue("(NN)", header, list);
    Py_XDECREF(header);
    Py_XDECREF(list);
    return NULL;
}

/* A path, or None: NULL. */
static int
to_path(PyObject *o, void *out)
{
    return o == Py_None || PyUnicode_FSConverter(o, out);
}

PyObject *
unit_compile(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const keywords[] = {"targets", "threads",  "bf16_matmul",
                                           "dump",    "progress", "stock_iree",
                                           "external_scope", "tune", "object",
                                           "path", "workers", NULL};
    PyObject *targets = NULL, *progress = Py_None, *stock = Py_False, *owner, *result;
    PyObject *path = NULL;
    const char *names[MAX_TARGETS], *dump = NULL, *scope = NULL;
    int threads = 0, bf16 = 0;
    work w = {.unit = (unit_obj *)self};
    reporter r = {0};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OipzOOzdzO&i:compile", (char **)keywords,
                                     &targets, &threads, &bf16, &dump, &progress, &stock,
                                     &scope, &w.tune.seconds, &w.objects.prefix, to_path,
                                     &path, &w.o.workers))
        return NULL;
    if (targets_from(targets, &owner, names, &w.o.n_targets) < 0) {
        Py_XDECREF(owner);
        Py_XDECREF(path);
        return NULL;
    }
    w.o.targets = names;
    w.o.path = path ? PyBytes_AsString(path) : NULL;
    w.o.threads = threads;
    w.o.bf16_matmul = bf16;
    w.o.dump = dump;
    w.o.external_parameters = scope != NULL;
    w.o.scope = tb_str_c(scope ? scope : "");
    w.o.stock_iree = stock == Py_None          ? TB_STOCK_IF_SMALL
                     : PyObject_IsTrue(stock) > 0 ? TB_STOCK_ALWAYS
                                                  : TB_STOCK_NEVER;
    if (progress != Py_None) {
        r.callable = progress;
        w.o.progress = report;
        w.o.user = &r;
    }
    int failed = do_work(&w) < 0;
    Py_XDECREF(owner);
    Py_XDECREF(path);
    if (failed && !r.type)
        return NULL;
    result = failed             ? NULL
             : w.objects.prefix ? take_objects(&w.objects)
             : path             ? Py_NewRef(Py_None)
                                : artifact_from_buf(&w.out);
    if (!r.type)
        return result;
    Py_XDECREF(result);
    PyErr_Restore(r.type, r.value, r.trace);
    return NULL;
}

PyObject *
unit_print_stage(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const keywords[] = {"stage", "targets", NULL};
    PyObject *targets = NULL, *owner;
    const char *names[MAX_TARGETS];
    work w = {.unit = (unit_obj *)self};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:print", (char **)keywords, &w.stage,
                                     &targets))
        return NULL;
    if (targets_from(targets, &owner, names, &w.o.n_targets) < 0) {
        Py_XDECREF(owner);
        return NULL;
    }
    w.o.targets = names;
    int failed = do_work(&w) < 0;
    Py_XDECREF(owner);
    return failed ? NULL : text_from_buf(&w.out);
}

/* ---- MLIR ---- */

typedef struct mlir_out {
    const tb_unit *u;
    tb_mlir_options o;
    tb_buf out;
} mlir_out;

static void
do_mlir(void *arg)
{
    mlir_out *m = arg;

    tb_mlir_print(m->u, &m->o, &m->out);
}

static int
print_mlir(PyObject *self, PyObject *args, PyObject *kwargs, mlir_out *m)
{
    static const char *const keywords[] = {"locations", "large_elements_limit", NULL};
    unit_obj *unit = (unit_obj *)self;
    int locations = 0;
    long long limit = -1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|pL:mlir", (char **)keywords, &locations,
                                     &limit))
        return -1;
    *m = (mlir_out){.u = unit->u,
                    .o = {.large_elements_limit = limit, .locations = locations != 0}};
    if (guard(unit, do_mlir, m) < 0) {
        tb_buf_free(&m->out);
        return -1;
    }
    return 0;
}

PyObject *
unit_mlir(PyObject *self, PyObject *args, PyObject *kwargs)
{
    mlir_out m;

    return print_mlir(self, args, kwargs, &m) < 0 ? NULL : text_from_buf(&m.out);
}

typedef struct mlir_in {
    tb_ctx *cx;
    tb_str text, file;
    tb_unit *u;
} mlir_in;

static void
do_parse(void *arg)
{
    mlir_in *m = arg;

    m->u = tb_mlir_parse(m->cx, m->text, m->file);
}

static void
do_parse_tb(void *arg)
{
    mlir_in *m = arg;

    m->u = tb_unit_parse(m->cx, m->text, m->file);
}

static PyObject *
parse(PyObject *args, const char *format, void (*fn)(void *))
{
    const char *text, *file = "<text>";
    Py_ssize_t n;
    tb_status st;

    if (!PyArg_ParseTuple(args, format, &text, &n, &file))
        return NULL;
    mlir_in m = {.cx = tb_ctx_new(), .text = {text, (size_t)n}, .file = tb_str_c(file)};
    if (!m.cx)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS;
    st = tb_guard(m.cx, fn, &m);
    Py_END_ALLOW_THREADS;
    if (!st)
        return unit_wrap(m.u);
    raise_status(st);
    tb_ctx_free(m.cx);
    return NULL;
}

PyObject *
module_parse_mlir(PyObject *module, PyObject *args)
{
    (void)module;
    return parse(args, "s#|s:parse_mlir", do_parse);
}

PyObject *
module_parse_text(PyObject *module, PyObject *args)
{
    (void)module;
    return parse(args, "s#|s:parse_text", do_parse_tb);
}

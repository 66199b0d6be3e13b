/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * control.c -- graphs inside a function, and the nodes that run them: branches, loops, calls.
 *
 * A graph inside is a Function object that has inputs and outputs, but no name.
 */
#include "binding.h"

typedef struct new_graph {
    tb_unit *u;
    tb_graph *g;
    uint32_t index;
} new_graph;

static void
do_graph(void *arg)
{
    new_graph *n = arg;

    n->g = tb_graph_new(n->u);
    for (n->index = n->u->graphs.n - 1; n->u->graphs.at[n->index] != n->g;)
        n->index--;
}

PyObject *
function_graph(PyObject *o, PyObject *unused)
{
    function_obj *f = (function_obj *)o, *inner;
    new_graph n = {.u = f->unit->u};

    (void)unused;
    if (unit_usable(f->unit) < 0 || guard(f->unit, do_graph, &n) < 0 ||
        !(inner = PyObject_New(function_obj, function_type)))
        return NULL;
    inner->unit = (unit_obj *)Py_NewRef((PyObject *)f->unit);
    inner->index = NO_FUNCTION;
    inner->graph = n.index;
    inner->n_inputs = 0;
    inner->g = n.g;
    return (PyObject *)inner;
}

/* A node being added. */
typedef struct control {
    function_obj *f;
    tb_prim prim;
    tb_val *in, *results;
    tb_type *types;
    int64_t graphs[2];
    uint32_t n_in, n_graphs, n_results;
    tb_location where;
} control;

static void
do_control(void *arg)
{
    control *k = arg;
    tb_graph *g = k->f->g;
    tb_val node;

    g->loc = tb_unit_loc(k->f->unit->u, k->where);
    node = tb_add(g, k->prim, TB_NONE, 0, NULL, k->in, k->n_in, k->graphs, k->n_graphs);
    for (uint32_t i = 0; i < k->n_results; i++)
        k->results[i] = tb_result(g, node, i, &k->types[i]);
    tb_graph_verify(g);
}

static int
control_kind(const char *kind, control *k)
{
    static const struct {
        const char *name;
        tb_prim prim;
        uint32_t n_graphs;
    } kinds[] = {{"cond", TB_P_cond, 2}, {"while", TB_P_while, 2}, {"call", TB_P_call, 1}};

    for (size_t i = 0; i < TB_COUNT(kinds); i++)
        if (strcmp(kind, kinds[i].name) == 0) {
            k->prim = kinds[i].prim;
            k->n_graphs = kinds[i].n_graphs;
            return 0;
        }
    PyErr_Format(PyExc_ValueError, "control: there is no '%s'", kind);
    return -1;
}

static int
control_graphs(function_obj *f, PyObject *graphs, control *k)
{
    if (PySequence_Size(graphs) != (Py_ssize_t)k->n_graphs) {
        PyErr_Format(PyExc_ValueError, "control: expected %u graphs", k->n_graphs);
        return -1;
    }
    for (uint32_t i = 0; i < k->n_graphs; i++) {
        PyObject *item = PySequence_GetItem(graphs, i);
        function_obj *inner = (function_obj *)item;
        int ok = item && Py_TYPE(item) == function_type && inner->unit == f->unit &&
                 inner->index == NO_FUNCTION;

        if (ok)
            k->graphs[i] = inner->graph;
        else
            PyErr_SetString(PyExc_TypeError, "control: expected graphs of this unit");
        Py_XDECREF(item);
        if (!ok)
            return -1;
    }
    return 0;
}

static int
control_operands(function_obj *f, PyObject *operands, control *k)
{
    Py_ssize_t n = PySequence_Size(operands);

    if (n < 0)
        return -1;
    k->n_in = (uint32_t)n;
    k->in = TB_NEWN(&f->unit->u->cx->keep, tb_val, n + 1);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(operands, i);
        int failed = !item || value_from(f, item, &k->in[i]) < 0;

        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    return 0;
}

PyObject *
function_control(PyObject *o, PyObject *args)
{
    function_obj *f = (function_obj *)o;
    PyObject *operands, *graphs, *results, *location = Py_None;
    control k = {.f = f};
    const char *kind;

    if (!PyArg_ParseTuple(args, "sOOO|O:control", &kind, &operands, &graphs, &results,
                          &location) ||
        unit_usable(f->unit) < 0 || control_kind(kind, &k) < 0 ||
        control_operands(f, operands, &k) < 0 || control_graphs(f, graphs, &k) < 0 ||
        !(k.types = types_from(f->unit, results, &k.n_results)) ||
        location_from(f->unit, location, &k.where) < 0)
        return NULL;
    k.results = TB_NEWN(&f->unit->u->cx->keep, tb_val, k.n_results + 1);
    if (guard(f->unit, do_control, &k) < 0)
        return NULL;
    return values_wrap(f, k.results, k.n_results);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * bound.c -- Session.bind(): a function of a session as a built-in function of Python, the
 * fastest thing Python can call.
 *
 * With torch=True results are torch.Tensor, and a plan may say how the arguments and
 * results of the caller are those of the program, so that nothing is left to do in Python:
 *
 *   arguments   how many the callable takes
 *   inputs      for each input of the program (position, order): which argument; None is a
 *               seed, which calling `draw` gives. `order` (may be None) are the axes of the
 *               argument from slowest to fastest, as the program wants them: a tensor in
 *               channels-last memory is dense in the order (0, 2, 3, 1)
 *   outputs     what the callable returns, one of
 *                 ("result", k, order)  a tensor; `order` of its axes in memory, or None
 *                 ("same", i)           the same object as output i, an earlier one
 *                 ("number", k)         result k, of rank 0, as int, float or bool
 *                 ("input", position)   an argument itself
 *                 ("seed",)             the seed
 *                 ("value", object)     an object
 *   boxed       the callable takes one list of the arguments, which it empties, and returns
 *               a list: AOTAutograd's convention. Else it returns a tuple.
 *   saving      (returned, saved, others): the callable is the `forward` of a
 *               torch.autograd.Function. It takes the context first and returns the first
 *               `returned` outputs; the next `saved` ones are saved for the backward pass,
 *               those after them are the context's `symints`. `others` are the numbers of
 *               returned tensors that have no gradient.
 */
#include "binding.h"

#include <string.h>

static PyTypeObject *bound_type;

typedef struct bound_input {
    int position; /* -1: a seed */
    axis_order order;
} bound_input;

typedef enum output_kind { RESULT, SAME, NUMBER, INPUT, SEED, VALUE } output_kind;
static const char *const kinds[] = {"result", "same", "number",
                                    "input",  "seed", "value"};

typedef struct bound_output {
    output_kind kind;
    int index;
    axis_order order;
    PyObject *value;
} bound_output;

/* The `self` of the built-in function. */
typedef struct bound_obj {
    PyObject_HEAD
    session_obj *session;
    int fn, as_torch, boxed;
    Py_ssize_t n_args, n_inputs, n_outputs;
    bound_input *inputs;
    bound_output *outputs;
    PyObject *draw;
    int saving; /* and what it means: */
    Py_ssize_t n_returned, n_saved;
    PyObject *others; /* tuple of int */
} bound_obj;

static PyObject *s_save, *s_mark, *s_materialise, *s_symints;

/* ---- calls ---- */

static int
convert(bound_obj *b, call *c, PyObject *const *args, PyObject *seed)
{
    for (Py_ssize_t i = 0; i < b->n_inputs; i++) {
        const bound_input *in = &b->inputs[i];
        PyObject *o = in->position < 0 ? seed : args[in->position];
        if (call_input(c, o, in->order.rank ? &in->order : NULL) < 0)
            return -1;
    }
    return 0;
}

static PyObject *
number_of(call *c, int i)
{
    const tb_tensor *t = &c->results[i];
    int64_t whole;
    double real;

    if (t->rank == 0 && t->dtype == TB_I64) {
        memcpy(&whole, t->data, sizeof whole);
        return PyLong_FromLongLong(whole);
    }
    if (t->rank == 0 && t->dtype == TB_F64) {
        memcpy(&real, t->data, sizeof real);
        return PyFloat_FromDouble(real);
    }
    if (t->rank == 0 && t->dtype == TB_BOOL)
        return PyBool_FromLong(*(const uint8_t *)t->data);
    PyErr_SetString(PyExc_RuntimeError, "a number is not of rank 0, or of another dtype");
    return NULL;
}

static PyObject *
item_of(PyObject *all, Py_ssize_t i)
{
    return Py_NewRef(PyList_Check(all) ? PyList_GetItem(all, i) : PyTuple_GetItem(all, i));
}

static PyObject *
output(call *c, const bound_output *out, PyObject *const *args,
       PyObject *seed, PyObject *all)
{

    switch (out->kind) {
    case RESULT:
        return call_result(c, out->index, out->order.rank ? &out->order : NULL);
    case SAME: return item_of(all, out->index);
    case NUMBER: return number_of(c, out->index);
    case INPUT: return Py_NewRef(args[out->index]);
    case SEED: return Py_XNewRef(seed);
    case VALUE: return Py_NewRef(out->value);
    }
    return NULL;
}

static PyObject *
outputs(bound_obj *b, call *c, PyObject *const *args, PyObject *seed)
{
    PyObject *all = b->boxed ? PyList_New(b->n_outputs) : PyTuple_New(b->n_outputs);

    for (Py_ssize_t i = 0; all && i < b->n_outputs; i++) {
        PyObject *o = output(c, &b->outputs[i], args, seed, all);
        if (!o || (b->boxed ? PyList_SetItem(all, i, o) : PyTuple_SetItem(all, i, o)) < 0)
            Py_CLEAR(all);
    }
    return all;
}

/* All outputs, or with `single` the first of one. `workers`: see call. */
static PyObject *
call_for(bound_obj *b, PyObject *const *args, Py_ssize_t n, int single, int workers)
{
    PyObject *out = NULL, *seed = NULL;
    call c;

    if (n != b->n_args)
        return PyErr_Format(PyExc_TypeError, "expected %zd arguments, found %zd", b->n_args,
                            n);
    if (!torch_api())
        return NULL;
    if (b->draw && !(seed = PyObject_CallNoArgs(b->draw)))
        return NULL;
    if (call_open(&c, b->session, b->fn, b->n_inputs) == 0) {
        c.workers = workers;
        if (convert(b, &c, args, seed) == 0 && call_torch(&c) == 0)
            out = single ? output(&c, &b->outputs[0], args, seed, NULL)
                         : outputs(b, &c, args, seed);
        call_close(&c);
    }
    Py_XDECREF(seed);
    return out;
}

static PyObject *
call_with(bound_obj *b, PyObject *const *args, Py_ssize_t n)
{
    return call_for(b, args, n, 0, 0);
}

/* The list may be changed by others once the GIL is released, and its owner wants the
 * tensors to go as soon as they are not needed. */
static PyObject *
call_boxed(bound_obj *b, PyObject *list)
{
    PyObject *few[FEW], **args = few, *out = NULL;

    if (!PyList_Check(list))
        return PyErr_Format(PyExc_TypeError, "expected a list of arguments, found %R",
                            (PyObject *)Py_TYPE(list));
    PyObject *tuple = PyList_AsTuple(list);
    Py_ssize_t n = tuple ? PyTuple_Size(tuple) : 0;
    if (!tuple || PyList_SetSlice(list, 0, n, NULL) < 0) {
        Py_XDECREF(tuple);
        return NULL;
    }
    if (n > FEW)
        args = PyMem_Malloc(sizeof *args * (size_t)n);
    if (args) {
        for (Py_ssize_t i = 0; i < n; i++)
            args[i] = PyTuple_GetItem(tuple, i);
        out = call_with(b, args, n);
    } else {
        PyErr_NoMemory();
    }
    if (args != few)
        PyMem_Free(args);
    Py_DECREF(tuple);
    return out;
}

/* context.name(*arguments) */
static int
tell(PyObject *context, PyObject *name, PyObject *arguments)
{
    PyObject *method = arguments ? PyObject_GetAttr(context, name) : NULL;
    PyObject *r = method ? PyObject_Call(method, arguments, NULL) : NULL;

    Py_XDECREF(method);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

static int
mark_others(bound_obj *b, PyObject *context, PyObject *all)
{
    Py_ssize_t n = PyTuple_Size(b->others);
    PyObject *tensors = n ? PyTuple_New(n) : NULL;

    if (!n)
        return 0;
    for (Py_ssize_t i = 0; tensors && i < n; i++) {
        Py_ssize_t at = PyLong_AsSsize_t(PyTuple_GetItem(b->others, i));
        PyTuple_SetItem(tensors, i, Py_NewRef(PyTuple_GetItem(all, at)));
    }
    int r = tell(context, s_mark, tensors);
    Py_XDECREF(tensors);
    /* nor are zeros made for them */
    return r == 0 ? PyObject_SetAttr(context, s_materialise, Py_False) : r;
}

static PyObject *
call_saving(bound_obj *b, PyObject *context, PyObject *const *args, Py_ssize_t n)
{
    PyObject *all = call_with(b, args, n), *saved = NULL, *symints = NULL, *out = NULL;
    Py_ssize_t end = b->n_returned + b->n_saved;

    if (!all)
        return NULL;
    if (b->n_saved)
        saved = PyTuple_GetSlice(all, b->n_returned, end);
    if (b->n_saved && tell(context, s_save, saved) < 0)
        goto out;
    if (end < b->n_outputs) {
        symints = PyTuple_GetSlice(all, end, b->n_outputs);
        if (!symints || PyObject_SetAttr(context, s_symints, symints) < 0)
            goto out;
    }
    if (mark_others(b, context, all) == 0)
        out = PyTuple_GetSlice(all, 0, b->n_returned);
out:
    Py_XDECREF(saved);
    Py_XDECREF(symints);
    Py_DECREF(all);
    return out;
}

static PyObject *
bound_call(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    bound_obj *b = (bound_obj *)o;

    if (b->saving && n > 0)
        return call_saving(b, args[0], args + 1, n - 1);
    if (!b->as_torch)
        return call_plain(b->session, b->fn, args, n);
    if (!b->boxed)
        return call_with(b, args, n);
    if (n == 1)
        return call_boxed(b, args[0]);
    return PyErr_Format(PyExc_TypeError, "expected one list of arguments, found %zd", n);
}

static PyMethodDef bound_def = {"turbine_function",
                                (PyCFunction)(void (*)(void))bound_call, METH_FASTCALL,
                                "one function of a session"};

/* ---- for specialize.c ---- */

static bound_obj *
bound_of(PyObject *function)
{
    if (!PyCFunction_Check(function) ||
        PyCFunction_GetFunction(function) != bound_def.ml_meth)
        return NULL;
    return (bound_obj *)PyCFunction_GetSelf(function);
}

int
bound_fits(PyObject *function, Py_ssize_t n_args, int single)
{
    const bound_obj *b = bound_of(function);

    return b && b->as_torch && !b->boxed && !b->saving && b->n_args == n_args &&
           (!single || b->n_outputs == 1);
}

PyObject *
bound_run(PyObject *function, PyObject *const *args, Py_ssize_t n, int single, int workers)
{
    return call_for(bound_of(function), args, n, single, workers);
}

/* ---- the plan ---- */

static int
wrong(const char *what, PyObject *o)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "bind: %s: %R", what, o);
    return -1;
}

/* A permutation of 0 .. rank-1, or None. */
static int
order_from(PyObject *o, axis_order *out)
{
    unsigned seen = 0;

    out->rank = 0;
    if (!o || o == Py_None)
        return 0;
    Py_ssize_t n = PyTuple_Check(o) ? PyTuple_Size(o) : -1;
    if (n < 1 || n > TB_MAX_RANK)
        return wrong("no order of axes", o);
    for (Py_ssize_t i = 0; i < n; i++) {
        long axis = PyLong_AsLong(PyTuple_GetItem(o, i));
        if (axis < 0 || axis >= n || seen >> axis & 1)
            return wrong("no order of axes", o);
        seen |= 1u << axis;
        out->axis[i] = (uint8_t)axis;
    }
    out->rank = (int)n;
    return 0;
}

static int
input_from(bound_obj *b, PyObject *o, bound_input *in)
{
    PyObject *position, *order;

    if (!PyTuple_Check(o) || !PyArg_ParseTuple(o, "OO", &position, &order))
        return wrong("an input", o);
    in->position = -1;
    if (position != Py_None) {
        long at = PyLong_AsLong(position);
        if (at < 0 || at >= b->n_args)
            return wrong("an input's position", o);
        in->position = (int)at;
    } else if (!b->draw) {
        return wrong("a seed without `draw`", o);
    }
    return order_from(order, &in->order);
}

static int
output_from(bound_obj *b, PyObject *o, bound_output *out)
{
    const fn_info *f = &b->session->module->fns[b->fn];
    const char *kind;
    PyObject *what = NULL, *order = NULL;

    if (!PyTuple_Check(o) || !PyArg_ParseTuple(o, "s|OO", &kind, &what, &order))
        return wrong("an output", o);
    size_t k = 0;
    while (k < sizeof kinds / sizeof kinds[0] && strcmp(kind, kinds[k]))
        k++;
    out->kind = (output_kind)k;
    if (k > VALUE || (out->kind == SEED && !b->draw) || (out->kind != SEED && !what))
        return wrong("an output", o);
    if (out->kind == VALUE) {
        out->value = Py_NewRef(what);
    } else if (out->kind != SEED) {
        long at = PyLong_AsLong(what);
        Py_ssize_t end = out->kind == INPUT  ? b->n_args
                         : out->kind == SAME ? b->n_outputs - 1 /* this one is the last */
                                             : f->n_results;
        if (at < 0 || at >= end)
            return wrong("an output's index", o);
        out->index = (int)at;
    }
    return order_from(order, &out->order);
}

/* Every result once, in a rank that its order fits. */
static int
check_results(bound_obj *b)
{
    const fn_info *f = &b->session->module->fns[b->fn];

    for (Py_ssize_t i = 0; i < b->n_outputs; i++) {
        const bound_output *out = &b->outputs[i];
        if (out->kind != RESULT)
            continue;
        if (out->order.rank && out->order.rank != f->results[out->index].rank)
            return wrong("an order for another rank", Py_None);
        for (Py_ssize_t k = 0; k < i; k++)
            if (b->outputs[k].kind == RESULT && b->outputs[k].index == out->index)
                return wrong("a result is returned twice", Py_None);
    }
    return 0;
}

static int
plan_from(bound_obj *b, PyObject *inputs, PyObject *results)
{
    b->n_inputs = PySequence_Size(inputs);
    Py_ssize_t n_outputs = PySequence_Size(results);
    if (b->n_inputs < 0 || n_outputs < 0)
        return -1;
    b->inputs = PyMem_Calloc((size_t)b->n_inputs + 1, sizeof *b->inputs);
    b->outputs = PyMem_Calloc((size_t)n_outputs + 1, sizeof *b->outputs);
    if (!b->inputs || !b->outputs) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < b->n_inputs; i++) {
        PyObject *o = PySequence_GetItem(inputs, i);
        int failed = !o || input_from(b, o, &b->inputs[i]) < 0;
        Py_XDECREF(o);
        if (failed)
            return -1;
    }
    for (Py_ssize_t i = 0; i < n_outputs; i++) {
        PyObject *o = PySequence_GetItem(results, i);
        b->n_outputs = i + 1; /* dealloc drops its value */
        int failed = !o || output_from(b, o, &b->outputs[i]) < 0;
        Py_XDECREF(o);
        if (failed)
            return -1;
    }
    return check_results(b);
}

static int
saving_from(bound_obj *b, PyObject *o)
{
    if (o == Py_None)
        return 0;
    PyObject *others;
    if (!PyTuple_Check(o) ||
        !PyArg_ParseTuple(o, "nnO", &b->n_returned, &b->n_saved, &others) ||
        !PyTuple_Check(others) || b->n_returned < 0 || b->n_saved < 0 ||
        b->n_returned > b->n_outputs || b->n_saved > b->n_outputs - b->n_returned ||
        b->boxed || !b->as_torch)
        return wrong("saving", o);
    for (Py_ssize_t i = 0; i < PyTuple_Size(others); i++) {
        Py_ssize_t at = PyLong_AsSsize_t(PyTuple_GetItem(others, i));
        if (at < 0 || at >= b->n_returned)
            return wrong("saving", o);
    }
    b->others = Py_NewRef(others);
    b->saving = 1;
    return 0;
}

/* Without a plan: arguments and results as the program has them. */
static int
plain_plan(bound_obj *b)
{
    const fn_info *f = &b->session->module->fns[b->fn];

    b->n_args = b->n_inputs = f->n_inputs;
    b->n_outputs = f->n_results;
    b->inputs = PyMem_Calloc((size_t)b->n_inputs + 1, sizeof *b->inputs);
    b->outputs = PyMem_Calloc((size_t)b->n_outputs + 1, sizeof *b->outputs);
    if (!b->inputs || !b->outputs) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < f->n_inputs; i++)
        b->inputs[i].position = i;
    for (int i = 0; i < f->n_results; i++)
        b->outputs[i].index = i;
    return 0;
}

PyObject *
session_bind(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"function", "torch", "arguments", "inputs",
                                        "outputs",  "draw",  "boxed",     "saving", NULL};
    session_obj *session = (session_obj *)o;
    PyObject *name, *inputs = Py_None, *results = Py_None, *draw = Py_None;
    PyObject *saving = Py_None;
    Py_ssize_t n_args = 0;
    int as_torch = 0, boxed = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|pnOOOpO:bind", (char **)names, &name,
                                     &as_torch, &n_args, &inputs, &results, &draw, &boxed,
                                     &saving))
        return NULL;
    int fn = module_function_index(session->module, name);
    if (fn < 0 || (as_torch && !torch_api()))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(bound_type, Py_tp_alloc);
    bound_obj *b = (bound_obj *)alloc(bound_type, 0);
    if (!b)
        return NULL;
    b->session = (session_obj *)Py_NewRef(o);
    b->fn = fn;
    b->as_torch = as_torch;
    b->boxed = boxed;
    b->n_args = n_args;
    b->draw = draw == Py_None ? NULL : Py_NewRef(draw);
    int planned = inputs != Py_None && results != Py_None;
    PyObject *function = NULL;
    if ((planned ? plan_from(b, inputs, results) : plain_plan(b)) == 0 &&
        saving_from(b, saving) == 0)
        function = PyCFunction_NewEx(&bound_def, (PyObject *)b, NULL);
    Py_DECREF(b);
    return function;
}

static void
bound_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    bound_obj *b = (bound_obj *)o;

    for (Py_ssize_t i = 0; i < b->n_outputs; i++)
        Py_XDECREF(b->outputs[i].value);
    PyMem_Free(b->inputs);
    PyMem_Free(b->outputs);
    Py_XDECREF((PyObject *)b->session);
    Py_XDECREF(b->draw);
    Py_XDECREF(b->others);
    release(o);
    Py_DECREF(type);
}

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, bound_dealloc},
    {0},
};

static PyType_Spec bound_spec = {
    .name = "shark_turbine._runtime.Bound",
    .basicsize = sizeof(bound_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

int
bound_init(PyObject *module)
{
    s_save = PyUnicode_InternFromString("save_for_backward");
    s_mark = PyUnicode_InternFromString("mark_non_differentiable");
    s_materialise = PyUnicode_InternFromString("_materialize_non_diff_grads");
    s_symints = PyUnicode_InternFromString("symints");
    bound_type = add_type(module, &bound_spec);
    return bound_type && s_save && s_mark && s_materialise && s_symints ? 0 : -1;
}

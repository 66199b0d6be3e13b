/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dim.c -- Dim: sizes that are known only at run time.
 *
 * Constants stay Python ints: whatever a computation gives is wrapped by dim_wrap. Equal
 * handles mean equal values, so == and hash are those of the handle; == says "known to be
 * equal", as everywhere in the graph.
 */
#include "binding.h"

PyTypeObject *dim_type;

PyObject *
dim_wrap(unit_obj *unit, tb_dim d)
{
    if (tb_dim_is_const(d))
        return PyLong_FromLongLong(d);
    dim_obj *o = PyObject_New(dim_obj, dim_type);

    if (!o)
        return NULL;
    o->unit = (unit_obj *)Py_NewRef((PyObject *)unit);
    o->d = d;
    return (PyObject *)o;
}

int
dim_from(unit_obj *unit, PyObject *o, tb_dim *out)
{
    if (Py_TYPE(o) == dim_type) {
        if (((dim_obj *)o)->unit != unit) {
            PyErr_SetString(PyExc_ValueError, "a Dim of another Unit");
            return -1;
        }
        *out = ((dim_obj *)o)->d;
        return 0;
    }
    if (o == Py_None) {
        *out = TB_DIM_UNKNOWN;
        return 0;
    }
    PyObject *index = PyNumber_Index(o);

    if (!index)
        return -1;
    *out = PyLong_AsLongLong(index);
    Py_DECREF(index);
    if (*out == -1 && PyErr_Occurred())
        return -1;
    if (*out >= TB_DIM_EXPR) {
        PyErr_SetString(PyExc_OverflowError, "a size above 2**61");
        return -1;
    }
    return 0;
}

int
dims_from(unit_obj *unit, PyObject *o, tb_dim *out)
{
    Py_ssize_t n = PySequence_Size(o);

    if (n < 0)
        return -1;
    if (n > TB_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "rank %zd is above the limit of %d", n,
                     TB_MAX_RANK);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(o, i);
        int failed = !item || dim_from(unit, item, &out[i]) < 0;

        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    return (int)n;
}

PyObject *
dims_wrap(unit_obj *unit, const tb_dim *dims, int rank)
{
    PyObject *list = PyList_New(rank);

    for (int i = 0; list && i < rank; i++) {
        PyObject *d = dims[i] == TB_DIM_UNKNOWN ? Py_NewRef(Py_None)
                                                : dim_wrap(unit, dims[i]);

        if (!d)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, d);
    }
    return list;
}

/* ---- arithmetic ---- */

typedef tb_dim (*dim_fn)(tb_unit *u, tb_dim a, tb_dim b);
typedef struct binary {
    tb_unit *u;
    dim_fn fn;
    tb_dim a, b, out;
} binary;

static void
do_binary(void *arg)
{
    binary *x = arg;

    x->out = x->fn(x->u, x->a, x->b);
}

static PyObject *
compute(PyObject *left, PyObject *right, dim_fn fn)
{
    unit_obj *unit = ((dim_obj *)(Py_TYPE(left) == dim_type ? left : right))->unit;
    binary x = {.u = unit->u, .fn = fn};

    if (dim_from(unit, left, &x.a) < 0 || dim_from(unit, right, &x.b) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return NULL;
        PyErr_Clear();
        return Py_NewRef(Py_NotImplemented);
    }
    if (x.a == TB_DIM_UNKNOWN || x.b == TB_DIM_UNKNOWN)
        return Py_NewRef(Py_NotImplemented);
    if ((fn == tb_dim_floordiv || fn == tb_dim_mod) && x.b == 0) {
        PyErr_SetString(PyExc_ZeroDivisionError, "a size divided by zero");
        return NULL;
    }
    return guard(unit, do_binary, &x) < 0 ? NULL : dim_wrap(unit, x.out);
}

static PyObject *
add(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_add);
}

static PyObject *
subtract(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_sub);
}

static PyObject *
multiply(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_mul);
}

static PyObject *
floor_divide(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_floordiv);
}

static PyObject *
remainder_(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_mod);
}

static PyObject *
negative(PyObject *a)
{
    PyObject *zero = PyLong_FromLong(0);
    PyObject *r = zero ? compute(zero, a, tb_dim_sub) : NULL;

    Py_XDECREF(zero);
    return r;
}

static PyObject *
method_min(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_min);
}

static PyObject *
method_max(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_max);
}

static PyObject *
method_ceildiv(PyObject *a, PyObject *b)
{
    return compute(a, b, tb_dim_ceildiv);
}

static PyObject *
compare(PyObject *a, PyObject *b, int op)
{
    bool same;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != dim_type)
        return Py_NewRef(Py_NotImplemented);
    same = Py_TYPE(b) == dim_type && ((dim_obj *)a)->unit == ((dim_obj *)b)->unit &&
           ((dim_obj *)a)->d == ((dim_obj *)b)->d;
    return PyBool_FromLong(same == (op == Py_EQ));
}

static Py_hash_t
hash(PyObject *self)
{
    return (Py_hash_t)((dim_obj *)self)->d;
}

/* ---- text and facts ---- */

typedef struct text {
    tb_unit *u;
    tb_dim d;
    tb_str out;
} text;

static void
do_text(void *arg)
{
    text *t = arg;

    t->out = tb_dim_text(t->u, &t->u->cx->scratch, t->d);
}

static PyObject *
str(PyObject *self)
{
    dim_obj *o = (dim_obj *)self;
    text t = {.u = o->unit->u, .d = o->d};

    if (guard(o->unit, do_text, &t) < 0)
        return NULL;
    return PyUnicode_FromStringAndSize(t.out.ptr, (Py_ssize_t)t.out.len);
}

static PyObject *
get_range(PyObject *self, void *unused)
{
    dim_obj *o = (dim_obj *)self;
    int64_t min, max;

    (void)unused;
    if (unit_usable(o->unit) < 0)
        return NULL;
    tb_dim_range(o->unit->u, o->d, &min, &max);
    return Py_BuildValue("(LL)", (long long)min, (long long)max);
}

static PyObject *
get_hint(PyObject *self, void *unused)
{
    dim_obj *o = (dim_obj *)self;

    (void)unused;
    if (unit_usable(o->unit) < 0)
        return NULL;
    return PyLong_FromLongLong(tb_dim_hint(o->unit->u, o->d));
}

static void
dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_DECREF((PyObject *)((dim_obj *)self)->unit);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}

static PyMethodDef methods[] = {
    {"min", method_min, METH_O, "the smaller of this and another"},
    {"max", method_max, METH_O, "the larger of this and another"},
    {"ceildiv", method_ceildiv, METH_O, "division, rounded up"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"range", get_range, NULL, "(smallest, largest) value", NULL},
    {"hint", get_hint, NULL, "a typical value", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"A size known only at run time."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_richcompare, compare},
    {Py_tp_hash, hash},
    {Py_tp_str, str},
    {Py_tp_repr, str},
    {Py_nb_add, add},
    {Py_nb_subtract, subtract},
    {Py_nb_multiply, multiply},
    {Py_nb_floor_divide, floor_divide},
    {Py_nb_remainder, remainder_},
    {Py_nb_negative, negative},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "shark_turbine._compiler.Dim",
    .basicsize = sizeof(dim_obj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int
dim_init(PyObject *module)
{
    dim_type = add_type(module, &spec);
    return dim_type ? 0 : -1;
}

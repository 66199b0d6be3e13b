/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * tensor.c -- Tensor: a dense tensor in the runtime's memory.
 *
 * Python sees it through the buffer protocol (numpy.asarray(t) is a view) and through
 * DLPack. bfloat16, for which the buffer protocol has no letter, shows as uint16 there.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

PyTypeObject *tensor_type;

/* Empty tensors may have no memory, but a buffer's pointer is better not NULL. */
static char nothing[TB_DATA_ALIGN];

int
tensor_bytes(const tb_tensor *t, size_t *bytes)
{
    size_t n = dtype_info(t->dtype)->bytes;

    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0 || __builtin_mul_overflow(n, (size_t)t->dims[i], &n))
            return 0;
    *bytes = n;
    return n <= PY_SSIZE_T_MAX - TB_DATA_ALIGN;
}

static void
release_own(tb_tensor *t)
{
    free(t->data);
}

int
tensor_allocate(tb_tensor *t)
{
    size_t n;

    if (!tensor_bytes(t, &n))
        return -1;
    size_t padded = (n + TB_DATA_ALIGN - 1) / TB_DATA_ALIGN * TB_DATA_ALIGN;
    t->data = aligned_alloc(TB_DATA_ALIGN, padded ? padded : TB_DATA_ALIGN);
    t->bytes = n;
    t->release = release_own;
    return t->data ? 0 : -1;
}

PyObject *
tensor_from_tb(tb_tensor *t, PyObject *base)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(tensor_type, Py_tp_alloc);
    tensor_obj *self = (tensor_obj *)alloc(tensor_type, 0);
    Py_ssize_t stride = dtype_info(t->dtype)->bytes;

    if (!self) {
        tb_tensor_release(t);
        return NULL;
    }
    self->t = *t;
    self->base = Py_XNewRef(base);
    memset(&t->data, 0, sizeof t->data);
    t->release = NULL;
    for (int i = self->t.rank; i-- > 0;) {
        self->shape[i] = (Py_ssize_t)self->t.dims[i];
        self->strides[i] = stride;
        stride *= self->shape[i] ? self->shape[i] : 1;
    }
    return (PyObject *)self;
}

static void
tensor_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    tensor_obj *self = (tensor_obj *)o;

    tb_tensor_release(&self->t);
    Py_XDECREF(self->base);
    release(o);
    Py_DECREF(type);
}

static int
get_buffer(PyObject *o, Py_buffer *view, int flags)
{
    tensor_obj *self = (tensor_obj *)o;
    const dtype_row *row = dtype_info(self->t.dtype);
    size_t n = 0;

    (void)tensor_bytes(&self->t, &n);
    memset(view, 0, sizeof *view);
    view->buf = self->t.data ? self->t.data : nothing;
    view->obj = Py_NewRef(o);
    view->len = (Py_ssize_t)n;
    view->itemsize = row->bytes;
    view->ndim = 1;
    if (flags & PyBUF_FORMAT)
        view->format = (char *)row->format;
    if ((flags & PyBUF_ND) == PyBUF_ND) {
        view->ndim = self->t.rank;
        view->shape = self->shape;
    }
    if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES)
        view->strides = self->strides;
    return 0;
}

/* ---- DLPack ---- */

/* What a consumer of __dlpack__ holds: a reference to the Tensor. */
typedef struct lent {
    union {
        DLManagedTensor old;
        DLManagedTensorVersioned versioned;
    } m;
    int64_t dims[2 * TB_MAX_RANK];
    PyObject *owner;
} lent;

static void
lent_free(lent *l)
{
    PyGILState_STATE gil = PyGILState_Ensure();

    Py_DECREF(l->owner);
    free(l);
    PyGILState_Release(gil);
}

static void
delete_old(DLManagedTensor *m)
{
    lent_free(m->manager_ctx);
}

static void
delete_versioned(DLManagedTensorVersioned *m)
{
    lent_free(m->manager_ctx);
}

/* A capsule that nobody consumed still has its first name. */
static void
capsule_free(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor")) {
        DLManagedTensor *m = PyCapsule_GetPointer(capsule, "dltensor");
        m->deleter(m);
    } else if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        DLManagedTensorVersioned *m = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        m->deleter(m);
    }
}

static void
fill_dl(tensor_obj *self, DLTensor *dl, int64_t *dims)
{
    const dtype_row *row = dtype_info(self->t.dtype);
    int64_t stride = 1;

    for (int i = self->t.rank; i-- > 0;) {
        dims[i] = self->t.dims[i];
        dims[TB_MAX_RANK + i] = stride;
        stride *= dims[i] ? dims[i] : 1;
    }
    *dl = (DLTensor){.data = self->t.data,
                     .device = {kDLCPU, 0},
                     .ndim = self->t.rank,
                     .dtype = {row->dl_code, row->dl_bits, 1},
                     .shape = dims,
                     .strides = dims + TB_MAX_RANK};
}

static PyObject *
tensor_dlpack(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
    int versioned = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:__dlpack__", (char **)names, &stream,
                                     &version, &device, &copy))
        return NULL;
    if (stream != Py_None && stream != Py_False) {
        PyErr_SetString(PyExc_BufferError, "__dlpack__: CPU tensors have no streams");
        return NULL;
    }
    if (copy == Py_True) {
        PyErr_SetString(PyExc_BufferError, "__dlpack__: copy=True is not supported");
        return NULL;
    }
    if (version != Py_None) {
        int major, minor;
        if (!PyArg_ParseTuple(version, "ii;max_version", &major, &minor))
            return NULL;
        versioned = major >= 1;
    }
    lent *l = calloc(1, sizeof *l);
    if (!l)
        return PyErr_NoMemory();
    l->owner = Py_NewRef(o);
    if (versioned) {
        l->m.versioned.version.major = DLPACK_MAJOR_VERSION;
        l->m.versioned.version.minor = DLPACK_MINOR_VERSION;
        l->m.versioned.manager_ctx = l;
        l->m.versioned.deleter = delete_versioned;
        fill_dl((tensor_obj *)o, &l->m.versioned.dl_tensor, l->dims);
    } else {
        l->m.old.manager_ctx = l;
        l->m.old.deleter = delete_old;
        fill_dl((tensor_obj *)o, &l->m.old.dl_tensor, l->dims);
    }
    PyObject *capsule =
        PyCapsule_New(&l->m, versioned ? "dltensor_versioned" : "dltensor", capsule_free);
    if (!capsule)
        lent_free(l);
    return capsule;
}

static PyObject *
tensor_dlpack_device(PyObject *o, PyObject *unused)
{
    (void)o;
    (void)unused;
    return Py_BuildValue("(ii)", (int)kDLCPU, 0);
}

/* ---- making one ---- */

static int
parse_dims(PyObject *shape, tb_tensor *t)
{
    Py_ssize_t rank = PySequence_Size(shape);

    if (rank < 0)
        return -1;
    if (rank > TB_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "rank %zd: at most %d are supported", rank,
                     TB_MAX_RANK);
        return -1;
    }
    t->rank = (int32_t)rank;
    for (Py_ssize_t i = 0; i < rank; i++) {
        PyObject *item = PySequence_GetItem(shape, i);
        if (!item)
            return -1;
        t->dims[i] = PyLong_AsLongLong(item);
        Py_DECREF(item);
        if (t->dims[i] == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

/* Tensor(dtype, shape): zeros */
static PyObject *
tensor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"dtype", "shape", NULL};
    const char *dtype;
    PyObject *shape;
    tb_tensor t = {0};

    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO:Tensor", (char **)names, &dtype, &shape))
        return NULL;
    t.dtype = dtype_from_name(dtype);
    if (t.dtype == TB_NONE) {
        PyErr_Format(PyExc_ValueError, "dtype: '%s' is unknown", dtype);
        return NULL;
    }
    if (parse_dims(shape, &t) < 0)
        return NULL;
    if (tensor_allocate(&t) < 0) {
        PyErr_Format(PyExc_MemoryError, "no memory for a tensor of shape %R", shape);
        return NULL;
    }
    memset(t.data, 0, t.bytes);
    return tensor_from_tb(&t, NULL);
}

/* Tensor.copy_of(object, dtype=None): a copy of anything a call accepts. A dtype of the
 * same size reinterprets the bits (uint16 as "bf16"). */
static PyObject *
copy_of(PyObject *type, PyObject *args)
{
    PyObject *object;
    const char *dtype = NULL;
    in_arg a = {0};
    tb_tensor from, t = {0};
    PyObject *result = NULL;

    (void)type;
    if (!PyArg_ParseTuple(args, "O|z:copy_of", &object, &dtype))
        return NULL;
    if (in_convert(object, NULL, -1, NULL, &a, &from) < 0)
        goto out;
    t = from;
    t.release = NULL;
    if (dtype) {
        t.dtype = dtype_from_name(dtype);
        if (dtype_info(t.dtype)->bytes != dtype_info(from.dtype)->bytes) {
            PyErr_Format(PyExc_ValueError, "cannot see %s as %s",
                         dtype_info(from.dtype)->name, dtype);
            goto out;
        }
    }
    if (tensor_allocate(&t) < 0) {
        PyErr_NoMemory();
        goto out;
    }
    if (t.bytes)
        memcpy(t.data, from.data, t.bytes);
    result = tensor_from_tb(&t, NULL);
out:
    in_release(&a);
    return result;
}

/* Tensor.over(object): the bytes of a dense, writable object that speaks the buffer protocol,
 * in place. A memoryview keeps them where they are. */
static PyObject *
tensor_over(PyObject *type, PyObject *object)
{
    PyObject *keep = PyMemoryView_FromObject(object), *result = NULL;
    Py_buffer view;

    (void)type;
    if (!keep)
        return NULL;
    if (PyObject_GetBuffer(keep, &view, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) == 0) {
        tb_tensor t = {.data = view.buf, .bytes = (size_t)view.len, .dtype = TB_U8, .rank = 1};
        t.dims[0] = view.len;
        PyBuffer_Release(&view);
        result = tensor_from_tb(&t, keep);
    }
    Py_DECREF(keep);
    return result;
}

/* view(dtype, shape, offset=0): other glasses on the same memory */
static PyObject *
tensor_view(PyObject *o, PyObject *args)
{
    tensor_obj *self = (tensor_obj *)o;
    const char *dtype;
    PyObject *shape;
    Py_ssize_t offset = 0;
    tb_tensor t = {0};
    size_t have = 0;

    if (!PyArg_ParseTuple(args, "sO|n:view", &dtype, &shape, &offset))
        return NULL;
    t.dtype = dtype_from_name(dtype);
    if (t.dtype == TB_NONE) {
        PyErr_Format(PyExc_ValueError, "dtype: '%s' is unknown", dtype);
        return NULL;
    }
    if (parse_dims(shape, &t) < 0)
        return NULL;
    (void)tensor_bytes(&self->t, &have);
    if (offset < 0 || (size_t)offset > have || !tensor_bytes(&t, &t.bytes) ||
        t.bytes > have - (size_t)offset) {
        PyErr_Format(PyExc_ValueError, "view: %s of shape %R does not fit in %zu bytes",
                     dtype, shape, have);
        return NULL;
    }
    t.data = self->t.data ? (char *)self->t.data + offset : NULL;
    return tensor_from_tb(&t, o);
}

static PyObject *
get_shape(PyObject *o, void *unused)
{
    tensor_obj *self = (tensor_obj *)o;
    PyObject *list = PyList_New(0);

    (void)unused;
    for (int i = 0; list && i < self->t.rank; i++) {
        PyObject *n = PyLong_FromLongLong(self->t.dims[i]);
        if (!n || PyList_Append(list, n) < 0)
            Py_CLEAR(list);
        Py_XDECREF(n);
    }
    return list;
}

static PyObject *
get_dtype(PyObject *o, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(dtype_info(((tensor_obj *)o)->t.dtype)->name);
}

static PyObject *
get_nbytes(PyObject *o, void *unused)
{
    size_t n = 0;

    (void)unused;
    (void)tensor_bytes(&((tensor_obj *)o)->t, &n);
    return PyLong_FromSize_t(n);
}

static PyMethodDef tensor_methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))tensor_dlpack,
     METH_VARARGS | METH_KEYWORDS, "export as a DLPack capsule"},
    {"__dlpack_device__", tensor_dlpack_device, METH_NOARGS, "(kDLCPU, 0)"},
    {"copy_of", copy_of, METH_VARARGS | METH_STATIC,
     "copy_of(object, dtype=None): a dense copy of an array, tensor or number"},
    {"over", tensor_over, METH_O | METH_STATIC,
     "over(object): the bytes of a dense, writable buffer, in place, as ui8"},
    {"view", tensor_view, METH_VARARGS, "view(dtype, shape, offset=0): the same memory"},
    {0},
};

static PyGetSetDef tensor_getset[] = {
    {"shape", get_shape, NULL, "sizes, as a list", NULL},
    {"dtype", get_dtype, NULL, "element type as IREE's tools print it: 'f32'", NULL},
    {"nbytes", get_nbytes, NULL, "size of the data", NULL},
    {0},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_doc, (void *)"Tensor(dtype, shape): zeros in the runtime's memory"},
    {Py_tp_new, tensor_new},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_methods, tensor_methods},
    {Py_tp_getset, tensor_getset},
    {Py_bf_getbuffer, get_buffer},
    {0},
};

static PyType_Spec tensor_spec = {
    .name = "shark_turbine._runtime.Tensor",
    .basicsize = sizeof(tensor_obj),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = tensor_slots,
};

int
tensor_init(PyObject *module)
{
    tensor_type = add_type(module, &tensor_spec);
    return tensor_type ? 0 : -1;
}

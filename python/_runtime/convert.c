/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * convert.c -- a Python object as the input of a call, without a copy where possible.
 *
 * Tried in this order, cheapest first: our own Tensor; a type with DLPack's C exchange
 * table (torch.Tensor); the buffer protocol (numpy.ndarray); an object that carries one
 * of our tensors as `_tensor` (DeviceArray); `__dlpack__`; a Python number. Strided data
 * is copied to dense by whoever made it: torch by .contiguous(), buffers here.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

static PyObject *s_tensor, *s_dlpack, *s_dlpack_device, *s_contiguous, *s_dtype, *s_name;
static PyObject *s_view, *s_uint16, *s_permute, *s_resolve_conj, *s_resolve_neg;

void
in_release(in_arg *a)
{
    if (a->has_view)
        PyBuffer_Release(&a->view);
    a->has_view = 0;
    Py_CLEAR(a->keep);
}

/* "input 1 'mask'" */
static PyObject *
label(const tb_value_info *want, int index)
{
    if (index < 0)
        return PyUnicode_FromString("array");
    if (want && want->name && want->name[0])
        return PyUnicode_FromFormat("input %d '%s'", index, want->name);
    return PyUnicode_FromFormat("input %d", index);
}

static int
refuse(const tb_value_info *want, int index, PyObject *type, const char *text, PyObject *o)
{
    PyObject *l = label(want, index);

    if (l)
        PyErr_Format(type, text, l, o);
    Py_XDECREF(l);
    return -1;
}

/* ---- DLPack ---- */

static int
axis_at(const axis_order *order, int i)
{
    return order ? order->axis[i] : i;
}

/* Strides of dimensions of one element and of empty tensors mean nothing. */
static int
is_dense(const DLTensor *dl, const axis_order *order)
{
    int64_t stride = 1;

    if (!dl->strides && !order)
        return 1;
    for (int i = dl->ndim; i-- > 0;)
        if (dl->shape[i] == 0)
            return 1;
    for (int i = dl->ndim; i-- > 0;) {
        int axis = axis_at(order, i);
        if (dl->shape[axis] != 1 && (!dl->strides || dl->strides[axis] != stride))
            return 0;
        stride *= dl->shape[axis];
    }
    return 1;
}

/* 0 = done, 1 = not dense, -1 = exception */
static int
from_dl(const DLTensor *dl, PyObject *o, const tb_value_info *want, int index,
        const axis_order *order, tb_tensor *t)
{
    if (dl->device.device_type != kDLCPU && dl->device.device_type != kDLCUDAHost)
        return refuse(want, index, PyExc_ValueError,
                      "%U: expected a tensor in CPU memory, found one on another device "
                      "(%R)", (PyObject *)Py_TYPE(o));
    if (dl->ndim > TB_MAX_RANK)
        return refuse(want, index, PyExc_ValueError, "%U: too many dimensions (%R)",
                      (PyObject *)Py_TYPE(o));
    t->dtype = dtype_from_dl(dl->dtype);
    if (t->dtype == TB_NONE)
        return refuse(want, index, PyExc_ValueError,
                      "%U: element type of %R is not supported", (PyObject *)Py_TYPE(o));
    if (order && order->rank != dl->ndim)
        return refuse(want, index, PyExc_ValueError, "%U: a tensor of another rank (%R)",
                      (PyObject *)Py_TYPE(o));
    if (!is_dense(dl, order))
        return 1;
    t->data = dl->data ? (char *)dl->data + dl->byte_offset : NULL;
    t->rank = dl->ndim;
    for (int i = 0; i < dl->ndim; i++)
        t->dims[i] = dl->shape[axis_at(order, i)];
    if (!tensor_bytes(t, &t->bytes) || (t->bytes && !t->data))
        return refuse(want, index, PyExc_ValueError,
                      "%U: a tensor without memory (%R)", (PyObject *)Py_TYPE(o));
    return 0;
}

/* A strided DLPack tensor of an unknown library: copied element by element. */
static int
copy_strided(const DLTensor *dl, in_arg *a, tb_tensor *t)
{
    size_t item = dtype_info(t->dtype)->bytes, n = 1, bytes;
    int64_t at[TB_MAX_RANK] = {0};
    tb_tensor own = {.dtype = t->dtype, .rank = dl->ndim};

    for (int i = 0; i < dl->ndim; i++)
        own.dims[i] = dl->shape[i];
    if (!tensor_bytes(&own, &bytes) || tensor_allocate(&own) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    n = bytes / item;
    for (size_t k = 0; k < n; k++) {
        int64_t off = 0;
        for (int i = 0; i < dl->ndim; i++)
            off += at[i] * dl->strides[i];
        memcpy((char *)own.data + k * item,
               (char *)dl->data + dl->byte_offset + off * (int64_t)item, item);
        for (int i = dl->ndim; i-- > 0 && ++at[i] == dl->shape[i];)
            at[i] = 0;
    }
    *t = own;
    t->release = NULL;
    PyObject *owner = tensor_from_tb(&own, a->keep);
    if (!owner)
        return -1;
    Py_DECREF(a->keep);
    a->keep = owner;
    return 0;
}

/* torch's complaints carry a C++ stack; its first line says it all. */
static int
refuse_as_library(const tb_value_info *want, int index)
{
    PyObject *type, *value, *trace, *text = NULL, *lines = NULL;

    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value && (text = PyObject_Str(value)))
        lines = PyUnicode_Splitlines(text, 0);
    PyErr_Clear();
    refuse(want, index, PyExc_ValueError, "%U: %S",
           lines && PyList_Size(lines) > 0 ? PyList_GetItem(lines, 0) : type);
    Py_XDECREF(lines);
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return -1;
}

/* The C table does not tell of torch's lazy conjugate and negative bits. They occur on
 * complex tensors and their strided views, so only those (and single elements, which are
 * never strided) are asked, in Python. */
static int
may_be_lazy(const DLTensor *dl)
{
    int64_t n = 1;

    if (dl->dtype.code == kDLComplex)
        return 1;
    for (int i = 0; i < dl->ndim; i++)
        n *= dl->shape[i];
    return n == 1 && dl->ndim > 0 && dl->dtype.code == kDLFloat;
}

static PyObject *
permuted(PyObject *o, const axis_order *order)
{
    PyObject *axes = PyTuple_New(order->rank);

    for (int i = 0; axes && i < order->rank; i++)
        PyTuple_SetItem(axes, i, PyLong_FromLong(order->axis[i]));
    PyObject *p = axes ? PyObject_CallMethodObjArgs(o, s_permute, axes, NULL) : NULL;
    Py_XDECREF(axes);
    return p;
}

/* o.permute(order).resolve_conj().resolve_neg().contiguous(), as far as its type has
 * these. */
static PyObject *
materialise(PyObject *o, const axis_order *order)
{
    PyObject *const steps[] = {s_resolve_conj, s_resolve_neg, s_contiguous};

    o = order ? permuted(o, order) : Py_NewRef(o);
    for (size_t i = 0; o && i < sizeof steps / sizeof steps[0]; i++) {
        PyObject *method = PyObject_GetAttr(o, steps[i]);
        if (!method) {
            PyErr_Clear();
            continue;
        }
        PyObject *next = PyObject_CallNoArgs(method);
        Py_DECREF(method);
        Py_DECREF(o);
        o = next;
    }
    return o;
}

static int
from_exchange(PyObject *o, const DLPackExchangeAPI *api, const tb_value_info *want,
              int index, const axis_order *order, in_arg *a, tb_tensor *t)
{
    DLTensor dl;

    if (api->dltensor_from_py_object_no_sync(o, &dl) != 0)
        return refuse_as_library(want, index);
    int r = from_dl(&dl, o, want, index, order, t);
    if (r < 0 || (r == 0 && !may_be_lazy(&dl)))
        return r;
    a->keep = materialise(o, order);
    if (!a->keep)
        return -1;
    api = exchange_api(Py_TYPE(a->keep)); /* a Parameter gives a Tensor */
    if (!api)
        return refuse(want, index, PyExc_TypeError, "%U: contiguous() gave %R", a->keep);
    if (api->dltensor_from_py_object_no_sync(a->keep, &dl) != 0)
        return refuse_as_library(want, index);
    r = from_dl(&dl, a->keep, want, index, NULL, t);
    return r > 0 ? copy_strided(&dl, a, t) : r;
}

static int
from_dlpack(PyObject *o, PyObject *method, const tb_value_info *want, int index, in_arg *a,
            tb_tensor *t)
{
    const DLTensor *dl = NULL;
    PyObject *device = PyObject_CallMethodObjArgs(o, s_dlpack_device, NULL);
    int kind, id;

    if (!device)
        return -1;
    int ok = PyArg_ParseTuple(device, "ii", &kind, &id);
    Py_DECREF(device);
    if (!ok)
        return -1;
    if (kind != kDLCPU && kind != kDLCUDAHost) /* ask before exporting: that may wait */
        return refuse(want, index, PyExc_ValueError,
                      "%U: expected a tensor in CPU memory, found one on another device "
                      "(%R)", (PyObject *)Py_TYPE(o));
    a->keep = PyObject_CallNoArgs(method);
    if (!a->keep)
        return -1;
    if (PyCapsule_IsValid(a->keep, "dltensor")) {
        DLManagedTensor *m = PyCapsule_GetPointer(a->keep, "dltensor");
        dl = &m->dl_tensor;
    } else if (PyCapsule_IsValid(a->keep, "dltensor_versioned")) {
        DLManagedTensorVersioned *m = PyCapsule_GetPointer(a->keep, "dltensor_versioned");
        dl = m->version.major == DLPACK_MAJOR_VERSION ? &m->dl_tensor : NULL;
    }
    if (!dl)
        return refuse(want, index, PyExc_TypeError, "%U: __dlpack__ gave %R", a->keep);
    int r = from_dl(dl, o, want, index, NULL, t);
    return r > 0 ? copy_strided(dl, a, t) : r;
}

/* ---- the buffer protocol ---- */

/* ml_dtypes' bfloat16 arrays refuse to export a buffer; their uint16 view does. */
static PyObject *
bits_of_bf16(PyObject *o)
{
    PyObject *dtype = PyObject_GetAttr(o, s_dtype);
    PyObject *name = dtype ? PyObject_GetAttr(dtype, s_name) : NULL;
    PyObject *bits = NULL;

    if (name && PyUnicode_Check(name) &&
        PyUnicode_CompareWithASCIIString(name, "bfloat16") == 0)
        bits = PyObject_CallMethodObjArgs(o, s_view, s_uint16, NULL);
    Py_XDECREF(name);
    Py_XDECREF(dtype);
    return bits;
}

static int
from_view(PyObject *o, const tb_value_info *want, int index, in_arg *a, tb_tensor *t)
{
    const Py_buffer *v = &a->view;

    if (v->ndim > TB_MAX_RANK)
        return refuse(want, index, PyExc_ValueError, "%U: too many dimensions (%R)",
                      (PyObject *)Py_TYPE(o));
    t->dtype = dtype_from_format(v->format, v->itemsize);
    if (t->dtype == TB_NONE || v->itemsize != dtype_info(t->dtype)->bytes) {
        PyObject *format = PyUnicode_FromString(v->format ? v->format : "B");
        if (format)
            refuse(want, index, PyExc_ValueError,
                   "%U: element type with buffer format %R is not supported", format);
        Py_XDECREF(format);
        return -1;
    }
    t->data = v->buf;
    t->bytes = (size_t)v->len;
    t->rank = v->ndim;
    for (int i = 0; i < v->ndim; i++)
        t->dims[i] = v->shape ? v->shape[i] : v->len / v->itemsize;
    if (PyBuffer_IsContiguous(v, 'C'))
        return 0;

    tb_tensor own = *t;
    own.release = NULL;
    if (tensor_allocate(&own) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyBuffer_ToContiguous(own.data, v, v->len, 'C') < 0) {
        tb_tensor_release(&own);
        return -1;
    }
    *t = own;
    t->release = NULL;
    a->keep = tensor_from_tb(&own, NULL);
    return a->keep ? 0 : -1;
}

static int
from_buffer(PyObject *o, const tb_value_info *want, int index, in_arg *a, tb_tensor *t)
{
    int is_bf16 = 0;

    if (PyObject_GetBuffer(o, &a->view, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        PyObject *bits = bits_of_bf16(o);
        if (!bits) {
            PyErr_Clear();
            PyObject *dtype = PyObject_GetAttr(o, s_dtype);
            PyErr_Clear();
            refuse(want, index, PyExc_ValueError,
                   "%U: element type %S is not supported",
                   dtype ? dtype : (PyObject *)Py_TYPE(o));
            Py_XDECREF(dtype);
            return -1;
        }
        is_bf16 = 1;
        int r = PyObject_GetBuffer(bits, &a->view, PyBUF_STRIDES | PyBUF_FORMAT);
        Py_DECREF(bits); /* the view keeps it */
        if (r < 0)
            return -1;
    }
    a->has_view = 1;
    if (from_view(o, want, index, a, t) < 0)
        return -1;
    /* Without ml_dtypes or torch, uint16 is the only way to hand over bfloat16. */
    if (t->dtype == TB_U16 && (is_bf16 || (want && want->dtype == TB_BF16)))
        t->dtype = TB_BF16;
    return 0;
}

/* ---- Python numbers ---- */

/* To 11 bits of significand, ties to even; the doubles between two halves are exact in
 * this arithmetic, so there is one rounding only. */
static uint16_t
half_of(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    uint16_t sign = (uint16_t)(u >> 48 & 0x8000);
    int e = (int)(u >> 52 & 0x7ff) - 1023;
    uint64_t m = u & 0xfffffffffffffu;

    if (e == 1024)
        return sign | 0x7c00 | (m ? 0x200 : 0);
    if (e < -25)
        return sign;
    m |= (uint64_t)1 << 52;
    int drop = e < -14 ? 42 + (-14 - e) : 42; /* bits below the last kept one */
    uint64_t kept = m >> drop, rest = m & (((uint64_t)1 << drop) - 1);
    uint64_t tie = (uint64_t)1 << (drop - 1);
    kept += rest > tie || (rest == tie && (kept & 1));
    uint64_t r = e < -14 ? kept : kept + ((uint64_t)(e + 14) << 10);
    return sign | (uint16_t)(r > 0x7c00 ? 0x7c00 : r);
}

static uint16_t
bf16_of(double d)
{
    float f = (float)d;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if (f != f)
        return 0x7fc0;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static int
store_float(double d, tb_dtype dtype, void *out)
{
    float pair[2] = {(float)d, 0};
    double dpair[2] = {d, 0};
    uint16_t h;

    switch ((int)dtype) {
    case TB_F16: h = half_of(d); memcpy(out, &h, 2); return 0;
    case TB_BF16: h = bf16_of(d); memcpy(out, &h, 2); return 0;
    case TB_F32: memcpy(out, pair, 4); return 0;
    case TB_F64: memcpy(out, dpair, 8); return 0;
    case TB_C64: memcpy(out, pair, 8); return 0;
    case TB_C128: memcpy(out, dpair, 16); return 0;
    }
    return -1;
}

static int
fits(long long v, tb_dtype dtype)
{
    switch ((int)dtype) {
    case TB_U8: return v >= 0 && v <= UINT8_MAX;
    case TB_U16: return v >= 0 && v <= UINT16_MAX;
    case TB_U32: return v >= 0 && v <= UINT32_MAX;
    case TB_U64: return v >= 0;
    case TB_I8: return v >= INT8_MIN && v <= INT8_MAX;
    case TB_I16: return v >= INT16_MIN && v <= INT16_MAX;
    case TB_I32: return v >= INT32_MIN && v <= INT32_MAX;
    case TB_I64: return 1;
    }
    return 0;
}

/* A number takes the element type of a rank-0 input, if it can hold it; where nothing is
 * wanted it is f64, i64 or i1, as numpy makes of it. */
static int
from_number(PyObject *o, const tb_value_info *want, int index, in_arg *a, tb_tensor *t)
{
    int is_bool = PyBool_Check(o), is_float = PyFloat_Check(o);
    tb_dtype natural = is_bool ? TB_BOOL : is_float ? TB_F64 : TB_I64;

    t->dtype = want && want->rank == 0 ? want->dtype : natural;
    t->rank = 0;
    t->data = &a->scalar;
    t->bytes = dtype_info(t->dtype)->bytes;
    if (store_float(0, t->dtype, &a->scalar) == 0) {
        double d = PyFloat_AsDouble(o);
        return PyErr_Occurred() ? -1 : store_float(d, t->dtype, &a->scalar);
    }
    if (is_float)
        goto mismatch;
    int overflow = 0;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (v == -1 && PyErr_Occurred())
        return -1;
    if (t->dtype == TB_BOOL) {
        if (!is_bool)
            goto mismatch;
    } else if (overflow || !fits(v, t->dtype)) {
        goto mismatch;
    }
    memcpy(&a->scalar, &v, 8);
    return 0;
mismatch: {
    PyObject *l = label(want, index);
    if (l)
        PyErr_Format(PyExc_ValueError, "%U: expected a value of type %s, found %R", l,
                     dtype_info(t->dtype)->name, o);
    Py_XDECREF(l);
    return -1;
}
}

/* ---- all together ---- */

static int
from_tensor(PyObject *o, tb_tensor *t)
{
    const tb_tensor *have = &((tensor_obj *)o)->t;

    t->data = have->data;
    t->bytes = have->bytes;
    t->dtype = have->dtype;
    t->rank = have->rank;
    for (int i = 0; i < have->rank; i++)
        t->dims[i] = have->dims[i];
    return 0;
}

static int
from_attributes(PyObject *o, const tb_value_info *want, int index, in_arg *a, tb_tensor *t)
{
    PyObject *inner = PyObject_GetAttr(o, s_tensor);

    if (inner && Py_TYPE(inner) == tensor_type) {
        a->keep = inner;
        return from_tensor(inner, t);
    }
    Py_XDECREF(inner);
    PyErr_Clear();
    PyObject *method = PyObject_GetAttr(o, s_dlpack);
    if (method) {
        int r = from_dlpack(o, method, want, index, a, t);
        Py_DECREF(method);
        return r;
    }
    PyErr_Clear();
    return refuse(want, index, PyExc_ValueError,
                  "%U: expected an array, a tensor or a number, found %R",
                  (PyObject *)Py_TYPE(o));
}

int
in_convert(PyObject *o, const tb_value_info *want, int index, const axis_order *order,
           in_arg *a, tb_tensor *t)
{
    PyTypeObject *type = Py_TYPE(o);

    a->keep = NULL;
    a->has_view = 0;
    t->release = NULL;
    if (type == tensor_type)
        return from_tensor(o, t);
    const DLPackExchangeAPI *api = exchange_api(type);
    if (api)
        return from_exchange(o, api, want, index, order, a, t);
    if (order)
        return refuse(want, index, PyExc_ValueError, "%U: expected a torch.Tensor, found %R",
                      (PyObject *)Py_TYPE(o));
    if (PyFloat_Check(o) || PyLong_Check(o)) {
        /* numpy.float64 is a float as well, but an array scalar says its own type */
        if (!PyObject_CheckBuffer(o))
            return from_number(o, want, index, a, t);
    }
    if (PyObject_CheckBuffer(o) && !PyBytes_Check(o) && !PyByteArray_Check(o))
        return from_buffer(o, want, index, a, t);
    return from_attributes(o, want, index, a, t);
}

int
convert_init(void)
{
    s_tensor = PyUnicode_InternFromString("_tensor");
    s_dlpack = PyUnicode_InternFromString("__dlpack__");
    s_dlpack_device = PyUnicode_InternFromString("__dlpack_device__");
    s_contiguous = PyUnicode_InternFromString("contiguous");
    s_dtype = PyUnicode_InternFromString("dtype");
    s_name = PyUnicode_InternFromString("name");
    s_view = PyUnicode_InternFromString("view");
    s_uint16 = PyUnicode_InternFromString("uint16");
    s_permute = PyUnicode_InternFromString("permute");
    s_resolve_conj = PyUnicode_InternFromString("resolve_conj");
    s_resolve_neg = PyUnicode_InternFromString("resolve_neg");
    return s_tensor && s_dlpack && s_dlpack_device && s_contiguous && s_dtype && s_name &&
                   s_view && s_uint16 && s_permute && s_resolve_conj && s_resolve_neg
               ? 0
               : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * torch.c -- torch.Tensor through DLPack's C exchange table.
 *
 * torch publishes a capsule `torch.Tensor.__dlpack_c_exchange_api__` with plain C
 * functions: borrow a tensor's fields (about 50 ns), make a tensor of memory of ours
 * (about 300 ns). So we need neither torch's headers nor its libraries.
 */
#include "binding.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/runtime_internal.h"

/* The table per type; NULL is remembered too (numpy.ndarray). Types live long, a handful
 * of them occurs, and each entry keeps its type alive so that an address is not reused. */
static struct {
    PyTypeObject *type;
    const DLPackExchangeAPI *api;
} cache[8];
static unsigned next_slot;
static PyObject *attribute; /* "__dlpack_c_exchange_api__", interned */
static const DLPackExchangeAPI *torch_table;
static PyObject *get_num_threads;

static const DLPackExchangeAPI *
look_up(PyTypeObject *type)
{
    PyObject *capsule = PyObject_GetAttr((PyObject *)type, attribute);
    const DLPackExchangeAPIHeader *h = NULL;

    if (capsule && PyCapsule_IsValid(capsule, "dlpack_exchange_api"))
        h = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_XDECREF(capsule);
    PyErr_Clear(); /* no attribute: not such a type */
    while (h && h->version.major != DLPACK_MAJOR_VERSION)
        h = h->prev_api;
    const DLPackExchangeAPI *api = (const DLPackExchangeAPI *)h;
    return api && api->dltensor_from_py_object_no_sync ? api : NULL;
}

const DLPackExchangeAPI *
exchange_api(PyTypeObject *type)
{
    for (unsigned i = 0; i < sizeof cache / sizeof cache[0]; i++)
        if (cache[i].type == type)
            return cache[i].api;
    const DLPackExchangeAPI *api = look_up(type);
    unsigned i = next_slot++ % (sizeof cache / sizeof cache[0]);
    PyTypeObject *old = cache[i].type;
    cache[i].type = (PyTypeObject *)Py_NewRef((PyObject *)type);
    cache[i].api = api;
    Py_XDECREF((PyObject *)old);
    return api;
}

const DLPackExchangeAPI *
torch_api(void)
{
    if (torch_table)
        return torch_table;
    PyObject *torch = PyImport_ImportModule("torch");
    PyObject *type = torch ? PyObject_GetAttrString(torch, "Tensor") : NULL;
    if (type && PyType_Check(type)) {
        torch_table = exchange_api((PyTypeObject *)type);
        if (!torch_table)
            PyErr_SetString(PyExc_RuntimeError,
                            "torch.Tensor has no usable __dlpack_c_exchange_api__; "
                            "PyTorch 2.10 or later is needed");
    }
    Py_XDECREF(type);
    Py_XDECREF(torch);
    return torch_table;
}

/* ---- results ---- */

/*
 * malloc gives large blocks back to the system when the results of a training step go, and the
 * pages of the next step's are cleared again, at 2 us each. So the block of each result waits for
 * the next call. Any thread may release a tensor, without the GIL.
 */
struct block_spare {
    atomic_int users; /* the program, and blocks that torch has */
    _Atomic(torch_block *) block;
    size_t bytes;
};

enum { SPARE_BYTES = 64 << 10 };
static atomic_size_t waiting; /* bytes of all spare blocks */

/* As many bytes may wait in all. */
static size_t
most_waiting(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages / 8 * (size_t)size : 0;
}

block_spare *
block_spare_new(size_t static_bytes)
{
    if (static_bytes == SIZE_MAX || static_bytes < SPARE_BYTES)
        return NULL;
    block_spare *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->users, 1);
    atomic_init(&s->block, NULL);
    s->bytes = static_bytes;
    return s;
}

static torch_block *
take_waiting(block_spare *s)
{
    torch_block *b = atomic_exchange(&s->block, NULL);
    if (b)
        atomic_fetch_sub(&waiting, s->bytes);
    return b;
}

void
block_spare_release(block_spare *s)
{
    if (!s || atomic_fetch_sub(&s->users, 1) != 1)
        return;
    free(take_waiting(s));
    free(s);
}

/* The block waits in the place of the one there, which can have been used by another thread's
 * call only. */
static void
let_wait(block_spare *s, torch_block *b)
{
    if (atomic_fetch_add(&waiting, s->bytes) + s->bytes <= most_waiting())
        b = atomic_exchange(&s->block, b);
    if (b) {
        atomic_fetch_sub(&waiting, s->bytes);
        free(b);
    }
}

void
torch_block_free(torch_block *b)
{
    if (!b)
        return;
    block_spare *s = b->spare;
    tb_tensor_release(&b->t);
    if (s) {
        let_wait(s, b);
        block_spare_release(s);
    } else {
        free(b);
    }
}

static void
delete_block(DLManagedTensorVersioned *m)
{
    torch_block_free((torch_block *)m);
}

/* In huge pages where the runtime would have them. */
static torch_block *
allocate(size_t bytes)
{
    const tb_allocator *a = &tb_default_allocator;
    size_t align = tb_mem_block_align(a, bytes);
    return align > TB_DATA_ALIGN ? a->alloc(a->user, bytes, align) : malloc(bytes);
}

/* Static results lie in the same allocation as their header: one malloc, not two. It is
 * aligned here: aligned_alloc() takes three times as long for small sizes. */
torch_block *
torch_block_new(const tb_value_info *info, size_t static_bytes, block_spare *spare)
{
    size_t header = sizeof(torch_block) + 2 * sizeof(int64_t) * (size_t)info->rank;
    size_t total = header;

    if (static_bytes != SIZE_MAX &&
        __builtin_add_overflow(header + 2 * TB_DATA_ALIGN, static_bytes, &total))
        return NULL;
    torch_block *b = spare ? take_waiting(spare) : NULL;
    if (!b)
        b = allocate(total);
    if (!b)
        return NULL;
    b->spare = spare;
    if (spare)
        atomic_fetch_add(&spare->users, 1);
    b->t.data = NULL;
    b->t.bytes = 0;
    b->t.release = NULL;
    if (static_bytes != SIZE_MAX) {
        uintptr_t at = (uintptr_t)b + header + TB_DATA_ALIGN - 1;
        b->t.data = (char *)(at - at % TB_DATA_ALIGN);
        b->t.bytes = static_bytes;
    }
    return b;
}

/* Storage of ours cannot grow, but empty tensors are made to be given a size later. */
static PyObject *
resizable(PyObject *tensor)
{
    PyObject *copy = PyObject_CallMethod(tensor, "clone", NULL);

    Py_DECREF(tensor);
    return copy;
}

PyObject *
torch_block_finish(torch_block *b, const axis_order *order, const DLPackExchangeAPI *api)
{
    const dtype_row *row = dtype_info(b->t.dtype);
    int64_t *sizes = b->dims, *strides = b->dims + b->t.rank, stride = 1;
    void *object = NULL;

    for (int i = b->t.rank; i-- > 0;) {
        int axis = order ? order->axis[i] : i;
        sizes[axis] = b->t.dims[i];
        strides[axis] = stride;
        stride *= sizes[axis] ? sizes[axis] : 1;
    }
    b->managed = (DLManagedTensorVersioned){
        .version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION},
        .deleter = delete_block,
        .dl_tensor = {.data = b->t.data,
                      .device = {kDLCPU, 0},
                      .ndim = b->t.rank,
                      .dtype = {row->dl_code, row->dl_bits, 1},
                      .shape = sizes,
                      .strides = strides},
    };
    bool empty = b->t.bytes == 0;
    /* The callee owns the block from here on, also when it fails. */
    if (api->managed_tensor_to_py_object_no_sync(&b->managed, &object) != 0)
        return NULL;
    return empty ? resizable(object) : object;
}

/* ---- threads ---- */

/* torch.get_num_threads(), about 50 ns: torch has no way to be told of a change. */
int
torch_follow_threads(device_obj *device)
{
    if (!device->spreads)
        return 0;
    if (!get_num_threads) {
        PyObject *torch = PyImport_ImportModule("torch");
        get_num_threads = torch ? PyObject_GetAttrString(torch, "get_num_threads") : NULL;
        Py_XDECREF(torch);
    }
    PyObject *n = get_num_threads ? PyObject_CallNoArgs(get_num_threads) : NULL;
    if (!n)
        return -1;
    long workers = PyLong_AsLong(n);
    Py_DECREF(n);
    if (workers == -1 && PyErr_Occurred())
        return -1;
    tb_device_set_workers(device->d, (int)(workers > 1 << 16 ? 1 << 16 : workers));
    return 0;
}

int
torch_init(void)
{
    attribute = PyUnicode_InternFromString("__dlpack_c_exchange_api__");
    return attribute ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * call.c -- one call: arguments in, run, results out.
 *
 * A call converts its arguments (convert.c), takes a tb_instance, lets go of the GIL, runs,
 * and wraps the results, either as Tensor or as torch.Tensor (torch.c).
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* More than FEW: one allocation for everything. */
int
call_open(call *c, session_obj *self, int fn, Py_ssize_t n_inputs)
{
    c->self = self;
    c->fn = fn;
    c->info = &self->module->fns[fn];
    c->args = c->few_args;
    c->inputs = c->few_inputs;
    c->results = c->few_results;
    c->blocks = c->few_blocks;
    c->many = NULL;
    c->n_converted = c->n_blocks = c->workers = 0;
    c->n_inputs = (int)n_inputs;
    c->n_results = c->info->n_results;
    if (n_inputs <= FEW && c->n_results <= FEW)
        return 0;
    if (n_inputs > INT32_MAX / 2) {
        PyErr_SetString(PyExc_ValueError, "too many arguments");
        return -1;
    }
    size_t in = (size_t)n_inputs, out = (size_t)c->n_results;
    char *p = c->many = malloc(in * (sizeof(in_arg) + sizeof(tb_tensor)) +
                               out * (sizeof(tb_tensor) + sizeof(torch_block *)));
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    c->args = (in_arg *)p;
    c->inputs = (tb_tensor *)(p += in * sizeof(in_arg));
    c->results = (tb_tensor *)(p += in * sizeof(tb_tensor));
    c->blocks = (torch_block **)(p += out * sizeof(tb_tensor));
    return 0;
}

void
call_close(call *c)
{
    for (int i = 0; i < c->n_converted; i++)
        in_release(&c->args[i]);
    for (int i = 0; i < c->n_blocks; i++)
        torch_block_free(c->blocks[i]);
    free(c->many);
}

int
call_input(call *c, PyObject *o, const axis_order *order)
{
    int i = c->n_converted;
    const tb_value_info *want = i < c->info->n_inputs ? &c->info->inputs[i] : NULL;

    c->n_converted = i + 1;
    return in_convert(o, want, i, order, &c->args[i], &c->inputs[i]);
}

/* Letting go of the GIL and taking it again costs as much as a small program. One of fixed
 * sizes that took less than QUICK_NS in QUICK_CALLS calls in a row keeps it from then on;
 * every AGAIN-th call is timed, as there may be a loop in it that goes on for longer. After
 * SLOW_CALLS slow ones nothing is timed any more. */
enum { QUICK_NS = 10000, QUICK_CALLS = 8, SLOW_CALLS = 64, AGAIN = 64 };

static tb_status
run_without_gil(call *c, tb_instance *s)
{
    fn_info *f = c->info;
    int timed = f->is_static && f->slow < SLOW_CALLS;
    tb_status st;

    Py_BEGIN_ALLOW_THREADS;
    int64_t begin = timed ? tb_now_ns() : 0;
    st = tb_instance_call(s, c->fn, c->inputs, c->n_inputs, c->results, c->n_results);
    timed = timed && tb_now_ns() - begin >= QUICK_NS ? -1 : timed;
    Py_END_ALLOW_THREADS;
    if (timed > 0)
        f->quick++;
    else if (timed < 0)
        f->quick = 0, f->slow++;
    return st;
}

/* Of a program that torch.compile made: guards saw to the arguments, so what is invalid is
 * what a check of the program's own found, where PyTorch raises RuntimeError. */
static int
invoke(call *c, int compiled)
{
    tb_instance *s = session_take(c->self);
    tb_status st;

    if (!s)
        return -1;
    if (c->info->quick >= QUICK_CALLS && ++c->info->quick % AGAIN)
        st = tb_instance_call(s, c->fn, c->inputs, c->n_inputs, c->results, c->n_results);
    else
        st = run_without_gil(c, s);
    session_put_back(c->self, s);
    if (!st)
        return 0;
    if (compiled && tb_status_code(st) == TB_INVALID_ARGUMENT)
        raise_status_type(st, PyExc_RuntimeError);
    else
        raise_status(st);
    return -1;
}

/* ---- results as Tensor ---- */

/* None, one Tensor or a tuple */
static PyObject *
finish(call *c)
{
    PyObject *tuple = NULL;

    if (c->n_results == 0)
        Py_RETURN_NONE;
    if (c->n_results == 1)
        return tensor_from_tb(&c->results[0], NULL);
    tuple = PyTuple_New(c->n_results);
    for (int i = 0; i < c->n_results; i++) {
        PyObject *o = tuple ? tensor_from_tb(&c->results[i], NULL) : NULL;
        if (!o || PyTuple_SetItem(tuple, i, o) < 0) {
            for (int k = i; k < c->n_results; k++)
                tb_tensor_release(&c->results[k]);
            Py_CLEAR(tuple);
            break;
        }
    }
    return tuple;
}

PyObject *
call_plain(session_obj *self, int fn, PyObject *const *objects, Py_ssize_t n)
{
    PyObject *out = NULL;
    call c;

    if (call_open(&c, self, fn, n) < 0)
        return NULL;
    int failed = 0;
    for (Py_ssize_t i = 0; i < n && !failed; i++)
        failed = call_input(&c, objects[i], NULL) < 0;
    for (int i = 0; i < c.n_results; i++) {
        c.results[i].data = NULL;
        c.results[i].bytes = 0;
        c.results[i].release = NULL;
    }
    if (!failed && invoke(&c, 0) == 0)
        out = finish(&c);
    call_close(&c);
    return out;
}

/* ---- results as torch.Tensor ---- */

/* A result whose size is known is written straight into the memory torch will own. */
static int
make_blocks(call *c)
{
    for (int i = 0; i < c->n_results; i++) {
        torch_block *b =
            torch_block_new(&c->info->results[i], c->info->result_bytes[i], c->info->spares[i]);
        if (!b) {
            PyErr_NoMemory();
            return -1;
        }
        c->blocks[i] = b;
        c->n_blocks = i + 1;
        c->results[i].data = b->t.data;
        c->results[i].bytes = b->t.bytes;
        c->results[i].release = NULL;
    }
    return 0;
}

int
call_torch(call *c)
{
    device_obj *device = c->self->device;

    if (make_blocks(c) < 0)
        return -1;
    if (c->workers && device->spreads)
        tb_device_set_workers(device->d, c->workers);
    else if (!c->workers && torch_follow_threads(device) < 0)
        return -1;
    if (invoke(c, 1) < 0)
        return -1;
    for (int i = 0; i < c->n_results; i++)
        c->blocks[i]->t = c->results[i];
    return 0;
}

PyObject *
call_result(call *c, int i, const axis_order *order)
{
    torch_block *b = c->blocks[i];

    c->blocks[i] = NULL;
    return torch_block_finish(b, order, torch_api());
}

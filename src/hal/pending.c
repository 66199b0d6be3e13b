/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pending.c -- a call that is done later: its arguments with everything they refer to, as its
 * convention says which those are. The block holds the values, then those of lists.
 */
#include "hal/internal.h"

/* ---- conventions: 0 arguments _ results, C...D lists ---- */
/* Values of a tuple of the list that begins behind the C at `at`. */
static uint32_t
width(const char *at)
{
    return (uint32_t)strcspn(at, "D");
}

static const char *
skip(const char *at)
{
    return *at == 'C' ? at + 1 + width(at + 1) + 1 : at + 1;
}

static bool
has_argument(const char *at)
{
    return *at && *at != '_' && *at != 'v';
}

typedef void each_ref(tb_vm_object *o);

static void
visit(const tb_hal_pending *p, each_ref *f)
{
    uint32_t i = 0;

    for (const char *at = p->cconv + 1; has_argument(at); at = skip(at), i++) {
        const tb_vm_value *v = &p->call.args[i];
        uint32_t n = width(at + 1);
        if (*at == 'r')
            f(v->ref);
        else if (*at == 'C')
            for (uint32_t k = 0; k < v->list.n * n; k++)
                if (at[1 + k % n] == 'r')
                    f(v->list.at[k].ref);
    }
}

static void
retain(tb_vm_object *o)
{
    tb_vm_retain(o);
}

/* What no submission takes, a list or another fence, could hold the fence that holds the call:
 * null is refused just as well when the call is done. */
static tb_vm_value
taken(char kind, tb_vm_value v)
{
    static const tb_vm_type *const types[] = {&tb_hal_buffer_type, &tb_hal_file_type,
                                              &tb_hal_command_buffer_type, &tb_vm_buffer_type,
                                              &tb_hal_device_type};
    bool known = kind != 'r' || !v.ref;

    for (size_t i = 0; i < TB_COUNT(types) && !known; i++)
        known = v.ref->type == types[i];
    if (!known)
        v.ref = NULL;
    return v;
}

/* ---- life ---- */
tb_hal_pending *
tb_hal_pending_create(tb_hal *h, tb_vm_import import, const tb_vm_call *c, tb_hal_action *act,
                      uint32_t n_fences)
{
    const char *cconv = h->release->cconv[import];
    uint64_t n = 0, i = 0;

    for (const char *at = cconv + 1; has_argument(at); at = skip(at), i++)
        n += 1 + (*at == 'C' ? (uint64_t)c->args[i].list.n * width(at + 1) : 0);
    tb_hal_pending *p = tb_heap(1, sizeof *p);
    tb_vm_value *values = n > INT32_MAX ? NULL : tb_heap(n, sizeof *values);
    tb_hal_waiter *waiters = tb_heap(n_fences, sizeof *waiters);
    if (!p || !values || !waiters) {
        tb_heap_free(p);
        tb_heap_free(values);
        tb_heap_free(waiters);
        return NULL;
    }
    *p = (tb_hal_pending){.h = tb_hal_retain(h),
                          .act = act,
                          .cconv = cconv,
                          .call = {values, (uint32_t)i, NULL, 0},
                          .waiters = waiters};
    for (uint32_t k = 0; k < n_fences; k++)
        waiters[k].p = p;
    tb_vm_value *more = values + i;
    i = 0;
    for (const char *at = cconv + 1; has_argument(at); at = skip(at), i++) {
        values[i] = i == 3 ? c->args[i] : taken(*at, c->args[i]);
        uint64_t in_list = *at == 'C' ? (uint64_t)c->args[i].list.n * width(at + 1) : 0;
        if (*at == 'C')
            values[i].list.at = more;
        for (uint64_t k = 0; k < in_list; k++)
            *more++ = taken(at[1 + k % width(at + 1)], c->args[i].list.at[k]);
    }
    values[2].ref = NULL; /* the fence that is waited for */
    p->signal = (tb_hal_fence *)values[3].ref;
    visit(p, retain);
    return p;
}

void
tb_hal_pending_free(tb_hal_pending *p)
{
    visit(p, tb_vm_release);
    tb_heap_free(p->waiters);
    tb_status_free(p->failed);
    tb_heap_free((void *)(uintptr_t)p->call.args);
    tb_hal_release(p->h);
    tb_heap_free(p);
}

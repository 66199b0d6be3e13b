/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * null.c -- the device "null": programs run, kernels do not. For measuring what a call
 * costs beside its kernels, and for running programs whose kernels nobody should trust.
 */
#include "runtime/runtime_internal.h"

static int32_t
dispatch(tb_device *d, const tb_work *w)
{
    (void)d;
    (void)w;
    return TB_KERNEL_OK;
}

static void
destroy(tb_device *d)
{
    tb_heap_free(d);
}

static const tb_driver driver = {"null", dispatch, destroy, false};

tb_device *
tb_null_create(void)
{
    tb_device *d = tb_heap(1, sizeof *d);
    if (!d)
        return NULL;
    d->driver = &driver;
    d->max_workers = 1;
    atomic_init(&d->refs, 1);
    atomic_init(&d->limit, 1);
    return d;
}

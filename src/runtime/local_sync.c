/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* local_sync.c -- the device that runs everything on the calling thread. */
#include "runtime/runtime_internal.h"

static int32_t
dispatch(tb_device *d, const tb_work *w)
{
    (void)d;
    return tb_work_alone(w);
}

static void
destroy(tb_device *d)
{
    tb_heap_free(d);
}

static void
keep(tb_device *d)
{
    (void)d;
}

static const tb_driver driver = {"local-sync", dispatch, destroy, true};
static const tb_driver driver_in_place = {"local-sync", dispatch, keep, true};

void
tb_local_sync_init(tb_device *d)
{
    d->driver = &driver_in_place;
    d->max_workers = 1;
    atomic_init(&d->refs, 1);
    atomic_init(&d->limit, 1);
}

tb_device *
tb_local_sync_create(void)
{
    tb_device *d = tb_heap(1, sizeof *d);
    if (!d)
        return NULL;
    tb_local_sync_init(d);
    d->driver = &driver;
    return d;
}

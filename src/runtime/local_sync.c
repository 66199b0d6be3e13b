/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* local_sync.c -- the device that runs everything on the calling thread. */
#include <stdlib.h>

#include "runtime/runtime_internal.h"

static int32_t
dispatch(tb_device *d, const tb_work *w)
{
    (void)d;
    return w->fn(w->bindings, w->sizes, 0, w->tiles, w->scratch);
}

static void
destroy(tb_device *d)
{
    free(d);
}

static const tb_driver driver = {"local-sync", dispatch, destroy, true};

tb_device *
tb_local_sync_create(void)
{
    tb_device *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->driver = &driver;
    d->max_workers = 1;
    atomic_init(&d->refs, 1);
    atomic_init(&d->limit, 1);
    return d;
}

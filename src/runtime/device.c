/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * device.c -- device uris and reference counts.
 *
 *   uri = driver ["://" ["default" | "0"]] ["?" "workers=" number]
 */
#include <stdlib.h>

#include "runtime/runtime_internal.h"

enum { MAX_WORKERS = 1024 };
#if defined(TB_NO_THREADS)
#define DRIVERS "local-sync alone: this runtime is built without threads"
#else
#define DRIVERS "local-sync and local-task"
#endif

typedef struct device_uri {
    tb_str driver;
    int workers; /* 0 = not said */
} device_uri;

static tb_status
parse_uri(const char *uri, device_uri *out)
{
    size_t n = strcspn(uri, ":?");
    const char *at = uri + n;
    out->driver = (tb_str){uri, n};
    out->workers = 0;
    if (strncmp(at, "://", 3) == 0) {
        at += 3;
        size_t path = strcspn(at, "?");
        tb_str which = {at, path};
        if (path && !tb_str_is(which, "default") && !tb_str_is(which, "0"))
            return tb_status_make(TB_NOT_FOUND, "device '%s': there is no '%.*s'; '%.*s' has "
                                                "one device",
                                  uri, TB_FMT(which), TB_FMT(out->driver));
        at += path;
    }
    if (*at == '?' && strncmp(at, "?workers=", 9) == 0) {
        char *end;
        long workers = strtol(at + 9, &end, 10);
        if (end == at + 9 || *end || workers < 1 || workers > MAX_WORKERS)
            return tb_status_make(TB_INVALID_ARGUMENT,
                                  "device '%s': expected workers from 1 to %d", uri,
                                  MAX_WORKERS);
        out->workers = (int)workers;
        return NULL;
    }
    if (*at)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "device '%s': '%s' is not understood; an example is "
                              "local-task://?workers=4",
                              uri, at);
    return NULL;
}

static tb_status
check_workers(int n)
{
    if (n < 0 || n > MAX_WORKERS)
        return tb_status_make(TB_INVALID_ARGUMENT, "expected workers from 0 to %d, got %d",
                              MAX_WORKERS, n);
    return NULL;
}

tb_status
tb_device_create(const char *uri, int n_workers, tb_device **out)
{
    device_uri u;
    tb_device *d;
    TRY(parse_uri(uri, &u));
    TRY(check_workers(n_workers));
    if (n_workers == 0)
        n_workers = u.workers;
    if (tb_str_is(u.driver, "local-sync"))
        d = tb_local_sync_create();
#if !defined(TB_NO_THREADS)
    else if (tb_str_is(u.driver, "local-task"))
        d = tb_local_task_create(n_workers ? n_workers : tb_cpus_allowed());
#endif
    else if (tb_str_is(u.driver, "null"))
        d = tb_null_create();
    else
        return tb_status_make(TB_NOT_FOUND,
                              "device '%s': no driver '%.*s'; there are " DRIVERS, uri,
                              TB_FMT(u.driver));
    if (!d)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for device '%s'", uri);
    *out = d;
    return NULL;
}

tb_status
tb_device_create_on(tb_executor run, void *user, int n_workers, tb_device **out)
{
    TRY(check_workers(n_workers));
    if (!run)
        return tb_status_make(TB_INVALID_ARGUMENT, "expected an executor, got NULL");
#if defined(TB_NO_THREADS)
    (void)user;
    tb_device *d = tb_local_sync_create();
#else
    tb_device *d = tb_lent_task_create(run, user, n_workers ? n_workers : tb_cpus_allowed());
#endif
    if (!d)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a device on lent threads");
    *out = d;
    return NULL;
}

tb_device *
tb_device_retain(tb_device *d)
{
    if (d)
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void
tb_device_release(tb_device *d)
{
    if (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1)
        d->driver->destroy(d);
}

const char *
tb_device_name(const tb_device *d)
{
    return d->driver->name;
}

int
tb_device_workers(const tb_device *d)
{
    return atomic_load_explicit(&d->limit, memory_order_relaxed);
}

void
tb_device_set_workers(tb_device *d, int n_workers)
{
    int n = n_workers < 1 ? 1 : n_workers > d->max_workers ? d->max_workers : n_workers;
    atomic_store_explicit(&d->limit, n, memory_order_relaxed);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * lent_task.c -- the device that spreads a dispatch over threads that someone lends it.
 *
 * An executor calls the workers of one dispatch at a time. A caller that finds it busy runs its
 * dispatch alone. Where it declines, or this is a child of the process that lent the threads
 * (fork() leaves them behind), a pool does the work.
 */
#include <stdlib.h>

#include "runtime/job.h"

/* For so long after a job its threads look for the next one: OpenMP's do for some ms. */
enum { AWAKE_FOR_NS = 1000000 };

typedef struct lent_device {
    tb_device base;
    tb_executor run;
    void *user;
    unsigned generation;
    tb_device *own;  /* for when there is nothing lent */
    atomic_int busy; /* bool */
    int64_t last_end_ns;
    tb_job job;
    tb_room rooms[]; /* of workers from 1 on */
} lent_device;

static void
work(void *arg, int me)
{
    lent_device *d = arg;
    if (me == 0)
        tb_job_run(&d->job, 0, d->job.work.scratch);
    else
        tb_job_run_in(&d->job, me, &d->rooms[me - 1]);
}

/* All of them: who lends has them come along as one, as OpenMP does. False: it declines. */
static bool
run_lent(lent_device *d, const tb_work *w, int n)
{
    tb_job_set(&d->job, w, n);
    if (!d->run(d->user, n, work, d))
        return false;
    d->last_end_ns = tb_now_ns();
    return true;
}

static int32_t
on_own_threads(lent_device *d, const tb_work *w, int limit)
{
    tb_device_set_workers(d->own, limit);
    return d->own->driver->dispatch(d->own, w);
}

static int32_t
dispatch(tb_device *base, const tb_work *w)
{
    lent_device *d = (lent_device *)base;
    int limit = atomic_load_explicit(&base->limit, memory_order_relaxed);
    if (tb_split_workers(w->tiles, w->tile_cost_ns, limit, limit) == 1)
        return tb_work_alone(w);
    if (d->generation != tb_process_generation())
        return on_own_threads(d, w, limit);
    if (atomic_exchange_explicit(&d->busy, true, memory_order_acquire))
        return tb_work_alone(w);
    int awake = tb_now_ns() - d->last_end_ns < AWAKE_FOR_NS ? limit : 1;
    int32_t error;
    if (tb_split_workers(w->tiles, w->tile_cost_ns, limit, awake) == 1)
        error = tb_work_alone(w);
    else if (run_lent(d, w, limit))
        error = tb_job_error(&d->job);
    else
        error = on_own_threads(d, w, limit);
    atomic_store_explicit(&d->busy, false, memory_order_release);
    return error;
}

static void
destroy(tb_device *base)
{
    lent_device *d = (lent_device *)base;
    for (int i = 0; i < base->max_workers - 1; i++)
        free(d->rooms[i].at);
    tb_job_free(&d->job);
    tb_device_release(d->own);
    free(d);
}

static const tb_driver driver = {"local-task", dispatch, destroy, true};

tb_device *
tb_lent_task_create(tb_executor run, void *user, int n_workers)
{
    lent_device *d = calloc(1, sizeof *d + sizeof *d->rooms * (size_t)(n_workers - 1));
    tb_device *own = tb_local_task_create(n_workers); /* starts no thread; watches forks */
    if (!d || !own || !tb_job_init(&d->job, n_workers)) {
        if (own)
            tb_device_release(own);
        free(d);
        return NULL;
    }
    d->own = own;
    d->base.driver = &driver;
    d->base.max_workers = n_workers;
    atomic_init(&d->base.refs, 1);
    atomic_init(&d->base.limit, n_workers);
    atomic_init(&d->busy, false);
    d->run = run;
    d->user = user;
    d->generation = tb_process_generation();
    d->last_end_ns = -AWAKE_FOR_NS;
    return &d->base;
}

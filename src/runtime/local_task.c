/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * local_task.c -- the device that spreads a dispatch over a pool of threads.
 *
 * A dispatch of small cost stays on the calling thread. A larger one becomes the pool's job
 * (job.h).
 *
 * A worker that has not begun when the last tile is taken is not waited for: `control`
 * holds an open bit and the number of workers inside the job; they enter by adding 1 while
 * the bit is set. The caller clears the bit when no tiles are left and waits for 0. So a
 * thread that the system does not schedule delays nobody.
 *
 * The pool serves one dispatch at a time. A caller that finds it busy runs its dispatch
 * alone, as do sessions on different threads that share a device.
 *
 * After fork() the child has none of the threads: a pool knows in which generation of the
 * process it was made, and a newer one makes its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "runtime/job.h"
#include "runtime/wait.h"

/* How long a worker looks for the next job, and a caller for the last worker, before it
 * sleeps. Waking one costs tens of thousands of ns, on a virtual machine far more: its CPU
 * has been given away. Between two calls lies what a program in Python does there. */
enum { SPIN_NS = 1000000 };

struct pool;
typedef struct worker {
    _Alignas(128) tb_wait go; /* counts the jobs this worker was called for */
    struct pool *pool;
    int index;
    tb_room room;
    pthread_t thread;
} worker;

static const unsigned OPEN = 1u << 31;

typedef struct pool {
    worker *workers; /* [0] is the calling thread, whoever that is */
    int n_workers, n_threads; /* n_threads + 1 <= n_workers */
    int64_t spin_ns;
    unsigned generation;
    struct pool *previous; /* of the parent process; its threads do not exist here */
    atomic_int busy, quit; /* bools */
    tb_wait control; /* OPEN | workers inside */
    tb_job job; /* written while control is 0 */
} pool;

typedef struct task_device {
    tb_device base;
    _Atomic(pool *) pool;
} task_device;

/* ---- a job ---- */
static void
join_job(worker *w)
{
    pool *p = w->pool;
    unsigned c = atomic_load(&p->control.word);
    do {
        if (!(c & OPEN))
            return;
    } while (!atomic_compare_exchange_weak(&p->control.word, &c, c + 1));
    if (w->index < atomic_load_explicit(&p->job.n, memory_order_relaxed))
        tb_job_run_in(&p->job, w->index, &w->room);
    if (atomic_fetch_sub(&p->control.word, 1) == 1)
        tb_wait_wake(&p->control);
}

static void
call_worker(pool *p, int i)
{
    atomic_fetch_add(&p->workers[i].go.word, 1);
    tb_wait_wake(&p->workers[i].go);
}

/* Workers call others as a tree: waking a sleeper takes a system call. */
static void
call_children(pool *p, int i)
{
    int n = atomic_load_explicit(&p->job.n, memory_order_relaxed);
    for (int child = 2 * i + 1; child <= 2 * i + 2; child++)
        if (child < n)
            call_worker(p, child);
}

static void *
worker_main(void *arg)
{
    worker *w = arg;
    unsigned seen = 0;
    for (;;) {
        seen = tb_wait_change(&w->go, seen, w->pool->spin_ns);
        if (atomic_load(&w->pool->quit))
            return NULL;
        call_children(w->pool, w->index);
        join_job(w);
    }
}

/* Starts threads until n workers are there; returns how many are. */
static int
start_threads(pool *p, int n)
{
    sigset_t all, before;
    if (n <= p->n_threads + 1)
        return n;
    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->n_threads + 1 < n) {
        worker *w = &p->workers[p->n_threads + 1];
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        p->n_threads++;
#if defined(__linux__)
        char name[16];
        snprintf(name, sizeof name, "turbine-%d", w->index);
        pthread_setname_np(w->thread, name);
#endif
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->n_threads + 1 < n ? p->n_threads + 1 : n;
}

/* The caller has `busy`. */
static int32_t
run_job(pool *p, const tb_work *w, int n)
{
    n = start_threads(p, n);
    if (n == 1)
        return tb_work_alone(w);
    tb_job_set(&p->job, w, n);
    atomic_store(&p->control.word, OPEN);
    call_children(p, 0);
    tb_job_run(&p->job, 0, w->scratch);
    unsigned c = atomic_fetch_and(&p->control.word, ~OPEN) & ~OPEN;
    while (c != 0)
        c = tb_wait_change(&p->control, c, p->spin_ns);
    return tb_job_error(&p->job);
}

/* ---- the pool ---- */
static void
free_pool(pool *p)
{
    for (int i = 0; i < p->n_workers; i++) {
        free(p->workers[i].room.at);
        tb_wait_destroy(&p->workers[i].go);
    }
    tb_wait_destroy(&p->control);
    tb_job_free(&p->job);
    free(p->workers);
    free(p);
}

static pool *
new_pool(int n_workers)
{
    pool *p = calloc(1, sizeof *p);
    void *workers = NULL;
    size_t bytes = sizeof(worker) * (size_t)n_workers;
    if (!p || !tb_job_init(&p->job, n_workers)) {
        free(p);
        return NULL;
    }
    if (posix_memalign(&workers, _Alignof(worker), bytes) != 0) {
        tb_job_free(&p->job);
        free(p);
        return NULL;
    }
    memset(workers, 0, bytes);
    p->workers = workers;
    p->n_workers = n_workers;
    p->generation = tb_process_generation();
    /* More threads than CPUs: spinning would keep the others from running. */
    p->spin_ns = n_workers <= tb_cpus_allowed() ? SPIN_NS : 0;
    tb_wait_init(&p->control);
    for (int i = 0; i < n_workers; i++) {
        tb_wait_init(&p->workers[i].go);
        p->workers[i].pool = p;
        p->workers[i].index = i;
    }
    return p;
}

/* Is it of this process, with threads that exist here? */
static bool
is_ours(const pool *p)
{
    return p && p->generation == tb_process_generation();
}

/* The pool of this process; NULL if there is no memory for one. */
static pool *
current_pool(task_device *d)
{
    pool *p = atomic_load_explicit(&d->pool, memory_order_acquire);
    if (is_ours(p))
        return p;
    pool *fresh = new_pool(d->base.max_workers);
    if (!fresh)
        return NULL;
    fresh->previous = p;
    if (atomic_compare_exchange_strong(&d->pool, &p, fresh))
        return fresh;
    free_pool(fresh); /* another thread was faster */
    return p;
}

/* ---- the driver ---- */
/* The caller, who has `busy`, and the first workers that are not asleep. */
static int
count_awake(const pool *p)
{
    int n = 1;
    while (n <= p->n_threads && !atomic_load(&p->workers[n].go.asleep))
        n++;
    return n;
}

static int32_t
dispatch(tb_device *base, const tb_work *w)
{
    task_device *d = (task_device *)base;
    int limit = atomic_load_explicit(&base->limit, memory_order_relaxed);
    pool *p = NULL;
    if (tb_split_workers(w->tiles, w->tile_cost_ns, limit, 1) > 1)
        p = current_pool(d);
    else if (tb_split_workers(w->tiles, w->tile_cost_ns, limit, limit) > 1)
        p = atomic_load_explicit(&d->pool, memory_order_acquire); /* who is awake? */
    if (!is_ours(p) || atomic_exchange_explicit(&p->busy, true, memory_order_acquire))
        return tb_work_alone(w);
    int n = tb_split_workers(w->tiles, w->tile_cost_ns, limit, count_awake(p));
    int32_t error = n > 1 ? run_job(p, w, n) : tb_work_alone(w);
    atomic_store_explicit(&p->busy, false, memory_order_release);
    return error;
}

static void
destroy(tb_device *base)
{
    task_device *d = (task_device *)base;
    pool *p = atomic_load(&d->pool);
    if (is_ours(p)) {
        atomic_store(&p->quit, true);
        for (int i = 1; i <= p->n_threads; i++)
            call_worker(p, i);
        for (int i = 1; i <= p->n_threads; i++)
            pthread_join(p->workers[i].thread, NULL);
    }
    while (p) {
        pool *previous = p->previous;
        free_pool(p);
        p = previous;
    }
    free(d);
}

static const tb_driver driver = {"local-task", dispatch, destroy, true};

tb_device *
tb_local_task_create(int n_workers)
{
    task_device *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    tb_watch_forks();
    d->base.driver = &driver;
    d->base.max_workers = n_workers;
    atomic_init(&d->base.refs, 1);
    atomic_init(&d->base.limit, n_workers);
    atomic_init(&d->pool, NULL);
    return &d->base;
}

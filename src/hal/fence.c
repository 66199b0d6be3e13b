/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fence.c -- points in time: reached, not reached yet, or never to be reached. A fence may be
 * several others: it is reached when they all are.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "hal/internal.h"

enum { MAX_PARTS = 4096 };

struct tb_hal_fence {
    tb_vm_object base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached;
    tb_code failed; /* TB_OK: it did not */
    char why[256];
    tb_hal_waiter *first, **last; /* what waits for it, in order */
    uint32_t n; /* others */
    tb_hal_fence *of[];
};

static void destroy(tb_vm_object *o);
const tb_vm_type tb_hal_fence_type = {"hal.fence", destroy};

static tb_hal_fence *
new_fence(uint32_t n)
{
    tb_hal_fence *f = tb_heap(1, sizeof *f + n * sizeof f->of[0]);
    pthread_condattr_t how;

    if (!f)
        return NULL;
    tb_vm_object_init(&f->base, &tb_hal_fence_type);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &how);
    pthread_condattr_destroy(&how);
    f->last = &f->first;
    return f;
}

tb_hal_fence *
tb_hal_fence_create(void)
{
    return new_fence(0);
}

void
tb_hal_fence_release(tb_hal_fence *f)
{
    tb_vm_release(f ? &f->base : NULL);
}

/* A list of what is to be done now. */
typedef struct work {
    tb_hal_pending *first, **last;
} work;

/* f is over, its lock held: p goes to the work if it was the last. */
static void
pass(const tb_hal_fence *f, tb_hal_pending *p, work *w)
{
    if (f->failed != TB_OK && !atomic_load(&p->failed)) {
        tb_status none = NULL, st = tb_status_make(f->failed, "%s", f->why);
        if (!atomic_compare_exchange_strong(&p->failed, &none, st))
            tb_status_free(st);
    }
    if (atomic_fetch_sub(&p->open, 1) != 1)
        return;
    p->next = NULL;
    *w->last = p;
    w->last = &p->next;
}

static void
set_one(tb_hal_fence *f, tb_code failed, const char *why, work *w)
{
    tb_hal_waiter *next;

    pthread_mutex_lock(&f->lock);
    if (failed != TB_OK && f->failed == TB_OK) {
        f->failed = failed;
        snprintf(f->why, sizeof f->why, "%s", why);
    }
    f->reached = f->reached || failed == TB_OK;
    for (tb_hal_waiter *x = f->first; x; x = next) {
        next = x->next;
        pass(f, x->p, w);
    }
    f->first = NULL;
    f->last = &f->first;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void
set(tb_hal_fence *f, tb_code failed, const char *why, work *w)
{
    for (uint32_t i = 0; i < f->n; i++)
        set_one(f->of[i], failed, why, w);
    if (f->n == 0)
        set_one(f, failed, why, w);
}

/* x is behind f now, or passed if that is over. */
static void
park(tb_hal_waiter *x, tb_hal_fence *f, work *w)
{
    pthread_mutex_lock(&f->lock);
    if (f->reached || f->failed != TB_OK) {
        pass(f, x->p, w);
    } else {
        *f->last = x;
        f->last = &x->next;
    }
    pthread_mutex_unlock(&f->lock);
}

static void
finish(tb_hal_pending *p, tb_status st, work *w)
{
    if (p->signal)
        set(p->signal, tb_status_code(st), tb_status_message(st), w);
    tb_status_free(st);
    tb_hal_pending_free(p);
}

/* What is done signals more; a list, so that chains are not deep. */
static void
run(work *w)
{
    while (w->first) {
        tb_hal_pending *p = w->first;
        w->first = p->next;
        if (!w->first)
            w->last = &w->first;
        tb_status st = atomic_exchange(&p->failed, NULL);
        if (!st && p->act)
            st = p->act(p->h, &p->call);
        finish(p, st, w);
    }
}

void
tb_hal_wait_for(tb_hal_pending *p, tb_hal_fence *const *fences, uint32_t n)
{
    work w = {NULL, &w.first};
    tb_hal_waiter *waiters = p->waiters;

    atomic_store(&p->open, n + 1); /* one is this function: p stays until it is done */
    for (uint32_t i = 0; i < n; i++)
        park(&waiters[i], fences[i], &w);
    if (atomic_fetch_sub(&p->open, 1) == 1) {
        p->next = NULL;
        *w.last = p;
        w.last = &p->next;
    }
    run(&w);
}

/* Nobody can signal a fence that nobody has: what waits for it fails. */
static void
destroy(tb_vm_object *o)
{
    tb_hal_fence *f = (tb_hal_fence *)o;
    work w = {NULL, &w.first};

    for (uint32_t i = 0; i < f->n; i++)
        tb_vm_release(&f->of[i]->base);
    if (f->first)
        set_one(f, TB_INVALID_ARGUMENT, "a fence was given up that work waits for", &w);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    tb_heap_free(f);
    run(&w);
}

void
tb_hal_fence_signal(tb_hal_fence *f)
{
    work w = {NULL, &w.first};

    if (f)
        set(f, TB_OK, "", &w);
    run(&w);
}

void
tb_hal_fence_fail(tb_hal_fence *f, tb_status why)
{
    work w = {NULL, &w.first};

    if (f)
        set(f, tb_status_code(why), tb_status_message(why), &w);
    tb_status_free(why);
    run(&w);
}

/* ---- waiting ---- */
static tb_status
wait_until(tb_hal_fence *f, const struct timespec *end, bool *reached)
{
    for (uint32_t i = 0; i < f->n; i++) {
        TRY(wait_until(f->of[i], end, reached));
        if (!*reached)
            return NULL;
    }
    if (f->n)
        return NULL;
    pthread_mutex_lock(&f->lock);
    int late = 0;
    while (!f->reached && f->failed == TB_OK && late != ETIMEDOUT)
        late = end ? pthread_cond_timedwait(&f->changed, &f->lock, end)
                   : pthread_cond_wait(&f->changed, &f->lock);
    *reached = f->reached;
    tb_status st = f->failed == TB_OK ? NULL : tb_status_make(f->failed, "%s", f->why);
    pthread_mutex_unlock(&f->lock);
    return st;
}

static bool
is_over(tb_hal_fence *f)
{
    pthread_mutex_lock(&f->lock);
    bool over = f->reached || f->failed != TB_OK;
    pthread_mutex_unlock(&f->lock);
    return over;
}

/* Work behind work, this far; what is more entangled counts as a circle. */
enum { MAX_STEPS = 1000 };

static bool
leads_to(tb_hal_fence *f, tb_hal_fence *const *goals, uint32_t n, uint32_t *steps)
{
    bool found = ++*steps > MAX_STEPS;

    for (uint32_t i = 0; i < n; i++)
        found = found || goals[i] == f;
    for (uint32_t i = 0; i < f->n && !found; i++)
        found = leads_to(f->of[i], goals, n, steps);
    if (f->n)
        return found;
    pthread_mutex_lock(&f->lock);
    for (const tb_hal_waiter *x = f->first; x && !found; x = x->next)
        found = x->p->signal && leads_to(x->p->signal, goals, n, steps);
    pthread_mutex_unlock(&f->lock);
    return found;
}

bool
tb_hal_fence_comes_before(tb_hal_fence *signal, tb_hal_fence *const *fences, uint32_t n)
{
    uint32_t steps = 0;

    return signal && leads_to(signal, fences, n, &steps);
}

uint32_t
tb_hal_fence_parts(tb_hal_fence **f, tb_hal_fence ***parts)
{
    *parts = *f && (*f)->n ? (*f)->of : f;
    return !*f ? 0 : (*f)->n ? (*f)->n : 1;
}

bool
tb_hal_fence_is_over(tb_hal_fence *f)
{
    for (uint32_t i = 0; f && i < f->n; i++)
        if (!is_over(f->of[i]))
            return false;
    return !f || f->n > 0 || is_over(f); /* one of none is reached from the start */
}

static struct timespec
in_ms(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

tb_status
tb_hal_fence_wait(tb_hal_fence *f, int64_t timeout_ms, bool *reached)
{
    *reached = true;
    if (!f)
        return NULL;
    struct timespec end = in_ms(timeout_ms < 0 ? 0 : timeout_ms);
    return wait_until(f, timeout_ms < 0 ? NULL : &end, reached);
}

/* ---- imports ---- */
/* IREE's numbers of statuses. */
enum { STATUS_OK = 0, STATUS_DEADLINE_EXCEEDED = 4, STATUS_DEFERRED = 17 };

static const struct {
    tb_code code;
    int32_t status;
} statuses[] = {{TB_OK, STATUS_OK},
                {TB_INVALID_ARGUMENT, 3},
                {TB_NOT_FOUND, 5},
                {TB_OUT_OF_MEMORY, 8},
                {TB_OUT_OF_RANGE, 11},
                {TB_UNSUPPORTED, 12},
                {TB_INTERNAL, 13},
                {TB_INCOMPATIBLE, 14},
                {TB_CORRUPT, 15},
                {TB_IO, 2}};

static int32_t
status_of(tb_status st)
{
    for (size_t i = 0; i < TB_COUNT(statuses); i++)
        if (statuses[i].code == tb_status_code(st))
            return statuses[i].status;
    return 2; /* unknown */
}

static tb_code
code_of(int32_t status)
{
    for (size_t i = 1; i < TB_COUNT(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].code;
    return TB_INTERNAL;
}

static tb_status
fence(const tb_vm_call *c, uint32_t i, tb_hal_fence **out)
{
    return tb_vm_arg(c, i, &tb_hal_fence_type, "fence", false, out);
}

static tb_status
no_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a fence");
}

/* (timeout in ms, flags, [fence]). A fence that failed fails the call: modules do not look at the
 * number. */
tb_status
tb_hal_import_fence_await(void *self, const tb_vm_call *c)
{
    uint32_t timeout = (uint32_t)c->args[0].i32;
    const tb_vm_value *list = c->args[2].list.at;
    struct timespec end = in_ms(timeout);
    bool reached = true;

    (void)self;
    for (uint32_t i = 0; i < c->args[2].list.n && reached; i++) {
        tb_hal_fence *f = tb_vm_cast(list[i].ref, &tb_hal_fence_type);
        if (!f && list[i].ref)
            return tb_status_make(TB_INVALID_ARGUMENT, "to wait for a %s",
                                  list[i].ref->type->name);
        if (f)
            TRY(wait_until(f, timeout == UINT32_MAX ? NULL : &end, &reached));
    }
    c->results[0].i32 = reached ? STATUS_OK : STATUS_DEADLINE_EXCEEDED;
    return NULL;
}

tb_status
tb_hal_import_fence_create(void *self, const tb_vm_call *c)
{
    tb_hal_fence *f = tb_hal_fence_create();

    (void)self;
    if (!f)
        return no_memory();
    c->results[0].ref = &f->base;
    return NULL;
}

tb_status
tb_hal_import_fence_fail(void *self, const tb_vm_call *c)
{
    tb_hal_fence *f;

    (void)self;
    TRY(fence(c, 0, &f));
    tb_hal_fence_fail(f, tb_status_make(code_of(c->args[1].i32),
                                        "the module's program failed with status %d",
                                        (int)c->args[1].i32));
    return NULL;
}

/* Fences of fences are taken apart, so that they are never deep. */
static uint32_t
count_parts(const tb_vm_value *list, uint32_t n)
{
    uint64_t parts = 0;
    for (uint32_t i = 0; i < n; i++) {
        const tb_hal_fence *f = tb_vm_cast(list[i].ref, &tb_hal_fence_type);
        parts += f && f->n ? f->n : 1;
    }
    return parts > MAX_PARTS ? UINT32_MAX : (uint32_t)parts;
}

static void
add_part(tb_hal_fence *to, tb_hal_fence *f)
{
    to->of[to->n++] = (tb_hal_fence *)tb_vm_retain(&f->base);
}

/* (flags, [fence or null]) */
tb_status
tb_hal_import_fence_join(void *self, const tb_vm_call *c)
{
    const tb_vm_value *list = c->args[1].list.at;
    uint32_t n = c->args[1].list.n, parts = count_parts(list, n);

    (void)self;
    for (uint32_t i = 0; i < n; i++)
        if (list[i].ref && list[i].ref->type != &tb_hal_fence_type)
            return tb_status_make(TB_INVALID_ARGUMENT, "a %s is not a fence",
                                  list[i].ref->type->name);
    if (parts == UINT32_MAX)
        return tb_status_make(TB_OUT_OF_RANGE, "a fence of more than %d", MAX_PARTS);
    tb_hal_fence *to = new_fence(parts);
    if (!to)
        return no_memory();
    for (uint32_t i = 0; i < n; i++) {
        tb_hal_fence *f = (tb_hal_fence *)list[i].ref;
        for (uint32_t k = 0; f && k < f->n; k++)
            add_part(to, f->of[k]);
        if (f && f->n == 0)
            add_part(to, f);
    }
    to->reached = to->n == 0; /* what waits for nothing */
    c->results[0].ref = &to->base;
    return NULL;
}

tb_status
tb_hal_import_fence_query(void *self, const tb_vm_call *c)
{
    tb_hal_fence *f;
    bool reached;

    (void)self;
    TRY(fence(c, 0, &f));
    tb_status st = tb_hal_fence_wait(f, 0, &reached);
    c->results[0].i32 = st ? status_of(st) : reached ? STATUS_OK : STATUS_DEFERRED;
    tb_status_free(st);
    return NULL;
}

tb_status
tb_hal_import_fence_signal(void *self, const tb_vm_call *c)
{
    tb_hal_fence *f;

    (void)self;
    TRY(fence(c, 0, &f));
    tb_hal_fence_signal(f);
    return NULL;
}

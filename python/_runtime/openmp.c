/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * openmp.c -- torch's own threads lent to a device.
 *
 * OpenMP's threads look for work for some ms after each of torch's operators; a pool beside
 * them would share the CPUs with that. When they sleep they are left alone: the calling thread
 * would spin until the last has woken, perhaps on the CPU that this one waits for (8 ms for an
 * addition). Whether they look for work or sleep, the CPU time of the second one says. The entry
 * points are those that GCC calls for `#pragma omp parallel`, which libgomp and LLVM's OpenMP
 * have:
 * https://gcc.gnu.org/onlinedocs/libgomp/Implementing-PARALLEL-construct.html
 */
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

#include "binding.h"

static struct {
    void (*parallel)(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
    int (*thread_num)(void);
} omp;

enum {
    AWAKE_NS = 1000000,      /* for so long after a job they look for the next, at least */
    LOOK_AGAIN_NS = 200000,  /* for so long after a look they sleep as they did then */
    JUST_NOW_NS = 5000000,   /* who did something in such a time is awake still */
    LOOK_NS = 2000           /* how long a look takes */
};

/* What a thread that calls knows of its team: each has one of its own. */
static _Thread_local struct {
    bool known, asleep;        /* second_clock is that of the second thread; at the last look */
    clockid_t second_clock;
    int64_t last_end_ns;       /* of a job */
    int64_t looked_ns, cpu_ns; /* the last look, and what the second thread had used then */
} mine;

typedef struct team {
    void (*fn)(void *arg, int worker);
    void *arg;
    int n;
    bool known; /* second_clock has been found */
    clockid_t second_clock;
} team;

static int64_t
now_ns(clockid_t clock)
{
    struct timespec t;

    return clock_gettime(clock, &t) ? -1 : (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Did the second thread use its CPU lately, or does it now? One that looks for work may be kept
 * from it for a moment, such as by a pool's thread that looks too. */
static bool
look(int64_t now, int64_t cpu)
{
    if (cpu > mine.cpu_ns && now - mine.looked_ns < JUST_NOW_NS)
        return true;
    while (now_ns(CLOCK_MONOTONIC) - now < LOOK_NS)
        ;
    return now_ns(mine.second_clock) > cpu;
}

/* Do the threads look for work, as far as one can know? */
static bool
awake(void)
{
    int64_t now = now_ns(CLOCK_MONOTONIC), cpu;

    if (!mine.known || now - mine.last_end_ns < AWAKE_NS)
        return true;
    if (mine.asleep && now - mine.looked_ns < LOOK_AGAIN_NS)
        return false;
    cpu = now_ns(mine.second_clock);
    if (cpu < 0) /* it has ended, as where torch's number of threads changed */
        return true;
    mine.asleep = !look(now, cpu);
    mine.looked_ns = now;
    mine.cpu_ns = cpu;
    return !mine.asleep;
}

static void
member(void *data)
{
    team *t = data;
    int me = omp.thread_num();

    if (me == 1)
        t->known = pthread_getcpuclockid(pthread_self(), &t->second_clock) == 0;
    if (me < t->n)
        t->fn(t->arg, me);
}

static bool
run(void *user, int n, void (*fn)(void *, int), void *arg)
{
    team t = {.fn = fn, .arg = arg, .n = n};

    (void)user;
    if (!awake())
        return false;
    omp.parallel(member, &t, 0, 0); /* as many as torch's: teams that shrink end their threads */
    mine.known = t.known;
    mine.second_clock = t.second_clock;
    mine.last_end_ns = now_ns(CLOCK_MONOTONIC);
    return true;
}

/* Is OpenMP in the process, loaded by torch for all to see? The GIL is held. */
static bool
found(void)
{
    if (!omp.parallel) {
        void *thread_num = dlsym(RTLD_DEFAULT, "omp_get_thread_num");
        void *parallel = dlsym(RTLD_DEFAULT, "GOMP_parallel");

        if (!thread_num || !parallel)
            return false;
        memcpy(&omp.thread_num, &thread_num, sizeof thread_num); /* C has no cast for it */
        memcpy(&omp.parallel, &parallel, sizeof parallel);
    }
    return true;
}

tb_status
openmp_device(int workers, tb_device **out)
{
    return found() ? tb_device_create_on(run, NULL, workers, out)
                   : tb_device_create("local-task", workers, out);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * openmp.c -- torch's own threads lent to a device.
 *
 * OpenMP's threads look for work for some ms after each of torch's operators; a pool beside
 * them would share the CPUs with that. The entry points are those that GCC calls for
 * `#pragma omp parallel`, which libgomp and LLVM's OpenMP have:
 * https://gcc.gnu.org/onlinedocs/libgomp/Implementing-PARALLEL-construct.html
 */
#include <dlfcn.h>

#include "binding.h"

static struct {
    void (*parallel)(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
    int (*thread_num)(void);
} omp;

typedef struct team {
    void (*fn)(void *arg, int worker);
    void *arg;
    int n;
} team;

static void
member(void *data)
{
    const team *t = data;
    int me = omp.thread_num();

    if (me < t->n)
        t->fn(t->arg, me);
}

static void
run(void *user, int n, void (*fn)(void *, int), void *arg)
{
    team t = {fn, arg, n};

    (void)user;
    omp.parallel(member, &t, 0, 0); /* as many as torch's: teams that shrink end their threads */
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

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/job.h"

bool
tb_job_init(tb_job *j, int most_workers)
{
    void *shares = NULL;
    size_t bytes = sizeof(tb_share) * (size_t)most_workers;
    if (posix_memalign(&shares, _Alignof(tb_share), bytes) != 0)
        return false;
    memset(shares, 0, bytes);
    j->shares = shares;
    atomic_init(&j->n, 0);
    atomic_init(&j->error, 0);
    return true;
}

void
tb_job_free(tb_job *j)
{
    free(j->shares);
}

void
tb_job_set(tb_job *j, const tb_work *w, int n)
{
    for (int i = 0; i < n; i++) {
        int64_t begin = tb_split_begin(w->tiles, n, i);
        atomic_store_explicit(&j->shares[i].next, begin, memory_order_relaxed);
        j->shares[i].end = tb_split_begin(w->tiles, n, i + 1);
    }
    j->work = *w;
    j->chunk = tb_split_chunk(w->tiles, w->tile_cost_ns, n);
    atomic_store_explicit(&j->error, 0, memory_order_relaxed);
    atomic_store_explicit(&j->n, n, memory_order_relaxed);
}

void
tb_job_run(tb_job *j, int me, void *scratch)
{
    const tb_work *w = &j->work;
    int n = atomic_load_explicit(&j->n, memory_order_relaxed);
    for (int k = 0; k < n; k++) {
        tb_share *from = &j->shares[me + k < n ? me + k : me + k - n];
        while (atomic_load_explicit(&from->next, memory_order_relaxed) < from->end) {
            int64_t begin =
                atomic_fetch_add_explicit(&from->next, j->chunk, memory_order_relaxed);
            int64_t end = begin + j->chunk < from->end ? begin + j->chunk : from->end;
            if (begin >= from->end)
                break;
            int none = 0, error = w->fn(w->bindings, w->sizes, begin, end, scratch);
            if (error)
                atomic_compare_exchange_strong(&j->error, &none, error);
            if (atomic_load_explicit(&j->error, memory_order_relaxed))
                return;
        }
    }
}

void
tb_job_run_in(tb_job *j, int me, tb_room *room)
{
    if (j->work.scratch_bytes > room->bytes) {
        free(room->at);
        room->bytes = 0;
        if (posix_memalign(&room->at, TB_DATA_ALIGN, j->work.scratch_bytes) != 0) {
            room->at = NULL;
            return;
        }
        room->bytes = j->work.scratch_bytes;
    }
    tb_job_run(j, me, room->at);
}

int32_t
tb_job_error(const tb_job *j)
{
    return atomic_load_explicit(&j->error, memory_order_relaxed);
}

/* ---- generations of the process ---- */
static atomic_uint generation;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void
in_child(void)
{
    atomic_fetch_add(&generation, 1);
}

static void
watch(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

void
tb_watch_forks(void)
{
    pthread_once(&fork_once, watch);
}

unsigned
tb_process_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

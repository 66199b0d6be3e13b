/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * job.h -- a dispatch divided among workers, whoever's threads they are.
 *
 * Tiles are divided into one contiguous range per worker, always the same worker for the
 * same range, so that a core finds in its caches what it read in the call before. Workers
 * take chunks of their own range, then of others'; one that never comes is not missed.
 */
#pragma once
#include "runtime/runtime_internal.h"

/* Tiles of one worker that nobody took yet; on cache lines of its own. */
typedef struct tb_share {
    _Alignas(128) _Atomic int64_t next;
    int64_t end;
} tb_share;

/* Memory that one worker's kernels use. */
typedef struct tb_room {
    void *at;
    size_t bytes;
} tb_room;

typedef struct tb_job {
    tb_share *shares; /* one for each worker there may be */
    tb_work work;
    atomic_int n; /* workers it is divided among */
    int64_t chunk;
    atomic_int error;
} tb_job;

/* False: no memory. */
bool tb_job_init(tb_job *j, int most_workers);
void tb_job_free(tb_job *j);
/* Nobody may be in tb_job_run. */
void tb_job_set(tb_job *j, const tb_work *w, int n);
/* What worker `me` does; returns when no tile is left that nobody took, or one failed. */
void tb_job_run(tb_job *j, int me, void *scratch);
/* The same in memory of `room`, which grows. Without memory for it others take the tiles. */
void tb_job_run_in(tb_job *j, int me, tb_room *room);
/* 0, or the first error; for when all workers have returned. */
int32_t tb_job_error(const tb_job *j);

/* The forks that led to this process since somebody began to watch them: threads of before do
 * not exist in it. */
void tb_watch_forks(void);
unsigned tb_process_generation(void);

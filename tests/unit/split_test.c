/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * split_test.c -- how tiles are divided among 1 to 64 workers: every tile once, evenly, and
 * finished as early as chunks allow, also where workers come late or not at all.
 */
#include "unit/runtime_t.h"

enum { MAX_WORKERS = 64 };
static const int64_t counts[] = {1, 2, 3, 5, 16, 63, 64, 65, 100, 127, 128, 1000, 4099, 100000};
static const uint64_t costs[] = {0, 1, 90, 1000, 20000, 3000000};

static void
ranges(void)
{
    for (int n = 1; n <= MAX_WORKERS; n++)
        for (size_t c = 0; c < TB_COUNT(counts); c++) {
            int64_t tiles = counts[c], least = INT64_MAX, most = 0;
            EQ_INT(tb_split_begin(tiles, n, 0), 0);
            EQ_INT(tb_split_begin(tiles, n, n), tiles);
            for (int i = 0; i < n; i++) {
                int64_t size = tb_split_begin(tiles, n, i + 1) - tb_split_begin(tiles, n, i);
                least = size < least ? size : least;
                most = size > most ? size : most;
            }
            CHECK(least >= 0 && most - least <= 1);
        }
    EQ_INT(tb_split_begin(INT64_MAX, 64, 64), INT64_MAX);
}

static void
workers(void)
{
    EQ_INT(tb_split_workers(1, 1000000000, 64, 1), 1);  /* one tile */
    EQ_INT(tb_split_workers(64, 100, 64, 1), 1);        /* less than waking a thread costs */
    EQ_INT(tb_split_workers(4, 2500, 64, 2), 2);        /* ... but not more than one that spins */
    EQ_INT(tb_split_workers(4, 2500, 1, 2), 1);
    EQ_INT(tb_split_workers(4, 1500, 64, 2), 1);
    EQ_INT(tb_split_workers(40, 1000000, 64, 2), 40);
    EQ_INT(tb_split_workers(64, 1000000, 64, 1), 64);
    EQ_INT(tb_split_workers(64, 1000000, 3, 1), 3);
    EQ_INT(tb_split_workers(40, 1000000, 64, 1), 40);
    EQ_INT(tb_split_workers(INT64_MAX, 1, 8, 1), 1);
    EQ_INT(tb_split_workers(INT64_MAX / 8, UINT64_MAX, 8, 1), 8);
    for (int limit = 1; limit <= MAX_WORKERS; limit++)
        for (size_t c = 0; c < TB_COUNT(counts); c++)
            for (size_t k = 0; k < TB_COUNT(costs); k++) {
                int n = tb_split_workers(counts[c], costs[k], limit, 1);
                CHECK(n >= 1 && n <= limit && n <= counts[c]);
                /* more work never gets fewer workers */
                CHECK(tb_split_workers(counts[c] + 1, costs[k], limit, 1) >= n);
            }
}

typedef struct run {
    int64_t next[MAX_WORKERS], end[MAX_WORKERS], done, latest;
} run;

/* Workers take chunks as local_task.c does, whoever is free first; worker i begins at time
 * begin[i] (tiles; negative: never). */
static run
simulate(int64_t tiles, int64_t chunk, int n, const int64_t *begin)
{
    run r = {.done = 0};
    int64_t free_at[MAX_WORKERS];
    for (int i = 0; i < n; i++) {
        r.next[i] = tb_split_begin(tiles, n, i);
        r.end[i] = tb_split_begin(tiles, n, i + 1);
        free_at[i] = begin[i];
    }
    for (;;) {
        int me = -1, from = -1;
        for (int i = 0; i < n; i++)
            if (free_at[i] >= 0 && (me < 0 || free_at[i] < free_at[me]))
                me = i;
        for (int k = 0; k < n && from < 0; k++)
            if (r.next[(me + k) % n] < r.end[(me + k) % n])
                from = (me + k) % n;
        if (from < 0)
            return r;
        int64_t size = r.end[from] - r.next[from] < chunk ? r.end[from] - r.next[from] : chunk;
        r.next[from] += chunk;
        r.done += size;
        free_at[me] += size;
        r.latest = free_at[me] > r.latest ? free_at[me] : r.latest;
    }
}

static void
finished_early(void)
{
    for (int n = 1; n <= MAX_WORKERS; n++)
        for (size_t c = 0; c < TB_COUNT(counts); c++)
            for (size_t k = 0; k < TB_COUNT(costs); k++) {
                int64_t tiles = counts[c], begin[MAX_WORKERS] = {0};
                int m = tb_split_workers(tiles, costs[k], n, 1);
                int64_t chunk = tb_split_chunk(tiles, costs[k], m);
                CHECK(chunk >= 1 && chunk <= tiles / m + 1);
                run r = simulate(tiles, chunk, m, begin);
                EQ_INT(r.done, tiles);
                EQ_INT(r.latest, (tiles + m - 1) / m); /* all at once: nobody waits */
                begin[m - 1] = m > 1 ? -1 : 0; /* the last one does not come */
                int64_t others = m > 1 ? m - 1 : 1;
                r = simulate(tiles, chunk, m, begin);
                EQ_INT(r.done, tiles);
                CHECK(r.latest <= (tiles + others - 1) / others + chunk);
                for (int i = 1; i < m; i++) /* one after the other */
                    begin[i] = i;
                r = simulate(tiles, chunk, m, begin);
                EQ_INT(r.done, tiles);
                CHECK(r.latest <= (tiles + m - 1) / m + m + chunk);
            }
}

int
main(void)
{
    RUN(ranges);
    RUN(workers);
    RUN(finished_early);
    return t_done();
}

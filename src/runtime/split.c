/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* split.c -- among how many workers a dispatch is divided, and how. */
#include "runtime/runtime_internal.h"

/* Work, in ns, that is worth another worker: waking a thread costs a few thousand, one that
 * spins takes its tiles after a few hundred. */
enum { WORKER_NS = 10000, AWAKE_NS = 4000, CHUNK_NS = 4000 };
static const uint64_t MOST_NS = 1000000000;

static int
split_workers(int64_t tiles, uint64_t tile_cost_ns, int limit, int64_t worker_ns)
{
    uint64_t cost = tile_cost_ns == 0 ? 1000 : tile_cost_ns < MOST_NS ? tile_cost_ns : MOST_NS;
    int64_t most = tiles < limit ? tiles : limit, worth;
    if (limit < 1)
        return 1;
    if (tiles > INT64_MAX / 4)
        return 1;
    if (!tb_mul_ok(tiles, (int64_t)cost, &worth))
        return (int)most;
    worth /= worker_ns;
    return (int)(worth < 1 ? 1 : worth < most ? worth : most);
}

int
tb_split_workers(int64_t tiles, uint64_t tile_cost_ns, int limit, int awake)
{
    int n = split_workers(tiles, tile_cost_ns, limit, WORKER_NS);
    int more = split_workers(tiles, tile_cost_ns, awake < limit ? awake : limit, AWAKE_NS);
    return more > n ? more : n;
}

int64_t
tb_split_begin(int64_t tiles, int n, int i)
{
    int64_t share = tiles / n, more = tiles % n;
    return share * i + (i < more ? i : more);
}

int64_t
tb_split_chunk(int64_t tiles, uint64_t tile_cost_ns, int n)
{
    int64_t share = tiles / n, least = 0;
    if (tile_cost_ns > 0 && tile_cost_ns <= CHUNK_NS)
        least = CHUNK_NS / (int64_t)tile_cost_ns;
    int64_t chunk = share / 8 > least ? share / 8 : least;
    if (chunk > share + 1)
        chunk = share + 1;
    return chunk < 1 ? 1 : chunk;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * tiles_test.c -- are kernels cut into tiles that any number of workers can share?
 *
 * Graphs are lowered; then 1 to 64 workers take the tiles of each kernel as those of
 * local_task.c do: a range each, in chunks, and others' when theirs is empty. All levels of a
 * processor are lowered together: lowering fails where they do not agree about the tiles.
 */
#include <math.h>

#include "kernel/lower.h"
#include "pass/pass.h"
#include "unit/graph_t.h"

enum { MAX_WORKERS = 64, WORKER_NS = 15000, CHUNK_NS = 4000, MAX_STEPS = 64, SHORT_NS = 32000 };

static struct {
    double tiles, ns;
} steps[MAX_STEPS];
static int n_steps;

/* Time until n workers are done, if each tile takes ns. */
static double
time_of(double tiles, double ns, int n)
{
    double next[MAX_WORKERS], end[MAX_WORKERS], busy[MAX_WORKERS] = {0}, last = 0, chunk;
    double share = floor(tiles / n), more = tiles - share * n, at = 0;

    for (int i = 0; i < n; i++) {
        next[i] = at;
        at += share + (i < more);
        end[i] = at;
    }
    chunk = floor(share / 8) > floor(CHUNK_NS / ns) ? floor(share / 8) : floor(CHUNK_NS / ns);
    chunk = chunk > share + 1 ? share + 1 : chunk < 1 ? 1 : chunk;
    for (;;) { /* the worker that is free first takes the next chunk */
        int me = 0, from = -1;
        for (int i = 1; i < n; i++)
            if (busy[i] < busy[me])
                me = i;
        for (int i = 0; i < n && from < 0; i++)
            if (next[(me + i) % n] < end[(me + i) % n])
                from = (me + i) % n;
        if (from < 0)
            return last;
        double took = fmin(chunk, end[from] - next[from]);
        next[from] += took;
        busy[me] += took * ns;
        last = fmax(last, busy[me]);
    }
}

/* However many workers take part, nobody waits long for the last tile: the time is that of
 * equal shares, some more (`slack`), and one short tile. */
static void
check_shared(const char *name, double slack)
{
    for (int s = 0; s < n_steps; s++) {
        double total = steps[s].tiles * steps[s].ns;
        for (int n = 2; n <= MAX_WORKERS && n * (double)WORKER_NS <= total; n++) {
            int part = n < steps[s].tiles ? n : (int)steps[s].tiles;
            double took = time_of(steps[s].tiles, steps[s].ns, part);
            if (CHECK(took <= slack * total / n + SHORT_NS))
                continue;
            printf("# %s, step %d: %g tiles of %g ns: %d workers take %g ns, not %g\n", name, s,
                   steps[s].tiles, steps[s].ns, n, took, total / n);
            break;
        }
    }
}

static void
lower(void)
{
    size_t n;
    const tb_cpu_level *levels = tb_cpu_levels(&n);
    tb_target targets[16];
    uint32_t n_targets = 0;
    tb_packs packs = {0};
    tb_choices choices = {0};
    const tb_lowered *low;

    for (size_t i = 0; i < n && CHECK(n_targets < TB_COUNT(targets)); i++)
        if (levels[i].machine == levels[0].machine)
            targets[n_targets++] = tb_target_of(&levels[i]);
    low = tb_lower_groups(tb_group_graph(tb_run_passes(g, NULL, NULL, NULL)), targets, n_targets,
                          &packs, (tb_lower_options){0}, &choices);
    n_steps = 0;
    for (uint32_t i = 0; i < low->steps.n && CHECK(i < MAX_STEPS); i++) {
        steps[n_steps].tiles = (double)low->steps.at[i]->tiles;
        steps[n_steps++].ns = (double)low->steps.at[i]->tile_cost_ns;
    }
}

static int64_t rows, cols, depth; /* of the case */
static int64_t n_inputs;

static tb_val
input(tb_dtype t, int rank, const tb_dim *dims)
{
    return tb_input(g, n_inputs++, t, rank, dims);
}
#define IN(t, ...)                                                                       \
    input(TB_##t, (int)TB_COUNT(((tb_dim[]){__VA_ARGS__})), (tb_dim[]){__VA_ARGS__})

static void
out(tb_val v)
{
    TB_PUSH(&cx->keep, &g->outputs, v);
}

static void
product(void)
{
    out(tb_dot(g, IN(F32, rows, depth), IN(F32, depth, cols)));
}

static void
linear(void)
{
    out(tb_dot(g, IN(F32, rows, depth), tb_transpose(g, IN(F32, cols, depth), 0, 1)));
}

static void
softmax(void)
{
    tb_val x = IN(F32, rows, cols), e = tb_map1(g, TB_P_exp, x);
    tb_val sum = tb_expand_like(g, tb_reduce(g, TB_P_rsum, e, 2), e);
    out(tb_map2(g, TB_P_div, e, sum));
}

static void
map(void)
{
    out(tb_map1(g, TB_P_tanh, IN(F32, rows, cols)));
}

static void
transposed(void)
{
    tb_val x = tb_transpose(g, IN(F32, rows, cols), 0, 1);
    out(tb_map2(g, TB_P_add, x, IN(F32, cols, rows)));
}

static void
attention(void)
{
    tb_val q = IN(F32, depth, rows, 64), k = IN(F32, depth, rows, 64), v = IN(F32, depth, rows, 64);
    out(tb_attention(g, q, k, v, TB_NO_VAL, false, 0.1));
}

static void
sum(void)
{
    out(tb_reduce(g, TB_P_rsum, IN(F32, rows, cols), 3));
    out(tb_reduce(g, TB_P_rmax, IN(F32, rows, cols), 2));
    out(tb_reduce(g, TB_P_rsum, IN(F32, rows, cols), 1));
}

/* Rows of `depth`, shorter than the vectors of some levels. */
static void
short_rows(void)
{
    tb_val x = IN(F32, rows, cols, depth);
    out(tb_reduce(g, TB_P_rsum, x, 4));
    out(tb_reduce(g, TB_P_argmax, x, 4));
    out(tb_reduce(g, TB_P_rmax, IN(F64, rows, cols, depth), 4));
    out(tb_reduce(g, TB_P_rsum, IN(F32, cols, depth, depth), 6));
    out(tb_map2(g, TB_P_mul, x, tb_expand_like(g, tb_reduce(g, TB_P_rsum, x, 4), x)));
}

static void
gather(void)
{
    tb_val i = IN(I64, rows);
    out(tb_gather(g, IN(F32, depth, cols), 1, &i, 1));
}

static void
scan(void)
{
    out(tb_scan(g, TB_P_cumsum, IN(F32, rows, cols), 1));
}

static void
build(void *user)
{
    void (**fn)(void) = user;
    u = tb_unit_new(cx, TB_STR("module"));
    g = tb_graph_new(u);
    n_inputs = 0;
    (*fn)();
    lower();
}

static void
shared(void (*fn)(void), const char *name, double slack, int64_t r, int64_t c, int64_t d)
{
    int before = t_faults;
    char what[100];

    rows = r, cols = c, depth = d;
    cx = tb_ctx_new();
    tb_status st = tb_guard(cx, build, &fn);
    snprintf(what, sizeof what, "%s %dx%dx%d", name, (int)r, (int)c, (int)d);
    if (CHECK(!st))
        check_shared(what, slack);
    else
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
    tb_ctx_free(cx);
    t_tests++;
    t_failed_tests += t_faults != before;
    printf("%s %d - %s\n", t_faults == before ? "ok" : "not ok", t_tests, what);
}
#define SHARED(fn, ...) shared(fn, #fn, __VA_ARGS__)

int
main(void)
{
    static const int64_t sizes[][3] = {
        {256, 256, 256},  {512, 512, 512},  {1024, 1024, 1024}, {2048, 2048, 2048},
        {128, 768, 768},  {128, 3072, 768}, {128, 768, 3072},   {8, 3072, 768},
        {1, 4096, 4096},  {1, 50257, 768},  {1000, 1000, 1000}, {197, 768, 768},
        {49, 2048, 512},  {3136, 64, 64}};
    for (size_t i = 0; i < TB_COUNT(sizes); i++) {
        SHARED(product, 1.5, sizes[i][0], sizes[i][1], sizes[i][2]);
        SHARED(linear, 1.5, sizes[i][0], sizes[i][1], sizes[i][2]);
    }
    SHARED(softmax, 1.25, 1536, 128, 0);
    SHARED(softmax, 1.25, 16384, 1024, 0);
    SHARED(softmax, 1.25, 100, 50257, 0);
    SHARED(map, 1.25, 128, 3072, 0);
    SHARED(map, 1.25, 1, 10000000, 0);
    SHARED(transposed, 1.25, 1536, 128, 0);
    SHARED(transposed, 1.25, 3, 100000, 0);
    SHARED(attention, 1.5, 128, 0, 12);
    SHARED(attention, 1.5, 512, 0, 12);
    SHARED(attention, 1.5, 2048, 0, 4);
    SHARED(sum, 1.25, 16384, 1024, 0);
    SHARED(sum, 1.25, 100, 50000, 0);
    for (int n = 2; n <= 17; n += 3)
        SHARED(short_rows, 1.5, 1, 2048, n);
    SHARED(short_rows, 1.5, 3, 20000, 10);
    SHARED(gather, 1.25, 512, 768, 30000);
    SHARED(scan, 1.25, 1000, 1000, 0);
    return t_done();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * tune.c -- tb_tune: builds, rounds of calls, choices.
 *
 * A group's time is what its kernels took in a call, summed over the call (a loop runs them
 * often); the least over all rounds counts, as noise only adds.
 */
#include "tune/tune.h"

#include <stdlib.h>

#include "kernel/lower.h"
#include "turbine/runtime.h"

enum { MOST_ROUNDS = 50, LEAST_ROUNDS = 3 };
/* Another variant must save this part of the time: less is noise. */
static const double WORTH = 0.03;

/* One compilation, loaded and watched. */
typedef struct build {
    tb_buf bytes;
    tb_tuning tuning;
    tb_module *m;
    tb_session *s;
    tb_watcher watcher;
    int64_t begin;     /* of the kernel that runs */
    int64_t *now;      /* [n_groups] ns in this call */
    int64_t *least;    /* [n_groups] in the best call; INT64_MAX: none yet */
    uint32_t *kernel;  /* [n_groups] the last kernel of the group, + 1 */
    int64_t *call;     /* [functions] ns of the best call */
} build;

/* Zeroed memory that lives as long as the tuner. */
typedef struct block {
    struct block *next;
    _Alignas(64) char bytes[];
} block;

typedef struct tuner {
    tb_unit *u;
    const tb_compile_options *o;
    const tb_tune_options *t;
    tb_device *device;
    tb_params *params;
    tb_arena arena; /* of tunings; raises as the unit's do */
    block *blocks;
    tb_tensor **inputs; /* by function */
    bool *refused;      /* by function: it does not run on zeros */
    build builds[TB_VARIANT_END + 1];
    uint32_t n_builds;
} tuner;

static tb_status
take(tuner *t, void *pointer, uint64_t n, size_t elem_bytes)
{
    uint64_t bytes;
    block *b = NULL;
    void *at;

    if (!__builtin_mul_overflow(n + 1, elem_bytes, &bytes) && bytes < SIZE_MAX / 2)
        b = aligned_alloc(64, TB_ALIGN_UP(sizeof *b + bytes, (uint64_t)64));
    if (!b)
        return tb_status_make(TB_OUT_OF_MEMORY, "not enough memory to measure in");
    b->next = t->blocks;
    t->blocks = b;
    at = memset(b->bytes, 0, bytes);
    memcpy(pointer, &at, sizeof at);
    return NULL;
}

/* ---- watching ---- */

static uint32_t
group_at(const tb_tuning *t, uint32_t place)
{
    uint32_t at = 0, n = t->n_places;
    while (n > 1) {
        uint32_t half = n / 2;
        if (t->places[at + half].place <= place)
            at += half, n -= half;
        else
            n = half;
    }
    TB_CHECK(t->n_places && t->places[at].place == place);
    return t->places[at].group;
}

static void
on_dispatch(void *user, const tb_dispatch_info *info, bool begins)
{
    build *b = user;
    if (begins) {
        b->begin = tb_now_ns();
        return;
    }
    int64_t took = tb_now_ns() - b->begin;
    uint32_t group = group_at(&b->tuning, info->place);
    b->now[group] += took;
    b->kernel[group] = info->kernel + 1;
}

static void
on_call(void *user, int function, bool begins)
{
    build *b = user;
    uint32_t n = b->tuning.n_groups;
    (void)function;
    if (begins) {
        memset(b->now, 0, sizeof *b->now * n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (b->now[i] && b->now[i] < b->least[i])
            b->least[i] = b->now[i];
}

/* ---- one build ---- */

/* Parameters that the artifact does not hold, zeros as well: one set for all builds. */
static tb_status
make_params(tuner *t, const tb_module *m)
{
    int n = tb_module_parameter_count(m);
    if (n == 0 || t->params)
        return NULL;
    TRY(tb_params_create(&t->params));
    for (int i = 0; i < n; i++) {
        const char *scope;
        tb_value_info info;
        tb_module_parameter_info(m, i, &scope, &info);
        tb_tensor x = {.dtype = info.dtype, .rank = info.rank};
        x.bytes = tb_dtype_bytes(info.dtype);
        for (int k = 0; k < info.rank; k++)
            x.bytes *= (size_t)(x.dims[k] = info.dims[k]);
        TRY(take(t, &x.data, x.bytes, 1));
        TRY(tb_params_add_tensor(t->params, scope, info.name, &x, NULL, NULL));
    }
    return NULL;
}

/* Compiles with the variants given, loads, and watches. */
static tb_status
make_build(tuner *t, const uint8_t *variant, uint32_t n, tb_stock_iree stock)
{
    build *b = &t->builds[t->n_builds++];
    tb_compile_options o = *t->o;
    tb_unit_mark mark = tb_unit_mark_of(t->u);

    b->tuning = (tb_tuning){.variant = variant, .n = n, .arena = &t->arena};
    o.tuning = &b->tuning;
    o.stock_iree = stock;
    o.path = NULL;
    tb_status st = tb_compile(t->u, &o, &b->bytes);
    tb_unit_return(t->u, mark);
    if (st)
        return st;
    TRY(tb_module_load_memory(b->bytes.at, b->bytes.n, TB_LOAD_COPY, NULL, NULL, &b->m));
    TRY(make_params(t, b->m));
    tb_session_options so = {.device = t->device, .params = t->params};
    TRY(tb_session_create(b->m, &so, &b->s));
    uint32_t groups = b->tuning.n_groups;
    TRY(take(t, &b->now, groups, sizeof *b->now));
    TRY(take(t, &b->least, groups, sizeof *b->least));
    TRY(take(t, &b->kernel, groups, sizeof *b->kernel));
    TRY(take(t, &b->call, t->u->funcs.n, sizeof *b->call));
    for (uint32_t i = 0; i < groups; i++)
        b->least[i] = INT64_MAX;
    for (uint32_t i = 0; i < t->u->funcs.n; i++)
        b->call[i] = INT64_MAX;
    b->watcher = (tb_watcher){b, on_call, on_dispatch};
    tb_session_watch(b->s, &b->watcher);
    return NULL;
}

static void
drop_build(build *b)
{
    if (b->s)
        tb_session_destroy(b->s);
    if (b->m)
        tb_module_release(b->m);
    tb_buf_free(&b->bytes);
    *b = (build){0};
}

/* ---- running ---- */

/* Sizes of inputs by the hints; raises. */
static void
size_inputs(void *user)
{
    tuner *t = user;
    tb_unit *u = t->u;

    for (uint32_t i = 0; i < u->funcs.n; i++)
        for (uint32_t k = 0; k < u->funcs.at[i].inputs.n; k++) {
            const tb_type *type = &u->funcs.at[i].inputs.at[k].type;
            tb_tensor *in = &t->inputs[i][k];
            *in = (tb_tensor){.dtype = (tb_dtype)type->dtype, .rank = type->rank};
            in->bytes = tb_dtype_bytes(in->dtype);
            for (int d = 0; d < type->rank; d++)
                in->bytes *= (size_t)(in->dims[d] = tb_dim_hint(u, type->dims[d]));
        }
}

/* An input that is a size is as large as the hint says. */
static void
set_size_input(const tb_unit *u, uint32_t number, tb_tensor *in)
{
    for (uint32_t s = 0; s < u->syms.n; s++)
        if (u->syms.at[s].kind == TB_SYM_ARG && u->syms.at[s].arg == number &&
            in->bytes == sizeof(int64_t))
            memcpy(in->data, &u->syms.at[s].hint, sizeof(int64_t));
}

static tb_status
make_inputs(tuner *t)
{
    tb_unit *u = t->u;

    TRY(take(t, &t->inputs, u->funcs.n, sizeof *t->inputs));
    TRY(take(t, &t->refused, u->funcs.n, sizeof *t->refused));
    for (uint32_t i = 0; i < u->funcs.n; i++)
        TRY(take(t, &t->inputs[i], u->funcs.at[i].inputs.n, sizeof *t->inputs[i]));
    TRY(tb_guard(u->cx, size_inputs, t));
    for (uint32_t i = 0; i < u->funcs.n; i++)
        for (uint32_t k = 0; k < u->funcs.at[i].inputs.n; k++) {
            tb_tensor *in = &t->inputs[i][k];
            TRY(take(t, &in->data, in->bytes, 1));
            set_size_input(u, k, in);
        }
    return NULL;
}

/* One call of each function. What fails once is not tried again by anyone. */
static tb_status
run(tuner *t, build *b)
{
    for (uint32_t i = 0; i < t->u->funcs.n; i++) {
        const tb_func *f = &t->u->funcs.at[i];
        int fn = tb_module_find_function(b->m, f->name.ptr);
        uint32_t n = f->outputs.n;
        if (fn < 0 || t->refused[i])
            continue;
        tb_tensor *out = calloc(n + 1, sizeof *out);
        if (!out)
            return tb_status_make(TB_OUT_OF_MEMORY, "not enough memory for results");
        int64_t begin = tb_now_ns();
        tb_status st = tb_session_call(b->s, fn, t->inputs[i], (int)f->inputs.n, out, (int)n);
        int64_t took = tb_now_ns() - begin;
        for (uint32_t k = 0; k < n; k++)
            tb_tensor_release(&out[k]);
        free(out);
        if (st) {
            t->refused[i] = true;
            tb_status_free(st);
        } else if (took < b->call[i]) {
            b->call[i] = took;
        }
    }
    return NULL;
}

/* All builds in turns, another one first each time. */
static tb_status
run_rounds(tuner *t, build *const *builds, uint32_t n)
{
    int64_t end = tb_now_ns() + (int64_t)(t->t->seconds * 1e9);
    for (int round = 0; round < MOST_ROUNDS && (round < LEAST_ROUNDS || tb_now_ns() < end); round++)
        for (uint32_t i = 0; i < n; i++) {
            if (t->o->progress)
                t->o->progress(t->o->user, "measuring", (size_t)round * n + i, MOST_ROUNDS * n);
            TRY(run(t, builds[(i + (uint32_t)round) % n]));
        }
    return NULL;
}

static int64_t
all_calls(const tuner *t, const build *b)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < t->u->funcs.n; i++)
        if (!t->refused[i] && b->call[i] != INT64_MAX)
            sum += b->call[i];
    return sum;
}

/* ---- choosing ---- */

/* Time of a variant for all groups that the usual build computes by kernel k - 1. */
static double
time_of(const tuner *t, uint32_t k, uint32_t variant)
{
    const build *usual = &t->builds[TB_VARIANT_USUAL], *b = &t->builds[variant];
    double sum = 0;
    for (uint32_t i = 0; i < usual->tuning.n_groups; i++) {
        if (usual->kernel[i] != k)
            continue;
        if (b->least[i] == INT64_MAX)
            return 1e300;
        sum += (double)b->least[i];
    }
    return sum;
}

static uint32_t
choose(const tuner *t, uint8_t *variant)
{
    const build *usual = &t->builds[TB_VARIANT_USUAL];
    uint32_t n = usual->tuning.n_groups, changed = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = usual->kernel[i], first = 0;
        if (!k)
            continue;
        while (usual->kernel[first] != k)
            first++;
        if (first < i) { /* chosen already */
            variant[i] = variant[first];
        } else {
            double least = time_of(t, k, TB_VARIANT_USUAL) * (1 - WORTH);
            for (uint32_t v = TB_VARIANT_USUAL + 1; v < TB_VARIANT_END; v++) {
                double took = time_of(t, k, v);
                if (took < least) {
                    least = took;
                    variant[i] = (uint8_t)v;
                }
            }
        }
        changed += variant[i] != TB_VARIANT_USUAL;
    }
    return changed;
}

static tb_status
tune(tuner *t, tb_buf *out, tb_tune_report *report)
{
    build *usual = &t->builds[TB_VARIANT_USUAL], *all[TB_VARIANT_END];
    uint8_t *variant;

    TRY(tb_device_create("local-task", t->t->workers, &t->device));
    TRY(make_inputs(t));
    TRY(make_build(t, NULL, 0, t->o->stock_iree));
    TRY(take(t, &variant, usual->tuning.n_groups, 1));
    for (uint8_t v = TB_VARIANT_USUAL + 1; v < TB_VARIANT_END; v++) {
        uint8_t *same;
        TRY(take(t, &same, usual->tuning.n_groups, 1));
        memset(same, v, usual->tuning.n_groups);
        TRY(make_build(t, same, usual->tuning.n_groups, TB_STOCK_NEVER));
        TB_CHECK(t->builds[v].tuning.n_groups == usual->tuning.n_groups);
    }
    for (uint32_t v = 0; v < TB_VARIANT_END; v++)
        all[v] = &t->builds[v];
    TRY(run_rounds(t, all, TB_VARIANT_END));
    report->groups = usual->tuning.n_groups;
    report->changed = choose(t, variant);
    for (uint32_t v = TB_VARIANT_USUAL + 1; v < TB_VARIANT_END; v++)
        drop_build(&t->builds[v]);
    build *best = usual;
    if (report->changed) {
        TRY(make_build(t, variant, usual->tuning.n_groups, t->o->stock_iree));
        build *tuned = &t->builds[t->n_builds - 1], *both[] = {usual, tuned};
        TRY(run_rounds(t, both, 2)); /* kernels help or hinder those after them */
        if (all_calls(t, tuned) < all_calls(t, usual))
            best = tuned;
        else
            report->changed = 0;
    }
    report->usual_ms = (double)all_calls(t, usual) * 1e-6;
    report->tuned_ms = (double)all_calls(t, best) * 1e-6;
    tb_buf_free(out);
    if (t->o->path)
        return tb_file_write(t->o->path, best->bytes.at, best->bytes.n);
    *out = best->bytes;
    best->bytes = (tb_buf){0};
    return NULL;
}

tb_status
tb_tune(tb_unit *u, const tb_compile_options *o, const tb_tune_options *options, tb_buf *out,
        tb_tune_report *report)
{
    tb_tune_report unread;
    tuner t = {.u = u, .o = o, .t = options};
    t.arena.oom = u->cx->keep.oom;
    t.arena.oom_user = u->cx->keep.oom_user;
    report = report ? report : &unread;
    *report = (tb_tune_report){0};
    tb_status st = tune(&t, out, report);
    for (uint32_t i = 0; i < TB_COUNT(t.builds); i++)
        drop_build(&t.builds[i]);
    if (t.params)
        tb_params_release(t.params);
    if (t.device)
        tb_device_release(t.device);
    for (block *b = t.blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    tb_arena_reset(&t.arena);
    return st;
}

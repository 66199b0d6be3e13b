/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine-benchmark-module.c -- times calls of a function. Flags are those of
 * iree-benchmark-module.
 *
 * Calls are timed in batches long enough for the clock; a sample is the mean of a batch.
 * Results stay in the memory of the first call.
 */
#include <stdlib.h>

#include "call.h"
#include "profile/profile.h"

static const char usage[] =
    "usage: turbine-benchmark-module --module=FILE.vmfb [--function=NAME] [--input=VALUE]...\n"
    "\n"
    "Calls a function many times and prints how long a call takes.\n"
    "\n" CALL_USAGE
    "                     Without --input, inputs of static sizes are made up.\n"
    "  --benchmark_min_time=S     seconds to measure (0.5s), or calls (100x)\n"
    "  --benchmark_repetitions=N  measure N times, a line for each (1)\n"
    "  --profile[=FILE]   also what each kernel took, beside what the machine can do at\n"
    "                     best; FILE gets a trace for ui.perfetto.dev\n"
    "  --help             this text\n";

typedef struct options {
    double min_seconds;
    long calls; /* 0: as many as fit */
    long repetitions;
    bool profile;
    const char *trace; /* or NULL */
} options;

/* Nanoseconds per call, sorted. */
typedef struct samples {
    double *at;
    size_t n, cap;
    double total_ns; /* of all calls */
    long calls;
} samples;

static bool
take_flag(options *o, const char *arg)
{
    const char *text;
    char *end;
    if (flag_value(arg, "benchmark_min_time", &text)) {
        double n = strtod(text, &end);
        if (end == text || n <= 0)
            return false;
        if (strcmp(end, "x") == 0)
            o->calls = n < 1 ? 1 : (long)n;
        else
            o->min_seconds = n;
        return *end == '\0' || strcmp(end, "s") == 0 || strcmp(end, "x") == 0;
    }
    if (strcmp(arg, "--profile") == 0 || flag_value(arg, "profile", &o->trace))
        return o->profile = true;
    if (flag_value(arg, "benchmark_repetitions", &text)) {
        o->repetitions = strtol(text, &end, 10);
        return *end == '\0' && o->repetitions >= 1;
    }
    return false;
}

static bool
add_sample(samples *s, double ns)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1024;
        double *at = realloc(s->at, cap * sizeof *at);
        if (!at)
            return false;
        s->at = at;
        s->cap = cap;
    }
    s->at[s->n++] = ns;
    return true;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Times `calls` calls together, in seconds. */
static tb_status
batch(tool_call *c, long calls, double *seconds)
{
    double begin = call_now();
    for (long i = 0; i < calls; i++)
        TRY(call_run(c));
    *seconds = call_now() - begin;
    return NULL;
}

/* Calls for a tenth of the time, at least three; *each gets the seconds of the last. */
static tb_status
warm_up(tool_call *c, const options *o, double *each)
{
    double begin = call_now();
    for (int i = 0; i < 3 || (!o->calls && call_now() - begin < o->min_seconds / 10); i++)
        TRY(batch(c, 1, each));
    return NULL;
}

static tb_status
measure(tool_call *c, const options *o, double each, samples *s)
{
    long per_batch = each > 20e-6 || o->calls ? 1 : (long)(20e-6 / (each + 1e-9)) + 1;
    double begin = call_now(), seconds;
    *s = (samples){.at = s->at, .cap = s->cap};
    while (o->calls ? s->calls < o->calls : call_now() - begin < o->min_seconds) {
        TRY(batch(c, per_batch, &seconds));
        s->calls += per_batch;
        s->total_ns += seconds * 1e9;
        if (!add_sample(s, seconds * 1e9 / (double)per_batch))
            return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %zu samples", s->n);
    }
    qsort(s->at, s->n, sizeof *s->at, compare);
    return NULL;
}

static void
print_time(const char *what, double ns)
{
    const char *unit = ns < 1e3 ? "ns" : ns < 1e6 ? "us" : ns < 1e9 ? "ms" : "s";
    double scale = ns < 1e3 ? 1 : ns < 1e6 ? 1e3 : ns < 1e9 ? 1e6 : 1e9;
    printf("  %s %8.3f %s", what, ns / scale, unit);
}

/* Calls again, watched: as many as fit into the time. */
static tb_status
profile(tool_call *c, const options *o, tb_profile *p)
{
    tb_buf text = {0}, trace = {0};
    tb_status st = NULL;
    int threads = tb_device_workers(c->device);
    if (!p || !tb_profile_watch(p, c->module, c->session))
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a profile");
    double begin = call_now();
    for (long i = 0; !st && (o->calls ? i < o->calls : call_now() - begin < o->min_seconds); i++)
        st = call_run(c);
    tb_session_watch(c->session, NULL);
    TRY(st);
    tb_profile_roof(p, tb_roof_measure(TB_ROOF_F32, threads, 0.1),
                    tb_roof_measure(TB_ROOF_COPY, threads, 0.3));
    tb_profile_table(p, 0, &text);
    fwrite(text.at, 1, text.n, stdout);
    tb_buf_free(&text);
    if (o->trace) {
        tb_profile_trace(p, &trace);
        st = trace.failed ? tb_status_make(TB_OUT_OF_MEMORY, "no memory for a trace")
                          : tb_file_write(o->trace, trace.at, trace.n);
        tb_buf_free(&trace);
    }
    return st;
}

static tb_status
run(tool_call *c, const options *o)
{
    samples s = {0};
    double each = 0;
    TRY(call_open(c));
    TRY(call_inputs(c, true));
    TRY(warm_up(c, o, &each));
    printf("target %s, device %s, %d workers, transient memory %zu bytes\n",
           tb_module_target(c->module), tb_device_name(c->device),
           tb_device_workers(c->device), tb_session_transient_bytes(c->session, c->fn));
    tb_status st = NULL;
    for (long i = 0; i < o->repetitions && !st; i++) {
        st = measure(c, o, each, &s);
        if (st || s.n == 0)
            break;
        printf("BM_%s", tb_module_function_name(c->module, c->fn));
        print_time("mean", s.total_ns / (double)s.calls);
        print_time("median", s.at[s.n / 2]);
        print_time("min", s.at[0]);
        printf("  calls %ld\n", s.calls);
        fflush(stdout);
    }
    free(s.at);
    if (!st && o->profile) {
        tb_profile *p = tb_profile_create();
        st = profile(c, o, p);
        tb_profile_free(p);
    }
    return st;
}

int
main(int argc, char **argv)
{
    static tool_call c;
    options o = {.min_seconds = 0.5, .repetitions = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (!call_flag(&c, argv[i]) && !take_flag(&o, argv[i])) {
            fprintf(stderr, "turbine-benchmark-module: %s is not understood\n\n%s", argv[i],
                    usage);
            return 2;
        }
    }
    tb_status st = run(&c, &o);
    call_close(&c);
    if (st)
        return call_failed("turbine-benchmark-module", st);
    return fflush(stdout) != 0;
}

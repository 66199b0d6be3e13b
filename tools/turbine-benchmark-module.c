/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine-benchmark-module.c -- times calls of a function. Flags are those of
 * iree-benchmark-module.
 *
 * Calls are timed in batches long enough for the clock; a sample is the mean of a batch.
 * Results stay in the memory of the first call.
 */
#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "flags.h"
#include "profile/profile.h"

static const char usage[] =
    "usage: turbine-benchmark-module --module=FILE.vmfb [--function=NAME] [--input=VALUE]...\n"
    "\n"
    "Calls a function many times and prints how long a call takes.\n"
    "\n" CALL_USAGE
    "                     Without --input, inputs of static sizes are made up.\n"
    "  --benchmark_min_time=S     seconds to measure (0.5s), or calls (100x)\n"
    "  --benchmark_repetitions=N  measure N times, a line for each (1)\n"
    "  --benchmark_format=console|json    what is printed; json: as Google Benchmark\n"
    "  --benchmark_out=FILE       also writes the results as JSON\n"
    "                     (--benchmark_out_format=json is understood)\n"
    "  --profile[=FILE]   also what each kernel took, beside what the machine can do at\n"
    "                     best; FILE gets a trace for ui.perfetto.dev\n"
    FLAGS_USAGE "  --help             this text\n";

typedef struct options {
    double min_seconds;
    long calls; /* 0: as many as fit */
    long repetitions;
    bool profile;
    const char *trace; /* or NULL */
    bool json;
    const char *out; /* may be NULL */
} options;

/* Nanoseconds per call, sorted. */
typedef struct samples {
    double *at;
    size_t n, cap;
    double total_ns, cpu_ns; /* of all calls; of all threads */
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
    if (flag_value(arg, "benchmark_format", &text)) {
        o->json = strcmp(text, "json") == 0;
        return o->json || strcmp(text, "console") == 0;
    }
    if (flag_value(arg, "benchmark_out_format", &text))
        return strcmp(text, "json") == 0;
    return flag_value(arg, "benchmark_out", &o->out) && *o->out;
}

static double
cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
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
    double begin = call_now(), cpu_begin = cpu_now(), seconds;
    *s = (samples){.at = s->at, .cap = s->cap};
    while (o->calls ? s->calls < o->calls : call_now() - begin < o->min_seconds) {
        TRY(batch(c, per_batch, &seconds));
        s->calls += per_batch;
        s->total_ns += seconds * 1e9;
        if (!add_sample(s, seconds * 1e9 / (double)per_batch))
            return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %zu samples", s->n);
    }
    s->cpu_ns = (cpu_now() - cpu_begin) * 1e9;
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

static void
print_line(const char *function, const samples *s)
{
    printf("BM_%s", function);
    print_time("mean", s->total_ns / (double)s->calls);
    print_time("median", s->at[s->n / 2]);
    print_time("min", s->at[0]);
    printf("  calls %ld\n", s->calls);
    fflush(stdout);
}

/* ---- JSON, with the keys of Google Benchmark ---- */

static void
put_text(tb_buf *b, const char *text)
{
    tb_buf_puts(b, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            tb_buf_printf(b, "\\%c", c);
        else if (c < 0x20)
            tb_buf_printf(b, "\\u%04x", (unsigned)c);
        else
            tb_buf_put(b, text, 1);
    }
    tb_buf_puts(b, "\"");
}

static void
put_head(tb_buf *b, const tool_call *c)
{
    tb_buf_puts(b, "{\n\"context\": {\"executable\": \"turbine-benchmark-module\", \"target\": ");
    put_text(b, tb_program_target(c->module));
    tb_buf_puts(b, ", \"device\": ");
    put_text(b, tb_device_name(c->device));
    tb_buf_printf(b, ", \"workers\": %d, \"transient_bytes\": %zu},\n\"benchmarks\": [",
                  tb_device_workers(c->device),
                  tb_instance_transient_bytes(c->session, c->fn));
}

static void
put_row(tb_buf *b, const char *function, const samples *s, long index, long repetitions)
{
    double calls = (double)s->calls;
    char name[512];
    snprintf(name, sizeof name, "BM_%s/process_time/real_time", function);
    tb_buf_printf(b, "%s\n  {\"name\": ", index ? "," : "");
    put_text(b, name);
    tb_buf_puts(b, ", \"run_name\": ");
    put_text(b, name);
    tb_buf_printf(b,
                  ", \"run_type\": \"iteration\", \"repetitions\": %ld, "
                  "\"repetition_index\": %ld, \"threads\": 1, \"iterations\": %ld, "
                  "\"real_time\": %.9g, \"cpu_time\": %.9g, \"time_unit\": \"ns\", "
                  "\"median\": %.9g, \"min\": %.9g}",
                  repetitions, index, s->calls, s->total_ns / calls, s->cpu_ns / calls,
                  s->at[s->n / 2], s->at[0]);
}

/* Calls again, watched: as many as fit into the time. */
static tb_status
profile(tool_call *c, const options *o, tb_profile *p)
{
    tb_buf text = {0}, trace = {0};
    tb_status st = NULL;
    int threads = tb_device_workers(c->device);
    tb_session *own = tb_instance_own(c->session);
    if (!own)
        return tb_status_make(TB_UNSUPPORTED, "files of iree-compile cannot be profiled");
    if (!p || !tb_profile_watch(p, tb_program_own(c->module), own))
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a profile");
    double begin = call_now();
    for (long i = 0; !st && (o->calls ? i < o->calls : call_now() - begin < o->min_seconds); i++)
        st = call_run(c);
    tb_session_watch(own, NULL);
    TRY(st);
    tb_profile_roof(p, tb_roof_measure(TB_ROOF_F32, threads, 0.1),
                    tb_roof_measure(TB_ROOF_COPY, threads, 0.3));
    tb_profile_table(p, 0, &text);
    fwrite(text.at, 1, text.n, o->json ? stderr : stdout);
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
write_json(const options *o, const tb_buf *json)
{
    if (json->failed)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the report");
    if (o->json)
        fwrite(json->at, 1, json->n, stdout);
    return o->out ? tb_file_write(o->out, json->at, json->n) : NULL;
}

static tb_status
measure_all(tool_call *c, const options *o, double each, tb_buf *json)
{
    samples s = {0};
    tb_status st = NULL;
    const char *function = tb_program_function_name(c->module, c->fn);
    for (long i = 0; i < o->repetitions && !st; i++) {
        st = measure(c, o, each, &s);
        if (st || s.n == 0)
            break;
        if (!o->json)
            print_line(function, &s);
        put_row(json, function, &s, i, o->repetitions);
    }
    free(s.at);
    if (!st && o->profile) {
        tb_profile *p = tb_profile_create();
        st = profile(c, o, p);
        tb_profile_free(p);
    }
    return st;
}

static tb_status
run(tool_call *c, const options *o)
{
    tb_buf json = {0};
    double each = 0;
    TRY(call_open(c));
    TRY(call_inputs(c, true));
    TRY(warm_up(c, o, &each));
    if (!o->json)
        printf("target %s, device %s, %d workers, transient memory %zu bytes\n",
               tb_program_target(c->module), tb_device_name(c->device),
               tb_device_workers(c->device), tb_instance_transient_bytes(c->session, c->fn));
    put_head(&json, c);
    tb_status st = measure_all(c, o, each, &json);
    tb_buf_puts(&json, "\n]\n}\n");
    st = st ? st : write_json(o, &json);
    tb_buf_free(&json);
    return st;
}

int
main(int argc, char **argv)
{
    static tool_call c;
    options o = {.min_seconds = 0.5, .repetitions = 1};
    argv = flags_expand("turbine-benchmark-module", &argc, argv);
    if (!argv)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (flags_listed(argv[i]))
            return fflush(stdout) != 0;
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

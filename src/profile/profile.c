/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * profile.c -- records the kernels of calls; as a table and as a trace.
 *
 * A session that is watched has a track. Its calls come one after the other, so what began
 * last is kept there; what has ended goes to the profile, under a lock. Sums of each place
 * are exact; single events are kept up to a number, for the trace.
 */
#include "profile/profile.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

enum { MAX_EVENTS = 1 << 18, CALL = -1 };

typedef struct event {
    int64_t begin, end; /* ns since the profile began */
    int64_t flops, bytes, tiles;
    uint32_t track;
    int32_t sum; /* the place's number, or CALL */
    int function;
} event;

/* All that was seen of a place of a module. */
typedef struct sum {
    tb_module *m;
    uint32_t place, kernel;
    int64_t times, ns;
    double flops, bytes; /* of all times; negative if not known */
} sum;

typedef struct track {
    tb_profile *p;
    tb_module *m;
    tb_watcher watcher;
    uint32_t number;
    int64_t call_begin, begin;
    struct track *next;
} track;

struct tb_profile {
    pthread_mutex_t lock;
    int64_t begin;
    track *tracks;
    uint32_t n_tracks;
    event *events;
    uint32_t n_events, cap_events;
    sum *sums;
    uint32_t n_sums, cap_sums;
    uint32_t *seen, n_seen; /* hash table: sum + 1; a power of two */
    int64_t calls, call_ns, left_out;
    double f32, copy; /* the roof; 0: not measured */
};

tb_profile *
tb_profile_create(void)
{
    tb_profile *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    p->begin = tb_now_ns();
    return p;
}

void
tb_profile_free(tb_profile *p)
{
    if (!p)
        return;
    for (track *t = p->tracks, *next; t; t = next) {
        next = t->next;
        tb_module_release(t->m);
        free(t);
    }
    pthread_mutex_destroy(&p->lock);
    free(p->events);
    free(p->sums);
    free(p->seen);
    free(p);
}

/* ---- recording: with the lock held ---- */
static bool
grow(void **at, uint32_t *cap, size_t elem_bytes)
{
    uint32_t n = *cap ? *cap * 2 : 256;
    void *bigger = realloc(*at, n * elem_bytes);
    if (!bigger)
        return false;
    *at = bigger;
    *cap = n;
    return true;
}

static uint32_t *
slot_of(const tb_profile *p, const tb_module *m, uint32_t place)
{
    uint32_t i = (uint32_t)tb_hash_u64((uintptr_t)m, place) & (p->n_seen - 1);
    while (p->seen[i] && (p->sums[p->seen[i] - 1].m != m ||
                          p->sums[p->seen[i] - 1].place != place))
        i = (i + 1) & (p->n_seen - 1);
    return &p->seen[i];
}

static bool
more_slots(tb_profile *p)
{
    uint32_t n = p->n_seen ? p->n_seen * 2 : 512;
    uint32_t *seen = calloc(n, sizeof *seen);
    if (!seen)
        return false;
    free(p->seen);
    p->seen = seen;
    p->n_seen = n;
    for (uint32_t i = 0; i < p->n_sums; i++)
        *slot_of(p, p->sums[i].m, p->sums[i].place) = i + 1;
    return true;
}

/* Number of the place's sum; CALL if there is no memory for one. */
static int32_t
sum_of(tb_profile *p, tb_module *m, const tb_dispatch_info *info)
{
    if (p->n_sums * 2 >= p->n_seen && !more_slots(p))
        return CALL;
    uint32_t *slot = slot_of(p, m, info->place);
    if (*slot)
        return (int32_t)*slot - 1;
    if (p->n_sums == p->cap_sums && !grow((void **)&p->sums, &p->cap_sums, sizeof *p->sums))
        return CALL;
    p->sums[p->n_sums++] = (sum){.m = m,
                                 .place = info->place,
                                 .kernel = info->kernel};
    *slot = p->n_sums;
    return (int32_t)p->n_sums - 1;
}

static void
add_event(tb_profile *p, event e)
{
    bool room = p->n_events < p->cap_events ||
                (p->cap_events < MAX_EVENTS &&
                 grow((void **)&p->events, &p->cap_events, sizeof *p->events));
    if (room)
        p->events[p->n_events++] = e;
    else
        p->left_out++;
}

static void
on_call(void *user, int function, bool begins)
{
    track *t = user;
    tb_profile *p = t->p;
    int64_t now = tb_now_ns() - p->begin;
    if (begins) {
        t->call_begin = now;
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->calls++;
    p->call_ns += now - t->call_begin;
    add_event(p, (event){.begin = t->call_begin,
                         .end = now,
                         .track = t->number,
                         .sum = CALL,
                         .function = function});
    pthread_mutex_unlock(&p->lock);
}

static void
on_dispatch(void *user, const tb_dispatch_info *info, bool begins)
{
    track *t = user;
    tb_profile *p = t->p;
    if (begins) {
        t->begin = tb_now_ns() - p->begin;
        return;
    }
    int64_t now = tb_now_ns() - p->begin;
    pthread_mutex_lock(&p->lock);
    int32_t number = sum_of(p, t->m, info);
    if (number == CALL) {
        p->left_out++;
    } else {
        sum *s = &p->sums[number];
        s->times++;
        s->ns += now - t->begin;
        s->flops += (double)info->flops;
        s->bytes += (double)info->bytes;
        add_event(p, (event){t->begin, now, info->flops, info->bytes, info->tiles, t->number,
                             number, 0});
    }
    pthread_mutex_unlock(&p->lock);
}

bool
tb_profile_watch(tb_profile *p, tb_module *m, tb_session *s)
{
    track *t = calloc(1, sizeof *t);
    if (!t)
        return false;
    t->p = p;
    t->m = tb_module_retain(m);
    t->watcher = (tb_watcher){t, on_call, on_dispatch};
    pthread_mutex_lock(&p->lock);
    t->number = ++p->n_tracks;
    t->next = p->tracks;
    p->tracks = t;
    pthread_mutex_unlock(&p->lock);
    tb_session_watch(s, &t->watcher);
    return true;
}

void
tb_profile_reset(tb_profile *p)
{
    pthread_mutex_lock(&p->lock);
    p->n_events = 0;
    p->calls = p->call_ns = p->left_out = 0;
    for (uint32_t i = 0; i < p->n_sums; i++)
        p->sums[i] = (sum){.m = p->sums[i].m,
                           .place = p->sums[i].place,
                           .kernel = p->sums[i].kernel};
    pthread_mutex_unlock(&p->lock);
}

void
tb_profile_roof(tb_profile *p, double f32, double copy)
{
    p->f32 = f32;
    p->copy = copy;
}

/* ---- what it was ---- */
/* The least time the machine needs for this, as a part of the time it took: 0 if unknown. */
static double
part_of_roof(const tb_profile *p, double flops, double bytes, double seconds)
{
    if (p->f32 <= 0 || p->copy <= 0 || seconds <= 0)
        return 0;
    double a = flops > 0 ? flops / p->f32 : 0, b = bytes > 0 ? bytes / p->copy : 0;
    return (a > b ? a : b) / seconds;
}

static int
slower_first(const void *a, const void *b)
{
    const sum *x = *(sum *const *)a, *y = *(sum *const *)b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? 1 : -1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Places that were seen, slowest first; NULL if there is no memory. */
static sum **
by_time(const tb_profile *p, uint32_t *n)
{
    sum **order = malloc(sizeof *order * (p->n_sums + 1));
    *n = 0;
    for (uint32_t i = 0; order && i < p->n_sums; i++)
        if (p->sums[i].times)
            order[(*n)++] = &p->sums[i];
    if (order)
        qsort(order, *n, sizeof *order, slower_first);
    return order;
}

static void
put_lines(tb_buf *out, const sum *s)
{
    tb_source_line l;
    const char *file = "";
    for (int i = 0; tb_module_place_line(s->m, s->place, i, &l); i++) {
        const char *slash = strrchr(l.file, '/'), *base = slash ? slash + 1 : l.file;
        if (i == 0 && *l.path)
            tb_buf_printf(out, "  %s", l.path);
        if (l.line && strcmp(file, base) == 0)
            tb_buf_printf(out, ",%" PRIu32, l.line);
        else if (l.line)
            tb_buf_printf(out, "  %s:%" PRIu32, base, l.line);
        file = l.line ? base : file;
    }
}

static void
put_row(const tb_profile *p, tb_buf *out, const sum *s, double all_ns)
{
    double times = (double)s->times, ns = (double)s->ns / times;
    double roof = part_of_roof(p, s->flops, s->bytes, (double)s->ns * 1e-9);
    tb_buf_printf(out, "%6" PRId64 " %11.2f %5.1f%%", s->times, ns * 1e-3,
                  100 * (double)s->ns / all_ns);
    if (s->flops > 0)
        tb_buf_printf(out, " %9.2f", s->flops / (double)s->ns);
    else
        tb_buf_printf(out, " %9s", "-");
    if (s->bytes > 0)
        tb_buf_printf(out, " %9.2f", s->bytes / (double)s->ns);
    else
        tb_buf_printf(out, " %9s", "-");
    if (roof > 0)
        tb_buf_printf(out, " %4.0f%%", 100 * roof);
    else
        tb_buf_printf(out, " %5s", "-");
    tb_buf_printf(out, "  %s", tb_module_kernel_name(s->m, s->kernel));
    put_lines(out, s);
    tb_buf_puts(out, "\n");
}

void
tb_profile_table(tb_profile *p, int rows, tb_buf *out)
{
    pthread_mutex_lock(&p->lock);
    uint32_t n, shown;
    sum **order = by_time(p, &n);
    double all = 0;
    for (uint32_t i = 0; i < p->n_sums; i++)
        all += (double)p->sums[i].ns;
    tb_buf_printf(out, "%" PRId64 " calls of %.3f ms; %.1f %% of it in kernels\n", p->calls,
                  p->calls ? (double)p->call_ns / (double)p->calls * 1e-6 : 0,
                  p->call_ns ? 100 * all / (double)p->call_ns : 0);
    if (p->f32 > 0)
        tb_buf_printf(out, "roof: %.1f GFLOP/s of f32, %.1f GB/s copying\n", p->f32 * 1e-9,
                      p->copy * 1e-9);
    tb_buf_printf(out, "%6s %11s %6s %9s %9s %5s  %s\n", "times", "us a time", "part",
                  "GFLOP/s", "GB/s", "roof", "kernel, its module and lines");
    shown = rows > 0 && (uint32_t)rows < n ? (uint32_t)rows : n;
    for (uint32_t i = 0; i < shown; i++)
        put_row(p, out, order[i], all);
    if (shown < n)
        tb_buf_printf(out, "and %u others\n", n - shown);
    free(order);
    pthread_mutex_unlock(&p->lock);
}

/* ---- Chrome's trace format ---- */
static void
put_json(tb_buf *out, const char *s)
{
    tb_buf_puts(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            tb_buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            tb_buf_printf(out, "\\u%04x", c);
        else
            tb_buf_put(out, s, 1);
    }
    tb_buf_puts(out, "\"");
}

static void
put_number(tb_buf *out, const char *name, int64_t n)
{
    if (n >= 0)
        tb_buf_printf(out, ",\"%s\":%" PRId64, name, n);
}

static void
put_trace_lines(tb_buf *out, const sum *s)
{
    tb_source_line l;
    char text[24];
    tb_buf_puts(out, ",\"lines\":[");
    for (int i = 0; tb_module_place_line(s->m, s->place, i, &l); i++) {
        tb_buf whole = {0};
        snprintf(text, sizeof text, ":%" PRIu32, l.line);
        tb_buf_printf(&whole, "%s%s %s%s%s", l.file, l.line ? text : "", l.op,
                      *l.path ? " in " : "", l.path);
        tb_buf_put(&whole, "", 1);
        tb_buf_puts(out, i ? "," : "");
        put_json(out, whole.at ? (const char *)whole.at : "");
        tb_buf_free(&whole);
    }
    tb_buf_puts(out, "]");
}

static const track *
track_of(const tb_profile *p, uint32_t number)
{
    const track *t = p->tracks;
    while (t->number != number)
        t = t->next;
    return t;
}

static void
put_event(const tb_profile *p, tb_buf *out, const event *e)
{
    double seconds = (double)(e->end - e->begin) * 1e-9;
    const sum *s = e->sum == CALL ? NULL : &p->sums[e->sum];
    tb_buf_puts(out, ",\n{\"ph\":\"X\",\"name\":");
    put_json(out, s ? tb_module_kernel_name(s->m, s->kernel)
                    : tb_module_function_name(track_of(p, e->track)->m, e->function));
    tb_buf_printf(out, ",\"cat\":\"%s\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f",
                  s ? "kernel" : "call", e->track, (double)e->begin * 1e-3, seconds * 1e6);
    if (s) {
        double roof = part_of_roof(p, (double)e->flops, (double)e->bytes, seconds);
        tb_buf_printf(out, ",\"args\":{\"place\":%u", s->place);
        put_number(out, "tiles", e->tiles);
        put_number(out, "flops", e->flops);
        put_number(out, "bytes", e->bytes);
        if (roof > 0)
            tb_buf_printf(out, ",\"roof\":%.4f", roof);
        put_trace_lines(out, s);
        tb_buf_puts(out, "}");
    }
    tb_buf_puts(out, "}");
}

void
tb_profile_trace(tb_profile *p, tb_buf *out)
{
    pthread_mutex_lock(&p->lock);
    tb_buf_printf(out,
                  "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"calls\":%" PRId64
                  ",\"left_out\":%" PRId64 ",\"roof_f32\":%.6g,\"roof_copy\":%.6g},\n"
                  "\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\","
                  "\"args\":{\"name\":\"turbine\"}}",
                  p->calls, p->left_out, p->f32, p->copy);
    for (const track *t = p->tracks; t; t = t->next) {
        tb_buf_printf(out, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
                           "\"args\":{\"name\":",
                      t->number);
        put_json(out, tb_module_name(t->m));
        tb_buf_puts(out, "}}");
    }
    for (uint32_t i = 0; i < p->n_events; i++)
        put_event(p, out, &p->events[i]);
    tb_buf_puts(out, "\n]}\n");
    pthread_mutex_unlock(&p->lock);
}

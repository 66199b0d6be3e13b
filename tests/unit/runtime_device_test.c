/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_device_test.c -- device uris, and dispatches on several threads. Clean under
 * -fsanitize=thread.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime_t.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

static void
devices(void)
{
    static const struct {
        const char *uri, *name;
        int given, workers;
    } good[] = {
        {"local-sync", "local-sync", 0, 1},   {"local-sync://", "local-sync", 4, 1},
        {"local-task", "local-task", 3, 3},   {"local-task://?workers=5", "local-task", 0, 5},
        {"local-task?workers=2", "local-task", 0, 2}, {"null", "null", 0, 1},
        {"local-task://default?workers=5", "local-task", 2, 2},
    };
    static const struct {
        const char *uri, *message;
    } bad[] = {
        {"nope", "device 'nope': no driver 'nope'; there are local-sync and local-task"},
        {"", "device '': no driver ''; there are local-sync and local-task"},
        {"local-task://7", "device 'local-task://7': there is no '7'; 'local-task' has one "
                           "device"},
        {"local-task?workers=0", "device 'local-task?workers=0': expected workers from 1 to "
                                 "1024"},
        {"local-task?workers=2x", "device 'local-task?workers=2x': expected workers from 1 to "
                                  "1024"},
        {"local-task?x", "device 'local-task?x': '?x' is not understood; an example is "
                         "local-task://?workers=4"},
        {"local-task:", "device 'local-task:': ':' is not understood; an example is "
                        "local-task://?workers=4"},
    };
    tb_device *d;
    for (size_t i = 0; i < TB_COUNT(good); i++) {
        OK(tb_device_create(good[i].uri, good[i].given, &d));
        EQ_STR(tb_device_name(d), good[i].name);
        EQ_INT(tb_device_workers(d), good[i].workers);
        tb_device_set_workers(d, 1000);
        EQ_INT(tb_device_workers(d), good[i].workers);
        tb_device_set_workers(d, 0);
        EQ_INT(tb_device_workers(d), 1);
        tb_device_release(tb_device_retain(d));
        tb_device_release(d);
    }
    for (size_t i = 0; i < TB_COUNT(bad); i++) {
        tb_status st = tb_device_create(bad[i].uri, 0, &d);
        EQ_STR(tb_status_message(st), bad[i].message);
        tb_status_free(st);
    }
    FAILS(tb_device_create("local-task", -1, &d), TB_INVALID_ARGUMENT,
          "expected workers from 0 to 1024, got -1");
    OK(tb_device_create("local-task", 0, &d));
    CHECK(tb_device_workers(d) >= 1);
    tb_device_release(d);
    setenv("OMP_NUM_THREADS", "1", 1);
    OK(tb_device_create("local-task", 0, &d));
    EQ_INT(tb_device_workers(d), 1);
    tb_device_release(d);
    unsetenv("OMP_NUM_THREADS");
}

/* ---- kernels ---- */
/* Adds 1 to each tile's byte; a tile takes as long as sizes[0] says. Its scratch must be
 * nobody else's meanwhile. */
static int32_t
k_visit(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    uint8_t *visits = b[0];
    int64_t *mine = scratch;
    for (int64_t i = begin; i < end; i++) {
        mine[0] = mine[31] = i;
        for (volatile int64_t k = 0; k < sizes[0]; k++)
            ;
        visits[i]++;
        if (mine[0] != i || mine[31] != i)
            return TB_KERNEL_ASSERT;
    }
    return 0;
}

static int32_t
k_fail_late(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    uint8_t *visits = b[0];
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        if (i == sizes[0])
            return TB_KERNEL_INDEX_OUT_OF_RANGE;
        visits[i]++;
    }
    return 0;
}

/* f() -> one byte a tile, n of them, `times` dispatches in a row */
static prog *
visit_prog(tb_kernel_fn *fn, int64_t n, int64_t size, uint64_t cost, int times)
{
    prog *p = p_new();
    int32_t k = p_kernel(p, "visit", fn, 1, 1, cost);
    p->kernels[k].scratch_bytes = 256;
    p_fn(p, "f");
    p_out(p, "?xui8", (int32_t[]){0});
    int32_t r = p_buf(p, TB_BUF_RESULT, 0);
    p_set(p, 0, n);
    p_set(p, 1, size);
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    for (int i = 0; i < times; i++)
        p_op(p, TB_I_DISPATCH, 7, k, 0, 0, 1, r, 1, 1);
    p_end(p);
    return p;
}

/* Calls f on zeroed memory; every tile must have been visited `times` times. */
static bool
call_visits(tb_session *s, int64_t n, int times)
{
    uint8_t *room = calloc((size_t)n + 1, 1);
    tb_tensor out = {.data = room, .bytes = (size_t)n};
    bool ok = true;
    tb_status st = tb_session_call(s, 0, NULL, 0, &out, 1);
    if (st) {
        printf("# %s\n", tb_status_message(st));
        tb_status_free(st);
        ok = false;
    }
    for (int64_t i = 0; i < n; i++)
        ok = ok && room[i] == times;
    ok = ok && room[n] == 0;
    free(room);
    return ok;
}

static void
every_tile_once(void)
{
    static const int64_t counts[] = {1, 2, 3, 7, 64, 1000, 4099};
    static const uint64_t costs[] = {0, 1, 100, 20000, UINT64_MAX};
    for (int workers = 1; workers <= 5; workers += 2) {
        tb_device *d = NULL;
        OK(tb_device_create("local-task", workers, &d));
        for (size_t i = 0; i < TB_COUNT(counts); i++)
            for (size_t j = 0; j < TB_COUNT(costs); j++) {
                prog *p = visit_prog(k_visit, counts[i], 3, costs[j], 3);
                tb_session *s = p_session(p, d, NULL);
                for (int turn = 0; turn < 4; turn++)
                    CHECK(call_visits(s, counts[i], 3));
                tb_session_destroy(s);
                free(p);
            }
        tb_device_release(d);
    }
}

/* Sleeping and awake workers, jobs of changing width. */
static void
pauses(void)
{
    tb_device *d = NULL;
    OK(tb_device_create("local-task", 4, &d));
    prog *p = visit_prog(k_visit, 64, 200, 20000, 5);
    tb_session *s = p_session(p, d, NULL);
    for (int turn = 0; turn < 40; turn++) {
        tb_device_set_workers(d, 1 + turn % 4);
        CHECK(call_visits(s, 64, 5));
        if (turn % 8 == 0)
            usleep(2000);
    }
    tb_session_destroy(s);
    tb_device_release(d);
    free(p);
}

static int64_t
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Workers that wait sleep soon: a program that computes something else has its CPUs. */
static void
idle_workers_sleep(void)
{
    tb_device *d = NULL;
    OK(tb_device_create("local-task", tb_cpus_allowed(), &d));
    prog *p = visit_prog(k_visit, 64, 200, 20000, 5);
    tb_session *s = p_session(p, d, NULL);
    CHECK(call_visits(s, 64, 5));
    int64_t before = cpu_ns();
    usleep(200000);
    CHECK(cpu_ns() - before < 10000000); /* not the 200 ms of each that would spin */
    tb_session_destroy(s);
    tb_device_release(d);
    free(p);
}

static void
fails_in_one_tile(tb_device *d)
{
    prog *p = visit_prog(k_fail_late, 1000, 700, 20000, 1);
    tb_session *s = p_session(p, d, NULL);
    for (int turn = 0; turn < 20; turn++) {
        tb_tensor out = {0};
        FAILS(tb_session_call(s, 0, NULL, 0, &out, 1), TB_OUT_OF_RANGE,
              "visit: index out of range: a value of the index tensor names no element "
              "(function 'f', kernel 'visit')");
        CHECK(out.data == NULL);
    }
    tb_session_destroy(s);
    free(p);
}

static void
an_error_in_one_tile(void)
{
    tb_device *d = NULL;
    OK(tb_device_create("local-task", 3, &d));
    fails_in_one_tile(d);
    tb_device_release(d);
}

static void
unused_device(void)
{
    tb_device *d = NULL;
    OK(tb_device_create("local-task", 8, &d));
    tb_device_release(d);
}

/* ---- threads that someone lends ---- */
typedef struct lender {
    int calls, most; /* most: workers it calls */
    int n;           /* of the last call */
} lender;

/* One after the other, the last first; 0 always. */
static bool
in_turn(void *user, int n, void (*fn)(void *arg, int worker), void *arg)
{
    lender *l = user;
    l->calls++;
    l->n = n;
    for (int i = n < l->most ? n : l->most; i-- > 0;)
        fn(arg, i);
    return true;
}

/* Every other time. */
static bool
not_now(void *user, int n, void (*fn)(void *arg, int worker), void *arg)
{
    lender *l = user;
    if (l->calls % 2)
        return in_turn(user, n, fn, arg);
    l->calls++;
    l->n = n;
    return false;
}

typedef struct member {
    void (*fn)(void *arg, int worker);
    void *arg;
    int worker;
    pthread_t thread;
} member;

static void *
member_main(void *arg)
{
    member *m = arg;
    m->fn(m->arg, m->worker);
    return NULL;
}

static bool
side_by_side(void *user, int n, void (*fn)(void *arg, int worker), void *arg)
{
    lender *l = user;
    member m[8];
    l->calls++;
    l->n = n;
    for (int i = 1; i < n; i++) {
        m[i] = (member){fn, arg, i, 0};
        CHECK(pthread_create(&m[i].thread, NULL, member_main, &m[i]) == 0);
    }
    fn(arg, 0);
    for (int i = 1; i < n; i++)
        pthread_join(m[i].thread, NULL);
    return true;
}

static void
lent_threads(void)
{
    static const int64_t counts[] = {1, 2, 3, 64, 1000};
    static const struct {
        tb_executor run;
        int most;
    } lenders[] = {{in_turn, 8}, {in_turn, 1}, {in_turn, 2}, {side_by_side, 8}, {not_now, 8}};
    for (size_t i = 0; i < TB_COUNT(lenders); i++)
        for (size_t j = 0; j < TB_COUNT(counts); j++) {
            lender l = {.most = lenders[i].most};
            tb_device *d = NULL;
            OK(tb_device_create_on(lenders[i].run, &l, 4, &d));
            EQ_STR(tb_device_name(d), "local-task");
            EQ_INT(tb_device_workers(d), 4);
            prog *p = visit_prog(k_visit, counts[j], 3, 20000, 3);
            tb_session *s = p_session(p, d, NULL);
            for (int turn = 0; turn < 4; turn++) {
                tb_device_set_workers(d, 4 - turn);
                CHECK(call_visits(s, counts[j], 3));
                if (counts[j] > 1 && turn < 3)
                    EQ_INT(l.n, 4 - turn); /* all that may take part */
            }
            EQ_INT(l.calls, counts[j] > 1 ? 9 : 0); /* of 12: one worker needs no one */
            tb_session_destroy(s);
            tb_device_release(d);
            free(p);
        }
}

static void
lent_threads_and_faults(void)
{
    lender l = {.most = 8};
    tb_device *d = NULL;
    FAILS(tb_device_create_on(NULL, NULL, 2, &d), TB_INVALID_ARGUMENT,
          "expected an executor, got NULL");
    FAILS(tb_device_create_on(in_turn, &l, 1025, &d), TB_INVALID_ARGUMENT,
          "expected workers from 0 to 1024, got 1025");
    OK(tb_device_create_on(side_by_side, &l, 3, &d));
    fails_in_one_tile(d);
    prog *p = visit_prog(k_visit, 64, 3, 20000, 3);
    tb_session *s = p_session(p, d, NULL);
    CHECK(call_visits(s, 64, 3));
    int before = l.calls;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) /* the lender's threads are not in the child */
        _exit(!call_visits(s, 64, 3) || l.calls != before);
    int status = 1;
    waitpid(pid, &status, 0);
    EQ_INT(status, 0);
    tb_session_destroy(s);
    tb_device_release(d);
    free(p);
}

/* ---- several callers ---- */
typedef struct caller {
    tb_module *m;
    tb_device *d;
    pthread_t thread;
    int faults;
} caller;

static void *
call_often(void *arg)
{
    caller *c = arg;
    tb_session_options o = {.device = c->d};
    tb_session *s = NULL;
    OK(tb_session_create(c->m, &o, &s));
    for (int i = 0; i < 100; i++)
        c->faults += !call_visits(s, 200, 2);
    tb_session_destroy(s);
    return NULL;
}

/* Takes the device. */
static void
share(tb_device *d)
{
    prog *p = visit_prog(k_visit, 200, 50, 2000, 2);
    caller c[4] = {0};
    tb_module *m = NULL;
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    for (int i = 0; i < 4; i++) {
        c[i] = (caller){.m = m, .d = d};
        CHECK(pthread_create(&c[i].thread, NULL, call_often, &c[i]) == 0);
    }
    for (int i = 0; i < 20; i++)
        tb_device_set_workers(d, 1 + i % 3);
    for (int i = 0; i < 4; i++) {
        pthread_join(c[i].thread, NULL);
        EQ_INT(c[i].faults, 0);
    }
    tb_device_release(d);
    tb_module_release(m);
    free(p);
}

static void
sessions_share_a_device(void)
{
    lender l = {0};
    tb_device *d = NULL;
    OK(tb_device_create("local-task", 3, &d));
    share(d);
    OK(tb_device_create_on(side_by_side, &l, 3, &d));
    share(d);
}

/* A kernel that calls the session it runs in. */
static tb_session *inner_session;
static tb_status inner_status;
static int32_t
k_again(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    tb_tensor out = {0};
    (void)b, (void)sizes, (void)begin, (void)end, (void)scratch;
    inner_status = tb_session_call(inner_session, 0, NULL, 0, &out, 1);
    return 0;
}

static void
one_call_at_a_time(void)
{
    prog *p = visit_prog(k_again, 1, 0, 0, 1);
    inner_session = p_session(p, NULL, NULL);
    tb_tensor out = {0};
    OK(tb_session_call(inner_session, 0, NULL, 0, &out, 1));
    FAILS(inner_status, TB_INVALID_ARGUMENT,
          "function 'f': the session is in a call already; a session is for one thread at a "
          "time");
    tb_tensor_release(&out);
    tb_session_destroy(inner_session);
    free(p);
}

/* ---- fork ---- */
static void
forked_processes(void)
{
#ifndef UNDER_TSAN /* it does not follow threads that a forked child starts */
    tb_device *d = NULL;
    OK(tb_device_create("local-task", 3, &d));
    prog *p = visit_prog(k_visit, 100, 100, 20000, 4);
    tb_session *s = p_session(p, d, NULL);
    CHECK(call_visits(s, 100, 4)); /* the threads are there */
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            bool ok = true;
            for (int k = 0; k < 10; k++)
                ok = ok && call_visits(s, 100, 4);
            pid_t grandchild = fork();
            if (grandchild == 0)
                _exit(!call_visits(s, 100, 4));
            int inner = 1;
            waitpid(grandchild, &inner, 0);
            tb_session_destroy(s);
            tb_device_release(d);
            _exit(!ok || inner != 0);
        }
        int status = 1;
        waitpid(pid, &status, 0);
        EQ_INT(status, 0);
        CHECK(call_visits(s, 100, 4));
    }
    tb_session_destroy(s);
    tb_device_release(d);
    free(p);
#endif
}

int
main(void)
{
    RUN(devices);
    RUN(every_tile_once);
    RUN(pauses);
    RUN(idle_workers_sleep);
    RUN(an_error_in_one_tile);
    RUN(unused_device);
    RUN(lent_threads);
    RUN(lent_threads_and_faults);
    RUN(sessions_share_a_device);
    RUN(one_call_at_a_time);
    RUN(forked_processes);
    return t_done();
}

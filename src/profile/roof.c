/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * roof.c -- what this machine can do at best: multiply-adds and copying.
 *
 * Both loops are as plain as they can be; what they reach is what compiled code can be
 * compared with on the same machine at the same moment.
 */
#include "profile/profile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "base/base.h"

enum { CHAINS = 16, /* independent sums: more than latency times ports */
       ROUNDS = 4096,
       MAX_THREADS = 1024 };

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- multiply-adds: each function gives the number of operations it did ---- */
static volatile float sink; /* keeps the sums alive */

#define EACH(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DECLARE(i) s##i = splat((float)i),
#define STEP(i) s##i = fma(s##i, x, y);
#define GATHER(i) all = fma(all, x, s##i);
/* The loop of one vector type; splat, fma and first are its functions. */
#define FMA_LOOP(vec, lanes)                                                             \
    vec EACH(DECLARE) x = splat(0.999f), y = splat(0.001f), all = y;                     \
    for (int r = 0; r < ROUNDS; r++) {                                                   \
        EACH(STEP)                                                                       \
    }                                                                                    \
    EACH(GATHER)                                                                         \
    sink = first(all);                                                                   \
    return 2.0 * (lanes) * CHAINS * ROUNDS

#if defined(__x86_64__)
#define splat _mm512_set1_ps
#define fma _mm512_fmadd_ps
#define first _mm512_cvtss_f32
__attribute__((target("avx512f"), noinline)) static double
fma_avx512(void)
{
    FMA_LOOP(__m512, 16);
}
#undef splat
#undef fma
#undef first

#define splat _mm256_set1_ps
#define fma _mm256_fmadd_ps
#define first _mm256_cvtss_f32
__attribute__((target("avx2,fma"), noinline)) static double
fma_avx2(void)
{
    FMA_LOOP(__m256, 8);
}
#undef splat
#undef fma
#undef first
#elif defined(__aarch64__)
#define splat vdupq_n_f32
#define fma(a, b, c) vfmaq_f32(c, a, b)
#define first(a) vgetq_lane_f32(a, 0)
static double
fma_neon(void)
{
    FMA_LOOP(float32x4_t, 4);
}
#undef splat
#undef fma
#undef first
#endif

#if !defined(__aarch64__)
#define splat(a) (a)
#define fma(a, b, c) ((a) * (b) + (c))
#define first(a) (a)
static double
fma_scalar(void)
{
    FMA_LOOP(float, 1);
}
#endif

static double
multiply_add(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return fma_avx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return fma_avx2();
#endif
#if defined(__aarch64__)
    return fma_neon();
#else
    return fma_scalar();
#endif
}

/* ---- copying ---- */
int64_t
tb_roof_copy_bytes(void)
{
    int64_t cache = 0, least = 256 << 20, most = 512 << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    int64_t n = 4 * cache;
    return n < least ? least : n > most ? most : n;
}

/* Stores that go past the caches do not read the line they write. */
static void
copy_past_caches(void *to, const void *from, size_t n)
{
#if defined(__x86_64__)
    const __m128i *s = from;
    __m128i *d = to;
    for (size_t i = 0; i < n / sizeof *s; i += 4) {
        __m128i a = s[i], b = s[i + 1], c = s[i + 2], e = s[i + 3];
        _mm_stream_si128(d + i, a);
        _mm_stream_si128(d + i + 1, b);
        _mm_stream_si128(d + i + 2, c);
        _mm_stream_si128(d + i + 3, e);
    }
    _mm_sfence();
#else
    memcpy(to, from, n);
#endif
}

/* ---- threads: all do a piece of work at once, again and again ---- */
typedef struct team team;
typedef struct worker {
    team *team;
    pthread_t thread;
    char *to, *from;
    bool ready;
    double done;
} worker;

struct team {
    tb_roof_kind kind;
    int n;
    size_t bytes; /* that a worker copies at a time */
    bool over;
    pthread_mutex_t gate; /* held until it is known how many threads there are */
    pthread_barrier_t barrier;
    worker *workers;
};

static void
prepare(worker *w)
{
    size_t n = w->team->bytes;
    w->ready = w->team->kind == TB_ROOF_F32;
    if (w->ready)
        return;
    w->to = aligned_alloc(4096, n);
    w->from = aligned_alloc(4096, n);
    w->ready = w->to && w->from;
    if (w->ready) { /* the pages are there before time counts */
        memset(w->to, 1, n);
        memset(w->from, 2, n);
    }
}

static void
piece(worker *w, int number)
{
    const team *t = w->team;
    w->done = 0;
    if (!w->ready)
        return;
    if (t->kind == TB_ROOF_F32) {
        for (int i = 0; i < 64; i++)
            w->done += multiply_add();
        return;
    }
    if (number % 2)
        memcpy(w->to, w->from, t->bytes);
    else
        copy_past_caches(w->to, w->from, t->bytes);
    w->done = 2.0 * (double)t->bytes;
}

static void *
work(void *user)
{
    worker *w = user;
    pthread_mutex_lock(&w->team->gate);
    bool over = w->team->over;
    pthread_mutex_unlock(&w->team->gate);
    if (over)
        return NULL;
    prepare(w);
    for (int number = 0;; number++) {
        pthread_barrier_wait(&w->team->barrier);
        if (w->team->over)
            break;
        piece(w, number);
        pthread_barrier_wait(&w->team->barrier);
    }
    free(w->to);
    free(w->from);
    return NULL;
}

/* The calling thread is worker 0 and holds the clock: the best piece's work a second. */
static double
lead(team *t, double seconds)
{
    double best = 0, begin = now(), end = begin;
    worker *w = t->workers;
    bool ready = true;
    prepare(w);
    for (int number = 0; number < 2 || end - begin < seconds; number++) {
        pthread_barrier_wait(&t->barrier);
        if (number == 0)
            begin = now();
        double start = now(), done = 0;
        piece(w, number);
        pthread_barrier_wait(&t->barrier);
        end = now();
        for (int i = 0; i < t->n; i++) {
            done += t->workers[i].done;
            ready = ready && t->workers[i].ready;
        }
        best = done / (end - start) > best ? done / (end - start) : best;
    }
    t->over = true;
    pthread_barrier_wait(&t->barrier);
    free(w->to);
    free(w->from);
    return ready ? best : 0;
}

static double
measure(team *t, double seconds)
{
    int started = 1;
    double rate = 0;
    if (pthread_barrier_init(&t->barrier, NULL, (unsigned)t->n))
        return 0;
    pthread_mutex_init(&t->gate, NULL);
    pthread_mutex_lock(&t->gate);
    while (started < t->n && pthread_create(&t->workers[started].thread, NULL, work,
                                            &t->workers[started]) == 0)
        started++;
    t->over = started < t->n;
    pthread_mutex_unlock(&t->gate);
    if (!t->over)
        rate = lead(t, seconds);
    for (int i = 1; i < started; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_mutex_destroy(&t->gate);
    pthread_barrier_destroy(&t->barrier);
    return rate;
}

double
tb_roof_measure(tb_roof_kind kind, int threads, double seconds)
{
    int n = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    team t = {.kind = kind, .n = n, .workers = calloc((size_t)n, sizeof *t.workers)};
    if (!t.workers)
        return 0;
    t.bytes = (size_t)tb_roof_copy_bytes() / 2 / (size_t)n / 4096 * 4096;
    for (int i = 0; i < n; i++)
        t.workers[i].team = &t;
    double rate = measure(&t, seconds);
    free(t.workers);
    return rate;
}

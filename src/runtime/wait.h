/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * wait.h -- a word that one thread waits on: it spins for a while, then sleeps.
 *
 * Only one thread may wait on a word; any number may change it. Whoever changes it calls
 * tb_wait_wake afterwards, which is one load where nobody sleeps. All accesses that decide
 * about sleeping are sequentially consistent: the sleeper says so before it looks at the
 * word a last time, the waker looks for sleepers after it changed the word.
 */
#pragma once
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <pthread.h>
#endif

#include "base/base.h"

typedef struct tb_wait {
    atomic_uint word;
    atomic_uint asleep;
#if !defined(__linux__)
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
} tb_wait;

enum { TB_WAIT_POLITE_NS = 5000 };
#if defined(__linux__)
/* <linux/futex.h> is not where every C library looks; private to the process. */
enum { TB_FUTEX_WAIT = 0 | 128, TB_FUTEX_WAKE = 1 | 128 };
#endif

static inline void
tb_wait_init(tb_wait *w)
{
    atomic_init(&w->word, 0);
    atomic_init(&w->asleep, 0);
#if !defined(__linux__)
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
#endif
}

static inline void
tb_wait_destroy(tb_wait *w)
{
#if !defined(__linux__)
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
#else
    (void)w;
#endif
}

static inline void
tb_wait_wake(tb_wait *w)
{
    if (!atomic_load(&w->asleep))
        return;
#if defined(__linux__)
    syscall(SYS_futex, &w->word, TB_FUTEX_WAKE, 1, NULL, NULL, 0);
#else
    pthread_mutex_lock(&w->mutex);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
#endif
}

static inline void
tb_wait_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void
tb_wait_sleep(tb_wait *w, unsigned value)
{
    atomic_store(&w->asleep, 1);
#if defined(__linux__)
    while (atomic_load(&w->word) == value)
        syscall(SYS_futex, &w->word, TB_FUTEX_WAIT, value, NULL, NULL, 0);
#else
    pthread_mutex_lock(&w->mutex);
    while (atomic_load(&w->word) == value)
        pthread_cond_wait(&w->changed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
#endif
    atomic_store(&w->asleep, 0);
}

/* Returns when the word is not `value` any more, with what it is then. */
static inline unsigned
tb_wait_change(tb_wait *w, unsigned value, int64_t spin_ns)
{
    unsigned now = atomic_load_explicit(&w->word, memory_order_acquire);
    if (now == value && spin_ns > 0) {
        int64_t begin = tb_now_ns(), passed = 0;
        do {
            /* Perhaps the one waited for wants this CPU. */
            if (passed > TB_WAIT_POLITE_NS)
                sched_yield();
            for (int i = 0; i < 64; i++) {
                now = atomic_load_explicit(&w->word, memory_order_acquire);
                if (now != value)
                    return now;
                tb_wait_pause();
            }
            passed = tb_now_ns() - begin;
        } while (passed < spin_ns);
    }
    while (now == value) {
        tb_wait_sleep(w, value);
        now = atomic_load_explicit(&w->word, memory_order_acquire);
    }
    return now;
}

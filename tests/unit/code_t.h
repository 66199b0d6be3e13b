/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * code_t.h -- kernels compiled, mapped and called: for each CPU level this machine runs.
 */
#pragma once
#include <sys/mman.h>

#include "codegen/codegen.h"
#include "unit/t.h"

static tb_ctx *cx;
static tb_target target;

typedef struct t_code {
    void *at;
    size_t bytes;
    tb_flat_image image;
} t_code;

/* Compiles and maps kernels as the runtime does: written, then made executable. */
static inline t_code
t_compile(const tb_kernel *const *kernels, uint32_t n, int threads)
{
    t_code c = {0};

    tb_codegen(cx, kernels, n, &target, threads, NULL, NULL, &c.image);
    c.bytes = TB_ALIGN_UP(c.image.n + 1, 4096);
    c.at = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(c.at != MAP_FAILED);
    memcpy(c.at, c.image.bytes, c.image.n);
    CHECK(mprotect(c.at, c.bytes, PROT_READ | PROT_EXEC) == 0);
    return c;
}

static inline tb_kernel_fn *
t_entry(const t_code *c, uint32_t n)
{
    return (tb_kernel_fn *)(void *)((char *)c->at + c->image.entries[n]);
}

static inline void
t_drop(t_code *c)
{
    munmap(c->at, c->bytes);
}

/* Compiles one kernel and runs it once; gives its code. */
static inline int32_t
t_call(const tb_kernel *k, void *const *bindings, const int64_t *sizes, int64_t begin,
       int64_t end)
{
    _Alignas(64) static char scratch[1 << 16];
    t_code c = t_compile(&k, 1, 1);
    int32_t r;

    CHECK(k->scratch_bytes <= (int64_t)sizeof scratch);
    r = t_entry(&c, 0)(bindings, sizes, begin, end, scratch);
    t_drop(&c);
    return r;
}

typedef struct t_body {
    void (*fn)(void);
} t_body;

static inline void
t_enter(void *user)
{
    ((t_body *)user)->fn();
}

/* Runs fn in a fresh context; `message`: what it must raise, NULL for nothing. */
static inline void
t_guarded(void (*fn)(void), const char *message)
{
    t_body b = {fn};
    tb_status st;

    cx = tb_ctx_new();
    st = tb_guard(cx, t_enter, &b);
    EQ_STR(st ? tb_status_message(st) : NULL, message);
    tb_status_free(st);
    tb_ctx_free(cx);
}

/* The levels of this architecture that this machine runs, as targets. */
static inline bool
t_next_level(size_t *i)
{
    size_t n;
    const tb_cpu_level *levels = tb_cpu_levels(&n);

    for (; *i < n; (*i)++)
        if (levels[*i].machine == tb_cpu_machine() &&
            !(levels[*i].features & ~tb_cpu_features())) {
            target = tb_target_of(&levels[(*i)++]);
            return true;
        }
    return false;
}

/* A test that runs on every level: `static void adds_body(void) {...}  LEVELS(adds)`. */
#define LEVELS(name)                                  \
    static void name(void)                            \
    {                                                 \
        for (size_t level = 0; t_next_level(&level);) \
            t_guarded(name##_body, NULL);             \
    }

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * code_t.h -- kernels compiled, mapped and called: for each CPU level this machine runs.
 */
#pragma once
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "unit/emulated/run_kernel.h"
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

    tb_codegen(cx, kernels, n, &target, threads, NULL, NULL, NULL, &c.image);
    c.bytes = TB_ALIGN_UP(c.image.n + 1, 4096);
    c.at =
        mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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

/* ---- another processor, emulated ---- */

/* How kernels of a processor are run where it is another one: Debian's names. */
typedef struct t_emulated {
    const char *level, *gcc, *qemu;
} t_emulated;
static const t_emulated t_emulators[] = {
    {"aarch64", "aarch64-linux-gnu-gcc", "qemu-aarch64"},
    {"armv7", "arm-linux-gnueabihf-gcc", "qemu-arm"},
    {"armv7-neon", "arm-linux-gnueabihf-gcc", "qemu-arm"},
    {"riscv64", "riscv64-linux-gnu-gcc", "qemu-riscv64"},
    {"riscv64-v", "riscv64-linux-gnu-gcc", "qemu-riscv64 -cpu max,vlen=128"},
};

static inline bool
t_has(const char *command, const char *suffix)
{
    char line[256];

    snprintf(line, sizeof line, "command -v %.*s%s >/dev/null 2>&1",
             (int)strcspn(command, " "), command, suffix);
    return system(line) == 0;
}

/* The emulator's command into out: Debian's static one, or the other. Emulation of vectors
 * of RISC-V is broken before qemu 8. */
static inline bool
t_find_qemu(const t_emulated *e, char out[128])
{
    const char *suffix = t_has(e->qemu, "-static") ? "-static" : "";
    int n = (int)strcspn(e->qemu, " ");
    char line[256];

    snprintf(out, 128, "%.*s%s%s", n, e->qemu, suffix, e->qemu + n);
    if (!e->qemu[n])
        return t_has(e->qemu, suffix);
    snprintf(line, sizeof line,
             "%.*s%s --version 2>/dev/null | grep -qE 'version ([89]|[1-9][0-9])\\.'", n,
             e->qemu, suffix);
    return system(line) == 0;
}

/* Makes the program that calls kernels; false with a line that says why not. */
static inline bool
t_make_runner(const t_emulated *e, char path[64])
{
    char line[512];

    if (!t_find_qemu(e, line) || !t_has(e->gcc, "")) {
        printf("# %s not tested: no %s or no (recent) %s here\n", e->level, e->gcc, e->qemu);
        return false;
    }
    snprintf(path, 64, "/tmp/turbine_run_%s_%ld", e->level, (long)getpid());
    snprintf(line, sizeof line, "%s -O1 -static -o %s tests/unit/emulated/run_kernel.c", e->gcc,
             path);
    return CHECK(system(line) == 0);
}

/* Runs kernel 0 of an image in the runner. `bytes` are the sizes of the bindings; the last
 * one comes back. Returns the kernel's code, -1 if the program failed. */
static inline int32_t
t_call_emulated(const t_emulated *e, const char *runner, const tb_flat_image *image,
                void *const *bindings, const size_t *bytes, uint32_t n, const int64_t *sizes,
                uint32_t n_sizes, int64_t begin, int64_t end)
{
    char request[] = "/tmp/turbine_request_XXXXXX", line[512], qemu[128];
    run_kernel_header h = {.n = n,
                           .image_bytes = image->n,
                           .entry = image->entries[0],
                           .begin = begin,
                           .end = end};
    int fd = mkstemp(request);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    int32_t code = -1;

    if (!CHECK(f != NULL) || !t_find_qemu(e, qemu))
        return -1;
    for (uint32_t i = 0; i < n_sizes; i++)
        h.sizes[i] = sizes[i];
    for (uint32_t i = 0; i < n; i++)
        h.bytes[i] = bytes[i];
    fwrite(&h, sizeof h, 1, f);
    fwrite(image->bytes, 1, image->n, f);
    for (uint32_t i = 0; i < n; i++)
        fwrite(bindings[i], 1, bytes[i], f);
    CHECK(fclose(f) == 0);
    snprintf(line, sizeof line, "%s %s %s", qemu, runner, request);
    f = popen(line, "r");
    if (!f || fread(&code, 4, 1, f) != 1 ||
        fread(bindings[n - 1], 1, bytes[n - 1], f) != bytes[n - 1])
        code = -1;
    if (f && pclose(f) != 0)
        code = -1;
    unlink(request);
    return code;
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

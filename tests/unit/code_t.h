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

/* A program for AArch64 that calls the first kernel of an image and writes the `result`
 * binding and the kernel's code to its standard output. The file is its memory. */
typedef struct t_program {
    struct {
        uint8_t ident[16];
        uint16_t type, machine;
        uint32_t version;
        uint64_t entry, phoff, shoff;
        uint32_t flags;
        uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
    } h;
    struct {
        uint32_t type, flags;
        uint64_t offset, vaddr, paddr, filesz, memsz, align;
    } segment;
    uint32_t code[128];
    uint64_t bindings[8], sizes[8];
    uint32_t n_code, pad;
} t_program;
enum { T_BASE = 0x400000, T_SCRATCH = 1 << 14 };

static inline void
t_set_register(t_program *p, uint32_t reg, uint64_t x)
{
    for (uint32_t i = 0; i < 4; i++) /* movz, then movk */
        p->code[p->n_code++] = (i ? 0xf2800000u : 0xd2800000u) | i << 21 |
                               (uint32_t)(x >> 16 * i & 0xffff) << 5 | reg;
}

static inline bool
t_has_qemu(void)
{
    return system("command -v qemu-aarch64 >/dev/null 2>&1") == 0;
}

/* Runs kernel 0 of an AArch64 image under qemu. `bytes` are the sizes of the bindings;
 * the last one comes back. Returns the kernel's code, -1 if the program failed. */
static inline int32_t
t_call_arm(const tb_flat_image *image, void *const *bindings, const size_t *bytes,
           uint32_t n, const int64_t *sizes, uint32_t n_sizes, int64_t begin, int64_t end)
{
    char program[] = "/tmp/turbine_arm_XXXXXX", line[256];
    uint64_t at = 4096, code_at = T_BASE + at, result, file_bytes;
    t_program p = {.h = {.type = 2,
                         .machine = 183,
                         .version = 1,
                         .phoff = sizeof p.h,
                         .ehsize = sizeof p.h,
                         .phentsize = sizeof p.segment,
                         .phnum = 1}};
    int fd = mkstemp(program);
    int32_t code = -1;
    FILE *f;

    memcpy(p.h.ident, "\177ELF\2\1\1", 7);
    p.h.entry = T_BASE + offsetof(t_program, code);
    at = TB_ALIGN_UP(at + image->n, 64);
    result = T_BASE + at;
    at += 64 + T_SCRATCH;
    for (uint32_t i = 0; i < n; i++) {
        p.bindings[i] = T_BASE + at;
        at = TB_ALIGN_UP(at + bytes[i], 64);
    }
    for (uint32_t i = 0; i < n_sizes; i++)
        p.sizes[i] = (uint64_t)sizes[i];
    file_bytes = at;
    p.segment.type = 1;
    p.segment.flags = 7;
    p.segment.vaddr = p.segment.paddr = T_BASE;
    p.segment.filesz = p.segment.memsz = file_bytes;
    p.segment.align = 4096;
    t_set_register(&p, 0, T_BASE + offsetof(t_program, bindings));
    t_set_register(&p, 1, T_BASE + offsetof(t_program, sizes));
    t_set_register(&p, 2, (uint64_t)begin);
    t_set_register(&p, 3, (uint64_t)end);
    t_set_register(&p, 4, result + 64);
    t_set_register(&p, 16, code_at + image->entries[0]);
    p.code[p.n_code++] = 0xd63f0200; /* blr x16 */
    t_set_register(&p, 17, result);
    p.code[p.n_code++] = 0xb9000220; /* str w0, [x17] */
    for (int i = 0; i < 2; i++) {    /* write(1, ...) */
        t_set_register(&p, 0, 1);
        t_set_register(&p, 1, i ? p.bindings[n - 1] : result);
        t_set_register(&p, 2, i ? bytes[n - 1] : 4);
        t_set_register(&p, 8, 64);
        p.code[p.n_code++] = 0xd4000001; /* svc 0 */
    }
    p.code[p.n_code++] = 0xd2800000; /* mov x0, 0 */
    p.code[p.n_code++] = 0xd2800ba8; /* mov x8, 93: exit */
    p.code[p.n_code++] = 0xd4000001;
    if (!CHECK(p.n_code <= 128) || !CHECK(fd >= 0))
        return -1;
    char *file = calloc(1, file_bytes);
    memcpy(file, &p, sizeof p);
    memcpy(file + 4096, image->bytes, image->n);
    for (uint32_t i = 0; i < n; i++)
        memcpy(file + (p.bindings[i] - T_BASE), bindings[i], bytes[i]);
    CHECK(write(fd, file, file_bytes) == (ssize_t)file_bytes);
    free(file);
    CHECK(fchmod(fd, 0700) == 0);
    close(fd);
    snprintf(line, sizeof line, "qemu-aarch64 %s", program);
    f = popen(line, "r");
    if (!f || fread(&code, 4, 1, f) != 1 || fread(bindings[n - 1], 1, bytes[n - 1], f) !=
                                                 bytes[n - 1])
        code = -1;
    if (f && pclose(f) != 0)
        code = -1;
    unlink(program);
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

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * source.h -- reading what the compiling tools take: torch-dialect MLIR or our own graph
 * text. In a header, because tools that only run modules have neither reader.
 */
#pragma once
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "graph/graph.h"
#include "mlir/mlir.h"

typedef struct source {
    tb_ctx *cx;
    tb_unit *u;
    tb_str text, name;
    bool is_mlir;
} source;

/* Our text begins with `module "name"`, or with a line of a graph. */
static inline bool
source_is_mlir(tb_str s, const char *path)
{
    const char *dot = strrchr(path, '.');
    tb_str line;

    if (dot && strcmp(dot, ".mlir") == 0)
        return true;
    if (dot && strcmp(dot, ".graph") == 0)
        return false;
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\n' || s.ptr[0] == '\r'))
        s.ptr++, s.len--;
    line = s;
    for (size_t i = 0; i < s.len && s.ptr[i] != '\n'; i++)
        line.len = i + 1;
    if (tb_str_prefix(line, "module \"") && !memchr(line.ptr, '{', line.len))
        return false;
    return !tb_str_prefix(line, "%");
}

static inline void
source_parse(void *user)
{
    source *s = user;

    s->u = s->is_mlir ? tb_mlir_parse(s->cx, s->text, s->name)
                      : tb_unit_parse(s->cx, s->text, s->name);
}

static inline tb_status
source_read_stdin(tb_buf *out)
{
    char part[65536];
    size_t n;

    while ((n = fread(part, 1, sizeof part, stdin)) > 0)
        tb_buf_put(out, part, n);
    if (ferror(stdin))
        return tb_status_make(TB_IO, "standard input cannot be read");
    if (out->failed)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the text");
    return NULL;
}

/* Pages of a mapped file, which come again when somebody looks. */
static inline void
source_let_go(void *user, const char *at, size_t n)
{
    size_t page = *(const size_t *)user;
    uintptr_t from = TB_ALIGN_UP((uintptr_t)at, page), to = ((uintptr_t)at + n) / page * page;

    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

/* A plain file, mapped: its text may be larger than all that becomes of it. NULL: read it. */
static inline char *
source_map(const char *path, size_t *n)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0)
        at = mmap(NULL, *n = (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? NULL : at;
}

/* `path` "-" is standard input. The context is the caller's, also after a failure. */
static inline tb_status
source_read(source *s, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n_mapped = 0;
    char *mapped = is_stdin ? NULL : source_map(path, &n_mapped);
    tb_buf text = {0};
    tb_status st = is_stdin ? source_read_stdin(&text)
                   : mapped ? NULL : tb_file_read(path, &text);

    s->cx = tb_ctx_new();
    if (!st && !s->cx)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory");
    if (!st) {
        s->text = mapped ? (tb_str){mapped, n_mapped}
                         : (tb_str){text.at ? (const char *)text.at : "", text.n};
        s->name = is_stdin ? TB_STR("<stdin>") : tb_str_c(path);
        s->is_mlir = source_is_mlir(s->text, path);
        s->cx->text_read = mapped ? source_let_go : NULL;
        s->cx->text_user = &page;
        st = tb_guard(s->cx, source_parse, s);
        s->cx->text_read = NULL;
    }
    tb_buf_free(&text);
    if (mapped)
        munmap(mapped, n_mapped);
    return st;
}

/* ---- targets: --target=a,b and IREE's names of CPUs ---- */

enum { SOURCE_MAX_TARGETS = 16 };

typedef struct source_targets {
    const char *names[SOURCE_MAX_TARGETS];
    size_t n;
} source_targets;

/* Cuts `list` at its commas, in place. */
static inline bool
source_add_targets(source_targets *t, char *list)
{
    for (char *at = list; at; t->n++) {
        char *comma = strchr(at, ',');

        if (t->n == SOURCE_MAX_TARGETS || !*at || *at == ',')
            return false;
        if (comma)
            *comma++ = '\0';
        t->names[t->n] = at;
        at = comma;
    }
    return true;
}

/* LLVM's "x86-64-v3" is our "x86_64-v3"; "generic" is the architecture's baseline. */
static inline bool
source_add_cpu(source_targets *t, char *cpu)
{
    if (strcmp(cpu, "generic") == 0)
        return true; /* the default targets are compiled side by side */
    if (strncmp(cpu, "x86-64", 6) == 0)
        cpu[3] = '_';
    return source_add_targets(t, cpu);
}

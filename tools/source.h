/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * source.h -- reading what the compiling tools take: torch-dialect MLIR or our own graph
 * text. In a header, because tools that only run modules have neither reader.
 */
#pragma once
#include <stdlib.h>

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

/* `path` "-" is standard input. The context is the caller's, also after a failure. */
static inline tb_status
source_read(source *s, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    tb_buf text = {0};
    tb_status st = is_stdin ? source_read_stdin(&text) : tb_file_read(path, &text);

    s->cx = tb_ctx_new();
    if (!st && !s->cx)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory");
    if (!st) {
        s->text = (tb_str){text.at ? (const char *)text.at : "", text.n};
        s->name = is_stdin ? TB_STR("<stdin>") : tb_str_c(path);
        s->is_mlir = source_is_mlir(s->text, path);
        st = tb_guard(s->cx, source_parse, s);
    }
    tb_buf_free(&text);
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

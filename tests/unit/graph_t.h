/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * graph_t.h -- a context for each test, and the message of what a test raises.
 */
#pragma once
#include "graph/graph.h"
#include "unit/t.h"

static tb_ctx *cx;
static tb_unit *u;
static tb_graph *g;

typedef struct t_body {
    void (*fn)(void);
} t_body;

static inline void
t_enter(void *user)
{
    u = tb_unit_new(cx, TB_STR("module"));
    g = tb_graph_new(u);
    ((t_body *)user)->fn();
}

/* Runs fn in a fresh context. It must raise exactly `message`; NULL: it must not raise.
 */
#define RAISES(fn, message) t_raises(fn, message, __FILE__, __LINE__)
static inline void
t_raises(void (*fn)(void), const char *message, const char *file, int line)
{
    t_body b = {fn};
    tb_status st;

    cx = tb_ctx_new();
    st = tb_guard(cx, t_enter, &b);
    t_eq_str(st ? tb_status_message(st) : NULL, message, "raised", "expected", file,
             line);
    tb_status_free(st);
    tb_ctx_free(cx);
}

/* A test whose body may raise: `static void adds_body(void) {...}  BODY(adds)`. */
#define BODY(name)                 \
    static void name(void)         \
    {                              \
        RAISES(name##_body, NULL); \
    }

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * ctx.c -- one compilation's memory and its way out on an error.
 *
 * Passes carry no error plumbing: tb_raise unwinds to the one tb_guard. All memory of a
 * compilation is in the context's arenas, so nothing is lost on the way.
 */
#include <stdlib.h>

#include "graph/graph.h"

static void
unwind(tb_ctx *cx, tb_code code, tb_str message)
{
    cx->code = code;
    cx->message = message;
    if (!cx->unwind_set) {
        fprintf(stderr, "turbine: error outside tb_guard: %.*s\n", TB_FMT(message));
        tb_check_failed("tb_raise outside tb_guard", __FILE__, __LINE__);
    }
    longjmp(cx->unwind, 1);
}

static void
out_of_memory(void *user)
{
    /* The message must not need memory. */
    unwind(user, TB_OUT_OF_MEMORY, TB_STR("out of memory while compiling"));
}

tb_ctx *
tb_ctx_new(void)
{
    tb_ctx *cx = calloc(1, sizeof *cx);

    if (!cx)
        return NULL;
    cx->keep.oom = cx->scratch.oom = out_of_memory;
    cx->keep.oom_user = cx->scratch.oom_user = cx;
    return cx;
}

void
tb_ctx_free(tb_ctx *cx)
{
    if (!cx)
        return;
    tb_arena_reset(&cx->keep);
    tb_arena_reset(&cx->scratch);
    free(cx);
}

/* "file.py:12:3: aten.op: message", leaving out what is not known. */
static tb_str
place(tb_arena *a, const tb_location *l, tb_str message)
{
    tb_str s = message;

    if (l->op.len)
        s = tb_sprintf(a, "%.*s: %.*s", TB_FMT(l->op), TB_FMT(s));
    if (!l->file.len)
        return s;
    if (!l->line)
        return tb_sprintf(a, "%.*s: %.*s", TB_FMT(l->file), TB_FMT(s));
    if (!l->col)
        return tb_sprintf(a, "%.*s:%u: %.*s", TB_FMT(l->file), l->line, TB_FMT(s));
    return tb_sprintf(a, "%.*s:%u:%u: %.*s", TB_FMT(l->file), l->line, l->col,
                      TB_FMT(s));
}

static tb_str
note(tb_arena *a, const tb_location *l, tb_str s)
{
    if (l->path.len && l->func.len)
        return tb_sprintf(a, "%.*s\nnote: in module %.*s, function %.*s", TB_FMT(s),
                          TB_FMT(l->path), TB_FMT(l->func));
    if (l->path.len)
        return tb_sprintf(a, "%.*s\nnote: in module %.*s", TB_FMT(s), TB_FMT(l->path));
    if (l->func.len)
        return tb_sprintf(a, "%.*s\nnote: in function %.*s", TB_FMT(s),
                          TB_FMT(l->func));
    return s;
}

void
tb_raise(tb_ctx *cx, tb_loc loc, tb_code code, const char *fmt, ...)
{
    const tb_location *l = NULL;
    tb_str s;
    va_list ap;

    va_start(ap, fmt);
    s = tb_vsprintf(&cx->keep, fmt, ap);
    va_end(ap);
    if (cx->unit && loc.id && loc.id < cx->unit->locs.n)
        l = tb_loc_get(cx->unit, loc);
    if (l)
        s = note(&cx->keep, l, place(&cx->keep, l, s));
    unwind(cx, code, s);
    TB_UNREACHABLE();
}

/* A fault of ours ends the compilation, not the process. */
static void
check_failed(void *user, const char *what, const char *file, int line)
{
    tb_ctx *cx = user;
    tb_check_handle((tb_check_handler){0}); /* one that fails while raising ends here */
    tb_raise(cx, (tb_loc){0}, TB_INTERNAL,
             "a fault in Turbine, please report it: check failed: %s (%s:%d)", what, file, line);
}

tb_status
tb_guard(tb_ctx *cx, void (*fn)(void *user), void *user)
{
    if (cx->unwind_set)
        return tb_status_make(TB_INTERNAL, "tb_guard does not nest");
    tb_check_handler before = tb_check_handle((tb_check_handler){check_failed, cx});
    tb_status st = NULL;
    cx->unwind_set = true;
    if (setjmp(cx->unwind))
        st = tb_status_make(cx->code, "%.*s", TB_FMT(cx->message));
    else
        fn(user);
    cx->unwind_set = false;
    tb_check_handle(before);
    return st;
}

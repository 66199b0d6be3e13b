/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* status.c -- the record behind a tb_status. */
#include <stdlib.h>

#include "base/base.h"

struct tb_status_record {
    tb_code code;
    char message[];
};

/* Given out when there is no memory for a record; never freed. */
static const struct tb_status_record no_memory = {TB_OUT_OF_MEMORY, "out of memory"};

tb_status
tb_status_make(tb_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    struct tb_status_record *r = malloc(sizeof *r + (size_t)n + 1);
    if (!r)
        return &no_memory;
    r->code = code;
    va_start(ap, fmt);
    vsnprintf(r->message, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return r;
}

tb_code
tb_status_code(tb_status st)
{
    return st ? st->code : TB_OK;
}

const char *
tb_status_message(tb_status st)
{
    if (!st)
        return "ok";
    return st == &no_memory ? "out of memory" : st->message;
}

const char *
tb_code_name(tb_code code)
{
    switch (code) {
#define X(name, text, meaning)                                                           \
    case TB_##name:                                                                      \
        return text;
        TB_CODES(X)
#undef X
    }
    return "unknown";
}

void
tb_status_free(tb_status st)
{
    if (st && st != &no_memory)
        free((void *)(uintptr_t)st);
}

static _Thread_local tb_check_handler check_handler;

tb_check_handler
tb_check_handle(tb_check_handler h)
{
    tb_check_handler before = check_handler;
    check_handler = h;
    return before;
}

void
tb_check_failed(const char *what, const char *file, int line)
{
    if (check_handler.failed)
        check_handler.failed(check_handler.user, what, file, line);
    fprintf(stderr, "turbine: internal check failed: %s (%s:%d)\n", what, file, line);
    abort();
}

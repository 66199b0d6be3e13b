/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* check.c -- what happens when a check of our own invariants fails. */
#include <stdlib.h>

#include "base/base.h"

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

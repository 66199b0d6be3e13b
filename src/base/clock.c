/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* clock.c -- how time passes. */
#include <time.h>

#include "base/base.h"

int64_t
tb_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

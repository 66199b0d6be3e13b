/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * t.h -- the whole test framework for C: TAP on stdout, both values on a mismatch.
 *
 *     static void adds(void) { EQ_INT(1 + 1, 2); }
 *     int main(void) { RUN(adds); return t_done(); }
 */
#pragma once
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int t_tests, t_failed_tests, t_faults;

/* Expressions are evaluated once. A failed check does not end the test. */
#define CHECK(cond) t_check((cond), #cond, __FILE__, __LINE__)
#define EQ_INT(a, b) t_eq_int((int64_t)(a), (int64_t)(b), #a, #b, __FILE__, __LINE__)
#define EQ_STR(a, b) t_eq_str((a), (b), #a, #b, __FILE__, __LINE__)
#define RUN(fn) t_run(fn, #fn)

static inline bool
t_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        printf("# %s:%d: false: %s\n", file, line, what);
        t_faults++;
    }
    return ok;
}

static inline bool
t_eq_int(int64_t a, int64_t b, const char *x, const char *y, const char *file, int line)
{
    if (a != b) {
        printf("# %s:%d: %s is %" PRId64 ", %s is %" PRId64 "\n", file, line, x, a, y,
               b);
        t_faults++;
    }
    return a == b;
}

static inline bool
t_eq_str(const char *a, const char *b, const char *x, const char *y, const char *file,
         int line)
{
    bool same = a && b ? strcmp(a, b) == 0 : a == b;

    if (!same) {
        printf("# %s:%d: %s is\n#   %s\n# %s is\n#   %s\n", file, line, x,
               a ? a : "NULL", y, b ? b : "NULL");
        t_faults++;
    }
    return same;
}

static inline void
t_run(void (*fn)(void), const char *name)
{
    int before = t_faults;

    fn();
    t_tests++;
    if (t_faults != before)
        t_failed_tests++;
    printf("%s %d - %s\n", t_faults == before ? "ok" : "not ok", t_tests, name);
    fflush(stdout);
}

static inline int
t_done(void)
{
    printf("1..%d\n", t_tests);
    return t_failed_tests != 0;
}

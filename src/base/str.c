/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* str.c -- string views. */
#include "base/base.h"

tb_str
tb_str_c(const char *c_string)
{
    return (tb_str){c_string, strlen(c_string)};
}

bool
tb_str_eq(tb_str a, tb_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
tb_str_is(tb_str a, const char *c_string)
{
    return tb_str_eq(a, tb_str_c(c_string));
}

bool
tb_str_prefix(tb_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

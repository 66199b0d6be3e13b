/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* num.c -- checked integer arithmetic. */
#include "base/base.h"

bool
tb_add_ok(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

bool
tb_mul_ok(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

int64_t
tb_floordiv(int64_t a, int64_t b)
{
    if (b == -1) /* INT64_MIN / -1 traps; wrap instead */
        return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

int64_t
tb_mod(int64_t a, int64_t b)
{
    if (b == -1)
        return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

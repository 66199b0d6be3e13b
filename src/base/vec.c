/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* vec.c -- growth of TB_VEC arrays. */
#include "base/base.h"

void
tb_vec_grow(tb_arena *a, void **at, uint32_t *cap, uint32_t need, size_t elem_bytes)
{
    if (need <= *cap)
        return;
    uint32_t n = *cap ? *cap * 2 : 8;
    if (n < need)
        n = need;
    void *p = tb_alloc(a, (size_t)n * elem_bytes);
    if (*cap)
        memcpy(p, *at, (size_t)*cap * elem_bytes);
    *at = p;
    *cap = n;
}

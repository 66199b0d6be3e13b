/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* heap.c -- the one place where runtime and artifact take memory that nobody gave them. */
#include <stdlib.h>

#include "base/base.h"

void *
tb_heap(size_t n, size_t elem_bytes)
{
#if defined(TB_NO_MALLOC)
    return (void)n, (void)elem_bytes, NULL;
#else
    return calloc(n ? n : 1, elem_bytes);
#endif
}

void
tb_heap_free(void *p)
{
#if defined(TB_NO_MALLOC)
    (void)p;
#else
    free(p);
#endif
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * spare.c -- the memory of a large result, kept for the next one of that size.
 *
 * malloc gives freed blocks of this size back to the system, which then clears the pages of
 * the next call's result: 5 ms for 64 MiB, as long as a softmax takes to fill them. So a
 * session keeps one. Results may outlive their session and be released by any thread: the
 * spare block lives as long as the session or one of its results.
 */
#include "runtime/runtime_internal.h"

struct tb_spare {
    atomic_int users; /* the session, and results in memory of ours */
    _Atomic(void *) block; /* its first bytes hold its size */
};

static void
leave(tb_spare *s)
{
    const tb_allocator *a = &tb_default_allocator;
    if (atomic_fetch_sub(&s->users, 1) != 1)
        return;
    void *block = atomic_load(&s->block);
    if (block)
        a->free(a->user, block, 0);
    tb_mem_free(a, s, sizeof *s);
}

static void *
spare_alloc(void *user, size_t bytes, size_t align)
{
    const tb_allocator *a = &tb_default_allocator;
    tb_spare *s = user;
    void *p = atomic_exchange(&s->block, NULL);
    size_t has = 0;

    if (p)
        memcpy(&has, p, sizeof has);
    if (p && has != bytes) {
        a->free(a->user, p, has);
        p = NULL;
    }
    if (!p)
        p = a->alloc(a->user, bytes, align);
    if (p)
        atomic_fetch_add(&s->users, 1);
    return p;
}

static void
spare_free(void *user, void *ptr, size_t bytes)
{
    const tb_allocator *a = &tb_default_allocator;
    tb_spare *s = user;

    memcpy(ptr, &bytes, sizeof bytes);
    ptr = atomic_exchange(&s->block, ptr);
    if (ptr)
        a->free(a->user, ptr, 0);
    leave(s);
}

tb_allocator
tb_spare_allocator(tb_spare **spare, const tb_allocator *a, size_t bytes)
{
    if (a->alloc != tb_default_allocator.alloc || bytes < TB_LARGE_BYTES)
        return *a;
    if (!*spare) {
        *spare = tb_mem_alloc(a, sizeof **spare);
        if (!*spare)
            return *a;
        atomic_init(&(*spare)->users, 1);
    }
    return (tb_allocator){spare_alloc, spare_free, *spare};
}

void
tb_spare_release(tb_spare *s)
{
    if (s)
        leave(s);
}

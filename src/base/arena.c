/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * arena.c -- bump allocation in growing blocks. Large requests get a block of their own, so
 * that a big tensor does not waste the rest of a small block.
 */
#include <stdlib.h>

#include "base/base.h"

struct tb_block {
    struct tb_block *next;
    size_t bytes; /* after the header */
    _Alignas(16) unsigned char data[];
};

enum { FIRST_BLOCK = 64 * 1024, MAX_BLOCK = 4 * 1024 * 1024, LARGE = 1024 * 1024 };

static void
out_of_memory(tb_arena *a)
{
    if (a->oom)
        a->oom(a->oom_user);
    tb_check_failed("out of memory", __FILE__, __LINE__);
}

/* Memory that the system has zeroed, in a block behind the one that is being filled. */
static void *
alloc_large(tb_arena *a, size_t bytes)
{
    struct tb_block *b = calloc(1, sizeof *b + bytes), **at = a->head ? &a->head->next : &a->head;
    if (!b)
        out_of_memory(a);
    b->next = *at;
    b->bytes = bytes;
    *at = b;
    if (a->head == b)
        a->used_bytes = bytes;
    a->total_bytes += bytes;
    return b->data;
}

/* Those that live shortest were made last, right behind the first block. */
void
tb_arena_drop(tb_arena *a, const void *p, size_t bytes)
{
    if (TB_ALIGN_UP(bytes, (size_t)16) < LARGE || !a->head)
        return;
    for (struct tb_block **at = &a->head->next; *at; at = &(*at)->next) {
        struct tb_block *b = *at;
        if (b->data != p)
            continue;
        *at = b->next;
        a->total_bytes -= b->bytes;
        free(b);
        return;
    }
}

void *
tb_alloc(tb_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        out_of_memory(a);
    bytes = TB_ALIGN_UP(bytes, (size_t)16);
    if (bytes >= LARGE)
        return alloc_large(a, bytes);
    if (!a->head || a->head->bytes - a->used_bytes < bytes) {
        size_t want = a->head ? a->head->bytes * 2 : FIRST_BLOCK;
        if (want > MAX_BLOCK)
            want = MAX_BLOCK;
        if (want < bytes)
            want = bytes;
        struct tb_block *b = malloc(sizeof *b + want);
        if (!b)
            out_of_memory(a);
        b->next = a->head;
        b->bytes = want;
        a->head = b;
        a->used_bytes = 0;
        a->total_bytes += want;
    }
    void *p = a->head->data + a->used_bytes;
    a->used_bytes += bytes;
    memset(p, 0, bytes);
    return p;
}

void *
tb_dup(tb_arena *a, const void *src, size_t bytes)
{
    void *p = tb_alloc(a, bytes);
    if (bytes)
        memcpy(p, src, bytes);
    return p;
}

tb_str
tb_strdup(tb_arena *a, tb_str s)
{
    char *p = tb_alloc(a, s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (tb_str){p, s.len};
}

/* With -fsanitize=undefined gcc follows the path on which `fmt` is NULL, reports it at run
 * time, and warns of its own continuation. */
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif
tb_str
tb_vsprintf(tb_arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0)
        n = 0;
    char *p = tb_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (tb_str){p, (size_t)n};
}
#pragma GCC diagnostic pop

tb_str
tb_sprintf(tb_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tb_str s = tb_vsprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

void
tb_arena_reset(tb_arena *a)
{
    while (a->head) {
        struct tb_block *b = a->head;
        a->head = b->next;
        free(b);
    }
    a->used_bytes = 0;
    a->total_bytes = 0;
}

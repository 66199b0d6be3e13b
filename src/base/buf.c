/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* buf.c -- a growing byte buffer on the heap. */
#include <stdlib.h>

#include "base/base.h"

static bool
reserve(tb_buf *b, size_t more)
{
    if (b->failed || more > SIZE_MAX / 2 - b->n)
        b->failed = true;
    if (b->failed)
        return false;
    if (b->n + more <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 256;
    if (cap < b->n + more)
        cap = b->n + more;
    uint8_t *p = realloc(b->at, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->at = p;
    b->cap = cap;
    return true;
}

void
tb_buf_put(tb_buf *b, const void *bytes, size_t n)
{
    if (n && reserve(b, n)) {
        memcpy(b->at + b->n, bytes, n);
        b->n += n;
    }
}

void
tb_buf_puts(tb_buf *b, const char *text)
{
    tb_buf_put(b, text, strlen(text));
}

void
tb_buf_printf(tb_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n + 1))
        return;
    va_start(ap, fmt);
    vsnprintf((char *)b->at + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void
tb_buf_pad(tb_buf *b, size_t align)
{
    size_t n = (align - b->n % align) % align;
    if (n && reserve(b, n)) {
        memset(b->at + b->n, 0, n);
        b->n += n;
    }
}

void
tb_buf_free(tb_buf *b)
{
    free(b->at);
    *b = (tb_buf){0};
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* tensor.c -- memory of tensors, and their types as text. */
#include <stdlib.h>
#include <sys/mman.h>

#include "runtime/runtime_internal.h"

#if defined(TB_NO_MALLOC)
static void *
default_alloc(void *user, size_t bytes, size_t align)
{
    return (void)user, (void)bytes, (void)align, NULL;
}
#else
/* Huge pages cost one fault for 2 MiB instead of 512, and kernels fewer TLB misses; some
 * systems give them to those who ask only. malloc keeps freed blocks below 32 MiB for the
 * next result of that size, which is better still, so only larger ones are put into huge
 * pages (spare.c keeps those), and blocks that are asked for with their alignment. */
static void *
default_alloc(void *user, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)user;
    if (align < sizeof(void *))
        align = sizeof(void *);
    if (bytes >= TB_LARGE_BYTES && align < TB_HUGE_PAGE)
        align = TB_HUGE_PAGE;
    if (posix_memalign(&p, align, bytes ? bytes : 1) != 0)
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (align >= TB_HUGE_PAGE) /* advice: it may fail; whole pages only */
        madvise(p, bytes / TB_HUGE_PAGE * TB_HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p;
}
#endif

size_t
tb_mem_block_align(const tb_allocator *a, size_t bytes)
{
    bool huge = a->alloc == default_alloc && bytes >= 2 * TB_HUGE_PAGE;
    return huge ? TB_HUGE_PAGE : TB_DATA_ALIGN;
}

static void
default_free(void *user, void *ptr, size_t bytes)
{
    (void)user;
    (void)bytes;
    tb_heap_free(ptr);
}

const tb_allocator tb_default_allocator = {default_alloc, default_free, NULL};

void *
tb_mem_alloc(const tb_allocator *a, size_t bytes)
{
    void *p = a->alloc(a->user, bytes ? bytes : 1, TB_DATA_ALIGN);
    if (p)
        memset(p, 0, bytes);
    return p;
}

void
tb_mem_free(const tb_allocator *a, void *p, size_t bytes)
{
    if (p)
        a->free(a->user, p, bytes ? bytes : 1);
}

void
tb_tensor_release(tb_tensor *t)
{
    void (*release)(tb_tensor *) = t->release;
    t->release = NULL;
    if (release && t->data)
        release(t);
    t->data = NULL;
    t->bytes = 0;
}

const char *
tb_type_text(char *out, tb_dtype dtype, int rank, const int64_t *dims)
{
    size_t at = 0;
    for (int i = 0; i < rank && i < TB_MAX_RANK; i++) {
        if (dims[i] < 0)
            at += (size_t)snprintf(out + at, TB_TYPE_TEXT_BYTES - at, "?x");
        else
            at += (size_t)snprintf(out + at, TB_TYPE_TEXT_BYTES - at, "%lldx",
                                   (long long)dims[i]);
    }
    snprintf(out + at, TB_TYPE_TEXT_BYTES - at, "%s", tb_dtype_name(dtype));
    return out;
}

bool
tb_type_bytes(tb_dtype dtype, int rank, const int64_t *dims, size_t *out)
{
    int64_t n = (int64_t)tb_dtype_bytes(dtype);
    bool fits = true, empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        empty = empty || dims[i] == 0;
        fits = fits && tb_mul_ok(n, dims[i], &n);
    }
    if (empty) { /* even if the other dims' product would not fit */
        *out = 0;
        return true;
    }
    if (!fits || (uint64_t)n > SIZE_MAX)
        return false;
    *out = (size_t)n;
    return true;
}

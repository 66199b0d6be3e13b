/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* object.c -- counted references; buffers. */
#include <stdlib.h>

#include "vm/vm.h"

void
tb_vm_object_init(tb_vm_object *o, const tb_vm_type *type)
{
    o->type = type;
    atomic_init(&o->refs, 1);
}

tb_vm_object *
tb_vm_retain(tb_vm_object *o)
{
    if (o)
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

bool
tb_vm_unref(tb_vm_object *o)
{
    return atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1;
}

void
tb_vm_release(tb_vm_object *o)
{
    if (o && tb_vm_unref(o))
        o->type->destroy(o);
}

static void
buffer_destroy(tb_vm_object *o)
{
    tb_vm_buffer *b = (tb_vm_buffer *)o;

    if (b->owner)
        tb_vm_release(b->owner);
    else
        free(b->data);
    tb_heap_free(b);
}

const tb_vm_type tb_vm_buffer_type = {"vm.buffer", buffer_destroy};

tb_vm_buffer *
tb_vm_buffer_create(size_t bytes, size_t align)
{
    tb_vm_buffer *b;
    void *data = NULL;

    if (align < 64)
        align = 64;
    /* Room for at least one byte: every buffer has an address. */
    if (align > 4096 || bytes > PTRDIFF_MAX - align ||
        posix_memalign(&data, align, bytes ? bytes : 1))
        return NULL;
    memset(data, 0, bytes);
    b = tb_heap(1, sizeof *b);
    if (!b) {
        free(data);
        return NULL;
    }
    tb_vm_object_init(&b->base, &tb_vm_buffer_type);
    b->data = data;
    b->bytes = bytes;
    b->writable = true;
    return b;
}

tb_vm_buffer *
tb_vm_buffer_view(const void *data, size_t bytes, bool writable, tb_vm_object *owner)
{
    tb_vm_buffer *b = tb_heap(1, sizeof *b);

    if (!b)
        return NULL;
    tb_vm_object_init(&b->base, &tb_vm_buffer_type);
    b->data = (uint8_t *)(uintptr_t)data;
    b->bytes = bytes;
    b->writable = writable;
    b->owner = tb_vm_retain(owner);
    return b;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * exec_mem.c -- instructions on buffers and lists. Offsets of loads, stores and fills count
 * elements, those of copies and comparisons bytes; all are checked here. Operands are read
 * before anything changes.
 */
#include "vm/internal.h"

typedef struct operands {
    tb_vm_state *s;
    const uint8_t *pc;
    tb_vm_frame *f;
} operands;

tb_status
tb_vm_spend(tb_vm_state *s, uint64_t n)
{
    if (s->max_bytes && n > s->max_bytes - s->bytes)
        return tb_status_make(TB_OUT_OF_MEMORY, "more than %llu bytes of buffers in one call",
                              (unsigned long long)s->max_bytes);
    s->bytes += s->max_bytes ? n : 0;
    return NULL;
}

static uint32_t
reg(const operands *o, uint32_t k)
{
    return tb_get16(o->pc + 2 * k);
}

static uint32_t
n32(const operands *o, uint32_t k)
{
    return o->f->i32[reg(o, k)];
}

static uint64_t
n64(const operands *o, uint32_t k)
{
    return (uint64_t)tb_vm_get64(o->f->i32, reg(o, k));
}

static tb_vm_object *
ref(const operands *o, uint32_t k)
{
    return o->f->ref[reg(o, k) & TB_VM_REF_MASK];
}

/* The register takes what is o's own. */
static void
give(const operands *o, uint32_t k, tb_vm_object *object)
{
    tb_vm_object **r = &o->f->ref[reg(o, k) & TB_VM_REF_MASK], *old = *r;
    *r = object;
    tb_vm_release(old);
}

/* An operand with the move bit gives its reference away. */
static void
drop_moved(const operands *o, uint32_t k)
{
    if (reg(o, k) & TB_VM_MOVE_BIT)
        give(o, k, NULL);
}

static tb_status
buffer(const operands *o, uint32_t k, tb_vm_buffer **out)
{
    tb_vm_object *r = ref(o, k);

    *out = tb_vm_cast(r, &tb_vm_buffer_type);
    if (!*out)
        return tb_status_make(TB_INVALID_ARGUMENT, "a buffer is needed, not %s",
                              r ? r->type->name : "null");
    return NULL;
}

/* n elements of `width` bytes from element `at`. */
static tb_status
span(const tb_vm_buffer *b, uint64_t at, uint64_t n, uint32_t width, bool write, uint8_t **out)
{
    if (write && !b->writable)
        return tb_status_make(TB_INVALID_ARGUMENT, "a constant is written to");
    if (at > b->bytes / width || n > b->bytes / width - at)
        return tb_status_make(TB_OUT_OF_RANGE, "elements [%llu, +%llu) of %u bytes of a buffer "
                              "of %zu bytes", (unsigned long long)at, (unsigned long long)n,
                              (unsigned)width, b->bytes);
    *out = b->data + at * width;
    return NULL;
}

static tb_status
load(const operands *o, uint32_t op)
{
    tb_vm_buffer *b;
    uint8_t *p;
    uint32_t width = op == TB_OP_BUFFER_LOAD_I8_U || op == TB_OP_BUFFER_LOAD_I8_S     ? 1
                     : op == TB_OP_BUFFER_LOAD_I16_U || op == TB_OP_BUFFER_LOAD_I16_S ? 2
                     : op == TB_OP_BUFFER_LOAD_I32 || op == TB_OP_BUFFER_LOAD_F32     ? 4
                                                                                      : 8;
    TRY(buffer(o, 0, &b));
    TRY(span(b, n64(o, 1), 1, width, false, &p));
    uint32_t *to = &o->f->i32[reg(o, 2)];
    switch (op) {
    case TB_OP_BUFFER_LOAD_I8_U:
        *to = *p;
        break;
    case TB_OP_BUFFER_LOAD_I8_S:
        *to = (uint32_t)(int8_t)*p;
        break;
    case TB_OP_BUFFER_LOAD_I16_U:
        *to = tb_get16(p);
        break;
    case TB_OP_BUFFER_LOAD_I16_S:
        *to = (uint32_t)(int16_t)tb_get16(p);
        break;
    default:
        memcpy(to, p, width);
        break;
    }
    drop_moved(o, 0);
    return NULL;
}

/* Fills are stores of many: operands are buffer, place, n, value. */
static tb_status
store(const operands *o, uint32_t width, bool fill)
{
    tb_vm_buffer *b;
    uint8_t *p;
    uint64_t n = fill ? n64(o, 2) : 1;
    const uint32_t *from = &o->f->i32[reg(o, fill ? 3 : 2)];

    TRY(buffer(o, 0, &b));
    TRY(span(b, n64(o, 1), n, width, true, &p));
    TRY(tb_vm_spend(o->s, n * width));
    for (uint64_t i = 0; i < n; i++)
        memcpy(p + i * width, from, width); /* little-endian: the low bytes come first */
    drop_moved(o, 0);
    return NULL;
}

static tb_status
make(const operands *o, uint64_t n, uint32_t align, tb_vm_buffer **out)
{
    TRY(tb_vm_spend(o->s, n));
    if (align & (align - 1))
        return tb_status_make(TB_INVALID_ARGUMENT, "a buffer aligned to %u", (unsigned)align);
    *out = n > SIZE_MAX ? NULL : tb_vm_buffer_create((size_t)n, align);
    if (!*out)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a buffer of %llu bytes",
                              (unsigned long long)n);
    return NULL;
}

static tb_status
clone(const operands *o)
{
    tb_vm_buffer *from, *to;
    uint8_t *p;
    uint64_t n = n64(o, 2);

    TRY(buffer(o, 0, &from));
    TRY(span(from, n64(o, 1), n, 1, false, &p));
    TRY(make(o, n, n32(o, 3), &to));
    memcpy(to->data, p, (size_t)n);
    drop_moved(o, 0);
    give(o, 4, &to->base);
    return NULL;
}

static tb_status
copy(const operands *o, bool compare)
{
    tb_vm_buffer *a, *b;
    uint8_t *p, *q;
    uint64_t n = n64(o, 4);

    TRY(buffer(o, 0, &a));
    TRY(buffer(o, 2, &b));
    TRY(span(a, n64(o, 1), n, 1, false, &p));
    TRY(span(b, n64(o, 3), n, 1, !compare, &q));
    TRY(tb_vm_spend(o->s, n));
    if (compare)
        o->f->i32[reg(o, 5)] = memcmp(p, q, (size_t)n) == 0;
    else
        memmove(q, p, (size_t)n);
    drop_moved(o, 0);
    drop_moved(o, 2);
    return NULL;
}

static tb_status
hash(const operands *o)
{
    tb_vm_buffer *b;
    uint8_t *p;
    uint64_t n = n64(o, 2);

    TRY(buffer(o, 0, &b));
    TRY(span(b, n64(o, 1), n, 1, false, &p));
    TRY(tb_vm_spend(o->s, n));
    tb_vm_set64(o->f->i32, reg(o, 3), (int64_t)tb_vm_siphash(p, (size_t)n));
    drop_moved(o, 0);
    return NULL;
}

tb_status
tb_vm_exec_buffer(tb_vm_state *s, uint32_t op, const uint8_t *pc, tb_vm_frame *f)
{
    const operands o = {s, pc, f};
    tb_vm_buffer *b;

    switch (op) {
    case TB_OP_BUFFER_ALLOC:
        TRY(make(&o, n64(&o, 0), n32(&o, 1), &b));
        give(&o, 2, &b->base);
        return NULL;
    case TB_OP_BUFFER_CLONE:
        return clone(&o);
    case TB_OP_BUFFER_LENGTH:
        TRY(buffer(&o, 0, &b));
        tb_vm_set64(f->i32, reg(&o, 1), (int64_t)b->bytes);
        drop_moved(&o, 0);
        return NULL;
    case TB_OP_BUFFER_COPY:
    case TB_OP_BUFFER_COMPARE:
        return copy(&o, op == TB_OP_BUFFER_COMPARE);
    case TB_OP_BUFFER_HASH:
        return hash(&o);
    case TB_OP_BUFFER_STORE_I8:
        return store(&o, 1, false);
    case TB_OP_BUFFER_STORE_I16:
        return store(&o, 2, false);
    case TB_OP_BUFFER_STORE_I32:
    case TB_OP_BUFFER_STORE_F32:
        return store(&o, 4, false);
    case TB_OP_BUFFER_STORE_I64:
    case TB_OP_BUFFER_STORE_F64:
        return store(&o, 8, false);
    case TB_OP_BUFFER_FILL_I8:
        return store(&o, 1, true);
    case TB_OP_BUFFER_FILL_I16:
        return store(&o, 2, true);
    case TB_OP_BUFFER_FILL_I32:
    case TB_OP_BUFFER_FILL_F32:
        return store(&o, 4, true);
    case TB_OP_BUFFER_FILL_I64:
    case TB_OP_BUFFER_FILL_F64:
        return store(&o, 8, true);
    default:
        return load(&o, op);
    }
}

/* ---- lists ---- */
static tb_status
list(const operands *o, uint32_t k, tb_vm_list **out)
{
    tb_vm_object *r = ref(o, k);

    *out = tb_vm_cast(r, &tb_vm_list_type);
    if (!*out)
        return tb_status_make(TB_INVALID_ARGUMENT, "a list is needed, not %s",
                              r ? r->type->name : "null");
    return NULL;
}

static tb_status
list_alloc(const operands *o) /* u32 type, capacity, result */
{
    uint32_t type = tb_get32(o->pc);
    const operands rest = {o->s, o->pc + 4, o->f};
    tb_vm_list *l = tb_vm_list_create(o->s->m->types[type].kind, o->s->types[type]);

    if (!l)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a list");
    give(&rest, 1, &l->base);
    return NULL;
}

static tb_status
list_get_ref(const operands *o, tb_vm_list *l) /* list, index, u32 type, result */
{
    uint32_t i = n32(o, 1), type = tb_get32(o->pc + 4);

    if (i >= l->n)
        return tb_status_make(TB_OUT_OF_RANGE, "element %u of a list of %u", (unsigned)i, l->n);
    if (l->at[i].kind != TB_VM_OBJECT && l->at[i].kind != TB_VM_ANY)
        return tb_status_make(TB_INVALID_ARGUMENT, "element %u of a list is no reference",
                              (unsigned)i);
    tb_vm_object *r = l->at[i].kind == TB_VM_OBJECT ? l->at[i].value.ref : NULL;
    if (r && o->s->types[type] && r->type != o->s->types[type])
        r = NULL; /* asking is how programs find out */
    tb_vm_retain(r);
    drop_moved(o, 0);
    give(o, 4, r);
    return NULL;
}

static tb_status
list_set(const operands *o, tb_vm_list *l, tb_vm_kind kind)
{
    tb_vm_value v = {0};
    uint32_t r = reg(o, 2);

    if (kind == TB_VM_OBJECT)
        v.ref = ref(o, 2);
    else if (kind == TB_VM_I32 || kind == TB_VM_F32)
        memcpy(&v, o->f->i32 + r, 4);
    else
        memcpy(&v, o->f->i32 + r, 8);
    TRY(tb_vm_list_set(l, n32(o, 1), kind, v));
    if (kind == TB_VM_OBJECT)
        drop_moved(o, 2);
    drop_moved(o, 0);
    return NULL;
}

static tb_status
list_get(const operands *o, tb_vm_list *l, tb_vm_kind kind)
{
    tb_vm_value v;

    TRY(tb_vm_list_number(l, n32(o, 1), kind, &v));
    memcpy(o->f->i32 + reg(o, 2), &v, kind == TB_VM_I32 || kind == TB_VM_F32 ? 4 : 8);
    drop_moved(o, 0);
    return NULL;
}

tb_status
tb_vm_exec_list(tb_vm_state *s, uint32_t op, const uint8_t *pc, tb_vm_frame *f)
{
    const operands o = {s, pc, f};
    tb_vm_list *l;

    if (op == TB_OP_LIST_ALLOC)
        return list_alloc(&o);
    TRY(list(&o, 0, &l));
    switch (op) {
    case TB_OP_LIST_RESERVE: /* lists grow when they must */
        drop_moved(&o, 0);
        return NULL;
    case TB_OP_LIST_SIZE:
        f->i32[reg(&o, 1)] = l->n;
        drop_moved(&o, 0);
        return NULL;
    case TB_OP_LIST_RESIZE:
        TRY(tb_vm_spend(s, (uint64_t)n32(&o, 1) * sizeof *l->at));
        TRY(tb_vm_list_resize(l, n32(&o, 1)));
        drop_moved(&o, 0);
        return NULL;
    case TB_OP_LIST_GET_I32:
        return list_get(&o, l, TB_VM_I32);
    case TB_OP_LIST_GET_I64:
        return list_get(&o, l, TB_VM_I64);
    case TB_OP_LIST_GET_F32:
        return list_get(&o, l, TB_VM_F32);
    case TB_OP_LIST_GET_F64:
        return list_get(&o, l, TB_VM_F64);
    case TB_OP_LIST_GET_REF:
        return list_get_ref(&o, l);
    case TB_OP_LIST_SET_I32:
        return list_set(&o, l, TB_VM_I32);
    case TB_OP_LIST_SET_I64:
        return list_set(&o, l, TB_VM_I64);
    case TB_OP_LIST_SET_F32:
        return list_set(&o, l, TB_VM_F32);
    case TB_OP_LIST_SET_F64:
        return list_set(&o, l, TB_VM_F64);
    default: /* LIST_SET_REF */
        return list_set(&o, l, TB_VM_OBJECT);
    }
}

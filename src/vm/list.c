/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* list.c -- lists: of one kind, where numbers are converted to it, or of any. */
#include <math.h>
#include <stdlib.h>

#include "vm/internal.h"

static void
drop(tb_vm_element *e)
{
    if (e->kind == TB_VM_OBJECT)
        tb_vm_release(e->value.ref);
    *e = (tb_vm_element){0};
}

/* Lists of lists go one after the other: they may be nested as deep as memory is large. */
static void
destroy(tb_vm_object *o)
{
    tb_vm_list *l = (tb_vm_list *)o, *next;

    for (l->next = NULL; l; l = next) {
        next = l->next;
        for (uint32_t i = 0; i < l->n; i++) {
            tb_vm_object *r = l->at[i].kind == TB_VM_OBJECT ? l->at[i].value.ref : NULL;
            if (!r || !tb_vm_unref(r))
                continue;
            if (r->type == &tb_vm_list_type) {
                ((tb_vm_list *)r)->next = next;
                next = (tb_vm_list *)r;
            } else {
                r->type->destroy(r);
            }
        }
        free(l->at);
        tb_heap_free(l);
    }
}

const tb_vm_type tb_vm_list_type = {"vm.list", destroy};

tb_vm_list *
tb_vm_list_create(tb_vm_kind kind, const tb_vm_type *type)
{
    tb_vm_list *l = tb_heap(1, sizeof *l);

    if (!l)
        return NULL;
    tb_vm_object_init(&l->base, &tb_vm_list_type);
    l->kind = kind;
    l->type = type;
    return l;
}

static tb_status
reserve(tb_vm_list *l, uint32_t n)
{
    if (n <= l->cap)
        return NULL;
    size_t cap = l->cap < UINT32_MAX / 2 && n < l->cap * 2 ? l->cap * 2 : n;
    tb_vm_element *at =
        cap > SIZE_MAX / sizeof *at ? NULL : realloc(l->at, cap * sizeof *at);
    if (!at)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a list of %u", (unsigned)n);
    l->at = at;
    l->cap = (uint32_t)cap;
    return NULL;
}

tb_status
tb_vm_list_resize(tb_vm_list *l, uint32_t n)
{
    TRY(reserve(l, n));
    while (l->n > n)
        drop(&l->at[--l->n]);
    /* New numbers are 0, new references NULL. */
    for (; l->n < n; l->n++)
        l->at[l->n] = (tb_vm_element){.kind = l->kind};
    return NULL;
}

static int64_t
to_int(const tb_vm_element *e)
{
    double v;
    switch (e->kind) {
    case TB_VM_I64:
        return e->value.i64;
    case TB_VM_F32:
    case TB_VM_F64:
        v = e->kind == TB_VM_F32 ? (double)e->value.f32 : e->value.f64;
        return !(v >= -0x1p63) || v >= 0x1p63 ? INT64_MIN : (int64_t)v;
    default:
        return e->value.i32;
    }
}

static double
to_float(const tb_vm_element *e)
{
    return e->kind == TB_VM_F32   ? (double)e->value.f32
           : e->kind == TB_VM_F64 ? e->value.f64
                                  : (double)to_int(e);
}

static tb_vm_value
convert(const tb_vm_element *e, tb_vm_kind kind)
{
    tb_vm_value v = {0};
    switch (kind) {
    case TB_VM_I8:
        v.i32 = (int8_t)to_int(e);
        break;
    case TB_VM_I16:
        v.i32 = (int16_t)to_int(e);
        break;
    case TB_VM_I32:
        v.i32 = (int32_t)to_int(e);
        break;
    case TB_VM_I64:
        v.i64 = to_int(e);
        break;
    case TB_VM_F32:
        v.f32 = (float)to_float(e);
        break;
    default:
        v.f64 = to_float(e);
        break;
    }
    return v;
}

static tb_status
out_of_range(const tb_vm_list *l, uint32_t i)
{
    return tb_status_make(TB_OUT_OF_RANGE, "element %u of a list of %u", (unsigned)i, l->n);
}

/* Looks for l in a list and those below it, so that no list ever holds itself. */
enum { MAX_DEPTH = 64, MAX_VISITS = 1 << 16 };
static bool
may_hold(const tb_vm_list *l, tb_vm_object *o, uint32_t depth, uint32_t *visits)
{
    const tb_vm_list *inner = tb_vm_cast(o, &tb_vm_list_type);

    if (!inner)
        return true;
    if (inner == l || depth == MAX_DEPTH)
        return false;
    for (uint32_t i = 0; i < inner->n; i++)
        if (++*visits > MAX_VISITS ||
            (inner->at[i].kind == TB_VM_OBJECT &&
             !may_hold(l, inner->at[i].value.ref, depth + 1, visits)))
            return false;
    return true;
}

tb_status
tb_vm_list_set(tb_vm_list *l, uint32_t i, tb_vm_kind kind, tb_vm_value v)
{
    if (i >= l->n)
        return out_of_range(l, i);
    bool ref = kind == TB_VM_OBJECT;
    if (l->kind != TB_VM_ANY && ref != (l->kind == TB_VM_OBJECT))
        return tb_status_make(TB_INVALID_ARGUMENT, "a list of %s is given a %s",
                              ref ? "numbers" : "references", ref ? "reference" : "number");
    if (ref && v.ref && l->type && v.ref->type != l->type)
        return tb_status_make(TB_INVALID_ARGUMENT, "a list of %s is given a %s", l->type->name,
                              v.ref->type->name);
    if (ref && !may_hold(l, v.ref, 0, &(uint32_t){0}))
        return tb_status_make(TB_UNSUPPORTED, "a list within itself, or lists nested too deep");
    tb_vm_element e = {kind, v};
    if (ref)
        tb_vm_retain(v.ref);
    else if (l->kind != TB_VM_ANY && l->kind != kind)
        e = (tb_vm_element){l->kind, convert(&e, l->kind)};
    drop(&l->at[i]);
    l->at[i] = e;
    return NULL;
}

tb_status
tb_vm_list_push(tb_vm_list *l, tb_vm_kind kind, tb_vm_value v)
{
    if (l->n == UINT32_MAX)
        return out_of_range(l, l->n);
    TRY(tb_vm_list_resize(l, l->n + 1));
    tb_status st = tb_vm_list_set(l, l->n - 1, kind, v);
    if (st)
        l->n--;
    return st;
}

tb_status
tb_vm_list_number(const tb_vm_list *l, uint32_t i, tb_vm_kind kind, tb_vm_value *out)
{
    if (i >= l->n)
        return out_of_range(l, i);
    if (l->at[i].kind == TB_VM_OBJECT || l->at[i].kind == TB_VM_ANY)
        return tb_status_make(TB_INVALID_ARGUMENT, "element %u of a list is no number",
                              (unsigned)i);
    *out = l->at[i].kind == kind ? l->at[i].value : convert(&l->at[i], kind);
    return NULL;
}

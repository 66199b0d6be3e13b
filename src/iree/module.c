/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * module.c -- imports, types and bytes of a module, and the flatbuffer: the tables of
 * IREE's bytecode_module_def.fbs that a loader asks for.
 */
#include "artifact/layout.h"
#include "artifact/put.h"
#include "iree/flat.h"
#include "iree/code.h"

/* Slots of BytecodeModuleDef. */
enum {
    M_NAME = 0,
    M_TYPES = 4,
    M_DEPENDENCIES = 5,
    M_IMPORTS = 6,
    M_EXPORTS = 7,
    M_SIGNATURES = 8,
    M_RODATA = 9,
    M_STATE = 11,
    M_DESCRIPTORS = 12,
    M_VERSION = 13,
    M_CODE = 14,
    M_SLOTS = 15
};
enum { DESCRIPTOR_BYTES = 20 };

void
tb_asm_begin(tb_asm_module *m, tb_arena *a, const tb_iree_release *release, tb_str name)
{
    *m = (tb_asm_module){.a = a, .release = release, .name = name};
}

uint32_t
tb_asm_import_of(tb_asm_module *m, tb_vm_import import)
{
    if (!m->import_number[import]) {
        TB_PUSH(m->a, &m->imports, import);
        m->import_number[import] = m->imports.n;
    }
    return m->import_number[import] - 1;
}

uint32_t
tb_asm_type(tb_asm_module *m, const char *name)
{
    for (uint32_t i = 0; i < m->types.n; i++)
        if (strcmp(m->types.at[i], name) == 0)
            return i;
    TB_PUSH(m->a, &m->types, name);
    return m->types.n - 1;
}

uint32_t
tb_asm_bytes(tb_asm_module *m, const void *bytes, size_t n)
{
    for (uint32_t i = 0; i < m->rodata.n; i++) {
        const tb_asm_rodata *r = &m->rodata.at[i];
        if (r->fix < 0 && r->n == n && memcmp(r->bytes, bytes, n) == 0)
            return i;
    }
    TB_PUSH(m->a, &m->rodata, ((tb_asm_rodata){tb_dup(m->a, bytes, n), n, -1, 0}));
    return m->rodata.n - 1;
}

uint32_t
tb_asm_text(tb_asm_module *m, tb_str s)
{
    return tb_asm_bytes(m, s.ptr, s.len);
}

uint32_t
tb_asm_outside(tb_asm_module *m, tb_fix_kind offset, uint32_t index)
{
    TB_PUSH(m->a, &m->rodata, ((tb_asm_rodata){NULL, 0, (int)offset, index}));
    return m->rodata.n - 1;
}

/* ---- the flatbuffer ---- */
typedef struct writer {
    tb_asm_module *m;
    tb_flat f;
    TB_VEC(tb_fix) fixes;
} writer;

static uint32_t
text(writer *w, tb_str s)
{
    return tb_flat_string(&w->f, s.ptr, s.len);
}

/* A table with text in slot 0. */
static uint32_t
named(writer *w, tb_str s)
{
    tb_flat_field f[] = {{0, TB_FLAT_REF, 0, 0}};
    uint32_t t = tb_flat_table(&w->f, f, 1);
    tb_flat_point(&w->f, f[0].at, text(w, s));
    return t;
}

/* The i-th of a vector of references. */
static void
element(writer *w, uint32_t vector, uint32_t i, uint32_t target)
{
    tb_flat_point(&w->f, vector + 4 + 4 * i, target);
}

static uint32_t
put_types(writer *w)
{
    uint32_t v = tb_flat_refs(&w->f, w->m->types.n);
    for (uint32_t i = 0; i < w->m->types.n; i++)
        element(w, v, i, named(w, tb_str_c(w->m->types.at[i])));
    return v;
}

static uint32_t
put_dependencies(writer *w)
{
    tb_flat_field hal[] = {{0, TB_FLAT_REF, 0, 0}, {1, TB_FLAT_U32, w->m->release->hal, 0}};
    tb_flat_field parameters[] = {{0, TB_FLAT_REF, 0, 0}};
    bool both = w->m->import_number[TB_VM_PARAM_LOAD] || w->m->import_number[TB_VM_PARAM_GATHER];
    if (w->m->no_dependencies)
        return tb_flat_refs(&w->f, 0);
    uint32_t v = tb_flat_refs(&w->f, both ? 2 : 1);
    element(w, v, 0, tb_flat_table(&w->f, hal, 2));
    tb_flat_point(&w->f, hal[0].at, text(w, TB_STR("hal")));
    if (both) {
        element(w, v, 1, tb_flat_table(&w->f, parameters, 1));
        tb_flat_point(&w->f, parameters[0].at, text(w, TB_STR("io_parameters")));
    }
    return v;
}

static uint32_t
put_imports(writer *w)
{
    uint32_t n = w->m->imports.n, extra = w->m->extra_import != NULL;
    uint32_t v = tb_flat_refs(&w->f, n + extra);
    for (uint32_t i = 0; i < n + extra; i++) {
        const char *name = i < n ? tb_vm_import_name(w->m->imports.at[i]) : w->m->extra_import;
        const char *cconv =
            i < n ? w->m->release->cconv[w->m->imports.at[i]] : w->m->extra_cconv;
        tb_flat_field f[] = {{0, TB_FLAT_REF, 0, 0}, {1, TB_FLAT_REF, 0, 0}};
        element(w, v, i, tb_flat_table(&w->f, f, 2));
        tb_flat_point(&w->f, f[0].at, text(w, tb_str_c(name)));
        tb_flat_point(&w->f, f[1].at, named(w, tb_str_c(cconv)));
    }
    return v;
}

static uint32_t
put_exports(writer *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->m->fns.n; i++)
        n += w->m->fns.at[i]->exported;
    uint32_t v = tb_flat_refs(&w->f, n), k = 0;
    for (uint32_t i = 0; i < w->m->fns.n; i++) {
        if (!w->m->fns.at[i]->exported)
            continue;
        tb_flat_field f[] = {{0, TB_FLAT_REF, 0, 0}, {1, TB_FLAT_U32, i, 0}};
        element(w, v, k++, tb_flat_table(&w->f, f, 2));
        tb_flat_point(&w->f, f[0].at, text(w, w->m->fns.at[i]->name));
    }
    return v;
}

/* What Python's bindings go by to pass fences. */
static uint32_t
put_attrs(writer *w)
{
    tb_flat_field f[] = {{0, TB_FLAT_REF, 0, 0}, {1, TB_FLAT_REF, 0, 0}};
    uint32_t v = tb_flat_refs(&w->f, 1);
    element(w, v, 0, tb_flat_table(&w->f, f, 2));
    tb_flat_point(&w->f, f[0].at, text(w, TB_STR("iree.abi.model")));
    tb_flat_point(&w->f, f[1].at, text(w, TB_STR("coarse-fences")));
    return v;
}

static uint32_t
put_signatures(writer *w)
{
    uint32_t v = tb_flat_refs(&w->f, w->m->fns.n);
    for (uint32_t i = 0; i < w->m->fns.n; i++) {
        const tb_asm_fn *fn = w->m->fns.at[i];
        tb_flat_field f[] = {{0, TB_FLAT_REF, 0, 0}, {1, TB_FLAT_REF, 0, 0}};
        element(w, v, i, tb_flat_table(&w->f, f, fn->coarse_fences ? 2 : 1));
        tb_flat_point(&w->f, f[0].at, text(w, fn->cconv));
        if (fn->coarse_fences)
            tb_flat_point(&w->f, f[1].at, put_attrs(w));
    }
    return v;
}

static void
fix(writer *w, uint32_t at, uint32_t kind, uint32_t index)
{
    TB_PUSH(w->m->a, &w->fixes, ((tb_fix){at, kind, index}));
}

static uint32_t
put_rodata(writer *w)
{
    uint32_t v = tb_flat_refs(&w->f, w->m->rodata.n);
    for (uint32_t i = 0; i < w->m->rodata.n; i++) {
        const tb_asm_rodata *r = &w->m->rodata.at[i];
        if (r->fix < 0) {
            tb_flat_field f[] = {{2, TB_FLAT_REF, 0, 0}};
            element(w, v, i, tb_flat_table(&w->f, f, 1));
            tb_flat_point(&w->f, f[0].at,
                          tb_flat_vector(&w->f, r->bytes, r->n, (uint32_t)r->n,
                                         r->n % 8 ? 4 : 8)); /* maybe of words */
        } else {
            tb_flat_field f[] = {{3, TB_FLAT_U64, 0, 0}, {4, TB_FLAT_U64, 0, 0}};
            element(w, v, i, tb_flat_table(&w->f, f, 2));
            fix(w, f[0].at, (uint32_t)r->fix, r->index);
            fix(w, f[1].at, (uint32_t)r->fix + 1, r->index);
        }
    }
    return v;
}

/* Functions one after the other, each at a multiple of 8. */
static uint32_t
code_bytes(const tb_asm_module *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->fns.n; i++)
        n = TB_ALIGN_UP(n, 8) + m->fns.at[i]->code.n;
    return n;
}

static uint32_t
put_descriptors(writer *w)
{
    uint32_t n = w->m->fns.n, at = 0;
    uint8_t *all = tb_alloc(w->m->a, (size_t)n * DESCRIPTOR_BYTES + 1), *p = all;
    for (uint32_t i = 0; i < n; i++) {
        const tb_asm_fn *fn = w->m->fns.at[i];
        at = TB_ALIGN_UP(at, 8);
        p = tb_set32(p, at);
        p = tb_set32(p, fn->code.n);
        p = tb_set32(p, 0); /* requirements */
        p = tb_set16(p, 0);
        p = tb_set16(p, fn->n_blocks);
        p = tb_set16(p, fn->n_i32 ? fn->n_i32 : 1);
        p = tb_set16(p, fn->n_ref ? fn->n_ref : 1);
        at += fn->code.n;
    }
    return tb_flat_vector(&w->f, all, (size_t)n * DESCRIPTOR_BYTES, n, 4);
}

static uint32_t
put_code(writer *w)
{
    uint32_t n = code_bytes(w->m), at = 0;
    uint8_t *all = tb_alloc(w->m->a, (size_t)n + 1);
    for (uint32_t i = 0; i < w->m->fns.n; i++) {
        const tb_asm_fn *fn = w->m->fns.at[i];
        at = TB_ALIGN_UP(at, 8);
        memcpy(all + at, fn->code.at, fn->code.n);
        at += fn->code.n;
    }
    uint32_t v = tb_flat_vector(&w->f, all, n, n, 16);
    at = v + 4;
    for (uint32_t i = 0; i < w->m->fns.n; i++) {
        const tb_asm_fn *fn = w->m->fns.at[i];
        at = v + 4 + TB_ALIGN_UP(at - (v + 4), 8);
        for (uint32_t k = 0; k < fn->fixes.n; k++)
            fix(w, at + fn->fixes.at[k].at, fn->fixes.at[k].kind, fn->fixes.at[k].index);
        at += fn->code.n;
    }
    return v;
}

static uint32_t
put_state(writer *w)
{
    tb_flat_field f[] = {{0, TB_FLAT_U32, w->m->global_bytes, 0},
                         {1, TB_FLAT_U32, w->m->n_ref_globals, 0}};
    return tb_flat_table(&w->f, f, 2);
}

tb_status
tb_asm_end(tb_asm_module *m, tb_artifact_module *out)
{
    writer w = {.m = m};
    tb_flat_field f[M_SLOTS];
    uint32_t n = 0, at[M_SLOTS] = {0};
    static const uint8_t refs[] = {M_NAME,     M_TYPES,  M_DEPENDENCIES, M_IMPORTS,
                                   M_EXPORTS,  M_SIGNATURES, M_RODATA,   M_STATE,
                                   M_DESCRIPTORS, M_CODE};

    if (m->too_large || code_bytes(m) > INT32_MAX / 2)
        return tb_status_make(TB_UNSUPPORTED,
                              "a program for IREE's runtime that takes more %s than its "
                              "virtual machine has",
                              m->too_large ? m->too_large : "code");
    for (uint32_t i = 0; i < TB_COUNT(refs); i++)
        f[n++] = (tb_flat_field){refs[i], TB_FLAT_REF, 0, 0};
    f[n++] = (tb_flat_field){M_VERSION, TB_FLAT_U32, m->release->bytecode, 0};
    tb_flat_begin(&w.f, m->a, "IREE");
    uint32_t root = tb_flat_table(&w.f, f, n);
    for (uint32_t i = 0; i < n; i++)
        at[f[i].slot] = f[i].at;
    tb_flat_point(&w.f, at[M_NAME], text(&w, m->name));
    tb_flat_point(&w.f, at[M_TYPES], put_types(&w));
    tb_flat_point(&w.f, at[M_DEPENDENCIES], put_dependencies(&w));
    tb_flat_point(&w.f, at[M_IMPORTS], put_imports(&w));
    tb_flat_point(&w.f, at[M_EXPORTS], put_exports(&w));
    tb_flat_point(&w.f, at[M_SIGNATURES], put_signatures(&w));
    tb_flat_point(&w.f, at[M_RODATA], put_rodata(&w));
    tb_flat_point(&w.f, at[M_STATE], put_state(&w));
    tb_flat_point(&w.f, at[M_DESCRIPTORS], put_descriptors(&w));
    tb_flat_point(&w.f, at[M_CODE], put_code(&w));
    tb_flat_end(&w.f, root);
    *out = (tb_artifact_module){w.f.b.at, w.f.b.n, w.fixes.at, w.fixes.n};
    return NULL;
}

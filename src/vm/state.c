/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* state.c -- one instance of a module: what it imports, its globals, calls from outside. */
#include <stdlib.h>

#include "vm/internal.h"

static tb_status
no_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a module's state");
}

/* ---- libraries ---- */
static const tb_vm_library *
find_library(const tb_vm_options *o, const char *name, size_t n)
{
    for (uint32_t i = 0; o && i < o->n_libraries; i++)
        if (strncmp(o->libraries[i].name, name, n) == 0 && !o->libraries[i].name[n])
            return &o->libraries[i];
    return NULL;
}

static tb_status
check_dependencies(const tb_vm_module *m, const tb_vm_options *o)
{
    for (uint32_t i = 0; i < m->n_dependencies; i++) {
        const tb_vm_dependency *d = &m->dependencies[i];
        const tb_vm_library *l = find_library(o, d->name, strlen(d->name));
        if (!l && !d->optional)
            return tb_status_make(TB_UNSUPPORTED,
                                  "module '%s' needs '%.60s', which this runtime does not have",
                                  m->name, d->name);
        if (l && l->version < d->version)
            return tb_status_make(TB_INCOMPATIBLE,
                                  "module '%s' needs version %u of '%s', this runtime has %u",
                                  m->name, d->version, l->name, l->version);
    }
    return NULL;
}

static const tb_vm_function *
find_function(const tb_vm_library *l, const char *name)
{
    for (uint32_t i = 0; l && i < l->n_functions; i++)
        if (strcmp(l->functions[i].name, name) == 0)
            return &l->functions[i];
    return NULL;
}

static tb_status
resolve_import(tb_vm_state *s, const tb_vm_options *o, uint32_t i)
{
    const tb_vm_import_def *d = &s->m->imports[i];
    const char *dot = strchr(d->name, '.');
    const tb_vm_library *l = dot ? find_library(o, d->name, (size_t)(dot - d->name)) : NULL;
    const tb_vm_function *fn = l ? find_function(l, dot + 1) : NULL;

    if (!fn && !d->optional)
        return tb_status_make(TB_UNSUPPORTED,
                              "module '%s' imports '%.100s', which this runtime does not have",
                              s->m->name, d->name);
    if (!fn)
        return NULL;
    if (strcmp(fn->cconv, d->cconv.text) != 0)
        return tb_status_make(TB_INCOMPATIBLE,
                              "module '%s' calls '%s' as '%.80s', this runtime has '%s'",
                              s->m->name, d->name, d->cconv.text, fn->cconv);
    s->imports[i] = (tb_vm_resolved){fn->fn, l->self};
    return NULL;
}

static tb_status
resolve_type(tb_vm_state *s, const tb_vm_options *o, uint32_t i)
{
    const tb_vm_typedef *t = &s->m->types[i];
    const tb_vm_type *own[] = {&tb_vm_buffer_type, &tb_vm_list_type};

    if (t->kind != TB_VM_OBJECT)
        return NULL;
    for (size_t k = 0; k < TB_COUNT(own); k++)
        if (strcmp(own[k]->name, t->name) == 0)
            s->types[i] = own[k];
    for (uint32_t k = 0; o && k < o->n_libraries; k++)
        for (uint32_t j = 0; j < o->libraries[k].n_types; j++)
            if (strcmp(o->libraries[k].types[j]->name, t->name) == 0)
                s->types[i] = o->libraries[k].types[j];
    if (!s->types[i])
        return tb_status_make(TB_UNSUPPORTED,
                              "module '%s' uses the type '!%.80s', which this runtime does not "
                              "have",
                              s->m->name, t->name);
    return NULL;
}

/* ---- life ---- */
static tb_status
allocate(tb_vm_state *s)
{
    const tb_vm_module *m = s->m;

    s->imports = tb_heap(m->n_imports, sizeof *s->imports);
    s->types = tb_heap(m->n_types, sizeof *s->types);
    s->rodata = tb_heap(m->n_rodata, sizeof *s->rodata);
    s->global_refs = tb_heap(m->n_global_refs, sizeof *s->global_refs);
    s->globals = tb_heap(m->global_bytes, 1);
    s->args = tb_heap(m->max_call_values, sizeof *s->args);
    s->results = tb_heap(m->max_call_results, sizeof *s->results);
    s->stack = malloc(TB_VM_STACK_BYTES); /* pages come when they are used */
    if (!s->imports || !s->types || !s->rodata || !s->global_refs || !s->globals || !s->args ||
        !s->results || !s->stack)
        return no_memory();
    for (uint32_t i = 0; i < m->n_rodata; i++) {
        tb_vm_buffer *b = tb_vm_buffer_view(m->rodata[i].at, m->rodata[i].n, false,
                                            &s->m->base);
        if (!b)
            return no_memory();
        s->rodata[i] = &b->base;
    }
    return NULL;
}

static tb_status
run_exported(tb_vm_state *s, const char *name)
{
    int i = tb_vm_module_find_export(s->m, name);
    return i < 0 ? NULL : tb_vm_invoke(s, (uint32_t)i, NULL, 0, NULL, 0);
}

static tb_status
start(tb_vm_state *s, const tb_vm_options *o)
{
    TRY(allocate(s));
    TRY(check_dependencies(s->m, o));
    for (uint32_t i = 0; i < s->m->n_imports; i++)
        TRY(resolve_import(s, o, i));
    for (uint32_t i = 0; i < s->m->n_types; i++)
        TRY(resolve_type(s, o, i));
    return run_exported(s, "__init");
}

static void
destroy(tb_vm_state *s)
{
    for (uint32_t i = 0; s->global_refs && i < s->m->n_global_refs; i++)
        tb_vm_release(s->global_refs[i]);
    for (uint32_t i = 0; s->rodata && i < s->m->n_rodata; i++)
        tb_vm_release(s->rodata[i]);
    tb_heap_free(s->imports);
    tb_heap_free(s->types);
    tb_heap_free(s->rodata);
    tb_heap_free(s->global_refs);
    tb_heap_free(s->globals);
    tb_heap_free(s->args);
    tb_heap_free(s->results);
    free(s->stack);
    tb_vm_module_release(s->m);
    tb_heap_free(s);
}

tb_status
tb_vm_state_create(tb_vm_module *m, const tb_vm_options *options, tb_vm_state **out)
{
    tb_vm_state *s = tb_heap(1, sizeof *s);

    *out = NULL;
    if (!s)
        return no_memory();
    s->m = tb_vm_module_retain(m);
    s->max_steps = options ? options->max_steps : 0;
    s->max_bytes = options ? options->max_bytes : 0;
    tb_status st = start(s, options);
    if (st)
        destroy(s);
    else
        *out = s;
    return st;
}

void
tb_vm_state_destroy(tb_vm_state *s)
{
    if (!s)
        return;
    tb_status_free(run_exported(s, "__deinit"));
    destroy(s);
}

/* ---- calls ---- */
tb_status
tb_vm_invoke(tb_vm_state *s, uint32_t i, const tb_vm_value *args, uint32_t n_args,
             tb_vm_value *results, uint32_t n_results)
{
    if (i >= s->m->n_exports)
        return tb_status_make(TB_OUT_OF_RANGE, "function %u of %u", (unsigned)i,
                              s->m->n_exports);
    const tb_vm_export *e = &s->m->exports[i];
    const tb_vm_cconv *c = &s->m->fns[e->fn].cconv;
    if (n_args != c->n_args || n_results != c->n_results)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "function '%s' takes %u arguments and gives %u results, not %u "
                              "and %u",
                              e->name, c->n_args, c->n_results, (unsigned)n_args,
                              (unsigned)n_results);
    if (s->in_call)
        return tb_status_make(TB_INVALID_ARGUMENT, "function '%s': another call of this module "
                              "runs", e->name);
    s->in_call = true;
    s->steps = s->bytes = 0;
    tb_status st = tb_vm_exec(s, e->fn, args, results);
    s->in_call = false;
    return st;
}

tb_status
tb_vm_arg(const tb_vm_call *c, uint32_t i, const tb_vm_type *type, const char *what,
          bool null_ok, void *out)
{
    tb_vm_object *o = c->args[i].ref;
    void *found = tb_vm_cast(o, type);

    if (!found && (o || !null_ok))
        return tb_status_make(TB_INVALID_ARGUMENT, "%s is %s, it must be a %s", what,
                              o ? o->type->name : "null", type->name);
    memcpy(out, &found, sizeof found);
    return NULL;
}

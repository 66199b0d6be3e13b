/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* program.c -- a file of either kind, and what it says about its functions. */
#include "artifact/layout.h"
#include "guest/internal.h"
#include "runtime/runtime_internal.h"

static tb_status
no_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a module's functions");
}

/* IREE's, if it begins like one and does not hold a plan of ours. A ZIP archive of which the
 * end is missing is left to our own reader, which says so. */
bool
tb_program_is_guest(const void *bytes, size_t n)
{
    const uint8_t *data;
    size_t bytes_of_it;

    if (!tb_vm_module_looks_like(bytes, n))
        return false;
    if (memcmp(bytes, "PK\3\4", 4) != 0)
        return true;
    tb_status st = tb_zip_find(bytes, n, TB_PLAN_MEMBER, &data, &bytes_of_it);
    bool without_plan = tb_status_code(st) == TB_INCOMPATIBLE;
    tb_status_free(st);
    return without_plan;
}

/* ---- functions of IREE's ---- */
static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* NAME$async is there through NAME, if there is one; "__init" is not for callers. */
static bool
is_shown(const tb_vm_module *m, const char *name, char *plain, size_t room)
{
    size_t n = strlen(name);

    if (n >= room || strncmp(name, "__", 2) == 0)
        return false;
    memcpy(plain, name, n + 1);
    if (!ends_with(name, "$async"))
        return true;
    plain[n - 6] = 0;
    return tb_vm_module_find_export(m, plain) < 0;
}

static tb_status
learn_types(tb_guest_function *f, const char *declaration)
{
    int n = f->n_inputs + f->n_results;

    f->types = tb_heap((size_t)n, sizeof *f->types);
    if (!f->types)
        return no_memory();
    for (int i = 0; i < n; i++) {
        char letter = i < f->n_inputs ? f->args[i] : f->results[i - f->n_inputs];
        tb_value_info *t = &f->types[i];
        t->name = "";
        t->dtype = letter == 'i'   ? TB_I32
                   : letter == 'I' ? TB_I64
                   : letter == 'f' ? TB_F32
                   : letter == 'F' ? TB_F64
                                   : TB_NONE;
        if (t->dtype != TB_NONE)
            continue;
        t->rank = TB_MAX_RANK;
        for (int d = 0; d < TB_MAX_RANK; d++) {
            t->dims[d] = -1;
            t->dim_max[d] = INT64_MAX;
        }
    }
    tb_guest_declared(declaration, f->types, f->n_inputs, f->n_results);
    return NULL;
}

static tb_status
learn_function(tb_program *p, uint32_t number, const char *plain, tb_guest_function *f)
{
    const char *name = tb_vm_module_export_name(p->guest, number);
    const char *cconv = tb_vm_module_export_cconv(p->guest, number);
    const char *line = strchr(cconv, '_'), *end = line ? line : cconv + strlen(cconv);

    f->number = number;
    f->args = *cconv ? cconv + 1 : cconv;
    f->results = line ? line + 1 : end;
    f->n_inputs = *f->args == 'v' ? 0 : (int)(end - f->args);
    f->n_results = *f->results == 'v' ? 0 : (int)strlen(f->results);
    f->waits = ends_with(name, "$async") && f->n_inputs >= 2 && end[-1] == 'r' && end[-2] == 'r';
    f->n_inputs -= f->waits ? 2 : 0;
    f->name = tb_heap(strlen(plain) + 1, 1);
    if (!f->name)
        return no_memory();
    memcpy(f->name, plain, strlen(plain));
    return learn_types(f, tb_vm_module_export_attr(p->guest, number, "iree.abi.declaration"));
}

static tb_status
learn_functions(tb_program *p)
{
    uint32_t n = tb_vm_module_export_count(p->guest);
    char plain[512];

    p->fns = tb_heap(n, sizeof *p->fns);
    if (!p->fns)
        return no_memory();
    for (uint32_t i = 0; i < n; i++)
        if (is_shown(p->guest, tb_vm_module_export_name(p->guest, i), plain, sizeof plain))
            TRY(learn_function(p, i, plain, &p->fns[p->n_fns++]));
    return NULL;
}

/* ---- life ---- */
/* Takes over what is loaded. */
static tb_status
wrap(tb_module *own, tb_vm_module *guest, tb_program **out)
{
    tb_program *p = tb_heap(1, sizeof *p);

    if (!p) {
        tb_module_release(own);
        tb_vm_module_release(guest);
        return no_memory();
    }
    atomic_init(&p->refs, 1);
    p->own = own;
    p->guest = guest;
    tb_status st = guest ? learn_functions(p) : NULL;
    if (st)
        tb_program_release(p);
    else
        *out = p;
    return st;
}

tb_status
tb_program_load_file(const char *path, int flags, tb_program **out)
{
    tb_module *own = NULL;
    tb_vm_module *guest = NULL;
    const uint8_t *bytes;
    size_t n;

    *out = NULL;
    TRY(tb_map_file(path, &bytes, &n));
    bool theirs = tb_program_is_guest(bytes, n);
    tb_unmap_file(bytes, n);
    if (theirs)
        TRY(tb_vm_module_load_file(path, &guest));
    else
        TRY(tb_module_load_file(path, flags, &own));
    return wrap(own, guest, out);
}

static void
free_copy(void *user)
{
    tb_mem_free(&tb_default_allocator, user, 0);
}

/* Aligned, so that constants can be used where they lie. */
static tb_status
copy_bytes(const void *bytes, size_t n, void **copy)
{
    *copy = tb_mem_alloc(&tb_default_allocator, n);
    if (!*copy)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a module of %zu bytes", n);
    memcpy(*copy, bytes, n);
    return NULL;
}

static tb_status
load_guest(const void *bytes, size_t n, int flags, void (*release)(void *user), void *user,
           tb_vm_module **out)
{
    void *copy;

    if (!(flags & TB_LOAD_COPY))
        return tb_vm_module_load_memory(bytes, n, release, user, out);
    tb_status st = copy_bytes(bytes, n, &copy);
    if (release)
        release(user);
    return st ? st : tb_vm_module_load_memory(copy, n, free_copy, copy, out);
}

tb_status
tb_program_load_memory(const void *bytes, size_t n, int flags, void (*release)(void *user),
                       void *user, tb_program **out)
{
    tb_module *own = NULL;
    tb_vm_module *guest = NULL;

    *out = NULL;
    if (tb_program_is_guest(bytes, n))
        TRY(load_guest(bytes, n, flags, release, user, &guest));
    else
        TRY(tb_module_load_memory(bytes, n, flags, release, user, &own));
    return wrap(own, guest, out);
}

tb_program *
tb_program_retain(tb_program *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void
tb_program_release(tb_program *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (int i = 0; i < p->n_fns; i++) {
        tb_heap_free(p->fns[i].name);
        tb_heap_free(p->fns[i].types);
    }
    tb_heap_free(p->fns);
    if (p->own)
        tb_module_release(p->own);
    tb_vm_module_release(p->guest);
    tb_heap_free(p);
}

/* ---- what it says ---- */
tb_module *
tb_program_own(const tb_program *p)
{
    return p->own;
}

tb_vm_module *
tb_program_guest(const tb_program *p)
{
    return p->guest;
}

const char *
tb_program_name(const tb_program *p)
{
    return p->own ? tb_module_name(p->own) : tb_vm_module_name(p->guest);
}

const char *
tb_program_target(const tb_program *p)
{
    return p->own ? tb_module_target(p->own) : "iree";
}

int
tb_program_function_count(const tb_program *p)
{
    return p->own ? tb_module_function_count(p->own) : p->n_fns;
}

int
tb_program_find_function(const tb_program *p, const char *name)
{
    if (p->own)
        return tb_module_find_function(p->own, name);
    for (int i = 0; i < p->n_fns; i++)
        if (strcmp(p->fns[i].name, name) == 0)
            return i;
    return -1;
}

const char *
tb_program_function_name(const tb_program *p, int fn)
{
    return p->own ? tb_module_function_name(p->own, fn) : p->fns[fn].name;
}

const char *
tb_program_function_attr(const tb_program *p, int fn, const char *key)
{
    return p->own ? tb_module_function_attr(p->own, fn, key)
                  : tb_vm_module_export_attr(p->guest, p->fns[fn].number, key);
}

int
tb_program_input_count(const tb_program *p, int fn)
{
    return p->own ? tb_module_input_count(p->own, fn) : p->fns[fn].n_inputs;
}

int
tb_program_result_count(const tb_program *p, int fn)
{
    return p->own ? tb_module_result_count(p->own, fn) : p->fns[fn].n_results;
}

void
tb_program_input_info(const tb_program *p, int fn, int i, tb_value_info *out)
{
    if (p->own)
        tb_module_input_info(p->own, fn, i, out);
    else
        *out = p->fns[fn].types[i];
}

void
tb_program_result_info(const tb_program *p, int fn, int i, tb_value_info *out)
{
    if (p->own)
        tb_module_result_info(p->own, fn, i, out);
    else
        *out = p->fns[fn].types[p->fns[fn].n_inputs + i];
}

bool
tb_program_result_is_number(const tb_program *p, int fn, int i)
{
    return p->guest && p->fns[fn].results[i] != 'r';
}

bool
tb_program_has_state(const tb_program *p)
{
    return p->guest || tb_module_global_count(p->own) > 0;
}

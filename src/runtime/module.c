/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * module.c -- modules: from bytes, which are verified and then used where they lie, to a
 * counted object. code.c makes their machine code executable.
 */
#include <sys/mman.h>

#include "runtime/runtime_internal.h"

/* ---- life ---- */
static void
give_back(tb_module *m)
{
    if (m->owner == TB_BYTES_MAPPED)
        tb_unmap_file(m->bytes, m->n_bytes);
    else if (m->release)
        m->release(m->user);
}

static void
destroy(tb_module *m)
{
    tb_code_close(m);
    give_back(m);
    if (!m->placed)
        tb_heap_free(m);
}

static tb_module *
new_module(void)
{
    tb_module *m = tb_heap(1, sizeof *m);
    if (m)
        atomic_init(&m->refs, 1);
    return m;
}

tb_module *
tb_module_retain(tb_module *m)
{
    if (m)
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void
tb_module_release(tb_module *m)
{
    if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        destroy(m);
}

/* ---- from bytes to a module ---- */

/* What follows from the plan. */
static void
prepare(tb_module *m)
{
    const tb_plan *p = &m->plan;
    for (uint32_t i = 0; i < p->n_functions; i++)
        m->n_exported += p->functions[i].exported != 0;
    for (uint32_t i = 0; i < p->n_globals; i++)
        m->n_globals += !p->globals[i].hidden;
    for (uint32_t k = 0; k < p->n_kernels; k++) {
        const tb_plan_kernel *pk = &p->kernels[k];
        if (pk->n_bindings > m->max_bindings)
            m->max_bindings = pk->n_bindings;
        if (pk->n_sizes > m->max_sizes)
            m->max_sizes = pk->n_sizes;
        if (pk->scratch_bytes > m->scratch_bytes)
            m->scratch_bytes = pk->scratch_bytes;
    }
}

uint32_t
tb_module_exported(const tb_module *m, uint32_t fn)
{
    uint32_t i = 0;
    if (m->n_exported == m->plan.n_functions)
        return fn;
    while (!m->plan.functions[i].exported || fn-- > 0)
        i++;
    return i;
}

/* Fills a module whose bytes and owner are set; destroys it on failure. */
static tb_status
finish_load(tb_module *m, int flags, tb_module **out)
{
    tb_status st = tb_artifact_read(m->bytes, m->n_bytes, flags, &m->plan);
    if (!st) {
        prepare(m);
        st = tb_code_open(m, flags);
    }
    if (st)
        destroy(m);
    else
        *out = m;
    return st;
}

#if !defined(TB_NO_MALLOC)
tb_status
tb_module_load_file(const char *path, int flags, tb_module **out)
{
    const uint8_t *bytes = NULL;
    size_t n = 0;
    TRY(tb_map_file(path, &bytes, &n));
    tb_module *m = new_module();
    if (!m) {
        tb_unmap_file(bytes, n);
        return tb_status_make(TB_OUT_OF_MEMORY, "%s: no memory for the module", path);
    }
    m->bytes = bytes;
    m->n_bytes = n;
    m->owner = TB_BYTES_MAPPED;
    return tb_status_in_file(finish_load(m, flags & ~TB_LOAD_EXECUTABLE, out), path);
}

static tb_status
check_bytes(const void *bytes, size_t n, int flags)
{
    if (n == 0)
        return tb_status_make(TB_CORRUPT, "the module is empty");
    if (!(flags & TB_LOAD_COPY) && (uintptr_t)bytes % TB_DATA_ALIGN)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "borrowed bytes of a module must be %d-byte aligned; have them "
                              "copied or align them",
                              TB_DATA_ALIGN);
    return NULL;
}

/* The bytes in memory that becomes unwritable: NULL if there is none. */
static const uint8_t *
copy_bytes(const void *bytes, size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    memcpy(p, bytes, n);
    mprotect(p, n, PROT_READ);
    return p;
}

tb_status
tb_module_load_memory(const void *bytes, size_t n, int flags, void (*release)(void *user),
                      void *user, tb_module **out)
{
    tb_module *m = new_module();
    tb_status st = m ? check_bytes(bytes, n, flags)
                     : tb_status_make(TB_OUT_OF_MEMORY, "no memory for the module");
    const uint8_t *copy = NULL;
    if (!st && flags & TB_LOAD_COPY) {
        copy = copy_bytes(bytes, n);
        if (!copy)
            st = tb_status_make(TB_OUT_OF_MEMORY, "no memory for a module of %zu bytes", n);
    }
    if ((st || copy) && release) {
        release(user);
        release = NULL;
    }
    if (st) {
        tb_heap_free(m);
        return st;
    }
    m->bytes = copy ? copy : bytes;
    m->n_bytes = n;
    m->owner = copy ? TB_BYTES_MAPPED : TB_BYTES_CALLER;
    m->release = release;
    m->user = user;
    return finish_load(m, copy ? flags & ~TB_LOAD_EXECUTABLE : flags, out);
}
#endif

tb_status
tb_module_place(const void *bytes, size_t n, int flags, void *memory, size_t memory_bytes,
                tb_module **out)
{
    _Static_assert(sizeof(tb_module) <= TB_MODULE_BYTES, "what runtime.h promises");
    if (memory_bytes < TB_MODULE_BYTES || (uintptr_t)memory % _Alignof(tb_module))
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "a module takes %d bytes, %zu-byte aligned; %zu bytes were given",
                              TB_MODULE_BYTES, _Alignof(tb_module), memory_bytes);
    if (flags & TB_LOAD_COPY || (uintptr_t)bytes % TB_DATA_ALIGN)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "the bytes of a placed module are used where they are, %d-byte "
                              "aligned",
                              TB_DATA_ALIGN);
    tb_module *m = memory;
    memset(m, 0, sizeof *m);
    atomic_init(&m->refs, 1);
    m->placed = true;
    m->bytes = bytes;
    m->n_bytes = n;
    return finish_load(m, flags, out);
}

tb_status
tb_module_from_plan(const tb_plan *plan, tb_kernel_fn *const *kernels, const void *bytes,
                    size_t n_bytes, tb_module **out)
{
    tb_module *m = new_module();
    if (!m)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the module");
    m->plan = *plan;
    m->bytes = bytes;
    m->n_bytes = n_bytes;
    m->kernels = kernels;
    prepare(m);
    *out = m;
    return NULL;
}

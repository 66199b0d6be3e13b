/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * place.c -- sessions in memory of the caller.
 *
 * The memory is a region: blocks lie one after the other, and only the last one can be
 * given back. A session is created in it the usual way, then everything that calls would
 * allocate is made at once: states of all functions, and the arena, which is last.
 */
#include "runtime/runtime_internal.h"

/* At the start of the memory. */
typedef struct region {
    char *top, *end;
} region;

static size_t
block(size_t bytes)
{
    return TB_ALIGN_UP(bytes ? bytes : 1, (size_t)TB_DATA_ALIGN);
}

static void *
region_alloc(void *user, size_t bytes, size_t align)
{
    region *r = user;
    char *p = r->top;
    if (align > TB_DATA_ALIGN || bytes > (size_t)(r->end - r->top) ||
        block(bytes) > (size_t)(r->end - r->top))
        return NULL;
    r->top += block(bytes);
    return p;
}

static void
region_free(void *user, void *ptr, size_t bytes)
{
    region *r = user;
    if ((char *)ptr + block(bytes) == r->top)
        r->top = ptr;
}

size_t
tb_session_bytes(const tb_module *m, size_t transient_bytes)
{
    const tb_plan *p = &m->plan;
    size_t n = TB_DATA_ALIGN; /* the caller's memory may begin anywhere */
    n += block(sizeof(region)) + block(sizeof(tb_session));
    n += block(sizeof(void *) * p->n_globals) + block(sizeof(bool) * p->n_globals);
    n += block(sizeof(tb_fn_state) * p->n_functions);
    n += block(sizeof(void *) * m->max_bindings) + block(sizeof(int64_t) * m->max_sizes);
    n += block(m->scratch_bytes);
    for (uint32_t i = 0; i < p->n_globals; i++)
        n += tb_global_is_owned(m, i) ? block(tb_global_bytes(m, i)) : 0;
    for (uint32_t i = 0; i < p->n_functions; i++)
        n += block(tb_session_state_bytes(p, &p->functions[i]));
    return n + (transient_bytes ? block(transient_bytes) : 0);
}

static tb_status
make_all(tb_session *s, size_t transient_bytes)
{
    for (uint32_t i = 0; i < s->m->plan.n_functions; i++)
        TRY(tb_session_prepare(s, i));
    return tb_session_reserve(s, transient_bytes);
}

tb_status
tb_session_place(tb_module *m, const tb_session_options *options, size_t transient_bytes,
                 void *memory, size_t memory_bytes, tb_session **out)
{
    size_t need = tb_session_bytes(m, transient_bytes);
    if (!memory || memory_bytes < need)
        return tb_status_make(TB_OUT_OF_MEMORY,
                              "a session of module '%s' takes %zu bytes, the memory given for "
                              "it has %zu",
                              tb_module_name(m), need, memory ? memory_bytes : 0);
    size_t skip = (TB_DATA_ALIGN - (uintptr_t)memory % TB_DATA_ALIGN) % TB_DATA_ALIGN;
    region *r = (void *)((char *)memory + skip);
    *r = (region){(char *)r + block(sizeof *r), (char *)memory + memory_bytes};
    tb_allocator a = {region_alloc, region_free, r};
    tb_session *s = NULL;
    TRY(tb_session_create_in(m, options, &a, &s));
    tb_status st = make_all(s, transient_bytes);
    if (st)
        tb_session_destroy(s);
    else
        *out = s;
    return st;
}

/* ---- how much a call plans ---- */
static int64_t
size_of(void *user, uint32_t input, uint32_t axis)
{
    const tb_tensor *inputs = user;
    return inputs[input].dims[axis];
}

static tb_status
check_sizes(const tb_module *m, int fn, const tb_tensor *inputs, int n_inputs)
{
    if (n_inputs != tb_module_input_count(m, fn) && inputs)
        return tb_status_make(TB_INVALID_ARGUMENT, "function '%s': expected %d inputs, got %d",
                              tb_module_function_name(m, fn), tb_module_input_count(m, fn),
                              n_inputs);
    for (int i = 0; i < tb_module_input_count(m, fn); i++) {
        tb_value_info info;
        tb_module_input_info(m, fn, i, &info);
        if (inputs && inputs[i].rank != info.rank)
            return tb_status_make(TB_INVALID_ARGUMENT,
                                  "function '%s', input %d: expected rank %d, got %d",
                                  tb_module_function_name(m, fn), i, (int)info.rank,
                                  (int)inputs[i].rank);
        for (int d = 0; d < info.rank; d++) {
            int64_t got = inputs ? inputs[i].dims[d] : info.dims[d];
            if (got < info.dim_min[d] || got > info.dim_max[d])
                return tb_status_make(TB_OUT_OF_RANGE,
                                      "function '%s', input %d: dimension %d is from %lld to "
                                      "%lld, got %lld",
                                      tb_module_function_name(m, fn), i, d,
                                      (long long)info.dim_min[d], (long long)info.dim_max[d],
                                      (long long)got);
        }
    }
    return NULL;
}

tb_status
tb_module_transient_bytes(const tb_module *m, int fn, const tb_tensor *inputs, int n_inputs,
                          size_t *out)
{
    if (fn < 0 || (uint32_t)fn >= m->n_exported)
        return tb_status_make(TB_OUT_OF_RANGE, "there is no function %d; the module has %u", fn,
                              m->n_exported);
    TRY(check_sizes(m, fn, inputs, n_inputs));
    const tb_plan_function *f = &m->plan.functions[tb_module_exported(m, (uint32_t)fn)];
    int64_t n = tb_plan_transient(&m->plan, f, size_of, (void *)(uintptr_t)inputs);
    if (n < 0 || (uint64_t)n > SIZE_MAX / 2)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "function '%s': its intermediate results have no size for these "
                              "inputs",
                              tb_module_function_name(m, fn));
    *out = (size_t)n;
    return NULL;
}

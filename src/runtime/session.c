/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * session.c -- state between calls, and what surrounds the instructions of a call: checks
 * of the inputs, transient memory, results' memory.
 *
 * A function's first call makes its tb_fn_state. Later calls with the same shapes skip the
 * prologue: registers still hold every size, and buffer registers their places.
 */
#include "runtime/runtime_internal.h"

/* ---- globals ---- */
/* Static sizes, which the verifier has multiplied already. */
size_t
tb_global_bytes(const tb_module *m, uint32_t i)
{
    const tb_plan_value *v = &m->plan.globals[i].type;
    size_t n = tb_dtype_bytes((tb_dtype)v->dtype);
    for (uint32_t d = 0; d < v->rank; d++)
        n *= (size_t)m->plan.dims[v->dims + d].value;
    return n;
}

/* Others are the module's constants until somebody may write. */
bool
tb_global_is_owned(const tb_module *m, uint32_t i)
{
    const tb_plan_global *g = &m->plan.globals[i];
    return g->mutable_ || g->init == TB_INIT_ZEROS ||
           (g->init >= 0 && m->plan.consts[g->init].bytes < tb_global_bytes(m, i));
}

/* Where the bytes are that global i starts with; NULL: zeros. */
static tb_status
initial(const tb_session *s, uint32_t i, const uint8_t **at)
{
    const tb_plan_global *g = &s->m->plan.globals[i];
    *at = NULL;
    if (g->init == TB_INIT_PARAM)
        return tb_params_bind(s->params, s->m, i, at);
    if (g->init < 0)
        return NULL;
    if (s->m->plan.consts[g->init].bytes < tb_global_bytes(s->m, i))
        return tb_status_make(TB_CORRUPT, "global '%s': its initial value is too short",
                              tb_module_text(s->m, g->type.name));
    *at = s->m->bytes + s->m->plan.consts[g->init].offset;
    return NULL;
}

/* Gives global i memory of its own. */
static tb_status
own_global(tb_session *s, uint32_t i)
{
    const tb_plan_global *g = &s->m->plan.globals[i];
    size_t n = tb_global_bytes(s->m, i);
    const uint8_t *init;
    TRY(initial(s, i, &init));
    void *p = tb_mem_alloc(&s->allocator, n);
    if (!p)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for global '%s' (%zu bytes)",
                              tb_module_text(s->m, g->type.name), n);
    if (init && n)
        memcpy(p, init, n);
    s->globals[i] = p;
    s->global_owned[i] = true;
    return NULL;
}

static tb_status
create_globals(tb_session *s)
{
    for (uint32_t i = 0; i < s->m->plan.n_globals; i++) {
        const uint8_t *at;
        if (tb_global_is_owned(s->m, i)) {
            TRY(own_global(s, i));
        } else {
            TRY(initial(s, i, &at));
            s->globals[i] = (void *)(uintptr_t)at;
        }
    }
    return NULL;
}

tb_status
tb_session_global(tb_session *s, int i, tb_tensor *out)
{
    tb_value_info info;
    if (i < 0 || (uint32_t)i >= s->m->n_globals)
        return tb_status_make(TB_OUT_OF_RANGE, "there is no global %d; the module has %u", i,
                              s->m->n_globals);
    if (!s->global_owned[i]) { /* the caller may write: no view of the module's constant */
        TRY(own_global(s, (uint32_t)i));
        s->arena_epoch++;
    }
    tb_module_global_info(s->m, i, &info);
    *out = (tb_tensor){.data = s->globals[i],
                       .bytes = tb_global_bytes(s->m, (uint32_t)i),
                       .dtype = info.dtype,
                       .rank = info.rank};
    memcpy(out->dims, info.dims, sizeof out->dims);
    return NULL;
}

/* ---- creation ---- */
static tb_status
fill_session(tb_session *s, tb_module *m, const tb_session_options *o)
{
    const tb_plan *p = &m->plan;
    const tb_allocator *a = &s->allocator;
    tb_local_sync_init(&s->own_device);
    s->params = o ? tb_params_retain(o->params) : NULL;
    s->device = o && o->device ? tb_device_retain(o->device) : &s->own_device;
    s->globals = tb_mem_alloc(a, sizeof *s->globals * p->n_globals);
    s->global_owned = tb_mem_alloc(a, sizeof *s->global_owned * p->n_globals);
    s->fns = tb_mem_alloc(a, sizeof *s->fns * p->n_functions);
    s->bindings = tb_mem_alloc(a, sizeof *s->bindings * m->max_bindings);
    s->sizes = tb_mem_alloc(a, sizeof *s->sizes * m->max_sizes);
    s->scratch = tb_mem_alloc(a, m->scratch_bytes);
    if (!s->globals || !s->global_owned || !s->fns || !s->bindings || !s->sizes ||
        !s->scratch)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a session");
    return create_globals(s);
}

tb_status
tb_session_create_in(tb_module *m, const tb_session_options *options, const tb_allocator *a,
                     tb_session **out)
{
    tb_session *s = tb_mem_alloc(a, sizeof *s);
    if (!s)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a session");
    s->allocator = *a;
    s->m = tb_module_retain(m);
    s->arena_epoch = 1;
    atomic_init(&s->in_call, false);
    tb_status st = fill_session(s, m, options);
    if (st)
        tb_session_destroy(s);
    else
        *out = s;
    return st;
}

tb_status
tb_session_create(tb_module *m, const tb_session_options *options, tb_session **out)
{
    bool given = options && options->allocator;
    return tb_session_create_in(m, options, given ? options->allocator : &tb_default_allocator,
                                out);
}

void
tb_session_destroy(tb_session *s)
{
    if (!s)
        return;
    const tb_plan *p = &s->m->plan;
    tb_allocator a = s->allocator;
    for (uint32_t i = 0; s->globals && s->global_owned && i < p->n_globals; i++)
        if (s->global_owned[i])
            tb_mem_free(&a, s->globals[i], tb_global_bytes(s->m, i));
    for (uint32_t i = 0; s->fns && i < p->n_functions; i++) {
        for (uint32_t k = 0; s->fns[i].block && k < p->functions[i].n_slots; k++)
            tb_mem_free(&a, s->fns[i].slots[k].at, s->fns[i].slots[k].bytes);
        tb_mem_free(&a, s->fns[i].block, s->fns[i].block_bytes);
    }
    tb_mem_free(&a, s->arena, s->arena_bytes);
    tb_mem_free(&a, s->globals, sizeof *s->globals * p->n_globals);
    tb_mem_free(&a, s->global_owned, sizeof *s->global_owned * p->n_globals);
    tb_mem_free(&a, s->fns, sizeof *s->fns * p->n_functions);
    tb_mem_free(&a, s->bindings, sizeof *s->bindings * s->m->max_bindings);
    tb_mem_free(&a, s->sizes, sizeof *s->sizes * s->m->max_sizes);
    tb_mem_free(&a, s->scratch, s->m->scratch_bytes);
    tb_spare_release(s->spare);
    tb_device_release(s->device);
    tb_params_release(s->params);
    tb_module *m = s->m;
    tb_mem_free(&a, s, sizeof *s);
    tb_module_release(m);
}

/* ---- a function's state ---- */
static size_t
count_dims(const tb_plan *p, const tb_plan_function *f)
{
    size_t n = 0;
    for (uint32_t i = 0; i < f->n_inputs; i++) {
        const tb_plan_value *v = &p->values[f->input + i];
        n += v->rank + (v->is_size != 0);
    }
    return n;
}

size_t
tb_session_state_bytes(const tb_plan *p, const tb_plan_function *f)
{
    return 8 * (f->n_regs + count_dims(p, f)) + sizeof(tb_slot) * f->n_slots +
           sizeof(void *) * f->n_bufs +
           sizeof(size_t) * (f->n_bufs + f->n_inputs) +
           4 * ((size_t)f->n_bufs + f->n_inputs + f->n_results) + f->n_results;
}

/* Buffer registers by what they stand for; those of constants get their place. */
static void
link_bufs(tb_call *c)
{
    const tb_plan *p = &c->m->plan;
    tb_fn_state *t = c->state;
    for (uint32_t i = 0; i < c->f->n_inputs; i++)
        t->input_buf[i] = -1;
    for (uint32_t i = 0; i < c->f->n_results; i++)
        t->result_buf[i] = -1;
    for (uint32_t b = 0; b < c->f->n_bufs; b++) {
        const tb_plan_buf *pb = &p->bufs[c->f->buf + b];
        int32_t *head = pb->kind == TB_BUF_INPUT    ? &t->input_buf[pb->index]
                        : pb->kind == TB_BUF_RESULT ? &t->result_buf[pb->index]
                                                    : NULL;
        t->next_buf[b] = head ? *head : -1;
        if (head)
            *head = (int32_t)b;
        if (pb->kind == TB_BUF_CONST) {
            const tb_plan_const *k = &p->consts[pb->index];
            t->ptr[b] = (void *)(uintptr_t)(c->m->bytes + k->offset);
            t->bytes[b] = (size_t)k->bytes;
        }
    }
}

static void *
carve(char **at, size_t elem_bytes, size_t n)
{
    void *p = *at;
    *at += elem_bytes * n;
    return p;
}

static tb_status
create_state(tb_call *c)
{
    tb_fn_state *t = c->state;
    size_t n_in = c->f->n_inputs, n_out = c->f->n_results, n_bufs = c->f->n_bufs;
    size_t n_dims = count_dims(&c->m->plan, c->f), n_regs = c->f->n_regs;
    size_t n = tb_session_state_bytes(&c->m->plan, c->f);
    char *at = tb_mem_alloc(&c->s->allocator, n);
    if (!at)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a session's registers");
    t->block = at;
    t->block_bytes = n;
    t->regs = carve(&at, 8, n_regs);
    t->dims = carve(&at, 8, n_dims);
    t->slots = carve(&at, sizeof(tb_slot), c->f->n_slots);
    t->ptr = carve(&at, sizeof(void *), n_bufs);
    t->bytes = carve(&at, sizeof(size_t), n_bufs);
    t->input_bytes = carve(&at, sizeof(size_t), n_in);
    t->next_buf = carve(&at, 4, n_bufs);
    t->input_buf = carve(&at, 4, n_in);
    t->result_buf = carve(&at, 4, n_out);
    t->result_state = carve(&at, 1, n_out);
    link_bufs(c);
    return NULL;
}

tb_status
tb_session_prepare(tb_session *s, uint32_t function)
{
    tb_call c = {.s = s,
                 .m = s->m,
                 .f = &s->m->plan.functions[function],
                 .state = &s->fns[function]};
    return c.state->block ? NULL : create_state(&c);
}

/* ---- inputs ---- */
const char *
tb_call_input_where(const tb_call *c, uint32_t i, char out[TB_WHERE_BYTES])
{
    const char *name = tb_module_text(c->m, c->m->plan.values[c->f->input + i].name);
    snprintf(out, TB_WHERE_BYTES, "function '%s', input %u%s%s%s",
             tb_module_text(c->m, c->f->name), i, *name ? " '" : "", name, *name ? "'" : "");
    return out;
}

/* What is wrong with input i, whose axis `ax` (-1: dtype or rank) does not fit. */
static tb_status
wrong_type(const tb_call *c, uint32_t i, int ax)
{
    const tb_plan_value *v = &c->m->plan.values[c->f->input + i];
    const tb_plan_dim *pd = &c->m->plan.dims[v->dims];
    const tb_tensor *t = &c->inputs[i];
    char where[TB_WHERE_BYTES], want[TB_TYPE_TEXT_BYTES], got[TB_TYPE_TEXT_BYTES];
    char range[96] = "";
    int64_t dims[TB_MAX_RANK];
    for (uint32_t d = 0; d < v->rank; d++)
        dims[d] = pd[d].value;
    if (ax >= 0 && pd[ax].value < 0)
        snprintf(range, sizeof range, " with dimension %d from %lld to %lld", ax,
                 (long long)pd[ax].min, (long long)pd[ax].max);
    return tb_status_make(TB_INVALID_ARGUMENT, "%s: expected %s%s, got %s",
                          tb_call_input_where(c, i, where),
                          tb_type_text(want, (tb_dtype)v->dtype, (int)v->rank, dims), range,
                          tb_type_text(got, t->dtype, t->rank, t->dims));
}

static tb_status
need_data(const tb_call *c, uint32_t i, size_t n)
{
    const tb_tensor *in = &c->inputs[i];
    char where[TB_WHERE_BYTES], type[TB_TYPE_TEXT_BYTES];
    if (in->bytes < n)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%s: %s takes %zu bytes, the tensor's data has %zu",
                              tb_call_input_where(c, i, where),
                              tb_type_text(type, in->dtype, in->rank, in->dims), n, in->bytes);
    if (!in->data && n)
        return tb_status_make(TB_INVALID_ARGUMENT, "%s: the tensor's data is NULL",
                              tb_call_input_where(c, i, where));
    return NULL;
}

/* Whether all inputs have the shapes of the call before; checks dtypes and ranks. */
static tb_status
compare_shapes(const tb_call *c, bool *same)
{
    const int64_t *dims = c->state->dims;
    *same = c->state->shapes_known;
    for (uint32_t i = 0; i < c->f->n_inputs; i++) {
        const tb_plan_value *v = &c->m->plan.values[c->f->input + i];
        const tb_tensor *t = &c->inputs[i];
        if ((uint32_t)t->dtype != v->dtype || (uint32_t)t->rank != v->rank)
            return wrong_type(c, i, -1);
        for (uint32_t d = 0; d < v->rank; d++)
            *same = *same && t->dims[d] == *dims++;
        if (v->is_size) {
            TRY(need_data(c, i, 8));
            *same = *same && memcmp(t->data, dims++, 8) == 0;
        }
    }
    return NULL;
}

static tb_status
take_shapes(tb_call *c)
{
    int64_t *dims = c->state->dims;
    char where[TB_WHERE_BYTES];
    c->state->shapes_known = false;
    for (uint32_t i = 0; i < c->f->n_inputs; i++) {
        const tb_plan_value *v = &c->m->plan.values[c->f->input + i];
        const tb_tensor *t = &c->inputs[i];
        for (uint32_t d = 0; d < v->rank; d++) {
            const tb_plan_dim *pd = &c->m->plan.dims[v->dims + d];
            int64_t n = t->dims[d];
            bool ok = pd->value >= 0 ? n == pd->value : n >= pd->min && n <= pd->max;
            if (!ok || n < 0)
                return wrong_type(c, i, (int)d);
            *dims++ = n;
        }
        if (v->is_size)
            memcpy(dims++, t->data, 8);
        if (!tb_type_bytes(t->dtype, t->rank, t->dims, &c->state->input_bytes[i]))
            return tb_status_make(TB_OUT_OF_RANGE, "%s: the tensor's size does not fit 64 bits",
                                  tb_call_input_where(c, i, where));
    }
    return NULL;
}

static tb_status
bind_inputs(tb_call *c)
{
    tb_fn_state *t = c->state;
    for (uint32_t i = 0; i < c->f->n_inputs; i++) {
        const tb_tensor *in = &c->inputs[i];
        TRY(need_data(c, i, t->input_bytes[i]));
        for (int32_t b = t->input_buf[i]; b >= 0; b = t->next_buf[b]) {
            t->ptr[b] = in->data;
            t->bytes[b] = t->input_bytes[i];
        }
    }
    return NULL;
}

/* ---- transient memory ---- */
tb_status
tb_session_reserve(tb_session *s, size_t n)
{
    if (n <= s->arena_bytes)
        return NULL;
    if (s->arena)
        s->allocator.free(s->allocator.user, s->arena, s->arena_bytes);
    s->arena_bytes = 0;
    s->arena_epoch++;
    s->arena = s->allocator.alloc(s->allocator.user, n, tb_mem_block_align(&s->allocator, n));
    if (!s->arena)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %zu bytes of intermediate "
                                                "results",
                              n);
    s->arena_bytes = n;
    return NULL;
}

static tb_status
grow_arena(tb_call *c, size_t need)
{
    /* Growing shapes, as a text being generated, would move the arena on every call. */
    tb_status st = NULL;
    if (c->s->arena)
        st = tb_session_reserve(c->s, need + need / 4);
    if (!c->s->arena) {
        tb_status_free(st);
        st = tb_session_reserve(c->s, need);
    }
    if (!st)
        return NULL;
    tb_status_free(st);
    return tb_status_make(TB_OUT_OF_MEMORY,
                          "function '%s': no memory for %zu bytes of intermediate results",
                          tb_module_text(c->m, c->f->name), need);
}

/* Points buffer registers at the arena and at globals. */
static tb_status
bind_arena(tb_call *c)
{
    const tb_plan *p = &c->m->plan;
    tb_fn_state *t = c->state;
    int64_t size = c->f->arena_reg >= 0 ? t->regs[c->f->arena_reg] : 0;
    if (size < 0 || (uint64_t)size > SIZE_MAX / 2)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "function '%s': intermediate results of %lld bytes",
                              tb_module_text(c->m, c->f->name), (long long)size);
    t->transient_bytes = (size_t)size;
    if ((size_t)size > c->s->arena_bytes)
        TRY(grow_arena(c, (size_t)size));
    for (uint32_t b = 0; b < c->f->n_bufs; b++) {
        const tb_plan_buf *pb = &p->bufs[c->f->buf + b];
        if (pb->kind == TB_BUF_ARENA) {
            int64_t at = t->regs[pb->offset_reg], n = t->regs[pb->bytes_reg];
            if (at < 0 || n < 0 || at > size || n > size - at)
                return tb_status_make(TB_CORRUPT,
                                      "function '%s': memory outside the arena: %lld + %lld "
                                      "of %lld bytes",
                                      tb_module_text(c->m, c->f->name), (long long)at,
                                      (long long)n, (long long)size);
            t->ptr[b] = c->s->arena ? (char *)c->s->arena + at : NULL;
            t->bytes[b] = (size_t)n;
        } else if (pb->kind == TB_BUF_GLOBAL) {
            t->bytes[b] = tb_global_bytes(c->m, pb->index);
            t->ptr[b] = c->s->globals[pb->index];
        }
    }
    t->arena_epoch = c->s->arena_epoch;
    return NULL;
}

tb_status
tb_call_slot(tb_call *c, uint32_t b, int64_t n)
{
    tb_session *s = c->s;
    tb_slot *slot = &c->state->slots[c->m->plan.bufs[c->f->buf + b].index];
    if (n < 0 || (uint64_t)n > SIZE_MAX / 2)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "function '%s': an intermediate result of %lld bytes",
                              tb_module_text(c->m, c->f->name), (long long)n);
    if ((size_t)n > slot->bytes || !slot->at) {
        size_t want = (size_t)n + (slot->at ? (size_t)n / 4 : 0) + 1;
        tb_mem_free(&s->allocator, slot->at, slot->bytes);
        *slot = (tb_slot){.at = s->allocator.alloc(s->allocator.user, want, TB_DATA_ALIGN)};
        if (!slot->at)
            return tb_status_make(
                TB_OUT_OF_MEMORY,
                "function '%s': no memory for an intermediate result of %lld bytes",
                tb_module_text(c->m, c->f->name), (long long)n);
        slot->bytes = want;
    }
    c->state->ptr[b] = slot->at;
    c->state->bytes[b] = (size_t)n;
    return NULL;
}

/* ---- results ---- */
static void
release_owned(tb_tensor *t)
{
    t->owner.free(t->owner.user, t->data, t->bytes);
}

static tb_status
give_memory(tb_call *c, uint32_t i, size_t n)
{
    tb_tensor *t = &c->results[i];
    char type[TB_TYPE_TEXT_BYTES];
    c->state->result_state[i] = TB_RESULT_GIVEN;
    if (t->data && t->bytes >= n)
        return NULL;
    if (t->data)
        return tb_status_make(TB_OUT_OF_RANGE,
                              "function '%s', result %u: %s takes %zu bytes, the memory given "
                              "for it has %zu",
                              tb_module_text(c->m, c->f->name), i,
                              tb_type_text(type, t->dtype, t->rank, t->dims), n, t->bytes);
    t->bytes = 0;
    t->release = NULL;
    if (n == 0)
        return NULL;
    tb_allocator a = tb_spare_allocator(&c->s->spare, &c->s->allocator, n);
    t->data = a.alloc(a.user, n, TB_DATA_ALIGN);
    if (!t->data)
        return tb_status_make(TB_OUT_OF_MEMORY, "function '%s', result %u: no memory for %s",
                              tb_module_text(c->m, c->f->name), i,
                              tb_type_text(type, t->dtype, t->rank, t->dims));
    t->bytes = n;
    t->owner = a;
    t->release = release_owned;
    c->state->result_state[i] = TB_RESULT_ALLOCATED;
    return NULL;
}

tb_status
tb_call_result(tb_call *c, uint32_t i)
{
    const tb_plan_value *v = &c->m->plan.values[c->f->result + i];
    tb_tensor *t = &c->results[i];
    char type[TB_TYPE_TEXT_BYTES];
    size_t n;
    if (c->state->result_state[i] != TB_RESULT_NONE)
        return tb_status_make(TB_CORRUPT, "function '%s': result %u is made twice",
                              tb_module_text(c->m, c->f->name), i);
    t->dtype = (tb_dtype)v->dtype;
    t->rank = (int32_t)v->rank;
    for (uint32_t d = 0; d < v->rank; d++) {
        const tb_plan_dim *pd = &c->m->plan.dims[v->dims + d];
        t->dims[d] = pd->value >= 0 ? pd->value : c->state->regs[pd->reg];
    }
    if (!tb_type_bytes(t->dtype, t->rank, t->dims, &n))
        return tb_status_make(TB_OUT_OF_RANGE,
                              "function '%s', result %u: sizes are negative or too large: %s",
                              tb_module_text(c->m, c->f->name), i,
                              tb_type_text(type, t->dtype, t->rank, t->dims));
    TRY(give_memory(c, i, n));
    for (int32_t b = c->state->result_buf[i]; b >= 0; b = c->state->next_buf[b]) {
        c->state->ptr[b] = t->data;
        c->state->bytes[b] = n;
    }
    return NULL;
}

/* Results' registers are empty until RESULT ran. */
static void
forget_results(tb_call *c)
{
    tb_fn_state *t = c->state;
    for (uint32_t i = 0; i < c->f->n_results; i++) {
        t->result_state[i] = TB_RESULT_NONE;
        for (int32_t b = t->result_buf[i]; b >= 0; b = t->next_buf[b]) {
            t->ptr[b] = NULL;
            t->bytes[b] = 0;
        }
    }
}

/* ---- the call ---- */
static tb_status
run(tb_call *c)
{
    bool same;
    if (!c->state->block)
        TRY(create_state(c));
    forget_results(c);
    TRY(compare_shapes(c, &same));
    if (!same) {
        TRY(take_shapes(c));
        TRY(tb_exec(c, 0, c->f->prologue_end));
    }
    if (!same || c->state->arena_epoch != c->s->arena_epoch)
        TRY(bind_arena(c));
    c->state->shapes_known = true;
    TRY(bind_inputs(c));
    TRY(tb_exec(c, c->f->prologue_end, c->f->n_code));
    for (uint32_t i = 0; i < c->f->n_results; i++)
        if (c->state->result_state[i] == TB_RESULT_NONE)
            return tb_status_make(TB_CORRUPT, "function '%s' does not make its result %u",
                                  tb_module_text(c->m, c->f->name), i);
    return NULL;
}

tb_status
tb_session_call(tb_session *s, int fn, const tb_tensor *inputs, int n_inputs,
                tb_tensor *results, int n_results)
{
    const tb_module *m = s->m;
    if (fn < 0 || (uint32_t)fn >= m->n_exported)
        return tb_status_make(TB_OUT_OF_RANGE, "there is no function %d; the module has %u",
                              fn, m->n_exported);
    tb_call c = {.s = s,
                 .m = m,
                 .f = &m->plan.functions[tb_module_exported(m, (uint32_t)fn)],
                 .state = &s->fns[tb_module_exported(m, (uint32_t)fn)],
                 .inputs = inputs,
                 .results = results};
    if (n_inputs < 0 || (uint32_t)n_inputs != c.f->n_inputs)
        return tb_status_make(TB_INVALID_ARGUMENT, "function '%s': expected %u input%s, got %d",
                              tb_module_text(m, c.f->name), c.f->n_inputs,
                              c.f->n_inputs == 1 ? "" : "s", n_inputs);
    if (n_results < 0 || (uint32_t)n_results != c.f->n_results)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "function '%s' has %u result%s, room was given for %d",
                              tb_module_text(m, c.f->name), c.f->n_results,
                              c.f->n_results == 1 ? "" : "s", n_results);
    if (atomic_exchange_explicit(&s->in_call, true, memory_order_acquire))
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "function '%s': the session is in a call already; a session is "
                              "for one thread at a time",
                              tb_module_text(m, c.f->name));
    if (s->watcher)
        s->watcher->call(s->watcher->user, fn, true);
    tb_status st = run(&c);
    if (s->watcher)
        s->watcher->call(s->watcher->user, fn, false);
    for (uint32_t i = 0; st && c.state->block && i < c.f->n_results; i++)
        if (c.state->result_state[i] == TB_RESULT_ALLOCATED)
            tb_tensor_release(&results[i]);
    atomic_store_explicit(&s->in_call, false, memory_order_release);
    return st;
}

void
tb_session_watch(tb_session *s, const tb_watcher *w)
{
    s->watcher = w;
}

size_t
tb_session_transient_bytes(const tb_session *s, int fn)
{
    if (fn < 0 || (uint32_t)fn >= s->m->n_exported)
        return 0;
    return s->fns[tb_module_exported(s->m, (uint32_t)fn)].transient_bytes;
}

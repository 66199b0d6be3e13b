/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * exec.c -- the interpreter of a function's instructions (artifact/plan.h).
 *
 * tb_plan_verify has checked every index, register and jump target, so nothing of that is
 * looked at again; what depends on values (sizes, divisors, tile counts) is checked here.
 */
#include "runtime/runtime_internal.h"

static tb_status
overflow(const tb_call *c)
{
    return tb_status_make(TB_OUT_OF_RANGE,
                          "function '%s': a size computed from the inputs' shapes does not "
                          "fit 64 bits",
                          tb_module_text(c->m, c->f->name));
}

static tb_status
zero_divisor(const tb_call *c)
{
    return tb_status_make(TB_OUT_OF_RANGE,
                          "function '%s': division by zero while computing a size",
                          tb_module_text(c->m, c->f->name));
}

static tb_status
corrupt(const tb_call *c, const char *what)
{
    return tb_status_make(TB_CORRUPT, "function '%s': %s", tb_module_text(c->m, c->f->name),
                          what);
}

/* "model.py:41: aten.embedding in encoder.layer.0: index out of range" */
static tb_status
kernel_error(const tb_call *c, const int32_t *w, int32_t error)
{
    const tb_plan *p = &c->m->plan;
    const tb_plan_kernel *k = &p->kernels[w[1]];
    const tb_plan_work *work = tb_plan_work_at(p, (uint32_t)(w - p->code));
    uint32_t loc = work ? work->loc : k->loc;
    tb_plan_loc none = {0};
    const tb_plan_loc *l = loc < p->n_locs ? &p->locs[loc] : &none;
    tb_code code = TB_INTERNAL;
    const char *what = "the kernel failed";
    char line[32] = "";
    switch ((enum tb_kernel_error)error) {
    case TB_KERNEL_INDEX_OUT_OF_RANGE:
        code = TB_OUT_OF_RANGE;
        what = "index out of range: a value of the index tensor names no element";
        break;
    case TB_KERNEL_ASSERT:
        code = TB_INVALID_ARGUMENT;
        what = "an assertion in the model does not hold";
        break;
    case TB_KERNEL_OK:
        break;
    }
    if (l->line)
        snprintf(line, sizeof line, ":%u", l->line);
    return tb_status_make(code, "%s%s%s%s%s%s: %s (function '%s', kernel '%s')",
                          tb_module_text(c->m, l->file), line, l->file.len ? ": " : "",
                          tb_module_text(c->m, l->op.len ? l->op : k->name),
                          l->path.len ? " in " : "", tb_module_text(c->m, l->path), what,
                          tb_module_text(c->m, c->f->name), tb_module_text(c->m, k->name));
}

static tb_status
check_dim(const tb_call *c, const int32_t *w)
{
    int64_t want = c->state->regs[w[3]], got = c->inputs[w[1]].dims[w[2]];
    char where[TB_WHERE_BYTES], type[TB_TYPE_TEXT_BYTES];
    const tb_tensor *t = &c->inputs[w[1]];
    if (want == got)
        return NULL;
    return tb_status_make(TB_INVALID_ARGUMENT,
                          "%s: expected dimension %d to be %lld, as the other sizes say, got %s",
                          tb_call_input_where(c, (uint32_t)w[1], where), w[2],
                          (long long)want, tb_type_text(type, t->dtype, t->rank, t->dims));
}

/* The scalar of an integer type at p. */
static bool
load_scalar(tb_dtype dtype, const void *p, int64_t *out)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } v;
    memcpy(&v, p, tb_dtype_bytes(dtype));
    switch (dtype) {
    case TB_BOOL:
        *out = v.u8 != 0;
        return true;
    case TB_U8:
        *out = v.u8;
        return true;
    case TB_I8:
        *out = v.i8;
        return true;
    case TB_U16:
        *out = v.u16;
        return true;
    case TB_I16:
        *out = v.i16;
        return true;
    case TB_U32:
        *out = v.u32;
        return true;
    case TB_I32:
        *out = v.i32;
        return true;
    case TB_U64:
        *out = (int64_t)v.u64;
        return v.u64 <= INT64_MAX;
    case TB_I64:
        *out = v.i64;
        return true;
    case TB_F16:
    case TB_BF16:
    case TB_F32:
    case TB_F64:
    case TB_C64:
    case TB_C128:
    case TB_NONE:
    case TB_DTYPE_END:
        break;
    }
    return false;
}

static tb_status
load(tb_call *c, const int32_t *w)
{
    tb_dtype dtype = (tb_dtype)w[3];
    size_t n = dtype > TB_NONE && dtype < TB_DTYPE_END ? tb_dtype_bytes(dtype) : 0;
    if (n == 0 || n > 8)
        return corrupt(c, "no integer type to load");
    if (c->state->bytes[w[2]] < n || !c->state->ptr[w[2]])
        return corrupt(c, "a scalar is loaded from no memory");
    if (!load_scalar(dtype, c->state->ptr[w[2]], &c->state->regs[w[1]]))
        return dtype == TB_U64 ? overflow(c) : corrupt(c, "no integer type to load");
    return NULL;
}

static bool
is_arena(const tb_call *c, int32_t b)
{
    return c->m->plan.bufs[c->f->buf + (uint32_t)b].kind == TB_BUF_ARENA;
}

/* The integer in an input that is a size; the input has been checked to be an i64. */
static int64_t
value_of(const tb_call *c, int32_t input)
{
    int64_t v;
    memcpy(&v, c->inputs[input].data, sizeof v);
    return v;
}

/* Arena buffers are rounded up to TB_DATA_ALIGN: there the other one's size counts. */
static tb_status
copy(tb_call *c, const int32_t *w)
{
    size_t to = c->state->bytes[w[1]], from = c->state->bytes[w[2]];
    size_t n = to < from ? to : from;
    if ((n < to && !is_arena(c, w[1])) || (n < from && !is_arena(c, w[2])))
        return corrupt(c, "a copy between buffers of different sizes");
    if (n)
        memmove(c->state->ptr[w[1]], c->state->ptr[w[2]], n);
    return NULL;
}

static int32_t
watched(tb_call *c, const int32_t *w, const tb_work *work)
{
    const tb_watcher *watcher = c->s->watcher;
    const tb_plan *p = &c->m->plan;
    uint32_t at = (uint32_t)(w - p->code);
    const tb_plan_work *known = tb_plan_work_at(p, at);
    const int64_t *regs = c->state->regs;
    tb_dispatch_info info = {.place = at,
                             .kernel = (uint32_t)w[1],
                             .tiles = work->tiles,
                             .flops = known && known->flops >= 0 ? regs[known->flops] : -1,
                             .bytes = known && known->bytes >= 0 ? regs[known->bytes] : -1};
    watcher->dispatch(watcher->user, &info, true);
    int32_t error = c->s->device->driver->dispatch(c->s->device, work);
    watcher->dispatch(watcher->user, &info, false);
    return error;
}

/* words: head, kernel, tiles, flags, n bindings, b..., m sizes, r... */
static tb_status
dispatch(tb_call *c, const int32_t *w)
{
    tb_session *s = c->s;
    const tb_fn_state *t = c->state;
    uint32_t kernel = (uint32_t)w[1], n = (uint32_t)w[4], m = (uint32_t)w[5 + n];
    int64_t tiles = t->regs[w[2]];
    if (tiles < 0)
        return corrupt(c, "a negative number of tiles");
    if (tiles == 0)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        s->bindings[i] = t->ptr[w[5 + i]];
    for (uint32_t i = 0; i < m; i++)
        s->sizes[i] = t->regs[w[6 + n + i]];
    tb_work work = {.fn = tb_module_kernel(c->m, kernel),
                    .bindings = s->bindings,
                    .sizes = s->sizes,
                    .tiles = tiles,
                    .tile_cost_ns = c->m->plan.kernels[kernel].tile_cost_ns,
                    .scratch = s->scratch,
                    .scratch_bytes = c->m->scratch_bytes};
    int32_t error = s->watcher ? watched(c, w, &work)
                               : s->device->driver->dispatch(s->device, &work);
    return error ? kernel_error(c, w, error) : NULL;
}

tb_status
tb_exec(tb_call *c, uint32_t begin, uint32_t end)
{
    const int32_t *code = c->m->plan.code + c->f->code;
    int64_t *regs = c->state->regs;
    /* Without kernels conditions mean nothing: loops must end in some other way. */
    int64_t backward = c->s->device->driver->runs_kernels ? INT64_MAX : 1000;
    uint32_t pc = begin;
    while (pc < end) {
        const int32_t *w = code + pc;
        uint32_t next = pc + ((uint32_t)w[0] >> 16);
        switch ((tb_opcode)(w[0] & 0xffff)) {
        case TB_I_CONST:
            regs[w[1]] = (int64_t)((uint64_t)(uint32_t)w[2] | (uint64_t)(uint32_t)w[3] << 32);
            break;
        case TB_I_MOVE:
            regs[w[1]] = regs[w[2]];
            break;
        case TB_I_ADD:
            if (!tb_add_ok(regs[w[2]], regs[w[3]], &regs[w[1]]))
                return overflow(c);
            break;
        case TB_I_SUB:
            if (__builtin_sub_overflow(regs[w[2]], regs[w[3]], &regs[w[1]]))
                return overflow(c);
            break;
        case TB_I_MUL:
            if (!tb_mul_ok(regs[w[2]], regs[w[3]], &regs[w[1]]))
                return overflow(c);
            break;
        case TB_I_DIV:
            if (regs[w[3]] == 0)
                return zero_divisor(c);
            if (regs[w[2]] == INT64_MIN && regs[w[3]] == -1)
                return overflow(c);
            regs[w[1]] = tb_floordiv(regs[w[2]], regs[w[3]]);
            break;
        case TB_I_MOD:
            if (regs[w[3]] == 0)
                return zero_divisor(c);
            regs[w[1]] = tb_mod(regs[w[2]], regs[w[3]]);
            break;
        case TB_I_MIN:
            regs[w[1]] = regs[w[2]] < regs[w[3]] ? regs[w[2]] : regs[w[3]];
            break;
        case TB_I_MAX:
            regs[w[1]] = regs[w[2]] > regs[w[3]] ? regs[w[2]] : regs[w[3]];
            break;
        case TB_I_EQ:
            regs[w[1]] = regs[w[2]] == regs[w[3]];
            break;
        case TB_I_LT:
            regs[w[1]] = regs[w[2]] < regs[w[3]];
            break;
        case TB_I_DIM:
            regs[w[1]] = c->inputs[w[2]].dims[w[3]];
            break;
        case TB_I_VALUE:
            regs[w[1]] = value_of(c, w[2]);
            break;
        case TB_I_CHECK_DIM:
            TRY(check_dim(c, w));
            break;
        case TB_I_CHECK:
            if (!regs[w[1]])
                return tb_status_make(TB_INVALID_ARGUMENT, "function '%s': %s",
                                      tb_module_text(c->m, c->f->name),
                                      c->m->plan.strings + w[2]);
            break;
        case TB_I_RESULT:
            TRY(tb_call_result(c, (uint32_t)w[1]));
            break;
        case TB_I_ALLOC:
            TRY(tb_call_slot(c, (uint32_t)w[1], regs[w[2]]));
            break;
        case TB_I_LOAD:
            TRY(load(c, w));
            break;
        case TB_I_DISPATCH:
            TRY(dispatch(c, w));
            break;
        case TB_I_COPY:
            TRY(copy(c, w));
            break;
        case TB_I_JUMP_ZERO:
            if (regs[w[1]])
                break;
            next = (uint32_t)w[2];
            goto jump;
        case TB_I_JUMP:
            next = (uint32_t)w[1];
        jump:
            if (next <= pc && backward-- == 0)
                return tb_status_make(TB_OUT_OF_RANGE,
                                      "function '%s': a loop does not end on device '%s', "
                                      "which runs no kernels",
                                      tb_module_text(c->m, c->f->name),
                                      tb_device_name(c->s->device));
            break;
        case TB_I_RETURN:
            return NULL;
        case TB_I_END:
            return corrupt(c, "an instruction that is not defined");
        }
        pc = next;
    }
    return NULL;
}

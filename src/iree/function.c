/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * function.c -- a function of the plan as two of the machine's:
 *
 *   NAME$async(inputs, wait, signal)   the work: inputs are looked at once `wait` is
 *                                      reached, results are there once `signal` is
 *   NAME(inputs)                       calls it and waits
 */
#include "iree/program.h"

/* ---- inputs ---- */
/* "function 'main', input 1 'mask'" */
static tb_str
where(tb_translation *t, uint32_t input)
{
    const char *name = t->p->strings + t->p->values[t->f->input + input].name.off;
    return tb_sprintf(t->a, "function '%s', input %u%s%s%s", t->p->strings + t->f->name.off,
                      input, *name ? " '" : "", name, *name ? "'" : "");
}

static void
check_range(tb_translation *t, uint32_t input, uint32_t axis, const tb_plan_dim *d)
{
    tb_asm_fn *v = t->v;
    tb_asm_reg n = t->dims[input][axis];
    tb_str text = tb_sprintf(t->a, "%.*s: expected dimension %u from %lld to %lld",
                             TB_FMT(where(t, input)), axis, (long long)d->min,
                             (long long)d->max);
    if (d->min > 0)
        tb_t_check(t, tb_asm_compare(v, TB_ASM_LT, tb_asm_const64(v, d->min - 1), n),
                   IREE_INVALID_ARGUMENT, text);
    if (d->max < INT64_MAX)
        tb_t_check(t, tb_asm_compare(v, TB_ASM_LT, n, tb_asm_const64(v, d->max + 1)),
                   IREE_INVALID_ARGUMENT, text);
}

/* Checks input i's type and takes it apart. */
static void
take_input(tb_translation *t, uint32_t i)
{
    const tb_plan_value *val = &t->p->values[t->f->input + i];
    const tb_plan_dim *d = &t->p->dims[val->dims];
    tb_asm_fn *v = t->v;
    tb_asm_reg view = (tb_asm_reg)(TB_ASM_REF | i), *args = TB_NEWN(t->a, tb_asm_reg, 4 + val->rank);
    tb_range ranges[TB_MAX_RANK];
    uint16_t segments[] = {TB_ASM_SCALAR, TB_ASM_SCALAR, TB_ASM_SCALAR, TB_ASM_SCALAR,
                           (uint16_t)val->rank};

    t->dims[i] = TB_NEWN(t->a, tb_asm_reg, val->rank + 1);
    for (uint32_t ax = 0; ax < val->rank; ax++) {
        ranges[ax] = (tb_range){d[ax].value, d[ax].value};
        if (d[ax].value >= 0) {
            t->dims[i][ax] = tb_asm_const64(v, d[ax].value);
            continue;
        }
        ranges[ax] = (tb_range){d[ax].min < 0 ? 0 : d[ax].min, d[ax].max};
        t->dims[i][ax] = tb_asm_i64(v);
        tb_asm_call_import(v, TB_VM_VIEW_DIM,
                          &(tb_asm_call){TB_ASM_ARGS(view, tb_asm_const32(v, ax)),
                                        .results = &t->dims[i][ax],
                                        .n_results = 1});
    }
    args[0] = view;
    args[1] = tb_asm_rodata_ref(v, tb_asm_text(t->m, where(t, i)));
    args[2] = tb_asm_const32(v, tb_t_element_type(val->dtype));
    args[3] = tb_asm_const32(v, HAL_DENSE);
    memcpy(args + 4, t->dims[i], val->rank * sizeof *args);
    tb_asm_call_import(v, TB_VM_VIEW_ASSERT,
                      &(tb_asm_call){.args = args, .n_args = 4 + val->rank,
                                    .segments = segments, .n_segments = 5});
    for (uint32_t ax = 0; ax < val->rank; ax++)
        if (d[ax].value < 0)
            check_range(t, i, ax, &d[ax]);
    t->input_bytes[i] = tb_t_bytes(t, val, t->dims[i], ranges);
    t->input_buffer[i] = tb_asm_ref(v);
    tb_asm_call_import(v, TB_VM_VIEW_BUFFER,
                      &(tb_asm_call){TB_ASM_ARGS(view),
                                    .results = &t->input_buffer[i],
                                    .n_results = 1});
}

/* Numbers are read at once: what `wait` stands for must have happened. */
static void
await_inputs(tb_translation *t)
{
    tb_asm_fn *v = t->v;
    uint32_t has = tb_asm_label(v), done = tb_asm_label(v);
    tb_asm_reg is = tb_asm_i32(v), status = tb_asm_i32(v), ok = tb_asm_i32(v);

    tb_asm_op1(v, TB_ASM_NZ_REF, t->wait, is);
    tb_asm_branch(v, is, has, done);
    tb_asm_place(v, has);
    tb_t_await(v, t->wait, status);
    tb_asm_op2(v, TB_ASM_EQ32, status, tb_asm_const32(v, 0), ok);
    tb_t_check(t, ok, IREE_INVALID_ARGUMENT, TB_STR("what the inputs come from failed"));
    tb_asm_clear_ref(v, t->wait);
    tb_asm_place(v, done);
}

static void
take_inputs(tb_translation *t)
{
    bool numbers = false;
    for (uint32_t i = 0; i < t->f->n_inputs; i++) {
        take_input(t, i);
        numbers = numbers || t->p->values[t->f->input + i].is_size;
    }
    if (numbers)
        await_inputs(t);
}

static void
take_value(tb_translation *t, const int32_t *w)
{
    const tb_plan_value *val = &t->p->values[t->f->input + (uint32_t)w[2]];
    const tb_plan_dim *d = &t->p->dims[val->dims];
    tb_asm_span from = {t->input_buffer[w[2]], tb_asm_const64(t->v, 0), t->input_bytes[w[2]]};
    (void)d;
    tb_t_set(t, w[1], tb_t_load_scalar(t, TB_I64, from), (tb_range){INT64_MIN, INT64_MAX});
}

static void
check_dim(tb_translation *t, const int32_t *w)
{
    tb_asm_reg got = t->dims[w[1]][w[2]], want = tb_t_reg(t, w[3]);
    if (got == want)
        return;
    tb_t_check(t, tb_asm_compare(t->v, TB_ASM_EQ, got, want), IREE_INVALID_ARGUMENT,
               tb_sprintf(t->a, "%.*s: dimension %d is not what the other sizes say",
                          TB_FMT(where(t, (uint32_t)w[1])), w[2]));
}

/* ---- results ---- */
static tb_asm_reg
result_dim(tb_translation *t, const tb_plan_dim *d, tb_range *r)
{
    if (d->value >= 0) {
        *r = (tb_range){d->value, d->value};
        return tb_asm_const64(t->v, d->value);
    }
    *r = tb_t_range(t, d->reg);
    return tb_t_reg(t, d->reg);
}

static void
make_result(tb_translation *t, uint32_t i)
{
    const tb_plan_value *val = &t->p->values[t->f->result + i];
    tb_asm_reg dims[TB_MAX_RANK];
    tb_range ranges[TB_MAX_RANK];

    for (uint32_t ax = 0; ax < val->rank; ax++)
        dims[ax] = result_dim(t, &t->p->dims[val->dims + ax], &ranges[ax]);
    tb_asm_reg bytes = tb_t_bytes(t, val, dims, ranges);
    tb_asm_op2(t->v, TB_ASM_MAX, bytes, bytes, t->result_bytes[i]);
    tb_asm_assign_ref(t->v, tb_t_allocate(t, bytes), t->result_buffer[i]);
}

static tb_asm_reg
result_view(tb_translation *t, uint32_t i)
{
    const tb_plan_value *val = &t->p->values[t->f->result + i];
    tb_asm_fn *v = t->v;
    tb_asm_reg view = tb_asm_ref(v), *args = TB_NEWN(t->a, tb_asm_reg, 5 + val->rank);
    uint16_t segments[] = {TB_ASM_SCALAR, TB_ASM_SCALAR, TB_ASM_SCALAR,
                           TB_ASM_SCALAR, TB_ASM_SCALAR, (uint16_t)val->rank};
    tb_range r;

    args[0] = t->result_buffer[i];
    args[1] = tb_asm_const64(v, 0);
    args[2] = t->result_bytes[i];
    args[3] = tb_asm_const32(v, tb_t_element_type(val->dtype));
    args[4] = tb_asm_const32(v, HAL_DENSE);
    for (uint32_t ax = 0; ax < val->rank; ax++)
        args[5 + ax] = result_dim(t, &t->p->dims[val->dims + ax], &r);
    tb_asm_call_import(v, TB_VM_VIEW_CREATE,
                      &(tb_asm_call){.args = args, .n_args = 5 + val->rank,
                                    .segments = segments, .n_segments = 6,
                                    .results = &view, .n_results = 1});
    return view;
}

static void
finish(tb_translation *t)
{
    tb_asm_reg *views = TB_NEWN(t->a, tb_asm_reg, t->f->n_results + 1);
    tb_t_submit(t, t->signal);
    for (uint32_t i = 0; i < t->f->n_results; i++)
        views[i] = result_view(t, i);
    tb_asm_return(t->v, views, t->f->n_results);
}

/* ---- transient memory ---- */
static void
make_arena(tb_translation *t)
{
    tb_asm_fn *v = t->v;
    if (t->f->arena_reg >= 0) {
        tb_asm_reg bytes = tb_t_reg(t, t->f->arena_reg);
        if (tb_t_range(t, t->f->arena_reg).lo < 0)
            tb_t_check(t, tb_asm_compare(v, TB_ASM_LT, tb_asm_const64(v, -1), bytes),
                       IREE_OUT_OF_RANGE, TB_STR("intermediate results of negative size"));
        t->arena = tb_t_allocate(t, bytes);
    }
    if (t->scratch_stride) {
        tb_asm_reg stride = tb_asm_const64(v, (int64_t)t->scratch_stride);
        tb_asm_reg groups = tb_asm_global64(v, G64_GROUPS);
        t->scratch = tb_t_allocate(t, tb_asm_op64(v, TB_ASM_MUL, groups, stride));
    }
}

/* ---- the code ---- */
static void
write_step(tb_translation *t, const int32_t *w)
{
    switch ((tb_opcode)(w[0] & 0xffff)) {
    case TB_I_DIM: {
        const tb_plan_value *val = &t->p->values[t->f->input + (uint32_t)w[2]];
        const tb_plan_dim *d = &t->p->dims[val->dims + (uint32_t)w[3]];
        tb_t_set(t, w[1], t->dims[w[2]][w[3]],
                 d->value >= 0 ? (tb_range){d->value, d->value}
                               : (tb_range){d->min < 0 ? 0 : d->min, d->max});
        return;
    }
    case TB_I_VALUE:
        take_value(t, w);
        return;
    case TB_I_CHECK_DIM:
        check_dim(t, w);
        return;
    case TB_I_CHECK: {
        tb_asm_reg ok = tb_asm_i32(t->v);
        tb_asm_op1(t->v, TB_ASM_NZ, tb_t_reg(t, w[1]), ok);
        tb_t_check(t, ok, IREE_INVALID_ARGUMENT,
                   tb_sprintf(t->a, "function '%s': %s", t->p->strings + t->f->name.off,
                              t->p->strings + w[2]));
        return;
    }
    case TB_I_RESULT:
        make_result(t, (uint32_t)w[1]);
        return;
    case TB_I_ALLOC:
        tb_t_alloc(t, w);
        return;
    case TB_I_LOAD:
        tb_t_load(t, w);
        return;
    case TB_I_DISPATCH:
        tb_t_dispatch(t, w);
        return;
    case TB_I_COPY:
        tb_t_copy(t, w);
        return;
    case TB_I_JUMP:
        tb_asm_jump(t->v, t->labels[w[1]] - 1);
        return;
    case TB_I_JUMP_ZERO: {
        uint32_t next = tb_asm_label(t->v);
        tb_asm_reg c = tb_asm_i32(t->v);
        tb_asm_op1(t->v, TB_ASM_NZ, tb_t_reg(t, w[1]), c);
        tb_asm_branch(t->v, c, next, t->labels[w[2]] - 1);
        tb_asm_place(t->v, next);
        return;
    }
    case TB_I_RETURN:
        finish(t);
        return;
    default:
        TB_CHECK(tb_t_integer(t, w));
        return;
    }
}

static void
write_code(tb_translation *t)
{
    const int32_t *code = t->p->code + t->f->code;
    for (uint32_t pc = 0; pc < t->f->n_code; pc += (uint32_t)code[pc] >> 16) {
        if (pc == t->f->prologue_end) {
            make_arena(t);
            tb_t_begin_commands(t);
        }
        if (t->labels[pc]) {
            tb_asm_place(t->v, t->labels[pc] - 1);
            t->recorded = true;
        } else if (!t->v->open) { /* after a jump, and nobody comes here */
            tb_asm_place(t->v, tb_asm_label(t->v));
        }
        write_step(t, code + pc);
    }
    for (uint32_t i = 0; i < t->failures.n; i++) {
        tb_asm_place(t->v, t->failures.at[i].label);
        tb_asm_fail(t->v, tb_asm_const32(t->v, t->failures.at[i].status),
                   t->failures.at[i].message);
    }
}

static void
prepare(tb_translation *t)
{
    const tb_plan_function *f = t->f;
    const int32_t *code = t->p->code + f->code;

    t->regs = TB_NEWN(t->a, tb_asm_reg, f->n_regs + 1);
    for (uint32_t i = 0; i < f->n_regs; i++)
        t->regs[i] = TB_ASM_NONE;
    t->ranges = TB_NEWN(t->a, tb_range, f->n_regs + 1);
    t->writes = TB_NEWN(t->a, uint32_t, f->n_regs + 1);
    t->is_const = TB_NEWN(t->a, bool, f->n_regs + 1);
    t->labels = TB_NEWN(t->a, uint32_t, f->n_code + 1);
    t->dims = TB_NEWN(t->a, tb_asm_reg *, f->n_inputs + 1);
    t->input_buffer = TB_NEWN(t->a, tb_asm_reg, f->n_inputs + 1);
    t->input_bytes = TB_NEWN(t->a, tb_asm_reg, f->n_inputs + 1);
    t->result_buffer = TB_NEWN(t->a, tb_asm_reg, f->n_results + 1);
    t->result_bytes = TB_NEWN(t->a, tb_asm_reg, f->n_results + 1);
    t->slot_buffer = TB_NEWN(t->a, tb_asm_reg, f->n_bufs + 1);
    t->slot_bytes = TB_NEWN(t->a, tb_asm_reg, f->n_bufs + 1);
    for (uint32_t i = 0; i < f->n_results; i++) {
        t->result_buffer[i] = tb_asm_ref(t->v);
        t->result_bytes[i] = tb_asm_i64(t->v);
    }
    for (uint32_t b = 0; b < f->n_bufs; b++)
        if (t->p->bufs[f->buf + b].kind == TB_BUF_SLOT) {
            t->slot_buffer[b] = tb_asm_ref(t->v);
            t->slot_bytes[b] = tb_asm_i64(t->v);
        }
    tb_t_scan(t);
    for (uint32_t pc = 0; pc < f->n_code; pc += (uint32_t)code[pc] >> 16)
        if ((code[pc] & 0xffff) == TB_I_DISPATCH) {
            uint64_t n = TB_ALIGN_UP(t->p->kernels[code[pc + 1]].scratch_bytes, 64);
            t->scratch_stride = n > t->scratch_stride ? n : t->scratch_stride;
        }
    t->wait = tb_asm_ref(t->v);
    t->commands = tb_asm_ref(t->v);
}

static tb_asm_fn *
write_async(const tb_plan *p, const tb_artifact_blob *blobs, const tb_plan_function *f,
            tb_asm_module *m, tb_status *st)
{
    tb_translation t = {.p = p, .f = f, .m = m, .a = m->a, .blobs = blobs};
    tb_str name = tb_sprintf(m->a, "%s$async", p->strings + f->name.off);

    t.v = tb_asm_fn_begin(m, name, f->n_inputs + 2, f->n_results);
    t.v->exported = t.v->coarse_fences = true;
    t.signal = (tb_asm_reg)(TB_ASM_REF | (f->n_inputs + 1));
    prepare(&t);
    tb_asm_assign_ref(t.v, (tb_asm_reg)(TB_ASM_REF | f->n_inputs), t.wait);
    take_inputs(&t);
    write_code(&t);
    tb_asm_fn_end(t.v);
    *st = t.error;
    return t.v;
}

/* Waits for the work of a call. */
static void
write_sync(const tb_plan *p, const tb_plan_function *f, tb_asm_module *m,
           const tb_asm_fn *async)
{
    tb_str name = {p->strings + f->name.off, f->name.len};
    tb_asm_fn *v = tb_asm_fn_begin(m, name, f->n_inputs, f->n_results);
    tb_asm_reg *args = TB_NEWN(m->a, tb_asm_reg, f->n_inputs + 2);
    tb_asm_reg *results = TB_NEWN(m->a, tb_asm_reg, f->n_results + 1);
    tb_asm_reg fence = tb_asm_ref(v), status = tb_asm_i32(v), failed = tb_asm_i32(v);
    uint32_t bad = tb_asm_label(v), good = tb_asm_label(v), n = 0;

    v->exported = true;
    for (; n < f->n_inputs; n++)
        args[n] = (tb_asm_reg)(TB_ASM_REF | n);
    args[n++] = tb_asm_null(v);
    args[n++] = fence;
    for (uint32_t i = 0; i < f->n_results; i++)
        results[i] = tb_asm_ref(v);
    tb_asm_call_import(v, TB_VM_FENCE_CREATE,
                      &(tb_asm_call){TB_ASM_ARGS(tb_asm_global(v, G_DEVICE, T_DEVICE),
                                               tb_asm_const64(v, 0)),
                                    .results = &fence,
                                    .n_results = 1});
    tb_asm_call_fn(v, async,
                  &(tb_asm_call){.args = args, .n_args = n, .results = results,
                                .n_results = f->n_results, .yields = true});
    tb_t_await(v, fence, status);
    tb_asm_op1(v, TB_ASM_NZ_I32, status, failed);
    tb_asm_branch(v, failed, bad, good);
    tb_asm_place(v, bad);
    tb_asm_fail(v, status, tb_sprintf(m->a, "function '%s' failed", name.ptr));
    tb_asm_place(v, good);
    tb_asm_return(v, results, f->n_results);
    tb_asm_fn_end(v);
}

tb_status
tb_t_function(const tb_plan *p, const tb_artifact_blob *blobs, const tb_plan_function *f,
              tb_asm_module *m)
{
    tb_status st = NULL;
    tb_asm_fn *async = write_async(p, blobs, f, m, &st);

    TRY(st);
    write_sync(p, f, m, async);
    return NULL;
}

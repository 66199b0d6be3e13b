/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * step.c -- what a plan does with memory, as commands.
 *
 * Every command waits for those before it. A dispatch has as many workgroups as its tiles
 * are worth, at most what the device runs at once (a few for each of its threads).
 */
#include "iree/program.h"

enum { GROUP_NS = 50000 /* work of one group that makes it worth its while */ };

uint32_t
tb_t_element_type(uint32_t dtype)
{
    static const uint32_t types[TB_DTYPE_END] = {
        [TB_BOOL] = 0x13000008, [TB_U8] = 0x12000008,   [TB_I8] = 0x10000008,
        [TB_U16] = 0x12000010,  [TB_I16] = 0x10000010,  [TB_U32] = 0x12000020,
        [TB_I32] = 0x10000020,  [TB_U64] = 0x12000040,  [TB_I64] = 0x10000040,
        [TB_F16] = 0x21000010,  [TB_BF16] = 0x22000010, [TB_F32] = 0x21000020,
        [TB_F64] = 0x21000040,  [TB_C64] = 0x23000040,  [TB_C128] = 0x23000080,
    };
    return dtype < TB_DTYPE_END ? types[dtype] : 0;
}

/* ---- commands ---- */
static tb_asm_reg
device(tb_asm_fn *v)
{
    return tb_asm_global(v, G_DEVICE, T_DEVICE);
}

void
tb_t_begin_commands(tb_translation *t)
{
    tb_asm_fn *v = t->v;
    tb_asm_call_import(v, TB_VM_CMD_CREATE,
                      &(tb_asm_call){TB_ASM_ARGS(device(v), tb_asm_const32(v, HAL_ONE_SHOT),
                                               tb_asm_const32(v, HAL_TRANSFER_DISPATCH),
                                               tb_asm_const64(v, -1), tb_asm_const32(v, 0)),
                                    .results = &t->commands,
                                    .n_results = 1});
    t->recorded = false;
}

void
tb_t_submit(tb_translation *t, tb_asm_reg signal)
{
    tb_asm_fn *v = t->v;
    tb_asm_call_import(v, TB_VM_CMD_FINALIZE, &(tb_asm_call){TB_ASM_ARGS(t->commands)});
    tb_asm_call_import(v, TB_VM_QUEUE_EXECUTE,
                      &(tb_asm_call){TB_ASM_ARGS(device(v), tb_asm_const64(v, -1), t->wait,
                                               signal, t->commands, tb_asm_const64(v, 0))});
}

void
tb_t_await(tb_asm_fn *v, tb_asm_reg fence, tb_asm_reg status)
{
    static const uint16_t segments[] = {TB_ASM_SCALAR, TB_ASM_SCALAR, 1};
    tb_asm_call_import(v, TB_VM_FENCE_AWAIT,
                      &(tb_asm_call){TB_ASM_ARGS(tb_asm_const32(v, UINT32_MAX),
                                               tb_asm_const64(v, 0), fence),
                                    .segments = segments,
                                    .n_segments = 3,
                                    .results = &status,
                                    .n_results = 1,
                                    .yields = true});
}

static void
barrier(tb_translation *t)
{
    tb_asm_fn *v = t->v;
    if (t->recorded)
        tb_asm_call_import(v, TB_VM_CMD_BARRIER,
                          &(tb_asm_call){TB_ASM_ARGS(t->commands,
                                                   tb_asm_const32(v, HAL_BARRIER_FROM),
                                                   tb_asm_const32(v, HAL_BARRIER_TO),
                                                   tb_asm_const64(v, 0))});
    t->recorded = true;
}

/* Runs what is recorded and waits for it. */
static void
flush(tb_translation *t)
{
    tb_asm_fn *v = t->v;
    tb_asm_reg fence = tb_asm_ref(v), status = tb_asm_i32(v), ok = tb_asm_i32(v);

    tb_asm_call_import(v, TB_VM_FENCE_CREATE,
                      &(tb_asm_call){TB_ASM_ARGS(device(v), tb_asm_const64(v, 0)),
                                    .results = &fence,
                                    .n_results = 1});
    tb_t_submit(t, fence);
    tb_t_await(v, fence, status);
    tb_asm_op2(v, TB_ASM_EQ32, status, tb_asm_const32(v, 0), ok);
    tb_t_check(t, ok, IREE_INVALID_ARGUMENT,
               tb_sprintf(t->a, "function '%s' failed", t->p->strings + t->f->name.off));
    tb_asm_clear_ref(v, t->wait);
    tb_t_begin_commands(t);
}

/* ---- memory ---- */
tb_asm_reg
tb_t_allocate(tb_translation *t, tb_asm_reg bytes)
{
    tb_asm_fn *v = t->v;
    tb_asm_reg buffer = tb_asm_ref(v);
    tb_asm_call_import(v, TB_VM_ALLOCATE,
                      &(tb_asm_call){TB_ASM_ARGS(tb_asm_global(v, G_ALLOCATOR, T_ALLOCATOR),
                                               tb_asm_const64(v, -1),
                                               tb_asm_const32(v, HAL_LOCAL_VISIBLE),
                                               tb_asm_const32(v, HAL_USAGE), bytes),
                                    .results = &buffer,
                                    .n_results = 1});
    return buffer;
}

bool
tb_t_is_weight(const tb_plan_global *g)
{
    return !g->mutable_ && g->init >= 0;
}

int64_t
tb_t_global_bytes(const tb_plan *p, uint32_t i)
{
    const tb_plan_value *v = &p->globals[i].type;
    int64_t n = (int64_t)tb_dtype_bytes((tb_dtype)v->dtype);
    for (uint32_t d = 0; d < v->rank; d++)
        n *= p->dims[v->dims + d].value;
    return n;
}

/* The memory of buffer register b. Unless its size is asked for, "to the buffer's end" is as
 * good where the program itself made the buffer, and one constant less. */
static tb_asm_span
span(tb_translation *t, int32_t b, bool sized)
{
    const tb_plan_buf *pb = &t->p->bufs[t->f->buf + (uint32_t)b];
    tb_asm_fn *v = t->v;
    tb_asm_reg zero = tb_asm_const64(v, 0), rest = tb_asm_const64(v, -1);
    const tb_plan_global *g;
    bool fixed;

    switch ((tb_buf_kind)pb->kind) {
    case TB_BUF_INPUT:
        return (tb_asm_span){t->input_buffer[pb->index], zero, t->input_bytes[pb->index]};
    case TB_BUF_RESULT:
        return (tb_asm_span){t->result_buffer[pb->index], zero,
                            sized ? t->result_bytes[pb->index] : rest};
    case TB_BUF_CONST:
        return (tb_asm_span){tb_asm_global(v, G_WEIGHTS, T_BUFFER),
                            tb_asm_fixed(v, TB_FIX_CONST, pb->index),
                            sized ? tb_asm_const64(v, (int64_t)t->blobs[pb->index].n) : rest};
    case TB_BUF_GLOBAL:
        g = &t->p->globals[pb->index];
        if (tb_t_is_weight(g))
            return (tb_asm_span){tb_asm_global(v, G_WEIGHTS, T_BUFFER),
                                tb_asm_fixed(v, TB_FIX_CONST, (uint32_t)g->init),
                                tb_asm_const64(v, tb_t_global_bytes(t->p, pb->index))};
        return (tb_asm_span){tb_asm_global(v, G_FIRST + pb->index, T_BUFFER), zero,
                            tb_asm_const64(v, tb_t_global_bytes(t->p, pb->index))};
    case TB_BUF_ARENA:
        fixed = t->is_const[pb->offset_reg] && t->is_const[pb->bytes_reg];
        return (tb_asm_span){t->arena, tb_t_reg(t, pb->offset_reg),
                            sized || !fixed ? tb_t_reg(t, pb->bytes_reg) : rest};
    case TB_BUF_SLOT:
        return (tb_asm_span){t->slot_buffer[b], zero, t->slot_bytes[b]};
    }
    TB_UNREACHABLE();
}

void
tb_t_alloc(tb_translation *t, const int32_t *w)
{
    tb_asm_reg bytes = tb_t_reg(t, w[2]);
    tb_asm_fn *v = t->v;
    if (tb_t_range(t, w[2]).lo < 0)
        tb_t_check(t, tb_asm_compare(v, TB_ASM_LT, tb_asm_const64(v, -1), bytes),
                   IREE_OUT_OF_RANGE, TB_STR("the size of an intermediate result is negative"));
    tb_asm_op2(v, TB_ASM_MAX, bytes, bytes, t->slot_bytes[w[1]]);
    tb_asm_assign_ref(v, tb_t_allocate(t, bytes), t->slot_buffer[w[1]]);
}

/* ---- dispatches ---- */
/* The number of workgroups, as an i64. */
static tb_asm_reg
groups(tb_translation *t, int32_t tiles, uint64_t tile_cost_ns)
{
    tb_asm_fn *v = t->v;
    tb_range r = tb_t_range(t, tiles);
    int64_t each = tile_cost_ns ? (int64_t)(GROUP_NS / tile_cost_ns) : GROUP_NS, n;

    each = each < 1 ? 1 : each;
    if (r.lo > 0 && r.hi <= each)
        return tb_asm_const64(v, 1);
    tb_asm_reg most = tb_asm_global64(v, G64_GROUPS);
    if (r.lo == r.hi && r.lo >= 0) {
        n = (r.lo + each - 1) / each;
        return n <= 1 ? tb_asm_const64(v, n)
                      : tb_asm_op64(v, TB_ASM_MIN, tb_asm_const64(v, n), most);
    }
    /* (tiles + each - 1) / each, and there are fewer tiles than bytes of memory */
    tb_asm_reg up = tb_asm_op64(v, TB_ASM_ADD, tb_t_reg(t, tiles), tb_asm_const64(v, each - 1));
    tb_asm_reg count = tb_asm_op64(v, TB_ASM_DIV, up, tb_asm_const64(v, each));
    return tb_asm_op64(v, TB_ASM_MIN, count, most);
}

/* Both halves of an i64 register, as i32 ones. */
static void
add_words(tb_asm_reg *args, uint32_t *n, tb_asm_reg wide)
{
    args[(*n)++] = wide;
    args[(*n)++] = (tb_asm_reg)(wide + 1);
}

static void
add_binding(tb_translation *t, tb_asm_reg *args, uint32_t *n, tb_asm_span s)
{
    args[(*n)++] = tb_asm_const32(t->v, 0); /* reserved */
    args[(*n)++] = tb_asm_const32(t->v, 0); /* slot of a table, which there is not */
    args[(*n)++] = s.buffer;
    args[(*n)++] = s.offset;
    args[(*n)++] = s.bytes;
}

void
tb_t_dispatch(tb_translation *t, const int32_t *w)
{
    tb_asm_fn *v = t->v;
    uint32_t kernel = (uint32_t)w[1], n_b = (uint32_t)w[4], n_s = (uint32_t)w[5 + n_b];
    const tb_plan_kernel *k = &t->p->kernels[kernel];
    tb_asm_reg *args = TB_NEWN(t->a, tb_asm_reg, 16 + 5 * (n_b + 1) + 2 * n_s);
    tb_asm_reg count = groups(t, w[2], k->tile_cost_ns), one = tb_asm_const32(v, 1);
    uint32_t n = 0;

    barrier(t);
    args[n++] = t->commands;
    args[n++] = tb_asm_global(v, G_EXECUTABLE, T_EXECUTABLE);
    args[n++] = tb_asm_global64(v, G64_KERNELS + 8 * kernel);
    args[n++] = count; /* its lower half */
    args[n++] = one;
    args[n++] = one;
    args[n++] = tb_asm_const64(v, 0); /* flags */
    add_words(args, &n, tb_t_reg(t, w[2]));
    for (uint32_t i = 0; i < n_s; i++)
        add_words(args, &n, tb_t_reg(t, w[6 + n_b + i]));
    for (uint32_t i = 0; i < n_b; i++)
        add_binding(t, args, &n, span(t, w[5 + i], false));
    if (k->scratch_bytes) {
        tb_asm_reg stride = tb_asm_const64(v, (int64_t)TB_ALIGN_UP(k->scratch_bytes, 64));
        tb_range known = tb_t_range(t, w[2]);
        add_binding(t, args, &n,
                    (tb_asm_span){t->scratch, tb_asm_const64(v, 0),
                                 known.lo == 1 && known.hi == 1
                                     ? stride
                                     : tb_asm_op64(v, TB_ASM_MUL, count, stride)});
        n_b++;
    }
    uint16_t segments[9];
    for (int i = 0; i < 9; i++)
        segments[i] = TB_ASM_SCALAR;
    segments[7] = (uint16_t)(2 + 2 * n_s);
    segments[8] = (uint16_t)n_b;
    tb_asm_call_import(v, TB_VM_CMD_DISPATCH,
                      &(tb_asm_call){.args = args, .n_args = n, .segments = segments,
                                    .n_segments = 9});
}

void
tb_t_copy(tb_translation *t, const int32_t *w)
{
    tb_asm_fn *v = t->v;
    tb_asm_span to = span(t, w[1], true), from = span(t, w[2], true);
    tb_asm_reg zero = tb_asm_const32(v, 0);
    tb_asm_reg bytes = to.bytes == from.bytes
                          ? to.bytes
                          : tb_asm_op64(v, TB_ASM_MIN, to.bytes, from.bytes);
    barrier(t);
    tb_asm_call_import(v, TB_VM_CMD_COPY,
                      &(tb_asm_call){TB_ASM_ARGS(t->commands, zero, zero, from.buffer,
                                               from.offset, to.buffer, to.offset, bytes,
                                               tb_asm_const64(v, 0))});
}

/* ---- numbers from memory ---- */
static tb_asm_reg
load_word(tb_asm_fn *v, tb_asm_span from, int64_t at, uint32_t n_bytes)
{
    tb_asm_reg word = tb_asm_i32(v), offset = from.offset;
    if (at)
        offset = tb_asm_op64(v, TB_ASM_ADD, offset, tb_asm_const64(v, at));
    tb_asm_call_import(v, TB_VM_BUFFER_LOAD,
                      &(tb_asm_call){TB_ASM_ARGS(from.buffer, offset, tb_asm_const32(v, n_bytes)),
                                    .results = &word,
                                    .n_results = 1});
    return word;
}

tb_asm_reg
tb_t_load_scalar(tb_translation *t, tb_dtype dtype, tb_asm_span from)
{
    tb_asm_fn *v = t->v;
    uint32_t n = (uint32_t)tb_dtype_bytes(dtype);
    bool is_signed = dtype == TB_I8 || dtype == TB_I16 || dtype == TB_I32;
    tb_asm_reg to = tb_asm_i64(v), up = tb_asm_const32(v, 64 - 8 * n);

    tb_asm_op1(v, TB_ASM_EXT_U, load_word(v, from, 0, n < 4 ? n : 4), to);
    if (n == 8) {
        tb_asm_reg high = tb_asm_i64(v);
        tb_asm_op1(v, TB_ASM_EXT_U, load_word(v, from, 4, 4), high);
        tb_asm_op2(v, TB_ASM_SHL, high, tb_asm_const32(v, 32), high);
        tb_asm_op2(v, TB_ASM_XOR, to, high, to);
    } else if (is_signed) {
        tb_asm_op2(v, TB_ASM_SHL, to, up, to);
        tb_asm_op2(v, TB_ASM_SHR, to, up, to);
    } else if (dtype == TB_BOOL) {
        tb_asm_reg c = tb_asm_i32(v);
        tb_asm_op1(v, TB_ASM_NZ, to, c);
        tb_asm_op1(v, TB_ASM_EXT_U, c, to);
    }
    return to;
}

static tb_range
range_of(tb_dtype dtype)
{
    int64_t n = 8 * (int64_t)tb_dtype_bytes(dtype);
    bool is_signed = dtype == TB_I8 || dtype == TB_I16 || dtype == TB_I32 || dtype == TB_I64;
    if (n == 64)
        return (tb_range){is_signed ? INT64_MIN : 0, INT64_MAX};
    if (dtype == TB_BOOL)
        return (tb_range){0, 1};
    return is_signed ? (tb_range){-((int64_t)1 << (n - 1)), ((int64_t)1 << (n - 1)) - 1}
                     : (tb_range){0, ((int64_t)1 << n) - 1};
}

void
tb_t_load(tb_translation *t, const int32_t *w)
{
    tb_asm_fn *v = t->v;
    tb_dtype dtype = (tb_dtype)w[3];

    flush(t);
    tb_asm_reg x = tb_t_load_scalar(t, dtype, span(t, w[2], true));
    if (dtype == TB_U64)
        tb_t_check(t, tb_asm_compare(v, TB_ASM_LT, tb_asm_const64(v, -1), x), IREE_OUT_OF_RANGE,
                   TB_STR("a size does not fit 63 bits"));
    tb_t_set(t, w[1], x, range_of(dtype));
}

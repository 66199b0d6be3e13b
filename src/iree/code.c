/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * code.c -- the bytes of a function.
 *
 * An instruction is an opcode and its operands, unaligned; lists of registers are padded
 * to an even place. Every block begins with a mark and ends with a jump, a return or a
 * failure; the first one begins with the entry part.
 */
#include "iree/code.h"

#include "artifact/put.h"

#define NO_PLACE 0xffffffffu
enum { POOL_CONST32, POOL_CONST64, POOL_FIX, POOL_GLOBAL, POOL_GLOBAL64, POOL_NULL };

/* ---- bytes ---- */
static void
put8(tb_asm_fn *f, uint8_t v)
{
    TB_PUSH(f->m->a, &f->code, v);
}

static void
put16(tb_asm_fn *f, uint32_t v)
{
    put8(f, (uint8_t)v);
    put8(f, (uint8_t)(v >> 8));
}

static void
put32(tb_asm_fn *f, uint32_t v)
{
    put16(f, v & 0xffff);
    put16(f, v >> 16);
}

static void
put64(tb_asm_fn *f, uint64_t v)
{
    put32(f, (uint32_t)v);
    put32(f, (uint32_t)(v >> 32));
}

static void
put_list(tb_asm_fn *f, const uint16_t *at, uint32_t n)
{
    if (f->code.n % 2)
        put8(f, 0);
    put16(f, n);
    for (uint32_t i = 0; i < n; i++)
        put16(f, at[i]);
}

static void
too_large(tb_asm_module *m, const char *what)
{
    if (!m->too_large)
        m->too_large = what;
}

/* ---- functions ---- */
tb_asm_fn *
tb_asm_fn_begin(tb_asm_module *m, tb_str name, uint32_t n_refs, uint32_t n_results)
{
    tb_asm_fn *f = TB_NEW(m->a, tb_asm_fn);
    char *cconv = tb_alloc(m->a, (size_t)n_refs + n_results + 4);

    memset(cconv, 'r', (size_t)n_refs + n_results + 4);
    size_t n = 0;
    cconv[n++] = '0';
    n += n_refs;
    if (!n_refs)
        cconv[n++] = 'v';
    cconv[n++] = '_';
    n += n_results;
    if (!n_results)
        cconv[n++] = 'v';
    *f = (tb_asm_fn){.m = m,
                    .name = tb_strdup(m->a, name),
                    .cconv = {cconv, n},
                    .n_ref = n_refs,
                    .n_blocks = 1,
                    .open = true,
                    .ordinal = m->fns.n};
    f->pooled.arena = m->a;
    TB_PUSH(m->a, &m->fns, f);
    return f;
}

tb_asm_reg
tb_asm_i32(tb_asm_fn *f)
{
    if (f->n_i32 >= TB_ASM_MAX_I32) {
        too_large(f->m, "registers");
        return 0;
    }
    return (tb_asm_reg)f->n_i32++;
}

tb_asm_reg
tb_asm_i64(tb_asm_fn *f)
{
    f->n_i32 += f->n_i32 % 2;
    tb_asm_reg r = tb_asm_i32(f);
    (void)tb_asm_i32(f);
    return r;
}

tb_asm_reg
tb_asm_ref(tb_asm_fn *f)
{
    if (f->n_ref >= TB_ASM_MAX_REF) {
        too_large(f->m, "registers for references");
        return TB_ASM_REF;
    }
    return (tb_asm_reg)(TB_ASM_REF | f->n_ref++);
}

/* ---- the entry part ---- */
static tb_asm_reg
pooled(tb_asm_fn *f, uint8_t kind, uint64_t value)
{
    uint64_t h = tb_hash_u64(value, kind);
    uint32_t cursor = 0, i;

    while ((i = tb_map_next(&f->pooled, h, &cursor)))
        if (f->pool.at[i - 1].kind == kind && f->pool.at[i - 1].value == value)
            return f->pool.at[i - 1].reg;
    tb_asm_reg r = kind == POOL_CONST32                         ? tb_asm_i32(f)
                  : kind == POOL_GLOBAL || kind == POOL_NULL ? tb_asm_ref(f)
                                                               : tb_asm_i64(f);
    TB_PUSH(f->m->a, &f->pool, ((tb_asm_pooled){kind, value, r}));
    tb_map_put(&f->pooled, h, f->pool.n);
    return r;
}

tb_asm_reg
tb_asm_const32(tb_asm_fn *f, uint32_t value)
{
    return pooled(f, POOL_CONST32, value);
}

tb_asm_reg
tb_asm_const64(tb_asm_fn *f, int64_t value)
{
    return pooled(f, POOL_CONST64, (uint64_t)value);
}

tb_asm_reg
tb_asm_fixed(tb_asm_fn *f, tb_fix_kind kind, uint32_t index)
{
    return pooled(f, POOL_FIX, (uint64_t)kind << 32 | index);
}

tb_asm_reg
tb_asm_global(tb_asm_fn *f, uint32_t number, const char *type)
{
    return pooled(f, POOL_GLOBAL, (uint64_t)tb_asm_type(f->m, type) << 32 | number);
}

tb_asm_reg
tb_asm_global64(tb_asm_fn *f, uint32_t byte_offset)
{
    return pooled(f, POOL_GLOBAL64, byte_offset);
}

tb_asm_reg
tb_asm_null(tb_asm_fn *f)
{
    return pooled(f, POOL_NULL, 0);
}

static void
put_pooled(tb_asm_fn *f, const tb_asm_pooled *p)
{
    switch (p->kind) {
    case POOL_CONST32:
        put8(f, p->value ? TB_OP_CONST_I32 : TB_OP_CONST_I32_ZERO);
        if (p->value)
            put32(f, (uint32_t)p->value);
        break;
    case POOL_CONST64:
        put8(f, p->value ? TB_OP_CONST_I64 : TB_OP_CONST_I64_ZERO);
        if (p->value)
            put64(f, p->value);
        break;
    case POOL_FIX:
        put8(f, TB_OP_CONST_I64);
        TB_PUSH(f->m->a, &f->fixes,
                ((tb_fix){f->code.n, (uint32_t)(p->value >> 32), (uint32_t)p->value}));
        put64(f, 0);
        break;
    case POOL_GLOBAL:
        put8(f, TB_OP_GLOBAL_LOAD_REF);
        put32(f, (uint32_t)p->value);
        put32(f, (uint32_t)(p->value >> 32));
        break;
    case POOL_GLOBAL64:
        put8(f, TB_OP_GLOBAL_LOAD_I64);
        put32(f, (uint32_t)p->value);
        break;
    default:
        put8(f, TB_OP_CONST_REF_ZERO);
        break;
    }
    put16(f, p->reg);
}

void
tb_asm_fn_end(tb_asm_fn *f)
{
    const uint8_t *body = f->code.at;
    uint32_t n = f->code.n;

    TB_CHECK(!f->open);
    f->code.at = NULL;
    f->code.n = f->code.cap = 0;
    put8(f, TB_OP_BLOCK);
    for (uint32_t i = 0; i < f->pool.n; i++)
        put_pooled(f, &f->pool.at[i]);
    if (f->code.n % 2) { /* what follows keeps its parity */
        tb_asm_reg r = tb_asm_i32(f);
        put_pooled(f, &(tb_asm_pooled){POOL_CONST32, 0, r});
    }
    uint32_t shift = f->code.n;
    for (uint32_t i = 0; i < n; i++)
        put8(f, body[i]);
    for (uint32_t i = 0; i < f->fixups.n; i++) {
        uint32_t place = f->labels.at[f->fixups.at[i].label];
        TB_CHECK(place != NO_PLACE);
        tb_set32(f->code.at + shift + f->fixups.at[i].at, shift + place);
    }
    if (f->n_blocks > INT16_MAX)
        too_large(f->m, "blocks");
}

/* ---- instructions ---- */
static void
must_be_open(tb_asm_fn *f)
{
    TB_CHECK(f->open);
}

tb_asm_reg
tb_asm_rodata_ref(tb_asm_fn *f, uint32_t rodata)
{
    tb_asm_reg r = tb_asm_ref(f);

    must_be_open(f);
    put8(f, TB_OP_CONST_REF_RODATA);
    put32(f, rodata);
    put16(f, r);
    return r;
}

void
tb_asm_set_global(tb_asm_fn *f, uint32_t number, const char *type, tb_asm_reg from)
{
    must_be_open(f);
    put8(f, TB_OP_GLOBAL_STORE_REF);
    put32(f, number);
    put32(f, tb_asm_type(f->m, type));
    put16(f, from);
}

void
tb_asm_set_global64(tb_asm_fn *f, uint32_t byte_offset, tb_asm_reg from)
{
    must_be_open(f);
    put8(f, TB_OP_GLOBAL_STORE_I64);
    put32(f, byte_offset);
    put16(f, from);
}

void
tb_asm_op2(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg b, tb_asm_reg to)
{
    must_be_open(f);
    put8(f, (uint8_t)op);
    put16(f, a);
    put16(f, b);
    put16(f, to);
}

void
tb_asm_op1(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg to)
{
    must_be_open(f);
    put8(f, (uint8_t)op);
    put16(f, a);
    put16(f, to);
}

tb_asm_reg
tb_asm_op64(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg b)
{
    tb_asm_reg to = tb_asm_i64(f);
    tb_asm_op2(f, op, a, b, to);
    return to;
}

tb_asm_reg
tb_asm_compare(tb_asm_fn *f, tb_asm_op op, tb_asm_reg a, tb_asm_reg b)
{
    tb_asm_reg to = tb_asm_i32(f);
    tb_asm_op2(f, op, a, b, to);
    return to;
}

void
tb_asm_select64(tb_asm_fn *f, tb_asm_reg cond, tb_asm_reg a, tb_asm_reg b, tb_asm_reg to)
{
    must_be_open(f);
    put8(f, TB_OP_SELECT_I64);
    put16(f, cond);
    put16(f, a);
    put16(f, b);
    put16(f, to);
}

void
tb_asm_assign_ref(tb_asm_fn *f, tb_asm_reg from, tb_asm_reg to)
{
    must_be_open(f);
    put8(f, TB_OP_ASSIGN_REF);
    put16(f, from);
    put16(f, to);
}

void
tb_asm_list_get(tb_asm_fn *f, tb_asm_reg list, tb_asm_reg index, const char *type, tb_asm_reg to)
{
    must_be_open(f);
    put8(f, TB_OP_LIST_GET_REF);
    put16(f, list);
    put16(f, index);
    put32(f, tb_asm_type(f->m, type));
    put16(f, to);
}

void
tb_asm_clear_ref(tb_asm_fn *f, tb_asm_reg to)
{
    must_be_open(f);
    put8(f, TB_OP_CONST_REF_ZERO);
    put16(f, to);
}

/* ---- control flow ---- */
uint32_t
tb_asm_label(tb_asm_fn *f)
{
    TB_PUSH(f->m->a, &f->labels, NO_PLACE);
    return f->labels.n - 1;
}

static void
put_target(tb_asm_fn *f, uint32_t label)
{
    TB_PUSH(f->m->a, &f->fixups, ((tb_asm_fixup){f->code.n, label}));
    put32(f, 0);
}

void
tb_asm_jump(tb_asm_fn *f, uint32_t label)
{
    must_be_open(f);
    put8(f, TB_OP_BR);
    put_target(f, label);
    put_list(f, NULL, 0);
    f->open = false;
}

static void
place(tb_asm_fn *f, uint32_t label)
{
    TB_CHECK(!f->open && f->labels.at[label] == NO_PLACE);
    f->labels.at[label] = f->code.n;
    put8(f, TB_OP_BLOCK);
    f->n_blocks++;
    f->open = true;
}

void
tb_asm_place(tb_asm_fn *f, uint32_t label)
{
    if (f->open)
        tb_asm_jump(f, label);
    place(f, label);
}

void
tb_asm_branch(tb_asm_fn *f, tb_asm_reg cond, uint32_t if_true, uint32_t if_false)
{
    must_be_open(f);
    put8(f, TB_OP_COND_BR);
    put16(f, cond);
    put_target(f, if_true);
    put_list(f, NULL, 0);
    put_target(f, if_false);
    put_list(f, NULL, 0);
    f->open = false;
}

void
tb_asm_fail(tb_asm_fn *f, tb_asm_reg status, tb_str message)
{
    must_be_open(f);
    size_t n = message.len < 0xffff ? message.len : 0xffff;
    put8(f, TB_OP_FAIL);
    put16(f, status);
    put16(f, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        put8(f, (uint8_t)message.ptr[i]);
    f->open = false;
}

void
tb_asm_return(tb_asm_fn *f, const tb_asm_reg *results, uint32_t n)
{
    must_be_open(f);
    uint16_t *list = TB_NEWN(f->m->a, uint16_t, f->n_ref + n + 1);
    uint32_t dead = 0;
    bool *kept = TB_NEWN(f->m->a, bool, f->n_ref + 1);

    for (uint32_t i = 0; i < n; i++)
        kept[results[i] & ~TB_ASM_REF] = true;
    for (uint32_t r = 0; r < f->n_ref; r++)
        if (!kept[r])
            list[dead++] = (uint16_t)(TB_ASM_REF | r);
    if (dead) {
        put8(f, TB_OP_DISCARD_REFS);
        put_list(f, list, dead);
    }
    put8(f, TB_OP_RETURN);
    for (uint32_t i = n; i-- > 0;) { /* the last use of a register gives it away */
        uint32_t r = results[i] & ~TB_ASM_REF;
        list[i] = (uint16_t)(results[i] | (kept[r] ? TB_ASM_MOVE : 0));
        kept[r] = false;
    }
    put_list(f, list, n);
    f->open = false;
}

/* ---- calls ---- */
static void
put_call(tb_asm_fn *f, uint32_t callee, const tb_asm_call *c)
{
    static const uint8_t ops[2][2] = {{TB_OP_CALL, TB_OP_CALL_VARIADIC},
                                      {TB_OP_CALL_YIELDABLE, TB_OP_CALL_VARIADIC_YIELDABLE}};
    must_be_open(f);
    if (c->n_args > INT16_MAX)
        too_large(f->m, "arguments of one call");
    put8(f, ops[c->yields][c->segments != NULL]);
    put32(f, callee);
    if (c->segments)
        put_list(f, c->segments, c->n_segments);
    put_list(f, c->args, c->n_args);
    uint32_t resume = 0;
    if (c->yields) {
        resume = tb_asm_label(f);
        put_target(f, resume);
    }
    put_list(f, c->results, c->n_results);
    if (c->yields) {
        f->open = false;
        place(f, resume);
    }
}

void
tb_asm_call_import(tb_asm_fn *f, tb_vm_import import, const tb_asm_call *c)
{
    put_call(f, TB_VM_IMPORT_BIT | tb_asm_import_of(f->m, import), c);
}

void
tb_asm_call_fn(tb_asm_fn *f, const tb_asm_fn *callee, const tb_asm_call *c)
{
    put_call(f, callee->ordinal, c);
}

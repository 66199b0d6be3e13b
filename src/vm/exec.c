/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * exec.c -- the interpreter. It works on the bytes of a verified function as they are. Calls
 * within the module push a frame on the state's stack and go on in the same loop; what waits
 * for something waits in the import that it calls, so a yield is a jump.
 *
 * A frame owns the references in its registers, and gives up what is left when it ends.
 */
#include "vm/internal.h"

typedef struct machine {
    tb_vm_state *s;
    tb_vm_frame *f;
    const uint8_t *pc;
    tb_vm_value *results; /* of the call from outside */
    const char *import;   /* that failed, for the message */
    bool done;
} machine;

/* ---- frames ---- */
static size_t
frame_bytes(const tb_vm_fn *fn)
{
    return sizeof(tb_vm_frame) + fn->n_ref * sizeof(tb_vm_object *) +
           TB_ALIGN_UP((size_t)fn->n_i32, 2) * sizeof(uint32_t);
}

static tb_status
count_step(tb_vm_state *s)
{
    if (s->max_steps && s->steps++ >= s->max_steps)
        return tb_status_make(TB_OUT_OF_RANGE, "more than %llu steps in one call",
                              (unsigned long long)s->max_steps);
    return NULL;
}

static tb_status
push(machine *m, const tb_vm_fn *fn, tb_vm_frame **out)
{
    size_t n = frame_bytes(fn);

    TRY(count_step(m->s));
    if (n > TB_VM_STACK_BYTES - m->s->stack_used)
        return tb_status_make(TB_OUT_OF_RANGE, "calls are nested too deep");
    tb_vm_frame *f = (tb_vm_frame *)(void *)(m->s->stack + m->s->stack_used);
    memset(f, 0, n);
    m->s->stack_used += n;
    f->fn = fn;
    f->ref = (tb_vm_object **)(void *)(f + 1);
    f->i32 = (uint32_t *)(void *)(f->ref + fn->n_ref);
    f->caller = m->f;
    *out = f;
    return NULL;
}

static void
pop(machine *m)
{
    tb_vm_frame *f = m->f;

    for (uint32_t i = 0; i < f->fn->n_ref; i++)
        tb_vm_release(f->ref[i]);
    m->s->stack_used -= frame_bytes(f->fn);
    m->f = f->caller;
}

/* ---- registers ---- */
static uint32_t
reg(const machine *m, uint32_t k)
{
    return tb_get16(m->pc + 2 * k);
}

static void
assign(tb_vm_object **to, tb_vm_object **from, bool move)
{
    tb_vm_object *o = *from, *old = *to;

    if (to == from)
        return;
    if (move)
        *from = NULL;
    else
        tb_vm_retain(o);
    *to = o;
    tb_vm_release(old);
}

/* From register `from` of one frame, maybe moved, to register `to` of another or the same. */
static void
assign_reg(tb_vm_frame *to_frame, uint32_t to, tb_vm_frame *from_frame, uint32_t from)
{
    assign(&to_frame->ref[to & TB_VM_REF_MASK], &from_frame->ref[from & TB_VM_REF_MASK],
           from & TB_VM_MOVE_BIT);
}

static void
set_ref(machine *m, uint32_t r, tb_vm_object *own)
{
    tb_vm_object **at = &m->f->ref[r & TB_VM_REF_MASK], *old = *at;
    *at = own;
    tb_vm_release(old);
}

/* After its last use: an operand with the move bit. */
static void
drop_moved(machine *m, uint32_t r)
{
    if (r & TB_VM_MOVE_BIT)
        set_ref(m, r, NULL);
}

static tb_vm_object *
ref_of(const machine *m, uint32_t r)
{
    return m->f->ref[r & TB_VM_REF_MASK];
}

static tb_status
check_type(const machine *m, const tb_vm_object *o, uint32_t type)
{
    const tb_vm_type *t = m->s->types[type];

    if (o && t && o->type != t)
        return tb_status_make(TB_INVALID_ARGUMENT, "a reference to a %s where a %s must be",
                              o->type->name, t->name);
    return NULL;
}

/* ---- jumps ---- */
/* *at: the target, and the pairs after it; moves to what follows. */
static const uint8_t *
skip_jump(const machine *m, const uint8_t *at)
{
    at = tb_vm_even(at + 4, m->f->fn->code);
    return at + 2 + 4 * tb_get16(at);
}

static tb_status
jump(machine *m, const uint8_t *at)
{
    const uint8_t *pairs = tb_vm_even(at + 4, m->f->fn->code);

    /* In order: whoever wrote them saw to it that none overwrites what a later one reads. */
    for (uint32_t n = tb_get16(pairs); n > 0; n--, pairs += 4) {
        uint32_t from = tb_get16(pairs + 2), to = tb_get16(pairs + 4);
        if (from & TB_VM_REF_BIT)
            assign_reg(m->f, to, m->f, from);
        else
            m->f->i32[to] = m->f->i32[from];
    }
    m->pc = m->f->fn->code + tb_get32(at);
    return count_step(m->s);
}

static tb_status
branch_table(machine *m)
{
    uint32_t i = m->f->i32[reg(m, 0)];
    const uint8_t *otherwise = m->pc + 2, *at = skip_jump(m, otherwise);
    uint32_t n = tb_get16(at);

    if (i >= n)
        return jump(m, otherwise);
    for (at += 2; i > 0; i--)
        at = skip_jump(m, at);
    return jump(m, at);
}

/* ---- values ---- */
static tb_vm_value
read_value(const tb_vm_frame *f, uint32_t r, char kind)
{
    tb_vm_value v = {0};

    if (kind == 'r')
        v.ref = f->ref[r & TB_VM_REF_MASK];
    else
        memcpy(&v, f->i32 + r, kind == 'I' || kind == 'F' ? 8 : 4);
    return v;
}

/* Takes over a reference. */
static void
write_value(machine *m, uint32_t r, char kind, tb_vm_value v)
{
    if (kind == 'r')
        set_ref(m, r, v.ref);
    else
        memcpy(m->f->i32 + r, &v, kind == 'I' || kind == 'F' ? 8 : 4);
}

/* ---- calls ---- */
typedef struct callsite {
    const uint8_t *segments, *args, *results, *next; /* lists; where it goes on */
} callsite;

static const uint8_t *
take_list(const machine *m, const uint8_t **p)
{
    const uint8_t *list = tb_vm_even(*p, m->f->fn->code);
    *p = list + 2 + 2 * tb_get16(list);
    return list;
}

static callsite
read_callsite(const machine *m, bool variadic, bool yieldable)
{
    callsite c = {0};
    const uint8_t *p = m->pc + 4;

    if (variadic)
        c.segments = take_list(m, &p);
    c.args = take_list(m, &p);
    if (yieldable) {
        c.next = m->f->fn->code + tb_get32(p);
        p += 4;
    }
    c.results = take_list(m, &p);
    if (!yieldable)
        c.next = p;
    return c;
}

/* Top-level arguments, and the tuples of lists behind them. */
static void
gather(machine *m, const tb_vm_cconv *c, const callsite *site)
{
    tb_vm_value *args = m->s->args, *tail = args + c->n_args;
    const uint8_t *r = site->args + 2;
    uint32_t arg = 0;

    for (const char *k = c->args, *end = k + c->n_arg_chars; k < end; k++, arg++) {
        if (*k != 'C') {
            args[arg] = read_value(m->f, tb_get16(r), *k);
            r += 2;
            continue;
        }
        const char *first = ++k;
        uint32_t n = tb_get16(site->segments + 2 + 2 * arg);
        args[arg] = (tb_vm_value){.list = {tail, n}};
        for (uint32_t i = 0; i < n; i++)
            for (k = first; *k != 'D'; k++, r += 2)
                *tail++ = read_value(m->f, tb_get16(r), *k);
        while (*k != 'D')
            k++;
    }
}

static tb_status
call_import(machine *m, uint32_t number, const callsite *site)
{
    const tb_vm_import_def *d = &m->s->m->imports[number];
    const tb_vm_resolved *to = &m->s->imports[number];
    tb_vm_value *results = m->s->results;

    m->import = d->name;
    if (!to->fn)
        return tb_status_make(TB_UNSUPPORTED, "this runtime does not have it");
    gather(m, &d->cconv, site);
    memset(results, 0, d->cconv.n_results * sizeof *results);
    tb_status st = to->fn(to->self, &(tb_vm_call){m->s->args, d->cconv.n_args, results,
                                                  d->cconv.n_results});
    for (uint32_t i = 0, n = tb_get16(site->args); i < n; i++) {
        uint32_t r = tb_get16(site->args + 2 + 2 * i);
        if (r & TB_VM_REF_BIT)
            drop_moved(m, r);
    }
    for (uint32_t i = 0; i < d->cconv.n_results; i++) {
        if (!st)
            write_value(m, tb_get16(site->results + 2 + 2 * i), d->cconv.results[i],
                        results[i]);
        else if (d->cconv.results[i] == 'r')
            tb_vm_release(results[i].ref);
    }
    if (st)
        return st;
    m->import = NULL;
    m->pc = site->next;
    return NULL;
}

static tb_status
call_own(machine *m, const tb_vm_fn *fn, const callsite *site)
{
    tb_vm_frame *caller = m->f, *f;
    uint32_t n32 = 0, n_ref = 0;

    TRY(push(m, fn, &f));
    caller->pc = site->next;
    caller->results = site->results;
    for (uint32_t i = 0; i < fn->cconv.n_args; i++) {
        uint32_t r = tb_get16(site->args + 2 + 2 * i);
        char kind = fn->cconv.args[i];
        if (kind == 'r') {
            assign_reg(f, n_ref++, caller, r);
        } else {
            uint32_t words = kind == 'I' || kind == 'F' ? 2 : 1;
            n32 = TB_ALIGN_UP(n32, words);
            memcpy(f->i32 + n32, caller->i32 + r, 4 * words);
            n32 += words;
        }
    }
    m->f = f;
    m->pc = fn->code;
    return NULL;
}

static tb_status
call(machine *m, bool variadic, bool yieldable)
{
    uint32_t callee = tb_get32(m->pc);
    callsite site = read_callsite(m, variadic, yieldable);

    if (callee & TB_VM_IMPORT_BIT)
        return call_import(m, callee & ~TB_VM_IMPORT_BIT, &site);
    return call_own(m, &m->s->m->fns[callee], &site);
}

static void
finish(machine *m)
{
    const tb_vm_cconv *c = &m->f->fn->cconv;
    const uint8_t *list = tb_vm_even(m->pc, m->f->fn->code);
    tb_vm_frame *f = m->f, *caller = f->caller;

    for (uint32_t i = 0; i < c->n_results; i++) {
        uint32_t from = tb_get16(list + 2 + 2 * i);
        char kind = c->results[i];
        if (!caller) {
            m->results[i] = read_value(f, from, kind);
            if (kind == 'r')
                tb_vm_retain(m->results[i].ref);
            continue;
        }
        uint32_t to = tb_get16(caller->results + 2 + 2 * i);
        if (kind == 'r')
            assign_reg(caller, to, f, from);
        else
            memcpy(caller->i32 + to, f->i32 + from, kind == 'I' || kind == 'F' ? 8 : 4);
    }
    pop(m);
    m->done = !caller;
    if (caller)
        m->pc = caller->pc;
}

/* ---- failures ---- */
/* The numbers of absl's and IREE's status codes. */
static tb_code
code_of(uint32_t status)
{
    static const uint8_t codes[] = {
        [3] = TB_INVALID_ARGUMENT, [5] = TB_NOT_FOUND,    [8] = TB_OUT_OF_MEMORY,
        [9] = TB_INVALID_ARGUMENT, [11] = TB_OUT_OF_RANGE, [12] = TB_UNSUPPORTED,
        [14] = TB_INCOMPATIBLE,    [15] = TB_CORRUPT};
    return status < sizeof codes && codes[status] ? (tb_code)codes[status] : TB_INTERNAL;
}

static tb_status
fail(machine *m)
{
    uint32_t status = m->f->i32[reg(m, 0)], n = reg(m, 1);
    const char *text = (const char *)m->pc + 4;

    if (status)
        return tb_status_make(code_of(status), "%.*s", (int)n, text);
    m->pc += 4 + n; /* no failure: on to the next block */
    if (m->pc >= m->f->fn->code + m->f->fn->n_code)
        return tb_status_make(TB_CORRUPT, "a failure without a reason ends the function");
    return NULL;
}

/* ---- globals, references ---- */
static tb_status
global(machine *m, uint32_t at, uint32_t r, uint32_t bytes, bool store)
{
    if (at > m->s->m->global_bytes || bytes > m->s->m->global_bytes - at)
        return tb_status_make(TB_OUT_OF_RANGE, "a global at %u of %u bytes", (unsigned)at,
                              m->s->m->global_bytes);
    if (store)
        memcpy(m->s->globals + at, m->f->i32 + r, bytes);
    else
        memcpy(m->f->i32 + r, m->s->globals + at, bytes);
    return NULL;
}

/* Operands: place (or a register with it), value. */
static tb_status
number_global(machine *m, uint32_t bytes, bool store, bool indirect)
{
    uint32_t at = indirect ? m->f->i32[reg(m, 0)] : tb_get32(m->pc);

    m->pc += indirect ? 2 : 4;
    TRY(global(m, at, reg(m, 0), bytes, store));
    m->pc += 2;
    return NULL;
}

/* Operands: number (or a register with it), type, value. */
static tb_status
ref_global(machine *m, bool store, bool indirect)
{
    uint32_t i = indirect ? m->f->i32[reg(m, 0)] : tb_get32(m->pc);

    m->pc += indirect ? 2 : 4;
    uint32_t type = tb_get32(m->pc), r = tb_get16(m->pc + 4);
    if (i >= m->s->m->n_global_refs)
        return tb_status_make(TB_OUT_OF_RANGE, "global %u of %u references", (unsigned)i,
                              m->s->m->n_global_refs);
    tb_vm_object **at = &m->s->global_refs[i], **in = &m->f->ref[r & TB_VM_REF_MASK];
    TRY(check_type(m, store ? *in : *at, type));
    if (store)
        assign(at, in, r & TB_VM_MOVE_BIT);
    else
        assign(in, at, false);
    m->pc += 6;
    return NULL;
}

/* Operands: register of the choice is known; type, value, result after it. */
static tb_status
assign_typed(machine *m, uint32_t from, uint32_t type, uint32_t to)
{
    TRY(check_type(m, ref_of(m, from), type));
    assign_reg(m->f, to, m->f, from);
    return NULL;
}

static tb_status
select_ref(machine *m) /* condition, u32 type, a, b, result */
{
    bool first = m->f->i32[reg(m, 0)];
    uint32_t a = reg(m, 3), b = reg(m, 4), to = reg(m, 5);
    uint32_t taken = first ? a : b, other = first ? b : a;

    TRY(assign_typed(m, taken, tb_get32(m->pc + 2), to));
    if ((other ^ to) & TB_VM_REF_MASK)
        drop_moved(m, other);
    m->pc += 12;
    return NULL;
}

/* Operands: index, (type), default, list, result. */
static tb_status
switch_ref(machine *m)
{
    uint32_t i = m->f->i32[reg(m, 0)], type = tb_get32(m->pc + 2), from = reg(m, 3);
    const uint8_t *p = m->pc + 8, *list = take_list(m, &p);

    if (i < tb_get16(list))
        from = tb_get16(list + 2 + 2 * i);
    TRY(assign_typed(m, from, type, tb_get16(p)));
    m->pc = p + 2;
    return NULL;
}

static void
switch_number(machine *m, uint32_t bytes)
{
    uint32_t i = m->f->i32[reg(m, 0)], from = reg(m, 1);
    const uint8_t *p = m->pc + 4, *list = take_list(m, &p);

    if (i < tb_get16(list))
        from = tb_get16(list + 2 + 2 * i);
    memmove(m->f->i32 + tb_get16(p), m->f->i32 + from, bytes);
    m->pc = p + 2;
}

static void
compare_refs(machine *m, bool equal)
{
    uint32_t a = reg(m, 0), b = reg(m, 1);

    m->f->i32[reg(m, 2)] = (ref_of(m, a) == ref_of(m, b)) == equal;
    drop_moved(m, a);
    drop_moved(m, b);
    m->pc += 6;
}

/* Of a list of any registers, the references: all, or those that are moved. */
static void
discard(machine *m, const uint8_t *p, bool all)
{
    const uint8_t *list = take_list(m, &p);

    for (uint32_t i = 0, n = tb_get16(list); i < n; i++) {
        uint32_t r = tb_get16(list + 2 + 2 * i);
        if (r & TB_VM_REF_BIT && (all || r & TB_VM_MOVE_BIT))
            set_ref(m, r, NULL);
    }
    m->pc = p;
}

/* ---- instructions ---- */
static uint32_t
fixed_bytes(uint32_t op)
{
    uint32_t n = 0;
    for (const char *c = tb_vm_instruction_of(op)->operands; *c; c++)
        n += *c == '>' ? 0 : *c == 't' || *c == 'e' ? 4 : 2;
    return n;
}

static tb_status
other(machine *m, uint32_t op)
{
    const char *mnemonic = tb_vm_instruction_of(op)->mnemonic, *wrong = NULL;
    const uint8_t *next = tb_vm_exec_num(op, m->pc, m->f->i32, &wrong);

    if (next) {
        m->pc = next;
        return wrong ? tb_status_make(TB_OUT_OF_RANGE, "%s", wrong) : NULL;
    }
    if (strncmp(mnemonic, "list.", 5) == 0)
        TRY(tb_vm_exec_list(m->s, op, m->pc, m->f));
    else
        TRY(tb_vm_exec_buffer(m->s, op, m->pc, m->f));
    m->pc += fixed_bytes(op);
    return NULL;
}

static tb_status
step(machine *m)
{
    uint32_t op = *m->pc++, r;

    if (op == TB_VM_PREFIX_F32 || op == TB_VM_PREFIX_F64)
        op = (op == TB_VM_PREFIX_F32 ? 0x100u : 0x200u) + *m->pc++;
    switch (op) {
    case TB_OP_BLOCK:
        return NULL;
    case TB_OP_GLOBAL_LOAD_I32:
    case TB_OP_GLOBAL_LOAD_F32:
        return number_global(m, 4, false, false);
    case TB_OP_GLOBAL_STORE_I32:
    case TB_OP_GLOBAL_STORE_F32:
        return number_global(m, 4, true, false);
    case TB_OP_GLOBAL_LOAD_INDIRECT_I32:
    case TB_OP_GLOBAL_LOAD_INDIRECT_F32:
        return number_global(m, 4, false, true);
    case TB_OP_GLOBAL_STORE_INDIRECT_I32:
    case TB_OP_GLOBAL_STORE_INDIRECT_F32:
        return number_global(m, 4, true, true);
    case TB_OP_GLOBAL_LOAD_I64:
    case TB_OP_GLOBAL_LOAD_F64:
        return number_global(m, 8, false, false);
    case TB_OP_GLOBAL_STORE_I64:
    case TB_OP_GLOBAL_STORE_F64:
        return number_global(m, 8, true, false);
    case TB_OP_GLOBAL_LOAD_INDIRECT_I64:
    case TB_OP_GLOBAL_LOAD_INDIRECT_F64:
        return number_global(m, 8, false, true);
    case TB_OP_GLOBAL_STORE_INDIRECT_I64:
    case TB_OP_GLOBAL_STORE_INDIRECT_F64:
        return number_global(m, 8, true, true);
    case TB_OP_GLOBAL_LOAD_REF:
        return ref_global(m, false, false);
    case TB_OP_GLOBAL_STORE_REF:
        return ref_global(m, true, false);
    case TB_OP_GLOBAL_LOAD_INDIRECT_REF:
        return ref_global(m, false, true);
    case TB_OP_GLOBAL_STORE_INDIRECT_REF:
        return ref_global(m, true, true);
    case TB_OP_CONST_I32_ZERO:
    case TB_OP_CONST_F32_ZERO:
        m->f->i32[reg(m, 0)] = 0;
        m->pc += 2;
        return NULL;
    case TB_OP_CONST_I32:
    case TB_OP_CONST_F32:
        m->f->i32[reg(m, 2)] = tb_get32(m->pc);
        m->pc += 6;
        return NULL;
    case TB_OP_CONST_I64_ZERO:
    case TB_OP_CONST_F64_ZERO:
        tb_vm_set64(m->f->i32, reg(m, 0), 0);
        m->pc += 2;
        return NULL;
    case TB_OP_CONST_I64:
    case TB_OP_CONST_F64:
        tb_vm_set64(m->f->i32, reg(m, 4), (int64_t)tb_get64(m->pc));
        m->pc += 10;
        return NULL;
    case TB_OP_CONST_REF_ZERO:
        set_ref(m, reg(m, 0), NULL);
        m->pc += 2;
        return NULL;
    case TB_OP_CONST_REF_RODATA:
        set_ref(m, reg(m, 2), tb_vm_retain(m->s->rodata[tb_get32(m->pc)]));
        m->pc += 6;
        return NULL;
    case TB_OP_SELECT_REF:
        return select_ref(m);
    case TB_OP_SWITCH_I32:
    case TB_OP_SWITCH_F32:
        switch_number(m, 4);
        return NULL;
    case TB_OP_SWITCH_I64:
    case TB_OP_SWITCH_F64:
        switch_number(m, 8);
        return NULL;
    case TB_OP_SWITCH_REF:
        return switch_ref(m);
    case TB_OP_CMP_EQ_REF:
    case TB_OP_CMP_NE_REF:
        compare_refs(m, op == TB_OP_CMP_EQ_REF);
        return NULL;
    case TB_OP_CMP_NZ_REF:
        r = reg(m, 0);
        m->f->i32[reg(m, 1)] = ref_of(m, r) != NULL;
        drop_moved(m, r);
        m->pc += 4;
        return NULL;
    case TB_OP_CAST_ANY_REF:
        TRY(assign_typed(m, reg(m, 0), tb_get32(m->pc + 2), reg(m, 3)));
        m->pc += 8;
        return NULL;
    case TB_OP_ASSIGN_REF:
        assign_reg(m->f, reg(m, 1), m->f, reg(m, 0));
        m->pc += 4;
        return NULL;
    case TB_OP_DISCARD_REFS:
        discard(m, m->pc, true);
        return NULL;
    case TB_OP_TRACE:
    case TB_OP_PRINT:
        discard(m, m->pc + 2 + reg(m, 0), false);
        return NULL;
    case TB_OP_BR:
    case TB_OP_YIELD:
    case TB_OP_BREAK:
        return jump(m, m->pc);
    case TB_OP_COND_BREAK:
        return jump(m, m->pc + 2);
    case TB_OP_COND_BR:
        return jump(m, m->f->i32[reg(m, 0)] ? m->pc + 2 : skip_jump(m, m->pc + 2));
    case TB_OP_BR_TABLE:
        return branch_table(m);
    case TB_OP_CALL:
        return call(m, false, false);
    case TB_OP_CALL_VARIADIC:
        return call(m, true, false);
    case TB_OP_CALL_YIELDABLE:
        return call(m, false, true);
    case TB_OP_CALL_VARIADIC_YIELDABLE:
        return call(m, true, true);
    case TB_OP_RETURN:
        finish(m);
        return NULL;
    case TB_OP_FAIL:
        return fail(m);
    case TB_OP_IMPORT_RESOLVED:
        m->f->i32[reg(m, 2)] = m->s->imports[tb_get32(m->pc) & ~TB_VM_IMPORT_BIT].fn != NULL;
        m->pc += 6;
        return NULL;
    default:
        return other(m, op);
    }
}

/* ---- calls from outside ---- */
static tb_status
enter(machine *m, const tb_vm_fn *fn, const tb_vm_value *args)
{
    uint32_t n32 = 0, n_ref = 0;

    TRY(push(m, fn, &m->f));
    for (uint32_t i = 0; i < fn->cconv.n_args; i++) {
        char kind = fn->cconv.args[i];
        if (kind == 'r') {
            m->f->ref[n_ref++] = tb_vm_retain(args[i].ref);
        } else {
            uint32_t words = kind == 'I' || kind == 'F' ? 2 : 1;
            n32 = TB_ALIGN_UP(n32, words);
            memcpy(m->f->i32 + n32, &args[i], 4 * words);
            n32 += words;
        }
    }
    m->pc = fn->code;
    return NULL;
}

/* Says where. */
static tb_status
located(machine *m, tb_status st)
{
    const tb_vm_frame *outer = m->f;
    while (outer && outer->caller)
        outer = outer->caller;
    const char *name = outer && outer->fn->name ? outer->fn->name : "a function";
    tb_status out = tb_status_make(tb_status_code(st), "%s.%s: %s%s%s", m->s->m->name, name,
                                   m->import ? m->import : "", m->import ? ": " : "",
                                   tb_status_message(st));
    tb_status_free(st);
    return out;
}

tb_status
tb_vm_exec(tb_vm_state *s, uint32_t fn, const tb_vm_value *args, tb_vm_value *results)
{
    machine m = {.s = s, .results = results};
    tb_status st = enter(&m, &s->m->fns[fn], args);

    while (!st && !m.done)
        st = step(&m);
    if (st)
        st = located(&m, st);
    while (m.f)
        pop(&m);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * verify.c -- every instruction of every function, by its row in isa.def: the opcode exists,
 * operands lie inside of the function, registers exist and are of the right bank (and even,
 * for 64 bits), numbers of globals, types, constants, functions and imports are in range,
 * calls and returns agree with calling conventions, jumps go to where blocks begin, and
 * nothing runs out of a block or off the end. What passed is not checked again when it runs.
 *
 * References are not typed here; instructions look at what they get.
 */
#include "vm/internal.h"

typedef struct walk {
    tb_vm_module *m;
    const tb_vm_fn *fn;
    uint32_t number;    /* of the function */
    uint32_t start, pc; /* of the instruction; within it */
    const char *mnemonic;
    uint8_t *is_block; /* [n_code / 8 + 1] bits: a block begins here */
    uint32_t n_blocks;
    bool second; /* blocks are known: jumps are checked */
    bool ends;   /* the instruction ends its block */
    const tb_vm_cconv *callee;
    const uint8_t *segments; /* a list, or NULL */
} walk;

static tb_status
fault(const walk *w, const char *fmt, ...) TB_PRINTF(2, 3);
static tb_status
fault(const walk *w, const char *fmt, ...)
{
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return tb_status_make(TB_CORRUPT, "function %u%s%s%s at 0x%x: %s%s%s", w->number,
                          w->fn->name ? " '" : "", w->fn->name ? w->fn->name : "",
                          w->fn->name ? "'" : "", (unsigned)w->start,
                          w->mnemonic ? w->mnemonic : "", w->mnemonic ? ": " : "", what);
}

static tb_status
need(walk *w, uint64_t n)
{
    if (n > w->fn->n_code - w->pc)
        return fault(w, "the function ends within it");
    return NULL;
}

static tb_status
take(walk *w, uint32_t n, const uint8_t **at)
{
    TRY(need(w, n));
    *at = w->fn->code + w->pc;
    w->pc += n;
    return NULL;
}

/* A list of n * width words; *at is its count. */
static tb_status
take_list(walk *w, uint32_t width, const uint8_t **at)
{
    const uint8_t *skipped;

    TRY(take(w, w->pc & 1, &skipped));
    TRY(take(w, 2, at));
    return take(w, tb_get16(*at) * width * 2, &skipped);
}

/* ---- registers ---- */
static tb_status
check_reg(walk *w, uint32_t r, char kind)
{
    if (kind == 'r') {
        if (!(r & TB_VM_REF_BIT))
            return fault(w, "register %u where one of references must be", r);
        if ((r & TB_VM_REF_MASK) >= w->fn->n_ref)
            return fault(w, "reference register %u of %u", r & TB_VM_REF_MASK, w->fn->n_ref);
        return NULL;
    }
    if (r & TB_VM_REF_BIT)
        return fault(w, "a reference register where a number must be");
    bool wide = kind == 'I' || kind == 'F';
    if (r + wide >= w->fn->n_i32)
        return fault(w, "register %u of %u", r + wide, w->fn->n_i32);
    if (wide && r % 2)
        return fault(w, "64 bits in the odd register %u", r);
    return NULL;
}

static tb_status
check_regs(walk *w, const uint8_t *list, char kind)
{
    for (uint32_t i = 0, n = tb_get16(list); i < n; i++)
        TRY(check_reg(w, tb_get16(list + 2 + 2 * i), kind));
    return NULL;
}

/* Pairs of a jump: halves of 64-bit values go one by one. */
static tb_status
check_pairs(walk *w, const uint8_t *list)
{
    for (uint32_t i = 0, n = tb_get16(list); i < n; i++) {
        uint32_t from = tb_get16(list + 2 + 4 * i), to = tb_get16(list + 4 + 4 * i);
        char kind = from & TB_VM_REF_BIT ? 'r' : 'i';
        TRY(check_reg(w, from, kind));
        TRY(check_reg(w, to, kind));
    }
    return NULL;
}

/* ---- jumps ---- */
static tb_status
take_target(walk *w)
{
    const uint8_t *at;

    TRY(take(w, 4, &at));
    uint32_t pc = tb_get32(at);
    if (pc >= w->fn->n_code)
        return fault(w, "a jump to 0x%x of 0x%x", (unsigned)pc, (unsigned)w->fn->n_code);
    if (w->second && !(w->is_block[pc / 8] >> pc % 8 & 1))
        return fault(w, "a jump to 0x%x, where no block begins", (unsigned)pc);
    return NULL;
}

static tb_status
take_jump(walk *w)
{
    const uint8_t *list;

    TRY(take_target(w));
    TRY(take_list(w, 2, &list));
    return check_pairs(w, list);
}

static tb_status
take_jumps(walk *w)
{
    const uint8_t *at;

    TRY(take(w, 2, &at));
    for (uint32_t n = tb_get16(at); n > 0; n--)
        TRY(take_jump(w));
    return NULL;
}

/* ---- calls ---- */
static tb_status
take_callee(walk *w)
{
    const uint8_t *at;

    TRY(take(w, 4, &at));
    uint32_t n = tb_get32(at), import = n & ~TB_VM_IMPORT_BIT;
    if (n & TB_VM_IMPORT_BIT) {
        if (import >= w->m->n_imports)
            return fault(w, "import %u of %u", (unsigned)import, w->m->n_imports);
        w->callee = &w->m->imports[import].cconv;
    } else {
        if (n >= w->m->n_fns)
            return fault(w, "function %u of %u", (unsigned)n, w->m->n_fns);
        w->callee = &w->m->fns[n].cconv;
    }
    return NULL;
}

static tb_status
take_import(walk *w)
{
    const uint8_t *at;

    TRY(take(w, 4, &at));
    uint32_t n = tb_get32(at), import = n & ~TB_VM_IMPORT_BIT;
    if (!(n & TB_VM_IMPORT_BIT) || import >= w->m->n_imports)
        return fault(w, "import 0x%x of %u", (unsigned)n, w->m->n_imports);
    return NULL;
}

static uint32_t
umax(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Registers of the list against letters of a convention. */
static tb_status
check_letters(walk *w, const uint8_t *list, uint32_t *i, const char *letters, uint32_t n)
{
    if (n > tb_get16(list) - *i)
        return fault(w, "%u registers for '%.60s'", tb_get16(list), w->callee->text);
    for (uint32_t k = 0; k < n; k++)
        TRY(check_reg(w, tb_get16(list + 2 + 2 * (*i)++), letters[k]));
    return NULL;
}

static tb_status
check_args(walk *w, const uint8_t *list)
{
    const tb_vm_cconv *c = w->callee;
    uint32_t i = 0, arg = 0;

    if (w->segments ? tb_get16(w->segments) != c->n_args : c->lists)
        return fault(w, "%u segments for '%.60s'", w->segments ? tb_get16(w->segments) : 0,
                     c->text);
    for (uint32_t k = 0; k < c->n_arg_chars; k++, arg++) {
        if (c->args[k] != 'C') {
            TRY(check_letters(w, list, &i, c->args + k, 1));
            continue;
        }
        const char *first = c->args + k + 1;
        uint32_t width = (uint32_t)(strchr(first, 'D') - first);
        uint32_t n = tb_get16(w->segments + 2 + 2 * arg);
        for (; n > 0; n--)
            TRY(check_letters(w, list, &i, first, width));
        k += width + 1;
    }
    if (i != tb_get16(list))
        return fault(w, "%u registers for '%.60s'", tb_get16(list), c->text);
    w->m->max_call_values = umax(w->m->max_call_values, c->n_args + i);
    return NULL;
}

static tb_status
check_results(walk *w, const uint8_t *list, const tb_vm_cconv *c)
{
    if (tb_get16(list) != c->n_results)
        return fault(w, "%u registers for the results of '%.60s'", tb_get16(list), c->text);
    for (uint32_t i = 0; i < c->n_results; i++)
        TRY(check_reg(w, tb_get16(list + 2 + 2 * i), c->results[i]));
    w->m->max_call_results = umax(w->m->max_call_results, c->n_results);
    return NULL;
}

/* Any registers; of a call or a return those of the convention. */
static tb_status
take_operands(walk *w, uint32_t op)
{
    const uint8_t *list;

    TRY(take_list(w, 1, &list));
    if (w->callee)
        return check_args(w, list);
    if (op == TB_OP_RETURN)
        return check_results(w, list, &w->fn->cconv);
    for (uint32_t i = 0, n = tb_get16(list); i < n; i++) {
        uint32_t r = tb_get16(list + 2 + 2 * i);
        TRY(check_reg(w, r, r & TB_VM_REF_BIT || op == TB_OP_DISCARD_REFS ? 'r' : 'i'));
    }
    return NULL;
}

/* ---- numbers ---- */
static tb_status
take_global(walk *w, char kind)
{
    const uint8_t *at;

    TRY(take(w, 4, &at));
    uint32_t n = tb_get32(at), bytes = kind == '4' ? 4 : 8;
    if (kind == 'G' ? n >= w->m->n_global_refs
                    : n > w->m->global_bytes || bytes > w->m->global_bytes - n)
        return fault(w, "global %u of %u", (unsigned)n,
                     kind == 'G' ? w->m->n_global_refs : w->m->global_bytes);
    return NULL;
}

static tb_status
take_rodata(walk *w)
{
    const uint8_t *at;

    TRY(take(w, 4, &at));
    if (tb_get32(at) >= w->m->n_rodata)
        return fault(w, "constant %u of %u", (unsigned)tb_get32(at), w->m->n_rodata);
    return NULL;
}

static tb_status
take_type(walk *w, bool of_references)
{
    const uint8_t *at;

    TRY(take(w, 4, &at));
    uint32_t n = tb_get32(at);
    if (n >= w->m->n_types)
        return fault(w, "type %u of %u", (unsigned)n, w->m->n_types);
    tb_vm_kind kind = w->m->types[n].kind;
    if (of_references && kind != TB_VM_OBJECT && kind != TB_VM_ANY)
        return fault(w, "type %u, %s, is none of references", (unsigned)n,
                     w->m->types[n].name);
    return NULL;
}

static tb_status
take_text(walk *w)
{
    const uint8_t *at;

    TRY(take(w, 2, &at));
    return take(w, tb_get16(at), &at);
}

static char
list_kind(char c)
{
    static const char lists[] = "xXyYq", of[] = "iIfFr";
    return of[strchr(lists, c) - lists];
}

static tb_status
take_operand(walk *w, uint32_t op, char c)
{
    const uint8_t *at;

    switch (c) {
    case 'i':
    case 'I':
    case 'f':
    case 'F':
    case 'r':
        TRY(take(w, 2, &at));
        return check_reg(w, tb_get16(at), c);
    case 'x':
    case 'X':
    case 'y':
    case 'Y':
    case 'q':
        TRY(take_list(w, 1, &at));
        return check_regs(w, at, list_kind(c));
    case 'c':
        return take(w, 4, &at);
    case 'C':
        return take(w, 8, &at);
    case '4':
    case '8':
    case 'G':
        return take_global(w, c);
    case 'd':
        return take_rodata(w);
    case 't':
        return take_type(w, true);
    case 'e':
        return take_type(w, false);
    case 'n':
        return take_callee(w);
    case 'm':
        return take_import(w);
    case 'l':
        return take_list(w, 1, &w->segments);
    case 'o':
        return take_operands(w, op);
    case 'p':
        TRY(take_list(w, 1, &at));
        return check_results(w, at, w->callee);
    case 's':
        return take_text(w);
    case 'b':
        return take_jump(w);
    case 'B':
        return take_target(w);
    case 'T':
        return take_jumps(w);
    case '!':
        w->ends = true;
        return NULL;
    default: /* '>', '.' */
        return NULL;
    }
}

/* ---- functions ---- */
static tb_status
take_opcode(walk *w, uint32_t *op)
{
    const uint8_t *at;

    w->mnemonic = NULL;
    TRY(take(w, 1, &at));
    *op = at[0];
    if (*op == TB_VM_PREFIX_F32 || *op == TB_VM_PREFIX_F64) {
        TRY(take(w, 1, &at));
        *op = (*op == TB_VM_PREFIX_F32 ? 0x100u : 0x200u) + at[0];
    }
    if (!tb_vm_instruction_of(*op)->mnemonic)
        return fault(w, "opcode 0x%02x%s is not known", (unsigned)(*op & 0xff),
                     *op < 0x100 ? "" : *op < 0x200 ? " of the f32 extension"
                                                    : " of the f64 extension");
    w->mnemonic = tb_vm_instruction_of(*op)->mnemonic;
    return NULL;
}

static tb_status
take_instruction(walk *w, bool *in_block)
{
    uint32_t op;

    w->start = w->pc;
    w->callee = NULL;
    w->segments = NULL;
    w->ends = false;
    TRY(take_opcode(w, &op));
    if ((op == TB_OP_BLOCK) == *in_block)
        return fault(w, *in_block ? "a block begins within one" : "not in a block");
    if (op == TB_OP_BLOCK) {
        w->is_block[w->start / 8] |= (uint8_t)(1 << w->start % 8);
        w->n_blocks++;
        *in_block = true;
        return NULL;
    }
    if ((op == TB_OP_CALL_VARIADIC || op == TB_OP_CALL_VARIADIC_YIELDABLE) &&
        w->fn->n_code - w->pc >= 4 && !(tb_get32(w->fn->code + w->pc) & TB_VM_IMPORT_BIT))
        return fault(w, "segments for a function of the module's own");
    for (const char *c = tb_vm_instruction_of(op)->operands; *c; c++)
        TRY(take_operand(w, op, *c));
    *in_block = !w->ends;
    return NULL;
}

static tb_status
walk_function(walk *w)
{
    bool in_block = false;

    w->n_blocks = 0;
    for (w->pc = 0; w->pc < w->fn->n_code;)
        TRY(take_instruction(w, &in_block));
    w->mnemonic = NULL;
    if (in_block)
        return fault(w, "the function ends within a block");
    if (w->n_blocks != w->fn->n_blocks)
        return fault(w, "%u blocks; the function says %u", (unsigned)w->n_blocks,
                     (unsigned)w->fn->n_blocks);
    return NULL;
}

/* Once to find blocks and once more with jumps. */
static tb_status
verify_function(walk *w)
{
    if (TB_ALIGN_UP((size_t)w->fn->n_i32, 2) * 4 + (size_t)w->fn->n_ref * sizeof(void *) +
            sizeof(tb_vm_frame) >
        TB_VM_STACK_BYTES)
        return fault(w, "more registers than the stack is large");
    w->second = false;
    TRY(walk_function(w));
    w->second = true;
    return walk_function(w);
}

tb_status
tb_vm_verify(tb_vm_module *m)
{
    tb_status st = NULL;
    uint32_t longest = 0;

    for (uint32_t i = 0; i < m->n_fns; i++)
        longest = umax(longest, m->fns[i].n_code);
    uint8_t *blocks = tb_heap(longest / 8 + 1, 1);
    if (!blocks)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory to verify a module");
    for (uint32_t i = 0; i < m->n_fns && !st; i++) {
        memset(blocks, 0, m->fns[i].n_code / 8 + 1);
        st = verify_function(&(walk){.m = m, .fn = &m->fns[i], .number = i,
                                     .is_block = blocks});
    }
    tb_heap_free(blocks);
    return st;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dump.c -- a verified module as text: what it says about itself, and its instructions by their
 * rows in isa.def. Blocks are called by where they begin, as in messages of faults.
 */
#include <inttypes.h>

#include "vm/internal.h"

/* ---- texts and types ---- */
/* In one line, without what a terminal would obey. */
static void
put_text(tb_buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 127)
            tb_buf_printf(out, "\\x%02x", c);
        else
            tb_buf_put(out, &text[i], 1);
    }
}

static const char *
kind_name(char letter)
{
    return letter == 'i' ? "i32" : letter == 'I' ? "i64" : letter == 'f' ? "f32"
           : letter == 'F' ? "f64" : "ref";
}

/* "(i32, ref, (i32, i64)...)" of n letters; a list C...D is one. */
static void
put_letters(tb_buf *out, const char *letters, uint32_t n)
{
    bool first = true;

    tb_buf_puts(out, "(");
    for (uint32_t i = 0; i < n; i++) {
        if (letters[i] == 'D') {
            tb_buf_puts(out, ")...");
            continue;
        }
        tb_buf_puts(out, first ? "" : ", ");
        first = letters[i] == 'C';
        tb_buf_puts(out, first ? "(" : kind_name(letters[i]));
    }
    tb_buf_puts(out, ")");
}

static void
put_convention(tb_buf *out, const tb_vm_cconv *c)
{
    put_letters(out, c->args, c->n_arg_chars);
    tb_buf_puts(out, " -> ");
    put_letters(out, c->results, c->n_results);
}

/* ---- what it says about itself ---- */
static void
put_attrs(tb_buf *out, const tb_vm_module *m, uint32_t signature)
{
    tb_flatread f = m->flat;
    tb_flatvec v = tb_flatread_vector(&f, signature, 1, 4);

    for (uint32_t i = 0; i < v.n; i++) {
        uint32_t t = tb_flatread_element(&f, v, i);
        const char *key = tb_flatread_text(&f, t, 0), *value = tb_flatread_text(&f, t, 1);
        tb_buf_puts(out, "      ");
        put_text(out, key, strlen(key));
        tb_buf_puts(out, ": ");
        put_text(out, value, strlen(value));
        tb_buf_puts(out, "\n");
    }
}

/* Most short constants are names. */
static void
put_constant(tb_buf *out, const tb_vm_module *m, uint32_t i)
{
    enum { SHOWN = 80 };
    const tb_vm_bytes *b = &m->rodata[i];
    size_t n = b->n < SHOWN ? b->n : SHOWN, printable = 0;

    while (printable < n && b->at[printable] >= ' ' && b->at[printable] < 127)
        printable++;
    tb_buf_printf(out, "  %4u  %zu bytes", i, b->n);
    if (n && printable == n)
        tb_buf_printf(out, "  \"%.*s\"%s", (int)n, (const char *)b->at, b->n > n ? "..." : "");
    tb_buf_puts(out, "\n");
}

void
tb_vm_module_describe(const tb_vm_module *m, tb_buf *out)
{
    tb_buf_puts(out, "module ");
    put_text(out, m->name, strlen(m->name));
    tb_buf_printf(out, ", version %u, IREE's bytecode %u.%u\n", (unsigned)m->version,
                  (unsigned)(m->bytecode >> 16), (unsigned)(m->bytecode & 0xffff));
    for (uint32_t i = 0; i < m->n_dependencies; i++)
        tb_buf_printf(out, "%s %s, version %u or later\n",
                      m->dependencies[i].optional ? "may use" : "needs",
                      m->dependencies[i].name, (unsigned)m->dependencies[i].version);
    tb_buf_puts(out, "\ntypes\n");
    for (uint32_t i = 0; i < m->n_types; i++)
        tb_buf_printf(out, "  %4u  %s\n", i, m->types[i].name);
    tb_buf_puts(out, "\nimports\n");
    for (uint32_t i = 0; i < m->n_imports; i++) {
        tb_buf_printf(out, "  %4u  %s", i, m->imports[i].name);
        put_convention(out, &m->imports[i].cconv);
        tb_buf_puts(out, m->imports[i].optional ? "  optional\n" : "\n");
    }
    tb_buf_puts(out, "\nexports\n");
    for (uint32_t i = 0; i < m->n_exports; i++) {
        const tb_vm_fn *fn = &m->fns[m->exports[i].fn];
        tb_buf_printf(out, "  %4u  %s", i, m->exports[i].name);
        put_convention(out, &fn->cconv);
        tb_buf_printf(out, "  function %u\n", (unsigned)m->exports[i].fn);
        put_attrs(out, m, fn->attrs);
    }
    tb_buf_printf(out, "\nglobals  %u bytes, %u references\n", (unsigned)m->global_bytes,
                  (unsigned)m->n_global_refs);
    tb_buf_puts(out, "\nconstants\n");
    for (uint32_t i = 0; i < m->n_rodata; i++)
        put_constant(out, m, i);
}

uint32_t
tb_vm_module_constant_count(const tb_vm_module *m)
{
    return m->n_rodata;
}

const uint8_t *
tb_vm_module_constant(const tb_vm_module *m, uint32_t i, size_t *n)
{
    *n = m->rodata[i].n;
    return m->rodata[i].at;
}

/* ---- instructions ---- */
typedef struct listing {
    const tb_vm_module *m;
    const tb_vm_fn *fn;
    const uint8_t *pc;
    const tb_vm_instruction *instruction;
    const tb_vm_cconv *callee;
    const uint8_t *segments; /* a list, or NULL */
    tb_buf *out;             /* operands go here, */
    tb_buf *results;         /*   results there */
} listing;

static uint32_t
take16(listing *l)
{
    uint32_t v = tb_get16(l->pc);
    l->pc += 2;
    return v;
}

static uint32_t
take32(listing *l)
{
    uint32_t v = tb_get32(l->pc);
    l->pc += 4;
    return v;
}

/* The list at pc, of n entries of `width` words; pc goes behind it. */
static const uint8_t *
take_list(listing *l, uint32_t width)
{
    const uint8_t *at = tb_vm_even(l->pc, l->fn->code);

    l->pc = at + 2 + (size_t)tb_get16(at) * width * 2;
    return at;
}

/* %i4, %i4:5 for 64 bits, %r2, or %R2 if the register gives its reference away. */
static void
put_reg(tb_buf *out, uint32_t r, char kind)
{
    if (r & TB_VM_REF_BIT)
        tb_buf_printf(out, "%%%c%u", r & TB_VM_MOVE_BIT ? 'R' : 'r', r & TB_VM_REF_MASK);
    else if (kind == 'I' || kind == 'F')
        tb_buf_printf(out, "%%i%u:%u", r, r + 1);
    else
        tb_buf_printf(out, "%%i%u", r);
}

/* Registers of a list from *i on, one for each letter. */
static void
put_regs(tb_buf *out, const uint8_t *list, uint32_t *i, const char *letters, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        tb_buf_puts(out, k ? ", " : "");
        put_reg(out, tb_get16(list + 2 + 2 * (*i)++), letters[k]);
    }
}

/* All of a list, of one kind. */
static void
put_alike(tb_buf *out, const uint8_t *list, char kind)
{
    for (uint32_t i = 0, n = tb_get16(list); i < n; i++) {
        tb_buf_puts(out, i ? ", " : "");
        put_reg(out, tb_get16(list + 2 + 2 * i), kind);
    }
}

/* "^0x1c(%i4 -> %i0)" */
static void
put_jump(listing *l, bool with_registers)
{
    tb_buf_printf(l->out, "^0x%x", (unsigned)take32(l));
    if (!with_registers)
        return;
    const uint8_t *list = take_list(l, 2);
    uint32_t n = tb_get16(list);
    for (uint32_t i = 0; i < n; i++) {
        tb_buf_puts(l->out, i ? ", " : "(");
        put_reg(l->out, tb_get16(list + 2 + 4 * i), 'i');
        tb_buf_puts(l->out, " -> ");
        put_reg(l->out, tb_get16(list + 4 + 4 * i), 'i');
    }
    tb_buf_puts(l->out, n ? ")" : "");
}

static void
put_function(listing *l, uint32_t n)
{
    uint32_t import = n & ~TB_VM_IMPORT_BIT;
    const tb_vm_module *m = l->m;

    l->callee = n & TB_VM_IMPORT_BIT ? &m->imports[import].cconv : &m->fns[n].cconv;
    if (n & TB_VM_IMPORT_BIT)
        tb_buf_printf(l->out, "@%s", m->imports[import].name);
    else if (m->fns[n].name)
        tb_buf_printf(l->out, "@%s", m->fns[n].name);
    else
        tb_buf_printf(l->out, "@%u", (unsigned)n);
}

/* What a call gives, in the parts of its convention; lists as "[(%i0, %r1), (%i0, %r2)]". */
static void
put_arguments(listing *l, const uint8_t *list)
{
    const tb_vm_cconv *c = l->callee;
    uint32_t i = 0, arg = 0;

    tb_buf_puts(l->out, "(");
    for (uint32_t k = 0; k < c->n_arg_chars; k++, arg++) {
        tb_buf_puts(l->out, arg ? ", " : "");
        if (c->args[k] != 'C') {
            put_regs(l->out, list, &i, c->args + k, 1);
            continue;
        }
        const char *first = c->args + k + 1;
        uint32_t width = (uint32_t)(strchr(first, 'D') - first);
        uint32_t n = tb_get16(l->segments + 2 + 2 * arg);
        tb_buf_puts(l->out, "[");
        for (uint32_t t = 0; t < n; t++) {
            tb_buf_puts(l->out, t ? ", " : "");
            tb_buf_puts(l->out, width > 1 ? "(" : "");
            put_regs(l->out, list, &i, first, width);
            tb_buf_puts(l->out, width > 1 ? ")" : "");
        }
        tb_buf_puts(l->out, "]");
        k += width + 1;
    }
    tb_buf_puts(l->out, ")");
}

static void
put_operands(listing *l)
{
    const uint8_t *list = take_list(l, 1);
    uint32_t i = 0;

    if (l->callee)
        put_arguments(l, list);
    else if (l->instruction == tb_vm_instruction_of(TB_OP_RETURN))
        put_regs(l->out, list, &i, l->fn->cconv.results, l->fn->cconv.n_results);
    else
        put_alike(l->out, list, 'i');
}

/* As an integer, or as what its register holds. */
static void
put_number(listing *l, bool wide)
{
    bool is_float = strpbrk(l->instruction->operands, "fF") != NULL;
    uint64_t bits = wide ? tb_get64(l->pc) : tb_get32(l->pc);

    l->pc += wide ? 8 : 4;
    if (is_float && wide) {
        double d;
        memcpy(&d, &bits, sizeof d);
        tb_buf_printf(l->out, "%.17g", d);
    } else if (is_float) {
        uint32_t word = (uint32_t)bits;
        float f;
        memcpy(&f, &word, sizeof f);
        tb_buf_printf(l->out, "%.9g", (double)f);
    } else {
        tb_buf_printf(l->out, "%" PRId64, wide ? (int64_t)bits : (int32_t)bits);
    }
}

static void
put_jumps(listing *l)
{
    for (uint32_t n = take16(l), i = 0; i < n; i++) {
        tb_buf_puts(l->out, i ? ", " : "");
        put_jump(l, true);
    }
}

static void
put_operand(listing *l, char c)
{
    static const char lists[] = "xXyYq", of[] = "iIfFr";
    uint32_t n, i = 0;

    switch (c) {
    case 'x':
    case 'X':
    case 'y':
    case 'Y':
    case 'q':
        tb_buf_puts(l->out, "[");
        put_alike(l->out, take_list(l, 1), of[strchr(lists, c) - lists]);
        tb_buf_puts(l->out, "]");
        return;
    case 'c':
    case 'C':
        put_number(l, c == 'C');
        return;
    case '4':
    case '8':
        tb_buf_printf(l->out, "global[%u]", (unsigned)take32(l));
        return;
    case 'G':
        tb_buf_printf(l->out, "reference[%u]", (unsigned)take32(l));
        return;
    case 'd':
        tb_buf_printf(l->out, "constant %u", (unsigned)take32(l));
        return;
    case 't':
    case 'e':
        tb_buf_puts(l->out, l->m->types[take32(l)].name);
        return;
    case 'n':
    case 'm':
        put_function(l, take32(l));
        return;
    case 'o':
        put_operands(l);
        return;
    case 'p':
        put_regs(l->results, take_list(l, 1), &i, l->callee->results, l->callee->n_results);
        return;
    case 's':
        n = take16(l);
        tb_buf_puts(l->out, "\"");
        put_text(l->out, (const char *)l->pc, n);
        tb_buf_puts(l->out, "\"");
        l->pc += n;
        return;
    case 'b':
    case 'B':
        put_jump(l, c == 'b');
        return;
    case 'T':
        put_jumps(l);
        return;
    default:
        put_reg(l->out, take16(l), c);
    }
}

/* A list of segments and what ends a block are not shown by themselves, nor what comes
 * directly behind the name of a function. */
static void
put_parts(listing *l, const char *operands)
{
    bool first = true, in_results = false;
    tb_buf *out = l->out;

    for (const char *c = operands; *c; c++) {
        if (*c == '>') {
            in_results = first = true;
            l->out = l->results;
        } else if (*c == 'l') {
            l->segments = take_list(l, 1);
        } else if (*c != '!' && *c != '.') {
            bool call = *c == 'o' && l->callee;
            if (!first && !call && *c != 'p')
                tb_buf_puts(l->out, ", ");
            put_operand(l, *c);
            first = in_results && *c == 'p';
        }
    }
    l->out = out;
}

static void
put_instruction(listing *l, tb_buf *operands, tb_buf *results)
{
    unsigned at = (unsigned)(l->pc - l->fn->code);
    uint32_t op = *l->pc++;
    tb_buf *out = l->out;

    if (op == TB_VM_PREFIX_F32 || op == TB_VM_PREFIX_F64)
        op = (op == TB_VM_PREFIX_F32 ? 0x100u : 0x200u) + *l->pc++;
    if (op == TB_OP_BLOCK) {
        tb_buf_printf(out, "^0x%x:\n", at);
        return;
    }
    l->instruction = tb_vm_instruction_of(op);
    l->callee = NULL;
    l->segments = NULL;
    operands->n = results->n = 0;
    l->out = operands;
    l->results = results;
    put_parts(l, l->instruction->operands);
    l->out = out;
    tb_buf_printf(out, "  %4x  ", at);
    tb_buf_put(out, results->at, results->n);
    tb_buf_puts(out, results->n ? " = " : "");
    tb_buf_puts(out, l->instruction->mnemonic);
    tb_buf_puts(out, operands->n ? " " : "");
    tb_buf_put(out, operands->at, operands->n);
    tb_buf_puts(out, "\n");
}

/* "function 0 main(%r0: ref, %i0: i32) -> (ref)  80 bytes, 1 blocks, 4 + 2 registers" */
static void
put_head(tb_buf *out, const tb_vm_fn *fn, uint32_t number)
{
    uint32_t i32 = 0, ref = 0;

    tb_buf_printf(out, "\nfunction %u %s(", number, fn->name ? fn->name : "");
    for (uint32_t i = 0; i < fn->cconv.n_arg_chars; i++) {
        char kind = fn->cconv.args[i];
        bool wide = kind == 'I' || kind == 'F';
        i32 += wide ? i32 % 2 : 0;
        tb_buf_puts(out, i ? ", " : "");
        put_reg(out, kind == 'r' ? TB_VM_REF_BIT | ref++ : i32, kind);
        i32 += kind == 'r' ? 0 : 1u + wide;
        tb_buf_printf(out, ": %s", kind_name(kind));
    }
    tb_buf_puts(out, ") -> ");
    put_letters(out, fn->cconv.results, fn->cconv.n_results);
    tb_buf_printf(out, "  %u bytes, %u blocks, %u + %u registers\n", fn->n_code, fn->n_blocks,
                  fn->n_i32, fn->n_ref);
}

void
tb_vm_module_disassemble(const tb_vm_module *m, tb_buf *out)
{
    tb_buf operands = {0}, results = {0};

    for (uint32_t i = 0; i < m->n_fns; i++) {
        const tb_vm_fn *fn = &m->fns[i];
        listing l = {.m = m, .fn = fn, .pc = fn->code, .out = out};
        put_head(out, fn, i);
        while (l.pc < fn->code + fn->n_code)
            put_instruction(&l, &operands, &results);
    }
    if (operands.failed || results.failed)
        out->failed = true;
    tb_buf_free(&operands);
    tb_buf_free(&results);
}

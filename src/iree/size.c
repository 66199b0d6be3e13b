/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * size.c -- integer instructions of a plan.
 *
 * In a plan arithmetic that overflows fails the call, DIV and MOD round to minus infinity,
 * and a divisor of 0 fails the call. The machine wraps, rounds to zero and traps. What is
 * known of the values of registers (they are mostly sizes, from their declared ranges)
 * tells where the difference cannot be seen; elsewhere it is written out.
 */
#include "iree/program.h"

#define ANY ((tb_range){INT64_MIN, INT64_MAX})

static const char letters[TB_I_END][4] = {
#define X(name, operands, meaning) operands,
    TB_INSTRUCTIONS(X)
#undef X
};

static bool
writes_register(uint32_t op)
{
    return op <= TB_I_VALUE || op == TB_I_LOAD;
}

/* Registers written once by a CONST are constants; jumps' targets get labels. */
void
tb_t_scan(tb_translation *t)
{
    const int32_t *code = t->p->code + t->f->code;
    for (uint32_t pc = 0; pc < t->f->n_code; pc += (uint32_t)code[pc] >> 16) {
        uint32_t op = (uint32_t)code[pc] & 0xffff;
        if (writes_register(op))
            t->writes[code[pc + 1]]++;
        for (uint32_t i = 0; op != TB_I_DISPATCH && letters[op][i]; i++)
            if (letters[op][i] == 'l')
                t->labels[code[pc + 1 + i]] = tb_asm_label(t->v) + 1;
    }
}

void
tb_t_unsupported(tb_translation *t, const char *what)
{
    if (!t->error)
        t->error = tb_status_make(TB_UNSUPPORTED,
                                  "function '%s' for IREE's runtime: %s cannot be expressed",
                                  t->p->strings + t->f->name.off, what);
}

tb_asm_reg
tb_t_reg(tb_translation *t, int32_t r)
{
    if (t->is_const[r])
        return tb_asm_const64(t->v, t->ranges[r].lo);
    if (t->regs[r] == TB_ASM_NONE)
        t->regs[r] = tb_asm_i64(t->v);
    return t->regs[r];
}

tb_range
tb_t_range(const tb_translation *t, int32_t r)
{
    return t->writes[r] == 1 ? t->ranges[r] : ANY;
}

/* The register that the instruction writes. */
static tb_asm_reg
target(tb_translation *t, int32_t r)
{
    t->is_const[r] = false;
    return tb_t_reg(t, r);
}

void
tb_t_set(tb_translation *t, int32_t r, tb_asm_reg from, tb_range range)
{
    t->ranges[r] = range;
    if (t->writes[r] == 1 && range.lo == range.hi) {
        t->is_const[r] = true;
        return;
    }
    if (t->writes[r] == 1 && t->regs[r] == TB_ASM_NONE) {
        t->regs[r] = from; /* nothing writes it again */
        return;
    }
    if (from == TB_ASM_NONE)
        from = tb_asm_const64(t->v, range.lo);
    /* the machine moves integers only where it branches */
    tb_asm_op2(t->v, TB_ASM_MAX, from, from, target(t, r));
}

void
tb_t_check(tb_translation *t, tb_asm_reg ok, uint32_t status, tb_str message)
{
    uint32_t fail = UINT32_MAX, next = tb_asm_label(t->v);

    for (uint32_t i = 0; i < t->failures.n && fail == UINT32_MAX; i++)
        if (t->failures.at[i].status == status &&
            tb_str_eq(t->failures.at[i].message, message))
            fail = t->failures.at[i].label;
    if (fail == UINT32_MAX) {
        fail = tb_asm_label(t->v);
        TB_PUSH(t->a, &t->failures, ((tb_failure){fail, status, message}));
    }
    tb_asm_branch(t->v, ok, next, fail);
    tb_asm_place(t->v, next);
}

/* ---- checked arithmetic ---- */
static void
check_overflow(tb_translation *t, tb_asm_reg ok)
{
    tb_t_check(t, ok, IREE_OUT_OF_RANGE,
               tb_sprintf(t->a,
                          "function '%s': a size computed from the inputs' shapes does not "
                          "fit 64 bits",
                          t->p->strings + t->f->name.off));
}

static bool
is_never_negative(tb_range r)
{
    return r.lo >= 0;
}

/* a + b, or a - b, in `result`: overflows if the sign is one that it cannot have. */
static void
check_sum(tb_translation *t, tb_asm_reg a, tb_asm_reg b, tb_asm_reg result, bool minus)
{
    tb_asm_fn *v = t->v;
    tb_asm_reg x = tb_asm_op64(v, TB_ASM_XOR, a, minus ? b : result);
    tb_asm_reg y = tb_asm_op64(v, TB_ASM_XOR, minus ? a : b, result);
    tb_asm_reg both = tb_asm_op64(v, TB_ASM_AND, x, y);
    check_overflow(t, tb_asm_compare(v, TB_ASM_LT, tb_asm_const64(v, -1), both));
}

static tb_asm_reg
pick(tb_translation *t, tb_asm_reg cond, tb_asm_reg a, tb_asm_reg b)
{
    tb_asm_reg to = tb_asm_i64(t->v);
    tb_asm_select64(t->v, cond, a, b, to);
    return to;
}

static tb_asm_reg
not_zero(tb_translation *t, tb_asm_reg a)
{
    tb_asm_reg to = tb_asm_i32(t->v);
    tb_asm_op1(t->v, TB_ASM_NZ, a, to);
    return to;
}

/* The product p of a and b divided by a gives b; a of 0 and -1 are cases of their own. */
static void
check_product(tb_translation *t, tb_asm_reg a, tb_asm_reg b, tb_asm_reg p)
{
    tb_asm_fn *v = t->v;
    tb_asm_reg one = tb_asm_const64(v, 1), nz = not_zero(t, a);
    tb_asm_reg minus = tb_asm_compare(v, TB_ASM_EQ, a, tb_asm_const64(v, -1));
    tb_asm_reg by = pick(t, minus, one, pick(t, nz, a, one));
    tb_asm_reg want = pick(t, minus, p, pick(t, nz, b, tb_asm_const64(v, 0)));
    tb_asm_reg q = tb_asm_op64(v, TB_ASM_DIV, p, by);
    check_overflow(t, tb_asm_compare(v, TB_ASM_EQ, q, want));
}

static bool
product_range(tb_range a, tb_range b, tb_range *r)
{
    int64_t x[4];
    if (!tb_mul_ok(a.lo, b.lo, &x[0]) || !tb_mul_ok(a.lo, b.hi, &x[1]) ||
        !tb_mul_ok(a.hi, b.lo, &x[2]) || !tb_mul_ok(a.hi, b.hi, &x[3])) {
        bool positive = a.lo >= 0 && b.lo >= 0;
        *r = positive ? (tb_range){0, INT64_MAX} : ANY;
        return false;
    }
    *r = (tb_range){x[0], x[0]};
    for (int i = 1; i < 4; i++) {
        r->lo = x[i] < r->lo ? x[i] : r->lo;
        r->hi = x[i] > r->hi ? x[i] : r->hi;
    }
    return true;
}

tb_asm_reg
tb_t_mul(tb_translation *t, tb_asm_reg a, tb_range ra, tb_asm_reg b, tb_range rb, tb_range *r)
{
    bool fits = product_range(ra, rb, r);
    if (r->lo == r->hi)
        return tb_asm_const64(t->v, r->lo);
    if (ra.lo == 1 && ra.hi == 1)
        return b;
    if (rb.lo == 1 && rb.hi == 1)
        return a;
    tb_asm_reg p = tb_asm_op64(t->v, TB_ASM_MUL, a, b);
    if (!fits)
        check_product(t, a, b, p);
    return p;
}

static void
sum(tb_translation *t, const int32_t *w, bool minus)
{
    tb_range a = tb_t_range(t, w[2]), b = tb_t_range(t, w[3]), r = ANY;
    tb_asm_reg x = tb_t_reg(t, w[2]), y = tb_t_reg(t, w[3]);
    bool fits = minus ? !__builtin_sub_overflow(a.lo, b.hi, &r.lo) &&
                            !__builtin_sub_overflow(a.hi, b.lo, &r.hi)
                      : !__builtin_add_overflow(a.lo, b.lo, &r.lo) &&
                            !__builtin_add_overflow(a.hi, b.hi, &r.hi);
    if (fits && r.lo == r.hi) {
        tb_t_set(t, w[1], tb_asm_const64(t->v, r.lo), r);
        return;
    }
    tb_asm_reg s = tb_asm_op64(t->v, minus ? TB_ASM_SUB : TB_ASM_ADD, x, y);
    if (!fits) {
        check_sum(t, x, y, s, minus);
        r = !minus && is_never_negative(a) && is_never_negative(b) ? (tb_range){0, INT64_MAX}
                                                                   : ANY;
    }
    tb_t_set(t, w[1], s, r);
}

/* floor(a / b) in *q. */
static void
floor_divide(tb_translation *t, tb_asm_reg a, tb_range ra, tb_asm_reg b, tb_range rb,
             tb_asm_reg *q)
{
    tb_asm_fn *v = t->v;
    if (rb.lo <= 0 && rb.hi >= 0)
        tb_t_check(t, not_zero(t, b), IREE_OUT_OF_RANGE,
                   tb_sprintf(t->a, "function '%s': division by zero while computing a size",
                              t->p->strings + t->f->name.off));
    if (rb.lo <= -1 && rb.hi >= -1) { /* the machine traps on the least by -1 */
        tb_asm_reg minus = tb_asm_compare(v, TB_ASM_EQ, b, tb_asm_const64(v, -1));
        if (ra.lo == INT64_MIN) {
            tb_asm_reg least =
                pick(t, minus, tb_asm_const64(v, INT64_MIN), tb_asm_const64(v, INT64_MAX));
            check_overflow(t, not_zero(t, tb_asm_op64(v, TB_ASM_XOR, a, least)));
        }
    }
    *q = tb_asm_op64(v, TB_ASM_DIV, a, b);
    if (is_never_negative(ra) && is_never_negative(rb))
        return;
    tb_asm_reg rest = tb_asm_op64(v, TB_ASM_SUB, a, tb_asm_op64(v, TB_ASM_MUL, *q, b));
    tb_asm_reg opposite = tb_asm_compare(v, TB_ASM_LT, tb_asm_op64(v, TB_ASM_XOR, rest, b),
                                       tb_asm_const64(v, 0));
    tb_asm_reg less = tb_asm_op64(v, TB_ASM_SUB, *q, tb_asm_const64(v, 1));
    *q = pick(t, not_zero(t, rest), pick(t, opposite, less, *q), *q);
}

static void
divide(tb_translation *t, const int32_t *w, bool mod)
{
    tb_range a = tb_t_range(t, w[2]), b = tb_t_range(t, w[3]), r = ANY;
    tb_asm_reg x = tb_t_reg(t, w[2]), y = tb_t_reg(t, w[3]), q;

    if (a.lo == a.hi && b.lo == b.hi && b.lo != 0 && (a.lo != INT64_MIN || b.lo != -1)) {
        int64_t c = mod ? tb_mod(a.lo, b.lo) : tb_floordiv(a.lo, b.lo);
        tb_t_set(t, w[1], tb_asm_const64(t->v, c), (tb_range){c, c});
        return;
    }
    floor_divide(t, x, a, y, b, &q);
    if (b.lo > 0)
        r = mod ? (tb_range){0, b.hi - 1}
                : (tb_range){tb_floordiv(a.lo, a.lo < 0 ? b.lo : b.hi),
                             tb_floordiv(a.hi, a.hi < 0 ? b.hi : b.lo)};
    if (mod)
        q = tb_asm_op64(t->v, TB_ASM_SUB, x, tb_asm_op64(t->v, TB_ASM_MUL, q, y));
    tb_t_set(t, w[1], q, r);
}

static void
extreme(tb_translation *t, const int32_t *w, bool max)
{
    tb_range a = tb_t_range(t, w[2]), b = tb_t_range(t, w[3]);
    tb_range r = max ? (tb_range){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi}
                     : (tb_range){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
    tb_asm_reg m = tb_asm_op64(t->v, max ? TB_ASM_MAX : TB_ASM_MIN, tb_t_reg(t, w[2]),
                             tb_t_reg(t, w[3]));
    tb_t_set(t, w[1], m, r);
}

static void
compare(tb_translation *t, const int32_t *w, tb_asm_op op)
{
    tb_asm_reg c = tb_asm_compare(t->v, op, tb_t_reg(t, w[2]), tb_t_reg(t, w[3]));
    tb_asm_reg wide = tb_asm_i64(t->v);
    tb_asm_op1(t->v, TB_ASM_EXT_U, c, wide);
    tb_t_set(t, w[1], wide, (tb_range){0, 1});
}

static void
constant(tb_translation *t, const int32_t *w)
{
    int64_t c = (int64_t)((uint64_t)(uint32_t)w[2] | (uint64_t)(uint32_t)w[3] << 32);
    tb_t_set(t, w[1], TB_ASM_NONE, (tb_range){c, c});
}

bool
tb_t_integer(tb_translation *t, const int32_t *w)
{
    tb_range r;
    switch ((tb_opcode)(w[0] & 0xffff)) {
    case TB_I_CONST:
        constant(t, w);
        return true;
    case TB_I_MOVE: {
        r = tb_t_range(t, w[2]); /* a register of its own: the other may change */
        tb_asm_reg from = r.lo == r.hi ? TB_ASM_NONE : tb_t_reg(t, w[2]);
        if (from != TB_ASM_NONE)
            from = tb_asm_op64(t->v, TB_ASM_MAX, from, from);
        tb_t_set(t, w[1], from, r);
        return true;
    }
    case TB_I_ADD:
        sum(t, w, false);
        return true;
    case TB_I_SUB:
        sum(t, w, true);
        return true;
    case TB_I_MUL: {
        tb_asm_reg p = tb_t_mul(t, tb_t_reg(t, w[2]), tb_t_range(t, w[2]), tb_t_reg(t, w[3]),
                               tb_t_range(t, w[3]), &r);
        tb_t_set(t, w[1], p, r);
        return true;
    }
    case TB_I_DIV:
        divide(t, w, false);
        return true;
    case TB_I_MOD:
        divide(t, w, true);
        return true;
    case TB_I_MIN:
        extreme(t, w, false);
        return true;
    case TB_I_MAX:
        extreme(t, w, true);
        return true;
    case TB_I_EQ:
        compare(t, w, TB_ASM_EQ);
        return true;
    case TB_I_LT:
        compare(t, w, TB_ASM_LT);
        return true;
    default:
        return false;
    }
}

tb_asm_reg
tb_t_bytes(tb_translation *t, const tb_plan_value *v, const tb_asm_reg *dims,
           const tb_range *ranges)
{
    int64_t size = (int64_t)tb_dtype_bytes((tb_dtype)v->dtype);
    tb_range r = {size, size};
    tb_asm_reg n = tb_asm_const64(t->v, size);

    for (uint32_t i = 0; i < v->rank; i++) {
        if (!is_never_negative(ranges[i]))
            tb_t_check(t, tb_asm_compare(t->v, TB_ASM_LT, tb_asm_const64(t->v, -1), dims[i]),
                       IREE_OUT_OF_RANGE, TB_STR("a result's size is negative"));
        tb_range d = {ranges[i].lo < 0 ? 0 : ranges[i].lo, ranges[i].hi}, next;
        n = tb_t_mul(t, n, r, dims[i], d, &next);
        r = next;
    }
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * sizes.c -- integer registers of a function: symbols are read from shapes, from integer
 * arguments and from tensors; expressions over them are computed once.
 */
#include "program/internal.h"

/* ---- instructions ---- */
void
tb_w_word(tb_writer *w, int64_t v)
{
    TB_PUSH(&w->p->cx->keep, &w->p->code, (int32_t)v);
}

void
tb_w_op(tb_writer *w, tb_opcode code, uint32_t n_words)
{
    tb_w_word(w, (int64_t)((uint32_t)code | (n_words + 1) << 16));
}

int32_t
tb_w_new_reg(tb_writer *w)
{
    return w->n_regs++;
}

static void
const_to(tb_writer *w, int32_t r, int64_t v)
{
    tb_w_op(w, TB_I_CONST, 3);
    tb_w_word(w, r);
    tb_w_word(w, (int32_t)(uint32_t)(uint64_t)v);
    tb_w_word(w, (int32_t)(uint32_t)((uint64_t)v >> 32));
}

static int32_t
const_reg(tb_writer *w, int64_t v)
{
    int32_t r = tb_w_new_reg(w);
    const_to(w, r, v);
    return r;
}

static int32_t
arithmetic(tb_writer *w, tb_opcode code, int32_t a, int32_t b)
{
    int32_t r = tb_w_new_reg(w);
    tb_w_op(w, code, 3);
    tb_w_word(w, r);
    tb_w_word(w, a);
    tb_w_word(w, b);
    return r;
}

static tb_opcode
dim_opcode(tb_dim_op o)
{
    switch (o) {
    case TB_DIM_ADD:
        return TB_I_ADD;
    case TB_DIM_MUL:
        return TB_I_MUL;
    case TB_DIM_FLOORDIV:
        return TB_I_DIV;
    case TB_DIM_MOD:
        return TB_I_MOD;
    case TB_DIM_MIN:
        return TB_I_MIN;
    case TB_DIM_MAX:
        return TB_I_MAX;
    case TB_DIM_SYM:
        break;
    }
    TB_UNREACHABLE();
}

/* The register of a symbol; -1 if it has none yet. */
static int32_t
sym_reg(tb_writer *w, int64_t sym)
{
    int32_t r = w->sym_reg.at[sym];
    tb_dim same = w->u->syms.at[sym].same_as;
    return r < 0 && same && tb_w_known(w, same) ? tb_w_dim(w, same) : r;
}

static int32_t
expression(tb_writer *w, tb_dim d)
{
    tb_dim_expr e = w->u->exprs.at[d - TB_DIM_EXPR];
    if (e.op != TB_DIM_SYM) {
        int32_t a = tb_w_dim(w, e.a), b = tb_w_dim(w, e.b);
        return arithmetic(w, dim_opcode(e.op), a, b);
    }
    int32_t r = sym_reg(w, e.a);
    if (r < 0)
        tb_raise(w->u->cx, (tb_loc){0}, TB_UNSUPPORTED,
                 "function '%.*s': size %.*s does not follow from an input's shape",
                 TB_FMT(w->f->name), TB_FMT(w->u->syms.at[e.a].name));
    return r;
}

int32_t
tb_w_dim(tb_writer *w, tb_dim d)
{
    uint64_t h = tb_hash_u64((uint64_t)d, 3);
    uint32_t cursor = 0, m;
    while ((m = tb_map_next(&w->seen_dims, h, &cursor)) != 0)
        if (w->reg_dims.at[m - 1] == d)
            return w->reg_regs.at[m - 1];
    int32_t r = tb_dim_is_const(d) ? const_reg(w, d) : expression(w, d);
    TB_PUSH(&w->u->cx->keep, &w->reg_dims, d);
    TB_PUSH(&w->u->cx->keep, &w->reg_regs, r);
    tb_map_put(&w->seen_dims, h, w->reg_dims.n);
    return r;
}

bool
tb_w_known(tb_writer *w, tb_dim d)
{
    if (tb_dim_is_const(d))
        return true;
    tb_dim_expr e = w->u->exprs.at[d - TB_DIM_EXPR];
    if (e.op != TB_DIM_SYM)
        return tb_w_known(w, e.a) && tb_w_known(w, e.b);
    tb_dim same = w->u->syms.at[e.a].same_as;
    return w->sym_reg.at[e.a] >= 0 || (same && tb_w_known(w, same));
}

/* ---- checks ---- */
void
tb_w_check(tb_writer *w, int32_t reg, tb_str message)
{
    tb_w_op(w, TB_I_CHECK, 2);
    tb_w_word(w, reg);
    tb_w_word(w, tb_program_string(w->p, message).off);
}

typedef struct sym_search {
    uint32_t sym;
    bool found;
} sym_search;

static void
find_sym(void *user, uint32_t sym)
{
    sym_search *s = user;
    s->found = s->found || s->sym == sym;
}

/* What was computed from a symbol is computed again after its next definition. */
static void
forget(tb_writer *w, uint32_t sym)
{
    for (uint32_t i = 0; i < w->reg_dims.n; i++) {
        sym_search s = {sym, false};
        if (!tb_dim_is_const(w->reg_dims.at[i]) && w->reg_dims.at[i] != TB_DIM_UNKNOWN)
            tb_dim_syms(w->u, w->reg_dims.at[i], find_sym, &s);
        if (s.found)
            w->reg_dims.at[i] = TB_DIM_UNKNOWN;
    }
}

/* Equalities whose sizes are known by now, each once. */
static void
check_equalities(tb_writer *w)
{
    tb_unit *u = w->u;
    tb_arena *arena = &u->cx->keep;
    for (uint32_t i = 0; i < u->equalities.n; i++) {
        const tb_equality *e = &u->equalities.at[i];
        tb_dim ca = tb_dim_canon(u, e->a), cb = tb_dim_canon(u, e->b);
        if (ca == cb || w->checked[i] || !tb_w_known(w, ca) || !tb_w_known(w, cb))
            continue; /* equal ones follow from definitions, which are checked */
        w->checked[i] = true;
        tb_str ta = tb_dim_text(u, arena, e->a), tb = tb_dim_text(u, arena, e->b);
        int32_t a = tb_w_dim(w, ca), b = tb_w_dim(w, cb);
        tb_w_check(w, arithmetic(w, TB_I_EQ, a, b),
                   tb_sprintf(arena, "sizes must be equal: %.*s and %.*s", TB_FMT(ta),
                              TB_FMT(tb)));
    }
}

/* The symbol that d is, or -1. */
static int64_t
plain_symbol(const tb_writer *w, tb_dim d)
{
    if (tb_dim_is_const(d) || w->u->exprs.at[d - TB_DIM_EXPR].op != TB_DIM_SYM)
        return -1;
    return w->u->exprs.at[d - TB_DIM_EXPR].a;
}

void
tb_w_define(tb_writer *w, uint32_t sym, int32_t r, tb_str where)
{
    const tb_sym *s = &w->u->syms.at[sym];
    tb_arena *a = &w->u->cx->keep;
    if (w->sym_reg.at[sym] >= 0)
        forget(w, sym); /* the same graph runs again, at another place */
    w->sym_reg.at[sym] = r;
    if (s->kind == TB_SYM_SHAPE)
        return; /* the type of the input says the range */
    if (s->min > -(INT64_C(1) << 60)) {
        int32_t least = const_reg(w, s->min - 1);
        tb_w_check(w, arithmetic(w, TB_I_LT, least, r),
                   tb_sprintf(a, "%.*sthe number %.*s must be at least %lld", TB_FMT(where),
                              TB_FMT(s->name), (long long)s->min));
    }
    if (s->max < INT64_C(1) << 60) {
        int32_t most = const_reg(w, s->max + 1);
        tb_w_check(w, arithmetic(w, TB_I_LT, r, most),
                   tb_sprintf(a, "%.*sthe number %.*s must be at most %lld", TB_FMT(where),
                              TB_FMT(s->name), (long long)s->max));
    }
    int64_t other = plain_symbol(w, s->same_as);
    if (other >= 0 && !tb_w_known(w, s->same_as)) {
        tb_w_define(w, (uint32_t)other, r, where); /* a declared size: this is its value */
    } else if (s->same_as && tb_w_known(w, s->same_as)) {
        tb_str same = tb_dim_text(w->u, a, s->same_as);
        tb_w_check(w, arithmetic(w, TB_I_EQ, r, tb_w_dim(w, s->same_as)),
                   tb_sprintf(a, "%.*sthe number %.*s must be %.*s", TB_FMT(where),
                              TB_FMT(s->name), TB_FMT(same)));
    }
    check_equalities(w);
}

/* ---- symbols from shapes ---- */
typedef struct sym_set {
    uint32_t first;
    bool several, any;
} sym_set;

static void
note_sym(void *user, uint32_t sym)
{
    sym_set *s = user;
    s->several = s->several || (s->any && s->first != sym);
    s->first = sym;
    s->any = true;
}

/* Defines the symbol of a dimension a * sym + b from input i's axis; false if it has
 * another form or the symbol is known. */
static bool
define_from_shape(tb_writer *w, tb_dim d, uint32_t input, uint32_t axis)
{
    tb_unit *u = w->u;
    sym_set s = {0};
    if (tb_dim_is_const(d))
        return false;
    tb_dim_syms(u, d, note_sym, &s);
    if (!s.any || s.several || w->sym_reg.at[s.first] >= 0)
        return false;
    int64_t *vals = TB_NEWN(&u->cx->keep, int64_t, u->syms.n);
    int64_t b = tb_dim_eval(u, d, vals);
    vals[s.first] = 1;
    int64_t a = tb_dim_eval(u, d, vals) - b;
    tb_dim sym = tb_sym_dim(u, s.first);
    if (a <= 0 || tb_dim_add(u, tb_dim_mul(u, sym, a), b) != d)
        return false;
    int32_t r = tb_w_new_reg(w);
    tb_w_op(w, TB_I_DIM, 3);
    tb_w_word(w, r);
    tb_w_word(w, input);
    tb_w_word(w, axis);
    if (b != 0)
        r = arithmetic(w, TB_I_SUB, r, const_reg(w, b));
    if (a != 1)
        r = arithmetic(w, TB_I_DIV, r, const_reg(w, a));
    w->sym_reg.at[s.first] = r;
    return true;
}

/* Symbols whose values are integer arguments. */
static void
define_arguments(tb_writer *w)
{
    for (uint32_t i = 0; i < w->u->syms.n; i++) {
        const tb_sym *s = &w->u->syms.at[i];
        if (s->kind != TB_SYM_ARG || s->arg >= w->f->inputs.n)
            continue;
        const tb_param *in = &w->f->inputs.at[s->arg];
        if (in->type.rank != 0 || in->type.dtype != TB_I64)
            tb_raise(w->u->cx, (tb_loc){0}, TB_INVALID_ARGUMENT,
                     "function '%.*s': input %u is a size and must be an i64 of rank 0",
                     TB_FMT(w->f->name), s->arg);
        tb_plan_value *v = &w->p->values.at[w->out.input + s->arg];
        v->is_size = 1;
        v->dims = w->p->dims.n;
        TB_PUSH(&w->u->cx->keep, &w->p->dims,
                ((tb_plan_dim){.value = -1, .min = s->min, .max = s->max, .reg = -1}));
        int32_t r = tb_w_new_reg(w);
        tb_w_op(w, TB_I_VALUE, 2);
        tb_w_word(w, r);
        tb_w_word(w, s->arg);
        tb_w_define(w, i, r, TB_STR(""));
    }
}

typedef TB_VEC(uint32_t) place_list; /* input * TB_MAX_RANK + axis */

static void
define_shapes(tb_writer *w, place_list *defined)
{
    bool again = true;
    while (again) { /* an expression may become solvable once others are known */
        again = false;
        for (uint32_t i = 0; i < w->f->inputs.n; i++)
            for (uint32_t a = 0; a < w->f->inputs.at[i].type.rank; a++) {
                tb_dim d = tb_dim_canon(w->u, w->f->inputs.at[i].type.dims[a]);
                if (define_from_shape(w, d, i, a)) {
                    TB_PUSH(&w->u->cx->keep, defined, i * TB_MAX_RANK + a);
                    again = true;
                }
            }
    }
}

static void
check_shapes(tb_writer *w, const place_list *defined)
{
    tb_unit *u = w->u;
    for (uint32_t i = 0; i < w->f->inputs.n; i++)
        for (uint32_t a = 0; a < w->f->inputs.at[i].type.rank; a++) {
            tb_dim raw = w->f->inputs.at[i].type.dims[a], d = tb_dim_canon(u, raw);
            bool is_def = false, plain = false;
            for (uint32_t k = 0; k < defined->n; k++)
                is_def = is_def || defined->at[k] == i * TB_MAX_RANK + a;
            if (!tb_dim_is_const(d))
                plain = u->exprs.at[d - TB_DIM_EXPR].op == TB_DIM_SYM;
            if (tb_dim_is_const(raw) || (is_def && plain))
                continue;
            int32_t r = tb_w_dim(w, d);
            tb_w_op(w, TB_I_CHECK_DIM, 3);
            tb_w_word(w, i);
            tb_w_word(w, a);
            tb_w_word(w, r);
        }
}

void
tb_w_symbols(tb_writer *w)
{
    place_list defined = {0};
    for (uint32_t i = 0; i < w->u->syms.n; i++)
        TB_PUSH(&w->u->cx->keep, &w->sym_reg, -1);
    w->checked = TB_NEWN(&w->u->cx->keep, bool, w->u->equalities.n + 1);
    define_arguments(w);
    define_shapes(w, &defined);
    check_shapes(w, &defined);
    check_equalities(w);
}

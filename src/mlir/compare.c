/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * compare.c -- truth values: comparisons of numbers, and what they teach of sizes.
 */
#include "mlir/import.h"

static int
decide(double a, double b, ml_compare how)
{
    return how == ML_C_EQ   ? a == b
           : how == ML_C_NE ? a != b
           : how == ML_C_LT ? a < b
                            : a <= b;
}

ml_value
tb_ml_compare_ints(ml_importer *im, ml_compare how, const ml_value *x, const ml_value *y)
{
    tb_unit *u = im->u;
    tb_dim a = tb_ml_dim_of(im, x), b = tb_ml_dim_of(im, y), b1;
    int64_t lo, hi, lo2, hi2;

    if (x->arg.kind != TB_ARG_DIM && y->arg.kind != TB_ARG_DIM)
        return tb_ml_of_bool(how == ML_C_EQ   ? a == b
                             : how == ML_C_NE ? a != b
                             : how == ML_C_LT ? a < b
                                              : a <= b);
    if (how == ML_C_LE || how == ML_C_LT) {
        b1 = how == ML_C_LE ? b : tb_dim_sub(u, b, 1);
        if (tb_dim_le(u, a, b1))
            return tb_ml_of_bool(true);
        if (tb_dim_le(u, tb_dim_add(u, b1, 1), a))
            return tb_ml_of_bool(false);
    } else {
        tb_dim_range(u, a, &lo, &hi);
        tb_dim_range(u, b, &lo2, &hi2);
        if (tb_dim_eq(u, a, b))
            return tb_ml_of_bool(how == ML_C_EQ);
        if (hi < lo2 || hi2 < lo)
            return tb_ml_of_bool(how == ML_C_NE);
    }
    return (ml_value){.compare = how, .a = a, .b = b};
}

static void
comparison(ml_importer *im, ml_compare how, bool swap, const ml_value *in, uint32_t n)
{
    static const tb_prim prims[] = {[ML_C_EQ] = TB_P_eq,
                                    [ML_C_NE] = TB_P_ne,
                                    [ML_C_LT] = TB_P_lt,
                                    [ML_C_LE] = TB_P_le};
    const ml_value *x, *y;
    double a, b;
    tb_val v, w;

    tb_ml_takes(im, n, 2);
    x = &in[swap], y = &in[!swap];
    if (tb_ml_is_int(x) && tb_ml_is_int(y)) {
        tb_ml_define(im, 0, tb_ml_compare_ints(im, how, x, y));
    } else if (tb_ml_known(x, &a) && tb_ml_known(y, &b)) {
        tb_ml_define(im, 0, tb_ml_of_bool(decide(a, b, how)));
    } else {
        v = tb_ml_f64(im, x);
        w = tb_ml_f64(im, y);
        tb_ml_define(im, 0, tb_ml_tensor(tb_map2(im->g, prims[how], v, w)));
    }
}

#define COMPARE(fn, how, swap)                                                           \
    static void fn(ml_importer *im, const ml_value *in, uint32_t n)                      \
    {                                                                                    \
        comparison(im, how, swap, in, n);                                                \
    }
COMPARE(op_eq, ML_C_EQ, false)
COMPARE(op_ne, ML_C_NE, false)
COMPARE(op_lt, ML_C_LT, false)
COMPARE(op_le, ML_C_LE, false)
COMPARE(op_gt, ML_C_LT, true)
COMPARE(op_ge, ML_C_LE, true)

static void
op_not(ml_importer *im, const ml_value *in, uint32_t n)
{
    ml_value v;

    tb_ml_takes(im, n, 1);
    v = in[0];
    if (v.compare == ML_C_EQ || v.compare == ML_C_NE) {
        v.compare = v.compare == ML_C_EQ ? ML_C_NE : ML_C_EQ;
    } else if (v.compare) { /* !(a < b) is b <= a */
        v = (ml_value){.compare = v.compare == ML_C_LT ? ML_C_LE : ML_C_LT,
                       .a = in[0].b,
                       .b = in[0].a};
    } else if (v.arg.kind == TB_ARG_BOOL) {
        v.arg.b = !v.arg.b;
    } else {
        v = tb_ml_tensor(tb_map1(im->g, TB_P_not, tb_ml_rank0(im, &v)));
    }
    tb_ml_define(im, 0, v);
}

/* and is_or: which value decides alone */
static void
connective(ml_importer *im, bool is_or, const ml_value *in, uint32_t n)
{
    tb_val a, b;

    tb_ml_takes(im, n, 2);
    for (int i = 0; i < 2; i++)
        if (!in[i].compare && in[i].arg.kind == TB_ARG_BOOL) {
            tb_ml_define(im, 0, in[i].arg.b == is_or ? in[i] : in[1 - i]);
            return;
        }
    a = tb_ml_rank0(im, &in[0]);
    b = tb_ml_rank0(im, &in[1]);
    tb_ml_define(im, 0, tb_ml_tensor(tb_map2(im->g, is_or ? TB_P_or : TB_P_and, a, b)));
}

static void
op_and(ml_importer *im, const ml_value *in, uint32_t n)
{
    connective(im, false, in, n);
}

static void
op_or(ml_importer *im, const ml_value *in, uint32_t n)
{
    connective(im, true, in, n);
}

/* `is`: the only question that is asked is whether something is None. */
static void
identity(ml_importer *im, bool is_not, const ml_value *in, uint32_t n)
{
    bool a, b;

    tb_ml_takes(im, n, 2);
    a = !in[0].cell && !in[0].compare && in[0].arg.kind == TB_ARG_NONE;
    b = !in[1].cell && !in[1].compare && in[1].arg.kind == TB_ARG_NONE;
    if (!a && !b)
        tb_ml_unsupported(im, "a comparison by identity");
    tb_ml_define(im, 0, tb_ml_of_bool((a && b) != is_not));
}

static void
op_is(ml_importer *im, const ml_value *in, uint32_t n)
{
    identity(im, false, in, n);
}

static void
op_is_not(ml_importer *im, const ml_value *in, uint32_t n)
{
    identity(im, true, in, n);
}

bool
tb_ml_assume(ml_importer *im, const ml_value *c)
{
    tb_unit *u = im->u;
    tb_dim sym;
    int64_t limit;
    bool above;

    if (c->compare == ML_C_EQ) {
        tb_dim_assume_eq(u, c->a, c->b, im->g->loc);
        return true;
    }
    if (c->compare != ML_C_LE && c->compare != ML_C_LT)
        return false;
    above = tb_dim_is_const(c->a); /* a number below the symbol */
    if (above == tb_dim_is_const(c->b))
        return false;
    sym = above ? c->b : c->a;
    limit = (above ? c->a : c->b) + (c->compare == ML_C_LT ? above ? 1 : -1 : 0);
    for (uint32_t i = 0; i < u->syms.n; i++) {
        tb_sym *s = &u->syms.at[i];

        if (tb_sym_dim(u, i) != sym)
            continue;
        if (above && limit > s->min && limit <= s->max)
            s->min = limit;
        if (!above && limit < s->max && limit >= s->min)
            s->max = limit;
        return s->kind != TB_SYM_ITEM;
    }
    return false;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    ml_handler *fn;
} table[] = {
    {"torch.aten.eq.int", op_eq},        {"torch.aten.eq.float", op_eq},
    {"torch.aten.eq.bool", op_eq},       {"torch.aten.ne.int", op_ne},
    {"torch.aten.ne.float_int", op_ne},  {"torch.aten.ne.bool", op_ne},
    {"torch.aten.lt.int", op_lt},        {"torch.aten.lt.float", op_lt},
    {"torch.aten.lt.float_int", op_lt},  {"torch.aten.le.int", op_le},
    {"torch.aten.gt.int", op_gt},        {"torch.aten.gt.float", op_gt},
    {"torch.aten.gt.float_int", op_gt},  {"torch.aten.ge.int", op_ge},
    {"torch.aten.ge.float", op_ge},      {"torch.aten.ge.float_int", op_ge},
    {"torch.aten.__not__", op_not},      {"torch.aten.__and__.bool", op_and},
    {"torch.aten.__or__.bool", op_or},   {"torch.aten.__is__", op_is},
    {"torch.aten.__isnot__", op_is_not},
};

ml_handler *
tb_ml_compare_handler(tb_str name)
{
    for (size_t i = 0; i < TB_COUNT(table); i++)
        if (tb_str_is(name, table[i].name))
            return table[i].fn;
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * scalar.c -- integers, floats and truth values of the text.
 *
 * An integer is a number or an expression over sizes, never a node. A float or a truth
 * value is a number while it can be; what depends on a size or on data is computed as a
 * tensor of rank 0, which operators take in place of a number.
 */
#include <math.h>

#include "mlir/import.h"

/* ---- making and looking ---- */

ml_value
tb_ml_none(void)
{
    return (ml_value){.arg = {.kind = TB_ARG_NONE}};
}

ml_value
tb_ml_tensor(tb_val v)
{
    return (ml_value){.arg = {.kind = TB_ARG_TENSOR, .v = v}};
}

ml_value
tb_ml_of_dim(tb_dim d)
{
    if (tb_dim_is_const(d))
        return (ml_value){.arg = {.kind = TB_ARG_INT, .i = d}};
    return (ml_value){.arg = {.kind = TB_ARG_DIM, .d = d}};
}

ml_value
tb_ml_of_float(double f)
{
    return (ml_value){.arg = {.kind = TB_ARG_FLOAT, .f = f}};
}

ml_value
tb_ml_of_bool(bool b)
{
    return (ml_value){.arg = {.kind = TB_ARG_BOOL, .b = b}};
}

bool
tb_ml_is_int(const ml_value *v)
{
    return !v->compare && !v->cell &&
           (v->arg.kind == TB_ARG_INT || v->arg.kind == TB_ARG_DIM ||
            v->arg.kind == TB_ARG_BOOL);
}

/* A number that is known now. */
bool
tb_ml_known(const ml_value *v, double *out)
{
    if (v->compare || v->cell)
        return false;
    *out = v->arg.kind == TB_ARG_INT     ? (double)v->arg.i
           : v->arg.kind == TB_ARG_FLOAT ? v->arg.f
           : v->arg.kind == TB_ARG_BOOL  ? (double)v->arg.b
                                         : 0;
    return v->arg.kind == TB_ARG_INT || v->arg.kind == TB_ARG_FLOAT ||
           v->arg.kind == TB_ARG_BOOL;
}

tb_dim
tb_ml_dim_of(ml_importer *im, const ml_value *v)
{
    if (!tb_ml_is_int(v))
        ML_FAIL(im, "%.*s: expected an integer", TB_FMT(im->op->name));
    return v->arg.kind == TB_ARG_INT    ? v->arg.i
           : v->arg.kind == TB_ARG_BOOL ? v->arg.b
                                        : v->arg.d;
}

tb_val
tb_ml_tensor_of(ml_importer *im, const ml_value *v)
{
    if (v->cell)
        return im->cells.at[v->cell - 1].now;
    if (v->compare || v->arg.kind != TB_ARG_TENSOR)
        return tb_ml_rank0(im, v);
    return v->arg.v;
}

tb_arg
tb_ml_arg(ml_importer *im, const ml_value *v)
{
    if (v->cell || v->compare)
        return (tb_arg){.kind = TB_ARG_TENSOR, .v = tb_ml_tensor_of(im, v)};
    return v->arg;
}

tb_val
tb_ml_rank0(ml_importer *im, const ml_value *v)
{
    static const tb_prim prims[] = {[ML_C_EQ] = TB_P_eq,
                                    [ML_C_NE] = TB_P_ne,
                                    [ML_C_LT] = TB_P_lt,
                                    [ML_C_LE] = TB_P_le};

    if (v->compare) { /* operands in order: the graph must not depend on the C compiler */
        tb_val a = tb_dim_value(im->g, v->a);

        return tb_map2(im->g, prims[v->compare], a, tb_dim_value(im->g, v->b));
    }
    switch (v->arg.kind) {
    case TB_ARG_INT:
        return tb_full_i(im->g, TB_I64, 0, NULL, v->arg.i);
    case TB_ARG_DIM:
        return tb_dim_value(im->g, v->arg.d);
    case TB_ARG_FLOAT:
        return tb_full_f(im->g, TB_F64, 0, NULL, v->arg.f);
    case TB_ARG_BOOL:
        return tb_full_i(im->g, TB_BOOL, 0, NULL, v->arg.b);
    case TB_ARG_TENSOR:
        return v->arg.v;
    case TB_ARG_NONE:
    case TB_ARG_COMPLEX:
    case TB_ARG_STR:
    case TB_ARG_LIST:
        break;
    }
    ML_FAIL(im, "%.*s: expected a number or a tensor", TB_FMT(im->op->name));
}

/* ---- affine expressions ---- */

tb_dim
tb_ml_affine(ml_importer *im, const ml_affine *e, const tb_dim *symbols, uint32_t n)
{
    tb_unit *u = im->u;
    tb_dim a, b;

    if (e->op == ML_A_CONST)
        return e->value;
    if (e->op == ML_A_SYMBOL && e->value < (int64_t)n)
        return symbols[e->value];
    if (e->op == ML_A_SYMBOL || e->op == ML_A_DIM)
        ML_FAIL(im, "a map of symbols alone is expected");
    a = tb_ml_affine(im, e->a, symbols, n);
    b = tb_ml_affine(im, e->b, symbols, n);
    if (b == 0 && e->op != ML_A_ADD && e->op != ML_A_MUL)
        ML_FAIL(im, "division by zero");
    switch (e->op) {
    case ML_A_ADD:
        return tb_dim_add(u, a, b);
    case ML_A_MUL:
        return tb_dim_mul(u, a, b);
    case ML_A_DIV:
        return tb_dim_floordiv(u, a, b);
    case ML_A_CEIL:
        return tb_dim_ceildiv(u, a, b);
    case ML_A_MOD:
        return tb_dim_mod(u, a, b);
    case ML_A_CONST:
    case ML_A_SYMBOL:
    case ML_A_DIM:
        break;
    }
    TB_UNREACHABLE();
}

/* ---- arithmetic ---- */

typedef enum arith { ADD, SUB, MUL, TRUE_DIV, FLOOR_DIV, MOD, MIN, MAX, POW } arith;

static bool
exact(arith what, int64_t a, int64_t b, int64_t *out)
{
    switch (what) {
    case ADD:
        return tb_add_ok(a, b, out);
    case SUB:
        return b != INT64_MIN && tb_add_ok(a, -b, out);
    case MUL:
        return tb_mul_ok(a, b, out);
    case FLOOR_DIV:
        *out = b && !(a == INT64_MIN && b == -1) ? tb_floordiv(a, b) : 0;
        return b && !(a == INT64_MIN && b == -1);
    case MOD:
        *out = b && b != -1 ? tb_mod(a, b) : 0;
        return b != 0;
    case MIN:
        *out = a < b ? a : b;
        return true;
    case MAX:
        *out = a > b ? a : b;
        return true;
    case TRUE_DIV:
    case POW:
        break;
    }
    return false;
}

static ml_value
int_arith(ml_importer *im, arith what, const ml_value *x, const ml_value *y)
{
    tb_unit *u = im->u;
    tb_dim a = tb_ml_dim_of(im, x), b = tb_ml_dim_of(im, y);
    int64_t c;

    if (x->arg.kind != TB_ARG_DIM && y->arg.kind != TB_ARG_DIM) {
        if (!exact(what, a, b, &c))
            ML_FAIL(im, "%.*s of %lld and %lld has no value in 64 bits",
                    TB_FMT(im->op->name), (long long)a, (long long)b);
        return (ml_value){.arg = {.kind = TB_ARG_INT, .i = c}};
    }
    if (b == 0 && (what == FLOOR_DIV || what == MOD))
        ML_FAIL(im, "division by zero");
    return tb_ml_of_dim(what == ADD         ? tb_dim_add(u, a, b)
                        : what == SUB       ? tb_dim_sub(u, a, b)
                        : what == MUL       ? tb_dim_mul(u, a, b)
                        : what == FLOOR_DIV ? tb_dim_floordiv(u, a, b)
                        : what == MOD       ? tb_dim_mod(u, a, b)
                        : what == MIN       ? tb_dim_min(u, a, b)
                                            : tb_dim_max(u, a, b));
}

static double
real(arith what, double a, double b)
{
    switch (what) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case TRUE_DIV:
        return a / b;
    case FLOOR_DIV:
        return floor(a / b);
    case MOD:
        return a - floor(a / b) * b;
    case MIN:
        return fmin(a, b);
    case MAX:
        return fmax(a, b);
    case POW:
        return pow(a, b);
    }
    TB_UNREACHABLE();
}

tb_val
tb_ml_f64(ml_importer *im, const ml_value *v)
{
    return tb_cast(im->g, tb_ml_rank0(im, v), TB_F64);
}

static ml_value
real_arith(ml_importer *im, arith what, const ml_value *x, const ml_value *y)
{
    static const tb_prim prims[] = {
        [ADD] = TB_P_add,      [SUB] = TB_P_sub,       [MUL] = TB_P_mul,
        [TRUE_DIV] = TB_P_div, [FLOOR_DIV] = TB_P_div, [MOD] = TB_P_none,
        [MIN] = TB_P_min,      [MAX] = TB_P_max,       [POW] = TB_P_pow};
    double a, b;
    tb_val v, w;

    if (tb_ml_known(x, &a) && tb_ml_known(y, &b))
        return tb_ml_of_float(real(what, a, b));
    if (what == MOD)
        tb_ml_unsupported(im, "the remainder of floats that depend on sizes");
    v = tb_ml_f64(im, x);
    w = tb_ml_f64(im, y);
    v = tb_map2(im->g, prims[what], v, w);
    return tb_ml_tensor(what == FLOOR_DIV ? tb_map1(im->g, TB_P_floor, v) : v);
}

void
tb_ml_takes(const ml_importer *im, uint32_t n, uint32_t want)
{
    if (n < want)
        ML_FAIL(im, "%.*s takes %u operands, found %u", TB_FMT(im->op->name), want, n);
}

static void
arithmetic(ml_importer *im, arith what, const ml_value *in, uint32_t n)
{
    tb_ml_takes(im, n, 2);
    if (what != TRUE_DIV && what != POW && tb_ml_is_int(&in[0]) && tb_ml_is_int(&in[1]))
        tb_ml_define(im, 0, int_arith(im, what, &in[0], &in[1]));
    else
        tb_ml_define(im, 0, real_arith(im, what, &in[0], &in[1]));
}

#define ARITH(fn, what)                                                                  \
    static void fn(ml_importer *im, const ml_value *in, uint32_t n)                      \
    {                                                                                    \
        arithmetic(im, what, in, n);                                                     \
    }
ARITH(op_add, ADD)
ARITH(op_sub, SUB)
ARITH(op_mul, MUL)
ARITH(op_div, TRUE_DIV)
ARITH(op_floordiv, FLOOR_DIV)
ARITH(op_mod, MOD)
ARITH(op_min, MIN)
ARITH(op_max, MAX)
ARITH(op_pow, POW)

static void
op_neg(ml_importer *im, const ml_value *in, uint32_t n)
{
    ml_value zero = tb_ml_of_dim(0);

    tb_ml_takes(im, n, 1);
    if (tb_ml_is_int(&in[0]))
        tb_ml_define(im, 0, int_arith(im, SUB, &zero, &in[0]));
    else if (in[0].arg.kind == TB_ARG_FLOAT)
        tb_ml_define(im, 0, tb_ml_of_float(-in[0].arg.f));
    else
        tb_ml_define(im, 0,
                     tb_ml_tensor(tb_map1(im->g, TB_P_neg, tb_ml_rank0(im, &in[0]))));
}

static void
function_of_real(ml_importer *im, const ml_value *in, uint32_t n, tb_prim prim)
{
    double x;

    tb_ml_takes(im, n, 1);
    if (tb_ml_known(&in[0], &x))
        tb_ml_define(im, 0,
                     tb_ml_of_float(prim == TB_P_sqrt  ? sqrt(x)
                                    : prim == TB_P_log ? log(x)
                                                       : exp(x)));
    else
        tb_ml_define(im, 0, tb_ml_tensor(tb_map1(im->g, prim, tb_ml_f64(im, &in[0]))));
}

static void
op_sqrt(ml_importer *im, const ml_value *in, uint32_t n)
{
    function_of_real(im, in, n, TB_P_sqrt);
}

static void
op_log(ml_importer *im, const ml_value *in, uint32_t n)
{
    function_of_real(im, in, n, TB_P_log);
}

static void
op_exp(ml_importer *im, const ml_value *in, uint32_t n)
{
    function_of_real(im, in, n, TB_P_exp);
}

/* ---- conversion ---- */

/* A value read from a tensor becomes a symbol. Its name is the one in the text, if that is
 * one; torch.symbolic_int of that name may have made it already (ops.c). */
tb_dim
tb_ml_item(ml_importer *im, tb_val x, tb_str name)
{
    const tb_dtype t = tb_dtype_of(im->g, x);
    int64_t attr;

    for (uint32_t i = im->u->syms.n; i-- > 0;)
        if (im->u->syms.at[i].kind == TB_SYM_ITEM &&
            tb_str_eq(im->u->syms.at[i].name, name) &&
            im->u->syms.at[i].arg == UINT32_MAX && (tb_dtype_is_int(t) || t == TB_BOOL) &&
            tb_rank(im->g, x) == 0) {
            im->u->syms.at[i].arg = 0;
            attr = i;
            tb_add(im->g, TB_P_item, TB_NONE, 0, NULL, &x, 1, &attr, 1);
            return tb_sym_dim(im->u, i);
        }
    if (!name.len || (name.ptr[0] >= '0' && name.ptr[0] <= '9'))
        name = tb_sprintf(&im->cx->scratch, "u%u", im->fresh++);
    return tb_item(im->g, x, tb_ml_plain_name(im, name), INT64_MIN, INT64_MAX);
}

static tb_dim
item(ml_importer *im, tb_val x)
{
    return tb_ml_item(im, x,
                      im->op->results.n ? im->op->results.at[0].name : TB_STR(""));
}

static void
op_int(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_value *v = in;

    tb_ml_takes(im, n, 1);
    if (tb_ml_is_int(v))
        tb_ml_define(im, 0, tb_ml_of_dim(tb_ml_dim_of(im, v)));
    else if (!v->compare && v->arg.kind == TB_ARG_FLOAT && fabs(v->arg.f) < 0x1p60)
        tb_ml_define(im, 0, tb_ml_of_dim((int64_t)v->arg.f));
    else if (v->compare) /* a Scalar that is asserted: still the comparison */
        tb_ml_define(im, 0, *v);
    else if (tb_dtype_is_float(tb_dtype_of(im->g, tb_ml_tensor_of(im, v))))
        tb_ml_define(
            im, 0,
            tb_ml_of_dim(item(im, tb_cast(im->g, tb_ml_tensor_of(im, v), TB_I64))));
    else
        tb_ml_define(im, 0, tb_ml_of_dim(item(im, tb_ml_tensor_of(im, v))));
}

static void
op_float(ml_importer *im, const ml_value *in, uint32_t n)
{
    double x;

    tb_ml_takes(im, n, 1);
    if (tb_ml_known(&in[0], &x))
        tb_ml_define(im, 0, tb_ml_of_float(x));
    else if (in[0].cell ||
             in[0].arg.kind == TB_ARG_TENSOR) /* operators take it as it is */
        tb_ml_define(im, 0, tb_ml_tensor(tb_ml_tensor_of(im, &in[0])));
    else
        tb_ml_define(im, 0, tb_ml_tensor(tb_ml_f64(im, &in[0])));
}

static void
op_bool(ml_importer *im, const ml_value *in, uint32_t n)
{
    double x;
    ml_value zero = tb_ml_of_dim(0);

    tb_ml_takes(im, n, 1);
    if (in[0].compare)
        tb_ml_define(im, 0, in[0]);
    else if (tb_ml_known(&in[0], &x))
        tb_ml_define(im, 0, tb_ml_of_bool(x != 0));
    else if (tb_ml_is_int(&in[0]))
        tb_ml_define(im, 0, tb_ml_compare_ints(im, ML_C_NE, &in[0], &zero));
    else
        tb_ml_define(im, 0, tb_ml_tensor(tb_ml_tensor_of(im, &in[0])));
}

/* aten.item and the like: the result's type says what is wanted. */
static void
op_item(ml_importer *im, const ml_value *in, uint32_t n)
{
    ml_type_kind want = im->op->out.n ? im->op->out.at[0].kind : ML_T_NUMBER;

    tb_ml_takes(im, n, 1);
    if (want == ML_T_NUMBER || want == ML_T_OTHER)
        want = tb_dtype_is_float(tb_dtype_of(im->g, tb_ml_tensor_of(im, in))) ? ML_T_FLOAT
                                                                              : ML_T_INT;
    if (want == ML_T_FLOAT)
        op_float(im, in, n);
    else if (want == ML_T_BOOL)
        op_bool(im, in, n);
    else
        op_int(im, in, n);
}

/* prim.NumToTensor.Scalar, aten.tensor.int: a number as a tensor of the type said. */
static void
op_to_tensor(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_type t = {.dtype = TB_I64};
    double x;

    tb_ml_takes(im, n, 1);
    if (im->op->out.n && im->op->out.at[0].kind == ML_T_TENSOR)
        t = tb_ml_result_type(im, &im->op->out.at[0], NULL);
    if (t.rank)
        tb_ml_unsupported(im, "a tensor of rank above 0 from a number");
    if (tb_dtype_is_float((tb_dtype)t.dtype) && tb_ml_known(&in[0], &x))
        tb_ml_define(im, 0,
                     tb_ml_tensor(tb_full_f(im->g, (tb_dtype)t.dtype, 0, NULL, x)));
    else if (!tb_dtype_is_complex((tb_dtype)t.dtype) && in[0].arg.kind == TB_ARG_INT)
        tb_ml_define(
            im, 0,
            tb_ml_tensor(tb_full_i(im->g, (tb_dtype)t.dtype, 0, NULL, in[0].arg.i)));
    else
        tb_ml_define(
            im, 0,
            tb_ml_tensor(tb_cast(im->g, tb_ml_rank0(im, &in[0]), (tb_dtype)t.dtype)));
}

/* ---- the table ---- */

static const struct {
    const char *name;
    ml_handler *fn;
} table[] = {
    {"torch.aten.add.int", op_add},
    {"torch.aten.add.float", op_add},
    {"torch.aten.add.float_int", op_add},
    {"torch.aten.add.int_float", op_add},
    {"torch.aten.add", op_add},
    {"torch.aten.sub.int", op_sub},
    {"torch.aten.sub.float", op_sub},
    {"torch.aten.sub", op_sub},
    {"torch.aten.mul.int", op_mul},
    {"torch.aten.mul.float", op_mul},
    {"torch.aten.mul.float_int", op_mul},
    {"torch.aten.mul.int_float", op_mul},
    {"torch.aten.mul", op_mul},
    {"torch.aten.div.int", op_div},
    {"torch.aten.div.float", op_div},
    {"torch.aten.div", op_div},
    {"torch.aten.truediv.int", op_div},
    {"torch.aten.floordiv.int", op_floordiv},
    {"torch.aten.floordiv.float", op_floordiv},
    {"torch.aten.floordiv", op_floordiv},
    {"torch.aten.remainder.int", op_mod},
    {"torch.aten.remainder.float", op_mod},
    {"torch.aten.fmod.int", op_mod},
    {"torch.prim.min.int", op_min},
    {"torch.prim.max.int", op_max},
    {"torch.aten.pow.int_float", op_pow},
    {"torch.aten.pow.float", op_pow},
    {"torch.aten.neg.int", op_neg},
    {"torch.aten.neg.float", op_neg},
    {"torch.aten.sqrt.int", op_sqrt},
    {"torch.aten.sqrt.float", op_sqrt},
    {"torch.aten.log.int", op_log},
    {"torch.aten.log.float", op_log},
    {"torch.aten.exp.float", op_exp},
    {"torch.aten.Int.Tensor", op_int},
    {"torch.aten.Int.Scalar", op_int},
    {"torch.aten.Int.float", op_int},
    {"torch.aten.Int.bool", op_int},
    {"torch.aten.IntImplicit", op_int},
    {"torch.aten.Float.Tensor", op_float},
    {"torch.aten.Float.Scalar", op_float},
    {"torch.aten.Float.bool", op_float},
    {"torch.aten.FloatImplicit", op_float},
    {"torch.aten.Bool.Tensor", op_bool},
    {"torch.aten.Bool.int", op_bool},
    {"torch.aten.Bool.float", op_bool},
    {"torch.aten.item", op_item},
    {"torch.aten._local_scalar_dense", op_item},
    {"torch.aten.ScalarImplicit", op_item},
    {"torch.prim.NumToTensor.Scalar", op_to_tensor},
    {"torch.aten.tensor.int", op_to_tensor},
    {"torch.aten.tensor.float", op_to_tensor},
    {"torch.aten.tensor.bool", op_to_tensor},
};

ml_handler *
tb_ml_scalar_handler(tb_str name)
{
    for (size_t i = 0; i < TB_COUNT(table); i++)
        if (tb_str_is(name, table[i].name))
            return table[i].fn;
    return tb_ml_compare_handler(name);
}

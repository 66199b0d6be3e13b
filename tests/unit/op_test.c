/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * op_test.c -- the table of operators: schemas, look-up, arguments, promotion,
 * decomposition, and what operators of each family compute, by the evaluator.
 */
#include "op/op.h"
#include "op/schema.h"
#include "unit/graph_t.h"
#include "unit/op_t.h"

/* ---- schemas ---- */

static void
schema_body(void)
{
    const tb_schema *s = tb_schema_parse(
        cx, "foo.bar(Tensor(a!) self, SymInt[2] k=[1, -2], *, ScalarType? dtype=None, "
            "float eps=1e-05, str mode=\"sum\", bool b=True, Scalar alpha=1, "
            "Tensor(b)?[] more=[], MemoryFormat? f=contiguous_format) "
            "-> (Tensor(a!) values, Tensor indices)");

    CHECK(tb_str_is(s->name, "foo.bar"));
    EQ_INT(s->n_args, 9);
    EQ_INT(s->n_results, 2);
    CHECK(!s->returns_list);
    CHECK(tb_str_is(s->args[0].type, "Tensor") && tb_str_is(s->args[0].name, "self"));
    CHECK(!s->args[0].has_default && !s->args[0].kwarg_only);
    CHECK(tb_str_is(s->args[1].type, "SymInt[2]"));
    EQ_INT(s->args[1].default_value.list.n, 2);
    EQ_INT(s->args[1].default_value.list.at[1].i, -2);
    CHECK(s->args[2].kwarg_only && s->args[2].default_value.kind == TB_ARG_NONE);
    CHECK(s->args[3].default_value.kind == TB_ARG_FLOAT &&
          s->args[3].default_value.f == 1e-05);
    CHECK(tb_str_is(s->args[4].default_value.s, "sum"));
    CHECK(s->args[5].default_value.kind == TB_ARG_BOOL && s->args[5].default_value.b);
    CHECK(s->args[6].default_value.kind == TB_ARG_INT);
    CHECK(tb_str_is(s->args[7].type, "Tensor?[]"));
    EQ_INT(s->args[8].default_value.i, 0);
    CHECK(tb_schema_parse(cx, "f(Tensor x) -> Tensor(a)[]")->returns_list);
    EQ_INT(tb_schema_parse(cx, "f(Tensor x) -> ()")->n_results, 0);
}
BODY(schema)

/* Every row of every family: its schema is well formed and found by its own name. */
static void
table_body(void)
{
    uint32_t n = 0;

    for (const tb_op *op; (op = tb_op_at(n)) != NULL; n++) {
        const tb_schema *s = tb_op_schema(cx, op);
        const tb_op *found = tb_op_find(s->name);

        if (!CHECK(found == op))
            printf("# two rows: %.*s\n", TB_FMT(s->name));
        CHECK(op->body != NULL);
        CHECK(s->n_args > 0);
    }
    CHECK(n > 500);
}
BODY(table)

static void
names_body(void)
{
    const tb_op *relu = tb_op_find(TB_STR("relu"));

    CHECK(relu != NULL);
    CHECK(tb_op_find(TB_STR("aten.relu")) == relu);
    CHECK(tb_op_find(TB_STR("aten.relu.default")) == relu);
    CHECK(tb_op_find(TB_STR("aten.add.Tensor")) != NULL);
    CHECK(tb_op_find(TB_STR("aten.add")) == NULL);
    CHECK(tb_op_find(TB_STR("aten.rel")) == NULL);
    CHECK(tb_op_find(TB_STR("prims.convert_element_type.default")) != NULL);
    CHECK(tb_op_find(TB_STR("")) == NULL);
}
BODY(names)

/* ---- arguments ---- */

static const tb_arg *
normalize(const char *op, uint32_t n, const tb_arg *args, const char *kw, tb_arg value)
{
    tb_str name = tb_str_c(kw ? kw : "");
    uint32_t count;

    return tb_op_normalize(cx, tb_op_find(tb_str_c(op)), args, n, &name, &value,
                           kw != NULL, (tb_loc){0}, &count);
}

#define TENSOR {.kind = TB_ARG_TENSOR, .v = {1}}
#define INT_ARG(value) ((tb_arg){.kind = TB_ARG_INT, .i = (value)})

static void
arguments_body(void)
{
    tb_arg x[] = {TENSOR, {.kind = TB_ARG_INT, .i = 3}};
    const tb_arg *a = normalize("sum.dim_IntList", 2, x, "keepdim", INT_ARG(1));

    CHECK(a[1].kind == TB_ARG_LIST && a[1].list.n == 1 && a[1].list.at[0].i == 3);
    CHECK(a[2].kind == TB_ARG_BOOL && a[2].b);
    CHECK(a[3].kind == TB_ARG_NONE);
    a = normalize("_to_copy", 1, x, "dtype",
                  (tb_arg){.kind = TB_ARG_STR, .s = TB_STR("f16")});
    EQ_INT(a[1].i, 5); /* torch.float16 */
    a = normalize("native_dropout", 2, (tb_arg[]){TENSOR, INT_ARG(1)}, "train",
                  INT_ARG(0));
    CHECK(a[1].kind == TB_ARG_FLOAT && a[1].f == 1);
    a = normalize("add.Tensor", 2, x, NULL, INT_ARG(0));
    EQ_INT(a[2].i, 1); /* alpha */
}
BODY(arguments)

static void
missing_argument_body(void)
{
    normalize("sort.stable", 0, NULL, NULL, INT_ARG(0));
}

static void
unknown_argument_body(void)
{
    normalize("relu", 1, (tb_arg[]){TENSOR}, "foo", INT_ARG(0));
}

static void
argument_twice_body(void)
{
    normalize("relu", 1, (tb_arg[]){TENSOR}, "self", INT_ARG(0));
}

static void
wrong_argument_body(void)
{
    normalize("softmax.int", 2, (tb_arg[]){TENSOR, {.kind = TB_ARG_FLOAT, .f = 0.5}},
              NULL, INT_ARG(0));
}

static void
argument_errors(void)
{
    RAISES(missing_argument_body, "sort.stable: argument 'self' is missing");
    RAISES(unknown_argument_body, "relu: has no argument 'foo'");
    RAISES(argument_twice_body, "relu: argument 'self' is given twice");
    RAISES(wrong_argument_body, "softmax.int: argument 'dim': expected int");
}

static void
promotion(void)
{
    EQ_INT(tb_promote_types(TB_F16, TB_BF16), TB_F32);
    EQ_INT(tb_promote_types(TB_BOOL, TB_U8), TB_U8);
    EQ_INT(tb_promote_types(TB_U8, TB_I8), TB_I16);
    EQ_INT(tb_promote_types(TB_U8, TB_I32), TB_I32);
    EQ_INT(tb_promote_types(TB_I64, TB_F16), TB_F16);
    EQ_INT(tb_promote_types(TB_F64, TB_C64), TB_C128);
    EQ_INT(tb_promote_types(TB_F32, TB_C64), TB_C64);
    EQ_INT(tb_promote_types(TB_U16, TB_I32), TB_NONE);
}

/* ---- what operators compute ---- */

static void
arithmetic(void)
{
    GIVES("3xi64 = [1, 2, 3]; f32 = [0.5]", "add.Tensor(%1, %2, 1)",
          "3xf32: 1.5 2.5 3.5");
    GIVES("3xi64 = [1, 2, 3]", "add.Scalar(%1, 2, 3)", "3xi64: 7 8 9");
    GIVES("3xi64 = [1, 2, 3]", "mul.Tensor(%1, 0.5)", "3xf32: 0.5 1 1.5");
    GIVES("2xbf16 = [1, 2]", "mul.Tensor(%1, 0.5)", "2xbf16: 0.5 1");
    GIVES("2xbf16 = [1, 2]; f64 = [3]", "add.Tensor(%1, %2)", "2xbf16: 4 5");
    GIVES("2xi1 = [1, 0]; 2xi1 = [1, 0]", "add.Tensor(%1, %2)", "2xi1: 1 0");
    GIVES("2xf32 = [1, 2]", "rsub.Scalar(%1, 5, 2)", "2xf32: 3 1");
    GIVES("2xi64 = [7, -7]", "div.Tensor(%1, 2)", "2xf32: 3.5 -3.5");
    GIVES("2xi64 = [7, -7]", "div.Scalar_mode(%1, 2, \"floor\")", "2xi64: 3 -4");
    GIVES("2xi64 = [7, -7]", "div.Scalar_mode(%1, 2, \"trunc\")", "2xi64: 3 -3");
    GIVES("2xf32 = [7, -7]", "floor_divide(%1, 2)", "2xf32: 3 -4");
    GIVES("3xf32 = [5, -5, 5]; 3xf32 = [3, 3, -3]", "remainder.Tensor(%1, %2)",
          "3xf32: 2 1 -1");
    GIVES("3xf32 = [5, -5, 5]; 3xf32 = [3, 3, -3]", "fmod.Tensor(%1, %2)",
          "3xf32: 2 -2 2");
    GIVES("2xi64 = [3, 4]", "pow.Tensor_Scalar(%1, 2)", "2xi64: 9 16");
    GIVES("2xf32 = [4, 9]", "pow.Tensor_Scalar(%1, -0.5)", "2xf32: 0.5 0.33333");
    GIVES("2x1xf32 = [1, 2]; 3xf32 = [10, 20, 30]", "sub.Tensor(%2, %1)",
          "2x3xf32: 9 19 29 8 18 28");
    GIVES("4xf32 = [@nan, -1, 0.5, 9]", "clamp(%1, 0, 1)", "4xf32: nan 0 0.5 1");
    GIVES("2xi64 = [0, 5]", "clamp(%1, 0.5, none)", "2xf32: 0.5 5");
    GIVES("2xf32 = [1, @nan]; 2xf32 = [2, 3]", "fmax(%1, %2)", "2xf32: 2 3");
}

static void
comparison_and_logic(void)
{
    GIVES("3xi64 = [1, 2, 3]", "lt.Scalar(%1, 2.5)", "3xi1: 1 1 0");
    GIVES("3xf32 = [1, @nan, 3]", "ge.Scalar(%1, 3)", "3xi1: 0 0 1");
    GIVES("3xf32 = [0, @nan, 3]", "logical_not(%1)", "3xi1: 1 0 0");
    GIVES("2xi64 = [6, 5]", "bitwise_and.Scalar(%1, 3)", "2xi64: 2 1");
    GIVES("2xi1 = [1, 0]; 2xi64 = [1, 2]; f32 = [0.5]", "where.self(%1, %2, %3)",
          "2xf32: 1 0.5");
    GIVES("2xi1 = [1, 0]", "where.Scalar(%1, 1, 2)", "2xi64: 1 2");
    GIVES("3xf32 = [1, 2, 3]; 3xi1 = [1, 0, 1]", "masked_fill.Scalar(%1, %2, @-inf)",
          "3xf32: -inf 2 -inf");
}

static void
functions(void)
{
    GIVES("4xf32 = [0.5, 1.5, 2.5, -0.5]", "round(%1)", "4xf32: 0 2 2 -0");
    GIVES("2xi64 = [1, 4]", "sqrt(%1)", "2xf32: 1 2");
    GIVES("2xf32 = [4, 16]", "rsqrt(%1)", "2xf32: 0.5 0.25");
    GIVES("2xf32 = [0.5, -0.5]", "erfinv(%1)", "2xf32: 0.47694 -0.47694");
    GIVES("2xf32 = [3, 5]", "erfc(%1)", "2xf32: 2.209e-05 1.5375e-12");
    GIVES("3xf32 = [-1, 0, 1]", "gelu(%1, \"none\")", "3xf32: -0.15866 0 0.84134");
    GIVES("3xf32 = [-1, 0, 1]", "gelu(%1, \"tanh\")", "3xf32: -0.15881 0 0.84119");
    GIVES("3xf32 = [-1, 0, 1]", "silu(%1)", "3xf32: -0.26894 0 0.73106");
    GIVES("3xf32 = [-4, 1, 4]", "hardswish(%1)", "3xf32: -0 0.66667 4");
    GIVES("3xf32 = [-1, 0, 30]", "softplus(%1)", "3xf32: 0.31326 0.69315 30");
    GIVES("3xf32 = [@nan, @inf, @-inf]", "nan_to_num(%1, 1.0)",
          "3xf32: 1 3.4028e+38 -3.4028e+38");
    GIVES("3xf32 = [-1.5, 0, 300.7]", "_to_copy(%1, 3)", "3xi32: -1 0 300");
}

static void
reductions(void)
{
    const char *m = "2x3xf32 = [1, 5, 3, 4, 2, 6]";

    GIVES("2x2xi1 = [1, 0, 1, 1]", "sum(%1)", "i64: 3");
    GIVES(m, "sum.dim_IntList(%1, [0], true)", "1x3xf32: 5 7 9");
    GIVES("2x2xui8 = [200, 100, 0, 1]", "sum_to_size(%1, [2])", "2xi64: 200 101");
    GIVES("2xui8 = [200, 100]", "sum_to_size(%1, [2])", "2xui8: 200 100");
    GIVES("f32 = [3]; f32 = [-2]", "cosine_similarity(%1, %2, 0)", "f32: -1");
    GIVES("2xf16 = [10, 0]; 2xf16 = [0, 0]", "pairwise_distance(%1, %2, 5.0)", "f16: 10");
    GIVES("3xf32 = [1, 2, 3]; 2x0xi64 = []", "gather(%1, 0, %2)", "2x0xf32:");
    GIVES("1x1x4xf32 = [1, 2, 3, 4]", "_pad_circular(%1, [-1, 2])", "1x1x5xf32: 2 3 4 2 3");
    GIVES("1x1x4xf32 = [1, 2, 3, 4]", "_pad_circular(%1, [2, -1])", "1x1x5xf32: 2 3 1 2 3");
    GIVES("", "arange.start_step(-0.9, 2.1, 2.0, 3)", "2xi32: 0 2");
    GIVES("", "arange.start_step(0.5, 5.2, 1.7, 3)", "3xi32: 0 1 2");
    GIVES("", "arange.start_step(0.5, 5.2, 1.7, 4)", "5xi64: 0 1 2 3 4");
    GIVES("", "linspace(4.3, -3, 5, 4)", "5xi64: 4 2 0 -1 -3");
    GIVES("", "linspace(0, 7, 50, 4)",
          "50xi64: 0 0 0 0 0 0 0 1 1 1 1 1 1 1 2 2 2 2 2 2 2 3 3 3 3 3 3 3 4 4 4 4 4 4 4 5 5 5 5 5 5 5 "
          "6 6 6 6 6 6 6 7");
    GIVES("", "logspace(0, 1.2, 4, 10.0, 4)", "4xi64: 1 2 4 10");
    GIVES(m, "mean.dim(%1, [-1])", "2xf32: 3 4");
    GIVES(m, "max.dim(%1, 1)", "2xf32: 5 6; 2xi64: 1 2");
    GIVES(m, "argmin(%1)", "i64: 0");
    GIVES(m, "var.correction(%1, [1], 0)", "2xf32: 2.6667 2.6667");
    GIVES(m, "linalg_vector_norm(%1, @inf, [0])", "3xf32: 4 5 6");
    GIVES(m, "cumsum(%1, 1)", "2x3xf32: 1 6 9 4 6 12");
    GIVES(m, "cummax(%1, 1)", "2x3xf32: 1 5 5 4 4 6; 2x3xi64: 0 1 1 0 0 2");
    GIVES("2xf32 = [1000, 1000]", "softmax.int(%1, 0)", "2xf32: 0.5 0.5");
    GIVES("2xf32 = [@-inf, @-inf]", "_safe_softmax(%1, 0)", "2xf32: 0 0");
    GIVES("f32 = [7]", "_log_softmax(%1, -1, false)", "f32: 0");
    GIVES(m, "topk(%1, 2)", "2x2xf32: 5 3 6 4; 2x2xi64: 1 2 2 0");
    GIVES("4xf32 = [2, @nan, 1, 3]", "sort(%1)", "4xf32: 1 2 3 nan; 4xi64: 2 0 3 1");
    GIVES("4xf32 = [4, 2, 1, 3]", "median(%1)", "f32: 2");
    GIVES("2x2xi64 = [0, 0, 0, 1]", "any.dim(%1, 0)", "2xi1: 0 1");
}

static void
shapes(void)
{
    const char *m = "2x3xi64 = [1, 2, 3, 4, 5, 6]";

    GIVES(m, "view(%1, [3, -1])", "3x2xi64: 1 2 3 4 5 6");
    GIVES(m, "permute(%1, [-1, 0])", "3x2xi64: 1 4 2 5 3 6");
    GIVES(m, "slice.Tensor(%1, 1, -2, 9223372036854775807, 1)", "2x2xi64: 2 3 5 6");
    GIVES(m, "select.int(%1, 1, -1)", "2xi64: 3 6");
    GIVES(m, "split.Tensor(%1, 2, 1)", "[2x2xi64: 1 2 4 5; 2x1xi64: 3 6]");
    GIVES(m, "unbind.int(%1)", "[3xi64: 1 2 3; 3xi64: 4 5 6]");
    GIVES(m, "repeat(%1, [1, 2])", "2x6xi64: 1 2 3 1 2 3 4 5 6 4 5 6");
    GIVES(m, "roll(%1, [1], [1])", "2x3xi64: 3 1 2 6 4 5");
    GIVES(m, "flip(%1, [0])", "2x3xi64: 4 5 6 1 2 3");
    GIVES(m, "diagonal(%1, 1)", "2xi64: 2 6");
    GIVES(m, "tril(%1)", "2x3xi64: 1 0 0 4 5 0");
    GIVES(m, "constant_pad_nd(%1, [1, -1], 9)", "2x3xi64: 9 1 2 9 4 5");
    GIVES("3xf32 = [1, 2, 3]", "pad(%1, [2, 1], \"reflect\")", "6xf32: 3 2 1 2 3 2");
    GIVES("5xi64 = [1, 2, 3, 4, 5]; 2xi64 = [8, 9]", "slice_scatter(%1, %2, 0, 1, 4, 2)",
          "5xi64: 1 8 3 9 5");
    GIVES("2xi64 = [1, 2]; 2xf32 = [3, 4]", "cat([%1, %2])", "4xf32: 1 2 3 4");
    GIVES("2xi64 = [1, 2]; 2xi64 = [3, 4]", "stack([%1, %2], 1)", "2x2xi64: 1 3 2 4");
    GIVES("2xi64 = [1, 2]; 2xi64 = [3, 4]", "meshgrid([%1, %2])",
          "[2x2xi64: 1 1 2 2; 2x2xi64: 3 4 3 4]");
    GIVES("2xi64 = [1, 2]", "expand(%1, [2, -1])", "2x2xi64: 1 2 1 2");
}

static void
creation(void)
{
    GIVES("", "full([2], 1.5)", "2xf32: 1.5 1.5");
    GIVES("", "full([2], true)", "2xi1: 1 1");
    GIVES("", "arange.start_step(10, 0, -3)", "4xi64: 10 7 4 1");
    GIVES("", "arange(2.5)", "3xf32: 0 1 2");
    GIVES("", "linspace(0, 1, 3)", "3xf32: 0 0.5 1");
    GIVES("", "eye(2)", "2x2xf32: 1 0 0 1");
    GIVES("", "tril_indices(2, 2)", "2x3xi64: 0 1 1 0 0 1");
    GIVES("2xi64 = [2, 0]", "one_hot(%1, 3)", "2x3xi64: 0 0 1 1 0 0");
    GIVES("2xf32 = [1, 2]", "new_zeros(%1, [1], 4)", "1xi64: 0");
}

static void
contractions(void)
{
    GIVES("2x2xf32 = [1, 2, 3, 4]; 2xf32 = [1, 1]", "matmul(%1, %2)", "2xf32: 3 7");
    GIVES("1x2xf32 = [1, 2]; 3x2xf32 = [1, 0, 0, 1, 1, 1]; 3xf32 = [0.5, 0.5, 0.5]",
          "linear(%1, %2, %3)", "1x3xf32: 1.5 2.5 3.5");
    GIVES("2x2xf32 = [1, 2, 3, 4]; 2x2xf32 = [1, 0, 0, 1]",
          "einsum(\"ij,jk->ki\", [%1, %2])", "2x2xf32: 1 3 2 4");
    GIVES("2x2x2xf32 = [1, 2, 3, 4, 5, 6, 7, 8]; 2xf32 = [1, 10]",
          "einsum(\"...ii,i\", [%1, %2])", "2xf32: 41 85");
    GIVES("3xui8 = [200, 100, 50]", "einsum(\"i->\", [%1])", "i64: 350");
    GIVES("1x1x3xf32 = [1, 2, 3]; 1x1x2xf32 = [1, 1]",
          "convolution(%1, %2, none, [1], [0], [1], false, [0], 1)", "1x1x2xf32: 3 5");
    GIVES("1x1x4xf32 = [1, 4, 2, 3]", "max_pool1d_with_indices(%1, [2])",
          "1x1x2xf32: 4 3; 1x1x2xi64: 1 3");
    GIVES("1x1x2xf32 = [0, 0]; 1x2x2xf32 = [1, 0, 0, 1]; 1x2x1xf32 = [2, 4]",
          "scaled_dot_product_attention(%1, %2, %3)", "1x1x1xf32: 3");
}

/* ---- decomposition ---- */

typedef struct text_job {
    const char *text;
    tb_buf *printed;
} text_job;
static text_job now;

static void
decompose_text(void)
{
    tb_unit *unit = tb_unit_parse(cx, tb_str_c(now.text), TB_STR("model.tb"));
    tb_graph *r = tb_decompose(unit->funcs.at[0].body);

    tb_graph_verify(r);
    if (now.printed) {
        tb_graph_print(r, now.printed);
        for (uint32_t i = 0; i < unit->equalities.n; i++)
            tb_buf_printf(now.printed, "equal %s %s\n",
                          tb_dim_text(unit, &cx->keep, unit->equalities.at[i].a).ptr,
                          tb_dim_text(unit, &cx->keep, unit->equalities.at[i].b).ptr);
        tb_buf_put(now.printed, "", 1);
    }
}

static void
all_missing_at_once(void)
{
    now = (text_job){.text = "%1 = input : 2xf32\n"
                             "%2 = aten.foo.default(%1) -> 2xf32\n"
                             "%3 = result %2 number=0 : 2xf32\n"
                             "%4 = aten.relu.default(%3) -> 2xf32\n"
                             "%5 = result %4 number=0 : 2xf32\n"
                             "%6 = aten.bar.out(%5) -> 2xf32\n"
                             "%7 = result %6 number=0 : 2xf32\n"
                             "%8 = aten.foo.default(%7) -> 2xf32\n"
                             "%9 = result %8 number=0 : 2xf32\n"
                             "%10 = aten.unused.default(%9) -> 2xf32\n"
                             "return %9\n"};
    RAISES(decompose_text, "model.tb:2: aten.foo.default is not supported (2 uses)\n"
                           "model.tb:6: aten.bar.out is not supported");
}

static void
wrong_declarations(void)
{
    now = (text_job){.text = "%1 = input : 2xf32\n"
                             "%2 = aten.relu.default(%1) -> 3xf32\n"
                             "%3 = result %2 number=0 : 3xf32\n"
                             "return %3\n"};
    RAISES(decompose_text, "model.tb:2: aten.relu.default: result 0 is declared f32[3], "
                           "but follows as f32[2]");
    now.text = "%1 = input : 2xi64\n"
               "%2 = aten.sqrt.default(%1) -> 2xf64\n"
               "%3 = result %2 number=0 : 2xf64\n"
               "return %3\n";
    RAISES(decompose_text, "model.tb:2: aten.sqrt.default: result 0 is declared f64[2], "
                           "but follows as f32[2]");
}

/* A size that the source knows by another name becomes an equality, and one name. */
static void
sizes_are_equated(void)
{
    tb_buf b = {0};

    now = (text_job){.printed = &b,
                     .text = "sym s0 = shape 2..100\n"
                             "sym s1 = shape 2..100\n"
                             "func \"main\" exported {\n"
                             "in \"x\" : [s0]xf32\n"
                             "in \"y\" : [s1]xf32\n"
                             "%1 = input : [s0]xf32\n"
                             "%2 = input : [s1]xf32\n"
                             "%3 = aten.neg.default(%1) -> [s1]xf32\n"
                             "%4 = result %3 number=0 : [s1]xf32\n"
                             "%5 = aten.add.Tensor(%4, %2, 1) -> [s1]xf32\n"
                             "%6 = result %5 number=0 : [s1]xf32\n"
                             "return %6\n"
                             "}\n"};
    RAISES(decompose_text, NULL);
    EQ_STR((char *)b.at, "%1 = input : [s0]xf32\n"
                         "%2 = input : [s1]xf32\n"
                         "%3 = neg %1 : [s0]xf32\n"
                         "%4 = add %3 %2 : [s0]xf32\n"
                         "return %4\n"
                         "equal s0 s1\n");
    tb_buf_free(&b);
}

static void
sizes_stay_symbolic(void)
{
    tb_buf b = {0};

    now = (text_job){.printed = &b,
                     .text = "sym s0 = shape 2..100\n"
                             "func \"main\" exported {\n"
                             "in \"x\" : [s0]x4xf32\n"
                             "%1 = input : [s0]x4xf32\n"
                             "%2 = aten.view.default(%1, [-1]) -> [4*s0]xf32\n"
                             "%3 = result %2 number=0 : [4*s0]xf32\n"
                             "%4 = aten.slice.Tensor(%3, 0, 1, -1) -> [4*s0 - 2]xf32\n"
                             "%5 = result %4 number=0 : [4*s0 - 2]xf32\n"
                             "%6 = aten.sum.default(%5) -> f32\n"
                             "%7 = result %6 number=0 : f32\n"
                             "return %7\n"
                             "}\n"};
    RAISES(decompose_text, NULL);
    EQ_STR((char *)b.at, "%1 = input : [s0]x4xf32\n"
                         "%2 = reshape %1 : [4*s0]xf32\n"
                         "%3 = slice %2 start=1 step=1 : [4*s0 - 2]xf32\n"
                         "%4 = rsum %3 axis=0 : 1xf32\n"
                         "%5 = reshape %4 : f32\n"
                         "return %5\n");
    tb_buf_free(&b);
}

int
main(void)
{
    RUN(schema);
    RUN(table);
    RUN(names);
    RUN(arguments);
    RUN(argument_errors);
    RUN(promotion);
    RUN(arithmetic);
    RUN(comparison_and_logic);
    RUN(functions);
    RUN(reductions);
    RUN(shapes);
    RUN(creation);
    RUN(contractions);
    RUN(all_missing_at_once);
    RUN(wrong_declarations);
    RUN(sizes_are_equated);
    RUN(sizes_stay_symbolic);
    return t_done();
}

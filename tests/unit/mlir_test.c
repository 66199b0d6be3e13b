/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * mlir_test.c -- torch-dialect text: what it means, what is wrong with it, the way back.
 */
#include <stdlib.h>

#include "mlir/mlir.h"
#include "unit/t.h"

/* ---- one text: its graph, or its error; then printed, read and shown again ---- */

typedef struct job {
    tb_ctx *cx;
    tb_str text;
    bool back; /* give the MLIR text, not the graph's */
    tb_mlir_options options;
    tb_buf out;
} job;

static void
run(void *user)
{
    job *j = user;
    tb_unit *u = tb_mlir_parse(j->cx, j->text, TB_STR("t.mlir"));

    for (uint32_t i = 0; i < u->graphs.n; i++)
        tb_graph_verify(u->graphs.at[i]);
    if (j->back)
        tb_mlir_print(u, &j->options, &j->out);
    else
        tb_unit_print_with(u, TB_PRINT_DATA, &j->out);
}

static char *
to_text(const char *text, bool back, tb_mlir_options o)
{
    job j = {.cx = tb_ctx_new(), .text = tb_str_c(text), .back = back, .options = o};
    /* the text must not be needed later: a copy that ends with the page of the sanitizer */
    char *copy = malloc(j.text.len ? j.text.len : 1), *s;
    tb_status st;

    memcpy(copy, text, j.text.len);
    j.text.ptr = copy;
    st = tb_guard(j.cx, run, &j);
    s = st ? strdup(tb_status_message(st)) : strndup((const char *)j.out.at, j.out.n);
    tb_status_free(st);
    tb_buf_free(&j.out);
    tb_ctx_free(j.cx);
    free(copy);
    return s;
}

static char *
graph_of(const char *text)
{
    return to_text(text, false, (tb_mlir_options){0});
}

/* Without the part before the functions' bodies that is the same everywhere. */
static void
gives(const char *text, const char *want, const char *file, int line)
{
    char *got = graph_of(text), *mlir, *again;

    t_eq_str(got, want, "the graph", "expected", file, line);
    mlir = to_text(text, true, (tb_mlir_options){.large_elements_limit = -1, .locations = true});
    again = graph_of(mlir);
    t_eq_str(again, got, "the graph read again", "the graph", file, line);
    if (strcmp(again, got) != 0)
        printf("# %s\n", mlir);
    free(got);
    free(mlir);
    free(again);
}

#define GIVES(text, want) gives(text, want, __FILE__, __LINE__)

#define READS(text, want)                                                                \
    do {                                                                                 \
        char *got_ = graph_of(text);                                                     \
        EQ_STR(got_, want);                                                              \
        free(got_);                                                                      \
    } while (0)

/* A function of one tensor around a body. */
#define F23 "!torch.vtensor<[2,3],f32>"
#define BODY(lines, result, type)                                                        \
    "func.func @main(%x: " F23 ") -> " type " {\n" lines "  return " result " : " type   \
    "\n}\n"

#define HEAD "module \"module\"\n"
#define MAIN23                                                                           \
    "\nfunc \"main\" graph=0 exported {\n    in \"x\" : 2x3xf32\n    out \"\" : "

/* ---- what is read ---- */

static void
operators(void)
{
    GIVES("module {\n" BODY("  %0 = torch.aten.relu %x : " F23 " -> " F23 "\n", "%0", F23)
          "}\n",
          HEAD MAIN23 "2x3xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = aten.relu(%1) -> 2x3xf32\n"
          "    %3 = result %2 number=0 : 2x3xf32\n"
          "    return %3\n}\n");
    /* several results, an operator without an operation of its own, comments */
    GIVES("module @m { // a comment\n"
          BODY("  %k = torch.constant.int 2\n  %a = torch.constant.int -1\n"
               "  %t = torch.constant.bool true\n"
               "  %v:2 = torch.aten.topk %x, %k, %a, %t, %t : " F23 ", !torch.int, !torch.int,"
               " !torch.bool, !torch.bool -> !torch.vtensor<[2,2],f32>,"
               " !torch.vtensor<[2,2],si64>\n"
               "  %w = torch.operator \"torch.mine.act\"(%v#0, %k) : (!torch.vtensor<[2,2],f32>,"
               " !torch.int) -> " F23 "\n", "%w", F23)
          "}",
          "module \"m\"\n" MAIN23 "2x3xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = aten.topk(%1, 2, -1, true, true) -> (2x2xf32, 2x2xi64)\n"
          "    %3 = result %2 number=0 : 2x2xf32\n"
          "    %4 = result %2 number=1 : 2x2xi64\n"
          "    %5 = mine.act(%3, 2) -> 2x3xf32\n"
          "    %6 = result %5 number=0 : 2x3xf32\n"
          "    return %6\n}\n");
}

static void
generic_form(void)
{
    GIVES("\"builtin.module\"() <{sym_name = \"g\"}> ({\n"
          "  \"func.func\"() <{function_type = (" F23 ") -> " F23 ", sym_name = \"main\"}> ({\n"
          "  ^bb0(%x: " F23 "):\n"
          "    %0 = \"torch.constant.int\"() <{value = 1 : i64}> : () -> !torch.int\n"
          "    %1 = \"torch.aten.add.Tensor\"(%x, %x, %0) {a.b = unit} : (" F23 ", " F23
          ", !torch.int) -> " F23 "\n"
          "    \"func.return\"(%1) : (" F23 ") -> ()\n"
          "  }) {torch.assume_strict_symbolic_shapes} : () -> ()\n"
          "}) : () -> ()\n",
          "module \"g\"\n" MAIN23 "2x3xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = aten.add.Tensor(%1, %1, 1) -> 2x3xf32\n"
          "    %3 = result %2 number=0 : 2x3xf32\n"
          "    return %3\n}\n");
}

static void
constants(void)
{
    GIVES(BODY("  %a = torch.vtensor.literal(dense<[[1.0, -2.5e-3], [0x7FC00000, 3.0]]> :"
               " tensor<2x2xf32>) : !torch.vtensor<[2,2],f32>\n"
               "  %b = torch.vtensor.literal(dense<[true, false]> : tensor<2xi1>) :"
               " !torch.vtensor<[2],i1>\n"
               "  %c = torch.vtensor.literal(dense_resource<w.0> : tensor<3xsi16>) :"
               " !torch.vtensor<[3],si16>\n"
               "  %d = torch.vtensor.literal(dense<\"0x0102FF\"> : tensor<3xui8>) :"
               " !torch.vtensor<[3],ui8>\n"
               "  %e = torch.vtensor.literal(dense<7> : tensor<2x2xsi32>) :"
               " !torch.vtensor<[2,2],si32>\n"
               "  %f = torch.vtensor.literal(dense<[(1.0,2.0)]> : tensor<1xcomplex<f32>>) :"
               " !torch.vtensor<[1],complex<f32>>\n"
               "  %g = torch.vtensor.literal(dense<> : tensor<0xf64>) : !torch.vtensor<[0],f64>\n"
               "  %h = torch.vtensor.literal(dense<1.5> : tensor<bf16>) : !torch.vtensor<[],bf16>\n"
               "  torch.mine.use %a, %b, %c, %d, %e, %f, %g, %h : !torch.vtensor<[2,2],f32>,"
               " !torch.vtensor<[2],i1>, !torch.vtensor<[3],si16>, !torch.vtensor<[3],ui8>,"
               " !torch.vtensor<[2,2],si32>, !torch.vtensor<[1],complex<f32>>,"
               " !torch.vtensor<[0],f64>, !torch.vtensor<[],bf16>\n", "%x", F23)
          "{-#\n  dialect_resources: {\n    builtin: {\n"
          "      w.0: \"0x02000000010002000300\"\n    }\n  }\n#-}\n",
          HEAD
          "const 0 \"\" : 2x2xf32 = hex 0000803f0ad723bb0000c07f00004040\n"
          "const 1 \"\" : 2xi1 = [1, 0]\n"
          "const 2 \"w.0\" : 3xi16 = [1, 2, 3]\n"
          "const 3 \"\" : 3xui8 = [1, 2, 255]\n"
          "const 4 \"\" : 1xcomplex<f32> = hex 0000803f00000040\n"
          "const 5 \"\" : 0xf64 = []\n"
          "const 6 \"\" : bf16 = [1.5]\n" MAIN23 "2x3xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = const index=0 : 2x2xf32\n"
          "    %3 = const index=1 : 2xi1\n"
          "    %4 = const index=2 : 3xi16\n"
          "    %5 = const index=3 : 3xui8\n"
          "    %6 = full value=7 : 2x2xi32\n"
          "    %7 = const index=4 : 1xcomplex<f32>\n"
          "    %8 = const index=5 : 0xf64\n"
          "    %9 = const index=6 : bf16\n"
          "    %10 = mine.use(%2, %3, %4, %5, %6, %7, %8, %9) -> ()\n"
          "    effects %10\n"
          "    return %1\n}\n");
}

static void
truth_values(void)
{
    /* packed bits, bytes, and the bytes that importers convert */
    GIVES(BODY("  %a = torch.vtensor.literal(dense<\"0x0501\"> : tensor<9xi1>) :"
               " !torch.vtensor<[9],i1>\n"
               "  %b = torch.vtensor.literal(dense<[1, 0]> : tensor<2xui8>) :"
               " !torch.vtensor<[2],ui8>\n"
               "  %n = torch.constant.int 11\n"
               "  %c = torch.prims.convert_element_type %b, %n : !torch.vtensor<[2],ui8>,"
               " !torch.int -> !torch.vtensor<[2],i1>\n"
               "  %d = torch.vtensor.literal(dense<true> : tensor<4xi1>) :"
               " !torch.vtensor<[4],i1>\n"
               "  torch.mine.use %a, %c, %d : !torch.vtensor<[9],i1>, !torch.vtensor<[2],i1>,"
               " !torch.vtensor<[4],i1>\n", "%x", F23),
          HEAD
          "const 0 \"\" : 9xi1 = [1, 0, 1, 0, 0, 0, 0, 0, 1]\n"
          "const 1 \"\" : 2xui8 = [1, 0]\n"
          "const 2 \"\" : 2xi1 = [1, 0]\n" MAIN23 "2x3xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = const index=0 : 9xi1\n"
          "    %3 = const index=1 : 2xui8\n"
          "    %4 = const index=2 : 2xi1\n"
          "    %5 = full value=1 : 4xi1\n"
          "    %6 = mine.use(%2, %4, %5) -> ()\n"
          "    effects %6\n"
          "    return %1\n}\n");
}

static void
numbers_and_lists(void)
{
    GIVES(BODY("  %i = torch.constant.int -3\n  %f = torch.constant.float 1.000000e-05\n"
               "  %inf = torch.constant.float 0xFFF0000000000000\n"
               "  %n = torch.constant.none\n  %s = torch.constant.str \"a\\22b\"\n"
               "  %l = torch.prim.ListConstruct %i, %i : (!torch.int, !torch.int) ->"
               " !torch.list<int>\n"
               "  %m = torch.prim.ListConstruct %x, %n : (" F23 ", !torch.none) ->"
               " !torch.list<optional<vtensor>>\n"
               "  %e = torch.prim.ListConstruct  : () -> !torch.list<int>\n"
               "  torch.mine.use %i, %f, %inf, %n, %s, %l, %m, %e : !torch.int, !torch.float,"
               " !torch.float, !torch.none, !torch.str, !torch.list<int>,"
               " !torch.list<optional<vtensor>>, !torch.list<int>\n", "%x", F23),
          HEAD MAIN23 "2x3xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = mine.use(-3, 1e-05, @-inf, none, \"a\\\"b\", [-3, -3], [%1, none], []) -> ()\n"
          "    effects %2\n"
          "    return %1\n}\n");
}

static void
list_results(void)
{
    GIVES(BODY("  %i = torch.constant.int 1\n"
               "  %l = torch.aten.split.Tensor %x, %i, %i : " F23 ", !torch.int, !torch.int ->"
               " !torch.list<vtensor>\n"
               "  %p:3 = torch.prim.ListUnpack %l : !torch.list<vtensor> ->"
               " !torch.vtensor<[2,1],f32>, !torch.vtensor<[2,1],f32>,"
               " !torch.vtensor<[2,1],f32>\n", "%p#2", "!torch.vtensor<[2,1],f32>"),
          HEAD MAIN23 "2x1xf32\n"
          "    %1 = input : 2x3xf32\n"
          "    %2 = aten.split.Tensor(%1, 1, 1) -> [2x1xf32, 2x1xf32, 2x1xf32]\n"
          "    %3 = result %2 number=0 : 2x1xf32\n"
          "    %4 = result %2 number=1 : 2x1xf32\n"
          "    %5 = result %2 number=2 : 2x1xf32\n"
          "    return %5\n}\n");
}

#define FQ "!torch.vtensor<[?,4],f32>"

static void
symbols(void)
{
    GIVES("func.func @main(%a: " FQ ", %b: " FQ ") -> !torch.vtensor<[?],f32> {\n"
          "  %0 = torch.symbolic_int \"batch\" {min_val = 2, max_val = 64} : !torch.int\n"
          "  torch.bind_symbolic_shape %a, [%0], affine_map<()[s0] -> (s0, 4)> : " FQ "\n"
          "  torch.bind_symbolic_shape %b, [%0], affine_map<()[s0] -> (s0 * 2 + 1, 4)> : " FQ "\n"
          "  %i0 = torch.constant.int 0\n  %i4 = torch.constant.int 4\n"
          "  %s = torch.aten.size.int %b, %i0 : " FQ ", !torch.int -> !torch.int\n"
          "  %n = torch.aten.mul.int %s, %i4 : !torch.int, !torch.int -> !torch.int\n"
          "  %h = torch.aten.floordiv.int %n, %i4 : !torch.int, !torch.int -> !torch.int\n"
          "  %l = torch.prim.ListConstruct %n : (!torch.int) -> !torch.list<int>\n"
          "  %v = torch.aten.mine %b, %l, %h : " FQ ", !torch.list<int>, !torch.int ->"
          " !torch.vtensor<[?],f32>\n"
          "  torch.bind_symbolic_shape %v, [%0], affine_map<()[s0] -> (s0 * 8 + 4)> :"
          " !torch.vtensor<[?],f32>\n"
          "  return %v : !torch.vtensor<[?],f32>\n}\n",
          HEAD "sym batch = shape 2..64\n"
          "\nfunc \"main\" graph=0 exported {\n"
          "    in \"a\" : [batch]x4xf32\n"
          "    in \"b\" : [2*batch + 1]x4xf32\n"
          "    out \"\" : [8*batch + 4]xf32\n"
          "    %1 = input : [batch]x4xf32\n"
          "    %2 = input : [2*batch + 1]x4xf32\n"
          "    %3 = aten.mine(%2, [<8*batch + 4>], <2*batch + 1>) -> [8*batch + 4]xf32\n"
          "    %4 = result %3 number=0 : [8*batch + 4]xf32\n"
          "    return %4\n}\n");
    /* without names: one symbol for each '?' of an argument, for others if they are read */
    GIVES("func.func @main(%arg0: " FQ ") -> !torch.int {\n"
          "  %i0 = torch.constant.int 0\n"
          "  %v = torch.aten.mine %arg0 : " FQ " -> " FQ "\n"
          "  %s = torch.aten.size.int %v, %i0 : " FQ ", !torch.int -> !torch.int\n"
          "  return %s : !torch.int\n}\n",
          HEAD "sym s0 = shape 0..\nsym d0 = item 0..\n"
          "\nfunc \"main\" graph=0 exported {\n"
          "    in \"\" : [s0]x4xf32\n"
          "    out \"\" : i64\n"
          "    %1 = input : [s0]x4xf32\n"
          "    %2 = aten.mine(%1) -> [d0]x4xf32\n"
          "    %3 = result %2 number=0 : [d0]x4xf32\n"
          "    %4 = dim size=[d0] : i64\n"
          "    return %4\n}\n");
}

static void
integers(void)
{
    /* an argument, and a value read from a tensor: both are symbols. The comparison comes
     * back as an operator, so this goes one way. */
    READS("func.func @main(%x: !torch.vtensor<[],si64>, %n: !torch.int) -> !torch.int {\n"
          "  %k = torch.aten.Int.Tensor %x : !torch.vtensor<[],si64> -> !torch.int\n"
          "  %zero = torch.constant.int 0\n"
          "  %c = torch.aten.ge.int %k, %zero : !torch.int, !torch.int -> !torch.bool\n"
          "  torch.runtime.assert %c, \"k is not negative\"\n"
          "  %s = torch.aten.add.int %k, %n : !torch.int, !torch.int -> !torch.int\n"
          "  %m = torch.prim.max.int %s, %zero : !torch.int, !torch.int -> !torch.int\n"
          "  return %m : !torch.int\n}\n",
          HEAD "sym n = arg 1 -9223372036854775808..\n"
          "sym k = item 0..\n"
          "message 0 \"k is not negative\"\n"
          "\nfunc \"main\" graph=0 exported {\n"
          "    in \"x\" : i64\n"
          "    in \"n\" : i64\n"
          "    out \"\" : i64\n"
          "    %1 = input : i64\n"
          "    %2 = input : i64\n"
          "    %3 = item %1 symbol=k\n"
          "    %4 = full value=0 : i64\n"
          "    %5 = dim size=[k] : i64\n"
          "    %6 = le %4 %5 : i1\n"
          "    %7 = assert %6 message=0\n"
          "    %8 = dim size=[max(n + k, 0)] : i64\n"
          "    effects %3, %7\n"
          "    return %8\n}\n");
}

#define T2 "!torch.vtensor<[2],f32>"

static void
state(void)
{
    GIVES("module @m {\n"
          "  util.global private @w = #stream.parameter.named<\"model\"::\"a.w\"> : tensor<2xf32>\n"
          "  util.global private mutable @count = dense<0> : tensor<2xi64>\n"
          "  util.global private mutable @total = dense<[1.0, 2.0]> : tensor<2xf32>\n"
          "  util.global private @scale = dense<[3.0, 4.0]> : tensor<2xf32>\n"
          "  func.func @main() -> (" T2 ", " T2 ") {\n"
          "    %0 = util.global.load @total : tensor<2xf32>\n"
          "    %1 = torch_c.from_builtin_tensor %0 : tensor<2xf32> -> " T2 "\n"
          "    %2 = util.global.load immutable @scale : tensor<2xf32>\n"
          "    %3 = torch_c.from_builtin_tensor %2 : tensor<2xf32> -> " T2 "\n"
          "    %4 = torch.aten.mul.Tensor %1, %3 : " T2 ", " T2 " -> " T2 "\n"
          "    %5 = torch_c.to_builtin_tensor %4 : " T2 " -> tensor<2xf32>\n"
          "    util.global.store %5, @total : tensor<2xf32>\n"
          "    %6 = util.global.load @w : tensor<2xf32>\n"
          "    %7 = torch_c.from_builtin_tensor %6 : tensor<2xf32> -> " T2 "\n"
          "    return %4, %7 : " T2 ", " T2 "\n  }\n}\n",
          "module \"m\"\n"
          "const 0 \"a.w\" : 2xf32 external \"model\"\n"
          "const 1 \"total\" : 2xf32 = [1.0, 2.0]\n"
          "const 2 \"scale\" : 2xf32 = [3.0, 4.0]\n"
          "global 0 \"count\" : 2xi64 mutable\n"
          "global 1 \"total\" : 2xf32 mutable init=1\n"
          "\nfunc \"main\" graph=0 exported {\n"
          "    out \"\" : 2xf32\n    out \"\" : 2xf32\n"
          "    %1 = read global=1 : 2xf32\n"
          "    %2 = const index=2 : 2xf32\n"
          "    %3 = aten.mul.Tensor(%1, %2) -> 2xf32\n"
          "    %4 = result %3 number=0 : 2xf32\n"
          "    %5 = write %4 global=1\n"
          "    %6 = const index=0 : 2xf32\n"
          "    effects %5\n"
          "    return %4, %6\n}\n");
}

static void
overwritten_arguments(void)
{
    GIVES("func.func @main(%x: !torch.tensor<[2],f32>) -> " T2 " {\n"
          "  %0 = torch.copy.to_vtensor %x : " T2 "\n"
          "  %1 = torch.aten.relu %0 : " T2 " -> " T2 "\n"
          "  torch.overwrite.tensor.contents %1 overwrites %x : " T2 ", !torch.tensor<[2],f32>\n"
          "  %2 = torch.copy.to_vtensor %x : " T2 "\n"
          "  %3 = torch.aten.neg %2 : " T2 " -> " T2 "\n"
          "  return %3 : " T2 "\n}\n",
          HEAD "\nfunc \"main\" graph=0 exported {\n"
          "    in \"x\" : 2xf32\n    out \"\" : 2xf32\n    out \"\" : 2xf32\n"
          "    attr \"turbine.overwrites\" \"1=0\"\n"
          "    %1 = input : 2xf32\n"
          "    %2 = aten.relu(%1) -> 2xf32\n"
          "    %3 = result %2 number=0 : 2xf32\n"
          "    %4 = aten.neg(%3) -> 2xf32\n"
          "    %5 = result %4 number=0 : 2xf32\n"
          "    return %5, %3\n}\n");
}

/* A private function that is called has no place of its own. */
static void
calls(void)
{
    GIVES("func.func private @act(%a: " T2 ") -> " T2 " {\n"
          "  %0 = torch.aten.relu %a : " T2 " -> " T2 "\n"
          "  return %0 : " T2 "\n}\n"
          "func.func private @alone(%a: " T2 ") -> " T2 " {\n  return %a : " T2 "\n}\n"
          "func.func @main(%x: " T2 ") -> (" T2 ", !torch.none) attributes"
          " {iree.reflection = {\"iree.abi\" = \"{}\"}, note = \"n\"} {\n"
          "  %0 = func.call @act(%x) : (" T2 ") -> " T2 "\n"
          "  %1 = call @act(%0) : (" T2 ") -> " T2 "\n"
          "  %n = torch.constant.none\n"
          "  return %1, %n : " T2 ", !torch.none\n}\n",
          HEAD "\nfunc \"alone\" graph=0 {\n"
          "    in \"a\" : 2xf32\n    out \"\" : 2xf32\n"
          "    %1 = input : 2xf32\n    return %1\n}\n"
          "\nfunc \"main\" graph=1 exported {\n"
          "    in \"x\" : 2xf32\n    out \"\" : 2xf32\n    out \"\" : none\n"
          "    attr \"iree.abi\" \"{}\"\n    attr \"note\" \"n\"\n"
          "    %1 = input : 2xf32\n"
          "    %2 = aten.relu(%1) -> 2xf32\n"
          "    %3 = result %2 number=0 : 2xf32\n"
          "    %4 = aten.relu(%3) -> 2xf32\n"
          "    %5 = result %4 number=0 : 2xf32\n"
          "    return %5, none\n}\n");
    READS("func.func @main(%x: " T2 ") -> " T2 " {\n"
          "  %0 = call @main(%x) : (" T2 ") -> " T2 "\n  return %0 : " T2 "\n}\n",
          "t.mlir:2:8: calls are nested more than 16 levels deep");
}

/* ---- locations ---- */

typedef struct place_job {
    tb_ctx *cx;
    tb_str text;
    tb_location found;
} place_job;

static void
find_place(void *user)
{
    place_job *j = user;
    tb_unit *u = tb_mlir_parse(j->cx, j->text, TB_STR("t.mlir"));
    const tb_graph *g = u->funcs.at[0].body;

    for (uint32_t i = 1; i < g->n; i++)
        if (g->nodes[i].prim == TB_P_aten)
            j->found = *tb_loc_get(u, g->locs[i]);
}

static void
place(const char *loc, const char *more, const char *want, int line)
{
    char text[1000], got[200];
    place_job j = {.cx = tb_ctx_new()};
    tb_status st;

    snprintf(text, sizeof text,
             "func.func @main(%%x: " T2 " loc(\"arg\")) -> " T2 " {\n"
             "  %%0 = torch.aten.relu %%x : " T2 " -> " T2 " %s\n"
             "  return %%0 : " T2 " loc(#loc)\n} loc(#loc1)\n%s", loc, more);
    j.text = tb_str_c(text);
    st = tb_guard(j.cx, find_place, &j);
    snprintf(got, sizeof got, "%.*s:%u:%u %.*s %.*s", TB_FMT(j.found.file), j.found.line,
             j.found.col, TB_FMT(j.found.path), TB_FMT(j.found.op));
    t_eq_str(st ? tb_status_message(st) : got, want, loc, "expected", __FILE__, line);
    tb_status_free(st);
    tb_ctx_free(j.cx);
}

static void
locations(void)
{
    const char *aliases = "#loc = loc(unknown)\n#loc1 = loc(\"m.py\":7:3)\n"
                          "#loc2 = loc(callsite(#loc1 at #loc3))\n#loc3 = loc(\"n.py\":1:0)\n"
                          "#loc4 = loc(\"layer.0\"(#loc2))\n#loc5 = loc(#loc6)\n"
                          "#loc6 = loc(#loc5)\n";

    place("", aliases, "t.mlir:2:8  aten.relu", __LINE__);
    place("loc(unknown)", aliases, "t.mlir:2:8  aten.relu", __LINE__);
    place("loc(\"a b.py\":12:0)", aliases, "a b.py:12:0  aten.relu", __LINE__);
    place("loc(\"a.py\":12:0 to :9)", aliases, "a.py:12:0  aten.relu", __LINE__);
    place("loc(\"a.py\":12:0 to 13:9)", aliases, "a.py:12:0  aten.relu", __LINE__);
    place("loc(\"x.y\"(\"a.py\":2:4))", aliases, "a.py:2:4 x.y aten.relu", __LINE__);
    place("loc(fused<\"m\">[\"a.py\":2:4, unknown])", aliases, "a.py:2:4  aten.relu", __LINE__);
    place("loc(callsite(\"a.py\":2:4 at \"b.py\":1:1))", aliases, "a.py:2:4  aten.relu",
          __LINE__);
    place("loc(#loc2)", aliases, "m.py:7:3  aten.relu", __LINE__);
    place("loc(#loc4)", aliases, "m.py:7:3 layer.0 aten.relu", __LINE__);
    place("loc(#loc5)", aliases, "t.mlir:2:8  aten.relu", __LINE__); /* a circle */
}

/* ---- what is wrong ---- */

static void
errors(void)
{
    READS("func.func @main(%x: " T2 ") -> " T2 " {\n"
          "  %0 = torch.aten.relu %y : " T2 " -> " T2 "\n  return %0 : " T2 "\n}\n",
          "t.mlir:2:24: %y is not defined above");
    READS("func.func @main(%x: " T2 ") {\n  %x = torch.constant.int 1\n  return\n}\n",
          "t.mlir:2:3: %x is defined twice");
    READS("func.func @main(%x: " T2 ") {\n  return\n", /* no '}' */
          "t.mlir:3:1: expected '}', found the end of the text");
    READS("func.func @main(%x ", "t.mlir:1:20: expected ':', found the end of the text");
    READS("func.func main() {}", "t.mlir:1:11: expected the name of a function, found 'main'");
    READS("func.func @main() {\n  %0 = torch.constant.int 1.5.\n  return\n}",
          "t.mlir:2:30: unexpected character '.'");
    READS("func.func @main() {\n  \"torch.x\"(\"a\n\")\n}",
          "t.mlir:2:13: the string goes on in the next line");
    READS("func.func @main() {\n  \"torch.x", "t.mlir:2:3: the string has no end");
    READS("func.func @main(%x: !torch.vtensor<[2,-3],f32>) {\n  return\n}",
          "t.mlir:1:41: a size of -3 is out of range");
    READS("func.func @main(%x: !torch.vtensor<[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],f32>)",
          "t.mlir:1:70: rank is above the limit of 16");
    READS("func.func @main(%x: !other.type) {\n  return\n}",
          "t.mlir:1:21: unknown type '!other.type'");
    READS("func.func @main(%x: !torch.vtensor<[2],f8E4M3FN>) {\n  return\n}",
          "t.mlir:1:11: main: tensors of f8E4M3FN");
    READS("func.func @main(%x: !torch.vtensor) {\n  return\n}",
          "t.mlir:1:11: main: a tensor whose rank is not said");
    READS("func.func @main() {\n  linalg.fill\n  return\n}",
          "t.mlir:2:3: linalg.fill: not an operation of the torch dialect that we know");
    READS("linalg.fill", "t.mlir:1:1: linalg.fill does not belong outside of a function");
    READS("func.func @main() {\n  %0 = torch.constant.int 99999999999999999999999\n}",
          "t.mlir:2:27: the number is too large");
    READS("func.func @main() {\n^bb0:\n  return\n^bb1:\n  return\n}",
          "t.mlir:4:1: control flow between blocks is not supported");
    READS("func.func @main() {\n  %0 = torch.constant.int 1\n}", "t.mlir:2:8: the function has "
                                                                 "no return");
    READS("func.func @f() {\n  return\n}\nfunc.func @f() {\n  return\n}",
          "t.mlir:4:11: the function @f is defined twice");
    READS("$", "t.mlir:1:1: unexpected character '$'");
    READS("func.func @main() {\n  %a:2 = torch.aten.x : () -> " T2 "\n  return\n}",
          "t.mlir:2:10: torch.aten.x: 2 names for 1 results");
    READS("func.func @main() {\n  %c = torch.constant.bool false\n"
          "  torch.runtime.assert %c, \"no\"\n  return\n}",
          "t.mlir:3:3: this assertion never holds: no");
}

static void
wrong_constants(void)
{
#define LITERAL(value, type)                                                             \
    "func.func @main() {\n  %0 = torch.vtensor.literal(" value ") : " type "\n  return\n}\n"
    READS(LITERAL("dense<[1.0]> : tensor<2xf32>", T2),
          "t.mlir:2:36: 1 elements where the type has 2");
    READS(LITERAL("dense<[1.0, 2.0, 3.0]> : tensor<2xf32>", T2),
          "t.mlir:2:47: more elements than the type has");
    READS(LITERAL("dense<[1.0, true]> : tensor<2xf32>", T2),
          "t.mlir:2:42: a truth value in a tensor of f32");
    READS(LITERAL("dense<[1.0, x]> : tensor<2xf32>", T2),
          "t.mlir:2:42: expected a number, found 'x'");
    READS(LITERAL("dense<1.0> : tensor<3xf32>", T2),
          "t.mlir:2:30: the sizes of the constant and of its type differ");
    READS(LITERAL("dense<1.0> : tensor<2xf64>", T2),
          "t.mlir:2:30: a constant of f64 where the type has f32");
    READS(LITERAL("dense<\"0x00\"> : tensor<2xf32>", T2),
          "t.mlir:2:30: the data has 1 bytes, its type wants 8");
    READS(LITERAL("dense<\"0x0g\"> : tensor<2xf32>", T2),
          "t.mlir:2:30: expected hexadecimal digits, found '0g'");
    READS(LITERAL("dense_resource<gone> : tensor<2xf32>", T2),
          "t.mlir:2:30: there is no resource 'gone'");
    READS(LITERAL("dense_resource<__elided__> : tensor<2xf32>", T2),
          "t.mlir:2:30: the data of this constant was left out when the text was printed");
    READS(LITERAL("dense_resource<r> : tensor<2xf32>", T2)
          "{-# dialect_resources: { builtin: { r: \"0x0400000000000000\" } } #-}",
          "t.mlir:2:30: the blob 'r' has 4 bytes, its type wants 8");
    READS("util.global private @g = dense<2.0> : tensor<1000000x1000000x1000xf32>",
          "t.mlir:1:26: a constant of one repeated value is too large to write out");
}

/* As deep as anybody likes, within the limit or not: never a crash. */
static void
deep(void)
{
    static const char *const parts[][2] = {
        {"!torch.list<", "t.mlir:1:"}, {"[", "t.mlir:1:"}, {"{a = ", "t.mlir:1:"},
        {"loc(callsite(", "t.mlir:1:"}, {"(", "t.mlir:1:"}, {"affine_map<() -> ((", "t.mlir:1:"},
        {"dense<[", "t.mlir:1:"},
    };

    for (size_t k = 0; k < TB_COUNT(parts); k++) {
        size_t n = 20000, each = strlen(parts[k][0]), at = 0;
        char *text = malloc(n * each + 100), *got;

        at += (size_t)sprintf(text, "#a = ");
        for (size_t i = 0; i < n; i++, at += each)
            memcpy(text + at, parts[k][0], each);
        text[at] = 0;
        got = graph_of(text);
        CHECK(strncmp(got, parts[k][1], strlen(parts[k][1])) == 0);
        free(got);
        free(text);
    }
}

/* ---- the way back ---- */

static void
printing(void)
{
    const char *text =
        "module @m {\n"
        "func.func @main(%x: !torch.vtensor<[?,3],f32>) -> !torch.vtensor<[?,3],f32> {\n"
        "  %0 = torch.symbolic_int \"s0\" {min_val = 2, max_val = 64} : !torch.int\n"
        "  torch.bind_symbolic_shape %x, [%0], affine_map<()[s0] -> (s0, 3)> :"
        " !torch.vtensor<[?,3],f32>\n"
        "  %w = torch.vtensor.literal(dense_resource<w> : tensor<3xf32>) :"
        " !torch.vtensor<[3],f32>\n"
        "  %1 = torch.constant.int 1\n"
        "  %2 = torch.aten.add.Tensor %x, %w, %1 : !torch.vtensor<[?,3],f32>,"
        " !torch.vtensor<[3],f32>, !torch.int -> !torch.vtensor<[?,3],f32>"
        " loc(\"l.0\"(\"a.py\":3:0))\n"
        "  torch.bind_symbolic_shape %2, [%0], affine_map<()[s0] -> (s0, 3)> :"
        " !torch.vtensor<[?,3],f32>\n"
        "  return %2 : !torch.vtensor<[?,3],f32>\n}\n}\n"
        "{-# dialect_resources: { builtin: { w: \"0x040000000000803F0000803F0000803F\" } } #-}";
    char *got = to_text(text, true, (tb_mlir_options){.large_elements_limit = -1});

    EQ_STR(got,
           "module @m {\n"
           "  func.func @main(%x: !torch.vtensor<[?,3],f32>) -> (!torch.vtensor<[?,3],f32>)"
           " attributes {torch.assume_strict_symbolic_shapes} {\n"
           "    %s0 = torch.symbolic_int \"s0\" {min_val = 2, max_val = 64} : !torch.int\n"
           "    torch.bind_symbolic_shape %x, [%s0], affine_map<()[s0] -> (s0, 3)> :"
           " !torch.vtensor<[?,3],f32>\n"
           "    %w = torch.vtensor.literal(dense_resource<w> : tensor<3xf32>) :"
           " !torch.vtensor<[3],f32>\n"
           "    %int1 = torch.constant.int 1\n"
           "    %0 = torch.aten.add.Tensor %x, %w, %int1 : !torch.vtensor<[?,3],f32>,"
           " !torch.vtensor<[3],f32>, !torch.int -> !torch.vtensor<[?,3],f32>\n"
           "    torch.bind_symbolic_shape %0, [%s0], affine_map<()[s0] -> (s0, 3)> :"
           " !torch.vtensor<[?,3],f32>\n"
           "    return %0 : !torch.vtensor<[?,3],f32>\n"
           "  }\n}\n"
           "\n{-#\n  dialect_resources: {\n    builtin: {\n"
           "      w: \"0x040000000000803F0000803F0000803F\"\n    }\n  }\n#-}\n");
    free(got);
    got = to_text(text, true, (tb_mlir_options){.large_elements_limit = 2, .locations = true});
    CHECK(strstr(got, "dense_resource<__elided__> : tensor<3xf32>") != NULL);
    CHECK(strstr(got, "dialect_resources") == NULL);
    CHECK(strstr(got, "loc(\"l.0\"(\"a.py\":3:0))\n") != NULL);
    free(got);
}

int
main(void)
{
    RUN(operators);
    RUN(generic_form);
    RUN(constants);
    RUN(truth_values);
    RUN(numbers_and_lists);
    RUN(list_results);
    RUN(symbols);
    RUN(integers);
    RUN(state);
    RUN(overwritten_arguments);
    RUN(calls);
    RUN(locations);
    RUN(errors);
    RUN(wrong_constants);
    RUN(deep);
    RUN(printing);
    return t_done();
}

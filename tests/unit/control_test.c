/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* control_test.c -- branches, loops and sizes that depend on data: compiled code against
 * the reference evaluator. */
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)
#define RED(op, a, axes) tb_reduce(g, TB_P_##op, a, axes)
#define LIKE(a, b) tb_expand_like(g, a, b)

/* ---- graphs inside ---- */
static tb_graph *outer[4];
static int n_outer;

/* Begins a graph that a control node runs; returns its number. */
static int64_t
enter(void)
{
    outer[n_outer++] = g;
    g = tb_graph_new(u);
    for (uint32_t i = u->graphs.n; i-- > 0;)
        if (u->graphs.at[i] == g)
            return i;
    TB_PUSH(&cx->keep, &u->graphs, g);
    return u->graphs.n - 1;
}

static void
leave(void)
{
    g = outer[--n_outer];
}

static void
gives(tb_val v)
{
    TB_PUSH(&cx->keep, &g->outputs, v);
}

static tb_val
control(tb_prim p, const tb_val *in, uint32_t n, const int64_t *graphs, uint32_t n_graphs)
{
    return tb_add(g, p, TB_NONE, 0, NULL, in, n, graphs, n_graphs);
}

static tb_val
result(tb_val node, uint32_t number, tb_val like)
{
    tb_type t = {.dtype = (uint8_t)tb_dtype_of(g, like), .rank = (uint8_t)tb_rank(g, like)};
    memcpy(t.dims, tb_dims(g, like), sizeof(tb_dim) * t.rank);
    return tb_result(g, node, number, &t);
}

static tb_val
int_scalar(int64_t v)
{
    return tb_full_i(g, TB_I64, 0, NULL, v);
}

/* The sum of x is positive. */
static tb_val
positive(tb_val x)
{
    tb_val s = tb_reshape(g, RED(rsum, x, (1u << tb_rank(g, x)) - 1), 0, NULL);
    return M2(lt, tb_full_f(g, TB_F32, 0, NULL, 0), s);
}

/* ---- branches ---- */
static void
branches(void)
{
    tb_dim n = c_sym("n", 1, 1000), dims[] = {n, 8};
    tb_val x = IN(F32, n, 8), y = IN(F32, n, 8), c = positive(x);
    int64_t graphs[2];
    graphs[0] = enter();
    tb_val a = tb_input(g, 0, TB_F32, 2, dims), b = tb_input(g, 1, TB_F32, 2, dims);
    gives(M1(tanh, M2(add, a, b)));
    gives(RED(rsum, M1(exp, a), 2));
    leave();
    graphs[1] = enter();
    a = tb_input(g, 0, TB_F32, 2, dims), b = tb_input(g, 1, TB_F32, 2, dims);
    gives(b); /* an input as it is */
    gives(RED(rmax, M2(mul, a, b), 2));
    leave();
    tb_val in[] = {c, M2(mul, x, y), y}, node = control(TB_P_cond, in, 3, graphs, 2);
    tb_val r = result(node, 0, x), s = result(node, 1, RED(rsum, x, 2));
    c_out(r);
    c_out(M2(add, r, LIKE(s, r)));
    c_run((c_case){SIZES({3}, {4}, {5}, {60}, {61}, {62}), .tolerance = 1e-6});
}

/* A branch inside a branch; a result that nobody wants; one result for two outputs. */
static void
nested_branches(void)
{
    tb_dim dims[] = {40};
    tb_val x = IN(F32, 40), y = IN(F32, 40);
    int64_t graphs[2], inner[2];
    graphs[0] = enter();
    tb_val a = tb_input(g, 0, TB_F32, 1, dims), b = tb_input(g, 1, TB_F32, 1, dims);
    tb_val d = positive(b), ab[2];
    inner[0] = enter();
    gives(M1(exp, tb_input(g, 0, TB_F32, 1, dims)));
    leave();
    inner[1] = enter();
    gives(M1(neg, tb_input(g, 0, TB_F32, 1, dims)));
    leave();
    tb_val in2[] = {d, M2(sub, a, b)}, node = control(TB_P_cond, in2, 2, inner, 2);
    ab[0] = result(node, 0, a);
    gives(M2(add, ab[0], a));
    gives(ab[0]);
    leave();
    graphs[1] = enter();
    gives(tb_input(g, 1, TB_F32, 1, dims));
    gives(tb_input(g, 0, TB_F32, 1, dims));
    leave();
    tb_val in[] = {positive(x), x, y};
    node = control(TB_P_cond, in, 3, graphs, 2);
    tb_val r = result(node, 0, x);
    c_out(r);
    c_out(r);
    c_out(M1(abs, r));
    c_run((c_case){.tolerance = 1e-6});
}

/* Weights that go into a branch are constants there: they are packed. */
static void
constant_in_branch(void)
{
    tb_val x = IN(F32, 20, 32), w = CONST(32, 48);
    int64_t graphs[2];
    graphs[0] = enter();
    gives(tb_dot(g, tb_input(g, 0, TB_F32, 2, DIMS(20, 32)),
                 tb_input(g, 1, TB_F32, 2, DIMS(32, 48))));
    leave();
    graphs[1] = enter();
    gives(tb_full_f(g, TB_F32, 2, DIMS(20, 48), 2));
    leave();
    tb_val in[] = {positive(x), x, w}, node = control(TB_P_cond, in, 3, graphs, 2);
    c_out(result(node, 0, tb_full_f(g, TB_F32, 2, DIMS(20, 48), 0)));
    c_run((c_case){.tolerance = 1e-5});
}

/* ---- loops ---- */
/* for (i = 0; i < 10; i++) { swap(a, b); a = a * w + b; } with w not changed */
static void
loop(void)
{
    tb_dim n = c_sym("n", 1, 1000), dims[] = {n};
    tb_val x = IN(F32, n), y = IN(F32, n), w = IN(F32, n);
    int64_t graphs[2];
    graphs[0] = enter();
    tb_val i = tb_input(g, 0, TB_I64, 0, NULL);
    gives(M2(lt, i, int_scalar(10)));
    leave();
    graphs[1] = enter();
    i = tb_input(g, 0, TB_I64, 0, NULL);
    tb_val a = tb_input(g, 1, TB_F32, 1, dims), b = tb_input(g, 2, TB_F32, 1, dims);
    tb_val k = tb_input(g, 3, TB_F32, 1, dims);
    gives(M2(add, i, int_scalar(1)));
    gives(M2(add, M2(mul, b, k), a));
    gives(a);
    gives(k);
    leave();
    tb_val in[] = {int_scalar(0), x, y, w}, node = control(TB_P_while, in, 4, graphs, 2);
    c_out(M2(add, result(node, 1, x), result(node, 2, x)));
    c_out(result(node, 2, x));
    c_out(result(node, 0, in[0]));
    c_run((c_case){SIZES({1}, {17}, {300}), .tolerance = 1e-5});
}

/* A loop that changes places of its values, and one that never runs. */
static void
loop_swaps(void)
{
    tb_dim dims[] = {5, 3};
    tb_val x = IN(F32, 5, 3), y = IN(F32, 5, 3), z = IN(F32, 5, 3);
    for (int times = 0; times < 8; times += 7) {
        int64_t graphs[2];
        graphs[0] = enter();
        gives(M2(lt, tb_input(g, 3, TB_I32, 0, NULL), tb_full_i(g, TB_I32, 0, NULL, times)));
        leave();
        graphs[1] = enter();
        gives(tb_input(g, 1, TB_F32, 2, dims));
        gives(tb_input(g, 2, TB_F32, 2, dims));
        gives(M1(neg, tb_input(g, 0, TB_F32, 2, dims)));
        gives(M2(add, tb_input(g, 3, TB_I32, 0, NULL), tb_full_i(g, TB_I32, 0, NULL, 1)));
        leave();
        tb_val in[] = {x, y, z, tb_full_i(g, TB_I32, 0, NULL, 0)};
        tb_val node = control(TB_P_while, in, 4, graphs, 2);
        c_out(result(node, 0, x));
        c_out(result(node, 2, x));
    }
    c_run((c_case){.tolerance = 1e-6});
}

/* A loop in a loop, with a branch inside; memory of the outer one is kept. */
static void
nested_loops(void)
{
    tb_dim n = c_sym("n", 1, 100), dims[] = {n, n};
    tb_val x = IN(F32, n, n), scaled = M2(mul, x, tb_full_like(g, x, 0.25)), kept = M1(tanh, x);
    int64_t graphs[2], inner[2], both[2];
    graphs[0] = enter();
    gives(M2(lt, tb_input(g, 0, TB_I64, 0, NULL), int_scalar(3)));
    leave();
    graphs[1] = enter();
    tb_val i = tb_input(g, 0, TB_I64, 0, NULL), a = tb_input(g, 1, TB_F32, 2, dims);
    tb_val s = tb_input(g, 2, TB_F32, 2, dims);
    inner[0] = enter();
    gives(M2(lt, tb_input(g, 0, TB_I64, 0, NULL), tb_input(g, 2, TB_I64, 0, NULL)));
    leave();
    inner[1] = enter();
    tb_val j = tb_input(g, 0, TB_I64, 0, NULL), b = tb_input(g, 1, TB_F32, 2, dims);
    gives(M2(add, j, int_scalar(1)));
    both[0] = enter();
    gives(M1(sin, tb_dot(g, tb_input(g, 0, TB_F32, 2, dims), tb_input(g, 1, TB_F32, 2, dims))));
    leave();
    both[1] = enter();
    gives(M1(cos, tb_input(g, 0, TB_F32, 2, dims)));
    leave();
    tb_val bi[] = {positive(b), b, tb_input(g, 3, TB_F32, 2, dims)};
    gives(result(control(TB_P_cond, bi, 3, both, 2), 0, b));
    gives(tb_input(g, 2, TB_I64, 0, NULL));
    gives(tb_input(g, 3, TB_F32, 2, dims));
    leave();
    tb_val ji[] = {int_scalar(0), M2(add, a, s), i, s};
    tb_val in_loop = control(TB_P_while, ji, 4, inner, 2);
    gives(M2(add, i, int_scalar(1)));
    gives(result(in_loop, 1, a));
    gives(s);
    leave();
    tb_val in[] = {int_scalar(0), x, scaled}, node = control(TB_P_while, in, 3, graphs, 2);
    c_out(M2(add, result(node, 1, x), kept));
    c_out(M1(exp, kept));
    c_run((c_case){SIZES({1}, {5}, {33}), .tolerance = 1e-4});
}

/* ---- calls ---- */
static void
calls(void)
{
    tb_dim n = c_sym("n", 1, 1000), dims[] = {n};
    tb_val x = IN(F32, n), w = IN(F32, n);
    int64_t graph = enter();
    tb_val a = tb_input(g, 0, TB_F32, 1, dims), b = tb_input(g, 1, TB_F32, 1, dims);
    gives(M2(add, M1(tanh, a), b));
    gives(RED(rsum, a, 1));
    leave();
    tb_val in[] = {x, w}, one = control(TB_P_call, in, 2, &graph, 1);
    tb_val again[] = {result(one, 0, x), x}, two = control(TB_P_call, again, 2, &graph, 1);
    c_out(result(two, 0, x));
    c_out(LIKE(M2(add, result(one, 1, RED(rsum, x, 1)), result(two, 1, RED(rsum, x, 1))), x));
    c_run((c_case){SIZES({1}, {100}), .tolerance = 1e-5});
}

/* ---- numbers from tensors ---- */
static tb_val
count_positive(tb_val x)
{
    tb_val p = M2(lt, tb_full_like(g, x, 0), x);
    return tb_reshape(g, RED(rsum, tb_cast(g, p, TB_I64), (1u << tb_rank(g, x)) - 1), 0, NULL);
}

/* The first k elements, k = how many are positive: sizes of results and of what is between
 * are known in the middle of the call only. */
static void
item_size(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x = IN(F32, n), y = IN(F32, n), before = M2(mul, x, y);
    tb_dim k = tb_item(g, count_positive(x), TB_STR("u0"), 0, 1000);
    tb_val head = tb_slice_axis(g, before, 0, 0, k, 1);
    tb_val e = M1(exp, head), s = LIKE(RED(rsum, e, 1), e);
    c_out(M2(div, e, s));
    c_out(x);
    c_out(tb_dot(g, tb_reshape(g, e, 2, DIMS(k, 1)), tb_reshape(g, s, 2, DIMS(1, k))));
    c_out(tb_dim_value(g, tb_dim_mul(u, k, 2)));
    c_run((c_case){SIZES({1}, {7}, {100}, {8}), .tolerance = 1e-5});
}

/* A second number depends on what has the size of the first. */
static void
item_twice(void)
{
    tb_val x = IN(F32, 64);
    tb_dim k = tb_item(g, count_positive(x), TB_STR("u0"), 0, 64);
    tb_val head = tb_slice_axis(g, x, 0, 0, k, 1), e = M1(tanh, head);
    tb_dim m = tb_item(g, count_positive(e), TB_STR("u1"), 0, 64);
    tb_val tail = tb_slice_axis(g, M1(exp, x), 0, 0, m, 1);
    c_out(M1(sqrt, tail));
    c_out(M2(add, tb_pad(g, tail, DIMS(0), DIMS(tb_dim_sub(u, 64, m)),
                         tb_full_f(g, TB_F32, 0, NULL, 1)), x));
    c_out(e);
    c_run((c_case){.tolerance = 1e-5});
}

/* The number is outside what was promised. */
static void
item_out_of_range(void)
{
    tb_val x = IN(I64, 1);
    tb_dim k = tb_item(g, tb_reshape(g, x, 0, NULL), TB_STR("u0"), 8, 9);
    c_out(tb_iota(g, 1, DIMS(k), 0));
    c_run((c_case){.error = "the number u0 must be at least 8"});
}

/* A loop whose body reads a number: memory of every round has its size. */
static void
item_in_loop(void)
{
    tb_dim dims[] = {50};
    tb_val x = IN(F32, 50);
    int64_t graphs[2];
    graphs[0] = enter();
    gives(M2(lt, tb_input(g, 0, TB_I64, 0, NULL), int_scalar(5)));
    leave();
    graphs[1] = enter();
    tb_val i = tb_input(g, 0, TB_I64, 0, NULL), a = tb_input(g, 1, TB_F32, 1, dims);
    tb_dim k = tb_item(g, count_positive(a), TB_STR("u0"), 0, 50);
    tb_val head = M1(sin, tb_slice_axis(g, a, 0, 0, k, 1));
    tb_val s = RED(rsum, M2(mul, head, M1(exp, head)), 1);
    gives(M2(add, i, int_scalar(1)));
    gives(M2(sub, a, LIKE(M2(mul, s, tb_full_like(g, s, 0.01)), a)));
    leave();
    tb_val in[] = {int_scalar(0), x}, node = control(TB_P_while, in, 2, graphs, 2);
    c_out(result(node, 1, x));
    c_run((c_case){.tolerance = 1e-5});
}

/* ---- checks ---- */
static void
assert_holds(void)
{
    tb_val x = IN(F32, 9);
    tb_assert_node(g, M2(lt, tb_full_f(g, TB_F32, 0, NULL, -100),
                         tb_reshape(g, RED(rmin, x, 1), 0, NULL)),
                   TB_STR("too small"));
    c_out(M1(exp, x));
    c_run((c_case){.tolerance = 1e-6});
}

static void
assert_fails(void)
{
    tb_val x = IN(F32, 9);
    tb_assert_node(g, M2(lt, tb_full_f(g, TB_F32, 0, NULL, 100),
                         tb_reshape(g, RED(rmin, x, 1), 0, NULL)),
                   TB_STR("x must be above 100"));
    c_out(M1(exp, x));
    c_run((c_case){.error = "x must be above 100"});
}

/* ---- sizes that are arguments ---- */
static void
size_argument(void)
{
    tb_val n = IN(I64, 1), x = IN(F32, 100);
    tb_dim k;
    (void)n;
    f->inputs.at[0].type.rank = 0;
    g = tb_graph_new(u);
    tb_val size = tb_input(g, 0, TB_I64, 0, NULL);
    x = tb_input(g, 1, TB_F32, 1, DIMS(100));
    k = tb_sym_new(u, TB_STR("k"), TB_SYM_ARG, 0, 100);
    c_out(M1(exp, tb_slice_axis(g, x, 0, 0, k, 1)));
    c_out(M2(add, size, tb_dim_value(g, k)));
    c_run((c_case){.tolerance = 1e-6, .index_below = 90});
}

int
main(void)
{
    CASE(branches);
    CASE(nested_branches);
    CASE(constant_in_branch);
    CASE(loop);
    CASE(loop_swaps);
    CASE(nested_loops);
    CASE(calls);
    CASE(item_size);
    CASE(item_twice);
    CASE(item_out_of_range);
    CASE(item_in_loop);
    CASE(assert_holds);
    CASE(assert_fails);
    CASE(size_argument);
    return t_done();
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* complex_test.c -- complex numbers in compiled code (pass/complex.c) against the evaluator. */
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)
#define RED(op, a, axes) tb_reduce(g, TB_P_##op, a, axes)
#define SAME() c_run((c_case){.tolerance = 2e-6})

static void
arithmetic(void)
{
    tb_val x = IN(C64, 3, 17), y = IN(C64, 3, 17), p = IN(BOOL, 3, 17);

    c_out(M2(add, x, y));
    c_out(M2(sub, x, y));
    c_out(M2(mul, x, y));
    c_out(M2(div, x, y));
    c_out(M1(neg, x));
    c_out(tb_where(g, p, x, y));
    c_out(M2(eq, x, tb_where(g, p, x, y)));
    c_out(M2(ne, x, tb_where(g, p, x, y)));
    SAME();
}

static void
parts(void)
{
    tb_val x = IN(C128, 4, 5), y = IN(F64, 4, 5);

    c_out(tb_imag(g, x));
    c_out(tb_cast(g, x, TB_F64));
    c_out(tb_cast(g, x, TB_F32));
    c_out(tb_complex(g, y, tb_imag(g, x)));
    c_out(tb_cast(g, x, TB_C64));
    c_out(tb_cast(g, y, TB_C64));
    c_out(tb_cast(g, x, TB_BOOL));
    SAME();
}

static void
dividing_extremes(void)
{
    tb_val x = IN(C64, 33), p = IN(BOOL, 33), scale = tb_full_like(g, x, 1e30);
    tb_val zero = tb_full_like(g, x, 0);

    c_out(M2(div, x, M2(mul, x, scale)));
    c_out(M2(div, M2(mul, x, scale), M2(mul, x, scale)));
    c_out(M2(div, x, tb_where(g, p, zero, x)));
    c_out(M2(div, zero, zero));
    SAME();
}

static void
movement(void)
{
    tb_dim n = c_sym("n", 1, 50);
    tb_val x = IN(C64, n, 6), both[2] = {x, M1(neg, x)}, i = IN(I64, 7);
    tb_val zero = tb_full_f(g, TB_C64, 0, NULL, 3);

    c_out(tb_transpose(g, x, 0, 1));
    c_out(tb_reshape(g, x, 2, (tb_dim[]){tb_dim_mul(u, n, 2), 3}));
    c_out(tb_slice_axis(g, x, 1, 1, 3, 2));
    c_out(tb_pad(g, x, (tb_dim[]){1, 0}, (tb_dim[]){0, 2}, zero));
    c_out(tb_flip(g, x, 2));
    c_out(tb_concat(g, both, 2, 1));
    c_out(tb_gather(g, x, 2, &i, 1));
    c_out(tb_window(g, x, 1, 3, 1, 1));
    c_run((c_case){.sizes = (int64_t[][C_MAX]){{5}, {1}, {23}}, .n_sizes = 3, .index_below = 6});
}

static void
scatters(void)
{
    tb_val x = IN(C64, 6, 4), i = IN(I64, 9), d = IN(C64, 9, 4);

    c_out(tb_scatter(g, x, d, 1, 0, &i, 1));
    c_out(tb_scatter(g, x, d, 1, 1, &i, 1));
    c_run((c_case){.tolerance = 1e-6, .index_below = 6});
}

static void
reductions(void)
{
    tb_val x = IN(C64, 4, 7, 3);

    c_out(RED(rsum, x, 5));
    c_out(RED(rprod, x, 2));
    c_out(RED(rprod, x, 6));
    c_out(tb_scan(g, TB_P_cumsum, x, 1));
    c_out(tb_scan(g, TB_P_cumprod, x, 1));
    c_out(tb_scan(g, TB_P_cumprod, x, 2));
    SAME();
}

static void
empty_product(void)
{
    c_out(RED(rprod, IN(C64, 2, 0), 2));
    SAME();
}

static void
open_product(void)
{
    tb_dim n = c_sym("n", 1, 50);

    c_out(RED(rprod, IN(C64, n), 1));
    c_run((c_case){.sizes = (int64_t[][C_MAX]){{5}}, .n_sizes = 1,
                   .refused = "a product of complex numbers over an axis of open size"});
}

static void
products(void)
{
    tb_val x = IN(C64, 2, 9, 5), y = IN(C64, 2, 5, 8);

    c_out(tb_dot(g, x, y));
    c_out(tb_dot(g, x, tb_transpose(g, x, 1, 2)));
    SAME();
}

static void
convolution(void)
{
    tb_val x = IN(C64, 2, 4, 9), w = IN(C64, 6, 2, 3), b = IN(C64, 6);
    int64_t one[] = {1}, two[] = {2};

    c_out(tb_conv(g, TB_P_conv, x, w, b, 1, 2, two, one, one, one));
    c_out(tb_conv(g, TB_P_conv, x, w, TB_NO_VAL, 1, 2, one, one, one, one));
    SAME();
}

static void
constants(void)
{
    static const float data[6] = {1, 2, 3, 4, 5, -6};
    tb_const c = {.dtype = TB_C64, .rank = 1, .dims = {3}, .bytes = data, .n_bytes = 24};
    tb_val k = tb_constant(g, tb_unit_const(u, c)), x = IN(C64, 3);

    c_out(M2(mul, x, k));
    c_out(k);
    c_out(x);
    SAME();
}

static void
globals(void)
{
    tb_global x = {.name = TB_STR("z"), .dtype = TB_C64, .rank = 1, .dims = {3}, .mutable_ = true};
    tb_val z, in = IN(C64, 3);

    TB_PUSH(&cx->keep, &u->globals, x);
    z = M2(add, tb_read(g, 0), in);
    tb_write(g, 0, z);
    c_out(M2(mul, z, z));
    SAME();
}

static tb_graph *
graph_of(tb_val *z, tb_val *k)
{
    tb_graph *inner = tb_graph_new(u);

    *z = tb_input(inner, 0, TB_C64, 1, (tb_dim[]){5});
    *k = tb_input(inner, 1, TB_I64, 0, NULL);
    return inner;
}

static void
ends_with(tb_graph *inner, tb_val v)
{
    TB_PUSH(&cx->keep, &inner->outputs, v);
}

/* z = z * c, as often as the shape says; c is a constant. */
static void
loops(void)
{
    static const float data[2] = {0.6f, -0.8f};
    tb_const c = {.dtype = TB_C64, .rank = 1, .dims = {1}, .bytes = data, .n_bytes = 8};
    tb_dim n = c_sym("n", 0, 50), five[] = {5};
    tb_val z0 = IN(C64, 5), count = tb_dim_value(g, tb_dim_add(u, n, 0)), z, k, many = IN(F32, n);
    int64_t graphs[2] = {u->graphs.n, u->graphs.n + 1};
    tb_type t = {.dtype = TB_C64, .rank = 1, .dims = {5}};
    tb_graph *inner = graph_of(&z, &k);

    ends_with(inner, tb_map2(inner, TB_P_lt, tb_full_i(inner, TB_I64, 0, NULL, 0), k));
    inner = graph_of(&z, &k);
    tb_val factor = tb_input(inner, 2, TB_C64, 1, (tb_dim[]){1});
    z = tb_map2(inner, TB_P_mul, z, tb_expand(inner, factor, 1, five));
    ends_with(inner, z);
    ends_with(inner, tb_map2(inner, TB_P_sub, k, tb_full_i(inner, TB_I64, 0, NULL, 1)));
    ends_with(inner, factor);
    tb_val in[] = {z0, count, tb_constant(g, tb_unit_const(u, c))};
    tb_val node = tb_add(g, TB_P_while, TB_NONE, 0, NULL, in, 3, graphs, 2);
    c_out(tb_result(g, node, 0, &t));
    c_out(many);
    c_run((c_case){.sizes = (int64_t[][C_MAX]){{0}, {1}, {7}}, .n_sizes = 3, .tolerance = 1e-5});
}

int
main(void)
{
    CASE(arithmetic);
    CASE(parts);
    CASE(dividing_extremes);
    CASE(movement);
    CASE(scatters);
    CASE(reductions);
    CASE(empty_product);
    CASE(open_product);
    CASE(products);
    CASE(convolution);
    CASE(constants);
    CASE(globals);
    CASE(loops);
    return t_done();
}

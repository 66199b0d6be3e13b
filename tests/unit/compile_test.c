/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* compile_test.c -- whole functions: compiled code against the reference evaluator. */
#include "artifact/cpu.h"
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)
#define RED(op, a, axes) tb_reduce(g, TB_P_##op, a, axes)
#define LIKE(a, b) tb_expand_like(g, a, b)

static void
adds(void)
{
    tb_val a = IN(F32, 5, 7), b = IN(F32, 5, 7);
    c_out(M2(add, a, b));
    c_run((c_case){0});
}

static void
elementwise_types(void)
{
    tb_val a = IN(F64, 3, 33), b = IN(I32, 3, 33), c = IN(BF16, 3, 33), d = IN(F16, 3, 33);
    tb_val e = IN(BOOL, 3, 33), h = IN(I8, 3, 33);
    c_out(M2(mul, a, tb_cast(g, b, TB_F64)));
    c_out(tb_cast(g, M2(add, tb_cast(g, c, TB_F32), tb_cast(g, d, TB_F32)), TB_BF16));
    c_out(tb_where(g, e, tb_cast(g, h, TB_I64), tb_cast(g, b, TB_I64)));
    c_out(M2(mul, d, d));
    c_run((c_case){.tolerance = 1e-2});
}

static void
broadcast_dynamic(void)
{
    tb_dim n = c_sym("n", 1, 1000), m = c_sym("m", 1, 1000);
    tb_val a = IN(F32, n, 1), b = IN(F32, m);
    tb_val x = a, y = b;
    tb_broadcast(g, &x, &y);
    c_out(M1(tanh, M2(mul, x, y)));
    c_out(tb_transpose(g, M2(add, x, y), 0, 1));
    c_run((c_case){SIZES({3, 5}, {1, 1}, {40, 100}), .tolerance = 1e-6});
}

static tb_val
softmax(tb_val x)
{
    uint32_t axis = 1u << (tb_rank(g, x) - 1);
    tb_val e = M1(exp, M2(sub, x, LIKE(RED(rmax, x, axis), x)));
    return M2(div, e, LIKE(RED(rsum, e, axis), e));
}

static void
softmax_rows(void)
{
    tb_dim n = c_sym("n", 1, 1000), m = c_sym("m", 1, 1000);
    c_out(softmax(IN(F32, n, m)));
    c_run((c_case){SIZES({4, 16}, {3, 1}, {7, 129}, {1, 70}), .tolerance = 1e-6});
}

static void
layer_norm(void)
{
    tb_val x = IN(F32, 6, 100), w = CONST(100), b = CONST(100);
    tb_val n = tb_full_like(g, RED(rsum, x, 2), 1.0 / 100);
    tb_val mean = M2(mul, RED(rsum, x, 2), n), c = M2(sub, x, LIKE(mean, x));
    tb_val var = M2(mul, RED(rsum, M2(mul, c, c), 2), n);
    tb_val s = M1(sqrt, M2(add, var, tb_full_like(g, var, 1e-5)));
    tb_val y = M2(div, c, LIKE(s, c));
    c_out(M2(add, M2(mul, y, LIKE(w, y)), LIKE(b, y)));
    c_run((c_case){.tolerance = 1e-5});
}

static void
reductions(void)
{
    tb_val x = IN(F32, 5, 33, 20), y = IN(I32, 5, 33, 20);
    c_out(RED(rsum, x, 1));
    c_out(RED(rmax, x, 2));
    c_out(RED(rsum, x, 7));
    c_out(RED(rmin, y, 5));
    c_out(RED(argmax, x, 4));
    c_out(RED(argmin, y, 2));
    c_out(RED(rany, tb_cast(g, y, TB_BOOL), 4));
    c_run((c_case){.tolerance = 1e-5});
}

static void
movement(void)
{
    tb_dim n = c_sym("n", 2, 1000);
    tb_val x = IN(F32, n, 6, 8);
    tb_val p = tb_permute(g, x, (int64_t[]){2, 0, 1});
    c_out(M1(neg, p));
    c_out(M1(exp, tb_reshape(g, p, 2, DIMS(8, tb_dim_mul(u, n, 6)))));
    c_out(M1(neg, tb_slice(g, x, DIMS(1, 0, 2), DIMS(tb_dim_sub(u, n, 1), 3, 3), (int64_t[]){1, 2, 2})));
    c_out(tb_pad(g, x, DIMS(0, 1, 2), DIMS(1, 0, 3), tb_full_f(g, TB_F32, 0, NULL, 7)));
    c_out(tb_flip(g, x, 4));
    c_out(tb_concat(g, (tb_val[]){x, M1(neg, x)}, 2, 1));
    c_out(RED(rmax, tb_window(g, x, 2, 3, 2, 1), 8));
    c_run((c_case){SIZES({2}, {9}), .tolerance = 1e-6});
}

static void
concats_and_pads(void)
{
    tb_val x = IN(F32, 3, 4), y = tb_expand(g, IN(F32, 3, 1), 2, DIMS(3, 5));
    tb_val c = tb_concat(g, (tb_val[]){x, y}, 2, 1), i = IN(I64, 3, 4);
    c_out(M1(neg, tb_slice_axis(g, c, 1, 4, 5, 1))); /* always the second */
    c_out(M1(neg, tb_slice_axis(g, c, 1, 1, 3, 1))); /* always the first */
    c_out(M1(neg, tb_slice_axis(g, c, 1, 2, 5, 1)));
    tb_val one = tb_slice_axis(g, i, 1, 0, 1, 1); /* the same for all lanes, padded */
    tb_val z = tb_pad(g, tb_expand(g, one, 2, DIMS(3, 20)), DIMS(0, 3), DIMS(2, 4),
                      tb_full_i(g, TB_I64, 0, NULL, 0));
    c_out(tb_map2(g, TB_P_add, z, z));
    c_run((c_case){0});
}

static void
gathers(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val t = CONST(50, 12), i = IN(I64, n, 3);
    c_out(tb_gather(g, t, 1, &i, 1));
    c_run((c_case){SIZES({1}, {20}), .index_below = 50});
}

static void
gather_out_of_range(void)
{
    tb_val t = CONST(4, 12), i = IN(I64, 30);
    c_out(tb_gather(g, t, 1, &i, 1));
    c_run((c_case){.index_below = 50, .error = "out of range"});
}

static void
linear(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x = IN(F32, n, 70), w = CONST(90, 70), b = CONST(90);
    tb_val y = tb_dot(g, x, tb_transpose(g, w, 0, 1));
    y = M2(add, y, LIKE(b, y));
    c_out(M2(max, y, tb_full_like(g, y, 0)));
    c_run((c_case){SIZES({1}, {2}, {7}, {64}, {201}), .tolerance = 1e-5});
}

static void
linear_deep(void)
{
    tb_val x = IN(F32, 33, 1100), w = CONST(1100, 192);
    c_out(M1(tanh, tb_dot(g, x, w)));
    c_run((c_case){.tolerance = 1e-4});
}

static void
batched_dots(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x = IN(F32, 3, n, 20), y = IN(F32, 3, 20, n), z = IN(F32, 3, n, 20);
    c_out(tb_dot(g, x, y));
    c_out(tb_dot(g, x, tb_transpose(g, z, 1, 2)));
    c_out(tb_dot(g, IN(F32, 9, 20), IN(F32, 20, 128)));
    c_run((c_case){SIZES({1}, {5}, {64}, {70}), .tolerance = 1e-5});
}

static void
dot_transposed(void)
{
    tb_dim n = c_sym("n", 1, 1000);
    tb_val x = IN(F32, n, 50), w = IN(F32, 130, 50), y = IN(F32, 1, 50);
    c_out(tb_dot(g, x, tb_transpose(g, w, 0, 1)));
    c_out(tb_dot(g, y, tb_transpose(g, w, 0, 1)));
    c_out(tb_dot(g, tb_transpose(g, IN(F32, 64, 33), 0, 1), IN(F32, 64, 20)));
    c_run((c_case){SIZES({1}, {70}), .tolerance = 1e-5});
}

static void
dot_other_types(void)
{
    tb_val a = IN(F64, 10, 20), b = IN(F64, 20, 30), c = IN(I64, 4, 5), d = IN(I64, 5, 6);
    tb_val e = IN(BF16, 10, 20), h = IN(BF16, 20, 30);
    c_out(tb_dot(g, a, b));
    c_out(tb_dot(g, c, d));
    c_out(tb_dot(g, e, h));
    c_run((c_case){.tolerance = 1e-2});
}

static void
attention_case(bool causal, bool with_mask, tb_dtype mask_type)
{
    tb_dim b = c_sym("b", 1, 100), n = c_sym("n", 1, 1000);
    tb_val q = IN(F32, b, 2, n, 24), k = IN(F32, b, 2, n, 24), v = IN(F32, b, 2, n, 20);
    tb_val mask = TB_NO_VAL;
    if (with_mask)
        mask = c_in(mask_type, 4, DIMS(b, 1, 1, n));
    tb_val o = tb_attention(g, q, k, v, mask, causal, 0.2);
    o = tb_permute(g, o, (int64_t[]){0, 2, 1, 3});
    c_out(tb_reshape(g, o, 3, DIMS(b, n, 40)));
    c_run((c_case){SIZES({1, 1}, {2, 5}, {1, 64}, {1, 130}), .tolerance = 1e-5});
}

static void
attention_plain(void)
{
    attention_case(false, false, TB_F32);
}

static void
attention_causal(void)
{
    attention_case(true, false, TB_F32);
}

static void
attention_bool_mask(void)
{
    attention_case(false, true, TB_BOOL);
}

static void
attention_float_mask(void)
{
    attention_case(true, true, TB_F32);
}

static void
attention_full_mask(void)
{
    tb_val q = IN(F32, 2, 3, 9, 16), k = IN(F32, 2, 3, 11, 16), v = IN(F32, 2, 3, 11, 16);
    tb_val mask = IN(F32, 2, 3, 9, 11);
    c_out(tb_attention(g, q, k, v, mask, false, 0.25));
    c_run((c_case){.tolerance = 1e-5});
}

static void
check_lanes(void)
{
    tb_buf out = c_text("kernels", "x86_64-v4");
    CHECK(memmem(out.at, out.n, "f32x16", 6) && !memmem(out.at, out.n, "gather", 6));
    tb_buf_free(&out);
}

/* An image and vectors of channels: lanes run along the image's rows, however many vectors there
 * are. Along the channels each element would be gathered. */
static void
vectors_of_channels(void)
{
    tb_val x = IN(F32, 2, 96, 7, 56), y = x;
    for (int i = 0; i < 4; i++) {
        tb_val v = tb_reshape(g, IN(F32, 96), 4, DIMS(1, 96, 1, 1));
        y = i % 2 ? M2(add, y, LIKE(v, x)) : M2(mul, y, LIKE(v, x));
    }
    c_out(y);
    c_run((c_case){.tolerance = 1e-5, .check = check_lanes});
}

static void
globals(void)
{
    uint32_t no = u->globals.n;
    tb_global st = {.name = TB_STR("count"), .dtype = TB_F32, .rank = 1, .dims = {4}, .mutable_ = true};
    TB_PUSH(&cx->keep, &u->globals, st);
    tb_val x = IN(F32, 4), s = tb_read(g, no);
    c_out(M2(add, x, s));
    tb_write(g, no, M2(add, s, x));
    c_run((c_case){0});
}

static void
globals_change_places(void)
{
    uint32_t a = u->globals.n, b = a + 1;
    tb_global st = {.name = TB_STR("a"), .dtype = TB_F32, .rank = 1, .dims = {4}, .mutable_ = true};
    TB_PUSH(&cx->keep, &u->globals, st);
    st.name = TB_STR("b");
    TB_PUSH(&cx->keep, &u->globals, st);
    tb_val x = IN(F32, 4), old_a = tb_read(g, a), old_b = tb_read(g, b);
    c_out(M2(sub, M2(add, x, old_a), old_b));
    tb_write(g, a, M2(add, old_b, x));
    tb_write(g, b, old_a);
    c_run((c_case){0});
}

static void
results_of_many_kinds(void)
{
    tb_val x = IN(F32, 4, 4);
    c_out(x);
    c_out(CONST(3));
    c_out(tb_full_f(g, TB_F32, 2, DIMS(2, 2), 3.5));
    c_out(tb_reshape(g, x, 1, DIMS(16)));
    tb_val y = M1(neg, x);
    c_out(y);
    c_out(y);
    c_out(tb_iota(g, 2, DIMS(3, 4), 1));
    c_run((c_case){0});
}

static void
empty(void)
{
    tb_dim n = c_sym("n", 0, 100);
    tb_val x = IN(F32, n, 4);
    c_out(M1(neg, x));
    c_out(RED(rsum, x, 1));
    c_out(tb_dot(g, x, CONST(4, 5)));
    c_run((c_case){SIZES({0}, {3}), .tolerance = 1e-6});
}

static void
empty_for_ever(void)
{
    tb_val x = IN(F32, 0, 4);
    c_out(M1(exp, x));
    c_out(RED(rsum, x, 1));
    c_out(RED(rsum, x, 3));
    c_out(tb_dot(g, x, CONST(4, 5)));
    c_out(softmax(IN(F32, 3, 0)));
    c_run((c_case){.tolerance = 1e-6});
}

/* ---- levels that an artifact has by default ---- */

static void
check_levels(void)
{
    tb_compile_options o = {0};
    tb_buf bytes = {0};
    tb_plan plan = {0};
    bool bf16 = f->inputs.at[0].type.dtype == TB_BF16;
    tb_status st = tb_compile(u, &o, &bytes);

    if (!st)
        st = tb_artifact_read(bytes.at, bytes.n, 0, &plan);
    if (CHECK(!st) && tb_cpu_machine() == TB_EM_X86_64) {
        EQ_INT(plan.n_images, bf16 ? 3 : 2); /* tile registers for products of bf16 */
        EQ_INT((plan.images[0].features & TB_CPU(AMX_BF16)) != 0, bf16);
    }
    tb_status_free(st);
    tb_buf_free(&bytes);
}

static void
default_levels(void)
{
    c_out(tb_dot(g, IN(F32, 40, 64), CONST(64, 64)));
    c_run((c_case){.tolerance = 1e-5, .check = check_levels});
}

static void
default_levels_bf16(void)
{
    c_out(tb_dot(g, IN(BF16, 40, 64), tb_cast(g, CONST(64, 64), TB_BF16)));
    c_run((c_case){.tolerance = 2e-2, .check = check_levels});
}

int
main(void)
{
    CASE(adds);
    CASE(elementwise_types);
    CASE(broadcast_dynamic);
    CASE(softmax_rows);
    CASE(layer_norm);
    CASE(reductions);
    CASE(movement);
    CASE(concats_and_pads);
    CASE(gathers);
    CASE(gather_out_of_range);
    CASE(linear);
    CASE(linear_deep);
    CASE(batched_dots);
    CASE(dot_transposed);
    CASE(dot_other_types);
    CASE(attention_plain);
    CASE(attention_causal);
    CASE(attention_bool_mask);
    CASE(attention_float_mask);
    CASE(attention_full_mask);
    CASE(vectors_of_channels);
    CASE(globals);
    CASE(globals_change_places);
    CASE(results_of_many_kinds);
    CASE(empty);
    CASE(empty_for_ever);
    CASE(default_levels);
    CASE(default_levels_bf16);
    return t_done();
}

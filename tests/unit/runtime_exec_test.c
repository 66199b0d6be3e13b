/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* runtime_exec_test.c -- instructions of programs and failures of kernels. */
#include "runtime_t.h"

/* ---- kernels: a tile is one element ---- */
/* out[i] = x[index[i]]; sizes[0] elements of x */
static int32_t
k_take(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    const float *x = b[0];
    const int64_t *index = b[1];
    float *out = b[2];
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        if (index[i] < 0 || index[i] >= sizes[0])
            return TB_KERNEL_INDEX_OUT_OF_RANGE;
        out[i] = x[index[i]];
    }
    return 0;
}

static int32_t
k_false(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    (void)b, (void)sizes, (void)begin, (void)end, (void)scratch;
    return TB_KERNEL_ASSERT;
}

/* counter -= 1; go_on = counter > 0 */
static int32_t
k_count(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    int32_t *counter = b[0];
    uint8_t *go_on = b[1];
    (void)sizes, (void)begin, (void)end, (void)scratch;
    *go_on = --*counter > 0;
    return 0;
}

/* Uses its scratch, which must be aligned. */
static int32_t
k_scratch(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    uint8_t *at = scratch;
    (void)sizes;
    if ((uintptr_t)scratch % 64)
        return TB_KERNEL_ASSERT;
    for (int64_t i = begin; i < end; i++) {
        memset(at, (int)i, 1000);
        ((uint8_t *)b[0])[i] = at[999];
    }
    return 0;
}

/* ---- integer instructions ---- */
/* Runs `op` on two numbers; the result comes back as the result's size. */
static tb_status
calculate(tb_opcode op, int64_t a, int64_t b, int64_t *out)
{
    prog *p = p_new();
    p_fn(p, "f");
    p_out(p, "0x?xf32", (int32_t[]){2});
    p_set(p, 0, a);
    p_set(p, 1, b);
    p_op(p, op, 3, 2, 0, 1);
    p_set(p, 3, 1000);
    p_op(p, TB_I_ADD, 3, 2, 2, 3); /* sizes are not negative */
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_end(p);
    tb_session *s = p_session(p, NULL, NULL);
    tb_tensor r = {0};
    tb_status st = tb_session_call(s, 0, NULL, 0, &r, 1);
    *out = r.dims[1] - 1000;
    tb_tensor_release(&r);
    tb_session_destroy(s);
    free(p);
    return st;
}

static void
arithmetic(void)
{
    static const struct {
        tb_opcode op;
        int64_t a, b, want;
    } rows[] = {
        {TB_I_ADD, 5, -7, -2},  {TB_I_SUB, 5, 7, -2},   {TB_I_MUL, -5, 7, -35},
        {TB_I_DIV, 7, 2, 3},    {TB_I_DIV, -7, 2, -4},  {TB_I_DIV, 7, -2, -4},
        {TB_I_DIV, -8, 2, -4},  {TB_I_MOD, 7, 3, 1},    {TB_I_MOD, -7, 3, 2},
        {TB_I_MOD, 7, -3, -2},  {TB_I_MIN, -7, 3, -7},  {TB_I_MAX, -7, 3, 3},
        {TB_I_EQ, 3, 3, 1},     {TB_I_EQ, 3, 4, 0},     {TB_I_LT, 3, 4, 1},
        {TB_I_LT, 4, 4, 0},     {TB_I_MOD, INT64_MIN, -1, 0},
        {TB_I_MIN, INT64_MAX, 77, 77}, {TB_I_SUB, INT64_MIN, INT64_MIN, 0},
    };
    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        int64_t got = 0;
        OK(calculate(rows[i].op, rows[i].a, rows[i].b, &got));
        EQ_INT(got, rows[i].want);
    }
}

static void
arithmetic_failures(void)
{
    static const struct {
        tb_opcode op;
        int64_t a, b;
        bool by_zero;
    } rows[] = {
        {TB_I_ADD, INT64_MAX, 1, false}, {TB_I_ADD, INT64_MIN, -1, false},
        {TB_I_SUB, INT64_MIN, 1, false}, {TB_I_SUB, 0, INT64_MIN, false},
        {TB_I_MUL, INT64_C(1) << 62, 2, false}, {TB_I_MUL, INT64_MIN, -1, false},
        {TB_I_DIV, INT64_MIN, -1, false}, {TB_I_DIV, 1, 0, true}, {TB_I_MOD, 1, 0, true},
    };
    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        int64_t got;
        FAILS(calculate(rows[i].op, rows[i].a, rows[i].b, &got), TB_OUT_OF_RANGE,
              rows[i].by_zero ? "function 'f': division by zero while computing a size"
                              : "function 'f': a size computed from the inputs' shapes does "
                                "not fit 64 bits");
    }
}

static void
result_sizes(void)
{
    int64_t got;
    FAILS(calculate(TB_I_ADD, -1001, 0, &got), TB_OUT_OF_RANGE,
          "function 'f', result 0: sizes are negative or too large: 0x?xf32");
    OK(calculate(TB_I_ADD, INT64_MAX - 1000, 0, &got)); /* times 0 is nothing */
    prog *p = p_new();
    p_fn(p, "f");
    p_out(p, "?x?xf32", (int32_t[]){0, 0});
    p_set(p, 0, INT64_C(1) << 31);
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_end(p);
    tb_session *s = p_session(p, NULL, NULL);
    tb_tensor r = {0};
    FAILS(tb_session_call(s, 0, NULL, 0, &r, 1), TB_OUT_OF_RANGE,
          "function 'f', result 0: sizes are negative or too large: "
          "2147483648x2147483648xf32");
    tb_session_destroy(s);
    free(p);
}

/* MOVE, CHECK, JUMP, JUMP_ZERO in the prologue: n % 3 != 2 or the message. */
static void
checks_and_jumps(void)
{
    prog *p = p_new();
    int32_t message = (int32_t)p_str(p, "n must not leave 2 when divided by 3").off;
    p_fn(p, "f");
    p_in(p, "n", "?xi8");
    p_out(p, "?xi8", (int32_t[]){4});
    p_op(p, TB_I_DIM, 3, 0, 0, 0);
    p_set(p, 1, 3);
    p_set(p, 2, 2);
    p_op(p, TB_I_MOD, 3, 3, 0, 1);
    p_op(p, TB_I_EQ, 3, 3, 3, 2);
    int32_t to_ok = p_op(p, TB_I_JUMP_ZERO, 2, 3, 0);
    p_set(p, 3, 0);
    p_op(p, TB_I_CHECK, 2, 3, message);
    p->code[to_ok + 2] = (int32_t)p->f->n_code;
    p_op(p, TB_I_MOVE, 2, 4, 1);
    int32_t skip = p_op(p, TB_I_JUMP, 1, 0);
    p_set(p, 4, 50);
    p->code[skip + 1] = (int32_t)p->f->n_code;
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_end(p);
    tb_session *s = p_session(p, NULL, NULL);
    char data[8] = {0};
    tb_tensor in = t_tensor(data, TB_I8, 1, DIMS(4)), out = {0};
    OK(tb_session_call(s, 0, &in, 1, &out, 1));
    EQ_INT(out.dims[0], 3);
    tb_tensor_release(&out);
    in.dims[0] = 5;
    in.bytes = 5;
    FAILS(tb_session_call(s, 0, &in, 1, &out, 1), TB_INVALID_ARGUMENT,
          "function 'f': n must not leave 2 when divided by 3");
    tb_session_destroy(s);
    free(p);
}

/* A loop whose condition a kernel computes: LOAD and a jump back in the body. */
static prog *
loop_prog(void)
{
    prog *p = p_new();
    int32_t count = p_kernel(p, "count", k_count, 2, 0, 0);
    p_fn(p, "f");
    p_in(p, "start", "i32");
    p_out(p, "i32", NULL);
    p_out(p, "?xi8", (int32_t[]){4});
    int32_t in = p_buf(p, TB_BUF_INPUT, 0), counter = p_arena_buf(p, 0, 1);
    int32_t go_on = p_arena_buf(p, 1, 1), out = p_buf(p, TB_BUF_RESULT, 0);
    p_set(p, 0, 0);
    p_set(p, 1, 64);
    p_set(p, 2, 128);
    p_set(p, 3, 1);
    p_body(p);
    p->f->arena_reg = 2;
    p_set(p, 4, 0);
    p_op(p, TB_I_COPY, 2, counter, in);
    int32_t top = p_op(p, TB_I_DISPATCH, 7, count, 3, 0, 2, counter, go_on, 0);
    p_op(p, TB_I_ADD, 3, 4, 4, 3);
    p_op(p, TB_I_LOAD, 3, 5, go_on, TB_BOOL);
    int32_t out_of_loop = p_op(p, TB_I_JUMP_ZERO, 2, 5, 0);
    p_op(p, TB_I_JUMP, 1, top);
    p->code[out_of_loop + 2] = (int32_t)p->f->n_code;
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_RESULT, 1, 1);
    p_op(p, TB_I_COPY, 2, out, counter);
    p_end(p);
    return p;
}

static void
loops(void)
{
    prog *p = loop_prog();
    tb_session *s = p_session(p, NULL, NULL);
    for (int turn = 0; turn < 2; turn++) {
        int32_t start = 6 + turn;
        tb_tensor in = t_tensor(&start, TB_I32, 0, NULL), out[2] = {0};
        OK(tb_session_call(s, 0, &in, 1, out, 2));
        EQ_INT(*(int32_t *)out[0].data, 0);
        EQ_INT(out[1].dims[0], 6 + turn);
        tb_tensor_release(&out[0]);
        tb_tensor_release(&out[1]);
    }
    tb_session_destroy(s);
    free(p);
}

static void
loading_scalars(void)
{
    static const struct {
        const char *type;
        uint64_t bits;
        int64_t want;
    } rows[] = {
        {"i1", 7, 1},           {"ui8", 200, 200},         {"i8", 200, -56},
        {"i16", 0xffff, -1},    {"ui16", 0xffff, 0xffff},  {"i32", 0xffffffff, -1},
        {"ui32", 0xffffffff, 0xffffffff}, {"i64", UINT64_MAX, -1}, {"ui64", 5, 5},
    };
    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        prog *p = p_new();
        p_fn(p, "f");
        p_in(p, "", rows[i].type);
        p_out(p, "0x?xi8", (int32_t[]){0});
        int32_t in = p_buf(p, TB_BUF_INPUT, 0);
        tb_dtype dtype = tb_dtype_parse(tb_str_c(rows[i].type));
        p_set(p, 1, 100);
        p_body(p);
        p_op(p, TB_I_LOAD, 3, 0, in, dtype);
        p_op(p, TB_I_ADD, 3, 0, 0, 1);
        p_op(p, TB_I_RESULT, 1, 0);
        p_end(p);
        tb_session *s = p_session(p, NULL, NULL);
        uint64_t bits = rows[i].bits;
        tb_tensor t = t_tensor(&bits, dtype, 0, NULL), out = {0};
        OK(tb_session_call(s, 0, &t, 1, &out, 1));
        EQ_INT(out.dims[1] - 100, rows[i].want);
        tb_session_destroy(s);
        free(p);
    }
}

/* ---- dispatches ---- */
static void
kernel_errors(void)
{
    prog *p = p_new();
    int32_t take = p_kernel(p, "take_3", k_take, 3, 1, 0);
    int32_t no = p_kernel(p, "check", k_false, 0, 0, 0);
    p->locs[1] = (tb_plan_loc){p_str(p, "model.py"), p_str(p, "encoder.0"),
                               p_str(p, "aten.embedding"), 41, 9};
    p->plan.n_locs = 2;
    p->kernels[take].loc = 1;
    p_fn(p, "main");
    p_in(p, "x", "4xf32");
    p_in(p, "index", "2xi64");
    p_out(p, "2xf32", NULL);
    int32_t x = p_buf(p, TB_BUF_INPUT, 0), index = p_buf(p, TB_BUF_INPUT, 1);
    int32_t r = p_buf(p, TB_BUF_RESULT, 0);
    p_set(p, 0, 2);
    p_set(p, 1, 4);
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_DISPATCH, 9, take, 0, 0, 3, x, index, r, 1, 1);
    p_end(p);
    p_fn(p, "other");
    p_set(p, 0, 1);
    p_body(p);
    p_op(p, TB_I_DISPATCH, 5, no, 0, 0, 0, 0);
    p_end(p);
    tb_session *s = p_session(p, NULL, NULL);
    float data[4] = {10, 11, 12, 13};
    int64_t at[2] = {3, 4};
    tb_tensor in[] = {t_tensor(data, TB_F32, 1, DIMS(4)), t_tensor(at, TB_I64, 1, DIMS(2))};
    tb_tensor out = {0};
    FAILS(tb_session_call(s, 0, in, 2, &out, 1), TB_OUT_OF_RANGE,
          "model.py:41: aten.embedding in encoder.0: index out of range: a value of the index "
          "tensor names no element (function 'main', kernel 'take_3')");
    CHECK(out.data == NULL && out.release == NULL);
    at[1] = 0;
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    CHECK(((float *)out.data)[0] == 13 && ((float *)out.data)[1] == 10);
    tb_tensor_release(&out);
    FAILS(tb_session_call(s, 1, NULL, 0, NULL, 0), TB_INVALID_ARGUMENT,
          "check: an assertion in the model does not hold (function 'other', kernel 'check')");
    tb_session_destroy(s);
    free(p);
}

static void
scratch_memory(void)
{
    prog *p = p_new();
    int32_t k = p_kernel(p, "scratch", k_scratch, 1, 0, 0);
    p->kernels[k].scratch_bytes = 1000;
    p_fn(p, "f");
    p_out(p, "5xui8", NULL);
    int32_t r = p_buf(p, TB_BUF_RESULT, 0);
    p_set(p, 0, 5);
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_DISPATCH, 6, k, 0, 0, 1, r, 0);
    p_end(p);
    tb_session *s = p_session(p, NULL, NULL);
    tb_tensor out = {0};
    OK(tb_session_call(s, 0, NULL, 0, &out, 1));
    EQ_INT(((uint8_t *)out.data)[4], 4);
    tb_tensor_release(&out);
    tb_session_destroy(s);
    free(p);
}

int
main(void)
{
    RUN(arithmetic);
    RUN(arithmetic_failures);
    RUN(result_sizes);
    RUN(checks_and_jumps);
    RUN(loops);
    RUN(loading_scalars);
    RUN(kernel_errors);
    RUN(scratch_memory);
    return t_done();
}

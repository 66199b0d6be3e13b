/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_test.c -- calls: instructions, shapes, memory, globals, messages. Devices and
 * threads are in runtime_device_test.c.
 */
#include "runtime_t.h"

/* ---- kernels: a tile is one element ---- */
static int32_t
k_add(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    const float *x = b[0], *y = b[1];
    float *out = b[2];
    (void)sizes;
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        out[i] = x[i] + y[i];
    return 0;
}

/* out[i] = x[i] * sizes[0] */
static int32_t
k_scale(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    const float *x = b[0];
    float *out = b[1];
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        out[i] = x[i] * (float)sizes[0];
    return 0;
}

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

/* f(x, y) = (x + y) * 3 over ?xf32, x + y in the arena. Registers: 0 = n, 1 = bytes padded,
 * 2 = 3, 3 = 64, 4 = 63, 5 = 4, 6 = 0. */
static prog *
dynamic_prog(void)
{
    prog *p = p_new();
    int32_t add = p_kernel(p, "add", k_add, 3, 0, 0);
    int32_t scale = p_kernel(p, "scale", k_scale, 2, 1, 0);
    p_fn(p, "main");
    p_in(p, "x", "?xf32");
    p_in(p, "y", "?xf32");
    p_out(p, "?xf32", (int32_t[]){0});
    int32_t x = p_buf(p, TB_BUF_INPUT, 0), y = p_buf(p, TB_BUF_INPUT, 1);
    int32_t r = p_buf(p, TB_BUF_RESULT, 0), t = p_arena_buf(p, 6, 1);
    p_op(p, TB_I_DIM, 3, 0, 0, 0);
    p_op(p, TB_I_CHECK_DIM, 3, 1, 0, 0);
    p_set(p, 2, 3);
    p_set(p, 3, 64);
    p_set(p, 4, 63);
    p_set(p, 5, 4);
    p_set(p, 6, 0);
    p_op(p, TB_I_MUL, 3, 1, 0, 5);
    p_op(p, TB_I_ADD, 3, 1, 1, 4);
    p_op(p, TB_I_DIV, 3, 1, 1, 3);
    p_op(p, TB_I_MUL, 3, 1, 1, 3);
    p->f->arena_reg = 1;
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_DISPATCH, 8, add, 0, 0, 3, x, y, t, 0);
    p_op(p, TB_I_DISPATCH, 8, scale, 0, 0, 2, t, r, 1, 2);
    p_end(p);
    return p;
}

static void
dynamic_shapes(void)
{
    prog *p = dynamic_prog();
    tb_session *s = p_session(p, NULL, NULL);
    float x[100], y[100];
    EQ_INT(tb_session_transient_bytes(s, 0), 0);
    for (int i = 0; i < 100; i++) {
        x[i] = (float)i;
        y[i] = 1;
    }
    for (int turn = 0; turn < 20; turn++) {
        int64_t n = turn % 3 == 2 ? turn * 5 : 7; /* same and other shapes */
        tb_tensor in[] = {t_tensor(x, TB_F32, 1, &n), t_tensor(y, TB_F32, 1, &n)};
        tb_tensor out = {0};
        OK(tb_session_call(s, 0, in, 2, &out, 1));
        EQ_INT(out.dtype, TB_F32);
        EQ_INT(out.rank, 1);
        EQ_INT(out.dims[0], n);
        EQ_INT(out.bytes, n * 4);
        EQ_INT((uintptr_t)out.data % TB_DATA_ALIGN, 0);
        EQ_INT(tb_session_transient_bytes(s, 0), TB_ALIGN_UP(n * 4, 64));
        for (int64_t i = 0; i < n; i++)
            CHECK(((float *)out.data)[i] == (x[i] + 1) * 3);
        tb_tensor_release(&out);
        CHECK(out.data == NULL && out.bytes == 0);
        tb_tensor_release(&out);
    }
    tb_session_destroy(s);
    free(p);
}

static void
empty_tensors(void)
{
    prog *p = dynamic_prog();
    tb_session *s = p_session(p, NULL, NULL);
    tb_tensor in[] = {t_tensor(NULL, TB_F32, 1, DIMS(0)), t_tensor(NULL, TB_F32, 1, DIMS(0))};
    tb_tensor out = {0};
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    EQ_INT(out.dims[0], 0);
    EQ_INT(out.bytes, 0);
    EQ_INT(out.rank, 1);
    tb_tensor_release(&out);
    tb_session_destroy(s);
    free(p);
}

static void
results_in_given_memory(void)
{
    prog *p = dynamic_prog();
    tb_session *s = p_session(p, NULL, NULL);
    float x[4] = {1, 2, 3, 4}, y[4] = {0}, room[6] = {0, 0, 0, 0, 5, 6};
    tb_tensor in[] = {t_tensor(x, TB_F32, 1, DIMS(4)), t_tensor(y, TB_F32, 1, DIMS(4))};
    tb_tensor out = {.data = room, .bytes = sizeof room};
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    CHECK(out.data == room && out.release == NULL);
    EQ_INT(out.bytes, sizeof room);
    EQ_INT(out.dims[0], 4);
    CHECK(room[3] == 12 && room[4] == 5);
    out.bytes = 15;
    FAILS(tb_session_call(s, 0, in, 2, &out, 1), TB_OUT_OF_RANGE,
          "function 'main', result 0: 4xf32 takes 16 bytes, the memory given for it has 15");
    CHECK(out.data == room);
    /* memory of an earlier result is reused in place */
    tb_tensor own = {0};
    OK(tb_session_call(s, 0, in, 2, &own, 1));
    void *first = own.data;
    own.dims[0] = 99;
    OK(tb_session_call(s, 0, in, 2, &own, 1));
    CHECK(own.data == first && own.release != NULL);
    EQ_INT(own.dims[0], 4);
    tb_tensor_release(&own);
    tb_session_destroy(s);
    free(p);
}

/* ---- allocations ---- */
typedef struct counter {
    int alive, made, fail_at; /* fail_at: number of the allocation that fails, 0 = none */
    size_t bytes;
} alloc_count;

static void *
count_alloc(void *user, size_t bytes, size_t align)
{
    alloc_count *c = user;
    if (++c->made == c->fail_at)
        return NULL;
    void *p = aligned_alloc(align, TB_ALIGN_UP(bytes, align));
    c->alive++;
    c->bytes += bytes;
    return p;
}

static void
count_free(void *user, void *p, size_t bytes)
{
    alloc_count *c = user;
    c->alive--;
    c->bytes -= bytes;
    free(p);
}

static void
allocations(void)
{
    alloc_count c = {0};
    tb_allocator a = {count_alloc, count_free, &c};
    prog *p = dynamic_prog();
    tb_session *s = p_session(p, NULL, &a);
    float x[100] = {0};
    tb_tensor in[] = {t_tensor(x, TB_F32, 1, DIMS(50)), t_tensor(x, TB_F32, 1, DIMS(50))};
    tb_tensor out = {0};
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    int made = c.made;
    size_t bytes = c.bytes;
    OK(tb_session_call(s, 0, in, 2, &out, 1)); /* into the result's memory */
    EQ_INT(c.made, made);
    tb_tensor_release(&out);
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    EQ_INT(c.made, made + 1);
    EQ_INT(c.bytes, bytes);
    in[0].dims[0] = in[1].dims[0] = 7; /* smaller: the arena stays */
    tb_tensor_release(&out);
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    EQ_INT(c.made, made + 2);
    tb_session_destroy(s);
    EQ_INT(c.alive, 1); /* a result outlives its session */
    tb_tensor_release(&out);
    EQ_INT(c.alive, 0);
    EQ_INT(c.bytes, 0);
    free(p);
}

/* Every allocation fails once: a status, no leak, and the session works afterwards. */
static void
failing_allocations(void)
{
    prog *p = dynamic_prog();
    tb_module *m = NULL;
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    bool failed = true;
    int n = 0;
    for (n = 1; failed && n < 100; n++) {
        alloc_count c = {.fail_at = n};
        tb_allocator a = {count_alloc, count_free, &c};
        tb_session_options o = {.allocator = &a};
        float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        tb_tensor in[] = {t_tensor(x, TB_F32, 1, DIMS(8)), t_tensor(x, TB_F32, 1, DIMS(8))};
        tb_tensor out = {0};
        tb_session *s = NULL;
        tb_status st = tb_session_create(m, &o, &s);
        bool created = st == NULL;
        if (created) {
            st = tb_session_call(s, 0, in, 2, &out, 1);
            if (st) {
                CHECK(out.data == NULL);
                OK(tb_session_call(s, 0, in, 2, &out, 1));
            }
            CHECK(((float *)out.data)[7] == 48);
        }
        failed = st != NULL;
        EQ_INT(tb_status_code(st), failed ? TB_OUT_OF_MEMORY : TB_OK);
        tb_status_free(st);
        tb_tensor_release(&out);
        tb_session_destroy(s);
        EQ_INT(c.alive, 0);
        EQ_INT(c.bytes, 0);
    }
    CHECK(n > 8 && n < 100);
    tb_module_release(m);
    free(p);
}

/* ---- wrong inputs ---- */
static void
input_messages(void)
{
    prog *p = p_new();
    p_fn(p, "main");
    p_in(p, "x", "4x2xf32");
    p_in(p, "mask", "4x?xi64");
    p_in(p, "", "i1");
    p_body(p);
    p_end(p);
    tb_session *s = p_session(p, NULL, NULL);
    char data[256] = {0};
    tb_tensor good[] = {t_tensor(data, TB_F32, 2, DIMS(4, 2)),
                        t_tensor(data, TB_I64, 2, DIMS(4, 7)),
                        t_tensor(data, TB_BOOL, 0, NULL)};
    tb_tensor in[3];
#define WITH(i, ...) (memcpy(in, good, sizeof in), in[i] = t_tensor(data, __VA_ARGS__), in)
#define CALL(i, ...) tb_session_call(s, 0, WITH(i, __VA_ARGS__), 3, NULL, 0)
    OK(tb_session_call(s, 0, good, 3, NULL, 0));
    FAILS(CALL(1, TB_F32, 2, DIMS(4, 7)), TB_INVALID_ARGUMENT,
          "function 'main', input 1 'mask': expected 4x?xi64, got 4x7xf32");
    FAILS(CALL(1, TB_I64, 1, DIMS(4)), TB_INVALID_ARGUMENT,
          "function 'main', input 1 'mask': expected 4x?xi64, got 4xi64");
    FAILS(CALL(1, TB_I64, 2, DIMS(4, 101)), TB_INVALID_ARGUMENT,
          "function 'main', input 1 'mask': expected 4x?xi64 with dimension 1 from 0 to 100, "
          "got 4x101xi64");
    FAILS(CALL(0, TB_F32, 2, DIMS(4, 3)), TB_INVALID_ARGUMENT,
          "function 'main', input 0 'x': expected 4x2xf32, got 4x3xf32");
    FAILS(CALL(2, TB_F32, 0, NULL), TB_INVALID_ARGUMENT,
          "function 'main', input 2: expected i1, got f32");
    memcpy(in, good, sizeof in);
    in[1].bytes = 4 * 7 * 8 - 1;
    FAILS(tb_session_call(s, 0, in, 3, NULL, 0), TB_INVALID_ARGUMENT,
          "function 'main', input 1 'mask': 4x7xi64 takes 224 bytes, the tensor's data has 223");
    in[1].bytes = 300;
    in[1].data = NULL;
    FAILS(tb_session_call(s, 0, in, 3, NULL, 0), TB_INVALID_ARGUMENT,
          "function 'main', input 1 'mask': the tensor's data is NULL");
    in[1] = good[1];
    in[1].dims[1] = -1;
    FAILS(tb_session_call(s, 0, in, 3, NULL, 0), TB_INVALID_ARGUMENT,
          "function 'main', input 1 'mask': expected 4x?xi64 with dimension 1 from 0 to 100, "
          "got 4x?xi64");
    in[1] = good[1];
    in[1].rank = 40;
    tb_status st = tb_session_call(s, 0, in, 3, NULL, 0);
    CHECK(st != NULL);
    tb_status_free(st);
    FAILS(tb_session_call(s, 0, good, 2, NULL, 0), TB_INVALID_ARGUMENT,
          "function 'main': expected 3 inputs, got 2");
    FAILS(tb_session_call(s, 0, good, 3, in, 1), TB_INVALID_ARGUMENT,
          "function 'main' has 0 results, room was given for 1");
    FAILS(tb_session_call(s, 1, good, 3, NULL, 0), TB_OUT_OF_RANGE,
          "there is no function 1; the module has 1");
    OK(tb_session_call(s, 0, good, 3, NULL, 0));
#undef CALL
#undef WITH
    tb_session_destroy(s);
    free(p);
}

static void
sizes_that_belong_together(void)
{
    prog *p = dynamic_prog();
    tb_session *s = p_session(p, NULL, NULL);
    float x[8] = {0};
    tb_tensor in[] = {t_tensor(x, TB_F32, 1, DIMS(8)), t_tensor(x, TB_F32, 1, DIMS(7))};
    tb_tensor out = {0};
    const char *message = "function 'main', input 1 'y': expected dimension 0 to be 8, as the "
                          "other sizes say, got 7xf32";
    FAILS(tb_session_call(s, 0, in, 2, &out, 1), TB_INVALID_ARGUMENT, message);
    FAILS(tb_session_call(s, 0, in, 2, &out, 1), TB_INVALID_ARGUMENT, message);
    in[1].dims[0] = 8;
    in[1].bytes = 32;
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    tb_tensor_release(&out);
    tb_session_destroy(s);
    free(p);
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

/* ---- kernels ---- */
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

/* ---- constants and globals ---- */
/* step(x): result = state; state += x. The scale is a constant. */
static prog *
state_prog(void)
{
    prog *p = p_new();
    float init[2] = {1, 2}, fixed[2] = {5, 6};
    int32_t c = p_const(p, init, sizeof init), d = p_const(p, fixed, sizeof fixed);
    p_global(p, "state", "2xf32", c, true);
    p_global(p, "zeros", "3xi16", -1, true);
    p_global(p, "weight", "2xf32", d, false);
    int32_t add = p_kernel(p, "add", k_add, 3, 0, 0);
    p_fn(p, "step");
    p_in(p, "x", "2xf32");
    p_out(p, "2xf32", NULL);
    p_out(p, "2xf32", NULL);
    p_out(p, "2xf32", NULL);
    int32_t x = p_buf(p, TB_BUF_INPUT, 0), g = p_buf(p, TB_BUF_GLOBAL, 0);
    int32_t old = p_buf(p, TB_BUF_RESULT, 0), t = p_arena_buf(p, 0, 1);
    int32_t weight = p_buf(p, TB_BUF_GLOBAL, 2), w_out = p_buf(p, TB_BUF_RESULT, 1);
    int32_t k = p_buf(p, TB_BUF_CONST, (uint32_t)d), k_out = p_buf(p, TB_BUF_RESULT, 2);
    p_set(p, 0, 0);
    p_set(p, 1, 64);
    p_set(p, 2, 2);
    p->f->arena_reg = 1;
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_RESULT, 1, 1);
    p_op(p, TB_I_RESULT, 1, 2);
    p_op(p, TB_I_DISPATCH, 8, add, 2, 0, 3, g, x, t, 0);
    p_op(p, TB_I_COPY, 2, old, g);
    p_op(p, TB_I_COPY, 2, g, t); /* arena buffers are padded */
    p_op(p, TB_I_COPY, 2, w_out, weight);
    p_op(p, TB_I_COPY, 2, k_out, k);
    p_end(p);
    return p;
}

static void
globals(void)
{
    prog *p = state_prog();
    tb_module *m = NULL;
    tb_session *s[2] = {NULL, NULL};
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    OK(tb_session_create(m, NULL, &s[0]));
    OK(tb_session_create(m, NULL, &s[1]));
    EQ_INT(tb_module_global_count(m), 3);
    tb_value_info info;
    tb_module_global_info(m, 1, &info);
    EQ_STR(info.name, "zeros");
    EQ_INT(info.dtype, TB_I16);
    EQ_INT(info.dims[0], 3);
    float x[2] = {10, 20};
    tb_tensor in = t_tensor(x, TB_F32, 1, DIMS(2)), out[3] = {0}, g;
    for (int turn = 0; turn < 3; turn++) {
        OK(tb_session_call(s[0], 0, &in, 1, out, 3));
        float *old = out[0].data, *w = out[1].data, *k = out[2].data;
        CHECK(old[0] == (float)(1 + 10 * turn) && old[1] == (float)(2 + 20 * turn));
        CHECK(w[0] == 5 && w[1] == 6 && k[0] == 5 && k[1] == 6);
    }
    /* the other session's state is its own */
    OK(tb_session_global(s[1], 0, &g));
    CHECK(((float *)g.data)[0] == 1);
    OK(tb_session_global(s[0], 0, &g));
    EQ_INT(g.bytes, 8);
    EQ_INT(g.rank, 1);
    CHECK(((float *)g.data)[0] == 31 && g.release == NULL);
    OK(tb_session_global(s[0], 1, &g));
    EQ_INT(((int16_t *)g.data)[2], 0);
    /* writing through a view changes this session only, also where a constant was shared */
    OK(tb_session_global(s[0], 2, &g));
    ((float *)g.data)[0] = 7;
    OK(tb_session_call(s[0], 0, &in, 1, out, 3));
    CHECK(((float *)out[1].data)[0] == 7);
    OK(tb_session_call(s[1], 0, &in, 1, out, 3));
    CHECK(((float *)out[1].data)[0] == 5 && ((float *)out[0].data)[0] == 1);
    FAILS(tb_session_global(s[0], 3, &g), TB_OUT_OF_RANGE,
          "there is no global 3; the module has 3");
    for (int i = 0; i < 3; i++)
        tb_tensor_release(&out[i]);
    tb_module_release(m); /* sessions keep it */
    OK(tb_session_call(s[1], 0, &in, 1, out, 3));
    for (int i = 0; i < 3; i++)
        tb_tensor_release(&out[i]);
    tb_session_destroy(s[0]);
    tb_session_destroy(s[1]);
    free(p);
}

/* ---- information ---- */
static void
information(void)
{
    prog *p = dynamic_prog();
    p->attrs[0] = (tb_plan_attr){p_str(p, "iree.abi"), p_str(p, "{}")};
    p->plan.n_attrs = 1;
    p->functions[0].n_attrs = 1;
    p_fn(p, "inner");
    p->f->exported = 0;
    p_end(p);
    p_fn(p, "second");
    p_end(p);
    tb_module *m = NULL;
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    EQ_STR(tb_module_name(m), "test");
    EQ_INT(tb_module_function_count(m), 2);
    EQ_STR(tb_module_function_name(m, 1), "second");
    EQ_STR(tb_module_function_name(m, 2), "");
    EQ_INT(tb_module_find_function(m, "second"), 1);
    EQ_INT(tb_module_find_function(m, "inner"), -1);
    EQ_STR(tb_module_function_attr(m, 0, "iree.abi"), "{}");
    CHECK(tb_module_function_attr(m, 0, "nope") == NULL);
    EQ_INT(tb_module_input_count(m, 0), 2);
    EQ_INT(tb_module_result_count(m, 0), 1);
    tb_value_info info;
    tb_module_input_info(m, 0, 1, &info);
    EQ_STR(info.name, "y");
    EQ_INT(info.dims[0], -1);
    EQ_INT(info.dim_max[0], 100);
    tb_module_result_info(m, 0, 1, &info);
    EQ_INT(info.dtype, TB_NONE);
    EQ_STR(info.name, "");
    tb_module_release(tb_module_retain(m));
    tb_module_release(m);
    free(p);
}

int
main(void)
{
    RUN(dynamic_shapes);
    RUN(empty_tensors);
    RUN(results_in_given_memory);
    RUN(allocations);
    RUN(failing_allocations);
    RUN(input_messages);
    RUN(sizes_that_belong_together);
    RUN(arithmetic);
    RUN(arithmetic_failures);
    RUN(result_sizes);
    RUN(checks_and_jumps);
    RUN(loops);
    RUN(loading_scalars);
    RUN(kernel_errors);
    RUN(scratch_memory);
    RUN(globals);
    RUN(information);
    return t_done();
}

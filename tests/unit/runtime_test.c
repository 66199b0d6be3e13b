/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_test.c -- calls: shapes, memory, globals, messages. Instructions are in
 * runtime_exec_test.c, devices and threads in runtime_device_test.c.
 */
#include "runtime_t.h"

/* Kernels: a tile is one element. */
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

static void
null_device(void)
{
    tb_device *d = NULL;
    OK(tb_device_create("null", 0, &d));
    prog *p = dynamic_prog();
    tb_session *s = p_session(p, d, NULL);
    float x[4] = {1, 2, 3, 4}, room[4] = {9, 9, 9, 9};
    tb_tensor in[] = {t_tensor(x, TB_F32, 1, DIMS(4)), t_tensor(x, TB_F32, 1, DIMS(4))};
    tb_tensor out = {.data = room, .bytes = sizeof room};
    OK(tb_session_call(s, 0, in, 2, &out, 1));
    CHECK(room[0] == 9);
    tb_session_destroy(s);
    free(p);
    /* a loop that only a kernel would end */
    p = p_new();
    p_fn(p, "f");
    p_body(p);
    p_op(p, TB_I_JUMP, 1, 0);
    p_end(p);
    s = p_session(p, d, NULL);
    FAILS(tb_session_call(s, 0, NULL, 0, NULL, 0), TB_OUT_OF_RANGE,
          "function 'f': a loop does not end on device 'null', which runs no kernels");
    tb_session_destroy(s);
    tb_device_release(d);
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
    RUN(globals);
    RUN(information);
    RUN(null_device);
    return t_done();
}

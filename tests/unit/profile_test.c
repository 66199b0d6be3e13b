/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* profile_test.c -- sessions that are watched: what is said of each kernel, and sums. */
#include "profile/profile.h"

#include "unit/runtime_t.h"

static int32_t
k_double(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    const float *x = b[0];
    float *y = b[1];
    (void)sizes;
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        y[i] = 2 * x[i];
    return 0;
}

static int32_t
k_fail(void *const *b, const int64_t *sizes, int64_t begin, int64_t end, void *scratch)
{
    (void)b;
    (void)sizes;
    (void)begin;
    (void)end;
    (void)scratch;
    return TB_KERNEL_ASSERT;
}

/* main(x) = 4 x by two dispatches of one kernel; the second one has known work. */
static prog *
twice(void)
{
    static tb_plan_loc locs[3];
    static tb_plan_work works[1];
    prog *p = p_new();
    int32_t k = p_kernel(p, "double", k_double, 2, 0, 0);
    p_fn(p, "main");
    p_in(p, "x", "?xf32");
    p_out(p, "?xf32", (int32_t[]){0});
    int32_t x = p_buf(p, TB_BUF_INPUT, 0), r = p_buf(p, TB_BUF_RESULT, 0);
    p_op(p, TB_I_DIM, 3, 0, 0, 0);
    p_set(p, 1, 8);
    p_op(p, TB_I_MUL, 3, 2, 0, 1);
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_DISPATCH, 7, k, 0, 0, 2, x, r, 0);
    int32_t at = p_op(p, TB_I_DISPATCH, 7, k, 0, 0, 2, r, r, 0);
    p_end(p);
    locs[0] = (tb_plan_loc){.file = p_str(p, ""), .path = p_str(p, ""), .op = p_str(p, "")};
    locs[1] = (tb_plan_loc){p_str(p, "a/model.py"), p_str(p, "net \"q\""),
                            p_str(p, "aten.add.Tensor"), 12, 0};
    locs[2] = (tb_plan_loc){p_str(p, "a/model.py"), p_str(p, ""), p_str(p, ""), 14, 0};
    works[0] = (tb_plan_work){(uint32_t)at, 1, 2, 0, 2, 0};
    p->plan.locs = locs;
    p->plan.n_locs = 3;
    p->plan.works = works;
    p->plan.n_works = 1;
    return p;
}

typedef struct seen {
    int calls, ends, n;
    tb_dispatch_info last;
} seen;

static void
on_call(void *user, int function, bool begins)
{
    seen *s = user;
    EQ_INT(function, 0);
    EQ_INT(s->ends, begins ? s->calls : s->calls - 1);
    s->calls += begins;
    s->ends += !begins;
}

static void
on_dispatch(void *user, const tb_dispatch_info *info, bool begins)
{
    seen *s = user;
    s->n += begins;
    s->last = *info;
}

static void
watched(void)
{
    prog *p = twice();
    tb_module *m = NULL;
    tb_session *s = NULL;
    seen got = {0};
    tb_watcher w = {&got, on_call, on_dispatch};
    tb_source_line line;
    float x[5] = {1, 2, 3, 4, 5};
    tb_tensor in = t_tensor(x, TB_F32, 1, DIMS(5)), out = {0};

    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    OK(tb_session_create(m, NULL, &s));
    OK(tb_session_call(s, 0, &in, 1, &out, 1));
    EQ_INT(got.n, 0);
    tb_session_watch(s, &w);
    OK(tb_session_call(s, 0, &in, 1, &out, 1));
    tb_session_watch(s, NULL);
    OK(tb_session_call(s, 0, &in, 1, &out, 1));
    CHECK(((float *)out.data)[4] == 20);
    EQ_INT(got.calls, 1);
    EQ_INT(got.ends, 1);
    EQ_INT(got.n, 2);
    EQ_INT(got.last.tiles, 5);
    EQ_INT(got.last.flops, 5);
    EQ_INT(got.last.bytes, 40);
    EQ_STR(tb_module_kernel_name(m, got.last.kernel), "double");
    CHECK(tb_module_place_line(m, got.last.place, 0, &line));
    EQ_STR(line.file, "a/model.py");
    EQ_STR(line.op, "aten.add.Tensor");
    EQ_INT(line.line, 12);
    CHECK(tb_module_place_line(m, got.last.place, 1, &line) && line.line == 14);
    CHECK(!tb_module_place_line(m, got.last.place, 2, &line));
    CHECK(!tb_module_place_line(m, got.last.place + 1, 0, &line));
    tb_tensor_release(&out);
    tb_session_destroy(s);
    tb_module_release(m);
    free(p);
}

static void
has(const tb_buf *b, const char *word)
{
    if (!CHECK(strstr((const char *)b->at, word) != NULL))
        printf("# %s is not in\n# %s\n", word, (const char *)b->at);
}

static void
recorded(void)
{
    prog *p = twice();
    tb_module *m = NULL;
    tb_session *s = NULL;
    tb_profile *profile = tb_profile_create();
    tb_buf table = {0}, trace = {0};
    float x[5] = {1, 2, 3, 4, 5};
    tb_tensor in = t_tensor(x, TB_F32, 1, DIMS(5)), out = {0};

    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    OK(tb_session_create(m, NULL, &s));
    CHECK(tb_profile_watch(profile, m, s));
    OK(tb_session_call(s, 0, &in, 1, &out, 1));
    tb_profile_reset(profile);
    for (int i = 0; i < 3; i++)
        OK(tb_session_call(s, 0, &in, 1, &out, 1));
    tb_session_destroy(s);
    tb_module_release(m); /* the profile keeps it */
    tb_profile_roof(profile, 1e9, 1e9);
    tb_profile_table(profile, 0, &table);
    tb_profile_trace(profile, &trace);
    tb_buf_put(&table, "", 1);
    tb_buf_put(&trace, "", 1);
    has(&table, "3 calls of ");
    has(&table, "  double  net \"q\"  model.py:12,14\n");
    has(&trace, "\"calls\":3,\"left_out\":0");
    has(&trace, "\"tiles\":5,\"flops\":5,\"bytes\":40");
    has(&trace, "\"lines\":[\"a/model.py:12 aten.add.Tensor in net \\\"q\\\"\",\"a/model.py:14 \"]");
    tb_buf_free(&table);
    tb_profile_table(profile, 1, &table);
    tb_buf_put(&table, "", 1);
    has(&table, "and 1 others\n");
    tb_buf_free(&table);
    tb_buf_free(&trace);
    tb_tensor_release(&out);
    tb_profile_free(profile);
    free(p);
}

/* A message names the place that failed, not the first one that uses the kernel. */
static void
message(void)
{
    prog *p = twice();
    int32_t no = p_kernel(p, "no", k_fail, 2, 0, 0);
    float x[5] = {1, 2, 3, 4, 5};
    tb_tensor in = t_tensor(x, TB_F32, 1, DIMS(5)), out = {0};
    p->code[p->plan.works[0].at + 1] = no;
    tb_session *s = p_session(p, NULL, NULL);
    FAILS(tb_session_call(s, 0, &in, 1, &out, 1), TB_INVALID_ARGUMENT,
          "a/model.py:12: aten.add.Tensor in net \"q\": an assertion in the model does not "
          "hold (function 'main', kernel 'no')");
    tb_session_destroy(s);
    free(p);
}

int
main(void)
{
    RUN(watched);
    RUN(recorded);
    RUN(message);
    return t_done();
}

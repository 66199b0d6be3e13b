/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * op_t.h -- operators called on constants, in text:
 *
 *     GIVES("3xf32 = [1, 2, 3]", "neg(%1)", "3xf32: -1 -2 -3");
 */
#pragma once
#include "op/op.h"
#include "unit/t.h"

static inline void
t_put_result(tb_buf *out, const tb_eval_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++) {
        tb_buf_printf(out, "%lldx", (long long)t->dims[i]);
        n *= t->dims[i];
    }
    tb_buf_printf(out, "%s:", tb_dtype_name(t->dtype));
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == TB_F32)
            tb_buf_printf(out, " %.5g", (double)((const float *)t->data)[i]);
        else if (t->dtype == TB_F64)
            tb_buf_printf(out, " %.5g", ((const double *)t->data)[i]);
        else if (t->dtype == TB_BF16)
            tb_buf_printf(out, " %.5g",
                          (double)tb_bf16_to_f32(((const uint16_t *)t->data)[i]));
        else if (t->dtype == TB_F16)
            tb_buf_printf(out, " %.5g",
                          (double)tb_f16_to_f32(((const uint16_t *)t->data)[i]));
        else if (t->dtype == TB_I64)
            tb_buf_printf(out, " %lld", (long long)((const int64_t *)t->data)[i]);
        else if (t->dtype == TB_I32)
            tb_buf_printf(out, " %d", ((const int32_t *)t->data)[i]);
        else
            tb_buf_printf(out, " %u", ((const uint8_t *)t->data)[i]);
    }
}

typedef struct t_job {
    tb_ctx *cx;
    const char *text;
    tb_buf *out;
} t_job;

/* The globals of a unit as a session has them at first. */
static inline tb_eval_tensor *
t_globals(tb_unit *unit)
{
    tb_arena *a = &unit->cx->keep;
    tb_eval_tensor *t = TB_NEWN(a, tb_eval_tensor, unit->globals.n + 1);

    for (uint32_t i = 0; i < unit->globals.n; i++) {
        const tb_global *x = &unit->globals.at[i];
        size_t bytes = tb_dtype_bytes(x->dtype);

        t[i] = (tb_eval_tensor){.dtype = x->dtype, .rank = x->rank};
        for (int k = 0; k < x->rank; k++)
            bytes *= (size_t)(t[i].dims[k] = x->dims[k]);
        t[i].data = tb_alloc(a, bytes);
        if (x->init)
            memcpy(t[i].data, unit->consts.at[x->init - 1].bytes, bytes);
    }
    return t;
}

static inline void
t_evaluate(void *user)
{
    t_job *j = user;
    tb_unit *unit = tb_unit_parse(j->cx, tb_str_c(j->text), TB_STR("test.tb"));
    tb_func *f = &unit->funcs.at[0];
    tb_eval_tensor results[8];

    f->body = tb_decompose(f->body);
    tb_graph_verify(f->body);
    tb_eval(unit, f, NULL, 0, t_globals(unit), &j->cx->keep, results);
    for (uint32_t i = 0; i < f->body->outputs.n; i++) {
        if (i)
            tb_buf_puts(j->out, "; ");
        t_put_result(j->out, &results[i]);
    }
    tb_buf_put(j->out, "", 1);
}

/* The text of the types in "2xf32: 1 2; i64: 3": "2xf32, i64" */
static inline void
t_put_types(tb_buf *b, const char *expected)
{
    for (const char *p = expected; *p;) {
        const char *colon = strchr(p, ':');

        tb_buf_put(b, p, (size_t)(colon - p));
        p = strchr(colon, ';');
        if (!p)
            return;
        tb_buf_puts(b, ", ");
        p += 2;
    }
}

/*
 * Calls `call` on constants ("3xf32 = [1, 2, 3]", several apart by ';'), which are %1, %2 ...
 * `expected` says the types and values of all results: "3xf32: 1 2 3". A list of results
 * stands in "[...]". With a `message` the call must fail with that instead.
 */
static inline void
t_calls(const char *consts, const char *call, const char *expected, const char *message,
        const char *file, int line)
{
    bool list = expected[0] == '[';
    char want[1024];
    int n = 0, results = 1;
    tb_buf b = {0}, nodes = {0}, got = {0}, types = {0};
    tb_status st;

    snprintf(want, sizeof want, "%s", expected + list);
    if (list)
        want[strlen(want) - 1] = 0;
    for (const char *p = consts; *p; n++) {
        const char *end = strchr(p, ';');
        size_t len = end ? (size_t)(end - p) : strlen(p), type = strcspn(p, " ");

        tb_buf_printf(&b, "const %d \"\" : %.*s\n", n, (int)len, p);
        tb_buf_printf(&nodes, "%%%d = const index=%d : %.*s\n", n + 1, n, (int)type, p);
        p += len + (end ? 2 : 0);
    }
    t_put_types(&types, want);
    tb_buf_put(&types, "", 1);
    for (const char *p = (char *)types.at; (p = strchr(p, ',')) != NULL; p++)
        results++;
    tb_buf_printf(&b, "func \"main\" exported {\n");
    if (nodes.n)
        tb_buf_put(&b, nodes.at, nodes.n);
    tb_buf_printf(&b, "%%%d = aten.%s -> %s%s%s\n", n + 1, call,
                  list ? "[" : results > 1 ? "(" : "", (char *)types.at,
                  list ? "]" : results > 1 ? ")" : "");
    for (int i = 0; i < results; i++) {
        tb_buf one = {0};
        const char *p = want;

        for (int k = 0; k < i; k++)
            p = strchr(p, ';') + 2;
        tb_buf_put(&one, p, strcspn(p, ":"));
        tb_buf_put(&one, "", 1);
        tb_buf_printf(&b, "%%%d = result %%%d number=%d : %s\n", n + 2 + i, n + 1, i,
                      (char *)one.at);
        tb_buf_free(&one);
    }
    tb_buf_printf(&b, "return");
    for (int i = 0; i < results; i++)
        tb_buf_printf(&b, "%s %%%d", i ? "," : "", n + 2 + i);
    tb_buf_printf(&b, "\n}\n");
    tb_buf_put(&b, "", 1);
    t_job j = {tb_ctx_new(), (char *)b.at, &got};

    st = tb_guard(j.cx, t_evaluate, &j);
    t_eq_str(st ? tb_status_message(st) : (char *)got.at, message ? message : want, call,
             "expected", file, line);
    tb_status_free(st);
    tb_ctx_free(j.cx);
    tb_buf_free(&b);
    tb_buf_free(&nodes);
    tb_buf_free(&got);
    tb_buf_free(&types);
}
#define GIVES(consts, call, expected) \
    t_calls(consts, call, expected, NULL, __FILE__, __LINE__)
/* `types` as in "2xf32:; i64:" */
#define FAILS(consts, call, types, message) \
    t_calls(consts, call, types, message, __FILE__, __LINE__)

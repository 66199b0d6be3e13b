/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * compile_t.h -- a function built in a test, run in the reference evaluator and compiled,
 * for every CPU level that this machine runs; results must agree.
 *
 * TURBINE_STAGE=kernels prints that stage instead (compiler.h names them).
 */
#pragma once
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "artifact/artifact.h"
#include "tune/tune.h"
#include "turbine/runtime.h"
#include "unit/t.h"

#ifndef C_MAX
#define C_MAX 8 /* inputs, outputs, symbols and sets of sizes of a case */
#endif
static tb_ctx *cx;
static tb_unit *u;
static tb_graph *g;
static tb_func *f;

typedef struct c_case {
    int64_t (*sizes)[C_MAX]; /* sets of values for the symbols, in order of creation */
    int n_sizes;
    double tolerance; /* relative to 1 + |expected| */
    int64_t index_below; /* integer inputs are 0 .. this - 1; 0 = -4 .. 4 */
    const char *error;   /* part of the message of the call, NULL = success */
    bool bf16; /* weights of f32 products may be rounded */
    int workers; /* that are known to run it; 0: any number */
    void (*check)(void); /* called before all else, with u complete */
    const char *refused; /* part of the message of the compiler, NULL = it compiles */
} c_case;

/* An input of the function, named by its number. */
static inline tb_val
c_in(tb_dtype t, int rank, const tb_dim *dims)
{
    tb_param p = {.type = {.dtype = (uint8_t)t, .rank = (uint8_t)rank}};
    int n = (int)f->inputs.n;
    TB_CHECK(n < C_MAX);
    p.name = tb_sprintf(&cx->keep, "x%d", n);
    memcpy(p.type.dims, dims, sizeof *dims * (size_t)rank);
    TB_PUSH(&cx->keep, &f->inputs, p);
    return tb_input(g, n, t, rank, dims);
}
#define IN(t, ...)                                                                       \
    c_in(TB_##t, (int)TB_COUNT(((tb_dim[]){__VA_ARGS__})), (tb_dim[]){__VA_ARGS__})

static inline tb_dim
c_sym(const char *name, int64_t min, int64_t max)
{
    return tb_sym_new(u, tb_str_c(name), TB_SYM_SHAPE, min, max);
}

static inline void
c_out(tb_val v)
{
    tb_param p = {.type = {.dtype = (uint8_t)tb_dtype_of(g, v), .rank = (uint8_t)tb_rank(g, v)}};
    memcpy(p.type.dims, tb_dims(g, v), sizeof(tb_dim) * p.type.rank);
    TB_CHECK(f->outputs.n < C_MAX);
    TB_PUSH(&cx->keep, &f->outputs, p);
    TB_PUSH(&cx->keep, &g->outputs, v);
}

static uint64_t c_seed = 1;
static inline double
c_random(void)
{
    c_seed = c_seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(c_seed >> 40) / (double)(1 << 24) * 2 - 1;
}

/* A constant with random contents. */
static inline tb_val
c_const(int rank, const int64_t *dims)
{
    tb_const c = {.dtype = TB_F32, .rank = (uint8_t)rank};
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= (size_t)(c.dims[i] = dims[i]);
    float *data = tb_alloc(&cx->keep, n * 4);
    for (size_t i = 0; i < n; i++)
        data[i] = (float)c_random();
    c.bytes = data;
    c.n_bytes = n * 4;
    return tb_constant(g, tb_unit_const(u, c));
}
#define CONST(...)                                                                       \
    c_const((int)TB_COUNT(((int64_t[]){__VA_ARGS__})), (int64_t[]){__VA_ARGS__})

/* Arguments of builders, and of c_run: sets of sizes and their number. */
#define DIMS(...) (tb_dim[]) { __VA_ARGS__ }
#define AXES(...) (int64_t[]) { __VA_ARGS__ }
#define SIZES(...) (int64_t[][C_MAX]){__VA_ARGS__}, \
    (int)TB_COUNT(((int64_t[][C_MAX]){__VA_ARGS__}))

/* x . w' with w [..., n, k]. */
static inline tb_val
c_linear(tb_val x, tb_val w)
{
    int r = tb_rank(g, w);
    return tb_dot(g, x, tb_transpose(g, w, r - 2, r - 1));
}

static inline tb_val
c_half(tb_val x)
{
    return tb_cast(g, x, TB_BF16);
}

static inline tb_val
c_wide(tb_val x)
{
    return tb_cast(g, x, TB_F32);
}

static inline double
c_get(tb_dtype t, const void *data, size_t i)
{
    switch (t) {
    case TB_F32:
        return ((const float *)data)[i];
    case TB_F64:
        return ((const double *)data)[i];
    case TB_F16:
        return (double)tb_f16_to_f32(((const uint16_t *)data)[i]);
    case TB_BF16:
        return (double)tb_bf16_to_f32(((const uint16_t *)data)[i]);
    case TB_I64:
        return (double)((const int64_t *)data)[i];
    case TB_I32:
        return ((const int32_t *)data)[i];
    case TB_I16:
        return ((const int16_t *)data)[i];
    case TB_I8:
        return ((const int8_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

static inline void
c_put(tb_dtype t, void *data, size_t i, double v)
{
    switch (t) {
    case TB_F32:
        ((float *)data)[i] = (float)v;
        break;
    case TB_F64:
        ((double *)data)[i] = v;
        break;
    case TB_F16:
        ((uint16_t *)data)[i] = tb_f32_to_f16((float)v);
        break;
    case TB_BF16:
        ((uint16_t *)data)[i] = tb_f32_to_bf16((float)v);
        break;
    case TB_I64:
        ((int64_t *)data)[i] = (int64_t)v;
        break;
    case TB_I32:
        ((int32_t *)data)[i] = (int32_t)v;
        break;
    case TB_I16:
        ((int16_t *)data)[i] = (int16_t)v;
        break;
    case TB_BOOL:
        ((uint8_t *)data)[i] = v > 0;
        break;
    default:
        ((uint8_t *)data)[i] = (uint8_t)(int8_t)v;
    }
}

/* Memory of so many bytes that ends where none may be read, or begins behind such memory, in turns.
 * Kept until c_unguard. */
enum { C_PAGE = 4096, C_GUARDED = 256 };
static struct {
    void *at;
    size_t n;
} c_guarded[C_GUARDED];
static int c_n_guarded;
static inline void *
c_guard(size_t bytes)
{
    static bool before;
    size_t n = TB_ALIGN_UP(bytes, C_PAGE) + C_PAGE;
    char *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    TB_CHECK(at != MAP_FAILED && c_n_guarded < C_GUARDED);
    before = !before;
    TB_CHECK(mprotect(before ? at : at + n - C_PAGE, C_PAGE, PROT_NONE) == 0);
    c_guarded[c_n_guarded].at = at;
    c_guarded[c_n_guarded++].n = n;
    return before ? at + C_PAGE : at + n - C_PAGE - bytes;
}

/* All of it but the first `keep` pieces is gone. */
static inline void
c_unguard(int keep)
{
    while (c_n_guarded > keep) {
        c_n_guarded--;
        munmap(c_guarded[c_n_guarded].at, c_guarded[c_n_guarded].n);
    }
}

/* Fills input i for one set of sizes. */
static inline tb_eval_tensor
c_fill(const c_case *c, uint32_t i, const int64_t *sizes)
{
    const tb_type *t = &f->inputs.at[i].type;
    tb_eval_tensor x = {.dtype = (tb_dtype)t->dtype, .rank = t->rank};
    size_t n = 1;
    for (int a = 0; a < t->rank; a++)
        n *= (size_t)(x.dims[a] = tb_dim_eval(u, t->dims[a], sizes));
    x.data = c_guard(n * tb_dtype_bytes(x.dtype));
    tb_dtype part = tb_dtype_part(x.dtype);
    n *= 1 + (part != x.dtype); /* complex: two numbers each */
    for (size_t k = 0; k < n; k++) {
        double v = c_random();
        if (!tb_dtype_is_float(part) && x.dtype != TB_BOOL)
            v = c->index_below ? floor((v + 1) / 2 * (double)c->index_below) : floor(v * 4.5);
        c_put(part, x.data, k, v);
    }
    return x;
}

static inline void
c_compare(const c_case *c, const tb_eval_tensor *want, const tb_tensor *got, const char *what)
{
    size_t n = 1, wrong = 0, first = 0;
    tb_dtype t = tb_dtype_part(want->dtype);
    EQ_INT(got->rank, want->rank);
    EQ_INT(got->dtype, want->dtype);
    for (int a = 0; a < want->rank; a++) {
        EQ_INT(got->dims[a], want->dims[a]);
        n *= (size_t)want->dims[a];
    }
    n *= 1 + (t != want->dtype);
    for (size_t i = 0; i < n; i++) {
        double a = c_get(t, want->data, i), b = c_get(t, got->data, i);
        bool same = (isnan(a) && isnan(b)) || a == b ||
                    fabs(a - b) <= c->tolerance * (1 + fabs(a));
        if (!same && wrong++ == 0)
            first = i;
    }
    if (!CHECK(wrong == 0))
        printf("# %s: %zu of %zu differ, first [%zu]: expected %.9g, got %.9g\n", what, wrong, n,
               first, c_get(t, want->data, first), c_get(t, got->data, first));
}

/* x, as the runtime has tensors. */
static inline tb_tensor
c_tensor(const tb_eval_tensor *x)
{
    tb_tensor t = {.data = x->data, .dtype = x->dtype, .rank = x->rank};
    size_t n = 1;
    for (int a = 0; a < x->rank; a++)
        n *= (size_t)(t.dims[a] = x->dims[a]);
    t.bytes = n * tb_dtype_bytes(x->dtype);
    return t;
}

/* With `guarded` results have memory of this program, between pages that may not be written. */
static inline void
c_call(const c_case *c, tb_session *s, const tb_eval_tensor *in, const tb_eval_tensor *want,
       bool guarded, const char *what)
{
    tb_tensor inputs[C_MAX] = {{0}}, results[C_MAX] = {{0}};
    int n_in = (int)f->inputs.n, n_out = (int)f->outputs.n, keep = c_n_guarded;
    for (int i = 0; i < n_in; i++)
        inputs[i] = c_tensor(&in[i]);
    for (int i = 0; i < n_out && guarded && !c->error; i++) {
        results[i] = c_tensor(&want[i]);
        results[i].data = c_guard(results[i].bytes);
    }
    tb_status st = tb_session_call(s, 0, inputs, n_in, results, n_out);
    if (c->error) {
        CHECK(st && strstr(tb_status_message(st), c->error));
    } else if (!CHECK(!st)) {
        printf("# %s: %s\n", what, tb_status_message(st));
    } else {
        for (int i = 0; i < n_out; i++)
            c_compare(c, &want[i], &results[i], what);
    }
    tb_status_free(st);
    for (int i = 0; i < n_out; i++)
        tb_tensor_release(&results[i]);
    c_unguard(keep);
}

static const tb_eval_tensor *c_inputs;
static inline int64_t
c_size(void *user, uint32_t input, uint32_t axis)
{
    (void)user;
    return c_inputs[input].dims[axis];
}

/* What turbine-dump-module prints as transient memory is what the call took. */
static inline void
c_transient(const tb_buf *bytes, tb_session *s, const tb_eval_tensor *in)
{
    tb_plan plan;
    tb_status st = tb_artifact_read(bytes->at, bytes->n, 0, &plan);
    if (!st) {
        c_inputs = in;
        EQ_INT(tb_plan_transient(&plan, &plan.functions[0], c_size, NULL),
               tb_session_transient_bytes(s, 0));
    }
    CHECK(!st);
    tb_status_free(st);
}

/* u at a stage for one level, of any machine: nothing is run. From c_case.check. */
static inline tb_buf
c_text(const char *stage, const char *level)
{
    tb_compile_options o = {.targets = &level, .n_targets = 1};
    tb_buf out = {0};
    tb_status st = tb_compile_print(u, &o, stage, &out);
    if (!CHECK(!st))
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
    return out;
}

/* What every group of nodes is computed by (tb_variant of kernel/lower.h). */
static uint8_t c_variant;
static bool c_measures; /* and chooses (src/tune) */

/* Compiles for one level and calls it with every set of sizes. */
static inline void
c_level(const c_case *c, const char *level, const tb_eval_tensor (*in)[C_MAX],
        const tb_eval_tensor (*want)[C_MAX], const tb_eval_tensor (*again)[C_MAX])
{
    uint8_t variant[256];
    memset(variant, c_variant, sizeof variant);
    tb_tuning tuning = {.variant = variant, .n = sizeof variant, .arena = &cx->keep};
    tb_compile_options o = {.targets = &level, .n_targets = 1, .bf16_matmul = c->bf16,
                            .workers = c->workers, .tuning = &tuning};
    tb_buf bytes = {0};
    tb_module *m = NULL;
    tb_session *s = NULL;
    tb_tune_options measure = {.workers = 1, .seconds = 0.02};
    tb_status st = c_measures ? tb_tune(u, &o, &measure, &bytes, NULL)
                              : tb_compile(u, &o, &bytes);
    if (!st)
        st = tb_module_load_memory(bytes.at, bytes.n, TB_LOAD_COPY, NULL, NULL, &m);
    if (!st)
        st = tb_session_create(m, NULL, &s);
    if (c->refused) {
        CHECK(st && strstr(tb_status_message(st), c->refused));
    } else if (!CHECK(!st)) {
        printf("# %s: %s\n", level, tb_status_message(st));
    }
    if (st) {
        tb_status_free(st);
        tb_module_release(m);
        tb_buf_free(&bytes);
        return;
    }
    tb_module_release(m);
    for (int i = 0; i < (c->n_sizes ? c->n_sizes : 1); i++) {
        char what[64];
        snprintf(what, sizeof what, "%s, sizes %d", level, i);
        c_call(c, s, in[i], want[i], false, what);
        /* the prologue is skipped; globals changed */
        c_call(c, s, in[i], again[i], true, what);
    }
    if (!c->error)
        c_transient(&bytes, s, in[c->n_sizes ? c->n_sizes - 1 : 0]);
    tb_session_destroy(s);
    tb_buf_free(&bytes);
}

static inline void
c_evaluate(void *user)
{
    void **p = user;
    tb_eval(u, f, p[0], f->inputs.n, p[2], &cx->keep, p[1]);
}

/* The last words of a test: how the function is to be called. */
static c_case c_how;
static inline void
c_run(c_case c)
{
    f->body = g;
    if (c.sizes)
        c.sizes = tb_dup(&cx->keep, c.sizes, sizeof *c.sizes * (size_t)c.n_sizes);
    c_how = c;
}

static inline void
c_finish(c_case c)
{
    static tb_eval_tensor in[C_MAX][C_MAX], want[C_MAX][C_MAX], again[C_MAX][C_MAX];
    tb_eval_tensor globals[C_MAX] = {{0}};
    const char *stage = getenv("TURBINE_STAGE");
    if (stage) {
        tb_buf out = {0};
        const char *level = getenv("TURBINE_TARGET") ? getenv("TURBINE_TARGET") : "x86_64-v4";
        tb_compile_options o = {.targets = &level, .n_targets = 1};
        tb_status st = tb_compile_print(u, &o, stage, &out);
        if (!CHECK(!st))
            printf("# %s\n", tb_status_message(st));
        tb_status_free(st);
        fwrite(out.at, 1, out.n, stdout);
        tb_buf_free(&out);
        return;
    }
    if (c.check)
        c.check();
    for (uint32_t k = 0; k < u->globals.n; k++) { /* zeros */
        const tb_global *gl = &u->globals.at[k];
        size_t n = 1;
        globals[k] = (tb_eval_tensor){.dtype = gl->dtype, .rank = gl->rank};
        for (int a = 0; a < gl->rank; a++)
            n *= (size_t)(globals[k].dims[a] = gl->dims[a]);
        globals[k].data = tb_alloc(&cx->keep, n * tb_dtype_bytes(gl->dtype));
    }
    for (int i = 0; i < (c.n_sizes ? c.n_sizes : 1); i++) {
        for (uint32_t k = 0; k < f->inputs.n; k++)
            in[i][k] = c_fill(&c, k, c.sizes ? c.sizes[i] : NULL);
        void *args[3] = {in[i], want[i], globals};
        bool runs = !c.error && !c.refused;
        tb_status st = runs ? tb_guard(cx, c_evaluate, args) : NULL;
        args[1] = again[i];
        if (!st && runs)
            st = tb_guard(cx, c_evaluate, args);
        if (!CHECK(!st))
            printf("# evaluator: %s\n", tb_status_message(st));
        tb_status_free(st);
    }
    size_t n;
    const tb_cpu_level *levels = tb_cpu_levels(&n);
    for (size_t i = 0; i < n; i++)
        if (levels[i].machine == tb_cpu_machine() &&
            (levels[i].features & ~tb_cpu_features()) == 0)
            c_level(&c, levels[i].name, (const tb_eval_tensor(*)[C_MAX])in,
                    (const tb_eval_tensor(*)[C_MAX])want,
                    (const tb_eval_tensor(*)[C_MAX])again);
}

static inline void
c_body(void *user)
{
    void (**fn)(void) = user;
    u = tb_unit_new(cx, TB_STR("module"));
    f = tb_unit_func(u, TB_STR("main"));
    f->exported = true;
    g = f->body ? f->body : tb_graph_new(u);
    (*fn)();
}

static inline void
c_test(void (*fn)(void), const char *name)
{
    const char *only = getenv("TURBINE_ONLY");
    int before = t_faults;
    if (only && strcmp(only, name) != 0)
        return;
    cx = tb_ctx_new();
    tb_status st = tb_guard(cx, c_body, &fn);
    if (!CHECK(!st))
        printf("# %s\n", tb_status_message(st));
    else
        c_finish(c_how);
    tb_status_free(st);
    tb_ctx_free(cx);
    c_unguard(0);
    t_tests++;
    t_failed_tests += t_faults != before;
    printf("%s %d - %s\n", t_faults == before ? "ok" : "not ok", t_tests, name);
    fflush(stdout);
}
#define CASE(fn) c_test(fn, #fn)

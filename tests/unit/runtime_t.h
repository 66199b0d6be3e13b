/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_t.h -- for tests of the runtime: plans made by hand, kernels that are functions
 * of the test. A `prog` is filled by the functions below and then loaded.
 */
#pragma once
#include <stdarg.h>
#include <stdlib.h>

#include "runtime/runtime_internal.h"
#include "t.h"

typedef struct prog {
    _Alignas(64) uint8_t bytes[4096]; /* the "file": constants lie here */
    size_t n_bytes;
    char strings[4096];
    tb_plan_loc locs[8];
    tb_plan_const consts[8];
    tb_plan_dim dims[128];
    tb_plan_value values[64];
    tb_plan_global globals[8];
    tb_plan_kernel kernels[8];
    tb_kernel_fn *fns[8];
    tb_plan_buf bufs[64];
    tb_plan_attr attrs[8];
    tb_plan_function functions[8];
    int32_t code[2048];
    tb_plan plan;
    tb_plan_function *f; /* being written */
} prog;

static inline tb_sref
p_str(prog *p, const char *s)
{
    tb_sref r = {(uint32_t)p->plan.strings_bytes, (uint32_t)strlen(s)};
    memcpy(p->strings + r.off, s, r.len + 1);
    p->plan.strings_bytes += r.len + 1;
    return r;
}

static inline prog *
p_new(void)
{
    void *at = NULL;
    if (posix_memalign(&at, 64, sizeof(prog)) != 0)
        abort();
    prog *p = at;
    memset(p, 0, sizeof *p);
    p_str(p, "");
    p->plan.strings = p->strings;
    p->plan.n_locs = 1;
    p->plan.module_name = p_str(p, "test");
#define X(type, name) p->plan.name = p->name;
    X(, locs) X(, consts) X(, dims) X(, values) X(, globals) X(, kernels) X(, bufs)
    X(, attrs) X(, functions) X(, code)
#undef X
    return p;
}

/* "4x?xf32": a type; the k-th "?" has size register regs[k] (-1 if regs is NULL) and the
 * range 0 to 100. */
static inline tb_plan_value
p_type(prog *p, const char *name, const char *text, const int32_t *regs)
{
    tb_plan_value v = {.name = p_str(p, name), .dims = p->plan.n_dims};
    for (const char *x; (x = strchr(text, 'x')) != NULL && (*text == '?' || *text < 'a');
         text = x + 1) {
        tb_plan_dim d = {.reg = -1};
        if (*text == '?') {
            d.value = -1;
            d.max = 100;
            d.reg = regs ? *regs++ : -1;
        } else {
            d.value = d.min = d.max = strtoll(text, NULL, 10);
        }
        p->dims[p->plan.n_dims++] = d;
        v.rank++;
    }
    v.dtype = tb_dtype_parse(tb_str_c(text));
    return v;
}

static inline int32_t
p_const(prog *p, const void *bytes, size_t n)
{
    p->n_bytes = TB_ALIGN_UP(p->n_bytes, 64);
    memcpy(p->bytes + p->n_bytes, bytes, n);
    p->consts[p->plan.n_consts] = (tb_plan_const){.offset = p->n_bytes, .bytes = n};
    p->n_bytes += n;
    return (int32_t)p->plan.n_consts++;
}

static inline int32_t
p_global(prog *p, const char *name, const char *type, int32_t init, bool is_mutable)
{
    p->globals[p->plan.n_globals] =
        (tb_plan_global){.type = p_type(p, name, type, NULL), .init = init,
                         .mutable_ = is_mutable};
    return (int32_t)p->plan.n_globals++;
}

static inline int32_t
p_kernel(prog *p, const char *name, tb_kernel_fn *fn, uint32_t n_bindings, uint32_t n_sizes,
         uint64_t tile_cost_ns)
{
    p->fns[p->plan.n_kernels] = fn;
    p->kernels[p->plan.n_kernels] = (tb_plan_kernel){.name = p_str(p, name),
                                                     .n_bindings = n_bindings,
                                                     .n_sizes = n_sizes,
                                                     .tile_cost_ns = tile_cost_ns};
    return (int32_t)p->plan.n_kernels++;
}

/* All inputs first, then all results. */
static inline void
p_fn(prog *p, const char *name)
{
    p->f = &p->functions[p->plan.n_functions++];
    *p->f = (tb_plan_function){.name = p_str(p, name),
                               .input = p->plan.n_values,
                               .result = p->plan.n_values,
                               .buf = p->plan.n_bufs,
                               .attr = p->plan.n_attrs,
                               .code = p->plan.n_code,
                               .n_regs = 32,
                               .exported = 1,
                               .arena_reg = -1};
}

static inline void
p_in(prog *p, const char *name, const char *type)
{
    p->values[p->plan.n_values++] = p_type(p, name, type, NULL);
    p->f->n_inputs++;
    p->f->result++;
}

static inline void
p_out(prog *p, const char *type, const int32_t *regs)
{
    p->values[p->plan.n_values++] = p_type(p, "", type, regs);
    p->f->n_results++;
}

static inline int32_t
p_buf(prog *p, tb_buf_kind kind, uint32_t index)
{
    p->bufs[p->plan.n_bufs++] = (tb_plan_buf){kind, index, -1, -1};
    return (int32_t)p->f->n_bufs++;
}

static inline int32_t
p_arena_buf(prog *p, int32_t offset_reg, int32_t bytes_reg)
{
    p->bufs[p->plan.n_bufs++] = (tb_plan_buf){TB_BUF_ARENA, 0, offset_reg, bytes_reg};
    return (int32_t)p->f->n_bufs++;
}

/* One instruction with n operands (int); returns its word offset in the function. */
static inline int32_t
p_op(prog *p, tb_opcode op, int n, ...)
{
    va_list ap;
    uint32_t at = p->plan.n_code;
    p->code[p->plan.n_code++] = (int32_t)((uint32_t)op | (uint32_t)(n + 1) << 16);
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        p->code[p->plan.n_code++] = va_arg(ap, int);
    va_end(ap);
    p->f->n_code = p->plan.n_code - p->f->code;
    return (int32_t)(at - p->f->code);
}

static inline void
p_set(prog *p, int32_t reg, int64_t v)
{
    p_op(p, TB_I_CONST, 3, reg, (int32_t)(uint32_t)(uint64_t)v,
         (int32_t)(uint32_t)((uint64_t)v >> 32));
}

/* The body begins. */
static inline void
p_body(prog *p)
{
    p->f->prologue_end = p->f->n_code;
}

static inline void
p_end(prog *p)
{
    p_op(p, TB_I_RETURN, 0);
}

/* Fails the test and ends it if st is not NULL. */
static inline void
t_ok(tb_status st, const char *file, int line)
{
    if (!st)
        return;
    printf("# %s:%d: %s\n", file, line, tb_status_message(st));
    printf("Bail out!\n");
    exit(1);
}
#define OK(st) t_ok((st), __FILE__, __LINE__)
/* st must have the code and the message. */
#define FAILS(st, code, message) t_fails((st), (code), (message), __FILE__, __LINE__)
static inline void
t_fails(tb_status st, tb_code code, const char *message, const char *file, int line)
{
    t_eq_str(tb_code_name(tb_status_code(st)), tb_code_name(code), "code", "expected", file,
             line);
    t_eq_str(tb_status_message(st), message, "message", "expected", file, line);
    tb_status_free(st);
}

static inline tb_session *
p_session(prog *p, tb_device *d, const tb_allocator *a)
{
    tb_module *m = NULL;
    tb_session *s = NULL;
    tb_session_options o = {.device = d, .allocator = a};
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    OK(tb_session_create(m, &o, &s));
    tb_module_release(m);
    return s;
}

static inline tb_tensor
t_tensor(void *data, tb_dtype dtype, int rank, const int64_t *dims)
{
    tb_tensor t = {.data = data, .dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dims[i] = dims[i];
    if (!tb_type_bytes(dtype, rank, t.dims, &t.bytes))
        abort();
    return t;
}
#define DIMS(...) ((int64_t[]){__VA_ARGS__, 0}) /* the 0 is for clang's empty lists */

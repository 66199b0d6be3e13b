/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * object_code.c -- a function's instructions (plan.h) as C: what exec.c does when it
 * interprets them. Registers are an array r[], buffers an array b[].
 */
#include <inttypes.h>

#include "artifact/object_code.h"

void
tb_c_text(tb_buf *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            tb_buf_printf(out, "\\%c", c);
        else if (c < 32 || c > 126 || c == '?' || c == '*')
            tb_buf_printf(out, "\\%03o", c);
        else
            tb_buf_put(out, &c, 1);
    }
}

static void
put_upper(tb_buf *out, const char *s)
{
    for (; *s; s++) {
        char c = *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
        tb_buf_put(out, &c, 1);
    }
}

static void
put_status(tb_c_header *h, const char *name)
{
    put_upper(h->out, h->prefix);
    tb_buf_printf(h->out, "_%s", name);
}

/* ---- what all functions need ---- */
static const char helpers[] =
    "/* false: does not fit */\n"
    "static inline int\n%s__add(int64_t a, int64_t b, int64_t *r)\n{\n"
    "    if (b >= 0 ? a > INT64_MAX - b : a < INT64_MIN - b)\n        return 0;\n"
    "    *r = a + b;\n    return 1;\n}\n"
    "static inline int\n%s__sub(int64_t a, int64_t b, int64_t *r)\n{\n"
    "    if (b <= 0 ? a > INT64_MAX + b : a < INT64_MIN + b)\n        return 0;\n"
    "    *r = a - b;\n    return 1;\n}\n"
    "static inline int\n%s__mul(int64_t a, int64_t b, int64_t *r)\n{\n"
    "    int64_t most = a < 0 ? -(a + 1) : a;\n"
    "    int64_t limit = most < INT64_MAX ? INT64_MAX / (most + 1) : 0;\n"
    "    if (a && (b > limit || b < -limit))\n        return 0;\n"
    "    *r = a * b;\n    return 1;\n}\n"
    "/* rounds to minus infinity */\n"
    "static inline int\n%s__div(int64_t a, int64_t b, int64_t *r)\n{\n"
    "    if (b == 0 || (b == -1 && a == INT64_MIN))\n        return 0;\n"
    "    *r = a / b - (a %% b != 0 && (a < 0) != (b < 0));\n    return 1;\n}\n";

void
tb_c_parameters(tb_c_header *h, const char *separator)
{
    if (h->n_outside)
        tb_buf_printf(h->out, "const struct %s_parameters *parameters%s", h->prefix, separator);
}

static void
put_init(tb_c_header *h)
{
    tb_buf *out = h->out;
    if (!h->state_bytes)
        return;
    tb_buf_printf(out, "\nvoid\n%s_init(", h->prefix);
    tb_c_parameters(h, ", ");
    tb_buf_printf(out, "void *state)\n{\n    unsigned char *s = (unsigned char *)state;\n%s",
                  h->n_outside ? "    (void)parameters;\n" : "");
    for (uint32_t i = 0; i < h->p->n_globals; i++) {
        const tb_plan_global *g = &h->p->globals[i];
        if (h->place[i] == TB_C_CONSTANT || h->place[i] == TB_C_OUTSIDE || !h->bytes[i])
            continue;
        if (g->init >= 0)
            tb_buf_printf(out, "    memcpy(s + %" PRIu64 ", %s__weights + %" PRIu64 ", %" PRIu64
                               ");\n", h->place[i], h->prefix, h->consts[g->init].offset,
                          h->bytes[i]);
        else if (h->outside[i][0])
            tb_buf_printf(out, "    memcpy(s + %" PRIu64 ", parameters->%s, %" PRIu64 ");\n",
                          h->place[i], h->outside[i], h->bytes[i]);
        else
            tb_buf_printf(out, "    memset(s + %" PRIu64 ", 0, %" PRIu64 ");\n", h->place[i],
                          h->bytes[i]);
    }
    tb_buf_puts(out, "    (void)s;\n}\n");
}

/* "model.py:41: aten.embedding in encoder.0" */
static void
put_kernel_text(tb_c_header *h, const tb_plan_kernel *k)
{
    const tb_plan *p = h->p;
    const tb_plan_loc *l = &p->locs[k->loc];
    tb_c_text(h->out, p->strings + l->file.off);
    if (l->line)
        tb_buf_printf(h->out, ":%u", l->line);
    tb_buf_puts(h->out, l->file.len ? ": " : "");
    tb_c_text(h->out, p->strings + (l->op.len ? l->op.off : k->name.off));
    tb_buf_puts(h->out, l->path.len ? " in " : "");
    tb_c_text(h->out, p->strings + l->path.off);
}

/* A check's text is known by its place in the string section. Is this its first use? */
static bool
is_first(const tb_plan *p, uint32_t at)
{
    for (uint32_t i = 0; i < at; i += (uint32_t)p->code[i] >> 16)
        if ((p->code[i] & 0xffff) == TB_I_CHECK && p->code[i + 2] == p->code[at + 2])
            return false;
    return true;
}

static void
put_errors(tb_c_header *h)
{
    static const char *const names[] = {"BAD_INDEX", "ASSERTION"};
    static const char *const texts[] = {"index out of range",
                                        "an assertion in the model does not hold"};
    const tb_plan *p = h->p;
    tb_buf *out = h->out;
    tb_buf_printf(out, "\nconst char *\n%s_error(int32_t status)\n{\n    switch (status) {\n"
                       "    case 0:\n        return \"ok\";\n", h->prefix);
    for (uint32_t k = 0; k < p->n_kernels; k++)
        for (int e = 0; e < 2; e++) {
            tb_buf_puts(out, "    case ");
            put_status(h, names[e]);
            tb_buf_printf(out, " | %u << 8:\n        return \"", k);
            put_kernel_text(h, &p->kernels[k]);
            tb_buf_printf(out, ": %s\";\n", texts[e]);
        }
    for (uint32_t at = 0; at < p->n_code; at += (uint32_t)p->code[at] >> 16)
        if ((p->code[at] & 0xffff) == TB_I_CHECK && is_first(p, at)) {
            tb_buf_puts(out, "    case ");
            put_status(h, "BAD_SIZE");
            tb_buf_printf(out, " | %d << 8:\n        return \"", p->code[at + 2] + 1);
            tb_c_text(out, p->strings + p->code[at + 2]);
            tb_buf_puts(out, "\";\n");
        }
    tb_buf_puts(out, "    default:\n        break;\n    }\n    switch (status & 0xff) {\n    case ");
    put_status(h, "NO_MEMORY");
    tb_buf_puts(out, ":\n        return \"the memory for intermediate results is too small\";\n"
                     "    case ");
    put_status(h, "SMALL_RESULT");
    tb_buf_puts(out, ":\n        return \"the memory for a result is too small\";\n    default:\n"
                     "        return \"sizes that the model does not take\";\n    }\n}\n");
}

void
tb_c_preface(tb_c_header *h)
{
    tb_buf *out = h->out;
    const char *x = h->prefix;
    /* WebAssembly and bare processors may have a compiler and no C library */
    tb_buf_printf(out,
                  "#if defined(__has_include)\n#if !__has_include(<string.h>)\n"
                  "#define %s__BARE\n#endif\n#endif\n#ifndef %s__BARE\n"
                  "#include <string.h>\n#endif\n\n#ifdef __cplusplus\nextern \"C\" {\n"
                  "#endif\n#ifdef %s__BARE\nvoid *memcpy(void *, const void *, size_t);\n"
                  "void *memmove(void *, const void *, size_t);\n"
                  "void *memset(void *, int, size_t);\n#endif\n",
                  x, x, x);
    tb_buf_printf(out, "extern const unsigned char %s__weights[];\n", x);
    for (uint32_t k = 0; k < h->p->n_kernels; k++)
        tb_buf_printf(out, "int32_t %s__k%u(void *const *, const int64_t *, int64_t, int64_t, "
                           "void *); /* %s */\n", x, k,
                      h->p->strings + h->p->kernels[k].name.off);
    tb_buf_printf(out, helpers, x, x, x, x);
    put_init(h);
    put_errors(h);
}

/* ---- a function ---- */
static void
fail(tb_c_function *f, const char *status)
{
    tb_buf_puts(f->h->out, "return ");
    put_status(f->h, status);
    tb_buf_puts(f->h->out, ";\n");
}

static bool
is_target(const tb_c_function *f, uint32_t at)
{
    const int32_t *code = f->h->p->code + f->f->code;
    for (uint32_t i = 0; i < f->f->n_code; i += (uint32_t)code[i] >> 16) {
        uint32_t op = (uint32_t)code[i] & 0xffff;
        if ((op == TB_I_JUMP && (uint32_t)code[i + 1] == at) ||
            (op == TB_I_JUMP_ZERO && (uint32_t)code[i + 2] == at))
            return true;
    }
    return false;
}

/* Bytes of what buffer b holds, as a C expression. */
static void
put_buf_bytes(tb_c_function *f, int32_t b)
{
    const tb_plan *p = f->h->p;
    tb_buf *out = f->h->out;
    const tb_plan_buf *pb = &p->bufs[f->f->buf + (uint32_t)b];
    if (pb->kind == TB_BUF_ARENA) {
        tb_buf_printf(out, "(size_t)r[%d]", pb->bytes_reg);
    } else if (pb->kind == TB_BUF_CONST) {
        tb_buf_printf(out, "%" PRIu64, f->h->consts[pb->index].bytes);
    } else if (pb->kind == TB_BUF_GLOBAL) {
        tb_buf_printf(out, "%" PRIu64, f->h->bytes[pb->index]);
    } else {
        bool in = pb->kind == TB_BUF_INPUT;
        const tb_plan_value *v = &p->values[(in ? f->f->input : f->f->result) + pb->index];
        tb_buf_printf(out, "(size_t)%zu", tb_dtype_bytes((tb_dtype)v->dtype));
        for (uint32_t d = 0; d < v->rank; d++) {
            const tb_plan_dim *dim = &p->dims[v->dims + d];
            if (dim->value >= 0)
                tb_buf_printf(out, " * %" PRId64, dim->value);
            else if (in)
                tb_buf_printf(out, " * (size_t)dims[%u][%u]", pb->index, d);
            else
                tb_buf_printf(out, " * (size_t)r[%d]", dim->reg);
        }
    }
}

static void
put_copy(tb_c_function *f, const int32_t *w)
{
    const tb_plan_buf *to = &f->h->p->bufs[f->f->buf + (uint32_t)w[1]];
    const tb_plan_buf *from = &f->h->p->bufs[f->f->buf + (uint32_t)w[2]];
    tb_buf_printf(f->h->out, "    {\n        size_t n = ");
    put_buf_bytes(f, to->kind == TB_BUF_ARENA ? w[2] : w[1]);
    tb_buf_puts(f->h->out, ";\n");
    if (to->kind == TB_BUF_ARENA && from->kind == TB_BUF_ARENA)
        tb_buf_printf(f->h->out, "        if (n > (size_t)r[%d])\n            n = (size_t)r[%d];\n",
                      to->bytes_reg, to->bytes_reg);
    tb_buf_printf(f->h->out, "        if (n)\n            memmove(b[%d], b[%d], n);\n    }\n",
                  w[1], w[2]);
}

static void
put_dispatch(tb_c_function *f, const int32_t *w)
{
    tb_buf *out = f->h->out;
    int32_t n = w[4], m = w[5 + n];
    tb_buf_printf(out, "    if (r[%d] > 0) {\n        void *const bind[] = {", w[2]);
    for (int32_t i = 0; i < n; i++)
        tb_buf_printf(out, "b[%d], ", w[5 + i]);
    tb_buf_puts(out, "0};\n        const int64_t sizes[] = {");
    for (int32_t i = 0; i < m; i++)
        tb_buf_printf(out, "r[%d], ", w[6 + n + i]);
    tb_buf_printf(out,
                  "0};\n        int32_t e = %s__k%d(bind, sizes, 0, r[%d], scratch);\n"
                  "        if (e)\n            return e | %d << 8;\n    }\n",
                  f->h->prefix, w[1], w[2], w[1]);
}

static void
put_result(tb_c_function *f, uint32_t i)
{
    const tb_plan *p = f->h->p;
    const tb_plan_value *v = &p->values[f->f->result + i];
    tb_buf *out = f->h->out;
    bool dynamic = false;
    for (uint32_t d = 0; d < v->rank; d++)
        dynamic = dynamic || p->dims[v->dims + d].value < 0;
    if (dynamic) {
        tb_buf_puts(out, "    {\n        int64_t n = ");
        tb_buf_printf(out, "%zu;\n", tb_dtype_bytes((tb_dtype)v->dtype));
        for (uint32_t d = 0; d < v->rank; d++) {
            const tb_plan_dim *dim = &p->dims[v->dims + d];
            char text[32];
            if (dim->value >= 0)
                snprintf(text, sizeof text, "%" PRId64, dim->value);
            else
                snprintf(text, sizeof text, "r[%d]", dim->reg);
            tb_buf_printf(out, "        out_dims[%u][%u] = %s;\n"
                               "        if (out_dims[%u][%u] < 0 || !%s__mul(n, %s, &n))\n"
                               "            ", i, d, text, i, d, f->h->prefix, text);
            fail(f, "BAD_SIZE");
        }
        tb_buf_printf(out, "        if ((uint64_t)n > room[%u])\n            ", i);
        fail(f, "SMALL_RESULT");
        tb_buf_puts(out, "    }\n");
    }
}

static void
put_load(tb_c_function *f, const int32_t *w)
{
    tb_buf_printf(f->h->out, "    {\n        %s v;\n        memcpy(&v, b[%d], sizeof v);\n"
                             "        r[%d] = (int64_t)v%s;\n    }\n",
                  tb_c_type((uint32_t)w[3]), w[2], w[1], w[3] == TB_BOOL ? " != 0" : "");
}

static void
put_checked(tb_c_function *f, const char *name, const int32_t *w)
{
    tb_buf_printf(f->h->out, "    if (!%s__%s(r[%d], r[%d], &r[%d]))\n        ", f->h->prefix, name,
                  w[2], w[3], w[1]);
    fail(f, "BAD_SIZE");
}

static void
put_instruction(tb_c_function *f, const int32_t *w)
{
    tb_buf *out = f->h->out;
    const char *binary = NULL;
    switch ((tb_opcode)(w[0] & 0xffff)) {
    case TB_I_CONST:
        tb_buf_printf(out, "    r[%d] = %" PRId64 ";\n", w[1],
                      (int64_t)((uint64_t)(uint32_t)w[2] | (uint64_t)(uint32_t)w[3] << 32));
        return;
    case TB_I_MOVE:
        tb_buf_printf(out, "    r[%d] = r[%d];\n", w[1], w[2]);
        return;
    case TB_I_ADD:
        put_checked(f, "add", w);
        return;
    case TB_I_SUB:
        put_checked(f, "sub", w);
        return;
    case TB_I_MUL:
        put_checked(f, "mul", w);
        return;
    case TB_I_DIV:
        put_checked(f, "div", w);
        return;
    case TB_I_MOD: /* of registers that are read before r is written */
        tb_buf_printf(out, "    {\n        int64_t q;\n        if (!%s__div(r[%d], r[%d], &q))\n"
                           "            ", f->h->prefix, w[2], w[3]);
        fail(f, "BAD_SIZE");
        tb_buf_printf(out, "        r[%d] = r[%d] - q * r[%d];\n    }\n", w[1], w[2], w[3]);
        return;
    case TB_I_MIN:
    case TB_I_MAX:
        tb_buf_printf(out, "    r[%d] = r[%d] %c r[%d] ? r[%d] : r[%d];\n", w[1], w[2],
                      (w[0] & 0xffff) == TB_I_MIN ? '<' : '>', w[3], w[2], w[3]);
        return;
    case TB_I_EQ:
        binary = "==";
        break;
    case TB_I_LT:
        binary = "<";
        break;
    case TB_I_DIM:
        tb_buf_printf(out, "    r[%d] = dims[%d][%d];\n", w[1], w[2], w[3]);
        return;
    case TB_I_VALUE:
        tb_buf_printf(out, "    r[%d] = *(const int64_t *)in[%d];\n", w[1], w[2]);
        return;
    case TB_I_CHECK_DIM:
        tb_buf_printf(out, "    if (dims[%d][%d] != r[%d])\n        ", w[1], w[2], w[3]);
        fail(f, "BAD_SIZE");
        return;
    case TB_I_CHECK:
        tb_buf_printf(out, "    if (!r[%d])\n        return ", w[1]);
        put_status(f->h, "BAD_SIZE");
        tb_buf_printf(out, " | %d << 8;\n", w[2] + 1);
        return;
    case TB_I_RESULT:
        put_result(f, (uint32_t)w[1]);
        return;
    case TB_I_LOAD:
        put_load(f, w);
        return;
    case TB_I_DISPATCH:
        put_dispatch(f, w);
        return;
    case TB_I_COPY:
        put_copy(f, w);
        return;
    case TB_I_JUMP:
        tb_buf_printf(out, "    goto l%d;\n", w[1]);
        return;
    case TB_I_JUMP_ZERO:
        tb_buf_printf(out, "    if (!r[%d])\n        goto l%d;\n", w[1], w[2]);
        return;
    case TB_I_RETURN:
        tb_buf_puts(out, "    return 0;\n");
        return;
    case TB_I_ALLOC: /* refused before */
    case TB_I_END:
        return;
    }
    tb_buf_printf(out, "    r[%d] = r[%d] %s r[%d];\n", w[1], w[2], binary, w[3]);
}

/* Sizes of inputs are in their ranges; those that are fixed are not given. */
static void
put_ranges(tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    for (uint32_t i = 0; i < f->f->n_inputs; i++) {
        const tb_plan_value *v = &p->values[f->f->input + i];
        for (uint32_t d = 0; d < v->rank; d++) {
            const tb_plan_dim *dim = &p->dims[v->dims + d];
            if (dim->value >= 0)
                continue;
            tb_buf_printf(f->h->out, "    if (dims[%u][%u] < %" PRId64, i, d, dim->min);
            if (dim->max < INT64_MAX)
                tb_buf_printf(f->h->out, " || dims[%u][%u] > %" PRId64, i, d, dim->max);
            tb_buf_puts(f->h->out, ")\n        ");
            fail(f, "BAD_SIZE");
        }
    }
}

/* Behind the prologue: is there memory, and where are the buffers in it? */
static void
put_places(tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    tb_c_header *h = f->h;
    tb_buf *out = h->out;
    char arena[32] = "0";
    if (f->f->arena_reg >= 0)
        snprintf(arena, sizeof arena, "r[%d]", f->f->arena_reg);
    tb_buf_printf(out,
                  "    if (need) {\n        *need = %s + %" PRId64 ";\n        return 0;\n    }\n"
                  "    if (memory_bytes < %" PRId64 " || memory_bytes - %" PRId64
                  " < (uint64_t)%s)\n        ",
                  arena, h->fixed_bytes, h->fixed_bytes, h->fixed_bytes, arena);
    fail(f, "NO_MEMORY");
    tb_buf_printf(out, "    scratch = (unsigned char *)memory + (size_t)(-(uintptr_t)memory & %d);\n",
                  TB_DATA_ALIGN - 1);
    for (uint32_t b = 0; b < f->f->n_bufs; b++) {
        const tb_plan_buf *pb = &p->bufs[f->f->buf + b];
        tb_buf_printf(out, "    b[%u] = ", b);
        switch ((tb_buf_kind)pb->kind) {
        case TB_BUF_INPUT:
            tb_buf_printf(out, "(unsigned char *)(uintptr_t)in[%u];\n", pb->index);
            break;
        case TB_BUF_RESULT:
            tb_buf_printf(out, "(unsigned char *)out[%u];\n", pb->index);
            break;
        case TB_BUF_CONST:
            tb_buf_printf(out, "(unsigned char *)(uintptr_t)%s__weights + %" PRIu64 ";\n",
                          h->prefix, h->consts[pb->index].offset);
            break;
        case TB_BUF_GLOBAL:
            if (h->place[pb->index] == TB_C_CONSTANT)
                tb_buf_printf(out, "(unsigned char *)(uintptr_t)%s__weights + %" PRIu64 ";\n",
                              h->prefix, h->consts[p->globals[pb->index].init].offset);
            else if (h->place[pb->index] == TB_C_OUTSIDE)
                tb_buf_printf(out, "(unsigned char *)(uintptr_t)parameters->%s;\n",
                              h->outside[pb->index]);
            else
                tb_buf_printf(out, "(unsigned char *)state + %" PRIu64 ";\n",
                              h->place[pb->index]);
            break;
        case TB_BUF_ARENA:
            tb_buf_printf(out, "scratch + %" PRIu64 " + r[%d];\n", h->scratch_bytes,
                          pb->offset_reg);
            break;
        case TB_BUF_SLOT:
            break;
        }
    }
}

void
tb_c_body(tb_c_function *f)
{
    const int32_t *code = f->h->p->code + f->f->code;
    tb_buf *out = f->h->out;
    tb_buf_printf(out, "\nstatic int32_t\n%s__%s(", f->h->prefix, f->name);
    tb_c_parameters(f->h, ",\n    ");
    tb_buf_printf(out,
                  "const void *const *in, const int64_t *const *dims, "
                  "void *const *out,\n    const size_t *room, int64_t *const *out_dims, void "
                  "*state, void *memory,\n    size_t memory_bytes, int64_t *need)\n{\n"
                  "    int64_t r[%u];\n    unsigned char *b[%u], *scratch;\n"
                  "    (void)in, (void)dims, (void)out, (void)room, (void)out_dims, (void)state;\n"
                  "    (void)r, (void)b, (void)scratch;\n%s",
                  f->f->n_regs + 1, f->f->n_bufs + 1,
                  f->h->n_outside ? "    (void)parameters;\n" : "");
    put_ranges(f);
    for (uint32_t at = 0; at < f->f->n_code; at += (uint32_t)code[at] >> 16) {
        if (is_target(f, at))
            tb_buf_printf(out, "l%u:;\n", at);
        if (at == f->f->prologue_end)
            put_places(f);
        put_instruction(f, code + at);
    }
    tb_buf_puts(out, "}\n");
}

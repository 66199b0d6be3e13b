/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dump.c -- a plan as text: what turbine-dump-module and turbine-opt print.
 *
 * In a function's listing a register that is written once, by CONST or by DIM, is shown as
 * what it holds: `r5 = x.0 * 512` instead of `r5 = r0 * r4`.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "artifact/artifact.h"
#include "artifact/cpu.h"

/* What a register of the function being printed is known to hold. */
typedef struct known {
    enum { NEVER, CONSTANT, DIMENSION, OTHER } kind;
    int64_t value;        /* CONSTANT */
    int32_t input, axis;  /* DIMENSION */
} known;

typedef struct dumper {
    const tb_plan *p;
    const uint8_t *file;
    tb_buf *out;
    const tb_plan_function *f;
    known *regs; /* NULL: nothing is known */
} dumper;

static const char *
text(const dumper *d, tb_sref s)
{
    return d->p->strings + s.off;
}

/* ---- types ---- */
static void
put_type(const dumper *d, const tb_plan_value *v)
{
    for (uint32_t i = 0; i < v->rank; i++) {
        int64_t n = d->p->dims[v->dims + i].value;
        if (n < 0)
            tb_buf_puts(d->out, "?x");
        else
            tb_buf_printf(d->out, "%" PRId64 "x", n);
    }
    tb_buf_puts(d->out, tb_dtype_name((tb_dtype)v->dtype));
}

static void
put_value(const dumper *d, const char *what, uint32_t i, const tb_plan_value *v)
{
    tb_buf_printf(d->out, "  %-6s %2u  ", what, i);
    put_type(d, v);
    if (v->name.len)
        tb_buf_printf(d->out, "  %s", text(d, v->name));
    for (uint32_t a = 0; a < v->rank; a++) {
        const tb_plan_dim *dim = &d->p->dims[v->dims + a];
        if (dim->value >= 0)
            continue;
        tb_buf_printf(d->out, "  dim %u = ", a);
        if (dim->reg >= 0)
            tb_buf_printf(d->out, "r%d in ", dim->reg);
        tb_buf_printf(d->out, "%" PRId64 "..", dim->min);
        if (dim->max < INT64_MAX / 2)
            tb_buf_printf(d->out, "%" PRId64, dim->max);
    }
    tb_buf_puts(d->out, "\n");
}

/* ---- operands ---- */
static void
put_dim(const dumper *d, int32_t input, int32_t axis)
{
    const tb_plan_value *v = &d->p->values[d->f->input + (uint32_t)input];

    if (v->name.len)
        tb_buf_printf(d->out, "%s.%d", text(d, v->name), axis);
    else
        tb_buf_printf(d->out, "input%d.%d", input, axis);
}

static void
put_reg(const dumper *d, int32_t r)
{
    const known *k = d->regs ? &d->regs[r] : NULL;

    if (k && k->kind == CONSTANT)
        tb_buf_printf(d->out, "%" PRId64, k->value);
    else if (k && k->kind == DIMENSION)
        put_dim(d, k->input, k->axis);
    else
        tb_buf_printf(d->out, "r%d", r);
}

/* The name that a buffer's value has outside, "" if none. */
static const char *
buf_name(const dumper *d, const tb_plan_buf *b)
{
    const tb_plan *p = d->p;

    switch ((tb_buf_kind)b->kind) {
    case TB_BUF_INPUT:
        return text(d, p->values[d->f->input + b->index].name);
    case TB_BUF_RESULT:
        return text(d, p->values[d->f->result + b->index].name);
    case TB_BUF_CONST:
        return text(d, p->consts[b->index].name);
    case TB_BUF_GLOBAL:
        return text(d, p->globals[b->index].type.name);
    case TB_BUF_ARENA:
    case TB_BUF_SLOT:
        break;
    }
    return "";
}

static void
put_buf(const dumper *d, int32_t b)
{
    const char *name = buf_name(d, &d->p->bufs[d->f->buf + (uint32_t)b]);

    tb_buf_printf(d->out, name[0] ? "b%d:%s" : "b%d", b, name);
}

static void
put_list(const dumper *d, const char *what, const int32_t *w, int32_t n,
         void (*put)(const dumper *, int32_t))
{
    if (n == 0)
        return;
    tb_buf_printf(d->out, " %s", what);
    for (int32_t i = 0; i < n; i++) {
        tb_buf_puts(d->out, i ? ", " : " ");
        put(d, w[i]);
    }
}

static void
put_loc(const dumper *d, uint32_t loc)
{
    const tb_plan_loc *l = &d->p->locs[loc];

    if (l->file.len)
        tb_buf_printf(d->out, "  %s:%u", text(d, l->file), l->line);
    if (l->path.len)
        tb_buf_printf(d->out, "  %s", text(d, l->path));
    if (l->op.len)
        tb_buf_printf(d->out, "  %s", text(d, l->op));
}

/* ---- instructions ---- */
static const char *const arithmetic[] = {
    [TB_I_ADD] = "+",   [TB_I_SUB] = "-",    [TB_I_MUL] = "*",   [TB_I_DIV] = "/",
    [TB_I_MOD] = "mod", [TB_I_MIN] = "min",  [TB_I_MAX] = "max", [TB_I_EQ] = "==",
    [TB_I_LT] = "<",
};

static int64_t
const_value(const int32_t *w)
{
    return (int64_t)((uint64_t)(uint32_t)w[3] << 32 | (uint32_t)w[2]);
}

static void
put_dispatch(const dumper *d, const int32_t *w)
{
    const tb_plan_kernel *k = &d->p->kernels[w[1]];
    int32_t n = w[4], m = w[5 + n];

    tb_buf_printf(d->out, "dispatch k%d:%s tiles ", w[1], text(d, k->name));
    put_reg(d, w[2]);
    put_list(d, "bufs", w + 5, n, put_buf);
    put_list(d, "sizes", w + 6 + n, m, put_reg);
    if (w[3] & TB_DISPATCH_NO_BARRIER)
        tb_buf_puts(d->out, " no-barrier");
    const tb_plan_work *work = tb_plan_work_at(d->p, (uint32_t)(w - d->p->code));
    if (work && work->flops >= 0) {
        tb_buf_puts(d->out, " flops ");
        put_reg(d, work->flops);
    }
    if (work && work->bytes >= 0) {
        tb_buf_puts(d->out, " bytes ");
        put_reg(d, work->bytes);
    }
    uint32_t loc = work ? work->loc : k->loc;
    if (loc) {
        tb_buf_puts(d->out, "  //");
        put_loc(d, loc);
    }
}

static void
put_instruction(const dumper *d, const int32_t *w)
{
    tb_opcode op = (tb_opcode)(w[0] & 0xffff);

    switch (op) {
    case TB_I_CONST:
        tb_buf_printf(d->out, "r%d = %" PRId64, w[1], const_value(w));
        break;
    case TB_I_MOVE:
        tb_buf_printf(d->out, "r%d = ", w[1]);
        put_reg(d, w[2]);
        break;
    case TB_I_DIM:
        tb_buf_printf(d->out, "r%d = ", w[1]);
        put_dim(d, w[2], w[3]);
        break;
    case TB_I_VALUE:
        tb_buf_printf(d->out, "r%d = value of input %d", w[1], w[2]);
        break;
    case TB_I_ALLOC:
        tb_buf_puts(d->out, "alloc ");
        put_buf(d, w[1]);
        tb_buf_puts(d->out, " bytes ");
        put_reg(d, w[2]);
        break;
    case TB_I_CHECK_DIM:
        tb_buf_puts(d->out, "check ");
        put_dim(d, w[1], w[2]);
        tb_buf_puts(d->out, " == ");
        put_reg(d, w[3]);
        break;
    case TB_I_CHECK:
        tb_buf_puts(d->out, "check ");
        put_reg(d, w[1]);
        tb_buf_printf(d->out, " else \"%s\"", d->p->strings + w[2]);
        break;
    case TB_I_RESULT:
        tb_buf_printf(d->out, "result %d", w[1]);
        break;
    case TB_I_LOAD:
        tb_buf_printf(d->out, "r%d = load %s ", w[1], tb_dtype_name((tb_dtype)w[3]));
        put_buf(d, w[2]);
        break;
    case TB_I_DISPATCH:
        put_dispatch(d, w);
        break;
    case TB_I_COPY:
        tb_buf_puts(d->out, "copy ");
        put_buf(d, w[1]);
        tb_buf_puts(d->out, " from ");
        put_buf(d, w[2]);
        break;
    case TB_I_JUMP:
        tb_buf_printf(d->out, "jump %d", w[1]);
        break;
    case TB_I_JUMP_ZERO:
        tb_buf_printf(d->out, "jump %d if ", w[2]);
        put_reg(d, w[1]);
        tb_buf_puts(d->out, " is 0");
        break;
    case TB_I_RETURN:
        tb_buf_puts(d->out, "return");
        break;
    default:
        tb_buf_printf(d->out, "r%d = ", w[1]);
        put_reg(d, w[2]);
        tb_buf_printf(d->out, " %s ", arithmetic[op]);
        put_reg(d, w[3]);
        break;
    }
}

/* Fills in d->regs, which has NEVER everywhere. */
static void
learn(const dumper *d)
{
    const int32_t *code = d->p->code + d->f->code;

    for (uint32_t at = 0; at < d->f->n_code; at += (uint32_t)code[at] >> 16) {
        const int32_t *w = code + at;
        tb_opcode op = (tb_opcode)(w[0] & 0xffff);
        if (op > TB_I_VALUE && op != TB_I_LOAD)
            continue; /* writes no register */
        known *k = &d->regs[w[1]];
        if (k->kind != NEVER || (op != TB_I_CONST && op != TB_I_DIM))
            *k = (known){.kind = OTHER};
        else if (op == TB_I_CONST)
            *k = (known){.kind = CONSTANT, .value = const_value(w)};
        else
            *k = (known){.kind = DIMENSION, .input = w[2], .axis = w[3]};
    }
}

static void
put_bufs(const dumper *d)
{
    static const char *const kinds[] = {"input", "result", "const",
                                        "global", "arena",  "slot"};

    for (uint32_t i = 0; i < d->f->n_bufs; i++) {
        const tb_plan_buf *b = &d->p->bufs[d->f->buf + i];
        if (b->kind != TB_BUF_ARENA) {
            tb_buf_printf(d->out, "  b%u = %s %u  %s\n", i, kinds[b->kind], b->index,
                          buf_name(d, b));
            continue;
        }
        tb_buf_printf(d->out, "  b%u = arena at ", i);
        put_reg(d, b->offset_reg);
        tb_buf_puts(d->out, ", bytes ");
        put_reg(d, b->bytes_reg);
        tb_buf_puts(d->out, "\n");
    }
}

typedef struct extreme {
    const dumper *d;
    bool most;
    bool bounded;
} extreme;

static int64_t
extreme_size(void *user, uint32_t input, uint32_t axis)
{
    extreme *e = user;
    const tb_plan *p = e->d->p;
    const tb_plan_dim *dim = &p->dims[p->values[e->d->f->input + input].dims + axis];
    if (dim->value >= 0)
        return dim->value;
    e->bounded = e->bounded && dim->max < INT64_MAX / 4;
    return e->most ? dim->max : dim->min;
}

/* Transient memory of a call with the smallest and the largest sizes. */
static void
put_transient(const dumper *d)
{
    extreme least = {d, false, true}, most = {d, true, true};
    int64_t low = tb_plan_transient(d->p, d->f, extreme_size, &least);
    int64_t high = tb_plan_transient(d->p, d->f, extreme_size, &most);

    if (d->f->n_slots)
        tb_buf_printf(d->out, "  %u slot%s for values whose size depends on data\n",
                      d->f->n_slots, d->f->n_slots == 1 ? "" : "s");
    if (low >= 0)
        tb_buf_printf(d->out, "  transient memory  %" PRId64 " bytes", low);
    if (low >= 0 && high > low && most.bounded)
        tb_buf_printf(d->out, " for the smallest sizes, %" PRId64 " for the largest", high);
    else if (low >= 0 && high != low)
        tb_buf_puts(d->out, " for the smallest sizes");
    if (low >= 0)
        tb_buf_puts(d->out, "\n");
}

static void
put_function(dumper *d, const tb_plan_function *f)
{
    const tb_plan *p = d->p;

    d->f = f;
    d->regs = calloc(f->n_regs ? f->n_regs : 1, sizeof *d->regs);
    if (d->regs)
        learn(d);
    tb_buf_printf(d->out, "\nfunction %s%s\n", text(d, f->name),
                  f->exported ? "" : "  (internal)");
    for (uint32_t i = 0; i < f->n_attrs; i++)
        tb_buf_printf(d->out, "  attr %s = %s\n", text(d, p->attrs[f->attr + i].key),
                      text(d, p->attrs[f->attr + i].value));
    for (uint32_t i = 0; i < f->n_inputs; i++)
        put_value(d, "input", i, &p->values[f->input + i]);
    for (uint32_t i = 0; i < f->n_results; i++)
        put_value(d, "result", i, &p->values[f->result + i]);
    put_bufs(d);
    if (f->arena_reg >= 0) {
        tb_buf_puts(d->out, "  arena ");
        put_reg(d, f->arena_reg);
        tb_buf_puts(d->out, " bytes\n");
    }
    put_transient(d);
    const int32_t *code = p->code + f->code;
    for (uint32_t at = 0; at < f->n_code; at += (uint32_t)code[at] >> 16) {
        if (at == f->prologue_end && at > 0)
            tb_buf_puts(d->out, "  ----\n");
        tb_buf_printf(d->out, "  %4u  ", at);
        put_instruction(d, code + at);
        tb_buf_puts(d->out, "\n");
    }
    free(d->regs);
    d->regs = NULL;
}

/* ---- tables ---- */
static void
put_kernels(const dumper *d)
{
    const tb_plan *p = d->p;

    if (p->n_kernels)
        tb_buf_puts(d->out, "\nkernels\n");
    for (uint32_t i = 0; i < p->n_kernels; i++) {
        const tb_plan_kernel *k = &p->kernels[i];
        tb_buf_printf(d->out, "  k%u %s  %u bufs, %u sizes", i, text(d, k->name),
                      k->n_bindings, k->n_sizes);
        if (k->scratch_bytes)
            tb_buf_printf(d->out, ", %" PRIu64 " scratch bytes", k->scratch_bytes);
        if (k->tile_cost_ns)
            tb_buf_printf(d->out, ", %" PRIu64 " ns a tile", k->tile_cost_ns);
        for (uint32_t m = 0; m < p->n_images; m++)
            tb_buf_printf(d->out, "%s%#x", m ? " " : ", code at ",
                          p->entries[m * p->n_kernels + i]);
        put_loc(d, k->loc);
        tb_buf_puts(d->out, "\n");
    }
}

/* Values of a constant that is small enough to read. */
static void
put_elements(const dumper *d, const tb_plan_const *c)
{
    size_t size = tb_dtype_bytes((tb_dtype)c->dtype), n = (size_t)c->bytes / size;
    const uint8_t *at = d->file + c->offset;

    if (c->packed || n == 0 || n > 8)
        return;
    tb_buf_puts(d->out, " =");
    for (size_t i = 0; i < n; i++, at += size) {
        uint64_t bits = 0;
        float f = 0;
        double g = 0;
        memcpy(&bits, at, size < 8 ? size : 8);
        memcpy(&f, at, size < 4 ? size : 4);
        memcpy(&g, at, size < 8 ? size : 8);
        if (c->dtype == TB_F32)
            tb_buf_printf(d->out, " %.9g", (double)f);
        else if (c->dtype == TB_F64)
            tb_buf_printf(d->out, " %.17g", g);
        else if (c->dtype == TB_F16)
            tb_buf_printf(d->out, " %g", (double)tb_f16_to_f32((uint16_t)bits));
        else if (c->dtype == TB_BF16)
            tb_buf_printf(d->out, " %g", (double)tb_bf16_to_f32((uint16_t)bits));
        else if (tb_dtype_kind((tb_dtype)c->dtype) == TB_KIND_INT)
            tb_buf_printf(d->out, " %" PRId64,
                          (int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size));
        else
            tb_buf_printf(d->out, " %#" PRIx64, bits);
    }
}

static void
put_consts(const dumper *d)
{
    const tb_plan *p = d->p;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < p->n_consts; i++)
        sum += p->consts[i].bytes;
    if (p->n_consts)
        tb_buf_printf(d->out, "\nconstants  %" PRIu64 " bytes\n", sum);
    for (uint32_t i = 0; i < p->n_consts; i++) {
        const tb_plan_const *c = &p->consts[i];
        tb_buf_printf(d->out, "  c%u %s  %s%s, %" PRIu64 " bytes", i, text(d, c->name),
                      tb_dtype_name((tb_dtype)c->dtype), c->packed ? " packed" : "",
                      c->bytes);
        if (d->file) {
            tb_buf_printf(d->out, " at %#" PRIx64 ", hash %016" PRIx64 "%016" PRIx64,
                          c->offset, c->hash[0], c->hash[1]);
            put_elements(d, c);
        }
        tb_buf_puts(d->out, "\n");
    }
    if (p->n_globals)
        tb_buf_puts(d->out, "\nglobals\n");
    for (uint32_t i = 0; i < p->n_globals; i++) {
        const tb_plan_global *g = &p->globals[i];
        tb_buf_printf(d->out, "  g%u %s  ", i, text(d, g->type.name));
        put_type(d, &g->type);
        tb_buf_puts(d->out, g->mutable_ ? "  mutable" : "");
        if (g->init >= 0)
            tb_buf_printf(d->out, "  starts as c%d\n", g->init);
        else if (g->init == TB_INIT_PARAM)
            tb_buf_printf(d->out, "  %s parameter \"%s\"::\"%s\"\n",
                          g->hidden ? "is" : "starts as", text(d, g->scope), text(d, g->key));
        else
            tb_buf_puts(d->out, "  starts as 0\n");
    }
}

static void
put_images(const dumper *d)
{
    if (d->p->n_images)
        tb_buf_puts(d->out, "\nimages\n");
    for (uint32_t i = 0; i < d->p->n_images; i++) {
        const tb_plan_image *im = &d->p->images[i];
        tb_buf_printf(d->out, "  %s  ELF machine %u", text(d, im->target), im->arch);
        if (d->file)
            tb_buf_printf(d->out, ", %" PRIu64 " bytes at %#" PRIx64 ", code at +%#x",
                          im->bytes, im->offset, im->text_off);
        tb_buf_puts(d->out, ", needs");
        if (!im->features)
            tb_buf_puts(d->out, " nothing more");
        for (int bit = 0; bit < 64; bit++)
            if (im->features >> bit & 1)
                tb_buf_printf(d->out, " %s", tb_cpu_feature_name(im->arch, bit));
        tb_buf_puts(d->out, "\n");
    }
}

void
tb_plan_dump(const tb_plan *plan, const void *file, tb_buf *out)
{
    dumper d = {.p = plan, .file = file, .out = out};
    tb_status st = tb_plan_verify(plan, SIZE_MAX);

    if (st) { /* a compiler's fault, since files are checked when they are read */
        tb_buf_printf(out, "// %s\n", tb_status_message(st));
        tb_status_free(st);
        return;
    }
    tb_buf_printf(out, "module %s\n", text(&d, plan->module_name));
    if (plan->producer.len)
        tb_buf_printf(out, "producer %s\n", text(&d, plan->producer));
    for (uint32_t i = 0; i < plan->n_functions; i++)
        put_function(&d, &plan->functions[i]);
    put_kernels(&d);
    put_consts(&d);
    put_images(&d);
}

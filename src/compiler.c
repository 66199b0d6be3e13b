/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * compiler.c -- tb_compile: the table of contents of the compiler.
 *
 *   ATen nodes --decompose--> primitives --passes--> primitives --group--> groups
 *     --lower--> kernels + steps --program--> plan; kernels --codegen--> images;
 *     plan + images + weights --artifact--> bytes
 */
#include "compiler.h"

#include "codegen/codegen.h"
#include "kernel/lower.h"
#include "op/op.h"
#include "pass/pass.h"
#include "program/program.h"

enum { MAX_TARGETS = 8 };

/* What one compilation needs everywhere. */
typedef struct run {
    tb_unit *u;
    tb_ctx *cx;
    const tb_compile_options *o;
    tb_buf *out;
    const char *stage; /* stop here and print, or NULL */
    tb_target targets[MAX_TARGETS];
    uint32_t n_targets;
    tb_packs packs;
} run;

static void
progress(run *r, const char *stage, size_t done, size_t total)
{
    if (r->o && r->o->progress)
        r->o->progress(r->o->user, stage, done, total);
}

static void
add_target(run *r, const tb_cpu_level *level, const char *name)
{
    if (!level)
        tb_raise(r->cx, (tb_loc){0}, TB_NOT_FOUND, "unknown target '%s'", name);
    if (r->n_targets == MAX_TARGETS)
        tb_raise(r->cx, (tb_loc){0}, TB_INVALID_ARGUMENT, "more than %d targets", MAX_TARGETS);
    for (uint32_t i = 0; i < r->n_targets; i++)
        if (r->targets[i].level == level)
            return;
    r->targets[r->n_targets++] = tb_target_of(level);
}

/* The runtime takes the first image that fits: best levels first. */
static void
sort_targets(run *r)
{
    size_t n;
    const tb_cpu_level *levels = tb_cpu_levels(&n);
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = at; k < r->n_targets; k++)
            if (r->targets[k].level == &levels[i]) {
                tb_target t = r->targets[k];
                r->targets[k] = r->targets[at];
                r->targets[at++] = t;
            }
}

static void
choose_targets(run *r)
{
    if (r->o && r->o->n_targets) {
        for (size_t i = 0; i < r->o->n_targets; i++) {
            const char *name = r->o->targets[i];
            add_target(r, strcmp(name, "host") == 0 ? tb_cpu_host() : tb_cpu_find(name), name);
        }
        sort_targets(r);
        return;
    }
    if (tb_cpu_machine() == 62) { /* EM_X86_64: what servers have, and what laptops have */
        add_target(r, tb_cpu_find("x86_64-v4"), "x86_64-v4");
        add_target(r, tb_cpu_find("x86_64-v3"), "x86_64-v3");
    } else {
        add_target(r, tb_cpu_host(), "host");
    }
}

static bool
stop_at(const run *r, const char *stage)
{
    return r->stage && strcmp(r->stage, stage) == 0;
}

static bool
is_pass(const char *stage)
{
    for (uint32_t i = 0; tb_pass_name(i); i++)
        if (strcmp(stage, tb_pass_name(i)) == 0)
            return true;
    return false;
}

static bool
has_aten(const tb_graph *g)
{
    for (uint32_t i = 1; i < g->n; i++)
        if (g->nodes[i].prim == TB_P_aten)
            return true;
    return false;
}

static void
print_kernels(run *r, const tb_lowered *low)
{
    for (uint32_t t = 0; t < low->n_targets; t++) {
        tb_buf_printf(r->out, "// target %s\n", low->targets[t].level->name);
        for (uint32_t i = 0; i < low->kernels[t].n; i++)
            tb_kernel_print(low->kernels[t].at[i], r->out);
    }
}

/* Kernels know no complex numbers: says so before code generation meets one. */
static void
refuse_complex(const tb_graph *g)
{
    for (uint32_t i = 1; i < g->n; i++) {
        tb_dtype t = (tb_dtype)g->nodes[i].dtype;
        if (t != TB_NONE && tb_dtype_is_complex(t))
            tb_raise(g->unit->cx, g->locs[i], TB_UNSUPPORTED, "%s in compiled code",
                     tb_dtype_name(t));
    }
}

/* One function up to lowered kernels. Returns NULL if printing stopped before. */
static tb_lowered *
lower_function(run *r, const tb_func *f, tb_graph **graph, tb_groups **groups)
{
    tb_graph *g = f->body;
    if (stop_at(r, "aten")) {
        tb_graph_print(g, r->out);
        return NULL;
    }
    if (has_aten(g))
        g = tb_decompose(g);
    if (stop_at(r, "decompose")) {
        tb_graph_print(g, r->out);
        return NULL;
    }
    bool pass = r->stage && is_pass(r->stage);
    g = tb_run_passes(g, pass ? r->stage : NULL);
    if (pass) {
        tb_graph_print(g, r->out);
        return NULL;
    }
    *graph = g;
    *groups = tb_group_graph(g);
    if (stop_at(r, "group")) {
        tb_graph_print(g, r->out);
        tb_groups_print(*groups, r->out);
        return NULL;
    }
    refuse_complex(g);
    tb_lowered *low = tb_lower_groups(*groups, r->targets, r->n_targets, &r->packs);
    if (stop_at(r, "kernels")) {
        print_kernels(r, low);
        return NULL;
    }
    return low;
}

static const tb_kernel *const *
kernel_list(const tb_program *p, uint32_t target)
{
    return (const tb_kernel *const *)p->unique[target].at;
}

/* Machine code for every target; images and entries go into the plan. */
static tb_flat_image *
generate(run *r, tb_program *p)
{
    tb_arena *a = &r->cx->keep;
    tb_flat_image *images = TB_NEWN(a, tb_flat_image, r->n_targets);
    int threads = r->o && r->o->threads ? r->o->threads : 2;

    for (uint32_t t = 0; t < r->n_targets; t++) {
        const tb_cpu_level *level = r->targets[t].level;
        tb_codegen(r->cx, kernel_list(p, t), p->unique[t].n, &r->targets[t], threads,
                   r->o ? r->o->progress : NULL, r->o ? r->o->user : NULL, &images[t]);
        TB_PUSH(a, &p->images,
                ((tb_plan_image){.target = tb_program_string(p, tb_str_c(level->name)),
                                 .features = level->features,
                                 .arch = level->machine}));
        for (uint32_t i = 0; i < p->unique[t].n; i++)
            TB_PUSH(a, &p->entries, images[t].entries[i]);
    }
    return images;
}

static void
compile(void *user)
{
    run *r = user;
    tb_program *p = TB_NEW(&r->cx->keep, tb_program);

    choose_targets(r);
    tb_program_begin(p, r->u, r->targets, r->n_targets);
    uint32_t n = r->u->funcs.n;
    for (uint32_t i = 0; i < n; i++) {
        tb_graph *g = NULL;
        tb_groups *gs = NULL;
        progress(r, "functions", i, n);
        if (r->stage)
            tb_buf_printf(r->out, "// function %.*s\n", TB_FMT(r->u->funcs.at[i].name));
        tb_lowered *low = lower_function(r, &r->u->funcs.at[i], &g, &gs);
        if (low)
            tb_program_function(p, &r->u->funcs.at[i], g, gs, low);
    }
    progress(r, "functions", n, n);
    if (r->stage && !stop_at(r, "program") && !stop_at(r, "llvm") && !stop_at(r, "asm"))
        return;
    if (stop_at(r, "llvm") || stop_at(r, "asm")) {
        for (uint32_t t = 0; t < r->n_targets; t++)
            tb_codegen_print(r->cx, kernel_list(p, t), p->unique[t].n, &r->targets[t],
                             stop_at(r, "asm"), r->out);
        return;
    }
    if (r->stage) {
        tb_program_end(p);
        tb_plan_dump(&p->plan, NULL, r->out);
        return;
    }
    tb_flat_image *images = generate(r, p);
    tb_program_end(p);
    tb_artifact art = {.plan = &p->plan, .blobs = p->blobs.at, .images = images};
    progress(r, "writing", 0, 1);
    tb_status st = tb_artifact_write(&art, r->out);
    if (st) {
        tb_code code = tb_status_code(st);
        tb_str message = tb_sprintf(&r->cx->keep, "%s", tb_status_message(st));
        tb_status_free(st);
        tb_raise(r->cx, (tb_loc){0}, code, "%.*s", TB_FMT(message));
    }
    progress(r, "writing", 1, 1);
}

static tb_status
guarded(run *r)
{
    tb_status st = tb_guard(r->cx, compile, r);
    if (!st && r->out->failed)
        st = tb_status_make(TB_OUT_OF_MEMORY, "not enough memory for the artifact");
    if (st)
        tb_buf_free(r->out);
    return st;
}

tb_status
tb_compile(tb_unit *u, const tb_compile_options *o, tb_buf *out)
{
    run r = {.u = u, .cx = u->cx, .o = o, .out = out};
    return guarded(&r);
}

tb_status
tb_compile_print(tb_unit *u, const tb_compile_options *o, const char *stage, tb_buf *out)
{
    static const char *const stages[] = {"aten",    "decompose", "group", "kernels",
                                         "program", "llvm",      "asm"};
    run r = {.u = u, .cx = u->cx, .o = o, .out = out, .stage = stage};
    bool known = is_pass(stage);
    for (size_t i = 0; i < TB_COUNT(stages); i++)
        known = known || strcmp(stage, stages[i]) == 0;
    if (!known)
        return tb_status_make(TB_NOT_FOUND, "no stage is named '%s'", stage);
    return guarded(&r);
}

typedef struct evaluation {
    tb_unit *u;
    const char *function;
    const tb_eval_tensor *inputs;
    uint32_t n_inputs;
    tb_arena *arena;
    tb_eval_tensor *outputs;
} evaluation;

static void
evaluate(void *user)
{
    evaluation *e = user;
    for (uint32_t i = 0; i < e->u->funcs.n; i++) {
        if (!tb_str_is(e->u->funcs.at[i].name, e->function))
            continue;
        tb_func f = e->u->funcs.at[i];
        if (has_aten(f.body))
            f.body = tb_decompose(f.body);
        tb_eval(e->u, &f, e->inputs, e->n_inputs, NULL, e->arena, e->outputs);
        return;
    }
    tb_raise(e->u->cx, (tb_loc){0}, TB_NOT_FOUND, "no function is named '%s'", e->function);
}

tb_status
tb_evaluate(tb_unit *u, const char *function, const tb_eval_tensor *inputs, uint32_t n_inputs,
            tb_arena *arena, tb_eval_tensor *outputs)
{
    evaluation e = {u, function, inputs, n_inputs, arena, outputs};
    return tb_guard(u->cx, evaluate, &e);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * compiler.c -- tb_compile: the table of contents of the compiler.
 *
 *   ATen nodes --decompose--> primitives --passes--> primitives --group--> groups
 *     --lower--> kernels + steps --program--> plan; kernels --codegen--> images;
 *     plan + images + weights --artifact--> bytes
 */
#include "compiler.h"

#include "artifact/cpu.h"
#include "artifact/object.h"
#include "codegen/codegen.h"
#include "iree/iree.h"
#include "kernel/lower.h"
#include "op/op.h"
#include "pass/pass.h"
#include "program/program.h"
#include "vm/processor.h"

enum { MAX_TARGETS = 16 };

/* What one compilation needs everywhere. */
typedef struct run {
    tb_unit *u;
    tb_ctx *cx;
    const tb_compile_options *o;
    tb_buf *out;
    tb_objects *objects; /* or NULL */
    const char *stage; /* stop here and print, or NULL */
    tb_target targets[MAX_TARGETS];
    uint32_t n_targets;
    tb_packs packs;
    tb_choices choices;
    uint32_t *parameter;    /* by constant of the unit: global + 1 that stands for it; */
    bool *chosen;           /*   made external for this compilation; NULL: there are none */
    uint32_t n_parameter;   /* constants there were at the start; */
    uint32_t n_globals;     /*   globals */
    const char *at; /* the stage that progress was told of, or NULL */
    uint32_t func;  /* number of the function it works on */
} run;

static void
progress(run *r, const char *stage, size_t done, size_t total)
{
    if (r->o && r->o->progress)
        r->o->progress(r->o->user, stage, done, total);
}

/* A stage of one function begins, and the one before ends. NULL: only that. */
static void
begin_stage(void *user, const char *stage)
{
    run *r = user;
    uint32_t n = r->u->funcs.n;
    if (r->at)
        progress(r, r->at, r->func + 1, n);
    r->at = stage;
    if (stage)
        progress(r, stage, r->func, n);
}

/* A failure of what returns a status is one of the compilation. */
static void
raise_status(run *r, tb_status st)
{
    if (!st)
        return;
    tb_code code = tb_status_code(st);
    tb_str message = tb_sprintf(&r->cx->keep, "%s", tb_status_message(st));
    tb_status_free(st);
    tb_raise(r->cx, (tb_loc){0}, code, "%.*s", TB_FMT(message));
}

static void
add_level(run *r, const tb_cpu_level *level)
{
    for (uint32_t i = 0; i < r->n_targets; i++)
        if (r->targets[i].level == level)
            return;
    if (level->machine == TB_EM_WASM32 && !r->objects && !r->stage)
        tb_raise(r->cx, (tb_loc){0}, TB_UNSUPPORTED,
                 "target %s: a .vmfb holds code that is mapped into memory, which WebAssembly "
                 "cannot do; make an object to link in (turbine-compile --emit=object, or "
                 "save_object in Python)",
                 level->name);
    if (r->n_targets == MAX_TARGETS)
        tb_raise(r->cx, (tb_loc){0}, TB_INVALID_ARGUMENT, "more than %d targets", MAX_TARGETS);
    tb_target t = tb_target_of(level);
    if (r->objects) /* which run without the runtime: nobody asks Linux for tile registers */
        t.amx = false;
    r->targets[r->n_targets++] = t;
}

static void
add_target(run *r, const char *name)
{
    const tb_cpu_level *levels[TB_CPU_MAX_LEVELS];
    size_t n;
    raise_status(r, tb_cpu_parse(name, levels, &n));
    for (size_t i = 0; i < n; i++)
        add_level(r, levels[i]);
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

/* Is there anything that bf16 products could be made of? */
static bool
has_bf16(const run *r)
{
    const tb_unit *u = r->u;

    if (r->o && r->o->bf16_matmul)
        return true;
    for (uint32_t i = 0; i < u->graphs.n; i++)
        for (uint32_t n = 1; n < u->graphs.at[i]->n; n++)
            if (u->graphs.at[i]->nodes[n].dtype == TB_BF16)
                return true;
    return false;
}

static void
choose_targets(run *r)
{
    if (r->o && r->o->n_targets)
        for (size_t i = 0; i < r->o->n_targets; i++)
            add_target(r, r->o->targets[i]);
    else if (tb_cpu_machine() != TB_EM_X86_64)
        add_target(r, "host");
    else /* what servers have, and what laptops have */
        add_target(r, has_bf16(r) && !r->objects ? "x86_64-linux-v3+v4+v4-amx"
                                                 : "x86_64-linux-v3+v4");
    sort_targets(r);
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

/* ATen nodes here, or maybe in the graphs that control nodes run. */
static bool
needs_decompose(const tb_graph *g)
{
    for (uint32_t i = 1; i < g->n; i++)
        switch ((tb_prim)g->nodes[i].prim) {
        case TB_P_aten:
        case TB_P_cond:
        case TB_P_while:
        case TB_P_call:
            return true;
        default:
            break;
        }
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

/* ---- parameters ---- */
/* Which constants stay outside of the artifact. Those are changed for the time of the
 * compilation; undone by forget_parameters. */
static void
choose_parameters(run *r)
{
    tb_unit *u = r->u;
    r->n_parameter = u->consts.n;
    for (uint32_t i = 0; i < u->consts.n; i++) {
        tb_const *c = &u->consts.at[i];
        bool chosen = !c->external && c->parameter && r->o && r->o->external_parameters;
        if ((c->external || chosen) && !r->parameter) {
            r->parameter = TB_NEWN(&r->cx->keep, uint32_t, u->consts.n);
            r->chosen = TB_NEWN(&r->cx->keep, bool, u->consts.n);
        }
        if (chosen) {
            r->chosen[i] = true;
            c->external = true;
            c->scope = r->o->scope;
        }
    }
}

static void
forget_parameters(run *r)
{
    r->u->globals.n = r->n_globals;
    for (uint32_t i = 0; r->chosen && i < r->n_parameter; i++)
        if (r->chosen[i]) {
            r->u->consts.at[i].external = false;
            r->u->consts.at[i].scope = TB_STR("");
        }
}

/* A parameter is read like a global that nobody writes: nothing is known of its values,
 * so no pass computes with them, and no schedule lays them out anew. */
static tb_val
read_parameter(tb_rewrite *rw, tb_val v)
{
    run *r = rw->user;
    if (tb_node_of(rw->from, v)->prim != TB_P_const)
        return TB_NO_VAL;
    uint32_t index = (uint32_t)tb_attrs(rw->from, v)[0];
    const tb_const *c = &r->u->consts.at[index];
    if (index >= r->n_parameter || !c->external)
        return TB_NO_VAL;
    if (!r->parameter[index]) {
        tb_global g = {.name = c->name, .dtype = c->dtype, .rank = c->rank,
                       .parameter = true, .init = index + 1};
        memcpy(g.dims, c->dims, sizeof g.dims);
        TB_PUSH(&r->cx->keep, &r->u->globals, g);
        r->parameter[index] = r->u->globals.n;
    }
    return tb_read(rw->to, r->parameter[index] - 1);
}

/* ---- the graphs of a function ---- */
static const tb_body *lower_graph(run *r, tb_graph *g);

static tb_val
constant_input(tb_rewrite *rw, tb_val v)
{
    const tb_val *args = rw->user; /* by input: constant of the unit + 1, or 0 */
    if (tb_node_of(rw->from, v)->prim != TB_P_input)
        return TB_NO_VAL;
    tb_val c = args[tb_attrs(rw->from, v)[0]];
    /* complex numbers are pairs already outside, but not yet in the graph */
    if (!c.id || rw->to->unit->consts.at[c.id - 1].dtype != tb_dtype_of(rw->from, v))
        return TB_NO_VAL;
    return tb_constant(rw->to, c.id - 1);
}

/* Does the loop's body return value i as it got it? */
static bool
passes_on(const tb_graph *body, uint32_t i)
{
    tb_val v = body->outputs.at[i];
    return tb_node_of(body, v)->prim == TB_P_input && tb_attrs(body, v)[0] == (int64_t)i;
}

/* Graph `body` that node v runs, with the inputs that are always the same constant put in:
 * weights are packed in branches and loops as they are outside. */
static tb_graph *
with_constants(const tb_graph *g, tb_val v, const tb_graph *body, const tb_graph *loop)
{
    const tb_node *n = tb_node_of(g, v);
    uint32_t skip = n->prim == TB_P_cond;
    tb_val *args = TB_NEWN(&g->unit->cx->keep, tb_val, n->n_in + 1);
    for (uint32_t i = skip; i < n->n_in; i++) {
        tb_val x = tb_in(g, v, i);
        if (tb_node_of(g, x)->prim == TB_P_const && (!loop || passes_on(loop, i)))
            args[i - skip].id = (uint32_t)tb_attrs(g, x)[0] + 1;
    }
    return tb_rewrite_graph(body, constant_input, args);
}

static void
lower_inner(run *r, tb_body *b)
{
    const tb_graph *g = b->g;
    const bool *live = tb_live(g, &r->cx->keep);
    for (uint32_t id = 1; id < g->n; id++) {
        tb_val v = {id};
        tb_prim p = (tb_prim)g->nodes[id].prim;
        if (!live[id] || (p != TB_P_cond && p != TB_P_while && p != TB_P_call))
            continue;
        tb_graph *const *graphs = r->u->graphs.at;
        const tb_graph *loop = p == TB_P_while ? graphs[tb_attrs(g, v)[1]] : NULL;
        for (int i = 0; i < (p == TB_P_call ? 1 : 2); i++) {
            if (r->stage)
                tb_buf_printf(r->out, "// graph %d of %%%u %s\n", i, id, tb_prim_name(p));
            b->sub[id][i] = lower_graph(
                r, with_constants(g, v, r->u->graphs.at[tb_attrs(g, v)[i]], loop));
        }
    }
}

/* From primitives to kernels, with the graphs inside. Printing may stop it early: `low` is NULL then. */
static const tb_body *
lower_graph(run *r, tb_graph *g)
{
    tb_body *b = TB_NEW(&r->cx->keep, tb_body);
    bool pass = r->stage && is_pass(r->stage);
    if (r->parameter)
        g = tb_rewrite_graph(g, read_parameter, r);
    if (!stop_at(r, "decompose"))
        g = tb_run_passes(g, pass ? r->stage : NULL, begin_stage, r);
    b->g = g;
    b->sub = tb_alloc(&r->cx->keep, sizeof *b->sub * g->n);
    if (pass || stop_at(r, "decompose")) {
        tb_graph_print(g, r->out);
    } else {
        begin_stage(r, "group");
        tb_groups *gs = tb_group_graph(g);
        b->gs = gs;
        if (stop_at(r, "group")) {
            tb_graph_print(g, r->out);
            tb_groups_print(gs, r->out);
        } else {
            begin_stage(r, "kernels");
            refuse_complex(g);
            tb_lower_options options = {0};
            if (r->o)
                options = (tb_lower_options){r->o->bf16_matmul, r->o->workers};
            b->low = tb_lower_groups(gs, r->targets, r->n_targets, &r->packs, options,
                                     &r->choices);
            if (stop_at(r, "kernels"))
                print_kernels(r, b->low);
        }
    }
    lower_inner(r, b);
    return b;
}

/* One function up to lowered kernels. Returns NULL if printing stopped before. */
static const tb_body *
lower_function(run *r, const tb_func *f)
{
    tb_graph *g = f->body;
    if (stop_at(r, "aten")) {
        tb_graph_print(g, r->out);
        return NULL;
    }
    if (r->parameter) /* here already, so that no operator's body looks at values */
        g = tb_rewrite_graph(g, read_parameter, r);
    begin_stage(r, "decompose");
    if (needs_decompose(g))
        g = tb_decompose(g);
    const tb_body *b = lower_graph(r, g);
    return b->low && !stop_at(r, "kernels") ? b : NULL;
}

static const tb_kernel *const *
kernel_list(const tb_program *p, uint32_t target)
{
    return (const tb_kernel *const *)p->unique[target].at;
}

/* ---- IREE's runtime ---- */
enum { SMALL_MODULE = 16384, SMALL_PART = 100 };

static bool
wants_module(const run *r)
{
    return r->o && !r->objects && r->o->stock_iree != TB_STOCK_NEVER;
}

/* A failure counts only if the module must be there; returns whether there was none. */
static bool
module_works(run *r, tb_status st)
{
    bool works = !st;
    if (r->o->stock_iree == TB_STOCK_ALWAYS)
        raise_status(r, st);
    else
        tb_status_free(st);
    return works;
}

/* What images must be made with; false if there will be no module. */
static bool
begin_library(run *r, const tb_program *p, tb_library *l)
{
    *l = (tb_library){.about.version = tb_iree_release_find(NULL)->library};
    if (!wants_module(r))
        return false;
    for (uint32_t t = 0; t < r->n_targets; t++)
        if (!module_works(r, tb_iree_check_target(r->targets[t].level)))
            return false;
    return module_works(r, tb_iree_exports(p->kernels.at, p->kernels.n, p->strings.at,
                                           &r->cx->keep, &l->about.exports));
}

static bool
is_small(const tb_artifact *art, const tb_artifact_module *module)
{
    uint64_t weights = 0;
    for (uint32_t i = 0; i < art->plan->n_consts; i++)
        weights += art->blobs[i].n;
    return module->n < SMALL_MODULE || module->n < weights / SMALL_PART;
}

static void
add_module(run *r, tb_artifact *art, tb_artifact_module *module)
{
    static const char *const none[1];
    const char *const *symbols = art->plan->n_images ? art->images[0].names : none;

    for (uint32_t t = 1; t < art->plan->n_images; t++) /* one number for all images */
        for (uint32_t k = 0; k < art->images[t].n_entries; k++)
            TB_CHECK(strcmp(art->images[t].names[k], symbols[k]) == 0);
    if (!module_works(r, tb_iree_module(art->plan, art->blobs, symbols,
                                        tb_iree_release_find(NULL), &r->cx->keep, module)))
        return;
    if (r->o->stock_iree == TB_STOCK_ALWAYS || is_small(art, module))
        art->module = module;
}

/* What the processor must have. A level's tile registers are left to few kernels, and IREE's runtime
 * does not ask for them: they count only if they are used. */
static uint64_t
needed_features(const tb_program *p, uint32_t target, const tb_cpu_level *level)
{
    for (uint32_t i = 0; i < p->unique[target].n; i++)
        if (tb_kernel_has_tregs(kernel_list(p, target)[i]))
            return level->features;
    return level->features & ~TB_CPU_AMX;
}

/* Machine code for every target; images and entries go into the plan. */
static tb_flat_image *
generate(run *r, tb_program *p)
{
    tb_arena *a = &r->cx->keep;
    tb_flat_image *images = TB_NEWN(a, tb_flat_image, r->n_targets);
    int threads = r->o && r->o->threads ? r->o->threads : tb_cpus_allowed();
    tb_library library;
    bool has_library = begin_library(r, p, &library);

    for (uint32_t t = 0; t < r->n_targets; t++) {
        const tb_cpu_level *level = r->targets[t].level;
        uint64_t features = needed_features(p, t, level);
        library.about.features = tb_vm_features_of(level->machine, features);
        tb_codegen(r->cx, kernel_list(p, t), p->unique[t].n, &r->targets[t], threads,
                   has_library ? &library : NULL,
                   r->o ? r->o->progress : NULL, r->o ? r->o->user : NULL, &images[t]);
        TB_PUSH(a, &p->images,
                ((tb_plan_image){.target = tb_program_string(p, tb_str_c(level->name)),
                                 .features = features,
                                 .arch = level->machine}));
        for (uint32_t i = 0; i < p->unique[t].n; i++)
            TB_PUSH(a, &p->entries, images[t].entries[i]);
    }
    return images;
}

/* Objects are written constant by constant several times, from bytes that are there. */
static void
make_blobs(run *r, tb_artifact_blob *blobs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!blobs[i].recipe)
            continue;
        void *to = tb_alloc(&r->cx->keep, blobs[i].n);
        if (!blobs[i].recipe->make(blobs[i].recipe, to))
            tb_raise(r->cx, (tb_loc){0}, TB_OUT_OF_MEMORY, "no memory for weights");
        blobs[i].bytes = to;
        blobs[i].recipe = NULL;
    }
}

static tb_status
write_objects(run *r, const tb_artifact *art)
{
    tb_objects *o = r->objects;
    tb_plan program = *art->plan;
    program.n_images = program.n_entries = 0; /* places in a file, which there is none of */
    TRY(tb_plan_verify(&program, SIZE_MAX));
    TRY(tb_object_header(art, o->prefix, &o->header));
    for (uint32_t t = 0; t < r->n_targets; t++) {
        o->target[o->n++] = r->targets[t].level->name;
        TRY(tb_object_write(art, t, o->prefix, &o->object[t]));
    }
    return NULL;
}

static void
report_groups(run *r, const tb_program *p)
{
    tb_tuning *t = r->o->tuning;
    t->n_groups = r->choices.next;
    t->n_places = p->works.n;
    t->places = TB_NEWN(t->arena, struct tb_tuned_place, p->works.n + 1);
    for (uint32_t i = 0; i < p->works.n; i++)
        t->places[i] = (struct tb_tuned_place){p->works.at[i].at, p->groups.at[i]};
}

static void
compile(void *user)
{
    run *r = user;
    tb_program *p = TB_NEW(&r->cx->keep, tb_program);

    if (r->o && r->o->tuning)
        r->choices = (tb_choices){r->o->tuning->variant, r->o->tuning->n, 0};
    choose_targets(r);
    choose_parameters(r);
    tb_program_begin(p, r->u, r->targets, r->n_targets);
    uint32_t n = r->u->funcs.n;
    for (uint32_t i = 0; i < n; i++) {
        r->func = i;
        if (r->stage)
            tb_buf_printf(r->out, "// function %.*s\n", TB_FMT(r->u->funcs.at[i].name));
        const tb_body *body = lower_function(r, &r->u->funcs.at[i]);
        begin_stage(r, body ? "program" : NULL);
        if (body)
            tb_program_function(p, &r->u->funcs.at[i], body);
        begin_stage(r, NULL);
    }
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
    if (r->o && r->o->tuning)
        report_groups(r, p);
    tb_artifact art = {.plan = &p->plan, .blobs = p->blobs.at, .images = images};
    tb_artifact_module module;
    if (wants_module(r) && images[0].library)
        add_module(r, &art, &module);
    progress(r, "writing", 0, 1);
    if (r->objects)
        make_blobs(r, p->blobs.at, p->blobs.n);
    tb_status st = r->objects           ? write_objects(r, &art)
                   : r->o && r->o->path ? tb_artifact_write_file(&art, r->o->path)
                                        : tb_artifact_write(&art, r->out);
    raise_status(r, st);
    progress(r, "writing", 1, 1);
}

static tb_status
guarded(run *r)
{
    r->n_globals = r->u->globals.n;
    tb_status st = tb_guard(r->cx, compile, r);
    forget_parameters(r);
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
tb_compile_objects(tb_unit *u, const tb_compile_options *o, tb_objects *out)
{
    tb_buf none = {0};
    _Static_assert(MAX_TARGETS <= TB_COUNT(out->object), "an object for each target");
    run r = {.u = u, .cx = u->cx, .o = o, .out = &none, .objects = out};
    tb_status st = guarded(&r);
    if (st)
        tb_objects_free(out);
    return st;
}

void
tb_objects_free(tb_objects *o)
{
    tb_buf_free(&o->header);
    for (size_t i = 0; i < TB_COUNT(o->object); i++)
        tb_buf_free(&o->object[i]);
    o->n = 0;
}

const char *
tb_compile_stage(uint32_t i)
{
    static const char *const before[] = {"aten", "decompose"};
    static const char *const behind[] = {"group", "kernels", "program", "llvm", "asm"};
    uint32_t passes = 0;

    if (i < TB_COUNT(before))
        return before[i];
    for (i -= TB_COUNT(before); tb_pass_name(passes); passes++)
        if (passes == i)
            return tb_pass_name(i);
    i -= passes;
    return i < TB_COUNT(behind) ? behind[i] : NULL;
}

tb_status
tb_compile_print(tb_unit *u, const tb_compile_options *o, const char *stage, tb_buf *out)
{
    run r = {.u = u, .cx = u->cx, .o = o, .out = out, .stage = stage};
    uint32_t i = 0;

    while (tb_compile_stage(i) && strcmp(stage, tb_compile_stage(i)) != 0)
        i++;
    if (!tb_compile_stage(i))
        return tb_status_make(TB_NOT_FOUND, "no stage is named '%s'", stage);
    return guarded(&r);
}

tb_status
tb_compile_dump(tb_unit *u, const tb_compile_options *o)
{
    for (const char *at = o->dump; at;) {
        const char *comma = strchr(at, ',');
        size_t n = comma ? (size_t)(comma - at) : strlen(at);
        char stage[32] = {0};
        tb_buf text = {0};

        if (n >= sizeof stage)
            return tb_status_make(TB_NOT_FOUND, "no stage is named '%s'", at);
        memcpy(stage, at, n);
        tb_status st = tb_compile_print(u, o, stage, &text);
        if (!st)
            fwrite(text.at, 1, text.n, stderr);
        tb_buf_free(&text);
        if (st)
            return st;
        at = comma ? comma + 1 : NULL;
    }
    return NULL;
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
        if (needs_decompose(f.body))
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

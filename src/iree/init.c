/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * init.c -- `__init`, which the machine runs when a module is loaded, and the module.
 *
 * The first image whose features the processor has is loaded. Weights are used where they
 * are if the file is mapped at a multiple of 64, else they are copied. Globals that may
 * change, and those of zeroes, get memory of their own.
 */
#include "artifact/cpu.h"
#include "artifact/put.h"
#include "iree/program.h"
#include "vm/processor.h"

/* ---- processors ---- */
/* Features that IREE's runtime does not know come with one that it does. */
static bool
needs(const tb_vm_feature_row *key, uint32_t machine, uint64_t features)
{
    return key->machine == machine && key->ours >= 0 && features >> key->ours & 1;
}

/* Linux gives tile registers to a process that asks for them, which IREE's runtime does not. */
static bool
is_usable(const tb_plan_image *im)
{
    return im->arch != TB_EM_X86_64 || !(im->features & TB_CPU(AMX_TILE));
}

typedef struct init {
    const tb_plan *p;
    tb_asm_module *m;
    tb_asm_fn *v;
    tb_asm_reg device, allocator, executable, weights;
    uint32_t fail;
} init;

static tb_asm_reg
rodata(init *i, const char *s)
{
    return tb_asm_rodata_ref(i->v, tb_asm_text(i->m, tb_str_c(s)));
}

/* The device's answer: an i64, 0 if it does not know. */
static tb_asm_reg
query(init *i, const char *category, const char *key)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg answer[2] = {tb_asm_i32(v), tb_asm_i64(v)}, value = tb_asm_i64(v);
    tb_asm_call_import(v, TB_VM_DEVICE_QUERY,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, rodata(i, category), rodata(i, key)),
                                    .results = answer,
                                    .n_results = 2});
    tb_asm_select64(v, answer[0], answer[1], tb_asm_const64(v, 0), value);
    return value;
}

/* Goes to `other` unless the device says yes. */
static void
require(init *i, const char *category, const char *key, uint32_t other)
{
    tb_asm_reg yes = tb_asm_i32(i->v);
    uint32_t next = tb_asm_label(i->v);
    tb_asm_op1(i->v, TB_ASM_NZ, query(i, category, key), yes);
    tb_asm_branch(i->v, yes, next, other);
    tb_asm_place(i->v, next);
}

static void
load_image(init *i, uint32_t image)
{
    tb_asm_fn *v = i->v;
    const char *format = tb_vm_executable_format(i->p->images[image].arch);
    tb_asm_reg bytes = tb_asm_rodata_ref(v, tb_asm_outside(i->m, TB_FIX_IMAGE, image));
    tb_asm_call_import(v, TB_VM_EXECUTABLE_CREATE,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, tb_asm_const64(v, -1),
                                               rodata(i, format), bytes, tb_asm_null(v)),
                                    .results = &i->executable,
                                    .n_results = 1});
}

/* The images for one architecture, best first, of which `base` is the last. IREE's runtime
 * looks at the processor when it loads the first executable: that is `base`, which says
 * itself if it cannot run. */
static void
choose_among(init *i, uint32_t base, uint32_t done)
{
    uint32_t arch = i->p->images[base].arch;
    size_t n_keys;
    const tb_vm_feature_row *keys = tb_vm_features(&n_keys);

    load_image(i, base);
    for (uint32_t k = 0; k < base; k++) {
        const tb_plan_image *im = &i->p->images[k];
        uint32_t other = tb_asm_label(i->v);
        if (im->arch != arch || !is_usable(im))
            continue;
        for (size_t f = 0; f < n_keys; f++)
            if (needs(&keys[f], arch, im->features) &&
                !needs(&keys[f], arch, i->p->images[base].features))
                require(i, "hal.cpu", keys[f].key, other);
        load_image(i, k);
        tb_asm_jump(i->v, done);
        tb_asm_place(i->v, other);
    }
    tb_asm_jump(i->v, done);
}

static void
choose_image(init *i)
{
    uint32_t done = tb_asm_label(i->v), n = i->p->n_images;

    for (uint32_t k = 0; k < n; k++) {
        const tb_plan_image *im = &i->p->images[k];
        uint32_t other = tb_asm_label(i->v), later = k + 1;
        while (later < n &&
               (i->p->images[later].arch != im->arch || !is_usable(&i->p->images[later])))
            later++;
        if (later < n || !is_usable(im)) /* not the last of its architecture */
            continue;
        require(i, "hal.executable.format", tb_vm_executable_format(im->arch), other);
        choose_among(i, k, done);
        tb_asm_place(i->v, other);
    }
    tb_asm_fail(i->v, tb_asm_const32(i->v, 14 /* unavailable */),
               TB_STR("the module has no code for this processor"));
    tb_asm_place(i->v, done);
}

/* ---- memory ---- */
static tb_asm_reg
allocate(init *i, tb_asm_reg bytes, uint32_t usage)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg to = tb_asm_ref(v);
    tb_asm_call_import(v, TB_VM_ALLOCATE,
                      &(tb_asm_call){TB_ASM_ARGS(i->allocator, tb_asm_const64(v, -1),
                                               tb_asm_const32(v, HAL_LOCAL_VISIBLE),
                                               tb_asm_const32(v, usage), bytes),
                                    .results = &to,
                                    .n_results = 1});
    return to;
}

static tb_asm_reg
new_fence(init *i)
{
    tb_asm_reg fence = tb_asm_ref(i->v);
    tb_asm_call_import(i->v, TB_VM_FENCE_CREATE,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, tb_asm_const64(i->v, 0)),
                                    .results = &fence,
                                    .n_results = 1});
    return fence;
}

static void
await(init *i, tb_asm_reg fence)
{
    tb_asm_reg status = tb_asm_i32(i->v), ok = tb_asm_i32(i->v);
    uint32_t next = tb_asm_label(i->v);
    tb_t_await(i->v, fence, status);
    tb_asm_op2(i->v, TB_ASM_EQ32, status, tb_asm_const32(i->v, 0), ok);
    tb_asm_branch(i->v, ok, next, i->fail);
    tb_asm_place(i->v, next);
}

static void
copy_weights(init *i, tb_asm_reg bytes, tb_asm_reg size)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg zero = tb_asm_const64(v, 0), any = tb_asm_const64(v, -1), file = tb_asm_ref(v);
    tb_asm_reg to = allocate(i, size, HAL_USAGE_CONST), fence = new_fence(i);

    tb_asm_call_import(v, TB_VM_FILE_FROM_MEMORY,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, any, tb_asm_const32(v, HAL_READ),
                                               bytes, zero, size, tb_asm_const32(v, 0)),
                                    .results = &file,
                                    .n_results = 1});
    tb_asm_call_import(v, TB_VM_QUEUE_READ,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, any, tb_asm_null(v), fence, file,
                                               zero, to, zero, size, zero)});
    await(i, fence);
    tb_asm_assign_ref(v, to, i->weights);
}

static void
take_weights(init *i)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg bytes = tb_asm_rodata_ref(v, tb_asm_outside(i->m, TB_FIX_WEIGHTS, 0));
    tb_asm_reg size = tb_asm_fixed(v, TB_FIX_WEIGHTS_BYTES, 0), mapped = tb_asm_i32(v);
    uint32_t copy = tb_asm_label(v), done = tb_asm_label(v);

    tb_asm_call_import(v, TB_VM_IMPORT,
                      &(tb_asm_call){TB_ASM_ARGS(i->allocator, tb_asm_const32(v, 1 /* try */),
                                               tb_asm_const64(v, -1),
                                               tb_asm_const32(v, HAL_LOCAL_VISIBLE),
                                               tb_asm_const32(v, HAL_USAGE_CONST), bytes,
                                               tb_asm_const64(v, 0), tb_asm_const64(v, -1)),
                                    .results = &i->weights,
                                    .n_results = 1});
    tb_asm_op1(v, TB_ASM_NZ_REF, i->weights, mapped);
    tb_asm_branch(v, mapped, done, copy);
    tb_asm_place(v, copy);
    copy_weights(i, bytes, size);
    tb_asm_place(v, done);
    tb_asm_set_global(v, G_WEIGHTS, T_BUFFER, i->weights);
}

/* ---- parameters outside of the artifact ---- */
/* Names and sizes of n parameters, as IREE's module for them takes them. */
static void
parameter_tables(init *i, const uint32_t *globals, uint32_t n, tb_asm_reg tables[3])
{
    tb_arena *a = i->m->a;
    uint8_t *names = tb_alloc(a, 8 * (size_t)n), *spans = tb_alloc(a, 24 * (size_t)n);
    TB_VEC(char) text = {0};

    for (uint32_t k = 0; k < n; k++) {
        const tb_plan_global *g = &i->p->globals[globals[k]];
        tb_set32(names + 8 * k, text.n);
        tb_set32(names + 8 * k + 4, g->key.len);
        for (uint32_t c = 0; c < g->key.len; c++)
            TB_PUSH(a, &text, i->p->strings[g->key.off + c]);
        tb_set64(spans + 24 * k + 16, (uint64_t)tb_t_global_bytes(i->p, globals[k]));
    }
    tables[0] = tb_asm_rodata_ref(i->v, tb_asm_bytes(i->m, names, 8 * (size_t)n));
    tables[1] = tb_asm_rodata_ref(i->v, tb_asm_bytes(i->m, text.at, text.n));
    tables[2] = tb_asm_rodata_ref(i->v, tb_asm_bytes(i->m, spans, 24 * (size_t)n));
}

static tb_asm_reg
scope_of(init *i, uint32_t g)
{
    tb_sref s = i->p->globals[g].scope;
    return tb_asm_rodata_ref(i->v, tb_asm_text(i->m, (tb_str){i->p->strings + s.off, s.len}));
}

/* Parameters of one scope that nobody writes: where they are, if that can be mapped. */
static void
load_parameters(init *i, const uint32_t *globals, uint32_t n)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg tables[3], fence = new_fence(i), list = tb_asm_ref(v), any = tb_asm_const64(v, -1);

    parameter_tables(i, globals, n, tables);
    tb_asm_call_import(v, TB_VM_PARAM_LOAD,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, any, tb_asm_null(v), fence,
                                               scope_of(i, globals[0]), any,
                                               tb_asm_const32(v, HAL_LOCAL_VISIBLE),
                                               tb_asm_const32(v, HAL_USAGE_CONST), tables[0],
                                               tables[1], tables[2]),
                                    .results = &list,
                                    .n_results = 1});
    await(i, fence);
    for (uint32_t k = 0; k < n; k++) {
        tb_asm_reg buffer = tb_asm_ref(v);
        tb_asm_list_get(v, list, tb_asm_const32(v, k), T_BUFFER, buffer);
        tb_asm_set_global(v, G_FIRST + globals[k], T_BUFFER, buffer);
    }
}

/* A global that begins as a parameter and changes. */
static void
copy_parameter(init *i, uint32_t g, tb_asm_reg to)
{
    tb_asm_reg tables[3], fence = new_fence(i);

    parameter_tables(i, &g, 1, tables);
    tb_asm_call_import(i->v, TB_VM_PARAM_GATHER,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, tb_asm_const64(i->v, -1),
                                               tb_asm_null(i->v), fence, scope_of(i, g), to,
                                               tables[0], tables[1], tables[2])});
    await(i, fence);
}

static bool
is_loaded(const tb_plan_global *g)
{
    return g->init == TB_INIT_PARAM && !g->mutable_;
}

static void
load_all_parameters(init *i)
{
    uint32_t n_globals = i->p->n_globals, *list = TB_NEWN(i->m->a, uint32_t, n_globals + 1);
    bool *done = TB_NEWN(i->m->a, bool, n_globals + 1);

    for (uint32_t first = 0; first < n_globals; first++) {
        const tb_plan_global *f = &i->p->globals[first];
        uint32_t n = 0;
        for (uint32_t g = first; g < n_globals; g++) {
            const tb_plan_global *o = &i->p->globals[g];
            if (done[g] || !is_loaded(f) || !is_loaded(o) || o->scope.len != f->scope.len ||
                memcmp(i->p->strings + o->scope.off, i->p->strings + f->scope.off,
                       f->scope.len) != 0)
                continue;
            done[g] = true;
            list[n++] = g;
        }
        if (n)
            load_parameters(i, list, n);
    }
}

/* ---- globals ---- */
static void
fill_global(init *i, tb_asm_reg commands, uint32_t g, tb_asm_reg to)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg zero = tb_asm_const32(v, 0), zero64 = tb_asm_const64(v, 0);
    tb_asm_reg bytes = tb_asm_const64(v, tb_t_global_bytes(i->p, g));
    int32_t from = i->p->globals[g].init;

    if (from >= 0)
        tb_asm_call_import(v, TB_VM_CMD_COPY,
                          &(tb_asm_call){TB_ASM_ARGS(
                              commands, zero, zero, i->weights,
                              tb_asm_fixed(v, TB_FIX_CONST, (uint32_t)from), to, zero64, bytes,
                              zero64)});
    else
        tb_asm_call_import(v, TB_VM_CMD_FILL,
                          &(tb_asm_call){TB_ASM_ARGS(commands, to, zero64, bytes, zero, zero64,
                                                   tb_asm_const32(v, 1), zero64)});
}

static void
make_globals(init *i)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg commands = TB_ASM_NONE;

    for (uint32_t g = 0; g < i->p->n_globals; g++) {
        if (tb_t_is_weight(&i->p->globals[g]) || is_loaded(&i->p->globals[g]))
            continue;
        if (commands == TB_ASM_NONE) {
            commands = tb_asm_ref(v);
            tb_asm_call_import(
                v, TB_VM_CMD_CREATE,
                &(tb_asm_call){TB_ASM_ARGS(i->device, tb_asm_const32(v, HAL_ONE_SHOT),
                                         tb_asm_const32(v, HAL_TRANSFER_DISPATCH),
                                         tb_asm_const64(v, -1), tb_asm_const32(v, 0)),
                              .results = &commands,
                              .n_results = 1});
        }
        tb_asm_reg to = allocate(i, tb_asm_const64(v, tb_t_global_bytes(i->p, g)), HAL_USAGE);
        tb_asm_set_global(v, G_FIRST + g, T_BUFFER, to);
        if (i->p->globals[g].init == TB_INIT_PARAM)
            copy_parameter(i, g, to);
        else if (tb_t_global_bytes(i->p, g))
            fill_global(i, commands, g, to);
    }
    if (commands == TB_ASM_NONE)
        return;
    tb_asm_reg fence = new_fence(i);
    tb_asm_call_import(v, TB_VM_CMD_FINALIZE, &(tb_asm_call){TB_ASM_ARGS(commands)});
    tb_asm_call_import(v, TB_VM_QUEUE_EXECUTE,
                      &(tb_asm_call){TB_ASM_ARGS(i->device, tb_asm_const64(v, -1), tb_asm_null(v),
                                               fence, commands, tb_asm_const64(v, 0))});
    await(i, fence);
}

/* ---- numbers ---- */
/* A few workgroups for each of the device's threads, one if there is one. */
static void
count_groups(init *i)
{
    tb_asm_fn *v = i->v;
    tb_asm_reg threads = query(i, "hal.dispatch", "concurrency"), one = tb_asm_const64(v, 1);
    tb_asm_reg several = tb_asm_compare(v, TB_ASM_LT, one, threads), n = tb_asm_i64(v);
    tb_asm_reg four = tb_asm_op64(v, TB_ASM_MUL, threads, tb_asm_const64(v, 4));

    tb_asm_select64(v, several, tb_asm_op64(v, TB_ASM_MIN, four, tb_asm_const64(v, 256)), one, n);
    tb_asm_set_global64(v, G64_GROUPS, n);
}

static void
find_kernels(init *i, const char *const *symbols)
{
    tb_asm_fn *v = i->v;
    for (uint32_t k = 0; k < i->p->n_kernels; k++) {
        tb_asm_reg number = tb_asm_i64(v);
        tb_asm_call_import(v, TB_VM_EXECUTABLE_LOOKUP,
                          &(tb_asm_call){TB_ASM_ARGS(i->executable, rodata(i, symbols[k])),
                                        .results = &number,
                                        .n_results = 1});
        tb_asm_set_global64(v, G64_KERNELS + 8 * k, number);
    }
}

void
tb_t_init(const tb_plan *p, const char *const *symbols, tb_asm_module *m)
{
    tb_asm_fn *v = tb_asm_fn_begin(m, TB_STR("__init"), 0, 0);
    init i = {.p = p, .m = m, .v = v, .fail = tb_asm_label(v)};

    v->exported = true;
    m->n_ref_globals = G_FIRST + p->n_globals;
    m->global_bytes = G64_KERNELS + 8 * p->n_kernels;
    i.device = tb_asm_ref(v);
    i.allocator = tb_asm_ref(v);
    i.executable = tb_asm_ref(v);
    i.weights = tb_asm_ref(v);
    tb_asm_call_import(v, TB_VM_DEVICES_GET,
                      &(tb_asm_call){TB_ASM_ARGS(tb_asm_const32(v, 0)), .results = &i.device,
                                    .n_results = 1});
    tb_asm_call_import(v, TB_VM_DEVICE_ALLOCATOR,
                      &(tb_asm_call){TB_ASM_ARGS(i.device), .results = &i.allocator,
                                    .n_results = 1});
    tb_asm_set_global(v, G_DEVICE, T_DEVICE, i.device);
    tb_asm_set_global(v, G_ALLOCATOR, T_ALLOCATOR, i.allocator);
    choose_image(&i);
    tb_asm_set_global(v, G_EXECUTABLE, T_EXECUTABLE, i.executable);
    count_groups(&i);
    find_kernels(&i, symbols);
    if (p->n_consts)
        take_weights(&i);
    load_all_parameters(&i);
    make_globals(&i);
    tb_asm_return(v, NULL, 0);
    tb_asm_place(v, i.fail);
    tb_asm_fail(v, tb_asm_const32(v, 13 /* internal */), TB_STR("the module cannot be prepared"));
    tb_asm_fn_end(v);
}

/* ---- the module ---- */
tb_status
tb_iree_check_target(const tb_cpu_level *level)
{
    if (tb_vm_executable_format(level->machine))
        return NULL;
    return tb_status_make(TB_UNSUPPORTED,
                          "target %s: IREE's runtime has no format for its code, as "
                          "stock_iree asks for",
                          level->name);
}

tb_status
tb_iree_exports(const tb_plan_kernel *kernels, uint32_t n, const char *strings, tb_arena *a,
                const struct tb_flat_export **out)
{
    struct tb_flat_export *e = TB_NEWN(a, struct tb_flat_export, n + 1);

    for (uint32_t i = 0; i < n; i++) {
        const tb_plan_kernel *k = &kernels[i];
        bool scratch = k->scratch_bytes > 0;
        uint32_t words = 2 + 2 * k->n_sizes, bindings = k->n_bindings + scratch;
        if (words > TB_LIBRARY_MAX_WORDS || bindings > TB_LIBRARY_MAX_WORDS)
            return tb_status_make(TB_UNSUPPORTED,
                                  "kernel %s for IREE's runtime takes %u buffers and %u words "
                                  "of sizes, of which at most %d each are passed",
                                  strings + k->name.off, bindings, words,
                                  TB_LIBRARY_MAX_WORDS);
        e[i] = (struct tb_flat_export){(uint8_t)words, (uint8_t)bindings, scratch};
    }
    *out = e;
    return NULL;
}

tb_status
tb_iree_module(const tb_plan *plan, const tb_artifact_blob *blobs, const char *const *symbols,
               const tb_iree_release *release, tb_arena *a, tb_artifact_module *out)
{
    tb_asm_module m;
    uint32_t usable = 0;
    tb_str name = {plan->strings + plan->module_name.off, plan->module_name.len};

    for (uint32_t i = 0; i < plan->n_images; i++)
        usable += is_usable(&plan->images[i]);
    if (plan->n_images && !usable)
        return tb_status_make(TB_UNSUPPORTED,
                              "IREE's runtime does not ask Linux for the tile registers that all "
                              "code of the module uses, as stock_iree asks for; add a target "
                              "without them, like x86_64-v4");
    tb_asm_begin(&m, a, release, name.len ? name : TB_STR("module"));
    tb_t_init(plan, symbols, &m);
    for (uint32_t i = 0; i < plan->n_functions; i++)
        if (plan->functions[i].exported)
            TRY(tb_t_function(plan, blobs, &plan->functions[i], &m));
    return tb_asm_end(&m, out);
}

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * codegen.c -- kernels to objects, several modules at a time, and to one image.
 *
 * Kernels are cut into modules by their size alone, so that the bytes do not depend on
 * the number of threads; threads take module after module. LLVM ends the process on some
 * faults; here they come back as messages: a thread that compiles has a place to return
 * to.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>

#include "artifact/cpu.h"
#include "codegen/emit.h"

/* A module costs a millisecond to begin with; kernels have a few hundred instructions. */
enum { MODULE_KERNELS = 16, MODULE_INSTS = 6000, MAX_THREADS = 64 };

typedef struct job {
    uint32_t first, n;          /* kernels; none: the library interface */
    LLVMMemoryBufferRef object; /* the result, or */
    char *error;                /* what went wrong; from malloc */
} job;

typedef struct crew {
    const tb_kernel *const *kernels;
    const char **symbols;
    const tb_target *target;
    job *jobs;
    uint32_t n_jobs, n_kernels;
    tb_library *library; /* or NULL */
    atomic_uint next, done; /* jobs taken; kernels compiled */
    void (*progress)(void *user, const char *stage, size_t done, size_t total);
    void *user;
} crew;

/* ---- LLVM's process-wide state ---- */

static _Thread_local jmp_buf *way_out;
static _Thread_local char fatal_message[512];

static void
on_fatal(const char *reason)
{
    if (!way_out) /* not ours */
        return;
    snprintf(fatal_message, sizeof fatal_message, "%s", reason);
    longjmp(*way_out, 1);
}

static void
start_llvm(void)
{
    /* loop strength reduction costs a quarter of the time and makes some code worse;
     * addresses are written as base + counter * size already (docs/codegen.md) */
    const char *options[] = {"turbine", "-disable-lsr"};

    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeARMTargetInfo();
    LLVMInitializeARMTarget();
    LLVMInitializeARMTargetMC();
    LLVMInitializeARMAsmPrinter();
    LLVMInitializeRISCVTargetInfo();
    LLVMInitializeRISCVTarget();
    LLVMInitializeRISCVTargetMC();
    LLVMInitializeRISCVAsmPrinter();
    LLVMInitializeWebAssemblyTargetInfo();
    LLVMInitializeWebAssemblyTarget();
    LLVMInitializeWebAssemblyTargetMC();
    LLVMInitializeWebAssemblyAsmPrinter();
    LLVMParseCommandLineOptions(2, options, "");
    LLVMInstallFatalErrorHandler(on_fatal);
}

static char *
copy_text(const char *s)
{
    char *t = malloc(strlen(s) + 1);

    return t ? strcpy(t, s) : NULL;
}

static void
on_diagnostic(LLVMDiagnosticInfoRef info, void *user)
{
    char **error = user, *text;

    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || *error)
        return;
    text = LLVMGetDiagInfoDescription(info);
    *error = copy_text(text);
    LLVMDisposeMessage(text);
}

static LLVMTargetMachineRef
target_machine(const tb_target *target, LLVMCodeGenOptLevel level, char **error)
{
    LLVMTargetRef t;
    LLVMTargetMachineOptionsRef o;
    LLVMTargetMachineRef tm;
    char *text = NULL;

    if (LLVMGetTargetFromTriple(target->level->triple, &t, &text)) {
        *error = copy_text(text);
        LLVMDisposeMessage(text);
        return NULL;
    }
    o = LLVMCreateTargetMachineOptions();
    LLVMTargetMachineOptionsSetCPU(o, target->level->cpu);
    LLVMTargetMachineOptionsSetFeatures(o, target->level->llvm_features);
    LLVMTargetMachineOptionsSetABI(o, target->level->abi);
    LLVMTargetMachineOptionsSetCodeGenOptLevel(o, level);
    /* WebAssembly's code and data have no distance from each other: wasm-ld fills in
     * addresses */
    LLVMTargetMachineOptionsSetRelocMode(o, target->level->machine == TB_EM_WASM32
                                                ? LLVMRelocStatic
                                                : LLVMRelocPIC);
    LLVMTargetMachineOptionsSetCodeModel(o, LLVMCodeModelSmall);
    tm = LLVMCreateTargetMachineWithOptions(t, target->level->triple, o);
    LLVMDisposeTargetMachineOptions(o);
    if (!tm)
        *error = copy_text("no code generator for the target");
    return tm;
}

/* ---- one module ---- */

/* What a module needs while it is made. */
typedef struct workshop {
    LLVMContextRef cx;
    LLVMTargetMachineRef tm;
    tb_target target;
    tb_emitter e;
    char *error;
} workshop;

static void
write_module(workshop *w, const crew *c, uint32_t first, uint32_t n)
{
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(w->tm);

    LLVMContextSetDiagnosticHandler(w->cx, on_diagnostic, &w->error);
    tb_emit_begin(&w->e, w->cx, &w->target, "kernels");
    LLVMSetTarget(w->e.module, w->target.level->triple);
    LLVMSetModuleDataLayout(w->e.module, layout);
    LLVMDisposeTargetData(layout);
    for (uint32_t i = first; i < first + n; i++)
        tb_emit_kernel(&w->e, c->kernels[i], c->symbols[i]);
    if (n == 0)
        tb_emit_library(&w->e, c->n_kernels);
    tb_emit_end(&w->e);
#ifndef NDEBUG
    char *text = NULL;
    if (LLVMVerifyModule(w->e.module, LLVMReturnStatusAction, &text) && !w->error)
        w->error = copy_text(text);
    LLVMDisposeMessage(text);
#endif
}

static LLVMMemoryBufferRef
to_machine_code(workshop *w, LLVMCodeGenFileType kind)
{
    LLVMMemoryBufferRef out = NULL;
    char *text = NULL;

    if (w->error)
        return NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(w->tm, w->e.module, kind, &text, &out)) {
        w->error = copy_text(text);
        LLVMDisposeMessage(text);
    } else if (w->error) {
        LLVMDisposeMemoryBuffer(out);
        out = NULL;
    }
    return out;
}

/* The level of the architecture that asks for the least: what a library says of the
 * processor it must be able to say on all. */
static const tb_cpu_level *
plainest(const tb_cpu_level *level)
{
    size_t n;
    const tb_cpu_level *levels = tb_cpu_levels(&n);

    for (size_t i = n; i-- > 0;)
        if (levels[i].machine == level->machine && levels[i].elf_flags == level->elf_flags)
            return &levels[i];
    return level;
}

/* Runs `make` in a fresh context. After a fatal error LLVM's objects are in an unknown
 * state, so they are left where they are. */
static void
in_workshop(const crew *c, job *j, void (*make)(workshop *w, const crew *c, job *j))
{
    workshop *w = calloc(1, sizeof *w);
    jmp_buf back;

    if (!w) {
        j->error = copy_text("out of memory");
        return;
    }
    way_out = &back;
    if (setjmp(back)) {
        way_out = NULL;
        j->error = copy_text(fatal_message);
        return;
    }
    w->cx = LLVMContextCreate();
    w->target = *c->target;
    if (j->n == 0)
        w->target.level = plainest(c->target->level);
    w->tm = target_machine(&w->target, j->n ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone,
                           &w->error);
    if (w->tm) {
        make(w, c, j);
        LLVMDisposeModule(w->e.module);
        LLVMDisposeTargetMachine(w->tm);
    }
    LLVMContextDispose(w->cx);
    way_out = NULL;
    j->error = w->error;
    free(w);
}

static void
make_object(workshop *w, const crew *c, job *j)
{
    write_module(w, c, j->first, j->n);
    j->object = to_machine_code(w, LLVMObjectFile);
}

/* ---- many modules ---- */

static void
work(crew *c, bool report)
{
    uint32_t n;

    while ((n = atomic_fetch_add(&c->next, 1)) < c->n_jobs) {
        job *j = &c->jobs[n];
        in_workshop(c, j, make_object);
        atomic_fetch_add(&c->done, j->n);
        if (report && c->progress)
            c->progress(c->user, "code", atomic_load(&c->done), c->n_kernels);
    }
}

static void *
helper(void *user)
{
    work(user, false);
    return NULL;
}

static void
run_crew(crew *c, int threads)
{
    pthread_t ids[MAX_THREADS];
    pthread_attr_t attr;
    int n = 0;

    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    if (pthread_attr_init(&attr) == 0) {
        pthread_attr_setstacksize(&attr, (size_t)8 << 20); /* LLVM recurses */
        /* if a thread cannot be had, the others do its work */
        while (n + 1 < threads && (uint32_t)n + 1 < c->n_jobs &&
               pthread_create(&ids[n], &attr, helper, c) == 0)
            n++;
        pthread_attr_destroy(&attr);
    }
    work(c, true);
    for (int i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    if (c->progress)
        c->progress(c->user, "code", c->n_kernels, c->n_kernels);
}

static size_t
instructions(const tb_kernel *k)
{
    size_t n = 0;

    for (uint32_t i = 0; i < k->fns.n; i++)
        n += k->fns.at[i]->insts.n;
    return n;
}

/* For WebAssembly everything is one module: its objects are not linked here. */
static void
cut_into_jobs(tb_ctx *cx, crew *c)
{
    size_t insts = 0;
    bool one = c->target->level->machine == TB_EM_WASM32;

    c->jobs = TB_NEWN(&cx->scratch, job, c->n_kernels + 2);
    for (uint32_t i = 0; i < c->n_kernels; i++) {
        size_t n = instructions(c->kernels[i]);
        job *j = c->n_jobs ? &c->jobs[c->n_jobs - 1] : NULL;
        if (!j || (!one && (j->n == MODULE_KERNELS || insts + n > MODULE_INSTS))) {
            j = &c->jobs[c->n_jobs++];
            j->first = i;
            insts = 0;
        }
        j->n++;
        insts += n;
    }
    if (c->library && !c->library->object)
        c->jobs[c->n_jobs++] = (job){.first = c->n_kernels};
}

/* Kernels' names, made different where they are not. */
static const char **
symbols_of(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n)
{
    const char **names = TB_NEWN(&cx->keep, const char *, n + 1);
    tb_map seen = {.arena = &cx->scratch};

    for (uint32_t i = 0; i < n; i++) {
        tb_str s = tb_strdup(&cx->keep, kernels[i]->name);
        uint64_t h = tb_hash(s.ptr, s.len, 0);
        uint32_t cursor = 0, v;
        while ((v = tb_map_next(&seen, h, &cursor)))
            if (strcmp(names[v - 1], s.ptr) == 0)
                break;
        if (v)
            s = tb_sprintf(&cx->keep, "%s.%u", s.ptr, i);
        else
            tb_map_put(&seen, h, i + 1);
        names[i] = s.ptr;
    }
    return names;
}

static crew
prepare(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n, const tb_target *target)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    crew c = {.kernels = kernels, .n_kernels = n, .target = target};

    pthread_once(&once, start_llvm);
    for (uint32_t i = 0; i < n; i++)
        tb_kernel_verify(kernels[i]);
    c.symbols = symbols_of(cx, kernels, n);
    return c;
}

static void
raise_error(tb_ctx *cx, const crew *c, const job *j, const char *error)
{
    if (j->n == 0)
        tb_raise(cx, (tb_loc){0}, TB_INTERNAL, "code of the library interface, %s: %s",
                 c->target->level->name, error);
    tb_raise(cx, j->n == 1 ? c->kernels[j->first]->loc : (tb_loc){0}, TB_INTERNAL,
             "code for kernels %s to %s, %s: %s", c->symbols[j->first],
             c->symbols[j->first + j->n - 1], c->target->level->name, error);
}

/* Takes over what jobs own, before anything can raise. */
static void
collect(tb_ctx *cx, crew *c, const void **objects, size_t *bytes)
{
    const char *error = NULL;
    uint32_t failed = 0;

    for (uint32_t i = 0; i < c->n_jobs; i++) {
        job *j = &c->jobs[i];
        if (j->object) {
            bytes[i] = LLVMGetBufferSize(j->object);
            objects[i] = tb_dup(&cx->scratch, LLVMGetBufferStart(j->object), bytes[i]);
            LLVMDisposeMemoryBuffer(j->object);
        } else if (!error) {
            error = tb_sprintf(&cx->keep, "%s", j->error ? j->error : "?").ptr;
            failed = i;
        }
        free(j->error);
    }
    if (error)
        raise_error(cx, c, &c->jobs[failed], error);
}

/* ---- IREE's executable libraries ---- */

/* Kernels; thunks, the query and the anchor if there is a library. */
static const char *const *
entry_names(tb_ctx *cx, const crew *c, uint32_t n)
{
    const char **names = TB_NEWN(&cx->keep, const char *, n + 1);

    for (uint32_t i = 0; i < c->n_kernels; i++)
        names[i] = c->symbols[i];
    if (n == c->n_kernels)
        return names;
    for (uint32_t i = 0; i < c->n_kernels; i++)
        names[c->n_kernels + i] = tb_sprintf(&cx->keep, TB_LIBRARY_THUNKS "%u", i).ptr;
    names[n - 2] = TB_LIBRARY_QUERY;
    names[n - 1] = TB_LIBRARY_ANCHOR;
    return names;
}

/* Keeps the object of the interface, which is the last, or adds the one that was kept.
 * Returns the number of objects. */
static uint32_t
share_library(tb_ctx *cx, const crew *c, const void **objects, size_t *bytes)
{
    tb_library *l = c->library;
    if (l->object) {
        objects[c->n_jobs] = l->object;
        bytes[c->n_jobs] = l->object_bytes;
        return c->n_jobs + 1;
    }
    l->object_bytes = bytes[c->n_jobs - 1];
    l->object = tb_dup(&cx->keep, objects[c->n_jobs - 1], l->object_bytes);
    return c->n_jobs;
}

static const tb_flat_library *
describe_library(tb_ctx *cx, const crew *c, const uint32_t *entries)
{
    tb_flat_library *l = TB_NEW(&cx->keep, tb_flat_library);

    *l = c->library->about;
    l->query = entries[2 * c->n_kernels];
    l->anchor = entries[2 * c->n_kernels + 1];
    l->thunks = entries + c->n_kernels;
    return l;
}

/* The one object there is, as it is. */
static void
keep_object(tb_ctx *cx, const crew *c, const void *const *objects, const size_t *bytes,
            tb_flat_image *out)
{
    *out = (tb_flat_image){.entries = TB_NEWN(&cx->keep, uint32_t, c->n_kernels + 1),
                           .names = entry_names(cx, c, c->n_kernels)};
    if (c->n_jobs == 0)
        return;
    out->bytes = tb_dup(&cx->keep, objects[0], bytes[0]);
    out->n = bytes[0];
}

void
tb_codegen(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n,
           const tb_target *target, int threads, tb_library *library,
           void (*progress)(void *user, const char *stage, size_t done, size_t total),
           void *user, tb_flat_image *out)
{
    const void **objects;
    size_t *bytes;

    if (progress)
        progress(user, "code", 0, n);
    crew c = prepare(cx, kernels, n, target);
    c.progress = progress;
    c.user = user;
    c.library = library;
    if (library && library->level != plainest(target->level)) {
        library->level = plainest(target->level);
        library->object = NULL;
    }
    cut_into_jobs(cx, &c);
    objects = TB_NEWN(&cx->scratch, const void *, c.n_jobs + 1);
    bytes = TB_NEWN(&cx->scratch, size_t, c.n_jobs + 1);
    run_crew(&c, threads);
    collect(cx, &c, objects, bytes);
    uint32_t n_names = n + (library ? n + 2 : 0), n_objects = c.n_jobs;
    if (library)
        n_objects = share_library(cx, &c, objects, bytes);
    if (target->level->machine == TB_EM_WASM32)
        keep_object(cx, &c, objects, bytes, out);
    else
        tb_image_from_objects(cx, objects, bytes, n_objects, entry_names(cx, &c, n_names),
                              n_names, out);
    out->n_entries = n;
    if (library)
        out->library = describe_library(cx, &c, out->entries);
    out->machine = target->level->machine;
    out->elf_flags = target->level->elf_flags;
}

/* ---- dumps ---- */

static void
make_ir(workshop *w, const crew *c, job *j)
{
    char *text;

    write_module(w, c, j->first, j->n);
    text = LLVMPrintModuleToString(w->e.module);
    j->object = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "");
    LLVMDisposeMessage(text);
}

static void
make_asm(workshop *w, const crew *c, job *j)
{
    write_module(w, c, j->first, j->n);
    j->object = to_machine_code(w, LLVMAssemblyFile);
}

void
tb_codegen_print(tb_ctx *cx, const tb_kernel *const *kernels, uint32_t n,
                 const tb_target *target, bool asm_text, tb_buf *out)
{
    crew c = prepare(cx, kernels, n, target);
    job j = {.n = n};

    if (n == 0)
        return;
    c.jobs = &j;
    c.n_jobs = 1;
    in_workshop(&c, &j, asm_text ? make_asm : make_ir);
    if (j.object)
        tb_buf_put(out, LLVMGetBufferStart(j.object), LLVMGetBufferSize(j.object));
    const void *object;
    size_t bytes;
    collect(cx, &c, &object, &bytes);
}

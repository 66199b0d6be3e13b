/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine-compile.c -- torch-dialect MLIR (or our own graph text) to a .vmfb.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "artifact/artifact.h"
#include "compiler.h"
#include "source.h"
#include "tune/tune.h"

static const char usage[] =
    "usage: turbine-compile MODEL.mlir -o MODEL.vmfb [--target=NAME,...]\n"
    "\n"
    "Compiles a model. - reads standard input; as the name of the result it writes "
    "standard\n"
    "output.\n"
    "\n"
    "  -o FILE            the artifact; also -o=FILE\n"
    "  --target=NAME,...  what to make code for: host (this machine's best), "
    "x86_64-v3,\n"
    "                     x86_64-linux-v3+v4, aarch64-linux, riscv64-linux, ... Several "
    "are\n"
    "                     put side by side and chosen when the file is loaded.\n"
    "                     Default: the levels that today's servers and laptops have\n"
    "  --list-targets     their names\n"
    "  --emit=object      files to link into a C program instead: the object -o names (for\n"
    "                     several targets FILE.TARGET.o) and FILE.h with a C function for\n"
    "                     each function of the model; wasm32 and wasm32-simd128 are targets\n"
    "                     of these only\n"
    "  --threads=N        threads that generate code (as many as are useful)\n"
    "  --tune[=SECONDS]   runs the model on this machine in several ways and keeps what is "
    "fastest\n"
    "                     (2); sizes that are open are as in the example inputs\n"
    "  --bf16-matmul      products of f32 may be computed in bf16\n"
    "  --stock-iree       the artifact runs on IREE's own runtime as well; by default if "
    "that\n"
    "                     takes little. --no-stock-iree: never\n"
    "  --dump=STAGE,...   prints the program at these stages to standard error;\n"
    "                     turbine-opt --list names them\n"
    "  -v                 says what is done and how long it takes\n"
    "  --help             this text\n"
    "\n"
    "Understood as in iree-compile: --iree-input-type=torch|auto|none,\n"
    "--iree-hal-target-backends=llvm-cpu, --iree-hal-target-device=local,\n"
    "--iree-hal-local-target-device-backends=llvm-cpu,\n"
    "--iree-llvmcpu-target-cpu=host|x86-64-v4|...; how IREE makes its code\n"
    "(--iree-opt-*, ...) is ignored, others of its flags with a warning.\n";

typedef struct options {
    const char *in, *out;
    const char *dump;
    source_targets targets;
    int threads;
    double tune; /* seconds, 0 = not at all */
    tb_stock_iree stock_iree;
    bool bf16_matmul, verbose, terminal, object;
} options;

/* ---- progress ---- */

enum { MAX_STAGES = 32 };

typedef struct meter {
    const options *o;
    const char *stage;
    double begin, stage_begin, stage_begin_cpu;
    bool line_open;
    struct {
        const char *name;
        double seconds, cpu_seconds; /* of all functions together */
    } stages[MAX_STAGES];
    int n_stages;
} meter;

/* Seconds that all threads of the process computed. */
static double
cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
end_stage(meter *m, double now)
{
    int i = 0;
    if (m->line_open) {
        fprintf(stderr, "\r\033[K");
        m->line_open = false;
    }
    while (i < m->n_stages && m->stage && strcmp(m->stages[i].name, m->stage) != 0)
        i++;
    if (m->stage && i < MAX_STAGES) {
        m->stages[i].name = m->stage;
        m->stages[i].seconds += now - m->stage_begin;
        m->stages[i].cpu_seconds += cpu_now() - m->stage_begin_cpu;
        m->n_stages += i == m->n_stages;
    }
    m->stage = NULL;
}

/* What each stage took, and the most memory the process had. */
static void
print_stages(const meter *m, const source *s, const tb_buf *bytes)
{
    struct rusage used;
    struct stat file = {.st_size = (off_t)bytes->n};
    for (int i = 0; i < m->n_stages; i++)
        fprintf(stderr, "%-12s %8.1f ms, on CPUs %8.1f ms\n", m->stages[i].name,
                m->stages[i].seconds * 1e3, m->stages[i].cpu_seconds * 1e3);
    fprintf(stderr, "%-12s %8.1f ms, on CPUs %8.1f ms\n", "all",
            (call_now() - m->begin) * 1e3, cpu_now() * 1e3);
    if (!m->o->object && (bytes->n || stat(m->o->out, &file) == 0))
        fprintf(stderr, "%-12s %8.1f MB\n", "artifact", (double)file.st_size / 1e6);
    fprintf(stderr, "%-12s %8.1f MB\n", "arenas",
            (double)(s->cx->keep.total_bytes + s->cx->scratch.total_bytes) / 1e6);
    if (getrusage(RUSAGE_SELF, &used) == 0)
        fprintf(stderr, "%-12s %8.1f MB\n", "peak memory", (double)used.ru_maxrss / 1e3);
}

static void
progress(void *user, const char *stage, size_t done, size_t total)
{
    meter *m = user;
    double now = call_now();

    if (!m->stage || strcmp(m->stage, stage) != 0) {
        end_stage(m, now);
        m->stage = stage;
        m->stage_begin = now;
        m->stage_begin_cpu = cpu_now();
    }
    /* nothing flickers for what is done in no time */
    if (m->o->terminal && now - m->begin > 0.2) {
        fprintf(stderr, "\r\033[K%s %zu/%zu", stage, done, total);
        fflush(stderr);
        m->line_open = true;
    }
}

/* ---- compiling ---- */

static tb_status
write_to_stdout(const tb_buf *bytes)
{
    if (isatty(STDOUT_FILENO))
        return tb_status_make(TB_INVALID_ARGUMENT, "an artifact is not for a terminal");
    if (fwrite(bytes->at, 1, bytes->n, stdout) != bytes->n || fflush(stdout) != 0)
        return tb_status_make(TB_IO, "standard output cannot be written");
    return NULL;
}

/* The file's name without folders and suffix, as a C identifier. */
static void
prefix_of(const char *path, char out[64])
{
    const char *slash = strrchr(path, '/');
    size_t n = 0;

    path = slash ? slash + 1 : path;
    if (*path >= '0' && *path <= '9')
        out[n++] = '_';
    for (; *path && *path != '.' && n < 63; path++)
        out[n++] = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
                           (*path >= '0' && *path <= '9')
                       ? *path
                       : '_';
    out[n] = '\0';
}

/* FILE.suffix or FILE.target.suffix beside the FILE.o that was asked for. */
static tb_status
write_beside(const char *path, const char *target, const char *suffix, const tb_buf *bytes)
{
    char name[4096];
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    size_t n = dot ? (size_t)(dot - path) : strlen(path);
    int len = snprintf(name, sizeof name, "%.*s%s%s%s", (int)n, path, target ? "." : "",
                       target ? target : "", suffix);

    if (len < 0 || (size_t)len >= sizeof name)
        return tb_status_make(TB_INVALID_ARGUMENT, "the name of the result is too long");
    return tb_file_write(name, bytes->at, bytes->n);
}

static tb_status
compile_objects(const options *o, source *s, const tb_compile_options *co)
{
    char prefix[64];
    tb_objects objects = {.prefix = prefix};

    if (strcmp(o->out, "-") == 0)
        return tb_status_make(TB_INVALID_ARGUMENT, "--emit=object writes files: give -o FILE.o");
    prefix_of(o->out, prefix);
    TRY(tb_compile_objects(s->u, co, &objects));
    tb_status st = write_beside(o->out, NULL, ".h", &objects.header);
    for (uint32_t i = 0; !st && i < objects.n; i++)
        st = write_beside(o->out, objects.n > 1 ? objects.target[i] : NULL, ".o",
                          &objects.object[i]);
    tb_objects_free(&objects);
    return st;
}

static tb_status
check_targets(const source_targets *t)
{
    const tb_cpu_level *levels[TB_CPU_MAX_LEVELS];
    size_t n;

    for (size_t i = 0; i < t->n; i++)
        TRY(tb_cpu_parse(t->names[i], levels, &n));
    return NULL;
}

static tb_status
compile(const options *o, source *s, tb_buf *bytes)
{
    meter m = {.o = o, .begin = call_now()};
    bool to_stdout = strcmp(o->out, "-") == 0;
    tb_compile_options co = {.targets = o->targets.names,
                             .dump = o->dump,
                             .n_targets = o->targets.n,
                             .threads = o->threads,
                             .bf16_matmul = o->bf16_matmul,
                             .stock_iree = o->stock_iree,
                             .path = to_stdout ? NULL : o->out,
                             .progress = progress,
                             .user = &m};

    TRY(check_targets(&o->targets));
    progress(&m, "reading", 0, 1);
    TRY(source_read(s, o->in));
    TRY(tb_compile_dump(s->u, &co));
    tb_tune_options to = {.seconds = o->tune};
    tb_tune_report tuned = {0};
    tb_status st = o->object ? compile_objects(o, s, &co)
                   : o->tune > 0 ? tb_tune(s->u, &co, &to, bytes, &tuned)
                                 : tb_compile(s->u, &co, bytes);
    end_stage(&m, call_now());
    TRY(st);
    if (o->tune > 0 && o->verbose)
        fprintf(stderr, "%u of %u groups of nodes computed otherwise: %.3f ms, was %.3f ms\n",
                tuned.changed, tuned.groups, tuned.tuned_ms, tuned.usual_ms);
    if (!o->object && to_stdout)
        TRY(write_to_stdout(bytes));
    if (o->verbose)
        print_stages(&m, s, bytes);
    return NULL;
}

/* ---- the command line ---- */

static bool
is_one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(value, *words) == 0)
            return true;
    return false;
}

static bool
begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Flags about how IREE makes its code: ours needs none of them. */
static bool
is_tuning(const char *arg)
{
    static const char *const names[] = {
        "--iree-opt-level",          "--iree-opt-data-tiling",
        "--iree-opt-const-eval",     "--iree-llvmcpu-enable-ukernels",
        "--iree-llvmcpu-target-triple", "--iree-llvmcpu-target-cpu-features",
        "--iree-llvmcpu-link-embedded", "--iree-execution-model"};

    for (size_t i = 0; i < TB_COUNT(names); i++)
        if (begins(arg, names[i]) && (arg[strlen(names[i])] == '=' || !arg[strlen(names[i])]))
            return true;
    return false;
}

/* What IREE's compiler takes and what asks for nothing that we do not do. Others of its flags
 * are warned of. */
static bool
iree_flag(options *o, char *arg)
{
    static const char *const inputs[] = {"torch", "auto", "none", NULL};
    static const char *const backends[] = {"llvm-cpu", NULL};
    static const char *const devices[] = {"local", NULL};
    const char *value;

    if (flag_value(arg, "iree-input-type", &value))
        return is_one_of(value, inputs);
    if (flag_value(arg, "iree-hal-target-backends", &value))
        return is_one_of(value, backends);
    if (flag_value(arg, "iree-hal-target-device", &value))
        return is_one_of(value, devices);
    if (flag_value(arg, "iree-hal-local-target-device-backends", &value))
        return is_one_of(value, backends);
    if (flag_value(arg, "iree-llvmcpu-target-cpu", &value))
        return source_add_cpu(&o->targets, arg + (value - arg));
    if (!begins(arg, "--iree-") && !begins(arg, "--mlir-"))
        return false;
    if (!is_tuning(arg))
        fprintf(stderr, "turbine-compile: warning: %s has no effect\n", arg);
    return true;
}

static bool
take_flag(options *o, char *arg)
{
    const char *value;

    if (flag_value(arg, "target", &value))
        return source_add_targets(&o->targets, arg + (value - arg));
    if (flag_value(arg, "threads", &value)) {
        o->threads = atoi(value);
        return o->threads > 0;
    }
    if (flag_value(arg, "emit", &value)) {
        o->object = strcmp(value, "object") == 0;
        return o->object || strcmp(value, "vmfb") == 0;
    }
    if (flag_value(arg, "tune", &value)) {
        o->tune = atof(value);
        return o->tune > 0;
    }
    if (strcmp(arg, "--tune") == 0)
        o->tune = 2;
    else if (flag_value(arg, "dump", &value))
        o->dump = value;
    else if (strncmp(arg, "-o=", 3) == 0)
        o->out = arg + 3;
    else if (strcmp(arg, "-v") == 0)
        o->verbose = true;
    else if (strcmp(arg, "--bf16-matmul") == 0)
        o->bf16_matmul = true;
    else if (strcmp(arg, "--stock-iree") == 0)
        o->stock_iree = TB_STOCK_ALWAYS;
    else if (strcmp(arg, "--no-stock-iree") == 0)
        o->stock_iree = TB_STOCK_NEVER;
    else if ((*arg != '-' || strcmp(arg, "-") == 0) && !o->in)
        o->in = arg;
    else
        return iree_flag(o, arg);
    return true;
}

static int
list_targets(void)
{
    size_t n;
    const tb_cpu_level *levels = tb_cpu_levels(&n);

    for (size_t i = 0; i < n; i++)
        printf("%s%s\n", levels[i].name,
               tb_cpu_host() && strcmp(levels[i].name, tb_cpu_host()->name) == 0
                   ? " (host)"
                   : "");
    return fflush(stdout) != 0;
}

int
main(int argc, char **argv)
{
    options o = {.terminal = isatty(STDERR_FILENO), .stock_iree = TB_STOCK_IF_SMALL};
    source s = {0};
    tb_buf bytes = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--list-targets") == 0)
            return list_targets();
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            o.out = argv[++i];
        } else if (!take_flag(&o, argv[i])) {
            fprintf(stderr, "turbine-compile: %s is not understood\n\n%s", argv[i],
                    usage);
            return 2;
        }
    }
    if (!o.in || !o.out) {
        fprintf(stderr, "turbine-compile: %s is missing\n\n%s",
                o.in ? "-o FILE" : "the name of a model", usage);
        return 2;
    }
    tb_status st = compile(&o, &s, &bytes);
    tb_buf_free(&bytes);
    tb_ctx_free(s.cx);
    return st ? call_failed("turbine-compile", st) : 0;
}

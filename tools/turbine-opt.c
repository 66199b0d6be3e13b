/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine-opt.c -- prints a model at one stage of the compiler.
 */
#include <stdlib.h>

#include "compiler.h"
#include "pass/pass.h"
#include "source.h"

static const char usage[] =
    "usage: turbine-opt [--stage=NAME] [--target=NAME,...] MODEL.mlir\n"
    "       turbine-opt --list\n"
    "\n"
    "Reads torch-dialect MLIR or graph text (- is standard input), runs the compiler up "
    "to\n"
    "a stage and prints the program there.\n"
    "\n"
    "  --stage=NAME       also --pass=NAME; default: unit\n"
    "  --list             the stages in order\n"
    "  --target=NAME,...  CPU levels; only from kernels on they matter\n"
    "  --data             stage unit: the bytes of large constants, so that the text can "
    "be\n"
    "                     compiled\n"
    "  --locations        stages unit and mlir: where each operation comes from\n"
    "  --elide=N          stage mlir: leave out constants of more than N elements\n"
    "  --help             this text\n";

static const struct {
    const char *name, *summary;
} stages_before[] =
    {
        {"mlir", "as torch-dialect text"},
        {"unit",
         "all functions, constants and symbols as graph text, which can be read again"},
        {"aten", "graphs of ATen operators"},
        {"decompose", "operators spelled in primitives"},
    },
  stages_behind[] = {
      {"group", "what becomes one kernel"},
      {"kernels", "loops"},
      {"program", "steps, memory plan"},
      {"llvm", "LLVM IR"},
      {"asm", "machine code"},
  };

typedef struct options {
    const char *in, *stage;
    source_targets targets;
    tb_print_flags flags;
    tb_mlir_options mlir;
} options;

static int
list(void)
{
    for (size_t i = 0; i < TB_COUNT(stages_before); i++)
        printf("%-12s %s\n", stages_before[i].name, stages_before[i].summary);
    for (uint32_t i = 0; tb_pass_name(i); i++)
        printf("%-12s %s\n", tb_pass_name(i), tb_pass_summary(i));
    for (size_t i = 0; i < TB_COUNT(stages_behind); i++)
        printf("%-12s %s\n", stages_behind[i].name, stages_behind[i].summary);
    return fflush(stdout) != 0;
}

typedef struct printing {
    const options *o;
    const tb_unit *u;
    tb_buf *out;
} printing;

static void
print_text(void *user)
{
    printing *p = user;

    if (strcmp(p->o->stage, "mlir") == 0)
        tb_mlir_print(p->u, &p->o->mlir, p->out);
    else
        tb_unit_print_with(p->u, p->o->flags, p->out);
}

static tb_status
print_stage(const options *o, source *s, tb_buf *out)
{
    tb_compile_options co = {.targets = o->targets.names, .n_targets = o->targets.n};
    printing p = {o, s->u, out};

    if (strcmp(o->stage, "mlir") == 0 || strcmp(o->stage, "unit") == 0)
        return tb_guard(s->cx, print_text, &p);
    return tb_compile_print(s->u, &co, o->stage, out);
}

static tb_status
run(const options *o, source *s, tb_buf *out)
{
    TRY(source_read(s, o->in));
    TRY(print_stage(o, s, out));
    if (out->failed)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the text");
    if (fwrite(out->at, 1, out->n, stdout) != out->n || fflush(stdout) != 0)
        return tb_status_make(TB_IO, "standard output cannot be written");
    return NULL;
}

static bool
take_flag(options *o, char *arg)
{
    const char *value;

    if (flag_value(arg, "stage", &value) || flag_value(arg, "pass", &value)) {
        o->stage = value;
    } else if (flag_value(arg, "target", &value)) {
        return source_add_targets(&o->targets, arg + (value - arg));
    } else if (flag_value(arg, "elide", &value)) {
        o->mlir.large_elements_limit = atoll(value);
    } else if (strcmp(arg, "--data") == 0) {
        o->flags |= TB_PRINT_DATA;
    } else if (strcmp(arg, "--locations") == 0) {
        o->flags |= TB_PRINT_LOCATIONS;
        o->mlir.locations = true;
    } else if ((*arg != '-' || strcmp(arg, "-") == 0) && !o->in) {
        o->in = arg;
    } else {
        return false;
    }
    return true;
}

int
main(int argc, char **argv)
{
    options o = {.stage = "unit", .mlir = {.large_elements_limit = -1}};
    source s = {0};
    tb_buf out = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--list") == 0)
            return list();
        if (!take_flag(&o, argv[i])) {
            fprintf(stderr, "turbine-opt: %s is not understood\n\n%s", argv[i], usage);
            return 2;
        }
    }
    if (!o.in) {
        fprintf(stderr, "turbine-opt: the name of a model is missing\n\n%s", usage);
        return 2;
    }
    tb_status st = run(&o, &s, &out);
    tb_buf_free(&out);
    tb_ctx_free(s.cx);
    return st ? call_failed("turbine-opt", st) : 0;
}

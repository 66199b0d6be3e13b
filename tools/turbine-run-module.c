/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine-run-module.c -- calls a function of a .vmfb once and prints, writes or compares
 * its results. Flags are those of iree-run-module.
 */
#include <stdlib.h>

#include "call.h"
#include "flags.h"
#include "npy.h"
#include "value_text.h"

static const char usage[] =
    "usage: turbine-run-module --module=FILE.vmfb [--function=NAME] [--input=VALUE]...\n"
    "\n"
    "Calls a function of a compiled module and prints its results.\n"
    "\n" CALL_USAGE
    "  --output=WHERE     one for each result: - prints it, @file.npy writes an array,\n"
    "                     +file.npy adds one to a file, @file the raw bytes, nothing\n"
    "                     leaves it out. Default: all are printed\n"
    "  --expected_output=VALUE    one for each result, as --input, or (ignored). Results\n"
    "                     are compared and not printed; the exit status is 1 if they differ\n"
    "  --expected_f16_threshold=X, --expected_f32_threshold=X, --expected_f64_threshold=X\n"
    "                     differences allowed: absolute below 1, relative above\n"
    "                     (0.001, 0.0001, 0.0001)\n"
    "  --output_max_element_count=N    elements printed of a result (1024)\n"
    "  --print_statistics    times and memory, to standard error\n"
    FLAGS_USAGE "  --help             this text\n"
    "\n"
    "Floats of tensors are printed so that reading them again gives the same value; numbers\n"
    "that a file of iree-compile returns by themselves as iree-run-module prints them.\n";

typedef struct options {
    const char *output[CALL_MAX], *expected[CALL_MAX];
    int n_output, n_expected;
    value_tolerance tolerance;
    int64_t max_elems;
    bool statistics;
} options;

static bool
number_flag(const char *arg, const char *name, double *out)
{
    const char *text;
    char *end;
    if (!flag_value(arg, name, &text))
        return false;
    *out = strtod(text, &end);
    return *text && *end == '\0';
}

static bool
take_flag(options *o, const char *arg)
{
    const char *value;
    double number;
    if (flag_value(arg, "output", &value) && o->n_output < CALL_MAX)
        o->output[o->n_output++] = value;
    else if (flag_value(arg, "expected_output", &value) && o->n_expected < CALL_MAX)
        o->expected[o->n_expected++] = value;
    else if (number_flag(arg, "output_max_element_count", &number))
        o->max_elems = (int64_t)number;
    else if (strcmp(arg, "--print_statistics") == 0 ||
             strcmp(arg, "--print_statistics=true") == 0)
        o->statistics = true;
    else
        return number_flag(arg, "expected_f16_threshold", &o->tolerance.f16) ||
               number_flag(arg, "expected_f32_threshold", &o->tolerance.f32) ||
               number_flag(arg, "expected_f64_threshold", &o->tolerance.f64) ||
               strcmp(arg, "--print_statistics=false") == 0;
    return true;
}

/* As iree-run-module prints it: a tensor below its kind, a number beside it. Which result it
 * is stands before it unless --output= has chosen it. */
static tb_status
print_result(const tool_call *c, int i, const options *o)
{
    const tb_tensor *t = &c->results[i];
    tb_buf text = {0};
    if (!o->n_output)
        tb_buf_printf(&text, "result[%d]: ", i);
    if (tb_program_result_is_number(c->module, c->fn, i)) {
        value_print_number(t, &text);
    } else {
        tb_buf_puts(&text, "hal.buffer_view\n");
        value_print(t, o->max_elems, &text);
    }
    tb_status st = NULL;
    if (text.failed)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory to print result %d", i);
    else
        printf("%.*s\n", (int)text.n, (char *)text.at);
    tb_buf_free(&text);
    return st;
}

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static tb_status
write_results(const tool_call *c, const options *o)
{
    if (o->n_output && o->n_output != c->n_results)
        return tb_status_make(TB_INVALID_ARGUMENT, "%d --output flags for %d results",
                              o->n_output, c->n_results);
    for (int i = 0; i < c->n_results; i++) {
        const tb_tensor *t = &c->results[i];
        const char *where = o->n_output ? o->output[i] : "-";
        if (strcmp(where, "-") == 0)
            TRY(print_result(c, i, o));
        else if (*where == '+')
            TRY(npy_append(where + 1, t));
        else if (*where == '@' && ends_with(where, ".npy"))
            TRY(npy_write(where + 1, t));
        else if (*where == '@')
            TRY(tb_file_write(where + 1, t->data, t->bytes));
        else if (*where)
            TRY(tb_file_write(where, t->data, t->bytes));
    }
    return NULL;
}

/* *differ gets the number of results that are not as expected. */
static tb_status
compare_results(const tool_call *c, const options *o, int *differ)
{
    if (o->n_expected != c->n_results)
        return tb_status_make(TB_INVALID_ARGUMENT, "%d --expected_output flags for %d results",
                              o->n_expected, c->n_results);
    for (int i = 0; i < c->n_results; i++) {
        tb_value_info info;
        tb_tensor want = {0};
        tb_buf why = {0};
        if (strcmp(o->expected[i], "(ignored)") == 0)
            continue;
        tb_program_result_info(c->module, c->fn, i, &info);
        TRY(value_parse(o->expected[i], &info, &want));
        if (!value_same(&c->results[i], &want, &o->tolerance, &why)) {
            printf("[FAILED] result[%d]: %.*s\n", i, (int)why.n, (char *)why.at);
            ++*differ;
        }
        tb_buf_free(&why);
        tb_tensor_release(&want);
    }
    if (*differ == 0)
        printf("[SUCCESS] all function outputs matched their expected values.\n");
    return NULL;
}

static void
print_statistics(const tool_call *c, double seconds)
{
    size_t bytes = 0;
    for (int i = 0; i < c->n_results; i++)
        bytes += c->results[i].bytes;
    fprintf(stderr,
            "target            %s\n"
            "device            %s, %d workers\n"
            "load              %.3f ms\n"
            "first call        %.3f ms\n"
            "transient memory  %zu bytes\n"
            "results           %zu bytes\n",
            tb_program_target(c->module), tb_device_name(c->device),
            tb_device_workers(c->device), c->load_seconds * 1e3, seconds * 1e3,
            tb_instance_transient_bytes(c->session, c->fn), bytes);
}

static tb_status
run(tool_call *c, const options *o, int *differ)
{
    TRY(call_open(c));
    TRY(call_inputs(c, false));
    if (!o->n_output && !o->n_expected)
        printf("EXEC @%s\n", tb_program_function_name(c->module, c->fn));
    double begin = call_now();
    TRY(call_run(c));
    double seconds = call_now() - begin;
    if (o->n_output || !o->n_expected)
        TRY(write_results(c, o));
    if (o->n_expected)
        TRY(compare_results(c, o, differ));
    if (o->statistics)
        print_statistics(c, seconds);
    return NULL;
}

int
main(int argc, char **argv)
{
    static tool_call c;
    static options o = {.tolerance = {1e-3, 1e-4, 1e-4}, .max_elems = 1024};
    int differ = 0;
    argv = flags_expand("turbine-run-module", &argc, argv);
    if (!argv)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (flags_listed(argv[i]))
            return fflush(stdout) != 0;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (!call_flag(&c, argv[i]) && !take_flag(&o, argv[i])) {
            fprintf(stderr, "turbine-run-module: %s is not understood\n\n%s", argv[i], usage);
            return 2;
        }
    }
    tb_status st = run(&c, &o, &differ);
    call_close(&c);
    if (st)
        return call_failed("turbine-run-module", st);
    return differ != 0 || fflush(stdout) != 0;
}

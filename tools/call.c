/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* call.c -- from flags to a session with inputs. */
#include "call.h"

#include <stdlib.h>
#include <time.h>

#include "hal/hal.h"
#include "value_text.h"

bool
flag_value(const char *arg, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncmp(arg, "--", 2) != 0 || strncmp(arg + 2, name, n) != 0 || arg[2 + n] != '=')
        return false;
    *value = arg + 3 + n;
    return true;
}

bool
call_flag(tool_call *c, const char *arg)
{
    const char *value;
    if (flag_value(arg, "module", &c->module_path) ||
        flag_value(arg, "function", &c->function) || flag_value(arg, "device", &c->device_uri))
        return true;
    if (flag_value(arg, "module_mode", &value)) {
        c->preload = strcmp(value, "preload") == 0;
        return c->preload || strcmp(value, "mmap") == 0;
    }
    if (flag_value(arg, "parameter_mode", &value)) /* they are mapped */
        return strcmp(value, "file") == 0 || strcmp(value, "mmap") == 0;
    if (flag_value(arg, "task_topology_group_count", &value) ||
        flag_value(arg, "task_topology_max_group_count", &value)) {
        c->workers = atoi(value);
        return c->workers > 0;
    }
    if (flag_value(arg, "parameters", &value)) {
        if (c->n_parameters == CALL_MAX_FILES)
            return false;
        c->parameters[c->n_parameters++] = value;
        return true;
    }
    if (!flag_value(arg, "input", &value))
        return false;
    if (c->n_input_text < CALL_MAX)
        c->input_text[c->n_input_text++] = value;
    return true;
}

double
call_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static tb_status
load(tool_call *c)
{
    tb_buf b = {0};
    if (!c->module_path)
        return tb_status_make(TB_INVALID_ARGUMENT, "no module given; --module=FILE.vmfb does");
    bool from_stdin = strcmp(c->module_path, "-") == 0;
    if (!from_stdin && !c->preload)
        return tb_program_load_file(c->module_path, 0, &c->module);
    TRY(tb_file_read(from_stdin ? "/dev/stdin" : c->module_path, &b));
    tb_status st = tb_program_load_memory(b.at, b.n, TB_LOAD_COPY, NULL, NULL, &c->module);
    tb_buf_free(&b);
    return st;
}

static tb_status
add_file(tb_params *p, const char *scope, const char *path)
{
    size_t n = strlen(path);
    bool irpa = n > 5 && strcmp(path + n - 5, ".irpa") == 0;
    return irpa ? tb_hal_add_irpa(p, scope, path) : tb_params_add_file(p, scope, path);
}

/* "scope=file"; a file's name may have a = behind a slash. */
static tb_status
add_parameters(tool_call *c, const char *text)
{
    const char *equals = strchr(text, '='), *slash = strchr(text, '/');
    char scope[256];
    size_t n = equals ? (size_t)(equals - text) : 0;
    if (!equals || (slash && slash < equals))
        return add_file(c->params, NULL, text);
    if (n >= sizeof scope)
        return tb_status_make(TB_INVALID_ARGUMENT, "--parameters=%s: the scope is too long",
                              text);
    memcpy(scope, text, n);
    scope[n] = '\0';
    return add_file(c->params, scope, equals + 1);
}

static tb_status
load_parameters(tool_call *c)
{
    if (c->n_parameters)
        TRY(tb_params_create(&c->params));
    for (int i = 0; i < c->n_parameters; i++)
        TRY(add_parameters(c, c->parameters[i]));
    return NULL;
}

static tb_status
find_function(tool_call *c)
{
    tb_buf names = {0};
    int n = tb_program_function_count(c->module);
    c->fn = c->function ? tb_program_find_function(c->module, c->function) : n == 1 ? 0 : -1;
    if (c->fn >= 0)
        return NULL;
    for (int i = 0; i < n; i++)
        tb_buf_printf(&names, "%s%s", i ? ", " : "", tb_program_function_name(c->module, i));
    tb_buf_put(&names, "", 1);
    tb_status st = tb_status_make(
        TB_NOT_FOUND, c->function ? "no function '%s'; the module has %s"
                                  : "%sthe module has several functions, choose one with "
                                    "--function=: %s",
        c->function ? c->function : "", names.failed ? "?" : (char *)names.at);
    tb_buf_free(&names);
    return st;
}

tb_status
call_open(tool_call *c)
{
    double begin = call_now();
    TRY(load(c));
    TRY(load_parameters(c));
    c->load_seconds = call_now() - begin;
    TRY(find_function(c));
    const char *uri = c->device_uri ? c->device_uri : "local-task";
    TRY(tb_device_create(uri, c->workers, &c->device));
    tb_session_options o = {.device = c->device, .params = c->params};
    TRY(tb_instance_create(c->module, &o, &c->session));
    c->n_results = tb_program_result_count(c->module, c->fn);
    if (c->n_results > CALL_MAX || tb_program_input_count(c->module, c->fn) > CALL_MAX)
        return tb_status_make(TB_UNSUPPORTED, "more than %d inputs or results", CALL_MAX);
    return NULL;
}

/* Numbers between 0 and 1, small integers; always the same. Dynamic sizes have no obvious
 * value, so they must be given. */
static tb_status
make_up_input(tool_call *c, int i)
{
    tb_value_info info;
    tb_tensor t = {0};
    tb_program_input_info(c->module, c->fn, i, &info);
    t.dtype = info.dtype;
    t.rank = info.rank;
    if (info.dtype == TB_NONE)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "input %d: the module does not say its type: give it with --input=",
                              i);
    for (int d = 0; d < info.rank; d++) {
        t.dims[d] = info.dims[d];
        if (info.dims[d] < 0)
            return tb_status_make(TB_INVALID_ARGUMENT,
                                  "input %d '%s' has a dynamic size: give it with --input=", i,
                                  info.name);
    }
    TRY(value_allocate(&t));
    int64_t n = value_elems(&t);
    uint32_t random = 1;
    for (int64_t k = 0; k < n; k++) {
        random = random * 1664525 + 1013904223;
        float f = (float)(random >> 8) * 0x1p-24f;
        double d = (double)f;
        uint16_t h = t.dtype == TB_F16 ? tb_f32_to_f16(f) : tb_f32_to_bf16(f);
        if (t.dtype == TB_F32)
            ((float *)t.data)[k] = f;
        else if (t.dtype == TB_F64)
            ((double *)t.data)[k] = d;
        else if (tb_dtype_is_float(t.dtype))
            ((uint16_t *)t.data)[k] = h;
        else if (!tb_dtype_is_complex(t.dtype))
            ((uint8_t *)t.data)[(size_t)k * tb_dtype_bytes(t.dtype)] = random >> 31;
    }
    c->inputs[c->n_inputs++] = t;
    return NULL;
}

tb_status
call_inputs(tool_call *c, bool make_up)
{
    int want = tb_program_input_count(c->module, c->fn);
    if (c->n_input_text == 0 && make_up) {
        for (int i = 0; i < want; i++)
            TRY(make_up_input(c, i));
        return NULL;
    }
    for (int i = 0; i < c->n_input_text; i++) {
        tb_value_info info;
        tb_program_input_info(c->module, c->fn, i, &info);
        TRY(value_parse(c->input_text[i], &info, &c->inputs[i]));
        c->n_inputs = i + 1;
    }
    return NULL;
}

tb_status
call_run(tool_call *c)
{
    return tb_instance_call(c->session, c->fn, c->inputs, c->n_inputs, c->results,
                           c->n_results);
}

void
call_close(tool_call *c)
{
    for (int i = 0; i < c->n_inputs; i++)
        tb_tensor_release(&c->inputs[i]);
    for (int i = 0; i < c->n_results && i < CALL_MAX; i++)
        tb_tensor_release(&c->results[i]);
    tb_instance_destroy(c->session);
    tb_params_release(c->params);
    tb_device_release(c->device);
    tb_program_release(c->module);
}

int
call_failed(const char *tool, tb_status st)
{
    fprintf(stderr, "%s: %s\n", tool, tb_status_message(st));
    tb_status_free(st);
    return 1;
}

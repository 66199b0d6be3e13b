/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* call.h -- what the tools that call functions have in common: a module, one of its
 * functions, a session and inputs, from flags spelled as IREE's tools spell them. */
#pragma once
#include "base/base.h"
#include "guest/guest.h"

enum { CALL_MAX = 1024 /* inputs or results */, CALL_MAX_FILES = 64 };

typedef struct tool_call {
    /* from flags */
    const char *module_path, *function, *device_uri;
    bool preload; /* the module is read, not mapped */
    int workers;  /* 0: as many as the process may use */
    const char *input_text[CALL_MAX];
    int n_input_text;
    const char *parameters[CALL_MAX_FILES]; /* "scope=file" or "file" */
    int n_parameters;
    /* made by call_open */
    tb_program *module;
    tb_device *device;
    tb_params *params;
    tb_instance *session;
    int fn, n_inputs, n_results;
    tb_tensor inputs[CALL_MAX], results[CALL_MAX];
    double load_seconds;
} tool_call;

/* If arg is "--name=value", *value gets the value. */
bool flag_value(const char *arg, const char *name, const char **value);
/* Takes the flags of CALL_USAGE; false if arg is none of them, or its value makes no sense. */
bool call_flag(tool_call *c, const char *arg);
#define CALL_USAGE                                                                       \
    "  --module=FILE      a .vmfb file, also one of iree-compile for llvm-cpu (IREE 3.13);\n"  \
    "                     - reads standard input\n"                                     \
    "  --function=NAME    may be left out if the module has one function\n"              \
    "  --input=VALUE      one for each input, in order:\n"                               \
    "                       --input=4xf32=1,2,3,4   --input=\"2x2xi64=[1 2][3 4]\"\n"    \
    "                       --input=4x4xf32=0.5 (all alike)   --input=@file.npy\n"       \
    "  --parameters=[SCOPE=]FILE    parameters that the module does not hold, .safetensors or\n"  \
    "                     .irpa; may be repeated. Without a scope they serve any\n"       \
    "  --device=URI       local-sync, local-task (default), local-task://?workers=4\n"  \
    "  --task_topology_group_count=N    workers of local-task\n"                         \
    "  --module_mode=mmap|preload, --parameter_mode=file|mmap    how files are read (mmap)\n"

/* Loads the module, finds the function, makes the session. */
tb_status call_open(tool_call *c) TB_MUST_CHECK;
/* Reads the inputs; without any --input and `make_up` set, invents them. */
tb_status call_inputs(tool_call *c, bool make_up) TB_MUST_CHECK;
tb_status call_run(tool_call *c) TB_MUST_CHECK;
void call_close(tool_call *c);
double call_now(void); /* seconds */
/* Prints and frees; returns the exit status 1. */
int call_failed(const char *tool, tb_status st);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * guest.h -- turbine/runtime.h for files of two kinds: our own, and what `iree-compile` makes
 * (src/vm runs it over src/hal). What the tools and Python call.
 *
 *   program.c   loading, and which kind a file is; what it says about its functions
 *   declare.c   types of a function of IREE's, from its declaration
 *   instance.c  sessions, calls
 *   dump.c      a file of iree-compile as text
 *
 * A file with a plan of ours is ours, whatever else it holds. Ownership, threads and errors
 * are those of turbine/runtime.h; a function of our own is called as directly as there.
 */
#pragma once
#include "turbine/runtime.h"
#include "vm/vm.h"

/* ---- program.c ---- */
typedef struct tb_program tb_program; /* as a tb_module */
tb_status tb_program_load_file(const char *path, int flags, tb_program **out) TB_MUST_CHECK;
tb_status tb_program_load_memory(const void *bytes, size_t n, int flags,
                                 void (*release)(void *user), void *user,
                                 tb_program **out) TB_MUST_CHECK;
/* Whether bytes are a file of IREE's and not one of ours; cheap, nothing else is checked. */
bool tb_program_is_guest(const void *bytes, size_t n);
tb_program *tb_program_retain(tb_program *p);
void tb_program_release(tb_program *p); /* NULL is fine */
tb_module *tb_program_own(const tb_program *p);     /* NULL if it is IREE's */
tb_vm_module *tb_program_guest(const tb_program *p); /* NULL if it is ours */
const char *tb_program_name(const tb_program *p);
const char *tb_program_target(const tb_program *p); /* "iree" for theirs */
int tb_program_function_count(const tb_program *p);
int tb_program_find_function(const tb_program *p, const char *name);
const char *tb_program_function_name(const tb_program *p, int fn);
const char *tb_program_function_attr(const tb_program *p, int fn, const char *key);
int tb_program_input_count(const tb_program *p, int fn);
int tb_program_result_count(const tb_program *p, int fn);
/* A type that a file of IREE's does not tell is TB_NONE, with TB_MAX_RANK open dimensions. */
void tb_program_input_info(const tb_program *p, int fn, int i, tb_value_info *out);
void tb_program_result_info(const tb_program *p, int fn, int i, tb_value_info *out);
/* A number by itself (i32, i64, f32, f64 of IREE's), which calls give as a tensor of rank 0. */
bool tb_program_result_is_number(const tb_program *p, int fn, int i);
/* Calls leave something behind: instances are not alike. Of IREE's nobody knows. */
bool tb_program_has_state(const tb_program *p);

/* ---- instance.c ---- */
typedef struct tb_instance tb_instance; /* as a tb_session */
/* options->allocator serves our own files only. */
tb_status tb_instance_create(tb_program *p, const tb_session_options *options,
                             tb_instance **out) TB_MUST_CHECK;
void tb_instance_destroy(tb_instance *s); /* NULL is fine */
tb_session *tb_instance_own(const tb_instance *s); /* NULL if it is IREE's */
tb_status tb_instance_call(tb_instance *s, int fn, const tb_tensor *inputs, int n_inputs,
                           tb_tensor *results, int n_results) TB_MUST_CHECK;
size_t tb_instance_transient_bytes(const tb_instance *s, int fn);

/* ---- dump.c ---- */
/* All of a module of IREE's: what it says about itself, functions of its executables,
 * instructions. Fails if an executable is damaged; out may be NULL, to find out whether one is. */
tb_status tb_guest_dump(const tb_vm_module *m, tb_buf *out) TB_MUST_CHECK;

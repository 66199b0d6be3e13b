/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * binding.h -- the Python extension `shark_turbine._compiler`: private declarations.
 *
 * A skin over graph.h, op.h, mlir.h and compiler.h for the importer in Python, on the
 * stable ABI of Python 3.11. Objects:
 *
 *   Unit      a tb_unit with its context, and the Python owners of borrowed constants.
 *   Function  a function of a unit: adds nodes.
 *   Value     a tensor in a function's body.
 *   Dim       a size that is not a constant; arithmetic gives Dim or int.
 *   Artifact  the bytes of a .vmfb, aligned to 64 bytes; speaks the buffer protocol.
 *
 * The graph raises by longjmp, so whatever may raise runs inside guard(), which turns a
 * raise into a Python exception; nothing inside it touches Python objects. The GIL is held
 * except while compiling and evaluating; the unit is marked busy then.
 */
#pragma once
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "compiler.h"
#include "graph/graph.h"
#include "op/op.h"

typedef struct unit_obj {
    PyObject_HEAD
    tb_unit *u;
    PyObject *owners; /* list: what keeps borrowed constants alive */
    int busy;         /* compiling or evaluating without the GIL */
} unit_obj;

typedef struct function_obj {
    PyObject_HEAD
    unit_obj *unit;
    uint32_t index; /* in u->funcs, which moves as it grows; NO_FUNCTION: a graph inside */
    uint32_t graph; /* in u->graphs */
    uint32_t n_inputs;
    tb_graph *g;
} function_obj;
#define NO_FUNCTION UINT32_MAX

typedef struct value_obj {
    PyObject_HEAD
    unit_obj *unit;
    tb_graph *g;
    tb_val v;
} value_obj;

typedef struct dim_obj {
    PyObject_HEAD
    unit_obj *unit;
    tb_dim d;
} dim_obj;

extern PyTypeObject *unit_type, *function_type, *value_type, *dim_type, *artifact_type;

/* Each file adds its type to the module; 0 or -1. */
int unit_init(PyObject *module);
int function_init(PyObject *module);
int dim_init(PyObject *module);
int value_init(PyObject *module);
int artifact_init(PyObject *module);
PyTypeObject *add_type(PyObject *module, PyType_Spec *spec);

/* ---- unit.c ---- */
/* Runs fn(arg) under tb_guard. 0, or -1 with an exception. */
int guard(unit_obj *unit, void (*fn)(void *arg), void *arg);
/* 0, or -1 with an exception, if another thread is compiling the unit. */
int unit_usable(unit_obj *unit);
/* Sets the exception of a failed status and frees the status. */
void raise_status(tb_status st);
/* A unit object around a unit (and its context), which it then owns. */
PyObject *unit_wrap(tb_unit *u);
PyObject *text_from_buf(tb_buf *b); /* a str; frees the buffer */
/* ---- function.c ---- */
PyObject *function_new(unit_obj *unit, const char *name, int exported);
PyObject *value_wrap(function_obj *f, tb_val v);
/* A list; None where there is no value. */
PyObject *values_wrap(function_obj *f, const tb_val *v, uint32_t n);
int value_from(function_obj *f, PyObject *o, tb_val *out);
/* (file, line, function, module path) or None */
int location_from(unit_obj *unit, PyObject *o, tb_location *out);
/* A sequence of (dtype, dims) or None; NULL with an exception. */
tb_type *types_from(unit_obj *unit, PyObject *types, uint32_t *n);

/* ---- control.c: methods of Function ---- */
PyObject *function_graph(PyObject *self, PyObject *unused);
PyObject *function_control(PyObject *self, PyObject *args);

/* ---- dim.c ---- */
PyObject *dim_wrap(unit_obj *unit, tb_dim d); /* an int if constant */
int dim_from(unit_obj *unit, PyObject *o, tb_dim *out); /* int, Dim; None = unknown */
/* A sequence of sizes; at most TB_MAX_RANK. The number of them, or -1. */
int dims_from(unit_obj *unit, PyObject *o, tb_dim *out);
PyObject *dims_wrap(unit_obj *unit, const tb_dim *dims, int rank);

/* ---- args.c: Python values as tb_arg, allocated in the unit's arena ---- */
/* The UTF-8 of a str, copied. */
int str_from(unit_obj *unit, PyObject *o, tb_str *out);
int dtype_from(PyObject *o, tb_dtype *out);      /* "f32" */
int type_from(unit_obj *unit, PyObject *o, tb_type *out); /* (dtype, dims), or None */
int arg_from(function_obj *f, PyObject *o, tb_arg *out);
int args_from(function_obj *f, PyObject *sequence, const tb_arg **out, uint32_t *n);

/* ---- compile.c ---- */
PyObject *unit_compile(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *unit_print_stage(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *unit_mlir(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *module_parse_mlir(PyObject *module, PyObject *args);
PyObject *module_parse_text(PyObject *module, PyObject *args);

/* ---- artifact.c ---- */
PyObject *artifact_from_buf(tb_buf *b); /* frees the buffer */

/* ---- evaluate.c ---- */
PyObject *unit_evaluate(PyObject *self, PyObject *args, PyObject *kwargs);

/* ---- ops.c ---- */
PyObject *module_ops(PyObject *module, PyObject *unused);
PyObject *module_stages(PyObject *module, PyObject *unused);
PyObject *module_lookup(PyObject *module, PyObject *name);
PyObject *module_host_level(PyObject *module, PyObject *unused);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print.h -- the way out: what the files named print* share.
 */
#pragma once
#include "mlir/mlir.h"

/* A name that is given out; text without the sigil. */
typedef struct ml_taken {
    tb_str name;
} ml_taken;

/* A constant or size that the function has computed already. */
typedef struct ml_known {
    uint64_t hash;
    tb_str key, name;
} ml_known;

typedef struct ml_printer {
    const tb_unit *u;
    tb_unit *sizes; /* the same: size arithmetic interns, but changes no meaning */
    tb_ctx *cx;
    const tb_mlir_options *o;
    tb_buf *out;
    /* of the module */
    TB_VEC(tb_str) global_names;
    TB_VEC(tb_str) blob_names; /* of each constant, "" = not needed */
    TB_VEC(tb_str) external_names;
    /* of the function being printed */
    const tb_func *f;
    const tb_graph *g;
    tb_str *names;      /* of each node */
    tb_str *sym_names;  /* of each symbol's torch.symbolic_int, "" = not there */
    tb_str *sym_values; /* !torch.int value of each symbol, "" = not there yet */
    TB_VEC(ml_taken) taken;
    tb_map taken_names;
    TB_VEC(ml_known) known;
    tb_map known_keys;
    tb_str *arg_names;
    bool *int_args;                       /* printed as !torch.int */
    uint32_t *first_result, *next_result; /* nodes that take a call's results */
    tb_loc loc;
    uint32_t numbers; /* next %n */
    uint32_t depth;   /* of bodies, for the indentation */
    bool inside;      /* the body of a branch or a loop: inputs have names already */
} ml_printer;

#define ML_PUT(p, ...) tb_buf_printf((p)->out, __VA_ARGS__)

/* ---- print.c ---- */
void tb_ml_lacks(ml_printer *p, const char *what) TB_NORETURN;
/* A name like `base` that nothing else has; "" gives the next number. */
tb_str tb_ml_name(ml_printer *p, tb_str base);
void tb_ml_put_string(ml_printer *p, tb_str s);
/* @name, quoted where it must be */
void tb_ml_put_symbol(ml_printer *p, tb_str s);
bool tb_ml_is_bare(tb_str s);
/* The end of a line, and how far the next one is moved in beyond what it says itself. */
void tb_ml_newline(ml_printer *p);
/* The end of an operation's line, with its location. */
void tb_ml_end(ml_printer *p);

/* ---- print_func.c ---- */
void tb_ml_index_results(ml_printer *p); /* fills first_result, next_result for p->g */
void tb_ml_put_func(ml_printer *p, const tb_func *f);

/* ---- print_node.c ---- */
void tb_ml_put_node(ml_printer *p, tb_val v);
/* The !torch.bool of a tensor of rank 0 that is called `name`; its name. */
tb_str tb_ml_put_bool(ml_printer *p, tb_str name, tb_val v);

/* ---- print_control.c ---- */
/* cond, while, call */
void tb_ml_put_control(ml_printer *p, tb_val v);

/* ---- print_value.c ---- */
void tb_ml_put_dtype(ml_printer *p, tb_dtype t, bool builtin);
/* !torch.vtensor<[2,?],f32> */
void tb_ml_put_type(ml_printer *p, tb_dtype t, int rank, const tb_dim *dims);
void tb_ml_put_type_as(ml_printer *p, const char *what, tb_dtype t, int rank,
                       const tb_dim *dims);
void tb_ml_put_node_type(ml_printer *p, tb_val v);
/* tensor<2x3xf32>, with signs as vtensor has them unless builtin */
void tb_ml_put_tensor_type(ml_printer *p, tb_dtype t, int rank, const int64_t *dims,
                           bool builtin);
/* The torch.constant or the arithmetic, printed if it was not yet; its name. */
tb_str tb_ml_int_value(ml_printer *p, int64_t i);
tb_str tb_ml_float_value(ml_printer *p, double f);
tb_str tb_ml_bool_value(ml_printer *p, bool b);
tb_str tb_ml_none_value(ml_printer *p);
tb_str tb_ml_dim_value(ml_printer *p, tb_dim d);
/* An argument of the schema type given ("" if not known); its name, and its type. */
tb_str tb_ml_arg_value(ml_printer *p, const tb_arg *a, tb_str type, tb_str *mlir_type);
/* torch.bind_symbolic_shape, if the sizes need and allow it. */
void tb_ml_put_bind(ml_printer *p, tb_str name, tb_dtype t, int rank, const tb_dim *dims);

/* ---- print_const.c ---- */
/* Names for the blobs that the module needs. */
void tb_ml_name_blobs(ml_printer *p);
/* dense<...> or dense_resource<...> with its type */
void tb_ml_put_elements(ml_printer *p, uint32_t index, bool builtin);
/* The same for one value in all places. */
void tb_ml_put_splat(ml_printer *p, tb_dtype t, int rank, const int64_t *dims,
                     int64_t word, bool builtin);
void tb_ml_put_const(ml_printer *p, tb_str name, uint32_t index);
void tb_ml_put_blobs(ml_printer *p);
void tb_ml_put_float(ml_printer *p, double d);

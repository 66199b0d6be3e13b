/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * import.h -- the second step of reading: records to nodes.
 *
 * A value of the text becomes what an argument of an operator can be (tb_arg): a node for
 * a tensor, a size expression for an integer, a number, a string, a list. Two kinds are
 * not: a comparison of sizes that is not decided yet, and a tensor that may be overwritten.
 */
#pragma once
#include "mlir/text.h"

typedef enum ml_compare {
    ML_C_NONE, /* the value is arg */
    ML_C_EQ,
    ML_C_NE,
    ML_C_LT,
    ML_C_LE
} ml_compare;

typedef struct ml_value {
    tb_arg arg;
    ml_compare compare; /* a truth value: a <op> b */
    tb_dim a, b;
    uint32_t cell;       /* number of the mutable tensor + 1; arg is not used then */
    const ml_op *symbol; /* torch.symbolic_int whose symbol is made when first used */
} ml_value;

/* What a first look at a body says about a value. */
typedef struct ml_hint {
    tb_str name;
    uint32_t number;
    const ml_op *def;    /* where it is computed; NULL for arguments */
    const ml_op *bind;   /* torch.bind_symbolic_shape */
    const ml_op *unpack; /* torch.prim.ListUnpack of it */
    bool sized;          /* its sizes are read */
    uint32_t n_items;    /* of a list: the greatest index read + 1 */
} ml_hint;

/* Names of one body. */
typedef struct ml_scope {
    TB_VEC(ml_hint) hints;
    tb_map hint_names;
    struct {
        tb_str name;
        uint32_t first, count; /* in values */
    } *names;
    uint32_t n_names, cap_names;
    tb_map seen;
    TB_VEC(ml_value) values;
    struct ml_scope *outer; /* of a region, or NULL */
    struct ml_inner *inner; /* the region is a graph of its own (control.c), or NULL */
} ml_scope;

/* A tensor that may be overwritten. */
typedef struct ml_cell {
    tb_val now;
    int32_t arg; /* of the function, or -1 */
    bool changed;
} ml_cell;

/* util.global: one that is never written is its initial value. */
typedef struct ml_global {
    tb_str name;
    bool is_const;
    uint32_t index; /* of the constant or of the unit's global */
} ml_global;

typedef struct ml_importer {
    ml_parser *p;
    tb_ctx *cx;
    tb_unit *u;
    tb_graph *g;
    ml_scope *scope;
    const ml_op *op;     /* being imported */
    const ml_func *func; /* into whose body; NULL within called functions */
    tb_dim *arg_dims;    /* symbols of integer arguments, 0 = none yet */
    bool in_arguments;   /* making the symbols of arguments */
    TB_VEC(ml_cell) cells;
    TB_VEC(ml_value) returned; /* operands of the return */
    TB_VEC(ml_global) globals;
    int inline_depth;
    uint32_t budget; /* operations that may still be imported by calls */
    uint32_t fresh;  /* symbols made for sizes without a name */
} ml_importer;

#define ML_FAIL(im, ...) tb_ml_fail((im)->p, (im)->op->place, __VA_ARGS__)
void tb_ml_unsupported(const ml_importer *im, const char *what) TB_NORETURN;

/* ---- import.c ---- */
ml_value *tb_ml_find(ml_importer *im, const ml_use *u);
/* Result number k of the current operation. */
void tb_ml_define(ml_importer *im, uint32_t k, ml_value v);
const ml_hint *tb_ml_hint(const ml_importer *im, tb_str name, uint32_t number);
const ml_hint *tb_ml_result_hint(const ml_importer *im, uint32_t k);
/* The type of result k, with symbols where sizes have a name or are read. */
tb_type tb_ml_result_type(ml_importer *im, const ml_type *t, const ml_hint *hint);
void tb_ml_call(ml_importer *im, tb_str name, const ml_value *in, uint32_t n);
void tb_ml_add_name(ml_importer *im, tb_str name, uint32_t count, ml_place at);
/* The first look, which fills the scope's hints. */
void tb_ml_look_at(ml_importer *im, const ml_op *op);
tb_loc tb_ml_op_loc(const ml_importer *im, const ml_op *op);
void tb_ml_import_op(ml_importer *im, const ml_op *op);
/* Up to the return, whose operands go to im->returned. */
void tb_ml_import_body(ml_importer *im, const ml_block *b);
bool tb_ml_is_call(tb_str name);
tb_str tb_ml_callee(const ml_op *op);

/* ---- ops.c ---- */
/* The symbol of torch.symbolic_int. */
tb_dim tb_ml_symbol(ml_importer *im, const ml_op *op, tb_sym_kind kind);
tb_str tb_ml_plain_name(ml_importer *im, tb_str s); /* as symbols can be called */
typedef void ml_handler(ml_importer *im, const ml_value *in, uint32_t n);
/* The handler of an operation that is not an ATen operator, or NULL. */
ml_handler *tb_ml_handler(tb_str name);

/* ---- lists.c ---- */
ml_handler *tb_ml_list_handler(tb_str name);
/* The first operand, which must be a tensor. */
tb_val tb_ml_need_tensor(ml_importer *im, const ml_value *in, uint32_t n);

/* ---- control.c ---- */
ml_handler *tb_ml_control_handler(tb_str name);
/* A value from outside as the graph of a body sees it. */
ml_value *tb_ml_captured(ml_importer *im, struct ml_inner *in, const ml_value *outside);

/* ---- compare.c ---- */
ml_handler *tb_ml_compare_handler(tb_str name);
ml_value tb_ml_compare_ints(ml_importer *im, ml_compare how, const ml_value *x,
                            const ml_value *y);

/* ---- scalar.c ---- */
ml_handler *tb_ml_scalar_handler(tb_str name);
/* Raises if there are fewer than `want` operands. */
void tb_ml_takes(const ml_importer *im, uint32_t n, uint32_t want);
bool tb_ml_is_int(const ml_value *v);
bool tb_ml_known(const ml_value *v, double *out);     /* a number that is known now */
/* The integer in a tensor of rank 0, as a symbol; `name` is the value's. */
tb_dim tb_ml_item(ml_importer *im, tb_val x, tb_str name);
tb_val tb_ml_f64(ml_importer *im, const ml_value *v); /* of rank 0 */
ml_value tb_ml_none(void);
ml_value tb_ml_tensor(tb_val v);
ml_value tb_ml_of_dim(tb_dim d);
ml_value tb_ml_of_float(double f);
ml_value tb_ml_of_bool(bool b);
/* As an argument of an operator. */
tb_arg tb_ml_arg(ml_importer *im, const ml_value *v);
tb_val tb_ml_tensor_of(ml_importer *im, const ml_value *v);
tb_dim tb_ml_dim_of(ml_importer *im, const ml_value *v);
/* A number or truth value as a tensor of rank 0. */
tb_val tb_ml_rank0(ml_importer *im, const ml_value *v);
/* Sizes of an affine map for the operands given. */
tb_dim tb_ml_affine(ml_importer *im, const ml_affine *e, const tb_dim *symbols,
                    uint32_t n);
/* compare.c: what holds from here on: equal sizes, the range of a symbol. Whether the start of a call
 * checks that; otherwise the program must. */
bool tb_ml_assume(ml_importer *im, const ml_value *cond);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * text.h -- what the files of this folder share.
 *
 *   lex.c      characters to tokens; messages with positions
 *   types.c    types
 *   attrs.c    attributes, affine maps, locations
 *   syntax.c   operations, functions, resources: text to the records below
 *   import_func.c   records to a unit: functions, globals
 *   import.c        bodies: values, types, ATen operators
 *   ops.c, lists.c  operations that are not ATen operators
 *   control.c       branches and loops
 *   scalar.c, compare.c   integers to sizes, other numbers and truth values
 *   literal.c  dense<...> and resource blobs to bytes
 *   bytecode*.c  MLIR's bytecode to text (bytecode.h)
 *   print*.c   a unit to text
 *
 * Reading is in two steps, because a function's text is not in the order in which we need
 * it: shapes are bound to symbols behind their values, blobs stand at the end of the file,
 * and so do locations. The records live in the scratch arena and point into the text.
 */
#pragma once
#include "mlir/mlir.h"

enum {
    ML_MAX_DEPTH = 64,    /* of nested types, attributes, regions, expressions */
    ML_MAX_RESULTS = 4096 /* of one operation, `%0:n` */
};

/* ---- tokens ---- */
typedef enum ml_token_kind {
    ML_END,
    ML_WORD,   /* func.func, f32, true */
    ML_VALUE,  /* %0; the text is without the sigil, here and below */
    ML_SYMBOL, /* @main, @"two words" */
    ML_HASH,   /* #loc1, #1 */
    ML_TYPE,   /* !torch.vtensor */
    ML_BLOCK,  /* ^bb0 */
    ML_INT,    /* 12, 0x1F */
    ML_FLOAT,
    ML_STRING, /* the text is between the quotes, escapes as written */
    ML_ARROW,
    ML_META_BEGIN, /* {-# */
    ML_META_END,   /* #-} */
    ML_CHAR
} ml_token_kind;

typedef struct ml_place {
    uint32_t line, col;
} ml_place;

typedef struct ml_token {
    ml_token_kind kind;
    char c; /* of ML_CHAR */
    tb_str text;
    ml_place place;
} ml_token;

struct ml_attr;
struct ml_loc;
struct ml_resource;
struct ml_func;
typedef struct ml_alias {
    tb_str name;
    const struct ml_attr *attr; /* one of the three */
    const struct ml_type *type;
    const struct ml_loc *loc;
} ml_alias;

typedef struct ml_parser {
    tb_ctx *cx;
    tb_unit *u;
    tb_str file;
    const char *at, *end, *line_start; /* behind the current token */
    uint32_t line;
    ml_token tok; /* the current token */
    int depth;
    TB_VEC(ml_alias) aliases;
    tb_map alias_names;
    TB_VEC(struct ml_resource) resources;
    tb_map resource_names;
    TB_VEC(struct ml_func) funcs;
    TB_VEC(struct ml_op) globals;
    size_t filled_bytes; /* of splats written out, which the text does not pay for */
} ml_parser;

/* A long part of the text is not needed for now (tb_ctx). */
static inline void
tb_ml_was_read(const ml_parser *p, const char *at, size_t n)
{
    enum { LONG = 1 << 20 };
    if (n >= LONG && p->cx->text_read)
        p->cx->text_read(p->cx->text_user, at, n);
}

void tb_ml_fail(const ml_parser *p, ml_place at, const char *fmt, ...) TB_NORETURN
    TB_PRINTF(3, 4);
/* "expected <what>, found '<token>'" at the current token. */
void tb_ml_expected(const ml_parser *p, const char *what) TB_NORETURN;
void tb_ml_next(ml_parser *p);
bool tb_ml_is(const ml_parser *p, char c);
bool tb_ml_is_word(const ml_parser *p, const char *w);
bool tb_ml_try(ml_parser *p, char c);
bool tb_ml_try_word(ml_parser *p, const char *w);
void tb_ml_need(ml_parser *p, char c);
/* Resolves the escapes of a string token. */
tb_str tb_ml_unescape(ml_parser *p, tb_str s, ml_place at);
/* Nesting: raises beyond ML_MAX_DEPTH. */
void tb_ml_enter(ml_parser *p);
void tb_ml_leave(ml_parser *p);
int64_t tb_ml_int(ml_parser *p);   /* with an optional '-' */
double tb_ml_number(ml_parser *p); /* an ML_INT or ML_FLOAT token's value */

/* ---- types ---- */
typedef enum ml_type_kind {
    ML_T_OTHER,  /* i64, index, !torch.any: text says which */
    ML_T_TENSOR, /* !torch.vtensor, !torch.tensor, tensor */
    ML_T_INT,
    ML_T_FLOAT,
    ML_T_BOOL,
    ML_T_NUMBER,
    ML_T_NONE,
    ML_T_STR,
    ML_T_DEVICE,
    ML_T_LIST,
    ML_T_OPTIONAL,
    ML_T_TUPLE
} ml_type_kind;

typedef struct ml_type {
    ml_type_kind kind;
    bool ranked;    /* a tensor whose sizes are said */
    bool mutable_;  /* !torch.tensor */
    bool builtin;   /* tensor<...> */
    tb_type tensor; /* dtype TB_NONE if not said; TB_DIM_UNKNOWN for '?' */
    tb_str text;
    const struct ml_type *items; /* of lists, optionals and tuples */
    uint32_t n_items;
} ml_type;

ml_type tb_ml_type(ml_parser *p);
/* Between '<' (the current token) and the element type: "3x?x". */
void tb_ml_shape(ml_parser *p, tb_type *t, bool *ranked);

/* ---- attributes ---- */
typedef struct ml_affine {
    enum {
        ML_A_CONST,
        ML_A_SYMBOL,
        ML_A_DIM,
        ML_A_ADD,
        ML_A_MUL,
        ML_A_DIV,
        ML_A_CEIL,
        ML_A_MOD
    } op;
    int64_t value; /* the number, or which symbol or dimension */
    const struct ml_affine *a, *b;
} ml_affine;

typedef enum ml_attr_kind {
    ML_ATTR_OTHER, /* skipped: text says what it was */
    ML_ATTR_UNIT,
    ML_ATTR_INT,
    ML_ATTR_FLOAT,
    ML_ATTR_BOOL,
    ML_ATTR_STR,
    ML_ATTR_SYMBOL,
    ML_ATTR_TYPE,
    ML_ATTR_ARRAY,
    ML_ATTR_DICT,
    ML_ATTR_MAP,      /* affine_map<()[s0] -> (...)> */
    ML_ATTR_DENSE,    /* text is between the angle brackets */
    ML_ATTR_RESOURCE, /* dense_resource<name> */
    ML_ATTR_PARAMETER /* #stream.parameter.named<"scope"::"key">: items are strings */
} ml_attr_kind;

typedef struct ml_attr {
    ml_attr_kind kind;
    tb_str key; /* in a dictionary */
    ml_place place;
    int64_t i;
    double f;
    tb_str text;
    ml_type type; /* of an elements attribute */
    const struct ml_attr *items;
    uint32_t n_items;
    const ml_affine *exprs; /* of a map */
    uint32_t n_exprs, n_dims, n_symbols;
} ml_attr;

ml_attr tb_ml_attr(ml_parser *p);
/* `{key = value, ...}` behind the '{', with the '}'. */
ml_attr tb_ml_dict(ml_parser *p);
const ml_attr *tb_ml_key(const ml_attr *dict, const char *key);
const ml_alias *tb_ml_alias(const ml_parser *p, tb_str name);
void tb_ml_alias_add(ml_parser *p, ml_alias a, ml_place at);

typedef struct ml_loc {
    enum { ML_L_UNKNOWN, ML_L_FILE, ML_L_NAME, ML_L_CHILD, ML_L_ALIAS } kind;
    tb_str name; /* file, name or alias */
    uint32_t line, col;
    const struct ml_loc *child;
} ml_loc;

/* `loc(...)` if it is there; NULL if not. */
const ml_loc *tb_ml_try_loc(ml_parser *p);
/* What `loc(` holds, with the ')'. */
const ml_loc *tb_ml_loc_body(ml_parser *p);
/* The source line it means; false if it does not say. */
bool tb_ml_loc_find(const ml_parser *p, const ml_loc *l, tb_location *out);

/* ---- operations ---- */
typedef struct ml_use {
    tb_str name;
    uint32_t number; /* %name#number */
    ml_place place;
} ml_use;

typedef struct ml_result {
    tb_str name;
    uint32_t count; /* %name:count */
    ml_place place;
} ml_result;

typedef struct ml_arg {
    tb_str name;
    ml_type type;
    ml_attr attrs;
    ml_place place;
} ml_arg;

typedef struct ml_block {
    TB_VEC(ml_arg) args;
    TB_VEC(struct ml_op) ops;
} ml_block;

typedef struct ml_op {
    tb_str name;
    ml_place place;
    TB_VEC(ml_result) results;
    TB_VEC(ml_use) operands;
    TB_VEC(ml_type) in, out;
    TB_VEC(ml_attr) values;   /* written between the operands: `torch.constant.int 3` */
    ml_attr attrs;            /* all dictionaries together */
    tb_str symbol;            /* @name */
    TB_VEC(ml_block) regions; /* one block each */
    const ml_loc *loc;
} ml_op;

typedef struct ml_func {
    tb_str name;
    ml_place place;
    bool is_private, has_body;
    TB_VEC(ml_arg) args;
    TB_VEC(ml_type) results;
    ml_attr attrs;
    ml_block body;
    const ml_loc *loc;
} ml_func;

typedef struct ml_resource {
    tb_str name, text; /* "0x..." without the quotes */
    ml_place place;
    const uint8_t *bytes; /* decoded when first used */
    size_t n_bytes;
} ml_resource;

/* Reads the whole text into p->funcs, p->globals, p->resources. */
void tb_ml_syntax(ml_parser *p);

/* ---- bytecode.c ---- */
bool tb_ml_is_bytecode(tb_str text);
/* The generic text of the bytecode, in the scratch arena; its blobs become p->resources.
 * Raises `file, byte N: message`. */
tb_str tb_ml_bytecode(ml_parser *p, tb_str bytes);

/* ---- literal.c ---- */
/* An elements attribute as a constant with the type given (the torch dialect says the
 * signedness, the attribute's own type does not). splat is set if all elements are one
 * value that was written once: then c->bytes holds that one element. */
tb_const tb_ml_elements(ml_parser *p, const ml_attr *a, const tb_type *type, bool *splat);
/* The same with splats written out. */
tb_const tb_ml_dense(ml_parser *p, const ml_attr *a, const tb_type *type);

/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * graph.h -- the tensor graph.
 *
 * A `tb_unit` is one compilation: functions, globals, constants, symbols for sizes that are
 * known only at run time. A `tb_graph` is one function's body: an append-only array of
 * fixed-size nodes. Rules that every pass may rely on:
 *
 *   - operands have smaller ids than the node: forward is a topological order;
 *   - adding a pure node that exists already returns the existing one;
 *   - nodes are never changed or removed. A pass reads one graph and builds the next;
 *     dead code is what was not copied;
 *   - node 0 does not exist; a `tb_val` of 0 means "none".
 *
 * Everything lives in arenas of the `tb_ctx`. One context is used by one thread at a time.
 */
#pragma once
#include <setjmp.h>

#include "base/base.h"
#include "turbine/runtime.h" /* TB_MAX_RANK */

/* ---- context and errors (ctx.c) ---- */
typedef struct tb_loc {
    uint32_t id; /* in the unit's location table, 0 = unknown */
} tb_loc;

typedef struct tb_ctx {
    tb_arena keep;    /* lives as long as the context */
    tb_arena scratch; /* a pass may reset it */
    jmp_buf unwind;
    bool unwind_set; /* tb_guard is active */
    tb_code code;
    tb_str message;   /* "where: op: expected X, found Y", then notes, one per line */
    struct tb_unit *unit; /* for locations in messages; may be NULL */
    /* Says that n bytes of a source text were read and are not needed for now, so that a text
     * of weights need not be in memory as a whole. NULL: nobody wants to know. */
    void (*text_read)(void *user, const char *at, size_t n);
    void *text_user;
} tb_ctx;

tb_ctx *tb_ctx_new(void);
void tb_ctx_free(tb_ctx *cx);
/* Raises: formats "file.py:12: op: <message>" with the location's notes and unwinds to
 * tb_guard. Never returns. */
void tb_raise(tb_ctx *cx, tb_loc loc, tb_code code, const char *fmt, ...)
    TB_NORETURN TB_PRINTF(4, 5);
/* Runs fn(user); a raise inside comes back as a status (NULL on success). Does not nest. */
tb_status tb_guard(tb_ctx *cx, void (*fn)(void *user), void *user) TB_MUST_CHECK;

/* ---- dimensions (dim.c) ---- */
/*
 * A dimension or any other integer known when a call starts. Constants are themselves;
 * anything else is TB_DIM_EXPR + index of an interned expression of the unit. Expressions
 * are kept as canonical sums of products, so equal handles mean equal values and
 * different handles mean "not known to be equal".
 */
typedef int64_t tb_dim;
#define TB_DIM_EXPR (INT64_C(1) << 61)
static inline bool
tb_dim_is_const(tb_dim d)
{
    return d < TB_DIM_EXPR;
}
/* Known, and a multiple of n. */
static inline bool
tb_dim_is_multiple(tb_dim d, int64_t n)
{
    return tb_dim_is_const(d) && d % n == 0;
}

typedef enum tb_dim_op {
    TB_DIM_SYM,   /* a = symbol index */
    TB_DIM_ADD,   /* a + b */
    TB_DIM_MUL,
    TB_DIM_FLOORDIV,
    TB_DIM_MOD,   /* sign of the divisor, as Python */
    TB_DIM_MIN,
    TB_DIM_MAX
} tb_dim_op;
typedef struct tb_dim_expr {
    tb_dim_op op;
    tb_dim a, b; /* constants or earlier expressions */
} tb_dim_expr;

/* A symbol: one run-time integer. Where its value comes from: */
typedef enum tb_sym_kind {
    TB_SYM_SHAPE, /* read from the shape of an input: the first input whose dims name it */
    TB_SYM_ITEM,  /* defined by an `item` node */
    TB_SYM_ARG    /* an integer argument of the function (SymInt input; index in arg) */
} tb_sym_kind;
typedef struct tb_sym {
    tb_str name; /* "s0" */
    tb_sym_kind kind;
    int64_t min, max; /* inclusive; max INT64_MAX = none */
    int64_t hint;     /* a typical value for cost decisions, 0 = none */
    uint32_t arg;
    tb_dim same_as;   /* 0, or what it was found to be equal to (tb_dim_assume_eq) */
} tb_sym;

struct tb_unit;
tb_dim tb_sym_new(struct tb_unit *u, tb_str name, tb_sym_kind kind, int64_t min,
                  int64_t max);
tb_dim tb_sym_dim(struct tb_unit *u, uint32_t sym); /* the symbol of that index */
tb_dim tb_dim_add(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_sub(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_mul(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_floordiv(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_ceildiv(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_mod(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_min(struct tb_unit *u, tb_dim a, tb_dim b);
tb_dim tb_dim_max(struct tb_unit *u, tb_dim a, tb_dim b);
/* Rewrites with the equalities learned so far. */
tb_dim tb_dim_canon(struct tb_unit *u, tb_dim d);
bool tb_dim_eq(struct tb_unit *u, tb_dim a, tb_dim b); /* known to be equal */
bool tb_dim_le(struct tb_unit *u, tb_dim a, tb_dim b); /* known to be a <= b */
void tb_dim_range(struct tb_unit *u, tb_dim d, int64_t *min, int64_t *max);
int64_t tb_dim_hint(struct tb_unit *u, tb_dim d); /* a typical value, for costs */
/* a and b must be equal for the program to be valid: learn it, or raise if they never can
 * be. Recorded in unit->equalities, which the program checks at run time. */
void tb_dim_assume_eq(struct tb_unit *u, tb_dim a, tb_dim b, tb_loc loc);
/* Value under an assignment of the symbols. */
int64_t tb_dim_eval(const struct tb_unit *u, tb_dim d, const int64_t *sym_values);
/* "s0", "2*s0 + 1", "384". Parsed by the same grammar (used by .tb text). */
tb_str tb_dim_text(struct tb_unit *u, tb_arena *a, tb_dim d);
/* Visits each symbol in d once per occurrence. */
void tb_dim_syms(struct tb_unit *u, tb_dim d, void (*visit)(void *user, uint32_t sym),
                 void *user);

/* ---- nodes ---- */
typedef enum tb_prim {
    TB_P_none,
#define MAP(name, arity, result, f, i) TB_P_##name,
#define FOLD(name, map, result) TB_P_##name,
#define PRIM(name, operands, attributes) TB_P_##name,
#include "graph/prims.def"
    TB_P_END
} tb_prim;

typedef struct tb_val {
    uint32_t id;
} tb_val;
#define TB_NO_VAL ((tb_val){0})

typedef struct tb_node {
    uint16_t prim;  /* tb_prim */
    uint8_t dtype;  /* tb_dtype; TB_NONE for nodes without a tensor result */
    uint8_t rank;
    uint32_t n_in, n_attr;
    uint32_t in;    /* first operand in graph->operands */
    uint32_t dims;  /* first dimension in graph->words (rank words) */
    uint32_t attr;  /* first attribute in graph->words (n_attr words) */
} tb_node;

/* An argument of an ATen operator. */
typedef enum tb_arg_kind {
    TB_ARG_NONE,
    TB_ARG_TENSOR,
    TB_ARG_INT,   /* exact 64 bits; dtypes (torch's numbers), layouts, memory formats too */
    TB_ARG_DIM,   /* a SymInt */
    TB_ARG_FLOAT,
    TB_ARG_COMPLEX,
    TB_ARG_BOOL,
    TB_ARG_STR,
    TB_ARG_LIST
} tb_arg_kind;
typedef struct tb_arg {
    tb_arg_kind kind;
    bool number; /* a tensor of rank 0 that stands for a Python number: it promotes as one */
    union {
        tb_val v;
        int64_t i;
        tb_dim d;
        double f;
        struct {
            double re, im;
        } z;
        bool b;
        tb_str s;
        struct {
            const struct tb_arg *at;
            uint32_t n;
        } list;
    };
} tb_arg;

typedef struct tb_type {
    uint8_t dtype; /* TB_NONE: result not used or not a tensor */
    uint8_t rank;
    tb_dim dims[TB_MAX_RANK]; /* TB_DIM_UNKNOWN where the source does not say */
} tb_type;
#define TB_DIM_UNKNOWN INT64_MIN

/* An ATen operator as captured: schema order, defaults filled in. */
typedef struct tb_call {
    tb_str name;               /* "aten.add.Tensor", "torchvision.nms" */
    const struct tb_op *op;    /* the row in src/op, NULL if we lack it */
    const tb_arg *args;
    uint32_t n_args;
    const tb_type *results;    /* as declared by FX or MLIR */
    uint32_t n_results;
    bool result_is_list;       /* a Tensor[] result: results are its elements */
} tb_call;

typedef struct tb_graph {
    struct tb_unit *unit;
    tb_node *nodes; /* [n], index 0 unused */
    tb_loc *locs;   /* [n] */
    tb_str *names;  /* [n], "" if none: FX or SSA name for dumps */
    uint32_t n, cap;
    TB_VEC(tb_val) operands;
    TB_VEC(int64_t) words;
    TB_VEC(tb_call) calls;
    TB_VEC(tb_val) outputs; /* of the function, in order; NO_VAL for a None output */
    TB_VEC(tb_val) effects; /* write, assert, item ... in order: roots besides outputs */
    tb_map seen;
    tb_loc loc; /* given to nodes added next */
    /* Where random operators draw from, if not from the module's state: a seed, and how
     * many blocks have been drawn with it. */
    tb_val seed, drawn;
} tb_graph;

/* ---- units (unit.c) ---- */
typedef struct tb_location {
    tb_str file;
    uint32_t line, col;
    tb_str func; /* python function */
    tb_str path; /* module path "layer.0.attn" */
    tb_str op;   /* operator name as the user knows it */
} tb_location;

typedef struct tb_const {
    tb_str name; /* fully qualified parameter name, "" for anonymous */
    tb_dtype dtype;
    uint8_t rank;
    int64_t dims[TB_MAX_RANK];
    const void *bytes; /* dense row-major; borrowed: lives as long as the unit */
    size_t n_bytes;
    const tb_recipe *recipe; /* or NULL; if there is one, bytes is NULL until the artifact
                                is written: weights laid out for a kernel */
    bool external;     /* not stored in the artifact (parameters by name) */
    bool parameter;    /* named in the model's state: may be left out of the artifact */
    tb_str scope;
} tb_const;

typedef struct tb_global {
    tb_str name;
    tb_dtype dtype;
    uint8_t rank;
    int64_t dims[TB_MAX_RANK];
    bool mutable_;
    bool parameter; /* stands for an external constant: no state */
    uint32_t init;  /* constant + 1, 0 = zeros */
} tb_global;

typedef struct tb_param {
    tb_str name; /* python argument name or "" */
    tb_type type;
} tb_param;

typedef struct tb_func_attr {
    tb_str key, value;
} tb_func_attr;

typedef struct tb_func {
    tb_str name;
    bool exported;
    tb_graph *body;
    TB_VEC(tb_param) inputs;
    TB_VEC(tb_param) outputs; /* names and declared types of results */
    TB_VEC(tb_func_attr) attrs; /* "iree.abi" = pytree JSON ... */
} tb_func;

typedef struct tb_equality {
    tb_dim a, b;
    tb_loc loc;
} tb_equality;

typedef struct tb_unit {
    tb_ctx *cx;
    tb_str name; /* module name, "module" */
    TB_VEC(tb_func) funcs;
    TB_VEC(tb_graph *) graphs; /* bodies of cond, while, call; also every function's */
    TB_VEC(tb_const) consts;
    TB_VEC(tb_global) globals;
    TB_VEC(tb_sym) syms;
    TB_VEC(tb_dim_expr) exprs;
    TB_VEC(tb_equality) equalities;
    TB_VEC(tb_location) locs; /* index 0 = unknown */
    TB_VEC(tb_str) messages;  /* of assert nodes */
    tb_map seen_exprs, seen_locs, seen_consts;
} tb_unit;

tb_unit *tb_unit_new(tb_ctx *cx, tb_str name);
tb_func *tb_unit_func(tb_unit *u, tb_str name); /* adds a function with an empty body */
/* Dense data, borrowed. Same pointer, size and dtype give the same constant. */
uint32_t tb_unit_const(tb_unit *u, tb_const c);
/* What a compilation adds to a unit's tables goes again when it is done. */
typedef struct tb_unit_mark {
    uint32_t graphs, consts, messages;
} tb_unit_mark;
tb_unit_mark tb_unit_mark_of(const tb_unit *u);
void tb_unit_return(tb_unit *u, tb_unit_mark m);
tb_loc tb_unit_loc(tb_unit *u, tb_location l);
const tb_location *tb_loc_get(const tb_unit *u, tb_loc loc);

/* ---- building (graph.c: storage; build.c: checks and infers, raising on a mismatch) ---- */
tb_graph *tb_graph_new(tb_unit *u);
static inline const tb_node *
tb_node_of(const tb_graph *g, tb_val v)
{
    return &g->nodes[v.id];
}
static inline const tb_dim *
tb_dims(const tb_graph *g, tb_val v)
{
    return g->words.at + g->nodes[v.id].dims;
}
static inline const int64_t *
tb_attrs(const tb_graph *g, tb_val v)
{
    return g->words.at + g->nodes[v.id].attr;
}
static inline tb_val
tb_in(const tb_graph *g, tb_val v, uint32_t i)
{
    return g->operands.at[g->nodes[v.id].in + i];
}
static inline tb_dtype
tb_dtype_of(const tb_graph *g, tb_val v)
{
    return (tb_dtype)g->nodes[v.id].dtype;
}
static inline int
tb_rank(const tb_graph *g, tb_val v)
{
    return g->nodes[v.id].rank;
}
/* Elements of v by the hints of its dimensions. */
double tb_elements_hint(const tb_graph *g, tb_val v);
/* What v is another shape of, or repeats. */
tb_val tb_behind_expand(const tb_graph *g, tb_val v);
bool tb_prim_is_map(tb_prim p);
bool tb_prim_is_fold(tb_prim p);
bool tb_prim_is_move(tb_prim p); /* permute .. concat */
bool tb_prim_is_pure(tb_prim p);
const char *tb_prim_name(tb_prim p);
int tb_prim_arity(tb_prim p); /* of a map */

/* The raw constructor: finds or adds. The typed ones below check and infer. */
tb_val tb_add(tb_graph *g, tb_prim p, tb_dtype dtype, int rank, const tb_dim *dims,
              const tb_val *in, uint32_t n_in, const int64_t *attr, uint32_t n_attr);

tb_val tb_input(tb_graph *g, int index, tb_dtype dtype, int rank, const tb_dim *dims);
tb_val tb_constant(tb_graph *g, uint32_t const_index);
tb_val tb_full_f(tb_graph *g, tb_dtype dtype, int rank, const tb_dim *dims, double value);
tb_val tb_full_i(tb_graph *g, tb_dtype dtype, int rank, const tb_dim *dims, int64_t value);
tb_val tb_full_like(tb_graph *g, tb_val x, double value); /* any dtype; exact for ints < 2^53 */
tb_val tb_iota(tb_graph *g, int rank, const tb_dim *dims, int axis);
tb_val tb_dim_value(tb_graph *g, tb_dim d);

/* Maps: operands of the same dtype and dims (see tb_broadcast). */
tb_val tb_map1(tb_graph *g, tb_prim p, tb_val a);
tb_val tb_map2(tb_graph *g, tb_prim p, tb_val a, tb_val b);
tb_val tb_where(tb_graph *g, tb_val cond, tb_val a, tb_val b);
tb_val tb_cast(tb_graph *g, tb_val a, tb_dtype to); /* a itself if it has the dtype */
tb_val tb_bitcast(tb_graph *g, tb_val a, tb_dtype to);
tb_val tb_complex(tb_graph *g, tb_val re, tb_val im);
tb_val tb_imag(tb_graph *g, tb_val x); /* the real part is a cast */

tb_val tb_reduce(tb_graph *g, tb_prim fold, tb_val x, uint32_t axes); /* keeps axes as 1 */
tb_val tb_scan(tb_graph *g, tb_prim scan, tb_val x, int axis);

tb_val tb_permute(tb_graph *g, tb_val x, const int64_t *order);
tb_val tb_transpose(tb_graph *g, tb_val x, int axis0, int axis1);
tb_val tb_reshape(tb_graph *g, tb_val x, int rank, const tb_dim *dims);
tb_val tb_expand(tb_graph *g, tb_val x, int rank, const tb_dim *dims); /* adds leading axes */
tb_val tb_slice(tb_graph *g, tb_val x, const tb_dim *start, const tb_dim *size,
                const int64_t *step);
/* One axis only. */
tb_val tb_slice_axis(tb_graph *g, tb_val x, int axis, tb_dim start, tb_dim size,
                     int64_t step);
tb_val tb_pad(tb_graph *g, tb_val x, const tb_dim *lo, const tb_dim *hi, tb_val value);
tb_val tb_flip(tb_graph *g, tb_val x, uint32_t axes);
tb_val tb_window(tb_graph *g, tb_val x, int axis, int64_t size, int64_t stride,
                 int64_t dilation);
tb_val tb_concat(tb_graph *g, const tb_val *x, uint32_t n, int axis);
tb_val tb_squeeze_axes(tb_graph *g, tb_val x, uint32_t axes); /* drops size-1 axes */
tb_val tb_unsqueeze(tb_graph *g, tb_val x, int axis);
/* Expands a and b to their common shape (PyTorch's broadcasting rules). */
void tb_broadcast(tb_graph *g, tb_val *a, tb_val *b);
tb_val tb_expand_like(tb_graph *g, tb_val x, tb_val like);

tb_val tb_dot(tb_graph *g, tb_val x, tb_val y);
tb_val tb_gather(tb_graph *g, tb_val x, uint32_t mask, const tb_val *idx, uint32_t n_idx);
tb_val tb_scatter(tb_graph *g, tb_val base, tb_val updates, uint32_t mask, int mode,
                  const tb_val *idx, uint32_t n_idx);
tb_val tb_argsort(tb_graph *g, tb_val x, int axis, bool descending);
/* Linear algebra (linalg.c); prims.def says what each computes. `pairs`: operands are real
 * [b..., 2, m, n]. Without, m and n are the last two axes and any number may be complex. */
typedef struct tb_triangle {
    bool upper, transpose, conj, unit;
} tb_triangle;
tb_val tb_tri_solve(tb_graph *g, tb_val a, tb_val b, tb_triangle t, bool pairs);
tb_val tb_cholesky(tb_graph *g, tb_val x, bool pairs);
tb_val tb_lu(tb_graph *g, tb_val x, bool pivot, bool pairs); /* [m, n + 1] */
tb_val tb_qr(tb_graph *g, tb_val x, bool pairs);             /* [m + 1, n] */
tb_val tb_jacobi(tb_graph *g, tb_val x, tb_dim n, bool pairs);
tb_val tb_schur(tb_graph *g, tb_val x, bool pairs);
tb_val tb_exchange(tb_graph *g, tb_val swaps, tb_dim n); /* [b..., k] -> [b..., n] */
tb_val tb_rand(tb_graph *g, tb_val seed, tb_val offset, int rank, const tb_dim *dims);
/* bias may be NO_VAL. Arrays have n_spatial entries. prim: TB_P_conv or TB_P_conv_nhwc. */
tb_val tb_conv(tb_graph *g, tb_prim p, tb_val x, tb_val w, tb_val bias, int n_spatial,
               int64_t groups, const int64_t *stride, const int64_t *pad_lo,
               const int64_t *pad_hi, const int64_t *dilation);
/* Attention (attention.c); mask may be NO_VAL. */
tb_val tb_attention(tb_graph *g, tb_val q, tb_val k, tb_val v, tb_val mask, bool causal,
                    double scale);
/* What training needs of it. Results are in pieces, [b..., n]: */
tb_val tb_attention_lse(tb_graph *g, tb_val q, tb_val k, tb_val v, tb_val mask, bool causal,
                        double scale);
tb_val tb_attention_lse_out(tb_graph *g, tb_val all, tb_val q, tb_val v); /* [b..., q, e] */
tb_val tb_attention_lse_sums(tb_graph *g, tb_val all, tb_val q, tb_val v); /* [b..., q] */
/* `at`: grad [b..., q, e], q, k, v, then lse and the sums of grad * attention [b..., q]. */
enum { TB_GRAD_OUT, TB_GRAD_Q, TB_GRAD_K, TB_GRAD_V, TB_GRAD_LSE, TB_GRAD_ROW, TB_GRAD_MASK };
tb_val tb_attention_grad(tb_graph *g, const tb_val at[6], tb_val mask, bool causal,
                         double scale);
/* The gradient of operand `which` (TB_GRAD_Q, _K, _V). */
tb_val tb_attention_grad_of(tb_graph *g, tb_val all, const tb_val at[6], int which);

tb_val tb_read(tb_graph *g, uint32_t global);
void tb_write(tb_graph *g, uint32_t global, tb_val x);
void tb_assert_node(tb_graph *g, tb_val cond, tb_str message);
/* The value of x becomes a symbol; returns it. */
tb_dim tb_item(tb_graph *g, tb_val x, tb_str name, int64_t min, int64_t max);
tb_val tb_result(tb_graph *g, tb_val node, uint32_t number, const tb_type *type);
/* An ATen call as captured; returns the node. Its tensors are tb_result(g, node, i, ..)
 * with the declared types. */
tb_val tb_aten(tb_graph *g, tb_call call);

/* Copies node v of `from` to `to` with operands mapped through map[]; pure nodes are
 * re-inferred. The generic step of every pass. */
tb_val tb_copy_node(tb_graph *to, const tb_graph *from, tb_val v, const tb_val *map);
/* Which nodes outputs and effects need: bool[g->n] in the arena. */
bool *tb_live(const tb_graph *g, tb_arena *a);

/* A composite (conv, attention; also rand) written in primitives: adds the expansion of `node` of
 * `from` to g, with its operands replaced by `operands` (composite.c). */
tb_val tb_composite_expand(tb_graph *g, const tb_graph *from, tb_val node,
                           const tb_val *operands);

/* ---- text (print.c, parse*.c) and checks (verify.c) ---- */
void tb_graph_print(const tb_graph *g, tb_buf *out);
void tb_unit_print(const tb_unit *u, tb_buf *out);
typedef enum tb_print_flags {
    TB_PRINT_DEFAULT = 0,
    TB_PRINT_DATA = 1,     /* all bytes of large constants, not their hash */
    TB_PRINT_LOCATIONS = 2 /* names and source lines, as comments */
} tb_print_flags;
void tb_unit_print_with(const tb_unit *u, tb_print_flags flags, tb_buf *out);
tb_unit *tb_unit_parse(tb_ctx *cx, tb_str text, tb_str file_name); /* raises on errors */
void tb_graph_verify(const tb_graph *g); /* raises TB_INTERNAL with the first fault */

/* ---- reference evaluator (eval.c): the meaning of a graph of primitives ---- */
typedef struct tb_eval_tensor {
    tb_dtype dtype;
    int rank;
    int64_t dims[TB_MAX_RANK];
    void *data; /* dense, in the arena given */
} tb_eval_tensor;
/* Runs a function. `globals` (one per unit global, may be NULL if none) are updated in
 * place. Result memory is in `arena`. Raises on wrong inputs. Slow and obvious. */
void tb_eval(tb_unit *u, const tb_func *f, const tb_eval_tensor *inputs, uint32_t n_inputs,
             tb_eval_tensor *globals, tb_arena *arena, tb_eval_tensor *outputs);

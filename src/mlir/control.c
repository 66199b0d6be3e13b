/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * control.c -- torch.prim.If and torch.prim.Loop: bodies to graphs of their own.
 *
 * A body sees the values around it; a graph sees its inputs alone. What a body uses of the
 * outside becomes an operand of the node and an input of each of its graphs.
 */
#include "mlir/import.h"

/* What the graphs of one node take from outside. */
typedef struct ml_captures {
    tb_graph *outer;
    uint32_t first; /* inputs before them */
    TB_VEC(tb_val) operands;
} ml_captures;

struct ml_inner {
    ml_captures *captures;
    tb_graph *g;
    TB_VEC(tb_val) inputs; /* of the captures, TB_NO_VAL if this graph does not use it */
};

static tb_type
type_in(const tb_graph *g, tb_val v)
{
    tb_type t = {.dtype = (uint8_t)tb_dtype_of(g, v), .rank = (uint8_t)tb_rank(g, v)};

    memcpy(t.dims, tb_dims(g, v), sizeof(tb_dim) * t.rank);
    return t;
}

/* Types of graphs' inputs are not inferred, so they must be known here. */
static tb_type
known_type(ml_importer *im, const tb_graph *g, tb_val v)
{
    tb_type t = type_in(g, v);

    for (int i = 0; i < t.rank; i++)
        if (t.dims[i] == TB_DIM_UNKNOWN)
            tb_ml_unsupported(im, "a tensor with an open size that a body uses wants "
                                  "torch.bind_symbolic_shape");
    return t;
}

/* ---- what is seen of the outside ---- */

static tb_val
input_of(ml_importer *im, struct ml_inner *in, uint32_t k)
{
    tb_val v = in->captures->operands.at[k];

    while (in->inputs.n <= k)
        TB_PUSH(&im->cx->scratch, &in->inputs, TB_NO_VAL);
    if (!in->inputs.at[k].id) {
        tb_type t = known_type(im, in->captures->outer, v);

        in->inputs.at[k] = tb_input(in->g, (int)(in->captures->first + k),
                                    (tb_dtype)t.dtype, t.rank, t.dims);
    }
    return in->inputs.at[k];
}

static tb_val
capture(ml_importer *im, struct ml_inner *in, tb_val v)
{
    uint32_t k = 0;

    while (k < in->captures->operands.n && in->captures->operands.at[k].id != v.id)
        k++;
    if (k == in->captures->operands.n)
        TB_PUSH(&im->cx->scratch, &in->captures->operands, v);
    return input_of(im, in, k);
}

static tb_arg
capture_arg(ml_importer *im, struct ml_inner *in, tb_arg a)
{
    tb_arg *items;

    if (a.kind == TB_ARG_TENSOR && a.v.id) {
        a.v = capture(im, in, a.v);
    } else if (a.kind == TB_ARG_LIST) {
        items = TB_NEWN(&im->cx->keep, tb_arg, a.list.n + 1);
        for (uint32_t i = 0; i < a.list.n; i++)
            items[i] = capture_arg(im, in, a.list.at[i]);
        a.list.at = items;
    }
    return a;
}

ml_value *
tb_ml_captured(ml_importer *im, struct ml_inner *in, const ml_value *outside)
{
    ml_value *v = tb_dup(&im->cx->scratch, outside, sizeof *outside);

    if (v->cell) /* as it is now; the body cannot overwrite it */
        *v = tb_ml_tensor(im->cells.at[v->cell - 1].now);
    v->arg = capture_arg(im, in, v->arg);
    return v;
}

/* ---- bodies ---- */

typedef struct body {
    ml_scope scope, *outer_scope;
    struct ml_inner inner;
    tb_graph *outer;
    const ml_op *op;
    int64_t index; /* of the graph in the unit */
} body;

static void
enter(ml_importer *im, body *b, ml_captures *captures)
{
    *b = (body){.outer_scope = im->scope, .outer = im->g, .op = im->op};
    b->scope.seen.arena = b->scope.hint_names.arena = &im->cx->scratch;
    b->scope.outer = im->scope;
    b->scope.inner = &b->inner;
    b->inner.captures = captures;
    b->inner.g = tb_graph_new(im->u);
    b->inner.g->loc = im->g->loc;
    for (b->index = im->u->graphs.n - 1; im->u->graphs.at[b->index] != b->inner.g;)
        b->index--;
    im->scope = &b->scope;
    im->g = b->inner.g;
}

static void
leave(ml_importer *im, const body *b)
{
    im->scope = b->outer_scope;
    im->g = b->outer;
    im->op = b->op;
}

static void
add_result(ml_importer *im, tb_val v)
{
    TB_PUSH(&im->cx->keep, &im->g->outputs, v);
}

/* A value inside as the type says: numbers travel as tensors of rank 0. */
static ml_value
as_type(ml_importer *im, const ml_type *t, tb_val v, tb_str name)
{
    if (t->kind == ML_T_INT)
        return tb_ml_of_dim(tb_ml_item(im, v, name));
    return tb_ml_tensor(v);
}

/* The other way: a float of the dialect is a double, whatever it was read from. */
static tb_val
as_tensor(ml_importer *im, const ml_type *t, const ml_value *x)
{
    tb_val v = tb_ml_tensor_of(im, x);

    return t->kind == ML_T_FLOAT  ? tb_cast(im->g, v, TB_F64)
           : t->kind == ML_T_INT  ? tb_cast(im->g, v, TB_I64)
           : t->kind == ML_T_BOOL ? tb_cast(im->g, v, TB_BOOL)
                                  : v;
}

static void
need_operands(ml_importer *im, uint32_t want)
{
    if (im->returned.n != want)
        ML_FAIL(im, "%.*s: %u values leave the body, %u are wanted", TB_FMT(im->op->name),
                im->returned.n, want);
}

/* The condition as a bool of rank 0. */
static tb_val
condition(ml_importer *im, const ml_value *v)
{
    return tb_cast(im->g, tb_ml_tensor_of(im, v), TB_BOOL);
}

/* The type of result k: as declared, or where sizes are open and not bound, the body's. */
static tb_type
result_type(ml_importer *im, uint32_t k, tb_type inside)
{
    const ml_type *t = &im->op->out.at[k];
    tb_type r;

    if (t->kind != ML_T_TENSOR)
        return inside;
    r = tb_ml_result_type(im, t, tb_ml_result_hint(im, k));
    if (r.rank != inside.rank || r.dtype != inside.dtype)
        ML_FAIL(im, "result %u has another type than the body gives", k);
    for (int i = 0; i < r.rank; i++) {
        if (r.dims[i] == TB_DIM_UNKNOWN)
            r.dims[i] = inside.dims[i];
        if (r.dims[i] == TB_DIM_UNKNOWN)
            tb_ml_unsupported(im, "a result with an open size wants "
                                  "torch.bind_symbolic_shape");
    }
    return r;
}

/* What leaves a body must be what another body gives, or what went in. */
static void
same_type(ml_importer *im, tb_val v, tb_type want)
{
    if (tb_dtype_of(im->g, v) != (tb_dtype)want.dtype || tb_rank(im->g, v) != want.rank)
        ML_FAIL(im, "expected %s of rank %d, found %s of rank %d",
                tb_dtype_name((tb_dtype)want.dtype), want.rank,
                tb_dtype_name(tb_dtype_of(im->g, v)), tb_rank(im->g, v));
}

static void
define(ml_importer *im, tb_val node, uint32_t number, uint32_t k, tb_type inside)
{
    tb_type t = result_type(im, k, inside);
    tb_val v = tb_result(im->g, node, number, &t);
    tb_str name = im->op->results.n ? im->op->results.at[0].name : TB_STR("");

    tb_ml_define(im, k, as_type(im, &im->op->out.at[k], v, name));
}

static tb_val
add_node(ml_importer *im, tb_prim prim, const tb_val *in, uint32_t n,
         const ml_captures *captures, const body *bodies)
{
    uint32_t n_all = n + captures->operands.n;
    tb_val *all = TB_NEWN(&im->cx->scratch, tb_val, n_all + 1);
    int64_t graphs[] = {bodies[0].index, bodies[1].index};

    memcpy(all, in, n * sizeof *all);
    if (captures->operands.n)
        memcpy(all + n, captures->operands.at, captures->operands.n * sizeof *all);
    return tb_add(im->g, prim, TB_NONE, 0, NULL, all, n_all, graphs, 2);
}

/* ---- torch.prim.If ---- */

static void
branch(ml_importer *im, body *b, const ml_block *block, const ml_op *op,
       const tb_graph *other)
{
    tb_val v;

    tb_ml_import_body(im, block);
    need_operands(im, op->out.n);
    for (uint32_t i = 0; i < op->out.n; i++) {
        v = as_tensor(im, &op->out.at[i], &im->returned.at[i]);
        if (other)
            same_type(im, v, type_in(other, other->outputs.at[i]));
        add_result(im, v);
    }
    leave(im, b);
}

/* Which branch is taken is known now: as if it stood in the place of the operation. */
static void
taken_branch(ml_importer *im, const ml_block *block)
{
    const ml_op *op = im->op;
    ml_scope own = {.outer = im->scope};

    own.seen.arena = own.hint_names.arena = &im->cx->scratch;
    im->scope = &own;
    tb_ml_import_body(im, block);
    im->scope = own.outer;
    im->op = op;
    need_operands(im, op->out.n);
    for (uint32_t i = 0; i < op->out.n; i++)
        tb_ml_define(im, i, im->returned.at[i]);
}

static void
op_if(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_op *op = im->op;
    ml_captures captures = {.outer = im->g};
    body bodies[2];
    tb_val pred, node;
    double known;

    tb_ml_takes(im, n, 1);
    if (op->regions.n != 2)
        ML_FAIL(im, "%.*s: expected two bodies, found %u", TB_FMT(op->name),
                op->regions.n);
    if (tb_ml_known(&in[0], &known)) {
        taken_branch(im, &op->regions.at[known == 0]);
        return;
    }
    pred = condition(im, &in[0]);
    for (int i = 0; i < 2; i++) {
        enter(im, &bodies[i], &captures);
        branch(im, &bodies[i], &op->regions.at[i], op,
               i ? bodies[0].inner.g : NULL);
    }
    node = add_node(im, TB_P_cond, &pred, 1, &captures, bodies);
    for (uint32_t i = 0; i < op->out.n; i++)
        define(im, node, i, i,
               type_in(bodies[0].inner.g, bodies[0].inner.g->outputs.at[i]));
}

/* ---- torch.prim.Loop ---- */

static bool
mentions(const ml_block *b, tb_str name)
{
    for (uint32_t i = 0; i < b->ops.n; i++) {
        const ml_op *op = &b->ops.at[i];

        for (uint32_t k = 0; k < op->operands.n; k++)
            if (tb_str_eq(op->operands.at[k].name, name))
                return true;
        for (uint32_t k = 0; k < op->regions.n; k++)
            if (mentions(&op->regions.at[k], name))
                return true;
    }
    return false;
}

/* What goes round: whether to go on, the number of the round if it is wanted, the values.
 * The condition graph reads only the first two. */
typedef struct loop {
    const ml_op *op;
    const ml_block *block;
    ml_captures captures;
    bool counted;   /* there is a number of rounds, or the body asks which it is */
    tb_val rounds;  /* how many at most, in the graph outside; TB_NO_VAL without limit */
    tb_type *types; /* of what goes round */
    uint32_t n, n_before;
} loop;

static tb_val
carried_input(ml_importer *im, const loop *l, uint32_t k)
{
    const tb_type *t = &l->types[k];

    return tb_input(im->g, (int)k, (tb_dtype)t->dtype, t->rank, t->dims);
}

static void
loop_condition(ml_importer *im, loop *l, body *b)
{
    tb_val go, round;

    enter(im, b, &l->captures);
    go = carried_input(im, l, 0);
    if (l->rounds.id) {
        round = carried_input(im, l, 1);
        go = tb_map2(im->g, TB_P_and, go,
                     tb_map2(im->g, TB_P_lt, round, capture(im, &b->inner, l->rounds)));
    }
    add_result(im, go);
    leave(im, b);
}

static void
loop_body(ml_importer *im, loop *l, body *b)
{
    uint32_t n_values = l->n - l->n_before;
    tb_val round = TB_NO_VAL, v;

    enter(im, b, &l->captures);
    if (l->counted)
        round = carried_input(im, l, 1);
    for (uint32_t i = 0; i < l->block->args.n; i++) {
        const ml_arg *a = &l->block->args.at[i];
        ml_value x = tb_ml_none();

        if (i)
            x = as_type(im, &a->type, carried_input(im, l, l->n_before + i - 1), a->name);
        else if (l->counted)
            x = as_type(im, &a->type, round, a->name);
        tb_ml_add_name(im, a->name, 1, a->place);
        b->scope.values.at[b->scope.values.n - 1] = x;
    }
    tb_ml_import_body(im, l->block);
    need_operands(im, n_values + 1);
    add_result(im, condition(im, &im->returned.at[0]));
    if (l->counted)
        add_result(im, tb_map2(im->g, TB_P_add, round,
                               tb_full_i(im->g, TB_I64, 0, NULL, 1)));
    for (uint32_t i = 0; i < n_values; i++) {
        v = as_tensor(im, &l->op->out.at[i], &im->returned.at[1 + i]);
        same_type(im, v, l->types[l->n_before + i]);
        add_result(im, v);
    }
    for (uint32_t k = 0; k < l->captures.operands.n; k++) /* they stay what they are */
        add_result(im, input_of(im, &b->inner, k));
    leave(im, b);
}

static void
op_loop(ml_importer *im, const ml_value *in, uint32_t n)
{
    loop l = {.op = im->op, .captures = {.outer = im->g}};
    body bodies[2];
    tb_val *start = TB_NEWN(&im->cx->scratch, tb_val, n + 2), node;
    double limit;
    uint32_t k = 0;

    if (n < 2 || l.op->regions.n != 1)
        ML_FAIL(im, "%.*s: expected a number of rounds, a condition and one body",
                TB_FMT(l.op->name));
    l.block = &l.op->regions.at[0];
    if (l.block->args.n != n - 1 || l.op->out.n != n - 2)
        ML_FAIL(im, "%u values go in, the body has %u arguments, there are %u results",
                n - 2, l.block->args.n, l.op->out.n);
    /* "As long as the condition holds" is written as the greatest number of rounds. */
    if (!tb_ml_known(&in[0], &limit) || limit < 0x1p62)
        l.rounds = tb_ml_tensor_of(im, &in[0]);
    l.counted = l.rounds.id || mentions(l.block, l.block->args.at[0].name);
    start[k++] = condition(im, &in[1]);
    if (l.counted)
        start[k++] = tb_full_i(im->g, TB_I64, 0, NULL, 0);
    l.n_before = k;
    for (uint32_t i = 2; i < n; i++)
        start[k++] = as_tensor(im, &l.op->out.at[i - 2], &in[i]);
    l.n = l.captures.first = k;
    l.types = TB_NEWN(&im->cx->scratch, tb_type, k + 1);
    for (uint32_t i = 0; i < k; i++)
        l.types[i] = known_type(im, im->g, start[i]);
    loop_condition(im, &l, &bodies[0]);
    loop_body(im, &l, &bodies[1]);
    node = add_node(im, TB_P_while, start, l.n, &l.captures, bodies);
    for (uint32_t i = 0; i < l.op->out.n; i++)
        define(im, node, l.n_before + i, i, l.types[l.n_before + i]);
}

ml_handler *
tb_ml_control_handler(tb_str name)
{
    if (tb_str_is(name, "torch.prim.If"))
        return op_if;
    if (tb_str_is(name, "torch.prim.Loop"))
        return op_loop;
    return NULL;
}

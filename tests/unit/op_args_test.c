/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * op_args_test.c -- every operator with arguments that fit its schema and nothing else: a
 * body must give a graph that the verifier accepts, or raise; it must never crash or
 * hang. Sizes are constants, symbols, zeros; numbers are small, negative and huge.
 */
#include <math.h>
#include <stdlib.h>

#include "op/op.h"
#include "op/schema.h"
#include "unit/graph_t.h"

enum { ROUNDS = 60 };

static uint64_t seed;

static uint32_t
any(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static tb_dim
a_size(void)
{
    static const tb_dim sizes[] = {2, 3, 4, 1, 0, 5, 3};
    uint32_t k = any(12);

    if (k < TB_COUNT(sizes))
        return sizes[k];
    return k < 9 ? tb_sym_dim(u, 0) : k < 11 ? 3 : tb_sym_dim(u, 1);
}

static tb_val
a_tensor(void)
{
    static const tb_dtype types[] = {TB_F32, TB_F32, TB_F32, TB_I64, TB_I64, TB_BOOL,
                                     TB_BF16, TB_F64, TB_I32, TB_U8, TB_C64};
    tb_dim d[8];
    int rank = (int)any(6);
    tb_dtype t = types[any(TB_COUNT(types))];

    for (int i = 0; i < rank; i++)
        d[i] = a_size();
    return tb_input(g, (int)any(3), t, rank, d);
}

static int64_t
an_int(void)
{
    static const int64_t odd[] = {INT64_MAX, INT64_MIN, INT64_C(1) << 40,
                                  -1000,     1 << 20,   99};

    return any(20) ? (int64_t)any(6) - 2 : odd[any(TB_COUNT(odd))];
}

static double
a_float(void)
{
    static const double odd[] = {INFINITY, -INFINITY, NAN, 1e300, 0, -1};

    return any(5) ? (double)any(10) / 4 : odd[any(TB_COUNT(odd))];
}

static tb_arg
a_number(void)
{
    switch (any(4)) {
    case 0:
        return (tb_arg){.kind = TB_ARG_FLOAT, .f = a_float()};
    case 1:
        return (tb_arg){.kind = TB_ARG_BOOL, .b = any(2)};
    default:
        return (tb_arg){.kind = TB_ARG_INT, .i = an_int()};
    }
}

static const char *const words[] = {
    "none", "tanh", "floor",     "trunc", "constant", "reflect", "sum",  "mean", "same",
    "xy",   "valid", "ij,jk->ik", "f",     "ab,b",     "amax",    "prod", "fro",  "",
};

static tb_arg
an_argument(tb_str type, int depth)
{
    const char *bracket;
    tb_str element;
    uint32_t n;
    tb_arg *at;

    if (type.ptr[type.len - 1] == '?') {
        type.len--;
        if (any(3) == 0)
            return (tb_arg){.kind = TB_ARG_NONE};
    }
    bracket = memchr(type.ptr, '[', type.len);
    if (bracket && depth == 0) {
        element = (tb_str){type.ptr, (size_t)(bracket - type.ptr)};
        n = bracket[1] == ']' || any(4) == 0 ? any(5) : (uint32_t)(bracket[1] - '0');
        at = TB_NEWN(&cx->keep, tb_arg, n + 1);
        for (uint32_t i = 0; i < n; i++)
            at[i] = an_argument(element, 1);
        return (tb_arg){.kind = TB_ARG_LIST, .list = {at, n}};
    }
    if (tb_str_is(type, "Tensor"))
        return (tb_arg){.kind = TB_ARG_TENSOR, .v = a_tensor()};
    if (tb_str_is(type, "SymInt") && any(4) == 0)
        return (tb_arg){.kind = TB_ARG_DIM, .d = tb_sym_dim(u, any(2))};
    if (tb_str_is(type, "int") || tb_str_is(type, "SymInt"))
        return (tb_arg){.kind = TB_ARG_INT, .i = an_int()};
    if (tb_str_is(type, "float"))
        return (tb_arg){.kind = TB_ARG_FLOAT, .f = a_float()};
    if (tb_str_is(type, "bool"))
        return (tb_arg){.kind = TB_ARG_BOOL, .b = any(2)};
    if (tb_str_is(type, "ScalarType"))
        return (tb_arg){.kind = TB_ARG_INT, .i = any(3) ? 6 : (int64_t)any(30)};
    if (tb_str_is(type, "str"))
        return (tb_arg){.kind = TB_ARG_STR, .s = tb_str_c(words[any(TB_COUNT(words))])};
    if (tb_str_is(type, "Scalar"))
        return a_number();
    return (tb_arg){.kind = TB_ARG_NONE};
}

static const tb_op *row;

static void
call_row(void *user)
{
    const tb_schema *s;
    tb_call call = {.op = row};
    tb_arg *args;
    tb_val node;
    tb_graph *r;

    (void)user;
    u = tb_unit_new(cx, TB_STR("module"));
    tb_sym_new(u, TB_STR("s0"), TB_SYM_SHAPE, 2, 100);
    tb_sym_new(u, TB_STR("s1"), TB_SYM_SHAPE, 0, INT64_MAX);
    g = tb_graph_new(u);
    s = tb_op_schema(cx, row);
    args = TB_NEWN(&cx->keep, tb_arg, s->n_args + 1);
    for (uint32_t i = 0; i < s->n_args; i++)
        args[i] = s->args[i].has_default && any(3) ? s->args[i].default_value
                                                   : an_argument(s->args[i].type, 0);
    call.name = s->name;
    call.args = args;
    call.n_args = s->n_args;
    node = tb_aten(g, call);
    TB_PUSH(&cx->keep, &g->outputs, node);
    r = tb_decompose(g);
    /* Random symbols may have to be equal in ways without a solution ("s0 = 15*s0*s0"):
     * such a program fails when it is called, and there is nothing to verify. */
    if (!u->equalities.n)
        tb_graph_verify(r);
}

/* Counts calls that gave a graph. What raised must not be a fault of ours. */
static uint32_t
try_row(void)
{
    uint32_t good = 0;

    for (int i = 0; i < ROUNDS; i++) {
        tb_status st;

        cx = tb_ctx_new();
        st = tb_guard(cx, call_row, NULL);
        good += st == NULL;
        if (st && !CHECK(tb_status_code(st) != TB_INTERNAL))
            printf("# %s: %s\n", row->schema, tb_status_message(st));
        tb_status_free(st);
        tb_ctx_free(cx);
    }
    return good;
}

static void
every_row(void)
{
    const char *only = getenv("OP_ARGS_ONLY"); /* the name of one row, to look into it */
    uint32_t rows = 0, useful = 0;

    for (; (row = tb_op_at(rows)) != NULL; rows++) {
        size_t name = strcspn(row->schema, "(");

        seed = rows;
        if (!only || (strlen(only) == name && strncmp(only, row->schema, name) == 0))
            useful += try_row() > 0;
    }
    /* most rows must be reached by this, or the test says nothing */
    CHECK(only || useful > rows * 3 / 4);
    printf("# %u of %u rows gave a graph\n", useful, rows);
}

int
main(void)
{
    RUN(every_row);
    return t_done();
}

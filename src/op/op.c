/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * op.c -- the table of operators: look-up by name, arguments in schema order.
 */
#include <math.h>

#include "op/op.h"
#include "op/schema.h"

/* The families: a file and a table each. */
#define FAMILIES(X)                                                                      \
    X(activation)                                                                        \
    X(attention)                                                                         \
    X(backward)                                                                          \
    X(bag)                                                                               \
    X(combine)                                                                           \
    X(complex)                                                                           \
    X(conv)                                                                              \
    X(convert)                                                                           \
    X(create)                                                                            \
    X(experts)                                                                           \
    X(fft)                                                                               \
    X(grid)                                                                              \
    X(histogram)                                                                         \
    X(index)                                                                             \
    X(index_write)                                                                       \
    X(join)                                                                              \
    X(linalg)                                                                            \
    X(linalg_eig)                                                                        \
    X(linalg_factor)                                                                     \
    X(linalg_ldl)                                                                        \
    X(loss)                                                                              \
    X(math)                                                                              \
    X(matmul)                                                                            \
    X(norm)                                                                              \
    X(norm_backward)                                                                     \
    X(pad)                                                                               \
    X(pointwise)                                                                         \
    X(polynomial)                                                                        \
    X(pool)                                                                              \
    X(pool_random)                                                                       \
    X(random)                                                                            \
    X(reduce)                                                                            \
    X(reduce_norm)                                                                       \
    X(rnn)                                                                               \
    X(segment)                                                                           \
    X(select)                                                                            \
    X(shape)                                                                             \
    X(softmax)                                                                           \
    X(sort)                                                                              \
    X(special)                                                                           \
    X(upsample)                                                                          \
    X(upsample_backward)

#define X(family) extern const tb_op tb_ops_##family[];
FAMILIES(X)
#undef X

static const tb_op *const families[] = {
#define X(family) tb_ops_##family,
    FAMILIES(X)
#undef X
};

const tb_op *
tb_op_at(uint32_t i)
{
    for (size_t f = 0; f < TB_COUNT(families); f++)
        for (const tb_op *op = families[f]; op->schema; op++)
            if (i-- == 0)
                return op;
    return NULL;
}

static const char seeded[] = "turbine_seeded.";

uint32_t
tb_op_seed_args(tb_str name)
{
    return tb_str_prefix(name, seeded) ? 2 : 0;
}

/* "aten.relu.default", "aten.relu" and "relu" name the schema "relu(...". */
const tb_op *
tb_op_find(tb_str name)
{
    static const char overload[] = ".default";
    size_t n = sizeof overload - 1;

    if (tb_str_prefix(name, seeded)) {
        name.ptr += sizeof seeded - 1;
        name.len -= sizeof seeded - 1;
    } else if (tb_str_prefix(name, "aten.")) {
        name.ptr += 5;
        name.len -= 5;
    }
    if (name.len > n && memcmp(name.ptr + name.len - n, overload, n) == 0)
        name.len -= n;
    for (size_t f = 0; f < TB_COUNT(families); f++)
        for (const tb_op *op = families[f]; op->schema; op++)
            if (strncmp(op->schema, name.ptr, name.len) == 0 &&
                op->schema[name.len] == '(')
                return op;
    return NULL;
}

const tb_schema *
tb_op_schema(tb_ctx *cx, const tb_op *op)
{
    return tb_schema_parse(cx, op->schema);
}

/* ---- arguments ---- */

typedef struct binder {
    tb_ctx *cx;
    const tb_schema *s;
    tb_loc loc;
} binder;

#define BAD(b, ...) tb_raise((b)->cx, (b)->loc, TB_INVALID_ARGUMENT, __VA_ARGS__)

static TB_NORETURN void
unsuitable(const binder *b, const tb_schema_arg *a)
{
    BAD(b, "%.*s: argument '%.*s': expected %.*s", TB_FMT(b->s->name), TB_FMT(a->name),
        TB_FMT(a->type));
}

static bool
is_int(tb_str type)
{
    return tb_str_is(type, "int") || tb_str_is(type, "SymInt");
}

/* What has no meaning here: where a tensor lives, how PyTorch lays it out. */
static bool
is_ignored(tb_str type)
{
    return tb_str_is(type, "Layout") || tb_str_is(type, "Device") ||
           tb_str_is(type, "MemoryFormat") || tb_str_is(type, "Generator");
}

/* Sizes, axes, counts: what can be a dimension, and PyTorch's "to the end". */
static bool
is_sane(int64_t i, bool optional)
{
    return (i > -TB_DIM_EXPR && i < TB_DIM_EXPR) || (optional && i == INT64_MAX);
}

/* Spells a value as its type wants it. */
static tb_arg
settle(const binder *b, const tb_schema_arg *a, tb_str type, tb_arg v)
{
    const char *bracket;
    bool optional = type.ptr[type.len - 1] == '?';

    if (optional)
        type.len--;
    if (v.kind == TB_ARG_NONE || (v.kind == TB_ARG_TENSOR && !v.v.id)) {
        if (!optional && !is_ignored(type))
            BAD(b, "%.*s: argument '%.*s' must not be None", TB_FMT(b->s->name),
                TB_FMT(a->name));
        return (tb_arg){.kind = TB_ARG_NONE};
    }
    bracket = memchr(type.ptr, '[', type.len);
    if (bracket) {
        tb_str element = {type.ptr, (size_t)(bracket - type.ptr)};
        uint32_t n = v.kind == TB_ARG_LIST ? v.list.n : 1;
        tb_arg *at = TB_NEWN(&b->cx->keep, tb_arg, n + 1);

        for (uint32_t i = 0; i < n; i++) {
            at[i] = v.kind == TB_ARG_LIST ? v.list.at[i] : v;
            /* the None in an output_size of an adaptive pool */
            if (at[i].kind != TB_ARG_NONE)
                at[i] = settle(b, a, element, at[i]);
            if (tb_str_prefix(element, "Tensor") && at[i].kind != TB_ARG_TENSOR &&
                !(at[i].kind == TB_ARG_NONE && element.len > 6))
                unsuitable(b, a);
        }
        return (tb_arg){.kind = TB_ARG_LIST, .list = {at, n}};
    }
    if (v.kind == TB_ARG_LIST)
        unsuitable(b, a);
    if (v.kind == TB_ARG_DIM && tb_dim_is_const(v.d))
        v = (tb_arg){.kind = TB_ARG_INT, .i = v.d};
    if (is_int(type)) {
        if (v.kind == TB_ARG_BOOL)
            return (tb_arg){.kind = TB_ARG_INT, .i = v.b};
        if (v.kind == TB_ARG_FLOAT && v.f == floor(v.f) && fabs(v.f) < 9e15)
            return (tb_arg){.kind = TB_ARG_INT, .i = (int64_t)v.f};
        if (v.kind == TB_ARG_INT && !is_sane(v.i, optional || tb_str_is(a->name, "end")))
            BAD(b, "%.*s: argument '%.*s': %lld is out of range", TB_FMT(b->s->name),
                TB_FMT(a->name), (long long)v.i);
        /* a tensor may be a size that MLIR computes from one */
        if (v.kind != TB_ARG_INT && v.kind != TB_ARG_DIM && v.kind != TB_ARG_TENSOR)
            unsuitable(b, a);
    } else if (tb_str_is(type, "float")) {
        if (v.kind == TB_ARG_INT)
            return (tb_arg){.kind = TB_ARG_FLOAT, .f = (double)v.i};
        if (v.kind == TB_ARG_BOOL)
            return (tb_arg){.kind = TB_ARG_FLOAT, .f = v.b};
        if (v.kind == TB_ARG_STR)
            unsuitable(b, a);
    } else if (tb_str_is(type, "bool")) {
        if (v.kind == TB_ARG_INT)
            return (tb_arg){.kind = TB_ARG_BOOL, .b = v.i != 0};
        if (v.kind != TB_ARG_BOOL)
            unsuitable(b, a);
    } else if (tb_str_is(type, "ScalarType")) {
        if (v.kind == TB_ARG_STR) {
            tb_dtype t = tb_dtype_parse(v.s);

            if (t == TB_NONE)
                unsuitable(b, a);
            return (tb_arg){.kind = TB_ARG_INT, .i = tb_dtype_to_torch(t)};
        }
        if (v.kind != TB_ARG_INT)
            unsuitable(b, a);
    } else if (tb_str_is(type, "Tensor") || tb_str_is(type, "Scalar")) {
        if (v.kind == TB_ARG_STR)
            unsuitable(b, a);
        v.number = v.kind == TB_ARG_TENSOR && tb_str_is(type, "Scalar");
    } else if (tb_str_is(type, "str")) {
        if (v.kind != TB_ARG_STR)
            unsuitable(b, a);
    }
    return v;
}

static const tb_arg *
by_name(const tb_schema_arg *a, const tb_str *names, const tb_arg *args, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (tb_str_eq(names[i], a->name))
            return &args[i];
    return NULL;
}

static bool
has_arg(const tb_schema *s, tb_str name)
{
    for (uint32_t i = 0; i < s->n_args; i++)
        if (tb_str_eq(s->args[i].name, name))
            return true;
    return false;
}

const tb_arg *
tb_bind_args(tb_ctx *cx, const tb_schema *s, const tb_arg *args, uint32_t n,
             const tb_str *kw_names, const tb_arg *kw_args, uint32_t n_kw, tb_loc loc)
{
    binder b = {cx, s, loc};
    tb_arg *out = TB_NEWN(&cx->keep, tb_arg, s->n_args + 1);

    if (n > s->n_args)
        BAD(&b, "%.*s: takes %u arguments, found %u", TB_FMT(s->name), s->n_args, n);
    for (uint32_t i = 0; i < n_kw; i++)
        if (!has_arg(s, kw_names[i]))
            BAD(&b, "%.*s: has no argument '%.*s'", TB_FMT(s->name), TB_FMT(kw_names[i]));
    for (uint32_t i = 0; i < s->n_args; i++) {
        const tb_schema_arg *a = &s->args[i];
        const tb_arg *named = by_name(a, kw_names, kw_args, n_kw);

        if (named && i < n)
            BAD(&b, "%.*s: argument '%.*s' is given twice", TB_FMT(s->name),
                TB_FMT(a->name));
        if (!named && i >= n && !a->has_default)
            BAD(&b, "%.*s: argument '%.*s' is missing", TB_FMT(s->name), TB_FMT(a->name));
        out[i] = settle(&b, a, a->type,
                        named ? *named : i < n ? args[i] : a->default_value);
    }
    return out;
}

const tb_arg *
tb_op_normalize(tb_ctx *cx, const tb_op *op, const tb_arg *args, uint32_t n,
                const tb_str *kw_names, const tb_arg *kw_args, uint32_t n_kw, tb_loc loc,
                uint32_t *n_out)
{
    const tb_schema *s = tb_op_schema(cx, op);

    *n_out = s->n_args;
    return tb_bind_args(cx, s, args, n, kw_names, kw_args, n_kw, loc);
}

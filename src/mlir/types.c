/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * types.c -- types of the torch dialect, and the few of MLIR's own that stand beside them.
 *
 * Inside a torch type the prefix is left out: !torch.list<optional<vtensor<[2],f32>>>.
 */
#include "mlir/text.h"

/* ---- tensors ---- */

static void
add_dim(ml_parser *p, tb_type *t, tb_dim d)
{
    if (t->rank == TB_MAX_RANK)
        tb_ml_fail(p, p->tok.place, "rank is above the limit of %d", TB_MAX_RANK);
    if (d != TB_DIM_UNKNOWN && (d < 0 || d > INT64_C(1) << 48))
        tb_ml_fail(p, p->tok.place, "a size of %lld is out of range", (long long)d);
    t->dims[t->rank++] = d;
}

/* The lexer would read "3x4xf32" as 3 and a word, so this goes by characters. */
void
tb_ml_shape(ml_parser *p, tb_type *t, bool *ranked)
{
    *ranked = true;
    for (;;) {
        while (p->at < p->end && *p->at == ' ')
            p->at++;
        if (p->end - p->at > 1 && p->at[0] == '*' && p->at[1] == 'x') {
            *ranked = false;
            p->at += 2;
        } else if (p->end - p->at > 1 && p->at[0] == '?' && p->at[1] == 'x') {
            add_dim(p, t, TB_DIM_UNKNOWN);
            p->at += 2;
        } else if (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
            int64_t v = 0;

            for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
                v = v > INT64_C(1) << 48 ? v : v * 10 + (*p->at - '0');
            if (p->at == p->end || *p->at != 'x')
                tb_ml_fail(p, p->tok.place, "expected 'x' behind a size");
            p->at++;
            add_dim(p, t, v);
        } else {
            break;
        }
    }
    tb_ml_next(p);
}

/* f32, si64, complex<f32>; an element type we lack is TB_NONE. */
static tb_dtype
element(ml_parser *p)
{
    tb_dtype t;
    tb_str s = p->tok.text;

    if (p->tok.kind == ML_TYPE) { /* !torch.qint8 */
        tb_ml_next(p);
        return TB_NONE;
    }
    if (p->tok.kind != ML_WORD)
        tb_ml_expected(p, "an element type");
    tb_ml_next(p);
    if (tb_str_is(s, "complex")) {
        tb_ml_need(p, '<');
        t = tb_dtype_parse(p->tok.text);
        if (p->tok.kind != ML_WORD)
            tb_ml_expected(p, "an element type");
        tb_ml_next(p);
        tb_ml_need(p, '>');
        return t == TB_F32 ? TB_C64 : t == TB_F64 ? TB_C128 : TB_NONE;
    }
    return tb_dtype_parse(s);
}

/* An encoding: anything up to the '>' that ends the tensor's type. */
static void
encoding(ml_parser *p)
{
    if (p->tok.kind == ML_HASH && tb_str_prefix(p->tok.text, "sparse_tensor"))
        tb_ml_fail(p, p->tok.place, "sparse tensors are not supported");
    tb_ml_attr(p);
}

/* <[2,?],f32>, <*,f32>, or nothing at all */
static ml_type
torch_tensor(ml_parser *p, bool mutable_)
{
    ml_type t = {.kind = ML_T_TENSOR, .mutable_ = mutable_};

    if (!tb_ml_try(p, '<'))
        return t;
    if (!tb_ml_try(p, '*')) {
        tb_ml_need(p, '[');
        t.ranked = true;
        while (!tb_ml_is(p, ']')) {
            if (t.tensor.rank)
                tb_ml_need(p, ',');
            if (tb_ml_try(p, '?'))
                add_dim(p, &t.tensor, TB_DIM_UNKNOWN);
            else
                add_dim(p, &t.tensor, tb_ml_int(p));
        }
        tb_ml_need(p, ']');
    }
    tb_ml_need(p, ',');
    if (!tb_ml_try_word(p, "unk")) {
        t.text = p->tok.text;
        t.tensor.dtype = (uint8_t)element(p);
    }
    if (tb_ml_try(p, ','))
        encoding(p);
    tb_ml_need(p, '>');
    return t;
}

/* tensor<2x?xf32> */
static ml_type
builtin_tensor(ml_parser *p)
{
    ml_type t = {.kind = ML_T_TENSOR, .builtin = true};

    if (!tb_ml_is(p, '<'))
        tb_ml_expected(p, "'<'");
    tb_ml_shape(p, &t.tensor, &t.ranked);
    t.text = p->tok.text;
    t.tensor.dtype = (uint8_t)element(p);
    if (tb_ml_try(p, ','))
        encoding(p);
    tb_ml_need(p, '>');
    return t;
}

/* ---- the others ---- */

static const struct {
    const char *name;
    ml_type_kind kind;
} scalars[] = {
    {"int", ML_T_INT},       {"float", ML_T_FLOAT}, {"bool", ML_T_BOOL},
    {"number", ML_T_NUMBER}, {"none", ML_T_NONE},   {"str", ML_T_STR},
    {"Device", ML_T_DEVICE},
};

static ml_type torch_type(ml_parser *p, tb_str name);

/* A type inside a torch type. */
static ml_type
inner(ml_parser *p)
{
    tb_str s = p->tok.text;

    if (p->tok.kind == ML_TYPE)
        return tb_ml_type(p);
    if (p->tok.kind != ML_WORD)
        tb_ml_expected(p, "a type");
    if (tb_str_prefix(s, "f") && !tb_str_is(s, "float"))
        return tb_ml_type(p);
    tb_ml_next(p);
    return torch_type(p, s);
}

static ml_type
with_items(ml_parser *p, ml_type_kind kind)
{
    TB_VEC(ml_type) items = {0};
    ml_type t = {.kind = kind};

    tb_ml_need(p, '<');
    while (!tb_ml_is(p, '>')) {
        if (items.n)
            tb_ml_need(p, ',');
        TB_PUSH(&p->cx->scratch, &items, inner(p));
    }
    tb_ml_need(p, '>');
    t.items = items.at;
    t.n_items = items.n;
    if (kind != ML_T_TUPLE && kind != ML_T_OTHER && t.n_items != 1)
        tb_ml_fail(p, p->tok.place, "a list or optional has one element type");
    return t;
}

static ml_type
torch_type(ml_parser *p, tb_str name)
{
    ml_type t = {.text = name};

    tb_ml_enter(p);
    if (tb_str_is(name, "vtensor") || tb_str_is(name, "tensor")) {
        t = torch_tensor(p, name.ptr[0] == 't');
    } else if (tb_str_is(name, "list")) {
        t = with_items(p, ML_T_LIST);
    } else if (tb_str_is(name, "optional")) {
        t = with_items(p, ML_T_OPTIONAL);
    } else if (tb_str_is(name, "tuple") || tb_str_is(name, "union") ||
               tb_str_is(name, "dict")) {
        t = with_items(p, name.ptr[0] == 't' ? ML_T_TUPLE : ML_T_OTHER);
        t.text = name;
    } else if (tb_ml_is(p, '<')) {
        tb_ml_fail(p, p->tok.place, "the type !torch.%.*s is not supported",
                   TB_FMT(name));
    } else {
        for (size_t i = 0; i < TB_COUNT(scalars); i++)
            if (tb_str_is(name, scalars[i].name))
                t.kind = scalars[i].kind;
    }
    tb_ml_leave(p);
    return t;
}

/* (a, b) -> c: where a type attribute says a function's type. Its parts are not needed. */
static ml_type
function_type(ml_parser *p)
{
    ml_type t = {.text = TB_STR("function")};

    tb_ml_need(p, '(');
    while (!tb_ml_is(p, ')')) {
        tb_ml_type(p);
        if (!tb_ml_is(p, ')'))
            tb_ml_need(p, ',');
    }
    tb_ml_need(p, ')');
    if (p->tok.kind != ML_ARROW)
        tb_ml_expected(p, "'->'");
    tb_ml_next(p);
    if (tb_ml_is(p, '(')) {
        tb_ml_next(p);
        while (!tb_ml_is(p, ')')) {
            tb_ml_type(p);
            if (!tb_ml_is(p, ')'))
                tb_ml_need(p, ',');
        }
        tb_ml_need(p, ')');
    } else {
        tb_ml_type(p);
    }
    return t;
}

static ml_type
named_type(ml_parser *p)
{
    tb_str s = p->tok.text;
    const ml_alias *alias;
    ml_place at = p->tok.place;

    tb_ml_next(p);
    if (tb_str_prefix(s, "torch.")) {
        s.ptr += 6;
        s.len -= 6;
        return torch_type(p, s);
    }
    alias = tb_ml_alias(p, s);
    if (alias && alias->type)
        return *alias->type;
    tb_ml_fail(p, at, "unknown type '!%.*s'", TB_FMT(s));
}

ml_type
tb_ml_type(ml_parser *p)
{
    ml_type t = {.text = p->tok.text};

    tb_ml_enter(p);
    if (p->tok.kind == ML_TYPE) {
        t = named_type(p);
    } else if (tb_ml_is(p, '(')) {
        t = function_type(p);
    } else if (tb_ml_try_word(p, "tensor")) {
        t = builtin_tensor(p);
    } else if (tb_ml_try_word(p, "none")) {
        t.kind = ML_T_NONE;
    } else if (p->tok.kind == ML_WORD) {
        t.tensor.dtype = (uint8_t)element(p); /* i64, index */
        if (tb_ml_is(p, '<'))
            tb_ml_fail(p, p->tok.place, "the type %.*s is not supported", TB_FMT(t.text));
    } else {
        tb_ml_expected(p, "a type");
    }
    tb_ml_leave(p);
    return t;
}

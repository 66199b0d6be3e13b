/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * promote.c -- PyTorch's type promotion.
 *
 * Three ranks of operands decide the common dtype: tensors with axes, tensors of rank 0,
 * and Python numbers. A lower rank only matters if it is of a higher category (bool <
 * integer < float < complex) than everything above it.
 */
#include "op/body.h"
#include "op/schema.h"

enum { MAX_ARGS = 16 };

static bool
is_barebones(tb_dtype t)
{
    return t == TB_U16 || t == TB_U32 || t == TB_U64;
}

static tb_dtype
to_complex(tb_dtype t)
{
    return t == TB_F64 || t == TB_C128 ? TB_C128 : TB_C64;
}

static tb_dtype
promote_ints(tb_dtype a, tb_dtype b)
{
    size_t m = tb_dtype_bytes(a), n = tb_dtype_bytes(b);
    bool a_signed = tb_dtype_kind(a) == TB_KIND_INT;

    if (tb_dtype_kind(a) == tb_dtype_kind(b))
        return m > n ? a : b;
    if (is_barebones(a) || is_barebones(b))
        return TB_NONE; /* PyTorch refuses as well */
    /* u8 and a signed type */
    a = a_signed ? a : b;
    return a == TB_I8 ? TB_I16 : a;
}

tb_dtype
tb_promote_types(tb_dtype a, tb_dtype b)
{
    if (a == b || b == TB_NONE)
        return a;
    if (a == TB_NONE)
        return b;
    if (tb_dtype_is_complex(a) || tb_dtype_is_complex(b))
        return to_complex(to_complex(a) == TB_C128 ? a : b);
    if (tb_dtype_is_float(a) && tb_dtype_is_float(b)) {
        if (tb_dtype_bytes(a) == tb_dtype_bytes(b))
            return TB_F32; /* f16 and bf16 */
        return tb_dtype_bytes(a) > tb_dtype_bytes(b) ? a : b;
    }
    if (tb_dtype_is_float(a) || a == TB_BOOL)
        return tb_dtype_is_float(a) ? a : b;
    if (tb_dtype_is_float(b) || b == TB_BOOL)
        return tb_dtype_is_float(b) ? b : a;
    return promote_ints(a, b);
}

/* ---- the three ranks ---- */

typedef struct ranks {
    tb_dtype axes, scalar, number;
} ranks;

static void
join(tb_opctx *c, tb_dtype *into, tb_dtype t)
{
    tb_dtype r = tb_promote_types(*into, t);

    if (r == TB_NONE)
        tb_body_raise(c, "PyTorch does not promote %s with %s", tb_dtype_name(*into),
                      tb_dtype_name(t));
    *into = r;
}

/* What a Python number of that kind counts as. */
static tb_dtype
of_number(tb_dtype t)
{
    if (tb_dtype_is_inexact(t))
        return tb_dtype_is_float(t) ? TB_F32 : TB_C64;
    return t == TB_BOOL ? TB_BOOL : TB_I64;
}

static void
look(tb_opctx *c, ranks *r, const tb_arg *a)
{
    switch (a->kind) {
    case TB_ARG_TENSOR:
        if (a->number)
            join(c, &r->number, of_number(tb_dtype_of(c->g, a->v)));
        else if (a->v.id)
            join(c, tb_rank(c->g, a->v) ? &r->axes : &r->scalar, tb_dtype_of(c->g, a->v));
        return;
    case TB_ARG_INT:
    case TB_ARG_DIM:
        join(c, &r->number, TB_I64);
        return;
    case TB_ARG_FLOAT:
        join(c, &r->number, TB_F32);
        return;
    case TB_ARG_COMPLEX:
        join(c, &r->number, TB_C64);
        return;
    case TB_ARG_BOOL:
        join(c, &r->number, TB_BOOL);
        return;
    case TB_ARG_LIST:
        for (uint32_t i = 0; i < a->list.n; i++)
            look(c, r, &a->list.at[i]);
        return;
    case TB_ARG_NONE:
    case TB_ARG_STR:
        return;
    }
}

static tb_dtype
combine(tb_opctx *c, tb_dtype higher, tb_dtype lower)
{
    if (tb_dtype_is_complex(higher) || lower == TB_NONE)
        return higher;
    if (tb_dtype_is_float(higher))
        return tb_dtype_is_complex(lower) ? to_complex(higher) : higher;
    if (higher == TB_NONE || higher == TB_BOOL || tb_dtype_is_float(lower) ||
        tb_dtype_is_complex(lower))
        join(c, &higher, lower);
    return higher;
}

tb_dtype
tb_promote_dtype(tb_opctx *c, const tb_arg *args, uint32_t n, uint64_t mask)
{
    ranks r = {TB_NONE, TB_NONE, TB_NONE};

    for (uint32_t i = 0; i < n; i++)
        if (mask >> i & 1)
            look(c, &r, &args[i]);
    return combine(c, r.axes, combine(c, r.scalar, r.number));
}

tb_val
tb_promote_value(tb_opctx *c, const tb_arg *a, tb_dtype t)
{
    tb_graph *g = c->g;

    switch (a->kind) {
    case TB_ARG_TENSOR:
        return CAST(a->v, t);
    case TB_ARG_INT:
        return tb_full_i(g, t, 0, NULL, a->i);
    case TB_ARG_BOOL:
        return tb_full_i(g, t, 0, NULL, a->b);
    case TB_ARG_FLOAT:
        return tb_full_f(g, t, 0, NULL, a->f);
    case TB_ARG_COMPLEX:
        return tb_body_complex(g, t, a->z.re, a->z.im);
    case TB_ARG_DIM:
        return CAST(tb_dim_value(g, a->d), t);
    case TB_ARG_NONE:
    case TB_ARG_STR:
    case TB_ARG_LIST:
        break;
    }
    tb_body_raise(c, "expected a tensor or a number");
}

tb_val
tb_body_promoted(tb_opctx *c, uint32_t i, tb_dtype t)
{
    return tb_promote_value(c, tb_body_at(c, i, 0), t);
}

tb_dtype
tb_body_common(tb_opctx *c, uint64_t mask)
{
    return tb_promote_dtype(c, c->arg, c->n_args, mask);
}

/* ---- promoted rows ---- */

/* Which arguments take part: tensors, and scalars that are operands. A Scalar with a
 * default (alpha, beta) is a parameter. */
static bool
takes_part(const tb_schema_arg *a, const tb_arg *v)
{
    if (v->kind == TB_ARG_NONE || v->kind == TB_ARG_STR || v->kind == TB_ARG_LIST)
        return false;
    return tb_str_is(a->type, "Tensor") || tb_str_is(a->type, "Tensor?") ||
           tb_str_is(a->type, "Scalar?") ||
           (tb_str_is(a->type, "Scalar") && !a->has_default);
}

void
tb_promote_args(tb_opctx *c, const tb_schema *s, tb_promote how, tb_arg *args)
{
    tb_val like = TB_NO_VAL;
    uint64_t mask = 0;
    tb_dtype t;

    TB_CHECK(s->n_args <= MAX_ARGS);
    for (uint32_t i = 0; i < s->n_args; i++)
        mask |= (uint64_t)takes_part(&s->args[i], &args[i]) << i;
    t = tb_promote_dtype(c, args, s->n_args, mask);
    if (how == TB_FLOATY && !tb_dtype_is_inexact(t))
        t = TB_F32;
    for (uint32_t i = 0; i < s->n_args; i++) {
        if (!(mask >> i & 1))
            continue;
        args[i] = (tb_arg){.kind = TB_ARG_TENSOR, .v = tb_promote_value(c, &args[i], t)};
        if (like.id)
            tb_broadcast(c->g, &like, &args[i].v);
        like = args[i].v;
    }
    for (uint32_t i = 0; i < s->n_args; i++)
        if (mask >> i & 1)
            args[i].v = tb_expand_like(c->g, args[i].v, like);
}

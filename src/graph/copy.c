/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * copy.c -- the generic step of every pass: a node of one graph, made again in another.
 *
 * It goes through the typed constructors, so that types follow from the new operands
 * and what those constructors simplify is simplified. Only shapes that are choices (of
 * reshape, expand, full ...) are taken over, with the equalities learned since.
 */
#include "graph/internal.h"

enum { FEW = 16 };

typedef struct step {
    tb_graph *to;
    const tb_graph *from;
    const tb_node *n;
    const tb_val *in; /* mapped operands */
    const tb_dim *dims;
    const int64_t *attr;
} step;

static const tb_arg *
map_args(tb_graph *to, const tb_arg *args, uint32_t n, const tb_val *map)
{
    tb_arg *out = tb_dup(&to->unit->cx->keep, args, n * sizeof *args);

    for (uint32_t i = 0; i < n; i++) {
        if (args[i].kind == TB_ARG_TENSOR)
            out[i].v = map[args[i].v.id];
        else if (args[i].kind == TB_ARG_LIST)
            out[i].list.at = map_args(to, args[i].list.at, args[i].list.n, map);
        else if (args[i].kind == TB_ARG_DIM)
            out[i].d = tb_dim_canon(to->unit, args[i].d);
    }
    return out;
}

static tb_val
copy_call(tb_graph *to, const tb_graph *from, tb_val v, const tb_val *map)
{
    tb_call c = from->calls.at[tb_attrs(from, v)[0]];

    c.args = map_args(to, c.args, c.n_args, map);
    return tb_aten(to, c);
}

static tb_val
copy_result(const step *s)
{
    tb_type t = {.dtype = s->n->dtype, .rank = s->n->rank};

    memcpy(t.dims, s->dims, sizeof *s->dims * s->n->rank);
    return tb_result(s->to, s->in[0], (uint32_t)s->attr[0], &t);
}

/* Exactly the same with other operands: what has effects, refers to other graphs, or
 * has nothing to infer. */
static tb_val
copy_raw(const step *s)
{
    return tb_add(s->to, (tb_prim)s->n->prim, (tb_dtype)s->n->dtype, s->n->rank,
                  s->dims, s->in, s->n->n_in, s->attr, s->n->n_attr);
}

static tb_val
copy_map(const step *s)
{
    tb_prim p = (tb_prim)s->n->prim;

    switch (s->n->n_in) {
    case 1:
        if (p == TB_P_cast)
            return tb_cast(s->to, s->in[0], (tb_dtype)s->n->dtype);
        if (p == TB_P_bitcast)
            return tb_bitcast(s->to, s->in[0], (tb_dtype)s->n->dtype);
        return tb_map1(s->to, p, s->in[0]);
    case 2:
        return tb_map2(s->to, p, s->in[0], s->in[1]);
    default:
        return tb_where(s->to, s->in[0], s->in[1], s->in[2]);
    }
}

static tb_val
copy_move(const step *s)
{
    tb_graph *g = s->to;
    const int64_t *attr = s->attr;
    int rank = s->n->rank, in_rank = tb_rank(g, s->in[0]);

    switch ((tb_prim)s->n->prim) {
    case TB_P_permute:
        return tb_permute(g, s->in[0], attr);
    case TB_P_reshape:
        return tb_reshape(g, s->in[0], rank, s->dims);
    case TB_P_expand:
        return tb_expand(g, s->in[0], rank, s->dims);
    case TB_P_slice:
        return tb_slice(g, s->in[0], attr, s->dims, attr + rank);
    case TB_P_pad:
        return tb_pad(g, s->in[0], attr, attr + in_rank, s->in[1]);
    case TB_P_flip:
        return tb_flip(g, s->in[0], (uint32_t)attr[0]);
    case TB_P_window:
        return tb_window(g, s->in[0], (int)attr[0], attr[1], attr[2], attr[3]);
    default:
        return tb_concat(g, s->in, s->n->n_in, (int)attr[0]);
    }
}

static tb_val
copy_conv(const step *s)
{
    int n = (int)s->attr[0];
    const int64_t *a = s->attr + 2;

    return tb_conv(s->to, (tb_prim)s->n->prim, s->in[0], s->in[1],
                   s->n->n_in > 2 ? s->in[2] : TB_NO_VAL, n, s->attr[1], a, a + n,
                   a + 2 * n, a + 3 * n);
}

static tb_val
copy_attention(const step *s)
{
    double scale;

    memcpy(&scale, &s->attr[1], sizeof scale);
    if (s->n->prim == TB_P_attention_grad)
        return tb_attention_grad(s->to, s->in,
                                 s->n->n_in > TB_GRAD_MASK ? s->in[TB_GRAD_MASK] : TB_NO_VAL,
                                 s->attr[0] != 0, scale);
    return (s->n->prim == TB_P_attention ? tb_attention : tb_attention_lse)(
        s->to, s->in[0], s->in[1], s->in[2], s->n->n_in > 3 ? s->in[3] : TB_NO_VAL,
        s->attr[0] != 0, scale);
}

static tb_val
copy_other(const step *s)
{
    tb_graph *g = s->to;

    switch ((tb_prim)s->n->prim) {
    case TB_P_cumsum:
    case TB_P_cumprod:
    case TB_P_cummax:
    case TB_P_cummin:
        return tb_scan(g, (tb_prim)s->n->prim, s->in[0], (int)s->attr[0]);
    case TB_P_dim:
        return tb_dim_value(g, s->attr[0]);
    case TB_P_complex:
        return tb_complex(g, s->in[0], s->in[1]);
    case TB_P_imag:
        return tb_imag(g, s->in[0]);
    case TB_P_dot:
        return tb_dot(g, s->in[0], s->in[1]);
    case TB_P_gather:
        return tb_gather(g, s->in[0], (uint32_t)s->attr[0], s->in + 1, s->n->n_in - 1);
    case TB_P_scatter:
        return tb_scatter(g, s->in[0], s->in[1], (uint32_t)s->attr[0], (int)s->attr[1],
                          s->in + 2, s->n->n_in - 2);
    case TB_P_argsort:
        return tb_argsort(g, s->in[0], (int)s->attr[0], s->attr[1] != 0);
    case TB_P_tri_solve:
        return tb_tri_solve(g, s->in[0], s->in[1],
                            (tb_triangle){s->attr[0], s->attr[1], s->attr[2], s->attr[3]},
                            s->attr[4]);
    case TB_P_cholesky:
        return tb_cholesky(g, s->in[0], s->attr[0]);
    case TB_P_lu:
        return tb_lu(g, s->in[0], s->attr[0], s->attr[1]);
    case TB_P_qr:
        return tb_qr(g, s->in[0], s->attr[0]);
    case TB_P_jacobi:
        return tb_jacobi(g, s->in[0], s->attr[0], s->attr[1]);
    case TB_P_schur:
        return tb_schur(g, s->in[0], s->attr[0]);
    case TB_P_exchange:
        return tb_exchange(g, s->in[0], s->attr[0]);
    case TB_P_rand:
        return tb_rand(g, s->in[0], s->in[1], s->n->rank, s->dims);
    case TB_P_conv:
    case TB_P_conv_nhwc:
        return copy_conv(s);
    case TB_P_attention:
    case TB_P_attention_lse:
    case TB_P_attention_grad:
        return copy_attention(s);
    case TB_P_result:
        return copy_result(s);
    default: /* input, const, full, iota, state, control */
        return copy_raw(s);
    }
}

tb_val
tb_copy_node(tb_graph *to, const tb_graph *from, tb_val v, const tb_val *map)
{
    const tb_node *n = tb_node_of(from, v);
    tb_prim p = (tb_prim)n->prim;
    tb_val few[FEW], *in = few, out;
    uint32_t before = to->n;

    to->loc = from->locs[v.id];
    if (n->n_in > FEW)
        in = TB_NEWN(&to->unit->cx->scratch, tb_val, n->n_in);
    for (uint32_t i = 0; i < n->n_in; i++) {
        in[i] = map[tb_in(from, v, i).id];
        TB_CHECK(in[i].id != 0);
    }
    step s = {to, from, n, in, tb_dims(from, v), tb_attrs(from, v)};

    if (p == TB_P_aten)
        out = copy_call(to, from, v, map);
    else if (tb_prim_is_map(p))
        out = copy_map(&s);
    else if (tb_prim_is_fold(p))
        out = tb_reduce(to, p, in[0], (uint32_t)s.attr[0]);
    else if (tb_prim_is_move(p))
        out = copy_move(&s);
    else
        out = copy_other(&s);
    if (out.id >= before && to->names[out.id].len == 0)
        to->names[out.id] = from->names[v.id];
    return out;
}

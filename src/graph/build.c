/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * build.c -- typed constructors of contractions, indexing, composites, state and calls.
 */
#include "graph/internal.h"

static void
expect_dtype(tb_graph *g, const char *what, const char *which, tb_val v, tb_dtype t)
{
    if (tb_dtype_of(g, v) != t)
        TB_RAISE(g, "%s: %s: expected %s, found %s", what, which, tb_dtype_name(t),
                 tb_dtype_name(tb_dtype_of(g, v)));
}

static void
expect_number(tb_graph *g, const char *what, tb_val v, bool float_only)
{
    tb_dtype t = tb_dtype_of(g, v);

    if (!tb_dtype_is_float(t) &&
        (float_only || !(tb_dtype_is_int(t) || tb_dtype_is_complex(t))))
        TB_RAISE(g, "%s: not defined for %s", what, tb_dtype_name(t));
}

/* ---- contraction ---- */

tb_val
tb_dot(tb_graph *g, tb_val x, tb_val y)
{
    tb_dim dims[TB_MAX_RANK];
    tb_val in[2] = {x, y};
    int rank = tb_rank(g, x);

    if (rank < 2)
        TB_RAISE(g, "dot: expected rank 2 or more, found rank %d", rank);
    tb_expect_rank(g, "dot", "second operand", y, rank);
    tb_same_dtype(g, "dot", x, y);
    expect_number(g, "dot", x, false);
    tb_same_size(g, "dot", "inner sizes differ", tb_dims(g, x)[rank - 1],
                 tb_dims(g, y)[rank - 2]);
    for (int i = 0; i < rank - 2; i++)
        dims[i] = tb_same_size(g, "dot", "batch sizes differ", tb_dims(g, x)[i],
                               tb_dims(g, y)[i]);
    dims[rank - 2] = tb_dims(g, x)[rank - 2];
    dims[rank - 1] = tb_dims(g, y)[rank - 1];
    return tb_add(g, TB_P_dot, tb_dtype_of(g, x), rank, dims, in, 2, NULL, 0);
}

/* ---- gather and scatter ---- */

/* [I..., axes of x not in mask] */
static int
gathered_dims(tb_graph *g, const char *what, tb_val x, uint32_t mask, const tb_val *idx,
              uint32_t n_idx, tb_dim *dims)
{
    int rank = tb_rank(g, x), n = 0;

    if (mask >> rank)
        tb_check_axis(g, what, 31 - __builtin_clz(mask), rank);
    if (!mask || (uint32_t)__builtin_popcount(mask) != n_idx)
        TB_RAISE(g, "%s: expected %d index tensors, found %u", what,
                 __builtin_popcount(mask), n_idx);
    for (uint32_t k = 0; k < n_idx; k++) {
        expect_dtype(g, what, "index", idx[k], TB_I64);
        tb_expect_rank(g, what, "index", idx[k], tb_rank(g, idx[0]));
    }
    tb_check_rank(g, what, tb_rank(g, idx[0]) + rank - (int)n_idx);
    for (int i = 0; i < tb_rank(g, idx[0]); i++) {
        dims[n] = tb_dims(g, idx[0])[i];
        for (uint32_t k = 1; k < n_idx; k++)
            dims[n] = tb_same_size(g, what, "index sizes differ", dims[n],
                                   tb_dims(g, idx[k])[i]);
        n++;
    }
    for (int i = 0; i < rank; i++)
        if (!(mask >> i & 1))
            dims[n++] = tb_dims(g, x)[i];
    return n;
}

tb_val
tb_gather(tb_graph *g, tb_val x, uint32_t mask, const tb_val *idx, uint32_t n_idx)
{
    tb_dim dims[2 * TB_MAX_RANK];
    tb_val in[1 + TB_MAX_RANK] = {x};
    int64_t attr = mask;
    int rank = gathered_dims(g, "gather", x, mask, idx, n_idx, dims);

    memcpy(in + 1, idx, n_idx * sizeof *idx);
    return tb_add(g, TB_P_gather, tb_dtype_of(g, x), rank, dims, in, 1 + n_idx, &attr,
                  1);
}

tb_val
tb_scatter(tb_graph *g, tb_val base, tb_val updates, uint32_t mask, int mode,
           const tb_val *idx, uint32_t n_idx)
{
    tb_dim dims[2 * TB_MAX_RANK];
    tb_val in[2 + TB_MAX_RANK] = {base, updates};
    int64_t attr[2] = {mask, mode};
    int rank = gathered_dims(g, "scatter", base, mask, idx, n_idx, dims);

    if (mode < 0 || mode > 4)
        TB_RAISE(g, "scatter: mode %d is not one of 0 to 4", mode);
    tb_same_dtype(g, "scatter", base, updates);
    tb_expect_rank(g, "scatter", "updates", updates, rank);
    for (int i = 0; i < rank; i++)
        tb_same_size(g, "scatter", "sizes of the updates differ", dims[i],
                     tb_dims(g, updates)[i]);
    memcpy(in + 2, idx, n_idx * sizeof *idx);
    return tb_add(g, TB_P_scatter, tb_dtype_of(g, base), tb_rank(g, base),
                  tb_dims(g, base), in, 2 + n_idx, attr, 2);
}

tb_val
tb_argsort(tb_graph *g, tb_val x, int axis, bool descending)
{
    int64_t attr[2] = {axis, descending};

    tb_check_axis(g, "argsort", axis, tb_rank(g, x));
    if (tb_dtype_is_complex(tb_dtype_of(g, x)) || tb_dtype_of(g, x) == TB_NONE)
        TB_RAISE(g, "argsort: not defined for %s", tb_dtype_name(tb_dtype_of(g, x)));
    return tb_add(g, TB_P_argsort, TB_I64, tb_rank(g, x), tb_dims(g, x), &x, 1, attr,
                  2);
}

tb_val
tb_rand(tb_graph *g, tb_val seed, tb_val offset, int rank, const tb_dim *dims)
{
    tb_val in[2] = {seed, offset};

    tb_check_rank(g, "rand", rank);
    expect_dtype(g, "rand", "seed", seed, TB_I64);
    expect_dtype(g, "rand", "offset", offset, TB_I64);
    tb_expect_rank(g, "rand", "seed", seed, 0);
    tb_expect_rank(g, "rand", "offset", offset, 0);
    return tb_add(g, TB_P_rand, TB_I64, rank, dims, in, 2, NULL, 0);
}

/* ---- composites ---- */

/* (size + lo + hi - dilation*(kernel - 1) - 1)//stride + 1 */
static tb_dim
conv_size(tb_graph *g, const char *what, int axis, tb_dim size, tb_dim kernel,
          int64_t stride, int64_t lo, int64_t hi, int64_t dilation)
{
    tb_unit *u = g->unit;
    int64_t least, most;
    tb_dim padded, span, n;

    if (stride < 1 || dilation < 1 || lo < 0 || hi < 0)
        TB_RAISE(g,
                 "%s: stride %lld and dilation %lld must be positive, padding "
                 "(%lld, %lld) not negative",
                 what, (long long)stride, (long long)dilation, (long long)lo,
                 (long long)hi);
    padded = tb_dim_add(u, size, tb_dim_add(u, lo, hi));
    span = tb_dim_add(u, tb_dim_mul(u, dilation, tb_dim_sub(u, kernel, 1)), 1);
    n = tb_dim_floordiv(u, tb_dim_sub(u, padded, span), stride);
    n = tb_dim_add(u, n, 1);
    tb_dim_range(u, n, &least, &most);
    if (most < 1)
        TB_RAISE(
            g, "%s: a kernel of %s does not fit the padded size %s of spatial axis %d",
            what, tb_dim_text(u, &u->cx->keep, span).ptr,
            tb_dim_text(u, &u->cx->keep, padded).ptr, axis);
    return n;
}

tb_val
tb_conv(tb_graph *g, tb_prim p, tb_val x, tb_val w, tb_val bias, int n_spatial,
        int64_t groups, const int64_t *stride, const int64_t *pad_lo,
        const int64_t *pad_hi, const int64_t *dilation)
{
    const char *what = tb_prim_name(p);
    const bool last = p == TB_P_conv_nhwc;
    int64_t attr[2 + 4 * TB_MAX_RANK] = {n_spatial, groups};
    const int64_t *lists[4] = {stride, pad_lo, pad_hi, dilation};
    tb_dim dims[TB_MAX_RANK], out;
    tb_val in[3] = {x, w, bias};
    int n = n_spatial, channel = last ? n + 1 : 1, first = last ? 1 : 2;

    if (p != TB_P_conv && p != TB_P_conv_nhwc)
        TB_RAISE(g, "%s: not a convolution", what);
    if (n < 1 || n > TB_MAX_RANK - 2 || groups < 1)
        TB_RAISE(g, "%s: %d spatial axes in %lld groups", what, n, (long long)groups);
    tb_expect_rank(g, what, "input", x, n + 2);
    tb_expect_rank(g, what, "weight", w, n + 2);
    tb_same_dtype(g, what, x, w);
    expect_number(g, what, x, false);
    tb_same_size(g, what, "channels of the weight differ",
                 tb_dim_floordiv(g->unit, tb_dims(g, x)[channel], groups),
                 tb_dims(g, w)[channel]);
    tb_same_size(g, what, "input channels beyond a multiple of the groups", 0,
                 tb_dim_mod(g->unit, tb_dims(g, x)[channel], groups));
    out = tb_dims(g, w)[0];
    tb_same_size(g, what, "output channels beyond a multiple of the groups", 0,
                 tb_dim_mod(g->unit, out, groups));
    if (bias.id) {
        tb_expect_rank(g, what, "bias", bias, 1);
        tb_same_dtype(g, what, x, bias);
        tb_same_size(g, what, "size of the bias", out, tb_dims(g, bias)[0]);
    }
    dims[0] = tb_dims(g, x)[0];
    dims[channel] = out;
    for (int i = 0; i < n; i++)
        dims[first + i] =
            conv_size(g, what, i, tb_dims(g, x)[first + i], tb_dims(g, w)[first + i],
                      stride[i], pad_lo[i], pad_hi[i], dilation[i]);
    for (int k = 0; k < 4; k++)
        memcpy(attr + 2 + k * n, lists[k], sizeof *attr * (size_t)n);
    return tb_add(g, p, tb_dtype_of(g, x), n + 2, dims, in, bias.id ? 3 : 2, attr,
                  (uint32_t)(2 + 4 * n));
}

/* ---- state and effects ---- */

static const tb_global *
get_global(tb_graph *g, const char *what, uint32_t global)
{
    if (global >= g->unit->globals.n)
        TB_RAISE(g, "%s: there is no global %u", what, global);
    return &g->unit->globals.at[global];
}

tb_val
tb_read(tb_graph *g, uint32_t global)
{
    const tb_global *s = get_global(g, "read", global);
    int64_t attr = global;

    return tb_add(g, TB_P_read, s->dtype, s->rank, s->dims, NULL, 0, &attr, 1);
}

void
tb_write(tb_graph *g, uint32_t global, tb_val x)
{
    const tb_global *s = get_global(g, "write", global);
    int64_t attr = global;

    if (!s->mutable_)
        TB_RAISE(g, "write: global %.*s is not mutable", TB_FMT(s->name));
    expect_dtype(g, "write", "value", x, s->dtype);
    tb_expect_rank(g, "write", "value", x, s->rank);
    for (int i = 0; i < s->rank; i++)
        tb_same_size(g, "write", "size of the value", s->dims[i], tb_dims(g, x)[i]);
    tb_add(g, TB_P_write, TB_NONE, 0, NULL, &x, 1, &attr, 1);
}

void
tb_assert_node(tb_graph *g, tb_val cond, tb_str message)
{
    tb_unit *u = g->unit;
    int64_t attr;

    expect_dtype(g, "assert", "condition", cond, TB_BOOL);
    tb_expect_rank(g, "assert", "condition", cond, 0);
    if (!u->messages.n || !tb_str_eq(u->messages.at[u->messages.n - 1], message))
        TB_PUSH(&u->cx->keep, &u->messages, tb_strdup(&u->cx->keep, message));
    attr = u->messages.n - 1;
    tb_add(g, TB_P_assert, TB_NONE, 0, NULL, &cond, 1, &attr, 1);
}

tb_dim
tb_item(tb_graph *g, tb_val x, tb_str name, int64_t min, int64_t max)
{
    int64_t attr;
    tb_dim d;

    if (!tb_dtype_is_int(tb_dtype_of(g, x)) && tb_dtype_of(g, x) != TB_BOOL)
        TB_RAISE(g, "item: expected an integer, found %s",
                 tb_dtype_name(tb_dtype_of(g, x)));
    tb_expect_rank(g, "item", "operand", x, 0);
    d = tb_sym_new(g->unit, name, TB_SYM_ITEM, min, max);
    attr = g->unit->syms.n - 1;
    tb_add(g, TB_P_item, TB_NONE, 0, NULL, &x, 1, &attr, 1);
    return d;
}

/* ---- calls ---- */

tb_val
tb_result(tb_graph *g, tb_val node, uint32_t number, const tb_type *type)
{
    tb_prim p = (tb_prim)tb_node_of(g, node)->prim;
    int64_t attr = number;

    if (p != TB_P_aten && p != TB_P_cond && p != TB_P_while && p != TB_P_call)
        TB_RAISE(g, "result: %s has no numbered results", tb_prim_name(p));
    return tb_add(g, TB_P_result, (tb_dtype)type->dtype, type->rank, type->dims, &node,
                  1, &attr, 1);
}

static void
collect_tensors(tb_arena *a, const tb_arg *args, uint32_t n, tb_val **at,
                uint32_t *count, uint32_t *cap)
{
    for (uint32_t i = 0; i < n; i++) {
        if (args[i].kind == TB_ARG_LIST) {
            collect_tensors(a, args[i].list.at, args[i].list.n, at, count, cap);
        } else if (args[i].kind == TB_ARG_TENSOR && args[i].v.id) {
            tb_vec_grow(a, (void **)at, cap, *count + 1, sizeof **at);
            (*at)[(*count)++] = args[i].v;
        }
    }
}

/* The call record is kept as given: args, results and strings must live as long as the
 * context. Operands are all tensors among the arguments, in order. */
tb_val
tb_aten(tb_graph *g, tb_call call)
{
    tb_arena *a = &g->unit->cx->keep;
    tb_val *in = NULL;
    uint32_t n = 0, cap = 0;
    int64_t attr = g->calls.n;

    collect_tensors(&g->unit->cx->scratch, call.args, call.n_args, &in, &n, &cap);
    TB_PUSH(a, &g->calls, call);
    return tb_add(g, TB_P_aten, TB_NONE, 0, NULL, in, n, &attr, 1);
}

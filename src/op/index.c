/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * index.c -- reading by index: embedding, x[i, j], gather, searches in sorted lists.
 *
 * Everything becomes the primitive `gather`, which fails the call when an index is out of
 * range. Where PyTorch lets indices count from the end they are wrapped first.
 */
#include "op/index.h"

/* ---- x[a, :, b] ---- */

/* Positions where a constant mask is true, one I64 [n] for each of its axes. */
static void
constant_positions(tb_graph *g, const tb_const *k, int rank, tb_val *out)
{
    tb_unit *u = g->unit;
    const uint8_t *bytes = k->bytes;
    int64_t n = 0, at = 0, total = (int64_t)k->n_bytes;

    for (int64_t i = 0; i < total; i++)
        n += bytes[i] != 0;
    for (int ax = 0; ax < rank; ax++) {
        int64_t *pos = TB_NEWN(&u->cx->keep, int64_t, n + 1), inner = 1;
        tb_const r = {.name = TB_STR(""), .dtype = TB_I64, .rank = 1, .dims = {n},
                      .bytes = pos, .n_bytes = (size_t)n * sizeof *pos,
                      .scope = TB_STR("")};

        for (int i = ax + 1; i < rank; i++)
            inner *= k->dims[i];
        at = 0;
        for (int64_t i = 0; i < total; i++)
            if (bytes[i])
                pos[at++] = i / inner % k->dims[ax];
        out[ax] = tb_constant(g, tb_unit_const(u, r));
    }
}

/* Positions where a mask is true, one I64 [n] for each of its axes. */
static void
true_positions(tb_graph *g, tb_val mask, tb_val *out)
{
    const tb_const *k = NULL;

    if (tb_node_of(g, mask)->prim == TB_P_const)
        k = &g->unit->consts.at[tb_attrs(g, mask)[0]];
    if (k && !k->external && k->bytes)
        constant_positions(g, k, RANK(mask), out);
    else
        tb_indices_split(g, tb_indices_true(g, mask), RANK(mask), tb_dims(g, mask), out);
}

static void
add_index(tb_opctx *c, tb_indices *ix, tb_val x, int axis, tb_val index)
{
    tb_graph *g = c->g;

    ix->mask |= 1u << axis;
    ix->at[ix->n++] = tb_body_wrap(g, index, SIZE(x, axis));
}

static void
same_shape(tb_graph *g, tb_indices *ix)
{
    for (uint32_t i = 1; i < ix->n; i++)
        tb_broadcast(g, &ix->at[0], &ix->at[i]);
    for (uint32_t i = 1; i < ix->n; i++)
        ix->at[i] = tb_expand_like(g, ix->at[i], ix->at[0]);
    ix->rank = RANK(ix->at[0]);
}

tb_indices
tb_indices_read(tb_opctx *c, uint32_t i, tb_val x)
{
    tb_graph *g = c->g;
    tb_indices ix = {0};
    int axis = 0, first = -1, last = -1, whole = 0;

    for (uint32_t k = 0; k < tb_body_n(c, i); k++) {
        const tb_arg *a = tb_body_at(c, i, k);
        tb_dtype t;

        if (a->kind == TB_ARG_NONE || !a->v.id) {
            axis++;
            continue;
        }
        if (a->kind != TB_ARG_TENSOR)
            tb_body_raise(c, "expected tensors as indices");
        t = tb_dtype_of(g, a->v);
        if (!tb_dtype_is_int(t) && t != TB_BOOL)
            tb_body_raise(c, "expected integers or booleans as indices, found %s",
                          tb_dtype_name(t));
        if (axis + (t == TB_BOOL ? RANK(a->v) : 1) > RANK(x))
            tb_body_raise(c, "too many indices for rank %d", RANK(x));
        first = first < 0 ? axis : first;
        if (t == TB_BOOL) {
            tb_val at[TB_MAX_RANK];

            if (RANK(a->v) == 0)
                tb_body_lacks(c, "a mask of rank 0");
            true_positions(g, a->v, at);
            for (int p = 0; p < RANK(a->v); p++)
                add_index(c, &ix, x, axis++, at[p]);
        } else {
            add_index(c, &ix, x, axis++, a->v);
        }
        last = axis - 1;
    }
    if (!ix.n)
        return ix;
    same_shape(g, &ix);
    for (int k = 0; k < RANK(x); k++)
        whole += k > first && k < last && !(ix.mask >> k & 1);
    /* neighbours keep their place; apart, they go first */
    ix.front = whole ? 0 : first;
    return ix;
}

int
tb_indices_dims(tb_graph *g, const tb_indices *ix, tb_val x, tb_dim *out)
{
    int n = 0, others = 0;

    for (int i = 0; i <= RANK(x); i++) {
        if (others == ix->front && n == others)
            for (int k = 0; k < ix->rank; k++)
                out[n++] = SIZE(ix->at[0], k);
        if (i < RANK(x) && !(ix->mask >> i & 1)) {
            out[n++] = SIZE(x, i);
            others++;
        }
    }
    return n;
}

/* Where axis i of [I..., others...] stands in x[...]. */
static int
place(const tb_indices *ix, int i)
{
    if (i < ix->rank)
        return ix->front + i;
    return i - ix->rank < ix->front ? i - ix->rank : i;
}

tb_val
tb_indices_to_front(tb_graph *g, const tb_indices *ix, tb_val v)
{
    int64_t order[TB_MAX_RANK];

    for (int i = 0; i < RANK(v); i++)
        order[i] = place(ix, i);
    return tb_permute(g, v, order);
}

tb_val
tb_indices_get(tb_graph *g, const tb_indices *ix, tb_val x)
{
    tb_val r;
    int64_t order[TB_MAX_RANK];

    if (!ix->n)
        return x;
    r = tb_gather(g, x, ix->mask, ix->at, ix->n);
    for (int i = 0; i < RANK(r); i++)
        order[place(ix, i)] = i;
    return tb_permute(g, r, order);
}

static tb_val
index_tensor(tb_opctx *c)
{
    tb_val x = V(0);
    tb_indices ix = tb_indices_read(c, 1, x);

    return tb_indices_get(c->g, &ix, x);
}

/* Indices where the mask is false may be anything; the result is `fill` there. */
static tb_val
masked_index(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), r, mask = V(1);
    tb_indices ix = tb_indices_read(c, 2, x);
    uint32_t k = 0;

    for (int i = 0; i < RANK(x); i++) {
        tb_val max;

        if (!(ix.mask >> i & 1))
            continue;
        max = tb_body_dim(g, tb_dim_sub(g->unit, SIZE(x, i), 1), TB_I64);
        ix.at[k] = MAX(MIN(ix.at[k], max), I64(0));
        k++;
    }
    r = tb_indices_get(g, &ix, x);
    return WHERE(mask, r, tb_body_scalar(c, 3, tb_dtype_of(g, r)));
}

/* ---- along one axis ---- */

/* Rank 0 as [1]. */
static tb_val
at_least_1d(tb_graph *g, tb_val x)
{
    return RANK(x) ? x : tb_unsqueeze(g, x, 0);
}

static tb_val
embedding(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val i = CAST(V(1), TB_I64);

    return tb_gather(g, V(0), 1, &i, 1);
}

static tb_val
index_select(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = at_least_1d(g, V(0)), i = CAST(at_least_1d(g, V(2)), TB_I64);
    int axis = tb_body_axis(c, 1, RANK(V(0)));
    tb_val r;

    if (RANK(i) != 1)
        tb_body_raise(c, "expected an index of rank 1, found rank %d", RANK(i));
    r = tb_body_select(g, x, axis, i);
    return RANK(V(0)) ? r : tb_reshape(g, r, 0, NULL);
}

void
tb_indices_along(tb_graph *g, tb_val index, int axis, tb_val *out)
{
    index = CAST(index, TB_I64);
    for (int i = 0; i < RANK(index); i++)
        out[i] = i == axis ? index : tb_iota(g, RANK(index), tb_dims(g, index), i);
}

static tb_val
gather(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = at_least_1d(g, V(0)), index = at_least_1d(g, V(2)), idx[TB_MAX_RANK], r;
    int axis = tb_body_axis(c, 1, RANK(V(0))), rank = RANK(V(2));

    for (int i = 0; i < rank; i++)
        if (SIZE(V(2), i) == 0) /* of any rank then */
            return CAST(tb_full_i(g, TB_I64, rank, tb_dims(g, V(2)), 0), tb_dtype_of(g, x));
    if (RANK(x) != RANK(index))
        tb_body_raise(c, "expected an index of rank %d, found rank %d", RANK(V(0)), rank);
    tb_indices_along(g, index, axis, idx);
    r = tb_gather(g, x, (1u << RANK(x)) - 1, idx, (uint32_t)RANK(x));
    return tb_reshape(g, r, rank, tb_dims(g, V(2)));
}

/* Along an axis, but not in a flat tensor, indices of any size go round, as in eager mode. */
static tb_val
take_along_dim(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = V(0), i = CAST(V(1), TB_I64), size;
    int axis;

    if (!given(c, 2))
        return tb_body_take_along(g, tb_body_flat(g, x), 0, tb_body_flat(g, i));
    if (RANK(x) != RANK(i))
        tb_body_raise(c, "expected indices of rank %d, found rank %d", RANK(x), RANK(i));
    axis = tb_body_axis(c, 2, RANK(x));
    /* an axis of no elements has none at index 0 either, which the gather says */
    size = MAX(tb_body_dim(g, SIZE(x, axis), TB_I64), I64(1));
    i = REM(i, size);
    return tb_body_take_along(g, x, axis, WHERE(LT(i, I64(0)), ADD(i, size), i));
}

/* x as if it were flat */
static tb_val
take(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = tb_body_flat(g, V(0)), i = tb_body_wrap(g, V(1), SIZE(x, 0));

    return tb_gather(g, x, 1, &i, 1);
}

static tb_val
one_hot(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = CAST(V(0), TB_I64);
    int rank = RANK(x);

    if (INT(1) < 0)
        tb_body_lacks(c, "num_classes left to the values of the tensor");
    x = tb_unsqueeze(g, x, rank);
    return CAST(EQ(x, tb_body_count_up(g, INT(1), rank + 1, rank)), TB_I64);
}

/* ---- among sorted numbers ---- */

/* How many of the boundaries (last axis of b) are below each x: b [.., m], x [.., k]. NaN
 * comes behind all numbers. */
static tb_val
count_below(tb_graph *g, tb_val b, tb_val x, bool right, bool i32)
{
    int last = RANK(x);
    tb_val below;

    x = tb_unsqueeze(g, x, last);
    if (RANK(b) > 1)
        b = tb_unsqueeze(g, b, RANK(b) - 1); /* [.., 1, m] */
    below = right ? LT(x, b) : LE(x, b);
    below = RSUM(CAST(NOT(below), TB_I64), 1u << last);
    return CAST(tb_squeeze_axes(g, below, 1u << last), i32 ? TB_I32 : TB_I64);
}

static tb_val
bucketize(tb_opctx *c)
{
    tb_dtype t = tb_body_common(c, 3);
    tb_val x = tb_body_promoted(c, 0, t), b = tb_body_promoted(c, 1, t);
    tb_graph *g = c->g;

    if (RANK(b) != 1)
        tb_body_raise(c, "expected boundaries of rank 1, found rank %d", RANK(b));
    return count_below(g, b, x, BOOL(3), BOOL(2));
}

static tb_val
searchsorted(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 3);
    tb_val b = tb_body_promoted(c, 0, t), x = tb_body_promoted(c, 1, t);

    if (given(c, 5))
        b = tb_body_take_along(g, b, RANK(b) - 1, CAST(V(5), TB_I64));
    if (RANK(b) > 1 && RANK(b) != RANK(x))
        tb_body_raise(c, "expected values of rank %d, found rank %d", RANK(b), RANK(x));
    return count_below(g, b, x, BOOL(3) || tb_body_is(c, 4, "right"), BOOL(2));
}

/* elements [...] among tests [...] */
static tb_val
isin(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_common(c, 3);
    tb_val x = tb_body_promoted(c, 0, t), y = tb_body_flat(g, tb_body_promoted(c, 1, t)), r;
    int last = RANK(x);

    r = EQ(tb_unsqueeze(g, x, last), y);
    r = tb_squeeze_axes(g, tb_reduce(g, TB_P_rany, r, 1u << last), 1u << last);
    return BOOL(3) ? NOT(r) : r;
}

const tb_op tb_ops_index[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, "
     "bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
     TB_KEEP, embedding},
    {"index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
     TB_KEEP, index_tensor},
    {"_unsafe_index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
     TB_KEEP, index_tensor},
    {"index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor",
     TB_KEEP, index_tensor},
    {"_unsafe_index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor",
     TB_KEEP, index_tensor},
    {"_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) "
     "-> Tensor",
     TB_KEEP, masked_index},
    {"index_select(Tensor self, int dim, Tensor index) -> Tensor",
     TB_KEEP, index_select},
    {"gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
     TB_KEEP, gather},
    {"take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor",
     TB_KEEP, take_along_dim},
    {"take(Tensor self, Tensor index) -> Tensor",
     TB_KEEP, take},
    {"one_hot(Tensor self, int num_classes=-1) -> Tensor",
     TB_KEEP, one_hot},
    {"bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, "
     "bool right=False) -> Tensor",
     TB_KEEP, bucketize},
    {"bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, "
     "bool right=False) -> Tensor",
     TB_KEEP, bucketize},
    {"searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, "
     "bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) "
     "-> Tensor",
     TB_KEEP, searchsorted},
    {"searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, "
     "bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) "
     "-> Tensor",
     TB_KEEP, searchsorted},
    {"isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, "
     "bool assume_unique=False, bool invert=False) -> Tensor",
     TB_KEEP, isin},
    {"isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, "
     "bool assume_unique=False, bool invert=False) -> Tensor",
     TB_KEEP, isin},
    {"isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, "
     "bool assume_unique=False, bool invert=False) -> Tensor",
     TB_KEEP, isin},
    {0},
};

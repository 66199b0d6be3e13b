/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval_move.c -- movement, indexing and tensors from nowhere.
 *
 * Every movement except reshape is one strided copy: result element [i...] is element
 * base + sum(i * stride) of the operand (or, for pad and concat, the other way round).
 */
#include "graph/eval.h"

/* dst[d0 + i . ds] = src[s0 + i . ss] for all i in dims. */
static void
copy(void *dst, int64_t d0, const int64_t *ds, const void *src, int64_t s0,
     const int64_t *ss, int rank, const int64_t *dims, size_t elem_bytes)
{
    int64_t at[TB_MAX_RANK] = {0}, n = 1;

    for (int i = 0; i < rank; i++)
        n *= dims[i];
    for (; n > 0; n--) {
        memcpy((char *)dst + (size_t)d0 * elem_bytes, (const char *)src + (size_t)s0 * elem_bytes,
               elem_bytes);
        for (int ax = rank - 1; ax >= 0; ax--) {
            d0 += ds[ax], s0 += ss[ax];
            if (++at[ax] < dims[ax])
                break;
            d0 -= ds[ax] * dims[ax], s0 -= ss[ax] * dims[ax];
            at[ax] = 0;
        }
    }
}

/* The result as a view of x: base and a stride per axis of the result. */
static tensor
view(ev *e, const tensor *x, int64_t base, const int64_t *stride)
{
    tensor r = tb_ev_result(e);
    int64_t rs[TB_MAX_RANK];

    tb_ev_strides(&r, rs);
    copy(r.data, 0, rs, x->data, base, stride, r.rank, r.dims, tb_dtype_bytes(r.dtype));
    return r;
}

static tensor
slice(ev *e, const tensor *x, const int64_t *attr)
{
    int64_t xs[TB_MAX_RANK], stride[TB_MAX_RANK], base = 0;
    tensor r = tb_ev_result(e);

    tb_ev_strides(x, xs);
    for (int i = 0; i < x->rank; i++) {
        int64_t start = tb_ev_dim(e, attr[i]), step = attr[x->rank + i];
        int64_t last = start + (r.dims[i] - 1) * step;

        if (start < 0 || (r.dims[i] > 0 && last >= x->dims[i]))
            tb_ev_raise(e, "axis %d: elements %lld to %lld of %lld", i, (long long)start,
                        (long long)last, (long long)x->dims[i]);
        base += start * xs[i];
        stride[i] = step * xs[i];
    }
    return view(e, x, base, stride);
}

static tensor
pad(ev *e, const tensor *x, const tensor *value, const int64_t *attr)
{
    tensor r = tb_ev_result(e);
    size_t bytes = tb_dtype_bytes(r.dtype);
    int64_t xs[TB_MAX_RANK], rs[TB_MAX_RANK], base = 0, n = tb_ev_count(&r);

    tb_ev_strides(x, xs);
    tb_ev_strides(&r, rs);
    for (int i = 0; i < x->rank; i++) {
        int64_t lo = tb_ev_dim(e, attr[i]), hi = tb_ev_dim(e, attr[x->rank + i]);

        if (lo < 0 || hi < 0 || lo + x->dims[i] + hi != r.dims[i])
            tb_ev_raise(e, "axis %d: %lld + %lld + %lld do not make %lld", i, (long long)lo,
                        (long long)x->dims[i], (long long)hi, (long long)r.dims[i]);
        base += lo * rs[i];
    }
    for (int64_t i = 0; i < n; i++)
        memcpy((char *)r.data + (size_t)i * bytes, value->data, bytes);
    copy(r.data, base, rs, x->data, 0, xs, x->rank, x->dims, bytes);
    return r;
}

static tensor
concat(ev *e, const tensor *const *in, uint32_t n_in, int axis)
{
    tensor r = tb_ev_result(e);
    int64_t xs[TB_MAX_RANK], rs[TB_MAX_RANK], at = 0;

    tb_ev_strides(&r, rs);
    for (uint32_t i = 0; i < n_in; i++) {
        tb_ev_strides(in[i], xs);
        if (at + in[i]->dims[axis] > r.dims[axis])
            tb_ev_raise(e, "the parts are longer than the result's axis %d", axis);
        copy(r.data, at * rs[axis], rs, in[i]->data, 0, xs, r.rank, in[i]->dims,
             tb_dtype_bytes(r.dtype));
        at += in[i]->dims[axis];
    }
    if (at != r.dims[axis])
        tb_ev_raise(e, "the parts do not fill the result's axis %d", axis);
    return r;
}

static tensor
expand(ev *e, const tensor *x)
{
    tensor r = tb_ev_result(e);
    int64_t xs[TB_MAX_RANK], stride[TB_MAX_RANK] = {0};
    int lead = r.rank - x->rank;

    tb_ev_strides(x, xs);
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] != 1 && x->dims[i] != r.dims[lead + i])
            tb_ev_raise(e, "axis %d: size %lld cannot become %lld", i, (long long)x->dims[i],
                        (long long)r.dims[lead + i]);
        stride[lead + i] = x->dims[i] == 1 ? 0 : xs[i];
    }
    return view(e, x, 0, stride);
}

static tensor
reshape(ev *e, const tensor *x)
{
    tensor r = tb_ev_result(e);

    if (tb_ev_count(&r) != tb_ev_count(x))
        tb_ev_raise(e, "%lld elements cannot become %lld", (long long)tb_ev_count(x),
                    (long long)tb_ev_count(&r));
    if (tb_ev_count(x))
        memcpy(r.data, x->data, (size_t)tb_ev_count(x) * tb_dtype_bytes(x->dtype));
    return r;
}

static tensor
window(ev *e, const tensor *x, const int64_t *attr)
{
    tensor r = tb_ev_result(e);
    int axis = (int)attr[0];
    int64_t size = attr[1], step = attr[2], dilation = attr[3], stride[TB_MAX_RANK];
    int64_t last = (r.dims[axis] - 1) * step + (size - 1) * dilation;

    if (r.dims[axis] > 0 && last >= x->dims[axis])
        tb_ev_raise(e, "a window reaches element %lld of %lld", (long long)last,
                    (long long)x->dims[axis]);
    tb_ev_strides(x, stride);
    stride[x->rank] = stride[axis] * dilation;
    stride[axis] *= step;
    return view(e, x, 0, stride);
}

tensor
tb_ev_move(ev *e, tb_prim p, const tensor *const *in, uint32_t n_in, const int64_t *attr)
{
    const tensor *x = in[0];
    int64_t xs[TB_MAX_RANK], stride[TB_MAX_RANK], base = 0;

    tb_ev_strides(x, xs);
    switch (p) {
    case TB_P_permute:
        for (int i = 0; i < x->rank; i++)
            stride[i] = xs[attr[i]];
        return view(e, x, 0, stride);
    case TB_P_flip:
        for (int i = 0; i < x->rank; i++) {
            bool f = attr[0] >> i & 1;

            stride[i] = f ? -xs[i] : xs[i];
            base += f && x->dims[i] ? (x->dims[i] - 1) * xs[i] : 0;
        }
        return view(e, x, base, stride);
    case TB_P_slice:
        return slice(e, x, attr);
    case TB_P_pad:
        return pad(e, x, in[1], attr);
    case TB_P_expand:
        return expand(e, x);
    case TB_P_reshape:
        return reshape(e, x);
    case TB_P_window:
        return window(e, x, attr);
    case TB_P_concat:
        return concat(e, in, n_in, (int)attr[0]);
    default:
        TB_UNREACHABLE();
    }
}

/* ---- gather and scatter ---- */

/*
 * Both walk pairs (i, o): i a position in the index tensors, o a position in the axes that
 * are not indexed. `data` is the indexed tensor, `packed` the [I..., others...] one.
 */
typedef struct indexing {
    const tensor *data;
    uint32_t mask;
    const tensor *const *idx;
    int64_t n_idx_elems, n_other;
    int64_t axis_stride[TB_MAX_RANK], axis_elems[TB_MAX_RANK];
    int other_axis[TB_MAX_RANK], n_other_axes;
    int64_t stride[TB_MAX_RANK];
} indexing;

static indexing
indexing_of(const tensor *data, uint32_t mask, const tensor *const *idx)
{
    indexing x = {.data = data, .mask = mask, .idx = idx, .n_other = 1};
    int k = 0;

    tb_ev_strides(data, x.stride);
    x.n_idx_elems = tb_ev_count(idx[0]);
    for (int i = 0; i < data->rank; i++) {
        if (mask >> i & 1) {
            x.axis_stride[k] = x.stride[i];
            x.axis_elems[k++] = data->dims[i];
        } else {
            x.other_axis[x.n_other_axes++] = i;
            x.n_other *= data->dims[i];
        }
    }
    return x;
}

/* Element of data that index position i points to (its first one). */
static int64_t
base_of(ev *e, const indexing *x, uint32_t n_idx, int64_t i)
{
    int64_t at = 0;

    for (uint32_t k = 0; k < n_idx; k++) {
        int64_t v = tb_ev_int(x->idx[k], i);

        if (v < 0 || v >= x->axis_elems[k])
            tb_ev_raise(e, "index %lld is out of range for an axis of size %lld",
                        (long long)v, (long long)x->axis_elems[k]);
        at += v * x->axis_stride[k];
    }
    return at;
}

static int64_t
other_of(const indexing *x, int64_t o)
{
    int64_t at = 0;

    for (int k = x->n_other_axes; k-- > 0;) {
        int64_t d = x->data->dims[x->other_axis[k]];

        at += o % d * x->stride[x->other_axis[k]];
        o /= d;
    }
    return at;
}

tensor
tb_ev_gather(ev *e, const tensor *const *in, uint32_t n_in, uint32_t mask)
{
    tensor r = tb_ev_result(e);
    indexing x = indexing_of(in[0], mask, in + 1);
    size_t bytes = tb_dtype_bytes(r.dtype);

    for (int64_t i = 0; x.n_other && i < x.n_idx_elems; i++) {
        int64_t base = base_of(e, &x, n_in - 1, i);

        for (int64_t o = 0; o < x.n_other; o++)
            memcpy((char *)r.data + (size_t)(i * x.n_other + o) * bytes,
                   (const char *)in[0]->data + (size_t)(base + other_of(&x, o)) * bytes,
                   bytes);
    }
    return r;
}

static void
combine(tensor *r, int64_t at, const tensor *upd, int64_t from, int mode)
{
    static const tb_prim prim[] = {TB_P_none, TB_P_add, TB_P_mul, TB_P_max, TB_P_min};
    size_t bytes = tb_dtype_bytes(r->dtype);

    if (mode == 0) {
        memcpy((char *)r->data + (size_t)at * bytes,
               (const char *)upd->data + (size_t)from * bytes, bytes);
    } else if (tb_dtype_is_complex(r->dtype)) {
        cplx a, b;

        tb_ev_load_cplx(r, at, 1, &a);
        tb_ev_load_cplx(upd, from, 1, &b);
        if (mode == 1)
            a = (cplx){a.re + b.re, a.im + b.im};
        else
            a = (cplx){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
        tb_ev_store_cplx(r, at, 1, &a);
    } else if (tb_dtype_is_float(r->dtype)) {
        double a = 0, b = 0;

        tb_ev_load_f64(r, at, 1, &a);
        tb_ev_load_f64(upd, from, 1, &b);
        a = tb_ev_f64_op(prim[mode], a, b);
        tb_ev_store_f64(r, at, 1, &a);
    } else {
        int64_t v = tb_ev_int_op(prim[mode], r->dtype, tb_ev_int(r, at),
                                 tb_ev_int(upd, from));

        tb_ev_store_int(r, at, 1, &v);
    }
}

tensor
tb_ev_scatter(ev *e, const tensor *const *in, uint32_t n_in, uint32_t mask, int mode)
{
    tensor r = tb_ev_result(e);
    indexing x = indexing_of(in[0], mask, in + 2);

    if (tb_ev_count(&r))
        memcpy(r.data, in[0]->data, (size_t)tb_ev_count(&r) * tb_dtype_bytes(r.dtype));
    for (int64_t i = 0; x.n_other && i < x.n_idx_elems; i++) {
        int64_t base = base_of(e, &x, n_in - 2, i);

        for (int64_t o = 0; o < x.n_other; o++)
            combine(&r, base + other_of(&x, o), in[1], i * x.n_other + o, mode);
    }
    return r;
}

/* ---- from nowhere ---- */

tensor
tb_ev_iota(ev *e, int axis)
{
    tensor r = tb_ev_result(e);
    int64_t strides[TB_MAX_RANK], n = tb_ev_count(&r);

    tb_ev_strides(&r, strides);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = i / strides[axis] % r.dims[axis];

        tb_ev_store_int(&r, i, 1, &v);
    }
    return r;
}

/* The attribute is an int64 for integers and bool, else the bits of a double. */
tensor
tb_ev_full(ev *e, int64_t value)
{
    tensor r = tb_ev_result(e);
    int64_t n = tb_ev_count(&r);
    double d;

    memcpy(&d, &value, sizeof d);
    for (int64_t i = 0; i < n; i++) {
        if (tb_dtype_is_inexact(r.dtype))
            tb_ev_store_f64(&r, i, 1, &d);
        else
            tb_ev_store_int(&r, i, 1, &value);
    }
    return r;
}

/*
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 * Element i, in row-major order, is word i % 4 of the block with
 *     counter = {low 32 bits of b, high 32 bits of b, 0, 0},  b = offset + i / 4
 *     key     = {low 32 bits of seed, high 32 bits of seed}
 * so a caller that draws n numbers moves its offset on by ceil(n / 4).
 */
static void
philox(uint64_t seed, uint64_t block, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c0 * 0xD2511F53u, b = (uint64_t)c2 * 0xCD9E8D57u;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

tensor
tb_ev_rand(ev *e, int64_t seed, int64_t offset)
{
    tensor r = tb_ev_result(e);
    int64_t n = tb_ev_count(&r);
    uint32_t words[4] = {0};

    for (int64_t i = 0; i < n; i++) {
        int64_t v;

        if (i % 4 == 0)
            philox((uint64_t)seed, (uint64_t)offset + (uint64_t)i / 4, words);
        v = words[i % 4];
        tb_ev_store_int(&r, i, 1, &v);
    }
    return r;
}

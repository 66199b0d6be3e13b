/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * create.c -- tensors from nothing: filled ones, ranges, identities, index tables.
 *
 * `empty` gives zeros: a program has no memory without a value.
 */
#include "op/body.h"

/* ---- filled ---- */

static int
sizes(tb_opctx *c, uint32_t i, tb_dim *d)
{
    uint32_t n = tb_body_n(c, i);

    if (n > TB_MAX_RANK)
        tb_body_raise(c, "%u axes are more than the limit of %d", n, TB_MAX_RANK);
    for (uint32_t k = 0; k < n; k++) {
        const tb_arg *a = tb_body_at(c, i, k);

        if (a->kind != TB_ARG_INT && a->kind != TB_ARG_DIM)
            tb_body_raise(c, "argument %u: expected integers", i + 1);
        d[k] = a->kind == TB_ARG_DIM ? tb_dim_canon(c->g->unit, a->d) : a->i;
    }
    return (int)n;
}

/* The dtype in argument i; else what a tensor of the number in argument v has. */
static tb_dtype
dtype_or_number(tb_opctx *c, uint32_t i, uint32_t v)
{
    return tb_body_dtype(c, i, tb_body_common(c, UINT64_C(1) << v));
}

/* Argument v everywhere, in the shape of sizes at i. */
static tb_val
filled(tb_opctx *c, uint32_t i, uint32_t v, tb_dtype t)
{
    tb_dim d[TB_MAX_RANK];
    int n = sizes(c, i, d);

    return tb_expand(c->g, tb_body_promoted(c, v, t), n, d);
}

static tb_val
filled_like(tb_opctx *c, uint32_t v, tb_dtype t)
{
    return tb_expand_like(c->g, tb_body_promoted(c, v, t), V(0));
}

static tb_val
number_like(tb_opctx *c, double value, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, dtype, tb_dtype_of(g, V(0)));

    return tb_full_f(g, t, RANK(V(0)), tb_dims(g, V(0)), value);
}

static tb_val
number_of_size(tb_opctx *c, double value, uint32_t i, tb_dtype t)
{
    tb_dim d[TB_MAX_RANK];
    int n = sizes(c, i, d);

    return tb_full_f(c->g, t, n, d, value);
}

static tb_val
full(tb_opctx *c)
{
    return filled(c, 0, 1, dtype_or_number(c, 2, 1));
}

static tb_val
full_like(tb_opctx *c)
{
    return filled_like(c, 1, tb_body_dtype(c, 2, tb_dtype_of(c->g, V(0))));
}

static tb_val
new_full(tb_opctx *c)
{
    return filled(c, 1, 2, tb_body_dtype(c, 3, tb_dtype_of(c->g, V(0))));
}

static tb_val
fill(tb_opctx *c)
{
    return filled_like(c, 1, tb_dtype_of(c->g, V(0)));
}

static tb_val
zeros(tb_opctx *c)
{
    return number_of_size(c, 0, 0, tb_body_dtype(c, 1, TB_F32));
}

static tb_val
ones(tb_opctx *c)
{
    return number_of_size(c, 1, 0, tb_body_dtype(c, 1, TB_F32));
}

/* (size, stride or layout, dtype) */
static tb_val
empty_strided(tb_opctx *c)
{
    return number_of_size(c, 0, 0, tb_body_dtype(c, 2, TB_F32));
}

static tb_val
zeros_like(tb_opctx *c)
{
    return number_like(c, 0, 1);
}

static tb_val
ones_like(tb_opctx *c)
{
    return number_like(c, 1, 1);
}

static tb_val
zero(tb_opctx *c)
{
    return tb_full_like(c->g, V(0), 0);
}

static tb_val
new_zeros(tb_opctx *c)
{
    return number_of_size(c, 0, 1, tb_body_dtype(c, 2, tb_dtype_of(c->g, V(0))));
}

static tb_val
new_ones(tb_opctx *c)
{
    return number_of_size(c, 1, 1, tb_body_dtype(c, 2, tb_dtype_of(c->g, V(0))));
}

static tb_val
new_empty_strided(tb_opctx *c)
{
    return number_of_size(c, 0, 1, tb_body_dtype(c, 3, tb_dtype_of(c->g, V(0))));
}

static tb_val
scalar_tensor(tb_opctx *c)
{
    return tb_body_promoted(c, 0, tb_body_dtype(c, 1, TB_F32));
}

/* ---- ranges ---- */

static bool
is_whole(const tb_arg *a)
{
    return a->kind == TB_ARG_INT || a->kind == TB_ARG_DIM || a->kind == TB_ARG_BOOL;
}

/* start + i * step, in integers: exact, and sizes may be symbolic. */
static tb_val
whole_range(tb_opctx *c, tb_dim start, tb_dim end, int64_t step, tb_dtype t)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_dim span = step > 0 ? tb_dim_sub(u, end, start) : tb_dim_sub(u, start, end), n;
    tb_val r;

    if (step == 0)
        tb_body_raise(c, "step must not be 0");
    n = tb_dim_max(u, tb_dim_ceildiv(u, span, step > 0 ? step : -step), 0);
    r = tb_iota(g, 1, &n, 0);
    if (step != 1)
        r = MUL(r, I64(step));
    if (start != 0)
        r = ADD(r, tb_body_dim(g, start, TB_I64));
    return CAST(r, t);
}

static const tb_arg zero_arg = {.kind = TB_ARG_INT, .i = 0};
static const tb_arg one_arg = {.kind = TB_ARG_INT, .i = 1};

static bool
is_number(const tb_arg *a)
{
    return a->kind == TB_ARG_FLOAT || a->kind == TB_ARG_INT || a->kind == TB_ARG_BOOL;
}

static double
as_double(tb_opctx *c, const tb_arg *a)
{
    double v = a->kind == TB_ARG_FLOAT ? a->f : a->kind == TB_ARG_BOOL ? a->b : (double)a->i;

    if (!is_number(a))
        tb_body_lacks(c, "a range of integers whose ends are floats that are not constant");
    if (!(fabs(v) < 1e15))
        tb_body_raise(c, "%g is out of range", v);
    return v;
}

static tb_dim
whole_arg(tb_opctx *c, const tb_arg *a)
{
    int64_t i = a->kind == TB_ARG_BOOL ? a->b : a->i;

    if (a->kind == TB_ARG_DIM)
        return tb_dim_canon(c->g->unit, a->d);
    if (i <= -TB_DIM_EXPR || i >= TB_DIM_EXPR)
        tb_body_raise(c, "%lld is out of range", (long long)i);
    return i;
}

/* A number, a size or what was computed of them, as an F64 of rank 0. */
static tb_val
as_f64(tb_opctx *c, const tb_arg *a)
{
    tb_graph *g = c->g;

    if (a->kind == TB_ARG_TENSOR)
        return CAST(a->v, TB_F64);
    if (a->kind == TB_ARG_DIM)
        return tb_body_dim(g, tb_dim_canon(g->unit, a->d), TB_F64);
    return tb_full_f(g, TB_F64, 0, NULL, as_double(c, a));
}

/* How many numbers a range of floats has that is not known now. */
static tb_dim
open_count(tb_graph *g, tb_val from, tb_val to, tb_val by)
{
    tb_val n = M1(ceil, DIV(SUB(to, from), by));

    return tb_body_count_item(g, CAST(MAX(n, K(n, 0)), TB_I64), TB_DIM_EXPR - 1);
}

static tb_val
range(tb_opctx *c, const tb_arg *start, const tb_arg *end, const tb_arg *step,
      uint32_t dtype)
{
    tb_graph *g = c->g;
    bool whole = is_whole(start) && is_whole(end) && is_whole(step);
    tb_dtype t = tb_body_dtype(c, dtype, whole ? TB_I64 : TB_F32);
    double from, by, n;
    tb_dim size;
    tb_val first, each;

    if (whole && step->kind != TB_ARG_DIM)
        return whole_range(c, whole_arg(c, start), whole_arg(c, end), whole_arg(c, step),
                           t);
    first = as_f64(c, start);
    each = as_f64(c, step);
    if (tb_dtype_is_float(t) && !(is_number(start) && is_number(end) && is_number(step))) {
        size = open_count(g, first, as_f64(c, end), each);
        return CAST(ADD(first, MUL(CAST(tb_iota(g, 1, &size, 0), TB_F64), each)), t);
    }
    from = as_double(c, start);
    by = as_double(c, step);
    if (t == TB_I64) /* all three are cut off first */
        return whole_range(c, (int64_t)from, (int64_t)as_double(c, end), (int64_t)by, t);
    if (by == 0)
        tb_body_raise(c, "step must not be 0");
    n = ceil((as_double(c, end) - from) / by);
    if (!(n < 1e15))
        tb_body_raise(c, "the range has no end");
    size = n > 0 ? (tb_dim)n : 0;
    if (!tb_dtype_is_float(t)) /* counted as floats, and cut off then */
        return CAST(ADD(MUL(tb_iota(g, 1, &size, 0), I64((int64_t)by)), I64((int64_t)from)), t);
    return CAST(ADD(first, MUL(CAST(tb_iota(g, 1, &size, 0), TB_F64), each)), t);
}

static tb_val
arange(tb_opctx *c)
{
    return range(c, &zero_arg, &c->arg[0], &one_arg, 1);
}

static tb_val
arange_start(tb_opctx *c)
{
    return range(c, &c->arg[0], &c->arg[1], &one_arg, 2);
}

static tb_val
arange_step(tb_opctx *c)
{
    return range(c, &c->arg[0], &c->arg[1], &c->arg[2], 3);
}

/* (length, start, step, dtype) */
static tb_val
prims_iota(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dim n = DIM(0);
    tb_val r = MUL(tb_iota(g, 1, &n, 0), tb_body_dim(g, DIM(2), TB_I64));

    return CAST(ADD(r, tb_body_dim(g, DIM(1), TB_I64)), tb_body_dtype(c, 3, TB_I64));
}

/* n values from start to end, from both ends towards the middle, computed in t. For results that
 * are integers the ends are cut off first. */
static tb_val
line(tb_opctx *c, tb_dtype t, tb_dtype result)
{
    tb_graph *g = c->g;
    tb_val a = tb_body_scalar(c, 0, TB_F64), b = tb_body_scalar(c, 1, TB_F64), i, step, up, down;
    tb_dim n = DIM(2);
    tb_val last = tb_body_dim(g, tb_dim_sub(g->unit, n, 1), t);

    if (!tb_dtype_is_inexact(result)) {
        a = CAST(CAST(a, TB_I64), t);
        b = CAST(CAST(b, TB_I64), t);
    }
    if (n == 1)
        return tb_unsqueeze(g, a, 0);
    i = CAST(tb_iota(g, 1, &n, 0), t);
    step = DIV(SUB(b, a), last);
    up = ADD(a, MUL(step, i));
    down = SUB(b, MUL(step, SUB(last, i)));
    return WHERE(LT(ADD(i, i), last), up, down);
}

static tb_val
linspace(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, 3, TB_F32);

    return CAST(line(c, TB_F64, t), t);
}

static tb_val
logspace(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_dtype t = tb_body_dtype(c, 4, TB_F32);
    /* of integers PyTorch has exponents in f32 */
    tb_val r = CAST(line(c, tb_dtype_is_inexact(t) ? TB_F64 : TB_F32, t), TB_F64);

    return CAST(POW(K(r, FLOAT(3)), r), t);
}

/* ---- windows: values a - b cos(2 pi i / n) + e cos(4 pi i / n) ---- */

/* A periodic window of n is the beginning of a symmetric one of n + 1. */
static tb_val
window(tb_opctx *c, bool periodic, double a, double b, double e, uint32_t dtype)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    tb_dim n = DIM(0);
    tb_dtype t = tb_body_dtype(c, dtype, TB_F32);
    tb_val span, turn, r;

    if (n == 1 || n == 0)
        return tb_full_f(g, t, 1, &n, 1);
    span = tb_body_dim(g, periodic ? n : tb_dim_sub(u, n, 1), TB_F64);
    turn = MUL(CAST(tb_iota(g, 1, &n, 0), TB_F64), K(span, 6.28318530717958647693));
    turn = DIV(turn, span);
    r = SUB(K(turn, a), MUL(M1(cos, turn), K(turn, b)));
    if (e != 0)
        r = ADD(r, MUL(M1(cos, ADD(turn, turn)), K(turn, e)));
    return CAST(r, t);
}

static tb_val
hann(tb_opctx *c)
{
    return window(c, true, 0.5, 0.5, 0, 1);
}

static tb_val
hann_periodic(tb_opctx *c)
{
    return window(c, BOOL(1), 0.5, 0.5, 0, 2);
}

static tb_val
hamming(tb_opctx *c)
{
    return window(c, true, 0.54, 0.46, 0, 1);
}

static tb_val
hamming_periodic(tb_opctx *c)
{
    return window(c, BOOL(1), 0.54, 0.46, 0, 2);
}

static tb_val
blackman(tb_opctx *c)
{
    return window(c, true, 0.42, 0.5, 0.08, 1);
}

static tb_val
blackman_periodic(tb_opctx *c)
{
    return window(c, BOOL(1), 0.42, 0.5, 0.08, 2);
}

/* ---- identities and tables ---- */

static tb_val
identity(tb_opctx *c, tb_dim n, tb_dim m, uint32_t dtype)
{
    tb_graph *g = c->g;

    return CAST(EQ(tb_body_count_up(g, n, 2, 0), tb_body_count_up(g, m, 2, 1)),
                tb_body_dtype(c, dtype, TB_F32));
}

static tb_val
eye(tb_opctx *c)
{
    return identity(c, DIM(0), DIM(0), 1);
}

static tb_val
eye_m(tb_opctx *c)
{
    return identity(c, DIM(0), DIM(1), 2);
}

/* Rows and columns of the elements of a triangle, in row-major order: [2, n] */
static tb_val
triangle_indices(tb_opctx *c, bool lower)
{
    tb_graph *g = c->g;
    tb_unit *u = g->unit;
    int64_t rows = INT(0), cols = INT(1), offset = INT(2), n = 0, *at = NULL;
    tb_dtype t = tb_body_dtype(c, 3, TB_I64);
    tb_const k = {.name = TB_STR(""), .dtype = TB_I64, .rank = 2};

    if (rows < 0 || cols < 0 || rows > (INT64_C(1) << 28) / (cols + 1))
        tb_body_raise(c, "a table of %lld by %lld", (long long)rows, (long long)cols);
    for (int pass = 0; pass < 2; pass++) {
        int64_t total = n;

        if (pass)
            at = TB_NEWN(&u->cx->keep, int64_t, 2 * total + 1);
        n = 0;
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < cols; j++) {
                if (lower ? j - i > offset : j - i < offset)
                    continue;
                if (pass)
                    at[n] = i, at[total + n] = j;
                n++;
            }
        }
    }
    k.dims[0] = 2;
    k.dims[1] = n;
    k.bytes = at;
    k.n_bytes = (size_t)n * 2 * sizeof *at;
    return CAST(tb_constant(g, tb_unit_const(u, k)), t);
}

static tb_val
tril_indices(tb_opctx *c)
{
    return triangle_indices(c, true);
}

static tb_val
triu_indices(tb_opctx *c)
{
    return triangle_indices(c, false);
}

const tb_op tb_ops_create[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, full},
    {"full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? "
     "memory_format=None) -> Tensor",
     TB_KEEP, full_like},
    {"new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, new_full},
    {"fill.Scalar(Tensor self, Scalar value) -> Tensor",
     TB_KEEP, fill},
    {"fill.Tensor(Tensor self, Tensor value) -> Tensor",
     TB_KEEP, fill},
    {"zero(Tensor self) -> Tensor",
     TB_KEEP, zero},
    {"zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, zeros},
    {"ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, ones},
    {"empty.memory_format(SymInt[] size, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? "
     "memory_format=None) -> Tensor",
     TB_KEEP, zeros},
    {"empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, empty_strided},
    {"empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None, "
     "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, empty_strided},
    {"zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
     TB_KEEP, zeros_like},
    {"ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
     TB_KEEP, ones_like},
    {"empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
     TB_KEEP, zeros_like},
    {"new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, new_zeros},
    {"new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, new_ones},
    {"new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, new_zeros},
    {"new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, new_empty_strided},
    {"scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, scalar_tensor},
    {"arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, arange},
    {"arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, arange_start},
    {"arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, arange_step},
    {"prims.iota(SymInt length, *, SymInt start, SymInt step, ScalarType dtype, Device "
     "device, bool requires_grad) -> Tensor",
     TB_KEEP, prims_iota},
    {"linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, linspace},
    {"logspace(Scalar start, Scalar end, int steps, float base=10., *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, logspace},
    {"eye(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, eye},
    {"eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None, Layout? layout=None, "
     "Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, eye_m},
    {"tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, tril_indices},
    {"triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, triu_indices},
    {"hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, "
     "Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, hann},
    {"hann_window.periodic(int window_length, bool periodic, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, hann_periodic},
    {"hamming_window(int window_length, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, hamming},
    {"hamming_window.periodic(int window_length, bool periodic, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, hamming_periodic},
    {"blackman_window(int window_length, *, ScalarType? dtype=None, Layout? "
     "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
     TB_KEEP, blackman},
    {"blackman_window.periodic(int window_length, bool periodic, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, blackman_periodic},
    {"linspace.Tensor_Tensor(Tensor start, Tensor end, int steps, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, linspace},
    {"linspace.Tensor_Scalar(Tensor start, Scalar end, int steps, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, linspace},
    {"linspace.Scalar_Tensor(Scalar start, Tensor end, int steps, *, ScalarType? "
     "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> "
     "Tensor",
     TB_KEEP, linspace},
    {0},
};

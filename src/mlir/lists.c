/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * lists.c -- lists, and what is read from a tensor's type: sizes, rank, element type.
 */
#include "mlir/import.h"

/* ---- lists ---- */

static void
define_list(ml_importer *im, const tb_arg *items, uint32_t n)
{
    tb_ml_define(im, 0, (ml_value){.arg = {.kind = TB_ARG_LIST, .list = {items, n}}});
}

static void
op_list(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_arg *items = TB_NEWN(&im->cx->keep, tb_arg, n + 1);

    for (uint32_t i = 0; i < n; i++)
        items[i] = tb_ml_arg(im, &in[i]);
    define_list(im, items, n);
}

static void
need_list(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_ml_takes(im, n, 1);
    if (in[0].cell || in[0].compare || in[0].arg.kind != TB_ARG_LIST)
        ML_FAIL(im, "%.*s: expected a list", TB_FMT(im->op->name));
}

static void
op_unpack(ml_importer *im, const ml_value *in, uint32_t n)
{
    need_list(im, in, n);
    if (in[0].arg.list.n != im->op->out.n)
        ML_FAIL(im, "a list of %u elements is unpacked into %u", in[0].arg.list.n,
                im->op->out.n);
    for (uint32_t i = 0; i < im->op->out.n; i++)
        tb_ml_define(im, i, (ml_value){.arg = in[0].arg.list.at[i]});
}

static void
op_get_item(ml_importer *im, const ml_value *in, uint32_t n)
{
    int64_t i;

    need_list(im, in, n);
    tb_ml_takes(im, n, 2);
    if (in[1].arg.kind != TB_ARG_INT)
        tb_ml_unsupported(im, "an index that is not constant");
    i = in[1].arg.i;
    i += i < 0 ? in[0].arg.list.n : 0;
    if (i < 0 || i >= in[0].arg.list.n)
        ML_FAIL(im, "element %lld of a list of %u", (long long)in[1].arg.i,
                in[0].arg.list.n);
    tb_ml_define(im, 0, (ml_value){.arg = in[0].arg.list.at[i]});
}

static void
op_len(ml_importer *im, const ml_value *in, uint32_t n)
{
    need_list(im, in, n);
    tb_ml_define(im, 0, tb_ml_of_dim(in[0].arg.list.n));
}

static void
op_concat_lists(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_arg *items;
    uint32_t a, b;

    tb_ml_takes(im, n, 2);
    need_list(im, in, n);
    need_list(im, in + 1, n);
    a = in[0].arg.list.n, b = in[1].arg.list.n;
    if (a + b > 1 << 16)
        ML_FAIL(im, "the list is too long");
    items = TB_NEWN(&im->cx->keep, tb_arg, a + b + 1);
    memcpy(items, in[0].arg.list.at, a * sizeof *items);
    if (b)
        memcpy(items + a, in[1].arg.list.at, b * sizeof *items);
    define_list(im, items, a + b);
}

/* ---- sizes ---- */

tb_val
tb_ml_need_tensor(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_ml_takes(im, n, 1);
    if (!in[0].cell && (in[0].compare || in[0].arg.kind != TB_ARG_TENSOR))
        ML_FAIL(im, "%.*s: expected a tensor", TB_FMT(im->op->name));
    return tb_ml_tensor_of(im, in);
}

static tb_dim
size(ml_importer *im, tb_val x, int64_t axis)
{
    int rank = tb_rank(im->g, x);
    tb_dim d;

    if (axis < -rank || axis >= rank)
        ML_FAIL(im, "axis %lld of a tensor of rank %d", (long long)axis, rank);
    d = tb_dims(im->g, x)[axis < 0 ? axis + rank : axis];
    if (d == TB_DIM_UNKNOWN)
        tb_ml_unsupported(im, "a size that the text does not say");
    return d;
}

static void
op_size(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);

    tb_ml_takes(im, n, 2);
    if (in[1].compare || in[1].arg.kind != TB_ARG_INT)
        tb_ml_unsupported(im, "an axis that is not constant");
    tb_ml_define(im, 0, tb_ml_of_dim(size(im, x, in[1].arg.i)));
}

static void
op_sizes(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);
    int rank = tb_rank(im->g, x);
    tb_arg *items = TB_NEWN(&im->cx->keep, tb_arg, rank + 1);

    for (int i = 0; i < rank; i++)
        items[i] = tb_ml_of_dim(size(im, x, i)).arg;
    define_list(im, items, (uint32_t)rank);
}

static void
op_numel(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);
    tb_dim d = 1;

    for (int i = 0; i < tb_rank(im->g, x); i++)
        d = tb_dim_mul(im->u, d, size(im, x, i));
    tb_ml_define(im, 0, tb_ml_of_dim(d));
}

static void
op_rank(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_ml_define(im, 0, tb_ml_of_dim(tb_rank(im->g, tb_ml_need_tensor(im, in, n))));
}

static void
op_len_tensor(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_ml_define(im, 0, tb_ml_of_dim(size(im, tb_ml_need_tensor(im, in, n), 0)));
}

static void
op_dtype(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_dtype t = tb_dtype_of(im->g, tb_ml_need_tensor(im, in, n));

    tb_ml_define(im, 0, tb_ml_of_dim(tb_dtype_to_torch(t)));
}

static void
op_device(ml_importer *im, const ml_value *in, uint32_t n)
{
    (void)in, (void)n;
    tb_ml_define(im, 0, (ml_value){.arg = {.kind = TB_ARG_STR, .s = TB_STR("cpu")}});
}

static void
op_zero(ml_importer *im, const ml_value *in, uint32_t n)
{
    (void)in, (void)n;
    tb_ml_define(im, 0, tb_ml_of_dim(0)); /* prim.layout: strided */
}

/* ---- the table ---- */

static const struct {
    const char *name;
    ml_handler *fn;
} table[] = {
    {"torch.prim.ListConstruct", op_list},
    {"torch.prim.TupleConstruct", op_list},
    {"torch.prim.ListUnpack", op_unpack},
    {"torch.prim.TupleUnpack", op_unpack},
    {"torch.prim.TupleIndex", op_get_item},
    {"torch.aten.__getitem__.t", op_get_item},
    {"torch.aten.len.t", op_len},
    {"torch.aten.add.t", op_concat_lists},
    {"torch.aten.size.int", op_size},
    {"torch.aten.sym_size.int", op_size},
    {"torch.aten.size", op_sizes},
    {"torch.aten.numel", op_numel},
    {"torch.aten.sym_numel", op_numel},
    {"torch.aten.dim", op_rank},
    {"torch.aten.len.Tensor", op_len_tensor},
    {"torch.prim.dtype", op_dtype},
    {"torch.prim.device", op_device},
    {"torch.prim.layout", op_zero},
};

ml_handler *
tb_ml_list_handler(tb_str name)
{
    for (size_t i = 0; i < TB_COUNT(table); i++)
        if (tb_str_is(name, table[i].name))
            return table[i].fn;
    return tb_ml_scalar_handler(name);
}
